"""Ctrl-C while a model is trained: the update in progress is finished first, so that none is torn apart."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """Leaves the loops over epochs and batches: Ctrl-C was pressed, and the update that was in progress is finished."""


@contextmanager
def set_by_ctrl_c() -> Iterator[list[int]]:
    """Ctrl-C fills the list, so that no update is torn apart; a second Ctrl-C raises at once, as usual."""
    pressed: list[int] = []  # no Event: its lock would hang when the second signal interrupts the handler of the first

    def press(signal_number: int, frame: object) -> None:
        pressed.append(signal_number)
        if len(pressed) > 1:
            raise KeyboardInterrupt

    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed  # signals go elsewhere: to another thread, or to a handler of the user's own
        return
    try:
        signal.signal(signal.SIGINT, press)  # in here, as Ctrl-C may come right after it
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
