"""The arithmetic of strides as a specification: cells as offset and nested axes, and axes divided for one another."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_edu.compiler._layout import (
    Affine,
    Axes,
    cells_of,
    common_refinement,
    refine_strides,
    split_at_rows,
    to_affine,
    to_axes,
)

_ = -1  # a cell that nobody asks for


def line_of(axes: Axes) -> Any:
    return cells_of(Affine(0, (axes,)))


# ---- a line of cells -------------------------------------------------------------------------------------------------
LINES: dict[str, tuple[list[int], tuple[tuple[int, ...], tuple[int, ...]] | None]] = {
    "one cell": ([7], ((1,), (0,))),
    "in order": ([0, 1, 2, 3], ((4,), (1,))),
    "from anywhere": ([5, 6, 7], ((3,), (1,))),
    "every second one": ([1, 3, 5], ((3,), (2,))),
    "backwards": ([6, 4, 2], ((3,), (-2,))),
    "the same again and again": ([4, 4, 4], ((3,), (0,))),
    "two": ([3, 9], ((2,), (6,))),
    "rows": ([0, 1, 2, 10, 11, 12], ((2, 3), (10, 1))),
    "rows that repeat": ([0, 1, 0, 1, 0, 1], ((3, 2), (0, 1))),
    "each twice": ([0, 0, 1, 1], ((2, 2), (1, 0))),
    "rows backwards": ([5, 4, 2, 1], ((2, 2), (-3, -1))),
    "a column of each table": ([0, 2, 10, 12, 30, 32, 40, 42], ((2, 2, 2), (30, 10, 2))),
    "four axes": ([*map(sum, np.ndindex(2, 2, 2, 2))], ((2, 2, 2, 2), (1, 1, 1, 1))),
    "five are too many": ([*map(sum, np.ndindex(2, 2, 2, 2, 2))], None),
    "a row is shorter": ([0, 1, 2, 10, 11], None),
    "a row is longer": ([0, 1, 10, 11, 12, 13], None),
    "a row has other steps": ([0, 1, 2, 10, 12, 14], None),
    "another step in the second place": ([0, 2, 3, 4], None),
    "no order": ([0, 3, 1, 7], None),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_nested_axes(name: str) -> None:
    line, expected = LINES[name]
    assert to_axes(np.array(line)) == (expected and Axes(*expected))


lengths = st.lists(st.integers(2, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def nested_axes(draw: Any, most: int = 4) -> Axes:
    n = tuple(draw(st.lists(st.integers(2, 4), min_size=1, max_size=most)))
    return Axes(n, tuple(draw(st.lists(st.integers(-3, 20), min_size=len(n), max_size=len(n)))))


@given(nested_axes(), st.integers(0, 5))
def test_what_nested_axes_lead_to_is_found_again_by_as_few_as_there_are(axes: Axes, start: int) -> None:
    line = line_of(axes) + start
    found = to_axes(line)
    assert found is not None
    assert len(found.lengths) == len(found.strides) <= len(axes.lengths)
    assert (line_of(found) + start == line).all()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_what_is_found_leads_there(cells: list[int]) -> None:
    found = to_axes(np.array(cells))
    if found:
        assert (line_of(found) + cells[0]).tolist() == cells


# ---- arrays of cells -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([[0, 1, 2], [3, 4, 5]], (0, ((2,), (3,)), ((3,), (1,)))),
        ([[5, 15], [6, 16]], (5, ((2,), (1,)), ((2,), (10,)))),
        ([[4, 4], [4, 4]], (4, ((2,), (0,)), ((2,), (0,)))),
        ([[0, 1, 10, 11], [2, 3, 12, 13]], (0, ((2,), (2,)), ((2, 2), (10, 1)))),
        ([[0, 1], [2, 4]], None),
        ([[0, 1, 2], [3, 4, 6]], None),
        ([[9]], (9, ((1,), (0,)), ((1,), (0,)))),
        # with holes
        ([[0, _, _], [3, 4, _], [6, 7, 8]], (0, ((3,), (3,)), ((3,), (1,)))),
        ([[_, _, 2], [_, 4, 5], [6, 7, 8]], (0, ((3,), (3,)), ((3,), (1,)))),
        ([[0, _], [_, 7]], None),  # neither axis says how it goes on
        ([[0, _], [_, 0]], (0, ((2,), (0,)), ((2,), (0,)))),
        ([[_, 5, 6], [_, _, 16]], (4, ((2,), (10,)), ((3,), (1,)))),
        ([[_, 0], [1, 2]], None),
        ([[_, 3], [_, 4]], (3, ((2,), (1,)), ((2,), (0,)))),
    ],
    ids=str,
)
def test_cells_are_offset_and_axes(cells: list[list[int]], expected: Any) -> None:
    assert to_affine(np.array(cells)) == (
        expected and Affine(expected[0], tuple([Axes(*axes) for axes in expected[1:]]))
    )


@st.composite
def accesses(draw: Any, most: int = 3) -> Affine:
    axes = tuple(draw(st.lists(nested_axes(2), min_size=1, max_size=most)))
    access = Affine(0, axes)
    return Affine(draw(st.integers(0, 3)) - int(cells_of(access).min()), axes)


@given(accesses())
def test_what_an_access_leads_to_is_found_again(access: Affine) -> None:
    cells = cells_of(access)
    assert cells.shape == tuple([prod(axes.lengths) for axes in access.axes])
    assert cells[(0,) * cells.ndim] == access.offset
    found = to_affine(cells)
    assert found is not None
    assert found.offset == access.offset
    assert (cells_of(found) == cells).all()


@given(accesses(), st.data())
def test_cells_with_holes_are_found_again_but_for_the_holes(access: Affine, data: st.DataObject) -> None:
    cells = cells_of(access)
    holes = np.array(data.draw(st.lists(st.booleans(), min_size=cells.size, max_size=cells.size))).reshape(cells.shape)
    assume(not holes.all())
    found = to_affine(np.where(holes, _, cells))
    if found is not None:
        assert (cells_of(found) == cells)[~holes].all()
        assert cells_of(found).min() >= 0
    complete = [~holes.any(axis) for axis in range(cells.ndim)]
    if all(lines.any() for lines in complete):  # of each axis one line has no holes
        assert found is not None
        assert (cells_of(found) == cells).all()


@given(accesses(), st.data())
def test_a_cell_that_does_not_fit_is_noticed(access: Affine, data: st.DataObject) -> None:
    cells = cells_of(access)
    assume(cells.ndim > 1)
    at = tuple([data.draw(st.integers(0, n - 1)) for n in cells.shape])
    cells[at] += data.draw(st.integers(1, 5))
    found = to_affine(cells)
    assert found is None or (cells_of(found) == cells).all()


# ---- finer axes ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shapes", "length", "expected"),
    [
        ([(6,)], 6, (6,)),
        ([], 6, (6,)),
        ([(2, 3)], 6, (2, 3)),
        ([(2, 3), (6,)], 6, (2, 3)),
        ([(2, 6), (4, 3)], 12, (2, 2, 3)),
        ([(2, 3), (3, 2)], 6, None),
        ([(2, 2, 3), (4, 3)], 12, (2, 2, 3)),
        ([(1,)], 1, (1,)),
        ([(1, 4), (4, 1)], 4, (4,)),
    ],
)
def test_axes_are_divided_as_all_of_them_are(shapes: Any, length: int, expected: Any) -> None:
    assert common_refinement(shapes, length) == expected


@given(st.lists(st.integers(2, 3), min_size=1, max_size=5), st.data())
def test_along_finer_axes_an_access_leads_to_the_same_cells(fine: list[int], data: st.DataObject) -> None:
    """Whatever is divided at some of the cuts can be divided at all of them."""

    def coarse() -> Axes:
        cuts = [
            0,
            *sorted(data.draw(st.sets(st.integers(1, len(fine) - 1)) if len(fine) > 1 else st.just(set()))),
            None,
        ]
        n = tuple([prod(fine[start:stop]) for start, stop in pairwise(cuts)])
        return Axes(n, tuple([data.draw(st.integers(-3, 9)) for _ in n]))

    several = [coarse() for _ in range(data.draw(st.integers(1, 3)))]
    found = common_refinement([axes.lengths for axes in several], prod(fine))
    assert found is not None
    assert prod(found) == prod(fine)
    assert len(found) <= len(fine)
    for axes in several:
        strides = refine_strides(axes, found)
        assert len(strides) == len(found)
        assert (line_of(Axes(found, strides)) == line_of(axes)).all()


def test_axes_of_length_one_have_no_stride() -> None:
    assert refine_strides(Axes((1,), (0,)), (1,)) == (0,)
    assert refine_strides(Axes((6,), (2,)), (1, 2, 1, 3)) == (0, 6, 0, 2)
    assert refine_strides(Axes((1, 6), (5, 2)), (2, 3)) == (6, 2)


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        (((6,), (1,)), (2, 3), ((2, 3), (3, 1))),
        (((6,), (1,)), (6,), ((6,), (1,))),
        (((12,), (1,)), (2, 2, 3), ((2, 2, 3), (6, 3, 1))),
        (((3,), (1,)), (2, 3), ((3,), (1,))),  # it ends with the row
        (((4,), (1,)), (2, 3), ((4,), (1,))),  # two rows, the last one not whole
        (((6,), (2,)), (3, 4), ((3, 2), (4, 2))),
        (((3,), (3,)), (3, 3), ((3,), (3,))),  # down a column
        (((4,), (3,)), (2, 2, 3), ((2, 2), (6, 3))),
        (((6,), (-1,)), (2, 3), ((6,), (-1,))),
        (((6,), (0,)), (2, 3), ((6,), (0,))),
        (((2, 6), (20, 1)), (4, 3), ((2, 2, 3), (20, 3, 1))),
        (((3,), (2,)), (2, 3), ((3,), (2,))),  # no whole step to the next row
    ],
    ids=str,
)
def test_an_axis_is_divided_where_it_goes_on_to_the_next_row(axes: Any, shape: Sequence[int], expected: Any) -> None:
    found = split_at_rows(Axes(*axes), shape)
    assert found == Axes(*expected)
    assert (line_of(found) == line_of(Axes(*axes))).all()


@given(nested_axes(2), st.lists(st.integers(1, 4), max_size=3))
def test_divided_or_not_it_leads_to_the_same_cells(axes: Axes, shape: list[int]) -> None:
    assert (line_of(split_at_rows(axes, shape)) == line_of(axes)).all()
