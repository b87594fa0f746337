"""How the picture of a graph looks: the texts in its boxes and on its arrows, their shapes and colours, its legend.

A picture has no background of its own. Boxes are light cards with dark text; arrows and what is written between boxes
are of a grey that is legible on a light page and on a dark one. Which nodes are shown is left to `_views.py`, how a
derivative is written to `_formulas.py`.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from itertools import count
from math import isfinite
from typing import Literal, TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import ARITHMETIC_ERRORS
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS

from ._digraph import Digraph, escape
from ._formulas import write_local_derivatives
from ._render import FONT, shorten
from ._views import Box, GraphView, NodeGroup

Rankdir: TypeAlias = Literal["LR", "TB"]
Derivatives: TypeAlias = bool | Literal["formula", "number"]

# Of text on a card, and of what is between cards: this grey has a contrast of 4.3 to 1 on white and on #111111.
INK, GREY = "#1F2328", "#7A7A7A"
# Shape, fill and frame differ, so that nobody needs colour vision or a colour printer.
# Source of the hues: Okabe and Ito, "Color Universal Design", 2008; the fills are tints of them, for dark text.
LOOKS = {
    "leaf": {"shape": "box", "style": "rounded,filled", "fillcolor": "#DDEBF5", "color": "#3D8FC4"},
    "parameter": {"shape": "box", "style": "filled", "fillcolor": "#D6EDE4", "color": "#1F9E77", "peripheries": "2"},
    "constant": {"shape": "ellipse", "style": "filled", "fillcolor": "#E4E4E4", "color": "#909090", "margin": "0.01,0"},
    "operation": {"shape": "record", "style": "filled", "fillcolor": "#F4F4F2", "color": "#808080"},
    "group": {"shape": "folder", "style": "filled", "fillcolor": "#F1E2EC", "color": "#B0578D"},
}
ROOT_LOOK = {"fillcolor": "#FBE6CC", "color": "#DB6A12", "penwidth": "2"}
THINNEST, _THICKEST = 0.6, 2.2  # points, of arrows
_LONGEST_NAME = 14  # characters that stand on the line of the number
_LONGEST_FORMULA = 24  # characters on an arrow
_LEVEL = 21  # characters of the legend that fit below the boxes and arrows of a level
_NUMBERED_NAME = re.compile(r"(?<!\w)v[0-9]+")


class GraphPicture:
    """Writes a view of a graph in DOT: how each node looks, the text in it, and the texts on the arrows to it."""

    def __init__(self, view: GraphView, roots: set[Box], parameters: Container[Box], derivatives: Derivatives) -> None:
        self.view, self.roots, self.parameters = view, roots, parameters
        self.slopes = {v: _find_slopes(v) for v in view if isinstance(v, Value)}
        self.names = _choose_names(view, view)
        arrow_texts = "\n".join(text for texts in self._write_arrows(derivatives).values() for text in texts)
        shown = set(_NUMBERED_NAME.findall(arrow_texts))
        # once more, for those that are shown only: v1, v2, … then have no gaps
        self.names = _choose_names(view, {v for v, name in self.names.items() if name in shown})
        self.texts = self._write_arrows(derivatives)
        self.flows: dict[Box, list[float]] = {v: _find_flows(v, slopes) for v, slopes in self.slopes.items()}
        self.largest = max((x for flows in self.flows.values() for x in flows if isfinite(x)), default=0.0)

    def dot(self, rankdir: Rankdir, legend: bool, caption: str) -> str:
        """Writes the picture in DOT."""
        words = self._write_legend() if legend else []
        dot = make_picture(rankdir, [caption, *words], _count_levels(self.view) if rankdir == "LR" else 1)
        beside = "" if rankdir == "LR" else "\u00a0"  # keeps the text off an arrow that points down
        ids = {v: f"n{i}" for i, v in enumerate(self.view)}
        for v in self.view:
            look = LOOKS[self.kind_of(v)] | (ROOT_LOOK if v in self.roots else {})
            dot.node(ids[v], self._write_box(v, rankdir), **look)
            for x, text, flow in self._list_arrows(v):
                label = {"label": beside + escape(text, r"\n" + beside)} if text else {}
                dot.edge(ids[x], ids[v], penwidth=self._choose_width(flow), **label)
        return str(dot.source)

    def _list_arrows(self, v: Box) -> list[tuple[Box, str, float]]:
        """The arrows to a box: where each begins, its text, and the gradient that flows back along it."""
        inputs = self.view[v]
        texts, flows = self.texts.get(v) or [""] * len(inputs), self.flows.get(v) or [0.0] * len(inputs)
        arrows = [(x, text, flow) for x, text, flow in zip(inputs, texts, flows) if x is not None]
        if not any(isinstance(x, NodeGroup) for x in inputs):
            return arrows
        merged: dict[tuple[Box, str], float] = {}  # many arrows from one group are drawn as one
        for x, text, flow in arrows:
            merged[x, text] = max(merged.get((x, text), 0.0), flow)
        return [(x, text, flow) for (x, text), flow in merged.items()]

    def _choose_width(self, flow: float) -> str:
        """The thickness of an arrow, in points: the largest finite gradient is the thickest."""
        size = min(flow / self.largest, 1.0) if self.largest and flow == flow else 0.0
        return f"{THINNEST + (_THICKEST - THINNEST) * size:.2f}"

    def kind_of(self, v: Box) -> str:
        """Returns the kind of a box, a key of `LOOKS`."""
        if isinstance(v, NodeGroup):
            return "group"
        if v._rule is not LEAF:
            return "constant" if v._rule is CONSTANT else "operation"
        return "parameter" if v in self.parameters else "leaf"

    def _write_box(self, v: Box, rankdir: Rankdir) -> str:
        """Writes the text in a box, as a label of DOT."""
        if isinstance(v, NodeGroup):
            return align_left(self._describe_group(v))
        number = format_number(v.data)
        lines = split_name(str(v.label or self.names.get(v, "")))
        if lines and len(lines[-1]) <= _LONGEST_NAME:
            lines[-1] += f" = {number}"
        else:
            lines.append(f"= {number}" if lines else number)
        if v._rule is CONSTANT:
            return escape("\n".join(lines), r"\n")
        lines.append(f"grad {format_number(_read_gradient(v))}")
        if hidden := self.view[v].count(None):
            lines.append(f"{hidden} input{'s' * (hidden != 1)} not shown")
        card = align_left(lines)
        if v._rule is LEAF:
            return card
        return stack([escape(v._op or " ", r"\n"), card], rankdir)

    def _describe_group(self, group: NodeGroup) -> list[str]:
        """Writes the name of a group, how many nodes of each kind it holds, and its largest gradient."""
        kinds = Counter(map(self.kind_of, group.members))
        symbols = Counter(v._op or "operation" for v in group.members if v._prev).most_common()
        words = [f"{n:,} {_pluralize(kind, n)}" for kind, n in sorted(kinds.items()) if kind != "operation"]
        words += [f"{n:,} × {symbol}" for symbol, n in symbols[:4]]
        if rest := sum(n for _, n in symbols[4:]):
            words.append(f"{rest:,} other {_pluralize('operation', rest)}")
        if not words[0].endswith(f" {group.name}"):  # "12 constants" says the name already
            words.insert(0, group.name)
        if self.largest and any(x._rule is LEAF for x in group.members):
            words.append(f"|grad| up to {format_number(_read_gradient(group))}")
        return words

    def _write_arrows(self, wish: Derivatives) -> dict[Box, list[str]]:
        return {v: self._write_derivatives(v, wish) for v in self.view if isinstance(v, Value)}

    def _write_derivatives(self, v: Value, wish: Derivatives) -> list[str]:
        """Writes the local derivative in each input: its formula and, if that says more, its number."""
        slopes = self.slopes.get(v)
        if not wish or not slopes or all(not isinstance(x, Value) for x in self.view[v]):
            return []
        inputs = [x if isinstance(x, Value) else original for x, original in zip(self.view[v], v._prev)]
        formulas = [""] * len(inputs)
        if wish != "number":
            with suppress(TypeError, AttributeError):  # a user's rule may work on numbers only
                formulas = write_local_derivatives(v._rule, self._name(v), list(map(self._name, inputs)))
        if wish == "formula":
            return [shorten(formula, _LONGEST_FORMULA) for formula in formulas]
        numbers = ["undefined" if x is None else format_number(x) for x in slopes]
        return [_write_equation(formula, number) for formula, number in zip(formulas, numbers)]

    def _name(self, v: Value) -> str:
        """Returns the name of a node in formulas; a node without a name, as a constant, has its number."""
        number = format_number(v.data)
        return self.names.get(v) or _last_word(v.label) or (f"({number})" if v.data < 0 else number)

    def _write_legend(self) -> list[str]:
        """What nobody can see by themselves in this picture."""
        words = []
        if any(any(texts) for texts in self.texts.values()):
            words.append("arrow: ∂output/∂input")
        if self.largest:
            words.append("thicker: more gradient flows back")
        if any(self.kind_of(v) == "parameter" for v in self.view):
            words.append("double frame: parameter")
        return words


def make_picture(rankdir: Rankdir, words: Sequence[str] = (), levels: int = 4) -> Digraph:
    """Makes an empty picture in the style of all graphs; `words` stand below it, in a line if `levels` are as wide."""
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir is 'LR' (left to right) or 'TB' (top to bottom), not {rankdir!r}")
    dot = Digraph("computation graph")
    # ordering=in puts a above b in a - b
    dot.graph_attr.update(rankdir=rankdir, ordering="in", bgcolor="transparent", pad="0.05")
    dot.graph_attr.update(nodesep="0.12", ranksep="0.22")
    dot.graph_attr.update(fontname=FONT, fontsize="8", fontcolor=GREY)
    dot.node_attr.update(fontname=FONT, fontsize="9", fontcolor=INK, height="0.2", width="0.2", margin="0.06,0.03")
    dot.edge_attr.update(fontname=FONT, fontsize="8", fontcolor=GREY, color=GREY, arrowsize="0.5")
    lines: list[str] = []
    for word in filter(None, words):
        if lines and len(lines[-1]) + len(word) <= levels * _LEVEL:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    if lines:
        dot.graph_attr.update(label=escape("\n".join(lines), r"\n"), labelloc="b")
    return dot


def draw_bar(size: float, largest: float, width: int = 6) -> str:
    """Draws a size, 0 or more, beside the largest one as a bar, in eighths of a letter; "" if the largest one is 0.

    >>> draw_bar(0.5, 1.0)
    '███'
    """
    eighths = round(8 * width * (size / largest)) if largest and isfinite(size) else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def align_left(lines: Iterable[str]) -> str:
    """Writes lines of text as a label of DOT, each at the left of its box."""
    return "".join(escape(line, r"\l") + r"\l" for line in lines)


def stack(fields: Sequence[str], rankdir: Rankdir) -> str:
    """Puts the fields of a record, labels of DOT, below one another, in either direction of the picture."""
    return "|".join(fields) if rankdir == "LR" else f"{{{'|'.join(fields)}}}"


def split_name(label: str) -> list[str]:
    """Breaks a label into lines; of a long path the last part has a line of its own.

    >>> split_name("layers[0].neurons[3].w[1]")
    ['layers[0].neurons[3].', 'w[1]']
    """
    lines = [shorten(line, 40) for line in label.split("\n")]
    path, dot, name = lines[-1].rpartition(".")
    if path and name[:1].isalpha() and " " not in lines[-1] and len(lines[-1]) > _LONGEST_NAME:
        lines[-1:] = [path + dot, name]
    return lines if label.strip() else []


def _count_levels(view: GraphView) -> int:
    """The number of boxes on the longest path."""
    levels: dict[Box | None, int] = {None: 0}
    for v, inputs in view.items():
        levels[v] = 1 + max([levels.get(x, 0) for x in inputs], default=0)
    return max(levels.values())


def _choose_names(view: GraphView, asked: Container[Box]) -> dict[Box, str]:
    """Names nodes in formulas by the last part of their labels; the nodes `asked` for without a label get v1, v2, …."""
    labels = {str(v.label) for v in view if isinstance(v, Value)}
    free = (name for name in map("v{}".format, count(1)) if name not in labels)
    nodes = [v for v in view if isinstance(v, Value) and (v.label or (v in asked and v._rule is not CONSTANT))]
    return {v: _last_word(v.label) or next(free) for v in nodes}


def _last_word(label: object) -> str:
    """Returns the end of a path, `w[1]` of `layers[0].neurons[3].w[1]`, on one line and cut short."""
    return shorten(" ".join(str(label or "").split()).split(".")[-1], 18)


def _find_slopes(v: Value) -> list[float | None]:
    """∂v/∂input for each input, None where it is not defined; [] for an operation without a rule."""
    try:
        return list(v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev]))
    except ARITHMETIC_ERRORS:
        return [None] * len(v._prev)
    except NotImplementedError:
        return []


def _find_flows(v: Value, slopes: Sequence[float | None]) -> list[float]:
    """|∂L/∂v · ∂v/∂input| for each input; to a constant no gradient flows back."""
    g = _read_gradient(v)
    return [0.0 if x._rule is CONSTANT or s is None else abs(g * s) for x, s in zip(v._prev, slopes)]


def _pluralize(kind: str, n: int) -> str:
    return kind if n == 1 else "leaves" if kind == "leaf" else f"{kind}s"


def _read_gradient(v: Box) -> float:
    """Returns the gradient of a node; of a group the largest gradient of its leaves, without its sign."""
    if isinstance(v, Value):
        return v.grad or 0.0  # PyTorch's users set a gradient to None
    return max((abs(x.grad or 0.0) for x in v.members if x._rule is LEAF), default=0.0)


def _write_equation(formula: str, number: str) -> str:
    """Writes `formula = number`, in two lines if it is long; of a formula that is too long the number only."""
    if not formula or len(formula) > _LONGEST_FORMULA or formula.strip("()").replace("−", "-") == number:
        return number
    return f"{formula}{' ' if len(formula) <= 6 else chr(10)}= {number}"


def format_number(x: float) -> str:
    """Writes a number with four decimals at most, a small or a large one with four digits; the sign of −0 is left out.

    >>> format_number(-0.6043677771), format_number(0.3), format_number(1e-9), format_number(123456.7)
    ('-0.6044', '0.3', '1e-09', '123457')
    """
    if 0.1 <= abs(x) < 1e3:
        return f"{x:.4f}".rstrip("0").rstrip(".")
    return f"{x:.0f}" if 1e3 <= abs(x) < 1e6 else f"{x + 0.0:.4g}"
