"""Plots of training: what is in them, how they are saved, and that they leave the user's Matplotlib alone."""

import io
import math
import os
import random
import subprocess
import sys
import threading
import warnings
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from profiles import sample

from tinygrad_edu import losses, nn
from tinygrad_edu.engine import Value
from tinygrad_edu.train import fit
from tinygrad_edu.viz._grids import graph_as_function, vectorize
from tinygrad_edu.viz._style import spread
from tinygrad_edu.viz.plots import (
    COLOURS,
    parameters_at,
    plot_boundary,
    plot_coefficients,
    plot_confusion,
    plot_derivative,
    plot_fit,
    plot_loss,
    plot_numeric_gradient,
    plot_parameters,
    plot_predictions,
    plot_residuals,
    plot_rounds,
    plot_surface,
    save,
    style_axes,
)

SVG = "{http://www.w3.org/2000/svg}"


def history(loss, validation=()):
    return SimpleNamespace(loss=list(loss), validation=list(validation))


def axes():
    return Figure().add_subplot()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def title(ax):
    return ax.get_title().split("\n")


def labels(ax):
    """The names at the ends of lines, and where these end."""
    return {text.get_text(): tuple(text.xy) for text in ax.texts}


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
    assert labels(ax) == {"training": (1, 2.0), "validation": (1, 2.5)}
    assert ax.get_legend() is None


def test_training_and_validation_are_told_apart_without_colour():
    run = history([4.0 - k / 20 for k in range(60)], [4.5 - k / 20 for k in range(60)])
    training, validation = plot_loss(run).lines
    assert (training.get_linestyle(), training.get_marker()) == ("-", "None")
    assert (validation.get_linestyle(), validation.get_marker(), validation.get_markevery()) == ("--", "o", 7)
    ax = plot_loss({"Adam": run, "SGD": run})
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 4
    hollow = [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in ax.lines]
    assert hollow == [False, True, False, True]


def test_a_ring_is_around_the_best_epoch_and_the_title_names_it():
    ax = plot_loss(history([3.0, 2.0, 1.0, 0.5], [3.5, math.nan, 2.25, 2.5]), unit="francs²")
    (ring,) = ax.collections
    assert ring.get_offsets().tolist() == [[2.0, 2.25]]
    assert title(ax) == ["loss 0.5 francs² after 4 epochs", "best validation loss 2.25 francs² in epoch 2"]
    runs = {"Adam": history([3.0, 1.0]), "SGD": history([3.0, 2.0], [4.0, 3.0])}
    assert title(plot_loss(runs)) == ["lowest loss 1 after 2 epochs: Adam", "best validation loss 3 in epoch 1: SGD"]
    assert title(plot_loss(history([3.0]))) == ["loss 3 after 1 epoch"]
    assert not plot_loss(history([3.0, 2.0], [math.nan, math.inf])).collections


def test_names_at_the_ends_of_lines_do_not_overlap():
    ax = plot_loss({f"run {i}": history([3.0, 1.0 + i / 1000]) for i in range(8)})
    heights = [text.xyann[1] + 72 / ax.figure.dpi * ax.transData.transform(text.xy)[1] for text in ax.texts]
    assert len(heights) == 8
    assert min(b - a for a, b in pairwise(heights)) == pytest.approx(11)
    many = plot_loss({i: history([3.0, 1.0]) for i in range(9)})
    assert (len(many.texts), len(legend(many))) == (0, 9)
    assert legend(plot_loss({"a": history([1.0]), "b": history([2.0])}, axes())) == ["a", "b"]  # without a layout


def test_numbers_are_spread_no_farther_than_they_must():
    assert spread([], 1.0) == []
    assert spread([3.0, 1.0], 1.5) == [3.0, 1.0]
    assert spread([1.0, 1.0, 1.0, 9.0], 1.0) == [0.0, 1.0, 2.0, 9.0]
    assert spread([0.0, 2.0, 2.0], 2.0) == pytest.approx([-2 / 3, 4 / 3, 10 / 3])  # all three touch


def test_a_long_name_leaves_room_for_what_the_line_is():
    run = history([3.0, 2.0], [4.0, 3.0])
    ax = plot_loss({"1348 pictures of digits": run, "100 pictures": run})
    assert [name.split(", ")[1] for name in labels(ax)] == ["training", "validation"] * 2
    assert "100 pictures, validation" in labels(ax)


def test_runs_have_a_colour_and_a_name_each():
    ax = plot_loss({"Adam": history([3.0, 2.0], [3.5, 2.5]), "SGD": history([3.0, 2.8]), 0.1: history([3.0])})
    assert list(labels(ax)) == ["Adam, training", "Adam, validation", "SGD", "0.1"]
    assert [line.get_color() for line in ax.lines] == [COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[2]]


def test_runs_can_be_compared_by_what_they_cost():
    runs = {
        "all at once": SimpleNamespace(loss=[4.0, 3.0, 2.0], validation=[], updates=3, seconds=[0.5, 1.0, 1.5]),
        "one by one": SimpleNamespace(loss=[4.0, 1.0], validation=[3.0, 2.0], updates=20, seconds=[2.0, 4.0]),
    }
    for against, label, expected in [
        ("epochs", "epoch", [[0, 1, 2], [0, 1], [0, 1]]),
        ("updates", "update", [[0, 1, 2], [0, 10], [0, 10]]),
        ("seconds", "time (s)", [[0, 0.5, 1], [0, 2], [0, 2]]),
    ]:
        ax = plot_loss(runs, against=against)
        assert [list(line.get_xdata()) for line in ax.lines] == expected
        assert ax.get_xlabel() == label
    with pytest.raises(ValueError, match="against is 'epochs', 'updates' or 'seconds', not 'money'"):
        plot_loss(runs, against="money")


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


def test_residuals_are_what_is_left_to_explain():
    ax = plot_residuals([1.0, 2.0], [Value(1.5), 1.8], quantity="income", unit="francs")
    assert ax.collections[0].get_offsets().tolist() == [[1.5, -0.5], [1.8, pytest.approx(0.2)]]
    assert [line.get_ydata() for line in ax.lines] == [[0.0, 0.0]]  # a perfect model
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("income, predicted (francs)", "income, measured − predicted (francs)")


def test_units_are_in_brackets_after_the_quantity():
    assert plot_loss(history([1.0]), unit="francs²").get_ylabel() == "loss (francs²)"
    ax = plot_predictions([1.0], [1.0], quantity="a long name that is cut " * 3, unit="m")
    assert ax.get_xlabel() == "a long name that is cut a l…, measured (m)"


# ---- parameters over the steps, and the fit after some rounds --------------------------------------------------------


def trained(epochs=5):
    """A line in training, from 0·x + 0 towards 2·x + 1, with its data and its history."""
    model, X, y = nn.Linear(1, init="zeros"), [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    return model, X, y, fit(model, X, y, epochs=epochs, record_parameters=True)


def test_the_path_of_each_parameter_is_a_line():
    *_, run = trained()
    ax = plot_parameters(run)
    assert {text: list(line.get_ydata()) for text, line in zip(legend(ax), ax.lines)} == run.parameters
    assert list(ax.lines[0].get_xdata()) == [0, 1, 2, 3, 4, 5]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "parameter")
    ax = plot_parameters({"a": [1, 2], "b": [Value(3.0), 4.0]}, xlabel="round")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1.0, 2.0], [3.0, 4.0]]
    assert ax.get_xlabel() == "round"


def test_lines_of_a_legend_can_be_told_apart():
    ax = plot_parameters({i: [0.0, float(i)] for i in range(28)})
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == len(legend(ax)) == 28
    ax = plot_parameters({i: [0.0, float(i)] for i in range(29)})
    assert (len(ax.lines), ax.get_legend()) == (29, None)


def test_parameters_must_have_been_recorded():
    for nothing in (SimpleNamespace(parameters={}), fit(nn.Linear(1), [[1.0]], [1.0], epochs=1)):
        with pytest.raises(ValueError, match="record_parameters=True"):
            plot_parameters(nothing)
    for nothing in ({}, {"a": []}):
        with pytest.raises(ValueError, match="no step has been recorded"):
            plot_parameters(nothing)


def test_a_model_can_be_put_back_to_an_epoch():
    model, _, _, run = trained()
    now = model.state_dict()
    with parameters_at(model, run, 2):
        assert list(model.state_dict().values()) == [path[2] for path in run.parameters.values()]
    with parameters_at(model, run, 1.5):
        expected = [(path[1] + path[2]) / 2 for path in run.parameters.values()]
        assert list(model.state_dict().values()) == pytest.approx(expected)
    with pytest.raises(RuntimeError, match="mine"), parameters_at(model, run, 0):
        raise RuntimeError("mine")
    assert model.state_dict() == now
    for epoch in (-1, 6, math.nan):
        with (
            pytest.raises(ValueError, match="the parameters of the epochs 0 to 5, not of"),
            parameters_at(model, run, epoch),
        ):
            pass


def test_rounds_are_the_predictions_after_them():
    model, X, y, run = trained()
    now = model.state_dict()
    ax = plot_rounds(model, X, y, run, rounds=(0, 3, 5), xlabel="hours", ylabel="points")
    assert legend(ax) == ["data", "round 0", "round 3", "round 5"]
    w, b = run.parameters.values()
    for k, line in zip((0, 3, 5), ax.lines):
        assert list(line.get_ydata()) == pytest.approx([w[k] * x + b[k] for (x,) in X])
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 3
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("hours", "points")
    assert model.state_dict() == now
    with pytest.raises(ValueError, match="a sample has 2"):
        plot_rounds(nn.Linear(2), [[1.0, 2.0]], [1.0], run)


def test_fits_by_name_are_a_line_each():
    ax = plot_fit([2.0, 1.0], [2.0, 1.0], {"x": [4.0, 3.0], 7: [6.0, 5.0]})
    assert legend(ax) == ["data", "x", "7"]
    assert [list(line.get_ydata()) for line in ax.lines] == [[3.0, 4.0], [5.0, 6.0]]


# ---- plot_boundary ---------------------------------------------------------------------------------------------------

CORNERS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]


def vertices(contours):
    return np.concatenate([path.vertices for path in contours.get_paths()])


def region(ax, k):
    """Whether a point is in the k-th coloured region."""
    return lambda *point: any(path.contains_point(point) for path in ax.collections[k].get_paths())


def test_the_boundary_is_where_the_score_is_the_threshold():
    for threshold in (0.0, 0.25):
        ax = plot_boundary(lambda x: x[0] - x[1], CORNERS, [-1, 1, -1, -1], threshold=threshold, resolution=20)
        lower, upper, line = ax.collections[:3]
        assert np.ptp(vertices(line) @ [1, -1]) < 1e-9
        assert (vertices(line) @ [1, -1]).mean() == pytest.approx(threshold)
        assert to_hex(lower.get_facecolor()[0]) == COLOURS[0].lower()
        assert to_hex(upper.get_facecolor()[0]) == COLOURS[1].lower()
        assert region(ax, 0)(0.1, 0.9)
        assert region(ax, 1)(0.9, 0.1)


def test_samples_have_the_colour_and_a_marker_of_their_class():
    ax = plot_boundary(lambda x: x[0] - 0.5, CORNERS, [0, 1, 0, 1], names=["left", "right"], resolution=10)
    left, right = ax.collections[-2:]
    assert left.get_offsets().tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert right.get_offsets().tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert [to_hex(c.get_facecolor()[0]) for c in (left, right)] == [COLOURS[0].lower(), COLOURS[1].lower()]
    assert len(left.get_paths()[0].vertices) != len(right.get_paths()[0].vertices)
    assert legend(ax) == ["left", "right"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x₁", "x₂")


def test_of_several_outputs_the_largest_wins():
    ax = plot_boundary(lambda x: [x[0], x[1], 1.2 - x[0] - x[1]], CORNERS, [2, 0, 1, 0])
    filled = [c for c in ax.collections if c.get_alpha() == 0.22]
    inside = [[any(p.contains_point(point) for p in c.get_paths()) for c in filled] for point in
              ((0.9, 0.2), (0.2, 0.9), (0.1, 0.1))]  # fmt: skip
    assert inside == [[True, False, False], [False, True, False], [False, False, True]]
    assert legend(ax) == ["0", "1", "2"]


def test_a_network_and_a_function_that_cannot_be_recorded_have_boundaries():
    model = nn.MLP(2, [3, 1], rng=random.Random(0))
    ax = plot_boundary(model, CORNERS, [-1, 1, 1, -1], resolution=12)
    by_branches = plot_boundary(lambda x: model(x) if x[0] > -9 else 0.0, CORNERS, [-1, 1, 1, -1], resolution=12)
    assert [len(c.get_paths()) for c in ax.collections] == [len(c.get_paths()) for c in by_branches.collections]
    assert vertices(ax.collections[0]) == pytest.approx(vertices(by_branches.collections[0]))


def test_a_constant_answer_is_one_region():
    ax = plot_boundary(lambda x: 1.0, CORNERS, [0, 1, 0, 1], resolution=5)
    assert region(ax, 0)(0.5, 0.5)
    assert len(ax.collections) == 3  # and two kinds of samples


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X": [[1.0]]}, r"over two features, and sample 0 is \[1.0\]"),
        ({"X": [[1.0, 2.0]]}, "1 of X, 4 of y"),
        ({"y": [0, 1, 2, 0]}, r"labels from 0 to 1, or two, not \[0, 1, 2\]"),
        ({"names": ["a"]}, "2 classes, and 1 names: a"),
        ({"resolution": 1}, "2 or more, not 1"),
        ({"model": nn.Linear(3), "resolution": 5}, "takes 3 inputs a sample, not 2"),
    ],
)
def test_what_has_no_boundary_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plot_boundary(**{"model": lambda x: x[0], "X": CORNERS, "y": [0, 1, 0, 1]} | arguments)


# ---- plot_surface ----------------------------------------------------------------------------------------------------


def bowl():
    w, b = Value(0.5, label="w"), Value(0.25, label="b")
    return (w - 1.0) ** 2 + (b * 2.0 - 1.0) ** 2 + 3.0, w, b


def test_the_surface_is_the_loss_over_two_parameters():
    loss, w, b = bowl()
    ax = plot_surface(loss, w, b, xlim=(0.0, 2.0), ylim=(0.0, 1.0), zlabel="sse")
    assert (ax.get_xlim(), ax.get_ylim()) == ((0.0, 2.0), (0.0, 1.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "b")
    _, bar = ax.figure.axes
    assert bar.get_ylabel() == "sse"
    lines = ax.collections[-1]
    for level, path in zip(lines.levels, lines.get_paths()):
        x, y = path.vertices.T
        assert (x - 1) ** 2 + (2 * y - 1) ** 2 + 3 == pytest.approx(np.full(len(x), level), abs=0.01)
    assert (w.data, b.data, w.grad) == (0.5, 0.25, 0.0)


def test_the_path_leads_from_a_ring_to_a_dot():
    loss, w, b = bowl()
    ax = plot_surface(loss, w, b, path=([0.0, 0.5, 1.0], [0.0, Value(0.4), 0.5]))
    track, start, end = ax.lines
    assert track.get_xydata().tolist() == [[0.0, 0.0], [0.5, 0.4], [1.0, 0.5]]
    assert (start.get_xydata().tolist(), start.get_markerfacecolor()) == ([[0.0, 0.0]], "white")
    assert end.get_xydata().tolist() == [[1.0, 0.5]]
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert low < 0.0 < 1.0 < high
    assert bottom < 0.0 < 0.5 < top


def test_in_three_dimensions_the_path_lies_on_the_surface():
    loss, w, b = bowl()
    ax = plot_surface(loss, w, b, kind="3d", path=([0.0, 1.0], [0.0, 0.5]), xlabel="slope")
    assert [list(row) for row in ax.lines[0].get_data_3d()] == [[0.0, 1.0], [0.0, 0.5], [5.0, 3.0]]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("slope", "b", "loss")


def test_any_two_parameters_of_a_network_have_a_surface():
    model = nn.MLP(2, [4, 1], activation="tanh", rng=random.Random(3))
    loss = losses.mse([model(x) for x in CORNERS], [0.0, 1.0, 1.0, 0.0])
    p, q = model.layers[0].neurons[1].w[0], model.layers[1].neurons[0].b
    surface = vectorize(graph_as_function(loss, p, q))(np.array([0.3, -2.0]), np.array([0.1, 1.5]))
    for number, point in zip(surface, ((0.3, 0.1), (-2.0, 1.5))):
        p.data, q.data = point
        assert number == pytest.approx(losses.mse([model(x) for x in CORNERS], [0.0, 1.0, 1.0, 0.0]).data, abs=1e-12)
    assert plot_surface(loss, p, q, resolution=5).get_xlabel() == "layers[0].neurons[1].w[0]"


def test_where_the_loss_is_not_defined_there_is_a_hole():
    w, b = Value(1.0, label="w"), Value(1.0, label="b")
    z = vectorize(graph_as_function(w.log() + b, w, b))(np.array([-1.0, 1.0]), np.array([1.0, 2.0]))
    assert np.isnan(z[0])
    assert z[1] == 2.0
    ax = plot_surface(w.log() + b, w, b, xlim=(-1.0, 1.0), resolution=20)
    assert min(vertices(ax.collections[0])[:, 0]) > 0


def test_what_has_no_surface_is_refused():
    loss, w, b = bowl()
    flat = Figure().add_subplot()
    huge, edge = w * 1e200 * b * 1e200, (1, 2)
    for error, words, call in [
        (ValueError, "does not depend on 'other'", lambda: plot_surface(loss, w, Value(1.0, label="other"))),
        (TypeError, "not float '1.0'", lambda: plot_surface(loss, w, 1.0)),
        (ValueError, "x and y are the same one", lambda: plot_surface(loss, w, w)),
        (ValueError, "3 of x, 1 of y", lambda: plot_surface(loss, w, b, path=([1, 2, 3], [1]))),
        (ValueError, "kind is 'contour' or '3d', not 'flat'", lambda: plot_surface(loss, w, b, kind="flat")),
        (ValueError, 'needs add_subplot\\(projection="3d"\\)', lambda: plot_surface(loss, w, b, flat, kind="3d")),
        (ValueError, "2 or more, not 1", lambda: plot_surface(loss, w, b, resolution=1)),
        (ValueError, "finite nowhere", lambda: plot_surface(huge, w, b, xlim=edge, ylim=edge, resolution=5)),
        (ValueError, "log is not defined", lambda: plot_surface((w * 0 - b * b - 1).log(), w, b, resolution=2)),
    ]:
        with pytest.raises(error, match=words):
            call()


# ---- plot_derivative and plot_numeric_gradient -----------------------------------------------------------------------


def test_a_function_its_derivative_and_its_tangent():
    ax = plot_derivative(lambda x: x.sin(), interval=(0.0, 2.0), at=1.0, name="sin", xlabel="t")
    function, slope, point, tangent = ax.lines
    x = function.get_xdata()
    assert (x[0], x[-1]) == (0.0, 2.0)
    assert function.get_ydata() == pytest.approx(np.sin(x))
    assert slope.get_ydata() == pytest.approx(np.cos(x))
    assert point.get_xydata().tolist() == [[1.0, math.sin(1.0)]]
    assert (tangent.get_xy1(), tangent.get_slope()) == ((1.0, math.sin(1.0)), math.cos(1.0))
    assert legend(ax) == ["sin(t)", "sin′(t)", "tangent at t = 1, slope 0.5403"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t", "sin, sin′")


def test_where_a_function_is_not_defined_its_curve_has_a_gap():
    function, slope = plot_derivative(lambda x: x.sqrt(), resolution=7).lines
    assert np.isnan(function.get_ydata()).tolist() == [True] * 3 + [False] * 4
    assert np.isnan(slope.get_ydata()).tolist() == [True] * 4 + [False] * 3  # infinite at 0


def test_a_function_of_pieces_has_a_derivative():
    _, slope = plot_derivative(lambda x: x * x if x > 0 else -x, resolution=4).lines
    assert slope.get_ydata().tolist() == [-1.0, -1.0, 2.0, 6.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot_derivative(lambda x: x, interval=(1.0, 1.0)), "an interval is"),
        (lambda: plot_derivative(lambda x: x, resolution=1), "two points or more"),
        (lambda: plot_derivative(lambda x: x.log(), at=-1.0), "log is not defined at -1.0"),
        (lambda: plot_derivative(lambda x: x.log(), interval=(-3.0, -1.0)), "log is not defined"),
        (lambda: plot_numeric_gradient(lambda x: x, 1.0, steps=[0.1, 0.0]), "are above 0, not"),
        (lambda: plot_numeric_gradient(lambda x: x, 1.0, steps=[]), "are above 0, not"),
    ],
)
def test_what_has_no_derivative_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_error_of_a_numeric_derivative_is_what_taylor_says():
    ax = plot_numeric_gradient(lambda x: x.exp(), 1.0, steps=[1e-3, 1e-2])
    forward, central, cut_1, cut_2, _ = ax.lines
    h = np.array([1e-3, 1e-2])
    assert forward.get_ydata() == pytest.approx(math.e * h / 2, rel=0.01)
    assert central.get_ydata() == pytest.approx(math.e * h**2 / 6, rel=0.01)
    assert cut_1.get_ydata() == pytest.approx(math.e * h / 2)
    assert cut_2.get_ydata() == pytest.approx(math.e * h**2 / 6)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("log", "log", "step h")


def test_at_small_steps_the_error_is_rounding():
    ax = plot_numeric_gradient(lambda x: x.exp(), 1.0)
    forward, _, *_, rounding = ax.lines
    small = forward.get_xdata() < 1e-10
    assert np.nanmax(forward.get_ydata()[small] / rounding.get_ydata()[small]) < 1.5
    assert np.nanmax(forward.get_ydata()[small]) > 0.01
    assert ax.get_ylim()[0] > 1e-16  # the lines of what is expected do not squeeze the curves


def test_an_error_of_0_is_no_point(tmp_path):
    ax = plot_numeric_gradient(lambda x: x * 2.0, 0.0, axes(), steps=[0.5, 0.25])
    forward, central = ax.lines
    assert np.isnan([forward.get_ydata(), central.get_ydata()]).all()
    save(ax, tmp_path / "plot.png")  # a log scale without a number above 0 could not be drawn


# ---- plot_coefficients -----------------------------------------------------------------------------------------------


def test_coefficients_are_bars_from_the_largest_to_the_smallest():
    ax = plot_coefficients(["age", "size", "a name that is much too long to be shown"], [0.5, Value(-2.0), 1234.5], "m")
    assert [bar.get_width() for bar in ax.patches] == [1234.5, -2.0, 0.5]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a name that is much too lon…", "size", "age"]
    assert [t.get_text() for t in ax.texts] == ["+1,234", "−2", "+0.5"]
    assert [t.get_ha() for t in ax.texts] == ["left", "right", "left"]  # away from the bar
    assert ax.yaxis_inverted()
    assert (ax.get_xlabel(), title(ax)) == ("coefficient (m)", ["3 coefficients"])


def test_of_many_coefficients_the_rest_is_summed_up():
    ax = plot_coefficients([f"x{i}" for i in range(25)], [(-1) ** i * (i + 1) for i in range(25)])
    assert len(ax.patches) == 20
    others = "the other 5 are within ±5; their sum is +3"
    assert title(ax) == ["the 20 largest of 25 coefficients", others]


def test_what_is_no_coefficient_is_refused():
    for names, numbers, words in [
        (["a"], [1.0, 2.0], "1 of names, 2 of coefficients"),
        ([], [], "at least one"),
        (["a", "b"], [1.0, math.nan], "the coefficient of 'b'"),
    ]:
        with pytest.raises(ValueError, match=words):
            plot_coefficients(names, numbers)


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
    "coefficients": lambda ax=None: plot_coefficients(["a", "b"], [1.0, -2.0], "m", ax),
    "residuals": lambda ax=None: plot_residuals([1, 2, 3], [1, 2, 3], ax),
    "parameters": lambda ax=None: plot_parameters({"a": [1, 2], "b": [1, 3]}, ax),
    "boundary": lambda ax=None: plot_boundary(lambda x: x[0] - 0.5, CORNERS, [0, 1, 0, 1], ax, resolution=5),
    "surface": lambda ax=None: plot_surface(*bowl(), ax, path=([0, 1], [0, 1]), resolution=5),
    "derivative": lambda ax=None: plot_derivative(lambda x: x * x, ax, at=1.0),
    "numeric": lambda ax=None: plot_numeric_gradient(lambda x: x.exp(), 1.0, ax),
}


@pytest.fixture(params=PLOTS)
def plot(request):
    return PLOTS[request.param]


@pytest.mark.parametrize(
    ("name", "lines"),
    {
        "loss": ["lowest loss 1 after 2 epochs: a", "best validation loss 1.5 in epoch 1: a"],
        "fit": ["y by x", "R² = 1"],
        "predictions": ["y, predicted and measured", "R² = 1, RMSE = 0"],
        "confusion": ["accuracy 100.0%", "2 of 2 right"],
        "coefficients": ["2 coefficients"],
        "residuals": ["residuals of y", "RMSE = 0"],
        "parameters": ["2 parameters, epoch 0 to 1", "at the end a = 2, b = 3"],
        "boundary": ["decision boundary", "accuracy 100.0%: 4 of 4 right"],
        "surface": ["loss over w and b", "loss 5 → 4 on the path"],
        "derivative": ["f and its derivative", "at x = 1: 1, slope 2"],
        "numeric": ["numeric derivatives at x = 1", "smallest error 6.6e-09 one-sided, 1.5e-11 central"],
    }.items(),
)
def test_a_title_says_what_is_shown_and_how_good_it_is(name, lines):
    assert title(PLOTS[name]()) == lines


def test_scores_are_those_of_the_data():
    y, predictions = [1.0, 2.0, 3.0], [1.0, 2.0, 2.0]
    assert title(plot_fit([1, 2, 3], y, predictions))[1] == "R² = 0.5"
    assert title(plot_fit([1, 2, 3], y, {"a": predictions, "b": y}))[1] == "R² = 0.5 (a), R² = 1 (b)"
    assert title(plot_fit([1, 2], [5, 5], [5, 5]))[1] == "R² not defined"
    assert title(plot_predictions(y, predictions, unit="m"))[1] == "R² = 0.5, RMSE = 0.5774 m"
    assert title(plot_confusion([0, 0, 1], [0, 1, 1], ["a", "b"])) == ["accuracy 66.7%", "2 of 3 right"]
    for threshold, right in ((0.0, "50.0%: 2 of 4"), (1.5, "100.0%: 4 of 4")):
        ax = plot_boundary(lambda x: x[0] + x[1], CORNERS, [0, 0, 0, 1], threshold=threshold, resolution=3)
        assert title(ax)[1] == f"accuracy {right} right"
    ax = plot_boundary(lambda x: [x[0], x[1], 1.2 - x[0] - x[1]], CORNERS, [2, 0, 2, 0], resolution=3)
    assert title(ax)[1] == "accuracy 75.0%: 3 of 4 right"


def test_a_long_title_is_broken_into_lines():
    figure = Figure(figsize=(12, 4), layout="constrained")
    ax = plot_fit([1, 2], [1, 2], [1, 2], figure.subplots(1, 4)[0], xlabel="x" * 50, ylabel="y" * 50)
    assert len(title(ax)) > 2
    assert max(map(len, title(ax))) <= 31  # a name, and " by"


@pytest.mark.parametrize("background", ["white", "black"])
def test_a_plot_is_drawn_into_the_axes_given_and_can_be_read_on_their_background(plot, background):
    ax = Figure(facecolor=background).add_subplot(facecolor=background)
    assert plot(ax) is ax
    words = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    words += ax.get_legend().get_texts() if ax.get_legend() else []
    for text in words:
        assert contrast(to_rgb(text.get_color()), to_rgb(background)) > 4.5  # WCAG 2.1, 1.4.3


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
        ax = PLOTS["fit"](Figure(figsize=(2, 1.5)).add_axes((0.3, 0.4, 0.6, 0.3)))
        ax.xaxis.label.set_color(colour)
        save(ax, tmp_path / "plot.png")
        pictures.append(imread(io.BytesIO((tmp_path / "plot.png").read_bytes())))
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize("kind", sample([*PLOTS], 5))
def test_the_same_plot_is_the_same_file_and_settings_stay(kind, tmp_path):
    matplotlib.get_backend()  # Matplotlib chooses one when it is asked for the first time
    before = matplotlib.rcParams.copy()
    for name in ("a.svg", "b.svg"):
        save(PLOTS[kind](axes()), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert matplotlib.rcParams == before


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "plot.jpeg"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must be \.svg or \.png"):
        save(axes(), tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_two_threads_that_save_leave_settings_and_warnings_as_they_were(tmp_path, monkeypatch):
    """Without a lock, the second thread would find the settings of the first one, and restore these at the end."""
    begun, both, left = threading.Event(), threading.Event(), threading.Event()

    def slow(self, file, **options):
        if not begun.is_set():
            begun.set()
            both.wait(0.1)  # in vain, because the second thread has to wait for the lock
        else:
            both.set()
            left.wait(0.1)

    def save_and_leave(name):
        save(axes(), tmp_path / name)
        left.set()

    monkeypatch.setattr(FigureCanvasBase, "print_figure", slow)
    before = list(warnings.filters), dict(matplotlib.rcParams)
    threads = [threading.Thread(target=save_and_leave, args=(name,)) for name in ("1.svg", "2.svg")]
    for thread in threads:
        thread.start()
        begun.wait()
    for thread in threads:
        thread.join()
    assert (list(warnings.filters), dict(matplotlib.rcParams)) == before


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "plot.svg").write_text("old")
    ax = axes()
    ax.set_title("$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        save(ax, tmp_path / "plot.svg")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"plot.svg": "old"}


NAMES = {
    "$\\frac{$": "$\\frac{$",
    "$x^2$": "$x^2$",
    "_hidden": "_hidden",
    "<script>&": "<script>&",
    "重み": "重み",
    "two\n lines": "two lines",
    "a\x00b\ud800": "a\ufffdb\ufffd",
    "x" * 500: "x" * 27 + "…",
}


@pytest.mark.parametrize("name", sample([*NAMES], 2))
def test_a_name_means_only_itself(tmp_path, name):
    figure = Figure(figsize=(6, 3))
    a, b, c, d, e, f, g = figure.subplots(2, 4).flat[:7]
    plot_loss({name: history([1.0, 2.0]), "other": history([1.0])}, a)
    plot_fit([1], [1], [1], b, xlabel=name, ylabel=name)
    plot_confusion([0], [0], [name, "other"], c)
    plot_parameters({name: [1.0, 2.0]}, d)
    plot_boundary(lambda x: x[0] - 0.5, CORNERS, [0, 1, 0, 1], e, names=[name, "b"], resolution=3)
    plot_surface(*bowl(), f, xlabel=name, zlabel=name, resolution=3)
    plot_derivative(lambda x: x, g, xlabel=name, resolution=3)
    save(a, tmp_path / "plot.png")
    save(a, tmp_path / "plot.svg")
    assert svg_texts(tmp_path / "plot.svg").count(NAMES[name]) == 1 + 2 + 2 + 1 + 1 + 2 + 1


def test_names_of_any_kind_can_be_in_one_picture(tmp_path):
    ax = plot_parameters({name: [1.0, 2.0] for name in NAMES}, axes())
    save(ax, tmp_path / "plot.png")
    save(ax, tmp_path / "plot.svg")
    assert {*NAMES.values()} <= {*svg_texts(tmp_path / "plot.svg")}


def test_a_plot_of_ones_own_looks_like_the_others():
    own, ours = style_axes(axes(), "x", "y", "two lines", "one of them red"), plot_loss(history([2.0, 1.0]), axes())
    assert title(own) == ["two lines", "one of them red"]
    assert (own.get_xlabel(), own.get_ylabel()) == ("x", "y")
    for name in ("top", "right", "left", "bottom"):
        assert own.spines[name].get_visible() == ours.spines[name].get_visible()
    assert own.xaxis.label.get_color() == ours.xaxis.label.get_color()
    assert [own.plot([0, 1])[0].get_color() for _ in COLOURS] == [*COLOURS]
    with pytest.raises(TypeError, match="ax is Matplotlib's Axes"):
        style_axes(None, "x", "y")
