"""The verdict on one derivative, from the number that is given and from what differences find.

All bounds are relative to the derivatives themselves, so a function in other units gets the same verdict. Differences
are left to `_differences.py`. Whose derivative it is, is left to `_local.py` and `check.py`.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tinygrad_edu.rules import Number

from ._differences import LineFunction, Slope, Slopes, estimate_slopes, fit_remainder, value_at
from ._precision import Precision

Verdict = Literal["correct", "wrong", "kink", "outside the domain", "too noisy"]

SAME = 1e-7  # relative: two slopes that differ by less are equal
CERTAIN = 1e-4  # relative: the error of a difference that is good enough to confirm a derivative
FLAT_SLOPE = 1e-6  # relative to the slopes farther away: a smaller slope counts as 0
FAR_STEPS = 5  # so many wide steps are far from the point: the last of them is a few thousandths of |x|, or of 1
ERROR_FACTOR = 10  # the true error of a difference may be so many times the estimated one


@dataclass(frozen=True)
class Derivative:
    """One derivative: `given` by a gradient or a rule, and `expected` by differences, give or take `error`.

    `given` is None where there is no gradient. `expected` is None where the sides differ, or where no difference could
    be taken. `left` and `right` are the one-sided derivatives, None where the function is not defined on that side.
    `remainder` is the power of the step with which the Taylor remainder vanishes: 2 for a right derivative, 1 for a
    wrong one, None where nothing remains.
    """

    name: str
    verdict: Verdict
    given: float | None
    expected: float | None
    error: float
    left: float | None
    right: float | None
    remainder: float | None = None

    @property
    def sides(self) -> str:
        """The one-sided derivatives in words."""
        return f"{_format_slope(self.left)} from the left, {_format_slope(self.right)} from the right"

    def is_close(self, scale: float) -> bool:
        """Whether given and expected differ only by rounding, for a function that can be as steep as `scale`."""
        if self.given is None or self.expected is None:
            return False
        size = max(abs(self.given), abs(self.expected))
        return abs(self.given - self.expected) <= max(CERTAIN * size, SAME * scale)

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
    size: float = 0.0,
    with_remainder: bool = False,
) -> Derivative:
    """Compares a given derivative at the point x with differences of f, where f(0) = y is the value at x.

    `size` is the size of the numbers inside f, if it is larger than y: it decides what counts as flat. The Taylor
    remainder is a second witness. It is asked where the differences disagree, or with `with_remainder`: where it leaves
    no room for an error, a derivative is not called wrong.
    """
    f = cache(f)
    slopes = estimate_slopes(f, y, precision.steps(x), noise, precision.rounding, precision.rounding * abs(x))
    best = min([s for s in slopes if s], key=lambda s: s.error, default=None)

    def far_changes() -> list[tuple[Number, Number]]:
        """Distances from the point, each with the change of f there."""
        distances = [t for h in precision.wide_steps(x)[:FAR_STEPS] for t in (h, -h)]
        return [(abs(t), abs(value - y)) for t in distances if (value := value_at(f, t)) is not None]

    def largest_flat_slope() -> Number:
        far_slopes = [change / distance for distance, change in far_changes()]
        return FLAT_SLOPE * max([max(abs(y), size) / max(abs(x), 1.0), *far_slopes])

    def is_lost_in_noise() -> bool:
        is_large = noise > 1000 * precision.rounding * abs(y)
        expected_change = abs(given or 0.0) * precision.wide_steps(x)[FAR_STEPS]
        return bool(is_large and 100 * noise > max([expected_change, *[change for _, change in far_changes()]]))

    remainder = None
    verdict = _verdict(given, slopes, best, largest_flat_slope)
    if given is not None and (with_remainder or verdict != "correct"):
        remainder = fit_remainder(f, y, given, precision.wide_steps(x), noise, precision.rounding)
    off = abs(given - best.value) if verdict == "wrong" and best else 0
    if off and (is_lost_in_noise() or (remainder and remainder.max_error < off / 2)):
        verdict = "too noisy"

    def to_float(number: Number | None) -> float | None:
        return None if number is None else precision.to_float(number)

    estimates = slopes.left, slopes.right, None if verdict == "kink" else best
    left, right, expected = (to_float(s.value) if s else None for s in estimates)
    error = precision.to_float(best.error) if best else math.inf
    return Derivative(name, verdict, to_float(given), expected, error, left, right, remainder and remainder.power)


def _verdict(
    given: Number | None, slopes: Slopes, best: Slope | None, largest_flat_slope: Callable[[], Number]
) -> Verdict:
    if best is None or given is None:
        return "outside the domain"
    left, right = slopes.left, slopes.right
    if left and right:
        apart, size = abs(left.value - right.value), max(abs(left.value), abs(right.value))
        if size == math.inf or apart > ERROR_FACTOR * (left.error + right.error) + SAME * size:
            return "kink"
    elif abs(best.value) == math.inf:
        return "outside the domain"
    off, size = abs(given - best.value), max(abs(given), abs(best.value), sys.float_info.min)  # smaller: fewer digits
    if off > ERROR_FACTOR * best.error + SAME * size:
        return "wrong"
    is_certain = best.error <= CERTAIN * size or off + best.error <= largest_flat_slope()
    return "correct" if is_certain else "too noisy"
