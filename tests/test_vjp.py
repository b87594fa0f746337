"""Gradients of array programs: as exact statements where they are known by heart, and against differences elsewhere.

The programs are run by `interpreter.py`, and written or drawn by `programs.py`. The axis of samples has its own tests.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from inspect import cleandoc
from random import Random
from typing import Any

import interpreter
import numpy as np
import pytest
from drawn_programs import Writer, drawn, gradients, listing, numbers, of_gradients, slope
from hypothesis import given
from hypothesis import strategies as st
from interpreter import run

from tinygrad_edu.compiler._live import find_live_cells
from tinygrad_edu.compiler._tidy import tidy
from tinygrad_edu.compiler.program import (
    COPY,
    TAKE,
    Access,
    Block,
    Carry,
    Origin,
    Output,
    Program,
    whole,
    written_blocks,
)
from tinygrad_edu.compiler.vjp import differentiate
from tinygrad_edu.ops import DETACH, MUL, power
from tinygrad_edu.rules import OPS, Op

Array = Any
Case = Callable[[], tuple[Writer, Block]]
seeds = st.integers(0, 2**32)

X = Block("X", (5, 2), "input")
W = Block("W", (3, 2), "parameter")
b = Block("b", (3,), "parameter")
x = Block("x", (4,), "input")
a = Block("a", (), "parameter")
MASK = np.array([[True, False], [True, True], [False, True]])


def leaves_of(program: Program) -> list[Block]:
    return [block for block in (*program.inputs, *program.parameters) if block.kind != "index"]


def with_gradients(program: Program) -> Program:
    return differentiate(program, leaves_of(program))


def check(program: Program, seed: int = 0, positive: bool = False) -> None:
    """The gradients are the slopes in a random direction."""
    leaves = numbers(program, Random(seed))
    if positive:
        leaves = {leaf: np.abs(numbers) + 0.5 for leaf, numbers in leaves.items()}
    both = with_gradients(program)
    y, *_ = run(both, leaves)
    assert y == pytest.approx(run(program, leaves)[0], rel=1e-12)
    found = gradients(both, leaves)
    generator = np.random.default_rng(seed)
    direction = {leaf: generator.normal(size=leaf.shape) for leaf in leaves_of(program)}
    true, error = slope(program, leaves, direction)
    got = sum(float(np.sum(found[leaf] * direction[leaf])) for leaf in direction)
    assert math.isfinite(true)
    assert abs(got - true) <= error, listing(both)


def back(program: Program) -> list[str]:
    """What a program has more with its gradients; all of it where its loops leave more, too."""
    lines = listing(with_gradients(program)).split("\n")
    forward = listing(tidy(program)).split("\n")[:-1]
    if lines[: len(forward)] == forward:
        lines = lines[len(forward) :]
    return [line for line in lines if not line.startswith("return")]


# ---- statements that are known by heart ------------------------------------------------------------------------------
CASES: list[Case] = []


def case(function: Case) -> Case:
    """A program, and in the docstring what it has more with its gradients."""
    CASES.append(function)
    return function


@case
def a_slice_from_behind() -> tuple[Writer, Block]:
    """
    3[3] = cos x[-1]+3 over (3,)
    dx[4] = scatter dx[1]+1 += 3[-1]+2 over (3,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write("sin", Access(x, (-1,), 3), axes=(3,)))


@case
def a_transpose() -> tuple[Writer, Block]:
    """
    3[2, 5] = cos X[1, 2] over (2, 5)
    dX[5, 2] = copy 3[1, 5] over (5, 2)
    X: dX[2, 1] over (5, 2)
    """
    w = Writer(X)
    return w, w.total(w.write("sin", Access(X, (1, 2)), axes=(2, 5)))


@case
def all_of_it_from_behind() -> tuple[Writer, Block]:
    """
    3[4] = cos x[-1]+3 over (4,)
    dx[4] = copy 3[-1]+3 over (4,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write("sin", Access(x, (-1,), 3), axes=(4,)))


@case
def another_shape() -> tuple[Writer, Block]:
    """
    5[2, 5] = cos 2[5, 1] over (2, 5)
    dX[5, 2] = mul 5[2, 1], Z[2, 1] over (5, 2)
    dZ[2, 5] = mul 5[5, 1], X[5, 1] over (2, 5)
    X: dX[2, 1] over (5, 2)
    Z: dZ[5, 1] over (2, 5)
    """
    w = Writer(X, Block("Z", (2, 5), "input"))
    return w, w.total(w.write("sin", w.write(MUL, X, w.inputs[1], axes=(2, 5))))


@case
def windows_that_overlap() -> tuple[Writer, Block]:
    """
    5[3] = cos 2[1] over (3,)
    6[3, 2] = mul 5[1, 0], k[0, 1] over (3, 2)
    dk[2] = mul 5[0, 1], x[1, 1] over (2,) total (3,)
    dx[4] = scatter dx[1, 1] += 6[2, 1] over (3, 2)
    x: dx[1] over (4,)
    k: dk[1] over (2,)
    """
    k = Block("k", (2,), "parameter")
    w = Writer(x, k)
    y = w.write(MUL, Access(x, (1, 1)), Access(k, (0, 1)), axes=(3, 2), reduced=1)
    return w, w.total(w.write("sin", y))


@case
def a_gather_that_repeats() -> tuple[Writer, Block]:
    """
    3[2, 2] = cos xI over (2, 2)
    dx[4] = scatter dxI += 3[2, 1] over (2, 2)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write("sin", Access(x, (), 0, np.array([[0, 2], [2, 2]])), axes=(2, 2)))


@case
def a_gather_along_one_axis() -> tuple[Writer, Block]:
    """
    4[3] = copy W[2, 1] over (3,) total (2,)
    dx[4] = scatter dxI += 4[1] over (3,)
    dW[3, 2] = copy xI over (3, 2)
    x: dx[1] over (4,)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(x, W)
    return w, w.total(w.write(MUL, Access(x, (), 0, np.array([[0], [2], [2]])), W, axes=(3, 2)))


@case
def a_mask() -> tuple[Writer, Block]:
    """
    3[3, 2] = cos W[2, 1]M over (3, 2)
    dW[3, 2] = copy 3[2, 1]M over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write("sin", Access(W, (2, 1), 0, None, MASK), axes=(3, 2)))


@case
def a_mask_and_a_number_for_what_is_masked() -> tuple[Writer, Block]:
    """
    3[3, 2] = copy W[2, 1]M over (3, 2)
    dW[3, 2] = add 3[2, 1], 3[2, 1] over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    y = w.write(MUL, Access(W, (2, 1), 0, None, MASK, 0.5), Access(W, (2, 1), 0, None, MASK, 3.0), axes=(3, 2))
    return w, w.total(y)


@case
def a_mask_on_a_slice() -> tuple[Writer, Block]:
    """
    3[2] = cos x[2]M over (2,)
    dx[4] = scatter dx[2] += 3[1]M over (2,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write("sin", Access(x, (2,), 0, None, np.array([True, False])), axes=(2,)))


@case
def a_mask_along_an_axis_that_repeats() -> tuple[Writer, Block]:
    """
    db[3] = copy W[2, 1]M over (3,) total (2,)
    dW[3, 2] = copy b[1, 0]M over (3, 2)
    b: db[1] over (3,)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(b, W)
    return w, w.total(w.write(MUL, Access(b, (1, 0), 0, None, MASK), W, axes=(3, 2)))


@case
def a_mask_on_a_sum_of_what_repeats() -> tuple[Writer, Block]:
    """
    db[3] = copy #3[0, 0]M over (3,) total (2,)
    b: db[1] over (3,)
    """
    w = Writer(b)
    return w, w.total(w.write(COPY, Access(b, (1, 0), 0, None, MASK), axes=(3, 2)))


@case
def two_halves() -> tuple[Writer, Block]:
    """
    5[2] = sin x[1]+2 over (2,)
    6[2] = neg 5[1] over (2,)
    7[2] = cos x[1] over (2,)
    dx[4] = scatter dx[1]+2 += 6[1] over (2,); dx[1] += 7[1] over (2,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    first, second = w.write("sin", Access(x, (1,)), axes=(2,)), w.write("cos", Access(x, (1,), 2), axes=(2,))
    return w, w.total(w.write("add", first, second))


@case
def the_same_half_twice_and_all() -> tuple[Writer, Block]:
    """
    8[4] = sin x[1] over (4,)
    9[4] = neg 8[1] over (4,)
    10[2] = cos x[1] over (2,)
    11[2] = add 2[1], 10[1] over (2,)
    dx[4] = scatter dx[1] += 9[1] over (4,); dx[1] += 11[1] over (2,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    first, second = w.write("sin", Access(x, (1,)), axes=(2,)), w.write("exp", Access(x, (1,)), axes=(2,))
    sums = w.write("add", first, second)
    return w, w.write("add", w.total(sums), w.total(w.write("cos", x)), axes=())


@case
def largest_of_rows() -> tuple[Writer, Block]:
    """
    4[3] = cos 1[1] over (3,)
    5[3] = minimum 1[1], 1.7976931348623157e+308 over (3,)
    6[3, 2] = sub 5[1, 0], W[2, 1] over (3, 2)
    7[3, 2] = step 6[2, 1] over (3, 2)
    8[3, 2] = sub 1.0, 7[2, 1] over (3, 2)
    9[3] = copy 8[2, 1] over (3,) total (2,)
    10[3, 2] = div 8[2, 1], 9[1, 0] over (3, 2)
    dW[3, 2] = mul 4[1, 0], 10[2, 1] over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write("sin", w.write(COPY, W, axes=(3, 2), reduced=1, reduce=OPS["largest"])))


@case
def smallest_of_products() -> tuple[Writer, Block]:
    """
    5[3] = cos 2[1] over (3,)
    6[3, 2] = mul W[2, 1], b[1, 0] over (3, 2)
    7[3] = maximum 2[1], -1.7976931348623157e+308 over (3,)
    8[3, 2] = sub 6[2, 1], 7[1, 0] over (3, 2)
    9[3, 2] = step 8[2, 1] over (3, 2)
    10[3, 2] = sub 1.0, 9[2, 1] over (3, 2)
    11[3] = copy 10[2, 1] over (3,) total (2,)
    12[3, 2] = div 10[2, 1], 11[1, 0] over (3, 2)
    13[3, 2] = mul 5[1, 0], 12[2, 1] over (3, 2)
    dW[3, 2] = mul 13[2, 1], b[1, 0] over (3, 2)
    db[3] = mul 13[2, 1], W[2, 1] over (3,) total (2,)
    W: dW[2, 1] over (3, 2)
    b: db[1] over (3,)
    """
    w = Writer(W, b)
    y = w.write(MUL, W, Access(b, (1, 0)), axes=(3, 2), reduced=1, reduce=OPS["smallest"])
    return w, w.total(w.write("sin", y))


@case
def logsumexp_of_rows() -> tuple[Writer, Block]:
    """
    3[3, 2] = sub W[2, 1], 1[1, 0] over (3, 2)
    4[3, 2] = exp 3[2, 1] over (3, 2)
    5[3] = copy 4[2, 1] over (3,) total (2,)
    dW[3, 2] = div 4[2, 1], 5[1, 0] over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write(COPY, W, axes=(3, 2), reduced=1, reduce=OPS["logsumexp"]))


@case
def logsumexp_of_what_repeats() -> tuple[Writer, Block]:
    """
    3[3] = sub b[1], 1[1] over (3,)
    4[3] = exp 3[1] over (3,)
    5[3] = mul 2.0, 4[1] over (3,)
    6[3] = div 4[1], 5[1] over (3,)
    db[3] = mul 2.0, 6[1] over (3,)
    b: db[1] over (3,)
    """
    w = Writer(b)
    return w, w.total(w.write(COPY, Access(b, (1, 0)), axes=(3, 2), reduced=1, reduce=OPS["logsumexp"]))


@case
def an_embedding() -> tuple[Writer, Block]:
    """
    5[5, 2] = cos 2[2, 1] over (5, 2)
    7[5, 3] = equal i[1, 0], #6[0, 1] over (5, 3)
    dW[3, 2] = mul 5[0, 1, 2], 7[1, 0, 3] over (3, 2) total (5,)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(Block("i", (5,), "index"), W)
    y = w.write(TAKE, Access(W, (0, 1, 2)), Access(w.inputs[0], (1, 0, 0)), axes=(5, 2, 3), reduced=1)
    return w, w.total(w.write("sin", y))


@case
def a_number_times_a_vector() -> tuple[Writer, Block]:
    """
    5[4] = cos 2[1] over (4,)
    da[] = mul 5[1], x[1] over () total (4,)
    dx[4] = mul 5[1], a[0] over (4,)
    x: dx[1] over (4,)
    a: da[] over ()
    """
    w = Writer(x, a)
    return w, w.total(w.write("sin", w.write(MUL, Access(a, (0,)), x, axes=(4,))))


@case
def a_vector_times_the_sum_of_another() -> tuple[Writer, Block]:
    """
    4[] = cos 2[] over ()
    5[] = copy x[1] over () total (4,)
    da[] = mul 4[], 5[] over ()
    7[] = mul 4[], a[] over ()
    dx[4] = copy 7[0] over (4,)
    x: dx[1] over (4,)
    a: da[] over ()
    """
    w = Writer(x, a)
    y = w.write(MUL, Access(a, (0,)), x, axes=(4,), reduced=1)
    return w, w.write("sin", y)


@case
def gradients_that_are_numbers() -> tuple[Writer, Block]:
    """
    a: 3.0 over ()
    b: -1.0 over (3,)
    """
    w = Writer(a, b)
    return w, w.total(w.write("sub", Access(a, (0,)), b, axes=(3,)))


@case
def a_sum_that_varies_less_than_its_axes() -> tuple[Writer, Block]:
    """
    4[3] = cos 1[1] over (3,)
    db[3] = mul 2.0, 4[1] over (3,)
    b: db[1] over (3,)
    """
    w = Writer(b)
    y = w.write(COPY, Access(b, (1, 0)), axes=(3, 2), reduced=1)
    return w, w.total(w.write("sin", y))


@case
def a_block_times_itself_from_behind() -> tuple[Writer, Block]:
    """
    dx[4] = add x[-1]+3, x[-1]+3 over (4,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write(MUL, Access(x, (1,)), Access(x, (-1,), 3), axes=(4,)))


@case
def an_outer_product() -> tuple[Writer, Block]:
    """
    5[3, 2] = cos 2[2, 1] over (3, 2)
    db[3] = mul 5[2, 1], v[0, 1] over (3,) total (2,)
    dv[2] = mul 5[1, 2], b[0, 1] over (2,) total (3,)
    b: db[1] over (3,)
    v: dv[1] over (2,)
    """
    w = Writer(b, Block("v", (2,), "parameter"))
    y = w.write(MUL, Access(b, (1, 0)), Access(w.parameters[1], (0, 1)), axes=(3, 2))
    return w, w.total(w.write("sin", y))


@case
def a_batch_of_products() -> tuple[Writer, Block]:
    """
    5[4, 3, 5] = cos 2[15, 5, 1] over (4, 3, 5)
    dA[4, 3, 2] = mul 5[15, 5, 0, 1], B[10, 0, 1, 2] over (4, 3, 2) total (5,)
    dB[4, 5, 2] = mul 5[15, 1, 0, 5], A[6, 0, 1, 2] over (4, 5, 2) total (3,)
    A: dA[6, 2, 1] over (4, 3, 2)
    B: dB[10, 2, 1] over (4, 5, 2)
    """
    A, B = Block("A", (4, 3, 2), "input"), Block("B", (4, 5, 2), "input")
    w = Writer(A, B)
    y = w.write(MUL, Access(A, (6, 2, 0, 1)), Access(B, (10, 0, 2, 1)), axes=(4, 3, 5, 2), reduced=1)
    return w, w.total(w.write("sin", y))


@case
def a_function_under_a_sum() -> tuple[Writer, Block]:
    """
    4[3] = cos 1[1] over (3,)
    5[3, 2] = exp W[2, 1] over (3, 2)
    dW[3, 2] = mul 4[1, 0], 5[2, 1] over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write("sin", w.write("exp", W, axes=(3, 2), reduced=1)))


@case
def numbers_put_in_their_places() -> tuple[Writer, Block]:
    """
    4[3] = cos 0[1] over (3,)
    dx[4] = scatter dx[1] += 4[0]+1 over (4,); dx[2]+1 += 4[-1]+2 over (2,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    y = w.scatter((3,), ((4,), Access(x, (0,), 1), whole(x)), ((2,), Access(x, (1,), 1), Access(x, (-2,), 3)))
    return w, w.total(w.write("sin", y))


@case
def numbers_put_by_an_index() -> tuple[Writer, Block]:
    """
    4[3] = cos 0[-1]+2 over (3,)
    dx[2, 2] = copy 4+2I over (2, 2)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    y = w.scatter((3,), ((2, 2), Access(x, (), 0, np.array([[0, 1], [1, 2]])), whole(x, (2, 2))))
    return w, w.total(w.write("sin", Access(y, (-1,), 2), axes=(3,)))


@case
def numbers_in_their_places_of_which_some_are_masked() -> tuple[Writer, Block]:
    """
    db[3] = copy 0[1]M over (3,)
    6[3] = copy b[1]M over (3,)
    dx[4] = scatter dx[1] += 6[0]+1 over (4,); dx[2]+1 += 6[-1]+2 over (2,)
    x: dx[1] over (4,)
    b: db[1] over (3,)
    """
    w = Writer(x, b)
    y = w.scatter((3,), ((4,), Access(x, (0,), 1), whole(x)), ((2,), Access(x, (1,), 1), Access(x, (-2,), 3)))
    return w, w.total(w.write(MUL, y, Access(b, (1,), 0, None, np.array([True, False, True])), axes=(3,)))


@case
def numbers_in_their_places_read_by_an_index() -> tuple[Writer, Block]:
    """
    5[3] = copy bI over (3,)
    dx[4] = scatter dx[1] += 5[0]+1 over (4,); dx[2]+1 += 5[-1]+2 over (2,)
    db[3] = scatter dbI += 0[1] over (3,)
    x: dx[1] over (4,)
    b: db[1] over (3,)
    """
    w = Writer(x, b)
    y = w.scatter((3,), ((4,), Access(x, (0,), 1), whole(x)), ((2,), Access(x, (1,), 1), Access(x, (-2,), 3)))
    return w, w.total(w.write(MUL, y, Access(b, (), 0, np.array([0, 2, 1])), axes=(3,)))


@case
def squares_of_rows() -> tuple[Writer, Block]:
    """
    4[3] = cos 1[1] over (3,)
    5[3] = mul 2.0, 4[1] over (3,)
    dW[3, 2] = mul 5[1, 0], W[2, 1] over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write("sin", w.write(MUL, W, W, axes=(3, 2), reduced=1)))


@case
def a_square_of_each() -> tuple[Writer, Block]:
    """
    4[4] = cos 1[1] over (4,)
    5[4] = mul 2.0, 4[1] over (4,)
    dx[4] = mul 5[1], x[1] over (4,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write("sin", w.write(MUL, x, x)))


@case
def a_block_from_behind_times_itself() -> tuple[Writer, Block]:
    """
    dx[4] = add x[-1]+3, x[-1]+3 over (4,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write(MUL, Access(x, (-1,), 3), Access(x, (1,)), axes=(4,)))


@case
def a_block_times_a_part_of_itself() -> tuple[Writer, Block]:
    """
    3[3, 2] = copy W[2, 1]M over (3, 2)
    dW[3, 2] = add 3[2, 1], W[2, 1]M over (3, 2)
    W: dW[2, 1] over (3, 2)
    """
    w = Writer(W)
    return w, w.total(w.write(MUL, Access(W, (2, 1), 0, None, MASK), W, axes=(3, 2)))


@case
def neighbours() -> tuple[Writer, Block]:
    """
    dx[4] = scatter dx[1] += x[1]+1 over (3,); dx[1]+1 += x[1] over (3,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.total(w.write(MUL, Access(x, (1,)), Access(x, (1,), 1), axes=(3,)))


@case
def a_gradient_that_is_minus_one() -> tuple[Writer, Block]:
    """
    4[4] = cos x[1] over (4,)
    dx[4] = neg 4[1] over (4,)
    x: dx[1] over (4,)
    """
    w = Writer(x)
    return w, w.write("neg", w.total(w.write("sin", x)))


@case
def what_cancels() -> tuple[Writer, Block]:
    """
    x: 0.0 over (4,)
    """
    w = Writer(x)
    y = w.write("sin", x)
    return w, w.total(w.write("sub", y, y))


@case
def a_mask_on_a_sum_of_what_repeats_and_a_factor() -> tuple[Writer, Block]:
    """
    4[3] = copy #3[0, 0]M over (3,) total (2,)
    db[3] = mul 3.0, 4[1] over (3,)
    b: db[1] over (3,)
    """
    w = Writer(b)
    return w, w.total(w.write(MUL, Access(b, (1, 0), 0, None, MASK), 3.0, axes=(3, 2)))


@case
def a_matrix_read_as_a_row() -> tuple[Writer, Block]:
    """
    4[10] = cos 1[1] over (10,)
    dX[5, 2] = mul 4[2, 1], 1[2, 1] over (5, 2)
    X: dX[2, 1] over (5, 2)
    """
    w = Writer(X)
    return w, w.total(w.write("sin", w.write("exp", whole(X, (10,)), axes=(10,))))


@case
def a_leaf_of_one_row() -> tuple[Writer, Block]:
    """
    5[4] = cos 2[1] over (4,)
    dx[4] = mul 5[1], v[1] over (4,)
    dv[1, 4] = mul 5[0, 1], x[0, 1] over (1, 4)
    x: dx[1] over (4,)
    v: dv[0, 1] over (1, 4)
    """
    v = Block("v", (1, 4), "parameter")
    w = Writer(x, v)
    return w, w.total(w.write("sin", w.write(MUL, x, whole(v, (4,)))))


@case
def a_product_with_a_leaf_of_one_row() -> tuple[Writer, Block]:
    """
    6[5] = cos 3[1] over (5,)
    dX[5, 2] = mul 6[1, 0], v[0, 1] over (5, 2)
    dv[1, 2] = mul 6[0, 0, 1], X[0, 1, 2] over (1, 2) total (5,)
    X: dX[2, 1] over (5, 2)
    v: dv[0, 1] over (1, 2)
    """
    v = Block("v", (1, 2), "parameter")
    w = Writer(X, v)
    y = w.write(MUL, X, Access(v, (0, 1)), axes=(5, 2))
    return w, w.total(w.write("sin", w.write(COPY, y, axes=(5, 2), reduced=1)))


@case
def the_number_of_samples_in_each_cell() -> tuple[Writer, Block]:
    """
    3[] = one x[] over () samples
    db[3] = copy 3[0] over (3,)
    x: 1.0 over (3,)
    b: db[1] over (3,)
    """
    w = Writer(Block("x", (3,), "input", samples=True), b)
    return w, w.write("add", w.inputs[0], b, axes=(3,), reduced=1)


@case
def a_power() -> tuple[Writer, Block]:
    """
    14[] = pow a[], -2.0 over ()
    15[] = neg 14[] over ()
    16[] = sqrt a[] over ()
    17[] = mul 1.5, 16[] over ()
    18[] = mul 2.0, a[] over ()
    19[] = mul a[], a[] over ()
    20[] = mul 3.0, 19[] over ()
    21[] = pow a[], 3.0 over ()
    22[] = mul 4.0, 21[] over ()
    23[] = add 15[], 17[] over ()
    24[] = add 23[], 1.0 over ()
    25[] = add 24[], 18[] over ()
    26[] = add 25[], 20[] over ()
    da[] = add 26[], 22[] over ()
    a: da[] over ()
    """
    w = Writer(a)
    powers = [w.write(power(n), a) for n in (4, 3, 2, 1, 0, 1.5, -1)]
    y = powers[0]
    for term in powers[1:]:
        y = w.write("add", y, term)
    return w, y


@case
def a_quotient_of_differences() -> tuple[Writer, Block]:
    """
    4[] = div 1.0, c[] over ()
    5[] = neg 3[] over ()
    6[] = div 5[], c[] over ()
    7[] = neg 4[] over ()
    dc[] = add 6[], 7[] over ()
    a: 4[] over ()
    c: dc[] over ()
    """
    w = Writer(a, Block("c", (), "parameter"))
    c = w.parameters[1]
    return w, w.write("div", w.write("sub", a, c), c)


@case
def an_exponential() -> tuple[Writer, Block]:
    """
    a: 1[] over ()
    """
    w = Writer(a)
    return w, w.write("exp", a)


@case
def an_operation_of_three() -> tuple[Writer, Block]:
    """
    da[] = copy x[1] over () total (4,)
    5[] = add a[], 2.0 over ()
    dx[4] = copy 5[0] over (4,)
    x: dx[1] over (4,)
    a: da[] over ()
    """
    w = Writer(x, a)
    return w, w.total(w.write("dot", x, 2.0, Access(a, (0,)), x, axes=(4,)))


@case
def a_choice() -> tuple[Writer, Block]:
    """
    dx[4] = where x[-1]+3, 1.0, 0.0 over (4,)
    5[4] = where x[-1]+3, 0.0, 1.0 over (4,)
    da[] = copy 5[1] over () total (4,)
    x: dx[1] over (4,)
    a: da[] over ()
    """
    w = Writer(x, a)
    return w, w.total(w.write("where", Access(x, (-1,), 3), x, Access(a, (0,)), axes=(4,)))


@case
def a_recurrence() -> tuple[Writer, Block]:
    """
    loop 6: h = 0.0, row in rows[2, 1]
        u[3] = mul U[2, 1], row[0, 1] over (3,) total (2,)
        v[3] = mul V[3, 1], h[0, 1] over (3,) total (3,)
        t[3] = add u[1], v[1] over (3,)
        s[3] = add t[1], b[1] over (3,)
        after[3] = tanh s[1] over (3,)
    next: h = after[1] -> last, h -> h, after -> after
    14[3] = sin last[1] over (3,)
    15[] = copy 14[1] over () total (3,)
    dlast[3] = cos last[1] over (3,)
    loop 6 backwards: dh = dlast[1], db = 0.0, after in after[3, 1]
        20[3] = mul after[1], after[1] over (3,)
        21[3] = sub 1.0, 20[1] over (3,)
        ds[3] = mul dh[1], 21[1] over (3,)
        dh[3] = mul ds[0, 1], V[1, 3] over (3,) total (3,)
        drow[2] = mul ds[0, 1], U[1, 2] over (2,) total (3,)
        25[3] = add db[1], ds[1] over (3,)
    next: dh = dh[1], db = 25[1] -> db, drow -> drows, ds -> 28
    dV[3, 3] = mul 28[1, 0, 3], h[0, 1, 3] over (3, 3) total (6,)
    dU[3, 2] = mul 28[1, 0, 3], rows[0, 1, 2] over (3, 2) total (6,)
    rows: drows[2, 1] over (6, 2)
    U: dU[2, 1] over (3, 2)
    V: dV[3, 1] over (3, 3)
    b: db[1] over (3,)
    """
    rows, U, V = Block("rows", (6, 2), "input"), Block("U", (3, 2), "parameter"), Block("V", (3, 3), "parameter")
    w = Writer(rows, U, V, b)
    h, row, last = Block("h", (3,)), Block("row", (2,)), Block("last", (3,))
    with w.body() as body:
        u = w.write(MUL, U, Access(row, (0, 1)), axes=(3, 2), reduced=1, name="u")
        v = w.write(MUL, V, Access(h, (0, 1)), axes=(3, 3), reduced=1, name="v")
        s = w.write("add", w.write("add", u, v, name="t"), b, name="s")
        after = w.write("tanh", s, name="after")
    w.loop(6, body, [Carry(h, 0.0, whole(after), last)], [(row, whole(rows))])
    return w, w.total(w.write("sin", last))


@case
def an_integrator() -> tuple[Writer, Block]:
    """
    loop 50: angle = start[], speed = 0.0
        3[] = sin angle[] over ()
        5[] = mul 3[], g[] over ()
        6[] = mul 5[], 0.1 over ()
        7[] = sub speed[], 6[] over ()
        8[] = mul 7[], 0.1 over ()
        9[] = add angle[], 8[] over ()
    next: angle = 9[] -> last, speed = 7[], 9 -> path, 3 -> 12, angle -> angle
    14[] = copy path[1] over () total (50,)
    15[] = mul last[], last[] over ()
    16[] = add 14[], 15[] over ()
    dlast[] = mul 2.0, last[] over ()
    loop 50 backwards: dangle = dlast[], dspeed = 0.0, dg = 0.0, 21 in 12[1], angle in angle[1]
        23[] = add 1.0, dangle[] over ()
        24[] = mul 0.1, 23[] over ()
        25[] = add dspeed[], 24[] over ()
        26[] = neg 25[] over ()
        27[] = mul 0.1, 26[] over ()
        28[] = mul 27[], g[] over ()
        29[] = mul 27[], 21[] over ()
        30[] = cos angle[] over ()
        31[] = mul 28[], 30[] over ()
        dangle[] = add 23[], 31[] over ()
        33[] = add dg[], 29[] over ()
    next: dangle = dangle[] -> dangle, dspeed = 25[], dg = 33[] -> dg
    start: dangle[] over ()
    g: dg[] over ()
    """
    g, start = Block("g", (), "parameter"), Block("start", (), "input")
    w = Writer(start, g)
    angle, speed, last, path = Block("angle"), Block("speed"), Block("last"), Block("path", (50,))
    with w.body() as body:
        force = w.write(MUL, w.write("sin", angle), g, axes=())
        speeder = w.write("sub", speed, w.write(MUL, force, 0.1, axes=()))
        after = w.write("add", angle, w.write(MUL, speeder, 0.1, axes=()))
    w.loop(
        50,
        body,
        [Carry(angle, whole(start), whole(after), last), Carry(speed, 0.0, whole(speeder))],
        [],
        [(after, path)],
    )
    return w, w.write("add", w.total(path), w.write(MUL, last, last))


@case
def a_loop_that_runs_backwards_over_every_second_row() -> tuple[Writer, Block]:
    """
    loop 3 backwards: state = a[0], row in rows[4, -1]+1
        4[2] = exp row[1] over (2,)
        after[2] = mul 4[1], state[1] over (2,)
    next: state = after[1] -> last, state -> kept, 4 -> 8
    9[2] = sin last[1] over (2,)
    10[] = copy 9[1] over () total (2,)
    11[3, 2] = cos kept[2, 1] over (3, 2)
    12[] = copy 11[1] over () total (6,)
    13[] = add 10[], 12[] over ()
    14[3, 2] = sin kept[2, 1] over (3, 2)
    dkept[3, 2] = neg 14[2, 1] over (3, 2)
    dlast[2] = cos last[1] over (2,)
    loop 3: dstate = dlast[1], dstate in dkept[2, 1], state in kept[2, 1], 20 in 8[2, 1]
        21[2] = mul dstate[1], state[1] over (2,)
        22[2] = mul dstate[1], 20[1] over (2,)
        drow[2] = mul 21[1], 20[1] over (2,)
        dstate[2] = add dstate[1], 22[1] over (2,)
    next: dstate = dstate[1] -> dstate, drow -> 26
    da[] = copy dstate[1] over () total (2,)
    drows[6, 2] = scatter drows[4, 1] += 26[2, -1]+1 over (3, 2)
    rows: drows[2, 1] over (6, 2)
    a: da[] over ()
    """
    rows = Block("rows", (6, 2), "input")
    w = Writer(rows, a)
    row, state, last, kept = Block("row", (2,)), Block("state", (2,)), Block("last", (2,)), Block("kept", (3, 2))
    with w.body() as body:
        after = w.write(MUL, w.write("exp", row), state, name="after")
    start = Access(a, (0,))
    w.loop(3, body, [Carry(state, start, whole(after), last)], [(row, Access(rows, (4, -1), 1))], [(state, kept)], True)
    return w, w.write("add", w.total(w.write("sin", last)), w.total(w.write("cos", kept)))


@case
def a_loop_in_a_loop() -> tuple[Writer, Block]:
    """
    loop 3: total = 0.5, row in W[2, 1]
        loop 2: inner = total[], cell in row[1]
            5[] = sin cell[] over ()
            7[] = mul 5[], a[] over ()
            8[] = add inner[], 7[] over ()
        next: inner = 8[] -> line, 5 -> 10
        11[] = tanh line[] over ()
    next: total = 11[] -> last, 11 -> 13, 10 -> 14
    15[] = sin last[] over ()
    dlast[] = cos last[] over ()
    loop 3 backwards: dtotal = dlast[], da = 0.0, 19 in 13[1], 20 in 14[2, 1], row in W[2, 1]
        22[] = mul 19[], 19[] over ()
        23[] = sub 1.0, 22[] over ()
        dline[] = mul dtotal[], 23[] over ()
        loop 2 backwards: dinner = dline[], da = 0.0, 27 in 20[1], cell in row[1]
            29[] = mul dinner[], a[] over ()
            30[] = mul dinner[], 27[] over ()
            31[] = cos cell[] over ()
            dcell[] = mul 29[], 31[] over ()
            33[] = add da[], 30[] over ()
        next: dinner = dinner[] -> dinner, da = 33[] -> da, dcell -> drow
        37[] = add da[], da[] over ()
    next: dtotal = dinner[], da = 37[] -> da, drow -> dW
    W: dW[2, 1] over (3, 2)
    a: da[] over ()
    """
    w = Writer(W, a)
    row, cell, total, inner, line = Block("row", (2,)), Block("cell"), Block("total"), Block("inner"), Block("line")
    last = Block("last")
    with w.body() as outer:
        with w.body() as body:
            after = w.write("add", inner, w.write(MUL, w.write("sin", cell), a))
        w.loop(2, body, [Carry(inner, whole(total), whole(after), line)], [(cell, whole(row))])
        next_total = w.write("tanh", line)
    w.loop(3, outer, [Carry(total, 0.5, whole(next_total), last)], [(row, whole(W))])
    return w, w.write("sin", last)


@case
def products_of_all_turns_at_once() -> tuple[Writer, Block]:
    """
    loop 2: row in rows[-8, 2]+12
        3[3] = mul M[4, 1], rowI over (3,) total (4,)
        after[3] = tanh 3[1] over (3,)
    next: after -> kept, row -> row
    7[2, 3] = sin kept[3, 1] over (2, 3)
    8[] = copy 7[1] over () total (6,)
    dkept[2, 3] = cos kept[3, 1] over (2, 3)
    loop 2 backwards: dafter in dkept[3, 1], after in kept[3, 1]
        12[3] = mul after[1], after[1] over (3,)
        13[3] = sub 1.0, 12[1] over (3,)
        14[3] = mul dafter[1], 13[1] over (3,)
        15[4] = mul 14[0, 1], M[1, 4] over (4,) total (3,)
        drow[2] = scatter drowI += 15[1] over (4,)
    next: drow -> drow, 14 -> 18
    dM[3, 4] = mul 18[1, 0, 3], rowI over (3, 4) total (2,)
    drows[6, 4] = scatter drows[8, 2]+4 += drow[-2, 1]+2 over (2, 2)
    rows: drows[4, 1] over (6, 4)
    M: dM[4, 1] over (3, 4)
    """
    rows, M = Block("rows", (6, 4), "input"), Block("M", (3, 4), "parameter")
    w = Writer(rows, M)
    row, kept = Block("row", (2,)), Block("kept", (2, 3))
    turned = Access(row, (), 0, np.array([[1, 0, 0, 1]]))
    with w.body() as body:
        after = w.write("tanh", w.write(MUL, M, turned, axes=(3, 4), reduced=1), name="after")
    w.loop(2, body, [], [(row, Access(rows, (-8, 2), 12))], [(after, kept)])
    return w, w.total(w.write("sin", kept))


@case
def only_the_last_turn_counts() -> tuple[Writer, Block]:
    """
    loop 4 backwards: dstate = 5[], row in x[1]
        8[] = cos row[] over ()
        drow[] = mul dstate[], 8[] over ()
    next: dstate = #10[], drow -> dx
    x: dx[1] over (4,)
    """
    w = Writer(x)
    row, state, last = Block("row"), Block("state"), Block("last")
    with w.body() as body:
        after = w.write("sin", row)
    w.loop(4, body, [Carry(state, 0.0, whole(after), last)], [(row, whole(x))])
    return w, w.write("exp", last)


@case
def a_row_that_is_but_multiplied() -> tuple[Writer, Block]:
    """
    loop 4: state = a[], row in x[1]
        4[] = mul row[], state[] over ()
        5[] = tanh state[] over ()
    next: state = 5[], 4 -> products, 5 -> 7, state -> state
    9[] = copy products[1] over () total (4,)
    loop 4 backwards: dstate = 0.0, 11 in 7[1], row in x[1], state in state[1]
        14[] = mul 11[], 11[] over ()
        15[] = sub 1.0, 14[] over ()
        16[] = mul dstate[], 15[] over ()
        dstate[] = add 16[], row[] over ()
        drow[] = copy state[] over ()
    next: dstate = dstate[] -> dstate, drow -> drow
    x: drow[1] over (4,)
    a: dstate[] over ()
    """
    w = Writer(x, a)
    row, state, products = Block("row"), Block("state"), Block("products", (4,))
    with w.body() as body:
        product = w.write(MUL, row, state)
        after = w.write("tanh", state)
    w.loop(4, body, [Carry(state, whole(a), whole(after))], [(row, whole(x))], [(product, products)])
    return w, w.total(products)


@case
def a_part_of_each_row() -> tuple[Writer, Block]:
    """
    loop 5: state = 0.0, row in rows[-4, 1]+20
        4[3] = mul U[3, 1], row[0, 1]+1 over (3,) total (3,)
        5[3] = add 4[1], state[1] over (3,)
        6[3] = tanh 5[1] over (3,)
    next: state = 6[1] -> last, 6 -> 8
    9[3] = sin last[1] over (3,)
    10[] = copy 9[1] over () total (3,)
    dlast[3] = cos last[1] over (3,)
    loop 5 backwards: dstate = dlast[1], 13 in 8[3, 1]
        14[3] = mul 13[1], 13[1] over (3,)
        15[3] = sub 1.0, 14[1] over (3,)
        16[3] = mul dstate[1], 15[1] over (3,)
        17[3] = mul 16[0, 1], U[1, 3] over (3,) total (3,)
        drow[4] = scatter drow[1]+1 += 17[1] over (3,)
    next: dstate = 16[1], drow -> drow, 16 -> 20
    dU[3, 3] = mul 20[1, 0, 3], rows[0, 1, -4]+21 over (3, 3) total (5,)
    drows[6, 4] = scatter drows[4, 1]+4 += drow[-4, 1]+16 over (5, 4)
    rows: drows[4, 1] over (6, 4)
    U: dU[3, 1] over (3, 3)
    """
    rows, U = Block("rows", (6, 4), "input"), Block("U", (3, 3), "parameter")
    w = Writer(rows, U)
    row, state, last = Block("row", (4,)), Block("state", (3,)), Block("last", (3,))
    with w.body() as body:
        u = w.write(MUL, U, Access(row, (0, 1), 1), axes=(3, 3), reduced=1)
        after = w.write("tanh", w.write("add", u, state))
    w.loop(5, body, [Carry(state, 0.0, whole(after), last)], [(row, Access(rows, (-4, 1), 20))])
    return w, w.total(w.write("sin", last))


@case
def every_second_number_of_each_row() -> tuple[Writer, Block]:
    """
    loop 3: state = 0.5, row in rows[4, 2]
        3[2] = sin state[1] over (2,)
        4[2] = mul row[1], 3[1] over (2,)
    next: state = 4[1] -> last, 3 -> 6, state -> state
    8[] = copy last[1] over () total (2,)
    loop 3 backwards: dstate = 1.0, 10 in 6[2, 1], row in rows[4, 2], state in state[2, 1]
        drow[2] = mul dstate[1], 10[1] over (2,)
        14[2] = mul dstate[1], row[1] over (2,)
        15[2] = cos state[1] over (2,)
        dstate[2] = mul 14[1], 15[1] over (2,)
    next: dstate = dstate[1], drow -> 17
    drows[3, 4] = scatter drows[4, 2] += 17[2, 1] over (3, 2)
    rows: drows[4, 1] over (3, 4)
    """
    rows = Block("rows", (3, 4), "input")
    w = Writer(rows)
    row, state, last = Block("row", (2,)), Block("state", (2,)), Block("last", (2,))
    with w.body() as body:
        after = w.write(MUL, row, w.write("sin", state))
    w.loop(3, body, [Carry(state, 0.5, whole(after), last)], [(row, Access(rows, (4, 2)))])
    return w, w.total(last)


@case
def rows_of_one_number() -> tuple[Writer, Block]:
    """
    loop 3: state = 0.5, row in rows[1, 0]
        3[1] = sin state[1] over (1,)
        4[1] = mul row[1], 3[1] over (1,)
    next: state = 4[1] -> last, 3 -> 6, state -> state
    8[] = copy last[1] over () total (1,)
    loop 3 backwards: dstate = 1.0, 10 in 6[1, 1], row in rows[1, 0], state in state[1, 1]
        drow[1] = mul dstate[0], 10[0] over (1,)
        14[1] = mul dstate[0], row[0] over (1,)
        15[1] = cos state[1] over (1,)
        dstate[1] = mul 14[0], 15[0] over (1,)
    next: dstate = dstate[0], drow -> drows
    rows: drows[1, 0] over (3, 1)
    """
    rows = Block("rows", (3, 1), "input")
    w = Writer(rows)
    row, state, last = Block("row", (1,)), Block("state", (1,)), Block("last", (1,))
    with w.body() as body:
        after = w.write(MUL, row, w.write("sin", state))
    w.loop(3, body, [Carry(state, 0.5, whole(after), last)], [(row, Access(rows, (1, 0)))])
    return w, w.total(last)


@case
def some_of_each_row_by_an_index() -> tuple[Writer, Block]:
    """
    loop 5 backwards: 7 in kept[3, 1]
        8[3] = mul 7[1], 7[1] over (3,)
        9[3] = sub 1.0, 8[1] over (3,)
        10[4] = mul 9[0, 1], M[1, 4] over (4,) total (3,)
        drow[2] = scatter drowI += 10[1] over (4,)
    next: drow -> drow, 9 -> 13
    dM[3, 4] = mul 13[1, 0, 3], XI over (3, 4) total (5,)
    dX[5, 2] = copy drow[-2, 1]+8 over (5, 2)
    X: dX[2, 1] over (5, 2)
    M: dM[4, 1] over (3, 4)
    """
    M = Block("M", (3, 4), "parameter")
    w = Writer(M, X)
    row, kept = Block("row", (2,)), Block("kept", (5, 3))
    with w.body() as body:
        turned = Access(row, (), 0, np.array([[1, 0, 0, 1]]))
        after = w.write("tanh", w.write(MUL, M, turned, axes=(3, 4), reduced=1))
    w.loop(5, body, [], [(row, Access(X, (-2, 1), 8))], [(after, kept)])
    return w, w.total(kept)


@case
def rows_from_behind() -> tuple[Writer, Block]:
    """
    loop 5: state = 0.0, row in rows[3, -1]+2
        4[3] = mul U[3, 1], row[0, 1] over (3,) total (3,)
        5[3] = add 4[1], state[1] over (3,)
        6[3] = tanh 5[1] over (3,)
    next: state = 6[1] -> last, row -> row, 6 -> 9
    10[] = copy last[1] over () total (3,)
    loop 5 backwards: dstate = 1.0, 12 in 9[3, 1]
        13[3] = mul 12[1], 12[1] over (3,)
        14[3] = sub 1.0, 13[1] over (3,)
        15[3] = mul dstate[1], 14[1] over (3,)
        drow[3] = mul 15[0, 1], U[1, 3] over (3,) total (3,)
    next: dstate = 15[1], drow -> 17, 15 -> 18
    dU[3, 3] = mul 18[1, 0, 3], row[0, 1, 3] over (3, 3) total (5,)
    drows[5, 3] = copy 17[3, -1]+2 over (5, 3)
    rows: drows[3, 1] over (5, 3)
    U: dU[3, 1] over (3, 3)
    """
    rows, U = Block("rows", (5, 3), "input"), Block("U", (3, 3), "parameter")
    w = Writer(rows, U)
    row, state, last = Block("row", (3,)), Block("state", (3,)), Block("last", (3,))
    with w.body() as body:
        u = w.write(MUL, U, Access(row, (0, 1)), axes=(3, 3), reduced=1)
        after = w.write("tanh", w.write("add", u, state))
    w.loop(5, body, [Carry(state, 0.0, whole(after), last)], [(row, Access(rows, (3, -1), 2))])
    return w, w.total(last)


@case
def a_part_of_a_row_with_an_axis_of_one() -> tuple[Writer, Block]:
    """
    loop 5: state = 0.0, row in rows[4, 0, 1]+4
        4[3] = mul U[3, 1], row[0, 1]+1 over (3,) total (3,)
        5[3] = add 4[1], state[1] over (3,)
        6[3] = tanh 5[1] over (3,)
    next: state = 6[1] -> last, 6 -> 8
    9[] = copy last[1] over () total (3,)
    loop 5 backwards: dstate = 1.0, 11 in 8[3, 1]
        12[3] = mul 11[1], 11[1] over (3,)
        13[3] = sub 1.0, 12[1] over (3,)
        14[3] = mul dstate[1], 13[1] over (3,)
        15[3] = mul 14[0, 1], U[1, 3] over (3,) total (3,)
        drow[1, 4] = scatter drow[1]+1 += 15[1] over (3,)
    next: dstate = 14[1], drow -> drow, 14 -> 18
    dU[3, 3] = mul 18[1, 0, 3], rows[0, 1, 4]+5 over (3, 3) total (5,)
    drows[6, 4] = scatter drows[4, 1]+4 += drow[4, 1] over (5, 4)
    rows: drows[4, 1] over (6, 4)
    U: dU[3, 1] over (3, 3)
    """
    rows, U = Block("rows", (6, 4), "input"), Block("U", (3, 3), "parameter")
    w = Writer(rows, U)
    row, state, last = Block("row", (1, 4)), Block("state", (3,)), Block("last", (3,))
    with w.body() as body:
        u = w.write(MUL, U, Access(row, (0, 1), 1), axes=(3, 3), reduced=1)
        after = w.write("tanh", w.write("add", u, state))
    w.loop(5, body, [Carry(state, 0.0, whole(after), last)], [(row, Access(rows, (4, 0, 1), 4))])
    return w, w.total(last)


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_the_statements(function: Case) -> None:
    writer, y = function()
    assert back(writer.program(y)) == cleandoc(str(function.__doc__)).split("\n")


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_the_numbers(function: Case) -> None:
    writer, y = function()
    check(writer.program(y), positive=function is a_power)


def test_a_layer_and_a_mean_squared_error() -> None:
    Y, v = Block("Y", (5,), "input"), Block("v", (3,), "parameter")
    w = Writer(X, Y, W, b, v)
    h = w.write(MUL, Access(X, (2, 0, 1)), Access(W, (0, 2, 1)), axes=(5, 3, 2), reduced=1)
    s = w.write("add", h, Access(b, (0, 1)), axes=(5, 3), name="s")
    r = w.write("relu", s, name="r")
    p = w.write(MUL, r, Access(v, (0, 1)), axes=(5, 3), reduced=1)
    e = w.write("sub", p, Y, name="e")
    program = w.program(w.write(MUL, w.total(w.write(MUL, e, e)), 0.2, axes=()))
    check(program)
    assert listing(differentiate(program, [v, X, b, W])).split("\n")[8:] == [
        "de[5] = mul 0.4, e[1] over (5,)",
        "dr[5, 3] = mul de[1, 0], v[0, 1] over (5, 3)",
        "dv[3] = mul de[0, 1], r[1, 3] over (3,) total (5,)",
        "16[5, 3] = step s[3, 1] over (5, 3)",
        "ds[5, 3] = mul dr[3, 1], 16[3, 1] over (5, 3)",
        "db[3] = copy ds[1, 3] over (3,) total (5,)",
        "dX[5, 2] = mul ds[3, 0, 1], W[0, 1, 2] over (5, 2) total (3,)",
        "dW[3, 2] = mul ds[1, 0, 3], X[0, 1, 2] over (3, 2) total (5,)",
        "return: 12[] over ()",
        "X: dX[2, 1] over (5, 2)",
        "W: dW[2, 1] over (3, 2)",
        "b: db[1] over (3,)",
        "v: dv[1] over (3,)",
    ]


# ---- what is wanted, and what is not ---------------------------------------------------------------------------------
def test_only_what_is_wanted_is_computed() -> None:
    w = Writer(x, a)
    program = w.program(w.total(w.write("exp", w.write(MUL, Access(a, (0,)), x, axes=(4,)))))
    assert listing(differentiate(program, [a])).split("\n")[3:] == [
        "da[] = mul 3[1], x[1] over () total (4,)",
        "return: 4[] over ()",
        "a: da[] over ()",
    ]
    assert listing(differentiate(program, [])) == listing(program)


def test_where_nothing_leads_the_gradient_is_zero() -> None:
    w = Writer(x, a, b)
    still = w.write(DETACH, w.write("exp", x))
    program = w.program(w.total(w.write("add", still, w.write("step", Access(a, (0,)), axes=(4,)))))
    assert back(program) == ["x: 0.0 over (4,)", "a: 0.0 over ()", "b: 0.0 over (3,)"]
    constant = Program("f", (x,), (), (), (Output(2.0),))
    assert back(constant) == ["x: 0.0 over (4,)"]
    assert back(replace(constant, outputs=(Output(whole(x), (4,)),))) == ["x: 1.0 over (4,)"]


def test_a_loop_that_the_first_output_does_not_depend_on_stays_as_it_is() -> None:
    w = Writer(x, a)
    state, last = Block("state"), Block("last")
    with w.body() as body:
        after = w.write("sin", state)
    w.loop(3, body, [Carry(state, whole(a), whole(after), last)])
    assert back(w.program(w.total(x), last)) == ["x: 1.0 over (4,)", "a: 0.0 over ()"]


def test_a_stopped_gradient_stops_one_way_only() -> None:
    w = Writer(x)
    program = w.program(w.total(w.write(MUL, w.write(DETACH, x), x)))
    assert back(program) == ["x: 1[1] over (4,)"]
    values = {x: np.array([1.0, -2.0, 3.0, 0.5])}
    assert gradients(with_gradients(program), values)[x].tolist() == [1.0, -2.0, 3.0, 0.5]


def test_outputs_and_places_are_kept_and_origins_have_no_operations() -> None:
    w = Writer(x)
    y = w.write("sin", x)
    w.statements[-1] = replace(w.statements[-1], origin=Origin(("model.py:3",), 4))
    program = w.program(w.total(y), y)
    both = with_gradients(program)
    assert [output.leaf for output in both.outputs] == [None, None, x]
    assert both.places == program.places
    assert back(program)[-1] == "x: dx[1] over (4,)"
    slope_of_sin = next(s for s in both.statements if s.op is OPS["cos"])
    assert (slope_of_sin.origin.lines, slope_of_sin.origin.operations) == (("model.py:3",), 0)
    assert both.statements[0].origin.operations == 4


def test_a_part_of_an_output_and_all_of_one() -> None:
    w = Writer(x)
    y = w.write("sin", x)
    values = {x: np.array([0.1, 0.2, 0.3, 0.4])}
    for output, expected in (
        (Output(Access(y, (2,), 1), (2,)), [0.0, 1.0, 0.0, 1.0]),
        (Output(Access(y, (), 2)), [0.0, 0.0, 1.0, 0.0]),
        (Output(Access(y, (0,), 2), (3,)), [0.0, 0.0, 3.0, 0.0]),
    ):
        found = gradients(with_gradients(w.program(output)), values)[x]
        assert found == pytest.approx(np.cos(values[x]) * expected)


def test_an_operation_of_the_users_with_any_number_of_inputs() -> None:
    op = Op("norm", "norm", lambda m, *xs: m.sqrt(sum(v * v for v in xs)), every=lambda m, y, *xs: [v / y for v in xs])
    OPS["norm"] = op
    w = Writer(x, W)
    program = w.program(w.total(w.write(op, Access(x, (1,)), Access(W, (-1,), 5), Access(x, (1,)), 2.0, axes=(4,))))
    check(program)


def test_what_changes_nothing_is_not_written() -> None:
    op = Op("odd", "odd", lambda m, v: v, lambda m, y, v: (0.0 + (0.0 - v * 1.0) / 1.0 + 0.0) - 0.0)
    w = Writer(x)
    assert back(w.program(w.total(w.write(op, x)))) == ["dx[4] = neg x[1] over (4,)", "x: dx[1] over (4,)"]
    op = Op("even", "even", lambda m, v: v, lambda m, y, v: (1.0 - v / 2.0) - (v - 1.0) + (v + 1.0) * -1.0)
    w = Writer(x)
    assert back(w.program(w.total(w.write(op, x)))) == [
        "3[4] = div x[1], 2.0 over (4,)",
        "4[4] = sub 1.0, 3[1] over (4,)",
        "5[4] = sub x[1], 1.0 over (4,)",
        "6[4] = sub 4[1], 5[1] over (4,)",
        "7[4] = add x[1], 1.0 over (4,)",
        "8[4] = neg 7[1] over (4,)",
        "dx[4] = add 6[1], 8[1] over (4,)",
        "x: dx[1] over (4,)",
    ]


def test_powers_are_what_takes_less_work() -> None:
    for n, text in (
        (0.0, "1.0"),
        (1.0, "x[1]"),
        (2.0, "mul x[1], x[1]"),
        (0.5, "sqrt x[1]"),
        (-1.0, "div 1.0, x[1]"),
        (3.0, "pow x[1], 3.0"),
    ):
        op = Op("odd", "odd", lambda m, v: v, lambda m, y, v, n=n: m.pow(v, n))
        w = Writer(x)
        lines = back(w.program(w.total(w.write(op, x))))
        assert lines[0] in (f"dx[4] = {text} over (4,)", f"x: {text} over (4,)")


def test_a_rule_that_branches_on_its_numbers_is_an_error() -> None:
    op = Op("odd", "odd", lambda m, v: v, lambda m, y, v: 1.0 if v > 0 else 2.0)
    w = Writer(x)
    with pytest.raises(TypeError, match="branches on a number"):
        with_gradients(w.program(w.total(w.write(op, x))))


def test_a_slope_that_is_a_plain_number_of_its_axes() -> None:
    """Of a sum over what nothing varies along, and of numbers that are added up before."""
    w = Writer(a)
    y = w.write(COPY, Access(a, (0, 0)), axes=(3, 2), reduced=1)
    z = w.write("add", w.total(y), w.write(MUL, 2.0, a, axes=()))
    assert back(w.program(z)) == ["a: 8.0 over ()"]


# ---- cells that nobody reads -----------------------------------------------------------------------------------------
def poisoned(program: Program, both: Program, leaves: dict[Block, Array]) -> list[Array]:
    """The outputs where all that is dead in the first program holds a nan, in the second one."""
    alive = find_live_cells(program)
    memory = {leaf: np.array(numbers, float).ravel() for leaf, numbers in leaves.items()}
    mine = {block for statement in program.statements for block in written_blocks(statement)} | set(leaves)

    def poison(block: Block) -> None:
        cells = alive.get(block, np.zeros(block.size, bool))
        if block in mine and block.kind != "index" and cells is not None:
            memory[block] = np.where(cells, memory[block], math.nan)

    for leaf in leaves:
        poison(leaf)
    with np.errstate(all="ignore"):
        for statement in both.statements:
            interpreter._run(statement, memory, 1)
            for block in written_blocks(statement):
                poison(block)
    return [interpreter._read(output.access, output.shape, memory) for output in both.outputs]


@given(seeds, st.integers(0, 2))
def test_a_nan_that_nobody_reads_reaches_no_gradient(seed: int, loops: int) -> None:
    random = Random(seed)
    program = drawn(random, loops)
    leaves = numbers(program, random)
    both = with_gradients(program)
    for got, true in zip(poisoned(program, both, leaves), run(both, leaves)):
        if np.isfinite(true).all():
            assert got == pytest.approx(true, rel=1e-12)


def test_ragged_rows_under_a_logarithm() -> None:
    """A row of one, of two, of three numbers; what is behind its end is read as 0, whose logarithm is −∞."""
    ends = np.tri(3, dtype=bool)
    S = Block("S", (3, 3), "input")
    w = Writer(S, b)
    logs = w.write("log", Access(S, (3, 1), 0, None, ends), axes=(3, 3))
    scaled = w.write(MUL, w.write("sqrt", logs), Access(b, (1, 0)), axes=(3, 3))
    program = w.program(
        w.total(w.write("tanh", w.write(COPY, Access(scaled, (3, 1), 0, None, ends), axes=(3, 3), reduced=1)))
    )
    values = {S: np.array([[3.0, -1.0, 0.0], [2.0, 4.0, math.nan], [5.0, 2.0, 3.0]]), b: np.array([0.1, -0.2, 0.3])}
    found = gradients(with_gradients(program), values)
    assert np.isfinite(found[b]).all()
    assert (found[S][~ends] == 0.0).all()
    root = np.sqrt(np.log(np.where(ends, values[S], math.e)))
    down = (1.0 - np.tanh((root * ends).sum(1) * values[b]) ** 2) * values[b]
    assert found[S] == pytest.approx(np.where(ends, down[:, None] / (2.0 * root * np.where(ends, values[S], 1.0)), 0.0))


def test_a_product_with_a_row_that_nobody_reads() -> None:
    w = Writer(X, W)
    above = w.write("log", W)
    h = w.write(MUL, Access(X, (2, 0, 1)), Access(above, (0, 2, 1)), axes=(5, 3, 2), reduced=1)
    program = w.program(w.total(w.write("sin", Access(h, (3, 1)), axes=(5, 2))))
    values = {X: np.arange(10.0).reshape(5, 2), W: np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.0]])}
    found = gradients(with_gradients(program), values)
    assert np.isfinite(found[X]).all()
    assert found[W][2].tolist() == [0.0, 0.0]


def test_a_function_summed_over_a_row_that_nobody_reads() -> None:
    w = Writer(W)
    sums = w.write("exp", W, axes=(3, 2), reduced=1)
    program = w.program(w.total(w.write("sin", Access(sums, (2,)), axes=(2,))))
    values = {W: np.array([[0.1, 0.2], [1000.0, 1000.0], [0.3, 0.4]])}
    found = gradients(with_gradients(program), values)[W]
    assert np.isfinite(found).all()
    assert found[1].tolist() == [0.0, 0.0]


def test_a_function_of_what_repeats_where_nobody_reads() -> None:
    w = Writer(W, x)
    logs = w.write("log", Access(x, (0, 1)), axes=(3, 2))
    program = w.program(w.total(w.write("sin", Access(logs, (2,)), axes=(3,))))
    values = {W: np.ones((3, 2)), x: np.array([2.0, 0.0, 1.0, 1.0])}
    found = gradients(with_gradients(program), values)[x]
    assert found == pytest.approx([3.0 * math.cos(math.log(2.0)) / 2.0, 0.0, 0.0, 0.0])


def test_what_is_alive() -> None:
    w = Writer(x, W, b)
    y = w.write("sin", Access(W, (1, 2)), axes=(2, 3))
    dead = w.write("cos", y)
    z = w.write(COPY, Access(y, (3,), 1, None, np.array([False, True])), axes=(2,))
    v = w.write(MUL, Access(z, (0, 1)), Access(b, (1, 0)), axes=(3, 2), reduced=1)
    alive = find_live_cells(w.program(Output(Access(v, (2,)), (2,))))
    assert dead not in alive
    assert x not in alive
    assert alive[v].tolist() == [True, False, True]
    assert alive[z] is None
    assert alive[b].tolist() == [True, False, True]
    assert alive[y].tolist() == [False, False, False, False, True, False]
    assert alive[W].tolist() == [False, False, False, True, False, False]


# ---- at random -------------------------------------------------------------------------------------------------------
@given(seeds, st.integers(0, 2))
def test_any_program(seed: int, loops: int) -> None:
    check(drawn(Random(seed), loops), seed)


@given(seeds, st.integers(0, 1))
def test_second_derivatives(seed: int, loops: int) -> None:
    random = Random(seed)
    check(of_gradients(with_gradients(drawn(random, loops)), random), seed)


@given(seeds, st.integers(0, 2))
def test_a_tidied_program_computes_the_same(seed: int, loops: int) -> None:
    random = Random(seed)
    program = drawn(random, loops)
    short = tidy(program)
    leaves = numbers(program, random)
    assert run(short, leaves) == run(program, leaves)
    assert listing(tidy(short)) == listing(short)
