"""How far floats may be from the truth: no more than the rounding errors of the operations behind them.

A fixed tolerance is too tight where large numbers cancel out, and too loose everywhere else. So an error bound is
computed beside each number, its unit being the relative error of one operation; a gradient is a graph of operations
itself. What is true is left to the tests.
Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3 (running error analysis).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from operations import SCALE

from tinygrad_edu import Value, grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.rules import FLOATS
from tinygrad_edu.testing.expression import Expression

UNIT = 5e-16  # 1.1e-16 for + - * /, a few times that for functions made of several
TINY = 1e-60  # differences are wrong in the 80th digit; and near 1e-308 floats lose theirs


def rounded(y: float, slopes: Iterable[float], errors: Iterable[float], scale: float = 0.0) -> float:
    """The rounding error of an operation at most: its own, and what becomes of those of its inputs.

    Its own is the size of the number, or `scale` where that is larger.
    """
    return max(abs(y), scale) + sum([abs(slope) * error for slope, error in zip(slopes, errors) if slope])  # not 0 · ∞


def rounding_errors(*results: Value) -> list[float]:
    """Those of the numbers of these nodes. A leaf is taken for a number that has been rounded itself."""
    errors: dict[Value, float] = {}
    for v in topological_order(*results):
        slopes = v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev])
        errors[v] = rounded(v.data, slopes, [errors[x] for x in v._prev], SCALE.get(v._rule.name, 0.0))
    return [errors[v] for v in results]


def hold_against(true: Sequence[Any], f: Expression) -> None:
    """The value, the n first derivatives and the n² second ones, row by row: by `grad`, and by `backward()`."""
    leaves = f.leaves()
    y = f(*leaves)
    slopes = grad(y, leaves, create_graph=True)
    seconds = [second for slope in slopes for second in grad(slope, leaves, create_graph=True)]
    errors = rounding_errors(y, *slopes, *seconds)
    _check([v.data for v in (y, *slopes, *seconds)], true, errors)
    y.backward()
    first = slice(1, 1 + len(leaves))
    _check([leaf.grad for leaf in leaves], true[first], errors[first])


def _check(got: Sequence[float], true: Sequence[Any], errors: Sequence[float]) -> None:
    assert len(got) == len(true) == len(errors)
    for place, (y, truth, error) in enumerate(zip(got, true, errors)):
        assert abs(y - truth) <= UNIT * error + TINY, f"number {place}: {y}, not {truth}"
