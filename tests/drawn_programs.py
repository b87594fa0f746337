"""Array programs for tests: written by hand, statement by statement, or drawn at random."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from random import Random
from typing import Any

import numpy as np
from interpreter import run

from tinygrad_edu.compiler.program import (
    COPY,
    REDUCTIONS,
    TAKE,
    Access,
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
from tinygrad_edu.ops import MUL, power
from tinygrad_edu.rules import OPS, Op

Array = Any
Leaves = dict[Block, Array]


class Writer:
    """Writes statements, one after the other."""

    def __init__(self, *blocks: Block) -> None:
        self.inputs = [block for block in blocks if block.kind in ("input", "index")]
        self.parameters = [block for block in blocks if block.kind == "parameter"]
        self.statements: list[Any] = []

    def write(
        self, op: Op | str, *operands: Block | Operand, axes: Sequence[int] | None = None, reduced: int = 0, **more: Any
    ) -> Block:
        """A statement; a block as an operand is read as a whole, over its own shape if no axes are given."""
        if axes is None:
            axes = next(x.shape for x in operands if isinstance(x, Block))
        read = [whole(x, axes) if isinstance(x, Block) else x for x in operands]
        name = more.pop("name", "")
        samples = any(x.block.samples for x in read if isinstance(x, Access)) and not more.get("over_samples")
        out = Block(name, tuple(axes[: len(axes) - reduced]), samples=samples)
        op = OPS[op] if isinstance(op, str) else op
        self.statements.append(Statement(out, op, tuple(read), tuple(axes), reduced, **more))
        return out

    def total(self, block: Block) -> Block:
        return self.write(COPY, block, axes=(block.size,), reduced=1)

    def scatter(self, shape: Sequence[int], *parts: tuple[Sequence[int], Access, Access]) -> Block:
        """Of (axes, target, source); the block of a target, which is only written now, may be any."""
        out = Block("", tuple(shape), samples=any(source.block.samples for _, _, source in parts))
        made = [Part(tuple(axes), replace(target, block=out), source) for axes, target, source in parts]
        self.statements.append(Scatter(out, tuple(made)))
        return out

    def loop(
        self,
        turns: int,
        body: Sequence[Any],
        carried: Sequence[Carry] = (),
        streams: Sequence[tuple[Block, Access]] = (),
        stacked: Sequence[tuple[Block, Block]] = (),
        backwards: bool = False,
    ) -> None:
        self.statements.append(Loop(turns, tuple(body), tuple(carried), tuple(streams), tuple(stacked), backwards))

    @contextmanager
    def body(self) -> Iterator[list[Any]]:
        """What is written inside is the body of a loop."""
        outside, self.statements = self.statements, []
        inside = self.statements
        yield inside
        self.statements = outside

    def program(self, *outputs: Block | Output) -> Program:
        return Program(
            "f",
            tuple(self.inputs),
            tuple(self.parameters),
            tuple(self.statements),
            tuple([o if isinstance(o, Output) else Output(whole(o), o.shape) for o in outputs]),
            tuple([(block, cell) for block in (*self.inputs, *self.parameters) for cell in range(block.size)]),
        )


def listing(program: Program) -> str:
    """A program as text, each block with its number: what a statement reads with its strides, and what is not plain.

    `add 2[3, 1]+4M, 0.5 over (5, 3)` reads block 2 from its cell 4 on, with strides 3 and 1, masked (I: by an index).
    """
    numbered: dict[Block, str] = {}
    lines: list[str] = []

    def name(block: Block) -> str:
        return numbered.setdefault(block, block.name or ("#" if block.kind == "data" else "") + str(len(numbered)))

    def read(x: Operand) -> str:
        if not isinstance(x, Access):
            return repr(x)
        more = (f"+{x.offset}" if x.offset else "") + "I" * (x.index is not None) + "M" * (x.mask is not None)
        return f"{name(x.block)}{list(x.strides) if x.index is None else ''}{more}"

    def write(s: Any, indent: str) -> None:
        if isinstance(s, Scatter):
            parts = [f"{read(p.target)} += {read(p.source)} over {p.axes}" for p in s.parts]
            lines.append(f"{indent}{name(s.out)}{list(s.out.shape)} = scatter {'; '.join(parts)}")
        elif isinstance(s, Loop):
            carried = [f"{name(c.state)} = {read(c.initial)}" for c in s.carried]
            streams = [f"{name(block)} in {read(access)}" for block, access in s.streams]
            lines.append(f"{indent}loop {s.turns}{' backwards' * s.backwards}: {', '.join(carried + streams)}")
            for statement in s.body:
                write(statement, indent + "    ")
            ends = [
                f"{name(c.state)} = {read(c.result)}" + (f" -> {name(c.final)}" if c.final else "") for c in s.carried
            ]
            stacked = [f"{name(block)} -> {name(outer)}" for block, outer in s.stacked]
            lines.append(f"{indent}next: {', '.join(ends + stacked)}")
        else:
            kept = len(s.axes) - s.reduced
            over = (
                f" over {s.axes[:kept]}"
                + f" {s.reduce} {s.axes[kept:]}" * (s.reduced > 0)
                + " samples" * s.over_samples
            )
            read_by_it = ", ".join(map(read, s.operands))
            lines.append(f"{indent}{name(s.out)}{list(s.out.shape)} = {s.op} {read_by_it}{over}")

    for statement in program.statements:
        write(statement, "")
    for output in program.outputs:
        lines.append(f"{output.leaf.name if output.leaf else 'return'}: {read(output.access)} over {output.shape}")
    return "\n".join(lines)


def numbers(program: Program, random: Random, samples: int = 1) -> Leaves:
    """Numbers for all leaves; an index stays below 3."""
    generator = np.random.default_rng(random.randrange(2**32))

    def drawn(block: Block) -> Array:
        shape = (samples, *block.shape) if block.samples else block.shape
        return generator.integers(0, 3, shape) * 1.0 if block.kind == "index" else generator.normal(size=shape)

    return {block: drawn(block) for block in (*program.inputs, *program.parameters)}


def gradients(program: Program, leaves: Leaves) -> dict[Block, Array]:
    """The gradients among the outputs, each in the shape of its leaf."""
    found = {}
    for output, x in zip(program.outputs, run(program, leaves)):
        if output.leaf is not None:
            found[output.leaf] = np.broadcast_to(x, np.shape(leaves[output.leaf]))
    return found


def slope(program: Program, leaves: Leaves, direction: Leaves) -> tuple[float, float]:
    """The derivative of the sum of the first output in a direction, by differences; and how far off it may be.

    Where a kink is near, that is far.
    """

    def at(h: float) -> float:
        moved = {block: x + h * direction[block] if block in direction else x for block, x in leaves.items()}
        return float(np.sum(run(program, moved)[0]))

    rough, fine = [(8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h) for h in (1e-4, 2e-5)]
    return fine, 1e-6 * max(1.0, abs(fine)) + 10.0 * abs(rough - fine)


# ---- at random -------------------------------------------------------------------------------------------------------
SMOOTH = ["tanh", "sin", "cos", "sigmoid", "softplus", "atan"]
KINKED = ["abs", "relu"]


class Drawn(Writer):
    """A program drawn at random; what it computes stays small."""

    def __init__(self, random: Random, loops: int = 1) -> None:
        self.random, self.loops = random, loops
        leaves = [
            Block("x", self.shape(), "input"),
            Block("y", self.shape(), "input"),
            Block("i", (), "index"),
            Block("w", self.shape(), "parameter"),
            Block("b", self.shape(), "parameter"),
        ]
        super().__init__(*leaves)
        data = Block("", (4,), "data", data=np.array([random.uniform(-1, 1) for _ in range(4)]))
        self.index = leaves[2]
        self.pool = [block for block in (*leaves, data) if block is not self.index]

    def shape(self, most: int = 3) -> tuple[int, ...]:
        return tuple([self.random.choice([1, 2, 2, 3, 3, 4]) for _ in range(self.random.randint(0, most))])

    def access(self, axes: Sequence[int], block: Block | None = None, plain: bool = False) -> Access:
        """Anything that is inside of a block: slices, transposes, windows, from behind, gathers, masks."""
        random = self.random
        block = block or random.choice([*self.pool, *self.pool[-3:]])
        mask = None
        shape = [random.choice([1, n]) for n in axes]
        if not plain and random.random() < 0.15:
            mask = np.array([random.random() < 0.7 for _ in range(prod(shape))]).reshape(shape)
        fill = random.choice([0.0, 0.5]) if mask is not None else 0.0
        if not plain and random.random() < 0.1:
            index = np.array([random.randrange(block.size) for _ in range(prod(shape))]).reshape(shape)
            return Access(block, (), 0, index, mask, fill)
        if prod(axes) == block.size and random.random() < 0.5:
            order = random.sample(range(len(axes)), len(axes))  # a transpose
            steps = strides_of([axes[i] for i in order])
            strides = tuple([steps[order.index(i)] if n > 1 else 0 for i, n in enumerate(axes)])
            return Access(block, strides, 0, None, mask, fill)
        for _ in range(100):
            strides = tuple([random.choice([0, 1, 2, -1, 3, *axes]) if n > 1 else 0 for n in axes])
            low = sum(min(0, (n - 1) * s) for n, s in zip(axes, strides))
            high = sum(max(0, (n - 1) * s) for n, s in zip(axes, strides))
            if high - low < block.size:
                return Access(block, strides, random.randint(-low, block.size - 1 - high), None, mask, fill)
        return Access(block, (0,) * len(axes), random.randrange(block.size), None, mask, fill)  # nothing else has room

    def operand(self, axes: Sequence[int]) -> Operand:
        return self.random.choice([-1.0, 0.5, 2.0]) if self.random.random() < 0.1 else self.access(axes)

    def step(self) -> None:
        """One more statement."""
        random, axes = self.random, self.shape()
        kind = random.choice(["one", "one", "two", "two", "product", "product", "reduce", "take", "scatter", "loop"])
        if kind == "one":
            out = self.write(random.choice(SMOOTH + KINKED), self.access(axes), axes=axes)
        elif kind == "two":
            op = random.choice(["add", "sub", "mul", "div", "maximum", "where", "power", "largest"])
            out = self.of_more(op, axes)
        elif kind == "product":
            axes = (*axes, *self.shape(2))
            reduced = random.randint(0, len(axes))
            out = self.write(MUL, self.operand(axes), self.access(axes), axes=axes, reduced=reduced)
        elif kind == "reduce":
            op = random.choice([COPY, COPY, OPS["tanh"], OPS["mul"], OPS["exp"]])
            axes = (*axes, random.randint(1, 3))
            operands = [self.access(axes) for _ in range(2 if op is MUL else 1)]
            if op.name == "exp":
                operands = [self.write("sin", operands[0], axes=axes)]
            reduced = random.randint(1, len(axes))
            out = self.write(op, *operands, axes=axes, reduced=reduced, reduce=random.choice(REDUCTIONS))
        elif kind == "take":
            axes = (*axes, 3)
            index = Access(self.index, (0,) * len(axes))
            out = self.write(TAKE, self.access(axes, plain=True), index, axes=axes, reduced=1)
        elif kind == "scatter":
            shape = self.shape()
            target = Block("", shape)
            parts = []
            for _ in range(random.randint(1, 3)):
                axes = self.shape(2)
                parts.append((axes, replace(self.access(axes, target), mask=None), self.access(axes)))
            out = self.scatter(shape, *parts)
        elif self.loops:
            self.some_loop()
            return
        else:
            return
        self.pool.append(self.write("tanh", out) if random.random() < 0.5 else self.calm(out))

    def calm(self, out: Block) -> Block:
        return out if self.random.random() < 0.5 else self.write("sin", out)

    def of_more(self, op: str, axes: Sequence[int]) -> Block:
        random = self.random
        if op == "div":
            below = self.write("exp", self.write("sin", self.access(axes), axes=axes))
            return self.write(op, self.operand(axes), below, axes=axes)
        if op == "where":
            return self.write(op, self.access(axes), self.operand(axes), self.access(axes), axes=axes)
        if op == "power":
            return self.write(power(random.choice([2, 3, 2.0])), self.access(axes), axes=axes)
        if op == "largest":
            return self.write(op, self.access(axes), self.operand(axes), self.access(axes), axes=axes)
        return self.write(op, self.operand(axes), self.access(axes), axes=axes)

    def some_loop(self) -> None:
        random, turns, pool = self.random, self.random.randint(1, 3), list(self.pool)
        states = [Block("s", self.shape(2)) for _ in range(random.randint(0, 2))]
        rows = [Block("r", self.shape(2)) for _ in range(random.randint(0, 2))]
        starts = [random.choice([0.5, self.access(state.shape), self.access(state.shape)]) for state in states]
        streams = [(row, self.access((turns, *row.shape))) for row in rows]
        with self.body() as body:
            self.pool = [*pool, *states, *rows, *states]
            self.loops -= 1
            for _ in range(random.randint(1, 4)):
                self.step()
            self.loops += 1
            inner = [*self.pool[len(pool) :], random.choice(pool)]
            results = []
            for state in states:
                calm = self.write("tanh", self.access(state.shape, random.choice(inner), plain=True), axes=state.shape)
                results.append(random.choice([whole(calm), self.access(state.shape, random.choice(inner), plain=True)]))
        self.pool = pool
        finals = [random.choice([None, Block("final", state.shape)]) for state in states]
        mine = list(dict.fromkeys(inner[:-1]))
        stacked = [(b, Block("stack", (turns, *b.shape))) for b in random.sample(mine, min(len(mine), 2))]
        carried = [Carry(*c) for c in zip(states, starts, results, finals)]
        backwards = random.random() < 0.3
        self.loop(turns, body, carried, streams, stacked, backwards)
        self.pool += [*[outer for _, outer in stacked], *[final for final in finals if final]]

    def loss(self) -> Block:
        """A sum of numbers of some blocks."""
        terms = [
            self.write("tanh", self.access(axes), axes=axes) for axes in (self.shape(), self.shape(), self.shape())
        ]
        last = self.pool[-1]
        terms.append(self.write("mul", last, last))
        loss = self.total(terms[0])
        for term in terms[1:]:
            loss = self.write("add", loss, self.total(term))
        return loss


def drawn(random: Random, loops: int = 1) -> Program:
    writer = Drawn(random, loops)
    for _ in range(random.randint(1, 7)):
        writer.step()
    return writer.program(writer.loss())


def of_gradients(program: Program, random: Random) -> Program:
    """A program of which the first output is a number made of all gradients of another one, which must have some."""
    writer = Writer(*program.inputs, *program.parameters)
    writer.statements = [*program.statements]
    loss = writer.write("mul", 1.0, 0.0, axes=())
    for output in program.outputs:
        if output.leaf is not None and isinstance(output.access, Access):
            weights = Block(
                "", output.shape, "data", data=np.array([random.uniform(-1, 1) for _ in range(prod(output.shape))])
            )
            product = writer.write("tanh", writer.write("mul", output.access, weights, axes=output.shape))
            loss = writer.write("add", loss, writer.total(product))
    return writer.program(loss)
