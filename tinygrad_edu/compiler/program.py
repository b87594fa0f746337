"""The array program: blocks of numbers, and statements over accesses to them. Plain data.

A statement runs over axes. It reads each operand through an access, which says where in a block of numbers each step
along each axis leads; it writes a block of its own, once. How a tape becomes an array program is left to `roll.py`, its
gradient to `vjp.py`, the axis of samples to `samples.py`, its text to `printers/`, and what runs it to `backends/`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from tinygrad_edu.ops import TAKE as TAKE  # its rule is beside that of detach
from tinygrad_edu.rules import OPS, Op, Unlisted

Array = Any  # of NumPy
Kind = Literal["input", "index", "parameter", "data", "result", "state"]  # a state or stream is read in a loop

COPY = Unlisted("copy", "", lambda m, x: x, 1.0)  # not in the table: what it computes is what it reads
EQUAL = Unlisted("equal", "==", lambda m, a, b: m.equal(a, b), 0.0, 0.0)  # of whole numbers: which row an index chooses
ONE = Unlisted("one", "1", lambda m, x: 1.0, 0.0)  # whatever it reads: its sum over the samples is their number
TOTAL, MUL, ADD = OPS["total"], OPS["mul"], OPS["add"]
REDUCTIONS = tuple(OPS[name] for name in ("total", "largest", "smallest", "logsumexp"))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """An array of numbers, laid out row by row. Its shape is how it is shown: an access counts its cells in one line.

    With `samples` there is one such array for each sample. `data` are the numbers of a block of constants.
    """

    name: str
    shape: tuple[int, ...] = ()
    kind: Kind = "result"
    samples: bool = False
    data: Array | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Where a statement reads: cell offset + Σ strides[a] · i[a] of a block, for each point i of the statement's axes.

    A stride of 0 repeats. Where no strides lead to the cells, `index` holds their numbers, in the shape of the axes (or
    1 where an axis repeats), and the strides are (). Where `mask`, of that shape, is False, `fill` is read.
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
    """Where a statement comes from: lines of the user's source, and how many scalar operations it stands for."""

    lines: tuple[str, ...] = ()
    operations: int = 0


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """out[kept axes] = reduce over the last axes of op(operands[all axes]).

    `axes` are the lengths, the kept ones first; the last `reduced` of them are reduced by the operation `reduce`, one
    of `REDUCTIONS`. A product of two operands that is summed over axes is a matrix product, or a batch of them. Where
    an operand is a block of samples, the statement runs over the samples, too, in front of all axes, and `out` has
    them, unless `over_samples` says that they are summed as well. TAKE reduces its last axis: operand 0 is read where
    that axis has the number that operand 1, an index, says.
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
        return tuple([x for x in self.operands if isinstance(x, Access)])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is added to a block: numbers read through `source` go to the cells that `target` leads to, over `axes`."""

    axes: tuple[int, ...]
    target: Access
    source: Access


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """out = 0, and then each part is added to it: the transpose of accesses. A cell may be met more than once."""

    out: Block
    parts: tuple[Part, ...]
    origin: Origin = NOWHERE

    @property
    def accesses(self) -> tuple[Access, ...]:
        return tuple([part.source for part in self.parts])


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """A block that a loop takes from turn to turn: `state` is read in a turn, `result` (of the turn) is the next one.

    It starts with what `initial` reads, over the axes of `state`; `final`, if there is one, is what is left at the end.
    A state of samples of which `initial` or `result` has none is the same for all of them.
    """

    state: Block
    initial: Operand
    result: Access
    final: Block | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """Statements that are run `turns` times. What they read and do not write is the same in each turn, but for these:

    - `carried`: blocks that a turn passes on to the next one;
    - `streams`: (block, access) pairs: in turn t the block is row t of the access over (turns, *shape);
    - `stacked`: (block, outer block) pairs: what the block, maybe a state, was in turn t is row t of the outer one.

    With `backwards` turns run from the last row to the first.
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


Any_Statement = Statement | Scatter | Loop


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """A result: numbers of a block, read over `shape`; where it is a gradient, `leaf` is the block in which."""

    access: Operand
    shape: tuple[int, ...] = ()
    leaf: Block | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A function on arrays: its leaves, its statements in order, and its outputs.

    `inputs` and `parameters` are blocks; `places` say where the numbers of the arguments, and then the parameters, of
    the function go, one after the other: the block and the cell in it.
    """

    name: str
    inputs: tuple[Block, ...]
    parameters: tuple[Block, ...]
    statements: tuple[Any_Statement, ...]
    outputs: tuple[Output, ...]
    places: tuple[tuple[Block, int], ...] = ()

    def blocks(self) -> Iterator[Block]:
        """All that it reads and writes, each once, leaves first."""
        seen: dict[Block, None] = dict.fromkeys((*self.inputs, *self.parameters))
        for statement in self.statements:
            seen.update(dict.fromkeys([a.block for a in statement.accesses]))
            seen.update(dict.fromkeys(written(statement)))
        yield from seen


def written(statement: Any_Statement) -> list[Block]:
    """The blocks that the statements after this one can read: its own, or those that a loop leaves."""
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
