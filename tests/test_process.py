"""What belongs to the process is left as it was: by every call, by errors, and by several threads at the same time.

Warnings and their filters, the handlers of signals, locale, decimal arithmetic, random numbers, environment, working
folder, Matplotlib's settings, the collector of cycles, hooks, streams, `sys.path`. What Ctrl-C leaves is held by
`test_interrupts.py`, what a fork does by `test_fork.py`, what bad calls leave of the user's objects by
`test_bad_calls.py`.
"""

import builtins
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis.configuration import storage_directory
from matplotlib import pyplot
from profiles import IN_CI, sample
from threads import in_threads

import tinygrad_edu as tg
from tinygrad_edu import Value, cli, data, losses, nn, optim, testing, train
from tinygrad_edu.graph import no_cycle_collection
from tinygrad_edu.modes import inherited_modes
from tinygrad_edu.teach import check, exercise
from tinygrad_edu.testing import detect_anomaly, gradcheck, strategies
from tinygrad_edu.testing.grader import grade_file
from tinygrad_edu.viz import animations, flow, plots

ENGINE = Path(__file__).parent / "engines" / "good.py"
X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
X2, LABELS = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1]


def process() -> dict[str, Any]:
    """All that belongs to the process and that a library could leave changed."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "filters of warnings": [*warnings.filters],
        "showing warnings": (warnings.showwarning, warnings.formatwarning),
        "signals": {
            n: signal.getsignal(n) for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP)
        },
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal": repr(decimal.getcontext()),
        "random": hash(random.getstate()),
        "numpy.random": hash(str(np.random.get_state())),
        "numpy": (str(np.geterr()), str(np.get_printoptions())),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": mask,
        "matplotlib": dict(matplotlib.rcParams),
        "recursion": sys.getrecursionlimit(),
        "digits of ints": sys.get_int_max_str_digits(),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), [*gc.callbacks]),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook, sys.breakpointhook),
        "tracing": (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile()),
        "switching": sys.getswitchinterval(),
        "paths": ([*sys.path], [*sys.meta_path], [*sys.path_hooks], [*sys.argv]),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "builtins": dict(vars(builtins)),
        "logging": (logging.root.level, [*logging.root.handlers], logging.root.manager.disable),
        "modes": inherited_modes(),
        "threads": threading.active_count(),
        "hypothesis": storage_directory(intent_to_write=False).path,
    }


def linear() -> nn.Linear:
    return nn.Linear(1, init="zeros")


def fitted(**more: Any) -> tuple[nn.Module, train.History]:
    model = linear()
    options: dict[str, Any] = {"optimizer": optim.SGD(model.parameters(), lr=0.1), "epochs": 2, "progress": False}
    return model, train.fit(model, X, Y, **{**options, **more})


def fail(*_: object) -> Any:
    raise LookupError("in the midst of it")


def interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


def command(*arguments: object) -> Callable[[Path], object]:
    """A call of the command; IN is a folder of its own, and CliRunner puts the streams back."""

    def call(folder: Path) -> object:
        (folder / "table.csv").write_text("a,b,y\n" + "".join(f"{i},{'rg'[i % 2]},{2 * i}\n" for i in range(12)))
        words = [str(a).replace("IN", str(folder)) for a in arguments]
        return CliRunner().invoke(cli.main, words, prog_name="tinygrad-edu", catch_exceptions=False).exit_code

    return call


def anomaly(_: Path) -> None:
    with detect_anomaly():
        (Value(1e300, label="a") * 1e300).backward()


def drawn_by_hypothesis(_: Path) -> None:
    @settings(max_examples=3, database=None, deadline=None, suppress_health_check=[*HealthCheck])
    @given(strategies.expressions())
    def search(expression: Any) -> None:
        gradcheck(expression, *expression.point)

    search()


def history() -> train.History:
    return fitted(record_parameters=True)[1]


# Each call gets a folder of its own; those in the second table fail, or are interrupted.
CALLS: dict[str, Callable[[Path], object]] = {
    "values": lambda _: (Value(2.0) * Value(3.0)).tanh().backward(),
    "gradients": lambda _: (tg.grad(tg.exp(x := Value(1.0)), [x], create_graph=True), tg.hessian(lambda a: a * a)(2.0)),
    "modes": lambda _: tg.no_grad()(lambda: Value(2.0).exp())(),
    "no cycle collection": lambda _: no_cycle_collection()(lambda: Value(2.0).exp())(),
    "models": lambda folder: (linear().save(folder / "model.json"), linear().load(folder / "model.json")),
    "random models": lambda _: nn.MLP(2, [3, 1], rng=random.Random(0))([1.0, 2.0]).backward(),
    "losses": lambda _: losses.cross_entropy([[Value(1.0), Value(2.0)]], [1]).backward(),
    "optimizers": lambda _: optim.Adam([Value(1.0)], optim.cosine(0.1, steps=5)).step(),
    "fit": lambda folder: fitted(checkpoint=folder / "run", shuffle=True, validation=(X, Y)),
    "fit, compiled": lambda folder: fitted(checkpoint=folder / "run", compile=True),
    "fit, with a bar": lambda _: fitted(progress=True),
    "evaluate": lambda _: train.evaluate(linear(), X, Y),
    "data": lambda _: (data.moons(6), data.split(X, Y, test=0.4), [*data.batches(X, Y, 2, random.Random(0))]),
    "tables": lambda folder: (data.penguins().to_csv(folder / "p.csv"), data.read_csv(folder / "p.csv")),
    "compile": lambda _: tg.compile(lambda a, b: (a * b).tanh())(np.array([1.0, 2.0]), 3.0),
    "record": lambda _: str(tg.record(lambda a: a * a, 1.0)),
    "gradcheck": lambda _: str(gradcheck(lambda a, b: a * b, 1.0, 2.0)),
    "strategies": drawn_by_hypothesis,
    "grade": lambda _: testing.grade(Value, skip="large-graphs"),
    "grade a file": lambda _: grade_file(ENGINE, only=["values", "negation"], sandbox="none"),
    "check numbers": lambda _: check("1.1", 1.0, Value(2.0)),
    "check a function": lambda _: check("5.2", exercise("5.2").code),
    "hints": lambda _: (replace(exercise("2.2")).hint(), exercise("2.2").solution().code),
    "draw": lambda folder: tg.draw(Value(2.0) * Value(3.0)).save(folder / "graph.pdf"),
    "explore": lambda folder: tg.explore(Value(2.0) * Value(3.0), folder / "page.html"),
    "plots": lambda folder: plots.save(plots.plot_loss(history()), folder / "loss.svg"),
    "other plots": lambda folder: plots.save(plots.plot_confusion([0, 1], [0, 0], ["中", "b"]), folder / "a.png"),
    "a boundary": lambda _: plots.plot_boundary(nn.Linear(2, init="zeros"), X2, LABELS, resolution=4),
    "animate a graph": lambda folder: flow.animate_graph(Value(2.0) * 3.0, progress=False).save(folder / "a.gif"),
    "animate a fit": lambda folder: animations.animate_fit(
        *fitted(record_parameters=True)[:1], X, Y, history(), frames=2
    ),
    "the command fit": command(
        "fit", "IN/table.csv", "--target", "y", "--epochs", 2, "--no-pictures", "--out", "IN/out"
    ),
    "the command check": command("check", "w*x", "w=1", "x=2"),
    "the command draw": command("draw", "w*x", "w=1", "x=2", "-o", "IN/graph.dot"),
    "the command explore": command("explore", "w*x", "w=1", "x=2", "-o", "IN/page.html"),
    "the command's help": command("fit", "--help"),
}
FAILING: dict[str, Callable[[Path], object]] = {
    "values": lambda _: Value(-1.0).log(),
    "backward": lambda _: (Value(0.0).sqrt()).backward(),
    "modes": lambda _: tg.no_grad()(fail)(),
    "interrupted modes": lambda _: no_cycle_collection()(interrupt)(),
    "anomalies": anomaly,
    "models": lambda folder: linear().load(folder / "nowhere.json"),
    "fit": lambda _: fitted(callbacks=[fail]),
    "fit, interrupted": lambda folder: fitted(callbacks=[interrupt], checkpoint=folder / "run"),
    "fit, diverging": lambda _: train.fit(linear(), X, [1.0, float("nan"), 2.0], progress=False),
    "fit, compiled": lambda _: fitted(callbacks=[fail], compile=True),
    "a bar": lambda _: fitted(callbacks=[fail], progress=True),
    "tables": lambda folder: data.read_csv(folder / "nowhere.csv"),
    "compile": lambda _: tg.compile(lambda x: x if x > 0 else -x)(1.0),
    "compile, interrupted": lambda _: tg.compile(interrupt)(1.0),
    "record": lambda _: tg.record(fail, 1.0),
    "gradcheck": lambda _: gradcheck(fail, 1.0),
    "grade": lambda _: testing.grade(type("Fails", (Value,), {"__init__": interrupt})),
    "grade a file": lambda folder: grade_file(folder / "nowhere.py"),
    "check": lambda _: check("1.1", 1.0),
    "check, interrupted": lambda _: check("5.2", interrupt),
    "draw": lambda folder: tg.draw(Value(2.0) * 3.0).save(folder / "no" / "graph.svg"),
    "explore": lambda folder: tg.explore(Value(2.0) * 3.0, folder / "no" / "page.html"),
    "plots": lambda folder: plots.save(plots.plot_loss(history()), folder / "no" / "loss.svg"),
    "animations": lambda _: animations.animate_fit(fail, X, Y, history()),
    "the command": command("fit", "IN/nowhere.csv", "--target", "y"),
}


def attempt(call: Callable[[Path], object], folder: Path) -> str:
    """Runs it, and says how it ended."""
    folder.mkdir(parents=True)
    try:
        call(folder)
    except (Exception, KeyboardInterrupt) as error:
        traceback.clear_frames(error.__traceback__)  # blocks that an error has left open, as Python does a moment later
        return type(error).__name__
    return ""


def filter_warnings() -> None:
    """What a user does in a thread: blocks that end in another order than they began would restore a wrong filter."""
    for _ in range(50):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            time.sleep(0.005)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


@pytest.fixture(scope="module", autouse=True)
def _what_is_loaded_is_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A library that is imported for the first time may set something up: that is its own affair."""
    for name in ("plots", "animate a graph", "fit, compiled", "fit, with a bar", "strategies"):
        attempt(CALLS[name], tmp_path_factory.mktemp("loaded") / "call")


@pytest.mark.parametrize("name", sample([*CALLS], 8))
def test_a_call_leaves_the_process_as_it_was(name: str, tmp_path: Path) -> None:
    before = process()
    ended = attempt(CALLS[name], tmp_path / "call")
    assert changed(before, process()) == []
    assert ended == ""


@pytest.mark.parametrize("name", sample([*FAILING], 8))
def test_so_does_one_that_fails(name: str, tmp_path: Path) -> None:
    before = process()
    ended = attempt(FAILING[name], tmp_path / "call")
    assert changed(before, process()) == []
    assert ended != "" or name == "the command"


def test_so_do_several_threads_at_the_same_time(tmp_path: Path) -> None:
    """The command is for one thread, as it owns the streams, and so is the search of Hypothesis."""
    alone = ("the command", "strategies", "grade", "anomalies")
    calls = {f"{i} {n}": c for i, t in enumerate((CALLS, FAILING)) for n, c in t.items() if not n.startswith(alone)}
    before = process()
    for seed in range(10 if IN_CI else 1):
        names = random.Random(seed).sample([*calls], len(calls))
        folders = tmp_path / str(seed)

        def work(part: list[str], folders: Path = folders) -> list[str]:
            return [attempt(calls[name], folders / name) for name in part]

        *results, _ = in_threads(*[lambda part=names[i::4]: work(part) for i in range(4)], filter_warnings)
        ended = dict(zip([name for i in range(4) for name in names[i::4]], [x for part in results for x in part]))
        assert [name for name, error in ended.items() if bool(error) != name.startswith("1")] == []
        assert changed(before, process()) == []
        pyplot.close("all")  # a new figure belongs to pyplot where it is imported, and more than 20 are a warning
