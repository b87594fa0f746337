"""Differences of a function at a point: one-sided and central slopes with an error for each, noise, and a remainder.

One step and one tolerance cannot tell a wrong derivative from a kink, nor either from noise. So the steps shrink by a
fixed ratio, each sequence of quotients is extrapolated to step 0, and the extrapolation that moves least gives the
slope together with how far it can be off. All is relative to the numbers at hand, and works on floats as on numbers of
more digits. What is concluded from the slopes is left to `check.py`, the digits to `_precision.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tinygrad_edu.errors import FAILURES
from tinygrad_edu.rules import Number

Along = Callable[[Number], Number]  # a function of one number t, which is 0 at the point

RATIO = 4  # of one step to the next
DEPTH = 6  # columns of an extrapolation: more only multiply the rounding
SAMPLES = 9  # for a table of differences


class Slope(NamedTuple):
    """A derivative as far as differences tell: the true one is `value` ± `error`; infinite where they grow on."""

    value: Number
    error: Number


class Slopes(NamedTuple):
    """The derivatives from both sides, None where the function is not defined on a side; and from the two together."""

    left: Slope | None
    right: Slope | None
    both: Slope | None


class Remainder(NamedTuple):
    """What is left of a function without its tangent: the power of the step with which that vanishes, for a person; and
    the quotient of it and the smallest step at which it can be seen: the slope is not farther off.
    """

    power: float
    room: Number


class Quotient(NamedTuple):
    """One difference quotient: its step, its value, and how much of it can be noise."""

    step: Number
    value: Number
    noise: Number


def geometric(first: Number, last: Number) -> list[Number]:
    """Steps from the first down to the last, each a RATIO-th of the one before."""
    steps = []
    while first >= last:
        steps.append(first)
        first = first / RATIO
    return steps


def slopes(f: Along, y: Number, steps: Sequence[Number], noise: Number, rounding: Number, blur: Number) -> Slopes:
    """The derivatives of f at 0, where it is y, by differences at falling steps, extrapolated.

    `noise` is the error of one value of f, `rounding` the least relative one, `blur` the error of t itself. A step that
    leads outside the domain is left out.

    >>> left, right, both = slopes(abs, 0.0, geometric(1.0, 1e-12), 0.0, 2e-16, 0.0)
    >>> left.value, right.value, both.value
    (-1.0, 1.0, 0.0)
    """

    def quotient(step: Number, after: Number | None, before: Number | None, width: Number) -> Quotient | None:
        if after is None or before is None:
            return None
        d = (after - before) / width
        at_most = max(noise, rounding * max(abs(after), abs(before)))
        return Quotient(step, d, (2 * at_most + abs(d) * blur) / abs(width))

    ahead, behind = ([value_at(f, sign * h) for h in steps] for sign in (1, -1))
    right = [quotient(h, a, y, h) for h, a in zip(steps, ahead)]
    left = [quotient(h, b, y, -h) for h, b in zip(steps, behind)]
    both = [quotient(h, a, b, 2 * h) for h, a, b in zip(steps, ahead, behind)]
    return Slopes(extrapolated(left, 1), extrapolated(right, 1), extrapolated(both, 2))


def value_at(f: Along, t: Number) -> Number | None:
    """f(t); None outside the domain, and where it is no finite number."""
    try:
        y = f(t)
    except FAILURES:
        return None
    return y if -math.inf < y < math.inf else None


def extrapolated(quotients: Sequence[Quotient | None], power: int) -> Slope | None:
    """The limit for step 0 of quotients whose error is a series in step**power; None where there are too few.

    Each column of the table removes one more term of the series. An entry's error is how far it is from the two entries
    that it was made of, plus the noise; and if what smaller steps say lies beyond the error of that, how far beyond: a
    large step may skip what f does nearby. Source: Ridders, Accurate computation of F'(x) and F'(x)F''(x), 1982.
    """
    found: list[Slope] = []  # the best of each row
    above: list[Number] = []
    for quotient in quotients:
        if quotient is None:
            above = []
            continue
        row, entries = [quotient.value], []
        for j, earlier in enumerate(above[:DEPTH]):
            row.append(row[j] + (row[j] - earlier) / (RATIO ** (power * (j + 1)) - 1))
            error = max(abs(row[-1] - row[j]), abs(row[-1] - earlier)) + quotient.noise
            entries.append(Slope(row[-1], error))
        found += sorted(entries, key=_error)[:1]
        above = row
    judged = [
        Slope(s.value, max([s.error, *[abs(finer.value - s.value) - 3 * finer.error for finer in found[k + 1 :]]]))
        for k, s in enumerate(found)
    ]
    best = min(judged, key=_error, default=None)
    known = [quotient for quotient in quotients if quotient]
    if best is None or best.error > abs(best.value) / 1000:
        best = _unbounded(known) or best
    return _slowly_reached(known) or best


def _unbounded(quotients: Sequence[Quotient]) -> Slope | None:
    """An infinite slope, if the quotients grow by no less with each step, up to the last that noise leaves visible."""
    visible = [q for q in quotients if q.noise < abs(q.value) / 10]
    last = visible[-4:]
    growth = [(abs(b.value) - abs(a.value), a.noise + b.noise) for a, b in pairwise(last) if a.value * b.value > 0]
    if len(growth) < 3 or any(q.noise < abs(last[-1].value) / 10 for q in quotients[quotients.index(last[-1]) + 1 :]):
        return None
    if all(g > 3 * noise for g, noise in growth) and all(b >= 0.8 * a for (a, _), (b, _) in pairwise(growth)):
        return Slope(math.inf if last[-1].value > 0 else -math.inf, 0.0)
    return None


def _slowly_reached(quotients: Sequence[Quotient]) -> Slope | None:
    """The limit, if what is missing to it falls by one ratio with each step, but more slowly than the step itself.

    That is no series in the step, but as in x**1.05 at 0. Source: Aitken, On Bernoulli's numerical solution, 1926.
    """
    last = quotients[-4:]
    changes = [b.value - a.value for a, b in pairwise(last)]
    if len(last) < 4 or min(map(abs, changes)) <= 1e4 * max(q.noise for q in last):
        return None
    earlier, ratio = (b / a for a, b in pairwise(changes))
    if not 1.2 / RATIO < ratio < 0.999 or abs(ratio - earlier) > 1e-4 * (1 - ratio):
        return None
    limits = [last[k].value + changes[k] / (1 - ratio) for k in (1, 2)]
    return Slope(limits[1], abs(limits[1] - limits[0]) + 4 * last[-1].noise / (1 - ratio))


def _error(slope: Slope) -> Number:
    return slope.error


def noise_of(f: Along, steps: Sequence[float]) -> float:
    """The noise of f near 0: the standard deviation of what is left of its values when all that is smooth is removed.

    Each side of 0 is sampled at a few spacings, and a table of differences taken: high differences of a smooth function
    vanish, those of noise grow in a known way. What a table shows counts as noise if three columns agree, with changes
    of sign, and if a spacing many times as large shows it too: a kink is not the same at two spacings.
    Source: Moré and Wild, Estimating computational noise, 2011.
    """
    spacings = steps[4 : len(steps) - 4 : 3]
    seen = [[_tabled([value_at(f, side * h * k) for k in range(1, SAMPLES)]) for h in spacings] for side in (1, -1)]
    alike = [min(a, b) for side in seen for a, b in pairwise(side) if 0 < max(a, b) <= 8 * min(a, b)]
    return max([sys.float_info.min * sys.float_info.epsilon, *alike])  # no float is finer


def _tabled(values: Sequence[float | None]) -> float:
    """The noise that a table of differences shows in equally spaced values, 0 where it shows none."""
    if None in values:
        return 0.0
    column: list[float] = [float(y) for y in values if y is not None]
    levels, changes = [], []
    for k in range(1, len(values) - 1):
        column = [b - a for a, b in pairwise(column)]
        variance = math.factorial(k) ** 2 / math.factorial(2 * k)  # of noise 1 becomes 1 / this, in a column k
        levels.append(math.sqrt(variance / len(column)) * math.hypot(*column))
        changes.append(min(column) < 0 < max(column))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if changes[k] and max(three) <= 4 * min(three):
            return levels[k]
    return 0.0


def remainder_of(
    f: Along, y: Number, given: Number, steps: Sequence[Number], noise: Number, rounding: Number
) -> Remainder | None:
    """The Taylor remainder |f(t) − f(0) − t·given|, which vanishes like t² if `given` is f'(0), else like t.

    The power is fitted to the smallest steps at which the remainder stands clear of noise and of the rounding of
    `given`; None where it does so at fewer than four, as for a linear function that is right. Where f is not defined
    ahead, it is followed backwards.

    >>> [remainder_of(lambda t: (3 + t) ** 2, 9, given, geometric(1e-2, 1e-6), 0, 0).power for given in (6.0, 6.5)]
    [2.0, 1.0]
    """
    points: list[tuple[float, float]] = []
    room: Number = 0.0
    for h in reversed(steps):
        t, value = h, value_at(f, h)
        if value is None:
            t, value = -h, value_at(f, -h)
        if value is None:
            continue
        remainder = abs(value - y - t * given)
        if remainder > 100 * max(noise, rounding * max(abs(value), abs(y))) + 1e-9 * abs(t * given):
            room = room or remainder / h
            points.append((log2(h), log2(remainder)))
        if len(points) == 4:
            break
    else:
        return None
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points))
    fitted = sum((a - mean_x) * (b - mean_y) for a, b in points) / sum((a - mean_x) ** 2 for a, _ in points)
    return Remainder(round(fitted, 2), room)


def log2(x: Number) -> float:
    """The binary logarithm of a positive number, whose digits a float need not be able to hold."""
    if isinstance(x, float):
        return math.log2(x)
    _, mantissa, exponent, _ = x._mpf_
    return float(math.log2(int(mantissa)) + exponent)
