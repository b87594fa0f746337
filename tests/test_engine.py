"""The contract of `Value`, row by row: making, reading, operators, comparisons, backward, constants, errors, depth.

What each operation computes is held by `test_ops.py`, functions by `test_functional.py`, gradients as values by
`test_gradients.py`, and what micrograd's users rely on by `test_dropin.py`.
"""

import asyncio
import base64
import contextvars
import copy
import gc
import io
import itertools
import math
import operator
import os
import pickle
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from profiles import IN_CI
from threads import in_threads

import tinygrad_edu as tg
from tinygrad_edu import no_grad
from tinygrad_edu.compiler import RecordingError
from tinygrad_edu.engine import Value, add_to_gradients, apply, make_constant
from tinygrad_edu.functional import clamp, dot, logsumexp, maximum, total
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import Mode, enter_mode, inherited_modes
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import OPS, Op

DEPTH = 10**6 if IN_CI else 10**4  # far more than recursion may, which is stopped at 60
WIDTH = 10**6 if IN_CI else 2000

# ---- making one ------------------------------------------------------------------------------------------------------
ACCEPTED = [
    (3, 3.0),
    (-2.5, -2.5),
    (True, 1.0),
    (10**18, 1e18),
    (math.inf, math.inf),
    (-math.inf, -math.inf),
    (np.float16(0.5), 0.5),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.float64(0.1), 0.1),
    (np.longdouble(0.5), 0.5),
    (np.int8(-7), -7.0),
    (np.int64(7), 7.0),
    (np.uint64(7), 7.0),
    (np.bool_(True), 1.0),
    (np.array(2.5), 2.5),
    (np.array(3), 3.0),
]

# what is no number, how the message calls its type, and the way out that it names
REJECTED = [
    ("3", "str", r"float\("),
    (np.str_("3"), "str_?", r"float\("),
    (b"3", "bytes", r"float\("),
    (None, "NoneType", ""),
    (1 + 2j, "complex", ""),
    (np.complex128(1), "complex(128)?", ""),
    (np.clongdouble(1), "clongdouble", ""),
    (Fraction(1, 3), "Fraction", r"float\("),
    (Decimal("0.1"), "Decimal", r"float\("),
    ([1.0], "list", "a Value for each number"),
    ((1.0, 2.0), "tuple", "a Value for each number"),
    ({"a": 1.0}, "dict", ""),
    (np.array([1.0]), "ndarray", "a Value for each number"),
    (np.array([[1, 2], [3, 4]]), "ndarray", "a Value for each number"),
    (np.array(None), "(ndarray|NoneType)", ""),
    (Value(1.0), "Value", r"use the Value itself, or its \.data"),
    (math.sin, "builtin_function_or_method", ""),
]


@pytest.mark.parametrize(("data", "expected"), ACCEPTED)
def test_a_number_is_kept_as_a_python_float(data: Any, expected: float) -> None:
    for v in (Value(data), make_constant(data), Value(0.0) + data):
        assert type(v.data) is float
        assert v.data == expected


def test_nan_may_be_put_in() -> None:
    assert math.isnan(Value(math.nan).data)
    assert math.isnan(Value(np.float32("nan")).data)


@pytest.mark.parametrize(("data", "type_name", "way_out"), REJECTED)
def test_anything_else_is_a_type_error(data: Any, type_name: str, way_out: str) -> None:
    with pytest.raises(TypeError, match=rf"\b{type_name}\b.*{way_out}") as error:
        Value(data)
    assert "\n" not in str(error.value)


def test_the_message_stays_short() -> None:
    with pytest.raises(TypeError) as error:
        Value("7" * 10**6)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("inputs", ["a", ["a"], (2.0,), (None,), [Value(1.0), 2.0]])
def test_inputs_are_values(inputs: Any) -> None:
    """The second argument of micrograd's Value is its inputs: a label put there by mistake must not make a node."""
    with pytest.raises(TypeError, match=r"label=|Value"):
        Value(1.0, inputs, "+")


@pytest.mark.parametrize("symbol", ["", "no such operation"])
def test_a_node_by_hand_of_an_unknown_operation_has_no_gradient_and_says_so(symbol: str) -> None:
    a = Value(2.0)
    y = Value(6.0, (a,), symbol)
    assert (y._prev, y._op) == ((a,), symbol)
    with pytest.raises(NotImplementedError, match=f"operation '{symbol}'"):
        (y * 2.0).backward()


@pytest.mark.parametrize("count", [1, 3])
def test_a_node_has_as_many_inputs_as_its_operation(count: int) -> None:
    """Else the gradient of some of them would be missing without a word."""
    with pytest.raises(NotImplementedError, match=r"operation '\+' is not in the rule table"):
        Value(6.0, [Value(2.0) for _ in range(count)], "+").backward()


# ---- the inputs of a node --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_a_node_keeps_its_inputs_in_order(count: int) -> None:
    xs = tuple(Value(i + 1.0) for i in range(count))
    for y in (apply(OPS["total"], *xs), Value(0.0, xs, "total"), Value(0.0, iter(xs), "total")):
        assert list(map(id, y._prev)) == list(map(id, xs))
        assert grad(y, xs) == [1.0] * count


# ---- reading ---------------------------------------------------------------------------------------------------------
def test_data_grad_and_label_are_read_and_written_freely() -> None:
    v = Value(2.0, label="v")
    assert (v.data, v.grad, v.label, type(v.grad)) == (2.0, 0.0, "v", float)
    v.data, v.grad, v.label = 3.0, 4.0, "w"
    assert (v.data, v.grad, v.label) == (3.0, 4.0, "w")
    y = v * v
    y.label = "y"
    y.backward()
    assert (y.data, v.grad) == (9.0, 10.0)


@pytest.mark.parametrize("number", [3, np.int64(3), np.float32(3), np.float64(3)], ids=lambda x: type(x).__name__)
def test_data_written_as_another_kind_of_number_is_computed_with_all_the_same(number: Any) -> None:
    v = Value(0.0)
    v.data = number
    for expression in (lambda x: x**2, lambda x: x**-0.5, lambda x: x**x, lambda x: 2**x, lambda x: 1 / x + x.exp()):
        assert expression(v).data == pytest.approx(expression(Value(3.0)).data, rel=1e-6)
        assert grad(expression(v), v) == pytest.approx(grad(expression(x := Value(3.0)), x), rel=1e-6)


@pytest.mark.parametrize(
    ("v", "text"),
    [
        (Value(2), "Value(data=2.0, grad=0.0)"),
        (Value(-0.5, label="slope"), "Value(data=-0.5, grad=0.0, label='slope')"),
        (Value(1e300) * 10, "Value(data=1e+301, grad=0.0)"),
        (Value(math.nan, label="it's"), """Value(data=nan, grad=0.0, label="it's")"""),
    ],
)
def test_repr(v: Value, text: str) -> None:
    assert repr(v) == text


def test_a_notebook_is_shown_the_graph() -> None:
    pictures, sizes = (Value(2.0, label="slope") * 3.0)._repr_mimebundle_()
    assert "slope" in pictures["image/svg+xml"]
    assert base64.b64decode(pictures["image/png"]).startswith(b"\x89PNG")
    assert 100 < sizes["image/png"]["width"] < 400  # pixels of the screen: the PNG has more
    assert Value(2.0, label="slope")._repr_mimebundle_() == ({}, {})  # a leaf is shown as text


def test_docstrings_of_methods_name_functions_that_exist() -> None:
    methods = [x for x in vars(Value).values() if callable(x)]
    named = {word for method in methods for word in re.findall(r"tinygrad_edu\.(\w+)", method.__doc__ or "")}
    assert "clamp" in named
    assert named <= set(tg.__all__)


@pytest.mark.parametrize("name", ["exp", "relu", "tanh", "clamp", "backward"])
def test_methods_are_known_by_their_names(name: str) -> None:
    """For help(), for profiles, and for pickles of models that hold `Value.tanh` as a function."""
    method = getattr(Value, name)
    assert method.__qualname__ == f"Value.{name}"
    assert pickle.loads(pickle.dumps(method)) is method


# ---- operators -------------------------------------------------------------------------------------------------------
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
NUMBERS = [
    3,
    -2,
    0.5,
    True,
    np.float32(0.5),
    np.float64(-1.5),
    np.int64(3),
    np.int8(-2),
    np.bool_(True),
    np.array(0.5),
]


@pytest.mark.parametrize("binary", BINARY)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda x: f"{type(x).__name__}({x})")
def test_numbers_on_either_side(binary: Callable[[Any, Any], Any], number: Any) -> None:
    plain, x = float(number), 2.0
    v, w = Value(x), Value(plain)
    y = binary(v, number)
    assert type(y) is Value
    assert y.data == binary(x, plain)
    assert grad(y, v) == grad(binary(v, w), v) if plain > 0 or binary is not operator.pow else True
    if binary is operator.pow and plain <= 0:
        return
    z = binary(number, v)
    assert type(z) is Value
    assert z.data == binary(plain, x)
    assert grad(z, v) == grad(binary(w, v), v)


@pytest.mark.parametrize("binary", BINARY)
@pytest.mark.parametrize("other", ["a", None, [1.0], 1j, {}], ids=lambda x: type(x).__name__)
def test_an_operator_refuses_what_is_no_number(binary: Callable[[Any, Any], Any], other: Any) -> None:
    for arguments in [(Value(1.0), other), (other, Value(1.0))]:
        with pytest.raises(TypeError, match="Value"):
            binary(*arguments)


# fmt: off
EXPRESSIONS: list[tuple[Callable[[Value, Value], Value], float, float, float]] = [
    # at a = 2, b = -3: the value, ∂/∂a, ∂/∂b
    (lambda a, b: a + b, -1.0, 1.0, 1.0),
    (lambda a, b: a - b, 5.0, 1.0, -1.0),
    (lambda a, b: a * b, -6.0, -3.0, 2.0),
    (lambda a, b: b / a, -1.5, 0.75, 0.5),
    (lambda a, b: -a * b, 6.0, 3.0, -2.0),
    (lambda a, b: b ** 2 + a, 11.0, 1.0, -6.0),
    (lambda a, b: b ** 3, -27.0, 0.0, 27.0),
    (lambda a, b: b ** -1 * a, -2 / 3, -1 / 3, -2 / 9),
    (lambda a, b: a ** -b, 8.0, 12.0, -8 * math.log(2)),
    (lambda a, b: 2 ** a, 4.0, 4 * math.log(2), 0.0),
    (lambda a, b: abs(b) * abs(a), 6.0, 3.0, -2.0),
    (lambda a, b: a * a * b + a, -10.0, -11.0, 4.0),          # a is shared
    (lambda a, b: (a + b) * (a + b), 1.0, -2.0, -2.0),        # as an interior node is
    (lambda a, b: 1 - a, -1.0, -1.0, 0.0),
    (lambda a, b: 6 / b, -2.0, 0.0, -6 / 9),
    (lambda a, b: sum([a, b, a]) + 0 * b, 1.0, 2.0, 1.0),
    (lambda a, b: a, 2.0, 1.0, 0.0),
]
# fmt: on


@pytest.mark.parametrize(("expression", "value", "slope_a", "slope_b"), EXPRESSIONS)
def test_expressions(expression: Callable[[Value, Value], Value], value: float, slope_a: float, slope_b: float) -> None:
    a, b = Value(2.0), Value(-3.0)
    y = expression(a, b)
    y.backward()
    assert (y.data, a.grad, b.grad) == pytest.approx((value, slope_a, slope_b), rel=1e-15)


def test_in_place_operators_make_new_nodes() -> None:
    a = y = Value(2.0)
    y += 1
    y *= 3
    y -= a
    y /= 2
    y **= 2
    assert (a.data, y.data, grad(y, a)) == (2.0, 12.25, 7.0)


def test_arrays_of_values() -> None:
    w = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    x = np.array([Value(0.5), Value(-1.0)])
    assert [v.data for v in w @ x] == [-1.5, -2.5]
    assert [v.data for v in x + 1.0] == [1.5, 0.0]
    assert [v.data for v in np.float32(2) * x] == [1.0, -2.0]
    assert [v.data for v in Value(2.0) * x] == [1.0, -2.0]
    assert [v.data for v in Value(2.0) * np.array([1.0, 3.0])] == [2.0, 6.0]
    assert [v.data for v in np.array([1.0, 3.0]) - Value(2.0)] == [-1.0, 1.0]
    assert [v.data for v in np.exp(x)] == [math.exp(0.5), math.exp(-1.0)]
    assert [v.data for v in np.tanh(x) ** 2] == [math.tanh(0.5) ** 2, math.tanh(-1.0) ** 2]
    assert [v.data for v in abs(x)] == [0.5, 1.0]
    assert (x > 0).tolist() == [True, False]
    loss = ((w @ x) ** 2).sum() + np.mean(x)
    loss.backward()
    assert (loss.data, x[0].grad, w[1, 0].grad) == (8.25, -17.5, -2.5)


# ---- comparisons -----------------------------------------------------------------------------------------------------
NUMBERS = [-1.0, 0.0, 2.0, math.inf, math.nan]
BY_SIZE = [operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("compare", [*BY_SIZE, operator.eq, operator.ne])
def test_comparisons_with_numbers_look_at_data(compare: Callable[[Any, Any], bool]) -> None:
    for x, y in itertools.product(NUMBERS, repeat=2):
        results = [compare(Value(x), y), compare(x, Value(y))]
        results += [compare(Value(x), np.float64(y)), compare(np.float64(x), Value(y))]
        results += [compare(Value(x), Value(y))] if compare in BY_SIZE else []
        assert results == [compare(x, y)] * len(results), (x, y)
        assert all(type(result) in (bool, np.bool_) for result in results)


def test_two_values_are_equal_if_they_are_the_same_one() -> None:
    """So what looks for a Value finds the one that is meant, and not another one with the same number."""
    a, b, nan = Value(1.0), Value(1.0), Value(math.nan)
    assert (a == a, a == b, a != a, a != b, nan == nan) == (True, False, False, True, True)
    values = [a, b]
    assert (b in [a], values.index(b), values.count(b)) == (False, 1, 1)
    values.remove(b)
    assert values == [a]
    assert [a, b] == [a, b] != [b, a]
    assert (np.array([a, b]) == np.array([a, a])).tolist() == [True, False]


def test_what_is_no_value_is_compared_with_data() -> None:
    v = Value(0.5)
    assert v == Fraction(1, 2) == v
    assert v == Decimal("0.5")
    assert v == pytest.approx(0.5000000001)
    assert v != pytest.approx(0.6)
    assert v in [0.5]
    assert (v == np.array([0.5, 1.0])).tolist() == [True, False]
    assert (np.array([0.5, 1.0]) != v).tolist() == [False, True]


def test_comparison_with_what_is_no_number() -> None:
    assert Value(1.0) != None  # noqa: E711
    assert Value(1.0) != "1.0"
    with pytest.raises(TypeError, match="'<' not supported"):
        Value(1.0) < "1.0"  # noqa: B015


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -0.5, math.nan, math.inf])
def test_bool_looks_at_data(x: float) -> None:
    assert bool(Value(x)) is bool(x)


def test_the_hash_is_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert len({a, b, a}) == 2
    names = {a: "a", b: "b"}
    assert (names[a], names[b]) == ("a", "b")
    a.data = 5.0
    assert names[a] == "a"


def test_values_are_ordered_by_data() -> None:
    values = [Value(3.0), Value(-1.0), Value(2.0)]
    assert max(values) is values[0]
    assert [v.data for v in sorted(values)] == [-1.0, 2.0, 3.0]


# ---- backward --------------------------------------------------------------------------------------------------------
def test_the_root_has_gradient_1_and_every_node_its_own() -> None:
    a, b = Value(2.0), Value(-3.0)
    product = a * b
    loss = product + a
    loss.backward()
    assert (loss.grad, product.grad, a.grad, b.grad) == (1.0, 1.0, -2.0, 2.0)


def test_twice_is_exactly_twice() -> None:
    a, b = Value(0.1), Value(0.3)
    shared = (a * b).tanh()
    loss = (shared * shared + shared / a).exp()
    loss.backward()
    once, interior = (a.grad, b.grad), shared.grad
    loss.backward()
    assert (a.grad, b.grad) == (2 * once[0], 2 * once[1])
    assert (shared.grad, loss.grad) == (interior, 1.0)


def test_leaves_accumulate_over_graphs_and_interior_nodes_start_anew() -> None:
    a = Value(3.0)
    square = a * a
    first, second = square * 2.0, square * 5.0
    first.backward()
    second.backward()
    assert (a.grad, square.grad) == (6.0 * 7.0, 5.0)
    a.grad = 0
    first.backward()
    assert (a.grad, type(a.grad)) == (12.0, float)


def test_gradients_written_by_hand_stay_with_leaves_only() -> None:
    a = Value(3.0)
    y = a * 2.0
    a.grad, y.grad = 100.0, 100.0
    y.backward()
    assert (a.grad, y.grad) == (102.0, 1.0)


def test_a_leaf_is_a_root_too() -> None:
    a = Value(3.0)
    a.backward()
    assert a.grad == 1.0
    a.backward()
    assert a.grad == 2.0


def test_backward_from_an_interior_node_leaves_the_rest_alone() -> None:
    a = Value(3.0)
    inner = a * a
    outer = inner * 2.0
    outer.backward()
    a.grad = 0.0
    inner.backward()
    assert (outer.grad, inner.grad, a.grad) == (1.0, 1.0, 6.0)


def functions_called_by(work: Callable[[], object]) -> set[str]:
    called: set[str] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code.co_name) if event == "call" else None)
    try:
        work()
    finally:
        sys.setprofile(before)
    return called


def test_what_is_done_most_often_goes_a_short_way() -> None:
    """The general way, through `make_node` and `derivatives`, would come to the same numbers more slowly."""
    a, b = Value(2.0), Value(3.0)
    for work in (a.exp, lambda: a * b, lambda: a * 2.0, lambda: 2.0 * a):
        assert "make_node" not in functions_called_by(work)
    assert "derivatives" not in functions_called_by((a.exp() * b).backward)
    assert {"make_node", "derivatives"} <= functions_called_by(lambda: total([a, b, a]).backward())


def test_many_paths() -> None:
    """2⁶⁰ paths, each counted and none walked."""
    a = y = Value(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert a.grad == 2.0**60


def _explode(m: Any, y: Any, x: Any) -> Any:
    raise KeyboardInterrupt


# what can go wrong in the middle of backward(), after some leaves have their gradients
INTERRUPTIONS = [
    (lambda a: a.sqrt(), 0.0, ZeroDivisionError),
    (lambda a: (a - 1.0).asin(), 0.0, ZeroDivisionError),
    (lambda a: a**-1, 1e-200, OverflowError),
    (lambda a: a ** Value(2.0), -1.0, ValueError),
    (lambda a: 1 / a * 0.0, 1e-200, FloatingPointError),
    (lambda a: apply(Op("explode", "", lambda m, x: x, _explode), a), 1.0, KeyboardInterrupt),
]


@pytest.mark.parametrize(("expression", "x", "error"), INTERRUPTIONS)
def test_where_backward_fails_the_leaves_keep_their_gradients(
    expression: Callable[[Value], Value], x: float, error: type[BaseException]
) -> None:
    a, b = Value(x), Value(2.0)
    a.grad, b.grad = 7.0, 8.0
    loss = expression(a) * b + b
    with pytest.raises(error):
        loss.backward()
    assert (a.grad, b.grad) == (7.0, 8.0)


@pytest.mark.parametrize("exponent", [0.5, 1.5, -0.5])
def test_a_number_changed_to_where_the_slope_is_no_real_number_is_an_error(exponent: float) -> None:
    x = Value(4.0)
    y = x**exponent
    x.data = -1.0
    for sweep in (lambda: y.backward(), lambda: grad(y, x), lambda: grad(y, x, create_graph=True)):
        with pytest.raises(ValueError, match=r"is not defined at -1\.0"):
            sweep()
    assert x.grad == 0.0


# ---- constants, detach, no_grad --------------------------------------------------------------------------------------
def test_a_plain_number_is_a_constant_without_gradient() -> None:
    a = Value(3.0)
    y = 2.0 * a + 1
    y.backward()
    (two,) = [v for v in topological_order(y) if v.data == 2.0]
    assert (two._rule, two._prev, two.grad) == (CONSTANT, (), 0.0)
    assert a._rule is LEAF


def test_gradients_are_0_from_the_start() -> None:
    a = Value(3.0)
    assert [v.grad for v in (a, a.exp(), a * a, a**2, total([a, a, a]))] == [0.0] * 5
    two = make_constant(2.0)
    assert (two.data, two.grad, two.label, two._prev) == (2.0, 0.0, "", ())


def test_a_constant_has_nothing_to_go_back_through() -> None:
    for v in (make_constant(2.0), Value(2.0).detach()):
        with pytest.raises(RuntimeError, match=r"no graph.*no_grad.*detach|no graph.*detach.*no_grad"):
            v.backward()


def test_what_is_computed_from_constants_alone_is_not_differentiated() -> None:
    """√0 has an infinite slope, which nobody asked for; `grad` does not mind it either."""
    a = Value(3.0)
    y = a + Value(0.0).detach().sqrt()
    assert grad(y, a) == 1.0
    y.backward()
    assert a.grad == 1.0


def test_an_operation_on_constants_alone_is_a_constant() -> None:
    two = Value(2.0).detach()
    for y in ((two * 3.0 + 1.0).exp(), apply(OPS["total"], two, 3.0, 4.0), dot([two, 1.0], [3.0, two])):
        assert (y._rule, y._prev) == (CONSTANT, ())


def test_one_input_that_is_no_constant_is_enough() -> None:
    two, a = Value(2.0).detach(), Value(3.0)
    for y in (two * a, a * two, total([two, a, two]), total([a, a, a]), dot([a, a], [a, a])):
        assert {a} <= set(topological_order(y))
        assert y._rule is not CONSTANT


def test_detach_cuts_the_graph() -> None:
    a = Value(3.0, label="a")
    y = a * a.detach()
    y.backward()
    assert (a.grad, a.detach().data, a.detach().label) == (3.0, 3.0, "a")
    a.detach().data = 5.0
    assert a.data == 3.0


def test_no_grad_records_nothing() -> None:
    a = Value(3.0)
    with no_grad():
        ys = [a * a, a.exp(), a + 1, 1 - a, a**2, -a, dot([a, a], [a, 1.0]), a.clamp(0, 1), maximum(a, 1.0)]
        leaf = Value(1.0)
    assert all(y._prev == () and y._rule is CONSTANT for y in ys)
    assert ys[0].data == 9.0
    assert leaf._rule is LEAF
    assert (a * a)._prev == (a, a)
    with pytest.raises(RuntimeError, match="no_grad"):
        ys[0].backward()


def test_no_grad_nests() -> None:
    a = Value(3.0)
    with no_grad():
        with no_grad():
            pass
        assert (a * a)._prev == ()
    assert (a * a)._prev == (a, a)


def test_no_grad_ends_with_an_exception() -> None:
    a = Value(-1.0)
    with pytest.raises(ValueError, match="log"), no_grad():
        a.log()
    assert (a * a)._prev == (a, a)


def test_no_grad_is_a_decorator() -> None:
    a = Value(3.0)

    @no_grad()
    def predict(x: Value) -> Value:
        return x * 2.0

    assert [predict(a)._prev, predict(a).data] == [(), 6.0]
    assert (a * a)._prev == (a, a)


# ---- errors ----------------------------------------------------------------------------------------------------------
# at p = -1, z = 0, h = 1000
ERRORS: list[tuple[Callable[[Value, Value, Value], Any], type[Exception], str]] = [
    (lambda p, z, h: p.log(), ValueError, r"^log is not defined at -1\.0 \(node 'p'\)$"),
    (lambda p, z, h: z.log(), ValueError, r"log is not defined at 0\.0 \(node 'z'\)"),
    (lambda p, z, h: p.log1p(), ValueError, r"log1p is not defined at -1\.0 \(node 'p'\)"),
    (lambda p, z, h: p.sqrt(), ValueError, r"sqrt is not defined at -1\.0 \(node 'p'\)"),
    (lambda p, z, h: h.asin(), ValueError, r"asin is not defined at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: h.acos(), ValueError, r"acos is not defined at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: (h * math.inf).sin(), ValueError, r"sin is not defined at inf"),
    (lambda p, z, h: p / z, ZeroDivisionError, r"div is not defined at -1\.0, 0\.0 \(node 'p', 'z'\)"),
    (lambda p, z, h: p / 0, ZeroDivisionError, r"div is not defined at -1\.0, 0\.0 \(node 'p'\)"),
    (lambda p, z, h: 1 / z, ZeroDivisionError, r"div is not defined at 1\.0, 0\.0 \(node 'z'\)"),
    (lambda p, z, h: z**-1, ZeroDivisionError, r"at 0\.0.* \(node 'z'\)"),
    (lambda p, z, h: z**p, ZeroDivisionError, r"at 0\.0, -1\.0 \(node 'z', 'p'\)"),
    (lambda p, z, h: 0**p, ZeroDivisionError, r"at .*-1\.0.* \(node 'p'\)"),
    (lambda p, z, h: h.exp(), OverflowError, r"exp overflows at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: h.expm1(), OverflowError, r"expm1 overflows at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: h.cosh(), OverflowError, r"cosh overflows at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: h.sinh(), OverflowError, r"sinh overflows at 1000\.0 \(node 'h'\)"),
    (lambda p, z, h: h**h, OverflowError, r"overflows at 1000\.0, 1000\.0 \(node 'h', 'h'\)"),
    # a power fails by both its numbers, so the message names both
    (lambda p, z, h: h**200, OverflowError, r"power.* overflows at 1000\.0.*\(node 'h'\)"),
    (lambda p, z, h: h**200, OverflowError, r"200"),
    (lambda p, z, h: 12**h, OverflowError, r"12"),
    (lambda p, z, h: (8 * p) ** (1 / 3), ValueError, r"is not defined at -8\.0"),
    (lambda p, z, h: (8 * p) ** (1 / 3), ValueError, r"0\.333"),
    (lambda p, z, h: p ** Value(0.5, label="e"), ValueError, r"is not defined at -1\.0, 0\.5 \(node 'p', 'e'\)"),
    (lambda p, z, h: (-8) ** (p / 3), ValueError, r"-8"),
    # slopes
    (lambda p, z, h: z.sqrt().backward(), ZeroDivisionError, r"^the derivative of sqrt is infinite at 0\.0 \(node 'z'"),
    (lambda p, z, h: (z**0.5).backward(), ZeroDivisionError, r"the derivative of power.* is infinite at 0\.0"),
    (lambda p, z, h: p.asin().backward(), ZeroDivisionError, r"the derivative of asin is infinite at -1\.0 \(node 'p'"),
    (lambda p, z, h: (p ** Value(2.0)).backward(), ValueError, r"the derivative of pow is not defined at -1\.0, 2\.0"),
    # many inputs, of which a message shows a few
    (lambda p, z, h: logsumexp([h * math.inf] * 2 + [z] * 98), FloatingPointError, r"nan.* at inf, inf, 0\.0, 0\.0, …"),
    # what would lose the gradient
    (lambda p, z, h: math.exp(p), TypeError, r"in place of math\.exp\(v\) use .*exp\(v\).*v\.data"),
    (lambda p, z, h: float(p), TypeError, r"\.data"),
    (lambda p, z, h: int(p), TypeError, "Value"),
    (lambda p, z, h: np.array([p, z], dtype=float), TypeError, r"\.data"),
    (lambda p, z, h: math.sqrt(h), TypeError, r"\.data"),
    # parameters that contradict one another
    (lambda p, z, h: p.clamp(1, -1), ValueError, r"low"),
    (lambda p, z, h: clamp(p, 1, -1), ValueError, r"low"),
    (lambda p, z, h: p.leaky_relu("0.1"), TypeError, r"str"),
]


@pytest.mark.parametrize(("expression", "error", "words"), ERRORS)
def test_errors(expression: Callable[[Value, Value, Value], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        expression(Value(-1.0, label="p"), Value(0.0, label="z"), Value(1000.0, label="h"))
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "expression",
    [lambda x: x.log(), lambda x: x / x, lambda x: 1 / x, lambda x: x**-1, lambda x: x.sqrt().backward()],
)
def test_an_error_is_told_once(expression: Callable[[Value], Any]) -> None:
    """A learner sees where it happened and why, not how the engine found out."""
    with pytest.raises((ValueError, ZeroDivisionError)) as raised:
        expression(Value(0.0))
    assert "During handling of the above exception" not in "".join(traceback.format_exception(raised.value))


# ---- nan -------------------------------------------------------------------------------------------------------------
def unary_operations() -> list[str]:
    return [name for name, op in OPS.items() if op not in (LEAF, CONSTANT) and hasattr(Value, name)]


@pytest.mark.parametrize("name", unary_operations())
def test_a_nan_that_was_put_in_goes_through(name: str) -> None:
    v = Value(math.nan)
    y = getattr(v, name)()
    y.backward()
    assert math.isnan(y.data)


@pytest.mark.parametrize(
    "expression",
    [
        lambda v: v + 1,
        lambda v: 1 / v,
        lambda v: 0.0 * v,
        lambda v: v**2,
        lambda v: v**v,
        lambda v: Value(2.0) ** v.data,
        lambda v: v.data ** Value(2.0),
        lambda v: v.clamp(-1, 1),
        lambda v: v.elu(),
        lambda v: v.leaky_relu(),
        lambda v: maximum(v, 1.0),
        lambda v: maximum(1.0, v),
        lambda v: logsumexp([1.0, v]),
        lambda v: dot([v, 1.0], [0.0, 1.0]),
        lambda v: total([v, 1.0]),
    ],
)
def test_a_nan_among_numbers_goes_through(expression: Callable[[Value], Value]) -> None:
    y = expression(Value(math.nan))
    assert math.isnan(y.data)
    y.backward()


# fmt: off
BORN = [
    (lambda i: i - i, r"sub is not a number \(nan\) at inf, inf \(node 'i', 'i'\)"),
    (lambda i: 0.0 * i, r"mul is not a number \(nan\) at 0\.0, inf \(node 'i'\)"),
    (lambda i: i / i, r"div is not a number \(nan\) at inf, inf"),
    (lambda i: i + -math.inf, r"add is not a number \(nan\) at inf, -inf"),
    (lambda i: total([i, 1.0, -i]), r"total is not a number \(nan\) at inf, 1\.0, -inf"),
    (lambda i: dot([i], [0.0]), r"dot is not a number \(nan\) at inf, 0\.0"),
]
# fmt: on


@pytest.mark.parametrize(("expression", "words"), BORN)
def test_a_nan_is_not_born_in_silence(expression: Callable[[Value], Value], words: str) -> None:
    with pytest.raises(FloatingPointError, match=words):
        expression(Value(math.inf, label="i"))


SWEEPS: list[Callable[[Value, Value], Any]] = [
    lambda y, x: y.backward(),
    lambda y, x: grad(y, x),
    lambda y, x: grad(y, x, create_graph=True),
]


@pytest.mark.parametrize("sweep", SWEEPS, ids=["backward", "grad", "grad, create_graph"])
def test_nor_in_a_gradient(sweep: Callable[[Value, Value], Any]) -> None:
    """∂(1/w)/∂w is -∞ here; times the 0 that comes from above it is no number. All sweeps say so."""
    w = Value(1e-200)
    y = 1 / w * 0.0
    with pytest.raises(FloatingPointError, match="not a number"):
        sweep(y, w)


def test_the_message_names_the_node_where_a_gradient_becomes_nan() -> None:
    w = Value(1e-200, label="w")
    with pytest.raises(FloatingPointError, match=r"^the gradient through div is not a number \(nan\) at 1\.0, 1e-200"):
        ((1 / w) * 0.0 + w * 1.0).backward()


def test_gradients_that_are_too_large_are_infinite_and_only_their_difference_is_nan() -> None:
    """∞ − ∞ reaches x; those that reach w are 1.5e308, which is not too large: they cancel out."""
    w, x = Value(1e-300, label="w"), Value(1e-300, label="x")
    near = w * 1.5e308 - w * 1.5e308
    near.backward()
    assert w.grad == 0.0
    far = x * 1.5e308 * 2.0
    far.backward()
    assert x.grad == math.inf
    with pytest.raises(FloatingPointError, match=r"^the gradient through mul .* at 1e-300, 1\.5e\+308 \(node 'x'\)$"):
        (near + (far - x * 1.5e308 * 2.0)).backward()


def test_a_derivative_that_is_a_plain_number_is_a_factor() -> None:
    a, b, c = Value(5.0), Value(7.0), Value(11.0)
    of_two = apply(Op("of two", "", lambda m, a, b: 2.0 * a - 3.0 * b, 2.0, -3.0), a, b)
    of_one = apply(Op("of one", "", lambda m, a: 4.0 * a, 4.0), of_two)
    of_three = apply(Op("of three", "", lambda m, a, b, c: a - b + 6.0 * c, 1.0, -1.0, 6.0), of_one, of_one, c)
    (of_three * 10.0 + of_one).backward()
    assert (a.grad, b.grad, c.grad, of_three.data) == (8.0, -12.0, 60.0, 66.0)


# ---- depth -----------------------------------------------------------------------------------------------------------
@contextmanager
def without_recursion_and_collector() -> Iterator[None]:
    limit, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        depth += 1
    gc.collect()
    gc.disable()
    sys.setrecursionlimit(depth + 60)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
        gc.enable()


def values_alive() -> int:
    return sum(type(x) is Value for x in gc.get_objects())


def chain(x: Value, depth: int) -> Value:
    """Deep, with an operation of one input, one of two, a shared node and a constant at each link."""
    for _ in range(depth // 4):
        x = (x * 0.5).tanh() + x - x
    return x


def test_a_long_chain_is_built_and_differentiated_and_freed_by_reference_counting_alone() -> None:
    with without_recursion_and_collector():
        before = values_alive()
        x = Value(1.0)
        y = x
        for _ in range(DEPTH):
            y = y + 0.001
        y.backward()
        assert x.grad == 1.0
        assert grad(y, x) == 1.0
        assert grad(y * y, x, create_graph=True).data == 2 * y.data
        assert len(topological_order(y)) == 2 * DEPTH + 1
        assert "data=" in repr(y)
        del y
        assert values_alive() == before + 1
        del x
        assert values_alive() == before


def test_a_long_chain_is_copied_and_pickled() -> None:
    with without_recursion_and_collector():
        before = values_alive()
        x = Value(1.0)
        y = chain(x, DEPTH)
        y.backward()
        for twin in (copy.deepcopy(y), copy.copy(y), pickle.loads(pickle.dumps(y))):
            assert (twin.data, twin.grad, twin._rule) == (y.data, y.grad, y._rule)
            assert len(topological_order(twin)) == len(topological_order(y))
            del twin
        del x, y
        assert values_alive() == before


def test_a_deep_gradient_of_a_gradient() -> None:
    with without_recursion_and_collector():
        x = y = Value(0.9)
        for _ in range(1000):
            y = y.sin()
        slope = grad(y, x, create_graph=True)
        h = 1e-6
        z = [0.9 - h, 0.9 + h]
        slopes = [1.0, 1.0]
        for _ in range(1000):
            slopes = [s * math.cos(at) for s, at in zip(slopes, z)]
            z = [math.sin(at) for at in z]
        assert grad(slope, x) == pytest.approx((slopes[1] - slopes[0]) / (2 * h), rel=1e-5)


def tree(x: Value, size: int) -> Value:
    """Balanced: x stands at each of its leaves, and the gradients of all of them come together there."""
    level = [x * 1.0 for _ in range(size // 2)]
    while len(level) > 1:
        level = [total(level[i : i + 2]) for i in range(0, len(level), 2)]
    return level[0]


SHAPES: dict[str, tuple[Callable[[Value, int], Value], Callable[[int], float]]] = {
    # of so many nodes or inputs: y, and ∂y/∂x where x = 1
    "a tree": (tree, lambda n: n // 2),
    "many users of one node": (lambda x, n: total([x * 2.0 for _ in range(n // 2)]), lambda n: n // 2 * 2.0),
    "one input many times": (lambda x, n: total([x] * n), lambda n: n),
    "many inputs": (lambda x, n: dot([Value(1.0) for _ in range(n)], [x] + [3.0] * (n - 1)), lambda n: 1.0),
    "a product with itself": (lambda x, n: dot([x] * (n // 2), [x] * (n // 2)), lambda n: n // 2 * 2.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wide_graph_is_built_differentiated_copied_pickled_and_freed(shape: str) -> None:
    build, slope = SHAPES[shape]
    with without_recursion_and_collector():
        before = values_alive()
        x = Value(1.0)
        y = build(x, WIDTH)
        y.backward()
        assert x.grad == slope(WIDTH) == grad(y, x)
        assert grad(y * y, x, create_graph=True).data == 2 * y.data * slope(WIDTH)
        for x2, y2 in (copy.deepcopy((x, y)), pickle.loads(pickle.dumps((x, y)))):
            assert (y2.data, x2.grad) == (y.data, x.grad)
            y2.backward()
            assert (x.grad, x2.grad) == (slope(WIDTH), 2 * slope(WIDTH))
            assert len(topological_order(y2)) == len(topological_order(y))
            del x2, y2
        del x, y
        assert values_alive() == before


def test_the_gradient_of_a_gradient_of_a_long_chain() -> None:
    """Of y = (… ((x·x) + x) + x …) it is 2, whatever the number of links."""
    with without_recursion_and_collector():
        x = Value(3.0)
        y = x * x
        for _ in range(WIDTH // 2):
            y = y + x
        assert grad(grad(y, x, create_graph=True), x) == 2.0
        twins = copy.deepcopy([x, y, y * x])
        assert twins[2]._prev == (twins[1], twins[0])
        del x, y, twins


# ---- copies and pickles ----------------------------------------------------------------------------------------------
def labelled_graph() -> tuple[Value, Value, Value]:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    loss = (dot([a, b, a], [b, 2.0, 1.0]).tanh() + a.leaky_relu(0.1)) ** 3 + logsumexp([a, b]) * a.detach() + 2**b
    loss.label = "loss"
    loss.backward()
    return a, b, loss


COPIES: list[Callable[[Any], Any]] = [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


@pytest.mark.parametrize("twin_of", COPIES, ids=["deepcopy", "pickle"])
def test_a_copy_is_the_same_graph_of_other_nodes(twin_of: Callable[[Any], Any]) -> None:
    a, b, loss = labelled_graph()
    a2, b2, loss2 = twin_of((a, b, loss))
    old, new = topological_order(loss), topological_order(loss2)
    assert [(v._rule, v.data, v.grad, v.label) for v in new] == [(v._rule, v.data, v.grad, v.label) for v in old]
    assert [[new.index(x) for x in v._prev] for v in new] == [[old.index(x) for x in v._prev] for v in old]
    assert not set(old) & set(new)
    assert (a2 in set(new), b2 in set(new)) == (True, True)
    loss2.backward()
    assert (a2.grad, b2.grad) == (2 * a.grad, 2 * b.grad)
    assert loss2.data == loss.data


def test_a_shallow_copy_of_a_leaf_is_another_leaf() -> None:
    a = Value(2.0, label="a")
    b = copy.copy(a)
    b.data = 3.0
    assert (a.data, b.label, b._rule, b is not a) == (2.0, "a", LEAF, True)


def test_what_is_copied_together_stays_connected_and_costs_no_more_than_the_graph() -> None:
    nodes = [Value(1.0, label="start")]
    for _ in range(2000):
        nodes.append(nodes[-1] * 1.0001)
    small, large = (len(pickle.dumps(nodes[:n])) for n in (500, 2000))
    assert large < 4.5 * small < 4.5 * 500 * 120  # bytes a node
    for twin_of in COPIES:
        twins = twin_of(nodes)
        assert all(twins[i + 1]._prev[0] is twins[i] for i in range(2000))
        assert (twins[0].label, twins[-1].data) == ("start", nodes[-1].data)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("pickler", [pickle.Pickler, pickle._Pickler], ids=["C", "Python"])  # type: ignore[attr-defined]
def test_a_pickle_holds_each_node_once_in_whatever_order_they_come(pickler: Any, protocol: int) -> None:
    x = Value(2.0)
    h = x * 3.0
    y, z = h.tanh(), h + x
    for things in ((h, y), (y, h), [z, {"y": y, "x": x}, (h, z)], (y, y, z)):
        stream = io.BytesIO()
        pickler(stream, protocol).dump(things)
        nodes = topological_order(*flat(pickle.loads(stream.getvalue())))
        assert len(nodes) == len(topological_order(*flat(things)))
        assert [v.data for v in nodes] == [v.data for v in topological_order(*flat(things))]


def flat(things: Any) -> list[Value]:
    if isinstance(things, Value):
        return [things]
    return [v for thing in (things.values() if isinstance(things, dict) else things) for v in flat(thing)]


def test_one_pickler_goes_on_with_what_it_has_written_and_another_one_begins_anew() -> None:
    x = Value(2.0)
    h = x * 3.0
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.dump(h)
    pickler.dump(h.tanh())
    assert pickle.loads(pickle.dumps(h)).data == 6.0  # in between, by another one
    unpickler = pickle.Unpickler(io.BytesIO(stream.getvalue()))
    h2, y2 = unpickler.load(), unpickler.load()
    assert y2._prev[0] is h2
    assert pickle.loads(pickle.dumps((x, h)))[1]._prev[0].data == 2.0


# ---- attributes of the user's own ------------------------------------------------------------------------------------
def test_a_value_takes_whatever_attributes_it_is_given() -> None:
    p, y = Value(1.0), Value(2.0) * 3.0
    p.m, p.v, y.color = 0.0, [1.0], "red"  # type: ignore[attr-defined]
    assert (p.m, p.v, y.color) == (0.0, [1.0], "red")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="'Value' object has no attribute 'color'"):
        _ = p.color  # type: ignore[attr-defined]


@pytest.mark.parametrize("twin_of", [*COPIES, copy.copy], ids=["deepcopy", "pickle", "copy"])
def test_attributes_travel_with_copies(twin_of: Callable[[Any], Any]) -> None:
    p = Value(1.0, label="p")
    y = p * 2.0
    y.color, y.me, y.moments = "red", y, {"m": [0.5]}  # type: ignore[attr-defined]
    p.child = y  # type: ignore[attr-defined]
    twin = twin_of(y)
    assert (twin.color, twin.moments, twin.data) == ("red", {"m": [0.5]}, 2.0)
    if twin_of is not copy.copy:
        assert twin.me is twin is twin._prev[0].child
        assert twin.moments is not y.moments  # type: ignore[attr-defined]
    else:
        assert (twin.me is y, twin._prev) == (True, (p, y._prev[1]))


# ---- micrograd's way to add an operation -----------------------------------------------------------------------------
def sine(x: Value) -> Value:
    out = Value(math.sin(x.data), (x,), "sin")

    def backward() -> None:
        x.grad += math.cos(x.data) * out.grad

    out._backward = backward
    return out


def product(a: Value, b: Value) -> Value:
    out = Value(a.data * b.data, (a, b), "*")

    def backward() -> None:
        a.grad += 10.0 * b.data * out.grad  # on purpose not the derivative: so it is seen that this is what counts
        b.grad += 10.0 * a.data * out.grad

    out._backward = backward
    return out


def test_a_node_with_a_closure_is_differentiated_by_it() -> None:
    x, c = Value(0.5), Value(3.0)
    y = product(sine(x * 2.0), c) + x
    y.backward()
    slope = 10.0 * 3.0 * math.cos(1.0) * 2.0 + 1.0
    assert (x.grad, c.grad) == (slope, 10.0 * math.sin(1.0))
    assert (y._prev[0]._op, y._prev[0]._prev[0]._op) == ("*", "sin")
    assert grad(y, [x, c]) == [slope, 10.0 * math.sin(1.0)]
    assert x.grad == slope  # which grad leaves as it is
    y.backward()
    assert x.grad == 2 * slope


def test_a_closure_whose_input_stands_there_twice() -> None:
    x = Value(3.0)
    y = product(x, x)
    y.backward()
    assert x.grad == grad(y, x) == 60.0


def test_an_error_of_a_closure_goes_through_as_it_is_and_leaves_the_leaves_alone() -> None:
    x = Value(0.5)
    y = sine(x) + x

    def fails() -> None:
        raise ValueError("mine")

    y._prev[0]._backward = fails
    x.grad = 7.0
    for run in (y.backward, lambda: grad(y, x)):
        with pytest.raises(ValueError, match="mine"):
            run()
    assert x.grad == 7.0


@pytest.mark.parametrize(
    "use",
    [
        lambda x, y: grad(y, x, create_graph=True),
        lambda x, y: copy.copy(y._prev[0]),
        lambda x, y: copy.deepcopy(y),
        lambda x, y: pickle.dumps(y),
        lambda x, y: tg.record(lambda: y),
        lambda x, y: tg.record(sine, 1.0),
    ],
    ids=["create_graph", "copy", "deepcopy", "pickle", "tracing", "tracing what makes it"],
)
def test_all_else_needs_an_entry_in_the_table(use: Callable[[Value, Value], Any]) -> None:
    x = Value(0.5)
    with pytest.raises((NotImplementedError, RecordingError), match=r"define_op|looks at the \.data"):
        use(x, sine(x) + 1.0)


def test_under_no_grad_such_a_node_is_a_constant_too() -> None:
    def square(x: Value) -> Value:
        out = x * x
        out._backward = lambda: None
        return out

    w = Value(2.0)
    with no_grad():
        c, d = sine(w), square(w)
    assert (c._prev, c.data, d._prev, d.data) == ((), math.sin(2.0), (), 4.0)
    (w * c).backward()
    assert w.grad == math.sin(2.0)


def test_a_closure_that_is_not_linear_is_given_the_gradient_by_grad_too() -> None:
    a = Value(2.0)
    out = a * a

    def clipped() -> None:
        a.grad += max(-1.0, min(1.0, out.grad))

    out._backward = clipped
    y = out * 5.0
    y.backward()
    assert a.grad == grad(y, a) == 1.0


def test_a_symbol_means_the_operation_that_takes_so_many_inputs() -> None:
    xs = [Value(1.0), Value(3.0), Value(2.0)]
    y = Value(3.0, xs, "maximum")
    y.backward()
    assert [x.grad for x in xs] == [0.0, 1.0, 0.0]
    assert grad(Value(3.0, xs[:2], "maximum"), xs[:2]) == [0.0, 1.0]


class InSlots(Value):
    __slots__ = ("unit",)

    def __new__(cls, name: str) -> "InSlots":
        return super().__new__(cls)

    def __init__(self, name: str) -> None:
        super().__init__(1.0, label=name)


@pytest.mark.parametrize("twin_of", [*COPIES, copy.copy], ids=["deepcopy", "pickle", "copy"])
def test_a_subclass_is_copied_with_its_slots_whatever_its_arguments(twin_of: Callable[[Any], Any]) -> None:
    v = InSlots("v")
    v.unit = "m"
    twin = twin_of(v)
    assert (type(twin), twin.unit, twin.label, twin.data) == (InSlots, "m", "v", 1.0)


def test_a_leaf_has_nothing_to_go_back_to() -> None:
    with pytest.raises(AttributeError, match="a leaf has no inputs"):
        Value(1.0)._backward = lambda: None


def test_a_gradient_of_none_counts_as_none_so_far() -> None:
    """PyTorch's loops set it so between steps."""
    x = Value(2.0)
    x.grad = None
    (x * 3.0).backward()
    assert x.grad == 3.0


# ---- threads ---------------------------------------------------------------------------------------------------------
def test_graphs_in_different_threads_do_not_disturb_one_another() -> None:
    def descend(start: float) -> float:
        x = Value(start)
        for _ in range(200):
            x.grad = 0.0
            ((x - 3.0) ** 2 + (x * 0.1).sin()).backward()
            x.data -= 0.1 * x.grad
        return x.data

    starts = [-2.0, 0.0, 5.0, 40.0]
    assert in_threads(*[lambda s=s: descend(s) for s in starts]) == [descend(s) for s in starts]


def test_threads_that_share_a_leaf_add_their_gradients_up() -> None:
    shared = Value(2.0)

    def work() -> None:
        for _ in range(200):
            (shared * 3.0).backward()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(*[work] * 4)
    finally:
        sys.setswitchinterval(before)
    assert shared.grad == 4 * 200 * 3.0


def test_threads_may_do_all_at_once_with_nodes_that_they_share() -> None:
    """Each in its own way, on graphs of its own above a shared one; all numbers are exact, whatever the order."""
    a, b = Value(2.0), Value(-0.5)
    shared = a * b + a

    def add_up(times: float) -> list[float]:
        for _ in range(100):
            (shared * times).backward()
        return []

    def look() -> list[float]:
        numbers = []
        for i in range(100):
            y = shared * shared * i
            with no_grad():
                numbers.append((y + a).data)
            slope = grad(y, a, create_graph=True)
            numbers += [slope.data, grad(slope, b)]
        return numbers

    def reproduce() -> list[float]:
        numbers = []
        for twin_of in COPIES * 50:
            b2, y2 = twin_of((b, shared * 3.0))
            b2.grad = 0.0
            y2.backward()
            numbers.append(b2.grad)
        return numbers

    works = [lambda: add_up(1.0), look, lambda: add_up(3.0), reproduce]
    alone = [look(), reproduce()]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        _, seen, _, reproduced = in_threads(*works)
    finally:
        sys.setswitchinterval(before)
    assert [seen, reproduced] == alone
    assert (a.grad, b.grad) == (400 * 0.5, 400 * 2.0)
    assert (shared * a)._prev == (shared, a)


def test_no_grad_holds_for_its_own_thread_only() -> None:
    x = Value(3.0)
    inside, done = threading.Event(), threading.Event()

    def paused() -> int:
        with no_grad():
            inside.set()
            done.wait(30)
            return len((x * x)._prev)

    def recording() -> int:
        inside.wait(30)
        count = len((x * x)._prev)
        done.set()
        return count

    assert in_threads(paused, recording) == [0, 2]
    assert len((x * x)._prev) == 2


# ---- random graphs against a naive engine ----------------------------------------------------------------------------
class Dual:
    """Forward mode, for comparison: a number with its derivatives in all leaves; no graph, no order, no sweep."""

    def __init__(self, x: float, slopes: list[float]) -> None:
        self.x, self.slopes = x, slopes

    @staticmethod
    def of(f: Callable[..., float], partials: Callable[..., tuple[float, ...]], *inputs: "Dual") -> "Dual":
        xs = [d.x for d in inputs]
        columns = zip(*[d.slopes for d in inputs])
        return Dual(f(*xs), [sum(p * s for p, s in zip(partials(*xs), column)) for column in columns])


# how an operation is written with Values, and what it means; the last ones are bounded, so that nothing explodes
STEPS: list[tuple[Callable[..., Value], Callable[..., float], Callable[..., tuple[float, ...]]]] = [
    (lambda a, b: a + b, lambda a, b: a + b, lambda a, b: (1, 1)),
    (lambda a, b: a - b, lambda a, b: a - b, lambda a, b: (1, -1)),
    (lambda a, b: a * b, lambda a, b: a * b, lambda a, b: (b, a)),
    (lambda a, b: -a, lambda a, b: -a, lambda a, b: (-1, 0)),
    (lambda a, b: a**2, lambda a, b: a * a, lambda a, b: (2 * a, 0)),
    (lambda a, b: 3 - 2 * a, lambda a, b: 3 - 2 * a, lambda a, b: (-2, 0)),
    (lambda a, b: a.relu(), lambda a, b: max(a, 0), lambda a, b: (a > 0, 0)),
    (lambda a, b: abs(b), lambda a, b: abs(b), lambda a, b: (0, (b > 0) - (b < 0))),
    (maximum, max, lambda a, b: ((a > b) + 0.5 * (a == b), (b > a) + 0.5 * (a == b))),
    (lambda a, b: a.clamp(-2, 4), lambda a, b: min(max(a, -2), 4), lambda a, b: (-2 <= a <= 4, 0)),
    (lambda a, b: dot([a, b], [b, 2.0]), lambda a, b: a * b + 2 * b, lambda a, b: (b, a + 2)),
    (lambda a, b: total([a, b, a, 1.0]), lambda a, b: 2 * a + b + 1, lambda a, b: (2, 1)),
]
SMOOTH: list[tuple[Callable[..., Value], Callable[..., float], Callable[..., tuple[float, ...]]]] = [
    (lambda a, b: (a * b).tanh(), lambda a, b: math.tanh(a * b),
     lambda a, b: (b / math.cosh(a * b) ** 2, a / math.cosh(a * b) ** 2)),
    (lambda a, b: (a - b).sin(), lambda a, b: math.sin(a - b), lambda a, b: (math.cos(a - b), -math.cos(a - b))),
    (lambda a, b: a / (1 + b * b), lambda a, b: a / (1 + b * b),
     lambda a, b: (1 / (1 + b * b), -2 * a * b / (1 + b * b) ** 2)),
    (lambda a, b: logsumexp([a, b]), lambda a, b: math.log(math.exp(a) + math.exp(b)),
     lambda a, b: (1 / (1 + math.exp(b - a)), 1 / (1 + math.exp(a - b)))),
    (lambda a, b: a.sigmoid() * b, lambda a, b: b / (1 + math.exp(-a)),
     lambda a, b: (b / (2 + math.exp(-a) + math.exp(a)), 1 / (1 + math.exp(-a)))),
]  # fmt: skip

programs = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=12)


def run(numbers: list[Any], program: list[tuple[int, int, int]], table: list[Any]) -> Any:
    """Runs a random program on Values or on Duals: each step takes an operation and two of the numbers so far."""
    for step, i, j in program:
        on_values, f, partials = table[step % len(table)]
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        y = on_values(a, b) if isinstance(a, Value) else Dual.of(f, partials, a, b)
        assume(abs(y.data if isinstance(y, Value) else y.x) < 2.0**50)
        numbers = [*numbers, y]
    return numbers[-1]


def run_both(leaves: list[float], program: list[tuple[int, int, int]], table: list[Any]) -> tuple[list[Value], Dual]:
    values = [Value(x) for x in leaves]
    duals = [Dual(x, [float(i == j) for j in range(len(leaves))]) for i, x in enumerate(leaves)]
    return [*values, run(values, program, table)], run(duals, program, table)


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=4), programs)
def test_whole_numbers_agree_exactly_with_a_naive_engine(
    leaves: list[float], program: list[tuple[int, int, int]]
) -> None:
    (*inputs, y), naive = run_both(leaves, program, STEPS)
    assume(all(abs(s) < 2.0**50 for s in naive.slopes))
    y.backward()
    assert y.data == naive.x
    assert [x.grad for x in inputs] == naive.slopes


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=4), programs)
def test_smooth_functions_agree_with_a_naive_engine(leaves: list[float], program: list[tuple[int, int, int]]) -> None:
    (*inputs, y), naive = run_both(leaves, program, SMOOTH)
    assert y.data == pytest.approx(naive.x, rel=1e-9, abs=1e-9)
    assert grad(y, inputs) == pytest.approx(naive.slopes, rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=4), programs)
def test_the_sweeps_agree_to_the_last_bit(leaves: list[float], program: list[tuple[int, int, int]]) -> None:
    inputs = [Value(x) for x in leaves]
    y = run(inputs, program, STEPS + SMOOTH)
    y.backward()
    assert grad(y, inputs) == [x.grad for x in inputs]
    assert [g.data for g in grad(y, inputs, create_graph=True)] == [x.grad for x in inputs]


# ---- modes -----------------------------------------------------------------------------------------------------------
class Diary(Mode):
    """Writes down what it is told, and lets it happen."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def on_operation(self, make: Any, op: Op, inputs: Any) -> Value:
        self.entries.append((op.name, [x.data for x in inputs]))
        return make(op, inputs)

    def on_leaf(self, v: Value) -> None:
        self.entries.append(("leaf", v.data))

    def on_gradients(self, y: Value, targets: Any, kind: str) -> None:
        self.entries.append((kind, y.data, [x.data for x in targets]))


def test_a_mode_is_told_of_operations_leaves_and_gradients_in_its_block_and_changes_nothing() -> None:
    x, diary = Value(2.0), Diary()
    with enter_mode(diary):
        w = Value(3.0)
        y = (w * x + 1.0).tanh()
        y.backward()
        grad(y, [x])
        grad(w**2, w, create_graph=True)
    _ = Value(4.0) * w
    assert diary.entries[:7] == [
        ("leaf", 3.0),
        ("mul", [3.0, 2.0]),
        ("add", [6.0, 1.0]),
        ("tanh", [7.0]),
        ("backward", y.data, [2.0, 3.0]),
        ("numbers", y.data, [2.0]),
        ("power", [3.0]),
    ]
    assert diary.entries[7] == ("graph", 9.0, [3.0])
    assert ("leaf", 4.0) not in diary.entries
    assert w.grad == pytest.approx(2.0 * (1.0 - math.tanh(7.0) ** 2))


def test_the_innermost_mode_is_asked_first_and_an_exclusive_one_alone() -> None:
    outer, inner, exclusive = Diary(), Diary(), Diary()
    exclusive.exclusive = True
    x = Value(2.0)
    with enter_mode(outer), enter_mode(inner):
        _ = x + 1.0
        with enter_mode(exclusive):
            _ = x * 3.0
        _ = x - 1.0
    assert inner.entries == outer.entries == [("add", [2.0, 1.0]), ("sub", [2.0, 1.0])]
    assert exclusive.entries == [("mul", [2.0, 3.0])]


def test_a_node_by_hand_is_recorded_unless_a_mode_says_no() -> None:
    a = Value(2.0)
    with enter_mode(Diary()):
        assert Value(6.0, (a,), "exp")._prev == (a,)
    with no_grad():
        by_hand = Value(6.0, (a,), "exp")
    assert (by_hand._prev, by_hand._rule, by_hand.data) == ((), CONSTANT, 6.0)


def test_gradients_that_were_computed_elsewhere_are_added_as_backward_does() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    a.grad, b.grad, c.grad = 0.5, None, np.float64(0.25)  # type: ignore[assignment]
    add_to_gradients([a, b, c], [3.0, 4.0, 5.0])
    assert [(v.grad, type(v.grad)) for v in (a, b, c)] == [(3.5, float), (4.0, float), (5.25, float)]


def test_a_thread_or_a_task_made_inside_no_grad_is_free_when_the_block_is_over() -> None:
    x = Value(3.0)
    with no_grad():
        context = contextvars.copy_context()
        assert context.run(lambda: (x * x)._prev) == ()
    assert context.run(lambda: (x * x)._prev) == (x, x)

    async def task(wait: asyncio.Event) -> int:
        await wait.wait()
        return len((x * x)._prev)

    async def main() -> int:
        wait = asyncio.Event()
        with no_grad():
            made_inside = asyncio.create_task(task(wait))
            await asyncio.sleep(0)
        wait.set()
        return await made_inside

    assert asyncio.run(main()) == 2


def test_blocks_that_are_left_in_another_order_end_each_for_itself() -> None:
    x = Value(3.0)
    outer, inner = no_grad(), no_grad()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert (x * x)._prev == ()
    inner.__exit__(None, None, None)
    assert (x * x)._prev == (x, x)
    assert inherited_modes() == ()


def test_a_generator_that_is_left_inside_a_block_does_not_keep_it_open_for_others() -> None:
    def numbers() -> Iterator[int]:
        with no_grad():
            yield 1
            yield 2

    x, generator = Value(3.0), numbers()
    next(generator)
    generator.close()
    assert len((x * x)._prev) == 2


FORKS = """
import os, signal, threading, warnings
import tinygrad_edu as tg
from tinygrad_edu import Value, no_grad
from contextlib import nullcontext

def busy(block):
    y = Value(1.0)
    for _ in range(300):
        y = y * 1.001
    while not stop.is_set():
        with block():
            y.backward()
            tg.record(lambda a: a * y, 1.0)

x, stop = Value(2.0), threading.Event()
tg.record(lambda a: a, 1.0)  # loads the compiler: Python itself does not survive a fork while another thread imports
threads = [threading.Thread(target=busy, args=(block,)) for block in (no_grad, nullcontext)]
for thread in threads:
    thread.start()
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from 3.12 on: here it has to work
codes = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # where it hangs
        y = x * x
        y.backward()
        tg.record(lambda a: a * x, 1.0)
        os._exit(0 if (x.grad, len(y._prev)) == (4.0, 2) else 1)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
print(codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_forked_while_others_are_at_work_is_free() -> None:
    """In a process of its own, as other libraries that the tests load do not like to be forked."""
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=300)
    assert (done.stdout.strip(), done.stderr) == (str([0] * 20), "")


def test_formatting_and_item() -> None:
    v = Value(2.5, label="v")
    assert (f"{v:.3f}", f"{v:>8.1e}", format(v, "+"), v.item(), +v) == ("2.500", " 2.5e+00", "+2.5", 2.5, v)
    assert f"{v}" == str(v) == repr(v) == "Value(data=2.5, grad=0.0, label='v')"
    with pytest.raises(ValueError, match="format code"):
        f"{v:d}"


def test_a_derivative_that_nobody_asked_for_need_not_exist() -> None:
    a, b = Value(-2.0), Value(2.0)
    assert grad(a**b, [a]) == [-4.0]
    (a ** b.detach()).backward()
    assert a.grad == -4.0
    (a ** Value(3.0).detach()).backward()
    assert a.grad == -4.0 + 12.0
    assert grad(a**b, [a], create_graph=True)[0].data == -4.0
    with pytest.raises(ValueError, match=r"the derivative of pow is not defined at -2\.0, 2\.0"):
        grad(a**b, [b])
    with pytest.raises(ValueError, match="the derivative of pow is not defined"):
        (a**b).backward()


@pytest.mark.parametrize("kind", [np.float64, np.float32, int], ids=lambda kind: kind.__name__)
def test_a_number_of_numpy_in_data_stays_where_the_user_has_put_it(kind: Any) -> None:
    """What the engine sets and returns by itself is a plain float."""
    w, x = Value(1.0), Value(2.0)
    w.data, x.grad = kind(3), kind(1)
    y = w * x + w**2
    y.backward()
    assert [(g, type(g)) for g in (w.grad, x.grad, *grad(y, [w, x]), y.item())] == [
        (8.0, float), (4.0, float), (8.0, float), (3.0, float), (15.0, float)
    ]  # fmt: skip
    value, slopes = tg.value_and_grad(lambda v: v * w)(2.0)
    assert (value, slopes, type(value), type(slopes[0])) == (6.0, [3.0], float, float)
    f = tg.compile(lambda v: v * w * kind(2))
    assert [type(number) for number in (f(2.0), f.backward(2.0), w.grad)] == [float] * 3
    assert f(np.array([2.0])).tolist() == [12.0]
    program = tg.record(lambda v: v * w + kind(2) * w.detach(), 1)
    numbers = (*program.tape.example, *[node.number for node in program.tape.entries])
    assert {type(number) for number in numbers} == {float}
    assert "np." not in program.source("python")
    assert type(w.data) is kind
