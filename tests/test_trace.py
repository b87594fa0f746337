"""Tracing as a specification: what a tape holds, what parameters are called, what may be looked at and what not."""

import copy
import math
import operator
import pickle
import random
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from mpmath import MPContext
from profiles import IN_CI, sample
from threads import in_threads

import tinygrad_edu as tg
from tinygrad_edu import Value, define_op, dot, grad, losses, nn
from tinygrad_edu.compiler import Entry, RecordingError, Tape, trace
from tinygrad_edu.compiler._advice import advise
from tinygrad_edu.compiler.tape import Builder, make_tape
from tinygrad_edu.compiler.trace import Traced, trace_function
from tinygrad_edu.data import metrics
from tinygrad_edu.gradients import VALUES
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.ops import CONSTANT, DETACH, LEAF, TAKE, power
from tinygrad_edu.rules import FLOATS, OPS, NumberSystem

ADD, MUL = OPS["add"], OPS["mul"]
V = Value(2.0, label="v")


@pytest.fixture(autouse=True)
def _values_are_left_as_they_were() -> Iterator[None]:
    """Whatever happens while a function is traced, the Values that it uses are guarded no more when it is over."""
    yield
    assert type(V) is Value
    assert not trace._guarded


def tracing(f: Callable[..., Any], *numbers: float) -> Traced:
    """The trace of a function of these numbers, which are called a, b, c …"""

    def on_list(xs: list[Value]) -> list[Any]:
        y = f(*xs)
        return y if isinstance(y, list) else [y]

    return trace_function(on_list, "f", list(zip("abcdefgh", numbers)), f)


def tape_of(f: Callable[..., Any], *numbers: float) -> Tape:
    return tracing(f, *numbers).tape


def operations(tape: Tape) -> list[str]:
    return [str(node.op) for node in tape.entries if node.inputs]


def names(tape: Tape) -> list[str]:
    return [tape.labels[place] for place in tape.parameters]


def replayed(tape: Tape) -> list[float]:
    """The outputs at the example."""
    return tape.replay(FLOATS, *tape.example)


def line_with(mark: str) -> tuple[int, str]:
    """The number and the text of a line of this file that has a comment of its own."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next((i, line.strip()) for i, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))


# ---- what a tape is --------------------------------------------------------------------------------------------------
def test_a_tape_holds_leaves_constants_and_operations_each_after_its_inputs() -> None:
    w = Value(3.0, label="w")

    def neuron(x: Value) -> Value:
        z = w * x + 0.5
        z.label = "z"
        return z.tanh()

    tape = tape_of(neuron, 2.0)
    assert list(tape.entries) == [
        Entry(LEAF, (), "a"),
        Entry(LEAF, (), "w"),
        Entry(MUL, (1, 0)),
        Entry(CONSTANT, (), "", 0.5),
        Entry(ADD, (2, 3), "z"),
        Entry(OPS["tanh"], (4,)),
    ]
    assert (tape.name, tape.inputs, tape.parameters, tape.outputs) == ("f", (0,), (1,), (5,))
    assert tape.example == (2.0, 3.0)
    assert (len(tape), len(tape.entries), tape.entries[-1], tape.entries[1:2]) == (
        6,
        6,
        tape.entries[5],
        [Entry(LEAF, (), "w")],
    )
    assert repr(tape) == "<Tape of f: 1 inputs, 1 parameters, 3 operations, 1 outputs>"
    with pytest.raises(IndexError):
        tape.entries[6]


def test_the_columns_of_a_tape_say_the_same() -> None:
    tape = tape_of(lambda x, y: dot([x, 2.0], [y, x]), 1.0, 3.0)
    assert tape.ops == (LEAF, LEAF, CONSTANT, OPS["dot"])
    assert list(tape.sources[tape.starts[3] : tape.starts[4]]) == [0, 2, 1, 0] == list(tape.inputs_of(3))
    assert list(tape.starts) == [0, 0, 0, 0, 4]
    assert list(tape.numbers) == [0.0, 0.0, 2.0, 0.0]


def test_it_is_plain_data_that_is_compared_by_what_it_computes() -> None:
    w = Value(0.5, label="w")
    tape = tape_of(lambda x: (w * x).detach().tanh() ** 2 + math.nan, 2.0)
    again = tape_of(lambda x: (w * x).detach().tanh() ** 2 + math.nan, 2.0)  # in another line
    assert tape == again == pickle.loads(pickle.dumps(tape)) == copy.deepcopy(tape)
    assert len({tape, again, pickle.loads(pickle.dumps(tape))}) == 1
    with pytest.raises(FrozenInstanceError):
        tape.name = "g"  # type: ignore[misc]
    for other in (
        lambda x: (w * x).detach().tanh() ** 3 + math.nan,
        lambda x: (w * x).detach().tanh() ** 2 + 1.0,
        lambda x: (x * w).detach().tanh() ** 2 + math.nan,
        lambda x: [(w * x).detach().tanh() ** 2 + math.nan, x],
    ):
        assert tape != tape_of(other, 2.0)
    assert tape_of(lambda x: x * 0.0, 1.0) != tape_of(lambda x: x * -0.0, 1.0)
    assert tape != "tape"


def test_it_is_replayed_on_any_kind_of_number() -> None:
    mp = MPContext()
    mp.dps = 50

    class Digits(NumberSystem):
        exp = staticmethod(mp.exp)

    tape = tape_of(lambda x: x.exp() / (x * x + 2.0), 1.0)
    x = mp.mpf(1) / 3
    assert abs(tape.replay(Digits(), x)[0] - mp.exp(x) / (x * x + 2)) < mp.mpf(10) ** -48
    on_values = Value(0.25)
    (y,) = tape.replay(VALUES, on_values)
    assert grad(y, on_values) == pytest.approx(math.exp(0.25) * (0.0625 - 0.5 + 2.0) / 2.0625**2, rel=1e-14)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_replay_takes_a_number_for_each_input_and_each_parameter(count: int) -> None:
    w = Value(0.5)
    with pytest.raises(ValueError, match=f"the tape of f takes 2 numbers, not {count}"):
        tape_of(lambda x: w * x, 2.0).replay(FLOATS, *[1.0] * count)


def test_a_listing_reads_line_by_line() -> None:
    w = Value(0.5, label="w")

    def f(x: Value, y: Value) -> Value:
        e = w * x - y  # listed
        e.label = "e"
        return tg.total([e, x, y, 1.0]) + (e**2).relu()  # listed below

    first, last = line_with("listed")[0], line_with("listed below")[0]
    assert str(tape_of(f, 1.0, 2.0)) == (
        f"""\
tape of f
name  formula             number  line
a     input                    1
b     input                    2
w     parameter              0.5
v3    w * a                  0.5  test_trace.py:{first}
e     v3 - b                -1.5  test_trace.py:{first}
v5    constant                 1
v6    total(e, a, b, v5)     2.5  test_trace.py:{last}
v7    power(e, 2)           2.25  test_trace.py:{last}
v8    relu(v7)              2.25  test_trace.py:{last}
v9    v6 + v8               4.75  test_trace.py:{last}
returns v9"""
    )


def test_long_lists_of_inputs_are_shortened_and_what_cannot_be_computed_has_no_number() -> None:
    ws = [Value(0.5, label=f"w{i}") for i in range(1000)]
    text = str(tape_of(lambda x: dot(ws, [x] * 1000), 1.0))
    assert "dot(w0, w1, w2, w3, …, a, a, a, a)" in text
    assert max(map(len, text.splitlines())) < 90
    assert "-1" not in str(tape_of(lambda x: x.log(), -1.0))


# ---- it is raw -------------------------------------------------------------------------------------------------------
RAW: dict[str, tuple[Callable[[Any, Any], Any], list[str]]] = {
    "times one": (lambda x, y: x * 1.0, ["mul"]),
    "plus zero": (lambda x, y: x + 0.0, ["add"]),
    "zero plus, as sum() begins": (lambda x, y: sum([x, y]), ["add", "add"]),
    "times minus one": (lambda x, y: x * -1.0, ["mul"]),
    "to the power one": (lambda x, y: x**1, ["power(1)"]),
    "a total of one": (lambda x, y: tg.total([x]), ["total"]),
    "a dot of one pair": (lambda x, y: dot([x], [y]), ["dot"]),
    "a sum again": (lambda x, y: (x + y) * (x + y), ["add", "add", "mul"]),
    "chains of sums and products": (lambda x, y: x * 2.0 + y * 3.0 + 1.0, ["mul", "mul", "add", "add"]),
    "arithmetic on Values that are made inside": (lambda x, y: x + Value(2.0) * 3.0, ["mul", "add"]),
}


@pytest.mark.parametrize("name", RAW)
def test_nothing_is_folded_simplified_gathered_or_shared(name: str) -> None:
    f, expected = RAW[name]
    tape = tape_of(f, 2.0, 3.0)
    assert operations(tape) == expected
    for point in [(0.5, 7.0), (1.25, -0.5)]:
        assert tape.replay(FLOATS, *point) == [f(*map(Value, point)).data]


def test_each_use_of_a_constant_is_an_entry_of_its_own() -> None:
    half = Value(0.5).detach()
    tape = tape_of(lambda x: (x * 0.5 + 0.5) * half * half, 2.0)
    assert [node.number for node in tape.entries if node.op is CONSTANT] == [0.5] * 4


def test_what_no_result_depends_on_is_left_out_but_for_inputs() -> None:
    unused = Value(7.0)

    def f(x: Value, y: Value) -> Value:
        _ = (unused * x + 2.0).exp()
        z = x * 3.0
        _ = z - y
        return z

    tape, parameters, _ = tracing(f, 2.0, 5.0)
    assert list(tape.entries) == [
        Entry(LEAF, (), "a"),
        Entry(LEAF, (), "b"),
        Entry(CONSTANT, (), "", 3.0),
        Entry(MUL, (0, 2)),
    ]
    assert (tape.inputs, tape.parameters, parameters, tape.outputs) == ((0, 1), (), [], (3,))
    assert tape.line(3) == f"test_trace.py:{f.__code__.co_firstlineno + 2}"


def test_results_may_be_arguments_parameters_and_plain_numbers() -> None:
    v, w = Value(2.0, label="v"), Value(3.0, label="w")
    tape = tape_of(lambda x: [w, x, v, w * v * x, 4.0, x], 5.0)
    assert names(tape) == ["w", "v"]
    assert tape.replay(FLOATS, 5.0, 7.0, 11.0) == [7.0, 5.0, 11.0, 385.0, 4.0, 5.0]


def test_values_that_the_function_makes_are_constants() -> None:
    def f(x: Value) -> Value:
        scale = Value(3.0, label="scale")
        scale.data = 5.0
        return scale * x + Value(4.0)

    tape = tape_of(f, 2.0)
    assert tape.parameters == ()
    assert [node.number for node in tape.entries if node.op is CONSTANT] == [5.0, 4.0]


def test_functions_of_plain_numbers_are_computed_at_once() -> None:
    assert operations(tape_of(lambda x: x * tg.exp(0.0) * tg.maximum(1.0, 0.5), 2.0)) == ["mul", "mul"]


def test_a_constant_outside_a_domain_fails_when_it_is_run() -> None:
    """As it does on Values; while it is traced nothing is computed."""
    tape = tape_of(lambda x: x * Value(-1.0).log(), 2.0)
    with pytest.raises(ValueError, match="domain"):
        replayed(tape)


def test_a_graph_that_is_there_already_is_recorded_down_to_its_leaves() -> None:
    a, b = Value(2.0, label="p"), Value(-3.0, label="q")
    p = a * b
    p.label = "product"
    y = (p + 10.0).tanh()
    tape = tape_of(lambda: y)
    assert (tape.inputs, names(tape), operations(tape)) == ((), ["p", "q"], ["mul", "add", "tanh"])
    assert Entry(MUL, (0, 1), "product") in tape.entries
    assert replayed(tape) == [y.data]
    tape = tape_of(lambda x: x * p + y, 5.0)  # and what they share but once
    assert operations(tape) == ["mul", "mul", "add", "tanh", "add"]
    assert tape.replay(FLOATS, 7.0, 3.0, -4.0) == [-84.0 + math.tanh(-2.0)]


def test_a_graph_that_is_there_already_and_is_long_is_walked_once() -> None:
    chain = [Value(1.0)]
    for _ in range(20_000):
        chain.append(chain[-1] * 0.99999)
    tape = tape_of(lambda x: tg.total([v * x for v in chain[::10]]), 1.0)
    assert len(tape.parameters) == 1
    assert replayed(tape) == pytest.approx([sum(v.data for v in chain[::10])])


def test_a_node_with_a_closure_of_its_own_cannot_be_traced() -> None:
    x = Value(2.0)
    node = Value(4.0, (x,), "square")
    node._backward = lambda: None
    with pytest.raises(NotImplementedError, match="enter the operation in the table with define_op"):
        tape_of(lambda y: y * node, 1.0)

    def inside(y: Value) -> Value:
        return Value(4.0, (y,), "square")

    with pytest.raises(RecordingError, match="enter the operation in the table with define_op"):
        tape_of(inside, 1.0)


def test_operations_of_your_own_are_operations() -> None:
    cube = define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    assert operations(tape_of(lambda x: cube(x), 2.0)) == ["cube"]
    looks = define_op("looks", lambda m, x: x if x > 0 else -x, lambda m, y, x: (1.0,))
    assert tape_of(lambda x: looks(x), 1.0).replay(FLOATS, -2.0) == [2.0]


def test_gradients_that_the_function_takes_itself_are_operations() -> None:
    w = Value(2.0, label="w")

    def f(x: Any) -> Any:
        y = w * x**3
        slope = grad(y, x, create_graph=True)
        return [y, slope, grad(slope, x, create_graph=True), *grad(slope, [x, w], create_graph=True)]

    assert replayed(tape_of(f, 5.0)) == [250.0, 150.0, 60.0, 60.0, 75.0]
    assert replayed(tape_of(lambda x: tg.derivative(lambda v: w * v**3 * x, n=2)(x), 5.0)) == [300.0]
    hessian = tape_of(lambda x, y: [h for row in tg.hessian(lambda x, y: x**2 * y)(x, y) for h in row], 3.0, 5.0)
    assert replayed(hessian) == [10.0, 6.0, 6.0, 0.0]


def test_detach_and_no_grad_are_recorded_as_stopped_gradients() -> None:
    made_before = V * 2.0

    def under_no_grad(x: Any) -> Any:
        with tg.no_grad():
            y = made_before * x
            with enable_grad():
                z = V * x
        return (y + z) * made_before

    tape = tape_of(under_no_grad, 3.0)
    assert operations(tape) == ["mul", "mul", "detach", "mul", "add", "mul"]  # what was made before is not detached
    assert replayed(tape) == [72.0]
    assert operations(tape_of(lambda x: x - tg.maximum(x, V).detach(), 3.0)) == [
        "maximum",
        "detach",
        "sub",
    ]
    assert operations(tape_of(lambda x: V.detach() * x, 3.0)) == ["detach", "mul"]
    assert tape_of(lambda x: (x * V).detach(), 3.0).ops[-1] is DETACH


CHAINS: dict[str, Callable[[Value, Value], Value]] = {
    "negations": lambda y, x: -y,
    "products with a constant": lambda y, x: y * 0.99999,
    "sums": lambda y, x: y + x,
    "a function": lambda y, x: y.sin(),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_may_be_long(name: str) -> None:
    n = 5_000  # five times what Python's recursion would allow

    def f(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = CHAINS[name](y, x)
        return y

    tape = tape_of(f, 0.5)
    assert len(operations(tape)) == n
    assert replayed(tape) == [f(Value(0.5)).data]


def test_it_is_small() -> None:
    """Bytes an operation, at the most while it is traced and when it is done."""
    n = 20_000

    def f(x: Any) -> Any:
        y = x
        for _ in range(n // 2):
            y = (y * x).tanh()
        return y

    tracemalloc.start()
    try:
        tape = tape_of(f, 0.5)
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tape) == n + 1
    assert (now / n < 60, most / n < 600) == (True, True), (now / n, most / n)


def test_a_builder_leaves_out_what_changes_nothing_so_that_formulas_can_be_read() -> None:
    builder = Builder()
    x, y = builder.leaf("x"), builder.leaf("y")
    one, zero, two = map(builder.constant, (1.0, 0.0, 2.0))
    assert builder.operation(MUL, (x, one)) == builder.operation(ADD, (zero, x)) == x
    assert builder.operation(power(1), (x,)) == builder.operation(OPS["total"], (x,)) == x
    assert builder.operation(MUL, (x, y)) == builder.operation(MUL, (y, x)) == builder.operation(OPS["dot"], (x, y))
    assert builder.number_at(builder.operation(ADD, (two, one))) == 3.0
    assert builder.entries[builder.operation(MUL, (x, builder.constant(-1.0)))] == Entry(OPS["neg"], (x,))
    y_is_dead = make_tape("f", builder.entries, [x], [], [builder.operation(ADD, (x, two))], [5.0])
    assert list(y_is_dead.entries) == [Entry(LEAF, (), "x"), Entry(CONSTANT, (), "", 2.0), Entry(ADD, (0, 1))]
    assert replayed(y_is_dead) == [7.0]


# ---- lines -----------------------------------------------------------------------------------------------------------
def test_each_operation_knows_the_line_that_asked_for_it() -> None:
    def helper(x: Any) -> Any:
        return x.tanh()  # in a helper

    def f(x: Any) -> Any:
        y = sum(w * x for w in WS)  # in a sum
        y = helper(y)
        z = tg.softmax([y, x])  # in softmax
        return z[0] * 2.0 if isinstance(z, list) else None  # the last one

    tape = tape_of(f, 2.0)
    marks = {f"test_trace.py:{line_with(mark)[0]}": mark for mark in MARKS}
    found = [marks.get(tape.line(i), "") for i in range(len(tape))]
    ops = [str(node.op) for node in tape.entries]
    assert [found[i] for i, op in enumerate(ops) if op == "tanh"] == ["in a helper"]
    assert {found[i] for i, op in enumerate(ops) if op in ("logsumexp", "exp", "sub")} == {"in softmax"}
    assert found[-1] == "the last one"
    assert [found[i] for i, op in enumerate(ops) if op == "mul"] == ["in a sum"] * 3 + ["the last one"]
    assert all(found[i] for i, node in enumerate(tape.entries) if node.inputs)


MARKS = ("in a helper", "in a sum", "in softmax", "the last one")
WS = [Value(0.5 + i) for i in range(3)]


def test_the_lines_of_a_model_are_its_own_where_no_line_of_the_users_is_in_between() -> None:
    model = nn.MLP(2, [3, 1], rng=random.Random(0))
    f = lambda xs: [model(xs)]  # noqa: E731
    tape = trace_function(f, "model", [("x", 1.0), ("y", 2.0)]).tape
    lines = {tape.line(i) for i, node in enumerate(tape.entries) if node.inputs}
    assert lines == {f"test_trace.py:{f.__code__.co_firstlineno}"}
    itself = trace_function(model.layers[0], "model", [("x", 1.0), ("y", 2.0)]).tape
    assert {itself.line(i).partition(":")[0] for i, node in enumerate(itself.entries) if node.inputs} == {"nn.py"}


def test_without_lines_it_is_the_same_tape() -> None:
    f = lambda xs: [xs[0] * V]  # noqa: E731
    tape = trace_function(f, "f", [("x", 1.0)], with_lines=False).tape
    assert tape == trace_function(f, "f", [("x", 1.0)]).tape
    assert [tape.line(i) for i in range(3)] == ["", "", ""]
    assert "line" in str(tape)


# ---- parameters, and what they are called ----------------------------------------------------------------------------
def test_parameters_come_in_the_order_of_their_first_use() -> None:
    a, b, c = (Value(x, label=label) for x, label in ((2.0, "u"), (3.0, "v"), (5.0, "w")))
    tape, parameters, _ = tracing(lambda x: (c * x).exp() ** (b / x) * (a * x + c).tanh() + b * a, 0.1)
    assert names(tape) == ["w", "v", "u"]
    assert parameters == [c, b, a]
    assert tape.example == (0.1, 5.0, 3.0, 2.0)


def test_the_labels_of_a_model_stay_as_they_are() -> None:
    model = nn.MLP(2, [3, 1], rng=random.Random(0))
    tape = tape_of(lambda x, y: model([x, y]), 1.0, 2.0)
    assert sorted(names(tape)) == sorted(name for name, _ in model.named_parameters())


STATE = {"wte": [[Value(float(i + j)) for j in range(2)] for i in range(3)], "lm_head": [Value(1.0), Value(2.0)]}
GAIN, MOVE = Value(4.0), Value(5.0)
MATRIX = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])


def test_parameters_without_a_label_are_named_by_where_they_are_found() -> None:
    ws, bias = [Value(1.0), Value(2.0)], Value(3.0)

    def f(x: Any, scale: Any = GAIN, *, shift: Any = MOVE) -> Any:
        y = STATE["wte"][2][1] * x + STATE["lm_head"][1]
        return (ws[1] * y + bias) * scale + shift + MATRIX[1, 0]

    tape = tape_of(f, 1.0)
    assert names(tape) == ["wte[2][1]", "lm_head[1]", "ws[1]", "bias", "scale", "shift", "MATRIX[1][0]"]


class Unit:
    def __init__(self, n: int) -> None:
        self.w, self.b = [Value(0.5 + i) for i in range(n)], Value(0.25)

    def __call__(self, x: Any) -> Any:
        return sum((w * x for w in self.w), self.b)


@dataclass(slots=True)
class InSlots:
    gain: Value


class Net:
    temperature = Value(2.0)

    def __init__(self, count: int) -> None:
        self.units = [Unit(2) for _ in range(count)]
        self.slots = InSlots(Value(1.5))

    def forward(self, x: Any) -> Any:
        return sum(unit(x) for unit in self.units) / self.temperature * self.slots.gain

    __call__ = forward


def test_a_short_name_that_would_be_unclear_is_the_whole_path() -> None:
    ends = ["temperature", "gain"]
    for f in (Net(1), Net(1).forward):
        assert names(tape_of(f, 1.0)) == ["w[0]", "b", "w[1]", *ends]
    net = Net(2)
    for g in (net, net.forward, partial(net)):
        found = names(tape_of(g, 1.0))
        assert found == [f"units[{i}].{end}" for i in range(2) for end in ("w[0]", "b", "w[1]")] + ends
    assert names(tape_of(lambda x: net(x), 1.0))[0] == "net.units[0].w[0]"


def test_a_short_name_that_is_a_label_already_is_the_whole_path() -> None:
    other, own = Value(1.0, label="w[0]"), {"w": [Value(2.0)]}
    assert names(tape_of(lambda x: other * x + own["w"][0], 1.0)) == ["w[0]", "own.w[0]"]


def test_a_label_may_be_anything() -> None:
    w = Value(2.0)
    w.label = 5  # type: ignore[assignment]

    def f(x: Any) -> Any:
        y = w * x
        y.label = None
        return y

    assert (names(tape_of(f, 1.0)), tape_of(f, 1.0).entries[-1].label) == (["5"], "")


def test_the_shortest_path_names_what_is_found_twice() -> None:
    deep = {"a": [[Value(1.0)]]}
    w = deep["a"][0][0]
    assert names(tape_of(lambda x: x * deep["a"][0][0] + w, 1.0)) == ["w"]


def test_parameters_that_are_found_nowhere_are_numbered() -> None:
    def hidden() -> Callable[[int], Value]:
        values = iter([])
        store = [Value(1.0), Value(2.0), Value(3.0, label="w")]
        return lambda i: next(values, None) or STORES[id(store)][i] if STORES.setdefault(id(store), store) else None

    get = hidden()
    in_a_set = {Value(4.0)}
    tape = tape_of(lambda x: [get(0) * x, get(2) * x, get(1) * x, next(iter(in_a_set)) * x], 2.0)
    assert names(tape)[-1] == "p3"
    assert names(tape)[1] == "w"


STORES: dict[int, list[Value]] = {}


def test_default_arguments_may_be_numbers_or_parameters() -> None:
    w = Value(3.0, label="w")

    def f(x: Value, scale: float = 2.0, weight: Value = w) -> Value:
        return scale * weight * x

    assert (names(tape_of(f, 5.0)), replayed(tape_of(f, 5.0))) == (["w"], [30.0])
    assert (names(tape_of(f, 5.0, 7.0)), replayed(tape_of(f, 5.0, 7.0))) == (["w"], [105.0])


# ---- ints among the arguments ----------------------------------------------------------------------------------------
TABLE = [[Value(10.0 * i + j) for j in range(2)] for i in range(4)]


def test_an_int_that_the_function_computes_with_is_a_number_like_others() -> None:
    for f in (
        lambda i: 2 * i + i / 4 - 1,
        lambda i: -i * V + i**2 + 2**i,
        lambda i: tg.maximum(V, i) + tg.exp(i * 1.0) + dot([i, V], [V, i]),
        lambda i: i + abs(i) + (+i) + V.exp() * i + i * np.float64(2.0) + np.float64(2.0) * i,
        lambda i: i,
    ):
        tape, _, frozen = tracing(f, 3)
        assert frozen == {}
        assert tape.replay(FLOATS, 5.0, *tape.example[1:]) == pytest.approx([float(getattr(y := f(5), "data", y))])


def test_take_by_an_int_stays_an_argument() -> None:
    table: list[Any] = [Value(5.0), 6.0, V]
    tape, parameters, frozen = tracing(lambda i: tg.take(table, i) * 2.0, 1)
    assert frozen == {}
    assert list(tape.entries)[1:5] == [
        Entry(LEAF, (), "table[0]"),
        Entry(CONSTANT, (), "", 6.0),
        Entry(LEAF, (), "v"),
        Entry(TAKE, (1, 2, 3, 0)),
    ]
    assert parameters == [table[0], V]
    for i in range(-3, 3):
        assert tape.replay(FLOATS, i, 5.0, 2.0) == [[10.0, 12.0, 4.0][i]]
    with pytest.raises(IndexError):
        tape.replay(FLOATS, 3, 5.0, 2.0)


TABLES: dict[str, list[Any]] = {
    "rows": TABLE,
    "rows of rows": [[[1.0, Value(2.0)], [3.0, Value(4.0)]], [[5.0, 6.0], [7.0, 8.0]]],
    "tuples": [(1.0, V), (V, 2.0)],
    "plain numbers": [[1.0, 2.0], [3, 4]],
}


def flat(x: Any) -> list[Any]:
    return [y for item in x for y in flat(item)] if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("example", [0, 1, -1])
def test_take_of_rows_makes_one_node_for_each_number_of_a_row(name: str, example: int) -> None:
    table = TABLES[name]
    shapes = []

    def f(i: Any) -> list[Any]:
        row = tg.take(table, i)
        shapes.append(type(row))
        return flat(row)

    tape, _, frozen = tracing(f, example)
    assert frozen == {}
    assert {*operations(tape)} == {"take"}
    assert set(shapes) == {type(table[0])}
    for i in range(-len(table), len(table)):
        expected = [getattr(x, "data", x) for x in flat(table[i])]
        assert tape.replay(FLOATS, i, *tape.example[1:]) == expected


RAGGED: dict[str, Any] = {
    "rows of different lengths": [[1.0], [2.0, V]],
    "rows and numbers": [[1.0, 2.0], V],
    "arrays": np.array([[1.0, 2.0], [3.0, 4.0]]),
}


@pytest.mark.parametrize("name", RAGGED)
def test_take_of_anything_else_is_for_one_int(name: str) -> None:
    table = RAGGED[name]

    def f(i: Any) -> Any:
        row = tg.take(table, i)
        return V * (len(row) if hasattr(row, "__len__") else row)

    assert tracing(f, 1).frozen == {0: 1}


def test_derivatives_of_take_go_to_what_is_chosen() -> None:
    tape = tape_of(lambda i: grad(tg.take(TABLE, i)[1] ** 2, [row[1] for row in TABLE], create_graph=True), 1)
    for i in range(-4, 4):
        expected = [0.0] * 4
        expected[i] = 2.0 * TABLE[i][1].data
        assert tape.replay(FLOATS, i, *tape.example[1:]) == expected


def test_the_label_of_a_sample_chooses_its_logit() -> None:
    def f(label: Any) -> Any:
        return losses.cross_entropy([V, 2.0 * V, 0.5 * V, V - 1.0], label)

    tape = tape_of(f, 1)
    for label in range(4):
        assert tape.replay(FLOATS, label, *tape.example[1:]) == [pytest.approx(f(label).data, rel=1e-12)]


FREEZING: dict[str, Callable[[Any], Any]] = {
    "table[i]": lambda i: TABLE[i][0],
    "table[i + 1]": lambda i: TABLE[i + 1][0],
    "table[-i]": lambda i: TABLE[-i][0],
    "take by what is computed": lambda i: tg.take(TABLE, i + 1)[0],
    "a slice": lambda i: sum(row[0] for row in TABLE[: i + 1]),
    "range": lambda i: sum(V for _ in range(2 * i)),
    "range of one less": lambda i: sum(V for _ in range(i - 1)) + V,
    "i > 1": lambda i: V if i > 1 else -V,
    "1 < i": lambda i: V if 1 < i else -V,  # noqa: SIM300
    "i == 2": lambda i: V if i == 2 else -V,
    "2 != i": lambda i: V if 2 != i else -V,  # noqa: SIM300
    "i in a list": lambda i: V if i in [1, 3] else -V,
    "a dict": lambda i: {1: V, 2: -V, 3: 2.0 * V}[i],
    "a set": lambda i: V if i in {1, 3} else -V,
    "bool": lambda i: V if i - 1 else -V,
    "int": lambda i: V * int(i),
    "int of a half": lambda i: V * int(i / 2) + i,
    "float": lambda i: V * math.sqrt(i),
    "a parameter of an operation": lambda i: tg.leaky_relu(-V, i),
    "whole division": lambda i: V * (i // 2) + V * (7 // i),
    "the rest": lambda i: V * (i % 2) + V * (7 % i) + sum(divmod(i, 2)) + divmod(7, i)[0],
    "bits": lambda i: V * (i & 1) + V * (4 | i) + V * (i ^ 5) + V * (i << 1) + V * (8 >> i) + V * ~i,
    "round, ceil": lambda i: V * round(i / 3) + V * math.ceil(i / 3) + math.floor(i / 2) + math.trunc(i / 2),
    "a text": lambda i: V * len(f"{i:04d}{i}{i!r}{str(i)}") + V * float(f"{i}"),  # noqa: RUF010
    "what an int has": lambda i: V * i.bit_length() + i.real,
    "a power": lambda i: V ** int(i) + V * TABLE[2**i - 2 ** (i - 1) - 1 if i < 3 else 0][1],
}


@pytest.mark.parametrize("name", FREEZING)
def test_an_int_that_is_used_as_one_makes_the_tape_one_for_that_int(name: str) -> None:
    f = FREEZING[name]
    for i in (1, 2, 3) if name not in ("table[i + 1]", "take by what is computed") else (1, 2):
        tape, _, frozen = tracing(f, i)
        assert frozen == {0: i}
        y = f(i)
        assert replayed(tape) == [y.data if isinstance(y, Value) else y]


def test_each_int_is_frozen_by_itself_and_lists_are_ints_too() -> None:
    def f(*tokens: Any) -> Any:
        *some, n = tokens
        return tg.total([tg.take(TABLE, token)[0] * n for token in some[:2]]) + TABLE[some[2]][1]

    tape, _, frozen = tracing(f, 0, 1, 2, 5)
    assert frozen == {2: 2}
    assert [tape.labels[i] for i in tape.inputs] == ["a", "b", "c", "d"]
    assert tape.replay(FLOATS, 3, 2, 2, 7.0, *tape.example[4:]) == [30.0 * 7 + 20.0 * 7 + 21.0]
    assert tracing(lambda i, j: V if i == j else -V, 3, 3).frozen == {0: 3, 1: 3}
    assert replayed(tape_of(lambda i, j: V if i == j else -V, 3, 3)) == [2.0]
    assert tracing(lambda i, j: TABLE[i + j][0], 1, 2).frozen == {0: 1, 1: 2}
    assert replayed(tape_of(lambda i, j: sum(n * V for n in {i, j}), 3, 3)) == [6.0]


def test_an_int_that_is_used_in_both_ways_stays_right() -> None:
    tape, _, frozen = tracing(lambda n, x: sum(x * V for _ in range(n)) / n, 4, 2.5)
    assert frozen == {0: 4}
    assert replayed(tape) == [5.0]


@pytest.mark.parametrize("number", [3.0, True, np.float64(3.0)])
def test_other_numbers_are_no_ints(number: Any) -> None:
    with pytest.raises((TypeError, RecordingError)):
        tracing(lambda x: TABLE[x][0], number)
    assert tracing(lambda x: TABLE[x][0], np.int64(3)).frozen == {0: 3}


def test_ints_do_not_disturb_the_graph_that_they_are_part_of() -> None:
    tape, _, frozen = tracing(lambda i, j, x: grad(x * i + x * x * j, x, create_graph=True), 3, 3, 2.0)
    assert frozen == {}
    assert tape.replay(FLOATS, 5.0, 7.0, 2.0) == [33.0]
    with pytest.raises(TypeError, match="an int among the arguments has no gradient"):
        tracing(lambda i: grad(i * V, i, create_graph=True), 3)
    with pytest.raises(RecordingError, match="compares Values"):
        tracing(lambda i, x: V if i == x else x, 3, 2.0)
    with pytest.raises(RecordingError, match="compares Values"):
        tracing(lambda i, x: V if x > i else x, 3, 2.0)
    with pytest.raises(AttributeError, match="an int has no attribute 'shape'"):
        tracing(lambda i: i.shape, 3)


def test_an_int_too_large_for_a_float_is_an_error() -> None:
    with pytest.raises(OverflowError, match="a is too large for a float"):
        tracing(lambda i: i * V, 10**400)


# ---- what a tape cannot replay is an error that shows the line -------------------------------------------------------
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
        if v > 1.0:  # branches in a helper
            return v
        return 1.0

    return helper(x * x)


COMPARE = r"where\(step\("
NUMBER = r"detach\(\)"
AS_VALUES = r"grad\(y, xs, create_graph=True\)"
LIMITS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "if v > 0": (lambda x: x if x > 0 else -x, "compares Values", COMPARE),
    "if v == 2.0": (lambda x: x if x == 2.0 else -x, "compares Values", COMPARE),
    "if w != 2.0": (lambda x: x if V != 2.0 else -x, "compares Values", COMPARE),
    "0 < v < 1": (lambda x: x if 0 < x < 1 else -x, "compares Values", COMPARE),
    "if w <= v": (lambda x: x if x >= V else -x, "compares Values", COMPARE),
    "if v": (lambda x: x if x else V, "asks whether a Value is true", "where"),
    "not v": (lambda x: x if not x else V, "asks whether a Value is true", "where"),
    "v or w": (lambda x: x or V, "asks whether a Value is true", "where"),
    "max": (lambda x: max(x, V), "compares Values", r"write maximum\(x, V\)"),
    "sorted": (lambda x: sorted([x, V])[0], "compares Values", COMPARE),
    "np.max": (lambda x: np.max(np.array([x, V])), "compares Values", COMPARE),
    "a number in a list": (lambda x: V if x in [1.0] else x, "compares Values", COMPARE),
    "data of an input": (lambda x: V * x.data, "looks at the .data of a Value", NUMBER),
    "max of the data": (lambda x: x - max(v.data for v in [x, V]), "looks at the .data of a Value", NUMBER),
    "data of a parameter": (lambda x: V.data * x, "looks at the .data of a Value", NUMBER),
    "data of a parameter of a model": (lambda x: MODEL.neurons[0].b.data * x, "looks at the .data of a Value", NUMBER),
    "data in an array": (lambda x: MATRIX[0, 0].data * x, "looks at the .data of a Value", NUMBER),
    "data of a class": (lambda x: Net.temperature.data * x, "looks at the .data of a Value", NUMBER),
    "data in slots": (lambda x: IN_SLOTS.gain.data * x, "looks at the .data of a Value", NUMBER),
    "data in a method": (lambda x: LOOKS.method(x), "looks at the .data of a Value", ""),
    "item": (lambda x: V.item() * x, "looks at the .data of a Value", NUMBER),
    "float": (lambda x: V * float(x), "makes a plain number of a Value", NUMBER),
    "int": (lambda x: V * int(x), "makes a plain number of a Value", NUMBER),
    "math": (lambda x: V * math.exp(x), "makes a plain number", r"write exp\(x\), with"),
    "a format": (lambda x: len(f"{x:.2f}") * x, "writes the number of a Value as text", "outside of it"),
    "data of an intermediate node": (lambda x: (V * x).data * x, "looks at the .data of a Value", NUMBER),
    "data of a node made before": (lambda x: MADE_BEFORE.data * x, "looks at the .data of a Value", NUMBER),
    "copy.copy": (lambda x: copy.copy(V) * x, "looks at the .data of a Value", NUMBER),
    "copy.deepcopy": (lambda x: copy.deepcopy(V) * x, "looks at the .data of a Value", NUMBER),
    "pickle": (lambda x: pickle.dumps(V) and x, "looks at the .data of a Value", NUMBER),
    "a metric": (lambda x: metrics.accuracy([x], [V]), "looks at the .data of a Value", NUMBER),
    "grad": (lambda x: grad(V * x, x) * x, "takes gradients as", r"write grad\(V \* x, x, create_graph=True\)"),
    "backward": (goes_backward, r"calls backward\(\)", AS_VALUES),
    "the grad of a parameter": (lambda x: V.grad * x, "looks at the .grad of a Value", AS_VALUES),
    "a new grad": (sets_grad, "sets the .grad of a Value", "set it outside"),
    "new data": (sets_data, "sets the .data of a Value", "return the new number, and set it outside"),
    "a step of an optimizer": (lambda x: tg.optim.SGD([V]).step() or V * x, r"looks at the \.grad of a Value", ""),
}


class Looks:
    def method(self, x: Any) -> Any:
        return HIDDEN.data * x


LOOKS, HIDDEN, IN_SLOTS = Looks(), Value(1.0), InSlots(Value(1.0))
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
    with pytest.raises(RecordingError, match=f"a function {problem}.* while it is traced.*{way_out}") as error:
        tracing(f, 1.5)
    if name != "data in a method":
        number, text = line_with(MARKED[name]) if name in MARKED else (f.__code__.co_firstlineno, f'"{name}": (')
        assert str(error.value).startswith(f"{__file__}, line {number}: ")
        assert str(error.value).splitlines()[-1].startswith(f"    {text}")
    assert (V.data, V.grad) == before


ADVICE: dict[tuple[str, str], str] = {
    ("data", "top = max(v.data for v in logits)"): "maximum(*logits).detach()",
    ("data", "top = max([v.data for v in logits])"): "maximum(*logits).detach()",
    ("data", "m = min(row[0].data for row in rows[1:])"): "minimum(*[row[0] for row in rows[1:]]).detach()",
    ("data", "return [(v - max(val.item() for val in xs)).exp() for v in xs]"): "maximum(*xs).detach()",
    ("data", "scale = 1.0 / net.w[0].data"): "net.w[0].detach()",
    ("data", "if v.data > 0:"): "v.detach()",
    ("compare", "y = x if x > 0 else 0.1 * x"): "where(step(x), x, 0.1 * x)",
    ("compare", "return a if a < b + 1 else c"): "where(step(b + 1 - a), a, c)",
    ("compare", "return a if a >= b else c"): "where(step(b - a), c, a)",
    ("compare", "if a > b:"): "where(step(a - b), …, …) for a > b",
    ("compare", "elif w[0] < x * 2:"): "where(step(x * 2 - w[0]), …, …) for w[0] < x * 2",
    ("compare", "while err > tol:"): "where(step(err - tol), …, …) for err > tol",
    ("compare", "best = max(a, b, c)"): "maximum(a, b, c)",
    ("compare", "best = max(scores)"): "maximum(*scores)",
    ("compare", "best = min(s for s in scores)"): "minimum(*scores)",
    ("bool", "y = a if mask else b"): "where(mask, a, b)",
    ("numbers", "g = tg.grad(loss, [w, b])"): "tg.grad(loss, [w, b], create_graph=True)",
    ("float", "s = math.sqrt(v)"): "sqrt(v), with sqrt from tinygrad_edu",
}


@pytest.mark.parametrize(("what", "line"), ADVICE)
def test_the_way_out_is_exact_where_the_line_says_what_is_meant(what: str, line: str) -> None:
    assert advise(what, line).endswith(f"which a tape cannot replay: write {ADVICE[what, line]}")


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("data", "y = a.data + b.data"),
        ("compare", "if a > b and c > d:"),
        ("compare", "if a in numbers:"),
        ("compare", "best = max(xs, key=size)"),
        ("compare", "best = max(v * 2 for v in xs if v is not None)"),
        ("data", "x = max(v.data for v in xs if v.label)"),
        ("data", "for x in ("),
        ("data", ""),
        ("bool", "while x:"),
    ],
)
def test_otherwise_it_is_general(what: str, line: str) -> None:
    assert "an operation decides for each number anew" in advise(what, line) or "write v.detach()" in advise(what, line)


def test_the_line_is_that_of_the_function_which_looks() -> None:
    number, text = line_with("branches in a helper")
    with pytest.raises(RecordingError, match="compares Values") as error:
        tracing(uses_a_function_that_branches, 2.0)
    assert str(error.value).startswith(f"{__file__}, line {number}: ")
    assert str(error.value).endswith(f"write where(step(v - 1.0), …, …) for v > 1.0\n    {text}")


def test_a_line_that_cannot_be_shown_is_left_out() -> None:
    scope: dict[str, Any] = {"__name__": "typed"}
    exec("def f(x):\n    return x if x > 0 else -x", scope)
    with pytest.raises(RecordingError, match=r"^<string>, line 2: a function compares .* and else 0$"):
        tracing(scope["f"], 2.0)


def test_a_recording_error_is_a_type_error() -> None:
    assert issubclass(RecordingError, TypeError)


HARMLESS: dict[str, Callable[[Any], Any]] = {
    "identity of Values": lambda x: V * x if x == x and x != V and V in [x, V] and [x, V].index(V) == 1 else x,
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
    "gradients as Values": lambda x: V * x * grad(x * 1.0, x, create_graph=True),
    "a trace of something else": lambda x: V * x * len(tape_of(lambda a: a * V, 2.0).outputs),
    "a generator made inside": lambda x: V * x * (random.Random(0).random() > 0) if random.Random(1) else x,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not_look_at_numbers_is_allowed(name: str) -> None:
    tape = tape_of(HARMLESS[name], 1.5)
    assert replayed(tape) == [3.0]
    assert tape.replay(FLOATS, 5.0, 7.0) == [35.0]


def test_a_value_that_was_made_while_a_function_was_traced_is_no_use_outside() -> None:
    kept = []
    tracing(lambda x: kept.append(x * V) or x, 2.0)
    for use in (lambda v: v.data, lambda v: v > 0.0, lambda v: v * 2.0, lambda v: v.backward(), float):
        with pytest.raises(RecordingError, match="has no number, and is no use outside"):
            use(kept[0])
    assert repr(kept[0]) == "<Value: mul, traced>"


def test_what_the_function_decides_by_plain_numbers_is_decided_once() -> None:
    settings = {"negative": False}
    assert operations(tape_of(lambda x: -x if settings["negative"] else x * 1.0, 2.0)) == ["mul"]


# ---- random numbers --------------------------------------------------------------------------------------------------
RNG, NUMPYS, OLD = random.Random(0), np.random.default_rng(0), np.random.RandomState(0)


class Dropout(nn.Module):
    def __init__(self, rng: Any) -> None:
        self.rng = rng

    def forward(self, x: Any) -> Any:
        return x * (2.0 if self.rng.random() < 0.5 else 0.0)

    __call__ = forward


class OfItsClass:
    rng = random.Random(0)

    def __call__(self, x: Any) -> Any:
        return x * self.rng.choice([0.0, 2.0])


class OfItsModule:
    def __call__(self, x: Any) -> Any:
        return x * RNG.choice([0.0, 2.0])


def in_a_closure() -> Callable[[Any], Any]:
    rng = np.random.default_rng(0)
    return lambda x: x * (rng.random() < 0.5)


draw, bits = RNG.random, np.random.PCG64(1)
DRAWS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "the module random": (lambda x: x * random.choice([0.0, 2.0]), "the module random"),
    "that does not change the result": (lambda x: x if random.random() < 2 else -x, "the module random"),
    "NumPy's global one": (lambda x: x * float(np.random.rand() < 0.5), "numpy.random"),
    "a random.Random": (lambda x: x * (RNG.random() < 0.5), "RNG"),
    "a shuffle": (lambda x: [RNG.shuffle([x, x]), x][1], "RNG"),
    "a normal number": (lambda x: x * RNG.gauss(0.0, 1.0), "RNG"),
    "a generator of NumPy's": (lambda x: x * float(NUMPYS.integers(2)), "NUMPYS"),
    "a RandomState": (lambda x: x * float(OLD.randint(2)), "OLD"),
    "a function of one": (lambda x: x * (draw() < 0.5), ""),
    "a bit generator": (lambda x: x * (bits.random_raw() % 2), "bits"),
    "a model": (Dropout(random.Random(0)), "rng"),
    "a model in models": (nn.Sequential(Dropout(np.random.default_rng(0)), Dropout(random.Random(0))), "rng"),
    "a method": (Dropout(random.Random(0)).forward, "rng"),
    "a class": (OfItsClass(), "rng"),
    "a global of a method": (OfItsModule(), "RNG"),
    "a closure": (in_a_closure(), "rng"),
    "a function in a function": (lambda x: (lambda y: y * RNG.choice([0.0, 2.0]))(x), "RNG"),
    "an argument": (partial(lambda rng, x: x * rng.choice([0.0, 2.0]), random.Random(3)), ""),
}


def states() -> list[Any]:
    of_numpy = [generator.get_state(legacy=False) for generator in (OLD, np.random.mtrand._rand)]  # type: ignore[attr-defined]
    of_bits = [generator.state for generator in (NUMPYS.bit_generator, bits)]
    return [random.getstate(), RNG.getstate(), str(of_numpy), str(of_bits)]


@pytest.mark.parametrize("name", sample([*DRAWS], 9))
def test_a_random_draw_is_an_error_each_time_and_draws_nothing(name: str) -> None:
    f, generator = DRAWS[name]
    for seed in range(5):
        random.seed(seed)
        before = states()
        with pytest.raises(RecordingError, match=rf"f draws random .*\(from .*{generator}\).* draw them outside"):
            tracing(f, 1.5)
        assert states() == before


def test_a_function_that_fails_draws_nothing_either() -> None:
    before = RNG.getstate()

    def f(x: Any) -> Any:
        return x if RNG.random() < x else -x

    with pytest.raises(RecordingError, match="compares Values"):
        tracing(f, 1.5)
    assert RNG.getstate() == before


def test_draws_that_nobody_can_see_make_two_different_tapes() -> None:
    hidden = iter(random.Random(0).random, None)
    with pytest.raises(RecordingError, match=r"f computes something else when it is called again .* as arguments"):
        tracing(lambda x: x * next(hidden), 1.5)
    ws = [Value(float(i)) for i in range(100)]
    with pytest.raises(RecordingError, match="computes something else"):
        tracing(lambda x: ws[int(100 * next(hidden))] * x, 1.0)
    counter = iter(range(10))
    with pytest.raises(RecordingError, match="computes something else"):
        tracing(lambda x: x * next(counter), 1.0)
    turns = [1, 2]
    with pytest.raises(RecordingError, match="computes something else"):
        tracing(lambda i: i * V if turns.pop() > 1 else TABLE[i][0], 1)


def test_the_operating_systems_random_numbers_are_no_obstacle() -> None:
    system = random.SystemRandom()
    assert replayed(tape_of(lambda x: x if system else -x, 1.5)) == [1.5]


# ---- guards ----------------------------------------------------------------------------------------------------------
class Weight(Value):
    """A user's subclass, with a slot of its own."""

    __slots__ = ("name",)


class Tagged(Value):
    tags: ClassVar[list[str]] = []


class Doubling(Value):
    def __init_subclass__(cls, *, tag: str, **options: Any) -> None:
        super().__init_subclass__(**options)

    def doubled(self) -> Value:
        return type(self)(2.0) * self


class WithTag(Doubling, tag="needed"):
    pass


def test_subclasses_with_rules_of_their_own_can_be_traced() -> None:
    w = WithTag(3.0)
    assert replayed(tape_of(lambda x: x * w.doubled(), 2.0)) == [12.0]
    assert type(w) is WithTag


@pytest.mark.parametrize("kind", [Value, Weight, Tagged])
def test_parameters_are_guarded_only_while_they_are_traced_and_only_there(kind: type[Value]) -> None:
    w = kind(2.0, label="w")
    seen: list[Any] = []

    def look() -> None:
        twin, restored = copy.deepcopy(w), pickle.loads(pickle.dumps(w))
        seen.append((w.data, w.grad, w > 1.0, bool(w), w == 2.0, repr(w), type(twin), type(restored), (w * 3.0).data))
        seen[-1] += (f"{w:.1f}",)

    def f(x: Any) -> Any:
        in_threads(look)
        return w * x

    look()
    assert replayed(tape_of(f, 3.0)) == [6.0]
    assert seen == [(2.0, 0.0, True, True, True, "Value(data=2.0, grad=0.0, label='w')", kind, kind, 6.0, "2.0")] * 3
    assert type(w) is kind
    with pytest.raises(RecordingError, match=r"looks at the \.data"):
        tracing(lambda x: w.data * x, 3.0)
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
        result = replayed(tape_of(first, 3.0))
        first_is_done.set()
        return result

    runs: list[int] = []
    results = in_threads(trace_first, lambda: tape_of(second, 3.0))
    assert results[0] == [6.0]
    assert isinstance(results[1], RecordingError)
    assert type(w) is Value


def test_a_thread_that_uses_the_parameters_of_a_trace_is_never_disturbed() -> None:
    w, stop = Value(1.0, label="w"), threading.Event()

    def use() -> set[Any]:
        seen = set()
        try:
            for _ in range(20_000 if IN_CI else 5_000):
                w.grad = 0.0
                y = w * w + w
                y.backward()
                seen.add((w.grad, w < 2.0, bool(w), w == 1.0, repr(w)))
        finally:
            stop.set()
        return seen

    def trace_on() -> None:
        while not stop.is_set():
            tape_of(lambda x: x * w, 1.0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        seen, _ = in_threads(use, trace_on)
    finally:
        sys.setswitchinterval(before)
    assert seen == {(3.0, True, True, True, "Value(data=1.0, grad=3.0, label='w')")}


def test_an_empty_cell_hides_no_other_one() -> None:
    def outer() -> Any:
        w, gone = Value(2.0), 1

        def f(x: Any) -> Any:
            return x * w.data if x is not None else gone  # noqa: F821

        del gone
        return f

    with pytest.raises(RecordingError, match=r"looks at the \.data"):
        tracing(outer(), 3.0)


def test_a_derivative_that_is_a_parameter_itself_stays_a_value() -> None:
    assert replayed(tape_of(lambda x: x * tg.derivative(lambda y: V * y)(2.0), 5.0)) == [10.0]
    assert replayed(tape_of(lambda x: x * tg.value_and_grad(lambda y: V)(2.0)[0], 5.0)) == [10.0]


def test_a_trace_within_a_trace_that_sees_the_nodes_of_the_outer_one() -> None:
    def f(x: Any, i: Any) -> Any:
        tape_of(lambda y: x * y * i + (i + 1), 2.0)
        return x * 2.0 + (i + 1) * i

    tape, _, frozen = tracing(f, 5.0, 3)
    assert (replayed(tape), frozen) == ([22.0], {})


def test_traces_may_be_nested_and_the_outer_one_keeps_its_guard() -> None:
    def outer(x: Any) -> Any:
        inner = tape_of(lambda a: a * V, 2.0)
        with pytest.raises(RecordingError, match="compares Values"):
            tape_of(lambda a: a if a > 0 else V, 2.0)
        with pytest.raises(RecordingError, match=r"looks at the \.data"):
            _ = x.data
        return x * len(inner)

    assert replayed(tape_of(outer, 2.0)) == [6.0]


def test_many_traces_leave_nothing_behind() -> None:
    w = Value(2.0)
    before = set(vars(Value))
    for _ in range(200):
        tape_of(lambda x: w * x, 1.0)
    assert (type(w), w.__dict__) == (Value, {})
    assert set(vars(Value)) - before <= {"__slotnames__"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_an_error_of_the_function_goes_through(error: type[BaseException]) -> None:
    def f(x: Any) -> Any:
        raise error("stop")

    with pytest.raises(error, match=r"^stop$"):
        tracing(f, 1.0)
    assert (V.data, V.grad) == (2.0, 0.0)  # nobody guards them


# ---- threads ---------------------------------------------------------------------------------------------------------
def test_several_threads_trace_at_once_and_each_has_its_own_error() -> None:
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

        return lambda: replayed(tape_of(f, 1.5))

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

    tape, numbers = in_threads(lambda: tape_of(f, 1.5), compute)
    y = math.tanh(7.0)
    assert numbers == pytest.approx([y, 3.0 * (1.0 - y * y), y, y])
    assert replayed(tape) == [6.0]


def test_nodes_of_a_tape_come_after_their_inputs_whatever_the_graph() -> None:
    def f(*xs: Any) -> Any:
        rng, nodes = random.Random(0), list(xs)
        for _ in range(200):
            op = rng.choice([operator.add, operator.mul, tg.maximum])
            nodes.append(op(rng.choice(nodes), rng.choice(nodes[-5:])).tanh())
        return nodes[-10:]

    tape = tape_of(f, 0.1, 0.2, 0.3)
    assert all(i < place for place, node in enumerate(tape.entries) for i in node.inputs)
    assert replayed(tape) == [y.data for y in f(*map(Value, (0.1, 0.2, 0.3)))]
