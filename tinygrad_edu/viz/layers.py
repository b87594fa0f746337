"""Draws the layers of a network: a column of nodes for each, and its weights as lines between the columns.

The places of the nodes are computed here, and Graphviz draws them where they are. One neuron with its numbers is drawn
by `neuron.py`, the graph of a computation by `graph.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any

from tinygrad_edu._display import clean_text
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, describe
from tinygrad_edu.modes import no_grad
from tinygrad_edu.nn import MLP, Layer, Module, Neuron, Sequential

from ._appearance import GREY, INK, LOOKS, ROOT_LOOK, make_picture
from ._digraph import Digraph, escape
from ._render import shorten
from .graph import Drawing

MAX_SHOWN = 8  # nodes of a layer, that of "… more" included
MAX_NUMBERED = 15  # lines between two layers whose weights are written on them
POSITIVE, NEGATIVE = {"color": "#0072B2"}, {"color": "#D55E00", "style": "dashed"}
_NODE = 24.0  # points, the diameter of a hidden node
_ROW, _GAP = 35.0, 84.0  # points from a node to that below, and from column to column
_TEXT_LOOK = {"fontcolor": GREY, "margin": "0", "height": "0", "width": "0"}
_CARD: dict[str, Any] = {
    "fontcolor": INK,
    "style": "filled",
    "fillcolor": "#EDEDED",
    "margin": "0.02,0",
}  # of a number on a line
_THINNEST, _THICKEST = 0.4, 2.8  # points, of lines


@dataclass
class _Column:
    """The neurons of a layer, and the functions that its outputs go through; the first column is that of the inputs."""

    width: int
    neurons: list[Neuron] = field(default_factory=list)
    functions: list[Callable[[Any], Any]] = field(default_factory=list)

    def describe(self) -> str:
        """The activations of the layer, in words."""
        names = dict.fromkeys([_name_function(n.activation) if n.nonlin else "linear" for n in self.neurons])
        return ", ".join([*names, *map(_name_function, self.functions)])

    def compute(self, x: list[float]) -> list[float]:
        """The outputs of the layer, as plain numbers."""
        steps: list[Any] = [lambda row: [neuron(row) for neuron in self.neurons]] if self.neurons else []
        y = Sequential(*steps, *self.functions)(x)
        numbers = [v.data if isinstance(v, Value) else to_float(v) for v in (y if isinstance(y, list) else [y])]
        if len(numbers) != self.width:
            raise ValueError(f"{self.describe()} makes {len(numbers)} numbers of {self.width}, which cannot be drawn")
        return numbers


@api_boundary
def draw_layers(
    model: Module,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    sample: Sequence[Any] | None = None,
) -> Drawing:
    """Draws the layers of a network, with its weights as lines: the thicker, the larger.

    Lines of positive weights are blue, those of negative ones orange and dashed; below a neuron stands its bias b. Of a
    layer of more than 8 nodes the first ones and the last one are shown.

    Args:
        model: An `MLP`, a `Sequential` of layers and functions, a `Layer`, a `Linear` or a `Neuron`.
        inputs: The names of the inputs; None takes x[0], x[1], ….
        outputs: The names of the outputs; None takes ŷ[0], ŷ[1], ….
        sample: One sample: the nodes then show their numbers at this sample.

    Returns:
        The drawing, which a notebook shows and `save` writes.

    Raises:
        TypeError: The model is another one.
        ValueError: There are more or fewer names than nodes, the layers do not fit together, or the sample does not fit
            the model.

    Example:
        >>> from tinygrad_edu import nn
        >>> draw_layers(nn.MLP(4, [16, 3], activation="tanh"), outputs=["Adelie", "Chinstrap", "Gentoo"])
        Drawing of a network 4-16-3
    """
    columns = _read_columns(model)
    for before, column in pairwise(columns):
        takes = len(column.neurons[0].w)
        if takes != before.width:
            raise ValueError(f"a layer takes {takes} inputs, and the one before has {before.width} outputs")
    ends = [(inputs, columns[0], "x", "inputs"), (outputs, columns[-1], "ŷ", "outputs")]
    names = []
    for given, column, letter, what in ends:
        default = [letter] if column.width == 1 else [f"{letter}[{i}]" for i in range(column.width)]
        names.append(default if given is None else [str(name) for name in given])
        if len(names[-1]) != column.width:
            raise ValueError(f"the model has {column.width} {what}, and there are {len(names[-1])} names of {what}")
    widths = "-".join(str(column.width) for column in columns)
    picture = _LayersPicture(columns, names, None if sample is None else _compute(columns, sample))
    return Drawing(picture.dot(f"a network {widths}"), sum(c.width for c in columns), f"a network {widths}")


def _read_columns(model: Any) -> list[_Column]:
    """The columns of a model; raises `TypeError` where it is not made of layers one after the other."""
    columns: list[_Column] = []
    first: list[Callable[[Any], Any]] = []  # the functions before the first layer
    waiting = [model]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, (MLP, Sequential)):
            waiting = [*(part.layers if isinstance(part, MLP) else part.modules), *waiting]
        elif isinstance(part, (Layer, Neuron)):
            neurons = [part] if isinstance(part, Neuron) else part.neurons
            columns = columns or [_Column(len(neurons[0].w), functions=first)]
            columns.append(_Column(len(neurons), neurons))
        elif isinstance(part, Module) or part is model or not callable(part):
            kinds = "an MLP, a Sequential of layers and functions, a Layer or a Neuron"
            raise TypeError(f"layers are drawn of {kinds}, not of {describe(part)}; draw(model(x)) draws any model")
        else:
            (columns[-1].functions if columns else first).append(part)
    if not columns:
        raise TypeError("there is no layer in this model; draw(model(x)) draws any model")
    return columns


def _compute(columns: Sequence[_Column], sample: Sequence[Any]) -> list[list[float]]:
    """The numbers of all nodes at a sample."""
    numbers = [x.data if isinstance(x, Value) else to_float(x) for x in sample]
    if len(numbers) != columns[0].width:
        raise ValueError(f"the model takes {columns[0].width} inputs a sample, not {len(numbers)}")
    values = []
    with no_grad():
        for column in columns:
            numbers = column.compute(numbers)
            values.append(numbers)
    return values


def _name_function(function: Any) -> str:
    return function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)


class _LayersPicture:
    """The places of the nodes, what is in them, and the lines between them."""

    def __init__(
        self, columns: Sequence[_Column], names: Sequence[Sequence[str]], values: Sequence[Sequence[float]] | None
    ) -> None:
        self.columns, self.values = columns, values
        self.names = {0: names[0], len(columns) - 1: names[1]}
        self.shown = [_choose(column.width) for column in columns]
        self.tallest = max(map(len, self.shown))
        weights = [abs(w) for k in range(1, len(columns)) for _, _, w in self._list_weights(k) if isfinite(w)]
        self.largest = max(weights, default=0.0)
        self.x = [0.0]
        boxes = [self._width_of_box(k) for k in range(len(columns))]
        for left, right in pairwise(boxes):
            self.x.append(self.x[-1] + left / 2 + _GAP + right / 2)

    def dot(self, title: str) -> str:
        """Writes the picture in DOT."""
        dot = make_picture("LR")
        dot.graph_attr.update(layout="neato", splines="line", outputorder="edgesfirst")
        dot.edge_attr.update(arrowhead="none", tailport="e", headport="w")
        top = _ROW * (self.tallest - 1) / 2
        for k in range(len(self.columns)):
            self._add_heading(dot, k, top + 31)
            self._add_nodes(dot, k)
            if k:
                self._add_lines(dot, k)
        middle = (self.x[0] + self.x[-1]) / 2
        _add_text(dot, "title", title, middle, top + 54, fontsize="10")
        self._add_legend(dot, middle, -top - 34)
        return str(dot.source)

    def _place(self, k: int, row: int) -> tuple[float, float]:
        return self.x[k], _ROW * ((len(self.shown[k]) - 1) / 2 - row)

    def _list_weights(self, k: int) -> list[tuple[int, int, float]]:
        """The rows of the two ends of each line to column k, and the weight."""
        pairs = [(a, i) for a, i in enumerate(self.shown[k - 1]) if i is not None]
        ends = [(b, j) for b, j in enumerate(self.shown[k]) if j is not None]
        return [(a, b, self.columns[k].neurons[j].w[i].data) for a, i in pairs for b, j in ends]

    def _width_of_box(self, k: int) -> float:
        """In points: a circle, or a box as wide as its longest line, at some 6 points a letter."""
        lines = [line for i in self.shown[k] if i is not None for line in self._write_node(k, i).split("\n")]
        return max([_NODE, *[6.0 * len(line) + 12.0 for line in lines]] if k in self.names else [_NODE])

    def _write_node(self, k: int, i: int) -> str:
        number = [] if self.values is None else [f"{self.values[k][i] + 0.0:.3g}"]
        name = [shorten(clean_text(self.names[k][i]), 24)] if k in self.names else []
        return " = ".join([*name, *number])

    def _add_heading(self, dot: Digraph, k: int, y: float) -> None:
        last = len(self.columns) - 1
        name = "inputs" if not k else "output" if k == last else f"layer {k}"
        column = self.columns[k]
        words = " × ".join([str(column.width), *[shorten(clean_text(column.describe()), 24)]]).removesuffix(" × ")
        _add_text(dot, f"heading{k}", f"{name}\n{words}", self.x[k], y)

    def _add_nodes(self, dot: Digraph, k: int) -> None:
        look = LOOKS["operation"] | {
            "shape": "circle",
            "fontsize": "6",
            "fixedsize": "true",
            "width": f"{_NODE / 72:.2f}",
        }
        if k in self.names:
            look = LOOKS["leaf"] if not k else LOOKS["operation"] | {"shape": "box"} | ROOT_LOOK
            look = look | {"width": f"{self._width_of_box(k) / 72:.2f}", "height": "0.25"}
        for row, i in enumerate(self.shown[k]):
            x, y = self._place(k, row)
            if i is None:
                hidden = self.columns[k].width - len(self.shown[k]) + 1
                _add_text(dot, f"n{k}_more", f"⋮\n{hidden:,} more", x, y)
                continue
            dot.node(f"n{k}_{row}", escape(self._write_node(k, i) or " ", r"\n"), pos=_pin(x, y), **look)
            bias = self.columns[k].neurons[i].b if k else None
            if bias is not None:
                _add_text(dot, f"b{k}_{row}", f"b {bias.data + 0.0:.3g}", x, y - 17, fontsize="7")

    def _add_lines(self, dot: Digraph, k: int) -> None:
        lines = self._list_weights(k)
        ends = [sum(i is not None for i in shown) for shown in (self.shown[k], self.shown[k - 1])]
        # where n lines meet at a node, their numbers are apart at 1 / (n + 1) of the way from it
        part = 1 / (ends[0] + 1) if ends[0] <= ends[1] else 1 - 1 / (ends[1] + 1)
        left, right = (self.x[k - 1] + self._width_of_box(k - 1) / 2, self.x[k] - self._width_of_box(k) / 2)
        for a, b, w in lines:
            size = abs(w) / self.largest if self.largest and isfinite(w) else 0.0
            look = (NEGATIVE if w < 0 else POSITIVE) | {"penwidth": f"{_THINNEST + (_THICKEST - _THINNEST) * size:.2f}"}
            dot.edge(f"n{k - 1}_{a}", f"n{k}_{b}", **look)
            if len(lines) <= MAX_NUMBERED:
                (_, y1), (_, y2) = self._place(k - 1, a), self._place(k, b)
                place = left + part * (right - left), y1 + part * (y2 - y1)
                _add_text(dot, f"w{k}_{a}_{b}", f"{w + 0.0:.3g}", *place, fontsize="7", **_CARD)

    def _add_legend(self, dot: Digraph, x: float, y: float) -> None:
        entries = ((POSITIVE, "positive weight", x - 142), (NEGATIVE, "negative weight", x - 36))
        for n, (look, words, left) in enumerate(entries):
            for end, place in (("a", left), ("b", left + 20)):
                dot.node(f"legend{n}{end}", "", pos=_pin(place, y), shape="point", style="invis", width="0")
            dot.edge(f"legend{n}a", f"legend{n}b", **look, penwidth="1.5")
            _add_text(dot, f"legend{n}", words, left + 55, y, fontsize="8")
        _add_text(dot, "legend", f"the thickest is ±{self.largest:.3g}", x + 112, y, fontsize="8")


def _choose(n: int) -> list[int | None]:
    """The numbers of the nodes that are shown; None stands for those that are not."""
    return [*range(n)] if n <= MAX_SHOWN else [*range(MAX_SHOWN - 2), None, n - 1]


def _pin(x: float, y: float) -> str:
    """A place in points, in DOT, which Graphviz does not change."""
    return f"{x / 72:.4f},{y / 72:.4f}!"


def _add_text(dot: Digraph, name: str, text: str, x: float, y: float, **look: str) -> None:
    dot.node(name, escape(text, r"\n"), pos=_pin(x, y), shape="plaintext", **_TEXT_LOOK | look)
