"""Whether operations are recorded: `no_grad` pauses it, for the thread it is called in and for no other one."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident, local

paused: set[int] = set()  # the threads that are inside no_grad(); empty most of the time, which is quick to see


class _Here(local):
    """The blocks that a thread is inside of: whether each records, and what tells it from others like it."""

    def __init__(self) -> None:
        self.blocks: list[tuple[bool, object]] = []


_here = _Here()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, operations on Values compute but record nothing: they give constants. Serves as a decorator too.

    >>> from tinygrad_edu.engine import Value
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y._prev
    (9.0, ())
    """
    with _recording(False):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Inside, operations are recorded, also within `no_grad()`."""
    with _recording(True):
        yield


@contextmanager
def _recording(wanted: bool) -> Iterator[None]:
    """The innermost block decides. After Ctrl-C an inner one can end later than that around it: no order is assumed."""
    thread, blocks, block = get_ident(), _here.blocks, (wanted, object())
    try:
        blocks.append(block)
        (paused.discard if wanted else paused.add)(thread)
        yield
    finally:
        try:
            blocks.remove(block)
        finally:
            (paused.add if blocks and not blocks[-1][0] else paused.discard)(thread)
