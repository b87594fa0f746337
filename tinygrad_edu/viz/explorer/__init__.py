"""The explorer: an HTML page of one file on which a reader steps through a graph and changes it, in any browser.

`explore` collects what the page needs: the graph with its layout (`_layout.py`), and the texts of each node: its
formula, its local derivatives, its line of Python. One JavaScript function computes all numbers on the page: every
value, every local derivative and every gradient. It is the source of a tape that the rules of the operations and the
chain rule record here, on symbols; no derivative is written again. How the page looks and reacts is left to
`page.html`, `page.css` and `page.js`.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu import _io, functional, gradients
from tinygrad_edu.compiler.printers import source
from tinygrad_edu.compiler.printers.notation import PYTHON, VALUES, identifier, list_arguments
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol, program_of
from tinygrad_edu.compiler.tape import Builder, Tape, make_tape
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import describe
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import ATOM, Op
from tinygrad_edu.viz._formulas import write_formula, write_local_derivatives
from tinygrad_edu.viz._pages import embed_json, fill_template, read_page

from ._layout import lay_out

MAX_EXPLORED_NODES = 5000  # the program on the page has several lines for each


def explore(value: Value, path: str | os.PathLike[str], parameters: Iterable[Value] = ()) -> None:
    """Writes an HTML page on which a reader explores the graph behind a Value.

    On the page the reader goes through the forward and the backward pass node by node; changes any leaf and sees new
    values and gradients; and marks leaves as parameters, which gradient descent θ ← θ − η · ∂L/∂θ then changes. The
    file opens by a double-click and makes no request. If writing fails, an older file stays as it was.

    Args:
        value: The root L of the graph, of at most 5000 nodes.
        path: The name of the file, with the suffix .html.
        parameters: The leaves that are marked as parameters when the page opens.

    Raises:
        TypeError: `value` is not a Value, or the rule of an operation looks at its numbers.
        ValueError: `value` is a constant; the graph has more than 5000 nodes; a parameter is not a leaf of the graph;
            or the suffix is not .html.
        ImportError: Graphviz is missing.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(1.0, label="b")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     explore((w * x + b).tanh(), f"{folder}/neuron.html", parameters=[w, b])
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):  # a browser does not open others
        raise ValueError(f"cannot save a page as {os.fspath(path)!r}: its suffix must be .html")
    _io.write(path, make_page(value, parameters))


def make_page(value: Value, parameters: Iterable[Value] = ()) -> str:
    """Makes the text of the file that `explore` writes."""
    if not isinstance(value, Value):
        raise TypeError(f"explore takes one Value, the root of a graph, not {type(value).__name__}")
    nodes = topological_order(value)
    if value._rule is CONSTANT:
        raise ValueError(f"{value!r} is a constant: there is no graph behind it, and nothing to explore")
    if len(nodes) > MAX_EXPLORED_NODES:
        raise ValueError(
            f"the graph has {len(nodes)} nodes, and a page with more than {MAX_EXPLORED_NODES} would be slow: explore "
            "a part of it, the loss of one sample for example"
        )
    program = program_of(trace_gradients(nodes))
    own = sorted({v._rule.name for v in nodes if v._prev and _is_user_defined(v._rule)})
    marked = _find_parameters(nodes, parameters)
    content = {"nodes": _describe_nodes(nodes), "own": own, "marked": marked, **lay_out(nodes)}
    return fill_template(
        read_page(__name__, "page.html"),
        style=read_page(__name__, "page.css"),
        data=embed_json(content),
        tape=source(program, "javascript"),
        script=read_page(__name__, "page.js"),
    )


def trace_gradients(nodes: Sequence[Value]) -> Tape:
    """Traces a tape that computes all numbers of a graph from those of its leaves.

    Its results are the value of each node, then ∂node/∂input for each input of each node, then ∂root/∂node for each
    node. The `nodes` are in topological order, the root is the last.

    >>> a = Value(3.0)
    >>> trace_gradients([a, a * a]).example
    (3.0,)
    """
    builder = Builder()
    symbols: dict[Value, Any] = {}
    for v in nodes:
        if v._prev:
            place = builder.operation(v._rule, tuple([symbols[x].place for x in v._prev]))
        else:
            place = builder.leaf("") if v._rule is LEAF else builder.constant(v.data)
        symbols[v] = Symbol(builder, place)
    slopes: list[Any] = []
    for v in nodes:
        try:
            slopes += v._rule.derivatives(SYMBOLS, symbols[v], *[symbols[x] for x in v._prev])
        except TypeError as error:
            raise TypeError(
                f"operation {v._rule} cannot be explored, as its rule looks at its numbers: {error}"
            ) from error
    results = [*symbols.values(), *slopes, *gradients.sweep(nodes[-1], nodes, SYMBOLS, symbols.__getitem__)]
    places = [y.place if isinstance(y, Symbol) else builder.constant(float(y)) for y in results]
    leaves = [v for v in nodes if v._rule is LEAF]
    return make_tape("tape", builder.entries, [symbols[v].place for v in leaves], [], places, [v.data for v in leaves])


# ---- what the page says of a node ------------------------------------------------------------------------------------
def _describe_nodes(nodes: Sequence[Value]) -> list[dict[str, Any]]:
    """Collects the texts and the inputs of each node."""
    place = {v: i for i, v in enumerate(nodes)}
    names, labels = _choose_python_names(nodes), Counter(map(_read_label, nodes))
    described_nodes = []
    for v, name in zip(nodes, names):
        inputs = [place[x] for x in v._prev]
        label = _read_label(v)
        # a character that reverses the direction of text is not printable
        shown = "".join([c if c.isprintable() else "\ufffd" for c in label])
        gaps = [f"⟦{i}⟧" for i in range(len(inputs))]  # the page fills them with names or numbers
        python = ""
        if inputs:
            python = _write_python(v._rule, [_write_constant(x) or names[i] for x, i in zip(v._prev, inputs)])
        described_nodes.append(
            {
                "name": shown if shown.strip() and labels[label] == 1 and "." not in shown else name,
                "label": shown,
                "kind": "constant" if v._rule is CONSTANT else "operation" if inputs else "leaf",
                "data": v.data if math.isfinite(v.data) else str(v.data).replace("inf", "Infinity"),
                "operation": str(v._rule) if inputs else "",
                "symbol": v._op,
                "inputs": inputs,
                "formula": write_formula(v._rule, gaps) if inputs else "",
                "slopes": write_local_derivatives(v._rule, "⟦y⟧", gaps),
                "python": [name, python],
                "literal": ascii(label) if label else "",
            }
        )
    return described_nodes


def _read_label(v: Value) -> str:
    """Returns the label as text: users may have assigned any object."""
    return "" if v.label is None else str(v.label)


def _choose_python_names(nodes: Sequence[Value]) -> list[str]:
    """Chooses a Python name for each node, all different: its label, or else v1, v2, …, and L for the root.

    The numbers grow from the leaves to the root, as on the page. A constant has the name "": its number is written.
    """
    names, taken = dict.fromkeys(nodes, ""), {"tg", "p", *PYTHON.reserved}
    numbers = Counter[str]()
    rank: dict[Value, int] = {}
    for v in nodes:
        rank[v] = 1 + max([rank[x] for x in v._prev], default=-1)
    order = list(reversed(nodes))  # the topological order has the last input of a node first
    order.sort(key=rank.__getitem__)
    for v in order:
        if v._rule is CONSTANT:
            continue
        label = _read_label(v)
        wish = identifier(label, "v") if label else "L" if v is nodes[-1] else "v"
        name = "" if wish == "v" and not label else wish
        while not name or name in taken:
            numbers[wish] += 1
            name = f"{wish}_{numbers[wish] + 1}" if wish != "v" else f"v{numbers[wish]}"
        taken.add(name)
        names[v] = name
    return list(names.values())


def _write_python(op: Op, inputs: Sequence[str]) -> str:
    """Writes the Python expression that makes a node."""
    numbers = [VALUES.number(x) for x in op.parameters]
    form = VALUES.form(op)
    if form:
        return form.filled([*[(text, ATOM) for text in inputs], *numbers])
    arguments = ", ".join([list_arguments(op, inputs), *[text for text, _ in numbers]])
    return f"{'' if _is_user_defined(op) else 'tg.'}{op.function}({arguments})"


def _is_user_defined(op: Op) -> bool:
    """Whether the operation comes from `define_op`."""
    return op.name not in functional.TABLE_NAMES


def _write_constant(x: Value) -> str:
    """Writes a constant in Python; "" for any other node."""
    if x._rule is not CONSTANT:
        return ""
    text = PYTHON.number(x.data)[0]
    return f"({text})" if text.startswith("-") else text


def _find_parameters(nodes: Sequence[Value], parameters: Iterable[Value]) -> list[int]:
    """Returns the numbers of the nodes that are parameters."""
    place = {v: i for i, v in enumerate(nodes) if v._rule is LEAF}
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters are Values in a list, as [w, b], not {describe(parameters)}")
    parameters = list(parameters)
    for p in parameters:
        if p not in place:
            raise ValueError(f"{p!r} cannot be a parameter: it is no leaf of the graph that is explored")
    return [place[p] for p in parameters]
