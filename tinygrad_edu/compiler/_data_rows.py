"""Samples and targets as numbers in rows.

How a sample is split into numbers is left to `_structure.py`, what is done with the rows to `training.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu._parts import PLAIN

from ._snapshot import Snapshot
from ._structure import Numbers, Structure, split_numbers

Array = Any  # of NumPy


@dataclass(frozen=True)
class Rows:
    """Some samples, or some targets, with a row of numbers for each.

    Where they have no such rows, `numbers` is None, and `problem` says what they would have to be.
    """

    all_things: Sequence[Any]  # as they were given
    which: Sequence[int]  # of them are in the rows
    numbers: Array  # or None
    structure: Structure  # of the first one
    labels: tuple[str, ...]  # of its numbers
    ints: tuple[bool, ...]  # which of its numbers are ints
    problem: str = ""
    is_all: bool = False  # whether these are all that there are, in order

    @property
    def key(self) -> Any:
        """Equal for rows that can share a program."""
        return self.structure, self.ints

    @property
    def things(self) -> Sequence[Any]:
        """The samples or targets of these rows, as they were given. A program does not need them."""
        return self.all_things if self.is_all else [self.all_things[i] for i in self.which]

    def __len__(self) -> int:
        return len(self.which)

    def example(self, i: int) -> list[tuple[str, Any]]:
        """The numbers of row i, with their labels; ints where the first row has ints."""
        assert self.numbers is not None
        row = self.numbers[i].tolist()
        return [(label, int(x) if is_int else x) for label, x, is_int in zip(self.labels, row, self.ints)]


class DataRows:
    """All samples, or all targets, from which batches are taken.

    Where they are plain they are read once, until `read_again`. Of a batch that `comes_once`, no rows are said to be
    all that there are. A file that NumPy maps to memory, and that nobody can write to, is not read: who asks for rows
    reads these.
    """

    def __init__(self, things: Sequence[Any], comes_once: bool = False) -> None:
        self.things, self._comes_once = things, comes_once
        self._version, self._is_read = 0, False
        self._last: Snapshot | None = None
        self.read_again()

    def read_again(self) -> None:
        """Reads them again where they are asked for: somebody may have changed them."""
        self._is_read = self._is_read and _is_mapped_file(self.things)
        self._snapshot: Snapshot | None = None

    @property
    def is_plain(self) -> bool:
        """Whether they are lists and arrays of plain numbers, so that taking some runs no code of the user's."""
        if not self._is_read:
            self._is_read, plain = True, _is_plain(self.things)
            self._order = [*range(len(self.things))]
            self._all = replace(self._rows(self._order), is_all=not self._comes_once) if plain else None
        return self._all is not None

    @property
    def all_numbers(self) -> Array:
        """The numbers of all rows; None where they are not plain, or no numbers."""
        return self._all.numbers if self.is_plain and self._all else None

    def version(self) -> int:
        """A number that changes whenever the things have changed since the last call."""
        if self._snapshot is None:
            self._snapshot = Snapshot(self.things)
            if self._last is None or self._snapshot.difference(self._last):
                self._version += 1
            self._last = self._snapshot
        return self._version

    def rows(self, which: Sequence[int]) -> Rows:
        """The rows of these numbers."""
        if not self.is_plain or self._all is None:
            return self._rows(which)
        if len(which) == len(self._order) and [*which] == self._order:
            return self._all
        numbers = None if self._all.numbers is None else self._all.numbers[which]
        return replace(self._all, which=which, numbers=numbers, is_all=False)

    def _rows(self, which: Sequence[int]) -> Rows:
        first: Numbers = []
        things: Any = self.things
        try:
            if not _is_mapped_file(things):
                things = [things[i] for i in which]
            structure = split_numbers(things[0], "", first, arrays_hold_samples=False)
            table = np.asarray(things)
        except (TypeError, ValueError):  # it has no hash, or they differ
            return Rows(things, range(len(things)), None, (), (), (), "of one shape")
        labels = tuple([label for label, _ in first])
        ints = tuple([isinstance(x, (int, np.integer)) and not isinstance(x, bool) for _, x in first])
        if table.dtype.kind not in "fiub" or table.size != len(things) * len(first):
            return Rows(
                things, range(len(things)), None, structure, labels, ints, f"that are numbers, not {table.dtype}"
            )
        numbers = table.astype(float, copy=False).reshape(len(things), len(first))
        return Rows(things, range(len(things)), numbers, structure, labels, ints)


def _is_mapped_file(things: Any) -> bool:
    """Whether it is an array in a file that is mapped to memory, and that nobody can write to through an array."""
    base = things
    while type(base) is np.ndarray and not base.flags.writeable:
        base = base.base
    return base is not things and isinstance(base, np.memmap) and base.mode == "r"


_PLAIN_NUMBERS = PLAIN.union(np.sctypeDict.values())


def _is_plain(thing: Any) -> bool:
    """Whether a look into a thing runs no code of the user's."""
    level = [thing]
    while level:
        kinds = {*map(type, level)}
        if kinds == {np.ndarray}:
            return not any(array.dtype.hasobject for array in level)
        if kinds <= _PLAIN_NUMBERS:
            return True
        if not kinds <= {list, tuple}:
            return False
        level = [item for items in level for item in items]
    return True
