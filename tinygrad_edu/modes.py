"""Modes: what else happens when an operation is computed, a leaf is made, or gradients are taken.

A mode belongs to the block that opened it: `with no_grad(): …`. A variable of the current context (PEP 567) holds the
open modes, so threads and tasks do not disturb each other. A thread or task that is made inside a block inherits its
modes, for as long as the block is open. The engine asks `inherited_modes()` before it computes, and `open_modes()`
where there are some. This file holds the base class and `no_grad`; tracing is left to `compiler/trace.py`, the search
for anomalies to `testing/anomalies.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

Node = Any  # a Value: this file knows nothing of the engine, which is built on it
MakeNode = Callable[[Any, tuple[Node, ...]], Node]  # an operation and its inputs → the node
GradientKind = Literal["backward", "numbers", "graph"]  # backward(); grad(y, xs); grad(y, xs, create_graph=True)


class Mode:
    """What happens inside a block; a subclass overrides the methods that it needs."""

    is_open = True  # until its block ends; a closed mode is ignored, wherever it was inherited
    records: bool | None = None  # whether operations are recorded; None leaves the choice to the outer modes
    exclusive = False  # whether the outer modes are ignored while this one is open
    outer_modes: tuple["Mode", ...] = ()  # of an exclusive mode
    tracks = False  # whether results that depend on the nodes of this mode must stay nodes
    traces = False  # whether operations are written down without numbers, to be computed later

    def on_operation(self, make: MakeNode, op: Any, inputs: tuple[Node, ...]) -> Node:
        """Called when an operation is about to be computed; `make` computes it."""
        return make(op, inputs)

    def on_leaf(self, v: Node) -> None:
        """Called when a leaf has been made."""

    def on_gradients(self, y: Node, targets: Sequence[Node], kind: GradientKind) -> None:
        """Called when the gradients of y in the targets are about to be computed."""

    def is_tracked(self, v: Node) -> bool:
        """Whether v must stay a node; asked of a mode that `tracks`."""
        return False


_modes: ContextVar[tuple[Mode, ...]] = ContextVar("modes of tinygrad_edu", default=())
inherited_modes = _modes.get  # takes 20 ns; some of them may be closed already


def open_modes() -> tuple[Mode, ...]:
    """The open modes of the current context, the innermost last; an exclusive mode hides those before it."""
    modes = inherited_modes()
    for mode in modes:
        if not mode.is_open:
            return _without_closed(modes)
    return modes


def _without_closed(modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    """The open ones; a closed exclusive mode is replaced by its outer modes."""
    found: list[Mode] = []
    for mode in modes:
        found += (mode,) if mode.is_open else _without_closed(mode.outer_modes)
    return tuple(found)


def is_traced() -> bool:
    """Whether the code that runs is being traced: then no Value is to be looked at."""
    return any(mode.traces for mode in open_modes())


def is_recording() -> bool:
    """Whether operations are recorded: the innermost mode that says so decides."""
    for mode in reversed(open_modes()):
        if mode.records is not None:
            return mode.records
    return True


@contextmanager
def enter_mode(mode: Mode) -> Iterator[None]:
    """Opens a mode for a block. Blocks may end in any order, as each removes only its own mode."""
    try:
        if mode.exclusive:
            mode.outer_modes = open_modes()
            _modes.set((mode,))
        else:
            _modes.set((*open_modes(), mode))
        yield
    finally:
        mode.is_open = False
        _modes.set(open_modes())


@contextmanager
def no_grad() -> Iterator[None]:
    """Turns recording off inside a block: operations on Values give constants.

    It is a decorator of functions, too.

    Yields:
        Nothing.

    Example:
        >>> from tinygrad_edu.engine import Value
        >>> x = Value(3.0)
        >>> with no_grad():
        ...     y = x * x
        >>> y.data, y._prev
        (9.0, ())
    """
    mode = Mode()
    mode.records = False
    with enter_mode(mode):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Turns recording on inside a block, also within `no_grad()`."""
    mode = Mode()
    mode.records = True
    with enter_mode(mode):
        yield
