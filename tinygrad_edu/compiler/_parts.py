"""Samples, targets and predictions as numbers in rows, and back: lists, tuples, dicts and arrays of them, nested.

What is done with the numbers is left to `training.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu._validate import is_number
from tinygrad_edu.engine import Value

from ._snapshot import Snapshot

Array = Any  # of NumPy
Structure = tuple[Any, ...]  # all of a thing but its numbers: equal for things that differ in these alone
NUMBER: Structure = ("number",)


def apart(thing: Any, label: str, numbers: list[tuple[str, Any]]) -> Structure:
    """The structure of a thing; its numbers and Values are added to the list, with labels.

    Raises `TypeError` for what has no hash and is no list, tuple, dict or array.
    """
    if isinstance(thing, Value) or is_number(thing):
        numbers.append((label, thing))
        return NUMBER
    if isinstance(thing, np.ndarray):
        for place, item in np.ndenumerate(thing):
            numbers.append((label + "".join([f"[{i}]" for i in place]), item))
        return "array", thing.shape
    if isinstance(thing, (list, tuple)):
        return "sequence", type(thing), *[apart(item, f"{label}[{i}]", numbers) for i, item in enumerate(thing)]
    if isinstance(thing, dict):
        return "dict", tuple(thing), *[apart(item, f"{label}.{name}", numbers) for name, item in thing.items()]
    hash(thing)
    return "constant", thing


def together(structure: Structure, numbers: Iterator[Any]) -> Any:
    """The thing of that structure with these numbers; an array of them is one of objects."""
    kind, *parts = structure
    if kind == "number":
        return next(numbers)
    if kind == "constant":
        return parts[0]
    if kind == "array":
        array = np.empty(parts[0], object)
        for place in np.ndindex(parts[0]):
            array[place] = next(numbers)
        return array
    items = [together(part, numbers) for part in parts[1:]]
    if kind == "dict":
        return dict(zip(parts[0], items))
    return parts[0](*items) if hasattr(parts[0], "_fields") else parts[0](items)  # a namedtuple, or list and tuple


@dataclass(frozen=True)
class Rows:
    """Some samples, or some targets: `numbers` has a row for each, or is None where `problem` says what they are.

    `things` are they as they were given; `structure` and `labels` are those of the first one, `ints` says which of its
    numbers are ints.
    """

    things: Sequence[Any]
    numbers: Array  # or None
    structure: Structure
    labels: tuple[str, ...]
    ints: tuple[bool, ...]
    problem: str = ""
    is_all: bool = False  # there are, in order

    @property
    def key(self) -> Any:
        """Equal for those that a program can be shared by."""
        return self.structure, self.ints

    def __len__(self) -> int:
        return len(self.things)

    def example(self, i: int) -> list[tuple[str, Any]]:
        """The numbers of one of them, with their labels; ints where the first one has ints."""
        assert self.numbers is not None
        row = self.numbers[i].tolist()
        return [(label, int(x) if is_int else x) for label, x, is_int in zip(self.labels, row, self.ints)]


class Table:
    """All samples, or all targets, from which batches are taken.

    `is_plain` says that they are lists and arrays of plain numbers, so that to take some runs no code of a user's; then
    they are read once, until `read_again`.
    """

    def __init__(self, things: Sequence[Any]) -> None:
        self.things = things
        self._version = 0
        self._last: Snapshot | None = None
        self.read_again()

    def read_again(self) -> None:
        """For somebody may have changed them."""
        self.is_plain = _is_plain(self.things)
        self._order = [*range(len(self.things))]
        self._all = replace(self._rows([*self.things]), is_all=True) if self.is_plain else None
        self._snapshot: Snapshot | None = None

    def version(self) -> int:
        """Another number whenever they are not what they were when this was asked before."""
        if self._snapshot is None:
            self._snapshot = Snapshot(self.things)
            if self._last is None or self._snapshot.difference(self._last):
                self._version += 1
            self._last = self._snapshot
        return self._version

    def rows(self, which: Sequence[int]) -> Rows:
        """Those of these numbers."""
        if self._all is None:
            return self._rows([self.things[i] for i in which])
        if [*which] == self._order:
            return self._all
        numbers = None if self._all.numbers is None else self._all.numbers[which]
        return replace(self._all, things=[self.things[i] for i in which], numbers=numbers, is_all=False)

    def _rows(self, things: Sequence[Any]) -> Rows:
        first: list[tuple[str, Any]] = []
        try:
            structure = apart(things[0], "", first)
            table = np.array([*things])
        except (TypeError, ValueError):  # it has no hash, or they differ
            return Rows(things, None, (), (), (), "of one shape")
        labels = tuple([label for label, _ in first])
        ints = tuple([isinstance(x, (int, np.integer)) and not isinstance(x, bool) for _, x in first])
        if table.dtype.kind not in "fiub" or table.size != len(things) * len(first):
            return Rows(things, None, structure, labels, ints, f"that are numbers, not {table.dtype}")
        return Rows(things, table.astype(float).reshape(len(things), len(first)), structure, labels, ints)


_PLAIN = (float, int, bool, str, bytes, type(None), *{*np.sctypeDict.values()})


def _is_plain(thing: Any) -> bool:
    """Whether to look into a thing runs no code of a user's."""
    level = [thing]
    while level:
        kinds = {*map(type, level)}
        if kinds <= {np.ndarray}:
            return not any(array.dtype.hasobject for array in level)
        if kinds.issubset(_PLAIN):
            return True
        if not kinds <= {list, tuple}:
            return False
        level = [item for items in level for item in items]
    return True
