"""Animations of training, one function for each.

`animate_line`, `animate_fit`, `animate_boundary`: a model while it learns. `animate_descent`: the path of a descent on
the surface of the loss. `animate_graph` (in `flow.py`): values that flow forward through a graph, and gradients that
flow back. Each returns an `Animation` (in `_player.py`), which a notebook shows; `save("x.gif")`, `save("x.png")` or
`save("x.html")` writes it. How a single picture looks is left to `plots.py`.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tinygrad_edu import losses, nn, optim
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary
from tinygrad_edu.train import DivergenceError, History, fit

from ._grids import graph_as_function, vectorize
from ._player import Animation, make_animation
from ._style import describe_r2, set_title, to_floats
from .flow import animate_graph
from .plots import (
    COLOURS,
    parameters_at,
    plot_boundary,
    plot_fit,
    plot_loss,
    plot_surface,
    read_parameters,
    require_one_feature,
)

__all__ = ["Animation", "animate_boundary", "animate_descent", "animate_fit", "animate_graph", "animate_line"]

_DPI = 100
_MAX_FRAMES = 2000


@api_boundary
def animate_line(
    x: Sequence[Any],
    y: Sequence[Any],
    *,
    lr: float = 0.005,
    tol: float = 0.01,
    frames_per_update: float = 0.05,
    start: tuple[float, float] = (0.5, 0.5),
    max_updates: int = 10_000,
    xlabel: str = "x",
    ylabel: str = "y",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """Animates linear regression: the line ŷ = w·x + b moves through n samples of one feature while it learns.

    The loss is L = Σ ½(ŷ − y)². An update is θ ← θ − η/n · ∂L/∂θ for θ = w, b, with the learning rate η = `lr`.

    Args:
        x: The feature of each sample; n numbers.
        y: The target of each sample; n numbers.
        lr: The learning rate η.
        tol: The descent ends when an update improves the loss by no more than this number.
        frames_per_update: The number of frames for each update: 0.05 is one frame for every 20 updates; with more than
            1 the line also moves between two updates.
        start: w and b at the beginning.
        max_updates: The largest number of updates.
        xlabel: The name of the feature.
        ylabel: The name of the target.
        seconds: How long each frame is shown.
        progress: Whether a bar shows how many frames are done; None shows it in a terminal and in a notebook.

    Returns:
        The animation.

    Raises:
        ValueError: The lengths differ or are 0, `frames_per_update` is not above 0, or there are more than 2000 frames.
        DivergenceError: The learning rate is too large: the loss grows.

    Example:
        >>> animate_line([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.5, frames_per_update=1, max_updates=1)
        Animation of 2 frames, 900 × 400 pixels, 0.16 s
    """
    samples = [[number] for number in require_one_feature(x)]
    model = nn.Linear(1, init="zeros")
    (w,), b = model.neurons[0].w, model.neurons[0].b
    w.data, b.data = map(to_float, start)
    if not frames_per_update > 0:
        raise ValueError(f"frames_per_update is a number above 0, not {frames_per_update}")
    history = fit(
        model,
        samples,
        y,
        loss=losses.half_sse,
        optimizer=optim.SGD(model.parameters(), lr=lr / max(len(samples), 1)),  # η/n: the gradient is that of a sum
        tol=tol,
        epochs=max_updates,
        record_parameters=True,
        compile=True,
        progress=False,
    )
    first, last = history.loss[0], history.loss[-1]
    if last > 1.01 * first:  # `fit` has stopped because the loss has not improved; 1 % may be rounding
        raise DivergenceError(f"the loss grows from {first:.6g} to {last:.6g}: lower the learning rate {lr:g}", history)
    frames = 1 + round(history.updates * frames_per_update)

    def words() -> str:
        return f"{ylabel} = {w.data:.3f}·{xlabel} {'−' if b.data < 0 else '+'} {abs(b.data):.3f}"

    moments = _spread_frames(history.updates + 1, frames)
    return _animate_curve(model, samples, y, history, moments, xlabel, ylabel, seconds, progress, "update", words)


@api_boundary
def animate_fit(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: History,
    *,
    frames: int = 60,
    xlabel: str = "x",
    ylabel: str = "y",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """Animates the curve of a model of one feature while it learns, beside its loss.

    The frames are evenly spaced over the epochs; between two epochs the parameters move on a straight line. The
    parameters of the model stay as they are.

    Args:
        model: A model of one feature.
        X: The n samples: numbers, or lists of one number.
        y: The n targets.
        history: What `fit(model, X, y, record_parameters=True)` returned.
        frames: The number of frames, from 1 to 2000.
        xlabel: The name of the feature.
        ylabel: The name of the target.
        seconds: How long each frame is shown.
        progress: Whether a bar shows how many frames are done; None shows it in a terminal and in a notebook.

    Returns:
        The animation.

    Raises:
        ValueError: A sample has several features; the history has no parameters or is that of another model; or the
            number of frames is not allowed.

    Example:
        >>> from tinygrad_edu import nn, train
        >>> model, X, y = nn.Linear(1, init="zeros"), [[0.0], [1.0]], [1.0, 3.0]
        >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
        >>> animate_fit(model, X, y, history, frames=2)
        Animation of 2 frames, 900 × 400 pixels, 0.16 s
    """
    moments = _spread_frames(_count_epochs(history) + 1, frames)
    return _animate_curve(model, X, y, history, moments, xlabel, ylabel, seconds, progress, "epoch", lambda: "")


def _animate_curve(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: History,
    moments: Sequence[float],
    xlabel: str,
    ylabel: str,
    seconds: float,
    progress: bool | None,
    unit: str,
    words: Callable[[], str],
) -> Animation:
    """Animates the curve of a model at these epochs, or updates; `words` are the title of a frame."""
    x = require_one_feature(X)
    nested = hasattr(X[0], "__len__")
    predict = vectorize(lambda number: model([number] if nested else number))
    features, targets = to_floats(x), to_floats(y)
    xs = np.linspace(min(features), max(features), 200)
    left, right = _make_panels()
    plot_fit(x, y, y, left, xlabel=xlabel, ylabel=ylabel)
    what = f"{left.get_ylabel()} by {left.get_xlabel()}"
    (line,) = left.lines
    left.set(xlim=left.get_xlim(), ylim=left.get_ylim())  # the limits stay those of the data
    move_dot = _plot_loss_with_dot(history, right, unit)

    def update(epoch: float) -> str:
        with parameters_at(model, history, epoch):
            line.set_data(xs, predict(xs))
            title = words()
            score = describe_r2(targets, predict(np.array(features)).tolist())
        set_title(left, title or what, score)
        return ", ".join(filter(None, [move_dot(epoch), title]))

    return _render_frames(left, update, moments, seconds, progress, "a fit while it is learned")


@api_boundary
def animate_boundary(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: History,
    *,
    frames: int = 60,
    threshold: float = 0.0,
    names: Sequence[str] | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """Animates the decision boundary of a classifier of two features while it learns, beside its loss.

    Each frame is a plot of `plots.plot_boundary`. The parameters of the model stay as they are.

    Args:
        model: A model of two features.
        X: The n samples, each of two numbers.
        y: The n labels of the samples.
        history: What `fit(model, X, y, record_parameters=True)` returned.
        frames: The number of frames, from 1 to 2000, evenly spaced over the epochs.
        threshold: The score at the boundary: 0 for scores, 0.5 for probabilities.
        names: The names of the classes, in the order of their labels; None takes the labels.
        xlabel: The name of the first feature.
        ylabel: The name of the second feature.
        seconds: How long each frame is shown.
        progress: Whether a bar shows how many frames are done; None shows it in a terminal and in a notebook.

    Returns:
        The animation.

    Raises:
        ValueError: A sample does not have two features; labels or names do not fit; the history has no parameters or
            is that of another model; or the number of frames is not allowed.

    Example:
        >>> from tinygrad_edu import nn, train
        >>> model, X, y = nn.MLP(2, [2, 1]), [[0.0, 1.0], [1.0, 0.0]], [-1, 1]
        >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
        >>> animate_boundary(model, X, y, history, frames=2)
        Animation of 2 frames, 900 × 400 pixels, 0.16 s
    """
    left, right = _make_panels()
    move_dot = _plot_loss_with_dot(history, right, "epoch")

    def update(epoch: float) -> str:
        left.clear()
        with parameters_at(model, history, epoch):
            plot_boundary(model, X, y, left, threshold=threshold, names=names, xlabel=xlabel, ylabel=ylabel)
        return move_dot(epoch)

    moments = _spread_frames(_count_epochs(history) + 1, frames)
    return _render_frames(left, update, moments, seconds, progress, "a decision boundary while it is learned")


@api_boundary
def animate_descent(
    loss: Value,
    x: Value,
    y: Value,
    path: tuple[Sequence[Any], Sequence[Any]],
    *,
    kind: Literal["contour", "3d"] = "contour",
    frames: int = 60,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    zlabel: str = "loss",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """Animates a descent on the surface of the loss L(x, y) over two parameters.

    Each frame is a plot of `plots.plot_surface`, with the path until a step.

    Args:
        loss: A Value, the root of the graph.
        x: A node of the graph, the parameter on the horizontal axis.
        y: Another node of the graph.
        path: The numbers of x and those of y, as in `history.parameters`; one of each for every step.
        kind: "contour" draws lines of equal loss; "3d" a surface in space.
        frames: The number of frames, from 1 to 2000, evenly spaced over the steps.
        xlim: The lowest and the highest x. None takes those of the path, and a margin.
        ylim: The lowest and the highest y, as for x.
        xlabel: The name of x; by default the label of the Value.
        ylabel: The name of y; by default the label of the Value.
        zlabel: The name of the loss.
        seconds: How long each frame is shown.
        progress: Whether a bar shows how many frames are done; None shows it in a terminal and in a notebook.

    Returns:
        The animation.

    Raises:
        TypeError: `loss`, `x` or `y` is not a Value.
        ValueError: The loss does not depend on x and y, or these are one Value; the path has different lengths or no
            point; the loss is finite nowhere; or the kind or the number of frames is not allowed.

    Example:
        >>> w = Value(0.5, label="w")
        >>> b = Value(0.5, label="b")
        >>> animate_descent((w * 2.0 + b - 3.0) ** 2, w, b, ([0.5, 1.1], [0.5, 0.8]), frames=2)
        Animation of 2 frames, 640 × 480 pixels, 0.16 s
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    ax = figure.add_subplot(projection=None if kind == "contour" else "3d")
    options: dict[str, Any] = {"xlim": xlim, "ylim": ylim, "xlabel": xlabel, "ylabel": ylabel, "zlabel": zlabel}
    plot_surface(loss, x, y, ax, kind=kind, path=path, **options)
    track, _, end = ax.lines
    points: Any = track.get_data_3d() if kind == "3d" else track.get_data()  # type: ignore[attr-defined]
    f = vectorize(graph_as_function(loss, x, y))
    names = [ax.get_xlabel(), ax.get_ylabel()]

    def update(k: float) -> str:
        here = [float(np.interp(k, range(len(row)), row)) for row in points]
        so_far = [[*row[: int(k) + 1], number] for row, number in zip(points, here)]
        for line, data in (track, so_far), (end, [[number] for number in here]):
            line.set_data_3d(*data) if kind == "3d" else line.set_data(*data)  # type: ignore[attr-defined]
        numbers = ", ".join(f"{name} = {number:.4g}" for name, number in zip(names, here))
        words = f"step {int(k)}: {numbers}, {zlabel} {float(f(*here[:2])):.4g}"
        set_title(ax, words)
        return words

    return _render_frames(ax, update, _spread_frames(len(points[0]), frames), seconds, progress, "a descent")


# ---- rendering -------------------------------------------------------------------------------------------------------
def _make_panels() -> tuple[Axes, Axes]:
    """Makes a figure with a wide panel for a plot and a narrow panel for the loss."""
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    return left, right


def _plot_loss_with_dot(history: History, ax: Axes, unit: str) -> Callable[[float], str]:
    """Plots the loss; the function that is returned moves a dot on it and says in words where the dot is."""
    everything = [*history.loss, *history.validation]
    decades = bool(everything) and max(everything) > 20 * min(everything) > 0
    plot_loss(history, ax, scale="log" if decades else "linear")
    ax.set_xlabel(unit)
    (dot,) = ax.plot([], [], "o", markersize=8, color=COLOURS[0], zorder=4)

    n = len(history.loss)

    def move(epoch: float) -> str:
        loss = float(np.interp(epoch, range(n), history.loss))
        dot.set_data([min(epoch, n - 1)], [loss])
        words = f"{unit} {int(epoch)}, loss {loss:.4g}"
        if epoch >= n:  # parameters are known after the last step, the loss before it
            words = f"after {n} {unit}{'s' * (n != 1)}, last loss {loss:.4g}"
        set_title(ax, words)
        return words

    return move


def _count_epochs(history: History) -> int:
    """Counts the epochs; the paths of the parameters have one number more, that after the last epoch."""
    return min(map(len, read_parameters(history).values())) - 1


def _spread_frames(steps: int, frames: int) -> list[float]:
    """Spreads frames evenly from the first step to the last one."""
    if not isinstance(frames, int) or not 1 <= frames <= _MAX_FRAMES:
        raise ValueError(f"the number of frames is an int from 1 to {_MAX_FRAMES}, not {frames!r}")
    return np.linspace(0.0, steps - 1.0, frames).tolist() if frames > 1 else [steps - 1.0]


def _render_frames(
    ax: Axes,
    update: Callable[[float], str],
    moments: Sequence[float],
    seconds: float,
    progress: bool | None,
    title: str,
) -> Animation:
    """Renders a frame for each moment: `update` changes the figure of these axes and says what the figure shows."""
    figure: Any = ax.figure
    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(figure)

    def picture() -> Image.Image:
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # a copy of what the canvas has now

    update(moments[-1])
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")  # the layout of the last frame is that of all frames
    last = update(moments[-1]), picture()
    pictures = chain(((words, picture()) for words in map(update, moments[:-1])), [last])
    return make_animation(pictures, len(moments), colours_of=last[1], seconds=seconds, progress=progress, title=title)
