"""The README is short, and shows what happens; that its examples run is left to `test_documents.py`."""

import re
from html import unescape
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)


def test_every_example_is_followed_by_what_it_prints():
    assert len(EXAMPLES) == README.count("```python")


def test_the_first_example_has_twelve_lines():
    assert len([line for line in EXAMPLES[0][0].splitlines() if line]) == 12


def test_the_pictures_are_there_and_show_the_numbers_of_the_example():
    paths = re.findall(r"!\[.+?\]\((.+?)\)|<img src=\"(.+?)\"", README)
    paths = [markdown or html for markdown, html in paths]
    assert len(paths) == 3
    for path in paths:
        assert (Path(__file__).parent.parent / path).is_file()
    picture = unescape((Path(__file__).parent.parent / paths[0]).read_text(encoding="utf-8"))
    picture = picture.replace("\xa0", " ")
    assert all(number in picture for number in ("= -0.6044", "grad 1.2695", "grad 0.6347"))


def test_it_can_be_read_in_a_few_minutes():
    assert len(README.splitlines()) < 150
