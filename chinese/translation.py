"""The Chinese texts, and how README, a page or a lesson in Chinese is made of them and of the English one.

A Chinese text has a paragraph for each one of the English text. What is the same in both languages stands in the
English one only: blocks of code and formulas come from there, and inside a paragraph `{1}` is its first thing that is
not to be translated, a piece of code, a formula, a number, the address of a link or an HTML tag, `{2}` its second, and
so on. So nothing of it can be wrong in Chinese, and a paragraph that does not fit any more is an error here.

    python chinese/translation.py             writes README.zh.md, and the lessons to notebooks/zh/
    python chinese/translation.py show FILE   prints a text with the numbers of what is not translated

`README.md` beside this says how to translate. The site is left to `.ci/lessons.py`, running lessons to
`notebooks/make.py`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).parent.parent
TEXTS = ROOT / "chinese" / "texts"
LESSONS = sorted((ROOT / "notebooks").glob("[1-5]_*.py"))  # the five on gradient descent

# What is the same in both languages; one pattern a line, those before others that would take a part of them.
SAME = re.compile(
    r"""
    `[^`]+`                                         # code
    | \$\$.+?\$\$ | \$[^$]+?\$                      # formulas
    | (?<=\])\([^()\s]*\)                           # the address of a link
    | <img\ [^<>]*\balt=" | ">                      # a picture but for what it says to those who do not see it
    | <[^<>]*>                                      # another tag
    | (?<![\w.])[0-9]+(?:[.,:][0-9]+)*(?:\s?%)?(?!\w)  # a number
    """,
    re.VERBOSE | re.DOTALL,
)
REFERENCE = re.compile(r"\{(\d+)\}")
BEGIN = r"(#+|[-*>] |\||\{?\d+\}?\. |!\[)"  # of a line that is more than the rest of the one before
WIDE = "\u2018-\u201d\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"  # letters and signs of Chinese
BREAK = re.compile(rf"(?<=[{WIDE}])\n *(?=[{WIDE}])|(?<=[，。：；？！（、“])\n *(?!{BEGIN})")  # would show as a space


def split(markdown: str) -> list[str]:
    """The blocks of a text: what is between blank lines, and a block of code as one."""
    blocks: list[list[str]] = [[]]
    is_code = False
    for line in markdown.strip("\n").split("\n"):
        if line.strip() or is_code:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
        is_code ^= line.lstrip().startswith("```")
    return ["\n".join(block) for block in blocks]


def has_words(block: str) -> bool:
    """Whether there is something to translate in a block of an English text."""
    is_code = re.fullmatch(r"(<!--.*?-->\s*)?```.*```", block, flags=re.DOTALL)
    return not is_code and bool(re.search("[A-Za-z]{2}", SAME.sub("", block)))


def translate(english: str, chinese: str) -> str:
    """The Chinese text with all that it takes from the English one.

    Args:
        english: A text in Markdown.
        chinese: A block for each of its blocks that has words, in the same order.

    Raises:
        ValueError: A block is missing, or there is one too many, or it does not take each thing from its English one.
    """
    blocks = split(english)
    texts = iter(split(chinese))
    found = []
    for block in blocks:
        found.append(translate_block(block, next(texts, "")) if has_words(block) else block)
    if rest := [*texts]:
        raise ValueError(f"this has no English text:\n{rest[0]}")
    return "\n\n".join(found) + "\n"


def translate_block(english: str, chinese: str) -> str:
    """One block: each `{n}` is the n-th thing of the English one, and all of them are there."""
    things = SAME.findall(english)
    numbers = [int(number) for number in REFERENCE.findall(chinese)]
    words = REFERENCE.sub("", chinese)
    if {*numbers} != {*range(1, len(things) + 1)}:
        raise ValueError(f"this takes {sorted({*numbers})} of {len(things)} things:\n{chinese}\n{show(english)}")
    if own := SAME.search(words):
        raise ValueError(f"{own[0]!r} has to be taken from the English text:\n{chinese}\n{show(english)}")
    if shape(english) != shape(chinese):
        raise ValueError(f"this is a text of another kind than its English one:\n{chinese}\n{show(english)}")
    joined = BREAK.sub("", chinese)
    return REFERENCE.sub(lambda match: things[int(match[1]) - 1], joined)


def shape(block: str) -> list[str]:
    """What kind of text a block is: how each of its lines begins that is a title, or a row, or begins something."""
    return [re.sub(r"\W?\d+.*", "1", line) for line in re.findall(f"^ *{BEGIN}", block, flags=re.MULTILINE)]


def show(english: str) -> str:
    """The text with `{n:thing}` for each thing that is not to be translated: so a translator sees the numbers."""
    blocks = []
    for block in split(english):
        if has_words(block):
            things = SAME.findall(block)
            others = SAME.split(block)
            block = others[0] + "".join(
                f"{{{number}:{thing}}}{after}" for number, (thing, after) in enumerate(zip(things, others[1:]), 1)
            )
        blocks.append(block)
    return "\n\n".join(blocks)


# ---- what is made of it ----------------------------------------------------------------------------------------------
def make_readme() -> str:
    """README in Chinese; it links to what is there in Chinese."""
    text = translate((ROOT / "README.md").read_text("utf-8"), (TEXTS / "README.md").read_text("utf-8"))
    return re.sub(r"\bREADME\.zh\.md\b", "README.md", text)


def pair_cells(lesson: Path) -> Iterator[tuple[nbformat.NotebookNode, str]]:
    """The cells of a lesson, each text with its Chinese one, which stands below it in the source."""
    cells = jupytext.read(lesson).cells
    for cell, following in zip(cells, [*cells[1:], nbformat.NotebookNode(metadata={})]):
        if not is_chinese(cell):
            yield cell, following.source if is_chinese(following) else ""


def is_chinese(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell of a lesson's source is the Chinese text of the one before."""
    return cell.metadata.get("lang") == "zh"


def make_lesson(lesson: Path) -> nbformat.NotebookNode:
    """A lesson in Chinese: code, outputs and pictures are those of the English notebook as it is kept."""
    notebook = nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)
    for cell, (_, chinese) in zip(notebook.cells, pair_cells(lesson), strict=True):
        if cell.cell_type == "markdown":
            cell.source = translate(cell.source, chinese).rstrip("\n")
    return notebook


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["show"]:
        for name in arguments[1:]:
            path = Path(name)
            texts = [path.read_text("utf-8")]
            if path.suffix == ".py":
                texts = [cell.source for cell, _ in pair_cells(path) if cell.cell_type == "markdown"]
            print("\n\n---\n\n".join(map(show, texts)))
        return
    (ROOT / "README.zh.md").write_text(make_readme(), "utf-8")
    (ROOT / "notebooks" / "zh").mkdir(exist_ok=True)
    for lesson in LESSONS:
        nbformat.write(make_lesson(lesson), ROOT / "notebooks" / "zh" / f"{lesson.stem}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
