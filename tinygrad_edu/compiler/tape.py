"""The tape: a computation as a list of operations, each naming the places of its inputs on the list. Plain data.

It is raw: nothing is shared, folded or left out, and each use of a constant is an entry of its own, so that what
repeats in the function repeats on the tape. A tape may have millions of entries, so they are kept in columns; `nodes`
shows them one by one. A `Builder` writes short tapes by hand. How a function of Values is recorded is left to
`trace.py`, what is found in a tape to `roll.py`.
"""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Any, NamedTuple

from tinygrad_edu.errors import ARITHMETIC_ERRORS, Place
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


@dataclass(frozen=True, repr=False, eq=False)
class Tape:
    """A function as plain data: operations in topological order, and the places of inputs, parameters and outputs.

    Entry i is the operation `ops[i]` on the entries at `sources[starts[i] : starts[i + 1]]`. Inputs and parameters are
    leaves; parameters stand in the order of their first use. `numbers[i]` is the number of a constant, else 0.
    `labels` has those that there are, by place. `example` has the numbers that inputs and then parameters had when the
    tape was recorded. `lines[i]` is the line of the user's that asked for entry i, a place in `places`, or -1.

    `print(tape)` lists it, `tape.replay` runs it on any kind of number that the rules know. Tapes are equal that
    compute the same by the same entries, wherever they were written.
    """

    name: str
    ops: tuple[Op, ...]
    starts: "array[int]"
    sources: "array[int]"
    numbers: "array[float]"
    labels: dict[int, str]
    inputs: tuple[int, ...]
    parameters: tuple[int, ...]
    outputs: tuple[int, ...]
    example: tuple[float, ...] = ()
    lines: "array[int]" = field(default_factory=lambda: array("i"))
    places: tuple[Place, ...] = ()

    def __len__(self) -> int:
        return len(self.ops)

    @property
    def nodes(self) -> Sequence[Node]:
        """The entries, each made when it is asked for."""
        return _Nodes(self)

    def inputs_of(self, i: int) -> tuple[int, ...]:
        """The places of the inputs of entry i."""
        return tuple(self.sources[self.starts[i] : self.starts[i + 1]])

    def line(self, i: int) -> str:
        """The line of the user's that asked for entry i, as "moons.py:12"; "" where it is not known."""
        if i >= len(self.lines) or self.lines[i] < 0:
            return ""
        place = self.places[self.lines[i]]
        file = "cell" if "ipykernel" in place.file else os.path.basename(place.file)
        return f"{file}:{place.line}"

    def replay(self, m: Mathematics, *numbers: Number) -> list[Number]:
        """The outputs, computed with the mathematics `m` from one number for each input and then each parameter.

        Raises `ValueError` for another number of numbers, and what `m` raises outside the domain of an operation.
        """
        values = self.values(m, *numbers)
        return [values[place] for place in self.outputs]

    def values(self, m: Mathematics, *numbers: Number) -> list[Number]:
        """What `replay` computes for each entry."""
        leaves = self.inputs + self.parameters
        if len(numbers) != len(leaves):
            raise ValueError(f"the tape of {self.name} takes {len(leaves)} numbers, not {len(numbers)}")
        values: list[Number] = list(self.numbers)
        for place, number in zip(leaves, numbers):
            values[place] = number
        for place, op in enumerate(self.ops):
            if op is not LEAF and op is not CONSTANT:
                values[place] = op.value(m, *[values[i] for i in self.inputs_of(place)])
        return values

    def _content(self) -> tuple[Any, ...]:
        """All of it but the lines; numbers by their bits, as nan is not nan."""
        columns = [column.tobytes() for column in (self.starts, self.sources, self.numbers, array("d", self.example))]
        leaves = (self.inputs, self.parameters, self.outputs)
        return self.name, self.ops, *columns, tuple(sorted(self.labels.items())), *leaves

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tape) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        operations = sum(1 for op in self.ops if op is not LEAF and op is not CONSTANT)
        return (
            f"<Tape of {self.name}: {len(self.inputs)} inputs, {len(self.parameters)} parameters, "
            f"{operations} operations, {len(self.outputs)} outputs>"
        )

    def __str__(self) -> str:
        return listing(self)


class _Nodes(Sequence[Node]):
    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __len__(self) -> int:
        return len(self._tape.ops)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        tape, i = self._tape, range(len(self))[i]
        return Node(tape.ops[i], tape.inputs_of(i), tape.labels.get(i, ""), tape.numbers[i])


def finished(
    name: str,
    ops: Sequence[Op],
    inputs: Sequence[tuple[int, ...]],
    constants: Iterable[tuple[int, float]],
    labels: Mapping[int, str],
    leaves: tuple[Sequence[int], Sequence[int]],
    outputs: Sequence[int],
    example: Iterable[float],
    needed: bytearray,
    lines: "array[int] | None" = None,
    places: Sequence[Place] = (),
) -> Tape:
    """The tape of those entries that are needed. `leaves` are inputs and parameters."""
    lines = lines or array("i")
    numbers = array("d", bytes(8 * len(ops)))
    for place, number in constants:
        numbers[place] = number
    starts = array("q", accumulate(map(len, inputs), initial=0))
    sources = array("q", chain.from_iterable(inputs))
    new: Sequence[int] = range(len(ops))
    if 0 in needed:
        kept = [i for i, yes in enumerate(needed) if yes]
        new = array("q", [-1]) * len(ops)
        for place, old in enumerate(kept):
            new[old] = place
        ops, rows = [ops[i] for i in kept], [inputs[i] for i in kept]
        starts = array("q", accumulate(map(len, rows), initial=0))
        sources = array("q", [new[i] for i in chain.from_iterable(rows)])
        numbers = array("d", [numbers[i] for i in kept])
        lines = array("i", [lines[i] for i in kept]) if lines else lines
        labels = {new[i]: label for i, label in labels.items() if new[i] >= 0}
    first, second, ends = (tuple([new[i] for i in column]) for column in (*leaves, outputs))
    columns = tuple(ops), starts, sources, numbers
    return Tape(name, *columns, dict(labels), first, second, ends, tuple(example), lines, tuple(places))


def alive(inputs: Sequence[tuple[int, ...]], ends: Iterable[int]) -> bytearray:
    """1 for each entry that the ends depend on, and for these, else 0; of entries with these inputs."""
    if len({*ends, *chain.from_iterable(inputs)}) == len(inputs):
        return bytearray([1]) * len(inputs)  # what each one is used by stands after it, and the last one is an end
    needed = bytearray(len(inputs))
    for place in ends:
        needed[place] = 1
    for place in range(len(inputs) - 1, -1, -1):
        if needed[place]:
            for i in inputs[place]:
                needed[i] = 1
    return needed


def tape_of(
    name: str,
    nodes: Sequence[Node],
    inputs: Sequence[int],
    parameters: Sequence[int],
    outputs: Sequence[int],
    example: Sequence[float] = (),
) -> Tape:
    """The tape of these entries: the leaves, and of all else what an output depends on."""
    rows = [node.inputs for node in nodes]
    return finished(
        name,
        [node.op for node in nodes],
        rows,
        [(place, node.number) for place, node in enumerate(nodes) if node.op is CONSTANT],
        {place: node.label for place, node in enumerate(nodes) if node.label},
        (inputs, parameters),
        outputs,
        example,
        alive(rows, [*inputs, *parameters, *outputs]),
    )


# ---- how it reads ----------------------------------------------------------------------------------------------------
_LONGEST = 8  # inputs that are written out


def listing(tape: Tape) -> str:
    """The entries as a table: their names, formulas, numbers at the example, and lines."""
    try:
        numbers = [f"{x:.6g}" for x in tape.values(FLOATS, *tape.example)]
    except ARITHMETIC_ERRORS:  # the example is outside the domain of an operation
        numbers = [""] * len(tape)
    names = [tape.labels.get(i) or f"v{i}" for i in range(len(tape))]
    kinds = {**dict.fromkeys(tape.inputs, "input"), **dict.fromkeys(tape.parameters, "parameter")}
    rows = [("name", "formula", "number", "line")]
    for i, node in enumerate(tape.nodes):
        formula = kinds.get(i) or ("constant" if node.op is CONSTANT else _formula(node, names))
        rows.append((names[i], formula, numbers[i], tape.line(i)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join([f"tape of {tape.name}", *lines, f"returns {', '.join(names[i] for i in tape.outputs)}"])


def _formula(node: Node, names: Sequence[str]) -> str:
    inputs = [names[i] for i in node.inputs]
    if len(inputs) == 2 and node.op.symbol in ("+", "-", "*", "/", "**"):
        return f" {node.op.symbol} ".join(inputs)
    if len(inputs) > _LONGEST:
        inputs = [*inputs[: _LONGEST // 2], "…", *inputs[-_LONGEST // 2 :]]
    return f"{node.op.name}({', '.join([*inputs, *map(str, node.op.parameters)])})"


# ---- writing one -----------------------------------------------------------------------------------------------------
class Builder:
    """Writes a tape, entry by entry. Each method returns the place of what it wrote, or of what was there already.

    It keeps the tape short: an operation stands there but once on the same inputs, and what changes nothing is left
    out. So formulas can be read that rules have written.
    """

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

    def operation(self, op: Op, inputs: tuple[int, ...]) -> int:
        """An operation, or in its place what is as good: one of its inputs, a constant, a simpler operation."""
        simpler = None
        if op.name in _SIMPLE_AT_TIMES or not self._constants.keys().isdisjoint(inputs):
            simpler = self._simpler(op, inputs)
        if simpler is not None:
            return simpler
        key = (op, *sorted(inputs)) if op is ADD or op is MUL else (op, *inputs)
        place = self._places.setdefault(key, len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(Node(op, inputs))
        return place

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
        outputs: Sequence[int],
        example: Sequence[float] = (),
    ) -> Tape:
        """The finished tape: the leaves, and of all else what an output depends on."""
        return tape_of(name, self.nodes, inputs, parameters, outputs, example)
