"""Runs a student's function so that it harms nothing: for a limited time, and with the state of `random` as it was.

A function that does not end is interrupted between two of Python's instructions, in any thread and on any system. A
call that does not come back to Python, as `time.sleep`, is left to its end. What is said of it is left to the callers.
"""

import ctypes
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_AGAIN = 0.1  # seconds after which it rings again, as a function may catch everything


class TimeIsOverError(BaseException):
    """The function has run too long. It is no Exception, as the function may catch those."""


def call_within(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function, for at most so many seconds.

    Raises:
        TimeIsOverError: The time is over; raised where the function then is.
    """
    thread, ended = ctypes.c_ulong(threading.get_ident()), threading.Event()

    def ring() -> None:
        wait = max(seconds, 1e-3)
        while not ended.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeIsOverError))
            wait = _AGAIN

    def silence() -> None:
        ended.set()
        if timer.ident:  # it has begun
            timer.join()

    timer = threading.Thread(target=ring, daemon=True)
    try:
        timer.start()
        return function(*args, **kwargs)
    finally:
        try:
            silence()
        finally:  # once more, as Ctrl-C or the last ring may have come in between
            silence()
            with suppress(TimeIsOverError):  # it comes here. To take it back leaves CPython 3.11 unfit for a profiler
                for _ in range(100):
                    pass


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Puts the generators of `random` and, where it is loaded, `numpy.random` back after the block."""
    state, numpy = random.getstate(), sys.modules.get("numpy")
    state_of_numpy = numpy.random.get_state() if numpy else None
    try:
        yield
    finally:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(state_of_numpy)
