"""Makes the notebooks of their text: python notebooks/make.py [NAME...] runs NAME.py and writes NAME.ipynb beside it.

A notebook is written as text, in the percent format of jupytext, which reviewers can diff; it is run from its first
cell to its last in a fresh kernel and an empty folder, and kept with its outputs, so that it can be read where
notebooks are rendered. That what is kept is the text's, and still runs, is left to `test_notebooks.py`.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient

os.environ["TQDM_DISABLE"] = "1"  # a progress bar is to be watched, not to be kept

HERE = Path(__file__).parent
TEXTS = sorted(HERE.glob("[0-9]_*.py"))


def parsed(text: Path) -> nbformat.NotebookNode:
    """The notebook of a text, without outputs; the same text gives the same notebook, byte by byte.

    Below a text stands its translation, where there is one: it is left to `chinese/translation.py`.
    """
    notebook = jupytext.read(text)
    notebook.cells = [cell for cell in notebook.cells if "lang" not in cell.metadata]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for place, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{place}"
        cell.metadata.pop("lines_to_next_cell", None)  # of the text, and not of the notebook
    return notebook


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Runs all cells, in a folder that is empty before and gone afterwards; a cell that fails raises."""
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": folder}}, coalesce_streams=True, record_timing=False
        )
        client.execute()
    notebook.metadata.language_info = {"name": "python"}  # not the version of Python that happened to run it
    return notebook


def main(names: list[str]) -> None:
    unknown = {*names} - {text.stem for text in TEXTS}
    if unknown:
        texts = ", ".join(text.stem for text in TEXTS)
        sys.exit(f"there is no text of {', '.join(sorted(unknown))}; there are {texts}")
    for text in TEXTS:
        if not names or text.stem in names:
            nbformat.write(run(parsed(text)), text.with_suffix(".ipynb"))
            print(f"{text.stem}.ipynb: {text.with_suffix('.ipynb').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
