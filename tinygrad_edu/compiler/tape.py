"""The tape: a computation as a list of operations, each naming the places of its inputs on the list. Plain data.

A `Builder` writes tapes, and keeps them short while it does: what is there already is shared, what changes nothing is
left out. A pass reads one tape and builds the next one (`passes.py`). How a tape is recorded from a function of Values
is left to `trace.py`, how it becomes a program to `source.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_edu.errors import ARITHMETIC_ERRORS
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS, OPS, Mathematics, Number, Op

ADD, MUL, NEG, TOTAL, DOT = (OPS[name] for name in ("add", "mul", "neg", "total", "dot"))
_SIMPLE_AT_TIMES = {"power", "total", "dot"}  # others only with a constant among their inputs


class Node(NamedTuple):
    """One entry of a tape: an operation on the entries at the places `inputs`; `number` is that of a constant."""

    op: Op
    inputs: tuple[int, ...] = ()
    label: str = ""
    number: float = 0.0


class Output(NamedTuple):
    """The place of a result; where it is a gradient, also that of the leaf in which."""

    place: int
    leaf: int | None = None


@dataclass(frozen=True, repr=False)
class Tape:
    """A function as plain data: `nodes` in topological order, and the places of inputs, parameters and outputs.

    Inputs and parameters are leaves, `example` the numbers they had when the tape was recorded, inputs first.
    `print(tape)` lists it, `tape.source("python")` turns it into a program, `tape.replay` runs it on any kind of number
    that the rules know.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    parameters: tuple[int, ...]
    outputs: tuple[Output, ...]
    example: tuple[float, ...]

    def replay(self, m: Mathematics, *numbers: Number) -> list[Number]:
        """The outputs, computed with the mathematics `m` from one number for each input and then each parameter.

        >>> from tinygrad_edu.compiler import record
        >>> record(lambda x, y: [x * y, x + y], 2.0, 3.0).replay(FLOATS, 4.0, 5.0)
        [20.0, 9.0]

        Raises `ValueError` for another number of numbers, and what `m` raises outside the domain of an operation.
        """
        values = self.values(m, *numbers)
        return [values[output.place] for output in self.outputs]

    def values(self, m: Mathematics, *numbers: Number) -> list[Number]:
        """What `replay` computes for each node."""
        leaves = self.inputs + self.parameters
        if len(numbers) != len(leaves):
            raise ValueError(f"the tape of {self.name} takes {len(leaves)} numbers, not {len(numbers)}")
        values: list[Number] = [node.number for node in self.nodes]
        for place, number in zip(leaves, numbers):
            values[place] = number
        for place, node in enumerate(self.nodes):
            if node.inputs:
                values[place] = node.op.value(m, *[values[i] for i in node.inputs])
        return values

    def source(self, language: str = "python") -> str:
        """The tape as straight-line code in "python", "numpy" or "javascript", or as formulas in "latex".

        The code is a function of the inputs and then the parameters that returns the outputs, with names taken from the
        labels. Python and JavaScript take numbers. NumPy takes arrays of n samples as inputs and numbers as parameters;
        it sums gradients in parameters over the samples.

        >>> from tinygrad_edu.compiler import record
        >>> print(record(lambda x: x * x + 1.0, 2.0).source("javascript"))
        function f(x) {
          return x * x + 1;
        }

        Raises `ValueError` for another language, and `TypeError` for an operation whose rule looks at its numbers.
        """
        from .source import written

        return written(self, language)

    def __repr__(self) -> str:
        operations = sum(1 for node in self.nodes if node.inputs)
        return (
            f"<Tape of {self.name}: {len(self.inputs)} inputs, {len(self.parameters)} parameters, "
            f"{operations} operations, {len(self.outputs)} outputs>"
        )

    def __str__(self) -> str:
        from .source import listing

        return listing(self)


class Builder:
    """Writes a tape, entry by entry. Each method returns the place of what it wrote, or of what was there already."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._constants: dict[int, float] = {}

    def leaf(self, label: str) -> int:
        self.nodes.append(Node(LEAF, (), label))
        return len(self.nodes) - 1

    def constant(self, number: float) -> int:
        place = self._places.setdefault((number.hex(),), len(self.nodes))  # hex tells 0.0 from -0.0
        if place == len(self.nodes):
            self.nodes.append(Node(CONSTANT, (), "", number))
            self._constants[place] = number
        return place

    def number(self, place: int) -> float | None:
        """The number that stands there, if it is a constant."""
        return self._constants.get(place)

    def operation(self, op: Op, inputs: tuple[int, ...], label: str = "") -> int:
        """An operation, or in its place what is as good: one of its inputs, a constant, a simpler operation."""
        simpler = None
        if op.name in _SIMPLE_AT_TIMES or not self._constants.keys().isdisjoint(inputs):
            simpler = self._simpler(op, inputs)
        if simpler is None:
            key = (op, *sorted(inputs)) if op is ADD or op is MUL else (op, *inputs)
            place = self._places.setdefault(key, len(self.nodes))
            if place == len(self.nodes):
                self.nodes.append(Node(op, inputs, label))
                return place
            simpler = place
        if label and not self.nodes[simpler].label and self.nodes[simpler].inputs:
            self.nodes[simpler] = self.nodes[simpler]._replace(label=label)
        return simpler

    def copy(self, node: Node, new: Sequence[int]) -> int:
        """A node of another tape, `new` telling where the places of that one are found here."""
        if node.inputs:
            return self.operation(node.op, tuple([new[i] for i in node.inputs]), node.label)
        return self.leaf(node.label) if node.op is LEAF else self.constant(node.number)

    def _simpler(self, op: Op, inputs: tuple[int, ...]) -> int | None:
        """Where the same result stands, if there is no need for this operation: x·1, x + 0, 2 + 3, a sum of one …"""
        name = op.name
        if name == "power" and op.parameters[0] in (0, 1):
            return inputs[0] if op.parameters[0] else self.constant(1.0)
        if name == "total" and len(inputs) < 3:
            return self.operation(ADD, inputs) if len(inputs) == 2 else inputs[0] if inputs else self.constant(0.0)
        if name == "dot" and len(inputs) < 3:
            return self.operation(MUL, inputs) if inputs else self.constant(0.0)
        numbers = [self.number(i) for i in inputs]
        if None not in numbers:
            try:
                return self.constant(float(op.value(FLOATS, *numbers)))
            except ARITHMETIC_ERRORS:
                return None  # fails when it is run, as it does on Values
        match name, numbers:
            case ("add", [0.0, _]) | ("mul", [1.0, _]):
                return inputs[1]
            case ("add" | "sub", [_, 0.0]) | ("mul" | "div", [_, 1.0]):
                return inputs[0]
            case "mul", [-1.0, _]:
                return self.operation(NEG, inputs[1:])
            case "mul", [_, -1.0]:
                return self.operation(NEG, inputs[:1])
        return None

    def tape(
        self,
        name: str,
        inputs: Sequence[int],
        parameters: Sequence[int],
        outputs: Sequence[Output],
        example: Sequence[float] = (),
    ) -> Tape:
        """The finished tape: the leaves, and of all else what an output depends on."""
        nodes = self.nodes
        alive = [False] * len(nodes)
        for place in (*inputs, *parameters, *[output.place for output in outputs]):
            alive[place] = True
        for place in range(len(nodes) - 1, -1, -1):
            if alive[place]:
                for i in nodes[place].inputs:
                    alive[i] = True
        kept = [place for place, wanted in enumerate(alive) if wanted]
        new = dict(zip(kept, range(len(kept))))
        if len(kept) < len(nodes):
            nodes = [
                Node(op, tuple([new[i] for i in inputs]), label, number)
                for (op, inputs, label, number), wanted in zip(nodes, alive)
                if wanted
            ]
        return Tape(
            name,
            tuple(nodes),
            tuple([new[i] for i in inputs]),
            tuple([new[i] for i in parameters]),
            tuple([Output(new[o.place], None if o.leaf is None else new[o.leaf]) for o in outputs]),
            tuple(example),
        )
