"""Differences of a function at a point: one-sided and central slopes with errors, noise, the Taylor remainder.

A single step and a single tolerance do not separate a wrong derivative, a kink and noise. So the steps shrink by a
fixed ratio, and each sequence of quotients is extrapolated to step 0. The extrapolation that changes least is the
slope, and its last change is the error. All bounds are relative to the numbers, which are floats or numbers with more
digits. The verdict is left to `verdicts.py`, the kinds of numbers to `_precision.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tinygrad_edu.errors import FAILURES
from tinygrad_edu.rules import Number

LineFunction = Callable[[Number], Number]  # t → f(x + t·d): the function on a line through the point x, which is t = 0

RATIO = 4  # of one step to the next
DEPTH = 6  # columns of an extrapolation: more columns only add rounding
TABLE_POINTS = 9  # values in a table of differences, with the one at 0


class Slope(NamedTuple):
    """An estimated derivative: the true one is `value` ± `error`. It is infinite where the quotients grow on."""

    value: Number
    error: Number


class Slopes(NamedTuple):
    """The derivatives from the left, from the right, and by central differences; None where f is not defined."""

    left: Slope | None
    right: Slope | None
    central: Slope | None


class Remainder(NamedTuple):
    """The Taylor remainder: the power of the step with which it vanishes, and how far off the slope can be at most."""

    power: float
    max_error: Number  # the remainder divided by the step, at the smallest step where the remainder can be seen


class Quotient(NamedTuple):
    """One difference quotient, and the part of it that can be noise."""

    value: Number
    noise: Number


def restrict_to_line(
    f: Callable[[list[Number]], Number], point: Sequence[Number], direction: dict[int, float]
) -> LineFunction:
    """The function t → f(point + t·direction). A coordinate that `direction` does not name stays as it is."""
    return lambda t: f([x + t * direction[i] if i in direction else x for i, x in enumerate(point)])


def geometric_steps(first: Number, last: Number) -> list[Number]:
    """Steps from the first down to the last: each is the one before, divided by RATIO."""
    steps = []
    while first >= last:
        steps.append(first)
        first = first / RATIO
    return steps


def estimate_slopes(
    f: LineFunction, y: Number, steps: Sequence[Number], noise: Number, rounding: Number, blur: Number
) -> Slopes:
    """The derivatives of f at 0, where its value is y, by differences with shrinking steps.

    `noise` is the error of one value of f, `rounding` the least relative error, `blur` the error of t itself. A step
    that leads outside the domain is left out.

    >>> left, right, central = estimate_slopes(abs, 0.0, geometric_steps(1.0, 1e-12), 0.0, 2e-16, 0.0)
    >>> left.value, right.value, central.value
    (-1.0, 1.0, 0.0)
    """

    def quotient(after: Number | None, before: Number | None, width: Number) -> Quotient | None:
        if after is None or before is None:
            return None
        value = (after - before) / width
        error = max(noise, rounding * max(abs(after), abs(before)))  # of one of the two values
        return Quotient(value, (2 * error + abs(value) * blur) / abs(width))

    ahead, behind = ([value_at(f, sign * h) for h in steps] for sign in (1, -1))
    right = [quotient(a, y, h) for h, a in zip(steps, ahead)]
    left = [quotient(b, y, -h) for h, b in zip(steps, behind)]
    central = [quotient(a, b, 2 * h) for h, a, b in zip(steps, ahead, behind)]
    return Slopes(extrapolate(left, 1), extrapolate(right, 1), extrapolate(central, 2))


def value_at(f: LineFunction, t: Number) -> Number | None:
    """f(t); None outside the domain, and where f(t) is not a finite number."""
    try:
        y = f(t)
    except FAILURES:
        return None
    return y if -math.inf < y < math.inf else None


def extrapolate(quotients: Sequence[Quotient | None], power: int) -> Slope | None:
    """The limit at step 0 of quotients whose error is a series in step**power; None where there are too few.

    Each column of the table removes one more term of the series. The error of an entry is its distance from the two
    entries that it was made of, plus the noise. A large step may jump over what f does nearby: so where an entry of
    smaller steps is farther away than its own error explains, that distance is the error. Source: Ridders, Accurate
    computation of F'(x) and F'(x)F''(x), 1982.
    """
    best_of_rows: list[Slope] = []
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
        if entries:
            best_of_rows.append(min(entries, key=lambda entry: entry.error))
        above = row
    best: Slope | None = None
    for k, slope in sorted(enumerate(best_of_rows), key=lambda row: row[1].error):
        if best is not None and best.error <= slope.error:
            break  # an error only grows by what follows
        distances = [abs(finer.value - slope.value) - 3 * finer.error for finer in best_of_rows[k + 1 :]]
        error = max([slope.error, *distances])
        if best is None or error < best.error:
            best = Slope(slope.value, error)
    known = [quotient for quotient in quotients if quotient]
    if best is None or best.error > abs(best.value) / 1000:
        best = _find_infinite_slope(known) or best
    return _find_slow_limit(known) or best


def _find_infinite_slope(quotients: Sequence[Quotient]) -> Slope | None:
    """An infinite slope, if each step makes the quotients grow by as much as before, up to the last one above noise."""
    visible = [i for i, q in enumerate(quotients) if q.noise < abs(q.value) / 10]
    last = [quotients[i] for i in visible[-4:]]
    growth = [(abs(b.value) - abs(a.value), a.noise + b.noise) for a, b in pairwise(last) if a.value * b.value > 0]
    if len(growth) < 3 or any(q.noise < abs(last[-1].value) / 10 for q in quotients[visible[-1] + 1 :]):
        return None
    if all(g > 3 * noise for g, noise in growth) and all(b >= 0.8 * a for (a, _), (b, _) in pairwise(growth)):
        return Slope(math.inf if last[-1].value > 0 else -math.inf, 0.0)
    return None


def _find_slow_limit(quotients: Sequence[Quotient]) -> Slope | None:
    """The limit, if the distance to it falls by a constant ratio with each step, but more slowly than the step itself.

    Then the error is not a series in the step, as for x**1.05 at 0. Source: Aitken, On Bernoulli's numerical solution
    of algebraic equations, 1926.
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


def estimate_noise(f: LineFunction, steps: Sequence[float]) -> float:
    """The noise of f near 0: the standard deviation of its values after all that is smooth in them is removed.

    Each side of 0 is sampled at a few spacings, and a table of differences is made of each sample. High differences of
    a smooth function vanish; those of noise grow in a known way. A table shows noise if three of its columns agree and
    change their sign, and if the table of the next spacing shows the same: a kink looks different at two spacings.
    Source: Moré and Wild, Estimating computational noise, 2011.
    """
    spacings = steps[4 : len(steps) - 4 : 3]
    levels = []
    for side in (1, -1):
        samples = [[value_at(f, side * h * k) for k in range(1, TABLE_POINTS)] for h in spacings]
        levels += [min(a, b) for a, b in pairwise(map(_noise_of_samples, samples)) if 0 < max(a, b) <= 8 * min(a, b)]
    return max([sys.float_info.min * sys.float_info.epsilon, *levels])  # no float is finer


def _noise_of_samples(values: Sequence[float | None]) -> float:
    """The noise in equally spaced values, by a table of differences; 0 where it shows none."""
    if None in values:
        return 0.0
    column: list[float] = [float(y) for y in values if y is not None]
    levels, changes = [], []
    for k in range(1, len(values) - 1):
        column = [b - a for a, b in pairwise(column)]
        variance = math.factorial(k) ** 2 / math.factorial(2 * k)  # noise 1 has variance 1 / this in column k
        levels.append(math.sqrt(variance / len(column)) * math.hypot(*column))
        changes.append(min(column) < 0 < max(column))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if changes[k] and max(three) <= 4 * min(three):
            return levels[k]
    return 0.0


def fit_remainder(
    f: LineFunction, y: Number, given: Number, steps: Sequence[Number], noise: Number, rounding: Number
) -> Remainder | None:
    """The Taylor remainder |f(t) − f(0) − t·given|. It vanishes like t² if `given` is f'(0), else like t.

    The power is fitted to the smallest four steps at which the remainder is larger than noise and than the rounding of
    `given`. It is None where there are fewer than four, as for a linear function whose slope is right. Where f is not
    defined ahead of 0, the steps go back.

    >>> [fit_remainder(lambda t: (3 + t) ** 2, 9, x, geometric_steps(1e-2, 1e-6), 0, 0).power for x in (6.0, 6.5)]
    [2.0, 1.0]
    """
    points: list[tuple[float, float]] = []
    max_error: Number = 0.0
    for h in reversed(steps):
        t, value = h, value_at(f, h)
        if value is None:
            t, value = -h, value_at(f, -h)
        if value is None:
            continue
        remainder = abs(value - y - t * given)
        if remainder > 100 * max(noise, rounding * max(abs(value), abs(y))) + 1e-9 * abs(t * given):
            max_error = max_error or remainder / h
            points.append((binary_log(h), binary_log(remainder)))
        if len(points) == 4:
            break
    else:
        return None
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points))
    fitted = sum((a - mean_x) * (b - mean_y) for a, b in points) / sum((a - mean_x) ** 2 for a, _ in points)
    return Remainder(round(fitted, 2), max_error)


def binary_log(x: Number) -> float:
    """log₂ x of a positive number, which may be too small or too large for a float."""
    if isinstance(x, float):
        return math.log2(x)
    _, mantissa, exponent, _ = x._mpf_
    return float(math.log2(int(mantissa)) + exponent)
