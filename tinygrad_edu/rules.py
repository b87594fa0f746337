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
Partial = Rule | float  # a local derivative; a plain number where it is the same everywhere
Rules = Callable[..., Sequence[Number]]


class Op:
    """One operation: its value y = value(m, *xs), and its local derivatives ∂y/∂x₁, ∂y/∂x₂, …

    `partials` holds one for each input, so that only those are computed that somebody asks for: ∂y/∂xᵢ =
    partials[i](m, y, *xs), or a plain number. An operation on any number of inputs has `every` in their place, a rule
    that gives all of them at once. `parameters` are the plain numbers fixed in the operation, as the 3 of x**3. It is
    pickled by name: rules stay in the code.
    """

    __slots__ = ("every", "name", "parameters", "partials", "symbol", "value")

    def __init__(
        self,
        name: str,
        symbol: str,
        value: Rule,
        *partials: Partial,
        every: Rules | None = None,
        parameters: tuple[float, ...] = (),
    ) -> None:
        self.name, self.symbol, self.parameters = name, symbol, parameters
        self.value, self.every = value, every
        self.partials: tuple[Any, ...] = partials

    def derivatives(self, m: "Mathematics", y: Number, *xs: Number, wanted: Sequence[bool] = ()) -> Sequence[Number]:
        """The local derivatives, one for each input; where `wanted` says False there may be None in place of one."""
        if self.every:
            return self.every(m, y, *xs)
        return [
            (partial(m, y, *xs) if callable(partial) else partial) if not wanted or wanted[i] else None
            for i, partial in enumerate(self.partials)
        ]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})" if self.parameters else self.name

    def __repr__(self) -> str:
        return f"<Op {self}>"

    def __reduce__(self) -> tuple[Callable[..., "Op"], tuple[Any, ...]]:
        return find, (self.name, *self.parameters)


class Closure(Op):
    """The rule of one node that has a function of its own to go back with, as micrograd's nodes have."""

    __slots__ = ("backward",)

    def __init__(self, symbol: str, backward: Callable[[], object]) -> None:
        super().__init__(symbol, symbol, self._refused, every=self._refused)
        self.backward = backward

    def _refused(self, *_: Any) -> Any:
        raise NotImplementedError(
            f"a node of {self.name!r} has only a function `_backward`, which computes gradients as floats: to "
            "differentiate it twice, trace, copy or pickle it, enter the operation in the table with define_op"
        )

    __reduce__ = _refused


class Unlisted(Op):
    """An operation that is made by the engine itself: it is not in the table, and no rule calls it by its name."""

    __slots__ = ()

    def __init__(self, name: str, symbol: str, value: Rule, *partials: Partial, every: Rules | None = None) -> None:
        super().__init__(name, symbol, value, *partials, every=every)
        _UNLISTED[name] = self

    def __reduce__(self) -> tuple[Callable[..., Op], tuple[Any, ...]]:
        return _unlisted, (self.name,)


_UNLISTED: dict[str, Op] = {}


def _unlisted(name: str) -> Op:
    return _UNLISTED[name]


OPS: dict[str, Op] = {}
FAMILIES: dict[str, Callable[..., Op]] = {}  # operations that differ in plain numbers only, as x**2 and x**3


def define(name: str, symbol: str, value: Rule, *partials: Partial, every: Rules | None = None) -> Op:
    """Enters an operation in the table; what it consists of stands at `Op`."""
    OPS[name] = op = Op(name, symbol, value, *partials, every=every)
    return op


def family(name: str, symbol: str, value: Callable[..., Rule], *partials: Callable[..., Rule]) -> Callable[..., Op]:
    """Enters a family: its value and partials take the plain numbers first, and return the rules of one member."""

    def member(*numbers: float) -> Op:
        parameters = tuple([x if isinstance(x, int) else float(x) for x in numbers])  # NumPy's are not written alike
        rules = [partial(*parameters) for partial in partials]
        return Op(name, symbol.format(*parameters), value(*parameters), *rules, parameters=parameters)

    FAMILIES[name] = cached = lru_cache(maxsize=1024, typed=True)(member)
    return cached


def find(name: str, *parameters: float) -> Op:
    """The operation of that name; `KeyError` where there is none (yet)."""
    if name not in (FAMILIES if parameters else OPS):
        raise KeyError(f"no operation is called {name!r}; define your own ones before they are used")
    return FAMILIES[name](*parameters) if parameters else OPS[name]


def with_symbol(symbol: str, inputs: int) -> Op:
    """The operation on so many inputs drawn with that symbol; one without a derivative where the table has none."""
    if symbol.startswith("**") and symbol != "**" and inputs == 1:
        with suppress(ValueError):
            return find("power", (float if "." in symbol else int)(symbol[2:]))
    fitting = [op for op in OPS.values() if op.symbol and (op.every or len(op.partials) == inputs)]
    known = {op.symbol: op for op in reversed(fitting)}  # the first one of a symbol stays
    return known.get(symbol) or Op(symbol, symbol, _unknown(symbol), every=_unknown(symbol))


def _unknown(symbol: str) -> Rule:
    def rule(*_: Number) -> Number:
        raise NotImplementedError(f"operation {symbol!r} is not in the rule table: enter it with define_op")

    return rule


class Mathematics:
    """What a rule may call on one kind of number: a subclass supplies what `Floats` does, the table all the rest."""

    pi: Number = math.pi

    def sum(self, xs: Sequence[Number]) -> Number:
        """Of all inputs of an operation; where one number stands for a row of them, of that row."""
        return sum(xs)

    def __getattr__(self, name: str) -> Rule:
        if name in OPS and name not in vars(Floats):
            return partial(OPS[name].value, self)
        raise AttributeError(f"{type(self).__name__} has no function {name!r} for a rule to call")


class Floats(Mathematics):
    """Python's floats. A nan stays nan; outside its domain a function raises one of Python's own arithmetic errors."""

    exp, exp2, expm1, sqrt = math.exp, math.exp2, math.expm1, math.sqrt
    log, log2, log10, log1p = math.log, math.log2, math.log10, math.log1p
    sin, cos, tan, asin, acos, atan = math.sin, math.cos, math.tan, math.asin, math.acos, math.atan
    sinh, cosh, tanh, asinh, acosh, atanh = math.sinh, math.cosh, math.tanh, math.asinh, math.acosh, math.atanh
    erfc, abs = math.erfc, abs

    @staticmethod
    def sign(x: float) -> float:
        return math.copysign(1.0, x) if x == x and x else x

    @staticmethod
    def step(x: float) -> float:
        return 1.0 if x > 0 else 0.0 if x <= 0 else x

    @staticmethod
    def where(c: float, a: float, b: float) -> float:
        return a if c != 0 else b

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
