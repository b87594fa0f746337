"""A progress bar, in a terminal or a notebook; the bar itself is tqdm's."""

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
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

    `wanted` is None for one in a terminal and in a notebook, and none elsewhere.

    >>> with open_progress_bar(False, 3, unit="frame") as bar:
    ...     bar.update()
    """
    kernel = sys.modules.get("ipykernel")
    if wanted is None:
        wanted = kernel is not None or (sys.stderr is not None and sys.stderr.isatty())
    if not wanted:
        return nullcontext(_NoProgressBar())
    import tqdm

    make: Any = tqdm.tqdm
    if kernel is not None and find_spec("ipywidgets"):
        from tqdm import notebook

        make = notebook.tqdm
    bar: AbstractContextManager[ProgressBar] = make(total=total, initial=done, unit=unit, dynamic_ncols=True)
    return bar


class _NoProgressBar:
    def update(self, n: int = 1) -> None: ...
    def set_postfix_str(self, s: str, refresh: bool = True) -> None: ...
