"""The notebooks as they are kept: each one is its text's, can be read without running it, and runs from scratch.

Run by `python -m pytest notebooks/test_notebooks.py`; it needs the `notebooks` extra, so it is not among the tests of
the package. The numbers that a lesson must reach are asserted in its cells.
"""

import re
from pathlib import Path

import nbformat
import pytest
from make import HERE, TEXTS, parsed, run

import tinygrad_edu as tg
from tinygrad_edu.teach.catalogue import exercises_of

LARGEST = 600_000  # bytes

every_notebook = pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)


def kept(text: Path) -> nbformat.NotebookNode:
    return nbformat.read(text.with_suffix(".ipynb"), as_version=4)


def test_there_is_a_notebook_for_each_text_and_no_other() -> None:
    assert len(TEXTS) == 9
    assert {text.with_suffix(".ipynb") for text in TEXTS} == {*HERE.glob("*.ipynb")}


@every_notebook
def test_the_notebook_is_that_of_its_text(text: Path) -> None:
    """If not: python notebooks/make.py NAME."""
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in parsed(text).cells]
    assert [(cell.cell_type, cell.source, cell.metadata) for cell in kept(text).cells] == cells


@every_notebook
def test_it_was_run_from_top_to_bottom_and_shows_what_came_out(text: Path) -> None:
    code = [cell for cell in kept(text).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert not [output for output in outputs if output.get("data") == {"text/plain": ""}]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@every_notebook
def test_what_is_a_picture_is_one_also_where_no_svg_and_no_page_is_shown(text: Path) -> None:
    """GitHub and JupyterLab show an untrusted notebook's PNG and JPEG, and leave out SVG, GIF, scripts and frames."""
    for cell in kept(text).cells:
        for output in cell.get("outputs", []):
            kinds = {*output.get("data", {})}
            picture = any(kind.startswith("image/") for kind in kinds) or re.search(
                "<(svg|img|iframe|canvas|video)", output.get("data", {}).get("text/html", "")
            )
            assert not picture or kinds & {"image/png", "image/jpeg"}, cell.source


@every_notebook
def test_it_is_of_a_modest_size_and_knows_nothing_of_the_machine_it_was_run_on(text: Path) -> None:
    content = text.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert len(content.encode()) <= LARGEST
    assert not re.search(r"/(home|root|tmp|work|Users)/", content)


@every_notebook
def test_each_exercise_has_a_cell_to_answer_it_and_below_it_a_solution_that_is_right(text: Path) -> None:
    """A solution is a cell that is run as any other; JupyterLab shows it folded, and so what comes out of it."""
    code = [cell for cell in kept(text).cells if cell.cell_type == "code"]
    places = [i for i, cell in enumerate(code) if "solution" in cell.metadata.get("tags", [])]
    names = [exercise.name for exercise in exercises_of(text.stem[0]).values()]
    assert places == [len(code) - 2 * k + 1 for k in reversed(range(1, len(names) + 1))]
    for name, place in zip(names, places):
        answer, solution = code[place - 1], code[place]
        assert answer.source.startswith("# Your code here\n")
        assert f'tg.teach.check("{name}", ' in answer.source
        assert shown(answer) == [f"… {name} is not answered yet: put your code in place of the dots. `.hint()` helps."]
        assert solution.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
        code_of_solution, *_, verdict = shown(solution)
        assert code_of_solution == tg.teach.exercise(name).solution().code
        assert verdict.startswith(f"✓ {name} is right: ")


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """The texts of what a cell has displayed, without what it has printed."""
    return [output.data["text/plain"] for output in cell.outputs if "data" in output]


@every_notebook
def test_it_runs_from_scratch(text: Path) -> None:
    solutions = [cell for cell in run(parsed(text)).cells if "solution" in cell.metadata.get("tags", [])]
    assert all(shown(cell)[-1].startswith("✓ ") for cell in solutions)
