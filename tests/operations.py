"""The table that the tests of the operations share: what each computes, to the digits, and where to look at it.

A row holds the truth, written for 50-digit numbers and differentiated by differences, never by a rule; the domain; and
special points inside it. A second table holds the kinks. What is tested there is left to the tests.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random
from typing import Any, NamedTuple

import pytest
from mpmath import MPContext

from tinygrad_edu.rules import Op, find

mp = MPContext()  # a context of our own, as the digits of mpmath's are shared by all who import it
mp.dps = 50
mpf = mp.mpf

Point = tuple[float, ...]
Domain = list[tuple[float, float]]  # open intervals; where two of them meet there is a kink, or a pole
REAL: Domain = [(-30.0, 30.0)]
POSITIVE: Domain = [(0.0, 30.0)]
NOT_0: Domain = [(-30.0, 0.0), (0.0, 30.0)]
UNIT: Domain = [(-1.0, 1.0)]
DRAWN = 3  # points of each number of inputs


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    name: str
    domains: list[Domain]  # one for each input; the last one for all further ones
    function: Callable[..., Any]  # the truth; it takes the inputs, and then the parameters
    points: list[Any]  # inside the domain, away from kinks; a tuple where there are several inputs
    parameters: tuple[float, ...] = ()
    tolerance: float = 1e-15  # relative, of the value
    value_scale: float = 0.0  # values are accurate to the tolerance of the larger of this and themselves
    cancels: bool = False  # or of what cancels out in them, Σ|x·∂y/∂x|
    slope_scale: float = 1e-40  # slopes are accurate to 1e-14 of the larger of this and themselves
    far: list[Any] | None = None  # arguments far out; by default all of FAR, for each input

    def __str__(self) -> str:
        return "-".join(map(str, (self.name, *self.parameters)))

    __repr__ = __str__

    @property
    def op(self) -> Op:
        return find(self.name, *self.parameters)

    def truth(self, *xs: Any) -> Any:
        return self.function(*xs, *self.parameters)

    @property
    def inside(self) -> list[Point]:
        """The special points."""
        return _inputs(self.points)

    @property
    def arities(self) -> list[int]:
        return sorted({len(xs) for xs in self.inside})

    @property
    def far_out(self) -> list[Point]:
        return _inputs(self.far) if self.far is not None else list(product(FAR, repeat=self.arities[0]))

    def intervals(self, arity: int) -> list[Domain]:
        """The domain of each of so many inputs."""
        return [self.domains[min(i, len(self.domains) - 1)] for i in range(arity)]

    def samples(self, arity: int) -> list[Point]:
        """The special points of so many inputs, and others drawn from the domain: the same ones each time."""
        random = Random(f"{self} of {arity}")
        drawn = [
            tuple([random.uniform(*random.choice(intervals)) for intervals in self.intervals(arity)])
            for _ in range(DRAWN if arity else 0)
        ]
        return [xs for xs in self.inside if len(xs) == arity] + drawn


def _inputs(points: list[Any]) -> list[Point]:
    return [p if isinstance(p, tuple) else (p,) for p in points]


# ---- the truth -------------------------------------------------------------------------------------------------------
FAR_OUT = 700  # digits: so many cancel in 1 − tanh 700, and fewer where x is 1e-300


def partial(f: Callable[..., Any], xs: tuple[Any, ...], *variables: int, digits: int = 300) -> Any:
    """∂f/∂xᵢ, or ∂²f/∂xᵢ∂xⱼ, by central differences with more digits than they cancel."""
    i, *others = variables
    inner = (lambda *at: partial(f, at, *others, digits=digits)) if others else f
    with mp.workdps(digits):
        h = (abs(xs[i]) or 1) * mpf(10) ** -40
        right, left = (inner(*xs[:i], x, *xs[i + 1 :]) for x in (xs[i] + h, xs[i] - h))
        return (right - left) / (2 * h)


@cache
def true_value_and_slopes(row: Row, xs: Point) -> list[Any]:
    exact = tuple(map(mpf, xs))
    return [row.truth(*exact), *[partial(row.truth, exact, i) for i in range(len(xs))]]


@cache
def true_second_derivatives(row: Row, xs: Point) -> list[Any]:
    """All ∂²y/∂xᵢ∂xⱼ, row by row."""
    exact = tuple(map(mpf, xs))
    return [partial(row.truth, exact, i, j) for i, j in product(range(len(xs)), repeat=2)]


# ---- the table -------------------------------------------------------------------------------------------------------
FAR = [sign * x for x in (30.0, 700.0, 1e3, 1e17, 1e-8, 1e-300) for sign in (1.0, -1.0)]


def normal_cdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 1e9 else mpf(x > 0)


def power(x: Any, n: float) -> Any:
    return mpf(x) ** n if n else mpf(1)


def exponential(x: Any, base: float) -> Any:
    return mpf(base) ** x


def elu(x: Any, alpha: float) -> Any:
    return x if x > 0 else alpha * mp.expm1(x)


def leaky_relu(x: Any, slope: float) -> Any:
    return x if x > 0 else slope * x


# fmt: off
ROWS = [
    Row("add", [REAL], lambda a, b: a + b, [(2.0, -3.5), (0.1, 0.2)]),
    Row("sub", [REAL], lambda a, b: a - b, [(2.0, -3.5), (0.1, 0.2)]),
    Row("mul", [REAL], lambda a, b: a * b, [(2.0, -3.5), (0.1, 0.2), (0.0, 3.0)]),
    Row("div", [REAL, NOT_0], lambda a, b: a / b, [(2.0, -3.5), (0.1, 0.2), (0.0, 3.0)]),
    Row("neg", [REAL], lambda x: -x, [-2.0, 0.0, 0.7]),
    Row("pow", [POSITIVE, REAL], lambda a, b: a ** b, [(2.0, 3.0), (0.3, -1.7), (2.0, 0.0), (5.0, 0.5), (3.0, 1.0)]),
    Row("power", [REAL], power, [-2.0, -0.3, 0.0, 1.7], (2,)),
    Row("power", [REAL], power, [-2.0, -0.3, 0.0, 1.7], (3,)),
    Row("power", [REAL], power, [-2.0, 0.0, 1.7], (1,)),
    Row("power", [REAL], power, [-2.0, 0.0, 1.7], (0,)),
    Row("power", [NOT_0], power, [-2.0, -0.3, 1.7], (-1,)),
    Row("power", [POSITIVE], power, [0.3, 1.7], (-0.5,)),
    Row("power", [POSITIVE], power, [0.3, 1.7], (2.5,)),
    Row("exponential", [REAL], exponential, [-2.0, 0.0, 1.7], (2.0,)),
    Row("exponential", [REAL], exponential, [-2.0, 0.0, 1.7], (0.3,)),
    Row("exponential", [REAL], exponential, [-2.0, 0.0, 1.7], (1.0,)),

    Row("exp", [REAL], mp.exp, [-2.0, 0.0, 1.7]),
    Row("exp2", [REAL], lambda x: mpf(2) ** x, [-2.0, 0.0, 1.7]),
    Row("expm1", [REAL], mp.expm1, [-2.0, 0.0, 1e-20, 1.7]),
    Row("log", [POSITIVE], mp.log, [1e-9, 0.3, 1.0, 20.0]),
    Row("log2", [POSITIVE], lambda x: mp.log(x) / mp.log(2), [1e-9, 0.3, 1.0, 8.0, 20.0]),
    Row("log10", [POSITIVE], mp.log10, [1e-9, 0.3, 1.0, 1000.0]),
    Row("log1p", [[(-1.0, 30.0)]], mp.log1p, [-0.9, 0.0, 1e-20, 20.0]),
    Row("sqrt", [POSITIVE], mp.sqrt, [1e-9, 0.3, 20.0]),
    Row("sin", [REAL], mp.sin, [-2.0, 0.0, 1.7]),
    Row("cos", [REAL], mp.cos, [-2.0, 0.0, 1.7]),
    Row("tan", [REAL], mp.tan, [-2.0, 0.0, 1.4]),
    Row("asin", [UNIT], mp.asin, [-0.99, 0.0, 0.5]),
    Row("acos", [UNIT], mp.acos, [-0.99, 0.0, 0.5]),
    Row("atan", [REAL], mp.atan, [-20.0, 0.0, 0.5]),
    Row("sinh", [REAL], mp.sinh, [-2.0, 0.0, 1.7]),
    Row("cosh", [REAL], mp.cosh, [-2.0, 0.0, 1.7]),
    Row("tanh", [REAL], mp.tanh, [-2.0, 0.0, 1e-9, 1.7], slope_scale=1.0),
    Row("asinh", [REAL], mp.asinh, [-2.0, 0.0, 1e-9, 1.0, 1.7]),
    Row("acosh", [[(1.0, 30.0)]], mp.acosh, [1.0000001, 1.7, 20.0]),
    Row("atanh", [UNIT], mp.atanh, [-0.99, 0.0, 1e-9, 0.5]),
    Row("erfc", [[(-5.0, 5.0)]], lambda x: mp.erfc(x) if abs(x) < 1e9 else 1 - mp.sign(x), [-2.0, 0.0, 1.7, 10.0]),
    Row("sigmoid", [REAL], lambda x: 1 / (1 + mp.exp(-x)), [-2.0, 0.0, 1.7], slope_scale=1.0),
    Row("softplus", [REAL], lambda x: mp.log1p(mp.exp(x)), [-2.0, 0.0, 1.7]),
    Row("silu", [REAL], lambda x: x / (1 + mp.exp(-x)), [-2.0, 0.0, 1.7], slope_scale=1e-3),
    Row("gelu", [[(-8.0, 8.0)]], lambda x: x * normal_cdf(x), [-2.0, 0.0, 1.7], cancels=True, slope_scale=1.0),
    Row("elu", [NOT_0], elu, [-2.0, 1.7], (1.5,)),
    Row("relu", [NOT_0], lambda x: max(x, mpf(0)), [-2.0, 1.7]),
    Row("leaky_relu", [NOT_0], leaky_relu, [-2.0, 1.7], (0.01,)),
    Row("clamp", [[(-30.0, -0.5), (-0.5, 1.5), (1.5, 30.0)]], lambda x, low, high: min(max(x, mpf(low)), mpf(high)),
        [-2.0, 0.0, 1.2, 1.7], (-0.5, 1.5)),
    Row("abs", [NOT_0], abs, [-2.0, 1.7]),
    Row("sign", [NOT_0], mp.sign, [-2.0, 1.7]),
    Row("step", [NOT_0], lambda x: mpf(x > 0), [-2.0, 1.7]),
    Row("where", [NOT_0, REAL, REAL], lambda c, a, b: a if c != 0 else b,
        [(1.5, 2.0, -3.5), (-0.1, 0.2, 0.3)], far=[(1e-300, 1e300, -1e300), (-1e17, 1.0, 1e300)]),
    Row("maximum", [REAL], max, [(-2.0, 1.7), (1.7, -2.0)]),
    Row("minimum", [REAL], min, [(-2.0, 1.7), (1.7, -2.0)]),

    Row("total", [REAL], lambda *xs: mp.fsum(xs), [(), (2.0,), (2.0, -3.5), (0.1, 0.2, 0.3, 0.4)],
        cancels=True, far=[(1e17, 1e3), (1e300,) * 100, (1e-300,) * 5]),
    Row("dot", [REAL], lambda *xs: mp.fdot(xs[: len(xs) // 2], xs[len(xs) // 2:]),
        [(), (2.0, -3.5), (0.1, 0.2, 3.0, 4.0), (1.0, -2.0, 0.5, 3.0, 0.0, 1.5)],
        cancels=True, far=[(1e300, 1e-300, 1e-300, 1e300), (1e17, 1e3, 1e17, 1e3)]),
    Row("largest", [REAL], max, [(-2.0, 1.7, 0.5), (1.7, -2.0, 1.2)],
        far=[(1e300, -1e300, 1e17), (1e-300, 1e-8, -1e-300)]),
    Row("smallest", [REAL], min, [(-2.0, 1.7, 0.5), (1.7, -2.0, 1.2)],
        far=[(1e300, -1e300, 1e17), (1e-300, 1e-8, -1e-300)]),
    Row("logsumexp", [REAL], lambda *xs: max(xs) + mp.log(mp.fsum([mp.exp(x - max(xs)) for x in xs])),
        [(2.0,), (0.5, 2.0), (1.0, -2.0, 0.5), (1.0, 1.0, 1.0), (1000.2, 1000.0)],
        value_scale=1.0, far=[(1e3, 0.0), (-1e3, -1000.5), (700.0, -700.0), (-1e-300, 1e-300)]),
]
# fmt: on


TRUTH = {row.name: row.function for row in ROWS}  # of a whole family
SCALE = {row.name: row.value_scale for row in ROWS}


class Kink(NamedTuple):
    """A point where the mathematics leaves the slope open, or infinite, or where a careless rule fails."""

    name: str
    parameters: tuple[float, ...]
    inputs: tuple[float, ...]
    value: float
    slopes: tuple[float, ...] | type[Exception]

    def __str__(self) -> str:
        return f"{self.name}{self.parameters or ''} at {self.inputs}"

    @property
    def op(self) -> Op:
        return find(self.name, *self.parameters)


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
    Kink("largest", (), (2.0, 2.0, 2.0), 2.0, (1 / 3, 1 / 3, 1 / 3)),
    Kink("largest", (), (2.0, -3.0, 2.0), 2.0, (0.5, 0.0, 0.5)),
    Kink("smallest", (), (2.0, 2.0, 2.0), 2.0, (1 / 3, 1 / 3, 1 / 3)),
    Kink("smallest", (), (5.0, 2.0, 2.0), 2.0, (0.0, 0.5, 0.5)),
    # 0 alone chooses the other one
    Kink("where", (), (0.0, 2.0, -3.0), -3.0, (0.0, 0.0, 1.0)),
    Kink("where", (), (-0.0, 2.0, -3.0), -3.0, (0.0, 0.0, 1.0)),
    Kink("where", (), (1e-300, 2.0, -3.0), 2.0, (0.0, 1.0, 0.0)),
    Kink("where", (), (math.nan, 2.0, -3.0), 2.0, (0.0, 1.0, 0.0)),
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
    Kink("acosh", (), (1.0,), 0.0, ZeroDivisionError),
    Kink("power", (0.5,), (0.0,), 0.0, ZeroDivisionError),
    Kink("pow", (), (0.0, 0.5), 0.0, ZeroDivisionError),
    # infinite arguments are allowed where there is a limit
    Kink("exp", (), (-math.inf,), 0.0, (0.0,)),
    Kink("atan", (), (math.inf,), math.pi / 2, (0.0,)),
    Kink("tanh", (), (-math.inf,), -1.0, (0.0,)),
    Kink("sigmoid", (), (-math.inf,), 0.0, (0.0,)),
    Kink("softplus", (), (-math.inf,), 0.0, (0.0,)),
    Kink("relu", (), (math.inf,), math.inf, (1.0,)),
    Kink("exp2", (), (-math.inf,), 0.0, (0.0,)),
    Kink("asinh", (), (math.inf,), math.inf, (0.0,)),
    Kink("largest", (), (-math.inf, 0.0, -math.inf), 0.0, (0.0, 1.0, 0.0)),
    Kink("largest", (), (math.inf, 0.0, 1.0), math.inf, (1.0, 0.0, 0.0)),
    Kink("smallest", (), (0.0, -math.inf, math.inf), -math.inf, (0.0, 1.0, 0.0)),
    Kink("where", (), (0.0, math.inf, 1.0), 1.0, (0.0, 0.0, 1.0)),
    Kink("logsumexp", (), (-math.inf, 0.0), 0.0, (0.0, 1.0)),
]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
