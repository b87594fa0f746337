"""Where each node stands on the explorer's page: Graphviz lays out the graph when the page is written.

A graph of more than `MAX_SINGLE_BOXES` nodes is collapsed by neurons, layers or modules, by `_views.py`. What a box
shows is left to the page.
"""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from tinygrad_edu.engine import Value
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.viz._render import SVG_NAMESPACE, to_svg
from tinygrad_edu.viz._views import NodeGroup, collapse, view_all

MAX_SINGLE_BOXES = 300
_SIZES = {"constant": (70, 26), "node": (140, 60)}  # width and height in pixels


def lay_out(nodes: Sequence[Value]) -> dict[str, Any]:
    """Lays out boxes, with the numbers of their nodes, and edges between boxes; also returned is the size of all.

    The `nodes` are in topological order. Coordinates are those of Graphviz; `shift` moves them into the picture.
    """
    members = make_boxes(nodes)
    box_of = {i: b for b, (_, group) in enumerate(members) for i in group}
    place = {v: i for i, v in enumerate(nodes)}
    lines = [
        "digraph {",
        "graph [rankdir=LR, ordering=in, nodesep=0.16, ranksep=0.5]",
        "node [shape=box, fixedsize=true]",
    ]
    for b, (_, group) in enumerate(members):
        is_constant = len(group) == 1 and nodes[group[0]]._rule is CONSTANT
        width, height = _SIZES["constant" if is_constant else "node"]
        lines.append(f'{b} [id=b{b}, label="", width={width / 72}, height={height / 72}]')
    links: dict[tuple[int, int, int], list[list[int]]] = {}  # edges between two groups are one edge
    for v in nodes:
        for k, x in enumerate(v._prev):
            ends = box_of[place[x]], box_of[place[v]]
            if ends[0] != ends[1]:
                links.setdefault((*ends, k if len(members) == len(nodes) else 0), []).append([place[v], k])
    lines += [f"{a} -> {b} [id=e{e}]" for e, (a, b, _) in enumerate(links)]
    drawn = ElementTree.fromstring(to_svg("\n".join([*lines, "}"])))
    shift = re.findall(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", drawn[0].get("transform", ""))
    found = {g.get("id", ""): g for g in drawn.iter(f"{SVG_NAMESPACE}g")}
    return {
        "boxes": [
            {"title": title, "nodes": group, **_read_box(found[f"b{b}"])} for b, (title, group) in enumerate(members)
        ],
        "edges": [{"of": of, **_read_arrow(found[f"e{e}"])} for e, of in enumerate(links.values())],
        "size": [float(size) for size in drawn.get("viewBox", "").split()[2:]],
        "shift": [float(number) for number in shift[0]],
    }


def make_boxes(nodes: Sequence[Value]) -> list[tuple[str, list[int]]]:
    """Puts nodes into boxes: each box has a name, "" for a single node, and the numbers of its nodes.

    >>> a = Value(2.0)
    >>> make_boxes([a, a * a])
    [('', [0]), ('', [1])]
    """
    if len(nodes) <= MAX_SINGLE_BOXES:
        return [("", [i]) for i in range(len(nodes))]
    place = {v: i for i, v in enumerate(nodes)}
    view, _ = collapse(view_all(nodes[-1:]), nodes[-1:])
    return [
        (v.name, sorted([place[member] for member in v.members])) if isinstance(v, NodeGroup) else ("", [place[v]])
        for v in view
    ]


def _read_box(group: ElementTree.Element) -> dict[str, float]:
    """Returns the corner of a box, its width and its height."""
    shape = group.find(f"{SVG_NAMESPACE}polygon")
    assert shape is not None
    points = [tuple(map(float, point.split(","))) for point in shape.get("points", "").split()]
    xs, ys = zip(*points)
    return {"x": min(xs), "y": min(ys), "w": round(max(xs) - min(xs), 2), "h": round(max(ys) - min(ys), 2)}


def _read_arrow(group: ElementTree.Element) -> dict[str, str]:
    """Returns the line and the head of an arrow."""
    line, head = group.find(f"{SVG_NAMESPACE}path"), group.find(f"{SVG_NAMESPACE}polygon")
    assert line is not None
    assert head is not None
    return {"line": line.get("d", ""), "head": head.get("points", "")}
