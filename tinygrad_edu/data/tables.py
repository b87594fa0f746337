"""Tables: named columns of numbers and texts, read from CSV files and written to them.

A cell is what the file says, with None where a value is missing. Making the inputs of a model from a table is left to
`preprocessing.py`. A file is not trusted: whatever is wrong with it is a `ValueError` of one line that says where.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from tinygrad_edu import _io
from tinygrad_edu._display import GAP, MAX_COLUMNS, Sheet, format_numbers
from tinygrad_edu._samples import read_columns
from tinygrad_edu._validate import require_ints, to_float
from tinygrad_edu.errors import quote_list, short_repr

Cell = float | str | None

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
"""The marks of a missing value, in lower case; capital letters and spaces around them make no difference."""


MAX_SHOWN_ROWS = 20  # of more rows the first and the last five are shown


class Table:
    """Named columns of equal length, each all numbers or all texts, with None for a missing value.

    A table does not change; `select`, `take` and `drop_missing` make new ones.

    Args:
        columns: The cells of each column by its name: numbers or texts, or None. Or a frame of pandas, Polars or
            PyArrow, or a sequence of dicts that are its rows.
        source: The file that the rows come from, for error messages.
        lines: The line of each row in that file.

    Raises:
        ValueError: The columns differ in length, or one mixes numbers and texts, or holds inf or nan.
        TypeError: A name is no text, or a cell is neither a number nor a text.

    Example:
        >>> table = Table({"mass": [3.5, None, 5], "species": ["Adelie", "Adelie", "Gentoo"]})
        >>> len(table), table.columns, table["mass"]
        (3, ['mass', 'species'], [3.5, None, 5.0])
        >>> table.drop_missing("mass").rows
        [(3.5, 'Adelie'), (5.0, 'Gentoo')]
    """

    def __init__(self, columns: Any, source: str = "", lines: Sequence[int] | None = None) -> None:
        self._columns = {name: _check_cells(name, values) for name, values in read_columns(columns).items()}
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of a table must be equally long, not {lengths}")
        self._length = next(iter(lengths.values()), 0)
        self.source, self.lines = source, lines

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._columns)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows, each a tuple in the order of the columns."""
        return list(zip(*self._columns.values()))

    def __len__(self) -> int:
        """The number of rows."""
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> list[Any]:
        if not isinstance(name, str):
            raise TypeError(
                f"a column has a text as its name, not {short_repr(name)}; select('a', 'b') takes several columns"
            )
        if name not in self._columns:
            there_are = f"{self.source or 'the table'} has {quote_list(self)}"
            if self.source and len(self._columns) == 1 and {*";\t|"} & {*self.columns[0]}:
                there_are += ", a single one: save the table with commas between its columns"
            raise ValueError(f"there is no column {short_repr(name)}: {there_are}")
        return list(self._columns[name])

    def __repr__(self) -> str:
        return self._to_sheet().to_text()

    def _repr_html_(self) -> str:
        return self._to_sheet().to_html()

    def _to_sheet(self) -> Sheet:
        """The first and the last rows, as pandas shows them, and the number of rows and columns."""
        gap = len(self) > MAX_SHOWN_ROWS
        rows = [*range(5), *range(len(self) - 5, len(self))] if gap else [*range(len(self))]
        half = MAX_COLUMNS // 2
        wide = len(self.columns) > MAX_COLUMNS
        names = [*self.columns[:half], *self.columns[-half:]] if wide else self.columns
        shown = self.select(*names).take(rows)
        columns = {name: _format_cells(shown[name]) for name in names}
        texts = [[str(row) for row in rows], *columns.values()]
        header, right = ["", *names], {0, *[i for i, name in enumerate(names, 1) if not _holds_texts(shown[name])]}
        if wide:  # one column stands for those that are left out
            header.insert(half + 1, GAP)
            texts.insert(half + 1, [GAP] * len(rows))
            right = {i + (i > half) for i in right}
        lines = list(zip(*texts))
        if gap:
            lines.insert(5, (GAP,) * len(header))
        counts = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in ((len(self), "row"), (len(self.columns), "column"))]
        return Sheet(header, lines, frozenset(right), notes=[f"[{' × '.join(counts)}]"])

    def head(self, n: int = 5) -> "Table":
        """The first rows.

        Args:
            n: The number of rows, 0 or more.

        Returns:
            The table of the first n rows, or of all where there are fewer.

        Raises:
            ValueError: `n` is less than 0.
            TypeError: `n` is no int.

        Example:
            >>> Table({"mass": [3.5, None, 5], "species": ["Adelie", "Adelie", "Gentoo"]}).head(2)
               mass  species
            0   3.5  Adelie
            1  None  Adelie
            [2 rows × 2 columns]
        """
        require_ints(0, n=n)
        return self.take(range(min(n, len(self))))

    def place(self, row: int) -> str:
        """Where a row comes from, in words.

        Args:
            row: The number of the row, counted from 0.

        Returns:
            Its file and line, or its number in the table.
        """
        return f"{self.source}, line {self.lines[row]}" if self.lines else f"row {row}"

    def select(self, *names: str) -> "Table":
        """Chooses columns.

        Args:
            *names: The names of the columns.

        Returns:
            The table of these columns, in this order.
        """
        return Table({name: self[name] for name in names}, self.source, self.lines)

    def take(self, rows: Iterable[int]) -> "Table":
        """Chooses rows.

        Args:
            rows: The numbers of the rows, counted from 0.

        Returns:
            The table of these rows, in this order.

        Raises:
            IndexError: There is no such row.
            TypeError: A number is no int.
        """
        rows = list(rows)
        for row in rows:
            if not hasattr(row, "__index__") or isinstance(row, bool):
                raise TypeError(f"a row is taken by its number, counted from 0, not by {short_repr(row)}")
            if not -len(self) <= row < len(self):
                raise IndexError(f"there is no row {row} in a table of {len(self)}, counted from 0")
        columns = {name: [values[i] for i in rows] for name, values in self._columns.items()}
        return Table(columns, self.source, self.lines and [self.lines[i] for i in rows])

    def drop_missing(self, *names: str) -> "Table":
        """Leaves out the rows that have a missing value.

        Args:
            *names: The columns that must have a value; all columns if none is named.

        Returns:
            The table of the other rows.
        """
        columns = [self[name] for name in names or self]
        return self.take(i for i in range(len(self)) if all(values[i] is not None for values in columns))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes a UTF-8 file that `read_csv` reads back, in one step; missing values become empty cells.

        A text that looks like a number or a missing value is read back as one.

        Args:
            path: The file to write.

        Raises:
            OSError: The file cannot be written; an old one is then untouched.
        """
        import csv
        import io

        text = io.StringIO(newline="")
        csv.writer(text).writerows([self.columns, *self.rows])
        _io.write(path, text.getvalue())


def _holds_texts(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, str) for cell in cells)


def _format_cells(cells: Sequence[Any]) -> list[str]:
    return ["None" if x is None else x for x in cells] if _holds_texts(cells) else format_numbers(cells)


def _check_cells(name: str, values: Iterable[Cell]) -> list[Cell]:
    if not isinstance(name, str):
        raise TypeError(f"a column has a text as its name, not {short_repr(name)}")
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"column {short_repr(name)} must be a list of cells, not {short_repr(values)}")
    cells = list(values)
    texts = [isinstance(v, str) for v in cells if v is not None]
    if any(texts):
        if not all(texts):
            raise ValueError(f"column {short_repr(name)} mixes numbers and texts")
        return cells
    cell = f"a cell of column {short_repr(name)}"
    numbers = [None if v is None else to_float(v, cell) for v in cells]
    for x in numbers:
        if x is not None and not isfinite(x):
            raise ValueError(f"column {short_repr(name)} holds {x}: a missing number is None, and none is infinite")
    return [*numbers]


# ---- CSV files -------------------------------------------------------------------------------------------------------
def read_csv(
    path: str | os.PathLike[str],
    *,
    columns: Iterable[str] | None = None,
    types: Mapping[str, type] | None = None,
    delimiter: str = ",",
) -> Table:
    r"""Reads a CSV file (RFC 4180), UTF-8: a header, then rows; quoted cells may hold commas, quotes and line ends.

    A cell is missing (None) if it is empty or one of `MISSING`. A column is one of floats if all its other cells are
    finite numbers, and one of texts if none is a number. A mixture is an error, unless `types` says what the column
    is. Blank lines are left out. Names lose the spaces around them, texts keep theirs.

    Args:
        path: The file to read.
        columns: The names of the columns to read, in their order; None reads all.
        types: The type of a column by its name: float for numbers, str for texts, such as categories whose names are
            numbers.
        delimiter: The character between two cells.

    Returns:
        The table; its error messages name the file and the line.

    Raises:
        FileNotFoundError: There is no such file; another `OSError` where it cannot be opened.
        ValueError: The file is no UTF-8 text, is empty, or has no rows; a name is blank or comes twice; a column is not
            there; a row is longer or shorter than the header; a quote is never closed; or a text stands where a number
            belongs. The message says file, line, column and value.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "fruit.csv")
        ...     _ = path.write_text('fruit,grams\n"apple, red",150\npear,NA\n')
        ...     read_csv(path).rows
        [('apple, red', 150.0), ('pear', None)]
    """
    return parse_cells(read_cells(path, delimiter), columns, types)


def read_cells(path: str | os.PathLike[str], delimiter: str = ",") -> Table:
    """Reads a CSV file as `read_csv` does, but all of its columns, and their cells as they are: texts."""
    import csv
    import io

    with open(_io.require_path(path), "rb") as file:
        text = _decode(str(path), file.read())
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records = list(_read_rows(str(path), reader))
    if not records:
        raise ValueError(f"{path} is empty: the first line must name the columns")
    names = _read_header(f"{path}, line {records[0][0]}", records[0][1])
    for line, cells in records[1:]:
        if len(cells) != len(names):
            raise ValueError(f"{path}, line {line}: expected {len(names)} cells, as in the header, not {len(cells)}")
    if len(records) == 1:
        raise ValueError(f"{path} has a header, and no rows")
    lines = [line for line, _ in records[1:]]
    return Table({name: [cells[i] for _, cells in records[1:]] for i, name in enumerate(names)}, str(path), lines)


def parse_cells(cells: Table, columns: Iterable[str] | None = None, types: Mapping[str, type] | None = None) -> Table:
    """Makes numbers and missing values of the cells that `read_cells` gave; the arguments are those of `read_csv`."""
    if isinstance(columns, str):
        raise TypeError(f"columns is a list of names, as [{columns!r}], not a text")
    types = dict(types or {})
    cells.select(*types)  # each is a column
    chosen = cells if columns is None else cells.select(*columns)
    return Table({name: _parse_column(chosen, name, types.get(name)) for name in chosen}, cells.source, cells.lines)


def _decode(path: str, raw: bytes) -> str:
    try:
        text, bad = raw.decode("utf-8-sig"), raw.find(b"\0")
    except UnicodeDecodeError as error:
        text, bad = "", error.start
    if bad >= 0:
        line = raw.count(b"\n", 0, bad) + 1
        problem = f"byte 0x{raw[bad]:02x} is not part of a UTF-8 text"
        raise ValueError(f"{path}, line {line}: {problem}: save the table as CSV, UTF-8")
    return text


def _read_rows(path: str, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its first line (a quoted cell may span several)."""
    import csv

    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: the row that begins here is not CSV: {error}") from error


def _read_header(place: str, cells: Iterable[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for i, name in enumerate(names):
        if not name:
            raise ValueError(f"{place}: column {i + 1} has no name: give it one, or delete it if it numbers the rows")
        if name in names[:i]:
            raise ValueError(f"{place}: two columns are called {short_repr(name)}")
    return names


def _parse_column(table: Table, name: str, kind: type | None) -> list[Any]:
    """The numbers or the texts of a column of cells."""
    if kind not in (None, float, str):
        raise TypeError(f"the type of column {short_repr(name)} is float or str, not {kind!r}")
    texts = [None if cell.strip().lower() in MISSING else cell for cell in table[name]]
    numbers = [None if text is None else _parse_float(text) for text in texts]
    other = [i for i, text in enumerate(texts) if text is not None and numbers[i] is None]
    good = [i for i, number in enumerate(numbers) if number is not None]
    if kind is str or (kind is None and other and not good):
        return texts
    if not other:
        return numbers
    problem = (
        f"{table.place(other[0])}, column {short_repr(name)}: {short_repr(texts[other[0]])} is not a finite number"
    )
    if kind is None:
        problem += f", but {short_repr(texts[good[0]])} in another row is: correct it, or read the column as text"
    raise ValueError(problem)


def _parse_float(text: str) -> float | None:
    try:
        x = float(text)
    except ValueError:
        return None
    return x if isfinite(x) and "_" not in text else None  # Python reads 1_000 as a number; in a file it is a name
