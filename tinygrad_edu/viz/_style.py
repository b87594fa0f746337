"""The one style of all plots: axes, colours, legends, names that mean only themselves; and how a plot is saved.

What is plotted is left to `plots.py` and `gradient_plots.py`.
"""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tinygrad_edu._io import write
from tinygrad_edu._validate import length, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import described

from ._render import legal

# Source: Okabe and Ito, "Color Universal Design", 2008: colour-blind readers can tell these apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")  # and these, when there are more lines than colours
MARKERS = "osD^vPX"
INK, LIGHT_INK = "#333333", "#E6E6E6"  # of letters and lines, on a light background and on a dark one

Look = dict[str, Any]  # of an artist

# Matplotlib's settings and Python's warnings are those of the whole process: of two threads that change them for a
# moment, one would put back what it has found of the other's.
_one_at_a_time = Lock()


def save(ax: Axes, path: str | os.PathLike[str]) -> None:
    """Writes the figure of these Axes as .svg or .png; the file is written whole or not at all.

    Raises `ValueError` for any other suffix, `OSError` where it cannot be written, `TypeError` for what is no Axes.
    """
    require_axes(ax)
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ValueError(f"cannot save a plot as {os.fspath(path)!r}: its suffix must be .svg or .png")
    file = io.BytesIO()
    # text that stays text can be searched and read aloud; the same plot is the same file, whenever it is written
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tinygrad_edu"}
    with _one_at_a_time, matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name may be in any script
        metadata = {"Date": None} if suffix == ".svg" else None
        ax.figure.canvas.print_figure(file, format=suffix[1:], dpi=150, metadata=metadata)
    write(path, file.getvalue())


def dressed(
    ax: Axes | None, xlabel: str, ylabel: str, size: tuple[float, float] = (6.0, 4.0), projection: str | None = None
) -> Axes:
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
        ax = figure.add_subplot(projection=projection)
    require_axes(ax)
    ink = ink_on(ax)
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
    """Raises `TypeError` for what cannot be plotted on."""
    if not isinstance(ax, Axes):
        raise TypeError(f"ax is Matplotlib's Axes, as in figure, ax = plt.subplots(), not {described(ax)}")


def scattered(ax: Axes, x: Sequence[float], y: Sequence[float]) -> Any:
    """Samples; where many are, they add up to a darker colour, or would fade away on a dark background."""
    return ax.scatter(x, y, s=22, color=COLOURS[0], alpha=0.65 if ink_on(ax) == INK else 1.0, linewidths=0)


def ink_on(ax: Axes) -> str:
    """The colour of letters and lines that can be seen on these axes."""
    red, green, blue = to_rgb(ax.get_facecolor())
    return INK if 0.3 * red + 0.6 * green + 0.1 * blue > 0.45 else LIGHT_INK


def short_number(x: float, place: object = None) -> str:
    """A number on an axis, to three digits; powers of ten only where it would be long otherwise."""
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e6 else f"{x:.3g}"


def whole_numbers() -> MaxNLocator:
    """Ticks for what is counted."""
    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10])


def padded_range(numbers: Sequence[float], margin: float) -> tuple[float, float]:
    """The smallest and the largest number, and a part of their distance on either side."""
    low, high = min(numbers), max(numbers)
    distance = margin * (high - low) or 1.0
    return low - distance, high + distance


def add_legend(
    ax: Axes,
    artists: Sequence[Any],
    names: Sequence[str],
    *,
    limit: int = 28,
    ncols: int = 1,
) -> None:
    """A legend with these names, each cut at `limit` characters, for artists such as lines and points.

    Its background lets little of what is behind it through, so that it can be read where there is no free place.
    """
    blank = [" "] * len(names)
    legend = ax.legend(artists, blank, ncols=ncols, labelcolor=ink_on(ax), framealpha=0.85, edgecolor="none")
    legend.get_frame().set_facecolor(ax.get_facecolor())
    for text, name in zip(legend.get_texts(), names):  # afterwards: a legend makes a formula of $…$, leaves out _names
        text.set(text=clean(name, limit), parse_math=False)


def quantity_label(name: str, what: str = "", unit: str = "") -> str:
    """The label of an axis: a name, what of it is shown, and its unit."""
    return f"{clean(name)}{what}" + (f" ({clean(unit)})" if unit else "")


def clean(name: str, limit: int = 28) -> str:
    """A name on one line and of bounded length, without what SVG forbids; Matplotlib escapes the rest."""
    line = " ".join(legal(name).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def equal_columns(**columns: Sequence[Any]) -> list[list[float]]:
    """The numbers of sequences of one length. Raises `ValueError`, with their names, where they are not that."""
    check_lengths(**columns)
    return [floats(column) for column in columns.values()]


def require_resolution(resolution: Any) -> None:
    """Raises `ValueError` for what cannot be the number of points along an axis."""
    if not hasattr(resolution, "__index__") or resolution < 2:
        raise ValueError(f"the resolution is the number of points along each axis, 2 or more, not {resolution!r}")


def floats(numbers: Sequence[Any]) -> list[float]:
    """Values and numbers as plain numbers. Raises `TypeError` for what is none."""
    return [v.data if isinstance(v, Value) else to_float(v) for v in numbers]


def check_lengths(**columns: Sequence[Any]) -> None:
    """Raises `ValueError`, with the names of the sequences, unless all are of one length above 0."""
    lengths = {name: length(name, column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shown = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        raise ValueError(f"a plot needs as many of each, and at least one: there are {shown}")
