"""Statements of array programs in matrix notation: what the box of a result says that it is, h0 = X W0ᵀ + b0.

Aᵀ is the transpose of A; A[…] are numbers from some of its cells. Which boxes there are is left to `_programs.py`, what
is called how, and what has a name at all, to `compiler/printers/plan.py`.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.printers.notation import ANY, ATOM, POWER, PRODUCT, SUM, Form, Names, Text
from tinygrad_edu.compiler.printers.plan import Plan
from tinygrad_edu.compiler.printers.views import SAMPLES, along, moving, shapes, simpler, slice_text
from tinygrad_edu.compiler.program import (
    COPY,
    EQUAL,
    MUL,
    TAKE,
    TOTAL,
    Access,
    Block,
    Operand,
    Program,
    Scatter,
    Statement,
)
from tinygrad_edu.rules import OPS

from ._formulas import number, written

DIV = OPS["div"]
_PRODUCT = Form("{} {}", PRODUCT, (POWER, POWER))
_EQUAL = Form("{} == {}", ANY, (SUM, SUM))
_OF_REDUCTIONS = {"total": "Σ", "largest": "max", "smallest": "min"}  # others are called by their name


def symbol(statement: Statement | Scatter) -> str:
    """The sign of what a statement does, as a box opens with it."""
    if isinstance(statement, Scatter):
        return "+="
    if _factors(statement):
        return "@"
    reduction = _reduction(statement)
    own = "" if statement.op is COPY and reduction else statement.op.symbol or statement.op.name
    return f"{reduction} {own}".strip()


def _reduction(statement: Statement) -> str:
    """What becomes of the numbers along the axes that are reduced; "" where none is, but by the operation itself."""
    if statement.reduced and statement.op is not TAKE:
        return _OF_REDUCTIONS.get(statement.reduce.name, statement.reduce.name)
    return "Σ" if statement.over_samples else ""


def _axes(statement: Statement) -> tuple[list[int], list[int]]:
    """The axes that are kept, and those that are reduced, that of samples among them."""
    first = len(statement.axes) - statement.reduced
    kept, reduced = [*range(first)], [*range(first, len(statement.axes))]
    return (kept, [SAMPLES, *reduced]) if statement.over_samples else ([SAMPLES, *kept], reduced)


def _factors(statement: Statement) -> list[tuple[Access, list[int]]]:
    """The two factors of the matrix product that a statement is, each with the order of its axes; [] if it is none."""
    kept, summed = _axes(statement)
    operands = [x for x in statement.operands if isinstance(x, Access)]
    if statement.op is not MUL or statement.reduce is not TOTAL or len(operands) != 2:
        return []
    a, b = operands
    of_a, of_b = (_moving(x) for x in operands)
    over = [axis for axis in summed if axis in of_a | of_b]
    if not over or not of_a & of_b >= {*over} or of_a == of_b:
        return []
    shared, rows, columns = ([axis for axis in kept if axis in of] for of in (of_a & of_b, of_a - of_b, of_b - of_a))
    if rows and columns and columns[0] < rows[0]:
        a, b, rows, columns = b, a, columns, rows
    return [(a, shared + rows + over), (b, shared + over + columns)]


def _moving(x: Access) -> set[int]:
    """The axes along which an access leads from cell to cell; along the others it repeats."""
    steps = x.strides if x.index is None else [length - 1 for length in x.index.shape]
    return {axis for axis, step in enumerate(steps) if step} | ({SAMPLES} if x.block.samples else set())


class Formulas:
    """The names of the blocks of a program, and what its statements compute.

    They are written in order: what `is_part` of another one stands in its formula, unless it has been taken before.
    """

    def __init__(self, program: Program) -> None:
        names = Names(())
        self.plan = Plan(program, names, arrays=True)
        self._new_name, self._of_data = names.new, dict[Block, str]()
        self._parts: dict[Block, Text] = {}  # the expressions of results that have no box yet
        self._products: set[Block] = set()

    def give_all_a_name(self) -> None:
        """So that nothing is part of anything else."""
        self.plan.inline.clear()

    def name(self, block: Block) -> str:
        if block.kind != "data":
            return self.plan.name(block)
        if block not in self._of_data:
            self._of_data[block] = self._new_name(block.name or "DATA")
        return self._of_data[block]

    def is_part(self, block: Block) -> bool:
        """Whether it stands in the expression of what reads it, and not in a line of its own."""
        return block in self.plan.inline

    def length(self, block: Block) -> int:
        """Of its expression, which has no name yet."""
        return len(self._parts[block][0])

    def take(self, block: Block) -> str:
        """The expression of a result, which has its name from now on."""
        return self._parts.pop(block)[0]

    def scattered(self, statement: Scatter) -> str:
        """What is added to which cells, in short."""
        return " + ".join([f"{self.name(part.source.block)} at […]" for part in statement.parts])

    def write(self, statement: Statement) -> None:
        """Writes the expression of its result."""
        op, factors, reduction = statement.op, _factors(statement), _reduction(statement)
        if factors:
            texts = [self._read(x, statement, order) for x, order in factors]
            self._products.add(statement.out)
            self._parts[statement.out] = _PRODUCT.filled(texts), PRODUCT
            return
        is_plain = op is COPY and reduction  # the shapes say which axes are left
        order = None if is_plain else [SAMPLES, *range(len(statement.axes))]
        xs = [self._read(x, statement, order) for x in statement.operands]
        if op in (MUL, DIV):  # X W·b is not what it seems
            are = [isinstance(x, Access) and x.block in self._products for x in statement.operands]
            xs = [
                (f"({text})", ATOM) if is_product and level == PRODUCT else (text, level)
                for (text, level), is_product in zip(xs, are)
            ]
        text = xs[0] if op is COPY else (_EQUAL.filled(xs), ANY) if op is EQUAL else written(op, xs)
        self._parts[statement.out] = (f"{reduction}({text[0]})", ATOM) if reduction else text

    def _read(self, x: Operand, statement: Statement, order: Sequence[int] | None) -> Text:
        """What an operand is, to one who goes through the axes in this order; None is any."""
        if not isinstance(x, Access):
            return number(x)
        text, level = self._parts.get(x.block) or (self.name(x.block), ATOM)
        items, axes = _view(simpler(x, statement.axes), statement.axes)
        own = [SAMPLES] * x.block.samples + axes
        is_turned = order is not None and own != [axis for axis in order if axis in own]
        if suffix := f"[{items}]" * bool(items) + "ᵀ" * is_turned:
            text, level = (text if level == ATOM else f"({text})") + suffix, ATOM
        return (text, level) if x.mask is None else (f"where(mask, {text}, {number(x.fill)[0]})", ATOM)


def _view(access: Access, axes: Sequence[int]) -> tuple[str, list[int]]:
    """How the array is indexed, "" for all of it, and the axes that walk along its dimensions, the outermost first."""
    block, steps = access.block, moving(access, axes)
    if access.index is None:
        dimensions = along(block.shape, access.offset, steps)
        if dimensions is None:  # as another shape of it, maybe
            others = [
                along(shape, access.offset, steps)
                for start, end, shape in shapes(block.size, access.offset, steps)
                if end - start == block.size
            ]
            dimensions = next((found for found in others if found and all(d.is_whole for d in found)), None)
        if dimensions is not None:
            items = [
                slice_text(d.start, d.steps[0].length, d.steps[0].step, d.length) if d.steps else str(d.start)
                for d in dimensions
            ]
            walked = [step.axis for d in dimensions for step in d.steps]
            if all(d.is_whole for d in dimensions if d.length > 1):
                return "", walked
            while items[-1] == ":":
                items.pop()
            return ", ".join(items), walked
    return "…", sorted([step.axis for step in steps])
