"""A progress bar, in a terminal or a notebook; the bar itself is tqdm's."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from threading import RLock
from typing import Any, Protocol


class ProgressBar(Protocol):
    """The methods of tqdm's bar that are used here."""

    def update(self, n: int = 1) -> Any:
        """Goes on by n units."""

    def set_postfix_str(self, s: str, refresh: bool = True) -> Any:
        """Shows a text after the bar."""


def open_progress_bar(
    wanted: bool | None, total: int | None, done: int = 0, unit: str = "epoch"
) -> AbstractContextManager[ProgressBar]:
    """A bar of `total` units, None where nobody knows how many there are.

    `wanted` is None for one in a terminal and in a notebook, and none elsewhere. In a terminal it is a line on standard
    error; in a notebook it is one line of output, which is replaced as the bar goes on, and saved as it is at the end.

    >>> with open_progress_bar(False, 3, unit="frame") as bar:
    ...     bar.update()
    """
    in_notebook = _is_notebook()
    if wanted is None:
        wanted = in_notebook or (sys.stderr is not None and sys.stderr.isatty())
    if not wanted:
        return nullcontext(_NoProgressBar())
    file: Any = _OutputLine() if in_notebook else None  # None is standard error, which a notebook shows in red
    return _open(total=total, initial=done, unit=unit, dynamic_ncols=True, file=file)


@contextmanager
def _open(**options: Any) -> Iterator[ProgressBar]:
    make_bar = _load_bar()
    try:
        with make_bar(**options) as bar:
            yield bar
    except KeyboardInterrupt:  # tqdm may have been about to give its lock back
        with suppress(RuntimeError):  # this thread does not hold it any more
            while True:
                make_bar.get_lock().release()
        raise


@cache
def _load_bar() -> Any:
    """A class of bars with a lock of its own, which a forked process has anew: that of tqdm could be held for ever."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        pass

    def renew_lock() -> None:
        Bar.set_lock(RLock())

    renew_lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew_lock)
    return Bar


def _is_notebook() -> bool:
    """Whether the code runs in a cell: IPython has a kernel then, and in a terminal it has none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class _OutputLine:
    """What tqdm takes for a file: all that is written replaces one line in the output of a cell."""

    encoding = "utf-8"  # so tqdm draws with blocks

    _shown: Any = None  # nothing until there is a line: a bar that tqdm's users have turned off writes none

    def write(self, text: str) -> None:
        line = text.strip()  # without the return to the beginning of the line, and the line end when the bar is closed
        if line and self._shown:
            self._shown.update({"text/plain": line}, raw=True)
        elif line:
            show: Any = import_module("IPython.display").display  # in a kernel it is there
            self._shown = show({"text/plain": line}, raw=True, display_id=True)

    def flush(self) -> None: ...


class _NoProgressBar:
    def update(self, n: int = 1) -> None: ...
    def set_postfix_str(self, s: str, refresh: bool = True) -> None: ...
