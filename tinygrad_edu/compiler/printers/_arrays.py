"""Array programs as functions on arrays: what NumPy's and JAX's texts have in common.

An array has an axis for each axis of its block, but for those along which all is the same: broadcasting adds them where
they are needed. With samples it has one for these, too, in front. Products are written as `@` where they can be.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

from tinygrad_edu.compiler.program import (
    ADD,
    COPY,
    EQUAL,
    MUL,
    ONE,
    TAKE,
    TOTAL,
    Access,
    Any_Statement,
    Block,
    Loop,
    Operand,
    Part,
    Program,
    Scatter,
    Statement,
)
from tinygrad_edu.ops import DETACH
from tinygrad_edu.rules import OPS, Op

from .notation import ATOM, PRODUCT, SIGN, WIDTH, Form, Names, Notation, Text, call, identifier, listed
from .parts import Source, parts_of
from .plan import Expansions, Plan, is_whole
from .views import (
    SAMPLES,
    Dimension,
    Step,
    along,
    cells,
    covers,
    forwards,
    letters,
    moving,
    shapes,
    simpler,
    slice_text,
)

Array = Any  # of NumPy
STEP = OPS["step"]
LONGEST = 88  # characters that an expression may have before a part of it gets a line and a name
MATMUL = Form("{} @ {}", PRODUCT, (PRODUCT, SIGN))


@dataclass(frozen=True)
class Value:
    """What stands for a block: an expression, and of each factor of its shape whether the array has an axis for it."""

    text: str
    level: int
    shape: tuple[int, ...]
    has: tuple[bool, ...]
    samples: bool = False
    boolean: bool = False
    integer: bool = False

    @property
    def items(self) -> list[str]:
        """How to index it for the axes it does not have."""
        return [*[":"] * self.samples, *[":" if has else "None" for has in self.has]]


@dataclass(frozen=True)
class View:
    """An array that an access reads: a base, and for each of its dimensions a slice along an axis, or one cell."""

    base: Text
    items: tuple[tuple[int | None, str], ...]
    boolean: bool = False
    integer: bool = False

    @property
    def axes(self) -> list[int]:
        return [axis for axis, _ in self.items if axis is not None]

    def text(self, order: list[int]) -> Text:
        """Written with the axes in an order; None stands for those of it that the array does not have."""
        own = [axis for axis in order if axis in self.axes]
        order = order[order.index(own[0]) :] if own else own  # broadcasting adds axes in front
        if own == self.axes:
            return indexed(self.base, self._with_new_axes(order))
        text, level = indexed(self.base, [item for _, item in self.items])
        text = bracketed((text, level))
        if len(own) == 2:
            text += ".T"
        else:
            text += f".transpose({', '.join([str(self.axes.index(axis)) for axis in own])})"
        return indexed((text, ATOM), _new_axes(own, order))

    def _with_new_axes(self, order: Sequence[int]) -> list[str]:
        """The items, None among them before the axis it comes before."""
        items: list[str] = []
        rest = list(order)
        for axis, item in self.items:
            if axis is not None:
                while rest.pop(0) != axis:
                    items.append("None")
            items.append(item)
        return [*items, *["None"] * len(rest)]


def _new_axes(own: Sequence[int], order: Sequence[int]) -> list[str]:
    return [":" if axis in own else "None" for axis in order]


def indexed(base: Text, items: Iterable[str]) -> Text:
    items = list(items)
    while items and items[-1] == ":":
        items.pop()
    return (f"{bracketed(base)}[{', '.join(items)}]", ATOM) if items else base


def bracketed(text: Text) -> str:
    return text[0] if text[1] == ATOM else f"({text[0]})"


def _plain_view(text: Text, axes: Iterable[int], boolean: bool = False) -> View:
    """An array with these axes."""
    return View(text, tuple([(axis, ":") for axis in axes]), boolean)


def item(dimension: Dimension) -> tuple[int | None, str]:
    """How a dimension is sliced, and the axis that walks along it."""
    if not dimension.steps:
        return None, str(dimension.start)
    ((axis, length, step),) = dimension.steps
    return axis, slice_text(dimension.start, length, step, dimension.length)


def _numbers(block: Block) -> Array:
    import numpy as np

    return np.asarray(block.data, float).reshape(block.shape)


class Writer:
    """Writes one function; a subclass says how its language puts the parts."""

    notation: ClassVar[Notation]
    module: ClassVar[str]  # of arrays

    def __init__(self, program: Program, names: Names, functions: dict[tuple[Op, int], str]) -> None:
        self.program, self.names, self.functions = program, names, functions
        self.plan = Plan(program, names, arrays=True)
        self.values: dict[Block, Value] = {}
        self.pending: set[Block] = set()  # their expressions have no name yet
        self.lines: list[str] = []
        self.depth = 0
        self.used: set[str] = set()
        self.constants: dict[str, Array] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        for leaf in (*program.inputs, *program.parameters):
            has = (True,) * len(leaf.shape)
            integer = leaf.kind == "index"
            self.values[leaf] = Value(self.plan.name(leaf), ATOM, leaf.shape, has, leaf.samples, integer=integer)
        self.samples = next((leaf for leaf in program.inputs + program.parameters if leaf.samples), None)
        self.states: set[str] = set()  # names that a loop assigns anew in each turn
        self.count = ""  # the name of the number of samples, where it is used

    # ---- a function ----
    def function(self, name: str) -> str:
        self.body(self.program.statements)
        results = [self.output(o.access, o.shape) for o in self.program.outputs]
        result = f"return {', '.join(results)}"
        if len(result) > WIDTH:
            result = listed("return (", results, ")")
        for line in result.split("\n"):
            self.line(line)
        if self.count and self.samples:
            self.lines.insert(0, f"    {self.count} = len({self.plan.name(self.samples)})")
        leaves = [self.plan.name(leaf) for leaf in (*self.program.inputs, *self.program.parameters)]
        return "\n".join([listed(f"def {name}(", leaves, "):"), *self.lines])

    def line(self, text: str) -> None:
        self.lines.append("    " * (self.depth + 1) + text)

    def n(self) -> str:
        self.count = self.count or self.names.new("n")
        return self.count

    def body(self, statements: Sequence[Any_Statement]) -> None:
        for s in statements:
            if isinstance(s, Loop):
                self.loop(s)
            elif isinstance(s, Scatter):
                self.scatter(s)
            else:
                self.statement(s)

    def statement(self, s: Statement) -> None:
        blocks = {a.block for a in s.accesses} & self.pending
        while blocks and sum([len(self.values[b].text) for b in blocks]) > LONGEST - 12:
            longest = max(blocks, key=lambda b: len(self.values[b].text))
            blocks.remove(longest)
            self.assign(longest)
        self.values[s.out] = self.expression(s)
        self.pending.difference_update(blocks)
        self.pending.add(s.out)
        if s.out not in self.plan.inline and not self.is_name(s.out):
            self.assign(s.out)

    def is_name(self, block: Block) -> bool:
        """Whether it is but another name for something that keeps its own."""
        return self.values[block].text.isidentifier() and self.values[block].text not in self.states

    def assign(self, block: Block) -> None:
        """Gives what stands for a block a line and a name."""
        name, value = self.plan.name(block), self.values[block]
        if name in self.states:
            value = self.filled(value, block.shape, block.samples)
        self.line(f"{name} = {value.text}")
        self.values[block] = replace(value, text=name, level=ATOM)
        self.pending.discard(block)

    # ---- reading ----
    def value(self, block: Block) -> Value:
        if block not in self.values:  # data
            assert block.data is not None, f"block {block.name!r} is read before it is written"
            if block.size == 1:
                text, level = self.notation.number(float(_numbers(block).item()))
                self.values[block] = Value(text, level, block.shape, (False,) * len(block.shape))
                return self.values[block]
            name = self.constant(identifier(block.name, "data").upper(), _numbers(block))
            self.values[block] = Value(name, ATOM, block.shape, (True,) * len(block.shape))
        return self.values[block]

    def constant(self, wish: str, x: Array) -> str:
        """The name of a constant, written once however often it is used."""
        key = (x.shape, x.dtype.str, x.tobytes())
        if key not in self._known:
            self._known[key] = self.names.new(wish)
            self.constants[self._known[key]] = x
        return self._known[key]

    def view(self, access: Access, axes: Sequence[int]) -> View:
        """What an access reads, along the axes of a statement; a mask is left to `read`."""
        access, value = simpler(access, axes), self.value(access.block)
        base, front = (value.text, value.level), ((SAMPLES, ":"),) * value.samples
        if access.index is not None:
            return self.gathered(value, cells(access, axes))
        steps = moving(access, axes)
        found = along(value.shape, access.offset, steps)
        if found is not None:
            items = [item(d) for d, has in zip(found, value.has) if has]
            return View(base, (*front, *items), value.boolean, value.integer)
        base = self.full(value)
        for start, stop, shape in shapes(access.block.size, access.offset, steps):
            found = along(shape, access.offset - start, steps)
            if found is not None:
                base = self.reshaped(base, value, start, stop, shape)
                return View(base, (*front, *map(item, found)), value.boolean, value.integer)
        return self.windows(value, access, steps) or self.gathered(value, cells(access, axes))

    def windows(self, value: Value, access: Access, steps: Sequence[Step]) -> View | None:
        """As overlapping parts of dimensions, where the language has these."""
        return None

    def gathered(self, value: Value, table: Array) -> View:
        """By a table of cells, or of rows where these are read as a whole."""
        import numpy as np

        base, shape = self.full(value), [n for n in value.shape if n > 1]
        front = ((SAMPLES, ":"),) * value.samples
        columns = [axis for axis in range(table.ndim) if table.shape[axis] > 1]
        if len(shape) > 1 and columns:
            last, width = columns[-1], shape[-1]
            first = np.take(table, [0], axis=last)
            along_last = np.arange(width).reshape([-1 if a == last else 1 for a in range(table.ndim)])
            if table.shape[last] == width and not (first % width).any() and (table == first + along_last).all():
                base = self.reshaped(base, value, 0, prod(shape), (prod(shape) // width, width))
                columns.pop()
                index = self.constant("ROWS", (first // width).reshape([table.shape[a] for a in columns]))
                text = f"{bracketed(base)}[{':, ' * value.samples}{index}]"
                return View((text, ATOM), (*front, *[(a, ":") for a in [*columns, last]]), value.boolean, value.integer)
        base = self.reshaped(base, value, 0, prod(shape), (prod(shape),))
        index = self.constant("INDEX", table.reshape([table.shape[a] for a in columns]))
        text = f"{bracketed(base)}[{':, ' * value.samples}{index}]"
        return View((text, ATOM), (*front, *[(a, ":") for a in columns]), value.boolean, value.integer)

    def reshaped(self, base: Text, value: Value, start: int, stop: int, shape: Sequence[int]) -> Text:
        """An array of all axes of a value in another shape, or a part of it."""
        front, samples = (":",) * value.samples, ("-1",) * value.samples
        if (start, stop) != (0, prod(value.shape)):
            base = self.reshaped(base, value, 0, prod(value.shape), (prod(value.shape),))
            base = indexed(base, [*front, slice_text(start, stop - start, 1, prod(value.shape))])
        elif tuple(shape) == value.shape:
            return base
        elif not shape:
            return indexed(base, [*front, *["0"] * len(value.shape)])
        if (start, stop) != (0, prod(value.shape)) and len(shape) == 1:
            return base
        if len(shape) == 1 and not value.samples:
            return f"{bracketed(base)}.ravel()", ATOM
        return f"{bracketed(base)}.reshape({', '.join([*samples, *map(str, shape)])})", ATOM

    def full(self, value: Value) -> Text:
        """A value with all axes of its shape."""
        if all(value.has) or (any(value.has) and all(has or n == 1 for n, has in zip(value.shape, value.has))):
            return indexed((value.text, value.level), value.items)
        shape = self.shape(value)
        if not value.samples and not any(value.has):
            text = self.numbers(value)[0]
            if set(value.shape) == {1}:
                rank = len(value.shape)
                return f"{self.module}.array({'[' * rank}{text}{']' * rank})", ATOM
            return self.constant_array(text, value), ATOM
        text, _ = indexed((value.text, value.level), value.items)
        return f"{self.module}.broadcast_to({text}, {shape})", ATOM

    def filled(self, value: Value, shape: tuple[int, ...], samples: bool) -> Value:
        """A value as an array with all axes of a shape of as many numbers, and with the samples."""
        text, level = self.as_numbers((value.text, value.level), value.boolean or value.integer)
        value = replace(value, text=text, level=level, boolean=False, integer=False)
        result = Value(text, level, shape, (True,) * len(shape), samples)
        if any(value.has) or value.samples:
            text, level = self.reshaped(self.full(value), value, 0, prod(shape), shape)
            if samples and not value.samples:
                text, level = f"{self.module}.broadcast_to({text}, {self.shape(result)})", ATOM
        elif samples:
            text, level = self.constant_array(text, result), ATOM
        elif shape:
            text, level = self.full(replace(result, has=(False,) * len(shape)))
        return replace(result, text=text, level=level)

    def constant_array(self, number: str, value: Value) -> str:
        if number in ("0.0", "0"):
            return f"{self.module}.zeros({self.shape(value)})"
        if number in ("1.0", "1"):
            return f"{self.module}.ones({self.shape(value)})"
        return f"{self.module}.full({self.shape(value)}, {number})"

    def shape(self, value: Value) -> str:
        lengths = [*[self.n() for _ in range(value.samples)], *map(str, value.shape)]
        return lengths[0] if len(lengths) == 1 else f"({', '.join(lengths)})"

    def numbers(self, x: Value | View) -> Text:
        """The text of a value or view without new axes, as numbers where it is of truth values."""
        text = (x.text, x.level) if isinstance(x, Value) else x.text(x.axes)
        return self.as_numbers(text, x.boolean)

    def as_numbers(self, text: Text, boolean: bool) -> Text:
        return (f"{text[0] if text[1] >= PRODUCT else f'({text[0]})'} * 1.0", PRODUCT) if boolean else text

    def read(self, access: Access, axes: Sequence[int]) -> View:
        """What an access reads, with its number where a mask is False."""
        view = self.view(access, axes)
        if access.mask is None or access.mask.all():
            return view
        import numpy as np

        mask = np.asarray(access.mask, bool)
        mask = mask.reshape((1,) * (len(axes) - mask.ndim) + mask.shape)
        own = [a for a in range(len(axes)) if mask.shape[a] > 1]
        if not own:
            fill = self.notation.number(access.fill)
            if SAMPLES not in view.axes:
                return View(fill, ())
            return _plain_view((self.constant_array(fill[0], Value("", ATOM, (), (), samples=True)), ATOM), [SAMPLES])
        name = self.constant("MASK", mask.reshape([mask.shape[a] for a in own]))
        order = sorted({*view.axes, *own})
        condition = View((name, ATOM), tuple([(a, ":") for a in own])).text(order)[0]
        return _plain_view(self.where(condition, view.text(order)[0], access.fill), order)

    def where(self, condition: str, text: str, fill: float) -> Text:
        return f"{self.module}.where({condition}, {text}, {self.notation.number(fill)[0]})", ATOM

    # ---- expressions ----
    def expression(self, s: Statement) -> Value:
        """What a statement computes."""
        if s.op is ONE and s.over_samples:  # how many there are
            view = View((f"len({self.numbers(self.value(s.accesses[0].block))[0]})", ATOM), ())
        elif s.op is TAKE:
            view = self.taken(s)
        elif s.op is MUL and s.reduce is TOTAL and (s.reduced or s.over_samples) and len(s.accesses) == 2:
            view = self.product(s)
        else:
            view = self.elementwise(s)
        kept = s.axes[: len(s.axes) - s.reduced]
        order = sorted(view.axes)
        text, level = view.text(order)
        has = tuple([a in order for a in range(len(kept))])
        value = Value(text, level, kept, has, SAMPLES in order, view.boolean, view.integer)
        return self.filled(value, kept, True) if s.out.samples and not value.samples else value

    def elementwise(self, s: Statement) -> View:
        views = [self.read(x, s.axes) if isinstance(x, Access) else x for x in s.operands]
        return self.reduced(s, self.operation(s.op, views))

    def operation(self, op: Op, xs: Sequence[View | float]) -> View:
        """An operation on arrays, along all the axes that any of them has."""
        order = sorted({axis for x in xs if isinstance(x, View) for axis in x.axes})
        if op is COPY or op is DETACH:
            (x,) = xs
            return x if isinstance(x, View) else View(self.notation.number(x), ())
        if op is ONE:
            return View(self.notation.number(1.0), ())
        booleans = [isinstance(x, View) and x.boolean for x in xs]
        alone = True in booleans or not any(isinstance(x, View) for x in xs)
        if op is MUL and booleans.count(True) == 1:
            booleans = [False] * len(xs)  # numbers times truth values are numbers
        if op.name == "where":
            booleans[0] = False
        texts = [
            self.as_numbers(x.text(order), boolean) if isinstance(x, View) else self.number(x, alone)
            for x, boolean in zip(xs, booleans)
        ]
        if op.name == "where" and isinstance(xs[0], View) and xs[0].boolean:
            return _plain_view((f"{self.module}.where({', '.join([text for text, _ in texts])})", ATOM), order)
        form = self.form(op, len(xs))
        text = form.filled(texts, self.notation.parameters(op)), form.level
        return _plain_view(text, order, boolean=op is STEP or op is EQUAL)

    def number(self, x: float, alone: bool) -> Text:
        """A plain number; beside arrays, a whole one is written as people do."""
        if not alone and abs(x) < 1e6 and repr(float(x)) == f"{int(x)}.0":
            return str(int(x)), SIGN if x < 0 else ATOM
        return self.notation.number(x)

    def form(self, op: Op, arity: int) -> Form:
        self.used.add(op.name)
        if (op, arity) in self.functions:
            return call(self.functions[op, arity], arity)
        form = self.notation.form(op)
        assert form is not None, op
        return form

    def reduced(self, s: Statement, view: View) -> View:
        """Over the axes that a statement reduces, and over the samples."""
        kept = len(s.axes) - s.reduced
        over = [a for a in view.axes if a >= kept]
        missing = prod([n for a, n in enumerate(s.axes) if a >= kept and a not in over])
        if s.over_samples and s.reduce is TOTAL:
            over = [SAMPLES, *over]
        view = self.reduction(s.reduce, view, over)
        if missing > 1 and s.reduce is TOTAL:
            view = self.operation(MUL, [float(missing), view])
        elif missing > 1 and s.reduce.name == "logsumexp":
            view = self.operation(ADD, [view, math.log(missing)])
        if s.over_samples and s.reduce is not TOTAL:
            view = self.reduction(TOTAL, view, [SAMPLES])
        return view

    def reduction(self, op: Op, view: View, over: Sequence[int]) -> View:
        if not over:
            return view
        counted = view.boolean and op is TOTAL
        text = self.own(view) if counted else self.numbers(view)
        places = [view.axes.index(axis) for axis in over]
        axes = [axis for axis in view.axes if axis not in over]
        text = self.reduction_text(op, text, sorted(places), len(view.axes))
        if counted:
            text = f"{text[0][:-1]}{'' if text[0].endswith('()') else ', '}dtype=float)", ATOM
        return _plain_view(text, axes)

    def reduction_text(self, op: Op, text: Text, places: Sequence[int], rank: int) -> Text:
        axis = "" if len(places) == rank else f"axis={places[0] if len(places) == 1 else tuple(places)}"
        method = {"total": "sum", "largest": "max", "smallest": "min"}[op.name]
        return f"{bracketed(text)}.{method}({axis})", ATOM

    # ---- products ----
    def product(self, s: Statement) -> View:
        """Σ a·b: over what both have, a matrix product; what only one of them has is summed before."""
        a, b = [self.read(x, s.axes) for x in s.accesses]
        kept = len(s.axes) - s.reduced
        over = {*range(kept, len(s.axes)), *([SAMPLES] if s.over_samples else [])}
        missing = prod([n for axis, n in enumerate(s.axes) if axis in over - {*a.axes, *b.axes}])
        both = [axis for axis in a.axes if axis in over and axis in b.axes]
        a, b = [
            self.reduction(TOTAL, x, [axis for axis in x.axes if axis in over and axis not in both]) for x in (a, b)
        ]
        view = self.contraction(a, b, sorted(both)) if both else self.operation(MUL, [a, b])
        return self.operation(MUL, [float(missing), view]) if missing > 1 else view

    def contraction(self, a: View, b: View, over: Sequence[int]) -> View:
        """The sum over axes that both have of the products."""
        if a.boolean and b.boolean:
            a = _plain_view(self.numbers(a), a.axes)
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
            text = self.matmul(left.text(orders[0]), right.text(orders[1]))
            return _plain_view(text, axes)
        if not batch and kept:
            left_axes, right_axes = ([axis for axis in x.axes if axis not in over] for x in (a, b))
            places = [[x.axes.index(axis) for axis in over] for x in (a, b)]
            text = self.tensordot(self.own(a), self.own(b), places, len(a.axes))
            return _plain_view(text, [*left_axes, *right_axes])
        if not kept:
            return _plain_view(self.vdot(a.text([*over]), b.text([*over])), [])
        return _plain_view(self.einsum(self.own(a), self.own(b), a.axes, b.axes, kept), kept)

    def own(self, x: View) -> Text:
        return x.text(x.axes)

    def matmul(self, left: Text, right: Text) -> Text:
        return MATMUL.filled([left, right]), MATMUL.level

    def vdot(self, a: Text, b: Text) -> Text:
        return f"{self.module}.vdot({a[0]}, {b[0]})", ATOM

    def tensordot(self, a: Text, b: Text, places: Sequence[list[int]], rank: int) -> Text:
        n = len(places[0])
        last_and_first = places[0] == [*range(rank - n, rank)] and places[1] == [*range(n)]
        return f"{self.module}.tensordot({a[0]}, {b[0]}, {n if last_and_first else tuple(places)})", ATOM

    def einsum(self, a: Text, b: Text, left: Sequence[int], right: Sequence[int], kept: Sequence[int]) -> Text:
        return f'{self.module}.einsum("{letters(left)},{letters(right)}->{letters(kept)}", {a[0]}, {b[0]})', ATOM

    def taken(self, s: Statement) -> View:
        """Rows of a table, by an index."""
        rows = len(s.axes) - 1
        table, index = [self.read(x, s.axes) for x in s.accesses]
        if s.over_samples:
            return self.reduction(TOTAL, self.taken(replace(s, over_samples=False)), [SAMPLES])
        if rows not in table.axes:  # one row, whatever the index says
            return self.operation(ADD, [table, self.operation(MUL, [0.0, index])]) if SAMPLES in index.axes else table
        number = self.own(index)
        if not index.integer:
            number = self.as_integer(number, not index.axes)
        table = _plain_view(self.numbers(table), table.axes)
        columns = [axis for axis in table.axes if axis != rows]
        if not {*columns} & {*index.axes}:
            return _plain_view(indexed(table.text([rows, *columns]), [number[0]]), [*index.axes, *columns])
        order = sorted({*columns, *index.axes})
        own = indexed(table.text([*sorted(columns), rows]), _new_axes(columns, order))
        number = _plain_view(number, index.axes).text(sorted(index.axes))
        number = indexed(number, [*_new_axes(index.axes, order), "None"])
        taken = f"{self.module}.take_along_axis({own[0]}, {number[0]}, axis=-1)"
        return _plain_view((f"{taken}[..., 0]", ATOM), order)

    def as_integer(self, text: Text, is_number: bool) -> Text:
        return (f"int({text[0]})" if is_number else f"{bracketed(text)}.astype(int)"), ATOM

    # ---- results ----
    def output(self, access: Operand, shape: tuple[int, ...]) -> str:
        if not isinstance(access, Access):
            value = Value(self.notation.number(access)[0], ATOM, shape, (False,) * len(shape))
            return self.full(value)[0] if shape else value.text
        value = self.value(access.block)
        if not (is_whole(access, shape) and value.shape == shape):
            value = self.seen(access, shape)
        text, level = self.numbers(value)
        return self.full(replace(value, text=text, level=level, boolean=False))[0]

    def seen(self, access: Operand, shape: tuple[int, ...]) -> Value:
        """What is read over a shape, as a value."""
        if not isinstance(access, Access):
            return Value(*self.notation.number(access), shape, (False,) * len(shape))
        view = self.read(access, shape)
        text, level = view.text(sorted(view.axes))
        has = tuple([axis in view.axes for axis in range(len(shape))])
        return Value(text, level, shape, has, SAMPLES in view.axes, view.boolean, view.integer)

    # ---- scatters ----
    def scatter(self, s: Scatter) -> None:
        """Zeros, to which the parts are added; a part that covers all comes first, and needs none."""
        parts = sorted(map(forwards, s.parts), key=lambda part: not covers(part, s.out))
        first = self.covering(parts[0], s.out) if parts and covers(parts[0], s.out) else None
        if first and len(parts) == 1:
            self.values[s.out] = first
            if not self.is_name(s.out):
                self.assign(s.out)
            return
        name = self.plan.name(s.out)
        value = Value(name, ATOM, s.out.shape, (True,) * len(s.out.shape), s.out.samples)
        if first:
            self.line(f"{name} = {self.copied(self.filled(first, s.out.shape, s.out.samples))}")
        else:
            self.line(f"{name} = {self.constant_array('0.0', value)}")
        for part in parts[1:] if first else parts:
            self.add(part, value, s.out)
        self.values[s.out] = value

    def covering(self, part: Part, out: Block) -> Value:
        """A part that covers a block, with its axes in the order in which they walk through it."""
        steps = sorted(moving(part.target, part.axes), key=lambda step: -step.step)
        view, order = self.source(part, steps), [step.axis for step in steps]
        text, level = view.text([axis for axis in [SAMPLES, *order] if axis in view.axes])
        has = tuple([axis in view.axes for axis in order])
        return Value(text, level, tuple([n for _, n, _ in steps]), has, SAMPLES in view.axes, view.boolean)

    def source(self, part: Part, steps: Sequence[Step]) -> View:
        """What a part adds along these axes; along all others it is summed, as they lead nowhere else."""
        view, own = self.read(part.source, part.axes), {SAMPLES, *[step.axis for step in steps]}
        missing = prod([n for axis, n in enumerate(part.axes) if axis not in {*own, *view.axes}])
        view = self.reduction(TOTAL, view, [axis for axis in view.axes if axis not in own])
        return self.operation(MUL, [float(missing), view]) if missing > 1 else view

    def add(self, part: Part, value: Value, out: Block) -> None:
        """Adds a part to an array: to slices of it, where axes overlap step by step, or by a table of cells."""
        whole = (value.text, ATOM)
        steps = [] if part.target.index is not None else moving(part.target, part.axes)
        if part.target.index is None:
            tries = [(whole, along(value.shape, part.target.offset, steps))]
            tries += [(whole, along(value.shape, part.target.offset, steps, shared=True))]
            for start, stop, shape in shapes(out.size, part.target.offset, steps):
                found = along(shape, part.target.offset - start, steps)
                tries.append((self.reshaped(whole, value, start, stop, shape), found))
            for base, found in tries:
                if found is not None:
                    self.add_to_slices(part, value, base, found)
                    return
        self.add_to_cells(part, value, out)

    def add_to_slices(self, part: Part, value: Value, base: Text, dimensions: Sequence[Dimension]) -> None:
        steps = [step for d in dimensions for step in d.steps]
        view = self.source(part, steps)
        items, order, loops = [":"] * value.samples, [SAMPLES] * value.samples, list[tuple[str, Step]]()
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
            text = indexed(text, [name for name, step in loops if step.axis in walked])
        self.update(value, base, items, self.as_numbers(text, view.boolean))
        self.depth -= len(loops)

    def add_to_cells(self, part: Part, value: Value, out: Block) -> None:
        import numpy as np

        table = cells(part.target, part.axes)
        own = [axis for axis in range(table.ndim) if table.shape[axis] > 1]
        view = self.source(part, [Step(axis, part.axes[axis], 1) for axis in own])
        index = self.constant("INDEX", table.reshape([table.shape[axis] for axis in own]))
        order = [*[SAMPLES] * value.samples, *own]
        text = self.as_numbers(view.text(order), view.boolean)
        base = self.reshaped((value.text, ATOM), value, 0, out.size, (out.size,))
        repeated = len(np.unique(table)) < table.size
        if repeated and view.axes and len(view.axes) < len(order):  # np.add.at broadcasts wrongly
            text = f"{self.module}.broadcast_to({text[0]}, {self.shape_of_cells(index, value)})", ATOM
        self.update(value, base, [*[":"] * value.samples, index], text, repeated)

    def shape_of_cells(self, index: str, value: Value) -> str:
        return f"({self.n()}, *{index}.shape)" if value.samples else f"{index}.shape"

    def copied(self, value: Value) -> str:
        """An array that may be changed."""
        return value.text

    def update(self, value: Value, base: Text, items: Sequence[str], text: Text, repeated: bool = False) -> None:
        """Adds to the items of an array, or of what it is in another shape; some may be met more than once."""
        raise NotImplementedError

    def loop(self, loop: Loop) -> None:
        raise NotImplementedError


def source_of(program: Program, writer: type[Writer], imports: Callable[[Writer], list[str]]) -> Source:
    """A program, after what it imports and needs."""
    source, main = parts_of(program, writer, Expansions(writer.notation, products=True))
    native = [helper for key, helper in writer.notation.helpers.items() if key in main.used]
    return replace(source, imports=imports(main), helpers=[*native, *source.helpers])
