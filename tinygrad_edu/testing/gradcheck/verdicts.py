"""The verdict on one derivative, from the number that is given and from the slopes that f has.

All bounds are relative to the derivatives themselves, so a function in other units gets the same verdict. Slopes are
left to `_differences.py`. Whose derivative it is, is left to `_local.py` and `check.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

from tinygrad_edu.rules import Number

from ._differences import Estimate, LineFunction, Slope, choose_slope, estimate_slopes, value_at
from ._precision import Precision

Verdict = Literal["correct", "wrong", "kink", "outside the domain", "too noisy", "not repeatable"]

SAME = 1e-7  # relative: two slopes that differ by less are equal
CERTAIN = 1e-4  # relative: the error of a slope that is good enough to confirm a derivative
FLAT_SLOPE = 1e-6  # relative to the slopes farther away: a smaller slope counts as 0
SMALLEST = sys.float_info.min * sys.float_info.epsilon  # no float is finer
FAR = (0.73, -0.73, 0.02, -0.02)  # times |x| or 1: distances that are far from the point
ERROR_FACTOR = 10  # the true error of a slope may be so many times the estimated one


@dataclass(frozen=True)
class Derivative:
    """One derivative: `given` by a gradient or a rule, and `expected` by differences, give or take `error`.

    `given` is None where there is no gradient. `expected` is None where the sides differ, or where no difference could
    be taken. `left` and `right` are the one-sided derivatives, None where the function is not defined on that side.
    `noise` is the error of one value of the function. `rounding` is how far off rounding alone can move the given
    number; it is 0 where nobody had to ask.
    """

    name: str
    verdict: Verdict
    given: float | None
    expected: float | None
    error: float
    left: float | None
    right: float | None
    noise: float = 0.0
    rounding: float = 0.0

    @property
    def sides(self) -> str:
        """The one-sided derivatives in words."""
        return f"{_format_slope(self.left)} from the left, {_format_slope(self.right)} from the right"

    def __str__(self) -> str:
        given = "no gradient" if self.given is None else f"gradient {self.given:.12g}"
        if self.left is None and self.right is None:
            return f"{self.name}: {given}, no differences"
        if self.expected is None or math.isinf(self.expected):
            return f"{self.name}: {given}, slope {self.sides}"
        return f"{self.name}: {given}, differences {self.expected:.12g} ± {self.error:.1g}"


def _format_slope(x: float | None) -> str:
    return "undefined" if x is None else f"{x:.12g}"


def judge(
    name: str,
    given: Number | None,
    f: LineFunction,
    y: Number,
    x: float,
    precision: Precision,
    noise: Number = 0.0,
    rounding_of_given: Callable[[], float] = lambda: 0.0,
) -> Derivative:
    """Compares a given derivative at the point x with the slope of f, where f(0) = y is the value at x.

    `noise` is the least error of a value of f. Intervals around the point come first, and one may be enough;
    else both sides are looked at on their own. Where the derivatives differ, it is asked how far off
    `given` is by rounding.
    """
    f, scale = cache(f), max(abs(x), 1.0)
    noise = noise if precision.is_exact else max(noise, SMALLEST)

    left, right, central = [
        partial(estimate_slopes, f, y, stencil=stencil, noise=noise, rounding=precision.rounding)
        for stencil in precision.stencils
    ]

    @cache
    def flat() -> Number:
        """A slope that counts as 0, as f has so much larger ones farther away."""
        changes = [(t * scale, value_at(f, precision.number(t * scale))) for t in FAR]
        return FLAT_SLOPE * max([abs(y) / scale, *[abs((value - y) / t) for t, value in changes if value is not None]])

    def settles(e: Estimate) -> bool:
        """Whether one interval is enough: with many digits a precise slope, else one that confirms what is given."""
        off = 0 if precision.is_exact else math.inf if given is None else abs(given - e.value)
        return bool(off + e.error <= SAME * max(abs(e.value), FLAT_SLOPE * abs(y) / scale))

    around: list[Estimate] = []
    sides: list[Slope | None]
    widths = precision.widths(x)
    for e in central(widths):
        around.append(e)
        if settles(e):
            sides = [Slope(e.value, e.error, 2 * e.residual)] * 2
            middle = sides[0]
            break
    else:
        sides = [choose_slope([*side(widths)]) for side in (left, right)]
        middle = choose_slope(around)
    best = min([s for s in (*sides, middle) if s], key=lambda s: s.error, default=None)
    verdict = _verdict(given, sides, best, flat)
    rounding = 0.0
    if verdict == "wrong" and best and given is not None:
        off, rounding = abs(best.value - given), rounding_of_given()
        if off <= ERROR_FACTOR * (best.error + rounding):
            is_close = off <= max(CERTAIN * max(abs(given), abs(best.value)), flat())
            verdict = "correct" if is_close else "too noisy"

    def to_float(number: Number | None) -> float | None:
        return None if number is None else precision.to_float(number)

    from_left, from_right = (to_float(s.value) if s else None for s in sides)
    expected = None if best is None or verdict == "kink" else to_float(best.value)
    error, noise = (precision.to_float(best.error), precision.to_float(best.noise)) if best else (math.inf, 0.0)
    return Derivative(name, verdict, to_float(given), expected, error, from_left, from_right, noise, rounding)


def _verdict(
    given: Number | None, sides: Sequence[Slope | None], best: Slope | None, flat: Callable[[], Number]
) -> Verdict:
    if best is None or given is None:
        return "outside the domain"
    left, right = sides
    if left and right:
        apart, size = abs(left.value - right.value), max(abs(left.value), abs(right.value))
        if size == math.inf or apart > ERROR_FACTOR * (left.error + right.error) + SAME * size:
            return "kink"
    elif abs(best.value) == math.inf:
        return "outside the domain"
    off, size = abs(given - best.value), max(abs(given), abs(best.value), sys.float_info.min)  # smaller: fewer digits
    if off > ERROR_FACTOR * best.error + SAME * size:
        return "wrong"
    is_certain = off == 0 or best.error <= CERTAIN * size or off + best.error <= flat()
    return "correct" if is_certain else "too noisy"
