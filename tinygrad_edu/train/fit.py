"""Training: `fit` repeats θ ← θ − η∇L over batches and epochs until there is a reason to stop, and keeps the history.

Full batch, mini-batches and one sample at a time are one loop with another batch size. What a loss is stands in
`losses.py`, what an update does in `optim.py`, how data is read and split in `data/`.
"""

import os
import random
from collections.abc import Callable, Iterable, Sequence
from math import isfinite, isnan
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from tinygrad_edu import _io
from tinygrad_edu._validate import length, require_function, to_float
from tinygrad_edu.data import batches
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import described, text_of
from tinygrad_edu.graph import no_cycle_collection
from tinygrad_edu.losses import mse
from tinygrad_edu.modes import no_grad
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import SGD, Optimizer

from .checkpoint import fingerprint, flattened, resume, save
from .history import DivergenceError, History, Path, TrainingInterrupted
from .interrupts import Stopped, set_by_ctrl_c
from .progress import progress_bar

Loss: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Any]


# A loss that has grown a millionfold will not come back: tell the user now, not when it overflows after 10³⁰⁸.
_DIVERGED = 1e6


class Run(Protocol):
    """What computes the steps: on Values here, on arrays in `compiler/training.py`."""

    optimizer: Any  # has `zero_grad()`, `step()` and `lr`

    def loss(self, rows: Sequence[int]) -> Any:
        """The loss on these rows of the data: it has `data` and `backward()`, as a Value."""

    def measure(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """The loss on other data, as a plain number."""

    def write(self) -> None:
        """The Values get their numbers, and the optimizer its state, as somebody wants to look at them."""

    def release(self) -> None:
        """So they do; and until the next step somebody may change whatever there is."""


def fit(
    model: Module,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    loss: Loss = mse,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    tol: float | None = None,
    target_loss: float | None = None,
    validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
    callbacks: Sequence[Callable[[History], object]] = (),
    progress: bool | None = None,
    record_parameters: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1,
    compile: bool = False,  # noqa: A002
) -> History:
    """Trains a model on n samples, X[i] → y[i], and returns the history of the run.

    Each step predicts a batch, computes `loss(predictions, targets)`, goes backward, and lets the `optimizer` update
    the parameters (by default `SGD(lr=0.01)`). A batch is all samples (`batch_size=None`), one (1), or any number; with
    `shuffle` the order is drawn anew for each epoch, from `seed` and the epoch's number alone.

    A run ends after `epochs`; or when an epoch's loss is `target_loss` or less; or when it is no more than `tol` below
    that of the epoch before; or when one of the `callbacks`, called with the history after every epoch, returns True.
    With one batch an epoch the loss is known before the update, and an update that is no longer wanted is not made.
    Ctrl-C lets the update in progress finish and then raises `TrainingInterrupted`, a `KeyboardInterrupt` that carries
    the `history`; the model keeps what it has learned so far. A second Ctrl-C raises `KeyboardInterrupt` at once.

    `validation=(X, y)` measures the loss on other data after each epoch. `progress` shows a bar; by default only in a
    terminal and in a notebook. `record_parameters` keeps the path of every parameter. `checkpoint` names a file that is
    written after every `checkpoint_every` epochs and after the last one, whole or not at all; where it exists already,
    the run goes on from there and ends with the very same parameters, bit by bit, as one that was never stopped (on the
    same Python: from 3.12 on `sum` rounds less). It holds parameters, optimizer and history, but not what a callback
    remembers or changes, such as the learning rate; and a run that met its target or tolerance is over.

    `compile` makes programs of the model and the loss, and computes a batch at once with NumPy, many times faster; the
    losses are the same but for rounding. The samples must then be numbers, or sequences of numbers of one shape, and
    the model must not branch on them, draw random numbers, or keep something from call to call: see
    `tinygrad_edu.compile`. A loss may do so; it is then computed on Values, the model is not. What a callback changes
    in the model or the loss is followed.

    Raises `DivergenceError` when the loss stops being finite or grows a millionfold; `ValueError` for data of different
    lengths or none, for numbers out of range, for an optimizer that moves none of the model's parameters, and for a
    checkpoint that is none or belongs to another run; `TypeError` for arguments of other types; and what model and loss
    raise. Before the first step all arguments have been looked at.

    >>> from tinygrad_edu import nn, optim
    >>> model = nn.Linear(1, init="zeros")
    >>> history = fit(model, [[0.0], [1.0]], [1.0, 3.0], optimizer=optim.SGD(model.parameters(), lr=0.5), epochs=200)
    >>> round(model([2.0]).data, 6)
    5.0
    """
    n = _number_of_samples("", X, y)
    size = n if batch_size is None else batch_size
    _require_ints({"epochs": 0, "batch_size": 1, "checkpoint_every": 1}, epochs, size, checkpoint_every)
    if not hasattr(seed, "__index__"):
        raise TypeError(f"the seed is an int, not {described(seed)}")
    for name, limit in (("tol", tol), ("target_loss", target_loss)):
        if limit is not None and isnan(to_float(limit, name)):
            raise ValueError(f"{name} is nan, which no loss can reach")
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise TypeError("validation is a pair of samples and targets, (X, y), on which the loss is measured")
        _number_of_samples("validation ", *validation)
    callbacks = _require_functions(model, loss, callbacks)
    if not isinstance(model, Module) and (checkpoint is not None or record_parameters):
        raise TypeError(f"to keep the parameters they need names: the model is a Module, not {described(model)}")
    optimizer = _optimizer_of(model, optimizer)
    run: Run = _OnValues(model, loss, optimizer, X, y)
    if compile:
        from tinygrad_edu.compiler.training import OnArrays

        run = OnArrays(model, loss, optimizer, X, y)
    history = History()
    settings: dict[str, Any] = {}
    if checkpoint is not None:
        settings = {
            "loss": getattr(loss, "__name__", type(loss).__name__),
            "optimizer": type(optimizer).__name__,
            "batch_size": batch_size if batch_size is None else int(batch_size),
            "shuffle": bool(shuffle),
            "seed": int(seed),
            "data": fingerprint([X, y]),
        }
        if not {*optimizer.params} <= {*model.parameters()}:
            raise ValueError("the optimizer moves what is no parameter of the model, so a checkpoint cannot keep it")
        if os.path.exists(_io.named(checkpoint)):
            resume(checkpoint, settings, model, optimizer, history)
        else:  # now, as a file that cannot be written is to be known before the first epoch, not after it
            save(checkpoint, settings, model, optimizer, history)

    def reason_to_stop(loss: float) -> str:
        if target_loss is not None and loss <= target_loss:
            return "target"
        if tol is not None and history.loss and history.loss[-1] - loss <= tol:
            return "tolerance"
        return ""

    start = perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    with set_by_ctrl_c() as ctrl_c, progress_bar(progress, epochs, history.epochs) as bar:
        try:
            while not history.stopped and history.epochs < epochs:
                if record_parameters:
                    run.write()
                    _record_parameters(history, model)
                n = _number_of_samples("", X, y)
                order = random.Random(f"{seed}/{history.epochs}") if shuffle else None
                mean = 0.0
                for rows, _ in batches(range(n), range(n), batch_size, order):
                    if ctrl_c:
                        raise Stopped
                    last_look = reason_to_stop if len(rows) == n else None
                    mean += len(rows) / n * _step(run, rows, history, last_look, X, y)
                history.stopped = history.stopped or reason_to_stop(mean)
                _refuse_growth(mean, history, optimizer)
                history.loss.append(mean)
                if validation is not None:
                    try:
                        history.validation.append(to_float(run.measure(*validation), "the loss"))
                    except (OverflowError, FloatingPointError) as error:
                        raise _divergence(f"on the validation data {error}", history, optimizer) from error
                history.seconds.append(perf_counter() - start)
                if callbacks:
                    run.release()
                answers = [callback(history) for callback in callbacks]
                if any(answer is True for answer in answers):
                    history.stopped = history.stopped or "callback"
                at_the_end = history.stopped or ctrl_c or history.epochs == epochs
                if checkpoint is not None and (at_the_end or history.epochs % checkpoint_every == 0):
                    run.write()
                    save(checkpoint, settings, model, optimizer, history)
                bar.set_postfix_str(f"loss {mean:.4g}", refresh=False)
                bar.update()
        except Stopped:
            pass
        finally:
            run.release()
    if record_parameters:
        _record_parameters(history, model)
    if ctrl_c:
        history.stopped = "interrupted"
        progress_made = f"after {history.epochs} of {epochs} epochs and {history.updates} updates"
        raise TrainingInterrupted(
            f"training was interrupted {progress_made}; the model keeps what it has learned", history
        )
    history.stopped = history.stopped or "epochs"
    return history


def evaluate(model: Module, X: Sequence[Any], y: Sequence[Any], loss: Loss = mse) -> float:
    """The loss of a model on data, as a plain float; nothing is recorded.

    >>> from tinygrad_edu import nn
    >>> evaluate(nn.Linear(1, init="zeros"), [[1.0], [2.0]], [3.0, 5.0])
    17.0
    """
    _number_of_samples("", X, y)
    with no_grad():
        value = loss([model(x) for x in X], y)
    return to_float(value.data if isinstance(value, Value) else value, "the loss")


def _number_of_samples(which: str, X: Sequence[Any], y: Sequence[Any]) -> int:
    n, targets = length(f"{which}X", X), length(f"{which}y", y)
    if n != targets or n == 0:
        problem = f"there are {n} {which}samples, {targets} {which}targets"
        raise ValueError(f"at least one {which}sample is needed, and as many targets: {problem}")
    return n


def _require_ints(least: dict[str, int], *numbers: Any) -> None:
    for (name, at_least), n in zip(least.items(), numbers):
        if not hasattr(n, "__index__") or n < at_least:
            raise ValueError(f"{name} is an int of {at_least} or more, not {n!r}")


def _require_functions(model: Any, loss: Any, callbacks: Any) -> list[Any]:
    """The callbacks in a list, as a generator of them would be used up after the first epoch."""
    if isinstance(model, type):
        raise TypeError(f"the model is the class {model.__name__} itself; make one of it, as in {model.__name__}(1)")
    require_function("the model", model, "nn.Linear(1)")
    require_function("the loss", loss, "loss=losses.mse")
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks is a list of functions, as [print], not {described(callbacks)}")
    functions = list(callbacks)
    for function in functions:
        require_function("a callback", function, "callbacks=[print]")
    return functions


def _optimizer_of(model: Any, optimizer: Any) -> Optimizer:
    """The optimizer, or the usual one, if it can train the model."""
    parameters = model.parameters() if hasattr(model, "parameters") else []
    if optimizer is None:
        if not hasattr(model, "parameters"):
            raise TypeError(
                "a function has no parameters() of its own: pass an optimizer of those to train, as SGD([w])"
            )
        return SGD(parameters, lr=0.01)
    if not isinstance(optimizer, Optimizer):
        example = "optim.SGD(model.parameters(), lr=0.1)"
        raise TypeError(f"the optimizer is one of optim.py, as {example}, not {described(optimizer)}")
    if parameters and {*parameters}.isdisjoint(optimizer.params):
        raise ValueError("the optimizer moves none of the model's parameters: make it of model.parameters()")
    return optimizer


class _OnValues:
    """Each step as it is written: a graph for each batch."""

    def __init__(self, model: Module, loss: Loss, optimizer: Optimizer, X: Sequence[Any], y: Sequence[Any]) -> None:
        self.optimizer = optimizer
        self._model, self._loss, self._X, self._y = model, loss, X, y

    def loss(self, rows: Sequence[int]) -> Any:
        batch, targets = [self._X[i] for i in rows], [self._y[i] for i in rows]
        return self._loss([self._model(x) for x in batch], targets)

    def measure(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        return evaluate(self._model, X, y, self._loss)

    def write(self) -> None:
        """They always have them."""

    release = write


@no_cycle_collection()  # the decorator, as the graph has to be gone before the collector may look again
def _step(
    run: Run,
    rows: Sequence[int],
    history: History,
    reason_to_stop: Callable[[float], str] | None,
    X: Sequence[Any],
    y: Sequence[Any],
) -> float:
    """One update, θ ← θ − η∇L, unless the loss is a reason to stop; returns the loss before it."""
    try:
        L = run.loss(rows)
        if not hasattr(L, "backward"):
            raise TypeError(f"fit needs a loss that is one Value of the model's parameters, not {type(L).__name__}")
        if not isfinite(L.data):
            raise FloatingPointError(f"the loss is {L.data}")
        history.stopped = reason_to_stop(L.data) if reason_to_stop else ""
        if not history.stopped:
            run.optimizer.zero_grad()
            L.backward()
            run.optimizer.step()
            history.updates += 1
        return float(L.data)
    except (OverflowError, FloatingPointError) as error:
        run.release()
        way_out = _bad_data([X[i] for i in rows], [y[i] for i in rows])
        raise _divergence(str(error), history, run.optimizer, way_out) from error


def _bad_data(X: Sequence[Any], y: Sequence[Any]) -> str:
    """What to do about the first sample or target of a batch that holds inf or nan, if there is one."""
    for what, things in (("sample", X), ("target", y)):
        for thing in things:
            if any(isinstance(x, float) and not isfinite(x) for x in flattened(thing)):
                return (
                    f"Leave out the {what} {text_of(thing)[:60]}, or fill in a number: nothing can be learned from it"
                )
    return ""


def _refuse_growth(loss: float, history: History, optimizer: Any) -> None:
    first = history.loss[0] if history.loss else loss
    if loss > _DIVERGED * max(abs(first), 1.0):
        raise _divergence(f"the loss has grown from {first:.6g} to {loss:.6g}", history, optimizer)


def _divergence(what: str, history: History, optimizer: Optimizer, way_out: str = "") -> DivergenceError:
    """The error of the epoch that is not in the history, as it is not whole."""
    before = f"; the loss was {history.loss[-1]:.6g} in the last whole epoch" if history.loss else ""
    return DivergenceError(
        f"training diverged in epoch {history.epochs}: {what}{before}. "
        + (way_out or f"Lower the learning rate, which is {optimizer.lr:g}, or scale the data"),
        history,
    )


def _record_parameters(history: History, model: Module) -> None:
    for name, p in model.named_parameters():
        path = history.parameters.setdefault(name, [])
        path[history.epochs :] = [
            to_float(p.data, f"parameter {name!r}")
        ]  # in place of the beginning of an epoch that was interrupted
