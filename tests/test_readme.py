"""The README is short, and shows what happens; that its examples run is left to `test_documents.py`."""

import re
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)


def test_every_example_is_followed_by_what_it_prints():
    assert len(EXAMPLES) == README.count("```python")


def test_the_first_example_is_short():
    assert len([line for line in EXAMPLES[0][0].splitlines() if line]) <= 12


def test_the_first_screen_says_what_it_is_and_why_and_shows_it():
    screen = README[: README.index("## ")]
    assert screen.index("moons.gif") < screen.index("Why not micrograd?") < screen.index("Why not PyTorch?")
    assert screen.index("Why not PyTorch?") < screen.index("```python")
    assert screen.count("\n") < 45


def test_the_pictures_are_there_and_show_the_numbers_of_the_example():
    paths = re.findall(r"!\[.+?\]\((.+?)\)|<img src=\"(.+?)\"", README)
    paths = [markdown or html for markdown, html in paths]
    assert len(paths) == 4
    for path in paths:
        assert (ROOT / path).is_file()
    (graph,) = [path for path in paths if path.endswith(".svg")]
    picture = unescape((ROOT / graph).read_text(encoding="utf-8"))
    picture = picture.replace("\xa0", " ")
    assert all(number in picture for number in ("= -0.6044", "grad 1.2695", "grad 0.6347"))


def test_the_animation_is_that_of_the_first_example(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    moons = import_module("moons")
    *_, history = moons.learn()
    assert f"loss {history.loss[0]:.4f} -> {history.loss[-1]:.4f}\n" in EXAMPLES[0][1]
    file = ROOT / "docs" / "images" / "moons.gif"
    assert file.stat().st_size < 600_000
    with Image.open(file) as picture:
        assert (picture.n_frames, picture.size) == (moons.FRAMES, (900, 400))
    assert len(moons.animate(frames=1)) == 1


def test_it_can_be_read_in_a_few_minutes():
    assert len(README.splitlines()) < 150
