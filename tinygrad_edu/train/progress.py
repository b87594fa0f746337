"""A progress bar, in a terminal or a notebook; the bar itself is tqdm's."""

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol


class Bar(Protocol):
    """The part of a progress bar that training uses."""

    def update(self, n: int = 1) -> Any: ...
    def set_postfix_str(self, s: str, refresh: bool = True) -> Any: ...


def progress_bar(wanted: bool | None, total: int, done: int = 0, unit: str = "epoch") -> AbstractContextManager[Bar]:
    """A bar of `total` units, in a terminal or a notebook; nothing elsewhere, unless asked for (`wanted`).

    >>> with progress_bar(False, 3, unit="frame") as bar:
    ...     bar.update()
    """
    kernel = sys.modules.get("ipykernel")
    if wanted is None:
        wanted = kernel is not None or (sys.stderr is not None and sys.stderr.isatty())
    if not wanted:
        return nullcontext(_NoBar())
    tqdm = import_module("tqdm.notebook" if kernel is not None and find_spec("ipywidgets") else "tqdm").tqdm
    bar: AbstractContextManager[Bar] = tqdm(total=total, initial=done, unit=unit, dynamic_ncols=True)
    return bar


class _NoBar:
    def update(self, n: int = 1) -> None: ...
    def set_postfix_str(self, s: str, refresh: bool = True) -> None: ...
