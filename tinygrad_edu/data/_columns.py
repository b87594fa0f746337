"""How a table keeps a column: numbers as an array of floats, texts as an array of small integers and a list of names.

So a cell takes 1 to 8 bytes, where a Python object would take 30 to 60. What a table makes of its columns is left to
`tables.py`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Numbers:
    """A column of numbers.

    Args:
        values: n floats; nan is a missing one.
    """

    __slots__ = ("values",)

    def __init__(self, values: "NDArray[Any]") -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def cells(self) -> list[Any]:
        """The numbers as plain floats, None for a missing one."""
        return [x if x == x else None for x in self.values.tolist()]

    def is_missing(self) -> "NDArray[Any]":
        """Whether each number is missing."""
        import numpy as np

        return cast("NDArray[Any]", np.isnan(self.values))

    def take(self, rows: "NDArray[Any]") -> "Numbers":
        """The numbers of some rows."""
        return Numbers(self.values[rows])


class Texts:
    """A column of texts: the names that occur, and for each row the number of its name.

    Args:
        codes: n integers, each the number of a name, counted from 0; -1 is a missing text.
        names: The distinct names, each of which occurs.
    """

    __slots__ = ("codes", "names")

    def __init__(self, codes: "NDArray[Any]", names: list[str]) -> None:
        self.codes, self.names = shrink(codes, len(names)), names

    def __len__(self) -> int:
        return len(self.codes)

    def cells(self) -> list[Any]:
        """The texts, None for a missing one."""
        names = [*self.names, None]  # the last one has the number -1
        return [names[code] for code in self.codes.tolist()]

    def is_missing(self) -> "NDArray[Any]":
        """Whether each text is missing."""
        return cast("NDArray[Any]", self.codes < 0)

    def take(self, rows: "NDArray[Any]") -> "Texts":
        """The texts of some rows; names that no longer occur are gone."""
        import numpy as np

        codes = self.codes[rows]
        occurs = np.zeros(len(self.names) + 1, bool)
        occurs[codes] = True
        occurs = occurs[:-1]  # the last one is that of -1
        if occurs.all():
            return Texts(codes, self.names)
        renumbered = np.append(np.cumsum(occurs) - 1, -1)
        return Texts(renumbered[codes], [self.names[i] for i in np.flatnonzero(occurs)])


Column = Numbers | Texts


def number_texts(cells: Iterable[str | None]) -> Texts:
    """Makes a column of texts; the names are in the order in which they come."""
    import numpy as np

    numbers: dict[str | None, int] = {None: -1}
    codes = np.fromiter((numbers.setdefault(cell, len(numbers) - 1) for cell in cells), np.int32)
    del numbers[None]
    return Texts(codes, [name for name in numbers if name is not None])


def shrink(codes: "NDArray[Any]", names: int) -> "NDArray[Any]":
    """The codes in the smallest type that has room for the numbers of so many names."""
    import numpy as np

    kind = np.int8 if names <= 2**7 else np.int16 if names <= 2**15 else np.int32
    return codes.astype(kind, copy=False)
