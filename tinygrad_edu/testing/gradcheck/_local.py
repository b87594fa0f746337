"""Checks every operation of a graph on its own: the derivatives of its rule against differences of its value.

So a wrong rule is named, however deep in a function it stands, and even if its error has no effect. Only the inputs
that are not constants count, as no gradient flows to a constant. The verdict on a derivative is left to `verdicts.py`,
the function as a whole to `check.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.gradients import VALUES, grad, sweep
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import Number, NumberSystem, Op

from ._precision import FLOAT_PRECISION, Precision
from .verdicts import SAME, Derivative, judge

# raised by a rule that uses math or NumPy, so it cannot take mpmath's numbers
NEEDS_FLOATS = (TypeError, AttributeError)


@dataclass(frozen=True)
class LocalDerivative:
    """The derivative of an operation in one of its inputs, at the numbers `at` that the inputs have in a graph.

    With `again` it is the second derivative: the derivative, differentiated again in the input of that number.
    """

    operation: str
    at: tuple[float, ...]
    derivative: Derivative
    input: int
    again: int | None = None

    @property
    def where(self) -> str:
        """Operation, input and numbers, as in "mul, input 0 at 2.0, 3.0"."""
        numbers = ", ".join([*map(repr, self.at[:4]), *["…"] * (len(self.at) > 4)])
        return f"{self.operation}, input {self.input} at {numbers}"

    def __str__(self) -> str:
        d, again = self.derivative, "" if self.again is None else f", differentiated again in input {self.again},"
        says = "nothing" if d.given is None else f"{d.given:.12g}"
        found = d.sides if d.expected is None else f"{d.expected:.12g}"
        return f"{self.where}: the rule{again} says {says}, it is {found}"


def check_operations(graph: Sequence[Value], fine: Precision, again: bool = False) -> list[LocalDerivative]:
    """The local derivatives of all operations in a graph, in the order of the graph; with `again` the second ones.

    Each is checked with many digits if the rule takes them, else with floats. Where a rule has no derivative at all,
    there is nothing to check.
    """
    found = []
    for op, xs, inputs in dict.fromkeys(map(_describe_operation, [v for v in graph if v._prev])):
        # the second derivatives of op are the first ones of ∂op/∂xⱼ
        functions = [([j], _differentiate(op, j, xs)) for j in inputs] if again else [([], op)]
        for (j, function), i in product(functions, inputs):
            for precision in (fine, FLOAT_PRECISION):
                try:
                    d = _check_derivative(function, xs, i, precision)
                    found.append(LocalDerivative(str(op), xs, d, *[*j, i]))
                    break
                except (*NEEDS_FLOATS, *FAILURES) as error:
                    if precision is FLOAT_PRECISION and isinstance(error, NEEDS_FLOATS):
                        raise
    return found


def _describe_operation(v: Value) -> tuple[Op, tuple[float, ...], tuple[int, ...]]:
    """The operation of a node, its numbers, and which inputs are no constants."""
    inputs = [i for i, x in enumerate(v._prev) if x._rule is not CONSTANT]
    return v._rule, tuple([x.data for x in v._prev]), tuple(inputs)


def size_of(graph: Sequence[Value], smallest: float = 0.0) -> float:
    """The size of the numbers in the graph of y, max |v·∂y/∂v| over all v: rounding v by ε changes y by ε times it.

    It is 0 where there is no graph. A number below `smallest` is rounded as if it were as large.

    >>> size_of(topological_order(1e8 + Value(1.0) ** 2))
    100000001.0
    """
    try:
        slopes = grad(graph[-1], graph) if graph else []
        return max([abs(g) * max(abs(v.data), smallest) for g, v in zip(slopes, graph)], default=0.0)
    except FAILURES:
        return abs(graph[-1].data)


def rounding_of_gradient(y: Value, leaf: Value) -> float:
    """How far rounding moves ∂y/∂leaf in floats; 0 where a rule cannot be differentiated again to tell.

    >>> x = Value(1e-8)
    >>> y = (1.0 - x.cos()) / x**2
    >>> print(f"{grad(y, x):.0e} or {rounding_of_gradient(y, x):.0e} more")  # it is -8e-10
    1e+08 or 4e+08 more
    """
    try:
        return float(FLOAT_PRECISION.rounding * size_of(topological_order(grad(y, leaf, create_graph=True))))
    except (NotImplementedError, *NEEDS_FLOATS, *FAILURES):
        return 0.0


def evaluate_graph(m: NumberSystem, graph: Sequence[Value], given: Mapping[Value, Number]) -> dict[Value, Number]:
    """The number of each node of a graph in that number system; `given` are those of the leaves."""
    numbers = dict(given)
    for v in graph:
        if v not in numbers:
            numbers[v] = v._rule.value(m, *[numbers[x] for x in v._prev]) if v._prev else v.data
    return numbers


def _differentiate(op: Op, j: int, xs: Sequence[float]) -> Op:
    """∂op/∂xⱼ as an operation of its own. Its derivatives at xs are those of the graph that the rule of op makes."""

    def value(m: NumberSystem, *at: Number) -> Number:
        return op.derivatives(m, op.value(m, *at), *at)[j]

    def derivatives(m: NumberSystem, _: Number, *at: Number) -> Sequence[Number]:
        leaves = [Value(x) for x in xs]
        slope = op.derivatives(VALUES, apply(op, *leaves), *leaves)[j]
        if not isinstance(slope, Value):
            return [0.0] * len(leaves)
        numbers = evaluate_graph(m, topological_order(slope), dict(zip(leaves, at)))
        return sweep(slope, leaves, m, numbers.__getitem__)

    return Op(op.name, op.symbol, value, every=derivatives, parameters=op.parameters)


def _check_derivative(op: Op, xs: tuple[float, ...], i: int, precision: Precision) -> Derivative:
    def value(at: Sequence[Number]) -> Number:
        return precision.number(op.value(precision.system, *at))

    def slope(at: Sequence[Number]) -> Number | None:
        slopes = op.derivatives(precision.system, value(at), *at, wanted=[j == i for j in range(len(at))])
        return precision.number(slopes[i]) if i < len(slopes) else None

    try:
        inside = op.value(VALUES, *map(Value, xs))  # what the rule computes, as a graph
    except (*NEEDS_FLOATS, *FAILURES):
        inside = None  # it takes only floats
    graph = topological_order(inside) if isinstance(inside, Value) else []
    at = [precision.number(x) for x in xs]
    d = judge("", slope(at), value, at, {i: 1.0}, precision, size_of(graph, precision.smallest))
    if d.given is None or (d.verdict == "kink" and not _is_between_sides(d)):
        return replace(d, verdict="wrong")
    if d.verdict != "wrong" or d.expected is None:
        return d
    for h in (precision.widths(xs[i])[-1], -precision.widths(xs[i])[-1]):
        beside = slope([*at[:i], at[i] + h, *at[i + 1 :]])
        if beside is None or abs(precision.to_float(beside) - d.expected) > SAME * abs(d.expected):
            return d
    # it is right on both sides: perhaps it passes through kinks at the point itself
    parts = check_operations([v for v in graph if v._rule is not op], precision)
    return replace(d, verdict="kink") if any(part.derivative.verdict == "kink" for part in parts) else d


def _is_between_sides(d: Derivative) -> bool:
    """Whether the rule chooses a slope between the slopes of both sides, as it may at a kink."""
    if d.given is None or d.left is None or d.right is None:
        return False
    if math.isinf(d.left) or math.isinf(d.right):
        return True  # a jump, where every slope is allowed
    slack = SAME * max(abs(d.left), abs(d.right))
    return min(d.left, d.right) - slack <= d.given <= max(d.left, d.right) + slack
