"""Checkpoints: the state of a run as a file, from which it goes on as if it had never been stopped.

The file is lines of JSON. The first says what the run is made of. Each of the others is one writing of the checkpoint:
the epochs since the one before, and the state after them; the last line counts. So one more epoch costs the same at any
time. A program that is killed while it adds a line leaves one that does not end, which is not read. The states that no
longer count are thrown away whenever the file has more than doubled: then it is written anew, in one step.

The file is not trusted: reading one executes nothing, each line has a checksum, and what does not fit the run is an
error that changes nothing. When to write is left to `fit.py`, what a run is made of to `_ingredients.py`.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable
from zlib import crc32

from tinygrad_edu import _io
from tinygrad_edu._validate import to_float
from tinygrad_edu.errors import describe, short_repr
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer, schedule_from_list, schedule_to_list

from ._ingredients import Ingredients
from .best import BestNumbers
from .history import History

FORMAT, VERSION = "tinygrad_edu checkpoint", 2
_PYTHON = "{}.{}".format(*sys.version_info)
_LEAST = 1 << 16  # bytes; states that take less room may stay
_SEAL = '{"crc32": "'


@runtime_checkable
class Stateful(Protocol):
    """A callback that remembers something from epoch to epoch, which a checkpoint keeps."""

    def state_dict(self) -> Any:
        """What it remembers, as plain data for JSON."""

    def load_state_dict(self, state: Any) -> None:
        """Goes on from a `state_dict()`. Raises `ValueError` where that does not fit, and then changes nothing."""


class Checkpoint:
    """The file of one run.

    Args:
        path: The file.
        things: The loss, and what else the run is made of beside the model and the optimizer, each by a name.
        model: The model.
        optimizer: Its optimizer, which moves no other Values.
        history: The history of the run.
        callbacks: The callbacks of the run; what those remember that are `Stateful` is kept.
        best: The numbers of its best epoch; None for a run without patience.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        things: dict[str, Any],
        model: Module,
        optimizer: Optimizer,
        history: History,
        callbacks: Sequence[Callable[[History], object]] = (),
        best: BestNumbers | None = None,
    ) -> None:
        self._path, self._model, self._optimizer, self._history = _io.require_path(path), model, optimizer, history
        self._best = best
        everything: Sequence[object] = callbacks
        self._stateful = [callback for callback in everything if isinstance(callback, Stateful)]
        if not {*optimizer.params} <= {*model.parameters()}:
            raise ValueError("the optimizer moves what is no parameter of the model, so a checkpoint cannot keep it")
        self._made_of = Ingredients({"model": model, "optimizer": optimizer, **things}, trained=model.parameters())
        self._made_of.found["callbacks with a state"] = ", ".join([type(c).__name__ for c in self._stateful]) or "none"
        self._header = seal({"format": FORMAT, "version": VERSION, "python": _PYTHON, "run": self._made_of.found})
        self._saved = 0  # the epochs that the file has
        self._size, self._most = -1, 0  # of the file, in bytes; unknown until it has been written as a whole

    def open(self) -> None:
        """Goes on from the file, or makes it: whether it can be written is known before the first epoch."""
        if os.path.exists(self._path):
            self._resume()
        else:
            self.save()
        if self._made_of.opaque:
            parts = ", ".join([f"{path} (a {kind})" for path, kind in [*self._made_of.opaque.items()][:3]])
            message = f"nobody can see into {parts}: {self._path} goes on with it, even if it is another one by then"
            warnings.warn(message, stacklevel=4)  # past `fit` and its `api_boundary`

    def save(self) -> None:
        """Adds the state of the run to the file, in one step."""
        line = self._state_line(since=self._saved)
        if self._size + len(line) > self._most or not _io.append(self._path, line, self._size):
            content = self._header + self._state_line(since=0)
            _io.write(self._path, content)
            self._size, self._most = len(content), 2 * len(content) + _LEAST
        else:
            self._size += len(line)
        self._saved = self._history.epochs

    def _state_line(self, since: int) -> bytes:
        """The state as a line, with the history from an epoch on."""
        history, schedule = self._history, self._optimizer.schedule
        return seal(
            {
                "since": since,
                "loss": history.loss[since:],
                "validation": history.validation[since:],
                "seconds": history.seconds[since:],
                "recorded": {name: numbers[since:] for name, numbers in history.parameters.items()},
                "updates": history.updates,
                "stopped": history.stopped,
                "parameters": self._model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "lr": schedule_to_list(schedule) or Ingredients({"lr": schedule}).found,
                "callbacks": [_read_state(callback) for callback in self._stateful],
                "best": None if self._best is None else self._best.state_dict(),
            }
        )

    # ---- going on ----------------------------------------------------------------------------------------------------
    def _resume(self) -> None:
        """Takes over everything from the file; where that fails, all is as it was."""
        header, lines = read_lines(self._path)
        model, optimizer, state = self._model, self._optimizer, lines[-1]
        changing: list[Stateful] = [model, optimizer, *self._stateful]
        before = [(thing, thing.state_dict()) for thing in changing]
        schedule = optimizer.schedule
        try:
            self._compare(header, state)
            history = _read_history(lines)
            model.load_state_dict(_get_entry(state, "parameters", dict))
            optimizer.load_state_dict(_get_entry(state, "optimizer", dict))
            remembered = _get_entry(state, "callbacks", list)
            if len(remembered) != len(self._stateful):
                raise ValueError(f"its callbacks are {len(remembered)}, here they are {len(self._stateful)}")
            for callback, entry in zip(self._stateful, remembered):
                callback.load_state_dict(entry)
            self._set_schedule(_get_entry(state, "lr", object))
            if self._best is not None:
                self._best.load_state_dict(
                    _get_entry(state, "best", dict), history["validation"], len(optimizer.params)
                )
        except BaseException as error:
            for thing, old in before:
                thing.load_state_dict(old)
            optimizer.schedule = schedule
            if not isinstance(error, (TypeError, ValueError, OverflowError, LookupError, RecursionError)):
                raise
            problem = f"is not a checkpoint of this run: {error}; remove it to start afresh"
            raise ValueError(f"{self._path} {problem}") from None
        vars(self._history).update(history)
        self._header = seal(header)  # it was made with the learning rate that the run began with
        self._saved = self._history.epochs

    def _compare(self, header: dict[str, Any], state: dict[str, Any]) -> None:
        """Raises `ValueError`, with the first part, unless this run is made of what the file says."""
        saved, here = _get_entry(header, "run", dict), self._made_of.found
        goes_on = schedule_to_list(self._optimizer.schedule) == _get_entry(state, "lr", object)
        for name in {**here, **saved}:
            if goes_on and f"{name}.".startswith("optimizer.lr."):
                continue  # it is still the same optimizer, with the learning rate that a callback has set
            if repr(saved.get(name, _NOTHING)) != repr(here.get(name, _NOTHING)):
                was, now = [short_repr(of[name]) if name in of else "not there" for of in (saved, here)]
                python = header.get("python")
                other = f" (it was written by Python {short_repr(python)})" if python != _PYTHON else ""
                raise ValueError(f"its {name[:100]} is {was}, here it is {now}{other}")
        if _get_entry(state, "recorded", dict).keys() - self._model.state_dict():
            raise ValueError("it has recorded what are no parameters of this model")

    def _set_schedule(self, saved: Any) -> None:
        """Takes over the learning rate, as the callbacks had left it."""
        if isinstance(saved, list):
            if saved != schedule_to_list(self._optimizer.schedule):
                self._optimizer.schedule = schedule_from_list(saved)
        elif saved != Ingredients({"lr": self._optimizer.schedule}).found:
            way_out = "set it again in the callback's load_state_dict"
            raise ValueError(f"its learning rate is a function that a callback had set: {way_out}")


_NOTHING = object()


def _read_state(callback: Stateful) -> Any:
    """What a callback remembers; raises `TypeError` where it would not come back from JSON as it is."""
    state = callback.state_dict()
    if not _is_plain(state):
        plain = "dicts with texts as keys, lists, texts, numbers, True, False and None"
        raise TypeError(f"the state of a callback is made of {plain}; {describe(callback)} has {describe(state)}")
    return state


def _is_plain(thing: Any) -> bool:
    if isinstance(thing, dict):
        return all(isinstance(key, str) and _is_plain(x) for key, x in thing.items())
    if isinstance(thing, list):
        return all(map(_is_plain, thing))
    return thing is None or isinstance(thing, (str, int, float))


def _read_history(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The attributes of a `History`: each line has the epochs since an earlier one."""
    columns: dict[str, list[float]] = {name: [] for name in ("loss", "validation", "seconds")}
    recorded: dict[str, list[float]] = {}
    epochs = 0
    for line in lines:
        since = _get_entry(line, "since", int)
        if not 0 <= since <= epochs:
            raise ValueError(f"its epochs go on from epoch {short_repr(since)}, and it has {epochs}")
        for numbers, entries in [
            *[(columns[name], _get_entry(line, name, list)) for name in columns],
            *[(recorded.setdefault(name, []), entries) for name, entries in _get_entry(line, "recorded", dict).items()],
        ]:
            if not isinstance(entries, list):
                raise ValueError(f"its numbers of an epoch are {short_repr(entries)}")
            numbers[since:] = [to_float(x, "a number of an epoch") for x in entries]
        epochs = len(columns["loss"])
        lengths = {*map(len, (*columns.values(), *recorded.values()))}
        if len(columns["seconds"]) != epochs or not lengths <= {0, epochs}:
            raise ValueError(f"it has {sorted(lengths)} numbers, of {epochs} epochs")
    stopped, updates = _get_entry(lines[-1], "stopped", str), _get_entry(lines[-1], "updates", int)
    if isinstance(updates, bool) or updates < 0:
        raise ValueError(f"its 'updates' are {short_repr(updates)}")
    return {
        **columns,
        "parameters": recorded,
        "updates": updates,
        # a run that met its target is over; one that ran out of epochs, or was told to stop, may go on
        "stopped": stopped if stopped in ("target", "tolerance") else "",
    }


def _get_entry(saved: dict[str, Any], name: str, kind: type) -> Any:
    if name not in saved:
        raise ValueError(f"its {name!r} is missing")
    if not isinstance(saved[name], kind):
        raise ValueError(f"its {name!r} is {short_repr(saved[name])}")
    return saved[name]


# ---- lines -----------------------------------------------------------------------------------------------------------
def seal(content: dict[str, Any]) -> bytes:
    """A line that begins with the checksum of the rest."""
    return _seal_text(json.dumps(content)[1:].encode())


def _seal_text(rest: bytes) -> bytes:
    return f'{_SEAL}{crc32(rest):08x}", '.encode() + rest + b"\n"


def read_lines(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Reads a checkpoint: what the run is made of, and every line of its states; the last one counts.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is no checkpoint, is damaged, or is of another version.
    """
    with open(path, "rb") as file:
        content = file.read()
    if not content.startswith(_SEAL.encode()):
        document = _io.read_json(path, "checkpoint")  # it raises for all but the checkpoints of an earlier version
        raise ValueError(_name_version(path, document))
    *lines, _ = content.split(b"\n")  # what comes after the last end of a line is of a program that was killed
    found: list[dict[str, Any]] = []
    for i, line in enumerate(lines):
        rest = line[len(_SEAL) + len('12345678", ') :]
        if line + b"\n" != _seal_text(rest):
            raise ValueError(f"{path} is not a checkpoint any more: line {i + 1} is damaged, its checksum says")
        try:
            found.append(json.loads(line))
            del found[-1]["crc32"]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a checkpoint: line {i + 1} is no JSON ({str(error)[:80]})") from None
    if len(found) < 2:
        raise ValueError(f"{path} is not a checkpoint: it is cut short")
    header, *states = found
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint: it does not say that it is one")
    if header.get("version") != VERSION:
        raise ValueError(_name_version(path, header))
    return header, states


def _name_version(path: str | os.PathLike[str], document: dict[str, Any]) -> str:
    version = short_repr(document.get("version"))
    return f"{path} has version {version}, this program reads version {VERSION}: remove it to start afresh"
