"""A typed program as a user writes it: mypy and pyright, both strict, find nothing to complain of, and it runs.

`assert_type` says what an editor shows. The type checkers are run by `.ci/run`, against the installed wheel; that the
program runs is tested by `test_typed_program.py`.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import assert_type

import tinygrad_edu as tg
from tinygrad_edu import Value, losses, nn, optim
from tinygrad_edu.rules import Number
from tinygrad_edu.testing import assert_gradients, gradcheck
from tinygrad_edu.train import History, fit
from tinygrad_edu.viz import plots


# ---- numbers and gradients -------------------------------------------------------------------------------------------
def neuron(x: Value, w: Value, b: Value | float) -> Value:
    return tg.tanh(w * x + b)


def gradients() -> list[float]:
    x, w, b = Value(2.0, label="x"), Value(-0.5, label="w"), Value(0.3, label="b")
    y = neuron(x, w, b)
    y.backward()
    assert_type(y, Value)
    assert_type(y.data, float)
    assert_type(w.grad, float)
    assert_type(2 * x - 1 / w + (-b) ** 2, Value)
    assert_type(x > 1.0, bool)
    assert_type(sum([x, w, b], Value(0.0)), Value)
    assert_type(tg.softmax([x, w, b]), list[Value])
    assert_type(tg.maximum(x, 0.0), Value)
    assert_type(tg.maximum(0.0, x), Value)
    assert_type(tg.maximum(1.0, 2.0), float)
    assert_type(tg.dot([x, w], [1.0, 2.0]), Value)
    assert_type(tg.mean([x.data, w.data]), float)
    assert_type(tg.total([1.0, x]), Value)
    assert_type(tg.take([x, w], 1), Value)
    assert_type(tg.where(x > 0, x, 0.0), Value)
    with tg.no_grad():
        assert_type((x * w).item(), float)

    assert_type(tg.grad(neuron(x, w, b), [w, b]), list[float])
    assert_type(tg.grad(neuron(x, w, b), w), float)
    slope = tg.grad(neuron(x, w, b), w, create_graph=True)
    assert_type(slope, Value)
    assert_type(tg.derivative(tg.sin, 2)(0.5), float)
    assert_type(tg.derivative(lambda v: v * v)(x), Value)
    value, first = tg.value_and_grad(neuron)(2.0, -0.5, 0.3)
    curvature: list[list[float]] = tg.hessian(neuron)(2.0, -0.5, 0.3)
    return [w.grad, tg.grad(slope, w), float(value), *map(float, first), curvature[1][1]]


# ---- an operation, and a model ---------------------------------------------------------------------------------------
hill = tg.define_op("typed_hill", lambda m, x: m.exp(-x * x), lambda m, y, x: (-2.0 * x * y,))


class Hills(nn.Module):
    """A sum of hills, each with its own place and height."""

    def __init__(self, n: int, rng: Random) -> None:
        self.places = [Value(rng.uniform(-2.0, 2.0)) for _ in range(n)]
        self.heights = [Value(1.0) for _ in range(n)]

    def forward(self, x: float | Value) -> Value:
        return tg.dot(self.heights, [hill(x - place) for place in self.places])


class HalfMomentum(optim.Optimizer):
    """An optimizer of the user's: η v, where v ← ½ v + g."""

    buffers = ("v",)

    def update(
        self, θ: Number, g: Number, η: float, state: optim.ParameterState
    ) -> tuple[Number, optim.ParameterState]:
        (v,) = state
        v = 0.5 * v + g
        return θ - η * v, (v,)


class Both(nn.Module):
    """A layer, and what lies between its outputs."""

    def __init__(self, rng: Random) -> None:
        self.layer = nn.Layer(2, 2, activation="tanh", rng=rng)

    def forward(self, x: Sequence[float]) -> Value:
        outputs: list[Value] = self.layer(x)
        largest = tg.maximum(*outputs)
        return largest - tg.total(outputs)


def absolute(predictions: Sequence[Value], targets: Sequence[float]) -> Value:
    return tg.mean([abs(p - t) for p, t in zip(predictions, targets, strict=True)])


def train_by_hand() -> list[float]:
    model = Hills(3, Random(0))
    optimizer = HalfMomentum(model.parameters(), lr=0.05)
    xs = [i / 5 - 2 for i in range(21)]
    seen: list[float] = []
    for _ in range(20):
        loss = absolute([model(x) for x in xs], [x / (1 + x * x) for x in xs])
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        seen.append(loss.data)
    assert_type(model, Hills)
    assert_type(model.parameters(), list[Value])
    loss_of_both: Value = losses.mse([Both(Random(0))([1.0, 2.0])], [0.5])
    seen.append(loss_of_both.data)
    assert_type(model.state_dict(), dict[str, float])
    return seen


# ---- data, fit, files ------------------------------------------------------------------------------------------------
def train_on_moons(folder: Path) -> History:
    X, y = tg.data.moons(40, noise=0.1, seed=1, labels=(-1, 1))
    X, X_test, y, y_test = tg.data.split(X, y, test=0.25, seed=0)
    model = nn.MLP(2, [4, 1], activation="tanh", rng=Random(1))
    adam = optim.Adam(model.parameters(), lr=optim.cosine(0.05, steps=100))
    history = fit(model, X, y, loss=losses.hinge, optimizer=adam, epochs=5, batch_size=8, compile=True, progress=False)
    assert_type(history, History)
    assert_type(history.loss, list[float])
    scores: list[float] = model.predict(X_test)
    print(f"{tg.data.accuracy(y_test, [1 if score > 0 else -1 for score in scores]):.0%}, {history.stopped}")
    model.save(folder / "model.json")
    return history


def look(folder: Path) -> None:
    w, x = Value(0.5, label="w"), Value(2.0, label="x")
    y = neuron(x, w, 1.0)
    tg.draw(y, parameters=[w]).save(folder / "graph.svg")
    tg.explore(y, folder / "page.html", parameters=[w])
    program = tg.record(neuron, 2.0, 0.5, 1.0, gradients=True)
    assert_type(program.source("numpy"), str)
    fast = tg.compile(neuron)
    result = fast(2.0, 0.5, 1.0)
    assert abs(float(result) - y.data) < 1e-12

    @tg.compile
    def cubic(a: float) -> float:
        return a * a * a

    assert cubic(2.0) == 8.0
    assert_gradients(neuron, 2.0, 0.5, 1.0)
    assert gradcheck(hill, 0.3)


if __name__ == "__main__":
    print(gradients())
    print(train_by_hand()[-1])
    with tempfile.TemporaryDirectory() as folder:
        history = train_on_moons(Path(folder))
        look(Path(folder))
        axes = plots.plot_loss(history)
        axes.set_title("loss")
