"""Loops as a specification: what repeats becomes a loop, what does not depend on it stands beside it.

As in `test_roll.py` each function has its program in its docstring. A turn that reads what the one before made is in a
loop; what all turns read is the same in each; what each reads for itself is a stream; and what is read of all turns is
kept. Runs that are too short, or change, are written out.
"""

import inspect
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from models import matrix, vector
from reading import texts
from rolling import Cases, Rolled

import tinygrad_edu as tg
from tinygrad_edu import Value

Function = Callable[..., Any]
CASES = Cases()
rolls = CASES.rolls


random = Random(0)
W, U, b, k = matrix(random, 3, 3, "W"), matrix(random, 3, 2, "U"), vector(random, 3, "b"), vector(random, 3, "k")
a, c = Value(0.9, label="a"), Value(0.1, label="c")
TEN = [0.1 * i for i in range(1, 11)]
TEN_BY_TWO = [[0.1 * i, 0.2 * i] for i in range(1, 11)]


def linear(rows: Sequence[Sequence[Any]], x: Sequence[Any]) -> list[Any]:
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in rows]


# ---- one number ------------------------------------------------------------------------------------------------------
@rolls(0.5)
def a_chain(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2, finally t3
    return t3
    """
    for _ in range(40):
        x = (a * x).sin()
    return x


@rolls(0.5)
def a_chain_with_a_bias(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = t1 + c
        t3 = sin(t2)
        next t0 = t3, finally t4
    return t4
    """
    for _ in range(40):
        x = (a * x + c).sin()
    return x


@rolls(0.5)
def a_chain_of_one_operation(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = sin(t0)
        next t0 = t1, finally t2
    return t2
    """
    for _ in range(40):
        x = x.sin()
    return x


@rolls(0.5)
def a_chain_with_constants(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = t0 * 0.5
        t2 = t1 + 0.25
        t3 = sin(t2)
        next t0 = t3, finally t4
    return t4
    """
    for _ in range(40):
        x = (0.5 * x + 0.25).sin()
    return x


@rolls(0.5)
def a_chain_with_a_constant_for_each_turn(x: Any) -> Any:
    """
    9 turns:
        carry t0 from x
        stream t1 = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][t]
        t2 = sin(t0)
        t3 = cos(t2)
        t4 = exp(t3)
        t5 = t4 + t1
        next t0 = t5, finally t6
    t7 = sin(t6)
    t8 = cos(t7)
    t9 = exp(t8)
    return t9
    """
    for i in range(10):
        x = (x + i).sin().cos().exp()
    return x


@rolls(0.5)
def a_chain_from_a_constant(x: Any) -> Any:
    """
    40 turns:
        carry t0 from 0.0
        t1 = t0 * x
        t2 = t1 + x
        t3 = sin(t2)
        next t0 = t3, finally t4
    return t4
    """
    y: Any = 0.0
    for _ in range(40):
        y = (x * y + x).sin()
    return y


@rolls(0.5)
def something_before_and_after(x: Any) -> Any:
    """
    t0 = exp(x)
    20 turns:
        carry t1 from t0
        t2 = t1 * a
        t3 = sin(t2)
        next t1 = t3, finally t4
    t5 = t4 * t4
    t6 = cos(t5)
    return t6
    """
    x = x.exp()
    for _ in range(20):
        x = (a * x).sin()
    return (x * x).cos()


@rolls(0.5)
def all_turns_are_results(x: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2
        keep t2 in t3(20)
    return t3[i] over 20
    """
    ys = []
    for _ in range(20):
        x = (a * x).sin()
        ys.append(x)
    return ys


@rolls(0.5)
def all_turns_of_one_operation_are_results(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = sin(t0)
        next t0 = t1
        keep t1 in t2(40)
    return t2[i] over 40
    """
    ys = []
    for _ in range(40):
        x = x.sin()
        ys.append(x)
    return ys


@rolls(0.5)
def of_all_turns_the_sum_is_taken_after_the_loop(x: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2
        keep t2 in t3(20)
    t4(20) = exp(t3[i])
    t5 = sum[i<20](t4[i])
    return t5
    """
    ys = []
    for _ in range(20):
        x = (a * x).sin()
        ys.append(x.exp())
    return sum(ys)


@rolls(0.5)
def a_sum_that_grows_in_the_loop(x: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2
        keep t2 in t3(20)
    t4 = sum[i<20](t3[i])
    return t4
    """
    s: Any = 0.0
    for _ in range(20):
        x = (a * x).sin()
        s = s + x
    return s


@rolls(TEN)
def a_stream(x: Any) -> Any:
    """
    10 turns:
        carry t0 from 0.0
        stream t1 = x[t]
        t2 = t0 * a
        t3 = t2 + t1
        t4 = tanh(t3)
        t5 = sin(t4)
        next t0 = t5, finally t6
    return t6
    """
    h: Any = 0.0
    for xi in x:
        h = (a * h + xi).tanh().sin()
    return h


@rolls(TEN)
def a_stream_from_the_last_to_the_first(x: Any) -> Any:
    """
    10 turns:
        carry t0 from 0.0
        stream t1 = x[9-t]
        t2 = t0 * a
        t3 = t2 + t1
        t4 = tanh(t3)
        t5 = sin(t4)
        next t0 = t5, finally t6
    return t6
    """
    h: Any = 0.0
    for xi in reversed(x):
        h = (a * h + xi).tanh().sin()
    return h


@rolls(TEN)
def what_does_not_depend_on_the_loop_is_computed_before_it(x: Any) -> Any:
    """
    t0(10) = x[i] * c
    t1(10) = exp(t0[i])
    10 turns:
        carry t2 from 0.0
        stream t3 = t1[t]
        t4 = t2 * a
        t5 = t4 + t3
        t6 = tanh(t5)
        next t2 = t6, finally t7
    return t7
    """
    h: Any = 0.0
    for xi in x:
        h = (a * h + (c * xi).exp()).tanh()
    return h


@rolls(TEN, TEN)
def two_streams(x: Any, y: Any) -> Any:
    """
    10 turns:
        carry t0 from 0.0
        stream t1 = x[t]
        stream t2 = y[t]
        t3 = t0 * t1
        t4 = t3 - t2
        t5 = tanh(t4)
        t6 = sin(t5)
        next t0 = t6, finally t7
    return t7
    """
    h: Any = 0.0
    for xi, yi in zip(x, y):
        h = (h * xi - yi).tanh().sin()
    return h


@rolls(TEN)
def two_numbers_of_one_stream(x: Any) -> Any:
    """
    9 turns:
        carry t0 from 0.0
        stream t1(2) = x[t+i]
        t2 = t0 * t1[0]
        t3 = t2 - t1[1]
        t4 = tanh(t3)
        t5 = sin(t4)
        next t0 = t5, finally t6
    return t6
    """
    h: Any = 0.0
    for i in range(9):
        h = (h * x[i] - x[i + 1]).tanh().sin()
    return h


# ---- several states --------------------------------------------------------------------------------------------------
@rolls(0.5, 0.25)
def two_states(x: Any, y: Any) -> Any:
    """
    10 turns:
        carry t0 from y
        carry t1 from x
        t2 = t0 * a
        t3 = t1 * c
        t4 = sin(t2)
        t5 = cos(t3)
        t6 = t4 * c
        t7 = t5 * a
        t8 = sin(t7)
        t9 = cos(t6)
        next t0 = t9, finally t10
        next t1 = t8, finally t11
    t12 = t11 - t10
    return t12
    """
    for _ in range(20):
        x, y = (a * y).sin(), (c * x).cos()
    return x - y


@rolls(0.5, 0.25)
def a_swing(x: Any, v: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        carry t1 from v
        t2 = sin(t0)
        t3 = t2 * 0.1
        t4 = t1 - t3
        t5 = t4 * 0.1
        t6 = t5 + t0
        next t0 = t6, finally t7
        next t1 = t4, finally t8
    t9 = t7 * t8
    return t9
    """
    for _ in range(20):
        v = v - 0.1 * tg.sin(x)
        x = x + 0.1 * v
    return x * v


@rolls(1.0, 1.0)
def a_lag_of_two(x: Any, y: Any) -> Any:
    """
    t0 = x * c
    t1 = y * a
    19 turns:
        carry t2 from t1
        carry t3 from t0
        carry t4 from y
        t5 = t2 - t3
        t6 = sin(t5)
        t7 = t4 * c
        t8 = t6 * a
        next t2 = t8, finally t9
        next t3 = t7, finally t10
        next t4 = t6
    t11 = t9 - t10
    t12 = sin(t11)
    return t12
    """
    for _ in range(20):
        x, y = y, (a * y - c * x).sin()
    return y


@rolls(1.0, 2.0, 3.0)
def a_lag_of_three(x: Any, y: Any, z: Any) -> Any:
    """
    t0 = x * c
    t1 = z * a
    t2 = t1 - t0
    t3 = sin(t2)
    t4 = y * c
    t5 = t3 * a
    18 turns:
        carry t6 from t5
        carry t7 from t4
        carry t8 from t3
        carry t9 from z
        t10 = t6 - t7
        t11 = sin(t10)
        t12 = t9 * c
        t13 = t11 * a
        next t6 = t13, finally t14
        next t7 = t12, finally t15
        next t8 = t11
        next t9 = t8
    t16 = t14 - t15
    t17 = sin(t16)
    return t17
    """
    for _ in range(20):
        x, y, z = y, z, (a * z - c * x).sin()
    return z


@rolls(1.0)
def lags_of_one_and_two_with_one_start(x: Any) -> Any:
    """
    t0 = x * a
    t1 = t0 - x
    19 turns:
        carry t2 from t1
        carry t3 from x
        t4 = sin(t2)
        t5 = t4 * a
        t6 = t5 - t3
        next t2 = t6, finally t7
        next t3 = t4
    t8 = sin(t7)
    return t8
    """
    ys = [x, x]
    for _ in range(20):
        ys.append((a * ys[-1] - ys[-2]).sin())
    return ys[-1]


# ---- states of several numbers ---------------------------------------------------------------------------------------
@rolls([0.1, 0.2, 0.3])
def a_vector(h: Any) -> Any:
    """
    10 turns:
        carry t0(3) from h[i]
        t1(3) = sum[j<3](t0[j] * W[3i+j])
        t2(3) = tanh(t1[i])
        next t0 = t2[i], finally t3(3)
    return t3[i] over 3
    """
    for _ in range(10):
        h = [z.tanh() for z in linear(W, h)]
    return h


@rolls([0.1, 0.2], 0.3)
def a_vector_from_two_places(h: Any, y: Any) -> Any:
    """
    t0(3) [i] += h[i] over 2; [2] += y over 1
    10 turns:
        carry t1(3) from t0[i]
        t2(3) = sum[j<3](t1[j] * W[3i+j])
        t3(3) = tanh(t2[i])
        next t1 = t3[i], finally t4(3)
    return t4[i] over 3
    """
    h = [*h, y]
    for _ in range(10):
        h = [z.tanh() for z in linear(W, h)]
    return h


@rolls(TEN_BY_TWO)
def a_recurrence(x: Any) -> Any:
    """
    t0(10, 3) = sum[k<2](x[2i+k] * U[2j+k])
    t1(10, 3) = t0[3i+j] + b[j]
    10 turns:
        carry t2(3) from 0.0
        stream t3(3) = t1[3t+i]
        t4(3) = sum[j<3](t2[j] * W[3i+j])
        t5(3) = t4[i] + t3[i]
        t6(3) = tanh(t5[i])
        next t2 = t6[i], finally t7(3)
    t8 = sum[i<3](t7[i])
    return t8
    """
    h: list[Any] = [0.0] * 3
    for xi in x:
        h = [(p + q + bi).tanh() for p, q, bi in zip(linear(W, h), linear(U, xi), b)]
    return sum(h)


@rolls(TEN_BY_TWO)
def a_recurrence_over_joined_inputs(x: Any) -> Any:
    """
    t0(3, 10) = 1.0 * b[i]
    t1(10, 3) = sum[k<2](x[2i+k] * U[2j+k])
    t2(10, 3) = t1[3i+j] + t0[i+10j]
    10 turns:
        carry t3(3) from 0.0
        stream t4(3) = t2[3t+i]
        t5(3) = sum[j<3](t3[j] * W[3i+j])
        t6(3) = t5[i] + t4[i]
        t7(3) = tanh(t6[i])
        next t3 = t7[i], finally t8(3)
    t9 = sum[i<3](t8[i])
    return t9
    """
    rows = [[*w, *u, bi] for w, u, bi in zip(W, U, b)]
    h: list[Any] = [0.0] * 3
    for xi in x:
        h = [z.tanh() for z in linear(rows, [*h, *xi, 1.0])]
    return sum(h)


@rolls(TEN_BY_TWO)
def a_recurrence_with_an_error_at_each_step(x: Any) -> Any:
    """
    t0(10, 3) = sum[k<2](x[2i+k] * U[2j+k])
    10 turns:
        carry t1(3) from 0.0
        stream t2(3) = t0[3t+i]
        t3(3) = sum[j<3](t1[j] * W[3i+j])
        t4(3) = t3[i] + t2[i]
        t5(3) = tanh(t4[i])
        next t1 = t5[i]
        keep t5 in t6(10, 3)
    t7(10) = sum[j<3](t6[3i+j] * k[j])
    t8(10) = t7[i] - x[2i]
    t9 = sum[i<10](t8[i] * t8[i])
    return t9
    """
    h: list[Any] = [0.0] * 3
    errors = []
    for xi in x:
        h = [(p + q).tanh() for p, q in zip(linear(W, h), linear(U, xi))]
        errors.append(tg.dot(k, h) - xi[0])
    return sum(e * e for e in errors)


@rolls([TEN, TEN])
def several_samples_at_once(x: Any) -> Any:
    """
    10 turns:
        carry t0(2) from 0.0
        stream t1(2) = x[t+10i]
        t2(2) = t0[i] * a
        t3(2) = t2[i] + t1[i]
        t4(2) = tanh(t3[i])
        t5(2) = sin(t4[i])
        next t0 = t5[i], finally t6(2)
    return t6[i] over 2
    """
    ends = []
    for sample in x:
        h: Any = 0.0
        for xi in sample:
            h = (a * h + xi).tanh().sin()
        ends.append(h)
    return ends


@rolls([TEN_BY_TWO[:4], TEN_BY_TWO[:4]])
def recurrences_of_several_samples_at_once(x: Any) -> Any:
    """
    t0(2, 4, 3) = sum[l<2](x[8i+2j+l] * U[2k+l])
    t1(2, 4, 3) = t0[12i+3j+k] + b[k]
    4 turns:
        carry t2(6) from 0.0
        stream t3(6) = t1[[[0,1,2,12,13,14],[3,4,5,15,16,17],[6,7,8,18,19,20],[9,10,11,21,22,23]]]
        t4(2, 3) = sum[k<3](t2[3i+k] * W[3j+k])
        t5(2, 3) = t4[3i+j] + t3[3i+j]
        t6(2, 3) = tanh(t5[3i+j])
        next t2 = t6[i], finally t7(6)
    t8(2) = sum[j<3](t7[3i+j])
    return t8[i] over 2
    """
    ends = []
    for sample in x:
        h: list[Any] = [0.0] * 3
        for xi in sample:
            h = [(p + q + bi).tanh() for p, q, bi in zip(linear(W, h), linear(U, xi), b)]
        ends.append(sum(h))
    return ends


@rolls([0.1, 0.2, 0.3, 0.4])
def a_wave(u: Any) -> Any:
    """
    10 turns:
        carry t0(4) from u[i]
        t1(4) = t0[[3,0,1,2]] - t0[i]
        t2(4) = sin(t1[i])
        t3(4) = t2[i] * 0.1
        t4(4) = t3[i] + t0[i]
        next t0 = t4[i], finally t5(4)
    return t5[i] over 4
    """
    for _ in range(10):
        u = [u[i] + 0.1 * (u[i - 1] - u[i]).sin() for i in range(4)]
    return u


@rolls([0.1, 0.2, 0.3, 0.4])
def a_ring_of_oscillators(u: Any) -> Any:
    """
    10 turns:
        carry t0(4) from u[[3,1,0,2]]
        t1(4, 2) = t0[i] - t0[[[2,3],[2,3],[0,1],[0,1]]]
        t2(4, 2) = sin(t1[2i+j])
        t3(2, 2) = t2[2+4i+j] + t2[4i+j]
        t4(2, 2) = t3[2i+j] * 0.1
        t5(2, 2) = t4[2i+j] + t0[2-2i+j]
        next t0 = t5[[2,3,0,1]], finally t6(4)
    return t6[2-i] over 2, t6[3-3i] over 2
    """
    for _ in range(10):
        u = [u[i] + 0.1 * ((u[i - 1] - u[i]).sin() + (u[(i + 1) % 4] - u[i]).sin()) for i in range(4)]
    return u


@rolls([0.1, 0.2, 0.3, 0.4, 0.5])
def heat_in_a_rod(u: Any) -> Any:
    """
    10 turns:
        carry t0 from u[1]
        carry t1 from u[2]
        carry t2 from u[3]
        t3 = t0 * 2.0
        t4 = t1 * 2.0
        t5 = t2 * 2.0
        t6 = u[0] - t3
        t7 = t0 - t4
        t8 = t1 - t5
        t9 = t8 + u[4]
        t10 = t6 + t1
        t11 = t7 + t2
        t12 = t9 * 0.1
        t13 = t10 * 0.1
        t14 = t11 * 0.1
        t15 = t13 + t0
        t16 = t14 + t1
        t17 = t12 + t2
        next t0 = t15, finally t18
        next t1 = t16, finally t19
        next t2 = t17, finally t20
    return u[0], t18, t19, t20, u[4]
    """
    for _ in range(10):
        u = [u[0], *[u[i] + 0.1 * (u[i - 1] - 2.0 * u[i] + u[i + 1]) for i in range(1, 4)], u[4]]
    return u


# ---- several loops ---------------------------------------------------------------------------------------------------
@rolls(0.5)
def two_loops_after_another(x: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2, finally t3
    20 turns:
        carry t4 from t3
        t5 = t4 + c
        t6 = cos(t5)
        next t4 = t6, finally t7
    return t7
    """
    for _ in range(20):
        x = (a * x).sin()
    for _ in range(20):
        x = (c + x).cos()
    return x


@rolls(0.5, 0.25)
def two_loops_side_by_side(x: Any, y: Any) -> Any:
    """
    20 turns:
        carry t0 from x
        carry t1 from y
        t2 = t1 + c
        t3 = t0 * a
        t4 = sin(t3)
        t5 = cos(t2)
        next t0 = t4, finally t6
        next t1 = t5, finally t7
    t8 = t6 - t7
    return t8
    """
    for _ in range(20):
        x = (a * x).sin()
    for _ in range(20):
        y = (c + y).cos()
    return x - y


@rolls(0.5)
def loops_of_several_lengths(x: Any) -> Any:
    """
    40 turns:
        carry t0 from x
        t1 = t0 * a
        t2 = sin(t1)
        next t0 = t2, finally t3
    20 turns:
        carry t4 from x
        t5 = t4 * c
        t6 = cos(t5)
        next t4 = t6, finally t7
    t8 = t3 - t7
    return t8
    """
    y = x
    for _ in range(40):
        x = (a * x).sin()
    for _ in range(20):
        y = (c * y).cos()
    return x - y


@rolls(0.5)
def loops_in_loops(x: Any) -> Any:
    """
    10 turns:
        carry t0 from x
        20 turns:
            carry t1 from t0
            t2 = t1 * a
            t3 = sin(t2)
            next t1 = t3, finally t4
        t5 = exp(t4)
        next t0 = t5, finally t6
    return t6
    """
    for _ in range(10):
        for _ in range(20):
            x = (a * x).sin()
        x = x.exp()
    return x


@rolls(0.5)
def two_loops_that_share_what_leaves_make(x: Any) -> Any:
    """
    t0 = exp(a)
    t1 = t0 * x
    19 turns:
        carry t2 from t1
        carry t3 from t1
        t4 = sin(t2)
        t5 = cos(t3)
        t6 = t4 * t0
        t7 = t5 * t0
        next t2 = t6, finally t8
        next t3 = t7, finally t9
    t10 = sin(t8)
    t11 = cos(t9)
    t12 = t10 - t11
    return t12
    """
    y = x
    for _ in range(20):
        x = (x * a.exp()).sin()
    for _ in range(20):
        y = (y * a.exp()).cos()
    return x - y


@rolls(TEN)
def a_loop_over_what_a_loop_kept(x: Any) -> Any:
    """
    10 turns:
        carry t0 from 0.0
        stream t1 = x[t]
        t2 = t0 * a
        t3 = t2 + t1
        t4 = tanh(t3)
        t5 = sin(t4)
        next t0 = t5
        keep t5 in t6(10)
    10 turns:
        carry t7 from 0.0
        stream t8 = t6[9-t]
        t9 = t7 * c
        t10 = t9 + t8
        t11 = tanh(t10)
        t12 = cos(t11)
        next t7 = t12, finally t13
    return t13
    """
    hs, h = [], 0.0
    for xi in x:
        h = (a * h + xi).tanh().sin()
        hs.append(h)
    g: Any = 0.0
    for hi in reversed(hs):
        g = (c * g + hi).tanh().cos()
    return g


@rolls(TEN)
def two_layers_of_recurrences(x: Any) -> Any:
    """
    10 turns:
        carry t0 from 0.0
        carry t1 from 0.0
        stream t2 = x[t]
        t3 = t0 * a
        t4 = t1 * c
        t5 = t3 + t2
        t6 = tanh(t5)
        t7 = t6 + t4
        t8 = tanh(t7)
        next t0 = t6
        next t1 = t8, finally t9
    return t9
    """
    h: Any = 0.0
    g: Any = 0.0
    for xi in x:
        h = (a * h + xi).tanh()
        g = (c * g + h).tanh()
    return g


# ---- no loops --------------------------------------------------------------------------------------------------------
@rolls(0.5)
def three_turns(x: Any) -> Any:
    """
    t0 = x * c
    t1 = sin(t0)
    t2 = t1 * a
    t3 = cos(t2)
    t4 = t3 * c
    t5 = sin(t4)
    t6 = t5 * a
    t7 = cos(t6)
    t8 = t7 * c
    t9 = sin(t8)
    t10 = t9 * a
    t11 = cos(t10)
    return t11
    """
    for _ in range(3):
        x = (a * (c * x).sin()).cos()
    return x


@rolls(0.5)
def too_few_operations(x: Any) -> Any:
    """
    t0 = x * a
    t1 = sin(t0)
    t2 = t1 * a
    t3 = sin(t2)
    t4 = t3 * a
    t5 = sin(t4)
    t6 = t5 * a
    t7 = sin(t6)
    return t7
    """
    for _ in range(4):
        x = (a * x).sin()
    return x


@rolls(TEN)
def a_lag_that_is_too_long(x: Any) -> Any:
    """
    t0(2) = x[i] * a
    t1(2) = sin(t0[i])
    t2(2) = cos(t1[i])
    t3(3) = x[2+i] * a
    t4(2) = t2[i] * a
    t5(3) = sin(t3[i])
    t6(2) = sin(t4[i])
    t7(3) = cos(t5[i])
    t8(2) = cos(t6[i])
    t9(3) = t7[i] * a
    t10(2) = t8[i] * a
    t11(3) = sin(t9[i])
    t12(2) = sin(t10[i])
    t13(3) = cos(t11[i])
    t14(2) = cos(t12[i])
    return t13[i] over 3, t14[i] over 2
    """
    ys = x[:5]
    for _ in range(12):
        ys.append((ys[-5] * a).sin().cos())
    return ys[-5:]


@rolls(TEN)
def what_is_computed_for_each_alone(x: Any) -> Any:
    """
    t0(10) = x[i] * a
    t1(10) = sin(t0[i])
    t2(10) = cos(t1[i])
    t3(10) = exp(t2[i])
    return t3[i] over 10
    """
    return [(a * xi).sin().cos().exp() for xi in x]


@rolls(0.5)
def operations_that_change(x: Any) -> Any:
    """
    t0 = sin(x)
    t1 = cos(t0)
    t2 = exp(t1)
    t3 = tanh(t2)
    t4 = sigmoid(t3)
    t5 = relu(t4)
    t6 = softplus(t5)
    t7 = sin(t6)
    t8 = atan(t7)
    t9 = silu(t8)
    return t9
    """
    for f in (tg.sin, tg.cos, tg.exp, tg.tanh, tg.sigmoid, tg.relu, tg.softplus, tg.sin, tg.atan, tg.silu):
        x = f(x)
    return x


@pytest.mark.parametrize("name", CASES)
def test_a_function_becomes_the_program_in_its_docstring(name: str) -> None:
    f, example = CASES[name]
    of_f = Rolled(f, *example)
    assert "\n".join(texts(of_f.program)) == inspect.getdoc(f)
    of_f.hold()
