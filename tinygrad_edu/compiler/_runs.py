"""What runs a compiled function: numbers go into blocks, a backend computes, and numbers come out of blocks.

Where the program fails, or ends in a nan, the engine computes instead, and raises its own error. Of many samples some
thousand are computed at a time, as their numbers then stay in the processor's cache. Which program is right for the
arguments of a call is left to `compiled.py`.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES

from . import backends
from .program import Access, Any_Statement, Block, Loop, Output, Program, Statement

Array = Any  # of NumPy
CHUNK = 16384  # samples
_CELLS_FOR_ARRAYS = 16  # of a statement, from which on NumPy is faster than plain Python
_FAILURES = (*FAILURES, IndexError)


class Run:
    """A program, and where the numbers of its leaves come from: `cells` has a row for each leaf block.

    A row has for each cell the number of an argument, or a parameter. `on_values` is what the engine computes of the
    arguments of one sample: the same results, in the same order.
    """

    def __init__(
        self,
        program: Program,
        arguments: Sequence[Sequence[int]],
        parameters: Sequence[Sequence[Value]],
        on_values: Callable[[Sequence[Any]], Sequence[float]],
    ) -> None:
        self.program, self._arguments, self._on_values = program, arguments, on_values
        self.parameters = [p for row in parameters for p in row]
        self._indices = [i for b, row in zip(program.inputs, arguments) if b.kind == "index" for i in row]
        self._order = [i for row in arguments for i in row]  # of the gradients in the arguments
        self._is_shared = not _has_samples(program.outputs[0])  # then the gradient of n samples is n times that of one
        self._by_argument = sorted(range(len(self._order)), key=self._order.__getitem__)
        self._is_for_each = [_is_for_each(output) for output in program.outputs]
        self._is_ordered = in_order = self._order == [*range(len(self._order))]
        self._is_plain = suits_python(program) and not any(b.samples for b in program.blocks())
        self._function: Callable[..., Sequence[Any]] = self._first_call
        self.at_once: Callable[[Sequence[Any]], Sequence[Any] | None] = no_way
        """The results where each argument is a float or an array of floats; None where it takes a closer look."""
        if not program.inputs:
            self.at_once = self.on_numbers
        elif in_order and all(block.shape == () for block in program.inputs) and not self._indices:
            if any(block.samples for block in program.inputs):
                self.at_once = self._on_columns
            elif self._is_plain and not any([x.shape for x in program.parameters] + [x.shape for x in program.outputs]):
                self.at_once = self._on_floats

    def _first_call(self, *leaves: Any) -> Sequence[Any]:
        self._function = backends.function(self.program, "python" if self._is_plain else "numpy")
        return self._function(*leaves)

    # ---- one sample --------------------------------------------------------------------------------------------------
    def _on_floats(self, numbers: Sequence[float]) -> Sequence[float] | None:
        """Of nothing but floats."""
        for x in numbers:
            if x.__class__ is not float:
                return None
        try:
            parameters = self.parameters  # most have none, and to unpack an empty list takes time too
            leaves = [*numbers, *[p.data for p in parameters]] if parameters else numbers
            results = self._function(*leaves)
            whole = sum(results)
            if whole == whole:
                return results if whole.__class__ is float else [*map(float, results)]  # NumPy's, from a `.data`
        except FAILURES:
            pass
        return self._on_values(numbers)

    def on_numbers(self, numbers: Sequence[Any]) -> Sequence[float]:
        """The results: the values, and then the gradients, in the order of the arguments or of `parameters`."""
        try:
            if not any(numbers[i] < 0 for i in self._indices):  # the engine counts from the end
                results = self._numbers(numbers)
                if not math.isnan(sum(results)):
                    return results
        except _FAILURES:
            pass
        return self._on_values(numbers)

    def _numbers(self, numbers: Sequence[Any]) -> list[float]:
        if self._is_plain:
            leaves = _rows(self.program.inputs, self._arguments, numbers)
            rest = iter(self.parameters)
            for block in self.program.parameters:
                row = [next(rest).data for _ in range(block.size)]
                leaves.append(row if block.shape else row[0])
            return self._in_order([_flat(y) for y in self._function(*leaves)])
        with np.errstate(all="raise", under="ignore"):
            results = self._function(*self._leaves(numbers), *self.parameter_arrays())
        return self._in_order([np.asarray(y, float).ravel().tolist() for y in results])

    def _in_order(self, rows: Sequence[list[Any]]) -> list[Any]:
        """The numbers of the outputs; gradients in arguments in the order of these."""
        if self._is_ordered:  # gradients come after values anyway
            return [x for row in rows for x in row]
        values = [x for row, output in zip(rows, self.program.outputs) if output.leaf is None for x in row]
        slopes = [x for row, output in zip(rows, self.program.outputs) if output.leaf is not None for x in row]
        if any(output.leaf in self.program.inputs for output in self.program.outputs if output.leaf):
            slopes = [slopes[k] for k in self._by_argument] + slopes[len(self._by_argument) :]
        return values + slopes

    # ---- arrays ------------------------------------------------------------------------------------------------------
    def parameter_arrays(self) -> list[Array]:
        """An array for each block of parameters, read afresh."""
        if not self.parameters:
            return []
        flat = np.array([p.data for p in self.parameters], dtype=float)
        arrays, start = [], 0
        for block in self.program.parameters:
            arrays.append(flat[start : start + block.size].reshape(block.shape) if block.shape else flat[start])
            start += block.size
        return arrays

    def _leaves(self, columns: Sequence[Any], count: int = 0) -> list[Array]:
        """An array for each block of inputs; of columns of so many samples where it has one for each."""
        leaves = []
        for block, row in zip(self.program.inputs, self._arguments):
            kind = np.intp if block.kind == "index" else float
            if not block.samples:
                leaf = np.array([columns[i] for i in row], dtype=kind).reshape(block.shape)[()]
            elif block.shape == ():
                leaf = columns[row[0]].astype(kind, copy=False)
            else:  # a number that is the same for all samples is repeated
                wide = [columns[i] if getattr(columns[i], "ndim", 0) else np.full(count, columns[i]) for i in row]
                leaf = np.array(wide, dtype=kind).T.reshape(count, *block.shape)
            leaves.append(leaf)
        return leaves

    def on_samples(self, labels: Sequence[str], numbers: Sequence[Any]) -> list[Any]:
        """The results for a batch: arrays, and floats for gradients that are summed over it."""
        arrays = [as_array(label, x) for label, x in zip(labels, numbers)]
        shape = _common_shape(labels, arrays)
        size = math.prod(shape)
        columns = [
            x[()] if x.ndim == 0 else (x if x.shape == shape else np.broadcast_to(x, shape)).reshape(-1) for x in arrays
        ]
        batch = _Batch(self, columns, shape)
        outputs = self.program.outputs
        if size <= CHUNK:
            results = batch(0, size) if size else [np.zeros((0, *o.shape)[not _is_for_each(o) :]) for o in outputs]
        else:
            results = [np.empty((size, *o.shape)) if _is_for_each(o) else np.zeros(o.shape) for o in outputs]
            for start in range(0, size, CHUNK):
                stop = min(start + CHUNK, size)
                for k, (y, output) in enumerate(zip(batch(start, stop), outputs)):
                    if _is_for_each(output):
                        results[k][start:stop] = y
                    else:
                        results[k] = results[k] + y
        rows = self._rows(results, size)
        values = sum(len(row) for row, o in zip(rows, outputs) if o.leaf is None)
        ends = [*[shape] * values, *[x.shape for x in arrays]]
        found = self._in_order(rows)
        for k, end in enumerate(ends[: len(found)]):
            if isinstance(found[k], np.ndarray):
                found[k] = _unbroadcast(found[k].reshape(shape), end)
        return found

    def _on_columns(self, columns: Sequence[Any]) -> Sequence[Any] | None:
        """Of few samples: an array of floats for each argument that has one, all of one length."""
        count = -1
        for x, block in zip(columns, self.program.inputs):
            if not block.samples:
                if x.__class__ is not float:
                    return None
            elif x.__class__ is not np.ndarray or x.ndim != 1 or x.dtype.char != "d" or count not in (-1, len(x)):
                return None
            else:
                count = len(x)
        results = self.attempt(columns, count) if 0 < count <= CHUNK else None
        return None if results is None else self._in_order(self._rows(results, count))

    def _rows(self, results: Sequence[Any], count: int) -> list[list[Any]]:
        """For each output its numbers: arrays where there is one for each sample."""
        return [
            _columns(y, output, count) if for_each else np.asarray(y, float).ravel().tolist()
            for y, output, for_each in zip(results, self.program.outputs, self._is_for_each)
        ]

    def attempt(self, columns: Sequence[Any], count: int, strictly: bool = True) -> Sequence[Any] | None:
        """What the program makes of so many samples; None where it fails, or ends in a nan that no array shows.

        No array is one of the columns, or a part of one, or of another result: whoever gets it may write to it.
        """
        try:
            with np.errstate(all="raise" if strictly else "ignore", under="ignore"):
                leaves = columns if self.at_once is not no_way else self._leaves(columns, count)
                results = self._function(*leaves, *self.parameter_arrays())
        except _FAILURES:
            return None
        results = _unshared(results, columns)
        if self._is_shared:
            results = [y if for_each else y * count for y, for_each in zip(results, self._is_for_each)]
        if strictly:
            for y, for_each in zip(results, self._is_for_each):
                if not for_each and (np.isnan(y).any() if getattr(y, "shape", ()) else y != y):
                    return None
        return results

    def one_by_one(self, numbers: Sequence[Any]) -> Sequence[float]:
        return self._on_values(numbers)


def no_way(_: Sequence[Any]) -> None:
    """Of a program that has no arguments but floats and arrays."""


def suits_python(program: Program) -> bool:
    """Whether plain Python is faster than NumPy: where most statements have but a few cells."""
    cells, statements = _work(program.statements)
    return cells <= _CELLS_FOR_ARRAYS * statements


def _work(statements: Sequence[Any_Statement]) -> tuple[int, int]:
    """Cells that are computed, and statements that are run."""
    cells, count = 0, 0
    for s in statements:
        if isinstance(s, Loop):
            inner, run = _work(s.body)
            cells, count = cells + s.turns * inner, count + s.turns * run
        else:
            axes = [s.axes] if isinstance(s, Statement) else [part.axes for part in s.parts]
            cells, count = cells + sum(map(math.prod, axes)), count + 1
    return cells, count


def _rows(blocks: Sequence[Block], arguments: Sequence[Sequence[int]], numbers: Sequence[Any]) -> list[Any]:
    rows: list[Any] = []
    for block, row in zip(blocks, arguments):
        cells = [numbers[i] if block.kind == "index" else float(numbers[i]) for i in row]
        rows.append(cells if block.shape else cells[0])
    return rows


def _flat(y: Any) -> list[float]:
    return [*map(float, y)] if isinstance(y, (list, tuple)) else [float(y)]


def _unshared(results: Sequence[Any], columns: Sequence[Any]) -> list[Any]:
    """The results: an array that is a part of another one, or met before, is copied."""
    known, unshared = {*map(id, columns)}, []
    for y in results:
        if getattr(y, "shape", ()) and (id(y) in known or y.base is not None):
            y = y.copy()
        known.add(id(y))
        unshared.append(y)
    return unshared


def _columns(y: Any, output: Output, size: int) -> list[Array]:
    """The numbers of an output, each for all samples."""
    if output.shape == () and getattr(y, "shape", ()) == (size,):
        return [y]
    if getattr(y, "shape", ()) != (size, *output.shape):  # the same for all samples
        y = np.broadcast_to(y, (size, *output.shape)).copy()
    return [*y.reshape(size, -1).T]


def _is_for_each(output: Output) -> bool:
    """Whether it is one for each sample: a value, or a gradient in what has samples."""
    return output.leaf is None or output.leaf.samples


def _has_samples(output: Output) -> bool:
    return isinstance(output.access, Access) and output.access.block.samples


# ---- samples ---------------------------------------------------------------------------------------------------------
class _Batch:
    """Runs a program on samples from start to stop. Where something is amiss, the engine computes them one by one.

    NumPy sees numbers outside a domain, infinite slopes, and overflow; of these the engine tolerates the overflow of a
    sum or a product. A sum over samples does not tell that it is nan, so that is looked at.
    """

    def __init__(self, run: Run, columns: Sequence[Any], shape: tuple[int, ...]) -> None:
        self._run, self._columns, self._shape = run, columns, shape

    def __call__(self, start: int, stop: int) -> Sequence[Any]:
        results = self._run.attempt(self._slice(start, stop), stop - start)
        if results is None:
            self._look_for_an_error(start, stop)
            results = self._run.attempt(self._slice(start, stop), stop - start, strictly=False)
        assert results is not None
        return results

    def _slice(self, start: int, stop: int) -> list[Any]:
        return [x[start:stop] if getattr(x, "ndim", 0) else x for x in self._columns]

    def _look_for_an_error(self, start: int, stop: int) -> None:
        """Halves what fails, the first half first, down to single samples, which the engine computes."""
        if stop - start > 1:
            middle = (start + stop) // 2
            for half in ((start, middle), (middle, stop)):
                if self._run.attempt(self._slice(*half), half[1] - half[0]) is None:
                    self._look_for_an_error(*half)
            return
        try:
            self._run.one_by_one([float(x[0]) if getattr(x, "ndim", 0) else float(x) for x in self._slice(start, stop)])
        except _FAILURES as error:
            where = tuple(int(i) for i in _unravelled(start, self._shape))
            error.args = (f"{error}, in sample {where[0] if len(where) == 1 else where}",)
            raise error from None


def is_batch(numbers: Sequence[Any]) -> bool:
    return any(len(getattr(x, "shape", ())) for x in numbers)


def as_array(label: str, x: Any) -> Array:
    """An array of floats. Raises `TypeError` for one of anything else."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{label} is an array of {array.dtype}, and a compiled function takes numbers and arrays of them"
        )
    return array.astype(float, copy=False)


def _unravelled(index: int, shape: tuple[int, ...]) -> list[int]:
    places: list[int] = []
    for length in reversed(shape):
        places.insert(0, index % length)
        index //= length
    return places


def _common_shape(labels: Sequence[str], arrays: Sequence[Array]) -> tuple[int, ...]:
    shapes = {x.shape for x in arrays}
    try:
        return next(iter(shapes)) if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        for (a, x), (b, y) in combinations(zip(labels, arrays), 2):
            try:
                np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                raise ValueError(
                    f"{a} has shape {x.shape}, but {b} has shape {y.shape}: arrays need a number for each sample, or "
                    "one for all"
                ) from None
        raise


def _unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Any:
    """The gradient in an array that was broadcast: summed over the copies that were made of it."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple([axis for axis, length in enumerate(shape) if length == 1 != gradient.shape[axis]])
    return gradient.sum(axis=copied, keepdims=True) if shape else float(gradient)
