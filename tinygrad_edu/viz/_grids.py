"""Evaluates functions of Values on grids of numbers, as the plots of surfaces and boundaries need them.

A function is compiled and called once for all points; a function that cannot be compiled is called for each point.
Drawing the numbers is left to `plots.py` and `animations.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing

from tinygrad_edu.compiler import RecordingError, compile
from tinygrad_edu.engine import Value, apply
from tinygrad_edu.errors import FAILURES, describe
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import no_grad

FloatArray: TypeAlias = np.typing.NDArray[np.float64]


def vectorize(f: Callable[..., Any]) -> Callable[..., FloatArray]:
    """Makes a function f of n numbers a function of n arrays of one shape, or of arrays and numbers.

    f takes Values or numbers and returns one result, or a sequence of m. The result has the shape of the arrays, or
    (m, *shape). Other Values that f uses are read again at each call. Where f is not defined, as log at −1, the result
    is nan. If f fails at every point, its last error is raised.

    Example:
        >>> vectorize(lambda x, y: x * y)(np.array([1.0, 2.0]), 3.0)
        array([3., 6.])
        >>> vectorize(lambda x: x.log())(np.array([-1.0, 1.0]))
        array([nan,  0.])
    """
    compiled = compile(f)

    def function(*numbers: Any) -> FloatArray:
        at_a_point: Callable[..., Any] = compiled
        try:
            return np.asarray(compiled(*numbers), dtype=float)
        except RecordingError:  # f looks at its numbers
            at_a_point = f
        except FAILURES:
            pass
        return _evaluate_each_point(at_a_point, np.broadcast_arrays(*numbers))

    return function


def graph_as_function(y: Value, *xs: Value) -> Callable[..., Value]:
    """Makes the graph behind y a function of its nodes `xs`; all other leaves keep their numbers.

    Raises:
        TypeError: y or one of the xs is not a Value.
        ValueError: y does not depend on one of the xs.

    Example:
        >>> a, b = Value(2.0), Value(3.0)
        >>> graph_as_function(a * b + a, a)(Value(10.0))
        Value(data=40.0, grad=0.0)
    """
    for v in (y, *xs):
        if not isinstance(v, Value):
            raise TypeError(f"expected a Value of a graph, not {describe(v)}")
    order = topological_order(y)
    nodes = set(order)
    for x in xs:
        if x not in nodes:
            raise ValueError(f"{_quote_node(y)} does not depend on {_quote_node(x)}, which is not a node of its graph")
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


def _evaluate_each_point(f: Callable[..., Any], arrays: Sequence[FloatArray]) -> FloatArray:
    results: list[Any] = []
    error: Exception = ValueError("there is no point to evaluate the function at")
    for point in zip(*[array.ravel().tolist() for array in arrays]):
        try:
            with no_grad():
                results.append(_to_array(f(*point)))
        except FAILURES as failure:
            results.append(None)
            error = failure
    found = next((y for y in results if y is not None), None)
    if found is None:
        raise error
    table = np.array([np.full_like(found, np.nan) if y is None else y for y in results])
    return np.moveaxis(table, 0, -1).reshape(*np.shape(found), *arrays[0].shape)


def _to_array(y: Any) -> FloatArray:
    if isinstance(y, (list, tuple)):
        return np.array([v.data if isinstance(v, Value) else v for v in y], dtype=float)
    return np.array(y.data if isinstance(y, Value) else y, dtype=float)


def _quote_node(v: Value) -> str:
    return repr(v.label) if v.label else f"the node of {v.data:g}"
