"""The two kinds of numbers in which a gradient is checked: floats, and mpmath's numbers with hundreds of digits.

With many digits an interval can be so narrow that only the point itself matters, and there is no noise. Each
`Precision` has the number system for the rules, the widths of the intervals on which f is sampled, and its rounding.
What is made of the samples is left to `_differences.py`, conclusions to `check.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import get_ident
from typing import Any, NoReturn

from tinygrad_edu.rules import FLOATS, OPS, Number, NumberSystem

from ._differences import Stencil, make_stencils

RATIO = 32  # of one width to the next
LEAST_WIDTH = 2.0**-35  # relative to x: narrower intervals see too few digits
INSTALL_MPMATH = "pip install 'tinygrad-edu[test]'"


@dataclass(frozen=True)
class Precision:
    """A kind of number: its number system, the conversions from and to floats, its rounding, and its digits."""

    system: NumberSystem
    number: Callable[[float], Number]
    to_float: Callable[[Number], float]
    rounding: Number
    digits: int
    stencils: tuple[Stencil, Stencil]  # one-sided, central

    @property
    def is_exact(self) -> bool:
        """Whether the rounding is too small to matter."""
        return self.digits > 17

    @property
    def smallest(self) -> float:
        """The smallest number that has all its digits: rounding moves a smaller one as much as this one."""
        return 0.0 if self.is_exact else sys.float_info.min

    def widths(self, x: float) -> list[Number]:
        """Widths of intervals at x, from wide to narrow.

        With many digits all are tiny. Four in equal steps show whether the slopes grow on and on; at 0 there are four
        more, as beside a value that is not 0 nothing is seen on the narrowest. With floats they go from
        0.73·max(|x|, 1), as a whole number could be a period of f, down to the last digits of x: the scale of f is not
        known.
        """
        if self.is_exact:
            powers = [40, 50, 60, 70] if x else [80, 90, 100, 110, 620, 1130, 1640]
            return [self.number(abs(x) or 1.0) * self.number(10) ** -power for power in powers]
        widths = [0.73 * max(abs(x), 1.0)]
        while widths[-1] > LEAST_WIDTH * (abs(x) or 1.0) and widths[-1] > sys.float_info.min:
            narrower = widths[-1] / RATIO
            if 0 < abs(x) < narrower < LEAST_WIDTH:
                narrower = 0.73 * abs(x)  # nothing is expected between the scale of 1 and that of x
            widths.append(narrower)
        return widths if x else [*widths, 1e-70, 1e-130, 1e-190, 1e-250]  # 0 has no last digit


FLOAT_PRECISION = Precision(FLOATS, float, float, 2.0**-52, 16, make_stencils(FLOATS))


class MpmathNumbers(NumberSystem):
    """mpmath's real numbers. Outside its domain a function raises `ValueError`, as Python's math does."""

    def __init__(self, context: Any) -> None:
        self.pi = context.pi

        def real(function: Callable[..., Any], *xs: Any) -> Any:
            y = context.convert(function(*[context.convert(x) for x in xs]))
            if not isinstance(y, context.mpf) or not context.isfinite(y):
                raise ValueError("no real number")
            return y

        functions = {name: getattr(context, name, getattr(FLOATS, name)) for name, op in OPS.items() if op.is_native}
        functions["exp2"] = lambda x: context.mpf(2) ** x
        functions["log2"] = lambda x: context.log(x) / context.log(2)
        for name, function in functions.items():
            setattr(self, name, partial(real, function))


def choose_precision(numbers: Sequence[float]) -> Precision:
    """A precision with enough digits for differences at these numbers; that of floats without mpmath."""
    magnitude = max([abs(math.log10(abs(x))) for x in numbers if x and math.isfinite(x)], default=0.0)
    try:
        return _make_precision(100 * math.ceil(1.5 + magnitude / 50), get_ident())
    except ImportError:
        return FLOAT_PRECISION


@lru_cache(maxsize=16)
def _make_precision(digits: int, thread: int) -> Precision:
    """For one thread, as mpmath's functions change the precision of their context for a moment."""
    from mpmath import MPContext
    from mpmath.libmp import to_float

    context = MPContext()  # a separate one: all who import mpmath share the digits of its own context
    context.dps = digits

    def refuse(x: Any) -> NoReturn:
        raise TypeError("a rule makes a float of a number with more digits, as the functions of math do")

    def as_float(x: Any) -> Any:
        return to_float(context.convert(x)._mpf_, rnd="n")  # the nearest one

    context.mpf.__float__ = refuse  # this class belongs to this context alone
    system, rounding = MpmathNumbers(context), context.mpf(10) ** (10 - digits)
    return Precision(system, context.mpf, as_float, rounding, digits, make_stencils(system))
