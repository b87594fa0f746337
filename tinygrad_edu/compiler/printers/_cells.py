"""Array programs as functions on plain numbers, cell by cell: what Python's and JavaScript's texts have in common.

A block of one number is a variable, a larger one a flat list of its cells, row by row. There is no axis of samples:
such a program computes one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, TypeVar

from tinygrad_edu.compiler.program import (
    COPY,
    ONE,
    TAKE,
    TOTAL,
    Access,
    Any_Statement,
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
from tinygrad_edu.ops import DETACH
from tinygrad_edu.rules import OPS, Op

from .notation import ATOM, Form, Names, Notation, Text, call, identifier
from .parts import Source, parts_of
from .plan import Expansions, Plan, is_whole
from .views import covers, forwards, moving, simpler

LONGEST = 88  # characters that an expression may have before a part of it gets a line and a name
OF_TWO = {"largest": OPS["maximum"], "smallest": OPS["minimum"], "logsumexp": OPS["logsumexp"]}
Place = int | str  # a number, or what stands for one


@dataclass(frozen=True)
class Walk:
    """How a block is read along axes: by steps in its list, or in a table of its cells, and in a mask."""

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

    def merged(self, groups: Sequence[Sequence[int]]) -> "Walk":
        mask_strides = tuple([self.mask_strides[g[-1]] for g in groups]) if self.mask else ()
        return replace(self, strides=tuple([self.strides[g[-1]] for g in groups]), mask_strides=mask_strides)


@dataclass(frozen=True)
class Expression:
    """An operation at each point of its axes, of numbers, of what is read, and of expressions over the same axes."""

    op: Op
    inputs: "tuple[Expression | Walk | float, ...]"
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
            elif isinstance(x, Expression):
                yield from x.walks()

    def simpler(self) -> "Expression":
        """With neighbouring axes as one, wherever all that is read walks on from one to the next in equal steps."""
        return self._merged(self._groups(0, self.kept))

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

    def _merged(self, kept: list[list[int]]) -> "Expression":
        reduced = self._groups(self.kept, len(self.axes)) if self.op is not TAKE else [[len(self.axes) - 1]]
        groups = kept + reduced
        inputs = tuple(
            [
                x.merged(groups) if isinstance(x, Walk) else x._merged(groups) if isinstance(x, Expression) else x
                for x in self.inputs
            ]
        )
        axes = tuple([prod([self.axes[axis] for axis in group]) for group in groups])
        return replace(self, inputs=inputs, axes=axes, reduced=len(reduced))


class Writer:
    """Writes one function; a subclass says how its language puts the parts."""

    notation: ClassVar[Notation]
    language: ClassVar[str]

    def __init__(self, program: Program, names: Names, functions: dict[tuple[Op, int], str]) -> None:
        self.program, self.names, self.functions = program, names, functions
        for block in program.blocks():
            if block.samples:
                raise ValueError(
                    f"{program.name} computes many samples at once, and a program in {self.language} computes one: "
                    "write it for NumPy or JAX"
                )
        self.plan = Plan(program, names, arrays=False)
        self.numbers: dict[Block, Text] = {}  # what stands for a block of one number
        self.lists: dict[Block, str] = {}  # the name of a larger one
        self.waiting: dict[Block, Expression | None] = {}  # what has no line yet
        self.lines: list[str] = []
        self.depth = 0
        self.used: set[str] = set()
        self.constants: dict[str, list[Any]] = {}
        self.states: set[str] = set()  # names that a loop assigns anew in each turn
        self.bound: dict[Walk, str] = {}  # what the variables of a comprehension stand for
        self._known: dict[tuple[Any, ...], str] = {}
        self._counters: dict[str, list[str]] = {}
        for leaf in (*program.inputs, *program.parameters):
            name = self.plan.name(leaf)
            if leaf.shape == ():
                self.numbers[leaf] = name, ATOM
            elif leaf.size == 1:
                self.numbers[leaf] = f"{name}[0]", ATOM
            self.lists[leaf] = name

    # ---- a function ----
    def function(self, name: str) -> str:
        self.body(self.program.statements)
        results = [self.output(output) for output in self.program.outputs]
        leaves = [self.plan.name(leaf) for leaf in (*self.program.inputs, *self.program.parameters)]
        return self.definition(name, leaves, results)

    def line(self, text: str) -> None:
        self.lines.append(f"{self.tab * (self.depth + 1)}{text}")

    def body(self, statements: Sequence[Any_Statement]) -> None:
        for s in statements:
            if isinstance(s, Loop):
                self.loop(s)
            elif isinstance(s, Scatter):
                self.scatter(s)
            else:
                self.statement(s)

    def statement(self, s: Statement) -> None:
        parts = [*dict.fromkeys([a.block for a in s.accesses if a.block in self.waiting])]
        while parts and sum([self.length(block) for block in parts]) > LONGEST - 12:
            parts.sort(key=self.length)
            self.assign(parts.pop())
        expression = self.expression(s)
        for block in parts:
            del self.waiting[block]
        self.put(s.out, expression)
        if s.out not in self.plan.inline and not self.is_name(s.out):
            self.assign(s.out)

    def put(self, out: Block, expression: Expression) -> None:
        """Sets what stands for a block, without a name as yet."""
        if out.size == 1:
            self.numbers[out] = self.cell(expression.simpler(), [])
            self.waiting[out] = None
        else:
            length = len(self.cell(expression, ["i"] * expression.kept)[0])
            self.waiting[out] = replace(expression, out=out, length=length)

    def length(self, block: Block) -> int:
        expression = self.waiting[block]
        return expression.length if expression else len(self.numbers[block][0])

    def is_name(self, block: Block) -> bool:
        """Whether it is but another name for something that keeps its own."""
        expression = self.waiting[block]
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
            del self.waiting[block]
        return same

    def assign(self, block: Block) -> None:
        """Gives what stands for a block a line and a name."""
        expression, name = self.waiting.pop(block), self.plan.name(block)
        if expression is None:
            self.line(self.assignment(name, self.numbers[block][0]))
            self.numbers[block] = name, ATOM
        else:
            self.line(self.assignment(name, self.array(expression, [])))
        self.lists[block] = name

    def output(self, output: Output) -> str:
        expression = self.copy(output.access, output.shape)
        if isinstance(output.access, Access) and output.access.block in self.waiting and output.shape:
            waiting = self.waiting[output.access.block]
            expression = waiting or expression
        if output.shape == ():
            return self.cell(expression.simpler(), [])[0]
        access = output.access
        if isinstance(access, Access) and access.block.size > 1 and access.block not in self.waiting:
            return self.name(access.block) if is_whole(access, output.shape) else self.array(expression, [])
        return self.array(expression, [])

    def copy(self, x: Operand, axes: tuple[int, ...]) -> Expression:
        return Expression(COPY, (self.operand(x, axes),), axes)

    # ---- reading ----
    def expression(self, s: Statement) -> Expression:
        inputs = tuple([self.operand(x, s.axes) for x in s.operands])
        return Expression(s.op, inputs, s.axes, s.reduced, s.reduce)

    def operand(self, x: Operand, axes: Sequence[int]) -> Expression | Walk | float:
        if not isinstance(x, Access):
            return x
        waiting = self.waiting.get(x.block)
        return waiting or self.walk(x, axes)

    def walk(self, access: Access, axes: Sequence[int]) -> Walk:
        access = simpler(access, axes)
        strides = [s if n > 1 else 0 for n, s in zip(axes, access.strides)]
        offset, index, mask, mask_strides = access.offset, "", "", list[int]()
        if access.index is not None:
            index, strides = self.table("INDEX", access.index, axes)
            offset = 0
        if access.mask is not None and not access.mask.all():
            mask, mask_strides = self.table("MASK", access.mask, axes)
        return Walk(access.block, tuple(strides), offset, index, mask, tuple(mask_strides), access.fill)

    def table(self, wish: str, x: Any, axes: Sequence[int]) -> tuple[str, list[int]]:
        """The name of a constant in one line, and how the axes walk through it."""
        import numpy as np

        x = np.asarray(x)
        shape = (*(1,) * (len(axes) - x.ndim), *x.shape)
        return self.constant(wish, x), [s if n > 1 else 0 for n, s in zip(shape, strides_of(shape))]

    def constant(self, wish: str, x: Any) -> str:
        """The name of a constant, written once however often it is used."""
        key = (x.size, x.dtype.str, x.tobytes())
        if key not in self._known:
            self._known[key] = self.names.new(wish)
            self.constants[self._known[key]] = x.ravel().tolist()
        return self._known[key]

    def name(self, block: Block) -> str:
        if block not in self.lists:  # data
            assert block.data is not None, f"block {block.name!r} is read before it is written"
            self.lists[block] = self.constant(identifier(block.name, "data").upper(), block.data.astype(float))
        return self.lists[block]

    def counter(self, depth: int, letters: str = "ijklmopqr") -> str:
        """A variable that counts, or stands for an element, the same one in all loops of that depth."""
        counters = self._counters.setdefault(letters, [])
        while len(counters) <= depth:
            counters.append(self.names.new(letters[len(counters)] if len(counters) < len(letters) else letters[0]))
        return counters[depth]

    # ---- cells ----
    def cell(self, x: Expression | Walk | float, places: Sequence[Place], depth: int = 0) -> Text:
        """What is computed or read at one point of the axes."""
        if isinstance(x, Walk):
            return self.read(x, places)
        if not isinstance(x, Expression):
            return self.notation.number(x)
        places = list(places)[: x.kept] if x.axes else []
        places += [0] * (x.kept - len(places))
        if x.op is TAKE:
            return self.taken(x, places, depth)
        if not x.reduced:
            return self.operation(x, places, depth)
        return self.reduction(x, places, depth)

    def operation(self, x: Expression, places: Sequence[Place], depth: int) -> Text:
        inputs = [self.cell(y, places, depth) for y in x.inputs]
        if x.op is COPY or x.op is DETACH:
            return inputs[0]
        if x.op is ONE:
            return self.notation.number(1.0)
        form = self.form(x.op, len(inputs))
        return form.filled(inputs, self.notation.parameters(x.op)), form.level

    def reduction(self, x: Expression, places: Sequence[Place], depth: int) -> Text:
        counters = [self.counter(depth + i) for i in range(x.reduced)]
        inner = replace(x, reduced=0)
        text = self.cell(inner, [*places, *counters], depth + x.reduced)[0]
        loops = [*zip(counters, x.axes[x.kept :])]
        if x.reduce is TOTAL:
            return self.summed(self.comprehension(text, loops)), ATOM
        op = OF_TWO[x.reduce.name]
        return self.folded(op, self.comprehension(text, loops)), ATOM

    def taken(self, x: Expression, places: Sequence[Place], depth: int) -> Text:
        table, index = x.inputs
        text, level = self.cell(index, [*places, 0], depth)
        if not (isinstance(index, Walk) and index.block.kind == "index"):
            text, level = self.as_integer(text), ATOM
        return self.cell(table, [*places, text if level == ATOM else f"({text})"], depth)

    def read(self, walk: Walk, places: Sequence[Place]) -> Text:
        if walk in self.bound:
            return self.bound[walk], ATOM
        text, level = self.read_all(walk, places)
        if not walk.mask:
            return text, level
        condition = f"{walk.mask}[{linear(walk.mask_strides, places)}]"
        return f"({self.conditional(condition, text, self.notation.number(walk.fill)[0])})", ATOM

    def read_all(self, walk: Walk, places: Sequence[Place]) -> Text:
        if walk.block.size == 1:
            if walk.block.data is not None:
                return self.notation.number(float(walk.block.data.item()))
            return self.numbers[walk.block]
        place = linear(walk.strides, places, walk.offset)
        if walk.index:
            place = f"{walk.index}[{place}]"
        elif walk.block.data is not None and place.isdecimal():
            return self.notation.number(float(walk.block.data.ravel()[int(place)]))
        return f"{self.name(walk.block)}[{place}]", ATOM

    def array(self, x: Expression, fixed: Sequence[Place]) -> str:
        """A list of what is computed at all points of the axes, but for the first ones, which stay at a place."""
        if not fixed:
            x = x.simpler()
        counters = [self.counter(i) for i in range(x.kept - len(fixed))]
        text = self.cell(x, [*fixed, *counters], len(counters))[0]
        if not counters:  # a list of one
            return f"[{text}]"
        if not any(any(v[len(fixed) : x.kept]) for walk in x.walks() for v in (walk.strides, walk.mask_strides)):
            return self.repeated(text, prod(x.axes[len(fixed) : x.kept]))
        return self.comprehension(text, [*zip(counters, x.axes[len(fixed) : x.kept])])

    def form(self, op: Op, arity: int) -> Form:
        self.used.add(op.name)
        if (op, arity) in self.functions:
            return call(self.functions[op, arity], arity)
        form = self.notation.form(op)
        assert form is not None, op
        return form

    # ---- scatters ----
    def scatter(self, s: Scatter) -> None:
        """Zeros, to which the parts are added; a part that covers all comes first, and needs none."""
        parts = sorted(map(forwards, s.parts), key=lambda part: not covers(part, s.out))
        first = self.cover(parts[0]) if parts and covers(parts[0], s.out) else None
        if s.out.size == 1 or (first and len(parts) == 1):
            self.put(s.out, first or Expression(COPY, (0.0,), ()))
            for part in parts[1:]:
                text, level = self.numbers[s.out]
                add = self.form(OPS["add"], 2)
                self.numbers[s.out] = add.filled([(text, level), self.cell(self.cover(part).simpler(), [])]), add.level
            if not self.is_name(s.out):
                self.assign(s.out)
            return
        text = self.array(first, []) if first else self.repeated("0.0", s.out.size)
        self.lists[s.out] = self.plan.name(s.out)
        self.line(self.assignment(self.lists[s.out], self.copied(text) if text.isidentifier() else text))
        for part in parts[1:] if first else parts:
            self.add(part)

    def cover(self, part: Part) -> Expression:
        """A part that covers a block, along axes in the order in which they walk through it."""
        steps = sorted(moving(part.target, part.axes), key=lambda step: -step.step)
        order = [step.axis for step in steps]
        order += [axis for axis in range(len(part.axes)) if axis not in order]
        source = self.walk(part.source, part.axes).merged([[axis] for axis in order])
        return Expression(COPY, (source,), tuple([part.axes[axis] for axis in order]), len(order) - len(steps))

    def add(self, part: Part) -> None:
        """Adds a part to a list, cell by cell."""
        target, source = self.walk(part.target, part.axes), self.walk(part.source, part.axes)
        x = Expression(COPY, (source, target), part.axes).simpler()
        counters = [self.counter(i) for i in range(len(x.axes))]
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
            self.put(carry.state, self.copy(carry.initial, carry.state.shape))
            expression = self.waiting.pop(carry.state)
            text = self.array(expression, []) if expression else self.numbers[carry.state][0]
            self.line(self.state(name, text))
            self.call(carry.state, name)
            self.states.add(name)
        for result, state in self.plan.reused(loop).items():
            self.plan.call(result, state)
        for _, outer in loop.stacked:
            name = self.plan.name(outer)
            self.line(self.assignment(name, self.repeated("0.0", outer.size)))
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
            expression = self.copy(carry.result, state.shape)
            if state.size == 1:
                text = self.cell(expression.simpler(), [])[0]
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

    def call(self, block: Block, name: str) -> None:
        self.lists[block] = name
        if block.size == 1:
            self.numbers[block] = name, ATOM

    def stream(self, block: Block, access: Access, turns: int, turn: str) -> None:
        """What stands for a block in a turn: a number of a list, or a list of its own."""
        x = self.copy(access, (turns, *block.shape))
        if turns == 1:
            turn_or_first: Place = 0
        else:
            turn_or_first = turn
        if block.size == 1:
            self.numbers[block] = self.cell(x, [turn_or_first, *[0] * len(block.shape)])
            self.waiting[block] = None
            if len(self.plan.readers.get(block, [])) > 1 and not self.is_name(block):
                self.assign(block)
            else:
                del self.waiting[block]
            return
        name = self.plan.name(block)
        self.line(self.assignment(name, self.row(x, turn_or_first)))
        self.lists[block] = name

    def row(self, x: Expression, turn: Place) -> str:
        """The list of all that is read in a turn."""
        walk = x.inputs[0]
        if isinstance(walk, Walk) and walk.is_plain and walk.block.size > 1:
            inner = [(n, s) for n, s in zip(x.axes[1:], walk.strides[1:]) if n > 1]
            lengths = [n for n, _ in inner]
            if [s for _, s in inner] == [*strides_of(lengths)]:
                start = linear(walk.strides[:1], [turn], walk.offset)
                stop = linear(walk.strides[:1], [turn], walk.offset + prod(lengths))
                return self.slice(self.name(walk.block), start, stop)
        return self.array(x, [turn])

    # ---- how a language puts it ----
    tab: ClassVar[str] = "    "

    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        raise NotImplementedError

    def assignment(self, name: str, text: str) -> str:
        raise NotImplementedError

    def state(self, name: str, text: str) -> str:
        """The assignment of what a loop changes."""
        return self.assignment(name, text)

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        raise NotImplementedError

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        raise NotImplementedError

    def update(self, cell: str, text: str) -> str:
        raise NotImplementedError

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        raise NotImplementedError

    def close_loop(self) -> None:
        self.depth -= 1

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        raise NotImplementedError

    def copied(self, name: str) -> str:
        """A list that may be changed."""
        raise NotImplementedError

    def repeated(self, text: str, n: int) -> str:
        """A list of so many equal numbers."""
        raise NotImplementedError

    def summed(self, numbers: str) -> str:
        self.used.add("sum")
        return f"sum({numbers})"

    def folded(self, op: Op, numbers: str) -> str:
        raise NotImplementedError

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        raise NotImplementedError

    def as_integer(self, text: str) -> str:
        raise NotImplementedError

    def slice(self, name: str, start: str, stop: str) -> str:
        raise NotImplementedError


def linear(strides: Sequence[int], places: Sequence[Place], offset: int = 0) -> str:
    """offset + Σ stride · place

    >>> linear([4, 1], ["i", "j"]), linear([4, -1], [2, "j"], 3), linear([0], ["i"])
    ('4 * i + j', '11 - j', '0')
    """
    offset += sum([stride * place for stride, place in zip(strides, places) if isinstance(place, int)])
    text = ""
    for stride, place in zip(strides, places):
        if stride and isinstance(place, str):
            term = place if abs(stride) == 1 else f"{abs(stride)} * {place}"
            if stride > 0:
                text = f"{text} + {term}" if text else term
            else:
                text = f"{text} - {term}" if text else f"{offset} - {term}"
                offset = 0 if text.startswith(f"{offset} - ") else offset
    if not text:
        return str(offset)
    return text + (f" + {offset}" if offset > 0 else f" - {-offset}" if offset < 0 else "")


W = TypeVar("W", bound=Writer)


def source_of(program: Program, writer: type[W]) -> tuple[Source, W]:
    """A program, after the functions of operations of several steps; some reductions are of two at a time."""
    expansions = Expansions(writer.notation)
    expansions.reductions(program, OF_TWO)
    return parts_of(program, writer, expansions)
