"""Value: a number that remembers how it was computed, and can tell how it depends on every number behind it.

An operation on Values makes a node that keeps its inputs; `backward()` walks from the output back to the leaves and
applies the chain rule at each node. What an operation computes and what its derivatives are stands in `ops.py` alone:
this file records nodes, and multiplies and adds what the rules say. Left to others: functions such as `exp(v)` to
`functional.py`, gradients of gradients to `gradients.py`, the order of a graph and its copies to `graph.py`.
"""

import operator
from collections.abc import Callable, Iterable
from itertools import repeat
from threading import RLock, get_ident
from typing import Any

from .errors import ARITHMETIC_ERRORS, is_number, located, refuse_nan, to_float
from .graph import deepcopied, flattened, topological_order
from .ops import CONSTANT, LEAF, clamp, elu, exponential, leaky_relu, power
from .recording import paused
from .rules import FLOATS, OPS, Op, with_symbol

one_at_a_time = RLock()  # two threads may go back to the same leaves


def _unary(name: str) -> Callable[["Value"], "Value"]:
    op, value = OPS[name], OPS[name].value

    def method(self: "Value") -> "Value":
        try:
            return _node(op, value(FLOATS, self.data), self)
        except ARITHMETIC_ERRORS:
            pass
        return apply(op, self)  # fails again, and says where

    method.__name__, method.__qualname__, method.__doc__ = name, f"Value.{name}", f"The operation `{name}`."
    return method


def _binary(name: str) -> tuple[Callable[["Value", Any], "Value"], Callable[["Value", Any], "Value"]]:
    """An operator and its reflection: `a + b`, and `2.0 + b`, which Python hands to b."""
    op, value = OPS[name], OPS[name].value

    def forward(self: "Value", other: Any) -> Any:
        if not isinstance(other, Value):
            if not is_number(other):
                return NotImplemented
            other = constant(other)
        try:
            return _node(op, value(FLOATS, self.data, other.data), self, other)
        except ARITHMETIC_ERRORS:
            pass
        return apply(op, self, other)  # fails again, and says where

    def reflected(self: "Value", other: Any) -> Any:
        return forward(constant(other), self) if is_number(other) else NotImplemented

    return forward, reflected


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[["Value", object], bool]:
    return lambda self, other: compare(self.data, other.data if isinstance(other, Value) else other)


class Value:
    """A number in a computation graph.

    `data` is the number, `grad` the gradient that `backward()` left there, `label` a name for pictures and messages;
    all three are yours to read and write. `Value(data)` makes a leaf, arithmetic makes the nodes that depend on it.
    Comparisons and `bool()` look at `data`; the hash is identity, so that Values can be kept in sets and dicts.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> loss = (a * b + 10.0) ** 2
    >>> loss.backward()
    >>> loss.data, a.grad, b.grad
    (16.0, -24.0, 16.0)

    Raises `TypeError` for anything but an int, a float or a NumPy scalar. Source: the interface is micrograd's.
    """

    # One or two inputs have slots of their own, only more of them stand there in tuples (`_prev` hides the difference):
    # a node is 50 bytes smaller than with a tuple in each, and the cycle collector has half as many objects to visit.
    __slots__ = ("_first", "_rule", "_second", "data", "grad", "label")
    data: float
    grad: float
    label: str
    _rule: Op
    _first: Any
    _second: Any

    def __init__(self, data: float, _children: Iterable["Value"] = (), _op: str = "", label: str = "") -> None:
        inputs = tuple(_children)
        if not all(isinstance(x, Value) for x in inputs):
            raise TypeError(f"the inputs of a node are Values, not {inputs!r}")
        self._set(with_symbol(_op) if inputs else LEAF, to_float(data), 0.0, label, inputs)

    def _set(self, rule: Op, data: float, grad: float, label: str, inputs: tuple["Value", ...]) -> "Value":
        self._rule, self.data, self.grad, self.label = rule, data, grad, label
        self._first, self._second = inputs if len(inputs) == 2 else (inputs[0] if len(inputs) == 1 else inputs, None)
        return self

    @property
    def _prev(self) -> tuple["Value", ...]:
        """The inputs, in order; none for a leaf or a constant."""
        first, second = self._first, self._second
        if first.__class__ is tuple:
            return first if second is None else first + second
        return (first,) if second is None else (first, second)

    @property
    def _op(self) -> str:
        return self._rule.symbol

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("sub")
    __mul__, __rmul__ = _binary("mul")
    __truediv__, __rtruediv__ = _binary("div")

    def __pow__(self, n: "Value | float") -> "Value":
        if isinstance(n, Value):
            return apply(OPS["pow"], self, n)
        return apply(power(n if isinstance(n, int) else to_float(n)), self) if is_number(n) else NotImplemented

    def __rpow__(self, base: float) -> "Value":
        return apply(exponential(to_float(base)), self) if is_number(base) else NotImplemented

    exp, expm1, log, log1p, sqrt = map(_unary, ("exp", "expm1", "log", "log1p", "sqrt"))
    sin, cos, tan, asin, acos, atan = map(_unary, ("sin", "cos", "tan", "asin", "acos", "atan"))
    sinh, cosh, tanh, sigmoid, softplus = map(_unary, ("sinh", "cosh", "tanh", "sigmoid", "softplus"))
    relu, gelu, silu, erfc, step, sign = map(_unary, ("relu", "gelu", "silu", "erfc", "step", "sign"))
    abs, __abs__, __neg__ = map(_unary, ("abs", "abs", "neg"))

    def leaky_relu(self, negative_slope: float = 0.01) -> "Value":
        """See `tinygrad_edu.leaky_relu`."""
        return apply(leaky_relu(to_float(negative_slope)), self)

    def elu(self, alpha: float = 1.0) -> "Value":
        """See `tinygrad_edu.elu`."""
        return apply(elu(to_float(alpha)), self)

    def clamp(self, low: float, high: float) -> "Value":
        """See `tinygrad_edu.clamp`."""
        if low > high:
            raise ValueError(f"clamp needs low <= high, not low={low} and high={high}")
        return apply(clamp(to_float(low), to_float(high)), self)

    __lt__, __le__, __gt__ = map(_comparison, (operator.lt, operator.le, operator.gt))
    __ge__, __eq__, __ne__ = map(_comparison, (operator.ge, operator.eq, operator.ne))
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        raise TypeError(
            "a Value does not silently become a plain float, as that would lose its gradient: in place of math.exp(v) "
            "use tinygrad_edu.exp(v) or v.exp(), and so for every function; v.data is the plain number"
        )

    __int__ = __float__

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad}{f', label={self.label!r}' if self.label else ''})"

    def detach(self) -> "Value":
        """A constant with the same number: no gradient flows through it."""
        return constant(self.data, self.label)

    def _backward(self) -> None:
        """The chain rule at one node: adds ∂L/∂node · ∂node/∂input to the gradient of each input."""
        g, inputs = self.grad, self._prev
        try:
            slopes = self._rule.derivatives(FLOATS, self.data, *[x.data for x in inputs])
        except ARITHMETIC_ERRORS as error:
            raise located(error, f"the derivative of {self._rule}", inputs) from error
        for x, slope in zip(inputs, slopes):
            total = x.grad + g * slope
            if total != total:
                refuse_nan(f"the gradient through {self._rule}", self, g, x.grad)
            x.grad = total

    def backward(self) -> None:
        """Puts ∂self/∂node into the `grad` of every node of the graph.

        Interior gradients start from zero at each call; those of leaves add up until you set them to 0: PyTorch's rule.
        Raises `ZeroDivisionError`, `OverflowError` or `ValueError` where a derivative is infinite or undefined,
        `FloatingPointError` where a gradient would be nan, `RuntimeError` where there is no graph; the leaves are then
        as they were.
        """
        if self._rule is CONSTANT:
            raise RuntimeError("a constant has no graph to go back through; detach() and no_grad() make constants")
        order = topological_order(self)
        ends = [v for v in order if v._rule is LEAF or v._rule is CONSTANT]
        with one_at_a_time:
            before = [v.grad for v in ends]
            outcome = map(setattr, ends, repeat("grad"), before)  # C code, which Ctrl-C does not stop halfway
            try:
                for v in order:
                    v.grad = 0.0
                self.grad = 1.0
                for v in reversed(order):
                    v._backward()
                # None, as PyTorch's users set it, is no gradient
                after = [(old or 0.0) + v.grad if v._rule is LEAF else 0.0 for v, old in zip(ends, before)]
                outcome = map(setattr, ends, repeat("grad"), after)
            finally:
                any(outcome)  # runs through it

    __deepcopy__ = deepcopied
    __reduce__ = flattened


_new: Callable[[type[Value]], Value] = object.__new__


def _node(op: Op, data: float, first: Any, second: Any = None) -> Value:
    out = _new(Value)
    out._rule, out.data, out.grad, out.label, out._first, out._second = op, data, 0.0, "", first, second
    if data != data:
        refuse_nan(str(op), out)
    if first.__class__ is tuple:
        fixed = all(x._rule is CONSTANT for x in out._prev)
    else:
        fixed = first._rule is CONSTANT and (second is None or second._rule is CONSTANT)
    if fixed or (paused and get_ident() in paused):
        out._rule, out._first, out._second = CONSTANT, (), None
    return out


def apply(op: Op, *inputs: Value | float) -> Value:
    """The node that an operation makes of its inputs; plain numbers among them become constants."""
    return record(op, tuple([x if isinstance(x, Value) else constant(x) for x in inputs]))


def record(op: Op, xs: tuple[Value, ...], ys: tuple[Value, ...] = ()) -> Value:
    """The same for Values in one tuple or two, which are kept as they are: so many nodes can share one of them."""
    inputs = xs + ys
    try:
        data = op.value(FLOATS, *[x.data for x in inputs])
    except ARITHMETIC_ERRORS as error:
        raise located(error, str(op), inputs) from error
    return _node(op, data, *inputs) if 1 <= len(inputs) <= 2 else _node(op, data, xs, ys or None)


def constant(data: float, label: str = "") -> Value:
    """A node that gets no gradient, as the 2.0 in `2.0 * v`."""
    return _new(Value)._set(CONSTANT, to_float(data), 0.0, label, ())
