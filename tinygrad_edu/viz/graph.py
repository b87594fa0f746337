"""Draws computation graphs and array programs.

`draw` makes the picture; `trace` and `draw_dot` are those of the micrograd lecture, for programs that use them. Which
nodes are shown is left to `_views.py`, how they look to `_appearance.py`, array programs to `_programs.py`, layout and
file formats to `_render.py`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tinygrad_edu._io import write
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, describe
from tinygrad_edu.graph import topological_order
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.viz import _views

from ._appearance import LOOKS, Derivatives, GraphPicture, Rankdir, align_left, make_picture
from ._digraph import Digraph, escape
from ._programs import ProgramSheet
from ._render import MimeBundle, to_html, to_mimebundle, to_pdf, to_png, to_svg
from ._views import Box, GraphView, NodeGroup

MAX_SINGLE_NODES = 200  # a graph of more is drawn in groups
MAX_OPENED_NODES = 100  # of graphs whose fused nodes are opened by default, products and sums counted
MAX_NOTEBOOK_NODES = 20_000  # a notebook does not draw a larger graph by itself
Parameters: TypeAlias = Module | Optimizer | Iterable[Value] | None
CONVERTERS: dict[str, Callable[[str], str | bytes]] = {".svg": str, ".png": to_png, ".pdf": to_pdf, ".html": to_html}


@api_boundary
def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """Finds the nodes and the edges of the graph behind a Value, as `trace` of the micrograd lecture does.

    Args:
        root: The Value at the end of the graph.

    Returns:
        The set of all nodes, the root among them, and the set of all edges, each a pair (input, output).

    Raises:
        TypeError: `root` is not a Value.

    Example:
        >>> a = Value(2.0)
        >>> nodes, edges = trace(a * a)
        >>> len(nodes), len(edges)
        (2, 1)
    """
    nodes = set(_find_nodes(root))
    return nodes, {(x, v) for v in nodes for x in v._prev}


@api_boundary
def draw_dot(
    root: Value,
    format: str = "svg",  # noqa: A002
    rankdir: Rankdir = "LR",
    *,
    max_nodes: int = MAX_SINGLE_NODES,
) -> Digraph:
    """Draws a graph as the micrograd lecture does: `label | data | grad` for each Value, and a node per operation.

    Args:
        root: The Value at the end of the graph.
        format: The format that `.render("name")` writes. "svg" and "png" need no program; others need Graphviz.
        rankdir: The direction from the leaves to the root: "LR" is to the right, "TB" down.
        max_nodes: A graph of more nodes is drawn in groups, as `draw` makes them: the layout of 2,400 nodes would take
            minutes, and its picture could not be read.

    Returns:
        A `graphviz.Digraph`, which a notebook shows.

    Raises:
        TypeError: `root` is not a Value, or `max_nodes` is no int.
        ValueError: The format or the direction does not exist.

    Example:
        >>> a = Value(2.0, label="a")
        >>> for line in draw_dot(a * a).source.splitlines()[-7:-1]:
        ...     print(line.strip())
        n0 [label="{ a | data 2.0000 | grad 0.0000 }" shape=record]
        n1 [label="{  | data 4.0000 | grad 0.0000 }" shape=record]
        n1_op [label="*"]
        n1_op -> n1
        n0 -> n1_op
        n0 -> n1_op
    """
    _check_max_nodes(max_nodes)
    view: GraphView = {v: v._prev for v in _find_nodes(root)}
    caption = ""
    if len(view) > max_nodes:
        view, caption = _collapse(view, [root])
    dot = make_picture(rankdir, [caption])
    dot.format = format
    dot.node_attr.update({key: LOOKS["operation"][key] for key in ("style", "fillcolor", "color")})
    names: dict[Box | None, str] = {v: f"n{i}" for i, v in enumerate(view)}
    for v, inputs in view.items():
        target = names[v]
        if isinstance(v, NodeGroup):
            dot.node(target, align_left([v.name, f"{len(v.members):,} nodes"]), shape=LOOKS["group"]["shape"])
        else:
            fields = escape(v.label, r"\n"), f"data {v.data:.4f}", f"grad {v.grad:.4f}"
            dot.node(target, f"{{ {' | '.join(fields)} }}", shape="record")
            if inputs:
                target = f"{names[v]}_op"
                dot.node(target, escape(v._op or " ", r"\n"))
                dot.edge(target, names[v])
        for x in inputs:
            dot.edge(names[x], target)
    return dot


@api_boundary
def draw(
    value: Value | Iterable[Value] | Program,
    *,
    rankdir: Rankdir = "LR",
    derivatives: Derivatives = True,
    expand: bool | None = None,
    focus: Value | None = None,
    depth: int | None = None,
    parameters: Parameters = None,
    legend: bool = True,
    max_nodes: int = MAX_SINGLE_NODES,
) -> "Drawing":
    """Draws the graph behind one or several Values, or an array program, with the numbers that it has now.

    In a graph, leaves are rounded blue boxes, parameters green boxes with a double frame, constants grey ellipses, and
    operations light boxes that begin with their symbol. Roots are orange with a thick frame. Arrows go from inputs to
    outputs. They show the local derivative ∂output/∂input: its formula and its number. An arrow is the thicker, the
    larger the gradient ∂L/∂output · ∂output/∂input that flows back along it.

    A picture has no background, and can be read on a light page and on a dark one. It is never wider than its place.

    In a program, boxes are arrays with their shapes. The box of a statement begins with the symbols of its operations,
    `@` for a matrix product, and has the formula that `print(program)` shows. Statements for gradients are grey. A loop
    has a frame around its statements.

    Args:
        value: A Value, several Values in a list, or a program, as `record` returns it.
        rankdir: The direction from the leaves to the root: "LR" is to the right, "TB" down.
        derivatives: What arrows show: True is formula and number, "formula" or "number" one of them, False neither. A
            program is drawn without the statements for gradients if it is False.
        expand: True opens each `dot` into products and their sum, False does not; None opens them in small graphs. In
            groups they stay closed.
        focus: A node, such as a parameter: only the paths between it and the root are drawn. A box says how many of its
            inputs are not shown.
        depth: Only nodes from which so many arrows lead to the root, or fewer, are drawn.
        parameters: The leaves that are parameters: a model, an optimizer, or Values such as [w, b].
        legend: Whether a line below the picture says what arrows and frames mean.
        max_nodes: A graph of more nodes is drawn in groups: by neuron, layer or name. The picture says so.

    Returns:
        The drawing, which a notebook shows and `save` writes.

    Raises:
        TypeError: `value` is neither a Value, nor Values, nor a program; or a program has got `expand`, `focus`,
            `depth` or `parameters`.
        ValueError: The list is empty; the direction, `derivatives` or the depth is not allowed; or the focus is not a
            node of the graph.

    Example:
        >>> w, x = Value(2.0, label="w"), Value(-3.0, label="x")
        >>> draw(w * x + 10.0)
        Drawing of 5 nodes
    """
    _check_max_nodes(max_nodes)
    if derivatives not in (True, False, "formula", "number"):
        raise ValueError(f"derivatives is True, False, 'formula' or 'number', not {derivatives!r}")
    if isinstance(value, Program):
        given = {"expand": expand, "focus": focus, "depth": depth, "parameters": parameters}
        if unfit := [name for name, wish in given.items() if wish is not None]:
            raise TypeError(f"{unfit[0]} is for the graph of a Value; a program is drawn with all of its statements")
        picture = ProgramSheet(value, bool(derivatives), max_nodes)
        return Drawing(picture.dot(rankdir, legend), picture.nodes, picture.caption)
    roots = _check_roots(value)
    view = _views.view_all(roots)
    if focus is not None:
        if not isinstance(focus, Value):
            raise TypeError(f"focus is a Value, not {type(focus).__name__}")
        view = _views.keep_paths(view, focus)
        roots = [root for root in roots if root in view]
    if depth is not None:
        view = _views.keep_near(view, roots, depth)
    caption, nodes, drawn_roots = "", len(view), set[Box](roots)
    if nodes > max_nodes:
        kept = roots if focus is None or focus not in view else [focus, *roots]
        view, caption = _collapse(view, kept)
    elif expand is not False:
        opened, stands_for = _views.open_fused(view)
        if expand or len(opened) <= MAX_OPENED_NODES:
            view, nodes = opened, len(opened)
            drawn_roots = {stands_for.get(root, root) for root in roots}
    known = {*read_parameters(parameters)}
    return Drawing(GraphPicture(view, drawn_roots, known, derivatives).dot(rankdir, legend, caption), nodes, caption)


def draw_for_notebook(value: Value) -> MimeBundle:
    """Draws the graph of a Value for a notebook, which shows its text if there is no picture.

    A leaf has none, nor has a very large graph, nor any graph where Graphviz is missing.
    """
    try:
        return to_mimebundle(draw(value).svg) if 1 < len(_find_nodes(value)) <= MAX_NOTEBOOK_NODES else ({}, {})
    except ImportError:
        return {}, {}


class Drawing:
    """A picture of a graph, with the numbers that it had when it was drawn; a notebook shows it.

    Args:
        dot: The picture in Graphviz's language DOT.
        nodes: The number of nodes, products and sums of opened nodes included.
        caption: What the picture says about its groups; "" if it has none.
    """

    def __init__(self, dot: str, nodes: int, caption: str = "") -> None:
        self.dot = dot
        self.nodes = nodes
        self.caption = caption
        self._svg = ""

    @property
    def svg(self) -> str:
        """The picture as an `<svg>` element."""
        self._svg = self._svg or to_svg(self.dot)  # no `cached_property`: its lock, in Python 3.11, outlives a fork
        return self._svg

    @api_boundary
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture to a file. If writing fails, an older file stays as it was.

        Args:
            path: The name of the file. Its suffix is the format: .svg, .png, .pdf, .html, or .dot for the source.

        Raises:
            ValueError: The suffix is another one.
            OSError: The file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".dot", *CONVERTERS):
            raise ValueError(
                f"cannot save a drawing as {os.fspath(path)!r}: its suffix must be .svg, .png, .pdf, .html or .dot"
            )
        write(path, self.dot if suffix == ".dot" else CONVERTERS[suffix](self.svg))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        return to_mimebundle(self.svg)

    def __repr__(self) -> str:
        return f"Drawing of {self.caption or f'{self.nodes} node' + 's' * (self.nodes != 1)}"


def _find_nodes(root: Value) -> list[Value]:
    if not isinstance(root, Value):
        raise TypeError(f"the root of a graph is one Value, not {type(root).__name__}")
    return topological_order(root)


def _check_roots(value: Value | Iterable[Value]) -> list[Value]:
    if isinstance(value, Value):
        return [value]
    roots: list[Value] = list(value) if isinstance(value, Iterable) else [value]
    for root in roots:
        if not isinstance(root, Value):
            raise TypeError(f"the root of a graph is a Value, or several in a list, not {describe(root)}")
    if not roots:
        raise ValueError("there is no Value to draw: the list is empty")
    return list(dict.fromkeys(roots))


def _check_max_nodes(max_nodes: object) -> None:
    if not hasattr(max_nodes, "__index__"):
        raise TypeError(f"max_nodes is an int, not {describe(max_nodes)}")


def _collapse(view: GraphView, kept: Sequence[Value]) -> tuple[GraphView, str]:
    """Puts the nodes of a view into groups; also returned is what the picture says about them."""
    groups, kind = _views.collapse(view, kept)
    return groups, f"{len(view):,} nodes, in groups" + f" by {kind}" * bool(kind)


def read_parameters(parameters: Parameters) -> list[Value]:
    """The parameters that a model owns, an optimizer moves, or somebody names."""
    if parameters is None:
        return []
    if isinstance(parameters, Module):
        parameters = parameters.parameters()
    elif isinstance(parameters, Optimizer):
        parameters = parameters.params
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"parameters are Values in a list, as [w, b], or a model, or an optimizer, not {describe(parameters)}"
        )
    known = list(parameters)
    for p in known:
        if not isinstance(p, Value):
            raise TypeError(f"parameters are Values, as model.parameters() has them, not {describe(p)}")
    return known
