"""Array programs as functions that plain Python runs."""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.printers import python as printer
from tinygrad_edu.compiler.program import Program

from .code import compile_source


def make_function(program: Program) -> Callable[..., Sequence[Any]]:
    """A function of the leaves: floats, and flat lists of them for leaves that have axes."""
    return compile_source(printer.write_source(program))
