"""The text of a graph: the lines of expressions that the page reads, `h = tanh(w * x + b)`, one for each name.

A node gets a line if it has a label, is used more than once, or would make a line too long; else it stands where it is
used. Names are made of the labels. How the page reads the lines is left to `parser.js`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_edu.compiler.printers.notation import (
    FUNCTIONS_FOR_USERS,
    PYTHON,
    VALUES,
    Text,
    identifier,
    list_arguments,
)
from tinygrad_edu.engine import Value
from tinygrad_edu.functional import TABLE_NAMES
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import ATOM, SIGN, Op

LONGEST_PART = 48  # characters of an expression that stands in another one


@dataclass(frozen=True)
class GraphText:
    """A graph as lines of text.

    Attributes:
        lines: One for each operation that has a name; the last one is that of the root.
        names: The name of each leaf and of each operation that has a line.
    """

    lines: list[str]
    names: dict[Value, str]


def write_graph(nodes: Sequence[Value], every_node: bool = False) -> GraphText:
    """Writes a graph as lines.

    Args:
        nodes: The nodes, in topological order; the last one is the root.
        every_node: Whether each operation gets a line.

    Example:
        >>> w, x = Value(0.5, label="w"), Value(2.0, label="x")
        >>> a = w * x
        >>> y = (a + 1.0).tanh()
        >>> write_graph([w, x, a, y._prev[0]._prev[1], y._prev[0], y]).lines
        ['L = tanh(w * x + 1.0)']
    """
    uses = Counter(x for v in nodes for x in v._prev)
    root, names, taken = (
        nodes[-1],
        dict[Value, str](),
        {"tg", "own", "inf", "nan", *PYTHON.reserved, *FUNCTIONS_FOR_USERS},
    )
    texts: dict[Value, Text] = {}
    lines = []
    numbers = Counter[str]()

    def name(v: Value) -> Text:
        label = read_label(v)
        wish = identifier(label, "v") if label else "L" if v is root else "v"
        name = "" if wish == "v" and not label else wish
        while not name or name in taken:
            numbers[wish] += 1
            name = f"{wish}_{numbers[wish] + 1}" if wish != "v" else f"v{numbers[wish]}"
        taken.add(name)
        names[v] = name
        return name, ATOM

    for v in sort_by_rank(nodes):
        if v._rule is CONSTANT:
            texts[v] = _write_number(v.data)
        elif v._rule is LEAF:
            texts[v] = name(v)
        else:
            text = write_call(v._rule, [texts[x] for x in v._prev])
            is_inline = not every_node and v is not root and uses[v] == 1 and not read_label(v)
            texts[v] = text
            if not is_inline or len(text[0]) > LONGEST_PART:
                texts[v] = name(v)
                lines.append(f"{names[v]} = {text[0]}")
    return GraphText(lines or [names[root]], names)


def sort_by_rank(nodes: Sequence[Value]) -> list[Value]:
    """The nodes from the leaves to the root, those with as long a way from the leaves as they are read."""
    rank: dict[Value, int] = {}
    for v in nodes:
        rank[v] = 1 + max([rank[x] for x in v._prev], default=-1)
    order = list(reversed(nodes))  # the topological order has the last input of a node first
    order.sort(key=rank.__getitem__)
    return order


def read_label(v: Value) -> str:
    """The label as text: users may have assigned any object."""
    return "" if v.label is None else str(v.label)


def is_of_the_reader(op: Op) -> bool:
    """Whether the operation comes from `define_op`."""
    return op.name not in TABLE_NAMES


def write_call(op: Op, inputs: Sequence[Text], module: str = "", parameters: Sequence[str] = ()) -> Text:
    """Writes an operation on inputs as an expression; also returned is how tightly it binds.

    Args:
        op: The operation.
        inputs: The texts of its inputs.
        module: What stands before a function of the package, as "tg."; without it, it is the language of the page.
        parameters: The texts of the parameters; by default they are those of the operation.

    Example:
        >>> from tinygrad_edu.rules import find
        >>> write_call(find("power", 2), [("x", ATOM)])[0], write_call(find("tanh"), [("x", ATOM)], "tg.")[0]
        ('x ** 2', 'tg.tanh(x)')
    """
    number = VALUES.number if module else _write_number
    numbers = [(text, ATOM) for text in parameters] or [number(x) for x in op.parameters]
    form = VALUES.form(op)
    if form:
        return form.filled([*inputs, *numbers]), form.level
    if is_of_the_reader(op):
        module = "" if module else "own."
    arguments = ", ".join([list_arguments(op, [text for text, _ in inputs]), *[text for text, _ in numbers]])
    return f"{module}{op.function}({arguments})", ATOM


def _write_number(x: float) -> Text:
    """A number as the page reads it: exactly; inf and nan are words of its language."""
    text = repr(x if isinstance(x, int) else float(x))
    return text, SIGN if text.startswith("-") else ATOM
