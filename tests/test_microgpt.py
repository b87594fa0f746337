"""The GPT of the examples: it computes what the engine computes, with a program for each length, and it learns.

The engine's side is the example without compiling, as its page in the documents shows it: the lines of its diff are
taken back.
"""

import random
import re
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from profiles import sample

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "microgpt.py"
TEXT = EXAMPLE.read_text(encoding="utf-8")
DIFF = re.findall(r"```diff\n(.*?)```", (ROOT / "docs" / "compiler.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def changes() -> list[tuple[str, str]]:
    """Of each group of the diff the lines before, without compiling, and after."""
    groups = re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", "".join(DIFF), flags=re.MULTILINE)
    return [tuple(re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in group) for group in groups]


def without_compiling() -> str:
    text = TEXT
    for before, after in changes():
        assert text.count(after) == 1, after
        text = text.replace(after, before)
    return text


def module(text: str) -> Any:
    made = ModuleType("microgpt")
    made.__file__ = str(EXAMPLE)
    exec(compile(text, str(EXAMPLE), "exec"), vars(made))
    return made


@pytest.fixture(scope="module")
def compiled() -> Any:
    return module(TEXT)


@pytest.fixture(scope="module")
def eager() -> Any:
    return module(without_compiling())


def test_six_lines_are_changed() -> None:
    assert len(DIFF) == 1
    assert sum(after.count("\n") for _, after in changes()) <= 6
    text = without_compiling()
    assert not re.search(r"tg\.(compile|take|maximum)\(", text)
    assert "max(logit.data for logit in logits)" in text


DOCUMENTS = [[6, 1, 2, 3, 6], [6, 0, 6], [6, 5, 5, 6], [6, 4, 6], [6, 3, 2, 1, 6], [6, 1, 2, 3, 4, 5, 0, 1, 6]]


@pytest.mark.parametrize("layers", sample([2, 1], 1))
def test_losses_of_all_steps_are_those_of_the_engine(eager: Any, compiled: Any, layers: int) -> None:
    losses = []
    for microgpt in (eager, compiled):
        random.seed(7)
        model = microgpt.GPT(tokens=7, width=4, heads=2, layers=layers, longest=6)
        losses.append([*microgpt.train(model, DOCUMENTS, steps=12)])
    assert all(type(loss) is float for both in losses for loss in both)
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    assert len({*losses[0]}) == 12


def test_there_is_a_program_for_each_length(compiled: Any) -> None:
    calls = []

    class Counting(compiled.GPT):  # type: ignore[misc, name-defined]
        def loss(self, document: list[int]) -> Any:
            calls.append(len(document))
            return super().loss(document)

    model = Counting(tokens=7, width=4, heads=2)
    for _ in compiled.train(model, DOCUMENTS, steps=3 * len(DOCUMENTS)):
        pass
    lengths = {len(document) for document in DOCUMENTS}
    assert sorted(calls) == sorted([*lengths, *lengths])  # a function is traced twice


def test_it_learns(compiled: Any) -> None:
    random.seed(1)
    names = [name for name in compiled.NAMES.read_text(encoding="utf-8").split() if len(name) == 4]
    letters = compiled.Letters(names)
    model = compiled.GPT(len(letters), width=8, heads=2, longest=8)
    losses = [*compiled.train(model, [letters.encode(name) for name in names], steps=200, rate=0.02)]
    assert losses[0] > 3.0
    assert sum(losses[-50:]) / 50 < 2.5
    made = [compiled.made_up(model, letters) for _ in range(20)]
    assert all(len(name) <= 8 and {*name} <= {*letters.letters} for name in made)
    assert sum(2 <= len(name) <= 6 for name in made) > 10


def test_it_runs_and_prints_names(capsys: pytest.CaptureFixture[str]) -> None:
    """With a smaller model: most of the time goes into the names that are made up without compiling."""
    microgpt = module(TEXT)
    whole = microgpt.GPT(27)
    assert len(whole.parameters()) == 4192
    microgpt.GPT = partial(microgpt.GPT, width=4, heads=2, longest=8)
    microgpt.main(steps=2)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ names, 27 tokens, 440 parameters", lines[0])
    assert re.fullmatch(r"step 2: loss 3\.\d{4}", lines[1])
    assert len(lines) == 22


def test_the_list_of_names(compiled: Any) -> None:
    text = compiled.NAMES.read_text(encoding="utf-8")
    names = text.splitlines()
    assert len(names) > 1000
    assert names == sorted({*names})
    assert all(re.fullmatch(r"[a-z]{3,15}", name) for name in names)
    assert len(text) < 20_000
