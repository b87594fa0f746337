"""Expressions as the tests write them: labels and numbers of the inputs, constants, and steps, in this order."""

from collections.abc import Sequence

from tinygrad_edu.compiler.tape import Entry
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import Op
from tinygrad_edu.testing.expression import Expression

Step = tuple[Op, tuple[int, ...]]  # an operation, on what stands at these places


def expression(
    inputs: Sequence[str], point: Sequence[float], constants: Sequence[float], *steps: Step, label: str = ""
) -> Expression:
    """The last step, which has the label, is the result. Places count inputs first, then constants, then steps."""
    nodes = [Entry(LEAF, (), name, x) for name, x in zip(inputs, point, strict=True)]
    nodes += [Entry(CONSTANT, number=x) for x in constants]
    nodes += [Entry(op, places, label if i == len(steps) else "") for i, (op, places) in enumerate(steps, 1)]
    return Expression.of(nodes)


def constants_of(f: Expression) -> list[float]:
    return [node.number for node in f.nodes if node.op is CONSTANT]
