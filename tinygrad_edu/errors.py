"""What is said when something fails: what it is, at which number, at which line, and the way out.

Python's own error types are kept; only the words are added. Where and when to check is left to those who call.
"""

import linecache
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

ARITHMETIC_ERRORS = (ValueError, ZeroDivisionError, OverflowError)
FAILURES = (*ARITHMETIC_ERRORS, FloatingPointError)  # and a nan that is born of other numbers


class Node(Protocol):
    """The part of a Value that a message needs."""

    data: float
    label: str


def described(x: Any) -> str:
    """What an argument is, for a message: its type, and the beginning of its text where that tells something.

    >>> described([1.0, 2.0]), described(None)
    ("list '[1.0, 2.0]'", 'NoneType')
    """
    text = text_of(x)
    return type(x).__name__ + ("" if x is None or not text or " at 0x" in text else f" {text[:40]!r}")


def text_of(x: Any) -> str:
    """`str(x)`, or dots where there is none: of lists in lists in lists, of a number of 5000 digits."""
    try:
        return str(x)
    except (RecursionError, ValueError):
        return "…"


def shown(x: object) -> str:
    """One short line for a message, whatever a file contained."""
    if not isinstance(x, (str, float, int, type(None))):
        return f"a {type(x).__name__}"
    text = repr(x)
    return text if len(text) <= 60 else f"{text[:50]}… ({len(text)} characters)"


def located(error: Exception, what: str, nodes: Sequence[Node]) -> Exception:
    """The same kind of error, saying what failed at which numbers."""
    kind = next(kind for kind in ARITHMETIC_ERRORS if isinstance(error, kind))
    problem = "is not defined"
    if kind is OverflowError:
        problem = "overflows"
    elif kind is ZeroDivisionError and what.startswith("the derivative"):
        problem = "is infinite"
    return kind(f"{what} {problem} {at(nodes)}")


def refuse_nan(what: str, op: Any, inputs: Sequence[Node], *gradients: float) -> None:
    """A nan that was put in goes through; one that is born of other numbers is a `FloatingPointError`."""
    if all(x == x for x in [*[v.data for v in inputs], *gradients, *op.parameters]):
        raise FloatingPointError(f"{what} is not a number (nan) {at(inputs)}")


def at(nodes: Sequence[Node]) -> str:
    """Where: the numbers of the nodes, and the names of those that have one.

    >>> from tinygrad_edu.engine import Value
    >>> at([Value(-1.0, label="p"), Value(0.5)])
    "at -1.0, 0.5 (node 'p')"
    """
    return f"at {_numbers(n.data for n in nodes)}{_names(nodes)}"


def _numbers(numbers: Iterable[float]) -> str:
    shown = [str(x) for x in islice(numbers, 5)]
    return ", ".join(shown[:4] + ["…"] * (len(shown) > 4))


def _names(nodes: Sequence[Node]) -> str:
    labels = [repr(n.label) for n in nodes if n.label]
    return f" (node {', '.join(labels[:4])}{', …' if len(labels) > 4 else ''})" if labels else ""


# ---- lines -----------------------------------------------------------------------------------------------------------
class Place(NamedTuple):
    """A line of the user's, and the function of this package that it has called, as "losses.mse"; "" for none."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"

    @property
    def source(self) -> str:
        """The text of the line, "" where it cannot be had."""
        linecache.checkcache(self.file)
        return linecache.getline(self.file, self.line).strip()


def place() -> Place:
    """The line that is being executed, outside of this package and of the libraries that it works with."""
    here = first = sys._getframe(1)
    called = None
    while here.f_back and (owner := whose(here.f_code.co_filename, here.f_globals.get("__name__", ""))) != "user":
        if owner == "package":
            called = here
        here = here.f_back
    if whose(here.f_code.co_filename, here.f_globals.get("__name__", "")) != "user":
        here = first
    function = f"{called.f_globals['__name__'].partition('.')[2]}.{called.f_code.co_qualname}" if called else ""
    return Place(here.f_code.co_filename, here.f_lineno, function)


_PACKAGE = str(Path(__file__).parent)
LIBRARIES = {*sys.stdlib_module_names, "numpy"}  # such as copy: what they do is done for the line that called them


@lru_cache(maxsize=1024)
def whose(file: str, module: str) -> str:
    """Of whom code is: of this "package", of a "library", which works for the line that called it, or the "user"."""
    if file.startswith(_PACKAGE):
        return "package"
    return "library" if module.partition(".")[0] in LIBRARIES else "user"
