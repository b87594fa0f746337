"""Array programs in plain Python, which needs nothing but its standard library. The rest stands in `_cells.py`."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tinygrad_edu.compiler.program import COPY, Program
from tinygrad_edu.ops import MUL, TOTAL
from tinygrad_edu.rules import ATOM, Op

from ._cells import CellExpression, CellWriter, Position, Walk, linear_index
from .notation import PYTHON, Text, listed
from .parts import Source, write_parts
from .plan import Expansions


class Python(CellWriter):
    """Writes functions on floats and lists."""

    notation, language = PYTHON, "Python"

    def assignment(self, name: str, text: str) -> str:
        """Gives a number or a list a name."""
        return f"{name} = {text}"

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        """Assigns what a turn passes on to the next one, all at once."""
        return f"{', '.join(names)} = {', '.join(results)}"

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        """Puts what a turn computes in its row of a list."""
        return f"{name}[{turn}] = {row}" if size == 1 else f"{name}[{size} * {turn}:{size} * {turn} + {size}] = {row}"

    def update(self, cell: str, text: str) -> str:
        """Adds to what there is."""
        return f"{cell} += {text}"

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        """The head of a loop."""
        self.line(f"for {counter} in {f'reversed(range({length}))' if backwards else f'range({length})'}:")
        self.depth += 1

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        """A list of what is computed in loops, the first one outermost."""
        return f"[{text} {' '.join([f'for {counter} in range({length})' for counter, length in loops])}]"

    def array(self, x: CellExpression, fixed: Sequence[Position]) -> str:
        """A list of what is computed at all points of the axes."""
        x = x if fixed else x.simplify()
        text = self.elements(x, []) if not fixed and x.kept == 1 and not x.reduced else None
        return text or super().array(x, fixed)

    def elements(self, x: CellExpression, positions: Sequence[Position]) -> str | None:
        """Writes a list along the last axis. Python reaches elements faster one after the other than by their index."""
        axis = len(x.axes) - 1
        walks = [
            *dict.fromkeys([walk for walk in x.walks() if any(walk.strides[axis:]) or any(walk.mask_strides[axis:])])
        ]
        if not walks or not all(self.is_slice(walk, axis) for walk in walks):
            return None
        names = [self.letters.at(i, "abcdeghpqr") for i in range(len(walks))]
        lists = [self.slice_of(walk, axis, positions, x.axes[axis]) for walk in walks]
        if x.op is COPY and isinstance(x.inputs[0], Walk):
            return lists[0]
        self.bound = dict(zip(walks, names))
        text = self.cell(replace(x, reduced=0), [*positions, "i"])[0]
        self.bound = {}
        if len(walks) == 1:
            return f"[{text} for {names[0]} in {lists[0]}]"
        return f"[{text} for {', '.join(names)} in zip({', '.join(lists)})]"

    def is_slice(self, walk: Walk, axis: int) -> bool:
        """Whether what is read along an axis is a slice of a list."""
        return walk.is_plain and walk.block.size > 1 and len(walk.strides) == axis + 1 and walk.strides[axis] > 0

    def slice_of(self, walk: Walk, axis: int, positions: Sequence[Position], length: int) -> str:
        """The cells that are read along the last axis, as a list."""
        step, name = walk.strides[axis], self.name(walk.block)
        start = linear_index(walk.strides[:axis], positions, walk.offset)
        if step == 1 and length == walk.block.size:
            return name
        stop = linear_index(walk.strides[:axis], positions, walk.offset + step * (length - 1) + 1)
        return f"{name}[{'' if start == '0' else start}:{stop}{f':{step}' if step > 1 else ''}]"

    def reduction(self, x: CellExpression, positions: Sequence[Position], depth: int) -> Text:
        """A sum, or what else is made of many numbers."""
        walks = [y for y in x.inputs if isinstance(y, Walk) and self.is_slice(y, x.kept)]
        if x.op is MUL and x.reduce is TOTAL and x.reduced == 1 and len(walks) == 2:
            rows = [self.slice_of(walk, x.kept, positions, x.axes[-1]) for walk in walks]
            self.used.add("product")
            return f"sum(map(mul, {', '.join(rows)}))", ATOM
        if x.reduced == 1 and x.reduce is TOTAL and not self.bound:
            numbers = self.elements(x, positions)
            if numbers:
                return self.sum_text(numbers), ATOM
        return super().reduction(x, positions, depth)

    def fold_text(self, op: Op, numbers: str) -> str:
        """Reduces a list by an operation of two numbers."""
        self.used |= {"reduce", op.name}
        return f"reduce({self.functions.get((op, 2), op.name)}, {numbers})"

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        """One text where a condition is true, else another one."""
        return f"{text} if {condition} else {otherwise}"

    def as_integer(self, text: str) -> str:
        """Makes an integer of an index that was computed."""
        return f"int({text})"

    def copy_text(self, name: str) -> str:
        """A copy that may be changed."""
        return f"{name}[:]"

    def repeat_text(self, text: str, n: int) -> str:
        """A list of n equal numbers."""
        return f"[{text}] * {n}"

    def slice(self, name: str, start: str, stop: str) -> str:
        """The cells of a list from start to stop."""
        return f"{name}[{start}:{stop}]"


def write_source(program: Program) -> Source:
    """A program as a function on floats and flat lists of them."""
    source = write_parts(program, Python, Expansions(PYTHON, folds=True))
    functions = sorted(name for name in source.used - PYTHON.helpers.keys() if hasattr(math, name))
    source.imports += ["from functools import reduce"] * ("reduce" in source.used)
    source.imports += [f"from math import {', '.join(functions)}"] * bool(functions)
    source.imports += ["from operator import mul"] * ("product" in source.used)
    source.constants = {name: x.tolist() for name, x in source.constants.items()}
    return source


def write_text(program: Program) -> str:
    """Writes the text of a program."""
    source = write_source(program)
    constants = [listed(f"{name} = [", [_python_constant(x) for x in xs], "]") for name, xs in source.constants.items()]
    return source.text(constants)


def _python_constant(x: object) -> str:
    """A number of a list of constants."""
    return PYTHON.number(x)[0] if isinstance(x, float) else repr(x)
