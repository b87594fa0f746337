"""Array programs as functions on arrays: what NumPy's and JAX's texts have in common.

An array has an axis for each axis of its block, but for those along which all is the same: broadcasting adds them where
they are needed. With samples it has one for these, too, in front. Products are written as `@` where they can be.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from tinygrad_edu.compiler.program import (
    COPY,
    EQUAL,
    ONE,
    TAKE,
    Access,
    Array,
    Block,
    Operand,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
)
from tinygrad_edu.ops import ADD, DETACH, LOGSUMEXP, MUL, TOTAL
from tinygrad_edu.rules import ATOM, OPS, PRODUCT, SIGN, Op

from .notation import MATMUL, Names, Text, bracket, identifier
from .parts import Functions, FunctionWriter, numbers_of
from .plan import is_whole
from .views import (
    SAMPLE_AXIS,
    AxisStep,
    Dimension,
    cell_table,
    einsum_letters,
    find_dimensions,
    moving_steps,
    other_shapes,
    over_axes,
    slice_text,
    split_scatter,
    without_table,
)

STEP = OPS["step"]


@dataclass(frozen=True)
class ArrayText:
    """The expression of a block, and for each axis of its shape whether the array has that axis."""

    text: str
    level: int
    shape: tuple[int, ...]
    has: tuple[bool, ...]
    samples: bool = False
    boolean: bool = False
    integer: bool = False

    @property
    def items(self) -> list[str]:
        """The index that adds the axes that the array does not have."""
        return [*[":"] * self.samples, *[":" if has else "None" for has in self.has]]


@dataclass(frozen=True)
class ArrayView:
    """An array that an access reads: a base, and for each of its dimensions a slice along an axis, or one cell."""

    base: Text
    items: tuple[tuple[int | None, str], ...]
    boolean: bool = False
    integer: bool = False

    @property
    def axes(self) -> list[int]:
        return [axis for axis, _ in self.items if axis is not None]

    def text(self, order: list[int]) -> Text:
        """The text with the axes in an order; `None` in an index adds those that the array does not have."""
        own = [axis for axis in order if axis in self.axes]
        order = order[order.index(own[0]) :] if own else own  # broadcasting adds axes in front
        if own == self.axes:
            return index_text(self.base, self._with_new_axes(order))
        text, level = index_text(self.base, [item for _, item in self.items])
        text = bracket((text, level))
        if len(own) == 2:
            text += ".T"
        else:
            text += f".transpose({', '.join([str(self.axes.index(axis)) for axis in own])})"
        return index_text((text, ATOM), _items_of_axes(own, order))

    def _with_new_axes(self, order: Sequence[int]) -> list[str]:
        """The items of an index, with a `None` for each axis that is added."""
        items: list[str] = []
        rest = list(order)
        for axis, item in self.items:
            if axis is not None:
                while rest.pop(0) != axis:
                    items.append("None")
            items.append(item)
        return [*items, *["None"] * len(rest)]


def _items_of_axes(own: Sequence[int], order: Sequence[int]) -> list[str]:
    return [":" if axis in own else "None" for axis in order]


def index_text(base: Text, items: Iterable[str]) -> Text:
    items = list(items)
    while items and items[-1] == ":":
        items.pop()
    return (f"{bracket(base)}[{', '.join(items)}]", ATOM) if items else base


def one_or_tuple(numbers: Sequence[int]) -> str:
    """One number as such, several as a tuple."""
    return str(numbers[0] if len(numbers) == 1 else tuple(numbers))


def plain_view(text: Text, axes: Iterable[int], boolean: bool = False) -> ArrayView:
    """The view of an array that has these axes, each as a whole."""
    return ArrayView(text, tuple([(axis, ":") for axis in axes]), boolean)


def dimension_item(dimension: Dimension) -> tuple[int | None, str]:
    """The axis that walks along a dimension, and the slice that it reads there."""
    if not dimension.steps:
        return None, str(dimension.start)
    ((axis, length, step),) = dimension.steps
    return axis, slice_text(dimension.start, length, step, dimension.length)


class ArrayWriter(FunctionWriter):
    """Writes a function on arrays. A subclass says how its language writes the parts."""

    module: ClassVar[str]  # of arrays

    def __init__(self, program: Program, names: Names, functions: Functions) -> None:
        super().__init__(program, names, functions, arrays=True)
        self.values: dict[Block, ArrayText] = {}
        for leaf in program.leaves:
            self.values[leaf] = self.named_array(leaf)
        self.samples = next((leaf for leaf in program.leaves if leaf.samples), None)
        self.count = ""  # the name of the number of samples, where it is used

    # ---- a function ----
    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        if self.count and self.samples:
            self.lines.insert(0, f"    {self.count} = len({self.plan.name(self.samples)})")
        return super().definition(name, leaves, results)

    def sample_count(self) -> str:
        self.count = self.count or self.names.new("n")
        return self.count

    def express(self, s: Statement) -> None:
        self.values[s.out] = self.expression(s)

    def length(self, block: Block) -> int:
        return len(self.values[block].text)

    def is_name(self, block: Block) -> bool:
        return self.values[block].text.isidentifier() and self.values[block].text not in self.states

    def assign(self, block: Block) -> None:
        name, value = self.plan.name(block), self.values[block]
        if name in self.states:
            value = self.as_array(value, block.shape, block.samples)
        self.line(f"{name} = {value.text}")
        self.values[block] = replace(value, text=name, level=ATOM)
        self.waiting.pop(block, None)

    # ---- reading ----
    def value(self, block: Block) -> ArrayText:
        if block not in self.values:
            numbers = numbers_of(block)
            if block.size == 1:
                text, level = self.notation.number(float(numbers.item()))
                self.values[block] = ArrayText(text, level, block.shape, (False,) * len(block.shape))
            else:
                name = self.constants.name(identifier(block.name, "data").upper(), numbers)
                self.values[block] = ArrayText(name, ATOM, block.shape, (True,) * len(block.shape))
        return self.values[block]

    def view(self, access: Access, axes: Sequence[int]) -> ArrayView:
        """Makes the view of what an access reads, along the axes of a statement. It leaves the mask to `read`."""
        access, value = without_table(access, axes), self.value(access.block)
        base, front = (value.text, value.level), ((SAMPLE_AXIS, ":"),) * value.samples
        if access.index is not None:
            return self.gather(value, cell_table(access, axes))
        steps = moving_steps(access, axes)
        found = find_dimensions(value.shape, access.offset, steps)
        if found is not None:
            items = [dimension_item(d) for d, has in zip(found, value.has) if has]
            return ArrayView(base, (*front, *items), value.boolean, value.integer)
        base = self.with_all_axes(value)
        for start, stop, shape in other_shapes(access.block.size, access.offset, steps):
            found = find_dimensions(shape, access.offset - start, steps)
            if found is not None:
                base = self.reshape(base, value, start, stop, shape)
                return ArrayView(base, (*front, *map(dimension_item, found)), value.boolean, value.integer)
        return self.find_windows(value, access, steps) or self.gather(value, cell_table(access, axes))

    def find_windows(self, value: ArrayText, access: Access, steps: Sequence[AxisStep]) -> ArrayView | None:
        """Makes the view of overlapping windows, in a language that has them."""
        return None

    def gather(self, value: ArrayText, table: Array) -> ArrayView:
        """Makes the view through a table of cells, or of rows that are read as a whole."""
        import numpy as np

        base, shape = self.with_all_axes(value), [n for n in value.shape if n > 1]
        front = ((SAMPLE_AXIS, ":"),) * value.samples
        columns, name = [axis for axis in range(table.ndim) if table.shape[axis] > 1], "INDEX"
        new_shape: tuple[int, ...] = (prod(shape),)
        rest: list[int] = []
        if len(shape) > 1 and columns:
            last, width = columns[-1], shape[-1]
            first = np.take(table, [0], axis=last)
            along_last = np.arange(width).reshape([-1 if a == last else 1 for a in range(table.ndim)])
            if table.shape[last] == width and not (first % width).any() and (table == first + along_last).all():
                table, name, new_shape, rest = first // width, "ROWS", (prod(shape) // width, width), [columns.pop()]
        base = self.reshape(base, value, 0, prod(shape), new_shape)
        index = self.constants.name(name, table.reshape([table.shape[a] for a in columns]))
        text = f"{bracket(base)}[{':, ' * value.samples}{index}]"
        items = [(a, ":") for a in [*columns, *rest]]
        return ArrayView((text, ATOM), (*front, *items), value.boolean, value.integer)

    def reshape(self, base: Text, value: ArrayText, start: int, stop: int, shape: Sequence[int]) -> Text:
        """Writes an array, or a part of it, in another shape."""
        front, samples = (":",) * value.samples, ("-1",) * value.samples
        if (start, stop) != (0, prod(value.shape)):
            base = self.reshape(base, value, 0, prod(value.shape), (prod(value.shape),))
            base = index_text(base, [*front, slice_text(start, stop - start, 1, prod(value.shape))])
        elif tuple(shape) == value.shape:
            return base
        elif not shape:
            return index_text(base, [*front, *["0"] * len(value.shape)])
        if (start, stop) != (0, prod(value.shape)) and len(shape) == 1:
            return base
        if len(shape) == 1 and not value.samples:
            return f"{bracket(base)}.ravel()", ATOM
        return f"{bracket(base)}.reshape({', '.join([*samples, *map(str, shape)])})", ATOM

    def with_all_axes(self, value: ArrayText) -> Text:
        """Writes a value as an array that has all axes of its shape."""
        if all(value.has) or (any(value.has) and all(has or n == 1 for n, has in zip(value.shape, value.has))):
            return index_text((value.text, value.level), value.items)
        shape = self.shape_text(value)
        if not value.samples and not any(value.has):
            text = self.number_text(value)[0]
            if set(value.shape) == {1}:
                rank = len(value.shape)
                return f"{self.module}.array({'[' * rank}{text}{']' * rank})", ATOM
            return self.constant_array(text, value), ATOM
        text, _ = index_text((value.text, value.level), value.items)
        return f"{self.module}.broadcast_to({text}, {shape})", ATOM

    def as_array(self, value: ArrayText, shape: tuple[int, ...], samples: bool) -> ArrayText:
        """Makes an array of a value: it has all axes of a shape of the same size, and the axis of samples."""
        text, level = self.to_numbers((value.text, value.level), value.boolean or value.integer)
        value = replace(value, text=text, level=level, boolean=False, integer=False)
        result = ArrayText(text, level, shape, (True,) * len(shape), samples)
        if any(value.has) or value.samples:
            text, level = self.reshape(self.with_all_axes(value), value, 0, prod(shape), shape)
            if samples and not value.samples:
                text, level = f"{self.module}.broadcast_to({text}, {self.shape_text(result)})", ATOM
        elif samples:
            text, level = self.constant_array(text, result), ATOM
        elif shape:
            text, level = self.with_all_axes(replace(result, has=(False,) * len(shape)))
        return replace(result, text=text, level=level)

    def constant_array(self, number: str, value: ArrayText) -> str:
        if number in ("0.0", "0"):
            return f"{self.module}.zeros({self.shape_text(value)})"
        if number in ("1.0", "1"):
            return f"{self.module}.ones({self.shape_text(value)})"
        return f"{self.module}.full({self.shape_text(value)}, {number})"

    def shape_text(self, value: ArrayText) -> str:
        lengths = [*[self.sample_count() for _ in range(value.samples)], *map(str, value.shape)]
        return lengths[0] if len(lengths) == 1 else f"({', '.join(lengths)})"

    def number_text(self, x: ArrayText | ArrayView) -> Text:
        """The text of a value or view without new axes. Truth values become numbers."""
        text = (x.text, x.level) if isinstance(x, ArrayText) else x.text(x.axes)
        return self.to_numbers(text, x.boolean)

    def to_numbers(self, text: Text, boolean: bool) -> Text:
        return (f"{bracket(text, PRODUCT)} * 1.0", PRODUCT) if boolean else text

    def read(self, access: Access, axes: Sequence[int]) -> ArrayView:
        """Makes the view of what an access reads. Where the mask is False, that is the number `fill`."""
        view = self.view(access, axes)
        if access.mask is None or access.mask.all():
            return view
        mask = over_axes(access.mask, axes)
        own = [a for a in range(len(axes)) if mask.shape[a] > 1]
        if not own:
            fill = self.notation.number(access.fill)
            if SAMPLE_AXIS not in view.axes:
                return ArrayView(fill, ())
            text = self.constant_array(fill[0], ArrayText("", ATOM, (), (), samples=True))
            return plain_view((text, ATOM), [SAMPLE_AXIS])
        name = self.constants.name("MASK", mask.reshape([mask.shape[a] for a in own]))
        order = sorted({*view.axes, *own})
        condition = ArrayView((name, ATOM), tuple([(a, ":") for a in own])).text(order)[0]
        return plain_view(self.where_text(condition, view.text(order)[0], access.fill), order)

    def where_text(self, condition: str, text: str, fill: float) -> Text:
        return f"{self.module}.where({condition}, {text}, {self.notation.number(fill)[0]})", ATOM

    # ---- expressions ----
    def expression(self, s: Statement) -> ArrayText:
        """Makes the expression of what a statement computes."""
        if s.op is ONE and s.over_samples:  # how many there are
            view = ArrayView((f"len({self.number_text(self.value(s.accesses[0].block))[0]})", ATOM), ())
        elif s.op is TAKE:
            view = self.take_rows(s)
        elif s.op is MUL and s.reduce is TOTAL and (s.reduced or s.over_samples) and len(s.accesses) == 2:
            view = self.product(s)
        else:
            view = self.elementwise(s)
        kept = s.axes[: len(s.axes) - s.reduced]
        order = sorted(view.axes)
        text, level = view.text(order)
        has = tuple([a in order for a in range(len(kept))])
        value = ArrayText(text, level, kept, has, SAMPLE_AXIS in order, view.boolean, view.integer)
        return self.as_array(value, kept, True) if s.out.samples and not value.samples else value

    def elementwise(self, s: Statement) -> ArrayView:
        views = [self.read(x, s.axes) if isinstance(x, Access) else x for x in s.operands]
        return self.reduce_axes(s, self.operation(s.op, views))

    def operation(self, op: Op, xs: Sequence[ArrayView | float]) -> ArrayView:
        """Writes an operation on arrays, along all the axes that any of them has."""
        order = sorted({axis for x in xs if isinstance(x, ArrayView) for axis in x.axes})
        if op is COPY or op is DETACH:
            (x,) = xs
            return x if isinstance(x, ArrayView) else ArrayView(self.notation.number(x), ())
        if op is ONE:
            return ArrayView(self.notation.number(1.0), ())
        booleans = [isinstance(x, ArrayView) and x.boolean for x in xs]
        alone = True in booleans or not any(isinstance(x, ArrayView) for x in xs)
        if op is MUL and booleans.count(True) == 1:
            booleans = [False] * len(xs)  # numbers times truth values are numbers
        if op.name == "where":
            booleans[0] = False
        texts = [
            self.to_numbers(x.text(order), boolean) if isinstance(x, ArrayView) else self.constant_text(x, alone)
            for x, boolean in zip(xs, booleans)
        ]
        if op.name == "where" and isinstance(xs[0], ArrayView) and xs[0].boolean:
            return plain_view((f"{self.module}.where({', '.join([text for text, _ in texts])})", ATOM), order)
        form = self.form(op, len(xs))
        text = form.filled(texts, self.notation.parameters(op)), form.level
        return plain_view(text, order, boolean=op is STEP or op is EQUAL)

    def constant_text(self, x: float, alone: bool) -> Text:
        """Writes a number. Beside arrays, 2.0 is written as 2."""
        if not alone and abs(x) < 1e6 and repr(float(x)) == f"{int(x)}.0":
            return str(int(x)), SIGN if x < 0 else ATOM
        return self.notation.number(x)

    def reduce_axes(self, s: Statement, view: ArrayView) -> ArrayView:
        """Reduces a view over the axes that a statement reduces, and over the samples."""
        kept = len(s.axes) - s.reduced
        over = [a for a in view.axes if a >= kept]
        missing = prod([n for a, n in enumerate(s.axes) if a >= kept and a not in over])
        if s.over_samples and s.reduce is TOTAL:
            over = [SAMPLE_AXIS, *over]
        view = self.reduction(s.reduce, view, over)
        if missing > 1 and s.reduce is TOTAL:
            view = self.operation(MUL, [float(missing), view])
        elif missing > 1 and s.reduce is LOGSUMEXP:
            view = self.operation(ADD, [view, math.log(missing)])
        if s.over_samples and s.reduce is not TOTAL:
            view = self.reduction(TOTAL, view, [SAMPLE_AXIS])
        return view

    def reduction(self, op: Op, view: ArrayView, over: Sequence[int]) -> ArrayView:
        if not over:
            return view
        counted = view.boolean and op is TOTAL
        text = self.own_text(view) if counted else self.number_text(view)
        places = [view.axes.index(axis) for axis in over]
        axes = [axis for axis in view.axes if axis not in over]
        text = self.reduction_text(op, text, sorted(places), len(view.axes))
        if counted:
            text = f"{text[0][:-1]}{'' if text[0].endswith('()') else ', '}dtype=float)", ATOM
        return plain_view(text, axes)

    def reduction_text(self, op: Op, text: Text, places: Sequence[int], rank: int) -> Text:
        axis = "" if len(places) == rank else f"axis={one_or_tuple(places)}"
        return f"{bracket(text)}.{self.notation.reduction(op)}({axis})", ATOM

    # ---- products ----
    def product(self, s: Statement) -> ArrayView:
        """Writes Σ a·b as a matrix product over the axes that both have; axes that only one has are summed before."""
        a, b = [self.read(x, s.axes) for x in s.accesses]
        kept = len(s.axes) - s.reduced
        over = {*range(kept, len(s.axes)), *([SAMPLE_AXIS] if s.over_samples else [])}
        missing = prod([n for axis, n in enumerate(s.axes) if axis in over - {*a.axes, *b.axes}])
        both = [axis for axis in a.axes if axis in over and axis in b.axes]
        a, b = [
            self.reduction(TOTAL, x, [axis for axis in x.axes if axis in over and axis not in both]) for x in (a, b)
        ]
        view = self.contraction(a, b, sorted(both)) if both else self.operation(MUL, [a, b])
        return self.operation(MUL, [float(missing), view]) if missing > 1 else view

    def contraction(self, a: ArrayView, b: ArrayView, over: Sequence[int]) -> ArrayView:
        """Writes the sum of a·b over axes that both have."""
        if a.boolean and b.boolean:
            a = plain_view(self.number_text(a), a.axes)
        batch = sorted({*a.axes} & {*b.axes} - {*over})
        free = [sorted({*x.axes} - {*over, *batch}) for x in (a, b)]
        kept = sorted([*batch, *free[0], *free[1]])
        choices = []
        for left, right, (rows, columns) in ((a, b, free), (b, a, free[::-1])):
            if len(over) == 1 and (len(rows) == len(columns) == 1 if batch else len(columns) <= 1):
                orders = [*batch, *rows, *over], [*batch, *over, *columns]
                turned = sum([x.axes != order for x, order in zip((left, right), orders)])
                axes = [*batch, *rows, *columns]
                choices.append((axes != kept, turned, left, right, orders, axes))
        if choices:
            _, _, left, right, orders, axes = min(choices, key=lambda choice: choice[:2])
            text = MATMUL.filled([left.text(orders[0]), right.text(orders[1])]), MATMUL.level
            return plain_view(text, axes)
        if not batch and kept:
            left_axes, right_axes = ([axis for axis in x.axes if axis not in over] for x in (a, b))
            places = [[x.axes.index(axis) for axis in over] for x in (a, b)]
            text = self.tensordot(self.own_text(a), self.own_text(b), places, len(a.axes))
            return plain_view(text, [*left_axes, *right_axes])
        if not kept:
            return plain_view((f"{self.module}.vdot({a.text([*over])[0]}, {b.text([*over])[0]})", ATOM), [])
        letters = f"{einsum_letters(a.axes)},{einsum_letters(b.axes)}->{einsum_letters(kept)}"
        text = f'{self.module}.einsum("{letters}", {self.own_text(a)[0]}, {self.own_text(b)[0]})', ATOM
        return plain_view(text, kept)

    def own_text(self, x: ArrayView) -> Text:
        return x.text(x.axes)

    def tensordot(self, a: Text, b: Text, places: Sequence[list[int]], rank: int) -> Text:
        n = len(places[0])
        last_and_first = places[0] == [*range(rank - n, rank)] and places[1] == [*range(n)]
        return f"{self.module}.tensordot({a[0]}, {b[0]}, {n if last_and_first else tuple(places)})", ATOM

    def take_rows(self, s: Statement) -> ArrayView:
        """Writes the rows of a table that an index chooses."""
        rows = len(s.axes) - 1
        table, index = [self.read(x, s.axes) for x in s.accesses]
        if s.over_samples:
            return self.reduction(TOTAL, self.take_rows(replace(s, over_samples=False)), [SAMPLE_AXIS])
        if rows not in table.axes:  # one row, whatever the index says
            has_samples = SAMPLE_AXIS in index.axes
            return self.operation(ADD, [table, self.operation(MUL, [0.0, index])]) if has_samples else table
        number = self.own_text(index)
        if not index.integer:
            number = self.as_integer(number, not index.axes)
        table = plain_view(self.number_text(table), table.axes)
        columns = [axis for axis in table.axes if axis != rows]
        if not {*columns} & {*index.axes}:
            return plain_view(self.rows_text(table.text([rows, *columns]), number[0]), [*index.axes, *columns])
        order = sorted({*columns, *index.axes})
        own = index_text(table.text([*sorted(columns), rows]), _items_of_axes(columns, order))
        number = plain_view(number, index.axes).text(sorted(index.axes))
        number = index_text(number, [*_items_of_axes(index.axes, order), "None"])
        taken = f"{self.module}.take_along_axis({own[0]}, {number[0]}, axis=-1)"
        return plain_view((f"{taken}[..., 0]", ATOM), order)

    def rows_text(self, table: Text, number: str) -> Text:
        """The rows of these numbers."""
        return index_text(table, [number])

    def as_integer(self, text: Text, is_number: bool) -> Text:
        return (f"int({text[0]})" if is_number else f"{bracket(text)}.astype(int)"), ATOM

    # ---- results ----
    def output(self, output: Output) -> str:
        access, shape = output.access, output.shape
        if not isinstance(access, Access):
            value = ArrayText(self.notation.number(access)[0], ATOM, shape, (False,) * len(shape))
            return self.with_all_axes(value)[0] if shape else value.text
        value = self.value(access.block)
        if not (is_whole(access, shape) and value.shape == shape):
            value = self.read_value(access, shape)
        text, level = self.number_text(value)
        return self.with_all_axes(replace(value, text=text, level=level, boolean=False))[0]

    def read_value(self, access: Operand, shape: tuple[int, ...]) -> ArrayText:
        """Makes the value of what an access reads over a shape."""
        if not isinstance(access, Access):
            return ArrayText(*self.notation.number(access), shape, (False,) * len(shape))
        view = self.read(access, shape)
        text, level = view.text(sorted(view.axes))
        has = tuple([axis in view.axes for axis in range(len(shape))])
        return ArrayText(text, level, shape, has, SAMPLE_AXIS in view.axes, view.boolean, view.integer)

    def read_array(self, x: Operand, block: Block) -> ArrayText:
        """Makes an array of what is read over the shape of a block, with its samples."""
        return self.as_array(self.read_value(x, block.shape), block.shape, block.samples)

    def named_array(self, block: Block) -> ArrayText:
        """The array that has the name of a block, and all of its axes."""
        has = (True,) * len(block.shape)
        return ArrayText(self.plan.name(block), ATOM, block.shape, has, block.samples, integer=block.kind == "index")

    # ---- scatters ----
    def scatter(self, s: Scatter) -> None:
        """Writes the first part that covers all cells, or zeros, and then adds the other parts."""
        first, parts = split_scatter(s)
        if first and not parts:
            self.values[s.out] = self.expression(first)
            self.finish(s.out)
            return
        name = self.plan.name(s.out)
        value = self.named_array(s.out)
        if first:
            start = self.as_array(self.expression(first), s.out.shape, s.out.samples)
            self.line(f"{name} = {self.copy_text(start)}")
        else:
            self.line(f"{name} = {self.constant_array('0.0', value)}")
        for part in parts:
            self.add(part, value, s.out)
        self.values[s.out] = value

    def read_part(self, part: Part, steps: Sequence[AxisStep]) -> ArrayView:
        """Makes the view of what a part adds along these axes. It is summed over all others."""
        view, own = self.read(part.source, part.axes), {SAMPLE_AXIS, *[step.axis for step in steps]}
        missing = prod([n for axis, n in enumerate(part.axes) if axis not in {*own, *view.axes}])
        view = self.reduction(TOTAL, view, [axis for axis in view.axes if axis not in own])
        return self.operation(MUL, [float(missing), view]) if missing > 1 else view

    def add(self, part: Part, value: ArrayText, out: Block) -> None:
        """Adds a part to slices of an array, step by step where they overlap, or through a table of cells."""
        whole = (value.text, ATOM)
        steps = [] if part.target.index is not None else moving_steps(part.target, part.axes)
        if part.target.index is None:
            tries = [(whole, find_dimensions(value.shape, part.target.offset, steps))]
            tries += [(whole, find_dimensions(value.shape, part.target.offset, steps, shared=True))]
            for start, stop, shape in other_shapes(out.size, part.target.offset, steps):
                found = find_dimensions(shape, part.target.offset - start, steps)
                tries.append((self.reshape(whole, value, start, stop, shape), found))
            for base, found in tries:
                if found is not None:
                    self.add_to_slices(part, value, base, found)
                    return
        self.add_to_cells(part, value, out)

    def add_to_slices(self, part: Part, value: ArrayText, base: Text, dimensions: Sequence[Dimension]) -> None:
        steps = [step for d in dimensions for step in d.steps]
        view = self.read_part(part, steps)
        items, order, loops = [":"] * value.samples, [SAMPLE_AXIS] * value.samples, list[tuple[str, AxisStep]]()
        for d in dimensions:
            if not d.steps:
                items.append(str(d.start))
                continue
            *short, last = sorted(d.steps, key=lambda step: step.length)
            order.append(last.axis)
            if not short:
                items.append(slice_text(d.start, last.length, last.step, d.length))
                continue
            names = [(self.names.new("k"), step) for step in short]
            loops += names
            moved = " + ".join([name if step.step == 1 else f"{step.step} * {name}" for name, step in names])
            start, stop = d.start, d.start + last.step * (last.length - 1) + 1
            first = f"{moved} + {start}" if start else moved
            items.append(f"{first}:{moved} + {stop}" + f":{last.step}" * (last.step != 1))
        walked = [step.axis for _, step in loops if step.axis in view.axes]
        text = view.text([axis for axis in [*walked, *order] if axis in view.axes or axis in order])
        if walked and not text[0].isidentifier():
            name = self.names.new("c")
            self.line(f"{name} = {text[0]}")
            text = name, ATOM
        for name, step in loops:
            self.line(f"for {name} in range({step.length}):")
            self.depth += 1
        if walked:
            text = index_text(text, [name for name, step in loops if step.axis in walked])
        self.update(value, base, items, self.to_numbers(text, view.boolean))
        self.depth -= len(loops)

    def add_to_cells(self, part: Part, value: ArrayText, out: Block) -> None:
        import numpy as np

        table = cell_table(part.target, part.axes)
        own = [axis for axis in range(table.ndim) if table.shape[axis] > 1]
        view = self.read_part(part, [AxisStep(axis, part.axes[axis], 1) for axis in own])
        index = self.constants.name("INDEX", table.reshape([table.shape[axis] for axis in own]))
        order = [*[SAMPLE_AXIS] * value.samples, *own]
        text = self.to_numbers(view.text(order), view.boolean)
        base = self.reshape((value.text, ATOM), value, 0, out.size, (out.size,))
        repeated = len(np.unique(table)) < table.size
        if repeated and view.axes and len(view.axes) < len(order):  # np.add.at broadcasts wrongly
            text = f"{self.module}.broadcast_to({text[0]}, {self.shape_of_cells(index, value)})", ATOM
        self.update(value, base, [*[":"] * value.samples, index], text, repeated)

    def shape_of_cells(self, index: str, value: ArrayText) -> str:
        return f"({self.sample_count()}, *{index}.shape)" if value.samples else f"{index}.shape"

    def copy_text(self, value: ArrayText) -> str:
        """Writes an array that may be changed."""
        return value.text

    def update(self, value: ArrayText, base: Text, items: Sequence[str], text: Text, repeated: bool = False) -> None:
        """Adds numbers to items of an array. With `repeated` an item may be met more than once."""
        raise NotImplementedError
