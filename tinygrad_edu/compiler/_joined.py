"""Two programs as one: a loss that reads the predictions of a model for a batch of samples.

What a model predicts for one sample, and what a loss makes of so many predictions, are traced one by one. Here the
loss reads what the model has written. How a model runs for n samples is left to `samples.py`.
"""

from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

from ._access import cells
from ._tidy import renamed, tidied
from .program import COPY, Access, Any_Statement, Block, Part, Program, Scatter, Statement, strides_of
from .samples import fixed

Array = Any  # of NumPy


def joined(model: Program, loss: Program, n: int) -> Program:
    """The loss of what a model returns for n samples: the first inputs of `loss`, as many as that, read it.

    The numbers of the first sample come first, those of all outputs, then those of the second one.

    Args:
        model: For one sample, with the axis of samples.
        loss: For n predictions.
        n: How many samples there are.

    Returns:
        The program with the inputs of the model and then those of the loss that are left, and its parameters in the
        same order. It has no `places`.
    """
    program = fixed(model, n)
    blocks, places = _numbers(model, program, n)
    reads: dict[Block, list[int]] = defaultdict(list)
    for i, (block, _) in enumerate(loss.places[: len(blocks)]):
        reads[block].append(i)
    copies = {block: Block(block.name, block.shape) for block in reads}
    statements: list[Any_Statement] = list(program.statements)
    for block, numbers in reads.items():
        here = np.array([loss.places[i][1] for i in numbers])
        statements.append(_copied(copies[block], here, [blocks[i] for i in numbers], places[numbers]))
    loss = renamed(loss, copies)
    return tidied(
        Program(
            loss.name,
            (*program.inputs, *[block for block in loss.inputs if block.kind != "result"]),
            (*program.parameters, *loss.parameters),
            (*statements, *loss.statements),
            loss.outputs,
        )
    )


def _numbers(model: Program, program: Program, n: int) -> tuple[list[Block], Array]:
    """Where the numbers stand that a model returns, sample by sample: the block of each, and its cell there."""
    blocks: list[Block] = []
    columns = []
    for before, output in zip(model.outputs, program.outputs):
        access, axes = output.access, output.shape
        if not isinstance(access, Access):  # a constant
            access = Access(Block("constant", (), "data", data=np.array([access])), (0,) * len(axes))
        found = np.broadcast_to(cells(access, axes), axes)
        if len(axes) == len(before.shape):  # it is the same for all samples
            found = np.broadcast_to(found, (n, *axes))
        columns.append(found.reshape(n, prod(before.shape)))
        blocks += [access.block] * prod(before.shape)
    return blocks * n, np.concatenate(columns, axis=1).ravel()


def _copied(out: Block, here: Array, sources: list[Block], there: Array) -> Any_Statement:
    """Writes cells of a block from cells of others: a mere copy where that is one block, in the same order."""
    if len({*sources}) == 1 and len(here) == sources[0].size and (here == there).all():
        return Statement(out, COPY, (Access(sources[0], strides_of(out.shape)),), out.shape)
    parts = []
    for source in dict.fromkeys(sources):
        which = np.array([one is source for one in sources])
        axes = (int(which.sum()),)
        parts.append(Part(axes, Access(out, index=here[which]), Access(source, index=there[which])))
    return Scatter(out, tuple(parts))
