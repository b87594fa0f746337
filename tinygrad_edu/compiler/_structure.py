"""Arguments, samples and results as flat lists of numbers, and back: lists, tuples, dicts and arrays, in any nesting.

What is done with the numbers is left to `compiled.py` and `training.py`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu._parts import PLAIN
from tinygrad_edu._validate import is_number
from tinygrad_edu.engine import Value

Structure = tuple[Any, ...]  # all of a thing but its numbers: hashable, and equal for things that differ in these alone
Numbers = list[tuple[str, Any]]  # labels, each with a number, a Value or an array
NUMBER: Structure = ("number",)


def split_numbers(thing: Any, label: str, numbers: Numbers, arrays_hold_samples: bool = True) -> Structure:
    """Splits a thing into its structure and its numbers.

    A number is an int, a float or a Value. What is no number, list, tuple, dict or array is a part of the structure.

    Args:
        thing: What is split.
        label: Its name, which the labels of its numbers begin with; "" for a result.
        numbers: The list that its numbers are added to, with their labels.
        arrays_hold_samples: Whether an array of plain numbers is one number, for many samples at once, and a bool is
            none. Otherwise an array holds as many numbers as it has items, and a bool is a number.

    Returns:
        The structure.

    Raises:
        TypeError: A part of the thing has no hash.
        ValueError: The thing holds itself, or its lists are nested some hundred times.
    """
    try:
        return _split(thing, label, numbers, arrays_hold_samples)
    except RecursionError:
        raise ValueError(
            f"{label or 'the result'} is a {type(thing).__name__} that holds itself, or is nested too deep for a "
            "compiled function: give it lists in lists"
        ) from None


def _split(thing: Any, label: str, numbers: Numbers, arrays_hold_samples: bool) -> Structure:
    if isinstance(thing, Value) or (is_number(thing) and not (arrays_hold_samples and isinstance(thing, bool))):
        numbers.append((label, thing))
        return NUMBER
    if arrays_hold_samples and hasattr(thing, "__array__"):
        thing = thing.__array__()
        if not (thing.dtype.hasobject and any(isinstance(item, Value) for item in thing.flat)):
            numbers.append((label, thing))
            return NUMBER
        thing = thing.tolist()
    if isinstance(thing, np.ndarray):
        for index, item in np.ndenumerate(thing):
            numbers.append((label + "".join([f"[{i}]" for i in index]), item))
        return "array", thing.shape
    if isinstance(thing, (list, tuple)):
        items = [_split(item, f"{label}[{i}]", numbers, arrays_hold_samples) for i, item in enumerate(thing)]
        return "sequence", type(thing), *items
    if isinstance(thing, dict):
        items = [_split(item, f"{label}.{name}", numbers, arrays_hold_samples) for name, item in thing.items()]
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
        self._key = (type(thing), thing if type(thing) in PLAIN else id(thing))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def join_numbers(structure: Structure, numbers: Iterator[Any], with_constants: bool = True) -> Any:
    """The thing of that structure with these numbers; without constants, None is in place of each."""
    kind, *parts = structure
    if kind == "number":
        return next(numbers)
    if kind == "constant":
        return parts[0].thing if with_constants else None
    if kind == "array":
        array = np.empty(parts[0], object)
        for index in np.ndindex(parts[0]):
            array[index] = next(numbers)
        return array
    items = [join_numbers(part, numbers, with_constants) for part in parts[1:]]
    if kind == "dict":
        return dict(zip(parts[0], items))
    return parts[0](*items) if hasattr(parts[0], "_fields") else parts[0](items)  # a namedtuple, or list and tuple
