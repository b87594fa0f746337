"""The functions of the table, for Values and for plain numbers, and `define_op` for operations of your own.

A call with plain numbers only returns a plain float, so that the same code runs with and without gradients. A function
of Values makes one node; `softmax`, `log_softmax`, `mean` and `prod` make a few, `take` makes none. No function
overflows where the true value is a float. The errors name the function, the number and the node: `ValueError` for a
number outside the domain, `ZeroDivisionError` for a division by zero, `OverflowError` for an overflow,
`FloatingPointError` for a nan that comes of other numbers. What the functions compute is left to `ops.py`, derivatives
to `gradients.py`.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce, wraps
from inspect import Parameter, signature
from itertools import accumulate
from keyword import iskeyword
from operator import itemgetter, mul
from sys import float_info
from typing import Any, Protocol, SupportsIndex, TypeVar, overload

from ._validate import is_number, length, require_function, to_float
from .engine import Value, apply, make_constant
from .errors import api_boundary, describe, hide_frames
from .ops import DOT, LEAF, LOGSUMEXP, MUL, TAKE, TOTAL
from .rules import FAMILIES, FLOATS, OPS, Op, Rule, Rules, define

S = TypeVar("S", Value, float, Value | float)  # a Value in, a Value out; a plain number in, a plain float out
T = TypeVar("T")
TABLE_NAMES = frozenset(OPS) | frozenset(FAMILIES)


class _Function(Protocol):
    """A function of the table, or one that `define_op` returns: with a Value among its inputs its result is a Value."""

    @overload
    def __call__(self, x: Value, /, *xs: Value | float) -> Value: ...
    @overload
    def __call__(self, *xs: float) -> float: ...
    @overload
    def __call__(self, *xs: Value | float) -> Value: ...


def call_op(op: Op, *xs: Value | float) -> Any:
    """Applies an operation to Values and plain numbers.

    Args:
        op: The operation.
        *xs: Its inputs, in order.

    Returns:
        A node if one of the inputs is a Value, else a plain float.
    """
    try:
        y = apply(op, *xs)
        return y if any(isinstance(x, Value) for x in xs) else y.data
    except Exception as error:
        hide_frames(error)
        raise


def _call_method(name: str, x: S, *parameters: float) -> S:
    try:
        y: Value = getattr(x if isinstance(x, Value) else make_constant(x), name)(*parameters)
        return y if isinstance(x, Value) else y.data
    except Exception as error:
        hide_frames(error)
        raise


def exp(x: S) -> S:
    """Computes e to the power x.

    Args:
        x: The exponent.

    Returns:
        eˣ.

    Raises:
        OverflowError: x is above about 709.78.

    Example:
        >>> exp(0.0)
        1.0
    """
    return _call_method("exp", x)


def exp2(x: S) -> S:
    """Computes 2 to the power x.

    Args:
        x: The exponent.

    Returns:
        2ˣ.

    Raises:
        OverflowError: x is 1024 or more.

    Example:
        >>> exp2(10.0)
        1024.0
    """
    return _call_method("exp2", x)


def expm1(x: S) -> S:
    """Computes eˣ − 1, accurate for x near 0.

    Args:
        x: The exponent.

    Returns:
        eˣ − 1.

    Raises:
        OverflowError: x is above about 709.78.

    Example:
        >>> expm1(1e-20)
        1e-20
    """
    return _call_method("expm1", x)


def log(x: S) -> S:
    """Computes the natural logarithm.

    Args:
        x: A number above 0.

    Returns:
        log x.

    Raises:
        ValueError: x is 0 or less.

    Example:
        >>> log(Value(1.0))
        Value(data=0.0, grad=0.0)
    """
    return _call_method("log", x)


def log2(x: S) -> S:
    """Computes the logarithm to the base 2, exact for powers of 2.

    Args:
        x: A number above 0.

    Returns:
        log₂ x.

    Raises:
        ValueError: x is 0 or less.

    Example:
        >>> log2(8.0)
        3.0
    """
    return _call_method("log2", x)


def log10(x: S) -> S:
    """Computes the logarithm to the base 10, exact for powers of 10.

    Args:
        x: A number above 0.

    Returns:
        log₁₀ x.

    Raises:
        ValueError: x is 0 or less.

    Example:
        >>> log10(1000.0)
        3.0
    """
    return _call_method("log10", x)


def log1p(x: S) -> S:
    """Computes log(1 + x), accurate for x near 0.

    Args:
        x: A number above −1.

    Returns:
        log(1 + x).

    Raises:
        ValueError: x is −1 or less.

    Example:
        >>> log1p(1e-20)
        1e-20
    """
    return _call_method("log1p", x)


def sqrt(x: S) -> S:
    """Computes the square root.

    The derivative at 0 is infinite: `backward()` raises `ZeroDivisionError` there.

    Args:
        x: A number of 0 or more.

    Returns:
        √x.

    Raises:
        ValueError: x is below 0.

    Example:
        >>> sqrt(9.0)
        3.0
    """
    return _call_method("sqrt", x)


def sin(x: S) -> S:
    """Computes the sine.

    Args:
        x: An angle in radians.

    Returns:
        sin x.

    Example:
        >>> sin(0.0)
        0.0
    """
    return _call_method("sin", x)


def cos(x: S) -> S:
    """Computes the cosine.

    Args:
        x: An angle in radians.

    Returns:
        cos x.

    Example:
        >>> cos(0.0)
        1.0
    """
    return _call_method("cos", x)


def tan(x: S) -> S:
    """Computes the tangent.

    Args:
        x: An angle in radians.

    Returns:
        tan x.

    Example:
        >>> tan(0.0)
        0.0
    """
    return _call_method("tan", x)


def asin(x: S) -> S:
    """Computes the inverse sine. Its derivative is infinite at −1 and 1.

    Args:
        x: A number in [−1, 1].

    Returns:
        The angle in [−π/2, π/2] whose sine is x.

    Raises:
        ValueError: x is outside [−1, 1].

    Example:
        >>> asin(0.0)
        0.0
    """
    return _call_method("asin", x)


def acos(x: S) -> S:
    """Computes the inverse cosine. Its derivative is infinite at −1 and 1.

    Args:
        x: A number in [−1, 1].

    Returns:
        The angle in [0, π] whose cosine is x.

    Raises:
        ValueError: x is outside [−1, 1].

    Example:
        >>> acos(1.0)
        0.0
    """
    return _call_method("acos", x)


def atan(x: S) -> S:
    """Computes the inverse tangent.

    Args:
        x: Any number.

    Returns:
        The angle in (−π/2, π/2) whose tangent is x.

    Example:
        >>> atan(0.0)
        0.0
    """
    return _call_method("atan", x)


def sinh(x: S) -> S:
    """Computes the hyperbolic sine.

    Args:
        x: Any number.

    Returns:
        (eˣ − e⁻ˣ) / 2.

    Raises:
        OverflowError: |x| is above about 710.47.

    Example:
        >>> sinh(0.0)
        0.0
    """
    return _call_method("sinh", x)


def cosh(x: S) -> S:
    """Computes the hyperbolic cosine.

    Args:
        x: Any number.

    Returns:
        (eˣ + e⁻ˣ) / 2.

    Raises:
        OverflowError: |x| is above about 710.47.

    Example:
        >>> cosh(0.0)
        1.0
    """
    return _call_method("cosh", x)


def tanh(x: S) -> S:
    """Computes the hyperbolic tangent.

    Args:
        x: Any number.

    Returns:
        (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1.

    Example:
        >>> tanh(0.0)
        0.0
    """
    return _call_method("tanh", x)


def asinh(x: S) -> S:
    """Computes the inverse hyperbolic sine.

    Args:
        x: Any number.

    Returns:
        log(x + √(x² + 1)).

    Example:
        >>> asinh(0.0)
        0.0
    """
    return _call_method("asinh", x)


def acosh(x: S) -> S:
    """Computes the inverse hyperbolic cosine. Its derivative is infinite at 1.

    Args:
        x: A number of 1 or more.

    Returns:
        log(x + √(x² − 1)), which is 0 or more.

    Raises:
        ValueError: x is below 1.

    Example:
        >>> acosh(1.0)
        0.0
    """
    return _call_method("acosh", x)


def atanh(x: S) -> S:
    """Computes the inverse hyperbolic tangent.

    Args:
        x: A number between −1 and 1.

    Returns:
        ½·log((1 + x) / (1 − x)).

    Raises:
        ValueError: x is not between −1 and 1.

    Example:
        >>> atanh(0.0)
        0.0
    """
    return _call_method("atanh", x)


def sigmoid(x: S) -> S:
    """Computes the logistic function σ.

    Args:
        x: Any number.

    Returns:
        σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1.

    Example:
        >>> sigmoid(0.0)
        0.5
    """
    return _call_method("sigmoid", x)


def softplus(x: S) -> S:
    """Computes log(1 + eˣ), a smooth `relu`.

    Args:
        x: Any number.

    Returns:
        log(1 + eˣ).

    Example:
        >>> softplus(1000.0)
        1000.0
    """
    return _call_method("softplus", x)


def relu(x: S) -> S:
    """Computes the rectified linear unit. Its slope is 0 at 0.

    Args:
        x: Any number.

    Returns:
        max(x, 0).

    Example:
        >>> relu(Value(-2.0))
        Value(data=0.0, grad=0.0)
    """
    return _call_method("relu", x)


def gelu(x: S) -> S:
    """Computes the Gaussian error linear unit, in the exact form, as PyTorch does by default.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.

    Args:
        x: Any number.

    Returns:
        x · Φ(x), where Φ is the distribution function of the standard normal distribution.

    Example:
        >>> gelu(0.0)
        0.0
    """
    return _call_method("gelu", x)


def silu(x: S) -> S:
    """Computes the sigmoid linear unit, also called swish.

    Source: Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units, 2017.

    Args:
        x: Any number.

    Returns:
        x · σ(x).

    Example:
        >>> silu(0.0)
        0.0
    """
    return _call_method("silu", x)


def erfc(x: S) -> S:
    """Computes the complementary error function.

    Args:
        x: Any number.

    Returns:
        2/√π · ∫ₓ^∞ e^(−t²) dt.

    Example:
        >>> erfc(0.0)
        1.0
    """
    return _call_method("erfc", x)


def abs(x: S) -> S:
    """Computes the absolute value. Its slope is 0 at 0.

    Args:
        x: Any number.

    Returns:
        |x|.

    Example:
        >>> abs(Value(-2.0))
        Value(data=2.0, grad=0.0)
    """
    return _call_method("abs", x)


def step(x: S) -> S:
    """Computes the unit step. Its slope is 0 everywhere, also at 0.

    Args:
        x: Any number.

    Returns:
        1 for x > 0, else 0.

    Example:
        >>> step(3.0)
        1.0
    """
    return _call_method("step", x)


def sign(x: S) -> S:
    """Computes the sign. Its slope is 0 everywhere, also at 0.

    Args:
        x: Any number.

    Returns:
        1 for x > 0, −1 for x < 0, 0 for 0.

    Example:
        >>> sign(-3.0)
        -1.0
    """
    return _call_method("sign", x)


def leaky_relu(x: S, negative_slope: float = 0.01) -> S:
    """Computes the leaky rectified linear unit.

    Args:
        x: Any number.
        negative_slope: The slope for x < 0, and at 0.

    Returns:
        x for x > 0, else negative_slope · x.

    Example:
        >>> leaky_relu(-2.0, negative_slope=0.1)
        -0.2
    """
    return _call_method("leaky_relu", x, negative_slope)


def elu(x: S, alpha: float = 1.0) -> S:
    """Computes the exponential linear unit.

    Source: Clevert, Unterthiner and Hochreiter, Exponential Linear Units, 2015.

    Args:
        x: Any number.
        alpha: The result goes to −alpha for x far below 0; the slope at 0 is alpha.

    Returns:
        x for x > 0, else alpha · (eˣ − 1).

    Example:
        >>> elu(3.0)
        3.0
    """
    return _call_method("elu", x, alpha)


def clamp(x: S, low: float, high: float) -> S:
    """Moves a number into an interval.

    The slope is 1 inside and at both ends, 0 outside.

    Args:
        x: Any number.
        low: The lower end of the interval.
        high: The upper end of the interval.

    Returns:
        The number in [low, high] nearest to x.

    Raises:
        ValueError: low > high.

    Example:
        >>> clamp(3.0, low=-1.0, high=1.0)
        1.0
    """
    return _call_method("clamp", x, low, high)


@overload
def maximum(x: Value, /, *xs: Value | float) -> Value: ...
@overload
def maximum(*xs: float) -> float: ...
@overload
def maximum(*xs: Value | float) -> Value: ...
@api_boundary
def maximum(*xs: Value | float) -> Any:
    """Returns the largest of the numbers, as one node.

    At a tie each of two numbers gets half of the gradient, each of three a third.

    Args:
        *xs: One number or more.

    Returns:
        The largest number.

    Raises:
        TypeError: There is no number, or a list in place of numbers; of a list: `maximum(*xs)`.

    Example:
        >>> a, b = Value(2.0), Value(2.0)
        >>> maximum(a, b).backward()
        >>> a.grad, b.grad
        (0.5, 0.5)
    """
    if len(xs) < 2:
        _require_numbers("maximum", xs)
    return call_op(OPS["maximum" if len(xs) == 2 else "largest"], *xs)


@overload
def minimum(x: Value, /, *xs: Value | float) -> Value: ...
@overload
def minimum(*xs: float) -> float: ...
@overload
def minimum(*xs: Value | float) -> Value: ...
@api_boundary
def minimum(*xs: Value | float) -> Any:
    """Returns the smallest of the numbers, as one node.

    At a tie each of two numbers gets half of the gradient, each of three a third.

    Args:
        *xs: One number or more.

    Returns:
        The smallest number.

    Raises:
        TypeError: There is no number, or a list in place of numbers; of a list: `minimum(*xs)`.

    Example:
        >>> minimum(2.0, 3.0, 1.0)
        1.0
    """
    if len(xs) < 2:
        _require_numbers("minimum", xs)
    return call_op(OPS["minimum" if len(xs) == 2 else "smallest"], *xs)


def _require_numbers(name: str, xs: Sequence[Value | float]) -> None:
    if not xs or not (isinstance(xs[0], Value) or is_number(xs[0])):
        given = describe(xs[0]) if xs else "none"
        raise TypeError(f"{name} takes one number or more, as in {name}(a, b), not {given}; of a list: {name}(*xs)")


@overload
def where(c: float, a: float, b: float) -> float: ...
@overload
def where(c: Value | float, a: Value | float, b: Value | float) -> Value: ...
def where(c: Value | float, a: Value | float, b: Value | float) -> Any:
    """Chooses a number by a condition; inside of a compiled function the choice is made anew at each call.

    Both a and b are computed, and must be defined. In a function that is recorded or compiled, write `step(x - y)` in
    place of `x > y`.

    Args:
        c: The condition: a number, or the bool of a comparison. It gets the gradient 0.
        a: The result where c is not 0. A nan is not 0.
        b: The result where c is 0.

    Returns:
        a or b.

    Example:
        >>> x = Value(-3.0)
        >>> where(step(x), x, 0.1 * x).data
        -0.30000000000000004
    """
    return call_op(OPS["where"], c, a, b)


@api_boundary
def take(table: Sequence[T], i: SupportsIndex) -> T:
    """Takes an item of a list by an index: a number, or a row of a list of rows, as an embedding does.

    It makes no node: gradients go to the item. If i is an argument of a compiled function, and all rows have one shape,
    the item is chosen anew at each call; `table[i]` would be fixed when the function is recorded.

    Args:
        table: A list of numbers, or of rows.
        i: An int from −n to n − 1, for a table of n items.

    Returns:
        `table[i]`.

    Raises:
        TypeError: The table is no list, or the index is no int, as a Value or a float.
        IndexError: The index is out of range.

    Example:
        >>> rows = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
        >>> take(rows, 1)
        [Value(data=3.0, grad=0.0), Value(data=4.0, grad=0.0)]
        >>> take([0.5, 0.25], -1)
        0.25
    """
    n = length("the table of take", table)
    if not hasattr(i, "__index__"):
        raise TypeError(f"take needs an int as its index, as in take(table, 2), not {describe(i)}")
    if isinstance(i, Value) and i._rule is LEAF and n and _is_regular(table):
        return _take_later(table, i)  # type: ignore[no-any-return]  # i is an argument of a function that is compiled
    place = i.__index__()
    if not -n <= place < n:
        raise IndexError(
            f"take has no index {place} in a table of {n}" + (f": it goes from {-n} to {n - 1}" if n else "")
        )
    item: Any = table[place]
    is_row = hasattr(item, "__len__") and not isinstance(item, str)
    chosen: Any = item if is_row or isinstance(item, Value) else to_float(item)
    return chosen  # type: ignore[no-any-return]


def _is_regular(table: Sequence[Any]) -> bool:
    """Whether all items are numbers, or all are lists or tuples of one shape."""
    if all(isinstance(item, Value) or is_number(item) for item in table):
        return True
    kinds = {(type(row), len(row)) if type(row) in (list, tuple) else None for row in table}
    return len(kinds) == 1 and None not in kinds and all(map(_is_regular, zip(*table)))


def _take_later(table: Sequence[Any], i: Value) -> Any:
    """Records the choice in the graph: one operation `take` for each number of a row."""
    row = table[0]
    if type(row) in (list, tuple):
        return type(row)([_take_later(column, i) for column in zip(*table)])
    return call_op(TAKE, *table, i)


@overload
def dot(xs: Iterable[float], ys: Iterable[float]) -> float: ...
@overload
def dot(xs: Iterable[Value | float], ys: Iterable[Value | float]) -> Value: ...
def dot(xs: Iterable[Value | float], ys: Iterable[Value | float]) -> Any:
    """Computes the sum of products of two sequences, as one node.

    Args:
        xs: n numbers.
        ys: n numbers.

    Returns:
        Σ xᵢ·yᵢ; 0 for n = 0.

    Raises:
        ValueError: The lengths differ.
        TypeError: An argument is no sequence of numbers.

    Example:
        >>> w = [Value(1.0), Value(-2.0)]
        >>> dot(w, [3.0, 4.0])
        Value(data=-5.0, grad=0.0)
    """
    xs, ys = _to_list(xs, "dot"), _to_list(ys, "dot")
    if len(xs) != len(ys):
        raise ValueError(f"dot needs two sequences of one length, not {len(xs)} and {len(ys)} numbers")
    y = call_op(DOT, *xs, *ys)
    if has_overflowed(y):
        pairs = _balance([*zip(xs, ys)], [_to_number(a) * _to_number(b) for a, b in zip(xs, ys)])
        y = call_op(DOT, *[a for a, _ in pairs], *[b for _, b in pairs])
    return y


@overload
def total(xs: Iterable[float]) -> float: ...
@overload
def total(xs: Iterable[Value | float]) -> Value: ...
def total(xs: Iterable[Value | float]) -> Any:
    """Computes the sum of a sequence, as one node, where `sum` makes a node for every +.

    Args:
        xs: n numbers.

    Returns:
        Σ xᵢ; 0 for n = 0.

    Raises:
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> total([Value(1.0), Value(2.0), 3.0])
        Value(data=6.0, grad=0.0)
    """
    numbers = _to_list(xs, "total")
    y = call_op(TOTAL, *numbers)
    return call_op(TOTAL, *_balance(numbers, map(_to_number, numbers))) if has_overflowed(y) else y


@overload
def mean(xs: Iterable[float]) -> float: ...
@overload
def mean(xs: Iterable[Value | float]) -> Value: ...
@api_boundary
def mean(xs: Iterable[Value | float]) -> Any:
    """Computes the mean of a sequence.

    Args:
        xs: n numbers, at least one.

    Returns:
        Σ xᵢ / n.

    Raises:
        ValueError: There are no numbers.
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> mean([1.0, 2.0, 6.0])
        3.0
    """
    numbers: Sequence[Any] = _to_nonempty_list(xs, "mean")
    n = len(numbers)
    y = total(numbers) / n
    if has_overflowed(y):  # a power of two changes no digit
        scale = 0.5 ** n.bit_length()
        y = total([x * scale for x in numbers]) / (n * scale)
    return y


@overload
def prod(xs: Iterable[float]) -> float: ...
@overload
def prod(xs: Iterable[Value | float]) -> Value: ...
@api_boundary
def prod(xs: Iterable[Value | float]) -> Any:
    """Computes the product of a sequence, by a chain of multiplications, so that its numbers may be 0.

    The numbers are multiplied in the given order, or in another order if a product on the way would leave the range of
    floats.

    Args:
        xs: n numbers.

    Returns:
        Π xᵢ; 1 for n = 0.

    Raises:
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> x = Value(0.0)
        >>> prod([x, 2.0, 3.0]).backward()
        >>> x.grad
        6.0
    """
    numbers = _to_numbers(xs, "prod")
    sizes = _magnitudes(numbers)
    products = [*accumulate(sizes, mul)]
    if any(p > float_info.max or (p < float_info.min and 0.0 not in sizes) for p in products):
        numbers = _balance(numbers, [math.log(x or 1.0) for x in sizes])
    return reduce(partial(call_op, MUL), numbers) if numbers else 1.0


def has_overflowed(y: Value | float) -> bool:
    """Whether a result is infinite.

    Args:
        y: The result. One that is traced has no number yet: it is not infinite.

    Returns:
        True for ∞, −∞, and a Value of such a number.
    """
    return math.isinf(y.data if y.__class__ is Value else y) if y.__class__ in (Value, float) else False


@overload
def logsumexp(xs: Iterable[float]) -> float: ...
@overload
def logsumexp(xs: Iterable[Value | float]) -> Value: ...
@api_boundary
def logsumexp(xs: Iterable[Value | float]) -> Any:
    """Computes log Σ eˣⁱ, a smooth maximum, as one node.

    Args:
        xs: n numbers, at least one.

    Returns:
        log Σ eˣⁱ.

    Raises:
        ValueError: There are no numbers.
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> logsumexp([1000.0, 0.0])
        1000.0
    """
    return call_op(LOGSUMEXP, *_to_nonempty_list(xs, "logsumexp"))


@overload
def softmax(xs: Iterable[float]) -> list[float]: ...
@overload
def softmax(xs: Iterable[Value | float]) -> list[Value]: ...
@api_boundary
def softmax(xs: Iterable[Value | float]) -> list[Any]:
    """Turns n numbers into probabilities.

    Args:
        xs: n numbers, at least one.

    Returns:
        The n numbers eˣⁱ / Σ eˣʲ, from 0 to 1, whose sum is 1.

    Raises:
        ValueError: There are no numbers.
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> softmax([0.0, 0.0])
        [0.5, 0.5]
    """
    numbers = _to_nonempty_list(xs, "softmax")
    whole = logsumexp(numbers)
    shares = [exp(x - whole) for x in numbers]
    all_shares = total(shares)  # 1, but for the digits that large numbers lose to the summand that they have in common
    return [share / all_shares for share in shares]


@overload
def log_softmax(xs: Iterable[float]) -> list[float]: ...
@overload
def log_softmax(xs: Iterable[Value | float]) -> list[Value]: ...
@api_boundary
def log_softmax(xs: Iterable[Value | float]) -> list[Any]:
    """Computes the logarithms of `softmax`.

    Args:
        xs: n numbers, at least one.

    Returns:
        The n numbers xᵢ − log Σ eˣʲ.

    Raises:
        ValueError: There are no numbers.
        TypeError: The argument is no sequence of numbers.

    Example:
        >>> log_softmax([1000.0, 0.0])
        [0.0, -1000.0]
    """
    numbers: Sequence[Any] = _to_nonempty_list(xs, "log_softmax")
    for _ in range(2):  # again, for the digits that large numbers lose to the summand that they have in common
        whole = logsumexp(numbers)
        numbers = [x - whole for x in numbers]
    return list(numbers)


def _to_number(x: Value | float) -> float:
    return x.data if isinstance(x, Value) else to_float(x)


def _magnitudes(xs: Sequence[Value | float]) -> list[float]:
    """|x| of each number; an empty list while a function is traced, as its Values have no numbers."""
    try:
        return [math.fabs(_to_number(x)) for x in xs]
    except TypeError:
        return []


def _balance(items: Sequence[T], sizes: Iterable[float]) -> list[T]:
    """Orders the items so that the sum of their sizes stays near 0 all the way, and in the range of floats.

    A positive size follows if the sum so far is 0 or less, a negative one if it is above 0.
    """
    waiting = deque(sorted(zip(sizes, items), key=itemgetter(0)))
    chosen, so_far = list[T](), 0.0
    while waiting:
        size, item = waiting.popleft() if so_far > 0 else waiting.pop()
        chosen.append(item)
        so_far += size
    return chosen


def _to_nonempty_list(xs: Iterable[Value | float], name: str) -> Sequence[Value | float]:
    numbers = _to_numbers(xs, name)
    if not numbers:
        raise ValueError(f"{name} needs at least one number")
    return numbers


def _to_numbers(xs: Iterable[Value | float], name: str) -> list[Value | float]:
    return [x if isinstance(x, Value) else to_float(x) for x in _to_list(xs, name)]


def _to_list(xs: Iterable[Value | float], name: str) -> list[Value | float]:
    if not isinstance(xs, Iterable) or isinstance(xs, Mapping):
        example = "dot([a, b], [c, d])" if name == "dot" else f"{name}([a, b])"
        raise TypeError(f"{name} takes a list of numbers, as in {example}, not {describe(xs)}")
    return list(xs)


@api_boundary
def define_op(name: str, value: Rule, derivatives: Rules, symbol: str | None = None) -> _Function:
    """Enters an operation of your own in the rule table and returns it as a function.

    Both rules may use `+ - * / **` and the functions of `m` (`m.exp`, `m.sin`, `m.relu`, operations of your own), but
    no functions of `math`, and no `if` on the numbers. Then the operation can be differentiated any number of times,
    drawn and checked like those of the table. If you define your name again, the new operation replaces the old.

    Args:
        name: The name of the operation, an identifier.
        value: The rule of the value: `value(m, *xs)` returns y.
        derivatives: The rule of the derivatives: `derivatives(m, y, *xs)` returns a tuple with ∂y/∂x for each input.
        symbol: What pictures show; the name by default.

    Returns:
        The function that applies the operation. It raises `TypeError` if the value is no number, or if the derivatives
        are not a tuple with one number for each input.

    Raises:
        ValueError: The table has the name already, or the name is no identifier.
        TypeError: A rule is no function.

    Example:
        >>> cube = define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
        >>> x = Value(2.0)
        >>> y = cube(x)
        >>> y.backward()
        >>> y.data, x.grad, cube(3.0)
        (8.0, 12.0, 27.0)
    """
    if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
        raise ValueError(f"an operation cannot be called {name!r}: take a name that could be a function's")
    if name in TABLE_NAMES:
        raise ValueError(f"an operation cannot be called {name!r}: the table has that already")
    require_function(f"the value of {name!r}", value, "lambda m, x: x * x")
    require_function(f"the derivatives of {name!r}", derivatives, "lambda m, y, x: (2.0 * x,)")

    @wraps(value)
    def checked_value(m: Any, *xs: Any) -> Any:
        y = value(m, *xs)
        return to_float(y, f"the value of {name!r}") if m is FLOATS else y

    @wraps(derivatives)
    def checked_derivatives(m: Any, y: Any, *xs: Any) -> Sequence[Any]:
        slopes = derivatives(m, y, *xs)
        if not isinstance(slopes, (tuple, list)) or len(slopes) != len(xs):
            raise TypeError(
                f"the derivatives of {name!r} must be a tuple of {len(xs)}, one for each input, not {slopes!r}"
            )
        return [to_float(slope, f"a derivative of {name!r}") for slope in slopes] if m is FLOATS else slopes

    arity = _count_inputs(value, derivatives)
    op = define(name, name if symbol is None else symbol, checked_value, every=checked_derivatives, arity=arity)

    def function(*xs: Value | float) -> Any:
        return call_op(op, *xs)

    function.__name__ = function.__qualname__ = name
    function.op = op  # type: ignore[attr-defined]  # so that others can tell what it computes
    return function


def _count_inputs(value: Rule, derivatives: Rules) -> int | None:
    """The number of inputs that one of the rules names; None where both take any number."""
    for rule, others in ((value, 1), (derivatives, 2)):  # m; m and y
        parameters = [x for x in signature(rule).parameters.values() if x.default is Parameter.empty]
        if all(x.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for x in parameters):
            return len(parameters) - others
    return None
