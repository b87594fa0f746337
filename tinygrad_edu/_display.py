"""Writes a small table as text for a terminal, and as HTML for a notebook.

What the table says is left to its owner: a `Table`, a `History`, an optimizer, the result of `gradcheck`. No text in it
can steer a terminal or become part of a page. The HTML has no colours of its own: a notebook gives it those of its
theme, light or dark.
"""

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

MAX_CELL = 40  # columns of a terminal for one cell
MAX_COLUMNS = 20  # that an owner hands over, of however many it has
GAP = "…"


@dataclass(frozen=True)
class Sheet:
    """A table that is shown: texts in columns, with a line above and lines below.

    Args:
        columns: The name of each of the m columns.
        rows: The rows, each of m texts.
        right: The positions of the columns of numbers, which are aligned at the right.
        title: The line above.
        notes: The lines below.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    title: str = ""
    notes: Sequence[str] = ()

    def to_text(self, width: int | None = None) -> str:
        """Aligns the columns; where they are wider than the terminal, those in the middle make way for "…".

        Args:
            width: The columns of the terminal; None asks the terminal.

        Returns:
            Lines of text.

        Example:
            >>> print(Sheet(["name", "n"], [["a", "5"], ["long", "12"]], frozenset({1})).to_text())
            name   n
            a      5
            long  12
        """
        width = width or shutil.get_terminal_size().columns
        cells = [[_cut(cell, MAX_CELL) for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(map(measure, column)) for column in zip(*cells)]
        kept = list(range(len(widths)))
        while len(kept) > 3 and sum(widths[i] + 2 for i in kept) + len(GAP) > width:
            del kept[(len(kept) + 1) // 2]
        room = max((width - 2 * len(kept) - 1) // max(len(kept), 1), 3)
        if sum(widths[i] + 2 for i in kept) - 2 > width:  # a narrow terminal: nothing is left to leave out
            widths = [min(w, room) for w in widths]
        lines = []
        for row in cells:
            line = []
            for previous, i in zip([-1, *kept], kept):
                if i > previous + 1:
                    line.append(GAP)
                text = _cut(row[i], widths[i])
                blank = " " * (widths[i] - measure(text))
                line.append(blank + text if i in self.right else text + blank)
            lines.append("  ".join(line).rstrip())
        return "\n".join([*map(clean_text, filter(None, [self.title])), *lines, *map(clean_text, self.notes)])

    def to_html(self) -> str:
        """Writes a table of HTML, with all texts escaped.

        Returns:
            An HTML element with all columns: a page can be scrolled.

        Example:
            >>> "&lt;b&gt;" in Sheet(["<b>"], [["1"]]).to_html()
            True
        """

        def write_row(cells: Sequence[str], tag: str) -> str:
            sides = ["right" if i in self.right else "left" for i in range(len(self.columns))]
            texts = [escape(_cut(cell, MAX_CELL)) for cell in cells]
            written = "".join(f'<{tag} style="text-align: {side}">{text}</{tag}>' for side, text in zip(sides, texts))
            return f"<tr>{written}</tr>\n"

        title = f"<div><strong>{escape(clean_text(self.title))}</strong></div>\n" if self.title else ""
        head, body = write_row(self.columns, "th"), "".join(write_row(row, "td") for row in self.rows)
        notes = "".join(f"<div>{escape(clean_text(note))}</div>\n" for note in self.notes)
        return f"<div>\n{title}<table>\n<thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n{notes}</div>"


def clean_text(text: str) -> str:
    r"""Puts a text on one line, with a replacement character for each one that a terminal could take for a command.

    >>> clean_text("two\nlines \x1b[2J") == "two lines \ufffd[2J"
    True
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def measure(text: str) -> int:
    """The columns that a text takes in a terminal, where a Chinese letter is twice as wide as a Latin one."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _cut(text: str, width: int) -> str:
    """The beginning of a text, cleaned, with "…" as its end if the text is too wide."""
    text = clean_text(text[: width + 1])  # the rest cannot be seen
    if measure(text) <= width:
        return text
    while measure(text) > width - 1:
        text = text[:-1]
    return text + GAP


def format_numbers(numbers: Sequence[float | None], digits: int = 6) -> list[str]:
    """Writes the numbers of a column with as many decimals each; a number that is missing is "None", as in a row.

    Args:
        numbers: The numbers of the column.
        digits: The significant digits of each.

    Returns:
        A text for each number.

    Example:
        >>> format_numbers([39.1, None, 181.0])
        ['39.1', 'None', '181.0']
    """
    texts = ["None" if x is None else f"{x:.{digits}g}" for x in numbers]
    if any("e" in text for x, text in zip(numbers, texts) if x is not None and isfinite(x)):
        return texts  # numbers of very different sizes
    decimals = max([len(text.partition(".")[2]) for text in texts], default=0)
    finite = [x is not None and isfinite(x) for x in numbers]
    return [f"{x:.{decimals}f}" if ok else text for x, text, ok in zip(numbers, texts, finite)]
