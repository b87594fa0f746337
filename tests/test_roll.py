"""Rolling as a specification: small functions written scalar by scalar, each with the array program that it becomes.

The program stands in the docstring of the function, as `reading.py` writes it: which cells each statement reads. That
it computes the engine's numbers is checked at two points. Loops are left to `test_loops.py`, the arithmetic of strides
to `test_layout.py`, names of leaves to `test_leaves.py`; larger models and drawn ones are at the end.
"""

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from models import BY_HAND, Model, matrix, models, vector
from reading import texts
from rolling import Cases, Rolled, hold_to_form, scalar_operations

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.compiler.program import Access, Statement
from tinygrad_edu.engine import apply
from tinygrad_edu.rules import OPS, Op

Function = Callable[..., Any]
CASES = Cases()
rolls = CASES.rolls


random = Random(0)
W, V, b = matrix(random, 3, 4, "W"), matrix(random, 2, 3, "V"), vector(random, 3, "b")
k, kernel = vector(random, 3, "k"), matrix(random, 2, 2, "kernel")
table = matrix(random, 4, 2, "table")
c, d, e = (Value(random.gauss(0, 1), label=name) for name in "cde")
FOUR, FIVE, SIX = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
TWO_BY_FOUR, THREE_BY_TWO = [FOUR, [0.5, 1.5, 2.5, 3.5]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def linear(rows: Sequence[Sequence[Any]], x: Sequence[Any]) -> list[Any]:
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in rows]


# ---- single operations -----------------------------------------------------------------------------------------------
@rolls(2.0)
def an_operation(x: Any) -> Any:
    """
    t0 = exp(x)
    return t0
    """
    return x.exp()


@rolls(2.0)
def an_argument_is_a_result(x: Any) -> Any:
    """
    return x
    """
    return x


@rolls(2.0)
def a_constant_is_a_result(x: Any) -> Any:
    """
    t0 = x * 2.0
    return 3.0, t0
    """
    return [3.0, x * 2.0]


@rolls(2.0)
def a_parameter_is_a_result(x: Any) -> Any:
    """
    return c
    """
    return c


@rolls(2.0, 3.0)
def what_no_result_depends_on_is_left_out(x: Any, y: Any) -> Any:
    """
    t0 = x - y
    return t0
    """
    _ = x * y
    return x - y


@rolls(2.0, 3.0)
def a_number_of_the_function_stays_an_operand(x: Any, y: Any) -> Any:
    """
    t0 = x - 1.0
    t1 = x * 1.0
    t2 = y * 0.0
    t3 = t2 + t1
    t4 = t0 / 1.0
    t5 = t3 - t4
    return t5
    """
    return x * 1.0 + y * 0.0 - (x - 1.0) / 1.0


@rolls(2.0)
def the_same_of_leaves_is_computed_once(x: Any) -> Any:
    """
    t0 = x * c
    t1 = sin(t0)
    t2 = exp(t0)
    t3 = t2 / t1
    return t3
    """
    return (c * x).exp() / (c * x).sin()


@rolls(2.0)
def the_same_with_a_constant_is_computed_twice(x: Any) -> Any:
    """
    t0 = x * 2.0
    t1 = x * 2.0
    t2 = sin(t1)
    t3 = exp(t0)
    t4 = t3 / t2
    return t4
    """
    return (x * 2.0).exp() / (x * 2.0).sin()


@rolls(2.0)
def a_name_is_kept(x: Any) -> Any:
    """
    height = exp(x)
    t0 = height * height
    return t0
    """
    y = x.exp()
    y.label = "height"
    return y * y


# ---- maps ------------------------------------------------------------------------------------------------------------
@rolls(FOUR)
def each_of_a_list(x: Any) -> Any:
    """
    t0(4) = exp(x[i])
    return t0[i] over 4
    """
    return [xi.exp() for xi in x]


@rolls(FOUR)
def each_of_a_list_in_another_order(x: Any) -> Any:
    """
    t0(4) = exp(x[3-i])
    return t0[i] over 4
    """
    return [xi.exp() for xi in reversed(x)]


@rolls(SIX)
def every_second_one(x: Any) -> Any:
    """
    t0(3) = exp(x[2i])
    return t0[i] over 3
    """
    return [xi.exp() for xi in x[::2]]


@rolls(SIX)
def all_but_the_first(x: Any) -> Any:
    """
    t0(5) = exp(x[1+i])
    return t0[i] over 5
    """
    return [xi.exp() for xi in x[1:]]


@rolls(SIX)
def some_without_order(x: Any) -> Any:
    """
    t0(5) = exp(x[i])
    return t0[i] over 2, t0[3+i] over 2, t0[2]
    """
    return [x[i].exp() for i in (0, 1, 3, 4, 2)]


@rolls(SIX)
def a_few_of_a_result(x: Any) -> Any:
    """
    t0(6) = exp(x[i])
    t1 = sum[i<6](t0[i])
    t2(2) = sin(t0[1+2i])
    return t1, t2[i] over 2
    """
    y = [xi.exp() for xi in x]
    return [tg.total(y), y[1].sin(), y[3].sin()]


@rolls(SIX)
def most_of_a_result_stand_as_it_stands(x: Any) -> Any:
    """
    t0(6) = exp(x[i])
    t1 = sum[i<6](t0[i])
    t2(6) = sin(t0[i])
    return t1, t2[2i] over 2, t2[3+2i] over 2
    """
    y = [xi.exp() for xi in x]
    return [tg.total(y), [y[i].sin() for i in (0, 2, 3, 5)]]


@rolls(SIX)
def half_of_a_result_stands_by_itself(x: Any) -> Any:
    """
    t0(6) = exp(x[i])
    t1 = sum[i<6](t0[i])
    t2(3) = sin(t0[2i])
    return t1, t2[i] over 3
    """
    y = [xi.exp() for xi in x]
    return [tg.total(y), [y[i].sin() for i in (0, 2, 4)]]


@rolls(FOUR, FOUR)
def two_lists(x: Any, y: Any) -> Any:
    """
    t0(4) = x[i] - y[i]
    return t0[i] over 4
    """
    return [a - b for a, b in zip(x, y)]


@rolls(FOUR)
def a_list_and_one_for_all(x: Any) -> Any:
    """
    t0(4) = x[i] - c
    return t0[i] over 4
    """
    return [xi - c for xi in x]


@rolls(FOUR)
def a_list_and_a_number(x: Any) -> Any:
    """
    t0(4) = x[i] - 2.0
    return t0[i] over 4
    """
    return [xi - 2.0 for xi in x]


@rolls(FOUR)
def a_list_and_several_numbers(x: Any) -> Any:
    """
    t0(4) = x[i] - [0.0, 1.0, 2.0, 3.0][i]
    return t0[i] over 4
    """
    return [xi - i for i, xi in enumerate(x)]


@rolls(TWO_BY_FOUR)
def a_table_and_numbers_for_its_columns(x: Any) -> Any:
    """
    t0(2, 4) = x[4i+j] - [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0][4i+j]
    return t0[i] over 8
    """
    return [[xi - i for i, xi in enumerate(row)] for row in x]


@rolls(TWO_BY_FOUR)
def a_table_and_numbers_for_its_rows(x: Any) -> Any:
    """
    t0(2, 4) = x[4i+j] - [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0][4i+j]
    return t0[i] over 8
    """
    return [[xi - i for xi in row] for i, row in enumerate(x)]


@rolls(TWO_BY_FOUR)
def a_table_transposed(x: Any) -> Any:
    """
    t0(4, 2) = exp(x[i+4j])
    return t0[i] over 8
    """
    return [[row[j].exp() for row in x] for j in range(4)]


@rolls(THREE_BY_TWO, [1.0, 2.0])
def rows_and_a_row(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = x[2i+j] - y[j]
    return t0[i] over 6
    """
    return [[a - b for a, b in zip(row, y)] for row in x]


@rolls(THREE_BY_TWO, [1.0, 2.0, 3.0])
def rows_and_a_column(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = x[2i+j] - y[i]
    return t0[i] over 6
    """
    return [[a - b for a in row] for row, b in zip(x, y)]


@rolls(FOUR, [1.0, 2.0, 3.0])
def all_pairs(x: Any, y: Any) -> Any:
    """
    t0(4, 3) = x[i] - y[j]
    return t0[i] over 12
    """
    return [[a - b for b in y] for a in x]


@rolls(FOUR)
def all_pairs_below_the_diagonal(x: Any) -> Any:
    """
    t0(6) = x[[1,2,2,3,3,3]] - x[[0,0,1,0,1,2]]
    return t0[i] over 6
    """
    return [x[i] - x[j] for i in range(4) for j in range(i)]


@rolls(FOUR, 2.0)
def from_two_kinds_of_places(x: Any, y: Any) -> Any:
    """
    t0(4) = exp(x[i])
    t1 = exp(y)
    return t0[i] over 4, t1
    """
    return [xi.exp() for xi in x] + [y.exp()]


@rolls(FOUR)
def different_operations(x: Any) -> Any:
    """
    t0(2) = sin(x[1+2i])
    t1(2) = exp(x[2i])
    return t1[0], t0[0], t1[1], t0[1]
    """
    return [x[0].exp(), x[1].sin(), x[2].exp(), x[3].sin()]


@rolls(FOUR)
def operations_with_parameters_of_their_own(x: Any) -> Any:
    """
    t0(2) = power(3)(x[1+2i])
    t1(2) = power(2)(x[2i])
    return t1[0], t0[0], t1[1], t0[1]
    """
    return [x[0] ** 2, x[1] ** 3, x[2] ** 2, x[3] ** 3]


@rolls(FOUR)
def one_after_the_other(x: Any) -> Any:
    """
    t0(4) = exp(x[i])
    t1(4) = sin(t0[i])
    t2(4) = cos(t1[i])
    return t2[i] over 4
    """
    return [xi.exp().sin().cos() for xi in x]


@rolls(FOUR)
def at_different_heights(x: Any) -> Any:
    """
    t0 = sin(x[3])
    t1(2) = exp(x[i])
    t2 = exp(t0)
    t3 = sin(x[2])
    t4 = sin(t1[0])
    return t4, t1[1], t3, t2
    """
    return [x[0].exp().sin(), x[1].exp(), x[2].sin(), x[3].sin().exp()]


@rolls(SIX)
def neighbours(x: Any) -> Any:
    """
    t0(5) = maximum(x[1+i], x[i])
    return t0[i] over 5
    """
    return [tg.maximum(x[i], x[i + 1]) for i in range(5)]


@rolls(SIX)
def pairs_of_halves(x: Any) -> Any:
    """
    t0(3) = x[i] - x[3+i]
    return t0[i] over 3
    """
    return [x[i] - x[i + 3] for i in range(3)]


@rolls(SIX)
def pairs_from_both_ends(x: Any) -> Any:
    """
    t0(3) = x[i] / x[5-i]
    return t0[i] over 3
    """
    return [x[i] / x[5 - i] for i in range(3)]


@rolls(THREE_BY_TWO)
def three_inputs(x: Any) -> Any:
    """
    t0(3) = x[2i] - 1.5
    t1(3) = step(t0[i])
    t2(3) = where(t1[i], x[2i], x[1+2i])
    return t2[i] over 3
    """
    return [tg.where(tg.step(a - 1.5), a, b) for a, b in x]


@rolls(THREE_BY_TWO)
def an_operation_of_ones_own(x: Any) -> Any:
    """
    t0(3) = gate(x[2i], x[1+2i], c)
    return t0[i] over 3
    """
    return [apply(GATE, a, b, c) for a, b in x]


GATE = Op(  # it stays out of the table, of which other tests look at every entry
    "gate",
    "gate",
    lambda m, x, y, z: m.sin(x) * y + z,
    lambda m, v, x, y, z: m.cos(x) * y,
    lambda m, v, x, y, z: m.sin(x),
    1.0,
)


@rolls(FOUR)
def stopped_gradients(x: Any) -> Any:
    """
    t0(4) = x[i] * c
    t1(4) = detach(t0[i])
    t2(4) = t1[i] - c
    return t2[i] over 4
    """
    return [(xi * c).detach() - c for xi in x]


@rolls(FOUR)
def names_of_a_list(x: Any) -> Any:
    """
    hidden(4) = exp(x[i])
    t0(4) = sin(hidden[i])
    return t0[i] over 4
    """
    ys = [xi.exp() for xi in x]
    for i, y in enumerate(ys):
        y.label = f"hidden[{i}]"
    return [y.sin() for y in ys]


@rolls(FOUR)
def names_that_differ_are_no_name(x: Any) -> Any:
    """
    t0(4) = exp(x[i])
    t1(4) = sin(t0[i])
    return t1[i] over 4
    """
    ys = [xi.exp() for xi in x]
    for i, y in enumerate(ys):
        y.label = f"hidden_{i}"
    return [y.sin() for y in ys]


@rolls([1.0, 2.0], [1.0, 2.0, 3.0])
def axes_that_do_not_fit_one_another(x: Any, y: Any) -> Any:
    """
    t0(3) = sin(y[i])
    t1(2) = exp(x[i])
    t2(2, 2) = t1[i] - t0[i+j]
    return t2[0], t2[i] over 4, t2[3]
    """
    x, y = [xi.exp() for xi in x], [yi.sin() for yi in y]
    return [x[i // 3] - y[i // 2] for i in range(6)]


@rolls(THREE_BY_TWO, SIX)
def axes_of_the_block_that_is_read(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = x[2i+j] - y[2i+j]
    return t0[i] over 6
    """
    return [row[j] - y[2 * i + j] for i, row in enumerate(x) for j in range(2)]


@rolls(SIX, [1.0, 2.0, 3.0])
def one_in_order_that_repeats_and_one_without(x: Any, y: Any) -> Any:
    """
    t0(6) = x[i] - y[[0,0,2,1,1,2]]
    return t0[i] over 2, t0[3+i] over 2, t0[2+3i] over 2
    """
    return [x[i] - y[k // 2] for k, i in enumerate((0, 1, 3, 4, 2, 5))]


@rolls(FOUR, FOUR)
def the_same_numbers_twice(x: Any, y: Any) -> Any:
    """
    t0(4) = [0.0, 1.0, 2.0, 3.0][i] - y[i]
    t1(4) = x[i] - [0.0, 1.0, 2.0, 3.0][i]
    t2(4) = y[i] / [1.0, 2.0, 3.0, 4.0][i]
    return t1[i] over 4, t2[i] over 4, t0[i] over 4
    """
    return (
        [xi - i for i, xi in enumerate(x)],
        [yi / (i + 1) for i, yi in enumerate(y)],
        [i - yi for i, yi in enumerate(y)],
    )


@rolls(FOUR)
def zero_and_minus_zero_are_two_numbers(x: Any) -> Any:
    """
    t0(4) = x[i] - [0.0, -0.0, 0.0, -0.0][i]
    return t0[i] over 4
    """
    return [xi - zero for xi, zero in zip(x, (0.0, -0.0, 0.0, -0.0))]


@rolls(FIVE)
def few_with_one_number(x: Any) -> Any:
    """
    t0 = x[0] - 0.0
    t1 = x[0] - 1.0
    t2 = x[0] - 2.0
    return t0, t1, t2
    """
    return [x[0] - i for i in range(3)]


@rolls(FIVE)
def more_with_one_number(x: Any) -> Any:
    """
    t0(4) = x[0] - [0.0, 1.0, 2.0, 3.0][i]
    return t0[i] over 4
    """
    return [x[0] - i for i in range(4)]


@rolls(FIVE)
def some_of_a_result_with_others(x: Any) -> Any:
    """
    t0(5) = exp(x[i])
    t1 = sum[i<5](t0[i])
    t2(5) = t0[i] - x[4-i]
    t3(2) = t0[1+3i] / x[1+3i]
    return t1, t2[2i] over 2, t2[3], t3[i] over 2
    """
    y = [xi.exp() for xi in x]
    return [tg.total(y), [y[i] - x[4 - i] for i in (0, 2, 3)], [y[i] / x[i] for i in (1, 4)]]


@rolls(FIVE)
def twice_as_many_as_a_result_has(x: Any) -> Any:
    """
    t0(5) = exp(x[i])
    t1 = sum[i<5](t0[i])
    t2(5, 2) = t0[i] - [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0][2i+j]
    return t2[i] over 10, t1
    """
    y = [xi.exp() for xi in x]
    return [[y[i] - j for j in (1.0, 2.0)] for i in range(5)], [tg.total(y)]


# ---- sums ------------------------------------------------------------------------------------------------------------
@rolls(FOUR)
def a_sum(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    return t0
    """
    return sum(x)


@rolls(FOUR)
def a_sum_in_brackets(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    return t0
    """
    return (x[3] + x[1]) + (x[2] + x[0])


@rolls(FOUR)
def a_total(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    return t0
    """
    return tg.total(x)


@rolls(2.0, 3.0)
def a_sum_of_two(x: Any, y: Any) -> Any:
    """
    t0 = y + x
    return t0
    """
    return x + y


@rolls([1.0, 2.0])
def a_sum_of_two_of_a_list(x: Any) -> Any:
    """
    t0 = x[1] + x[0]
    return t0
    """
    return x[0] + x[1]


@rolls(2.0, 3.0, 4.0)
def a_sum_of_several(x: Any, y: Any, z: Any) -> Any:
    """
    t0 = z + y
    t1 = t0 + x
    return t1
    """
    return x + y + z


@rolls(FOUR, 2.0)
def a_sum_of_a_list_and_more(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    t1 = y + t0
    t2 = t1 + 1.0
    t3 = t2 + c
    return t3
    """
    return c + sum(x) + y + 1.0


@rolls(FOUR, FIVE)
def sums_of_two_lists(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    t1 = sum[i<5](y[i])
    return t0, t1
    """
    return [sum(x), sum(y)]


@rolls(FOUR)
def a_sum_of_a_list_and_a_parameter(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    t1 = t0 + c
    return t1
    """
    return sum(x, c)


@rolls(TWO_BY_FOUR)
def a_sum_of_a_matrix(x: Any) -> Any:
    """
    t0 = sum[i<2, j<4](x[4i+j])
    return t0
    """
    return sum(sum(row) for row in x)


@rolls(FOUR)
def a_name_is_that_of_the_whole_sum(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i])
    t1 = t0 + k[0]
    height = t1 + c
    t2 = exp(height)
    return t2
    """
    height = tg.total([*x, c, k[0]])
    height.label = "height"
    return height.exp()


@rolls(TWO_BY_FOUR)
def sums_of_rows(x: Any) -> Any:
    """
    t0(2) = sum[j<4](x[4i+j])
    return t0[i] over 2
    """
    return [sum(row) for row in x]


@rolls(TWO_BY_FOUR)
def sums_of_columns(x: Any) -> Any:
    """
    t0(4) = x[4+i] + x[i]
    return t0[i] over 4
    """
    return [sum(column) for column in zip(*x)]


@rolls(FOUR)
def sums_of_more_and_more(x: Any) -> Any:
    """
    t0(4) = sum[j<4]((x[j] where 1000 1100 1110 1111 else 0.0))
    return t0[i] over 4
    """
    return [sum(x[: i + 1]) for i in range(4)]


@rolls(FOUR)
def sums_of_two_and_one(x: Any) -> Any:
    """
    t0(2) = x[1+2i] + x[2i]
    return t0[i] over 2, x[0]
    """
    return [x[0] + x[1], x[2] + x[3], tg.total([x[0]])]


@rolls(SIX)
def sums_of_windows(x: Any) -> Any:
    """
    t0(4) = sum[j<3](x[i+j])
    return t0[i] over 4
    """
    return [x[i] + x[i + 1] + x[i + 2] for i in range(4)]


@rolls(FOUR)
def sums_of_one(x: Any) -> Any:
    """
    return x[i] over 4
    """
    return [tg.total([xi]) for xi in x]


@rolls(2.0)
def a_sum_of_nothing_but_zeros(x: Any) -> Any:
    """
    t0 = x * 0.0
    t1 = detach(0.0)
    return t0, t1
    """
    return [tg.total([0.0 * x, 0.0]), tg.total([Value(0.0).detach()])]


@rolls(FOUR)
def a_term_twice(x: Any) -> Any:
    """
    t0 = sum[i<4](x[[0,1,1,3]])
    return t0
    """
    return x[0] + x[1] + x[1] + x[3]


@rolls(FOUR)
def a_part_with_a_name_stays_by_itself(x: Any) -> Any:
    """
    part = x[1] + x[0]
    t0 = x[3] + x[2]
    t1 = part + t0
    return t1
    """
    part = x[0] + x[1]
    part.label = "part"
    return part + x[2] + x[3]


@rolls(FOUR)
def a_part_that_is_used_elsewhere_stays_by_itself(x: Any) -> Any:
    """
    t0 = x[1] + x[0]
    t1 = x[3] + x[2]
    t2 = t0 + t1
    t3 = t2 / t0
    return t3
    """
    part = x[0] + x[1]
    return (part + x[2] + x[3]) / part


@rolls(THREE_BY_TWO, [1.0, 2.0])
def sums_and_one_more_for_each(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = x[1+2i] + x[2i]
    t1(3, 2) = y[j] + t0[2i+j]
    t2(3, 2) = t1[2i+j] + c
    return t2[i] over 6
    """
    return [a + b + c + yi for a, b in x for yi in y]


@rolls(2.0)
def sums_of_constants(x: Any) -> Any:
    """
    t0 = 3.0 + 2.0
    t1 = x * 3.0
    return 0.0, t1, t0
    """
    return [Value(0.0) + Value(0.0), tg.total([Value(3.0)]) * x, Value(2.0) + Value(3.0) + Value(0.0)]


@rolls(FIVE)
def sums_of_windows_that_end_with_the_list(x: Any) -> Any:
    """
    t0(5) = sum[j<3]((x[[[0,1,2],[1,2,3],[2,3,4],[3,4,0],[4,0,0]]] where 111 111 111 110 100 else 0.0))
    return t0[i] over 5
    """
    return [sum(x[i : i + 3]) for i in range(5)]


@rolls(FIVE)
def sums_of_windows_the_last_of_which_is_shorter(x: Any) -> Any:
    """
    t0(4) = sum[j<3]((x[[[0,1,2],[1,2,3],[2,3,4],[3,4,0]]] where 111 111 111 110 else 0.0))
    return t0[i] over 4
    """
    return [sum(x[i : i + 3]) for i in range(4)]


@rolls(FIVE)
def sums_that_are_too_ragged_to_be_one(x: Any) -> Any:
    """
    t0 = x[4] + x[3]
    t1 = sum[i<5](x[i])
    return t1, x[2i] over 2, t0
    """
    return [sum(x[:5]), sum(x[:1]), sum(x[2:3]), sum(x[3:5])]


@rolls(FIVE)
def sums_that_are_just_not_too_ragged(x: Any) -> Any:
    """
    t0(3) = sum[j<4]((x[[[0,0,0,0],[0,1,2,3],[1,0,0,0]]] where 1000 1111 1000 else 0.0))
    return t0[1+i] over 2, t0[0]
    """
    return [sum(x[:4]), sum(x[1:2]), sum(x[:1])]


@rolls(FOUR, FOUR, FOUR)
def sums_over_three_lists(x: Any, y: Any, z: Any) -> Any:
    """
    t0(3) = x[1+i] + x[i]
    t1(3) = sum[j<3](z[[[0,0,1],[0,1,2],[0,2,3]]])
    t2(3) = t1[i] + y[i]
    t3(3) = t2[i] + t0[i]
    return t3[i] over 3
    """
    return [x[i] + x[i + 1] + y[i] + z[i] + z[i + 1] + z[0] for i in range(3)]


@rolls(FOUR)
def sums_of_what_is_not_everywhere(x: Any) -> Any:
    """
    t0(10) = x[[0,1,1,2,2,2,3,3,3,3]] * x[[0,0,1,0,1,2,0,1,2,3]]
    t1(10) = exp(t0[i])
    t2(4) = sum[j<4]((t1[[[0,0,0,0],[1,2,0,0],[3,4,5,0],[6,7,8,9]]] where 1000 1100 1110 1111 else 0.0))
    return t2[i] over 4
    """
    rows = [[(a * e).exp() for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(row) for row in rows]


# ---- products --------------------------------------------------------------------------------------------------------
@rolls(2.0, 3.0)
def a_product(x: Any, y: Any) -> Any:
    """
    t0 = y * x
    return t0
    """
    return x * y


@rolls(FOUR, FOUR)
def products_of_two_lists(x: Any, y: Any) -> Any:
    """
    t0(4) = y[i] * x[i]
    return t0[i] over 4
    """
    return [a * b for a, b in zip(x, y)]


@rolls(FOUR, FOUR)
def a_dot_product(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<4](y[i] * x[i])
    return t0
    """
    return tg.dot(x, y)


@rolls(FOUR)
def a_dot_product_of_results(x: Any) -> Any:
    """
    t0(4) = exp(x[i])
    t1(4) = sin(t0[i])
    t2 = sum[i<4](t0[i] * t1[i])
    return t2
    """
    y = [xi.exp() for xi in x]
    return tg.dot(y, [yi.sin() for yi in y])


@rolls(2.0)
def a_dot_product_of_nothing(x: Any) -> Any:
    """
    t0 = x * c
    t1 = x + 0.0
    t2 = t0 + 0.0
    return 0.0, 0.0, t1, t2
    """
    nothing = apply(OPS["dot"])
    return nothing, apply(OPS["total"]), x + nothing, c * x + nothing


@rolls(FOUR, FOUR)
def a_dot_product_by_hand(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<4](y[i] * x[i])
    return t0
    """
    return sum(a * b for a, b in zip(x, y))


@rolls(FOUR, FOUR)
def a_dot_product_in_another_order(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<4](y[i] * x[i])
    return t0
    """
    return y[2] * x[2] + x[0] * y[0] + (x[3] * y[3] + y[1] * x[1])


@rolls(FOUR)
def a_sum_of_squares(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i] * x[i])
    return t0
    """
    return sum(xi * xi for xi in x)


@rolls(FOUR)
def a_weighted_sum(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i] * [0.5, 0.25, 0.125, 2.0][i])
    return t0
    """
    return 0.5 * x[0] + 0.25 * x[1] + x[2] * 0.125 + 2.0 * x[3]


@rolls(FOUR)
def a_sum_with_one_weight(x: Any) -> Any:
    """
    t0 = sum[i<4](x[i] * 0.5)
    return t0
    """
    return sum(0.5 * xi for xi in x)


@rolls(FOUR)
def a_matrix_times_a_vector(x: Any) -> Any:
    """
    t0(3) = sum[j<4](x[j] * W[4i+j])
    return t0[i] over 3
    """
    return linear(W, x)


@rolls([1.0, 2.0, 3.0])
def a_transposed_matrix_times_a_vector(x: Any) -> Any:
    """
    t0(4) = sum[j<3](x[j] * W[i+4j])
    return t0[i] over 4
    """
    return [sum(W[i][j] * x[i] for i in range(3)) for j in range(4)]


@rolls(TWO_BY_FOUR)
def a_matrix_product(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4](x[4i+k] * W[4j+k])
    return t0[i] over 6
    """
    return [linear(W, row) for row in x]


@rolls(TWO_BY_FOUR)
def a_matrix_product_column_by_column(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4](x[4i+k] * W[4j+k])
    return t0[3i] over 2, t0[1+3i] over 2, t0[2+3i] over 2
    """
    return [[tg.dot(w, row) for row in x] for w in W]


@rolls(TWO_BY_FOUR, [FOUR, FOUR, FOUR])
def a_product_of_two_inputs(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = sum[k<4](y[4i+k] * x[4j+k])
    return t0[2i] over 3, t0[1+2i] over 3
    """
    return [[tg.dot(p, q) for q in y] for p in x]


@rolls(THREE_BY_TWO)
def all_products_of_rows(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[2i+k] * x[2j+k])
    return t0[i] over 9
    """
    return [[tg.dot(p, q) for q in x] for p in x]


@rolls(THREE_BY_TWO)
def products_below_the_diagonal(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[2i+k] * x[2j+k])
    return t0[3i] over 2, t0[4+2i] over 2, t0[7+i] over 2
    """
    return [tg.dot(x[i], x[j]) for i in range(3) for j in range(i + 1)]


@rolls(THREE_BY_TWO, THREE_BY_TWO)
def products_row_by_row(x: Any, y: Any) -> Any:
    """
    t0(3) = sum[j<2](y[2i+j] * x[2i+j])
    return t0[i] over 3
    """
    return [tg.dot(p, q) for p, q in zip(x, y)]


@rolls([THREE_BY_TWO, THREE_BY_TWO], [THREE_BY_TWO, THREE_BY_TWO])
def a_batch_of_products(x: Any, y: Any) -> Any:
    """
    t0(2, 3, 3) = sum[l<2](y[6i+2j+l] * x[6i+2k+l])
    return t0[3i] over 3, t0[1+3i] over 3, t0[2+3i] over 3, t0[9+3i] over 3, t0[10+3i] over 3, t0[11+3i] over 3
    """
    return [[[tg.dot(p, q) for q in ys] for p in xs] for xs, ys in zip(x, y)]


@rolls([1.0, 2.0, 3.0], FOUR)
def an_outer_product(x: Any, y: Any) -> Any:
    """
    t0(3, 4) = y[j] * x[i]
    return t0[i] over 12
    """
    return [[a * b for b in y] for a in x]


@rolls(SIX)
def a_convolution(x: Any) -> Any:
    """
    t0(4) = sum[j<3](x[i+j] * k[j])
    return t0[i] over 4
    """
    return [sum(k[j] * x[i + j] for j in range(3)) for i in range(4)]


@rolls(SIX)
def a_convolution_with_steps(x: Any) -> Any:
    """
    t0(2) = sum[j<3](x[2i+j] * k[j])
    return t0[i] over 2
    """
    return [sum(k[j] * x[i + j] for j in range(3)) for i in (0, 2)]


@rolls([FOUR, FIVE[1:], FOUR])
def a_convolution_of_an_image(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<2, l<2](x[4i+j+4k+l] * kernel[2k+l])
    return t0[i] over 6
    """
    return [
        [sum(kernel[a][b] * x[i + a][j + b] for a in range(2) for b in range(2)) for j in range(3)] for i in range(2)
    ]


@rolls(TWO_BY_FOUR)
def samples_and_numbers(x: Any) -> Any:
    """
    t0(2) = sum[j<3]([1.0, 2.0, 3.0, 4.0, 5.0, 6.0][3i+j] * k[j])
    return t0[i] over 2
    """
    return [sum(p * number for p, number in zip(k, row)) for row in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])]


@rolls(2.0)
def a_layer_on_constants(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4]([1.0, 0.0, 2.0, 1.0, 0.5, 1.0, 1.0, 0.0][4i+k] * W[4j+k])
    return t0[i] over 6
    """
    return [linear(W, row) for row in ([1.0, 0.0, 2.0, 1.0], [0.5, 1.0, 1.0, 0.0])]


@rolls(2.0)
def samples_that_are_equal_are_still_two(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4]([1.0, 0.0, 2.0, 1.0][k] * W[4j+k])
    return t0[i] over 6
    """
    return [linear(W, row) for row in ([1.0, 0.0, 2.0, 1.0], [1.0, 0.0, 2.0, 1.0])]


@rolls(FOUR)
def a_dot_of_several_blocks(x: Any) -> Any:
    """
    t0 = d * c
    t1 = sum[i<2](x[i] * k[i])
    t2 = x[2] * c
    t3 = t2 + t1
    t4 = t3 + t0
    return t4
    """
    return sum([k[0] * x[0], k[1] * x[1], c * x[2], c * d])


@rolls(TWO_BY_FOUR)
def dots_of_several_blocks(x: Any) -> Any:
    """
    t0(2) = sum[j<2](x[4i+j] * k[j])
    t1(2) = sum[j<2](x[2+4i+j] * b[j])
    t2(2) = t1[i] + t0[i]
    return t2[i] over 2
    """
    return [sum([k[0] * row[0], k[1] * row[1], b[0] * row[2], b[1] * row[3]]) for row in x]


@rolls(THREE_BY_TWO)
def rows_of_several_lengths(x: Any) -> Any:
    """
    t0(2) = sum[j<3]((x[2i+j] where 110 111 else 0.0) * k[j])
    return t0[i] over 2
    """
    return [tg.dot(k[: len(row)], row) for row in (x[0], [x[1][0], x[1][1], x[2][0]])]


@rolls(FIVE)
def products_of_neighbours_are_no_matrix(x: Any) -> Any:
    """
    t0(3) = sum[j<2](x[i+j] * x[1+i+j])
    return t0[i] over 3
    """
    pairs = [[x[i], x[i + 1]] for i in range(4)]
    return [tg.dot(p, q) for p, q in pairwise(pairs)]


@rolls([THREE_BY_TWO[0], THREE_BY_TWO[1]], THREE_BY_TWO)
def half_of_all_pairs_are_a_matrix(x: Any, y: Any) -> Any:
    """
    t0(3, 2) = sum[k<2](y[2i+k] * x[2j+k])
    return t0[2i] over 2, t0[3+2i] over 2
    """
    return [tg.dot(x[i], y[j]) for i, j in ((0, 0), (0, 1), (1, 1), (1, 2))]


@rolls(THREE_BY_TWO, THREE_BY_TWO)
def fewer_than_half_of_all_pairs_are_none(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<2](y[4+i] * x[4+i])
    t1(2) = sum[j<2](y[j] * x[2i+j])
    return t1[i] over 2, t0
    """
    return [tg.dot(x[i], y[j]) for i, j in ((0, 0), (1, 0), (2, 2))]


@rolls([THREE_BY_TWO[0], *THREE_BY_TWO], [THREE_BY_TWO[0], *THREE_BY_TWO])
def a_band_of_pairs_is_none(x: Any, y: Any) -> Any:
    """
    t0(7) = sum[j<2](y[[[0,1],[2,3],[2,3],[4,5],[4,5],[6,7],[6,7]]] * x[[[0,1],[0,1],[2,3],[2,3],[4,5],[4,5],[6,7]]])
    return t0[i] over 7
    """
    return [tg.dot(x[i], y[j]) for i, j in ((0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3))]


@rolls([THREE_BY_TWO[0], *THREE_BY_TWO], [THREE_BY_TWO[0], *THREE_BY_TWO])
def a_ring_of_pairs_is_just_one(x: Any, y: Any) -> Any:
    """
    t0(4, 4) = sum[k<2](y[2i+k] * x[2j+k])
    return t0[4i] over 2, t0[5+4i] over 2, t0[10+4i] over 2, t0[15-12i] over 2
    """
    return [[tg.dot(x[i], y[i]), tg.dot(x[i], y[(i + 1) % 4])] for i in range(4)]


@rolls(2.0)
def a_parameter_that_several_numbers_have(x: Any) -> Any:
    """
    t0 = sum[i<3]([0.25, 0.5, 2.0][i] * k[[0,0,1]])
    t1 = t0 + x
    return t1
    """
    return tg.dot([0.5, 0.25, 2.0], [k[0], k[0], k[1]]) + x


@rolls([1.0, 2.0])
def a_factor_that_several_numbers_have(x: Any) -> Any:
    """
    t0 = sum[i<3](x[[0,0,1]] * [0.25, 0.5, 2.0][i])
    return t0
    """
    return tg.dot([0.5, 0.25, 2.0], [x[0], x[0], x[1]])


@rolls([1.0, 2.0])
def a_factor_that_several_others_have(x: Any) -> Any:
    """
    t0 = sum[i<4](x[[0,0,0,1]] * b[[0,1,2,0]])
    return t0
    """
    return tg.dot([x[0], x[0], x[1], x[0]], [b[2], b[0], b[0], b[1]])


@rolls(THREE_BY_TWO)
def the_same_product_twice(x: Any) -> Any:
    """
    t0(2, 2) = exp(x[2i+j])
    t1(2, 2) = sum[k<2](t0[2i+k] * t0[2j+k])
    return t1[i] over 2, t1[3-2i] over 2
    """
    y = [[v.exp() for v in row] for row in x]
    return [tg.dot(y[i], y[j]) for i, j in ((0, 0), (0, 1), (1, 1), (0, 1))]


@rolls(THREE_BY_TWO)
def the_same_product_of_results_twice(x: Any) -> Any:
    """
    t0(2, 2) = x[2i+j] * 2.0
    t1 = sum[i<2](t0[i] * t0[2+i])
    t2 = sin(t1)
    t3 = cos(t1)
    return t2, t3
    """
    y = [[v * 2.0 for v in row] for row in x]
    return tg.dot(y[0], y[1]).sin(), tg.dot(y[0], y[1]).cos()


@rolls(THREE_BY_TWO, THREE_BY_TWO)
def pairs_that_only_the_last_ones_connect(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](y[2i+k] * x[2j+k])
    return t0[4i] over 3, t0[7-4i] over 2
    """
    return [tg.dot(x[i], y[j]) for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 1))]


@rolls(THREE_BY_TWO)
def matrices_of_several_sizes(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<2](x[2i+k] * W[2j+k])
    t1 = sum[i<2](x[4+i] * k[i])
    t2 = sum[i<2](x[4+i] * b[i])
    return t0[i] over 6, t1, t2
    """
    return [[tg.dot(w[:2], row) for w in W] for row in x[:2]], tg.dot(k[:2], x[2]), tg.dot(b[:2], x[2])


@rolls(FOUR, [1.0, 2.0, 3.0, 4.0])
def longer_and_longer_rows_of_one_side(x: Any, y: Any) -> Any:
    """
    t0(4) = sum[j<4]((y[j] where 1000 1100 1110 1111 else 0.0) * x[j])
    return t0[i] over 4
    """
    return [tg.dot(x[: i + 1], y[: i + 1]) for i in range(4)]


@rolls([FOUR, FOUR, FOUR, FOUR], FOUR)
def longer_and_longer_rows_of_the_other_side(x: Any, y: Any) -> Any:
    """
    t0(4) = sum[j<4]((x[4i+j] where 1000 1100 1110 1111 else 0.0) * y[j])
    return t0[i] over 4
    """
    return [tg.dot(x[i][: i + 1], y[: i + 1]) for i in range(4)]


@rolls([FOUR, FOUR, FOUR])
def rows_of_several_lengths_by_a_matrix(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<4]((x[4i+k] where [1100] [1110] [1111] else 0.0) * W[4j+k])
    return t0[i] over 9
    """
    return [[tg.dot(row[: i + 2], w[: i + 2]) for w in W] for i, row in enumerate(x)]


@rolls([FOUR, FOUR, FOUR], FOUR)
def rows_that_are_just_not_too_ragged(x: Any, y: Any) -> Any:
    """
    t0(3) = sum[j<4]((x[4i+j] where 1000 1111 1000 else 0.0) * y[j])
    return t0[i] over 3
    """
    return [tg.dot(x[i][:length], y[:length]) for i, length in enumerate((1, 4, 1))]


@rolls([FOUR, FOUR, FOUR, FOUR], FOUR)
def rows_that_are_too_ragged(x: Any, y: Any) -> Any:
    """
    t0(3) = y[0] * x[[0,8,12]]
    t1 = sum[i<4](y[i] * x[4+i])
    return t0[0], t1, t0[1+i] over 2
    """
    return [tg.dot(x[i][:length], y[:length]) for i, length in enumerate((1, 4, 1, 1))]


@rolls([FOUR, FOUR, FOUR, FOUR], [FOUR, FOUR, FOUR, FOUR])
def rows_of_several_lengths_without_a_longest(x: Any, y: Any) -> Any:
    """
    t0 = sum[i<2](y[4+i] * x[4+i])
    t1 = sum[i<3](y[8+i] * x[8+i])
    t2 = sum[i<4](y[12+i] * x[12+i])
    return t0, t1, t2
    """
    return [tg.dot(x[i][: i + 1], y[i][: i + 1]) for i in range(1, 4)]


@rolls([FOUR, FOUR], [FOUR, FOUR])
def windows_of_several_lengths(x: Any, y: Any) -> Any:
    """
    t0(2, 2) = sum[k<3]((x[[[[1,2,3],[2,3,0]],[[5,6,7],[6,7,0]]]] where [111 110] else 0.0) * y[4i+k])
    return t0[1-i] over 2, t0[3-i] over 2
    """
    return [tg.dot(x[i][2 - j :], y[i][: 2 + j]) for i in range(2) for j in range(2)]


@rolls(FOUR)
def numbers_of_several_lengths(x: Any) -> Any:
    """
    t0(3) = sum[j<4]((x[j] where 1100 1110 1111 else 0.0) * [1.0, 2.0, 3.0, 4.0][j])
    return t0[i] over 3
    """
    return [tg.dot(x[: i + 2], [1.0, 2.0, 3.0, 4.0][: i + 2]) for i in range(3)]


@rolls([THREE_BY_TWO, THREE_BY_TWO])
def a_sum_of_products_of_two_kinds(x: Any) -> Any:
    """
    t0(6) = c * k[0]
    t1(2, 3) = sum[k<2](x[6i+2j+k] * V[k])
    t2(2, 3) = t1[3i+j] + t0[3i+j]
    return t2[i] over 6
    """
    return [[tg.dot(V[0][:2], row) + k[0] * c for row in rows] for rows in x]


# ---- layers ----------------------------------------------------------------------------------------------------------
@rolls(FOUR)
def a_layer(x: Any) -> Any:
    """
    t0(3) = sum[j<4](x[j] * W[4i+j])
    t1(3) = t0[i] + b[i]
    t2(3) = tanh(t1[i])
    return t2[i] over 3
    """
    return [tg.tanh(sum((w * xi for w, xi in zip(row, x)), bi)) for row, bi in zip(W, b)]


@rolls(TWO_BY_FOUR)
def a_layer_on_samples(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4](x[4i+k] * W[4j+k])
    t1(2, 3) = t0[3i+j] + b[j]
    t2(2, 3) = tanh(t1[3i+j])
    return t2[i] over 6
    """
    return [[tg.tanh(sum((w * xi for w, xi in zip(row, s)), bi)) for row, bi in zip(W, b)] for s in x]


@rolls(TWO_BY_FOUR)
def two_layers_on_samples(x: Any) -> Any:
    """
    t0(2, 3) = sum[k<4](x[4i+k] * W[4j+k])
    t1(2, 3) = t0[3i+j] + b[j]
    t2(2, 3) = relu(t1[3i+j])
    t3(2, 2) = sum[k<3](t2[3i+k] * V[3j+k])
    return t3[i] over 4
    """
    return [linear(V, [(h + bi).relu() for h, bi in zip(linear(W, s), b)]) for s in x]


@rolls(TWO_BY_FOUR)
def a_neuron_on_samples(x: Any) -> Any:
    """
    t0(2) = sum[j<4](x[4i+j] * W[j])
    t1(2) = t0[i] + c
    t2(2) = tanh(t1[i])
    return t2[i] over 2
    """
    return [(tg.dot(W[0], s) + c).tanh() for s in x]


@rolls(TWO_BY_FOUR)
def one_more_input_that_is_one(x: Any) -> Any:
    """
    t0(2, 3) = 1.0 * W[3+4j]
    t1(2, 3) = sum[k<3](x[4i+k] * W[4j+k])
    t2(2, 3) = t1[3i+j] + t0[3i+j]
    return t2[i] over 6
    """
    return [linear(W, [*s[:3], 1.0]) for s in x]


network = tg.nn.MLP(2, [3, 1], activation="tanh", rng=Random(0))


@rolls(THREE_BY_TWO)
def a_network(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[2i+k] * layers[0].w[2j+k])
    t1(3, 3) = t0[3i+j] + layers[0].b[j]
    t2(3, 3) = tanh(t1[3i+j])
    t3(3) = sum[j<3](t2[3i+j] * layers[1].w[j])
    t4(3) = t3[i] + layers[1].b[0]
    return t4[i] over 3
    """
    return [network(s) for s in x]


@rolls(FOUR)
def a_layer_used_twice(x: Any) -> Any:
    """
    t0(3) = sum[j<3](x[j] * W[3i+j])
    t1(3) = tanh(t0[i])
    t2(3) = sum[j<3](t1[j] * W[3i+j])
    return t2[i] over 3
    """
    square = [row[:3] for row in W]
    return linear(square, [h.tanh() for h in linear(square, x[:3])])


@rolls(TWO_BY_FOUR, [1.0, 2.0])
def a_mean_of_squared_errors(x: Any, y: Any) -> Any:
    """
    t0(2) = sum[j<4](x[4i+j] * W[j])
    t1(2) = t0[i] + c
    t2(2) = t1[i] - y[i]
    t3 = sum[i<2](t2[i] * t2[i])
    t4 = t3 / 2.0
    return t4
    """
    errors = [tg.dot(W[0], s) + c - t for s, t in zip(x, y)]
    return sum(e * e for e in errors) / len(errors)


@rolls(TWO_BY_FOUR)
def a_norm(x: Any) -> Any:
    """
    t0(2) = sum[j<4](x[4i+j] * x[4i+j])
    t1(2, 4) = t0[i] / 4.0
    t2(2, 4) = t1[4i+j] + 1e-05
    t3(2, 4) = power(-0.5)(t2[4i+j])
    t4(2, 4) = t3[4i+j] * x[4i+j]
    return t4[i] over 8
    """
    return [[v * (sum(u * u for u in s) / 4 + 1e-5) ** -0.5 for v in s] for s in x]


# ---- largest, smallest, logsumexp ------------------------------------------------------------------------------------
@rolls(FOUR)
def a_maximum(x: Any) -> Any:
    """
    t0 = max[i<4](x[i])
    return t0
    """
    return tg.maximum(*x)


@rolls(FOUR)
def a_maximum_of_one(x: Any) -> Any:
    """
    return x[1]
    """
    return tg.maximum(x[1])


@rolls(FOUR, 2.0)
def a_maximum_of_several_blocks(x: Any, y: Any) -> Any:
    """
    t0(2) = largest(c, x[i], y)
    return t0[i] over 2
    """
    return [tg.maximum(x[0], y, c), tg.maximum(x[1], y, c)]


@rolls(FOUR, 2.0)
def a_minimum_of_a_list_and_one_more(x: Any, y: Any) -> Any:
    """
    t0 = smallest(x[0], x[1], x[2], x[3], y)
    return t0
    """
    return tg.minimum(*x, y)


@rolls(TWO_BY_FOUR)
def maxima_of_rows(x: Any) -> Any:
    """
    t0(2) = max[j<4](x[4i+j])
    return t0[i] over 2
    """
    return [tg.maximum(*row) for row in x]


@rolls(FIVE)
def maxima_of_more_and_more(x: Any) -> Any:
    """
    t0(5) = max[j<5]((x[j] where 10000 11000 11100 11110 11111 else -inf))
    return t0[i] over 5
    """
    return [tg.maximum(*x[: i + 1]) for i in range(5)]


@rolls(FIVE)
def minima_of_more_and_more(x: Any) -> Any:
    """
    t0(5) = min[j<5]((x[j] where 10000 11000 11100 11110 11111 else inf))
    return t0[i] over 5
    """
    return [tg.minimum(*x[: i + 1]) for i in range(5)]


@rolls(FIVE)
def logsumexps_of_more_and_more(x: Any) -> Any:
    """
    t0(5) = logsumexp[j<5]((x[j] where 10000 11000 11100 11110 11111 else -inf))
    return t0[i] over 5
    """
    return [tg.logsumexp(x[: i + 1]) for i in range(5)]


@rolls([1.0, 2.0])
def a_logsumexp_of_two(x: Any) -> Any:
    """
    t0 = logsumexp(x[1], x[0])
    return t0
    """
    return tg.logsumexp(x)


@rolls(TWO_BY_FOUR)
def a_softmax(x: Any) -> Any:
    """
    t0(2) = logsumexp[j<4](x[4i+j])
    t1(2, 4) = x[4i+j] - t0[i]
    t2(2, 4) = exp(t1[4i+j])
    t3(2) = sum[j<4](t2[4i+j])
    t4(2, 4) = t2[4i+j] / t3[i]
    return t4[i] over 8
    """
    return [tg.softmax(row) for row in x]


@rolls(TWO_BY_FOUR)
def a_softmax_by_hand(x: Any) -> Any:
    """
    t0(2) = max[j<4](x[4i+j])
    t1(2) = detach(t0[i])
    t2(2, 4) = x[4i+j] - t1[i]
    t3(2, 4) = exp(t2[4i+j])
    t4(2) = sum[j<4](t3[4i+j])
    t5(2, 4) = t3[4i+j] / t4[i]
    return t5[i] over 8
    """
    return [by_hand(row) for row in x]


def by_hand(row: Sequence[Any]) -> list[Any]:
    top = tg.maximum(*row).detach()
    exps = [(xi - top).exp() for xi in row]
    whole = sum(exps)
    return [x / whole for x in exps]


@rolls(THREE_BY_TWO)
def maxima_of_windows(x: Any) -> Any:
    """
    t0(2) = max[j<4](x[2i+j])
    return t0[i] over 2
    """
    return [tg.maximum(x[i][0], x[i][1], x[i + 1][0], x[i + 1][1]) for i in range(2)]


@rolls(FOUR)
def largest_of_what_is_not_everywhere(x: Any) -> Any:
    """
    t0(10) = x[[0,1,1,2,2,2,3,3,3,3]] * x[[0,0,1,0,1,2,0,1,2,3]]
    t1(10) = exp(t0[i])
    t2(4) = logsumexp[j<4]((t1[[[0,0,0,0],[1,2,0,0],[3,4,5,0],[6,7,8,9]]] where 1000 1100 1110 1111 else -inf))
    t3(4) = max[j<4]((t1[[[0,0,0,0],[1,2,0,0],[3,4,5,0],[6,7,8,9]]] where 1000 1100 1110 1111 else -inf))
    return t3[i] over 4, t2[i] over 4
    """
    rows = [[(a * e).exp() for e in x[: i + 1]] for i, a in enumerate(x)]
    return [tg.maximum(*row) for row in rows], [tg.logsumexp(row) for row in rows]


@rolls([2.0, 3.0, 4.0])
def operations_that_have_no_number_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = (t0[3i+j] where 100 110 111 else -inf)
    t2(3) = max[j<3](t1[3i+j])
    t3(3, 3) = t1[3i+j] - t2[i]
    t4(3, 3) = exp(t3[3i+j])
    t5(3, 3) = log((t4[3i+j] where 100 110 111 else 0.5))
    t6(3, 3) = tanh(t5[3i+j])
    t7(3, 3) = (t6[3i+j] where 100 110 111 else 0.0)
    t8(3) = sum[j<3](t7[3i+j])
    return t8[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    rows = [[(v - tg.maximum(*row)).exp().log().tanh() for v in row] for row in rows]
    return [sum(row) for row in rows]


@rolls([2.0, 3.0, 4.0])
def divisions_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = (t0[3i+j] where 100 110 111 else 0.0)
    t2(3) = sum[j<3](t1[3i+j])
    t3(3, 3) = t1[3i+j] * t2[i]
    t4(3) = 1.0 / t2[i]
    t5(3, 3) = 1.0 / (t3[3i+j] where 100 110 111 else 0.5)
    t6(3, 3) = (t5[3i+j] where 100 110 111 else 0.0)
    t7(3) = sum[j<3](t6[3i+j])
    return t4[i] over 3, t7[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [[1.0 / sum(row) for row in rows], [sum(1.0 / (v * sum(row)) for v in row) for row in rows]]


@rolls([2.0, 3.0, 4.0])
def bounds_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = maximum(t0[3i+j], 9.0)
    t2(3, 3) = t1[3i+j] - 9.0
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.maximum(v, 9.0) - 9.0 for v in row) for row in rows]


@rolls([2.0, 3.0, 4.0])
def bounds_from_above_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = minimum(t0[3i+j], -9.0)
    t2(3, 3) = t1[3i+j] - -9.0
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.minimum(v, -9.0) - -9.0 for v in row) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
def choices_by_what_nodes_read_where_nobody_reads(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = where(y[j], 3.0, t0[3i+j])
    t2(3, 3) = t1[3i+j] - 3.0
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.where(yj, 3.0, v) - 3.0 for v, yj in zip(row, y)) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
def choices_of_what_is_known_where_nobody_reads(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = where(t0[3i+j], 5.0, 5.0)
    t2(3, 3) = where(y[j], 3.0, t1[3i+j])
    t3(3, 3) = t2[3i+j] - 3.0
    t4(3, 3) = (t3[3i+j] where 100 110 111 else 0.0)
    t5(3) = sum[j<3](t4[3i+j])
    return t5[i] over 3
    """
    rows = [[tg.where(tg.dot([a, a], [e, e]), 5.0, 5.0) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.where(yj, 3.0, v) - 3.0 for v, yj in zip(row, y)) for row in rows]  # y may be 0


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0], 2.0)
def four_operands_where_nobody_reads(x: Any, y: Any, z: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = largest(c, y[j], z, t0[3i+j])
    t2(3, 3) = (t1[3i+j] where 100 110 111 else 0.0)
    t3(3) = sum[j<3](t2[3i+j])
    return t3[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.maximum(v, yj, z, c) for v, yj in zip(row, y)) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0], 2.0)
def more_operands_are_not_tried(x: Any, y: Any, z: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = largest(c, k[0], y[j], z, (t0[3i+j] where 100 110 111 else 2.0))
    t2(3, 3) = (t1[3i+j] where 100 110 111 else 0.0)
    t3(3) = sum[j<3](t2[3i+j])
    return t3[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.maximum(v, yj, z, c, k[0]) for v, yj in zip(row, y)) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
def powers_where_nobody_reads(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = y[j] ** (t0[3i+j] where 100 110 111 else 2.0)
    t2(3, 3) = (t1[3i+j] where 100 110 111 else 0.0)
    t3(3) = sum[j<3](t2[3i+j])
    return t3[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(yj**v for v, yj in zip(row, y)) for row in rows]


@rolls([2.0, 3.0, 4.0])
def quotients_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = 1.0 / (t0[3i+j] where 100 110 111 else 0.5)
    t2(3, 3) = t1[3i+j] - 1.0
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(1.0 / v - 1.0 for v in row) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
def nothing_times_three_others_where_nobody_reads(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = (t0[3i+j] where 100 110 111 else 0.0)
    t2(3) = sum[j<3](t1[3i+j])
    t3(3, 3) = product(t1[3i+j], t2[i], y[j], 2.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(apply(PRODUCT, v, sum(row), yj, 2.0) for v, yj in zip(row, y)) for row in rows]


PRODUCT = Op(
    "product",
    "product",
    lambda m, a, b, c, d: a * b * c * d,
    lambda m, v, a, b, c, d: b * c * d,
    lambda m, v, a, b, c, d: a * c * d,
    lambda m, v, a, b, c, d: a * b * d,
    lambda m, v, a, b, c, d: a * b * c,
)


@rolls([2.0, 3.0, 4.0])
def comparisons_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = same(t0[3i+j], 12.0)
    t2(3, 3) = (t1[3i+j] where 100 110 111 else 0.0)
    t3(3) = sum[j<3](t2[3i+j])
    return t3[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(apply(SAME, v, 12.0) for v in row) for row in rows]


SAME = Op("same", "same", lambda m, x, y: 1.0 - m.abs(m.sign(x - y)), 0.0, 0.0)


@rolls([2.0, 3.0, 4.0])
def a_sum_of_one_goes_where_it_goes(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1 = t0[4] + t0[3]
    t2(3, 3) = (t0[3i+j] where 111 110 100 else -inf)
    t3(3) = max[j<3](t2[3i+j])
    t4 = exp(t1)
    t5 = exp(t2[6])
    t6(3) = exp(t3[i])
    t7 = t5 * t4
    return t7, t6[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: 3 - i]] for i, a in enumerate(x)]
    largest = [tg.maximum(*row) for row in rows]
    return tg.total(rows[2]).exp() * (rows[1][0] + rows[1][1]).exp(), [y.exp() for y in largest]


@rolls([2.0, 3.0, 4.0])
def choices_where_nobody_reads(x: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = where(t0[3i+j], 3.0, 5.0)
    t2(3, 3) = t1[3i+j] - 3.0
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
    return [sum(tg.where(v, 3.0, 5.0) - 3.0 for v in row) for row in rows]


@rolls([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
def a_difference_of_what_is_not_everywhere(x: Any, y: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](x[i] * x[j])
    t1(3, 3) = sum[k<2](y[i] * y[j])
    t2(3, 3) = t0[3i+j] - t1[3i+j]
    t3(3, 3) = (t2[3i+j] where 100 110 111 else 0.0)
    t4(3) = sum[j<3](t3[3i+j])
    return t4[i] over 3
    """
    rows = [
        [tg.dot([a, a], [e, e]) - tg.dot([b, b], [f, f]) for e, f in zip(x[: i + 1], y)]
        for i, (a, b) in enumerate(zip(x, y))
    ]
    return [sum(row) for row in rows]


@rolls(SIX)
def what_nobody_asks_for_is_no_error(x: Any) -> Any:
    """
    t0(6) = x[i] - [9.0, 9.0, 0.0, 0.0, 0.0, 0.0][i]
    t1(6) = t0[i] + 1.0
    t2 = sum[i<6](t0[i])
    t3(6) = sqrt((t0[i] where 001111 else 0.5))
    t4(3) = log(t0[3+i])
    t5(6) = acosh((t1[i] where 001111 else 2.0))
    return t2, t4[i] over 3, t3[2+i] over 4, t5[2+i] over 4
    """
    y = [xi - shift for xi, shift in zip(x, (9.0, 9.0, 0.0, 0.0, 0.0, 0.0))]
    z = [yi + 1.0 for yi in y]
    return tg.total(y), [yi.log() for yi in y[3:]], [yi.sqrt() for yi in y[2:]], [zi.acosh() for zi in z[2:]]


# ---- attention -------------------------------------------------------------------------------------------------------
@rolls(THREE_BY_TWO, THREE_BY_TWO, THREE_BY_TWO)
def attention(q: Any, key: Any, value: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](key[2i+k] * q[2j+k])
    t1(3, 3) = t0[3i+j] / 1.4142135623730951
    t2(3) = max[j<3](t1[i+3j])
    t3(3) = detach(t2[i])
    t4(3, 3) = t1[3i+j] - t3[j]
    t5(3, 3) = exp(t4[3i+j])
    t6(3) = sum[j<3](t5[i+3j])
    t7(3, 3) = t5[3i+j] / t6[j]
    t8(3, 2) = sum[k<3](t7[i+3k] * value[j+2k])
    return t8[i] over 6
    """
    shares = [by_hand([tg.dot(qt, kt) / 2**0.5 for kt in key]) for qt in q]
    return [[sum(s * v[j] for s, v in zip(row, value)) for j in range(2)] for row in shares]


@rolls(THREE_BY_TWO, THREE_BY_TWO, THREE_BY_TWO)
def attention_to_what_has_been(q: Any, key: Any, value: Any) -> Any:
    """
    t0(3, 3) = sum[k<2](key[2i+k] * q[2j+k])
    t1(3, 3) = t0[3i+j] / 1.4142135623730951
    t2(3, 3) = (t1[3i+j] where 111 011 001 else -inf)
    t3(3) = max[j<3](t2[i+3j])
    t4(3) = detach(t3[i])
    t5(3, 3) = t2[3i+j] - t4[j]
    t6(3, 3) = exp(t5[3i+j])
    t7(3) = sum[j<3](t6[i+3j])
    t8(3, 3) = t6[3i+j] / t7[j]
    t9(3, 2) = sum[k<3](t8[i+3k] * value[j+2k])
    return t9[i] over 6
    """
    shares = [by_hand([tg.dot(qt, kt) / 2**0.5 for kt in key[: t + 1]]) for t, qt in enumerate(q)]
    return [[sum(s * v[j] for s, v in zip(row, value)) for j in range(2)] for row in shares]


# ---- look-ups --------------------------------------------------------------------------------------------------------
@rolls(2)
def a_row_of_a_table(at: Any) -> Any:
    """
    t0(2) = take[j<4](table[i+2j], at)
    return t0[i] over 2
    """
    return tg.take(table, at)


@rolls([2, 0, 3])
def rows_of_a_table(ids: Any) -> Any:
    """
    t0(3, 2) = take[k<4](table[j+2k], ids[i])
    t1(3, 2) = exp(t0[2i+j])
    return t1[i] over 6
    """
    return [[x.exp() for x in tg.take(table, at)] for at in ids]


@rolls(1)
def one_of_a_list(at: Any) -> Any:
    """
    t0 = take[i<3](k[i], at)
    t1 = t0 * 2.0
    return t1
    """
    return tg.take(k, at) * 2.0


@rolls(FOUR, 1)
def one_of_results(x: Any, at: Any) -> Any:
    """
    t0 = logsumexp[i<4](x[i])
    t1(4) = x[i] - t0
    t2(4) = exp(t1[i])
    t3 = sum[i<4](t2[i])
    t4(4) = t2[i] / t3
    t5 = take[i<4](t4[i], at)
    return t5
    """
    return tg.take(tg.softmax(x), at)


@rolls(1)
def one_of_several_blocks(at: Any) -> Any:
    """
    t0(1, 3) [0] += c over 1; [1] += d over 1; [2] += k[0] over 1
    t1 = take[i<3](t0[i], at)
    return t1
    """
    return tg.take([c, d, k[1]], at)


@rolls(1)
def one_of_a_list_and_one_more(at: Any) -> Any:
    """
    t0(1, 3) [i] += k[i] over 2; [2] += c over 1
    t1 = take[i<3](t0[i], at)
    return t1
    """
    return tg.take([k[0], k[1], c], at)


@rolls([1, 2])
def two_of_several_blocks(ids: Any) -> Any:
    """
    t0(2, 3) [3i] += c over 2; [1+3i] += d over 2; [2+3i] += k[0] over 2
    t1(2) = take[j<3](t0[3i+j], ids[i])
    return t1[i] over 2
    """
    return [tg.take([c, d, k[1]], at) for at in ids]


@rolls(FOUR, FOUR, 1)
def one_of_pairs_from_two_lists(x: Any, y: Any, at: Any) -> Any:
    """
    t0(1, 6) [[0,1,4,5]] += x[i] over 4; [2+i] += y[i] over 2
    t1 = take[i<6](t0[i], at)
    return t1
    """
    return tg.take([x[0], x[1], y[0], y[1], x[2], x[3]], at)


@rolls(1)
def one_of_numbers(at: Any) -> Any:
    """
    t0 = take[i<3]([0.5, 1.5, 2.5][i], at)
    t1 = t0 * c
    return t1
    """
    return tg.take([0.5, 1.5, 2.5], at) * c


@rolls(TWO_BY_FOUR, [3, 0])
def one_of_each_row(x: Any, ids: Any) -> Any:
    """
    t0(2) = take[j<4](x[4i+j], ids[i])
    return t0[i] over 2
    """
    return [tg.take(row, at) for row, at in zip(x, ids)]


@rolls(2, 1)
def a_table_twice(first: Any, second: Any) -> Any:
    """
    t0(2) = take[j<4](table[i+2j], first)
    t1(2) = take[j<4](table[i+2j], second)
    return t0[i] over 2, t1[i] over 2
    """
    return [tg.take(table, first), tg.take(table, second)]


@rolls(2.0)
def rows_that_are_chosen_when_it_is_traced(x: Any) -> Any:
    """
    t0(3, 2) = exp(table[2i+j])
    return t0[2+i] over 2, t0[i] over 2, t0[4+i] over 2
    """
    return [[w.exp() for w in table[i]] for i in (2, 0, 3)]


@rolls(2.0)
def rows_chosen_at_random(x: Any) -> Any:
    """
    t0(8) = exp(table[[4,5,0,1,6,7,2,3]])
    return t0[i] over 8, t0[6+i] over 2, t0[2+i] over 2
    """
    return [[w.exp() for w in table[i]] for i in (2, 0, 3, 1, 1, 0)]


@rolls(FOUR, [1.0, 2.0], 1)
def one_of_what_stands_in_several_places(x: Any, y: Any, at: Any) -> Any:
    """
    t0(1, 5) [[0,1,4]] += x[[0,1,3]] over 3; [2+i] += [0.5] over 2
    t1 = take[i<5](t0[i], at)
    t2(1, 5) [2i] += y[1-i] over 2; [1] += x[2] over 1; [3+i] += [1.5, 2.5][i] over 2
    t3 = take[i<5](t2[i], at)
    return t1, t3
    """
    return [tg.take([x[0], x[1], 0.5, 0.5, x[3]], at), tg.take([y[1], x[2], y[0], 1.5, 2.5], at)]


@rolls([THREE_BY_TWO, THREE_BY_TWO], 1)
def a_table_of_an_argument(x: Any, at: Any) -> Any:
    """
    t0(3, 2) = take[k<2](x[2i+j+6k], at)
    return t0[i] over 6
    """
    return tg.take(x, at)


@rolls(THREE_BY_TWO, 2)
def one_of_a_column(x: Any, at: Any) -> Any:
    """
    t0 = take[i<3](x[1+2i], at)
    return t0
    """
    return tg.take([row[1] for row in x], at)


@rolls(FOUR, 0)
def one_of_some_without_order(x: Any, at: Any) -> Any:
    """
    t0 = take[i<3](x[[0,3,1]], at)
    return t0
    """
    return tg.take([x[0], x[3], x[1]], at)


# ---- outputs ---------------------------------------------------------------------------------------------------------
@rolls(SIX)
def results_in_one_row_are_one_output(x: Any) -> Any:
    """
    t0(6) = exp(x[i])
    return t0[i] over 3, t0[5-2i] over 3, t0[4], 7.0, x[2-i] over 2, c, c
    """
    y = [xi.exp() for xi in x]
    return [y[0], y[1], y[2]], [y[5], y[3], y[1]], y[4], 7.0, [x[2], x[1]], [c, c]


@pytest.mark.parametrize("name", CASES)
def test_a_function_becomes_the_program_in_its_docstring(name: str) -> None:
    f, example = CASES[name]
    of_f = Rolled(f, *example)
    assert "\n".join(texts(of_f.program)) == inspect.getdoc(f)
    of_f.hold()


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("an argument is a result", 0),
        ("each of a list", 4),
        ("a few of a result", 6 + 5 + 2),
        ("more with one number", 4),
        ("a sum", 3),
        ("sums of rows", 2 * 3),
        ("sums of more and more", 0 + 1 + 2 + 3),
        ("sums over three lists", 3 * 5),
        ("maxima of more and more", 0 + 1 + 2 + 3 + 4),
        ("a product", 1),
        ("a dot product", 4 + 3),
        ("a matrix product", 6 * 7),
        ("the same product twice", 4 + 3 * 3),
        ("the same product of results twice", 4 + 2 * 3 + 2),
        ("dots of several blocks", 2 * 7),
        ("longer and longer rows of one side", 1 + 3 + 5 + 7),
        ("numbers of several lengths", 3 + 5 + 7),
        ("a layer", 3 * (7 + 1 + 1)),
        ("rows of a table", 6 + 6),
    ],
)
def test_how_many_operations_on_numbers_the_statements_stand_for(name: str, operations: int) -> None:
    """Each addition, each product, and each call; of those that fill up a rectangle none."""
    f, example = CASES[name]
    assert scalar_operations(Rolled(f, *example).program) == operations


def test_numbers_are_kept_without_what_repeats() -> None:
    program = Rolled(samples_that_are_equal_are_still_two, 2.0).program
    statements = [s for s in program.statements if isinstance(s, Statement)]
    blocks = [x.block for s in statements for x in s.operands if isinstance(x, Access)]
    assert [block.shape for block in blocks if block.kind == "data"] == [(4,)]


def test_where_no_number_that_is_tried_is_one_for_an_operation_nothing_is_known() -> None:
    narrow = Op("narrow", "narrow", lambda m, x: m.asin((x - 100.0) / 60.0), lambda m, y, x: 1.0 / m.cos(y))

    def f(x: Any) -> Any:
        rows = [[tg.dot([a, a], [e, e]) for e in x[: i + 1]] for i, a in enumerate(x)]
        return [sum(apply(narrow, v) for v in row) for row in rows]

    assert texts(Rolled(f, [5.0, 6.0, 7.0]).program)[1:3] == [
        "t1(3, 3) = narrow((t0[3i+j] where 100 110 111 else 2.0))",
        "t2(3, 3) = (t1[3i+j] where 100 110 111 else 0.0)",
    ]


def test_an_input_that_chooses_is_an_index() -> None:
    program = Rolled(one_of_each_row, TWO_BY_FOUR, [3, 0]).program
    assert [(block.name, block.kind) for block in program.inputs] == [("x", "input"), ("ids", "index")]


# ---- models ----------------------------------------------------------------------------------------------------------
def check(model: Model) -> None:
    of_loss = Rolled(model.loss, *model.arguments)
    hold_to_form(of_loss.program)
    of_loss.hold_at(of_loss.numbers, [p.data for p in of_loss.parameters])


@pytest.mark.parametrize("name", BY_HAND)
def test_models_written_by_hand_are_computed_as_the_engine_does(name: str) -> None:
    check(BY_HAND[name]())


@given(models())
def test_drawn_models_are_computed_as_the_engine_does(model: Model) -> None:
    check(model)
