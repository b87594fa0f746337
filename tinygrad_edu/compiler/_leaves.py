"""Leaves as arrays, by their labels: `layers[0].neurons[3].w[1]` is cell [3, 1] of the array `layers[0].w`.

Labels whose numbers in brackets fill a box are one array. Parameters called w0, w1, w2 or w0_0, w0_1, … are so, too, if
they are three or more; inputs are not, as each is an argument. What the arrays are used for is left to `roll.py`.
"""

import re
from collections.abc import Sequence
from math import prod

from .program import Block, Kind, strides_of

_INDEX = re.compile(r"\[(\d+)\]")
_COUNTED = re.compile(r"(.*?[^\d_\]])_?(\d+(?:_\d+)*)")
_FEWEST = 3  # of w0, w1, w2


def leaf_blocks(labels: Sequence[str], inputs: int, indices: Sequence[bool] = ()) -> list[tuple[Block, int]]:
    """For each leaf its block and its cell there; the first ones are inputs, the others are parameters.

    `indices` says which are whole numbers that choose from a table: an array with one of them is one of indices.

    >>> [(block.name, block.shape, cell) for block, cell in leaf_blocks(["x", "w[0]", "w[1]"], 1)]
    [('x', (), 0), ('w', (2,), 0), ('w', (2,), 1)]
    """
    names = _arrays_and_cells(labels)
    _number_cells_of_names(names, inputs)
    choosing = {name for (name, _), is_index in zip(names, indices) if is_index}
    kinds: list[Kind] = []
    for i, (name, _) in enumerate(names):
        kinds.append("parameter" if i >= inputs else "index" if name in choosing else "input")
    groups: dict[tuple[Kind, str], list[int]] = {}
    for i, (kind, (stem, _)) in enumerate(zip(kinds, names)):
        groups.setdefault((kind, stem), []).append(i)
    found: dict[int, tuple[Block, int]] = {}
    for (kind, stem), members in groups.items():
        shape, places = _lay_out([names[i][1] for i in members])
        block = Block(stem, shape, kind)
        for i, place in zip(members, places):
            found[i] = block, place
    return [found[i] for i in range(len(labels))]


def _arrays_and_cells(labels: Sequence[str]) -> list[tuple[str, tuple[int, ...]]]:
    """`array_and_cell` of each; where two lists of objects would be one array, with the names of the lists.

    What stands before the last number is the same for a whole row, and looked at once.
    """
    rows: dict[str, tuple[str, str, tuple[int, ...]]] = {}
    found = []
    for label in labels:
        row, bracket, number = label.removesuffix("]").rpartition("[")
        if not (bracket and label.endswith("]") and number.isdecimal()):
            found.append(_split_label(label))
            continue
        if row not in rows:
            short, full, cell = _split_label(f"{row}[0]")
            rows[row] = short, full, cell[:-1]
        short, full, cell = rows[row]
        found.append((short, full, (*cell, int(number))))
    lists: dict[str, set[str]] = {}
    for short, full, _ in found:
        lists.setdefault(short, set()).add(full)
    return [(short if len(lists[short]) == 1 else full, cell) for short, full, cell in found]


def _number_cells_of_names(names: list[tuple[str, tuple[int, ...]]], inputs: int) -> None:
    """Turns w0_1 into the cell (0, 1) of w where enough labels are like it."""
    groups: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    taken = {name for name, _ in names}
    for i, (name, cell) in enumerate(names):
        if i >= inputs and not cell and (counted := _COUNTED.fullmatch(name)):
            groups.setdefault(counted[1], []).append((i, tuple(map(int, counted[2].split("_")))))
    for stem, members in groups.items():
        if len(members) < _FEWEST or stem in taken or len({len(cell) for _, cell in members}) > 1:
            continue
        if _find_box([cell for _, cell in members]):
            for i, cell in members:
                names[i] = stem, cell


def array_and_cell(label: str) -> tuple[str, tuple[int, ...]]:
    """The name of the array that a label belongs to, and the numbers of the cell in it.

    The numbers are those behind the last name, and, where they are fewer than two, that behind the one before, as a
    neuron is a row of its layer.

    >>> array_and_cell("layers[0].neurons[3].w[1]"), array_and_cell("k[2][0][4]"), array_and_cell("rate")
    (('layers[0].w', (3, 1)), ('k', (2, 0, 4)), ('rate', ()))
    """
    short, _, cell = _split_label(label)
    return short, cell


def _split_label(label: str) -> tuple[str, str, tuple[int, ...]]:
    """The name of the array without that of the list of objects which are its rows, and with it; and the cell."""
    *before, last = label.split(".")
    cell = [int(number) for number in _INDEX.findall(last)]
    name = _INDEX.sub("", last)
    rows = before
    if len(cell) < 2 and before and (numbers := list(_INDEX.finditer(before[-1]))):
        cell.insert(0, int(numbers[-1][1]))
        before[-1] = before[-1][: numbers[-1].start()] + before[-1][numbers[-1].end() :]
        rows = before[:-1] if len(numbers) == 1 else before
    return ".".join([*rows, name]), ".".join([*before, name]), tuple(cell)


def _lay_out(cells: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[int]]:
    """A shape for these cells, and where each is in it. Rows and columns that nobody uses are left out."""
    box = _find_box(cells)
    if box is None:
        order = sorted(range(len(cells)), key=cells.__getitem__)
        places = [0] * len(cells)
        for place, k in enumerate(order):
            places[k] = place
        return ((len(cells),) if len(cells) > 1 else ()), places
    shape = tuple(map(len, box))
    places = [0] * len(cells)
    for axis, (numbers, stride) in enumerate(zip(box, strides_of(shape))):
        places = [place + numbers[cell[axis]] * stride for place, cell in zip(places, cells)]
    return shape, places


def _find_box(cells: Sequence[tuple[int, ...]]) -> list[dict[int, int]] | None:
    """For each axis its numbers, counted through, if all their combinations are there, each once; else None."""
    if len({len(cell) for cell in cells}) > 1 or len(set(cells)) < len(cells):
        return None
    box = [{number: k for k, number in enumerate(sorted(set(numbers)))} for numbers in zip(*cells)]
    return box if prod(map(len, box)) == len(cells) else None
