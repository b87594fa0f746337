"""Data to learn from: two bundled tables, made-up sets, and splitting, batching and scoring.

Tables and CSV files stand in `tables.py`, what turns them into the inputs of a model in `preprocessing.py`; their names
are offered here too. Everything random comes from a `random.Random` with a seed: the same call gives the same numbers.
"""

import os
from collections.abc import Hashable, Iterator, Sequence
from math import cos, fsum, pi, sin
from random import Random
from typing import Any, TypeVar

from .engine import Value
from .errors import described, length, to_float
from .preprocessing import Categories, Features, Standardizer, Target
from .tables import Table, read_csv

__all__ = [
    "Categories",
    "Features",
    "Standardizer",
    "Table",
    "Target",
    "accuracy",
    "batches",
    "engel",
    "line",
    "moons",
    "penguins",
    "r2",
    "read_csv",
    "spiral",
    "split",
]

T = TypeVar("T")
Dataset = tuple[list[list[float]], list[Any]]  # X: n rows of m features; y: n targets


# ---- the bundled tables: datasets/SOURCES.md gives their sources and licences ----------------------------------------
def penguins() -> Table:
    """344 penguins of three species, measured near Palmer Station, Antarctica (CC0): the table for classification.

    Columns: species, island, bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, sex, year; some values are
    missing. Source: Gorman, Williams and Fraser, PLoS ONE 9(3): e90081, 2014.

    >>> penguins().rows[0]
    ('Adelie', 'Torgersen', 39.1, 18.7, 181.0, 3750.0, 'male', 2007.0)
    """
    return _bundled("penguins.csv")


def engel() -> Table:
    """Income and food expenditure of 235 Belgian households, francs a year (public domain): the table for regression.

    Columns: income_francs, food_francs. Source: Engel, 1857; Koenker and Bassett, Econometrica 50, 43-61, 1982.

    >>> engel().rows[0]
    (420.16, 255.84)
    """
    return _bundled("engel.csv")


def _bundled(name: str) -> Table:
    return read_csv(os.path.join(os.path.dirname(__file__), "datasets", name))


# ---- made-up sets ----------------------------------------------------------------------------------------------------
def line(n: int = 20, slope: float = 2.0, intercept: float = 1.0, noise: float = 0.3, seed: int = 0) -> Dataset:
    """n points that scatter around a line: y = slope·x + intercept + noise·ε, with ε ~ N(0, 1).

    The x are evenly spaced, (2i − n)/n for i = 0, …, n − 1: from −1.0 in steps of 0.1 for 20 points. Returns (X, y), n
    rows of one feature and n targets. Raises `ValueError` for n < 1 or a negative noise.

    >>> X, y = line(4, noise=0.0)
    >>> X, y
    ([[-1.0], [-0.5], [0.0], [0.5]], [-1.0, 0.0, 1.0, 2.0])
    """
    _count(1, n=n)
    _at_least_0(noise=noise)
    random = Random(seed)
    xs = [(2 * i - n) / n for i in range(n)]
    return [[x] for x in xs], [slope * x + intercept + random.gauss(0.0, noise) for x in xs]


def moons(n: int = 100, noise: float = 0.1, seed: int = 0, labels: tuple[Any, Any] = (0, 1)) -> Dataset:
    """Two half circles that reach into each other, n points in all, in random order.

    The first class is (cos t, sin t), the second (1 − cos t, ½ − sin t), t evenly spaced in [0, π], each coordinate
    plus noise·ε with ε ~ N(0, 1); with an odd n the second has one point more (as scikit-learn's `make_moons`).
    `labels` are the two targets, such as (-1, 1) for a hinge loss. Returns (X, y), n rows of two features and n labels.
    Raises `ValueError` for n < 2, a negative noise, or any other number of labels.

    >>> X, y = moons(4, noise=0.0, labels=(-1, 1))
    >>> sorted(y)
    [-1, -1, 1, 1]
    """
    _count(2, n=n)
    _at_least_0(noise=noise)
    if length("labels", labels) != 2:
        raise ValueError(f"moons have two labels, as (0, 1), not {labels!r}")
    random = Random(seed)
    points = [(cos(t), sin(t), labels[0]) for t in _angles(n // 2)]
    points += [(1.0 - cos(t), 0.5 - sin(t), labels[1]) for t in _angles(n - n // 2)]
    return _shuffled([(x + random.gauss(0.0, noise), y + random.gauss(0.0, noise), c) for x, y, c in points], random)


def spiral(n_per_class: int = 100, classes: int = 3, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Spiral arms around the origin, one per class, that no straight line separates; in random order.

    Arm c holds the points (r·sin t, r·cos t) for r = 1/n, 2/n, …, 1 at the angle t = 2πc/classes + 4r + noise·ε, with
    ε ~ N(0, 1). Returns (X, y), rows of two features and labels 0, 1, …. Raises `ValueError` for n_per_class < 1,
    classes < 2 or a negative noise. After the spirals of Stanford's course CS231n.

    >>> X, y = spiral(2)
    >>> sorted(y)
    [0, 0, 1, 1, 2, 2]
    """
    _count(1, n_per_class=n_per_class)
    _count(2, classes=classes)
    _at_least_0(noise=noise)
    random = Random(seed)
    points = []
    for c in range(classes):
        for i in range(n_per_class):
            r = (i + 1) / n_per_class
            t = 2 * pi * c / classes + 4 * r + random.gauss(0.0, noise)
            points.append((r * sin(t), r * cos(t), c))
    return _shuffled(points, random)


def _angles(n: int) -> list[float]:
    """n angles evenly spaced in [0, π]."""
    return [pi * i / max(n - 1, 1) for i in range(n)]


def _shuffled(points: list[tuple[float, float, Any]], random: Random) -> Dataset:
    random.shuffle(points)
    return [[x, y] for x, y, _ in points], [label for _, _, label in points]


# ---- splitting, batching, and measuring on rows held out -------------------------------------------------------------
def split(
    *sequences: Sequence[T], test: float = 0.2, seed: int = 0, stratify: Sequence[Hashable] | None = None
) -> list[list[T]]:
    """Splits parallel sequences of n items in a training and a test part: [X_train, X_test, y_train, y_test] for X, y.

    The items are shuffled, alike in all sequences, and the share `test` of them, rounded, is the test part. With
    `stratify`, n labels, that share is taken of each label, and one item of each at least stays for training. Raises
    `ValueError` for lengths that differ, a share outside (0, 1), or one that leaves a part empty.

    A table is split by the numbers of its rows:

    >>> table = engel()
    >>> train, held_out = [table.take(rows) for rows in split(range(len(table)), test=0.2, seed=1)]
    >>> len(train), len(held_out)
    (188, 47)
    """
    n = _common_length(*sequences, *([] if stratify is None else [stratify]))
    if not 0 < to_float(test, "test") < 1:
        raise ValueError(f"the test share must lie between 0 and 1, not be {test}")
    order, random = list(range(n)), Random(seed)
    random.shuffle(order)
    groups: dict[Hashable, list[int]] = {}
    for i in order:
        groups.setdefault(None if stratify is None else stratify[i], []).append(i)
    kept = 0 if stratify is None else 1
    held_out = {i for group in groups.values() for i in group[: min(round(test * len(group)), len(group) - kept)]}
    if not 0 < len(held_out) < n:
        raise ValueError(f"a test share of {test} leaves one part of {n} items empty")
    if stratify is not None:
        random.shuffle(order)  # again: the first ones of each label are gone, which would be seen in what is left
    parts = [i for i in order if i not in held_out], [i for i in order if i in held_out]
    return [[sequence[i] for i in part] for sequence in sequences for part in parts]


def batches(
    X: Sequence[Any], y: Sequence[Any], size: int | None = None, rng: Random | None = None
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Mini-batches of `size` rows of X with their targets y; the last may be smaller. Without a size, one of all rows.

    They come in order, or shuffled by `rng`, anew at each call. Raises `ValueError` for lengths that differ, no rows,
    or a size < 1.

    >>> list(batches([[1.0], [2.0], [3.0]], [1, 2, 3], size=2))
    [([[1.0], [2.0]], [1, 2]), ([[3.0]], [3])]
    """
    n = _common_length(X, y)
    step = n if size is None else size
    _count(1, size=step)
    order = list(range(n))
    if rng is not None:
        if not hasattr(rng, "shuffle"):
            raise TypeError(f"rng is a random.Random, as random.Random(0), not {described(rng)}")
        rng.shuffle(order)
    slices = [order[start : start + step] for start in range(0, n, step)]
    return (([X[i] for i in rows], [y[i] for i in rows]) for rows in slices)


def r2(y: Sequence[float], predictions: Sequence[float]) -> float:
    """The coefficient of determination, R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)²: 1 is perfect, 0 no better than the mean ȳ.

    Raises `ValueError` for lengths that differ, and where all y are equal, or too close, as R² is then not defined.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    n = _common_length(y, predictions)
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
    n = _common_length(y, predictions)
    targets, answers = ([x.data if isinstance(x, Value) else x for x in xs] for xs in (y, predictions))
    return sum(t == p for t, p in zip(targets, answers)) / n


def _common_length(*sequences: Sequence[Any]) -> int:
    lengths = [length("a sequence of items", sequence) for sequence in sequences]
    if not lengths:
        raise ValueError("there is no sequence, as X and y in split(X, y)")
    if len(set(lengths)) != 1:
        raise ValueError(f"the sequences must be equally long, not of lengths {', '.join(map(str, lengths))}")
    if not lengths[0]:
        raise ValueError("there is nothing in them: the sequences are empty")
    return lengths[0]


def _count(least: int, **named: int) -> None:
    for name, n in named.items():
        if not hasattr(n, "__index__"):
            raise TypeError(f"{name} must be an int, not {described(n)}")
        if n < least:
            raise ValueError(f"{name} must be at least {least}, not {n}")


def _at_least_0(**named: float) -> None:
    for name, x in named.items():
        if not to_float(x, name) >= 0:
            raise ValueError(f"{name} must be at least 0, not {x}")
