"""What makes a gradient worth trusting: checks that say why, generated expressions, anomalies, and the grader.

`gradcheck` judges the gradient of a function, `strategies` makes expressions for Hypothesis, `detect_anomaly` finds the
line where a computation goes wrong, `grade` examines anybody's engine. All but the first are loaded on first use. The
tests of the package itself are left to `tests/`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_edu.testing.gradcheck.check import (  # at once, or the module of that name would stand in its way
    assert_gradients,
    gradcheck,
)

if TYPE_CHECKING:
    from tinygrad_edu.testing.grader.grade import grade

    from . import strategies
    from .anomalies import AnomalyError, detect_anomaly

__all__ = ["AnomalyError", "assert_gradients", "detect_anomaly", "gradcheck", "grade", "strategies"]

_ROOMS = {
    "AnomalyError": "anomalies",
    "detect_anomaly": "anomalies",
    "grade": "grader",
}


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return import_module(f".{name}", __name__)
    if name in _ROOMS:
        return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
