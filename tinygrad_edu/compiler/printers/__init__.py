"""Array programs as text: in a language, as formulas, or as a listing. What runs a text is left to `backends/`."""

from importlib import import_module

from tinygrad_edu.compiler.program import Program

LANGUAGES = ("numpy", "jax", "python", "javascript", "latex")


def source(program: Program, language: str) -> str:
    """The text of a program in one of `LANGUAGES`.

    Raises `ValueError` for another language, and for samples in Python and JavaScript, whose programs compute one;
    `TypeError` for an operation whose rule looks at its numbers.
    """
    if language not in LANGUAGES:
        raise ValueError(f"a program can be written in {', '.join(LANGUAGES)}, not in {language!r}")
    return _text(language, program)


def listed(program: Program) -> str:
    """What `print(program)` shows: each array with its shape, and where it comes from."""
    return _text("listing", program)


def _text(printer: str, program: Program) -> str:
    """What a printer writes; it is loaded when it is needed."""
    text: str = import_module(f".{printer}", __name__).text(program)
    return text
