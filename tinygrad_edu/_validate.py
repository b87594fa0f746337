"""Checks of arguments: real numbers, ints, sequences, functions, names in a table.

How a message describes a thing is left to `errors.py`; which arguments to check is left to the callers.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from math import inf, isfinite, nan
from numbers import Real
from typing import Any, TypeVar

from .errors import describe, short_repr, to_text

T = TypeVar("T")


def to_float(x: Any, name: str = "") -> float:
    """Converts an int, a float or a NumPy scalar to a plain float; messages call it `name`.

    >>> to_float(3)
    3.0

    Raises:
        TypeError: x is anything else. The message says what to do.
        OverflowError: x is an int beyond the range of floats.
    """
    if isinstance(x, (float, int)):
        try:
            return float(x)
        except OverflowError:
            raise OverflowError(f"{name or 'an int'} is too large for a float, which ends at about 1.8e308") from None
    if getattr(x, "shape", None) == () and hasattr(x, "item"):
        x = x.item()
        if isinstance(x, Real):
            return float(x)
    if hasattr(type(x), "__index__") and not hasattr(x, "shape"):  # an array has it, too, and raises
        return to_float(operator.index(x), name)
    must_be = f"{name} must be" if name else "expected"
    raise TypeError(f"{must_be} one real number, an int or a float, not {describe(x)}{_way_out(x)}")


def _way_out(x: Any) -> str:
    if hasattr(type(x), "backward"):
        return ": use the Value itself, or its .data"
    if isinstance(x, (str, bytes)):
        return ": convert a text with float(text)"
    if isinstance(x, Iterable):
        return ": make a Value for each number of a list or an array"
    if hasattr(x, "__float__"):
        return ": convert it with float(…)"
    return ": a function without `return` gives None" if x is None else ""


def is_number(x: Any) -> bool:
    """Whether the type of x is one that `to_float` takes."""
    return isinstance(x, (float, int)) or getattr(x, "shape", None) == ()


def length(name: str, xs: Any) -> int:
    """The number of items of a sequence; raises `TypeError` if xs has no length or no order.

    >>> length("X", [1.0, 2.0])
    2
    >>> length("X", {1.0, 2.0})
    Traceback (most recent call last):
    TypeError: X must be a list, or another sequence, not set '{1.0, 2.0}': list(…) makes one
    """
    if not hasattr(xs, "__len__") or isinstance(xs, (Mapping, Set)):
        way_out = ": list(…) makes one" if isinstance(xs, Iterable) and not isinstance(xs, Mapping) else ""
        raise TypeError(f"{name} must be a list, or another sequence, not {describe(xs)}{way_out}")
    return len(xs)


def require_names(what: str, found: Iterable[Any], expected: Iterable[str]) -> None:
    """Raises `ValueError` unless the names are the expected ones, in any order; the message lists the differences.

    >>> require_names("these are not the parameters of this Neuron", ["w", "c"], ["w", "b"])
    Traceback (most recent call last):
    ValueError: these are not the parameters of this Neuron: 1 missing ['b'], 1 unknown ['c']
    """
    names, wanted = set(found), set(expected)
    if names != wanted:
        parts = []
        for word, different in (("missing", wanted - names), ("unknown", names - wanted)):
            parts.append(f"{len(different)} {word} [{', '.join(sorted(map(short_repr, different))[:3])}]")
        raise ValueError(f"{what}: {', '.join(parts)}")


def require_function(name: str, f: Any, example: str) -> None:
    """Raises `TypeError` if f cannot be called.

    >>> require_function("f", 3.0, "lambda x: x * x")
    Traceback (most recent call last):
    TypeError: f must be a function, as in lambda x: x * x, not float '3.0'
    """
    if not callable(f):
        raise TypeError(f"{name} must be a function, as in {example}, not {describe(f)}")


def common_length(**named: Sequence[Any]) -> int:
    """The number of items of parallel sequences; raises `ValueError` if they are empty or their lengths differ.

    >>> common_length(X=[1.0, 2.0], y=["a", "b"])
    2
    >>> common_length(X=[1.0, 2.0], y=["a"])
    Traceback (most recent call last):
    ValueError: X and y must have the same length, not 2 and 1
    """
    lengths = [length(name, sequence) for name, sequence in named.items()]
    names = " and ".join(named)
    if len(set(lengths)) > 1:
        raise ValueError(f"{names} must have the same length, not {' and '.join(map(str, lengths))}")
    if not lengths[0]:
        raise ValueError(f"{names} must not be empty: at least one item is needed")
    return lengths[0]


def require_ints(least: int | None, **named: int) -> None:
    """Raises `TypeError` unless the numbers are ints, `ValueError` if one is less than `least`; None allows all ints.

    >>> require_ints(1, n=0)
    Traceback (most recent call last):
    ValueError: n must be at least 1, not 0
    """
    for name, n in named.items():
        if not hasattr(n, "__index__"):
            raise TypeError(f"{name} must be an int, not {describe(n)}")
        if least is not None and n < least:
            raise ValueError(f"{name} must be at least {least}, not {n}")


_INTERVALS: dict[str, Callable[[float], bool]] = {
    "[0, ∞]": lambda x: x >= 0.0,
    "(0, ∞]": lambda x: x > 0.0,
    "[0, ∞)": lambda x: 0.0 <= x < inf,
    "(0, ∞)": lambda x: 0.0 < x < inf,
    "(0, 1)": lambda x: 0.0 < x < 1.0,
    "[0, 1)": lambda x: 0.0 <= x < 1.0,
    "(0, 1]": lambda x: 0.0 < x <= 1.0,
}


def to_float_within(interval: str, x: Any, name: str) -> float:
    """Converts x to a plain float; raises `ValueError` unless it lies in the interval, one of those above.

    >>> to_float_within("[0, 1)", 1, "momentum")
    Traceback (most recent call last):
    ValueError: momentum must lie in [0, 1), not be 1.0
    """
    number = to_float(x, name)
    if not _INTERVALS[interval](number):
        raise ValueError(f"{name} must lie in {interval}, not be {number}")
    return number


def require_finite(name: str, x: object) -> float:
    """Converts a number from a file to a plain float; raises `ValueError` if it is anything but a finite number.

    >>> require_finite("the mean", "3")
    Traceback (most recent call last):
    ValueError: the mean must be a finite number, not '3'
    """
    try:
        number = nan if isinstance(x, bool) else to_float(x)
    except (TypeError, OverflowError):
        number = nan
    if not isfinite(number):
        raise ValueError(f"{name} must be a finite number, not {short_repr(x)}")
    return number


def require_random(rng: Any, method: str) -> None:
    """Raises `TypeError` unless rng has the method that will be called, as sources of random numbers have.

    >>> require_random(0, "uniform")
    Traceback (most recent call last):
    TypeError: rng must be a source of random numbers, as random.Random(0), not int '0'
    """
    if not hasattr(rng, method):
        raise TypeError(f"rng must be a source of random numbers, as random.Random(0), not {describe(rng)}")


def look_up(what: str, name: Any, table: Mapping[str, T], otherwise: str = "") -> T:
    """The entry of that name in a table; raises `ValueError`, with all the names, if there is none.

    >>> look_up("loss", "MSE", {"sse": 1, "mse": 2})
    Traceback (most recent call last):
    ValueError: there is no loss 'MSE': choose from sse, mse
    """
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"there is no {what} {short_repr(to_text(name))}: choose from {', '.join(table)}{otherwise}")
    return table[name]
