"""Modes: what else happens when an operation is computed, a leaf is made, or gradients are taken.

A mode belongs to the block that opened it: `with no_grad(): …`. The blocks that are open stand in a variable of the
current context (PEP 567), so threads and tasks do not disturb each other; one that is made inside a block inherits it,
for as long as the block is open. The engine asks `inherited()` before it computes, and `open_modes()` where that is not
empty. Here are the base class and `no_grad`; tracing stands in `compiler/trace.py`, anomalies in `testing/`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

Node = Any  # a Value: this file knows nothing of the engine
Make = Callable[[Any, tuple[Node, ...]], Node]  # an operation and its inputs → the node
Way = Literal["backward", "numbers", "graph"]  # backward(); grad(y, xs); grad(y, xs, create_graph=True)


class Mode:
    """What happens inside a block; a subclass says so in the methods that it has a use for."""

    is_open = True  # until its block ends; then it is ignored, wherever it was inherited
    records: bool | None = None  # whether operations are recorded; None leaves that to the block around
    alone = False  # whether the modes around it are not asked while it is open
    around: tuple["Mode", ...] = ()  # these, if so
    follows = False  # whether results that depend on its nodes must not become plain numbers

    def operation(self, make: Make, op: Any, inputs: tuple[Node, ...]) -> Node:
        """An operation is about to be computed: `make` does it."""
        return make(op, inputs)

    def leaf(self, v: Node) -> None:
        """A leaf has been made."""

    def gradients(self, y: Node, targets: Sequence[Node], way: Way) -> None:
        """The gradients of y in the targets are about to be taken."""

    def depends(self, v: Node) -> bool:
        """Whether v has to stay a node; asked where the mode `follows` what becomes of the nodes that it is told of."""
        return False


_modes: ContextVar[tuple[Mode, ...]] = ContextVar("modes of tinygrad_edu", default=())
inherited = _modes.get  # takes 20 ns; some of them may be closed already


def open_modes() -> tuple[Mode, ...]:
    """The modes of the current context, the innermost last; an `alone` one is the first."""
    modes = inherited()
    for mode in modes:
        if not mode.is_open:
            return _without_closed(modes)
    return modes


def _without_closed(modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    """Those that are open yet; in the place of one that was alone, those around it."""
    found: list[Mode] = []
    for mode in modes:
        found += (mode,) if mode.is_open else _without_closed(mode.around)
    return tuple(found)


def records() -> bool:
    """Whether operations are recorded. The innermost block that has a say decides."""
    for mode in reversed(open_modes()):
        if mode.records is not None:
            return mode.records
    return True


@contextmanager
def opened(mode: Mode) -> Iterator[None]:
    """Opens a block; it ends in whatever order blocks are left, as each takes out only itself."""
    try:
        if mode.alone:
            mode.around = open_modes()
            _modes.set((mode,))
        else:
            _modes.set((*open_modes(), mode))
        yield
    finally:
        mode.is_open = False
        _modes.set(open_modes())


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations on Values compute but record nothing: they give constants.

    Serves as a decorator of functions too.

    >>> from tinygrad_edu.engine import Value
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y._prev
    (9.0, ())
    """
    mode = Mode()
    mode.records = False
    with opened(mode):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Inside, operations are recorded, also within `no_grad()`."""
    mode = Mode()
    mode.records = True
    with opened(mode):
        yield
