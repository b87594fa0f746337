"""From tables to the numbers that a model takes, and from the numbers it gives back to what a table says.

Each column has an encoding, learned from the training rows alone: numbers are standardised, categories counted off.
`Features` makes the rows of X of them, `Target` the numbers of y and, with `inverse`, the answers. Their whole state is
plain JSON, which is not trusted when it is read back: `from_dict` raises `ValueError` for whatever `to_dict` would not
have written. What a table is stands in `tables.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from math import fsum, hypot, isfinite, sqrt
from sys import float_info
from typing import Any, TypeVar

from tinygrad_edu._validate import to_float
from tinygrad_edu.errors import shown

from .tables import Cell, Table, listing

T = TypeVar("T")


class Standardizer:
    """z = (x − mean) / scale, so that the training numbers get the mean 0 and the standard deviation 1.

    A missing number (None) becomes 0: it is taken for the mean. Raises `ValueError` unless mean and scale are finite
    and scale > 0.

    >>> s = Standardizer.fit([1.0, 3.0, None])
    >>> s, s.transform([1.0, 2.0, None]), s.inverse([-1.0, 0.5])
    (Standardizer(mean=2.0, scale=1.0), [-1.0, 0.0, 0.0], [1.0, 2.5])

    For rows, standardise column by column, or make a `Table` of them and use `Features`.
    """

    __slots__ = ("mean", "scale")

    def __init__(self, mean: float, scale: float) -> None:
        self.mean, self.scale = _finite("the mean", mean), _finite("the scale", scale)
        if self.scale <= 0:
            raise ValueError(f"the scale of a standardised column must be greater than 0, not {scale}")

    @classmethod
    def fit(cls, values: Iterable[float | None]) -> "Standardizer":
        """Takes the mean, and for the scale the standard deviation √(Σ (x − mean)² / n), of the numbers that there are.

        Where all are equal the scale is 1. Raises `ValueError` if there are none, or they are too large for floats.
        """
        xs = [to_float(x) for x in values if x is not None]
        if not xs:
            raise ValueError("there is no number in it to learn the mean from")
        if all(x == xs[0] for x in xs):  # by the formulas, rounding might leave a scale of about 1e-17
            return cls(xs[0], 1.0)
        mean = fsum(x / len(xs) for x in xs)
        return cls(mean, hypot(*[x - mean for x in xs]) / sqrt(len(xs)) or 1.0)

    def transform(self, values: Iterable[Cell]) -> list[float]:
        """The z of each; `ValueError` for a number so far from the mean that its z overflows."""
        return [self.encode(x)[0] for x in values]

    def inverse(self, zs: Iterable[float]) -> list[float]:
        """x = mean + scale·z for each."""
        return [self.mean + self.scale * z for z in zs]

    def encode(self, value: Cell) -> list[float]:
        """One cell as the inputs of a model: its z."""
        if value is None:
            return [0.0]
        if isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a number")
        z = (to_float(value) - self.mean) / self.scale
        if not isfinite(z):
            raise ValueError(f"{value} is too far from the mean {self.mean}, at a standard deviation of {self.scale}")
        return [z]

    def to_dict(self) -> dict[str, Any]:
        """The state, plain JSON."""
        return {"mean": self.mean, "scale": self.scale}

    def __repr__(self) -> str:
        return f"Standardizer(mean={self.mean}, scale={self.scale})"


class Categories:
    """The names that a column may hold, counted off from 0.

    Raises `ValueError` unless they are a list of one or more distinct texts.

    >>> c = Categories.fit(["male", None, "female", "male"])
    >>> c, c.transform(["male"]), c.inverse([0]), c.encode("male"), c.encode(None)
    (Categories(['female', 'male']), [1], ['female'], [0.0, 1.0], [0.0, 0.0])
    """

    __slots__ = ("_numbers",)

    def __init__(self, names: list[str]) -> None:
        if not isinstance(names, list):
            raise ValueError(f"categories must be a list of texts, not {shown(names)}")
        for name in names:
            if not isinstance(name, str):
                raise ValueError(f"categories must be texts, not {shown(name)}")
        self._numbers = {name: i for i, name in enumerate(names)}
        if not 0 < len(names) == len(self._numbers):
            raise ValueError(f"categories must be one or more distinct texts, not [{listing(names)}]")

    @classmethod
    def fit(cls, values: Iterable[str | None]) -> "Categories":
        """Takes the names that occur, in alphabetical order; `ValueError` if there are none."""
        names = sorted({name for name in values if name is not None})
        if not names:
            raise ValueError("there is no value in it to learn the categories from")
        return cls(names)

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return list(self._numbers)

    def transform(self, values: Iterable[Cell]) -> list[int]:
        """The number of each name; `ValueError` for a name not seen in training, and for None."""
        return [self._number(value) for value in values]

    def inverse(self, numbers: Iterable[int]) -> list[str]:
        """The name of each number; `ValueError` for a number that has none."""
        names, numbers = self.names, list(numbers)
        for i in numbers:
            if not hasattr(i, "__index__") or not 0 <= i < len(names):
                raise ValueError(f"there is no category number {shown(i)}: there are {len(names)}, from 0 on")
        return [names[i] for i in numbers]

    def encode(self, value: Cell) -> list[float]:
        """One cell as the inputs of a model: 1 at its number and 0 elsewhere ("one-hot"), all 0 if it is missing."""
        hot = None if value is None else self._number(value)
        return [1.0 if i == hot else 0.0 for i in range(len(self._numbers))]

    def to_dict(self) -> dict[str, Any]:
        """The state, plain JSON."""
        return {"categories": self.names}

    def __repr__(self) -> str:
        return f"Categories({self.names})"

    def _number(self, name: Any) -> int:
        if not isinstance(name, str) or name not in self._numbers:
            raise ValueError(f"{shown(name)} is not one of the categories seen in training, {listing(self._numbers)}")
        return self._numbers[name]


Encoding = Standardizer | Categories


class Features:
    """Turns the rows of a table into the inputs of a model: every column by the encoding learned from training rows.

    A column of numbers gives one input, a column of texts one for each category. A missing number counts as the
    training mean, a missing text as none of the categories.

    >>> table = Table({"mass": [3.0, 5.0, None], "sex": ["f", "m", None]})
    >>> features = Features.fit(table)
    >>> features.inputs
    ['mass', 'sex=f', 'sex=m']
    >>> features.transform(table)
    [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
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
                raise TypeError(
                    f"column {shown(name)} is encoded by a Standardizer or Categories, not {shown(encoding)}"
                )

    @classmethod
    def fit(cls, table: Table) -> "Features":
        """Learns from all columns of a table of training rows; `table.select(...)` chooses them.

        Raises `ValueError` for a table without columns, and for a column without any value.
        """
        return cls({name: _learned(table, name) for name in _table(table)})

    @property
    def columns(self) -> list[str]:
        """The columns that a table must have."""
        return list(self.encodings)

    @property
    def types(self) -> dict[str, type]:
        """What these columns hold: `read_csv(path, columns=f.columns, types=f.types)` reads just that."""
        return {name: float if isinstance(e, Standardizer) else str for name, e in self.encodings.items()}

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in order; `transform` gives rows of as many numbers."""
        names = []
        for name, encoding in self.encodings.items():
            names += [f"{name}={c}" for c in encoding.names] if isinstance(encoding, Categories) else [name]
        return names

    def transform(self, table: Table, ignore_unseen: bool = False) -> list[list[float]]:
        """X: for each row of the table, which may have other columns too, a row of inputs.

        Raises `ValueError` for a missing column and, saying where, for a text in place of a number and for a category
        not seen in training; with `ignore_unseen` such a category counts as missing.
        """
        X: list[list[float]] = [[] for _ in range(len(_table(table)))]
        for name, encoding in self.encodings.items():
            values = table[name]
            if ignore_unseen and isinstance(encoding, Categories):
                known = set(encoding.names)
                values = [value if value in known else None for value in values]
            for row, inputs in zip(X, _each(encoding.encode, values, table, name)):
                row += inputs
        return X

    def to_dict(self) -> dict[str, Any]:
        """The whole state, plain JSON."""
        return {"columns": [_described(name, encoding) for name, encoding in self.encodings.items()]}

    @classmethod
    def from_dict(cls, state: object) -> "Features":
        """The features that `to_dict` described; `ValueError` for anything else."""
        columns = state.get("columns") if isinstance(state, dict) and len(state) == 1 else None
        if not isinstance(columns, list):
            raise ValueError("features must be described by {'columns': [...]} and nothing else")
        encodings = dict(map(_restored, columns))
        if len(encodings) != len(columns):
            raise ValueError(f"the columns of features must be distinct, not {listing(c['name'] for c in columns)}")
        return cls(encodings)


class Target:
    """Turns the column to predict into the numbers of y, and a model's numbers back into what the column holds.

    Numbers are standardised (regression), texts are classes, counted off from 0 (classification). Raises `ValueError`
    for a single class.

    >>> table = Table({"species": ["Gentoo", "Adelie", "Gentoo"]})
    >>> target = Target.fit(table, "species")
    >>> target.classes, target.transform(table), target.inverse([0, 1])
    (['Adelie', 'Gentoo'], [1, 0, 1], ['Adelie', 'Gentoo'])
    """

    __slots__ = ("encoding", "name")

    def __init__(self, name: str, encoding: Encoding) -> None:
        self.name, self.encoding = name, encoding
        if len(self.classes) == 1:
            raise ValueError(
                f"column {shown(name)}: its only class is {listing(self.classes)}; a classifier needs two or more"
            )

    @classmethod
    def fit(cls, table: Table, name: str) -> "Target":
        """Learns from one column of a table; `ValueError` if it has no values, or a single class."""
        return cls(name, _learned(_table(table), name))

    @property
    def classes(self) -> list[str]:
        """The classes in the order of their numbers; empty for a regression."""
        return self.encoding.names if isinstance(self.encoding, Categories) else []

    def transform(self, table: Table) -> list[Any]:
        """y: a float per row in a regression, the int of its class in a classification.

        Raises `ValueError` that says in which row a target is missing, is a text in place of a number, or is a class
        not seen in training.
        """
        values = _table(table)[self.name]
        if None in values:
            where = f"{table.place(values.index(None))}, column {shown(self.name)}"
            raise ValueError(f"{where}: the target is missing; table.drop_missing(...) leaves such rows out")
        return _each(lambda value: self.encoding.transform([value])[0], values, table, self.name)

    def inverse(self, ys: Iterable[Any]) -> list[Any]:
        """Numbers in the column's own unit, or the names of classes given by their numbers."""
        return [*self.encoding.inverse(ys)]

    def to_dict(self) -> dict[str, Any]:
        """The whole state, plain JSON."""
        return _described(self.name, self.encoding)

    @classmethod
    def from_dict(cls, state: object) -> "Target":
        """The target that `to_dict` described; `ValueError` for anything else."""
        return cls(*_restored(state))


def _table(table: Any) -> Table:
    if not isinstance(table, Table):
        raise TypeError(f"features and targets are columns of a Table, as Table({{'x': [1.0]}}), not {shown(table)}")
    return table


def _learned(table: Table, name: str) -> Encoding:
    values = table[name]
    kind = Categories if any(isinstance(value, str) for value in values) else Standardizer
    try:
        return kind.fit(values)
    except ValueError as error:
        raise ValueError(f"column {shown(name)}: {error}") from error


def _each(function: Callable[[Cell], T], values: Iterable[Cell], table: Table, name: str) -> list[T]:
    """The function of each cell of a column; an error says at which one."""
    results = []
    for i, value in enumerate(values):
        try:
            results.append(function(value))
        except ValueError as error:
            raise ValueError(f"{table.place(i)}, column {shown(name)}: {error}") from error
    return results


def _described(name: str, encoding: Encoding) -> dict[str, Any]:
    return {"name": name, **encoding.to_dict()}


def _restored(state: object) -> tuple[str, Encoding]:
    """The name and the encoding of a column that `_described` wrote down."""
    if isinstance(state, dict) and isinstance(name := state.get("name"), str):
        try:
            if state.keys() == {"name", "mean", "scale"}:
                return name, Standardizer(state["mean"], state["scale"])
            if state.keys() == {"name", "categories"}:
                return name, Categories(state["categories"])
        except ValueError as error:
            raise ValueError(f"column {shown(name)}: {error}") from error
    raise ValueError("a column must be described by its name with a mean and a scale, or with its categories")


def _finite(what: str, x: object) -> float:
    if isinstance(x, (int, float)) and not isinstance(x, bool) and -float_info.max <= x <= float_info.max:
        return float(x)
    raise ValueError(f"{what} must be a finite number, not {shown(x)}")
