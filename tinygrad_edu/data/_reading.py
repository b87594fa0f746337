"""Columns of numbers and texts from the records of a CSV file.

A chunk of rows is read at a time, and each column makes an array of it at once. Most columns are plain numbers or texts
from the first row to the last. Where that turns out to be wrong after some rows, the file is read once more, and that
column is kept as texts until all of it is known. How numbers may be written stands in `_numbers.py`, what a file is
made of in `_csv.py`; the arguments and the errors are those of `read_csv` (`tables.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any, BinaryIO

from tinygrad_edu.errors import quote_list, short_repr

from ._columns import Column, Numbers, PackedTexts, Texts, shrink, unite
from ._csv import Records
from ._numbers import Way, find_affix, find_ways, is_sign, may_be_number, read_all, read_plain, split_affix

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 2**18  # in a chunk
MANY = 2**14  # texts, of which a column packs those that it has where most of its cells are new ones
TYPE_OPTIONS = "--text COLUMN or --exclude COLUMN (in Python types= or exclude=)"


@dataclass(frozen=True)
class Options:
    """How a file is written: what `read_csv` and the command are told about it."""

    sep: str | None = None
    header: bool | None = None
    decimal: str = ""
    thousands: str = ""
    marks: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()  # those of the marks that may be texts, and that nobody has asked for
    numeric_marks: frozenset[float] = frozenset()  # such as -999, which count however they are written

    def is_missing(self, text: str) -> bool:
        """Whether a text is the mark of a missing value."""
        if text.strip().lower() in self.marks:
            return True
        return bool(self.numeric_marks) and read_plain(text) in self.numeric_marks


@dataclass
class Content:
    """What a file holds: its columns, the line of each row, and notes on how it was read."""

    columns: dict[str, Column]
    lines: "NDArray[Any]"
    notes: list[str]
    sep: str
    decimal: str
    names: list[str]


class Numbering(dict[str, int]):
    """Numbers texts as they come: the spaces around them make no difference, and a missing one is -1.

    A dictionary takes 150 bytes for a text, and is of little use where texts do not come again: there it forgets them
    from time to time, and a text that does come again has two numbers until `unite` is called.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._fresh: list[str] = []
        self.names: Sequence[str] = self._fresh  # those that are not packed; of all texts once they are united
        self.padded = ""
        self.missing: dict[str, str] = {}  # the words that count as missing: in lower case, and as first written
        self._packed: list[PackedTexts] = []
        self._first = 0  # the number of the first one that is not packed
        self._cells = self._looked_at = 0

    @property
    def count(self) -> int:
        """How many numbers are given."""
        return self._first + len(self._fresh)

    def __missing__(self, text: str) -> int:
        name = text.strip()
        if name != text:
            code = self[name]
            self.padded = self.padded or (code >= 0 and text) or ""
        elif self.options.is_missing(name):
            code = -1
            if name.lower() in self.options.words:
                self.missing.setdefault(name.lower(), name)
        else:
            code = self.count
            self._fresh.append(name)
        self[text] = code
        return code

    def pack(self, cells: int) -> None:
        """Called after so many cells: packs the texts and forgets them, if most of the last cells were new ones."""
        self._cells += cells
        new = len(self._fresh) - self._looked_at
        if new >= MANY:
            if 2 * new > self._cells:
                self._packed.append(PackedTexts(self._fresh))
                self._first = self.count
                self.names = self._fresh = []
                self.clear()
            self._looked_at, self._cells = len(self._fresh), 0

    def unite(self) -> "NDArray[Any] | None":
        """Called after the last cell: the final number of each one that was given; None if they are final."""
        if not self._packed:
            return None
        self.names, numbers = unite([*self._packed, PackedTexts(self._fresh)])
        self._packed, self._fresh = [], []
        self.clear()
        return numbers


class _Column:
    """A column while the file is read."""

    def __init__(self, name: str, kind: type | None, options: Options, as_texts: bool) -> None:
        self.name, self.kind, self.options = name, kind, options
        self.is_plain = kind is not str and not as_texts
        self.way: Way | None = None
        self.example = ""
        self.parts: list[NDArray[Any]] = []
        self.numbering = Numbering(options)
        self.missing: set[str] = set()  # the marks of missing numbers, in lower case
        self.is_lost = False  # it began as numbers, and goes on as something else: it must be read again as texts
        self._spellings = {m: "nan" for mark in options.marks for m in (mark, mark.upper(), mark.title())}
        self._numeric_marks = [*options.numeric_marks]
        self._may_begin_otherwise = not as_texts

    def add(self, cells: Sequence[str]) -> None:
        """Adds the cells of a chunk of rows."""
        import numpy as np

        if self.is_lost:
            return
        if self.is_plain or self.way:
            xs = self._read_way(cells) if self.way else self._read_plain(cells)
            if xs is not None:
                self.missing.update(cells[i].strip().lower() for i in np.flatnonzero(np.isnan(xs)).tolist())
                self._keep(xs)
                return
            if any(not np.isnan(part).all() for part in self.parts):
                self.is_lost = True
                return
            self.is_plain, self.way = False, None
            self.parts = [np.full(len(part), -1, np.int32) for part in self.parts]
        codes = np.fromiter(map(self.numbering.__getitem__, cells), np.int32, len(cells))
        self._keep(shrink(codes, self.numbering.count))
        if self._may_begin_otherwise and self.numbering.names and self.kind is not str:
            self._may_begin_otherwise = False
            self._choose_way()
        self.numbering.pack(len(cells))

    def _keep(self, part: "NDArray[Any]") -> None:
        """Adds an array to the others, joined as in a binary counter: a few large ones, and each is copied rarely."""
        import numpy as np

        self.parts.append(part)
        while len(self.parts) > 1 and len(self.parts[-2]) <= len(self.parts[-1]):
            self.parts[-2:] = [np.concatenate(self.parts[-2:])]

    def _choose_way(self) -> None:
        """Goes on with numbers if the texts so far are written in one way of writing numbers."""
        names = self.numbering.names
        ways = find_ways(names, self.options.decimal, self.options.thousands)
        if len(ways) == 1 and (self.kind is float or not ways[0].affix or is_sign(ways[0].affix)):
            self.read_as(ways[0])

    def read_as(self, way: Way) -> None:
        """Makes numbers of the texts so far."""
        import numpy as np

        names = self.numbering.names
        self.way = way
        self.example = next((name for name in names if read_plain(name) != way.read(name)), "")
        numbers = self._without_marks(np.array([*map(way.read, names), nan], float))
        self.parts = [numbers[part] for part in self.parts]
        self.missing.update(self.numbering.missing)
        self.numbering = Numbering(self.options)

    def _without_marks(self, xs: "NDArray[Any]") -> "NDArray[Any]":
        """The numbers, nan in place of those that mark a missing value."""
        import numpy as np

        if self._numeric_marks:
            xs[np.isin(xs, self._numeric_marks)] = nan
        return xs

    def _read_plain(self, cells: Sequence[str]) -> "NDArray[Any] | None":
        """The numbers of the cells as Python reads them; None if one is no number."""
        import numpy as np

        try:
            spelled = map(self._spellings.get, cells, cells)
            xs = np.fromiter(map(float, spelled), float, len(cells))
        except ValueError:
            return None
        together = "".join(cells)
        if "_" in together or (self.options.decimal == "," and "." in together) or np.isinf(xs).any():
            return None
        if "nan" not in self.options.marks and np.isnan(xs).any():
            return None
        return self._without_marks(xs)

    def _read_way(self, cells: Sequence[str]) -> "NDArray[Any] | None":
        import numpy as np

        assert self.way is not None
        xs = np.empty(len(cells))
        for i, cell in enumerate(cells):
            x = self.way.read(cell)
            if x is None and not self.options.is_missing(cell):
                return None
            xs[i] = nan if x is None else x
        return self._without_marks(xs)

    def may_have_points_between_thousands(self) -> bool:
        """Whether plain numbers could be such as 1.234, which stands for 1234 where the decimal mark is a comma."""
        import numpy as np

        if not self.is_plain:
            return False
        seen = False
        for part in self.parts:
            broken = np.abs(part[part % 1 != 0])
            broken = broken[~np.isnan(broken)]
            seen = seen or len(broken) > 0
            if not ((broken >= 1) & (broken < 1000) & (np.round(broken, 3) == broken)).all():
                return False
        return seen

    def find_ways(self) -> list[Way]:
        """The ways in which all texts are numbers; none for a column of texts."""
        names = self.numbering.names
        if self.is_plain or self.way or self.kind is str or not names:
            return []
        plain = self.options.decimal != "," and read_all(names, read_plain) is not None
        ways = find_ways(names, self.options.decimal, self.options.thousands)
        return [Way("."), *(way for way in ways if way.decimal == ",")] if plain else ways

    def finish(self) -> None:
        """Called after the last row: gives each text one number."""
        import numpy as np

        numbers = self.numbering.unite()
        if numbers is not None:
            numbers = shrink(np.append(numbers, -1), len(self.numbering.names))  # the last one is that of -1
            self.parts = [numbers[part] for part in self.parts]

    def join(self) -> "NDArray[Any]":
        """The array of all rows."""
        import numpy as np

        joined = np.concatenate(self.parts)
        self.parts = []
        return joined


def read_columns(
    file: BinaryIO,
    source: str,
    options: Options,
    columns: Iterable[str] | None,
    types: dict[str, type],
    exclude: Iterable[str],
) -> Content:
    """Reads a file that can be read again from its beginning; the arguments are those of `read_csv`."""
    as_texts: set[str] = set()
    while True:
        file.seek(0)
        attempt = _Attempt(file, source, options, columns, types, exclude, as_texts)
        again = {column.name for column in attempt.columns if column.is_lost}
        if not again:
            ways = {column.name: column.find_ways() for column in attempt.columns}
            used = {column.way.decimal for column in attempt.columns if column.way}
            used |= {found[0].decimal for found in ways.values() if len(found) == 1}
            if "," in used and not options.decimal:
                again = {column.name for column in attempt.columns if column.may_have_points_between_thousands()}
            if not again:
                return attempt.finish(ways, options.decimal or ("," if used == {","} else "." if used == {"."} else ""))
        as_texts |= again


class _Attempt:
    """One reading of the file, from its beginning to its end."""

    def __init__(
        self,
        file: BinaryIO,
        source: str,
        options: Options,
        columns: Iterable[str] | None,
        types: dict[str, type],
        exclude: Iterable[str],
        as_texts: set[str],
    ) -> None:
        import numpy as np

        self.source, self.options = source, options
        self.records = Records(file, source, options.sep)
        self.notes: list[str] = []
        rows = iter(self.records)
        first = next(rows, None)
        if first is None:
            raise ValueError(f"{source} is empty: the first line must name the columns")
        header_line, cells = first
        names = self._read_names(header_line, cells)
        place = {name: i for i, name in enumerate(names) if name}
        chosen = list(place) if columns is None else list(columns)
        left_out = {*exclude}
        for name in [*chosen, *types, *left_out]:
            require_column(name, place, source)
        for name, kind in types.items():
            if kind not in (float, str):
                raise TypeError(f"the type of column {short_repr(name)} is float or str, not {kind!r}")
        chosen = [name for name in chosen if name not in left_out]
        self.names = names
        self.columns = [_Column(name, types.get(name), options, name in as_texts) for name in chosen]
        nameless = [] if columns is not None else [i for i, name in enumerate(names) if not name]
        if nameless[:1] == [0]:
            self.notes.append("the first column has no name, as row numbers have none: left out")
            del nameless[0]
        self.width, size = len(names), max(16, CELLS // len(names))
        lines: list[NDArray[Any]] = []
        chunk: list[list[str]] = [cells] if options.header is False else []
        numbers = [header_line] if chunk else []

        def add_chunk() -> None:
            transposed = list(zip(*chunk))
            for column in self.columns:
                column.add(transposed[place[column.name]])
            for i in nameless:
                if any(cell.strip() for cell in transposed[i]):
                    way_out = "give it one, or delete it if it numbers the rows"
                    raise ValueError(f"{source}, line {header_line}: column {i + 1} has no name: {way_out}")
            lines.append(np.array(numbers, np.int64))
            chunk.clear()
            numbers.clear()

        for line, cells in rows:
            if len(cells) != self.width:
                expected = f"expected {self.width} cells, as in the header, not {len(cells)}"
                raise ValueError(f"{source}, line {line}: {expected}{self._explain_separator()}")
            chunk.append(cells)
            numbers.append(line)
            if len(chunk) == size:
                add_chunk()
        if chunk:
            add_chunk()
        if not lines:
            raise ValueError(f"{source} has a header, and no rows")
        self.lines = np.concatenate(lines)
        for column in self.columns:
            column.finish()

    def _explain_separator(self) -> str:
        if self.options.sep:
            return ""
        return f"; the cells are separated by {short_repr(self.records.sep)}: --sep names another character (sep=)"

    def _read_names(self, line: int, cells: list[str]) -> list[str]:
        """The names of the columns; "" for one without a name."""
        place, options = f"{self.source}, line {line}", self.options
        if options.header is False:
            return [f"column{i + 1}" for i in range(len(cells))]
        names = [cell.strip() for cell in cells]
        numbers = [x for x in map(read_plain, names) if x is not None]
        if numbers and options.header is None:
            shown = short_repr(next(name for name in names if read_plain(name) is not None))
            rising = all(a < b for a, b in pairwise(numbers)) and all(map(float.is_integer, numbers))
            ways_out = "--header none (header=False) calls the columns column1, column2, …"
            if not rising:
                raise ValueError(
                    f"{place}: {shown} is a number, where the names of the columns should stand: if this line is a row "
                    f"of data, {ways_out}; if it holds names, --header first (header=True) says so"
                )
            self.notes.append(f"the first line names the columns, also {shown}; if it is a row of data, {ways_out}")
        seen: set[str] = set()
        for name in names:
            if name and name in seen:
                raise ValueError(f"{place}: two columns are called {short_repr(name)}")
            seen.add(name)
        if not any(names):
            raise ValueError(f"{place}: column 1 has no name: the first line must name the columns")
        return names

    def finish(self, ways: dict[str, list[Way]], decimal: str) -> Content:
        """Makes the columns, now that all of the file is known."""
        columns: dict[str, Column] = {}
        written: dict[Way, list[tuple[str, str]]] = {}
        missing: dict[str, list[str]] = {}
        for column in self.columns:
            name = column.name
            if not (column.is_plain or column.way) and column.numbering.padded:
                self.notes.append(f"column {short_repr(name)}: spaces around texts do not count")
            found = ways[name]
            if len(found) > 1:
                found = [way for way in found if way.decimal == decimal] or self._refuse_two_ways(column, found)
            is_unit = found and found[0].affix and not is_sign(found[0].affix)
            if found and not column.way and (column.kind is float or not is_unit):
                column.read_as(found[0])
            if column.way and column.example:
                written.setdefault(column.way, []).append((name, column.example))
            if column.is_plain or column.way:
                columns[name] = Numbers(column.join())
            else:
                columns[name] = self._make_texts(column)
                for word in column.numbering.missing.values() if isinstance(columns[name], Texts) else []:
                    missing.setdefault(word, []).append(name)
        numbers = [c for c in self.columns if isinstance(columns[c.name], Numbers)]
        of_numbers = {mark for c in numbers for mark in c.missing if not columns[c.name].is_missing().all()}
        for word, names in missing.items():
            if word.lower() not in of_numbers:  # there it is what this file writes for anything that is missing
                way_out = f"--keep {word} (keep=) takes it for one"
                self.notes.append(f"{word} counts as missing among the texts of {quote_list(names)}; {way_out}")
        for way, examples in written.items():
            example = examples[0][1]
            self.notes.append(
                f"numbers with {way.describe()} in {quote_list(name for name, _ in examples)}: "
                f"{short_repr(example)} is read as {way.read(example):.10g}"
            )
        return Content(columns, self.lines, [*self.records.notes, *self.notes], self.records.sep, decimal, self.names)

    def _make_texts(self, column: _Column) -> Column:
        """The column of texts; refuses one of which a part is numbers, and one that must be numbers."""
        import numpy as np

        names, name = column.numbering.names, column.name
        if not names and column.kind is not str:
            return Numbers(np.full(len(column.join()), nan))
        if column.kind is str:
            return Texts(column.join(), names)
        decimals = [self.options.decimal] if self.options.decimal else [".", ","]
        readers = [read_plain, *(Way(mark, self.options.thousands).read for mark in decimals)]
        if self.options.decimal == ",":
            del readers[0]
        good = {text for text in names if may_be_number(text) and any(read(text) is not None for read in readers)}
        bad = next((text for text in names if text not in good), None)
        if column.kind is float or good or (self.options.decimal == "," and read_all(names, read_plain)):
            first = bad or next(text for text in names if read_plain(text) is None)
            problem = f"{self._place(column, first)}: {short_repr(first)} is not a finite number"
            if self.options.decimal == ",":
                problem += " with a comma before its decimals (--decimal . takes points, decimal= in Python)"
            if bad is None and good == {*names}:
                problem += " if the other rows are, as '.' and ',' are mixed: correct it"
            elif good and column.kind is None:
                other = short_repr(next(text for text in names if text in good))
                problem += f", but {other} in another row is: correct it, or read the column as text"
            raise ValueError(f"{problem}; there are --missing MARK (missing=), {TYPE_OPTIONS}")
        first_names = names[:1000]
        like_numbers = [text for text in first_names if split_affix(text)[1] and find_affix([text])]
        if 2 * len(like_numbers) > len(first_names):
            others = [text for text in first_names if text not in like_numbers]
            but = f", {short_repr(others[0])} does not" if others else ""
            self.notes.append(
                f"column {short_repr(name)} holds texts; {short_repr(like_numbers[0])} looks like a number{but}: "
                "--missing MARK and --number COLUMN (missing=, types=) read numbers"
            )
        return Texts(column.join(), names)

    def _refuse_two_ways(self, column: _Column, found: list[Way]) -> list[Way]:
        text = next(t for t in column.numbering.names if len({way.read(t) for way in found}) > 1)
        numbers = " or ".join(f"{way.read(text):.10g}" for way in found)
        raise ValueError(
            f"{self._place(column, text)}: {short_repr(text)} may be {numbers}: say which with --decimal . or "
            f"--decimal , (decimal= in Python); there are {TYPE_OPTIONS}, too"
        )

    def _place(self, column: _Column, text: str) -> str:
        import numpy as np

        codes = np.concatenate(column.parts)
        row = int(np.flatnonzero(codes == column.numbering.names.index(text))[0])
        return f"{self.source}, line {self.lines[row]}, column {short_repr(column.name)}"


def require_column(name: Any, names: Iterable[str], source: str) -> None:
    """Raises `ValueError` if there is no column of that name; the message lists those there are."""
    if not isinstance(name, str):
        raise TypeError(
            f"a column has a text as its name, not {short_repr(name)}; select('a', 'b') takes several columns"
        )
    names = names if isinstance(names, dict) else list(names)
    if name not in names:
        there_are = f"{source or 'the table'} has {quote_list(names)}"
        if source and len(names) == 1:
            there_are += ", a single one: --sep names the character between columns (sep= in Python)"
        raise ValueError(f"there is no column {short_repr(name)}: {there_are}")
