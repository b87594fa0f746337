"""What happened in a training run, and the errors that end a run too early and carry its history."""

import os
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tinygrad_edu import _io
from tinygrad_edu._display import Sheet, format_numbers

REASONS = {
    "epochs": "all epochs are done",
    "target": "the loss has met its target",
    "tolerance": "the loss no longer falls by more than the tolerance",
    "patience": "the validation loss no longer falls",
    "callback": "a callback has stopped the run",
    "interrupted": "Ctrl-C was pressed",
}
_SHOWN = 10  # epochs in the table of a run


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

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the lowest loss, on the validation data where there are any; None before the first epoch."""
        return find_best(self.validation or self.loss)

    def __repr__(self) -> str:
        return self._to_sheet().to_text() if self.loss else self._summarise()

    def _repr_html_(self) -> str:
        return self._to_sheet().to_html()

    def _summarise(self) -> str:
        ended = f", loss {self.loss[0]:.6g} → {self.loss[-1]:.6g}" if self.loss else ""
        counts = [f"{n} {what}{'s' * (n != 1)}" for n, what in ((self.epochs, "epoch"), (self.updates, "update"))]
        return f"History({', '.join(counts)}{ended}, stopped by {self.stopped or 'nothing yet'})"

    def _to_sheet(self) -> Sheet:
        """The first epoch, the last one, the best one, and some between them."""
        last, best = self.epochs - 1, self.best_epoch
        some = [round(i * last / (_SHOWN - 1)) for i in range(_SHOWN)] if self.loss else []
        shown = sorted({*some, *([] if best is None else [best])})
        columns = {"loss": self.loss, "validation": self.validation, "seconds": self.seconds}
        recorded = {name: numbers for name, numbers in columns.items() if numbers}
        texts = [[str(epoch) for epoch in shown]]
        for numbers in recorded.values():  # an epoch that was interrupted has a loss only
            known = [k for k in shown if k < len(numbers)]
            texts.append([*format_numbers([numbers[k] for k in known], 4), *[""] * (len(shown) - len(known))])
        remarks = {"first": 0, "last": last, "best": best}
        texts.append([", ".join([word for word, epoch in remarks.items() if epoch == k]) for k in shown])
        why = REASONS.get(self.stopped, self.stopped)
        return Sheet(
            ["epoch", *recorded, ""],
            list(zip(*texts)),
            frozenset(range(len(recorded) + 1)),
            self._summarise(),
            [f"ended because {why}" if why else "not ended yet"] if self.loss else [],
        )


def find_best(losses: Sequence[float]) -> int | None:
    """The place of the lowest loss, the first of several; a loss that is no finite number is none."""
    finite = [k for k, loss in enumerate(losses) if isfinite(loss)]
    return min(finite, key=lambda k: losses[k], default=None)


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
