"""The style of all plots: axes, titles, colours, names of lines, texts as they are; and how a plot is saved.

What is plotted is left to `plots.py` and `gradient_plots.py`.
"""

import io
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from tinygrad_edu._interrupts import change_for_a_block
from tinygrad_edu._io import write
from tinygrad_edu._validate import length, to_float
from tinygrad_edu.data.metrics import r2
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary, describe

from ._render import rendering_lock, replace_illegal, shorten

# Source: Okabe and Ito, "Color Universal Design", 2008: colour-blind readers can tell these apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")  # of lines, if there are more lines than colours
MARKERS = "osD^vPX"
MAX_LABELLED = 8  # lines with their names at their ends; more have a legend
LAST_RESORT = "Last Resort High-Efficiency"  # a font that comes with Matplotlib
INK, LIGHT_INK = "#333333", "#E6E6E6"  # of letters and lines, on a light background and on a dark one

Look: TypeAlias = dict[str, Any]  # of one of Matplotlib's artists


@api_boundary
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
    with rendering_lock, _settings_of_files(ax.figure.findobj(Text)):
        metadata = {"Date": None} if suffix == ".svg" else None
        ax.figure.canvas.print_figure(file, format=suffix[1:], dpi=150, metadata=metadata)
    write(path, file.getvalue())


def _settings_of_files(texts: Sequence[Any]) -> AbstractContextManager[None]:
    """Inside the block Matplotlib writes files as we want them, and its texts may be in any script.

    Text in an SVG stays text, which can be searched and read aloud; the same plot is always the same file. The last
    font of each text is one that has a box for each letter. Matplotlib, from 3.11 on, takes it by itself, but warns of
    each letter; and warnings cannot be turned off for one thread, as their filters belong to the process.
    """
    settings = {"svg.fonttype": "none", "svg.hashsalt": "tinygrad_edu"}
    rc: Any = matplotlib.rcParams
    former = {name: rc[name] for name in settings}
    families = [text.get_fontfamily() for text in texts]
    fonts = [LAST_RESORT] if LAST_RESORT in fontManager.get_font_names() else []

    def change() -> None:
        rc.update(settings)
        for text, family in zip(texts, families):
            text.set_fontfamily([*family, *fonts])

    def restore() -> None:
        rc.update(former)
        for text, family in zip(texts, families):
            text.set_fontfamily(family)

    return change_for_a_block(change, restore)


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


def label_lines(ax: Axes, lines: Sequence[Line2D], names: Sequence[str]) -> None:
    """Writes the name of each line at its end; names that would overlap move apart, no farther than they must.

    Many lines have a legend instead, and so have axes that have no layout which makes room for names beside them.
    """
    if len(lines) > MAX_LABELLED or ax.figure.get_layout_engine() is None:
        add_plot_legend(ax, lines, names)
        return
    ax.get_xlim(), ax.get_ylim()  # brings the limits up to date, on which the places below depend
    ends, labels = [], []
    for line, name in zip(lines, names):
        points = np.column_stack([np.asarray(column, dtype=float) for column in line.get_data()])
        visible = points[np.isfinite(ax.transData.transform(points)).all(axis=1)]
        if len(visible):
            ends.append(visible[-1])
            labels.append(clean_name(name, 24))
    to_points = 72.0 / ax.figure.get_dpi()
    heights = [to_points * float(ax.transData.transform(end)[1]) for end in ends]
    look: Look = {"color": choose_ink(ax), "fontsize": 9, "va": "center", "parse_math": False}
    look |= {"bbox": {"facecolor": ax.get_facecolor(), "alpha": 0.8, "linewidth": 0, "pad": 0.5}}
    for end, height, place, label in zip(ends, heights, spread(heights, 11.0), labels):
        ax.annotate(label, end, (7, place - height), textcoords="offset points", annotation_clip=False, **look)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Moves numbers apart until neighbours differ by a gap; the sum of the squares of the ways is the smallest.

    >>> spread([5.0, 0.0, 5.0], 2.0)
    [4.0, 0.0, 6.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    blocks: list[tuple[float, int]] = []  # numbers that touch: the sum of where each wants the first one, and how many
    for k, i in enumerate(order):
        total, count = places[i] - k * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            more, others = blocks.pop()
            total, count = total + more, count + others
        blocks.append((total, count))
    firsts = [total / count for total, count in blocks for _ in range(count)]
    moved = {i: first + k * gap for k, (i, first) in enumerate(zip(order, firsts))}
    return [moved[i] for i in range(len(places))]


def set_title(ax: Axes, what: str, score: str = "") -> None:
    """Gives axes a title: what is shown, and below it how good it is; a long line is broken."""
    points = 72.0 / ax.figure.get_dpi() * ax.get_window_extent().width
    lines = [
        textwrap.fill(line, max(24, int(points / 4.6))) for line in (what, score) if line
    ]  # some 5 points a letter
    ax.set_title("\n".join(lines), parse_math=False, fontsize="medium", color=choose_ink(ax))


def describe_r2(y: Sequence[float], predictions: Sequence[float]) -> str:
    """Writes R² as a number, in words where it is not defined."""
    try:
        return f"R² = {r2(y, predictions):.3g}"
    except (ValueError, OverflowError):  # all y are equal, or a prediction is too large to be squared
        return "R² not defined"


def describe_rmse(y: Sequence[float], predictions: Sequence[float], unit: str) -> str:
    """Writes the root of the mean squared error √(Σ (ŷ − y)² / n), with its unit."""
    distance = math.hypot(*[a - b for a, b in zip(y, predictions)])
    return f"RMSE = {distance / math.sqrt(len(y)):.4g} {clean_name(unit)}".rstrip()


def describe_accuracy(right: int, n: int) -> str:
    """Writes the share of right answers, and their number."""
    return f"accuracy {right / n:.1%}: {right} of {n} right"


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
