"""Tables: named columns of numbers and texts, read from CSV files and written to them.

A cell is what the file says, with None where a value is missing. Making the inputs of a model from a table is left to
`preprocessing.py`. A file is not trusted: whatever is wrong with it is a `ValueError` of one line that says where.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from tinygrad_edu import _io
from tinygrad_edu._display import GAP, MAX_COLUMNS, Sheet, format_numbers
from tinygrad_edu._samples import to_columns
from tinygrad_edu._validate import require_ints, to_float
from tinygrad_edu.errors import api_boundary, quote_list, short_repr

from ._columns import Column, Numbers, Texts, number_texts
from ._csv import Records
from ._numbers import read_plain
from ._reading import Content, Options, read_columns, require_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

Cell = float | str | None

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
"""The marks of a missing value, in lower case; capital letters and spaces around them make no difference."""


MAX_SHOWN_ROWS = 20  # of more rows the first and the last five are shown


class Table:
    """Named columns of equal length, each all numbers or all texts, with None for a missing value.

    A table does not change; `select`, `take`, `head` and `drop_missing` make new ones. It keeps numbers and texts
    compactly; `numbers` and `codes` give them as NumPy arrays.

    Args:
        columns: The cells of each column by its name: numbers or texts, or None. Or a frame of pandas, Polars or
            PyArrow, or a sequence of dicts that are its rows.
        source: The file that the rows come from, for error messages.
        lines: The line of each row in that file.
        notes: What a reader should know about how the file was read, each one a line of text.

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

    @api_boundary
    def __init__(
        self,
        columns: Any,
        source: str = "",
        lines: Sequence[int] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._columns = {name: _make_column(name, values) for name, values in to_columns(columns).items()}
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of a table must be equally long, not {lengths}")
        self._length = next(iter(lengths.values()), 0)
        self.source, self.lines, self.notes = source, lines, list(notes)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._columns)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows, each a tuple in the order of the columns."""
        return list(zip(*[column.cells() for column in self._columns.values()]))

    def __len__(self) -> int:
        """The number of rows."""
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    @api_boundary
    def __getitem__(self, name: str) -> list[Any]:
        return self._find(name).cells()

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

    @api_boundary
    def numbers(self, name: str) -> "NDArray[Any]":
        """A column of numbers as an array.

        Args:
            name: The name of the column.

        Returns:
            n floats, nan where a number is missing. It is not to be changed.

        Raises:
            ValueError: There is no such column, or it holds texts.

        Example:
            >>> Table({"mass": [3.5, None, 5.0]}).numbers("mass")
            array([3.5, nan, 5. ])
        """
        column = self._find(name)
        if isinstance(column, Texts):
            raise ValueError(f"column {short_repr(name)} holds texts, such as {short_repr(column.names[0])}")
        return column.values

    @api_boundary
    def codes(self, name: str) -> tuple["NDArray[Any]", list[str]]:
        """A column of texts as an array of integers.

        Args:
            name: The name of the column.

        Returns:
            n integers, and the distinct names that they count, from 0 on; -1 is a missing text.

        Raises:
            ValueError: There is no such column, or it holds numbers.

        Example:
            >>> Table({"sex": ["m", "f", None, "m"]}).codes("sex")
            (array([ 0,  1, -1,  0], dtype=int32), ['m', 'f'])
        """
        import numpy as np

        column = self._find(name)
        if isinstance(column, Texts):
            return column.codes.astype(np.int32), list(column.names)
        if not column.is_missing().all():
            raise ValueError(f"column {short_repr(name)} holds numbers, not texts")
        return np.full(len(column), -1, np.int32), []

    def is_text(self, name: str) -> bool:
        """Whether a column holds texts; one without any value counts as one of numbers.

        Args:
            name: The name of the column.

        Returns:
            True for texts, False for numbers.
        """
        return isinstance(self._find(name), Texts)

    def is_missing(self, name: str) -> "NDArray[Any]":
        """Where the values of a column are missing.

        Args:
            name: The name of the column.

        Returns:
            n truth values.
        """
        return self._find(name).is_missing()

    def place(self, row: int) -> str:
        """Where a row comes from, in words.

        Args:
            row: The number of the row, counted from 0.

        Returns:
            Its file and line, or its number in the table.
        """
        return f"row {row}" if self.lines is None else f"{self.source}, line {self.lines[row]}"

    @api_boundary
    def select(self, *names: str) -> "Table":
        """Chooses columns.

        Args:
            *names: The names of the columns.

        Returns:
            The table of these columns, in this order.
        """
        return Table({name: self._find(name) for name in names}, self.source, self.lines, self.notes)

    @api_boundary
    def take(self, rows: Iterable[int]) -> "Table":
        """Chooses rows.

        Args:
            rows: The numbers of the rows, counted from 0; a list, or an array of ints.

        Returns:
            The table of these rows, in this order.

        Raises:
            IndexError: There is no such row.
            TypeError: A number is no int.
        """
        import numpy as np

        chosen = _to_row_numbers(rows, len(self))
        columns = {name: column.take(chosen) for name, column in self._columns.items()}
        lines = None if self.lines is None else np.asarray(self.lines)[chosen]
        return Table(columns, self.source, cast("Sequence[int] | None", lines), self.notes)

    @api_boundary
    def drop_missing(self, *names: str) -> "Table":
        """Leaves out the rows that have a missing value.

        Args:
            *names: The columns that must have a value; all columns if none is named.

        Returns:
            The table of the other rows.
        """
        import numpy as np

        missing = np.zeros(len(self), bool)
        for name in names or self:
            missing |= self.is_missing(name)
        return self.take(np.flatnonzero(~missing))

    @api_boundary
    def drop_rare(self, name: str, at_least: int) -> "Table":
        """Leaves out the rows whose text in a column is rare, such as a class that cannot be split.

        Args:
            name: The name of a column of texts.
            at_least: How many rows a text must have.

        Returns:
            The table of the other rows; rows without a text stay.

        Raises:
            ValueError: There is no such column, or it holds numbers.

        Example:
            >>> Table({"kind": ["a", "b", "a", None]}).drop_rare("kind", at_least=2)["kind"]
            ['a', 'a', None]
        """
        import numpy as np

        codes, _ = self.codes(name)
        counts = np.append(np.bincount(codes[codes >= 0]), at_least)  # the last one is that of -1
        return self.take(np.flatnonzero(counts[codes] >= at_least))

    @api_boundary
    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes a UTF-8 file that `read_csv` reads back, in one step; missing values become empty cells.

        A text that looks like a number or a missing value is read back as one, and without spaces around it. Names that
        are numbers need `read_csv(path, header=True)`.

        Args:
            path: The file to write.

        Raises:
            OSError: The file cannot be written; an old one is then untouched.
        """
        import csv

        text = io.StringIO(newline="")
        csv.writer(text).writerows([self.columns, *self.rows])
        if {*";\t|"} & {*text.getvalue()}:  # quotes tell that they do not separate cells
            text = io.StringIO(newline="")
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows([self.columns, *self.rows])
        _io.write(path, text.getvalue())

    def _find(self, name: str) -> Column:
        require_column(name, self._columns, self.source)
        return self._columns[name]


def _holds_texts(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, str) for cell in cells)


def _format_cells(cells: Sequence[Any]) -> list[str]:
    return ["None" if x is None else x for x in cells] if _holds_texts(cells) else format_numbers(cells)


def _make_column(name: str, values: Iterable[Cell] | Column) -> Column:
    import numpy as np

    if not isinstance(name, str):
        raise TypeError(f"a column has a text as its name, not {short_repr(name)}")
    if isinstance(values, (Numbers, Texts)):
        return values
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"column {short_repr(name)} must be a list of cells, not {short_repr(values)}")
    cells = list(values)
    texts = [isinstance(v, str) for v in cells if v is not None]
    if any(texts):
        if not all(texts):
            raise ValueError(f"column {short_repr(name)} mixes numbers and texts")
        return number_texts(cast("list[str | None]", cells))
    cell = f"a cell of column {short_repr(name)}"
    numbers = [None if v is None else to_float(v, cell) for v in cells]
    for x in numbers:
        if x is not None and not isfinite(x):
            raise ValueError(f"column {short_repr(name)} holds {x}: a missing number is None, and none is infinite")
    return Numbers(np.array([nan if x is None else x for x in numbers], float))


def _to_row_numbers(rows: Any, length: int) -> "NDArray[Any]":
    import numpy as np

    if not isinstance(rows, np.ndarray):
        rows = list(rows)
        for row in rows:
            if not hasattr(row, "__index__") or isinstance(row, bool):
                raise TypeError(f"a row is taken by its number, counted from 0, not by {short_repr(row)}")
        rows = np.array([row.__index__() for row in rows], np.int64)
    elif rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise TypeError(f"rows are taken by a list of their numbers, not by an array of {rows.dtype}")
    chosen: NDArray[Any] = rows
    outside = chosen[(rows < -length) | (rows >= length)]
    if len(outside):
        raise IndexError(f"there is no row {outside[0]} in a table of {length}, counted from 0")
    return chosen


# ---- CSV files -------------------------------------------------------------------------------------------------------
@api_boundary
def read_csv(
    path: str | os.PathLike[str],
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    types: Mapping[str, type] | None = None,
    sep: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> Table:
    r"""Reads a CSV file (RFC 4180): a header, then rows; quoted cells may hold separators, quotes and line ends.

    The separator is recognised: a comma, semicolon, tab or `|`. The text is UTF-8, or UTF-16 with a byte order mark;
    any other file is read as Windows-1252 (Latin-1), with a note. Blank lines are left out, and so are a first column
    without a name, as it numbers the rows, and spaces around names and texts. A cell is missing (None) if it is empty
    or one of `MISSING`.

    A column is one of floats if all its other cells are finite numbers, and one of texts if none is a number. A mixture
    is an error, unless `types` says what the column is. Numbers may be written as Excel writes them, 1.234,56 or
    1 234,5 or 12,5 % (which is 12.5) or $1,200, if a whole column can be read in one way only. `notes` of the table
    says whatever was not plain.

    Args:
        path: The file to read.
        columns: The names of the columns to read, in their order; None reads all.
        exclude: The names of columns to leave out.
        types: The type of a column by its name: float for numbers, also with a unit, as 12 kg; str for texts, such as
            categories whose names are numbers.
        sep: The character between two cells; None recognises it.
        header: Whether the first line names the columns; if not, they are called column1, column2, …. None takes it for
            names, and raises an error where it holds numbers.
        decimal: The mark before decimals, "." or ","; None finds it out, column by column.
        thousands: The mark between thousands, as "." or " "; None takes any.
        missing: More marks of missing values, as "-999" or "unknown".
        keep: Marks that stand for themselves, as "NA", the country code of Namibia.

    Returns:
        The table; its error messages name the file and the line.

    Raises:
        FileNotFoundError: There is no such file; another `OSError` where it cannot be opened.
        ValueError: The file is no text, is empty, or has no rows; a name is blank or comes twice; a column is not
            there; a row is longer or shorter than the header; a quote is never closed; a text stands where a number
            belongs; or a number can be read in two ways. The message says file, line, column and value.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "fruit.csv")
        ...     _ = path.write_text('fruit;grams\n"apple; red";150,5\npear;NA\n')
        ...     table = read_csv(path)
        >>> table.rows
        [('apple; red', 150.5), ('pear', None)]
        >>> table.notes
        ["numbers with decimal commas in 'grams': '150,5' is read as 150.5"]
    """
    with open_csv(path, make_options(sep, header, decimal, thousands, missing, keep)) as file:
        return file.read(columns, exclude, types)


class CsvFile:
    """A CSV file that is open: `read` makes a table of it, and `add_columns` the text of a copy with more columns."""

    def __init__(self, file: BinaryIO, source: str, options: Options) -> None:
        self._file, self._source, self._options = file, source, options
        self._content: Content | None = None

    def read(
        self,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        types: Mapping[str, type] | None = None,
    ) -> Table:
        """Reads a table; the arguments are those of `read_csv`."""
        for argument, names in (("columns", columns), ("exclude", exclude)):
            _require_list(argument, names)
        types = dict(types or {})
        content = read_columns(self._file, self._source, self._options, columns, types, exclude)
        self._content = content
        return Table(content.columns, self._source, cast("Sequence[int]", content.lines), content.notes)

    @property
    def has_decimal_commas(self) -> bool:
        """Whether numbers of the file were read with commas before decimals."""
        return self._content is not None and self._content.decimal == ","

    def add_columns(self, columns: Mapping[str, Sequence[Cell]]) -> str:
        """The file as it is, with columns added, as CSV: cells, separator and decimal mark are those of the file."""
        import csv

        content = self._content
        assert content is not None  # it has been read
        taken = {*content.names} & columns.keys()
        if taken:
            way_out = "rename it, as the result gets that name"
            raise ValueError(f"{self._source} has a column {quote_list(taken)} already: {way_out}")
        self._file.seek(0)
        rows = iter(Records(self._file, self._source, content.sep))
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=content.sep, lineterminator="\n")
        if self._options.header is not False:
            writer.writerow([*next(rows)[1], *columns])
        for (_, cells), added in zip(rows, zip(*columns.values())):
            writer.writerow([*cells, *map(self._write_cell, added)])
        return text.getvalue()

    def _write_cell(self, cell: Cell) -> Cell:
        return str(cell).replace(".", ",") if isinstance(cell, float) and self.has_decimal_commas else cell


@contextmanager
def open_csv(path: str | os.PathLike[str], options: Options) -> Iterator[CsvFile]:
    """Opens a CSV file that is written in this way. A pipe cannot be read again, and is kept in memory."""
    with open(_io.require_path(path), "rb") as file:
        yield CsvFile(file if file.seekable() else io.BytesIO(file.read()), str(path), options)


def make_options(
    sep: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> Options:
    """Checks what `read_csv` is told about how a file is written."""
    for argument, texts in (("missing", missing), ("keep", keep)):
        _require_list(argument, texts)
    for argument, text in (("sep", sep), ("decimal", decimal), ("thousands", thousands)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{argument} is a text of one character, not {short_repr(text)}")
    sep = {"\\t": "\t", "tab": "\t"}.get(sep or "", sep)
    if sep is not None and (len(sep) != 1 or sep in '"\r\n\0'):
        raise ValueError(f"the separator of cells must be one character, as ';' or 'tab', not {short_repr(sep)}")
    if decimal not in (None, ".", ","):
        raise ValueError(f"the mark before decimals must be '.' or ',', not {short_repr(decimal)}")
    if thousands is not None and (len(thousands) != 1 or thousands.isalnum() or thousands in "+-"):
        raise ValueError(f"the mark between thousands must be one character, as ',', not {short_repr(thousands)}")
    if thousands is not None and thousands == decimal:
        raise ValueError(f"the mark before decimals and that between thousands cannot both be {short_repr(decimal)}")
    if thousands and not decimal:
        decimal = "," if thousands == "." else "."
    asked, kept = {_fold(mark) for mark in missing}, {_fold(mark) for mark in keep}
    words = {mark for mark in MISSING if mark[:1].isalpha()} - asked - kept
    marks = (MISSING | asked) - kept
    numbers = frozenset([x for x in map(read_plain, marks) if x is not None])
    return Options(sep, header, decimal or "", thousands or "", marks, frozenset(words), numbers)


def _fold(mark: str) -> str:
    return mark.strip().lower()


def _require_list(argument: str, texts: Any) -> None:
    if isinstance(texts, str):
        what = "names" if argument in ("columns", "exclude") else "marks"
        raise TypeError(f"{argument} is a list of {what}, as [{texts!r}], not a text")
