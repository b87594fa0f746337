"""The numbers that the lessons have to reach, each through the package's own models, losses, optimizers and `fit`."""

import csv
import math
from pathlib import Path

import pytest

from tinygrad_edu import data, losses, nn, optim
from tinygrad_edu.engine import Value
from tinygrad_edu.train import DivergenceError, evaluate, fit


def close(*expected: float, tolerance: float) -> object:
    return pytest.approx(list(expected), abs=tolerance, rel=0)


class Line(nn.Module):
    """y = a·x + b."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = Value(a), Value(b)

    def __call__(self, x: float) -> Value:
        return self.a * x + self.b

    def numbers(self) -> list[float]:
        return [self.a.data, self.b.data]


def least_squares(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and intercept in closed form."""
    n = len(x)
    mean_x, mean_y = math.fsum(x) / n, math.fsum(y) / n
    slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / math.fsum((a - mean_x) ** 2 for a in x)
    return slope, mean_y - slope * mean_x


def test_lesson_1_a_line_reaches_the_closed_form():
    X, y = data.line(20, seed=1)
    x = [row[0] for row in X]
    model = Line(0.293, 0.758)
    curvature = 2 * max(len(x), sum(a * a for a in x))  # keeps η below where the steps overshoot
    history = fit(
        model,
        x,
        y,
        loss=losses.sse,
        optimizer=optim.SGD(model.parameters(), lr=0.5 / curvature),
        tol=0.0,
        epochs=20_000,
    )
    assert history.loss[0] == pytest.approx(sum((0.293 * a + 0.758 - b) ** 2 for a, b in zip(x, y)))
    assert history.stopped == "tolerance"
    assert model.numbers() == close(*least_squares(x, y), tolerance=1e-6)


def test_lesson_1_the_first_round_by_hand():
    """The gradients of SSE in a and b are Σ 2(ŷ − y)·x and Σ 2(ŷ − y), and the update is θ − η∇L."""
    X, y = data.line(20, seed=1)
    x = [row[0] for row in X]
    model = Line(0.293, 0.758)
    errors = [0.293 * a + 0.758 - b for a, b in zip(x, y)]
    fit(model, x, y, loss=losses.sse, optimizer=optim.SGD(model.parameters(), lr=1e-3), epochs=1)
    by_hand = [0.293 - 1e-3 * sum(2 * e * a for e, a in zip(errors, x)), 0.758 - 1e-3 * sum(2 * e for e in errors)]
    assert model.numbers() == close(*by_hand, tolerance=1e-14)


def test_lesson_2_linear_regression_makes_1160_updates():
    """The data: scikit-learn's make_regression(n_samples=100, n_features=1, noise=5, bias=50, random_state=0)."""
    with open(Path(__file__).parent / "make_regression.csv", newline="") as file:
        rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    model = nn.Linear(1)
    w, b = model.parameters()
    w.data = b.data = 0.5
    history = fit(
        model,
        [[x] for x, _ in rows],
        [y for _, y in rows],
        loss=losses.half_sse,
        optimizer=optim.SGD(
            model.parameters(), lr=0.005 / len(rows)
        ),  # the mean of the gradients of the halved squares
        tol=0.01,
        epochs=5000,
    )
    assert (history.stopped, history.updates) == ("tolerance", 1160)
    assert [b.data, w.data, history.loss[-1]] == close(49.479924, 42.432681, 1428.077253, tolerance=1e-6)


@pytest.mark.parametrize("start", [-1.0, 1.0])
@pytest.mark.parametrize("lr", [0.1, 0.9])
def test_lesson_3a_the_minimum_of_a_square(start: float, lr: float):
    x = Value(start)
    sgd = optim.SGD([x], lr)
    for _ in range(200):
        sgd.zero_grad()
        (x**2).backward()
        sgd.step()
    assert x.data == pytest.approx(0.0, abs=1e-9)


class Parabola(nn.Module):
    """The loss itself as a model: x², whatever the sample."""

    def __init__(self, x: float) -> None:
        self.x = Value(x)

    def __call__(self, _: object) -> Value:
        return self.x**2


def minimise(start: float, lr: float, epochs: int) -> list[float]:
    model = Parabola(start)
    history = fit(
        model,
        [0],
        [0],
        loss=lambda predictions, _: predictions[0],
        optimizer=optim.SGD(model.parameters(), lr),
        epochs=epochs,
        record_parameters=True,
    )
    return history.parameters["x"]


def test_lesson_3a_too_small_a_step_crawls_and_a_step_of_1_oscillates_for_ever():
    assert minimise(1.0, lr=0.001, epochs=100)[-1] == pytest.approx(0.998**100)
    assert minimise(1.0, lr=1.0, epochs=6) == [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0]


def test_lesson_3a_above_1_it_explodes_and_the_program_says_so():
    with pytest.raises(DivergenceError, match=r"diverged in epoch \d+: the loss has grown .* Lower the learning rate"):
        minimise(1.0, lr=1.1, epochs=1000)


def test_lesson_3b_a_curve_one_sample_at_a_time_stops_at_epoch_49():
    X = [[x * x, x] for x in (i / 100 for i in range(100))]
    y = [2 * square + 3 * x + 4 for square, x in X]
    model = nn.Neuron(2, nonlin=False)
    model.load_state_dict({"w[0]": 1.0, "w[1]": 0.0, "b": -1.0})
    sgd = optim.SGD(model.parameters(), lr=0.1)
    history = fit(model, X, y, loss=losses.mse, optimizer=sgd, batch_size=1, target_loss=1e-4)
    assert history.loss[:2] == close(0.7408869558, 0.1301736562, tolerance=5e-11)
    assert (history.epochs - 1, history.updates, history.stopped) == (49, 5000, "target")
    assert [p.data for p in model.parameters()] == close(2.188697, 2.753475, 4.060021, tolerance=5e-7)


@pytest.mark.parametrize("batch_size", [None, 10, 1])
def test_lesson_3c_batch_mini_batch_and_stochastic_descent_sum_the_gradient_over_the_batch(batch_size: int | None):
    """One epoch of each, against the update rule written out for the same batches."""
    x = [i / 100 for i in range(100)]
    y = [2 * a * a + 3 * a + 4 for a in x]
    model = Line(1.0, 0.0)
    a, b, size = 1.0, 0.0, batch_size or 100
    for start in range(0, 100, size):
        errors = [(a * x[i] + b - y[i], x[i]) for i in range(start, start + size)]
        a, b = a - 0.001 * sum(2 * e * xi for e, xi in errors), b - 0.001 * sum(2 * e for e, _ in errors)
    sgd = optim.SGD(model.parameters(), lr=0.001)
    history = fit(model, x, y, loss=losses.sse, optimizer=sgd, batch_size=batch_size, epochs=1)
    assert history.updates == 100 // size
    assert model.numbers() == close(a, b, tolerance=1e-12)


def lesson_4() -> tuple[list[float], list[float]]:
    x = [i / 100 for i in range(-50, 50)]
    return x, [a + 0.2 * math.sin(12.9898 * i) for i, a in enumerate(x)]


def test_lesson_4_by_value_and_by_the_formulas_agree_at_every_epoch():
    x, y = lesson_4()
    model = Line(0.1, 1.0)
    assert evaluate(model, x, y, losses.mse) == pytest.approx(1.0811403340, abs=5e-11)
    sgd = optim.SGD(model.parameters(), lr=0.08)
    history = fit(model, x, y, loss=losses.mse, optimizer=sgd, epochs=300, record_parameters=True)

    w, b = 0.1, 1.0
    for epoch in range(301):
        assert [history.parameters["a"][epoch], history.parameters["b"][epoch]] == close(w, b, tolerance=1e-12)
        errors = [(target - (w * a + b), a) for target, a in zip(y, x)]
        w, b = w - 0.08 * sum(-2 * a * e for e, a in errors) / 100, b - 0.08 * sum(-2 * e for e, _ in errors) / 100

    final = [*model.numbers(), evaluate(model, x, y, losses.mse)]
    assert final == close(0.9634008185, 0.0057788668, 0.0197184091, tolerance=5e-11)


def test_lesson_4_by_finite_differences():
    """The same model and loss on plain numbers; the forward difference is off by h times half the second derivative."""
    x, y = lesson_4()
    model = Line(0.1, 1.0)
    sgd, h = optim.SGD(model.parameters(), lr=0.08), 0.001
    for _ in range(300):
        here = evaluate(model, x, y, losses.mse)
        for p in model.parameters():
            before = p.data
            p.data = before + h
            p.grad = (evaluate(model, x, y, losses.mse) - here) / h
            p.data = before
        sgd.step()
    assert model.numbers() == close(0.9628801713, 0.0052762678, tolerance=1e-9)


def test_lesson_4_three_students():
    assert losses.mse([80.0, 90.0, 70.0], [75.0, 85.0, 75.0]) == 25.0


def test_lesson_5_two_steps_by_hand():
    model = nn.Neuron(2, nonlin=False, init="zeros")
    sgd = optim.SGD(model.parameters(), lr=0.1)
    history = fit(
        model,
        [[0.1, 0.8], [0.5, 0.3]],
        [0.8, 0.5],
        loss=losses.sse,
        optimizer=sgd,
        batch_size=1,
        epochs=1,
    )
    assert history.loss == close((0.64 + 0.08620096) / 2, tolerance=1e-15)
    assert [p.data for p in model.parameters()] == close(0.04536, 0.145616, 0.21872, tolerance=1e-15)


def test_lesson_5_the_first_step_alone():
    model = nn.Neuron(2, nonlin=False, init="zeros")
    history = fit(
        model, [[0.1, 0.8]], [0.8], loss=losses.sse, optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=1
    )
    assert history.loss == close(0.64, tolerance=1e-15)
    assert [p.data for p in model.parameters()] == close(0.016, 0.128, 0.16, tolerance=1e-15)
    assert model([0.5, 0.3]).data == pytest.approx(0.2064, abs=1e-15)
