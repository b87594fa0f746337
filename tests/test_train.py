"""Training: batches, reasons to stop, divergence, Ctrl-C, checkpoints, the progress bar, the cycle collector."""

import contextlib
import copy
import csv
import gc
import math
import os
import pickle
import signal
import sys
import threading
import time
import types
from itertools import product
from pathlib import Path
from random import Random

import pytest
from profiles import sample

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.engine import Value
from tinygrad_edu.train import DivergenceError, History, TrainingInterrupted, evaluate, fit
from tinygrad_edu.train.checkpoint import read_lines, seal

X = [[0.0], [1.0], [2.0], [3.0], [4.0]]
Y = [1.0, 3.0, 5.0, 7.0, 9.0]  # y = 2x + 1


def line() -> nn.Linear:
    return nn.Linear(1, init="zeros")


def train(model: nn.Module | None = None, lr: float = 0.02, **options: object) -> tuple[nn.Module, History]:
    model = model or line()
    return model, fit(model, X, Y, optimizer=optim.SGD(model.parameters(), lr), **options)


# ---- what a run does -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(None, [5]), (5, [5]), (2, [2, 2, 1]), (1, [1, 1, 1, 1, 1]), (99, [5])]
)
def test_a_batch_is_all_samples_or_one_or_any_number(batch_size: int | None, sizes: list[int]):
    seen = []

    def loss(predictions: list[Value], targets: list[float]) -> Value:
        seen.append(len(targets))
        return losses.mse(predictions, targets)

    _, history = train(loss=loss, batch_size=batch_size, epochs=1)
    assert (seen, history.updates) == (sizes, len(sizes))


def test_the_loss_of_an_epoch_weighs_each_batch_by_its_samples():
    _, history = train(lr=0.0, batch_size=2, epochs=3)
    assert history.loss == pytest.approx([sum(y * y for y in Y) / 5] * 3)


def test_samples_come_in_order_or_shuffled_anew_for_each_epoch_from_the_seed():
    def order(**options: object) -> list[float]:
        seen: list[float] = []

        def loss(predictions: list[Value], targets: list[float]) -> Value:
            seen.extend(targets)
            return losses.mse(predictions, targets)

        train(loss=loss, batch_size=1, epochs=3, **options)
        return seen

    assert order() == Y * 3
    shuffled = order(shuffle=True, seed=1)
    assert all(sorted(shuffled[i : i + 5]) == Y for i in (0, 5, 10))
    assert shuffled[:5] != shuffled[5:10] != shuffled[10:]
    assert shuffled == order(shuffle=True, seed=1) != order(shuffle=True, seed=2)


def test_it_learns_with_any_optimizer_and_by_default_with_SGD():  # noqa: N802
    model = line()
    assert fit(model, X, Y, epochs=2000).loss[-1] < 1e-3
    for make in optim.OPTIMIZERS.values():
        model = line()
        history = fit(model, X, Y, optimizer=make(model.parameters(), 0.05), epochs=300)
        assert history.loss[-1] < 0.2 * history.loss[0]


def test_a_schedule_counts_updates():
    model = line()
    sgd = optim.SGD(model.parameters(), optim.step_decay(0.02, every=5, factor=0.5))
    fit(model, X, Y, optimizer=sgd, batch_size=1, epochs=2)
    assert (sgd.steps, sgd.lr) == (10, 0.005)


def test_the_losses_on_other_data_are_kept():
    model, history = train(epochs=4, validation=([[5.0]], [11.0]))
    assert len(history.validation) == 4
    assert history.validation[-1] == evaluate(model, [[5.0]], [11.0])


def test_evaluate_records_nothing_and_takes_models_of_plain_numbers():
    class Known(nn.Module):
        def __call__(self, x: list[float]) -> float:
            return 2.0 * x[0]

    assert evaluate(Known(), X, Y) == 1.0


def test_the_path_of_every_parameter_on_request():
    model, history = train(epochs=3, record_parameters=True)
    assert list(history.parameters) == ["neurons[0].w[0]", "neurons[0].b"]
    path = history.parameters["neurons[0].b"]
    assert len(path) == 4  # before each epoch, and at the end
    assert (path[0], path[-1]) == (0.0, model.neurons[0].b.data)
    assert path[1] == pytest.approx(0.02 * 2 * sum(Y) / 5)


def test_times_rise():
    _, history = train(epochs=5)
    assert history.seconds == sorted(history.seconds)
    assert history.seconds[0] > 0.0


def test_the_history_as_a_table(tmp_path: Path):
    _, history = train(epochs=3, record_parameters=True, validation=(X, Y))
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "validation", "seconds", "neurons[0].w[0]", "neurons[0].b"]
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert [float(row["neurons[0].b"]) for row in rows] == history.parameters["neurons[0].b"][:3]
    _, plain = train(epochs=2)
    plain.to_csv(tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_text().splitlines()[0] == "epoch,loss,seconds"


def test_a_history_says_in_one_line_what_happened():
    _, history = train(epochs=2)
    assert repr(history).startswith("History(2 epochs, 2 updates, loss 33 → ")
    assert repr(history).endswith("ended because all epochs are done")


# ---- reasons to stop -------------------------------------------------------------------------------------------------
def test_it_stops_after_the_epochs():
    _, history = train(epochs=7)
    assert (history.epochs, history.updates, history.stopped) == (7, 7, "epochs")
    _, none = train(epochs=0)
    assert (none.epochs, none.loss, none.stopped) == (0, [], "epochs")


def test_the_target_and_the_tolerance_count_when_they_are_met_exactly():
    summary = "History(1 epoch, 0 updates, loss 33 → 33, stopped by target)"
    assert repr(train(epochs=9, target_loss=33.0)[1]).splitlines()[0] == summary
    assert train(epochs=9, lr=0.0, tol=0.0)[1].stopped == "tolerance"


def test_it_stops_at_the_target():
    _, history = train(epochs=10_000, target_loss=0.5)
    assert history.stopped == "target"
    assert history.loss[-1] <= 0.5 < history.loss[-2]


def test_it_stops_when_the_loss_improves_by_no_more_than_the_tolerance():
    _, history = train(epochs=10_000, tol=1e-3)
    assert history.stopped == "tolerance"
    assert history.loss[-2] - history.loss[-1] <= 1e-3 < history.loss[-3] - history.loss[-2]


def test_with_one_batch_an_epoch_the_update_that_is_no_longer_wanted_is_not_made():
    model, history = train(epochs=10_000, tol=1e-3)
    assert history.updates == history.epochs - 1
    assert evaluate(model, X, Y) == history.loss[-1]


def test_with_several_batches_the_epoch_is_finished_first():
    _, history = train(epochs=10_000, target_loss=0.5, batch_size=2)
    assert history.updates == 3 * history.epochs


def test_a_callback_sees_every_epoch_and_may_stop():
    seen = []
    _, history = train(epochs=100, callbacks=[lambda h: seen.append(h.loss[-1]), lambda h: h.epochs == 3])
    assert (seen, history.stopped) == (history.loss, "callback")
    assert history.epochs == 3


# ---- divergence ------------------------------------------------------------------------------------------------------
def test_a_loss_that_grows_a_millionfold_is_an_error_with_the_way_out():
    with pytest.raises(DivergenceError) as caught:
        train(lr=0.5, epochs=1000)
    message, history = str(caught.value), caught.value.history
    assert f"epoch {history.epochs}" in message
    assert "the loss has grown from 33 to " in message
    assert "Lower the learning rate, which is 0.5" in message
    assert history.loss[-1] <= 1e6 * history.loss[0]  # the history ends with the last whole epoch


def test_the_history_of_a_run_that_diverged_has_all_its_columns():
    model = line()
    options = {"validation": (X, Y), "record_parameters": True, "epochs": 1000}
    with pytest.raises(DivergenceError) as caught:
        train(model, lr=0.5, **options)
    history = caught.value.history
    assert len(history.loss) == len(history.validation) == len(history.seconds) == history.epochs
    assert len(history.parameters["neurons[0].b"]) == history.epochs + 1


def test_a_loss_or_gradient_that_is_not_finite_is_an_error_and_leaves_the_parameters_as_they_were():
    model = line()
    model.load_state_dict({"neurons[0].w[0]": 1e200, "neurons[0].b": 0.0})
    before = model.state_dict()
    with pytest.raises(DivergenceError, match=r"diverged in epoch 0: the loss overflows .*\(sample 4\)"):
        fit(model, X, Y, loss=lambda p, t: losses.sse(p, t), epochs=3)
    assert model.state_dict() == before


def test_a_loss_that_began_at_almost_nothing_may_grow():
    model = line()
    model.load_state_dict({"neurons[0].w[0]": 2.0, "neurons[0].b": 1.0 + 1e-9})
    history = fit(model, [[0.0]], [1.0], optimizer=optim.SGD(model.parameters(), 1.5), epochs=12)
    assert history.loss[-1] > 1e6 * history.loss[0]


def test_so_is_a_learning_rate_beyond_all_bounds():
    with pytest.raises(DivergenceError):
        train(lr=1e300, batch_size=1, epochs=10)


def test_an_overflow_on_the_way_is_divergence_too():
    model = line()
    model.neurons[0].b.data = 800.0
    with pytest.raises(DivergenceError, match="exp overflows at") as caught:
        fit(model, X, Y, loss=lambda p, t: sum(v.exp() for v in p))
    assert isinstance(caught.value.__cause__, OverflowError)


def test_an_error_of_the_users_own_comes_through_as_it_is():
    def loss(predictions: object, targets: object) -> Value:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        train(loss=loss)


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------
def interrupted(model: nn.Module | None = None, **options: object) -> tuple[nn.Module, History]:
    """The model and the history of a run that Ctrl-C has ended."""
    model = model or line()
    with pytest.raises(TrainingInterrupted) as caught:
        train(model, **options)
    return model, caught.value.history


def pressed_after(epochs: int) -> list[object]:
    """A callback that presses Ctrl-C."""
    return [lambda h: os.kill(os.getpid(), signal.SIGINT) if h.epochs == epochs else None]


def test_ctrl_c_finishes_the_update_and_is_raised_with_the_history():
    handler = signal.getsignal(signal.SIGINT)
    model, history = interrupted(epochs=1000, callbacks=pressed_after(3))
    assert (history.epochs, history.updates, history.stopped) == (3, 3, "interrupted")
    assert model.state_dict() == train(epochs=3)[0].state_dict()
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_ends_a_loop_of_runs_and_says_how_far_it_has_come():
    begun = []
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after 2 of 9 epochs and 2 updates; the model keeps"):  # noqa: PT012
        for lr in (0.01, 0.02, 0.03):
            begun.append(lr)
            train(lr=lr, epochs=9, callbacks=pressed_after(2) if lr == 0.02 else [])
    assert begun == [0.01, 0.02]


def test_ctrl_c_in_the_middle_of_an_update_does_not_tear_it():
    class Pressing(optim.SGD):
        def step(self) -> None:
            if self.steps == 2:
                os.kill(os.getpid(), signal.SIGINT)
            super().step()

    model = line()
    with pytest.raises(TrainingInterrupted) as caught:
        fit(model, X, Y, optimizer=Pressing(model.parameters(), 0.02), epochs=1000)
    assert caught.value.history.updates == 3
    assert model.state_dict() == train(epochs=3)[0].state_dict()


def test_ctrl_c_in_the_last_epoch_is_told_too():
    _, history = interrupted(epochs=3, callbacks=pressed_after(3))
    assert (history.epochs, history.stopped) == (3, "interrupted")


def test_the_path_of_a_run_that_was_interrupted_has_an_entry_for_each_epoch_and_the_end():
    def loss(predictions: list[Value], targets: list[float]) -> Value:
        if targets == Y[2:4] and len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # in the middle of the fourth epoch
        return losses.mse(predictions, targets)

    seen: list[int] = []
    options = {"callbacks": [lambda h: seen.append(h.epochs)], "record_parameters": True}
    model, history = interrupted(loss=loss, epochs=1000, batch_size=2, **options)
    path = history.parameters["neurons[0].b"]
    assert (history.epochs, len(path), history.updates) == (3, 4, 11)
    assert path[-1] == model.neurons[0].b.data


def test_the_checkpoint_of_a_run_that_was_interrupted_goes_on(tmp_path: Path):
    """It has the last whole epoch, also where it is not yet due."""
    path = tmp_path / "run.json"
    interrupted(epochs=9, checkpoint=path, checkpoint_every=100, callbacks=pressed_after(4))
    assert sum(len(line["loss"]) for line in read_lines(path)[1]) == 4
    model, history = train(epochs=9, checkpoint=path)
    assert (history.epochs, history.stopped) == (9, "epochs")
    assert model.state_dict() == train(epochs=9)[0].state_dict()


def test_a_second_ctrl_c_is_an_error_and_not_the_end_of_a_run():
    """The epoch is not whole, so nobody may take the parameters for those of a history."""

    class Impatient(optim.SGD):
        def step(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            super().step()

    model, handler = line(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(model, X, Y, optimizer=Impatient(model.parameters(), 0.02))
    assert type(caught.value) is KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is handler
    assert gc.isenabled()


def test_a_second_ctrl_c_may_come_while_the_first_one_is_handled():
    from tinygrad_edu.train.interrupts import catch_ctrl_c

    with catch_ctrl_c() as pressed:
        press = signal.getsignal(signal.SIGINT)
        assert not pressed
        press(signal.SIGINT, None)
        assert pressed
        with pytest.raises(KeyboardInterrupt):
            press(signal.SIGINT, None)
    assert not isinstance(pressed, threading.Event)  # its lock is not for handlers: they interrupt each other


def test_a_handler_of_the_users_own_stays():
    def mine(*_: object) -> None:
        pressed.append(1)

    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, mine)
    try:
        _, history = train(epochs=3, callbacks=[lambda h: os.kill(os.getpid(), signal.SIGINT)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (history.epochs, history.stopped, pressed) == (3, "epochs", [1, 1, 1])


def test_in_another_thread_training_leaves_signals_alone():
    results = []
    worker = threading.Thread(target=lambda: results.append(train(epochs=3)[1]))
    worker.start()
    worker.join()
    assert results[0].stopped == "epochs"


# ---- checkpoints -----------------------------------------------------------------------------------------------------
def adam_run(path: Path | None, epochs: int, **options: object) -> tuple[dict[str, float], History]:
    import random

    model = nn.MLP(1, [4, 1], activation="tanh", rng=random.Random(3))
    adam = optim.Adam(model.parameters(), optim.cosine(0.05, steps=60))
    options = {"batch_size": 2, "shuffle": True, "seed": 5, **options}
    return model, fit(model, X, Y, optimizer=adam, epochs=epochs, checkpoint=path, **options)


class Killed(Exception):
    pass


@pytest.mark.parametrize(("killed_at", "every"), sample([*product([1, 2, 7, 19], [1, 3])], 5))
def test_a_run_that_was_killed_and_resumed_ends_with_the_very_same_numbers(tmp_path: Path, killed_at: int, every: int):
    def kill(history: History) -> None:
        if history.epochs == killed_at:
            raise Killed

    undisturbed, history = adam_run(None, 20, validation=(X, Y), record_parameters=True)
    path = tmp_path / "run.json"
    options = {"checkpoint_every": every, "validation": (X, Y), "record_parameters": True}
    with pytest.raises(Killed):
        adam_run(path, 20, callbacks=[kill], **options)
    resumed, resumed_history = adam_run(path, 20, **options)
    assert resumed.state_dict() == undisturbed.state_dict()
    assert resumed_history.loss == history.loss
    assert resumed_history.validation == history.validation
    assert resumed_history.parameters == history.parameters
    assert resumed_history.updates == history.updates


def test_a_finished_run_can_be_extended_and_one_that_met_its_target_is_over(tmp_path: Path):
    path = tmp_path / "run.json"
    adam_run(path, 10)
    model, history = adam_run(path, 20)
    assert history.epochs == 20
    assert model.state_dict() == adam_run(None, 20)[0].state_dict()

    other = tmp_path / "target.json"
    _, first = adam_run(other, 500, target_loss=5.0)
    _, again = adam_run(other, 500, target_loss=5.0)
    assert first.stopped == again.stopped == "target"
    assert first.loss == again.loss


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 1}, "its batch_size is 2, here it is 1"),
        ({"shuffle": False}, "its shuffle is True"),
        ({"seed": 6}, "its seed is 5"),
        ({"loss": losses.mae}, "its loss is 'mse', here it is 'mae'"),
    ],
)
def test_a_checkpoint_of_another_run_is_an_error(tmp_path: Path, changes: dict[str, object], words: str):
    path = tmp_path / "run.json"
    adam_run(path, 3)
    with pytest.raises(ValueError, match=rf"not a checkpoint of this run: {words}.* remove it to start afresh"):
        adam_run(path, 5, **changes)


def test_a_checkpoint_for_other_data_another_model_or_optimizer_is_an_error(tmp_path: Path):
    path = tmp_path / "run.json"
    train(epochs=2, checkpoint=path)
    model = line()
    with pytest.raises(ValueError, match="its data is"):
        fit(model, X, [*Y[:4], 9.5], optimizer=optim.SGD(model.parameters(), 0.02), checkpoint=path)
    with pytest.raises(ValueError, match="its optimizer is 'SGD', here it is 'Adam'"):
        fit(model, X, Y, optimizer=optim.Adam(model.parameters(), 0.02), checkpoint=path)
    with pytest.raises(ValueError, match="its model is 'Linear', here it is 'MLP'"):
        train(nn.MLP(1, [2, 1]), checkpoint=path)


def sealed(*lines: dict[str, object]) -> str:
    """The lines of a checkpoint, with checksums that are right."""
    return b"".join(map(seal, lines)).decode()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "wrong numbers", "wrong history", "no settings"])
def test_a_damaged_checkpoint_is_an_error_and_is_left_as_it_is(tmp_path: Path, damage: str):
    path = tmp_path / "run.json"
    train(epochs=3, checkpoint=path)
    text = path.read_text()
    header, (*_, state) = read_lines(path)
    damaged = {
        "truncated": text[: len(text) // 8],
        "foreign": '{"weights": [1, 2, 3]}',
        "empty": "",
        "wrong numbers": sealed(header, {**state, "since": 0, "parameters": dict.fromkeys(state["parameters"], "x")}),
        "wrong history": sealed(header, {**state, "since": 0, "loss": 3}),
        "no settings": sealed({**header, "run": None}, {**state, "since": 0}),
    }[damage]
    path.write_text(damaged)
    model = line()
    with pytest.raises(ValueError, match=r"run\.json is not a checkpoint"):
        train(model, epochs=5, checkpoint=path)
    assert path.read_text() == damaged
    assert set(model.state_dict().values()) == {0.0}


def test_a_checkpoint_that_cannot_be_written_is_known_before_the_first_epoch(tmp_path: Path):
    model = line()
    with pytest.raises(FileNotFoundError, match=r"nowhere/run\.json'$"):
        train(model, epochs=3, checkpoint=tmp_path / "nowhere" / "run.json")
    assert set(model.state_dict().values()) == {0.0}


def test_a_run_killed_in_its_first_epoch_goes_on_from_the_numbers_it_began_with(tmp_path: Path):
    class PowerCut(list):
        def __getitem__(self, i: object) -> list[float]:
            raise Killed

    path, first = tmp_path / "run.json", nn.Linear(1)
    with pytest.raises(Killed):
        fit(first, PowerCut(X), Y, optimizer=optim.SGD(first.parameters(), 0.02), checkpoint=path)
    resumed = nn.Linear(1)  # other random numbers
    train(resumed, epochs=0, checkpoint=path)
    assert resumed.state_dict() == first.state_dict()


def test_a_run_that_a_callback_stopped_may_go_on(tmp_path: Path):
    path = tmp_path / "run.json"
    train(epochs=5, checkpoint=path, callbacks=[lambda h: h.epochs == 2])
    model, history = train(epochs=5, checkpoint=path)
    assert (history.epochs, history.stopped) == (5, "epochs")
    assert model.state_dict() == train(epochs=5)[0].state_dict()


def test_a_checkpoint_after_several_epochs_holds_the_last_ones_too(tmp_path: Path):
    model, _ = train(epochs=5, checkpoint=tmp_path / "run.json", checkpoint_every=3)
    assert read_lines(tmp_path / "run.json")[1][-1]["parameters"] == model.state_dict()


def test_a_checkpoint_keeps_all_that_is_trained_or_says_that_it_cannot(tmp_path: Path):
    model, temperature = line(), Value(1.0)
    sgd = optim.SGD([*model.parameters(), temperature], 0.01)
    with pytest.raises(ValueError, match="no parameter of the model"):
        fit(model, X, Y, optimizer=sgd, checkpoint=tmp_path / "run.json")


def test_the_same_numbers_are_the_same_data(tmp_path: Path):
    np = pytest.importorskip("numpy")
    model = line()
    for x, y in (
        (X, Y),
        ([[Value(a)] for (a,) in X], Y),
        (np.array(X), np.array(Y)),
        ([[int(a)] for (a,) in X], [np.array(b) for b in Y]),
    ):
        fit(model, x, y, epochs=1, checkpoint=tmp_path / "run.json")
    with pytest.raises(ValueError, match="its data is"):
        fit(model, [[Value(a + 1.0)] for (a,) in X], Y, checkpoint=tmp_path / "run.json")


def test_a_checkpoint_that_does_not_fit_in_the_end_leaves_the_model_as_it_was(tmp_path: Path):
    path = tmp_path / "run.json"
    train(epochs=3, checkpoint=path)
    header, (*_, state) = read_lines(path)
    path.write_text(sealed(header, {**state, "since": 0, "optimizer": {**state["optimizer"], "steps": -1}}))
    model = line()
    with pytest.raises(ValueError, match="not a checkpoint of this run"):
        train(model, epochs=5, checkpoint=path)
    assert set(model.state_dict().values()) == {0.0}


def test_times_and_the_bar_go_on_where_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "run.json"
    _, first = train(epochs=3, checkpoint=path, callbacks=[lambda h: time.sleep(0.01)])
    _, resumed = train(epochs=4, checkpoint=path, progress=True)
    assert resumed.seconds[:3] == first.seconds
    assert resumed.seconds[3] > first.seconds[-1]
    assert "3/4" in capsys.readouterr().err


# ---- numbers, and data, of any kind ----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
def test_what_is_kept_and_written_are_plain_floats_whatever_the_parameters_are(tmp_path: Path, kind: str):
    np = pytest.importorskip("numpy")
    number = getattr(np, kind)

    class Line(nn.Module):
        def __init__(self) -> None:
            self.w = Value(1.0)
            self.w.data, self.w.grad = number(1), number(0)
            self.still = Value(2.0)  # which the optimizer does not move
            self.still.data = number(2)

        def __call__(self, x: object) -> Value:
            return self.w * x

    model, path = Line(), tmp_path / "run.json"
    sgd = optim.SGD([model.w], 0.01, momentum=0.5)
    options = {"validation": (np.array([1.0]), np.array([2.0])), "record_parameters": True}
    history = fit(model, np.arange(3.0), np.arange(3.0) * 2, optimizer=sgd, epochs=3, checkpoint=path, **options)
    kept = [
        *history.loss,
        *history.validation,
        *history.seconds,
        *history.parameters["still"],
        *history.parameters["w"],
    ]
    kept += [evaluate(model, [1.0], [2.0]), *model.state_dict().values(), *sgd.state_dict()["buffers"]["v"].values()]
    assert {*map(type, kept)} == {float}
    kept_in_file = read_lines(path)[1][-1]["parameters"]
    assert kept_in_file == model.state_dict() == {"w": model.w.data, "still": 2.0}
    fit(model, np.arange(3.0), np.arange(3.0) * 2, optimizer=sgd, epochs=4, checkpoint=path, **options)
    assert type(model.still.data) is float


def nested(depth: int, x: float) -> list[object]:
    thing: list[object] = [x]
    for _ in range(depth):
        thing = [thing]
    return thing


def innermost(x: list[object]) -> float:
    while isinstance(x, list):
        x = x[0]
    return x


class OfNested(nn.Module):
    def __init__(self) -> None:
        self.line = nn.Linear(1, init="zeros")

    def __call__(self, x: list[object]) -> Value:
        return self.line(innermost(x))


def test_samples_may_be_nested_to_any_depth(tmp_path: Path):
    path, samples = tmp_path / "run.json", [nested(5000, x) for (x,) in X]
    fit(OfNested(), samples, Y, epochs=2, checkpoint=path)
    assert fit(OfNested(), samples, Y, epochs=4, checkpoint=path).epochs == 4
    with pytest.raises(ValueError, match="its data is"):
        fit(OfNested(), [nested(5001, x) for (x,) in X], Y, checkpoint=path)
    with pytest.raises(DivergenceError, match=r"Leave out the sample (…|\[{60}), or fill in"):
        fit(OfNested(), [nested(5000, math.inf), *samples[1:]], Y)


def test_a_sample_that_holds_itself_is_an_error_and_one_that_comes_twice_is_none(tmp_path: Path):
    path, endless, twice = tmp_path / "run.json", [1.0], [2.0]
    endless.append([endless])
    with pytest.raises(ValueError, match="the data has no end: a list holds itself"):
        fit(OfNested(), [endless], [1.0], checkpoint=path)
    assert not path.exists()
    assert fit(OfNested(), [twice, [twice, twice]], [1.0, 2.0], epochs=2, checkpoint=path).epochs == 2


def test_a_history_can_be_pickled_and_copied():
    _, history = train(epochs=2, record_parameters=True)
    for twin in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history)):
        assert vars(twin) == vars(history)
        twin.loss.append(1.0)
        assert len(history.loss) == 2


# ---- surroundings ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("enabled", [True, False])
def test_the_cycle_collector_rests_during_a_step_and_is_left_as_it_was(enabled: bool):
    seen = []

    def loss(predictions: list[Value], targets: list[float]) -> Value:
        seen.append(gc.isenabled())
        return losses.mse(predictions, targets)

    (gc.enable if enabled else gc.disable)()
    try:
        train(loss=loss, epochs=2)
        assert gc.isenabled() is enabled
        with pytest.raises(DivergenceError):
            train(lr=1e9, epochs=20)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert seen == [False, False]


@pytest.mark.parametrize("loss", [lambda p, t: 1.0, lambda p, t: None, lambda p, t: losses.mse(p, t, reduction="none")])
def test_a_loss_that_is_no_value_is_an_error(loss: object):
    with pytest.raises(TypeError, match="fit needs a loss that is one Value"):
        train(loss=loss)


def test_evaluate_makes_no_graph():
    seen = []
    evaluate(line(), X, Y, lambda p, t: seen.extend(p) or losses.mse(p, t))
    assert [v._prev for v in seen] == [()] * 5


def test_a_progress_bar_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(epochs=30)
    assert "30/30" in capsys.readouterr().err
    train(epochs=3, progress=False)
    assert capsys.readouterr().err == ""


def test_where_there_is_no_stderr_there_is_no_bar(monkeypatch: pytest.MonkeyPatch):
    """As in a program without a console, pythonw on Windows."""
    monkeypatch.setattr(sys, "stderr", None)
    assert train(epochs=3)[1].epochs == 3


def test_the_cycle_collector_never_meets_a_graph():
    """What it visits in a collection during the run are a few objects, not the thousands of a step's graph."""
    model, visited = nn.MLP(1, [16, 16, 1]), []

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 0:
            visited.append(sum(isinstance(thing, Value) for thing in gc.get_objects(generation=0)))

    gc.collect()
    gc.callbacks.append(look)
    try:
        fit(model, X * 5, Y * 5, optimizer=optim.SGD(model.parameters(), 1e-4), epochs=20)
    finally:
        gc.callbacks.remove(look)
    assert sum(visited) < 100


def test_no_progress_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    train(epochs=3)
    assert capsys.readouterr() == ("", "")


def test_a_progress_bar_on_request(capsys: pytest.CaptureFixture[str]):
    _, history = train(epochs=30, progress=True)
    shown = capsys.readouterr().err
    assert "30/30" in shown
    assert f"loss {history.loss[-1]:.4g}" in shown


def test_a_progress_bar_in_a_notebook(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """It is one line of output, which is replaced, and nothing on standard error, which a notebook shows in red."""
    shown: list[str] = []

    def display(data: dict[str, str], raw: bool, display_id: bool) -> types.SimpleNamespace:
        assert raw
        assert display_id
        return types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    ipython, displays = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel="a kernel")  # type: ignore[attr-defined]
    displays.display = display  # type: ignore[attr-defined]
    ipython.display = displays  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    _, history = train(epochs=30)
    assert "30/30" in shown[-1]
    assert f"loss {history.loss[-1]:.4g}" in shown[-1]
    assert not any(character in line for line in shown for character in "\r\n\x1b")
    assert capsys.readouterr() == ("", "")


def test_ipython_in_a_terminal_is_no_notebook(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = object  # type: ignore[attr-defined]  # a shell without a kernel
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    train(epochs=3)
    assert capsys.readouterr() == ("", "")


def test_numbers_survive_the_checkpoint_bit_by_bit(tmp_path: Path):
    path = tmp_path / "run.json"
    model, history = train(epochs=5, checkpoint=path)
    _, states = read_lines(path)
    assert states[-1]["parameters"] == model.state_dict()
    assert [x for state in states for x in state["loss"]] == history.loss
    assert all(math.isfinite(x) for state in states for x in state["seconds"])


# ---- patience --------------------------------------------------------------------------------------------------------
def overfit(epochs: int = 300, model: nn.Module | None = None, **options: object) -> tuple[nn.Module, History]:
    """A network that learns six noisy numbers by heart, and is measured on others."""
    random = Random(4)
    noisy = [[float(i), x + random.gauss(0.0, 0.5)] for i, x in enumerate([0.0, 1.0] * 6)]
    X, y = [[i / 6.0 - 1.0] for i, _ in noisy], [y for _, y in noisy]
    model = model or nn.MLP(1, [6, 1], activation="tanh", rng=random)
    adam = optim.Adam(model.parameters(), 0.05)
    settings: dict[str, object] = {"batch_size": 2, "shuffle": True, "validation": (X[1::2], y[1::2]), **options}
    return model, fit(model, X[::2], y[::2], optimizer=adam, epochs=epochs, **settings)


@pytest.mark.parametrize("compiled", [False, True])
def test_patience_ends_the_run_and_restores_the_best_epoch(compiled: bool):
    model, history = overfit(patience=5, compile=compiled, record_parameters=True)
    assert history.stopped == "patience"
    assert history.best_epoch == history.validation.index(min(history.validation)) == history.epochs - 6
    # the numbers at the beginning of the epoch that follows are those after the best one
    then = {name: numbers[history.best_epoch + 1] for name, numbers in history.parameters.items()}
    assert model.state_dict() == then
    assert then != {name: numbers[-1] for name, numbers in history.parameters.items()}


def test_the_best_epoch_is_restored_however_the_run_ends():
    for options in ({"epochs": 30}, {"callbacks": [lambda history: history.epochs == 30]}):
        model, history = overfit(**{"patience": 1000, "record_parameters": True, **options})
        assert (history.epochs, history.best_epoch is not None) == (30, True)
        assert model.state_dict() == {n: p[history.best_epoch + 1] for n, p in history.parameters.items()}


def test_ctrl_c_keeps_the_best_epoch_and_says_so():
    seen = []

    def press(history: History) -> None:
        seen.append(model.state_dict())
        if history.epochs == 40:
            os.kill(os.getpid(), signal.SIGINT)

    model = nn.MLP(1, [6, 1], activation="tanh")
    with pytest.raises(TrainingInterrupted, match=r"the model has the numbers of epoch \d+, its best") as caught:
        overfit(patience=1000, callbacks=[press], model=model)
    history = caught.value.history
    assert f"epoch {history.best_epoch}," in str(caught.value)
    assert history.best_epoch < history.epochs - 1
    assert model.state_dict() == seen[history.best_epoch]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_with_patience_goes_on_bit_by_bit(tmp_path: Path, compiled: bool):
    whole, expected = overfit(patience=8, compile=compiled)
    assert expected.stopped == "patience"
    path = tmp_path / "run.json"
    for epochs in range(1, expected.epochs + 5, 3):
        model, history = overfit(epochs, patience=8, checkpoint=path, compile=compiled)
    assert (history.loss, history.validation) == (expected.loss, expected.validation)
    assert (history.stopped, model.state_dict()) == ("patience", whole.state_dict())
    longer, history = overfit(patience=20, checkpoint=path, compile=compiled)  # than 8: it goes on
    assert history.epochs > expected.epochs
    assert longer.state_dict() == overfit(patience=20, compile=compiled)[0].state_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda best: best.pop("epoch"), "its 'best' are"),
        (lambda best: best.update(epoch=9), "its best epoch is 9"),
        (lambda best: best.update(epoch=True), "its best epoch is True"),
        (lambda best: best.update(numbers=[1.0]), "its best numbers are"),
        (lambda best: best["numbers"].__setitem__(0, math.nan), "a best number must be a finite number"),
    ],
)
def test_best_numbers_that_are_none_are_refused(tmp_path: Path, change: object, words: str):
    path = tmp_path / "run.json"
    overfit(3, patience=8, checkpoint=path)
    header, states = read_lines(path)
    change(states[-1]["best"])
    path.write_bytes(b"".join([seal(line) for line in (header, *states)]))
    with pytest.raises(ValueError, match=words):
        overfit(5, patience=8, checkpoint=path)


def test_patience_needs_validation_and_is_a_count():
    with pytest.raises(ValueError, match="patience needs validation="):
        train(patience=3)
    for bad, error in ((0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="patience must be"):
            train(patience=bad, validation=(X, Y))


def test_the_bar_counts_updates_within_an_epoch(monkeypatch: pytest.MonkeyPatch):
    shown = []

    class Bar:
        def update(self, n: int = 1) -> None:
            shown.append(n)

        def set_postfix_str(self, s: str, refresh: bool = True) -> None:
            shown.append(s.split(",")[0])

    def open_bar(wanted: object, total: int, done: int, unit: str) -> object:
        shown.append((total, done, unit))
        return contextlib.nullcontext(Bar())

    monkeypatch.setattr(sys.modules["tinygrad_edu.train.fit"], "open_progress_bar", open_bar)
    train(epochs=2, batch_size=2)
    assert shown == [(6, 0, "update"), 1, 1, 1, "epoch 1/2", 1, 1, 1, "epoch 2/2"]
