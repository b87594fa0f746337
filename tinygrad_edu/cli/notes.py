"""What there is to say about the columns of a table before anything is learned from them, a line for each.

The rules are plain, and only say what a column looks like: which columns are left out is decided in `experiment.py`.
"""

import re
from collections.abc import Sequence
from math import sqrt
from typing import Any

from tinygrad_edu.errors import short_repr

MAX_CATEGORIES = 50  # a column with more different texts rather holds names than categories
FEW_ROWS = 30  # held out: what is measured on fewer says little
_SMALLEST_ID = 20  # rows: of fewer, whole numbers are often all different by chance

_TIME = r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
_DAY = r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})|\d{1,2}/\d{1,2}/\d{2,4})"
_DATE = re.compile(_DAY + _TIME)
_NUMBER = r"[+−-]?\s?(\d{1,3}([.,'’\s]\d{3})+|\d+)([.,]\d+)?"
_UNIT = r"(%|‰|°[CF]?|[€$£¥]|[A-Za-zµ]{1,3}([²³/][A-Za-z]{0,2})?|EUR|USD|CHF)"
_NUMBER_WITH_MORE = re.compile(rf"([€$£¥]|EUR|USD|CHF)?\s*{_NUMBER}\s*{_UNIT}?")


def find_problem(values: Sequence[Any]) -> str:
    """Why a column is not useful, in words; "" if it is.

    >>> find_problem(["a", "a", None]), find_problem(["a", "b", "a"])
    ("has the same value everywhere, 'a'", '')
    """
    present = {value for value in values if value is not None}
    if not present:
        return "has no value"
    if len(present) == 1:
        return f"has the same value everywhere, {short_repr(*present)}"
    if not isinstance(next(iter(present)), str):
        return ""
    if len(present) == sum(value is not None for value in values):
        return f"has a different text in every row{_describe_texts(present) or ', as an id has'}"
    if len(present) > MAX_CATEGORIES:
        return f"has more than {MAX_CATEGORIES} different texts{_describe_texts(present)}"
    return ""


def find_oddity(values: Sequence[Any]) -> str:
    """What a useful column looks like that may not be meant so, in words; "" if there is nothing.

    >>> find_oddity([float(i) for i in range(100, 130)])
    'has a different whole number in every row, as an id has'
    >>> find_oddity(["2,5 kg", "3 kg", "3 kg"])
    "holds texts like '2,5 kg', each of which counts as a category, not as a number"
    """
    present = [value for value in values if value is not None]
    kinds = {*present}
    if present and isinstance(present[0], str):
        if likeness := _find_likeness(kinds):
            return f"holds {likeness}, each of which counts as a category" + (
                ", not as a number" if "texts like" in likeness else ""
            )
        return ""
    if _SMALLEST_ID <= len(kinds) == len(present) and all(map(float.is_integer, present)):
        return "has a different whole number in every row, as an id has"
    return ""


def find_oddity_of_target(values: Sequence[Any]) -> str:
    """The same for the column to predict, none of whose values is missing."""
    kinds = {*values}
    if isinstance(values[0], str):
        likeness = _find_likeness(kinds)
        what = f"holds {likeness}: each counts as a class" if likeness else ""
        return what + (", not as a number" if "texts like" in likeness else "")
    if len(kinds) == 2:
        pair = " and ".join(f"{x:g}" for x in sorted(kinds))
        return f"has only two numbers, {pair}, and is learned as a number, not as 2 classes (--task classification)"
    if 2 < len(kinds) <= 10 and 2 * len(kinds) <= len(values) and all(map(float.is_integer, values)):
        return f"is learned as a number, not as {len(kinds)} classes (--task classification)"
    return ""


def describe_uncertainty(rows: int, accuracy: float | None) -> str:
    """How far a score can be trusted that was measured on few rows; "" for enough of them.

    An accuracy gets Wilson's interval of 95 %, a root mean squared error its standard error 1/√(2n).

    Source: Wilson, Probable Inference, 1927.

    >>> describe_uncertainty(10, 0.9)
    'only 10 rows are held out: with 95% confidence the accuracy on new rows is between 60% and 98%'
    >>> describe_uncertainty(8, None)
    'only 8 rows are held out: on other rows the error may well be 50% smaller or larger'
    """
    if rows >= FEW_ROWS:
        return ""
    few = f"only {rows} row{'s are' if rows > 1 else ' is'} held out: "
    if accuracy is None:
        return few + f"on other rows the error may well be {min(2 / sqrt(2 * rows), 1.0):.0%} smaller or larger"
    z = 1.96
    middle = (accuracy + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * sqrt(accuracy * (1 - accuracy) / rows + (z / (2 * rows)) ** 2)
    return few + f"with 95% confidence the accuracy on new rows is between {middle - half:.0%} and {middle + half:.0%}"


def _find_likeness(texts: set[str]) -> str:
    """What most of the texts are: dates, numbers with something added, or free text; "" for names and categories."""
    stripped = [text.strip() for text in texts]

    def are_mostly(pattern: re.Pattern[str]) -> bool:
        return sum(pattern.fullmatch(text) is not None for text in stripped) >= 0.8 * len(stripped)

    if are_mostly(_DATE):
        return "dates"
    if are_mostly(_NUMBER_WITH_MORE) and not all(text.isalnum() for text in stripped):
        example = next(text for text in sorted(stripped) if _NUMBER_WITH_MORE.fullmatch(text))
        return f"texts like {short_repr(example)}"
    if sum(len(text.split()) for text in stripped) >= 5 * len(stripped):
        return "free text"
    return ""


def _describe_texts(texts: set[str]) -> str:
    likeness = _find_likeness(texts)
    return f": {likeness}" if likeness else ""
