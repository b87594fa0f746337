"""What happened in a training run, and the errors that end a run too early and carry its history."""

import os
from math import isnan
from typing import Any

from tinygrad_edu import _io


class History:
    """What happened in a training run; each list has one entry for each epoch.

    - `loss`: the mean of the epoch's batch losses, each weighted by its number of samples and measured before its
      update; with one batch an epoch, the loss at the parameters that the epoch began with.
    - `validation`: the loss on the validation data after the epoch; empty without such data.
    - `seconds`: the time since the beginning, at the end of the epoch.
    - `parameters`: the numbers of each parameter by its name, at the beginning of every epoch and at the end; empty
      unless `fit` is called with `record_parameters=True`.
    - `updates`: the number of updates.
    - `stopped`: why the run ended: "epochs", "target", "tolerance", "patience", "callback" or "interrupted".
    """

    def __init__(self) -> None:
        self.loss: list[float] = []
        self.validation: list[float] = []
        self.seconds: list[float] = []
        self.parameters: dict[str, list[float]] = {}
        self.updates = 0
        self.stopped = ""

    @property
    def epochs(self) -> int:
        """The number of epochs so far."""
        return len(self.loss)

    @property
    def best_epoch(self) -> int | None:
        """The number of the epoch, from 0, with the lowest loss on the validation data; None without such data."""
        numbers = range(len(self.validation))
        return min(numbers, key=lambda i: (isnan(self.validation[i]), self.validation[i]), default=None)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes one line for each epoch: epoch, loss, validation, seconds, and each parameter at the beginning.

        Columns that were not recorded are left out.

        Args:
            path: The CSV file to write.

        Raises:
            OSError: The file cannot be written.
        """
        import csv
        import io

        columns = {
            "epoch": range(self.epochs),
            "loss": self.loss,
            "validation": self.validation,
            "seconds": self.seconds,
        }
        columns |= self.parameters
        recorded = {name: values for name, values in columns.items() if len(values) >= self.epochs}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(recorded)
        writer.writerows(zip(*recorded.values()))
        _io.write(path, text.getvalue())

    def __repr__(self) -> str:
        ended = f", loss {self.loss[0]:.6g} → {self.loss[-1]:.6g}" if self.loss else ""
        return (
            f"History({self.epochs} epochs, {self.updates} updates{ended}, stopped by {self.stopped or 'nothing yet'})"
        )


class EndedRun(BaseException):
    """A run has ended too early; `history` holds what came before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.history), vars(self)  # by default pickle keeps the message alone


class DivergenceError(EndedRun, ArithmeticError):
    """The loss has grown without bound; `history` holds what came before."""


class TrainingInterrupted(EndedRun, KeyboardInterrupt):
    """Ctrl-C was pressed, and the update in progress has been finished; `history` holds what came before.

    Like every `KeyboardInterrupt` it ends the program that does not catch it, a loop over learning rates included.
    """
