"""Array programs as formulas to read: what the listing and LaTeX have in common.

A line is in matrix notation where that says it all. Elsewhere it says with indices what one cell is, h[i] = x[i + 1],
as the accesses lead. A loop is a recurrence, h[t + 1] = f(h[t]). How the parts of a formula look is left to the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from tinygrad_edu.compiler.program import (
    COPY,
    ONE,
    TAKE,
    Access,
    AnyStatement,
    Array,
    Block,
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
from tinygrad_edu.ops import DETACH, MUL, TOTAL
from tinygrad_edu.rules import ATOM, PRODUCT, SUM, Op

from .notation import Form, Names, Notation, Text, bracket, identifier
from .parts import Constants, Letters, numbers_of
from .plan import Plan, is_whole
from .views import SAMPLE_AXIS, Dimension, find_dimensions, moving_steps, over_axes, slice_text, split_scatter

Parts = tuple[Statement | Scatter | Loop, ...]
Positions = dict[int, Text]  # the position along each axis of a statement
FIRST: Text = ("0", ATOM)  # the position along an axis of length 1
FLAT_AXES = -2  # in place of the axes, before the shape: all cells are read in order


@dataclass
class Line:
    """A formula: what a block is, or one cell of it. With `adds` it is added to what the block was before.

    A loop is a line without a block; the lines in it have a larger `depth`.
    """

    block: Block | None
    name: str  # of the array whose cells the line computes
    left: str
    right: str
    adds: bool
    depth: int
    parts: Parts  # the statements that the line is made of
    reads: list[tuple[str, bool]]  # names of arrays, and whether each is as a loop had it before this turn
    is_gradient: bool  # whether it is there only for the gradients

    @property
    def operations(self) -> int:
        """How many operations on numbers the line stands for."""
        return sum([part.origin.operations for part in self.parts])


@dataclass(frozen=True)
class Base:
    """How a block is named: `items` are indices of an array, None for each dimension of the block.

    The block may be a part of an array of that shape, which begins at the cell `offset`.
    """

    name: str
    items: tuple[str | None, ...]
    shape: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class MatrixOperand:
    """The text of an operand in matrix notation, and the axes that walk along its dimensions."""

    text: Text
    axes: tuple[int, ...] = ()


class FormulaWriter:
    """Writes the lines of a program. A subclass says how the parts of a formula look."""

    notation: ClassVar[Notation]
    dots: ClassVar[str]  # what stands for turns that are left out
    longest: ClassVar[int]  # characters that a formula may have before a part of it gets a line and a name

    def __init__(self, program: Program, names: Names) -> None:
        self.program, self.names = program, names
        self.plan = Plan(program, names, arrays=True)
        self.bases: dict[Block, Base] = {}
        self.numbers: dict[Block, Text] = {}  # what stands for some blocks of one number
        self.inline: dict[Block, Statement] = {}  # these have no line, or not yet
        self.parts: dict[Block, Parts] = {}  # the statements that an inline result is made of
        self.reads: dict[tuple[str, bool], None] = {}  # of the line that is being written
        self.row_reads: dict[Block, dict[tuple[str, bool], None]] = {}  # of numbers that a loop reads in turn
        self.states: set[Block] = set()  # which a loop passes from turn to turn
        self.targets: dict[Block, Base] = {}  # names of results that are what a loop passes on or keeps
        self.constants = Constants(names)
        self.lines: list[Line] = []
        self.results: dict[Output, Base] = {}  # what is returned, where it has a line of its own
        self.depth = 0
        self.gradients = False  # whether it is for them that lines are written
        self.letters = Letters(names)
        self._sample = ""
        for leaf in program.leaves:
            self.define(leaf, self.name(leaf))
        self.add_statements(program.statements)
        for output in program.outputs:
            self.finish_output(output)

    def finish_output(self, output: Output) -> None:
        """Adds the line that an output still needs: of the block that it reads, or of a part of a block."""
        x = output.access
        if isinstance(x, Access) and x.block in self.inline:
            self.gradients = self.plan.is_for_gradients(x.block)
            self.name_result(x.block)
        if isinstance(x, Access) and not is_whole(x, output.shape):
            self.add_output_line(output, self.name_text(self.names.new("y")))

    def add_output_line(self, output: Output, name: str) -> None:
        """Adds a line for an output that is a part of a block."""
        x = output.access
        block = Block("", output.shape, samples=isinstance(x, Access) and x.block.samples)
        self.gradients = output.leaf is not None
        self.results[output] = self.new_base(block, name)
        self.add_formula(self.results[output], _copy_statement(x, block))
        self.bases[block] = self.results[output]

    def outputs(self) -> list[str]:
        """The texts of what is returned."""
        return [self.output(output) for output in self.program.outputs]

    def output(self, output: Output) -> str:
        x = output.access
        if not isinstance(x, Access):
            return self.number(x)[0]
        base = self.results.get(output) or self.base(x.block)
        rows = self.as_operand(whole(x.block), x.block.shape) if base.shape != output.shape else None
        if rows and FLAT_AXES not in rows.axes:  # of what a loop passes on
            return rows.text[0]
        return self.part(base)

    def array_of(self, output: Output) -> str:
        """The name of the array that an output reads, or the number that it is."""
        x = output.access
        return (self.results.get(output) or self.base(x.block)).name if isinstance(x, Access) else self.number(x)[0]

    def defined_names(self) -> set[str]:
        """The names of whole arrays and numbers that have a line."""
        return {self.part(self.bases[line.block]) for line in self.lines if line.block in self.bases}

    def define(self, block: Block, name: str, *front: str) -> None:
        self.bases[block] = self.new_base(block, name, *front)

    def new_base(self, block: Block, name: str, *front: str) -> Base:
        items = (*[None] * block.samples, *front, *[None] * len(block.shape))
        return Base(name, items, block.shape)

    def name(self, block: Block) -> str:
        return self.name_text(self.plan.name(block))

    def sample(self) -> str:
        self._sample = self._sample or self.names.new("n")
        return self._sample

    # ---- statements ----
    def add_statements(self, statements: Sequence[AnyStatement]) -> None:
        for s in statements:
            if not self.depth:
                self.gradients = all(self.plan.is_for_gradients(block) for block in written_blocks(s))
            if isinstance(s, Loop):
                self.add_loop(s)
            elif isinstance(s, Scatter):
                self.add_scatter(s)
            else:
                self.add_statement(s)

    def add_statement(self, s: Statement) -> None:
        read = {access.block: access for access in s.accesses if access.block in self.inline}
        for block, access in [*read.items()]:
            if self.reader_axes(access, s.axes) is None or self.loses_matrix_form(s, block):
                self.name_result(block)
                del read[block]
        while read and len(self.right_side(s)[0]) > self.longest:
            longest = max(read, key=lambda block: len(self.right_side(self.inline[block])[0]))
            self.name_result(longest)
            del read[longest]
        self.inline[s.out] = s
        self.parts[s.out] = (*[part for block in read for part in self.parts[block]], s)
        if s.out not in self.plan.inline:
            self.name_result(s.out)

    def loses_matrix_form(self, s: Statement, block: Block) -> bool:
        """Whether a sum would lose its matrix notation in its reader, which is written with indices."""
        part = self.inline[block]
        return self.has_reduction(part) and self.matrix_form(s) is None and self.matrix_form(part) is not None

    def has_reduction(self, s: Statement) -> bool:
        return s.reduced > 0 or any(
            self.has_reduction(self.inline[a.block]) for a in s.accesses if a.block in self.inline
        )

    def name_result(self, block: Block) -> None:
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
        self.add_formula(base, s, block, self.parts[block])
        self.bases[block] = base

    def add_line(self, block: Block | None, name: str, left: str, right: str, parts: Parts, adds: bool = False) -> None:
        line = Line(block, name, left, right, adds, self.depth, parts, [*self.reads], self.gradients)
        self.lines.append(line)

    def add_formula(self, base: Base, s: Statement, block: Block | None = None, parts: Parts = ()) -> None:
        self.reads.clear()
        right, positions = self.right_side(s)
        kept = s.axes[: len(s.axes) - s.reduced]
        left = self.part(base)
        if positions is not None:
            left = self.cell_of(base, whole(s.out, kept), kept, positions)[0]
        self.add_line(block or s.out, base.name, left, right, parts)

    def right_side(self, s: Statement) -> tuple[str, Positions | None]:
        """Writes what a statement computes: as a whole, or of one cell, at the positions that are returned."""
        text = self.matrix_form(s) or self.repeated_form(s)
        if text:
            return text[0], None
        kept = len(s.axes) - s.reduced
        positions = self.positions(range(kept), s.axes, s.out.samples)
        return self.cell(s, positions, len(positions))[0], positions

    def positions(
        self, axes: Sequence[int], lengths: Sequence[int], samples: bool = False, depth: int = 0
    ) -> Positions:
        """Chooses letters for axes, and 0 for those of length 1."""
        positions: Positions = {SAMPLE_AXIS: (self.sample(), ATOM)} if samples else {}
        for axis in axes:
            if lengths[axis] > 1:
                positions[axis] = self.letters.at(depth), ATOM
                depth += 1
            else:
                positions[axis] = FIRST
        return positions

    # ---- matrix notation ----
    def matrix_form(self, s: Statement) -> Text | None:
        """Writes a statement as operations on whole arrays; None where its reads do not allow that."""
        shown = [self.as_operand(x, s.axes) for x in s.operands]
        operands = [x for x in shown if x]
        if s.op is TAKE or len(operands) < len(shown):
            return None
        first = len(s.axes) - s.reduced
        samples = any(a.block.samples for a in s.accesses)
        kept = (SAMPLE_AXIS,) * (samples and not s.over_samples) + tuple([a for a in range(first) if s.axes[a] > 1])
        over = (SAMPLE_AXIS,) * s.over_samples + tuple([a for a in range(first, len(s.axes)) if s.axes[a] > 1])
        if not over:
            return self.elementwise(s.op, operands, kept)
        arrays = [x for x in operands if x.axes]
        if s.op is MUL and s.reduce is TOTAL and len(arrays) == 2:
            return self.product(arrays[0], arrays[1], kept, over)
        walks = {x.axes for x in arrays}
        if kept or len(walks) != 1 or (s.over_samples and s.reduce is not TOTAL):
            return None
        (axes,) = walks
        text = self.elementwise(s.op, operands, axes) if axes[0] == FLAT_AXES or {*axes} == {*over} else None
        return self.reduction(s.reduce, [], text) if text else None

    def repeated_form(self, s: Statement) -> Text | None:
        """Writes a statement that computes the same number for all cells; None for any other one."""
        numbers = [x for x in (self.as_operand(x, s.axes) for x in s.operands) if x and not x.axes]
        if len(numbers) < len(s.operands) or s.reduced or s.over_samples or s.op is TAKE:
            return None
        return self.operation(s.op, [x.text for x in numbers], 0)

    def elementwise(self, op: Op, operands: Sequence[MatrixOperand], axes: tuple[int, ...]) -> Text | None:
        """Writes an operation cell by cell. An operand of fewer axes is the same for each row, as in X + b."""
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

    def product(self, a: MatrixOperand, b: MatrixOperand, kept: tuple[int, ...], over: tuple[int, ...]) -> Text | None:
        """Writes a product of matrices or vectors; None where it is no such product."""
        if not kept and a.axes == b.axes and (a.axes[0] == FLAT_AXES or {*a.axes} == {*over}):
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

    def as_operand(self, x: Operand, axes: Sequence[int]) -> MatrixOperand | None:
        """Writes an operand that is an array, or a slice of one; None where it is read in another way."""
        if not isinstance(x, Access):
            return MatrixOperand(self.number(x))
        block = x.block
        if x.mask is not None and not x.mask.all():
            return None
        front = (SAMPLE_AXIS,) * block.samples
        if block in self.inline:
            s, ways = self.inline[block], self.reader_axes(x, axes)
            text = self.matrix_form(s)
            if not text or ways is None:
                return None
            return MatrixOperand(text, (*front, *[way for way in ways if way is not None]))
        if number := self.one_number(block):
            return MatrixOperand(number)
        base = self.base(block)
        if x.index is not None:
            return None
        found = find_dimensions(base.shape, x.offset + base.offset, moving_steps(x, axes))
        if found is None:
            is_all = is_whole(x, axes) and base.shape == block.shape
            name = self.part(base)
            return MatrixOperand((name, ATOM), (FLAT_AXES, *base.shape)) if is_all and not block.samples else None
        items = [None] * block.samples + [_item(dimension) for dimension in found]
        walked = [dimension.steps[0].axis for dimension in found if dimension.steps]
        return MatrixOperand((self.part(base, items), ATOM), (*front, *walked))

    def reader_axes(self, x: Access, axes: Sequence[int]) -> list[int | None] | None:
        """For each axis of a result without a line, the axis of its reader; None where it is not read along axes."""
        s = self.inline[x.block]
        kept = s.axes[: len(s.axes) - s.reduced]
        walks = {(n, stride): axis for axis, (n, stride) in enumerate(zip(axes, x.strides))}
        ways = [None if n == 1 else walks.get((n, stride), -1) for n, stride in zip(kept, strides_of(kept))]
        return None if -1 in ways or x.index is not None else ways

    def part(self, base: Base, items: Sequence[str | None] = ()) -> str:
        """An array, or a slice of it: None is a whole dimension."""
        rest = iter(items)
        texts = [next(rest, None) if item is None else item for item in base.items]
        while texts and texts[-1] is None:
            texts.pop()
        return self.at(base.name, [text or ":" for text in texts])

    # ---- one cell ----
    def cell(self, s: Statement, positions: Positions, depth: int) -> Text:
        """Writes what a statement computes at a position along the axes that it keeps."""
        first = len(s.axes) - s.reduced
        if s.op is TAKE:
            positions = positions | {len(s.axes) - 1: FIRST}
            if s.over_samples:
                positions = positions | {SAMPLE_AXIS: (self.sample(), ATOM)}
            row = self.read(s.operands[1], s.axes, positions, depth)
            text = self.read(s.operands[0], s.axes, positions | {len(s.axes) - 1: row}, depth)
            return self.reduction(TOTAL, [self.sample()], text) if s.over_samples else text
        inner = self.positions(range(first, len(s.axes)), s.axes, s.over_samples, depth)
        letters = [position[0] for axis, position in inner.items() if position != FIRST and axis != SAMPLE_AXIS]
        texts = [self.read(x, s.axes, positions | inner, depth + len(letters)) for x in s.operands]
        is_square = s.op is MUL and s.reduced and texts[0] == texts[1]
        text = self.square(texts[0]) if is_square else self.operation(s.op, texts, 0)
        if s.over_samples and s.reduce is TOTAL:
            letters.insert(0, self.sample())
        if letters:
            text = self.reduction(s.reduce, letters, text)
        return self.reduction(TOTAL, [self.sample()], text) if s.over_samples and s.reduce is not TOTAL else text

    def read(self, x: Operand, axes: Sequence[int], positions: Positions, depth: int) -> Text:
        if not isinstance(x, Access):
            return self.number(x)
        if x.mask is not None and not x.mask.any():
            return self.number(x.fill)
        text = self.read_unmasked(x, axes, positions, depth)
        if x.mask is None or x.mask.all():
            return text
        return self.masked(self.mask_condition(x.mask, axes, positions), text, self.number(x.fill))

    def read_unmasked(self, x: Access, axes: Sequence[int], positions: Positions, depth: int) -> Text:
        block = x.block
        if block in self.inline:
            s, ways = self.inline[block], self.reader_axes(x, axes)
            assert ways is not None
            inner = {axis: FIRST if way is None else positions[way] for axis, way in enumerate(ways)}
            if block.samples:
                inner[SAMPLE_AXIS] = positions[SAMPLE_AXIS]
            return self.cell(s, inner, depth)
        if number := self.one_number(block):
            return number
        return self.cell_of(self.base(block), x, axes, positions)

    def cell_of(self, base: Base, x: Access, axes: Sequence[int], positions: Positions) -> Text:
        """Writes the cell of an array that an access leads to."""
        front = [positions[SAMPLE_AXIS][0]] if x.block.samples else []
        shape, x = base.shape, _moved(x, base.offset)
        dims = self.index_texts(x, shape, axes, positions)
        for merged in range(2, len(shape) + 1):  # the last ones as one
            if dims is not None:
                break
            first, last = shape[: len(shape) - merged], shape[len(shape) - merged :]
            dims = self.index_texts(x, (*first, prod(last)), axes, positions)
        assert dims is not None
        texts = [text for text, _ in dims]
        if len(dims) == len(shape):
            return self.part(base, [*front, *texts]), ATOM
        return self.at(self.flat(self.part(base, [*front, *texts[:-1], *[None] * merged])), texts[-1:]), ATOM

    def index_texts(
        self, x: Access, shape: tuple[int, ...], axes: Sequence[int], positions: Positions
    ) -> list[Text] | None:
        """Writes the index along each dimension of a shape; None where the access does not walk along dimensions."""
        if x.index is not None:
            import numpy as np

            tables = np.unravel_index(over_axes(x.index, axes), shape) if shape else ()
            return [self.table_text(table, axes, positions) for table in tables]
        found = find_dimensions(shape, x.offset, moving_steps(x, axes), shared=True)
        if found is None:
            return None
        return [
            self.linear([step.step for step in d.steps], d.start, dict(enumerate([positions[s.axis] for s in d.steps])))
            for d in found
        ]

    def table_text(self, table: Array, axes: Sequence[int], positions: Positions) -> Text:
        """Writes a number of a table: offset + stride · position where the table is of that form, else by its name."""
        import numpy as np

        for axis in range(table.ndim):
            if (np.diff(table, axis=axis) == 0).all():
                table = np.take(table, [0], axis=axis)
        own = [axis for axis in range(table.ndim) if table.shape[axis] > 1]
        start, grid = int(table.ravel()[0]), np.indices(table.shape, sparse=True)
        second = [np.take(table, [n > 1], axis=axis).ravel()[0] for axis, n in enumerate(table.shape)]
        steps = [int(number) - start for number in second]
        if (sum([step * numbers for step, numbers in zip(steps, grid)]) + start == table).all():
            return self.linear(steps, start, positions)
        name = self.constant("INDEX", table.reshape([table.shape[axis] for axis in own]))
        return self.at(name, [positions[axis][0] for axis in own]), ATOM

    def linear(self, strides: Sequence[int], offset: int, positions: Positions) -> Text:
        """The sum offset + Σ stride · position."""
        text = ""
        for axis, stride in enumerate(strides):
            if not stride or positions[axis] == FIRST:
                continue
            position = positions[axis] if abs(stride) == 1 else self.times(abs(stride), positions[axis])
            if stride < 0 and not text:
                text, offset = str(offset), 0
            if not text:
                text = position[0]
            else:
                text += f" {'-' if stride < 0 else '+'} {bracket(position, PRODUCT) if stride < 0 else position[0]}"
        if not text:
            return str(offset), ATOM
        text += f" + {offset}" if offset > 0 else f" - {-offset}" if offset < 0 else ""
        return text, SUM if " " in text else ATOM

    def mask_condition(self, mask: Array, axes: Sequence[int], positions: Positions) -> str:
        """Writes where a mask is True: by bounds of the axes where these are enough, else by its name."""
        import numpy as np

        mask = over_axes(mask, axes)
        own = [axis for axis in range(mask.ndim) if mask.shape[axis] > 1]
        grid = np.indices(mask.shape, sparse=True)
        found, said = list[str](), np.ones(mask.shape, bool)
        bounds = [(a, b, strictly) for a in own for b in own if a != b for strictly in (True, False)]
        for a, b, strictly in bounds:
            holds = grid[a] < grid[b] if strictly else grid[a] <= grid[b]
            if (holds | ~mask).all() and not (holds | ~said).all():
                found.append(self.order(positions[a][0], positions[b][0], strictly))
                said &= holds
        for axis in own:
            inside = np.flatnonzero(mask.any(axis=tuple([a for a in range(mask.ndim) if a != axis])))
            low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
            for holds, text in (
                (grid[axis] >= low, self.order(str(low), positions[axis][0], False)),
                (grid[axis] <= high, self.order(positions[axis][0], str(high), False)),
            ):
                if not (holds | ~said).all():
                    found.append(text)
                    said &= holds
        if found and (said == mask).all():
            return self.all_of(found)
        name = self.constant("MASK", mask.reshape([mask.shape[axis] for axis in own]))
        return self.at(name, [positions[axis][0] for axis in own])

    # ---- names ----
    def base(self, block: Block) -> Base:
        if block not in self.bases:
            self.define(block, self.constant(identifier(block.name, "data").upper(), numbers_of(block)))
        base = self.bases[block]
        self.reads[base.name, block in self.states] = None
        return base

    def one_number(self, block: Block) -> Text | None:
        if block.data is not None and block.size == 1 and block not in self.numbers:
            self.numbers[block] = self.number(float(block.data.item()))
        self.reads |= self.row_reads.get(block, {})
        return self.numbers.get(block)

    def constant(self, wish: str, x: Array) -> str:
        """The name of a constant, as it is written."""
        name = self.name_text(self.constants.name(self.constant_wish(wish), x))
        self.reads[name, False] = None
        return name

    # ---- scatters ----
    def add_scatter(self, s: Scatter) -> None:
        """Adds a line for the first part, which covers all cells, or zeros, and a line for each other part."""
        first, parts = split_scatter(s)
        base = self.targets.get(s.out) or self.new_base(s.out, self.name(s.out))
        first = first or Statement(s.out, COPY, (0.0,), s.out.shape)
        self.add_formula(base, first, s.out, (s,))
        self.bases[s.out] = base
        for part in parts:
            self.add_part(part, s.out, base)

    def add_part(self, part: Part, out: Block, base: Base) -> None:
        """Adds a line that adds a part. A letter that is only on the right is summed over."""
        self.reads.clear()
        to = replace(part.target, block=out)
        target, source = self.as_operand(to, part.axes), self.as_operand(part.source, part.axes)
        if target and source and target.axes == source.axes and FLAT_AXES not in target.axes:
            left, right = target.text[0], source.text
        else:
            positions = self.positions(range(len(part.axes)), part.axes, out.samples)
            left = self.cell_of(base, to, part.axes, positions)[0]
            right = self.read(part.source, part.axes, positions, len(positions))
        walked = _walked(to, part.axes) | _walked(part.source, part.axes)
        times = prod([n for axis, n in enumerate(part.axes) if axis not in walked])
        if times > 1:
            right = self.operation(MUL, [self.number(float(times)), right], 0)
        self.add_line(out, base.name, left, right[0], (), adds=True)

    # ---- loops ----
    def add_loop(self, loop: Loop) -> None:
        """Adds the lines of a recurrence: what a turn passes on has the turn as its first index."""
        turn = self.letters.at(self.depth, "tuv")
        here, following = (f"{turn} + 1", turn) if loop.backwards else (turn, f"{turn} + 1")
        start, end = (str(loop.turns), "0") if loop.backwards else ("0", str(loop.turns))
        names = [self.name_text(self.plan.name(carry.final or carry.state)) for carry in loop.carried]
        for carry, name in zip(loop.carried, names):
            self.add_formula(self.new_base(carry.state, name, start), _copy_statement(carry.initial, carry.state))
        outside = dict(self.bases)
        for carry, name in zip(loop.carried, names):
            self.define(carry.state, name, here)
        self.reads.clear()
        self.add_line(None, "", turn, self.turns(loop), (loop,))
        self.states |= {carry.state for carry in loop.carried}
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
        self.add_statements(loop.body)
        for block, base in kept:
            if self.targets.get(block) is not base:
                self.add_formula(base, _copy_statement(whole(block), block))
        for carry, base in passed:
            if self.targets.get(carry.result.block) is not base:
                self.add_formula(base, _copy_statement(carry.result, carry.state))
        self.depth -= 1
        self.bases = outside | rows
        for carry, name in zip(loop.carried, names):
            if carry.final:
                self.define(carry.final, name, end)

    def stream(self, block: Block, access: Access, turns: int, turn: str) -> None:
        """Names the row of an array that a stream is in a turn. What is no row of an array gets a line of its own."""
        axes = (turns, *block.shape)
        position = (turn, ATOM) if turns > 1 else FIRST
        self.reads.clear()
        if block.size == 1 and not block.samples:
            firsts = dict.fromkeys(range(1, len(axes)), FIRST)
            self.numbers[block] = self.read(access, axes, {0: position, **firsts}, 0)
            self.row_reads[block] = dict(self.reads)
            return
        base = self.row(block, access, axes, position)
        if not base:
            base = self.new_base(block, self.name(block))
            inner = self.positions(range(len(block.shape)), block.shape, block.samples)
            left = self.cell_of(base, whole(block), block.shape, inner)[0]
            moved = {axis + 1 if axis >= 0 else axis: text for axis, text in inner.items()}
            right = self.read(access, axes, {0: position, **moved}, len(inner))[0]
            self.add_line(block, base.name, left, right, ())
        self.bases[block] = base

    def row(self, block: Block, access: Access, axes: tuple[int, ...], position: Text) -> Base | None:
        """The row of an array that an access reads in a turn; None where it is no row of an array."""
        if access.index is not None or access.mask is not None or self.one_number(access.block):
            return None
        outer = self.base(access.block)
        found = find_dimensions(outer.shape, access.offset + outer.offset, moving_steps(access, axes))
        walked = [d.steps[0].axis for d in found or () if d.is_whole and d.steps[0].axis]
        if not found or walked != [*range(1, len(axes))]:
            return None
        items: list[str | None] = [None] * block.samples
        for d in found:
            at_place = d.steps and d.steps[0].axis == 0
            items.append(self.linear([d.steps[0].step], d.start, {0: position})[0] if at_place else _item(d))
        rest = iter(items)
        return Base(outer.name, tuple([next(rest) if i is None else i for i in outer.items]), block.shape)

    # ---- how it looks ----
    def operation(self, op: Op, texts: Sequence[Text], arrays: int) -> Text:
        """Writes an operation on numbers, or cell by cell where some inputs are `arrays`."""
        if op in (COPY, DETACH):
            return texts[0]
        if op is ONE:
            return self.number(1.0)
        form = self.form(op, len(texts), arrays)
        return form.filled(texts, op.parameters), form.level

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        """How an operation is written."""
        raise NotImplementedError

    def number(self, x: float) -> Text:
        """How a number is written."""
        return self.notation.number(x)

    def constant_wish(self, name: str) -> str:
        """The name that a constant should have."""
        return name

    def name_text(self, name: str) -> str:
        """How a name is written."""
        return name

    def at(self, name: str, items: Sequence[str]) -> str:
        """A cell or a slice."""
        raise NotImplementedError

    def flat(self, name: str) -> str:
        """All cells of an array in one line."""
        raise NotImplementedError

    def times(self, stride: int, position: Text) -> Text:
        """A position, multiplied by a stride."""
        raise NotImplementedError

    def square(self, x: Text) -> Text:
        """x²."""
        raise NotImplementedError

    def transposed(self, x: Text) -> Text:
        """The transpose of a matrix."""
        raise NotImplementedError

    def matmul(self, a: Text, b: Text) -> Text:
        """A product of two matrices, or of a matrix and a vector."""
        raise NotImplementedError

    def outer(self, a: Text, b: Text) -> Text:
        """The outer product of two vectors."""
        raise NotImplementedError

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        """The sum of all products of cells."""
        raise NotImplementedError

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        """A sum, or what else is made of many numbers: over the axes of the letters, or over all."""
        raise NotImplementedError

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        """A number where a condition is true, else another one."""
        raise NotImplementedError

    def order(self, a: str, b: str, strictly: bool) -> str:
        """The condition a < b, or a ≤ b."""
        raise NotImplementedError

    def all_of(self, conditions: Sequence[str]) -> str:
        """The condition that all of these are true."""
        raise NotImplementedError

    def turns(self, loop: Loop) -> str:
        """The numbers of the turns, in their order."""
        last = loop.turns - 1
        turns = ["0", "1", self.dots, str(last)] if last > 2 else [*map(str, range(loop.turns))]
        return ", ".join(turns[::-1] if loop.backwards else turns)


def _item(dimension: Dimension) -> str | None:
    """The index of a dimension; None where all of it is read."""
    if dimension.is_whole:
        return None
    if not dimension.steps:
        return str(dimension.start)
    ((_, length, step),) = dimension.steps
    return slice_text(dimension.start, length, step, dimension.length)


def _copy_statement(x: Operand, block: Block) -> Statement:
    return Statement(block, COPY, (x,), block.shape)


def _moved(x: Access, offset: int) -> Access:
    index = None if x.index is None else x.index + offset
    return replace(x, offset=x.offset + offset, index=index) if offset else x


def _walked(x: Access, axes: Sequence[int]) -> set[int]:
    """The axes along which an access reads different cells."""
    import numpy as np

    walked = {step.axis for step in moving_steps(x, axes)} if x.index is None else set()
    for table in (x.index if x.block.size > 1 else None, x.mask):
        if table is not None:
            first = len(axes) - table.ndim
            walked |= {first + axis for axis in range(table.ndim) if np.diff(table, axis=axis).any()}
    return walked
