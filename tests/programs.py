"""Random array programs for the tests: every kind of statement and access, small enough to run cell by cell."""

from collections.abc import Callable, Sequence
from math import prod
from random import Random
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import (
    COPY,
    EQUAL,
    REDUCTIONS,
    TAKE,
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
    written_blocks,
)
from tinygrad_edu.ops import MUL
from tinygrad_edu.rules import OPS, Op, find

Array = Any
SAMPLES = 3

OF_ONE = [COPY, *[OPS[name] for name in "neg tanh sin relu sigmoid step abs gelu silu".split()], find("power", 2)]
OF_ONE += [find("power", 3), find("leaky_relu", 0.1), find("clamp", -0.5, 0.5)]
OF_TWO = [OPS[name] for name in "add sub mul maximum minimum".split()]
LOGSUMEXP = OPS["logsumexp"]


class Maker:
    """Makes one program; `samples` says whether there are any."""

    def __init__(self, seed: int, length: int, samples: bool) -> None:
        self.random, self.samples = Random(seed), samples
        self.inputs = [self.leaf(f"x[{i}]", "input", samples) for i in range(2)]
        self.indices = [Block("i", kind="index"), Block("j", (3,), "index", samples=samples)]
        self.parameters = [self.leaf(name, "parameter") for name in ("layers[0].w", "layers[0].b", "layers[1].w", "s")]
        self.blocks = [*self.inputs, *self.parameters]
        self.blocks += [Block("table", (n := self.shape()), "data", data=self.numbers(prod(n))) for _ in range(2)]
        self.statements = self.body(length, self.blocks)
        made = [out for s in self.statements for out in written_blocks(s)]
        outputs = [self.output(block) for block in made[-3:]] + [Output(whole(self.parameters[0]), leaf=None)]
        outputs[-1] = Output(whole(self.parameters[0]), self.parameters[0].shape)
        if self.random.random() < 0.5:
            outputs.append(Output(0.5, self.shape()))
        inputs = (*self.inputs, *self.indices)
        self.program = Program("f", inputs, tuple(self.parameters), tuple(self.statements), tuple(outputs))

    def shape(self, most: int = 3) -> tuple[int, ...]:
        return tuple([self.random.choice([1, 2, 3, 4]) for _ in range(self.random.randint(0, most))])

    def leaf(self, name: str, kind: Any, samples: bool = False) -> Block:
        return Block(name, self.shape(), kind, samples)

    def numbers(self, n: int) -> Array:
        return np.array([self.random.randint(-2000, 2000) / 1000 for _ in range(n)])

    def leaves(self) -> dict[Block, Array]:
        leaves: dict[Block, Array] = {}
        for block in (*self.program.inputs, *self.program.parameters):
            shape = (*[SAMPLES] * block.samples, *block.shape)
            whole_numbers = np.array([self.random.randrange(2) for _ in range(prod(shape))])
            leaves[block] = (whole_numbers if block.kind == "index" else self.numbers(prod(shape))).reshape(shape)
        return leaves

    # ---- accesses ----
    def access(self, axes: Sequence[int], blocks: Sequence[Block]) -> Access:
        block = self.random.choice(blocks[-6:] if self.random.random() < 0.5 else blocks)
        kind = self.random.random()
        mask = None
        if self.random.random() < 0.15:
            shape = [n if self.random.random() < 0.7 else 1 for n in axes]
            mask = np.array([self.random.random() < 0.7 for _ in range(prod(shape))], bool).reshape(shape)
        fill = self.random.choice([0.0, 0.0, 1.0, -2.5])
        if kind < 0.15:
            shape = [n if self.random.random() < 0.7 else 1 for n in axes]
            index = np.array([self.random.randrange(block.size) for _ in range(prod(shape))], int).reshape(shape)
            return Access(block, (), 0, index, mask, fill)
        strides, offset = self.walk(axes, block)
        return Access(block, strides, offset, None, mask, fill)

    def walk(self, axes: Sequence[int], block: Block) -> tuple[tuple[int, ...], int]:
        """Strides and an offset that stay inside: along its dimensions, or those of another shape, or diagonals."""
        random = self.random
        shape = block.shape if random.random() < 0.7 else other_shape(random, block.size)
        units = strides_of(shape)
        room = [n - 1 for n in shape]
        strides, offset = [0] * len(axes), 0
        places = [*range(len(axes))]
        random.shuffle(places)
        for axis in places:
            length = axes[axis]
            fitting = [d for d in range(len(shape)) if length > 1 and room[d] >= length - 1]
            if fitting and random.random() < 0.85:
                d = random.choice(fitting)
                step = random.choice([s for s in (1, 1, 1, 2, 3) if s * (length - 1) <= room[d]])
                room[d] -= step * (length - 1)
                if random.random() < 0.2:
                    offset += step * (length - 1) * units[d]
                    step = -step
                strides[axis] = step * units[d]
        for d, left in enumerate(room):
            offset += random.randint(0, left) * units[d] if random.random() < 0.5 else 0
        return tuple(strides), offset

    def operand(self, axes: Sequence[int], blocks: Sequence[Block]) -> Operand:
        if self.random.random() < 0.1:
            return self.random.choice([0.5, 1.0, 2.0, -1.0, 0.0])
        return self.access(axes, blocks)

    def axes(self, blocks: Sequence[Block]) -> tuple[int, ...]:
        if self.random.random() < 0.5:
            shape = [*self.random.choice(blocks).shape]
            self.random.shuffle(shape)
            return tuple(shape)
        return self.shape()

    # ---- statements ----
    def body(self, length: int, blocks: list[Block], depth: int = 0) -> list[AnyStatement]:
        statements: list[AnyStatement] = []
        for _ in range(length):
            kinds: list[Callable[[list[Block]], AnyStatement]] = [self.elementwise] * 4 + [self.product] * 3
            kinds += [self.whole_row, self.whole_row, self.scatter, self.take, self.equal, self.reduction]
            if depth < 2:
                kinds.append(lambda blocks: self.loop(blocks, depth))
            s = self.random.choice(kinds)(blocks)
            statements.append(s)
            blocks += written_blocks(s)
        return statements

    def statement(
        self, op: Op, operands: Sequence[Operand], axes: tuple[int, ...], reduced: int = 0, **more: Any
    ) -> Statement:
        samples = any(isinstance(x, Access) and x.block.samples for x in operands)
        over = samples and self.random.random() < 0.2
        name = self.random.choice(["", "", "", "", "hidden", "w", "class"])
        out = Block(name, axes[: len(axes) - reduced], samples=samples and not over)
        return Statement(out, op, tuple(operands), axes, reduced, over_samples=over, **more)

    def elementwise(self, blocks: list[Block]) -> Statement:
        axes = self.axes(blocks)
        ops, arity = self.random.choice([(OF_ONE, 1), (OF_TWO, 2), ([OPS["where"]], 3)])
        return self.statement(self.random.choice(ops), [self.operand(axes, blocks) for _ in range(arity)], axes)

    def whole_row(self, blocks: list[Block]) -> Statement:
        """Something computed of the last result, cell by cell, so that expressions become longer."""
        block = blocks[-1]
        others = [whole(block)] if self.random.random() < 0.5 else [whole(block), self.operand(block.shape, blocks)]
        op = self.random.choice(OF_ONE if len(others) == 1 else OF_TWO)
        return self.statement(op, others, block.shape)

    def product(self, blocks: list[Block]) -> Statement:
        axes = self.axes(blocks)
        operands = [self.access(axes, blocks) for _ in range(2)]
        return self.statement(MUL, operands, axes, self.random.randint(min(1, len(axes)), len(axes)))

    def reduction(self, blocks: list[Block]) -> Statement:
        axes = self.axes(blocks)
        reduced, op = (
            self.random.randint(min(1, len(axes)), len(axes)),
            self.random.choice([COPY, COPY, *OF_ONE]) if self.random.random() < 0.5 else COPY,
        )
        return self.statement(op, [self.access(axes, blocks)], axes, reduced, reduce=self.random.choice(REDUCTIONS))

    def take(self, blocks: list[Block]) -> Statement:
        index = self.random.choice(self.indices)
        n = self.random.randint(2, 4)
        axes = (*(index.shape or self.shape(1)), *self.shape(1), n)
        strides = (1, *[0] * (len(axes) - 1)) if index.shape else (0,) * len(axes)
        return self.statement(TAKE, [self.access(axes, blocks), Access(index, strides)], axes, 1)

    def equal(self, blocks: list[Block]) -> Statement:
        index = self.random.choice(self.indices)
        n = self.random.randint(1, 4)
        axes = (*index.shape, n)
        rows = Block("", (n,), "data", data=np.arange(n, dtype=float))
        strides = (*[1] * len(index.shape), 0)
        return self.statement(EQUAL, [Access(index, strides), Access(rows, (*[0] * len(index.shape), 1))], axes)

    def scatter(self, blocks: list[Block]) -> Scatter:
        shape, samples = self.shape(), False
        out = Block("", shape)
        parts = []
        for _ in range(self.random.randint(1, 3)):
            axes = self.axes(blocks)
            if self.random.random() < 0.3:
                order = self.random.sample(range(len(shape)), len(shape))
                axes = tuple([shape[d] for d in order])
                target = Access(out, tuple([strides_of(shape)[d] if shape[d] > 1 else 0 for d in order]))
            elif self.random.random() < 0.2:
                index = np.array([self.random.randrange(out.size) for _ in range(prod(axes))], int).reshape(axes)
                target = Access(out, (), 0, index)
            else:
                target = Access(out, *self.walk(axes, out))
            source = self.access(axes, blocks)
            samples = samples or source.block.samples
            parts.append((axes, target, source))
        out = Block("", shape, samples=samples)
        of = [Part(axes, Access(out, t.strides, t.offset, t.index), source) for axes, t, source in parts]
        return Scatter(out, tuple(of))

    def loop(self, blocks: list[Block], depth: int) -> Loop:
        turns, samples = self.random.randint(1, 3), self.samples and self.random.random() < 0.5
        states = [Block("", self.shape(2), samples=samples) for _ in range(self.random.randint(0, 2))]
        starts = [self.access(state.shape, [b for b in blocks if b.samples == samples]) for state in states]
        streams = []
        for _ in range(self.random.randint(0, 2)):
            shape = self.shape(2)
            access = self.access((turns, *shape), blocks)
            streams.append((Block("", shape, samples=access.block.samples), access))
        inner = [*blocks, *states, *[block for block, _ in streams]]
        body = self.body(self.random.randint(1, 4), inner, depth + 1)
        made = [out for s in body for out in written_blocks(s)]
        carried = []
        for state, start in zip(states, starts):
            fitting = [b for b in made + states if b.shape == state.shape and b.samples == samples]
            if fitting and self.random.random() < 0.7:
                result = whole(self.random.choice(fitting))
            else:
                result = self.access(state.shape, [b for b in [*states, *made] if b.samples == samples] or [state])
            final = Block("", state.shape, samples=samples) if self.random.random() < 0.7 else None
            carried.append(Carry(state, start, result, final))
        stacked = [(b, Block("", (turns, *b.shape), samples=b.samples)) for b in made if self.random.random() < 0.5]
        backwards = self.random.random() < 0.3
        return Loop(turns, tuple(body), tuple(carried), tuple(streams), tuple(stacked), backwards)

    def output(self, block: Block) -> Output:
        if self.random.random() < 0.7:
            return Output(whole(block), block.shape)
        shape = self.shape()
        return Output(self.access(shape, [block]), shape)


def other_shape(random: Random, size: int) -> tuple[int, ...]:
    """Another shape of as many cells."""
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    n = random.choice(divisors)
    return (n, size // n) if random.random() < 0.7 else (size,)
