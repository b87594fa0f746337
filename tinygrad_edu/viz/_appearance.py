"""How the picture of a graph looks: the texts in its boxes and on its arrows, their shapes and colours, its legend.

Which nodes are shown is left to `_views.py`, how a derivative is written to `_formulas.py`.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from math import ceil, isfinite
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

# Shape, fill and frame differ, so that nobody needs colour vision or a colour printer.
# Source of the hues: Okabe and Ito, "Color Universal Design", 2008; the fills are tints of them, for black text.
LOOKS = {
    "leaf": {"shape": "box", "style": "rounded,filled", "fillcolor": "#D9EEFA", "color": "#0072B2"},
    "parameter": {"shape": "box", "style": "filled", "fillcolor": "#D3F0E5", "color": "#009E73", "peripheries": "2"},
    "constant": {
        "shape": "ellipse",
        "style": "filled",
        "fillcolor": "#EEEEEE",
        "color": "#8C8C8C",
        "margin": "0.03,0.01",
    },
    "operation": {"shape": "record", "style": "filled", "fillcolor": "#FFFFFF", "color": "#333333"},
    "group": {"shape": "folder", "style": "filled", "fillcolor": "#F8E6F0", "color": "#B0578D"},
}
ROOT_LOOK = {"fillcolor": "#FDE7C8", "color": "#D55E00", "penwidth": "2.5"}
_NUMBERED_NAME = re.compile(r"(?<!\w)v[0-9]+")
_PARAMETER_LABEL = re.compile(r"(?:.*\.)?(?:w|b|θ|theta|weight|bias)[\[\]\d_₀-₉]*|.+\]\..+")


class GraphPicture:
    """Writes a view of a graph in DOT: how each node looks, the text in it, and the texts on the arrows to it."""

    def __init__(
        self, view: GraphView, roots: set[Box], parameters: set[Value] | None, derivatives: Derivatives
    ) -> None:
        self.view, self.roots, self.parameters = view, roots, parameters
        self.names = _choose_names(view, view)
        arrow_texts = "\n".join(text for texts in self._write_arrows(derivatives).values() for text in texts)
        shown = set(_NUMBERED_NAME.findall(arrow_texts))
        # once more, for those that are shown only: v1, v2, … then have no gaps
        self.names = _choose_names(view, {v for v, name in self.names.items() if name in shown})
        self.arrows = self._write_arrows(derivatives)
        self.largest = max((abs(g) for g in map(_read_gradient, view) if isfinite(g)), default=0.0)

    def dot(self, rankdir: Rankdir, legend: bool, caption: str) -> str:
        """Writes the picture in DOT."""
        dot = make_picture(rankdir, caption)
        if legend:
            self._add_legend(dot, rankdir)
        beside = "" if rankdir == "LR" else "\u00a0"  # keeps the text off an arrow that points down
        ids = {v: f"n{i}" for i, v in enumerate(self.view)}
        for v, inputs in self.view.items():
            dot.node(
                ids[v], self._write_box(v, rankdir), **LOOKS[self.kind_of(v)] | (ROOT_LOOK if v in self.roots else {})
            )
            texts = self.arrows.get(v) or [""] * len(inputs)
            arrows = list(zip(inputs, texts))
            if any(isinstance(x, NodeGroup) for x in inputs):
                arrows = list(dict.fromkeys(arrows))  # many arrows from one group are drawn as one
            for x, text in arrows:
                if x is not None:
                    label = escape(text, r"\n" + beside) if text else ""
                    dot.edge(ids[x], ids[v], **({"label": beside + label} if label else {}))
        return str(dot.source)

    def kind_of(self, v: Box) -> str:
        """Returns the kind of a box, a key of `LOOKS`."""
        if isinstance(v, NodeGroup):
            return "group"
        if v._rule is not LEAF:
            return "constant" if v._rule is CONSTANT else "operation"
        known = bool(_PARAMETER_LABEL.fullmatch(str(v.label))) if self.parameters is None else v in self.parameters
        return "parameter" if known else "leaf"

    def _write_box(self, v: Box, rankdir: str) -> str:
        """Writes the text in a box, as a label of DOT."""
        if isinstance(v, NodeGroup):
            return align_left(self._describe_group(v))
        line_end = r"\n" if v._rule is CONSTANT else r"\l"  # centred in an ellipse, at the left in a box
        name = v.label or self.names.get(v, "")
        label = [escape("\n".join(shorten(line, 60) for line in str(name).split("\n")), line_end)] if name else []
        if v._rule is CONSTANT:
            return line_end.join([*label, format_number(v.data)])
        lines = [
            *label,
            f"data {format_number(v.data)}",
            f"grad {format_number(_read_gradient(v))}",
            self._draw_squares(v),
        ]
        if hidden := self.view[v].count(None):
            lines.append(f"{hidden} input{'s' * (hidden != 1)} not shown")
        card = "".join(line + r"\l" for line in lines if line)
        if v._rule is LEAF:
            return card
        fields = "|".join([escape(v._op or " ", r"\n"), card])
        return f"{{{fields}}}" if rankdir == "LR" else fields  # braces put the fields of a record below one another

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
            words += [f"|grad| up to {format_number(_read_gradient(group))}", self._draw_squares(group)]
        return words

    def _draw_squares(self, v: Box) -> str:
        """Draws the size of a gradient beside the largest one as five squares; "" if all gradients are 0."""
        return draw_squares(abs(_read_gradient(v)), self.largest)

    def _write_arrows(self, wish: Derivatives) -> dict[Box, list[str]]:
        return {v: self._write_derivatives(v, wish) for v in self.view if isinstance(v, Value)}

    def _write_derivatives(self, v: Value, wish: Derivatives) -> list[str]:
        """Writes the local derivative in each input: its formula and, if that says more, its number."""
        if not wish or all(not isinstance(x, Value) for x in self.view[v]):
            return []
        inputs = [x if isinstance(x, Value) else original for x, original in zip(self.view[v], v._prev)]
        formulas = [""] * len(inputs)
        try:
            numbers = list(map(format_number, v._rule.derivatives(FLOATS, v.data, *[x.data for x in inputs])))
        except ARITHMETIC_ERRORS:
            numbers = ["undefined"] * len(inputs)
        except NotImplementedError:  # an operation without a rule
            return []
        if wish != "number":
            with suppress(TypeError, AttributeError):  # a user's rule may work on numbers only
                texts = write_local_derivatives(v._rule, self._name(v), list(map(self._name, inputs)))
                formulas = [shorten(text, 40) for text in texts]
        if wish == "formula":
            return formulas
        return [_write_equation(formula, number) for formula, number in zip(formulas, numbers)]

    def _name(self, v: Value) -> str:
        """Returns the name of a node in formulas; a node without a name, as a constant, has its number."""
        number = format_number(v.data)
        return self.names.get(v) or _last_word(v.label) or (f"({number})" if v.data < 0 else number)

    def _add_legend(self, dot: Digraph, rankdir: Rankdir) -> None:
        kinds = {self.kind_of(v) for v in self.view}
        entries = {kind: look for kind, look in LOOKS.items() if kind in kinds}
        entries["root"] = LOOKS["operation"] | {"shape": "box"} | ROOT_LOOK
        words = []
        if self.largest:
            words.append(f"■■□□□ size of grad; ■■■■■ is {format_number(self.largest)}")
        if any(any(texts) for texts in self.arrows.values()):
            words.append("on an arrow: ∂output/∂input")
        add_graph_legend(dot, rankdir, entries, words)


def make_picture(rankdir: Rankdir, caption: str = "") -> Digraph:
    """Makes an empty picture in the style of all graphs."""
    dot = Digraph("computation graph")
    # ordering=in puts a above b in a - b; on a white background the picture is legible on a dark page, too
    dot.graph_attr.update(rankdir=rankdir, ordering="in", bgcolor="white", pad="0.15", nodesep="0.14")
    dot.graph_attr.update(fontname=FONT, fontsize="12", fontcolor="#333333")
    dot.node_attr.update(fontname=FONT, fontsize="13", height="0.3", width="0.3", margin="0.12,0.06")
    dot.edge_attr.update(fontname=FONT, fontsize="10", fontcolor="#444444", color="#555555", arrowsize="0.7")
    if caption:
        dot.graph_attr.update(label=escape(caption, r"\n"), labelloc="t")
    return dot


def add_graph_legend(
    dot: Digraph, rankdir: Rankdir, entries: Mapping[str, Mapping[str, str]], words: Sequence[str]
) -> None:
    """Adds a column of boxes, each with its name and its look, and below them lines of words."""
    nodes = [("─── legend ───", {"shape": "plaintext", "fontcolor": "#777777"})]
    nodes += [(name, {key: how for key, how in look.items() if key != "margin"}) for name, look in entries.items()]
    if words:
        nodes.append((align_left(words), {"shape": "plaintext"}))
    # no cluster, in which dot forgets the order of inputs; dot stacks unconnected nodes from the bottom up
    with dot.subgraph(name="legend") as legend:
        legend.node_attr.update(fontsize="9", height="0.15", width="0.15", margin="0.06,0.03")
        for i, (text, look) in enumerate(reversed(nodes) if rankdir == "LR" else nodes):
            legend.node(f"legend{i}", text, **look, **{"class": "legend"})


def draw_squares(size: float, largest: float) -> str:
    """Draws a size, 0 or more, beside the largest one as five squares; "" if the largest one is 0.

    >>> draw_squares(0.5, 1.0)
    '■■■□□'
    """
    if not largest:
        return ""
    filled = ceil(5 * (size / largest)) if isfinite(size) else 5 * (size == size)
    return "■" * filled + "□" * (5 - filled)


def align_left(lines: Iterable[str]) -> str:
    """Writes lines of text as a label of DOT, each at the left of its box."""
    return "".join(escape(line, r"\l") + r"\l" for line in lines)


def _choose_names(view: GraphView, asked: Container[Box]) -> dict[Box, str]:
    """Names nodes in formulas by the last part of their labels; the nodes `asked` for without a label get v1, v2, …."""
    labels = {str(v.label) for v in view if isinstance(v, Value)}
    free = (name for name in map("v{}".format, count(1)) if name not in labels)
    nodes = [v for v in view if isinstance(v, Value) and (v.label or (v in asked and v._rule is not CONSTANT))]
    return {v: _last_word(v.label) or next(free) for v in nodes}


def _last_word(label: object) -> str:
    """Returns the end of a path, `w[1]` of `layers[0].neurons[3].w[1]`, on one line and cut short."""
    return shorten(" ".join(str(label or "").split()).split(".")[-1], 18)


def _pluralize(kind: str, n: int) -> str:
    return kind if n == 1 else "leaves" if kind == "leaf" else f"{kind}s"


def _read_gradient(v: Box) -> float:
    """Returns the gradient of a node; of a group the largest gradient of its leaves, without its sign."""
    if isinstance(v, Value):
        return v.grad or 0.0  # PyTorch's users set a gradient to None
    return max((abs(x.grad or 0.0) for x in v.members if x._rule is LEAF), default=0.0)


def _write_equation(formula: str, number: str) -> str:
    """Writes `formula = number`, in two lines if it is long; only the number if the formula is just this number."""
    if not formula or formula.strip("()").replace("−", "-") == number:
        return number
    return f"{formula}{' ' if len(formula) <= 10 else chr(10)}= {number}"


def format_number(x: float) -> str:
    """Writes a number with six digits; −0 is written as 0, because its sign teaches nothing."""
    return f"{x + 0.0:.6g}"
