"""Gradients as values: the generic sweep, and the derivatives of functions that are built on it.

`grad` walks a graph back as `Value.backward` does, but on any kind of number that the rules know: on floats it returns
the gradients and writes nothing down, on Values it records what it computes, so that a gradient is a graph and can be
differentiated again. The rest are functions of functions: each takes a function f(x₁, …, xₙ) of n scalars and returns
another one, which works under `no_grad()` too. The rules are left to `ops.py`, the graph to `engine.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar, overload

from .engine import Value, apply, constant
from .errors import ARITHMETIC_ERRORS, described, length, located, refuse_nan, require_function
from .functional import call
from .graph import topological_order
from .ops import CONSTANT
from .recording import enable_grad
from .rules import FLOATS, OPS, Mathematics, Number

S = TypeVar("S", Value, float)


class Recording(Mathematics):
    """The mathematics of Values: each function that a rule calls makes a node, unless it is called on plain numbers."""

    @staticmethod
    def pow(a: Number, b: Number) -> Number:
        return a**b if isinstance(a, Value) or isinstance(b, Value) else FLOATS.pow(a, b)

    def __getattr__(self, name: str) -> Callable[..., Number]:
        if name not in OPS:
            raise AttributeError(f"no operation is called {name!r}")
        return partial(call, OPS[name])


RECORDING = Recording()


@overload
def grad(y: Value, xs: Value, create_graph: Literal[False] = False) -> float: ...
@overload
def grad(y: Value, xs: Sequence[Value], create_graph: Literal[False] = False) -> list[float]: ...
@overload
def grad(y: Value, xs: Value, create_graph: Literal[True]) -> Value: ...
@overload
def grad(y: Value, xs: Sequence[Value], create_graph: Literal[True]) -> list[Value]: ...
def grad(y: Value, xs: Value | Sequence[Value], create_graph: bool = False) -> Any:
    """∂y/∂x for one x, or a list of them for a sequence; touches no `.grad`.

    With `create_graph` the gradients are Values, nodes of a graph that can be differentiated again, to any order.
    Where y does not depend on x the gradient is 0. Raises as `Value.backward` does, and `TypeError` for what is
    no Value.

    >>> x = Value(2.0)
    >>> slope = grad(x**3, x, create_graph=True)
    >>> slope.data, grad(slope, x)
    (12.0, 12.0)
    """
    targets = list(xs) if isinstance(xs, Iterable) else [xs]
    for v in (y, *targets):
        if not isinstance(v, Value):
            raise TypeError(
                f"grad(y, xs) takes a Value y and a Value or several as xs, not {described(v)}"
                + ("; of a function: derivative(f), value_and_grad(f)" if callable(v) else "")
            )
    if create_graph:
        gradients = [g if isinstance(g, Value) else constant(g) for g in sweep(y, targets, RECORDING, lambda v: v)]
    else:
        gradients = sweep(y, targets, FLOATS, lambda v: v.data)
    return gradients[0] if isinstance(xs, Value) else gradients


def sweep(y: Value, targets: Sequence[Value], m: Mathematics, read: Callable[[Value], Number]) -> list[Number]:
    """The gradients of y in the targets, computed with `m` on the numbers that `read` takes from the nodes."""
    order = topological_order(y)
    between = {x for x in targets if x._rule is not CONSTANT}  # and the nodes that depend on them; no other is visited
    for v in order:
        if not between.isdisjoint(v._prev):
            between.add(v)
    gradients: dict[Value, Number] = {y: 1.0} if y in between else {}
    for v in reversed(order):
        inputs = v._prev
        if v not in gradients or between.isdisjoint(inputs):
            continue
        try:
            slopes = v._rule.derivatives(m, read(v), *map(read, inputs))
        except ARITHMETIC_ERRORS as error:
            raise located(error, f"the derivative of {v._rule}", inputs) from error
        for x, slope in zip(inputs, slopes, strict=True):
            if x in between:
                term = _times(gradients[v], slope)
                gradients[x] = total = gradients[x] + term if x in gradients else term
                if total.__class__ is float and total != total:  # a Value has been looked at when it was made
                    refuse_nan(f"the gradient through {v._rule}", v, gradients[v])
    return [gradients.get(x, 0.0) for x in targets]


def _times(g: Number, slope: Number) -> Number:
    """g · slope; a factor that is the literal 1 makes no node."""
    if slope.__class__ is float and slope == 1.0:
        return g
    return slope if g.__class__ is float and g == 1.0 else g * slope


def value_and_grad(f: Callable[..., Value | float]) -> Callable[..., tuple[float, list[float]]]:
    """f's value with its n first derivatives: a function of n numbers that returns (f, [∂f/∂x₁, …, ∂f/∂xₙ]).

    >>> value_and_grad(lambda x, y: x * y + x)(2.0, 3.0)
    (8.0, [4.0, 2.0])

    Raises `TypeError` when f is no function or does not return one number, and whatever f raises.
    """
    require_function("f", f, "value_and_grad(lambda x, y: x * y)")

    @enable_grad()
    def function(*xs: float) -> tuple[float, list[float]]:
        leaves = [Value(x) for x in xs]
        y = _scalar(f(*leaves))
        return y.data, grad(y, leaves)

    return function


def derivative(f: Callable[[Value], Value | float], n: int = 1) -> Callable[[S], S]:
    """The n-th derivative of a function of one number, dⁿf/dxⁿ; at a Value it returns a Value.

    >>> derivative(lambda x: x**4, n=3)(2.0)
    48.0

    Raises `ValueError` unless n is an int ≥ 0, `TypeError` when f is no function or does not return one number.
    """
    require_function("f", f, "derivative(lambda x: x**2)")
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"the order of a derivative is an int of 0 or more, not {n!r}")

    @enable_grad()
    def function(x: S) -> S:
        if isinstance(x, Value) and x._rule is not CONSTANT:
            at = x * 1.0  # a node that depends on x, not x itself: f may use that besides
        else:
            at = Value(x.data if isinstance(x, Value) else x)
        y = _scalar(f(at))
        for _ in range(n):
            y = grad(y, at, create_graph=True)
        return y if isinstance(x, Value) else y.data

    return function


def jacobian(f: Callable[..., Sequence[Value | float]]) -> Callable[..., list[list[float]]]:
    """All first derivatives of a function of n numbers that returns m: m rows of n, row i being ∂fᵢ/∂x.

    >>> jacobian(lambda x, y: [x * y, x + y])(2.0, 3.0)
    [[3.0, 2.0], [1.0, 1.0]]

    Raises `TypeError` when f is no function or does not return a sequence of numbers.
    """
    require_function("f", f, "jacobian(lambda x, y: [x * y, x + y])")

    @enable_grad()
    def function(*xs: float) -> list[list[float]]:
        leaves = [Value(x) for x in xs]
        ys = f(*leaves)
        if not isinstance(ys, Iterable):
            raise TypeError(
                f"jacobian takes a function that returns a sequence of numbers, not {type(ys).__name__}; "
                "for one number: value_and_grad"
            )
        return [grad(_scalar(y, "each result of the function must be"), leaves) for y in ys]

    return function


def hessian(f: Callable[..., Value | float]) -> Callable[..., list[list[float]]]:
    """All second derivatives of a function of n numbers: n rows of n, entry (i, j) being ∂²f/∂xᵢ∂xⱼ.

    >>> hessian(lambda x, y: x**2 * y)(2.0, 3.0)
    [[6.0, 4.0], [4.0, 0.0]]

    Raises `TypeError` when f is no function or does not return one number.
    """
    require_function("f", f, "hessian(lambda x, y: x**2 * y)")

    @enable_grad()
    def function(*xs: float) -> list[list[float]]:
        leaves = [Value(x) for x in xs]
        slopes = grad(_scalar(f(*leaves)), leaves, create_graph=True)
        return [grad(slope, leaves) for slope in slopes]

    return function


def hvp(f: Callable[..., Value | float], v: Sequence[float]) -> Callable[..., list[float]]:
    """The Hessian times a vector of n numbers, Σⱼ ∂²f/∂xᵢ∂xⱼ · vⱼ, without the n² entries of the Hessian.

    >>> hvp(lambda x, y: x**2 * y, [1.0, 0.0])(2.0, 3.0)
    [6.0, 4.0]

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, 1994. Raises `ValueError` when v and the arguments
    are not of one length, `TypeError` when v is no sequence, f no function, or its result not one number.
    """
    require_function("f", f, "hvp(lambda x, y: x * y, [1.0, 0.0])")
    n = length("the vector v", v)

    @enable_grad()
    def function(*xs: float) -> list[float]:
        if len(xs) != n:
            raise ValueError(f"the vector has {n} numbers, the function {len(xs)} arguments; hvp needs as many of each")
        leaves = [Value(x) for x in xs]
        slopes = grad(_scalar(f(*leaves)), leaves, create_graph=True)
        return grad(apply(OPS["dot"], *slopes, *v), leaves)

    return function


def _scalar(y: object, must: str = "") -> Value:
    """What f returned, as a node; a plain number means that f does not depend on its arguments."""
    if isinstance(y, Value):
        return y
    try:
        return constant(y)  # type: ignore[arg-type]
    except TypeError:
        way_out = "" if must else "; for several: jacobian"
        raise TypeError(f"{must or 'the function must return'} one number, not {type(y).__name__}{way_out}") from None
