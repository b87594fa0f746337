"""Leaves as arrays, by their labels, as a specification."""

from collections.abc import Sequence
from typing import Any

import pytest

from tinygrad_edu.compiler._leaves import array_and_cell, leaf_blocks

Leaves = list[tuple[str, tuple[int, ...], int]]  # for each its array's name and shape, and its cell


def inputs(*labels: str) -> Leaves:
    return seen(leaf_blocks(labels, len(labels)), "input")


def parameters(*labels: str) -> Leaves:
    return seen(leaf_blocks(labels, 0), "parameter")


def seen(leaves: Sequence[Any], kind: str) -> Leaves:
    assert {block.kind for block, _ in leaves} == {kind}
    names = {id(block): block.name for block, _ in leaves}
    assert len(names) == len({*names.values()})  # one block for each name
    return [(block.name, block.shape, cell) for block, cell in leaves]


LABELS = {
    "rate": ("rate", ()),
    "x[3]": ("x", (3,)),
    "x[3][12]": ("x", (3, 12)),
    "k[2][0][4]": ("k", (2, 0, 4)),
    "w.b": ("w.b", ()),
    "layers[0].w": ("w", (0,)),
    "layers[2].neurons[3].b": ("layers[2].b", (3,)),
    "layers[2].neurons[3].w[1]": ("layers[2].w", (3, 1)),
    "layers[2].w[3][1]": ("layers[2].w", (3, 1)),
    "blocks[1].heads[0].q[2][5]": ("blocks[1].heads[0].q", (2, 5)),
    "a.b.w[3]": ("a.b.w", (3,)),
    "a[1].b.w[3]": ("a[1].b.w", (3,)),
    "": ("", ()),
    "x1*w1 + b": ("x1*w1 + b", ()),
}


@pytest.mark.parametrize("label", LABELS)
def test_a_label_names_an_array_and_a_cell(label: str) -> None:
    assert array_and_cell(label) == LABELS[label]


# ---- arrays ----------------------------------------------------------------------------------------------------------
def test_numbers_in_brackets_that_fill_a_box_are_an_array() -> None:
    for leaves in (inputs, parameters):
        assert leaves("w[0]", "w[1]", "w[2]") == [("w", (3,), 0), ("w", (3,), 1), ("w", (3,), 2)]
        assert leaves("w[0][0]", "w[1][0]", "w[0][1]", "w[1][1]") == [("w", (2, 2), i) for i in (0, 2, 1, 3)]
        cells = [(i, j, k) for i in range(2) for j in range(3) for k in range(2)]
        labels = [f"w[{i}][{j}][{k}]" for i, j, k in cells]
        assert leaves(*labels) == [("w", (2, 3, 2), 6 * i + 2 * j + k) for i, j, k in cells]


def test_one_number_has_no_axis() -> None:
    assert parameters("rate", "w") == [("rate", (), 0), ("w", (), 0)]
    assert parameters("w[0]") == [("w", (1,), 0)]


def test_neurons_are_the_rows_of_their_layer() -> None:
    labels = [
        f"layers[{k}].neurons[{i}].w[{j}]" for k, n, m in ((0, 2, 3), (1, 1, 2)) for i in range(n) for j in range(m)
    ]
    first = [("layers[0].w", (2, 3), i) for i in range(6)]
    assert parameters(*labels) == [*first, ("layers[1].w", (1, 2), 0), ("layers[1].w", (1, 2), 1)]
    assert parameters("neurons[0].b", "neurons[1].b") == [("b", (2,), 0), ("b", (2,), 1)]


def test_rows_and_columns_that_nobody_uses_are_left_out() -> None:
    assert parameters("w[1]", "w[4]", "w[7]") == [("w", (3,), 0), ("w", (3,), 1), ("w", (3,), 2)]
    assert parameters("w[5][1]", "w[5][3]", "w[2][1]", "w[2][3]") == [("w", (2, 2), i) for i in (2, 3, 0, 1)]
    assert parameters("w[9]", "w[10]", "w[8]") == [("w", (3,), 1), ("w", (3,), 2), ("w", (3,), 0)]  # as numbers


@pytest.mark.parametrize(
    "labels",
    [
        ("w[0][0]", "w[0][1]", "w[1][0]"),  # one is missing
        ("w[0]", "w[1][0]", "w[1][1]"),  # of different depth
        ("w[0]", "w[1]", "w[1]"),  # one twice
    ],
)
def test_what_fills_no_box_is_a_line_in_the_order_of_its_numbers(labels: tuple[str, ...]) -> None:
    assert parameters(*labels) == [("w", (3,), 0), ("w", (3,), 1), ("w", (3,), 2)]
    assert parameters(*reversed(labels))[2] == ("w", (3,), 0)


def test_two_with_one_label_are_two_cells() -> None:
    assert parameters("w", "w") == [("w", (2,), 0), ("w", (2,), 1)]
    assert parameters("", "b", "") == [("", (2,), 0), ("b", (), 0), ("", (2,), 1)]


# ---- counted names ---------------------------------------------------------------------------------------------------
def test_parameters_that_are_counted_are_an_array_where_they_are_three_or_more() -> None:
    assert parameters("w0", "w1", "w2") == [("w", (3,), 0), ("w", (3,), 1), ("w", (3,), 2)]
    assert parameters("w1", "w2", "w3") == [("w", (3,), 0), ("w", (3,), 1), ("w", (3,), 2)]
    assert parameters("w_2", "w_0", "w_1") == [("w", (3,), 2), ("w", (3,), 0), ("w", (3,), 1)]
    assert parameters("w1", "w2") == [("w1", (), 0), ("w2", (), 0)]
    assert parameters("w0_0", "w0_1", "w1_0", "w1_1") == [("w", (2, 2), i) for i in range(4)]
    assert parameters("h2o", "co2", "x2y3", "x2y4", "x2y5") == [
        ("h2o", (), 0),
        ("co2", (), 0),
        *[("x2y", (3,), i) for i in range(3)],
    ]


@pytest.mark.parametrize(
    "labels",
    [
        ("w0", "w1", "w2", "w"),  # the name is taken
        ("w0", "w1", "w2_0"),  # of different depth
        ("w0_0", "w0_1", "w1_0"),  # no box
        ("w0", "w1", "w1"),  # one twice
        ("0", "1", "2"),  # no name
        ("w[0].x", "w[1].y", "w[2].z"),
    ],
)
def test_others_stay_by_themselves(labels: tuple[str, ...]) -> None:
    if len({*labels}) == len(labels):
        for label, (name, shape, _) in zip(labels, parameters(*labels)):
            assert (name, len(shape)) == (array_and_cell(label)[0], len(array_and_cell(label)[1]))
    else:
        assert parameters(*labels) == [("w0", (), 0), ("w1", (2,), 0), ("w1", (2,), 1)]


def test_arguments_are_not_counted_as_each_is_one() -> None:
    assert inputs("x0", "x1", "x2") == [("x0", (), 0), ("x1", (), 0), ("x2", (), 0)]
    leaves = leaf_blocks(["x0", "x1", "x2", "x3", "x4", "x5"], 3)
    assert [(block.name, block.kind) for block, _ in leaves[:4]] == [
        *[(f"x{i}", "input") for i in range(3)],
        ("x", "parameter"),
    ]


# ---- kinds -----------------------------------------------------------------------------------------------------------
def test_inputs_and_parameters_of_one_name_are_two_arrays() -> None:
    leaves = leaf_blocks(["x[0]", "x[1]", "x[0]", "x[1]"], 2)
    assert [(block.kind, cell) for block, cell in leaves] == [
        ("input", 0),
        ("input", 1),
        ("parameter", 0),
        ("parameter", 1),
    ]
    assert leaves[0][0] is leaves[1][0] is not leaves[2][0] is leaves[3][0]


def test_an_array_of_which_one_number_chooses_is_one_of_indices() -> None:
    leaves = leaf_blocks(["ids[0]", "ids[1]", "x", "w"], 3, [False, True, False, False])
    assert [block.kind for block, _ in leaves] == ["index", "index", "input", "parameter"]
