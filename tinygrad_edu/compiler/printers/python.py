"""Array programs in plain Python, which needs nothing but its standard library. The rest stands in `_cells.py`."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tinygrad_edu.compiler.program import COPY, MUL, TOTAL, Program
from tinygrad_edu.rules import Op

from ._cells import Expression, Place, Walk, Writer, linear, source_of
from .notation import ATOM, PYTHON, WIDTH, Text, listed
from .parts import Source


class Python(Writer):
    notation, language = PYTHON, "Python"

    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        result = f"return {', '.join(results)}"
        if len(result) > WIDTH:
            result = listed("return (", results, ")")
        for line in result.split("\n"):
            self.line(line)
        return "\n".join([listed(f"def {name}(", leaves, "):"), *self.lines])

    def assignment(self, name: str, text: str) -> str:
        return f"{name} = {text}"

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        return f"{', '.join(names)} = {', '.join(results)}"

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        return f"{name}[{turn}] = {row}" if size == 1 else f"{name}[{size} * {turn}:{size} * {turn} + {size}] = {row}"

    def update(self, cell: str, text: str) -> str:
        return f"{cell} += {text}"

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        self.line(f"for {counter} in {f'reversed(range({length}))' if backwards else f'range({length})'}:")
        self.depth += 1

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        return f"[{text} {' '.join([f'for {counter} in range({length})' for counter, length in loops])}]"

    def array(self, x: Expression, fixed: Sequence[Place]) -> str:
        x = x if fixed else x.simpler()
        text = self.elements(x, []) if not fixed and x.kept == 1 and not x.reduced else None
        return text or super().array(x, fixed)

    def elements(self, x: Expression, places: Sequence[Place]) -> str | None:
        """A list along the last axis. Its elements are faster to reach one after the other than by their places."""
        axis = len(x.axes) - 1
        walks = [
            *dict.fromkeys([walk for walk in x.walks() if any(walk.strides[axis:]) or any(walk.mask_strides[axis:])])
        ]
        if not walks or not all(self.is_slice(walk, axis) for walk in walks):
            return None
        names = [self.counter(i, "abcdeghpqr") for i in range(len(walks))]
        lists = [self.slice_of(walk, axis, places, x.axes[axis]) for walk in walks]
        if x.op is COPY and isinstance(x.inputs[0], Walk):
            return lists[0]
        self.bound = dict(zip(walks, names))
        text = self.cell(replace(x, reduced=0), [*places, "i"])[0]
        self.bound = {}
        if len(walks) == 1:
            return f"[{text} for {names[0]} in {lists[0]}]"
        return f"[{text} for {', '.join(names)} in zip({', '.join(lists)})]"

    def is_slice(self, walk: Walk, axis: int) -> bool:
        return walk.is_plain and walk.block.size > 1 and len(walk.strides) == axis + 1 and walk.strides[axis] > 0

    def slice_of(self, walk: Walk, axis: int, places: Sequence[Place], length: int) -> str:
        """The cells that are read along the last axis, as a list."""
        step, name = walk.strides[axis], self.name(walk.block)
        start = linear(walk.strides[:axis], places, walk.offset)
        if step == 1 and length == walk.block.size:
            return name
        stop = linear(walk.strides[:axis], places, walk.offset + step * (length - 1) + 1)
        return f"{name}[{'' if start == '0' else start}:{stop}{f':{step}' if step > 1 else ''}]"

    def reduction(self, x: Expression, places: Sequence[Place], depth: int) -> Text:
        walks = [y for y in x.inputs if isinstance(y, Walk) and self.is_slice(y, x.kept)]
        if x.op is MUL and x.reduce is TOTAL and x.reduced == 1 and len(walks) == 2:
            rows = [self.slice_of(walk, x.kept, places, x.axes[-1]) for walk in walks]
            self.used.add("product")
            return f"sum(map(mul, {', '.join(rows)}))", ATOM
        if x.reduced == 1 and x.reduce is TOTAL and not self.bound:
            numbers = self.elements(x, places)
            if numbers:
                return self.summed(numbers), ATOM
        return super().reduction(x, places, depth)

    def folded(self, op: Op, numbers: str) -> str:
        self.used |= {"reduce", op.name}
        return f"reduce({self.functions.get((op, 2), op.name)}, {numbers})"

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        return f"{text} if {condition} else {otherwise}"

    def as_integer(self, text: str) -> str:
        return f"int({text})"

    def copied(self, name: str) -> str:
        return f"{name}[:]"

    def repeated(self, text: str, n: int) -> str:
        return f"[{text}] * {n}"

    def slice(self, name: str, start: str, stop: str) -> str:
        return f"{name}[{start}:{stop}]"


def source(program: Program) -> Source:
    """A program as a function on floats and flat lists of them."""
    parts, writer = source_of(program, Python)
    functions = sorted(name for name in writer.used - PYTHON.helpers.keys() if hasattr(math, name))
    imports = ["from functools import reduce"] * ("reduce" in writer.used)
    imports += [f"from math import {', '.join(functions)}"] * bool(functions)
    imports += ["from operator import mul"] * ("product" in writer.used)
    parts.imports = imports
    parts.helpers[:0] = [helper for name, helper in PYTHON.helpers.items() if name in writer.used]
    return parts


def text(program: Program) -> str:
    written = source(program)
    constants = [listed(f"{name} = [", [number(x) for x in xs], "]") for name, xs in written.constants.items()]
    return written.text(constants)


def number(x: object) -> str:
    return PYTHON.number(x)[0] if isinstance(x, float) else repr(x)
