"""Exactness: of + − × ÷ and whole powers of rational numbers, the derivatives are exactly those of mathematics.

The rules run on Python's fractions, on which nothing is rounded: what remains is whether they, and the chain rule, are
right, and `==` tells. The truth is independent of them, and simple: numbers a + b·ε with ε² = 0, on which f(x + ε) is
f(x) + f′(x)·ε; such numbers whose a and b are such numbers again give the second derivatives.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from steps import expression
from uses import Exact, Fractions

from tinygrad_edu import Value, grad
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.gradients import sweep
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import OPS, Op, find
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression

FRACTIONS = Fractions()
POWERS = [find("power", n) for n in range(-3, 5)]
EXACT = [OPS[name] for name in ("add", "sub", "mul", "div", "neg", "total", "dot", "where")] + POWERS


# ---- the truth -------------------------------------------------------------------------------------------------------
class Dual:
    """a + b·ε, where ε² = 0; a and b are rational, or such numbers in another ε."""

    def __init__(self, a: Any, b: Any = 0) -> None:
        self.a, self.b = a, b

    def __add__(self, other: Any) -> "Dual":
        other = dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other: Any) -> "Dual":
        other = dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    __radd__, __rmul__ = __add__, __mul__

    def inverse(self) -> "Dual":
        """1/(a + b·ε) = 1/a − b/a²·ε."""
        inverse = self.a.inverse() if isinstance(self.a, Dual) else 1 / Fraction(self.a)
        return Dual(inverse, -1 * self.b * inverse * inverse)


def dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def is_zero(x: Any) -> bool:
    return is_zero(x.a) if isinstance(x, Dual) else x == 0


def power(x: Dual, n: int) -> Dual:
    y = dual(1)
    for _ in range(abs(n)):
        y = y * x
    return y if n >= 0 else y.inverse()


ON_DUALS: dict[str, Callable[..., Dual]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a + -1 * b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a * b.inverse(),
    "neg": lambda x: -1 * x,
    "power": power,
    "where": lambda c, a, b: dual(b if is_zero(c) else a),
    "total": lambda *xs: sum(xs, Dual(0)),
    "dot": lambda *xs: sum((xs[i] * xs[len(xs) // 2 + i] for i in range(len(xs) // 2)), Dual(0)),
}


def truths(f: Expression, xs: Sequence[Fraction]) -> list[Fraction]:
    """The value, the n first derivatives and the n² second ones, row by row."""

    def with_slopes(i: int, j: int) -> tuple[Any, Any, Any]:
        """f, ∂f/∂xᵢ and ∂²f/∂xᵢ∂xⱼ."""
        numbers = [Dual(Dual(x, int(k == j)), Dual(int(k == i))) for k, x in enumerate(xs)]
        result = f.computed(lambda op, *inputs: ON_DUALS[op.name](*inputs, *op.parameters), *numbers)
        y, slope = dual(result.a), dual(result.b)
        return y.a, slope.a, slope.b

    n = len(xs)
    return [
        with_slopes(0, 0)[0],
        *[with_slopes(i, i)[1] for i in range(n)],
        *[with_slopes(i, j)[2] for i, j in product(range(n), repeat=2)],
    ]


# ---- the rules on fractions ------------------------------------------------------------------------------------------
def of_inputs_only(f: Expression) -> Expression:
    """The same with its constants as inputs: what is computed of constants alone is a float, and rounded."""
    return Expression.of([node._replace(op=LEAF) if node.op is CONSTANT else node for node in f.nodes])


def derivatives(f: Expression, leaves: Sequence[Value]) -> list[Value]:
    y = f(*leaves)
    slopes = grad(y, leaves, create_graph=True)
    return [y, *slopes, *[second for slope in slopes for second in grad(slope, leaves, create_graph=True)]]


def on_a_tape(f: Expression, xs: Sequence[Fraction]) -> list[Any]:
    """The recorded derivatives, replayed."""
    tape = trace_function(lambda leaves: derivatives(f, leaves), "f", [("", x) for x in f.point]).tape
    return tape.replay(FRACTIONS, *map(Exact, xs))


def by_sweeps(f: Expression, xs: Sequence[Fraction]) -> list[Any]:
    """The graph, and that of its gradient, gone back through on fractions."""
    leaves = f.leaves()
    y = f(*leaves)
    slopes = grad(y, leaves, create_graph=True)
    numbers: dict[Value, Any] = dict(zip(leaves, map(Exact, xs)))
    for v in topological_order(y, *slopes):
        if v not in numbers:
            numbers[v] = v._rule.value(FRACTIONS, *[numbers[x] for x in v._prev]) if v._prev else Exact(v.data)
    gradients = [sweep(root, leaves, FRACTIONS, numbers.__getitem__) for root in (y, *slopes)]
    return [numbers[y], *[g for gradient in gradients for g in gradient]]


WAYS = [on_a_tape, by_sweeps]


def hold_against_the_truth(f: Expression, xs: Sequence[Fraction], ways: Sequence[Callable[..., Any]] = WAYS) -> None:
    true = truths(f, xs)
    for way in ways:
        assert [Fraction(y) for y in way(f, xs)] == true


fractions = st.fractions(-3, 3, max_denominator=12)


@given(strategies.expressions(ops=EXACT, max_nodes=8), st.data())
def test_values_and_first_and_second_derivatives(f: Expression, data: st.DataObject) -> None:
    f = of_inputs_only(f)
    xs = data.draw(st.lists(fractions, min_size=len(f.point), max_size=len(f.point)))
    try:
        truths(f, xs)
    except ZeroDivisionError:
        assume(False)
    hold_against_the_truth(f, xs)


@pytest.mark.parametrize(
    ("op", "xs", "value", "slopes"),
    [
        (OPS["add"], ("1/3", "1/6"), "1/2", ("1", "1")),
        (OPS["sub"], ("1/3", "1/6"), "1/6", ("1", "-1")),
        (OPS["mul"], ("1/3", "-3/7"), "-1/7", ("-3/7", "1/3")),
        (OPS["div"], ("1/3", "5/7"), "7/15", ("7/5", "-49/75")),
        (OPS["neg"], ("1/3",), "-1/3", ("-1",)),
        (OPS["total"], ("1/3", "1/6", "1/2"), "1", ("1", "1", "1")),
        (OPS["dot"], ("1/3", "1/2", "2", "5"), "19/6", ("2", "5", "1/3", "1/2")),
        (OPS["where"], ("1/9", "1/3", "1/2"), "1/3", ("0", "1", "0")),
        (OPS["where"], ("0", "1/3", "1/2"), "1/2", ("0", "0", "1")),
        (find("power", 3), ("-2/3",), "-8/27", ("4/3",)),
        (find("power", -2), ("-2/3",), "9/4", ("27/4",)),
        (find("power", 0), ("-2/3",), "1", ("0",)),
    ],
    ids=str,
)
def test_by_hand(op: Op, xs: tuple[str, ...], value: str, slopes: tuple[str, ...]) -> None:
    """The truth, and the rules, at numbers that anybody can check."""
    f, numbers = alone(op, xs)
    assert truths(f, numbers)[: 1 + len(xs)] == [Fraction(value), *map(Fraction, slopes)]
    hold_against_the_truth(f, numbers)
    y = op.value(FRACTIONS, *map(Exact, numbers))
    assert isinstance(y, Fraction)
    assert [Fraction(s) for s in op.derivatives(FRACTIONS, y, *map(Exact, numbers))] == [*map(Fraction, slopes)]


def alone(op: Op, xs: Sequence[str]) -> tuple[Expression, list[Fraction]]:
    numbers = [Fraction(x) for x in xs]
    return expression(("",) * len(xs), [*map(float, numbers)], (), (op, tuple(range(len(xs))))), numbers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("op", EXACT, ids=str)
def test_an_error_in_the_fiftieth_digit_is_caught(op: Op, way: Callable[..., Any]) -> None:
    """Which no float can show."""

    def wrong(m: Any, y: Any, *xs: Any) -> list[Any]:
        first, *others = op.derivatives(m, y, *xs)
        return [first + 1e-50 * xs[0], *others]

    arity = len(op.partials) or 2
    f, xs = alone(Op(op.name, op.symbol, op.value, every=wrong, parameters=op.parameters), ["2/3", "-1/7", "3"][:arity])
    with pytest.raises(AssertionError):
        hold_against_the_truth(f, xs, [way])
