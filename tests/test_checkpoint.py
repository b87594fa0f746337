"""Checkpoints know what made them: what would change the run is an error that names it, and nothing else is.

And they keep what a run changes: the learning rate, what callbacks remember. That a run which was killed goes on bit by
bit is tested in `test_kill_and_resume.py` with real kills; here with a state machine, in one process.
"""

import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.engine import Value
from tinygrad_edu.train import DivergenceError, History, ReduceOnPlateau, fit
from tinygrad_edu.train._ingredients import fingerprint_code
from tinygrad_edu.train.checkpoint import read_lines

X, Y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 6.0]


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def mlp(**options: Any) -> nn.MLP:
    return nn.MLP(1, [3, 1], **{"activation": "tanh", "rng": random.Random(0), **options})


def run(path: Path | None, model: nn.Module | None = None, optimizer: Any = None, **options: Any) -> History:
    model = model or mlp()
    make = optimizer or (lambda params: optim.Adam(params, 0.05))
    return fit(model, X, Y, optimizer=make(model.parameters()), checkpoint=path, **{"epochs": 2, **options})


# ---- what would change a run -----------------------------------------------------------------------------------------
penalty = 0.1


def with_default(p: Any, t: Any, weight: float = 0.5) -> Any:
    return losses.mse(p, t) * weight


def other_default(p: Any, t: Any, weight: float = 0.25) -> Any:
    return losses.mse(p, t) * weight


def with_closure(weight: Any) -> Callable[[Any, Any], Any]:
    return lambda p, t: losses.mse(p, t) * weight


def with_inner(weight: float) -> Callable[[Any, Any], Any]:
    def scaled(x: Any) -> Any:
        return x * weight

    return lambda p, t: scaled(losses.mse(p, t))


class Weighted:
    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, p: Any, t: Any) -> Any:
        return losses.mse(p, t) * self.weight

    def method(self, p: Any, t: Any) -> Any:
        return self(p, t)


def made(forward: Callable[..., Any], **attributes: Any) -> nn.Module:
    """A model of the user's with that method."""

    class Net(nn.Module):
        def __init__(self) -> None:
            self.line = nn.Linear(1, init="zeros")
            vars(self).update(attributes)

    Net.forward = forward
    return Net()


def sgd(lr: Any, **options: Any) -> Callable[[Any], optim.Optimizer]:
    return lambda params: optim.SGD(params, lr, **options)


class Decaying(optim.SGD):
    power = 2.0


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("layers[0].neurons[0].activation is 'tanh', here it is 'relu'", {}, {"model": lambda: mlp(activation="relu")}),
    ("activation is 'Value.tanh', here it is 'Value.relu'",
     {"model": lambda: mlp(activation=Value.tanh)}, {"model": lambda: mlp(activation=Value.relu)}),
    ("model.layers[0].neurons[0].activation is '<lambda> ",
     {"model": lambda: mlp(activation=lambda v: v * v)}, {"model": lambda: mlp(activation=lambda v: v * v * v)}),
    ("neurons[0].nonlin is True", {"model": lambda: nn.Layer(1, 1)}, {"model": lambda: nn.Layer(1, 1, nonlin=False)}),
    ("model.layers[0].neurons[0].b", {}, {"model": lambda: mlp(bias=False)}),
    ("model.layers[0].neurons[3] is not there, here", {}, {"model": lambda: nn.MLP(1, [4, 1], activation="tanh")}),
    ("model.layers[0].neurons[2] is 'Neuron', here it is not there",
     {}, {"model": lambda: nn.MLP(1, [2, 1], activation="tanh")}),
    ("model.modules[1] is 'Value.tanh', here it is 'Value.sin'",
     {"model": lambda: nn.Sequential(nn.Linear(1), Value.tanh)},
     {"model": lambda: nn.Sequential(nn.Linear(1), Value.sin)}),
    ("model class Net.forward is '", {"model": lambda: made(lambda self, x: self.line(x))},
     {"model": lambda: made(lambda self, x: -self.line(x))}),
    ("model.scale is 2.0, here it is 3.0",
     {"model": lambda: made(lambda self, x: self.line(x) * self.scale, scale=2.0)},
     {"model": lambda: made(lambda self, x: self.line(x) * self.scale, scale=3.0)}),
    ("optimizer is 'Adam', here it is 'SGD'", {}, {"optimizer": sgd(0.05)}),
    ("optimizer is 'SGD', here it is 'Decaying'", {"optimizer": sgd(0.05)}, {"optimizer": lambda p: Decaying(p, 0.05)}),
    ("optimizer.lr is '0.05', here it is '0.06'", {}, {"optimizer": lambda p: optim.Adam(p, 0.06)}),
    ("optimizer.lr is 'cosine(0.1, 5, 0.0)', here it is 'cosine(0.1, 6, 0.0)'",
     {"optimizer": sgd(optim.cosine(0.1, 5))}, {"optimizer": sgd(optim.cosine(0.1, 6))}),
    ("optimizer.lr is 'warmup(linear(0.5, 4, 1.0), step_decay(0.1, 5, 0.1))', here it is '0.1'",
     {"optimizer": sgd(optim.warmup(optim.step_decay(0.1, 5), 4, 0.5))}, {"optimizer": sgd(0.1)}),
    ("optimizer.lr is '<lambda> ", {"optimizer": sgd(lambda t: 0.1)}, {"optimizer": sgd(lambda t: 0.1 / (t + 1))}),
    ("optimizer.betas[1] is 0.999, here it is 0.99", {}, {"optimizer": lambda p: optim.Adam(p, 0.05, (0.9, 0.99))}),
    ("optimizer.momentum is 0.5", {"optimizer": sgd(0.1, momentum=0.5)}, {"optimizer": sgd(0.1, momentum=0.6)}),
    ("optimizer.weight_decay is 0.0, here it is 0.1", {},
     {"optimizer": lambda p: optim.Adam(p, 0.05, weight_decay=0.1)}),
    ("loss is 'mse', here it is 'mae'", {}, {"loss": losses.mae}),
    ("loss is '<lambda> ", {"loss": lambda p, t: losses.mse(p, t) * 2}, {"loss": lambda p, t: losses.mse(p, t) * 3}),
    ("loss is '<lambda> ", {"loss": lambda p, t: losses.mse(p, t)}, {"loss": lambda p, t: losses.mae(p, t)}),
    ("loss is 'with_default ", {"loss": with_default}, {"loss": other_default}),
    ("loss.weight is 0.5, here it is 0.25", {"loss": with_closure(0.5)}, {"loss": with_closure(0.25)}),
    ("loss.scaled.weight is 0.5", {"loss": with_inner(0.5)}, {"loss": with_inner(0.25)}),
    ("loss.weight is 0.5, here it is 0.25", {"loss": Weighted(0.5)}, {"loss": Weighted(0.25)}),
    ("loss.self.weight is 0.5", {"loss": Weighted(0.5).method}, {"loss": Weighted(0.25).method}),
    ("batch_size is None, here it is 2", {}, {"batch_size": 2}),
    ("compile is False, here it is True", {}, {"compile": True}),
    ("record_parameters is False", {}, {"record_parameters": True}),
    ("validation is None, here it is '", {}, {"validation": (X, Y)}),
    ("callbacks with a state is 'none', here it is 'Counting'", {}, {"callbacks": "counting"}),
]  # fmt: skip


class Counting:
    """A callback that remembers."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def __call__(self, history: History) -> None:
        self.seen.append(history.loss[-1])

    def state_dict(self) -> Any:
        return {"seen": self.seen[:]}

    def load_state_dict(self, state: Any) -> None:
        self.seen = [*state["seen"]]


def built(options: dict[str, Any]) -> dict[str, Any]:
    options = dict(options)
    if "model" in options:
        options["model"] = options["model"]()
    if options.get("callbacks") == "counting":
        options["callbacks"] = [Counting()]
    return options


@pytest.mark.parametrize(("words", "begun", "goes_on"), CHANGES, ids=[f"{i}" for i in range(len(CHANGES))])
def test_what_would_change_the_run_is_an_error_that_names_it(
    words: str, begun: dict[str, Any], goes_on: dict[str, Any], tmp_path: Path
):
    path = tmp_path / "run.json"
    first = run(path, **built(begun))
    content = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"is not a checkpoint of this run: its .*; remove it to start afresh"
    ) as caught:
        run(path, **{**built(begun), **built(goes_on)})
    assert words in str(caught.value)
    assert path.read_bytes() == content
    assert run(path, **built(begun)).loss == first.loss  # the same again is no error


def test_a_number_in_a_global_that_the_loss_names_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def loss(p: Any, t: Any) -> Any:
        return losses.mse(p, t) * penalty

    run(tmp_path / "run.json", loss=loss)
    monkeypatch.setitem(globals(), "penalty", 0.2)
    with pytest.raises(ValueError, match=r"its loss\.penalty is 0\.1, here it is 0\.2"):
        run(tmp_path / "run.json", loss=loss)


def test_what_would_not_change_the_run_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def loss(p: Any, t: Any) -> Any:
        return losses.mse(p, t) + 0.1

    first, path = loss, tmp_path / "run.json"

    def loss(p: Any, t: Any) -> Any:  # the same, in another place
        return losses.mse(p, t) + 0.1

    assert first is not loss
    run(path, epochs=3, loss=first)
    options: dict[str, Any] = {"epochs": 5, "progress": True, "checkpoint_every": 2, "target_loss": 0.0, "tol": -9.0}
    again = run(path, loss=loss, callbacks=[lambda h: print(h.epochs)], **options)
    assert again.loss == run(None, epochs=5, loss=loss).loss
    assert capsys.readouterr().out == "4\n5\n"


def test_code_has_the_same_fingerprint_in_another_process():
    source = (
        "def f(p, t, k=2):\n    '''Doc.'''\n    return [x for x in p if x in {'a', 'b', 'c'}], (1, -0.0), lambda: t\n"
    )
    program = f"from tinygrad_edu.train._ingredients import fingerprint_code\nexec({source!r})\n"
    program += "print(fingerprint_code(f.__code__))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = {}
    exec(compile("\n\n" + source, "elsewhere", "exec"), found)
    assert done.stdout.strip() == fingerprint_code(found["f"].__code__)
    exec(source.replace("-0.0", "0.0"), found)
    assert done.stdout.strip() != fingerprint_code(found["f"].__code__)


def test_what_nobody_can_see_into_is_said(tmp_path: Path):
    class Noisy(nn.Module):
        def __init__(self) -> None:
            self.line, self.rng = nn.Linear(1, init="zeros"), random.Random(0)

        def forward(self, x: Any) -> Any:
            return self.line(x)

    with pytest.warns(UserWarning, match=r"nobody can see into model\.rng \(a Random\)") as caught:
        run(tmp_path / "run.json", Noisy())
    assert caught[0].filename == __file__


def test_a_parameter_that_stands_in_two_places_is_one(tmp_path: Path):
    def tied(is_tied: bool) -> nn.Module:
        model = made(lambda self, x: self.line(x) + self.other)
        model.other = model.line.neurons[0].b if is_tied else Value(0.0, label="other")
        return model

    run(tmp_path / "run.json", tied(True))
    assert run(tmp_path / "run.json", tied(True), epochs=3).epochs == 3
    with pytest.raises(ValueError, match=r"its model\.other is 'the same as model\.line\.neurons\[0\]\.b'"):
        run(tmp_path / "run.json", tied(False))


# ---- what a run changes ----------------------------------------------------------------------------------------------
class Killed(BaseException):
    pass


def killed_after(epochs: int) -> Callable[[History], None]:
    def kill(history: History) -> None:
        if history.epochs > epochs:  # the epochs before have been written
            raise Killed

    return kill


def plateau_run(path: Path | None, epochs: int, *more: Any, compile: bool, validation: bool = False) -> Any:  # noqa: A002
    """A run that stops to learn again and again; and what it is made of."""
    model = nn.Linear(1, init="zeros")
    adam = optim.SGD(model.parameters(), 0.3, momentum=0.5)
    halve, counting = ReduceOnPlateau(adam, patience=1, min_lr=0.01), Counting()
    callbacks = [halve, counting, *more]
    options: dict[str, Any] = {"validation": (X[:2], Y[2:])} if validation else {}
    options |= {"shuffle": True, "batch_size": 2, "compile": compile}
    try:
        history = fit(model, X, Y, optimizer=adam, epochs=epochs, checkpoint=path, callbacks=callbacks, **options)
    except Killed:
        return None
    return model.state_dict(), adam.lr, halve.state_dict(), counting.seen, history.loss, history.validation


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("validation", [False, True])
def test_a_learning_rate_that_a_callback_changes_and_what_callbacks_remember_are_kept(
    tmp_path: Path,
    compile: bool,  # noqa: A002
    validation: bool,
):
    options = {"compile": compile, "validation": validation}
    whole = plateau_run(None, 30, **options)
    assert whole[1] < 0.3 / 2
    for moment in (1, 2, 5, 9, 20):
        assert plateau_run(tmp_path / "run.json", 30, killed_after(moment), **options) is None
    assert plateau_run(tmp_path / "run.json", 30, **options) == whole


def test_a_schedule_that_a_callback_sets_is_kept(tmp_path: Path):
    def begun(path: Path | None, *more: Any) -> Any:
        model = nn.Linear(1, init="zeros")
        rate = optim.SGD(model.parameters(), 0.05)

        def change(history: History) -> None:
            if history.epochs == 3:
                rate.lr = optim.warmup(optim.cosine(0.1, 20), 4)

        fit(model, X, Y, optimizer=rate, epochs=9, checkpoint=path, callbacks=[change, *more])
        return model.state_dict(), rate.lr

    with pytest.raises(Killed):
        begun(tmp_path / "run.json", killed_after(5))
    assert begun(tmp_path / "run.json") == begun(None)


def test_a_function_that_a_callback_sets_is_the_callbacks_own(tmp_path: Path):
    class Setting(Counting):
        def __init__(self, optimizer: optim.Optimizer, sets_again: bool) -> None:
            super().__init__()
            self.optimizer, self.sets_again = optimizer, sets_again

        def __call__(self, history: History) -> None:
            super().__call__(history)
            self.optimizer.lr = lambda t: 0.1 / (t + 1)

        def load_state_dict(self, state: Any) -> None:
            super().load_state_dict(state)
            if self.sets_again and self.seen:
                self(History())

    def begun(sets_again: bool, epochs: int, path: Path | None) -> Any:
        model = nn.Linear(1, init="zeros")
        rate = optim.SGD(model.parameters(), 0.05)
        callbacks = [Setting(rate, sets_again)]
        fit(model, X, Y, optimizer=rate, epochs=epochs, checkpoint=path, callbacks=callbacks)
        return model.state_dict()

    begun(True, 3, tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"its learning rate is a function that a callback had set: set it again"):
        begun(False, 6, tmp_path / "run.json")


def test_the_same_optimizer_goes_on_after_a_callback_has_changed_its_learning_rate(tmp_path: Path):
    model = nn.Linear(1, init="zeros")
    rate = optim.SGD(model.parameters(), 0.3)
    options: dict[str, Any] = {"optimizer": rate, "checkpoint": tmp_path / "run.json"}
    fit(model, X, Y, epochs=2, callbacks=[lambda h: setattr(rate, "lr", 0.1)], **options)
    fit(model, X, Y, epochs=4, **options)
    assert rate.lr == 0.1
    rate.lr = 0.2
    with pytest.raises(ValueError, match=r"its optimizer\.lr is '0\.3', here it is '0\.2'"):
        fit(model, X, Y, epochs=6, **options)


@pytest.mark.parametrize("state", [(1.0,), {1: 2.0}, {"x": {1.0}}, [Value(1.0)], b"x"])
def test_a_callback_whose_state_is_not_plain_is_an_error_before_the_first_epoch(tmp_path: Path, state: Any):
    class Odd(Counting):
        def state_dict(self) -> Any:
            return state

    model = mlp()
    before = model.state_dict()
    with pytest.raises(TypeError, match=r"the state of a callback is made of dicts .*; Odd"):
        run(tmp_path / "run.json", model, callbacks=[Odd()])
    assert model.state_dict() == before
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("error", [ValueError("mine"), KeyError("mine"), AttributeError("mine")])
def test_a_callback_that_cannot_go_on_leaves_all_as_it_was(tmp_path: Path, error: Exception):
    class Refusing(Counting):
        def load_state_dict(self, state: Any) -> None:
            if state["seen"]:
                raise error

    Refusing.__name__ = "Counting"
    path = tmp_path / "run.json"
    run(path, callbacks=[Counting(), Counting()])
    model, first = nn.MLP(1, [3, 1], activation="tanh", rng=random.Random(5)), Counting()
    before, content = model.state_dict(), path.read_bytes()
    with pytest.raises((ValueError, AttributeError), match="mine"):
        run(path, model, callbacks=[first, Refusing()])
    assert (model.state_dict(), first.seen, path.read_bytes()) == (before, [], content)


def test_the_plateau_of_a_loss_is_found_as_by_pytorch():
    """Its rule in plain words: better is below best · (1 − threshold), and more than `patience` epochs are too many."""
    rng = random.Random(0)
    for _ in range(200):
        patience, factor, least = rng.randrange(4), rng.choice([0.5, 0.1]), rng.choice([0.0, 0.3])
        threshold = rng.choice([1e-4, 0.1])
        optimizer = optim.SGD([Value(0.0)], 1.0)
        halve = ReduceOnPlateau(optimizer, factor, patience, least, threshold)
        history, best, bad, lr = History(), math.inf, 0, 1.0
        for _ in range(30):
            loss = rng.choice([1.0, 0.99995, 0.95, 0.8, rng.random()])
            history.loss.append(loss)
            halve(history)
            best, bad = (loss, 0) if loss < best * (1 - threshold) else (best, bad + 1)
            if bad > patience:
                lr, bad = max(lr * factor, least), 0
            assert optimizer.lr == lr
    history.validation = [0.001]
    halve(history)
    assert halve.best == 0.001


def test_a_plateau_takes_a_number_and_goes_on_with_the_same_numbers():
    optimizer = optim.SGD([Value(0.0)], 0.001)
    halve = ReduceOnPlateau(optimizer, min_lr=0.1, patience=0)
    history = History()
    history.loss = [1.0]
    halve(history)
    halve(history)
    assert optimizer.lr == 0.001  # it is never raised
    state = json.loads(json.dumps(halve.state_dict()))
    with pytest.raises(ValueError, match=r"the factor of its ReduceOnPlateau is 0\.5, here it is 0\.1"):
        ReduceOnPlateau(optimizer, 0.1, min_lr=0.1, patience=0).load_state_dict(state)
    for wrong in (None, {}, {**state, "waited": -1}, {**state, "best": math.nan}, {**state, "more": 1}):
        with pytest.raises(ValueError, match=r"ReduceOnPlateau|the best loss"):
            halve.load_state_dict(wrong)
    assert halve.state_dict() == state
    optimizer.lr = optim.cosine(0.1, 10)
    with pytest.raises(ValueError, match="follows a schedule: use only one"):
        ReduceOnPlateau(optimizer)
    with pytest.raises(TypeError, match="ReduceOnPlateau takes an optimizer"):
        ReduceOnPlateau([Value(0.0)])


# ---- the file --------------------------------------------------------------------------------------------------------
def test_a_file_holds_no_more_than_its_history_and_as_many_bytes_of_states(tmp_path: Path):
    path, sizes = tmp_path / "run.json", []
    model = nn.MLP(1, [30, 1], rng=random.Random(0))
    fit(model, X, Y, epochs=100, checkpoint=path, compile=True, callbacks=[lambda h: sizes.append(path.stat().st_size)])
    header, states = read_lines(path)
    alone = len(json.dumps(header)) + len(json.dumps(states[-1])) + 100 * 60
    assert max(sizes) < 2 * alone + (1 << 16)
    assert sizes != sorted(sizes)  # it has been written anew


def test_two_runs_on_one_file_leave_one_that_goes_on(tmp_path: Path):
    path = tmp_path / "run.json"

    def other(history: History) -> None:
        if history.epochs in (3, 6):
            run(path, epochs=history.epochs + 2)

    first = run(path, epochs=8, callbacks=[other])
    assert first.loss == run(path, epochs=8).loss == run(None, epochs=8).loss


def test_a_file_that_is_gone_is_written_again(tmp_path: Path):
    path = tmp_path / "run.json"
    run(path, epochs=6, callbacks=[lambda h: path.unlink() if h.epochs == 3 else None])
    assert run(path, epochs=8).loss == run(None, epochs=8).loss


def test_a_full_disk_is_named_and_the_file_goes_on(tmp_path: Path):
    code = f"""if True:
        import resource, signal
        from tinygrad_edu import nn
        from tinygrad_edu.train import fit
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path = {str(tmp_path / "run.json")!r}
        def fill(history):
            if history.epochs == 4:
                import os
                size = os.stat(path).st_size + 200
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            fit(nn.Linear(1, init="zeros"), [[1.0]], [2.0], epochs=9, checkpoint=path, callbacks=[fill])
        except OSError as error:
            print(error.filename == path)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    options: dict[str, Any] = {"epochs": 9}
    model, whole = nn.Linear(1, init="zeros"), nn.Linear(1, init="zeros")
    fit(model, [[1.0]], [2.0], checkpoint=tmp_path / "run.json", **options)
    fit(whole, [[1.0]], [2.0], **options)
    assert model.state_dict() == whole.state_dict()


# ---- validation that is no number ------------------------------------------------------------------------------------
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(
    "loss", [losses.mse, lambda p, t: sum((a - b) ** 2 if b < 50 else a * math.nan for a, b in zip(p, t))]
)
def test_validation_that_becomes_nan_or_inf_is_said_when_it_happens(compile: bool, bad: float, loss: Any):  # noqa: A002
    targets = [1.0, 2.0]

    def spoil(history: History) -> None:
        if history.epochs == 3:
            targets[1] = bad

    with pytest.raises(
        DivergenceError, match=r"diverged in epoch 3: on the validation data the loss is (nan|inf)"
    ) as caught:
        run(None, loss=loss, epochs=9, validation=([[0.0], [1.0]], targets), callbacks=[spoil], compile=compile,
            record_parameters=True)  # fmt: skip
    assert "Leave out the target" in str(caught.value)
    history = caught.value.history
    assert len(history.loss) == len(history.validation) == len(history.seconds) == history.epochs == 3
    assert all(map(math.isfinite, history.validation))


# ---- any sequence of runs and kills ----------------------------------------------------------------------------------
class Runs(RuleBasedStateMachine):
    """A run that is begun, killed and resumed in any order is, wherever it stands, the run that was never stopped."""

    @initialize(compile=st.booleans(), validation=st.booleans())
    def begin(self, compile: bool, validation: bool) -> None:  # noqa: A002
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "run.json")
        self.options = {"compile": compile, "validation": validation}

    @rule(epochs=st.integers(0, 12))
    def go_on(self, epochs: int) -> None:
        reached = self.epochs()
        found = plateau_run(self.path, epochs, **self.options)
        assert found == plateau_run(None, max(epochs, reached), **self.options)

    @rule(after=st.integers(0, 12))
    def kill(self, after: int) -> None:
        reached = self.epochs()
        if reached <= after:
            assert plateau_run(self.path, 99, killed_after(after), **self.options) is None
            assert self.epochs() == after

    @rule(part=st.floats(0.0, 1.0, exclude_max=True))
    def tear(self, part: float) -> None:
        """A kill while a line is added; a file has one state at least, as it is written in one step."""
        content = self.path.read_bytes() if self.path.exists() else b""
        *whole, last = content.splitlines(keepends=True) or [b""]
        if len(whole) > 1:
            self.path.write_bytes(b"".join(whole) + last[: int(part * len(last))])

    @invariant()
    def the_file_is_whole(self) -> None:
        self.epochs()

    def epochs(self) -> int:
        if not self.path.exists():
            return 0
        _, states = read_lines(self.path)
        return int(states[-1]["since"]) + len(states[-1]["loss"])

    def teardown(self) -> None:
        self.folder.cleanup()


TestRuns = Runs.TestCase
TestRuns.settings = settings(
    max_examples=100 if os.environ.get("CI") == "true" else 10, stateful_step_count=8, deadline=None
)
