"""Texts of errors: what failed, at which numbers, at which line, and what to do.

The types of the errors stay Python's own; these functions only add words, and take our inner frames out of the
traceback. Where and when to check is left to the callers.
"""

import linecache
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from types import FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ARITHMETIC_ERRORS = (ValueError, ZeroDivisionError, OverflowError)
FAILURES = (*ARITHMETIC_ERRORS, FloatingPointError)  # the last one where numbers give a nan


class NodeLike(Protocol):
    """The part of a Value that a message needs."""

    data: float
    label: str


def describe(x: Any) -> str:
    """The type of an argument, and the beginning of its text where that is useful.

    >>> describe([1.0, 2.0]), describe(None)
    ("list '[1.0, 2.0]'", 'NoneType')
    """
    text = to_text(x)
    return type(x).__name__ + ("" if x is None or not text or " at 0x" in text else f" {text[:40]!r}")


def to_text(x: Any) -> str:
    """`str(x)`, or dots where that fails: for lists nested too deeply, a number of 5000 digits, a wrong `__repr__`."""
    try:
        return str(x)
    except Exception:
        return "…"


def short_repr(x: object) -> str:
    """A short `repr` on one line, whatever a file contained."""
    if not isinstance(x, (str, float, int, type(None))):
        return f"a {type(x).__name__}"
    text = repr(x)
    return text if len(text) <= 60 else f"{text[:50]}… ({len(text)} characters)"


def quote_list(names: Iterable[str]) -> str:
    """The first twelve names, quoted, for a message.

    >>> quote_list(["income", "age"])
    "'income', 'age'"
    """
    quoted = [short_repr(name) for name in names]
    return ", ".join(quoted[:12] + [f"… ({len(quoted)} in all)"] * (len(quoted) > 12))


def with_location(error: Exception, what: str, nodes: Sequence[NodeLike]) -> Exception:
    """An error of the same type that says what failed at which numbers."""
    kind = next(kind for kind in ARITHMETIC_ERRORS if isinstance(error, kind))
    problem = "is not defined"
    if kind is OverflowError:
        problem = "overflows"
    elif kind is ZeroDivisionError and what.startswith("the derivative"):
        problem = "is infinite"
    return kind(f"{what} {problem} {format_location(nodes)}")


def cause_of(error: BaseException) -> BaseException | None:
    """The error itself if a rule of the user's raised it, which has a line to show; else None, as it says no more."""
    traceback = error.__traceback__
    while traceback:
        if _owner_of_frame(traceback.tb_frame) == "user":
            return error
        traceback = traceback.tb_next
    return None


def refuse_nan(what: str, op: Any, inputs: Sequence[NodeLike], *gradients: float) -> None:
    """Raises `FloatingPointError`, unless a nan was among the numbers that went in."""
    if all(x == x for x in [*[v.data for v in inputs], *gradients, *op.parameters]):
        raise FloatingPointError(f"{what} is not a number (nan) {format_location(inputs)}")


def format_location(nodes: Sequence[NodeLike]) -> str:
    """The numbers of the nodes, and the labels of the nodes that have one; four of each at most.

    >>> from tinygrad_edu.engine import Value
    >>> format_location([Value(-1.0, label="p"), Value(0.5)])
    "at -1.0, 0.5 (node 'p')"
    """
    numbers = _join([str(v.data) for v in nodes[:5]])
    labels = _join([repr(v.label) for v in nodes if v.label])
    return f"at {numbers} (node {labels})" if labels else f"at {numbers}"


def _join(texts: Sequence[str]) -> str:
    return ", ".join([*texts[:4], "…"] if len(texts) > 4 else texts)


# ---- lines -----------------------------------------------------------------------------------------------------------
class SourceLine(NamedTuple):
    """A line of the user's code, and the function of this package that it called, as "losses.mse"; "" for none."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"

    @property
    def text(self) -> str:
        """What the line says; "" where the file cannot be read."""
        linecache.checkcache(self.file)
        return linecache.getline(self.file, self.line).strip()


def calling_line() -> SourceLine:
    """The innermost line of the user's code that is being executed."""
    here = first = sys._getframe(1)
    called = None
    while here.f_back and (owner := _owner_of_frame(here)) != "user":
        if owner == "package" and here.f_code.co_filename != __file__:  # an `api_boundary` only passes a call on
            called = here
        here = here.f_back
    if _owner_of_frame(here) != "user":
        here = first
    function = f"{called.f_globals['__name__'].partition('.')[2]}.{called.f_code.co_qualname}" if called else ""
    return SourceLine(here.f_code.co_filename, here.f_lineno, function)


_PACKAGE = str(Path(__file__).parent)
LIBRARIES = {*sys.stdlib_module_names, "numpy"}  # such as copy: they work for the line that called them


@lru_cache(maxsize=1024)
def owner_of(file: str, module: str) -> str:
    """Whose code a file is: "package" for this one, "library", or "user"."""
    if file.startswith(_PACKAGE):
        return "package"
    return "library" if module.partition(".")[0] in LIBRARIES else "user"


def _owner_of_frame(frame: FrameType) -> str:
    return owner_of(frame.f_code.co_filename, frame.f_globals.get("__name__", ""))


# ---- tracebacks ------------------------------------------------------------------------------------------------------
def api_boundary(f: Callable[P, T]) -> Callable[P, T]:
    """Makes a function whose errors show the user's line and one line of ours: the line of f itself.

    What f calls inside of this package is left out of the traceback, and what Python's own modules do for it. The
    user's functions that f calls, as `fit` calls a model, stay, each with the line of ours that it calls in turn.
    Python's development mode (`python -X dev`) shows everything.

    Args:
        f: A function that users call.

    Returns:
        The function, which has no frame of its own in a traceback.
    """

    @wraps(f)
    def function(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return f(*args, **kwargs)
        except BaseException as error:
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this frame
            hide_inner_frames(error)
            raise

    return function


def behind_boundary(f: Any) -> Any:
    """The function that an `api_boundary` was made of; anything else as it is."""
    is_boundary = isinstance(f, FunctionType) and f.__code__.co_filename == __file__
    return getattr(f, "__wrapped__", f) if is_boundary else f


def hide_inner_frames(error: BaseException) -> None:
    """Takes our frames below the one that handles the error out of its traceback; a bare `raise` then goes on."""
    if error.__traceback__:
        error.__traceback__.tb_next = _without_our_frames(error.__traceback__.tb_next)
    _shorten_cause(error)


def hide_frames(error: BaseException) -> None:
    """The same, also with the frame that handles the error: the one that called it is the last of ours."""
    error.__traceback__ = _without_our_frames(error.__traceback__)
    _shorten_cause(error)


def _shorten_cause(error: BaseException) -> None:
    if error.__cause__:
        error.__cause__.__traceback__ = _without_our_frames(error.__cause__.__traceback__)


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback from a frame of ours on: without it and the frames that it leads to, up to the next of the user's."""
    if sys.flags.dev_mode:
        return traceback
    kept: list[TracebackType] = []
    is_inside = True  # of this package
    while traceback:
        owner = _owner_of_frame(traceback.tb_frame)
        if owner == "user" or not is_inside:
            kept.append(traceback)
        is_inside = owner == "package" or (is_inside and owner == "library")
        traceback = traceback.tb_next
    following: TracebackType | None = None
    for entry in reversed(kept):
        entry.tb_next = following
        following = entry
    return following
