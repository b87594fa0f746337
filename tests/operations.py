"""The table that the tests of the operations share: what each computes, to the digits, and where to look at it.

A row holds the truth, written for 50-digit numbers, and points inside the domain; a second table holds the kinks. What
is tested at these points is left to the tests.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import pytest
from mpmath import MPContext

from tinygrad_edu.rules import Op, find

mp = MPContext()  # a context of our own, as the digits of mpmath's are shared by all who import it
mp.dps = 50
mpf = mp.mpf


class Row(NamedTuple):
    name: str
    truth: Callable[..., Any]
    points: list[Any]  # inside the domain, away from kinks; a tuple where there are several inputs
    parameters: tuple[float, ...] = ()
    tolerance: float = 1e-15  # relative, of the value
    slope_scale: float = 1e-40  # slopes are accurate to 1e-14 of the larger of this and themselves
    far: list[Any] | None = None  # arguments far out; by default all of FAR, for each input

    def __str__(self) -> str:
        return "-".join(map(str, (self.name, *self.parameters)))

    @property
    def op(self) -> Op:
        return find(self.name, *self.parameters)

    def inputs(self, points: list[Any]) -> list[tuple[float, ...]]:
        return [p if isinstance(p, tuple) else (p,) for p in points]

    @property
    def inside(self) -> list[tuple[float, ...]]:
        return self.inputs(self.points)

    @property
    def far_out(self) -> list[tuple[float, ...]]:
        if self.far is not None:
            return self.inputs(self.far)
        return list(product(FAR, repeat=len(self.inside[0])))


FAR = [sign * x for x in (30.0, 700.0, 1e3, 1e17, 1e-8, 1e-300) for sign in (1.0, -1.0)]


def normal_cdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 1e9 else mpf(x > 0)


# fmt: off
ROWS = [
    Row("add", lambda a, b: a + b, [(2.0, -3.5), (0.1, 0.2)]),
    Row("sub", lambda a, b: a - b, [(2.0, -3.5), (0.1, 0.2)]),
    Row("mul", lambda a, b: a * b, [(2.0, -3.5), (0.1, 0.2), (0.0, 3.0)]),
    Row("div", lambda a, b: a / b, [(2.0, -3.5), (0.1, 0.2), (0.0, 3.0)]),
    Row("neg", lambda x: -x, [-2.0, 0.0, 0.7]),
    Row("pow", lambda a, b: a ** b, [(2.0, 3.0), (0.3, -1.7), (2.0, 0.0), (5.0, 0.5), (3.0, 1.0)]),
    Row("power", lambda x: x ** 2, [-2.0, -0.3, 0.0, 1.7], (2,)),
    Row("power", lambda x: x ** 3, [-2.0, -0.3, 0.0, 1.7], (3,)),
    Row("power", lambda x: x, [-2.0, 0.0, 1.7], (1,)),
    Row("power", lambda x: mpf(1), [-2.0, 0.0, 1.7], (0,)),
    Row("power", lambda x: 1 / x, [-2.0, -0.3, 1.7], (-1,)),
    Row("power", lambda x: x ** mpf(-0.5), [0.3, 1.7], (-0.5,)),
    Row("power", lambda x: x ** mpf(2.5), [0.3, 1.7], (2.5,)),
    Row("exponential", lambda x: mpf(2) ** x, [-2.0, 0.0, 1.7], (2.0,)),
    Row("exponential", lambda x: mpf(0.3) ** x, [-2.0, 0.0, 1.7], (0.3,)),
    Row("exponential", lambda x: mpf(1), [-2.0, 0.0, 1.7], (1.0,)),

    Row("exp", mp.exp, [-2.0, 0.0, 1.7]),
    Row("expm1", mp.expm1, [-2.0, 0.0, 1e-20, 1.7], slope_scale=1.0),
    Row("log", mp.log, [1e-9, 0.3, 1.0, 20.0]),
    Row("log1p", mp.log1p, [-0.9, 0.0, 1e-20, 20.0]),
    Row("sqrt", mp.sqrt, [1e-9, 0.3, 20.0]),
    Row("sin", mp.sin, [-2.0, 0.0, 1.7]),
    Row("cos", mp.cos, [-2.0, 0.0, 1.7]),
    Row("tan", mp.tan, [-2.0, 0.0, 1.4]),
    Row("asin", mp.asin, [-0.99, 0.0, 0.5]),
    Row("acos", mp.acos, [-0.99, 0.0, 0.5]),
    Row("atan", mp.atan, [-20.0, 0.0, 0.5]),
    Row("sinh", mp.sinh, [-2.0, 0.0, 1.7]),
    Row("cosh", mp.cosh, [-2.0, 0.0, 1.7]),
    Row("tanh", mp.tanh, [-2.0, 0.0, 1e-9, 1.7], slope_scale=1.0),
    Row("erfc", lambda x: mp.erfc(x) if abs(x) < 1e9 else 1 - mp.sign(x), [-2.0, 0.0, 1.7, 10.0]),
    Row("sigmoid", lambda x: 1 / (1 + mp.exp(-x)), [-2.0, 0.0, 1.7], slope_scale=1.0),
    Row("softplus", lambda x: mp.log1p(mp.exp(x)), [-2.0, 0.0, 1.7]),
    Row("silu", lambda x: x / (1 + mp.exp(-x)), [-2.0, 0.0, 1.7], slope_scale=1.0),
    Row("gelu", lambda x: x * normal_cdf(x), [-2.0, 0.0, 1.7], tolerance=1e-12, slope_scale=1.0),
    Row("elu", lambda x: x if x > 0 else mpf(1.5) * mp.expm1(x), [-2.0, 1.7], (1.5,)),
    Row("relu", lambda x: max(x, mpf(0)), [-2.0, 1.7]),
    Row("leaky_relu", lambda x: x if x > 0 else mpf(0.01) * x, [-2.0, 1.7], (0.01,)),
    Row("clamp", lambda x: min(max(x, mpf(-0.5)), mpf(1.5)), [-2.0, 0.0, 1.2, 1.7], (-0.5, 1.5)),
    Row("abs", abs, [-2.0, 1.7]),
    Row("sign", mp.sign, [-2.0, 1.7]),
    Row("step", lambda x: mpf(x > 0), [-2.0, 1.7]),
    Row("maximum", max, [(-2.0, 1.7), (1.7, -2.0)]),
    Row("minimum", min, [(-2.0, 1.7), (1.7, -2.0)]),

    Row("total", lambda *xs: mp.fsum(xs), [(), (2.0,), (2.0, -3.5), (0.1, 0.2, 0.3, 0.4)],
        far=[(1e17, 1e3), (1e300,) * 100, (1e-300,) * 5]),
    Row("dot", lambda *xs: mp.fdot(xs[: len(xs) // 2], xs[len(xs) // 2:]),
        [(), (2.0, -3.5), (0.1, 0.2, 3.0, 4.0), (1.0, -2.0, 0.5, 3.0, 0.0, 1.5)],
        far=[(1e300, 1e-300, 1e-300, 1e300), (1e17, 1e3, 1e17, 1e3)]),
    Row("logsumexp", lambda *xs: max(xs) + mp.log(mp.fsum([mp.exp(x - max(xs)) for x in xs])),
        [(2.0,), (0.5, 2.0), (1.0, -2.0, 0.5), (1.0, 1.0, 1.0)],
        far=[(1e3, 0.0), (-1e3, -1000.5), (700.0, -700.0), (-1e-300, 1e-300)]),
]
# fmt: on


class Kink(NamedTuple):
    """A point where the mathematics leaves the slope open, or infinite, or where a careless rule fails."""

    name: str
    parameters: tuple[float, ...]
    inputs: tuple[float, ...]
    value: float
    slopes: tuple[float, ...] | type[Exception]

    def __str__(self) -> str:
        return f"{self.name}{self.parameters or ''} at {self.inputs}"


KINKS = [
    # the slope is 0 at 0
    Kink("relu", (), (0.0,), 0.0, (0.0,)),
    Kink("abs", (), (0.0,), 0.0, (0.0,)),
    Kink("step", (), (0.0,), 0.0, (0.0,)),
    Kink("sign", (), (0.0,), 0.0, (0.0,)),
    Kink("relu", (), (-0.0,), 0.0, (0.0,)),
    # a tie shares the gradient
    Kink("maximum", (), (2.0, 2.0), 2.0, (0.5, 0.5)),
    Kink("minimum", (), (2.0, 2.0), 2.0, (0.5, 0.5)),
    Kink("maximum", (), (0.0, -0.0), 0.0, (0.5, 0.5)),
    # the closed interval
    Kink("clamp", (-0.5, 1.5), (-0.5,), -0.5, (1.0,)),
    Kink("clamp", (-0.5, 1.5), (1.5,), 1.5, (1.0,)),
    Kink("clamp", (1.0, 1.0), (1.0,), 1.0, (1.0,)),
    Kink("clamp", (-math.inf, 1.5), (-1e300,), -1e300, (1.0,)),
    # the slope of the left side
    Kink("leaky_relu", (0.01,), (0.0,), 0.0, (0.01,)),
    Kink("elu", (1.5,), (0.0,), 0.0, (1.5,)),
    # 0⁰ = 1, and no slope at 0 is 0·∞
    Kink("power", (0,), (0.0,), 1.0, (0.0,)),
    Kink("power", (0.0,), (0.0,), 1.0, (0.0,)),
    Kink("power", (1,), (0.0,), 0.0, (1.0,)),
    Kink("power", (2,), (0.0,), 0.0, (0.0,)),
    Kink("pow", (), (0.0, 0.0), 1.0, (0.0, 0.0)),
    Kink("pow", (), (0.0, 1.0), 0.0, (1.0, 0.0)),
    Kink("pow", (), (0.0, 2.0), 0.0, (0.0, 0.0)),
    Kink("exponential", (0.0,), (2.0,), 0.0, (0.0,)),
    Kink("exponential", (0.0,), (0.0,), 1.0, (0.0,)),
    # an infinite slope
    Kink("sqrt", (), (0.0,), 0.0, ZeroDivisionError),
    Kink("asin", (), (1.0,), math.pi / 2, ZeroDivisionError),
    Kink("asin", (), (-1.0,), -math.pi / 2, ZeroDivisionError),
    Kink("acos", (), (1.0,), 0.0, ZeroDivisionError),
    Kink("acos", (), (-1.0,), math.pi, ZeroDivisionError),
    Kink("power", (0.5,), (0.0,), 0.0, ZeroDivisionError),
    Kink("pow", (), (0.0, 0.5), 0.0, ZeroDivisionError),
    # infinite arguments are allowed where there is a limit
    Kink("exp", (), (-math.inf,), 0.0, (0.0,)),
    Kink("atan", (), (math.inf,), math.pi / 2, (0.0,)),
    Kink("tanh", (), (-math.inf,), -1.0, (0.0,)),
    Kink("sigmoid", (), (-math.inf,), 0.0, (0.0,)),
    Kink("softplus", (), (-math.inf,), 0.0, (0.0,)),
    Kink("relu", (), (math.inf,), math.inf, (1.0,)),
    Kink("logsumexp", (), (-math.inf, 0.0), 0.0, (0.0, 1.0)),
]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
every_kink = pytest.mark.parametrize("kink", KINKS, ids=str)
