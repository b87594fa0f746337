"""Checkpoints: the state of a run as a file, from which it goes on as if it had never been stopped.

The file is plain JSON and is not trusted: reading one executes nothing, and what does not fit the run is an error that
changes nothing. When to write one is left to `fit.py`.
"""

import os
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from tinygrad_edu import _io
from tinygrad_edu._validate import is_number, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import short_repr
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer

from .best import BestNumbers
from .history import History


class Checkpoint:
    """The file of one run: `settings` are what has to be the same when the run goes on."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: dict[str, Any],
        model: Module,
        optimizer: Optimizer,
        history: History,
        best: BestNumbers | None = None,
    ) -> None:
        self._path, self._settings, self._best = path, settings, best
        self._model, self._optimizer, self._history = model, optimizer, history
        if not {*optimizer.params} <= {*model.parameters()}:
            raise ValueError("the optimizer moves what is no parameter of the model, so a checkpoint cannot keep it")

    def open(self) -> None:
        """Goes on from the file, or makes it: whether it can be written is known before the first epoch."""
        if os.path.exists(_io.require_path(self._path)):
            self._resume()
        else:
            self.save()

    def save(self) -> None:
        """Writes the state of the run, in one step."""
        content = {
            "settings": self._settings,
            "parameters": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "history": vars(self._history),
        }
        if self._best is not None:
            content["best"] = self._best.state_dict()
        _io.write_json(self._path, "checkpoint", content)

    def _resume(self) -> None:
        """Takes over everything from the file; where that fails, model, optimizer and history are as they were."""
        saved = _io.read_json(self._path, "checkpoint")
        before = self._model.state_dict()
        try:
            for name, value in self._settings.items():
                found = _get_entry(_get_entry(saved, "settings", dict), name, object)
                if type(found) is not type(value) or found != value:
                    raise ValueError(f"its {name} is {short_repr(found)}, here it is {value!r}")
            history = _read_history(_get_entry(saved, "history", dict))
            if self._best is not None:
                state = _get_entry(saved, "best", dict)
                self._best.load_state_dict(state, history["validation"], len(self._optimizer.params))
            self._model.load_state_dict(_get_entry(saved, "parameters", dict))
            self._optimizer.load_state_dict(_get_entry(saved, "optimizer", dict))
        except (TypeError, ValueError, OverflowError) as error:
            self._model.load_state_dict(before)
            problem = f"is not a checkpoint of this run: {error}; remove it to start afresh"
            raise ValueError(f"{self._path} {problem}") from None
        vars(self._history).update(history)


def _get_entry(saved: dict[str, Any], name: str, kind: type) -> Any:
    if name not in saved:
        raise ValueError(f"its {name[:60]!r} is missing")
    if not isinstance(saved[name], kind):
        raise ValueError(f"its {name[:60]!r} is {short_repr(saved[name])}")
    return saved[name]


def _read_history(saved: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a `History`."""

    def read_numbers(entries: dict[str, Any], name: str, most: int) -> list[float]:
        numbers = [to_float(x, f"a number of {name[:60]!r}") for x in _get_entry(entries, name, list)]
        if len(numbers) > most:
            raise ValueError(f"its {name[:60]!r} has {len(numbers)} numbers, more than its {epochs} epochs")
        return numbers

    epochs, parameters = len(_get_entry(saved, "loss", list)), _get_entry(saved, "parameters", dict)
    stopped, updates = _get_entry(saved, "stopped", str), _get_entry(saved, "updates", int)
    if isinstance(updates, bool) or updates < 0:
        raise ValueError(f"its 'updates' are {short_repr(updates)}")
    if len(_get_entry(saved, "seconds", list)) != epochs:
        raise ValueError(f"its 'seconds' are {len(saved['seconds'])}, of {epochs} epochs")
    return {
        "loss": read_numbers(saved, "loss", epochs),
        "validation": read_numbers(saved, "validation", epochs),
        "seconds": read_numbers(saved, "seconds", epochs),
        "parameters": {name: read_numbers(parameters, name, epochs + 1) for name in parameters},
        "updates": updates,
        # a run that met its target is over; one that ran out of epochs, or was told to stop, may go on
        "stopped": stopped if stopped in ("target", "tolerance") else "",
    }


def compute_fingerprint(data: object) -> str:
    """A text that is the same for the same numbers, whatever kind of sequences they are in."""
    import hashlib

    parts = [x.value if isinstance(x, _Bracket) else f"{x}," for x in iterate_nested(data)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


class _Bracket(Enum):
    """The beginning or the end of a sequence among the items that `iterate_nested` gives."""

    OPEN, CLOSE = "[", "]"


def iterate_nested(thing: Any) -> Iterator[Any]:
    """The items of nested sequences, one by one, each sequence between brackets; of a Value its number.

    Sequences may be nested to any depth. Raises `ValueError` for a sequence that holds itself, as it has no end.
    """
    begun: dict[int, Any] = {}  # the sequences that have not ended yet, the outermost first
    iterators = [iter([thing])]
    while iterators:
        for item in iterators[-1]:
            if is_number(item):
                yield to_float(item)
            elif isinstance(item, Iterable) and not isinstance(item, str):
                if id(item) in begun:
                    raise ValueError(f"the data has no end: a {type(item).__name__} holds itself")
                begun[id(item)] = item
                iterators.append(iter(item))
                yield _Bracket.OPEN
                break
            else:
                yield item.data if isinstance(item, Value) else item
        else:
            iterators.pop()
            if begun:
                begun.popitem()
                yield _Bracket.CLOSE
