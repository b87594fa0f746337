"""Generated expressions against mpmath: the value, the gradient and the second derivatives, to the last bits.

The truth touches no rule: the functions of the table in `operations.py` compute the value to 200 digits, differences of
it the derivatives. What floats may be away from it are the rounding errors of their own operations (`rounding.py`).
"""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from operations import TRUTH, Point, Row, every_row, mp, mpf, partial, true_second_derivatives
from profiles import sample
from rounding import hold_against
from steps import expression

from tinygrad_edu import Value
from tinygrad_edu.rules import OPS, Op
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression

FEWER = settings(max_examples=min(settings.default.max_examples, 300))


def truths(f: Expression) -> list[Any]:
    """The value, the n first derivatives and the n² second ones, row by row: to 50 digits and more."""

    def value(*xs: Any) -> Any:
        return f.computed(lambda op, *inputs: TRUTH[op.name](*inputs, *op.parameters), *xs, number=mpf)

    with mp.workdps(200):
        xs, places = tuple(map(mpf, f.point)), range(len(f.point))
        variables = [(i,) for i in places] + list(product(places, repeat=2))
        return [value(*xs), *[partial(value, xs, *which, digits=200) for which in variables]]


@FEWER
@given(strategies.expressions())
def test_values_and_first_and_second_derivatives(f: Expression) -> None:
    hold_against_the_truth(f)


def hold_against_the_truth(f: Expression) -> None:
    hold_against(truths(f), f)


# ---- the check can fail ----------------------------------------------------------------------------------------------
def in_an_expression(op: Op, xs: Point) -> Expression:
    """Three times the operation at these numbers."""
    n = len(xs)
    return expression(("",) * n, xs, (3.0,), (op, tuple(range(n))), (OPS["mul"], (n + 1, n)))


@every_row
def test_a_rule_that_is_wrong_by_half_a_thousandth_is_caught(row: Row) -> None:
    """In its value, in each derivative, and where nothing but the second derivatives is wrong."""
    right = row.op

    def wrong(x: Any) -> Any:
        return x * 1.0005 + (0.0 if x else 0.0005)

    def frozen(m: Any, y: Any, *xs: Any) -> list[Any]:
        return [s.data if isinstance(s, Value) else s for s in right.derivatives(m, y, *xs)]

    def wrong_in(i: int) -> Op:
        def derivatives(m: Any, y: Any, *xs: Any) -> list[Any]:
            return [wrong(s) if k == i else s for k, s in enumerate(right.derivatives(m, y, *xs))]

        return Op(right.name, "", right.value, every=derivatives, parameters=right.parameters)

    for xs in sample([xs for xs in row.inside if xs], 1):
        f = in_an_expression(right, xs)
        hold_against_the_truth(f)
        off_value = Op(
            right.name,
            "",
            lambda m, *xs: wrong(right.value(m, *xs)),
            every=lambda m, y, *xs: right.derivatives(m, right.value(m, *xs), *xs),
            parameters=right.parameters,
        )
        for op in (off_value, *map(wrong_in, range(len(xs)))):
            with pytest.raises(AssertionError, match="number"):
                hold_against_the_truth(in_an_expression(op, xs))
        if any(abs(second) > 1e-3 for second in true_second_derivatives(row, xs)):
            op = Op(right.name, "", right.value, every=frozen, parameters=right.parameters)
            with pytest.raises(AssertionError, match="number"):
                hold_against_the_truth(in_an_expression(op, xs))
