"""Plots about gradients: the surface of a loss, a function with its derivative, and the error of numeric derivatives.

`_grids.py` evaluates the functions; how plots look is left to `_style.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import api_boundary
from tinygrad_edu.gradients import derivative, value_and_grad

from ._grids import graph_as_function, vectorize
from ._style import (
    COLOURS,
    INK,
    Look,
    add_plot_legend,
    choose_ink,
    clean_name,
    format_tick,
    pad_range,
    prepare_axes,
    require_resolution,
    set_title,
    to_equal_columns,
    to_floats,
)


@api_boundary
def plot_surface(
    loss: Value,
    x: Value,
    y: Value,
    ax: Axes | None = None,
    *,
    kind: Literal["contour", "3d"] = "contour",
    path: tuple[Sequence[Any], Sequence[Any]] | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    zlabel: str = "loss",
    resolution: int = 80,
) -> Axes:
    """Plots the loss L(x, y) over two parameters; all other leaves keep the numbers that they have now.

    Where the loss is not finite, the surface has a hole.

    Args:
        loss: A Value, the root of the graph.
        x: A node of the graph, the parameter on the horizontal axis.
        y: Another node of the graph.
        ax: The Axes to draw into; None makes new ones.
        kind: "contour" draws lines of equal loss; "3d" a surface in space, into Axes of
            `add_subplot(projection="3d")`.
        path: The path of a descent: the numbers of x and those of y, as in `history.parameters`. It is drawn from a
            ring to a dot.
        xlim: The lowest and the highest x. None takes those of the path, or 2 around the present number, and a margin.
        ylim: The lowest and the highest y, as for x.
        xlabel: The name of x; by default the label of the Value.
        ylabel: The name of y; by default the label of the Value.
        zlabel: The name of the loss.
        resolution: The number of points along each axis; the loss is evaluated at `resolution`² points.

    Returns:
        The Axes.

    Raises:
        TypeError: `loss`, `x` or `y` is not a Value.
        ValueError: The loss does not depend on x and y, or these are one Value; the path has different lengths; the
            loss is finite nowhere; or the Axes, the kind or the resolution do not fit.

    Example:
        >>> w, b = Value(0.5, label="w"), Value(0.5, label="b")
        >>> loss = (w * 2.0 + b - 3.0) ** 2
        >>> ax = plot_surface(loss, w, b, path=([0.5, 1.1], [0.5, 0.8]), resolution=10)
        >>> ax.get_xlabel(), ax.lines[0].get_xdata().tolist()
        ('w', [0.5, 1.1])
    """
    if kind not in ("contour", "3d"):
        raise ValueError(f"kind is 'contour' or '3d', not {kind!r}")
    if ax is not None and (ax.name == "3d") != (kind == "3d"):
        raise ValueError(f'kind={kind!r} does not fit these axes: kind="3d" needs add_subplot(projection="3d")')
    require_resolution(resolution)
    if x is y:
        raise ValueError("a surface lies over two parameters: x and y are the same one")
    f = vectorize(graph_as_function(loss, x, y))
    track = np.array(to_equal_columns(x=path[0], y=path[1])) if path else np.empty((2, 0))
    limits = [
        given or pad_range([*row, v.data] if path else [v.data - 2.0, v.data + 2.0], 0.15)
        for given, row, v in ((xlim, track[0], x), (ylim, track[1], y))
    ]
    a, b = np.meshgrid(*[np.linspace(*limit, resolution) for limit in limits])
    z = f(a, b)
    z[~np.isfinite(z)] = np.nan
    if np.isnan(z).all():
        raise ValueError("the loss is finite nowhere within these limits: give xlim and ylim")
    xlabel, ylabel = clean_name(xlabel or x.label or "x"), clean_name(ylabel or y.label or "y")
    ax = prepare_axes(ax, xlabel, ylabel, size=(6.4, 4.8), projection=None if kind == "contour" else "3d")
    lowest, highest = float(np.nanmin(z)), float(np.nanmax(z))
    # equal steps of the square root: the lines of a parabola are then as far apart at the minimum as on the slopes
    levels = lowest + (highest - lowest or 1.0) * np.linspace(0.0, 1.0, 15) ** 2
    look: Look = {"color": COLOURS[1], "linewidth": 1.6}
    heights = f(*track) if path else np.empty(0)
    found = f"{heights[0]:.4g} → {heights[-1]:.4g} on the path" if path else f"{lowest:.4g} at the lowest point shown"
    set_title(ax, f"{clean_name(zlabel)} over {xlabel} and {ylabel}", f"{clean_name(zlabel)} {found}")
    if kind == "3d":
        three: Any = ax
        three.plot_surface(a, b, z, cmap="Blues", alpha=0.75, linewidth=0, rcount=resolution, ccount=resolution)
        three.set_zlabel(clean_name(zlabel), parse_math=False, color=choose_ink(ax), labelpad=12)
        ax.locator_params(nbins=5)  # numbers of six digits side by side would overlap
        three.zaxis.set_major_formatter(format_tick)
        for axis in (three.xaxis, three.yaxis, three.zaxis):
            axis.set_pane_color((0.5, 0.5, 0.5, 0.05))
        three.zaxis.set_tick_params(color="#999999", labelcolor=choose_ink(ax), pad=6)
        track, look["zorder"] = np.array([*track, heights]), 10
        three.computed_zorder = False  # otherwise the surface hides the path that lies on it
    else:
        filled = ax.contourf(a, b, z, levels=levels, cmap="Blues")
        ax.contour(a, b, z, levels=levels, colors=[INK], linewidths=0.5, alpha=0.5)
        bar = ax.figure.colorbar(filled, ax=ax, format=format_tick)
        bar.set_label(clean_name(zlabel), color=choose_ink(ax), parse_math=False)
        bar.ax.tick_params(colors=choose_ink(ax))
        bar.outline.set_visible(False)
    if path:
        ax.plot(*track, marker="." if track.shape[1] < 40 else "", markersize=5, **look)
        ax.plot(*track[:, :1], "o", markersize=8, markerfacecolor="white", color=COLOURS[1], zorder=11)
        ax.plot(*track[:, -1:], "o", markersize=8, color=COLOURS[1], zorder=11)
    ax.set_xlim(*limits[0])
    ax.set_ylim(*limits[1])
    ax.grid(visible=kind == "3d")
    return ax


@api_boundary
def plot_derivative(
    f: Callable[[Any], Any],
    ax: Axes | None = None,
    *,
    interval: tuple[float, float] = (-3.0, 3.0),
    at: float | None = None,
    name: str = "f",
    xlabel: str = "x",
    ylabel: str = "",
    resolution: int = 300,
) -> Axes:
    """Plots a function f(x) of one number, its derivative f′(x), and its tangent at one number.

    Where f or its derivative is not defined, the curve has a gap. An error of f at `at` is raised, and so is an error
    of f at all points.

    Args:
        f: A function that takes a Value and returns a Value.
        ax: The Axes to draw into; None makes new ones.
        interval: The lowest and the highest x.
        at: The x of the tangent; None draws no tangent.
        name: The name of the function, for the legend.
        xlabel: The name of x.
        ylabel: The label of the vertical axis; by default both names, "f, f′".
        resolution: The number of points at which f is evaluated, 2 or more.

    Returns:
        The Axes.

    Raises:
        ValueError: The interval is empty, or the resolution is below 2.

    Example:
        >>> ax = plot_derivative(lambda x: x**2, at=1.0)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['f(x)', 'f′(x)', 'tangent at x = 1, slope 2']
    """
    low, high = map(to_float, interval)
    if not (low < high and resolution >= 2):
        raise ValueError(f"an interval is (low, high) with two points or more in it, not {interval}, {resolution}")
    xs = np.linspace(low, high, resolution)
    tangent = None if at is None else value_and_grad(f)(to_float(at))
    ax = prepare_axes(ax, clean_name(xlabel), clean_name(ylabel or f"{name}, {name}′"))
    lines = ax.plot(xs, vectorize(f)(xs), color=COLOURS[0], linewidth=2.2)
    lines += ax.plot(xs, vectorize(derivative(f))(xs), "--", color=COLOURS[1], linewidth=1.8)
    names = [f"{name}({xlabel})", f"{name}′({xlabel})"]
    if at is not None and tangent is not None:
        value, (slope,) = tangent
        ax.plot([at], [value], "o", markersize=7, color=COLOURS[2], zorder=4)
        lines.append(ax.axline((at, value), slope=slope, color=COLOURS[2], linewidth=1.5))
        names.append(f"tangent at {xlabel} = {at:.4g}, slope {slope:.4g}")
    ax.set_xlim(low, high)
    add_plot_legend(ax, lines, names, limit=60)
    at_point = (
        "" if tangent is None else f"at {clean_name(xlabel)} = {at:.4g}: {tangent[0]:.4g}, slope {tangent[1][0]:.4g}"
    )
    set_title(ax, f"{clean_name(name)} and its derivative", at_point)
    return ax


@api_boundary
def plot_numeric_gradient(
    f: Callable[[Any], Any],
    x: float,
    ax: Axes | None = None,
    *,
    steps: Sequence[float] | None = None,
) -> Axes:
    """Plots the error of numeric derivatives over their step h, on logarithmic axes.

    The numeric derivatives are (f(x + h) − f(x)) / h and (f(x + h) − f(x − h)) / 2h; their error is the distance from
    the automatic derivative. Thin lines are the expected errors: on the right the next terms of Taylor's series,
    ½h·|f″| and ⅙h²·|f‴|, on the left the rounding of f to 53 bits, 2⁻⁵²·|f| / h. An error of 0 has no point.

    Args:
        f: A function that takes a Value and returns a Value; an error that it raises is raised.
        x: The number at which the derivatives are compared.
        ax: The Axes to draw into; None makes new ones.
        steps: The numbers h, all above 0; None takes 91 numbers from 10⁻¹⁵ to 1.

    Returns:
        The Axes.

    Raises:
        ValueError: There is no step, or a step is not above 0.

    Example:
        >>> ax = plot_numeric_gradient(lambda x: x.exp(), 1.0, steps=[1e-12, 1e-6, 1e-1])
        >>> forward, central, *expected = ax.lines
        >>> bool(forward.get_ydata()[2] > central.get_ydata()[2] > forward.get_ydata()[1])
        True
    """
    x = to_float(x)
    h = np.array(to_floats(np.logspace(-15, 0, 91).tolist() if steps is None else steps))
    if not (h > 0).all() or not len(h):
        raise ValueError(f"the steps of a numeric derivative are above 0, not {h.tolist()[:5]}")
    value, (slope,) = value_and_grad(f)(x)
    curvature, third = (abs(float(derivative(f, n)(x))) for n in (2, 3))
    g = vectorize(f)
    with np.errstate(invalid="ignore"):
        forward, central = (g(x + h) - value) / h, (g(x + h) - g(x - h)) / (2.0 * h)
    ax = prepare_axes(ax, "step h", "|numeric − automatic|")
    errors = [np.where(error > 0, error, np.nan) for error in (abs(forward - slope), abs(central - slope))]
    lines = ax.plot(h, errors[0], "o-", color=COLOURS[0], linewidth=1.2, markersize=3.5)
    lines += ax.plot(h, errors[1], "s-", color=COLOURS[1], linewidth=1.2, markersize=3.5)
    names = ["(f(x + h) − f(x)) / h", "(f(x + h) − f(x − h)) / 2h"]
    ax.set_xscale("log")
    ax.set_yscale("log")
    if np.isnan(errors).all():
        ax.set_ylim(2.0**-53, 1.0)  # no point to show, but the axis needs limits above 0
    ax.set_autoscaley_on(False)  # expected errors far below the measured ones need no room
    for expected, style, name in (
        (0.5 * curvature * h, "--", "cut off: ½h·|f″|"),
        (third * h**2 / 6.0, "-.", "cut off: ⅙h²·|f‴|"),
        (2.0**-52 * abs(value) / h, ":", "rounded: 2⁻⁵²·|f| / h"),
    ):
        if (expected > 0).all():
            lines += ax.plot(h, expected, style, color=choose_ink(ax), linewidth=1.2)
            names.append(name)
    add_plot_legend(ax, lines, names, limit=60)
    smallest = [np.nanmin(error) if np.isfinite(error).any() else 0.0 for error in errors]
    score = f"smallest error {smallest[0]:.2g} one-sided, {smallest[1]:.2g} central"
    set_title(ax, f"numeric derivatives at x = {x:.4g}", score)
    return ax
