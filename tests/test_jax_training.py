"""`fit(..., compile="jax")`, as a specification: the losses, parameters and reasons to stop of NumPy's run.

How a run of NumPy is equal to one on Values is left to `test_compiled_training.py`.
"""

import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from profiles import sample

from tinygrad_edu import Value, data, dot, losses, nn, optim
from tinygrad_edu.compiler import jax_training
from tinygrad_edu.compiler.training import ArrayTraining
from tinygrad_edu.train import DivergenceError, History, ReduceOnPlateau, TrainingInterrupted, fit

X, LABELS = data.moons(48, noise=0.1, seed=3)
CURVE = [x * x - y for x, y in X]


def run(backend: Any, outputs: int = 1, optimizer: Any = optim.Adam, **settings: Any) -> tuple[History, dict[str, Any]]:
    """A training with that executor; what it has learned, and the state of the optimizer."""
    model = nn.MLP(2, [4, outputs], activation="tanh", rng=random.Random(5))
    y = CURVE if outputs == 1 else LABELS
    chosen = optimizer(model.named_parameters(), lr=0.02)
    history = fit(model, X, y, **{"optimizer": chosen, "epochs": 4, "compile": backend, "shuffle": True, **settings})
    return history, {**model.state_dict(), "states": np.ravel(chosen.states), "steps": chosen.steps, "lr": chosen.lr}


def assert_equal(**settings: Any) -> None:
    (ours, learned), (theirs, expected) = (run(backend, **settings) for backend in ("jax", "numpy"))
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-9)
    assert ours.validation == pytest.approx(theirs.validation, rel=1e-9)
    assert (ours.updates, ours.stopped, ours.best_epoch) == (theirs.updates, theirs.stopped, theirs.best_epoch)
    np.testing.assert_allclose(np.hstack([*learned.values()]), np.hstack([*expected.values()]), 1e-9, 1e-12)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that are taken one by one."""
    found: list[int] = []
    loss = ArrayTraining.loss

    def watched(self: Any, rows: Any) -> Any:
        found.append(len(rows))
        return loss(self, rows)

    monkeypatch.setattr(ArrayTraining, "loss", watched)
    return found


# ---- many steps in one program ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "batch_size"), sample([("cross_entropy", 10), ("mse", None), ("huber", 1), ("sse", 10), ("mae", 48)], 1)
)
def test_losses_are_those_of_numpy(name: str, batch_size: int | None) -> None:
    outputs = 2 if name == "cross_entropy" else 1  # with 10 the last batch is smaller
    assert_equal(outputs=outputs, loss=losses.by_name(name), batch_size=batch_size)


@pytest.mark.parametrize("name", sample([*optim.OPTIMIZERS], 1))
def test_every_optimizer(name: str) -> None:
    assert_equal(optimizer=optim.OPTIMIZERS[name], batch_size=8)


def test_a_program_for_each_size_of_a_batch_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make_steps = jax_training.make_steps
    monkeypatch.setattr(jax_training, "make_steps", lambda *a: made.append(a[2]) or make_steps(*a))
    run("jax", batch_size=10)
    assert made == [10, 8]


def test_all_steps_are_in_the_program(one_by_one: list[int]) -> None:
    run("jax", batch_size=8)
    assert one_by_one == []


def test_a_loss_of_the_whole_batch(one_by_one: list[int]) -> None:
    def worst_counts_most(predictions: Any, targets: Any) -> Any:
        squares = [(p - t) ** 2 for p, t in zip(predictions, targets)]
        return sum(s * s for s in squares) / sum(squares)

    assert_equal(loss=worst_counts_most, batch_size=8)
    assert len(one_by_one) == 4 * 6  # of NumPy's run alone


def test_targets_that_the_loss_looks_at(one_by_one: list[int]) -> None:
    def signed(predictions: Any, targets: Any) -> Any:
        return sum(p * p if t > 0 else (p - 1.0) ** 2 for p, t in zip(predictions, targets))

    assert_equal(loss=signed, shuffle=False)
    assert len(one_by_one) == 4  # of NumPy's run alone


@pytest.mark.parametrize("name", sample(["SGD", "Adam"], 1))
def test_blocks_that_share_parameters_and_leaves_that_nothing_moves(name: str) -> None:
    found = []
    for compile in ("jax", "numpy"):
        model, factor = nn.MLP(2, [4, 1], rng=random.Random(5)), Value(0.1)
        parameters = model.parameters()

        def loss(predictions: Any, targets: Any, parameters: Any = parameters, factor: Any = factor) -> Any:
            return losses.mse(predictions, targets) + factor * dot(parameters, parameters)

        chosen = getattr(optim, name)(parameters[3:], lr=0.02)
        history = fit(model, X, CURVE, loss=loss, optimizer=chosen, epochs=3, batch_size=8, compile=compile)
        found.append([*history.loss, *[p.data for p in parameters], *[v.grad for v in [*parameters, factor]]])
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("count", [1, 3])
def test_parameters_that_are_numbers(count: int) -> None:
    found = []
    for compile in ("jax", "numpy"):
        w = [Value(0.5 * i, label=name) for i, name in enumerate("abc"[:count])]
        adam = optim.Adam(w, lr=0.02)

        def curve(x: Any, w: Any = w) -> Any:
            return sum(v.tanh() * (x[0] + v) ** (i + 1) for i, v in enumerate(w))

        history = fit(curve, X, CURVE, optimizer=adam, epochs=3, batch_size=8, compile=compile)
        found.append([*history.loss, *[v.data for v in w], *np.ravel(adam.states)])
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_more_steps_than_are_taken_at_once_and_a_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_training.JaxTraining, "most_steps", 3)
    schedule = optim.cosine(0.05, steps=24)
    assert_equal(batch_size=8, optimizer=lambda p, lr: optim.SGD(p, schedule, momentum=0.5))


def test_jax_is_left_as_the_user_has_set_it() -> None:
    before = jax.config.jax_enable_x64
    with jax.enable_x64(not before):
        assert_equal()  # as all other tests do with the setting as it is
        assert jax.config.jax_enable_x64 is not before
    assert jax.config.jax_enable_x64 is before


# ---- what is looked at between them ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings",
    sample(
        [
            {"tol": 1e-3, "epochs": 300},
            {"target_loss": 0.3, "epochs": 300},
            {
                "validation": (X[:9], CURVE[:9]),
                "patience": 2,
                "epochs": 60,
                "batch_size": 8,
                "optimizer": optim.RMSProp,
            },
            {"target_loss": 0.5, "epochs": 300, "batch_size": 8},
        ],
        1,
    ),
    ids=lambda settings: " ".join(settings),
)
def test_it_stops_for_the_same_reasons(settings: dict[str, Any]) -> None:
    assert_equal(**settings)


def test_a_callback_may_change_the_rate_the_formula_and_the_model() -> None:
    def settings() -> dict[str, Any]:
        model = nn.MLP(2, [4, 1], rng=random.Random(1))
        adam = optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.0)

        def change(history: History) -> None:
            if history.epochs == 2:
                adam.weight_decay = 0.5
            if history.epochs == 3:
                model.layers[0].activation = nn.ACTIVATIONS["tanh"]
            if history.epochs == 4:
                model.parameters()[0].data = 7.0

        return {"model": model, "optimizer": adam, "callbacks": [change, ReduceOnPlateau(adam, patience=0)]}

    found = []
    for backend in ("jax", "numpy"):
        chosen = settings()
        model = chosen.pop("model")
        history = fit(model, X, CURVE, epochs=7, batch_size=8, compile=backend, **chosen)
        found.append([*history.loss, *[p.data for p in model.parameters()], chosen["optimizer"].lr])
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_a_run_goes_on_from_its_checkpoint_bit_by_bit(tmp_path: Path) -> None:
    whole = run("jax", batch_size=8, epochs=6)
    path = tmp_path / "run.json"
    run("jax", batch_size=8, epochs=2, checkpoint=path)
    parts = run("jax", batch_size=8, epochs=6, checkpoint=path)
    assert parts[0].loss == whole[0].loss
    assert {**parts[1], "states": 0} == {**whole[1], "states": 0}
    assert parts[1]["states"].tolist() == whole[1]["states"].tolist()
    with pytest.raises(ValueError, match="compile"):
        run("numpy", batch_size=8, epochs=7, checkpoint=path)


def test_ctrl_c_ends_it_after_the_steps_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_training.JaxTraining, "most_steps", 4)
    rates = iter(range(10**6))

    def press_at_the_fourth(step: int) -> float:
        if next(rates) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.01

    with pytest.raises(TrainingInterrupted, match="after 0 of 4 epochs and 4 updates"):
        run("jax", batch_size=8, optimizer=lambda p, lr: optim.SGD(p, press_at_the_fourth))


# ---- what has to be taken one by one ---------------------------------------------------------------------------------
def test_what_is_not_finite_is_named_as_without_jax() -> None:
    messages = []
    for backend in ("jax", "numpy"):
        with pytest.raises(DivergenceError) as caught:
            run(backend, optimizer=lambda p, lr: optim.SGD(p, 1e200), batch_size=8)
        messages.append(re.sub(r"\d+\.\d+", "", str(caught.value)))  # which are equal but for rounding
    assert messages[0] == messages[1]
    bad = [*LABELS[:-1], 7]
    messages = []
    for backend in ("jax", "numpy"):
        model = nn.MLP(2, [4, 2], rng=random.Random(5))
        with pytest.raises(ValueError, match="cross_entropy needs a label") as error:
            fit(model, X, bad, loss=losses.cross_entropy, compile=backend, batch_size=8)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_a_loss_that_branches_and_an_optimizer_of_the_users(one_by_one: list[int]) -> None:
    def branching(predictions: Any, targets: Any) -> Any:
        return sum((p - t) ** 2 if p.data > t else p - p for p, t in zip(predictions, targets))

    class Signs(optim.Optimizer):
        def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
            return θ - η * np.sign(g), state

    assert_equal(loss=branching, batch_size=8)
    assert_equal(optimizer=Signs, batch_size=8)
    assert len(one_by_one) == 4 * 4 * 6


def test_batches_of_ones_own() -> None:
    batches = [(X[:20], CURVE[:20]), (X[20:], CURVE[20:])]
    found = []
    for backend in ("jax", "numpy"):
        model = nn.MLP(2, [4, 1], rng=random.Random(5))
        found.append(fit(model, batches, epochs=3, compile=backend).loss)
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("backend", ["torch", "", None, 2])
def test_another_backend_is_an_error(backend: Any) -> None:
    with pytest.raises(ValueError, match="compile is True, False, 'numpy' or 'jax', not"):
        run(backend)
