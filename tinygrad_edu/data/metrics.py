"""Scores of predictions: R² for numbers; for classes accuracy, AUC, the confusion matrix and what is read off it."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby
from math import fsum, isnan
from typing import Any, NamedTuple

from tinygrad_edu._samples import parallel
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, quote_list, short_repr


@api_boundary
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
    y, predictions = [[*map(to_float, numbers)] for numbers in parallel(y=y, predictions=predictions)]
    n = len(y)
    if all(t == y[0] for t in y):
        raise ValueError(f"R² is not defined for targets that are all equal, here {n} times {y[0]}")
    mean = fsum(y) / n
    spread = fsum((t - mean) ** 2 for t in y)
    if not spread:
        raise ValueError("R² is not defined for targets so close together that their squared deviations are 0")
    return 1.0 - fsum((t - p) ** 2 for t, p in zip(y, predictions)) / spread


@api_boundary
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
    right = [bool(t == p) for t, p in zip(*map(_to_plain, parallel(y=y, predictions=predictions)))]
    return sum(right) / len(right)


class ClassScores(NamedTuple):
    """How well one class is predicted. Where a share is of nothing it is 0, as in scikit-learn.

    Attributes:
        precision: Of those predicted as this class, the share that is of it.
        recall: Of those of this class, the share that is predicted as it.
        f1: The harmonic mean of both.
        support: How many are of this class.
    """

    precision: float
    recall: float
    f1: float
    support: int


@api_boundary
def confusion_matrix(
    y: Sequence[Hashable], predictions: Sequence[Hashable], classes: Iterable[Hashable]
) -> list[list[int]]:
    """Counts how many of each class (row) were predicted as each class (column): Cᵢⱼ = |{s : yₛ = i, ŷₛ = j}|.

    Args:
        y: n targets, each one of the classes.
        predictions: n predictions, each one of the classes.
        classes: The classes, in the order of rows and columns.

    Returns:
        The matrix, row by row.

    Raises:
        ValueError: The lengths differ, there are none, or a target or a prediction is no class.

    Example:
        >>> confusion_matrix(["cat", "dog", "dog"], ["cat", "cat", "dog"], ["cat", "dog"])
        [[1, 0], [1, 1]]
    """
    pairs = zip(*map(_to_plain, parallel(y=y, predictions=predictions)))
    places = {name: i for i, name in enumerate(classes)}
    counts = [[0] * len(places) for _ in places]
    for pair in pairs:
        for name in pair:
            if name not in places:
                raise ValueError(f"{short_repr(name)} is not one of the classes {quote_list(map(str, places))}")
        row, column = pair
        counts[places[row]][places[column]] += 1
    return counts


@api_boundary
def class_scores(
    y: Sequence[Hashable], predictions: Sequence[Hashable], classes: Iterable[Hashable]
) -> list[ClassScores]:
    """Precision, recall and F1 of each class, from the confusion matrix C: Cᵢᵢ/ΣⱼCⱼᵢ, Cᵢᵢ/ΣⱼCᵢⱼ, and 2·P·R/(P + R).

    Source: van Rijsbergen, Information Retrieval, 1979.

    Args:
        y: n targets, each one of the classes.
        predictions: n predictions, each one of the classes.
        classes: The classes, in the order of the result.

    Returns:
        The scores of each class.

    Raises:
        ValueError: As for `confusion_matrix`.

    Example:
        >>> cat, dog = class_scores(["cat", "dog", "dog"], ["cat", "cat", "dog"], ["cat", "dog"])
        >>> cat
        ClassScores(precision=0.5, recall=1.0, f1=0.6666666666666666, support=1)
    """
    counts = confusion_matrix(y, predictions, classes)
    scores = []
    for i, (row, column) in enumerate(zip(counts, zip(*counts))):
        right, predicted, support = row[i], sum(column), sum(row)
        scores.append(
            ClassScores(
                right / predicted if predicted else 0.0,
                right / support if support else 0.0,
                2 * right / (predicted + support) if predicted + support else 0.0,
                support,
            )
        )
    return scores


@api_boundary
def auc(y: Sequence[object], scores: Sequence[float]) -> float:
    """The area under the ROC curve: how often one of the second class has a higher score than one of the first.

    It is (R − m(m + 1)/2) / (m·k), where R is the sum of the ranks of the m scores of the second class among all, equal
    scores sharing their mean rank, and k the number of the first class.

    Source: Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, 1982.

    Args:
        y: n targets, each 0 (or False) for the first class and 1 (or True) for the second.
        scores: n numbers, the higher, the likelier the second class, as probabilities are.

    Returns:
        1 where all of the second class have higher scores, 0.5 where the scores say nothing.

    Raises:
        ValueError: The lengths differ; a target is neither 0 nor 1, or all are the same; or a score is nan.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    targets, numbers = map(_to_plain, parallel(y=y, scores=scores))
    n, numbers = len(targets), [to_float(score, "a score") for score in numbers]
    for target in targets:
        if target not in (0, 1):
            raise ValueError(f"auc needs targets of 0 and 1, for the first and the second class, not {target!r}")
    if any(map(isnan, numbers)):
        raise ValueError("a score is nan, which has no rank")
    m = sum(map(int, targets))
    if not 0 < m < n:
        raise ValueError("AUC is not defined where all targets are of one class")
    rank_sum, before = 0.0, 0
    for _, group in groupby(sorted(zip(numbers, targets), key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        ours = [target for _, target in group]
        rank_sum += (before + (len(ours) + 1) / 2) * sum(map(int, ours))
        before += len(ours)
    return (rank_sum - m * (m + 1) / 2) / (m * (n - m))


def _to_plain(items: Sequence[Any]) -> list[Any]:
    """Of each Value its number."""
    return [x.data if isinstance(x, Value) else x for x in items]
