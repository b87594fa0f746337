"""The style of all plots: axes, colours, legends, names as plain text; and how a plot is saved.

What is plotted is left to `plots.py` and `gradient_plots.py`.
"""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tinygrad_edu._io import write
from tinygrad_edu._validate import length, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import describe

from ._render import rendering_lock, replace_illegal, shorten

# Source: Okabe and Ito, "Color Universal Design", 2008: colour-blind readers can tell these apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")  # of lines, if there are more lines than colours
MARKERS = "osD^vPX"
INK, LIGHT_INK = "#333333", "#E6E6E6"  # of letters and lines, on a light background and on a dark one

Look: TypeAlias = dict[str, Any]  # of one of Matplotlib's artists


def save(ax: Axes, path: str | os.PathLike[str]) -> None:
    """Writes the figure of a plot as SVG or PNG. If writing fails, an older file stays as it was.

    Args:
        ax: The Axes of the plot, as every plot returns them.
        path: The name of the file, with the suffix .svg or .png.

    Raises:
        TypeError: `ax` is not Matplotlib's Axes.
        ValueError: The suffix is another one.
        OSError: The file cannot be written.
    """
    require_axes(ax)
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ValueError(f"cannot save a plot as {os.fspath(path)!r}: its suffix must be .svg or .png")
    file = io.BytesIO()
    # text in an SVG stays text, which can be searched and read aloud; the same plot is always the same file
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tinygrad_edu"}
    with rendering_lock, matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name may be in any script
        metadata = {"Date": None} if suffix == ".svg" else None
        ax.figure.canvas.print_figure(file, format=suffix[1:], dpi=150, metadata=metadata)
    write(path, file.getvalue())


def prepare_axes(
    ax: Axes | None, xlabel: str, ylabel: str, size: tuple[float, float] = (6.0, 4.0), projection: str | None = None
) -> Axes:
    """Gives axes, or those of a new figure, their labels, a light grid, and no box.

    In a notebook, and in a program that has imported pyplot, a new figure belongs to pyplot, which shows it. Otherwise
    it is a plain figure, which is freed without being closed.
    """
    if ax is None:
        if {"matplotlib.pyplot", "IPython"} & sys.modules.keys():
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=size, layout="constrained")
        else:
            figure = Figure(figsize=size, layout="constrained")
        ax = figure.add_subplot(projection=projection)
    require_axes(ax)
    ink = choose_ink(ax)
    ax.set_xlabel(xlabel, parse_math=False, color=ink)
    ax.set_ylabel(ylabel, parse_math=False, color=ink)
    if ax.name != "3d":
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color("#999999")
        ax.set_axisbelow(True)
    ax.tick_params(color="#999999", labelcolor=ink)
    ax.grid(color=ink, alpha=0.12, linewidth=0.8)
    return ax


def require_axes(ax: Any) -> None:
    """Raises `TypeError` unless `ax` is Matplotlib's Axes."""
    if not isinstance(ax, Axes):
        raise TypeError(f"ax is Matplotlib's Axes, as in figure, ax = plt.subplots(), not {describe(ax)}")


def scatter_samples(ax: Axes, x: Sequence[float], y: Sequence[float]) -> Any:
    """Draws samples as points; on a light background many of them add up to a darker colour."""
    return ax.scatter(x, y, s=22, color=COLOURS[0], alpha=0.65 if choose_ink(ax) == INK else 1.0, linewidths=0)


def choose_ink(ax: Axes) -> str:
    """Returns the colour of letters and lines, dark or light, that can be seen on these axes."""
    red, green, blue = to_rgb(ax.get_facecolor())
    return INK if 0.3 * red + 0.6 * green + 0.1 * blue > 0.45 else LIGHT_INK


def format_tick(x: float, place: object = None) -> str:
    """Writes a number on an axis with three digits, with a power of ten only if it would be long otherwise."""
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e6 else f"{x:.3g}"


def integer_ticks() -> MaxNLocator:
    """Returns a locator that puts ticks at whole numbers."""
    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10])


def pad_range(numbers: Sequence[float], margin: float) -> tuple[float, float]:
    """Returns the smallest and the largest number, moved apart on either side by a part of their distance."""
    low, high = min(numbers), max(numbers)
    distance = margin * (high - low) or 1.0
    return low - distance, high + distance


def add_plot_legend(ax: Axes, artists: Sequence[Any], names: Sequence[str], *, limit: int = 28, ncols: int = 1) -> None:
    """Adds a legend with these names, each cut at `limit` characters, for artists such as lines and points.

    Its background is almost opaque, so that the legend is legible on top of a plot.
    """
    blank = [" "] * len(names)
    legend = ax.legend(artists, blank, ncols=ncols, labelcolor=choose_ink(ax), framealpha=0.85, edgecolor="none")
    legend.get_frame().set_facecolor(ax.get_facecolor())
    for text, name in zip(legend.get_texts(), names):  # ax.legend would read $…$ as a formula and leave out _names
        text.set(text=clean_name(name, limit), parse_math=False)


def label_quantity(name: str, what: str = "", unit: str = "") -> str:
    """Writes the label of an axis: a quantity, what of it is shown, and its unit."""
    return f"{clean_name(name)}{what}" + (f" ({clean_name(unit)})" if unit else "")


def clean_name(name: str, limit: int = 28) -> str:
    """Puts a name on one line, cut at `limit` characters, without what SVG forbids; Matplotlib escapes the rest."""
    return shorten(" ".join(replace_illegal(name).split()), limit)


def to_equal_columns(**columns: Sequence[Any]) -> list[list[float]]:
    """Converts sequences to lists of plain numbers. Raises `ValueError` unless all are of one length above 0."""
    require_equal_lengths(**columns)
    return [to_floats(column) for column in columns.values()]


def require_resolution(resolution: Any) -> None:
    """Raises `ValueError` unless `resolution` can be the number of points along an axis."""
    if not hasattr(resolution, "__index__") or resolution < 2:
        raise ValueError(f"the resolution is the number of points along each axis, 2 or more, not {resolution!r}")


def to_floats(numbers: Sequence[Any]) -> list[float]:
    """Converts Values and numbers to plain numbers. Raises `TypeError` for anything else."""
    return [v.data if isinstance(v, Value) else to_float(v) for v in numbers]


def require_equal_lengths(**columns: Sequence[Any]) -> None:
    """Raises `ValueError`, with the names of the sequences, unless all are of one length above 0."""
    lengths = {name: length(name, column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shown = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        raise ValueError(f"a plot needs as many of each, and at least one: there are {shown}")
