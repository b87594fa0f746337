"""Runs a student's function so that it harms nothing: for a limited time, and with the state of `random` as it was.

Where the operating system has timers (not on Windows), and in the main thread, a function that does not end is
interrupted. Elsewhere it is left to whoever runs the program to stop it.
"""

import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tinygrad_edu._interrupts import handle_signals

_AGAIN = 0.1  # seconds after which it rings again, as a function may catch everything


class TimeIsOverError(BaseException):
    """The function has run too long. It is no Exception, as the function may catch those."""


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raises `TimeIsOverError` in the block when the time is over, if there are timers."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TimeIsOverError

    with handle_signals([signal.SIGALRM], ring):
        before = signal.getitimer(signal.ITIMER_REAL)  # of another program, as a test runner
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *before)


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
