"""The typed program runs as it is typed. That type checkers are content with it is left to `.ci/run`."""

import runpy
from pathlib import Path

import pytest


def test_the_typed_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(Path(__file__).with_name("typed_program.py")), run_name="__main__")
    gradients, last_loss, score = capsys.readouterr().out.splitlines()
    assert gradients.startswith("[1.26947917")
    assert float(last_loss) < 0.2
    assert score == "90%, epochs"
