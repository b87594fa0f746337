"""An expression: a function of n numbers on a tape, and a point inside its domain.

It can be computed on Values, on the numbers of any other engine, and through the rule table on any kind of number; it
can be written as Python and drawn. What a tape is stands in `compiler/tape.py`. How expressions are made up at random
is left to `strategies.py`, what is checked of them to whoever asks.
"""

import math
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from keyword import iskeyword
from typing import Any

from tinygrad_edu.compiler.tape import Node, Tape, tape_of
from tinygrad_edu.engine import Value, apply, constant
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.functional import OTHER_NAMES
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, OPS, Mathematics, Number, Op, find

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
LISTS = {"total", "logsumexp"}  # functions of a list
_FREE = {"OPS", "Value", "apply", "find", "tg"}  # names that the text needs for something else


@dataclass(frozen=True, repr=False)
class Expression:
    """A function of n numbers, the leaves of a tape with one output: at its `point`, the tape's example, or elsewhere.

    >>> nodes = [Node(LEAF, label="a", number=2.0), Node(CONSTANT, number=3.0), Node(OPS["mul"], (0, 1))]
    >>> f = Expression.of([*nodes, Node(OPS["tanh"], (2,))])
    >>> f(Value(2.0))
    Value(data=0.9999877116507956, grad=0.0)
    >>> print(f)
    from tinygrad_edu import Value
    <BLANKLINE>
    a = Value(2.0)
    b = a * 3.0
    c = b.tanh()
    c.backward()
    """

    tape: Tape

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "Expression":
        """The expression of these entries: the last one is its result, and the number of a leaf is that of the point.

        Raises `ValueError` where the last one is no operation, and for an operation whose inputs are not earlier places
        or are all constants.
        """
        if not nodes or nodes[-1].op in (LEAF, CONSTANT):
            raise ValueError("an expression ends with an operation")
        for place, (op, inputs, _, _) in enumerate(nodes):
            if op in (LEAF, CONSTANT):
                continue
            if not all(0 <= i < place for i in inputs) or all(nodes[i].op is CONSTANT for i in inputs):
                raise ValueError(f"step {op} at place {place} needs earlier places, one at least no constant: {inputs}")
        leaves = [place for place, node in enumerate(nodes) if node.op is LEAF]
        point = [nodes[place].number for place in leaves]
        return cls(tape_of("f", nodes, leaves, [], [len(nodes) - 1], point))

    @property
    def point(self) -> tuple[float, ...]:
        """A number for each input."""
        return self.tape.example

    @property
    def nodes(self) -> list[Node]:
        """The entries of the tape, as `of` takes them: the number of a leaf is that of the point."""
        numbers = dict(zip(self._leaves, self.point))
        return [node._replace(number=numbers.get(i, node.number)) for i, node in enumerate(self.tape.nodes)]

    @property
    def inputs(self) -> list[str]:
        """The labels of the inputs."""
        return [self.tape.nodes[place].label for place in self._leaves]

    @property
    def steps(self) -> list[Node]:
        """The operations, in order."""
        return [node for node in self.tape.nodes if node.op not in (LEAF, CONSTANT)]

    @property
    def _leaves(self) -> tuple[int, ...]:
        return self.tape.inputs + self.tape.parameters

    def __call__(self, *xs: Any) -> Any:
        """The function at n numbers: a Value for Values, a float for plain ones, for another engine's one of its own.

        On Values it makes the nodes that the tape says, constants being constants; on another engine's numbers it uses
        their operators and the methods of the same name (`x.tanh()`, `x.relu()`), as `source` writes them.

        Raises what the engine raises, and `AttributeError` where another engine has no such method.
        """
        if not all(isinstance(x, (Value, float, int)) for x in xs):
            return self.computed(_on_others, *xs)
        y = self.computed(apply, *[x if isinstance(x, Value) else constant(x) for x in xs], number=constant)
        return y if any(isinstance(x, Value) for x in xs) else y.data

    def replay(self, m: Mathematics, *xs: Number, number: Callable[[float], Number] = float) -> Number:
        """The function at n numbers of any kind that the rules know, `m` being the mathematics for it.

        `number` makes the constants numbers of that kind, as `mpf` or `Fraction` do.

        >>> from fractions import Fraction
        >>> from tinygrad_edu.rules import FLOATS
        >>> f = Expression.of([Node(LEAF, number=2.0), Node(CONSTANT, number=3.0), Node(OPS["div"], (0, 1))])
        >>> f.replay(FLOATS, Fraction(1, 5), number=Fraction)
        Fraction(1, 15)
        """
        return self.computed(lambda op, *inputs: op.value(m, *inputs), *xs, number=number)

    def computed(self, compute: Callable[..., Any], *xs: Any, number: Callable[[float], Any] = float) -> Any:
        """The function at n numbers of any kind at all: `compute(op, *inputs)` is what an operation makes of them."""
        if len(xs) != len(self._leaves):
            raise ValueError(f"the expression takes {len(self._leaves)} numbers, not {len(xs)}")
        values = dict(zip(self._leaves, xs))
        for place, (op, inputs, label, plain) in enumerate(self.tape.nodes):
            if op is CONSTANT:
                values[place] = number(plain)
            elif op is not LEAF:
                values[place] = y = compute(op, *[values[i] for i in inputs])
                if label and isinstance(y, Value):
                    y.label = label
        return values[self.tape.outputs[0]]

    def leaves(self) -> list[Value]:
        """A fresh leaf for each input, with its label and its number: `y = f(*leaves)` is the graph at the point."""
        return [Value(x, label=label) for label, x in zip(self.inputs, self.point)]

    def source(self, header: str = "from tinygrad_edu import Value") -> str:
        """The Python text that builds the graph at the point, step by step, and goes back through it.

        `header` says where `Value` comes from: "from micrograd.engine import Value" runs the same on another engine,
        and "" leaves the line out. Operations that micrograd's Values do not have are functions of `tg`, and your own
        ones are found by their name, so that their `define_op` has to be run before. `names` are the variables.
        """
        text = "\n".join(self._statements())
        imports = [
            header,
            "import tinygrad_edu as tg" * ("tg." in text),
            "from tinygrad_edu.engine import apply" * ("apply(" in text),
            "from tinygrad_edu.rules import find" * ("find(" in text),
        ]
        imports = [line for line in imports if line]
        return "\n".join([*imports, "", text]) if imports else text

    def _statements(self) -> list[str]:
        names, nodes = self._names_of_places(), self.nodes
        texts = {place: _number(node.number) for place, node in enumerate(nodes) if node.op is CONSTANT} | names
        lines = []
        for place, name in names.items():
            op, inputs, label, x = nodes[place]
            if op is LEAF:
                lines.append(f"{name} = Value({_number(x)}{f', label={label!r}' if label not in ('', name) else ''})")
                continue
            text = _written(op, [texts[i] for i in inputs], any(nodes[i].op is CONSTANT for i in inputs))
            lines += [f"{name} = {text}", *([f"{name}.label = {label!r}"] if label else [])]
        return [*lines, f"{names[self.tape.outputs[0]]}.backward()"]

    @property
    def names(self) -> list[str]:
        """The variables of `source`: one for each input, then one for each step; labels where they can be variables."""
        return [*self._names_of_places().values()]

    def _names_of_places(self) -> dict[int, str]:
        ops = self.tape.ops
        places = [*self._leaves, *[place for place, op in enumerate(ops) if op not in (LEAF, CONSTANT)]]
        names: list[str] = []
        for place in places:
            label = self.tape.nodes[place].label
            names.append(label if _is_variable(label) and label not in names else "")
        free = (letter for letter in letters() if letter not in names)
        return {place: name or next(free) for place, name in zip(places, names)}

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Saves the picture of the graph at the point, with its gradients: an .svg, .png, .pdf, .html or .dot file.

        Raises as `Drawing.save` does.
        """
        from tinygrad_edu.viz.graph import draw

        labelled = Expression(replace(self.tape, labels=self._names_of_places() | self.tape.labels))
        y = labelled(*labelled.leaves())
        with suppress(*FAILURES):  # the graph is worth seeing, most of all where its gradients fail
            y.backward()
        draw(y).save(path)

    def __str__(self) -> str:
        return self.source()

    def __repr__(self) -> str:
        return f"<Expression: {'; '.join(self._statements())}>"

    def _repr_pretty_(self, p: Any, cycle: bool) -> None:
        """How Hypothesis and IPython print it: by its source, each line at the indentation that they are at."""
        with p.group(4, "<Expression>, in Python:"):
            for line in filter(None, self.source().splitlines()):
                p.break_()
                p.text(line)
        p.break_()


class _Methods(Mathematics):
    """The mathematics of another engine's numbers: each function that a rule calls is a method of theirs."""

    pow = staticmethod(operator.pow)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda x, *more: getattr(x, name)(*more)


_METHODS = _Methods()


def _on_others(op: Op, *xs: Any) -> Any:
    """An operation on another engine's numbers: its method of that name, else what the rule makes of its operators."""
    method = getattr(xs[0], op.name, None) if len(xs) == 1 else None
    return op.value(_METHODS, *xs) if method is None else method(*op.parameters)


def _written(op: Op, xs: Sequence[str], has_constants: bool) -> str:
    """One step as Python."""
    if not _is_in_the_table(op):
        return f"apply({op.name}, {', '.join(xs)})  # {op.name}: an Op of your own, which is not in the table"
    parts: tuple[Any, ...] = (op.name, *op.parameters)
    match parts:
        case "pow", *_ if has_constants:  # a ** 2.0 is another operation
            pass
        case name, *_ if name in INFIX:
            return f"{xs[0]} {INFIX[name]} {xs[1]}"
        case "neg", *_:
            return f"-{xs[0]}"
        case "power", n:
            return f"{xs[0]} ** {_number(n)}"
        case "exponential", base:
            return f"{_number(base) if base >= 0 else f'({_number(base)})'} ** {xs[0]}"
        case "dot", *_:
            half = len(xs) // 2
            return f"tg.dot([{', '.join(xs[:half])}], [{', '.join(xs[half:])}])"
        case name, *_ if name in LISTS:
            return f"tg.{name}([{', '.join(xs)}])"
        case ("maximum" | "minimum" | "largest" | "smallest" | "where") as name, *_:
            return f"tg.{OTHER_NAMES.get(name, name)}({', '.join(xs)})"
        case name, *parameters if hasattr(Value, name):
            return f"{xs[0]}.{name}({', '.join(map(_number, parameters))})"
    return f"apply(find({', '.join([repr(op.name), *map(_number, op.parameters)])}), {', '.join(xs)})"


def _is_in_the_table(op: Op) -> bool:
    return op.name in (FAMILIES if op.parameters else OPS) and find(op.name, *op.parameters) is op


def _number(x: float) -> str:
    """As Python writes it, also where it is NumPy's; an int stays one."""
    return repr(x if isinstance(x, int) else float(x)) if math.isfinite(x) else f'float("{x}")'


def _is_variable(label: str) -> bool:
    return label.isascii() and label.isidentifier() and not iskeyword(label) and label not in _FREE


def letters() -> Iterator[str]:
    """a, b, …, z, a1, b1, … without l, which looks like a 1."""
    for i in count():
        yield from (f"{letter}{i or ''}" for letter in "abcdefghijkmnopqrstuvwxyz")
