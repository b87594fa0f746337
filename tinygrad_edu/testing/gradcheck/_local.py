"""Every operation of a graph on its own: its rule's derivatives against differences of the value beside them.

That is how a wrong rule gets its name, however deep in a function it stands, and whatever becomes of it further on.
Only inputs that are no constants count, as no gradient flows to the others. How a derivative is judged is left to
`verdicts.py`, the function as a whole to `check.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.gradients import RECORDING, sweep
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import Number, Op

from ._differences import Along, noise_of
from ._precision import IN_FLOATS, Arithmetic
from .verdicts import SAME, Derivative, judged

NEAR = 14  # steps: two spacings for `noise_of`
NO_DIGITS = (TypeError, AttributeError)  # of a rule that does not run on mpmath's numbers, as it uses math or NumPy


@dataclass(frozen=True)
class LocalDerivative:
    """The derivative of an operation in one of its inputs, at the numbers that the inputs have in a graph.

    Where `again` is an input's place, it is the derivative of that derivative in the input of that place.
    """

    operation: str
    input: int
    at: tuple[float, ...]
    derivative: Derivative
    again: int | None = None

    @property
    def place(self) -> str:
        """Which operation, input and numbers, as in "mul, input 0 at 2.0, 3.0"."""
        numbers = ", ".join([*map(repr, self.at[:4]), *["…"] * (len(self.at) > 4)])
        return f"{self.operation}, input {self.input} at {numbers}"

    def __str__(self) -> str:
        d = self.derivative
        says = "nothing" if d.given is None else f"{d.given:.12g}"
        what = f"{self.place}: the rule"
        if self.again is not None:
            what += f", differentiated again in input {self.again},"
        return f"{what} says {says}, it is {d.sides if d.expected is None else f'{d.expected:.12g}'}"


def local_derivatives(graph: Sequence[Value], fine: Arithmetic | None) -> list[LocalDerivative]:
    """Those of a graph that are wrong or at a kink, in the order of the graph."""
    return [
        found
        for op, xs, places in _operations(graph)
        for found in _of_one(op, xs, places, fine)
        if found.derivative.verdict in ("wrong", "kink")
    ]


def second_local_derivatives(graph: Sequence[Value], fine: Arithmetic | None) -> list[LocalDerivative]:
    """Those that are wrong: what a rule gives when it is differentiated itself, against differences of the rule."""
    return [
        found
        for op, xs, places in _operations(graph)
        for found in _again(op, xs, places, fine)
        if found.derivative.verdict == "wrong"
    ]


def gradient_in(kind: Arithmetic, y: Value, leaves: Sequence[Value]) -> list[Number]:
    """The gradient that the rules give on numbers of that kind: in many digits, without the rounding of floats."""
    numbers = numbers_in(kind, topological_order(y))
    return [kind.number(g) for g in sweep(y, leaves, kind.mathematics, numbers.__getitem__)]


def numbers_in(kind: Arithmetic, graph: Sequence[Value], given: Mapping[Value, Number] = {}) -> dict[Value, Number]:
    """The number of each node of a graph, computed with numbers of that kind; leaves may be given other ones."""
    numbers = dict(given)
    for v in graph:
        if v not in numbers:
            inputs = [numbers[x] for x in v._prev]
            numbers[v] = kind.number(v._rule.value(kind.mathematics, *inputs) if inputs else v.data)
    return numbers


def _operations(graph: Sequence[Value]) -> Iterator[tuple[Op, tuple[float, ...], tuple[int, ...]]]:
    """Each operation, once at the same numbers: with these, and with the places of the inputs that are no constants."""
    used = [
        (
            v._rule,
            tuple([x.data for x in v._prev]),
            tuple([i for i, x in enumerate(v._prev) if x._rule is not CONSTANT]),
        )
        for v in graph
        if v._prev
    ]
    yield from dict.fromkeys(used)


def _of_one(op: Op, xs: tuple[float, ...], places: Sequence[int], fine: Arithmetic | None) -> list[LocalDerivative]:
    def value(kind: Arithmetic, *at: Number) -> Number:
        return kind.number(op.value(kind.mathematics, *at))

    def given(kind: Arithmetic, *at: Number) -> list[Number | None]:
        slopes = op.derivatives(kind.mathematics, value(kind, *at), *at)
        return [*map(kind.number, slopes), *[None] * (len(xs) - len(slopes))]

    def examined(kind: Arithmetic) -> list[LocalDerivative]:
        at = [kind.number(x) for x in xs]
        y, slopes = value(kind, *at), given(kind, *at)
        found = []
        for i in places:
            along = _along(value, kind, at, i)
            d = judged("", slopes[i], along, y, xs[i], kind, _noise(kind, along, xs[i], y, *at))
            if slopes[i] is None or (d.verdict == "kink" and not _between(d)):
                d = replace(d, verdict="wrong")
            elif d.verdict == "wrong" and _chosen(kind, at, i, d):
                d = replace(d, verdict="kink")
            found.append(LocalDerivative(str(op), i, xs, d))
        return found

    def _chosen(kind: Arithmetic, at: list[Number], i: int, d: Derivative) -> bool:
        """Whether the rule is right on both sides of the point, and in it passes through kinks that cancel."""
        for h in (kind.steps(xs[i])[-1], -kind.steps(xs[i])[-1]):
            beside = given(kind, *at[:i], at[i] + h, *at[i + 1 :])[i]
            if d.expected is None or beside is None or abs(beside - d.expected) > SAME * abs(d.expected):
                return False
        try:
            inside = op.value(RECORDING, *map(Value, xs))
        except NO_DIGITS:  # nor on Values
            return False
        graph = [v for v in topological_order(inside) if v._rule is not op] if isinstance(inside, Value) else []
        return any(found.derivative.verdict == "kink" for found in local_derivatives(graph, fine))

    return _in_the_best_numbers(examined, fine)


def _again(op: Op, xs: tuple[float, ...], places: Sequence[int], fine: Arithmetic | None) -> list[LocalDerivative]:
    def examined(kind: Arithmetic) -> list[LocalDerivative]:
        leaves = [Value(x) for x in xs]
        slopes = op.derivatives(RECORDING, apply(op, *leaves), *leaves)
        given = [gradient_in(kind, s, leaves) if isinstance(s, Value) else [0.0] * len(xs) for s in slopes]
        at = [kind.number(x) for x in xs]
        found = []
        for j in places:

            def slope(kind: Arithmetic, *at: Number, j: int = j) -> Number:
                m = kind.mathematics
                return kind.number(op.derivatives(m, op.value(m, *at), *at)[j])

            for i in places:
                y, along = slope(kind, *at), _along(slope, kind, at, i)
                d = judged("", given[j][i], along, y, xs[i], kind, _noise(kind, along, xs[i], y, *at))
                found.append(LocalDerivative(str(op), j, xs, d, again=i))
        return found

    return _in_the_best_numbers(examined, fine)


def _along(f: Callable[..., Number], kind: Arithmetic, at: list[Number], i: int) -> Along:
    return lambda t: f(kind, *at[:i], at[i] + t, *at[i + 1 :])


def _noise(kind: Arithmetic, f: Along, x: float, *numbers: Number) -> Number:
    """The error of f near x, computed from these numbers, and from some that are not seen, as the 1 of 1 + exp(x).

    Floats have no digits to spare for what can only be supposed: there it is measured, so near to x that a short period
    is no noise.
    """
    return kind.rounding * max(1, *map(abs, numbers)) if kind.exact else noise_of(f, kind.wide_steps(x)[-NEAR:])


def _between(d: Derivative) -> bool:
    """Whether the rule chooses a slope between those of both sides, as it may at a kink."""
    if d.given is None or d.left is None or d.right is None:
        return False
    if math.isinf(d.left) or math.isinf(d.right):
        return True  # a jump, at which every slope is as good
    slack = SAME * max(abs(d.left), abs(d.right))
    return min(d.left, d.right) - slack <= d.given <= max(d.left, d.right) + slack


def _in_the_best_numbers(
    examined: Callable[[Arithmetic], list[LocalDerivative]], fine: Arithmetic | None
) -> list[LocalDerivative]:
    """With many digits if the rule runs on them, else with floats; nothing where it has no derivative at all."""
    for kind in (fine, IN_FLOATS):
        try:
            if kind:
                return examined(kind)
        except (*NO_DIGITS, *FAILURES) as error:
            if kind is IN_FLOATS and isinstance(error, NO_DIGITS):
                raise
    return []
