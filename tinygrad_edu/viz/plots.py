"""Plots of training and of gradients, each by one function.

A run: `plot_loss`, `plot_parameters`. A model and its data: `plot_fit`, `plot_rounds`, `plot_residuals`,
`plot_predictions`, `plot_confusion`, `plot_boundary`. The loss over two parameters: `plot_surface`. A function of one
number: `plot_derivative`, `plot_numeric_gradient`. The last three stand in `gradient_plots.py`.

Every function draws into the Axes it is given, or into new ones, and returns them, so that titles, limits and whatever
else is wanted can be added with Matplotlib itself; on a dark background its lines and letters are light. `save` writes
the figure. What all plots have in common is left to `_style.py`, what moves to `animations.py`, graphs to `graph.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import numpy as np
from matplotlib.axes import Axes

from tinygrad_edu._validate import to_float
from tinygrad_edu.errors import described
from tinygrad_edu.nn import Module

from ._grids import on_arrays
from ._style import (
    COLOURS,
    INK,
    MARKERS,
    STYLES,
    Look,
    add_legend,
    check_lengths,
    clean,
    dressed,
    equal_columns,
    floats,
    ink_on,
    padded_range,
    quantity_label,
    require_resolution,
    save,
    scattered,
    whole_numbers,
)
from .gradient_plots import plot_derivative, plot_numeric_gradient, plot_surface

__all__ = [
    "COLOURS",
    "parameters_at",
    "plot_boundary",
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
]

Array = Any  # of floats


class Losses(Protocol):
    """What `plot_loss` reads of a History: the loss of each epoch, and that on validation data, which may be empty."""

    @property
    def loss(self) -> Sequence[float]: ...
    @property
    def validation(self) -> Sequence[float]: ...


class Recorded(Protocol):
    """What is read of a History with the path of every parameter, as `fit(…, record_parameters=True)` returns it."""

    @property
    def parameters(self) -> Mapping[str, Sequence[float]]: ...


# ---- a run -----------------------------------------------------------------------------------------------------------
def plot_loss(
    runs: Losses | Mapping[Any, Losses],
    ax: Axes | None = None,
    *,
    scale: Literal["linear", "log", "log2"] = "linear",
    against: Literal["epochs", "updates", "seconds"] = "epochs",
    unit: str = "",
) -> Axes:
    """The loss of each epoch, the first being epoch 0: of one history, or of several by name; validation is dashed.

    `against` says what is on the other axis: epochs, or the updates or the seconds before each of them, by which runs
    with batches of different sizes are compared. `unit` is that of the loss.

    >>> from types import SimpleNamespace
    >>> ax = plot_loss(SimpleNamespace(loss=[4.0, 2.0, 1.0], validation=[]), scale="log2")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss')

    Raises `ValueError` for another scale or axis, for runs without a loss, and on a log scale if no loss is above 0.
    """
    histories = {str(name): run for name, run in runs.items()} if isinstance(runs, Mapping) else {"": runs}
    for history in histories.values():
        _require_history(history, "loss", "validation")
    everything = [loss for history in histories.values() for loss in [*history.loss, *history.validation]]
    if scale not in ("linear", "log", "log2"):
        raise ValueError(f"scale is 'linear', 'log' or 'log2', not {scale!r}")
    if against not in _COSTS:
        raise ValueError(f"against is 'epochs', 'updates' or 'seconds', not {against!r}")
    if not everything:
        raise ValueError("there is no loss to plot: no epoch has been run")
    if scale != "linear" and not max(everything) > 0:
        raise ValueError(f'no loss is above 0, which a {scale} scale needs: use scale="linear"')
    ax = dressed(ax, _COSTS[against], quantity_label("loss", unit=unit))
    lines, names = [], []
    for i, (name, history) in enumerate(histories.items()):
        for losses, style, kind in (history.loss, "-", "training"), (history.validation, "--", "validation"):
            if len(losses):
                marker = "o" if len(losses) == 1 else ""  # a line of one point would not be seen
                colour = COLOURS[i % len(COLOURS)]
                places = _places(history, len(losses), against)
                lines += ax.plot(places, losses, style, color=colour, linewidth=1.8, marker=marker)
                names.append(f"{name}, {kind}" if name and len(history.validation) else name or kind)
    if len(lines) > 1:
        add_legend(ax, lines, names)
    if scale != "linear":
        ax.set_yscale("log", base=10 if scale == "log" else 2)
    if against != "seconds":
        ax.xaxis.set_major_locator(whole_numbers())
    return ax


_COSTS = {"epochs": "epoch", "updates": "update", "seconds": "time (s)"}


def _places(history: Any, n: int, against: str) -> list[float]:
    """Where n epochs begin on the axis."""
    if against == "seconds":
        return [0.0, *history.seconds][:n]
    updates = history.updates / len(history.loss) if against == "updates" else 1
    return [updates * epoch for epoch in range(n)]


def plot_parameters(
    paths: Recorded | Mapping[Any, Sequence[Any]], ax: Axes | None = None, *, xlabel: str = "epoch"
) -> Axes:
    """The parameters over the steps: those of a history that recorded them, or lists of numbers by name.

    One entry is one step on the axis, the first being 0. Only lines that can be told apart, up to 28, have a legend.

    >>> ax = plot_parameters({"a": [0.3, 1.2, 1.8], "b": [0.8, 1.0, 1.1]}, xlabel="round")
    >>> [line.get_ydata().tolist() for line in ax.lines]
    [[0.3, 1.2, 1.8], [0.8, 1.0, 1.1]]

    Raises `ValueError` where there is nothing to plot, `TypeError` for what is no number.
    """
    rows = paths if isinstance(paths, Mapping) else recorded_parameters(paths)
    paths = {str(name): floats(row) for name, row in rows.items()}
    if not any(paths.values()):
        raise ValueError("there is no parameter to plot: no step has been recorded")
    ax = dressed(ax, clean(xlabel), "parameter")
    told_apart = len(paths) <= len(COLOURS) * len(STYLES)
    lines = []
    for i, row in enumerate(paths.values()):
        look: Look = {"color": COLOURS[i % len(COLOURS)], "linewidth": 0.8}
        if told_apart:
            look |= {"linestyle": STYLES[i // len(COLOURS)], "linewidth": 1.8}
        lines += ax.plot(row, **look, marker="o" if len(row) == 1 else "")
    if told_apart:
        add_legend(ax, lines, list(paths), ncols=1 + len(paths) // 8)
    ax.xaxis.set_major_locator(whole_numbers())
    return ax


def _require_history(history: object, *lists: str) -> None:
    if not all(hasattr(history, name) for name in lists):
        raise TypeError(f"a history is needed, what fit(…) returns, not {described(history)}")


def recorded_parameters(history: Recorded) -> dict[str, list[float]]:
    """The path of every parameter by its name. Raises `ValueError` for a history that did not record them."""
    _require_history(history, "parameters")
    if not history.parameters:
        raise ValueError("the history has no parameters: record them with fit(…, record_parameters=True)")
    return {name: [*path] for name, path in history.parameters.items()}


@contextmanager
def parameters_at(model: Module, history: Recorded, epoch: float) -> Iterator[None]:
    """Inside the `with`, a model has the parameters of the beginning of an epoch; afterwards those it had before.

    Between two epochs, at 2.5, say, they are on the straight line between the two.

    >>> from types import SimpleNamespace
    >>> from tinygrad_edu.nn import Linear
    >>> model = Linear(1, init="zeros")
    >>> history = SimpleNamespace(parameters={name: [0.0, 2.0] for name, _ in model.named_parameters()})
    >>> with parameters_at(model, history, 0.5):
    ...     model([1.0]).data
    2.0

    Raises `ValueError` for an epoch that is not in the history, for a history without parameters or of another model.
    """
    paths, before = recorded_parameters(history), model.state_dict()
    last = min(map(len, paths.values())) - 1
    if not 0 <= epoch <= last:
        raise ValueError(f"the history has the parameters of the epochs 0 to {last}, not of {epoch}")
    model.load_state_dict({name: float(np.interp(epoch, range(len(p)), p)) for name, p in paths.items()})
    try:
        yield
    finally:
        model.load_state_dict(before)


# ---- a model and its data --------------------------------------------------------------------------------------------
def plot_fit(
    x: Sequence[Any],
    y: Sequence[Any],
    predictions: Sequence[Any] | Mapping[Any, Sequence[Any]],
    ax: Axes | None = None,
    *,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Axes:
    """One feature against the target: the n samples as points, the n predictions as a line through them in order of x.

    Predictions by name, such as those after some rounds of training, are a line each.

    >>> ax = plot_fit([2.0, 1.0], [3.9, 2.1], [4.0, 2.0], xlabel="hours", ylabel="points")
    >>> ax.lines[-1].get_xdata().tolist()
    [1.0, 2.0]

    Numbers may be Values. Raises `ValueError` where the lengths differ or are 0, `TypeError` for what is no number.
    """
    fits = predictions if isinstance(predictions, Mapping) else {"prediction": predictions}
    xs, ys = equal_columns(x=x, y=y)
    rows = [equal_columns(x=x, y=y, predictions=row)[2] for row in fits.values()]
    ax = dressed(ax, clean(xlabel), clean(ylabel))
    artists: list[Any] = [scattered(ax, xs, ys)]
    for i, row in enumerate(rows):
        look: Look = {"color": COLOURS[1 + i % (len(COLOURS) - 1)], "linestyle": STYLES[i % len(STYLES)]}
        artists += ax.plot(*zip(*sorted(zip(xs, row))), **look, linewidth=2.2)
    add_legend(ax, artists, ["data", *map(str, fits)])
    return ax


def plot_rounds(
    model: Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: Recorded,
    rounds: Sequence[int] = (1, 3, 5),
    ax: Axes | None = None,
    *,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Axes:
    """The data, and what a model of one feature predicted after some rounds of its training; a round is an epoch.

    `history` is what `fit(model, X, y, record_parameters=True)` returned. The model is left as it is.

    >>> from tinygrad_edu import nn, train
    >>> model, X, y = nn.Linear(1, init="zeros"), [[0.0], [1.0]], [1.0, 3.0]
    >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
    >>> ax = plot_rounds(model, X, y, history, rounds=[0, 5])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['data', 'round 0', 'round 5']

    Raises `ValueError` for samples of several features, and for a round that is not in the history.
    """
    x = one_feature(X)
    fits = {}
    for k in rounds:
        with parameters_at(model, history, k):
            fits[f"round {k}"] = [model(sample) for sample in X]
    return plot_fit(x, y, fits, ax, xlabel=xlabel, ylabel=ylabel)


def one_feature(X: Sequence[Any]) -> list[Any]:
    """The numbers of samples that are one number each, by itself or in a sequence; else `ValueError`."""
    rows = [[*row] if hasattr(row, "__len__") and len(row) else [row] for row in X]
    for row in rows:
        if len(row) != 1:
            raise ValueError(f"this picture shows models of one feature, and a sample has {len(row)}")
    return [row[0] for row in rows]


def plot_residuals(
    y: Sequence[Any], predictions: Sequence[Any], ax: Axes | None = None, *, quantity: str = "y", unit: str = ""
) -> Axes:
    """What is left to explain, measured − predicted, against what was predicted; a perfect model is on the line at 0.

    >>> ax = plot_residuals([1.0, 2.0], [1.5, 1.5], quantity="income", unit="francs")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('income, predicted (francs)', 'income, measured − predicted (francs)')
    >>> ax.collections[0].get_offsets().tolist()
    [[1.5, -0.5], [1.5, 0.5]]

    Numbers may be Values. Raises `ValueError` where the lengths differ or are 0, `TypeError` for what is no number.
    """
    measured, predicted = equal_columns(y=y, predictions=predictions)
    residuals = [a - b for a, b in zip(measured, predicted)]
    ax = dressed(
        ax, quantity_label(quantity, ", predicted", unit), quantity_label(quantity, ", measured − predicted", unit)
    )
    scattered(ax, predicted, residuals)
    ax.vlines(predicted, 0.0, residuals, color=COLOURS[0], alpha=0.3, linewidth=0.8)
    ax.axhline(0.0, color=ink_on(ax), linewidth=1.2, linestyle="--")
    return ax


def plot_predictions(
    y: Sequence[Any], predictions: Sequence[Any], ax: Axes | None = None, *, quantity: str = "y", unit: str = ""
) -> Axes:
    """Predicted against measured, for n samples of any number of features; a perfect model is on the diagonal.

    >>> ax = plot_predictions([1.0, 2.0], [1.1, 1.9], quantity="income")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('income, measured', 'income, predicted')

    Numbers may be Values. Raises `ValueError` where the lengths differ or are 0, `TypeError` for what is no number.
    """
    measured, predicted = equal_columns(y=y, predictions=predictions)
    ax = dressed(
        ax, quantity_label(quantity, ", measured", unit), quantity_label(quantity, ", predicted", unit), size=(4.5, 4.5)
    )
    diagonal = ax.axline((measured[0], measured[0]), slope=1, color=ink_on(ax), linewidth=1.2, linestyle="--")
    points = scattered(ax, measured, predicted)
    ax.set_aspect("equal", adjustable="datalim")
    ax.locator_params(nbins=5)  # numbers of six digits side by side would overlap
    add_legend(ax, [points, diagonal], ["data", "perfect prediction"])
    return ax


def plot_confusion(
    actual: Sequence[int], predicted: Sequence[int], names: Sequence[str], ax: Axes | None = None
) -> Axes:
    """How many samples of each class (rows) were taken for each class (columns); the diagonal is what went right.

    Classes are numbers 0, 1, …, the places of their names. A cell is the darker, the larger its share of its row.

    >>> ax = plot_confusion([0, 0, 1], [0, 1, 1], ["cat", "dog"])
    >>> [text.get_text() for text in ax.texts]
    ['1', '1', '0', '1']

    Raises `ValueError` where the lengths differ or are 0, and for a number that is not the place of a name.
    """
    check_lengths(actual=actual, predicted=predicted)
    counts = [[0] * len(names) for _ in names]
    for row, column in zip(actual, predicted):
        for k in (row, column):
            if k not in range(len(names)):
                raise ValueError(f"a class is a number from 0 to {len(names) - 1}, the place of its name, not {k!r}")
        counts[int(row)][int(column)] += 1
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    ax = dressed(ax, "predicted class", "actual class", size=(1.8 + 0.7 * len(names), 1.4 + 0.7 * len(names)))
    edges, places = [k - 0.5 for k in range(len(names) + 1)], range(len(names))
    ax.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0.0, vmax=1.2, edgecolors="white", linewidth=2)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    for i in places:
        for j in places:
            ink = "white" if shares[i][j] > 0.75 else INK
            ax.text(j, i, str(counts[i][j]), ha="center", va="center", color=ink, fontsize="large")
    labels = [clean(name) for name in names]
    ax.set_xticks(places, labels, parse_math=False)
    ax.set_yticks(places, labels, parse_math=False)
    if max(map(len, labels)) > 8:
        for text in ax.get_xticklabels():
            text.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    return ax


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
    """What a classifier says of every point of a plane, and n samples of two features with their classes.

    `model` takes a list of two numbers. One number as its output is a score: above the `threshold` (0 for scores, 0.5
    for probabilities) it means the larger of the two labels in y. With several outputs the largest one wins, and the
    labels are the places 0, 1, … of the outputs. `names` are those of the classes, in the order of their labels. The
    model is evaluated at `resolution`² points.

    >>> ax = plot_boundary(lambda x: x[0] - x[1], [[0.0, 1.0], [1.0, 0.0]], [-1, 1], resolution=5)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['-1', '1']

    Raises `ValueError` for samples that do not have two features, for labels that do not fit the outputs, for another
    number of names, and for a resolution below 2; and what the model raises.
    """
    a, b, labels = *_two_features(X), [*y]
    check_lengths(X=a, y=labels)
    require_resolution(resolution)
    threshold = to_float(threshold, "threshold")
    horizontal, vertical = np.meshgrid(*[np.linspace(*padded_range(column, 0.1), resolution) for column in (a, b)])
    margins = _margins(on_arrays(lambda p, q: model([p, q]))(horizontal, vertical), threshold)
    classes = _classes(labels, margins)
    shown = [str(label) for label in classes] if names is None else [*names]
    if len(shown) != len(classes):
        raise ValueError(f"there are {len(classes)} classes, and {len(shown)} names: {', '.join(shown)}")
    ax = dressed(ax, clean(xlabel), clean(ylabel), size=(5.6, 4.6))
    for k, margin in enumerate(margins):
        if (top := np.nanmax(margin)) > 0:
            ax.contourf(horizontal, vertical, margin, levels=[0.0, top], colors=[COLOURS[k % 7]], alpha=0.22)
        if np.nanmin(margin) < 0 < top and k:
            ax.contour(horizontal, vertical, margin, levels=[0.0], colors=[ink_on(ax)], linewidths=1.4)
    samples = []
    for k, label in enumerate(classes):
        places = [i for i, other in enumerate(labels) if other == label]
        look: Look = {"color": COLOURS[k % 7], "marker": MARKERS[k % 7], "edgecolors": "white", "linewidths": 0.6}
        samples.append(ax.scatter([a[i] for i in places], [b[i] for i in places], s=34, **look, zorder=3))
    ax.grid(visible=False)
    ax.margins(0)
    add_legend(ax, samples, shown)
    return ax


def _two_features(X: Sequence[Any]) -> list[list[float]]:
    for i, row in enumerate(X):
        if not hasattr(row, "__len__") or len(row) != 2:
            raise ValueError(f"a decision boundary is drawn over two features, and sample {i} is {row!r}")
    return [floats([row[0] for row in X]), floats([row[1] for row in X])]


def _margins(scores: Array, threshold: float) -> Array:
    """For each class how far it is ahead of the best of the others; it is chosen where that is above 0."""
    if scores.ndim == 2:
        scores = np.array([threshold - scores, scores - threshold])
        return scores
    if len(scores) == 1:
        return _margins(scores[0], threshold)
    return np.array([score - np.delete(scores, k, axis=0).max(axis=0) for k, score in enumerate(scores)])


def _classes(labels: Sequence[Any], margins: Array) -> list[Any]:
    """The labels of the classes, in the order of the margins."""
    n, known = len(margins), sorted(set(labels))
    if n == 2 and len(known) == 2:
        return known
    if not set(known) <= set(range(n)):
        raise ValueError(f"a model of {max(n, 1)} classes needs labels from 0 to {n - 1}, or two, not {known[:7]}")
    return [*range(n)]
