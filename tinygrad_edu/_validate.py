"""Checks of arguments: one real number, a sequence, a function, the names that are expected.

What a message says of a thing stands in `errors.py`; which arguments to check is left to those who call.
"""

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Real
from typing import Any

from .errors import described, shown


def to_float(x: Any, name: str = "") -> float:
    """The plain float of an int, a float or a NumPy scalar; `name` is what a message calls it.

    >>> to_float(3)
    3.0

    Raises `TypeError` for anything else, and names its type and what to do instead; `OverflowError` for too large ints.
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
    if hasattr(type(x), "__index__") and not hasattr(x, "shape"):  # an array of several numbers has one, and raises
        return to_float(operator.index(x), name)
    must_be = f"{name} must be" if name else "expected"
    raise TypeError(f"{must_be} one real number, an int or a float, not {described(x)}{_way_out(x)}")


def _way_out(x: Any) -> str:
    if hasattr(type(x), "backward"):
        return ": use the Value itself, or its .data"
    if isinstance(x, (str, bytes)):
        return ": convert a text with float(text)"
    if isinstance(x, Iterable):
        return ": of a list or an array, make a Value for each number"
    if hasattr(x, "__float__"):
        return ": float(…) makes one of it"
    return ": it is what a function without `return` gives" if x is None else ""


def is_number(x: Any) -> bool:
    """Whether `to_float` takes it, as far as its type tells."""
    return isinstance(x, (float, int)) or getattr(x, "shape", None) == ()


def length(name: str, xs: Any) -> int:
    """How many items a sequence has; `TypeError` for what has no length, or no order.

    >>> length("X", [1.0, 2.0])
    2
    >>> length("X", {1.0, 2.0})
    Traceback (most recent call last):
    TypeError: X must be a list, or another sequence, not set '{1.0, 2.0}': list(…) makes one
    """
    if not hasattr(xs, "__len__") or isinstance(xs, (Mapping, Set)):
        way_out = ": list(…) makes one" if isinstance(xs, Iterable) and not isinstance(xs, Mapping) else ""
        raise TypeError(f"{name} must be a list, or another sequence, not {described(xs)}{way_out}")
    return len(xs)


def require_names(what: str, found: Iterable[Any], expected: Iterable[str]) -> None:
    """Raises `ValueError` unless the names are the expected ones, in any order; it names some of those that are not.

    >>> require_names("these are not the parameters of this Neuron", ["w", "c"], ["w", "b"])
    Traceback (most recent call last):
    ValueError: these are not the parameters of this Neuron: 1 missing ['b'], 1 unknown ['c']
    """
    there, wanted = set(found), set(expected)
    if there != wanted:
        parts = []
        for word, names in (("missing", wanted - there), ("unknown", there - wanted)):
            parts.append(f"{len(names)} {word} [{', '.join(sorted(map(shown, names))[:3])}]")
        raise ValueError(f"{what}: {', '.join(parts)}")


def require_function(name: str, f: Any, example: str) -> None:
    """Raises `TypeError` for what cannot be called.

    >>> require_function("f", 3.0, "lambda x: x * x")
    Traceback (most recent call last):
    TypeError: f must be a function, as in lambda x: x * x, not float '3.0'
    """
    if not callable(f):
        raise TypeError(f"{name} must be a function, as in {example}, not {described(f)}")


def common_length(*sequences: Sequence[Any]) -> int:
    """How many items parallel sequences have; `ValueError` for none, for empty ones, and for lengths that differ.

    >>> common_length([1.0, 2.0], ["a", "b"])
    2
    """
    lengths = [length("a sequence of items", sequence) for sequence in sequences]
    if not lengths:
        raise ValueError("there is no sequence, as X and y in split(X, y)")
    if len(set(lengths)) != 1:
        raise ValueError(f"the sequences must be equally long, not of lengths {', '.join(map(str, lengths))}")
    if not lengths[0]:
        raise ValueError("there is nothing in them: the sequences are empty")
    return lengths[0]


def require_counts(least: int, **named: int) -> None:
    """Raises `TypeError` for what is no int, and `ValueError` for one that is less than `least`.

    >>> require_counts(1, n=0)
    Traceback (most recent call last):
    ValueError: n must be at least 1, not 0
    """
    for name, n in named.items():
        if not hasattr(n, "__index__"):
            raise TypeError(f"{name} must be an int, not {described(n)}")
        if n < least:
            raise ValueError(f"{name} must be at least {least}, not {n}")
