"""The gradient check, checked: right gradients pass everywhere, wrong ones are caught and named, and nothing else is.

Every operation of the table is judged at its points, at its kinks, and with its rule made wrong; then come functions
that a rule cannot answer for, numbers of every scale, noise, and the check without mpmath.
"""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from struct import pack, unpack
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from operations import KINKS, ROWS, Kink, Row, every_row
from profiles import sample

import tinygrad_edu as tg
from tinygrad_edu.engine import Value, apply
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import FLOATS, OPS, Op
from tinygrad_edu.testing import assert_gradients, gradcheck, strategies
from tinygrad_edu.testing.expression import Expression
from tinygrad_edu.testing.gradcheck import _differences, _precision

WRONG_BY = 1.0005  # times the right derivative
some_rows = pytest.mark.parametrize("row", sample(ROWS, 12), ids=str)
FEW = settings(max_examples=min(settings.default.max_examples, 300))


@pytest.fixture
def without_mpmath(monkeypatch: pytest.MonkeyPatch) -> None:
    _precision._make_precision.cache_clear()
    monkeypatch.setitem(sys.modules, "mpmath", None)


def as_function(op: Op) -> Callable[..., Any]:
    return lambda *xs: apply(op, *xs)


@contextmanager
def a_rule_that_is_wrong(op: Op, place: int | None = None, factor: float = WRONG_BY) -> Iterator[None]:
    """The rule of an operation, too large by half a thousandth in one input, or in all; or wrong by another factor."""
    partials, every = op.partials, op.every
    right = Op(op.name, op.symbol, op.value, *partials, every=every)

    def wrong(m: Any, y: Any, *xs: Any) -> list[Any]:
        return [s * factor if place in (i, None) else s for i, s in enumerate(right.derivatives(m, y, *xs))]

    op.partials, op.every = (), wrong
    try:
        yield
    finally:
        op.partials, op.every = partials, every


def slopes(row: Row, xs: tuple[float, ...]) -> Sequence[float]:
    """What can be made wrong, where it is not 0."""
    return row.op.derivatives(FLOATS, row.op.value(FLOATS, *xs), *xs)


# ---- the operations --------------------------------------------------------------------------------------------------
@every_row
def test_every_operation_is_correct(row: Row) -> None:
    for xs in sample(row.inside, 2):
        check = gradcheck(as_function(row.op), *xs)
        assert check.verdict == "correct", f"{row} at {xs}: {check}"


@every_row
def test_every_operation_is_correct_without_mpmath(row: Row, without_mpmath: None) -> None:
    for xs in sample(row.inside, 2):
        check = gradcheck(as_function(row.op), *xs)
        assert check.verdict == "correct", f"{row} at {xs}: {check}"
        assert check.digits == 16


@some_rows
def test_every_operation_is_correct_in_second_order(row: Row) -> None:
    xs = min(row.inside, key=lambda xs: abs(len(xs) - 2))  # with two inputs, if it takes two
    check = gradcheck(as_function(row.op), *xs, order=2)
    assert check.verdict == "correct", f"{row} at {xs}: {check}"


@pytest.mark.parametrize("kink", KINKS, ids=str)
def test_a_kink_is_a_kink_and_never_wrong(kink: Kink) -> None:
    check = gradcheck(as_function(kink.op), *kink.inputs)
    if not all(map(math.isfinite, kink.inputs)) or not isinstance(kink.slopes, tuple):
        assert check.verdict == "outside the domain", f"{kink}: {check}"
    elif (kink.name, *kink.inputs) in {("pow", 0.0, 0.0), ("exponential", 0.0)}:
        assert check.verdict == "outside the domain", f"{kink}: {check}"  # 0ᵇ is undefined for b < 0
    elif kink.name in ("power", "pow", "exponential") or abs(kink.inputs[0]) in (1e300, 1e-300):
        assert check.verdict == "correct", f"{kink}: {check}"
    else:
        assert check.verdict == "kink", f"{kink}: {check}"


@every_row
def test_a_wrong_rule_is_caught_and_named(row: Row) -> None:
    cases = [(xs, i) for xs in row.inside for i, slope in enumerate(slopes(row, xs)) if slope]
    for xs, place in sample(cases, 2):
        with a_rule_that_is_wrong(row.op, place):
            check = gradcheck(as_function(row.op), *xs)
        assert check.verdict == "wrong", f"{row} at {xs}: {check}"
        fault = check.faults[0]
        assert (fault.operation, fault.input, fault.at) == (str(row.op), place, xs)
        assert fault.derivative.given == pytest.approx(fault.derivative.expected * WRONG_BY, rel=1e-9)
        assert check.reason.startswith(f"{row.op}, input {place} at {xs[0]}")


@every_row
def test_a_wrong_rule_is_caught_and_named_without_mpmath(row: Row, without_mpmath: None) -> None:
    for xs in sample([xs for xs in row.inside if any(slopes(row, xs))], 2):
        with a_rule_that_is_wrong(row.op):
            check = gradcheck(as_function(row.op), *xs)
        assert check.verdict == "wrong", f"{row} at {xs}: {check}"
        assert check.faults[0].operation == str(row.op)


@some_rows
def test_a_wrong_rule_is_named_inside_of_a_larger_expression(row: Row) -> None:
    def f(*xs: Value) -> Value:
        first, *others = xs
        inner = first * 1.25 - 0.25 * first  # the number again, or one next to it
        return tg.tanh(0.1 * apply(row.op, inner, *others)) * 3.0 + first / 7.0

    for xs in sample([xs for xs in row.inside if any(slopes(row, xs))], 1):
        with a_rule_that_is_wrong(row.op):
            check = gradcheck(f, *xs)
        assert check.verdict == "wrong", f"{row} at {xs}: {check}"
        assert {fault.operation for fault in check.faults} == {str(row.op)}


@pytest.mark.parametrize("place", [0, 1])
def test_of_two_inputs_the_wrong_one_is_named(place: int) -> None:
    with a_rule_that_is_wrong(OPS["mul"], place):
        check = gradcheck(lambda x, y: tg.exp(x * y), 0.5, 1.5)
    assert check.reason.startswith(f"mul, input {place} at 0.5, 1.5: the rule says ")
    assert len(check.faults) == 1


def test_a_wrong_rule_is_named_even_if_nothing_comes_of_it() -> None:
    with a_rule_that_is_wrong(OPS["sin"]):
        assert gradcheck(lambda x: tg.sin(x) * 0.0 + x, 1.0).faults[0].operation == "sin"


def test_an_error_that_rules_make_together_is_the_fault_of_each() -> None:
    """Two errors that cancel: the gradient is right by accident."""
    with a_rule_that_is_wrong(OPS["sin"]):
        check = gradcheck(lambda x: tg.sin(x) - tg.sin(x), 1.0)
    assert check.verdict == "wrong"
    assert check.derivatives[0].given == check.derivatives[0].expected == 0.0


def test_a_derivative_too_few_is_named() -> None:
    product = Op("product", "·", lambda m, a, b: a * b, every=lambda m, y, a, b: (b,))
    check = gradcheck(lambda a, b: apply(product, a, b), 2.0, 3.0)
    assert check.verdict == "wrong"
    assert check.reason == "product, input 1 at 2.0, 3.0: the rule says nothing, it is 2"


@FEW
@given(strategies.expressions(inputs=2, max_nodes=8), st.booleans())
def test_generated_expressions_are_correct(f: Expression, looks_at_its_number: bool) -> None:
    """Also where a function looks at a number, and cannot be recorded."""

    def g(*xs: Value) -> Any:
        y = f(*xs)
        return y + 0.0 if looks_at_its_number and y > 0 else y

    check = gradcheck(g, *f.point)
    assert check.verdict == "correct", str(check)


@FEW
@given(strategies.expressions(inputs=2, max_nodes=8), st.data())
def test_in_generated_expressions_a_wrong_rule_is_named(f: Expression, data: st.DataObject) -> None:
    nodes = [v for v in topological_order(f(*f.leaves())) if any(x._rule is not CONSTANT for x in v._prev)]
    v = data.draw(st.sampled_from(nodes or [None]))
    assume(v is not None)
    place = data.draw(st.sampled_from([i for i, x in enumerate(v._prev) if x._rule is not CONSTANT]))
    assume(v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev])[place])
    with a_rule_that_is_wrong(v._rule, place):
        check = gradcheck(f, *f.point)
    assert check.verdict == "wrong"
    assert {(fault.operation, fault.input) for fault in check.faults} == {(str(v._rule), place)}


# ---- kinks -----------------------------------------------------------------------------------------------------------
def test_the_one_sided_derivatives_are_given() -> None:
    check = gradcheck(lambda x: 3.0 * tg.leaky_relu(x, 0.5), 0.0)
    (found,) = check.derivatives
    assert (found.left, found.right, found.expected) == (1.5, 3.0, None)
    assert str(check).splitlines()[:6] == [
        "There is no one gradient at this point. ∂f/∂x0 is 1.5 from the left, 3 from the",
        "right: this is a kink of leaky_relu(0.5). The rules may give any number between",
        "these; they give 1.5.",
        "",
        "          by the rules  by trying",
        "  ∂f/∂x0           1.5    1.5 | 3  ← kink",
    ]
    assert "  ∂f/∂x0: gradient 1.5, slope 1.5 from the left, 3 from the right" in str(check).splitlines()


KINKED: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "deep inside": (lambda x: tg.exp(tg.sin(tg.relu(x**2 - 4.0)) + x), (2.0,)),
    "that cancels": (lambda x: tg.relu(x) - tg.relu(-x), (0.0,)),
    "a tie of three": (lambda x, y, z: tg.maximum(x, tg.maximum(y, z)), (1.0, 1.0, 1.0)),
    "seen in no single input": (lambda x, y: tg.minimum(tg.abs(x), tg.abs(y)), (0.0, 0.0)),
    "a jump": (lambda x: x + tg.step(x - 1.0), (1.0,)),
    "a jump by an integer": (lambda x: tg.sign(x) * 2.0, (0.0,)),
    "a branch of Python": (lambda x: x if x > 0 else -2.0 * x, (0.0,)),
    "a jump between branches": (lambda x: x if x >= 1 else x - 1.0, (1.0,)),
}


@pytest.mark.parametrize(("f", "xs"), KINKED.values(), ids=KINKED)
def test_a_kink(f: Callable[..., Any], xs: tuple[float, ...]) -> None:
    for scale in (1.0, 1e-12, 1e12):
        check = gradcheck(lambda *xs, scale=scale: scale * f(*xs), *xs)
        assert check.verdict == "kink", str(check)


NOT_KINKED: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "next to it": (lambda x: tg.relu(x - 1.0), (math.nextafter(1.0, 2.0),)),
    "hardly off it": (tg.abs, (-1e-300,)),
    "multiplied by 0": (lambda x: x * tg.abs(x), (0.0,)),
    "squared": (lambda x: tg.relu(x) ** 2, (0.0,)),
    "in a constant": (lambda x: x * tg.relu(0.0), (1.0,)),
    "a branch elsewhere": (lambda x: x**2 if x > 0 else -x, (1e-3,)),
    "branches that meet smoothly": (lambda x: x**2 if x > 0 else -(x**2), (0.0,)),
}


@pytest.mark.parametrize(("f", "xs"), NOT_KINKED.values(), ids=NOT_KINKED)
def test_no_kink(f: Callable[..., Any], xs: tuple[float, ...]) -> None:
    check = gradcheck(f, *xs)
    assert check.verdict == "correct", str(check)


@pytest.mark.parametrize(("slope", "verdict"), [(-0.01, "wrong"), (0.0, "kink"), (0.7, "kink"), (1.01, "wrong")])
def test_at_a_kink_a_rule_may_choose_between_the_one_sided_derivatives(slope: float, verdict: str) -> None:
    ramp = Op("ramp", "", OPS["relu"].value, lambda m, y, x: m.step(x) + slope * (1.0 - m.abs(m.sign(x))))
    check = gradcheck(as_function(ramp), 0.0)
    assert check.verdict == verdict
    if verdict == "wrong":
        assert check.reason == f"ramp, input 0 at 0.0: the rule says {slope}, it is 0 from the left, 1 from the right"


# ---- outside the domain ----------------------------------------------------------------------------------------------
OUTSIDE: dict[str, tuple[Callable[..., Any], float, str]] = {
    "no value": (tg.log, -1.0, "f has no value: log is not defined at -1.0"),
    "a pole": (lambda x: 1 / x, 0.0, "f has no value: div is not defined at 1.0, 0.0"),
    "an infinite slope": (tg.sqrt, 0.0, "the derivative of sqrt is infinite at 0.0"),
    "an infinite slope inside": (lambda x: tg.sqrt(x**4), 0.0, "the derivative of sqrt is infinite at 0.0"),
    "an infinite input": (tg.atan, math.inf, "x0 is inf, where no difference can be taken"),
    "no number": (lambda x: x * 2.0, math.nan, "x0 is nan"),
    "an infinite value": (lambda x: x * 1e300, 1e300, "f is inf"),
    "too large a value": (tg.exp, 1e3, "f has no value: exp overflows"),
}


@pytest.mark.parametrize(("f", "x", "words"), OUTSIDE.values(), ids=OUTSIDE)
def test_outside_the_domain(f: Callable[..., Any], x: float, words: str) -> None:
    check = gradcheck(f, x)
    assert check.verdict == "outside the domain"
    assert words in check.reason


def test_an_infinite_slope_is_shown_from_the_side_where_it_is() -> None:
    (found,) = gradcheck(lambda x: tg.acos(x), 1.0).derivatives
    assert (found.given, found.left, found.right) == (None, -math.inf, None)


INFINITE: dict[str, tuple[Callable[..., Any], float, str, float | None, float | None]] = {
    "a root": (tg.sqrt, 0.0, "outside the domain", None, math.inf),
    "a root, from the left": (lambda x: tg.sqrt(1.0 - x), 1.0, "outside the domain", -math.inf, None),
    "a logarithm, above a number": (lambda x: x**x, 0.0, "outside the domain", None, -math.inf),
    "a jump": (tg.step, 0.0, "kink", 0.0, math.inf),
    "a jump above a number": (lambda x: tg.step(x) + 5.0, 0.0, "kink", 0.0, math.inf),
    "a jump away from 0": (lambda x: tg.sign(1.0 - x), 1.0, "kink", -math.inf, -math.inf),
}


@pytest.mark.parametrize("digits", [200, 16])
@pytest.mark.parametrize(("f", "x", "verdict", "left", "right"), INFINITE.values(), ids=INFINITE)
def test_an_infinite_slope_is_found_with_many_digits_and_with_floats(
    f: Callable[..., Any],
    x: float,
    verdict: str,
    left: float | None,
    right: float | None,
    digits: int,
    request: pytest.FixtureRequest,
) -> None:
    if digits == 16:
        request.getfixturevalue("without_mpmath")
    check = gradcheck(f, x)
    (found,) = check.derivatives
    assert (check.verdict, check.digits, found.left, found.right) == (verdict, digits, left, right), str(check)


def test_no_number_is_said_to_lie_between_infinite_slopes() -> None:
    words = " ".join(str(gradcheck(tg.sign, 0.0)).split())
    assert "∂f/∂x0 is inf from the left, inf from the right: this is a kink of sign. The rules may give any" in words
    assert "give any number; they give 0." in words


def test_at_the_border_of_a_domain_the_derivative_from_the_inside_counts() -> None:
    assert gradcheck(lambda x: x**1.5 + x, 0.0)
    with a_rule_that_is_wrong(OPS["add"]):
        assert gradcheck(lambda x: x**1.5 + x, 0.0).faults[0].operation == "add"


# ---- scales ----------------------------------------------------------------------------------------------------------
SCALES = [(1e-12, 1e-8), (1e-12, 1e8), (1.0, 1.0), (1e12, 1e-8), (1e12, 1e8)]  # of values, and of inputs


def smooth(x: Any) -> Any:
    return tg.sin(x) * tg.exp(0.3 * x) + x**2


def branched(x: Any) -> Any:
    return smooth(x) if x > -100.0 else x


@pytest.mark.parametrize("f", [smooth, branched])
@pytest.mark.parametrize(("scale", "unit"), SCALES)
def test_functions_of_any_scale_are_judged_the_same(f: Callable[..., Any], scale: float, unit: float) -> None:
    """Values in other units, and inputs in other units."""

    def scaled(x: Any) -> Any:
        return scale * f(x / unit)

    assert gradcheck(scaled, 0.7 * unit).verdict == "correct"
    with a_rule_that_is_wrong(OPS["sin"]):
        check = gradcheck(scaled, 0.7 * unit)
    assert (check.verdict, check.faults[0].operation) == ("wrong", "sin")


@pytest.mark.parametrize(("scale", "unit"), SCALES)
def test_a_leak_is_found_at_any_scale(scale: float, unit: float) -> None:
    """No rule is wrong here: part of the gradient, half a thousandth of it, is lost outside of the graph."""

    def leaking(x: Value) -> Value:
        return scale * (tg.sin(x / unit) + 0.0005 * math.sin(x.data / unit))

    check = gradcheck(leaking, 0.7 * unit)
    assert (check.verdict, check.faults) == ("wrong", ())
    assert "does f compute with plain numbers" in check.reason
    assert gradcheck(lambda x: scale * (tg.sin(x / unit) + 0.0005 * tg.sin(x / unit)), 0.7 * unit)


FLAT: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "a constant": (lambda x: 5.0, (1.0,)),
    "no input": (lambda: 5.0, ()),
    "an input that is not used": (lambda x, y: x * 2.0, (1.0, 2.0)),
    "a minimum": (lambda x: (x - 1.0) ** 2 + 3.0, (1.0,)),
    "a far minimum": (lambda x: (x - 1e8) ** 2, (1e8,)),
    "a saddle": (lambda x, y: x * y, (0.0, 0.0)),
    "0": (lambda x: x * 0.0, (0.0,)),
    "saturated": (tg.tanh, (40.0,)),
    "of the sixth order": (lambda x: x**6, (0.0,)),
    "next to nothing": (lambda x: tg.exp(-x * x), (20.0,)),
}


def test_numbers_below_the_smallest_normal_float_are_no_reason_to_call_a_gradient_wrong(without_mpmath: None) -> None:
    for unit in (1e-160, 3e-161, 1e-161):  # of whose square few digits are left
        check = gradcheck(lambda x: x**2 * 1e300, unit)
        assert check.verdict != "wrong", str(check)
    assert gradcheck(lambda x: x**2 * 1e300, 1e-150)


def test_waves_that_no_float_can_follow_are_no_reason_to_call_a_rule_wrong(without_mpmath: None) -> None:
    """Beyond 1e11 an interval of floats sees some values of a sine, and a curve may go through them by chance."""
    rng = Random(0)
    for _ in range(100):
        x = rng.uniform(1.0, 10.0) * 10.0 ** rng.randint(11, 19)
        assert gradcheck(tg.sin, x).verdict != "wrong", x


@pytest.mark.parametrize("digits", ["many", "16"])
@pytest.mark.parametrize(("f", "xs"), FLAT.values(), ids=FLAT)
def test_where_a_function_is_flat_its_gradient_is_correct(
    f: Callable[..., Any], xs: tuple[float, ...], digits: str, request: pytest.FixtureRequest
) -> None:
    if digits == "16":
        request.getfixturevalue("without_mpmath")
    check = gradcheck(f, *xs)
    assert check.verdict == "correct", str(check)


def test_a_slope_where_there_is_none_is_wrong() -> None:
    hill = Op("hill", "", lambda m, x: m.cos(x), lambda m, y, x: 1e-9 - m.sin(x))
    check = gradcheck(as_function(hill), 0.0)
    assert check.reason == "hill, input 0 at 0.0: the rule says 1e-09, it is 0"


@pytest.mark.parametrize("power", [1.01, 1.05, 1.1, 1.5, 1.9])
def test_a_slope_that_is_reached_slowly(power: float) -> None:
    """x**p leaves 0 with the slope 0, but no difference is near to it."""
    for f in (lambda x: x**power, lambda x: abs(x) ** power, lambda x: 3 * x + x**power, lambda x: x - x**power):
        check = gradcheck(f, 0.0)
        assert check, check


def test_a_slope_of_what_never_changes_is_named() -> None:
    flat = Op("flat", "", lambda m, x: 0.0 * x, 1.0)
    check = gradcheck(as_function(flat), 1.0)
    assert [(fault.operation, fault.derivative.expected) for fault in check.faults] == [("flat", 0.0)]


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_a_kink_is_where_the_rounded_number_is(scale: float) -> None:
    """The product is 1 only as it is rounded: with more digits it is beside the kink, but no gradient has them."""
    for f in (tg.relu, abs, lambda x: tg.maximum(x, 0.0)):
        assert gradcheck(lambda x, f=f: f(scale * x - 1.0), 1.0 / scale).verdict == "kink"


# ---- noise and rounding ----------------------------------------------------------------------------------------------
def shaken(by: float) -> Callable[[Value], Value]:
    """x² with noise, the same one at each call."""
    return lambda x: x**2 + Random(x.data).gauss(0.0, by)


def test_a_function_that_is_noisy_is_called_so_with_its_noise() -> None:
    check = gradcheck(shaken(1e-2), 1.0)
    assert check.verdict == "too noisy"
    assert 0.003 < check.noise < 0.03
    assert "each value of f is noisy by 0.0" in check.reason


def test_noise_that_is_small_enough_does_not_matter() -> None:
    check = gradcheck(shaken(1e-8), 1.0)
    assert check
    assert 3e-9 < check.noise < 3e-8


def test_what_is_rounded_away_is_not_the_rules_fault() -> None:
    check = gradcheck(lambda x: x - tg.softplus(x), 40.0)  # 1 − σ(40) is 0
    assert check
    assert (
        "floats lose digits here: with 200 digits, ∂f/∂x0: gradient 0, differences 4.24835425529e-18" in check.notes[0]
    )
    check = gradcheck(lambda x: tg.sin(x * x), 1.23456789e8)  # x² has no digit left for its phase
    assert check.verdict == "too noisy"
    assert 0.3 < check.noise < 10


@pytest.mark.parametrize(
    ("f", "x", "order"),
    [
        (tg.sigmoid, 40.0, 2),
        (tg.tanh, 20.0, 2),
        (lambda x: tg.tanh(tg.sinh(x + 3.42)), 0.0, 2),
        (tg.exp, -740.0, 2),  # a float of so little has two digits
        (lambda x: x, 5e-324, 2),
    ],
)
def test_what_is_rounded_away_of_a_gradient_is_not_the_rules_fault(f: Callable[..., Any], x: float, order: int) -> None:
    check = gradcheck(f, x, order=order)
    assert check, check


def test_a_gradient_that_has_lost_a_few_digits_is_correct_as_far_as_floats_go() -> None:
    steps = gradcheck(lambda a, b, c: tg.tanh(c * (a + b)), 2.4, 2.0, 3.6)  # as floats have it, tanh climbs in steps
    assert steps, steps
    check = gradcheck(lambda x: tg.sin(x) / x, 1e-5)
    assert check.reason == "the gradient agrees with differences as far as floats go"
    assert check.derivatives[0].given == pytest.approx(-3.33332e-06, rel=1e-6)
    assert check.derivatives[0].expected == pytest.approx(-3.3333333333e-06, rel=1e-12)


def test_a_gradient_whose_digits_are_lost_is_too_noisy_not_wrong() -> None:
    check = gradcheck(lambda x: (1 - tg.cos(x)) / x**2, 1e-5)  # -0.008, and should be -0.0000008
    assert check.verdict == "too noisy"
    assert "differences -8.33333333328e-07 ± 2e-134, and rounding alone can move the gradient by 0.4" in check.reason
    assert gradcheck(lambda x: (1 - tg.cos(x.data)) / x**2, 1e-5).verdict == "wrong"


@pytest.mark.parametrize("x", [0.3, 2.0, 5.55])
def test_without_digits_rounding_inside_a_rule_is_measured(x: float, without_mpmath: None) -> None:
    assert gradcheck(tg.tanh, x, order=2)
    slope = Op(  # 1 − tanh², whose rounding is that of the 1
        "slope",
        "",
        lambda m, x: 1 - math.tanh(x) ** 2,
        lambda m, y, x: -2 * math.tanh(x) / math.cosh(x) ** 2,
    )
    assert gradcheck(as_function(slope), x)


def test_the_digits_suffice_for_what_floats_underflow() -> None:
    """log(1 + e⁻⁴⁷⁰ + e⁻⁹⁹⁷): a term that floats have and 200 digits do not; and one that even floats do not have."""
    assert gradcheck(lambda *xs: tg.logsumexp(xs), 0.0, -470.0, -997.0)


def test_a_function_that_only_rounding_keeps_inside_its_domain_is_checked_with_floats() -> None:
    def f(x: Value) -> Value:
        return tg.sqrt(x * 3.0 - 0.30000000000000004 + 1e-18)  # 3·0.1 is a little less before it is rounded

    check = gradcheck(f, 0.1)
    assert check.digits == 16
    assert "f cannot be replayed with more digits" in check.notes[0]


def test_a_function_that_uses_other_parameters_each_time_does_not_break_the_check() -> None:
    ws = cycle([Value(2.0) for _ in range(5)])
    check = gradcheck(lambda x: x * next(ws), 1.0)
    assert check.verdict == "correct"
    assert "f computes something else when it is called again" in check.notes[0]


# ---- a function's own scale ------------------------------------------------------------------------------------------
def unrecorded(f: Callable[[Value], Any]) -> Callable[[Value], Any]:
    """The same function; but as it looks at its number it cannot be recorded, and mpmath is of no use."""
    return lambda x: f(x) if x > -math.inf else x


SCALED: dict[str, tuple[Callable[..., Any], float, str]] = {
    "a period of a ten thousandth of x": (tg.sin, 1e5, "correct"),
    "a short period": (lambda x: tg.sin(1e6 * x), 0.3, "correct"),
    "a period near to the last digits": (lambda x: tg.sin(1e9 * x), 0.3, "correct"),
    "a period below the last digits": (lambda x: tg.sin(1e16 * x), 0.3, "too noisy"),
    "digits that cancel": (lambda x: (1 - tg.cos(x)) / x**2, 1e-8, "too noisy"),
    "a narrow hill": (lambda x: tg.exp(-(((x - 1.0) / 1e-5) ** 2)), 1.000003, "correct"),
    "a narrow step": (lambda x: tg.tanh(x / 1e-6), 2e-6, "correct"),
    "ripples": (lambda x: x + 1e-3 * tg.sin(1e6 * x), 0.3, "correct"),
    "a large constant": (lambda x: 1e8 + x * x, 1.0, "correct"),
    "a pole nearby": (lambda x: x**-3, 1e-3, "correct"),
    "the border of the domain nearby": (tg.log, 1e-10, "correct"),
    "a saturated function": (tg.sigmoid, 30.0, "correct"),
    "a sawtooth": (lambda x: x * 1e4 - math.floor(x.data * 1e4), 0.30001, "correct"),
    "a kink": (lambda x: tg.abs(tg.sin(x)), math.pi, "kink"),
    "a kink nearby": (lambda x: tg.abs(x - 1e-3), 0.0, "correct"),
    "a slope that floats cannot reach": (lambda x: 1.0 + x**1.05, 0.0, "too noisy"),
}


@pytest.mark.parametrize("records", [True, False])
@pytest.mark.parametrize(("f", "x", "verdict"), SCALED.values(), ids=SCALED)
def test_the_scale_of_a_function_is_its_own(
    f: Callable[..., Any], x: float, verdict: str, records: bool, without_mpmath: None
) -> None:
    check = gradcheck(f if records else unrecorded(f), x)
    assert check.verdict == verdict, str(check)
    assert check.digits == 16


@pytest.mark.parametrize(("f", "x", "verdict"), sample([*SCALED.values()], 6))
def test_with_mpmath_a_function_that_cannot_be_recorded_is_judged_the_same(
    f: Callable[..., Any], x: float, verdict: str
) -> None:
    check = gradcheck(unrecorded(f), x)
    assert check.verdict == verdict, str(check)
    assert gradcheck(f, x).verdict in (verdict, "correct"), "more digits can only help"


def test_rounding_inside_is_no_step() -> None:
    """Numbers of 32 bits: near enough, they do not change any more."""
    for slope, verdict in ((1.0, "correct"), (1.001, "wrong")):
        sine = Op(
            "sine32", "", lambda m, x: unpack("f", pack("f", math.sin(x)))[0], lambda m, y, x, s=slope: s * math.cos(x)
        )
        assert gradcheck(as_function(sine), 1.0).verdict == verdict


def test_complex_numbers_are_outside_the_domain() -> None:
    root = Op("root", "", lambda m, x: x**0.5, lambda m, y, x: 0.5 * x**-0.5)
    assert gradcheck(as_function(root), 0.1)
    assert gradcheck(lambda x: x.data**0.5 if x < 0 else x**2, 0.1)


def test_a_smooth_function_is_called_a_few_times(without_mpmath: None) -> None:
    calls = []

    def counted(f: Callable[[Value], Value]) -> Callable[[Value], Value]:
        return lambda x: calls.append(0) or f(x)  # type: ignore[func-returns-value]

    assert gradcheck(counted(tg.sin), 1.0)
    assert len(calls) < 60
    calls.clear()
    assert gradcheck(counted(lambda x: tg.abs(x - 1.0)), 1.0).verdict == "kink"
    assert len(calls) < 250


SCALES_OF_TEN = st.integers(-6, 6).map(lambda power: 10.0**power)


@FEW
@given(strategies.expressions(inputs=2, max_nodes=8), SCALES_OF_TEN, SCALES_OF_TEN, st.data())
def test_at_any_scale_floats_do_not_accuse_and_do_not_acquit(
    f: Expression, scale: float, unit: float, data: st.DataObject
) -> None:
    """A right function is not wrong, and one with a wrong rule is not correct."""

    def g(*xs: Value) -> Any:
        return scale * f(*[x / unit for x in xs])

    xs = [x * unit for x in f.point]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_precision, "_make_precision", no_mpmath)
        check = gradcheck(g, *xs)
        assert check.verdict != "wrong", str(check)
        nodes = [v for v in topological_order(f(*f.leaves())) if any(x._rule is not CONSTANT for x in v._prev)]
        v = data.draw(st.sampled_from(nodes))
        place = data.draw(st.sampled_from([i for i, x in enumerate(v._prev) if x._rule is not CONSTANT]))
        assume(v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev])[place])
        with a_rule_that_is_wrong(v._rule, place, data.draw(st.sampled_from([1.001, -1.0]))):
            check = gradcheck(g, *xs)
        assert check.verdict != "correct", str(check)


def no_mpmath(digits: int, thread: int) -> Any:
    raise ImportError("mpmath")


# ---- not the same at each call ---------------------------------------------------------------------------------------
def dropout(p: float, random: Random) -> Callable[[Value], Value]:
    return lambda x: x * (0.0 if random.random() < p else 1 / (1 - p))


def trembling(random: Random) -> Callable[[Value], Value]:
    return lambda x: x**2 + random.gauss(0.0, 1e-8)


def counting(every: int) -> Callable[[Value], Value]:
    count = iter(range(1, 10_000))
    return lambda x: x * x + (1.0 if next(count) % every == 0 else 0.0)


def decaying() -> Callable[[Value], Value]:
    count = iter(range(1, 10_000))
    return lambda x: x * (1.0 + 1e-9 / next(count))


CHANGING: dict[str, Callable[[int], Callable[[Value], Value]]] = {
    "dropout": lambda seed: dropout(0.5, Random(seed)),
    "rare dropout": lambda seed: dropout(0.3, Random(seed)),
    "noise": lambda seed: trembling(Random(seed)),
    "a counter": lambda seed: counting(2 + seed % 15),
    "a decay": lambda seed: decaying(),
}


@pytest.mark.parametrize("x", [0.0, 1.0])
@pytest.mark.parametrize("make", CHANGING.values(), ids=CHANGING)
def test_a_function_that_is_not_the_same_at_each_call_is_called_that(make: Any, x: float) -> None:
    if make is CHANGING["a decay"]:
        x = 1.0  # at 0 only its slope changes, by 1e-9 of it
    for seed in sample(range(20), 3):
        check = gradcheck(make(seed), x)
        assert check.verdict == "not repeatable", str(check)
        assert check.reason.startswith("f is not the same at each call: its ")
        assert "gradcheck needs a function that gives the same for the same inputs" in check.reason


def test_only_its_gradient_may_change() -> None:
    check = gradcheck(dropout(0.5, Random(0)), 0.0)
    assert check.reason.startswith("f is not the same at each call: its gradient is 2.0, and then 0.0; ")
    assert str(check).startswith("F is not the same at each call: its gradient is 2.0, and then 0.0; gradcheck")


# ---- one input at a time ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("digits", ["many", "16"])
def test_a_power_of_a_negative_number_is_correct_in_its_base(digits: str, request: pytest.FixtureRequest) -> None:
    if digits == "16":
        request.getfixturevalue("without_mpmath")
    three = Value(3.0, label="n")
    assert gradcheck(lambda x: x**3, -2.0)
    assert gradcheck(lambda x: x ** Value(3.0), -2.0)
    for check in (gradcheck(lambda x: x**three, -2.0), gradcheck(lambda x, y: x**y, -2.0, 3.0)):
        assert check.verdict == "outside the domain"
        assert check.reason.startswith("the derivative of pow is not defined at -2.0, 3.0")
        assert check.reason.endswith("; ∂f/∂x0 is right")
        assert [d.verdict for d in check.derivatives] == ["correct", "outside the domain"]
        assert (check.derivatives[0].given, check.derivatives[1].given) == (12.0, None)
    of_base, of_exponent = OPS["pow"].partials
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OPS["pow"], "partials", (lambda *args: 1.0005 * of_base(*args), of_exponent))
        check = gradcheck(lambda x, y: x**y, -2.0, 3.0)
    assert check.reason.startswith("pow, input 0 at -2.0, 3.0: the rule says 12.006, it is 12")
    leak = gradcheck(lambda x, y: x**y + x.data, -2.0, 3.0)
    assert leak.verdict == "wrong", "what is wrong in one input is not hidden by what is not there in another"


@pytest.mark.parametrize("digits", ["many", "16"])
def test_a_wrong_rule_is_named_where_the_gradient_happens_to_be_right(
    digits: str, request: pytest.FixtureRequest
) -> None:
    if digits == "16":
        request.getfixturevalue("without_mpmath")
    square = Op("square", "", lambda m, x: x * x, lambda m, y, x: 3.0 * x)
    for f in (lambda x: apply(square, x) * 0.0 + x, lambda x: apply(square, x) - apply(square, x) + x):
        check = gradcheck(f, 3.0)
        assert (check.verdict, check.is_right_by_chance) == ("wrong", True)
        assert check.reason.startswith("square, input 0 at 3.0: the rule says 9, it is 6")
        assert check.reason.endswith("; yet the gradient is right here")
        report = " ".join(str(check).split())
        assert report.startswith(
            "The gradient is right at this point, but only by chance: a rule is wrong. Look at the"
        )
    check = gradcheck(as_function(square), 3.0)
    assert not check.is_right_by_chance
    assert str(check).startswith("The gradient is wrong. ")


# ---- second order ----------------------------------------------------------------------------------------------------
def test_second_derivatives_are_checked_by_name() -> None:
    check = gradcheck(lambda x, y: tg.sin(x) * y**2, 2.0, 0.5, order=2)
    assert check
    assert [d.name for d in check.derivatives] == [
        *["∂f/∂x0", "∂f/∂x1", "∂²f/∂x0∂x0", "∂²f/∂x0∂x1", "∂²f/∂x1∂x0", "∂²f/∂x1∂x1"]
    ]
    assert check.derivatives[3].expected == pytest.approx(math.cos(2.0), rel=1e-15)


def test_third_derivatives_too() -> None:
    assert gradcheck(lambda x: x**4, 2.0, order=3).derivatives[2].given == 48.0


def number(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


BAKED: dict[str, Callable[..., Any]] = {
    "a constant": lambda m, y, x: (3.0 * number(x) ** 2,),
    "half of one": lambda m, y, x: (3.0 * number(x) * x,),
}


@pytest.mark.parametrize("derivatives", BAKED.values(), ids=BAKED)
def test_a_number_baked_into_a_rule_is_found_in_second_order(derivatives: Callable[..., Any]) -> None:
    cube = Op("cube", "", lambda m, x: x * x * x, every=derivatives)

    def f(x: Value) -> Value:
        return tg.exp(0.1 * apply(cube, x))

    assert gradcheck(f, 2.0)
    check = gradcheck(f, 2.0, order=2)
    assert check.verdict == "wrong"
    assert check.reason.startswith("cube, input 0 at 2.0: the rule, differentiated again in input 0, says ")
    assert check.reason.endswith("it is 12")


@pytest.mark.parametrize(("slope", "verdict"), [(-1.0, "wrong"), (0.0, "kink"), (0.5, "kink"), (5.0, "wrong")])
def test_at_a_kink_of_the_first_derivative_the_second_is_between_its_sides(slope: float, verdict: str) -> None:
    relu = OPS["relu"].value
    ramp = Op("ramp", "", relu, lambda m, y, x: m.step(x) + slope * (1.0 - m.abs(m.sign(x))))
    bend = Op(
        "bend",
        "",
        lambda m, x: relu(m, x) ** 2 / 2.0,
        lambda m, y, x: apply(ramp, x) if isinstance(x, Value) else relu(m, x),
    )
    assert gradcheck(as_function(bend), 0.0)
    check = gradcheck(as_function(bend), 0.0, order=2)
    assert check.verdict == verdict
    if verdict == "wrong":
        assert check.reason == (
            f"bend, input 0 at 0.0: the rule, differentiated again in input 0, says {slope:g}, "
            "it is 0 from the left, 1 from the right"
        )


def test_a_second_derivative_can_be_infinite_where_the_first_is_not() -> None:
    assert gradcheck(lambda x: x**1.5, 0.0)
    check = gradcheck(lambda x: x**1.5, 0.0, order=2)
    assert check.verdict == "outside the domain"
    assert "is infinite at 0.0" in check.reason


def test_a_rule_that_is_wrong_at_a_single_point_is_wrong() -> None:
    """No kink excuses it, though it is right on both sides."""
    square = Op("square", "", lambda m, x: x * x, lambda m, y, x: 2.0 * x if x else 1.0)
    check = gradcheck(as_function(square), 0.0)
    assert check.reason == "square, input 0 at 0.0: the rule says 1, it is 0"


def test_a_second_derivative_can_have_a_kink_where_the_first_has_none() -> None:
    assert gradcheck(lambda x: x * tg.abs(x), 0.0)
    check = gradcheck(lambda x: x * tg.abs(x), 0.0, order=2)
    assert check.verdict == "kink"
    assert (check.derivatives[0].left, check.derivatives[0].right) == (-2.0, 2.0)


# ---- what is given and taken -----------------------------------------------------------------------------------------
def test_parameters_are_checked_too_and_left_as_they_are() -> None:
    model = tg.nn.MLP(2, [3, 1], activation="tanh")
    before = [(p.data, p.grad) for p in model.parameters()]
    check = gradcheck(lambda: tg.losses.mse([model([0.5, -1.0])], [0.3]))
    assert check
    assert {d.name for d in check.derivatives} == {f"∂f/∂{p.label}" for p in model.parameters()}
    assert [(p.data, p.grad) for p in model.parameters()] == before


def test_an_error_in_the_middle_leaves_parameters_as_they_are() -> None:
    w = Value(2.0, label="w")

    def f() -> Value:
        if w.data != 2.0:
            raise RuntimeError("moved")
        return w * w

    with pytest.raises(RuntimeError, match="moved"):
        gradcheck(f)
    assert w.data == 2.0


def test_values_as_inputs_are_used_as_they_are() -> None:
    w = Value(2.0, label="w")
    w.grad = 7.0
    check = gradcheck(lambda x, y: x * w + y, w, 3.0)
    assert [(d.name, d.given) for d in check.derivatives] == [("∂f/∂w", 4.0), ("∂f/∂x1", 1.0)]
    assert (w.data, w.grad) == (2.0, 7.0)


def test_it_works_under_no_grad() -> None:
    with tg.no_grad():
        assert gradcheck(tg.sin, 1.0).derivatives[0].given == math.cos(1.0)


def test_a_rule_that_uses_math_is_checked_with_floats() -> None:
    for slope, verdict in ((1.0, "correct"), (WRONG_BY, "wrong")):
        op = Op("sine", "", lambda m, x: math.sin(x), lambda m, y, x, slope=slope: math.cos(x) * slope)
        check = gradcheck(lambda x, op=op: 2.0 * apply(op, x), 1.0)
        assert check.verdict == verdict
        assert check.digits == 16
        assert "as the functions of math do" in check.notes[0]


def test_without_mpmath_it_says_what_would_help(without_mpmath: None) -> None:
    check = gradcheck(tg.sin, 1.0)
    assert check
    assert check.notes == (
        "decided with floats; with more digits where mpmath is installed: pip install 'tinygrad-edu[test]'",
    )


def test_mpmath_is_loaded_when_it_is_needed() -> None:
    code = """if True:
        import sys
        from tinygrad_edu.testing import gradcheck
        print("mpmath" in sys.modules, bool(gradcheck(lambda x: x * x, 2.0)), "mpmath" in sys.modules)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["False", "True", "True"]


BAD_CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], type[Exception], str]] = {
    "a list": (lambda x: [x], (1.0,), {}, TypeError, "a function that returns one number, not list"),
    "nothing": (lambda x: None, (1.0,), {}, TypeError, "a function that returns one number, not NoneType"),
    "a text": (lambda x: x, ("1.0",), {}, TypeError, "expected one real number"),
    "a node": (lambda x: x, (Value(1.0) + 1.0,), {}, TypeError, "input 0, .* pass a plain number or a leaf"),
    "a constant": (lambda x: x, (Value(1.0).detach(),), {}, TypeError, "input 0, .* pass a plain number or a leaf"),
    "order 0": (lambda x: x, (1.0,), {"order": 0}, ValueError, "an int of 1 or more, not 0"),
    "order 1.5": (lambda x: x, (1.0,), {"order": 1.5}, ValueError, "an int of 1 or more, not 1.5"),
}


@pytest.mark.parametrize(("f", "xs", "options", "kind", "words"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_bad_call(f: Any, xs: Any, options: Any, kind: type[Exception], words: str) -> None:
    for check in (gradcheck, assert_gradients):
        with pytest.raises(kind, match=words):
            check(f, *xs, **options)


# ---- the report ------------------------------------------------------------------------------------------------------
def test_a_report_can_be_read() -> None:
    with a_rule_that_is_wrong(OPS["tanh"]):
        check = gradcheck(lambda x, y: tg.tanh(x) * y, 0.0, 2.0)
    assert str(check) == (
        "The gradient is wrong. Look at the rule of tanh: its derivative at 0 is 1.0005;\n"
        "it should be 1. That is 0.0005 off.\n"
        "\n"
        "          by the rules  by trying\n"
        "  ∂f/∂x0         2.001          2  ← wrong\n"
        "  ∂f/∂x1             0          0\n"
        "\n"
        "By the rules: the chain rule, as backward() applies it.\n"
        "By trying: the slope of a curve through values of f, nearer and nearer to x.\n"
        "\n"
        "In detail\n"
        "  wrong: tanh, input 0 at 0.0: the rule says 1.0005, it is 1\n"
        f"  ∂f/∂x0: gradient 2.001, differences 2 ± {check.derivatives[0].error:.1g}, 0.001 apart\n"
        f"  ∂f/∂x1: gradient 0, differences 0 ± {check.derivatives[1].error:.1g}, 0 ulp apart\n"
        "  differences: the slope of a polynomial of degree 8 through Chebyshev points\n"
        "      around x, or to its left and right, as near as it takes; ± the error, from\n"
        "      the last coefficients\n"
        "  tolerance: 10 times the error, and 1e-07 of the derivative\n"
        f"  the error of one value of f: {check.noise:.1g}\n"
        "  decided with 200 digits"
    )
    assert not check


WRONG_RULES: dict[str, tuple[Callable[..., Any], str]] = {  # of x², at 3
    "a sign": (lambda m, y, x: (-2 * x,), "at 3 is -6; it should be 6. The sign is wrong."),
    "a factor": (lambda m, y, x: (x,), "at 3 is 3; it should be 6. A factor of 2 is missing."),
    "twice": (lambda m, y, x: (4 * x,), "at 3 is 12; it should be 6. That is 2 times too much."),
    "a digit": (lambda m, y, x: (2.000001 * x,), "at 3 is 6.000003; it should be 6. That is 3e-06 off."),
}


@pytest.mark.parametrize(("derivative", "words"), WRONG_RULES.values(), ids=WRONG_RULES)
def test_a_beginner_is_told_in_what_way_a_rule_is_wrong(derivative: Any, words: str) -> None:
    check = gradcheck(tg.define_op("square", lambda m, x: x * x, derivative), 3.0)
    report = " ".join(str(check).split())
    assert report.startswith("The gradient is wrong. Look at the rule of square: its derivative ")
    assert words in report


def test_a_beginner_is_told_which_input_it_is() -> None:
    product = tg.define_op("product", lambda m, a, b: a * b, lambda m, y, a, b: (b, b))
    report = " ".join(str(gradcheck(product, 2.0, 3.0)).split())
    assert "Look at the rule of product: its derivative in its second input at (2, 3) is 3; it should be 2." in report


def test_a_beginner_is_told_where_the_rules_are_right_and_the_function_is_not() -> None:
    report = " ".join(str(gradcheck(lambda x: x.data * x, 3.0)).split())
    assert report.startswith("The gradient is wrong. Each operation has the right rule. So look at f itself")


def test_a_beginner_is_told_that_it_cannot_be_told() -> None:
    report = " ".join(str(gradcheck(shaken(1e-2), 1.0)).split())
    assert report.startswith("It cannot be told whether the gradient is right: at this point f has too few digits.")


def test_a_long_report_is_cut() -> None:
    check = gradcheck(lambda *xs: tg.total(xs), *range(30))
    assert check
    assert str(check).count("… and 10 more") == 2
    assert str(check).count("∂f/∂x") == 40


def test_an_assertion() -> None:
    assert_gradients(tg.sin, 1.0)
    with (
        a_rule_that_is_wrong(OPS["sin"]),
        pytest.raises(AssertionError, match=r"^The gradient is wrong. Look at the rule"),
    ):
        assert_gradients(tg.sin, 1.0)


def test_an_assertion_lets_kinks_pass_if_it_is_told_to() -> None:
    with pytest.raises(AssertionError, match=r"^There is no one gradient at this point"):
        assert_gradients(tg.relu, 0.0)
    assert_gradients(tg.relu, 0.0, kinks=True)
    with pytest.raises(AssertionError, match=r"^There is no gradient at this point: the derivative of sqrt"):
        assert_gradients(tg.sqrt, 0.0, kinks=True)


# ---- differences -----------------------------------------------------------------------------------------------------
def slopes_of(f: Callable[[float], float], x: float = 0.0, noise: float = 0.0) -> list[_differences.Slope]:
    """The slope from the left, from the right, and around x."""
    y, floats = f(x), _precision.FLOAT_PRECISION
    found = []
    one_sided, central = floats.stencils
    for side, stencil in ((-1, one_sided), (1, one_sided), (1, central)):
        widths = [side * width for width in floats.widths(x)]
        each = _differences.estimate_slopes(lambda t: f(x + t), y, widths, stencil, noise, 2.0**-52)
        slope = _differences.choose_slope([*each])
        assert slope
        found.append(slope)
    return found


@pytest.mark.parametrize("f", [math.sin, math.exp, lambda x: 1 / x, lambda x: abs(x - 1.0), lambda x: 1.0 * (x > 1.0)])
def test_smooth_functions_and_single_kinks_are_no_noise(f: Callable[[float], float]) -> None:
    left, right, _ = slopes_of(f, 1.0)
    assert max(left.noise, right.noise) < 1e-15


@pytest.mark.parametrize("level", [1e-10, 1e-6, 1e-2])
def test_noise_is_measured(level: float) -> None:
    random = Random(1)
    for slope in slopes_of(lambda x: math.sin(x) + random.gauss(0.0, level), 1.0):
        assert level / 4 < slope.noise < level * 4


@pytest.mark.parametrize("x", [1e-6, 0.1, 1.0, 30.0])
def test_the_error_of_a_difference_is_an_honest_one(x: float) -> None:
    for f, true in ((math.sin, math.cos(x)), (math.log, 1 / x), (math.sqrt, 0.5 / math.sqrt(x))):
        found = slopes_of(f, x, 2e-16 * x * abs(true))
        for slope in found:
            assert abs(slope.value - true) <= 2 * slope.error
        assert found[2].error < 1e-9 * abs(true)


def test_a_large_step_does_not_hide_what_is_nearby() -> None:
    """To large steps f is flat on one side, as it saturates; only small ones see its slope."""
    true = 2 / math.sqrt(math.pi) * math.exp(-5.2 * 5.2)
    assert all(abs(slope.value - true) < 10 * slope.error for slope in slopes_of(lambda t: math.erfc(-5.2 - t)))


def test_a_jump_beside_the_point_is_no_infinite_slope() -> None:
    assert [slope.value for slope in slopes_of(lambda t: 3.0 + (t > 1e-3))] == [0.0, 0.0, 0.0]
    left, right, _ = slopes_of(lambda t: 3.0 + (t > 0))
    assert (left.value, right.value) == (0.0, math.inf)
