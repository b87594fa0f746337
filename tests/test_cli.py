"""The command: what fit, predict and demo print and write, and what becomes of bad input."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from profiles import IN_CI

import tinygrad_edu
from tinygrad_edu import data, losses, optim
from tinygrad_edu.cli import main
from tinygrad_edu.cli.experiment import FILES, FILES_OF_LINEAR_MODELS, LEARNING_RATES, Experiment, Settings
from tinygrad_edu.cli.notes import MAX_CATEGORIES
from tinygrad_edu.data.tables import Table, read_csv
from tinygrad_edu.train.predictor import CLASSIFICATION_LOSSES, REGRESSION_LOSSES

NAMES = sorted(name for names in FILES for name in names)
LINEAR_NAMES = [name for names in FILES_OF_LINEAR_MODELS for name in names]
PACKAGE = Path(tinygrad_edu.__file__).parent


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in a folder of its own, with two small tables in it."""
    monkeypatch.chdir(tmp_path)
    numbers = [f"{x},{y},{2 * x - y + 3}" for x in range(6) for y in range(4)]
    Path("line.csv").write_text("\n".join(["x,y,z", *numbers]))
    Path("fruit.csv").write_text("\n".join(["mass,colour,kind", *FRUIT]))
    return tmp_path


FRUIT = [f"{150 + i},{'red' if i % 3 else 'green'},apple" for i in range(15)] + [
    f"{20 + i},red,cherry" for i in range(10)
]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fit(*arguments: object, pictures: bool = False) -> Result:
    how = "--pictures" if pictures else "--no-pictures"
    result = call("fit", *arguments, "--epochs", 3, "--hidden", 2, how)
    assert result.exit_code == 0, result.output
    return result


def written(folder: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


# ---- demo ------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    result = call("demo", "--out", out)
    assert result.exit_code == 0, result.output
    return result.stdout, out


def test_the_demo_prints_the_loss_and_the_scores_on_rows_held_out(demo: tuple[str, Path]):
    printed, _ = demo
    assert float(re.search(r"linear model +(\d\.\d+)", printed)[1]) > 0.6  # R²
    assert float(re.search(r"network +(\d+\.\d)%", printed)[1]) > 95
    losses = re.findall(r"(mse|cross_entropy) (\S+) → (\S+) in training, (\S+) held out", printed)
    assert [name for name, *_ in losses] == ["mse", "cross_entropy"]
    for _, first, last, held_out in losses:
        first, last, held_out = (float(x.replace(",", "")) for x in (first, last, held_out))
        assert last < first / 2
        assert held_out < first


@pytest.mark.parametrize("name", ["engel", "penguins"])
def test_the_demo_writes_models_histories_and_pictures(demo: tuple[str, Path], name: str):
    printed, out = demo
    names = sorted([*NAMES, *LINEAR_NAMES]) if name == "engel" else NAMES
    assert sorted(written(out / name)) == names
    assert all(file in printed for file in names)
    assert f"to {out / name}" in " ".join(printed.split())
    with open(out / name / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2
    for picture in ("loss", "fit", "neuron", "layers"):
        assert (out / name / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (out / name / f"{picture}.svg").read_text()


@pytest.mark.parametrize(("found", "program"), [("/usr/bin/tinygrad-edu", "tinygrad-edu"), (None, "here/tinygrad-edu")])
def test_the_demo_names_the_command_as_it_can_be_called(found: str | None, program: str, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("shutil.which", lambda name: found)
    monkeypatch.setattr("sys.argv", ["here/tinygrad-edu"])
    monkeypatch.setattr("tinygrad_edu.cli.commands.DEMOS", {})
    assert call("demo", "--out", tmp_path).stdout.endswith(f": {program} fit data.csv --target COLUMN\n")


def text_of(picture: Path) -> str:
    return " ".join(re.findall(r">([^<>]+)</text>", unescape(picture.read_text()).replace("\xa0", " ")))


def test_the_pictures_show_what_they_are_about(demo: tuple[str, Path]):
    _, out = demo
    assert "mse, squared units of the target" in text_of(out / "engel" / "loss.svg")
    curve, confusion = text_of(out / "engel" / "fit.svg"), text_of(out / "penguins" / "fit.svg")
    assert all(words in curve for words in ("income_francs", "prediction"))
    assert all(words in confusion for words in ("Chinstrap", "actual class"))
    neuron = text_of(out / "penguins" / "neuron.svg")
    assert all(name in neuron for name in ("bill_depth_mm", "body_mass_g", "layers[0].neurons[", "bias b", "tanh"))
    layers = text_of(out / "penguins" / "layers.svg")
    assert all(name in layers for name in ("a network 4-8-3", "bill_depth_mm", "8 × tanh", "Chinstrap"))


def test_the_linear_model_of_the_demo_is_the_least_squares_line(demo: tuple[str, Path]):
    predictor = tinygrad_edu.load(demo[1] / "engel" / "model.json")
    train = Experiment(data.engel(), "food_francs", settings=Settings(seed=1, patience=None)).train
    xs, ys = train["income_francs"], train["food_francs"]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)
    predicted = predictor.predict(Table({"income_francs": [mx, mx + 1000]}))["prediction"]
    assert predicted == pytest.approx([my, my + 1000 * slope], rel=1e-5)


# ---- fit -------------------------------------------------------------------------------------------------------------
def test_fit_writes_the_model_the_history_and_the_pictures():
    result = fit("line.csv", "--target", "z", "--out", "a/b", pictures=True)
    assert "perfect prediction" in text_of(Path("a/b/fit.svg"))
    assert sorted(written("a")) == [f"b/{name}" for name in NAMES]
    assert Path("a/b/history.csv").read_text().startswith("epoch,loss,validation,seconds\n0,")
    for words in ("regression: 'z' from 'x', 'y'", "24 rows: 19 to train on, 5 held out", "learning rate 0.01", "R²"):
        assert words in result.stdout
    assert "2 inputs, 2 hidden neurons (relu), 1 output, 9 parameters" in result.stdout
    assert result.stderr == ""  # no progress bar where there is no terminal


def test_without_pictures_those_of_an_earlier_run_go():
    Path("out").mkdir()
    Path("out/loss.svg").write_text("earlier")
    result = fit("line.csv", "--target", "z", "--out", "out")
    assert sorted(written("out")) == ["history.csv", "model.json"]
    assert "history.csv" in result.stdout
    assert "loss.svg" not in result.stdout


def test_the_same_seed_gives_the_same_files_and_another_one_does_not():
    for out, seed, pictures in (("a", 1, IN_CI), ("b", 1, IN_CI), ("c", 2, False)):
        fit("line.csv", "--target", "z", "--seed", seed, "--out", out, pictures=pictures)
    a, b, c = map(written, "abc")
    assert sorted(a) == (NAMES if IN_CI else ["history.csv", "model.json"])
    assert {name for name in a if a[name] != b[name]} <= {"history.csv"}  # which tells the time
    assert a["model.json"] != c["model.json"]


def test_a_column_of_texts_makes_it_a_classification():
    printed = fit("fruit.csv", "--target", "kind").stdout
    assert "classification: 'kind' from 'mass', 'colour'" in printed
    assert "'apple', 'cherry'" in printed
    assert "accuracy" in printed


def test_a_rare_class_is_never_held_out_altogether():
    rows = Table({"x": range(40), "kind": ["common"] * 38 + ["rare"] * 2})
    for seed in range(60):
        assert "rare" in Experiment(rows, "kind", settings=Settings(seed=seed)).train["kind"]


def test_the_task_can_be_chosen_for_classes_that_are_numbers():
    Path("codes.csv").write_text("x,code\n" + "".join(f"{i},{1 + i % 2}\n" for i in range(20)))
    printed = " ".join(fit("codes.csv", "--target", "code").stdout.split())
    assert "'code' has only two numbers, 1 and 2, and is learned as a number, not as 2 classes" in printed
    assert "classes   '1', '2'" in fit("codes.csv", "--target", "code", "--task", "classification").stdout


def test_features_are_chosen_by_name_and_may_be_quoted():
    Path("names.csv").write_text('"a, b",c,d\n' + "".join(f"{i},{i * i},{2 * i}\n" for i in range(20)))
    result = fit("names.csv", "--target", "d", "--features", '"a, b"')
    assert "regression: 'd' from 'a, b'" in result.stdout


def test_nothing_is_left_out_in_silence():
    rows = [f"{i},{'NA' if i % 7 == 0 else i},{'r' if i % 2 else 'g'},id{i},1,,{'' if i < 3 else i}" for i in range(70)]
    rows[5] = rows[5].replace("r,id", "blue,id")
    Path("gaps.csv").write_text("\n".join(["a,b,c,id,one,nothing,y", *rows]))
    printed = " ".join(fit("gaps.csv", "--target", "y", "--seed", 7).stdout.split())
    assert "from 'a', 'b', 'c' " in printed
    for note in (
        "3 rows without 'y' left out",
        "column 'id' has a different text in every row, as an id has: left out",
        "column 'one' has the same value everywhere, 1.0: left out",
        "column 'nothing' has no value: left out",
        "missing values: 9 in 'b'; a number counts as the training mean, a text as no category",
    ):
        assert f"note {note}" in printed


def test_a_category_that_only_rows_held_out_have_is_noted():
    colours = ["red", "green"] * 20 + ["blue"]
    table = Table({"colour": colours, "y": range(41)})
    seen = [Experiment(table, "y", settings=Settings(seed=seed)).notes for seed in range(20)]
    note = "column 'colour': 'blue' only among the rows held out, counts as missing there"
    assert {tuple(notes) for notes in seen} == {(), (note,)}


def test_texts_that_are_all_different_are_no_categories():
    Path("dates.csv").write_text("day,x,y\n" + "".join(f"May {i},{i},{2 * i}\n" for i in range(1, 31)))
    printed = " ".join(fit("dates.csv", "--target", "y").stdout.split())
    assert "regression: 'y' from 'x' data" in printed
    assert "note column 'day' has a different text in every row, as an id has: left out" in printed


def test_a_feature_that_is_named_is_used_even_if_it_does_not_look_useful():
    names = [f"nr {i}" for i in range(MAX_CATEGORIES + 20)]
    experiment = Experiment(Table({"name": names, "y": range(len(names))}), "y", ["name"], Settings(test_share=0.1))
    assert experiment.predictor.features.columns == ["name"]
    assert experiment.notes[0] == "column 'name' has a different text in every row, as an id has"


def test_r2_is_not_defined_where_all_targets_held_out_are_equal():
    Path("flat.csv").write_text("x,y\n" + "".join(f"{i},5\n" for i in range(10)))
    assert "R² is not defined" in fit("flat.csv", "--target", "y").stdout


def test_r2_is_not_defined_either_where_their_squared_deviations_are_0():
    table = Table({"x": range(12), "y": [*(1e-200 * i for i in range(9)), 5.0, 6.0, 7.0]})
    experiment = Experiment(table, "y", settings=Settings((), epochs=1, seed=3))
    experiment.run()
    assert experiment.compute_scores().keys() == {"rmse"}


# ---- what is trained -------------------------------------------------------------------------------------------------
def fruit(settings: Settings) -> Experiment:
    experiment = Experiment(read_csv("fruit.csv"), "kind", settings=settings)
    experiment.run()
    return experiment


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
@pytest.mark.parametrize("hidden", [(), (3,)], ids=["linear", "hidden"])
def test_every_loss_for_classes_tells_two_classes_apart(loss: str, hidden: tuple[int, ...]):
    experiment = fruit(Settings(hidden, "tanh", loss, lr=0.05, epochs=60))
    assert experiment.compute_scores() == {"accuracy": 1.0, "auc": 1.0}
    answers = experiment.predictor.predict(experiment.held_out)
    assert ("probability" in answers) == (loss != "hinge")
    assert all(0.8 < p <= 1 for p in answers.get("probability", []))


@pytest.mark.parametrize(("loss", "power"), REGRESSION_LOSSES.items())
def test_losses_for_numbers_fall_and_are_in_the_units_of_the_target(loss: str, power: int):
    def history(unit: float) -> list[float]:
        table = Table({"x": range(20), "y": [unit * (x % 7) for x in range(20)]})
        return Experiment(table, "y", settings=Settings(loss=loss, epochs=10)).run().loss

    metres = history(1.0)
    assert metres[-1] < metres[0]
    assert history(1000.0) == pytest.approx([loss * 1000.0**power for loss in metres], rel=1e-6)


def test_the_loss_in_units_is_that_of_the_predictions():
    experiment = Experiment(read_csv("line.csv"), "z", settings=Settings(epochs=3))
    history = experiment.run()
    predicted = experiment.predictor.predict(experiment.held_out)["prediction"]
    assert history.validation[-1] == pytest.approx(losses.mse(predicted, experiment.held_out["z"]))
    assert experiment.compute_scores()["rmse"] == pytest.approx(history.validation[-1] ** 0.5)
    assert experiment.compute_scores()["r2"] == pytest.approx(data.r2(experiment.held_out["z"], predicted))


@pytest.mark.parametrize("optimizer", optim.OPTIMIZERS)
def test_every_optimizer_has_a_learning_rate_that_learns(optimizer: str):
    history = Experiment(read_csv("line.csv"), "z", settings=Settings((8,), optimizer=optimizer)).run()
    assert LEARNING_RATES.keys() == optim.OPTIMIZERS.keys()
    assert history.loss[-1] < 0.1 * history.loss[0]


# ---- the neuron ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings",
    [
        Settings(hidden=(), epochs=2),
        Settings(hidden=(), loss="bce", epochs=2),
        Settings(hidden=(3,), epochs=2),
        Settings(hidden=(3, 1), activation="tanh", loss="hinge", epochs=2),
    ],
    ids=["linear", "sigmoid", "hidden", "two layers"],
)
def test_the_drawn_neuron_has_the_gradients_of_the_loss(settings: Settings):
    experiment = fruit(settings)
    neuron, inputs = experiment.find_steepest_neuron()
    shown = {p.label: p.grad for p in neuron.parameters()}
    model, row = experiment.predictor.model, experiment.find_worst_row()
    X, y = experiment.predictor.features.transform(row), experiment.predictor.targets(row)
    assert list(inputs) == list(X[0])
    model.zero_grad()
    losses.by_name(experiment.predictor.loss)([model(X[0])], y).backward()
    assert shown == {p.label: p.grad for p in neuron.parameters()}
    slopes = [sum(p.grad**2 for p in n.parameters()) for n in model.layers[0].neurons]
    assert sum(g**2 for g in shown.values()) == pytest.approx(max(slopes))
    assert max(slopes) > 0


def test_the_row_of_the_neuron_is_the_worst_one_without_gaps():
    table = Table({"x": [None, 1.0, 2.0, 3.0, 4.0, 5.0] * 4, "y": [50.0, 1.0, 2.0, 3.0, 4.0, 7.0] * 4})
    experiment = Experiment(table, "y", settings=Settings(hidden=(), epochs=1, optimizer="sgd", lr=1e-9))
    experiment.run()
    assert experiment.find_worst_row().rows == [(1.0, 1.0)]  # the prediction is still the mean, about 11


# ---- predict ---------------------------------------------------------------------------------------------------------
def test_predict_repeats_the_predictions_of_the_model_exactly():
    fit("line.csv", "--target", "z", "--out", "out")
    experiment = Experiment(read_csv("line.csv"), "z", settings=Settings(hidden=(2,), epochs=3))
    experiment.run()
    printed = call("predict", "out/model.json", "line.csv").stdout
    Path("out.csv").write_text(printed)
    assert read_csv("out.csv")["prediction"] == experiment.predictor.predict(experiment.known)["prediction"]


def test_predict_keeps_the_table_as_it_is_and_adds_columns():
    fit("fruit.csv", "--target", "kind", "--out", "out")
    lines = ['note,colour,mass,"a, b"', '"x, ""y""",red,150.50,1', "NA,green,25,two", "", " z ,red,30,"]
    Path("new.csv").write_text("\r\n".join(lines))
    result = call("predict", "out/model.json", "new.csv")
    rows = list(csv.reader(result.stdout.splitlines()))
    given = [["note", "colour", "mass", "a, b"], ['x, "y"', "red", "150.50", "1"], ["NA", "green", "25", "two"]]
    assert [row[:4] for row in rows] == [*given, [" z ", "red", "30", ""]]
    assert [row[4] for row in rows] == ["prediction", *[row[4] for row in rows[1:]]]
    assert {row[4] for row in rows[1:]} <= {"apple", "cherry"}
    assert rows[0][5] == "probability"
    assert all(0.5 <= float(row[5]) <= 1 for row in rows[1:])
    assert result.stderr == ""


def test_predict_writes_a_file_and_says_what_was_missing():
    fit("fruit.csv", "--target", "kind", "--out", "out")
    Path("new.csv").write_text("mass,colour\n,red\n30,\n")
    printed = call("predict", "out/model.json", "new.csv")
    result = call("predict", "out/model.json", "new.csv", "--out", "predicted.csv")
    assert Path("predicted.csv").read_text() == printed.stdout
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Note: missing values: 1 in 'mass', 1 in 'colour'" in result.stderr
    assert result.stderr.endswith("\npredicted.csv is written\n")


def test_a_cell_cannot_steer_the_terminal_that_predict_prints_to(monkeypatch: pytest.MonkeyPatch):
    """A file or a pipe gets the table as it is."""
    from tinygrad_edu.cli import _terminal

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    _terminal.hand_out("kind,prediction\n\x1b[2Jcat\x07,1.5\n")
    assert sys.stdout.getvalue() == "kind,prediction\n\ufffd[2Jcat\ufffd,1.5\n"


def test_predict_reads_a_pipe():
    fit("line.csv", "--target", "z", "--out", "out")
    expected = call("predict", "out/model.json", "line.csv").stdout
    reading, writing = os.pipe()
    os.write(writing, Path("line.csv").read_bytes())
    os.close(writing)
    result = call("predict", "out/model.json", f"/dev/fd/{reading}")
    os.close(reading)
    assert (result.exit_code, result.stdout) == (0, expected)


def test_predict_writes_to_a_pipe_and_does_not_replace_it():
    fit("line.csv", "--target", "z", "--out", "out")
    os.mkfifo("pipe")
    reading = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    result = call("predict", "out/model.json", "line.csv", "--out", "pipe")
    assert result.exit_code == 0, result.output
    assert Path("pipe").is_fifo()
    assert os.read(reading, 100_000).decode() == call("predict", "out/model.json", "line.csv").stdout
    os.close(reading)


# ---- bad input -------------------------------------------------------------------------------------------------------
BAD_TABLES = {
    "empty.csv": "",
    "header.csv": "x,y\n",
    "mixed.csv": "x,y\n1,2\nlots,3\n",
    "ragged.csv": "x,y\n1,2,3\n",
    "latin.csv": b"x,y\n1,2\n\xe9,1\n",
    "one.csv": "x,kind\n" + "1,a\n2,a\n3,a\n4,a\n5,a\n",
    "many.csv": "x,kind\n" + "".join(f"{i},k{i % 60}\n" for i in range(300)),
    "none.csv": "x,y\n1,\n2,\n",
    "single.csv": "x,y\n1,2\n",
    "useless.csv": "x,y\n" + "1,2\n" * 10,
    "alone.csv": "y\n" + "1\n2\n3\n4\n5\n",
    "carets.csv": "x^y\n1^2\n",
    "hostile.csv": "x,\x1b[31my\n1,2\n",
    "huge.csv": "x,y\n" + "".join(f"{i},{i}e200\n" for i in range(20)),
}
LINE, KIND = ("line.csv", "--target", "z"), ("fruit.csv", "--target", "kind")

BAD_FITS: list[tuple[tuple[object, ...], str]] = [
    (("nowhere.csv", "--target", "y"), "'nowhere.csv' does not exist"),
    ((".", "--target", "y"), "'.' is a directory"),
    (("empty.csv", "--target", "y"), "empty.csv is empty: the first line must name the columns"),
    (("header.csv", "--target", "y"), "header.csv has a header, and no rows"),
    (("mixed.csv", "--target", "y"), "mixed.csv, line 3, column 'x': 'lots' is not a finite number"),
    (("ragged.csv", "--target", "y"), "ragged.csv, line 2: expected 2 cells"),
    (("latin.csv", "--target", "y"), "line 3, column 'x': 'é' is not a finite number, but '1' in another row is"),
    (("hostile.csv", "--target", "y"), r"there is no column 'y': hostile.csv has 'x', '\x1b[31my'"),
    (("hostile.csv", "--target", "\x1b[31my"), "at least 3 rows with a value of"),
    (("one.csv", "--target", "kind"), "column 'kind': its only class is 'a'; a classifier needs two or more"),
    (("many.csv", "--target", "kind"), "column 'kind' has 60 classes, more than 50"),
    (("none.csv", "--target", "y"), "column 'y' has no value in any row"),
    (("single.csv", "--target", "y"), "at least 3 rows with a value of"),
    (("useless.csv", "--target", "y"), "there is no column to learn 'y' from; column 'x' has the same value"),
    (("alone.csv", "--target", "y"), "there is no column to learn 'y' from"),
    (("huge.csv", "--target", "y"), "column 'y' has numbers too large or too small to be squared"),
    (("line.csv",), "Missing option '--target'"),
    (("line.csv", "--target", "q"), "there is no column 'q': line.csv has 'x', 'y', 'z'"),
    ((*LINE, "--features", "x,q"), "there is no column 'q': line.csv has 'x', 'y', 'z'"),
    ((*LINE, "--features", "x,z"), "column 'z' cannot be the target, too"),
    ((*LINE, "--features", "x,y,x"), "column 'x' cannot be a feature twice"),
    ((*LINE, "--features", "x,,y"), "'x,,y' is not a list of columns, as in age,income"),
    ((*LINE, "--features", ""), "'' is not a list of columns"),
    ((*LINE, "--features", "x\ny"), r"'x\ny' is not a list of columns"),
    ((*LINE, "--features", "x" * 200_000), "is not a list of columns"),
    (("carets.csv", "--target", "y"), "has 'x^y', a single one: --sep names"),
    ((*LINE, "--checkpoint", "tinygrad-edu-fit/history.csv"), "history.csv would be overwritten by a result"),
    ((*LINE, "--task", "sorting"), "'sorting' is not one of 'regression', 'classification'"),
    ((*KIND, "--task", "regression"), "fruit.csv, line 2, column 'kind': 'apple' is not a finite number"),
    ((*LINE, "--optimizer", "newton"), "'newton' is not one of 'sgd', 'adagrad', 'rmsprop', 'adam', 'adamw'"),
    ((*LINE, "--loss", "zero_one"), "'zero_one' is not one of 'mse'"),
    ((*LINE, "--loss", "hinge"), "the loss 'hinge' does not fit column 'z', the target of a regression: choose mse or"),
    ((*KIND, "--loss", "mse"), "'mse' does not fit column 'kind', the target of a classification with 2 classes"),
    ((*LINE, "--activation", "step"), "'step' is not one of 'relu', 'tanh'"),
    *[
        ((*LINE, "--hidden", text), f"{text!r} is not a list of widths from 1 to 1000, as in 16,16")
        for text in ("16,x", "0", "-1", "", "1,,2", "2000", "99999999999999999999", "1.5", "²")
    ],
    ((*LINE, "--batch-size", 0), "0 is not in the range x>=1"),
    ((*LINE, "--batch-size", "all"), "'all' is not a valid integer"),
    ((*LINE, "--epochs", 0), "0 is not in the range x>=1"),
    ((*LINE, "--lr", 0), "0.0 is not in the range x>0"),
    ((*LINE, "--lr", "nan"), "lr must lie in [0, ∞), not be nan"),
    ((*LINE, "--lr", "inf"), "lr must lie in [0, ∞), not be inf"),
    ((*LINE, "--test-share", 0), "0.0 is not in the range 0<x<1"),
    ((*LINE, "--test-share", "nan"), "test must lie in (0, 1), not be nan"),
    ((*LINE, "--test-share", 0.001), "a test share of 0.001 leaves one part of 24 items empty"),
    ((*LINE, "--seed", "x"), "'x' is not a valid integer"),
    ((*LINE, "--optimizer", "sgd", "--lr", 1e6), "training diverged in epoch"),
    ((*LINE, "--checkpoint", "nowhere/state.json"), "nowhere/state.json: No such file or directory"),
    ((*LINE, "--checkpoint", "line.csv"), "line.csv is not a checkpoint file"),
    ((*LINE, "--checkpoint", "."), "'.' is a directory"),
    ((*LINE, "--out", "fruit.csv"), "'fruit.csv' is a file"),
    ((*LINE, "--out", "fruit.csv/out"), "fruit.csv"),
    ((*LINE, "--colour", "red"), "No such option"),
    ((*LINE, "more"), "unexpected extra argument"),
]


def is_one_line_about(result: Result, words: str) -> bool:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.output
    return words in result.stderr


@pytest.mark.parametrize(("arguments", "words"), BAD_FITS, ids=[" ".join(map(str, a)) for a, _ in BAD_FITS])
def test_a_bad_fit_is_one_line_and_leaves_earlier_output_untouched(arguments: tuple[object, ...], words: str):
    for name, content in BAD_TABLES.items():
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    Path("tinygrad-edu-fit").mkdir()
    Path("tinygrad-edu-fit/model.json").write_text("earlier")
    before = written(".")
    assert is_one_line_about(call("fit", *arguments), words)
    assert written(".") == before


def test_a_loss_for_two_classes_does_not_take_three():
    table = Table({"x": range(9), "kind": ["a", "b", "c"] * 3})
    with pytest.raises(ValueError, match="a classification with 3 classes: choose cross_entropy"):
        Experiment(table, "kind", settings=Settings(loss="hinge"))


def test_the_table_is_not_overwritten_by_a_result():
    Path("history.csv").write_text(Path("line.csv").read_text())
    assert is_one_line_about(call("fit", "history.csv", "--target", "z", "--out", "."), "would be overwritten")


def test_a_model_that_is_read_is_not_overwritten():
    fit(*LINE, "--out", "out")
    before = written("out")
    for path in ("out/model.json", "line.csv"):
        result = call("predict", "out/model.json", "line.csv", "--out", path)
        assert is_one_line_about(result, f"{path} is read here: choose another file")
    assert written("out") == before


def test_a_failure_while_files_are_written_leaves_the_earlier_ones(monkeypatch: pytest.MonkeyPatch):
    from tinygrad_edu.viz import plots

    fit(*LINE, "--out", "out")
    Path("out/fit.png").write_text("a picture")
    before = written(".")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "save", fail)
    for out in ("out", "new/folder"):
        assert is_one_line_about(call("fit", *LINE, "--epochs", 1, "--seed", 5, "--out", out), "No space left")
    assert written(".") == before
    assert not Path("new").exists()


def test_a_model_that_was_private_stays_private():
    fit(*LINE, "--out", "out")
    Path("out/model.json").chmod(0o600)
    before = {path.name: path.stat().st_mode for path in Path("out").iterdir()}
    fit(*LINE, "--out", "out")
    assert {path.name: path.stat().st_mode for path in Path("out").iterdir()} == before


def test_a_folder_in_the_way_of_one_file_keeps_all_from_being_written():
    Path("tinygrad-edu-fit/neuron.png").mkdir(parents=True)
    result = call("fit", *LINE, "--epochs", 1, "--no-pictures")
    assert is_one_line_about(result, "neuron.png is a folder, and in the way of a file of that name")
    assert os.listdir("tinygrad-edu-fit") == ["neuron.png"]


BAD_PREDICTS: list[tuple[str, str]] = [
    ("x\n1\n", "there is no column 'y': new.csv has 'x'"),
    ("x,y\n1,many\n", "new.csv, line 2, column 'y': 'many' is not a finite number"),
    ("x,y\n", "new.csv has a header, and no rows"),
    ("x,y,prediction\n1,2,3\n", "new.csv has a column 'prediction' already: rename it"),
    ("x,y\n1,1e308\n", "too large"),
]


@pytest.mark.parametrize(("content", "words"), BAD_PREDICTS)
def test_a_bad_predict_is_one_line_and_leaves_earlier_output_untouched(content: str, words: str):
    Path("model.json").write_text(MODEL)
    Path("new.csv").write_text(content)
    Path("out.csv").write_text("earlier")
    assert is_one_line_about(call("predict", "model.json", "new.csv", "--out", "out.csv"), words)
    assert Path("out.csv").read_text() == "earlier"


def test_a_category_that_training_has_not_seen_is_the_problem_of_its_row():
    fit(*KIND, "--out", "out")
    Path("new.csv").write_text("mass,colour\n30,red\n30,blue\n,red\n")
    result = call("predict", "out/model.json", "new.csv")
    assert result.exit_code == 1
    assert "Note: new.csv, line 3, column 'colour': 'blue' is not one of the categories seen in" in result.stderr
    assert "Note: 1 row of 3 without a prediction: --ignore-unseen predicts as if" in result.stderr
    header, *rows = csv.reader(result.stdout.splitlines())
    assert header == ["mass", "colour", "prediction", "probability"]
    assert [bool(row[2]) for row in rows] == [bool(row[3]) for row in rows] == [True, False, True]

    ignored = call("predict", "out/model.json", "new.csv", "--ignore-unseen")
    assert ignored.exit_code == 0
    assert "blue" not in ignored.stderr
    Path("new.csv").write_text("mass,colour\n30,red\n30,\n,red\n")
    missing = call("predict", "out/model.json", "new.csv")
    assert ignored.stdout.replace("blue", "") == missing.stdout
    assert rows[0] == next(csv.reader(missing.stdout.splitlines()[1:]))


def test_a_table_of_unseen_categories_gets_no_prediction_at_all():
    fit(*KIND, "--out", "out")
    Path("new.csv").write_text("mass,colour\n" + "30,blue\n" * 50)
    result = call("predict", "out/model.json", "new.csv")
    assert result.exit_code == 1
    assert result.stdout == "mass,colour,prediction,probability\n" + "30,blue,,\n" * 50
    assert result.stderr.count("'blue' is not one of") == 20
    assert "50 rows of 50 without a prediction" in result.stderr


# ---- models that are not trusted -------------------------------------------------------------------------------------
MODEL = json.dumps(
    {
        "format": "tinygrad_edu model",
        "version": 1,
        "task": "regression",
        "loss": "mse",
        "hidden": [],
        "activation": "relu",
        "features": {"columns": [{"name": name, "mean": 1.0, "scale": 2.0} for name in "xy"]},
        "target": {"name": "z", "mean": 3.0, "scale": 2.0},
        "parameters": {
            "layers[0].neurons[0].w[0]": 1.0,
            "layers[0].neurons[0].w[1]": 10.0,
            "layers[0].neurons[0].b": 0.5,
        },
    }
)


def test_a_model_is_plain_json_that_says_all():
    Path("model.json").write_text(MODEL)
    predictor = tinygrad_edu.load("model.json")
    assert predictor.predict(Table({"x": [3.0], "y": [5.0]})) == {"prediction": [3.0 + 2.0 * (1.0 + 10.0 * 2.0 + 0.5)]}
    predictor.save("again.json")
    assert json.loads(Path("again.json").read_text()) == json.loads(MODEL)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "hinge"])
def test_what_is_loaded_predicts_the_very_same(loss: str):
    table = read_csv("line.csv" if loss == "mse" else "fruit.csv")
    experiment = Experiment(table, table.columns[-1], settings=Settings((3,), loss=loss, epochs=3))
    experiment.run()
    experiment.predictor.save("model.json")
    loaded = tinygrad_edu.load(Path("model.json"))
    assert isinstance(loaded, tinygrad_edu.train.Predictor)
    assert loaded.predict(table) == experiment.predictor.predict(table)
    assert loaded.model.state_dict() == experiment.predictor.model.state_dict()
    assert loaded.targets(table) == experiment.predictor.targets(table)


def edited(**changes: Any) -> str:
    return json.dumps({name: value for name, value in {**json.loads(MODEL), **changes}.items() if value != "gone"})


def with_parameters(change: Callable[[dict[str, Any]], object]) -> str:
    model = json.loads(MODEL)
    change(model["parameters"])
    return json.dumps(model)


BIAS = "layers[0].neurons[0].b"
NOT_MODELS = {
    "a text": ("hello", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "cut short": (MODEL[:200], "not valid JSON"),
    "a list": ("[1, 2]", "does not say that it is one"),
    "another kind": (MODEL.replace("tinygrad_edu model", "tinygrad_edu checkpoint"), "does not say that it is one"),
    "a later version": (edited(version=99), "version 99"),
    "deep": ("[" * 100_000, "not valid JSON"),
    "an entry less": (edited(loss="gone"), "'loss' is missing"),
    "an entry more": (edited(more=1), "contradict"),
    "another task": (edited(task="classification"), "contradict"),
    "an unknown loss": (edited(loss="hinge"), "does not fit"),
    "a loss of no text": (edited(loss=["mse"]), "a list does not fit"),
    "an unknown activation": (edited(activation="os.system"), "there is no activation 'os.system'"),
    "an activation of no text": (edited(activation=[]), "is not a model"),
    "no widths": (edited(hidden=3), "hidden must be a list of widths"),
    "a negative width": (edited(hidden=[-1, 3]), "hidden must be a list of widths"),
    "a huge width": (edited(hidden=[10**12]), "such a network has 4000000000001 parameters, not 3"),
    "too few parameters": (with_parameters(lambda p: p.pop(BIAS)), "has 3 parameters, not 2"),
    "other parameters": (with_parameters(lambda p: p.update(b=p.pop(BIAS))), "not the parameters of this MLP"),
    "a parameter of nan": (
        with_parameters(lambda p: p.update({BIAS: float("nan")})),
        "must be a finite number, not nan",
    ),
    "a parameter of text": (with_parameters(lambda p: p.update({BIAS: "1"})), "must be a finite number, not '1'"),
    "a huge parameter": (with_parameters(lambda p: p.update({BIAS: 10**400})), "is not a model"),
    "parameters of no dict": (edited(parameters=[1, 2, 3]), "parameters must be numbers by their names"),
    "no features": (edited(features={"columns": []}), "there is no column to take as a feature"),
    "other features": (edited(features={"__import__": "os"}), "features must be described by"),
    "a scale of 0": (edited(target={"name": "z", "mean": 0.0, "scale": 0.0}), "must be greater than 0"),
    "a control character": (edited(activation="\x1b[31m\n"), "there is no activation"),
    "not UTF-8": (MODEL.encode("utf-16"), "not valid JSON"),
}


@pytest.mark.parametrize(("content", "words"), NOT_MODELS.values(), ids=NOT_MODELS)
def test_what_is_not_a_model_is_one_line(content: str | bytes, words: str):
    Path("model.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = call("predict", "model.json", "line.csv")
    assert is_one_line_about(result, words)
    assert "model.json" in result.stderr
    assert result.stdout == ""


def test_a_folder_is_not_a_model():
    assert is_one_line_about(call("predict", ".", "line.csv"), "'.' is a directory")
    assert is_one_line_about(call("predict", "nowhere.json", "line.csv"), "'nowhere.json' does not exist")


# ---- checkpoints and Ctrl-C ------------------------------------------------------------------------------------------
def test_a_run_goes_on_from_its_checkpoint():
    model = (*LINE, "--hidden", 3, "--no-pictures")
    options = (*model, "--checkpoint", "state.json")
    assert call("fit", *options, "--epochs", 2, "--out", "a").exit_code == 0
    assert "going on from state.json" in call("fit", *options, "--epochs", 5, "--out", "a").stdout
    assert call("fit", *model, "--epochs", 5, "--out", "b").exit_code == 0
    assert Path("a/model.json").read_bytes() == Path("b/model.json").read_bytes()
    assert len(Path("a/history.csv").read_text().splitlines()) == 6


def press_ctrl_c(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    class Pressing(optim.AdamW):
        def step(self) -> None:
            super().step()
            if self.steps == after:
                os.kill(os.getpid(), signal.SIGINT)

    Pressing.__name__ = "AdamW"
    monkeypatch.setitem(optim.OPTIMIZERS, "adamw", Pressing)


def test_ctrl_c_writes_what_has_been_learned(monkeypatch: pytest.MonkeyPatch):
    press_ctrl_c(monkeypatch, after=3)
    result = call("fit", *LINE, "--epochs", 1000, "--batch-size", 100)
    assert result.exit_code == 130
    assert "interrupted after 3 of 1000 epochs" in result.stdout
    assert sorted(written("tinygrad-edu-fit")) == NAMES
    assert len(Path("tinygrad-edu-fit/history.csv").read_text().splitlines()) == 4


def test_ctrl_c_in_the_first_epoch_writes_nothing(monkeypatch: pytest.MonkeyPatch):
    press_ctrl_c(monkeypatch, after=2)
    result = call("fit", *LINE, "--batch-size", 1)
    assert (result.exit_code, result.stderr.strip()) == (130, "Error: interrupted, nothing has been written")
    assert not Path("tinygrad-edu-fit").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_nothing_behind(number: int):
    code = f"""if True:
        import os
        from tinygrad_edu import cli, optim
        optim.Adam.update = lambda *_: os.kill(os.getpid(), {int(number)})
        cli.main(["fit", "line.csv", "--target", "z", "--no-pictures"])
    """
    before = written(".")
    done = run("-c", code)
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert written(".") == before
    assert not Path("tinygrad-edu-fit").exists()


# ---- the command itself ----------------------------------------------------------------------------------------------
def run(*arguments: object, encoding: str = "utf-8", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=False,
        capture_output=True,
        encoding=encoding,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment},
    )


def test_as_a_program_an_error_is_one_line_and_exit_code_2():
    done = run("-m", "tinygrad_edu.cli", "fit", "nowhere.csv", "--target", "y")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: Invalid value for 'DATA.CSV': File 'nowhere.csv' does not exist. (see tinygrad-edu fit --help)\n"
    )


def test_a_terminal_without_arrows_is_no_reason_to_fail():
    command = ("-m", "tinygrad_edu.cli", "fit", *LINE, "--epochs", 1, "--no-pictures")
    done = run(*command, PYTHONIOENCODING="latin-1", encoding="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"mse \S+ \? \S+ in training", done.stdout)
    assert "R² " in done.stdout


def test_a_control_character_in_the_name_of_a_file_does_not_reach_the_terminal():
    result = fit(*LINE, "--out", "out\x1b[31m")
    assert "\x1b" not in result.output
    assert "to out\ufffd[31m" in result.stdout


def test_a_full_disk_is_named_with_the_file():
    code = """if True:
        import resource
        from tinygrad_edu import _io
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        try:
            _io.write("out.csv", "x" * 100)
        except OSError as error:
            print(error.filename)
    """
    assert run("-c", code).stdout.strip() == "out.csv"
    assert "out.csv" not in written(".")


def test_help_loads_nothing_heavy():
    code = "import sys, tinygrad_edu.cli; print({'matplotlib', 'numpy', 'graphviz', 'tqdm'} & set(sys.modules))"
    assert run("-c", code).stdout.strip() == "set()"


def test_the_installed_command_is_this_one():
    project = (PACKAGE.parent / "pyproject.toml").read_text()
    assert 'tinygrad-edu = "tinygrad_edu.cli:main"' in project
    assert call("--version").stdout == f"tinygrad-edu {tinygrad_edu.__version__}\n"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_describes_every_option(command: str):
    result = call(command, "--help")
    assert result.exit_code == 0
    for option in main.commands[command].params:
        assert option.opts[0] in result.stdout or option.param_type_name == "argument"
        assert option.param_type_name == "argument" or option.help
    for names in ("fit", optim.OPTIMIZERS), ("fit", REGRESSION_LOSSES), ("fit", CLASSIFICATION_LOSSES):
        assert command != names[0] or all(name in result.stdout for name in names[1])


def test_without_a_command_it_lists_the_commands():
    result = call()
    assert result.exit_code == 0
    assert all(name in result.stdout for name in ("demo", "fit", "predict"))


@pytest.mark.parametrize("arguments", [["fix"], ["--colour"], ["predict"], ["demo", "--seed", "x"], ["demo", "more"]])
def test_a_bad_command_line_is_one_line(arguments: list[str]):
    assert is_one_line_about(call(*arguments), "--help)")
