"""Checks of gradients, generated expressions, anomalies, and the grader.

`gradcheck` checks the gradient of a function, `strategies` makes expressions for Hypothesis, `detect_anomaly` finds the
line where a computation goes wrong, and `grade` examines anybody's engine. All but `gradcheck` are loaded on first use.
The tests of the package itself are in `tests/`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# at once: on first use, the folder `gradcheck` would be found instead of the function
from .gradcheck.check import assert_gradients, gradcheck

if TYPE_CHECKING:
    from . import strategies
    from .anomalies import AnomalyError, detect_anomaly
    from .grader.grade import grade

__all__ = ["AnomalyError", "assert_gradients", "detect_anomaly", "gradcheck", "grade", "strategies"]

_LOADED_ON_USE = {"AnomalyError": "anomalies", "detect_anomaly": "anomalies", "grade": "grader"}


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return import_module(f".{name}", __name__)
    if name in _LOADED_ON_USE:
        return getattr(import_module(f".{_LOADED_ON_USE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
