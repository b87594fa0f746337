"""From tables to the inputs of a model, and from its outputs back to what the columns of a table hold.

Each column has an encoding, which is learned from the training rows alone: numbers are standardised, categories are
numbered. `Features` makes the rows of X from the columns, `Target` makes the numbers of y and, with `inverse`, the
answers. Their whole state is plain JSON. It is not trusted when it is read back: `from_dict` raises `ValueError` for
whatever `to_dict` would not have written. What a table is stands in `tables.py`.
"""

from collections.abc import Iterable, Mapping
from math import fsum, hypot, isfinite, sqrt
from typing import TYPE_CHECKING, Any

from tinygrad_edu._validate import require_finite, to_float
from tinygrad_edu.errors import api_boundary, quote_list, short_repr

from .tables import Cell, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Standardizer:
    """Standardises numbers, z = (x − mean) / scale: the training numbers get the mean 0 and the standard deviation 1.

    A missing number (None) becomes 0, as the mean does. For rows, standardise column by column, or make a `Table` of
    them and use `Features`.

    Args:
        mean: The mean of the training numbers.
        scale: Their standard deviation, above 0.

    Raises:
        ValueError: A number is not finite, or the scale is not above 0.

    Example:
        >>> s = Standardizer.fit([1.0, 3.0, None])
        >>> s, s.transform([1.0, 2.0, None]), s.inverse([-1.0, 0.5])
        (Standardizer(mean=2.0, scale=1.0), [-1.0, 0.0, 0.0], [1.0, 2.5])
    """

    __slots__ = ("mean", "scale")

    def __init__(self, mean: float, scale: float) -> None:
        self.mean, self.scale = require_finite("the mean", mean), require_finite("the scale", scale)
        if self.scale <= 0:
            raise ValueError(f"the scale of a standardised column must be greater than 0, not {scale}")

    @classmethod
    @api_boundary
    def fit(cls, values: Iterable[float | None]) -> "Standardizer":
        """Learns the mean, and as the scale the standard deviation √(Σ (x − mean)² / n).

        Args:
            values: The training numbers; None is left out.

        Returns:
            The standardizer; its scale is 1 where all numbers are equal.

        Raises:
            ValueError: There is no number, or the numbers are too large for floats.
        """
        import numpy as np

        return cls._fit_array(np.array([to_float(x) for x in values if x is not None], float))

    @classmethod
    def _fit_array(cls, xs: "NDArray[Any]") -> "Standardizer":
        import numpy as np

        if not len(xs):
            raise ValueError("there is no number in it to learn the mean from")
        if (xs == xs[0]).all():  # by the formulas, rounding might leave a scale of about 1e-17
            return cls(xs[0], 1.0)
        with np.errstate(over="ignore", invalid="ignore"):  # the scale is then not finite, and refused
            mean = fsum((xs / len(xs)).tolist())
            return cls(mean, hypot(*(xs - mean).tolist()) / sqrt(len(xs)) or 1.0)

    @api_boundary
    def transform(self, values: Iterable[Cell]) -> list[float]:
        """Standardises numbers.

        Args:
            values: Numbers, or None.

        Returns:
            The z of each.

        Raises:
            ValueError: A number is so far from the mean that its z overflows, or it is a text.
        """
        return [self.encode(x)[0] for x in values]

    @api_boundary
    def inverse(self, zs: Iterable[float]) -> list[float]:
        """Computes x = mean + scale·z.

        Args:
            zs: Standardised numbers.

        Returns:
            The x of each.
        """
        return [self.mean + self.scale * z for z in zs]

    def encode(self, value: Cell) -> list[float]:
        """Encodes one cell of a table.

        Args:
            value: A number, or None.

        Returns:
            The inputs of a model: a list of one number, the z of the cell.

        Raises:
            ValueError: As `transform`.
        """
        if value is None:
            return [0.0]
        if isinstance(value, str):
            raise ValueError(f"{short_repr(value)} is not a number")
        z = (to_float(value) - self.mean) / self.scale
        if not isfinite(z):
            raise ValueError(f"{value} is too far from the mean {self.mean}, at a standard deviation of {self.scale}")
        return [z]

    def encode_column(self, table: Table, name: str) -> "NDArray[Any]":
        """Encodes a column of a table.

        Args:
            table: n rows.
            name: The name of the column.

        Returns:
            The inputs of a model: n rows of one number, the z of the cell.

        Raises:
            ValueError: As `transform`; the message says where.
        """
        import numpy as np

        if table.is_text(name):
            row = int(np.flatnonzero(~table.is_missing(name))[0])
            raise ValueError(f"{_describe_cell(table, row, name)} is not a number")
        missing = table.is_missing(name)
        with np.errstate(over="ignore"):
            zs = (table.numbers(name) - self.mean) / self.scale
        zs[missing] = 0.0
        if not np.isfinite(zs).all():
            row = int(np.flatnonzero(~np.isfinite(zs))[0])
            too_far = f"is too far from the mean {self.mean}, at a standard deviation of {self.scale}"
            raise ValueError(f"{_describe_cell(table, row, name)} {too_far}")
        return zs[:, None]

    def to_dict(self) -> dict[str, Any]:
        """The whole state, as plain data for JSON.

        Returns:
            The mean and the scale by their names.
        """
        return {"mean": self.mean, "scale": self.scale}

    def __repr__(self) -> str:
        return f"Standardizer(mean={self.mean}, scale={self.scale})"


class Categories:
    """Numbers categories: each name that a column may hold has a number, from 0 on.

    Args:
        names: One or more distinct texts.

    Raises:
        ValueError: The names are no list of distinct texts.

    Example:
        >>> c = Categories.fit(["male", None, "female", "male"])
        >>> c, c.transform(["male"]), c.inverse([0]), c.encode("male"), c.encode(None)
        (Categories(['female', 'male']), [1], ['female'], [0.0, 1.0], [0.0, 0.0])
    """

    __slots__ = ("_numbers",)

    def __init__(self, names: list[str]) -> None:
        if not isinstance(names, list):
            raise ValueError(f"categories must be a list of texts, not {short_repr(names)}")
        for name in names:
            if not isinstance(name, str):
                raise ValueError(f"categories must be texts, not {short_repr(name)}")
        self._numbers = {name: i for i, name in enumerate(names)}
        if not 0 < len(names) == len(self._numbers):
            raise ValueError(f"categories must be one or more distinct texts, not [{quote_list(names)}]")

    @classmethod
    @api_boundary
    def fit(cls, values: Iterable[str | None]) -> "Categories":
        """Learns the names that occur.

        Args:
            values: The training texts; None is left out.

        Returns:
            The categories, in alphabetical order.

        Raises:
            ValueError: There is no text.
        """
        names = sorted({name for name in values if name is not None})
        if not names:
            raise ValueError("there is no value in it to learn the categories from")
        return cls(names)

    @property
    def names(self) -> list[str]:
        """All names, in the order of their numbers."""
        return list(self._numbers)

    @api_boundary
    def transform(self, values: Iterable[Cell]) -> list[int]:
        """Looks up the numbers of names.

        Args:
            values: Names.

        Returns:
            The number of each.

        Raises:
            ValueError: A name was not seen in training, or is None.
        """
        return [self._find_number(value) for value in values]

    @api_boundary
    def inverse(self, numbers: Iterable[int]) -> list[str]:
        """Looks up the names of numbers.

        Args:
            numbers: The numbers of categories.

        Returns:
            The name of each.

        Raises:
            ValueError: A number is that of no category.
        """
        names, numbers = self.names, list(numbers)
        for i in numbers:
            if not hasattr(i, "__index__") or not 0 <= i < len(names):
                raise ValueError(f"there is no category number {short_repr(i)}: there are {len(names)}, from 0 on")
        return [names[i] for i in numbers]

    def encode(self, value: Cell) -> list[float]:
        """Encodes one cell of a table ("one-hot").

        Args:
            value: A name, or None.

        Returns:
            The inputs of a model, one for each category: 1 for that of the cell, 0 for all others; all 0 for None.

        Raises:
            ValueError: The name was not seen in training.
        """
        hot = None if value is None else self._find_number(value)
        return [1.0 if i == hot else 0.0 for i in range(len(self._numbers))]

    def number_column(self, table: Table, name: str) -> "NDArray[Any]":
        """Looks up the numbers of the categories in a column of a table.

        Args:
            table: n rows.
            name: The name of the column.

        Returns:
            n integers: the number of the category of each cell, -1 for a missing one, -2 for one not seen in training.

        Raises:
            ValueError: The column holds numbers.
        """
        import numpy as np

        codes, names = table.codes(name)
        return np.take(np.array([*(self._numbers.get(name, -2) for name in names), -1]), codes)

    def encode_column(self, table: Table, name: str, ignore_unseen: bool = False) -> "NDArray[Any]":
        """Encodes a column of a table.

        Args:
            table: n rows.
            name: The name of the column.
            ignore_unseen: Whether a category that was not seen in training counts as missing.

        Returns:
            The inputs of a model: n rows, each as `encode` gives it.

        Raises:
            ValueError: A category was not seen in training; the message says where.
        """
        import numpy as np

        if not table.is_text(name) and not table.is_missing(name).all():
            row = int(np.flatnonzero(~table.is_missing(name))[0])
            raise ValueError(f"{_describe_cell(table, row, name)} is a number, not a text as in training")
        numbers = self.number_column(table, name)
        unseen = np.flatnonzero(numbers == -2)
        if len(unseen) and not ignore_unseen:
            row = int(unseen[0])
            seen = f"is not one of the categories seen in training, {quote_list(self._numbers)}"
            raise ValueError(f"{_describe_cell(table, row, name)} {seen}")
        hot = np.flatnonzero(numbers >= 0)
        inputs = np.zeros((len(numbers), len(self._numbers)))
        inputs[hot, numbers[hot]] = 1.0
        return inputs

    def to_dict(self) -> dict[str, Any]:
        """The whole state, as plain data for JSON.

        Returns:
            The list of names, under "categories".
        """
        return {"categories": self.names}

    def __repr__(self) -> str:
        return f"Categories({self.names})"

    def _find_number(self, name: Any) -> int:
        if not isinstance(name, str) or name not in self._numbers:
            raise ValueError(
                f"{short_repr(name)} is not one of the categories seen in training, {quote_list(self._numbers)}"
            )
        return self._numbers[name]


Encoding = Standardizer | Categories


class Features:
    """Turns the rows of a table into the inputs of a model, each column by its own encoding.

    A column of numbers makes one input, a column of texts makes one input for each category. A missing number counts as
    the training mean, a missing text as none of the categories.

    Args:
        encodings: The encoding of each column by the name of the column.

    Raises:
        ValueError: There is no column.
        TypeError: An encoding is neither a `Standardizer` nor `Categories`.

    Example:
        >>> table = Table({"mass": [3.0, 5.0, None], "sex": ["f", "m", None]})
        >>> features = Features.fit(table)
        >>> features.inputs
        ['mass', 'sex=f', 'sex=m']
        >>> features.transform(table)
        array([[-1.,  1.,  0.],
               [ 1.,  0.,  1.],
               [ 0.,  0.,  0.]])
        >>> features.transform(Table({"sex": ["x"], "mass": [4.0]}))
        Traceback (most recent call last):
        ValueError: row 0, column 'sex': 'x' is not one of the categories seen in training, 'f', 'm'
    """

    __slots__ = ("encodings",)

    def __init__(self, encodings: Mapping[str, Encoding]) -> None:
        if not encodings:
            raise ValueError("there is no column to take as a feature")
        self.encodings = dict(encodings)
        for name, encoding in self.encodings.items():
            if not isinstance(encoding, Encoding):
                must_be = "must be encoded by a Standardizer or Categories"
                raise TypeError(f"column {short_repr(name)} {must_be}, not {short_repr(encoding)}")

    @classmethod
    @api_boundary
    def fit(cls, table: Table) -> "Features":
        """Learns the encodings of all columns; `table.select(...)` chooses the columns.

        Args:
            table: The training rows.

        Returns:
            The features.

        Raises:
            ValueError: There is no column, or a column without any value.
        """
        return cls({name: _fit_encoding(table, name) for name in _require_table(table)})

    @property
    def columns(self) -> list[str]:
        """The names of the columns that a table must have."""
        return list(self.encodings)

    @property
    def types(self) -> dict[str, type]:
        """The types of these columns: `read_csv(path, columns=f.columns, types=f.types)` reads them."""
        return {name: float if isinstance(e, Standardizer) else str for name, e in self.encodings.items()}

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in order."""
        names = []
        for name, encoding in self.encodings.items():
            names += [f"{name}={c}" for c in encoding.names] if isinstance(encoding, Categories) else [name]
        return names

    @api_boundary
    def transform(self, table: Table, ignore_unseen: bool = False) -> "NDArray[Any]":
        """Encodes the rows of a table.

        Args:
            table: n rows; it may have other columns, too.
            ignore_unseen: Whether a category that was not seen in training counts as missing.

        Returns:
            X: an array of n rows of inputs, which `inputs` names.

        Raises:
            ValueError: A column is missing, a text stands in place of a number, or a category was not seen in training;
                the message says where.
        """
        import numpy as np

        _require_table(table)
        parts = [
            encoding.encode_column(table, name, ignore_unseen)
            if isinstance(encoding, Categories)
            else encoding.encode_column(table, name)
            for name, encoding in self.encodings.items()
        ]
        return np.hstack(parts)

    def find_unseen(self, table: Table) -> dict[int, str]:
        """Finds the rows with a category that was not seen in training, for which there is no prediction.

        Args:
            table: n rows.

        Returns:
            For the number of each such row, counted from 0, what is wrong with it, in words, with its place.

        Raises:
            ValueError: A column is missing.

        Example:
            >>> features = Features.fit(Table({"sex": ["f", "m"]}))
            >>> features.find_unseen(Table({"sex": ["m", "x", None]}))
            {1: "row 1, column 'sex': 'x' is not one of the categories seen in training, 'f', 'm'"}
        """
        import numpy as np

        problems: dict[int, str] = {}
        for name, encoding in self.encodings.items():
            if isinstance(encoding, Categories) and table.is_text(name):
                seen = f"is not one of the categories seen in training, {quote_list(encoding.names)}"
                for row in np.flatnonzero(encoding.number_column(table, name) == -2).tolist():
                    problems.setdefault(row, f"{_describe_cell(table, row, name)} {seen}")
        return dict(sorted(problems.items()))

    def to_dict(self) -> dict[str, Any]:
        """The whole state, as plain data for JSON.

        Returns:
            The name and the encoding of each column.
        """
        return {"columns": [_encoding_to_dict(name, encoding) for name, encoding in self.encodings.items()]}

    @classmethod
    @api_boundary
    def from_dict(cls, state: object) -> "Features":
        """Restores features from their state.

        Args:
            state: What `to_dict` returned.

        Returns:
            Features that compute the same.

        Raises:
            ValueError: The state is anything else.
        """
        columns = state.get("columns") if isinstance(state, dict) and len(state) == 1 else None
        if not isinstance(columns, list):
            raise ValueError("features must be described by {'columns': [...]} and nothing else")
        encodings = dict(map(_encoding_from_dict, columns))
        if len(encodings) != len(columns):
            raise ValueError(f"the columns of features must be distinct, not {quote_list(c['name'] for c in columns)}")
        return cls(encodings)


class Target:
    """Turns the column to predict into the numbers of y, and the outputs of a model back into what the column holds.

    Numbers are standardised (regression); texts are the names of classes, which are numbered from 0 (classification).

    Args:
        name: The name of the column.
        encoding: Its encoding.

    Raises:
        ValueError: There is a single class.

    Example:
        >>> table = Table({"species": ["Gentoo", "Adelie", "Gentoo"]})
        >>> target = Target.fit(table, "species")
        >>> target.classes, target.transform(table), target.inverse([0, 1])
        (['Adelie', 'Gentoo'], [1, 0, 1], ['Adelie', 'Gentoo'])
    """

    __slots__ = ("encoding", "name")

    def __init__(self, name: str, encoding: Encoding) -> None:
        self.name, self.encoding = name, encoding
        if len(self.classes) == 1:
            only = quote_list(self.classes)
            raise ValueError(f"column {short_repr(name)}: its only class is {only}; a classifier needs two or more")

    @classmethod
    @api_boundary
    def fit(cls, table: Table, name: str) -> "Target":
        """Learns the encoding of one column.

        Args:
            table: The training rows.
            name: The name of the column.

        Returns:
            The target.

        Raises:
            ValueError: The column has no value, or a single class.
        """
        return cls(name, _fit_encoding(_require_table(table), name))

    @property
    def classes(self) -> list[str]:
        """The classes in the order of their numbers; empty for a regression."""
        return self.encoding.names if isinstance(self.encoding, Categories) else []

    @api_boundary
    def transform(self, table: Table) -> list[Any]:
        """Encodes the target of each row.

        Args:
            table: n rows with the column to predict.

        Returns:
            y: n floats in a regression, n numbers of classes in a classification.

        Raises:
            ValueError: A target is missing, is a text in place of a number, or is a class not seen in training; the
                message says in which row.
        """
        import numpy as np

        missing = np.flatnonzero(_require_table(table).is_missing(self.name))
        if len(missing):
            where = f"{table.place(int(missing[0]))}, column {short_repr(self.name)}"
            raise ValueError(f"{where}: the target is missing; table.drop_missing(...) leaves such rows out")
        inputs = self.encoding.encode_column(table, self.name)
        is_class = isinstance(self.encoding, Categories)
        return [*(inputs.argmax(axis=1) if is_class else inputs[:, 0]).tolist()]

    @api_boundary
    def inverse(self, ys: Iterable[Any]) -> list[Any]:
        """Decodes predictions.

        Args:
            ys: Standardised numbers in a regression, numbers of classes in a classification.

        Returns:
            Numbers in the unit of the column, or the names of classes.
        """
        return [*self.encoding.inverse(ys)]

    def to_dict(self) -> dict[str, Any]:
        """The whole state, as plain data for JSON.

        Returns:
            The name and the encoding of the column.
        """
        return _encoding_to_dict(self.name, self.encoding)

    @classmethod
    @api_boundary
    def from_dict(cls, state: object) -> "Target":
        """Restores a target from its state.

        Args:
            state: What `to_dict` returned.

        Returns:
            A target that computes the same.

        Raises:
            ValueError: The state is anything else.
        """
        return cls(*_encoding_from_dict(state))


def _require_table(table: Any) -> Table:
    if not isinstance(table, Table):
        raise TypeError(
            f"features and targets are columns of a Table, as Table({{'x': [1.0]}}), not {short_repr(table)}"
        )
    return table


def _fit_encoding(table: Table, name: str) -> Encoding:
    """The encoding that suits the values of a column."""
    try:
        if table.is_text(name):
            return Categories.fit(table.codes(name)[1])
        return Standardizer._fit_array(table.numbers(name)[~table.is_missing(name)])
    except ValueError as error:
        raise ValueError(f"column {short_repr(name)}: {error}") from None


def _describe_cell(table: Table, row: int, name: str) -> str:
    """A cell of a table, with its place."""
    cell = table.select(name).take([row])[name][0]
    return f"{table.place(row)}, column {short_repr(name)}: {short_repr(cell)}"


def _encoding_to_dict(name: str, encoding: Encoding) -> dict[str, Any]:
    return {"name": name, **encoding.to_dict()}


def _encoding_from_dict(state: object) -> tuple[str, Encoding]:
    """The name and the encoding of a column, from the state that `_encoding_to_dict` made."""
    if isinstance(state, dict) and isinstance(name := state.get("name"), str):
        try:
            if state.keys() == {"name", "mean", "scale"}:
                return name, Standardizer(state["mean"], state["scale"])
            if state.keys() == {"name", "categories"}:
                return name, Categories(state["categories"])
        except ValueError as error:
            raise ValueError(f"column {short_repr(name)}: {error}") from None
    raise ValueError("a column must be described by its name with a mean and a scale, or with its categories")
