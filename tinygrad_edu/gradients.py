"""Gradients as results: the generic sweep, and the derivatives of functions that are built on it.

`grad` walks a graph back as `Value.backward` does, but with any number system. With floats it returns the gradients as
numbers. With Values each gradient is a graph itself, and can be differentiated again. The other functions take a
function f(x₁, …, xₙ) of n numbers and return its derivatives as a function, which works under `no_grad()`, too. The
rules are left to `ops.py`, the graph to `engine.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, overload

from . import engine
from ._validate import length, require_function
from .engine import Value, apply, make_constant
from .errors import ARITHMETIC_ERRORS, api_boundary, cause_of, describe, refuse_nan, with_location
from .functional import S, call_op
from .graph import topological_order
from .modes import Mode, enable_grad, enter_mode, is_recording, open_modes
from .ops import CONSTANT, DETACH
from .rules import FLOATS, OPS, Closure, Number, NumberSystem


class Values(NumberSystem):
    """The number system of Values: each function makes a node, unless all its arguments are plain numbers."""

    @staticmethod
    def pow(a: Number, b: Number) -> Number:
        """The power aᵇ."""
        return a**b if isinstance(a, Value) or isinstance(b, Value) else FLOATS.pow(a, b)

    def __getattr__(self, name: str) -> Callable[..., Number]:
        if name not in OPS:
            raise AttributeError(f"no operation is called {name!r}")
        return partial(call_op, OPS[name])


VALUES = Values()


@overload
def grad(y: Value, xs: Value, create_graph: Literal[False] = False) -> float: ...
@overload
def grad(y: Value, xs: Sequence[Value], create_graph: Literal[False] = False) -> list[float]: ...
@overload
def grad(y: Value, xs: Value, create_graph: Literal[True]) -> Value: ...
@overload
def grad(y: Value, xs: Sequence[Value], create_graph: Literal[True]) -> list[Value]: ...
@api_boundary
def grad(y: Value, xs: Value | Sequence[Value], create_graph: bool = False) -> Any:
    """Computes the gradients ∂y/∂x of one Value in others, and changes no `.grad`.

    Args:
        y: The Value to differentiate.
        xs: One Value, or a sequence of n Values.
        create_graph: True gives gradients as Values, which can be differentiated again, to any order.

    Returns:
        ∂y/∂x for one Value, a list of n gradients for a sequence; 0 where y does not depend on x.

    Raises:
        TypeError: An argument is no Value.
        ZeroDivisionError: A derivative is infinite.
        OverflowError: A derivative is too large for a float.
        ValueError: A derivative is not defined.
        FloatingPointError: A gradient would be nan.

    Example:
        >>> x = Value(2.0)
        >>> slope = grad(x**3, x, create_graph=True)
        >>> slope.data, grad(slope, x)
        (12.0, 12.0)
    """
    targets = list(xs) if isinstance(xs, Iterable) else [xs]
    for v in (y, *targets):
        if not isinstance(v, Value):
            raise TypeError(
                f"grad(y, xs) takes a Value y and a Value or several as xs, not {describe(v)}"
                + ("; of a function: derivative(f), value_and_grad(f)" if callable(v) else "")
            )
    for mode in open_modes():
        mode.on_gradients(y, targets, "graph" if create_graph else "numbers")
    gradients: list[Any]
    if create_graph:
        gradients = [g if isinstance(g, Value) else make_constant(g) for g in sweep(y, targets, VALUES, lambda v: v)]
    else:
        gradients = [float(g) for g in sweep(y, targets, FLOATS, lambda v: v.data)]
    return gradients[0] if isinstance(xs, Value) else gradients


def sweep(y: Value, targets: Sequence[Value], m: NumberSystem, read: Callable[[Value], Number]) -> list[Number]:
    """The gradients of y in the targets, computed in the number system m; `read` gives the number of a node."""
    gradients: dict[Value, Number] = {}
    for _ in sweep_by_node(y, targets, m, read, gradients):
        pass
    return [gradients.get(x, 0.0) for x in targets]


def sweep_by_node(
    y: Value,
    targets: Sequence[Value],
    m: NumberSystem,
    read: Callable[[Value], Number],
    gradients: dict[Value, Number],
) -> Iterator[Value]:
    """Sweeps one node at a time: yields each node before its rule is applied, and fills the dict of gradients."""
    order = topological_order(y)
    between = {x for x in targets if x._rule is not CONSTANT}  # the targets, and all nodes that depend on them
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
            terms: Sequence[Number] = _call_closure(v, rule, float(gradients[v]))
        else:
            wanted = [x in between for x in inputs]
            try:
                slopes = rule.derivatives(m, read(v), *map(read, inputs), wanted=wanted)
            except ARITHMETIC_ERRORS as error:
                raise with_location(error, f"the derivative of {rule}", inputs) from cause_of(error)
            terms = [
                _multiply(gradients[v], slope) if asked else None for asked, slope in zip(wanted, slopes, strict=True)
            ]
        for x, term in zip(inputs, terms):
            if x in between:
                gradients[x] = total = gradients[x] + term if x in gradients else term
                if total.__class__ is float and total != total:  # a Value was checked when it was made
                    refuse_nan(f"the gradient through {rule}", rule, inputs, gradients[v])


def _call_closure(v: Value, rule: Closure, gradient: float) -> list[float]:
    """What the closure of a node adds to the `grad` of each input; all `grad` are restored afterwards."""
    nodes = [v, *dict.fromkeys(v._prev)]
    with engine.backward_lock:
        restore = engine.gradient_setter(nodes, [x.grad for x in nodes])
        try:
            for x in nodes:
                x.grad = 0.0
            v.grad = gradient
            rule.backward()
            terms = {x: x.grad for x in nodes[1:]}
        finally:
            restore()
    return [terms.pop(x, 0.0) for x in v._prev]  # an input that is there twice gets everything at its first place


def _multiply(g: Number, slope: Number) -> Number:
    """The product; a factor of exactly 1 makes no node."""
    if slope.__class__ is float and slope == 1.0:
        return g
    return slope if g.__class__ is float and g == 1.0 else g * slope


# ---- functions of functions ------------------------------------------------------------------------------------------
class _Arguments(Mode):
    """The arguments of a function while it is differentiated.

    This may happen inside another function that is differentiated or traced. Results that depend on the arguments of
    the outer function must then stay Values, as they will be differentiated or traced, too.
    """

    records = tracks = True

    def __init__(self, xs: Sequence[Value | float]) -> None:
        self.outer = [mode for mode in open_modes() if mode.tracks]
        self.are_values = any(isinstance(x, Value) for x in xs)
        self.as_graph = self.are_values or bool(self.outer)  # whether gradients must be Values
        with enable_grad():
            self.values = [self._argument(x) for x in xs]

    def _argument(self, x: Value | float) -> Value:
        """A leaf; for a Value a new node that depends on it, as the function may also use the Value itself."""
        if not isinstance(x, Value):
            return Value(x)
        return Value(x.data) if x._rule is CONSTANT else x * 1.0

    def is_tracked(self, v: Value) -> bool:
        return not {*self.values}.isdisjoint(topological_order(v))

    def result(self, y: Value | float) -> Any:
        """A plain number, or a Value if an argument is one or an outer mode tracks it; under no_grad a constant."""
        if isinstance(y, Value) and not is_recording():
            y = y.detach()
        if isinstance(y, Value) and not self.are_values and not any(mode.is_tracked(y) for mode in self.outer):
            return y.item()
        return y


@api_boundary
def value_and_grad(f: Callable[..., Value | float]) -> Callable[..., tuple[Any, list[Any]]]:
    """Makes a function that returns the value of f and its n first derivatives.

    Args:
        f: A function of n numbers that returns one number.

    Returns:
        A function of n numbers that returns (f, [∂f/∂x₁, …, ∂f/∂xₙ]): as Values if an argument is a Value, else as
        plain numbers. It raises `TypeError` if f does not return one number.

    Raises:
        TypeError: f is no function.

    Example:
        >>> value_and_grad(lambda x, y: x * y + x)(2.0, 3.0)
        (8.0, [4.0, 2.0])
    """
    require_function("f", f, "value_and_grad(lambda x, y: x * y)")

    @api_boundary
    def function(*xs: Value | float) -> tuple[Any, list[Any]]:
        arguments = _Arguments(xs)
        with enter_mode(arguments):
            y = _to_node(f(*arguments.values))
            slopes = _first_derivatives(y, arguments)
        return arguments.result(y), [arguments.result(slope) for slope in slopes]

    return function


@api_boundary
def derivative(f: Callable[[Value], Value | float], n: int = 1) -> Callable[[S], S]:
    """Makes the n-th derivative of a function of one number, dⁿf/dxⁿ.

    Derivatives can be nested: inside of a function that is differentiated, the result is a Value if it depends on the
    arguments of that function. Work in a thread of a pool is not inside, unless it runs in a copy of the context
    (`contextvars`).

    Args:
        f: A function of one number that returns one number.
        n: The order, 0 or more.

    Returns:
        A function of one number. It raises `TypeError` if f does not return one number.

    Raises:
        TypeError: f is no function.
        ValueError: n is no int of 0 or more.

    Example:
        >>> derivative(lambda x: x**4, n=3)(2.0)
        48.0
        >>> derivative(lambda x: x * derivative(lambda y: x * y)(2.0))(1.0)  # d/dx of x · x
        2.0
    """
    require_function("f", f, "derivative(lambda x: x**2)")
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"the order of a derivative is an int of 0 or more, not {n!r}")

    @api_boundary
    def function(x: S) -> S:
        arguments = _Arguments([x])
        with enter_mode(arguments):
            y = _to_node(f(*arguments.values))
            for _ in range(n):
                y = grad(y, arguments.values[0], create_graph=True)
        result: S = arguments.result(y)
        return result

    return function


@api_boundary
def jacobian(f: Callable[..., Sequence[Value | float]]) -> Callable[..., list[list[Any]]]:
    """Makes the matrix of all first derivatives of a function of n numbers that returns m numbers.

    Args:
        f: A function of n numbers that returns a sequence of m numbers.

    Returns:
        A function of n numbers that returns m rows of n: entry (i, j) is ∂fᵢ/∂xⱼ. It raises `TypeError` if f does not
        return a sequence of numbers.

    Raises:
        TypeError: f is no function.

    Example:
        >>> jacobian(lambda x, y: [x * y, x + y])(2.0, 3.0)
        [[3.0, 2.0], [1.0, 1.0]]
    """
    require_function("f", f, "jacobian(lambda x, y: [x * y, x + y])")

    @api_boundary
    def function(*xs: Value | float) -> list[list[Any]]:
        arguments = _Arguments(xs)
        with enter_mode(arguments):
            ys = f(*arguments.values)
            if not isinstance(ys, Iterable):
                raise TypeError(
                    f"jacobian takes a function that returns a sequence of numbers, not {type(ys).__name__}; "
                    "for one number: value_and_grad"
                )
            rows = [_first_derivatives(_to_node(y, "each result of the function must be"), arguments) for y in ys]
        return [[arguments.result(slope) for slope in row] for row in rows]

    return function


@api_boundary
def hessian(f: Callable[..., Value | float]) -> Callable[..., list[list[Any]]]:
    """Makes the matrix of all second derivatives of a function of n numbers.

    Args:
        f: A function of n numbers that returns one number.

    Returns:
        A function of n numbers that returns n rows of n: entry (i, j) is ∂²f/∂xᵢ∂xⱼ. It raises `TypeError` if f does
        not return one number.

    Raises:
        TypeError: f is no function.

    Example:
        >>> hessian(lambda x, y: x**2 * y)(2.0, 3.0)
        [[6.0, 4.0], [4.0, 0.0]]
    """
    require_function("f", f, "hessian(lambda x, y: x**2 * y)")

    @api_boundary
    def function(*xs: Value | float) -> list[list[Any]]:
        arguments = _Arguments(xs)
        with enter_mode(arguments):
            slopes = grad(_to_node(f(*arguments.values)), arguments.values, create_graph=True)
            rows = [_first_derivatives(slope, arguments) for slope in slopes]
        return [[arguments.result(second) for second in row] for row in rows]

    return function


@api_boundary
def hvp(f: Callable[..., Value | float], v: Sequence[Value | float]) -> Callable[..., list[Any]]:
    """Makes the product of the Hessian and a vector, without computing the n² entries of the Hessian.

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, 1994.

    Args:
        f: A function of n numbers that returns one number.
        v: The vector, n numbers.

    Returns:
        A function of n numbers that returns the n numbers Σⱼ ∂²f/∂xᵢ∂xⱼ · vⱼ. It raises `TypeError` if f does not
        return one number, and `ValueError` if there are not as many arguments as numbers in v.

    Raises:
        TypeError: f is no function, or v is no sequence.

    Example:
        >>> hvp(lambda x, y: x**2 * y, [1.0, 0.0])(2.0, 3.0)
        [6.0, 4.0]
    """
    require_function("f", f, "hvp(lambda x, y: x * y, [1.0, 0.0])")
    n = length("the vector v", v)

    @api_boundary
    def function(*xs: Value | float) -> list[Any]:
        if len(xs) != n:
            raise ValueError(f"the vector has {n} numbers, the function {len(xs)} arguments; hvp needs as many of each")
        arguments = _Arguments(xs)
        with enter_mode(arguments):
            slopes = grad(_to_node(f(*arguments.values)), arguments.values, create_graph=True)
            products = _first_derivatives(apply(OPS["dot"], *slopes, *v), arguments)
        return [arguments.result(product) for product in products]

    return function


def _first_derivatives(y: Value, arguments: _Arguments) -> Sequence[Value | float]:
    return grad(y, arguments.values, create_graph=True) if arguments.as_graph else grad(y, arguments.values)


def _to_node(y: object, must: str = "") -> Value:
    """The result of f as a node; a plain number becomes a constant, which does not depend on the arguments."""
    if isinstance(y, Value):
        return y
    try:
        return make_constant(y)  # type: ignore[arg-type]
    except TypeError:
        way_out = "" if must else "; for several: jacobian"
        raise TypeError(f"{must or 'the function must return'} one number, not {type(y).__name__}{way_out}") from None
