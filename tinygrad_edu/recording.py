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
    thread = get_ident()
    outermost = thread not in paused
    paused.add(thread)
    try:
        yield
    finally:
        if outermost:
            paused.discard(thread)
