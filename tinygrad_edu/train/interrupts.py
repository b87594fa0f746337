"""Ctrl-C while a model is trained: the update in progress is finished first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tinygrad_edu._interrupts import handle_signals


class StopTraining(Exception):
    """Ends the loops over epochs and batches after Ctrl-C, between two updates."""


@contextmanager
def catch_ctrl_c() -> Iterator[list[int]]:
    """Gives a list, which Ctrl-C fills instead of raising; a second Ctrl-C raises `KeyboardInterrupt` at once."""
    pressed: list[int] = []  # no Event: its lock would hang when the second signal interrupts the handler of the first

    def handle(signal_number: int, frame: object) -> None:
        pressed.append(signal_number)
        if len(pressed) > 1:
            raise KeyboardInterrupt

    is_main_thread = threading.current_thread() is threading.main_thread()
    if not is_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed  # signals go elsewhere: to another thread, or to a handler of the user's own
        return
    with handle_signals([signal.SIGINT], handle):
        yield pressed
