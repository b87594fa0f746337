"""What the engine says when arithmetic fails: which operation, at which numbers, at which node, and the way out.

Python's own error types are kept; only the words are added. Where and when to check is left to `engine.py`.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from numbers import Real
from typing import Any, Protocol

ARITHMETIC_ERRORS = (ValueError, ZeroDivisionError, OverflowError)
FAILURES = (*ARITHMETIC_ERRORS, FloatingPointError)  # and a nan that is born of other numbers


class Node(Protocol):
    """The part of a Value that a message needs."""

    data: float
    label: str


def to_float(x: Any) -> float:
    """The plain float of an int, a float or a NumPy scalar.

    >>> to_float(3)
    3.0

    Raises `TypeError` for anything else, and names its type and what to do instead.
    """
    if isinstance(x, (float, int)):
        return float(x)
    if getattr(x, "shape", None) == () and hasattr(x, "item"):
        x = x.item()
        if isinstance(x, Real):
            return float(x)
    way_out = "use the Value itself, or its .data" if hasattr(x, "data") and hasattr(x, "grad") else _WAYS_OUT
    raise TypeError(f"expected one real number, an int or a float, not {type(x).__name__} {str(x)[:40]!r}: {way_out}")


_WAYS_OUT = "convert a text with float(text); of a list or an array, make a Value for each number"


def is_number(x: Any) -> bool:
    """Whether `to_float` takes it, as far as its type tells."""
    return isinstance(x, (float, int)) or getattr(x, "shape", None) == ()


def located(error: Exception, what: str, nodes: Sequence[Node]) -> Exception:
    """The same kind of error, saying what failed at which numbers."""
    kind = next(kind for kind in ARITHMETIC_ERRORS if isinstance(error, kind))
    problem = "is not defined"
    if kind is OverflowError:
        problem = "overflows"
    elif kind is ZeroDivisionError and what.startswith("the derivative"):
        problem = "is infinite"
    return kind(f"{what} {problem} at {_numbers(n.data for n in nodes)}{_names(nodes)}")


def refuse_nan(what: str, node: Any, *gradients: Any) -> None:
    """A nan that was put in goes through; one that is born at a node, of other numbers, is a `FloatingPointError`."""
    numbers = [x.data for x in node._prev]
    if all(x == x for x in [*numbers, *gradients, *node._rule.parameters]):
        raise FloatingPointError(f"{what} is not a number (nan) at {_numbers(numbers)}{_names(node._prev)}")


def _numbers(numbers: Iterable[float]) -> str:
    shown = [str(x) for x in islice(numbers, 5)]
    return ", ".join(shown[:4] + ["…"] * (len(shown) > 4))


def _names(nodes: Sequence[Node]) -> str:
    labels = [repr(n.label) for n in nodes if n.label]
    return f" (node {', '.join(labels[:4])}{', …' if len(labels) > 4 else ''})" if labels else ""
