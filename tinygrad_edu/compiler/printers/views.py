"""How an access reads an array: as a slice of it, after a reshape where needed, as windows, or by a table of cells.

Plain numbers about shapes; how they are written is left to the printers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tinygrad_edu.compiler.program import COPY, Access, Array, Block, Part, Scatter, Statement, strides_of

SAMPLE_AXIS = -1  # the axis of samples, in front of axes 0, 1, …


class AxisStep(NamedTuple):
    """How one axis of a statement walks along a dimension of an array."""

    axis: int
    length: int
    step: int


@dataclass
class Dimension:
    """A dimension of an array: where reading starts, and the axes that step along it. Without axes it is one cell."""

    length: int
    start: int = 0
    steps: list[AxisStep] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether one axis walks through all of the dimension."""
        return [step[1:] for step in self.steps] == [(self.length, 1)]


def moving_steps(access: Access, axes: Sequence[int]) -> list[AxisStep]:
    """The axes along which an affine access moves, with their strides."""
    return [AxisStep(a, n, s) for a, (n, s) in enumerate(zip(axes, access.strides)) if n > 1 and s]


def find_dimensions(
    shape: Sequence[int], offset: int, steps: Sequence[AxisStep], shared: bool = False
) -> list[Dimension] | None:
    """The dimensions of an array as an access walks along them; None where it leaves them on its way.

    No two axes go along one dimension, unless it may be `shared`.
    """
    units = strides_of(shape)
    dimensions = [Dimension(n, offset // unit % n) for n, unit in zip(shape, units)]
    for axis, length, stride in sorted(steps, key=lambda step: -abs(step.step)):
        for dimension, unit in zip(dimensions, units):
            if stride % unit == 0 and (shared or not dimension.steps) and dimension.length > 1:
                taken = [*dimension.steps, AxisStep(axis, length, stride // unit)]
                low = dimension.start + sum([min(0, step * (n - 1)) for _, n, step in taken])
                high = dimension.start + sum([max(0, step * (n - 1)) for _, n, step in taken])
                if low >= 0 and high < dimension.length:
                    dimension.steps = taken
                    break
        else:
            return None
    return dimensions


def other_shapes(size: int, offset: int, steps: Sequence[AxisStep]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Other shapes of an array, or of a part of it, in which an access may be slices: where it starts, ends, its shape.

    >>> list(other_shapes(12, 1, [AxisStep(0, 3, 4)]))
    [(0, 12, (3, 4)), (0, 12, (3, 4)), (0, 12, (12,))]
    """
    lengths = sorted([(abs(stride), n) for _, n, stride in steps], reverse=True)
    strides = [stride for stride, _ in lengths]
    if strides and all(a % b == 0 for a, b in pairwise(strides)):
        inner = tuple([a // b for a, b in zip(strides, [*strides[1:], 1])])
        outer, first = strides[0], offset + sum([min(0, stride * (n - 1)) for _, n, stride in steps])
        if size % outer == 0:
            yield 0, size, (size // outer, *(n for n in inner if n > 1))
        rows = lengths[0][1]
        start = min(first, size - rows * outer)
        if start >= 0:
            yield start, start + rows * outer, (rows, *(n for n in inner if n > 1))
    yield 0, size, (size,)


def cell_table(access: Access, axes: Sequence[int]) -> Array:
    """The table of cells that an access leads to, with length 1 along the axes that repeat."""
    import numpy as np

    if access.index is not None:
        return over_axes(access.index, axes)
    table = np.full((1,) * len(axes), access.offset)
    for axis, length, stride in moving_steps(access, axes):
        table = table + (np.arange(length) * stride).reshape([-1 if a == axis else 1 for a in range(len(axes))])
    return table


def over_axes(table: Array, axes: Sequence[int]) -> Array:
    """An index or a mask with a dimension for each axis, of length 1 along the axes that repeat."""
    return table.reshape((1,) * (len(axes) - table.ndim) + table.shape)


def without_table(access: Access, axes: Sequence[int]) -> Access:
    """An access without a table, if the table has only one cell."""
    if access.block.size > 1 and (access.index is None or access.index.size > 1):
        return access
    offset = int(access.index.ravel()[0]) if access.index is not None else access.offset
    return replace(access, strides=(0,) * len(axes), offset=offset, index=None)


def split_scatter(s: Scatter) -> tuple[Statement | None, list[Part]]:
    """A part that covers all cells, as the statement that a scatter begins with; and the parts that are added then."""
    parts = sorted(map(turn_forwards, s.parts), key=lambda part: not covers_block(part, s.out))
    if parts and covers_block(parts[0], s.out):
        return as_statement(parts[0], s.out), parts[1:]
    return None, parts


def as_statement(part: Part, out: Block) -> Statement:
    """A part that covers a block, as a copy: its axes are in the order in which they walk through the block."""
    steps = sorted(moving_steps(part.target, part.axes), key=lambda step: -step.step)
    order = [step.axis for step in steps]
    order += [axis for axis in range(len(part.axes)) if axis not in order]
    axes, source = tuple([part.axes[axis] for axis in order]), part.source

    def in_order(table: Array | None) -> Array | None:
        # laid out as it will be printed: sums over it are rounded in that order
        return None if table is None else over_axes(table, axes).transpose(order).copy()

    strides = tuple([source.strides[axis] for axis in order]) if source.index is None else ()
    source = replace(source, strides=strides, index=in_order(source.index), mask=in_order(source.mask))
    return Statement(out, COPY, (source,), axes, len(order) - len(steps))


def covers_block(part: Part, out: Block) -> bool:
    """Whether a part meets each cell of a block once, walking forwards."""
    if part.target.index is not None or part.target.offset:
        return False
    steps = sorted(moving_steps(part.target, part.axes), key=lambda step: -step.step)
    lengths = [n for _, n, _ in steps]
    return prod(lengths) == out.size and [step for _, _, step in steps] == [*strides_of(lengths)]


def turn_forwards(part: Part) -> Part:
    """A part with its axes turned so that they walk through its target forwards."""
    target, source = without_table(part.target, part.axes), part.source
    for axis, length, stride in moving_steps(target, part.axes):
        if stride < 0:
            target, source = _turn(target, axis, length), _turn(source, axis, length)
    return replace(part, target=target, source=source)


def _turn(access: Access, axis: int, length: int) -> Access:
    """An access that walks along an axis from the end."""
    turn = [slice(None)] * axis + [slice(None, None, -1)]
    index = None if access.index is None else access.index[tuple(turn)]
    mask = None if access.mask is None else access.mask[tuple(turn)]
    strides = tuple([-s if a == axis else s for a, s in enumerate(access.strides)])
    offset = access.offset + (access.strides[axis] * (length - 1) if access.strides else 0)
    return replace(access, strides=strides, offset=offset, index=index, mask=mask)


def slice_text(start: int, length: int, step: int, size: int) -> str:
    """A slice of so many cells of a dimension of that size.

    >>> slice_text(0, 5, 1, 5), slice_text(1, 4, 1, 5), slice_text(4, 5, -1, 5), slice_text(0, 2, 2, 5)
    (':', '1:', '::-1', ':3:2')
    """
    stop = start + step * (length - 1) + (1 if step > 0 else -1)
    if step > 0:
        first, last = str(start or ""), "" if start + step * length >= size else str(stop)
    else:
        first, last = "" if start == size - 1 else str(start), "" if start + step * length < 0 else str(stop)
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


def einsum_letters(axes: Sequence[int]) -> str:
    """The axes as letters of einsum: n is the axis of samples."""
    return "".join(["n" if axis == SAMPLE_AXIS else "ijklmopqrstuvwxyzabcdefgh"[axis] for axis in axes])
