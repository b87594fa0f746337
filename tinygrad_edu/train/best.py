"""The numbers of a run's best epoch, which are kept while it goes on, and when patience is at an end.

Which epoch is the best is said by the loss on the validation data; measuring that is left to `fit.py`.
"""

from collections.abc import Callable, Sequence
from math import isnan, nan
from typing import Any

from tinygrad_edu._interrupts import set_atomically
from tinygrad_edu._validate import require_finite
from tinygrad_edu.errors import short_repr
from tinygrad_edu.optim import Optimizer


class BestNumbers:
    """Keeps the numbers of the parameters of the epoch with the lowest loss on the validation data.

    Args:
        patience: For how many epochs that loss may not fall.

    Example:
        >>> best = BestNumbers(patience=2)
        >>> for number, loss in enumerate([3.0, 2.0, 2.5, 2.0]):
        ...     best.note(loss, lambda: [float(number)])
        >>> best.epoch, best.numbers, best.find_reason_to_stop()
        (1, [1.0], 'patience')
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.epochs, self.epoch = 0, -1
        self.loss, self.numbers = nan, list[float]()

    def __bool__(self) -> bool:
        """Whether there has been an epoch."""
        return self.epochs > 0

    def note(self, loss: float, read: Callable[[], list[float]]) -> None:
        """Takes note of the loss of one more epoch; `read` gives the numbers as they are after it."""
        if not self or loss < self.loss or (isnan(self.loss) and not isnan(loss)):
            self.loss, self.epoch, self.numbers = loss, self.epochs, read()
        self.epochs += 1

    def find_reason_to_stop(self) -> str:
        """Either "patience" or ""."""
        return "patience" if self.epochs - 1 - self.epoch >= self._patience else ""

    def restore(self, optimizer: Optimizer) -> None:
        """Gives the parameters of an optimizer their best numbers, if there has been an epoch."""
        set_atomically([(p, "data", x) for p, x in zip(optimizer.params, self.numbers)])

    def state_dict(self) -> dict[str, Any]:
        """What is kept, as plain data for JSON."""
        return {"epoch": self.epoch, "numbers": self.numbers}

    def load_state_dict(self, state: dict[str, Any], validation: Sequence[float], count: int) -> None:
        """Takes over what `state_dict` returned of a run of `count` parameters with these losses on validation data.

        Raises `ValueError` for anything else; nothing has changed then.
        """
        if state.keys() != {"epoch", "numbers"}:
            raise ValueError(f"its 'best' are {short_repr(state)}")
        epoch, numbers = state["epoch"], state["numbers"]
        if type(epoch) is not int or not (0 <= epoch < len(validation) or epoch == -1 == len(validation) - 1):
            raise ValueError(f"its best epoch is {short_repr(epoch)}, of {len(validation)} with validation")
        if not isinstance(numbers, list) or len(numbers) != (count if validation else 0):
            raise ValueError(f"its best numbers are {short_repr(numbers)}, for {count} parameters")
        numbers = [require_finite("a best number", x) for x in numbers]
        self.loss = validation[epoch] if validation else nan
        self.epochs, self.epoch, self.numbers = len(validation), epoch, numbers
