"""Backends run array programs: `make_function(program)` of each module runs the text that its printer writes."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from tinygrad_edu.compiler.program import Program

BACKENDS = ("numpy", "jax", "python")


def make_function(program: Program, language: str) -> Callable[..., Sequence[Any]]:
    """A function of the leaves of a program, in one of `BACKENDS`. Raises `ValueError` for another one."""
    if language not in BACKENDS:
        raise ValueError(f"a program is run by {', '.join(BACKENDS)}, not by {language!r}")
    run: Callable[..., Sequence[Any]] = import_module(f".{language}", __name__).make_function(program)
    return run
