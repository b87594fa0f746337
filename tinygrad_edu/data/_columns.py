"""How a table keeps a column: numbers as an array of floats, texts as an array of small integers and a list of names.

So a cell takes 1 to 8 bytes, where a Python object would take 30 to 60. Where nearly all texts of a large file differ,
their names are packed, too. What a table makes of its columns is left to `tables.py`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
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

    def __init__(self, codes: "NDArray[Any]", names: Sequence[str]) -> None:
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
        kept = (self.names[i] for i in np.flatnonzero(occurs).tolist())
        return Texts(renumbered[codes], PackedTexts(kept) if isinstance(self.names, PackedTexts) else [*kept])


Column = Numbers | Texts


class PackedTexts(Sequence[str]):
    """Many texts in a few bytes each, read as a list is: parts of their UTF-8 bytes, and where in it each text ends.

    Args:
        texts: Any texts, which make one part.
    """

    __slots__ = ("_parts", "_starts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        import numpy as np

        encoded = [text.encode() for text in texts]
        ends: Any = np.cumsum([*map(len, encoded)], dtype=np.int64)
        if not encoded or ends[-1] < 2**32:
            ends = ends.astype(np.uint32)
        self._parts = [(b"".join(encoded), ends)]
        self._starts = [0, len(encoded)]  # the number of the first text of each part, and how many there are

    @classmethod
    def of(cls, parts: "Sequence[PackedTexts]") -> "PackedTexts":
        """The texts of all these, without a copy."""
        joined = cls()
        joined._parts = [part for packed in parts for part in packed._parts]
        joined._starts = [0, *accumulate(len(ends) for _, ends in joined._parts)]
        return joined

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        i = range(len(self))[i]  # counts from the end, or raises, as a list does
        k = bisect_right(self._starts, i) - 1
        (data, ends), i = self._parts[k], i - self._starts[k]
        return data[ends[i - 1] if i else 0 : ends[i]].decode()

    def __iter__(self) -> Iterator[str]:
        for data, ends in self._parts:
            start = 0
            for end in ends.tolist():
                yield data[start:end].decode()
                start = end


def unite(parts: Sequence[PackedTexts], key: Callable[[str], int] = hash) -> "tuple[PackedTexts, NDArray[Any]]":
    """The different texts of all parts in the order in which they come, and for each text the number of its like.

    Texts with one key are compared, all others are known to differ: so no dictionary holds them all.
    """
    import numpy as np

    texts = PackedTexts.of(parts)
    places = np.arange(len(texts), dtype=np.int32)
    keys = np.fromiter(map(key, texts), np.int64, len(texts))
    if len(np.unique(keys)) == len(keys):  # by far the most frequent case, in less memory than the other
        return texts, places
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    like = first[inverse]  # for each text the first one with its key
    others: dict[str, int] = {}
    for i in np.flatnonzero(like != places).tolist():
        if texts[i] != texts[like[i]]:
            like[i] = others.setdefault(texts[i], i)
    is_first = like == places
    return PackedTexts(texts[i] for i in np.flatnonzero(is_first).tolist()), (np.cumsum(is_first) - 1)[like]


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
