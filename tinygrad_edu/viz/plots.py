"""Plots of training: the loss, the fitted curve, predictions against measurements, the confusion matrix.

Every function draws into the Axes it is given, or into new ones, and returns them, so that titles, limits and whatever
else is wanted can be added with Matplotlib itself. Pictures of graphs are left to `graph.py`.
"""

import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import to_float
from tinygrad_edu.storage import write
from tinygrad_edu.viz.render import legal

# Source: Okabe and Ito, "Color Universal Design", 2008: colour-blind readers can tell these apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK = "#333333"


class Losses(Protocol):
    """What `plot_loss` reads of a History: the loss of each epoch, and that on validation data, which may be empty."""

    @property
    def loss(self) -> Sequence[float]: ...
    @property
    def validation(self) -> Sequence[float]: ...


def plot_loss(
    runs: Losses | Mapping[Any, Losses], ax: Axes | None = None, *, scale: Literal["linear", "log", "log2"] = "linear"
) -> Axes:
    """The loss of each epoch, the first being epoch 0: of one history, or of several by name; validation is dashed.

    >>> from types import SimpleNamespace
    >>> ax = plot_loss(SimpleNamespace(loss=[4.0, 2.0, 1.0], validation=[]), scale="log2")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss')

    Raises `ValueError` for another scale, for runs without a loss, and on a log scale for losses none of which is > 0.
    """
    histories = {str(name): run for name, run in runs.items()} if isinstance(runs, Mapping) else {"": runs}
    everything = [loss for history in histories.values() for loss in [*history.loss, *history.validation]]
    if scale not in ("linear", "log", "log2"):
        raise ValueError(f"scale is 'linear', 'log' or 'log2', not {scale!r}")
    if not everything:
        raise ValueError("there is no loss to plot: no epoch has been run")
    if scale != "linear" and not max(everything) > 0:
        raise ValueError(f'no loss is above 0, which a {scale} scale needs: use scale="linear"')
    ax = _dressed(ax, "epoch", "loss")
    lines, names = [], []
    for i, (name, history) in enumerate(histories.items()):
        for losses, style, kind in (history.loss, "-", "training"), (history.validation, "--", "validation"):
            if len(losses):
                marker = "o" if len(losses) == 1 else ""  # a line of one point would not be seen
                colour = COLOURS[i % len(COLOURS)]
                lines += ax.plot(range(len(losses)), losses, style, color=colour, linewidth=1.8, marker=marker)
                names.append(f"{name}, {kind}" if name and len(history.validation) else name or kind)
    if len(lines) > 1:
        _legend(ax, lines, names)
    if scale != "linear":
        ax.set_yscale("log", base=10 if scale == "log" else 2)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    return ax


def plot_fit(
    x: Sequence[Any],
    y: Sequence[Any],
    predictions: Sequence[Any],
    ax: Axes | None = None,
    *,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Axes:
    """One feature against the target: the n samples as points, the n predictions as a line through them in order of x.

    >>> ax = plot_fit([2.0, 1.0], [3.9, 2.1], [4.0, 2.0], xlabel="hours", ylabel="points")
    >>> ax.lines[-1].get_xdata().tolist()
    [1.0, 2.0]

    Numbers may be Values. Raises `ValueError` where the lengths differ or are 0, `TypeError` for what is no number.
    """
    xs, ys, fitted = _columns(x=x, y=y, predictions=predictions)
    ax = _dressed(ax, xlabel, ylabel)
    points = ax.scatter(xs, ys, s=22, color=COLOURS[0], alpha=0.65, linewidths=0)
    (line,) = ax.plot(*zip(*sorted(zip(xs, fitted))), color=COLOURS[1], linewidth=2.2)
    _legend(ax, [points, line], ["data", "prediction"])
    return ax


def plot_predictions(
    y: Sequence[Any], predictions: Sequence[Any], ax: Axes | None = None, *, quantity: str = "y"
) -> Axes:
    """Predicted against measured, for n samples of any number of features; a perfect model is on the diagonal.

    >>> ax = plot_predictions([1.0, 2.0], [1.1, 1.9], quantity="income")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('income, measured', 'income, predicted')

    Numbers may be Values. Raises `ValueError` where the lengths differ or are 0, `TypeError` for what is no number.
    """
    measured, predicted = _columns(y=y, predictions=predictions)
    ax = _dressed(ax, f"{quantity}, measured", f"{quantity}, predicted", size=(4.5, 4.5))
    diagonal = ax.axline((measured[0], measured[0]), slope=1, color=_INK, linewidth=1.2, linestyle="--")
    points = ax.scatter(measured, predicted, s=22, color=COLOURS[0], alpha=0.65, linewidths=0)
    ax.set_aspect("equal", adjustable="datalim")
    ax.locator_params(nbins=5)  # numbers of six digits side by side would overlap
    _legend(ax, [points, diagonal], ["data", "perfect prediction"])
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
    _check_lengths(actual=actual, predicted=predicted)
    counts = [[0] * len(names) for _ in names]
    for row, column in zip(actual, predicted):
        for k in (row, column):
            if k not in range(len(names)):
                raise ValueError(f"a class is a number from 0 to {len(names) - 1}, the place of its name, not {k!r}")
        counts[int(row)][int(column)] += 1
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    ax = _dressed(ax, "predicted class", "actual class", size=(1.8 + 0.7 * len(names), 1.4 + 0.7 * len(names)))
    edges, places = [k - 0.5 for k in range(len(names) + 1)], range(len(names))
    ax.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0.0, vmax=1.2, edgecolors="white", linewidth=2)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    for i in places:
        for j in places:
            ink = "white" if shares[i][j] > 0.75 else _INK
            ax.text(j, i, str(counts[i][j]), ha="center", va="center", color=ink, fontsize="large")
    labels = [_shown(name) for name in names]
    ax.set_xticks(places, labels, parse_math=False)
    ax.set_yticks(places, labels, parse_math=False)
    if max(map(len, labels)) > 8:
        for text in ax.get_xticklabels():
            text.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    return ax


def save(ax: Axes, path: str | os.PathLike[str]) -> None:
    """Writes the figure of these Axes as .svg or .png; the file is written whole or not at all.

    Raises `ValueError` for any other suffix, `OSError` where it cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ValueError(f"cannot save a plot as {os.fspath(path)!r}: its suffix must be .svg or .png")
    file = io.BytesIO()
    # text that stays text can be searched and read aloud; the same plot is the same file, whenever it is written
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tinygrad_edu"}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name may be in any script
        metadata = {"Date": None} if suffix == ".svg" else None
        ax.figure.canvas.print_figure(file, format=suffix[1:], dpi=150, metadata=metadata)
    write(path, file.getvalue())


def _dressed(ax: Axes | None, xlabel: str, ylabel: str, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """Labelled axes with a light grid and no box.

    New ones are a figure of pyplot where one looks at figures through pyplot: in a notebook, which then shows it, and
    in a program that has imported it. Elsewhere nobody would close it; a plain figure is freed when it is dropped.
    """
    if ax is None:
        if {"matplotlib.pyplot", "IPython"} & sys.modules.keys():
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=size, layout="constrained")
        else:
            figure = Figure(figsize=size, layout="constrained")
        ax = figure.add_subplot()
    ax.set_xlabel(_shown(xlabel), parse_math=False)
    ax.set_ylabel(_shown(ylabel), parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#999999")
    ax.tick_params(color="#999999", labelcolor=_INK)
    ax.grid(color="#E6E6E6", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def _legend(ax: Axes, artists: Sequence[Any], names: Sequence[str]) -> None:
    texts = ax.legend(artists, [" "] * len(names), frameon=False).get_texts()
    for text, name in zip(texts, names):  # afterwards, as a legend makes a formula of $…$ and leaves out _names
        text.set(text=_shown(name), parse_math=False)


def _shown(name: str) -> str:
    """A name on one line and of bounded length, without what SVG forbids; Matplotlib escapes the rest."""
    line = " ".join(legal(name).split())
    return line if len(line) <= 28 else line[:27] + "…"


def _columns(**columns: Sequence[Any]) -> list[list[float]]:
    _check_lengths(**columns)
    return [[v.data if isinstance(v, Value) else to_float(v) for v in column] for column in columns.values()]


def _check_lengths(**columns: Sequence[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shown = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        raise ValueError(f"a plot needs as many of each, and at least one: there are {shown}")
