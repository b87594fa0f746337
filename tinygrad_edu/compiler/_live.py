"""What depends on what: the blocks that are made of others, and the cells of each block that anybody reads.

Other cells may hold anything, even a nan, that must not reach a gradient. What is done with that is left to `vjp.py`
and `samples.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.rules import Op

from ._access import cells_of, moves_along, reads_all
from .program import TAKE, Access, AnyStatement, Block, Loop, Operand, Program, Scatter, Statement, whole

Array = Any  # of NumPy
Live = Array | None  # for each cell or point whether it is alive, or 1 where an axis repeats; None: all are


def find_dependents(
    statements: Iterable[AnyStatement], blocks: Iterable[Block], but_by: Op | None = None
) -> set[Block]:
    """The blocks, and all that depend on one of them; results of the operation `but_by` do not count."""
    found = set(blocks)

    def visit(statement: AnyStatement) -> None:
        if isinstance(statement, Loop):
            found.update([block for block, access in statement.streams if access.block in found])
            starts = [(carry.state, carry.initial) for carry in statement.carried]
            found.update([state for state, start in starts if isinstance(start, Access) and start.block in found])
            before = 0
            while before < len(found):  # what one turn makes is read in the next one
                before = len(found)
                for inner in statement.body:
                    visit(inner)
                found.update([carry.state for carry in statement.carried if carry.result.block in found])
            found.update([outer for block, outer in statement.stacked if block in found])
            found.update([carry.final for carry in statement.carried if carry.final and carry.state in found])
        elif isinstance(statement, Statement) and statement.op is but_by:
            return
        elif not found.isdisjoint([access.block for access in statement.accesses]):
            found.add(statement.out)

    for statement in statements:
        visit(statement)
    return found


def find_live_cells(program: Program) -> dict[Block, Live]:
    """For each block that an output depends on, the cells that the output depends on."""
    alive = _LiveCells()
    for output in program.outputs:
        alive.read(output.access, output.shape)
    for statement in reversed(program.statements):
        alive.read_by(statement)
    return alive.found


class _LiveCells:
    def __init__(self) -> None:
        self.found: dict[Block, Live] = {}
        self.changes = 0

    def read(self, operand: Operand, axes: Sequence[int], points: Live = None) -> None:
        """What an access leads to is alive, at those points that are."""
        if not isinstance(operand, Access):
            return
        block = operand.block
        found = self.found.get(block, np.zeros(block.size, bool))
        if found is None:
            return
        if points is None and reads_all(operand, axes):
            self.found[block] = None
            self.changes += 1
            return
        mask = np.ones((1,) * len(axes), bool) if points is None else points
        if operand.mask is not None:
            mask = mask & operand.mask
        still = tuple([axis for axis in range(len(axes)) if not moves_along(operand, axes, axis)])
        where = cells_of(operand, axes)
        mask = np.broadcast_to(mask.any(still, keepdims=True), where.shape)
        before = np.count_nonzero(found)
        found[where[mask]] = True
        after = np.count_nonzero(found)
        self.found[block] = None if after == block.size else found
        self.changes += after != before

    def read_by(self, statement: AnyStatement) -> None:
        """What the statement reads for those of its results that are alive."""
        if isinstance(statement, Loop):
            self._read_by_loop(statement)
        elif statement.out not in self.found:
            return
        elif isinstance(statement, Scatter):
            points = self.found[statement.out]
            for part in statement.parts:
                self.read(part.source, part.axes, None if points is None else points[cells_of(part.target, part.axes)])
        else:
            points = self.found[statement.out]
            reduced = 1 if statement.op is TAKE else statement.reduced
            if points is not None:
                kept = statement.axes[: len(statement.axes) - reduced]
                points = points.reshape((*kept, *(1,) * reduced))
            for x in statement.operands:
                self.read(x, statement.axes, points)

    def _read_by_loop(self, loop: Loop) -> None:
        for block, outer in loop.stacked:
            if outer in self.found:
                rows = self.found[outer]
                any_turn = None if rows is None else rows.reshape((loop.turns, *block.shape)).any(0)
                self.read(whole(block), block.shape, any_turn)
        for carry in loop.carried:
            if carry.final in self.found:
                self.read(whole(carry.state), carry.state.shape, self._points(carry.final, carry.state.shape))
        before = -1
        while before < self.changes:  # what one turn reads is written by the one before
            before = self.changes
            for carry in loop.carried:
                if carry.state in self.found:
                    self.read(carry.result, carry.state.shape, self._points(carry.state, carry.state.shape))
            for statement in reversed(loop.body):
                self.read_by(statement)
        for carry in loop.carried:
            if carry.state in self.found:
                self.read(carry.initial, carry.state.shape, self._points(carry.state, carry.state.shape))
        for block, access in loop.streams:
            if block in self.found:
                self.read(access, (loop.turns, *block.shape), self._points(block, (1, *block.shape)))
        for block, outer in loop.stacked:  # what is alive in a turn is so wherever it is kept
            if block in self.found:
                self.read(whole(outer), (loop.turns, *block.shape), self._points(block, (1, *block.shape)))

    def _points(self, block: Block | None, shape: Sequence[int]) -> Live:
        assert block is not None
        found = self.found[block]
        return None if found is None else found.reshape(shape)
