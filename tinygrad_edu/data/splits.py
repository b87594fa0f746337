"""Rows held out and mini-batches: `split` and `batches`."""

from collections.abc import Hashable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from tinygrad_edu._validate import common_length, require_counts, to_float
from tinygrad_edu.errors import described

T = TypeVar("T")


# ---- splitting, batching, and measuring on rows held out -------------------------------------------------------------
def split(
    *sequences: Sequence[T], test: float = 0.2, seed: int = 0, stratify: Sequence[Hashable] | None = None
) -> list[list[T]]:
    """Splits parallel sequences of n items in a training and a test part: [X_train, X_test, y_train, y_test] for X, y.

    The items are shuffled, alike in all sequences, and the share `test` of them, rounded, is the test part. With
    `stratify`, n labels, that share is taken of each label, and one item of each at least stays for training. Raises
    `ValueError` for lengths that differ, a share outside (0, 1), or one that leaves a part empty.

    A table is split by the numbers of its rows:

    >>> from tinygrad_edu.data import engel
    >>> table = engel()
    >>> train, held_out = [table.take(rows) for rows in split(range(len(table)), test=0.2, seed=1)]
    >>> len(train), len(held_out)
    (188, 47)
    """
    n = common_length(*sequences, *([] if stratify is None else [stratify]))
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
    n = common_length(X, y)
    step = n if size is None else size
    require_counts(1, size=step)
    order = list(range(n))
    if rng is not None:
        if not hasattr(rng, "shuffle"):
            raise TypeError(f"rng is a random.Random, as random.Random(0), not {described(rng)}")
        rng.shuffle(order)
    slices = [order[start : start + step] for start in range(0, n, step)]
    return (([X[i] for i in rows], [y[i] for i in rows]) for rows in slices)
