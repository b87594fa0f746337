"""`fit(..., compile=True)`: the losses, parameters and reasons to stop of a run on Values, for any module and loss."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import data, dot, losses, maximum, mean, nn, optim, total
from tinygrad_edu.compiler import RecordingError, training
from tinygrad_edu.compiler._data_rows import DataRows
from tinygrad_edu.engine import Value
from tinygrad_edu.train import DivergenceError, History, fit

X, LABELS = data.moons(24, noise=0.1, seed=3)
SIGNS = [2.0 * label - 1.0 for label in LABELS]
CURVE = [math_x * math_x for math_x, _ in X]


def network(activation: str = "tanh", outputs: int = 1) -> nn.Module:
    return nn.MLP(2, [4, outputs], activation=activation, rng=random.Random(5))


def both(
    build: Callable[[], nn.Module], X: Any, y: Any, loss: Any, **settings: Any
) -> tuple[History, History, nn.Module, nn.Module]:
    """The same run on Values and compiled."""
    runs = []
    for compile in (False, True):
        model = build()
        optimizer = optim.SGD(model.named_parameters(), lr=0.05, momentum=0.5)
        history = fit(model, X, y, loss=loss, optimizer=optimizer, compile=compile, **settings)
        runs.append((history, model))
    (eager, on_values), (compiled, on_arrays) = runs
    return eager, compiled, on_values, on_arrays


def assert_equal(eager: History, compiled: History, on_values: nn.Module, on_arrays: nn.Module) -> None:
    assert compiled.loss == pytest.approx(eager.loss, rel=1e-9, abs=1e-14)
    assert compiled.validation == pytest.approx(eager.validation, rel=1e-9, abs=1e-14)
    assert (compiled.updates, compiled.stopped) == (eager.updates, eager.stopped)
    assert on_arrays.state_dict() == pytest.approx(on_values.state_dict(), rel=1e-9, abs=1e-12)


TARGETS = {
    "sse": CURVE,
    "mse": CURVE,
    "half_sse": CURVE,
    "half_mse": CURVE,
    "mae": CURVE,
    "huber": CURVE,
    "hinge": SIGNS,
    "bce": LABELS,
    "bce_with_logits": LABELS,
    "cross_entropy": LABELS,
}


def test_every_loss_is_here() -> None:
    assert TARGETS.keys() == losses.LOSSES.keys()


@pytest.mark.parametrize("batch_size", [None, 7, 1])
@pytest.mark.parametrize("name", TARGETS)
def test_every_loss_reaches_the_losses_of_the_eager_run(name: str, batch_size: int | None) -> None:
    def build() -> nn.Module:
        if name == "bce":
            return nn.MLP(2, [4, 1], activation="tanh", output="sigmoid", rng=random.Random(5))
        return network(outputs=2 if name == "cross_entropy" else 1)

    settings = {"epochs": 4, "batch_size": batch_size, "shuffle": True, "validation": (X[:9], TARGETS[name][:9])}
    assert_equal(*both(build, X, TARGETS[name], losses.by_name(name), **settings))


@pytest.mark.parametrize("activation", list(nn.ACTIVATIONS))
def test_every_activation(activation: str) -> None:
    assert_equal(*both(lambda: network(activation), X, CURVE, losses.mse, epochs=3))


class Polynomial(nn.Module):
    """A sample is one number; the prediction is one Value."""

    def __init__(self) -> None:
        self.w = [Value(1.0), Value(0.0), Value(-1.0)]

    def __call__(self, x: Any) -> Value:
        return self.w[0] * x**2 + self.w[1] * x + self.w[2]


class Recurrent(nn.Module):
    """A sample is a sequence of vectors, the prediction a dict of a list and a number."""

    def __init__(self) -> None:
        self.cell = nn.Layer(4, 2, activation="tanh", rng=random.Random(1))

    def __call__(self, x: Any) -> Any:
        state = [0.0, 0.0]
        for vector in x:
            state = self.cell([*vector, *state])
        return {"state": state, "sum": total(state)}


class OnArrays(nn.Module):
    """A sample is a row of a NumPy array, and is used as one."""

    def __init__(self) -> None:
        self.w = np.array([Value(0.5), Value(-0.25)])

    def __call__(self, x: Any) -> Value:
        return (self.w * x + 1.0) @ x[::-1]


class Constant(nn.Module):
    """Predicts one parameter, whatever the sample is."""

    def __init__(self) -> None:
        self.b = Value(0.5)

    def __call__(self, x: Any) -> Value:
        return self.b


def test_samples_that_are_numbers() -> None:
    assert_equal(*both(Polynomial, [x for x, _ in X], CURVE, losses.mse, epochs=5))


def test_rows_of_a_numpy_array() -> None:
    assert_equal(*both(OnArrays, np.array(X), np.array(CURVE), losses.mse, epochs=5))
    assert_equal(*both(network, np.array(X, dtype=np.float32), np.array(LABELS), losses.mse, epochs=2))


@pytest.mark.parametrize("compiled", ["numpy", "jax"])
def test_a_file_that_is_mapped_to_memory_is_not_read_as_a_whole(tmp_path: Any, compiled: str) -> None:
    path = tmp_path / "samples.npy"
    np.save(path, np.array(X))
    mapped = np.load(path, mmap_mode="r")
    rows = DataRows(np.asarray(mapped))
    for _ in range(2):
        assert rows.is_plain
        assert np.shares_memory(rows.all_numbers, mapped)
        rows.read_again()
    model, same = (nn.Linear(2, rng=random.Random(2)) for _ in range(2))
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 7, "compile": compiled}
    assert fit(model, mapped, CURVE, **settings).loss == fit(same, np.array(X), CURVE, **settings).loss


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_a_mapped_file_that_somebody_may_write_to_is_read_again(tmp_path: Any, mode: Any) -> None:
    path = tmp_path / "samples.npy"
    np.save(path, np.ones((3, 2)))
    mapped = np.load(path, mmap_mode=mode)
    rows = DataRows(np.asarray(mapped))
    assert rows.is_plain
    mapped[1] = 5.0
    assert rows.all_numbers[1].tolist() == [1.0, 1.0]
    rows.read_again()
    assert rows.all_numbers[1].tolist() == [5.0, 5.0]


def test_sequences_of_vectors_and_predictions_of_any_structure() -> None:
    def loss(predictions: Any, targets: Any) -> Any:
        pairs = zip(predictions, targets)
        return mean([(p["sum"] - t) ** 2 + dot(p["state"], p["state"]) for p, t in pairs])

    samples = [[row, row[::-1], row] for row in X]
    assert_equal(*both(Recurrent, samples, CURVE, loss, epochs=5))


def test_a_model_that_does_not_look_at_the_sample() -> None:
    assert_equal(*both(Constant, X, CURVE, losses.mse, epochs=5))
    assert_equal(*both(Constant, X, CURVE, losses.mse, epochs=2, batch_size=1))


def test_several_outputs_and_targets() -> None:
    assert_equal(*both(lambda: network(outputs=2), X, X, losses.mse, epochs=5))


def worst(predictions: Any, targets: Any) -> Any:
    """Not a sum of anything over the samples."""
    worst: Any = 0.0
    for p, t in zip(predictions, targets):
        worst = maximum(worst, (p - t) ** 2)
    return worst


def test_a_loss_of_all_samples_together() -> None:
    assert_equal(*both(network, X, CURVE, worst, epochs=5))
    assert_equal(*both(network, X, CURVE, worst, epochs=3, batch_size=5))


def test_a_loss_that_branches_on_its_targets_and_uses_parameters() -> None:
    """On Values, as it is: only the model is compiled."""
    runs = []
    for compile in (False, True):
        model = network()

        def loss(predictions: Any, targets: Any, model: nn.Module = model) -> Any:
            terms = [-p if t > 0 else 2.0 * p for p, t in zip(predictions, targets)]
            return mean([t.softplus() for t in terms]) + 1e-2 * dot(model.parameters(), model.parameters())

        history = fit(model, X, SIGNS, loss=loss, epochs=5, compile=compile)
        runs.append((history, model))
    (eager, a), (compiled, b) = runs
    assert_equal(eager, compiled, a, b)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_that_says_how_it_is_reduced(reduction: str) -> None:
    assert_equal(*both(network, X, CURVE, partial(losses.huber, delta=0.1, reduction=reduction), epochs=5))


def test_a_reduction_that_is_not_one_of_ours_is_not_believed() -> None:
    def loss(predictions: Any, targets: Any, *, reduction: str = "worst") -> Any:
        return worst(predictions, targets)

    assert_equal(*both(network, X, CURVE, loss, epochs=3))


def test_it_stops_for_the_same_reasons() -> None:
    eager, compiled, *_ = both(network, X, CURVE, losses.mse, epochs=400, target_loss=0.5)
    assert (compiled.stopped, compiled.epochs) == (eager.stopped, eager.epochs) == ("target", eager.epochs)
    eager, compiled, *_ = both(network, X, CURVE, losses.mse, epochs=400, tol=1e-2)
    assert (compiled.stopped, compiled.epochs) == (eager.stopped, eager.epochs) == ("tolerance", eager.epochs)


def test_gradients_are_added_when_it_goes_backward_and_not_before() -> None:
    def by_sign(p: Any, y: Any) -> Any:
        return mean([(s - t) ** 2 if t > 0 else abs(s) for s, t in zip(p, y)])

    for function in (losses.mse, by_sign):  # one is compiled with the model, the other one is not
        model, once = nn.Linear(1, init="zeros"), nn.Linear(1, init="zeros")
        samples, targets = [[1.0], [2.0]], [1.0, -1.0]
        run = training.ArrayTraining(model, function, optim.SGD(model.parameters()), samples, targets)
        result = run.loss([0, 1])
        run.write_back()
        assert [p.grad for p in model.parameters()] == [0.0, 0.0]
        result.backward()
        result.backward()
        run.release()
        function([once([1.0]), once([2.0])], targets).backward()
        assert [p.grad for p in model.parameters()] == pytest.approx([2 * p.grad for p in once.parameters()])


def test_a_checkpoint_of_a_compiled_run_resumes(tmp_path: Any) -> None:
    whole = network()
    fit(whole, X, CURVE, epochs=6, batch_size=5, shuffle=True, compile=True)
    parts = network()
    for epochs in (2, 6):
        fit(parts, X, CURVE, epochs=epochs, batch_size=5, shuffle=True, compile=True, checkpoint=tmp_path / "c.json")
    assert parts.state_dict() == whole.state_dict()


# ---- limits ----------------------------------------------------------------------------------------------------------
class Branches(Polynomial):
    def __call__(self, x: Any) -> Value:
        return super().__call__(x) if x > 0 else self.w[0]


def test_a_model_that_branches_is_an_error_that_shows_the_line() -> None:
    with pytest.raises(RecordingError, match=r"compares Values(.|\n)*if x > 0"):
        fit(Branches(), [1.0, 2.0], [1.0, 2.0], compile=True)


def test_divergence_is_told_as_in_an_eager_run() -> None:
    for loss in (losses.mse, losses.mae, worst):
        for compile in (False, True):
            model = nn.Linear(2, rng=random.Random(0))
            sgd = optim.SGD(model.parameters(), lr=1e200)
            with pytest.raises(DivergenceError, match=r"training diverged in epoch \d+.*learning rate"):
                fit(model, X, [1e3 * y for y in CURVE], loss=loss, optimizer=sgd, compile=compile)


def test_a_number_outside_a_domain_names_the_sample() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def __call__(self, x: Any) -> Value:
            return (self.w * x).sqrt()

    with pytest.raises(ValueError, match=r"sqrt is not defined at -4.0, in sample 2"):
        fit(Root(), [1.0, 2.0, -4.0, -5.0], [1.0] * 4, compile=True)


@pytest.mark.parametrize(
    ("samples", "targets", "message"),
    [
        ([[1.0, 2.0], [1.0]], [1.0, 2.0], "samples of one shape"),
        ([["a"], ["b"]], [1.0, 2.0], "numbers"),
        ([[1.0], [2.0]], [[1.0, 2.0], [1.0, 2.0]], r"predictions of shape \(2,\) do not match targets of shape"),
        ([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0], "this model takes 1 inputs a sample, not 2"),
    ],
)
def test_samples_and_targets_that_do_not_fit(samples: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(nn.Linear(1), samples, targets, compile=True)


def test_a_loss_that_is_no_value_is_the_error_of_an_eager_run() -> None:
    with pytest.raises(TypeError, match="one Value of the model's parameters, not float"):
        fit(nn.Linear(1), [[1.0], [2.0]], [1.0, 2.0], loss=lambda p, t: 1.0, compile=True)


@pytest.mark.parametrize("name", ["mse", "sse", "mae", "huber", "cross_entropy"])
def test_one_program_of_a_sample_is_for_batches_of_any_size(name: str) -> None:
    model = network(outputs=2 if name == "cross_entropy" else 1)
    loss, y = losses.by_name(name), TARGETS[name]
    run = training.ArrayTraining(model, loss, optim.SGD(model.parameters(), lr=0.1), X, y)
    for rows in ([0, 1, 2], [5], [*range(len(X))]):
        expected = loss([model(X[i]) for i in rows], [y[i] for i in rows]).data
        assert run.loss(rows).data == pytest.approx(expected, rel=1e-12)
    assert len([program for program in run._sample_losses.values() if program]) == 1
    assert not run._losses


def test_labels_that_are_no_classes_are_told_in_compiled_training_too() -> None:
    model = network(outputs=2)
    for label in (2, -1):
        with pytest.raises(ValueError, match="needs a label from the ints 0 to 1"):
            fit(model, X, [*LABELS[:-1], label], loss=losses.cross_entropy, compile=True)


def scores(loss: str) -> nn.Module:
    """A model whose predictions the loss takes."""
    output = "sigmoid" if loss == "bce" else "linear"
    return nn.MLP(2, [4, 1], activation="tanh", output=output, rng=random.Random(5))


@pytest.mark.parametrize("kind", [int, float, bool])
@pytest.mark.parametrize("name", ["hinge", "bce", "bce_with_logits"])
def test_a_loss_that_checks_its_targets_is_one_program_too(name: str, kind: type) -> None:
    y = [kind(t) for t in TARGETS[name]]
    if kind is bool and name == "hinge":
        y = [True] * len(y)  # False is no sign
    for batch_size in (None, 7, 1):
        assert_equal(*both(lambda: scores(name), X, y, losses.by_name(name), epochs=3, batch_size=batch_size))
    model = scores(name)
    run = training.ArrayTraining(model, losses.by_name(name), optim.SGD(model.parameters()), X, y)
    for rows in ([0, 1, 2], [5], [*range(len(X))]):
        run.loss(rows)
    assert len([program for program in run._sample_losses.values() if program]) == 1
    assert not run._losses


@pytest.mark.parametrize("name", ["bce", "bce_with_logits"])
def test_targets_between_the_two_classes(name: str) -> None:
    y = np.linspace(0, 1, len(X))
    assert_equal(*both(lambda: scores(name), X, y, losses.by_name(name), epochs=3, batch_size=7))


@pytest.mark.parametrize("target", [-1, 2, -1e-300, float(np.nextafter(1, 2)), float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["hinge", "bce", "bce_with_logits"])
def test_a_target_that_the_loss_refuses_is_told_as_by_the_engine(name: str, target: float) -> None:
    y = [*TARGETS[name][:-1], 0 if name == "hinge" and target == -1 else target]
    told = []
    for compile in (False, True):
        with pytest.raises(ValueError, match=f"{name} needs targets") as error:
            fit(scores(name), X, y, loss=losses.by_name(name), batch_size=7, compile=compile)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_probabilities_that_are_none_or_certain() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def __call__(self, x: Any) -> Value:
            return self.w * x

    certain = np.array([0.0, 1.0, 1e-300, np.nextafter(1, 0), 0.0, 1.0])
    for y in ([0, 1, 0, 1, 1, 0], [1, 0, 1, 0, 0.5, 0.25]):
        slopes = []
        for compile in (False, True):
            model = Same()
            run = training.ArrayTraining(model, losses.bce, optim.SGD(model.parameters()), certain, y)
            L = run.loss(range(6)) if compile else losses.bce([model(x) for x in certain.tolist()], y)
            L.backward()
            run.release()
            slopes.append((L.data, model.w.grad))
        assert slopes[1] == pytest.approx(slopes[0], rel=1e-12)
        assert [program is None for program in run._sample_losses.values()] == [False]
    for wrong in (-0.25, 1.5):
        told = []
        for compile in (False, True):
            with pytest.raises(ValueError, match="bce needs predictions between 0 and 1") as error:
                fit(Same(), [*certain, wrong], [1.0] * 7, loss=losses.bce, batch_size=4, compile=compile)
            told.append(str(error.value))
        assert told[0] == told[1]
