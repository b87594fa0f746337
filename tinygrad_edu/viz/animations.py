"""Pictures that move, each by one function: a line that turns into place, a descent, a boundary, a graph at work.

`animate_line`, `animate_fit`, `animate_boundary`: a model while it learns. `animate_descent`: the way down on the loss
surface. `animate_graph` (`flow.py`): values that flow forward through a graph, and gradients that flow back. Each
returns an `Animation` (`_player.py`), which a notebook shows and `save("x.gif")` or `save("x.html")` writes. What a
single picture looks like is left to `plots.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tinygrad_edu import losses, nn, optim
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.train import DivergenceError, fit

from ._grids import as_function, on_arrays
from ._player import Animation, rendered
from .flow import animate_graph
from .plots import (
    COLOURS,
    Losses,
    Recorded,
    one_feature,
    parameters_at,
    plot_boundary,
    plot_fit,
    plot_loss,
    plot_surface,
    recorded_parameters,
)

__all__ = ["Animation", "animate_boundary", "animate_descent", "animate_fit", "animate_graph", "animate_line"]

_DPI = 100
_MAX_FRAMES = 2000


class Run(Losses, Recorded, Protocol):
    """What is read of a History: the losses, and the path of every parameter."""


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
    """The line y = w·x + b turning into place: linear regression on n samples of one feature, from w, b = `start`.

    The loss is Σ ½(ŷ − y)², an update θ ← θ − η · (the mean gradient) with the learning rate `lr` as η; the descent
    ends when the loss has improved by no more than `tol`. `frames_per_update` may be below 1: 0.05 is a frame for every
    20 updates; above 1 the line moves in between. `progress` shows a bar; by default only in a terminal and a notebook.

    >>> animate_line([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.5, frames_per_update=1, max_updates=3)
    Animation of 4 frames, 900 × 400 pixels, 0.32 s

    Raises `ValueError` for data of different lengths or none, and for more than 2000 frames; `DivergenceError` for a
    learning rate that is too large.
    """
    samples = [[number] for number in one_feature(x)]
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
        optimizer=optim.SGD(model.parameters(), lr=lr / max(len(samples), 1)),  # the sum's gradient becomes the mean
        tol=tol,
        epochs=max_updates,
        record_parameters=True,
        compile=True,
        progress=False,
    )
    first, last = history.loss[0], history.loss[-1]
    if last > 1.01 * first:  # for `fit` that is no improvement, and a reason to stop; less may be rounding
        raise DivergenceError(f"the loss grows from {first:.6g} to {last:.6g}: lower the learning rate {lr:g}", history)
    frames = 1 + round(history.updates * frames_per_update)

    def words() -> str:
        return f"{ylabel} = {w.data:.3f}·{xlabel} {'−' if b.data < 0 else '+'} {abs(b.data):.3f}"

    moments = _moments(history.updates + 1, frames)
    return _fitting(model, samples, y, history, moments, xlabel, ylabel, seconds, progress, "update", words)


def animate_fit(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: Run,
    *,
    frames: int = 60,
    xlabel: str = "x",
    ylabel: str = "y",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """The curve of a model of one feature while it learns, beside its loss.

    `history` is what `fit(model, X, y, record_parameters=True)` returned; the `frames` are spread evenly over its
    epochs, and between two epochs the parameters move along a straight line. The model is left as it is. `progress`
    shows a bar; by default only in a terminal and in a notebook.

    >>> from tinygrad_edu import nn, train
    >>> model, X, y = nn.Linear(1, init="zeros"), [[0.0], [1.0]], [1.0, 3.0]
    >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
    >>> animate_fit(model, X, y, history, frames=2)
    Animation of 2 frames, 900 × 400 pixels, 0.16 s

    Raises `ValueError` for samples of several features, a history without parameters or of another model, and for a
    number of frames that is not from 1 to 2000.
    """
    moments = _moments(_epochs(history) + 1, frames)
    return _fitting(model, X, y, history, moments, xlabel, ylabel, seconds, progress, "epoch", lambda: "")


def _fitting(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: Run,
    moments: Sequence[float],
    xlabel: str,
    ylabel: str,
    seconds: float,
    progress: bool | None,
    unit: str,
    words: Callable[[], str],
) -> Animation:
    x = one_feature(X)
    nested = hasattr(X[0], "__len__")
    predict = on_arrays(lambda number: model([number] if nested else number))
    xs = np.linspace(min(x), max(x), 200)
    left, right = _two_panels()
    plot_fit(x, y, y, left, xlabel=xlabel, ylabel=ylabel)
    (line,) = left.lines
    left.set(xlim=left.get_xlim(), ylim=left.get_ylim())  # they stay with the data: the line comes into sight
    dot = _loss_with_dot(history, right, unit)

    def update(epoch: float) -> str:
        with parameters_at(model, history, epoch):
            line.set_data(xs, predict(xs))
            said = [dot(epoch), words()]
        left.set_title(said[1], parse_math=False, fontsize="medium")
        return ", ".join(filter(None, said))

    return _rendered(left, update, moments, seconds, progress, "a fit while it is learned")


def animate_boundary(
    model: nn.Module,
    X: Sequence[Any],
    y: Sequence[Any],
    history: Run,
    *,
    frames: int = 60,
    threshold: float = 0.0,
    names: Sequence[str] | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    seconds: float = 0.08,
    progress: bool | None = None,
) -> Animation:
    """The decision boundary of a classifier while it learns, beside its loss.

    What `threshold`, `names` and the labels mean stands at `plots.plot_boundary`, what `history`, `frames` and
    `progress` are at `animate_fit`.

    >>> from tinygrad_edu import nn, train
    >>> model, X, y = nn.MLP(2, [2, 1]), [[0.0, 1.0], [1.0, 0.0]], [-1, 1]
    >>> history = train.fit(model, X, y, epochs=5, record_parameters=True)
    >>> animate_boundary(model, X, y, history, frames=2)
    Animation of 2 frames, 900 × 400 pixels, 0.16 s

    Raises `ValueError` as those two do.
    """
    left, right = _two_panels()
    dot = _loss_with_dot(history, right, "epoch")

    def update(epoch: float) -> str:
        left.clear()
        with parameters_at(model, history, epoch):
            plot_boundary(model, X, y, left, threshold=threshold, names=names, xlabel=xlabel, ylabel=ylabel)
        return dot(epoch)

    moments = _moments(_epochs(history) + 1, frames)
    return _rendered(left, update, moments, seconds, progress, "a decision boundary while it is learned")


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
    """A descent on the surface of the loss over two parameters, as the `path` says: the numbers of x, and those of y.

    What is drawn stands at `plots.plot_surface`, what `frames` and `progress` are at `animate_fit`.

    >>> w = Value(0.5, label="w")
    >>> b = Value(0.5, label="b")
    >>> animate_descent((w * 2.0 + b - 3.0) ** 2, w, b, ([0.5, 1.1], [0.5, 0.8]), frames=3)
    Animation of 3 frames, 640 × 480 pixels, 0.24 s

    Raises `TypeError` and `ValueError` as `plot_surface` does, and `ValueError` for a path without a point.
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    ax = figure.add_subplot(projection=None if kind == "contour" else "3d")
    options: dict[str, Any] = {"xlim": xlim, "ylim": ylim, "xlabel": xlabel, "ylabel": ylabel, "zlabel": zlabel}
    plot_surface(loss, x, y, ax, kind=kind, path=path, **options)
    track, _, end = ax.lines
    points: Any = track.get_data_3d() if kind == "3d" else track.get_data()  # type: ignore[attr-defined]
    f = on_arrays(as_function(loss, x, y))
    names = [ax.get_xlabel(), ax.get_ylabel()]

    def update(k: float) -> str:
        here = [float(np.interp(k, range(len(row)), row)) for row in points]
        so_far = [[*row[: int(k) + 1], number] for row, number in zip(points, here)]
        for line, data in (track, so_far), (end, [[number] for number in here]):
            line.set_data_3d(*data) if kind == "3d" else line.set_data(*data)  # type: ignore[attr-defined]
        numbers = ", ".join(f"{name} = {number:.4g}" for name, number in zip(names, here))
        words = f"step {int(k)}: {numbers}, {zlabel} {float(f(*here[:2])):.4g}"
        ax.set_title(words, parse_math=False, fontsize="medium")
        return words

    return _rendered(ax, update, _moments(len(points[0]), frames), seconds, progress, "a descent")


# ---- rendering -------------------------------------------------------------------------------------------------------
def _two_panels() -> tuple[Axes, Axes]:
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    return left, right


def _loss_with_dot(history: Run, ax: Axes, unit: str) -> Callable[[float], str]:
    """Draws the loss; what is returned puts a dot on it and says where that is."""
    everything = [*history.loss, *history.validation]
    decades = bool(everything) and max(everything) > 20 * min(everything) > 0
    plot_loss(history, ax, scale="log" if decades else "linear")
    ax.set_xlabel(unit)
    (dot,) = ax.plot([], [], "o", markersize=8, color=COLOURS[1], zorder=4)

    def move(epoch: float) -> str:
        loss = float(np.interp(epoch, range(len(history.loss)), history.loss))
        dot.set_data([min(epoch, len(history.loss) - 1)], [loss])
        words = f"{unit} {int(epoch)}, loss {loss:.4g}"
        ax.set_title(words, fontsize="medium")
        return words

    return move


def _epochs(history: Run) -> int:
    """How many epochs have parameters at their beginning; those at the end of the last one come on top."""
    return min(map(len, recorded_parameters(history).values())) - 1


def _moments(steps: int, frames: int) -> list[float]:
    """From the first step to the last one, in as many equal parts as there are frames."""
    if not isinstance(frames, int) or not 1 <= frames <= _MAX_FRAMES:
        raise ValueError(f"the number of frames is an int from 1 to {_MAX_FRAMES}, not {frames!r}")
    return np.linspace(0.0, steps - 1.0, frames).tolist() if frames > 1 else [steps - 1.0]


def _rendered(
    ax: Axes,
    update: Callable[[float], str],
    moments: Sequence[float],
    seconds: float,
    progress: bool | None,
    title: str,
) -> Animation:
    """One frame for each moment: `update` changes the figure of these axes, and says what it shows."""
    figure: Any = ax.figure
    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(figure)

    def picture() -> Image.Image:
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba()))

    update(moments[-1])
    last = picture()
    figure.set_layout_engine("none")  # what is laid out once stays where it is
    pictures = ((words, picture()) for words in map(update, moments))
    return rendered(pictures, len(moments), colours_of=last, seconds=seconds, progress=progress, title=title)
