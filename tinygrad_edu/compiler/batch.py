"""Many samples at once, on NumPy arrays: their shapes, sums over them, and the sample that an error belongs to.

The programs are those of `source.py` for one-dimensional arrays. What stands here makes such arrays of the arguments of
a call, runs the program on a few thousand samples at a time, gives the results their shapes, and where the program
fails looks for the sample at which it does.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.errors import FAILURES

if TYPE_CHECKING:
    from .program import Program

Array = Any  # of floats
BLOCK = 4096  # samples: their numbers stay in the processor's cache from one operation to the next


def over_samples(recorded: "Program", labels: Sequence[str], numbers: Sequence[Any]) -> list[Any]:
    """The outputs of a recorded function for a batch: arrays, and floats for gradients that are summed over it."""
    arrays = [as_array(label, x) for label, x in zip(labels, numbers)]
    shape = _common_shape(labels, arrays)
    size = math.prod(shape)
    batched = tuple([x.ndim > 0 for x in arrays])
    columns = [np.broadcast_to(x, shape).reshape(-1) if x.ndim else np.float64(x) for x in arrays]
    run = _Runs(recorded, recorded.on_arrays(batched), columns, shape)
    inputs = recorded.inputs_of_gradients  # for each output the input in which it is a gradient; -1 is a parameter
    outputs: list[Any] = [np.empty(size) if i is None or (i >= 0 and batched[i]) else 0.0 for i in inputs]
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        for k, y in enumerate(run(start, stop)):
            if isinstance(outputs[k], float):
                outputs[k] += float(y)
            else:
                outputs[k][start:stop] = y
    for k, i in enumerate(inputs):
        if not isinstance(outputs[k], float):
            outputs[k] = _unbroadcast(outputs[k].reshape(shape), shape if i is None else arrays[i].shape)
    return outputs


def _in_sample(error: Exception, index: int, shape: tuple[int, ...]) -> Exception:
    """The same error, saying in which sample of a batch."""
    where = tuple(map(int, np.unravel_index(index, shape)))
    error.args = (f"{error}, in sample {where[0] if len(where) == 1 else where}",)
    return error


def as_array(label: str, x: Any) -> Array:
    """An array of floats. Raises `TypeError` for one of anything else."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{label} is an array of {array.dtype}, and a compiled function takes numbers and arrays of them"
        )
    return array.astype(float, copy=False)


def _common_shape(labels: Sequence[str], arrays: Sequence[Array]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*{x.shape for x in arrays})
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


def _unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient in an array that was broadcast: summed over the copies that were made of it."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple([axis for axis, length in enumerate(shape) if length == 1 != gradient.shape[axis]])
    return gradient.sum(axis=copied, keepdims=True)


class _Runs:
    """Runs a program on samples from start to stop. Where something is amiss, the engine computes them one by one.

    NumPy sees numbers outside a domain, infinite slopes, and overflow; of these the engine tolerates the overflow of a
    sum or a product. A sum over samples does not tell that it is nan, so that is looked at.
    """

    def __init__(
        self,
        recorded: "Program",
        program: Callable[..., Sequence[Any]],
        columns: Sequence[Any],
        shape: tuple[int, ...],
    ) -> None:
        self._recorded, self._program, self._columns, self._shape = recorded, program, columns, shape
        self._parameters = [np.float64(p.data) for p in recorded.parameters]  # on Python's, 1e200 * 1e200 is no error

    def __call__(self, start: int, stop: int) -> Sequence[Any]:
        results = self._attempt(start, stop)
        if results is not None:
            return results
        self._look_for_an_error(start, stop)
        with np.errstate(all="ignore"):
            return self._run(start, stop)

    def _look_for_an_error(self, start: int, stop: int) -> None:
        """Halves what fails, the first half first, down to single samples, which the engine computes."""
        if stop - start > 1:
            middle = (start + stop) // 2
            for half in ((start, middle), (middle, stop)):
                if self._attempt(*half) is None:
                    self._look_for_an_error(*half)
            return
        try:
            self._recorded.on_values([x if isinstance(x, float) else float(x[start]) for x in self._columns])
        except FAILURES as error:
            raise _in_sample(error, start, self._shape) from None

    def _run(self, start: int, stop: int) -> Sequence[Any]:
        columns = [x if isinstance(x, float) else x[start:stop] for x in self._columns]
        return self._program(*columns, *self._parameters)

    def _attempt(self, start: int, stop: int) -> Sequence[Any] | None:
        try:
            with np.errstate(all="raise", under="ignore"):
                results = self._run(start, stop)
        except FAILURES:
            return None
        return None if any(not isinstance(y, np.ndarray) and y != y for y in results) else results
