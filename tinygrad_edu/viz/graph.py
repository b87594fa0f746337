"""Pictures of computation graphs and of array programs, to look at and to save.

`draw` makes the picture to look at; `trace` and `draw_dot` are those of the micrograd lecture, for programs that use
them. Which nodes are shown is left to `_views.py`, what they look like to `_appearance.py`, array programs to
`_programs.py`, layout and file formats to `_render.py`.
"""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from tinygrad_edu._io import write
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import described
from tinygrad_edu.graph import topological_order
from tinygrad_edu.viz import _render, _views

from ._appearance import Derivatives, Rankdir, Sheet
from ._digraph import Digraph, escaped
from ._programs import ProgramSheet
from ._views import Node

MAX_NODES = 200  # a graph of more is drawn in groups
MAX_OPENED = 100  # up to so many nodes, products and sums included, fused nodes are opened unasked
MAX_UNASKED = 20_000  # a notebook draws a Value of more only when it is told to


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """The nodes of the graph behind `root`, and its edges as pairs (input, output). Source: the micrograd lecture.

    >>> a = Value(2.0)
    >>> nodes, edges = trace(a * a)
    >>> len(nodes), len(edges)
    (2, 1)
    """
    nodes = set(_nodes(root))
    return nodes, {(x, v) for v in nodes for x in v._prev}


def draw_dot(root: Value, format: str = "svg", rankdir: Rankdir = "LR") -> Digraph:  # noqa: A002
    """The graph as in the micrograd lecture: `label | data | grad` for each Value, and a node for each operation.

    `rankdir` is the direction from the leaves to the root: "LR" to the right, "TB" down. A notebook shows what is
    returned; `.render("name")` writes it in `format`. Raises `ValueError` for any other format or direction.

    >>> a = Value(2.0, label="a")
    >>> print(draw_dot(a * a).source.expandtabs(4))
    digraph "computation graph" {
        graph [ordering=in rankdir=LR]
        node [fontname="DejaVu Sans"]
        n0 [label="{ a | data 2.0000 | grad 0.0000 }" shape=record]
        n1 [label="{  | data 4.0000 | grad 0.0000 }" shape=record]
        n1_op [label="*"]
        n1_op -> n1
        n0 -> n1_op
        n0 -> n1_op
    }
    <BLANKLINE>
    """
    names = {v: f"n{i}" for i, v in enumerate(_nodes(root))}
    dot = Digraph("computation graph", format=format, graph_attr={"rankdir": _checked(rankdir), "ordering": "in"})
    dot.node_attr["fontname"] = _render.FONT
    for v, name in names.items():
        fields = escaped(v.label, r"\n"), f"data {v.data:.4f}", f"grad {v.grad:.4f}"
        dot.node(name, f"{{ {' | '.join(fields)} }}", shape="record")
        if v._prev:
            dot.node(f"{name}_op", escaped(v._op or " ", r"\n"))
            dot.edge(f"{name}_op", name)
        for x in v._prev:
            dot.edge(names[x], f"{name}_op")
    return dot


def draw(
    value: Value | Iterable[Value] | Program,
    *,
    rankdir: Rankdir = "LR",
    derivatives: Derivatives = True,
    expand: bool | None = None,
    focus: Value | None = None,
    depth: int | None = None,
    parameters: Iterable[Value] | None = None,
    legend: bool = True,
    max_nodes: int = MAX_NODES,
) -> "Drawing":
    """The picture of the graph behind a Value, or behind several, with the data and the gradients that it has now; or
    the picture of an array program, as `record` gives it.

    Leaves are rounded blue boxes, parameters green ones with a double frame, constants grey ellipses with their number,
    operations white boxes that open with their symbol; roots have an orange fill and a thick frame. Squares show how
    large a gradient is beside the largest one. Arrows go from inputs to outputs, the inputs of an operation in their
    order, and bear the local derivative ∂output/∂input: its formula, and its number.

    >>> w, x = Value(2.0, label="w"), Value(-3.0, label="x")
    >>> draw(w * x + 10.0)
    Drawing of 5 nodes

    Of a program it shows the blocks of numbers with their shapes, and the statements between them: a box opens with the
    symbol of its operation, `@` for a matrix product, and has its formula, W0ᵀ being the transpose of W0. Gradients are
    grey, and left out with `derivatives=False`; a loop has a frame around its statements.

    - `rankdir`: the direction from the leaves to the root, "LR" to the right, "TB" down.
    - `derivatives`: False leaves them out, "formula" and "number" show one of the two.
    - `expand`: True opens each `dot` into its products and their sum, False does not; unasked, small graphs are opened.
      In groups it stays closed.
    - `focus`: only the paths between this node, a parameter say, and the root. `depth`: only nodes from which so many
      arrows lead to the root, or fewer. A box says how many of its inputs are left out.
    - `parameters`: the leaves that are parameters, as `model.parameters()`; unasked those with a name of one: w, b, θ,
      weight, bias, with or without a number, and those that a module has labelled.
    - `legend`: whether the picture explains itself.
    - `max_nodes`: if there are more, the picture shows them in groups, by neuron, layer or name, and says so.

    Raises `TypeError` for what is no Value, and for `expand`, `focus`, `depth` or `parameters` of a program;
    `ValueError` for no Value at all, for another direction or switch, a depth below 0, and a focus that is no part of
    the graph.
    """
    _checked(rankdir)
    if not hasattr(max_nodes, "__index__"):
        raise TypeError(f"max_nodes is an int, not {described(max_nodes)}")
    if derivatives not in (True, False, "formula", "number"):
        raise ValueError(f"derivatives is True, False, 'formula' or 'number', not {derivatives!r}")
    if isinstance(value, Program):
        given = {"expand": expand, "focus": focus, "depth": depth, "parameters": parameters}
        if unfit := [name for name, wish in given.items() if wish is not None]:
            raise TypeError(f"{unfit[0]} is for the graph of a Value; a program is drawn with all of its statements")
        picture = ProgramSheet(value, bool(derivatives), max_nodes)
        return Drawing(picture.dot(rankdir, legend), picture.nodes, picture.caption)
    roots = _roots(value)
    view = _views.whole(roots)
    if focus is not None:
        if not isinstance(focus, Value):
            raise TypeError(f"focus is a Value, not {type(focus).__name__}")
        view = _views.paths_from(view, focus)
        roots = [root for root in roots if root in view]
    if depth is not None:
        view = _views.near(view, roots, depth)
    caption, nodes, drawn_roots = "", len(view), set[Node](roots)
    if nodes > max_nodes:
        kept = roots if focus is None or focus not in view else [focus, *roots]
        view, kind = _views.collapsed(view, kept)
        caption = f"{nodes:,} nodes, in groups" + f" by {kind}" * bool(kind)
    elif expand is not False:
        opened, stands_for = _views.opened(view)
        if expand or len(opened) <= MAX_OPENED:
            view, nodes = opened, len(opened)
            drawn_roots = {stands_for.get(root, root) for root in roots}
    known = None if parameters is None else _known(parameters)
    return Drawing(Sheet(view, drawn_roots, known, derivatives).dot(rankdir, legend, caption), nodes, caption)


def picture(value: Value) -> str | None:
    """The SVG by which a notebook shows a Value; None for a very large graph, and where nothing can lay it out."""
    try:
        return draw(value).svg if len(_nodes(value)) <= MAX_UNASKED else None
    except ImportError:
        return None


class Drawing:
    """A picture of a graph as it was when it was drawn; a notebook shows it.

    `dot` is its source in Graphviz's language, `svg` the picture, `nodes` the number of nodes, products and sums of an
    opened one included, `caption` what the picture says of its groups, "" where it has none.
    """

    def __init__(self, dot: str, nodes: int, caption: str = "") -> None:
        self.dot = dot
        self.nodes = nodes
        self.caption = caption

    @cached_property
    def svg(self) -> str:
        return _render.svg(self.dot)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture as the suffix says: .svg, .png, .pdf, .html for a page, or .dot for the source.

        The file is written whole or not at all. Raises `ValueError` for any other suffix, `OSError` where it cannot be
        written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".dot":
            content: str | bytes = self.dot
        elif suffix in (".svg", ".png", ".pdf", ".html"):
            content = getattr(_render, suffix[1:])(self.svg) if suffix != ".svg" else self.svg
        else:
            raise ValueError(
                f"cannot save a drawing as {os.fspath(path)!r}: its suffix must be .svg, .png, .pdf, .html or .dot"
            )
        write(path, content)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing of {self.caption or f'{self.nodes} node' + 's' * (self.nodes != 1)}"


def _nodes(root: Value) -> list[Value]:
    if not isinstance(root, Value):
        raise TypeError(f"the root of a graph is one Value, not {type(root).__name__}")
    return topological_order(root)


def _checked(rankdir: str) -> str:
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir is 'LR' (left to right) or 'TB' (top to bottom), not {rankdir!r}")
    return rankdir


def _roots(value: Value | Iterable[Value]) -> list[Value]:
    if isinstance(value, Value):
        return [value]
    roots: list[Value] = list(value) if isinstance(value, Iterable) else [value]
    for root in roots:
        if not isinstance(root, Value):
            raise TypeError(f"the root of a graph is a Value, or several in a list, not {described(root)}")
    if not roots:
        raise ValueError("there is no Value to draw: the list is empty")
    return list(dict.fromkeys(roots))


def _known(parameters: Iterable[Value]) -> set[Value]:
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters are Values in a list, as [w, b], not {described(parameters)}")
    known = list(parameters)
    for p in known:
        if not isinstance(p, Value):
            raise TypeError(f"parameters are Values, as model.parameters() has them, not {described(p)}")
    return set(known)
