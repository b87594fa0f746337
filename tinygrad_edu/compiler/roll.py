"""Rolling: a scalar tape becomes an array program that computes the same.

Operations of one kind that can run together become one statement over blocks. Its members are laid out so that what
they read is found by strides: in the layout of the block that they read most of, else in the order of the tape, else in
the order of what they read. Dot products whose left rows and right rows are combined with each other are a matrix
product. How sums are found is left to `_sums.py`, what can run together to `_schedule.py`, the arithmetic of strides to
`_layout.py`, repeated runs of operations to `_loops.py` and `_bodies.py`, names of leaves to `_leaves.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise, product
from math import isfinite, isnan, nan, prod
from sys import float_info
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_edu.errors import ARITHMETIC_ERRORS
from tinygrad_edu.ops import ADD, DOT, MUL, TOTAL
from tinygrad_edu.rules import FLOATS, Op

from ._bodies import Body
from ._layout import Affine, Axes, cells_of, common_refinement, refine_strides, split_at_rows, to_affine, to_axes
from ._leaves import array_and_cell, leaf_blocks
from ._loops import Turns, find_loops, order_in_stages
from ._schedule import schedule
from ._sums import Graph, gather_sums
from .program import (
    COPY,
    TAKE,
    Access,
    Block,
    Operand,
    Origin,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    strides_of,
    whole,
)
from .tape import Tape

Array = Any  # of NumPy
T = TypeVar("T")
_Row = tuple[int, list[int], list[int]]  # a dot, its left factors, and its right ones
_FEW = 3  # of one number and constants: that many products with it stay by themselves
_NOWHERE = -2.0  # the rank of a node that has no place yet
_HOLE = -1  # in a list of nodes: none
_OF_NODES = (-1.0, 0.5)  # some numbers that an operation reads which nodes are made of, too
_ANY = (*_OF_NODES, 0.0)  # some that may stand in a cell that is no node
_EXTREMES = (-float_info.max, 0.0, float_info.max)  # a bound, as of a maximum, and a choice do not hold for all of them
_SAFE = (0.5, 2.0)  # of which one is in the domain of each operation
_MOST_OPERANDS = 4  # of which all combinations are tried


def roll(tape: Tape) -> Program:
    """The array program of a tape."""
    graph = gather_sums(tape)
    first = len(tape.inputs)
    indices = {inputs[-1] for op, inputs in zip(graph.ops, graph.inputs) if op is TAKE}
    labels = [graph.labels[leaf] for leaf in graph.leaves]
    blocks = leaf_blocks(labels, first, [leaf in indices for leaf in graph.leaves])
    inputs = list(dict.fromkeys(block for block, _ in blocks[:first]))
    parameters = list(dict.fromkeys(block for block, _ in blocks[first:]))
    roller = Roller(graph, [*parameters, *inputs], len(parameters))
    for leaf, (block, cell) in zip(graph.leaves, blocks):
        roller.put(leaf, block, cell)
    roller.roll()
    outputs = roller.outputs(graph.outputs)
    return Program(tape.name, tuple(inputs), tuple(parameters), tuple(roller.statements), tuple(outputs), tuple(blocks))


# ---- statements ------------------------------------------------------------------------------------------------------
class Read(NamedTuple):
    """An operand of a statement before its axes are known: along the axes `at`, by strides or by the cells' numbers."""

    block: Block
    at: tuple[int, ...]
    access: Affine | None
    cells: Array
    mask: Array | None = None
    fill: float = 0.0


class Roller:
    """Writes statements for the operations of a graph; knows for each node in what cell of what block it stands."""

    def __init__(self, graph: Graph, leaves: Sequence[Block], parameters: int) -> None:
        self.graph, self.parameters = graph, parameters
        self.statements: list[Any] = []
        self.blocks: list[Block] = []  # in order: parameters, inputs, results
        self._starts: list[int] = []  # of blocks, as if they stood one behind the other
        self._rank: list[float] = []  # of nodes: the number of its block
        self._cell: list[int] = []  # counted through all blocks
        self._end = 0
        self._of_constants = parameters - 0.5  # constants rank between parameters and inputs
        self._data: dict[tuple[tuple[int, ...], bytes], Block] = {}
        self._codes: dict[float, int] = {}  # of constants: negative, as cells are positive
        self._members: dict[Block, tuple[list[int], list[int]]] = {}  # of results: nodes and their cells
        self._alive: dict[Block, Array] = {}  # of blocks with cells that are no node: which ones are
        self._dead: dict[Block, float] = {}  # what stands in all others, where that is known
        self._number_of: dict[Block, int] = {}
        for block in leaves:
            self._enter(block)
        self._first_result = len(leaves)
        self._reserve()
        for node, number in graph.numbers.items():
            self._rank[node] = self._of_constants
            self._cell[node] = self._codes.setdefault(number, -2 - len(self._codes))

    def put(self, node: int, block: Block, cell: int) -> None:
        """Says where a node stands."""
        if block not in self._number_of:
            self._enter(block)
        number = self._number_of[block]
        self._rank[node], self._cell[node] = number, self._starts[number] + cell

    def place(self, node: int) -> Operand:
        """How one number is read."""
        if self._is_constant(node):
            return self.graph.numbers[node]
        number = int(self._rank[node])
        return Access(self.blocks[number], (), self._cell[node] - self._starts[number])

    def outputs(self, nodes: Sequence[int]) -> list[Output]:
        """Results that stand in one row are one output."""
        rows: list[list[int]] = []
        for node in nodes:
            if rows and self._goes_on(rows[-1], node):
                rows[-1].append(node)
            else:
                rows.append([node])
        outputs = []
        for row in rows:
            first = self.place(row[0])
            if isinstance(first, Access) and len(row) > 1:
                step = self._cell[row[1]] - self._cell[row[0]]
                outputs.append(Output(Access(first.block, (step,), first.offset), (len(row),)))
            else:
                outputs.append(Output(first))
        return outputs

    def _goes_on(self, row: Sequence[int], node: int) -> bool:
        """Whether a node stands one step behind a row of them; the second one says how long the step is."""
        if self._is_constant(node) or self._rank[node] != self._rank[one_of(row)]:
            return False
        step = self._cell[node] - self._cell[row[-1]]
        return step != 0 and (len(row) == 1 or step == self._cell[row[1]] - self._cell[row[0]])

    def roll(self) -> None:
        """Writes all statements: loops as soon as what they need is there, and all else in batches."""
        nodes = [node for node, op in enumerate(self.graph.ops) if op]
        found = find_loops(self.graph, nodes, self._rank)
        if not found:
            self._roll(nodes)
            return
        nodes = [node for node, op in enumerate(self.graph.ops) if op]
        self._reserve()
        inside = {node for loop in found for row in loop.nodes for node in row}
        used = {i for node in nodes if node not in inside for i in self.graph.inputs[node]}
        used.update(self.graph.outputs)
        for loop in found:
            for k, lags in enumerate(loop.lags):
                for f, lag in enumerate(lags):  # of earlier turns the first ones have none, and read what is outside
                    rows = loop.nodes if lag < 0 else loop.nodes[:lag]
                    used.update([self.graph.inputs[row[k]][f] for row in rows])
        for numbers, rest in order_in_stages(self.graph, nodes, found):
            of_lengths: dict[int, list[Turns]] = defaultdict(list)
            for k in sorted(numbers):
                of_lengths[len(found[k].nodes)].append(found[k])
            for together in of_lengths.values():
                self._loop(together, used)
            self._roll(sorted(rest))

    def _roll(self, nodes: Sequence[int]) -> None:
        for op, batch in schedule(self.graph, nodes):
            self.write(op, batch)

    def write(self, op: Op, members: Sequence[int]) -> None:
        """The statements of a batch."""
        if op is DOT:
            self._dots(members)
        elif op.of_two:
            self._reductions(op, members)
        elif op is TAKE:
            self._takes(members)
        else:
            inputs = [self.graph.inputs[node] for node in members]
            self._maps(op, members, [*zip(*inputs)])

    # ---- blocks and cells --------------------------------------------------------------------------------------------
    def _enter(self, block: Block) -> None:
        self._number_of[block] = len(self.blocks)
        self.blocks.append(block)
        self._starts.append(self._end)
        self._end += block.size

    def _is_constant(self, node: int) -> bool:
        return node in self.graph.numbers

    def _reserve(self) -> None:
        """Nodes that have come to the graph stand nowhere yet."""
        new = len(self.graph.ops) - len(self._rank)
        self._rank += [_NOWHERE] * new
        self._cell += [_HOLE] * new

    def _new(self, op: Op, inputs: Sequence[int], like: int) -> int:
        """A node that the graph has not, as it is but a part of one that it has."""
        node = self.graph.add(op, inputs, "", self.graph.lines[like])
        self._reserve()
        return node

    def _statement(
        self,
        op: Op,
        reads: Sequence[Read | float],
        shape: Sequence[int],
        members: Sequence[int],
        positions: Array,
        reduced: int = 0,
        reduce: Op = TOTAL,
        operations: int = 0,
    ) -> Block:
        """Writes a statement over `shape`, its last axes reduced; its members stand at `positions` of the result."""
        kept_axes = len(shape) - reduced
        is_whole = op is COPY and prod(shape[:kept_axes]) == 1  # the sum of a matrix is one over rows and columns
        fine = [self._common(axis, length, reads, axis < kept_axes or is_whole) for axis, length in enumerate(shape)]
        operands = [read if isinstance(read, float) else _access(read, fine) for read in reads]
        lengths = [length for axis in fine for length in axis]
        kept = [n for axis in fine[:kept_axes] for n in axis if n > 1]
        axes = [n for n in lengths if n > 1]
        operands = [x if isinstance(x, float) else _squeezed(x, lengths) for x in operands]
        out = Block(self._name(members), tuple(kept))
        origin = Origin(self.lines(members), operations or len(members))
        self.statements.append(
            Statement(out, op, tuple(operands), tuple(axes), len(axes) - len(kept), reduce, origin=origin)
        )
        self._fill(out, list(members), positions)
        return out

    def _fill(self, block: Block, members: list[int], cells: Array) -> None:
        """Says that these nodes stand in these cells of a new block."""
        self._enter(block)
        self._members[block] = members, cells.tolist()
        start = self._starts[-1]
        for node, cell in zip(members, cells.tolist()):
            self._rank[node], self._cell[node] = len(self.blocks) - 1, start + cell
        alive = np.zeros(block.size, bool)
        alive[cells] = True
        if not alive.all():
            self._alive[block] = alive

    def _name(self, members: Sequence[int]) -> str:
        """What the labels of all members say, as h[0], h[1] say h."""
        labels = self.graph.labels
        if not labels[one_of(members)]:
            return ""
        names = {array_and_cell(labels[node])[0] for node in members}
        return names.pop() if len(names) == 1 else ""

    def _common(self, axis: int, length: int, reads: Sequence[Read | float], is_natural: bool) -> tuple[int, ...]:
        """The nested axes that one axis falls into, so that all reads which can have strides along them.

        With `is_natural` they are those of the blocks that are read, even where they could be one.
        """
        shapes: list[tuple[int, ...]] = []
        for read in reads:
            if not isinstance(read, float) and read.access and axis in read.at:
                axes = read.access.axes[read.at.index(axis)]
                shapes.append(axes.lengths)
                if is_natural:
                    shapes.append(split_at_rows(axes, read.block.shape).lengths)
        while (fine := common_refinement(shapes, length)) is None:
            shapes.pop()
        return fine

    def _read(self, nodes: Sequence[int], shape: Sequence[int], at: Sequence[int], fill: float | None) -> Read | float:
        """How these nodes, all of one block or all constants, are read as an array of this shape.

        Holes are cells that nobody looks at; with `fill` they read that number.
        """
        one = next(node for node in nodes if node != _HOLE)
        if self._is_constant(one):
            number = self.graph.numbers[one] if fill is None else fill
            return self._constants([self.graph.numbers.get(node, number) for node in nodes], shape, at)
        block = self.blocks[int(self._rank[one])]
        cells = np.array(self._codes_of(nodes)).reshape(shape) - self._starts[self._number_of[block]]
        access = to_affine(cells)
        if access and (_last(access) >= block.size or (block.kind != "result" and _is_chance(access, block))):
            access = None
        mask = None
        if _HOLE in nodes and fill is not None:
            mask = cells >= 0
            if access is not None and block in self._alive and not self._alive[block][cells_of(access)[~mask]].any():
                if self._dead.get(block) != fill:
                    self._mask(block, fill)
                    return self._read(nodes, shape, at, fill)
                mask = None  # what it reads there is what it should
        return Read(block, tuple(at), access, np.maximum(cells, 0), mask, fill or 0.0)

    def _mask(self, block: Block, fill: float) -> None:
        """Moves the nodes of a block into another one, in which all cells that are no node hold that number."""
        alive = self._alive[block].reshape(block.shape)
        out = Block(block.name, block.shape)
        access = Access(block, strides_of(block.shape), 0, None, _without_repeats(alive), fill)
        self.statements.append(Statement(out, COPY, (access,), block.shape))
        members, cells = self._members[block]
        self._fill(out, members, np.array(cells))
        self._dead[out] = fill

    def _constants(self, numbers: Sequence[float], shape: Sequence[int], at: Sequence[int]) -> Read | float:
        """Constants: one number, if they are all the same, else a block of data, without what repeats along an axis."""
        array = np.array(numbers).reshape(shape)
        for axis in range(array.ndim):
            first = array.take([0], axis)
            if (array.view(np.int64) == first.view(np.int64)).all():
                array = first
        if array.size == 1:
            return float(array.item())
        kept = tuple([n for n in array.shape if n > 1])
        key = kept, array.tobytes()
        if key not in self._data:
            self._data[key] = Block("", kept, "data", data=array.ravel())
        axes = tuple(
            [Axes((n,), (0 if m == 1 else s,)) for n, m, s in zip(shape, array.shape, strides_of(array.shape))]
        )
        access = Affine(0, axes)
        return Read(self._data[key], tuple(at), access, cells_of(access))

    # ---- elementwise -------------------------------------------------------------------------------------------------
    def _maps(self, op: Op, members: Sequence[int], columns: Sequence[Sequence[int]]) -> None:
        """One statement for all that reads from the same blocks."""
        groups: dict[tuple[float, ...], list[int]] = defaultdict(list)
        for k, row in enumerate(zip(*columns)):
            groups[tuple([self._rank[node] for node in row])].append(k)
        for _, group in sorted(groups.items()):
            self._map(op, [members[k] for k in group], [[column[k] for k in group] for column in columns])

    def _single(self, op: Op, member: int, inputs: Sequence[int]) -> None:
        out = Block(self._name([member]))
        origin = Origin(self.lines([member]), 1)
        self.statements.append(Statement(out, op, tuple(map(self.place, inputs)), origin=origin))
        self._enter(out)
        self._rank[member], self._cell[member] = len(self.blocks) - 1, self._starts[-1]

    def _map(self, op: Op, members: Sequence[int], columns: Sequence[Sequence[int]]) -> None:
        few = len(members) <= _FEW and all(
            self._is_constant(one_of(column)) or len({self._cell[node] for node in column}) == 1 for column in columns
        )
        if few:  # h/2 · k and h · k are no array
            for k, member in enumerate(members):
                self._single(op, member, [column[k] for column in columns])
            return
        shape, positions = self._layout(columns)
        size = prod(shape)
        reads = []
        for column in columns:
            nodes = [_HOLE] * size
            for node, position in zip(column, positions.tolist()):
                nodes[position] = node
            reads.append(self._read(nodes, shape, range(len(shape)), None))
        alive = np.zeros(size, bool)
        alive[positions] = True
        if alive.all():
            self._statement(op, reads, shape, members, positions)
            return
        guarded, dead = self._guarded(op, reads, alive.reshape(shape))
        out = self._statement(op, guarded, shape, members, positions)
        value = _result_of(op, dead)
        if value is not None:
            self._dead[out] = value

    def _guarded(
        self, op: Op, reads: Sequence[Read | float], alive: Array
    ) -> tuple[Sequence[Read | float], list[tuple[float, ...]]]:
        """What an operation reads, so that there is no error where there is no node; and what may be read there."""
        dead = [self._dead_of(read, alive) for read in reads]
        if _is_computed(op, dead):
            return reads, dead
        for safe in _SAFE:
            replaced = [(safe,) if isinstance(r, Read) and d is not _OF_NODES else d for r, d in zip(reads, dead)]
            if _is_computed(op, replaced):
                break
        return [
            r._replace(mask=alive, fill=safe) if isinstance(r, Read) and d is not _OF_NODES else r
            for r, d in zip(reads, dead)
        ], replaced

    def _dead_of(self, read: Read | float, alive: Array) -> tuple[float, ...]:
        """What may be read where there is no node."""
        if isinstance(read, float):
            return (read,)
        cells = np.broadcast_to(read.cells if read.access is None else cells_of(read.access), alive.shape)
        if set(cells[~alive].tolist()) <= set(cells[alive].tolist()):
            return _OF_NODES
        if read.block in self._dead and not self._alive[read.block][cells[~alive]].any():
            return (self._dead[read.block],)
        return _ANY

    def _layout(self, columns: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], Array]:
        """The shape of a result, and where each member stands in it."""
        count = len(one_of(columns))
        codes = [np.array([self._cell[node] for node in column]) for column in columns]
        distinct = [len(np.unique(code)) for code in codes]
        ranks = [self._rank[one_of(column)] for column in columns]
        principal = max(range(len(columns)), key=lambda k: (distinct[k], ranks[k]))
        block = self._block_of(one_of(columns[principal]))
        if block and distinct[principal] == count and block.kind == "result" and 2 * count > block.size:
            return block.shape, codes[principal] - self._starts[self._number_of[block]]
        blocks = [k for k, column in enumerate(columns) if not self._is_constant(one_of(column))]
        in_order = [k for k in blocks if to_affine(codes[k])]
        if in_order == blocks or any(distinct[k] == count for k in in_order):
            return (count,), np.arange(count)
        order = np.lexsort([*reversed(codes), codes[principal]])  # by the last one, then by the one before
        positions = np.empty(count, int)
        positions[order] = np.arange(count)
        return (count,), positions

    def _block_of(self, node: int) -> Block | None:
        return None if self._is_constant(node) else self.blocks[int(self._rank[node])]

    # ---- sums and other reductions -----------------------------------------------------------------------------------
    def _reductions(self, op: Op, members: Sequence[int]) -> None:
        rows = []
        for node in members:
            terms = sorted(self.graph.inputs[node], key=lambda i: (self._rank[i], self._cell[i]))
            rows.append((node, terms))
        of_sources: dict[tuple[float, ...], list[tuple[int, list[int]]]] = defaultdict(list)
        for node, terms in rows:
            of_sources[tuple(sorted({self._rank[i] for i in terms}))].append((node, terms))
        for sources, group in sorted(of_sources.items()):
            most, terms_in_all = max(len(t) for _, t in group), sum(len(t) for _, t in group)
            if len(sources) == 1 and most > 2 and most * len(group) <= 2 * terms_in_all:
                self._reduction(op, group, most)
                continue
            of_lengths: dict[Any, list[tuple[int, list[int]]]] = defaultdict(list)
            for node, terms in group:
                of_lengths[tuple([self._rank[i] for i in terms])].append((node, terms))
            for ranks, same in sorted(of_lengths.items()):
                self._alike(op, same, ranks)

    def _alike(self, op: Op, rows: Sequence[tuple[int, list[int]]], ranks: Sequence[float]) -> None:
        """Reductions of equally many terms from the same blocks."""
        count = len(ranks)
        nodes = [node for node, _ in rows]
        if count == 1:
            for node, terms in rows:
                self._stands_for(node, terms[0])
        elif count == 2:
            self._maps(op.of_two or op, nodes, [[t[1] for _, t in rows], [t[0] for _, t in rows]])
        elif ranks[0] == ranks[-1]:
            self._reduction(op, rows, count)
        elif op is TOTAL:
            self._total_of_several(rows, ranks)
        else:
            self._maps(op, nodes, [[t[k] for _, t in rows] for k in range(count)])

    def _total_of_several(self, rows: Sequence[tuple[int, list[int]]], ranks: Sequence[float]) -> None:
        """The sum over each block, and then the sum of these, the newest first: X @ W + b."""
        cuts = [0, *[k for k in range(1, len(ranks)) if ranks[k] != ranks[k - 1]], len(ranks)]
        columns = []
        for a, b in pairwise(cuts):
            parts = [(self._new(TOTAL, terms[a:b], node), terms[a:b]) for node, terms in rows]
            self._alike(TOTAL, parts, ranks[a:b])
            columns.append([node for node, _ in parts])
        total = columns.pop()
        for k, column in enumerate(reversed(columns)):
            last = k == len(columns) - 1
            sums = [node if last else self._new(TOTAL, (), node) for node, _ in rows]
            self._maps(ADD, sums, [total, column])
            total = sums

    def _stands_for(self, node: int, other: int) -> None:
        """The reduction of one term is that term."""
        if self._is_constant(other):
            self.graph.numbers[node] = self.graph.numbers[other]
        self._rank[node], self._cell[node] = self._rank[other], self._cell[other]
        block = self._block_of(node)
        if block in self._members:  # where they go, it goes
            members, cells = self._members[block]
            members.append(node)
            cells.append(self._cell[node] - self._starts[self._number_of[block]])

    def _reduction(self, op: Op, rows: Sequence[tuple[int, list[int]]], length: int) -> None:
        rows = sorted(rows, key=lambda row: [self._cell[i] for i in row[1]])
        nodes = [i for _, terms in rows for i in [*terms, *[_HOLE] * (length - len(terms))]]
        read = self._read(nodes, (len(rows), length), (0, 1), op.neutral)
        members = [node for node, _ in rows]
        operations = sum(len(terms) - 1 for _, terms in rows)
        self._statement(COPY, [read], (len(rows), length), members, np.arange(len(rows)), 1, op, operations)

    # ---- products ----------------------------------------------------------------------------------------------------
    def _dots(self, members: Sequence[int]) -> None:
        """Dots by the blocks that their terms are read from; one with terms from several is the sum of several."""
        of_sources: dict[tuple[float, float], list[Dot]] = defaultdict(list)
        sums: list[int] = []
        for node in members:
            parts = self._parts_of_dot(node)
            if len(parts) == 1:
                ((key, terms),) = parts.items()
                of_sources[key].append(Dot(node, terms))
                continue
            sums.append(node)
            halves = []
            for key, terms in sorted(parts.items()):
                halves.append(self._new(DOT, (), node))
                of_sources[key].append(Dot(halves[-1], terms))
            self.graph.inputs[node] = halves
        for _, dots in sorted(of_sources.items()):
            self._dots_of_two_blocks(dots)
        self._reductions(TOTAL, sums)

    def _parts_of_dot(self, node: int) -> dict[tuple[float, float], list[tuple[int, int]]]:
        """The terms of a dot, by the blocks of their factors: parameters on the right, else as they were written."""
        rank, cell = self._rank, self._cell
        inputs = self.graph.inputs[node]
        half = len(inputs) // 2
        parts: dict[tuple[float, float], list[tuple[int, int]]] = {}
        for a, b in zip(inputs[:half], inputs[half:]):
            if rank[a] < rank[b] and rank[a] < self._first_result:
                a, b = b, a
            parts.setdefault((rank[a], rank[b]), []).append((a, b))
        for terms in parts.values():
            a, _ = one_of(terms)
            if self._is_constant(a):  # constants have no order of their own
                terms.sort(key=lambda ab: (cell[ab[1]], cell[ab[0]]))
            else:
                terms.sort(key=lambda ab: (cell[ab[0]], cell[ab[1]]))
        return parts

    def _dots_of_two_blocks(self, dots: Sequence["Dot"]) -> None:
        rows = [(dot.node, [a for a, _ in dot.terms], [b for _, b in dot.terms]) for dot in dots]
        rows = self._padded(rows)
        of_lengths: dict[int, list[_Row]] = defaultdict(list)
        for node, left, right in rows:
            of_lengths[len(left)].append((node, left, right))
        for length, group in sorted(of_lengths.items()):
            if length == 1:
                self._maps(
                    MUL, [node for node, _, _ in group], [[a for _, (a,), _ in group], [b for _, _, (b,) in group]]
                )
            else:
                self._products(group, length)

    def _padded(self, rows: list[_Row]) -> list[_Row]:
        """Dots one side of which starts like that of a longer one get its length, with holes on the other, the left."""
        lengths = {len(left) for _, left, _ in rows}
        if len(lengths) == 1:
            return rows
        for turned in (False, True):
            if turned:
                rows = [(node, right, left) for node, left, right in rows]
            longest: dict[tuple[int, ...], list[int]] = {}
            for right in sorted([right for _, _, right in rows], key=len, reverse=True):
                codes = self._codes_of(right)
                for length in lengths:
                    if length <= len(codes):
                        longest.setdefault(codes[:length], right)
            wide = [longest[self._codes_of(right)] for _, _, right in rows]
            size = sum(len(right) for _, _, right in rows)
            if size < sum(map(len, wide)) <= 2 * size:
                return [(node, left + [_HOLE] * (len(w) - len(left)), w) for (node, left, _), w in zip(rows, wide)]
        return [(node, right, left) for node, left, right in rows]

    def _codes_of(self, nodes: Sequence[int]) -> tuple[int, ...]:
        cell = self._cell
        return tuple([-1 if node == _HOLE else cell[node] for node in nodes])

    def _products(self, rows: Sequence[_Row], length: int) -> None:
        """Left rows and right rows: where at least half of all pairs of some of them are there, it is a product."""
        left, right = _Rows(self), _Rows(self)
        pairs: dict[tuple[int, int], list[int]] = {}
        _, *sides = one_of(rows)
        has_constants = any(self._is_constant(one_of(side)) for side in sides)
        times: Counter[tuple[int, ...]] = Counter()
        for node, a, b in rows:
            key = (*self._codes_of(a), *self._codes_of(b))
            again = times[key] if has_constants else 0  # samples that happen to be equal are still two samples
            times[key] += 1
            pair = (left.number(a, again), right.number(b, again))
            pairs.setdefault(pair, []).append(node)
        of_shapes: dict[tuple[int, int], list[_Part]] = defaultdict(list)
        for part in _connected(pairs):
            full = len(part.left) * len(part.right)
            if full <= 2 * len(part.pairs):
                of_shapes[len(part.left), len(part.right)].append(part)
            else:
                of_shapes[1, 1] += [_Part([pair[0]], [pair[1]], [pair]) for pair in part.pairs]
        for (m, n), parts in sorted(of_shapes.items()):
            for part in parts:
                part.left.sort(key=left.order)
                part.right.sort(key=right.order)
            parts.sort(key=lambda part: ([*map(left.order, part.left)], [*map(right.order, part.right)]))
            lefts = [node for part in parts for row in part.left for node in left.rows[row]]
            rights = [node for part in parts for row in part.right for node in right.rows[row]]
            members, positions, operations = [], [], 0
            for k, part in enumerate(parts):
                at_left = {row: i for i, row in enumerate(part.left)}
                at_right = {row: i for i, row in enumerate(part.right)}
                for pair in part.pairs:
                    position = (k * m + at_left[pair[0]]) * n + at_right[pair[1]]
                    members += pairs[pair]
                    positions += [position] * len(pairs[pair])
                    terms = length - left.rows[pair[0]].count(_HOLE)
                    operations += (2 * terms - 1) * len(pairs[pair])
            count = len(parts)
            reads = [
                self._read(lefts, (count, m, length), (0, 1, 3), 0.0),
                self._read(rights, (count, n, length), (0, 2, 3), None),
            ]
            shape = (count, m, n, length)
            self._statement(MUL, reads, shape, members, np.array(positions), 1, TOTAL, operations)

    # ---- look-ups ----------------------------------------------------------------------------------------------------
    def _takes(self, members: Sequence[int]) -> None:
        """Numbers of tables that an index chooses: rows of a table by columns."""
        of_sources: dict[Any, list[int]] = defaultdict(list)
        for node in members:
            of_sources[tuple([self._rank[i] for i in self.graph.inputs[node]])].append(node)
        for ranks, group in sorted(of_sources.items()):
            length = len(ranks) - 1
            group.sort(key=lambda node: self._codes_of([*reversed(self.graph.inputs[node])]))
            table = [i for node in group for i in self.graph.inputs[node][:-1]]
            chosen_by = [self.graph.inputs[node][-1] for node in group]
            shape = (len(group), length)
            if len(set(ranks[:-1])) > 1:
                joined = self._joined(table, shape)
                rows = np.arange(len(table)).reshape(shape)
                of_table: Read | float = Read(joined.block, (0, 1), to_affine(rows), rows)
            else:
                of_table = self._read(table, shape, (0, 1), None)
            reads = [of_table, self._read(chosen_by, shape[:1], (0,), None)]
            self._statement(TAKE, reads, shape, group, np.arange(len(group)), 1)

    # ---- loops -------------------------------------------------------------------------------------------------------
    def _loop(self, together: Sequence[Turns], used: set[int]) -> None:
        """One loop for several that have equally many turns and do not depend on each other.

        In what blocks the states stand decides about the statements of a turn, and they about the results, in whose
        blocks the states should stand.
        """
        groups: list[list[int]] = []
        for _ in range(3):
            body = Body(self, together, used, groups)
            body.roller.roll()
            groups = body.groups_by_results()
            if groups == body.groups:
                break
        body.finish()

    def rank(self, node: int) -> float:
        """The number of the block that a node stands in."""
        return self._rank[node]

    def order(self, node: int) -> int:
        """Nodes of one block have the order of their cells."""
        return self._cell[node]

    def stands(self, node: int) -> tuple[Block, int]:
        """The block and the cell of a node that is no constant."""
        number = int(self._rank[node])
        return self.blocks[number], self._cell[node] - self._starts[number]

    def is_own(self, block: Block) -> bool:
        """Whether it is written here."""
        return self._number_of[block] >= self._first_result

    def lines(self, nodes: Sequence[int]) -> tuple[str, ...]:
        """The lines of the source that the nodes come from."""
        return tuple(sorted({self.graph.lines[node] for node in nodes} - {""}))

    def assembled(self, nodes: Sequence[int], shape: Sequence[int]) -> Operand:
        """These nodes, wherever they stand, read as an array of this shape."""
        sources = {self._rank[node] for node in nodes}
        if len(sources) > 1:
            return self._joined(nodes, shape)
        read = self._read(nodes, shape, range(len(shape)), None)
        if isinstance(read, float):
            return read
        if read.access and all(len(axes.lengths) == 1 for axes in read.access.axes):
            strides = tuple([stride for axes in read.access.axes for stride in axes.strides])
            return Access(read.block, strides, read.access.offset)
        return Access(read.block, index=read.cells)

    def _joined(self, nodes: Sequence[int], shape: Sequence[int]) -> Access:
        """A new block of numbers from several ones."""
        out = Block("", tuple(shape))
        of_sources: dict[float, list[int]] = defaultdict(list)
        for k, node in enumerate(nodes):
            of_sources[self._rank[node]].append(k)
        parts = []
        for at in of_sources.values():
            source = self.assembled([nodes[k] for k in at], (len(at),))
            if not isinstance(source, Access):
                source = Access(Block("", (), "data", data=np.array([source])), (0,))
            line = to_axes(np.array(at))
            if line and len(line.lengths) == 1:
                target = Access(out, line.strides, at[0])
            else:
                target = Access(out, index=np.array(at))
            parts.append(Part((len(at),), target, source))
        self.statements.append(Scatter(out, tuple(parts)))
        self._enter(out)
        return whole(out)


class Dot(NamedTuple):
    """A dot product of terms whose left factors are of one block, and whose right ones are."""

    node: int
    terms: list[tuple[int, int]]


class _Rows:
    """Distinct rows of factors, numbered."""

    def __init__(self, roller: Roller) -> None:
        self._roller = roller
        self._numbers: dict[tuple[int, ...], int] = {}
        self._keys: list[tuple[int, ...]] = []
        self.rows: list[list[int]] = []

    def number(self, row: list[int], again: int) -> int:
        key = (*self._roller._codes_of(row), again)
        number = self._numbers.setdefault(key, len(self.rows))
        if number == len(self.rows):
            self.rows.append(row)
            self._keys.append(key)
        return number

    def order(self, number: int) -> tuple[int, ...]:
        """By cells; constants in the order in which they were met."""
        return (number,) if self._roller._is_constant(one_of(self.rows[number])) else self._keys[number]


class _Part(NamedTuple):
    """Left and right rows, and the pairs of them that are multiplied."""

    left: list[int]
    right: list[int]
    pairs: list[tuple[int, int]]


def _connected(pairs: Any) -> list[_Part]:
    """The connected parts of a graph between left and right rows."""
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def root(x: tuple[str, int]) -> tuple[str, int]:
        while parent.setdefault(x, x) != x:
            parent[x] = x = parent[parent[x]]
        return x

    for a, b in pairs:
        parent[root(("left", a))] = root(("right", b))
    parts: dict[tuple[str, int], _Part] = {}
    for a, b in pairs:
        part = parts.setdefault(root(("left", a)), _Part([], [], []))
        part.pairs.append((a, b))
    for part in parts.values():
        part.left.extend(dict.fromkeys(a for a, _ in part.pairs))
        part.right.extend(dict.fromkeys(b for _, b in part.pairs))
    return list(parts.values())


def _result_of(op: Op, operands: Sequence[tuple[float, ...]]) -> float | None:
    """What an operation makes of these operands; None if that is not one number. Of several numbers it may be any."""
    if len(operands) > _MOST_OPERANDS:
        return None
    tried = {*_EXTREMES, *[x for xs in operands for x in xs]}
    every = product(*[xs if len(xs) == 1 else tried for xs in operands])
    results = {y for xs in every if not isnan(y := _results(op, xs)[0])}  # a nan: a number that it is not
    return results.pop() if len(results) == 1 else None


def _is_computed(op: Op, operands: Sequence[tuple[float, ...]]) -> bool:
    """Whether an operation and its slopes can be computed of these operands, whichever of their numbers they are."""
    if len(operands) > _MOST_OPERANDS:
        return False
    return all(isfinite(slope) for xs in product(*operands) for slope in _results(op, xs)[1:])


def _results(op: Op, xs: Sequence[float]) -> list[float]:
    """The value and the slopes; a nan where there is an error."""
    try:
        y = op.value(FLOATS, *xs)
        return [y, *([nan] if isnan(y) else op.derivatives(FLOATS, y, *xs))]
    except ARITHMETIC_ERRORS:
        return [nan, nan]


def one_of(alike: Sequence[T]) -> T:
    """Of several for which it does not matter which."""
    return alike[0]


# ---- accesses --------------------------------------------------------------------------------------------------------
def _is_chance(access: Affine, block: Block) -> bool:
    """Whether an axis walks through a leaf in more ways than that has axes: rows 3 5 7 9 of a table, as a text says."""
    return any(sum(stride != 0 for stride in axes.strides) > len(block.shape) for axes in access.axes)


def _last(access: Affine) -> int:
    return access.offset + sum((n - 1) * s for axes in access.axes for n, s in zip(axes.lengths, axes.strides) if s > 0)


def _access(read: Read, fine: Sequence[tuple[int, ...]]) -> Access:
    """The access over the finer axes."""
    spread = [n if axis in read.at else 1 for axis, lengths in enumerate(fine) for n in lengths]
    mask = None if read.mask is None else read.mask.reshape(spread)
    of_axis = dict(zip(read.at, read.access.axes)) if read.access else {}
    if not read.access or not all(_divides(axes.lengths, fine[axis]) for axis, axes in of_axis.items()):
        return Access(read.block, index=read.cells.reshape(spread), mask=mask, fill=read.fill)
    strides: list[int] = []
    for axis, lengths in enumerate(fine):
        strides += refine_strides(of_axis[axis], lengths) if axis in of_axis else [0] * len(lengths)
    return Access(read.block, tuple(strides), read.access.offset, None, mask, read.fill)


def _divides(lengths: Sequence[int], fine: Sequence[int]) -> bool:
    """Whether nested axes of these lengths can be divided into the finer ones."""
    return {prod(lengths[i:]) for i in range(len(lengths))} <= {prod(fine[i:]) for i in range(len(fine))}


def _squeezed(access: Access, lengths: Sequence[int]) -> Access:
    """The access without the axes of length 1."""
    long = [axis for axis, n in enumerate(lengths) if n > 1]

    def squeezed(array: Array) -> Array:
        return None if array is None else array.reshape([array.shape[axis] for axis in long])

    strides = tuple([access.strides[axis] for axis in long]) if access.index is None else ()
    mask = None if access.mask is None else _without_repeats(squeezed(access.mask))
    return Access(access.block, strides, access.offset, squeezed(access.index), mask, access.fill)


def _without_repeats(mask: Array) -> Array:
    """What is masked alike along an axis is said once."""
    for axis in range(mask.ndim):
        first = mask.take([0], axis)
        if (mask == first).all():
            mask = first
    return mask
