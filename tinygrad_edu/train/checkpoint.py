"""Checkpoints: the state of a run as a file, from which it goes on as if it had never been stopped.

The file is plain JSON and is not trusted: reading one executes nothing, and what does not fit the run is an error that
changes nothing. When to write one is left to `fit.py`.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from tinygrad_edu import _io
from tinygrad_edu._validate import is_number, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import shown
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer

from .history import History, Path


def save(path: Path, settings: dict[str, Any], model: Module, optimizer: Optimizer, history: History) -> None:
    content = {
        "settings": settings,
        "parameters": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": vars(history),
    }
    _io.write_json(path, "checkpoint", content)


def resume(path: Path, settings: dict[str, Any], model: Module, optimizer: Optimizer, history: History) -> None:
    """Takes over everything from a checkpoint; where that fails, model, optimizer and history are as they were."""
    saved = _io.read_json(path, "checkpoint")
    before = model.state_dict()
    try:
        for name, value in settings.items():
            found = _part(_part(saved, "settings", dict), name, object)
            if type(found) is not type(value) or found != value:
                raise ValueError(f"its {name} is {shown(found)}, here it is {value!r}")
        restored = _read_history(_part(saved, "history", dict))
        model.load_state_dict(_part(saved, "parameters", dict))
        optimizer.load_state_dict(_part(saved, "optimizer", dict))
    except (TypeError, ValueError, OverflowError) as error:
        model.load_state_dict(before)
        raise ValueError(f"{path} is not a checkpoint of this run: {error}; remove it to start afresh") from None
    vars(history).update(restored)


def _part(saved: dict[str, Any], name: str, kind: type) -> Any:
    if name not in saved:
        raise ValueError(f"its {name[:60]!r} is missing")
    if not isinstance(saved[name], kind):
        raise ValueError(f"its {name[:60]!r} is {shown(saved[name])}")
    return saved[name]


def _read_history(saved: dict[str, Any]) -> dict[str, Any]:
    def numbers(of: dict[str, Any], name: str, most: int) -> list[float]:
        path = [to_float(x, f"a number of {name[:60]!r}") for x in _part(of, name, list)]
        if len(path) > most:
            raise ValueError(f"its {name[:60]!r} has {len(path)} numbers, more than its {epochs} epochs")
        return path

    epochs, paths = len(_part(saved, "loss", list)), _part(saved, "parameters", dict)
    stopped, updates = _part(saved, "stopped", str), _part(saved, "updates", int)
    if isinstance(updates, bool) or updates < 0:
        raise ValueError(f"its 'updates' are {shown(updates)}")
    if len(_part(saved, "seconds", list)) != epochs:
        raise ValueError(f"its 'seconds' are {len(saved['seconds'])}, of {epochs} epochs")
    return {
        "loss": numbers(saved, "loss", epochs),
        "validation": numbers(saved, "validation", epochs),
        "seconds": numbers(saved, "seconds", epochs),
        "parameters": {name: numbers(paths, name, epochs + 1) for name in paths},
        "updates": updates,
        # a run that met its target is over; one that ran out of epochs, or was told to stop, may go on
        "stopped": stopped if stopped in ("target", "tolerance") else "",
    }


def fingerprint(data: object) -> str:
    """The same text for the same numbers, whatever sequences they are in."""
    import hashlib

    parts = [x.value if isinstance(x, _Bracket) else f"{x}," for x in flattened(data)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


class _Bracket(Enum):
    """Where a sequence begins and ends among the items that `flattened` gives."""

    OPEN, CLOSE = "[", "]"


def flattened(thing: Any) -> Iterator[Any]:
    """All that is in nested sequences, one by one, each sequence between brackets; of a Value its number.

    Any depth will do. Raises `ValueError` for a sequence that holds itself, as it has no end.
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
