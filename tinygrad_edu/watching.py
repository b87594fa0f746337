"""Watching: who makes, reads, changes and differentiates Values, for those who ask, and without the engine's help.

While somebody watches, the slots `data`, `grad` and `_second` of `Value` are covered by properties, and `backward` and
`gradients.sweep` by functions that report; nobody pays when nobody watches. A watch is told of what its own thread
does, and of nothing else. What to make of it is left to the watches: recording, in `compiler/recorder.py`, refuses to
be looked at; `testing/anomalies.py` remembers the line of each node.
"""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial, wraps
from pathlib import Path
from threading import Lock, get_ident
from types import FrameType
from typing import Any, NamedTuple

from . import engine, gradients
from .engine import Value
from .rules import Mathematics, Number


class Watch:
    """What a watch is told; it says here what it has a use for. `frame` is that of whoever does it."""

    def made(self, v: Value, frame: FrameType) -> None:
        """A Value is complete. One that `no_grad()` makes a constant comes twice: first as a node with its inputs."""

    def reads(self, v: Value, frame: FrameType) -> None:
        """`.data` is about to be read."""

    def writes(self, v: Value, number: Any, frame: FrameType) -> None:
        """`.data` of a Value that is complete is about to be changed."""

    def reads_grad(self, v: Value, frame: FrameType) -> None:
        """`.grad` is about to be read."""

    def writes_grad(self, v: Value, gradient: Any, frame: FrameType) -> None:
        """`.grad` is about to be changed."""

    def backward(self, root: Value, run: Callable[[], None], frame: FrameType) -> None:
        """`root.backward()` is called, and `run` does it."""
        run()

    def sweep(
        self, y: Value, targets: Sequence[Value], run: Callable[[], list[Number]], frame: FrameType
    ) -> list[Number]:
        """`gradients.sweep` is called, by `grad` and what is built on it, and `run` does it."""
        return run()


class Noted:
    """A number that a watch has put into the slot of a Value, to keep with it what it knows of the Value.

    It goes when the Value goes. Nobody else ever sees it: `.data` gives the number.
    """

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number


sweep = gradients.sweep  # as it is, and no watch is told
_DATA, _GRAD, _SECOND, _BACKWARD = [vars(Value)[name] for name in ("data", "grad", "_second", "backward")]
BACKWARD, SWEEP = Value._backward.__code__, sweep.__code__  # the code that goes back through a node
_lock = Lock()
_watches: dict[int, tuple[Watch, ...]] = {}  # those of each thread


def watches() -> tuple[Watch, ...]:
    """Those of this thread, in the order in which they began."""
    return _watches.get(get_ident(), ())


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """The watch is told of what this thread does to Values; several may watch at a time."""
    thread = get_ident()
    try:
        with _lock:
            _watches[thread] = (*watches(), watch)
            for owner, name, _, cover in _COVERS:
                setattr(owner, name, cover)
        yield
    finally:
        with _lock:
            _watches[thread] = tuple([other for other in _watches.get(thread, ()) if other is not watch])
            if not _watches[thread]:
                del _watches[thread]
            if not _watches:
                for owner, name, original, _ in _COVERS:
                    setattr(owner, name, original)


# ---- the slots, as they are ------------------------------------------------------------------------------------------
def number(v: Value) -> Any:
    """`v.data`, and no watch is told."""
    content = _DATA.__get__(v)
    return content.number if isinstance(content, Noted) else content


def noted(v: Value) -> Noted | None:
    """What a watch has put there, if any has."""
    try:
        content = _DATA.__get__(v)
    except AttributeError:  # a Value that was refused when it was made, and is kept by the traceback of the error
        return None
    return content if isinstance(content, Noted) else None


def note(v: Value, content: Any) -> None:
    """Puts there a number, or a number with what is to be known of v."""
    _DATA.__set__(v, content)


# ---- what covers them ------------------------------------------------------------------------------------------------
def _read(v: Value) -> Any:
    for watch in _watches.get(get_ident(), ()):
        watch.reads(v, sys._getframe(1))
    content = _DATA.__get__(v)
    return content.number if isinstance(content, Noted) else content


def _write(v: Value, x: Any) -> None:
    frame = sys._getframe(1)
    if frame.f_globals is vars(engine):  # which writes it once, when it makes the Value
        _DATA.__set__(v, x)
        return
    for watch in _watches.get(get_ident(), ()):
        watch.writes(v, x, frame)
    content = noted(v)
    if content:
        content.number = x
    else:
        _DATA.__set__(v, x)


def _read_grad(v: Value) -> Any:
    for watch in _watches.get(get_ident(), ()):
        watch.reads_grad(v, sys._getframe(1))
    return _GRAD.__get__(v)


def _write_grad(v: Value, x: Any) -> None:
    for watch in _watches.get(get_ident(), ()):
        watch.writes_grad(v, x, sys._getframe(1))
    _GRAD.__set__(v, x)


def _complete(v: Value, second: Any) -> None:
    """The engine sets the second input last."""
    _SECOND.__set__(v, second)
    for watch in _watches.get(get_ident(), ()):
        watch.made(v, sys._getframe(1))


@wraps(_BACKWARD)
def _backward(root: Value) -> None:
    frame, run = sys._getframe(1), partial(_BACKWARD, root)
    for watch in watches():
        run = partial(watch.backward, root, run, frame)
    run()


@wraps(sweep)
def _sweep(y: Value, targets: Sequence[Value], m: Mathematics, read: Callable[[Value], Number]) -> list[Number]:
    run: Callable[[], list[Number]] = partial(sweep, y, targets, m, read)
    frame = sys._getframe(1)
    for watch in watches():
        run = partial(watch.sweep, y, targets, run, frame)
    return run()


_COVERS: list[tuple[Any, str, Any, Any]] = [  # where, the name, the original and what covers it
    (Value, "data", _DATA, property(_read, _write)),
    (Value, "grad", _GRAD, property(_read_grad, _write_grad)),
    (Value, "_second", _SECOND, property(_SECOND.__get__, _complete)),
    (Value, "backward", _BACKWARD, _backward),
    (gradients, "sweep", sweep, _sweep),
]


# ---- lines -----------------------------------------------------------------------------------------------------------
_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = {*sys.stdlib_module_names, "numpy"}  # such as copy: what they do is done for the line that called them


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


def place(frame: FrameType) -> Place:
    """The user's line that a frame of this package works for."""
    here: FrameType | None = frame
    called = None
    while here and (whose := _whose(here.f_code.co_filename, here.f_globals.get("__name__", ""))) != "user":
        if whose == "package":
            called = here
        here = here.f_back
    here = here or frame
    function = f"{called.f_globals['__name__'].partition('.')[2]}.{called.f_code.co_qualname}" if called else ""
    return Place(here.f_code.co_filename, here.f_lineno, function)


@lru_cache(maxsize=1024)
def _whose(file: str, module: str) -> str:
    if file.startswith(_PACKAGE):
        return "package"
    return "library" if module.partition(".")[0] in _LIBRARIES else "user"
