"""The gradients of an array program, as a longer array program: the vector-Jacobian product of each statement.

Derivatives come from the rule table: a rule that is run on symbols writes statements. What stands here is where an
adjoint goes: the transpose of each access. What was read many times is summed, what was read in part is put back in its
place. So the transpose of a matrix product is two of them, that of a loop one that runs the other way. What comes out
can be differentiated again. What nobody reads is left to `_tidy.py`, the axis of samples, added before, to
`samples.py`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.ops import ADD, DETACH, DIV, MUL, NEG, POW, SUB, TOTAL
from tinygrad_edu.rules import FLOATS, OPS, Op

from ._access import (
    cells_of,
    count_axes,
    flip,
    mask_out,
    moves_along,
    reads_in_order,
    rearrange,
    repeat_over,
    reshape,
    varies_along,
)
from ._live import Live, find_dependents, find_live_cells
from ._tidy import drop_unread, rename_blocks, replace_blocks, tidy
from .program import (
    COPY,
    EQUAL,
    NOWHERE,
    ONE,
    TAKE,
    Access,
    AnyStatement,
    Block,
    Carry,
    Loop,
    Operand,
    Origin,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    strides_of,
    whole,
    written_blocks,
)
from .symbols import SYMBOLS, Symbol, Symbols

Array = Any  # of NumPy
SQRT = OPS["sqrt"]


def differentiate(program: Program, wanted: Collection[Block]) -> Program:
    """The program with the gradients of its first output.

    ∂y/∂leaf for y = outputs[0]; of several numbers y, or of one for each sample, that of their sum. An output for each
    leaf that is wanted is added behind the others, the inputs before the parameters. Where the gradient in a leaf of
    samples is the same for all of them, the output has no samples; where it is one number all over, it is that number.

    Args:
        program: of the forward pass, or one that has gradients itself.
        wanted: the leaves in which to differentiate.

    Returns:
        The same program with more statements, tidied.
    """
    leaves = [block for block in (*program.inputs, *program.parameters) if block in wanted]
    sample = next((block for block in (*program.inputs, *program.parameters) if block.samples), None)
    alive = find_live_cells(program)
    active = find_dependents(program.statements, leaves, but_by=DETACH) & alive.keys()
    sweep = _Sweep(active, alive, sample, {})
    y = program.outputs[0]
    if isinstance(y.access, Access):
        sweep.contribute(y.shape, y.access, 1.0, 1.0, over=y.access.block.samples)
    forward = [sweep.back(statement) for statement in reversed(program.statements)][::-1]
    outputs = [Output(sweep.gradient(leaf), leaf.shape, leaf) for leaf in leaves]
    statements = (*forward, *sweep.statements)
    whole_program = replace(program, statements=statements, outputs=(*program.outputs, *outputs))
    return tidy(rename_blocks(whole_program, sweep.named))


# ---- rules on arrays -------------------------------------------------------------------------------------------------
class _Points:
    """What the rules write on: operations at each point of the axes of a statement."""

    def __init__(self, sweep: "_Sweep", axes: tuple[int, ...], reduced: int) -> None:
        self.sweep, self.axes, self.reduced = sweep, axes, reduced

    def constant(self, x: float) -> float:
        return x

    def operation(self, op: Op, operands: Sequence[Operand]) -> Operand:
        return self.sweep.elementwise(op, operands, self.axes)

    def total(self, x: Operand) -> Operand:
        """Over the reduced axes, repeated along them."""
        kept = range(len(self.axes) - self.reduced)
        return spread(self.sweep.product([x], self.axes, kept, over=False), self.reduced)

    def symbol(self, x: Operand) -> Any:
        builder: Any = self
        place: Any = x
        return Symbol(builder, place) if isinstance(x, Access) else x


class _OfRows(Symbols):
    """The number system in which one symbol stands for all inputs of an operation, a row of them."""

    def sum(self, xs: Sequence[Any]) -> Any:
        (row,) = xs
        return row.builder.symbol(row.builder.total(row.place))


_OF_ROWS = _OfRows()


def _operand(x: Any) -> Operand:
    return x.place if isinstance(x, Symbol) else float(x)


def spread(x: Operand, axes: int) -> Operand:
    """The same along so many axes more."""
    return rearrange(x, [*range(count_axes(x)), *[None] * axes]) if isinstance(x, Access) else x


def _simpler(op: Op, xs: Sequence[Operand]) -> Operand | tuple[Op, tuple[Operand, ...]]:
    """What computes the same with less work: an operand, or another operation."""
    if not any(isinstance(x, Access) for x in xs):
        return float(op.value(FLOATS, *xs))
    if op is COPY:
        return xs[0]
    if op is MUL:
        for x, other in (xs, xs[::-1]):
            if x == 1.0:
                return other
            if x == -1.0:
                return NEG, (other,)
    elif op is ADD:
        for x, other in (xs, xs[::-1]):
            if x == 0.0:
                return other
    elif op is SUB and xs[0] == 0.0:
        return NEG, (xs[1],)
    elif (op is SUB and xs[1] == 0.0) or (op is DIV and xs[1] == 1.0):
        return xs[0]
    elif op is POW and not isinstance(xs[1], Access):
        return _power(xs[0], xs[1])
    return op, tuple(xs)


def _power(x: Operand, n: float) -> Operand | tuple[Op, tuple[Operand, ...]]:
    if n == 0.0:
        return 1.0
    if n == 1.0:
        return x
    if n == 2.0:
        return MUL, (x, x)
    if n == 0.5:
        return SQRT, (x,)
    return (DIV, (1.0, x)) if n == -1.0 else (POW, (x, n))


# ---- the way back ----------------------------------------------------------------------------------------------------
class _Share(NamedTuple):
    """What is a part of the adjoint of a block: over the axes, source goes to where the target leads."""

    axes: tuple[int, ...]
    target: Access
    source: Operand


class _Product(NamedTuple):
    """What a turn of a loop would give to a block around it: kept until all turns can give it at once."""

    axes: tuple[int, ...]
    target: Access
    factors: tuple[Operand, Operand]
    over: bool


class _Sweep:
    """The way back through the statements of a program, or of one turn of a loop.

    `active` are the blocks whose adjoints are asked for, `live` the cells that are read. `mine` are the blocks of the
    turn; all that is given to others is left to the loop. `named` are blocks as they are to be called in the end.
    """

    def __init__(
        self,
        active: set[Block],
        alive: dict[Block, Live],
        sample: Block | None,
        named: dict[Block, Block],
        mine: set[Block] | None = None,
    ) -> None:
        self.active, self.live, self.sample, self.named, self.mine = active, alive, sample, named, mine
        self.statements: list[AnyStatement] = []
        self.own: set[Block] = set()  # what is written here, not on the way forward
        self.shares: dict[Block, list[_Share]] = {}
        self.later: list[_Product] = []
        self.origin = NOWHERE

    # ---- writing ----
    def write(
        self,
        op: Op,
        operands: Sequence[Operand],
        axes: Sequence[int],
        reduced: int = 0,
        reduce: Op = TOTAL,
        over_samples: bool = False,
        name: str = "",
    ) -> Block:
        """A new statement; the block that it writes."""
        samples = any(x.block.samples for x in operands if isinstance(x, Access)) and not over_samples
        out = Block(name, tuple(axes[: len(axes) - reduced]), samples=samples)
        operands, axes = tuple(operands), tuple(axes)
        self._append(Statement(out, op, operands, axes, reduced, reduce, over_samples, self.origin))
        return out

    def _append(self, statement: AnyStatement) -> None:
        self.statements.append(statement)
        self.own.update(written_blocks(statement))

    def elementwise(self, op: Op, operands: Sequence[Operand], axes: Sequence[int]) -> Operand:
        """An operation at each point; where nothing varies along an axis it is computed once."""
        simpler = _simpler(op, operands)
        if not isinstance(simpler, tuple):
            return simpler
        op, operands = simpler
        kept = [i for i, n in enumerate(axes) if n == 1 or any(varies_along(x, axes, i) for x in operands)]
        narrow = [rearrange(x, kept) if isinstance(x, Access) else x for x in operands]
        return repeat_over(self.write(op, narrow, [axes[i] for i in kept]), axes, kept)

    def product(self, factors: Sequence[Operand], axes: Sequence[int], kept: Sequence[int], over: bool) -> Operand:
        """The product of two factors, or one factor, over the axes that are kept, in that order; all others are summed.

        If `over` says so, it is summed over the samples, too. What does not vary along what is summed stays outside.
        """
        lengths = [axes[i] for i in kept]
        summed = [i for i in range(len(axes)) if i not in kept]
        accesses = [x for x in factors if isinstance(x, Access)]
        inside = [x for x in accesses if (over and x.block.samples) or any(varies_along(x, axes, i) for i in summed)]
        terms: list[Operand] = [rearrange(x, kept) for x in accesses if x not in inside]
        along = [i for i in summed if any(varies_along(x, axes, i) for x in inside)]
        if inside:
            used = [i for i in kept if axes[i] == 1 or any(varies_along(x, axes, i) for x in inside)]
            out = self.write(
                MUL if len(inside) == 2 else COPY,
                [rearrange(x, [*used, *along]) for x in inside],
                [axes[i] for i in (*used, *along)],
                reduced=len(along),
                over_samples=over and any(x.block.samples for x in inside),
            )
            terms.append(repeat_over(out, lengths, [kept.index(i) for i in used]))
        if over and not any(x.block.samples for x in accesses):
            assert self.sample is not None
            count = self.write(ONE, [Access(self.sample)], (), over_samples=True)
            terms.append(Access(count, (0,) * len(lengths)))
        times = prod([x for x in factors if not isinstance(x, Access)], start=1.0)
        value: Operand = 1.0
        for x in (*terms, times * prod([axes[i] for i in summed if i not in along])):
            value = self.elementwise(MUL, (x, value) if not isinstance(x, Access) else (value, x), lengths)
        return value

    # ---- adjoints ----
    def contribute(self, axes: Sequence[int], target: Access, g: Operand, slope: Operand, over: bool) -> None:
        """Adds g · slope to the adjoint of what an access reads; `over` the samples, if the block has none."""
        if target.block not in self.active or g == 0.0 or slope == 0.0:
            return
        over = over and not target.block.samples
        kept = [i for i in range(len(axes)) if moves_along(target, axes, i)]
        if self._is_larger([axes[i] for i in kept], target, (g, slope), axes):
            self.later.append(_Product(tuple(axes), target, (g, slope), over))
            return
        factors = [g, slope]
        if target.index is None:
            kept.sort(key=lambda i: -abs(target.strides[i]))
            for i in kept:
                if target.strides[i] < 0:
                    target = flip(target, i, axes[i])
                    factors = [flip(x, i, axes[i]) if isinstance(x, Access) else x for x in factors]
        mask = target.mask
        if mask is not None and any(varies_along(target, axes, i) for i in range(len(axes)) if i not in kept):
            factors = [self._masked(x, axes, mask) if isinstance(x, Access) else x for x in factors]
            if not any(isinstance(x, Access) for x in factors):
                factors[0] = self._masked(g, axes, mask)
            mask = None
        lengths = tuple([axes[i] for i in kept])
        place = rearrange(replace(target, mask=mask), kept)
        mask, place = place.mask, replace(place, mask=None)
        shape = place.block.shape
        if reads_in_order(place, lengths) and shape != lengths:
            axes = [*lengths, *[n for i, n in enumerate(axes) if i not in kept]]
            order = [*kept, *[i for i in range(count_axes(target)) if i not in kept]]
            factors = [rearrange(x, order) if isinstance(x, Access) else x for x in factors]
            kept = list(range(len(lengths)))
            if mask is None and None not in (again := [reshape(x, lengths, shape) for x in factors]):
                factors = [x for x in again if x is not None]
                axes, lengths, kept = [*shape, *axes[len(lengths) :]], shape, list(range(len(shape)))
                place = whole(place.block)
        source = self.product(factors, axes, kept, over)
        if mask is not None:
            source = self._masked(source, lengths, mask)
            if reads_in_order(place, lengths):
                source = whole(self.write(COPY, [source], lengths))
        self.shares.setdefault(place.block, []).append(_Share(lengths, place, source))

    def _is_larger(self, kept: Sequence[int], target: Access, factors: Sequence[Operand], axes: Sequence[int]) -> bool:
        """Whether a product is for a block around the loop, and larger than its factors."""
        if self.mine is None or target.block in self.mine:
            return False
        sizes = [
            prod([n for i, n in enumerate(axes) if varies_along(x, axes, i)]) for x in factors if isinstance(x, Access)
        ]
        return prod(kept) > sum(sizes)

    def _masked(self, x: Operand, axes: Sequence[int], mask: Array) -> Operand:
        """An operand that reads 0.0 where a mask is False."""
        if not isinstance(x, Access):
            x = _number(x, axes)
        elif x.mask is not None and (mask & ~x.mask).any():
            x = whole(self.write(COPY, [x], axes), axes)
        return mask_out(x, mask)

    def adjoint(self, block: Block, axes: Sequence[int]) -> Operand | None:
        """The adjoint of a block, over axes that make up its size; None where nothing depends on it."""
        axes = tuple(axes)
        shares = self._added(self.shares.pop(block, []), axes)
        if not shares:
            return None
        if len(shares) == 1 and reads_in_order(shares[0].target, shares[0].axes):
            g = shares[0].source
            if isinstance(g, Access) and g.block in self.own and not g.block.name and reads_in_order(g, axes):
                self.named.setdefault(g.block, replace(g.block, name=_d(block)))
            return g
        sources = [x.source if isinstance(x.source, Access) else _number(x.source, x.axes) for x in shares]
        out = Block(_d(block), axes, samples=any(source.block.samples for source in sources))
        targets = [replace(share.target, block=out) for share in shares]
        parts = [Part(share.axes, target, source) for share, target, source in zip(shares, targets, sources)]
        self._append(Scatter(out, tuple(parts), self.origin))
        return whole(out)

    def _added(self, shares: Iterable[_Share], axes: tuple[int, ...]) -> list[_Share]:
        """The shares, those that go to the same place added up; those of the whole block over these axes."""
        at: dict[Any, _Share] = {}
        for share in shares:
            target = share.target
            if reads_in_order(target, share.axes):
                share = _Share(axes, whole(target.block, axes), self._fitted(share.source, share.axes, axes))
                target = share.target
            key = (share.axes, target.strides, target.offset, id(target.index))
            before = at.get(key)
            if before:
                share = share._replace(source=self.elementwise(ADD, (before.source, share.source), share.axes))
            at[key] = share
        return [*at.values()]

    def _fitted(self, x: Operand, old: Sequence[int], new: Sequence[int]) -> Operand:
        """The same numbers over other axes, copied if need be."""
        fitted = reshape(x, old, new)
        return whole(self.write(COPY, [x], old), new) if fitted is None else fitted

    def gradient(self, leaf: Block) -> Operand:
        """The adjoint of a leaf, as a whole block or one number."""
        g = self.adjoint(leaf, leaf.shape)
        if isinstance(g, Access) and not reads_in_order(g, leaf.shape):
            g = whole(self.write(COPY, [g], leaf.shape, name=_d(leaf)))
        return 0.0 if g is None else g

    # ---- statements ----
    def back(self, statement: AnyStatement) -> AnyStatement:
        """Gives what the statement wrote back to what it read. Returns it, or what has to be run in its place."""
        self.origin = Origin(statement.origin.lines)
        if isinstance(statement, Loop):
            return self._back_through_loop(statement)
        if statement.out in self.active and statement.out in self.shares:
            if isinstance(statement, Scatter):
                self._back_from_scatter(statement)
            else:
                self._back_through(statement)
        return statement

    def _back_from_scatter(self, scatter: Scatter) -> None:
        size = (scatter.out.size,)
        g = self.adjoint(scatter.out, size)
        if isinstance(g, Access) and (g.index is not None or g.mask is not None):
            g = whole(self.write(COPY, [g], size))
        for part in scatter.parts:
            read: Operand | None = g
            if isinstance(g, Access):
                (step,), target = g.strides, part.target
                index = None if target.index is None else g.offset + step * target.index
                strides = tuple([step * stride for stride in target.strides])
                read = Access(g.block, strides, g.offset + step * target.offset, index)
            assert read is not None
            self.contribute(part.axes, part.source, read, 1.0, over=scatter.out.samples)

    def _back_through(self, s: Statement) -> None:
        axes, reduced = s.axes, 1 if s.op is TAKE else s.reduced
        g = self.adjoint(s.out, axes[: len(axes) - reduced])
        assert g is not None
        is_square = s.op is MUL and _is_same(*s.operands)  # x·x: its two shares are one, twice as large
        if is_square:
            g = self.elementwise(MUL, (2.0, g), axes[: len(axes) - reduced])
        g = spread(g, reduced)
        over = any(access.block.samples for access in s.accesses)
        if s.op is TAKE:
            table, index = s.operands
            rows = Access(_data(np.arange(float(axes[-1]))), (*(0,) * (len(axes) - 1), 1))
            if isinstance(table, Access):
                self.contribute(axes, table, g, self.elementwise(EQUAL, (index, rows), axes), over)
            return
        points = _Points(self, axes, reduced)
        here = not reduced and not s.over_samples  # then the result is one for each point
        y = whole(s.out, axes) if here else self.elementwise(s.op, s.operands, axes)
        slopes: Sequence[Any] = []
        if s.reduced:
            row = y if not isinstance(y, Access) else points.symbol(y)
            best = self.write(COPY, [y], axes, reduced, s.reduce) if s.over_samples else s.out
            result = points.symbol(repeat_over(best, axes, range(len(axes) - reduced)))
            (share,) = s.reduce.derivatives(_OF_ROWS, result, row)
            if s.op is COPY:
                slopes = [share]
            else:
                g = self.elementwise(MUL, (g, self._safe(_operand(share), s)), axes)
        if not slopes:
            wanted = [isinstance(x, Access) and x.block in self.active for x in s.operands]
            slopes = s.op.derivatives(SYMBOLS, points.symbol(y), *map(points.symbol, s.operands), wanted=wanted)
        for x, slope in zip(s.operands[:1] if is_square else s.operands, slopes):
            if isinstance(x, Access) and x.block in self.active:
                self.contribute(axes, x, g, self._safe(_operand(slope), s), over)

    def _safe(self, slope: Operand, s: Statement) -> Operand:
        """A slope that is 0.0 at cells that nobody reads: the adjoint is 0.0 there, and must not meet a nan."""
        if not isinstance(slope, Access):
            return slope
        alive, here = self.live.get(slope.block), self.live[s.out]
        if alive is not None:
            mask = alive[cells_of(slope, s.axes)]
            if slope.mask is not None:
                mask = mask | ~slope.mask
        elif here is not None and slope.block in self.own:  # made of what the statement read
            mask = here.reshape((*s.axes[: len(s.axes) - s.reduced], *(1,) * s.reduced))
            still = tuple([i for i in range(len(s.axes)) if not varies_along(slope, s.axes, i)])
            mask = mask.any(still, keepdims=True)
        else:
            return slope
        return slope if mask.all() else self._masked(slope, s.axes, mask)

    # ---- loops ----
    def _back_through_loop(self, loop: Loop) -> Loop:
        """Adds a loop that runs the other way. Returns the loop as it has to be run, to leave what the other one reads.

        What the loop stacked is streamed back, what it streamed is stacked. The adjoint of a state is carried.
        """
        mine = {carry.state for carry in loop.carried} | {block for block, _ in loop.streams}
        turn = _Sweep(self.active, self.live, self.sample, self.named, mine | _written(loop.body))
        back = _Rows(loop.turns)
        carried = [carry for carry in loop.carried if carry.state in self.active]
        after = [Block(_d(carry.state), carry.state.shape, samples=carry.state.samples) for carry in carried]
        starts = self._seed(turn, loop, back, carried, after)
        if not turn.shares:
            return loop
        body = tuple([turn.back(statement) for statement in reversed(loop.body)][::-1])
        turn.origin = self.origin
        carries, given = self._carries(turn, carried, after, starts)
        given += [*self._given_to_streams(turn, loop, back), *self._given_around(turn, loop, carries)]
        forward = _Rows(loop.turns, loop.streams, loop.stacked)
        mine |= _written(body)

        def in_all_turns(x: Operand) -> Operand:
            if not isinstance(x, Access):
                return x
            if x.block in mine:
                return forward.read(x)
            return back.read(x) if x.block in turn.own else rearrange(x, [None, *range(count_axes(x))])

        for product in turn.later:
            target = rearrange(product.target, [None, *range(count_axes(product.target))])
            g, slope = map(in_all_turns, product.factors)
            given.append(_Product((loop.turns, *product.axes), target, (g, slope), product.over))
        reverse = Loop(
            loop.turns,
            tuple(turn.statements),
            tuple(carries),
            tuple(back.streams),
            tuple(back.stacked),
            not loop.backwards,
            self.origin,
        )
        for statement in drop_unread([reverse], written_blocks(reverse)):
            self._append(forward.streamed_to(statement, mine))
        for product in given:
            self.contribute(product.axes, product.target, *product.factors, product.over)
        return replace(loop, body=body, stacked=tuple(forward.stacked))

    def _seed(
        self, turn: "_Sweep", loop: Loop, back: "_Rows", carried: Sequence[Carry], after: Sequence[Block]
    ) -> list[Operand]:
        """Gives a turn the adjoints of what it stacked and of the next states. Returns those of the last states."""
        for block, outer in loop.stacked:
            g = self.adjoint(outer, (loop.turns, *block.shape))
            if isinstance(g, Access):
                row = Block(_d(block), block.shape, samples=g.block.samples)
                back.streams.append((row, g))
                turn.own.add(row)
                g = whole(row)
            if g is not None:
                turn.contribute(block.shape, whole(block), g, 1.0, over=False)
        starts: list[Operand] = []
        for carry, state in zip(carried, after):
            g = self.adjoint(carry.final, state.shape) if carry.final else None
            starts.append(0.0 if g is None else g)
        if turn.shares or any(start != 0.0 for start in starts):
            for carry, state in zip(carried, after):
                turn.own.add(state)
                turn.contribute(state.shape, carry.result, whole(state), 1.0, over=state.samples)
        return starts

    def _carries(
        self, turn: "_Sweep", carried: Sequence[Carry], after: Sequence[Block], starts: Sequence[Operand]
    ) -> tuple[list[Carry], list[_Product]]:
        """The adjoints of states, from turn to turn, and what is left of them for where the states started."""
        carries, given = [], []
        for carry, state, start in zip(carried, after, starts):
            g = turn.adjoint(carry.state, state.shape)
            final = None
            if isinstance(carry.initial, Access) and carry.initial.block in self.active:
                final = Block(state.name, state.shape, samples=state.samples)
                given.append(_Product(state.shape, carry.initial, (whole(final), 1.0), state.samples))
            result = g if isinstance(g, Access) else _number(g or 0.0, state.shape)
            carries.append(Carry(state, start, result, final))
        return carries, given

    def _given_to_streams(self, turn: "_Sweep", loop: Loop, back: "_Rows") -> list[_Product]:
        given = []
        for block, access in loop.streams:
            g = turn.adjoint(block, block.shape)
            if isinstance(g, Access):
                if g.block not in turn.own or not reads_in_order(g, block.shape):
                    g = whole(turn.write(COPY, [g], block.shape, name=_d(block)))
                g = back.read(g)
            if g is not None:
                given.append(_Product((loop.turns, *block.shape), access, (g, 1.0), block.samples))
        return given

    def _given_around(self, turn: "_Sweep", loop: Loop, carries: list[Carry]) -> list[_Product]:
        """What the turns give to blocks around the loop, added up from turn to turn."""
        given = []
        for block, shares in turn.shares.items():
            for share in turn._added(shares, block.shape):
                source = share.source
                if isinstance(source, Access):
                    before, final = (Block(_d(block), share.axes, samples=source.block.samples) for _ in range(2))
                    total = turn.elementwise(ADD, (whole(before), source), share.axes)
                    assert isinstance(total, Access)
                    carries.append(Carry(before, 0.0, total, final))
                    source = whole(final)
                else:
                    source *= loop.turns
                given.append(_Product(share.axes, share.target, (source, 1.0), False))
        return given


class _Rows:
    """What a loop streams and stacks: rows, one for each turn, of blocks of a turn."""

    def __init__(
        self, turns: int, streams: Iterable[tuple[Block, Access]] = (), stacked: Iterable[tuple[Block, Block]] = ()
    ) -> None:
        self.turns, self.streams, self.stacked = turns, [*streams], [*stacked]

    def _rows(self, block: Block) -> Access:
        """Where the rows of a block begin, over the turns; they are stacked where they do not stand so anywhere."""
        for streamed, access in self.streams:
            if streamed is block and access.index is None and access.mask is None:
                steps = zip(block.shape, access.strides[1:], strides_of(block.shape))
                if all(n == 1 or stride == step for n, stride, step in steps):
                    return Access(access.block, access.strides[:1], access.offset)
        outer = Block(block.name, (self.turns, *block.shape), samples=block.samples)
        self.stacked.append((block, outer))
        return Access(outer, (block.size,))

    def read(self, access: Access) -> Access:
        """What an access reads in all turns, which are the first axis."""
        rows = self._rows(access.block)
        mask = None if access.mask is None else access.mask[None]
        read = replace(access, block=rows.block, offset=rows.offset + access.offset, mask=mask)
        if access.index is None:
            return replace(read, strides=(*rows.strides, *access.strides))
        first = cells_of(rows, (self.turns,))
        return replace(read, index=first.reshape((self.turns, *(1,) * access.index.ndim)) + access.index, offset=0)

    def streamed_to(self, loop: AnyStatement, mine: set[Block]) -> Loop:
        """Another loop that has for each block of this one that it reads a stream of its rows."""
        assert isinstance(loop, Loop)
        blocks = dict.fromkeys([access.block for access in loop.accesses if access.block in mine])
        rows = {block: Block(block.name, block.shape, samples=block.samples) for block in blocks}
        streams = [(row, self._stream(block)) for block, row in rows.items()]
        other = replace_blocks(loop, rows)
        assert isinstance(other, Loop)
        return replace(other, streams=(*other.streams, *streams))

    def _stream(self, block: Block) -> Access:
        for streamed, access in self.streams:
            if streamed is block:
                return access
        return self.read(whole(block))


def _is_same(a: Operand, b: Operand) -> bool:
    """Whether two operands read the same, by strides."""
    if not isinstance(a, Access) or not isinstance(b, Access) or a.block is not b.block:
        return False
    by_strides = a.index is None and b.index is None and a.mask is None and b.mask is None
    return by_strides and (a.strides, a.offset) == (b.strides, b.offset)


def _written(statements: Iterable[AnyStatement]) -> set[Block]:
    return {block for statement in statements for block in written_blocks(statement)}


def _d(block: Block) -> str:
    """The name of the adjoint of a block."""
    return block.name and f"d{block.name}"


def _data(numbers: Array) -> Block:
    return Block("", numbers.shape, "data", data=numbers)


def _number(x: float, axes: Sequence[int]) -> Access:
    """A number as an access, for where no plain one can stand."""
    return Access(_data(np.array(x)), (0,) * len(axes))
