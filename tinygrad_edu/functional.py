"""The functions of the table, for Values and for plain numbers, and `define_op` for operations of your own.

Each function of Values makes one node, `softmax`, `log_softmax`, `mean` and `prod` a few, `take` none; a call with
plain numbers only returns a plain float, so that the same code can be run with and without gradients. None overflows
where the true value can be represented. A number outside a function's domain is a `ValueError`, a division by zero a
`ZeroDivisionError`, an overflow an `OverflowError`, a nan born of other numbers a `FloatingPointError`; each names the
function, the number and the node. What the functions compute is left to `ops.py`, derivatives to `gradients.py`.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce, wraps
from itertools import accumulate
from keyword import iskeyword
from operator import itemgetter, mul
from sys import float_info
from typing import Any, SupportsIndex, TypeVar

from ._validate import is_number, length, require_function, to_float
from .engine import Value, apply, constant
from .errors import described
from .ops import LEAF, TAKE
from .rules import FAMILIES, FLOATS, OPS, Op, Rule, Rules, define

S = TypeVar("S", Value, float)  # Values in, a Value out; plain numbers in, a plain float out
T = TypeVar("T")
BUILT_IN = frozenset(OPS) | frozenset(FAMILIES)
OTHER_NAMES = {"largest": "maximum", "smallest": "minimum"}  # of the functions that make these operations


def call(op: Op, *xs: Value | float) -> Any:
    """The node that an operation makes of Values, plain numbers among them being constants; of plain ones, a float."""
    y = apply(op, *xs)
    return y if any(isinstance(x, Value) for x in xs) else y.data


def _of_one(name: str, x: S, *parameters: float) -> S:
    y: Value = getattr(x if isinstance(x, Value) else constant(x), name)(*parameters)
    return y if isinstance(x, Value) else y.data


def exp(x: S) -> S:
    """e to the power x: eˣ. Raises `OverflowError` above about 709.78.

    >>> exp(0.0)
    1.0
    """
    return _of_one("exp", x)


def exp2(x: S) -> S:
    """2 to the power x: 2ˣ. Raises `OverflowError` from 1024 on.

    >>> exp2(10.0)
    1024.0
    """
    return _of_one("exp2", x)


def expm1(x: S) -> S:
    """eˣ − 1, accurate for x near 0. Raises `OverflowError` above about 709.78.

    >>> expm1(1e-20)
    1e-20
    """
    return _of_one("expm1", x)


def log(x: S) -> S:
    """The natural logarithm of x. Raises `ValueError` unless x > 0.

    >>> log(Value(1.0))
    Value(data=0.0, grad=0.0)
    """
    return _of_one("log", x)


def log2(x: S) -> S:
    """The logarithm of x to the base 2, exact for powers of 2. Raises `ValueError` unless x > 0.

    >>> log2(8.0)
    3.0
    """
    return _of_one("log2", x)


def log10(x: S) -> S:
    """The logarithm of x to the base 10, exact for powers of 10. Raises `ValueError` unless x > 0.

    >>> log10(1000.0)
    3.0
    """
    return _of_one("log10", x)


def log1p(x: S) -> S:
    """log(1 + x), accurate for x near 0. Raises `ValueError` unless x > −1.

    >>> log1p(1e-20)
    1e-20
    """
    return _of_one("log1p", x)


def sqrt(x: S) -> S:
    """√x. Raises `ValueError` for x < 0; its derivative at 0 is infinite, `ZeroDivisionError` in `backward()`.

    >>> sqrt(9.0)
    3.0
    """
    return _of_one("sqrt", x)


def sin(x: S) -> S:
    """The sine of x, in radians.

    >>> sin(0.0)
    0.0
    """
    return _of_one("sin", x)


def cos(x: S) -> S:
    """The cosine of x, in radians.

    >>> cos(0.0)
    1.0
    """
    return _of_one("cos", x)


def tan(x: S) -> S:
    """The tangent of x, in radians.

    >>> tan(0.0)
    0.0
    """
    return _of_one("tan", x)


def asin(x: S) -> S:
    """The angle in [−π/2, π/2] whose sine is x. Raises `ValueError` outside [−1, 1]; infinite slope at both ends.

    >>> asin(0.0)
    0.0
    """
    return _of_one("asin", x)


def acos(x: S) -> S:
    """The angle in [0, π] whose cosine is x. Raises `ValueError` outside [−1, 1]; infinite slope at both ends.

    >>> acos(1.0)
    0.0
    """
    return _of_one("acos", x)


def atan(x: S) -> S:
    """The angle in (−π/2, π/2) whose tangent is x.

    >>> atan(0.0)
    0.0
    """
    return _of_one("atan", x)


def sinh(x: S) -> S:
    """(eˣ − e⁻ˣ) / 2. Raises `OverflowError` beyond about ±710.47.

    >>> sinh(0.0)
    0.0
    """
    return _of_one("sinh", x)


def cosh(x: S) -> S:
    """(eˣ + e⁻ˣ) / 2. Raises `OverflowError` beyond about ±710.47.

    >>> cosh(0.0)
    1.0
    """
    return _of_one("cosh", x)


def tanh(x: S) -> S:
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).

    >>> tanh(0.0)
    0.0
    """
    return _of_one("tanh", x)


def asinh(x: S) -> S:
    """The number whose sinh is x: log(x + √(x² + 1)), without its overflow.

    >>> asinh(0.0)
    0.0
    """
    return _of_one("asinh", x)


def acosh(x: S) -> S:
    """The number ≥ 0 whose cosh is x. Raises `ValueError` for x < 1; infinite slope at 1.

    >>> acosh(1.0)
    0.0
    """
    return _of_one("acosh", x)


def atanh(x: S) -> S:
    """The number whose tanh is x: ½·log((1 + x) / (1 − x)). Raises `ValueError` unless −1 < x < 1.

    >>> atanh(0.0)
    0.0
    """
    return _of_one("atanh", x)


def sigmoid(x: S) -> S:
    """σ(x) = 1 / (1 + e⁻ˣ).

    >>> sigmoid(0.0)
    0.5
    """
    return _of_one("sigmoid", x)


def softplus(x: S) -> S:
    """log(1 + eˣ), a smooth relu.

    >>> softplus(1000.0)
    1000.0
    """
    return _of_one("softplus", x)


def relu(x: S) -> S:
    """max(x, 0), with slope 0 at 0.

    >>> relu(Value(-2.0))
    Value(data=0.0, grad=0.0)
    """
    return _of_one("relu", x)


def gelu(x: S) -> S:
    """x · Φ(x), Φ being the normal distribution function: the exact form, PyTorch's default.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.

    >>> gelu(0.0)
    0.0
    """
    return _of_one("gelu", x)


def silu(x: S) -> S:
    """x · σ(x), also called swish.

    Source: Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units, 2017.

    >>> silu(0.0)
    0.0
    """
    return _of_one("silu", x)


def erfc(x: S) -> S:
    """The complementary error function, 2/√π · ∫ₓ^∞ e^(−t²) dt.

    >>> erfc(0.0)
    1.0
    """
    return _of_one("erfc", x)


def abs(x: S) -> S:
    """|x|, with slope 0 at 0.

    >>> abs(Value(-2.0))
    Value(data=2.0, grad=0.0)
    """
    return _of_one("abs", x)


def step(x: S) -> S:
    """1 for x > 0, else 0. Its slope is 0 everywhere, also at 0.

    >>> step(3.0)
    1.0
    """
    return _of_one("step", x)


def sign(x: S) -> S:
    """1, 0 or −1. Its slope is 0 everywhere, also at 0.

    >>> sign(-3.0)
    -1.0
    """
    return _of_one("sign", x)


def leaky_relu(x: S, negative_slope: float = 0.01) -> S:
    """x for x > 0, else negative_slope · x; at 0 the slope is negative_slope.

    >>> leaky_relu(-2.0, negative_slope=0.1)
    -0.2
    """
    return _of_one("leaky_relu", x, negative_slope)


def elu(x: S, alpha: float = 1.0) -> S:
    """x for x > 0, else alpha · (eˣ − 1); at 0 the slope is alpha.

    Source: Clevert, Unterthiner and Hochreiter, Exponential Linear Units, 2015.

    >>> elu(3.0)
    3.0
    """
    return _of_one("elu", x, alpha)


def clamp(x: S, low: float, high: float) -> S:
    """The number in [low, high] nearest to x: slope 1 inside and at both ends, 0 outside.

    Raises `ValueError` if low > high.

    >>> clamp(3.0, low=-1.0, high=1.0)
    1.0
    """
    return _of_one("clamp", x, low, high)


def maximum(*xs: Value | float) -> Any:
    """The largest of the numbers, as one node; at a tie each of two gets half of the gradient, of three a third.

    Raises `TypeError` for a list, as `maximum(*xs)` takes its numbers, and for no numbers.

    >>> a, b = Value(2.0), Value(2.0)
    >>> maximum(a, b).backward()
    >>> a.grad, b.grad
    (0.5, 0.5)
    """
    if len(xs) < 2:
        _require_some("maximum", xs)
    return call(OPS["maximum" if len(xs) == 2 else "largest"], *xs)


def minimum(*xs: Value | float) -> Any:
    """The smallest of the numbers, as one node; at a tie each of two gets half of the gradient, of three a third.

    Raises `TypeError` for a list, as `minimum(*xs)` takes its numbers, and for no numbers.

    >>> minimum(2.0, 3.0, 1.0)
    1.0
    """
    if len(xs) < 2:
        _require_some("minimum", xs)
    return call(OPS["minimum" if len(xs) == 2 else "smallest"], *xs)


def _require_some(name: str, xs: Sequence[Value | float]) -> None:
    if not xs or not (isinstance(xs[0], Value) or is_number(xs[0])):
        given = described(xs[0]) if xs else "none"
        raise TypeError(f"{name} takes one number or more, as in {name}(a, b), not {given}; of a list: {name}(*xs)")


def where(c: Value | float, a: Value | float, b: Value | float) -> Any:
    """a where c is not 0, else b: a choice that is made anew for each c. c gets the gradient 0; a nan is not 0.

    Both a and b are computed, and have to be defined. A comparison of Values gives a bool, which is a number too; what
    is to be recorded or compiled says `step(x - y)` in place of `x > y`.

    >>> x = Value(-3.0)
    >>> where(step(x), x, 0.1 * x).data
    -0.30000000000000004
    """
    return call(OPS["where"], c, a, b)


def take(table: Sequence[Any], i: SupportsIndex) -> Any:
    """table[i], i being an int: a number of a list, or a row of a list of rows, as an embedding takes it.

    It is chosen at once and makes no node: gradients go to what is chosen. Where i is an argument of a function that is
    compiled, it is chosen anew at each call, if all rows are of one shape; `table[i]` is fixed when that is recorded.
    Raises `TypeError` for what is no list or for an index that is no int, as a Value or a float, `IndexError` for one
    out of range.

    >>> rows = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
    >>> take(rows, 1)
    [Value(data=3.0, grad=0.0), Value(data=4.0, grad=0.0)]
    >>> take([0.5, 0.25], -1)
    0.25
    """
    n = length("the table of take", table)
    if not hasattr(i, "__index__"):
        raise TypeError(f"take needs an int as its index, as in take(table, 2), not {described(i)}")
    if isinstance(i, Value) and i._rule is LEAF and n and _is_regular(table):
        return _chosen(table, i)  # later: by an argument of a function that is compiled
    place = i.__index__()
    if not -n <= place < n:
        raise IndexError(
            f"take has no index {place} in a table of {n}" + (f": it goes from {-n} to {n - 1}" if n else "")
        )
    item = table[place]
    is_row = hasattr(item, "__len__") and not isinstance(item, str)
    return item if is_row or isinstance(item, Value) else to_float(item)


def _is_regular(table: Sequence[Any]) -> bool:
    """Whether it is a list of numbers, or of lists or tuples of one shape."""
    if all(isinstance(item, Value) or is_number(item) for item in table):
        return True
    kinds = {(type(row), len(row)) if type(row) in (list, tuple) else None for row in table}
    return len(kinds) == 1 and None not in kinds and all(map(_is_regular, zip(*table)))


def _chosen(table: Sequence[Any], i: Value) -> Any:
    row = table[0]
    if type(row) in (list, tuple):
        return type(row)([_chosen(column, i) for column in zip(*table)])
    return call(TAKE, *table, i)


def dot(xs: Iterable[Value | float], ys: Iterable[Value | float]) -> Any:
    """Σ xᵢ·yᵢ as one node, for two sequences of n; 0 for n = 0. Raises `ValueError` if their lengths differ.

    >>> w = [Value(1.0), Value(-2.0)]
    >>> dot(w, [3.0, 4.0])
    Value(data=-5.0, grad=0.0)
    """
    xs, ys = _listed(xs, "dot"), _listed(ys, "dot")
    if len(xs) != len(ys):
        raise ValueError(f"dot needs two sequences of one length, not {len(xs)} and {len(ys)} numbers")
    y = call(OPS["dot"], *xs, *ys)
    if overflows(y):
        pairs = _in_balance([*zip(xs, ys)], [_number(a) * _number(b) for a, b in zip(xs, ys)])
        y = call(OPS["dot"], *[a for a, _ in pairs], *[b for _, b in pairs])
    return y


def total(xs: Iterable[Value | float]) -> Any:
    """Σ xᵢ as one node, where `sum` makes a node for every +; 0 for no numbers.

    >>> total([Value(1.0), Value(2.0), 3.0])
    Value(data=6.0, grad=0.0)
    """
    numbers = _listed(xs, "total")
    y = call(OPS["total"], *numbers)
    return call(OPS["total"], *_in_balance(numbers, map(_number, numbers))) if overflows(y) else y


def mean(xs: Iterable[Value | float]) -> Any:
    """Σ xᵢ / n. Raises `ValueError` for no numbers.

    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    numbers: Sequence[Any] = _some(xs, "mean")
    n = len(numbers)
    y = total(numbers) / n
    if overflows(y):  # a power of two changes no digit
        scale = 0.5 ** n.bit_length()
        y = total([x * scale for x in numbers]) / (n * scale)
    return y


def prod(xs: Iterable[Value | float]) -> Any:
    """Π xᵢ, by a chain of multiplications, so that zeros among the numbers do no harm; 1 for no numbers.

    They are multiplied in the order given, and in another one where a product on the way would be out of range.

    >>> x = Value(0.0)
    >>> prod([x, 2.0, 3.0]).backward()
    >>> x.grad
    6.0
    """
    numbers = _numbers(xs, "prod")
    sizes = _sizes(numbers)
    products = [*accumulate(sizes, mul)]
    if any(p > float_info.max or (p < float_info.min and 0.0 not in sizes) for p in products):
        numbers = _in_balance(numbers, [math.log(x) if x else -math.inf for x in sizes])
    return reduce(partial(call, OPS["mul"]), numbers) if numbers else 1.0


def overflows(y: Value | float) -> bool:
    """Whether a result is infinite. A result that is traced, of a class of its own, has no number yet."""
    return math.isinf(y.data if y.__class__ is Value else y) if y.__class__ in (Value, float) else False


def logsumexp(xs: Iterable[Value | float]) -> Any:
    """log Σ eˣⁱ as one node, a smooth maximum. Raises `ValueError` for no numbers.

    >>> logsumexp([1000.0, 0.0])
    1000.0
    """
    return call(OPS["logsumexp"], *_some(xs, "logsumexp"))


def softmax(xs: Iterable[Value | float]) -> list[Any]:
    """eˣⁱ / Σ eˣʲ: n numbers from 0 to 1 that sum to 1. Raises `ValueError` for no numbers.

    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    return [exp(x) for x in log_softmax(_some(xs, "softmax"))]


def log_softmax(xs: Iterable[Value | float]) -> list[Any]:
    """xᵢ − log Σ eˣʲ, the logarithms of `softmax`. Raises `ValueError` for no numbers.

    >>> log_softmax([1000.0, 0.0])
    [0.0, -1000.0]
    """
    numbers: Sequence[Any] = _some(xs, "log_softmax")
    for _ in range(2):  # again, for the digits that large numbers lose to the summand that they have in common
        whole = logsumexp(numbers)
        numbers = [x - whole for x in numbers]
    return list(numbers)


def _number(x: Value | float) -> float:
    return x.data if isinstance(x, Value) else to_float(x)


def _sizes(xs: Sequence[Value | float]) -> list[float]:
    """|x| of each; none while a function is traced, as its Values have no numbers then."""
    try:
        return [math.fabs(_number(x)) for x in xs]
    except TypeError:
        return []


def _in_balance(items: Sequence[T], sizes: Iterable[float]) -> list[T]:
    """The items in an order in which the sum of their sizes stays near 0, so that it leaves the range of floats only if
    all together do: a positive one after what is negative so far, and the other way round."""
    waiting = deque(sorted(zip(sizes, items), key=itemgetter(0)))
    chosen, so_far = list[T](), 0.0
    while waiting:
        size, item = waiting.popleft() if so_far > 0 else waiting.pop()
        chosen.append(item)
        so_far += size
    return chosen


def _some(xs: Iterable[Value | float], name: str) -> Sequence[Value | float]:
    numbers = _numbers(xs, name)
    if not numbers:
        raise ValueError(f"{name} needs at least one number")
    return numbers


def _numbers(xs: Iterable[Value | float], name: str) -> list[Value | float]:
    return [x if isinstance(x, Value) else to_float(x) for x in _listed(xs, name)]


def _listed(xs: Iterable[Value | float], name: str) -> list[Value | float]:
    if not isinstance(xs, Iterable) or isinstance(xs, Mapping):
        example = "dot([a, b], [c, d])" if name == "dot" else f"{name}([a, b])"
        raise TypeError(f"{name} takes a list of numbers, as in {example}, not {described(xs)}")
    return list(xs)


def define_op(name: str, value: Rule, derivatives: Rules, symbol: str | None = None) -> Callable[..., Any]:
    """Enters an operation of your own in the rule table and returns it as a function.

    `value(m, *xs)` computes y; `derivatives(m, y, *xs)` returns a tuple with ∂y/∂x for each input. Both may use
    `+ - * / **` and the functions of `m` (`m.exp`, `m.sin`, `m.relu`, operations of your own, …), never those of `math`
    and no `if` on the numbers: then the operation can be differentiated any number of times, drawn and checked like
    those of the table. `symbol` is what drawings show, by default the name. To define a name of yours anew replaces it.

    Raises `ValueError` for a name that is taken by the table or is not an identifier, `TypeError` for rules that are no
    functions; the function raises `TypeError` when the value is not a number, or the derivatives are not a tuple with
    one for each input.

    >>> cube = define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    >>> x = Value(2.0)
    >>> y = cube(x)
    >>> y.backward()
    >>> y.data, x.grad, cube(3.0)
    (8.0, 12.0, 27.0)
    """
    if not isinstance(name, str) or name in BUILT_IN or not name.isidentifier() or iskeyword(name):
        raise ValueError(f"an operation cannot be called {name!r}: " + _why_not(name))
    require_function(f"the value of {name!r}", value, "lambda m, x: x * x")
    require_function(f"the derivatives of {name!r}", derivatives, "lambda m, y, x: (2.0 * x,)")

    @wraps(value)
    def checked_value(m: Any, *xs: Any) -> Any:
        y = value(m, *xs)
        return to_float(y, f"the value of {name!r}") if m is FLOATS else y

    @wraps(derivatives)
    def checked(m: Any, y: Any, *xs: Any) -> Sequence[Any]:
        slopes = derivatives(m, y, *xs)
        if not isinstance(slopes, (tuple, list)) or len(slopes) != len(xs):
            raise TypeError(
                f"the derivatives of {name!r} must be a tuple of {len(xs)}, one for each input, not {slopes!r}"
            )
        return [to_float(slope, f"a derivative of {name!r}") for slope in slopes] if m is FLOATS else slopes

    op = define(name, name if symbol is None else symbol, checked_value, every=checked)

    def function(*xs: Value | float) -> Any:
        return call(op, *xs)

    function.__name__ = function.__qualname__ = name
    function.op = op  # type: ignore[attr-defined]  # so that others can tell what it computes
    return function


def _why_not(name: object) -> str:
    return "the table has that already" if name in [*BUILT_IN] else "take a name that could be a function's"
