"""`gradcheck`: whether the gradient of a function is right at a point, and if not, which operation is wrong.

The gradient of the whole function is compared with two witnesses, for each input and in one direction across all of
them: differences with an error estimate, and the power with which the Taylor remainder vanishes. Every operation of the
graph is checked on its own too, so a wrong rule is named. All is done with hundreds of digits where mpmath is installed
and f can be recorded, else with floats. Differences are left to `_differences.py`, digits to `_precision.py`, the
verdict on one derivative to `verdicts.py`, operations to `_local.py`, what is said of the
result to `report.py`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu._validate import is_number, require_function, to_float
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.engine import Value, make_constant
from tinygrad_edu.errors import FAILURES, api_boundary
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.ops import LEAF
from tinygrad_edu.rules import Number
from tinygrad_edu.testing.expression import Expression

from ._differences import LineFunction, estimate_noise, restrict_to_line
from ._local import (
    NEEDS_FLOATS,
    LocalDerivative,
    check_operations,
    check_operations_again,
    evaluate_graph,
    gradient_in,
)
from ._precision import FLOAT_PRECISION, INSTALL_MPMATH, Precision, choose_precision
from .report import GradientCheck
from .verdicts import Derivative, Verdict, judge

WORST_FIRST: list[Verdict] = ["outside the domain", "wrong", "kink", "too noisy", "correct"]


@api_boundary
def gradcheck(f: Callable[..., Value | float], *inputs: Value | float, order: int = 1) -> GradientCheck:
    """Checks the gradient ∂f/∂xᵢ at a point, and says which operation is wrong.

    The leaves that f uses besides its inputs, as the parameters of a model, are checked too. Their `.data` is moved
    meanwhile and put back; their `.grad` stays as it is. f is called some 60 times for each input, or it is recorded
    once and replayed.

    The verdict is one of

    - "correct", also at the border of a domain, if the derivative from the inside agrees.
    - "wrong", with the operation and the input whose local derivative is wrong.
    - "kink", with the one-sided derivatives. At a kink a rule may give any slope between the two sides.
    - "outside the domain": f, its gradient or an input is not a finite number.
    - "too noisy", with the noise: the values of f are too noisy or too rounded to decide. Or the gradient has lost its
      digits by rounding, while the same rules give the right gradient with more digits.

    Sources: Ridders, Accurate computation of F'(x) and F'(x)F''(x), 1982; Moré and Wild, Estimating computational
    noise, 2011.

    Args:
        f: A function that takes the inputs and returns one number.
        *inputs: The point: plain numbers, or leaf Values.
        order: With 2, the gradient of each first derivative is checked in the same way; and so on.

    Returns:
        The verdict with its reason and all derivatives. It is true if the gradient is correct.

    Raises:
        TypeError: An input is not a number or a leaf, or f does not return one number.
        ValueError: `order` is not an int of 1 or more.
        Exception: What f itself raises, except for arithmetic errors: these are "outside the domain".

    Example:
        >>> from tinygrad_edu import relu
        >>> gradcheck(lambda x: x**3, 2.0).verdict
        'correct'
        >>> print(gradcheck(relu, 0.0).reason)
        ∂f/∂x0 is 0 from the left, 1 from the right, by the kink of relu, input 0 at 0.0
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"the order of a check is an int of 1 or more, not {order!r}")
    require_function("f", f, "gradcheck(lambda x: x * x, 2.0)")
    with enable_grad():
        return _check_function(_CheckedFunction(f, [_to_leaf(x, i) for i, x in enumerate(inputs)]), order)


def assert_gradients(
    f: Callable[..., Value | float], *inputs: Value | float, order: int = 1, kinks: bool = False
) -> None:
    """Fails unless the gradient of f is correct, with the report of `gradcheck` as the message.

    Args:
        f: A function that takes the inputs and returns one number.
        *inputs: The point: plain numbers, or leaf Values.
        order: The highest order of the derivatives that are checked.
        kinks: Whether a point at a kink passes: there is no derivative that the gradient could differ from.

    Raises:
        AssertionError: The gradient is not correct.
        TypeError: As `gradcheck`.
        ValueError: As `gradcheck`.

    Example:
        >>> from tinygrad_edu import tanh
        >>> assert_gradients(tanh, 0.5, order=2)
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    check = gradcheck(f, *inputs, order=order)
    if not (check or (kinks and check.verdict == "kink")):
        raise AssertionError(str(check))


def _to_leaf(x: Any, i: int) -> Value:
    if not isinstance(x, Value):
        return Value(to_float(x), label=f"x{i}")
    if x._rule is not LEAF:
        raise TypeError(f"input {i}, {x!r}, is a constant or computed from others: pass a plain number or a leaf")
    return x


class _CheckedFunction:
    """The function f, or one of its derivatives, with the leaves that are its arguments."""

    def __init__(
        self, f: Callable[..., Any], arguments: Sequence[Value], differentiated: Sequence[tuple[Value, str]] = ()
    ) -> None:
        """`differentiated` are the leaves in which f is differentiated, one after the other, with their names."""
        self.f, self.arguments, self.differentiated = f, arguments, differentiated

    def compute(self) -> Value:
        """The value at the present numbers of the leaves, with its graph."""
        return self.differentiate(self.call())

    def call(self) -> Value:
        """The value of f itself."""
        y = self.f(*self.arguments)
        if isinstance(y, Value):
            return y
        if is_number(y):
            return make_constant(to_float(y))
        raise TypeError(f"gradcheck takes a function that returns one number, not {type(y).__name__}")

    def differentiate(self, y: Value, node_of: Callable[[Value], Value] = lambda leaf: leaf) -> Value:
        """The derivative of a graph of f, in which the node of a leaf may be another one."""
        for leaf, _ in self.differentiated:
            y = grad(y, node_of(leaf), create_graph=True)
        return y

    def find_leaves(self, y: Value) -> list[Value]:
        """The arguments, and the other leaves of y that a second call has too: f may make leaves in each call."""
        again = {*topological_order(self.compute())}
        used = [v for v in topological_order(y) if v._rule is LEAF and v in again]
        return list(dict.fromkeys([*self.arguments, *used]))

    def name(self, *leaves: str) -> str:
        """The name of its derivative in more leaves: f, ∂f/∂x, ∂²f/∂x∂y, …."""
        variables = *[name for _, name in self.differentiated], *leaves
        power = "" if len(variables) < 2 else "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(len(variables)))
        return f"∂{power}f/{''.join(f'∂{v}' for v in variables)}" if variables else "f"

    def derivative(self, leaf: Value, name: str) -> "_CheckedFunction":
        """∂f/∂leaf, as a function of the same leaves."""
        return _CheckedFunction(self.f, self.arguments, [*self.differentiated, (leaf, name)])


def _name_leaves(leaves: Sequence[Value]) -> list[str]:
    labels = [leaf.label for leaf in leaves]
    return [label if label and labels.count(label) == 1 else f"leaf {i}" for i, label in enumerate(labels)]


@dataclass(frozen=True)
class _Case:
    """A function at a point, with all that is known before any difference is taken."""

    f: _CheckedFunction
    y: Value
    leaves: list[Value]
    given: Sequence[Number] | None  # the gradient; None where there is none, and then `failure` says why
    failure: str
    fine: Precision | None  # the precision with many digits
    faults: tuple[LocalDerivative, ...]
    kinks: tuple[LocalDerivative, ...]
    size: float  # max |v·∂f/∂v| over the nodes v of the graph: rounding v by ε changes f by ε times that


def _check_function(f: _CheckedFunction, order: int) -> GradientCheck:
    try:
        y = f.compute()
        leaves = f.find_leaves(y)
    except FAILURES as error:
        return GradientCheck("outside the domain", f"{f.name()} has no value: {error}")
    for name, x in [*zip(_name_leaves(leaves), [leaf.data for leaf in leaves]), (f.name(), y.data)]:
        if not math.isfinite(x):
            return GradientCheck("outside the domain", f"{name} is {x}, where no difference can be taken")
    case = _prepare_case(f, y, leaves)
    check = replace(_check_case(case), faults=case.faults, kinks=case.kinks)
    if case.faults:
        return replace(check, verdict="wrong", reason=_describe_faults(case.faults))
    if case.failure:
        return replace(check, verdict="outside the domain", reason=case.failure)
    return _check_higher_order(case, check, order) if check and order > 1 else check


def _prepare_case(f: _CheckedFunction, y: Value, leaves: list[Value]) -> _Case:
    graph = topological_order(y)
    fine = choose_precision([v.data for v in graph])
    found = check_operations(graph, fine)
    faults, kinks = (tuple(d for d in found if d.derivative.verdict == verdict) for verdict in ("wrong", "kink"))
    given: list[float] | None = None
    size = abs(y.data)
    try:
        gradient = grad(y, [*leaves, *graph])
    except FAILURES as error:
        failure = str(error)
    else:
        infinite = [name for name, g in zip(_name_leaves(leaves), gradient) if not math.isfinite(g)]
        failure = f"the gradient in {infinite[0]} is not finite" if infinite else ""
        if not infinite:
            given = gradient[: len(leaves)]
            size = max([size, *[abs(g * v.data) for g, v in zip(gradient, [*leaves, *graph])]])
    return _Case(f, y, leaves, given, failure, fine, faults, kinks, size)


def _describe_faults(faults: Sequence[LocalDerivative]) -> str:
    return f"{faults[0]}{f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''}"


def _check_higher_order(case: _Case, first: GradientCheck, order: int) -> GradientCheck:
    """Checks each first derivative as a function of its own."""
    locals_again = check_operations_again(topological_order(case.y), case.fine)
    faults = tuple(d for d in locals_again if d.derivative.verdict == "wrong")
    if faults:
        return replace(first, verdict="wrong", reason=_describe_faults(faults), faults=faults)
    checks = [
        _check_function(case.f.derivative(leaf, name), order - 1)
        for leaf, name in zip(case.leaves, _name_leaves(case.leaves))
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
Evaluate = Callable[
    [Sequence[Number]], tuple[Number, Number]
]  # numbers of the leaves → f, and the largest number in it


def _check_case(case: _Case) -> GradientCheck:
    """Compares the gradient with differences: with many digits where f can be replayed on them, else with floats.

    Floats are used too where many digits do not confirm the gradient: it was computed with floats, and may have lost
    the same digits as the values of f. And they are used where rounding alone may put a number at a kink.
    """
    if not case.fine:
        return _check_in_floats(
            case, f"decided with floats; with more digits where mpmath is installed: {INSTALL_MPMATH}"
        )
    try:
        evaluate = _replay_function(case, case.fine)
        check = _compare(case, evaluate, case.fine, 0.0)
    except (*NEEDS_FLOATS, *FAILURES) as error:
        why = str(error).partition(", which a tape")[0]
        return _check_in_floats(case, f"decided with floats, as f cannot be replayed with more digits: {why}")
    if case.faults or check.verdict in ("kink", "outside the domain"):
        return check
    if check:
        return _check_rounded_kinks(case, case.fine, check)
    doubted = next(d for d in check.derivatives if d.verdict == check.verdict)
    lost = f"floats lose digits here: with {case.fine.digits} digits, {doubted}"
    in_floats = _check_in_floats(case, lost)
    if in_floats or in_floats.verdict == "too noisy" or case.kinks:
        return in_floats
    with_digits = _check_rules_with_digits(case, evaluate, case.fine)
    if not with_digits:
        return in_floats
    scale = abs(case.y.data) / max([1.0, *[abs(leaf.data) for leaf in case.leaves]])
    if all(d.is_close(scale) for d in check.derivatives):
        reason = "the gradient agrees with differences as far as floats go"
        return replace(with_digits, derivatives=check.derivatives, reason=reason)
    return replace(in_floats, verdict="too noisy", reason=f"{lost}, and so say the same rules with them", notes=())


def _check_rounded_kinks(case: _Case, fine: Precision, check: GradientCheck) -> GradientCheck:
    """The check with floats where it finds a kink that only rounding has made; else the given check."""
    if not case.kinks:
        return check
    numbers = evaluate_graph(fine, topological_order(case.y))
    if all(x == v.data for v, x in numbers.items()):
        return check
    in_floats = _check_in_floats(case)
    return in_floats if in_floats.verdict == "kink" else check


def _check_in_floats(case: _Case, *notes: str) -> GradientCheck:
    """Compares the gradient with differences of floats: f is called with its leaves moved."""

    def evaluate(numbers: Sequence[Number]) -> tuple[Number, Number]:
        before = [leaf.data for leaf in case.leaves]
        try:
            for leaf, number in zip(case.leaves, numbers):
                leaf.data = number
            return case.f.compute().data, 0.0
        finally:
            for leaf, number in zip(case.leaves, before):
                leaf.data = number

    across = _restrict(evaluate, [leaf.data for leaf in case.leaves], _choose_direction(case.leaves))
    noise = max(estimate_noise(across, FLOAT_PRECISION.wide_steps(1.0)), FLOAT_PRECISION.rounding * case.size)
    return replace(_compare(case, evaluate, FLOAT_PRECISION, noise), notes=notes)


def _check_rules_with_digits(case: _Case, evaluate: Evaluate, fine: Precision) -> GradientCheck | None:
    """Compares the gradient that the same rules give with many digits; None where they do not take such numbers."""
    try:
        return _compare(replace(case, given=gradient_in(fine, case.y, case.leaves)), evaluate, fine, 0.0)
    except (*NEEDS_FLOATS, *FAILURES):
        return None


def _replay_function(case: _Case, fine: Precision) -> Evaluate:
    """Records f on a tape, to evaluate it with many digits. Detached numbers move with the numbers they come from."""
    f = case.f
    if f.compute().data != case.y.data:
        raise TypeError("its value is another one at each call")
    tape, parameters, _ = trace_function(lambda _: [f.call()], f.name(), [], with_lines=False)
    stand_ins = {leaf: Value(leaf.data) for leaf in case.leaves}
    if not stand_ins.keys() >= {*parameters}:
        raise TypeError("it uses other Values at each call")
    y = Expression(tape)(*[stand_ins[leaf] for leaf in parameters])
    y = f.differentiate(y, stand_ins.__getitem__)
    graph = topological_order(y, *stand_ins.values())

    def evaluate(numbers: Sequence[Number]) -> tuple[Number, Number]:
        found = evaluate_graph(fine, graph, dict(zip(stand_ins.values(), numbers)))
        return found[y], max(map(abs, found.values()))

    return evaluate


def _compare(case: _Case, evaluate: Evaluate, precision: Precision, noise: Number) -> GradientCheck:
    """Compares the gradient with differences in each leaf, and with both witnesses across all leaves."""
    if not case.leaves:
        return GradientCheck(
            "correct", f"{case.f.name()} has no inputs that it could depend on", digits=precision.digits
        )
    xs = [precision.number(leaf.data) for leaf in case.leaves]
    y, largest = evaluate(xs)
    noise = max(noise, precision.rounding * largest)
    size = max(case.size, FLOAT_PRECISION.rounding * precision.to_float(largest))  # what floats round away at least
    given, direction = case.given, _choose_direction(case.leaves)
    derivatives = []
    for i, (name, leaf) in enumerate(zip(_name_leaves(case.leaves), case.leaves)):
        f, slope = _restrict(evaluate, xs, {i: 1.0}), given[i] if given else None
        derivatives.append(judge(case.f.name(name), slope, f, y, leaf.data, precision, noise, size))
    slope = sum(precision.number(given[i]) * d for i, d in direction.items()) if given else None
    name = f"{case.f.name()}, all inputs moved at once"
    f = _restrict(evaluate, xs, direction)
    across = judge(name, slope, f, y, 1.0, precision, noise, size, with_remainder=True)
    worst = min([*derivatives, across], key=lambda d: WORST_FIRST.index(d.verdict))
    verdict, reason = _conclude(case, worst, precision.to_float(noise))
    return GradientCheck(
        verdict,
        reason,
        tuple([*derivatives, across] if worst is across else derivatives),
        noise=precision.to_float(noise),
        digits=precision.digits,
        remainder=across.remainder if worst.remainder is None else worst.remainder,
    )


def _conclude(case: _Case, worst: Derivative, noise: float) -> tuple[Verdict, str]:
    """The verdict on f and its reason, from the worst verdict on a derivative."""
    name, kink = case.f.name(), f"the kink of {case.kinks[0].where}" if case.kinks else ""
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


def _restrict(evaluate: Evaluate, xs: Sequence[Number], direction: dict[int, float]) -> LineFunction:
    return restrict_to_line(lambda numbers: evaluate(numbers)[0], xs, direction)


def _choose_direction(leaves: Sequence[Value]) -> dict[int, float]:
    """A step for each leaf, in proportion to its size, and with different factors: no function is special in it."""
    largest = max([abs(leaf.data) for leaf in leaves], default=0.0) or 1.0
    golden = 0.6180339887498949
    return {i: (leaf.data or largest) * (0.5 + (i + 1) * golden % 1.0) for i, leaf in enumerate(leaves)}
