"""What a rule is: an operation's value and its local derivatives, generic in the numbers they work on.

A rule uses `+ - * / **` and, for all else, the functions of `m`, the mathematics for one kind of number. With `FLOATS`
it computes; with that of Values it records, so that a gradient can be differentiated again; arrays, more digits, or
text need one more `Mathematics` and no new rule. The rules themselves stand in `ops.py`.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

Number = Any  # a float, a Value, an array, a text: whatever `m` is the mathematics of
Rule = Callable[..., Number]
Rules = Callable[..., Sequence[Number]]


class Op:
    """One operation: y = value(m, *xs) and (∂y/∂x₁, ∂y/∂x₂, …) = derivatives(m, y, *xs).

    `parameters` are the plain numbers fixed in it, as the 3 of x**3. It is pickled by name: rules stay in the code.
    """

    __slots__ = ("derivatives", "name", "parameters", "symbol", "value")

    def __init__(
        self, name: str, symbol: str, value: Rule, derivatives: Rules, parameters: tuple[float, ...] = ()
    ) -> None:
        self.name, self.symbol, self.parameters = name, symbol, parameters
        self.value, self.derivatives = value, derivatives

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})" if self.parameters else self.name

    def __repr__(self) -> str:
        return f"<Op {self}>"

    def __reduce__(self) -> tuple[Callable[..., "Op"], tuple[Any, ...]]:
        return find, (self.name, *self.parameters)


OPS: dict[str, Op] = {}
FAMILIES: dict[str, Callable[..., Op]] = {}  # operations that differ in plain numbers only, as x**2 and x**3


def define(name: str, symbol: str, value: Rule, derivatives: Rules) -> Op:
    """Enters an operation in the table."""
    OPS[name] = op = Op(name, symbol, value, derivatives)
    return op


def family(name: str, symbol: str, value: Callable[..., Rule], derivatives: Callable[..., Rules]) -> Callable[..., Op]:
    """Enters a family: its value and derivatives take the plain numbers first, and return the rules of one member."""

    def member(*parameters: float) -> Op:
        return Op(name, symbol.format(*parameters), value(*parameters), derivatives(*parameters), parameters)

    FAMILIES[name] = cached = lru_cache(maxsize=1024, typed=True)(member)
    return cached


def find(name: str, *parameters: float) -> Op:
    """The operation of that name; `KeyError` where there is none (yet)."""
    if name not in (FAMILIES if parameters else OPS):
        raise KeyError(f"no operation is called {name!r}; define your own ones before they are used")
    return FAMILIES[name](*parameters) if parameters else OPS[name]


def with_symbol(symbol: str) -> Op:
    """The operation drawn with that symbol; one without a derivative where the table has none."""
    if symbol.startswith("**") and symbol != "**":
        with suppress(ValueError):
            return find("power", (float if "." in symbol else int)(symbol[2:]))
    known = {op.symbol: op for op in reversed(OPS.values()) if op.symbol}  # the first one of a symbol stays
    return known.get(symbol) or Op(symbol, symbol, _unknown(symbol), _unknown(symbol))


def _unknown(symbol: str) -> Rule:
    def rule(*_: Number) -> Number:
        raise NotImplementedError(f"operation {symbol!r} is not in the rule table: enter it with define_op")

    return rule


class Mathematics:
    """What a rule may call on one kind of number: a subclass supplies what `Floats` does, the table all the rest."""

    pi: Number = math.pi

    def __getattr__(self, name: str) -> Rule:
        if name in OPS and name not in vars(Floats):
            return partial(OPS[name].value, self)
        raise AttributeError(f"{type(self).__name__} has no function {name!r} for a rule to call")


class Floats(Mathematics):
    """Python's floats. A nan stays nan; outside its domain a function raises one of Python's own arithmetic errors."""

    exp, expm1, log, log1p, sqrt = math.exp, math.expm1, math.log, math.log1p, math.sqrt
    sin, cos, tan, asin, acos, atan = math.sin, math.cos, math.tan, math.asin, math.acos, math.atan
    sinh, cosh, tanh, erfc, abs = math.sinh, math.cosh, math.tanh, math.erfc, abs

    @staticmethod
    def sign(x: float) -> float:
        return math.copysign(1.0, x) if x == x and x else x

    @staticmethod
    def step(x: float) -> float:
        return 1.0 if x > 0 else 0.0 if x <= 0 else x

    @staticmethod
    def maximum(a: float, b: float) -> float:
        return a if a > b or a != a else b

    @staticmethod
    def minimum(a: float, b: float) -> float:
        return a if a < b or a != a else b

    @staticmethod
    def pow(a: float, b: float) -> float:
        y: float | complex = a**b
        if isinstance(y, complex):
            raise ValueError("a negative number has no real power with a fractional exponent")
        return y


FLOATS = Floats()
