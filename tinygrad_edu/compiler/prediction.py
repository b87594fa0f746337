"""The predictions of many samples: a model becomes a program, which computes all of them at once.

When that is worth its while is left to `Module.predict`.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from tinygrad_edu.modes import enable_grad

from ._data_rows import DataRows
from ._snapshot import Snapshot
from ._structure import join_numbers
from .compiled import Compiled

Array = Any  # of NumPy


def predict_many(model: Callable[[Any], Any], X: Sequence[Any]) -> Any:
    """What a model returns for n samples: an array of n numbers or of n rows of numbers, else a list of n results.

    None where there is no program, or where it does not compute all: the samples are no numbers of one shape, the model
    branches on numbers, draws random ones, keeps something from call to call, or is not defined at a sample. The model
    is left as it was, as a copy is recorded.
    """
    rows = DataRows(X).rows(range(len(X)))
    if rows.numbers is None:
        return None
    columns = [_to_ints(column) if is_int else column for column, is_int in zip(rows.numbers.T, rows.ints)]
    try:
        twin = deepcopy(model)
        before = Snapshot(twin)

        def of_sample(numbers: list[Any]) -> Any:
            return twin(join_numbers(rows.structure, iter(numbers)))

        with enable_grad():
            found = Compiled(of_sample)(columns)
        return None if Snapshot(twin).difference(before) else _to_rows(found, len(X))
    except Exception:
        return None  # the model itself, called on Values, says what it is


def _to_ints(column: Array) -> Array:
    """Numbers of which the first is an int as ints, if they all are."""
    with np.errstate(invalid="ignore"):
        ints = column.astype(int)
    return ints if (ints == column).all() else column


def _to_rows(found: Any, n: int) -> Any:
    """The n results, from one result with an array of n numbers in place of each number that differs."""
    if isinstance(found, (np.ndarray, float)):
        return np.broadcast_to(found, n)
    if isinstance(found, dict):
        columns = [_to_rows(part, n) for part in found.values()]
        return [dict(zip(found, row)) for row in _to_tuples(columns, n)]
    if isinstance(found, (list, tuple)):
        columns = [_to_rows(part, n) for part in found]
        if type(found) is list and found and all(isinstance(c, np.ndarray) and c.ndim == 1 for c in columns):
            return np.stack(columns, axis=1)
        kind = type(found)
        return [kind(*row) if hasattr(kind, "_fields") else kind(row) for row in _to_tuples(columns, n)]
    return [found] * n


def _to_tuples(columns: list[Any], n: int) -> list[tuple[Any, ...]]:
    """For each of n results its parts."""
    return [*zip(*[c.tolist() if isinstance(c, np.ndarray) else c for c in columns])] if columns else [()] * n
