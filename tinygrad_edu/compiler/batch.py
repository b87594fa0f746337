"""Many samples at once, on NumPy arrays: their shapes, sums over them, and the sample that an error belongs to.

The programs are those of `source.py` for one-dimensional arrays. What stands here makes such arrays of the arguments of
a call, gives the results their shapes back, and where a program fails looks for the sample at which it does.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import FAILURES

if TYPE_CHECKING:
    from .program import Program

Array = Any  # of floats


def over_samples(recorded: "Program", labels: Sequence[str], numbers: Sequence[Any]) -> list[Any]:
    """The outputs of a recorded function for a batch: arrays, and floats for gradients that are summed over it."""
    arrays = [_array(label, x) for label, x in zip(labels, numbers)]
    shape = _common_shape(labels, arrays)
    batched = tuple([x.ndim > 0 for x in arrays])
    columns = [np.broadcast_to(x, shape).reshape(-1) if x.ndim else float(x) for x in arrays]
    results = _run_and_check(recorded, recorded.on_arrays(batched), columns, batched, shape)
    outputs: list[Any] = []
    for (place, leaf), y in zip(recorded.tape.outputs, results):
        i = recorded.tape.inputs.index(leaf) if leaf in recorded.tape.inputs else -1
        if leaf is not None and (i < 0 or not batched[i]):
            outputs.append(float(y))
            continue
        # a copy, where it would be an argument itself or a number that is the same for all samples
        y = np.broadcast_to(y, shape).copy() if np.ndim(y) == 0 or place in recorded.tape.inputs else y
        outputs.append(y.reshape(shape) if leaf is None else _unbroadcast(y.reshape(shape), arrays[i].shape))
    return outputs


def in_sample(error: Exception, index: int, shape: tuple[int, ...]) -> Exception:
    """The same error, saying in which sample of a batch."""
    where = tuple(map(int, np.unravel_index(index, shape)))
    return type(error)(f"{error}, in sample {where[0] if len(where) == 1 else where}")


def _array(label: str, x: Any) -> Array:
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise TypeError(
            f"{label} is an array of {array.dtype}, and a compiled function takes numbers and arrays of them"
        )
    return array.astype(float, copy=False)


def _common_shape(labels: Sequence[str], arrays: Sequence[Array]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[x.shape for x in arrays])
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
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple([axis for axis, length in enumerate(shape) if length == 1 != gradient.shape[axis]])
    return gradient.sum(axis=copied, keepdims=True)


def _run_and_check(
    recorded: "Program",
    run: Callable[..., Sequence[Any]],
    columns: Sequence[Any],
    batched: Sequence[bool],
    shape: tuple[int, ...],
) -> Sequence[Any]:
    """Runs a program. Where something is amiss it computes one sample after the other as the engine does.

    NumPy sees numbers outside a domain, infinite slopes, and overflow; of these the engine tolerates the overflow of a
    sum or a product. A sum over the samples does not tell that it is nan, so this is looked at.
    """
    parameters = [p.data for p in recorded.parameters]

    def attempt(columns: Sequence[Any], tolerant: bool = False) -> Sequence[Any] | None:
        try:
            with np.errstate(all="ignore" if tolerant else "raise", under="ignore"):
                results = run(*columns, *parameters)
        except FAILURES:
            return None
        amiss = not tolerant and any(np.ndim(y) == 0 and y != y for y in results)
        return None if amiss else results

    def part(start: int, stop: int) -> list[Any]:
        return [x[start:stop] if varies else x for x, varies in zip(columns, batched)]

    results = attempt(columns)
    if results is not None:
        return results
    size = math.prod(shape)
    start, stop = 0, size  # somewhere between these is the first sample at which it fails
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if attempt(part(start, middle)) is None else (middle, stop)
    for i in range(start, size):
        try:
            recorded.on_values([float(x[i]) if varies else x for x, varies in zip(columns, batched)])
        except FAILURES as error:
            raise in_sample(error, i, shape) from None
    return attempt(columns, tolerant=True) or []
