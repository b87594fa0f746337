"""Where each node stands on the page: Graphviz lays the graph out, once, when the page is written.

A graph of more than `MAX_SINGLE` nodes is collapsed by neurons, layers or modules, as `_views.py` does it for pictures.
What is shown in a box is left to the page.
"""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from tinygrad_edu.engine import Value
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.viz import _render
from tinygrad_edu.viz._views import Group, collapsed, whole

MAX_SINGLE = 300
_SVG = "{http://www.w3.org/2000/svg}"
_SIZES = {"constant": (70, 26), "node": (140, 60)}  # width and height in pixels


def layout(nodes: Sequence[Value]) -> dict[str, Any]:
    """Boxes with their place and the numbers of their nodes, edges as paths between boxes, and the size of it all.

    `nodes` are in topological order. Graphviz's own coordinates are kept; `shift` moves them into the picture.
    """
    members = boxes(nodes)
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
    links: dict[tuple[int, int, int], list[list[int]]] = {}  # single edges are drawn singly, those of boxes as one
    for v in nodes:
        for k, x in enumerate(v._prev):
            ends = box_of[place[x]], box_of[place[v]]
            if ends[0] != ends[1]:
                links.setdefault((*ends, k if len(members) == len(nodes) else 0), []).append([place[v], k])
    lines += [f"{a} -> {b} [id=e{e}]" for e, (a, b, _) in enumerate(links)]
    drawn = ElementTree.fromstring(_render.svg("\n".join([*lines, "}"])))
    shift = re.findall(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", drawn[0].get("transform", ""))
    found = {g.get("id", ""): g for g in drawn.iter(f"{_SVG}g")}
    return {
        "boxes": [
            {"title": title, "nodes": group, **_corner(found[f"b{b}"])} for b, (title, group) in enumerate(members)
        ],
        "edges": [{"of": of, **_path(found[f"e{e}"])} for e, of in enumerate(links.values())],
        "size": [float(size) for size in drawn.get("viewBox", "").split()[2:]],
        "shift": [float(number) for number in shift[0]],
    }


def boxes(nodes: Sequence[Value]) -> list[tuple[str, list[int]]]:
    """Which nodes share a box, by their numbers, and what it is called; "" for a box of one node.

    >>> a = Value(2.0)
    >>> boxes([a, a * a])
    [('', [0]), ('', [1])]
    """
    if len(nodes) <= MAX_SINGLE:
        return [("", [i]) for i in range(len(nodes))]
    place = {v: i for i, v in enumerate(nodes)}
    view, _ = collapsed(whole(nodes[-1:]), nodes[-1:])
    return [
        (v.name, sorted([place[member] for member in v.members])) if isinstance(v, Group) else ("", [place[v]])
        for v in view
    ]


def _corner(group: ElementTree.Element) -> dict[str, float]:
    shape = group.find(f"{_SVG}polygon")
    assert shape is not None
    points = [tuple(map(float, point.split(","))) for point in shape.get("points", "").split()]
    xs, ys = zip(*points)
    return {"x": min(xs), "y": min(ys), "w": round(max(xs) - min(xs), 2), "h": round(max(ys) - min(ys), 2)}


def _path(group: ElementTree.Element) -> dict[str, str]:
    line, head = group.find(f"{_SVG}path"), group.find(f"{_SVG}polygon")
    assert line is not None
    assert head is not None
    return {"line": line.get("d", ""), "head": head.get("points", "")}
