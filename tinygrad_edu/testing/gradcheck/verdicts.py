"""The verdict on one derivative, from the number that is given and from the slopes that f has.

All bounds are relative to the derivatives themselves, so a function in other units gets the same verdict. Slopes are
left to `_differences.py`. Whose derivative it is, is left to `_local.py` and `check.py`.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tinygrad_edu.rules import Number

from ._differences import Slope, Stencil, choose_slope, estimate_slopes, value_at
from ._precision import Precision

Lazy = Callable[[], float]  # a number that is seldom asked for, and takes long
Verdict = Literal["correct", "wrong", "kink", "outside the domain", "too noisy", "not repeatable"]

SAME = 1e-7  # relative: two slopes that differ by less are equal
CERTAIN = 1e-4  # relative: the error of a slope that is good enough to confirm a derivative
FLAT_SLOPE = 1e-6  # relative to the slopes farther away: a smaller slope counts as 0
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
        left, right = ["undefined" if x is None else f"{x:.12g}" for x in (self.left, self.right)]
        return f"{left} from the left, {right} from the right"

    def __str__(self) -> str:
        given = "no gradient" if self.given is None else f"gradient {self.given:.12g}"
        if self.left is None and self.right is None:
            return f"{self.name}: {given}, no differences"
        if self.expected is None or math.isinf(self.expected):
            return f"{self.name}: {given}, slope {self.sides}"
        return f"{self.name}: {given}, differences {self.expected:.12g} ± {self.error:.1g}"


def judge(
    name: str,
    given: Number | None,
    f: Callable[[list[Number]], Number],
    point: Sequence[Number],
    direction: Mapping[int, float],
    precision: Precision,
    size: float,
    rounding_of_given: Lazy = lambda: 0.0,
) -> Derivative:
    """Compares a given derivative of f at a point with the slopes of f, in one coordinate or in a direction of several.

    `size` is that of the numbers in f, whose rounding is the least error of a value. Intervals around the point come
    first, and one may be enough; else both sides are looked at on their own. Where the derivatives differ, it is asked
    how far off `given` is by rounding.
    """
    y, x = f([*point]), 1.0 if len(direction) > 1 else precision.to_float(point[min(direction)])
    scale, widths, (one_sided, central) = max(abs(x), 1.0), precision.widths(x), precision.stencils
    noise = precision.rounding * max(size, precision.smallest)

    @cache
    def along(t: Number) -> Number:
        return f([x + t * direction[i] if i in direction else x for i, x in enumerate(point)])

    def estimate(side: int, stencil: Stencil) -> Iterator[Slope]:
        return estimate_slopes(along, y, [side * width for width in widths], stencil, noise, precision.rounding)

    def settles(e: Slope) -> bool:
        """Whether one interval is enough: with many digits a precise slope, else one that confirms what is given."""
        off = 0 if precision.is_exact else math.inf if given is None else abs(given - e.value)
        return bool(off + e.error <= SAME * max(abs(e.value), FLAT_SLOPE * abs(y) / scale))

    def flat() -> float:
        """A slope that counts as 0, as f has so much larger ones farther away."""
        changes = [(t * scale, value_at(along, precision.number(t * scale))) for t in FAR]
        slopes = [abs(y) / scale, *[abs((value - y) / t) for t, value in changes if value is not None]]
        return FLAT_SLOPE * precision.to_float(max(slopes))

    around: list[Slope] = []
    for e in estimate(1, central):
        around.append(e)
        if settles(e):
            slopes = [e, e, e]
            break
    else:
        slopes = [choose_slope([*each]) for each in (estimate(-1, one_sided), estimate(1, one_sided), around)]
    # from here on floats do: no bound is finer than 1e-7 of a derivative
    given = None if given is None else precision.to_float(given)
    left, right, middle = [slope.convert(precision.to_float) for slope in slopes]
    best = min(left, right, middle, key=lambda slope: (slope.value is None, slope.error))
    verdict, rounding = _decide(given, left, right, best, flat, rounding_of_given)
    expected = None if verdict == "kink" else best.value
    return Derivative(name, verdict, given, expected, best.error, left.value, right.value, best.noise, rounding)


def _decide(
    given: float | None, left: Slope, right: Slope, best: Slope, flat: Lazy, rounding_of_given: Lazy
) -> tuple[Verdict, float]:
    """The verdict, and how far off rounding can have moved `given`: 0 where that need not be asked."""
    if best.value is None or given is None:
        return "outside the domain", 0.0
    if left.value is not None and right.value is not None:
        apart, size = abs(left.value - right.value), max(abs(left.value), abs(right.value))
        if size == math.inf or apart > ERROR_FACTOR * (left.error + right.error) + SAME * size:
            return "kink", 0.0
    elif abs(best.value) == math.inf:
        return "outside the domain", 0.0
    off, size = abs(given - best.value), max(abs(given), abs(best.value), sys.float_info.min)  # smaller: fewer digits
    if off <= ERROR_FACTOR * best.error + SAME * size:
        is_certain = off == 0 or best.error <= CERTAIN * size or off + best.error <= flat()
        return "correct" if is_certain else "too noisy", 0.0
    rounding = rounding_of_given()
    if off > ERROR_FACTOR * (best.error + rounding):
        return "wrong", rounding
    return "correct" if off <= max(CERTAIN * size, flat()) else "too noisy", rounding
