"""The two kinds of numbers in which a gradient is checked: floats, and mpmath's with hundreds of digits.

Each `Arithmetic` brings the mathematics that the rules run on, the steps that suit it, and its rounding. With many
digits a step can be so small that nothing but the point itself is seen, and noise is gone. What is differenced is left
to `_differences.py`, what follows from it to `check.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import get_ident
from typing import Any, NoReturn

from tinygrad_edu.rules import FLOATS, Floats, Mathematics, Number

from ._differences import RATIO, geometric

HINT = "pip install 'tinygrad-edu[test]'"


@dataclass(frozen=True)
class Arithmetic:
    """A kind of number: its mathematics, how a float becomes one, how it becomes a float again, and its rounding."""

    mathematics: Mathematics
    number: Callable[[float], Number]
    to_float: Callable[[Number], float]
    rounding: Number
    digits: int

    @property
    def exact(self) -> bool:
        """Whether its rounding is too small to matter."""
        return self.digits > 17

    def steps(self, x: float) -> list[Number]:
        """Steps for differences at x: for floats from far to near, as the scale of f is not known; else tiny ones."""
        if not self.exact:
            return self.wide_steps(x)
        near = self.number(abs(x)) * self.number(10) ** -40 if x else self.number(10) ** -80
        return [near / self.number(RATIO) ** k for k in range(6)]

    def wide_steps(self, x: float) -> list[Number]:
        """Steps from max(|x|, 1) down to the last digits of x; 0.73 of it, as a whole one could be a period of f."""
        last = self.number(2) ** (-64 if self.exact else -48)
        last = last * self.number(abs(x) or 1.0) or sys.float_info.min  # of tiny floats the last digits are 0
        return geometric(self.number(0.73 * max(abs(x), 1.0)), last)


IN_FLOATS = Arithmetic(FLOATS, float, float, 2.0**-52, 16)


class Digits(Mathematics):
    """mpmath's real numbers. Outside its domain a function raises `ValueError`, as Python's do, and is not complex."""

    def __init__(self, context: Any) -> None:
        self.pi = context.pi
        self._context = context

        def real(function: Callable[..., Any], *xs: Any) -> Any:
            y = function(*[context.convert(x) for x in xs])
            if not isinstance(y, context.mpf) or not context.isfinite(y):
                raise ValueError("no real number")
            return y

        names = [name for name in vars(Floats) if hasattr(context, name)]
        functions = {name: getattr(context, name) for name in names}
        functions |= {
            "abs": abs,
            "maximum": max,
            "minimum": min,
            "step": lambda x: context.mpf(x > 0),
            "where": lambda c, a, b: a if c != 0 else b,
            "exp2": lambda x: context.mpf(2) ** x,
            "log2": lambda x: context.log(x) / context.log(2),
            "pow": lambda a, b: a**b,
        }
        for name, function in functions.items():
            if not name.startswith("_"):
                setattr(self, name, partial(real, function))


def many_digits(numbers: Sequence[float]) -> Arithmetic | None:
    """An arithmetic with digits enough for differences at these numbers; None where mpmath is not installed."""
    magnitude = max([abs(math.log10(abs(x))) for x in numbers if x and math.isfinite(x)], default=0.0)
    try:
        return _with_digits(100 * math.ceil(1.5 + magnitude / 50), get_ident())
    except ImportError:
        return None


@lru_cache(maxsize=16)
def _with_digits(digits: int, thread: int) -> Arithmetic:
    """For one thread, as mpmath's functions change the precision of their context for a moment."""
    from mpmath import MPContext
    from mpmath.libmp import to_float

    context = MPContext()  # of its own, as the digits of mpmath's are shared by all who import it
    context.dps = digits

    def refuse(x: Any) -> NoReturn:
        raise TypeError("a rule makes a float of a number with more digits, as the functions of math do")

    def as_float(x: Any) -> float:
        number: float = to_float(context.convert(x)._mpf_)
        return number

    context.mpf.__float__ = refuse  # the class is this context's own
    return Arithmetic(Digits(context), context.mpf, as_float, context.mpf(10) ** (10 - digits), digits)
