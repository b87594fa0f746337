"""Pictures of computation graphs: which boxes and arrows there are, and what is written in them, as DOT.

`draw` makes the picture to look at; `trace` and `draw_dot` are those of the micrograd lecture, for programs that use
them. Labels are hostile until escaped: all text passes `_escaped`. Layout and file formats are left to `render.py`.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import graphviz

from tinygrad_edu.engine import Value
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.storage import write
from tinygrad_edu.viz import render

Rankdir = Literal["LR", "TB"]
MAX_NODES = 500

# Told apart by shape, by fill and by frame, so that neither colour vision nor a colour printer is needed.
# Source of the hues: Okabe and Ito, "Color Universal Design", 2008; the fills are tints of them, for black text.
_LEAF = {"shape": "box", "style": "rounded,filled", "fillcolor": "#D9EEFA", "color": "#0072B2"}
_CONSTANT = {"shape": "ellipse", "style": "filled", "fillcolor": "#EEEEEE", "color": "#8C8C8C", "margin": "0.03,0.01"}
_OPERATION = {"shape": "record", "style": "filled", "fillcolor": "#FFFFFF", "color": "#333333"}
_ROOT = {"fillcolor": "#FDE7C8", "color": "#D55E00", "penwidth": "2.5"}


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """The nodes of the graph behind `root`, and its edges as pairs (input, output). Source: the micrograd lecture.

    >>> a = Value(2.0)
    >>> nodes, edges = trace(a * a)
    >>> len(nodes), len(edges)
    (2, 1)
    """
    nodes = set(_nodes(root))
    return nodes, {(x, v) for v in nodes for x in v._prev}


def draw_dot(root: Value, format: str = "svg", rankdir: Rankdir = "LR") -> "Digraph":  # noqa: A002
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
    dot.node_attr["fontname"] = render.FONT
    for v, name in names.items():
        fields = _escaped(v.label, r"\n"), f"data {v.data:.4f}", f"grad {v.grad:.4f}"
        dot.node(name, f"{{ {' | '.join(fields)} }}", shape="record")
        if v._prev:
            dot.node(f"{name}_op", _escaped(v._op or " ", r"\n"))
            dot.edge(f"{name}_op", name)
        for x in v._prev:
            dot.edge(names[x], f"{name}_op")
    return dot


def draw(value: Value, *, rankdir: Rankdir = "LR", max_nodes: int = MAX_NODES) -> "Drawing":
    """The picture of the graph behind a Value, with the data and the gradients that it has now.

    Leaves are rounded blue boxes, constants grey ellipses with their number, operations white boxes that open with
    their symbol; the root has an orange fill and a thick frame. Arrows go from inputs to outputs, the inputs of an
    operation in their order. `rankdir` is the direction from the leaves to the root: "LR" to the right, "TB" down.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> draw(a * b + 10.0)
    Drawing of 5 nodes

    Raises `TypeError` for what is no Value, `ValueError` for another direction, or for more than `max_nodes` nodes,
    which would take long to lay out and be too large to read.
    """
    nodes = _nodes(value)
    if len(nodes) > max_nodes:
        raise ValueError(
            f"the graph has {len(nodes)} nodes, and a picture of more than {max_nodes} is slow to make and hard to "
            f"read: draw a part of it, or all the same with draw(value, max_nodes={len(nodes)})"
        )
    names = {v: f"n{i}" for i, v in enumerate(nodes)}
    dot = Digraph("computation graph")
    # ordering=in puts a above b in a - b; the background is white so that the picture is legible on a dark page
    dot.graph_attr.update(rankdir=_checked(rankdir), ordering="in", bgcolor="white", pad="0.15", nodesep="0.2")
    dot.node_attr.update(fontname=render.FONT, fontsize="13", height="0.3", width="0.3", margin="0.12,0.06")
    dot.edge_attr.update(color="#555555", arrowsize="0.7")
    for v, name in names.items():
        dot.node(name, _text(v, rankdir), **_look(v) | (_ROOT if v is value else {}))
        for x in v._prev:
            dot.edge(names[x], name)
    return Drawing(dot.source, len(nodes))


def picture(value: Value) -> str | None:
    """The SVG by which a notebook shows a Value; None for a graph too large, and where nothing can lay it out."""
    try:
        return draw(value).svg if len(_nodes(value)) <= MAX_NODES else None
    except ImportError:
        return None


class Drawing:
    """A picture of a graph as it was when it was drawn; a notebook shows it.

    `dot` is its source in Graphviz's language, `svg` the picture.
    """

    def __init__(self, dot: str, nodes: int) -> None:
        self.dot = dot
        self.nodes = nodes

    @cached_property
    def svg(self) -> str:
        return render.svg(self.dot)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture as the suffix says: .svg, .png, or .dot for the source.

        The file is written whole or not at all. Raises `ValueError` for any other suffix, `OSError` where it cannot be
        written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".svg", ".png", ".dot"):
            raise ValueError(f"cannot save a drawing as {os.fspath(path)!r}: its suffix must be .svg, .png or .dot")
        write(path, self.dot if suffix == ".dot" else self.svg if suffix == ".svg" else render.png(self.svg))

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing of {self.nodes} node{'s' if self.nodes != 1 else ''}"


class Digraph(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graphviz.Digraph that makes SVG and PNG without the program `dot`; for all else it asks that program."""

    def pipe(self, format: str | None = None, *, encoding: str | None = None, **options: Any) -> Any:  # noqa: A002
        """The picture as bytes, or as text where an `encoding` is given."""
        kind = (format or self.format).lower()
        if not self._is_ours(kind, options):
            return super().pipe(kind, encoding=encoding, **options)
        picture = render.svg(self.source)
        content = picture.encode() if kind == "svg" else render.png(picture)
        return content if encoding is None else content.decode(encoding)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,  # noqa: A002
        outfile: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> str:
        """Writes the source and, beside it or as `outfile`, the picture; returns the name of the picture's file."""
        target = Path(outfile) if outfile is not None else None
        kind = (format or (target.suffix[1:] if target else self.format)).lower()
        if not self._is_ours(kind, options):
            options |= {"directory": directory, "view": view, "cleanup": cleanup, "format": format, "outfile": outfile}
            return str(super().render(filename, **options))
        content = self.pipe(kind)
        source = self.save(filename or (target and target.with_suffix(".gv")), directory=directory)
        picture = os.fspath(target or f"{source}.{kind}")
        write(picture, content)
        if cleanup:
            os.remove(source)
        if view:
            graphviz.view(picture)
        return picture

    def _is_ours(self, kind: str, options: dict[str, Any]) -> bool:
        wishes = [name for name, wish in options.items() if wish and not name.startswith("quiet")]  # we always are
        return kind in ("svg", "png") and self.engine == "dot" and not wishes


def _nodes(root: Value) -> list[Value]:
    if not isinstance(root, Value):
        raise TypeError(f"the root of a graph is one Value, not {type(root).__name__}")
    return topological_order(root)


def _checked(rankdir: str) -> str:
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir is 'LR' (left to right) or 'TB' (top to bottom), not {rankdir!r}")
    return rankdir


def _look(v: Value) -> dict[str, str]:
    return _CONSTANT if v._rule is CONSTANT else _OPERATION if v._prev else _LEAF


def _text(v: Value, rankdir: str) -> str:
    """What is written in the node of `draw`, as a label of DOT."""
    line_end = r"\n" if v._rule is CONSTANT else r"\l"  # centred in an ellipse, at the left in a box
    label = [_escaped(v.label, line_end)] if v.label else []
    if v._rule is CONSTANT:
        return line_end.join([*label, _number(v.data)])
    card = "".join(line + r"\l" for line in [*label, f"data {_number(v.data)}", f"grad {_number(v.grad)}"])
    if v._rule is LEAF:
        return card
    fields = "|".join([_escaped(v._op or " ", r"\n"), card])
    return f"{{{fields}}}" if rankdir == "LR" else fields  # a record lies down where the graph does, unless braced


def _number(x: float) -> str:
    return f"{x + 0.0:.6g}"  # + 0.0 makes 0 of -0, of which nobody learns anything


_MEANINGFUL = str.maketrans({c: "\\" + c for c in "\\{}|<>"} | {"&": "&amp;", "\t": " "})


def _escaped(text: object, line_end: str) -> str:
    """Text that means nothing but itself in a DOT label, be it of a record or not; graphviz adds the quotes.

    Source: https://graphviz.org/doc/info/shapes.html#record and https://graphviz.org/docs/attr-types/escString/
    """
    # an empty line makes Graphviz 16 read memory that it never wrote, and crash: a no-break space stands in for it
    lines = [line if line.strip() else "\u00a0" for line in render.legal(str(text)).splitlines()]
    return line_end.join(line.translate(_MEANINGFUL) for line in lines)
