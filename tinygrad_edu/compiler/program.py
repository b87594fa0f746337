"""The array program: blocks of numbers, and statements over accesses to them. Plain data.

A statement runs over axes. It reads each operand through an access, which says where in a block of numbers each step
along each axis leads; it writes a block of its own, once. How a tape becomes an array program is left to `roll.py`, its
gradient to `vjp.py`, the axis of samples to `samples.py`, its text to `printers/`, and what runs it to `backends/`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from tinygrad_edu.ops import TAKE as TAKE
from tinygrad_edu.ops import TOTAL
from tinygrad_edu.rules import OPS, Op, Unlisted

Array = Any  # of NumPy
Kind = Literal["input", "index", "parameter", "data", "result", "state"]  # a state or stream is read in a loop

COPY = Unlisted("copy", "", lambda m, x: x, 1.0)  # not in the table: what it computes is what it reads
EQUAL = Unlisted("equal", "==", lambda m, a, b: m.equal(a, b), 0.0, 0.0)  # of whole numbers: which row an index chooses
ONE = Unlisted("one", "1", lambda m, x: 1.0, 0.0)  # whatever it reads: its sum over the samples is their number
REDUCTIONS = tuple(op for op in OPS.values() if op.of_two)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """An array of numbers, laid out row by row.

    Attributes:
        name: The name of a leaf, as "W0"; "" for a block that has none.
        shape: Its lengths; () for a single number. An access counts the cells in one line, whatever the shape.
        kind: A leaf ("input", "index" or "parameter"), constants ("data"), what a statement writes ("result"), or what
            a loop passes on or reads row by row ("state").
        samples: Whether there is one such array for each sample.
        data: The numbers of a block of constants.
    """

    name: str
    shape: tuple[int, ...] = ()
    kind: Kind = "result"
    samples: bool = False
    data: Array | None = None

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Where a statement reads: cell offset + Σ strides[a] · i[a] of a block, for each point i of the statement's axes.

    Attributes:
        block: The block that is read.
        strides: For each axis the number of cells from one point to the next; 0 repeats a cell.
        offset: The cell of the first point.
        index: A table of cells, where no strides lead to them; then `strides` is (). Its shape is that of the axes, or
            1 where an axis repeats.
        mask: A table of that kind; where it is False, `fill` is read and no cell.
        fill: The number that is read where the mask is False.
    """

    block: Block
    strides: tuple[int, ...] = ()
    offset: int = 0
    index: Array | None = None
    mask: Array | None = None
    fill: float = 0.0


Operand = Access | float


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a statement comes from.

    Attributes:
        lines: Lines of the user's source, as "moons.py:12".
        operations: The number of scalar operations that the statement stands for.
    """

    lines: tuple[str, ...] = ()
    operations: int = 0


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """out[kept axes] = reduce over the last axes of op(operands[all axes]).

    A product of two operands that is summed over axes is a matrix product, or a batch of them. If an operand is a block
    of samples, the statement also runs over the samples, in front of all axes. TAKE reduces its last axis: operand 0 is
    read where this axis has the number that operand 1, an index, says.

    Attributes:
        out: The block that is written. It has samples if an operand has them and they are not summed.
        op: The operation.
        operands: What is read, or plain numbers: one for each input of the operation.
        axes: The lengths of all axes, the kept ones first.
        reduced: The number of axes that are reduced; they are the last ones.
        reduce: The operation that reduces them, one of `REDUCTIONS`.
        over_samples: Whether the samples are reduced, too.
        origin: Where the statement comes from.
    """

    out: Block
    op: Op
    operands: tuple[Operand, ...]
    axes: tuple[int, ...] = ()
    reduced: int = 0
    reduce: Op = TOTAL
    over_samples: bool = False
    origin: Origin = NOWHERE

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What it reads of blocks."""
        return tuple([x for x in self.operands if isinstance(x, Access)])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is added to a block.

    Attributes:
        axes: The lengths of its axes.
        target: The cells to which numbers are added, over these axes.
        source: The numbers, over the same axes.
    """

    axes: tuple[int, ...]
    target: Access
    source: Access


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Starts with zeros and adds parts to them: the transpose of accesses.

    Attributes:
        out: The block that is written.
        parts: What is added to it. A cell may occur more than once.
        origin: Where the statement comes from.
    """

    out: Block
    parts: tuple[Part, ...]
    origin: Origin = NOWHERE

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What it reads of blocks."""
        return tuple([part.source for part in self.parts])


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """A block that a loop passes on from turn to turn.

    A state of samples for which `initial` or `result` has no samples is the same for all of them.

    Attributes:
        state: The block that a turn reads.
        initial: What the first turn reads in its place, over the axes of `state`.
        result: What a turn makes of it, for the next turn to read.
        final: The block that holds the last result after the loop; None if nobody reads it.
    """

    state: Block
    initial: Operand
    result: Access
    final: Block | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """Statements that are run `turns` times.

    Attributes:
        turns: The number of turns.
        body: The statements of one turn. Other blocks that they read are the same in each turn.
        carried: Blocks that a turn passes on to the next one.
        streams: Pairs (block, access): in turn t the block is row t of the access over (turns, *shape).
        stacked: Pairs (block, outer block): what the block, maybe a state, was in turn t is row t of the outer block.
        backwards: Whether the turns run from the last row to the first.
        origin: Where the loop comes from.
    """

    turns: int
    body: tuple["Statement | Scatter | Loop", ...]
    carried: tuple[Carry, ...] = ()
    streams: tuple[tuple[Block, Access], ...] = ()
    stacked: tuple[tuple[Block, Block], ...] = ()
    backwards: bool = False
    origin: Origin = NOWHERE

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What it reads of the blocks around it, and in its body."""
        starts = [c.initial for c in self.carried if isinstance(c.initial, Access)]
        inside = [a for s in self.body for a in s.accesses]
        return (*starts, *[a for _, a in self.streams], *inside, *[c.result for c in self.carried])


AnyStatement = Statement | Scatter | Loop


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """A result of a program.

    Attributes:
        access: The numbers, read over `shape`.
        shape: Their lengths.
        leaf: For a gradient the leaf that it is the gradient in; None for a value.
    """

    access: Operand
    shape: tuple[int, ...] = ()
    leaf: Block | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A function on arrays.

    Attributes:
        name: The name of the function.
        inputs: The blocks of its arguments.
        parameters: The blocks of its parameters.
        statements: What it computes, in order.
        outputs: Its results, values before gradients.
        places: For each number of the arguments, and then for each parameter, its block and its cell there.
    """

    name: str
    inputs: tuple[Block, ...]
    parameters: tuple[Block, ...]
    statements: tuple[AnyStatement, ...]
    outputs: tuple[Output, ...]
    places: tuple[tuple[Block, int], ...] = ()

    @property
    def leaves(self) -> tuple[Block, ...]:
        """Its inputs, and then its parameters."""
        return (*self.inputs, *self.parameters)

    def blocks(self) -> Iterator[Block]:
        """Finds all blocks that it reads or writes.

        Returns:
            Each block once, leaves first.
        """
        seen: dict[Block, None] = dict.fromkeys(self.leaves)
        for statement in self.statements:
            seen.update(dict.fromkeys([a.block for a in statement.accesses]))
            seen.update(dict.fromkeys(written_blocks(statement)))
        yield from seen


def written_blocks(statement: AnyStatement) -> list[Block]:
    """The blocks that a statement makes for those after it: the one that it writes, or those that a loop leaves."""
    if isinstance(statement, Loop):
        finals = [c.final for c in statement.carried if c.final]
        return [*[outer for _, outer in statement.stacked], *finals]
    return [statement.out]


def whole(block: Block, axes: Sequence[int] | None = None) -> Access:
    """All cells of a block in order, over axes that make up its size (by default its shape)."""
    return Access(block, strides_of(block.shape if axes is None else axes))


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """How far each axis steps in an array that is laid out row by row."""
    return tuple([prod(shape[i + 1 :]) for i in range(len(shape))])
