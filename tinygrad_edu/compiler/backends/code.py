"""Texts of programs as functions. The texts are left to `printers/`."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from tinygrad_edu.compiler.printers.parts import Source


def compile_source(source: Source) -> Callable[..., Sequence[Any]]:
    """The function that a text in Python defines. It returns a sequence of outputs, also of a single one."""
    scope: dict[str, Any] = dict(source.constants)
    exec(
        _compile_text(source.text()), scope
    )  # of our own making: labels are in it as plain names only, numbers as numbers
    run: Callable[..., Any] = scope[source.name]
    return run if source.outputs > 1 else lambda *leaves: (run(*leaves),)


@lru_cache(maxsize=256)
def _compile_text(text: str) -> CodeType:
    """The code of a text; programs of one structure have one text, and share it."""
    return compile(text, "<array program>", "exec")
