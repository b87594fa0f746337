"""Compiled training: the loss of a model on a batch and its gradients, the model being run as one program.

A model maps a sample to its prediction, so it is compiled, and runs for all samples of a batch at once. A loss may do
anything with all the predictions and targets together: it is computed on Values, and what it asks of the predictions
goes back through the compiled model. Losses that are the mean or the sum of those of single samples, and say so by a
parameter `reduction` as those of `losses.py` do, are compiled together with the model where that is possible.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import to_float
from tinygrad_edu.functional import dot

from .program import compile
from .structure import flattened, rebuilt

Loss = Callable[[Sequence[Any], Sequence[Any]], Any]


class Result(NamedTuple):
    """A loss: its number, and what adds its gradients to the `grad` of all parameters."""

    data: float
    backward: Callable[[], None]


class CompiledLoss:
    """loss([model(x) for x in X], y), for any model and loss; the model's parameters are read afresh at each call.

    Samples are numbers, or sequences of numbers nested to any depth, all of one shape: else `ValueError`. Raises
    `RecordingError` where the model branches on its numbers, and what model and loss raise.
    """

    def __init__(self, model: Callable[[Any], Any], loss: Loss) -> None:
        def loss_of_sample(x: Any, target: Any, weight: Any) -> Any:
            return weight * loss([model(x)], [target])

        self._loss, self._reduction = loss, _reduction(loss)
        self._predict = compile(lambda x: model(x))
        self._pull_back = compile(lambda x, slopes: dot([y for _, y in _numbers(model(x))[1]], slopes))
        self._loss_of_sample = compile(loss_of_sample)

    def __call__(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """The loss of n samples with n targets; a plain number where it does not depend on any Value."""
        x = columns(X)
        if self._reduction:
            try:
                return self._of_samples(x, y)
            except (TypeError, ValueError):  # it looks at the targets: what is wrong otherwise, comes up again
                self._reduction = ""
        predictions, leaves = self._predictions(x, Value)
        loss = self._loss(predictions, y)
        if not isinstance(loss, Value):
            return loss

        def backward() -> None:
            for column in leaves:
                for v in column:
                    v.grad = 0.0  # leaves would add up what each call brings
            loss.backward()
            self._pull_back.backward(x, [_column([v.grad for v in column]) for column in leaves])

        return Result(loss.data, backward)

    def value(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """The loss as a plain number, without gradients."""
        loss = self._loss(self._predictions(columns(X), float)[0], y)
        return loss.data if isinstance(loss, Value) else to_float(loss)

    def _of_samples(self, x: Any, y: Sequence[Any]) -> Result:
        weight = 1.0 / len(y) if self._reduction == "mean" else 1.0
        compiled, (losses, *slopes) = self._loss_of_sample.run("parameters", (x, columns(y), weight), {})
        return Result(float(np.sum(losses)), lambda: compiled.add_to_gradients(slopes))

    def _predictions(self, x: Any, make: Callable[[float], Any]) -> tuple[list[Any], list[list[Any]]]:
        """What the model returns for each sample, and its numbers, a list of all samples for each."""
        structure, numbers = _numbers(self._predict(x))
        leaves = [[make(number) for number in np.atleast_1d(column).tolist()] for _, column in numbers]
        return [rebuilt(structure, iter(row)) for row in zip(*leaves)], leaves


def columns(rows: Sequence[Any]) -> Any:
    """What a compiled function takes for n samples: one of them, with arrays of n numbers in place of its numbers."""
    try:
        table = np.array(list(rows))
    except ValueError:
        raise ValueError("compiled training takes samples of one shape, and targets of one shape") from None
    if table.dtype.kind not in "fiub":
        raise ValueError(f"compiled training takes samples and targets that are numbers, not {table.dtype}")

    def nested(table: Any) -> Any:
        return _column(table) if table.ndim == 1 else [nested(table[:, i]) for i in range(table.shape[1])]

    return nested(table.astype(float))


def _column(numbers: Any) -> Any:
    """An array of n numbers; one by itself, as plain Python is faster than NumPy on it."""
    return np.ascontiguousarray(numbers) if len(numbers) > 1 else float(numbers[0])


def _numbers(thing: Any) -> tuple[Any, list[tuple[str, Any]]]:
    numbers: list[tuple[str, Any]] = []
    return flattened(thing, "", numbers), numbers


def _reduction(loss: Loss) -> str:
    """How a loss says that it puts the losses of single samples together; "" where it does not."""
    try:
        parameter = inspect.signature(loss).parameters.get("reduction")
    except (TypeError, ValueError):  # some callables do not tell
        return ""
    return parameter.default if parameter and parameter.default in ("mean", "sum") else ""
