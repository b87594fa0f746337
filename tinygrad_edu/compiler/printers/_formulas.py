"""Array programs as formulas to read: what the listing and LaTeX have in common.

A line is in matrix notation where that says it all. Elsewhere it says with indices what one cell is, h[i] = x[i + 1],
as the accesses lead. A loop is a recurrence, h[t + 1] = f(h[t]). How the parts of a formula look is left to the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

from tinygrad_edu.compiler.program import (
    COPY,
    MUL,
    ONE,
    TAKE,
    TOTAL,
    Access,
    Any_Statement,
    Block,
    Loop,
    Operand,
    Origin,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    strides_of,
    whole,
    written,
)
from tinygrad_edu.ops import DETACH
from tinygrad_edu.rules import Op

from .notation import ATOM, PRODUCT, SUM, Form, Names, Notation, Text, identifier
from .plan import Plan, is_whole
from .views import SAMPLES, Dimension, along, covers, forwards, moving, slice_text

Array = Any  # of NumPy
Origins = tuple[Origin, ...]
Places = dict[int, Text]  # the place along each axis of a statement
FIRST: Text = ("0", ATOM)  # the place along an axis of length 1
FLAT = -2  # in place of the axes, before the shape: all cells are read in order


@dataclass
class Line:
    """What a block is, or one cell of it. With `adds` it is added to what the block was before.

    A loop is a line without a block; the lines in it stand deeper.
    """

    block: Block | None
    left: str
    right: str
    adds: bool = False
    depth: int = 0
    origins: Origins = ()
    is_gradient: bool = False  # whether it is there only for the gradients


@dataclass(frozen=True)
class Base:
    """How a block is named: `items` are indices, None for each dimension that whoever reads it walks along.

    It may be a part of an array of that shape, which begins at the cell `offset`.
    """

    name: str
    items: tuple[str | None, ...]
    shape: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Shown:
    """What an operand is in matrix notation, and the axes that walk along its dimensions."""

    text: Text
    axes: tuple[int, ...] = ()


class Formulas:
    """Writes the lines of one program; a subclass says how the parts of a formula look."""

    notation: ClassVar[Notation]
    longest: ClassVar[int]  # characters that a formula may have before a part of it gets a line and a name

    def __init__(self, program: Program, names: Names) -> None:
        self.program, self.names = program, names
        self.plan = Plan(program, names, arrays=True)
        self.bases: dict[Block, Base] = {}
        self.numbers: dict[Block, Text] = {}  # what stands for some blocks of one number
        self.inline: dict[Block, Statement] = {}  # these have no line, or not yet
        self.origins: dict[Block, Origins] = {}
        self.targets: dict[Block, Base] = {}  # names of results that are what a loop passes on or keeps
        self.tables: dict[str, Array] = {}  # constants that have a name
        self.lines: list[Line] = []
        self.results: dict[Output, Base] = {}  # what is returned, where it has a line of its own
        self.depth = 0
        self.gradients = False  # whether it is for them that lines are written
        self._known: dict[tuple[Any, ...], str] = {}
        self._letters: dict[str, list[str]] = {}
        self._sample = ""
        for leaf in (*program.inputs, *program.parameters):
            self.define(leaf, self.name(leaf))
        self.body(program.statements)
        for output in program.outputs:
            self.finish(output)

    def finish(self, output: Output) -> None:
        """What an output is of has a line, and so has what is but a part of something."""
        x = output.access
        if isinstance(x, Access) and x.block in self.inline:
            self.gradients = self.plan.is_for_gradients(x.block)
            self.assign(x.block)
        if isinstance(x, Access) and not is_whole(x, output.shape):
            self.result(output, self.named(self.names.new("y")))

    def result(self, output: Output, name: str) -> None:
        """A line for what is returned."""
        x = output.access
        block = Block("", output.shape, samples=isinstance(x, Access) and x.block.samples)
        self.gradients = output.leaf is not None
        self.results[output] = self.new_base(block, name)
        self.write(self.results[output], _copy(x, block))
        self.bases[block] = self.results[output]

    def outputs(self) -> list[str]:
        """What is returned."""
        return [self.output(output) for output in self.program.outputs]

    def output(self, output: Output) -> str:
        x = output.access
        if not isinstance(x, Access):
            return self.number(x)[0]
        base = self.results.get(output) or self.base(x.block)
        rows = self.shown(whole(x.block), x.block.shape) if base.shape != output.shape else None
        if rows and FLAT not in rows.axes:  # of what a loop passes on
            return rows.text[0]
        return self.part(base, [None] * base.items.count(None))

    def defined(self) -> set[str]:
        """The names of whole arrays and numbers that have a line."""
        blocks = [line.block for line in self.lines if line.block in self.bases]
        return {self.part(self.bases[b], [None] * self.bases[b].items.count(None)) for b in blocks if b}

    def define(self, block: Block, name: str, *front: str) -> None:
        self.bases[block] = self.new_base(block, name, *front)

    def new_base(self, block: Block, name: str, *front: str) -> Base:
        items = (*[None] * block.samples, *front, *[None] * len(block.shape))
        return Base(name, items, block.shape)

    def name(self, block: Block) -> str:
        return self.named(self.plan.name(block))

    def letter(self, letters: str, depth: int) -> str:
        known = self._letters.setdefault(letters, [])
        while len(known) <= depth:
            known.append(self.names.new(letters[min(len(known), len(letters) - 1)]))
        return known[depth]

    def sample(self) -> str:
        self._sample = self._sample or self.names.new("n")
        return self._sample

    # ---- statements ----
    def body(self, statements: Sequence[Any_Statement]) -> None:
        for s in statements:
            if not self.depth:
                self.gradients = all(self.plan.is_for_gradients(block) for block in written(s))
            if isinstance(s, Loop):
                self.loop(s)
            elif isinstance(s, Scatter):
                self.scatter(s)
            else:
                self.statement(s)

    def statement(self, s: Statement) -> None:
        read = {access.block: access for access in s.accesses if access.block in self.inline}
        for block, access in [*read.items()]:
            if self.ways(access, s.axes) is None or self.hides(s, block):
                self.assign(block)
                del read[block]
        while read and len(self.right(s)[0]) > self.longest:
            longest = max(read, key=lambda block: len(self.right(self.inline[block])[0]))
            self.assign(longest)
            del read[longest]
        self.inline[s.out] = s
        self.origins[s.out] = (*[origin for block in read for origin in self.origins[block]], s.origin)
        if s.out not in self.plan.inline:
            self.assign(s.out)

    def hides(self, s: Statement, block: Block) -> bool:
        """Whether a sum in matrix notation would be written with indices, because its reader has to be."""
        part = self.inline[block]
        return self.has_sum(part) and self.matrix(s) is None and self.matrix(part) is not None

    def has_sum(self, s: Statement) -> bool:
        return s.reduced > 0 or any(self.has_sum(self.inline[a.block]) for a in s.accesses if a.block in self.inline)

    def assign(self, block: Block) -> None:
        """Gives a result a line and a name."""
        s = self.inline.pop(block)
        source = s.operands[0]
        is_copy = s.op in (COPY, DETACH) and not s.reduced and not s.over_samples and block not in self.targets
        if is_copy and isinstance(source, Access):
            base = self.bases.get(source.block)
            if base and source.block.shape == block.shape and is_whole(source, block.shape):
                self.bases[block] = base  # it keeps its own name
                return
        base = self.targets.get(block) or self.new_base(block, self.name(block))
        self.write(base, s, block, self.origins[block])
        self.bases[block] = base

    def line(self, block: Block | None, left: str, right: str, adds: bool = False, origins: Origins = ()) -> None:
        self.lines.append(Line(block, left, right, adds, self.depth, origins, self.gradients))

    def write(self, base: Base, s: Statement, block: Block | None = None, origins: Origins = ()) -> None:
        right, places = self.right(s)
        kept = s.axes[: len(s.axes) - s.reduced]
        left = self.part(base, [None] * base.items.count(None))
        if places is not None:
            left = self.cell_of(base, whole(s.out, kept), kept, places)[0]
        self.line(block or s.out, left, right, origins=origins)

    def right(self, s: Statement) -> tuple[str, Places | None]:
        """What a statement computes; if that is said of a cell, its place."""
        text = self.matrix(s) or self.repeated(s)
        if text:
            return text[0], None
        kept = len(s.axes) - s.reduced
        places = self.places(range(kept), s.axes, s.out.samples)
        return self.cell(s, places, len(places))[0], places

    def places(self, axes: Sequence[int], lengths: Sequence[int], samples: bool = False, depth: int = 0) -> Places:
        """Letters for axes, but for those of length 1."""
        places: Places = {SAMPLES: (self.sample(), ATOM)} if samples else {}
        for axis in axes:
            if lengths[axis] > 1:
                places[axis] = self.letter("ijklmopqr", depth), ATOM
                depth += 1
            else:
                places[axis] = FIRST
        return places

    # ---- matrix notation ----
    def matrix(self, s: Statement) -> Text | None:
        """What a statement computes, as operations on arrays; None where they are read in too many ways for that."""
        shown = [self.shown(x, s.axes) for x in s.operands]
        operands = [x for x in shown if x]
        if s.op is TAKE or len(operands) < len(shown):
            return None
        first = len(s.axes) - s.reduced
        samples = any(a.block.samples for a in s.accesses)
        kept = (SAMPLES,) * (samples and not s.over_samples) + tuple([a for a in range(first) if s.axes[a] > 1])
        over = (SAMPLES,) * s.over_samples + tuple([a for a in range(first, len(s.axes)) if s.axes[a] > 1])
        if not over:
            return self.elementwise(s.op, operands, kept)
        arrays = [x for x in operands if x.axes]
        if s.op is MUL and s.reduce is TOTAL and len(arrays) == 2:
            return self.product(arrays[0], arrays[1], kept, over)
        walks = {x.axes for x in arrays}
        if kept or len(walks) != 1 or (s.over_samples and s.reduce is not TOTAL):
            return None
        (axes,) = walks
        text = self.elementwise(s.op, operands, axes) if axes[0] == FLAT or {*axes} == {*over} else None
        return self.reduction(s.reduce, [], text) if text else None

    def repeated(self, s: Statement) -> Text | None:
        """What a statement computes where that is the same for all cells."""
        numbers = [x for x in (self.shown(x, s.axes) for x in s.operands) if x and not x.axes]
        if len(numbers) < len(s.operands) or s.reduced or s.over_samples or s.op is TAKE:
            return None
        return self.operation(s.op, [x.text for x in numbers], 0)

    def elementwise(self, op: Op, operands: Sequence[Shown], axes: tuple[int, ...]) -> Text | None:
        """An operation cell by cell. What has fewer axes is the same for each row, as in X + b."""
        if op is MUL and len(axes) == 2 and [x.axes for x in operands] == [axes[:1], axes[1:]]:
            return self.outer(operands[0].text, operands[1].text)
        texts = []
        for x in operands:
            if x.axes == axes[len(axes) - len(x.axes) :]:
                texts.append(x.text)
            elif len(axes) == 2 and x.axes == axes[::-1]:
                texts.append(self.transposed(x.text))
            else:
                return None
        if not any(len(x.axes) == len(axes) for x in operands):
            return None
        return self.operation(op, texts, sum([bool(x.axes) for x in operands]))

    def product(self, a: Shown, b: Shown, kept: tuple[int, ...], over: tuple[int, ...]) -> Text | None:
        """A product of matrices or vectors."""
        if not kept and a.axes == b.axes and (a.axes[0] == FLAT or {*a.axes} == {*over}):
            return self.inner(a.text, b.text, len(a.axes) > 1)
        if len(over) != 1 or over[0] not in a.axes or over[0] not in b.axes:
            return None
        rows, columns = ([axis for axis in x.axes if axis not in over] for x in (a, b))
        if columns and (not rows or (*columns, *rows) == kept):
            a, b, rows, columns = b, a, columns, rows
        if (*rows, *columns) != kept or len(rows) != 1 or len(columns) > 1:
            return None
        left = a.text if a.axes == (*rows, *over) else self.transposed(a.text)
        right = b.text if b.axes == (*over, *columns) else self.transposed(b.text)
        return self.matmul(left, right)

    def shown(self, x: Operand, axes: Sequence[int]) -> Shown | None:
        """An operand, where it is read as an array, or as a slice of one."""
        if not isinstance(x, Access):
            return Shown(self.number(x))
        block = x.block
        if x.mask is not None and not x.mask.all():
            return None
        front = (SAMPLES,) * block.samples
        if block in self.inline:
            s, ways = self.inline[block], self.ways(x, axes)
            text = self.matrix(s)
            if not text or ways is None:
                return None
            return Shown(text, (*front, *[way for way in ways if way is not None]))
        if number := self.one_number(block):
            return Shown(number)
        base = self.base(block)
        if x.index is not None:
            return None
        found = along(base.shape, x.offset + base.offset, moving(x, axes))
        if found is None:
            is_all = is_whole(x, axes) and base.shape == block.shape
            name = self.part(base, [None] * base.items.count(None))
            return Shown((name, ATOM), (FLAT, *base.shape)) if is_all and not block.samples else None
        items = [None] * block.samples + [_item(dimension) for dimension in found]
        walked = [dimension.steps[0].axis for dimension in found if dimension.steps]
        return Shown((self.part(base, items), ATOM), (*front, *walked))

    def ways(self, x: Access, axes: Sequence[int]) -> list[int | None] | None:
        """For each axis of a result without a line, that of its reader; None where it is not read along its axes."""
        s = self.inline[x.block]
        kept = s.axes[: len(s.axes) - s.reduced]
        walks = {(n, stride): axis for axis, (n, stride) in enumerate(zip(axes, x.strides))}
        ways = [None if n == 1 else walks.get((n, stride), -1) for n, stride in zip(kept, strides_of(kept))]
        return None if -1 in ways or x.index is not None else ways

    def part(self, base: Base, items: Sequence[str | None]) -> str:
        """An array, or a slice of it: None is a whole dimension."""
        rest = iter(items)
        texts = [next(rest) if item is None else item for item in base.items]
        while texts and texts[-1] is None:
            texts.pop()
        return self.at(base.name, [text or ":" for text in texts])

    # ---- one cell ----
    def cell(self, s: Statement, places: Places, depth: int) -> Text:
        """What a statement computes at a place along the axes that it keeps."""
        first = len(s.axes) - s.reduced
        if s.op is TAKE:
            places = places | {len(s.axes) - 1: FIRST}
            if s.over_samples:
                places = places | {SAMPLES: (self.sample(), ATOM)}
            row = self.read(s.operands[1], s.axes, places, depth)
            text = self.read(s.operands[0], s.axes, places | {len(s.axes) - 1: row}, depth)
            return self.reduction(TOTAL, [self.sample()], text) if s.over_samples else text
        inner = self.places(range(first, len(s.axes)), s.axes, s.over_samples, depth)
        letters = [place[0] for axis, place in inner.items() if place != FIRST and axis != SAMPLES]
        texts = [self.read(x, s.axes, places | inner, depth + len(letters)) for x in s.operands]
        is_square = s.op is MUL and s.reduced and texts[0] == texts[1]
        text = self.square(texts[0]) if is_square else self.operation(s.op, texts, 0)
        if s.over_samples and s.reduce is TOTAL:
            letters.insert(0, self.sample())
        if letters:
            text = self.reduction(s.reduce, letters, text)
        return self.reduction(TOTAL, [self.sample()], text) if s.over_samples and s.reduce is not TOTAL else text

    def read(self, x: Operand, axes: Sequence[int], places: Places, depth: int) -> Text:
        if not isinstance(x, Access):
            return self.number(x)
        if x.mask is not None and not x.mask.any():
            return self.number(x.fill)
        text = self.unmasked(x, axes, places, depth)
        if x.mask is None or x.mask.all():
            return text
        return self.masked(self.condition(x.mask, axes, places), text, self.number(x.fill))

    def unmasked(self, x: Access, axes: Sequence[int], places: Places, depth: int) -> Text:
        block = x.block
        if block in self.inline:
            s, ways = self.inline[block], self.ways(x, axes)
            assert ways is not None
            inner = {axis: FIRST if way is None else places[way] for axis, way in enumerate(ways)}
            if block.samples:
                inner[SAMPLES] = places[SAMPLES]
            return self.cell(s, inner, depth)
        if number := self.one_number(block):
            return number
        return self.cell_of(self.base(block), x, axes, places)

    def cell_of(self, base: Base, x: Access, axes: Sequence[int], places: Places) -> Text:
        """The cell that an access leads to, of an array that is named so."""
        front = [places[SAMPLES][0]] if x.block.samples else []
        shape, x = base.shape, _moved(x, base.offset)
        dims = self.dims(x, shape, axes, places)
        for merged in range(2, len(shape) + 1):  # the last ones as one
            if dims is not None:
                break
            first, last = shape[: len(shape) - merged], shape[len(shape) - merged :]
            dims = self.dims(x, (*first, prod(last)), axes, places)
        assert dims is not None
        texts = [text for text, _ in dims]
        if len(dims) == len(shape):
            return self.part(base, [*front, *texts]), ATOM
        return self.at(self.flat(self.part(base, [*front, *texts[:-1], *[None] * merged])), texts[-1:]), ATOM

    def dims(self, x: Access, shape: tuple[int, ...], axes: Sequence[int], places: Places) -> list[Text] | None:
        """The place along each dimension of a block in a shape; None where it is read in another one."""
        if x.index is not None:
            import numpy as np

            index = np.asarray(x.index)
            index = index.reshape((1,) * (len(axes) - index.ndim) + index.shape)
            tables = np.unravel_index(index, shape) if shape else ()
            return [self.in_table(table, axes, places) for table in tables]
        found = along(shape, x.offset, moving(x, axes), shared=True)
        if found is None:
            return None
        return [
            self.linear([step.step for step in d.steps], d.start, dict(enumerate([places[s.axis] for s in d.steps])))
            for d in found
        ]

    def in_table(self, table: Array, axes: Sequence[int], places: Places) -> Text:
        """A number of a table: in steps where it has such, else by its name."""
        import numpy as np

        table = np.asarray(table)
        table = table.reshape((1,) * (len(axes) - table.ndim) + table.shape)
        for axis in range(table.ndim):
            if (np.diff(table, axis=axis) == 0).all():
                table = np.take(table, [0], axis=axis)
        own = [axis for axis in range(table.ndim) if table.shape[axis] > 1]
        start, grid = int(table.ravel()[0]), np.indices(table.shape, sparse=True)
        second = [np.take(table, [n > 1], axis=axis).ravel()[0] for axis, n in enumerate(table.shape)]
        steps = [int(number) - start for number in second]
        if (sum([step * numbers for step, numbers in zip(steps, grid)]) + start == table).all():
            return self.linear(steps, start, places)
        name = self.table("INDEX", table.reshape([table.shape[axis] for axis in own]))
        return self.at(self.named(name), [places[axis][0] for axis in own]), ATOM

    def linear(self, strides: Sequence[int], offset: int, places: Places) -> Text:
        """offset + Σ stride · place"""
        text = ""
        for axis, stride in enumerate(strides):
            if not stride or places[axis] == FIRST:
                continue
            place = places[axis] if abs(stride) == 1 else self.times(abs(stride), places[axis])
            if stride < 0 and not text:
                text, offset = str(offset), 0
            if not text:
                text = place[0]
            else:
                text += f" {'-' if stride < 0 else '+'} {_bracketed(place, PRODUCT) if stride < 0 else place[0]}"
        if not text:
            return str(offset), ATOM
        text += f" + {offset}" if offset > 0 else f" - {-offset}" if offset < 0 else ""
        return text, SUM if " " in text else ATOM

    def condition(self, mask: Array, axes: Sequence[int], places: Places) -> str:
        """Where a mask is True: as bounds of the axes where these say it, else by its name."""
        import numpy as np

        mask = np.asarray(mask, bool)
        mask = mask.reshape((1,) * (len(axes) - mask.ndim) + mask.shape)
        own = [axis for axis in range(mask.ndim) if mask.shape[axis] > 1]
        grid = np.indices(mask.shape, sparse=True)
        found, said = list[str](), np.ones(mask.shape, bool)
        bounds = [(a, b, strictly) for a in own for b in own if a != b for strictly in (True, False)]
        for a, b, strictly in bounds:
            holds = grid[a] < grid[b] if strictly else grid[a] <= grid[b]
            if (holds | ~mask).all() and not (holds | ~said).all():
                found.append(self.order(places[a][0], places[b][0], strictly))
                said &= holds
        for axis in own:
            inside = np.flatnonzero(mask.any(axis=tuple([a for a in range(mask.ndim) if a != axis])))
            low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
            for holds, text in (
                (grid[axis] >= low, self.order(str(low), places[axis][0], False)),
                (grid[axis] <= high, self.order(places[axis][0], str(high), False)),
            ):
                if not (holds | ~said).all():
                    found.append(text)
                    said &= holds
        if found and (said == mask).all():
            return self.all_of(found)
        name = self.table("MASK", mask.reshape([mask.shape[axis] for axis in own]))
        return self.at(self.named(name), [places[axis][0] for axis in own])

    # ---- names ----
    def base(self, block: Block) -> Base:
        if block not in self.bases:
            import numpy as np

            assert block.data is not None, f"block {block.name!r} is read before it is written"
            numbers = np.asarray(block.data, float).reshape(block.shape)
            self.define(block, self.named(self.table(identifier(block.name, "data").upper(), numbers)))
        return self.bases[block]

    def one_number(self, block: Block) -> Text | None:
        if block.data is not None and block.size == 1 and block not in self.numbers:
            self.numbers[block] = self.number(float(block.data.item()))
        return self.numbers.get(block)

    def table(self, wish: str, x: Array) -> str:
        """The name of a constant, which is the same wherever it is used."""
        key = (x.shape, x.dtype.str, x.tobytes())
        if key not in self._known:
            self._known[key] = self.names.new(self.wish(wish))
            self.tables[self._known[key]] = x
        return self._known[key]

    # ---- scatters ----
    def scatter(self, s: Scatter) -> None:
        """Zeros, or a part that covers all, to which the parts are added."""
        parts = sorted(map(forwards, s.parts), key=lambda part: not covers(part, s.out))
        base = self.targets.get(s.out) or self.new_base(s.out, self.name(s.out))
        if parts and covers(parts[0], s.out):
            first, rest = _covering(parts[0], s.out), parts[1:]
        else:
            first, rest = Statement(s.out, COPY, (0.0,), s.out.shape), parts
        self.write(base, first, s.out, (s.origin,))
        self.bases[s.out] = base
        for part in rest:
            self.add(part, s.out, base)

    def add(self, part: Part, out: Block, base: Base) -> None:
        """A letter that is only on the right is summed over; along an axis that has none it is the same each time."""
        to = replace(part.target, block=out)
        target, source = self.shown(to, part.axes), self.shown(part.source, part.axes)
        if target and source and target.axes == source.axes and FLAT not in target.axes:
            left, right = target.text[0], source.text
        else:
            places = self.places(range(len(part.axes)), part.axes, out.samples)
            left = self.cell_of(base, to, part.axes, places)[0]
            right = self.read(part.source, part.axes, places, len(places))
        walked = _walked(to, part.axes) | _walked(part.source, part.axes)
        times = prod([n for axis, n in enumerate(part.axes) if axis not in walked])
        if times > 1:
            right = self.operation(MUL, [self.number(float(times)), right], 0)
        self.line(out, left, right[0], adds=True)

    # ---- loops ----
    def loop(self, loop: Loop) -> None:
        """A recurrence: what a turn passes on has the turn as its first index."""
        turn = self.letter("tuv", self.depth)
        here, following = (f"{turn} + 1", turn) if loop.backwards else (turn, f"{turn} + 1")
        start, end = (str(loop.turns), "0") if loop.backwards else ("0", str(loop.turns))
        names = [self.named(self.plan.name(carry.final or carry.state)) for carry in loop.carried]
        for carry, name in zip(loop.carried, names):
            self.write(self.new_base(carry.state, name, start), _copy(carry.initial, carry.state))
        outside = dict(self.bases)
        for carry, name in zip(loop.carried, names):
            self.define(carry.state, name, here)
        self.line(None, turn, self.turns(loop), origins=(loop.origin,))
        self.depth += 1
        made = {s.out for s in loop.body if not isinstance(s, Loop)}
        passed = [(carry, self.new_base(carry.state, name, following)) for carry, name in zip(loop.carried, names)]
        for carry, base in passed:
            block = carry.result.block
            if block in made and block.shape == carry.state.shape and is_whole(carry.result, block.shape):
                self.targets.setdefault(block, base)
        returned = {o.access.block for o in self.program.outputs if isinstance(o.access, Access)}
        kept, rows = list[tuple[Block, Base]](), dict[Block, Base]()
        for block, outer in loop.stacked:
            same = [base for carry, base in passed if block is carry.state or self.targets.get(block) is base]
            if same:  # rows of what is passed on, from the first or the second one
                second = loop.backwards == any(block is carry.state for carry in loop.carried)
                items = (None,) * (outer.samples + len(outer.shape))
                rows[outer] = Base(same[0].name, items, (loop.turns + 1, *block.shape), block.size * second)
                continue
            named = block if block in made and outer not in returned else outer
            kept.append((block, self.new_base(block, self.name(named), turn)))
            rows[outer] = self.new_base(outer, self.name(named))
            if block in made:
                self.targets.setdefault(*kept[-1])
        for block, access in loop.streams:
            self.stream(block, access, loop.turns, turn)
        self.body(loop.body)
        for block, base in kept:
            if self.targets.get(block) is not base:
                self.write(base, _copy(whole(block), block))
        for carry, base in passed:
            if self.targets.get(carry.result.block) is not base:
                self.write(base, _copy(carry.result, carry.state))
        self.depth -= 1
        self.bases = outside | rows
        for carry, name in zip(loop.carried, names):
            if carry.final:
                self.define(carry.final, name, end)

    def stream(self, block: Block, access: Access, turns: int, turn: str) -> None:
        """A row of what an access reads: it is named as such, or has a line of its own where that is not a row."""
        axes = (turns, *block.shape)
        place = (turn, ATOM) if turns > 1 else FIRST
        if block.size == 1 and not block.samples:
            firsts = dict.fromkeys(range(1, len(axes)), FIRST)
            self.numbers[block] = self.read(access, axes, {0: place, **firsts}, 0)
            return
        base = self.row(block, access, axes, place)
        if not base:
            base = self.new_base(block, self.name(block))
            inner = self.places(range(len(block.shape)), block.shape, block.samples)
            left = self.cell_of(base, whole(block), block.shape, inner)[0]
            moved = {axis + 1 if axis >= 0 else axis: text for axis, text in inner.items()}
            self.line(block, left, self.read(access, axes, {0: place, **moved}, len(inner))[0])
        self.bases[block] = base

    def row(self, block: Block, access: Access, axes: tuple[int, ...], place: Text) -> Base | None:
        """The row of an array that an access reads at a place along its first axis; None where that is not a row."""
        if access.index is not None or access.mask is not None or self.one_number(access.block):
            return None
        outer = self.base(access.block)
        found = along(outer.shape, access.offset + outer.offset, moving(access, axes))
        walked = [d.steps[0].axis for d in found or () if d.is_whole and d.steps[0].axis]
        if not found or walked != [*range(1, len(axes))]:
            return None
        items: list[str | None] = [None] * block.samples
        for d in found:
            at_place = d.steps and d.steps[0].axis == 0
            items.append(self.linear([d.steps[0].step], d.start, {0: place})[0] if at_place else _item(d))
        rest = iter(items)
        return Base(outer.name, tuple([next(rest) if i is None else i for i in outer.items]), block.shape)

    # ---- how it looks ----
    def operation(self, op: Op, texts: Sequence[Text], arrays: int) -> Text:
        """An operation on numbers, or cell by cell on so many arrays."""
        if op in (COPY, DETACH):
            return texts[0]
        if op is ONE:
            return self.number(1.0)
        form = self.form(op, len(texts), arrays)
        return form.filled(texts, op.parameters), form.level

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        raise NotImplementedError

    def number(self, x: float) -> Text:
        raise NotImplementedError

    def wish(self, name: str) -> str:
        """What a constant is called."""
        return name

    def named(self, name: str) -> str:
        """How a name is written."""
        return name

    def at(self, name: str, items: Sequence[str]) -> str:
        """A cell or a slice."""
        raise NotImplementedError

    def flat(self, name: str) -> str:
        """All cells of an array in one line."""
        raise NotImplementedError

    def times(self, stride: int, place: Text) -> Text:
        raise NotImplementedError

    def square(self, x: Text) -> Text:
        raise NotImplementedError

    def transposed(self, x: Text) -> Text:
        raise NotImplementedError

    def matmul(self, a: Text, b: Text) -> Text:
        raise NotImplementedError

    def outer(self, a: Text, b: Text) -> Text:
        raise NotImplementedError

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        """The sum of all products."""
        raise NotImplementedError

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        """Over axes, or over all that there are."""
        raise NotImplementedError

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        raise NotImplementedError

    def order(self, a: str, b: str, strictly: bool) -> str:
        raise NotImplementedError

    def all_of(self, conditions: Sequence[str]) -> str:
        raise NotImplementedError

    def turns(self, loop: Loop) -> str:
        raise NotImplementedError


def _item(dimension: Dimension) -> str | None:
    """How a dimension is read; None where that is all of it."""
    if dimension.is_whole:
        return None
    if not dimension.steps:
        return str(dimension.start)
    ((_, length, step),) = dimension.steps
    return slice_text(dimension.start, length, step, dimension.length)


def _copy(x: Operand, block: Block) -> Statement:
    return Statement(block, COPY, (x,), block.shape)


def _covering(part: Part, out: Block) -> Statement:
    """A part that covers a block as a statement, with its axes in the order in which they walk through it."""
    steps = sorted(moving(part.target, part.axes), key=lambda step: -step.step)
    order = [step.axis for step in steps]
    order += [axis for axis in range(len(part.axes)) if axis not in order]
    axes, source = tuple([part.axes[axis] for axis in order]), part.source

    def in_order(table: Array) -> Array:
        import numpy as np

        table = np.asarray(table)
        return table.reshape((1,) * (len(axes) - table.ndim) + table.shape).transpose(order)

    source = replace(
        source,
        strides=tuple([source.strides[axis] for axis in order]) if source.index is None else (),
        index=None if source.index is None else in_order(source.index),
        mask=None if source.mask is None else in_order(source.mask),
    )
    return Statement(out, COPY, (source,), axes, len(order) - len(steps))


def _bracketed(text: Text, least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"


def _moved(x: Access, offset: int) -> Access:
    index = None if x.index is None else x.index + offset
    return replace(x, offset=x.offset + offset, index=index) if offset else x


def _walked(x: Access, axes: Sequence[int]) -> set[int]:
    """The axes along which not all that is read is the same."""
    import numpy as np

    walked = {step.axis for step in moving(x, axes)} if x.index is None else set()
    for table in (x.index if x.block.size > 1 else None, x.mask):
        if table is not None:
            first = len(axes) - table.ndim
            walked |= {first + axis for axis in range(table.ndim) if np.diff(table, axis=axis).any()}
    return walked
