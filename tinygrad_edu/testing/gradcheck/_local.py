"""Checks every operation of a graph on its own: the derivatives of its rule against differences of its value.

So a wrong rule is named, however deep in a function it stands, and even if its error has no effect. Only the inputs
that are not constants count, as no gradient flows to a constant. The verdict on a derivative is left to `verdicts.py`,
the function as a whole to `check.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.gradients import VALUES, sweep
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import Number, Op

from ._differences import LineFunction, estimate_noise, restrict_to_line
from ._precision import FLOAT_PRECISION, Precision
from .verdicts import SAME, Derivative, judge

NEAREST_STEPS = 14  # enough for two spacings in `estimate_noise`
NEEDS_FLOATS = (
    TypeError,
    AttributeError,
)  # raised by a rule that uses math or NumPy, so it cannot take mpmath's numbers


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


def gradient_in(precision: Precision, y: Value, leaves: Sequence[Value]) -> list[Number]:
    """The gradient that the rules give on numbers of that precision."""
    numbers = evaluate_graph(precision, topological_order(y))
    return [precision.number(g) for g in sweep(y, leaves, precision.system, numbers.__getitem__)]


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

    def given(precision: Precision, at: Sequence[Number]) -> list[Number | None]:
        slopes = op.derivatives(precision.system, value(precision, at), *at)
        return [*map(precision.number, slopes), *[None] * (len(xs) - len(slopes))]

    def check_in(precision: Precision) -> list[LocalDerivative]:
        at = [precision.number(x) for x in xs]
        y, slopes = value(precision, at), given(precision, at)
        found = []
        for i in inputs:
            f = restrict_to_line(partial(value, precision), at, {i: 1.0})
            d = judge("", slopes[i], f, y, xs[i], precision, _noise_near(precision, f, xs[i], y, *at))
            if slopes[i] is None or (d.verdict == "kink" and not _is_between_sides(d)):
                d = replace(d, verdict="wrong")
            elif d.verdict == "wrong" and has_kinks_that_cancel(precision, at, i, d):
                d = replace(d, verdict="kink")
            found.append(LocalDerivative(str(op), i, xs, d))
        return found

    def has_kinks_that_cancel(precision: Precision, at: list[Number], i: int, d: Derivative) -> bool:
        """Whether the rule is right on both sides of the point, and passes through kinks at the point itself."""
        for h in (precision.steps(xs[i])[-1], -precision.steps(xs[i])[-1]):
            beside = given(precision, [*at[:i], at[i] + h, *at[i + 1 :]])[i]
            if d.expected is None or beside is None or abs(beside - d.expected) > SAME * abs(d.expected):
                return False
        try:
            inside = op.value(VALUES, *map(Value, xs))
        except NEEDS_FLOATS:  # the rule does not take Values either
            return False
        graph = [v for v in topological_order(inside) if v._rule is not op] if isinstance(inside, Value) else []
        return any(local.derivative.verdict == "kink" for local in check_operations(graph, fine))

    return _check_in_best_precision(check_in, fine)


def _check_second_derivatives(
    op: Op, xs: tuple[float, ...], inputs: Sequence[int], fine: Precision | None
) -> list[LocalDerivative]:
    def check_in(precision: Precision) -> list[LocalDerivative]:
        def slope(at: Sequence[Number], j: int) -> Number:
            return precision.number(op.derivatives(precision.system, op.value(precision.system, *at), *at)[j])

        leaves = [Value(x) for x in xs]
        slopes = op.derivatives(VALUES, apply(op, *leaves), *leaves)
        given = [gradient_in(precision, s, leaves) if isinstance(s, Value) else [0.0] * len(xs) for s in slopes]
        at = [precision.number(x) for x in xs]
        found = []
        for j in inputs:
            y = slope(at, j)
            for i in inputs:
                f = restrict_to_line(partial(slope, j=j), at, {i: 1.0})
                d = judge("", given[j][i], f, y, xs[i], precision, _noise_near(precision, f, xs[i], y, *at))
                found.append(LocalDerivative(str(op), j, xs, d, again=i))
        return found

    return _check_in_best_precision(check_in, fine)


def _noise_near(precision: Precision, f: LineFunction, x: float, *numbers: Number) -> Number:
    """The error of f near x: f is computed from these numbers, and from some inside, as the 1 in 1 + exp(x).

    With many digits, a bound is enough. Floats have no digits to spare for a bound, so their noise is measured: so near
    to x that a short period does not look like noise.
    """
    if precision.is_exact:
        return precision.rounding * max(1, *map(abs, numbers))
    return estimate_noise(f, precision.wide_steps(x)[-NEAREST_STEPS:])


def _is_between_sides(d: Derivative) -> bool:
    """Whether the rule chooses a slope between the slopes of both sides, as it may at a kink."""
    if d.given is None or d.left is None or d.right is None:
        return False
    if math.isinf(d.left) or math.isinf(d.right):
        return True  # a jump, where every slope is allowed
    slack = SAME * max(abs(d.left), abs(d.right))
    return min(d.left, d.right) - slack <= d.given <= max(d.left, d.right) + slack


def _check_in_best_precision(
    check_in: Callable[[Precision], list[LocalDerivative]], fine: Precision | None
) -> list[LocalDerivative]:
    """With many digits if the rule takes them, else with floats; nothing where the rule has no derivative at all."""
    for precision in (fine, FLOAT_PRECISION):
        try:
            if precision:
                return check_in(precision)
        except (*NEEDS_FLOATS, *FAILURES) as error:
            if precision is FLOAT_PRECISION and isinstance(error, NEEDS_FLOATS):
                raise
    return []
