"""The engine once more, as simple as can be, to hold the real one against: slow, recursive, and without any cleverness.

A gradient is here what the chain rule says it is: the sum, over all paths from the output down to a node, of the
product of the slopes along the path. The rules are written out a second time, on purpose: nothing is shared with the
package. A slope may use the inputs and the number that came out, both as they are when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any


class Number:
    """A float that remembers what it was computed from."""

    recording = True

    def __init__(self, data: float, label: str = "", name: str = "leaf", slopes: Any = None, inputs: Any = ()) -> None:
        self.data, self.label, self.name, self.slopes, self.inputs = float(data), label, name, slopes, tuple(inputs)
        self.grad: float | None = 0.0
        self.rounding = 0.0  # how large the terms of `grad` are, by which its rounding errors are to be measured
        self.paths: int = 1 + sum(x.paths for x in self.inputs)

    def detach(self) -> Number:
        return Number(self.data, self.label, "constant")

    def __add__(self, other: Any) -> Number:
        return apply("add", lambda a, b: a + b, lambda y, a, b: [1.0, 1.0], self, other)

    def __sub__(self, other: Any) -> Number:
        return apply("sub", lambda a, b: a - b, lambda y, a, b: [1.0, -1.0], self, other)

    def __mul__(self, other: Any) -> Number:
        return apply("mul", lambda a, b: a * b, lambda y, a, b: [b, a], self, other)

    def __truediv__(self, other: Any) -> Number:
        return apply("div", lambda a, b: a / b, lambda y, a, b: [1.0 / b, -y / b], self, other)

    def __radd__(self, other: float) -> Number:
        return constant(other) + self

    def __rsub__(self, other: float) -> Number:
        return constant(other) - self

    def __rmul__(self, other: float) -> Number:
        return constant(other) * self

    def __rtruediv__(self, other: float) -> Number:
        return constant(other) / self

    def __neg__(self) -> Number:
        return apply("neg", lambda x: -x, lambda y, x: [-1.0], self)

    def __pow__(self, n: float) -> Number:
        return apply(f"power({n})", lambda x: real(x**n), lambda y, x: [n * x ** (n - 1) if n else 0.0], self)

    def __rpow__(self, base: float) -> Number:
        return apply(f"exponential({base})", lambda x: base**x, lambda y, x: [y * math.log(base)], self)

    def exp(self) -> Number:
        return apply("exp", math.exp, lambda y, x: [y], self)

    def log(self) -> Number:
        return apply("log", math.log, lambda y, x: [1.0 / x], self)

    def sqrt(self) -> Number:
        return apply("sqrt", math.sqrt, lambda y, x: [0.5 / y], self)

    def sin(self) -> Number:
        return apply("sin", math.sin, lambda y, x: [x.cos()], self)

    def cos(self) -> Number:
        return apply("cos", math.cos, lambda y, x: [-x.sin()], self)

    def tanh(self) -> Number:
        return apply("tanh", math.tanh, lambda y, x: [1.0 - y * y], self)

    def relu(self) -> Number:
        return apply("relu", lambda x: x if x > 0 else 0.0, lambda y, x: [x.step()], self)

    def step(self) -> Number:
        return apply("step", lambda x: 1.0 if x > 0 else 0.0, lambda y, x: [0.0], self)

    def __abs__(self) -> Number:
        return apply("abs", abs, lambda y, x: [x.sign()], self)

    def sign(self) -> Number:
        return apply("sign", lambda x: float((x > 0) - (x < 0)), lambda y, x: [0.0], self)

    def backward(self) -> None:
        """Adds to the gradients of the leaves, sets those of the nodes between; or fails and changes nothing."""
        if self.name == "constant":
            raise RuntimeError("no graph")
        gradients = collected(self, None)
        for v, terms in gradients.items():
            if v.name == "leaf":
                v.grad = (v.grad or 0.0) + math.fsum(terms)
                v.rounding += sum(map(abs, terms))
            elif v.name == "constant":
                v.grad = v.grad or 0.0
            else:
                v.grad, v.rounding = math.fsum(terms), sum(map(abs, terms))


def constant(x: float) -> Number:
    return Number(x, name="constant")


def apply(name: str, value: Callable[..., float], slopes: Callable[..., list[Any]], *inputs: Any) -> Number:
    xs = [x if isinstance(x, Number) else constant(x) for x in inputs]
    y = value(*[x.data for x in xs])
    if Number.recording and any(x.name != "constant" for x in xs):
        return Number(y, name=name, slopes=slopes, inputs=xs)
    return constant(y)


def real(x: float | complex) -> float:
    if isinstance(x, complex):
        raise ValueError("no real number")
    return x


def maximum(a: Any, b: Any) -> Number:
    def slopes(y: Number, a: Number, b: Number) -> list[Any]:
        return [0.5 + 0.5 * (a - b).sign(), 0.5 + 0.5 * (b - a).sign()]  # a tie is shared equally

    return apply("maximum", max, slopes, a, b)


def total(xs: list[Any]) -> Number:
    return apply("total", lambda *xs: sum(xs, 0.0), lambda y, *xs: [1.0 for _ in xs], *xs)


def dot(xs: list[Any], ws: list[Any]) -> Number:
    n = len(xs)
    return apply(
        "dot",
        lambda *xws: sum([x * w for x, w in zip(xws[:n], xws[n:])], 0.0),
        lambda y, *xws: [*xws[n:], *xws[:n]],
        *xs,
        *ws,
    )


# ---- gradients -------------------------------------------------------------------------------------------------------
def leads_to(y: Number, targets: list[Number] | None) -> bool:
    return targets is None or y in targets or any(leads_to(x, targets) for x in y.inputs)


def nodes(y: Number) -> set[Number]:
    return {y}.union(*map(nodes, y.inputs))


def paths(y: Number, targets: list[Number] | None) -> Iterator[tuple[Number, Any]]:
    """The end of each path down from y that leads to a target (None: anywhere), and the product of its slopes."""
    yield y, 1.0
    if any(leads_to(x, targets) for x in y.inputs):
        for x, slope in zip(y.inputs, y.slopes(y, *y.inputs)):
            if leads_to(x, targets):
                for end, product in paths(x, targets):
                    yield end, slope * product


def collected(y: Number, targets: list[Number] | None, create_graph: bool = False) -> dict[Number, list[Any]]:
    """For each node the products along all paths to it. An `ExceptionGroup` holds what every slope has against it."""
    before, errors = Number.recording, []
    Number.recording = before and create_graph
    try:
        for v in nodes(y):
            try:
                if any(leads_to(x, targets) for x in v.inputs):
                    v.slopes(v, *v.inputs)
            except (ArithmeticError, ValueError) as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup("slopes", errors)
        terms: dict[Number, list[Any]] = {}
        for end, product in paths(y, targets):
            terms.setdefault(end, []).append(product if create_graph else getattr(product, "data", product))
        return terms
    finally:
        Number.recording = before


def grad(y: Number, xs: list[Number], create_graph: bool = False) -> list[list[Any]]:
    """The terms of ∂y/∂x, one for each path, for each x."""
    targets = [x for x in xs if x.name != "constant"]
    terms = collected(y, targets, create_graph)
    return [terms.get(x, []) if x in targets else [] for x in xs]


# ---- copies ----------------------------------------------------------------------------------------------------------
def deepcopied(roots: list[Number]) -> list[Number]:
    """Copies of graphs, also by way of a pickle; whatever they share stays shared."""
    copies: dict[Number, Number] = {}

    def copied(v: Number) -> Number:
        if v not in copies:
            copies[v] = shallow(v, [copied(x) for x in v.inputs])
        return copies[v]

    return [copied(root) for root in roots]


def shallow(v: Number, inputs: Any = None) -> Number:
    """Another node with the same inputs, unless others are given."""
    copy = Number(v.data, v.label, v.name, v.slopes, v.inputs if inputs is None else inputs)
    copy.grad, copy.rounding = v.grad, v.rounding
    return copy
