"""A loss joined to a model: cell by cell the loss of what the model returns."""

from typing import Any

import numpy as np
import pytest
from interpreter import run

from tinygrad_edu.compiler._join import join_programs
from tinygrad_edu.compiler.program import (
    COPY,
    Access,
    Block,
    Carry,
    Loop,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    whole,
)
from tinygrad_edu.compiler.samples import with_samples
from tinygrad_edu.ops import ADD, MUL

N = 4
x, w = np.random.default_rng(0).normal(size=(N, 3)), np.random.default_rng(1).normal(size=3)
weighted = x * w


def model(*wanted: str) -> Program:
    """w · x: its sum, the terms of it, the outer ones of these, a parameter, and a constant."""
    x, w = Block("x", (3,), "input"), Block("w", (3,), "parameter")
    products, total = Block("weighted", (3,)), Block("sum")
    statements = (
        Statement(products, MUL, (whole(x), whole(w)), (3,)),
        Statement(total, COPY, (whole(products),), (3,), reduced=1),
    )
    outputs = {
        "sum": Output(whole(total)),
        "terms": Output(whole(products), (3,)),
        "outer": Output(Access(products, (2,)), (2,)),
        "turned": Output(Access(products, index=np.array([2, 0, 1])), (3,)),
        "parameter": Output(Access(w, (), 1)),
        "constant": Output(2.0),
    }
    program = Program("model", (x,), (w,), statements, tuple([outputs[name] for name in wanted]))
    return with_samples(program, program.inputs)


PREDICTED = {
    "sum": weighted.sum(1, keepdims=True),
    "terms": weighted,
    "outer": weighted[:, [0, 2]],
    "turned": weighted[:, [2, 0, 1]],
    "parameter": np.full((N, 1), w[1]),
    "constant": np.full((N, 1), 2.0),
}


def loss_of(shape: tuple[int, ...], places: Any = None) -> Program:
    """Σ t · p² + c for predictions p, in one block."""
    p, t, c = Block("predictions", shape, "input"), Block("targets", shape, "input"), Block("c", (), "parameter")
    squares, products, total, out = Block("squares", shape), Block("products", shape), Block("total"), Block("loss")
    statements = (
        Statement(squares, MUL, (whole(p), whole(p)), shape),
        Statement(products, MUL, (whole(squares), whole(t)), shape),
        Statement(total, COPY, (whole(products),), shape, reduced=len(shape)),
        Statement(out, ADD, (whole(total), whole(c))),
    )
    cells = [*range(p.size)] if places is None else places
    leaves = (*[(p, cell) for cell in cells], *[(t, i) for i in range(p.size)], (c, 0))
    return Program("loss", (p, t), (c,), statements, (Output(whole(out)),), leaves)


def value(program: Program, targets: Any) -> float:
    leaves = dict(zip((*program.inputs, *program.parameters), (x, targets, w, 0.5)))
    return float(run(program, leaves)[0])


def test_a_loss_reads_what_the_model_has_written() -> None:
    loss, of_one = loss_of((N,)), model("sum")
    program = join_programs(of_one, loss, N)
    assert [block.name for block in program.inputs] == ["x", "targets"]
    assert [block.name for block in program.parameters] == ["w", "c"]
    assert len(program.statements) == len(of_one.statements) + len(loss.statements)  # nothing is copied
    targets = np.arange(4.0)
    assert value(program, targets) == pytest.approx((targets * weighted.sum(1) ** 2).sum() + 0.5)


@pytest.mark.parametrize(
    "wanted",
    ["sum", "terms", "outer", "turned", "parameter", "constant", "sum constant outer", "parameter terms", "turned sum"],
)
def test_whatever_the_predictions_are(wanted: str) -> None:
    predictions = np.concatenate([PREDICTED[name] for name in wanted.split()], axis=1)
    targets = np.random.default_rng(2).normal(size=predictions.shape)
    program = join_programs(model(*wanted.split()), loss_of(predictions.shape), N)
    assert value(program, targets) == pytest.approx((targets * predictions**2).sum() + 0.5)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_in_whatever_order_the_loss_keeps_them(order: list[int]) -> None:
    loss = loss_of((N, 3), [i * 3 + k for i in range(N) for k in order])
    targets = np.random.default_rng(2).normal(size=(N, 3))
    expected = (targets[:, order] * weighted**2).sum() + 0.5
    assert value(join_programs(model("terms"), loss, N), targets) == pytest.approx(expected)


def test_predictions_in_several_blocks_of_the_loss() -> None:
    p, q, out = Block("p", (N,), "input"), Block("q", (N,), "input"), Block("loss")
    statement = Statement(out, MUL, (whole(p), whole(q)), (N,), reduced=1)
    places = tuple([(block, i) for i in range(N) for block in (p, q)])
    loss = Program("loss", (p, q), (), (statement,), (Output(whole(out)),), places)
    program = join_programs(model("outer"), loss, N)
    leaves = dict(zip((*program.inputs, *program.parameters), (x, w)))
    assert float(run(program, leaves)[0]) == pytest.approx((weighted[:, 0] * weighted[:, 2]).sum())


def test_one_sample() -> None:
    program = join_programs(model("sum"), loss_of((1,)), 1)
    leaves = dict(zip((*program.inputs, *program.parameters), (x[:1], np.array([10.0]), w, 0.25)))
    assert float(run(program, leaves)[0]) == pytest.approx(10.0 * weighted[0].sum() ** 2 + 0.25)


def test_a_loss_with_a_loop_and_an_addition_to_cells() -> None:
    """Each kind of read finds the predictions."""
    p = Block("predictions", (N,), "input")
    state, turn, sums, final = Block("state"), Block("turn"), Block("sums", (N,)), Block("final")
    row, spread, out = Block("row"), Block("spread", (2,)), Block("loss")
    loop = Loop(
        N,
        (Statement(turn, ADD, (whole(state), whole(row))),),
        carried=(Carry(state, Access(p, (), 0), whole(turn), final),),
        streams=((row, Access(p, (1,))),),
        stacked=((turn, sums),),
    )
    scatter = Scatter(spread, (Part((N,), Access(spread, index=np.array([0, 1, 0, 1])), Access(p, (1,))),))
    statements = (loop, scatter, Statement(out, ADD, (whole(final), Access(spread, (), 1))))
    outputs = Output(whole(out)), Output(Access(p, (), 2))
    loss = Program("loss", (p,), (), statements, outputs, tuple([(p, i) for i in range(N)]))
    program = join_programs(model("sum"), loss, N)
    found = run(program, dict(zip((*program.inputs, *program.parameters), (x, w))))
    y = weighted.sum(1)
    assert float(found[0]) == pytest.approx(y[0] + y.sum() + y[1] + y[3])
    assert float(found[1]) == pytest.approx(y[2])
