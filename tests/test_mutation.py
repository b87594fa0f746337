"""The list of equivalent mutants in `mutation.toml` speaks of code that is there; `mutation.py` runs the mutants."""

from pathlib import Path

import pytest
from mutation import PLAN, ROOT, Mutant, Result, equivalents, judged, least, together

EQUIVALENTS = equivalents()


@pytest.mark.parametrize("mutant", EQUIVALENTS, ids=lambda mutant: f"{mutant.module}: {mutant.becomes}")
def test_an_equivalent_mutant_changes_a_line_of_the_code_and_says_why_nobody_can_tell(mutant: Mutant) -> None:
    code = (ROOT / "tinygrad_edu" / f"{mutant.module}.py").read_text(encoding="utf-8")
    assert mutant.line in map(str.strip, code.splitlines())
    assert mutant.becomes != mutant.line
    assert len(EQUIVALENTS[mutant].split()) > 3


def test_every_module_has_its_tests() -> None:
    assert set(PLAN["tests"]) == {
        *("ops", "engine", "functional", "optim", "losses"),
        *("compiler/roll", "compiler/vjp"),
    }
    assert all(Path(ROOT, tests[0]).is_file() for tests in PLAN["tests"].values())


PLUS, MINUS = Mutant("ops", "a + b", "a - b"), Mutant("ops", "a - b", "a + b")


@pytest.mark.parametrize(
    ("killed", "survived", "complaint"),
    [
        (99, [PLUS], None),
        (99, [], "listed as equivalent, but is killed or gone"),
        (99, [PLUS, MINUS], "survives"),
        (18, [PLUS], "fewer than 95%"),
    ],
)
def test_what_a_run_is_judged_by(killed: int, survived: list[Mutant], complaint: str | None) -> None:
    complaints = judged(Result("ops", [MINUS] * killed, survived, 1.0), {PLUS: "a and b are 0"})
    assert [complaint in said for said in complaints] == ([True] if complaint else [])


def test_a_module_may_have_its_own_least() -> None:
    assert least("ops") == 0.95
    assert least("compiler/roll") == 0.90


def test_the_mutants_of_a_module_are_dealt_out_and_put_together() -> None:
    hands = [Result("ops", [PLUS], [], 1.0), Result("ops", [], [MINUS], 2.0)]
    assert together("ops", hands) == Result("ops", [PLUS], [MINUS], 3.0)
