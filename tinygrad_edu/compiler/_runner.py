"""How a compiled function runs: numbers go into blocks, a backend computes, and numbers come out of blocks.

Where the program fails, or a result is nan, the engine computes instead, and raises its own error. Some thousand
samples are computed at a time, as their numbers then stay in the processor's cache. Which program is right for the
arguments of a call is left to `compiled.py`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES

from . import backends
from .program import Access, AnyStatement, Block, Loop, Output, Program, Statement

Array = Any  # of NumPy
T = TypeVar("T")
MakeFunction = Callable[[Program], Callable[..., Sequence[Any]]]
CHUNK = 16384  # samples
_CELLS_FOR_ARRAYS = 16  # of a statement, from which on NumPy is faster than plain Python
_FAILURES = (*FAILURES, IndexError)


class Runner:
    """Runs a program on the numbers of a call.

    Args:
        program: What is run.
        arguments: For each block of inputs, and each cell in it, the position of its number among the arguments.
        parameters: For each block of parameters, and each cell in it, the Value that has its number.
        on_values: Computes one sample on Values: the same results from its arguments, in the same order.
        make_function: Makes a function of the program, which takes NumPy's arrays and does what `np.errstate` says.
            None makes one of plain Python or of NumPy, whichever is faster.
    """

    def __init__(
        self,
        program: Program,
        arguments: Sequence[Sequence[int]],
        parameters: Sequence[Sequence[Value]],
        on_values: Callable[[Sequence[Any]], Sequence[float]],
        make_function: MakeFunction | None,
    ) -> None:
        self.program, self._arguments, self._on_values = program, arguments, on_values
        self.parameters = [p for row in parameters for p in row]
        self._indices = [i for b, row in zip(program.inputs, arguments) if b.kind == "index" for i in row]
        self._order = [i for row in arguments for i in row]  # of the gradients in the arguments
        first = program.outputs[0].access
        self._is_shared = not (isinstance(first, Access) and first.block.samples)  # n samples: n times the slope
        self._by_argument = sorted(range(len(self._order)), key=self._order.__getitem__)
        self._has_samples = [_has_samples(output) for output in program.outputs]
        self._is_ordered = in_order = self._order == [*range(len(self._order))]
        self._is_plain = (
            make_function is None and _suits_python(program) and not any(b.samples for b in program.blocks())
        )
        self._make_function = make_function or partial(
            backends.make_function, language="python" if self._is_plain else "numpy"
        )
        # no `cached_property`, which would make all attributes slower
        self._function: Callable[..., Sequence[Any]] = self._first_call
        self.at_once: Callable[[Sequence[Any]], Sequence[Any] | None] = refuse_all
        """Computes the results where each argument is a float or an array of floats; else returns None."""
        if not program.inputs:
            self.at_once = self.on_numbers
        elif in_order and all(block.shape == () for block in program.inputs) and not self._indices:
            if any(block.samples for block in program.inputs):
                self.at_once = self._on_columns
            elif self._is_plain and not any([x.shape for x in program.parameters] + [x.shape for x in program.outputs]):
                self.at_once = self._on_floats

    def _first_call(self, *leaves: Any) -> Sequence[Any]:
        self._function = self._make_function(self.program)
        return self._function(*leaves)

    # ---- one sample --------------------------------------------------------------------------------------------------
    def _on_floats(self, numbers: Sequence[float]) -> Sequence[float] | None:
        """The results where all arguments are floats."""
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
                results = self._compute(numbers)
                if not math.isnan(sum(results)):
                    return results
        except _FAILURES:
            pass
        return self._on_values(numbers)

    def _compute(self, numbers: Sequence[Any]) -> list[float]:
        if self._is_plain:
            leaves = _to_lists(self.program.inputs, self._arguments, numbers)
            rest = iter(self.parameters)
            for block in self.program.parameters:
                row = [next(rest).data for _ in range(block.size)]
                leaves.append(row if block.shape else row[0])
            return self._in_order([_to_floats(y) for y in self._function(*leaves)])
        with np.errstate(all="raise", under="ignore"):
            results = self._function(*self._to_arrays(numbers), *self._parameter_arrays())
        return self._in_order([np.asarray(y, float).ravel().tolist() for y in results])

    def _in_order(self, rows: Sequence[list[Any]]) -> list[Any]:
        """The numbers of the outputs in one list; gradients in arguments in the order of the arguments."""
        if self._is_ordered:  # gradients come after values anyway
            return [x for row in rows for x in row]
        values = [x for row, output in zip(rows, self.program.outputs) if output.leaf is None for x in row]
        slopes = [x for row, output in zip(rows, self.program.outputs) if output.leaf is not None for x in row]
        if any(output.leaf in self.program.inputs for output in self.program.outputs if output.leaf):
            slopes = [slopes[k] for k in self._by_argument] + slopes[len(self._by_argument) :]
        return values + slopes

    # ---- arrays ------------------------------------------------------------------------------------------------------
    def _parameter_arrays(self) -> list[Array]:
        """An array for each block of parameters, read afresh."""
        if not self.parameters:
            return []
        flat = np.array([p.data for p in self.parameters], dtype=float)
        arrays, start = [], 0
        for block in self.program.parameters:
            arrays.append(flat[start : start + block.size].reshape(block.shape) if block.shape else flat[start])
            start += block.size
        return arrays

    def _to_arrays(self, columns: Sequence[Any], count: int = 0) -> list[Array]:
        """An array for each block of inputs, of columns with an item for each sample, or one for all."""
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
        shape = _broadcast_shape(labels, arrays)
        size = math.prod(shape)
        columns = [
            x[()] if x.ndim == 0 else (x if x.shape == shape else np.broadcast_to(x, shape)).reshape(-1) for x in arrays
        ]
        outputs = self.program.outputs
        if size <= CHUNK:
            results = (
                self._chunk(columns, shape, 0, size)
                if size
                else [np.zeros((0, *o.shape)[not _has_samples(o) :]) for o in outputs]
            )
        else:
            results = [np.empty((size, *o.shape)) if _has_samples(o) else np.zeros(o.shape) for o in outputs]
            for start in range(0, size, CHUNK):
                stop = min(start + CHUNK, size)
                for k, (y, output) in enumerate(zip(self._chunk(columns, shape, start, stop), outputs)):
                    if _has_samples(output):
                        results[k][start:stop] = y
                    else:
                        results[k] = results[k] + y
        rows = self._split_outputs(results, size)
        values = sum(len(row) for row, o in zip(rows, outputs) if o.leaf is None)
        ends = [*[shape] * values, *[x.shape for x in arrays]]
        found = self._in_order(rows)
        for k, end in enumerate(ends[: len(found)]):
            if isinstance(found[k], np.ndarray):
                found[k] = _sum_copies(found[k].reshape(shape), end)
        return found

    def _chunk(self, columns: Sequence[Any], shape: tuple[int, ...], start: int, stop: int) -> Sequence[Any]:
        """The outputs for some of the samples. Where something is not defined, the engine says what.

        NumPy reports numbers outside a domain, infinite slopes, and overflow. The engine tolerates the overflow of a
        sum or a product: then they are computed once more.
        """
        results = self._attempt(_slice(columns, start, stop), stop - start)
        if results is None:
            self._raise_error(columns, shape, start, stop)
            results = self._attempt(_slice(columns, start, stop), stop - start, strictly=False)
        assert results is not None
        return results

    def _raise_error(self, columns: Sequence[Any], shape: tuple[int, ...], start: int, stop: int) -> None:
        """Halves what fails, the first half first, down to single samples, which the engine computes."""
        if stop - start > 1:
            middle = (start + stop) // 2
            for half in ((start, middle), (middle, stop)):
                if self._attempt(_slice(columns, *half), half[1] - half[0]) is None:
                    self._raise_error(columns, shape, *half)
            return
        try:
            self._on_values([float(x[start] if getattr(x, "ndim", 0) else x) for x in columns])
        except _FAILURES as error:
            index = tuple([int(i) for i in np.unravel_index(start, shape)])
            error.args = (f"{error}, in sample {index[0] if len(index) == 1 else index}",)
            raise error from None

    def _on_columns(self, columns: Sequence[Any]) -> Sequence[Any] | None:
        """The results of few samples: an array of floats for each argument that has one, all of one length."""
        count = -1
        for x, block in zip(columns, self.program.inputs):
            if not block.samples:
                if x.__class__ is not float:
                    return None
            elif x.__class__ is not np.ndarray or x.ndim != 1 or x.dtype.char != "d" or count not in (-1, len(x)):
                return None
            else:
                count = len(x)
        results = self._attempt(columns, count) if 0 < count <= CHUNK else None
        return None if results is None else self._in_order(self._split_outputs(results, count))

    def _split_outputs(self, results: Sequence[Any], count: int) -> list[list[Any]]:
        """For each output its numbers: arrays where there is one number for each sample."""
        return [
            _split_samples(y, output, count) if for_each else np.asarray(y, float).ravel().tolist()
            for y, output, for_each in zip(results, self.program.outputs, self._has_samples)
        ]

    def _attempt(self, columns: Sequence[Any], count: int, strictly: bool = True) -> Sequence[Any] | None:
        """The outputs for `count` samples; None where the program fails, or a sum over the samples is nan.

        No array is one of the columns, or a part of a column or of another result, as its user may write to it.
        """
        try:
            with np.errstate(all="raise" if strictly else "ignore", under="ignore"):
                leaves = columns if self.at_once is not refuse_all else self._to_arrays(columns, count)
                results = self._function(*leaves, *self._parameter_arrays())
        except _FAILURES:
            return None
        results = _copy_shared(results, columns)
        if self._is_shared:
            results = [y if for_each else y * count for y, for_each in zip(results, self._has_samples)]
        if strictly:
            for y, for_each in zip(results, self._has_samples):
                if not for_each and (np.isnan(y).any() if getattr(y, "shape", ()) else y != y):
                    return None
        return results


def items_by_block(blocks: Sequence[Block], places: Sequence[tuple[Block, int]], items: Iterable[T]) -> list[list[T]]:
    """For each block the items that stand in its cells; `places` says where each item stands."""
    rows: dict[Block, list[Any]] = {block: [None] * block.size for block in blocks}
    for (block, cell), item in zip(places, items):
        if block in rows:
            rows[block][cell] = item
    return [*rows.values()]


def refuse_all(_: Sequence[Any]) -> None:
    """Stands for `at_once` where a program takes other arguments than floats and arrays."""


def _suits_python(program: Program) -> bool:
    """Whether plain Python is faster than NumPy: where most statements have but a few cells."""
    cells, statements = _count_work(program.statements)
    return cells <= _CELLS_FOR_ARRAYS * statements


def _count_work(statements: Sequence[AnyStatement]) -> tuple[int, int]:
    """Cells that are computed, and statements that are run."""
    cells, count = 0, 0
    for s in statements:
        if isinstance(s, Loop):
            inner, run = _count_work(s.body)
            cells, count = cells + s.turns * inner, count + s.turns * run
        else:
            axes = [s.axes] if isinstance(s, Statement) else [part.axes for part in s.parts]
            cells, count = cells + sum(map(math.prod, axes)), count + 1
    return cells, count


def _slice(columns: Sequence[Any], start: int, stop: int) -> list[Any]:
    """Some of the samples; what is the same for all stays."""
    return [x[start:stop] if getattr(x, "ndim", 0) else x for x in columns]


def _to_lists(blocks: Sequence[Block], arguments: Sequence[Sequence[int]], numbers: Sequence[Any]) -> list[Any]:
    rows: list[Any] = []
    for block, row in zip(blocks, arguments):
        cells = [numbers[i] if block.kind == "index" else float(numbers[i]) for i in row]
        rows.append(cells if block.shape else cells[0])
    return rows


def _to_floats(y: Any) -> list[float]:
    return [*map(float, y)] if isinstance(y, (list, tuple)) else [float(y)]


def _copy_shared(results: Sequence[Any], columns: Sequence[Any]) -> list[Any]:
    """The results: an array that is a part of another one, or met before, is copied."""
    known, unshared = {*map(id, columns)}, []
    for y in results:
        if getattr(y, "shape", ()) and (id(y) in known or y.base is not None):
            y = y.copy()
        known.add(id(y))
        unshared.append(y)
    return unshared


def _split_samples(y: Any, output: Output, size: int) -> list[Array]:
    """The numbers of an output, each for all samples."""
    if output.shape == () and getattr(y, "shape", ()) == (size,):
        return [y]
    if getattr(y, "shape", ()) != (size, *output.shape):  # the same for all samples
        y = np.broadcast_to(y, (size, *output.shape)).copy()
    return [*y.reshape(size, -1).T]


def _has_samples(output: Output) -> bool:
    """Whether there is a result for each sample: it is a value, or a gradient in a block of samples."""
    return output.leaf is None or output.leaf.samples


# ---- shapes -------------------------------------------------------------------------------------------------------
def as_array(label: str, x: Any) -> Array:
    """An array of floats. Raises `TypeError` for one of anything else."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{label} is an array of {array.dtype}, and a compiled function takes numbers and arrays of them"
        )
    return array.astype(float, copy=False)


def _broadcast_shape(labels: Sequence[str], arrays: Sequence[Array]) -> tuple[int, ...]:
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


def _sum_copies(gradient: Array, shape: tuple[int, ...]) -> Any:
    """The gradient in an array that was broadcast: summed over the copies that were made of it."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple([axis for axis, length in enumerate(shape) if length == 1 != gradient.shape[axis]])
    return gradient.sum(axis=copied, keepdims=True) if shape else float(gradient)
