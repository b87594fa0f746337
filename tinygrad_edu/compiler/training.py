"""Compiled training: `fit(compile=True)` runs programs in place of a graph for each batch.

The model is traced for one sample and gets an axis of samples. The loss is traced for as many predictions as a batch
has. Joined and differentiated they are one program. A loss that looks at its numbers is computed on Values, and its
gradient goes back through the model's program. A loss of this package is a mean or a sum over the samples: that needs
no predictions of a whole batch, and one program of a sample, model and loss in one, is for batches of any size.

Meanwhile parameters and the optimizer's state are arrays, as `_array_optimizer.py` says. Before code of the user's
runs, the Values get their numbers; after it `_snapshot.py` says whether anything has changed that the programs were
made of. How samples become numbers is left to `_data_rows.py`, the loop over batches to `train/fit.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu._parts import name_of
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value, make_constant
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.functional import dot
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.losses import find_reduction
from tinygrad_edu.modes import no_grad
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.optim import Optimizer

from . import backends
from ._array_optimizer import ArrayOptimizer
from ._data_rows import DataRows, Rows
from ._join import join_programs
from ._runner import items_by_block
from ._snapshot import Snapshot
from ._structure import Numbers, Structure, join_numbers, split_numbers
from .program import Access, Block, Program
from .roll import roll
from .samples import with_samples
from .trace import RecordingError, Traced, trace_function
from .vjp import differentiate

Array = Any  # of NumPy

# A loss is traced for so many numbers of predictions. That takes three times as long as to compute it on Values.
MOST_TRACED = 100_000


class LossValue(NamedTuple):
    """A loss: its number, and a function that adds its gradients to those of the leaves."""

    data: float
    backward: Callable[[], None]


class Steps(NamedTuple):
    """Some steps: the loss before each of them, and a function that gives the run what they have led to."""

    losses: list[float]
    accept: Callable[[], None]


class ArrayTraining:
    """A run of `fit` on arrays; `Executor` in `train/fit.py` says what its methods are for.

    Samples are numbers, or sequences of numbers nested to any depth, all of one shape: else `ValueError`. A model that
    looks at its numbers, draws random ones, or keeps something from call to call is a `RecordingError`. What model and
    loss raise is raised.
    """

    most_steps = 1  # that `try_steps` takes
    writes = True  # whether this process writes the checkpoints
    _backend = "numpy"
    _has_weights = False  # whether each sample has a weight, 0 or 1

    def __init__(
        self,
        model: Callable[[Any], Any],
        loss: Callable[[Sequence[Any], Sequence[Any]], Any],
        optimizer: Optimizer,
        X: Sequence[Any],
        y: Sequence[Any],
    ) -> None:
        self._model, self._loss, self._optimizer = model, loss, optimizer
        self._data = self._other_data = DataRows(X), DataRows(y)
        self._begin(self._take_snapshot())

    def _take_snapshot(self) -> Snapshot:
        """All that the programs are made of."""
        return Snapshot(self._model, self._loss, self._optimizer.params)

    def _begin(self, seen: Snapshot) -> None:
        """Starts afresh: something has changed that the programs were made of."""
        self.optimizer = ArrayOptimizer(self._optimizer)
        self._snapshot = seen
        self._loss_is_fixed = Snapshot(self._loss).is_fixed
        self._models: dict[Any, ModelProgram] = {}
        self._losses: dict[Any, LossProgram | None] = {}
        self._sample_losses: dict[Any, SampleLossProgram | None] = {}

    def numbers(self) -> list[float]:
        """The numbers of the optimizer's parameters."""
        self.optimizer.write()
        return [to_float(p.data, f"parameter {p.label or i}") for i, p in enumerate(self._optimizer.params)]

    def write_back(self) -> None:
        """Gives all numbers to the Values and the optimizer."""
        self.optimizer.write()

    def release(self) -> None:
        """Gives all numbers back, as somebody may change them now."""
        self.optimizer.release()

    def is_wanted_anywhere(self, wanted: bool) -> bool:
        """Whether one of the processes wants it: here there is one."""
        return wanted

    # ---- losses ------------------------------------------------------------------------------------------------------
    def try_steps(self, batches: Sequence[Sequence[int]]) -> "Steps | None":
        """Steps in one program: here there is none."""
        return None

    def loss(self, rows: Sequence[int]) -> Any:
        """The loss on these rows of the data; a plain number where it does not depend on any Value."""
        x, y, program = self._prepare(self._data, rows)
        if isinstance(program, ModelProgram):
            return self._loss_on_values(x, y, program, rows)
        found = program.value_and_slopes(x, y, self.optimizer.numbers)
        if found is None:
            return self._eager(x, y, rows)
        value, slopes = found
        return LossValue(value, lambda: self.optimizer.add_to_gradients(slopes))

    def use(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        """From now on rows are those of this data, a batch that comes once."""
        self._data = DataRows(X, comes_once=True), DataRows(y, comes_once=True)

    def evaluate(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """The loss on other data, as a plain number."""
        if self._other_data[0].things is not X or self._other_data[1].things is not y:
            self._other_data = DataRows(X), DataRows(y)
        rows = range(len(X))
        x, targets, program = self._prepare(self._other_data, rows)
        with no_grad():
            loss: Any = None
            if not isinstance(program, ModelProgram):
                loss = program.value(x, targets, self.optimizer.numbers)
            elif (numbers := program.predict(x, self.optimizer.numbers)) is not None:
                constants = [[make_constant(p) for p in row] for row in numbers]
                loss = self._call_loss(program.predictions(constants), targets)
            if loss is None:
                loss = self._eager(x, targets, rows)
        return to_float(loss.data if isinstance(loss, Value) else loss, "the loss")

    def _loss_on_values(self, x: Rows, y: Rows, model: "ModelProgram", rows: Sequence[int]) -> Any:
        """The loss computed on Values, from what the model's program predicts."""
        optimizer, at = self.optimizer, self.optimizer.numbers
        numbers = model.predict(x, at)
        if numbers is None:
            return self._eager(x, y, rows)
        predicted = [[Value(p) for p in row] for row in numbers]
        L = self._call_loss(model.predictions(predicted), y)
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

        return LossValue(L.data, backward)

    def _call_loss(self, predictions: list[Any], y: Rows) -> Any:
        """Calls the loss: code of the user's, which may look at anything, and change it."""
        if not self._loss_is_fixed:
            self.release()
        return self._loss(predictions, y.things)

    def _eager(self, x: Rows, y: Rows, rows: Sequence[int]) -> Any:
        """The loss, all on Values: where something is not defined or too large, the engine says what and where."""
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
    def _prepare(
        self, data: tuple[DataRows, DataRows], rows: Sequence[int]
    ) -> "tuple[Rows, Rows, BatchProgram | ModelProgram]":
        """A batch, and a program for it; that of the model where the loss has none."""
        samples, targets = data
        if not self.optimizer.away:
            self._look_for_changes()
        if not (samples.is_plain and targets.is_plain):
            self.release()  # for what gives them is code of the user's
        x, y = samples.rows(rows), targets.rows(rows)
        if x.numbers is None:
            raise ValueError(f"compiled training takes samples {x.problem}")
        key = x.key, y.key
        if key not in self._sample_losses:
            self._sample_losses[key] = self._make_sample_loss_program(x, y)
        program = self._sample_losses[key] or self._prepare_batch(targets, x, y)
        if not self.optimizer.away:
            self.optimizer.read()
        return x, y, program

    def _prepare_batch(self, targets: DataRows, x: Rows, y: Rows) -> "LossProgram | ModelProgram":
        """The program for batches of this size, or that of the model."""
        if x.key not in self._models:
            self._models[x.key] = self._make_model_program(x)
        program = self._get_loss_program((x.key, y.key, len(x)), x, y)
        if program is None and y.is_all:  # it looks at targets that will come again
            program = self._get_loss_program((x.key, id(targets), targets.version()), x, y, are_fixed=True)
        return program or self._models[x.key]

    def _get_loss_program(self, key: Any, x: Rows, y: Rows, are_fixed: bool = False) -> "LossProgram | None":
        if key not in self._losses:
            self._losses[key] = self._make_loss_program(self._models[x.key], x, y, are_fixed)
        return self._losses[key]

    def _look_for_changes(self) -> None:
        """Looks for changes: code of the user's may have run."""
        seen = self._take_snapshot()
        if seen.difference(self._snapshot):
            self._begin(seen)
        for table in {*self._data, *self._other_data}:
            table.read_again()

    def _trace(self, f: Callable[[list[Value]], list[Any]], inputs: Numbers, owner: Any) -> Traced:
        """Traces a function. What its first call sets up for those that follow is no change."""
        self.release()
        name = name_of(owner)
        before = Snapshot(owner)
        if before.reads(self._optimizer, "steps", "lr", "states", "state_dict"):
            raise RecordingError(
                f"{name} looks at the optimizer, which a program cannot replay: it changes at each step"
            )
        for _ in range(2):
            trace = trace_function(f, name, inputs, owner)
            after = Snapshot(owner)
            changed = after.difference(before)
            if not changed:
                self.optimizer.add(trace.parameters)
                return trace
            before, self._snapshot = after, self._take_snapshot()
        raise RecordingError(
            f"{changed} changes each time {name} is called, which a program cannot replay: compute it from what it is "
            "called with, or train without compile"
        )

    def _make_model_program(self, x: Rows) -> "ModelProgram":
        predict = Predict(self._model, x.structure)
        inputs = [(f"x{label}", number) for label, number in x.example(0)]
        trace = self._trace(predict, inputs, self._model)
        for i in trace.frozen:
            raise RecordingError(
                f"the model uses {inputs[i][0]}, an int, to count or to index, which is then the same for all samples: "
                "take(table, i) chooses for each one"
            )
        count, first = len(predict.labels), len(x.labels)

        def weighted(leaves: list[Value]) -> list[Any]:
            """Has the gradient of a loss whose slopes are the weights."""
            return [dot(predict(leaves[:first]), leaves[first:])]

        weights = [(f"slopes[{i}]", 0.0) for i in range(count)]
        pull_back = self._trace(weighted, [*inputs, *weights], self._model)
        return ModelProgram(predict, *[self._traced_program(t) for t in (trace, pull_back)])

    def _traced_program(self, trace: Traced) -> "TracedProgram":
        return TracedProgram(trace, self.optimizer, self._backend)

    @staticmethod
    def _targets(y: Rows, n: int) -> Numbers:
        """The numbers of the first n targets, with their labels."""
        return [(f"targets[{i}]{label}", t) for i in range(n) for label, t in y.example(i)]

    def _make_sample_loss_program(self, x: Rows, y: Rows) -> "SampleLossProgram | None":
        """The program of the loss of one sample, where that of a batch is their mean or their sum; else None."""
        reduction = find_reduction(self._loss)
        if not reduction or y.numbers is None:
            return None
        inputs = [*[(f"x{label}", number) for label, number in x.example(0)], *self._targets(y, 1)]
        inputs += [("weight", 1.0)] * self._has_weights
        model, loss, has_weights = self._model, self._loss, self._has_weights

        def of_sample(leaves: list[Value]) -> list[Any]:
            numbers = iter(leaves)
            prediction = model(join_numbers(x.structure, numbers))
            L = loss([prediction], [join_numbers(y.structure, numbers)])
            return [next(numbers) * L if has_weights else L]

        try:
            trace = self._trace(of_sample, inputs, model)
        except Exception:
            return None  # the program of the model, or the engine, will say what it is
        if trace.frozen:
            return None
        program = SampleLossProgram(self._traced_program(trace), reduction, self._has_weights)
        return program if program.has_samples else None

    def _make_loss_program(self, model: "ModelProgram", x: Rows, y: Rows, are_fixed: bool) -> "LossProgram | None":
        """The program of the loss; None if the loss looks at its numbers, changes with each call, or has too many.

        Where the targets `are_fixed`, the program is for these alone, and the loss may look at them.
        """
        n, loss, prediction, target = len(x), self._loss, model.prediction, y.structure
        if n * model.count > MOST_TRACED or (y.numbers is None and not are_fixed):
            return None
        predictions = [(f"predictions[{i}]{label}", 0.0) for i in range(n) for label in model.labels]
        targets = [] if are_fixed else self._targets(y, n)
        these = y.things if are_fixed else None

        def of_numbers(leaves: list[Value]) -> list[Any]:
            numbers = iter(leaves)
            predictions = [join_numbers(prediction, numbers) for _ in range(n)]
            L = loss(predictions, these or [join_numbers(target, numbers) for _ in range(n)])
            if not isinstance(L, Value):
                raise TypeError("it is computed on Values, where this is told")
            return [L]

        try:
            trace = self._trace(of_numbers, [*predictions, *targets], loss)
        except Exception:
            return None
        return None if trace.frozen else LossProgram(model, self._traced_program(trace), n)


# ---- what they are made of -------------------------------------------------------------------------------------------
class Predict:
    """A model as a function of the numbers of a sample; `structure` and `labels` are those of its last prediction."""

    def __init__(self, model: Callable[[Any], Any], sample: Structure) -> None:
        self._model, self._sample = model, sample

    def __call__(self, leaves: list[Value]) -> list[Any]:
        """The numbers of the prediction."""
        numbers: Numbers = []
        prediction = self._model(join_numbers(self._sample, iter(leaves)))
        self.structure = split_numbers(prediction, "", numbers, arrays_hold_samples=False)
        self.labels = [label for label, _ in numbers]
        return [y for _, y in numbers]


@dataclass(frozen=True)
class Slot:
    """Where the numbers of a block stand in a table: `columns` is a slice, or an index."""

    block: Block
    columns: Any

    def read(self, table: Array) -> Array:
        """The numbers of the block, for each row of the table. Raises `IndexError` for what is no index."""
        found = table[..., self.columns].reshape((*table.shape[:-1], *self.block.shape))
        if self.block.kind != "index":
            return found
        indices = found.astype(np.intp)
        if (indices != found).any() or (indices < 0).any():
            raise IndexError  # no list has it, or has it at its end: the engine knows
        return indices


def find_slots(blocks: Sequence[Block], places: Sequence[tuple[Block, int]], columns: Sequence[int]) -> list[Slot]:
    """The slots of blocks; `places` says in which block and cell the number of each column stands."""
    slots = []
    for block, row in zip(blocks, items_by_block(blocks, places, columns)):
        start, stop = row[0], row[0] + len(row)
        slots.append(Slot(block, slice(start, stop) if row == [*range(start, stop)] else np.array(row)))
    return slots


class TracedProgram:
    """A traced function as a program for a backend, with the slots of its arguments and of its parameters.

    Arguments stand in a table of their own, parameters among the leaves of the optimizer.
    """

    def __init__(self, trace: Traced, optimizer: ArrayOptimizer, backend: str) -> None:
        self.program, self.backend = roll(trace.tape), backend
        self.first, places = len(trace.tape.inputs), self.program.places
        self.arguments = find_slots(self.program.inputs, places[: self.first], range(self.first))
        leaves = [optimizer.places[v] for v in trace.parameters]
        self.parameters = find_slots(self.program.parameters, places[self.first :], leaves)


class Executable:
    """A program, and the same with its gradients in the parameters; `inputs` are its slots in each of some tables."""

    def __init__(
        self, program: Program, inputs: Sequence[Sequence[Slot]], parameters: Sequence[Slot], backend: str
    ) -> None:
        self.program, self.inputs, self.parameters = program, inputs, parameters
        self._make_function = backends.choose(backend) or partial(backends.make_function, language=backend)
        self._with_gradients: Program | None = None  # made when needed, as the functions are
        self._functions: dict[bool, Callable[..., Sequence[Any]]] = {}  # by whether they give the gradients, too

    @property
    def with_gradients(self) -> Program:
        """The program whose outputs are the gradients, too."""
        if self._with_gradients is None:
            self._with_gradients = differentiate(self.program, self.program.parameters)
        return self._with_gradients

    def _function(self, with_gradients: bool) -> Callable[..., Sequence[Any]]:
        if with_gradients not in self._functions:
            self._functions[with_gradients] = self._make_function(
                self.with_gradients if with_gradients else self.program
            )
        return self._functions[with_gradients]

    def outputs(self, tables: Sequence[Array], at: Array) -> Sequence[Any] | None:
        """The outputs at those numbers of all leaves; None where something is not defined or too large."""
        return self._run(self._function(with_gradients=False), tables, at)

    def value_and_slopes(self, tables: Sequence[Array], at: Array) -> tuple[Any, Array] | None:
        """The first output, and its gradient in all leaves; None as for `outputs`."""
        found = self._run(self._function(with_gradients=True), tables, at)
        if found is None:
            return None
        slopes = np.zeros(len(at))
        for slot, slope in zip(self.parameters, found[len(self.program.outputs) :]):
            slopes[slot.columns] += np.ravel(slope)  # or one number for all
        return found[0], slopes

    def _run(self, f: Callable[..., Sequence[Any]], tables: Sequence[Array], at: Array) -> Sequence[Any] | None:
        try:
            with np.errstate(all="raise", under="ignore"):
                inputs = [slot.read(table) for slots, table in zip(self.inputs, tables) for slot in slots]
                return f(*inputs, *[slot.read(at) for slot in self.parameters])
        except (*FAILURES, IndexError):
            return None


class ModelProgram:
    """A model for any number of samples, and what takes a loss's gradient in its predictions back to its parameters.

    A prediction has `count` numbers.
    """

    def __init__(self, predict: Predict, forward: TracedProgram, pull_back: TracedProgram) -> None:
        self.prediction, self.labels, self.count = predict.structure, predict.labels, len(predict.labels)
        self.forward, self._pull_back = (
            Executable(
                with_samples(traced.program, traced.program.inputs),
                [traced.arguments],
                traced.parameters,
                traced.backend,
            )
            for traced in (forward, pull_back)
        )

    def predict(self, x: Rows, at: Array) -> Array | None:
        """The numbers of all predictions, a row for each sample."""
        found = self.forward.outputs([x.numbers], at)
        if found is None:
            return None
        columns = []
        for output, y in zip(self.forward.program.outputs, found):
            has_samples = isinstance(output.access, Access) and output.access.block.samples
            shape = (len(x), *output.shape)
            columns.append((y if has_samples else np.broadcast_to(y, shape)).reshape(len(x), -1))
        return np.concatenate(columns, axis=1)

    def predictions(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """What the model returns, made of these numbers or Values."""
        return [join_numbers(self.prediction, iter(row)) for row in rows]

    def slopes(self, x: Rows, of_predictions: Array, at: Array) -> Array | None:
        """The gradient in all leaves of a loss that has this gradient in the predictions."""
        found = self._pull_back.value_and_slopes([np.concatenate((x.numbers, of_predictions), axis=1)], at)
        return None if found is None else found[1]


class SampleLossProgram:
    """A model and a loss in one, for any number of samples: the loss of a batch is the mean or the sum of theirs.

    Where the samples have weights, one of weight 0 does not count. Its functions return None as an `Executable` does.
    """

    def __init__(self, traced: TracedProgram, reduction: str, has_weights: bool) -> None:
        self._is_mean, self.has_weights = reduction == "mean", has_weights
        program = with_samples(traced.program, traced.program.inputs)
        self.executable = Executable(program, [traced.arguments], traced.parameters, traced.backend)
        (output,) = program.outputs
        self.has_samples = isinstance(output.access, Access) and output.access.block.samples

    def losses(self, x: Rows, y: Rows, at: Array) -> Array | None:
        """The loss of each sample."""
        found = self.executable.outputs(self.tables(x.numbers, y.numbers), at)
        return None if found is None else found[0]

    def value(self, x: Rows, y: Rows, at: Array) -> float | None:
        """The loss."""
        losses = self.losses(x, y, at)
        return None if losses is None else _finite_or_none(self._reduce(losses, len(losses)))

    def value_and_slopes(self, x: Rows, y: Rows, at: Array) -> tuple[float, Array] | None:
        """The loss, and its gradient in all leaves."""
        found = self.executable.value_and_slopes(self.tables(x.numbers, y.numbers), at)
        if found is None:
            return None
        loss, slopes = self.combine(*found, len(x))
        return (float(loss), slopes) if isfinite(loss) else None

    def tables(self, x: Array, y: Array, module: Any = np, weights: Array = None) -> list[Array]:
        """The tables of a batch that the program reads; `module` is NumPy or JAX's."""
        if not self.has_weights:
            return [module.concatenate((x, y), axis=1)]
        column = np.ones((len(x), 1)) if weights is None else weights[:, None]
        return [module.concatenate((x, y, column), axis=1)]

    def combine(self, losses: Array, slopes: Array, n: int) -> tuple[Array, Array]:
        """The loss and its gradient, of the losses of n samples and the gradient of their sum."""
        return self._reduce(losses, n), slopes / n if self._is_mean else slopes

    def _reduce(self, losses: Array, n: int) -> Array:
        return losses.sum() / n if self._is_mean else losses.sum()


class LossProgram:
    """A model and a loss in one, for a batch of one size. Its functions return None as an `Executable` does."""

    def __init__(self, model: ModelProgram, loss: TracedProgram, n: int) -> None:
        program = join_programs(model.forward.program, loss.program, n)
        places = loss.program.places[n * model.count : loss.first]
        blocks = [*dict.fromkeys([block for block, _ in places])]
        targets = find_slots(blocks, places, range(len(places)))
        parameters = [*model.forward.parameters, *loss.parameters]
        self.executable = Executable(program, [*model.forward.inputs, targets], parameters, loss.backend)

    def value(self, x: Rows, y: Rows, at: Array) -> float | None:
        """The loss."""
        found = self.executable.outputs(self.tables(x.numbers, y.numbers), at)
        return None if found is None else _finite_or_none(found[0])

    def value_and_slopes(self, x: Rows, y: Rows, at: Array) -> tuple[float, Array] | None:
        """The loss, and its gradient in all leaves."""
        found = self.executable.value_and_slopes(self.tables(x.numbers, y.numbers), at)
        return None if found is None or not isfinite(found[0]) else (float(found[0]), found[1])

    has_weights = False

    def tables(self, x: Array, y: Array, module: Any = np, weights: Array = None) -> list[Array]:
        """The tables of a batch that the program reads; `module` is NumPy or JAX's. There are no weights."""
        return [x, module.ravel(y)]

    def combine(self, loss: Array, slopes: Array, n: int) -> tuple[Array, Array]:
        """The loss and its gradient, which they are already."""
        return loss, slopes


def _finite_or_none(x: Array) -> float | None:
    return float(x) if isfinite(x) else None


BatchProgram = LossProgram | SampleLossProgram
