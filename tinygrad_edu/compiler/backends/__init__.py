"""Backends run array programs: `make_function(program)` of each module runs the text that its printer writes.

`choose` is for those who call a compiled function, and need not know what runs it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tinygrad_edu.compiler.program import Program

from . import jax

BACKENDS = ("numpy", "jax", "python")


def make_function(program: Program, language: str) -> Callable[..., Sequence[Any]]:
    """A function of the leaves of a program, in one of `BACKENDS`. Raises `ValueError` for another one."""
    if language not in BACKENDS:
        raise ValueError(f"a program is run by {', '.join(BACKENDS)}, not by {language!r}")
    run: Callable[..., Sequence[Any]] = import_module(f".{language}", __name__).make_function(program)
    return run


def choose(backend: str, dtype: str = "float64") -> Callable[[Program], Callable[..., Sequence[Any]]] | None:
    """What makes a function of a program for those who call compiled functions; None for NumPy's own.

    The function takes NumPy's arrays, returns such arrays, and does what `np.errstate` says.
    """
    if backend not in ("numpy", "jax"):
        raise ValueError(f"the backend of a compiled function is 'numpy' or 'jax', not {backend!r}")
    if dtype not in ("float64", "float32") or (backend, dtype) == ("numpy", "float32"):
        raise ValueError(
            f"dtype {dtype!r} cannot be had: NumPy computes in 'float64', and backend='jax' in that or in 'float32'"
        )
    if backend == "numpy":
        return None
    if not find_spec("jax"):
        raise ImportError("the backend 'jax' needs JAX: pip install 'tinygrad-edu[jax]'")
    return partial(jax.make_checked_function, dtype=dtype)
