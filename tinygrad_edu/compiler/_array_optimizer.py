"""An optimizer on arrays: parameters, their gradients and its state, for as long as nobody looks at the Values.

The formulas are those of `optim.py`. An `update` that only computes with its numbers takes arrays of them; one that
looks at its numbers runs on Values, for one parameter after another. When the Values must have their numbers is left to
`training.py`.
"""

from collections.abc import Iterable
from copy import deepcopy
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from tinygrad_edu._interrupts import set_atomically
from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value, add_to_gradients
from tinygrad_edu.optim import Optimizer

from ._reach import RandomStates, Reach
from ._snapshot import Snapshot

Array = Any  # of NumPy


class ArrayOptimizer:
    """An optimizer, the Values that it moves, and others that the loss has gradients in.

    `leaves` are all these Values, those of the optimizer first, and `numbers` is the array of their numbers. Between
    `read` and `release` it is `away` from the Values: then the arrays have the numbers that count.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.leaves: list[Value] = list(optimizer.params)
        self.places = {v: i for i, v in enumerate(self.leaves)}
        self.away = False

    def add(self, leaves: Iterable[Value]) -> None:
        """Adds those Values to the leaves that are not among them yet."""
        new = [v for v in leaves if v not in self.places]
        if new:
            self.release()
            self.leaves += new
            self.places = {v: i for i, v in enumerate(self.leaves)}

    def read(self) -> None:
        """Takes all numbers from the Values and the optimizer: somebody may have set them."""
        optimizer = self.optimizer
        self.numbers = np.array([to_float(v.data, f"parameter {v.label or i}") for i, v in enumerate(self.leaves)])
        self._states = tuple([_to_array(numbers) for numbers in zip(*optimizer.states)])
        self._gradients = np.zeros(len(self.leaves))
        self._has_gradients = False
        own = {"step", "zero_grad", "decay_and_update", "decay", "update"}.intersection(vars(optimizer))
        self._is_ours = type(optimizer).__module__ == Optimizer.__module__ and not own
        self._on_arrays = Snapshot(optimizer.schedule).is_fixed and (self._is_ours or is_elementwise(optimizer))
        self.away = True

    def write(self) -> None:
        """Gives all numbers to the Values and the optimizer; none of them where Ctrl-C comes in between."""
        if not self.away:
            return
        params, n = self.optimizer.params, len(self.optimizer.params)
        changes: list[tuple[object, str, object]] = [(p, "data", x) for p, x in zip(params, self.numbers.tolist())]
        if self._has_gradients:
            slopes = self._gradients.tolist()
            changes += [(p, "grad", g) for p, g in zip(params, slopes)]
            changes += [(v, "grad", (v.grad or 0.0) + g) for v, g in zip(self.leaves[n:], slopes[n:])]
            changes.append((self, "_gradients", np.concatenate((self._gradients[:n], np.zeros(len(slopes) - n)))))
        if self._states:
            columns = [np.broadcast_to(column, n).tolist() for column in self._states]
            changes.append((self.optimizer, "states", [*zip(*columns)]))
        set_atomically(changes)

    def release(self) -> None:
        """Gives all numbers back: somebody may set them now."""
        self.write()
        self.away = False

    # ---- what an optimizer does --------------------------------------------------------------------------------------
    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        return self.optimizer.lr

    @property
    def state(self) -> tuple[Array, Array, tuple[Any, ...]] | None:
        """The numbers and the gradients of all leaves, and what the optimizer remembers of its parameters.

        None where the numbers that count are not here, or where code of the user's is in the update.
        """
        is_here = self.away and self._is_ours and self._on_arrays
        return (self.numbers, self._gradients, self._states) if is_here else None

    def take_state(self, numbers: Array, gradients: Array, states: tuple[Any, ...], steps: int) -> None:
        """Takes over what so many updates have led to."""
        changes: list[tuple[object, str, object]] = [
            (self, "numbers", numbers),
            (self, "_gradients", gradients),
            (self, "_has_gradients", True),
            (self, "_states", states),
            (self.optimizer, "steps", self.optimizer.steps + steps),
        ]
        set_atomically(changes)

    def zero_grad(self) -> None:
        """Sets the gradients of the optimizer's parameters to 0."""
        if self.away and not self._on_arrays:
            self.release()
        if self.away:
            self._gradients[: len(self.optimizer.params)] = 0.0
            self._has_gradients = True
        else:
            self.optimizer.zero_grad()

    def add_to_gradients(self, slopes: Array) -> None:
        """Adds the gradients of all leaves to those that are there, as `backward()` does."""
        if self.away:
            self._gradients = self._gradients + slopes
            self._has_gradients = True
        else:
            add_to_gradients(self.leaves, slopes.tolist())

    def step(self) -> None:
        """Updates the optimizer's parameters by their gradients."""
        if not (self.away and self._step_on_arrays()):
            self.release()
            self.optimizer.step()

    def _step_on_arrays(self) -> bool:
        """Tries the update on arrays. Returns whether it was done; if not, nothing has changed."""
        optimizer, n = self.optimizer, len(self.optimizer.params)
        numbers, g = self.numbers, self._gradients[:n]
        for array in (numbers, g, *self._states):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)  # a formula that computes in place would lose what it is not done with
        if not self._is_ours:
            self.write()  # it may look at its parameters
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
                θ, state = optimizer.decay_and_update(numbers[:n], g, optimizer.lr, self._states)
                θ = np.asarray(θ, float) if np.shape(θ) == (n,) else np.full(n, θ, float)
                state = tuple([np.asarray(x, float) if np.ndim(x) else float(x) for x in state])
                if not isfinite(sum(map(np.sum, (g, θ, *state)))):
                    return False
        except Exception:
            return False  # the step on Values will say which parameter it is, and why
        numbers = np.concatenate((θ, numbers[n:])) if len(numbers) > n else θ
        set_atomically(
            [(self, "numbers", numbers), (self, "_states", state), (optimizer, "steps", optimizer.steps + 1)]
        )
        return True


def _to_array(numbers: Iterable[float]) -> Any:
    """An array of numbers; if all are the same, as the count of Adam's updates, that number."""
    array = np.array(numbers)
    return float(array[0]) if (array == array[0]).all() else array


def is_elementwise(optimizer: Optimizer) -> bool:
    """Whether an optimizer's formula only computes with its numbers, so that arrays can take their place."""
    for name in ("step", "zero_grad", "decay_and_update"):
        if name in vars(optimizer) or getattr(type(optimizer), name) is not getattr(Optimizer, name):
            return False  # they do what they like with Values
    try:
        optimizer = deepcopy(optimizer, {id(p): p for p in optimizer.params})  # what it changes is not to be seen
    except Exception:
        return False
    before, random_states = Snapshot(optimizer), RandomStates(Reach(optimizer).generators)
    try:
        unknown = _UnknownNumber()
        optimizer.decay_and_update(unknown, unknown, optimizer.lr, tuple([unknown] * len(optimizer.buffers)))
    except Exception:
        return False
    else:
        return not random_states.find_change() and not Snapshot(optimizer).difference(before)
    finally:
        random_states.restore()


class _UnknownNumber:
    """Stands for any number: code can compute with it, by arithmetic and NumPy's functions, and not look at it.

    Example:
        >>> 2.0 * _UnknownNumber() ** 0.5
        a number that is not looked at
    """

    def _compute(self, *_: Any) -> "_UnknownNumber":
        return self

    __add__ = __sub__ = __mul__ = __truediv__ = __pow__ = _compute
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = _compute
    __neg__ = __pos__ = __abs__ = _compute

    def __array_ufunc__(self, ufunc: Any, method: str, *_: Any, **options: Any) -> "_UnknownNumber":
        if method != "__call__" or ufunc.signature or ufunc.nout > 1 or options:
            self._refuse()
        return self

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the formula looks at a number")

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __array__ = __array_function__ = _refuse
    __hash__: Any = None

    def __repr__(self) -> str:
        return "a number that is not looked at"
