"""The listing of an array program, which `print` shows: what the numbers of a function were all along.

Each line names what it computes, with its shape and its formula, and says how many operations on numbers it stands for
and from which lines of the source they come. How formulas are made stands in `_formulas.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from textwrap import wrap

from tinygrad_edu.compiler.program import COPY, Any_Statement, Block, Loop, Origin, Program, Scatter, Statement
from tinygrad_edu.ops import DETACH
from tinygrad_edu.rules import Op

from ._formulas import Formulas, Line
from .notation import ARITHMETIC, ATOM, POWER, PRODUCT, SIGN, SUM, WIDTH, Form, Names, Notation, Text, call, infix

MOST = 110  # lines of a part of the table
CALLED = {"largest": "max", "smallest": "min", "total": "sum"}


def _number(x: float) -> Text:
    text = str(int(x)) if isfinite(x) and x == int(x) and abs(x) < 1e6 else f"{x:.6g}"
    return text, SIGN if text.startswith("-") else ATOM


LISTING = Notation(
    forms={
        **ARITHMETIC,
        "power": Form("{} ** {}", POWER, (ATOM,)),
        "pow": Form("{} ** {}", POWER, (ATOM, SIGN)),
        "equal": Form("({} == {})", ATOM, (SUM, SUM)),
    },
    number=_number,
)
MATMUL = infix("@", PRODUCT, PRODUCT, SIGN)


class Listing(Formulas):
    notation, longest = LISTING, 56

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        return LISTING.form(op) or call(CALLED.get(op.name, op.name), arity + len(op.parameters))

    def number(self, x: float) -> Text:
        return _number(x)

    def at(self, name: str, items: Sequence[str]) -> str:
        return f"{name}[{', '.join(items)}]" if items else name

    def flat(self, name: str) -> str:
        return f"flat({name})"

    def times(self, stride: int, place: Text) -> Text:
        return LISTING.forms["mul"].filled([(str(stride), ATOM), place]), PRODUCT

    def square(self, x: Text) -> Text:
        return LISTING.forms["power"].filled([x], [2]), POWER

    def transposed(self, x: Text) -> Text:
        return (f"{x[0]}.T" if x[1] == ATOM else f"({x[0]}).T"), ATOM

    def matmul(self, a: Text, b: Text) -> Text:
        return MATMUL.filled([a, b]), PRODUCT

    def outer(self, a: Text, b: Text) -> Text:
        return f"outer({a[0]}, {b[0]})", ATOM

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        if a == b or is_matrix:
            product = self.square(a) if a == b else (LISTING.forms["mul"].filled([a, b]), PRODUCT)
            return f"sum({product[0]})", ATOM
        return self.matmul(a, b)

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        name = CALLED.get(op.name, op.name)
        return f"{name}{'_' * bool(letters)}{''.join(letters)}({x[0]})", ATOM

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        return f"where({condition}, {x[0]}, {fill[0]})", ATOM

    def order(self, a: str, b: str, strictly: bool) -> str:
        return f"{a} {'<' if strictly else '<='} {b}"

    def all_of(self, conditions: Sequence[str]) -> str:
        return " and ".join(conditions)

    def turns(self, loop: Loop) -> str:
        turns = ["0", "1", "…", str(loop.turns - 1)] if loop.turns > 3 else [*map(str, range(loop.turns))]
        return ", ".join(turns[::-1] if loop.backwards else turns)


# ---- the table -------------------------------------------------------------------------------------------------------
@dataclass
class Row:
    """Texts in columns; one that has only a name is a heading, and one without anything is empty."""

    name: str = ""
    shape: str = ""
    formula: str = ""
    operations: str = ""
    lines: str = ""


def text(program: Program) -> str:
    """A table: the leaves, the statements, those for the gradients, and what stayed scalar."""
    listing = Listing(program, Names(()))
    files = {line.rpartition(":")[0] for shown in listing.lines for origin in shown.origins for line in origin.lines}
    file = files.pop() if len(files) == 1 else ""
    gradients = [line for line in listing.lines if line.is_gradient]
    rows = [*_leaves(program, listing), Row(), Row(operations="operations", lines=file or "lines")]
    rows += _rows([line for line in listing.lines if not line.is_gradient], file)
    if gradients:
        rows += [Row(), Row("gradients"), *_rows(gradients, file)]
    results = listing.outputs()
    if not {*results} <= listing.defined():
        rows += [Row(), *map(Row, wrap(f"returns {', '.join(results)}", WIDTH, subsequent_indent="        "))]
    return "\n".join([_summary(program, len(gradients) > 0), "", *_columns(rows), *_scalars(program)])


def _leaves(program: Program, listing: Listing) -> list[Row]:
    rows = []
    for leaf in (*program.inputs, *program.parameters):
        name = listing.plan.name(leaf)
        what = "whole numbers" if leaf.kind == "index" else str(leaf.kind)
        rows.append(Row(name, _shape(leaf), f"{what} {leaf.name}" if leaf.name != name else what))
    for name, table in listing.tables.items():
        what = {"b": "constant mask", "i": "constant indices"}.get(table.dtype.kind, "constant")
        rows.append(Row(name, _shape(Block(name, table.shape)), what))
    return rows


def _rows(lines: Sequence[Line], file: str) -> list[Row]:
    rows = [_row(line, file) for line in lines]
    if len(rows) <= MOST:
        return rows
    left_out = len(rows) - MOST
    return [*rows[: MOST - 20], Row("…", "", f"{left_out:,} more lines"), *rows[-20:]]


def _row(line: Line, file: str) -> Row:
    operations = sum([origin.operations for origin in line.origins])
    row = Row(f"for {line.left} = {line.right}:")
    if line.block:
        row = Row(line.left, _shape(line.block), f"{'+=' if line.adds else '='} {line.right}")
    row.name = "  " * line.depth + row.name
    row.operations = f"{operations:,}" if operations else ""
    row.lines = _places(line.origins, file)
    return row


def _shape(block: Block) -> str:
    """Of a number nothing is shown."""
    sizes = [*["n"] * block.samples, *map(str, block.shape)]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})" if sizes else ""


def _places(origins: Sequence[Origin], known: str = "") -> str:
    """Lines of files: models.py:86-88, 93; the name of a file that is known is left out."""
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


def _columns(rows: Sequence[Row]) -> list[str]:
    """The rows with their texts under one another; a long name takes from what follows."""
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
            text += _clipped(row.formula, width - len(text))
        texts.append(f"{text:{width}}  {row.operations:>{operations}}  {_clipped(row.lines, lines)}".rstrip())
    return texts


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


# ---- in words --------------------------------------------------------------------------------------------------------
def _all(statements: Sequence[Any_Statement]) -> Iterator[tuple[Statement | Scatter, bool]]:
    """All statements; and of each whether it is in a loop."""
    for s in statements:
        if isinstance(s, Loop):
            yield from [(inner, True) for inner, _ in _all(s.body)]
        else:
            yield s, False


def _summary(program: Program, gradients: bool) -> str:
    """How many operations there were, and how many are left."""
    statements = [s for s, _ in _all(program.statements)]
    operations = sum([s.origin.operations for s in program.statements])
    own = len([s for s in statements if s.origin.operations])
    text = f"{program.name}: {_count(operations, 'operation')} on numbers"
    if own < operations:
        text += f" are {own:,} on arrays"
    more = len(statements) - own
    return f"{text}, and {more:,} more for the gradients" if gradients and more else text


def _scalars(program: Program) -> list[str]:
    """What stayed scalar, and why."""
    found: dict[bool, list[Origin]] = {False: [], True: []}
    for s, in_loop in _all(program.statements):
        is_scalar = isinstance(s, Statement) and s.axes == () and not s.out.samples and s.op not in (COPY, DETACH)
        if is_scalar and s.origin.operations:
            found[in_loop].append(s.origin)
    texts = []
    for in_loop, origins in found.items():
        if origins:
            what = f"{_count(len(origins), 'operation')}{' of each turn' * in_loop} stayed scalar"
            partner = f"{'it has' if len(origins) == 1 else 'they have'} no partner of the same kind"
            sentence = f"{what} ({_places(origins)}): {partner}{' in the same turn' * in_loop}"
            texts += wrap(sentence, WIDTH, subsequent_indent="  ")
    return ["", *texts] if texts else []


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'s' * (n != 1)}"
