"""Functions of Values on whole grids of numbers, as surfaces and boundaries need them.

A function is recorded and run once for all points (`compiler`); one that cannot be recorded is called point by point.
What is drawn of the numbers is left to `plots.py` and `animations.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.compiler import RecordingError, compile
from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES, described
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import no_grad

Array = Any  # of floats


def on_arrays(f: Callable[..., Any]) -> Callable[..., Array]:
    """A function f of n numbers as a function of n arrays of one shape, or of arrays and numbers.

    f takes Values or numbers and returns one, or a sequence of m; the result has the shape of the arrays, or with m in
    front of it. The other Values that f uses are read afresh at each call. Where f is not defined, at the logarithm
    of −1, say, the result is nan.

    >>> on_arrays(lambda x, y: x * y)(np.array([1.0, 2.0]), 3.0)
    array([3., 6.])
    >>> on_arrays(lambda x: x.log())(np.array([-1.0, 1.0]))
    array([nan,  0.])

    Raises what f raises if it does so at every point.
    """
    compiled = compile(f)

    def function(*numbers: Any) -> Array:
        at_a_point: Callable[..., Any] = compiled
        try:
            return np.asarray(compiled(*numbers), dtype=float)
        except RecordingError:  # it looks at its numbers
            at_a_point = f
        except FAILURES:
            pass
        return _point_by_point(at_a_point, np.broadcast_arrays(*numbers))

    return function


def as_function(y: Value, *xs: Value) -> Callable[..., Value]:
    """What a graph computes, as a function of some of its nodes: all the others keep their numbers.

    >>> a, b = Value(2.0), Value(3.0)
    >>> as_function(a * b + a, a)(Value(10.0))
    Value(data=40.0, grad=0.0)

    Raises `TypeError` for what is no Value, `ValueError` where y does not depend on one of the xs.
    """
    for v in (y, *xs):
        if not isinstance(v, Value):
            raise TypeError(f"expected a Value of a graph, not {described(v)}")
    order = topological_order(y)
    nodes = set(order)
    for x in xs:
        if x not in nodes:
            raise ValueError(f"{_named(y)} does not depend on {_named(x)}: it is not a node of its graph")
    given, depending = set(xs), set(xs)
    for v in order:
        if not depending.isdisjoint(v._prev):
            depending.add(v)
    steps = [v for v in order if v in depending and v not in given]

    def function(*numbers: Any) -> Value:
        now: dict[Value, Any] = dict(zip(xs, numbers))
        for v in steps:
            now[v] = apply(v._rule, *[now.get(x, x) for x in v._prev])
        result: Value = now[y]
        return result

    return function


def _point_by_point(f: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    results: list[Any] = []
    error: Exception = ValueError("there is no point to evaluate the function at")
    for point in zip(*[array.ravel().tolist() for array in arrays]):
        try:
            with no_grad():
                results.append(_numbers(f(*point)))
        except FAILURES as failure:
            results.append(None)
            error = failure
    found = next((y for y in results if y is not None), None)
    if found is None:
        raise error
    table = np.array([np.full_like(found, np.nan) if y is None else y for y in results])
    return np.moveaxis(table, 0, -1).reshape(*np.shape(found), *arrays[0].shape)


def _numbers(y: Any) -> Array:
    if isinstance(y, (list, tuple)):
        return np.array([v.data if isinstance(v, Value) else v for v in y], dtype=float)
    return np.array(y.data if isinstance(y, Value) else y, dtype=float)


def _named(v: Value) -> str:
    return repr(v.label) if v.label else f"the node of {v.data:g}"
