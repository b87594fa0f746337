"""Generated expressions against JAX, on the CPU in float64: the value, the gradient, the second derivatives.

An independent framework: its functions and its derivatives were written by others, and its second derivatives come from
a forward sweep over a backward one. An operation without a function of JAX fails. Both sides round, so each may be away
from the other by the rounding errors of its operations (`rounding.py`).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from operations import KINKS, ROWS, Kink, Point, Row
from profiles import sample
from rounding import hold_against
from steps import expression

from tinygrad_edu.rules import Op
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

FEWER = settings(max_examples=settings.default.max_examples // 2)  # of 50 ms each, and first some seconds of compiling


@jax.custom_jvp
def sigmoid(x: Any) -> Any:
    return jax.nn.sigmoid(x)


def twice_atanh(x: Any) -> Any:
    return jnp.log1p(2.0 * x / (1.0 - x))


def atanh(x: Any) -> Any:
    """JAX's own is made of log1p(-x), which has errors of 1e-14."""
    return 0.5 * jnp.where(x < 0, -twice_atanh(-x), twice_atanh(x))


# for silu: JAX takes y(1 - y), which has no right digit from 37 on
sigmoid.defjvps(lambda t, y, x: t * y * sigmoid(-x))


# fmt: off
FUNCTIONS: dict[str, Callable[..., Any]] = {  # of the inputs, then the parameters
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "neg": jnp.negative,
    "pow": jnp.power, "power": lambda x, n: x**n, "exponential": lambda x, base: base**x,
    "exp": jnp.exp, "exp2": jnp.exp2, "expm1": jnp.expm1, "sqrt": jnp.sqrt,
    "log": jnp.log, "log2": jnp.log2, "log10": jnp.log10, "log1p": jnp.log1p,
    "sin": jnp.sin, "cos": jnp.cos, "tan": jnp.tan, "asin": jnp.arcsin, "acos": jnp.arccos, "atan": jnp.arctan,
    "sinh": jnp.sinh, "cosh": jnp.cosh, "tanh": jnp.tanh, "erfc": jax.scipy.special.erfc,
    "asinh": jnp.arcsinh, "acosh": jnp.arccosh, "atanh": atanh,
    "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "relu": jax.nn.relu, "leaky_relu": jax.nn.leaky_relu, "elu": jax.nn.elu, "clamp": jnp.clip,
    "abs": jnp.abs, "sign": jnp.sign, "step": lambda x: jnp.heaviside(x, 0.0),
    "maximum": jnp.maximum, "minimum": jnp.minimum, "where": lambda c, a, b: jnp.where(c != 0, a, b),
    "largest": lambda *xs: jnp.max(jnp.stack(xs)), "smallest": lambda *xs: jnp.min(jnp.stack(xs)),
    "total": lambda *xs: jnp.sum(jnp.stack(xs)),
    "dot": lambda *xs: jnp.dot(jnp.stack(xs[: len(xs) // 2]), jnp.stack(xs[len(xs) // 2 :])),
    "logsumexp": lambda *xs: jax.nn.logsumexp(jnp.stack(xs)),
}
# fmt: on


def in_jax(f: Expression) -> list[float]:
    """The value, the n first derivatives, and the n² second ones, row by row."""

    def function(*xs: Any) -> Any:
        return f.computed(lambda op, *inputs: FUNCTIONS[op.name](*inputs, *op.parameters), *xs, number=jnp.float64)

    n = len(f.point)
    xs, gradient = tuple(map(jnp.float64, f.point)), jax.grad(function, tuple(range(n)))
    units = [tuple(jnp.float64(i == j) for j in range(n)) for i in range(n)]
    with jax.disable_jit():  # an expression is run once: that is faster than it is compiled
        columns = [jax.jvp(gradient, xs, unit)[1] for unit in units]
        results = [function(*xs), *gradient(*xs), *[second for row in zip(*columns) for second in row]]
    return [float(x) for x in results]


@FEWER
@given(strategies.expressions())
def test_values_and_first_and_second_derivatives(f: Expression) -> None:
    hold_against(in_jax(f), f)


def test_every_operation_has_a_function_of_jax() -> None:
    assert {row.op.name for row in ROWS} == FUNCTIONS.keys()


@pytest.mark.parametrize("row", sample(ROWS, 14), ids=str)
def test_every_operation_by_itself(row: Row) -> None:
    for arity in filter(None, row.arities):
        f = alone(row.op, row.samples(arity)[-1])
        hold_against(in_jax(f), f)


def alone(op: Op, xs: Point) -> Expression:
    return expression(("",) * len(xs), xs, (), (op, tuple(range(len(xs)))))


# ---- kinks -----------------------------------------------------------------------------------------------------------
OTHER_CONVENTIONS = {  # of JAX; those of this package are PyTorch's
    "abs": "at 0 it takes the slope of the right side, 1",
    "leaky_relu": "at 0 it takes the slope of the right side, 1",
    "clamp": "at an end of the interval it shares the gradient, as at any tie of min and max",
    "power(0.0,)": "its derivative at 0 is 0·0⁻¹, nan",
    "pow at (0.0, 0.0)": "its derivative at 0 is 0·0⁻¹, nan",
}


@pytest.mark.parametrize("kink", sample(KINKS, 10), ids=str)
def test_kinks(kink: Kink) -> None:
    """JAX chooses the same slopes, but for those above; an infinite slope, here an error, is inf there."""
    value, *derivatives = in_jax(alone(kink.op, kink.inputs))
    assert math.isclose(value, kink.value, rel_tol=1e-15)
    slopes = derivatives[: len(kink.inputs)]
    if kink.slopes is ZeroDivisionError:
        assert math.isinf(slopes[0])
    elif not str(kink).startswith(tuple(OTHER_CONVENTIONS)):
        assert tuple(slopes) == kink.slopes
