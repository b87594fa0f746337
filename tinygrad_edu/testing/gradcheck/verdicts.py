"""Verdicts: a derivative as it is given, beside what differences find, and what follows of the two.

All bounds are relative to the derivatives themselves, so that a function in other units is judged the same. How
differences are taken is left to `_differences.py`; whose derivative it is, to `_local.py` and `check.py`.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tinygrad_edu.rules import Number

from ._differences import Along, Slope, Slopes, remainder_of, slopes, value_at
from ._precision import Arithmetic

Verdict = Literal["correct", "wrong", "kink", "outside the domain", "too noisy"]

SAME = 1e-7  # relative: what is closer than this is not told apart
TOLD = 1e-4  # relative: differences that are less certain than this tell nothing
FLAT = 1e-6  # of the slopes farther away: this counts as 0
FAR = 5  # steps, of which the last is a few thousandths of x, or of 1
DOUBT = 10  # times the estimated error of a difference, which is an estimate itself


@dataclass(frozen=True)
class Derivative:
    """One derivative: `given` by a gradient or a rule, and `expected` from differences, give or take `error`.

    `given` is None where there was none, `expected` where the sides differ or no difference could be taken. `left` and
    `right` are the one-sided derivatives, None where the function is not defined on that side. `remainder` is the power
    of the step with which the Taylor remainder vanishes: 2 for a right derivative, 1 for a wrong one; None where
    nothing remains.
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
        return f"{_shown(self.left)} from the left, {_shown(self.right)} from the right"

    def is_close(self, scale: float) -> bool:
        """Whether the two are the same but for what floats may lose, of a function that can be as steep as `scale`."""
        if self.given is None or self.expected is None:
            return False
        size = max(abs(self.given), abs(self.expected))
        return abs(self.given - self.expected) <= max(TOLD * size, SAME * scale)

    def __str__(self) -> str:
        given = "no gradient" if self.given is None else f"gradient {self.given:.12g}"
        if self.left is None and self.right is None:
            return f"{self.name}: {given}, no differences"
        if self.expected is None or math.isinf(self.expected):
            return f"{self.name}: {given}, slope {self.sides}"
        return f"{self.name}: {given}, differences {self.expected:.12g} ± {self.error:.1g}"


def _shown(x: float | None) -> str:
    return "undefined" if x is None else f"{x:.12g}"


def judged(
    name: str,
    given: Number | None,
    f: Along,
    y: Number,
    x: float,
    kind: Arithmetic,
    noise: Number = 0.0,
    size: float = 0.0,
    with_remainder: bool = False,
) -> Derivative:
    """What is to be said of f'(0), f being a function of the distance from a point x, with the value y there.

    `size` is that of what f is made of, if it is known to be larger than y: a measure of what counts as flat. The
    Taylor remainder is a second witness, heard where the first one finds fault, or if asked for: where it leaves no
    room for an error, a derivative is not called wrong.
    """
    f = cache(f)
    found = slopes(f, y, kind.steps(x), noise, kind.rounding, kind.rounding * abs(x))
    best = min([s for s in found if s], key=lambda s: s.error, default=None)

    def changes() -> list[tuple[Number, Number]]:
        """How much f changes farther away."""
        around = [t for h in kind.wide_steps(x)[:FAR] for t in (h, -h)]
        return [(abs(t), abs(value - y)) for t in around if (value := value_at(f, t)) is not None]

    def flat() -> Number:
        return FLAT * max([max(abs(y), size) / max(abs(x), 1.0), *[change / t for t, change in changes()]])

    def drowned() -> bool:
        large = noise > 1000 * kind.rounding * abs(y)
        claimed = abs(given or 0.0) * kind.wide_steps(x)[FAR]  # and would be seen
        return bool(large and 100 * noise > max([claimed, *[c for _, c in changes()]]))

    remainder = None
    verdict = _verdict(given, found, best, flat)
    if given is not None and (with_remainder or verdict != "correct"):
        remainder = remainder_of(f, y, given, kind.wide_steps(x), noise, kind.rounding)
    if verdict == "wrong" and best and (drowned() or (remainder and remainder.room < abs(given - best.value) / 2)):
        verdict = "too noisy"

    def plain(number: Number | None) -> float | None:
        return None if number is None else kind.to_float(number)

    sides = found.left, found.right, None if verdict == "kink" else best
    left, right, middle = (plain(s.value) if s else None for s in sides)
    error = kind.to_float(best.error) if best else math.inf
    return Derivative(name, verdict, plain(given), middle, error, left, right, remainder and remainder.power)


def _verdict(given: Number | None, found: Slopes, best: Slope | None, flat: Callable[[], Number]) -> Verdict:
    if best is None or given is None:
        return "outside the domain"
    left, right = found.left, found.right
    if left and right:
        apart, size = abs(left.value - right.value), max(abs(left.value), abs(right.value))
        if size == math.inf or apart > DOUBT * (left.error + right.error) + SAME * size:
            return "kink"
    elif abs(best.value) == math.inf:
        return "outside the domain"
    off, size = abs(given - best.value), max(abs(given), abs(best.value), sys.float_info.min)  # smaller: fewer digits
    if off > DOUBT * best.error + SAME * size:
        return "wrong"
    return "correct" if best.error <= TOLD * size or off + best.error <= flat() else "too noisy"
