"""How a view of a graph looks: what is written in its boxes and on its arrows, their shapes and colours, its legend.

Which nodes there are is left to `_views.py`, how a derivative is written to `_formulas.py`.
"""

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import count
from math import ceil, isfinite
from typing import Literal, TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import ARITHMETIC_ERRORS
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS
from tinygrad_edu.viz import _render

from ._digraph import Digraph, escaped
from ._formulas import local_derivatives
from ._views import Group, Node, View

Rankdir: TypeAlias = Literal["LR", "TB"]
Derivatives: TypeAlias = bool | Literal["formula", "number"]

# Told apart by shape, by fill and by frame, so that neither colour vision nor a colour printer is needed.
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
ROOT = {"fillcolor": "#FDE7C8", "color": "#D55E00", "penwidth": "2.5"}
_GIVEN_NAME = re.compile(r"(?<!\w)v[0-9]+")
_PARAMETER = re.compile(r"(?:.*\.)?(?:w|b|θ|theta|weight|bias)[\[\]\d_₀-₉]*|.+\]\..+")


class Sheet:
    """A view on its way to DOT: how each node looks, what is written in it, and on the arrows to it."""

    def __init__(self, view: View, roots: set[Node], parameters: set[Value] | None, derivatives: Derivatives) -> None:
        self.view, self.roots, self.parameters = view, roots, parameters
        self.names = _names(view, view)
        shown = {
            word for texts in self._arrows(derivatives).values() for text in texts for word in _GIVEN_NAME.findall(text)
        }
        self.names = _names(view, {v for v, name in self.names.items() if name in shown})  # v1, v2, … without gaps
        self.arrows = self._arrows(derivatives)
        self.largest = max((abs(g) for g in map(_gradient, view) if isfinite(g)), default=0.0)

    def dot(self, rankdir: Rankdir, legend: bool, caption: str) -> str:
        dot = new_picture(rankdir, caption)
        if legend:
            self._add_legend(dot, rankdir)
        beside = "" if rankdir == "LR" else "\u00a0"  # keeps the text off an arrow that points down
        ids = {v: f"n{i}" for i, v in enumerate(self.view)}
        for v, inputs in self.view.items():
            dot.node(ids[v], self._text(v, rankdir), **LOOKS[self.kind(v)] | (ROOT if v in self.roots else {}))
            texts = self.arrows.get(v) or [""] * len(inputs)
            arrows = list(zip(inputs, texts))
            if any(isinstance(x, Group) for x in inputs):
                arrows = list(dict.fromkeys(arrows))  # many arrows from one group are drawn as one
            for x, text in arrows:
                if x is not None:
                    label = escaped(text, r"\n" + beside) if text else ""
                    dot.edge(ids[x], ids[v], **({"label": beside + label} if label else {}))
        return str(dot.source)

    def kind(self, v: Node) -> str:
        if isinstance(v, Group):
            return "group"
        if v._rule is not LEAF:
            return "constant" if v._rule is CONSTANT else "operation"
        known = bool(_PARAMETER.fullmatch(str(v.label))) if self.parameters is None else v in self.parameters
        return "parameter" if known else "leaf"

    def _text(self, v: Node, rankdir: str) -> str:
        """What is written in a node, as a label of DOT."""
        if isinstance(v, Group):
            lines = self._contents(v)
            if not lines[0].endswith(f" {v.name}"):  # 12 constants need not be called constants
                lines.insert(0, v.name)
            if self.largest and any(x._rule is LEAF for x in v.members):
                lines += [f"|grad| up to {number(_gradient(v))}", self._squares(v)]
            return "".join(escaped(line, r"\l") + r"\l" for line in lines)
        line_end = r"\n" if v._rule is CONSTANT else r"\l"  # centred in an ellipse, at the left in a box
        name = v.label or self.names.get(v, "")
        label = [escaped("\n".join(short(line, 60) for line in str(name).split("\n")), line_end)] if name else []
        if v._rule is CONSTANT:
            return line_end.join([*label, number(v.data)])
        lines = [*label, f"data {number(v.data)}", f"grad {number(_gradient(v))}", self._squares(v)]
        if hidden := self.view[v].count(None):
            lines.append(f"{hidden} input{'s' * (hidden != 1)} not shown")
        card = "".join(line + r"\l" for line in lines if line)
        if v._rule is LEAF:
            return card
        fields = "|".join([escaped(v._op or " ", r"\n"), card])
        return f"{{{fields}}}" if rankdir == "LR" else fields  # a record lies down where the graph does, unless braced

    def _contents(self, group: Group) -> list[str]:
        """What a group holds, in words: leaves, parameters and constants, then operations, the most frequent first."""
        kinds = Counter(map(self.kind, group.members))
        symbols = Counter(v._op or "operation" for v in group.members if v._prev).most_common()
        words = [f"{n:,} {_plural(kind, n)}" for kind, n in sorted(kinds.items()) if kind != "operation"]
        words += [f"{n:,} × {symbol}" for symbol, n in symbols[:4]]
        rest = sum(n for _, n in symbols[4:])
        return [*words, *[f"{rest:,} other {_plural('operation', rest)}"] * (rest > 0)]

    def _squares(self, v: Node) -> str:
        """How large the gradient of a node is beside the largest one; nothing where all are 0."""
        if not self.largest:
            return ""
        g = abs(_gradient(v))
        filled = ceil(5 * (g / self.largest)) if isfinite(g) else 5 * (g == g)
        return "■" * filled + "□" * (5 - filled)

    def _arrows(self, wish: Derivatives) -> dict[Node, list[str]]:
        return {v: self._arrow_texts(v, wish) for v in self.view if isinstance(v, Value)}

    def _arrow_texts(self, v: Value, wish: Derivatives) -> list[str]:
        """The local derivative in each input: its formula, and its number where that says more."""
        if not wish or all(not isinstance(x, Value) for x in self.view[v]):
            return []
        inputs = [x if isinstance(x, Value) else original for x, original in zip(self.view[v], v._prev)]
        numbers = formulas = [""] * len(inputs)
        try:
            numbers = list(map(number, v._rule.derivatives(FLOATS, v.data, *[x.data for x in inputs])))
        except ARITHMETIC_ERRORS:
            numbers = ["undefined"] * len(inputs)
        except NotImplementedError:  # an operation that the table does not know
            return []
        if wish != "number":
            try:
                formulas = local_derivatives(v._rule, self._name(v), list(map(self._name, inputs)))
            except (TypeError, AttributeError):  # a rule of the user's own that works on numbers only
                formulas = [""] * len(inputs)
        formulas = [short(text, 40) for text in formulas]
        if wish == "formula":
            return formulas
        return [_equation(formula, number) for formula, number in zip(formulas, numbers)]

    def _name(self, v: Value) -> str:
        """What a node is called in a formula; one without a name, a constant or one not shown, by its number."""
        return self.names.get(v) or _word(v.label) or (f"({number(v.data)})" if v.data < 0 else number(v.data))

    def _add_legend(self, dot: Digraph, rankdir: Rankdir) -> None:
        kinds = {self.kind(v) for v in self.view}
        entries = {kind: look for kind, look in LOOKS.items() if kind in kinds}
        entries["root"] = LOOKS["operation"] | {"shape": "box"} | ROOT
        words = []
        if self.largest:
            words.append(f"■■□□□ size of grad; ■■■■■ is {number(self.largest)}")
        if any(any(texts) for texts in self.arrows.values()):
            words.append("on an arrow: ∂output/∂input")
        add_legend(dot, rankdir, entries, words)


def new_picture(rankdir: Rankdir, caption: str = "") -> Digraph:
    """A picture without anything in it yet, in the style of all of them."""
    dot = Digraph("computation graph")
    # ordering=in puts a above b in a - b; the background is white so that the picture is legible on a dark page
    dot.graph_attr.update(rankdir=rankdir, ordering="in", bgcolor="white", pad="0.15", nodesep="0.14")
    dot.graph_attr.update(fontname=_render.FONT, fontsize="12", fontcolor="#333333")
    dot.node_attr.update(fontname=_render.FONT, fontsize="13", height="0.3", width="0.3", margin="0.12,0.06")
    dot.edge_attr.update(fontname=_render.FONT, fontsize="10", fontcolor="#444444", color="#555555", arrowsize="0.7")
    if caption:
        dot.graph_attr.update(label=escaped(caption, r"\n"), labelloc="t")
    return dot


def add_legend(dot: Digraph, rankdir: Rankdir, entries: Mapping[str, Mapping[str, str]], words: Sequence[str]) -> None:
    """A column of boxes, each with its name and its look, and words below."""
    nodes = [("─── legend ───", {"shape": "plaintext", "fontcolor": "#777777"})]
    nodes += [(name, {key: how for key, how in look.items() if key != "margin"}) for name, look in entries.items()]
    if words:
        nodes.append(("".join(escaped(line, r"\l") + r"\l" for line in words), {"shape": "plaintext"}))
    # Not a cluster, in which dot forgets the order of inputs; unconnected nodes it stacks from the bottom up.
    with dot.subgraph(name="legend") as legend:
        legend.node_attr.update(fontsize="9", height="0.15", width="0.15", margin="0.06,0.03")
        for i, (text, look) in enumerate(reversed(nodes) if rankdir == "LR" else nodes):
            legend.node(f"legend{i}", text, **look, **{"class": "legend"})


def _names(view: View, asked: Container[Node]) -> dict[Node, str]:
    """What nodes are called in formulas: by the last word of their label; those asked for and without one v1, v2, …"""
    labels = {str(v.label) for v in view if isinstance(v, Value)}
    free = (name for name in map("v{}".format, count(1)) if name not in labels)
    nodes = [v for v in view if isinstance(v, Value) and (v.label or (v in asked and v._rule is not CONSTANT))]
    return {v: _word(v.label) or next(free) for v in nodes}


def _word(label: object) -> str:
    """The end of a path, `w[1]` of `layers[0].neurons[3].w[1]`; a long name cut short."""
    return short(" ".join(str(label or "").split()).split(".")[-1], 18)


def short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _plural(kind: str, n: int) -> str:
    return kind if n == 1 else "leaves" if kind == "leaf" else f"{kind}s"


def _gradient(v: Node) -> float:
    """The gradient of a node; of a group the largest one of its leaves, without its sign."""
    if isinstance(v, Value):
        return v.grad or 0.0  # None, as PyTorch's users set it, is no gradient
    return max((abs(x.grad or 0.0) for x in v.members if x._rule is LEAF), default=0.0)


def _equation(formula: str, number: str) -> str:
    """`formula = number`, in two lines where it is long; the number alone where it is all that the formula says."""
    if not formula or formula.strip("()").replace("−", "-") == number:
        return number
    return f"{formula}{' ' if len(formula) <= 10 else chr(10)}= {number}"


def number(x: float) -> str:
    return f"{x + 0.0:.6g}"  # + 0.0 makes 0 of -0, of which nobody learns anything
