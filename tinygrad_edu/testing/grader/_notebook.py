"""Reads the code cells of a Jupyter notebook (.ipynb). To run them is left to `_worker.py`."""

import json
import re
from pathlib import Path

_WITH_CODE = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands below is Python


def read_cells(path: Path) -> list[tuple[str, str]]:
    """The code cells of a notebook: the name of each, as "cell 3", and its text.

    The cells are counted from 1, those with text too. What is for the notebook alone makes way for `pass`: magics (%),
    lines for the shell (!), and questions (?).

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
    """The text with as many lines, of which those that are no Python are `pass`."""
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(_WITH_CODE):
        return ""
    lines = []
    is_continued = False
    for line in text.splitlines():
        if is_continued:
            is_continued = line.endswith("\\")
            lines.append("")
            continue
        is_special = re.match(r"\s*(%|!|\?)", line) or re.fullmatch(r"\s*[\w.]+\?{1,2}\s*", line)
        is_continued = bool(is_special) and line.endswith("\\")
        lines.append(re.match(r"\s*", line)[0] + "pass" if is_special else line)  # type: ignore[index]
    return "\n".join(lines) + "\n"


def is_notebook(path: Path) -> bool:
    """Whether the file is a notebook, as its name says."""
    return path.suffix.lower() == ".ipynb"
