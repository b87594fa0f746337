"""What an epoch of `fit` goes through: samples in batches, or the batches that an iterable of the user's gives.

How samples become batches is left to `data/splits.py`, what is done with a batch to `fit.py`.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from tinygrad_edu._samples import parallel
from tinygrad_edu._validate import common_length
from tinygrad_edu.data.splits import rows_of_batches
from tinygrad_edu.errors import describe

Batch: TypeAlias = tuple[Sequence[Any], Sequence[Any], Sequence[int]]  # X, y, and the rows of these that are its own


class SampleFeed:
    """All samples in each epoch; their order depends on the seed and the number of the epoch alone."""

    def __init__(self, X: Any, y: Any, batch_size: int | None, shuffle: bool, seed: int) -> None:
        self.X, self.y = parallel(X=X, y=y)
        self._batch_size, self._shuffle, self._seed = batch_size, shuffle, seed

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch; None where nobody knows."""
        return -(-len(self.X) // (self._batch_size or len(self.X)))

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch. A callback may have changed the data after the last one."""
        n = common_length(X=self.X, y=self.y)
        order = random.Random(f"{self._seed}/{number}") if self._shuffle else None
        return ((self.X, self.y, rows) for rows in rows_of_batches(n, self._batch_size, order))


class BatchFeed:
    """The batches of an iterable, pairs of samples and targets: in each epoch it is gone through once."""

    def __init__(self, source: Any, epochs: int) -> None:
        self._source = source
        self.runs_code = not isinstance(source, (list, tuple))  # of the user's, where it makes a batch
        if not isinstance(source, Iterable) and not callable(source):
            raise TypeError(
                "X must be a list of samples, with their targets as y, or without y what gives batches, not "
                f"{describe(source)}"
            )
        if isinstance(source, Iterator) and epochs > 1:
            raise ValueError(
                f"X is a {type(source).__name__}, which gives its batches once, and {epochs} epochs need them again: "
                "give a function that makes one, as lambda: data.batches(…), a list of it, or epochs=1"
            )

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch; None where nobody knows."""
        return len(self._source) if hasattr(self._source, "__len__") else None

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        source = self._source if isinstance(self._source, Iterable) else self._source()
        place = -1
        for place, batch in enumerate(source):
            X, y = self._split(batch, f"batch {place} of epoch {number}")
            yield X, y, range(len(X))
        if place < 0:
            raise ValueError(
                f"X gave no batch in epoch {number}: an epoch needs one, and a function makes a new iterator each time"
            )

    @staticmethod
    def _split(batch: Any, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
        """The samples and the targets of a batch."""
        if not isinstance(batch, (list, tuple)) or len(batch) != 2 or not all(hasattr(x, "__len__") for x in batch):
            raise TypeError(
                f"without y, X gives batches, each a pair of samples and targets, but {name} is {describe(batch)}: "
                "if X holds samples, give their targets, too, as in fit(model, X, y)"
            )
        X, y = parallel(**{f"the samples of {name}": batch[0], f"the targets of {name}": batch[1]})
        return X, y
