"""Callbacks of `fit` that remember something from epoch to epoch; a checkpoint keeps it.

A callback is any function of the history. One that has `state_dict()` and `load_state_dict(state)` goes on, after a run
was killed, where it was: `checkpoint.py` asks for its state, in plain data.
"""

from typing import Any

from tinygrad_edu._validate import require_finite, require_ints, to_float_within
from tinygrad_edu.errors import describe, short_repr
from tinygrad_edu.optim import Optimizer, schedule_to_list

from .history import History


class ReduceOnPlateau:
    """Lowers the learning rate where the loss has stopped falling: η ← max(factor · η, min_lr).

    It looks at the validation loss, or at the training loss where there is none. An epoch is better if its loss is
    below best · (1 − threshold). After more than `patience` epochs in a row that are not better, the learning rate is
    lowered, and counting begins anew. It is PyTorch's ReduceLROnPlateau.

    Args:
        optimizer: The optimizer; its learning rate is a number.
        factor: The factor, in (0, 1).
        patience: The number of epochs to wait, 0 or more.
        min_lr: The learning rate to stop at, 0 or more.
        threshold: The part by which a better loss is lower, in [0, 1).

    Raises:
        ValueError: A number is out of range, or the learning rate is a schedule.
        TypeError: An argument has another type.

    Example:
        >>> from tinygrad_edu import nn, optim
        >>> from tinygrad_edu.train import fit
        >>> model = nn.Linear(1, init="zeros")
        >>> sgd = optim.SGD(model.parameters(), lr=0.4)
        >>> X, y = [[0.0], [0.0]], [1.0, 3.0]  # of which no line can learn more than the mean
        >>> halve = ReduceOnPlateau(sgd, patience=5)
        >>> history = fit(model, X, y, optimizer=sgd, epochs=20, callbacks=[halve])
        >>> sgd.lr
        0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.5,
        patience: int = 10,
        min_lr: float = 0.0,
        threshold: float = 1e-4,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"ReduceOnPlateau takes an optimizer, as SGD(model.parameters()), not {describe(optimizer)}"
            )
        require_ints(0, patience=patience)
        self.optimizer = optimizer
        self.factor = to_float_within("(0, 1)", factor, "factor")
        self.patience = int(patience)
        self.min_lr = to_float_within("[0, ∞)", min_lr, "min_lr")
        self.threshold = to_float_within("[0, 1)", threshold, "threshold")
        self.best: float | None = None  # the loss of the best epoch so far
        self.waited = 0  # epochs since a better one, or since the learning rate was lowered
        self._require_number()

    def __call__(self, history: History) -> None:
        """Looks at the last epoch.

        Args:
            history: The history of the run so far.
        """
        self._require_number()
        loss = (history.validation or history.loss)[-1]
        if self.best is None or loss < self.best * (1.0 - self.threshold):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            self.optimizer.lr = min(self.optimizer.lr, max(self.factor * self.optimizer.lr, self.min_lr))
            self.waited = 0

    def state_dict(self) -> dict[str, Any]:
        """What a run needs to go on, beside the learning rate, which is the optimizer's.

        Returns:
            The best loss, the number of epochs waited, and the numbers that this was made with.
        """
        return {"best": self.best, "waited": self.waited, **self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict()`.

        Args:
            state: The state of one that was made with the same numbers.

        Raises:
            ValueError: The state does not fit; nothing is changed.
        """
        if not isinstance(state, dict) or state.keys() != self.state_dict().keys():
            raise ValueError(
                f"the state of a ReduceOnPlateau is a dict, as state_dict() makes it, not {describe(state)}"
            )
        for name, x in self._settings().items():
            if state[name] != x:
                raise ValueError(f"the {name} of its ReduceOnPlateau is {short_repr(state[name])}, here it is {x}")
        best, waited = state["best"], state["waited"]
        if type(waited) is not int or not 0 <= waited <= self.patience:
            raise ValueError(f"a ReduceOnPlateau waits for 0 to {self.patience} epochs, not for {short_repr(waited)}")
        self.best = None if best is None else require_finite("the best loss", best)
        self.waited = waited

    def _settings(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("factor", "patience", "min_lr", "threshold")}

    def _require_number(self) -> None:
        schedule = schedule_to_list(self.optimizer.schedule)
        if schedule is None or schedule[0] != "constant":
            raise ValueError(
                "ReduceOnPlateau lowers a learning rate that is a number, and this one follows a schedule: use only one"
            )

    def __repr__(self) -> str:
        return f"ReduceOnPlateau({', '.join([f'{name}={x}' for name, x in self._settings().items()])})"
