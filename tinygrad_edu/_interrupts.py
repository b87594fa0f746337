"""Ctrl-C: how nothing is left half done, wherever it comes.

Python looks for Ctrl-C between its own instructions, and never within one that is written in C. So changes that belong
together are made by one instruction. What takes more of them to be put back, at the end of a block, is put back once
more where Ctrl-C has come in between. What Ctrl-C means to a training run is left to
`train/`.
"""

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import starmap
from typing import Any, TypeAlias

Changes: TypeAlias = Sequence[tuple[object, str, object]]  # objects, each with the name of an attribute and its value


def atomic_setter(changes: Changes) -> Callable[[], object]:
    """Returns a function that sets every attribute, once, by one instruction. It is C code itself."""
    return partial(any, starmap(setattr, changes))


def set_atomically(changes: Changes) -> None:
    """Sets every attribute, or none where Ctrl-C comes in between."""
    any(starmap(setattr, changes))  # setattr returns None, so that `any` goes on to the last


@contextmanager
def change_for_a_block(change: Callable[[], object], restore: Callable[[], object]) -> Iterator[None]:
    """Makes changes that take several instructions, and restores what was before at the end of the `with` block."""
    try:
        change()  # inside of `try`, as Ctrl-C may come right after it
        yield
    finally:
        try:
            restore()
        except KeyboardInterrupt:
            restore()
            raise


def handle_signals(numbers: Iterable[int], handler: Callable[[int, Any], object]) -> AbstractContextManager[None]:
    """Gives signals a handler, inside a `with` block of the main thread."""
    before = {number: signal.getsignal(number) for number in numbers}

    def change() -> None:
        for number in before:
            signal.signal(number, handler)

    def restore() -> None:
        for number, former in before.items():
            signal.signal(number, former)

    return change_for_a_block(change, restore)
