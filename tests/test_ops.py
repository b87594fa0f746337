"""The rule table as a specification: what every operation computes, to the digits, and every use of its rule.

`operations.py` holds one row for each operation, with the truth and where to look at it; the tests below hold against
it the value, the local derivatives, second derivatives, far-out arguments and the other numbers a rule can run on. A
second table there holds the kinks. An operation without a row fails.
"""

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from operations import ROWS, Kink, Row, every_kink, every_row, mp, mpf

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.gradients import grad
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, Mathematics, Op, find

IN_THE_TABLE = set(OPS) | set(FAMILIES)  # as imported: other tests enter operations of their own
NO_FUNCTIONS = {LEAF.name, CONSTANT.name}
PLAIN_ARITHMETIC = {"add", "sub", "mul", "div", "total", "dot"}  # too large a number is inf, as on Python's floats


def test_every_operation_has_a_row() -> None:
    assert {row.name for row in ROWS} == IN_THE_TABLE - NO_FUNCTIONS


# ---- the checks, which the rows go through and a wrong rule must not -------------------------------------------------
def close(got: float, true: Any, tolerance: float, scale: float = 0.0) -> bool:
    return abs(got - true) <= tolerance * max(abs(true), scale) + 5e-324


def partial(f: Callable[..., Any], xs: tuple[Any, ...], *variables: int) -> Any:
    """∂f/∂xᵢ, or ∂²f/∂xᵢ∂xⱼ, by central differences with more digits than they cancel."""
    i, *others = variables
    inner = (lambda *at: partial(f, at, *others)) if others else f
    with mp.workdps(1000):
        h = (abs(xs[i]) or 1) * mpf(10) ** -40
        right, left = (inner(*xs[:i], x, *xs[i + 1 :]) for x in (xs[i] + h, xs[i] - h))
        return (right - left) / (2 * h)


def check(op: Op, row: Row, xs: tuple[float, ...]) -> None:
    """The value and the local derivatives of the rule on floats."""
    exact = tuple(map(mpf, xs))
    y = op.value(FLOATS, *xs)
    assert isinstance(y, float)
    assert close(y, row.truth(*exact), row.tolerance), f"{row} at {xs}: {y}, not {row.truth(*exact)}"
    slopes = op.derivatives(FLOATS, y, *xs)
    assert len(slopes) == len(xs)
    for i, slope in enumerate(slopes):
        true = partial(row.truth, exact, i)
        assert close(slope, true, 1e-14, row.slope_scale), f"∂{row}/∂x{i} at {xs}: {slope}, not {true}"


@every_row
def test_value_and_local_derivatives(row: Row) -> None:
    for xs in row.inside:
        check(row.op, row, xs)


@every_row
def test_the_check_catches_what_is_wrong_by_half_a_thousandth(row: Row) -> None:
    right = row.op

    def wrong(x: float) -> float:
        return x * 1.0005 if x else 0.0005

    off_value = Op("off", "", lambda m, *xs: wrong(right.value(m, *xs)), right.derivatives)
    off_slopes = Op("off", "", right.value, lambda m, y, *xs: [wrong(s) for s in right.derivatives(m, y, *xs)])
    for xs in row.inside:
        with pytest.raises(AssertionError):
            check(off_value, row, xs)
        if xs:
            with pytest.raises(AssertionError, match="∂"):
                check(off_slopes, row, xs)


@every_row
def test_second_derivatives(row: Row) -> None:
    for xs in row.inside:
        leaves = [Value(x) for x in xs]
        slopes = grad(apply(row.op, *leaves), leaves, create_graph=True)
        for (i, slope), j in product(enumerate(slopes), range(len(xs))):
            true = partial(row.truth, tuple(map(mpf, xs)), i, j)
            assert close(grad(slope, leaves[j]), true, 1e-12, scale=1.0), f"∂²{row}/∂x{i}∂x{j} at {xs}"


@every_row
def test_both_sweeps_agree_to_the_last_bit(row: Row) -> None:
    for xs in filter(None, row.inside):
        leaves = [Value(x) for x in xs]
        y = apply(row.op, *leaves)
        loss = 3.0 * y * y + y
        loss.backward()
        assert grad(loss, leaves) == [leaf.grad for leaf in leaves]
        assert [g.data for g in grad(loss, leaves, create_graph=True)] == [leaf.grad for leaf in leaves]


# ---- far out ---------------------------------------------------------------------------------------------------------
def as_float(true: Any) -> float | None:
    """The truth as a float; None where there is none: outside the domain, or too large."""
    if not isinstance(true, mpf) or not mp.isfinite(true):
        return None
    try:
        return float(true) if abs(true) < mpf(1.7e308) else None
    except OverflowError:
        return None


@every_row
def test_far_out_arguments(row: Row) -> None:
    """No overflow where the true number can be represented, an error of Python's own where it cannot."""
    for xs in row.far_out:
        exact = tuple(map(mpf, xs))
        true = as_float(row.truth(*exact))
        if true is None and row.name in PLAIN_ARITHMETIC:
            assert math.isinf(apply(row.op, *map(Value, xs)).data)
            continue
        if true is None:
            with pytest.raises((ValueError, OverflowError)):
                apply(row.op, *xs)
            continue
        y = row.op.value(FLOATS, *xs)
        assert close(y, true, max(row.tolerance, 1e-13)), f"{row} at {xs}: {y}, not {true}"
        slopes = [as_float(partial(row.truth, exact, i)) for i in range(len(xs))]
        try:
            got_slopes = row.op.derivatives(FLOATS, y, *xs)
        except (ValueError, OverflowError, ZeroDivisionError):
            assert None in slopes
            continue
        for got, slope in zip(got_slopes, slopes):
            assert math.isinf(got) if slope is None else close(got, slope, 1e-12, row.slope_scale), (
                f"∂{row} at {xs}: {got}, not {slope}"
            )


# ---- kinks -----------------------------------------------------------------------------------------------------------
@every_kink
def test_kinks(kink: Kink) -> None:
    leaves = [Value(x) for x in kink.inputs]
    y = apply(find(kink.name, *kink.parameters), *leaves)
    assert y.data == kink.value
    if isinstance(kink.slopes, tuple):
        y.backward()
        assert tuple(leaf.grad for leaf in leaves) == kink.slopes
        assert tuple(grad(y, leaves)) == kink.slopes
        assert tuple(g.data for g in grad(y, leaves, create_graph=True)) == kink.slopes
        return
    for sweep in (Value.backward, lambda y: grad(y, leaves), lambda y: grad(y, leaves, create_graph=True)):
        with pytest.raises(kink.slopes, match=rf"the derivative of {kink.name}\b.* is infinite at {kink.inputs[0]}"):
            sweep(y)


@pytest.mark.parametrize("name", ["relu", "abs", "step", "sign"])
def test_the_second_derivative_at_a_kink_is_zero(name: str) -> None:
    x = Value(0.0)
    assert grad(grad(apply(OPS[name], x) * x, x, create_graph=True), x) == 0.0


@pytest.mark.parametrize("b", [0.0, 1.0, 2.0, 3.0])
def test_mixed_second_derivatives_of_a_power_do_not_depend_on_the_order(b: float) -> None:
    """∂²(aᵇ)/∂a∂b = aᵇ⁻¹·(1 + b·log a), which at b = 0 is 1/a."""
    base, exponent = Value(2.0), Value(b)
    in_base, in_exponent = grad(base**exponent, [base, exponent], create_graph=True)
    true = 2.0 ** (b - 1) * (1 + b * math.log(2))
    assert grad(in_base, exponent) == pytest.approx(true, rel=1e-14)
    assert grad(in_exponent, base) == pytest.approx(true, rel=1e-14)


# ---- the same rules on other numbers ---------------------------------------------------------------------------------
NATIVE = "exp expm1 log log1p sqrt sin cos tan asin acos atan sinh cosh tanh erfc sign".split()


class Digits(Mathematics):
    """50 digits."""

    pi, abs, maximum, minimum, pow = mp.pi, abs, max, min, operator.pow

    @staticmethod
    def step(x: Any) -> Any:
        return mpf(x > 0)


for _name in NATIVE:
    setattr(Digits, _name, staticmethod(getattr(mp, _name)))


@every_row
def test_rules_on_50_digits(row: Row) -> None:
    m = Digits()
    for xs in row.inside:
        exact = tuple(map(mpf, xs))
        y = row.op.value(m, *exact)
        assert close(y, row.truth(*exact), mpf(10) ** -45, mpf(10) ** -20), f"{row} at {xs}: {y}"
        for i, slope in enumerate(row.op.derivatives(m, y, *exact)):
            assert close(slope, partial(row.truth, exact, i), mpf(10) ** -40, 1), f"∂{row}/∂x{i} at {xs}: {slope}"


class Fractions(Mathematics):
    pow = operator.pow


@pytest.mark.parametrize(
    ("name", "parameters", "xs", "true"),
    [
        ("add", (), ("1/3", "1/6"), "1/2"),
        ("sub", (), ("1/3", "1/6"), "1/6"),
        ("mul", (), ("1/3", "-3/7"), "-1/7"),
        ("div", (), ("1/3", "5/7"), "7/15"),
        ("neg", (), ("1/3",), "-1/3"),
        ("power", (3,), ("-2/3",), "-8/27"),
        ("power", (-2,), ("-2/3",), "9/4"),
    ],
)
def test_rules_on_fractions(name: str, parameters: tuple[int, ...], xs: tuple[str, ...], true: str) -> None:
    numbers, op = [Fraction(x) for x in xs], find(name, *parameters)
    y = op.value(Fractions(), *numbers)
    assert isinstance(y, Fraction)
    assert y == Fraction(true)
    on_floats = op.derivatives(FLOATS, float(y), *map(float, numbers))
    assert [float(s) for s in op.derivatives(Fractions(), y, *numbers)] == pytest.approx(on_floats, rel=1e-15)


class Arrays(Mathematics):
    """NumPy arrays, as a compiled graph would run on them."""

    pi, pow, step = math.pi, np.power, staticmethod(lambda x: np.heaviside(x, 0.0))
    asin, acos, atan = np.arcsin, np.arccos, np.arctan
    maximum, minimum, abs, erfc = np.maximum, np.minimum, np.abs, np.vectorize(math.erfc)


for _name in set(NATIVE) - set(vars(Arrays)):
    setattr(Arrays, _name, getattr(np, _name))


@every_row
def test_rules_on_arrays(row: Row) -> None:
    for arity in {len(xs) for xs in row.inside} - {0}:
        points = [xs for xs in row.inside if len(xs) == arity]
        columns = [np.array(column) for column in zip(*points)]
        y = row.op.value(Arrays(), *columns)
        slopes = row.op.derivatives(Arrays(), y, *columns)
        for k, xs in enumerate(points):
            value = row.op.value(FLOATS, *xs)
            assert np.broadcast_to(y, len(points))[k] == pytest.approx(value, rel=1e-13)
            for got, slope in zip(slopes, row.op.derivatives(FLOATS, value, *xs)):
                assert np.broadcast_to(got, len(points))[k] == pytest.approx(slope, rel=1e-13, abs=1e-15)


class Text:
    """A number that is only known by its formula: nothing can be decided by looking at it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        raise AssertionError(f"a rule branches on {self.text}")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __ne__ = lambda self, other: bool(self)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> "Text":
        return Text(f"-{self.text}")


def text_of(x: Any) -> str:
    return x.text if isinstance(x, Text) else repr(x)


def _written(symbol: str, a: Any, b: Any) -> Text:
    return Text(f"({text_of(a)} {symbol} {text_of(b)})")


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
    setattr(Text, f"__{_name}__", lambda a, b, _symbol=_symbol: _written(_symbol, a, b))
    setattr(Text, f"__r{_name}__", lambda a, b, _symbol=_symbol: _written(_symbol, b, a))


class Formulas(Mathematics):
    pi = Text("π")

    def __getattr__(self, name: str) -> Callable[..., Text]:
        return lambda *xs: Text(f"{name}({', '.join(map(text_of, xs))})")


@every_row
def test_no_rule_looks_at_its_numbers(row: Row) -> None:
    """Else the branch that was taken would be frozen into second derivatives, compiled graphs and formulas."""
    for arity in {len(xs) for xs in row.inside}:
        names = [Text(f"x{i}") for i in range(arity)]
        assert text_of(row.op.value(Formulas(), *names))
        assert len(row.op.derivatives(Formulas(), Text("y"), *names)) == arity


def test_a_formula_can_be_read_off_a_rule() -> None:
    (slope,) = OPS["tanh"].derivatives(Formulas(), Text("y"), Text("x"))
    assert text_of(slope) == "(1.0 - (y * y))"


def test_a_mathematics_says_what_it_lacks() -> None:
    with pytest.raises(AttributeError, match="Fractions has no function 'exp'"):
        OPS["exp"].value(Fractions(), Fraction(1))
