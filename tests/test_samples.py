"""The axis of samples: a program of many of them computes for each what that of one does."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from drawn_programs import Writer, drawn, gradients, listing, numbers
from hypothesis import given
from hypothesis import strategies as st
from interpreter import run

from tinygrad_edu.compiler.program import COPY, TAKE, Access, Block, Carry, Output, Program, whole
from tinygrad_edu.compiler.samples import fix_samples, with_samples
from tinygrad_edu.compiler.vjp import differentiate
from tinygrad_edu.ops import MUL
from tinygrad_edu.rules import OPS

Array = Any
Leaves = dict[Block, Array]

x = Block("x", (2,), "input")
i = Block("i", (), "index")
W = Block("W", (3, 2), "parameter")
b = Block("b", (3,), "parameter")
a = Block("a", (), "parameter")


def leaves_of(program: Program) -> tuple[Block, ...]:
    return *program.inputs, *program.parameters


def with_gradients(program: Program) -> Program:
    return differentiate(program, [leaf for leaf in leaves_of(program) if leaf.kind != "index"])


def moved(leaves: Leaves, there: Program) -> Leaves:
    """The same numbers for the leaves of another program."""
    return dict(zip(leaves_of(there), leaves.values(), strict=True))


def one_by_one(program: Program, leaves: Leaves, n: int) -> list[list[Array]]:
    """The outputs of a program of one sample for each of them."""
    samples = [[value[k] if leaf.samples else value for leaf, value in leaves.items()] for k in range(n)]
    return [run(program, dict(zip(leaves_of(program), sample))) for sample in samples]


def close(got: Sequence[Array], true: Sequence[Array]) -> None:
    for y, expected in zip(got, true, strict=True):
        if np.isfinite(expected).all():
            np.testing.assert_allclose(np.broadcast_to(y, np.shape(expected)), expected, rtol=1e-9, atol=1e-9)


def check(program: Program, blocks: Sequence[Block], n: int, seed: int = 0) -> Program:
    """Values and gradients, for any number of samples and for a fixed one. Returns the program of any number."""
    many = with_samples(program, blocks)
    leaves = numbers(many, Random(seed), n)
    assert [leaf.samples for leaf in leaves_of(many)] == [leaf in blocks for leaf in leaves_of(program)]
    each = one_by_one(with_gradients(program), leaves, n)
    outputs = len(program.outputs)
    values = [np.stack(values) for values in zip(*[one[:outputs] for one in each])]
    depends = run(many, leaves)[0].shape != np.shape(values[0])[1:]
    close(run(many, leaves), values)

    both = with_gradients(many)
    true = []
    for output, *found in zip(both.outputs[outputs:], *[one[outputs:] for one in each]):
        assert output.leaf is not None
        found = [np.broadcast_to(g, output.leaf.shape) for g in found]
        true.append(np.stack(found) if output.leaf.samples else np.sum(found, 0) if depends else found[0])
    close(run(both, leaves)[outputs:], true)

    for of_n in (fix_samples(both, n), with_gradients(fix_samples(many, n))):
        assert not any(block.samples for block in of_n.blocks())
        close(run(of_n, moved(leaves, of_n))[outputs:], true)
        close(run(of_n, moved(leaves, of_n))[:outputs], values if depends else [value[0] for value in values])
    return many


@given(st.integers(0, 2**32), st.integers(0, 2), st.integers(1, 3), st.lists(st.booleans(), min_size=5, max_size=5))
def test_any_program(seed: int, loops: int, n: int, chosen: list[bool]) -> None:
    program = drawn(Random(seed), loops)
    check(program, [leaf for leaf, yes in zip(leaves_of(program), chosen) if yes], n, seed)


def layer() -> tuple[Writer, Block]:
    w = Writer(x, i, W, b, a)
    h = w.write(MUL, W, Access(x, (0, 1)), axes=(3, 2), reduced=1, name="h")
    return w, w.write("tanh", w.write("add", h, b, name="s"), name="t")


def test_a_layer_is_one_product_over_the_samples() -> None:
    w, t = layer()
    program = w.program(w.total(t))
    many = check(program, [x], 3)
    assert listing(many) == listing(program)
    assert [block.name for block in many.blocks() if block.samples] == ["x", "h", "s", "t", ""]
    assert listing(with_gradients(many)).split("\n")[4:] == [
        "7[3] = mul t[1], t[1] over (3,)",
        "ds[3] = sub 1.0, 7[1] over (3,)",
        "db[3] = copy ds[1] over (3,) samples",
        "dW[3, 2] = mul ds[1, 0], x[0, 1] over (3, 2) samples",
        "dx[2] = mul ds[0, 1], W[1, 2] over (2,) total (3,)",
        "return: 6[] over ()",
        "x: dx[1] over (2,)",
        "W: dW[2, 1] over (3, 2)",
        "b: db[1] over (3,)",
        "a: 0.0 over ()",
    ]


def test_a_layer_over_a_fixed_number_of_samples() -> None:
    w, t = layer()
    of_four = fix_samples(with_gradients(with_samples(w.program(w.total(t)), [x])), 4)
    assert listing(of_four) == "\n".join(
        [
            "h[4, 3] = mul W[0, 2, 1], x[2, 0, 1] over (4, 3) total (2,)",
            "s[4, 3] = add h[3, 1], b[0, 1] over (4, 3)",
            "t[4, 3] = tanh s[3, 1] over (4, 3)",
            "6[4] = copy t[3, 1] over (4,) total (3,)",
            "7[4, 3] = mul t[3, 1], t[3, 1] over (4, 3)",
            "ds[4, 3] = sub 1.0, 7[3, 1] over (4, 3)",
            "db[3] = copy ds[1, 3] over (3,) total (4,)",
            "dW[3, 2] = mul ds[1, 0, 3], x[0, 1, 2] over (3, 2) total (4,)",
            "dx[4, 2] = mul ds[3, 0, 1], W[0, 1, 2] over (4, 2) total (3,)",
            "return: 6[1] over (4,)",
            "x: dx[2, 1] over (4, 2)",
            "W: dW[2, 1] over (3, 2)",
            "b: db[1] over (3,)",
            "a: 0.0 over ()",
        ]
    )
    assert of_four.places[8] == (of_four.inputs[1], 0)
    assert list(of_four.places[:8]) == [(of_four.inputs[0], cell) for cell in (0, 2, 4, 6, 1, 3, 5, 7)]
    assert [leaf.shape for leaf in of_four.inputs] == [(4, 2), ()]


def test_of_one_sample_no_stride_leads_anywhere() -> None:
    w, t = layer()
    of_one = fix_samples(with_samples(w.program(w.total(t)), [x]), 1)
    assert listing(of_one).split("\n")[0] == "h[1, 3] = mul W[0, 2, 1], x[0, 0, 1] over (1, 3) total (2,)"


def test_the_number_of_samples_is_a_gradient() -> None:
    """Of what is added to each sample."""
    w = Writer(x, a)
    program = w.program(w.write("add", w.write(MUL, Access(x, ()), 2.0, axes=()), a))
    many = check(program, [x], 3)
    assert listing(with_gradients(many)).split("\n")[2:] == [
        "da[] = one x[] over () samples",
        "dx[2] = scatter dx[] += #6[] over ()",
        "return: 3[] over ()",
        "x: dx[1] over (2,)",
        "a: da[] over ()",
    ]
    shared = w.program(w.write("add", w.write("sin", Access(x, ()), axes=()), w.write(MUL, a, a)))
    check(shared, [x], 3)


def test_an_index_for_each_sample() -> None:
    w = Writer(x, i, W)
    y = w.write(TAKE, Access(W, (1, 2)), Access(i, (0, 0)), axes=(2, 3), reduced=1)
    program = w.program(w.total(w.write(MUL, y, x)))
    for blocks in ([i], [x], [x, i]):
        check(program, blocks, 4)
    lines = listing(with_gradients(with_samples(program, [i]))).split("\n")
    assert lines[4:7] == [
        "8[3] = equal i[0], #7[1] over (3,)",
        "9[3] = copy 8[1] over (3,) samples",
        "dW[3, 2] = mul x[0, 1], 9[1, 0] over (3, 2)",
    ]


def test_masks_and_gathers() -> None:
    mask, index = np.array([[True, False], [True, True], [False, True]]), np.array([[1, 0], [1, 1], [0, 1]])
    w = Writer(x, W)
    masked = w.write("sin", Access(x, (0, 1), 0, None, mask, 0.5), axes=(3, 2))
    gathered = w.write(MUL, Access(x, (), 0, index), W, axes=(3, 2))
    put = w.scatter((4,), ((3, 2), Access(x, (), 0, index + 2), whole(gathered)), ((2,), Access(x, (1,)), whole(x)))
    program = w.program(w.write("add", w.total(masked), w.total(w.write("cos", put))))
    check(program, [x], 3)
    check(program, [W], 2)


def test_the_largest_of_a_row_of_each_sample_summed_over_all() -> None:
    """As a gradient that is differentiated again may ask for."""
    w = Writer(Block("x", (2,), "input", samples=True), W)
    xs = w.inputs[0]
    y = w.write("mul", Access(xs, (0, 1)), W, axes=(3, 2), reduced=1, reduce=OPS["largest"], over_samples=True)
    program = w.program(w.total(w.write("sin", y)))
    values = {xs: np.array([[1.0, 2.0], [-3.0, 1.0], [0.5, 0.75]]), W: np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 2.0]])}
    of_three = fix_samples(program, 3)
    products = values[xs][:, None] * values[W]
    best, sums = products.argmax(2), products.max(2).sum(0)
    assert run(program, values)[0] == pytest.approx(np.sin(sums).sum())
    chosen = np.eye(2)[best] * np.cos(sums)[:, None]
    for both, leaves in (
        (with_gradients(program), values),
        (fix_samples(with_gradients(program), 3), None),
        (with_gradients(of_three), None),
    ):
        assert run(both, leaves or moved(values, both))[0] == pytest.approx(np.sin(sums).sum())
        in_x, in_w = gradients(both, leaves or moved(values, both)).values()
        assert in_x == pytest.approx((chosen * values[W]).sum(1))
        assert in_w == pytest.approx((chosen * values[xs][:, None]).sum(0))


def recurrence(start: float | Access) -> Program:
    w = Writer(x, i, W, b, a)
    h, last, kept, row = Block("h", (3,)), Block("last", (3,)), Block("kept", (2, 3)), Block("row", ())
    with w.body() as body:
        u = w.write(MUL, W, Access(x, (0, 1)), axes=(3, 2), reduced=1)
        s = w.write("add", u, w.write(MUL, h, Access(row, (0,))), name="s")
        after = w.write("tanh", w.write("add", s, b))
    w.loop(2, body, [Carry(h, start, whole(after), last)], [(row, Access(x, (-1,), 1))], [(after, kept)])
    return w.program(w.write("add", w.total(w.write("sin", last)), w.total(w.write(MUL, kept, kept))))


@pytest.mark.parametrize("start", [0.5, Access(b, (1,)), Access(x, (0,))])
@pytest.mark.parametrize("blocks", [[x], [b], [x, b], [W]])
def test_recurrences(start: float | Access, blocks: list[Block]) -> None:
    program = recurrence(start)
    for n in (1, 3):
        check(program, blocks, n)


def test_rows_that_a_loop_left_are_read_where_they_are_or_else_copied() -> None:
    w = Writer(Block("x", (3, 2), "input"))
    rows, (row, kept) = w.inputs[0], (Block("row", (2,)), Block("kept", (3, 2)))
    with w.body() as body:
        after = w.write("exp", row, name="after")
    w.loop(3, body, [], [(row, whole(rows))], [(after, kept)])
    reads = {
        "in place": Access(kept, (-2, 1), 4),
        "one column": Access(kept, (2, 0), 1),
        "in place by an index": Access(kept, (), 0, np.array([[5, 0], [1, 1], [2, 4]])),
        "copied": Access(kept, (1, 2), 1),
        "copied from behind": Access(kept, (-1, 2), 2),
    }
    for name, access in reads.items():
        shape = (2, 2) if "copied" in name else (3, 2)
        y = w.write("sin", access, axes=shape)
        program = w.program(w.total(y))
        check(program, [rows], 4)
        copies = [s for s in fix_samples(with_samples(program, [rows]), 4).statements if getattr(s, "op", None) is COPY]
        assert len(copies) == (2 if "copied" in name else 1), name


def test_several_outputs_of_several_shapes() -> None:
    w, t = layer()
    program = w.program(w.total(t), t, Output(Access(t, (2,)), (2,)), Output(1.5), Output(whole(b), (3,)))
    many = check(program, [x], 3)
    of_three = fix_samples(many, 3)
    assert [output.shape for output in of_three.outputs] == [(3,), (3, 3), (3, 2), (), (3,)]
