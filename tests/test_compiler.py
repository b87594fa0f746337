"""Recording and compiling as a specification: what a tape holds, how it reads, what runs, and where the limits are.

Arrays of samples and arithmetic errors are left to `test_compiler_batch.py`, that all operations compute the same in
all languages to `test_compiler_equal.py`.
"""

import copy
import math
import operator
import pickle
import random
import sys
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from javascript import JavaScript
from mpmath import MPContext

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, define_op, dot, grad, losses, nn, record
from tinygrad_edu.compiler import Node, Output, RecordingError, Tape, trace
from tinygrad_edu.compiler.program import executable
from tinygrad_edu.compiler.tape import Builder
from tinygrad_edu.gradients import RECORDING
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS, OPS, Mathematics

LANGUAGES = ("python", "numpy", "javascript", "latex")


@pytest.fixture(autouse=True)
def _values_are_left_as_they_were() -> Iterator[None]:
    """Whatever happens while a function is traced, the Values that it uses are guarded no more when it is over."""
    yield
    assert type(V) is Value
    assert not trace._guards


def operations(tape: Tape) -> list[str]:
    return [str(node.op) for node in tape.nodes if node.inputs]


def labels(tape: Tape, places: tuple[int, ...]) -> list[str]:
    return [tape.nodes[place].label for place in places]


def replayed(tape: Tape) -> list[float]:
    """The outputs at the example."""
    return tape.replay(FLOATS, *tape.example)


def line_with(mark: str) -> tuple[int, str]:
    """The number and the text of a line of this file that has a comment of its own."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next((i, line.strip()) for i, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))


# ---- what a tape is --------------------------------------------------------------------------------------------------
def test_a_tape_holds_leaves_and_operations_each_after_its_inputs() -> None:
    a, b = Value(3.0, label="a"), Value(-5.0, label="b")

    def neuron(x: Value) -> Value:
        z = a * x + b
        z.label = "z"
        return z.tanh()

    assert record(neuron, 2.0) == Tape(
        name="neuron",
        nodes=(
            Node(LEAF, (), "x"),
            Node(LEAF, (), "a"),
            Node(LEAF, (), "b"),
            Node(OPS["mul"], (1, 0)),
            Node(OPS["add"], (3, 2), "z"),
            Node(OPS["tanh"], (4,)),
        ),
        inputs=(0,),
        parameters=(1, 2),
        outputs=(Output(5),),
        example=(2.0, 3.0, -5.0),
    )


def test_it_is_plain_data_that_cannot_be_changed() -> None:
    w = Value(0.5, label="w")
    tape = record(lambda x: (w * x).tanh() ** 2 + 1.5, 2.0, gradients=True)
    assert pickle.loads(pickle.dumps(tape)) == tape
    assert copy.deepcopy(tape) == tape
    assert len({tape, pickle.loads(pickle.dumps(tape))}) == 1
    with pytest.raises(FrozenInstanceError):
        tape.name = "g"  # type: ignore[misc]
    assert tape != record(lambda x: (w * x).tanh() ** 3 + 1.5, 2.0, gradients=True)


def test_a_pass_is_a_function_of_a_tape() -> None:
    """Such as this one: to double a number it takes a sum, as that is said to be cheaper than a product."""

    def with_sums(tape: Tape) -> Tape:
        builder, new = Builder(), list[int]()
        for node in tape.nodes:
            factors = [i for i in node.inputs if tape.nodes[i] != Node(CONSTANT, (), "", 2.0)]
            if node.op is OPS["mul"] and len(factors) == 1:
                new.append(builder.operation(OPS["add"], (new[factors[0]], new[factors[0]]), node.label))
            else:
                new.append(builder.copy(node, new))
        at = new.__getitem__
        outputs = [Output(at(place), leaf) for place, leaf in tape.outputs]
        return builder.tape(tape.name, [*map(at, tape.inputs)], [*map(at, tape.parameters)], outputs, tape.example)

    tape = record(lambda x: 2.0 * x.exp() + 2.0 * 3.0, 0.5)
    assert (operations(tape), operations(with_sums(tape))) == (["exp", "mul", "add"], ["exp", "add", "add"])
    assert replayed(with_sums(tape)) == replayed(tape)
    assert with_sums(tape).source() == "from math import exp\n\n\ndef f(x):\n    v1 = exp(x)\n    return v1 + v1 + 6.0"


def test_it_is_replayed_on_any_kind_of_number() -> None:
    mp = MPContext()
    mp.dps = 50

    class Digits(Mathematics):
        exp = staticmethod(mp.exp)

    tape = record(lambda x: x.exp() / (x * x + 2.0), 1.0)
    x = mp.mpf(1) / 3
    assert abs(tape.replay(Digits(), x)[0] - mp.exp(x) / (x * x + 2)) < mp.mpf(10) ** -48
    on_values = Value(0.25)
    (y,) = tape.replay(RECORDING, on_values)
    assert grad(y, on_values) == pytest.approx(math.exp(0.25) * (0.0625 - 0.5 + 2.0) / 2.0625**2, rel=1e-14)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_replay_takes_a_number_for_each_input_and_each_parameter(count: int) -> None:
    w = Value(0.5)
    with pytest.raises(ValueError, match=f"the tape of f takes 2 numbers, not {count}"):
        record(lambda x: w * x, 2.0).replay(FLOATS, *[1.0] * count)


# ---- entries that are not there --------------------------------------------------------------------------------------
SIMPLER: dict[str, tuple[Callable[[Any, Any], Any], list[str]]] = {
    "times one": (lambda x, y: x * 1.0, []),
    "one times": (lambda x, y: 1 * x, []),
    "divided by one": (lambda x, y: x / 1.0, []),
    "plus zero": (lambda x, y: x + 0.0, []),
    "zero plus, as sum() begins": (lambda x, y: sum([x]), []),
    "minus zero": (lambda x, y: x - 0.0, []),
    "times minus one": (lambda x, y: x * -1.0, ["neg"]),
    "minus one times": (lambda x, y: -1 * x, ["neg"]),
    "to the power one": (lambda x, y: x**1, []),
    "to the power zero": (lambda x, y: x**0, []),
    "a total of one": (lambda x, y: tg.total([x]), []),
    "a total of two": (lambda x, y: tg.total([x, y]), ["add"]),
    "a dot of one pair": (lambda x, y: dot([x], [y]), ["mul"]),
    "arithmetic on constants": (lambda x, y: x + (Value(2.0) * 3.0 + 1.0).exp(), ["add"]),
    "a sum again": (lambda x, y: (x + y) * (x + y).exp(), ["add", "exp", "mul"]),
    "a sum the other way round": (lambda x, y: (x + y) * (y + x).exp(), ["add", "exp", "mul"]),
    "a product the other way round": (lambda x, y: (x * y) / (y * x).exp(), ["mul", "exp", "div"]),
    "the same power again": (lambda x, y: (x**2).exp() / x**2, ["power(2)", "exp", "div"]),
    "the same function again": (lambda x, y: x.tanh() / (1.0 + x.tanh()), ["tanh", "add", "div"]),
    "what no result depends on": (lambda x, y: [x.exp(), y * x][0], ["exp"]),
}
AS_IT_IS: dict[str, tuple[Callable[[Any, Any], Any], list[str]]] = {
    "one divided by": (lambda x, y: 1.0 / x, ["div"]),
    "zero minus": (lambda x, y: 0.0 - x, ["sub"]),
    "times zero, as nan is not zero": (lambda x, y: x * 0.0, ["mul"]),
    "minus itself, as inf - inf is not zero": (lambda x, y: x - x, ["sub"]),
    "a difference the other way round": (lambda x, y: (x - y) * (y - x).exp(), ["sub", "sub", "exp", "mul"]),
    "another power": (lambda x, y: x**2 / x**3, ["power(2)", "power(3)", "div"]),
    "the power 0.5": (lambda x, y: x**0.5, ["power(0.5)"]),
    "zero and minus zero": (lambda x, y: (x * 0.0) * (x * -0.0).exp(), ["mul", "mul", "exp", "mul"]),
}


@pytest.mark.parametrize("name", [*SIMPLER, *AS_IT_IS])
def test_what_changes_nothing_is_left_out(name: str) -> None:
    f, expected = (SIMPLER | AS_IT_IS)[name]
    tape = record(f, 2.0, 3.0)
    assert operations(tape) == expected
    for point in [(0.5, 7.0), (1.25, -0.5)]:
        y = f(*map(Value, point))
        assert tape.replay(FLOATS, *point) == [y.data if isinstance(y, Value) else y]


def test_a_constant_outside_a_domain_fails_when_it_is_run() -> None:
    """As it does on Values; while it is traced nothing is computed."""
    f = compile(lambda x: x * Value(-1.0).log())
    record(f, 2.0)
    with pytest.raises(ValueError, match=r"log is not defined at -1\.0"):
        f(2.0)


# ---- sums of products ------------------------------------------------------------------------------------------------
W = [Value(x, label=f"w[{i}]") for i, x in enumerate((0.4, -1.1, 0.7, 0.3))]
B = Value(0.25, label="b")


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
}


@pytest.mark.parametrize("style", NEURONS)
def test_a_neuron_written_scalar_by_scalar_records_as_one_with_dot(style: str) -> None:
    example = [1.0, -2.0, 0.5, 3.0]
    with_dot = record(lambda x: (dot(W, x) + B).tanh(), example)
    assert operations(with_dot) == ["dot", "add", "tanh"]
    assert labels(with_dot, with_dot.parameters) == ["w[0]", "w[1]", "w[2]", "w[3]", "b"]
    assert replace(record(NEURONS[style], example), name="f") == with_dot


@pytest.mark.parametrize("style", NEURONS)
def test_and_so_do_its_gradients(style: str) -> None:
    """Only their order may be another one."""
    example = [1.0, -2.0, 0.5, 3.0]
    with_dot = record(lambda x: (dot(W, x) + B).tanh(), example, gradients=True)
    tape = record(NEURONS[style], example, gradients=True)
    assert [output.leaf for output in tape.outputs] == [output.leaf for output in with_dot.outputs]
    assert sorted(operations(tape)) == sorted(operations(with_dot))
    assert replayed(tape) == replayed(with_dot)


def test_our_neurons_record_so_too() -> None:
    neuron = nn.Neuron(3, activation="tanh", rng=random.Random(0))
    tape = record(neuron, [1.0, -2.0, 0.5])
    by_hand = record(lambda x: (sum(w * xi for w, xi in zip(neuron.w, x)) + neuron.b).tanh(), [1.0, -2.0, 0.5])
    assert operations(tape) == ["dot", "add", "tanh"]
    assert tape.nodes == by_hand.nodes


def test_a_whole_network_written_scalar_by_scalar_records_as_ours() -> None:
    model = nn.MLP(2, [4, 3, 1], activation="tanh", rng=random.Random(0))

    def by_hand(x: list[Value]) -> Value:
        for layer in model.layers:
            activate = Value.tanh if layer is not model.layers[-1] else lambda z: z
            x = [activate(sum((w * xi for w, xi in zip(n.w, x)), n.b)) for n in layer.neurons]
        return x[0]

    ours, theirs = record(model, [1.0, -2.0]), record(by_hand, [1.0, -2.0])
    assert ours.nodes == theirs.nodes
    assert ours.outputs == theirs.outputs
    assert labels(ours, ours.parameters) == [name for name, _ in model.named_parameters()]
    assert operations(ours) == ["dot", "add", "tanh"] * 7 + ["dot", "add"]
    ours, theirs = record(model, [1.0, -2.0], gradients=True), record(by_hand, [1.0, -2.0], gradients=True)
    assert sorted(operations(ours)) == sorted(operations(theirs))
    assert replayed(ours) == pytest.approx(replayed(theirs), rel=1e-14)


def test_sums_without_products_are_one_total() -> None:
    tape = record(lambda x: x[0] + x[1] + x[2] + (x[3] + x[4].exp()), [1.0, 2.0, 3.0, 4.0, 5.0])
    assert operations(tape) == ["exp", "total"]
    assert labels(tape, tape.nodes[-1].inputs) == ["x[0]", "x[1]", "x[2]", "x[3]", ""]


def test_the_products_of_gradients_are_gathered_too() -> None:
    """The gradient in an input of a layer is a sum over its neurons."""
    layer = nn.Layer(1, 3, nonlin=False, rng=random.Random(0))
    slopes = lambda x: grad(tg.total([v.exp() for v in layer([x])]), x, create_graph=True)  # noqa: E731
    assert operations(record(slopes, 0.5))[-1] == "dot"


def test_what_has_a_label_or_is_used_elsewhere_stays_by_itself() -> None:
    a, b, c = (Value(x, label=label) for x, label in ((2.0, "a"), (3.0, "b"), (5.0, "c")))

    def with_label(x: Value) -> Value:
        p = a * x
        p.label = "p"
        return p + b * x + c * x

    def used_elsewhere(x: Value) -> Value:
        p = a * x
        return (p + b * x + c * x) / p

    def returned(x: Value) -> list[Value]:
        p = a * x
        return [p + b * x + c * x, p]

    for f in (with_label, used_elsewhere, returned):
        tape = record(f, 7.0)
        assert operations(tape)[:3] == ["mul", "dot", "add"]
    assert [node.label for node in record(with_label, 7.0).nodes if node.inputs] == ["p", "", ""]
    sum_with_label = record(lambda x: B + W[0] * x + W[1] * x + W[2] * x, 7.0)
    assert operations(sum_with_label) == ["dot", "add"]


def test_the_label_of_a_sum_stays_with_the_sum() -> None:
    def f(x: list[Value]) -> Value:
        z = sum(w * xi for w, xi in zip(W, x))
        z.label = "z"
        y = z + B
        y.label = "y"
        return y

    tape = record(f, [1.0, 2.0, 3.0, 4.0])
    assert [(str(node.op), node.label) for node in tape.nodes if node.inputs] == [("dot", "z"), ("add", "y")]


# ---- inputs, parameters, constants -----------------------------------------------------------------------------------
def test_arguments_are_inputs_also_those_that_are_not_used() -> None:
    tape = record(lambda a, b, c: a * c, 1.0, 2.0, 3.0, gradients=True)
    assert labels(tape, tape.inputs) == ["a", "b", "c"]
    assert tape.replay(FLOATS, 5.0, 6.0, 7.0) == [35.0, 7.0, 0.0, 5.0]


def test_values_that_the_function_did_not_make_are_parameters_in_the_order_of_their_use() -> None:
    a, b, c, unused = (Value(x, label=label) for x, label in ((2.0, "a"), (3.0, "b"), (5.0, "c"), (7.0, "d")))

    def f(x: Value) -> Value:
        _ = unused * x
        return (c * x).exp() ** (b / x) * (a * x + c).tanh() + b * a

    tape = record(f, 0.1)
    assert labels(tape, tape.parameters) == ["c", "b", "a"]
    assert tape.example == (0.1, 5.0, 3.0, 2.0)


def test_a_parameter_may_be_a_result() -> None:
    v, w = Value(2.0, label="v"), Value(3.0, label="w")
    tape = record(lambda x: [w, x, v, w * v * x], 5.0)
    assert labels(tape, tape.parameters) == ["w", "v"]
    assert tape.replay(FLOATS, 5.0, 7.0, 11.0) == [7.0, 5.0, 11.0, 385.0]


def test_parameters_without_a_label_are_numbered() -> None:
    ws = [Value(1.0), Value(2.0), Value(3.0, label="w"), Value(4.0)]
    tape = record(lambda x: sum((w * x for w in ws[:-1]), ws[-1]), 2.0)
    assert labels(tape, tape.parameters) == ["p0", "p1", "w", "p3"]


def test_values_that_the_function_makes_are_constants() -> None:
    def f(x: Value) -> Value:
        scale = Value(3.0, label="scale")
        return scale * x + Value(4.0)

    tape = record(f, 2.0, gradients=True)
    assert tape.parameters == ()
    assert tape.replay(FLOATS, 5.0) == [19.0, 3.0]
    assert [node.number for node in tape.nodes if node.op is CONSTANT] == [3.0, 4.0]


def test_default_arguments_may_be_numbers_or_parameters() -> None:
    w = Value(3.0, label="w")

    def f(x: Value, scale: float = 2.0, weight: Value = w) -> Value:
        return scale * weight * x

    tape = record(f, 5.0)
    assert (labels(tape, tape.inputs), labels(tape, tape.parameters), replayed(tape)) == (["x"], ["w"], [30.0])
    tape = record(f, 5.0, 7.0)
    assert (labels(tape, tape.inputs), labels(tape, tape.parameters), replayed(tape)) == (
        ["x", "scale"],
        ["w"],
        [105.0],
    )


def test_a_graph_that_is_there_already_is_recorded_down_to_its_leaves() -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    p = a * b
    p.label = "p"
    y = (p + 10.0).tanh()
    tape = record(lambda: y, gradients=True)
    assert (tape.inputs, labels(tape, tape.parameters)) == ((), ["a", "b"])
    assert operations(tape)[:3] == ["mul", "add", "tanh"]
    assert Node(OPS["mul"], (0, 1), "p") in tape.nodes
    y.backward()
    assert replayed(tape) == [y.data, a.grad, b.grad]
    tape = record(lambda x: x * p, 5.0)  # a function may use a part of one
    assert tape.replay(FLOATS, 7.0, 3.0, -4.0) == [-84.0]


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
    tape = record(lambda v, d, *more: v[0] * d["a"][1], [1.0, 2.0], {"a": (3.0, 4.0)}, 5.0, 6.0)
    assert labels(tape, tape.inputs) == ["v[0]", "v[1]", "d.a[0]", "d.a[1]", "more[0]", "more[1]"]


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

    tape = record(f, 0.25, -1.5, gradients=True)
    leaves = (*tape.inputs, *tape.parameters)
    assert [output.leaf for output in tape.outputs] == [None, *leaves]
    assert labels(tape, leaves) == ["x", "y", "a", "b"]
    x, y = Value(0.25), Value(-1.5)
    value = f(x, y)
    assert replayed(tape) == pytest.approx([value.data, *grad(value, [x, y, a, b])], rel=1e-14)


def test_a_gradient_in_what_the_value_does_not_depend_on_is_zero() -> None:
    assert replayed(record(lambda x, y: x * 3.0, 2.0, 5.0, gradients=True)) == [6.0, 3.0, 0.0]
    assert replayed(record(lambda x: 3.0, 2.0, gradients=True)) == [3.0, 0.0]
    assert replayed(record(lambda x: x, 2.0, gradients=True)) == [2.0, 1.0]
    w = Value(5.0)
    assert replayed(record(lambda x: w**0 * x, 2.0, gradients=True)) == [2.0, 1.0, 0.0]
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
    tape = record(lambda x: f(x)[1], 5.0, gradients=True)  # and gradients of these
    assert replayed(tape) == [150.0, 60.0, 75.0]


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
def test_a_chain_may_be_long(name: str) -> None:
    n = 5_000  # five times what Python's recursion would allow

    def f(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = CHAINS[name](y, x)
        return y

    tape = record(f, 0.5)
    assert len(tape.nodes) > n or operations(tape) == ["total"]
    assert compile(f)(0.5) == pytest.approx(f(Value(0.5)).data, rel=1e-11)
    assert all(tape.source(language) for language in LANGUAGES)


@pytest.mark.parametrize("gradients", [False, True])
def test_a_sum_may_be_wide(gradients: bool, javascript: JavaScript) -> None:
    n = 10_000
    ws = [Value(1.0 + i / n) for i in range(n)]
    tape = record(lambda x: sum(w * x for w in ws), 2.0, gradients=gradients)
    expected = [2.0 * sum(w.data for w in ws), *([sum(w.data for w in ws), *[2.0] * n] if gradients else [])]
    assert replayed(tape) == pytest.approx(expected, rel=1e-12)
    for language in ("python", "numpy"):
        results = executable(tape.source(language))(*tape.example)
        assert (list(results) if gradients else [results]) == pytest.approx(expected, rel=1e-12)
    assert javascript(tape.source("javascript"), [tape.example])[0] == pytest.approx(expected, rel=1e-12)


# ---- how it reads ----------------------------------------------------------------------------------------------------
def neuron(x: list[Value]) -> Value:
    return sum((w * xi for w, xi in zip(W, x)), B).tanh()


def test_a_listing_reads_beside_the_drawing() -> None:
    assert str(record(neuron, [1.0, 2.0, -1.0, 0.5])) == (
        """\
tape of neuron
name  formula                                         number
x_0   input                                                1
x_1   input                                                2
x_2   input                                               -1
x_3   input                                              0.5
w_0   parameter                                          0.4
w_1   parameter                                         -1.1
w_2   parameter                                          0.7
w_3   parameter                                          0.3
b     parameter                                         0.25
v1    dot(w_0, w_1, w_2, w_3, x_0, x_1, x_2, x_3)      -2.35
v2    v1 + b                                            -2.1
v3    tanh(v2)                                     -0.970452
returns v3"""
    )


def test_a_listing_says_which_results_are_gradients() -> None:
    def f(x: Value, y: Value) -> Value:
        loss = (x * 2.5 - y) ** 2
        loss.label = "loss"
        return loss

    assert str(record(f, 1.0, 2.0, gradients=True)).splitlines()[-2:] == [
        "v5    v3 * 2.5     2.5",
        "returns loss, ∂loss/∂x = v5, ∂loss/∂y = v4",
    ]


def test_long_lists_of_inputs_are_shortened() -> None:
    ws = [Value(0.5, label=f"w[{i}]") for i in range(1000)]
    text = str(record(lambda x: dot(ws, x), [1.0] * 1000))
    assert "w_0, w_1, w_2, w_3, …, x_997, x_998, x_999" in text
    assert max(map(len, text.splitlines())) < 80


def test_source_in_four_languages() -> None:
    tape = record(neuron, [1.0, 2.0, -1.0, 0.5])
    leaves = "x_0, x_1, x_2, x_3, w_0, w_1, w_2, w_3, b"
    sum_of_products = "w_0 * x_0 + w_1 * x_1 + w_2 * x_2 + w_3 * x_3 + b"
    assert tape.source() == tape.source("python")
    assert tape.source("python") == (
        f"from math import tanh\n\n\ndef neuron({leaves}):\n    return tanh({sum_of_products})"
    )
    assert tape.source("numpy") == (
        f"import numpy as np\n\n\ndef neuron({leaves}):\n    return np.tanh({sum_of_products})"
    )
    assert tape.source("javascript") == f"function neuron({leaves}) {{\n  return Math.tanh({sum_of_products});\n}}"
    products = r" + ".join(rf"w_{{{i}}} \cdot x_{{{i}}}" for i in range(4))
    assert tape.source("latex") == (
        "\\begin{aligned}\n" + rf"y &= \tanh\left({products} + b\right)" + "\n\\end{aligned}"
    )


def test_source_with_gradients_names_them_after_the_leaves() -> None:
    w = Value(0.5, label="w")

    def f(x: Value, y: Value) -> Value:
        e = w * x - y
        e.label = "e"
        loss = e**2
        loss.label = "loss"
        return loss

    assert record(f, 1.0, 2.0, gradients=True).source() == (
        """\
def f(x, y, w):
    e = w * x - y
    loss = e ** 2
    v1 = 2.0 * e
    dloss_dy = -v1
    dloss_dw = v1 * x
    dloss_dx = v1 * w
    return loss, dloss_dx, dloss_dy, dloss_dw"""
    )


def test_other_languages_are_not_known() -> None:
    with pytest.raises(ValueError, match="written in python, numpy, javascript, latex, not in 'fortran'"):
        record(lambda x: x, 1.0).source("fortran")


def test_an_operation_whose_rule_looks_at_its_numbers_cannot_be_written() -> None:
    branching = define_op("branching", lambda m, x: x if x > 0 else -x, lambda m, y, x: (1.0,))
    tape = record(lambda x: branching(x), 1.0)
    assert tape.replay(FLOATS, -2.0) == [2.0]
    for language in LANGUAGES:
        with pytest.raises(TypeError, match=r"operation branching cannot be written .* m\.step, m\.maximum"):
            tape.source(language)
    del OPS["branching"]


# ---- names -----------------------------------------------------------------------------------------------------------
NAMES = {
    "a path: its last word and all indices": ("layers[0].neurons[3].w[1]", "w_0_3_1"),
    "an element": ("x[12]", "x_12"),
    "a key": ("weights['in'][2]", "weights_in_2"),
    "an expression": ("x1*w1 + b", "x1_w1_b"),
    "words": ("learning rate", "learning_rate"),
    "letters of other languages": ("θ", "θ"),
    "what Python takes for other letters": ("ﬁ", "fi"),
    "a digit first": ("2x", "x_2x"),
    "no letters": ("-", "x"),
    "a keyword": ("lambda", "lambda_2"),
    "a function of Python": ("sum", "sum_2"),
    "a function of the mathematics": ("exp", "exp_2"),
    "a long one": ("a" * 10**5, "a" * 40),
}


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_names_in_the_source(name: str) -> None:
    label, expected = NAMES[name]
    w = Value(0.5, label=label)
    assert record(lambda q: w + q, 2.0).source() == f"def f(q, {expected}):\n    return {expected} + q"


def test_paths_are_spelled_out_where_the_short_names_would_be_the_same() -> None:
    a, b = Value(0.5, label="a.w[0]"), Value(0.5, label="b.w[0]")
    assert record(lambda x: a * x + b, 2.0).source() == "def f(x, a_w_0, b_w_0):\n    return a_w_0 * x + b_w_0"


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
    """Each label by itself, as a parameter and as an intermediate node, and then all of them in one program."""
    for names in (*([label] for label in STRANGE), STRANGE):
        ws = [Value(0.5 + i / 100, label=label) for i, label in enumerate(names)]

        def f(x: Any, ws: list[Value] = ws, names: list[str] = names) -> Any:
            terms = [(w * x).sigmoid() if i % 2 else (w * x).exp() for i, w in enumerate(ws)]
            for term, name in zip(terms, names):
                term.label = name
            y = tg.total(terms)
            return tg.maximum(y, 1.0).gelu() + tg.sign(y) * tg.step(y) + tg.minimum(y, 2.0).erfc()

        tape = record(f, 0.5, gradients=True)
        true = pytest.approx(replayed(tape), rel=1e-12)
        assert list(executable(tape.source("python"))(*tape.example)) == true
        on_arrays = executable(tape.source("numpy"))(np.array([tape.example[0]]), *tape.example[1:])
        assert [float(np.squeeze(y)) for y in on_arrays] == true
        assert javascript(tape.source("javascript"), [tape.example])[0] == true
        assert tape.source("latex").count("{") == tape.source("latex").count("}")


@pytest.mark.parametrize("name", ["np", "Math", "cbrt", "list", "constructor", "f", "v1", "x", "eval", "θ", "inner"])
def test_operations_and_functions_may_have_such_names_too(name: str, javascript: JavaScript) -> None:
    op = define_op(name, lambda m, a, b: m.exp(a) * b + a, lambda m, y, a, b: (m.exp(a) * b + 1.0, m.exp(a)))
    w = Value(0.25, label=name)

    def f(x: Any) -> Any:
        return op(w * x, x) * x.sigmoid() + x.log()

    f.__name__ = name
    tape = record(f, 0.5, gradients=True)
    true = pytest.approx(replayed(tape), rel=1e-12)
    assert list(executable(tape.source("python"))(*tape.example)) == true
    on_arrays = executable(tape.source("numpy"))(np.array([0.5]), 0.25)
    assert [float(np.squeeze(y)) for y in on_arrays] == true
    assert javascript(tape.source("javascript"), [tape.example])[0] == true
    del OPS[name]


# ---- honest limits: what a tape cannot replay is an error that shows the line ----------------------------------------
V = Value(2.0, label="v")


def under_no_grad(x: Any) -> Any:
    with tg.no_grad():
        return V * x  # under no_grad


def goes_backward(x: Any) -> Any:
    y = V * x
    y.backward()  # goes backward
    return y


def sets_data(x: Any) -> Any:
    V.data = 3.0  # sets data
    return V * x


def sets_grad(x: Any) -> Any:
    V.grad = 0.0  # sets grad
    return V * x


def uses_a_function_that_branches(x: Any) -> Any:
    def helper(v: Any) -> Any:
        return v if v > 1.0 else 1.0  # branches in a helper

    return helper(x * x)


COMPARE = r"where\(step\(a - b\), x, y\) is x where a > b, and else y; .* relu\(x\), maximum\(a, b\)"
DECIDE = r"relu\(x\), maximum\(a, b\), minimum\(a, b\), .* or step\(x\)"
NUMBER = r"v\.detach\(\) is the number .* maximum\(\*vs\)\.detach\(\) for max\(v\.data for v in vs\)"
AS_VALUES = r"grad\(y, xs, create_graph=True\)"
LIMITS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "if v > 0": (lambda x: x if x > 0 else -x, "compares Values", COMPARE),
    "if v == 2.0": (lambda x: x if x == 2.0 else -x, "compares Values", COMPARE),
    "if w != 2.0": (lambda x: x if V != 2.0 else -x, "compares Values", COMPARE),
    "0 < v < 1": (lambda x: x if 0 < x < 1 else -x, "compares Values", COMPARE),
    "if w <= v": (lambda x: x if x >= V else -x, "compares Values", COMPARE),
    "if v": (lambda x: x if x else V, "asks whether a Value is true", DECIDE),
    "not v": (lambda x: x if not x else V, "asks whether a Value is true", DECIDE),
    "v or w": (lambda x: x or V, "asks whether a Value is true", DECIDE),
    "max": (lambda x: max(x, V), "compares Values", COMPARE),
    "sorted": (lambda x: sorted([x, V])[0], "compares Values", COMPARE),
    "np.max": (lambda x: np.max(np.array([x, V])), "compares Values", COMPARE),
    "a number in a list": (lambda x: V if x in [1.0] else x, "compares Values", COMPARE),
    "data of an input": (lambda x: V * x.data, "looks at the .data of a Value", NUMBER),
    "max of the data": (lambda x: x - max(v.data for v in [x, V]), "looks at the .data of a Value", NUMBER),
    "data of a parameter": (lambda x: V.data * x, "looks at the .data of a Value", NUMBER),
    "data of a parameter of a model": (lambda x: MODEL.neurons[0].b.data * x, "looks at the .data of a Value", NUMBER),
    "item": (lambda x: V.item() * x, "looks at the .data of a Value", NUMBER),
    "a format": (lambda x: float(f"{x:.2f}") * x, "looks at the .data of a Value", NUMBER),
    "data of an intermediate node": (lambda x: (V * x).data * x, "looks at the .data of a Value", NUMBER),
    "data of a node made before": (lambda x: MADE_BEFORE.data * x, "looks at the .data of a Value", NUMBER),
    "copy.copy": (lambda x: copy.copy(V) * x, "looks at the .data of a Value", NUMBER),
    "copy.deepcopy": (lambda x: copy.deepcopy(V) * x, "looks at the .data of a Value", NUMBER),
    "pickle": (lambda x: pickle.dumps(V) and x, "looks at the .data of a Value", NUMBER),
    "a loss that branches": (lambda x: losses.hinge(x, V), "compares Values", COMPARE),
    "what a compiled function computes": (lambda x: compile(lambda v: V * v)(2.0) * x, "looks at the .data", NUMBER),
    "grad": (lambda x: grad(V * x, x) * x, "takes gradients as plain numbers", AS_VALUES),
    "backward": (goes_backward, r"calls backward\(\)", AS_VALUES),
    "the grad of a parameter": (lambda x: V.grad * x, "looks at the .grad of a Value", AS_VALUES),
    "a new grad": (sets_grad, "sets the .grad of a Value", "set it outside"),
    "new data": (sets_data, "sets the .data of a Value", "return the new number, and set it outside"),
    "a step of an optimizer": (lambda x: tg.optim.SGD([V]).step() or V * x, r"looks at the \.grad of a Value", ""),
}
MODEL = tg.nn.Linear(1)
MADE_BEFORE = V * 2.0
MARKED = {
    "backward": "goes backward",
    "new data": "sets data",
    "a new grad": "sets grad",
}


@pytest.mark.parametrize("name", LIMITS)
def test_to_look_at_a_number_is_an_error_that_shows_the_line_and_the_way_out(name: str) -> None:
    f, problem, way_out = LIMITS[name]
    before = (V.data, V.grad)
    for run in (lambda: record(f, 1.5), lambda: compile(f)(1.5), lambda: compile(f)(np.array([1.5, 2.0]))):
        with pytest.raises(RecordingError, match=f"a function {problem}.* while it is traced.*{way_out}") as error:
            run()
        number, text = line_with(MARKED[name]) if name in MARKED else (f.__code__.co_firstlineno, f'"{name}": (')
        assert str(error.value).startswith(f"{__file__}, line {number}: ")
        assert str(error.value).splitlines()[-1].startswith(f"    {text}")
    assert (V.data, V.grad) == before


def test_the_line_is_that_of_the_function_which_looks() -> None:
    number, text = line_with("branches in a helper")
    with pytest.raises(RecordingError, match="compares Values") as error:
        record(uses_a_function_that_branches, 2.0)
    assert str(error.value).startswith(f"{__file__}, line {number}: ")
    assert str(error.value).endswith(f"\n    {text}")


def test_a_line_that_cannot_be_shown_is_left_out() -> None:
    scope: dict[str, Any] = {"__name__": "typed"}
    exec("def f(x):\n    return x if x > 0 else -x", scope)
    with pytest.raises(RecordingError, match=r"^<string>, line 2: a function compares .* and else 0$"):
        record(scope["f"], 2.0)


def test_a_recording_error_is_a_type_error() -> None:
    assert issubclass(RecordingError, TypeError)


HARMLESS: dict[str, Callable[[Any], Any]] = {
    "identity of Values": lambda x: V * x if x == x and x != V and V in [x, V] else x,
    "data of a Value made inside": lambda x: V * x * Value(1.0).data,
    "a derivative at a number": lambda x: tg.derivative(lambda v: V * v * x)(2.0),
    "all functions that differentiate": lambda x: (
        tg.value_and_grad(lambda a: a * x)(V)[0] * tg.hessian(lambda a: a * a)(2.0)[0][0] / 2.0
    ),
    "repr": lambda x: repr(x) and V * x,
    "an f-string": lambda x: f"{x} {x * V!r} {[x, V]}" and V * x,
    "labels": lambda x: setattr(x, "label", x.label + V.label) or V * x,
    "comparisons of plain numbers": lambda x: V * x if len([x]) > 0 and 2.0 > 1.0 else x,
    "isinstance": lambda x: V * x if isinstance(x, Value) and callable(x.exp) else x,
    "identity": lambda x: V * x if x is not V and x is not None else x,
    "sets and dicts": lambda x: {x: V}[x] * x if len({x, V}) == 2 else x,
    "functions of plain numbers": lambda x: V * x * tg.exp(0.0) * tg.maximum(1.0, 0.5),
    "gradients as Values": lambda x: V * x * grad(x * 1.0, x, create_graph=True),
    "a recording of something else": lambda x: V * x * len(record(lambda a: a * V, 2.0).outputs),
    "a compiled function of plain numbers": lambda x: V * x * compile(lambda a: a * a)(1.0),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not_look_at_numbers_is_allowed(name: str) -> None:
    f = HARMLESS[name]
    assert compile(f)(1.5) == 3.0
    assert record(f, 1.5).replay(FLOATS, 5.0, 7.0) == [35.0]


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
        source = compiled_source(f)
        assert "detach" not in source
    V.grad = 0.0


def compiled_source(f: Callable[[Any], Any]) -> str:
    return "".join(record(f, 3.0, gradients=True).source(language) for language in ("python", "numpy", "javascript"))


def test_a_value_that_was_made_while_a_function_was_traced_is_no_use_outside() -> None:
    kept = []
    record(lambda x: kept.append(x * V) or x, 2.0)
    for use in (lambda v: v.data, lambda v: v > 0.0, lambda v: v * 2.0, lambda v: v.backward()):
        with pytest.raises(RecordingError, match="has no number, and is no use outside"):
            use(kept[0])
    assert repr(kept[0]) == "<Value: mul, traced>"


# ---- guards ----------------------------------------------------------------------------------------------------------
class Weight(Value):
    """A user's subclass, with a slot of its own."""

    __slots__ = ("name",)


class Tagged(Value):
    tags: ClassVar[list[str]] = []


@pytest.mark.parametrize("kind", [Value, Weight, Tagged])
def test_parameters_are_guarded_only_while_they_are_traced_and_only_there(kind: type[Value]) -> None:
    w = kind(2.0, label="w")
    seen: list[Any] = []

    def look() -> None:
        twin, restored = copy.deepcopy(w), pickle.loads(pickle.dumps(w))
        seen.append((w.data, w.grad, w > 1.0, bool(w), w == 2.0, repr(w), type(twin), type(restored), (w * 3.0).data))

    def f(x: Any) -> Any:
        in_threads(look)
        return w * x

    look()
    assert compile(f)(3.0) == 6.0
    assert seen == [(2.0, 0.0, True, True, True, "Value(data=2.0, grad=0.0, label='w')", kind, kind, 6.0)] * 3
    assert type(w) is kind
    with pytest.raises(RecordingError, match=r"looks at the \.data"):
        compile(lambda x: w.data * x)(3.0)
    assert type(w) is kind


def test_traces_that_overlap_guard_together_and_the_last_one_takes_the_guard_away() -> None:
    w, meet = Value(2.0), threading.Barrier(2)
    first_is_done = threading.Event()

    def first(x: Any) -> Any:
        meet.wait(timeout=10)
        return w * x

    def second(x: Any) -> Any:
        meet.wait(timeout=10)
        if len(runs) == 1:
            assert first_is_done.wait(timeout=10)
            return w.data * x
        runs.append(1)
        return w * x

    def trace_first() -> Any:
        result = replayed(record(first, 3.0))
        first_is_done.set()
        return result

    runs: list[int] = []
    results = in_threads(trace_first, lambda: record(second, 3.0))
    assert results[0] == [6.0]
    assert isinstance(results[1], RecordingError)
    assert type(w) is Value


def test_a_thread_that_uses_the_parameters_of_a_trace_is_never_disturbed() -> None:
    w, stop = Value(1.0, label="w"), threading.Event()

    def use() -> set[Any]:
        seen = set()
        try:
            for _ in range(20_000):
                w.grad = 0.0
                y = w * w + w
                y.backward()
                seen.add((w.grad, w < 2.0, bool(w), w == 1.0, repr(w)))
        finally:
            stop.set()
        return seen

    def trace_on() -> None:
        while not stop.is_set():
            record(lambda x: x * w, 1.0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        seen, _ = in_threads(use, trace_on)
    finally:
        sys.setswitchinterval(before)
    assert seen == {(3.0, True, True, True, "Value(data=1.0, grad=3.0, label='w')")}


class Doubling(Value):
    def __init_subclass__(cls, *, tag: str, **options: Any) -> None:
        super().__init_subclass__(**options)

    def doubled(self) -> Value:
        return type(self)(2.0) * self


class WithTag(Doubling, tag="needed"):
    pass


def test_subclasses_with_rules_of_their_own_can_be_traced() -> None:
    w = WithTag(3.0)
    assert compile(lambda x: x * w.doubled())(2.0) == 12.0
    assert type(w) is WithTag


def test_an_empty_cell_hides_no_other_one() -> None:
    def outer() -> Any:
        w, gone = Value(2.0), 1

        def f(x: Any) -> Any:
            return x * w.data if x is not None else gone  # noqa: F821

        del gone
        return f

    with pytest.raises(RecordingError, match=r"looks at the \.data"):
        compile(outer())(3.0)


def test_a_derivative_that_is_a_parameter_itself_stays_a_value() -> None:
    assert compile(lambda x: x * tg.derivative(lambda y: V * y)(2.0))(5.0) == 10.0
    assert compile(lambda x: x * tg.value_and_grad(lambda y: V)(2.0)[0])(5.0) == 10.0


def test_a_trace_within_a_trace_that_sees_the_nodes_of_the_outer_one() -> None:
    def f(x: Any) -> Any:
        record(lambda y: x * y, 2.0)
        return x * 2.0

    assert compile(f)(5.0) == 10.0


def test_many_traces_leave_nothing_behind() -> None:
    w = Value(2.0)
    before = set(vars(Value))
    for _ in range(200):
        record(lambda x: w * x, 1.0)
    assert (type(w), w.__dict__) == (Value, {})
    assert set(vars(Value)) - before <= {"__slotnames__"}


def test_a_list_is_a_way_to_choose_that_does_not_look() -> None:
    assert compile(lambda x: tg.maximum(x, V) + tg.step(x) * x + tg.relu(-x))(-3.0) == 5.0


def test_what_the_function_decides_by_plain_numbers_is_decided_once() -> None:
    settings = {"negative": False}
    f = compile(lambda x: -x if settings["negative"] else x)
    assert f(2.0) == 2.0
    settings["negative"] = True
    assert f(2.0) == 2.0


def test_recordings_may_be_nested_and_the_outer_one_keeps_its_guard() -> None:
    def outer(x: Any) -> Any:
        inner = record(lambda a: a * V, 2.0)
        with pytest.raises(RecordingError, match="compares Values"):
            record(lambda a: a if a > 0 else V, 2.0)
        with pytest.raises(RecordingError, match=r"looks at the \.data"):
            _ = x.data
        return x * len(inner.nodes)

    assert replayed(record(outer, 2.0)) == [6.0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_an_error_of_the_function_goes_through(error: type[BaseException]) -> None:
    def f(x: Any) -> Any:
        raise error("stop")

    for run in (lambda: record(f, 1.0), lambda: compile(f)(1.0)):
        with pytest.raises(error, match=r"^stop$"):
            run()
    assert (V.data, V.grad) == (2.0, 0.0)  # nobody guards them


def test_random_numbers_are_drawn_outside() -> None:
    rng = random.Random(0)

    def dropout(x: list[Value]) -> Any:
        return tg.total([v * rng.choice([0.0, 2.0]) for v in x])

    with pytest.raises(RecordingError, match=r"dropout computes something else when it is called again .* as arg"):
        compile(dropout)([1.0] * 20)
    with pytest.raises(RecordingError, match="f computes something else when it is called again"):
        compile(lambda x: rng.choice([x, x * V]) if rng.random() < -1 else x * rng.gauss(0.0, 1.0))(1.0)


def test_a_function_that_uses_other_parameters_each_time_is_an_error() -> None:
    rng, ws = random.Random(1), [Value(float(i)) for i in range(100)]
    with pytest.raises(RecordingError, match="computes something else"):
        compile(lambda x: rng.choice(ws) * x)(1.0)


# ---- threads ---------------------------------------------------------------------------------------------------------
def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """What they return, or the errors that they raise; all run at the same time."""
    results: list[Any] = [None] * len(functions)

    def run(i: int) -> None:
        try:
            results[i] = functions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_several_threads_record_at_once_and_each_has_its_own_error() -> None:
    meet = threading.Barrier(4)

    def recording(branch: bool) -> Callable[[], Any]:
        times = iter([1, 2])

        def f(x: Any) -> Any:
            if next(times) == 1:  # a function is run twice, if it does not fail
                meet.wait(timeout=10)  # all of them are in the middle of it now
            y = V * x
            if branch:
                return y if y > 0 else x
            return y.tanh()

        return lambda: replayed(record(f, 1.5))

    results = in_threads(*map(recording, (False, True, False, True)))
    assert results[0::2] == [[math.tanh(3.0)]] * 2
    assert all(isinstance(error, RecordingError) for error in results[1::2])


def test_a_thread_that_computes_meanwhile_is_not_disturbed() -> None:
    recording, computed = threading.Event(), threading.Event()
    shared = Value(2.0)

    def f(x: Any) -> Any:
        y = shared * x
        recording.set()
        assert computed.wait(timeout=10)
        return y * shared

    def compute() -> list[float]:
        assert recording.wait(timeout=10)
        try:
            y = (shared * 3.0 + Value(1.0)).tanh()
            y.backward()
            shared.data += 1.0
            shared.data -= 1.0
            return [y.data if y > 0 else 0.0, shared.grad, y.detach().data, copy.deepcopy(y).data]
        finally:
            computed.set()

    tape, numbers = in_threads(lambda: record(f, 1.5), compute)
    y = math.tanh(7.0)
    assert numbers == pytest.approx([y, 3.0 * (1.0 - y * y), y, y])
    assert replayed(tape) == [6.0]


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
    """Twice, to see whether it is the same function each time; and again for each new structure and use."""
    calls = []
    f = compile(lambda x: calls.append(1) or (x[0] if isinstance(x, list) else x) * 3.0)
    for arguments, so_far in [((2.0,), 2), ((5,), 2), ((np.float32(1.0),), 2), (([2.0],), 4), (([2.0, 3.0],), 6)]:
        f(*arguments)
        f(*arguments)
        assert len(calls) == so_far
    f(np.array([1.0, 2.0]))
    assert len(calls) == 6  # a number for each sample is a number
    f.value_and_grad(2.0)
    f.value_and_grad(3.0)
    assert len(calls) == 8


def test_tapes_of_one_structure_share_a_program() -> None:
    ws = [Value(0.5, label="w"), Value(0.7, label="w")]
    sources = [record(lambda x, w=w: (w * x).tanh() + 1.0, x).source() for w, x in zip(ws, (1.0, 2.0))]
    assert sources[0] == sources[1]
    assert executable(sources[0]) is executable(sources[1])


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


class Scaled:
    def __init__(self, w: Value) -> None:
        self.w = w

    def __call__(self, x: Any) -> Any:
        return self.w * x

    @compile
    def method(self, x: Any) -> Any:
        return self.w * x


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


def test_nodes_of_a_tape_come_after_their_inputs_whatever_the_graph() -> None:
    def f(*xs: Any) -> Any:
        rng, nodes = random.Random(0), list(xs)
        for _ in range(200):
            op = rng.choice([operator.add, operator.mul, tg.maximum])
            nodes.append(op(rng.choice(nodes), rng.choice(nodes[-5:])).tanh())
        return nodes[-10:]

    tape = record(f, 0.1, 0.2, 0.3)
    assert all(i < place for place, node in enumerate(tape.nodes) for i in node.inputs)
    assert all(a < b for a, b in pairwise((*tape.inputs, *tape.parameters)))


def test_a_list_that_holds_itself_is_an_error() -> None:
    own: list[Any] = [1.0]
    own.append(own)
    for run in (lambda: compile(lambda x: x[0])(own), lambda: record(lambda x: x[0], own), lambda: record(lambda: own)):
        with pytest.raises(ValueError, match="is a list that holds itself, or is nested too deep"):
            run()
