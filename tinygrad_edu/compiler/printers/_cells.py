"""Array programs as functions on plain numbers, cell by cell: what Python's and JavaScript's texts have in common.

A block of one number is a variable, a larger one a flat list of its cells, row by row. There is no axis of samples:
such a program computes one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

from tinygrad_edu.compiler.program import (
    COPY,
    ONE,
    TAKE,
    Access,
    Block,
    Loop,
    Operand,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    strides_of,
)
from tinygrad_edu.ops import ADD, DETACH, TOTAL
from tinygrad_edu.rules import ATOM, Op

from .notation import Names, Text, bracket, identifier
from .parts import Functions, FunctionWriter, Letters, numbers_of
from .plan import is_whole
from .views import as_statement, over_axes, split_scatter, without_table

Position = int | str  # a number, or what stands for one


@dataclass(frozen=True)
class Walk:
    """How a block is read along axes: by strides in its list, or through a table of cells, and with a mask."""

    block: Block
    strides: tuple[int, ...]
    offset: int = 0
    index: str = ""
    mask: str = ""
    mask_strides: tuple[int, ...] = ()
    fill: float = 0.0

    @property
    def is_plain(self) -> bool:
        return not self.index and not self.mask

    @property
    def moves(self) -> bool:
        return any(self.strides) or any(self.mask_strides)

    def merge(self, groups: Sequence[Sequence[int]]) -> "Walk":
        mask_strides = tuple([self.mask_strides[g[-1]] for g in groups]) if self.mask else ()
        return replace(self, strides=tuple([self.strides[g[-1]] for g in groups]), mask_strides=mask_strides)


@dataclass(frozen=True)
class CellExpression:
    """An operation at each point of its axes. Its inputs are numbers, reads, and expressions over the same axes."""

    op: Op
    inputs: "tuple[CellExpression | Walk | float, ...]"
    axes: tuple[int, ...]
    reduced: int = 0
    reduce: Op = TOTAL
    out: Block | None = None
    length: int = 0  # of its text

    @property
    def kept(self) -> int:
        return len(self.axes) - self.reduced

    def walks(self) -> Iterator[Walk]:
        for x in self.inputs:
            if isinstance(x, Walk):
                yield x
            elif isinstance(x, CellExpression):
                yield from x.walks()

    def simplify(self) -> "CellExpression":
        """Merges neighbouring axes where all reads walk on from one to the next in equal steps."""
        return self._merge(self._groups(0, self.kept))

    def _groups(self, start: int, stop: int) -> list[list[int]]:
        strides = [v for walk in self.walks() for v in (walk.strides, walk.mask_strides) if v]
        groups: list[list[int]] = []
        for axis in range(start, stop):
            if self.axes[axis] == 1:
                continue
            length = self.axes[axis]
            if groups and all(v[groups[-1][-1]] == v[axis] * length for v in strides):
                groups[-1].append(axis)
            else:
                groups.append([axis])
        return groups

    def _merge(self, kept: list[list[int]]) -> "CellExpression":
        reduced = self._groups(self.kept, len(self.axes)) if self.op is not TAKE else [[len(self.axes) - 1]]
        groups = kept + reduced
        inputs = tuple(
            [
                x.merge(groups) if isinstance(x, Walk) else x._merge(groups) if isinstance(x, CellExpression) else x
                for x in self.inputs
            ]
        )
        axes = tuple([prod([self.axes[axis] for axis in group]) for group in groups])
        return replace(self, inputs=inputs, axes=axes, reduced=len(reduced))


class CellWriter(FunctionWriter):
    """Writes a function on numbers and lists. A subclass says how its language writes the parts."""

    language: ClassVar[str]

    def __init__(self, program: Program, names: Names, functions: Functions) -> None:
        super().__init__(program, names, functions, arrays=False)
        for block in program.blocks():
            if block.samples:
                raise ValueError(
                    f"{program.name} computes many samples at once, and a program in {self.language} computes one: "
                    "write it for NumPy or JAX"
                )
        self.numbers: dict[Block, Text] = {}  # what stands for a block of one number
        self.lists: dict[Block, str] = {}  # the name of a larger one
        self.expressions: dict[Block, CellExpression] = {}  # of larger ones that have no name yet
        self.bound: dict[Walk, str] = {}  # what the variables of a comprehension stand for
        self.letters = Letters(names)
        for leaf in program.leaves:
            name = self.plan.name(leaf)
            if leaf.shape == ():
                self.numbers[leaf] = name, ATOM
            elif leaf.size == 1:
                self.numbers[leaf] = f"{name}[0]", ATOM
            self.lists[leaf] = name

    # ---- a function ----
    def express(self, s: Statement) -> None:
        self.put(s.out, self.expression(s))

    def put(self, out: Block, expression: CellExpression) -> None:
        """Keeps the expression of a block, which has no name yet."""
        if out.size == 1:
            self.numbers[out] = self.cell(expression.simplify(), [])
        else:
            length = len(self.cell(expression, ["i"] * expression.kept)[0])
            self.expressions[out] = replace(expression, out=out, length=length)

    def length(self, block: Block) -> int:
        return self.expressions[block].length if block in self.expressions else len(self.numbers[block][0])

    def is_name(self, block: Block) -> bool:
        expression = self.expressions.get(block)
        if expression is None:
            text = self.numbers[block][0]
            return text.isidentifier() and text not in self.states
        if expression.op not in (COPY, DETACH) or expression.reduced or not isinstance(expression.inputs[0], Walk):
            return False
        walk = expression.inputs[0]
        access = Access(walk.block, walk.strides, walk.offset)
        same = walk.is_plain and is_whole(access, expression.axes) and self.name(walk.block) not in self.states
        if same:
            self.lists[block] = self.name(walk.block)
            del self.expressions[block]
        return same

    def assign(self, block: Block) -> None:
        expression, name = self.expressions.pop(block, None), self.plan.name(block)
        self.waiting.pop(block, None)
        if expression is None:
            self.line(self.assignment(name, self.numbers[block][0]))
            self.numbers[block] = name, ATOM
        else:
            self.line(self.assignment(name, self.array(expression, [])))
        self.lists[block] = name

    def output(self, output: Output) -> str:
        access, shape = output.access, output.shape
        if shape == ():
            return self.cell(self.copy_expression(access, shape).simplify(), [])[0]
        if isinstance(access, Access) and access.block in self.expressions:
            return self.array(self.expressions[access.block], [])
        if isinstance(access, Access) and access.block.size > 1 and is_whole(access, shape):
            return self.name(access.block)
        return self.array(self.copy_expression(access, shape), [])

    def copy_expression(self, x: Operand, axes: tuple[int, ...]) -> CellExpression:
        return CellExpression(COPY, (self.operand(x, axes),), axes)

    # ---- reading ----
    def expression(self, s: Statement) -> CellExpression:
        inputs = tuple([self.operand(x, s.axes) for x in s.operands])
        return CellExpression(s.op, inputs, s.axes, s.reduced, s.reduce)

    def operand(self, x: Operand, axes: Sequence[int]) -> CellExpression | Walk | float:
        if not isinstance(x, Access):
            return x
        return self.expressions.get(x.block) or self.walk(x, axes)

    def walk(self, access: Access, axes: Sequence[int]) -> Walk:
        access = without_table(access, axes)
        strides = [s if n > 1 else 0 for n, s in zip(axes, access.strides)]
        offset, index, mask, mask_strides = access.offset, "", "", list[int]()
        if access.index is not None:
            index, strides = self.table("INDEX", access.index, axes)
            offset = 0
        if access.mask is not None and not access.mask.all():
            mask, mask_strides = self.table("MASK", access.mask, axes)
        return Walk(access.block, tuple(strides), offset, index, mask, tuple(mask_strides), access.fill)

    def table(self, wish: str, x: Any, axes: Sequence[int]) -> tuple[str, list[int]]:
        """The name of a constant, as a flat list, and the strides of the axes in it."""
        shape = over_axes(x, axes).shape
        return self.constants.name(wish, x.ravel()), [s if n > 1 else 0 for n, s in zip(shape, strides_of(shape))]

    def name(self, block: Block) -> str:
        if block not in self.lists:
            numbers = numbers_of(block).ravel()
            self.lists[block] = self.constants.name(identifier(block.name, "data").upper(), numbers)
        return self.lists[block]

    # ---- cells ----
    def cell(self, x: CellExpression | Walk | float, positions: Sequence[Position], depth: int = 0) -> Text:
        """Writes what is computed or read at one point of the axes."""
        if isinstance(x, Walk):
            return self.read(x, positions)
        if not isinstance(x, CellExpression):
            return self.notation.number(x)
        positions = list(positions)[: x.kept] if x.axes else []
        positions += [0] * (x.kept - len(positions))
        if x.op is TAKE:
            return self.take_cell(x, positions, depth)
        if not x.reduced:
            return self.operation(x, positions, depth)
        return self.reduction(x, positions, depth)

    def operation(self, x: CellExpression, positions: Sequence[Position], depth: int) -> Text:
        inputs = [self.cell(y, positions, depth) for y in x.inputs]
        if x.op is COPY or x.op is DETACH:
            return inputs[0]
        if x.op is ONE:
            return self.notation.number(1.0)
        form = self.form(x.op, len(inputs))
        return form.filled(inputs, self.notation.parameters(x.op)), form.level

    def reduction(self, x: CellExpression, positions: Sequence[Position], depth: int) -> Text:
        counters = [self.letters.at(depth + i) for i in range(x.reduced)]
        inner = replace(x, reduced=0)
        text = self.cell(inner, [*positions, *counters], depth + x.reduced)[0]
        loops = [*zip(counters, x.axes[x.kept :])]
        if x.reduce is TOTAL:
            return self.sum_text(self.comprehension(text, loops)), ATOM
        assert x.reduce.of_two
        return self.fold_text(x.reduce.of_two, self.comprehension(text, loops)), ATOM

    def take_cell(self, x: CellExpression, positions: Sequence[Position], depth: int) -> Text:
        table, index = x.inputs
        text, level = self.cell(index, [*positions, 0], depth)
        if not (isinstance(index, Walk) and index.block.kind == "index"):
            text, level = self.as_integer(text), ATOM
        return self.cell(table, [*positions, bracket((text, level))], depth)

    def read(self, walk: Walk, positions: Sequence[Position]) -> Text:
        if walk in self.bound:
            return self.bound[walk], ATOM
        text, level = self.read_all(walk, positions)
        if not walk.mask:
            return text, level
        condition = f"{walk.mask}[{linear_index(walk.mask_strides, positions)}]"
        return f"({self.conditional(condition, text, self.notation.number(walk.fill)[0])})", ATOM

    def read_all(self, walk: Walk, positions: Sequence[Position]) -> Text:
        if walk.block.size == 1:
            if walk.block.data is not None:
                return self.notation.number(float(walk.block.data.item()))
            return self.numbers[walk.block]
        position = linear_index(walk.strides, positions, walk.offset)
        if walk.index:
            position = f"{walk.index}[{position}]"
        elif walk.block.data is not None and position.isdecimal():
            return self.notation.number(float(walk.block.data.ravel()[int(position)]))
        return f"{self.name(walk.block)}[{position}]", ATOM

    def array(self, x: CellExpression, fixed: Sequence[Position]) -> str:
        """Writes a list of what is computed at all points of the axes. The first axes stay at the `fixed` positions."""
        if not fixed:
            x = x.simplify()
        counters = [self.letters.at(i) for i in range(x.kept - len(fixed))]
        text = self.cell(x, [*fixed, *counters], len(counters))[0]
        if not counters:  # a list of one
            return f"[{text}]"
        if not any(any(v[len(fixed) : x.kept]) for walk in x.walks() for v in (walk.strides, walk.mask_strides)):
            return self.repeat_text(text, prod(x.axes[len(fixed) : x.kept]))
        return self.comprehension(text, [*zip(counters, x.axes[len(fixed) : x.kept])])

    # ---- scatters ----
    def scatter(self, s: Scatter) -> None:
        """Writes the first part that covers all cells, or zeros, and then adds the other parts."""
        first, parts = split_scatter(s)
        if s.out.size == 1 or (first and not parts):
            self.put(s.out, self.expression(first) if first else CellExpression(COPY, (0.0,), ()))
            for part in parts:
                number = self.cell(self.expression(as_statement(part, s.out)).simplify(), [])
                add = self.form(ADD, 2)
                self.numbers[s.out] = add.filled([self.numbers[s.out], number]), add.level
            self.finish(s.out)
            return
        text = self.array(self.expression(first), []) if first else self.repeat_text("0.0", s.out.size)
        self.lists[s.out] = self.plan.name(s.out)
        self.line(self.assignment(self.lists[s.out], self.copy_text(text) if text.isidentifier() else text))
        for part in parts:
            self.add(part)

    def add(self, part: Part) -> None:
        """Adds a part to a list, cell by cell."""
        target, source = self.walk(part.target, part.axes), self.walk(part.source, part.axes)
        x = CellExpression(COPY, (source, target), part.axes).simplify()
        counters = [self.letters.at(i) for i in range(len(x.axes))]
        for counter, length in zip(counters, x.axes):
            self.open_loop(counter, length)
        right, left = [self.cell(y, counters)[0] for y in x.inputs]
        self.line(self.update(left, right))
        for _ in counters:
            self.close_loop()

    # ---- loops ----
    def loop(self, loop: Loop) -> None:
        turn, states = self.names.new("t"), set(self.states)
        numbers, lists = dict(self.numbers), dict(self.lists)
        for carry in loop.carried:
            name = self.plan.name(carry.state)
            self.put(carry.state, self.copy_expression(carry.initial, carry.state.shape))
            expression = self.expressions.pop(carry.state, None)
            text = self.array(expression, []) if expression else self.numbers[carry.state][0]
            self.line(self.state(name, text))
            self.set_name(carry.state, name)
            self.states.add(name)
        for result, state in self.plan.reusable_results(loop).items():
            self.plan.share_name(result, state)
        for _, outer in loop.stacked:
            name = self.plan.name(outer)
            self.line(self.assignment(name, self.repeat_text("0.0", outer.size)))
            if outer.size == 1:
                numbers[outer] = f"{name}[0]", ATOM
            lists[outer] = name
        head = len(self.lines)
        self.open_loop(turn, loop.turns, loop.backwards)
        first = len(self.lines)
        for block, access in loop.streams:
            self.stream(block, access, loop.turns, turn)
        self.body(loop.body)
        for block, outer in loop.stacked:
            row = self.numbers[block][0] if block.size == 1 else self.name(block)
            self.line(self.row_assignment(lists[outer], turn, block.size, row))
        names, results = [], []
        for carry in loop.carried:
            name, state = self.plan.name(carry.state), carry.state
            expression = self.copy_expression(carry.result, state.shape)
            if state.size == 1:
                text = self.cell(expression.simplify(), [])[0]
            elif is_whole(carry.result, state.shape):
                text = self.name(carry.result.block)
            else:
                text = self.array(expression, [])
            if text != name:
                names.append(name)
                results.append(text)
            if carry.final:
                lists[carry.final] = name
                if state.size == 1:
                    numbers[carry.final] = name, ATOM
        if names:
            self.line(self.state_assignment(names, results))
        if len(self.lines) == first:  # nothing is left to do in a turn
            del self.lines[head:]
            self.depth -= 1
        else:
            self.close_loop()
        self.numbers, self.lists, self.states = numbers, lists, states
        self.names.taken.discard(turn)

    def set_name(self, block: Block, name: str) -> None:
        self.lists[block] = name
        if block.size == 1:
            self.numbers[block] = name, ATOM

    def stream(self, block: Block, access: Access, turns: int, turn: str) -> None:
        """Sets what a stream is in this turn: a number of a list, or a list of its own."""
        x = self.copy_expression(access, (turns, *block.shape))
        turn_or_first: Position = turn if turns > 1 else 0
        if block.size == 1:
            self.numbers[block] = self.cell(x, [turn_or_first, *[0] * len(block.shape)])
            if len(self.plan.readers.get(block, [])) > 1 and not self.is_name(block):
                self.assign(block)
            return
        name = self.plan.name(block)
        self.line(self.assignment(name, self.row(x, turn_or_first)))
        self.lists[block] = name

    def row(self, x: CellExpression, turn: Position) -> str:
        """Writes the list of all that is read in a turn."""
        walk = x.inputs[0]
        if isinstance(walk, Walk) and walk.is_plain and walk.block.size > 1:
            inner = [(n, s) for n, s in zip(x.axes[1:], walk.strides[1:]) if n > 1]
            lengths = [n for n, _ in inner]
            if [s for _, s in inner] == [*strides_of(lengths)]:
                start = linear_index(walk.strides[:1], [turn], walk.offset)
                stop = linear_index(walk.strides[:1], [turn], walk.offset + prod(lengths))
                return self.slice(self.name(walk.block), start, stop)
        return self.array(x, [turn])

    # ---- how a language puts it ----
    def assignment(self, name: str, text: str) -> str:
        """Gives a number or a list a name."""
        raise NotImplementedError

    def state(self, name: str, text: str) -> str:
        """The assignment of what a loop changes."""
        return self.assignment(name, text)

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        """Assigns what a turn passes on to the next one, all at once."""
        raise NotImplementedError

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        """Puts what a turn computes in its row of a list."""
        raise NotImplementedError

    def update(self, cell: str, text: str) -> str:
        """Adds to what there is."""
        raise NotImplementedError

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        """The head of a loop."""
        raise NotImplementedError

    def close_loop(self) -> None:
        self.depth -= 1

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        """A list of what is computed in loops, the first one outermost."""
        raise NotImplementedError

    def copy_text(self, name: str) -> str:
        """A list that may be changed."""
        raise NotImplementedError

    def repeat_text(self, text: str, n: int) -> str:
        """A list of so many equal numbers."""
        raise NotImplementedError

    def sum_text(self, numbers: str) -> str:
        self.used.add("sum")
        return f"sum({numbers})"

    def fold_text(self, op: Op, numbers: str) -> str:
        """Reduces a list by an operation of two numbers."""
        raise NotImplementedError

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        """One text where a condition is true, else another one."""
        raise NotImplementedError

    def as_integer(self, text: str) -> str:
        """Makes an integer of an index that was computed."""
        raise NotImplementedError

    def slice(self, name: str, start: str, stop: str) -> str:
        """The cells of a list from start to stop."""
        raise NotImplementedError


def linear_index(strides: Sequence[int], positions: Sequence[Position], offset: int = 0) -> str:
    """The sum offset + Σ stride · position.

    >>> linear_index([4, 1], ["i", "j"]), linear_index([4, -1], [2, "j"], 3), linear_index([0], ["i"])
    ('4 * i + j', '11 - j', '0')
    """
    offset += sum([stride * position for stride, position in zip(strides, positions) if isinstance(position, int)])
    text = ""
    for stride, position in zip(strides, positions):
        if stride and isinstance(position, str):
            term = position if abs(stride) == 1 else f"{abs(stride)} * {position}"
            if stride > 0:
                text = f"{text} + {term}" if text else term
            else:
                text = f"{text} - {term}" if text else f"{offset} - {term}"
                offset = 0 if text.startswith(f"{offset} - ") else offset
    if not text:
        return str(offset)
    return text + (f" + {offset}" if offset > 0 else f" - {-offset}" if offset < 0 else "")
