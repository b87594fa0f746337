"""Splits and batches: the test part of the data, and the mini-batches of an epoch."""

from collections.abc import Hashable, Iterator, Sequence
from random import Random
from typing import Any

from tinygrad_edu._samples import by_position, parallel, take
from tinygrad_edu._validate import common_length, require_ints, require_random, to_float_within
from tinygrad_edu.errors import api_boundary

from .tables import Table


@api_boundary
def split(*sequences: Any, test: float = 0.2, seed: int = 0, stratify: Sequence[Hashable] | None = None) -> list[Any]:
    """Splits parallel sequences of n items in a training part and a test part.

    The items are shuffled, in the same order in all sequences.

    Args:
        *sequences: One or more sequences of n items each, as X and y: tables, frames, series, arrays, lists.
        test: The share of the items in the test part, above 0 and below 1; it is rounded to whole items.
        seed: The seed of the order.
        stratify: n labels. The share is then taken of each label, and at least one item of each label is in the
            training part.

    Returns:
        For X and y the list [X_train, X_test, y_train, y_test]: parts of a table are tables, those of a frame, a series
        or an array are such, too, and those of anything else are lists.

    Raises:
        ValueError: The lengths differ, the share is out of range, or a part would be empty.

    Example:
        >>> from tinygrad_edu.data import engel
        >>> train, held_out = split(engel(), test=0.2, seed=1)
        >>> len(train), len(held_out)
        (188, 47)
    """
    if not sequences:
        raise ValueError("split needs one sequence or more, as X and y in split(X, y)")
    named = {f"sequence {i}": sequence for i, sequence in enumerate(sequences)}
    if stratify is not None:
        named["stratify"] = stratify = by_position("stratify", stratify)
    n = common_length(**named)
    test = to_float_within("(0, 1)", test, "test")
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
        random.shuffle(order)  # again: the first items of each label are gone, and the rest would show it
    parts = [i for i in order if i not in held_out], [i for i in order if i in held_out]
    return [_take(sequence, part) for sequence in sequences for part in parts]


def _take(sequence: Any, rows: Sequence[int]) -> Any:
    return sequence.take(rows) if isinstance(sequence, Table) else take(sequence, rows)


@api_boundary
def batches(
    X: Sequence[Any], y: Sequence[Any], size: int | None = None, rng: Random | None = None
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Splits n samples and their targets in mini-batches.

    Args:
        X: n samples.
        y: n targets.
        size: The number of samples in a batch, 1 or more; the last batch may be smaller. None is one batch of all.
        rng: A `random.Random` that shuffles the samples, anew at each call; None keeps their order.

    Returns:
        An iterator over pairs, the samples of a batch and their targets.

    Raises:
        ValueError: The lengths differ, there is no sample, or the size is less than 1.
        TypeError: The size is no int, or `rng` is no `random.Random`.

    Example:
        >>> list(batches([[1.0], [2.0], [3.0]], [1, 2, 3], size=2))
        [([[1.0], [2.0]], [1, 2]), ([[3.0]], [3])]
    """
    X, y = parallel(X=X, y=y)
    return (([X[i] for i in rows], [y[i] for i in rows]) for rows in rows_of_batches(len(X), size, rng))


def rows_of_batches(n: int, size: int | None = None, rng: Random | None = None) -> list[list[int]]:
    """The places, among n samples, of those in each batch; the arguments are those of `batches`."""
    step = n if size is None else size
    require_ints(1, size=step)
    order = list(range(n))
    if rng is not None:
        require_random(rng, "shuffle")
        rng.shuffle(order)
    return [order[start : start + step] for start in range(0, n, step)]
