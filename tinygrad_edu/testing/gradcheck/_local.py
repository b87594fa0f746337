"""Checks every operation of a graph on its own: the derivatives of its rule against differences of its value.

So a wrong rule is named, however deep in a function it stands, and even if its error has no effect. Only the inputs
that are not constants count, as no gradient flows to a constant. The verdict on a derivative is left to `verdicts.py`,
the function as a whole to `check.py`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.gradients import VALUES, grad, sweep
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import Number, Op

from ._differences import restrict_to_line
from ._precision import FLOAT_PRECISION, Precision
from .verdicts import SAME, Derivative, judge

T = TypeVar("T")

# raised by a rule that uses math or NumPy, so it cannot take mpmath's numbers
NEEDS_FLOATS = (TypeError, AttributeError)


@dataclass(frozen=True)
class LocalDerivative:
    """The derivative of an operation in one of its inputs, at the numbers `at` that the inputs have in a graph.

    With `again` it is the second derivative: the derivative, differentiated again in the input of that number.
    """

    operation: str
    input: int
    at: tuple[float, ...]
    derivative: Derivative
    again: int | None = None

    @property
    def where(self) -> str:
        """Operation, input and numbers, as in "mul, input 0 at 2.0, 3.0"."""
        numbers = ", ".join([*map(repr, self.at[:4]), *["…"] * (len(self.at) > 4)])
        return f"{self.operation}, input {self.input} at {numbers}"

    def __str__(self) -> str:
        d = self.derivative
        says = "nothing" if d.given is None else f"{d.given:.12g}"
        what = f"{self.where}: the rule"
        if self.again is not None:
            what += f", differentiated again in input {self.again},"
        return f"{what} says {says}, it is {d.sides if d.expected is None else f'{d.expected:.12g}'}"


def check_operations(graph: Sequence[Value], fine: Precision | None) -> list[LocalDerivative]:
    """The local derivatives of all operations in a graph, in the order of the graph."""
    return [local for op in _distinct_operations(graph) for local in _check_derivatives(*op, fine)]


def check_operations_again(graph: Sequence[Value], fine: Precision | None) -> list[LocalDerivative]:
    """The second local derivatives: each rule, differentiated, against its differences."""
    return [local for op in _distinct_operations(graph) for local in _check_second_derivatives(*op, fine)]


def size_of(y: Value | None) -> float:
    """The size of the numbers in a graph, max |v·∂y/∂v| over its nodes v: rounding v by ε changes y by ε times that.

    It is 0 where there is no graph.

    >>> size_of(1e8 + Value(1.0) ** 2)
    100000001.0
    """
    if y is None:
        return 0.0
    graph = topological_order(y)
    try:
        sizes: list[float] = [abs(g * v.data) for g, v in zip(grad(y, graph), graph)]
        return max(sizes, default=0.0)
    except FAILURES:
        return abs(y.data)


def rounding_of_gradient(y: Value, leaf: Value) -> float:
    """How far rounding moves ∂y/∂leaf in floats; 0 where a rule cannot be differentiated again to tell.

    >>> x = Value(1e-8)
    >>> y = (1.0 - x.cos()) / x**2
    >>> print(f"{grad(y, x):.0e} or {rounding_of_gradient(y, x):.0e} more")  # it is -8e-10
    1e+08 or 4e+08 more
    """
    try:
        return float(FLOAT_PRECISION.rounding * size_of(grad(y, leaf, create_graph=True)))
    except (NotImplementedError, *NEEDS_FLOATS, *FAILURES):
        return 0.0


def evaluate_graph(
    precision: Precision, graph: Sequence[Value], given: Mapping[Value, Number] = {}
) -> dict[Value, Number]:
    """The number of each node of a graph in that precision; `given` holds other numbers for leaves."""
    numbers = dict(given)
    for v in graph:
        if v not in numbers:
            inputs = [numbers[x] for x in v._prev]
            numbers[v] = precision.number(v._rule.value(precision.system, *inputs) if inputs else v.data)
    return numbers


def _distinct_operations(graph: Sequence[Value]) -> Iterator[tuple[Op, tuple[float, ...], tuple[int, ...]]]:
    """Each operation, once at the same numbers: with these numbers, and with its inputs that are not constants."""
    found: dict[tuple[Op, tuple[float, ...], tuple[int, ...]], None] = {}
    for v in graph:
        if v._prev:
            inputs = tuple([i for i, x in enumerate(v._prev) if x._rule is not CONSTANT])
            found[v._rule, tuple([x.data for x in v._prev]), inputs] = None
    yield from found


def _check_derivatives(
    op: Op, xs: tuple[float, ...], inputs: Sequence[int], fine: Precision | None
) -> list[LocalDerivative]:
    def value(precision: Precision, at: Sequence[Number]) -> Number:
        return precision.number(op.value(precision.system, *at))

    def given(precision: Precision, at: Sequence[Number], i: int) -> Number | None:
        wanted = [j == i for j in range(len(at))]
        slopes = op.derivatives(precision.system, value(precision, at), *at, wanted=wanted)
        return precision.number(slopes[i]) if i < len(slopes) else None

    def check_in(precision: Precision, i: int) -> LocalDerivative:
        at = [precision.number(x) for x in xs]
        y, slope = value(precision, at), given(precision, at, i)
        f = restrict_to_line(partial(value, precision), at, {i: 1.0})
        d = judge("", slope, f, y, xs[i], precision, precision.rounding * size_of(inner_graph()))
        if slope is None or (d.verdict == "kink" and not _is_between_sides(d)):
            d = replace(d, verdict="wrong")
        elif d.verdict == "wrong" and has_kinks_that_cancel(precision, at, i, d):
            d = replace(d, verdict="kink")
        return LocalDerivative(str(op), i, xs, d)

    def inner_graph() -> Value | None:
        """What the rule computes, as a graph; None where it takes only floats."""
        try:
            inside = op.value(VALUES, *map(Value, xs))
        except (*NEEDS_FLOATS, *FAILURES):
            return None
        return inside if isinstance(inside, Value) else None

    def has_kinks_that_cancel(precision: Precision, at: list[Number], i: int, d: Derivative) -> bool:
        """Whether the rule is right on both sides of the point, and passes through kinks at the point itself."""
        for h in (precision.widths(xs[i])[-1], -precision.widths(xs[i])[-1]):
            beside = given(precision, [*at[:i], at[i] + h, *at[i + 1 :]], i)
            if d.expected is None or beside is None or abs(beside - d.expected) > SAME * abs(d.expected):
                return False
        inside = inner_graph()
        graph = [v for v in topological_order(inside) if v._rule is not op] if inside is not None else []
        return any(local.derivative.verdict == "kink" for local in check_operations(graph, fine))

    return _check_in_best_precision(check_in, inputs, fine)


def _check_second_derivatives(
    op: Op, xs: tuple[float, ...], inputs: Sequence[int], fine: Precision | None
) -> list[LocalDerivative]:
    def check_in(precision: Precision, pair: tuple[int, int]) -> LocalDerivative:
        j, i = pair

        def slope(at: Sequence[Number]) -> Number:
            return precision.number(op.derivatives(precision.system, op.value(precision.system, *at), *at)[j])

        leaves = [Value(x) for x in xs]
        first = op.derivatives(VALUES, apply(op, *leaves), *leaves)[j]
        graph = first if isinstance(first, Value) else None
        again: Number = 0.0
        if graph is not None:
            numbers = evaluate_graph(precision, topological_order(graph, leaves[i]))
            (again,) = sweep(graph, [leaves[i]], precision.system, numbers.__getitem__)
        at = [precision.number(x) for x in xs]
        y, f = slope(at), restrict_to_line(slope, at, {i: 1.0})
        d = judge("", precision.number(again), f, y, xs[i], precision, precision.rounding * size_of(graph))
        return LocalDerivative(str(op), j, xs, d, again=i)

    return _check_in_best_precision(check_in, [(j, i) for j in inputs for i in inputs], fine)


def _is_between_sides(d: Derivative) -> bool:
    """Whether the rule chooses a slope between the slopes of both sides, as it may at a kink."""
    if d.given is None or d.left is None or d.right is None:
        return False
    if math.isinf(d.left) or math.isinf(d.right):
        return True  # a jump, where every slope is allowed
    slack = SAME * max(abs(d.left), abs(d.right))
    return min(d.left, d.right) - slack <= d.given <= max(d.left, d.right) + slack


def _check_in_best_precision(
    check_in: Callable[[Precision, T], LocalDerivative], places: Iterable[T], fine: Precision | None
) -> list[LocalDerivative]:
    """With many digits if the rule takes them, else with floats; nothing where the rule has no derivative at all."""
    found = []
    for place in places:
        for precision in (fine, FLOAT_PRECISION):
            try:
                if precision:
                    found.append(check_in(precision, place))
                    break
            except (*NEEDS_FLOATS, *FAILURES) as error:
                if precision is FLOAT_PRECISION and isinstance(error, NEEDS_FLOATS):
                    raise
    return found
