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
    """An estimated derivative: the true one is `value` ± `error`; it is infinite where the slopes grow on and on.

    `noise` is the part of each value of f that no polynomial explains: the noise of a coefficient is half of that.
    """

    value: Number
    error: Number
    noise: Number


class Estimate(NamedTuple):
    """What one polynomial says: the slope, its error, the size of the last coefficients, and its interval."""

    value: Number
    error: Number
    residual: Number
    is_blind: bool  # whether the polynomial explains nothing of what f does here, and that is more than rounding
    width: Number


@dataclass(frozen=True)
class Stencil:
    """Where to sample f around 0, for a width of 1, and the weights of the values in the slope and in the tail.

    `spread` is how far the slope is off if each coefficient is off by 1.
    """

    nodes: tuple[Number, ...]
    slope: tuple[Number, ...]
    tail: tuple[tuple[Number, ...], ...]
    spread: int


def make_stencils(m: NumberSystem) -> tuple[Stencil, Stencil, Stencil]:
    """The stencils to the left of 0, to the right, and around it, in numbers of that system.

    Formulas, for n = DEGREE, points xⱼ = cos(πj/n) and values vⱼ: p = Σ cₖ·Tₖ, where cₖ = 2/n Σⱼ vⱼ·cos(πjk/n), and the
    terms with j or k of 0 or n count half. Tₖ′(1) is k²; Tₖ′(0) is k·sin(πk/2).
    """
    n = DEGREE

    def cosine(i: int) -> Number:
        """cos(πi/n), as a sine: so it is exact where it is 0, 1 or −1."""
        i = abs(i % (2 * n) - n)  # cos(πi/n) = −cos(π(i ± n)/n)
        return -m.sin(m.pi * (n - 2 * i) / (2 * n))

    def half(i: int) -> int:
        return 2 if i in (0, n) else 1

    rows = [[cosine(j * k) * 2 / (n * half(j) * half(k)) for j in range(n + 1)] for k in range(n + 1)]
    tail = tuple([tuple(row) for row in rows[-TAIL:]])

    def stencil(nodes: list[Number], slopes: list[int]) -> Stencil:
        weights = [sum(s * row[j] for s, row in zip(slopes, rows)) for j in range(n + 1)]
        return Stencil(tuple(nodes), tuple(weights), tail, sum(map(abs, slopes)))

    xs = [cosine(j) for j in range(n + 1)]
    left, right = (
        stencil([side * (1 - x) / 2 for x in xs], [-2 * side * k * k for k in range(n + 1)]) for side in (-1, 1)
    )
    return left, right, stencil(xs, [(0, k, 0, -k)[k % 4] for k in range(n + 1)])


def restrict_to_line(
    f: Callable[[list[Number]], Number], point: Sequence[Number], direction: dict[int, float]
) -> LineFunction:
    """The function t → f(point + t·direction). A coordinate that `direction` does not name stays as it is."""
    return lambda t: f([x + t * direction[i] if i in direction else x for i, x in enumerate(point)])


def value_at(f: LineFunction, t: Number) -> Number:
    """f(t); None outside the domain, and where f(t) is not a finite number."""
    try:
        y = f(t)
        return y if -math.inf < y < math.inf else None
    except (TypeError, *FAILURES):  # a complex number is a TypeError
        return None


def estimate_slopes(
    f: LineFunction, y: Number, widths: Sequence[Number], stencil: Stencil, noise: Number, rounding: Number
) -> Iterator[Estimate]:
    """The slopes of f at 0, where its value is y, by polynomials on narrower and narrower intervals.

    `noise` is the least error of one value of f, `rounding` the least relative one. Where a few intervals miss about
    the same small part of f, this is noise, which a narrower one can have no less of. An interval where a value is
    missing or overflows is left out.
    """
    before: Number | None = None
    steady: list[Number] = []
    for width in widths:
        values: list[Number] = [value_at(f, node * width) if node else y for node in stencil.nodes]
        if None in values:
            continue
        largest, changes = max(map(abs, values)), [value - y for value in values]
        tail = [abs(sum(map(_product, weights, changes))) for weights in stencil.tail]
        residual = max(noise, rounding * largest / 2, *tail)
        value, error = sum(map(_product, stencil.slope, changes)) / width, residual * stencil.spread / width
        if not (-math.inf < value < math.inf and error < math.inf):
            continue
        is_blind = max(tail) > max(SMALL * abs(y), max(map(abs, changes)) / RESOLVED)
        e = Estimate(value, error, residual, is_blind, width)
        is_steady = before is not None and before < 8 * residual and residual < min(8 * before, SMALL * abs(y))
        steady = [*steady, residual] if is_steady else []
        if len(steady) >= STEADY:
            noise = max(noise, min(steady))
        before = residual
        yield e


def _product(a: Number, b: Number) -> Number:
    return a * b


def choose_slope(estimates: Sequence[Estimate]) -> Slope | None:
    """The slope on which the estimates agree best; they come from the widest interval to the narrowest.

    A wide interval may jump over what f does nearby: so where a narrower one contradicts it by more than its own error
    explains, that distance is the error. So it is with the next wider one: the slopes may not be at their end yet, and
    where they go on in one direction, they may go as far as a geometric series. A polynomial that explains nothing of
    what f does is no witness. Where none explains anything, f is too fast or too noisy, and the error is infinite.

    >>> from tinygrad_edu.rules import FLOATS
    >>> left, right, central = make_stencils(FLOATS)
    >>> widths = [32.0**-k for k in range(9)]
    >>> sides = [choose_slope([*estimate_slopes(abs, 0.0, widths, side, 0.0, 2e-16)]) for side in (left, right)]
    >>> [round(slope.value, 12) for slope in sides]
    [-1.0, 1.0]
    """
    seeing = [e for e in estimates if not e.is_blind]
    unknown = _distance_to_limit(seeing[-3:]) if seeing else math.inf
    if not seeing:
        seeing = [*estimates]
    best: Slope | None = None
    for k, e in sorted(enumerate(seeing), key=lambda pair: pair[1].error):
        if best is not None and best.error <= e.error:
            break  # an error only grows by what follows
        others = [*seeing[max(k - 1, 0) : k], *seeing[k + 1 :]]
        error = max([e.error, unknown, *[abs(other.value - e.value) - 3 * other.error for other in others]])
        if best is None or error < best.error:
            best = Slope(e.value, error, 2 * median([finer.residual for finer in seeing[k:]]))
    if best and best.error > abs(best.value) / 1000 and (limit := _find_infinite_slope(estimates)):
        return Slope(limit, 0.0, 0.0)
    return best


def _distance_to_limit(last: Sequence[Estimate]) -> Number:
    """How far three slopes may still go, if each step is smaller by the same factor; 0 where they have come to rest."""
    if len(last) < 3:
        return 0.0
    (first, before), (second, after) = [(b.value - a.value, 3 * (a.error + b.error)) for a, b in pairwise(last)]
    if first * second <= 0 or abs(first) < before or abs(second) < after:
        return 0.0
    return abs(second) / (1 - second / first) if abs(second) < abs(first) else math.inf


def _find_infinite_slope(estimates: Sequence[Estimate]) -> float:
    """±inf where the last slopes grow like a power of 1/width, or like its logarithm; else 0."""
    visible = [i for i, e in enumerate(estimates) if e.error < 3 * abs(e.value)]  # a jump has as large an error
    last = [estimates[i] for i in visible[-4:]]
    if len(last) < 4 or len({e.value > 0 for e in last}) > 1:
        return 0.0
    if any(finer.error < abs(last[-1].value) / 10 for finer in estimates[visible[-1] + 1 :]):
        return 0.0  # nearer to the point there is no such slope
    ratios = [b.value / a.value for a, b in pairwise(last)]
    growth = [abs(b.value) - abs(a.value) for a, b in pairwise(last)]
    is_growing = min(growth) > 0 and all(b > 0.98 * a for a, b in pairwise(growth)) and max(ratios) < 1.5 * min(ratios)
    return math.copysign(math.inf, last[0].value) if is_growing else 0.0
