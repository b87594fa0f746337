"""The graph that is rolled: a tape in which sums of products stand as such, however they were written.

b + w₁·x₁ + w₂·x₂ becomes total(dot(w₁, w₂, x₁, x₂), b), as a neuron computes it. A product is a dot of one term, a sum
of two a total of two: then all that adds or multiplies looks alike. No number is looked at: a weight that happens to be
1 is no other weight. Which operations run together is left to `roll.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_edu.ops import ADD, CONSTANT, DOT, MUL, TOTAL
from tinygrad_edu.rules import Op

from .program import REDUCTIONS
from .tape import Tape

_OF_ANY_NUMBER = {MUL: DOT, **{op.of_two: op for op in REDUCTIONS}}


@dataclass
class Graph:
    """Operations in topological order. A node without an operation is a leaf, or a constant if it has a number."""

    ops: list[Op | None] = field(default_factory=list)
    inputs: list[Sequence[int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    numbers: dict[int, float] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    shared: set[int] = field(default_factory=set)  # what the tape computes again and again, of leaves alone

    def add(self, op: Op | None, inputs: Sequence[int] = (), label: str = "", line: str = "") -> int:
        self.ops.append(op)
        self.inputs.append(inputs)
        self.labels.append(label)
        self.lines.append(line)
        return len(self.ops) - 1


def gather_sums(tape: Tape) -> Graph:
    """The graph of a tape, without what no output depends on.

    What is computed of leaves alone is computed once. Where a constant takes part it is not: samples that happen to be
    equal are still two samples.
    """
    ops, rows, labels = tape.ops, [tape.inputs_of(i) for i in range(len(tape))], tape.labels
    count, inner = _count_uses(tape, rows)
    graph = Graph()
    new = [-1] * len(tape)
    lines: dict[int, str] = {}
    of_leaves: dict[Any, int] = {}
    is_of_leaves: set[int] = set()

    def once(op: Op, inputs: list[int], label: str, line: str) -> int:
        """Adds an operation, or finds it."""
        if not is_of_leaves.issuperset(inputs):
            return graph.add(op, inputs, label, line)
        key = (op, *inputs)
        if key in of_leaves:
            graph.shared.add(of_leaves[key])
        else:
            of_leaves[key] = graph.add(op, inputs, label, line)
            is_of_leaves.add(of_leaves[key])
        return of_leaves[key]

    for place in (*tape.inputs, *tape.parameters):
        new[place] = graph.add(None, (), labels.get(place, ""))
        graph.leaves.append(new[place])
        is_of_leaves.add(new[place])
    for place, (op, inputs) in enumerate(zip(ops, rows)):
        if new[place] >= 0 or inner[place] or not count[place]:
            continue
        if op is CONSTANT:
            new[place] = graph.add(None)
            graph.numbers[new[place]] = tape.numbers[place]
            continue
        if op is DOT and not inputs:
            op = TOTAL  # of no products
        op = _OF_ANY_NUMBER.get(op, op)
        number = tape.lines[place] if tape.lines else -1
        if number not in lines:
            lines[number] = tape.line(place)
        line = lines[number]
        if op is not TOTAL:
            new[place] = once(op, [new[i] for i in inputs], labels.get(place, ""), line)
            continue
        left, right, terms = [], [], []  # the factors of the products, and the terms that are none
        stack = list(reversed(inputs))
        while stack:
            term = stack.pop()
            if not inner[term]:
                if ops[term] is not CONSTANT or tape.numbers[term] != 0.0:  # where sum() begins
                    terms.append(new[term])
            elif ops[term] is ADD or ops[term] is TOTAL:
                stack.extend(reversed(rows[term]))
            else:  # a product or a dot: the first half of its inputs times the second
                half = len(rows[term]) // 2
                left += [new[i] for i in rows[term][:half]]
                right += [new[i] for i in rows[term][half:]]
        if left:
            terms.insert(0, once(DOT, [*left, *right], "", line))
        if not terms:  # nothing but zeros
            terms.append(graph.add(None))
            graph.numbers[terms[0]] = 0.0
        new[place] = once(TOTAL, terms, labels.get(place, ""), line)
    graph.outputs = [new[place] for place in tape.outputs]
    return graph


def _count_uses(tape: Tape, rows: Sequence[Sequence[int]]) -> tuple[list[int], list[bool]]:
    """How often each node is asked for, and which are but a part of one sum: they have no label, it alone uses them."""
    count, inner = [0] * len(tape), [False] * len(tape)
    for place in tape.outputs:
        count[place] += 1
    for place in reversed(range(len(tape))):
        if count[place]:
            for i in rows[place]:
                count[i] += 1
    for place, op in enumerate(tape.ops):
        if count[place] and (op is ADD or op is TOTAL):
            for i in rows[place]:
                if count[i] == 1 and i not in tape.labels and tape.ops[i] in _PARTS_OF_SUMS:
                    inner[i] = True
    return count, inner


_PARTS_OF_SUMS = {ADD, TOTAL, MUL, DOT}
