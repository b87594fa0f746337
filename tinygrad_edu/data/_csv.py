"""CSV files as programs write them: from bytes to records of cells, each with its line.

Here it is found out which encoding a file has, and which character stands between its cells. What the cells mean is
left to `_reading.py`. A file is read block by block, so that memory does not grow with it.
"""

import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, utf_8_decode, utf_16_be_decode, utf_16_le_decode
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

SEPARATORS = ["\t", ";", "|", ","]
BLOCK = 2**18  # bytes
_EXCEL = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)  # the first line of a file that tells Excel its separator
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f]")  # no text has them; a file that is no text has them soon
_SAMPLE = 100_000  # characters at the beginning that the separator is recognised by


class Records:
    """The records of a CSV file (RFC 4180); iterating gives the line where a record begins, and its cells.

    Blank lines are left out. After a byte that is not part of a UTF-8 text the file is read as Windows-1252, of which
    Latin-1 is a part, if no other byte was UTF-8 either.

    Args:
        file: The file, opened for bytes.
        source: Its name, for messages.
        sep: The character between cells; None finds it out.

    Raises:
        ValueError: The file is no text, or no CSV; also while the records are read.
    """

    def __init__(self, file: BinaryIO, source: str, sep: str | None = None) -> None:
        self.source = source
        self.notes: list[str] = []
        lines = _split_lines(self._decode(file))
        self._skipped, size = 0, 0
        sample: list[str] = []
        for line in lines:
            sample.append(line)
            size += len(line)
            if len(sample) > 1 and (size > _SAMPLE or len(sample) > 50):
                break
        named = _EXCEL.fullmatch(sample[0]) if sample else None
        if named:
            del sample[0]
            self._skipped = 1
        self.sep = sep or (named[1] if named else _find_separator(sample))
        self._lines = chain(sample, lines)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        import csv

        reader = csv.reader(self._lines, delimiter=self.sep, strict=True)
        width, line = 0, self._skipped + 1
        try:
            for cells in reader:
                if len(cells) > 1 or (cells and (width == 1 or (cells[0] and not cells[0].isspace()))):
                    width = width or len(cells)
                    yield line, cells
                line = self._skipped + reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{self.source}, line {line}: the row that begins here is not CSV: {error}") from None

    def _decode(self, file: BinaryIO) -> Iterator[str]:
        """The text of the file, block by block."""
        data = file.read(BLOCK)
        decode, name, line, is_ascii = utf_8_decode, "UTF-8", 1, True
        if data.startswith(BOM_UTF8):
            data = data[len(BOM_UTF8) :]
        elif data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            decode, name = (utf_16_le_decode if data.startswith(BOM_UTF16_LE) else utf_16_be_decode), "UTF-16"
            data = data[2:]
        while data:
            block = file.read(BLOCK)
            try:
                text, used = decode(data, "strict", not block)
            except UnicodeDecodeError as error:
                is_ascii = is_ascii and data[: error.start].isascii()
                if name != "UTF-8" or not is_ascii:
                    self._refuse_byte(data, error.start, line, name)
                decode, name = _decode_windows, "Windows-1252"
                self.notes.append("no UTF-8 file: read as Windows-1252 (Latin-1), as older programs write it")
                text, used = _decode_windows(data, "strict", not block)
            bad = _CONTROL.search(text) if name == "Windows-1252" else re.search("\0", text)
            if bad:
                line += _count_lines(text[: bad.start()])
                self._refuse_byte(text[bad.start()].encode("cp1252", "replace"), 0, line, name)
            is_ascii = is_ascii and text.isascii()
            line += _count_lines(text)
            yield text
            data = data[used:] + block

    def _refuse_byte(self, data: bytes, start: int, line: int, name: str) -> None:
        line += _count_lines(data[:start].decode("latin-1")) if name != "UTF-16" else 0
        problem = f"byte 0x{data[start]:02x} is not part of a {name} text"
        raise ValueError(f"{self.source}, line {line}: {problem}: save the table as CSV, UTF-8")


def _decode_windows(data: Any, errors: str | None = None, final: bool = False) -> tuple[str, int]:
    """As the functions of `codecs` do; the five bytes without a meaning become control characters, and are refused."""
    text = bytes(data).decode("cp1252", "replace")
    return text.replace("\ufffd", "\0"), len(data)


def _split_lines(texts: Iterator[str]) -> Iterator[str]:
    r"""The lines of a text that comes in pieces; each ends as it does in the file, with \n, \r or \r\n."""
    pieces: list[str] = []
    for text in texts:
        pieces.append(text)
        if "\n" in text or "\r" in text or pieces[-2:-1] == ["\r"]:
            text = "".join(pieces)
            end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1  # a \r at the very end may be half of \r\n
            yield from io.StringIO(text[:end], newline="")
            pieces = [text[end:]]
    yield from io.StringIO("".join(pieces), newline="")


def _count_lines(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _find_separator(lines: list[str]) -> str:
    """The character that divides the first line and the rows below it in the same number of cells.

    Each row tells, as a header or a text may hold one of the others. Where two tell the same, it is the one that makes
    more cells, then the one that is rarer in texts.
    """
    found, most = ",", (0, 0, 0)
    for sep in reversed(SEPARATORS):  # a tie goes to the last one
        records = _read_sample(lines, sep)
        if not records or len(records[0]) < 2:
            continue
        header, *rows = records
        alike = sum(len(row) == len(header) for row in rows)
        divided = sum(len(row) > 1 for row in rows)
        if (divided or not rows) and (alike, divided, len(header)) >= most:
            found, most = sep, (alike, divided, len(header))
    return found


def _read_sample(lines: list[str], sep: str) -> list[list[str]]:
    import csv

    records: list[list[str]] = []
    reader = csv.reader(lines, delimiter=sep, strict=True)
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                records.append(cells)
    except csv.Error:  # this sep makes no records of them, or the sample ends within a quoted cell
        pass
    return records
