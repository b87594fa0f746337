"""Training that is killed at any moment goes on from its checkpoint and ends, bit by bit, as if nothing had happened.

SIGKILL, which no program can catch, in processes of their own: a checkpoint is whole or not there. And whatever else
stands in its place is an error that leaves it, the model, the optimizer and the random numbers as they are.
"""

import io
import os
import random
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner
from profiles import sample

from tinygrad_edu import _io, nn, optim, train
from tinygrad_edu.cli import main
from tinygrad_edu.cli.experiment import Experiment
from tinygrad_edu.train.checkpoint import read_lines, seal

EPOCHS = 150
KILLS = 14

RUN = dedent(
    f"""
    import json, os, sys
    from random import Random
    from tinygrad_edu import nn, optim
    from tinygrad_edu.train import fit

    path = sys.argv[1]
    # once there is a checkpoint, the numbers that the model begins with must make no difference
    model = nn.MLP(1, [4, 1], activation="tanh", rng=Random(os.getpid() if os.path.exists(path) else 3))
    adam = optim.Adam(model.parameters(), optim.cosine(0.05, steps=600))
    X, y = [[i / 10] for i in range(10)], [(i / 5) ** 2 for i in range(10)]
    report = lambda history: print(history.epochs, flush=True)
    options = {{"batch_size": 3, "shuffle": True, "seed": 5, "record_parameters": True, "callbacks": [report]}}
    history = fit(model, X, y, optimizer=adam, epochs={EPOCHS}, validation=(X, y), checkpoint=path, **options)
    del history.seconds  # all else has to be the same
    print(json.dumps([model.state_dict(), adam.state_dict(), vars(history)]))
    """
)


def start(path: Path, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", before + RUN, str(path)], stdout=subprocess.PIPE, text=True)


def result(path: Path) -> str:
    """What a run that is left alone has to say in the end; it needs no process of its own."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", ["", str(path)])
        exec(RUN, {})
    return printed.getvalue().splitlines()[-1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return result(tmp_path_factory.mktemp("undisturbed") / "run.json")


def test_a_run_killed_at_random_moments_ends_with_the_very_same_numbers(tmp_path: Path, undisturbed: str):
    """A kill comes some time after an epoch is reported: in the midst of an update, or while the file is written."""
    rng, path = random.Random(0), tmp_path / "run.json"
    reached = []
    for moment in sample([0, *sorted(rng.sample(range(1, EPOCHS), KILLS - 1))], 4):
        process = start(path)
        assert process.stdout
        for line in process.stdout:
            if int(line) >= moment:
                break
        time.sleep(rng.choice([0.0, rng.uniform(0.0, 0.004)]))
        process.kill()
        process.communicate()
        assert process.returncode != 0, "the run was over before it was killed"
        reached.append(epochs(path))
    assert reached == sorted(reached)  # nothing that was written has been lost
    assert reached[0] < EPOCHS / 4
    assert reached[-1] > EPOCHS / 2
    assert result(path) == undisturbed


# `os.fsync` follows the last byte of a line that is added, `os.replace` gives a file that is written anew its place
DIE = dedent(
    """
    import os, signal
    def die(*arguments):
        die.calls += 1
        if die.calls == {at}:
            {do}
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)
    die.calls, original, os.{function} = 0, os.{function}, die
    """
)


@pytest.mark.parametrize(
    ("function", "at", "do", "is_left"),
    [
        ("fsync", 30, "os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size - 50)", False),
        ("fsync", 30, "pass", False),
        ("replace", 2, "os.truncate(arguments[0], 100)", True),  # half of it has reached the disk
        ("replace", 2, "original(*arguments)", False),
    ],
    ids=["within a line", "after a line", "before it takes its place", "after it took its place"],
)
def test_killed_while_the_checkpoint_is_written(
    function: str, at: int, do: str, is_left: bool, tmp_path: Path, undisturbed: str
):
    path = tmp_path / "run.json"
    process = start(path, before=DIE.format(function=function, at=at, do=do))
    process.communicate()
    assert process.returncode == -9
    assert epochs(path) > 0
    left = [file for file in tmp_path.iterdir() if file != path]
    assert len(left) == is_left
    assert result(path) == undisturbed
    for file in left:  # it disturbs nobody; and when it can no longer be somebody's who is writing, it goes
        os.utime(file, (0.0, time.time() - 2 * _io.ABANDONED_AFTER))
    _io.write(path, path.read_bytes())
    assert [*tmp_path.iterdir()] == [path]


def test_what_another_writer_has_in_hand_stays(tmp_path: Path):
    in_hand = tmp_path / ".state.json.1.2.tmp"
    not_ours = [tmp_path / ".other.json.1.2.tmp", tmp_path / ".state.json.mine.tmp", tmp_path / "state.json.1.2.tmp"]
    for file in [in_hand, *not_ours]:
        file.touch()
    for file in not_ours:
        os.utime(file, (0.0, 0.0))
    _io.write(tmp_path / "state.json", "{}")
    assert {*tmp_path.iterdir()} == {in_hand, *not_ours, tmp_path / "state.json"}


def test_where_nothing_can_be_cleared_away_the_file_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(folder: str) -> None:
        raise PermissionError(folder)

    monkeypatch.setattr(os, "scandir", forbidden)
    _io.write(tmp_path / "state.json", "{}")
    assert (tmp_path / "state.json").read_text() == "{}"


def test_the_command_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The model is the same, byte by byte. The run that is killed has a process of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Experiment, "write_pictures", lambda experiment, folder: {})  # which say no more than the model
    Path("table.csv").write_text("x,y\n" + "".join(f"{i / 10},{(i / 5) ** 2}\n" for i in range(20)))

    def command(name: str) -> list[str]:
        options = ["--target", "y", "--hidden", "4", "--epochs", "100", "--out", name, "--checkpoint", f"{name}.json"]
        return ["fit", "table.csv", *options]

    assert CliRunner().invoke(main, command("whole")).exit_code == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_edu.cli", *command("killed")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    moment = random.Random(1).randrange(50)
    while process.poll() is None:
        if Path("killed.json").exists() and epochs(Path("killed.json")) >= moment:
            process.kill()
        time.sleep(0.01)
    assert process.returncode != 0
    assert not Path("killed", "model.json").exists()
    assert CliRunner().invoke(main, command("killed")).exit_code == 0
    assert Path("killed", "model.json").read_bytes() == Path("whole", "model.json").read_bytes()
    assert epochs(Path("killed.json")) == 100


def epochs(path: Path) -> int:
    _, states = read_lines(path)
    return states[-1]["since"] + len(states[-1]["loss"])


# ---- what is no checkpoint of this run -------------------------------------------------------------------------------
class Run:
    """A model, its optimizer and what they learn, with the checkpoint in a file."""

    X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]

    def __init__(self, path: Path, seed: int = 0) -> None:
        self.path = path
        self.model = nn.Linear(1, rng=random.Random(seed))
        self.adam = optim.Adam(self.model.parameters())

    def fit(self, epochs: int) -> train.History:
        return train.fit(self.model, self.X, self.y, optimizer=self.adam, epochs=epochs, checkpoint=self.path)

    def state(self) -> object:
        leaves = [(p.data, p.grad) for p in self.model.parameters()]
        return leaves, self.adam.state_dict(), random.getstate(), self.path.read_bytes()


def test_a_checkpoint_cut_short_at_any_byte_is_an_error_or_goes_on_from_its_last_whole_line(tmp_path: Path):
    path = tmp_path / "run.json"
    whole_run = Run(path)
    whole_run.fit(5)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) > 3
    rng, ends = random.Random(0), [len(b"".join(lines[:i])) for i in range(len(lines))]
    places = {n + d for n in ends for d in (-1, 0, 1)} | {*rng.sample(range(len(whole)), 100)}
    for n in sorted(places - {-1}):
        path.write_bytes(whole[:n])
        other = Run(path, seed=1)
        if n < ends[2]:  # there is no state yet
            before = other.state()
            with pytest.raises(ValueError, match=r"run\.json is not a checkpoint"):
                other.fit(5)
            assert other.state() == before
        else:
            assert epochs(path) < 5 or n == len(whole) - 1
            other.fit(5)
            assert other.model.state_dict() == whole_run.model.state_dict()


def test_a_flipped_bit_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    path, rng = tmp_path / "run.json", random.Random(0)
    whole_run = Run(path)
    whole_run.fit(4)
    whole = path.read_bytes()
    for n in [*rng.sample(range(len(whole)), 150), len(whole) - 1]:
        path.write_bytes(whole[:n] + bytes([whole[n] ^ (1 << rng.randrange(8))]) + whole[n + 1 :])
        other = Run(path, seed=1)
        before = other.state()
        if n == len(whole) - 1:  # the end of the last line, which is then not whole
            other.fit(4)
            assert other.model.state_dict() == whole_run.model.state_dict()
        else:
            with pytest.raises(ValueError, match=r"run\.json is not a checkpoint"):
                other.fit(4)
            assert other.state() == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[1, 2, 3]",
        '{"weights": [1, 2, 3]}',
        '{"format": "tinygrad_edu parameters", "version": 1, "parameters": {}}',
        '{"format": "tinygrad_edu checkpoint", "version": 1}',
        '{\n "format": "tinygrad_edu checkpoint",\n "version": 1,\n "settings": {}\n}\n',
        (seal({"format": "tinygrad_edu checkpoint", "version": 3}) + seal({"epochs": 1})).decode(),
        (seal({"format": "tinygrad_edu model", "version": 2}) + seal({"epochs": 1})).decode(),
        '{"crc32": "',
        "cos\nsystem\n(S'touch pwned'\ntR.",  # a pickle that would run a command
        "epoch,loss\n0,1.0\n",
    ],
)
def test_a_foreign_file_is_an_error_and_all_is_left_as_it_was(tmp_path: Path, content: str):
    path = tmp_path / "run.json"
    path.write_text(content)
    run = Run(path)
    before = run.state()
    with pytest.raises(ValueError, match=r"run\.json (is not a checkpoint|has version [13], this .* version 2)"):
        run.fit(5)
    assert run.state() == before
    assert [*tmp_path.iterdir()] == [path]


PARTS = ["run", "parameters", "optimizer", "lr", "since", "loss", "seconds"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", [None, [], {}, 3, "text", [["cosine", 1]]])
def test_a_checkpoint_with_a_wrong_part_is_an_error_and_all_is_left_as_it_was(tmp_path: Path, part: str, value: object):
    path = tmp_path / "run.json"
    Run(path).fit(3)
    header, (*_, state) = read_lines(path)
    content = [{**header, **({"run": value} if part == "run" else {})}]
    content.append({**state, "since": 0, **({part: value} if part != "run" else {})})
    path.write_bytes(b"".join(map(seal, content)))
    other = Run(path, seed=1)
    before = other.state()
    with pytest.raises(ValueError, match=r"not a checkpoint of this run: .*; remove it to start afresh"):
        other.fit(5)
    assert other.state() == before
