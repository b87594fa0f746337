"""The engine against a naive one: Hypothesis writes programs, both run them, and after each step all is compared.

Graphs grow, share nodes, go backward from any node, have numbers and gradients written into them, are copied and
pickled. Numbers agree bit for bit, gradients but for the order of their sums, failures in their type. And the machine
itself is put to the test: it has to find the fault in each of two dozen broken engines. The naive engine is `naive.py`.
"""

import copy
import inspect
import operator
import os
import pickle
import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import naive
import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from naive import Number
from profiles import sample

from tinygrad_edu import dot, engine, gradients, graph, maximum, no_grad, total
from tinygrad_edu.engine import Value

PATHS = 300  # a naive gradient walks each of them
ROUNDING = 1e-12  # of the largest terms of a sum


class Twins(NamedTuple):
    """The same node in both engines."""

    real: Value
    naive: Number

    def __repr__(self) -> str:
        return f"{self.naive.name}:{self.naive.data}"


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: b + a,
    lambda a, b: a - b,
    lambda a, b: b - a,
    lambda a, b: a * b,
    lambda a, b: b * a,
    lambda a, b: a / b,
    lambda a, b: b / a,
    lambda a, b: -a,
    lambda a, b: abs(a),
    lambda a, b: a.exp(),
    lambda a, b: a.log(),
    lambda a, b: a.sqrt(),
    lambda a, b: a.sin(),
    lambda a, b: a.tanh(),
    lambda a, b: a.relu(),
    lambda a, b: a**2,
    lambda a, b: a**0,
    lambda a, b: a**-1,
    lambda a, b: a**0.5,
    lambda a, b: 2.0**a,
    lambda a, b: a.detach(),
]
NARY: list[tuple[Callable[[list[Any]], Value], Callable[[list[Any]], Number]]] = [
    (total, naive.total),
    (lambda xs: dot(xs, xs[::-1]), lambda xs: naive.dot(xs, xs[::-1])),
    (lambda xs: maximum(xs[0], xs[-1]), lambda xs: naive.maximum(xs[0], xs[-1])),
]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]

numbers = st.integers(-6, 6).map(lambda n: n / 2)  # sums and products of them are exact, zeros and ties frequent
labels = st.sampled_from(["", "a", "b"])
place = st.integers(0, 20)
places = st.lists(place, min_size=1, max_size=3)
operations = st.sampled_from(OPERATIONS)
steps = st.tuples(operations, place, place | numbers)


def close(x: float, truth: float, rounding: float) -> bool:
    return abs(x - truth) <= ROUNDING * (rounding + 1.0)


def outcome(call: Callable[[], Any]) -> tuple[Any, list[type[Exception]]]:
    """What it returns, or the types of what is wrong with it."""
    try:
        return call(), []
    except ExceptionGroup as group:
        return None, [type(error) for error in group.exceptions]
    except (ArithmeticError, ValueError, RuntimeError) as error:
        return None, [type(error)]


class Machine(RuleBasedStateMachine):
    """Each rule does the same thing to both engines; `twins_are_alike` compares all there is to see."""

    nodes = Bundle("nodes")

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Twins] = []
        self.pause, self.paused_for = ExitStack(), 0

    # ---- building ----------------------------------------------------------------------------------------------------
    @initialize(
        target=nodes, xs=st.lists(numbers, min_size=2, max_size=3), program=st.lists(steps, min_size=4, max_size=12)
    )
    def begin(self, xs: list[float], program: list[tuple[Any, int, Any]]) -> Any:
        """With a graph, as Hypothesis now and then writes programs that do without a rule, such as `compute`."""
        for x, label in zip(xs, "abc"):
            self.leaf(x, label)
        for f, i, j in program:
            n = len(self.roots)
            self.compute(f, self.roots[i % n], self.roots[j % n] if isinstance(j, int) else j)
        return multiple(*self.roots)

    @rule(target=nodes, x=numbers, label=labels)
    def leaf(self, x: float, label: str) -> Twins:
        return self.keep(Value(x, label=label), Number(x, label))

    @rule(target=nodes, f=operations, a=nodes, b=nodes | numbers)
    def compute(self, f: Callable[[Any, Any], Any], a: Twins, b: Twins | float) -> Any:
        real, simple = b if isinstance(b, Twins) else (b, b)
        return self.build(lambda: f(a.real, real), lambda: f(a.naive, simple))

    @rule(target=nodes, f=st.sampled_from(NARY), xs=st.lists(nodes, min_size=1, max_size=4))
    def nary(self, f: tuple[Callable[..., Value], Callable[..., Number]], xs: list[Twins]) -> Any:
        return self.build(lambda: f[0]([x.real for x in xs]), lambda: f[1]([x.naive for x in xs]))

    @precondition(lambda self: Number.recording)
    @rule(steps=st.integers(1, 4))
    def no_grad_for(self, steps: int) -> None:
        self.paused_for = steps
        self.pause.enter_context(no_grad())
        Number.recording = False

    @invariant()
    def no_grad_ends(self) -> None:
        self.paused_for -= 1
        if self.paused_for < 0:
            self.record()

    # ---- writing -----------------------------------------------------------------------------------------------------
    @rule(y=nodes, place=place, x=numbers)
    def write_data(self, y: Twins, place: int, x: float) -> None:
        (a,) = self.below(y, [place])
        a.real.data = a.naive.data = x

    @rule(y=nodes, place=place, g=st.sampled_from([0.0, None, 3.0]), label=labels)
    def write_grad_and_label(self, y: Twins, place: int, g: Any, label: str) -> None:
        (a,) = self.below(y, [place])
        a.real.grad, a.real.label = a.naive.grad, a.naive.label = g, label
        a.naive.rounding = 0.0

    # ---- gradients ---------------------------------------------------------------------------------------------------
    @rule(y=nodes)
    def backward(self, y: Twins) -> None:
        *_, failed = self.both(y.real.backward, y.naive.backward)
        if failed:  # what is left in the nodes between is nobody's business; the leaves are as they were
            for a, b in self.pairs(y).items():
                if b.inputs:
                    a.grad, b.grad, b.rounding = 0.0, 0.0, 0.0

    @rule(y=nodes, place=place, x=st.just(0.0) | numbers)
    def backward_before_and_after_a_change(self, y: Twins, place: int, x: float) -> None:
        self.backward(y)
        self.write_data(y, place, x)
        self.backward(y)

    @rule(y=nodes, places=places, others=st.lists(nodes, max_size=1))
    def grad(self, y: Twins, places: list[int], others: list[Twins]) -> None:
        xs = self.below(y, places) + others
        self.gradients_agree(y, [x.real for x in xs], [x.naive for x in xs])

    @rule(y=nodes, places=places)
    def grad_of_grad(self, y: Twins, places: list[int]) -> None:
        """Σ (∂y/∂x)², as a penalty on slopes is, and its gradients."""
        if y.naive.paths > 30:
            return
        xs = self.below(y, places)
        reals, naives = [x.real for x in xs], [x.naive for x in xs]

        def real_penalty() -> Value:
            return total([slope * slope for slope in gradients.grad(y.real, reals, create_graph=True)])

        def naive_penalty() -> Number:
            slopes = [naive.constant(0.0) + sum(terms) for terms in naive.grad(y.naive, naives, create_graph=True)]
            return naive.total([slope * slope for slope in slopes])

        real, simple, failed = self.both(real_penalty, naive_penalty)
        if failed or simple.paths > 3000 or abs(simple.data) > 1e9:
            return
        assert close(real.data, simple.data, abs(simple.data))
        self.gradients_agree(Twins(real, simple), reals, naives)

    def gradients_agree(self, y: Twins, reals: list[Value], naives: list[Number]) -> None:
        got, terms, failed = self.both(lambda: gradients.grad(y.real, reals), lambda: naive.grad(y.naive, naives))
        for gradient, products in zip(got, terms) if not failed else []:
            assert close(gradient, sum(products), sum(map(abs, products))), f"{gradient} in place of {sum(products)}"

    # ---- copies ------------------------------------------------------------------------------------------------------
    @rule(target=nodes, y=nodes, places=places, others=st.lists(nodes, max_size=2))
    def deepcopy(self, y: Twins, places: list[int], others: list[Twins]) -> Any:
        xs = [*others, *self.below(y, places), y]
        copies = copy.deepcopy([x.real for x in xs])
        return multiple(*map(self.keep, copies, naive.deepcopied([x.naive for x in xs])))

    @rule(target=nodes, y=nodes, places=places, others=st.lists(nodes, max_size=2))
    def pickle(self, y: Twins, places: list[int], others: list[Twins]) -> Any:
        xs = [*others, *self.below(y, places), y]
        copies = pickle.loads(pickle.dumps([x.real for x in xs]))
        return multiple(*map(self.keep, copies, naive.deepcopied([x.naive for x in xs])))

    @rule(target=nodes, x=nodes)
    def copy(self, x: Twins) -> Any:
        return self.keep(copy.copy(x.real), naive.shallow(x.naive))

    # ---- looking -----------------------------------------------------------------------------------------------------
    @rule(a=nodes, b=nodes, x=numbers)
    def compare(self, a: Twins, b: Twins, x: float) -> None:
        for f in COMPARISONS:
            by_size = f not in (operator.eq, operator.ne)
            same = a.real is b.real
            assert f(a.real, b.real) is (f(a.naive.data, b.naive.data) if by_size else f(same, True))
            assert f(a.real, x) is f(a.naive.data, x)
            assert f(x, a.real) is f(x, a.naive.data)
        assert bool(a.real) is bool(a.naive.data)
        assert (hash(a.real) == hash(b.real)) is (a.real is b.real)

    @invariant()
    def twins_are_alike(self) -> None:
        for a, b in self.pairs(*self.roots).items():
            assert (str(a._rule), a.data, a.label) == (b.name, b.data, b.label)
            if a.grad is None or b.grad is None:
                assert a.grad is b.grad
            else:
                assert close(a.grad, b.grad, b.rounding), f"grad is {a.grad}, not {b.grad}"

    def pairs(self, *roots: Twins) -> dict[Value, Number]:
        """All nodes of both graphs side by side, which have the same shape: what one shares, the other shares."""
        naive_of: dict[Value, Number] = {}
        real_of: dict[Number, Value] = {}
        todo = list(roots)
        while todo:
            a, b = todo.pop()
            assert (a in naive_of) == (b in real_of), "one engine shares a node, the other does not"
            if a in naive_of:
                assert naive_of[a] is b
                continue
            naive_of[a], real_of[b] = b, a
            assert len(a._prev) == len(b.inputs)
            todo += map(Twins, a._prev, b.inputs)
        return naive_of

    def below(self, y: Twins, places: list[int]) -> list[Twins]:
        """Some nodes of the graph of y, itself among them, by their places in it."""
        graph = [Twins(*pair) for pair in self.pairs(y).items()]
        return [graph[place % len(graph)] for place in places]

    def both(self, real: Callable[[], Any], simple: Callable[[], Any]) -> tuple[Any, Any, bool]:
        """What both return, or that both fail, the real one with an error that the naive one knows of."""
        expected, known = outcome(simple)
        got, errors = outcome(real)
        assert set(errors) <= set(known), f"{errors} in place of {known or expected}"
        assert bool(errors) == bool(known), f"{got!r} in place of {known}"
        return got, expected, bool(errors)

    def build(self, real: Callable[[], Value], simple: Callable[[], Number]) -> Any:
        """A new node for the bundle; none where that fails, or would take the naive engine too long or too far."""
        a, b, failed = self.both(real, simple)
        if failed or b.paths > PATHS or not (b.data == 0 or 1e-3 < abs(b.data) < 1e3):
            return multiple()
        return self.keep(a, b)

    def keep(self, a: Value, b: Number) -> Twins:
        self.roots.append(Twins(a, b))
        return self.roots[-1]

    def record(self) -> None:
        self.pause.close()
        Number.recording = True

    teardown = record


THOROUGH = settings(max_examples=300, deadline=None)
TestEngineAgainstNaive = Machine.TestCase
TestEngineAgainstNaive.settings = THOROUGH if os.environ.get("CI") == "true" else settings(THOROUGH, max_examples=25)


# ---- the machine under test ------------------------------------------------------------------------------------------
class Fault(NamedTuple):
    """A way to get an engine wrong: in the source of a function, one text in place of another."""

    what: str
    owner: Any
    function: str
    right: str
    wrong: str

    def __str__(self) -> str:
        return self.what


# fmt: off
FAULTS = [
    Fault("interior gradients do not start anew", Value, "backward",
          "self.grad = 1.0", "self.grad = memory[self] = memory.get(self, 0.0) + 1.0"),
    Fault("gradients are overwritten, not added", engine, "_backpropagate",
          "a.grad += g * da if", "a.grad = g * da if"),
    Fault("those of many inputs are", engine, "_backpropagate", "x.grad += g * slope", "x.grad = g * slope"),
    Fault("leaves forget what the last call brought", Value, "backward", "(old or 0.0) + v.grad", "v.grad"),
    Fault("a node comes before all that depend on it have come", engine, "_zero_gradients",
          "stack.append(None)", "order.append(unfinished.pop())"),
    Fault("of two edges to one input a single one counts", engine, "_backpropagate",
          "zip(inputs, rule.derivatives(FLOATS, v.data, *[x.data for x in inputs]))",
          "dict(zip(inputs, rule.derivatives(FLOATS, v.data, *[x.data for x in inputs]))).items()"),
    Fault("slopes are off by a millionth", engine, "_backpropagate", "g * slope", "1.000001 * g * slope"),
    Fault("slopes stay what they were the first time", engine, "_backpropagate",
          "g * db(FLOATS, v.data, a.data, b.data)",
          "g * memory.setdefault(v, db(FLOATS, v.data, a.data, b.data))"),
    Fault("where backward fails leaves are left torn", Value, "backward",
          "finally:", "except KeyError: pass\n        else:"),
    Fault("constants have gradients", engine, "_backpropagate", "if b._rule is not CONSTANT:", "if True:"),
    Fault("detach makes a leaf", Value, "detach", "out = make_node(DETACH, (self,))", "out = Value(self.data)"),
    Fault("detach forgets the label", Value, "detach", "if self.label:", "if False:"),
    Fault("no_grad is not looked at", engine, "_compute", "(not inherited_modes() or is_recording())", "True"),
    Fault("grad leaves something in .grad", gradients, "sweep_by_node",
          "gradients[x] = total", "x.grad = gradients[x] = total"),
    Fault("grad takes the last path for all", gradients, "sweep_by_node", "gradients[x] + term", "term"),
    Fault("grad stops at the first target it meets", gradients, "sweep_by_node",
          "if v not in gradients", "if v in targets or v not in gradients"),
    Fault("gradients of gradients see constants", gradients, "grad", "lambda v: v)", "lambda v: v.detach())"),
    Fault("copies made together do not share", Value, "__deepcopy__", "memo.setdefault(_COPIED, set())", "set()"),
    Fault("copies begin without gradients", graph, "_copy", "out.grad = v.grad", "pass"),
    Fault("a copy shares what it should not", Value, "__deepcopy__",
          "memo[id(v)] = ", "memo[id(v)] = v if v.label == 'b' else "),
    Fault("a shallow copy has inputs of its own", Value, "__copy__",
          "_copy(v, v._prev)", "_copy(v, tuple([_copy(x, x._prev) for x in v._prev]))"),
    Fault("pickles forget labels", graph, "_restore_attributes", "_set_attributes(nodes[i], found)", "pass"),
    Fault("pickles forget which nodes are one", graph._NodeBatch, "__init__",
          "[i if batch is self", "[(i if self.nodes[i]._prev else 0) if batch is self"),
    Fault("bool is not that of the number", Value, "__bool__", "self.data", "self.data > 0"),
]
# fmt: on


def make(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    function = getattr(fault.owner, fault.function)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(fault.right) == 1, f"{fault.function} reads otherwise now: say there what would be wrong"
    broken: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n" + source.replace(fault.right, fault.wrong),
        {**vars(inspect.getmodule(function)), "memory": {}},
        broken,
    )
    monkeypatch.setattr(fault.owner, fault.function, broken[function.__name__])


@seed(3)  # a fault is found every time or never, and with this seed each is found soon
class RepeatableMachine(Machine):
    pass


@pytest.mark.parametrize("fault", sample(FAULTS, 12), ids=str)
def test_the_machine_finds_it(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    make(fault, monkeypatch)
    until_found = settings(
        THOROUGH,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(RepeatableMachine, settings=until_found)
