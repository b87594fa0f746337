"""Sets to learn from: two bundled tables, and made-up points.

Everything random comes from a `random.Random` with a seed: the same call gives the same numbers. Reading a table is
left to `tables.py`.
"""

import os
from math import cos, pi, sin
from random import Random
from typing import Any

from tinygrad_edu._validate import length, require_ints, to_float_within
from tinygrad_edu.errors import api_boundary

from .tables import Table, read_csv

Dataset = tuple[list[list[float]], list[Any]]  # X: n rows of m features; y: n targets


# ---- the bundled tables: bundled/SOURCES.md gives their sources and licences ----------------------------------------
def penguins() -> Table:
    """344 penguins of three species, measured near Palmer Station, Antarctica (CC0): the table for classification.

    Source: Gorman, Williams and Fraser, PLoS ONE 9(3): e90081, 2014.

    Returns:
        A table with the columns species, island, bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, sex,
        year; some values are missing.

    Example:
        >>> penguins().rows[0]
        ('Adelie', 'Torgersen', 39.1, 18.7, 181.0, 3750.0, 'male', 2007.0)
    """
    return _read_bundled("penguins.csv")


def engel() -> Table:
    """Income and food expenditure of 235 Belgian households (public domain): the table for regression.

    Source: Engel, 1857; Koenker and Bassett, Econometrica 50, 43-61, 1982.

    Returns:
        A table with the columns income_francs and food_francs, both in francs a year.

    Example:
        >>> engel().rows[0]
        (420.16, 255.84)
    """
    return _read_bundled("engel.csv")


def _read_bundled(name: str) -> Table:
    return read_csv(os.path.join(os.path.dirname(__file__), "bundled", name))


# ---- made-up sets ----------------------------------------------------------------------------------------------------
@api_boundary
def line(n: int = 20, slope: float = 2.0, intercept: float = 1.0, noise: float = 0.3, seed: int = 0) -> Dataset:
    """Points that scatter around a line: y = slope·x + intercept + noise·ε, with ε ~ N(0, 1).

    The x are evenly spaced, (2i − n)/n for i = 0, …, n − 1: from −1.0 in steps of 0.1 for 20 points.

    Args:
        n: The number of points, 1 or more.
        slope: The slope of the line.
        intercept: The y of the line at x = 0.
        noise: The standard deviation of the noise, 0 or more.
        seed: The seed of the noise.

    Returns:
        The pair (X, y): n rows of one feature, and n targets.

    Raises:
        ValueError: `n` or `noise` is too small.

    Example:
        >>> X, y = line(4, noise=0.0)
        >>> X, y
        ([[-1.0], [-0.5], [0.0], [0.5]], [-1.0, 0.0, 1.0, 2.0])
    """
    require_ints(1, n=n)
    noise = to_float_within("[0, ∞)", noise, "noise")
    random = Random(seed)
    xs = [(2 * i - n) / n for i in range(n)]
    return [[x] for x in xs], [slope * x + intercept + random.gauss(0.0, noise) for x in xs]


@api_boundary
def moons(n: int = 100, noise: float = 0.1, seed: int = 0, labels: tuple[Any, Any] = (0, 1)) -> Dataset:
    """Two half circles that reach into each other, in random order.

    The first class is (cos t, sin t), the second (1 − cos t, ½ − sin t), t evenly spaced in [0, π], each coordinate
    plus noise·ε with ε ~ N(0, 1). With an odd n the second class has one point more, as in scikit-learn's `make_moons`.

    Args:
        n: The number of points in both classes together, 2 or more.
        noise: The standard deviation of the noise, 0 or more.
        seed: The seed of the noise and of the order.
        labels: The targets of the two classes, such as (-1, 1) for a hinge loss.

    Returns:
        The pair (X, y): n rows of two features, and n labels.

    Raises:
        ValueError: `n` or `noise` is too small, or the number of labels is not two.

    Example:
        >>> X, y = moons(4, noise=0.0, labels=(-1, 1))
        >>> sorted(y)
        [-1, -1, 1, 1]
    """
    require_ints(2, n=n)
    noise = to_float_within("[0, ∞)", noise, "noise")
    if length("labels", labels) != 2:
        raise ValueError(f"moons have two labels, as (0, 1), not {labels!r}")
    random = Random(seed)
    points = [(cos(t), sin(t), labels[0]) for t in _half_circle(n // 2)]
    points += [(1.0 - cos(t), 0.5 - sin(t), labels[1]) for t in _half_circle(n - n // 2)]
    return _shuffle([(x + random.gauss(0.0, noise), y + random.gauss(0.0, noise), c) for x, y, c in points], random)


@api_boundary
def spiral(n_per_class: int = 100, classes: int = 3, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Spiral arms around the origin, one for each class, that no straight line separates; in random order.

    Arm c holds the points (r·sin t, r·cos t) for r = 1/n, 2/n, …, 1 at the angle t = 2πc/classes + 4r + noise·ε, with
    ε ~ N(0, 1). After the spirals of Stanford's course CS231n.

    Args:
        n_per_class: The number of points n in each arm, 1 or more.
        classes: The number of arms, 2 or more.
        noise: The standard deviation of the noise, in radians, 0 or more.
        seed: The seed of the noise and of the order.

    Returns:
        The pair (X, y): n·classes rows of two features, and as many labels 0, 1, ….

    Raises:
        ValueError: `n_per_class`, `classes` or `noise` is too small.

    Example:
        >>> X, y = spiral(2)
        >>> sorted(y)
        [0, 0, 1, 1, 2, 2]
    """
    require_ints(1, n_per_class=n_per_class)
    require_ints(2, classes=classes)
    noise = to_float_within("[0, ∞)", noise, "noise")
    random = Random(seed)
    points = []
    for c in range(classes):
        for i in range(n_per_class):
            r = (i + 1) / n_per_class
            t = 2 * pi * c / classes + 4 * r + random.gauss(0.0, noise)
            points.append((r * sin(t), r * cos(t), c))
    return _shuffle(points, random)


def _half_circle(n: int) -> list[float]:
    """N angles, evenly spaced in [0, π]."""
    return [pi * i / max(n - 1, 1) for i in range(n)]


def _shuffle(points: list[tuple[float, float, Any]], random: Random) -> Dataset:
    random.shuffle(points)
    return [[x, y] for x, y, _ in points], [label for _, _, label in points]
