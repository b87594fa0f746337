"""The listing of an array program, which `print` shows: what the numbers of a function were all along.

Each line names what it computes, with its shape and its formula, and says how many operations on numbers it stands for
and from which lines of the source they come. How formulas are made stands in `_formulas.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from tinygrad_edu.compiler.program import COPY, AnyStatement, Block, Loop, Origin, Program, Scatter, Statement
from tinygrad_edu.ops import DETACH
from tinygrad_edu.rules import ATOM, POWER, PRODUCT, SIGN, Op

from ._formulas import FormulaWriter
from ._formulas import Line as Line
from .notation import FORMS, LISTING, MATMUL, WIDTH, Form, Names, Text, bracket, call, infix

MOST_LINES = 110  # lines of a part of the table
PRODUCTS = infix("*", PRODUCT, PRODUCT, SIGN)


class Listing(FormulaWriter):
    """Writes formulas as they are printed."""

    notation, longest, dots = LISTING, 56, "…"

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        """How an operation is written."""
        return LISTING.form(op) or call(LISTING.function(op), arity + len(op.parameters))

    def at(self, name: str, items: Sequence[str]) -> str:
        """A cell, or a slice."""
        return f"{name}[{', '.join(items)}]" if items else name

    def flat(self, name: str) -> str:
        """All cells of an array in one line."""
        return f"flat({name})"

    def times(self, stride: int, position: Text) -> Text:
        """A position, multiplied by a stride."""
        return PRODUCTS.filled([(str(stride), ATOM), position]), PRODUCT

    def square(self, x: Text) -> Text:
        """x²."""
        return FORMS["power"].filled([x], [2]), POWER

    def transposed(self, x: Text) -> Text:
        """The transpose of a matrix."""
        return f"{bracket(x)}.T", ATOM

    def matmul(self, a: Text, b: Text) -> Text:
        """A product of two matrices, or of a matrix and a vector."""
        return MATMUL.filled([a, b]), PRODUCT

    def outer(self, a: Text, b: Text) -> Text:
        """The outer product of two vectors."""
        return f"outer({a[0]}, {b[0]})", ATOM

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        """The sum of all products of cells."""
        if a == b or is_matrix:
            product = self.square(a) if a == b else (PRODUCTS.filled([a, b]), PRODUCT)
            return f"sum({product[0]})", ATOM
        return self.matmul(a, b)

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        """A sum, or what else is made of many numbers."""
        return f"{LISTING.reduction(op)}{'_' * bool(letters)}{''.join(letters)}({x[0]})", ATOM

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        """A number where a condition is true, else another one."""
        return f"where({condition}, {x[0]}, {fill[0]})", ATOM

    def order(self, a: str, b: str, strictly: bool) -> str:
        """The condition a < b, or a ≤ b."""
        return f"{a} {'<' if strictly else '<='} {b}"

    def all_of(self, conditions: Sequence[str]) -> str:
        """The condition that all of these are true."""
        return " and ".join(conditions)


# ---- the table -------------------------------------------------------------------------------------------------------
@dataclass
class TableRow:
    """Texts in columns; one that has only a name is a heading, and one without anything is empty."""

    name: str = ""
    shape: str = ""
    formula: str = ""
    operations: str = ""
    lines: str = ""


def write_text(program: Program) -> str:
    """Writes the table: the leaves, the statements, those for the gradients, and what stayed scalar."""
    listing = Listing(program, Names(()))
    files = {line.rpartition(":")[0] for shown in listing.lines for part in shown.parts for line in part.origin.lines}
    file = files.pop() if len(files) == 1 else ""
    gradients = [line for line in listing.lines if line.is_gradient]
    rows = [*_leaf_rows(program, listing), TableRow(), TableRow(operations="operations", lines=file or "lines")]
    rows += _statement_rows([line for line in listing.lines if not line.is_gradient], file)
    if gradients:
        rows += [TableRow(), TableRow("gradients"), *_statement_rows(gradients, file)]
    results = listing.outputs()
    if not {*results} <= listing.defined_names():
        rows += [TableRow(), *map(TableRow, wrap(f"returns {', '.join(results)}", WIDTH, subsequent_indent="        "))]
    return "\n".join([_summarize(program, len(gradients) > 0), "", *_align_columns(rows), *_explain_scalars(program)])


def _leaf_rows(program: Program, listing: Listing) -> list[TableRow]:
    rows = []
    for leaf in program.leaves:
        name = listing.plan.name(leaf)
        what = "whole numbers" if leaf.kind == "index" else str(leaf.kind)
        rows.append(TableRow(name, shape_text(leaf), f"{what} {leaf.name}" if leaf.name != name else what))
    for name, table in listing.constants.arrays.items():
        what = {"b": "constant mask", "i": "constant indices"}.get(table.dtype.kind, "constant")
        rows.append(TableRow(name, shape_text(Block(name, table.shape)), what))
    return rows


def _statement_rows(lines: Sequence[Line], file: str) -> list[TableRow]:
    rows = [_statement_row(line, file) for line in lines]
    if len(rows) <= MOST_LINES:
        return rows
    left_out = len(rows) - MOST_LINES
    return [*rows[: MOST_LINES - 20], TableRow("…", "", f"{left_out:,} more lines"), *rows[-20:]]


def _statement_row(line: Line, file: str) -> TableRow:
    row = TableRow(f"for {line.left} = {line.right}:")
    if line.block:
        row = TableRow(line.left, shape_text(line.block), f"{'+=' if line.adds else '='} {line.right}")
    row.name = "  " * line.depth + row.name
    row.operations = f"{line.operations:,}" if line.operations else ""
    row.lines = _describe_lines([part.origin for part in line.parts], file)
    return row


def shape_text(block: Block) -> str:
    """The shape of a block as it is shown; nothing for a number, n for the number of samples."""
    sizes = [*["n"] * block.samples, *map(str, block.shape)]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})" if sizes else ""


def _describe_lines(origins: Sequence[Origin], known: str = "") -> str:
    """Lines of files, as models.py:86-88, 93. The name of the `known` file is left out."""
    files: dict[str, set[int]] = {}
    others: dict[str, None] = {}
    for line in [line for origin in origins for line in origin.lines]:
        file, _, number = line.rpartition(":")
        if file and number.isdecimal():
            files.setdefault(file, set()).add(int(number))
        else:
            others[line] = None
    texts = []
    for file, numbers in files.items():
        runs: list[tuple[int, int]] = []
        for i in sorted(numbers):
            runs = [*runs[:-1], (runs[-1][0], i)] if runs and runs[-1][1] == i - 1 else [*runs, (i, i)]
        lines = ", ".join([f"{first}-{last}" if first < last else f"{first}" for first, last in runs])
        texts.append(lines if file == known else f"{file}:{lines}")
    return "; ".join([*texts, *others])


def _align_columns(rows: Sequence[TableRow]) -> list[str]:
    """Writes the rows with their texts in columns. A long name takes from the column that follows."""
    table = [row for row in rows if row.formula]
    names = min(max([len(row.name) for row in table], default=0), 20)
    shapes = max([len(row.shape) for row in table], default=0)
    operations = max([len(row.operations) for row in rows])
    lines = min(max([len(row.lines) for row in rows]), 30)
    left = names + (shapes + 2 if shapes else 0) + 2  # where formulas begin
    width = min(left + max([len(row.formula) for row in table], default=0), WIDTH - operations - lines - 4)
    texts = []
    for row in rows:
        text = row.name
        if row.formula:
            text = f"{row.name:{names}}  {row.shape}".rstrip().ljust(left - 2) + "  "
            text += _cut(row.formula, width - len(text))
        texts.append(f"{text:{width}}  {row.operations:>{operations}}  {_cut(row.lines, lines)}".rstrip())
    return texts


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


# ---- in words --------------------------------------------------------------------------------------------------------
def _flatten_statements(statements: Sequence[AnyStatement]) -> Iterator[tuple[Statement | Scatter, bool]]:
    """All statements, those in loops too, each with whether it is in a loop."""
    for s in statements:
        if isinstance(s, Loop):
            yield from [(inner, True) for inner, _ in _flatten_statements(s.body)]
        else:
            yield s, False


def _summarize(program: Program, gradients: bool) -> str:
    """Says how many operations on numbers there were, and how many on arrays they are."""
    statements = [s for s, _ in _flatten_statements(program.statements)]
    operations = sum([s.origin.operations for s in program.statements])
    own = len([s for s in statements if s.origin.operations])
    text = f"{program.name}: {_count_of(operations, 'operation')} on numbers"
    if own < operations:
        text += f" are {own:,} on arrays"
    more = len(statements) - own
    return f"{text}, and {more:,} more for the gradients" if gradients and more else text


def _explain_scalars(program: Program) -> list[str]:
    """Says what stayed scalar, and why."""
    found: dict[bool, list[Origin]] = {False: [], True: []}
    for s, in_loop in _flatten_statements(program.statements):
        is_scalar = isinstance(s, Statement) and s.axes == () and not s.out.samples and s.op not in (COPY, DETACH)
        if is_scalar and s.origin.operations:
            found[in_loop].append(s.origin)
    texts = []
    for in_loop, origins in found.items():
        if origins:
            what = f"{_count_of(len(origins), 'operation')}{' of each turn' * in_loop} stayed scalar"
            partner = f"{'it has' if len(origins) == 1 else 'they have'} no partner of the same kind"
            sentence = f"{what} ({_describe_lines(origins)}): {partner}{' in the same turn' * in_loop}"
            texts += wrap(sentence, WIDTH, subsequent_indent="  ")
    return ["", *texts] if texts else []


def _count_of(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'s' * (n != 1)}"
