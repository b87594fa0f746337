"""The rule table as a specification: what every operation computes, to the digits, and every use of its rule.

`operations.py` holds one row for each operation, with the truth and where to look at it, `uses.py` every way in which a
rule is used: one test holds a use of every operation against the truth, another one at kinks. Beside them stand
arguments far out, and what is true of a rule without any table. An operation without a row fails.
"""

import math
import pickle
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from operations import (
    FAR_OUT,
    KINKS,
    ROWS,
    Kink,
    Point,
    Row,
    every_row,
    mp,
    mpf,
    partial,
    true_second_derivatives,
    true_value_and_slopes,
)
from uses import FIRST, SECOND, Exact, Formulas, Fractions, Text, Use, has_a_function, on_numbers, public, text_of

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.gradients import derivative, grad
from tinygrad_edu.ops import CONSTANT, DETACH, LEAF, TAKE
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, Op

IN_THE_TABLE = set(OPS) | set(FAMILIES)  # as imported: other tests enter operations of their own
NO_FUNCTIONS = {LEAF.name, CONSTANT.name}
PLAIN_ARITHMETIC = {"add", "sub", "mul", "div", "total", "dot"}  # too large a number is inf, as on Python's floats


def test_every_operation_has_a_row() -> None:
    assert {row.name for row in ROWS} == IN_THE_TABLE - NO_FUNCTIONS


# ---- the checks, which the rows go through and a wrong rule must not -------------------------------------------------
def close(got: Any, true: Any, tolerance: float, scale: Any = 0.0) -> bool:
    return bool(abs(got - true) <= tolerance * max(abs(true), scale) + 5e-324)


def scale(row: Row, xs: Point) -> Any:
    """What the error of a value is measured by, where it is more than the value."""
    slopes = true_value_and_slopes(row, xs)[1:]
    return mp.fsum([abs(x * slope) for x, slope in zip(xs, slopes)]) if row.cancels else row.value_scale


def check(row: Row, xs: Point, results: list[Any], tolerance: float | None = None) -> None:
    """The value and the local derivatives."""
    y, *slopes = results
    value, *true = true_value_and_slopes(row, xs)
    assert close(y, value, tolerance or row.tolerance, scale(row, xs)), f"{row} at {xs}: {y}, not {value}"
    assert len(slopes) == len(xs)
    for i, slope in enumerate(slopes):
        assert close(slope, true[i], tolerance or 1e-14, row.slope_scale), (
            f"∂{row}/∂x{i} at {xs}: {slope}, not {true[i]}"
        )


def check_seconds(row: Row, xs: Point, results: list[Any], tolerance: float | None = None) -> None:
    true = true_second_derivatives(row, xs)
    assert len(results) == len(true)
    for k, (got, second) in enumerate(zip(results, true)):
        i, j = divmod(k, len(xs))
        assert close(got, second, tolerance or 1e-12, scale=1.0), f"∂²{row}/∂x{i}∂x{j} at {xs}: {got}, not {second}"


# ---- every use of every operation ------------------------------------------------------------------------------------
def run(use: Use, op: Op, points: list[Point], request: pytest.FixtureRequest) -> list[list[Any]]:
    """What a use makes of an operation at some points. If it cannot run, it says of which operation."""
    more = [request.getfixturevalue("javascript")] if use.in_javascript else []
    try:
        return use.run(op, points, *more)
    except Exception as error:
        error.add_note(f"{use}: {op} at {points}")
        raise


@pytest.mark.parametrize("use", FIRST, ids=str)
def test_value_and_local_derivatives(use: Use, request: pytest.FixtureRequest) -> None:
    for row in [row for row in ROWS if use.takes(row.op)]:
        for arity in row.arities:
            points = row.samples(arity)
            for xs, results in zip(points, run(use, row.op, points, request), strict=True):
                check(row, xs, results, use.tolerance)


@pytest.mark.parametrize("use", SECOND, ids=str)
def test_second_derivatives(use: Use, request: pytest.FixtureRequest) -> None:
    for row in [row for row in ROWS if use.takes(row.op)]:
        for arity in filter(None, row.arities):
            points = row.samples(arity)
            for xs, results in zip(points, run(use, row.op, points, request), strict=True):
                check_seconds(row, xs, results, use.tolerance)


@every_row
@settings(max_examples=settings.default.max_examples // 5)
@given(data=st.data())
def test_the_rule_anywhere_in_its_domain(row: Row, data: st.DataObject) -> None:
    arity = data.draw(st.sampled_from([n for n in row.arities if n]))
    xs = tuple([data.draw(st.one_of([open_interval(*ends) for ends in domain])) for domain in row.intervals(arity)])
    assume(row.name not in ("maximum", "minimum", "largest", "smallest") or len({*xs}) == arity)  # a tie is a kink
    check(row, xs, *on_numbers(FLOATS, float)(row.op, [xs]))


def open_interval(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=True, exclude_max=True).filter(lambda x: x == 0 or abs(x) > 1e-20)


@every_row
def test_the_check_catches_what_is_wrong_by_half_a_thousandth(row: Row) -> None:
    right = row.op

    def wrong(x: float) -> float:
        return x * 1.0005 if x else 0.0005

    def of_the_right_value(m: Any, y: Any, *xs: Any) -> Any:
        return right.derivatives(m, right.value(m, *xs), *xs)

    off_value = Op("off", "", lambda m, *xs: wrong(right.value(m, *xs)), every=of_the_right_value)
    off_slopes = Op("off", "", right.value, every=lambda m, y, *xs: [wrong(s) for s in right.derivatives(m, y, *xs)])
    on_floats = on_numbers(FLOATS, float)
    for xs in row.inside:
        with pytest.raises(AssertionError):
            check(row, xs, *on_floats(off_value, [xs]))
        if xs:
            with pytest.raises(AssertionError, match="∂"):
                check(row, xs, *on_floats(off_slopes, [xs]))


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
        assert close(y, true, 1e-13), f"{row} at {xs}: {y}, not {true}"
        slopes = [as_float(partial(row.truth, exact, i, digits=FAR_OUT)) for i in range(len(xs))]
        try:
            got_slopes = row.op.derivatives(FLOATS, y, *xs)
        except (ValueError, OverflowError, ZeroDivisionError):
            assert None in slopes
            continue
        for got, slope in zip(got_slopes, slopes):
            assert math.isinf(got) if slope is None else close(got, slope, 1e-12, row.slope_scale), (
                f"∂{row} at {xs}: {got}, not {slope}"
            )


TAILS = [
    *[("expm1", x) for x in (-1.0, -37.0, -700.0)],
    *[(name, x) for name in ("softplus", "silu") for x in (-300.0, -40.0, -19.0, 19.0, 40.0, 300.0)],
    *[("asinh", x) for x in (-1e300, -1e154, 1e-300, 1e17, 1.7e308)],
    *[("acosh", x) for x in (1.0 + 2e-16, 1e154, 1.7e308)],
    *[(name, x) for name in ("asin", "acos", "atanh") for x in (-1.0 + 1e-15, 1.0 - 1e-15)],
    *[(name, x) for name in ("log", "log2", "log10") for x in (1e-300, 1e300)],
    ("log1p", -1.0 + 1e-15),
    ("exp2", 1023.5),
    ("atan", 1e150),
]


@pytest.mark.parametrize(("name", "x"), TAILS)
def test_slopes_keep_their_digits_far_out(name: str, x: float) -> None:
    """Of the slope itself, however small it is, and not of something larger that it is the rest of."""
    (row,) = [row for row in ROWS if row.name == name]
    y = row.op.value(FLOATS, x)
    (slope,) = row.op.derivatives(FLOATS, y, x)
    assert close(slope, partial(row.truth, (mpf(x),), 0, digits=FAR_OUT), 1e-15)
    leaf = Value(x)
    apply(row.op, leaf).backward()
    assert leaf.grad == slope


def test_where_a_large_number_is_added_to_a_small_one_the_small_one_counts() -> None:
    assert OPS["logsumexp"].value(FLOATS, 0.0, -40.0) == math.exp(-40.0)
    assert OPS["logsumexp"].value(FLOATS, -40.0, 0.0, -41.0) == math.exp(-40.0) + math.exp(-41.0)
    assert OPS["logsumexp"].value(FLOATS, math.inf, 0.0) == math.inf


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "asinh", "silu"])
def test_the_third_derivative_at_0_is_that_of_the_series(name: str) -> None:
    """A form of a slope that is written with |x| would be wrong there."""
    third = {"tanh": -2.0, "sigmoid": -1 / 8, "asinh": -1.0, "silu": 0.0}[name]
    assert derivative(lambda x: apply(OPS[name], x), 3)(0.0) == pytest.approx(third, rel=1e-14, abs=1e-15)


# ---- kinks -----------------------------------------------------------------------------------------------------------
SMOOTH_ENOUGH = [kink for kink in KINKS if isinstance(kink.slopes, tuple)]
INFINITE = [kink for kink in KINKS if kink not in SMOOTH_ENOUGH]


@pytest.mark.parametrize("use", FIRST, ids=str)
def test_kinks(use: Use, request: pytest.FixtureRequest) -> None:
    for kink in [kink for kink in SMOOTH_ENOUGH if use.takes(kink.op)]:
        (got,) = run(use, kink.op, [kink.inputs], request)
        for y, true in zip(got, [kink.value, *kink.slopes], strict=True):
            tolerance = max(use.tolerance or 0.0, 1e-16)
            assert y == true or close(y, true, tolerance, scale=1e-3), f"{kink}: {y}, not {true}"


@pytest.mark.parametrize("kink", INFINITE, ids=str)
def test_an_infinite_slope_is_an_error_that_names_the_operation_and_the_number(kink: Kink) -> None:
    leaves = [Value(x) for x in kink.inputs]
    y = apply(kink.op, *leaves)
    assert y.data == kink.value
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


def test_second_derivatives_of_a_power_at_0_to_the_0_are_numbers_in_either_order() -> None:
    base, exponent = Value(0.0), Value(0.0)
    in_base, in_exponent = grad(base**exponent, [base, exponent], create_graph=True)
    assert grad(in_base, [base, exponent]) == [0.0, 1.0]
    assert grad(in_exponent, [base, exponent]) == [1.0, 0.0]


# ---- what is true of a rule without any table ------------------------------------------------------------------------
def test_detach_passes_the_number_on_and_no_gradient_back() -> None:
    assert DETACH.value(FLOATS, 2.5) == 2.5
    assert DETACH.derivatives(FLOATS, 2.5, 2.5) == [0.0]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_take_chooses_a_number_as_a_list_is_indexed(length: int) -> None:
    """From either end. The slope is 1 at the number that is chosen, and 0 at the others and at the index."""
    numbers = [2.0**k for k in range(length)]
    for i in range(-length, length):
        y = TAKE.value(FLOATS, *numbers, float(i))
        assert y == numbers[i]
        assert list(TAKE.derivatives(FLOATS, y, *numbers, float(i))) == [float(x == y) for x in numbers] + [0.0]


@every_row
def test_an_operation_is_pickled_by_its_name(row: Row) -> None:
    assert pickle.loads(pickle.dumps(row.op)) is row.op
    assert len(pickle.dumps(row.op)) < 100


@every_row
def test_functions_of_plain_numbers_return_plain_floats(row: Row) -> None:
    if has_a_function(row.op):
        for xs in row.inside:
            y = public(row.op)(*xs)
            assert type(y) is float
            assert y == row.op.value(FLOATS, *xs)


def test_a_formula_can_be_read_off_a_rule() -> None:
    (slope,) = OPS["tan"].derivatives(Formulas(), Text("y"), Text("x"))
    assert text_of(slope) == "(1.0 + (y * y))"


def test_a_number_system_says_what_it_lacks() -> None:
    with pytest.raises(AttributeError, match="Fractions has no function 'exp'"):
        OPS["exp"].value(Fractions(), Exact(1))
