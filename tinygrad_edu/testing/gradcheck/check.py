"""`gradcheck`: whether the gradient of a function is right at a point, and if not, what is to blame.

Two witnesses are heard about the function as a whole, for each input and in one direction across them all: differences
with an error estimate, and the power with which the Taylor remainder vanishes. Besides, every operation in its graph is
examined on its own, so that a wrong rule can be named. All is done with hundreds of digits where mpmath is installed
and f can be recorded, else with floats. Differences are left to `_differences.py`, the digits to `_precision.py`, what
follows from both to `verdicts.py`, the operations to `_local.py`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu._validate import is_number, require_function, to_float
from tinygrad_edu.compiler.trace import traced
from tinygrad_edu.engine import Value, constant
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.ops import LEAF
from tinygrad_edu.rules import Number
from tinygrad_edu.testing.expression import Expression

from ._differences import Along, noise_of
from ._local import NO_DIGITS, LocalDerivative, gradient_in, local_derivatives, numbers_in, second_local_derivatives
from ._precision import HINT, IN_FLOATS, Arithmetic, many_digits
from .verdicts import Derivative, Verdict, judged

WORST_FIRST: list[Verdict] = ["outside the domain", "wrong", "kink", "too noisy", "correct"]
SHOWN = 20  # derivatives in a printed report


@dataclass(frozen=True)
class GradientCheck:
    """What `gradcheck` found: true if the gradient is correct, and readable when it is printed.

    `derivatives` has an entry for each input and parameter. `faults` are the local derivatives that are wrong, `kinks`
    those of operations that stand at a kink. `noise` is the error of one value of f, `digits` are those it was decided
    with, `remainder` is the power of the step with which the Taylor remainder vanishes (2 for a right gradient, 1 for a
    wrong one, None if there is none), `notes` say what else is worth knowing.
    """

    verdict: Verdict
    reason: str
    derivatives: tuple[Derivative, ...] = ()
    faults: tuple[LocalDerivative, ...] = ()
    kinks: tuple[LocalDerivative, ...] = ()
    noise: float = 0.0
    digits: int = IN_FLOATS.digits
    remainder: float | None = None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.verdict == "correct"

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}", *[f"  {d}" for d in self.derivatives[:SHOWN]]]
        if len(self.derivatives) > SHOWN:
            lines.append(f"  … and {len(self.derivatives) - SHOWN} more")
        if self.derivatives:
            how = f"  decided with {self.digits} digits"
            if self.remainder is not None:
                power = f"{self.remainder:g}"
                how += f"; the Taylor remainder vanishes with power {power} of the step (right: 2, wrong: 1)"
            lines.append(how)
        return "\n".join([*lines, *[f"  note: {note}" for note in self.notes]])


@enable_grad()
def gradcheck(f: Callable[..., Value | float], *inputs: Value | float, order: int = 1) -> GradientCheck:
    """Whether the gradient of f at a point is right, and if not, which operation is to blame.

    f takes the inputs and returns one number; ∂f/∂xᵢ is what is checked. Inputs are plain numbers, or leaf Values. The
    leaves that f uses beside its inputs, such as a model's parameters, are checked as well: their `.data` is moved
    meanwhile and put back, their `.grad` stays as it is. With `order=2` the gradient of each first derivative is
    checked in the same way, and so on. f is called some 60 times for each input, or recorded and replayed.

    The verdict is one of

    - "correct": also at the border of a domain, if the derivative from the inside agrees
    - "wrong", with the operation and input whose local derivative is wrong
    - "kink", with the one-sided derivatives: no slope between them is an error of a rule, nor what gradients make of it
    - "outside the domain": f, its gradient or an input is not a finite number
    - "too noisy" to tell, with the noise: values of f that are noisy, or rounded, more than the gradient is large; or a
      gradient whose own digits are lost in rounding, while the same rules give the right one with more digits

    >>> from tinygrad_edu import relu
    >>> gradcheck(lambda x: x**3, 2.0).verdict
    'correct'
    >>> print(gradcheck(relu, 0.0).reason)
    ∂f/∂x0 is 0 from the left, 1 from the right, by the kink of relu, input 0 at 0.0

    Raises `TypeError` where an input is not a number or a leaf, or f does not return one number; `ValueError` unless
    order is an int of 1 or more; and what f raises besides arithmetic errors. Sources: Ridders, Accurate computation of
    F'(x) and F'(x)F''(x), 1982; Moré and Wild, Estimating computational noise, 2011.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"the order of a check is an int of 1 or more, not {order!r}")
    require_function("f", f, "gradcheck(lambda x: x * x, 2.0)")
    return _checked(_Function(f, [_leaf(x, i) for i, x in enumerate(inputs)]), order)


def assert_gradients(
    f: Callable[..., Value | float], *inputs: Value | float, order: int = 1, kinks: bool = False
) -> None:
    """Raises `AssertionError`, with the report of `gradcheck` as its words, unless the gradient of f is correct.

    With `kinks` a point at a kink passes too, as there is no derivative for the gradient to disagree with. All else is
    as in `gradcheck`.

    >>> from tinygrad_edu import tanh
    >>> assert_gradients(tanh, 0.5, order=2)
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    check = gradcheck(f, *inputs, order=order)
    if not (check or (kinks and check.verdict == "kink")):
        raise AssertionError(str(check))


def _leaf(x: Any, i: int) -> Value:
    if not isinstance(x, Value):
        return Value(to_float(x), label=f"x{i}")
    if x._rule is not LEAF:
        raise TypeError(f"input {i}, {x!r}, is a constant or computed from others: pass a plain number or a leaf")
    return x


class _Function:
    """f as a function of the numbers in its leaves: those that it is called with, and those that it uses besides."""

    def __init__(
        self, f: Callable[..., Any], arguments: Sequence[Value], differentiated: Sequence[tuple[Value, str]] = ()
    ) -> None:
        """`differentiated` are the leaves in which f is differentiated, one after the other, with their names."""
        self.f, self.arguments, self.differentiated = f, arguments, differentiated

    def value(self) -> Value:
        """f, or its derivative, of its leaves as they are now, with its graph."""
        return self.differentiate(self.call())

    def call(self) -> Value:
        """f itself."""
        y = self.f(*self.arguments)
        if isinstance(y, Value):
            return y
        if is_number(y):
            return constant(to_float(y))
        raise TypeError(f"gradcheck takes a function that returns one number, not {type(y).__name__}")

    def differentiate(self, y: Value, stands_for: Callable[[Value], Value] = lambda leaf: leaf) -> Value:
        """The derivative of a graph of f; what in it stands for a leaf may be another one."""
        for leaf, _ in self.differentiated:
            y = grad(y, stands_for(leaf), create_graph=True)
        return y

    def leaves(self, y: Value) -> list[Value]:
        """The arguments, and what else two calls have in common; not the leaves that f makes for itself each time."""
        again = {*topological_order(self.value())}
        used = [v for v in topological_order(y) if v._rule is LEAF and v in again]
        return list(dict.fromkeys([*self.arguments, *used]))

    def name(self, *leaves: str) -> str:
        """f, ∂f/∂x, ∂²f/∂x∂y, …: its derivative in more leaves."""
        variables = *[name for _, name in self.differentiated], *leaves
        power = "" if len(variables) < 2 else "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(len(variables)))
        return f"∂{power}f/{''.join(f'∂{v}' for v in variables)}" if variables else "f"

    def derivative(self, leaf: Value, name: str) -> "_Function":
        """∂f/∂leaf, as a function of the same leaves."""
        return _Function(self.f, self.arguments, [*self.differentiated, (leaf, name)])


def _names(leaves: Sequence[Value]) -> list[str]:
    labels = [leaf.label for leaf in leaves]
    return [label if label and labels.count(label) == 1 else f"leaf {i}" for i, label in enumerate(labels)]


@dataclass(frozen=True)
class _Case:
    """A function at a point, with all that is known before any difference of it is taken."""

    f: _Function
    y: Value
    leaves: list[Value]
    given: Sequence[Number] | None  # the gradient; None where it has none, and `failure` says why
    failure: str
    fine: Arithmetic | None
    faults: tuple[LocalDerivative, ...]
    kinks: tuple[LocalDerivative, ...]
    size: float  # max |v·∂f/∂v| over the nodes v of the graph: a rounding of v by ε changes f by ε times that


def _checked(f: _Function, order: int) -> GradientCheck:
    try:
        y = f.value()
        leaves = f.leaves(y)
    except FAILURES as error:
        return GradientCheck("outside the domain", f"{f.name()} has no value: {error}")
    for name, x in [*zip(_names(leaves), [leaf.data for leaf in leaves]), (f.name(), y.data)]:
        if not math.isfinite(x):
            return GradientCheck("outside the domain", f"{name} is {x}, where no difference can be taken")
    case = _case(f, y, leaves)
    check = replace(_measured(case), faults=case.faults, kinks=case.kinks)
    if case.faults:
        return replace(check, verdict="wrong", reason=_blamed(case.faults))
    if case.failure:
        return replace(check, verdict="outside the domain", reason=case.failure)
    return _of_higher_order(case, check, order) if check and order > 1 else check


def _case(f: _Function, y: Value, leaves: list[Value]) -> _Case:
    graph = topological_order(y)
    fine = many_digits([v.data for v in graph])
    found = local_derivatives(graph, fine)
    faults, kinks = (tuple(d for d in found if d.derivative.verdict == verdict) for verdict in ("wrong", "kink"))
    given: list[float] | None = None
    size = abs(y.data)
    try:
        gradient = grad(y, [*leaves, *graph])
    except FAILURES as error:
        failure = str(error)
    else:
        infinite = [name for name, g in zip(_names(leaves), gradient) if not math.isfinite(g)]
        failure = f"the gradient in {infinite[0]} is not finite" if infinite else ""
        if not infinite:
            given = gradient[: len(leaves)]
            size = max([size, *[abs(g * v.data) for g, v in zip(gradient, [*leaves, *graph])]])
    return _Case(f, y, leaves, given, failure, fine, faults, kinks, size)


def _blamed(faults: Sequence[LocalDerivative]) -> str:
    return f"{faults[0]}{f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''}"


def _of_higher_order(case: _Case, first: GradientCheck, order: int) -> GradientCheck:
    """Each first derivative is a function as well, and checked as one."""
    faults = tuple(second_local_derivatives(topological_order(case.y), case.fine))
    if faults:
        return replace(first, verdict="wrong", reason=_blamed(faults), faults=faults)
    checks = [
        _checked(case.f.derivative(leaf, name), order - 1) for leaf, name in zip(case.leaves, _names(case.leaves))
    ]
    worst = min([first, *checks], key=lambda check: WORST_FIRST.index(check.verdict))
    if not worst:
        return worst
    return replace(
        first,
        reason=f"the derivatives up to order {order} agree with differences",
        derivatives=sum([check.derivatives for check in checks], first.derivatives),
        digits=min(check.digits for check in (first, *checks)),
        notes=tuple(dict.fromkeys(sum([check.notes for check in checks], first.notes))),
    )


# ---- the function as a whole -----------------------------------------------------------------------------------------
Numerically = Callable[[Sequence[Number]], tuple[Number, Number]]  # from leaves to f and the largest number on the way


def _measured(case: _Case) -> GradientCheck:
    """What differences of f say: with many digits where f can be replayed on them, else with floats.

    Floats are heard too where many digits do not confirm a gradient that was computed with floats, as it may have lost
    what the values of f have lost as well; and where a number may stand at a kink only as it was rounded.
    """
    if not case.fine:
        return _in_floats(case, f"decided with floats; with more digits where mpmath is installed: {HINT}")
    try:
        at = _replayed(case, case.fine)
        check = _heard(case, at, case.fine, 0.0)
    except (*NO_DIGITS, *FAILURES) as error:
        why = str(error).partition(", which a tape")[0]
        return _in_floats(case, f"decided with floats, as f cannot be replayed with more digits: {why}")
    if case.faults:
        return check
    if check.verdict not in ("wrong", "too noisy"):
        if (
            check
            and case.kinks
            and any(x != v.data for v, x in numbers_in(case.fine, topological_order(case.y)).items())
        ):
            rounded = _in_floats(case)
            return rounded if rounded.verdict == "kink" else check
        return check
    doubted = next(d for d in check.derivatives if d.verdict == check.verdict)
    lost = f"floats lose digits here: with {case.fine.digits} digits, {doubted}"
    rounded = _in_floats(case, lost)
    if rounded or rounded.verdict == "too noisy" or case.kinks:
        return rounded
    unrounded = _without_rounding(case, at, case.fine)
    if not unrounded:
        return rounded
    scale = abs(case.y.data) / max([1.0, *[abs(leaf.data) for leaf in case.leaves]])
    if all(d.is_close(scale) for d in check.derivatives):
        reason = "the gradient agrees with differences as far as floats go"
        return replace(unrounded, derivatives=check.derivatives, reason=reason)
    return replace(rounded, verdict="too noisy", reason=f"{lost}, and so say the same rules with them", notes=())


def _in_floats(case: _Case, *notes: str) -> GradientCheck:
    """What differences of floats say, f being called with its leaves moved."""

    def at(numbers: Sequence[Number]) -> tuple[Number, Number]:
        before = [leaf.data for leaf in case.leaves]
        try:
            for leaf, number in zip(case.leaves, numbers):
                leaf.data = number
            return case.f.value().data, 0.0
        finally:
            for leaf, number in zip(case.leaves, before):
                leaf.data = number

    across = _along(at, [leaf.data for leaf in case.leaves], _direction(case.leaves))
    noise = max(noise_of(across, IN_FLOATS.wide_steps(1.0)), IN_FLOATS.rounding * case.size)
    return replace(_heard(case, at, IN_FLOATS, noise), notes=notes)


def _without_rounding(case: _Case, at: Numerically, fine: Arithmetic) -> GradientCheck | None:
    """What is said of the gradient that the same rules give with many digits; None where they do not run on them."""
    try:
        return _heard(replace(case, given=gradient_in(fine, case.y, case.leaves)), at, fine, 0.0)
    except (*NO_DIGITS, *FAILURES):
        return None


def _replayed(case: _Case, fine: Arithmetic) -> Numerically:
    """f as its tape computes it: with many digits, and with detached numbers that move with those they come from."""
    f = case.f
    if f.value().data != case.y.data:
        raise TypeError("its value is another one at each call")
    tape, parameters, _ = traced(lambda _: [f.call()], f.name(), [], with_lines=False)
    stand_ins = {leaf: Value(leaf.data) for leaf in case.leaves}
    if not stand_ins.keys() >= {*parameters}:
        raise TypeError("it uses other Values at each call")
    y = Expression(tape)(*[stand_ins[leaf] for leaf in parameters])
    y = f.differentiate(y, stand_ins.__getitem__)
    graph = topological_order(y, *stand_ins.values())

    def at(numbers: Sequence[Number]) -> tuple[Number, Number]:
        found = numbers_in(fine, graph, dict(zip(stand_ins.values(), numbers)))
        return found[y], max(map(abs, found.values()))

    return at


def _heard(case: _Case, at: Numerically, kind: Arithmetic, noise: float) -> GradientCheck:
    """Differences for each leaf; both witnesses across all of them."""
    if not case.leaves:
        return GradientCheck("correct", f"{case.f.name()} has no inputs that it could depend on", digits=kind.digits)
    xs = [kind.number(leaf.data) for leaf in case.leaves]
    y, largest = at(xs)
    floor = max(noise, kind.rounding * largest)
    size = max(case.size, IN_FLOATS.rounding * kind.to_float(largest))  # what floats round away at least
    given, direction = case.given, _direction(case.leaves)
    rows = [
        judged(
            case.f.name(name), given[i] if given else None, _along(at, xs, {i: 1.0}), y, leaf.data, kind, floor, size
        )
        for i, (name, leaf) in enumerate(zip(_names(case.leaves), case.leaves))
    ]
    slope = sum(kind.number(given[i]) * d for i, d in direction.items()) if given else None
    name = f"{case.f.name()}, all inputs moved at once"
    across = judged(name, slope, _along(at, xs, direction), y, 1.0, kind, floor, size, with_remainder=True)
    worst = min([*rows, across], key=lambda row: WORST_FIRST.index(row.verdict))
    verdict, reason = _concluded(case, worst, kind.to_float(floor))
    return GradientCheck(
        verdict,
        reason,
        tuple([*rows, across] if worst is across else rows),
        noise=kind.to_float(floor),
        digits=kind.digits,
        remainder=across.remainder if worst.remainder is None else worst.remainder,
    )


def _concluded(case: _Case, worst: Derivative, noise: float) -> tuple[Verdict, str]:
    """The verdict on f, from the worst on its derivatives, and the reason."""
    name, kink = case.f.name(), f"the kink of {case.kinks[0].place}" if case.kinks else ""
    match worst.verdict:
        case "correct":
            return "correct", "the gradient agrees with differences"
        case "kink":
            return "kink", f"{worst.name} is {worst.sides}{f', by {kink}' if kink else ''}"
        case "wrong" if kink:
            return "kink", f"{worst}, as the gradient passes through {kink}"
        case "wrong":
            return "wrong", (
                f"{worst}. Yet the derivative of each operation is right: does {name} compute with plain numbers, "
                "as .data, float, detach() or no_grad() give them?"
            )
        case "too noisy":
            return "too noisy", f"{worst}; each value of {name} is noisy by {noise:.1g}"
    return worst.verdict, str(worst)


def _along(at: Numerically, xs: Sequence[Number], direction: dict[int, float]) -> Along:
    return lambda t: at([x + t * direction[i] if i in direction else x for i, x in enumerate(xs)])[0]


def _direction(leaves: Sequence[Value]) -> dict[int, float]:
    """A step for each leaf, in proportion to it, and in proportions that no function will happen to prefer."""
    largest = max([abs(leaf.data) for leaf in leaves], default=0.0) or 1.0
    golden = 0.6180339887498949
    return {i: (leaf.data or largest) * (0.5 + (i + 1) * golden % 1.0) for i, leaf in enumerate(leaves)}
