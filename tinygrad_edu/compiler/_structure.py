"""Arguments and results as flat lists of numbers, and back: lists, tuples and dicts of them, nested in any way."""

from collections.abc import Iterator
from typing import Any

from tinygrad_edu._validate import is_number
from tinygrad_edu.engine import Value

Structure = tuple[Any, ...]  # all of a thing but its numbers: hashable, and equal for things that differ in these alone
NUMBER: Structure = ("number",)


def flattened(thing: Any, label: str, numbers: list[tuple[str, Any]]) -> Structure:
    """The structure of a thing; its numbers are added to the list, with labels.

    A number is an int, a float, a Value, or an array of numbers; an array of Values is a list. What is none of these,
    also a bool, is a part of the structure. Raises `TypeError` for what has no hash, `ValueError` for lists that are
    nested some hundred times.
    """
    try:
        return _flattened(thing, label, numbers)
    except RecursionError:
        raise ValueError(
            f"{label or 'the result'} is a {type(thing).__name__} that holds itself, or is nested too deep for a "
            "compiled function: give it lists in lists"
        ) from None


def _flattened(thing: Any, label: str, numbers: list[tuple[str, Any]]) -> Structure:
    if isinstance(thing, Value) or (is_number(thing) and not isinstance(thing, bool)):
        numbers.append((label, thing))
        return NUMBER
    if hasattr(thing, "__array__"):
        thing = thing.__array__()
        if not (thing.dtype.hasobject and any(isinstance(item, Value) for item in thing.flat)):
            numbers.append((label, thing))
            return NUMBER
        thing = thing.tolist()
    if isinstance(thing, (list, tuple)):
        return "sequence", type(thing), *[_flattened(item, f"{label}[{i}]", numbers) for i, item in enumerate(thing)]
    if isinstance(thing, dict):
        items = [_flattened(item, f"{label}.{name}", numbers) for name, item in thing.items()]
        return "dict", tuple(thing), *items
    try:
        hash(thing)
    except TypeError:
        raise TypeError(
            f"{label or 'the result'} is a {type(thing).__name__}: a compiled function takes and returns numbers, "
            "lists, tuples and dicts of them, and constants that have a hash"
        ) from None
    return "constant", Constant(thing)


class Constant:
    """A part of a structure that is no number. Two objects are two, even where they say that they are equal."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        is_plain = thing is None or type(thing) in (str, bytes, bool, complex)
        self._key = (type(thing), thing if is_plain else id(thing))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def rebuilt(structure: Structure, numbers: Iterator[Any], constants: bool = True) -> Any:
    """The thing of that structure with these numbers; without `constants`, None is in place of all else."""
    kind, *parts = structure
    if kind == "number":
        return next(numbers)
    if kind == "constant":
        return parts[0].thing if constants else None
    items = [rebuilt(part, numbers, constants) for part in parts[1:]]
    if kind == "dict":
        return dict(zip(parts[0], items))
    return parts[0](*items) if hasattr(parts[0], "_fields") else parts[0](items)  # a namedtuple, or list and tuple
