"""Scores of predictions: R² for numbers, accuracy for classes."""

from collections.abc import Sequence
from math import fsum

from tinygrad_edu._validate import common_length, to_float
from tinygrad_edu.engine import Value


def r2(y: Sequence[float], predictions: Sequence[float]) -> float:
    """The coefficient of determination, R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)².

    Args:
        y: n measured numbers, not all equal.
        predictions: n predicted numbers ŷ.

    Returns:
        1 for perfect predictions, 0 for predictions that are no better than the mean ȳ; it may be negative.

    Raises:
        ValueError: The lengths differ, or all y are equal or so close together that R² is not defined.

    Example:
        >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
        0.5
    """
    n = common_length(y=y, predictions=predictions)
    y, predictions = [to_float(t) for t in y], [to_float(p) for p in predictions]
    if all(t == y[0] for t in y):
        raise ValueError(f"R² is not defined for targets that are all equal, here {n} times {y[0]}")
    mean = fsum(y) / n
    spread = fsum((t - mean) ** 2 for t in y)
    if not spread:
        raise ValueError("R² is not defined for targets so close together that their squared deviations are 0")
    return 1.0 - fsum((t - p) ** 2 for t, p in zip(y, predictions)) / spread


def accuracy(y: Sequence[object], predictions: Sequence[object]) -> float:
    """The share of predictions that equal their target; of a Value its number counts.

    Args:
        y: n targets.
        predictions: n predictions.

    Returns:
        The share, between 0 and 1.

    Raises:
        ValueError: The lengths differ, or there are none.

    Example:
        >>> accuracy(["cat", "dog", "dog", "cat"], ["cat", "dog", "cat", "cat"])
        0.75
    """
    n = common_length(y=y, predictions=predictions)
    targets, answers = ([x.data if isinstance(x, Value) else x for x in xs] for xs in (y, predictions))
    return sum(t == p for t, p in zip(targets, answers)) / n
