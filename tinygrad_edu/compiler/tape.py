"""The tape: a computation as a list of operations; each names the places of its inputs on the list. Plain data.

A traced tape is raw: nothing is shared, folded or left out, and each use of a constant is an entry of its own, so that
what repeats in the function repeats on the tape. A tape may have millions of entries, so they are kept in columns;
`entries` shows them one by one. A `Builder` writes short tapes by hand. How a function of Values is recorded is left to
`trace.py`, what is found in a tape to `roll.py`.
"""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Any, NamedTuple

from tinygrad_edu.errors import ARITHMETIC_ERRORS, SourceLine
from tinygrad_edu.ops import ADD, CONSTANT, DOT, LEAF, MUL, NEG, TOTAL
from tinygrad_edu.rules import FLOATS, Number, NumberSystem, Op


class Entry(NamedTuple):
    """One entry of a tape: an operation on other entries.

    Attributes:
        op: The operation; `LEAF` for an input or a parameter, `CONSTANT` for a plain number.
        inputs: The places of its inputs on the tape.
        label: Its name; "" for none.
        number: The number of a constant.
    """

    op: Op
    inputs: tuple[int, ...] = ()
    label: str = ""
    number: float = 0.0


@dataclass(frozen=True, repr=False, eq=False)
class Tape:
    """A function as plain data: operations in topological order, and the places of inputs, parameters and outputs.

    Entry i is the operation `ops[i]` on the entries at `sources[starts[i] : starts[i + 1]]`. `print(tape)` lists the
    entries, `tape.replay` computes them on any kind of number that the rules know. Two tapes are equal that compute
    the same by the same entries, wherever the function was written.

    Args:
        name: The name of the function.
        ops: The operation of each entry. Inputs and parameters are leaves.
        starts: For each entry where its inputs begin among the `sources`, and at the end the number of sources.
        sources: The places of the inputs of all entries, one after the other.
        numbers: For each entry the number of a constant, else 0.
        labels: The labels of those entries that have one, by their places.
        inputs: The places of the inputs of the function.
        parameters: The places of the parameters, in the order of their first use.
        outputs: The places of what the function returns.
        example: The numbers that inputs and then parameters had when the tape was recorded.
        lines: For each entry the line of the user's that asked for it, as a place in `source_lines`; -1 for none.
        source_lines: Those lines, each once.
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
    source_lines: tuple[SourceLine, ...] = ()

    def __len__(self) -> int:
        return len(self.ops)

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries, each made when it is asked for."""
        return _Entries(self)

    def inputs_of(self, i: int) -> tuple[int, ...]:
        """The places of the inputs of an entry.

        Args:
            i: The place of the entry.

        Returns:
            The places, in the order that the operation takes them.
        """
        return tuple(self.sources[self.starts[i] : self.starts[i + 1]])

    def line(self, i: int) -> str:
        """The line of the user's that asked for an entry.

        Args:
            i: The place of the entry.

        Returns:
            The line as "moons.py:12"; "" where it is not known.
        """
        if i >= len(self.lines) or self.lines[i] < 0:
            return ""
        line = self.source_lines[self.lines[i]]
        file = "cell" if "ipykernel" in line.file else os.path.basename(line.file)
        return f"{file}:{line.line}"

    def replay(self, m: NumberSystem, *numbers: Number) -> list[Number]:
        """Computes the function that was recorded, at other numbers.

        Args:
            m: The number system of the numbers, as `rules.FLOATS`.
            *numbers: One number for each input, and then one for each parameter.

        Returns:
            The outputs.

        Raises:
            ValueError: There are more or fewer numbers; or one is outside the domain of an operation, for which `m` may
                raise other errors as well.

        Example:
            >>> from tinygrad_edu import record
            >>> from tinygrad_edu.rules import FLOATS
            >>> record(lambda x: x * x + 1.0, 2.0).tape.replay(FLOATS, 3.0)
            [10.0]
        """
        values = self.values(m, *numbers)
        return [values[place] for place in self.outputs]

    def values(self, m: NumberSystem, *numbers: Number) -> list[Number]:
        """Computes all entries, as `replay` does.

        Args:
            m: The number system of the numbers, as `rules.FLOATS`.
            *numbers: One number for each input, and then one for each parameter.

        Returns:
            The value of each entry.

        Raises:
            ValueError: As for `replay`.
        """
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
        """All of the tape but the lines; numbers by their bits, as nan is not equal to nan."""
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
        return format_tape(self)


class _Entries(Sequence[Entry]):
    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __len__(self) -> int:
        return len(self._tape.ops)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        tape, i = self._tape, range(len(self))[i]
        return Entry(tape.ops[i], tape.inputs_of(i), tape.labels.get(i, ""), tape.numbers[i])


def make_tape(
    name: str,
    entries: Sequence[Entry],
    inputs: Sequence[int],
    parameters: Sequence[int],
    outputs: Sequence[int],
    example: Sequence[float] = (),
) -> Tape:
    """The tape of these entries: the leaves, and of all others what an output depends on."""
    rows = [entry.inputs for entry in entries]
    return tape_of_columns(
        name,
        [entry.op for entry in entries],
        rows,
        [(place, entry.number) for place, entry in enumerate(entries) if entry.op is CONSTANT],
        {place: entry.label for place, entry in enumerate(entries) if entry.label},
        (inputs, parameters),
        outputs,
        example,
        find_needed(rows, [*inputs, *parameters, *outputs]),
    )


def tape_of_columns(
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
    source_lines: Sequence[SourceLine] = (),
) -> Tape:
    """The tape of those entries that are needed. `leaves` are inputs and parameters."""
    lines = lines or array("i")
    numbers = array("d", bytes(8 * len(ops)))
    for place, number in constants:
        numbers[place] = number
    new: Sequence[int] = range(len(ops))
    sources = array("q", chain.from_iterable(inputs))
    if 0 in needed:
        kept = [i for i, is_needed in enumerate(needed) if is_needed]
        new = array("q", [-1]) * len(ops)
        for place, old in enumerate(kept):
            new[old] = place
        ops, inputs = [ops[i] for i in kept], [inputs[i] for i in kept]
        sources = array("q", [new[i] for i in chain.from_iterable(inputs)])
        numbers = array("d", [numbers[i] for i in kept])
        lines = array("i", [lines[i] for i in kept]) if lines else lines
        labels = {new[i]: label for i, label in labels.items() if new[i] >= 0}
    columns = tuple(ops), array("q", accumulate(map(len, inputs), initial=0)), sources, numbers
    first, second, third = (tuple([new[i] for i in column]) for column in (*leaves, outputs))
    return Tape(name, *columns, dict(labels), first, second, third, tuple(example), lines, tuple(source_lines))


def find_needed(inputs: Sequence[tuple[int, ...]], results: Iterable[int]) -> bytearray:
    """For each entry, of which these are the inputs: 1 if it is a result or a result depends on it, else 0."""
    if len({*results, *chain.from_iterable(inputs)}) == len(inputs):
        return bytearray([1]) * len(inputs)  # each has a user after it, but the last one, which is a result
    needed = bytearray(len(inputs))
    for place in results:
        needed[place] = 1
    for place in range(len(inputs) - 1, -1, -1):
        if needed[place]:
            for i in inputs[place]:
                needed[i] = 1
    return needed


# ---- as text ---------------------------------------------------------------------------------------------------------
_LONGEST = 8  # inputs that are written out


def format_tape(tape: Tape) -> str:
    """Writes the entries as a table: their names, formulas, numbers at the example, and lines."""
    try:
        numbers = [f"{x:.6g}" for x in tape.values(FLOATS, *tape.example)]
    except ARITHMETIC_ERRORS:  # the example is outside the domain of an operation
        numbers = [""] * len(tape)
    names = [tape.labels.get(i) or f"v{i}" for i in range(len(tape))]
    kinds = {**dict.fromkeys(tape.inputs, "input"), **dict.fromkeys(tape.parameters, "parameter")}
    rows = [("name", "formula", "number", "line")]
    for i, entry in enumerate(tape.entries):
        formula = kinds.get(i) or ("constant" if entry.op is CONSTANT else _format_operation(entry, names))
        rows.append((names[i], formula, numbers[i], tape.line(i)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join([f"tape of {tape.name}", *lines, f"returns {', '.join(names[i] for i in tape.outputs)}"])


def _format_operation(entry: Entry, names: Sequence[str]) -> str:
    inputs = [names[i] for i in entry.inputs]
    if len(inputs) == 2 and entry.op.symbol in ("+", "-", "*", "/", "**"):
        return f" {entry.op.symbol} ".join(inputs)
    if len(inputs) > _LONGEST:
        inputs = [*inputs[: _LONGEST // 2], "…", *inputs[-_LONGEST // 2 :]]
    return f"{entry.op.name}({', '.join([*inputs, *map(str, entry.op.parameters)])})"


# ---- writing one -----------------------------------------------------------------------------------------------------
class Builder:
    """Writes a tape, entry by entry. Each method returns the place of what it wrote, or of what was there already.

    It keeps the tape short, so that a reader can follow what rules have written: an operation on the same inputs stands
    there only once, and an operation that changes nothing is left out.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._constants: dict[int, float] = {}

    def leaf(self, label: str) -> int:
        """A new leaf."""
        self.entries.append(Entry(LEAF, (), label))
        return len(self.entries) - 1

    def constant(self, number: float) -> int:
        """A constant; equal constants stand in one place."""
        place = self._places.setdefault((number.hex(),), len(self.entries))  # hex tells 0.0 from -0.0
        if place == len(self.entries):
            self.entries.append(Entry(CONSTANT, (), "", number))
            self._constants[place] = number
        return place

    def number_at(self, place: int) -> float | None:
        """The number that stands there, if it is a constant."""
        return self._constants.get(place)

    def operation(self, op: Op, inputs: tuple[int, ...]) -> int:
        """An operation; or what has the same result: one of its inputs, a constant, a simpler operation."""
        simplified = None
        if op.parameters or op is TOTAL or op is DOT or not self._constants.keys().isdisjoint(inputs):
            simplified = self._simplify(op, inputs)
        if simplified is not None:
            return simplified
        key = (op, *sorted(inputs)) if op.commutes else (op, *inputs)
        place = self._places.setdefault(key, len(self.entries))
        if place == len(self.entries):
            self.entries.append(Entry(op, inputs))
        return place

    def _simplify(self, op: Op, inputs: tuple[int, ...]) -> int | None:
        """Where the same result stands without this operation, as for x·1, x + 0, 2 + 3; None if nowhere."""
        if op.name == "power" and op.parameters[0] in (0, 1):
            return inputs[0] if op.parameters[0] else self.constant(1.0)
        if op is TOTAL and len(inputs) < 3:
            return self.operation(ADD, inputs) if len(inputs) == 2 else inputs[0] if inputs else self.constant(0.0)
        if op is DOT and len(inputs) < 3:
            return self.operation(MUL, inputs) if inputs else self.constant(0.0)
        numbers = [self.number_at(i) for i in inputs]
        if None not in numbers:
            try:
                return self.constant(float(op.value(FLOATS, *numbers)))
            except ARITHMETIC_ERRORS:
                return None  # fails when it is run, as it does on Values
        if op.arity == 2 and op.neutral is not None:
            if numbers[1] == op.neutral:
                return inputs[0]
            if numbers[0] == op.neutral and op.commutes:
                return inputs[1]
        if op is MUL and -1.0 in numbers:
            return self.operation(NEG, (inputs[1 - numbers.index(-1.0)],))
        return None
