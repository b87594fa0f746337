"""`gradcheck`: whether the gradient of a function is right at a point, and if not, which operation is wrong.

The gradient of the whole function is compared with its slopes, for each input and in one direction across all of them.
Every operation of the graph is checked on its own too, so a wrong rule is named, also where its error has no effect.
All is done with hundreds of digits where mpmath is installed and f can be recorded, else with floats. Slopes are left
to `_differences.py`, digits to `_precision.py`, the verdict on one derivative to `verdicts.py`, operations to
`_local.py`, what is said of the result to `report.py`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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

from ._differences import restrict_to_line
from ._local import (
    NEEDS_FLOATS,
    LocalDerivative,
    check_operations,
    check_operations_again,
    evaluate_graph,
    rounding_of_gradient,
    size_of,
)
from ._precision import FLOAT_PRECISION, INSTALL_MPMATH, Precision, choose_precision
from .report import GradientCheck
from .verdicts import Derivative, Verdict, judge

WORST_FIRST: list[Verdict] = ["not repeatable", "wrong", "outside the domain", "kink", "too noisy", "correct"]
CALLS = 20  # of f at the point: each must give the same


@api_boundary
def gradcheck(f: Callable[..., Value | float], *inputs: Value | float, order: int = 1) -> GradientCheck:
    """Checks the gradient ∂f/∂xᵢ at a point, and says which operation is wrong.

    The leaves that f uses besides its inputs, as the parameters of a model, are checked too. Their `.data` is moved
    meanwhile and put back; their `.grad` stays as it is. f is called 20 times at the point, to see whether it is the
    same each time. Then it is recorded once and replayed; or it is called some 10 to 40 times for each input, and some
    200 where it is not smooth, or flat, or wrong.

    Source: Trefethen, Approximation Theory and Approximation Practice, 2013.

    The verdict is one of

    - "correct", also at the border of a domain, if the derivative from the inside agrees.
    - "wrong", with the operation and the input whose local derivative is wrong; also where the gradient is right all
      the same, as the error is multiplied by 0 or cancels.
    - "kink", with the one-sided derivatives. At a kink a rule may give any slope between the two sides.
    - "outside the domain": f, its gradient or an input is not a finite number.
    - "too noisy", with the noise: the values of f are too noisy or too rounded to decide. Or the gradient has lost its
      digits by rounding: it differs by no more than that explains.
    - "not repeatable": f is not the same at each call, as one that draws random numbers or counts.

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
        checked = _CheckedFunction(f, [_to_leaf(x, i) for i, x in enumerate(inputs)])
        change = _find_change(checked)
        check = GradientCheck("not repeatable", change) if change else _check_function(checked, order)
        if not check and (change := change or _find_change(checked)):  # what is rare may have been missed
            return replace(check, verdict="not repeatable", reason=change)
        return check


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


def _find_change(f: _CheckedFunction) -> str:
    """How a call of f at one point differs from the one before, in its value or its gradient; "" if none does."""
    before: list[str] = []
    for _ in range(CALLS):
        try:
            y = f.call()
            now = [f"its value is {y.data}", *[f"its gradient is {slope}" for slope in grad(y, f.arguments)]]
        except FAILURES as error:
            now = [f"its value is not there: {error}"]
        for earlier, later in zip(before, now):
            if earlier != later:
                return (
                    f"f is not the same at each call: {earlier}, and then {later.partition(' is ')[2]}; gradcheck "
                    "needs a function that gives the same for the same inputs: draw random numbers before, not in f"
                )
        before = now
    return ""


def _name_leaves(leaves: Sequence[Value]) -> list[str]:
    labels = [leaf.label for leaf in leaves]
    return [label if label and labels.count(label) == 1 else f"leaf {i}" for i, label in enumerate(labels)]


@dataclass(frozen=True)
class _Case:
    """A function at a point, with all that is known before any difference is taken."""

    f: _CheckedFunction
    y: Value
    leaves: list[Value]
    given: Sequence[Number | None]  # the gradient; None in a leaf where there is none, and then `failure` says why
    failure: str
    fine: Precision | None  # the precision with many digits
    faults: tuple[LocalDerivative, ...]
    kinks: tuple[LocalDerivative, ...]


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
    if check and order > 1 and not check.faults:
        check = _check_higher_order(case, check, order)
    if check.faults:
        return replace(check, verdict="wrong", reason=_describe_faults(check))
    if case.failure and check.verdict != "wrong":
        right = [d.name for d in check.derivatives if d.verdict == "correct"]
        also = f"; {', '.join(right)} {'is' if len(right) == 1 else 'are'} right" if right else ""
        return replace(check, verdict="outside the domain", reason=case.failure + also)
    return check


def _prepare_case(f: _CheckedFunction, y: Value, leaves: list[Value]) -> _Case:
    graph = topological_order(y)
    fine = choose_precision([v.data for v in graph])
    found = check_operations(graph, fine)
    faults, kinks = (tuple(d for d in found if d.derivative.verdict == verdict) for verdict in ("wrong", "kink"))
    given: list[float | None] = []
    failures = []
    for name, leaf in zip(_name_leaves(leaves), leaves):  # one by one: there may be no gradient in one of them
        try:
            slope = grad(y, leaf)
            given.append(slope if math.isfinite(slope) else None)
            failures += [f"the gradient in {name} is not finite"] * (not math.isfinite(slope))
        except FAILURES as error:
            given.append(None)
            failures.append(str(error))
    return _Case(f, y, leaves, given, failures[0] if failures else "", fine, faults, kinks)


def _describe_faults(check: GradientCheck) -> str:
    more = f" (and {len(check.faults) - 1} more)" if len(check.faults) > 1 else ""
    return f"{check.faults[0]}{more}{'; yet the gradient is right here' if check.is_right_by_chance else ''}"


def _check_higher_order(case: _Case, first: GradientCheck, order: int) -> GradientCheck:
    """Checks each first derivative as a function of its own."""
    locals_again = check_operations_again(topological_order(case.y), case.fine)
    faults = tuple(d for d in locals_again if d.derivative.verdict == "wrong")
    if faults:
        return replace(first, faults=faults)
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
Evaluate = Callable[[Sequence[Number]], Number]  # numbers of the leaves → f


def _check_case(case: _Case) -> GradientCheck:
    """Compares the gradient with slopes: with many digits where f can be replayed on them, else with floats.

    Floats are used too where rounding alone may put a number at a kink.
    """
    if not case.fine:
        return _check_in_floats(
            case, f"decided with floats; with more digits where mpmath is installed: {INSTALL_MPMATH}"
        )
    try:
        check = _compare(case, _replay_function(case, case.fine), case.fine)
    except (*NEEDS_FLOATS, *FAILURES) as error:
        why = str(error).partition(", which a tape")[0]
        return _check_in_floats(case, f"decided with floats, as f cannot be replayed with more digits: {why}")
    if case.faults or not case.kinks or check.verdict == "kink":
        return check
    numbers = evaluate_graph(case.fine, topological_order(case.y))
    if all(x == v.data for v, x in numbers.items()):
        return check
    in_floats = _check_in_floats(case)
    return in_floats if in_floats.verdict == "kink" else check


def _check_in_floats(case: _Case, *notes: str) -> GradientCheck:
    """Compares the gradient with slopes in floats: f is called with its leaves moved."""

    def evaluate(numbers: Sequence[Number]) -> Number:
        before = [leaf.data for leaf in case.leaves]
        try:
            for leaf, number in zip(case.leaves, numbers):
                leaf.data = number
            return case.f.compute().data
        finally:
            for leaf, number in zip(case.leaves, before):
                leaf.data = number

    check = _compare(case, evaluate, FLOAT_PRECISION)
    return replace(check, notes=notes + check.notes)


def _replay_function(case: _Case, fine: Precision) -> Evaluate:
    """Records f on a tape, to evaluate it with many digits. Detached numbers move with the numbers they come from."""
    f = case.f
    tape, parameters, _ = trace_function(lambda _: [f.call()], f.name(), [], with_lines=False)
    stand_ins = {leaf: Value(leaf.data) for leaf in case.leaves}
    if not stand_ins.keys() >= {*parameters}:
        raise TypeError("it uses other Values at each call")
    y = Expression(tape)(*[stand_ins[leaf] for leaf in parameters])
    y = f.differentiate(y if isinstance(y, Value) else make_constant(y), stand_ins.__getitem__)
    graph = topological_order(y, *stand_ins.values())

    def evaluate(numbers: Sequence[Number]) -> Number:
        return evaluate_graph(fine, graph, dict(zip(stand_ins.values(), numbers)))[y]

    return evaluate


def _compare(case: _Case, evaluate: Evaluate, precision: Precision) -> GradientCheck:
    """Compares the gradient with the slope in each leaf, and with the one across all leaves that have a gradient."""
    if not case.leaves:
        return GradientCheck(
            "correct", f"{case.f.name()} has no inputs that it could depend on", digits=precision.digits
        )
    xs, given = [precision.number(leaf.data) for leaf in case.leaves], case.given
    y, size = evaluate(xs), size_of(case.y)
    noise = precision.rounding * size
    rounding_in = cache(partial(rounding_of_gradient, case.y))

    def compare(name: str, slope: Number | None, x: float, direction: dict[int, float]) -> Derivative:
        def rounding() -> float:
            return sum([rounding_in(case.leaves[i]) * abs(d) for i, d in direction.items()])

        return judge(name, slope, restrict_to_line(evaluate, xs, direction), y, x, precision, noise, rounding)

    derivatives = [
        compare(case.f.name(name), given[i], leaf.data, {i: 1.0})
        for i, (name, leaf) in enumerate(zip(_name_leaves(case.leaves), case.leaves))
    ]
    found = list(derivatives)
    direction = _choose_direction(case)
    if len(case.leaves) > 1 and direction:
        slope = sum([precision.number(given[i] or 0.0) * d for i, d in direction.items()])
        found.append(compare(f"{case.f.name()}, all inputs moved at once", slope, 1.0, direction))
    worst = min(found, key=lambda d: WORST_FIRST.index(d.verdict))
    verdict, reason = _conclude(case, worst, precision)
    with_digits = f"with {precision.digits} digits, " if precision.is_exact else ""
    rounded = [f"floats lose digits here: {with_digits}{d}" for d in derivatives if d.rounding and verdict == "correct"]
    if verdict == "too noisy":
        noise = FLOAT_PRECISION.rounding * size
    return GradientCheck(
        verdict,
        reason,
        tuple(derivatives if worst in derivatives else found),
        noise=max([precision.to_float(noise), *[d.noise for d in found]]),
        digits=precision.digits,
        notes=tuple(rounded[:1]),
    )


def _conclude(case: _Case, worst: Derivative, precision: Precision) -> tuple[Verdict, str]:
    """The verdict on f and its reason, from the worst verdict on a derivative."""
    name, kink = case.f.name(), f"the kink of {case.kinks[0].where}" if case.kinks else ""
    match worst.verdict:
        case "correct" if worst.rounding:
            return "correct", "the gradient agrees with differences as far as floats go"
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
        case "too noisy" if worst.rounding:
            with_digits = f"with {precision.digits} digits, " if precision.is_exact else ""
            by = f"rounding alone can move the gradient by {worst.rounding:.1g}"
            return "too noisy", f"floats lose digits here: {with_digits}{worst}, and {by}"
        case "too noisy":
            return "too noisy", f"{worst}; each value of {name} is noisy by {worst.noise:.1g}"
    return worst.verdict, str(worst)


def _choose_direction(case: _Case) -> dict[int, float]:
    """A step for each leaf, in proportion to its size, and with different factors: no function is special in it."""
    largest = max([abs(leaf.data) for leaf in case.leaves], default=0.0) or 1.0
    golden = 0.6180339887498949
    steps = {i: (leaf.data or largest) * (0.5 + (i + 1) * golden % 1.0) for i, leaf in enumerate(case.leaves)}
    return {i: step for i, step in steps.items() if case.given[i] is not None}
