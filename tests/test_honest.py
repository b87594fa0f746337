"""What the command says beside the score of a model: simpler models, coefficients, classes, and odd columns."""

import csv
import math
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tinygrad_edu import data, losses
from tinygrad_edu.cli import main
from tinygrad_edu.cli.experiment import Experiment, Settings
from tinygrad_edu.cli.notes import describe_uncertainty, find_oddity, find_oddity_of_target, find_problem
from tinygrad_edu.data.tables import Table, read_csv

RNG = random.Random(0)
X1, X2 = ([RNG.uniform(0.0, 10.0) for _ in range(200)] for _ in range(2))
STRAIGHT = Table({"a": X1, "b": X2, "y": [3.0 * a - 50.0 * b + 7.0 + RNG.gauss(0.0, 0.1) for a, b in zip(X1, X2)]})
BENT = Table({"a": X1, "y": [abs(a - 5.0) for a in X1]})
NOISE = Table({"a": X1, "y": [RNG.gauss(0.0, 1.0) for _ in X1]})
SIDES = Table({"a": X1, "b": X2, "side": ["left" if a + RNG.gauss(0.0, 1.0) < 5.0 else "right" for a in X1]})


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ran(table: Table, target: str = "y", **settings: object) -> Experiment:
    experiment = Experiment(table, target, settings=Settings(**{"lr": 0.05, **settings}))
    experiment.run()
    return experiment


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


# ---- simpler models --------------------------------------------------------------------------------------------------
def test_a_straight_line_is_as_good_where_the_world_is_straight() -> None:
    network, line, guess = ran(STRAIGHT).compare()
    assert [r.name.split()[0] for r in (network, line, guess)] == ["network", "linear", "guessing"]
    assert line.is_as_good
    assert line.scores["r2"] > 0.999
    assert not guess.is_as_good
    assert guess.scores["r2"] == pytest.approx(0.0, abs=0.1)


def test_it_is_not_where_the_world_bends_and_guessing_is_where_there_is_nothing_to_learn() -> None:
    network, line, guess = ran(BENT).compare()
    assert network.scores["r2"] > 0.9 > 0.2 > line.scores["r2"]
    assert not line.is_as_good
    assert not guess.is_as_good
    assert ran(NOISE, epochs=3).compare()[2].is_as_good


def test_the_linear_model_is_the_least_squares_one() -> None:
    np = pytest.importorskip("numpy")
    experiment = ran(STRAIGHT, epochs=1)
    line = experiment._fit_linear_model().formulas()["y"]
    A = np.array([[1.0, a, b] for a, b, _ in experiment.train.rows])
    expected = np.linalg.lstsq(A, np.array(experiment.train["y"]), rcond=None)[0]
    assert [line.intercept, *line.slopes.values()] == pytest.approx(expected.tolist(), rel=1e-3)


def test_the_rows_are_apart_and_the_best_epoch_is_taken_by_those_of_validation() -> None:
    experiment = ran(BENT, patience=3, epochs=200)
    parts = [experiment.train, experiment.validation, experiment.held_out]
    seen = [row for part in parts for row in part.rows]
    assert sorted(seen) == sorted(BENT.rows)
    assert len(experiment.validation) == 16
    predicted = experiment.predictor.predict(experiment.validation)["prediction"]
    best = min(experiment.history.validation)
    assert losses.mse(predicted, experiment.validation["y"]) == pytest.approx(best)
    assert experiment.history.validation[experiment.history.best_epoch] == best


def test_without_patience_no_row_is_spared() -> None:
    experiment = Experiment(BENT, "y", settings=Settings(patience=None))
    assert (len(experiment.train), experiment.validation) == (160, None)
    assert Experiment(BENT.take(range(40)), "y").validation is None  # too few


def test_of_many_rows_only_so_many_are_spared_unless_a_share_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_edu.cli.experiment.MAX_VALIDATION_ROWS", 8)
    assert len(Experiment(BENT, "y").validation) == 8
    assert len(Experiment(BENT, "y", settings=Settings(validation_share=0.25)).validation) == 40


def test_the_learning_rate_falls_where_half_of_the_patience_is_over() -> None:
    experiment = ran(NOISE, patience=4, epochs=60, optimizer="sgd", lr=0.05)
    assert experiment.plateau == 2
    assert experiment.optimizer.lr < 0.05
    assert ran(NOISE, patience=None, epochs=3, optimizer="sgd", lr=0.05).optimizer.lr == 0.05


# ---- coefficients ----------------------------------------------------------------------------------------------------
def test_coefficients_are_in_the_units_of_the_data() -> None:
    formula = ran(STRAIGHT, hidden=(), epochs=300).predictor.formulas()["y"]
    assert formula.slopes == pytest.approx({"a": 3.0, "b": -50.0}, rel=0.02)
    assert formula.intercept == pytest.approx(7.0, abs=1.0)


@pytest.mark.parametrize("loss", ["cross_entropy", "bce_with_logits", "bce"])
def test_of_two_classes_they_are_the_log_odds_of_the_second(loss: str) -> None:
    predictor = ran(SIDES, "side", hidden=(), loss=loss, epochs=2).predictor
    (name,), (formula,) = zip(*predictor.formulas().items())
    assert name == "right"
    for row, p in zip(SIDES.rows, predictor.predict(SIDES, probabilities=True)["probability(right)"]):
        z = formula.intercept + formula.slopes["a"] * row[0] + formula.slopes["b"] * row[1]
        assert math.log(p / (1.0 - p)) == pytest.approx(z, rel=1e-6, abs=1e-9)


def test_of_more_classes_they_are_log_odds_against_the_mean() -> None:
    table = Table({"a": X1, "colour": ["r", "g"] * 100, "kind": [f"k{int(a / 3.4)}" for a in X1]})
    predictor = ran(table, "kind", hidden=(), epochs=2).predictor
    answers = predictor.predict(table, probabilities=True)
    for i, (a, colour, _) in enumerate(table.rows[:20]):
        p = {name: answers[f"probability({name})"][i] for name in predictor.target.classes}
        mean = sum(map(math.log, p.values())) / 3
        for name, formula in predictor.formulas().items():
            z = formula.intercept + formula.slopes["a"] * a + formula.slopes[f"colour={colour}"]
            assert z == pytest.approx(math.log(p[name]) - mean, abs=1e-9)


def test_a_linear_model_shows_and_writes_its_formula() -> None:
    STRAIGHT.to_csv("straight.csv")
    printed = call("fit", "straight.csv", "--target", "y", "--hidden", "none", "--lr", 0.05, "--out", "out").stdout
    assert "formula   y = intercept + Σ coefficient · input" in printed
    with open("out/coefficients.csv") as file:
        rows = dict(csv.reader(file))
    assert rows.keys() == {"input", "(intercept)", "a", "b"}
    assert float(rows["b"]) == pytest.approx(-50.0, rel=0.02)
    assert Path("out/coefficients.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_has_no_formula() -> None:
    with pytest.raises(ValueError, match="a network with hidden layers is no formula"):
        Experiment(BENT, "y").predictor.formulas()


# ---- classes ---------------------------------------------------------------------------------------------------------
def test_the_scores_of_classes_are_shown_in_80_columns() -> None:
    kinds = [f"a class with a name that is rather long, number {i % 20}" for i in range(200)]
    Table({"a": [i % 20 + x for i, x in enumerate(X1)], "kind": kinds}).to_csv("many.csv")
    printed = call("fit", "many.csv", "--target", "kind", "--epochs", 2, "--no-pictures").stdout
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert "mean of all 20" in printed
    assert "the worst" in printed
    SIDES.to_csv("sides.csv")
    printed = call("fit", "sides.csv", "--target", "side", "--epochs", 5, "--no-pictures").stdout
    assert all(words in printed for words in ("precision", "recall", "F1", "AUC", "guessing 'right'"))


def test_scores_are_those_of_the_metrics() -> None:
    experiment = ran(SIDES, "side", epochs=3)
    answers = experiment.predictor.predict(experiment.held_out, probabilities=True)
    measured, predicted = experiment.held_out["side"], answers["prediction"]
    assert [*experiment.compute_class_scores().values()] == data.class_scores(measured, predicted, ["left", "right"])
    assert experiment.compute_scores() == {
        "accuracy": data.accuracy(measured, predicted),
        "auc": pytest.approx(data.auc([side == "right" for side in measured], answers["probability(right)"])),
    }


def test_predict_writes_the_probability_of_each_class() -> None:
    SIDES.to_csv("sides.csv")
    call("fit", "sides.csv", "--target", "side", "--epochs", 2, "--no-pictures", "--out", "out")
    call("predict", "out/model.json", "sides.csv", "--probabilities", "--out", "new.csv")
    table = read_csv("new.csv")
    assert table.columns[-4:] == ["prediction", "probability", "probability(left)", "probability(right)"]
    for answer, best, *both in table.select(*table.columns[-4:]).rows:
        assert sum(both) == pytest.approx(1.0)
        assert best == max(both)
        assert answer == ("left" if both[0] == best else "right")


def test_what_has_no_probabilities_says_so() -> None:
    for settings, words in (({"loss": "hinge"}, "trained with the hinge loss"), ({}, "predicts numbers")):
        table, target = (SIDES, "side") if settings else (BENT, "y")
        predictor = Experiment(table, target, settings=Settings(**settings)).predictor
        with pytest.raises(ValueError, match=f"there are no probabilities: the model .*{words}"):
            predictor.predict(table, probabilities=True)


# ---- what columns look like ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["2024-01-05", "2024-01-06", "2024-01-06"], "holds dates"),
        (["2024-01-05 10:30", "2024-01-06T11:00:05Z"] * 2, "holds dates"),
        (["05.01.2024", "6.1.24", "6.1.24"], "holds dates"),
        (["1/5/2024", "01/06/24", "01/06/24"], "holds dates"),
        (["the cat sat on the mat", "a dog came in and barked"] * 2, "holds free text"),
        (["€ 12,50", "€ 3,00", "€ 3,00"], "holds texts like '€ 12,50'"),
        (["12 %", "3.5 %", "12 %"], "holds texts like '12 %'"),
        (["1.234,5", "12,5", "12,5"], "holds texts like '1.234,5'"),
        (["5 kg", "7 kg", "7 kg"], "holds texts like '5 kg'"),
        ([float(i * i) for i in range(30)], "has a different whole number in every row"),
        (["north", "south", "south"], ""),
        (["class 1", "class 2"] * 3, ""),
        (["1a", "2b", "2b"], ""),
        ([1.0, 2.0] * 20, ""),
        ([float(i) for i in range(10)], ""),
        ([i + 0.5 for i in range(40)], ""),
    ],
)
def test_what_a_column_looks_like(values: list[object], words: str) -> None:
    assert words in find_oddity(values)
    assert bool(words) == bool(find_oddity(values))


def test_why_a_column_is_left_out() -> None:
    assert find_problem([f"2024-01-{i:02}" for i in range(1, 30)]) == "has a different text in every row: dates"
    assert find_problem([f"user{i}" for i in range(9)]) == "has a different text in every row, as an id has"


def test_what_a_target_looks_like() -> None:
    assert "has only two numbers, 0.5 and 1.5" in find_oddity_of_target([0.5, 1.5] * 3)
    assert "not as 3 classes (--task classification)" in find_oddity_of_target([1.0, 2.0, 3.0] * 3)
    assert "each counts as a class, not as a number" in find_oddity_of_target(["1,5 €", "2,5 €"])
    assert find_oddity_of_target(["cat", "dog"]) == find_oddity_of_target([1.5, 2.5, 3.5]) == ""


def test_hardly_any_rows_held_out_is_said_with_what_it_means() -> None:
    assert describe_uncertainty(200, 0.9) == ""
    assert "only 1 row is held out" in describe_uncertainty(1, 1.0)
    SIDES.take(range(40)).to_csv("few.csv")
    printed = " ".join(call("fit", "few.csv", "--target", "side", "--epochs", 2, "--no-pictures").stdout.split())
    assert "only 8 rows are held out: with 95% confidence the accuracy on new rows is between" in printed
