"""Plots of training and of gradients, one function for each.

A run: `plot_loss`, `plot_parameters`. A model: `plot_coefficients`. A model and its data: `plot_fit`, `plot_rounds`,
`plot_residuals`, `plot_predictions`, `plot_confusion`, `plot_boundary`. The loss over two parameters: `plot_surface`. A
function of one number: `plot_derivative`, `plot_numeric_gradient`. The last three are defined in `gradient_plots.py`.

Every function draws into the Axes that it is given, or into new ones, and returns them. The title says what is shown,
and how good it is. Another title, limits and other things can be set with Matplotlib itself. On a dark background lines
and letters are light. `save` writes the figure. `style_axes` gives a plot of your own the same look. The common style
is left to `_style.py`, animations to `animations.py`, graphs to `graph.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from tinygrad_edu._interrupts import atomic_setter
from tinygrad_edu._samples import by_position
from tinygrad_edu._validate import require_finite, to_float
from tinygrad_edu.errors import api_boundary, describe
from tinygrad_edu.nn import Module
from tinygrad_edu.train import History
from tinygrad_edu.train.history import find_best

from ._grids import FloatArray, vectorize
from ._style import (
    COLOURS,
    INK,
    MARKERS,
    STYLES,
    Look,
    add_plot_legend,
    choose_ink,
    clean_name,
    describe_accuracy,
    describe_r2,
    describe_rmse,
    format_tick,
    integer_ticks,
    label_lines,
    label_quantity,
    pad_range,
    prepare_axes,
    require_axes,
    require_equal_lengths,
    require_resolution,
    save,
    scatter_samples,
    set_title,
    to_equal_columns,
    to_floats,
)
from .gradient_plots import plot_derivative, plot_numeric_gradient, plot_surface

__all__ = [
    "COLOURS",
    "parameters_at",
    "plot_boundary",
    "plot_coefficients",
    "plot_confusion",
    "plot_derivative",
    "plot_fit",
    "plot_loss",
    "plot_numeric_gradient",
    "plot_parameters",
    "plot_predictions",
    "plot_residuals",
    "plot_rounds",
    "plot_surface",
    "save",
    "style_axes",
]


MAX_BARS = 20  # of a plot of coefficients


# ---- a run -----------------------------------------------------------------------------------------------------------
@api_boundary
def plot_loss(
    runs: History | Mapping[Any, History],
    ax: Axes | None = None,
    *,
    scale: Literal["linear", "log", "log2"] = "linear",
    against: Literal["epochs", "updates", "seconds"] = "epochs",
    unit: str = "",
) -> Axes:
    """Plots the loss of each epoch, from epoch 0, of one run or of several.

    Validation losses are dashed lines with hollow markers, and a ring is around the lowest one. The names of up to 8
    lines are at their ends.

    Args:
        runs: What `fit` returned, or several such histories by name.
        ax: The Axes to draw into; None makes new ones.
        scale: The scale of the loss: "linear", or logarithmic with base 10 ("log") or 2 ("log2").
        against: The horizontal axis: "epochs", or the "updates" or the "seconds" before each epoch. Updates and seconds
            compare runs with batches of different sizes.
        unit: The unit of the loss, for the label of the axis.

    Returns:
        The Axes.

    Raises:
        TypeError: One of the runs is not a history.
        ValueError: The scale or the axis is another one; no epoch has been run; or no loss is above 0, on a
            logarithmic scale.

    Example:
        >>> from types import SimpleNamespace
        >>> ax = plot_loss(SimpleNamespace(loss=[4.0, 2.0, 1.0], validation=[]), scale="log2")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('epoch', 'loss')
    """
    histories = {str(name): run for name, run in runs.items()} if isinstance(runs, Mapping) else {"": runs}
    for history in histories.values():
        _require_history(history, "loss", "validation")
    everything = [loss for history in histories.values() for loss in [*history.loss, *history.validation]]
    if scale not in ("linear", "log", "log2"):
        raise ValueError(f"scale is 'linear', 'log' or 'log2', not {scale!r}")
    if against not in _COST_LABELS:
        raise ValueError(f"against is 'epochs', 'updates' or 'seconds', not {against!r}")
    if not everything:
        raise ValueError("there is no loss to plot: no epoch has been run")
    if scale != "linear" and not max(everything) > 0:
        raise ValueError(f'no loss is above 0, which a {scale} scale needs: use scale="linear"')
    ax = prepare_axes(ax, _COST_LABELS[against], label_quantity("loss", unit=unit))
    if scale != "linear":
        ax.set_yscale("log", base=10 if scale == "log" else 2)
    if against != "seconds":
        ax.xaxis.set_major_locator(integer_ticks())
    lines, names = [], []
    for i, (name, history) in enumerate(histories.items()):
        for losses, kind in (history.loss, "training"), (history.validation, "validation"):
            if len(losses):
                validation = kind == "validation"
                alone = len(histories) == 1  # then colours tell training from validation, else run from run
                colour = COLOURS[int(validation) if alone else i % len(COLOURS)]
                look: Look = {"color": colour, "linestyle": "--" if validation else "-", "linewidth": 1.8}
                if validation or not alone or len(losses) == 1:  # a line of one point cannot be seen
                    look |= {"marker": MARKERS[i % len(MARKERS)], "markevery": max(1, len(losses) // 8)}
                    look |= {"markersize": 5, "markerfacecolor": ax.get_facecolor() if validation else colour}
                places = _locate_epochs(history, len(losses), against)
                lines += ax.plot(places, losses, **look)
                best = find_best(losses)
                if validation and best is not None:
                    ring: Look = {"s": 110, "facecolors": "none", "edgecolors": colour, "linewidths": 1.6, "zorder": 4}
                    ax.scatter([places[best]], [losses[best]], **ring)
                short = clean_name(name, 12)  # so that a long name leaves the kind to be read
                names.append(f"{short}, {kind}" if name and len(history.validation) else name or kind)
    if len(lines) > 1:
        label_lines(ax, lines, names)
    set_title(ax, *_describe_runs(histories, unit))
    return ax


def _describe_runs(histories: Mapping[str, History], unit: str) -> list[str]:
    """The two lines of the title: the last loss, and the lowest one on validation data; of several runs the lowest."""
    last = {name: run.loss[-1] for name, run in histories.items() if len(run.loss)}
    best = {
        name: (run.validation[k], k) for name, run in histories.items() if (k := find_best(run.validation)) is not None
    }
    unit = f" {clean_name(unit)}" if unit else ""
    parts = []
    if last:
        name = min(last, key=lambda name: last[name])
        n = len(histories[name].loss)
        words = f"loss {last[name]:.4g}{unit} after {n} epoch{'s' * (n != 1)}"
        parts.append(words if len(histories) == 1 else f"lowest {words}: {clean_name(name)}")
    if best:
        name = min(best, key=lambda name: best[name])
        words = f"best validation loss {best[name][0]:.4g}{unit} in epoch {best[name][1]}"
        parts.append(words if len(histories) == 1 else f"{words}: {clean_name(name)}")
    return parts or [""]


_COST_LABELS = {"epochs": "epoch", "updates": "update", "seconds": "time (s)"}


def _locate_epochs(history: History, n: int, against: str) -> list[float]:
    """Returns the places on the axis where n epochs begin."""
    if against == "seconds":
        return [0.0, *history.seconds][:n]
    updates = history.updates / len(history.loss) if against == "updates" else 1
    return [updates * epoch for epoch in range(n)]


@api_boundary
def plot_parameters(
    paths: History | Mapping[Any, Sequence[Any]], ax: Axes | None = None, *, xlabel: str = "epoch"
) -> Axes:
    """Plots the paths of parameters, with a legend for up to 28 of them.

    Args:
        paths: What `fit(…, record_parameters=True)` returned, or lists of numbers by name. The numbers of a list are at
            0, 1, 2, … on the axis.
        ax: The Axes to draw into; None makes new ones.
        xlabel: The label of the horizontal axis.

    Returns:
        The Axes.

    Raises:
        TypeError: `paths` is not a history, or has something else than numbers.
        ValueError: There are no parameters to plot.

    Example:
        >>> ax = plot_parameters({"a": [0.3, 1.2, 1.8], "b": [0.8, 1.0, 1.1]}, xlabel="round")
        >>> [line.get_ydata().tolist() for line in ax.lines]
        [[0.3, 1.2, 1.8], [0.8, 1.0, 1.1]]
    """
    rows = paths if isinstance(paths, Mapping) else read_parameters(paths)
    paths = {str(name): to_floats(row) for name, row in rows.items()}
    if not any(paths.values()):
        raise ValueError("there is no parameter to plot: no step has been recorded")
    ax = prepare_axes(ax, clean_name(xlabel), "parameter")
    told_apart = len(paths) <= len(COLOURS) * len(STYLES)
    lines = []
    for i, row in enumerate(paths.values()):
        look: Look = {"color": COLOURS[i % len(COLOURS)], "linewidth": 0.8}
        if told_apart:
            look |= {"linestyle": STYLES[i // len(COLOURS)], "linewidth": 1.8}
        lines += ax.plot(row, **look, marker="o" if len(row) == 1 else "")
    if told_apart:
        add_plot_legend(ax, lines, list(paths), ncols=1 + len(paths) // 8)
    last = max(map(len, paths.values())) - 1
    ends = [f"{clean_name(name)} = {row[-1]:.4g}" for name, row in paths.items() if row]
    what = f"{len(paths)} parameter{'s' * (len(paths) != 1)}, {clean_name(xlabel)} 0 to {last}"
    set_title(ax, what, f"at the end {', '.join(ends)}" if len(ends) <= 2 else "")
    ax.xaxis.set_major_locator(integer_ticks())
    return ax


def _require_history(history: object, *lists: str) -> None:
    """Raises `TypeError` unless an object has the lists of a History."""
    if not all(hasattr(history, name) for name in lists):
        raise TypeError(f"a history is needed, what fit(…) returns, not {describe(history)}")


def read_parameters(history: History) -> dict[str, list[float]]:
    """Returns the path of every parameter by its name. Raises `ValueError` if the history has none."""
    _require_history(history, "parameters")
    if not history.parameters:
        raise ValueError("the history has no parameters: record them with fit(…, record_parameters=True)")
    return {name: [*path] for name, path in history.parameters.items()}


@contextmanager
def parameters_at(model: Module, history: History, epoch: float) -> Iterator[None]:
    """Gives a model, inside a `with` block, the parameters that it had at the beginning of an epoch.

    After the block the model has its present parameters again.

    Args:
        model: The model.
        history: What `fit(model, X, y, record_parameters=True)` returned.
        epoch: The number of the epoch, from 0. Between two epochs, as at 2.5, the parameters are on the straight line
            between the two.

    Yields:
        Nothing; the model has changed.

    Raises:
        ValueError: The epoch is not in the history, or the history has no parameters or is that of another model.

    Example:
        >>> from types import SimpleNamespace
        >>> from tinygrad_edu.nn import Linear
        >>> model = Linear(1, init="zeros")
        >>> history = SimpleNamespace(parameters={name: [0.0, 2.0] for name, _ in model.named_parameters()})
        >>> with parameters_at(model, history, 0.5):
        ...     model([1.0]).data
        2.0
    """
    paths, restore = read_parameters(history), atomic_setter([(p, "data", p.data) for p in model.parameters()])
    last = min(map(len, paths.values())) - 1
    if not 0 <= epoch <= last:
        raise ValueError(f"the history has the parameters of the epochs 0 to {last}, not of {epoch}")
    try:
        model.load_state_dict({name: float(np.interp(epoch, range(len(p)), p)) for name, p in paths.items()})
        yield
    finally:
        restore()


# ---- a model ---------------------------------------------------------------------------------------------------------
@api_boundary
def plot_coefficients(
    names: Sequence[str], coefficients: Sequence[Any], unit: str = "", ax: Axes | None = None
) -> Axes:
    """Plots the coefficients of a linear model as bars, the largest on top, each with its name and its number.

    Of more than 20 coefficients the largest ones are shown, and the title says what the others are at most.

    Args:
        names: The names of the n inputs.
        coefficients: The coefficient of each input; n numbers or Values.
        unit: The unit of the coefficients.
        ax: The Axes to draw into; None makes new ones.

    Returns:
        The Axes.

    Raises:
        TypeError: A coefficient is not a number.
        ValueError: The lengths differ or are 0, or a coefficient is inf or nan.

    Example:
        >>> ax = plot_coefficients(["age", "size"], [-0.5, 2.0], unit="francs")
        >>> [text.get_text() for text in ax.texts], ax.get_xlabel()
        (['+2', '−0.5'], 'coefficient (francs)')
    """
    require_equal_lengths(names=names, coefficients=coefficients)
    sizes = dict(enumerate(to_floats(coefficients)))
    for i, c in sizes.items():
        require_finite(f"the coefficient of {names[i]!r}", c)
    order = sorted(sizes, key=lambda i: -abs(sizes[i]))
    shown, rest = order[:MAX_BARS], order[MAX_BARS:]
    ax = prepare_axes(ax, label_quantity("coefficient", unit=unit), "", size=(6.0, 1.4 + 0.27 * len(shown)))
    bars = [sizes[i] for i in shown]
    places = range(len(shown))
    ax.barh(places, bars, color=[COLOURS[0] if c > 0 else COLOURS[1] for c in bars], height=0.7)
    ax.axvline(0.0, color=choose_ink(ax), linewidth=1.0)
    for place, c in zip(places, bars):
        look: Look = {"va": "center", "ha": "right" if c < 0 else "left", "color": choose_ink(ax), "fontsize": 9}
        ax.annotate(
            f"{'−' if c < 0 else '+'}{format_tick(abs(c))}",
            (c, place),
            (-4 if c < 0 else 4, 0),
            textcoords="offset points",
            **look,
        )
    ax.set_yticks(places, [clean_name(str(names[i])) for i in shown], parse_math=False)
    ax.set_ylim(len(shown) - 0.5, -0.5)  # the largest on top
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    low, high = min(0.0, *bars), max(0.0, *bars)
    room = 0.16 * (high - low or 1.0)  # for the numbers beside the bars
    ax.set_xlim(low - room * (low < 0), high + room * (high > 0 or low == 0))
    what, others = f"{len(order)} coefficient{'s' * (len(order) != 1)}", ""
    if rest:
        what = f"the {len(shown)} largest of {what}"
        most, together = abs(sizes[rest[0]]), sum(sizes[i] for i in rest)
        others = f"the other {len(rest)} are within ±{most:.3g}; their sum is {together:+.3g}"
    set_title(ax, what, others)
    return ax


# ---- a model and its data --------------------------------------------------------------------------------------------
@api_boundary
def plot_fit(
    x: Sequence[Any],
    y: Sequence[Any],
    predictions: Sequence[Any] | Mapping[Any, Sequence[Any]],
    ax: Axes | None = None,
    *,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Axes:
    """Plots n samples of one feature as points (x, y), and the predictions for them as a line in order of x.

    Args:
        x: The feature of each sample; n numbers or Values.
        y: The target of each sample; n numbers or Values.
        predictions: The prediction for each sample, n numbers or Values; or several such lists by name, a line each.
        ax: The Axes to draw into; None makes new ones.
        xlabel: The name of the feature.
        ylabel: The name of the target.

    Returns:
        The Axes.

    Raises:
        TypeError: An item is not a number.
        ValueError: The lengths differ or are 0.

    Example:
        >>> ax = plot_fit([2.0, 1.0], [3.9, 2.1], [4.0, 2.0], xlabel="hours", ylabel="points")
        >>> ax.lines[-1].get_xdata().tolist()
        [1.0, 2.0]
    """
    fits = predictions if isinstance(predictions, Mapping) else {"prediction": predictions}
    xs, ys = to_equal_columns(x=x, y=y)
    rows = [to_equal_columns(x=x, y=y, predictions=row)[2] for row in fits.values()]
    ax = prepare_axes(ax, clean_name(xlabel), clean_name(ylabel))
    artists: list[Any] = [scatter_samples(ax, xs, ys)]
    for i, row in enumerate(rows):
        look: Look = {"color": COLOURS[1 + i % (len(COLOURS) - 1)], "linestyle": STYLES[i % len(STYLES)]}
        artists += ax.plot(*zip(*sorted(zip(xs, row))), **look, linewidth=2.2)
    add_plot_legend(ax, artists, ["data", *map(str, fits)])
    scores = [describe_r2(ys, row) for row in rows]
    if len(scores) > 1:
        scores = [f"{score} ({clean_name(str(name))})" for name, score in zip(fits, scores)]
    set_title(ax, f"{clean_name(ylabel)} by {clean_name(xlabel)}", ", ".join(scores[-3:]))  # for more there is no room
    return ax


@api_boundary
def plot_rounds(
    model: Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: History,
    rounds: Sequence[int] = (1, 3, 5),
    ax: Axes | None = None,
    *,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Axes:
    """Plots samples of one feature, and what a model predicted after some rounds, or epochs, of its training.

    The parameters of the model stay as they are.

    Args:
        model: A model of one feature.
        X: The n samples: numbers, or lists of one number.
        y: The n targets.
        history: What `fit(model, X, y, record_parameters=True)` returned.
        rounds: The numbers of the epochs, from 0, the beginning of training.
        ax: The Axes to draw into; None makes new ones.
        xlabel: The name of the feature.
        ylabel: The name of the target.

    Returns:
        The Axes.

    Raises:
        ValueError: A sample has several features, or a round is not in the history.

    Example:
        >>> from tinygrad_edu import nn, train
        >>> model, X, y = nn.Linear(1, init="zeros"), [[0.0], [1.0]], [1.0, 3.0]
        >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
        >>> ax = plot_rounds(model, X, y, history, rounds=[0, 5])
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['data', 'round 0', 'round 5']
    """
    x = require_one_feature(X)
    fits = {}
    for k in rounds:
        with parameters_at(model, history, k):
            fits[f"round {k}"] = [model(sample) for sample in X]
    return plot_fit(x, y, fits, ax, xlabel=xlabel, ylabel=ylabel)


def require_one_feature(X: Sequence[Any]) -> list[Any]:
    """Returns the numbers of samples of one feature each. Raises `ValueError` if a sample has several."""
    rows = [[*row] if hasattr(row, "__len__") and len(row) else [row] for row in X]
    for row in rows:
        if len(row) != 1:
            raise ValueError(f"this picture shows models of one feature, and a sample has {len(row)}")
    return [row[0] for row in rows]


@api_boundary
def plot_residuals(
    y: Sequence[Any], predictions: Sequence[Any], ax: Axes | None = None, *, quantity: str = "y", unit: str = ""
) -> Axes:
    """Plots the residuals y − ŷ, measured − predicted, over the predictions ŷ; a perfect model is on the line at 0.

    Args:
        y: The measured target of each sample; n numbers or Values.
        predictions: The prediction for each sample; n numbers or Values.
        ax: The Axes to draw into; None makes new ones.
        quantity: The name of the target.
        unit: The unit of the target.

    Returns:
        The Axes.

    Raises:
        TypeError: An item is not a number.
        ValueError: The lengths differ or are 0.

    Example:
        >>> ax = plot_residuals([1.0, 2.0], [1.5, 1.5], quantity="income", unit="francs")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('income, predicted (francs)', 'income, measured − predicted (francs)')
        >>> ax.collections[0].get_offsets().tolist()
        [[1.5, -0.5], [1.5, 0.5]]
    """
    measured, predicted = to_equal_columns(y=y, predictions=predictions)
    residuals = [a - b for a, b in zip(measured, predicted)]
    ax = prepare_axes(
        ax, label_quantity(quantity, ", predicted", unit), label_quantity(quantity, ", measured − predicted", unit)
    )
    scatter_samples(ax, predicted, residuals)
    ax.vlines(predicted, 0.0, residuals, color=COLOURS[0], alpha=0.3, linewidth=0.8)
    ax.axhline(0.0, color=choose_ink(ax), linewidth=1.2, linestyle="--")
    set_title(ax, f"residuals of {clean_name(quantity)}", describe_rmse(measured, predicted, unit))
    return ax


@api_boundary
def plot_predictions(
    y: Sequence[Any], predictions: Sequence[Any], ax: Axes | None = None, *, quantity: str = "y", unit: str = ""
) -> Axes:
    """Plots predictions over measured targets; a perfect model is on the diagonal.

    Args:
        y: The measured target of each sample; n numbers or Values.
        predictions: The prediction for each sample; n numbers or Values.
        ax: The Axes to draw into; None makes new ones.
        quantity: The name of the target.
        unit: The unit of the target.

    Returns:
        The Axes.

    Raises:
        TypeError: An item is not a number.
        ValueError: The lengths differ or are 0.

    Example:
        >>> ax = plot_predictions([1.0, 2.0], [1.1, 1.9], quantity="income")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('income, measured', 'income, predicted')
    """
    measured, predicted = to_equal_columns(y=y, predictions=predictions)
    ax = prepare_axes(
        ax, label_quantity(quantity, ", measured", unit), label_quantity(quantity, ", predicted", unit), size=(4.5, 4.5)
    )
    diagonal = ax.axline((measured[0], measured[0]), slope=1, color=choose_ink(ax), linewidth=1.2, linestyle="--")
    points = scatter_samples(ax, measured, predicted)
    ax.set_aspect("equal", adjustable="datalim")
    ax.locator_params(nbins=5)  # numbers of six digits side by side would overlap
    add_plot_legend(ax, [points, diagonal], ["data", "perfect prediction"])
    score = f"{describe_r2(measured, predicted)}, {describe_rmse(measured, predicted, unit)}"
    set_title(ax, f"{clean_name(quantity)}, predicted and measured", score)
    return ax


@api_boundary
def plot_confusion(
    actual: Sequence[int], predicted: Sequence[int], names: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Plots a confusion matrix: how many samples of each class (row) were predicted as each class (column).

    The diagonal has the right predictions. A cell is darker if its share of the row is larger.

    Args:
        actual: The class of each sample; n numbers 0, 1, …, each the position of a name.
        predicted: The predicted class of each sample; n numbers.
        names: The names of the classes.
        ax: The Axes to draw into; None makes new ones.

    Returns:
        The Axes.

    Raises:
        ValueError: The lengths differ or are 0, or a number is not the position of a name.

    Example:
        >>> ax = plot_confusion([0, 0, 1], [0, 1, 1], ["cat", "dog"])
        >>> [text.get_text() for text in ax.texts]
        ['1', '1', '0', '1']
    """
    require_equal_lengths(actual=actual, predicted=predicted)
    counts = [[0] * len(names) for _ in names]
    for row, column in zip(actual, predicted):
        for k in (row, column):
            if k not in range(len(names)):
                raise ValueError(f"a class is a number from 0 to {len(names) - 1}, the place of its name, not {k!r}")
        counts[int(row)][int(column)] += 1
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    ax = prepare_axes(ax, "predicted class", "actual class", size=(1.8 + 0.7 * len(names), 1.4 + 0.7 * len(names)))
    edges, places = [k - 0.5 for k in range(len(names) + 1)], range(len(names))
    ax.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0.0, vmax=1.2, edgecolors="white", linewidth=2)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    for i in places:
        for j in places:
            ink = "white" if shares[i][j] > 0.75 else INK
            number = ax.text(j, i, str(counts[i][j]), ha="center", va="center", color=ink, fontsize="large")
            number.set_in_layout(False)  # it lies in its cell, and to measure all of them takes time
    labels = [clean_name(name) for name in names]
    ax.set_xticks(places, labels, parse_math=False)
    ax.set_yticks(places, labels, parse_math=False)
    if max(map(len, labels)) > 8:
        for text in ax.get_xticklabels():
            text.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    right = sum(counts[k][k] for k in places)
    set_title(ax, *describe_accuracy(right, len(actual)).split(": "))
    return ax


@api_boundary
def plot_boundary(
    model: Callable[[Any], Any],
    X: Sequence[Any],
    y: Sequence[Any],
    ax: Axes | None = None,
    *,
    threshold: float = 0.0,
    names: Sequence[str] | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    resolution: int = 120,
) -> Axes:
    """Plots the decision boundary of a classifier of two features: which class it predicts at every point of a plane.

    If the model returns one score s, it predicts the larger of two labels where s > `threshold`, else the smaller one.
    If it returns several scores, it predicts the position 0, 1, … of the largest score.

    Args:
        model: A function that takes a list of two numbers and returns a number, or a list of numbers. An error that it
            raises at every point is raised.
        X: The n samples, each of two numbers.
        y: The n labels of the samples.
        ax: The Axes to draw into; None makes new ones.
        threshold: The score at the boundary: 0 for scores, 0.5 for probabilities.
        names: The names of the classes, in the order of their labels; None takes the labels.
        xlabel: The name of the first feature.
        ylabel: The name of the second feature.
        resolution: The number of points along each axis; the model is evaluated at `resolution`² points.

    Returns:
        The Axes.

    Raises:
        ValueError: A sample does not have two features; the labels do not fit the outputs of the model; the number of
            names is another one; or the resolution is below 2.

    Example:
        >>> ax = plot_boundary(lambda x: x[0] - x[1], [[0.0, 1.0], [1.0, 0.0]], [-1, 1], resolution=5)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['-1', '1']
    """
    a, b, labels = *_split_two_features(X), [*by_position("y", y)]
    require_equal_lengths(X=a, y=labels)
    require_resolution(resolution)
    threshold = to_float(threshold, "threshold")
    horizontal, vertical = np.meshgrid(*[np.linspace(*pad_range(column, 0.1), resolution) for column in (a, b)])
    scores = vectorize(lambda p, q: model([p, q]))
    margins = _compute_margins(scores(horizontal, vertical), threshold)
    classes = _match_classes(labels, margins)
    answers = _compute_margins(scores(np.array([a]), np.array([b])), threshold)[:, 0]
    right = sum(answers[classes.index(label), i] >= answers[:, i].max() for i, label in enumerate(labels))
    shown = [str(label) for label in classes] if names is None else [*names]
    if len(shown) != len(classes):
        raise ValueError(f"there are {len(classes)} classes, and {len(shown)} names: {', '.join(shown)}")
    ax = prepare_axes(ax, clean_name(xlabel), clean_name(ylabel), size=(5.6, 4.6))
    for k, margin in enumerate(margins):
        if (top := np.nanmax(margin)) > 0:
            ax.contourf(horizontal, vertical, margin, levels=[0.0, top], colors=[COLOURS[k % 7]], alpha=0.22)
        if np.nanmin(margin) < 0 < top and k:
            ax.contour(horizontal, vertical, margin, levels=[0.0], colors=[choose_ink(ax)], linewidths=1.4)
    samples = []
    for k, label in enumerate(classes):
        places = [i for i, other in enumerate(labels) if other == label]
        look: Look = {"color": COLOURS[k % 7], "marker": MARKERS[k % 7], "edgecolors": "white", "linewidths": 0.6}
        samples.append(ax.scatter([a[i] for i in places], [b[i] for i in places], s=34, **look, zorder=3))
    ax.grid(visible=False)
    ax.margins(0)
    add_plot_legend(ax, samples, shown)
    set_title(ax, "decision boundary", describe_accuracy(int(right), len(labels)))
    return ax


def _split_two_features(X: Sequence[Any]) -> list[list[float]]:
    """Returns the first and the second feature of all samples."""
    for i, row in enumerate(X):
        if not hasattr(row, "__len__") or len(row) != 2:
            raise ValueError(f"a decision boundary is drawn over two features, and sample {i} is {row!r}")
    return [to_floats([row[0] for row in X]), to_floats([row[1] for row in X])]


def _compute_margins(scores: FloatArray, threshold: float) -> FloatArray:
    """Returns for each class its score minus the best other score: the class is predicted where this is above 0."""
    if scores.ndim == 2:
        return np.array([threshold - scores, scores - threshold])
    if len(scores) == 1:
        return _compute_margins(scores[0], threshold)
    return np.array([score - np.delete(scores, k, axis=0).max(axis=0) for k, score in enumerate(scores)])


def _match_classes(labels: Sequence[Any], margins: FloatArray) -> list[Any]:
    """Returns the labels of the classes, in the order of the margins."""
    n, known = len(margins), sorted(set(labels))
    if n == 2 and len(known) == 2:
        return known
    if not set(known) <= set(range(n)):
        raise ValueError(f"a model of {max(n, 1)} classes needs labels from 0 to {n - 1}, or two, not {known[:7]}")
    return [*range(n)]


# ---- a plot of your own ----------------------------------------------------------------------------------------------
def style_axes(ax: Axes, xlabel: str, ylabel: str, title: str = "", score: str = "") -> Axes:
    """Gives axes the look of these plots, for a plot of your own: letters, colours, a light grid, and no box.

    Call it before you draw: what is drawn afterwards takes the colours of `COLOURS`, one after the other.

    Args:
        ax: The Axes.
        xlabel: The label of the horizontal axis.
        ylabel: The label of the vertical axis.
        title: What is shown.
        score: How good it is, on a line below.

    Returns:
        The Axes.

    Raises:
        TypeError: `ax` is not Matplotlib's Axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = style_axes(Figure().add_subplot(), "x", "y", "a line")
        >>> ax.plot([0, 1], [0, 2])[0].get_color() == COLOURS[0]
        True
    """
    require_axes(ax)
    prepare_axes(ax, xlabel, ylabel)
    ax.set_prop_cycle(color=COLOURS)
    set_title(ax, title, score)
    return ax
