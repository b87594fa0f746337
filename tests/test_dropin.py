"""What people have written for micrograd and for the lectures around it runs with only its imports changed.

The programs below are in that style, and written the way their readers know: nodes by hand, `_backward()` by hand, a
recursive trace, a seeded network, a small GPT on scalars. Where micrograd itself is installed, it runs beside us.
"""

import importlib
import math
import os
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine import Value

# ---- Value(data, _children, _op, label) ------------------------------------------------------------------------------


def test_the_positional_order() -> None:
    a, b = Value(2.0, (), "", "a"), Value(-3.0, label="b")
    c = Value(-6.0, (a, b), "*", "c")
    assert (a.data, a.grad, a.label, tuple(a._prev), a._op) == (2.0, 0.0, "a", (), "")
    assert (c.data, c.label, tuple(c._prev), c._op) == (-6.0, "c", (a, b), "*")
    c.backward()
    assert (a.grad, b.grad) == (-3.0, 2.0)


def test_the_keywords() -> None:
    a = Value(data=2.0, label="a")
    c = Value(data=4.0, _children=[a, a], _op="+", label="c")
    c.backward()
    assert (c._op, a.grad) == ("+", 2.0)


# what makes the node, its symbol, and its gradients in a = 2 and b = 3
OPERATIONS: list[tuple[Callable[[Value, Value], Value], str, float, float]] = [
    (lambda a, b: a, "", 1.0, 0.0),
    (lambda a, b: a + b, "+", 1.0, 1.0),
    (lambda a, b: a + 1, "+", 1.0, 0.0),
    (lambda a, b: a * b, "*", 3.0, 2.0),
    (lambda a, b: a - b, "-", 1.0, -1.0),
    (lambda a, b: a / b, "/", 1 / 3, -2 / 9),
    (lambda a, b: a.tanh(), "tanh", 1 - math.tanh(2) ** 2, 0.0),
    (lambda a, b: a.exp(), "exp", math.exp(2), 0.0),
    (lambda a, b: b.relu(), "ReLU", 0.0, 1.0),
    (lambda a, b: a**3, "**3", 12.0, 0.0),
    (lambda a, b: b**-1, "**-1", 0.0, -1 / 9),
    (lambda a, b: a**0.5, "**0.5", 0.5 / math.sqrt(2), 0.0),
    (lambda a, b: a**2.0, "**2.0", 4.0, 0.0),
]


@pytest.mark.parametrize(("make", "symbol", "slope_a", "slope_b"), OPERATIONS)
def test_the_symbol_of_an_operation(
    make: Callable[[Value, Value], Value], symbol: str, slope_a: float, slope_b: float
) -> None:
    y = make(Value(2.0), Value(3.0))
    assert (y._op, type(y._op)) == (symbol, str)


@pytest.mark.parametrize(("make", "symbol", "slope_a", "slope_b"), OPERATIONS[1:])
def test_a_node_by_hand_is_the_node_of_the_operation(
    make: Callable[[Value, Value], Value], symbol: str, slope_a: float, slope_b: float
) -> None:
    """As in `out = Value(math.tanh(x.data), (x,), 'tanh')`."""
    a, b = Value(2.0), Value(3.0)
    y = make(a, b)
    twin = Value(y.data, y._prev, symbol)
    assert (twin._op, tuple(twin._prev), twin.data) == (symbol, tuple(y._prev), y.data)
    twin.backward()
    assert (a.grad, b.grad) == pytest.approx((slope_a, slope_b), rel=1e-15)


def test_inputs_keep_their_order_and_number() -> None:
    a, b = Value(2.0), Value(3.0)
    assert tuple((a - b)._prev) == (a, b)
    assert tuple((a * a)._prev) == (a, a)
    assert len(set((a * a)._prev)) == 1


# ---- _backward() by hand ---------------------------------------------------------------------------------------------
def test_backward_by_hand_node_by_node() -> None:
    x1, x2, w1, w2, b = (Value(x) for x in (2.0, -1.0, 0.5, 1.5, 0.7))
    x1w1, x2w2 = x1 * w1, x2 * w2
    both = x1w1 + x2w2
    n = both + b
    o = n.tanh()

    o.grad = 1.0
    for node in (o, n, b, both, x2w2, x1w1, x1, x2, w1, w2):
        node._backward()

    slope = 1 - math.tanh(0.2) ** 2
    assert o.data == pytest.approx(math.tanh(0.2), rel=1e-15)
    assert [v.grad for v in (n, both, x1w1, x2w2, b)] == pytest.approx([slope] * 5, rel=1e-14)
    assert [v.grad for v in (x1, x2, w1, w2)] == pytest.approx(
        [0.5 * slope, 1.5 * slope, 2.0 * slope, -slope], rel=1e-14
    )


def test_it_adds_from_the_gradient_that_is_there() -> None:
    a = Value(3.0)
    y = a * a
    y.grad = 0.5
    y._backward()
    assert a.grad == 3.0
    y._backward()
    assert a.grad == 6.0
    y.grad = -1.0
    y._backward()
    assert a.grad == 0.0
    a._backward()  # a leaf has no inputs to add to


def test_the_whole_backward_pass_by_hand() -> None:
    """The lecture's own: a topological order by recursion, then `_backward()` in reverse."""
    a, b = Value(-4.0), Value(2.0)

    def loss_of(a: Value, b: Value) -> Value:
        c = a * b + b**3
        c = c + c.tanh() + (b - a).relu()
        return (c * c).exp() ** 0.01 + c / b

    loss = loss_of(a, b)
    topo: list[Value] = []
    visited: set[Value] = set()

    def build_topo(v: Value) -> None:
        if v not in visited:
            visited.add(v)
            for child in v._prev:
                build_topo(child)
            topo.append(v)

    build_topo(loss)
    loss.grad = 1.0
    for node in reversed(topo):
        node._backward()

    a2, b2 = Value(-4.0), Value(2.0)
    loss_of(a2, b2).backward()
    assert (a.grad, b.grad) == pytest.approx((a2.grad, b2.grad), rel=1e-14)


def test_tanh_from_its_parts() -> None:
    x, y = Value(0.4), Value(0.4)
    e = (2 * x).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    y.tanh().backward()
    assert o.data == pytest.approx(math.tanh(0.4), rel=1e-15)
    assert x.grad == pytest.approx(y.grad, rel=1e-14)


# ---- trace and draw_dot ----------------------------------------------------------------------------------------------
def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """As in the lecture: a set of nodes, and a set of edges (child, parent)."""
    nodes: set[Value] = set()
    edges: set[tuple[Value, Value]] = set()

    def build(v: Value) -> None:
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(root)
    return nodes, edges


def test_a_recursive_trace_runs_and_ours_is_the_same() -> None:
    import tinygrad_edu as tg

    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    e = a * b
    loss = (e + a * a).tanh() * -2.0
    nodes, edges = trace(loss)
    assert {n.label for n in nodes if n.label} == {"a", "b"}
    assert {n._op for n in nodes} == {"", "*", "+", "tanh"}
    assert (e, next(n for n in nodes if n._op == "+")) in edges
    assert tg.trace(loss) == (nodes, edges)


def test_draw_dot_has_the_text_that_people_know() -> None:
    import graphviz

    import tinygrad_edu as tg

    a = Value(2.0, label="a")
    y = a.tanh()
    y.label = "y"
    y.backward()
    dot = tg.draw_dot(y, format="svg", rankdir="LR")
    assert isinstance(dot, graphviz.Digraph)
    assert "a | data 2.0000 | grad 0.0707" in dot.source
    assert "y | data 0.9640 | grad 1.0000" in dot.source
    assert "rankdir=LR" in dot.source


# ---- nn --------------------------------------------------------------------------------------------------------------
class HandMade:
    """micrograd's network, from nothing but Value and random.uniform: the order of its draws, and of its sums."""

    def __init__(self, nin: int, nouts: list[int], tanh: bool = False) -> None:
        sizes = [nin, *nouts]
        self.layers = [
            [([Value(random.uniform(-1, 1)) for _ in range(n)], Value(0)) for _ in range(m)]
            for n, m in zip(sizes, nouts)
        ]
        self.tanh = tanh

    def __call__(self, x: list[Any]) -> Any:
        for i, layer in enumerate(self.layers):
            acts = [sum((wi * xi for wi, xi in zip(w, x)), b) for w, b in layer]
            last = i == len(self.layers) - 1
            x = acts if last else [a.tanh() if self.tanh else a.relu() for a in acts]
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for w, b in layer for p in [*w, b]]


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("nouts", [[1], [4, 1], [3, 4, 2]])
def test_a_seeded_network_has_the_numbers_of_one_made_by_hand(nouts: list[int], tanh: bool) -> None:
    options = {"activation": "tanh"} if tanh else {}
    random.seed(1337)
    ours = nn.MLP(3, nouts, **options)  # type: ignore[arg-type]
    after = random.random()
    random.seed(1337)
    hand = HandMade(3, nouts, tanh)
    assert [p.data for p in ours.parameters()] == [p.data for p in hand.parameters()]
    assert after == random.random()

    x = [0.5, -1.0, 2.0]
    for model in (ours, hand):
        out = model(x)
        sum(v * v for v in (out if isinstance(out, list) else [out])).backward()
    assert [p.grad for p in ours.parameters()] == pytest.approx([p.grad for p in hand.parameters()], rel=1e-12)
    ours.zero_grad()
    assert {p.grad for p in ours.parameters()} == {0.0}


def test_the_parts_of_a_network_have_their_names() -> None:
    n = nn.Neuron(2)
    assert (len(n.w), n.b.data, n.nonlin, n.parameters()) == (2, 0.0, True, [*n.w, n.b])
    assert nn.Neuron(2, nonlin=False).nonlin is False
    assert nn.Neuron(2, False).nonlin is False
    layer = nn.Layer(2, 3, nonlin=False)
    assert [type(neuron) for neuron in layer.neurons] == [nn.Neuron] * 3
    assert [neuron.nonlin for neuron in layer.neurons] == [False] * 3
    model = nn.MLP(2, [3, 1])
    assert [len(layer.neurons) for layer in model.layers] == [3, 1]
    assert [layer.neurons[0].nonlin for layer in model.layers] == [True, False]
    assert type(model([1.0, 2.0])) is Value
    assert [type(v) for v in nn.MLP(2, [3, 2])([1.0, 2.0])] == [Value, Value]
    assert len(model.parameters()) == 3 * 3 + 4


def test_the_parts_of_a_network_are_printed_as_people_know_them() -> None:
    assert str(nn.Neuron(2)) == "ReLUNeuron(2)"
    assert str(nn.Neuron(2, nonlin=False)) == "LinearNeuron(2)"
    assert str(nn.MLP(2, [2, 1])) == ("MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]")


def test_a_module_of_ones_own_overrides_parameters() -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = Value(2.0), Value(1.0)

        def __call__(self, x: float) -> Value:
            return self.a * x + self.b

        def parameters(self) -> list[Value]:
            return [self.a, self.b]

    line = Line()
    line(3.0).backward()
    assert [p.grad for p in line.parameters()] == [3.0, 1.0]
    line.zero_grad()
    assert [p.grad for p in line.parameters()] == [0.0, 0.0]


def test_a_first_training_loop() -> None:
    """Four samples, squared errors, `p.data += -lr * p.grad`."""
    random.seed(3)
    model = nn.MLP(3, [4, 4, 1], activation="tanh", output="tanh")
    samples = [([2.0, 3.0, -1.0], 1.0), ([3.0, -1.0, 0.5], -1.0), ([0.5, 1.0, 1.0], -1.0), ([1.0, 1.0, -1.0], 1.0)]
    losses = []
    for _ in range(60):
        loss = sum((model(x) - y) ** 2 for x, y in samples)
        for p in model.parameters():
            p.grad = 0
        loss.backward()
        for p in model.parameters():
            p.data += -0.1 * p.grad
        losses.append(loss.data)
    assert losses[-1] < 0.1 < losses[0]
    assert [model(x).data > 0 for x, _ in samples] == [y > 0 for _, y in samples]


# ---- known numbers ---------------------------------------------------------------------------------------------------
def readme_example(Value: Any) -> tuple[Any, Any, Any]:
    """The expression of micrograd's README, whose numbers many know."""
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return a, b, g


def test_the_readme_example() -> None:
    a, b, g = readme_example(Value)
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_the_logits_example() -> None:
    logits = [Value(0.0), Value(3.0), Value(-2.0), Value(1.0)]
    counts = [logit.exp() for logit in logits]
    denominator = sum(counts)
    probabilities = [count / denominator for count in counts]
    loss = -probabilities[3].log()
    loss.backward()
    assert [f"{logit.grad:.7f}" for logit in logits] == ["0.0417726", "0.8390245", "0.0056533", "-0.8864504"]


# ---- a GPT on scalars ------------------------------------------------------------------------------------------------
WIDTH, BLOCK = 4, 6
WORDS = ["anna", "nana", "hanna", "ann"]
CHARACTERS = sorted(set("".join(WORDS)))
STOP = len(CHARACTERS)


class TinyGPT:
    """One block of causal attention and a relu layer, RMS norms, on tuples of Values; plain Python all through."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)

        def matrix(rows: int, columns: int) -> tuple[tuple[Value, ...], ...]:
            return tuple(tuple(Value(rng.gauss(0, 0.4)) for _ in range(columns)) for _ in range(rows))

        self.weights = {
            "token": matrix(STOP + 1, WIDTH),
            "position": matrix(BLOCK, WIDTH),
            "query": matrix(WIDTH, WIDTH),
            "key": matrix(WIDTH, WIDTH),
            "value": matrix(WIDTH, WIDTH),
            "up": matrix(2 * WIDTH, WIDTH),
            "down": matrix(WIDTH, 2 * WIDTH),
            "head": matrix(STOP + 1, WIDTH),
        }
        self.parameters = [p for matrix in self.weights.values() for row in matrix for p in row]

    @staticmethod
    def linear(matrix: Any, x: Any) -> tuple[Value, ...]:
        return tuple(sum(w * v for w, v in zip(row, x)) for row in matrix)

    @staticmethod
    def rms_norm(x: Any) -> tuple[Value, ...]:
        scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
        return tuple(v * scale for v in x)

    @staticmethod
    def softmax(vs: Any) -> tuple[Value, ...]:
        top = max(v.data for v in vs)
        exps = [(v - top).exp() for v in vs]
        total = sum(exps)
        return tuple(e / total for e in exps)

    def loss(self, word: str) -> Value:
        tokens = [STOP, *[CHARACTERS.index(c) for c in word], STOP]
        W, keys, values, losses = self.weights, [], [], []
        for position, (token, target) in enumerate(pairwise(tokens)):
            x: Any = tuple(t + p for t, p in zip(W["token"][token], W["position"][position]))
            normed = self.rms_norm(x)
            query = self.linear(W["query"], normed)
            keys.append(self.linear(W["key"], normed))
            values.append(self.linear(W["value"], normed))
            scores = self.softmax([sum(q * k for q, k in zip(query, key)) / WIDTH**0.5 for key in keys])
            mixed = [sum(s * value[i] for s, value in zip(scores, values)) for i in range(WIDTH)]
            x = tuple(a + b for a, b in zip(x, mixed))
            hidden = [h.relu() for h in self.linear(W["up"], self.rms_norm(x))]
            x = tuple(a + b for a, b in zip(x, self.linear(W["down"], hidden)))
            losses.append(-self.softmax(self.linear(W["head"], x))[target].log())
        return (1 / len(losses)) * sum(losses)


def test_a_gpt_on_scalars_learns() -> None:
    model = TinyGPT(seed=1)
    m, v, losses = [0.0] * len(model.parameters), [0.0] * len(model.parameters), []
    for t in range(1, 31):
        loss = model.loss(WORDS[t % len(WORDS)])
        for p in model.parameters:
            p.grad = 0
        loss.backward()
        for i, p in enumerate(model.parameters):
            m[i] = 0.9 * m[i] + 0.1 * p.grad
            v[i] = 0.99 * v[i] + 0.01 * p.grad**2
            p.data -= 0.05 * (m[i] / (1 - 0.9**t)) / ((v[i] / (1 - 0.99**t)) ** 0.5 + 1e-8)
        losses.append(loss.data)
    assert sum(losses[-4:]) < 0.6 * sum(losses[:4])


def test_its_gradients_are_those_of_finite_differences() -> None:
    model, h = TinyGPT(seed=2), 1e-5
    model.loss("hanna").backward()
    for p in model.parameters[:: len(model.parameters) // 12]:
        at = p.data
        losses = []
        for p.data in (at + h, at - h):
            losses.append(model.loss("hanna").data)
        p.data = at
        assert p.grad == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-6, abs=1e-9)


# ---- side by side with micrograd -------------------------------------------------------------------------------------
@pytest.fixture
def micrograd() -> tuple[Any, Any]:
    if os.environ.get("CI") != "true":
        pytest.importorskip("micrograd")
    return importlib.import_module("micrograd.engine").Value, importlib.import_module("micrograd.nn")


def test_the_readme_example_side_by_side(micrograd: tuple[Any, Any]) -> None:
    results = []
    for kind in (Value, micrograd[0]):
        a, b, g = readme_example(kind)
        g.backward()
        results.append((g.data, a.grad, b.grad))
    assert results[0] == pytest.approx(results[1], rel=1e-13)


def train_on_a_ring(Value: Any, nn: Any, steps: int = 15) -> tuple[list[float], list[float]]:
    """A max-margin classifier with L2 regularisation on points in and around a ring, in micrograd's words."""
    random.seed(7)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    X, y = np.concatenate([circle * 0.5, circle * 1.5]), np.array([-1] * 12 + [1] * 12)
    model = nn.MLP(2, [6, 6, 1])
    losses = []
    for k in range(steps):
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        margins = [(1 + -yi * score).relu() for yi, score in zip(y, scores)]
        loss = sum(margins) * (1.0 / len(margins)) + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
        losses.append(float(loss.data))
    return losses, [float(p.data) for p in model.parameters()]


def test_a_seeded_training_side_by_side(micrograd: tuple[Any, Any]) -> None:
    ours, theirs = train_on_a_ring(Value, nn), train_on_a_ring(*micrograd)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-11)
    assert ours[0][-1] < 0.8 * ours[0][0]


def test_a_network_is_printed_as_theirs(micrograd: tuple[Any, Any]) -> None:
    assert str(nn.MLP(2, [2, 1])) == str(micrograd[1].MLP(2, [2, 1]))
