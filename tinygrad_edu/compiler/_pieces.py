"""The parameters of a run as arrays of JAX, one for each block of a program, while one program takes many steps.

In the table of all leaves the numbers of a block may stand apart. To gather them and to scatter their gradients takes
longer than many a step, so both is done once, before the first step and after the last one. What a step is made of is
left to `jax_training.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .training import Slot

Array = Any  # of JAX


class Pieces:
    """How the first n leaves of a table, which the optimizer moves, fall into pieces.

    A piece is a block of such leaves alone, as a slot has it, and one more piece holds what is in none. A block that
    shares leaves with one before it is no piece.
    """

    def __init__(self, slots: Sequence[Slot], n: int, total: int) -> None:
        leaves = np.arange(total)
        is_free = leaves < n
        self._slots = [(slot.block.shape, leaves[slot.columns]) for slot in slots]
        self._piece_of: dict[int, int] = {}  # by the number of the slot
        pieces: list[tuple[tuple[int, ...], Any]] = []
        for i, (shape, row) in enumerate(self._slots):
            if is_free[row].all():
                self._piece_of[i] = len(pieces)
                pieces.append((shape, row))
                is_free[row] = False
        if is_free.any():
            pieces.append(((int(is_free.sum()),), leaves[is_free]))
        self._pieces, self._n = pieces, n
        self._places = np.argsort(np.concatenate([*[row for _, row in pieces], leaves[n:]]))

    def __len__(self) -> int:
        return len(self._pieces)

    def split(self, table: Array) -> list[Array]:
        """The pieces of a table of n numbers or more; a number for all parameters is that of each piece."""
        return [
            table[row].reshape(shape) if len(table) >= self._n else table.reshape(()) for shape, row in self._pieces
        ]

    def join(self, pieces: Sequence[Array], length: int) -> Array:
        """A table of n numbers; of one number if the table that was split had one."""
        if length < self._n:
            return pieces[0].reshape(1)
        return _stand_side_by_side(pieces)[self._places[: self._n]]

    def read(self, pieces: Sequence[Array], others: Array) -> list[Array]:
        """The numbers of each slot, of the pieces and of the leaves that nothing moves."""
        table = _stand_side_by_side([*pieces, others])
        return [
            pieces[self._piece_of[i]] if i in self._piece_of else table[self._places[row]].reshape(shape)
            for i, (shape, row) in enumerate(self._slots)
        ]

    def collect(self, slopes: Sequence[Array]) -> list[Array]:
        """The gradient in each piece, and at last that in the other leaves, of those in the slots."""
        rows = [*self._pieces, ((len(self._places) - self._n,), np.arange(self._n, len(self._places)))]
        found = [jnp.zeros(shape) for shape, _ in rows]
        for i, ((shape, row), slope) in enumerate(zip(self._slots, slopes)):
            if i in self._piece_of:
                found[self._piece_of[i]] += slope  # which may be one number for all
                continue
            cells = np.full(len(self._places), len(row))  # of the leaves; the cell behind the last one holds 0
            cells[row] = np.arange(len(row))
            numbers = jnp.append(jnp.broadcast_to(slope, shape).ravel(), 0.0)
            for k, (shape_of_piece, leaves) in enumerate(rows):
                if (cells[leaves] < len(row)).any():
                    found[k] += numbers[cells[leaves]].reshape(shape_of_piece)
        return found


def _stand_side_by_side(pieces: Sequence[Array]) -> Array:
    return jnp.concatenate([piece.ravel() for piece in pieces])
