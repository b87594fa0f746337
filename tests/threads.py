"""Functions at the same time, for the tests."""

import threading
from collections.abc import Callable
from typing import Any


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """What they return, or the errors that they raise; all run at the same time."""
    results: list[Any] = [None] * len(functions)

    def run(i: int) -> None:
        try:
            results[i] = functions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results
