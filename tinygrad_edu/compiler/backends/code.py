"""Texts of programs as functions."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from tinygrad_edu.compiler.printers.parts import Source


def compiled(source: Source) -> Callable[..., Sequence[Any]]:
    """The function that a text in Python defines; it returns all outputs, also where there is but one."""
    scope: dict[str, Any] = dict(source.constants)
    exec(_code(source.text()), scope)  # of our own making: labels are in it as plain names only, numbers as numbers
    run: Callable[..., Any] = scope[source.name]
    return run if source.outputs > 1 else lambda *leaves: (run(*leaves),)


@lru_cache(maxsize=256)
def _code(text: str) -> CodeType:
    """Programs of one structure are one text, and share it."""
    return compile(text, "<array program>", "exec")
