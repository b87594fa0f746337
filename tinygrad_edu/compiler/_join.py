"""Two programs as one: a loss that reads the predictions of a model for a batch of samples.

The model is traced for one sample, the loss for n predictions. Here the loss reads what the model has written. How a
model runs for n samples is left to `samples.py`.
"""

from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

from ._access import cells_of
from ._tidy import rename_blocks, tidy
from .program import COPY, Access, AnyStatement, Block, Part, Program, Scatter, Statement, strides_of
from .samples import fix_samples

Array = Any  # of NumPy


def join_programs(model: Program, loss: Program, n: int) -> Program:
    """Joins a model and a loss: the first inputs of the loss read what the model returns for n samples.

    The numbers of the first sample come first, those of all outputs, then those of the second one.

    Args:
        model: For one sample, with the axis of samples.
        loss: For n predictions.
        n: How many samples there are.

    Returns:
        The program with the inputs of the model and then those of the loss that are left, and its parameters in the
        same order. It has no `places`.
    """
    program = fix_samples(model, n)
    blocks, places = _find_predictions(model, program, n)
    reads: dict[Block, list[int]] = defaultdict(list)
    for i, (block, _) in enumerate(loss.places[: len(blocks)]):
        reads[block].append(i)
    copies = {block: Block(block.name, block.shape) for block in reads}
    statements: list[AnyStatement] = list(program.statements)
    for block, numbers in reads.items():
        here = np.array([loss.places[i][1] for i in numbers])
        statements.append(_copy_cells(copies[block], here, [blocks[i] for i in numbers], places[numbers]))
    loss = rename_blocks(loss, copies)
    return tidy(
        Program(
            loss.name,
            (*program.inputs, *[block for block in loss.inputs if block.kind != "result"]),
            (*program.parameters, *loss.parameters),
            (*statements, *loss.statements),
            loss.outputs,
        )
    )


def _find_predictions(model: Program, program: Program, n: int) -> tuple[list[Block], Array]:
    """Where the numbers stand that the model returns, sample by sample: the block of each, and its cell there."""
    blocks: list[Block] = []
    columns = []
    for before, output in zip(model.outputs, program.outputs):
        access, axes = output.access, output.shape
        if not isinstance(access, Access):  # a constant
            access = Access(Block("constant", (), "data", data=np.array([access])), (0,) * len(axes))
        found = np.broadcast_to(cells_of(access, axes), axes)
        if len(axes) == len(before.shape):  # it is the same for all samples
            found = np.broadcast_to(found, (n, *axes))
        columns.append(found.reshape(n, prod(before.shape)))
        blocks += [access.block] * prod(before.shape)
    return blocks * n, np.concatenate(columns, axis=1).ravel()


def _copy_cells(out: Block, here: Array, sources: list[Block], there: Array) -> AnyStatement:
    """Copies cells of other blocks into a block: one statement if these are all cells of one block, in order."""
    if len({*sources}) == 1 and len(here) == sources[0].size and (here == there).all():
        return Statement(out, COPY, (Access(sources[0], strides_of(out.shape)),), out.shape)
    parts = []
    for source in dict.fromkeys(sources):
        which = np.array([one is source for one in sources])
        axes = (int(which.sum()),)
        parts.append(Part(axes, Access(out, index=here[which]), Access(source, index=there[which])))
    return Scatter(out, tuple(parts))
