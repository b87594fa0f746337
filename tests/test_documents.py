"""The documents say what happens: every code block of the README and of the pages in docs/ is run.

The `python` blocks of a page are one program, run in order in an empty folder; one with a title is the file of that
name. A `text` block that follows one is what it prints; where it ends in an error, its last lines are that error. The
`tinygrad-edu` lines of a `sh` block are run in the same folder; those of a `bash` block are for other machines, and are
only parsed. A `diff` block is left to `test_microgpt.py`. That the pages are built into a site, without a warning, is
left to the CI.
"""

import re
import shlex
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from profiles import IN_CI

import tinygrad_edu as tg
from tinygrad_edu.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "notebooks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HOUSES = "".join(f"{50 + 7 * i},{i % 5},{90 + 12 * i - 6 * (i % 5)}\n" for i in range(40))
FILES = {  # which the pages speak of as the reader's own
    "houses.csv": f"size,age,price\n{HOUSES}",
    "new_houses.csv": "size,age\n80,3\n120,1\n",
    "my_engine.py": (ROOT / "tests" / "engines" / "good.py").read_text(encoding="utf-8"),
} | {  # and what a clone has
    path: (ROOT / path).read_text(encoding="utf-8")
    for path in ("tests/engines/good.py", "tinygrad_edu/data/bundled/penguins.csv")
}
# Takes seconds: a quick run only parses them, and `test_grader.py` grades the same file.
WHOLE_GRADES = ("tinygrad-edu grade my_engine.py", "tinygrad-edu grade tests/engines/good.py")
SET_UP = ("python3 -m venv", ".venv/bin/pip", ".venv/bin/python", ".venv/bin/jupyter", "pip install")  # as the CI does


class Block(NamedTuple):
    language: str
    code: str
    line: int
    title: str


def blocks(page: Path) -> list[Block]:
    """Also those that are indented, as in a list."""
    text = page.read_text(encoding="utf-8")
    fence = r"""^( *)```(\S*)(?: title="(.+?)")?[^\n]*\n(.*?)^\1```$"""
    found = re.finditer(fence, text, flags=re.DOTALL | re.MULTILINE)
    return [
        Block(m[2], re.sub(f"^{m[1]}", "", m[4], flags=re.M), text.count("\n", 0, m.start()) + 1, m[3] or "")
        for m in found
    ]


def run_python(block: Block, page: Path, scope: dict[str, Any]) -> str:
    """Runs a block; an error is what it prints last. Line numbers are those of the page, or of the file it is."""
    if block.title:
        Path(block.title).write_text(block.code, encoding="utf-8")
    code, file = (block.code, block.title) if block.title else ("\n" * block.line + block.code, str(page))
    try:
        exec(compile(code, file, "exec"), scope)
    except Exception as error:
        return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]) + "\n"
    return ""


def run_commands(block: Block) -> str:
    printed = ""
    for line in block.code.replace("\\\n", "").splitlines():
        command = line.removeprefix(".venv/bin/")
        if command in WHOLE_GRADES and not IN_CI:
            main.commands["grade"].make_context("grade", shlex.split(command)[2:])
        elif command.startswith("tinygrad-edu "):
            without_pictures = ["--no-pictures"] * (command.startswith("tinygrad-edu fit") and not IN_CI)
            result = CliRunner().invoke(main, [*shlex.split(command, comments=True)[1:], *without_pictures])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            assert result.exit_code != 2, f"{line}: {result.output}"  # 2 is a command that does not exist as written
            printed += result.output
        else:
            assert line.startswith(SET_UP) or not line.strip(), f"line {block.line}: nobody runs {line!r}"
    return printed


def parse_commands(block: Block) -> None:
    """Of commands for another machine, or for many: whether they are written as they must be."""
    found = re.findall(r"tinygrad-edu (\w+) ([^'\n]*)", re.sub(r"\\\n", "", block.code))
    for command, options in found:
        main.commands[command].make_context(command, shlex.split(re.sub(r"\$\w+", "1", options), comments=True))


def timeless(printed: str) -> str:
    """How long something took is different each time."""
    return re.sub(r"\bin \d+\.\d s\b", "in … s", printed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_the_blocks_of_a_page_run_and_print_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # a page imports the reader's own file
    for name, content in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
    scope: dict[str, Any] = {"__name__": "page"}
    found = blocks(page)
    none = Block("", "", 0, "")
    for before, block, following in zip([none, *found], found, [*found[1:], none]):
        error = printed = ""
        if block.language == "python":
            error = run_python(block, page, scope)
            printed = capsys.readouterr().out + error
        elif block.language == "sh":
            printed = run_commands(block)
        elif block.language == "bash":
            parse_commands(block)
        elif block.language in ("diff", "yaml"):
            continue
        else:
            assert block.language == "text", f"{page.name}, line {block.line}: {block.language!r} is not run"
            assert before.language in ("python", "sh"), f"{page.name}, line {block.line}: nothing prints this"
            continue
        if following.language == "text":
            assert timeless(printed) == timeless(following.code), f"{page.name}, line {block.line}"
        else:
            assert not error, f"{page.name}, line {block.line}: {error}"


def public_things() -> dict[str, str]:
    """Where each public name is defined; a module stands for what is in it."""
    found = {}
    for module in (tg, tg.testing, tg.teach):
        for name in module.__all__:
            thing = getattr(module, name)
            if thing not in (tg.testing, tg.teach):
                found[name] = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
    return found


def shown_in_the_reference() -> dict[str, list[str]]:
    """The modules and names that the pages show; where a page chooses among the members of a module, which."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    found = re.findall(r"^::: (\S+)\n((?: +.*\n)*)", pages, flags=re.MULTILINE)
    chosen = {thing: re.search(r"members:(( \[.+\])|(\n +- \w+)+)", options) for thing, options in found}
    return {thing: re.findall(r"\w+", members[1]) if members else [] for thing, members in chosen.items()}


@pytest.mark.parametrize(("name", "module"), public_things().items())
def test_a_public_name_is_in_the_reference(name: str, module: str) -> None:
    shown = shown_in_the_reference()
    if name == module.rpartition(".")[2]:
        assert any(f"{place}.".startswith(f"{module}.") for place in shown)
    else:
        assert f"{module}.{name}" in shown or name in (shown[module] or [name])


def test_what_the_reference_chooses_is_there() -> None:
    for module, names in shown_in_the_reference().items():
        for name in names:
            assert hasattr(import_module(module), name), f"{module}.{name}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert f'"{page.relative_to(ROOT / "docs").as_posix()}"' in navigation


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [*PAGES, *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "notebooks").glob("[0-9]*.py"))]


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_a_file_of_the_package_that_a_text_names_is_there(text: Path) -> None:
    names = re.findall(r"`((?:tinygrad_edu|[a-z]+)/[\w/]+\.py)`", text.read_text(encoding="utf-8"))
    places = ("", "tinygrad_edu", "tinygrad_edu/compiler", "tinygrad_edu/testing")
    assert [name for name in names if not any((ROOT / place / name).is_file() for place in places)] == []
