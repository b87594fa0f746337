"""The one way to the terminal: what the command shows goes through `say`.

A name of a file, a column or a class may hold characters that a terminal takes for commands: they move the cursor, hide
text, or type for the user. What is said is left to `commands.py` and `report.py`. Ruff refuses click's own functions
everywhere else.
"""

import re
import sys

import click

from tinygrad_edu._display import clean_text

_COLOUR = re.compile(r"(\x1b\[\d+m)")


def say(*lines: str, bold: bool = False, coloured: bool = False, err: bool = False) -> None:
    """Prints lines. Whatever a text holds, it stays on its line, and nothing in it reaches the terminal as a command.

    Args:
        lines: The lines, each without a line end; none is an empty line.
        bold: Whether they are bold.
        coloured: Whether they have colours already (ANSI), which stay: then what is foreign in them has been cleaned.
        err: Whether they go to standard error.
    """
    cleaned = ["".join(map(_clean_part, _COLOUR.split(line))) if coloured else clean_text(line) for line in lines]
    text = "\n".join(cleaned)
    click.echo(click.style(text, bold=True) if bold else text, err=err)


def _clean_part(text: str) -> str:
    return text if _COLOUR.fullmatch(text) else clean_text(text)


def hand_out(table: str) -> None:
    """Writes a table of CSV to standard output: as it is to a file or a program, and in a terminal as `say` does."""
    if sys.stdout.isatty():
        say(*table.removesuffix("\n").split("\n"))
    else:
        click.echo(table.encode(), nl=False)
