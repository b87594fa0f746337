"""Animates a graph: values flow forward node by node, then gradients flow back and add up.

The picture is drawn once; the frames differ in the numbers that are shown and in what is highlighted. How frames
become an animation is left to `_player.py`.
"""

import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import FLOATS
from tinygrad_edu.viz import _views

from ._appearance import THINNEST, GraphPicture, Rankdir, format_number
from ._formulas import write_formula
from ._player import Animation, make_animation
from ._render import FONT, SVG_NAMESPACE, shorten, to_png, to_svg
from .graph import MAX_OPENED_NODES

MAX_ANIMATED_NODES = 100  # more would be too small to read, and would take too long to watch
_FORWARD, _BACKWARD = "#0072B2", "#D55E00"
_MAX_WIDTH, _MIN_WIDTH = 1600, 360  # pixels, and points: room for a line of words
_FOOTER = 20  # points below the graph, for the words of a frame


class FrameContent(NamedTuple):
    """What a frame shows: words, the node at work and its colour, and which numbers are known."""

    words: str
    node: Value | None
    colour: str
    data: frozenset[Value]  # the nodes with a number
    grads: dict[Value, str]
    passed_on: frozenset[Value]  # the nodes whose local derivatives have been used


@api_boundary
def animate_graph(
    value: Value,
    *,
    rankdir: Rankdir = "LR",
    seconds: float = 1.0,
    progress: bool | None = None,
) -> Animation:
    """Animates the graph behind a Value: values flow forward node by node, then gradients flow back.

    Each frame highlights one operation and the arrows to it. In the backward pass the arrows show their local
    derivatives, and the gradients of the inputs grow term by term: ∂L/∂x += ∂L/∂y · ∂y/∂x. The gradients are those of
    this Value alone, and the `.grad` of the nodes stays as it is.

    Args:
        value: The root of the graph, of at most 100 nodes.
        rankdir: The direction from the leaves to the root: "LR" is to the right, "TB" down.
        seconds: How long each frame is shown.
        progress: Whether a bar shows how many frames are done; None shows it in a terminal and in a notebook.

    Returns:
        The animation, which a notebook shows; `save("x.gif")` or `save("x.html")` writes it.

    Raises:
        TypeError: `value` is not a Value.
        ValueError: The direction is another one, or the graph has more than 100 nodes.
        ZeroDivisionError: A local derivative is infinite, as in `backward()`.

    Example:
        >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
        >>> len(animate_graph(a * b + a))  # the leaves; * + forward; 1 at the root; + * backward; the end
        7
    """
    if not isinstance(value, Value):
        raise TypeError(f"the root of a graph is one Value, not {type(value).__name__}")
    order = topological_order(value)
    if len(order) > MAX_ANIMATED_NODES:
        raise ValueError(
            f"the graph has {len(order)} nodes, and at most {MAX_ANIMATED_NODES} can be followed: animate a part"
        )
    kept = [v.grad for v in order]
    try:
        for v, g in zip(order, grad(value, order)):
            v.grad = g
        view, stands_for = _views.open_fused(_views.view_all([value]))
        if len(view) > MAX_OPENED_NODES:
            view, stands_for = _views.view_all([value]), {}
        root = stands_for.get(value, value)
        graph = GraphPicture(view, {root}, set(), True)
        svg = to_svg(graph.dot(rankdir, False, ""))
    finally:
        for v, g in zip(order, kept):
            v.grad = g
    inputs = {v: tuple([x for x in xs if isinstance(x, Value)]) for v, xs in view.items() if isinstance(v, Value)}
    assert isinstance(root, Value)
    # a constant is written as its number
    names = {v: " ".join(str(v.label).split()) or graph.names.get(v, "") for v in inputs if v._rule is not CONSTANT}
    picture = _DrawnGraph(svg, inputs)
    contents = list(_list_frames(inputs, root, names))
    n = len(contents)
    samples = {i: picture.frame(contents[i]) for i in {n // 4, 3 * n // 4, n - 1}}
    width, height = samples[n - 1].size
    sheet = Image.new("RGB", (width, height * len(samples)))
    for row, i in enumerate(sorted(samples)):
        sheet.paste(samples[i], (0, row * height))
    frames = ((content.words, samples.get(i) or picture.frame(content)) for i, content in enumerate(contents))
    title = "values flow forward, gradients flow back"
    return make_animation(frames, n, colours_of=sheet, seconds=seconds, progress=progress, title=title)


def _list_frames(
    inputs: dict[Value, tuple[Value, ...]], root: Value, names: dict[Value, str]
) -> Iterator[FrameContent]:
    """Lists what the frames show, in order: the leaves, the operations forward, the root, the operations backward."""
    operations = [v for v, xs in inputs.items() if xs]
    known = {v for v, xs in inputs.items() if not xs}
    yield FrameContent("the leaves have their numbers", None, _FORWARD, frozenset(known), {}, frozenset())
    for v in operations:
        known.add(v)
        text = write_formula(v._rule, [names.get(x) or _bracket_negative(x.data) for x in inputs[v]])
        text = re.sub(r"\((\(-[^()]*\))\)", r"\1", text)  # tanh((-2)) needs the brackets of the function only
        words = f"forward: {text} = {v.data:.4g}"
        yield FrameContent(words, v, _FORWARD, frozenset(known), {}, frozenset())
    everything, gradients, done = frozenset(known), {root: 1.0}, set[Value]()
    words = f"backward: the gradient of {_name_node(root, names)} in itself is 1"
    yield FrameContent(words, root, _BACKWARD, everything, _write_gradients(gradients), frozenset())
    for v in reversed(operations):
        done.add(v)
        g, terms = gradients.get(v, 0.0), []
        for x, slope in zip(inputs[v], v._rule.derivatives(FLOATS, v.data, *[x.data for x in inputs[v]])):
            if x._rule is not CONSTANT:
                gradients[x] = gradients.get(x, 0.0) + g * slope
                terms.append(f"grad of {_name_node(x, names)} += {g:.4g} · {_bracket_negative(slope)}")
        words = "backward: " + ", ".join(terms)
        yield FrameContent(words, v, _BACKWARD, everything, _write_gradients(gradients), frozenset(done))
    words = "every node has its gradient"
    yield FrameContent(words, None, _BACKWARD, everything, _write_gradients(gradients), frozenset(done))


def _name_node(v: Value, names: dict[Value, str]) -> str:
    return names.get(v) or f"{v._op} ({v.data:.4g})"


def _bracket_negative(x: float) -> str:
    """Writes a number inside a formula, a negative one in brackets."""
    return f"({x:.4g})" if x < 0 else f"{x:.4g}"


def _write_gradients(gradients: dict[Value, float]) -> dict[Value, str]:
    return {v: f"grad {format_number(g)}" for v, g in gradients.items()}


class _DrawnGraph:
    """The SVG of a graph: the boxes of the nodes, the lines of text in them, and the arrows to them."""

    def __init__(self, svg: str, inputs: dict[Value, tuple[Value, ...]]) -> None:
        self._root = ElementTree.fromstring(svg)
        x, y, width, height = map(float, self._root.attrib["viewBox"].split())
        self._width = max(width, _MIN_WIDTH)
        self._root.attrib |= {
            "viewBox": f"{x} {y} {self._width} {height + _FOOTER}",
            "width": f"{self._width}pt",
            "height": f"{height + _FOOTER}pt",
        }
        look = {"x": str(x + 8), "y": str(y + height + _FOOTER / 2), "font-size": "10", "font-family": FONT}
        self._words = ElementTree.SubElement(self._root, f"{SVG_NAMESPACE}text", look)
        groups: dict[str, list[Element]] = {}
        for group in self._root.iter(f"{SVG_NAMESPACE}g"):
            groups.setdefault(group.findtext(f"{SVG_NAMESPACE}title", ""), []).append(group)
        ids = {v: f"n{i}" for i, v in enumerate(inputs)}
        self._boxes = {v: groups[name][0] for v, name in ids.items()}
        self._arrows = {
            v: [arrow for x in dict.fromkeys(xs) for arrow in groups[f"{ids[x]}->{ids[v]}"]] for v, xs in inputs.items()
        }
        self._lines = {v: [*box.iter(f"{SVG_NAMESPACE}text")] for v, box in self._boxes.items()}
        self._numbers = {v: lines[-2].text or "" for v, lines in self._lines.items() if v._rule is not CONSTANT}
        self._widths = {
            part: part.get("stroke-width", "1")
            for arrows in self._arrows.values()
            for part in chain.from_iterable(arrows)
            if "stroke" in part.attrib
        }

    def frame(self, content: FrameContent) -> Image.Image:
        """Draws a frame, in pixels."""
        self._words.text = shorten(content.words, int(self._width / 6))
        self._words.set("fill", content.colour)
        for v, lines in self._lines.items():
            if v._rule is not CONSTANT:
                number, gradient = lines[-2:]
                number.text = self._numbers[v] if v in content.data else self._numbers[v].rpartition(" = ")[0]
                gradient.text = content.grads.get(v, "")
            is_passed = v in content.passed_on
            for arrow in self._arrows[v]:
                for part in self._widths.keys() & set(arrow):
                    part.set("stroke-width", self._widths[part] if is_passed else str(THINNEST))
                for text in arrow.iter(f"{SVG_NAMESPACE}text"):
                    text.set("visibility", "visible" if is_passed else "hidden")
        changed = [] if content.node is None else [self._boxes[content.node]]
        if content.node is not None and (content.colour == _FORWARD or content.node in content.passed_on):
            changed += self._arrows[content.node]
        before = [(part, dict(part.attrib)) for group in changed for part in group if "stroke" in part.attrib]
        for part, _ in before:
            part.attrib |= {"stroke": content.colour, "stroke-width": "2.5"}
        scale = min(2.0, _MAX_WIDTH / self._width)
        png = to_png(ElementTree.tostring(self._root, encoding="unicode"), scale, "white")
        for part, attributes in before:
            part.attrib.clear()
            part.attrib |= attributes
        return Image.open(io.BytesIO(png))
