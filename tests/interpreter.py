"""Array programs, run cell by cell as `compiler/program.py` says: slow and short, all others are held to it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import TAKE, Access, Block, Loop, Operand, Program, Scatter
from tinygrad_edu.rules import NumberSystem

Array = Any


class Arrays(NumberSystem):
    """The number system of NumPy's arrays, for the rules."""

    exp, exp2, expm1, sqrt = np.exp, np.exp2, np.expm1, np.sqrt
    log, log2, log10, log1p = np.log, np.log2, np.log10, np.log1p
    sin, cos, tan, asin, acos, atan = np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan
    sinh, cosh, tanh, asinh, acosh, atanh = np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh
    abs, sign, maximum, minimum, pow = np.abs, np.sign, np.maximum, np.minimum, np.power

    @staticmethod
    def erfc(x: Array) -> Array:
        from math import erfc

        return np.vectorize(erfc, otypes=[float])(x)

    @staticmethod
    def step(x: Array) -> Array:
        return np.heaviside(x, 0.0)

    @staticmethod
    def where(c: Array, a: Array, b: Array) -> Array:
        return np.where(c != 0, a, b)

    @staticmethod
    def equal(a: Array, b: Array) -> Array:
        return np.equal(a, b) * 1.0


ARRAYS = Arrays()
REDUCE = {
    "total": lambda x, axis: x.sum(axis),
    "largest": lambda x, axis: x.max(axis),
    "smallest": lambda x, axis: x.min(axis),
    "logsumexp": lambda x, axis: np.logaddexp.reduce(x, axis),
}


def run(program: Program, leaves: Mapping[Block, Array]) -> list[Array]:
    """The outputs; a leaf is an array of the block's shape, with the samples in front where it has them."""
    memory = {
        block: np.asarray(x, float).reshape((-1, block.size) if block.samples else (block.size,))
        for block, x in leaves.items()
    }
    n = max([len(memory[block]) for block in leaves if block.samples], default=1)
    with np.errstate(all="ignore"):
        for statement in program.statements:
            _run(statement, memory, n)
    return [_read(output.access, output.shape, memory) for output in program.outputs]


def _cells(access: Access, axes: Sequence[int]) -> Array:
    """The cells of the block that the access leads to."""
    if access.index is not None:
        return np.broadcast_to(access.index, axes)
    cells = np.full(axes, access.offset)
    for axis, (length, stride) in enumerate(zip(axes, access.strides)):
        cells = cells + (np.arange(length) * stride).reshape([-1 if a == axis else 1 for a in range(len(axes))])
    return cells


def _block(block: Block, memory: dict[Block, Array]) -> Array:
    if block.kind == "data":
        return np.asarray(block.data, float).ravel()
    return memory[block]


def _read(operand: Operand, axes: Sequence[int], memory: dict[Block, Array]) -> Array:
    if not isinstance(operand, Access):
        return np.float64(operand)
    assert operand.index is not None or len(operand.strides) == len(axes), (operand, axes)
    x = _block(operand.block, memory)[..., _cells(operand, axes)]
    return x if operand.mask is None else np.where(operand.mask, x, operand.fill)


def _run(statement: Any, memory: dict[Block, Array], n: int) -> None:
    if isinstance(statement, Loop):
        _run_loop(statement, memory, n)
        return
    samples = any(a.block.samples for a in statement.accesses)
    front = (n,) if samples else ()
    if isinstance(statement, Scatter):
        out = np.zeros((*front, statement.out.size))
        for part in statement.parts:
            x = np.broadcast_to(_read(part.source, part.axes, memory), (*front, *part.axes))
            np.add.at(out, (..., _cells(part.target, part.axes)), x)
        assert statement.out.samples == samples
        memory[statement.out] = out
        return
    axes = (*front, *statement.axes)
    xs = [_read(x, statement.axes, memory) for x in statement.operands]
    if statement.op is TAKE:
        table, index = (np.broadcast_to(x, axes) for x in xs)
        y = np.take_along_axis(table, index[..., :1].astype(int), -1)[..., 0]
    else:
        y = np.broadcast_to(statement.op.value(ARRAYS, *xs), axes)
        kept = len(axes) - statement.reduced
        for axis in reversed(range(kept, len(axes))):
            y = REDUCE[statement.reduce.name](y, axis)
    if statement.over_samples:
        y = y.sum(0)
    assert statement.out.samples == (samples and not statement.over_samples), statement.out
    memory[statement.out] = y.reshape((*y.shape[:1], -1) if statement.out.samples else (-1,))
    assert memory[statement.out].shape[-1] == statement.out.size, statement.out


def _run_loop(loop: Loop, memory: dict[Block, Array], n: int) -> None:
    inner = dict(memory)

    def put(state: Block, operand: Operand) -> Array:
        """What is read, laid out as the state is: one that has samples is the same for all if what is read has none."""
        x = _read(operand, state.shape, inner)
        return np.broadcast_to(x, (n, *state.shape)).reshape(n, -1) if state.samples else np.resize(x, state.size)

    states = {carry.state: put(carry.state, carry.initial) for carry in loop.carried}
    rows: dict[Block, list[Array]] = {outer: [None] * loop.turns for _, outer in loop.stacked}
    streams = {block: _read(access, (loop.turns, *block.shape), memory) for block, access in loop.streams}
    for t in reversed(range(loop.turns)) if loop.backwards else range(loop.turns):
        inner.update(states)
        for block, x in streams.items():
            row = np.take(x, t, axis=1 if block.samples else 0)
            inner[block] = row.reshape((*row.shape[: block.samples], -1))
        for statement in loop.body:
            _run(statement, inner, n)
        for block, outer in loop.stacked:
            rows[outer][t] = _block(block, inner)
        states = {carry.state: put(carry.state, carry.result) for carry in loop.carried}
    for outer, x in rows.items():
        memory[outer] = np.concatenate(x, axis=-1)
    for carry in loop.carried:
        if carry.final is not None:
            memory[carry.final] = states[carry.state]
