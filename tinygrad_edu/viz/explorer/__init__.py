"""The explorer: one HTML file in which the reader's own expression comes alive, offline, in any browser.

`explore` puts together what the page needs: the graph with its layout (`_layout.py`), and what it says of each node,
its formula, its local derivatives, its line of Python. All numbers on the page come from one JavaScript function, the
source of a program that computes every value, every local derivative and every gradient: the rules and the chain rule
run on symbols here, and no derivative is written again. How the page looks and reacts is left to `page.html`,
`page.css` and `page.js`.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu import _io, functional, gradients
from tinygrad_edu.compiler.printers import source
from tinygrad_edu.compiler.printers.notation import ARITHMETIC, ATOM, POWER, PYTHON, Form, identifier
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol, program_of
from tinygrad_edu.compiler.tape import Builder, Tape
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import described
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import Op
from tinygrad_edu.viz._formulas import formula, local_derivatives
from tinygrad_edu.viz._pages import embedded, file, filled

from ._layout import layout

MAX_NODES = 5000  # the program on the page has several lines for each


def explore(value: Value, path: str | os.PathLike[str], parameters: Iterable[Value] = ()) -> None:
    """Writes a page on which the graph behind `value` can be stepped through, changed, and trained.

    The file opens by a double-click and sends no request to anywhere. On it the reader goes through the forward and the
    backward pass node by node, changes any leaf and sees values and gradients follow, marks leaves as parameters and
    lets gradient descent lower the value; `parameters` are marked already. The file is written whole or not at all.

    >>> import tempfile
    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(1.0, label="b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explore((w * x + b).tanh(), f"{folder}/neuron.html", parameters=[w, b])

    Raises `TypeError` for what is no Value and for an operation whose rule looks at its numbers, `ValueError` for a
    constant, for a graph of more than 5000 nodes, for a parameter that is no leaf of it and for a suffix that is not
    .html, `ImportError` where nothing can lay it out, `OSError` where the file cannot be written.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):  # others do not open in a browser
        raise ValueError(f"cannot save a page as {os.fspath(path)!r}: its suffix must be .html")
    _io.write(path, page(value, parameters))


def page(value: Value, parameters: Iterable[Value] = ()) -> str:
    """The text of the file that `explore` writes."""
    if not isinstance(value, Value):
        raise TypeError(f"explore takes one Value, the root of a graph, not {type(value).__name__}")
    nodes = topological_order(value)
    if value._rule is CONSTANT:
        raise ValueError(f"{value!r} is a constant: there is no graph behind it, and nothing to explore")
    if len(nodes) > MAX_NODES:
        raise ValueError(
            f"the graph has {len(nodes)} nodes, and a page with more than {MAX_NODES} would be slow: explore a part of "
            "it, the loss of one sample for example"
        )
    program = program_of(everything(nodes))
    own = sorted({v._rule.name for v in nodes if v._prev and _is_own(v._rule)})
    story = {"nodes": _told(nodes), "own": own, "marked": _places(nodes, parameters), **layout(nodes)}
    return filled(
        file(__name__, "page.html"),
        style=file(__name__, "page.css"),
        data=embedded(story),
        tape=source(program, "javascript"),
        script=file(__name__, "page.js"),
    )


def everything(nodes: Sequence[Value]) -> Tape:
    """A tape from the numbers of the leaves to the value of each node, then ∂node/∂input for each input of each node,
    then ∂root/∂node for each node; `nodes` are in topological order, the root comes last.

    >>> a = Value(3.0)
    >>> everything([a, a * a]).example
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
    return builder.tape("tape", [symbols[v].place for v in leaves], [], places, [v.data for v in leaves])


# ---- what the page says of a node ------------------------------------------------------------------------------------
def _told(nodes: Sequence[Value]) -> list[dict[str, Any]]:
    place = {v: i for i, v in enumerate(nodes)}
    names, labels = _names(nodes), Counter(map(_label, nodes))
    told = []
    for v, name in zip(nodes, names):
        inputs = [place[x] for x in v._prev]
        label = _label(v)
        shown = "".join([c if c.isprintable() else "\ufffd" for c in label])  # no character that turns text around
        gaps = [f"⟦{i}⟧" for i in range(len(inputs))]  # the page puts in names, or numbers
        told.append(
            {
                "name": shown if shown.strip() and labels[label] == 1 and "." not in shown else name,
                "label": shown,
                "kind": "constant" if v._rule is CONSTANT else "operation" if inputs else "leaf",
                "data": v.data if math.isfinite(v.data) else str(v.data).replace("inf", "Infinity"),
                "operation": str(v._rule) if inputs else "",
                "symbol": v._op,
                "inputs": inputs,
                "formula": formula(v._rule, gaps) if inputs else "",
                "slopes": local_derivatives(v._rule, "⟦y⟧", gaps),
                "python": [
                    name,
                    _python(v._rule, [_number(x) or names[i] for x, i in zip(v._prev, inputs)]) if inputs else "",
                ],
                "literal": ascii(label) if label else "",
            }
        )
    return told


def _label(v: Value) -> str:
    """Users may have put anything there."""
    return "" if v.label is None else str(v.label)


def _names(nodes: Sequence[Value]) -> list[str]:
    """A name for each node that Python takes, no two alike: its label; without one v1, v2, …, and L for the root.

    They are numbered as they are shown, from the leaves to the root; "" is a constant, whose number is its name.
    """
    names, taken = dict.fromkeys(nodes, ""), {"tg", "p", *PYTHON.reserved}
    numbers = Counter[str]()
    rank: dict[Value, int] = {}
    for v in nodes:
        rank[v] = 1 + max([rank[x] for x in v._prev], default=-1)
    order = list(reversed(nodes))  # that of the graph takes the last input first
    order.sort(key=rank.__getitem__)
    for v in order:
        if v._rule is CONSTANT:
            continue
        label = _label(v)
        wish = identifier(label, "v") if label else "L" if v is nodes[-1] else "v"
        name = "" if wish == "v" and not label else wish
        while not name or name in taken:
            numbers[wish] += 1
            name = f"{wish}_{numbers[wish] + 1}" if wish != "v" else f"v{numbers[wish]}"
        taken.add(name)
        names[v] = name
    return list(names.values())


_SPELLED = {**ARITHMETIC, "pow": Form("{} ** {}", POWER, (ATOM, ATOM)), "power": Form("{} ** {}", POWER, (ATOM,))}


def _python(op: Op, inputs: Sequence[str]) -> str:
    """The expression in Python that makes the node."""
    if op.name in _SPELLED:
        return _SPELLED[op.name].filled([(text, ATOM) for text in inputs], op.parameters)
    if op.name == "exponential":
        return f"({op.parameters[0]!r}) ** {inputs[0]}"
    half = len(inputs) // 2
    arguments = {
        "dot": [f"[{', '.join(inputs[:half])}]", f"[{', '.join(inputs[half:])}]"],
        "total": [f"[{', '.join(inputs)}]"],
        "logsumexp": [f"[{', '.join(inputs)}]"],
    }.get(op.name, [*inputs, *map(repr, op.parameters)])
    name = functional.OTHER_NAMES.get(op.name, op.name)
    return f"{'' if _is_own(op) else 'tg.'}{name}({', '.join(arguments)})"


def _is_own(op: Op) -> bool:
    """Whether the reader has defined it."""
    return op.name not in functional.BUILT_IN


def _number(x: Value) -> str:
    """A constant as Python writes it; "" for any other node."""
    if x._rule is not CONSTANT:
        return ""
    text = PYTHON.number(x.data)[0]
    return f"({text})" if text.startswith("-") else text


def _places(nodes: Sequence[Value], parameters: Iterable[Value]) -> list[int]:
    place = {v: i for i, v in enumerate(nodes) if v._rule is LEAF}
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters are Values in a list, as [w, b], not {described(parameters)}")
    parameters = list(parameters)
    for p in parameters:
        if p not in place:
            raise ValueError(f"{p!r} cannot be a parameter: it is no leaf of the graph that is explored")
    return [place[p] for p in parameters]
