"""Pictures of array programs: blocks of numbers with their shapes, the statements that compute them, and loops.

A box is a block: one that comes from outside, or one that a statement writes, with its operation and its formula in
matrix notation (`_matrices.py`). What statements are stands in `compiler/program.py`, how boxes look in
`_appearance.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil

from tinygrad_edu.compiler.program import (
    Access,
    Any_Statement,
    Block,
    Loop,
    Operand,
    Program,
    Scatter,
    Statement,
    written,
)

from ._appearance import LOOKS, ROOT, Rankdir, add_legend, new_picture, number, short
from ._digraph import Digraph, escaped
from ._matrices import Formulas, symbol

MAX_BOXES = 40  # of statements, and of leaves, in a picture of more blocks than are shown one by one
LONGEST = 40  # characters of expressions that stand in another one; a formula may have twice as many
_LOOKS = {
    "input": LOOKS["leaf"],
    "parameter": LOOKS["parameter"],
    "data": LOOKS["constant"],
    "carried": LOOKS["leaf"] | {"style": "rounded,filled,dashed", "fillcolor": "#FFFFFF"},
    "statement": LOOKS["operation"],
    "gradient": LOOKS["operation"] | {"style": "filled,dashed", "fillcolor": "#E4E4E4", "color": "#777777"},
    "group": LOOKS["group"],
}
_LOOP = {"style": "rounded", "color": "#B0578D", "fontcolor": "#8A3F6C", "labeljust": "l", "margin": "10"}


@dataclass
class _Box:
    """A block in the picture: its kind, the symbol of its operation if it has one, and the lines written in it."""

    kind: str
    symbol: str
    lines: list[str]
    is_result: bool = False


@dataclass
class _Frame:
    """The picture itself, or a loop in it: what is drawn inside."""

    title: str = ""
    boxes: list[Block] = field(default_factory=list)
    loops: list["_Frame"] = field(default_factory=list)


class ProgramSheet:
    """A program on its way to DOT: its boxes, and the arrows between them.

    What has a line and a name in the program's text has a box here. What stands in the expression of another line is
    part of its box.
    """

    def __init__(self, program: Program, gradients: bool, max_nodes: int) -> None:
        self.boxes: dict[Block, _Box] = {}
        self.arrows: dict[tuple[Block, Block], bool] = {}  # False where it leads to the next turn of a loop
        self.outer = _Frame()
        self.formulas = Formulas(program)
        self._group_of: dict[Block, Block] = {}
        self._waiting: dict[Block, tuple[list[Statement], _Frame, str]] = {}  # for the box that they are a part of
        outputs = [o for o in program.outputs if gradients or o.leaf is None]
        forward = _behind(program, [o.access for o in program.outputs if o.leaf is None])
        statements = [(s, s in forward) for s in program.statements if gradients or s in forward]
        leaves = [*program.inputs, *program.parameters]
        made = [block for s, _ in statements for block in _blocks(s) if not self.formulas.is_part(block)]
        self.nodes, self.caption = len(leaves) + len(made), ""
        if self.nodes > max_nodes:
            self.caption = f"{self.nodes:,} blocks, in groups"
            self._add_groups(leaves, statements, max(1, min(MAX_BOXES, max_nodes)))
        else:
            for block in leaves:
                self._add_leaf(block)
            for statement, is_forward in statements:
                self._add(statement, self.outer, "statement" if is_forward else "gradient")
        for output in outputs:
            box = self.boxes[self._at(output.access)]
            box.is_result = True
            if output.leaf and box.kind != "group":
                box.lines.append(f"the gradient in {self.formulas.name(output.leaf)}")
        if not self.caption:
            self.nodes = len(self.boxes)

    def dot(self, rankdir: Rankdir, legend: bool) -> str:
        dot = new_picture(rankdir, self.caption)
        if legend:
            kinds = {box.kind for box in self.boxes.values()}
            entries = {kind: look for kind, look in _LOOKS.items() if kind in kinds}
            add_legend(dot, rankdir, entries | {"result": LOOKS["operation"] | {"shape": "box"} | ROOT}, [])
        ids = {block: f"b{i}" for i, block in enumerate(self.boxes)}
        self._draw(dot, self.outer, "cluster", ids, rankdir)  # Graphviz frames what is called so
        for (a, b), is_forward in self.arrows.items():
            dot.edge(ids[a], ids[b], **({} if is_forward else {"style": "dashed", "constraint": "false"}))
        return str(dot.source)

    def _draw(self, dot: Digraph, frame: _Frame, name: str, ids: dict[Block, str], rankdir: Rankdir) -> None:
        for block in frame.boxes:
            box = self.boxes[block]
            look = _LOOKS[box.kind]
            if box.is_result:
                look = look | ({"penwidth": ROOT["penwidth"]} if box.kind == "gradient" else ROOT)
            line_end = r"\n" if look["shape"] == "ellipse" else r"\l"
            text = "".join(escaped(line, line_end) + line_end for line in box.lines)
            if look["shape"] == "record":
                fields = f"{escaped(box.symbol, line_end)}|{text}"
                text = f"{{{fields}}}" if rankdir == "LR" else fields
            dot.node(ids[block], text, **look)
        for i, loop in enumerate(frame.loops):
            with dot.subgraph(name=f"{name} {i}") as inside:
                inside.attr(label=escaped(loop.title, r"\n"), **_LOOP)
                self._draw(inside, loop, f"{name} {i}", ids, rankdir)

    # ---- boxes -------------------------------------------------------------------------------------------------------
    def _add(self, statement: Any_Statement, frame: _Frame, kind: str) -> None:
        if isinstance(statement, Loop):
            self._add_loop(statement, frame, kind)
        elif isinstance(statement, Scatter):
            lines = [self._title(statement.out), short(self.formulas.scattered(statement), 2 * LONGEST)]
            self._box(statement.out, frame, kind, symbol(statement), lines)
            self._arrows([a.block for a in statement.accesses], statement.out)
        else:
            parts = dict.fromkeys([a.block for a in statement.accesses if a.block in self._waiting])
            while sum([self.formulas.length(block) for block in parts]) > LONGEST:
                longest = max(parts, key=self.formulas.length)
                self._at(Access(longest))
                del parts[longest]
            whole = [s for block in parts for s in self._waiting.pop(block)[0]]
            self.formulas.write(statement)
            self._waiting[statement.out] = [*whole, statement], frame, kind
            if not self.formulas.is_part(statement.out):
                self._at(Access(statement.out))

    def _add_waiting(self, block: Block) -> None:
        """The box of a result, with the statements that are part of it."""
        statements, frame, kind = self._waiting.pop(block)
        text = self.formulas.take(block)
        lines = [self._title(block), short(text, 2 * LONGEST)]
        operations = sum([s.origin.operations for s in statements])
        if operations > 1:
            lines.append(f"{operations:,} operations on numbers")
        symbols = [*dict.fromkeys(map(symbol, statements))]
        self._box(block, frame, kind, " ".join(symbols[:3] + ["…"] * (len(symbols) > 3)), lines)
        own = {s.out for s in statements}
        self._arrows([a.block for s in statements for a in s.accesses if a.block not in own], block)

    def _add_loop(self, loop: Loop, frame: _Frame, kind: str) -> None:
        inside = _Frame(f"{loop.turns:,} turns" + ", the last one first" * loop.backwards)
        frame.loops.append(inside)
        for carry in loop.carried:
            starts = "" if isinstance(carry.initial, Access) else f"; {number(carry.initial)} at first"
            self._box(carry.state, inside, "carried", "", [self._title(carry.state), f"of the turn before{starts}"])
            if isinstance(carry.initial, Access):
                self._arrows([carry.initial.block], carry.state)
        for block, access in loop.streams:
            row = f"a row of {self.formulas.name(access.block)} each turn"
            self._box(block, inside, "carried", "", [self._title(block), row])
            self._arrows([access.block], block)
        for statement in loop.body:
            self._add(statement, inside, kind)
        for carry in loop.carried:
            self._arrows([carry.result.block], carry.state, is_forward=False)
            if carry.final:
                self._box(carry.final, frame, kind, "last", [self._title(carry.final)])
                self._arrows([carry.result.block], carry.final)
        for block, outer in loop.stacked:
            row = f"a row of {self.formulas.name(block)} each turn"
            self._box(outer, frame, kind, "all", [self._title(outer), row])
            self._arrows([block], outer)

    def _box(self, block: Block, frame: _Frame, kind: str, symbol: str, lines: list[str]) -> None:
        self.boxes[block] = _Box(kind, symbol, lines)
        frame.boxes.append(block)

    def _add_leaf(self, block: Block) -> None:
        kind = "input" if block.kind == "index" else block.kind
        is_number = block.kind == "data" and block.size == 1 and block.data is not None
        lines = [number(float(block.data[0]))] if is_number and block.data is not None else [self._title(block)]
        self._box(block, self.outer, kind, "", lines)

    def _title(self, block: Block) -> str:
        """The name of a block with its shape; n is the number of samples."""
        sizes = ["n"] * block.samples + list(map(str, block.shape))
        return self.formulas.name(block) + (f" ({', '.join(sizes)}{',' * (len(sizes) == 1)})" if sizes else "")

    def _arrows(self, sources: Sequence[Block], target: Block, is_forward: bool = True) -> None:
        for source in map(self._at, map(Access, sources)):
            if source is not target:
                self.arrows[source, target] = is_forward

    def _at(self, operand: Operand) -> Block:
        """The box where it is read: that of its block, or of the group with it; a new one for data met first."""
        block = operand.block if isinstance(operand, Access) else Block("", kind="data", data=[operand])
        block = self._group_of.get(block, block)
        if block in self._waiting:
            self._add_waiting(block)
        elif block not in self.boxes:
            self._add_leaf(block)
        return block

    # ---- groups ------------------------------------------------------------------------------------------------------
    def _add_groups(self, leaves: Sequence[Block], statements: Sequence[tuple[Any_Statement, bool]], most: int) -> None:
        """Leaves by their kind, and statements that follow one another, with all that is in their loops."""
        self.formulas.give_all_a_name()
        for kind in ("input", "index", "parameter"):
            alike = [block for block in leaves if block.kind == kind]
            if len(alike) > most:
                first, last = self.formulas.name(alike[0]), self.formulas.name(alike[-1])
                self._add_group(alike, [f"{len(alike):,} of kind {kind}", f"{first} … {last}"])
            else:
                for block in alike:
                    self._add_leaf(block)
        size = ceil(len(statements) / most)
        for is_forward, run in groupby(statements, lambda pair: pair[1]):
            follow = [statement for statement, _ in run]
            for i in range(0, len(follow), size):
                some = follow[i : i + size]
                if len(some) == 1 and not isinstance(some[0], Loop):
                    self._add(some[0], self.outer, "statement" if is_forward else "gradient")
                else:
                    self._add_statements(some, "for the result" if is_forward else "for gradients")

    def _add_statements(self, statements: Sequence[Any_Statement], why: str) -> None:
        symbols = Counter([symbol(s) for s in _all(statements)])
        n = sum(symbols.values())
        lines = [f"{n:,} statement{'s' * (n != 1)} {why}", *[f"{n:,} × {s}" for s, n in symbols.most_common(4)]]
        if len(symbols) > 4:
            lines.append(f"{n - sum([n for _, n in symbols.most_common(4)]):,} others")
        group = self._add_group([block for s in statements for block in _blocks(s)], lines)
        self._arrows([a.block for s in statements for a in s.accesses], group)

    def _add_group(self, blocks: Sequence[Block], lines: list[str]) -> Block:
        group = Block(lines[0])
        self._group_of.update(dict.fromkeys(blocks, group))
        self._box(group, self.outer, "group", "", lines)
        return group


def _behind(program: Program, results: Sequence[Operand]) -> set[Any_Statement]:
    """The statements that the results depend on."""
    needed = {x.block for x in results if isinstance(x, Access)}
    found = set[Any_Statement]()
    for statement in reversed(program.statements):
        if not needed.isdisjoint(written(statement)):
            found.add(statement)
            needed.update([a.block for a in statement.accesses])
    return found


def _all(statements: Sequence[Any_Statement]) -> Iterator[Statement | Scatter]:
    """The statements, in place of a loop those in it."""
    for statement in statements:
        if isinstance(statement, Loop):
            yield from _all(statement.body)
        else:
            yield statement


def _blocks(statement: Any_Statement) -> list[Block]:
    """The blocks that a statement makes; of a loop those in it, too."""
    if not isinstance(statement, Loop):
        return [statement.out]
    inside = [block for s in statement.body for block in _blocks(s)]
    return [*[c.state for c in statement.carried], *[b for b, _ in statement.streams], *inside, *written(statement)]
