"""Compiled functions on arrays of samples, as a specification: shapes, sums over samples, and errors.

A result has the shape that all arguments have together, a gradient that of its argument. What fails raises the error of
the engine, which on arrays also names the sample. Functions and single numbers are left to `test_compiler.py`.
"""

import math
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, grad, nn
from tinygrad_edu.compiler import RecordingError, _runner

Array = Any
CHUNK = 64  # samples that are computed at a time here: enough to see where one chunk ends


@pytest.fixture(autouse=True)
def _chunks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "CHUNK", CHUNK)


@pytest.fixture
def w() -> Value:
    return Value(0.5, label="w")


def one_by_one(f: Callable[..., Value], *arguments: Any) -> tuple[Array, list[Array]]:
    """The value of f at each sample and its gradients in the arguments, computed by the engine."""
    arrays = [np.asarray(x, float) for x in arguments]
    values = np.empty(np.broadcast_shapes(*[x.shape for x in arrays]))
    slopes = [np.zeros(x.shape) for x in arrays]
    places = [np.broadcast_to(np.arange(x.size).reshape(x.shape), values.shape) for x in arrays]
    for index in np.ndindex(values.shape):
        leaves = [Value(float(x.flat[place[index]])) for x, place in zip(arrays, places)]
        y = f(*leaves)
        values[index] = y.data
        for slope, place, g in zip(slopes, places, grad(y, leaves)):
            slope.flat[place[index]] += g
    return values, slopes


# ---- shapes ----------------------------------------------------------------------------------------------------------
ROW, COLUMN, LINE = np.linspace(-1.0, 2.0, 5), np.array([[0.5], [-1.5], [2.5]]), np.array([0.25, 1.0, -0.75])
SHAPES: dict[str, tuple[Any, Any]] = {
    "two arrays": (LINE, LINE + 1.0),
    "an array and a number": (LINE, 2.0),
    "a number and an array": (2.0, LINE),
    "a grid": (COLUMN, ROW),
    "a grid and a row": (np.arange(15.0).reshape(3, 5), ROW),
    "a grid and a number": (np.arange(15.0).reshape(3, 5), -0.5),
    "three dimensions": (np.arange(6.0).reshape(3, 1, 2), np.arange(4.0).reshape(4, 1)),
    "one sample, and one for all": (np.array([0.5]), LINE),
    "one sample": (np.array([0.5]), 2.0),
    "an array of no dimension": (np.array(0.5), LINE),
    "every second one": (np.arange(6.0)[::2], LINE),
    "backwards": (LINE[::-1], LINE),
    "transposed": (np.arange(6.0).reshape(2, 3).T, COLUMN),
    "whole numbers": (np.array([1, -2, 3]), LINE),
    "unsigned ones": (np.array([1, 2, 3], dtype=np.uint8), LINE),
    "float32": (LINE.astype(np.float32), 2.0),
    "several chunks": (np.linspace(-2.0, 2.0, 3 * CHUNK + 5), 0.75),
    "no samples": (np.zeros(0), 2.0),
    "an empty grid": (np.zeros((0, 3)), LINE),
}


@pytest.mark.parametrize("name", SHAPES)
def test_results_have_the_common_shape_and_gradients_that_of_their_argument(name: str, w: Value) -> None:
    def f(x: Any, y: Any) -> Any:
        return (w * x).tanh() * y + x * x

    values, slopes = one_by_one(f, *SHAPES[name])
    compiled = compile(f)
    got, got_slopes = compiled.value_and_grad(*SHAPES[name])
    again, again_slopes = compiled.value_and_grad(*SHAPES[name])  # by a shorter way, where there is one
    all_of_them = [got, *got_slopes, again, *again_slopes, compiled(*SHAPES[name]), compiled(*SHAPES[name])]
    for ours, true in zip(all_of_them, [values, *slopes, values, *slopes, values, values], strict=True):
        np.testing.assert_allclose(ours, true, rtol=1e-12, atol=1e-15 * values.size)
        assert np.shape(ours) == true.shape
        assert type(ours) is (np.ndarray if true.ndim else float)
        assert not true.ndim or ours.dtype == np.float64


def test_a_sample_of_several_features_is_a_list_of_arrays(w: Value) -> None:
    X = np.arange(8.0).reshape(4, 2)
    f = compile(lambda x, y: x[0] * x[1] * w - y)
    value, (slopes, slope) = f.value_and_grad(list(X.T), np.ones(4))
    assert value.tolist() == [-1.0, 2.0, 9.0, 20.0]
    assert [g.tolist() for g in slopes] == [[0.5, 1.5, 2.5, 3.5], [0.0, 1.0, 2.0, 3.0]]
    assert slope.tolist() == [-1.0] * 4


def test_results_and_gradients_have_the_structure_of_results_and_arguments() -> None:
    f = compile(lambda d: {"sum": d["a"] + d["b"][0], "parts": (d["a"], 7.0, "units")})
    result = f({"a": LINE, "b": [1.0]})
    assert result.keys() == {"sum", "parts"}
    assert (result["sum"].tolist(), result["parts"][0].tolist()) == ((LINE + 1.0).tolist(), LINE.tolist())
    assert (result["parts"][1].tolist(), result["parts"][2]) == ([7.0] * 3, "units")
    _, (slopes,) = compile(lambda d: d["a"] * d["b"][0]).value_and_grad({"a": LINE, "b": [2.0]})
    assert (slopes["a"].tolist(), slopes["b"]) == ([2.0] * 3, [LINE.sum()])


class Series:
    """What pandas and others have: no array, but something that gives one."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.array(self.numbers, dtype=dtype)


def test_what_gives_an_array_counts_as_one() -> None:
    f = compile(lambda x, y: x * y)
    for _ in range(2):
        assert f(Series([1.0, 2.0]), Series([3, 4])).tolist() == [3.0, 8.0]
        assert f(Series(3.0), 2.0) == 6.0


def test_a_function_may_be_called_with_numbers_and_with_arrays_in_turn(w: Value) -> None:
    f = compile(lambda x, y: w * x - y)
    for _ in range(2):
        assert f(2.0, 3.0) == -2.0
        assert f(np.array([2.0, 4.0]), 3.0).tolist() == [-2.0, -1.0]
        assert f(2.0, np.array([3.0, 4.0])).tolist() == [-2.0, -3.0]
        assert f(2, np.array([3.0, 4.0])).tolist() == [-2.0, -3.0]
        w.data = 0.5


MANY_RESULTS: dict[str, Callable[..., list[Any]]] = {
    "an argument": lambda x, y: [x, x, y, x * 1.0],
    "equal ones": lambda x, y: [x + y, x + y, y + x],
    "constants": lambda x, y: [2.0, 2.0, x, 3.0],
    "a list of them": lambda x, y: [(k * x).exp() for k in range(20)],
}


@pytest.mark.parametrize("n", [3, CHUNK + 1])
@pytest.mark.parametrize("name", MANY_RESULTS)
def test_results_are_the_callers_own(name: str, n: int) -> None:
    """They share memory neither with arguments nor with one another, and can be written to."""
    f, x, y = compile(MANY_RESULTS[name]), np.linspace(1.0, 2.0, n), np.linspace(0.0, 1.0, n)
    for _ in range(3):  # when it is recorded, and later
        results = f(x, y)
        hold_apart([x, y, *results])
    true = MANY_RESULTS[name](Value(2.0), Value(1.0))
    for array, last in zip(results, true, strict=True):
        assert array[-1] == pytest.approx(last.data if isinstance(last, Value) else last)


@pytest.mark.parametrize(
    "f",
    [lambda x, y: (x + y) ** 2, lambda x, y: x * y, lambda x, y: x + y, lambda x, y: y * y, lambda x, y: 3.0],
    ids=["equal gradients", "arguments are gradients", "constant gradients", "no gradient", "no argument"],
)
def test_gradients_are_the_callers_own(f: Callable[..., Any]) -> None:
    x, y, compiled = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), compile(f)
    for _ in range(3):
        value, slopes = compiled.value_and_grad(x, y)
        hold_apart([x, y, value, *slopes])


def hold_apart(arrays: list[Array]) -> None:
    for i, a in enumerate(arrays):
        assert a.flags.writeable
        assert a.shape == arrays[0].shape
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_a_result_that_is_the_same_for_all_samples_is_still_an_array(w: Value) -> None:
    of_w, constant, of_y = compile(lambda x: w * 2.0), compile(lambda x: 3.0), compile(lambda x, y: y * y)
    for _ in range(2):
        assert of_w(LINE).tolist() == [1.0] * 3
        assert constant(LINE).tolist() == [3.0] * 3
        value, slopes = of_y.value_and_grad(LINE, 2.0)
        assert (value.tolist(), slopes[0].tolist(), slopes[1]) == ([4.0] * 3, [0.0] * 3, 12.0)


# ---- sums over samples -----------------------------------------------------------------------------------------------
def test_the_gradients_of_parameters_are_summed_over_samples() -> None:
    model = nn.MLP(2, [5, 4, 1], activation="tanh", rng=random.Random(0))
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.linspace(-1.0, 1.0, 50)
    f = compile(lambda x, y: (model(x) - y) ** 2)
    losses = f.backward(list(X.T), y)
    slopes = [p.grad for p in model.parameters()]
    model.zero_grad()
    loss = tg.total([(model(list(row)) - target) ** 2 for row, target in zip(X.tolist(), y.tolist())])
    loss.backward()
    assert losses.sum() == pytest.approx(loss.data, rel=1e-12)
    assert slopes == pytest.approx([p.grad for p in model.parameters()], rel=1e-11, abs=1e-12)


IN_W: dict[str, Callable[[Any, Value], Any]] = {  # with the value of w, 0.5, and samples 1, 2, 3, 4
    "a product": lambda x, w: w * x,
    "a product of products": lambda x, w: 3.0 * (w * (-x) * w),
    "a penalty, which no sample changes": lambda x, w: x + w**2,
    "nothing else": lambda x, w: w * 3.0,
    "the parameter itself": lambda x, w: w,
    "not at all": lambda x, w: x * 2.0 + 0.0 * w,
    "in a function": lambda x, w: (w * x).tanh() / x,
    "a dot": lambda x, w: tg.dot([w, w * 2.0, 3.0], [x, w, x]),
    "a dot of numbers that no sample changes": lambda x, w: tg.dot([w, w, 2.0], [w, 3.0, 5.0]) * x,
    "a sum of products, one of them without samples": lambda x, w: w**2 * 1.5 + (w * x) ** 2,
    "a gradient": lambda x, w: grad((w * x) ** 3, x, create_graph=True),
    "an exponent": lambda x, w: x**w,
    "twice": lambda x, w: w * x + (w * x).exp() * w,
    "a chain of signs": lambda x, w: (-(w * x) * -2.0) * -1.0,
    "a chain of factors": lambda x, w: w * 1.5 * w * x * w * 2.0 * x,
}


@pytest.mark.parametrize("name", IN_W)
def test_a_gradient_is_the_sum_of_those_of_the_samples(name: str, w: Value) -> None:
    f, x = IN_W[name], np.array([1.0, 2.0, 3.0, 4.0])
    values, (slopes, slope) = one_by_one(f, x, w.data)
    compiled = compile(lambda x: f(x, w) * 1.0)
    for _ in range(2):
        w.grad = 0.0
        np.testing.assert_allclose(compiled.backward(x), values, rtol=1e-14)
        assert w.grad == pytest.approx(float(slope), rel=1e-13)
        assert type(w.grad) is float
    _, (our_slopes, our_slope) = compile(f).value_and_grad(x, w.data)  # and as an argument
    np.testing.assert_allclose(our_slopes, slopes, rtol=1e-14)
    assert our_slope == pytest.approx(float(slope), rel=1e-13)


def test_numbers_that_are_constants_of_the_program_are_floats() -> None:
    compiled = compile(lambda xs, y: sum(xs) * 2.0 + y)
    _, (slopes, slope) = compiled.value_and_grad([1.0, 2.0, 3.0], LINE)
    assert (slopes, slope.tolist()) == ([6.0] * 3, [1.0] * 3)
    _, (columns, _) = compiled.value_and_grad([LINE, 2.0, 3.0], LINE)
    assert (columns[0].tolist(), columns[1:]) == ([2.0] * 3, [6.0] * 2)
    assert {type(x) for x in [*slopes, *columns[1:]]} == {float}


def test_samples_in_several_chunks_are_summed_as_in_one(w: Value) -> None:
    n = 3 * CHUNK + 7
    x = np.linspace(-1.0, 1.0, n)
    f = compile(lambda x, y: (w * x - y) ** 2 + w)
    value, (slopes, slope) = f.value_and_grad(x, 0.25)
    assert f.backward(x, 0.25).tolist() == value.tolist()
    np.testing.assert_allclose(value, (0.5 * x - 0.25) ** 2 + 0.5, rtol=1e-14)
    np.testing.assert_allclose(slopes, 2.0 * (0.5 * x - 0.25) * 0.5, rtol=1e-13, atol=1e-15)
    assert slope == pytest.approx(-2.0 * np.sum(0.5 * x - 0.25), rel=1e-12)
    assert w.grad == pytest.approx(np.sum(2.0 * (0.5 * x - 0.25) * x) + n, rel=1e-12)
    of_no_sample = compile(lambda x: w**2)
    assert of_no_sample.backward(x).tolist() == [0.25] * n
    assert of_no_sample.value_and_grad(x)[1][0].tolist() == [0.0] * n


def test_of_no_samples_the_gradients_are_zero(w: Value) -> None:
    f = compile(lambda x, y: (w * x - y).log() + w.exp())
    value, (slopes, slope) = f.value_and_grad(np.zeros(0), 2.0)
    assert (value.tolist(), slopes.tolist(), slope) == ([], [], 0.0)
    assert (f.backward(np.zeros((2, 0)), 2.0).shape, w.grad) == ((2, 0), 0.0)
    assert f(np.array([8.0]), 2.0).tolist() == pytest.approx([math.log(2.0) + math.exp(0.5)])


def test_a_long_chain_of_factors_takes_time_in_proportion() -> None:
    """The gradient in each of them is summed over the samples: whoever walks the whole chain each time, walks far."""
    ws = [Value(1.0 + i / 1000.0) for i in range(200)]

    def f(x: Any) -> Any:
        for w in ws:
            x = -(x * w)
        return x

    compile(f).backward(np.array([1.0, 2.0]))
    product = math.prod(w.data for w in ws)
    assert [w.grad for w in ws] == pytest.approx([3.0 * product / w.data for w in ws], rel=1e-12)


def test_second_derivatives_of_all_samples_at_once(w: Value) -> None:
    f = compile(lambda x: tg.derivative(lambda v: (w * v).sin(), n=2)(x))
    np.testing.assert_allclose(f(LINE), -0.25 * np.sin(0.5 * LINE), rtol=1e-14)


# ---- arrays that do not fit ------------------------------------------------------------------------------------------
MISMATCHED: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "two arrays": (lambda x, y: x * y, (np.ones(3), np.ones(4)), r"x has shape \(3,\), but y has shape \(4,\)"),
    "two of three": (
        lambda x, y, z: x * y * z,
        (np.ones(3), np.ones((2, 1)), np.ones(4)),
        r"x has shape \(3,\), but z has shape \(4,\)",
    ),
    "deep inside": (
        lambda d, y: d["a"][0] * y,
        ({"a": [np.ones(3)]}, np.ones((2, 4))),
        r"d\.a\[0\] has shape \(3,\), but y has shape \(2, 4\)",
    ),
    "by keyword": (
        lambda x, *, scale: x * scale,
        (np.ones(3),),
        r"x has shape \(3,\), but scale has shape \(2,\)",
    ),
}


@pytest.mark.parametrize("name", MISMATCHED)
def test_shapes_that_do_not_match_are_both_named(name: str) -> None:
    f, arguments, message = MISMATCHED[name]
    keywords = {"scale": np.ones(2)} if name == "by keyword" else {}
    with pytest.raises(ValueError, match=f"^{message}: arrays need a number for each sample, or one for all$"):
        compile(f)(*arguments, **keywords)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([1.0, None]), "object"),
        (np.array([1.0, 2.0], dtype=object), "object"),
        (np.array(["1", "2"]), "<U1"),
        (np.array([1.0 + 2.0j]), "complex128"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), r"datetime64\[D\]"),
    ],
    ids=str,
)
def test_arrays_of_anything_but_numbers_are_an_error(array: Array, dtype: str) -> None:
    f = compile(lambda x, y: x * y)
    for _ in range(2):  # when it is recorded, and later
        with pytest.raises(
            TypeError, match=f"^y is an array of {dtype}, and a compiled function takes numbers and arrays"
        ):
            f(1.0, array)
        assert f(1.0, np.ones(1)) == 1.0


def test_an_array_of_values_is_as_a_list_of_them() -> None:
    with pytest.raises(TypeError, match=r"x\[1\]\[0\] is a Value, and a compiled function computes with plain numbers"):
        compile(lambda x: x[0][0])(np.array([[1.0], [Value(1.0)]]))


def test_a_table_in_place_of_a_list_of_columns_is_the_error_of_the_model() -> None:
    with pytest.raises(ValueError, match=r"^this model takes 2 inputs a sample, not 1$"):
        compile(nn.MLP(2, [3, 1]))(np.ones((4, 2)))


# ---- numbers outside a domain ----------------------------------------------------------------------------------------
BAD: dict[
    str, tuple[Callable[[Any], Any], float, float]
] = {  # a function, a number that will do, and one that will not
    "log of a negative number": (lambda x: x.log(), 2.0, -1.0),
    "log of zero": (lambda x: x.log(), 2.0, 0.0),
    "log1p": (lambda x: x.log1p(), 2.0, -1.0),
    "division by zero": (lambda x: 1.0 / x, 2.0, 0.0),
    "zero divided by zero": (lambda x: x / x, 2.0, 0.0),
    "sqrt": (lambda x: x.sqrt(), 2.0, -1.0),
    "exp": (lambda x: x.exp(), 2.0, 710.0),
    "expm1": (lambda x: x.expm1(), 2.0, 710.0),
    "cosh": (lambda x: x.cosh(), 2.0, -711.0),
    "sinh": (lambda x: x.sinh(), 2.0, 711.0),
    "asin": (lambda x: x.asin(), 0.5, 2.0),
    "acos": (lambda x: x.acos(), 0.5, -1.5),
    "sin of infinity": (lambda x: x.sin(), 0.5, math.inf),
    "tan of infinity": (lambda x: x.tan(), 0.5, -math.inf),
    "a root of a negative number": (lambda x: x ** (1 / 3), 0.5, -8.0),
    "a negative number to a variable power": (lambda x: x ** (x + 0.5), 0.5, -2.0),
    "a power that overflows": (lambda x: x**2, 0.5, 1e200),
    "a power with exponent -1": (lambda x: x**-1, 0.5, 0.0),
    "an exponential that overflows": (lambda x: 2.0**x, 0.5, 1024.0),
    "inf - inf": (lambda x: (x + 1e308) - (x + 1.5e308), 0.5, 1e308),
    "inf * 0": (lambda x: (x * 1e308 * 10.0) * (x - 1.0), 0.0, 1.0),
    "inf / inf": (lambda x: (x * 1e308 * 10.0) / (1.0 + x * 1e308 * 20.0), 0.0, 1.0),
    "an error that the result does not show": (lambda x: (x.exp() - 1.0).tanh(), 2.0, 710.0),
    "an overflow that the result does not show": (lambda x: (x**2).tanh(), 2.0, 1e200),
}
STEEP: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "sqrt": (lambda x: x.sqrt(), 2.0, 0.0),
    "asin": (lambda x: x.asin(), 0.5, 1.0),
    "acos": (lambda x: x.acos(), 0.5, -1.0),
    "a root": (lambda x: x**0.5, 0.5, 0.0),
    "0 · inf, of which the value tells nothing": (lambda x: 1e200 * tg.clamp(x, 1e-300, 1.0) * 1e200, 0.5, -1.0),
}


def error_of(f: Callable[[], Any]) -> tuple[type[Exception], str]:
    try:
        f()
    except (ValueError, ArithmeticError) as error:
        return type(error), str(error)
    pytest.fail("there was no error")


@pytest.mark.parametrize("name", BAD)
def test_on_numbers_it_is_the_error_of_the_engine(name: str) -> None:
    f, good, bad = BAD[name]
    compiled = compile(lambda x: f(x))
    eager = error_of(lambda: f(Value(bad, label="x")))
    assert error_of(lambda: compiled(bad)) == eager  # met while it is recorded
    compiled(good)
    assert error_of(lambda: compiled(bad)) == eager  # met by the program
    assert error_of(lambda: compiled.value_and_grad(bad)) == eager
    assert compiled(good) == pytest.approx(f(Value(good)).data)


def samples(good: float, bad: float, shape: tuple[int, ...], index: tuple[int, ...]) -> Array:
    x = np.full(shape, good)
    x[index] = bad
    return x


PLACES: list[tuple[tuple[int, ...], tuple[int, ...], str]] = [  # a shape, where the bad number is, and how that is told
    ((1,), (0,), "0"),
    ((7,), (0,), "0"),
    ((7,), (3,), "3"),
    ((7,), (6,), "6"),
    ((2, 3), (1, 2), "(1, 2)"),
    ((2, 3), (0, 1), "(0, 1)"),
    ((2 * CHUNK + 3,), (CHUNK,), str(CHUNK)),
    ((2 * CHUNK + 3,), (2 * CHUNK + 2,), str(2 * CHUNK + 2)),
]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(("shape", "index", "told"), PLACES, ids=str)
def test_on_arrays_it_names_the_sample_too(
    name: str, shape: tuple[int, ...], index: tuple[int, ...], told: str
) -> None:
    f, good, bad = BAD[name]
    kind, words = error_of(lambda: f(Value(bad, label="x")))
    compiled = compile(lambda x: f(x))
    x = samples(good, bad, shape, index)
    assert error_of(lambda: compiled(x)) == (kind, f"{words}, in sample {told}")
    compiled(good)
    assert error_of(lambda: compiled(x)) == (kind, f"{words}, in sample {told}")
    assert error_of(lambda: compiled.value_and_grad(x)) == (kind, f"{words}, in sample {told}")
    np.testing.assert_allclose(compiled(np.full(shape, good)), f(Value(good)).data)


@pytest.mark.parametrize("name", STEEP)
def test_a_slope_that_is_infinite_or_no_number_is_an_error_where_it_is_asked_for(name: str) -> None:
    f, good, bad = STEEP[name]
    kind, words = error_of(lambda: f(Value(bad, label="x")).backward())
    compiled = compile(lambda x: f(x))
    assert error_of(lambda: compiled.value_and_grad(bad)) == (kind, words)  # met while it is recorded
    compiled.value_and_grad(good)
    assert error_of(lambda: compiled.value_and_grad(bad)) == (kind, words)
    x = samples(good, bad, (9,), (5,))
    assert error_of(lambda: compiled.value_and_grad(x)) == (kind, f"{words}, in sample 5")
    assert compiled(x)[5] == f(Value(bad)).data  # the value itself is there
    scale = Value(1.0, label="scale")
    in_scale = compile(lambda x: f(x * scale) + 0.0)
    in_scale.backward(np.full(3, good))
    before = scale.grad
    with pytest.raises(kind, match=r", in sample 5$"):
        in_scale.backward(x)
    assert scale.grad == before


def test_it_is_the_first_sample_of_several_that_is_named() -> None:
    f = compile(lambda x: x.log())
    x = np.ones(1000)
    x[[400, 17, 999]] = -1.0, 0.0, -2.0
    with pytest.raises(ValueError, match=r"^log is not defined at 0\.0 \(node 'x'\), in sample 17$"):
        f(x)


def test_an_input_is_named_by_where_it_is_found() -> None:
    f = compile(lambda table: table["a"][1].log())
    with pytest.raises(ValueError, match=r"^log is not defined at -1\.0 \(node 'table\.a\[1\]'\), in sample 2$"):
        f({"a": [1.0, np.array([1.0, 2.0, -1.0])]})


@pytest.mark.parametrize(
    ("f", "number", "kind", "words"),
    [
        (lambda x, w: x / w, 0.0, ZeroDivisionError, "div is not defined at 2.0, 0.0 (node 'x', 'w')"),
        (lambda x, w: x * w.log(), -1.0, ValueError, "log is not defined at -1.0 (node 'w')"),
        (lambda x, w: (x * w**2).tanh(), 1e200, OverflowError, "power(2) overflows at 1e+200 (node 'w')"),
        (lambda x, w: x * (w * 1e9 - w * 2e9), 1e300, FloatingPointError, "sub is not a number (nan) at inf, inf"),
        (lambda x, w: (x * w).exp(), 1e3, OverflowError, "exp overflows at 2000.0"),
    ],
    ids=["1 / 0", "log", "overflow", "inf - inf", "exp"],
)
def test_a_parameter_outside_a_domain(
    f: Callable[..., Any], number: float, kind: type[Exception], words: str, w: Value
) -> None:
    compiled = compile(lambda x: f(x, w))
    for run in (compiled, compiled.backward, compiled.value_and_grad):
        w.data = 0.5
        run(2.0)
        run(np.array([2.0, 3.0]))
        w.data = number
        assert error_of(lambda run=run: run(2.0)) == (kind, words)
        assert error_of(lambda run=run: run(np.array([2.0, 3.0]))) == (kind, f"{words}, in sample 0")


def test_a_nan_that_is_born_in_a_sum_over_samples_is_found(w: Value) -> None:
    """NumPy says nothing of inf · 0 within a product of two arrays."""
    f = compile(lambda x: x * 1e308 * 10.0 * (w * (x - 1.0)).exp())
    x = np.array([0.0, 0.0, 1.0, 0.0])
    assert f(x).tolist() == [0.0, 0.0, math.inf, 0.0]
    with pytest.raises(FloatingPointError, match=r"^the gradient through mul is not a number .*, in sample 2$"):
        f.backward(x)
    assert w.grad == 0.0


def test_a_parameter_outside_a_domain_is_an_error_of_the_first_sample_if_there_is_one() -> None:
    w = Value(-1.0, label="w")
    f = compile(lambda x: x + w.log())
    assert f(np.zeros(0)).tolist() == []
    with pytest.raises(ValueError, match=r"^log is not defined at -1\.0 \(node 'w'\), in sample 0$"):
        f(np.zeros(3))


# ---- numbers that are not finite, and no error -----------------------------------------------------------------------
def test_what_the_engine_tolerates_is_no_error(w: Value) -> None:
    """A sum or a product too large for a float is inf, as on Python's floats."""
    f = compile(lambda x: (x * 1e308 * 10.0).tanh() + w * x)
    x = np.array([1.0, -1.0, 0.25])
    assert f(1.0) == 1.5
    assert f(x).tolist() == [1.5, -1.5, 1.125]
    g = compile(lambda x: x * 1e308 * 10.0)
    assert (g(1.0), g(x).tolist()) == (math.inf, [math.inf, -math.inf, math.inf])
    assert g.value_and_grad(x)[1][0].tolist() == [math.inf] * 3
    assert compile(lambda x: x + 1e308)(np.array([1e308, 1.0])).tolist() == [math.inf, 1e308]


def test_a_nan_that_is_put_in_goes_through(w: Value) -> None:
    f = compile(lambda x, y: (w * x).tanh() * y)
    x = np.array([1.0, math.nan, 3.0])
    values, slopes = one_by_one(lambda x, y: (w * x).tanh() * y, x, 2.0)
    got, got_slopes = f.value_and_grad(x, 2.0)
    np.testing.assert_allclose([*got, *got_slopes[0]], [*values, *slopes[0]], rtol=1e-14)
    assert math.isnan(got_slopes[1])
    f.backward(x, 2.0)
    assert math.isnan(w.grad)
    assert math.isnan(f(math.nan, 2.0))


def test_an_error_is_found_beside_numbers_that_are_not_finite() -> None:
    f = compile(lambda x: (x * 10.0).log())
    x = np.array([math.nan, 1e308, 1.0, math.inf, -1.0, math.nan])
    with pytest.raises(ValueError, match=r"log is not defined at -10\.0, in sample 4$"):
        f(x)
    assert f(x[:4]).tolist() == pytest.approx([math.nan, math.inf, math.log(10.0), math.inf], nan_ok=True)


def test_few_samples_are_computed_one_by_one_to_look_for_an_error() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return (x * 10.0).tanh()

    compiled = compile(f)
    x = np.full(1000, 2.0)
    compiled(x)
    x[[3, 500]] = 1e308  # too large for a float when it is multiplied, and no error
    calls.clear()
    assert compiled(x).tolist() == pytest.approx([1.0] * 1000)
    assert len(calls) == 2


def test_no_warning_and_no_setting_of_numpy_gets_out(w: Value) -> None:
    """Warnings are errors in these tests."""
    f = compile(lambda x: (w * x).exp())
    before = np.geterr()
    with pytest.raises(OverflowError, match="in sample 1"):
        f(np.array([1.0, 1e5]))
    f(np.array([1.0, -1e5]))  # too small for a float: 0
    assert np.geterr() == before
    with np.errstate(all="ignore"), pytest.raises(OverflowError, match="in sample 1"):
        f(np.array([1.0, 1e5]))


# ---- limits, cache, threads ------------------------------------------------------------------------------------------
def test_a_branch_is_refused_for_arrays_as_for_numbers() -> None:
    with pytest.raises(RecordingError, match="compares Values"):
        compile(lambda x: x if x > 0 else -x)(LINE)


def test_parameters_are_read_afresh_for_each_batch(w: Value) -> None:
    f = compile(lambda x: w * x)
    assert f(LINE).tolist() == (0.5 * LINE).tolist()
    w.data = -2.0
    assert f(LINE).tolist() == (-2.0 * LINE).tolist()


def test_the_function_is_not_run_again_for_other_shapes() -> None:
    calls = []
    f = compile(lambda x, y: calls.append(1) or x * y)
    for arguments in [(LINE, 2.0), (LINE, LINE), (COLUMN, ROW), (2.0, 3.0), (np.zeros(0), 1.0)]:
        f(*arguments)
    assert len(calls) == 2  # as often as for one number


def test_many_threads_run_batches_at_once(w: Value) -> None:
    f = compile(lambda x, y: (w * x - y).tanh())
    meet = threading.Barrier(6)

    def call(i: int) -> tuple[Array, list[Any]]:
        meet.wait(timeout=10)
        return f.value_and_grad(LINE * i, 0.25)

    for i, (value, given) in enumerate(in_threads(*[partial(call, i) for i in range(6)])):
        values, slopes = one_by_one(lambda x, y: (w * x - y).tanh(), LINE * i, 0.25)
        np.testing.assert_allclose([*value, *given[0], given[1]], [*values, *slopes[0], slopes[1]], rtol=1e-13)
