"""Files that went wrong, 10,000 for each reader: it raises a documented error and changes nothing, or it reads well.

Every file starts as one that the package has written. Then bytes are flipped, cut out and put in, and in JSON values
are swapped for those of other types, keys dropped, doubled and renamed. All of them in CI, 200 where a developer waits.
Reading executes nothing: JSON and CSV cannot say what to execute, and no other reader is imported (the last test).
"""

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tinygrad_edu import cli, data, nn, optim, train
from tinygrad_edu.train.checkpoint import seal
from tinygrad_edu.train.predictor import Predictor

FILES = 10_000 if os.environ.get("CI") == "true" else 200  # for each reader
X, Y = [[0.0, 1.0], [1.0, 0.5], [2.0, 0.25]], [1.0, 3.0, 5.0]
TABLE = data.Table(
    {"mass": [3.5, None, 5.0, 1e9], "colour": ["red", "blue", None, "red"], "kind": ["a", "b", "a", "b"]}
)


# ---- what becomes of a file ------------------------------------------------------------------------------------------
def spoiled(raw: bytes, rng: random.Random) -> bytes:
    """The file with something wrong in it, or a few things."""
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        with suppress(RecursionError):  # it is nested too deeply to be spoiled any further
            raw = rng.choice(SPOILERS)(raw, rng)
    return raw


def flipped(raw: bytes, rng: random.Random) -> bytes:
    i = rng.randrange(len(raw) + 1)
    return raw[:i] + bytes([rng.randrange(256)]) + raw[i + 1 :]


def cut_short(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def without_a_part(raw: bytes, rng: random.Random) -> bytes:
    i, j = sorted(rng.choices(range(len(raw) + 1), k=2))
    return raw[:i] + raw[j:]


def with_a_part_twice(raw: bytes, rng: random.Random) -> bytes:
    i, j = sorted(rng.choices(range(len(raw) + 1), k=2))
    return raw[:j] + raw[i : i + 2000] + raw[j:]


def with_a_piece(raw: bytes, rng: random.Random) -> bytes:
    i = rng.randrange(len(raw) + 1)
    return raw[:i] + rng.choice(PIECES) + raw[i + rng.choice([0, 0, 1, 5]) :]


def in_another_encoding(raw: bytes, rng: random.Random) -> bytes:
    return raw.decode("latin-1").encode(rng.choice(["utf-8-sig", "utf-16", "utf-32-be", "utf-7", "cp037"]))


def with_other_line_ends(raw: bytes, rng: random.Random) -> bytes:
    return raw.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n\n", b"\v", b"\x85", b""]))


PIECES = [
    *[b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\x1a", b"\x1b[31m", b'"', b"'", b",", b";", b"\t", b"\n"],
    *[
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"9" * 5000,
        b"1" + b"0" * 400,
        b"1_000",
        b"0x10",
        b"null",
        b"true",
        b"NA",
    ],
    *[b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b'"' + b"x" * 200_000 + b'"', b"\\u0000", b"\\ud800"],
    *[b'{"__reduce__": ["os.system", ["touch pwned"]]}', b"\"__import__('os').system('touch pwned')\"", b"=1+1"],
]


def other_json(raw: bytes, rng: random.Random) -> bytes:
    """Sound JSON, with another value, or a key too few, too many or misspelt, at any place."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):  # spoiled before
        return flipped(raw, rng)
    places = list(inner(document))
    if not places:
        return rng.choice(PIECES)
    holder, key = rng.choice(places)
    change = rng.randrange(6)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[key + rng.choice([" ", "s", "\0", "\ud800"])] = holder.pop(key)
    elif change == 2:
        other, place = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[place]))
    elif change == 3 and isinstance(holder, dict):  # as some writers would: twice
        text = json.dumps(document)
        return text.replace(f"{json.dumps(key)}:", f"{json.dumps(key)}: 3, {json.dumps(key)}:", 1).encode()
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(document).encode()


def other_line(raw: bytes, rng: random.Random) -> bytes:
    """A checkpoint of which one line is other JSON, with a checksum that is right."""
    lines = raw.splitlines(keepends=True)
    i = rng.randrange(len(lines)) if lines else 0
    if not lines or not lines[i].startswith(b'{"crc32"'):
        return flipped(raw, rng)
    with suppress(ValueError, RecursionError):  # spoiled before
        content = json.loads(lines[i])
        content.pop("crc32", None)
        changed = json.loads(other_json(json.dumps(content).encode(), rng))
        return b"".join([*lines[:i], seal(changed), *lines[i + 1 :]])
    return flipped(raw, rng)


def inner(document: Any) -> Any:
    """Every place in a document: a dict or a list, and the key or the index in it."""
    to_visit = [document]
    while to_visit:
        holder = to_visit.pop()
        if isinstance(holder, (dict, list)):
            for key in [*holder] if isinstance(holder, dict) else range(len(holder)):
                yield holder, key
                to_visit.append(holder[key])


def nested(depth: int) -> list[Any]:
    document: list[Any] = []
    for _ in range(depth):
        document = [document]
    return document


VALUES: list[Any] = [
    *[
        None,
        True,
        False,
        0,
        1,
        -1,
        2**63,
        10**400,
        -(10**4000),
        0.5,
        -0.0,
        1e308,
        5e-324,
        math.nan,
        math.inf,
        -math.inf,
    ],
    *["", "1", "nan", "x" * 100_000, "\0", "\ud800", "é\u202e", "relu", "mse", "os.system", "../../etc/passwd"],
    *[
        [],
        [[]],
        {},
        {"": None},
        [1.0] * 1000,
        [0.0, 1.0],
        nested(500),
        nested(900),
        {"name": "x", "mean": 0, "scale": 1},
    ],
]
BYTES = [flipped, cut_short, without_a_part, with_a_part_twice, with_a_piece, in_another_encoding, with_other_line_ends]
SPOILERS = [*BYTES, *[other_json, other_line] * len(BYTES)]


# ---- the readers: each writes a file to begin with, reads a spoiled one, and looks at what it has read ---------------
class OfParameters:
    """`Module.load`."""

    errors = (ValueError,)

    def __init__(self) -> None:
        self.model = nn.MLP(2, [2, 1], rng=random.Random(0))

    def write(self, path: Path) -> None:
        self.model.save(path)

    def read(self, path: Path) -> None:
        self.model.load(path)
        numbers = self.model.state_dict()
        assert all(type(x) is float for x in numbers.values())
        self.model.save(path)
        self.model.load(path)
        assert repr(self.model.state_dict()) == repr(numbers)

    def state(self) -> Any:
        return repr([(name, p.data, p.grad) for name, p in self.model.named_parameters()])


class OfCheckpoints:
    """`fit`, going on from a checkpoint."""

    errors = (ValueError,)

    def __init__(self) -> None:
        self.model = nn.MLP(2, [2, 1], rng=random.Random(0))
        self.adam = optim.Adam(self.model.parameters())
        self.fit(None, epochs=1)  # there is something to lose

    def write(self, path: Path) -> None:
        self.fit(path, epochs=2)

    def fit(self, path: Path | None, epochs: int) -> train.History:
        options = {"validation": (X, Y), "record_parameters": True, "batch_size": 2, "shuffle": True}
        return train.fit(self.model, X, Y, optimizer=self.adam, epochs=epochs, checkpoint=path, **options)

    def read(self, path: Path) -> None:
        history = self.fit(path, epochs=0)
        numbers = [*self.model.state_dict().values(), *history.loss, *history.validation, *history.seconds]
        assert all(type(x) is float for x in numbers)
        assert len(history.seconds) == history.epochs >= len(history.validation)
        assert type(history.updates) is int
        history.to_csv(path)
        with suppress(ArithmeticError):  # the numbers may be too large, but training goes on
            self.fit(None, epochs=1)

    def state(self) -> Any:
        parameters = [(name, p.data, p.grad) for name, p in self.model.named_parameters()]
        return repr([parameters, self.adam.state_dict()])


class OfModels:
    """`Predictor.load`, and what it has read predicts."""

    errors = (ValueError,)

    def write(self, path: Path) -> None:
        features, target = data.Features.fit(TABLE.select("mass", "colour")), data.Target.fit(TABLE, "kind")
        Predictor(features, target, "cross_entropy", hidden=[2], activation="tanh").save(path)

    def read(self, path: Path) -> None:
        predictor = Predictor.load(path)
        predictor.save(path)
        assert Predictor.load(path)._to_dict() == predictor._to_dict()
        try:
            predictions = predictor.predict(TABLE)
        except (ValueError, OverflowError):  # other columns, other categories, numbers too large
            return
        assert len(predictions["prediction"]) == len(TABLE)
        assert all(isinstance(x, str) or math.isfinite(x) for column in predictions.values() for x in column)

    def state(self) -> Any:
        return None  # `load` makes a new one


class OfTables:
    """`read_csv`."""

    errors = (ValueError,)

    def write(self, path: Path) -> None:
        TABLE.to_csv(path)

    def read(self, path: Path) -> None:
        table = data.read_csv(path)
        assert len(table) == len(table.rows) > 0
        assert all(name == name.strip() != "" for name in table)
        for column in map(table.__getitem__, table):
            present = [x for x in column if x is not None]
            assert all(isinstance(x, str) for x in present) or all(map(math.isfinite, present))
        assert [a < b for a, b in pairwise(table.lines)] == [True] * (len(table) - 1)
        table.to_csv(path)
        assert len(data.read_csv(path)) == len(table)

    def state(self) -> Any:
        return TABLE.rows


class OfTheCommandsModels:
    """`tinygrad-edu predict` with a model that is spoiled: one line and exit code 2."""

    errors = (RuntimeError,)

    def write(self, path: Path) -> None:
        OfModels().write(path)
        OfTables().write(path.with_name("table.csv"))

    def read(self, path: Path) -> None:
        self.predict(path, path.with_name("table.csv"))

    def predict(self, model: Path, table: Path) -> None:
        result = CliRunner().invoke(cli.main, ["predict", str(model), str(table)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        if result.exit_code == 1:  # a category that training has not seen is the problem of its row
            assert " without a prediction: --ignore-unseen " in result.stderr.splitlines()[-1]
        elif result.exit_code:
            assert result.exit_code == 2
            assert result.stdout == ""
            line = result.stderr.splitlines()[-1]
            assert line.startswith("Error: ")
            raise RuntimeError(line)

    def state(self) -> Any:
        return None


class OfTheCommandsTables(OfTheCommandsModels):
    """`tinygrad-edu predict` with a table that is spoiled."""

    def write(self, path: Path) -> None:
        OfTables().write(path)
        OfModels().write(path.with_name("model.json"))

    def read(self, path: Path) -> None:
        self.predict(path.with_name("model.json"), path)


READERS = [OfParameters, OfCheckpoints, OfModels, OfTables, OfTheCommandsModels, OfTheCommandsTables]


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_a_spoiled_file_is_a_documented_error_or_is_read_well(
    kind: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # no power cut: 10,000 files need not reach the disk
    original, path = tmp_path / "original", tmp_path / "file"
    kind().write(original)
    read = 0
    for i in range(FILES):
        rng = random.Random(f"{kind.__name__}/{i}")
        random.seed(i)
        reader = kind()
        content = spoiled(original.read_bytes(), rng)
        path.write_bytes(content)
        before, numbers, begun = reader.state(), random.getstate(), time.process_time()
        try:
            reader.read(path)
            read += 1
        except reader.errors as error:
            message = str(error)
            assert 0 < len(message) < 600, message
            the_same = reader.state() == before, random.getstate() == numbers, path.read_bytes() == content
            assert the_same == (True, True, True)  # model and optimizer, random numbers, the file
        except BaseException as error:
            error.add_note(f"file {i}: {content[:3000]!r}")
            raise
        assert time.process_time() - begun < 5.0
    assert not (tmp_path / "pwned").exists()
    assert 0 < read < FILES / 2  # most are refused, and it is not all that is refused


def test_nothing_that_could_execute_a_file_is_even_imported():
    program = "import sys; from tinygrad_edu import _io, data, train; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pickle", "marshal.loads", "shelve", "yaml", "joblib", "runpy"} & {*modules}
