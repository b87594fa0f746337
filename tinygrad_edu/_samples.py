"""Samples by position: whatever people hold data in, as a sequence whose item i is sample i.

Lists, tuples, NumPy arrays, and objects that have a length and give an item for an int are such sequences. A series of
pandas gives its items by labels, and a frame gives columns: both become arrays here, a frame row by row. So do tensors
and other arrays. narwhals, which knows the frames of pandas, Polars, PyArrow and others, is imported where something
may be one; none of these is. What a sample means is left to the callers.
"""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isnan, nan
from typing import Any

from ._validate import common_length, is_number, length
from .errors import describe, short_repr

Array = Any  # of NumPy


def by_position(name: str, things: Any) -> Sequence[Any]:
    """The things as a sequence whose item i is the i-th of them; messages call it `name`.

    Lists, arrays and other sequences come back as they are. A frame becomes an array with a row for each of its rows; a
    number that is missing in a frame or a series is nan, a text is None.

    >>> by_position("X", [[1.0], [2.0]])
    [[1.0], [2.0]]

    Raises:
        TypeError: It is no sequence, or a frame with a column that holds no numbers.
        ValueError: It is a frame without columns, or with two of the same name.
    """
    if hasattr(things, "toarray"):  # a sparse matrix of SciPy, whose len() raises
        raise TypeError(f"{name} is a sparse {type(things).__name__}: {name}.toarray() makes an array of it")
    if not hasattr(things, "__array__"):
        if hasattr(things, "collect") and not hasattr(things, "__len__"):
            raise TypeError(f"{name} is a {type(things).__name__}, which has no rows yet: {name}.collect() reads them")
        length(name, things)
        return things  # type: ignore[no-any-return]
    frame = _open_frame(name, things)
    sequence: Sequence[Any]
    if frame is None:
        sequence = _to_array(name, things)
    elif hasattr(frame, "iter_columns"):
        sequence = _stack(name, {column.name: _read_series(column) for column in frame.iter_columns()})
    else:
        sequence = _read_series(frame)
    return sequence


def parallel(**named: Any) -> list[Sequence[Any]]:
    """Parallel sequences by position, in the order of the arguments.

    >>> X, y = parallel(X=[[1.0], [2.0]], y=(3.0, 5.0))
    >>> X[1], y[1]
    ([2.0], 5.0)

    Raises:
        TypeError: One of them is no sequence, or as for `by_position`.
        ValueError: They are empty, or their lengths differ.
    """
    sequences = {name: by_position(name, things) for name, things in named.items()}
    common_length(**sequences)
    return [*sequences.values()]


def take(things: Any, rows: Sequence[int]) -> Any:
    """The things in these places: an array of an array, a frame or a series of such; of anything else a list.

    >>> take("abc", [2, 0])
    ['c', 'a']
    """
    if not hasattr(things, "__array__"):
        return [things[i] for i in rows]
    frame = _open_frame("the data", things)
    return _to_array("the data", things)[rows] if frame is None else frame[rows].to_native()


def is_array(things: Any) -> bool:
    """Whether this is an array of NumPy, which is not loaded to find out."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(things, numpy.ndarray)


def to_array(rows: Any) -> Any:
    """An array of numbers, or of rows of equally many numbers; what cannot be one as it is."""
    import numpy as np

    try:
        return np.array(rows, dtype=float)
    except (TypeError, ValueError):
        return rows


def to_columns(things: Any) -> dict[str, list[Any]]:
    """The columns of a frame, or of a sequence of dicts that are its rows, by their names; None is a missing cell.

    >>> to_columns([{"mass": 3.5, "species": "Adelie"}, {"mass": 5.0}])
    {'mass': [3.5, 5.0], 'species': ['Adelie', None]}

    Raises:
        TypeError: It is anything else.
        ValueError: Two columns have the same name.
    """
    if isinstance(things, Mapping):
        return {name: read_cells(cells) for name, cells in things.items()}
    if hasattr(things, "__array__"):
        frame = _open_frame("the table", things)
        if frame is not None:
            columns = frame.iter_columns() if hasattr(frame, "iter_columns") else [frame]
            return {str(column.name): _list_cells(column) for column in columns}
        names = getattr(getattr(things, "dtype", None), "names", None)  # of an array of records
        if names:
            return {name: read_cells(things[name]) for name in names}
    elif hasattr(things, "__len__") and not isinstance(things, str):
        rows = [things[i] for i in range(len(things))]
        if rows and all(isinstance(row, Mapping) for row in rows):
            return {name: [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}
    raise TypeError(
        "a table is made of a dict of lists by their names, of a frame, or of a list of dicts that are its rows, "
        f"not of {short_repr(things)}"
    )


def read_cells(cells: Any) -> Any:
    """The cells of one column by position, with None where a series has no value."""
    frame = _open_frame("the column", cells) if hasattr(cells, "__array__") else None
    return cells if frame is None or hasattr(frame, "iter_columns") else _list_cells(frame)


def _open_frame(name: str, things: Any) -> Any:
    """A frame or a series as narwhals sees it; None for any other thing that has `__array__`."""
    if is_array(things) or is_number(things):
        return None
    import narwhals.stable.v2 as nw

    try:
        found = nw.from_native(things, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError:
        raise ValueError(f"{name} has two columns of the same name: rename one, or leave it out") from None
    return found if isinstance(found, (nw.DataFrame, nw.Series)) else None


def _to_array(name: str, things: Any) -> Any:
    """An array of NumPy, of whatever gives one; of its own classes the plain one, so that rows are rows."""
    import numpy as np

    if isinstance(things, np.ma.MaskedArray):
        return np.ma.filled(things.astype(float), nan)
    array = np.asarray(things)
    if not array.shape:
        raise TypeError(f"{name} must be a list, or another sequence, not {describe(things)}")
    if array.dtype.hasobject and all(map(is_number, array.flat)):
        return np.array(array.tolist())  # an array of numbers, which is read at once
    return array


def _list_cells(series: Any) -> list[Any]:
    """The cells of a series, with None for a missing one."""
    cells = [None if missing else cell for cell, missing in zip(series.to_list(), series.is_null().to_list())]
    return [None if isinstance(cell, float) and isnan(cell) else cell for cell in cells]


def _read_series(series: Any) -> Any:
    """The items of a series: an array of numbers, with nan for a missing one, or a list of other things, with None."""
    import numpy as np

    if series.dtype.is_numeric():
        array = series.to_numpy()
        if array.dtype.kind in "fiu":
            return array
    cells = _list_cells(series)
    if not all(cell is None or is_number(cell) or isinstance(cell, Decimal) for cell in cells):
        return cells
    if all(isinstance(cell, int) for cell in cells):
        return np.array([*map(int, cells)])  # of booleans 0 and 1
    return np.array([nan if cell is None else float(cell) for cell in cells])


def _stack(name: str, columns: dict[Any, Any]) -> Any:
    """An array with a column of numbers for each of these."""
    import numpy as np

    if not columns:
        raise ValueError(f"{name} is a frame without columns")
    for column, numbers in columns.items():
        if isinstance(numbers, list):
            cell = next(cell for cell in numbers if cell is not None and not is_number(cell))
            raise TypeError(
                f"{name} has a column {column!r} that holds no numbers, but {short_repr(cell)}: choose the columns of "
                "numbers, or encode all: table = data.Table(frame); data.Features.fit(table).transform(table)"
            )
    return np.column_stack([*columns.values()])
