"""Files of an experiment: all or none, the model before its pictures, nothing left behind; and closed streams."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from profiles import IN_CI

import tinygrad_edu
from tinygrad_edu import _io
from tinygrad_edu.cli import main
from tinygrad_edu.cli._folder import write_all_or_none
from tinygrad_edu.cli.experiment import NAMES

PICTURES = "--pictures" if IN_CI else "--no-pictures"
FIT = ["fit", "line.csv", "--target", "z", "--hidden", "none", "--epochs", "2"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("line.csv").write_text("x,z\n" + "".join(f"{x},{2 * x + 1}\n" for x in range(20)))
    return tmp_path


def content(folder: str | Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in Path(folder).iterdir()}


def write(folder: Path, **files: str) -> None:
    with write_all_or_none(folder, ["a", "b", "c"]) as temporary:
        for name, text in files.items():
            Path(temporary, name).write_text(text)


# ---- all or none -----------------------------------------------------------------------------------------------------
def test_the_new_files_take_the_place_of_all_old_ones(tmp_path: Path):
    out = tmp_path / "new" / "out"
    write(out, a="1", b="2")
    Path(out, "other").write_text("of somebody else")
    write(out, b="3", c="4")
    assert content(out) == {"b": "3", "c": "4", "other": "of somebody else"}


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_where_one_file_cannot_be_replaced_nothing_has_changed(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, calls, rename = tmp_path / "out", [], os.rename
    write(out, a="1", b="2", c="3")

    def failing(before: Any, after: Any) -> None:
        calls.append(after)
        if len(calls) == fails_at:
            raise PermissionError(13, "Permission denied", os.fspath(before), None, os.fspath(after))
        rename(before, after)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(PermissionError) as caught:
        write(out, a="4", b="5")
    assert content(out) == {"a": "1", "b": "2", "c": "3"}
    assert Path(caught.value.filename).parent == out or caught.value.filename in map(str, out.iterdir())


def test_a_link_is_replaced_and_comes_back(tmp_path: Path):
    out = tmp_path / "out"
    write(out, b="1")
    (out / "a").symlink_to(tmp_path / "nowhere")
    (out / "c").mkdir()
    with pytest.raises(IsADirectoryError, match="c is a folder, and in the way"):
        write(out, a="2", b="3")
    assert (out / "a").is_symlink()
    assert (out / "b").read_text() == "1"


# ---- what a killed program left --------------------------------------------------------------------------------------
def wait_in(folder: Path, begun: Any, end: Any) -> None:
    with write_all_or_none(folder, ["a"]) as temporary:
        Path(temporary, "a").write_text("of the first")
        begun.set()
        end.wait(60)


def test_what_a_killed_program_left_is_cleared_when_nobody_uses_it(tmp_path: Path):
    out = tmp_path / "out"
    context = multiprocessing.get_context("spawn")  # a thread of another test is not to be forked
    begun, end = context.Event(), context.Event()
    first = context.Process(target=wait_in, args=(out, begun, end))
    first.start()
    assert begun.wait(60)
    mine = out / ".unfinished-by-me"
    mine.mkdir()
    write(out, b="of the second")  # while the first one is still at work
    assert len([*out.glob(".unfinished-????????")]) == 1
    first.kill()
    first.join()
    assert len([*out.glob(".unfinished-????????")]) == 1
    write(out, c="of the third")
    assert {path.name for path in out.iterdir()} == {"c", mine.name}


# ---- long names ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["x" * 255, "é" * 127 + "x", "x" * 250 + ".json"])
def test_a_name_may_be_as_long_as_the_file_system_takes(name: str, tmp_path: Path):
    deep = tmp_path
    while len(os.fspath(deep)) < 3500:
        deep = deep / ("d" * 200)
    deep.mkdir(parents=True)
    for content in ("first", "second"):
        _io.write(deep / name, content)
    assert [path.name for path in deep.iterdir()] == [name]
    assert (deep / name).read_text() == "second"
    with pytest.raises(OSError, match="File name too long") as caught:
        _io.write(deep / (name + "y"), "third")
    assert caught.value.filename == os.fspath(deep / (name + "y"))


def test_a_folder_with_a_name_too_long_is_an_error_before_training():
    result = CliRunner().invoke(main, [*FIT, "--out", "x" * 256])
    assert (result.exit_code, result.stderr) == (2, f"Error: {'x' * 256}: File name too long\n")


# ---- the model before its pictures -----------------------------------------------------------------------------------
def test_pictures_that_fail_are_named_and_the_model_stays(monkeypatch: pytest.MonkeyPatch):
    from tinygrad_edu.cli.experiment import Experiment

    CliRunner().invoke(main, [*FIT, "--out", "out", "--no-pictures"])
    before = Path("out/model.json").read_bytes()

    def fail(*_: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(Experiment, "_plot_fit", fail)
    monkeypatch.setattr(Experiment, "find_steepest_neuron", fail)
    result = CliRunner().invoke(main, [*FIT, "--out", "out", "--epochs", "3"])
    failed = [f"the picture {name} could not be drawn: no ink" for name in ("fit", "neuron")]
    kept = "model.json and history.csv are in out"
    assert (result.exit_code, result.stderr) == (2, f"Error: {'; '.join(failed)}; {kept}\n")
    assert Path("out/model.json").read_bytes() != before
    assert sorted(content_names("out")) == sorted(name for name in NAMES if not name.startswith(("fit", "neuron")))


def content_names(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def test_ctrl_c_while_the_pictures_are_drawn_keeps_the_model(monkeypatch: pytest.MonkeyPatch):
    from tinygrad_edu.cli.experiment import Experiment

    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "_plot_fit", press)
    result = CliRunner().invoke(main, [*FIT, "--out", "out"])
    kept = "model.json and history.csv are in out"
    assert (result.exit_code, result.stderr) == (130, f"Error: interrupted while the pictures were drawn; {kept}\n")
    assert sorted(content_names("out")) == ["coefficients.csv", "history.csv", "model.json"]


# ---- as a program ----------------------------------------------------------------------------------------------------
def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("tinygrad-edu", f"{sys.executable} -m tinygrad_edu.cli")
    environment = {**os.environ, "PYTHONPATH": str(Path(tinygrad_edu.__file__).parents[1]), **environment}
    return subprocess.run(command, shell=True, check=False, capture_output=True, text=True, env=environment)


def test_a_backend_that_does_not_exist_is_known_before_training():
    done = shell(f"tinygrad-edu {' '.join(FIT)} --epochs 100000 --out out", MPLBACKEND="nothing")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing" in done.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("closed", "option"),
    [("2>&-", "--no-pictures"), (">&-", "--no-pictures"), ("<&- >&- 2>&-", PICTURES)],
)
def test_closed_streams_are_no_reason_to_fail(closed: str, option: str):
    done = shell(f"tinygrad-edu {' '.join(FIT)} --out out {option} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    if option == "--pictures":
        assert sorted(content_names("out")) == sorted(NAMES)
        assert Path("out/loss.png").read_bytes().startswith(b"\x89PNG")
    predicted = shell(f"tinygrad-edu predict out/model.json line.csv --out new.csv {closed}")
    assert (predicted.returncode, predicted.stderr) == (0, "" if "2>&-" in closed else "new.csv is written\n")
    assert len(Path("new.csv").read_text().splitlines()) == 21
    assert shell(f"tinygrad-edu predict out/model.json nowhere.csv {closed}").returncode == 2
