"""What runs array programs: each module has `function(program)`, made of the text that its printer writes."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from tinygrad_edu.compiler.program import Program

LANGUAGES = ("numpy", "jax", "python")


def function(program: Program, language: str) -> Callable[..., Sequence[Any]]:
    """A function of the leaves of a program, run by one of `LANGUAGES`. Raises `ValueError` for another one."""
    if language not in LANGUAGES:
        raise ValueError(f"a program is run by {', '.join(LANGUAGES)}, not by {language!r}")
    run: Callable[..., Sequence[Any]] = import_module(f".{language}", __name__).function(program)
    return run
