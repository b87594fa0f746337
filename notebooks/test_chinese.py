"""README, the first page and the five lessons in Chinese: made of the English ones, whole, and in good order.

Run by `python -m pytest notebooks/test_chinese.py`; it needs the `notebooks` extra.
"""

import re
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from translation import LESSONS, ROOT, TEXTS, WIDE, make_lesson, make_readme, pair_cells, show, translate

CODE = "```python\nfit()\n\n\nfit(2)\n```"
ENGLISH = f"# A title\n\nIt takes 20 steps of `fit` to reach $L = 0.5$:\n\n{CODE}\n\n- [one](a.md)\n- two"
CHINESE = "# 标题\n\n{2} 走 {1} 步，\n达到 {3}：\n\n- [甲]{1}\n- 乙"

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def read_pages() -> dict[str, tuple[str, str]]:
    """The two pages that are not lessons, in English and in Chinese."""
    paths = {"README.md": ROOT / "README.md", "index.md": ROOT / "docs" / "index.md"}
    return {name: (path.read_text("utf-8"), (TEXTS / name).read_text("utf-8")) for name, path in paths.items()}


def read_all_texts() -> dict[str, str]:
    """The Chinese texts as they are written, by where they are found."""
    texts = {name: chinese for name, (_, chinese) in read_pages().items()}
    for lesson in LESSONS:
        for place, (_, chinese) in enumerate(pair_cells(lesson), 1):
            texts[f"{lesson.name}, cell {place}"] = chinese
    return texts


# ---- how a text is made ----------------------------------------------------------------------------------------------
def test_a_text_takes_code_numbers_formulas_and_addresses_from_the_english_one() -> None:
    made = f"# 标题\n\n`fit` 走 20 步，达到 $L = 0.5$：\n\n{CODE}\n\n- [甲](a.md)\n- 乙\n"
    assert translate(ENGLISH, CHINESE) == made


def test_a_translator_sees_the_numbers_of_what_is_taken() -> None:
    assert "It takes {1:20} steps of {2:`fit`} to reach {3:$L = 0.5$}:" in show(ENGLISH)
    assert "- [one]{1:(a.md)}" in show(ENGLISH)
    assert "\nfit(2)\n" in show(ENGLISH)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("{1} 步", "许多步", "this takes [2, 3] of 3 things"),
        ("{1} 步", "{1} 步，{4} 步", "this takes [1, 2, 3, 4] of 3 things"),
        ("{1} 步", "20 步 {1}", "'20' has to be taken"),
        ("{2} 走", "`run` {2} 走", "'`run`' has to be taken"),
        ("# 标题", "## 标题", "another kind"),
        ("- 乙", "乙", "another kind"),
        ("# 标题\n\n", "", "this takes [1, 2, 3] of 0 things"),
        ("- [甲]{1}\n- 乙", "", "this takes [] of 1 things"),
        ("- 乙", "- 乙\n\n还有", "this has no English text"),
    ],
)
def test_a_text_that_does_not_fit_is_an_error(before: str, after: str, reason: str) -> None:
    assert before in CHINESE
    with pytest.raises(ValueError, match=re.escape(reason)):
        translate(ENGLISH, CHINESE.replace(before, after))


# ---- what is kept is what is made ------------------------------------------------------------------------------------
def test_the_readme_is_that_of_its_texts() -> None:
    """If not: python chinese/translation.py."""
    assert (ROOT / "README.zh.md").read_text("utf-8") == make_readme()


def test_the_first_page_is_translated() -> None:
    assert translate(*read_pages()["index.md"]).startswith("# ")


def test_there_are_five_lessons_and_no_other() -> None:
    assert [lesson.stem for lesson in LESSONS] == sorted(path.stem for path in (ROOT / "notebooks" / "zh").iterdir())
    assert len(LESSONS) == 5


@every_lesson
def test_a_lesson_is_that_of_its_texts_and_has_all_that_came_out_of_the_english_one(lesson: Path) -> None:
    """If not: python chinese/translation.py."""
    kept = (ROOT / "notebooks" / "zh" / f"{lesson.stem}.ipynb").read_text("utf-8")
    assert kept == nbformat.writes(make_lesson(lesson)) + "\n"


# ---- the texts themselves --------------------------------------------------------------------------------------------
WIDE_SIGNS = "，。：；？！（）、“”"


@pytest.mark.parametrize(
    ("mistake", "what"),
    [
        (rf"[{WIDE}] ?[,;:?!]|[{WIDE}]\.(?!\w)", "a sign of Chinese is a wide one"),
        (r"[\u4e00-\u9fff](?=[A-Za-z0-9`$])|[A-Za-z0-9`$](?=[\u4e00-\u9fff])", "a space is between Chinese and Latin"),
        (rf"(?<![#>|*.-]) [{WIDE_SIGNS}]|[{WIDE_SIGNS}] (?!\|)", "no space is beside a wide sign"),
    ],
)
def test_signs_and_spaces_are_those_of_chinese(mistake: str, what: str) -> None:
    found = {
        f"{place}: {text[max(0, match.start() - 10) : match.end() + 10]!r}"
        for place, text in read_all_texts().items()
        for match in re.finditer(mistake, text)
    }
    assert not found, what


def test_what_is_marked_as_bold_is_seen_as_bold() -> None:
    """Between a wide sign and a letter CommonMark sees no mark, and shows its stars."""
    for place, text in read_all_texts().items():
        assert "*" not in re.sub("<[^<>]+>", "", MarkdownIt().render(text)), place
