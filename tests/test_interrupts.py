"""Ctrl-C at any moment: nothing is left half done in `backward()`, `grad()`, a step, a block, a picture, `fit`.

Python calls the handler of a signal between two instructions: where a function begins, where one written in C has
returned, and where a loop goes round. A run is watched once, to count these moments; then it is repeated for each of
them, or for some, with Ctrl-C pressed there. What Ctrl-C means to the history of `fit` is held by `test_train.py`.
"""

import _thread
import gc
import io
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from profiles import IN_CI
from threads import in_threads

from tinygrad_edu import Value, _io, dot, draw, explore, grad, nn, no_grad, optim, record, total
from tinygrad_edu._interrupts import handle_signals
from tinygrad_edu._limits import TimeIsOverError, call_within
from tinygrad_edu.cli._folder import write_all_or_none
from tinygrad_edu.cli.commands import _exit_on_signals, _open_closed_streams
from tinygrad_edu.data.tables import make_options, open_csv
from tinygrad_edu.graph import no_cycle_collection
from tinygrad_edu.modes import enable_grad, open_modes
from tinygrad_edu.teach import check, exercise
from tinygrad_edu.testing import detect_anomaly
from tinygrad_edu.train import History, fit
from tinygrad_edu.train.progress import open_progress_bar
from tinygrad_edu.viz import plots
from tinygrad_edu.viz._render import rendering_lock

MANY = 300 if IN_CI else 8  # moments of a long run


class Moments:
    """Within it, counts the moments at which Python looks for signals, and presses Ctrl-C at one of them.

    Those of this file do not count.
    """

    def __init__(self, press_at: int | None = None, press: Callable[[FrameType], object] | None = None) -> None:
        self.press_at, self.press = press_at, press
        self.count = 0
        self._places: dict[int, int] = {}  # the last instruction of each frame, by its id as nothing is to be kept

    def __enter__(self) -> "Moments":
        self._before = sys.gettrace(), sys.getprofile()
        sys.settrace(self._line)
        sys.setprofile(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        trace, profile = self._before
        sys.setprofile(profile)
        sys.settrace(trace)

    def _call(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_return"):
            self._moment(frame)

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_lasti < self._places[id(frame)]:  # back to where a loop begins
            self._moment(frame)
        self._places[id(frame)] = frame.f_lasti
        return self._line

    def _moment(self, frame: FrameType) -> None:
        if frame.f_code.co_filename == __file__:
            return
        if frame.f_code.co_name == "<genexpr>":  # Python swallows what is raised while it closes one that has not ended
            return
        self.count += 1
        if self.press and self.count - 1 == self.press_at:
            self.press(frame)


def once(frame: FrameType) -> None:
    signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)


def twice(frame: FrameType) -> None:
    press = signal.getsignal(signal.SIGINT)
    press(signal.SIGINT, frame)
    press(signal.SIGINT, frame)


def moments_of(run: Callable[[], object], at_most: int | None = None) -> list[int]:
    """All moments of a run, or so many of them."""
    with Moments() as moments:
        run()
    every = range(moments.count)
    return sorted(random.Random(0).sample(every, at_most)) if at_most and at_most < len(every) else list(every)


def interrupted(
    run: Callable[[], object], moment: int, press: Callable[[FrameType], object] = once
) -> tuple[bool, object]:
    """Whether Ctrl-C at that moment came through as a `KeyboardInterrupt`, and what the run has to show for itself.

    That is what it returned, or the history that `fit` has put into the interrupt.
    """
    try:
        with Moments(moment, press):
            result = run()
    except KeyboardInterrupt as error:
        return True, getattr(error, "history", None)
    return False, result


def surroundings() -> list[Any]:
    """What has to be the same before and after."""
    return [signal.getsignal(signal.SIGINT), gc.isenabled(), open_modes(), slope_in_another_thread()]


def slope_in_another_thread() -> float:
    x = Value(3.0)
    thread = threading.Thread(target=(x * x).backward, daemon=True)
    thread.start()
    thread.join(timeout=10)  # 0.0 where it still waits for a lock then
    return x.grad


def test_what_can_be_torn_is_seen_torn() -> None:
    """Else the tests below would prove nothing."""
    names: dict[str, Any] = {}
    exec(compile("def clear(xs):\n  for x in xs:\n    x.grad = 0.0", "elsewhere.py", "exec"), names)
    seen = set()
    a, b = Value(1.0), Value(1.0)
    for moment in moments_of(lambda: names["clear"]([a, b])):
        a.grad = b.grad = 1.0
        assert interrupted(lambda: names["clear"]([a, b]), moment)[0]
        seen.add((a.grad, b.grad))
    assert seen == {(1.0, 1.0), (0.0, 1.0), (0.0, 0.0)}


# ---- gradients -------------------------------------------------------------------------------------------------------
def small_graph() -> tuple[list[Value], Value]:
    a, b, c = Value(2.0), Value(-3.0), Value(0.5)
    shared = (a * b + 1.0).tanh()
    return [a, b, c], dot([shared, a, c], [shared, 2.0, c]) / (c - 2.0) + shared


def test_backward_has_given_all_leaves_their_gradients_or_none() -> None:
    before = surroundings()
    leaves, y = small_graph()
    moments = moments_of(y.backward)
    complete = [5.0 + leaf.grad for leaf in leaves]
    seen = []
    for moment in moments:
        for leaf in leaves:
            leaf.grad = 5.0
        assert interrupted(y.backward, moment)[0]
        seen.append([leaf.grad for leaf in leaves])
    assert len(moments) > 100
    assert seen == sorted(seen, key=complete.__eq__)  # first none, then all
    assert {tuple(gradients) for gradients in seen} == {(5.0, 5.0, 5.0), tuple(complete)}
    assert surroundings() == before
    for leaf in leaves:
        leaf.grad = 5.0
    y.backward()
    assert [leaf.grad for leaf in leaves] == complete


def test_nor_does_a_real_signal_at_whatever_time_tear_them_apart() -> None:
    leaves = [Value(1.0) for _ in range(300)]
    y = total([leaf * leaf for leaf in leaves])
    for seconds in range(1, 21):
        timer = threading.Timer(seconds / 2000, _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            timer.start()
            while True:
                y.backward()
        timer.join()
        assert len({leaf.grad for leaf in leaves}) == 1
    assert slope_in_another_thread() == 6.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_leaves_nothing_behind(create_graph: bool) -> None:
    before = surroundings()
    leaves, y = small_graph()
    gradients = grad(y, leaves)
    y.backward()

    def run() -> object:
        return grad(y, leaves, create_graph=create_graph)  # type: ignore[call-overload]

    for moment in moments_of(run):
        assert interrupted(run, moment)[0]
    assert [leaf.grad for leaf in leaves] == gradients == grad(y, leaves)
    assert surroundings() == before


@pytest.mark.parametrize("block", [no_grad, enable_grad, no_cycle_collection])
def test_a_block_ends_when_it_is_interrupted(block: Callable[[], Any]) -> None:
    before = surroundings()

    def run() -> None:
        with no_grad(), block():
            Value(2.0).exp()

    for moment in moments_of(run):
        assert interrupted(run, moment)[0]
        assert surroundings()[:3] == before[:3]


# ---- blocks ----------------------------------------------------------------------------------------------------------
MODEL = nn.Linear(1, init="zeros")
HISTORY = History()
HISTORY.loss, HISTORY.seconds = [2.0, 1.0], [1.0, 2.0]
HISTORY.parameters = {name: [0.0, 2.0] for name, _ in MODEL.named_parameters()}
WEIGHT = Value(2.0)
SLOPE = exercise("5.2").code


def in_modes() -> None:
    with no_grad(), enable_grad(), detect_anomaly():
        Value(2.0).exp()


def at_an_epoch() -> None:
    with plots.parameters_at(MODEL, HISTORY, 1):
        MODEL([1.0])


def with_signals() -> None:
    with handle_signals([signal.SIGINT, signal.SIGTERM], signal.default_int_handler), _exit_on_signals():
        Value(2.0).exp()


def with_a_bar() -> None:
    stream, sys.stderr = sys.stderr, io.StringIO()
    try:
        with open_progress_bar(True, 2) as bar:
            bar.update()
    finally:
        sys.stderr = stream


def with_a_table() -> None:
    Path("table.csv").write_text("a,b\n1,2\n")
    with open_csv("table.csv", make_options()) as file:
        file.read()


def write_a_file() -> None:
    _io.write("written", "new" * 100)


def write_a_folder() -> None:
    with write_all_or_none(Path("folder"), ["a", "b"]) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new")


def with_closed_streams() -> None:
    with _open_closed_streams():
        sys.stdin.read()


def while_it_is_traced() -> None:
    record(lambda a: a * WEIGHT, 1.0)


def within_a_time() -> None:
    assert call_within(9.0, lambda: Value(2.0).exp().data) > 7.0


def check_an_exercise() -> None:
    check("5.2", lambda z, target: SLOPE(z, target) + 0.0 * (random.random() + np.random.rand()))


def save_a_plot() -> None:
    plots.save(PLOT[0], "plot.png")


def draw_a_graph() -> None:
    draw(Value(2.0) * Value(3.0)).save("graph.svg")


def explore_a_graph() -> None:
    explore(Value(2.0) * Value(3.0), "page.html")


PLOT: list[Any] = []  # the axes, made when they are needed
BLOCKS = {  # and how many moments a quick run tries
    in_modes: 8,
    at_an_epoch: 8,
    with_signals: 8,
    with_a_bar: 8,
    with_a_table: 8,
    write_a_file: 8,
    write_a_folder: 8,
    with_closed_streams: 8,
    while_it_is_traced: 8,
    within_a_time: 8,
    check_an_exercise: 4,
    save_a_plot: 2,
    draw_a_graph: 4,
    explore_a_graph: 3,
}


def everything() -> dict[str, Any]:
    """What has to be the same before and after, and what is whole or not there."""
    files = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    return {
        "surroundings": surroundings(),
        "signals": [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "model": MODEL.state_dict(),
        "weight": (type(WEIGHT), WEIGHT.data),
        "settings": dict(matplotlib.rcParams),
        "filters": warnings.filters[:],
        "fonts": {*[tuple(text.get_fontfamily()) for ax in PLOT for text in ax.figure.findobj(Text)]},
        "lock": rendering_lock.locked(),
        "random": (random.getstate(), str(np.random.get_state())),
        "files": {**files, Path("table.csv"): b""},  # which the test itself writes
        "folders": [path for path in Path().rglob("*") if path.is_dir() and path.name != "folder"],
    }


# An object that is freed is the affair of its library: tqdm's says that it has not been made to its end.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("run", BLOCKS, ids=lambda run: run.__name__)
def test_every_block_and_every_picture_ends_when_it_is_interrupted(
    run: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if run is with_closed_streams:
        monkeypatch.setattr(sys, "stdin", None)
    if run is save_a_plot:
        PLOT[:] = [Figure((1, 1)).add_subplot()]
        PLOT[0].text(0, 0, "中")
        PLOT[0].set_axis_off()
    empty = everything()
    run()
    full = everything()
    assert {**full, "files": 0} == {**empty, "files": 0}
    moments, through = moments_of(run, at_most=300 if IN_CI else BLOCKS[run]), 0
    for moment in moments:
        for path in full["files"].keys() - {Path("table.csv")}:
            path.write_bytes(b"old")
        old = everything()
        through += interrupted(run, moment)[0]
        after = everything()
        assert {**after, "files": 0} == {**old, "files": 0}
        assert after["files"] in (old["files"], full["files"])
    assert through > len(moments) / 2  # Python swallows what is raised while it frees an object
    if run is not with_signals:  # which are for the main thread
        assert in_threads(lambda: run() or "done") == ["done"]  # a lock that is still held is one to this thread only
    run()
    assert everything() == full


def test_a_time_limit_that_is_interrupted_does_not_ring_later() -> None:
    def run() -> object:
        return call_within(0.1, int)

    for moment in moments_of(run):
        with suppress(TimeIsOverError):  # on a machine that is slow
            assert interrupted(run, moment)[0]
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass


# ---- updates ---------------------------------------------------------------------------------------------------------
OPTIMIZERS = [
    lambda params: optim.SGD(params, 0.1, momentum=0.9),
    lambda params: optim.Adam(params, optim.cosine(0.1, steps=9)),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_an_update_moves_all_parameters_or_none(make: Callable[[list[Value]], optim.Optimizer]) -> None:
    params = [Value(1.0), Value(2.0), Value(3.0)]
    optimizer = make(params)
    for p in params:
        p.grad = 0.5
    optimizer.step()

    def state() -> Any:
        return [p.data for p in params], optimizer.state_dict()

    whole = [state()]
    numbers, remembered = whole[0]
    moments = moments_of(optimizer.step)
    whole.append(state())
    for moment in moments:
        for p, x in zip(params, numbers):
            p.data = x
        optimizer.load_state_dict(remembered)
        assert interrupted(optimizer.step, moment)[0]
        assert state() in whole


def test_all_gradients_are_clipped_or_none() -> None:
    params, seen = [Value(1.0), Value(2.0)], []

    def clip() -> None:
        for p in params:
            p.grad = 3.0
        optim.clip_grad_norm(params, 1.0)

    for moment in moments_of(clip):
        interrupted(clip, moment)
        seen.append((params[0].grad == 3.0, params[1].grad == 3.0))
    assert {*seen} == {(True, True), (False, False)}


# ---- fit -------------------------------------------------------------------------------------------------------------
X, Y = [[0.0], [0.5], [1.0]], [1.0, 2.0, 3.0]


class Run:
    """A training run, always the same one, that knows the state after each of its updates."""

    def __init__(self, checkpoint: Path, compiled: bool) -> None:
        run = self
        self.options: dict[str, Any] = {"checkpoint": checkpoint, "compile": compiled, "record_parameters": True}
        self.model = nn.MLP(1, [2, 1], activation="tanh", rng=random.Random(3))

        class Watched(optim.Adam):
            def step(self) -> None:
                super().step()
                run.states.append(run.state())

        self.optimizer = Watched(self.model.parameters(), 0.05)
        self.states = [self.state()]

    def state(self) -> Any:
        return self.model.state_dict(), self.optimizer.state_dict()

    def __call__(self) -> History:
        options = {"epochs": 3, "batch_size": 2, "shuffle": True, "validation": (X, Y)}
        return fit(self.model, X, Y, optimizer=self.optimizer, progress=False, **options, **self.options)


# Ctrl-C between `open` and the `with` that it is written in: Python closes the file, and says that it has done so.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("press", [once, twice])
@pytest.mark.parametrize("compiled", [False, True])
def test_fit_stops_after_a_whole_step_and_can_go_on(
    press: Callable[[FrameType], object], compiled: bool, tmp_path: Path
) -> None:
    """Ctrl-C twice, which does not wait for the step to end, does not tear it apart either."""
    before = surroundings()
    undisturbed = Run(tmp_path / "undisturbed", compiled)
    history = undisturbed()
    with_history, many = 0, MANY // 4 if compiled else MANY  # as to compile takes longer than to train so little
    for moment in moments_of(Run(tmp_path / "watched", compiled), at_most=many):
        run = Run(tmp_path / f"{moment:07}", compiled)  # as long as "watched": a longer name takes more moments
        raised, result = interrupted(run, moment, press)
        assert raised
        assert surroundings() == before
        assert run.state() in undisturbed.states
        if isinstance(result, History):
            with_history += 1
            assert result.stopped == "interrupted"
            assert run.state() == undisturbed.states[result.updates]
            assert result.loss == history.loss[: result.epochs]
            assert result.parameters.keys() == history.parameters.keys()
        resumed = Run(tmp_path / f"{moment}", compiled)
        assert resumed().loss == history.loss
        assert resumed.state() == undisturbed.states[-1]
    assert with_history == 0 if press is twice else with_history > many / 2
