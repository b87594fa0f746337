"""The functions of the package, on plain numbers, on Values and on both; and operations that users define.

What each operation computes, to the digits and far out, is held by `test_ops.py`.
"""

import copy
import inspect
import math
import pickle
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import functional
from tinygrad_edu.compiler import compile
from tinygrad_edu.engine import Value
from tinygrad_edu.functional import define_op
from tinygrad_edu.gradients import derivative, grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, NumberSystem

# fmt: off
# name, inputs, value; a list stands for a sequence of numbers
UNARY: list[tuple[str, float, float]] = [
    ("exp", 1.0, math.e),
    ("expm1", 1e-20, 1e-20),
    ("exp2", 0.5, math.sqrt(2)),
    ("log", 2.0, math.log(2)),
    ("log2", 8.0, 3.0),
    ("log10", 1000.0, 3.0),
    ("log1p", 1e-20, 1e-20),
    ("sqrt", 9.0, 3.0),
    ("sin", 0.5, math.sin(0.5)),
    ("cos", 0.5, math.cos(0.5)),
    ("tan", 0.5, math.tan(0.5)),
    ("asin", 0.5, math.asin(0.5)),
    ("acos", 0.5, math.acos(0.5)),
    ("atan", 0.5, math.atan(0.5)),
    ("sinh", 0.5, math.sinh(0.5)),
    ("cosh", 0.5, math.cosh(0.5)),
    ("tanh", 0.5, math.tanh(0.5)),
    ("asinh", 0.5, math.asinh(0.5)),
    ("acosh", 1.5, math.acosh(1.5)),
    ("atanh", 0.5, math.atanh(0.5)),
    ("sigmoid", 0.5, 1 / (1 + math.exp(-0.5))),
    ("softplus", 0.5, math.log(1 + math.exp(0.5))),
    ("relu", -0.5, 0.0),
    ("leaky_relu", -0.5, -0.005),
    ("elu", -0.5, math.exp(-0.5) - 1),
    ("gelu", 0.5, 0.25 * math.erfc(-0.5 / math.sqrt(2))),
    ("silu", 0.5, 0.5 / (1 + math.exp(-0.5))),
    ("erfc", 0.5, math.erfc(0.5)),
    ("abs", -0.5, 0.5),
    ("step", 0.5, 1.0),
    ("sign", -0.5, -1.0),
]
OTHERS: list[tuple[str, tuple[Any, ...], float | list[float]]] = [
    ("leaky_relu", (-0.5, 0.1), -0.05),
    ("elu", (-0.5, 2.0), 2 * (math.exp(-0.5) - 1)),
    ("clamp", (-0.5, -0.25, 1.0), -0.25),
    ("clamp", (0.5, -0.25, 1.0), 0.5),
    ("clamp", (0.5, 1.0, 1.0), 1.0),
    ("maximum", (2.0, -3.0), 2.0),
    ("minimum", (2.0, -3.0), -3.0),
    ("maximum", (2.0, -3.0, 2.5, 1.0), 2.5),
    ("minimum", (2.0, -3.0, 2.5), -3.0),
    ("where", (0.0, 2.0, -3.0), -3.0),
    ("where", (-0.5, 2.0, -3.0), 2.0),
    ("dot", ([2.0, -3.0], [0.5, 1.0]), -2.0),
    ("dot", ([], []), 0.0),
    ("total", ([2.0, -3.0, 0.5],), -0.5),
    ("total", ([],), 0.0),
    ("mean", ([2.0, -3.0, 0.5],), -0.5 / 3),
    ("mean", ([2.0],), 2.0),
    ("prod", ([2.0, -3.0, 0.5],), -3.0),
    ("prod", ([2.0],), 2.0),
    ("prod", ([],), 1.0),
    ("logsumexp", ([0.0, 0.0],), math.log(2)),
    ("logsumexp", ([2.0],), 2.0),
    ("softmax", ([0.0, math.log(3)],), [0.25, 0.75]),
    ("log_softmax", ([0.0, math.log(3)],), [math.log(0.25), math.log(0.75)]),
]
# fmt: on
ALL = [(name, (x,), value) for name, x, value in UNARY] + OTHERS
NUMBERS_FIRST = {"leaky_relu": 1, "elu": 1, "clamp": 1}  # of these only the first argument may be a Value

every_function = pytest.mark.parametrize(("name", "arguments", "expected"), ALL)


def of_values(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments as Values, apart from those that are parameters."""
    variable = NUMBERS_FIRST.get(name, len(arguments))
    return tuple(
        [Value(x) for x in a] if isinstance(a, list) else Value(a) if i < variable else a
        for i, a in enumerate(arguments)
    )


def flat(y: Any) -> list[Any]:
    return y if isinstance(y, list) else [y]


def test_every_function_is_examined_here() -> None:
    functions = {name for name in tg.__all__ if name in vars(functional)} - {"Value", "define_op", "take"}
    assert functions == {name for name, _, _ in ALL}


@every_function
def test_plain_numbers_give_plain_floats(name: str, arguments: tuple[Any, ...], expected: float | list[float]) -> None:
    y = getattr(tg, name)(*arguments)
    assert flat(y) == pytest.approx(flat(expected), rel=1e-15)
    assert [type(number) for number in flat(y)] == [float] * len(flat(expected))


@pytest.mark.parametrize("number", [int, np.float32, np.array], ids=lambda t: t.__name__)
@every_function
def test_whatever_numbers_go_in_python_floats_come_out(
    name: str, arguments: tuple[Any, ...], expected: Any, number: Callable[[float], Any]
) -> None:
    """ints and NumPy scalars alike: 1 and 2 in place of the numbers of the table, as most functions take them."""
    if name in ("asin", "acos", "atanh"):
        converted: tuple[Any, ...] = (number(0 if name == "atanh" else 1),)
    else:
        converted = tuple([number(k + 1) for k in range(len(a))] if isinstance(a, list) else number(i + 1)
                          for i, a in enumerate(arguments))  # fmt: skip
    y = getattr(tg, name)(*converted)
    assert {type(x) for x in flat(y)} == {float}
    on_floats = [[float(x) for x in a] if isinstance(a, list) else float(a) for a in converted]
    assert flat(y) == flat(getattr(tg, name)(*on_floats))


@every_function
def test_values_give_nodes(name: str, arguments: tuple[Any, ...], expected: float | list[float]) -> None:
    values = of_values(name, arguments)
    y = getattr(tg, name)(*values)
    assert [float(number.data) if isinstance(number, Value) else number for number in flat(y)] == flat(
        getattr(tg, name)(*arguments)
    )
    leaves = [v for a in values for v in flat(a) if isinstance(v, Value)]
    for node in flat(y) if leaves else []:
        assert isinstance(node, Value)
        assert set(topological_order(node)) >= set(leaves)


@pytest.mark.parametrize(("name", "x", "expected"), UNARY)
def test_functions_of_one_number_are_methods_too(name: str, x: float, expected: float) -> None:
    v = Value(x)
    assert getattr(v, name)().data == getattr(tg, name)(v).data
    assert getattr(v, name)()._rule is getattr(tg, name)(v)._rule


def test_methods_take_the_parameters_of_their_functions() -> None:
    v = Value(-0.5)
    assert v.leaky_relu(0.1).data == v.leaky_relu(negative_slope=0.1).data == tg.leaky_relu(-0.5, 0.1)
    assert v.elu(2.0).data == v.elu(alpha=2.0).data == tg.elu(-0.5, 2.0)
    assert v.clamp(-0.25, 1.0).data == v.clamp(low=-0.25, high=1.0).data == -0.25


# functions that are one node, whatever their length, and those that are a few
@pytest.mark.parametrize(
    ("function", "nodes"),
    [
        (lambda xs: tg.dot(xs, xs[::-1]), 1),
        (lambda xs: tg.total(xs), 1),
        (lambda xs: tg.logsumexp(xs), 1),
        (lambda xs: xs[0].sigmoid(), 1),
        (lambda xs: xs[0].softplus(), 1),
        (lambda xs: xs[0].gelu(), 1),
        (lambda xs: tg.maximum(xs[0], xs[1]), 1),
        (lambda xs: tg.maximum(*xs), 1),
        (lambda xs: tg.minimum(*xs), 1),
        (lambda xs: tg.where(*xs[:3]), 1),
        (lambda xs: tg.take(xs, 3), 0),
        (lambda xs: tg.mean(xs), 2),
        (lambda xs: tg.prod(xs), 7),
        (lambda xs: tg.total(tg.softmax(xs)), 27),  # one logsumexp for all, 8 differences and exp, their sum, 8 shares
        (lambda xs: tg.total(tg.log_softmax(xs)), 19),  # twice a logsumexp and 8 differences, for the last digits
    ],
)
def test_the_number_of_nodes(function: Callable[[list[Value]], Value], nodes: int) -> None:
    order = topological_order(function([Value(0.1 * i) for i in range(8)]))
    assert sum(bool(v._prev) for v in order) == nodes


# fmt: off
MIXED: list[tuple[Callable[[Value], Any], float, float]] = [
    # at x = 2: the value, and its slope in x
    (lambda x: tg.dot([x, 3.0], [5.0, x]), 16.0, 8.0),
    (lambda x: tg.dot((1, 2), [x, np.float32(0.5)]), 3.0, 1.0),
    (lambda x: tg.dot([x, x], [x, x]), 8.0, 8.0),
    (lambda x: tg.total([x, 1, 2.5, x]), 7.5, 2.0),
    (lambda x: tg.total(iter([x, 1.0])), 3.0, 1.0),
    (lambda x: tg.mean([x, 4.0]), 3.0, 0.5),
    (lambda x: tg.mean([1.0, x, np.int64(3)]), 2.0, 1 / 3),
    (lambda x: tg.prod([3.0, x, x]), 12.0, 12.0),
    (lambda x: tg.prod([x - 2.0, x, 3.0]), 0.0, 6.0),           # zeros do no harm
    (lambda x: tg.maximum(1.0, x), 2.0, 1.0),
    (lambda x: tg.maximum(x, 5.0), 5.0, 0.0),
    (lambda x: tg.maximum(x, 2.0), 2.0, 0.5),
    (lambda x: tg.minimum(x, np.float64(5)), 2.0, 1.0),
    (lambda x: tg.maximum(1.0, x, 2.0, np.float64(2)), 2.0, 1 / 3),
    (lambda x: tg.minimum(5.0, x, 3.0), 2.0, 1.0),
    (lambda x: tg.where(1.0, x, 5.0), 2.0, 1.0),
    (lambda x: tg.where(x, x, 5.0), 2.0, 1.0),
    (lambda x: tg.where(x - 2.0, 5.0, 3.0 * x), 6.0, 3.0),
    (lambda x: tg.logsumexp([x, 2.0]), 2.0 + math.log(2), 0.5),
    (lambda x: tg.log_softmax([x, 2.0])[1], -math.log(2), -0.5),
    (lambda x: tg.softmax([2.0, x])[0], 0.5, -0.25),
    (lambda x: tg.total(tg.softmax([x, 1.0, 0.0])), 1.0, 0.0),  # they sum to 1 whatever x
]
# fmt: on


@pytest.mark.parametrize(("function", "value", "slope"), MIXED)
def test_mixtures_of_values_and_numbers(function: Callable[[Value], Any], value: float, slope: float) -> None:
    x = Value(2.0)
    y = function(x)
    y.backward()
    assert (y.data, x.grad) == pytest.approx((value, slope), rel=1e-14, abs=1e-15)


# ---- choices ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("numbers", "largest", "smallest"),
    [
        ((2.0,), (1.0,), (1.0,)),
        ((1.0, 2.0), (0.0, 1.0), (1.0, 0.0)),
        ((2.0, 2.0), (0.5, 0.5), (0.5, 0.5)),
        ((2.0, 2.0, 2.0), (1 / 3, 1 / 3, 1 / 3), (1 / 3, 1 / 3, 1 / 3)),
        ((1.0, 3.0, -3.0, 3.0, -3.0), (0.0, 0.5, 0.0, 0.5, 0.0), (0.0, 0.0, 0.5, 0.0, 0.5)),
        ((4.0, 3.0, 2.0, 1.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        ((1.0, 4.0, 4.0, 4.0, 4.0), (0.0, 0.25, 0.25, 0.25, 0.25), (1.0, 0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_ties_share_the_gradient_equally(
    numbers: tuple[float, ...], largest: tuple[float, ...], smallest: tuple[float, ...]
) -> None:
    for f, number, slopes in ((tg.maximum, max(numbers), largest), (tg.minimum, min(numbers), smallest)):
        xs = [Value(x) for x in numbers]
        y = f(*xs)
        y.backward()
        assert (y.data, y._op, y._prev) == (number, f.__name__, tuple(xs))
        assert tuple([x.grad for x in xs]) == slopes
        assert tuple(grad(y, xs)) == slopes
        assert [grad(s * xs[0], xs[0]) for s in grad(y, xs, create_graph=True)] == [*slopes]  # they are flat


def test_a_nan_among_the_numbers_stays_a_nan() -> None:
    for f in (tg.maximum, tg.minimum):
        for numbers in ((math.nan, 1.0, 2.0), (1.0, math.nan, 2.0), (1.0, 2.0, math.nan)):
            assert math.isnan(f(*numbers))


def test_two_of_many_are_the_same_operation_as_ever() -> None:
    a, b = Value(1.0), Value(2.0)
    assert tg.maximum(a, b)._rule is OPS["maximum"]
    assert tg.maximum(a, b, 3.0)._rule is OPS["largest"]
    assert tg.minimum(a, b, 3.0)._rule is OPS["smallest"]


@pytest.mark.parametrize(
    ("c", "chosen"),
    [
        (1, 0),
        (0, 1),
        (-0.0, 1),
        (True, 0),
        (False, 1),
        (math.nan, 0),
        (1e-300, 0),
        (np.bool_(True), 0),
        (np.int64(0), 1),
    ],
)
def test_where_chooses_the_second_for_0_alone(c: Any, chosen: int) -> None:
    for condition in (c, Value(c)):
        branches = [Value(2.0), Value(-3.0)]
        y = tg.where(condition, *branches)
        y.backward()
        assert y.data == branches[chosen].data
        assert [v.grad for v in branches] == [float(i == chosen) for i in (0, 1)]
        if isinstance(condition, Value):
            assert condition.grad == 0.0
    assert tg.where(c, 2.0, -3.0) == (2.0, -3.0)[chosen]
    assert type(tg.where(c, 2, -3)) is float


def test_where_takes_a_comparison_and_both_branches_are_computed() -> None:
    x = Value(-2.0)
    y = tg.where(x > 0, x, x * x)
    assert (y.data, grad(y, x)) == (4.0, -4.0)
    zero = Value(0.0)
    with pytest.raises(ZeroDivisionError):
        tg.where(zero, 1.0 / zero, 0.0)


def test_take_is_an_index() -> None:
    row, numbers = [Value(1.0), Value(2.0)], (3, np.float64(0.5), Value(4.0))
    assert tg.take([row, row[::-1]], 0) is row
    assert tg.take(numbers, 2) is tg.take(numbers, -1) is numbers[2]
    assert [tg.take(numbers, i) for i in (0, -3, np.int64(1), np.array(1))] == [3.0, 3.0, 0.5, 0.5]
    assert [type(tg.take(numbers, i)) for i in (0, 1)] == [float, float]
    assert tg.take(np.array([[1.0, 2.0], [3.0, 4.0]]), 1).tolist() == [3.0, 4.0]
    assert tg.take([(1.0, 2.0)], 0) == (1.0, 2.0)


def test_an_embedding_learns_the_rows_that_are_taken() -> None:
    table = [[Value(0.1), Value(0.2)], [Value(0.3), Value(0.4)]]
    tg.total([x * x for i in (1, 1) for x in tg.take(table, i)]).backward()
    assert [[v.grad for v in row] for row in table] == [[0.0, 0.0], [1.2, 1.6]]


TABLES: dict[str, tuple[Callable[[Any], Any], bool]] = {
    # of x; and whether all rows have one shape
    "numbers": (lambda x: [x, 2.0 * x, 3.0], True),
    "rows": (lambda x: [[x, 1.0], [2.0, 3.0 * x], [x, x]], True),
    "tuples": (lambda x: [(x,), (2.0,), (x * x,)], True),
    "rows of rows": (lambda x: [[[x], [1.0]], [[2.0], [x]], [[x], [x]]], True),
    "one row": (lambda x: [[x, 1.0]], True),
    "rows of two lengths": (lambda x: [[x], [x, 1.0], [x]], False),
    "lists and tuples": (lambda x: [[x], (2.0,), [x]], False),
    "rows and numbers": (lambda x: [[x], 2.0, [x]], False),
    "rows of two lengths in rows": (lambda x: [[[x]], [[2.0, x]], [[x]]], False),
    "arrays": (lambda x: [np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])], False),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_recorded_function_chooses_anew_where_all_rows_have_one_shape(name: str) -> None:
    table, is_regular = TABLES[name]

    def flat(item: Any) -> list[Any]:
        return [x for part in item for x in flat(part)] if hasattr(item, "__len__") else [item]

    def f(i: Any, x: Any) -> list[Any]:
        return [number * x for number in flat(tg.take(table(x), i))]

    tape = tg.record(f, 0, 5.0).tape
    assert ("take" in {entry.op.name for entry in tape.entries}) == is_regular
    if is_regular:
        for i in range(-len(table(5.0)), len(table(5.0))):
            assert tape.replay(FLOATS, i, 5.0) == [number * 5.0 for number in flat(table(5.0)[i])]


# ---- stability -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shift", [0.0, 1e3, -1e3, 700.0, 1e10, -1e10, 1e17])
def test_softmax_does_not_change_with_a_shift(shift: float) -> None:
    """A common summand cancels: n positive numbers that sum to 1, with the same slopes."""
    xs = [Value(shift), Value(shift), Value(shift)]
    probabilities = tg.softmax(xs)
    assert [p.data for p in probabilities] == pytest.approx([1 / 3] * 3, rel=1e-12)
    assert grad(probabilities[0], xs) == pytest.approx([2 / 9, -1 / 9, -1 / 9], rel=1e-12)
    assert [y.data for y in tg.log_softmax(xs)] == pytest.approx([-math.log(3)] * 3, rel=1e-12)
    if abs(shift) <= 1e3:
        assert grad(tg.logsumexp(xs), xs) == pytest.approx([1 / 3] * 3, rel=1e-12)


def test_what_is_far_below_the_largest_counts_for_nothing() -> None:
    assert tg.softmax([1e3, 0.0, -1e3]) == [1.0, 0.0, 0.0]
    assert tg.log_softmax([1e3, 0.0, -1e3]) == [0.0, -1e3, -2e3]
    assert tg.softmax([0.0, -math.inf]) == [1.0, 0.0]
    assert tg.logsumexp([-1e3, -1e3]) == pytest.approx(-1e3 + math.log(2), rel=1e-15)


SIGNS = (1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0)  # too much from the left, and from the right


@pytest.mark.parametrize(
    ("function", "numbers", "value", "slopes"),
    [
        (tg.mean, (1e308, 1e308), 1e308, (0.5, 0.5)),
        (tg.mean, (1.7976931348623157e308,) * 3, 1.7976931348623157e308, (1 / 3,) * 3),
        (tg.mean, (1e308, 1e308, -1e308, 1e308), 0.5e308, (0.25,) * 4),
        (tg.mean, (5e-324, 5e-324), 5e-324, (0.5, 0.5)),
        (tg.mean, (1.7976931348623157e308,) * 40, 1.7976931348623157e308, (1 / 40,) * 40),
        (tg.total, (1e308, 1e308, -1e308), 1e308, (1.0, 1.0, 1.0)),
        (tg.total, (-1e308, -1e308, 1e308, 1e308, 7.0), 7.0, (1.0,) * 5),
        (tg.total, (1e308, 1e308), math.inf, (1.0, 1.0)),
        (tg.prod, (1e200, 1e200, 0.0), 0.0, (0.0, 0.0, math.inf)),
        (tg.prod, (1e200, 1e200, 1e-200), 1e200, (1.0, 1.0, math.inf)),
        (tg.prod, (1e-200, 1e-200, 1e200), 1e-200, (1.0, 1.0, 0.0)),
        (tg.prod, (-1e200, 1e-100, 1e200, 1e-200, 1e-100), -1.0, (1e-200, -1e100, -1e-200, -1e200, -1e100)),
        (tg.prod, (1e200, 1e200), math.inf, (1e200, 1e200)),
        (tg.prod, (1e-200, 1e-200), 0.0, (1e-200, 1e-200)),
        (tg.prod, (0.0, 0.0, 1e200), 0.0, (0.0, 0.0, 0.0)),
        (tg.prod, (-1e200, -1e200, 1e-200, 1e-200), 1.0, (-1e-200, -1e-200, 1e200, 1e200)),
        (tg.prod, (1e-300, 1e-290, 1e280, 1e210), 1e-100, None),
        (lambda xs: tg.dot(xs, SIGNS), (1e308,) * 7, 1e308, SIGNS),
        (tg.logsumexp, (math.inf, 0.0), math.inf, None),
    ],
)
def test_what_can_be_represented_does_not_overflow_on_the_way(
    function: Callable[[Any], Any], numbers: tuple[float, ...], value: float, slopes: tuple[float, ...] | None
) -> None:
    assert function(numbers) == pytest.approx(value, rel=1e-15, abs=0.0)
    xs = [Value(x) for x in numbers]
    y = function(xs)
    assert y.data == function(numbers)
    if slopes:
        y.backward()
        assert [x.grad for x in xs] == pytest.approx(slopes, rel=1e-15, abs=0.0)


def test_a_dot_whose_terms_cancel_does_not_overflow_on_the_way() -> None:
    xs, ys = (1e308, 1.5, -1e300), (1.7, 1e308, 1.7e8)
    assert tg.dot(xs, ys) == pytest.approx(1.5e308, rel=1e-15)
    assert tg.dot([1.0, 1.0, -1.0, -1e150], [1e308, 1e308, 1e308, 1e-150]) == 1e308  # by their products, not quotients
    left, right = [[Value(x) for x in side] for side in (xs, ys)]
    y = tg.dot(left, right)
    y.backward()
    assert ([v.grad for v in left], [v.grad for v in right]) == ([*ys], [*xs])
    assert tg.dot([1e200], [1e200]) == math.inf


def test_what_does_not_overflow_is_computed_in_the_order_given() -> None:
    xs = [Value(x) for x in (0.1, 1e100, -1e100, 3.0)]
    assert tg.total(xs)._prev == tuple(xs)
    assert tg.dot(xs, xs)._prev == (*xs, *xs)
    product = tg.prod(xs)
    assert product._prev[1] is xs[3]
    assert product._prev[0]._prev[1] is xs[2]
    mean = tg.mean(xs)
    assert mean._prev[0]._prev == tuple(xs)


def test_a_traced_function_takes_the_plain_form() -> None:
    """Its Values have no numbers to decide by."""
    f = compile(lambda a, b: tg.prod([a, b, a]) + tg.mean([a, b]) + tg.total([a, b]) + tg.dot([a, b], [b, a]))
    assert f(2.0, 3.0) == 12.0 + 2.5 + 5.0 + 12.0


# ---- bad input -------------------------------------------------------------------------------------------------------
# fmt: off
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: tg.mean([]), ValueError, "mean needs at least one number"),
    (lambda: tg.logsumexp([]), ValueError, "logsumexp needs at least one number"),
    (lambda: tg.softmax([]), ValueError, "softmax needs at least one number"),
    (lambda: tg.log_softmax([]), ValueError, "log_softmax needs at least one number"),
    (lambda: tg.dot([1.0], [1.0, 2.0]), ValueError, "dot .* 1 and 2"),
    (lambda: tg.dot([Value(1.0)] * 3, [1.0]), ValueError, "dot .* 3 and 1"),
    (lambda: tg.clamp(0.0, 1.0, -1.0), ValueError, "clamp .*low.*1.0.*high.*-1.0"),
    (lambda: tg.log(-1.0), ValueError, r"log is not defined at -1\.0"),
    (lambda: tg.log(0), ValueError, r"log is not defined at 0\.0"),
    (lambda: tg.sqrt(-1), ValueError, r"sqrt is not defined at -1\.0"),
    (lambda: tg.exp(1e3), OverflowError, r"exp overflows at 1000\.0"),
    (lambda: tg.exp("1"), TypeError, "str '1'"),
    (lambda: tg.exp(None), TypeError, "NoneType"),
    (lambda: tg.exp([1.0]), TypeError, "list.*a Value for each"),
    (lambda: tg.relu(1j), TypeError, "complex"),
    (lambda: tg.maximum("a", 1.0), TypeError, "str 'a'"),
    (lambda: tg.maximum("a"), TypeError, r"maximum takes one number or more, as in maximum\(a, b\), not str 'a'"),
    (lambda: tg.minimum([1.0, 2.0]), TypeError, r"minimum takes .* not list .*; of a list: minimum\(\*xs\)"),
    (lambda: tg.maximum(), TypeError, "maximum takes one number or more, .* not none"),
    (lambda: tg.maximum([1.0], 2.0), TypeError, "expected one real number"),
    (lambda: tg.maximum([1.0], 2.0, 3.0), TypeError, "expected one real number"),
    (lambda: tg.minimum([1.0], 2.0), TypeError, "expected one real number"),
    (lambda: tg.minimum([1.0], 2.0, 3.0), TypeError, "expected one real number"),
    (lambda: tg.where("a", 1.0, 2.0), TypeError, "str 'a'"),
    (lambda: tg.where([1.0], 1.0, 2.0), TypeError, "list"),
    (lambda: tg.take([1.0], 1.0), TypeError, r"take needs an int as its index, .*take\(table, 2\), not float '1\.0'"),
    (lambda: tg.take([1.0], Value(0.0)), TypeError, "take needs an int as its index, .* not Value"),
    (lambda: tg.take([1.0], "0"), TypeError, "take needs an int as its index, .* not str"),
    (lambda: tg.take([1.0, 2.0], 2), IndexError, "take has no index 2 in a table of 2: it goes from -2 to 1"),
    (lambda: tg.take([1.0, 2.0], 3), IndexError, "take has no index 3 in a table of 2: it goes from -2 to 1"),
    (lambda: tg.take([1.0, 2.0], -3), IndexError, "take has no index -3 in a table of 2: it goes from -2 to 1"),
    (lambda: tg.take([], 0), IndexError, "take has no index 0 in a table of 0$"),
    (lambda: tg.take({0: 1.0}, 0), TypeError, "the table of take must be a list.* not dict"),
    (lambda: tg.take("abc", 0), TypeError, "str 'a'"),
    (lambda: tg.take([None], 0), TypeError, "NoneType"),
    (lambda: tg.exp2(1024), OverflowError, r"exp2 overflows at 1024\.0"),
    (lambda: tg.log2(0), ValueError, r"log2 is not defined at 0\.0"),
    (lambda: tg.log10(-1), ValueError, r"log10 is not defined at -1\.0"),
    (lambda: tg.acosh(0.5), ValueError, r"acosh is not defined at 0\.5"),
    (lambda: tg.atanh(1), ValueError, r"atanh is not defined at 1\.0"),
    (lambda: tg.prod([math.inf, 0.0]), FloatingPointError, r"mul is not a number \(nan\) at inf, 0\.0"),
    (lambda: tg.mean([math.inf, -math.inf]), FloatingPointError, "total is not a number"),
    (lambda: tg.total(["a"]), TypeError, "str 'a'"),
    (lambda: tg.total([[1.0]]), TypeError, "list"),
    (lambda: tg.mean(["a", 1.0]), TypeError, "str 'a'"),
    (lambda: tg.prod(["a"]), TypeError, "str 'a'"),
    (lambda: tg.prod([None, 1.0]), TypeError, "NoneType"),
    (lambda: tg.prod([[1.0], 2]), TypeError, "list"),
    (lambda: tg.softmax(["a", "b"]), TypeError, "str 'a'"),
    (lambda: tg.dot("ab", [1.0, 2.0]), TypeError, "str 'a'"),
    (lambda: tg.total(3.0), TypeError, r"a list of numbers, as in total\(\[a, b\]\), not float '3\.0'"),
    (lambda: tg.dot(3.0, [1.0]), TypeError, r"as in dot\(\[a, b\], \[c, d\]\), not float"),
    (lambda: tg.prod({"a": 1.0}), TypeError, r"as in prod\(\[a, b\]\), not dict"),
    (lambda: tg.leaky_relu(1.0, Value(0.1)), TypeError, "Value"),
    (lambda: tg.clamp(1.0, None, 1.0), TypeError, "NoneType"),
]
# fmt: on


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("name", ["total", "mean", "prod", "logsumexp", "softmax", "log_softmax", "dot"])
def test_a_list_that_holds_itself_and_lists_in_lists(name: str) -> None:
    itself: list[Any] = [1.0]
    itself.append(itself)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for xs in (itself, deep):
        with pytest.raises(TypeError, match="expected one real number, an int or a float, not list"):
            getattr(tg, name)(*([xs, xs] if name == "dot" else [xs]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("relu", "slope is 0 at 0"),
        ("abs", "slope is 0 at 0"),
        ("step", "slope is 0 everywhere"),
        ("sign", "slope is 0 everywhere"),
        ("maximum", "each of two numbers gets half of the gradient, each of three a third"),
        ("minimum", "each of two numbers gets half of the gradient, each of three a third"),
        ("where", "A nan is not 0"),
        ("clamp", "1 inside and at both ends"),
        ("leaky_relu", "The slope for x < 0, and at 0"),
        ("elu", "the slope at 0 is alpha"),
    ],
)
def test_docstrings_state_the_kinks(name: str, words: str) -> None:
    assert words in getattr(tg, name).__doc__


def test_numbers_are_multiplied_in_their_order_where_that_will_do() -> None:
    a, zero, b = Value(2.0), Value(0.0), Value(3.0)
    y = tg.prod([a, zero, b])
    assert (y._prev[1], y._prev[0]._prev) == (b, (a, zero))


# ---- operations of your own ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "derivatives", "arity"),
    [
        (lambda m, x: x, lambda m, y, x: (1.0,), 1),
        (lambda m, a, b: a + b, lambda m, y, *xs: (1.0, 1.0), 2),
        (lambda m, *xs: xs[0] + xs[1], lambda m, y, a, b: (1.0, 1.0), 2),
        (lambda m, *xs: xs[0] + xs[1] + xs[2], lambda m, y, a, b, c: (1.0, 1.0, 1.0), 3),
        (lambda m, x, k=2.0: k * x, lambda m, y, x, k=2.0: (k,), 1),
        (lambda m, *xs: sum(xs), lambda m, y, *xs: (1.0,) * len(xs), None),
    ],
)
def test_an_operation_takes_as_many_inputs_as_a_rule_names(value: Any, derivatives: Any, arity: int | None) -> None:
    tg.define_op("counted", value, derivatives)
    assert OPS["counted"].arity == arity


def softsign() -> Callable[..., Any]:
    return define_op("softsign", lambda m, x: x / (1.0 + m.abs(x)), lambda m, y, x: ((1.0 - m.abs(y)) ** 2,))


def test_an_operation_of_your_own_has_a_value_and_derivatives() -> None:
    f, x = softsign(), Value(-0.5, label="x")
    y = f(x)
    y.backward()
    assert (y.data, x.grad) == pytest.approx((-1 / 3, 4 / 9), rel=1e-15)
    assert grad(y, x) == x.grad
    assert (y._op, y._rule.name, y._prev) == ("softsign", "softsign", (x,))
    assert derivative(f, 2)(-0.5) == pytest.approx(2 / 1.5**3, rel=1e-14)  # f = x/(1 - x) below 0
    assert derivative(f, 3)(-0.5) == pytest.approx(6 / 1.5**4, rel=1e-14)


def test_it_takes_plain_numbers_and_mixtures() -> None:
    f = define_op("hypot", lambda m, a, b: m.sqrt(a * a + b * b), lambda m, y, a, b: (a / y, b / y), symbol="√²")
    assert (f(3, 4), type(f(3, 4))) == (5.0, float)
    a = Value(3.0)
    y = f(a, 4)
    y.backward()
    assert (y.data, a.grad, y._op, y._prev[1]._rule) == (5.0, 0.6, "√²", CONSTANT)


def test_it_takes_any_number_of_inputs() -> None:
    f = define_op("norm1", lambda m, *xs: sum(map(m.abs, xs), 0.0), lambda m, y, *xs: tuple(map(m.sign, xs)))
    xs = [Value(x) for x in (3.0, -4.0, 0.0)]
    assert (f(*xs).data, grad(f(*xs), xs), f()) == (7.0, [1.0, -1.0, 0.0], 0.0)


def test_its_rule_runs_on_other_kinds_of_numbers() -> None:
    """As those of the table do: on text, to read the formula off; on arrays; here, exactly."""
    define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3 * x * x,))
    third = Fraction(1, 3)
    y = OPS["cube"].value(NumberSystem(), third)
    assert (y, OPS["cube"].derivatives(NumberSystem(), y, third)) == (Fraction(1, 27), (Fraction(1, 3),))


def test_its_rule_shows_how_many_inputs_it_takes() -> None:
    """For whoever makes examples of it: generated expressions, drawings."""
    define_op("hypot", lambda m, a, b: m.sqrt(a * a + b * b), lambda m, y, a, b: (a / y, b / y))
    assert list(inspect.signature(OPS["hypot"].value).parameters) == ["m", "a", "b"]
    assert OPS["hypot"].every is not None
    assert list(inspect.signature(OPS["hypot"].every).parameters) == ["m", "y", "a", "b"]


@pytest.mark.parametrize("y", ["a", None, 1j, [1.0]])
def test_its_value_is_a_number(y: Any) -> None:
    f = define_op("wrong", lambda m, x: y, lambda m, y, x: (1.0,))
    with pytest.raises(TypeError, match=rf"value of 'wrong'.*{type(y).__name__}"):
        f(1.0)


@pytest.mark.parametrize("slope", ["a", None, 1j, [1.0]])
def test_its_derivatives_are_numbers(slope: Any) -> None:
    f, x = define_op("wrong", lambda m, x: x, lambda m, y, x: (slope,)), Value(1.0)
    with pytest.raises(TypeError, match=rf"derivative of 'wrong'.*{type(slope).__name__}"):
        f(x).backward()


def test_its_errors_say_where() -> None:
    f = define_op("inverse", lambda m, x: 1.0 / x, lambda m, y, x: (-y * y,))
    with pytest.raises(ZeroDivisionError, match=r"inverse is not defined at 0\.0 \(node 'x'\)"):
        f(Value(0.0, label="x"))
    g = define_op("root", lambda m, x: m.sqrt(x), lambda m, y, x: (0.5 / y,))
    with pytest.raises(ZeroDivisionError, match=r"the derivative of root is infinite at 0\.0 \(node 'x'\)"):
        g(Value(0.0, label="x")).backward()
    with pytest.raises(TypeError, match="str"):
        f("a")


def test_it_can_be_used_in_another_rule() -> None:
    softsign()
    f = define_op(
        "twice",
        lambda m, x: m.softsign(m.softsign(x)),
        lambda m, y, x: ((1.0 - m.abs(y)) ** 2 * (1.0 - m.abs(m.softsign(x))) ** 2,),
    )
    assert f(0.5) == pytest.approx(0.25, rel=1e-15)  # x / (1 + 2x)
    assert [derivative(f, n)(0.5) for n in (1, 2, 3)] == pytest.approx([1 / 4, -4 / 8, 24 / 16], rel=1e-14)


@pytest.mark.parametrize("name", sorted({"exp", "dot", "add", "leaf", "pow"} | set(FAMILIES)))
def test_a_name_of_the_table_is_taken(name: str) -> None:
    before = dict(OPS)
    with pytest.raises(ValueError, match=rf"'{name}'.*table has"):
        define_op(name, lambda m, x: x, lambda m, y, x: (1.0,))
    assert before == OPS


@pytest.mark.parametrize("name", ["", "two words", "1st", "a.b", "lambda", 3, ["a"]])
def test_a_name_is_an_identifier(name: Any) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"cannot be called {name!r}: take a name that could be a function's")
    ):
        define_op(name, lambda m, x: x, lambda m, y, x: (1.0,))


def test_a_symbol_of_the_table_does_not_take_its_place() -> None:
    """`Value(data, inputs, "+")`, as micrograd's users make nodes by hand, is an addition for ever."""
    define_op("join", lambda m, a, b: a * b, lambda m, y, a, b: (b, a), symbol="+")
    a, b = Value(2.0), Value(3.0)
    Value(5.0, (a, b), "+").backward()
    assert (a.grad, b.grad) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("slopes", "shown"),
    [((), r"\(\)"), ((1.0, 2.0), r"\(1\.0, 2\.0\)"), (1.0, r"1\.0"), (None, "None"), ("a", "'a'")],
)
def test_as_many_derivatives_as_inputs(slopes: Any, shown: str) -> None:
    f, x = define_op("wrong", lambda m, x: x, lambda m, y, x: slopes), Value(2.0)
    for sweep in (Value.backward, lambda y: grad(y, x), lambda y: grad(y, x, create_graph=True)):
        with pytest.raises(TypeError, match=f"'wrong' must be a tuple of 1.*not {shown}"):
            sweep(f(x))
    assert x.grad == 0.0


def test_a_rule_that_uses_math_works_once_and_then_says_why_not() -> None:
    f, x = define_op("cosine", lambda m, x: math.cos(x), lambda m, y, x: (-math.sin(x),)), Value(2.0)
    assert grad(f(x), x) == -math.sin(2.0)
    with pytest.raises(TypeError, match=r"math\.exp"):
        grad(f(x), x, create_graph=True)


def test_an_unknown_function_in_a_rule() -> None:
    f = define_op("wrong", lambda m, x: m.cosine(x), lambda m, y, x: (1.0,))
    with pytest.raises(AttributeError, match="cosine"):
        f(1.0)


def test_defined_anew_it_replaces_the_old_one_and_leaves_old_graphs() -> None:
    old = define_op("slope", lambda m, x: 2.0 * x, lambda m, y, x: (2.0,))
    x = Value(1.0)
    y = old(x)
    new = define_op("slope", lambda m, x: 3.0 * x, lambda m, y, x: (3.0,))
    assert (grad(y, x), grad(new(x), x)) == (2.0, 3.0)
    assert grad(pickle.loads(pickle.dumps(new(x))), x) == 0.0


def test_a_graph_with_it_is_copied_and_pickled() -> None:
    f, x = softsign(), Value(-0.5)
    for twin_of in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        x2, y2 = twin_of((x, f(x) * 2.0))
        y2.backward()
        assert x2.grad == pytest.approx(8 / 9, rel=1e-15)


def test_a_pickle_of_an_operation_that_is_not_defined_says_which() -> None:
    f = softsign()
    text = pickle.dumps(f(Value(1.0)))
    del OPS["softsign"]
    with pytest.raises(KeyError, match=r"'softsign'.*define"):
        pickle.loads(text)
