"""The explorer: an HTML page of one file on which a reader steps through a graph and changes it, in any browser.

The page has a small engine of its own: it reads expressions, lays out their graph, computes it and differentiates it.
So a reader types other expressions into it, pastes a table, and lets gradient descent learn it, all without Python.
`explore` writes the page with the graph behind a Value, whose text is made in `_text.py`. What the page computes with
are functions that `_operations.py` prints from the table of rules; no derivative is written again. The page itself is
in `page.html` and `page.css`, `words.js`, `engine.js`, `parser.js`, `layout.js`, `plots.js` and `page.js`; `dagre.js`,
which finds the places of the boxes, is not ours. It speaks English and Chinese: `chinese.json` has the Chinese words.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu import _io
from tinygrad_edu.compiler.printers.notation import PYTHON
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary
from tinygrad_edu.graph import topological_order
from tinygrad_edu.nn import Module
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.rules import OPS, Op
from tinygrad_edu.viz._pages import embed_json, fill_template, read_page
from tinygrad_edu.viz._views import NodeGroup, collapse, view_all
from tinygrad_edu.viz.graph import Parameters, read_parameters

from ._operations import describe_functions, describe_operations, describe_optimizers
from ._text import is_of_the_reader, read_label, write_graph

MAX_EXPLORED_NODES = 5000  # the page goes through all of them at each step; each use of a constant is one there
MAX_CHARACTERS = 400_000  # of the text of a graph
MAX_SINGLE_BOXES = 120  # a larger graph is drawn with a box for each neuron, layer or module


@api_boundary
def explore(value: Value, path: str | os.PathLike[str], parameters: Parameters = None) -> None:
    """Writes an HTML page on which a reader explores the graph behind a Value.

    On the page the reader goes through the forward and the backward pass node by node; changes any leaf and sees new
    values and gradients; marks leaves as parameters, which gradient descent θ ← θ − η · ∂L/∂θ then changes; types
    another expression; and pastes a table to learn. The file opens by a double-click and makes no request. If writing
    fails, an older file stays as it was.

    Args:
        value: The root L of the graph, of at most 5000 nodes, each use of a constant being one.
        path: The name of the file, with the suffix .html.
        parameters: What is marked as a parameter when the page opens: a model, an optimizer, or leaves of the graph.

    Raises:
        TypeError: `value` is not a Value, or the rule of an operation looks at its numbers.
        ValueError: `value` is a constant; the graph has more than 5000 nodes, or its text more than 400,000 characters;
            a parameter in a list is not a leaf of the graph; or the suffix is not .html.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(1.0, label="b")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     explore((w * x + b).tanh(), f"{folder}/neuron.html", parameters=[w, b])
    """
    write_page(path, lambda: make_page(value, parameters))


def write_page(path: str | os.PathLike[str], make: Callable[[], str]) -> None:
    """Writes a page, or nothing where it cannot be made."""
    if Path(path).suffix.lower() not in (".html", ".htm"):  # a browser does not open others
        raise ValueError(f"cannot save a page as {os.fspath(path)!r}: its suffix must be .html")
    _io.write(path, make())


def make_page(value: Value, parameters: Parameters = None) -> str:
    """Makes the text of the file that `explore` writes."""
    if not isinstance(value, Value):
        raise TypeError(f"explore takes one Value, the root of a graph, not {type(value).__name__}")
    nodes = topological_order(value)
    if value._rule is CONSTANT:
        raise ValueError(f"{value!r} is a constant: there is no graph behind it, and nothing to explore")
    count = sum(v._rule is not CONSTANT for v in nodes) + sum(x._rule is CONSTANT for v in nodes for x in v._prev)
    marked = _find_parameters(nodes, parameters)
    is_large = count > MAX_SINGLE_BOXES
    written = write_graph(nodes, every_node=is_large)
    length = sum(map(len, written.lines)) + len(written.lines)
    part = "explore a part of it, the loss of one sample for example"
    if count > MAX_EXPLORED_NODES:
        raise ValueError(
            f"the graph has {count} nodes, each use of a constant being one, and a page with more than "
            f"{MAX_EXPLORED_NODES} would be slow: {part}"
        )
    if length > MAX_CHARACTERS:
        raise ValueError(
            f"the text of the graph has {length} characters, and a page with more than {MAX_CHARACTERS} would be "
            f"slow: {part}"
        )
    state = {
        "title": "this graph",
        "text": "\n".join(written.lines),
        "numbers": {written.names[v]: _to_json(v.data) for v in nodes if v._rule is LEAF},
        "marked": [written.names[v] for v in marked],
    }
    groups = _find_groups(nodes, written.names) if is_large else {}
    return _fill(state, _find_labels(written.names), groups, [(v._rule, len(v._prev)) for v in nodes if v._prev])


def make_playground() -> str:
    """Makes the page with the first of its examples in it, for those who have no graph yet."""
    return _fill(_read_examples()[0], {}, {}, [])


def _fill(state: dict[str, Any], labels: dict[str, str], groups: dict[str, str], used: list[tuple[Op, int]]) -> str:
    """Makes the page that opens in this state."""
    more = [(op, arity) for op, arity in dict.fromkeys(used) if not op.parameters or is_of_the_reader(op)]
    operations, texts = describe_operations(more)
    updates, optimizers = describe_optimizers()
    content = {
        "state": state,
        "labels": labels,
        "groups": groups,
        "own": {op.name: OPS[op.name].arity for op, _ in more if is_of_the_reader(op)},
        "texts": texts,
        "functions": describe_functions(),
        "optimizers": optimizers,
        "examples": [example for example in _read_examples() if example != state],
        "most": MAX_EXPLORED_NODES,
        "characters": MAX_CHARACTERS,
        "boxes": MAX_SINGLE_BOXES,
        "reserved": sorted({"tg", "optimizer", *PYTHON.reserved}),
    }
    scripts = ("words.js", "engine.js", "parser.js", "layout.js", "plots.js", "page.js")
    return fill_template(
        read_page(__name__, "page.html"),
        style=read_page(__name__, "page.css"),
        layout=read_page(__name__, "dagre.js"),
        data=embed_json(content),
        operations=operations,
        updates=updates,
        chinese=read_page(__name__, "chinese.json"),
        script="\n".join([read_page(__name__, name) for name in scripts]),
    )


def _read_examples() -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = json.loads(read_page(__name__, "examples.json"))
    return examples


def _to_json(x: float) -> float | str:
    """A number as JSON has it, or as JavaScript reads it."""
    return x if x - x == 0.0 else str(x).replace("inf", "Infinity")


def _find_labels(names: dict[Value, str]) -> dict[str, str]:
    """The labels that are no names, by the names that stand for them on the page; they are shown in their place."""
    # a character that reverses the direction of text is not printable
    shown = {v: "".join([c if c.isprintable() else "\ufffd" for c in read_label(v)]) for v in names}
    counts = Counter(shown.values())
    return {
        name: shown[v] for v, name in names.items() if shown[v].strip() and counts[shown[v]] == 1 and shown[v] != name
    }


def _find_groups(nodes: Sequence[Value], names: dict[Value, str]) -> dict[str, str]:
    """The neuron, layer or module of each node that has one, by the name of the node."""
    view, _ = collapse(view_all(nodes[-1:]), nodes[-1:])
    groups = [v for v in view if isinstance(v, NodeGroup)]
    return {names[member]: group.name for group in groups for member in group.members if member in names}


def _find_parameters(nodes: Sequence[Value], parameters: Parameters) -> list[Value]:
    """The leaves that are parameters. Those in a list have to be in the graph; a model may have more than it uses."""
    leaves, known = {v for v in nodes if v._rule is LEAF}, read_parameters(parameters)
    for p in known:
        if p not in leaves and not isinstance(parameters, (Module, Optimizer)):
            raise ValueError(f"{p!r} cannot be a parameter: it is no leaf of the graph that is explored")
    return [p for p in known if p in leaves]
