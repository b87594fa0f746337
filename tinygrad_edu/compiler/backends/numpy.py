"""Array programs as functions that NumPy runs."""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.printers import numpy as printer
from tinygrad_edu.compiler.program import Program

from .code import compile_source


def make_function(program: Program) -> Callable[..., Sequence[Any]]:
    """A function of the leaves: arrays of their shapes, with the samples in front where they have them."""
    return compile_source(printer.write_source(program))
