"""Recording and compiling as a specification: what is recorded, how it is called, what runs, and what is kept.

How functions are traced is left to `test_trace.py`, which arrays are found in them to `test_roll.py`, arrays of samples
and arithmetic errors to `test_compiler_batch.py`, that all operations compute the same in all languages to
`test_compiler_equal.py`.
"""

import gc
import math
import operator
import random
import threading
import weakref
from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from javascript import JavaScript
from profiles import sample
from threads import in_threads
from uses import in_javascript, in_numpy, in_python

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, define_op, dot, grad, nn, record
from tinygrad_edu.compiler import Compiled, Recorded, RecordingError
from tinygrad_edu.compiler.compiled import MOST_PROGRAMS
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.rules import OPS

LANGUAGES = ("python", "numpy", "jax", "javascript", "latex")
V = Value(2.0, label="v")
B = Value(0.25, label="b")
W = [Value(x, label=f"w[{i}]") for i, x in enumerate((0.4, -1.1, 0.7, 0.3))]


def run(program: Recorded, *numbers: float) -> list[float]:
    """All results, for these numbers of inputs and parameters."""
    return in_python(program, [numbers])[0]


# ---- what is recorded ------------------------------------------------------------------------------------------------
def test_a_recorded_program_is_an_array_program_that_can_be_written_and_run() -> None:
    program = record(lambda x: tg.tanh(dot(W, x) + B), [1.0, 2.0, 3.0, 4.0])
    assert isinstance(program, Program)
    assert [(block.name, block.shape) for block in program.inputs] == [("x", (4,))]
    assert [(block.name, block.shape) for block in program.parameters] == [("w", (4,)), ("b", ())]
    assert [s.op.name for s in program.statements] == ["mul", "add", "tanh"]
    assert program.source("numpy") == "import numpy as np\n\n\ndef f(x, w, b):\n    return np.tanh(x @ w + b)"
    assert program.source() == program.source("python")
    (y,) = program.function("numpy")(np.ones(4), np.full(4, 0.5), -2.0)
    assert (y, *program.function("python")([1.0] * 4, [0.5] * 4, -2.0)) == (0.0, 0.0)
    assert repr(program) == "<Program of f: 3 statements>"
    assert "tanh" in str(program)
    assert [str(node.op) for node in program.tape.entries if node.inputs] == ["dot", "add", "tanh"]


def from_the_bias_on(x: list[Value]) -> Value:
    z = B
    for w, xi in zip(W, x):
        z = z + w * xi
    return z.tanh()


NEURONS: dict[str, Callable[[list[Value]], Value]] = {
    "micrograd's sum, which starts at the bias": lambda x: sum((w * xi for w, xi in zip(W, x)), B).tanh(),
    "a loop": from_the_bias_on,
    "a sum, and then the bias": lambda x: (sum(w * xi for w, xi in zip(W, x)) + B).tanh(),
    "the bias, and then a sum": lambda x: (B + sum(w * xi for w, xi in zip(W, x))).tanh(),
    "total": lambda x: tg.total([*(w * xi for w, xi in zip(W, x)), B]).tanh(),
    "halves": lambda x: (dot(W[:2], x[:2]) + (W[2] * x[2] + (W[3] * x[3] + B))).tanh(),
    "spelled out": lambda x: (W[0] * x[0] + W[1] * x[1] + W[2] * x[2] + W[3] * x[3] + B).tanh(),
    "weights last, and in another order": lambda x: (x[3] * W[3] + x[1] * W[1] + x[0] * W[0] + x[2] * W[2] + B).tanh(),
}


@pytest.mark.parametrize("style", NEURONS)
@pytest.mark.parametrize("gradients", [False, True])
def test_a_neuron_written_scalar_by_scalar_is_the_same_program_as_one_with_dot(style: str, gradients: bool) -> None:
    def written_by_hand(x: list[Value]) -> Value:
        return NEURONS[style](x)

    def with_dot(x: list[Value]) -> Value:
        return (dot(W, x) + B).tanh()

    with_dot.__name__ = written_by_hand.__name__ = "neuron"
    example = [1.0, -2.0, 0.5, 3.0]
    first, second = [record(f, example, gradients=gradients) for f in (with_dot, written_by_hand)]
    assert in_order(first.source("numpy")) == in_order(second.source("numpy"))


def in_order(source: str) -> list[str]:
    """Parameters come in the order of their first use."""
    head, *lines = [line for line in source.splitlines() if line]
    return [*lines, *sorted(head)]


def test_a_network_written_scalar_by_scalar_is_the_same_program_as_ours() -> None:
    model = nn.MLP(2, [4, 3, 1], activation="tanh", rng=random.Random(0))

    def by_hand(x: list[Value]) -> Value:
        for layer in model.layers:
            activate = Value.tanh if layer is not model.layers[-1] else lambda z: z
            x = [activate(sum((w * xi for w, xi in zip(n.w, x)), n.b)) for n in layer.neurons]
        return x[0]

    def ours(x: list[Value]) -> Value:
        return model(x)

    by_hand.__name__ = "ours"
    for gradients in (False, True):
        sources = [record(f, [1.0, -2.0], gradients=gradients).source("numpy") for f in (ours, by_hand)]
        assert sources[0] == sources[1]


def test_arguments_are_inputs_also_those_that_are_not_used() -> None:
    program = record(lambda a, b, c: a * c, 1.0, 2.0, 3.0, gradients=True)
    assert [block.name for block in program.inputs] == ["a", "b", "c"]
    assert run(program, 5.0, 6.0, 7.0) == [35.0, 7.0, 0.0, 5.0]


def test_an_example_does_not_matter_to_what_is_recorded() -> None:
    f = lambda x, y: tg.maximum(x, y) * tg.relu(x) + abs(y)  # noqa: E731
    assert record(f, 1.0, -2.0, gradients=True).source() == record(f, -3.0, 0.0, gradients=True).source()


# ---- arguments and results of any structure --------------------------------------------------------------------------
Point = namedtuple("Point", "x y")
STRUCTURES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "numbers": (lambda a, b: a - b, (5.0, 3.0), 2.0),
    "a list": (lambda v: [v[1], v[0]], ([5.0, 3.0],), [3.0, 5.0]),
    "a tuple": (lambda v: (v[1], v[0]), ((5.0, 3.0),), (3.0, 5.0)),
    "a dict": (lambda d: {"sum": d["a"] + d["b"]}, ({"a": 5.0, "b": 3.0},), {"sum": 8.0}),
    "a namedtuple": (lambda p: Point(p.y, p.x), (Point(5.0, 3.0),), Point(3.0, 5.0)),
    "nested": (lambda d: [(d["a"][0], {"b": [d["a"][1].x]})], ({"a": (5.0, Point(3.0, 1))},), [(5.0, {"b": [3.0]})]),
    "any number of arguments": (lambda *v: tg.total(v), (5.0, 3.0, 1.0), 9.0),
    "ints and NumPy's numbers": (lambda a, b, c: a + b + c, (5, np.float32(3.0), np.array(1)), 9.0),
    "a result that is an argument": (lambda a, b: [a, a, b], (5.0, 3.0), [5.0, 5.0, 3.0]),
    "a result that is a number": (lambda a: 3, (5.0,), 3.0),
    "one that is none beside one that is": (lambda a: (a + 1.0, "units", None), (5.0,), (6.0, "units", None)),
    "an array of Values": (lambda v: np.array(v) * 2.0, ([5.0, 3.0],), [10.0, 6.0]),
    "no arguments": (lambda: B * 2.0, (), 0.5),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_arguments_and_results_are_nested_as_you_like(name: str) -> None:
    f, arguments, result = STRUCTURES[name]
    compiled = compile(f)(*arguments)
    assert compiled == result
    assert type(compiled) is type(result)


def test_the_labels_of_inputs_say_where_they_are_found() -> None:
    program = record(lambda v, d, *more: v[0] * d["a"][1], [1.0, 2.0], {"a": (3.0, 4.0)}, 5.0, 6.0)
    assert [(block.name, cell) for block, cell in program.places] == [
        *[("v", 0), ("v", 1), ("d.a", 0), ("d.a", 1)],
        *[("more", 0), ("more", 1)],
    ]


def test_what_is_no_number_is_handed_on_as_it_is() -> None:
    @compile
    def f(x: Value, power: str, negative: bool, model: Any, nothing: None) -> Value:
        y = {"square": x * x, "cube": x * x * x}[power]
        return model(-y if negative else y)

    def double(v: Value) -> Value:
        return 2.0 * v

    assert f(3.0, "square", False, double, None) == 18.0
    assert f(3.0, "cube", False, double, None) == 54.0
    assert f(3.0, "cube", True, double, None) == -54.0
    assert f(3.0, "square", False, nn.Sequential(double, double), None) == 36.0
    assert f.value_and_grad(3.0, "square", False, double, None) == (18.0, [12.0, None, None, None, None])


@pytest.mark.parametrize(
    "argument", [{1.0, 2.0}, bytearray(b"x"), [{"a": {1.0}}]], ids=["a set", "bytes", "deep inside"]
)
def test_what_has_no_hash_cannot_be_an_argument(argument: Any) -> None:
    with pytest.raises(
        TypeError, match=r"options.* is a (set|bytearray): a compiled function takes and returns numbers"
    ):
        compile(lambda x, options: x)(1.0, options=argument)


WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "a result None": (lambda x: None, (1.0,), "f must return Values, or lists of them, not NoneType"),
    "a result that is a text": (lambda x: "y", (1.0,), "f must return Values, or lists of them, not str"),
    "a result that is a bool": (lambda x: True, (1.0,), "f must return Values, or lists of them, not bool"),
    "an empty list": (lambda x: [], (1.0,), "f must return Values, or lists of them, not list"),
    "a set of Values": (lambda x: {x}, (1.0,), "the result is a set: a compiled function takes and returns numbers"),
    "a Value": (
        lambda x: x,
        (Value(1.0),),
        r"x is a Value, and .* plain numbers: give it x\.data, or let the function",
    ),
    "a Value in a list": (lambda x: x[1], ([1.0, Value(1.0)],), r"x\[1\] is a Value, and"),
    "too few arguments": (lambda x, y: x, (1.0,), "missing 1 required positional argument: 'y'"),
    "too many arguments": (lambda x: x, (1.0, 2.0), "takes 1 positional argument but 2 were given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_and_results(name: str) -> None:
    f, arguments, message = WRONG[name]
    for run in (compile(f), lambda *xs: record(f, *xs)):
        with pytest.raises(TypeError, match=message):
            run(*arguments)


@pytest.mark.parametrize("thing", [3.0, None, "f", Value(1.0)])
def test_only_functions_are_compiled(thing: Any) -> None:
    with pytest.raises(TypeError, match="compile takes a function of Values, not"):
        compile(thing)


# ---- gradients -------------------------------------------------------------------------------------------------------
def test_gradients_come_after_the_value_for_all_inputs_and_then_all_parameters() -> None:
    a, b = Value(2.0, label="a"), Value(0.5, label="b")

    def f(x: Any, y: Any) -> Any:
        return (a * x + b * y).tanh() * a + y**2

    program = record(f, 0.25, -1.5, gradients=True)
    leaves = (*program.inputs, *program.parameters)
    assert [output.leaf for output in program.outputs] == [None, *leaves]
    assert [leaf.name for leaf in leaves] == ["x", "y", "a", "b"]
    x, y = Value(0.25), Value(-1.5)
    value = f(x, y)
    assert run(program, 0.25, -1.5, 2.0, 0.5) == pytest.approx([value.data, *grad(value, [x, y, a, b])], rel=1e-14)


def test_a_gradient_in_what_the_value_does_not_depend_on_is_zero() -> None:
    w = Value(5.0)
    assert run(record(lambda x, y: x * 3.0, 2.0, 5.0, gradients=True), 2.0, 5.0) == [6.0, 3.0, 0.0]
    assert run(record(lambda x: 3.0, 2.0, gradients=True), 2.0) == [3.0, 0.0]
    assert run(record(lambda x: x, 2.0, gradients=True), 2.0) == [2.0, 1.0]
    assert run(record(lambda x: w**0 * x, 2.0, gradients=True), 2.0, 5.0) == [2.0, 1.0, 0.0]
    assert run(record(lambda x: x * w.detach(), 2.0, gradients=True), 2.0, 5.0) == [10.0, 5.0, 0.0]
    assert compile(lambda x, y: x * 3.0).value_and_grad(2.0, 5.0) == (6.0, [3.0, 0.0])
    assert compile(lambda x: math.nan).value_and_grad(2.0)[1] == [0.0]


def test_gradients_are_those_of_one_number() -> None:
    message = (
        "f returns 2 numbers, and gradients are those of one: return their total, or take gradients in the function"
    )
    for run in (
        lambda: record(lambda x: [x, x * x], 2.0, gradients=True),
        lambda: compile(lambda x: [x, x * x]).value_and_grad(2.0),
        lambda: compile(lambda x: (x, x * x)).backward(2.0),
    ):
        with pytest.raises(TypeError, match=message):
            run()
    assert compile(lambda x: [x * x]).value_and_grad(3.0) == (9.0, [6.0])


def test_gradients_that_the_function_takes_itself_are_values_like_others() -> None:
    w = Value(2.0, label="w")

    def f(x: Any) -> Any:
        y = w * x**3
        slope = grad(y, x, create_graph=True)
        return y, slope, grad(slope, x, create_graph=True), *grad(slope, [x, w], create_graph=True)

    assert compile(f)(5.0) == (250.0, 150.0, 60.0, 60.0, 75.0)
    program = record(lambda x: f(x)[1], 5.0, gradients=True)  # and gradients of these
    assert run(program, 5.0, 2.0) == [150.0, 60.0, 75.0]


def test_the_functions_of_functions_may_be_used_inside() -> None:
    w = Value(2.0)
    assert compile(lambda x: tg.derivative(lambda v: w * v**3)(x))(5.0) == 150.0
    assert compile(lambda x: tg.derivative(lambda v: w * v**3 * x, n=2)(x))(5.0) == 300.0
    assert compile(tg.derivative(lambda v: v**4, n=3)).value_and_grad(2.0) == (48.0, [24.0])
    hessian = compile(
        lambda x, y: [grad(g, [x, y], create_graph=True) for g in grad(x**2 * y, [x, y], create_graph=True)]
    )
    assert hessian(3.0, 5.0) == tg.hessian(lambda x, y: x**2 * y)(3.0, 5.0)


def test_value_and_grad_has_the_structure_of_the_arguments() -> None:
    f = compile(lambda x, d: x[0] * x[1] + d["a"].y * x[0])
    assert f.value_and_grad([2.0, 3.0], {"a": Point(5.0, 7.0)}) == (20.0, [[10.0, 2.0], {"a": Point(0.0, 2.0)}])
    assert f.value_and_grad(x=(2.0, 3.0), d={"a": Point(5.0, 7.0)}) == (20.0, [(10.0, 2.0), {"a": Point(0.0, 2.0)}])


def test_backward_adds_to_the_gradients_of_the_parameters_as_an_eager_one_does() -> None:
    a, b = Value(2.0), Value(3.0)
    f = compile(lambda x: a * b * x + b)
    b.grad = None  # type: ignore[assignment]  # as users of PyTorch do
    assert (f.backward(5.0), a.grad, b.grad) == (33.0, 15.0, 11.0)
    assert (f.backward(5.0), a.grad, b.grad) == (33.0, 30.0, 22.0)
    assert f(5.0) == 33.0
    assert (a.grad, b.grad) == (30.0, 22.0)


# ---- depth and width -------------------------------------------------------------------------------------------------
CHAINS: dict[str, Callable[[Value, Value], Value]] = {
    "negations": lambda y, x: -y,
    "products with a constant": lambda y, x: y * 0.99999,
    "sums": lambda y, x: y + x,
    "differences": lambda y, x: y - x,
    "a function": lambda y, x: y.sin(),
    "a function of several steps": lambda y, x: y.sigmoid(),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_may_be_long_and_is_a_loop(name: str, javascript: JavaScript) -> None:
    n = 2_000  # twice what Python's recursion would allow

    def f(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = CHAINS[name](y, x)
        return y

    program = record(f, 0.5, gradients=True)
    x = Value(0.5)
    y = f(x)
    true = pytest.approx([y.data, *grad(y, [x])], rel=1e-11)
    assert run(program, 0.5) == true
    assert in_javascript(program, [(0.5,)], javascript)[0] == true
    assert all(len(program.source(language)) < 2000 for language in LANGUAGES)  # it is a loop
    assert [compile(f)(0.5), *compile(f).value_and_grad(0.5)[1]] == true


@pytest.mark.parametrize("gradients", [False, True])
def test_a_sum_may_be_wide(gradients: bool, javascript: JavaScript) -> None:
    n = 3_000
    ws = [Value(1.0 + i / n) for i in range(n)]
    program = record(lambda x: sum(w * x for w in ws), 2.0, gradients=gradients)
    numbers = [w.data for w in ws]
    expected = pytest.approx([2.0 * sum(numbers), *([sum(numbers), *[2.0] * n] if gradients else [])], rel=1e-12)
    for results in (in_python, in_numpy, partial(in_javascript, javascript=javascript)):
        assert results(program, [(2.0, *numbers)])[0] == expected
    assert all(len(program.source(language)) < 1000 for language in LANGUAGES)


# ---- names -----------------------------------------------------------------------------------------------------------
NAMES = {  # what an argument of that label is called, and how one number of it is read
    "an array: its last word and the numbers before it": ("layers[0].neurons[3].w[1]", "w_0", "w_0[0]"),
    "an element": ("x[12]", "x", "x[0]"),
    "a key": ("weights['in'][2]", "weights_in", "weights_in[0]"),
    "an expression": ("x1*w1 + b", "x1_w1_b", "x1_w1_b"),
    "words": ("learning rate", "learning_rate", "learning_rate"),
    "letters of other languages": ("θ", "θ", "θ"),
    "what Python takes for other letters": ("ﬁ", "fi", "fi"),
    "a digit first": ("2x", "x_2x", "x_2x"),
    "no letters": ("-", "x", "x"),
    "a keyword": ("lambda", "lambda_2", "lambda_2"),
    "a function of Python": ("sum", "sum_2", "sum_2"),
    "a function of the mathematics": ("exp", "exp_2", "exp_2"),
    "a long one": ("a" * 10**5, "a" * 40, "a" * 40),
}


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_names_in_the_source(name: str) -> None:
    label, argument, number = NAMES[name]
    w = Value(0.5, label=label)
    assert record(lambda q: q - w, 2.0).source() == f"def f(q, {argument}):\n    return q - {number}"


def test_paths_are_spelled_out_where_the_short_names_would_be_the_same() -> None:
    a, b = Value(0.5, label="a.w[0]"), Value(0.5, label="b.w[0]")
    assert record(lambda x: x / a - b, 2.0).source() == "def f(x, a_w, b_w):\n    return x / a_w[0] - b_w[0]"


STRANGE = [
    *("", " ", "1", "x", "x", "x_2", "x 2", "a.b[0]", "['k'].w", "-", "_", "__", "2x", "x" * 10**5, "x" * 10**5 + "y"),
    *('"; import os #', "x\n__import__('os')", "'''", '"""', "</script>", "*/", "//", "#", "\\", "`${1}`", "{0}", "%s"),
    *("é", "é", "θ", "ﬁ", "²", "x₁", "变量", "е", "e", "Ⅷ", "ſ", "K", "İ", "℘", "𝑥", "a·b", "\u202ex", "\ud800", "\0"),
    *("lambda", "None", "def", "print", "sum", "abs", "float", "len", "list", "np", "math", "pi", "inf", "nan", "tau"),
    *("exp", "log", "erfc", "sign", "step", "maximum", "minimum", "sigmoid", "gelu", "relu", "pow", "heaviside"),
    *("v1", "v2", "y", "value", "f", "g", "dy_dx", "dvalue_dx", "a", "b", "x0", "p0"),
    *("var", "let", "function", "await", "async", "yield", "static", "enum", "null", "undefined", "this", "eval", "of"),
    *("Math", "NaN", "Infinity", "arguments", "constructor", "prototype", "__proto__", "toString", "globalThis"),
]


def test_any_label_gives_a_valid_program_that_computes_the_same(javascript: JavaScript) -> None:
    """As a parameter and as an intermediate node: among labels that are unlike it, and then all in one program."""
    for names in (*sample([STRANGE[i::8] for i in range(8)], 2), STRANGE):
        ws = [Value(0.5 + i / 100, label=label) for i, label in enumerate(names)]

        def f(x: Any, ws: list[Value] = ws, names: list[str] = names) -> Any:
            terms = [(w * x).sigmoid() if i % 2 else (w * x).exp() for i, w in enumerate(ws)]
            for term, name in zip(terms, names):
                term.label = name
            y = tg.total(terms)
            return tg.maximum(y, 1.0).gelu() + tg.sign(y) * tg.step(y) + tg.minimum(y, 2.0).erfc()

        program, x = record(f, 0.5, gradients=True), Value(0.5)
        y = f(x)
        point = (0.5, *[w.data for w in ws])
        true = pytest.approx([y.data, *grad(y, [x, *ws])], rel=1e-12)
        assert in_python(program, [point])[0] == true
        assert in_numpy(program, [point])[0] == true
        assert in_javascript(program, [point], javascript)[0] == true
        assert compile(f).value_and_grad(0.5)[1] == pytest.approx(grad(y, [x]), rel=1e-12)
        assert program.source("latex").count("{") == program.source("latex").count("}")
        assert "tanh" not in str(program)


@pytest.mark.parametrize("name", ["np", "Math", "cbrt", "list", "constructor", "f", "v1", "x", "eval", "θ", "inner"])
def test_operations_and_functions_may_have_such_names_too(name: str, javascript: JavaScript) -> None:
    op = define_op(name, lambda m, a, b: m.exp(a) * b + a, lambda m, y, a, b: (m.exp(a) * b + 1.0, m.exp(a)))
    w = Value(0.25, label=name)

    def f(x: Any) -> Any:
        return op(w * x, x) * x.sigmoid() + x.log()

    f.__name__ = name
    program, x = record(f, 0.5, gradients=True), Value(0.5)
    y = f(x)
    true = pytest.approx([y.data, *grad(y, [x, w])], rel=1e-12)
    assert in_python(program, [(0.5, 0.25)])[0] == true
    assert in_numpy(program, [(0.5, 0.25)])[0] == true
    assert in_javascript(program, [(0.5, 0.25)], javascript)[0] == true
    del OPS[name]


# ---- where the limits are --------------------------------------------------------------------------------------------
LOOKING: list[Callable[[Any], Any]] = [
    lambda x: x if x > 0 else -x,
    lambda x: V.data * x,
    lambda x: x - max(v.data for v in [x, V]),
]


@pytest.mark.parametrize("f", LOOKING)
def test_to_look_at_a_number_is_an_error_whatever_it_is_called_with(f: Callable[[Any], Any]) -> None:
    for use in (lambda: record(f, 1.5), lambda: compile(f)(1.5), lambda: compile(f)(np.array([1.5, 2.0]))):
        with pytest.raises(RecordingError, match="while it is traced"):
            use()
    assert (V.data, V.grad) == (2.0, 0.0)


def test_a_compiled_function_may_call_another_one_on_its_plain_numbers() -> None:
    square = compile(lambda a: a * a)
    assert compile(lambda x: V * x * square(3.0))(2.0) == 36.0
    assert compile(lambda x: V * x * len(record(lambda a: a * V, 2.0).outputs))(3.0) == 6.0


def test_detach_and_no_grad_stop_gradients_and_not_the_numbers() -> None:
    def under_no_grad(x: Any) -> Any:
        with tg.no_grad():
            y = V * x
            with enable_grad():
                z = V * x
        return (y + z) * x

    for f, value, slope, slope_of_v in (
        (lambda x: (V * x).detach() * x, 18.0, 6.0, 0.0),
        (lambda x: x - tg.maximum(x, V).detach() + V * 2.0, 4.0, 1.0, 2.0),
        (lambda x: V.detach() * x, 6.0, 2.0, 0.0),
        (under_no_grad, 36.0, 18.0, 9.0),
    ):
        V.grad = 0.0
        compiled = compile(f)
        assert compiled(3.0) == value
        assert compiled.value_and_grad(3.0) == (value, [slope]) == tg.value_and_grad(f)(3.0)
        assert compiled.value_and_grad(np.array([3.0]))[1][0].tolist() == [slope]
        compiled.backward(3.0)
        assert V.grad == slope_of_v
        assert not any("detach" in record(f, 3.0, gradients=True).source(language) for language in LANGUAGES)
    V.grad = 0.0


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_an_error_of_the_function_goes_through(error: type[BaseException]) -> None:
    def f(x: Any) -> Any:
        raise error("stop")

    for use in (lambda: record(f, 1.0), lambda: compile(f)(1.0)):
        with pytest.raises(error, match=r"^stop$"):
            use()


def test_what_the_function_decides_by_plain_numbers_is_decided_once() -> None:
    settings = {"negative": False}
    f = compile(lambda x: -x if settings["negative"] else x)
    assert f(2.0) == 2.0
    settings["negative"] = True
    assert f(2.0) == 2.0


# ---- ints among the arguments ----------------------------------------------------------------------------------------
def counted(f: Callable[..., Any]) -> tuple[Compiled, list[int]]:
    """The function compiled, and a list that grows with each call of the function itself."""
    calls: list[int] = []

    def counting(*args: Any) -> Any:
        calls.append(1)
        return f(*args)

    return compile(counting), calls


TABLE = [[Value(float(10 * i + j), label=f"table[{i}][{j}]") for j in range(2)] for i in range(3)]


def test_an_int_that_chooses_by_take_stays_an_argument() -> None:
    f, calls = counted(lambda i, x: sum(v * x for v in tg.take(TABLE, i)))
    assert [f(i, 2.0) for i in (0, 1, 2, 1)] == [2.0, 42.0, 82.0, 42.0]
    assert len(calls) == 2
    assert f(np.array([0, 1, 2]), np.array([2.0, 2.0, 1.0])).tolist() == [2.0, 42.0, 41.0]
    assert f(np.array([2, 2]), 1.0).tolist() == [41.0, 41.0]
    assert len(calls) == 2
    f.backward(1, 3.0)
    assert [[v.grad for v in row] for row in TABLE] == [[0.0, 0.0], [3.0, 3.0], [0.0, 0.0]]
    f.backward(np.array([2, 0, 2]), np.array([1.0, 2.0, 4.0]))
    assert [[v.grad for v in row] for row in TABLE] == [[2.0, 2.0], [3.0, 3.0], [5.0, 5.0]]


def test_a_list_of_ints_chooses_several_times() -> None:
    f, calls = counted(lambda ids: tg.total([tg.take(row, i) for i, row in zip(ids, TABLE)]))
    assert (f([0, 1, 0]), f([1, 1, 1]), f([1, 0, 0])) == (31.0, 33.0, 31.0)
    assert len(calls) == 2
    assert f([0, 1]) == 11.0  # another length is another program
    assert len(calls) == 4


@pytest.mark.parametrize("index", [-1, -3])
def test_an_int_may_count_from_the_end(index: int) -> None:
    f = compile(lambda i: tg.take(TABLE, i)[0] * 1.0)
    for use in (f, f):
        assert use(index) == TABLE[index][0].data
        assert use(0) == 0.0
    assert f(np.array([0, index])).tolist() == [0.0, TABLE[index][0].data]


def test_an_int_out_of_range_is_the_error_of_a_list() -> None:
    f = compile(lambda i, x: tg.take([0.5, V, x], i) * 2.0)
    with pytest.raises(IndexError, match=r"3") as met_while_it_is_recorded:
        f(3, 1.0)
    assert (f(0, 1.0), f(1, 1.0), f(2, 7.0)) == (1.0, 4.0, 14.0)
    for index in (3, -4):
        with pytest.raises(IndexError) as error:
            f(index, 1.0)
        assert str(error.value) == str(met_while_it_is_recorded.value).replace("3", str(index), 1)
        with pytest.raises(IndexError, match="in sample 1"):
            f(np.array([0, index, index]), 1.0)


def test_an_int_that_is_used_as_one_is_a_part_of_the_program() -> None:
    def power(x: Any, n: int) -> Any:
        y = x
        for _ in range(n - 1):
            y = y * x
        return y

    f, calls = counted(power)
    assert [f(2.0, n) for n in (3, 4, 3, 1, 4)] == [8.0, 16.0, 8.0, 2.0, 16.0]
    assert len(calls) == 6
    assert f.value_and_grad(2.0, 3) == (8.0, [12.0, 0.0])
    assert f(np.array([2.0, 3.0]), 3).tolist() == [8.0, 27.0]
    with pytest.raises(
        RecordingError, match=r"args\[1\] is an array, and counting uses it as an int, to count .* take"
    ):
        f(2.0, np.array([3, 4]))


def test_a_float_is_no_int_whatever_it_was_recorded_with() -> None:
    chosen, counted = compile(lambda i: tg.take(TABLE, i)[0] * 1.0), compile(lambda x, n: sum(x for _ in range(n)))
    assert (chosen(1), counted(2.0, 3)) == (10.0, 6.0)
    for number in (1.0, 1.5, np.array([1.0, 2.0])):
        with pytest.raises(TypeError, match="take"):
            chosen(number)
    for number in (3.0, 3.5):
        with pytest.raises(TypeError, match="interpreted as an integer"):
            counted(2.0, number)
    assert (chosen(2), counted(2.0, 2), chosen(np.int64(1)), chosen(True + 1)) == (20.0, 4.0, 10.0, 20.0)


def test_an_int_that_is_computed_with_is_a_number_like_others() -> None:
    f, calls = counted(lambda x, n: x * n + n)
    assert (f(2.0, 3), f(2.0, 4), f(2.0, 4.5)) == (9.0, 12.0, 13.5)
    assert f.value_and_grad(2.0, 3) == (9.0, [3.0, 3.0])
    assert len(calls) == 2


# ---- constants among the arguments -----------------------------------------------------------------------------------
class Same:
    """All of them say that they are equal."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same)

    def __hash__(self) -> int:
        return 1


def test_two_objects_that_say_that_they_are_equal_are_two() -> None:
    f = compile(lambda x, c: x * c.factor)
    assert (f(2.0, Same(3.0)), f(2.0, Same(5.0)), f(2.0, Same(7.0))) == (6.0, 10.0, 14.0)


def test_true_and_one_are_two() -> None:
    f = compile(lambda x, n: x * 10.0 if n is True else x)
    assert (f(2.0, 1), f(2.0, True), f(2.0, 1.0)) == (2.0, 20.0, 2.0)


def test_the_programs_of_constants_that_change_at_each_call_are_dropped_again() -> None:
    class Thing:
        factor = 3.0

    f, calls = counted(lambda x, thing: x * thing.factor)
    first, things = Thing(), []
    f(2.0, first)
    for _ in range(2 * MOST_PROGRAMS):
        thing = Thing()
        things.append(weakref.ref(thing))
        assert f(2.0, thing) == 6.0
        del thing
    gc.collect()
    assert sum(thing() is not None for thing in things) <= MOST_PROGRAMS
    calls.clear()
    f(2.0, first)
    assert len(calls) == 2  # that of long ago is gone
    f(2.0, first)
    assert len(calls) == 2


def test_the_program_that_was_used_last_is_not_dropped() -> None:
    f, calls = counted(lambda x, n: sum(x for _ in range(n)))
    for n in range(1, 2 * MOST_PROGRAMS):
        assert f(2.0, n) == 2.0 * n
        assert f(2.0, 1) == 2.0
    assert len(calls) == 2 * (2 * MOST_PROGRAMS - 1)


# ---- methods ---------------------------------------------------------------------------------------------------------
class Scaled:
    def __init__(self, w: Value) -> None:
        self.w = w

    def __call__(self, x: Any) -> Any:
        return self.w * x

    @compile
    def method(self, x: Any) -> Any:
        """Scales x."""
        return self.w * x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaled)

    def __hash__(self) -> int:
        return 1


def test_a_compiled_method_is_one_for_each_object() -> None:
    a, b = Scaled(Value(2.0)), Scaled(Value(5.0))
    assert (a.method(3.0), b.method(3.0), a.method(3.0)) == (6.0, 15.0, 6.0)
    assert a.method.backward(3.0) == 6.0
    assert (a.w.grad, b.w.grad) == (3.0, 0.0)
    assert (a.method.__name__, a.method.__doc__) == ("method", "Scales x.")
    assert isinstance(Scaled.method, Compiled)


def test_it_lives_as_long_as_its_object_and_keeps_that_alive_as_any_bound_method_does() -> None:
    thing, before = Scaled(Value(2.0)), len(Scaled.method._methods)
    assert thing.method(3.0) == 6.0
    method, reference = thing.method, weakref.ref(thing)
    del thing
    gc.collect()
    assert method([3.0][0]) == 6.0
    assert len(Scaled.method._methods) == before + 1
    del method
    gc.collect()
    assert reference() is None
    assert len(Scaled.method._methods) == before


def test_an_object_at_the_place_of_one_that_is_gone_has_a_method_of_its_own() -> None:
    for number in range(100):
        assert Scaled(Value(float(number))).method(1.0) == number


# ---- threads ---------------------------------------------------------------------------------------------------------
def test_many_threads_call_a_compiled_function_for_the_first_time_at_once() -> None:
    w = Value(0.5)
    f = compile(lambda x, y: (w * x - y).tanh() ** 2)
    meet = threading.Barrier(8)

    def call(x: float) -> Callable[[], Any]:
        def run() -> Any:
            meet.wait(timeout=10)
            return f(x, 0.25), f.value_and_grad(x, 0.25), f(np.array([x, x]), 0.25).tolist()

        return run

    for x, (y, (value, slopes), ys) in enumerate(in_threads(*map(call, map(float, range(8))))):
        true, true_slopes = tg.value_and_grad(lambda a, b: (w.data * a - b).tanh() ** 2)(float(x), 0.25)
        assert [y, value, *ys] == pytest.approx([true] * 4, rel=1e-14)
        assert slopes == pytest.approx(true_slopes, rel=1e-14)


# ---- compiled functions on numbers -----------------------------------------------------------------------------------
def test_parameters_are_read_afresh_at_each_call() -> None:
    w = Value(2.0)
    f = compile(lambda x: w * x)
    assert (f(3.0), f.value_and_grad(3.0), f.backward(3.0)) == (6.0, (6.0, [2.0]), 6.0)
    w.data = 5.0
    assert (f(3.0), f.value_and_grad(3.0), f.backward(3.0)) == (15.0, (15.0, [5.0]), 15.0)
    assert w.grad == 6.0


def test_results_are_plain_floats() -> None:
    f = compile(lambda x, y: x * y)
    value, slopes = f.value_and_grad(np.float64(2.0), 3)
    assert [type(number) for number in (f(2, 3), f(True * 2, np.int64(3)), value, *slopes)] == [float] * 5


def test_the_function_is_run_to_record_it_and_then_no_more() -> None:
    """Twice, to see whether it is the same function each time; and again for each new structure."""
    calls = []
    f = compile(lambda x: calls.append(1) or (x[0] if isinstance(x, list) else x) * 3.0)
    for arguments, so_far in [((2.0,), 2), ((5,), 2), ((np.float32(1.0),), 2), (([2.0],), 4), (([2.0, 3.0],), 6)]:
        f(*arguments)
        f(*arguments)
        assert len(calls) == so_far
    f(np.array([1.0, 2.0]))
    assert len(calls) == 6  # a number for each sample is a number
    f.value_and_grad(2.0)
    f.backward(np.array([1.0, 2.0]))
    assert len(calls) == 6  # gradients are those of the program


def test_it_is_a_decorator_that_keeps_name_and_words() -> None:
    @compile
    def squared(x: Any) -> Any:
        """x²."""
        return x * x

    assert (squared.__name__, squared.__doc__, squared(3.0)) == ("squared", "x².", 9.0)
    assert "squared" in repr(squared)
    assert record(squared, 3.0).name == "squared"


def test_a_model_can_be_compiled() -> None:
    model = nn.MLP(2, [3, 1], activation="tanh", rng=random.Random(0))
    f = compile(model)
    assert f([1.0, -2.0]) == pytest.approx(model([1.0, -2.0]).data, rel=1e-14)
    f.backward([1.0, -2.0])
    slopes = [p.grad for p in model.parameters()]
    model.zero_grad()
    model([1.0, -2.0]).backward()
    assert slopes == pytest.approx([p.grad for p in model.parameters()], rel=1e-13)


CALLABLES: dict[str, tuple[Callable[..., Any], str]] = {
    "an object": (Scaled(V), "Scaled"),
    "a bound method": (Scaled(V).__call__, "__call__"),
    "a method that is compiled in its class": (Scaled(V).method, "method"),
    "a partial function": (partial(operator.mul, V), "partial"),
    "a method of Value": (V.__mul__, "forward"),
    "a function that is compiled already": (compile(lambda x: V * x), "f"),
}


@pytest.mark.parametrize("name", CALLABLES)
def test_whatever_can_be_called_can_be_compiled(name: str) -> None:
    f, title = CALLABLES[name]
    assert compile(f)(3.0) == 6.0
    assert compile(f).value_and_grad(3.0) == (6.0, [2.0])
    assert record(f, 3.0).name == title


def test_functions_of_the_package_and_of_python() -> None:
    assert compile(tg.exp).value_and_grad(0.0) == (1.0, [1.0])
    assert compile(operator.sub).value_and_grad(5.0, 3.0) == (2.0, [1.0, -1.0])
    assert compile(tg.softmax)([1.0, 1.0]) == [0.5, 0.5]
    with pytest.raises(RecordingError, match="compares Values"):
        compile(max)(1.0, 2.0)


def test_under_no_grad_it_is_recorded_all_the_same() -> None:
    w = Value(2.0)
    with tg.no_grad():
        f = compile(lambda x: (w * x).log())
        assert f.value_and_grad(0.5) == (0.0, [2.0])
        with pytest.raises(ValueError, match="log is not defined"):
            f(-1.0)


def test_keyword_arguments_are_arguments() -> None:
    f = compile(lambda x, *, scale, shift=1.0: scale * x + shift)
    assert f(3.0, scale=2.0) == 7.0
    assert f(3.0, scale=2.0, shift=5.0) == 11.0
    assert f.value_and_grad(3.0, scale=2.0, shift=5.0) == (11.0, [2.0, 3.0, 1.0])
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'scale'"):
        f(3.0)
    assert compile(lambda x, self: x - self)(3.0, self=2.0) == 1.0


def test_an_example_does_not_matter() -> None:
    """Whatever numbers a function was recorded with, it computes the same from others."""
    f = [compile(lambda x, y: tg.maximum(x, y) * tg.relu(x) + abs(y)) for _ in range(2)]
    points = [(1.0, 2.0), (-3.0, 2.0), (2.0, -5.0), (0.0, 0.0), (4.0, 4.0)]
    for x, y in (points[0], points[1]):
        f[0].value_and_grad(x, y)
    f[1].value_and_grad(*points[-1])
    for x, y in points:
        assert f[0].value_and_grad(x, y) == f[1].value_and_grad(x, y)
        true = tg.value_and_grad(lambda x, y: tg.maximum(x, y) * tg.relu(x) + abs(y))(x, y)
        assert f[0].value_and_grad(x, y) == true


def test_a_list_that_holds_itself_is_an_error() -> None:
    own: list[Any] = [1.0]
    own.append(own)
    for run in (lambda: compile(lambda x: x[0])(own), lambda: record(lambda x: x[0], own), lambda: record(lambda: own)):
        with pytest.raises(ValueError, match="is a list that holds itself, or is nested too deep"):
            run()


def test_a_float_where_an_int_stood_before_is_told_as_it_is() -> None:
    f = compile(lambda p, y: p + tg.log(y))
    assert f(0.25, 1) == 0.25
    assert f.value_and_grad(0.25, 2) == (0.25 + math.log(2.0), [1.0, 0.5])
    with pytest.raises(ValueError, match=r"log is not defined at -0\.5"):
        f(0.25, -0.5)


@pytest.mark.parametrize("name", ["hinge", "bce", "bce_with_logits"])
def test_a_loss_may_be_given_its_target_as_an_argument(name: str) -> None:
    loss = tg.losses.by_name(name)
    f = compile(lambda p, y: loss([p], [y]))
    for y in (1, 1.0, -1.0 if name == "hinge" else 0.0):
        p = Value(0.25)
        loss([p], [y]).backward()
        value, slopes = f.value_and_grad(0.25, y)
        assert (value, slopes[0]) == (pytest.approx(loss([0.25], [y])), pytest.approx(p.grad))
    for y in (3, -0.5):
        with pytest.raises(ValueError, match=rf"{name} needs targets .*, not {float(y)} \(sample 0\)"):
            f(0.25, y)
