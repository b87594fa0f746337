"""An expression: a function of n numbers on a tape, with a point in its domain.

It can be computed on Values, on the numbers of another engine, and by the rules on any kind of number. It can be
written as Python, and drawn. What a tape is, is left to `compiler/tape.py`; how random expressions are made, to
`strategies.py`.
"""

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from keyword import iskeyword
from typing import Any

from tinygrad_edu.compiler.printers.notation import VALUES, list_arguments
from tinygrad_edu.compiler.tape import Entry, Tape, make_tape
from tinygrad_edu.engine import Value, apply, make_constant
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.functional import TABLE_NAMES
from tinygrad_edu.ops import CONSTANT, LEAF, POW
from tinygrad_edu.rules import ATOM, FAMILIES, OPS, Number, NumberSystem, Op, find

_FREE = {"OPS", "Value", "apply", "find", "tg"}  # names that the text needs for something else


@dataclass(frozen=True, repr=False)
class Expression:
    """A function of n numbers, and a point.

    Args:
        tape: A tape with one output. Its leaves are the inputs, its example is the point.

    Example:
        >>> nodes = [Entry(LEAF, label="a", number=2.0), Entry(CONSTANT, number=3.0), Entry(OPS["mul"], (0, 1))]
        >>> f = Expression.of([*nodes, Entry(OPS["tanh"], (2,))])
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
    def of(cls, nodes: Sequence[Entry]) -> "Expression":
        """Makes an expression from entries of a tape.

        Args:
            nodes: The entries. The last one is the result; the number of a leaf is its coordinate of the point.

        Returns:
            The expression.

        Raises:
            ValueError: The last entry is not an operation. Or the inputs of an operation are not earlier places, or are
                all constants.
        """
        if not nodes or nodes[-1].op in (LEAF, CONSTANT):
            raise ValueError("an expression ends with an operation")
        for place, (op, inputs, _, _) in enumerate(nodes):
            if op in (LEAF, CONSTANT):
                continue
            if not all(0 <= i < place for i in inputs) or all(nodes[i].op is CONSTANT for i in inputs):
                raise ValueError(
                    f"step {op} at place {place} needs earlier places, and one that is not a constant, not {inputs}"
                )
        leaves = [place for place, node in enumerate(nodes) if node.op is LEAF]
        point = [nodes[place].number for place in leaves]
        return cls(make_tape("f", nodes, leaves, [], [len(nodes) - 1], point))

    @property
    def point(self) -> tuple[float, ...]:
        """A number for each input."""
        return self.tape.example

    @property
    def nodes(self) -> list[Entry]:
        """The entries of the tape, as `of` takes them."""
        numbers = dict(zip(self._leaves, self.point))
        return [node._replace(number=numbers.get(i, node.number)) for i, node in enumerate(self.tape.entries)]

    @property
    def inputs(self) -> list[str]:
        """The labels of the inputs."""
        return [self.tape.entries[place].label for place in self._leaves]

    @property
    def steps(self) -> list[Entry]:
        """The operations, in order."""
        return [node for node in self.tape.entries if node.op not in (LEAF, CONSTANT)]

    @property
    def _leaves(self) -> tuple[int, ...]:
        return self.tape.inputs + self.tape.parameters

    def __call__(self, *xs: Any) -> Any:
        """The function at n numbers: a Value for Values, a float for plain numbers, else a number of another engine.

        On Values it makes the nodes of the tape. On the numbers of another engine it uses their operators, and their
        methods of the same names (`x.tanh()`, `x.relu()`), as `source` writes them.

        Raises:
            AttributeError: Another engine has no such method.
        """
        if not all(isinstance(x, (Value, float, int)) for x in xs):
            return self.computed(_apply_elsewhere, *xs)
        y = self.computed(apply, *[x if isinstance(x, Value) else make_constant(x) for x in xs], number=make_constant)
        return y if any(isinstance(x, Value) for x in xs) else y.data

    def replay(self, m: NumberSystem, *xs: Number, number: Callable[[float], Number] = float) -> Number:
        """Computes the function by the rules, on any kind of number that they know.

        Args:
            m: The number system, as `FLOATS` for floats.
            *xs: A number for each input.
            number: Makes a number of that kind from a float, as `mpf` or `Fraction` do; used for constants.

        Returns:
            A number of that kind.

        Example:
            >>> from fractions import Fraction
            >>> from tinygrad_edu.rules import FLOATS
            >>> f = Expression.of([Entry(LEAF, number=2.0), Entry(CONSTANT, number=3.0), Entry(OPS["div"], (0, 1))])
            >>> f.replay(FLOATS, Fraction(1, 5), number=Fraction)
            Fraction(1, 15)
        """
        return self.computed(lambda op, *inputs: op.value(m, *inputs), *xs, number=number)

    def computed(self, compute: Callable[..., Any], *xs: Any, number: Callable[[float], Any] = float) -> Any:
        """Computes the function on anything at all.

        Args:
            compute: `compute(op, *inputs)` is the result of one operation.
            *xs: A number for each input.
            number: Makes a constant from a float.

        Returns:
            The result of the last operation.

        Raises:
            ValueError: There are more or fewer numbers than inputs.
        """
        if len(xs) != len(self._leaves):
            raise ValueError(f"the expression takes {len(self._leaves)} numbers, not {len(xs)}")
        values = dict(zip(self._leaves, xs))
        for place, (op, inputs, label, plain) in enumerate(self.tape.entries):
            if op is CONSTANT:
                values[place] = number(plain)
            elif op is not LEAF:
                values[place] = y = compute(op, *[values[i] for i in inputs])
                if label and isinstance(y, Value):
                    y.label = label
        return values[self.tape.outputs[0]]

    def leaves(self) -> list[Value]:
        """Makes new leaves at the point: `y = f(*leaves)` is the graph.

        Returns:
            A leaf for each input, with its label and its number.
        """
        return [Value(x, label=label) for label, x in zip(self.inputs, self.point)]

    def source(self, header: str = "from tinygrad_edu import Value") -> str:
        """Writes Python that builds the graph at the point, step by step, and calls `backward()`.

        Operations that micrograd's Value does not have are functions of `tg`. Your own operations are found by their
        names, so their `define_op` must run before. The variables are `names`.

        Args:
            header: The line that imports `Value`, as "from micrograd.engine import Value"; "" leaves it out.

        Returns:
            The text of a program.
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
        texts = {
            place: VALUES.number(node.number)[0] for place, node in enumerate(nodes) if node.op is CONSTANT
        } | names
        lines = []
        for place, name in names.items():
            op, inputs, label, x = nodes[place]
            if op is LEAF:
                lines.append(
                    f"{name} = Value({VALUES.number(x)[0]}{f', label={label!r}' if label not in ('', name) else ''})"
                )
                continue
            text = _write_step(op, [texts[i] for i in inputs], any(nodes[i].op is CONSTANT for i in inputs))
            lines += [f"{name} = {text}", *([f"{name}.label = {label!r}"] if label else [])]
        return [*lines, f"{names[self.tape.outputs[0]]}.backward()"]

    @property
    def names(self) -> list[str]:
        """The variables in `source`, for inputs and then for steps. A label is a variable if it can be one."""
        return [*self._names_of_places().values()]

    def _names_of_places(self) -> dict[int, str]:
        ops = self.tape.ops
        places = [*self._leaves, *[place for place, op in enumerate(ops) if op not in (LEAF, CONSTANT)]]
        names: list[str] = []
        for place in places:
            label = self.tape.entries[place].label
            names.append(label if _is_variable(label) and label not in names else "")
        free = (letter for letter in variable_names() if letter not in names)
        return {place: name or next(free) for place, name in zip(places, names)}

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Saves the picture of the graph at the point, with its gradients.

        Args:
            path: A file that ends with .svg, .png, .pdf, .html or .dot.

        Raises:
            ValueError: The file has another ending.
            OSError: The file cannot be written.
        """
        from tinygrad_edu.viz.graph import draw

        labelled = Expression(replace(self.tape, labels=self._names_of_places() | self.tape.labels))
        y = labelled(*labelled.leaves())
        with suppress(*FAILURES):  # a graph whose gradients fail is worth seeing
            y.backward()
        draw(y).save(path)

    def __str__(self) -> str:
        return self.source()

    def __repr__(self) -> str:
        return f"<Expression: {'; '.join(self._statements())}>"

    def _repr_pretty_(self, p: Any, cycle: bool) -> None:
        """Prints the source in Hypothesis and IPython, with their indentation."""
        with p.group(4, "<Expression>, in Python:"):
            for line in filter(None, self.source().splitlines()):
                p.break_()
                p.text(line)
        p.break_()


class _EngineMethods(NumberSystem):
    """The number system of another engine: each function that a rule calls is a method of its numbers."""

    pow = staticmethod(operator.pow)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda x, *more: getattr(x, name)(*more)


_ENGINE_METHODS = _EngineMethods()


def _apply_elsewhere(op: Op, *xs: Any) -> Any:
    """An operation on the numbers of another engine: by their method of that name, else by the rule."""
    method = getattr(xs[0], op.name, None) if len(xs) == 1 else None
    return op.value(_ENGINE_METHODS, *xs) if method is None else method(*op.parameters)


def _write_step(op: Op, xs: Sequence[str], has_constants: bool) -> str:
    """One step as Python."""
    if not _is_in_the_table(op):
        return f"apply({op.name}, {', '.join(xs)})  # {op.name}: an Op of your own, which is not in the table"
    numbers = [VALUES.number(x) for x in op.parameters]
    parameters = [text for text, _ in numbers]
    form = VALUES.form(op)
    if op.name not in TABLE_NAMES or (op is POW and has_constants):  # a ** 2.0 is another operation
        return f"apply(find({', '.join([repr(op.name), *parameters])}), {', '.join(xs)})"
    if form:
        return form.filled([*[(x, ATOM) for x in xs], *numbers])
    if hasattr(Value, op.name):
        return f"{xs[0]}.{op.name}({', '.join(parameters)})"
    return f"tg.{op.function}({list_arguments(op, xs)})"


def _is_in_the_table(op: Op) -> bool:
    return op.name in (FAMILIES if op.parameters else OPS) and find(op.name, *op.parameters) is op


def _is_variable(label: str) -> bool:
    return label.isascii() and label.isidentifier() and not iskeyword(label) and label not in _FREE


def variable_names() -> Iterator[str]:
    """Yields a, b, …, z, a1, b1, …, without l, which looks like 1."""
    for i in count():
        yield from (f"{letter}{i or ''}" for letter in "abcdefghijkmnopqrstuvwxyz")
