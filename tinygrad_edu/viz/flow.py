"""A graph at work: values flow forward node by node, then gradients flow back and add up.

The picture is that of `draw`, laid out once; the frames differ in what is filled in and what is highlighted. How frames
become an animation is left to `_player.py`.
"""

import io
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

from tinygrad_edu.engine import Value
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import FLOATS
from tinygrad_edu.viz import _render, _views

from ._appearance import Rankdir
from ._formulas import formula
from ._player import Animation, rendered
from .graph import MAX_OPENED, draw

MAX_NODES = 100  # more would be too small to read, and too long to watch
_FORWARD, _BACKWARD = "#0072B2", "#D55E00"
_WIDEST, _NARROWEST = 1600, 480  # pixels, and points: room for a line of words
_LINE = 26  # points below the graph, for what happens in words
_SVG = "{http://www.w3.org/2000/svg}"


class Step(NamedTuple):
    """What a frame shows: words, the node at work with its colour, and the numbers that are known by then."""

    words: str
    node: Value | None
    colour: str
    data: frozenset[Value]
    grads: dict[Value, str]
    passed_on: frozenset[Value]  # the nodes whose local derivatives have been used


def animate_graph(
    value: Value,
    *,
    rankdir: Rankdir = "LR",
    seconds: float = 1.0,
    progress: bool | None = None,
) -> Animation:
    """The graph behind a Value at work: values flow forward node by node, then gradients flow back.

    Each step highlights one operation and the arrows to it; on the way back these show their local derivatives, and the
    gradients of the inputs grow by one term after the other. `rankdir` is the direction from the leaves to the root,
    "LR" to the right, "TB" down. The gradients are those of this value alone; those in the Values are left as they are.
    `progress` shows a bar; by default only in a terminal and in a notebook.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> len(animate_graph(a * b + a))  # the leaves; * + forward; 1 at the root; + * backward; the end
    7

    Raises `TypeError` for what is no Value, `ValueError` for another direction and for a graph of more than 100 nodes,
    and what `backward()` raises.
    """
    if not isinstance(value, Value):
        raise TypeError(f"the root of a graph is one Value, not {type(value).__name__}")
    order = topological_order(value)
    if len(order) > MAX_NODES:
        raise ValueError(f"the graph has {len(order)} nodes, and at most {MAX_NODES} can be followed: animate a part")
    kept = [v.grad for v in order]
    try:
        for v, g in zip(order, grad(value, order)):
            v.grad = g
        view, stands_for = _views.opened(_views.whole([value]))
        expand = len(view) <= MAX_OPENED
        if not expand:
            view, stands_for = _views.whole([value]), {}
        svg = draw(value, rankdir=rankdir, expand=expand, legend=False, max_nodes=len(view)).svg
    finally:
        for v, g in zip(order, kept):
            v.grad = g
    inputs = {v: tuple([x for x in xs if isinstance(x, Value)]) for v, xs in view.items() if isinstance(v, Value)}
    root = stands_for.get(value, value)
    assert isinstance(root, Value)
    picture = _Picture(svg, inputs)
    steps = list(_steps(inputs, root, picture.names))
    samples = [picture.frame(steps[i]) for i in (len(steps) // 4, 3 * len(steps) // 4, -1)]
    sheet = Image.new("RGB", (samples[0].width, sum(sample.height for sample in samples)))
    for i, sample in enumerate(samples):
        sheet.paste(sample, (0, i * sample.height))
    frames = ((step.words, picture.frame(step)) for step in steps)
    title = "values flow forward, gradients flow back"
    return rendered(frames, len(steps), colours_of=sheet, seconds=seconds, progress=progress, title=title)


def _steps(inputs: dict[Value, tuple[Value, ...]], root: Value, names: dict[Value, str]) -> Iterator[Step]:
    operations = [v for v, xs in inputs.items() if xs]
    known = {v for v, xs in inputs.items() if not xs}
    yield Step("the leaves have their numbers", None, _FORWARD, frozenset(known), {}, frozenset())
    for v in operations:
        known.add(v)
        text = formula(v._rule, [names.get(x) or _in_brackets(x.data) for x in inputs[v]])
        text = re.sub(r"\((\(-[^()]*\))\)", r"\1", text)  # tanh((-2)): the brackets of the function will do
        words = f"forward: {text} = {v.data:.4g}"
        yield Step(words, v, _FORWARD, frozenset(known), {}, frozenset())
    everything, gradients, done = frozenset(known), {root: 1.0}, set[Value]()
    words = f"backward: the gradient of {_called(root, names)} in itself is 1"
    yield Step(words, root, _BACKWARD, everything, _texts(gradients), frozenset())
    for v in reversed(operations):
        done.add(v)
        g, terms = gradients.get(v, 0.0), []
        for x, slope in zip(inputs[v], v._rule.derivatives(FLOATS, v.data, *[x.data for x in inputs[v]])):
            if x._rule is not CONSTANT:
                gradients[x] = gradients.get(x, 0.0) + g * slope
                terms.append(f"grad of {_called(x, names)} += {g:.4g} · {_in_brackets(slope)}")
        words = "backward: " + ", ".join(terms)
        yield Step(words, v, _BACKWARD, everything, _texts(gradients), frozenset(done))
    yield Step("every node has its gradient", None, _BACKWARD, everything, _texts(gradients), frozenset(done))


def _called(v: Value, names: dict[Value, str]) -> str:
    return names.get(v) or f"{v._op} ({v.data:.4g})"


def _in_brackets(x: float) -> str:
    """A number inside a formula."""
    return f"({x:.4g})" if x < 0 else f"{x:.4g}"


def _texts(gradients: dict[Value, float]) -> dict[Value, str]:
    return {v: f"grad {g + 0.0:.6g}" for v, g in gradients.items()}


class _Picture:
    """The drawn graph, taken apart: the boxes of the nodes, the lines in them, and the arrows to them."""

    def __init__(self, svg: str, inputs: dict[Value, tuple[Value, ...]]) -> None:
        self._root = ElementTree.fromstring(svg)
        x, y, width, height = map(float, self._root.attrib["viewBox"].split())
        self._width = max(width, _NARROWEST)
        self._root.attrib |= {
            "viewBox": f"{x} {y} {self._width} {height + _LINE}",
            "width": f"{self._width}pt",
            "height": f"{height + _LINE}pt",
        }
        look = {"x": str(x + 12), "y": str(y + height + _LINE / 2), "font-size": "13", "font-family": _render.FONT}
        self._words = ElementTree.SubElement(self._root, f"{_SVG}text", look)
        groups: dict[str, list[Element]] = {}
        for group in self._root.iter(f"{_SVG}g"):
            groups.setdefault(group.findtext(f"{_SVG}title", ""), []).append(group)
        ids = {v: f"n{i}" for i, v in enumerate(inputs)}
        self._boxes = {v: groups[name][0] for v, name in ids.items()}
        self._arrows = {
            v: [arrow for x in dict.fromkeys(xs) for arrow in groups[f"{ids[x]}->{ids[v]}"]] for v, xs in inputs.items()
        }
        self._takers = {v: {y for y, xs in inputs.items() if any(x is v for x in xs)} for v in inputs}
        self._lines = {v: [*box.iter(f"{_SVG}text")] for v, box in self._boxes.items()}
        # what is written in a box before its numbers; in that of an operation the symbol comes first
        self.names = {
            v: " ".join([line.text or "" for line in lines[bool(v._prev) : -3]])
            for v, lines in self._lines.items()
            if v._rule is not CONSTANT
        }

    def frame(self, step: Step) -> Image.Image:
        """The picture of a step, in pixels."""
        longest = int(self._width / 8)
        self._words.text = step.words if len(step.words) <= longest else step.words[: longest - 1] + "…"
        self._words.set("fill", step.colour)
        for v, lines in self._lines.items():
            if v._rule is not CONSTANT:
                data, gradient, squares = lines[-3:]
                _show(data, v in step.data)
                gradient.text = step.grads.get(v, "")
                _show(squares, v in step.grads and self._takers[v] <= step.passed_on)  # nothing more will come
            for arrow in self._arrows[v]:
                for text in arrow.iter(f"{_SVG}text"):
                    _show(text, v in step.passed_on)
        changed = [] if step.node is None else [self._boxes[step.node]]
        if step.node is not None and (step.colour == _FORWARD or step.node in step.passed_on):
            changed += self._arrows[step.node]
        before = [(part, dict(part.attrib)) for group in changed for part in group if "stroke" in part.attrib]
        for part, _ in before:
            part.attrib |= {"stroke": step.colour, "stroke-width": "3.5"}
        scale = min(1.5, _WIDEST / self._width)
        png = _render.png(ElementTree.tostring(self._root, encoding="unicode"), scale)
        for part, attributes in before:
            part.attrib.clear()
            part.attrib |= attributes
        return Image.open(io.BytesIO(png))


def _show(element: Element, visible: bool) -> None:
    element.set("visibility", "visible" if visible else "hidden")
