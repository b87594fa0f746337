"""Value: a number that remembers how it was computed, and `backward()`, which computes its gradients.

An operation on Values makes a node that keeps its inputs; `backward()` walks from the output back to the leaves and
applies the chain rule at each node. What an operation computes, and its derivatives, stand in `ops.py` alone: this file
records nodes, and multiplies and adds what the rules give. Functions such as `exp(v)` are left to `functional.py`,
gradients of gradients to `gradients.py`, the order of a graph and its copies to `graph.py`.
"""

import math
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from threading import RLock
from typing import Any

from ._validate import is_number, to_float
from .errors import ARITHMETIC_ERRORS, api_boundary, cause_of, hide_frames, hide_inner_frames, refuse_nan, with_location
from .graph import copy_graph, copy_node, reduce_node, topological_order
from .modes import inherited_modes, is_recording, open_modes
from .ops import CONSTANT, DETACH, LEAF, clamp, elu, exponential, leaky_relu, power
from .rules import FLOATS, OPS, Closure, Op, with_symbol


def _unary(name: str) -> Callable[["Value"], "Value"]:
    op, value = OPS[name], OPS[name].value

    def method(self: "Value") -> "Value":
        if not inherited_modes():
            try:
                data = value(FLOATS, self.data)
            except ARITHMETIC_ERRORS:
                data = math.nan
            if data == data and self._rule is not CONSTANT:
                out = _new(Value)
                out._rule, out._prev = op, (self,)
                out.data, out.grad = data, 0.0
                return out
        return make_node(op, (self,))  # the general way: it asks the modes, and raises errors

    method.__name__, method.__qualname__ = name, f"Value.{name}"
    method.__doc__ = f"Applies the operation `{name}`.\n\nReturns:\n    The node of the result."
    return method


def _binary(name: str) -> tuple[Callable[["Value", Any], "Value"], Callable[["Value", Any], "Value"]]:
    """An operator and its reflection: `a + b`, and `2.0 + b`, where Python calls b's method."""
    op, value = OPS[name], OPS[name].value

    def forward(self: "Value", other: Any) -> Any:
        if not isinstance(other, Value):
            if not is_number(other):
                return NotImplemented
            other = make_constant(other)
        if not inherited_modes():
            try:
                data = value(FLOATS, self.data, other.data)
            except ARITHMETIC_ERRORS:
                data = math.nan
            if data == data and (self._rule is not CONSTANT or other._rule is not CONSTANT):
                out = _new(Value)
                out._rule, out._prev = op, (self, other)
                out.data, out.grad = data, 0.0
                return out
        return make_node(op, (self, other))

    def reflected(self: "Value", other: Any) -> Any:
        if not is_number(other):
            return NotImplemented
        try:
            return forward(make_constant(other), self)
        except Exception as error:
            hide_inner_frames(error)
            raise

    return forward, reflected


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[["Value", object], bool]:
    return lambda self, other: compare(self.data, other.data if isinstance(other, Value) else other)


class Value:
    """A number in a computation graph.

    `Value(data)` makes a leaf; arithmetic makes the nodes that depend on it. You may read and set `data` (the number),
    `grad` (the gradient that `backward()` writes), `label`, and attributes of your own.
    `<`, `>` and `bool()` look at `data`. `==` of two Values asks whether they are the same object, so that `in`, sets
    and dicts find the right one; with anything else it compares `data`, as in `v == 2.0`.

    Source: the interface is micrograd's.

    Args:
        data: The number: an int, a float or a NumPy scalar.
        label: A name for pictures and messages.

    Raises:
        TypeError: `data` is anything else.
        OverflowError: `data` is an int beyond the range of floats.

    Example:
        >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
        >>> loss = (a * b + 10.0) ** 2
        >>> loss.backward()
        >>> loss.data, a.grad, b.grad
        (16.0, -24.0, 16.0)
    """

    __slots__ = ("__dict__", "_prev", "_rule", "data", "grad")  # and the attributes that users set
    label: str = ""  # most nodes have none, and need no memory for it
    data: float
    grad: float
    _rule: Op
    _prev: tuple["Value", ...]  # the inputs, in order; none for a leaf or a constant

    def __init__(self, data: float, _children: Iterable["Value"] = (), _op: str = "", label: str = "") -> None:
        self._set(LEAF, (), data if data.__class__ is float else to_float(data), label)
        if _children:
            self._prev = tuple(_children)
            if not all(isinstance(x, Value) for x in self._prev):
                raise TypeError(f"the inputs of a node are Values, not {self._prev!r}")
            if self._prev and inherited_modes() and not is_recording():
                self._rule, self._prev = CONSTANT, ()
            elif self._prev:
                self._rule = with_symbol(_op, len(self._prev))
        if inherited_modes():
            for mode in open_modes():
                mode.on_leaf(self)

    def _set(self, rule: Op, inputs: tuple["Value", ...], data: float, label: str = "") -> "Value":
        self._rule, self._prev = rule, inputs
        self.data, self.grad = data, 0.0
        if label:
            self.label = label
        return self

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

    exp, exp2, expm1, log, log2 = map(_unary, ("exp", "exp2", "expm1", "log", "log2"))
    log10, log1p, sqrt, asinh, acosh, atanh = map(_unary, ("log10", "log1p", "sqrt", "asinh", "acosh", "atanh"))
    sin, cos, tan, asin, acos, atan = map(_unary, ("sin", "cos", "tan", "asin", "acos", "atan"))
    sinh, cosh, tanh, sigmoid, softplus = map(_unary, ("sinh", "cosh", "tanh", "sigmoid", "softplus"))
    relu, gelu, silu, erfc, step, sign = map(_unary, ("relu", "gelu", "silu", "erfc", "step", "sign"))
    abs, __abs__, __neg__ = map(_unary, ("abs", "abs", "neg"))

    def leaky_relu(self, negative_slope: float = 0.01) -> "Value":
        """The method of `tinygrad_edu.leaky_relu`.

        Args:
            negative_slope: The slope for numbers below 0.

        Returns:
            The node of the result.
        """
        return apply(leaky_relu(to_float(negative_slope)), self)

    def elu(self, alpha: float = 1.0) -> "Value":
        """The method of `tinygrad_edu.elu`.

        Args:
            alpha: The result goes to −alpha for numbers far below 0.

        Returns:
            The node of the result.
        """
        return apply(elu(to_float(alpha)), self)

    def clamp(self, low: float, high: float) -> "Value":
        """The method of `tinygrad_edu.clamp`.

        Args:
            low: The lower bound.
            high: The upper bound.

        Returns:
            The node of the result.

        Raises:
            ValueError: low > high.
        """
        if low > high:
            raise ValueError(f"clamp needs low <= high, not low={low} and high={high}")
        return apply(clamp(to_float(low), to_float(high)), self)

    def __pos__(self) -> "Value":
        return self

    __lt__, __le__, __gt__, __ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        """Whether it is the same Value, so that `in` and `index` find it; anything else is compared with `data`."""
        return self is other if isinstance(other, Value) else self.data == other

    def __ne__(self, other: object) -> Any:
        return self is not other if isinstance(other, Value) else self.data != other

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        raise TypeError(
            "a Value does not become a plain float by itself, as its gradient would be lost: in place of math.exp(v) "
            "use tinygrad_edu.exp(v) or v.exp(), and so for every function; v.data is the plain number"
        )

    __int__ = __float__

    def item(self) -> float:
        """Returns the number as a plain float, under PyTorch's name.

        Returns:
            `data`.
        """
        return float(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad}{f', label={self.label!r}' if self.label else ''})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """The picture of the graph that a notebook shows, as SVG and PNG; a leaf is shown as text."""
        from .viz import graph

        return graph.draw_for_notebook(self)

    def detach(self) -> "Value":
        """Cuts the graph here: no gradient flows through the result.

        Returns:
            A constant with the same number and label.
        """
        out = make_node(DETACH, (self,))
        if self.label:
            out.label = self.label
        return out

    @api_boundary
    def backward(self) -> None:
        """Writes ∂self/∂node to the `grad` of every node of the graph.

        Gradients of interior nodes start from 0 at each call; those of leaves add up until you set them to 0, as in
        PyTorch. After an error the gradients of the leaves are as they were before.

        Raises:
            ZeroDivisionError: A derivative is infinite.
            OverflowError: A derivative is too large for a float.
            ValueError: A derivative is not defined.
            FloatingPointError: A gradient would be nan.
            RuntimeError: The Value is a constant, which has no graph.
        """
        if self._rule is CONSTANT:
            raise RuntimeError("a constant has no graph to go back through; detach() and no_grad() make constants")
        if inherited_modes():
            targets = [v for v in topological_order(self) if v._rule is LEAF]
            for mode in open_modes():
                mode.on_gradients(self, targets, "backward")
        leaves = [] if self._prev else [self]
        before = [v.grad for v in leaves]
        with backward_lock:
            commit = gradient_setter(leaves, before)  # restores the gradients, unless the next lines come to their end
            try:
                order = _zero_gradients(self, leaves, before) if self._prev else []
                self.grad = 1.0
                _backpropagate(order)
                if any(v.grad != v.grad for v in leaves):
                    _find_nan(order)
                # PyTorch's users set a gradient to None in place of 0
                commit = gradient_setter(leaves, [float((old or 0.0) + v.grad) for v, old in zip(leaves, before)])
            finally:
                commit()

    @property
    def _backward(self) -> Callable[[], object]:
        """The chain rule at one node: adds ∂L/∂node · ∂node/∂input to the gradient of each input.

        As in micrograd, you may assign your own function: `out._backward = closure`.
        """
        return self._rule.backward if isinstance(self._rule, Closure) else partial(_backpropagate, (self,))

    @_backward.setter
    def _backward(self, closure: Callable[[], object]) -> None:
        if self._rule is LEAF:
            raise AttributeError("a leaf has no inputs to go back to, and so no `_backward` of its own")
        if self._rule is not CONSTANT:  # under no_grad() the node has become a constant
            self._rule = Closure(self._rule.symbol, closure)

    __copy__ = copy_node
    __deepcopy__ = copy_graph
    __reduce__ = reduce_node


_new: Callable[[type[Value]], Value] = object.__new__

# CPython 3.11 and 3.12 reserve memory in each new object for the attributes that earlier objects got. If some objects
# were made before the first attribute was set, that is 8 bytes less for each node.
for _ in range(30):
    _new(Value)


# ---- forward ---------------------------------------------------------------------------------------------------------
def apply(op: Op, *inputs: Value | float) -> Value:
    """Makes the node of an operation on Values and plain numbers, which become constants."""
    try:
        return make_node(op, tuple([x if isinstance(x, Value) else make_constant(x) for x in inputs]))
    except Exception as error:
        hide_frames(error)
        raise


def make_node(op: Op, inputs: tuple[Value, ...]) -> Value:
    """Makes the node of an operation on Values; the open modes are asked, the innermost first."""
    try:
        match inherited_modes():
            case (mode,) if mode.is_open:  # most often there is one
                y: Value = mode.on_operation(_compute, op, inputs)
                return y
        make = _compute
        for mode in open_modes():
            make = partial(mode.on_operation, make)
        return make(op, inputs)
    except Exception as error:
        hide_frames(error)
        raise


def _compute(op: Op, inputs: tuple[Value, ...]) -> Value:
    try:
        data = op.value(FLOATS, *[x.data for x in inputs])
    except ARITHMETIC_ERRORS as error:
        raise with_location(error, str(op), inputs) from cause_of(error)
    if data != data:
        refuse_nan(str(op), op, inputs)
    if op is not DETACH and (not inherited_modes() or is_recording()):
        for x in inputs:
            if x._rule is not CONSTANT:
                return _new(Value)._set(op, inputs, data)
    return make_constant(data)


def make_constant(data: float, label: str = "") -> Value:
    """Makes a node that gets no gradient, as the 2.0 in `2.0 * v`."""
    return _new(Value)._set(CONSTANT, (), data if data.__class__ is float else to_float(data), label)


# ---- backward --------------------------------------------------------------------------------------------------------
backward_lock = RLock()  # two threads may reach the same leaves


def _renew_lock() -> None:
    """In a forked process the thread that holds the lock may not exist."""
    global backward_lock
    backward_lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def gradient_setter(leaves: Sequence[Value], gradients: Iterable[float]) -> Callable[[], object]:
    """Returns a function that sets all gradients. It is C code, so that Ctrl-C cannot interrupt it halfway."""
    return partial(any, map(setattr, leaves, repeat("grad"), gradients))


def add_to_gradients(leaves: Sequence[Value], gradients: Sequence[float]) -> None:
    """Adds to the leaves, as `backward()` does, gradients that were computed elsewhere."""
    with backward_lock:
        gradient_setter(leaves, [float((v.grad or 0.0) + g) for v, g in zip(leaves, gradients)])()


def _zero_gradients(root: Value, leaves: list[Value], before: list[float]) -> list[Value]:
    """Returns the nodes with inputs in topological order, and sets the gradients of all nodes to 0.

    Leaves and constants, and the gradients that they had, are appended to the two lists. `topological_order` keeps a
    set of the visited nodes; here a node is visited if its gradient is the object `zero`, which is faster.
    """
    zero = float("0")  # a new object: no other 0.0 is this one
    order: list[Value] = []
    unfinished: list[Value] = []
    stack: list[Value | None] = [root]
    while stack:
        v = stack.pop()
        if v is None:  # all inputs of the last unfinished node are in order
            order.append(unfinished.pop())
        elif v.grad is not zero:
            v.grad = zero
            unfinished.append(v)
            stack.append(None)
            for x in v._prev:
                if x.grad is not zero:
                    if x._prev:
                        stack.append(x)
                    else:
                        leaves.append(x)
                        before.append(x.grad)
                        x.grad = zero
    return order


def _backpropagate(order: Sequence[Value]) -> None:
    """Applies the chain rule at each node, the last one first: `x.grad += v.grad * ∂v/∂x` for each of its inputs x.

    Nodes with one or two inputs have code of their own: a loop would take longer than the arithmetic.
    """
    for v in reversed(order):
        rule, inputs = v._rule, v._prev
        partials = rule.partials
        try:
            if len(partials) == 2:
                a, b = inputs
                da, db = partials
                g = v.grad
                if a._rule is not CONSTANT:
                    a.grad += g * da if da.__class__ is float else g * da(FLOATS, v.data, a.data, b.data)
                if b._rule is not CONSTANT:
                    b.grad += g * db if db.__class__ is float else g * db(FLOATS, v.data, a.data, b.data)
            elif len(partials) == 1:
                (a,), (da,) = inputs, partials
                a.grad += v.grad * (da if da.__class__ is float else da(FLOATS, v.data, a.data))
            elif isinstance(rule, Closure):
                rule.backward()
            elif inputs:
                g = v.grad
                for x, slope in zip(inputs, rule.derivatives(FLOATS, v.data, *[x.data for x in inputs])):
                    if x._rule is not CONSTANT:
                        x.grad += g * slope
        except ARITHMETIC_ERRORS as error:
            if isinstance(rule, Closure):
                raise
            raise with_location(error, f"the derivative of {rule}", inputs) from cause_of(error)


def _find_nan(order: Sequence[Value]) -> None:
    """Goes back once more, node by node, and raises an error at the first node where a gradient becomes nan."""
    for v in order:
        for x in v._prev:
            x.grad = 0.0
    order[-1].grad = 1.0
    for v in reversed(order):
        before = [x.grad for x in v._prev]
        v._backward()
        for x, old in zip(v._prev, before):
            if x.grad != x.grad:
                refuse_nan(f"the gradient through {v._rule}", v._rule, v._prev, v.grad, old)
