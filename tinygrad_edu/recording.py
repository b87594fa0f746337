"""Whether operations are recorded: `no_grad` pauses it, for the thread it is called in and for no other one."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

paused: set[int] = set()  # the threads that are inside no_grad(); empty most of the time, which is quick to see


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
    thread = get_ident()
    before = thread not in paused
    (paused.discard if wanted else paused.add)(thread)
    try:
        yield
    finally:
        (paused.discard if before else paused.add)(thread)
