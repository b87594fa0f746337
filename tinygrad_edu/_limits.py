"""Runs a student's function so that it harms nothing: for a limited time, and with the state of `random` as it was.

A function that does not end is interrupted between two of Python's instructions, in any thread and on any system. A
call that does not come back to Python, as `time.sleep`, is left to its end. What is said of it is left to the callers.
"""

import _thread
import ctypes
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

from ._interrupts import change_for_a_block

P = ParamSpec("P")
T = TypeVar("T")

_AGAIN = 0.1  # seconds after which it rings again, as a function may catch everything


class TimeIsOverError(BaseException):
    """The function has run too long. It is no Exception, as the function may catch those."""


def call_within(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function, for at most so many seconds; where no thread can be started, without a limit.

    Raises:
        TimeIsOverError: The time is over; raised where the function then is.
    """
    thread = ctypes.c_ulong(_thread.get_ident())
    is_running, is_ringing = _thread.allocate_lock(), _thread.allocate_lock()

    def ring() -> None:
        wait = max(seconds, 1e-3)
        while not is_running.acquire(timeout=wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeIsOverError))
            wait = _AGAIN
        is_ringing.release()

    def silence() -> None:
        if is_running.locked():
            is_running.release()
        is_ringing.acquire(timeout=1.0)  # after that it does not ring

    is_running.acquire()  # locks of C, as Ctrl-C can leave the events of `threading` locked for ever
    try:
        is_ringing.acquire()
        try:
            _thread.start_new_thread(ring, ())
        except RuntimeError:  # there are none, as in a browser, or too many: no limit
            is_ringing.release()
        return function(*args, **kwargs)
    finally:
        try:
            silence()
        except BaseException:  # Ctrl-C or a ring, which has come in between
            silence()
            raise
        try:
            for _ in range(100):  # a ring that has just been sent comes here
                pass
        except TimeIsOverError:  # to take it back would leave CPython 3.11 unfit for a profiler
            pass


def keep_random_state() -> AbstractContextManager[None]:
    """Puts the generators of `random` and, where it is loaded, `numpy.random` back after the block."""
    state, numpy = random.getstate(), sys.modules.get("numpy")
    state_of_numpy = numpy.random.get_state() if numpy else None

    def restore() -> None:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(state_of_numpy)

    return change_for_a_block(lambda: None, restore)
