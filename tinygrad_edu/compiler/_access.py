"""The arithmetic of accesses: the same cells over other axes, in another order, or which ones they are.

What is read where is left to those who make programs: `vjp.py` for gradients, `samples.py` for the axis of samples.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .program import Access, Block, Operand, strides_of

Array = Any  # of NumPy


def count_axes(access: Access) -> int:
    """How many axes an access is over."""
    return len(access.strides) if access.index is None else int(access.index.ndim)


def cells_of(access: Access, axes: Sequence[int]) -> Array:
    """The cells that an access leads to, in the shape of the axes, or 1 where it repeats."""
    if access.index is not None:
        return access.index
    found = np.full((1,) * len(axes), access.offset)
    for axis, length in enumerate(axes):
        if moves_along(access, axes, axis):
            line = np.arange(length) * access.strides[axis]
            found = found + line.reshape([-1 if i == axis else 1 for i in range(len(axes))])
    return found


def moves_along(access: Access, axes: Sequence[int], axis: int) -> bool:
    """Whether an axis leads to other cells."""
    if access.index is not None:
        return bool(access.index.shape[axis] > 1)
    return axes[axis] > 1 and access.strides[axis] != 0


def varies_along(operand: Operand, axes: Sequence[int], axis: int) -> bool:
    """Whether what is read may differ along an axis."""
    if not isinstance(operand, Access):
        return False
    return moves_along(operand, axes, axis) or (operand.mask is not None and bool(operand.mask.shape[axis] > 1))


def reads_in_order(access: Access, axes: Sequence[int]) -> bool:
    """Whether an access reads all cells of its block, one after the other."""
    if access.index is not None or access.mask is not None or access.offset:
        return False
    steps = zip(axes, access.strides, strides_of(axes))
    return prod(axes) == access.block.size and all(n == 1 or stride == step for n, stride, step in steps)


def reads_all(access: Access, axes: Sequence[int]) -> bool:
    """Whether an access reads all cells of its block, each as often, in any order."""
    if access.index is not None or access.mask is not None:
        return False
    steps = sorted([(abs(s), n, s) for n, s in zip(axes, access.strides) if n > 1 and s], reverse=True)
    lengths = [n for _, n, _ in steps]
    first = access.offset + sum((n - 1) * s for _, n, s in steps if s < 0)
    return first == 0 and prod(lengths) == access.block.size and [s for s, _, _ in steps] == [*strides_of(lengths)]


def rearrange(access: Access, chosen: Sequence[int | None]) -> Access:
    """An access over other axes: which of its own each of them is; None for one along which it repeats.

    It must not vary along those that are left out.
    """
    if [*chosen] == [*range(count_axes(access))]:
        return access
    kept = [axis for axis in chosen if axis is not None]
    new = tuple([i for i, axis in enumerate(chosen) if axis is None])

    def arranged(array: Array) -> Array:
        if array is None:
            return None
        left_out = [axis for axis in range(array.ndim) if axis not in kept]
        return np.expand_dims(array.transpose([*left_out, *kept])[(0,) * len(left_out)], new)

    strides = () if access.index is not None else tuple([0 if i is None else access.strides[i] for i in chosen])
    index, mask = arranged(access.index), arranged(access.mask)
    return Access(access.block, strides, access.offset, index, mask, access.fill)


def flip(access: Access, axis: int, length: int) -> Access:
    """The same cells, the last along an axis first."""

    def turned(array: Array) -> Array:
        return None if array is None else np.flip(array, axis)

    if access.index is not None:
        return replace(access, index=turned(access.index), mask=turned(access.mask))
    stride = access.strides[axis]
    strides = (*access.strides[:axis], -stride, *access.strides[axis + 1 :])
    return replace(access, strides=strides, offset=access.offset + (length - 1) * stride, mask=turned(access.mask))


def reshape(operand: Operand, old: Sequence[int], new: Sequence[int]) -> Operand | None:
    """The same cells in the same order over other axes, those behind the old ones as they are; None if it needs a copy.

    Axes that lead on where the next one ends are one; each new axis must be a part of one.
    """
    if not isinstance(operand, Access) or tuple(old) == tuple(new):
        return operand
    if operand.index is not None or operand.mask is not None:
        return None
    joined: list[tuple[int, int]] = []  # length and stride
    for length, stride in zip(old, operand.strides):
        if length == 1:
            continue
        if joined and joined[-1][1] == length * stride:
            joined[-1] = (joined[-1][0] * length, stride)
        else:
            joined.append((length, stride))
    strides: list[int] = []
    for length in reversed(new):
        if length == 1:
            strides.insert(0, 0)
            continue
        whole, stride = joined.pop()
        if whole % length:
            return None
        strides.insert(0, stride)
        if whole > length:
            joined.append((whole // length, stride * length))
    return replace(operand, strides=(*strides, *operand.strides[len(old) :]))


def mask_out(access: Access, mask: Array) -> Access:
    """An access that reads 0.0 where a mask is False."""
    return replace(access, mask=mask, fill=0.0)


def repeat_over(block: Block, axes: Sequence[int], kept: Sequence[int]) -> Access:
    """A block laid out over some of the axes, read over all of them."""
    steps = dict(zip(kept, strides_of([axes[i] for i in kept])))
    return Access(block, tuple([steps.get(i, 0) if n > 1 else 0 for i, n in enumerate(axes)]))
