"""Draws one neuron at one sample: inputs times weights, their sum, the activation; of many inputs the largest terms.

The picture of a neuron of any width is one screen. Its numbers are those of the neuron, and nothing is computed on a
graph: the graph of a neuron, with all of its nodes, is drawn by `graph.py`.
"""

from collections.abc import Sequence
from math import fsum
from typing import Any

from tinygrad_edu._display import clean_text, format_numbers
from tinygrad_edu._validate import length, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, describe
from tinygrad_edu.modes import no_grad
from tinygrad_edu.nn import Neuron

from ._appearance import LOOKS, ROOT_LOOK, draw_bar, make_picture, stack
from ._digraph import escape
from ._render import shorten
from .graph import Drawing

MAX_TERMS = 12  # more would not fit on a screen


@api_boundary
def draw_neuron(neuron: Neuron, inputs: Sequence[Any], names: Sequence[str] | None = None) -> Drawing:
    """Draws how a neuron computes activation(w·x + b) at one sample: each input, its weight, their product, the sum.

    Of more than 12 inputs those with the largest products |wᵢxᵢ| are shown; one row sums up the rest. The
    gradients are those that the weights have now: call `backward()` before, or they are left out where all are 0.

    Args:
        neuron: The neuron, of n inputs.
        inputs: The sample, n numbers or Values.
        names: The names of the n inputs; None takes x[0], x[1], ….

    Returns:
        The drawing, which a notebook shows and `save` writes.

    Raises:
        TypeError: `neuron` is no `Neuron`, or an input is no number.
        ValueError: There are not n inputs, or not n names.

    Example:
        >>> neuron = Neuron(2, activation="tanh", init="zeros")
        >>> draw_neuron(neuron, [1.5, -2.0], ["age", "size"])
        Drawing of a neuron of 2 inputs
    """
    if not isinstance(neuron, Neuron):
        raise TypeError(f"a neuron is drawn, as model.layers[0].neurons[0], not {describe(neuron)}")
    xs = [x.data if isinstance(x, Value) else to_float(x) for x in inputs]
    names = [f"x[{i}]" for i in range(len(xs))] if names is None else list(names)
    for what, things in (("inputs", xs), ("names", names)):
        if length(what, things) != len(neuron.w):
            raise ValueError(f"this neuron has {len(neuron.w)} inputs, and there are {len(things)} {what}")
    return Drawing(_NeuronPicture(neuron, xs, names).dot(), 0, f"a neuron of {_count_inputs(len(xs))}")


def _count_inputs(n: int) -> str:
    return f"{n:,} input{'s' * (n != 1)}"


class _NeuronPicture:
    """A table of products, and to its right the boxes of their sum and of the output."""

    def __init__(self, neuron: Neuron, xs: Sequence[float], names: Sequence[str]) -> None:
        self.neuron, self.xs, self.names = neuron, xs, names
        self.products = [w.data * x for w, x in zip(neuron.w, xs)]
        by_size = sorted(range(len(xs)), key=lambda i: -abs(self.products[i]))
        self.shown, self.rest = by_size[:MAX_TERMS], by_size[MAX_TERMS:]

    def dot(self) -> str:
        """Writes the picture in DOT."""
        bias = self.neuron.b is not None
        z = fsum([*self.products, self.neuron.b.data if bias else 0.0])
        boxes = [("+", "w·x + b" if bias else "w·x", z)]
        name = self.neuron.activation if isinstance(self.neuron.activation, str) else "activation"
        if self.neuron.nonlin and name != "linear":
            with no_grad():
                boxes.append((name, f"{name}({boxes[0][1]})", self.neuron(list(self.xs)).data))
        label, _, end = str(self.neuron.w[0].label).rpartition(".")
        title = f"{label if end.startswith('w[') and label else 'a neuron'} of {_count_inputs(len(self.xs))}"
        dot = make_picture("LR", [f"{title}: {boxes[-1][1]} = {boxes[-1][2]:.4g}"])
        dot.graph_attr.update(ranksep="0.3")
        # a record is a table: columns side by side, the cells of each one below the other
        table = "|".join("{" + "|".join(cells) + "}" for cells in self._write_columns())
        dot.node("terms", "{" + table + "}", **LOOKS["operation"])
        before = "terms"
        for symbol, formula, number in boxes:
            fields = escape(symbol, r"\n"), escape(f"{formula}\n= {number:.4g}", r"\n")
            dot.node(formula, stack(fields, "LR"), **LOOKS["operation"])
            dot.edge(before, formula)
            before = formula
        dot.node(before, **ROOT_LOOK)
        return str(dot.source)

    def _write_columns(self) -> list[list[str]]:
        """The cells of each column from top to bottom, in DOT: a header, the terms, the rest, the bias."""
        w, b = [self.neuron.w[i] for i in self.shown], self.neuron.b
        products = [self.products[i] for i in self.shown]
        gradients = [v.grad or 0.0 for v in w]  # PyTorch's users set a gradient to None
        columns = [
            ["input", *[clean_text(shorten(str(self.names[i]), 28)) for i in self.shown]],
            ["x", *format_numbers([self.xs[i] for i in self.shown], 3)],
            ["weight w", *format_numbers([v.data for v in w], 3)],
            ["w·x", *format_numbers(products, 3)],
            ["size", *[draw_bar(abs(product), abs(products[0])) for product in products]],
            ["∂L/∂w", *format_numbers(gradients, 3)],
        ]
        if self.rest:
            steepest = max(abs(self.neuron.w[i].grad or 0.0) for i in self.rest)
            words = f"{len(self.rest):,} more, smaller"
            together = fsum(self.products[i] for i in self.rest)
            _append(columns, [words, "", "", f"{together:.4g}", "", f"up to ±{steepest:.4g}"])
        if b is not None:
            _append(columns, ["bias b", "", f"{b.data:.4g}", f"{b.data:.4g}", "", f"{b.grad or 0.0:.4g}"])
        if not any(p.grad for p in self.neuron.parameters()):
            columns.pop()  # nothing has gone backward
        ends = [r"\l", *[r"\r"] * 3, r"\l", r"\r"]
        return [[escape(cell or " ", end) + end for cell in column] for column, end in zip(columns, ends)]


def _append(columns: Sequence[list[str]], row: Sequence[str]) -> None:
    for column, cell in zip(columns, row):
        column.append(cell)
