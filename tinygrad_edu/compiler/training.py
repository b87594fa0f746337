"""Compiled training: what `fit(compile=True)` runs in place of a graph for each batch.

The model is traced for one sample and gets an axis of samples, the loss is traced for as many predictions as a batch
has; joined and differentiated they are one program. A loss that looks at its numbers is computed on Values, and its
gradient goes back through the model's program. Parameters and the optimizer's state are arrays meanwhile, as
`_descent.py` says; before code of the user's runs, the Values get their numbers, and after it `_snapshot.py` says
whether what the programs were made of has changed. How samples become numbers is left to `_parts.py`, the loop over
batches to `train/fit.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu._validate import to_float
from tinygrad_edu.compiler.backends.numpy import function
from tinygrad_edu.engine import Value, constant
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.functional import dot
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import no_grad
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.optim import Optimizer

from ._descent import Descent
from ._joined import joined
from ._parts import Rows, Structure, Table, apart, together
from ._snapshot import Snapshot
from .program import Access, Block, Program
from .roll import rolled
from .samples import with_samples
from .trace import RecordingError, Traced, traced
from .vjp import differentiated

Array = Any  # of NumPy
Loss = Callable[[Sequence[Any], Sequence[Any]], Any]
Numbers = list[tuple[str, Any]]  # labels, each with a number or a Value

# Of so many predictions a loss is traced, which takes as long as to compute it on Values three times, and room.
MOST_TRACED = 100_000


class Result(NamedTuple):
    """A loss: its number, and what adds its gradients to those of the leaves."""

    data: float
    backward: Callable[[], None]


class OnArrays:
    """A run of `fit` on arrays; see `Run` in `train/fit.py`.

    Samples are numbers, or sequences of numbers nested to any depth, all of one shape: else `ValueError`. Raises
    `RecordingError` where the model looks at its numbers, draws random ones, or keeps something from call to call, and
    what model and loss raise.
    """

    def __init__(
        self, model: Callable[[Any], Any], loss: Loss, optimizer: Optimizer, X: Sequence[Any], y: Sequence[Any]
    ) -> None:
        self._model, self._loss, self._moves = model, loss, optimizer
        self._data = self._other_data = Table(X), Table(y)
        self._begin(self._seen())

    def _seen(self) -> Snapshot:
        return Snapshot(self._model, self._loss, self._moves.params)

    def _begin(self, seen: Snapshot) -> None:
        """Starts afresh, as what the programs are made of is not what it was."""
        self.optimizer = Descent(self._moves)
        self._snapshot = seen
        self._loss_is_fixed = Snapshot(self._loss).is_fixed
        self._models: dict[Any, ModelProgram] = {}
        self._losses: dict[Any, LossProgram | None] = {}

    def write(self) -> None:
        self.optimizer.write()

    def release(self) -> None:
        self.optimizer.release()

    # ---- losses ------------------------------------------------------------------------------------------------------
    def loss(self, rows: Sequence[int]) -> Any:
        """The loss on these rows of the data; a plain number where it does not depend on any Value."""
        x, y, model, program = self._prepared(self._data, rows)
        if program is None:
            return self._on_values(x, y, model, rows)
        found = program.value_and_slopes(x, y, self.optimizer.numbers)
        if found is None:
            return self._eager(x, y, rows)
        value, slopes = found
        return Result(value, lambda: self.optimizer.add_to_gradients(slopes))

    def measure(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """The loss on other data, as a plain number."""
        if self._other_data[0].things is not X or self._other_data[1].things is not y:
            self._other_data = Table(X), Table(y)
        rows = range(len(X))
        x, targets, model, program = self._prepared(self._other_data, rows)
        loss: Any = program.value(x, targets, self.optimizer.numbers) if program else None
        if loss is None:
            with no_grad():
                numbers = None if program else model.predict(x, self.optimizer.numbers)
                if numbers is None:
                    loss = self._eager(x, targets, rows)
                else:
                    loss = self._loss_of(model.predictions([[constant(p) for p in row] for row in numbers]), targets)
        return to_float(loss.data if isinstance(loss, Value) else loss, "the loss")

    def _on_values(self, x: Rows, y: Rows, model: "ModelProgram", rows: Sequence[int]) -> Any:
        """The loss computed on Values, from what the model's program predicts."""
        optimizer, at = self.optimizer, self.optimizer.numbers
        numbers = model.predict(x, at)
        if numbers is None:
            return self._eager(x, y, rows)
        predicted = [[Value(p) for p in row] for row in numbers]
        L = self._loss_of(model.predictions(predicted), y)
        if not isinstance(L, Value) or L._rule is CONSTANT:
            return L
        leaves = [p for row in predicted for p in row]
        own = set(leaves)
        others = [v for v in topological_order(L) if v._rule is LEAF and v not in own]
        found = grad(L, [*leaves, *others])
        optimizer.add(others)

        def backward() -> None:
            of_model = model.slopes(x, np.reshape(found[: len(leaves)], numbers.shape), at)
            if of_model is None:
                self._eager(x, y, rows).backward()
                return
            slopes = np.zeros(len(optimizer.leaves))
            slopes[: len(of_model)] = of_model
            for v, slope in zip(others, found[len(leaves) :]):
                slopes[optimizer.places[v]] += slope
            optimizer.add_to_gradients(slopes)

        return Result(L.data, backward)

    def _loss_of(self, predictions: list[Any], y: Rows) -> Any:
        """What the loss makes of them: code of the user's, which may look around, and change things."""
        if not self._loss_is_fixed:
            self.release()
        return self._loss(predictions, y.things)

    def _eager(self, x: Rows, y: Rows, rows: Sequence[int]) -> Any:
        """All on Values, where something is not defined or too large: the engine says what, and in which sample."""
        self.release()
        predictions = []
        for i, sample in zip(rows, x.things):
            try:
                predictions.append(self._model(sample))
            except FAILURES as error:
                error.args = (f"{error}, in sample {i}",)
                raise
        return self._loss(predictions, y.things)

    # ---- programs ----------------------------------------------------------------------------------------------------
    def _prepared(
        self, data: tuple[Table, Table], rows: Sequence[int]
    ) -> "tuple[Rows, Rows, ModelProgram, LossProgram | None]":
        """A batch, the program of the model for it, and that of the loss; None where the loss has none."""
        samples, targets = data
        if not self.optimizer.away:
            self._look()
        if not (samples.is_plain and targets.is_plain):
            self.release()  # for what gives them is code of the user's
        x, y = samples.rows(rows), targets.rows(rows)
        if x.numbers is None:
            raise ValueError(f"compiled training takes samples {x.problem}")
        if x.key not in self._models:
            self._models[x.key] = self._model_program(x)
        model, program = self._models[x.key], self._program_of((x.key, y.key, len(x)), x, y)
        if program is None and y.is_all:  # it looks at targets that will come again
            program = self._program_of((x.key, id(targets), targets.version()), x, y, are_fixed=True)
        if not self.optimizer.away:
            self.optimizer.read()
        return x, y, model, program

    def _program_of(self, key: Any, x: Rows, y: Rows, are_fixed: bool = False) -> "LossProgram | None":
        if key not in self._losses:
            self._losses[key] = self._loss_program(self._models[x.key], x, y, are_fixed)
        return self._losses[key]

    def _look(self) -> None:
        """Code of the user's may have run, and changed anything."""
        seen = self._seen()
        if seen.difference(self._snapshot):
            self._begin(seen)
        for table in {*self._data, *self._other_data}:
            table.read_again()

    def _traced(self, f: Callable[[list[Value]], list[Any]], inputs: Numbers, owner: Any) -> Traced:
        """The tape of a function. What its first call sets up for those that follow is no change."""
        self.release()
        name = getattr(owner, "__name__", type(owner).__name__)
        before = Snapshot(owner)
        if before.reads(self._moves, "steps", "lr", "states", "state_dict"):
            raise RecordingError(
                f"{name} looks at the optimizer, which a program cannot replay: it changes at each step"
            )
        for _ in range(2):
            trace = traced(f, name, inputs, owner)
            after = Snapshot(owner)
            changed = after.difference(before)
            if not changed:
                self.optimizer.add(trace.parameters)
                return trace
            before, self._snapshot = after, self._seen()
        raise RecordingError(
            f"{changed} changes each time {name} is called, which a program cannot replay: compute it from what it is "
            "called with, or train without compile"
        )

    def _model_program(self, x: Rows) -> "ModelProgram":
        predict = Predict(self._model, x.structure)
        inputs = [(f"x{label}", number) for label, number in x.example(0)]
        trace = self._traced(predict, inputs, self._model)
        for i in trace.frozen:
            raise RecordingError(
                f"the model uses {inputs[i][0]}, an int, to count or to index, which is then the same for all samples: "
                "take(table, i) chooses for each one"
            )
        count, first = len(predict.labels), len(x.labels)

        def weighted(leaves: list[Value]) -> list[Any]:
            """Its gradient is that of a loss which has the weights as its slopes."""
            return [dot(predict(leaves[:first]), leaves[first:])]

        weights = [(f"slopes[{i}]", 0.0) for i in range(count)]
        pull_back = self._traced(weighted, [*inputs, *weights], self._model)
        return ModelProgram(predict, *[Recorded(t, self.optimizer) for t in (trace, pull_back)])

    def _loss_program(self, model: "ModelProgram", x: Rows, y: Rows, are_fixed: bool) -> "LossProgram | None":
        """None for a loss that looks at its numbers, or changes from call to call, or has too many of them.

        Where the targets `are_fixed`, the program is for these alone, and the loss may look at them.
        """
        n, loss, prediction, target = len(x), self._loss, model.prediction, y.structure
        if n * model.count > MOST_TRACED or (y.numbers is None and not are_fixed):
            return None
        predictions = [(f"predictions[{i}]{label}", 0.0) for i in range(n) for label in model.labels]
        targets = [] if are_fixed else [(f"targets[{i}]{label}", t) for i in range(n) for label, t in y.example(i)]
        these = y.things if are_fixed else None

        def of_numbers(leaves: list[Value]) -> list[Any]:
            numbers = iter(leaves)
            predictions = [together(prediction, numbers) for _ in range(n)]
            L = loss(predictions, these or [together(target, numbers) for _ in range(n)])
            if not isinstance(L, Value):
                raise TypeError("it is computed on Values, where this is told")
            return [L]

        try:
            trace = self._traced(of_numbers, [*predictions, *targets], loss)
        except Exception:
            return None
        return None if trace.frozen else LossProgram(model, Recorded(trace, self.optimizer), n)


# ---- what they are made of -------------------------------------------------------------------------------------------
class Predict:
    """A model as a function of the numbers of a sample; `structure` and `labels` are those of its last prediction."""

    def __init__(self, model: Callable[[Any], Any], sample: Structure) -> None:
        self._model, self._sample = model, sample

    def __call__(self, leaves: list[Value]) -> list[Any]:
        numbers: Numbers = []
        self.structure = apart(self._model(together(self._sample, iter(leaves))), "", numbers)
        self.labels = [label for label, _ in numbers]
        return [y for _, y in numbers]


@dataclass(frozen=True)
class Slot:
    """Where the numbers of a block stand among others: `cells` is a slice or an index."""

    block: Block
    cells: Any

    def of(self, numbers: Array) -> Array:
        """Those of the block; of a table, for each of its rows."""
        found = numbers[..., self.cells].reshape((*numbers.shape[:-1], *self.block.shape))
        return found if self.block.kind != "index" else _whole(found)


def _whole(numbers: Array) -> Array:
    found = numbers.astype(np.intp)
    if (found != numbers).any() or (found < 0).any():
        raise IndexError  # of what no array has, or has at its end: the engine knows
    return found


def slots(blocks: Sequence[Block], places: Sequence[tuple[Block, int]], numbers: Sequence[int]) -> list[Slot]:
    """For blocks in whose cells, the `places`, stand the numbers of these positions."""
    cells = {block: np.zeros(block.size, int) for block in blocks}
    for (block, cell), i in zip(places, numbers):
        if block in cells:
            cells[block][cell] = i
    return [Slot(block, _slice(found)) for block, found in cells.items()]


def _slice(cells: Array) -> Any:
    start, stop = int(cells[0]), int(cells[0]) + len(cells)
    return slice(start, stop) if (cells == np.arange(start, stop)).all() else cells


class Recorded:
    """A traced function as a program; where its arguments stand among the numbers that it is given, and its parameters
    among the leaves of a descent."""

    def __init__(self, trace: Traced, descent: Descent) -> None:
        self.program = rolled(trace.tape)
        self.first, places = len(trace.tape.inputs), self.program.places
        self.arguments = slots(self.program.inputs, places[: self.first], range(self.first))
        leaves = [descent.places[v] for v in trace.parameters]
        self.parameters = slots(self.program.parameters, places[self.first :], leaves)


class Executable:
    """A program with its gradients in the parameters, and what runs it.

    `run` and `run_forward` return None where something is not defined or too large.
    """

    def __init__(self, program: Program, parameters: Sequence[Slot]) -> None:
        self.program, self._parameters = program, parameters

    @cached_property
    def _forward(self) -> Callable[..., Sequence[Any]]:
        return function(self.program)

    @cached_property
    def _function(self) -> Callable[..., Sequence[Any]]:
        return function(differentiated(self.program, self.program.parameters))

    def outputs(self, inputs: Callable[[], list[Array]], at: Array) -> Sequence[Any] | None:
        """The outputs, without gradients; the parameters are those `at` a place."""
        return self._run(self._forward, inputs, at)

    def value_and_slopes(self, inputs: Callable[[], list[Array]], at: Array) -> tuple[Any, Array] | None:
        """The first output, and its gradient in all leaves of the descent."""
        found = self._run(self._function, inputs, at)
        if found is None:
            return None
        slopes = np.zeros(len(at))
        for slot, slope in zip(self._parameters, found[len(self.program.outputs) :]):
            slopes[slot.cells] += np.ravel(slope)  # or one number for all
        return found[0], slopes

    def _run(
        self, f: Callable[..., Sequence[Any]], inputs: Callable[[], list[Array]], at: Array
    ) -> Sequence[Any] | None:
        try:
            with np.errstate(all="raise", under="ignore"):
                found: Sequence[Any] = f(*inputs(), *[slot.of(at) for slot in self._parameters])
                return found
        except (*FAILURES, IndexError):
            return None


class ModelProgram:
    """A model for any number of samples, and what takes a loss's gradient in its predictions back to its parameters.

    A prediction has `count` numbers.
    """

    def __init__(self, predict: Predict, forward: Recorded, pull_back: Recorded) -> None:
        self.prediction, self.labels, self.count = predict.structure, predict.labels, len(predict.labels)
        self.program, self.inputs = with_samples(forward.program, forward.program.inputs), forward.arguments
        self.parameters = forward.parameters
        self._forward = Executable(self.program, forward.parameters)
        self._inputs_and_slopes = pull_back.arguments
        program = with_samples(pull_back.program, pull_back.program.inputs)
        self._pull_back = Executable(program, pull_back.parameters)

    def predict(self, x: Rows, at: Array) -> Array | None:
        """The numbers of all predictions, a row for each sample."""
        found = self._forward.outputs(lambda: [slot.of(x.numbers) for slot in self.inputs], at)
        if found is None:
            return None
        columns = []
        for output, y in zip(self.program.outputs, found):
            is_for_each = isinstance(output.access, Access) and output.access.block.samples
            shape = (len(x), *output.shape)
            columns.append((y if is_for_each else np.broadcast_to(y, shape)).reshape(len(x), -1))
        return np.concatenate(columns, axis=1)

    def predictions(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """What the model returns, made of these numbers or Values."""
        return [together(self.prediction, iter(row)) for row in rows]

    def slopes(self, x: Rows, of_predictions: Array, at: Array) -> Array | None:
        """The gradient in all leaves of a loss that has this gradient in the predictions."""
        table = np.concatenate((x.numbers, of_predictions), axis=1)
        found = self._pull_back.value_and_slopes(lambda: [slot.of(table) for slot in self._inputs_and_slopes], at)
        return None if found is None else found[1]


class LossProgram:
    """A model and a loss in one, for a batch of one size."""

    def __init__(self, model: ModelProgram, loss: Recorded, n: int) -> None:
        program = joined(model.program, loss.program, n)
        self._executable = Executable(program, [*model.parameters, *loss.parameters])
        self._inputs = model.inputs
        targets = loss.program.places[n * model.count : loss.first]
        blocks = dict.fromkeys([block for block, _ in targets])
        self._targets = slots([*blocks], targets, range(len(targets)))

    def value(self, x: Rows, y: Rows, at: Array) -> float | None:
        found = self._executable.outputs(lambda: self._leaves(x, y), at)
        return None if found is None or not isfinite(found[0]) else float(found[0])

    def value_and_slopes(self, x: Rows, y: Rows, at: Array) -> tuple[float, Array] | None:
        found = self._executable.value_and_slopes(lambda: self._leaves(x, y), at)
        return None if found is None or not isfinite(found[0]) else (float(found[0]), found[1])

    def _leaves(self, x: Rows, y: Rows) -> list[Array]:
        leaves = [slot.of(x.numbers) for slot in self._inputs]
        if self._targets:
            targets = y.numbers.ravel()
            leaves += [slot.of(targets) for slot in self._targets]
        return leaves
