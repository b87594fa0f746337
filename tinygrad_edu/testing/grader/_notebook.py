"""Reads the code cells of a Jupyter notebook (.ipynb). To run them is left to `_worker.py`."""

import json
import re
from pathlib import Path

_CELLS_WITH_CODE = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands below is Python
_REST = r"(?:.*\\\n)*.*"  # of a line, and the lines that continue it
_SPECIAL = [  # what is for the notebook alone, after what stays; and what takes its place
    (re.compile(pattern, flags=re.MULTILINE), python)
    for pattern, python in (
        (r"(^[ \t]*|=[ \t]*)%time[ \t]+(?=[^\s-])", ""),  # the code is run, and its time shown
        (rf"(^[ \t]*)(?:[%!?]{_REST}|[\w.*[\]]+\?\??[ \t]*$)", "pass"),
        (rf"(=[ \t]*)%{_REST}", "None"),
        (rf"(=[ \t]*)!{_REST}", "[]"),  # the lines that a command has printed
    )
]
_TOKEN = re.compile(
    r"""('{3}|"{3})(?s:\\.|.)*?(?:\1|\Z)  # strings
    |"(?s:\\.|[^"\\\n])*"? | '(?s:\\.|[^'\\\n])*'?
    |\#.* | \\\n[ \t]*[%!?]? | [^"'\#\\()\[\]{}=\n]+ | (?s:.)  # comments, continued lines, names and numbers, the rest
    """,
    flags=re.VERBOSE,
)


def read_cells(path: Path) -> list[tuple[str, str]]:
    """The code cells of a notebook: the name of each, as "cell 3", and its text.

    The cells are counted from 1, those with text too. What is for the notebook alone makes way for `pass`, or for a
    value where one is assigned: magics (%), lines for the shell (!), and questions (?).

    Raises:
        ValueError: The file is no notebook.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(f"{path.name} is not a notebook of Jupyter, which has a list of cells") from None
    return [(f"cell {n}", _keep_python(text)) for n, (kind, text) in enumerate(texts, 1) if kind == "code"]


def _keep_python(text: str) -> str:
    """The Python of a cell, with each line where it was. Within brackets and strings all is Python."""
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(_CELLS_WITH_CODE):
        return ""
    kept, position, depth = list[str](), 0, 0
    while position < len(text):
        for pattern, python in _SPECIAL:
            found = None if depth else pattern.match(text, position)
            if found:
                kept.append(found[1] + python + "\n" * found[0].count("\n"))
                break
        else:
            found = _TOKEN.match(text, position)
            assert found
            kept.append(found[0])
            depth = max(depth + (found[0] in "([{") - (found[0] in ")]}"), 0)
        position = found.end()
    return "".join(kept)


def is_notebook(path: Path) -> bool:
    """Whether the file is a notebook, as its name says."""
    return path.suffix.lower() == ".ipynb"
