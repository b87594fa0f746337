"""Plots of training: what is in them, how they are saved, and that they leave the user's Matplotlib alone."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from tinygrad_edu.engine import Value
from tinygrad_edu.viz.plots import COLOURS, plot_confusion, plot_fit, plot_loss, plot_predictions, save

SVG = "{http://www.w3.org/2000/svg}"


def history(loss, validation=()):
    return SimpleNamespace(loss=list(loss), validation=list(validation))


def axes():
    return Figure().add_subplot()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def svg_texts(path):
    return [text.text for text in ElementTree.parse(path).iter(f"{SVG}text")]


# ---- plot_loss -------------------------------------------------------------------------------------------------------


def test_one_history_is_one_line_from_epoch_0():
    ax = plot_loss(history([3.0, 2.0, 1.5]))
    (line,) = ax.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 1, 2], [3.0, 2.0, 1.5])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    assert ax.get_legend() is None


def test_validation_is_a_dashed_line():
    ax = plot_loss(history([3.0, 2.0], [3.5, 2.5]))
    assert [(line.get_linestyle(), list(line.get_ydata())) for line in ax.lines] == [
        ("-", [3.0, 2.0]),
        ("--", [3.5, 2.5]),
    ]
    assert legend(ax) == ["training", "validation"]


def test_runs_have_a_colour_and_a_name_each():
    ax = plot_loss({"Adam": history([3.0, 2.0], [3.5, 2.5]), "SGD": history([3.0, 2.8]), 0.1: history([3.0])})
    assert legend(ax) == ["Adam, training", "Adam, validation", "SGD", "0.1"]
    assert [line.get_color() for line in ax.lines] == [COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[2]]


def test_a_single_epoch_can_be_seen():
    assert [line.get_marker() for line in plot_loss(history([3.0], [2.0])).lines] == ["o", "o"]


@pytest.mark.parametrize(("scale", "base"), [("log", 10), ("log2", 2)])
def test_a_log_scale_has_its_base(scale, base):
    ax = plot_loss(history([4.0, 0.0, 1.0]), scale=scale)
    assert ax.get_yscale() == "log"
    assert ax.yaxis.get_transform().base == base


def test_epochs_are_whole_numbers():
    ax = plot_loss(history([3.0, 2.0, 1.0]))
    assert all(tick == round(tick) for tick in ax.get_xticks())


@pytest.mark.parametrize(
    ("runs", "scale", "words"),
    [
        (history([1.0]), "cubic", "scale is 'linear', 'log' or 'log2', not 'cubic'"),
        (history([]), "linear", "no epoch has been run"),
        ({}, "linear", "no epoch has been run"),
        ({"a": history([])}, "log", "no epoch has been run"),
        (history([0.0, -1.0]), "log", 'no loss is above 0, which a log scale needs: use scale="linear"'),
    ],
)
def test_a_loss_that_cannot_be_plotted_is_refused(runs, scale, words):
    with pytest.raises(ValueError, match=words):
        plot_loss(runs, scale=scale)


# ---- plot_fit and plot_predictions -----------------------------------------------------------------------------------


def test_the_fit_is_drawn_in_order_of_x():
    ax = plot_fit(
        [3.0, 1.0, 2.0], [3.1, 0.9, 2.2], [Value(3.0), Value(1.0), Value(2.0)], xlabel="hours", ylabel="points"
    )
    assert ax.collections[0].get_offsets().tolist() == [[3.0, 3.1], [1.0, 0.9], [2.0, 2.2]]
    assert [list(ax.lines[0].get_xdata()), list(ax.lines[0].get_ydata())] == [[1.0, 2.0, 3.0]] * 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("hours", "points")
    assert legend(ax) == ["data", "prediction"]


def test_predictions_are_against_what_was_measured():
    ax = plot_predictions([1.0, 2.0], [Value(1.5), 1.8], quantity="income")
    assert ax.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 1.8]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("income, measured", "income, predicted")
    (diagonal,) = ax.lines
    assert diagonal.get_slope() == 1
    assert diagonal.get_xy1()[0] == diagonal.get_xy1()[1]
    assert ax.get_aspect() == 1
    assert legend(ax) == ["data", "perfect prediction"]


@pytest.mark.parametrize(
    ("plot", "error", "words"),
    [
        (lambda: plot_fit([1, 2], [1, 2], [1]), ValueError, "2 of x, 2 of y, 1 of predictions"),
        (lambda: plot_fit([], [], []), ValueError, "at least one: there are 0 of x"),
        (lambda: plot_fit([[1.0]], [1.0], [1.0]), TypeError, "not list"),
        (lambda: plot_predictions([1.0], [1.0, 2.0]), ValueError, "1 of y, 2 of predictions"),
        (lambda: plot_predictions(["a"], [1.0]), TypeError, "not str 'a'"),
    ],
)
def test_what_is_no_data_is_refused(plot, error, words):
    with pytest.raises(error, match=words):
        plot()


# ---- plot_confusion --------------------------------------------------------------------------------------------------


def test_rows_are_actual_classes_and_columns_predicted_ones():
    ax = plot_confusion([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], ["ant", "bee", "cat"])
    numbers = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert [[numbers[column, row] for column in range(3)] for row in range(3)] == [
        ["2", "1", "0"],
        ["0", "2", "0"],
        ["1", "0", "0"],
    ]
    assert [t.get_text() for t in ax.get_xticklabels()] == [t.get_text() for t in ax.get_yticklabels()]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ant", "bee", "cat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "actual class")
    assert ax.yaxis_inverted()  # the first class on top


def test_a_cell_is_as_dark_as_its_share_of_the_row():
    ax = plot_confusion([0] * 100 + [1], [0] * 99 + [1, 1], ["common", "rare"])
    assert ax.collections[0].get_array().tolist() == [[0.99, 0.01], [0.0, 1.0]]


def test_numbers_can_be_read_on_their_cells():
    for hits in range(11):
        ax = plot_confusion([0] * 10, [0] * hits + [1] * (10 - hits), ["a", "b"])
        mesh = ax.collections[0]
        for text, cell in zip(ax.texts, mesh.to_rgba(mesh.get_array().ravel())):
            assert contrast(to_rgb(text.get_color()), cell[:3]) > 3  # WCAG 2.1, 1.4.3, for large text


def to_rgb(colour):
    return [int(to_hex(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(one, other):
    """The contrast ratio of WCAG 2.1."""
    dark, light = sorted(
        sum(
            w * (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
            for w, c in zip((0.2126, 0.7152, 0.0722), rgb)
        )
        for rgb in (one, other)
    )
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("actual", "predicted", "words"),
    [
        ([0], [0, 1], "1 of actual, 2 of predicted"),
        ([], [], "at least one"),
        ([0, 3], [0, 1], "a class is a number from 0 to 1, the place of its name, not 3"),
        ([0, 1], [0, -1], "not -1"),
        (["a"], ["a"], "not 'a'"),
    ],
)
def test_classes_are_the_places_of_their_names(actual, predicted, words):
    with pytest.raises(ValueError, match=words):
        plot_confusion(actual, predicted, ["a", "b"])


# ---- every plot ------------------------------------------------------------------------------------------------------

PLOTS = {
    "loss": lambda ax=None: plot_loss({"a": history([2.0, 1.0], [2.0, 1.5]), "b": history([2.0, 1.8])}, ax),
    "fit": lambda ax=None: plot_fit([1, 2, 3], [1, 2, 3], [1, 2, 3], ax),
    "predictions": lambda ax=None: plot_predictions([1, 2, 3], [1, 2, 3], ax),
    "confusion": lambda ax=None: plot_confusion([0, 1], [0, 1], ["a", "b"], ax),
}


@pytest.fixture(params=PLOTS)
def plot(request):
    return PLOTS[request.param]


def test_a_plot_is_drawn_into_the_axes_given(plot):
    ax = axes()
    assert plot(ax) is ax


def test_without_pyplot_a_figure_is_freed_when_it_is_dropped(plot, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert type(plot().figure) is Figure
    assert "matplotlib.pyplot" not in sys.modules


def test_with_pyplot_a_figure_is_shown_by_it(plot):
    from matplotlib import pyplot

    backend = matplotlib.get_backend()
    ax = plot()
    try:
        assert pyplot.gcf() is ax.figure
        assert matplotlib.get_backend() == backend
    finally:
        pyplot.close("all")


def test_settings_are_left_as_they_were(plot, tmp_path):
    before = matplotlib.rcParams.copy()
    save(plot(axes()), tmp_path / "plot.svg")
    assert matplotlib.rcParams == before


def test_nothing_needs_a_display(tmp_path):
    program = (
        "import sys; from tinygrad_edu.viz.plots import *; "
        "save(plot_fit([1, 2], [1, 2], [1, 2]), sys.argv[1]); print('matplotlib.pyplot' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", program, str(tmp_path / "plot.png")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
    assert imread(tmp_path / "plot.png").std() > 0.05


# ---- saving and hostile names ----------------------------------------------------------------------------------------


def test_text_in_an_svg_is_text(tmp_path):
    save(PLOTS["loss"](axes()), tmp_path / "plot.svg")
    assert {"epoch", "loss", "a, training", "a, validation", "b"} <= set(svg_texts(tmp_path / "plot.svg"))


def test_a_png_shows_its_labels(tmp_path):
    pictures = []
    for colour in ("black", "white"):
        ax = PLOTS["fit"](axes())
        ax.xaxis.label.set_color(colour)
        save(ax, tmp_path / "plot.png")
        pictures.append(imread(io.BytesIO((tmp_path / "plot.png").read_bytes())))
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_plot_is_the_same_file(plot, tmp_path, suffix):
    for name in "ab":
        save(plot(axes()), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "plot.jpeg"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must be \.svg or \.png"):
        save(axes(), tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "plot.svg").write_text("old")
    ax = axes()
    ax.set_title("$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        save(ax, tmp_path / "plot.svg")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"plot.svg": "old"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$\\frac{$", "$\\frac{$"),
        ("$x^2$", "$x^2$"),
        ("_hidden", "_hidden"),
        ("<script>&", "<script>&"),
        ("重み", "重み"),
        ("two\n lines", "two lines"),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        ("x" * 500, "x" * 27 + "…"),
    ],
)
def test_a_name_means_only_itself(tmp_path, name, shown):
    plots = [
        plot_loss({name: history([1.0, 2.0]), "other": history([1.0])}, axes()),
        plot_fit([1], [1], [1], axes(), xlabel=name, ylabel=name),
        plot_confusion([0], [0], [name, "other"], axes()),
    ]
    for ax in plots:
        save(ax, tmp_path / "plot.png")
        save(ax, tmp_path / "plot.svg")
        assert shown in svg_texts(tmp_path / "plot.svg")
