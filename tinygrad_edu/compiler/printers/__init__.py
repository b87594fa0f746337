"""Array programs as text: in a language, as formulas, or as a listing. What runs a text is left to `backends/`."""

from importlib import import_module

from tinygrad_edu.compiler.program import Program

LANGUAGES = ("numpy", "jax", "python", "javascript", "latex")


def source(program: Program, language: str) -> str:
    """Writes a program in a language.

    Args:
        program: An array program.
        language: One of `LANGUAGES`.

    Returns:
        The text: what it imports, the constants, and the function; in LaTeX, formulas.

    Raises:
        ValueError: The language is another one, or the program computes many samples, which Python and JavaScript
            cannot.
        TypeError: The rule of an operation looks at its numbers.
    """
    if language not in LANGUAGES:
        raise ValueError(f"a program can be written in {', '.join(LANGUAGES)}, not in {language!r}")
    return _print_with(language, program)


def list_program(program: Program) -> str:
    """Writes what `print(program)` shows: each array with its shape, its formula, and where it comes from."""
    return _print_with("listing", program)


def _print_with(printer: str, program: Program) -> str:
    """Calls a printer, which is imported when it is needed."""
    text: str = import_module(f".{printer}", __name__).write_text(program)
    return text
