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
from typing import Any, NamedTuple

from tinygrad_edu._validate import is_number, require_function, to_float
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.engine import Value, make_constant
from tinygrad_edu.errors import FAILURES, api_boundary
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import enable_grad
from tinygrad_edu.ops import LEAF
from tinygrad_edu.rules import Number

from ._local import NEEDS_FLOATS, LocalDerivative, check_operations, evaluate_graph, rounding_of_gradient, size_of
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

    Three things it cannot see. A function that changes in fewer than one of 20 calls, as by a rare dropout, may pass
    for one that is the same each time. To floats alone, ripples smaller than 1e-5 of f are noise, as rounding is: where
    the gradient follows them, it is called wrong. And nearer than 1e-12·|x| to the border of a domain, or to a pole,
    floats leave no room for an interval: a right gradient may be called wrong, or a kink.

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
        function = _Function.of(f, [_to_leaf(x, i) for i, x in enumerate(inputs)])
        change = _find_change(function)
        check = GradientCheck("not repeatable", change) if change else _check_function(function, order)
        if not check and (change := change or _find_change(function)):  # what is rare may have been missed
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


class _Function(NamedTuple):
    """The function f, or one of its derivatives."""

    compute: Callable[[], Value]  # its value at the present numbers of the leaves, with its graph
    arguments: Sequence[Value]
    variables: tuple[str, ...] = ()  # the names of those in which f is differentiated

    @classmethod
    def of(cls, f: Callable[..., Any], arguments: Sequence[Value]) -> "_Function":
        def compute() -> Value:
            y = f(*arguments)
            if isinstance(y, Value):
                return y
            if is_number(y):
                return make_constant(to_float(y))
            raise TypeError(f"gradcheck takes a function that returns one number, not {type(y).__name__}")

        return cls(compute, arguments)

    def differentiate(self, leaf: Value, name: str) -> "_Function":
        """∂f/∂leaf, as a function of the same leaves."""
        return _Function(lambda: grad(self.compute(), leaf, create_graph=True), self.arguments, (*self.variables, name))

    def name(self, *more: str) -> str:
        """The name of its derivative in more variables: f, ∂f/∂x, ∂²f/∂x∂y, …."""
        variables = *self.variables, *more
        power = "" if len(variables) < 2 else "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(len(variables)))
        return f"∂{power}f/{''.join(f'∂{v}' for v in variables)}" if variables else "f"


def _find_change(f: _Function) -> str:
    """How a call of f at one point differs from the one before, in its value or its gradient; "" if none does."""
    before: list[str] = []
    for _ in range(CALLS):
        try:
            y = f.compute()
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


@dataclass(frozen=True)
class _Case:
    """A function at a point, with all that is known before any difference is taken."""

    f: _Function
    graph: list[Value]
    leaves: list[Value]
    names: list[str]
    given: list[float | None]  # the gradient; None in a leaf where there is none
    kinks: tuple[LocalDerivative, ...]


def _check_function(f: _Function, order: int) -> GradientCheck:
    try:
        y = f.compute()
        again = {*topological_order(f.compute())}
    except FAILURES as error:
        return GradientCheck("outside the domain", f"{f.name()} has no value: {error}")
    graph = topological_order(y)
    used = [v for v in graph if v._rule is LEAF and v in again]  # f may make other leaves in each call
    leaves = list(dict.fromkeys([*f.arguments, *used]))
    names = _name_leaves(leaves)
    for name, x in [*zip(names, [leaf.data for leaf in leaves]), (f.name(), y.data)]:
        if not math.isfinite(x):
            return GradientCheck("outside the domain", f"{name} is {x}, where no difference can be taken")
    given: list[float | None] = [None] * len(leaves)
    failures = []
    for i, (name, leaf) in enumerate(zip(names, leaves)):  # one by one: there may be no gradient in one of them
        try:
            slope = grad(y, leaf)
            if not math.isfinite(slope):
                raise OverflowError(f"the gradient in {name} is not finite")
            given[i] = slope
        except FAILURES as error:
            failures.append(str(error))
    fine = choose_precision([v.data for v in graph])
    found = check_operations(graph, fine)
    faults, kinks = (tuple([d for d in found if d.derivative.verdict == verdict]) for verdict in ("wrong", "kink"))
    case = _Case(f, graph, leaves, names, given, kinks)
    check = replace(_check_case(case, fine, faults), faults=faults, kinks=kinks)
    if check and order > 1 and not faults:
        check = _check_higher_order(case, fine, check, order)
    if check.faults:
        more = f" (and {len(check.faults) - 1} more)" if len(check.faults) > 1 else ""
        by_chance = "; yet the gradient is right here" if check.is_right_by_chance else ""
        return replace(check, verdict="wrong", reason=f"{check.faults[0]}{more}{by_chance}")
    if failures and check.verdict != "wrong":
        right = [d.name for d in check.derivatives if d.verdict == "correct"]
        also = f"; {', '.join(right)} {'is' if len(right) == 1 else 'are'} right" if right else ""
        return replace(check, verdict="outside the domain", reason=failures[0] + also)
    return check


def _name_leaves(leaves: Sequence[Value]) -> list[str]:
    labels = [leaf.label for leaf in leaves]
    return [label if label and labels.count(label) == 1 else f"leaf {i}" for i, label in enumerate(labels)]


def _check_higher_order(case: _Case, fine: Precision, first: GradientCheck, order: int) -> GradientCheck:
    """Checks each first derivative as a function of its own."""
    seconds = check_operations(case.graph, fine, again=True)
    if faults := tuple([d for d in seconds if d.derivative.verdict == "wrong"]):
        return replace(first, faults=faults)
    checks = [first]
    for leaf, name in zip(case.leaves, case.names):
        checks.append(_check_function(case.f.differentiate(leaf, name), order - 1))
    worst = min(checks, key=_rank)
    if not worst:
        return worst
    return replace(
        first,
        reason=f"the derivatives up to order {order} agree with differences",
        derivatives=sum([check.derivatives for check in checks], ()),
        digits=min([check.digits for check in checks]),
        notes=tuple(dict.fromkeys(sum([check.notes for check in checks], ()))),
    )


def _rank(found: GradientCheck | Derivative) -> int:
    return WORST_FIRST.index(found.verdict)


# ---- the function as a whole -----------------------------------------------------------------------------------------
Evaluate = Callable[[Sequence[Number]], Number]  # numbers of the leaves → f


def _check_case(case: _Case, fine: Precision, faults: Sequence[LocalDerivative]) -> GradientCheck:
    """Compares the gradient with slopes: with many digits where f can be replayed on them, else with floats.

    Floats are used too where rounding alone may put a number at a kink.
    """
    why = f"with more digits where mpmath is installed: {INSTALL_MPMATH}"
    if fine.is_exact:
        try:
            replay = _record(case, fine)
            replay([fine.number(leaf.data) for leaf in case.leaves])
        except (*NEEDS_FLOATS, *FAILURES) as error:
            why = f"as f cannot be replayed with more digits: {str(error).partition(', which a tape')[0]}"
        else:
            check = _compare(case, replay, fine)
            if faults or not case.kinks or check.verdict == "kink" or not _is_rounded(case.graph, fine):
                return check
            in_floats = _compare(case, partial(_call_at, case), FLOAT_PRECISION)
            return in_floats if in_floats.verdict == "kink" else check
    check = _compare(case, partial(_call_at, case), FLOAT_PRECISION)
    return replace(check, notes=(f"decided with floats{', ' if fine.is_exact else '; '}{why}", *check.notes))


def _is_rounded(graph: Sequence[Value], fine: Precision) -> bool:
    """Whether some number in the graph is another one with more digits."""
    leaves = {v: fine.number(v.data) for v in graph if not v._prev}
    return any(x != v.data for v, x in evaluate_graph(fine.system, graph, leaves).items())


def _call_at(case: _Case, numbers: Sequence[float]) -> float:
    """f, called with its leaves moved."""
    before = [leaf.data for leaf in case.leaves]
    try:
        for leaf, number in zip(case.leaves, numbers):
            leaf.data = number
        return case.f.compute().data
    finally:
        for leaf, number in zip(case.leaves, before):
            leaf.data = number


def _record(case: _Case, fine: Precision) -> Evaluate:
    """Records f on a tape, to evaluate it with many digits. Detached numbers move with the numbers they come from."""
    tape, parameters, _ = trace_function(lambda _: [case.f.compute()], case.f.name(), [], with_lines=False)
    if not {*parameters} <= {*case.leaves}:
        raise TypeError("it uses other Values at each call")
    return lambda numbers: fine.number(*tape.replay(fine.system, *map(dict(zip(case.leaves, numbers)).get, parameters)))


def _compare(case: _Case, evaluate: Evaluate, precision: Precision) -> GradientCheck:
    """Compares the gradient with the slope in each leaf, and with the one across all leaves that have a gradient."""
    name, given = case.f.name, case.given
    if not case.leaves:
        return GradientCheck("correct", f"{name()} has no inputs that it could depend on", digits=precision.digits)
    point, size = [precision.number(leaf.data) for leaf in case.leaves], size_of(case.graph, precision.smallest)
    rounding_in = cache(partial(rounding_of_gradient, case.graph[-1]))

    def compare(name: str, slope: Number | None, direction: dict[int, float]) -> Derivative:
        def rounding() -> float:
            return sum([rounding_in(case.leaves[i]) * abs(d) for i, d in direction.items()])

        return judge(name, slope, evaluate, point, direction, precision, size, rounding)

    derivatives = [compare(name(leaf), given[i], {i: 1.0}) for i, leaf in enumerate(case.names)]
    found = list(derivatives)
    direction = _choose_direction(case)
    if len(direction) > 1:
        slope = sum([precision.number(given[i] or 0.0) * d for i, d in direction.items()])
        found.append(compare(f"{name()}, all inputs moved at once", slope, direction))
    worst = min(found, key=_rank)
    lost = f"floats lose digits here: {f'with {precision.digits} digits, ' if precision.is_exact else ''}"
    verdict, reason = _conclude(case, worst, lost)
    rounded = [f"{lost}{d}" for d in derivatives if d.rounding and verdict == "correct"]
    rounding = FLOAT_PRECISION.rounding if verdict == "too noisy" else precision.to_float(precision.rounding)
    return GradientCheck(
        verdict,
        reason,
        tuple(derivatives if worst in derivatives else found),
        noise=max([rounding * size, *[d.noise for d in found]]),
        digits=precision.digits,
        notes=tuple(rounded[:1]),
    )


def _choose_direction(case: _Case) -> dict[int, float]:
    """A step for each leaf, in proportion to its size, and with different factors: no function is special in it."""
    largest = max([abs(leaf.data) for leaf in case.leaves]) or 1.0
    factors = [0.5 + i * 0.6180339887498949 % 1.0 for i in range(1, len(case.leaves) + 1)]  # by the golden ratio
    steps = [(leaf.data or largest) * factor for leaf, factor in zip(case.leaves, factors)]
    return {i: step for i, step in enumerate(steps) if case.given[i] is not None}


def _conclude(case: _Case, worst: Derivative, lost: str) -> tuple[Verdict, str]:
    """The verdict on f and its reason, from the worst verdict on a derivative."""
    name, kink = case.f.name(), f"the kink of {case.kinks[0].where}" if case.kinks else ""
    match worst.verdict:
        case "correct":
            return "correct", f"the gradient agrees with differences{' as far as floats go' if worst.rounding else ''}"
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
            return "too noisy", f"{lost}{worst}, and rounding alone can move the gradient by {worst.rounding:.1g}"
        case "too noisy":
            return "too noisy", f"{worst}; each value of {name} is noisy by {worst.noise:.1g}"
    return worst.verdict, str(worst)
