"""Scores of predictions: R² for numbers, accuracy for classes."""

from collections.abc import Sequence
from math import fsum

from tinygrad_edu._validate import common_length, to_float
from tinygrad_edu.engine import Value


def r2(y: Sequence[float], predictions: Sequence[float]) -> float:
    """The coefficient of determination, R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)²: 1 is perfect, 0 no better than the mean ȳ.

    Raises `ValueError` for lengths that differ, and where all y are equal, or too close, as R² is then not defined.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    n = common_length(y, predictions)
    y, predictions = [to_float(t) for t in y], [to_float(p) for p in predictions]
    if all(t == y[0] for t in y):
        raise ValueError(f"R² is not defined for targets that are all equal, here {n} times {y[0]}")
    mean = fsum(y) / n
    spread = fsum((t - mean) ** 2 for t in y)
    if not spread:
        raise ValueError("R² is not defined for targets so close together that their squared deviations are 0")
    return 1.0 - fsum((t - p) ** 2 for t, p in zip(y, predictions)) / spread


def accuracy(y: Sequence[object], predictions: Sequence[object]) -> float:
    """The share of predictions that equal their target, between 0 and 1; `ValueError` for lengths that differ.

    Of a Value its number counts.

    >>> accuracy(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"])
    0.75
    """
    n = common_length(y, predictions)
    targets, answers = ([x.data if isinstance(x, Value) else x for x in xs] for xs in (y, predictions))
    return sum(t == p for t, p in zip(targets, answers)) / n
