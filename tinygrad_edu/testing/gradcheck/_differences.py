"""The slope of a function at a point, with its error: by polynomials on smaller and smaller intervals.

No single step separates a wrong derivative, a kink, and noise. So f is sampled on an interval that begins at the point,
or has it in its middle, and a polynomial in Chebyshev form is laid through the values. Its last coefficients tell at
once what it misses: where the interval is too wide for the curves of f, they fall as it shrinks; where they are noise,
they do not. So each width gives a slope and its error, and the best width is chosen by f itself. The numbers are floats
or numbers with more digits. The verdict is left to `verdicts.py`, the kinds of numbers to `_precision.py`.

Source: Trefethen, Approximation Theory and Approximation Practice, 2013.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from statistics import median
from typing import NamedTuple

from tinygrad_edu.errors import FAILURES
from tinygrad_edu.rules import Number, NumberSystem

LineFunction = Callable[[Number], Number]  # t → f(x + t·d): the function on a line through the point x, which is t = 0

DEGREE = 8  # of a polynomial: enough for 1e-10, and few values
TAIL = 3  # so many last coefficients measure the error: one alone may be 0 by chance
RESOLVED = 32  # the last coefficients of a curve that is seen at all are so much smaller than its changes
STEADY = 3  # so many intervals must miss as much as the one before: beside a bend of f a few may
SMALL = 1e-5  # relative to the values of f: what is larger is no noise of rounding


class Slope(NamedTuple):
    """A derivative, as one polynomial or several have it: the true one is `value` ± `error`.

    It is infinite where the slopes grow on and on; None where there is none.
    """

    value: Number
    error: Number
    noise: Number  # the part of each value of f that is not explained; the noise of a coefficient is half of that
    is_blind: bool = False  # whether nothing is explained of what f does here, and that is more than rounding

    def convert(self, number: Callable[[Number], float]) -> "Slope":
        """The slope in other numbers."""
        value = None if self.value is None else number(self.value)
        return Slope(value, number(self.error), number(self.noise), self.is_blind)


NO_SLOPE = Slope(None, math.inf, 0.0)


@dataclass(frozen=True)
class Stencil:
    """Where to sample f around 0, for a width of 1, and the weights of the values in the slope and in the tail.

    `spread` is how far the slope is off if each coefficient is off by 1.
    """

    nodes: list[Number]
    slope: list[Number]
    tail: list[list[Number]]
    spread: int


def make_stencils(m: NumberSystem) -> tuple[Stencil, Stencil]:
    """The stencil on one side of 0, which is the right one for widths > 0, and the one around it, in that system.

    Formulas, for n = DEGREE, points xⱼ = cos(πj/n) and values vⱼ: p = Σ cₖ·Tₖ, where cₖ = 2/n Σⱼ vⱼ·cos(πjk/n), and the
    terms with j or k of 0 or n count half. Tₖ′(1) is k²; Tₖ′(0) is k·sin(πk/2).
    """
    n, ks = DEGREE, range(DEGREE + 1)
    # cos(πj/n) as a sine, so that it is exact where it is 0, 1 or −1
    cosines = [m.sin(m.pi * (n - 2 * j) / (2 * n)) for j in ks]
    halves = [2 if k in (0, n) else 1 for k in ks]
    rows = [[cosines[n - abs(j * k % (2 * n) - n)] * 2 / (n * halves[j] * halves[k]) for j in ks] for k in ks]

    def stencil(nodes: list[Number], slopes: list[int]) -> Stencil:
        weights = [sum(map(mul, slopes, column)) for column in zip(*rows)]
        return Stencil(nodes, weights, rows[-TAIL:], sum(map(abs, slopes)))

    one_sided = stencil([(1 - x) / 2 for x in cosines], [-2 * k * k for k in ks])
    return one_sided, stencil(cosines, [(0, k, 0, -k)[k % 4] for k in ks])


def value_at(f: LineFunction, t: Number) -> Number:
    """f(t); None outside the domain, and where f(t) is not a finite number."""
    try:
        y = f(t)
        return y if -math.inf < y < math.inf else None
    except (TypeError, *FAILURES):  # a complex number is a TypeError
        return None


def estimate_slopes(
    f: LineFunction, y: Number, widths: Sequence[Number], stencil: Stencil, noise: Number, rounding: Number
) -> Iterator[Slope]:
    """The slopes of f at 0, where its value is y, by polynomials on narrower and narrower intervals.

    `noise` is the least error of one value of f, `rounding` the least relative one. Where a few intervals
    miss about the same small part of f, this is noise, which a narrower one can have no less of. An interval where a
    value is missing or overflows is left out.
    """
    steady: list[Number] = []
    for width in widths:
        values: list[Number] = [value_at(f, node * width) if node else y for node in stencil.nodes]
        if None in values:
            continue
        changes = [value - y for value in values]
        missed = max([abs(sum(map(mul, weights, changes))) for weights in stencil.tail])
        residual = max(noise, rounding * max(map(abs, values)) / 2, missed)
        value = sum(map(mul, stencil.slope, changes)) / width + 0.0  # which makes a −0 a 0
        error = residual * stencil.spread / abs(width)
        if not (-math.inf < value < math.inf and error < math.inf):
            continue
        is_steady = steady and steady[-1] < 8 * residual and residual < min(8 * steady[-1], SMALL * abs(y))
        steady = [*steady, residual] if is_steady else [residual]
        if len(steady) > STEADY:
            noise = max(noise, min(steady[1:]))
        is_blind = missed > max(SMALL * abs(y), max(map(abs, changes)) / RESOLVED)
        yield Slope(value, error, 2 * residual, is_blind)


def choose_slope(estimates: Sequence[Slope]) -> Slope:
    """The slope on which the estimates agree best; they come from the widest interval to the narrowest.

    A wide interval may jump over what f does nearby: so where a narrower one contradicts it by more than its own error
    explains, that distance is the error. So it is with the next wider one: the slopes may not be at their end yet, and
    where they go on in one direction, they may go as far as a geometric series. A polynomial that explains nothing of
    what f does is no witness, nor is one that explains it where the next wider and the next narrower do not: it does so
    by chance. Where none explains anything, f is too fast or too noisy, and the error is infinite.

    >>> from tinygrad_edu.rules import FLOATS
    >>> one_sided, central = make_stencils(FLOATS)
    >>> widths = [32.0**-k for k in range(9)]
    >>> right = choose_slope([*estimate_slopes(abs, 0.0, widths, one_sided, 0.0, 2e-16)])
    >>> left = choose_slope([*estimate_slopes(abs, 0.0, [-width for width in widths], one_sided, 0.0, 2e-16)])
    >>> round(left.value, 12), round(right.value, 12)
    (-1.0, 1.0)
    """
    seeing = []
    for k, e in enumerate(estimates):
        neighbours = [*estimates[max(k - 1, 0) : k], *estimates[k + 1 : k + 2]]
        if not e.is_blind and not (neighbours and all(other.is_blind for other in neighbours)):
            seeing.append(e)
    unknown = _distance_to_limit(seeing[-3:]) if seeing else math.inf
    seeing = seeing or [*estimates]
    best = NO_SLOPE
    for k, e in sorted(enumerate(seeing), key=lambda pair: pair[1].error):
        if best.error <= e.error:
            break  # an error only grows by what follows
        others = [*seeing[max(k - 1, 0) : k], *seeing[k + 1 :]]
        error = max([e.error, unknown, *[abs(other.value - e.value) - 3 * other.error for other in others]])
        if best.value is None or error < best.error:
            best = Slope(e.value, error, median([finer.noise for finer in seeing[k:]]))
    if estimates and best.error > abs(best.value) / 1000 and (limit := _find_infinite_slope(estimates)):
        return Slope(limit, 0.0, 0.0)
    return best


def _distance_to_limit(last: Sequence[Slope]) -> Number:
    """How far three slopes may still go, if each step is smaller by the same factor; 0 where they have come to rest."""
    if len(last) < 3:
        return 0.0
    (first, before), (second, after) = [(b.value - a.value, 3 * (a.error + b.error)) for a, b in pairwise(last)]
    if first * second <= 0 or abs(first) < before or abs(second) < after:
        return 0.0
    return abs(second) / (1 - second / first) if abs(second) < abs(first) else math.inf


def _find_infinite_slope(estimates: Sequence[Slope]) -> float:
    """±inf where the last slopes grow like a power of 1/width, or like its logarithm; else 0."""
    visible = [i for i, e in enumerate(estimates) if e.error < 3 * abs(e.value)]  # a jump has as large an error
    last = [estimates[i] for i in visible[-4:]]
    if len(last) < 4 or any(finer.error < abs(last[-1].value) / 10 for finer in estimates[visible[-1] + 1 :]):
        return 0.0  # or nearer to the point there is no such slope
    ratios = [b.value / a.value for a, b in pairwise(last)]
    growth = [abs(b.value) - abs(a.value) for a, b in pairwise(last)]
    is_growing = min(growth) > 0 and all(b > 0.98 * a for a, b in pairwise(growth)) and max(ratios) < 1.5 * min(ratios)
    limit = math.inf if last[0].value > 0 else -math.inf  # math.copysign takes no number with more digits
    return limit if is_growing else 0.0
