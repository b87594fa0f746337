"""Tidying: an array program without copies, without what is computed twice, and without what nobody reads.

What a statement computes is the same before and after. Who writes statements that can be tidied is `vjp.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ._access import in_order
from .program import (
    COPY,
    Access,
    Any_Statement,
    Block,
    Carry,
    Loop,
    Operand,
    Part,
    Program,
    Scatter,
    Statement,
    written,
)

Key = Any  # equal for what reads or computes the same


def tidied(program: Program) -> Program:
    """The same program: copies are read at their source, equal statements are one, and what nobody reads is gone."""
    same: dict[Block, Block] = {}
    statements = _shared(program.statements, same, {})
    outputs = [replace(output, access=_operand(output.access, same)) for output in program.outputs]
    read = [output.access.block for output in outputs if isinstance(output.access, Access)]
    return replace(program, statements=tuple(needed(statements, read)), outputs=tuple(outputs))


def renamed(program: Program, blocks: Mapping[Block, Block]) -> Program:
    """The same program with other blocks in place of some."""
    outputs = [
        replace(o, access=_operand(o.access, blocks), leaf=o.leaf and blocks.get(o.leaf, o.leaf))
        for o in program.outputs
    ]
    return replace(
        program,
        inputs=tuple([blocks.get(block, block) for block in program.inputs]),
        parameters=tuple([blocks.get(block, block) for block in program.parameters]),
        statements=tuple([replaced(statement, blocks) for statement in program.statements]),
        outputs=tuple(outputs),
        places=tuple([(blocks.get(block, block), cell) for block, cell in program.places]),
    )


def _operand(x: Operand, blocks: Mapping[Block, Block]) -> Operand:
    return _access(x, blocks) if isinstance(x, Access) else x


def _access(access: Access, blocks: Mapping[Block, Block]) -> Access:
    block = blocks.get(access.block)
    return access if block is None else replace(access, block=block)


def replaced(statement: Any_Statement, blocks: Mapping[Block, Block]) -> Any_Statement:
    """The statement with other blocks in place of some, wherever it reads or writes them."""

    def other(block: Block) -> Block:
        return blocks.get(block, block)

    if isinstance(statement, Statement):
        if blocks.keys().isdisjoint([statement.out, *[access.block for access in statement.accesses]]):
            return statement
        operands = tuple([_operand(x, blocks) for x in statement.operands])
        return replace(statement, out=other(statement.out), operands=operands)
    if isinstance(statement, Scatter):
        parts = [Part(p.axes, _access(p.target, blocks), _access(p.source, blocks)) for p in statement.parts]
        return replace(statement, out=other(statement.out), parts=tuple(parts))
    return replace(
        statement,
        body=tuple([replaced(s, blocks) for s in statement.body]),
        carried=tuple(
            [
                Carry(
                    other(c.state), _operand(c.initial, blocks), _access(c.result, blocks), c.final and other(c.final)
                )
                for c in statement.carried
            ]
        ),
        streams=tuple([(other(block), _access(access, blocks)) for block, access in statement.streams]),
        stacked=tuple([(other(block), other(outer)) for block, outer in statement.stacked]),
    )


# ---- copies, and what is computed twice ------------------------------------------------------------------------------
def _shared(
    statements: Iterable[Any_Statement], same: dict[Block, Block], known: dict[Key, Block]
) -> list[Any_Statement]:
    """The statements reading, for each block that is `same` as one before, that one. Nothing is left out yet."""
    out: list[Any_Statement] = []
    for statement in statements:
        if isinstance(statement, Loop):
            out.append(_shared_in_loop(statement, same, known))
            continue
        statement = replaced(statement, same)
        assert not isinstance(statement, Loop)
        first = _copied(statement) or known.setdefault(_key(statement), statement.out)
        if first is not statement.out:
            same[statement.out] = first
        out.append(statement)
    return out


def _shared_in_loop(loop: Loop, same: dict[Block, Block], known: dict[Key, Block]) -> Loop:
    rows: dict[Key, Block] = {}
    for block, access in loop.streams:
        first = rows.setdefault((_access_key(_access(access, same)), block.shape), block)
        if first is not block:
            same[block] = first
    streams = [(block, _access(access, same)) for block, access in loop.streams]
    body = _shared(loop.body, same, dict(known))
    carried = [replace(c, initial=_operand(c.initial, same), result=_access(c.result, same)) for c in loop.carried]
    stacks: dict[Block, Block] = {}
    for block, outer in loop.stacked:
        first = stacks.setdefault(block, outer)
        if first is not outer:
            same[outer] = first
    return replace(loop, body=tuple(body), carried=tuple(carried), streams=tuple(streams))


def _copied(statement: Statement | Scatter) -> Block | None:
    """The block of which a statement makes a mere copy."""
    if isinstance(statement, Scatter) or statement.op is not COPY or statement.reduced or statement.over_samples:
        return None
    (x,) = statement.operands
    return x.block if isinstance(x, Access) and in_order(x, statement.axes) else None


def _key(statement: Statement | Scatter) -> Key:
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
def needed(statements: Sequence[Any_Statement], blocks: Iterable[Block]) -> list[Any_Statement]:
    """The statements without those on which none of the blocks depends."""
    read = set(blocks)
    kept: list[Any_Statement] = []
    for statement in reversed(statements):
        if read.isdisjoint(written(statement)):
            continue
        if isinstance(statement, Loop):
            statement = _needed_of_loop(statement, read)
        read.update([access.block for access in statement.accesses])
        kept.append(statement)
    return kept[::-1]


def _needed_of_loop(loop: Loop, read: set[Block]) -> Loop:
    stacked = [(block, outer) for block, outer in loop.stacked if outer in read]
    carried = [replace(c, final=c.final if c.final in read else None) for c in loop.carried]
    wanted = {block for block, _ in stacked} | {c.result.block for c in carried if c.final}
    while True:  # a state that is read makes its next one wanted
        body = needed(loop.body, wanted)
        inside = wanted | {access.block for s in body for access in s.accesses}
        states = [c for c in carried if c.final or c.state in inside]
        results = {c.result.block for c in states}
        if results <= wanted:
            break
        wanted |= results
    streams = [(block, access) for block, access in loop.streams if block in inside]
    return replace(loop, body=tuple(body), carried=tuple(states), streams=tuple(streams), stacked=tuple(stacked))
