"""Tidying: an array program without copies, without what is computed twice, and without what nobody reads.

What a statement computes is the same before and after. Who writes statements that can be tidied is `vjp.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ._access import reads_in_order
from .program import (
    COPY,
    Access,
    AnyStatement,
    Block,
    Carry,
    Loop,
    Part,
    Program,
    Scatter,
    Statement,
    written_blocks,
)

T = TypeVar("T")
Key = Any  # equal for what reads or computes the same


def tidy(program: Program) -> Program:
    """The same program: copies are read at their source, equal statements are one, and what nobody reads is gone."""
    same: dict[Block, Block] = {}
    statements = _share(program.statements, same, {})
    outputs = [replace(output, access=_redirect(output.access, same)) for output in program.outputs]
    read = [output.access.block for output in outputs if isinstance(output.access, Access)]
    return replace(program, statements=tuple(drop_unread(statements, read)), outputs=tuple(outputs))


def rename_blocks(program: Program, blocks: Mapping[Block, Block]) -> Program:
    """The same program with other blocks in place of some."""
    outputs = [
        replace(o, access=_redirect(o.access, blocks), leaf=o.leaf and blocks.get(o.leaf, o.leaf))
        for o in program.outputs
    ]
    return replace(
        program,
        inputs=tuple([blocks.get(block, block) for block in program.inputs]),
        parameters=tuple([blocks.get(block, block) for block in program.parameters]),
        statements=tuple([replace_blocks(statement, blocks) for statement in program.statements]),
        outputs=tuple(outputs),
        places=tuple([(blocks.get(block, block), cell) for block, cell in program.places]),
    )


def _redirect(x: T, blocks: Mapping[Block, Block]) -> T:
    """The access, or another operand, with the other block in place of its own."""
    return replace(x, block=blocks[x.block]) if isinstance(x, Access) and x.block in blocks else x


def replace_blocks(statement: AnyStatement, blocks: Mapping[Block, Block]) -> AnyStatement:
    """The statement with other blocks in place of some, wherever it reads or writes them."""

    def other(block: Block) -> Block:
        return blocks.get(block, block)

    if isinstance(statement, Statement):
        if blocks.keys().isdisjoint([statement.out, *[access.block for access in statement.accesses]]):
            return statement
        operands = tuple([_redirect(x, blocks) for x in statement.operands])
        return replace(statement, out=other(statement.out), operands=operands)
    if isinstance(statement, Scatter):
        parts = [Part(p.axes, _redirect(p.target, blocks), _redirect(p.source, blocks)) for p in statement.parts]
        return replace(statement, out=other(statement.out), parts=tuple(parts))
    return replace(
        statement,
        body=tuple([replace_blocks(s, blocks) for s in statement.body]),
        carried=tuple(
            [
                Carry(
                    other(c.state),
                    _redirect(c.initial, blocks),
                    _redirect(c.result, blocks),
                    c.final and other(c.final),
                )
                for c in statement.carried
            ]
        ),
        streams=tuple([(other(block), _redirect(access, blocks)) for block, access in statement.streams]),
        stacked=tuple([(other(block), other(outer)) for block, outer in statement.stacked]),
    )


# ---- copies, and what is computed twice ------------------------------------------------------------------------------
def _share(statements: Iterable[AnyStatement], same: dict[Block, Block], known: dict[Key, Block]) -> list[AnyStatement]:
    """The statements reading, for each block that is `same` as one before, that one. Nothing is left out yet."""
    out: list[AnyStatement] = []
    for statement in statements:
        if isinstance(statement, Loop):
            out.append(_share_in_loop(statement, same, known))
            continue
        statement = replace_blocks(statement, same)
        assert not isinstance(statement, Loop)
        first = _source_of_copy(statement) or known.setdefault(_statement_key(statement), statement.out)
        if first is not statement.out:
            same[statement.out] = first
        out.append(statement)
    return out


def _share_in_loop(loop: Loop, same: dict[Block, Block], known: dict[Key, Block]) -> Loop:
    rows: dict[Key, Block] = {}
    for block, access in loop.streams:
        first = rows.setdefault((_access_key(_redirect(access, same)), block.shape), block)
        if first is not block:
            same[block] = first
    streams = [(block, _redirect(access, same)) for block, access in loop.streams]
    body = _share(loop.body, same, dict(known))
    carried = [replace(c, initial=_redirect(c.initial, same), result=_redirect(c.result, same)) for c in loop.carried]
    stacks: dict[Block, Block] = {}
    for block, outer in loop.stacked:
        first = stacks.setdefault(block, outer)
        if first is not outer:
            same[outer] = first
    return replace(loop, body=tuple(body), carried=tuple(carried), streams=tuple(streams))


def _source_of_copy(statement: Statement | Scatter) -> Block | None:
    """The block of which a statement makes a mere copy."""
    if isinstance(statement, Scatter) or statement.op is not COPY or statement.reduced or statement.over_samples:
        return None
    (x,) = statement.operands
    return x.block if isinstance(x, Access) and reads_in_order(x, statement.axes) else None


def _statement_key(statement: Statement | Scatter) -> Key:
    if isinstance(statement, Scatter):
        return statement.out.shape, *[
            (p.axes, _access_key(p.target)[1:], _access_key(p.source)) for p in statement.parts
        ]
    operands = tuple([_access_key(x) if isinstance(x, Access) else repr(x) for x in statement.operands])
    how = (statement.axes, statement.reduced, statement.reduce, statement.over_samples)
    return statement.op, statement.out.shape, operands, how


def _access_key(access: Access) -> tuple[Key, ...]:
    arrays = [None if array is None else (array.shape, array.tobytes()) for array in (access.index, access.mask)]
    return access.block, access.strides, access.offset, *arrays, access.fill


# ---- what nobody reads -----------------------------------------------------------------------------------------------
def drop_unread(statements: Sequence[AnyStatement], blocks: Iterable[Block]) -> list[AnyStatement]:
    """The statements without those on which none of the blocks depends."""
    read = set(blocks)
    kept: list[AnyStatement] = []
    for statement in reversed(statements):
        if read.isdisjoint(written_blocks(statement)):
            continue
        if isinstance(statement, Loop):
            statement = _drop_unread_of_loop(statement, read)
        read.update([access.block for access in statement.accesses])
        kept.append(statement)
    return kept[::-1]


def _drop_unread_of_loop(loop: Loop, read: set[Block]) -> Loop:
    stacked = [(block, outer) for block, outer in loop.stacked if outer in read]
    carried = [replace(c, final=c.final if c.final in read else None) for c in loop.carried]
    wanted = {block for block, _ in stacked} | {c.result.block for c in carried if c.final}
    while True:  # a state that is read makes its next one wanted
        body = drop_unread(loop.body, wanted)
        inside = wanted | {access.block for s in body for access in s.accesses}
        states = [c for c in carried if c.final or c.state in inside]
        results = {c.result.block for c in states}
        if results <= wanted:
            break
        wanted |= results
    streams = [(block, access) for block, access in loop.streams if block in inside]
    return replace(loop, body=tuple(body), carried=tuple(states), streams=tuple(streams), stacked=tuple(stacked))
