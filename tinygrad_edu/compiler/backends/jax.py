"""Array programs as functions that JAX compiles; in 64 bits where the user has set `jax_enable_x64`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tinygrad_edu.compiler.printers import jax as printer
from tinygrad_edu.compiler.program import Program

from .code import compile_source


def make_function(program: Program) -> Callable[..., Sequence[Any]]:
    """A function of the leaves: arrays of their shapes, with the samples in front where they have them.

    Raises `ImportError` where JAX is not installed.
    """
    import jax
    import jax.numpy as jnp

    source = printer.write_source(program)
    constants = {name: jnp.asarray(x) for name, x in source.constants.items()}
    run: Callable[..., Sequence[Any]] = jax.jit(compile_source(replace(source, constants=constants)))
    return run
