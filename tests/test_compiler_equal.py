"""Compiled programs compute what the engine computes: functions, expressions and models, at any numbers.

Values and gradients are the same whichever way a function is run: on the engine, as a replayed tape, as Python, NumPy
or JavaScript, compiled for numbers and for arrays; the ways stand in `uses.py`. Here they run functions of several
operations, those of one's own, and expressions and models that Hypothesis makes up; what lies outside a domain is the
same error. Each operation of the table by itself is held against the truth in `test_ops.py`, that a program is rolled
and differentiated rightly is checked before it is printed, in `test_roll.py`, `test_vjp.py` and `test_samples.py`. That
the check can fail is checked too.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from javascript import JavaScript
from models import BY_HAND, Model, hold, is_decided, models
from operations import ROWS, Row, every_row
from profiles import sample
from rounding import rounding_errors
from uses import (
    Function,
    Point,
    application,
    backward,
    in_javascript,
    in_numpy,
    in_python,
    replayed,
    second_derivatives,
    taped,
    transposed,
)

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, define_op, grad, record
from tinygrad_edu.compiler import Recorded
from tinygrad_edu.compiler.printers import LANGUAGES
from tinygrad_edu.compiler.printers.notation import JAVASCRIPT, JAX, LATEX, NUMPY, PYTHON, Notation
from tinygrad_edu.compiler.program import Statement
from tinygrad_edu.engine import apply
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.rules import OPS, find
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression
from tinygrad_edu.viz.explorer import make_page

Array = Any  # of NumPy


# ---- the ways to run a program: the outputs at each of some points ---------------------------------------------------
def in_languages(program: Recorded, points: Sequence[Point], javascript: JavaScript) -> list[list[list[float]]]:
    """The outputs in Python, NumPy and JavaScript; the parameters are those of the example."""
    points = [(*xs, *program.tape.example[len(xs) :]) for xs in points]
    return [in_python(program, points), in_numpy(program, points), in_javascript(program, points, javascript)]


# ---- what is right ---------------------------------------------------------------------------------------------------
def check(
    got: Sequence[Sequence[float]], true: Sequence[Sequence[float]], points: Sequence[Point], language: str = ""
) -> None:
    """The same to 1e-12 of each number; where numbers of about 1 cancel out, to 1e-15."""
    assert len(got) == len(true) == len(points)
    for results, truths, xs in zip(got, true, points):
        assert len(results) == len(truths)
        for i, (y, truth) in enumerate(zip(results, truths)):
            assert math.isclose(y, truth, rel_tol=1e-12, abs_tol=1e-15), (
                f"{language} output {i} at {xs}: {y}, not {truth}"
            )


def check_compiled(f: Function, points: Sequence[Point]) -> None:
    """On numbers, and on arrays of all points."""
    compiled, true = compile(f), [backward(f, xs) for xs in points]
    check([[compiled(*xs)] for xs in points], [[y] for y, *_ in true], points)
    on_numbers = [compiled.value_and_grad(*xs) for xs in points]
    check([[y, *slopes] for y, slopes in on_numbers], true, points)
    value, slopes = compiled.value_and_grad(*map(np.array, zip(*points)))
    check(transposed([value, *slopes], len(points)), true, points)


def check_in_languages(
    program: Recorded, true: Sequence[Sequence[float]], points: Sequence[Point], javascript: JavaScript
) -> None:
    for language, got in zip(("Python", "NumPy", "JavaScript"), in_languages(program, points, javascript)):
        check(got, true, points, language)


@pytest.mark.parametrize("row", sample(ROWS, 12), ids=str)
def test_a_program_does_not_depend_on_the_numbers_it_was_recorded_with(row: Row) -> None:
    f = application(row.op)
    for arity in row.arities:
        programs = [record(f, *xs, gradients=True) for xs in row.samples(arity)]
        for language in LANGUAGES:
            these = programs if language == "python" else [programs[0], programs[-1]]
            assert len({program.source(language) for program in these}) == 1, language


# ---- operations of one's own, and families with different numbers in one program -------------------------------------
POINTS = [(-1.25,), (0.75,), (2.0,)]
PAIRS = [(-1.25, 0.5), (0.75, 0.875), (2.0, -0.5)]


def value_and_gradients(f: Function) -> Function:
    """The function of the value and the gradients: Values for Values."""

    def function(*xs: Value) -> list[Value]:
        y = f(*xs)
        return [y, *grad(y, xs, create_graph=True)]

    return function


def check_value_and_derivatives(f: Function, points: Sequence[Point], javascript: JavaScript) -> None:
    """The value alone too: with gradients more has a name, and less stands in one expression."""
    check_compiled(f, points)
    true = [backward(f, xs) for xs in points]
    check_in_languages(record(f, *points[0]), [[y] for y, *_ in true], points, javascript)
    check_in_languages(record(f, *points[0], gradients=True), true, points, javascript)
    check(replayed(taped(value_and_gradients(f), points[0]), points), true, points)
    seconds = second_derivatives(f)
    true = [[second.data for second in seconds(*map(Value, xs))] for xs in points]
    check_in_languages(record(seconds, *points[0]), true, points, javascript)


def test_an_operation_of_ones_own(javascript: JavaScript) -> None:
    cube = define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    check_value_and_derivatives(lambda x: cube(x) + cube(2.0 * x), POINTS, javascript)


def test_an_operation_of_ones_own_that_uses_others(javascript: JavaScript) -> None:
    define_op("gate", lambda m, x: m.sigmoid(2.0 * x), lambda m, y, x: (2.0 * y * (1.0 - y),))
    swish = define_op("swish", lambda m, x: x * m.gate(x), lambda m, y, x: (m.gate(x) * (1.0 + 2.0 * (x - y)),))
    check_value_and_derivatives(lambda x: swish(x) * x, POINTS, javascript)


def test_an_operation_of_ones_own_on_any_number_of_inputs(javascript: JavaScript) -> None:
    norm = define_op("norm", lambda m, *xs: m.sqrt(sum(x * x for x in xs)), lambda m, y, *xs: tuple(x / y for x in xs))
    check_value_and_derivatives(lambda a, b: norm(a, b) * norm(a, b, a * b) + norm(a), PAIRS, javascript)


def test_an_operation_of_ones_own_that_is_a_constant(javascript: JavaScript) -> None:
    seven = define_op("seven", lambda m, x: 7.0, lambda m, y, x: (0.0,))
    check_value_and_derivatives(lambda x: seven(x) * x, POINTS, javascript)


# names of the languages, of what a program imports, of its variables, and of steps of the compiler
NAMES = "sum inner count len map print math np gamma cbrt hypot e pi var eval delete Infinity NaN f y v1 x a xs größe π"


@pytest.mark.parametrize("name", sample(NAMES.split(), 8))
def test_an_operation_and_a_variable_may_have_any_name(name: str, javascript: JavaScript) -> None:
    op = define_op(name, lambda m, x: x * m.sin(x), lambda m, y, x: (m.sin(x) + x * m.cos(x),))

    def f(x: Value) -> Value:
        labelled = op(x)
        labelled.label = name
        return labelled * op(labelled) + op(2.0 * x)

    check_value_and_derivatives(f, POINTS, javascript)
    called_so = eval(f"lambda {name}: op({name}) * {name}", {"op": op})
    check_value_and_derivatives(called_so, POINTS, javascript)


FAMILIES_WITH_SEVERAL_NUMBERS = {
    "leaky_relu": lambda x: x.leaky_relu(0.1) + x.leaky_relu(0.2) * x.leaky_relu(-1.5),
    "elu": lambda x: x.elu() * x.elu(0.5) + x.elu(2.0),
    "power": lambda x: x**2 + x**3 * x**-1 + x**-3 + (x * x) ** 0.5 + (x * x) ** -1.5 + x**2.0 + x**12,
    "exponential": lambda x: 2**x + 3.0**x * 0.5**x + 1.0**x + 0.0 ** (x * x),
    "clamp": lambda x: x.clamp(-1, 1) * x.clamp(-0.5, 3) + x.clamp(-math.inf, 1) + x.clamp(0.5, math.inf),
}


@pytest.mark.parametrize("name", FAMILIES_WITH_SEVERAL_NUMBERS)
def test_members_of_a_family_in_one_program(name: str, javascript: JavaScript) -> None:
    check_value_and_derivatives(FAMILIES_WITH_SEVERAL_NUMBERS[name], POINTS, javascript)


SIGNS_AND_BRACKETS = {
    "signs": lambda x, y: -(x**2) * -y - -x - (-y) * -1.0 + (-x) ** 3 + -x * -2.0 + (x * -1.0) * (-1.0 * y),
    "differences": lambda x, y: (x - (y - x)) * (x - (x + y)) - (y + (y - x)) * (x - y),
    "quotients": lambda x, y: x / (y * (x * y)) / (x / (y / x)) / -x,
    "powers": lambda x, y: (x**2) ** 3 + 2.0 ** (x**2) + (2.0**x) ** y + -(x**-1) + ((-x) ** 2) ** -y,
    "numbers": lambda x, y: (1e-7 * x - -1e-7) * 1e22 / (y - 1e30) * -1e30 + (0.1 + x) + 5e-324 * y,
    "equal terms": lambda x, y: (x + y) * (y + x) - (x * y) * (y * x) + x / x + (x - x),
    "neutral terms": lambda x, y: 1.0 * x + 0.0 + y * 1.0 - 0.0 + 0.0 * y + x / 1.0 + (0.0 - x) + 1.0 / y + y**1 + x**0,
}


@pytest.mark.parametrize("name", SIGNS_AND_BRACKETS)
def test_signs_and_brackets(name: str, javascript: JavaScript) -> None:
    check_value_and_derivatives(SIGNS_AND_BRACKETS[name], PAIRS, javascript)


# ---- sums over samples: each of w's gradients leads another way through them -----------------------------------------
SUMMED = {
    "a term": lambda x, y, w: w + x,
    "a constant multiple": lambda x, y, w: 3.0 * w + x * y,
    "a product": lambda x, y, w: w * x,
    "a product of two": lambda x, y, w: w * x * y,
    "a negative product": lambda x, y, w: y - w * (x * y),
    "a sum of products": lambda x, y, w: (w * x + y) ** 2 + w * x,
    "products with what does not vary": lambda x, y, w: w * w * x - 2.0 * w * y + w**3,
    "a function": lambda x, y, w: (w * x + y).tanh() * -w,
    "nothing": lambda x, y, w: x * y + 0.0 * w,
}


@pytest.mark.parametrize("name", SUMMED)
def test_gradients_of_parameters_are_summed_over_samples(name: str) -> None:
    w = Value(-0.75, label="w")
    f = partial(SUMMED[name], w=w)
    arrays = [np.array(column) for column in zip(*PAIRS)]
    *true, in_w = np.array([backward(SUMMED[name], (*xs, w.data)) for xs in PAIRS]).T
    compiled = compile(f)
    value, slopes = compiled.value_and_grad(*arrays)
    compiled.backward(*arrays)
    for y, truth in zip((value, *slopes, w.grad), [*true, in_w.sum()], strict=True):
        assert y == pytest.approx(truth, rel=1e-12, abs=1e-15)


# ---- expressions -----------------------------------------------------------------------------------------------------
TINY = 1e-300  # where numbers lose their digits


class Sampled:
    """An expression as a function of arguments and parameters, at a number of samples.

    An argument has a number for each sample, or one number for all of them. `first` are the numbers of the first one,
    which are those of the expression's point.
    """

    def __init__(self, f: Expression, parameters: int, columns: Sequence[list[float] | float]) -> None:
        self.expression, self.columns = f, columns
        numbers = f.point[len(f.point) - parameters :]
        self.parameters = [Value(x, label=f"p{i}") for i, x in enumerate(numbers)]
        self.samples = next((len(column) for column in columns if isinstance(column, list)), 1)

    def __call__(self, *xs: Value) -> Value:
        return self.expression(*xs, *self.parameters)

    def with_gradients(self, *xs: Value) -> list[Value]:
        """The value, and its gradients in the arguments and the parameters."""
        y = self(*xs)
        return [y, *grad(y, [*xs, *self.parameters], create_graph=True)]

    def second(self, *xs: Value) -> list[Value]:
        """The second derivatives, row by row."""
        _, *slopes = self.with_gradients(*xs)
        return [y for slope in slopes for y in grad(slope, [*xs, *self.parameters], create_graph=True)]

    def sample(self, k: int) -> list[float]:
        return [column[k] if isinstance(column, list) else column for column in self.columns]

    def arrays(self) -> list[Any]:
        return [np.array(column) if isinstance(column, list) else column for column in self.columns]

    def truths(self, function: Callable[..., Any]) -> list[tuple[list[float], list[float]]]:
        """What the engine makes of each sample, with the rounding errors."""
        results = []
        for k in range(self.samples):
            y = function(*map(Value, self.sample(k)))
            ys = y if isinstance(y, list) else [y]
            results.append(([v.data for v in ys], rounding_errors(*ys)))
        return results

    def __repr__(self) -> str:
        return (
            f"{len(self.parameters)} of the last inputs are parameters, arguments: {self.columns}\n{self.expression}\n"
        )


@st.composite
def sampled(draw: Callable[[Any], Any]) -> Sampled:
    """An expression at its point and at two others, close by where others are outside a domain or at a kink."""
    f = draw(strategies.expressions(labels=st.sampled_from(["", "", "", "y", "loss", "x"])))
    assume(decided(f, f.point))
    n = len(f.point)
    parameters = draw(st.integers(0, n - 1))
    shared = [draw(st.integers(0, 2)) == 2 for _ in range(n - parameters)]
    random = Random(draw(st.integers(0, 1000)))
    points = [f.point]
    for _ in range(2):
        for spread in (2.0, 0.1, 1e-4, 0.0):
            point = [x + round(random.uniform(-spread, spread), 6) for x in f.point]
            point = [x if i >= len(shared) or shared[i] else y for i, (x, y) in enumerate(zip(f.point, point))]
            if decided(f, point):
                points.append(tuple(point))
                break
    columns = [x if all_alike else list(column) for all_alike, x, column in zip(shared, f.point, zip(*points))]
    return Sampled(f, parameters, columns)


def decided(f: Expression, point: Sequence[float]) -> bool:
    leaves = [Value(x) for x in point]
    return is_decided(Model(lambda: f(*leaves), leaves))


def close(got: Iterable[float], true: Sequence[float], errors: Sequence[float]) -> None:
    got = list(got)
    assert len(got) == len(true)
    for i, (y, truth, error) in enumerate(zip(got, true, errors)):
        assert abs(y - truth) <= 1e-12 * error + TINY, f"output {i}: {y}, not {truth}"


def share(of_examples: float) -> settings:
    """Fewer examples, where one of them takes long."""
    return settings(max_examples=max(3, round(settings.default.max_examples * of_examples)))


@share(0.2)
@given(sampled())
def test_expressions_compiled_for_numbers_and_arrays(f: Sampled) -> None:
    for function in (f, f.with_gradients):
        true, compiled = f.truths(function), compile(function)
        for k, (numbers, errors) in enumerate(true):
            close(flat(compiled(*f.sample(k))), numbers, errors)
        results = compiled(*f.arrays())
        for got, (numbers, errors) in zip(transposed(flat(results), f.samples), true):
            close(got, numbers, errors)


@share(0.2)
@given(sampled())
def test_gradients_of_expressions_are_summed_over_samples(f: Sampled) -> None:
    """In arguments that are the same for all samples, and in parameters; in arrays, one for each sample."""
    true, errors = map(np.array, zip(*f.truths(f.with_gradients)))
    compiled = compile(f)
    for _ in range(2):
        value, slopes = compiled.value_and_grad(*f.arrays())
        for p in f.parameters:
            p.grad = 0.0
        values = compiled.backward(*f.arrays())
        columns = [*zip([None, *f.columns], [value, *slopes])] + [(0.0, p.grad) for p in f.parameters]
        close(np.broadcast_to(values, f.samples), true[:, 0], errors[:, 0])
        for i, (column, got) in enumerate(columns):
            if column is None or isinstance(column, list):
                close(np.broadcast_to(got, f.samples), true[:, i], errors[:, i])
            else:
                close([got], [true[:, i].sum()], [errors[:, i].sum()])


@share(0.2)
@given(sampled())
def test_expressions_in_every_language(javascript: JavaScript, f: Sampled) -> None:
    points, true = [f.sample(k) for k in range(f.samples)], f.truths(f.with_gradients)
    for results in in_languages(record(f, *points[0], gradients=True), points, javascript):
        for got, (numbers, errors) in zip(results, true):
            close(got, numbers, errors)
    for results in in_languages(record(f, *points[0]), points, javascript):
        for got, (numbers, errors) in zip(results, true):
            close(got, numbers[:1], errors)


@share(0.1)
@given(sampled())
def test_second_derivatives_of_expressions(javascript: JavaScript, f: Sampled) -> None:
    points, true, compiled = [f.sample(k) for k in range(f.samples)], f.truths(f.second), compile(f.second)
    ways = [transposed(compiled(*f.arrays()), f.samples), [compiled(*point) for point in points]]
    ways += in_languages(record(f.second, *points[0]), points, javascript)
    for results in ways:
        for got, (numbers, errors) in zip(results, true):
            close(got, numbers, errors)


@share(0.1)
@given(sampled(), st.sampled_from([1, 2, 5, 20]))
def test_expressions_over_lists_of_samples(javascript: JavaScript, f: Sampled, times: int) -> None:
    """The mean over a list, of which the program is one of arrays."""
    rows = [f.sample(k) for k in range(f.samples)] * times

    def loss(X: Sequence[Sequence[Any]]) -> Any:
        return sum(f(*x) for x in X) / len(X)

    leaves = [[Value(x) for x in row] for row in rows]
    y = loss(leaves)
    ys = [y, *grad(y, [*flat(leaves), *f.parameters], create_graph=True)]
    numbers, errors = [v.data for v in ys], rounding_errors(*ys)
    value, (slopes,) = compile(loss).value_and_grad(rows)
    close([value, *flat(slopes)], numbers[: 1 + len(flat(rows))], errors)
    for (got,) in in_languages(record(loss, rows, gradients=True), [flat(rows)], javascript):
        close(got, numbers, errors)


def flat(nested: Any) -> list[Any]:
    return [x for part in nested for x in flat(part)] if isinstance(nested, (list, tuple)) else [nested]


def test_expressions_have_parameters_and_shared_arguments_and_samples_apart() -> None:
    made: list[Sampled] = []

    @settings(max_examples=150, database=None, derandomize=True)
    @given(sampled())
    def draw(f: Sampled) -> None:
        made.append(f)

    draw()
    assert sum(bool(f.parameters) for f in made) > 15
    assert sum(any(isinstance(column, float) for column in f.columns) for f in made) > 15
    assert sum(any(isinstance(column, list) and len({*column}) == 3 for column in f.columns) for f in made) > 75
    assert {node.op.name for f in made for node in f.expression.steps} >= {"sin", "pow", "where", "total", "logsumexp"}


# ---- models ----------------------------------------------------------------------------------------------------------
def hold_in_languages(model: Model, javascript: JavaScript) -> None:
    """The loss and its gradients in the parameters, from the program of the loss."""
    program = record(model.loss, *model.arguments, gradients=True)
    labels = [program.tape.entries[place].label for place in program.tape.parameters]
    for (results,) in in_languages(program, [flat(model.arguments)], javascript):
        slopes = dict(zip(labels, results[len(results) - len(labels) :]))
        hold([results[0], *[slopes.get(p.label, 0.0) for p in model.parameters]], model)


def by_backward(model: Model, *arguments: Any) -> tuple[Any, list[float]]:
    """What the compiled loss returns, and the gradients that it leaves in the parameters."""
    try:
        value = compile(model.loss).backward(*arguments)
        return value, [p.grad for p in model.parameters]
    finally:
        for p in model.parameters:
            p.grad = 0.0


@share(0.06)
@given(models())
def test_drawn_models(javascript: JavaScript, model: Model) -> None:
    loss, slopes = by_backward(model, *model.arguments)
    hold([loss, *slopes], model)
    hold_in_languages(model, javascript)


@pytest.mark.parametrize("name", sample([*BY_HAND], 6))
def test_models_written_by_hand(name: str, javascript: JavaScript) -> None:
    model = BY_HAND[name]()
    loss, slopes = by_backward(model, *model.arguments)
    hold([loss, *slopes], model)
    hold_in_languages(model, javascript)


@share(0.06)
@given(models().filter(lambda model: model.arguments), st.integers(0, 1000))
def test_drawn_models_for_arrays_of_their_arguments(model: Model, seed: int) -> None:
    """Each number of the arguments is an array: of the model's own, and of others where these are decided, too."""
    random = Random(seed)
    samples = [model]
    for spread in (0.5, 0.05, 0.0):
        other = Model(model.loss, model.parameters, moved(model.arguments, spread, random), model.text)
        if is_decided(other):
            samples.append(other)
    values, slopes = by_backward(model, *stacked([sample.arguments for sample in samples]))
    ys = [sample.loss(*sample.arguments) for sample in samples]
    all_slopes = grad(tg.total(ys), model.parameters, create_graph=True)
    close([*values, *slopes], [v.data for v in (*ys, *all_slopes)], rounding_errors(*ys, *all_slopes))


def moved(x: Any, spread: float, random: Random) -> Any:
    if isinstance(x, (list, tuple)):
        return [moved(part, spread, random) for part in x]
    return x if isinstance(x, int) else x + round(random.uniform(-spread, spread), 3)


def stacked(samples: Sequence[Any]) -> Any:
    """One structure with an array at each place where these have floats."""
    first = samples[0]
    if isinstance(first, (list, tuple)):
        return [stacked(parts) for parts in zip(*samples)]
    return first if isinstance(first, int) else np.array(samples)


@share(0.03)
@given(models(arguments=False).filter(lambda model: len(model.parameters) <= 20))
def test_second_derivatives_of_drawn_models(javascript: JavaScript, model: Model) -> None:
    """The gradient of the square of the length of the gradient."""

    def lengths() -> list[Value]:
        slopes = grad(model.loss(), model.parameters, create_graph=True)
        return grad(sum(slope * slope for slope in slopes), model.parameters, create_graph=True)

    true = lengths()
    for got in (compile(lengths)(), *[results[0] for results in in_languages(record(lengths), [()], javascript)]):
        close(got, [v.data for v in true], rounding_errors(*true))


# ---- outside a domain ------------------------------------------------------------------------------------------------
OUTSIDE: dict[str, tuple[Callable[[Any], Any], float]] = {  # and a number that is
    "log": (lambda x: x.log(), -1.0),
    "sqrt": (lambda x: x.sqrt(), -2.0),
    "division": (lambda x: 1.0 / x, 0.0),
    "acos": (lambda x: x.acos(), 1.5),
    "exp": (lambda x: x.exp(), 800.0),
    "sin": (lambda x: x.sin(), math.inf),
    "power": (lambda x: x**0.3, -1.0),
}


@share(0.1)
@given(sampled(), st.sampled_from([*OUTSIDE]), st.integers(2, 40), st.data())
def test_outside_a_domain_it_is_the_error_of_the_engine(f: Sampled, name: str, n: int, data: st.DataObject) -> None:
    """On arrays with the first sample at which the engine fails, in the value or in the gradient."""
    op, bad = OUTSIDE[name]
    xs = [np.resize(np.array(column), n) if isinstance(column, list) else column for column in f.columns]
    extra = np.full(n, 0.75)
    wrong = data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=3))
    extra[[*wrong]] = bad

    def g(x: Any, *xs: Any) -> Any:
        return op(x) * f(*xs).tanh()

    def at(k: int) -> list[float]:
        return [float(column[k]) if isinstance(column, np.ndarray) else column for column in (extra, *xs)]

    def on_values(k: int) -> list[float]:
        leaves = [Value(x, label=label) for x, label in zip(at(k), ["x", *[f"xs[{i}]" for i in range(len(xs))]])]
        return grad(g(*leaves), leaves)

    compiled, first = compile(g), min(wrong)
    kind, words = error_of(lambda: on_values(first))
    for _ in range(2):  # while it is recorded, and later
        assert error_of(lambda: compiled.value_and_grad(extra, *xs)) == (kind, f"{words}, in sample {first}")
        assert error_of(lambda: compiled(extra, *xs)) == (kind, f"{words}, in sample {first}")
        assert error_of(lambda: compiled(*at(first))) == (kind, words)
        compiled(np.full(n, 0.75), *xs)


def error_of(f: Callable[[], Any]) -> tuple[type[Exception], str]:
    try:
        f()
    except FAILURES as error:
        return type(error), str(error)
    pytest.fail("there was no error")


POWERS = [0.5, -0.5, 1.5, 2.0, 0.0, -1.0, math.inf, -math.inf]
BASES = [-math.inf, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, math.inf]


@pytest.mark.parametrize("exponent", POWERS)
@pytest.mark.parametrize("is_variable", [False, True], ids=["constant", "variable"])
def test_powers_at_the_ends_are_those_of_the_engine(exponent: float, is_variable: bool, javascript: JavaScript) -> None:
    """NumPy takes a root for x ** 0.5, which is nan at -inf; in JavaScript 1 ** Infinity is NaN."""
    f = (lambda x, y: x**y) if is_variable else (lambda x: x**exponent)
    more = (exponent,) * is_variable
    bases, true = [], []
    for x in BASES:
        try:
            true.append(f(Value(x), *map(Value, more)).data)
            bases.append(x)
        except FAILURES:
            pass
    points, compiled = [(x, *more) for x in bases], compile(f)
    for _ in range(2):
        assert compiled(np.array(bases), *more).tolist() == pytest.approx(true, rel=1e-15)
        assert [compiled(*point) for point in points] == true
    for results in in_languages(record(f, *points[-1]), points, javascript):
        assert flat(results) == pytest.approx(true, rel=1e-15)


# ---- the checks can fail ---------------------------------------------------------------------------------------------
ANOTHER = {1: ("sin", "cos"), 2: ("add", "sub")}  # for so many operands


def tampered(program: Recorded, place: int) -> Recorded:
    """The program with another operation in one of its statements."""
    statements = list(program.statements)
    statement = statements[place]
    assert isinstance(statement, Statement)
    one, other = [OPS[name] for name in ANOTHER[len(statement.operands)]]
    statements[place] = replace(statement, op=other if statement.op is one else one)
    return replace(program, statements=tuple(statements))


def with_wrong_numbers(program: Recorded) -> list[Recorded]:
    """The program with one number that is wrong in its eleventh digit, for each of its numbers."""
    found = []
    for place, statement in enumerate(program.statements):
        assert isinstance(statement, Statement)
        for i, x in enumerate(statement.operands):
            if isinstance(x, float):
                operands = [*statement.operands[:i], x * (1 + 1e-11), *statement.operands[i + 1 :]]
                statements = list(program.statements)
                statements[place] = replace(statement, operands=tuple(operands))
                found.append(replace(program, statements=tuple(statements)))
    return found


def test_one_wrong_operation_or_number_in_a_program_is_caught(javascript: JavaScript) -> None:
    def f(x: Value, y: Value) -> Value:
        return (0.3 * x * y + y.sigmoid() + x.relu() * 0.7).tanh() / y.exp()

    program, true = record(f, *PAIRS[0], gradients=True), [backward(f, xs) for xs in PAIRS]
    check_in_languages(program, true, PAIRS, javascript)
    wrong = [tampered(program, place) for place in range(len(program.statements))]
    for other in [*wrong, *with_wrong_numbers(program)]:
        for got in in_languages(other, PAIRS, javascript):
            with pytest.raises(AssertionError, match="output"):
                check(got, true, PAIRS)


def test_an_expression_that_is_wrong_in_its_tenth_digit_is_caught() -> None:
    @share(0.02)
    @given(sampled())
    def check_wrong(f: Sampled) -> None:
        numbers = [y * (1 + 1e-9) for y in compile(f.with_gradients)(*f.sample(0))]
        true, errors = f.truths(f.with_gradients)[0]
        assume(any(1e-9 * abs(y) > 1e-11 * error + TINY for y, error in zip(true, errors)))
        with pytest.raises(AssertionError, match="output"):
            close(numbers, true, errors)

    check_wrong()


# ---- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", [NUMPY, JAX, PYTHON, JAVASCRIPT, LATEX], ids=LANGUAGES)
@pytest.mark.parametrize("x", [0.1, -3.0, 0.0, -0.0, 1e300, -5e-324, math.inf, -math.inf, math.nan])
def test_a_number_is_written_alike_whoever_it_belongs_to(language: Notation, x: float) -> None:
    assert language.number(np.float64(x)) == language.number(x)


def test_numbers_of_numpy_in_a_program_are_plain(javascript: JavaScript) -> None:
    three = Value(3.0).detach()
    three.data = np.float64(3.0)
    halves = define_op("halves", lambda m, x: np.float64(0.5) * x * np.int64(3), lambda m, y, x: (np.float64(1.5),))

    def f(x: Value) -> Value:
        return x * three + apply(find("leaky_relu", np.float64(0.25)), x) + x ** np.float64(3.0) + halves(x)

    check_value_and_derivatives(f, POINTS, javascript)
    sources = [record(f, 2.0, gradients=True).source(language) for language in LANGUAGES]
    assert not [text for text in (*sources, make_page(f(Value(2.0)))) if re.search(r"np\.(float|int)", text)]


@pytest.mark.parametrize("name", ["power", "exponential", "leaky_relu", "elu"])
def test_the_parameters_of_an_operation_are_plain(name: str) -> None:
    (parameter,) = find(name, np.float64(2.5)).parameters
    assert (parameter, type(parameter)) == (2.5, float)
    (parameter,) = find(name, 2).parameters
    assert (parameter, type(parameter)) == (2, int)


# ---- JavaScript and LaTeX --------------------------------------------------------------------------------------------
def test_javascript_is_run_with_numbers_as_they_are(javascript: JavaScript) -> None:
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan]
    (got,) = javascript("function f(...xs) {\n  return xs;\n}", [numbers])
    assert list(map(repr, got)) == list(map(repr, numbers))
    with pytest.raises(RuntimeError, match="SyntaxError"):
        javascript("function f(x) {\n  return -x ** 2;\n}", [[1.0]])


def test_operations_on_many_numbers_in_every_language() -> None:
    program = record(lambda a, b, c: tg.where(a, tg.maximum(a, b, c), tg.minimum(a, b, c)), 1.0, 2.0, 3.0)
    assert "where(a, max(a, b, c), min(a, b, c))" in str(program)
    largest, smallest = "Math.max(Math.max(a, b), c)", "Math.min(Math.min(a, b), c)"
    assert f"return where(a, {largest}, {smallest});" in program.source("javascript")
    assert "return where(a, maximum(maximum(a, b), c), minimum(minimum(a, b), c))" in program.source("python")
    for m, language in (("np", "numpy"), ("jnp", "jax")):
        text = f"{m}.where(a != 0, {m}.maximum({m}.maximum(a, b), c), {m}.minimum({m}.minimum(a, b), c))"
        assert f"return {text}" in program.source(language)
    assert r"\operatorname{where}\left(a, \max\left(" in program.source("latex")


def test_functions_of_one_number_in_every_language() -> None:
    program = record(lambda x: [x.exp2(), x.log2(), x.log10(), x.asinh()], 2.0)
    for language, texts in {
        "python": ("exp2(x)", "log2(x)", "log10(x)", "asinh(x)", "from math import asinh, exp2, log10, log2"),
        "numpy": ("np.exp2(x)", "np.log2(x)", "np.log10(x)", "np.arcsinh(x)"),
        "jax": ("jnp.exp2(x)", "jnp.log2(x)", "jnp.log10(x)", "jnp.arcsinh(x)"),
        "javascript": ("2 ** x", "Math.log2(x)", "Math.log10(x)", "Math.asinh(x)"),
        "latex": (
            "2^{x}",
            r"\log_{2}\left(x\right)",
            r"\log_{10}\left(x\right)",
            r"\operatorname{arsinh}\left(x\right)",
        ),
    }.items():
        source = program.source(language)
        assert all(text in source for text in texts), source


CLOSING = {"{": "}", "(": ")", r"\left(": r"\right)", r"\left|": r"\right|"}


def is_balanced(latex: str) -> bool:
    waiting: list[str] = []
    for token in re.findall(r"\\left.|\\right.|[{}()]", latex):
        if token in CLOSING:
            waiting.append(CLOSING[token])
        elif not waiting or waiting.pop() != token:
            return False
    return not waiting


@every_row
def test_every_operation_in_latex(row: Row) -> None:
    for arity in row.arities:
        program = record(application(row.op), *row.samples(arity)[0], gradients=True)
        first, *lines, last = program.source("latex").splitlines()
        assert (first, last) == (r"\begin{aligned}", r"\end{aligned}")
        assert all(line.endswith(r" \\") for line in lines[:-1])
        assert not lines[-1].endswith("\\")
        assert is_balanced("".join(lines))
        assert not re.search(r"\*|[+-] *$|\d[eE]", " ".join(lines))


@pytest.mark.parametrize(
    ("label", "latex"),
    {
        "x": "x",
        "x2": "x_{2}",
        "λ": r"\lambda",
        "θ_1": r"\theta_{1}",
        "Ω": r"\Omega",
        "loss": r"\mathrm{loss}",
        "größe": r"\text{größe}",
        "learning rate": r"\mathrm{learning}_{\mathrm{rate}}",
    }.items(),
)
def test_names_in_latex(label: str, latex: str) -> None:
    x = Value(1.0, label=label)
    assert record(lambda: x * x).source("latex").splitlines()[1] == rf"y &= {latex} \cdot {latex}"


def test_names_that_look_the_same_in_latex_are_told_apart() -> None:
    v, w = Value(1.0, label="v1"), Value(1.0, label="v_1")
    shared = record(lambda: (v + w) * (v + w)).source("latex")
    assert shared.splitlines()[1:3] == [r"v_{0} &= v_{1,2} + v_{1} \\", r"y &= v_{0} \cdot v_{0}"]


def test_an_operation_of_ones_own_is_defined_in_latex_before_it_is_used() -> None:
    hat = define_op("my_hat", lambda m, x: m.exp(-x * x), lambda m, y, x: (-2.0 * x * y,))
    assert record(lambda x: hat(2.0 * x), 1.0).source("latex").splitlines()[1:-1] == [
        r"\operatorname{my\_hat}\left(x\right) &= e^{-x \cdot x} \\",
        r"y &= \operatorname{my\_hat}\left(x \cdot 2\right)",
    ]
