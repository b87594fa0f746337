"""Compiled programs compute what the engine computes: functions of several operations, and expressions of them all.

Values and gradients are the same whichever way a function is run: on the engine, as a replayed tape, as Python, NumPy
or JavaScript, compiled for numbers and for arrays; the ways stand in `uses.py`. Here they run functions of several
operations, those of one's own, and expressions that Hypothesis makes up; each operation of the table by itself is held
against the truth in `test_ops.py`. That the check can fail is checked too.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from javascript import JavaScript
from operations import ROWS, Row, every_row
from rounding import rounded, rounding_errors
from uses import (
    Function,
    Point,
    application,
    backward,
    function_of,
    in_javascript,
    in_numpy,
    in_python,
    replayed,
    second_derivatives,
    transposed,
)

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, define_op, grad, record
from tinygrad_edu.compiler import Tape
from tinygrad_edu.compiler.languages import LANGUAGES, Language
from tinygrad_edu.engine import apply
from tinygrad_edu.ops import LEAF
from tinygrad_edu.rules import OPS, Floats, Op, find
from tinygrad_edu.viz.explorer import page


# ---- the ways to run a tape: the outputs at each of some points ------------------------------------------------------
@pytest.fixture(params=["replayed", "in Python", "in NumPy", "in JavaScript"])
def run(request: pytest.FixtureRequest) -> Callable[[Tape, Sequence[Point]], list[list[float]]]:
    if request.param == "in JavaScript":
        return partial(in_javascript, javascript=request.getfixturevalue("javascript"))
    return {"replayed": replayed, "in Python": in_python, "in NumPy": in_numpy}[request.param]


# ---- what is right ---------------------------------------------------------------------------------------------------
def check(got: Sequence[Sequence[float]], true: Sequence[Sequence[float]], points: Sequence[Point]) -> None:
    """The same to 1e-12 of each number; where numbers of about 1 cancel out, to 1e-15."""
    assert len(got) == len(true) == len(points)
    for results, truths, xs in zip(got, true, points):
        assert len(results) == len(truths)
        for i, (y, truth) in enumerate(zip(results, truths)):
            assert math.isclose(y, truth, rel_tol=1e-12, abs_tol=1e-15), f"output {i} at {xs}: {y}, not {truth}"


def check_compiled(f: Function, points: Sequence[Point]) -> None:
    """On numbers, and on arrays of all points."""
    compiled, true = compile(f), [backward(f, xs) for xs in points]
    check([[compiled(*xs)] for xs in points], [[y] for y, *_ in true], points)
    on_numbers = [compiled.value_and_grad(*xs) for xs in points]
    check([[y, *slopes] for y, slopes in on_numbers], true, points)
    value, slopes = compiled.value_and_grad(*map(np.array, zip(*points)))
    check(transposed([value, *slopes], len(points)), true, points)


@every_row
@pytest.mark.parametrize("language", ["python", "numpy", "javascript", "latex"])
def test_a_program_does_not_depend_on_the_numbers_it_was_recorded_with(row: Row, language: str) -> None:
    f = application(row.op)
    for arity in row.arities:
        assert len({record(f, *xs, gradients=True).source(language) for xs in row.samples(arity)}) == 1


# ---- operations of one's own, and families with different numbers in one program -------------------------------------
POINTS = [(-1.25,), (0.75,), (2.0,)]
PAIRS = [(-1.25, 0.5), (0.75, 0.875), (2.0, -0.5)]


def check_value_and_derivatives(f: Function, points: Sequence[Point], run: Function) -> None:
    """The value alone too: with gradients more has a name, and less stands in one expression."""
    check_compiled(f, points)
    true = [backward(f, xs) for xs in points]
    check(run(record(f, *points[0]), points), [[y] for y, *_ in true], points)
    check(run(record(f, *points[0], gradients=True), points), true, points)
    seconds = second_derivatives(f)
    true = [[second.data for second in seconds(*map(Value, xs))] for xs in points]
    check(run(record(seconds, *points[0]), points), true, points)


def test_an_operation_of_ones_own(run: Function) -> None:
    cube = define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    check_value_and_derivatives(lambda x: cube(x) + cube(2.0 * x), POINTS, run)


def test_an_operation_of_ones_own_that_uses_others(run: Function) -> None:
    define_op("gate", lambda m, x: m.sigmoid(2.0 * x), lambda m, y, x: (2.0 * y * (1.0 - y),))
    swish = define_op("swish", lambda m, x: x * m.gate(x), lambda m, y, x: (m.gate(x) * (1.0 + 2.0 * (x - y)),))
    check_value_and_derivatives(lambda x: swish(x) * x, POINTS, run)


def test_an_operation_of_ones_own_on_any_number_of_inputs(run: Function) -> None:
    norm = define_op("norm", lambda m, *xs: m.sqrt(sum(x * x for x in xs)), lambda m, y, *xs: tuple(x / y for x in xs))
    check_value_and_derivatives(lambda a, b: norm(a, b) * norm(a, b, a * b) + norm(a), PAIRS, run)


def test_an_operation_of_ones_own_that_is_a_constant(run: Function) -> None:
    seven = define_op("seven", lambda m, x: 7.0, lambda m, y, x: (0.0,))
    check_value_and_derivatives(lambda x: seven(x) * x, POINTS, run)


# names of the languages, of what a program imports, of its variables, and of steps of the compiler
NAMES = "sum inner count len map print math np gamma cbrt hypot e pi var eval delete Infinity NaN f y v1 x a xs größe π"


@pytest.mark.parametrize("name", NAMES.split())
def test_an_operation_and_a_variable_may_have_any_name(name: str, run: Function) -> None:
    op = define_op(name, lambda m, x: x * m.sin(x), lambda m, y, x: (m.sin(x) + x * m.cos(x),))

    def f(x: Value) -> Value:
        labelled = op(x)
        labelled.label = name
        return labelled * op(labelled) + op(2.0 * x)

    check_value_and_derivatives(f, POINTS, run)
    called_so = eval(f"lambda {name}: op({name}) * {name}", {"op": op})
    check_value_and_derivatives(called_so, POINTS, run)


FAMILIES_WITH_SEVERAL_NUMBERS = {
    "leaky_relu": lambda x: x.leaky_relu(0.1) + x.leaky_relu(0.2) * x.leaky_relu(-1.5),
    "elu": lambda x: x.elu() * x.elu(0.5) + x.elu(2.0),
    "power": lambda x: x**2 + x**3 * x**-1 + x**-3 + (x * x) ** 0.5 + (x * x) ** -1.5 + x**2.0 + x**12,
    "exponential": lambda x: 2**x + 3.0**x * 0.5**x + 1.0**x + 0.0 ** (x * x),
    "clamp": lambda x: x.clamp(-1, 1) * x.clamp(-0.5, 3) + x.clamp(-math.inf, 1) + x.clamp(0.5, math.inf),
}


@pytest.mark.parametrize("name", FAMILIES_WITH_SEVERAL_NUMBERS)
def test_members_of_a_family_in_one_program(name: str, run: Function) -> None:
    check_value_and_derivatives(FAMILIES_WITH_SEVERAL_NUMBERS[name], POINTS, run)


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
def test_signs_and_brackets(name: str, run: Function) -> None:
    check_value_and_derivatives(SIGNS_AND_BRACKETS[name], PAIRS, run)


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
    in_numpy = function_of(record(f, *PAIRS[0], gradients=True).source("numpy"))(*arrays, w.data)
    compiled = compile(f)
    value, slopes = compiled.value_and_grad(*arrays)
    compiled.backward(*arrays)
    for got in (in_numpy, (value, *slopes, w.grad)):
        for y, truth in zip(got, [*true, in_w.sum()], strict=True):
            assert np.broadcast_to(y, truth.shape) == pytest.approx(truth, rel=1e-12, abs=1e-15)


# ---- expressions of all operations -----------------------------------------------------------------------------------
class Step(NamedTuple):
    op: Op
    inputs: tuple[int, ...]  # places among the arguments, parameters, constants, and the steps before
    label: str = ""


class Expression:
    """A function of Values, step by step, with arguments to call it with.

    An argument is a list with a number for each sample, or one number for all of them. Of the outputs, the first one is
    the one that has gradients.
    """

    def __init__(
        self,
        arguments: Sequence[list[float] | float],
        parameters: Sequence[float],
        constants: Sequence[float],
        steps: Sequence[Step],
        outputs: Sequence[int],
    ) -> None:
        self.arguments, self.steps, self.outputs = arguments, steps, outputs
        self.parameters = [Value(number, label=f"p{i}") for i, number in enumerate(parameters)]
        self.constants = [Value(number).detach() for number in constants]

    def __call__(self, *xs: Value) -> list[Value]:
        values = [*xs, *self.parameters, *self.constants]
        for op, inputs, label in self.steps:
            y = apply(op, *[values[i] for i in inputs])
            y.label = label
            values.append(y)
        return [values[i] for i in self.outputs]

    def first(self, *xs: Value) -> Value:
        return self(*xs)[0]

    def with_gradients(self, *xs: Value) -> list[Value]:
        """The outputs, and the gradients of the first one in the arguments and the parameters."""
        results = self(*xs)
        return [*results, *grad(results[0], [*xs, *self.parameters], create_graph=True)]

    def sample(self, k: int) -> list[float]:
        return [x[k] if isinstance(x, list) else x for x in self.arguments]

    def arrays(self) -> list[Any]:
        return [np.array(x) if isinstance(x, list) else x for x in self.arguments]

    def __repr__(self) -> str:
        names = [f"x{i}" for i in range(len(self.arguments))]
        lines = [f"{name} = {x}" for name, x in zip(names, self.arguments)]
        lines += [f"{p.label} = Value({p.data})" for p in self.parameters]
        names += [*[p.label for p in self.parameters], *[str(c.data) for c in self.constants]]
        for i, (op, inputs, label) in enumerate(self.steps):
            names.append(f"v{i}")
            lines.append(
                f"v{i} = {op} of {', '.join([names[k] for k in inputs])}" + f" (label {label!r})" * bool(label)
            )
        return "\n    ".join(["", *lines, f"return {', '.join([names[k] for k in self.outputs])}\n"])


class Careful(Floats):
    """Floats that refuse to decide what a rounding error could turn around: a number close to a kink is an error."""

    sign = staticmethod(lambda x: Floats.sign(decided(x)))
    step = staticmethod(lambda x: Floats.step(decided(x)))
    where = staticmethod(lambda c, a, b: Floats.where(decided(c), a, b))
    abs = staticmethod(lambda x: abs(decided(x)))
    maximum = staticmethod(lambda a, b: a if decided(a - b) > 0 else b)
    minimum = staticmethod(lambda a, b: b if decided(a - b) > 0 else a)


def decided(x: float) -> float:
    if abs(x) < 1e-3:
        raise ValueError(f"{x} is close to a kink")
    return x


CAREFUL = Careful()


ARITIES = {row.name: [n for n in row.arities if n] for row in ROWS}
MORE_OF_A_FAMILY = [("power", -3), ("power", 0.5), ("leaky_relu", 0.2), ("elu", 0.5), ("clamp", -1.0, 0.25)]
OPERATIONS = [*[row.op for row in ROWS], *[find(*member) for member in MORE_OF_A_FAMILY]]
SUMS_AND_PRODUCTS = [OPS[name] for name in ("add", "mul", "total", "dot")]
SAMPLES = 3
LARGEST = 1e3  # of the numbers and of their slopes
MOST_UNCERTAIN = 1e6  # rounding error: 1e6 times 1e-12, the tolerance, is far from what `decided` asks for
TINY = 1e-300  # where numbers lose their digits


def expression(seed: int, length: int) -> Expression:
    """So many steps, chosen at random, that are inside the domains, away from kinks, and of numbers that are not large.

    What no step has used is added up in the end, so that all depends on all. A shorter expression of the same seed is
    the beginning of a longer one: in this way Hypothesis finds the shortest that fails.
    """
    random = Random(seed)

    def number() -> float:
        return random.randint(-2000, 2000) / 1000

    def sample() -> list[float] | float:
        return [number() for _ in range(SAMPLES)] if random.random() < 0.7 else number()

    arguments = [[number() for _ in range(SAMPLES)], *[sample() for _ in range(random.randint(0, 2))]]
    parameters = [number() for _ in range(random.randint(0, 2))]
    constants = random.sample([0.0, 1.0, -1.0, 2.0, 0.5, 1e-7], random.randint(0, 2))
    numbers = [x if isinstance(x, list) else [x] * SAMPLES for x in [*arguments, *parameters, *constants]]
    errors = [[*map(abs, column)] for column in numbers]
    unused, steps = set(range(len(numbers))), list[Step]()
    while len(steps) < length:
        op = random.choice(OPERATIONS if random.random() < 0.7 else SUMS_AND_PRODUCTS)
        weights = [3.0 if i in unused else 1.0 for i in range(len(numbers))]
        inputs = tuple(random.choices(range(len(numbers)), weights, k=random.choice(ARITIES[op.name])))
        try:
            results = [
                careful_step(op, [numbers[i][k] for i in inputs], [errors[i][k] for i in inputs])
                for k in range(SAMPLES)
            ]
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
        steps.append(Step(op, inputs, random.choice(["", "", "", "y", "loss"])))
        unused = unused - {*inputs} | {len(numbers)}
        numbers.append([y for y, _ in results])
        errors.append([error for _, error in results])
    steps.append(Step(OPS["total"], tuple(sorted(unused))))
    others = random.choices(range(len(numbers)), k=random.randint(0, 2))
    return Expression(arguments, parameters, constants, steps, [len(numbers), *others])


def careful_step(op: Op, xs: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """The number and the rounding error of a step for one sample."""
    y = op.value(CAREFUL, *xs)
    slopes = op.derivatives(CAREFUL, y, *xs)
    error = rounded(y, slopes, errors)
    if not all(abs(number) <= LARGEST for number in (y, *slopes)) or error > MOST_UNCERTAIN:
        raise ValueError("too large, or too uncertain to decide")
    return y, error


def check_expression(got: Sequence[float], true: Sequence[float], errors: Sequence[float]) -> None:
    assert len(got) == len(true)
    for i, (y, truth, error) in enumerate(zip(got, true, errors)):
        assert abs(y - truth) <= 1e-12 * error + TINY, f"output {i}: {y}, not {truth}"


def truths(f: Expression) -> list[tuple[list[float], list[float]]]:
    """For each sample the outputs and the gradients, as the engine computes them, with their rounding errors."""
    results = []
    for k in range(SAMPLES):
        leaves = [Value(x) for x in f.sample(k)]
        ys = f.with_gradients(*leaves)
        results.append(([y.data for y in ys], rounding_errors(*ys)))
    return results


@st.composite
def expressions(draw: Callable[[Any], int]) -> Expression:
    return expression(draw(st.integers(0, 2**32)), draw(st.integers(2, 15)))


many = settings(max_examples=2 * settings.default.max_examples)


@many
@given(expressions())
def test_expressions_compiled(f: Expression) -> None:
    true = truths(f)
    values, compiled = compile(f), compile(f.with_gradients)
    for k, (numbers, errors) in enumerate(true):
        check_expression(values(*f.sample(k)), numbers[: len(f.outputs)], errors)
        check_expression(compiled(*f.sample(k)), numbers, errors)
    for got, (numbers, errors) in zip(transposed(compiled(*f.arrays()), SAMPLES), true):
        check_expression(got, numbers, errors)


@many
@given(expressions())
def test_gradients_of_expressions_summed_over_samples(f: Expression) -> None:
    """In arguments that are the same for all samples, and in parameters; in arrays, one for each sample."""
    true, errors = map(np.array, zip(*truths(f)))
    first, slopes = len(f.outputs), compile(f.first).value_and_grad(*f.arrays())[1]
    compile(f.first).backward(*f.arrays())
    for i, x in enumerate([*f.arguments, *f.parameters]):
        got = x.grad if isinstance(x, Value) else slopes[i]
        if isinstance(x, list):
            check_expression(got, true[:, first + i], errors[:, first + i])
        else:
            check_expression([got], [true[:, first + i].sum()], [errors[:, first + i].sum()])


@many
@given(expressions())
def test_expressions_in_javascript(javascript: JavaScript, f: Expression) -> None:
    true = truths(f)
    for function, count in ((f, len(f.outputs)), (f.with_gradients, len(true[0][0]))):
        tape = record(function, *f.sample(0))
        parameters = tape.example[len(tape.inputs) :]
        got = javascript(tape.source("javascript"), [[*f.sample(k), *parameters] for k in range(SAMPLES)])
        for results, (numbers, errors) in zip(got, true):
            check_expression(results, numbers[:count], errors)


def test_the_expressions_are_made_of_all_operations_and_depend_on_what_they_use() -> None:
    made = [expression(seed, length=10) for seed in range(200)]
    assert {step.op for f in made for step in f.steps} == set(OPERATIONS)
    slopes = [truths(f)[0][0][len(f.outputs)] for f in made]
    assert sum(slope != 0.0 for slope in slopes) > 150


# ---- the checks can fail ---------------------------------------------------------------------------------------------
ANOTHER = {1: ("sin", "cos"), 2: ("add", "sub")}  # for so many inputs; for more: total or logsumexp


def tampered(tape: Tape, place: int) -> Tape:
    """The tape with another operation at one place, or a number that is wrong in its eleventh digit."""
    nodes = list(tape.nodes)
    op, inputs, _, number = nodes[place]
    another, yet_another = [OPS[name] for name in ANOTHER.get(len(inputs), ("total", "logsumexp"))]
    wrong = {"op": yet_another if op is another else another} if inputs else {"number": number * (1 + 1e-11)}
    nodes[place] = nodes[place]._replace(**wrong)
    return replace(tape, nodes=tuple(nodes))


def test_one_wrong_operation_or_number_on_a_tape_is_caught(run: Function) -> None:
    def f(x: Value, y: Value) -> Value:
        return (0.3 * x * y + y.sigmoid() + x.relu() * 0.7).tanh() / y.exp()

    tape, true = record(f, *PAIRS[0], gradients=True), [backward(f, xs) for xs in PAIRS]
    check(run(tape, PAIRS), true, PAIRS)
    for place, node in enumerate(tape.nodes):
        if node.op is not LEAF:
            with pytest.raises(AssertionError, match="output"):
                check(run(tampered(tape, place), PAIRS), true, PAIRS)


@pytest.mark.parametrize("seed", range(20))
def test_an_expression_that_is_wrong_in_its_tenth_digit_is_caught(seed: int) -> None:
    f = expression(seed, length=8)
    wrong = compile(lambda *xs: [y * (1 + 1e-9) for y in f.with_gradients(*xs)])
    for k, true in enumerate(truths(f)):
        with pytest.raises(AssertionError, match="output"):
            check_expression(wrong(*f.sample(k)), *true)


# ---- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("x", [0.1, -3.0, 0.0, -0.0, 1e300, -5e-324, math.inf, -math.inf, math.nan])
def test_a_number_is_written_alike_whoever_it_belongs_to(language: Language, x: float) -> None:
    assert language.number(np.float64(x)) == language.number(x)
    if x == -3.0:
        assert {language.number(number(x)) for number in (np.int64, np.float32, int)} == {language.number(x)}


def test_numbers_of_numpy_in_a_program_are_plain(run: Function) -> None:
    three = Value(3.0).detach()
    three.data = np.float64(3.0)
    halves = define_op("halves", lambda m, x: np.float64(0.5) * x * np.int64(3), lambda m, y, x: (np.float64(1.5),))

    def f(x: Value) -> Value:
        return x * three + apply(find("leaky_relu", np.float64(0.25)), x) + x ** np.float64(3.0) + halves(x)

    check_value_and_derivatives(f, POINTS, run)
    sources = [record(f, 2.0, gradients=True).source(language) for language in LANGUAGES]
    assert not [text for text in (*sources, page(f(Value(2.0)))) if re.search(r"np\.(float|int)", text)]


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
    tape = record(lambda a, b, c: tg.where(a, tg.maximum(a, b, c), tg.minimum(a, b, c)), 1.0, 2.0, 3.0)
    assert [line.split()[1:4] for line in str(tape).splitlines()[5:7]] == [
        ["maximum(a,", "b,", "c)"],
        ["minimum(a,", "b,", "c)"],
    ]
    largest, smallest = "Math.max(Math.max(a, b), c)", "Math.min(Math.min(a, b), c)"
    assert f"return where(a, {largest}, {smallest});" in tape.source("javascript")
    assert "return where(a, maximum(maximum(a, b), c), minimum(minimum(a, b), c))" in tape.source("python")
    numpy = "np.where(a != 0, np.maximum(np.maximum(a, b), c), np.minimum(np.minimum(a, b), c))"
    assert f"return {numpy}" in tape.source("numpy")
    assert r"\operatorname{where}\left(a, \max\left(" in tape.source("latex")


def test_functions_of_one_number_in_every_language() -> None:
    sources = [record(lambda x: [x.exp2(), x.log2(), x.log10(), x.asinh()], 2.0).source(name) for name in LANGUAGES]
    for source, texts in zip(
        sources,
        [
            ("exp2(x)", "log2(x)", "log10(x)", "asinh(x)", "from math import asinh, exp2, log10, log2"),
            ("np.exp2(x)", "np.log2(x)", "np.log10(x)", "np.arcsinh(x)"),
            ("2 ** x", "Math.log2(x)", "Math.log10(x)", "Math.asinh(x)"),
            ("2^{x}", r"\log_{2}\left(x\right)", r"\log_{10}\left(x\right)", r"\operatorname{arsinh}\left(x\right)"),
        ],
    ):
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
        tape = record(application(row.op), *row.samples(arity)[0], gradients=True)
        first, *lines, last = tape.source("latex").splitlines()
        assert (first, last) == (r"\begin{aligned}", r"\end{aligned}")
        assert all(line.endswith(r" \\") for line in lines[:-1])
        assert not lines[-1].endswith("\\")
        left, right = zip(*[line.removesuffix(r" \\").split(" &= ") for line in lines])
        assert len(set(left)) == len(left)
        gradients = [rf"\frac{{\partial y}}{{\partial \mathrm{{xs}}_{{{i}}}}}" for i in range(arity)]
        assert {"y", *gradients} <= {*left}
        assert all(map(is_balanced, (*left, *right)))
        assert not re.search(r"\*|[+-] *$|\d[eE]", " ".join(right))


@pytest.mark.parametrize(
    ("label", "latex"),
    {
        "x": "x",
        "x2": "x_{2}",
        "w[1][0]": "w_{1,0}",
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
    assert shared.splitlines()[1:3] == [r"v_{1,3} &= v_{1} + v_{1,2} \\", r"y &= v_{1,3} \cdot v_{1,3}"]


def test_an_operation_of_ones_own_is_defined_in_latex_before_it_is_used() -> None:
    hat = define_op("my_hat", lambda m, x: m.exp(-x * x), lambda m, y, x: (-2.0 * x * y,))
    assert record(lambda x: hat(2.0 * x), 1.0).source("latex").splitlines()[1:-1] == [
        r"\operatorname{my\_hat}\left(x\right) &= e^{-x \cdot x} \\",
        r"y &= \operatorname{my\_hat}\left(2 \cdot x\right)",
    ]
