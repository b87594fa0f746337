"""Array programs as functions that JAX compiles.

A function of `make_function` computes in 64 bits where the user has set `jax_enable_x64`, as all of JAX does. One of
`make_checked_function` computes in the precision that it is made for, whatever the user has set.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.compiler.printers import jax as printer
from tinygrad_edu.compiler.program import Program

from .code import compile_source


def make_function(program: Program) -> Callable[..., Sequence[Any]]:
    """A function of the leaves: arrays of their shapes, with the samples in front where they have them.

    It is a function of JAX: `jax.grad`, `jax.vmap` and `jax.jit` take it. Raises `ImportError` where JAX is not
    installed.
    """
    import jax

    run: Callable[..., Sequence[Any]] = jax.jit(compile_source(printer.write_source(program)))
    return run


def holds_arrays(things: Any) -> bool:
    """Whether there is an array of JAX among things in lists, tuples and dicts."""
    import jax

    return any(isinstance(x, jax.Array) for x in jax.tree.leaves(things))


def to_arrays(results: Sequence[Any], dtype: str) -> list[Any]:
    """JAX's arrays in place of NumPy's."""
    import jax

    with jax.enable_x64(dtype == "float64"):
        return [jax.numpy.asarray(y) if isinstance(y, np.ndarray) else y for y in results]


def make_checked_function(program: Program, dtype: str) -> Callable[..., Sequence[Any]]:
    """The same for NumPy's arrays: it returns such arrays, and raises `FloatingPointError` as `np.errstate` says.

    JAX reports no errors. A result that is not finite stands for one.
    """
    import jax

    run = make_function(program)

    def checked(*leaves: Any) -> Sequence[Any]:
        with jax.enable_x64(dtype == "float64"):
            results = [np.array(y) for y in run(*leaves)]  # a copy, as JAX's own arrays cannot be written to
        if np.geterr()["invalid"] == "raise" and not all(np.isfinite(y).all() for y in results):
            raise FloatingPointError("a result is not finite")
        return results

    return checked
