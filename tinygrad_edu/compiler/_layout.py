"""Cells of a block as offset and strides: the arithmetic of accesses, on plain arrays of cell numbers.

A line of cells such as 0 1 2 10 11 12 is two nested axes, of lengths 2 and 3, with strides 10 and 1. Which cells a
statement reads, and in what order, is left to `roll.py`.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

Array = Any  # of NumPy
_MOST_AXES = 4  # into which a line of cells may fall


class Axes(NamedTuple):
    """One axis as nested ones, the slowest first: their lengths and strides."""

    lengths: tuple[int, ...]
    strides: tuple[int, ...]


class Affine(NamedTuple):
    """The cells offset + Σ stride · i, each of the axes being nested ones."""

    offset: int
    axes: tuple[Axes, ...]


def to_axes(line: Array) -> Axes | None:
    """A line of cells as nested axes; None where it is not that."""
    lengths: list[int] = []
    strides: list[int] = []
    while len(line) > 1:
        steps = np.diff(line)
        stride = int(steps[0])
        breaks = np.flatnonzero(steps != stride)
        length = int(breaks[0]) + 1 if len(breaks) else len(line)
        if length == 1 or len(line) % length or len(lengths) == _MOST_AXES:
            return None
        rows = line.reshape(-1, length)
        if not (rows == rows[:, :1] + np.arange(length) * stride).all():
            return None
        lengths.insert(0, length)
        strides.insert(0, stride)
        line = rows[:, 0]
    return Axes(tuple(lengths) or (1,), tuple(strides) or (0,))


def to_affine(cells: Array) -> Affine | None:
    """An array of cells, -1 being one that nobody asks for, as strides along its axes; None where it is not that."""
    wanted = cells >= 0
    whole = bool(wanted.all())
    axes = []
    for axis in range(cells.ndim):
        lines = np.moveaxis(cells, axis, -1).reshape(-1, cells.shape[axis])
        found = to_axes(lines[0]) if whole else _to_axes_with_holes(lines)
        if found is None:
            return None
        axes.append(found)
    relative = cells_of(Affine(0, tuple(axes)))
    first = np.unravel_index(int(np.argmax(wanted)), cells.shape)
    offset = int(cells[first] - relative[first])
    if not ((relative + offset == cells) | ~wanted).all() or (relative + offset).min() < 0:
        return None
    return Affine(offset, tuple(axes))


def _to_axes_with_holes(lines: Array) -> Axes | None:
    """The axis that the lines run along: from one without holes, else from two neighbours, else it may be anything."""
    complete = np.flatnonzero((lines >= 0).all(1))
    if len(complete):
        return to_axes(lines[complete[0]])
    at, k = np.nonzero((lines[:, :-1] >= 0) & (lines[:, 1:] >= 0))
    stride = int(lines[at[0], k[0] + 1] - lines[at[0], k[0]]) if len(at) else 0
    return Axes((lines.shape[1],), (stride,))


def cells_of(access: Affine) -> Array:
    """The cells, an array with one axis for each of the access."""
    cells = np.asarray(access.offset)
    for lengths, strides in access.axes:
        line = np.zeros(1, np.int64)
        for length, stride in zip(lengths, strides):
            line = (line[:, None] + np.arange(length) * stride).ravel()
        cells = cells[..., None] + line
    return cells


def common_refinement(shapes: Sequence[Sequence[int]], length: int) -> tuple[int, ...] | None:
    """The fewest nested axes into which each of these shapes, all of one length, can be divided; None for no such."""
    cuts = {1, length}
    for shape in shapes:
        cuts.update(prod(shape[i:]) for i in range(len(shape)))
    fine: list[int] = []
    before = 1
    for cut in sorted(cuts - {1}):
        if cut % before:
            return None
        fine.insert(0, cut // before)
        before = cut
    return tuple(fine) or (1,)


def refine_strides(axes: Axes, fine: Sequence[int]) -> tuple[int, ...]:
    """The strides of an axis along the finer ones that `common_refinement` found."""
    strides: list[int] = []
    rest = [(length, stride) for length, stride in zip(*axes) if length > 1]
    for length in reversed(fine):
        if length == 1:
            strides.insert(0, 0)
            continue
        left, stride = rest.pop()
        strides.insert(0, stride)
        if left > length:
            rest.append((left // length, stride * length))
    return tuple(strides)


def split_at_rows(axes: Axes, shape: Sequence[int]) -> Axes:
    """An axis over a block of that shape, divided where it goes on to the next row of the block."""
    lengths: list[int] = []
    strides: list[int] = []
    rows = [prod(shape[i:]) for i in range(len(shape) - 1, 0, -1)]  # how far it is to the next one, the shortest first
    for length, stride in zip(*axes):
        inner: list[tuple[int, int]] = []
        for row in rows:
            if stride > 0 and row > stride and row % stride == 0 and length * stride > row:
                count = row // stride
                if length % count:
                    break
                inner.insert(0, (count, stride))
                length, stride = length // count, row
        for n, s in [(length, stride), *inner]:
            lengths.append(n)
            strides.append(s)
    return Axes(tuple(lengths), tuple(strides))
