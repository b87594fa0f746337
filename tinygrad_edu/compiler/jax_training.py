"""Training on JAX: `fit(compile="jax")` runs many steps in one program of JAX, with the optimizer's formula inside.

The samples are spread over all devices of all processes, the parameters are on each of them. JAX's compiler inserts
what the devices have to tell one another: a program says what the loss of the whole batch is, and nothing of devices.

The programs are those of `training.py`, and so is all that is done one step at a time: where the loss has no program,
where the optimizer is the user's own, and where a number is not finite, which NumPy and the engine then name. Which
batches there are, and what is looked at between the steps, is left to `train/fit.py`; how processes notice that one of
them has ended, to `jax_processes.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tinygrad_edu.optim import Optimizer

from ._pieces import Pieces
from ._snapshot import Snapshot
from .backends.jax import make_function
from .jax_processes import meet_processes, wait_for_processes
from .training import Array, ArrayTraining, BatchProgram, ModelProgram, Slot, Steps

# That many steps run before anybody looks at Ctrl-C, or at the progress bar.
MOST_STEPS = 100
SAMPLES, NOTHING = PartitionSpec("samples"), PartitionSpec()  # type: ignore[no-untyped-call]
NO_INDEX = 2**31 - 1


class JaxTraining(ArrayTraining):
    """A run of `fit` on JAX, in double precision whatever is set; `Executor` says what its methods are for."""

    most_steps = MOST_STEPS
    _backend = "jax"
    _on_device: "tuple[Array, Array, Any, Any] | None" = None  # x, y, and the same as arrays of JAX

    def __init__(self, *ingredients: Any) -> None:
        mesh = Mesh(np.array(jax.devices()), ("samples",))
        self._spread, self._replicated = (NamedSharding(mesh, spec) for spec in (SAMPLES, NOTHING))
        self._has_weights = mesh.size > 1  # samples that do not divide are filled up with some of weight 0
        self.writes = jax.process_index() == 0
        meet_processes()
        super().__init__(*ingredients)

    def _begin(self, seen: Snapshot) -> None:
        super()._begin(seen)
        self._functions: dict[tuple[BatchProgram, int], tuple[dict[str, Any], _Function]] = {}

    def try_steps(self, batches: Sequence[Sequence[int]]) -> Steps | None:
        """Steps on batches of one size, in one program; None where they have to be taken one by one."""
        if not all(data.is_plain for data in self._data):  # code of the user's gives the samples, batch by batch
            return None
        _, _, program = self._prepare(self._data, batches[0])
        state = self.optimizer.state
        if state is None or isinstance(program, ModelProgram):
            return None
        optimizer = self._optimizer
        rates = np.array([optimizer.lr_of(optimizer.steps + i) for i in range(len(batches))])
        rows = np.array([[*rows] for rows in batches])
        weights = np.ones(rows.shape)
        if program.has_weights:
            fill = [(0, 0), (0, -rows.shape[1] % self._spread.mesh.size)]  # so that all devices get as many
            rows, weights = np.pad(rows, fill), np.pad(weights, fill)
        with jax.enable_x64(True), wait_for_processes():
            function, sizes = self._get_function(program, len(batches[0]))
            numbers, gradients, states = state
            states = tuple([np.broadcast_to(s, size) for s, size in zip(states, sizes)])
            arguments: Any = rows, weights, rates, (numbers, gradients, states)
            if self._spread.mesh.size > 1:  # else JAX puts them on the device by itself, and sooner
                arguments = jax.tree.map(self._replicate, arguments)
            found = function(*self._put_on_device(), *arguments)
            losses, (numbers, gradients, states) = jax.tree.map(np.array, found)  # waits for all of them
        if not all(np.isfinite(a).all() for a in (losses, numbers, gradients, *states)):
            return None
        states = tuple([a if len(a) > 1 else float(a[0]) for a in states])
        return Steps(losses.tolist(), lambda: self.optimizer.take_state(numbers, gradients, states, len(batches)))

    def is_wanted_anywhere(self, wanted: bool) -> bool:
        """Whether one of the processes wants it."""
        if jax.process_count() == 1:
            return wanted
        with wait_for_processes():
            return bool(np.any(process_allgather(np.array(wanted))))

    def _put_on_device(self) -> tuple[Any, Any]:
        """All samples and targets as arrays of JAX, which stay on the devices for as long as they are the same."""
        x, y = (data.all_numbers for data in self._data)
        y = np.zeros((len(x), 0)) if y is None else y  # the program has these targets in it
        before = self._on_device or (None, None)
        if not all(a is b or np.array_equal(a, b) for a, b in zip(before, (x, y))):
            self._on_device = x, y, self._share_out(x), self._share_out(y)
        assert self._on_device
        return self._on_device[2:]

    def _share_out(self, table: Array) -> Any:
        """The rows as an array of all processes, of which each one reads its share, and puts it on its devices."""
        n = len(table) + -len(table) % self._spread.mesh.size

        def read(index: Any) -> Array:
            start, stop, _ = index[0].indices(n)
            return np.pad(table[start:stop], [(0, max(0, stop - max(start, len(table)))), (0, 0)])

        return jax.make_array_from_callback((n, *table.shape[1:]), self._spread, read)

    def _replicate(self, table: Array) -> Any:
        """A small array that each device has."""
        return jax.make_array_from_callback(table.shape, self._replicated, lambda index: table[index])

    def _get_function(self, program: BatchProgram, n: int) -> "_Function":
        """The function of many steps on n samples; another one where a number of the optimizer's has been changed.

        With it the sizes of the arrays of the optimizer's state, as they are after a step. What is one number for all
        parameters, as the count of Adam's updates, is an array of one: JAX can reuse its memory.
        """
        changing = ("params", "states", "steps", "schedule")
        settings = {name: x for name, x in vars(self._optimizer).items() if name not in changing}
        before, function = self._functions.get((program, n), (None, None))
        if function is None or before != settings:
            steps = make_steps(program, self._optimizer, n, self._spread)
            one = np.zeros(len(self._optimizer.params))
            states = (0.0,) * len(self._optimizer.buffers)
            _, after = jax.eval_shape(self._optimizer.decay_and_update, one, one, 0.0, states)
            sizes = [state.size for state in after]
            function = jax.jit(steps, donate_argnums=5, out_shardings=self._replicated), sizes
            self._functions[program, n] = settings, function
        return function


_Function: TypeAlias = tuple[Callable[..., Any], list[int]]


def make_steps(program: BatchProgram, optimizer: Optimizer, n: int, spread: NamedSharding) -> Callable[..., Any]:
    """A function of JAX that takes one step after another: it returns the losses, and what the steps have led to.

    Its arguments are all samples and targets, a row of numbers each; the rows of each batch, and their weights, of
    which n are 1; the learning rate of each step; and the state of an `ArrayOptimizer`.
    """
    executable, count = program.executable, len(optimizer.params)
    run = make_function(executable.with_gradients)

    def take_steps(x: Any, y: Any, rows: Any, weights: Any, rates: Any, state: Any) -> Any:
        numbers, gradients, states = state
        pieces, others = Pieces(executable.parameters, count, len(numbers)), numbers[count:]

        def take_step(state: Any, step: Any) -> Any:
            (parameters, _, of_others, states), (rows, weights, rate) = state, step
            batch = x[rows], y[rows], weights
            if program.has_weights:
                batch = jax.lax.with_sharding_constraint(batch, spread)  # type: ignore[no-untyped-call]
            tables = program.tables(*batch[:2], jnp, batch[2])
            inputs = [_read(slot, table) for slots, table in zip(executable.inputs, tables) for slot in slots]
            found = run(*inputs, *pieces.read(parameters, others))
            in_pieces = pieces.collect(found[len(executable.program.outputs) :])
            combined = [program.combine(found[0], slope, n) for slope in in_pieces]
            *slopes, more = [slope for _, slope in combined]
            updated = [optimizer.decay_and_update(θ, g, rate, s) for θ, g, s in zip(parameters, slopes, states)]
            parameters, states = (list(part) for part in zip(*updated))
            return (parameters, slopes, of_others + more, states), combined[0][0]

        lengths, columns = [len(column) for column in states], [pieces.split(column) for column in states]
        start = (
            pieces.split(numbers),
            pieces.split(gradients),
            gradients[count:],
            [tuple([column[i] for column in columns]) for i in range(len(pieces))],
        )
        (parameters, slopes, of_others, states), losses = jax.lax.scan(take_step, start, (rows, weights, rates))
        numbers = jnp.concatenate((pieces.join(parameters, count), others))
        gradients = jnp.concatenate((pieces.join(slopes, count), of_others))
        columns = [pieces.join(column, length) for column, length in zip(zip(*states), lengths)]
        return losses, (numbers, gradients, tuple(columns))

    return take_steps


def _read(slot: Slot, table: Any) -> Any:
    """The numbers of a block, as `Slot.read` finds them; what is no index becomes one that no table has."""
    found = table[..., slot.columns].reshape((*table.shape[:-1], *slot.block.shape))
    if slot.block.kind != "index":
        return found
    return jnp.where((found == jnp.floor(found)) & (found >= 0), found, NO_INDEX).astype(int)
