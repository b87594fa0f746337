"""Numbers as people write them in tables: 1.234,56, 1 234,5, 12,5 %, $1,200.

Python reads `1234.56`, and so do most files. Excel writes numbers as a country does: with a comma before the decimals,
with marks between thousands, with a percent sign or a currency. One text can be read in two ways, as 1,234; a column as
a whole usually cannot. Which columns are asked, and what is said to the user, is left to `_reading.py`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import NamedTuple

SPACES = {ord(c): " " for c in "\u00a0\u202f\u2009\u2007"} | {ord("’"): "'", ord("−"): "-"}
CODES = "EUR USD GBP CHF JPY CNY INR CAD AUD SEK NOK DKK PLN CZK Rs".split()
_AFFIX = re.compile(r"([-+]?)\s*([^\W\d_]+|[^\w\s.,'+-])?\s*([-+]?[\d.,' ]*\d[.,]?(?:[eE][-+]?\d+)?)\s*(\S.*)?")
_CORE = re.compile(r"[-+−]?[\d.,'’\s]*(?:[eE][-+]?\d+)?")
_UNIT = re.compile(r"[^\W\d_]{1,5}[²³]?(?:/[^\W\d_]{1,5}[²³]?)?|°[A-Z]?")  # kg, m², km/h, °C


class Way(NamedTuple):
    """A way to write numbers: the mark before decimals, that between thousands ("" for any), and a sign beside them.

    >>> Way(",").read("1.234,56"), Way(".", affix="%").read("12.5 %"), Way(".").read("1,23")
    (1234.56, 12.5, None)
    """

    decimal: str
    thousands: str = ""
    affix: str = ""

    def read(self, text: str) -> float | None:
        """The number that a text stands for; None if this is not how it is written."""
        core, affix = split_affix(text) if self.affix else (text.strip().translate(SPACES), "")
        found = affix == self.affix and _pattern(self.decimal, self.thousands).fullmatch(core)
        if not found:
            return None
        mark = found["mark"]
        x = float((core.replace(mark, "") if mark else core).replace(self.decimal, "."))
        return x if isfinite(x) else None

    def describe(self) -> str:
        """The way in words, as "with decimal commas, and with '%'"."""
        parts = ["decimal commas" if self.decimal == "," else "decimal points"]
        return " and ".join(parts + ([f"'{self.affix}'"] if self.affix else []))


_PATTERNS: dict[tuple[str, str], re.Pattern[str]] = {}


def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    key = decimal, thousands
    if key not in _PATTERNS:
        marks = re.escape(thousands.translate(SPACES)) if thousands else ("." if decimal == "," else ",") + " '"
        grouped = rf"[1-9]\d{{0,2}}(?P<mark>[{marks}])\d{{3}}(?:(?P=mark)\d{{3}})*"
        d = re.escape(decimal)
        _PATTERNS[key] = re.compile(rf"[-+]?(?:{grouped}|\d+|(?={d}\d))(?:{d}\d*)?(?:[eE][-+]?\d+)?")
    return _PATTERNS[key]


def read_plain(text: str) -> float | None:
    """The number as Python reads it; None for other texts, and for inf and nan."""
    try:
        x = float(text)
    except ValueError:
        return None
    return x if isfinite(x) and "_" not in text else None  # Python reads 1_000 as a number; in a file it is a name


def may_be_number(text: str) -> bool:
    """A quick look: False for a text that is a number in no way, apart from a sign or unit beside it."""
    return _CORE.fullmatch(text) is not None


def split_affix(text: str) -> tuple[str, str]:
    """A number and what stands before or after it; ("", "") where both, or no number, do.

    >>> split_affix("12,5 %"), split_affix("€ 3.50"), split_affix("7 kg")
    (('12,5', '%'), ('3.50', '€'), ('7', 'kg'))
    """
    found = _AFFIX.fullmatch(text.strip().translate(SPACES))
    if not found or (found[2] and found[4]):
        return "", ""
    before, number, after = found[2] or "", found[1] + found[3].strip(), found[4] or ""
    if before and not (is_sign(before) or before in CODES):
        return "", ""
    return number, before or after.strip()


def is_sign(affix: str) -> bool:
    """Whether it is a percent sign or that of a currency, as Excel writes them beside numbers."""
    return affix == "%" or affix in CODES or (len(affix) == 1 and unicodedata.category(affix) == "Sc")


def find_affix(texts: Iterable[str]) -> str:
    """The sign or unit that all the texts have beside a number; "" if there is none in common."""
    common = ""
    for text in texts:
        number, affix = split_affix(text)
        if not number or not affix or (common and affix != common):
            return ""
        common = affix
    return common if is_sign(common) or _UNIT.fullmatch(common) else ""


def find_ways(texts: Sequence[str], decimal: str = "", thousands: str = "") -> list[Way]:
    """The ways in which all of the texts are numbers, without any two that give the same numbers.

    >>> find_ways(["1.234,5", "7"])
    [Way(decimal=',', thousands='', affix='')]
    >>> [way.decimal for way in find_ways(["1,234"])]
    ['.', ',']
    """
    affix = find_affix(texts)
    ways: list[Way] = []
    readings: list[list[float]] = []
    for mark in [decimal] if decimal else [".", ","]:
        way = Way(mark, thousands if thousands != mark else "", affix)
        numbers = read_all(texts, way.read)
        if numbers is not None and numbers not in readings:
            ways.append(way)
            readings.append(numbers)
    return ways


def read_all(texts: Iterable[str], read: Callable[[str], float | None]) -> list[float] | None:
    """The numbers of all texts; None if one is not a number."""
    numbers = []
    for text in texts:
        x = read(text)
        if x is None:
            return None
        numbers.append(x)
    return numbers
