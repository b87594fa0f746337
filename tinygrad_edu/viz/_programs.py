"""Pictures of array programs: the lines of a program's listing as boxes, with arrows between them.

A box is an array: a leaf of the program, a constant, or what lines of the listing compute. The names and formulas are
those of `compiler/printers/listing.py`; how boxes look stands in `_appearance.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil

from tinygrad_edu.compiler.printers.listing import Line, Listing, shape_text
from tinygrad_edu.compiler.printers.notation import FORMULA, Names
from tinygrad_edu.compiler.program import COPY, TAKE, Access, Block, Loop, Program, Scatter, Statement
from tinygrad_edu.ops import MUL, TOTAL

from ._appearance import LOOKS, ROOT_LOOK, Rankdir, make_picture, stack
from ._digraph import Digraph, escape
from ._render import shorten

MAX_BOXES = 40  # of statements, and of leaves, in a picture of more arrays than are shown one by one
LONGEST_FORMULA = 80  # characters
_LOOKS = {
    "input": LOOKS["leaf"],
    "parameter": LOOKS["parameter"],
    "data": LOOKS["constant"],
    "statement": LOOKS["operation"],
    "gradient": LOOKS["operation"] | {"style": "filled,dashed", "fillcolor": "#E6E6E6"},
    "group": LOOKS["group"],
}
_LEGEND = {"parameter": "double frame", "gradient": "dashed frame", "data": "ellipse"}
_LOOP = {"style": "rounded", "color": "#B0578D", "fontcolor": "#B0578D", "labeljust": "l", "margin": "10"}


@dataclass(eq=False)
class _Box:
    """An array in the picture, or a group of them: its kind, the symbols of its operations, the lines written in it."""

    kind: str
    lines: list[str]
    symbols: dict[str, None] = field(default_factory=dict)
    operations: int = 0
    is_result: bool = False

    def text(self, rankdir: Rankdir) -> str:
        """What is written in it, as a label of DOT."""
        look = _LOOKS[self.kind]
        lines = [shorten(line, LONGEST_FORMULA) for line in self.lines]
        if self.operations > 1:
            lines.append(f"{self.operations:,} operations on numbers")
        line_end = r"\n" if look["shape"] == "ellipse" else r"\l"
        text = "".join([escape(line, line_end) + line_end for line in lines])
        if look["shape"] != "record":
            return text
        symbols = " ".join([*self.symbols][:3] + ["…"] * (len(self.symbols) > 3))
        return stack([escape(symbols, line_end), text], rankdir)


@dataclass(eq=False)
class _Frame:
    """The picture itself, or a loop in it: what is drawn inside."""

    title: str = ""
    boxes: list[_Box] = field(default_factory=list)
    loops: list["_Frame"] = field(default_factory=list)
    waiting: list[tuple[str, _Box]] = field(default_factory=list)  # names that a later line of the loop may change


class ProgramSheet:
    """A program on its way to DOT: its boxes, and the arrows between them."""

    def __init__(self, program: Program, gradients: bool, max_nodes: int) -> None:
        self.listing = Listing(program, Names(()))
        self.frames = [_Frame()]  # the picture, and the loops around the line that is added
        self.arrows: dict[tuple[_Box, _Box], bool] = {}  # False where it leads to the next turn of a loop
        self._box_of: dict[str, _Box] = {}  # by the name of an array, as it is at that line
        lines = [line for line in self.listing.lines if gradients or not line.is_gradient]
        results = [(self.listing.array_of(o), o) for o in program.outputs if gradients or o.leaf is None]
        leaves = [(leaf, self.listing.name(leaf)) for leaf in program.leaves]
        read = {name for line in lines for name, _ in line.reads}.union([name for name, _ in results])
        leaves += [(Block(n, x.shape, "data"), n) for n, x in self.listing.constants.arrays.items() if n in read]
        self.nodes, self.caption = len(leaves) + len({(line.name, line.depth) for line in lines if line.block}), ""
        if self.nodes > max_nodes:
            self.caption = f"{self.nodes:,} blocks, in groups"
            most = max(1, min(MAX_BOXES, max_nodes))
            self._add_groups_of_leaves(leaves, most)
            self._add_groups(lines, most)
        else:
            for leaf, name in leaves:
                self._add_leaf(leaf, name)
            self._add_lines(lines)
        for name, output in results:
            if not isinstance(output.access, Access) and name not in self._box_of:
                self._box_of[name] = self._new_box("data", name)
            box = self._box_of[name]
            box.is_result = True
            if output.leaf and box.kind != "group":
                box.lines.append(f"the gradient in {self.listing.name(output.leaf)}")

    def dot(self, rankdir: Rankdir, legend: bool) -> str:
        """The picture in the language of Graphviz."""
        boxes = [box for frame in _all_frames(self.frames[0]) for box in frame.boxes]
        kinds = {box.kind for box in boxes}
        words = [f"{frame}: {kind}" for kind, frame in _LEGEND.items() if legend and kind in kinds]
        dot = make_picture(rankdir, [self.caption, *words])
        ids = {box: f"b{i}" for i, box in enumerate(boxes)}
        self._draw(dot, self.frames[0], "cluster", ids, rankdir)  # Graphviz frames what is called so
        for (a, b), is_forward in self.arrows.items():
            dot.edge(ids[a], ids[b], **({} if is_forward else {"style": "dashed", "constraint": "false"}))
        return str(dot.source)

    def _draw(self, dot: Digraph, frame: _Frame, name: str, ids: dict[_Box, str], rankdir: Rankdir) -> None:
        for box in frame.boxes:
            look = _LOOKS[box.kind]
            if box.is_result:
                look = look | ({"penwidth": ROOT_LOOK["penwidth"]} if box.kind == "gradient" else ROOT_LOOK)
            dot.node(ids[box], box.text(rankdir), **look)
        for i, loop in enumerate(frame.loops):
            with dot.subgraph(name=f"{name} {i}") as inside:
                inside.attr(label=escape(loop.title, r"\n"), **_LOOP)
                self._draw(inside, loop, f"{name} {i}", ids, rankdir)

    # ---- boxes -------------------------------------------------------------------------------------------------------
    def _new_box(self, kind: str, *lines: str) -> _Box:
        box = _Box(kind, [*lines])
        self.frames[-1].boxes.append(box)
        return box

    def _add_leaf(self, leaf: Block, name: str) -> None:
        kind = "input" if leaf.kind == "index" else leaf.kind
        self._box_of[name] = self._new_box(kind, f"{name} {shape_text(leaf)}".rstrip())

    def _add_lines(self, lines: Sequence[Line]) -> None:
        """A box for each array; a loop is a frame around the boxes of its lines."""
        for line in lines:
            self._close_loops(line.depth)
            if not line.block:
                loop = _Frame(f"for {line.left} = {line.right}")
                self.frames[-1].loops.append(loop)
                self.frames.append(loop)
                continue
            box = self._box_of.get(line.name)
            if box in self.frames[-1].boxes and box is not None:
                box.lines.append(f"{line.left} {'+=' if line.adds else '='} {line.right}")
            else:
                title = f"{line.left} {shape_text(line.block)}".rstrip()
                box = self._new_box("gradient" if line.is_gradient else "statement", title, line.right)
            box.symbols |= dict.fromkeys(map(_symbol, _statements([line])))
            box.operations += line.operations
            self._add_arrows(line, box)
        self._close_loops(0)

    def _add_arrows(self, line: Line, box: _Box) -> None:
        """Arrows from what a line reads. What a turn passes on to the next one has a dashed arrow."""
        for name, is_of_turn_before in line.reads:
            source = self._box_of[name]
            is_written = source in self.frames[-1].boxes
            if is_of_turn_before and not is_written:
                self.frames[-1].waiting.append((name, box))
            if source is not box:
                self.arrows.setdefault((source, box), not (is_of_turn_before and is_written))
        self._box_of[line.name] = box

    def _close_loops(self, depth: int) -> None:
        while len(self.frames) > depth + 1:
            loop = self.frames.pop()
            for name, box in loop.waiting:
                source = self._box_of[name]
                if any(source in frame.boxes for frame in _all_frames(loop)):
                    self.arrows.setdefault((source, box), False)
                else:
                    self.frames[-1].waiting.append((name, box))

    # ---- groups ------------------------------------------------------------------------------------------------------
    def _add_groups_of_leaves(self, leaves: Sequence[tuple[Block, str]], most: int) -> None:
        """Leaves by their kind, where there are many."""
        for kind, some in groupby(sorted(leaves, key=lambda pair: pair[0].kind), lambda pair: pair[0].kind):
            alike = [*some]
            if len(alike) > most:
                lines = [f"{len(alike):,} of kind {kind}", f"{alike[0][1]} … {alike[-1][1]}"]
                self._box_of.update(dict.fromkeys([name for _, name in alike], self._new_box("group", *lines)))
            else:
                for leaf, name in alike:
                    self._add_leaf(leaf, name)

    def _add_groups(self, lines: Sequence[Line], most: int) -> None:
        """Lines that follow one another, with all that is in their loops."""
        entries: list[list[Line]] = []
        for line in lines:
            if line.depth:
                entries[-1].append(line)
            else:
                entries.append([line])
        size = ceil(len(entries) / most)
        for is_gradient, run in groupby(entries, lambda entry: entry[0].is_gradient):
            follow = [*run]
            for i in range(0, len(follow), size):
                some = [line for entry in follow[i : i + size] for line in entry]
                if len(some) == 1 and some[0].block:
                    self._add_lines(some)
                else:
                    self._add_group(some, "for gradients" if is_gradient else "for the result")

    def _add_group(self, lines: Sequence[Line], why: str) -> None:
        symbols = Counter(map(_symbol, _statements(lines)))
        n = symbols.total()
        most_common = symbols.most_common(4)
        texts = [f"{n:,} statement{'s' * (n != 1)} {why}", *[f"{k:,} × {symbol}" for symbol, k in most_common]]
        if len(symbols) > 4:
            texts.append(f"{n - sum([k for _, k in most_common]):,} others")
        group = self._new_box("group", *texts)
        for line in lines:
            self._add_arrows(line, group)


def _all_frames(frame: _Frame) -> Iterator[_Frame]:
    yield frame
    for loop in frame.loops:
        yield from _all_frames(loop)


def _statements(lines: Sequence[Line]) -> list[Statement | Scatter]:
    return [part for line in lines for part in line.parts if not isinstance(part, Loop)]


def _symbol(statement: Statement | Scatter) -> str:
    """The sign of what a statement does, as a box opens with it."""
    if isinstance(statement, Scatter):
        return "+="
    op, is_sum = statement.op, statement.reduced > 0 or statement.over_samples
    if op is MUL and is_sum and statement.reduce is TOTAL and _has_two_factors(statement):
        return "@"
    own = "" if op is COPY and is_sum else op.symbol or op.name
    if not is_sum or op is TAKE:
        return own
    reduction = statement.reduce if statement.reduced else TOTAL
    return f"{FORMULA.reduction(reduction)} {own}".strip()


def _has_two_factors(product: Statement) -> bool:
    """Whether two arrays are read along different axes, as those of a matrix product are."""
    walks = [_walked_axes(x) for x in product.accesses]
    return len(walks) == 2 and walks[0] != walks[1]


def _walked_axes(x: Access) -> tuple[set[int], bool]:
    """The axes along which an access leads from cell to cell, and whether the samples are one of them."""
    steps = x.strides if x.index is None else [length - 1 for length in x.index.shape]
    return {axis for axis, step in enumerate(steps) if step}, x.block.samples
