"""What a terminal and a notebook show of optimizers, tables, histories and checks of gradients."""

import random
import re

import pytest
from pictures import HOSTILE

from tinygrad_edu import nn, optim
from tinygrad_edu._display import Sheet, format_numbers, measure
from tinygrad_edu.data import penguins
from tinygrad_edu.data.preprocessing import Features, Target
from tinygrad_edu.data.tables import Table
from tinygrad_edu.engine import Value
from tinygrad_edu.functional import relu, tanh
from tinygrad_edu.testing import gradcheck
from tinygrad_edu.train import History, Predictor, fit


@pytest.fixture(autouse=True)
def _a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def cells(html):
    """The texts of a table of HTML, row by row."""
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


# ---- models of tables ------------------------------------------------------------------------------------------------
def test_a_predictor_shows_what_it_predicts_from_what():
    table = Table({"mass": [3.0, 5.0, 4.0], "sex": ["m", "f", "m"], "x\x1b[31m": [1.0, 2.0, 3.0]})
    features = Features.fit(table.select("mass", "x\x1b[31m"))
    shown = repr(Predictor(features, Target.fit(table, "sex"), "hinge", [8, 4]))
    columns = r"'mass', 'x\x1b[31m'"
    assert shown == f"Predictor(classification of 'sex' from {columns}; 8-4 hidden neurons, loss hinge)"
    line = Predictor(Features.fit(table.select("sex")), Target.fit(table, "mass"), "mse")
    assert repr(line) == "Predictor(regression of 'mass' from 'sex'; a linear model, loss mse)"


# ---- optimizers ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda ps: optim.SGD(ps), "SGD(lr=0.001, 337 parameters)"),
        (lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9), "SGD(lr=0.1, momentum=0.9, 337 parameters)"),
        (
            lambda ps: optim.SGD(ps, 0.1, 0.9, nesterov=True, weight_decay=1e-4),
            "SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.0001, 337 parameters)",
        ),
        (lambda ps: optim.Adam(ps, betas=(0.8, 0.99)), "Adam(lr=0.001, betas=(0.8, 0.99), 337 parameters)"),
        (lambda ps: optim.AdaGrad(ps[:1], eps=1e-3), "AdaGrad(lr=0.01, eps=0.001, 1 parameter)"),
        (lambda ps: optim.RMSProp(ps, alpha=0.5), "RMSProp(lr=0.01, alpha=0.5, 337 parameters)"),
        (lambda ps: optim.AdamW(ps, weight_decay=0.5), "AdamW(lr=0.001, weight_decay=0.5, 337 parameters)"),
        (lambda ps: optim.SGD(ps, optim.cosine(0.1, 100)), "SGD(lr=0.1 (cosine, update 0), 337 parameters)"),
        (lambda ps: optim.SGD(ps, lambda t: 0.5), "SGD(lr=0.5 (<lambda>, update 0), 337 parameters)"),
        (
            lambda ps: optim.SGD(ps, lambda t: 1 / t),
            "SGD(lr=undefined: ZeroDivisionError (<lambda>, update 0), 337 parameters)",
        ),
    ],
)
def test_an_optimizer_shows_its_class_what_is_not_the_default_and_how_many_parameters(make, shown):
    assert repr(make(nn.MLP(2, [16, 16, 1]).parameters())) == shown


def test_a_learning_rate_is_that_of_the_next_update():
    w = Value(1.0)
    sgd = optim.SGD([w], optim.step_decay(1.0, every=1, factor=0.5))
    sgd.step()
    assert repr(sgd) == "SGD(lr=0.5 (step_decay, update 1), 1 parameter)"
    sgd.lr = 0.25
    assert repr(sgd) == "SGD(lr=0.25, 1 parameter)"


def test_an_optimizer_of_the_user_shows_the_arguments_that_it_keeps():
    class Mine(optim.Optimizer):
        def __init__(self, params, lr=0.1, *, sign=1.0, forgotten=3):
            super().__init__(params, lr)
            self.sign = sign

    assert repr(Mine([Value(1.0)], sign=-1.0)) == "Mine(lr=0.1, sign=-1, 1 parameter)"


def test_a_notebook_shows_all_settings_of_an_optimizer():
    html = optim.SGD([Value(1.0)], lr=0.1)._repr_html_()
    assert "<strong>SGD of 1 parameter</strong>" in html
    rows = dict(cells(html)[1:])
    assert rows == {
        "lr": "0.1",
        "momentum": "0",
        "nesterov": "False",
        "weight_decay": "0",
        "steps": "0",
        "remembers": "v",
    }


# ---- tables ----------------------------------------------------------------------------------------------------------
def test_a_table_shows_its_first_and_last_rows_and_its_shape():
    lines = repr(penguins()).splitlines()
    assert lines[0].split() == ["species", "island", "bill_length_mm", "…", "body_mass_g", "sex", "year"]
    assert [line.split()[0] for line in lines[1:-1]] == [*"01234", "…", "339", "340", "341", "342", "343"]
    assert lines[1].split() == ["0", "Adelie", "Torgersen", "39.1", "…", "3750", "male", "2007"]
    assert lines[-1] == "[344 rows × 8 columns]"
    assert len({line.index("2007") for line in lines[1:6]}) == 1
    assert max(map(len, lines)) <= 80


def test_a_table_of_few_rows_is_shown_whole():
    for n in (0, 1, 20):
        lines = repr(Table({"x": range(n)})).splitlines()
        assert (len(lines), lines[-1]) == (n + 2, f"[{n} row{'s' * (n != 1)} × 1 column]")
    assert len(repr(Table({"x": range(21)})).splitlines()) == 13
    assert repr(Table({})) == "\n[0 rows × 0 columns]"


def test_head_is_the_first_rows():
    table = Table({"x": [3.0, None, 1.5], "name": ["a", None, "c"]})
    assert table.head(2).rows == [(3.0, "a"), (None, None)]
    assert len(table.head()) == 3
    assert len(penguins().head()) == 5
    assert table.head(0).columns == ["x", "name"]
    with pytest.raises(ValueError, match="n must be at least 0, not -1"):
        table.head(-1)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_wide_table_is_cut_to_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = repr(Table({f"column {i}": [float(i), -1.0] for i in range(5000)})).splitlines()
    assert all(measure(line) <= width for line in lines[:-1])
    assert "…" in lines[0]
    assert lines[-1] == "[2 rows × 5,000 columns]"


def test_a_column_of_numbers_has_the_same_decimals_in_each_row():
    assert format_numbers([1.0, 2.25, None]) == ["1.00", "2.25", "None"]
    assert format_numbers([1.0, 20.0]) == ["1", "20"]
    assert format_numbers([1e-9, 5.0]) == ["1e-09", "5"]
    assert format_numbers([float("nan"), 0.5]) == ["nan", "0.5"]
    assert format_numbers([]) == []


def test_letters_that_are_wide_are_aligned():
    lines = Sheet(["name", "n"], [["重み", "1"], ["e\u0301", "2"]]).to_text().splitlines()
    assert [measure(line[: line.index("n", 2) if i == 0 else -1]) for i, line in enumerate(lines)] == [6, 6, 6]


# ---- histories -------------------------------------------------------------------------------------------------------
def run(loss, validation=(), stopped="epochs"):
    history = History()
    history.loss, history.validation, history.stopped = list(loss), list(validation), stopped
    history.seconds = [0.5 * (k + 1) for k in range(len(history.loss))]
    history.updates = len(history.loss)
    return history


def test_a_history_shows_the_first_the_best_and_the_last_epoch_and_why_it_ended():
    history = run([3.0 - k / 100 for k in range(200)], [2.0 + abs(k - 41) / 10 for k in range(200)])
    lines = repr(history).splitlines()
    assert lines[0] == "History(200 epochs, 200 updates, loss 3 → 1.01, stopped by epochs)"
    assert lines[1].split() == ["epoch", "loss", "validation", "seconds"]
    remarks = {line.split()[0]: line.split()[4:] for line in lines[2:-1]}
    assert {epoch: words for epoch, words in remarks.items() if words} == {
        "0": ["first"],
        "41": ["best"],
        "199": ["last"],
    }
    assert 10 <= len(remarks) <= 11
    assert lines[-1] == "ended because all epochs are done"
    assert history.best_epoch == 41


def test_a_history_of_any_state_is_shown():
    assert repr(History()) == "History(0 epochs, 0 updates, stopped by nothing yet)"
    assert "<table>" in History()._repr_html_()
    lines = repr(run([2.0], stopped="")).splitlines()
    assert lines[2].split() == ["0", "2", "0.5", "first,", "last,", "best"]
    assert lines[-1] == "not ended yet"
    assert repr(run([2.0, 1.0], [2.5], "interrupted")).splitlines()[3].split() == ["1", "1", "1.0", "last"]
    assert repr(run([1.0], stopped="reasons of its own")).endswith("ended because reasons of its own")


def test_the_best_epoch_is_the_first_with_the_lowest_finite_loss():
    assert run([3.0, 1.0, 1.0]).best_epoch == 1
    assert run([1.0, 2.0, 3.0], [float("nan"), 5.0, 4.0]).best_epoch == 2
    assert run([float("inf")]).best_epoch is None
    assert History().best_epoch is None


def test_a_real_run_is_shown():
    history = fit(nn.Linear(1, init="zeros"), [[0.0], [1.0]], [1.0, 3.0], epochs=5, validation=([[2.0]], [5.0]))
    assert [row[0] for row in cells(history._repr_html_())] == ["epoch", *"01234"]


# ---- gradcheck -------------------------------------------------------------------------------------------------------
def test_a_check_shows_its_report_where_it_is_the_last_expression():
    check = gradcheck(tanh, 0.5)
    assert repr(check) == str(check)
    assert repr(check).startswith("The gradient is right. ")
    assert "correct: the gradient agrees with differences\n  ∂f/∂x0: gradient 0.786" in repr(check)
    html = check._repr_html_()
    assert cells(html) == [["", "by the rules", "by trying"], ["∂f/∂x0", "0.786448", "0.786448"]]
    assert "<summary>In detail</summary>\n<div>correct: the gradient agrees with differences</div>" in html


def test_a_kink_shows_both_sides():
    html = gradcheck(relu, 0.0)._repr_html_()
    assert cells(html)[1] == ["∂f/∂x0", "0", "0 | 1", "← kink"]
    assert "<strong>There is no one gradient at this point. ∂f/∂x0 is 0 from the left, 1 from the right" in html


def test_a_check_of_many_inputs_is_short():
    html = gradcheck(lambda *xs: sum(xs), *range(1, 23))._repr_html_()
    assert len(cells(html)) == 21
    assert "… and 2 more" in html


# ---- what comes from outside -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [*HOSTILE, "\x1b[2J\x07", "two\nlines", "\ud800", "x" * 100_000])
def test_a_text_is_only_a_text(text):
    table = Table({text: [text, "b"], "n": [1.0, 2.0]})
    shown, html = repr(table), table._repr_html_()
    assert len(shown.splitlines()) == 4
    assert all(c.isprintable() or c == "\n" for c in shown + html)
    assert not re.search(r"<(?!/?(div|strong|table|thead|tbody|tr|th|td)\b)", html)
    assert len(shown) + len(html) < 2000
    html.encode()


def test_nothing_has_a_colour_of_its_own():
    for thing in (penguins(), optim.SGD([Value(1.0)]), run([1.0]), gradcheck(tanh, 0.5)):
        assert not re.search(r"colou?r|background|#[0-9a-f]{3}", thing._repr_html_())


def test_showing_changes_nothing():
    model = nn.MLP(2, [2, 1], rng=random.Random(0))
    adam = optim.Adam(model.parameters())
    before = adam.state_dict(), model.state_dict()
    repr(adam), adam._repr_html_()
    assert (adam.state_dict(), model.state_dict()) == before
