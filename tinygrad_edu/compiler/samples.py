"""The axis of samples: a program of one sample becomes one of any number of them, or of a number that is fixed.

The axis is added to a program that has no gradients yet: what samples share has one gradient, a sum over all of them,
which `vjp.py` writes.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.ops import TOTAL

from ._access import rearrange
from ._live import find_dependents
from ._tidy import rename_blocks, tidy
from .program import (
    COPY,
    Access,
    AnyStatement,
    Block,
    Carry,
    Loop,
    Operand,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    strides_of,
    whole,
)

Array = Any  # of NumPy


def with_samples(program: Program, blocks: Collection[Block]) -> Program:
    """The program in which these leaves, and all that depends on them, are there once for each sample.

    It has to be done before the program is differentiated.
    """
    return rename_blocks(program, {b: replace(b, samples=True) for b in find_dependents(program.statements, blocks)})


def fix_samples(program: Program, n: int) -> Program:
    """The program of n samples, which are an ordinary axis: the first one of each block that has samples.

    A leaf of shape s has shape (n, *s) then. Where one number of an argument had a place in the program, the numbers of
    all samples stand there, one after the other.
    """
    return tidy(_Fixed(n).program(program))


class _Fixed:
    """Writes a program again, with an axis of n samples."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.blocks: dict[Block, Block] = {}
        self.rows: dict[Block, tuple[Block, int]] = {}  # stacked by a loop: as it is stacked, and the size of a row
        self.statements: list[AnyStatement] = []

    def program(self, program: Program) -> Program:
        for statement in program.statements:
            self.write(statement)
        outputs = []
        for o in program.outputs:
            axes = (self.n, *o.shape) if isinstance(o.access, Access) and o.access.block.samples else o.shape
            access = self.operand(o.access, o.shape, 0 if len(axes) > len(o.shape) else None)
            outputs.append(Output(access, axes, o.leaf and self.block(o.leaf)))
        places = []
        for block, cell in program.places:
            samples = range(self.n) if block.samples else range(1)
            places += [(self.block(block), i * block.size + cell) for i in samples]
        return replace(
            program,
            inputs=tuple(map(self.block, program.inputs)),
            parameters=tuple(map(self.block, program.parameters)),
            statements=tuple(self.statements),
            outputs=tuple(outputs),
            places=tuple(places),
        )

    def block(self, block: Block) -> Block:
        if not block.samples:
            return block
        if block not in self.blocks:
            self.blocks[block] = replace(block, shape=(self.n, *block.shape), samples=False)
        return self.blocks[block]

    def access(self, access: Access, axes: Sequence[int], at: int | None) -> Access:
        """The access over axes to which that of the samples is added in this place; None: over the same axes."""
        if at is None:
            assert not access.block.samples
            return access
        order = [*range(at), None, *range(at, len(axes))]
        if not access.block.samples:
            return rearrange(access, order)
        step, block = access.block.size, self.block(access.block)
        if access.block in self.rows:
            rows, size = self.rows[access.block]
            found = _rows_of_samples(access, axes, size, self.n)
            if found:
                step, block, access = size, rows, found
        new = replace(rearrange(access, order), block=block)
        if new.index is None:
            strides = (*new.strides[:at], step if self.n > 1 else 0, *new.strides[at + 1 :])
            return replace(new, strides=strides)
        samples = (np.arange(self.n) * step).reshape([-1 if i == at else 1 for i in range(len(order))])
        return replace(new, index=new.index + samples)

    def operand(self, x: Operand, axes: Sequence[int], at: int | None) -> Operand:
        return self.access(x, axes, at) if isinstance(x, Access) else x

    def write(self, statement: AnyStatement) -> None:
        if isinstance(statement, Loop):
            self.write_loop(statement)
        elif not any(access.block.samples for access in statement.accesses):
            self.statements.append(statement)
        elif isinstance(statement, Scatter):
            parts = []
            for p in statement.parts:
                target, source = (self.access(access, p.axes, 0) for access in (p.target, p.source))
                parts.append(Part((self.n, *p.axes), target, source))
            self.statements.append(replace(statement, out=self.block(statement.out), parts=tuple(parts)))
        elif statement.over_samples and statement.reduced and statement.reduce is not TOTAL:
            each = Block("", statement.out.shape, samples=True)
            self.write(replace(statement, out=each, over_samples=False))
            self.write(Statement(statement.out, COPY, (whole(each),), each.shape, over_samples=True))
        else:
            axes, kept = statement.axes, len(statement.axes) - statement.reduced
            at = kept if statement.over_samples else 0
            self.statements.append(
                replace(
                    statement,
                    out=self.block(statement.out),
                    operands=tuple([self.operand(x, axes, at) for x in statement.operands]),
                    axes=(*axes[:at], self.n, *axes[at:]),
                    reduced=statement.reduced + statement.over_samples,
                    reduce=statement.reduce if statement.reduced else TOTAL,
                    over_samples=False,
                )
            )

    def write_loop(self, loop: Loop) -> None:
        before, self.statements = self.statements, []
        for statement in loop.body:
            self.write(statement)
        body, self.statements = self.statements, before
        carried = []
        for c in loop.carried:
            at = 0 if c.state.samples else None
            initial, result = self.operand(c.initial, c.state.shape, at), self.access(c.result, c.state.shape, at)
            carried.append(Carry(self.block(c.state), initial, result, c.final and self.block(c.final)))
        streams = []
        for block, access in loop.streams:
            axes, at = (loop.turns, *block.shape), 1 if block.samples else None
            streams.append((self.block(block), self.access(access, axes, at)))
        stacked, copies = [], []
        for block, outer in loop.stacked:
            rows = outer
            if outer.samples:
                rows = Block(outer.name, (loop.turns, self.n, *block.shape))
                self.rows[outer] = rows, block.size
                copies.append(self._sample_by_sample(rows, block, outer, loop.turns))
            stacked.append((self.block(block), rows))
        self.statements.append(
            replace(loop, body=tuple(body), carried=tuple(carried), streams=tuple(streams), stacked=tuple(stacked))
        )
        self.statements += copies

    def _sample_by_sample(self, rows: Block, block: Block, outer: Block, turns: int) -> Statement:
        """The rows that a loop stacked, as a block has to be laid out that has samples in front."""
        axes = (self.n, turns, *block.shape)
        steps = (block.size, self.n * block.size, *strides_of(block.shape))
        access = Access(rows, tuple([step if length > 1 else 0 for step, length in zip(steps, axes)]))
        return Statement(self.block(outer), COPY, (access,), axes)


def _rows_of_samples(access: Access, axes: Sequence[int], size: int, n: int) -> Access | None:
    """An access to rows of one sample, as one to rows of n of them; None where an axis leads from row to row by and by.

    Each row of `size` cells has become n rows.
    """
    if access.index is not None:
        cell = access.index
        return replace(access, index=cell // size * (size * n) + cell % size)
    steps = [(length, stride) for length, stride in zip(axes, access.strides) if stride % size]
    first = access.offset % size + sum((length - 1) * min(stride, 0) for length, stride in steps)
    last = access.offset % size + sum((length - 1) * max(stride, 0) for length, stride in steps)
    if first < 0 or last >= size:
        return None
    strides = [stride if stride % size else stride * n for stride in access.strides]
    offset = access.offset // size * (size * n) + access.offset % size
    return replace(access, strides=tuple(strides), offset=offset)
