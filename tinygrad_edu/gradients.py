"""Gradients as values: the generic sweep, and the derivatives of functions that are built on it.

`grad` walks a graph back as `Value.backward` does, but on any kind of number that the rules know: on floats it returns
the gradients and writes nothing down, on Values it records what it computes, so that a gradient is a graph and can be
differentiated again. The rest are functions of functions: each takes a function f(x₁, …, xₙ) of n scalars and returns
another one, which works under `no_grad()` too. The rules are left to `ops.py`, the graph to `engine.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, TypeVar, overload

from . import engine
from ._validate import length, require_function
from .engine import Value, apply, constant
from .errors import ARITHMETIC_ERRORS, described, located, refuse_nan
from .functional import call
from .graph import topological_order
from .modes import Mode, enable_grad, open_modes, opened, records
from .ops import CONSTANT, DETACH
from .rules import FLOATS, OPS, Closure, Mathematics, Number

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
    for mode in open_modes():
        mode.gradients(y, targets, "graph" if create_graph else "numbers")
    gradients: list[Any]
    if create_graph:
        gradients = [g if isinstance(g, Value) else constant(g) for g in sweep(y, targets, RECORDING, lambda v: v)]
    else:
        gradients = [float(g) for g in sweep(y, targets, FLOATS, lambda v: v.data)]
    return gradients[0] if isinstance(xs, Value) else gradients


def sweep(y: Value, targets: Sequence[Value], m: Mathematics, read: Callable[[Value], Number]) -> list[Number]:
    """The gradients of y in the targets, computed with `m` on the numbers that `read` takes from the nodes."""
    gradients: dict[Value, Number] = {}
    for _ in steps(y, targets, m, read, gradients):
        pass
    return [gradients.get(x, 0.0) for x in targets]


def steps(
    y: Value,
    targets: Sequence[Value],
    m: Mathematics,
    read: Callable[[Value], Number],
    gradients: dict[Value, Number],
) -> Iterator[Value]:
    """Goes back through one node after the other, giving each before it does, and puts gradients into the dict."""
    order = topological_order(y)
    between = {x for x in targets if x._rule is not CONSTANT}  # and the nodes that depend on them; no other is visited
    for v in order:
        if v._rule is not DETACH and not between.isdisjoint(v._prev):
            between.add(v)
    if y in between:
        gradients[y] = 1.0
    for v in reversed(order):
        rule, inputs = v._rule, v._prev
        if v not in gradients or between.isdisjoint(inputs):
            continue
        yield v
        if isinstance(rule, Closure) and m is FLOATS:
            terms: Sequence[Number] = _by_closure(v, rule, float(gradients[v]))
        else:
            wanted = [x in between for x in inputs]
            try:
                slopes = rule.derivatives(m, read(v), *map(read, inputs), wanted=wanted)
            except ARITHMETIC_ERRORS as error:
                raise located(error, f"the derivative of {rule}", inputs) from error
            terms = [
                _times(gradients[v], slope) if asked else None for asked, slope in zip(wanted, slopes, strict=True)
            ]
        for x, term in zip(inputs, terms):
            if x in between:
                gradients[x] = total = gradients[x] + term if x in gradients else term
                if total.__class__ is float and total != total:  # a Value has been looked at when it was made
                    refuse_nan(f"the gradient through {rule}", rule, inputs, gradients[v])


def _by_closure(v: Value, rule: Closure, gradient: float) -> list[float]:
    """What the closure of such a node adds to `grad` of its inputs; all gradients are then as they were."""
    nodes = [v, *dict.fromkeys(v._prev)]
    with engine.backward_lock:
        restore = engine.setting(nodes, [x.grad for x in nodes])
        try:
            for x in nodes:
                x.grad = 0.0
            v.grad = gradient
            rule.backward()
            terms = {x: x.grad for x in nodes[1:]}
        finally:
            restore()
    return [terms.pop(x, 0.0) for x in v._prev]  # of an input that stands there twice, the first has it all


def _times(g: Number, slope: Number) -> Number:
    """g · slope; a factor that is the literal 1 makes no node."""
    if slope.__class__ is float and slope == 1.0:
        return g
    return slope if g.__class__ is float and g == 1.0 else g * slope


# ---- functions of functions ------------------------------------------------------------------------------------------
class _Arguments(Mode):
    """What a function is called with while it is differentiated.

    Another one may be differentiated inside it, or it inside another one or a trace. What is computed with the results
    is then to be differentiated or traced too: they stay Values where they depend on something of those around.
    """

    records, follows = True, True

    def __init__(self, xs: Sequence[Value | float]) -> None:
        self.followers = [mode for mode in open_modes() if mode.follows]
        self.are_values = any(isinstance(x, Value) for x in xs)
        self.as_graph = self.are_values or bool(self.followers)  # whether gradients have to be Values
        with enable_grad():
            self.values = [self._argument(x) for x in xs]

    def _argument(self, x: Value | float) -> Value:
        """A leaf; of a Value a node that depends on it, and not itself: the function may use that besides."""
        if not isinstance(x, Value):
            return Value(x)
        return Value(x.data) if x._rule is CONSTANT else x * 1.0

    def depends(self, v: Value) -> bool:
        return not {*self.values}.isdisjoint(topological_order(v))

    def result(self, y: Value | float) -> Any:
        """A plain number, unless Values came in, or something around depends on it; under no_grad a constant."""
        if isinstance(y, Value) and not records():
            y = y.detach()
        if isinstance(y, Value) and not self.are_values and not any(mode.depends(y) for mode in self.followers):
            return y.item()
        return y


def value_and_grad(f: Callable[..., Value | float]) -> Callable[..., tuple[Any, list[Any]]]:
    """f's value with its n first derivatives: a function of n numbers that returns (f, [∂f/∂x₁, …, ∂f/∂xₙ]).

    At Values it returns Values, as do all functions of this kind.

    >>> value_and_grad(lambda x, y: x * y + x)(2.0, 3.0)
    (8.0, [4.0, 2.0])

    Raises `TypeError` when f is no function or does not return one number, and whatever f raises.
    """
    require_function("f", f, "value_and_grad(lambda x, y: x * y)")

    def function(*xs: Value | float) -> tuple[Any, list[Any]]:
        at = _Arguments(xs)
        with opened(at):
            y = _scalar(f(*at.values))
            slopes = _gradients(y, at)
        return at.result(y), [at.result(slope) for slope in slopes]

    return function


def derivative(f: Callable[[Value], Value | float], n: int = 1) -> Callable[[S], S]:
    """The n-th derivative of a function of one number, dⁿf/dxⁿ; at a Value it returns a Value.

    >>> derivative(lambda x: x**4, n=3)(2.0)
    48.0

    Inside a function that is differentiated itself, it returns a Value where the result depends on the arguments of
    that one: so derivatives can be nested.

    >>> derivative(lambda x: x * derivative(lambda y: x * y)(2.0))(1.0)  # d/dx of x · x
    2.0

    What a thread of a pool computes is not inside, unless it is run in a copy of the context (`contextvars`).

    Raises `ValueError` unless n is an int ≥ 0, `TypeError` when f is no function or does not return one number.
    """
    require_function("f", f, "derivative(lambda x: x**2)")
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"the order of a derivative is an int of 0 or more, not {n!r}")

    def function(x: S) -> S:
        at = _Arguments([x])
        with opened(at):
            y = _scalar(f(*at.values))
            for _ in range(n):
                y = grad(y, at.values[0], create_graph=True)
        result: S = at.result(y)
        return result

    return function


def jacobian(f: Callable[..., Sequence[Value | float]]) -> Callable[..., list[list[Any]]]:
    """All first derivatives of a function of n numbers that returns m: m rows of n, row i being ∂fᵢ/∂x.

    >>> jacobian(lambda x, y: [x * y, x + y])(2.0, 3.0)
    [[3.0, 2.0], [1.0, 1.0]]

    Raises `TypeError` when f is no function or does not return a sequence of numbers.
    """
    require_function("f", f, "jacobian(lambda x, y: [x * y, x + y])")

    def function(*xs: Value | float) -> list[list[Any]]:
        at = _Arguments(xs)
        with opened(at):
            ys = f(*at.values)
            if not isinstance(ys, Iterable):
                raise TypeError(
                    f"jacobian takes a function that returns a sequence of numbers, not {type(ys).__name__}; "
                    "for one number: value_and_grad"
                )
            rows = [_gradients(_scalar(y, "each result of the function must be"), at) for y in ys]
        return [[at.result(slope) for slope in row] for row in rows]

    return function


def hessian(f: Callable[..., Value | float]) -> Callable[..., list[list[Any]]]:
    """All second derivatives of a function of n numbers: n rows of n, entry (i, j) being ∂²f/∂xᵢ∂xⱼ.

    >>> hessian(lambda x, y: x**2 * y)(2.0, 3.0)
    [[6.0, 4.0], [4.0, 0.0]]

    Raises `TypeError` when f is no function or does not return one number.
    """
    require_function("f", f, "hessian(lambda x, y: x**2 * y)")

    def function(*xs: Value | float) -> list[list[Any]]:
        at = _Arguments(xs)
        with opened(at):
            slopes = grad(_scalar(f(*at.values)), at.values, create_graph=True)
            rows = [_gradients(slope, at) for slope in slopes]
        return [[at.result(second) for second in row] for row in rows]

    return function


def hvp(f: Callable[..., Value | float], v: Sequence[Value | float]) -> Callable[..., list[Any]]:
    """The Hessian times a vector of n numbers, Σⱼ ∂²f/∂xᵢ∂xⱼ · vⱼ, without the n² entries of the Hessian.

    >>> hvp(lambda x, y: x**2 * y, [1.0, 0.0])(2.0, 3.0)
    [6.0, 4.0]

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, 1994. Raises `ValueError` when v and the arguments
    are not of one length, `TypeError` when v is no sequence, f no function, or its result not one number.
    """
    require_function("f", f, "hvp(lambda x, y: x * y, [1.0, 0.0])")
    n = length("the vector v", v)

    def function(*xs: Value | float) -> list[Any]:
        if len(xs) != n:
            raise ValueError(f"the vector has {n} numbers, the function {len(xs)} arguments; hvp needs as many of each")
        at = _Arguments(xs)
        with opened(at):
            slopes = grad(_scalar(f(*at.values)), at.values, create_graph=True)
            products = _gradients(apply(OPS["dot"], *slopes, *v), at)
        return [at.result(product) for product in products]

    return function


def _gradients(y: Value, at: _Arguments) -> Sequence[Value | float]:
    return grad(y, at.values, create_graph=True) if at.as_graph else grad(y, at.values)


def _scalar(y: object, must: str = "") -> Value:
    """What f returned, as a node; a plain number means that f does not depend on its arguments."""
    if isinstance(y, Value):
        return y
    try:
        return constant(y)  # type: ignore[arg-type]
    except TypeError:
        way_out = "" if must else "; for several: jacobian"
        raise TypeError(f"{must or 'the function must return'} one number, not {type(y).__name__}{way_out}") from None
