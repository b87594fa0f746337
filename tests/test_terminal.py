"""What reaches the terminal: names full of commands for it, in every place of every command, come out as plain text.

Files and columns, classes and categories, values of options, models and checkpoints are others' texts. The command
`grade` prints what a program of somebody else says: that is held by `test_grader.py`.
"""

import csv
import io
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from profiles import sample

from tinygrad_edu.cli import main
from tinygrad_edu.cli._terminal import say

COMMANDS = [
    *[
        "\x1b[2J",
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\x1b]52;c;cm0gLXJm\x07",
        "\x1bP1$r\x1b\\",
        "\x1bc",
        "\x9b2J",
        "\x90q\x9c",
    ],
    *["\r", "\x08\x08\x08", "\x7f", "\x0b", "\x0c", "\x07", "\x0e", "\x85", "\u2028", "\u2029", "\t", "\x1c"],
    *["\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\ufff9", "\U000e0041", "\ue000", "\ud800", "\udc9b"],
]
TRIES = 1500  # of each kind of call


def hostile(rng: random.Random, text: str) -> str:
    """A text with commands at one to three places."""
    for _ in range(rng.randint(1, 3)):
        place = rng.randint(0, len(text))
        text = text[:place] + rng.choice(COMMANDS) + text[place:]
    return text


def write_table(path: str, header: list[str], rows: list[list[object]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text.getvalue())


class Names:
    """The texts of one try: each is hostile with some chance, and a name of a file is one that can be."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def __call__(self, text: str) -> str:
        return hostile(self.rng, text) if self.rng.random() < 0.6 else text

    def file(self, name: str, suffix: str = "") -> str:
        return self(name).replace("\ud800", "\udcff") + suffix  # what no name of a file can have, and what it can


def fitted(n: Names) -> list[str]:
    """The arguments of a `fit` that is small; a table of hostile names lies there."""
    table, target = n.file("table", ".csv"), n("y")
    kinds, colours = [n("apple"), n("cherry"), n("plum")], [n("red"), n("green")]
    columns = [n("mass"), n("colour"), n("id")]
    rows = [[i, colours[i % 2], n("name"), kinds[i % 3]] for i in range(12)]
    write_table(table, [*columns, target], rows)
    out = n.file("out")
    return ["fit", table, "--target", target, "--out", out, "--epochs", "1", "--hidden", n.rng.choice(["none", "2"])]


def call_fit(n: Names) -> list[list[str]]:
    return [[*fitted(n), "--no-pictures", "--checkpoint", n.file("state")]] * 2  # the second one goes on


def call_fit_badly(n: Names) -> list[list[str]]:
    command = fitted(n)
    more = [
        [f"--{n('colour')}"],
        [n("more")],
        ["--hidden", n("2")],
        ["--lr", n("1")],
        ["--task", n("regression")],
        ["--features", n("mass")],
        ["--exclude", n("mass")],
        ["--number", n("colour")],
        ["--missing", n("NA"), "--keep", n("?")],
        ["--sep", n(";")],
        ["--patience", n("3")],
        ["--checkpoint", command[1]],
        ["--out", command[1]],
        ["--out", n.file("no") + "/" + n.file("where")],
        ["--target", n("z")],
    ]
    return [[*command, "--no-pictures", *n.rng.choice(more)], [n("fit")], ["fit", n.file("nowhere")]]


def call_predict(n: Names) -> list[list[str]]:
    command = [*fitted(n), "--no-pictures"]
    table, out = command[1], command[5]
    model = str(Path(out, "model.json"))
    new = n.file("new", ".csv")
    text = Path(table).read_bytes().decode().replace("re", n("blue")).replace("8", n("8"), 1)
    Path(new).write_bytes(text.encode(errors="replace"))
    broken = n.file("model", ".json")
    Path(broken).write_text('{"format": "tinygrad_edu model", "version": "' + n("1") + '"}', errors="replace")
    return [
        command,
        ["predict", model, table, "--out", n.file("predictions")],
        ["predict", model, new, "--out", n.file("predictions")],
        ["predict", model, new, "--ignore-unseen", "--out", n.file("predictions")],
        ["predict", broken, table],
        ["predict", model, broken],
        ["predict", n.file("nowhere"), n.file("nowhere")],
        ["predict", model, table, "--out", n.file("no") + "/" + n.file("where")],
    ]


def call_on_expressions(n: Names) -> list[list[str]]:
    expression, numbers = n.rng.choice([n("tanh(w*x)"), "w*x"]), n.rng.choice([[n("w=1"), n("x=2")], ["w=1", "x=2"]])
    return [
        ["draw", expression, *numbers, "-o", n.file("graph", n.rng.choice([".dot", n(".dot")]))],
        ["draw", expression, *numbers, "-o", n.file("graph") + "/" + n.file("where") + ".dot"],
        ["animate", expression, *numbers, "-o", n("graph.mp4"), "--seconds", n("1")],
        ["explore", expression, *numbers, "-o", n("page.txt")],
        ["explore", expression, *numbers, "--parameters", n("w")],
        ["check", expression, *numbers],
        ["check", expression, *numbers, "--order", n("1")],
    ]


def call_pictures(n: Names) -> list[list[str]]:
    numbers = ["w*x", "w=1", "x=2"]
    kinds = [["draw", *numbers, "-o", n.file("graph", ".svg")], ["animate", *numbers, "-o", n.file("graph", ".gif")]]
    return [["explore", *numbers, "-o", n.file("page", ".html")], n.rng.choice(kinds)]


def call_demo(n: Names) -> list[list[str]]:
    return [["demo", "--seed", "1", "--out", n.file("demo")], [*fitted(n), "--pictures"]]


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments, color=True)  # else click itself takes some commands out
    assert result.exception is None or isinstance(result.exception, SystemExit), arguments
    return result


def is_plain(printed: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in printed.replace("\x1b[1m", "").replace("\x1b[0m", ""))


CALLS = {call_fit: (2, 150), call_fit_badly: (5, 400), call_predict: (2, 150), call_on_expressions: (3, 300)}
CALLS |= {call_pictures: (1, 30), call_demo: (0, 2)}  # how often in a quick run, and in CI


@pytest.mark.parametrize("calls", CALLS, ids=lambda calls: calls.__name__)
def test_no_command_for_the_terminal_comes_through(
    calls: Callable[[Names], list[list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, thorough = CALLS[calls]
    for seed in sample(range(thorough), quick):
        (tmp_path / str(seed)).mkdir()
        monkeypatch.chdir(tmp_path / str(seed))
        for arguments in calls(Names(random.Random(seed))):
            result = run(*arguments)
            assert is_plain(result.stdout), (arguments, result.stdout)
            assert is_plain(result.stderr), (arguments, result.stderr)


def test_what_comes_through_is_seen() -> None:
    """Else the test above would prove nothing."""
    assert [command for command in COMMANDS if is_plain(f"a{command}b")] == []


def test_the_tries_reach_what_they_are_meant_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not all refused at the first word."""
    monkeypatch.chdir(tmp_path)
    codes = {(a[0], run(*a).exit_code) for seed in (1, 2) for a in call_predict(Names(random.Random(seed)))}
    assert {("fit", 0), ("predict", 0), ("predict", 1), ("predict", 2)} <= codes


def test_a_line_stays_one_line() -> None:
    @click.command()
    def forge() -> None:
        say("Error: no\nfile\r", "\x1b[1mbold", err=True)
        say("\x1b[31mred\x1b[0m \x1b[2J", coloured=True)

    result = CliRunner().invoke(forge, color=True)
    assert result.stderr == "Error: no file \n\ufffd[1mbold\n"
    assert result.stdout == "\x1b[31mred\x1b[0m \ufffd[2J\n"


TERMINAL = """
import os, pty, sys
answer, terminal = os.openpty()
child = os.fork()
if child == 0:
    os.dup2(terminal, 1)
    os.execv(sys.executable, [sys.executable, "-m", "tinygrad_edu.cli", *sys.argv[1:]])
os.close(terminal)
os.waitpid(child, 0)
os.write(1, os.read(answer, 10000))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no pseudo-terminal here")
def test_predictions_are_data_in_a_file_and_text_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table("table.csv", ["x", "y"], [[i, ("a\x1b[2Jpple", "b\r\u202e")[i % 2]] for i in range(12)])
    run("fit", "table.csv", "--target", "y", "--epochs", "1", "--no-pictures", "--out", "out")
    arguments = ["predict", "out/model.json", "table.csv"]
    printed = run(*arguments)
    assert "\x1b[2J" in printed.stdout
    assert run(*arguments, "--out", "new.csv").exit_code == printed.exit_code == 0
    assert Path("new.csv").read_bytes() == printed.stdout_bytes
    done = subprocess.run([sys.executable, "-c", TERMINAL, *arguments], capture_output=True, timeout=60, check=True)
    shown = done.stdout.decode().replace("\r\n", "\n")  # as a terminal has it
    assert is_plain(shown)
    assert "a\ufffd[2Jpple" in shown
    assert shown.count("\n") == 13
