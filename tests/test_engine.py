"""The contract of `Value`, row by row: making, reading, operators, comparisons, backward, constants, errors, depth.

What each operation computes is held by `test_ops.py`, functions by `test_functional.py`, gradients as values by
`test_gradients.py`, and what micrograd's users rely on by `test_dropin.py`.
"""

import copy
import gc
import math
import operator
import os
import pickle
import re
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

import tinygrad_edu as tg
from tinygrad_edu import no_grad
from tinygrad_edu.engine import Value, apply, constant, record
from tinygrad_edu.functional import clamp, dot, logsumexp, maximum, total
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import OPS, Op

DEPTH = 10**6 if os.environ.get("CI") == "true" else 10**5
WIDTH = 10**6 if DEPTH == 10**6 else 2 * 10**4

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
    for v in (Value(data), constant(data), Value(0.0) + data):
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
    with pytest.raises((TypeError, ValueError)):
        Value(6.0, [Value(2.0) for _ in range(count)], "+").backward()


# ---- the inputs of a node --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_a_node_keeps_its_inputs_in_order(count: int) -> None:
    xs = tuple(Value(i + 1.0) for i in range(count))
    for y in (apply(OPS["total"], *xs), Value(0.0, xs, "total"), Value(0.0, iter(xs), "total")):
        assert list(map(id, y._prev)) == list(map(id, xs))
        assert grad(y, xs) == [1.0] * count


def tuples_of(node: Value) -> list[Any]:
    return [x for x in gc.get_referents(node) if type(x) is tuple]


def test_one_or_two_inputs_cost_no_tuple() -> None:
    """Most nodes are of this kind; each takes less memory, and the collector has less to visit."""
    a, b = Value(2.0), Value(3.0)
    for y in (a.exp(), apply(OPS["exp"], a), Value(2.0, (a,), "exp"), a + b, apply(OPS["add"], a, b), Value(5, (a, b))):
        assert tuples_of(y) == []


def test_nodes_can_share_the_tuples_that_hold_their_inputs() -> None:
    """As the neurons of a layer do, which all see the same samples."""
    xs, ws = (Value(1.0), Value(2.0)), [(Value(3.0), Value(4.0)), (Value(5.0), Value(6.0))]
    for w in ws:
        y = record(OPS["dot"], xs, w)
        assert list(map(id, y._prev)) == list(map(id, xs + w))
        assert {id(xs), id(w)} == set(map(id, tuples_of(y)))
        assert grad(y, [*xs, *w]) == [v.data for v in w + xs]


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
    svg = (Value(2.0, label="slope") * 3.0)._repr_svg_()
    assert svg is not None
    assert "<svg" in svg
    assert "slope" in svg


def test_methods_have_docstrings_that_lead_somewhere() -> None:
    methods = {name: getattr(Value, name) for name in vars(Value) if callable(getattr(Value, name))}
    assert [name for name, method in methods.items() if not name.startswith("_") and not method.__doc__] == []
    named = {word for method in methods.values() for word in re.findall(r"tinygrad_edu\.(\w+)", method.__doc__ or "")}
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
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0, math.inf, math.nan])
@pytest.mark.parametrize("y", [-1.0, 0.0, 2.0, math.inf, math.nan])
def test_comparisons_look_at_data(compare: Callable[[Any, Any], bool], x: float, y: float) -> None:
    results = [compare(Value(x), Value(y)), compare(Value(x), y), compare(x, Value(y))]
    results += [compare(Value(x), np.float64(y)), compare(np.float64(x), Value(y))]
    assert results == [compare(x, y)] * 5
    assert all(type(result) in (bool, np.bool_) for result in results)


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
    assert a == b
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


def test_the_gradient_of_a_constant_is_0_from_the_start() -> None:
    two = constant(2.0)
    assert (two.data, two.grad, two.label, two._prev) == (2.0, 0.0, "", ())


def test_a_constant_has_nothing_to_go_back_through() -> None:
    for v in (constant(2.0), Value(2.0).detach()):
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
    (lambda p, z, h: logsumexp([h * math.inf] + [z] * 99), FloatingPointError, r"nan.* at inf, 0\.0, 0\.0, 0\.0, …"),
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


def test_copying_many_nodes_of_one_graph_costs_no_more_than_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [Value(1.0)]
    for _ in range(300):
        nodes.append(nodes[-1] + 1.0)
    reads = 0
    inputs_of = Value._prev.fget  # type: ignore[attr-defined]

    def counting(self: Value) -> Any:
        nonlocal reads
        reads += 1
        return inputs_of(self)

    monkeypatch.setattr(Value, "_prev", property(counting))
    twins = copy.deepcopy(nodes)
    assert reads < 10 * len(nodes)
    assert twins[-1]._prev[0] is twins[-2]


def test_a_gradient_of_none_counts_as_none_so_far() -> None:
    """PyTorch's loops set it so between steps."""
    x = Value(2.0)
    x.grad = None
    (x * 3.0).backward()
    assert x.grad == 3.0


# ---- threads ---------------------------------------------------------------------------------------------------------
def in_threads(*works: Callable[[], Any]) -> list[Any]:
    results: list[Any] = [None] * len(works)

    def run(i: int, work: Callable[[], Any]) -> None:
        results[i] = work()

    threads = [threading.Thread(target=run, args=(i, work)) for i, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


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
