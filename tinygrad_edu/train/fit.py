"""Training: `fit` repeats θ ← θ − η∇L over batches and epochs until there is a reason to stop, and keeps the history.

Full batch, mini-batches and one sample at a time are one loop with another batch size. What a loss is stands in
`losses.py`, what an update does in `optim.py`, how data is read and split in `data/`.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite, isnan
from time import perf_counter
from typing import Any, Literal, Protocol, TypeAlias

from tinygrad_edu._samples import parallel
from tinygrad_edu._validate import require_function, require_ints, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, describe, short_repr, to_text
from tinygrad_edu.graph import no_cycle_collection
from tinygrad_edu.losses import mse
from tinygrad_edu.modes import no_grad
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import SGD, Optimizer

from ._ingredients import compute_fingerprint, iterate_nested
from .best import BestNumbers
from .checkpoint import Checkpoint
from .feeds import Batch, BatchFeed, SampleFeed
from .history import DivergenceError, History, TrainingInterrupted
from .interrupts import StopTraining, catch_ctrl_c
from .progress import open_progress_bar

Backend: TypeAlias = Literal["numpy", "jax"]
LossFunction: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Any]

# A loss that has grown a millionfold will not come back: tell the user now, not when it overflows after 10³⁰⁸.
_DIVERGED = 1e6


class Executor(Protocol):
    """What computes the losses and the updates of a run: on Values here, on arrays in `compiler/training.py`.

    While it runs, an executor may keep the numbers of the parameters and the optimizer's state in arrays of its own.
    """

    optimizer: Any  # has `zero_grad()`, `step()` and `lr`
    most_steps: int  # that it can take at once, with nobody looking in between
    writes: bool  # whether this process writes the checkpoints, where several train together

    def is_wanted_anywhere(self, wanted: bool) -> bool:
        """Whether one of the processes that train together wants to stop here: all of them stop then, or none."""

    def try_steps(self, batches: Sequence[Sequence[int]]) -> Any:
        """Steps on batches of one size: `losses` before each of them, and `accept()`, which makes them count.

        None where they are to be taken one by one, which also says what is wrong.
        """

    def loss(self, rows: Sequence[int]) -> Any:
        """The loss on these rows of the data: it has `data` and `backward()`, as a Value."""

    def use(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        """From now on rows are those of this data, a batch that comes once."""

    def evaluate(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """The loss on other data, as a plain number."""

    def numbers(self) -> list[float]:
        """The numbers of the optimizer's parameters."""

    def write_back(self) -> None:
        """Writes its numbers to the Values and the optimizer, as code is going to read them."""

    def release(self) -> None:
        """Writes its numbers back, and reads all again before the next step, as code may change anything."""


@api_boundary
def fit(
    model: Module,
    X: Any,
    y: Any = None,
    *,
    loss: LossFunction = mse,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    tol: float | None = None,
    target_loss: float | None = None,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
    callbacks: Sequence[Callable[[History], object]] = (),
    progress: bool | None = None,
    record_parameters: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    compile: bool | Backend = False,  # noqa: A002
) -> History:
    """Trains a model by gradient descent, θ ← θ − η∇L, on n samples X[i] → y[i].

    Each step predicts a batch, computes `loss(predictions, targets)`, goes backward, and lets the optimizer update the
    parameters. With one batch an epoch the loss is known before the update; where it is a reason to stop, the update is
    not made.

    After Ctrl-C the update in progress is finished, then `TrainingInterrupted` is raised; the model keeps what it has
    learned. A second Ctrl-C raises `KeyboardInterrupt` at once.

    Args:
        model: A `Module`, or any function of one sample that returns a prediction.
        X: n samples, one or more, in any sequence, array or frame; sample i is what stands in place i, and is what the
            model takes. Or, without y, batches, each a pair of samples and targets: an iterable that can be gone
            through once each epoch, such as a list or a DataLoader, or a function that makes a new iterator each time.
            An iterator by itself is used up after the first epoch.
        y: n targets, as the loss takes them.
        loss: A function of the predictions and the targets of a batch that returns one Value, as those of `losses` do.
        optimizer: An optimizer of parameters of the model; by default `SGD(model.parameters(), lr=0.01)`.
        epochs: The number of passes over the data, 0 or more.
        batch_size: The number of samples in a batch, 1 or more; None takes all samples at once. Batches of your own
            have their size, and their order.
        shuffle: Whether the samples are shuffled before each epoch. Their order depends on `seed` and the number of the
            epoch alone.
        seed: The seed of the order, an int.
        tol: Stops when the loss of an epoch is not more than `tol` below that of the epoch before.
        target_loss: Stops when the loss of an epoch is `target_loss` or less.
        validation: The pair (X, y) of other data, on which the loss is measured after each epoch.
        patience: Stops when the loss on the validation data has not fallen below its lowest value for so many epochs, 1
            or more. However the run ends, by Ctrl-C as well, what the optimizer moves then gets the numbers of the
            epoch with the lowest one, `history.best_epoch`. None runs on, and keeps the last ones.
        callbacks: Functions that are called with the history after each epoch; one that returns True stops the run.
        progress: Whether to show a progress bar; None shows it in a terminal and in a notebook only.
        record_parameters: Whether the history keeps the numbers of all parameters of all epochs.
        checkpoint: A file for the state of the run: parameters, optimizer, learning rate, history, and what those
            callbacks remember that have `state_dict()` and `load_state_dict(state)`, as `ReduceOnPlateau` does. Where
            the file exists, the run goes on from there; it ends with the very same parameters, bit by bit, as a run
            that was never stopped, on the same version of Python (from 3.12 on `sum` rounds less). A run that met its
            target or tolerance is over; one that was out of patience goes on with more of it. What would change the
            run is an error that names it: other data, another activation, another number in the loss. Attributes of the
            model that are no parameters, and that training changes, are not in the file. Nor is it known whether
            batches of your own are the same ones: give those of the epochs that are left.
        checkpoint_every: The number of epochs between two writings of the checkpoint, 1 or more; it is also written
            after the last epoch.
        compile: Whether to make programs of the model and the loss, which compute a batch at once with NumPy, many
            times faster. The losses are the same but for rounding. The samples must then be numbers, or sequences of
            numbers of one shape. The model must not branch on numbers, draw random numbers, or keep something from call
            to call (see `tinygrad_edu.compile`); a loss that does so is computed on Values. Callbacks may change the
            model and the loss; what gives batches may look at them. With "jax", JAX runs the programs: up to 100
            steps at once, of several epochs where nothing is to be looked at after each; then Ctrl-C and the progress
            bar have their turn.

    Returns:
        The history of the run.

    Raises:
        DivergenceError: The loss is no longer finite, on the validation data neither, or has grown a millionfold; the
            error carries the `history`.
        TrainingInterrupted: Ctrl-C was pressed; the error carries the `history`.
        ValueError: X and y are empty or differ in length; a number is out of range; the optimizer moves none of the
            model's parameters; or the checkpoint is none, or belongs to another run.
        TypeError: An argument has another type. All arguments are checked before the first step.
        ImportError: JAX is asked for, and not installed.

    Example:
        >>> from tinygrad_edu import nn, optim
        >>> model = nn.Linear(1, init="zeros")
        >>> sgd = optim.SGD(model.parameters(), lr=0.5)
        >>> history = fit(model, [[0.0], [1.0]], [1.0, 3.0], optimizer=sgd, epochs=200)
        >>> round(model([2.0]).data, 6)
        5.0
    """
    require_ints(0, epochs=epochs)
    require_ints(1, batch_size=1 if batch_size is None else batch_size, checkpoint_every=checkpoint_every)
    require_ints(None, seed=seed)
    if y is None and (batch_size is not None or shuffle):
        raise ValueError("batch_size and shuffle are for samples: without y, X gives batches as they are")
    feed = BatchFeed(X, epochs) if y is None else SampleFeed(X, y, batch_size, shuffle, seed)
    for name, limit in (("tol", tol), ("target_loss", target_loss)):
        if limit is not None and isnan(to_float(limit, name)):
            raise ValueError(f"{name} is nan, which no loss can reach")
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise TypeError("validation is a pair of samples and targets, (X, y), on which the loss is measured")
        X_validation, y_validation = parallel(**{"validation X": validation[0], "validation y": validation[1]})
    if patience is not None:
        require_ints(1, patience=patience)
        if validation is None:
            raise ValueError("patience needs validation=(X, y), other data on which the loss is to fall")
    callbacks = _require_functions(model, loss, callbacks)
    if not isinstance(model, Module) and (checkpoint is not None or record_parameters):
        raise TypeError(f"to keep the parameters they need names: the model is a Module, not {describe(model)}")
    optimizer = _choose_optimizer(model, optimizer)
    samples, targets = (feed.X, feed.y) if isinstance(feed, SampleFeed) else ([], [])
    executor = _make_executor(compile, model, loss, optimizer, samples, targets)
    history, best = History(), None if patience is None else BestNumbers(patience)
    saved = None
    if checkpoint is not None:
        things = {
            "loss": loss,
            "batch_size": batch_size if batch_size is None else int(batch_size),
            "shuffle": bool(shuffle),
            "seed": int(seed),
            "compile": "jax" if compile == "jax" else bool(compile),  # the losses are the same but for rounding
            "record_parameters": bool(record_parameters),
            "data": "batches" if y is None else compute_fingerprint([samples, targets]),
            "validation": None if validation is None else compute_fingerprint([X_validation, y_validation]),
        }
        saved = Checkpoint(checkpoint, things, model, optimizer, history, callbacks, best)
        saved.open()

    def find_reason_to_stop(loss: float) -> str:
        if target_loss is not None and loss <= target_loss:
            return "target"
        if tol is not None and history.loss and history.loss[-1] - loss <= tol:
            return "tolerance"
        return ""

    at_once = 1  # epochs; more of them where nobody looks in between
    looks = (tol, target_loss, validation, checkpoint, callbacks or None, record_parameters or None)
    if feed.steps and all(thing is None for thing in looks):
        at_once = max(1, executor.most_steps // feed.steps)
    history.stopped = history.stopped or (best.find_reason_to_stop() if best else "")
    start = perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    bar_of_updates = open_progress_bar(
        progress, epochs * feed.steps if feed.steps else None, history.epochs * (feed.steps or 0), unit="update"
    )
    with catch_ctrl_c() as ctrl_c, bar_of_updates as bar:

        def finish_epoch(mean: float) -> None:
            history.stopped = history.stopped or find_reason_to_stop(mean)
            _refuse_growth(mean, history, optimizer)
            if validation is not None:
                history.validation.append(_measure(executor, X_validation, y_validation, history))
            if best is not None:
                best.note(history.validation[-1], executor.numbers)
                history.stopped = history.stopped or best.find_reason_to_stop()
            history.loss.append(mean)
            history.seconds.append(perf_counter() - start)
            if callbacks:
                executor.release()
            answers = [callback(history) for callback in callbacks]
            if any(answer is True for answer in answers):
                history.stopped = history.stopped or "callback"
            is_last = history.stopped or ctrl_c or history.epochs == epochs
            if saved is not None and executor.writes and (is_last or history.epochs % checkpoint_every == 0):
                executor.write_back()
                saved.save()
            bar.set_postfix_str(f"epoch {history.epochs}/{epochs}, loss {mean:.4g}", refresh=False)

        try:
            while not history.stopped and history.epochs < epochs:
                if record_parameters:
                    executor.write_back()
                    _record_parameters(history, model)
                mean, count = 0.0, 0
                numbers = range(history.epochs, min(history.epochs + at_once, epochs))
                of_epochs = ((number, batch) for number in numbers for batch in feed.epoch(number))
                for group in _group(of_epochs, executor.most_steps):
                    if executor.is_wanted_anywhere(bool(ctrl_c)):
                        ctrl_c.append(signal.SIGINT)  # it may have come to another process
                        raise StopTraining
                    samples, targets, rows = group[0][1]
                    look = None
                    if isinstance(feed, BatchFeed):
                        executor.use(samples, targets)
                    elif len(rows) == len(samples):
                        look = find_reason_to_stop
                    losses = _take_steps(executor, [batch for _, batch in group], history, look)
                    for (number, _), L in zip(group, losses):
                        if number > history.epochs:
                            finish_epoch(mean)
                            mean, count = 0.0, 0
                        count += len(rows)
                        mean += len(rows) / count * (L - mean)
                    bar.update(len(group))
                    if isinstance(feed, BatchFeed) and feed.runs_code:
                        executor.write_back()
                finish_epoch(mean)
        except StopTraining:
            pass
        finally:
            executor.release()
    if record_parameters:
        _record_parameters(history, model)
    if best is not None:
        best.restore(optimizer)
    if ctrl_c:
        history.stopped = "interrupted"
        progress_made = f"after {history.epochs} of {epochs} epochs and {history.updates} updates"
        kept = f"has the numbers of epoch {history.best_epoch}, its best" if best else "keeps what it has learned"
        raise TrainingInterrupted(f"training was interrupted {progress_made}; the model {kept}", history)
    history.stopped = history.stopped or "epochs"
    return history


@api_boundary
def evaluate(model: Module, X: Any, y: Any, loss: LossFunction = mse) -> float:
    """Computes the loss of a model on data; no graph is recorded.

    Args:
        model: A `Module`, or any function of one sample.
        X: n samples, one or more, in any sequence, array or frame: sample i is what stands in place i.
        y: n targets, as the loss takes them.
        loss: A function of the predictions and the targets.

    Returns:
        The loss, as a plain float.

    Raises:
        ValueError: X and y are empty, or differ in length.
        TypeError: The loss is not one number.

    Example:
        >>> from tinygrad_edu import nn
        >>> evaluate(nn.Linear(1, init="zeros"), [[1.0], [2.0]], [3.0, 5.0])
        17.0
    """
    X, y = parallel(X=X, y=y)
    with no_grad():
        value = loss([model(x) for x in X], y)
    return to_float(value.data if isinstance(value, Value) else value, "the loss")


def _require_functions(model: Any, loss: Any, callbacks: Any) -> list[Any]:
    """The callbacks in a list, as a generator of them would be used up after the first epoch."""
    if isinstance(model, type):
        raise TypeError(f"the model is the class {model.__name__} itself; make one of it, as in {model.__name__}(1)")
    require_function("the model", model, "nn.Linear(1)")
    require_function("the loss", loss, "loss=losses.mse")
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks is a list of functions, as [print], not {describe(callbacks)}")
    functions = list(callbacks)
    for function in functions:
        require_function("a callback", function, "callbacks=[print]")
    return functions


def _choose_optimizer(model: Any, optimizer: Any) -> Optimizer:
    """The optimizer, or the default one, if it can train the model."""
    if optimizer is None and not hasattr(model, "parameters"):
        raise TypeError("a function has no parameters() of its own: pass an optimizer of those to train, as SGD([w])")
    parameters = model.parameters() if hasattr(model, "parameters") else []
    if optimizer is None:
        return SGD(parameters, lr=0.01)
    if not isinstance(optimizer, Optimizer):
        example = "optim.SGD(model.parameters(), lr=0.1)"
        raise TypeError(f"the optimizer is one of optim.py, as {example}, not {describe(optimizer)}")
    if parameters and {*parameters}.isdisjoint(optimizer.params):
        raise ValueError("the optimizer moves none of the model's parameters: make it of model.parameters()")
    return optimizer


def _make_executor(compile: Any, *ingredients: Any) -> Executor:  # noqa: A002
    """What runs the steps: Values, NumPy or JAX."""
    if compile == "jax":
        try:
            from tinygrad_edu.compiler.jax_training import JaxTraining
        except ImportError:
            raise ImportError("compile='jax' needs JAX: pip install 'tinygrad-edu[jax]'") from None

        return JaxTraining(*ingredients)
    if compile not in (True, False, "numpy"):
        raise ValueError(f"compile is True, False, 'numpy' or 'jax', not {short_repr(compile)}")
    if compile:
        from tinygrad_edu.compiler.training import ArrayTraining

        return ArrayTraining(*ingredients)
    return _ValueExecutor(*ingredients)


class _ValueExecutor:
    """The executor on Values: it builds a graph for each batch, and goes backward through it."""

    most_steps, writes = 1, True

    def __init__(
        self, model: Module, loss: LossFunction, optimizer: Optimizer, X: Sequence[Any], y: Sequence[Any]
    ) -> None:
        self.optimizer = optimizer
        self._model, self._loss, self._X, self._y = model, loss, X, y

    def try_steps(self, batches: Sequence[Sequence[int]]) -> None:
        """One by one, each has a graph."""

    def loss(self, rows: Sequence[int]) -> Any:
        batch, targets = [self._X[i] for i in rows], [self._y[i] for i in rows]
        return self._loss([self._model(x) for x in batch], targets)

    def is_wanted_anywhere(self, wanted: bool) -> bool:
        return wanted

    def use(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        self._X, self._y = X, y

    def evaluate(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        return evaluate(self._model, X, y, self._loss)

    def numbers(self) -> list[float]:
        return [to_float(p.data, f"parameter {p.label or i}") for i, p in enumerate(self.optimizer.params)]

    def write_back(self) -> None:
        """Nothing to do: the Values always have their numbers."""

    release = write_back


def _measure(executor: Executor, X: Sequence[Any], y: Sequence[Any], history: History) -> float:
    """The loss on the validation data, which is a number or the end of the run."""
    try:
        loss = to_float(executor.evaluate(X, y), "the loss")
        if not isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
    except (OverflowError, FloatingPointError) as error:
        executor.release()
        way_out = _find_bad_data(X, y)
        raise _divergence_error(f"on the validation data {error}", history, executor.optimizer, way_out) from error
    return loss


def _group(batches: Iterable[tuple[int, Batch]], most: int) -> Iterator[list[tuple[int, Batch]]]:
    """Batches that follow one another, of the same size, at most so many at once; each with its epoch."""
    group: list[tuple[int, Batch]] = []
    for number, batch in batches:
        if group and len(batch[2]) != len(group[0][1][2]):
            yield group
            group = []
        group.append((number, batch))
        if len(group) == most:  # what gives batches may look at the model: it must not be asked too early
            yield group
            group = []
    if group:
        yield group


def _take_steps(
    executor: Executor,
    batches: Sequence[Batch],
    history: History,
    find_reason_to_stop: Callable[[float], str] | None,
) -> Iterator[float]:
    """An update for each batch, at once if the executor can; gives the losses before them.

    Where the loss may be a reason to stop, there is a single batch.
    """
    samples, targets, _ = batches[0]
    all_rows = [rows for _, _, rows in batches]
    steps = executor.try_steps(all_rows)
    if steps is None:
        for rows in all_rows:
            yield _take_step(executor, rows, history, find_reason_to_stop, samples, targets)
        return
    history.stopped = find_reason_to_stop(steps.losses[0]) if find_reason_to_stop else ""
    if not history.stopped:
        steps.accept()
        history.updates += len(batches)
    yield from steps.losses


@no_cycle_collection()  # the decorator, as the graph has to be gone before the collector may look again
def _take_step(
    executor: Executor,
    rows: Sequence[int],
    history: History,
    find_reason_to_stop: Callable[[float], str] | None,
    X: Sequence[Any],
    y: Sequence[Any],
) -> float:
    """One update, θ ← θ − η∇L, unless the loss is a reason to stop; returns the loss before it."""
    try:
        L = executor.loss(rows)
        if not hasattr(L, "backward"):
            raise TypeError(f"fit needs a loss that is one Value of the model's parameters, not {type(L).__name__}")
        if not isfinite(L.data):
            raise FloatingPointError(f"the loss is {L.data}")
        history.stopped = find_reason_to_stop(L.data) if find_reason_to_stop else ""
        if not history.stopped:
            executor.optimizer.zero_grad()
            L.backward()
            executor.optimizer.step()
            history.updates += 1
        return float(L.data)
    except (OverflowError, FloatingPointError) as error:
        executor.release()
        way_out = _find_bad_data([X[i] for i in rows], [y[i] for i in rows])
        raise _divergence_error(str(error), history, executor.optimizer, way_out) from error


def _find_bad_data(X: Sequence[Any], y: Sequence[Any]) -> str:
    """What to do about the first sample or target of a batch that holds inf or nan; "" where there is none."""
    for what, things in (("sample", X), ("target", y)):
        for thing in things:
            if any(isinstance(x, float) and not isfinite(x) for x in iterate_nested(thing)):
                bad = f"the {what} {to_text(thing)[:60]}"
                return f"Leave out {bad}, or fill in a number: nothing can be learned from it"
    return ""


def _refuse_growth(loss: float, history: History, optimizer: Any) -> None:
    first = history.loss[0] if history.loss else loss
    if loss > _DIVERGED * max(abs(first), 1.0):
        raise _divergence_error(f"the loss has grown from {first:.6g} to {loss:.6g}", history, optimizer)


def _divergence_error(what: str, history: History, optimizer: Optimizer, way_out: str = "") -> DivergenceError:
    """The error of the epoch in progress, which is not in the history."""
    before = f"; the loss was {history.loss[-1]:.6g} in the last whole epoch" if history.loss else ""
    return DivergenceError(
        f"training diverged in epoch {history.epochs}: {what}{before}. "
        + (way_out or f"Lower the learning rate, which is {optimizer.lr:g}, or scale the data"),
        history,
    )


def _record_parameters(history: History, model: Module) -> None:
    for name, p in model.named_parameters():
        numbers = history.parameters.setdefault(name, [])
        del numbers[history.epochs :]  # the entry of an epoch that was interrupted, if there is one
        numbers.append(to_float(p.data, f"parameter {name!r}"))
