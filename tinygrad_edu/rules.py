"""What a rule is: an operation's value and its local derivatives, generic in the numbers they work on.

A rule uses `+ - * / **` and, for all else, the functions of `m`, the number system. With `FLOATS` a rule computes; with
Values it records, so that a gradient can be differentiated again; arrays, more digits, or text need one more
`NumberSystem` and no new rule. The rules themselves stand in `ops.py`.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple

Number = Any  # a float, a Value, an array, a text: whatever `m` works on
Rule = Callable[..., Number]
Partial = Rule | float  # a local derivative; a plain number where it is the same everywhere
Rules = Callable[..., Sequence[Number]]

ANY, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)  # precedences: a sum binds least tightly, a name or a call most


class Op:
    """One operation: its value, its local derivatives, and its traits, which all that shows or tests operations asks.

    Formulas: y = `value(m, *xs)`, and ∂y/∂xᵢ = `partials[i](m, y, *xs)`.

    An operation is pickled by its name: rules stay in the code.

    Attributes:
        name: By which rules, files and error texts call it.
        symbol: What drawings show, and Python's operator where there is one.
        value: The rule of y.
        partials: A rule of ∂y/∂xᵢ for each input, or a plain number where it is the same everywhere, so that only those
            are computed that somebody asks for.
        every: In place of `partials`, one rule of all derivatives; for an operation on any number of inputs.
        parameters: The plain numbers fixed in the operation, as the 3 of x**3.
        arity: The number of inputs; None for any number.
        commutes: Whether the order of the two inputs changes nothing.
        precedence: How tightly the operator binds, from SUM to ATOM; None for what is written as a call.
        lists: The number of lists, all of one length, in which the function for users takes the inputs; 0 for numbers.
        function: The name of the function for users.
        neutral: The number x₂ for which y is x₁; None where there is none.
        of_two: For an operation that joins any number of inputs, the operation that joins two of them.
    """

    __slots__ = (
        "arity",
        "commutes",
        "every",
        "function",
        "lists",
        "name",
        "neutral",
        "of_two",
        "parameters",
        "partials",
        "precedence",
        "symbol",
        "value",
    )

    def __init__(
        self,
        name: str,
        symbol: str,
        value: Rule,
        *partials: Partial,
        every: Rules | None = None,
        parameters: tuple[float, ...] = (),
        arity: int | None = None,
        commutes: bool = False,
        precedence: int | None = None,
        lists: int = 0,
        function: str = "",
        neutral: float | None = None,
        of_two: "Op | None" = None,
    ) -> None:
        self.name, self.symbol, self.parameters = name, symbol, parameters
        self.value, self.every = value, every
        self.partials: tuple[Any, ...] = partials
        self.arity = arity if every else len(partials)
        self.commutes, self.precedence, self.neutral, self.of_two = commutes, precedence, neutral, of_two
        self.lists, self.function = lists, function or name

    @property
    def is_native(self) -> bool:
        """Whether every number system brings it along, as a function of this name; all others are made of these."""
        return self.name in vars(Floats)

    def derivatives(self, m: "NumberSystem", y: Number, *xs: Number, wanted: Sequence[bool] = ()) -> Sequence[Number]:
        """Computes the local derivatives.

        Args:
            m: The number system of y and xs.
            y: The value of the operation at xs.
            xs: The inputs.
            wanted: For each input whether its derivative is needed; by default all are.

        Returns:
            ∂y/∂xᵢ for each input; for one that is not wanted there may be None.
        """
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
    """The rule of a single node with its own function that computes gradients, as micrograd's nodes have it."""

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
    """An operation that only this package makes: it is not in the table, and no rule calls it by its name."""

    __slots__ = ()

    def __init__(self, name: str, symbol: str, value: Rule, *partials: Partial, every: Rules | None = None) -> None:
        super().__init__(name, symbol, value, *partials, every=every)
        _UNLISTED[name] = self

    def __reduce__(self) -> tuple[Callable[..., Op], tuple[Any, ...]]:
        return _unlisted, (self.name,)


_UNLISTED: dict[str, Op] = {}


def _unlisted(name: str) -> Op:
    return _UNLISTED[name]


class Family(NamedTuple):
    """Operations that differ in plain numbers only, as x**2 and x**3.

    Attributes:
        member: Makes the operation with these parameters.
        arity: The number of inputs of a member.
        examples: Some parameters, the simplest first, to test members with.
        ranges: Where there are no examples, the bounds of each parameter; several parameters ascend.
        make: As `member`, of parameters of any kind of number.
    """

    member: Callable[..., Op]
    arity: int
    examples: Sequence[tuple[float, ...]]
    ranges: Sequence[tuple[float, float]]
    make: Callable[..., Op]


OPS: dict[str, Op] = {}
FAMILIES: dict[str, Family] = {}


def define(name: str, symbol: str, value: Rule, *partials: Partial, every: Rules | None = None, **traits: Any) -> Op:
    """Enters an operation in the table.

    Args:
        name: See `Op`, as for the others.
        symbol: What drawings show.
        value: The rule of y.
        partials: A rule for each input, or a plain number.
        every: One rule for all inputs.
        traits: The further attributes of `Op` that differ from their defaults.

    Returns:
        The operation.
    """
    OPS[name] = op = Op(name, symbol, value, *partials, every=every, **traits)
    return op


def family(
    name: str,
    symbol: str,
    value: Callable[..., Rule],
    *partials: Callable[..., Rule],
    examples: Sequence[tuple[float, ...]] = (),
    ranges: Sequence[tuple[float, float]] = (),
) -> Callable[..., Op]:
    """Enters a family in the table.

    Args:
        name: The name of all its members.
        symbol: What drawings show, with gaps for the parameters, as in "**{}".
        value: A function of the parameters that returns the rule of y.
        partials: For each input a function of the parameters that returns the rule of ∂y/∂xᵢ.
        examples: See `Family`.
        ranges: See `Family`.

    Returns:
        A function of the parameters that returns the member.
    """

    def make(*parameters: Number) -> Op:
        rules = [partial(*parameters) for partial in partials]
        return Op(name, symbol.format(*parameters), value(*parameters), *rules, parameters=parameters)

    def member(*numbers: float) -> Op:
        return make(*[x if isinstance(x, int) else float(x) for x in numbers])  # NumPy's are not written alike

    cached = lru_cache(maxsize=1024, typed=True)(member)
    FAMILIES[name] = Family(cached, len(partials), examples, ranges, make)
    return cached


def find(name: str, *parameters: float) -> Op:
    """Finds an operation in the table.

    Args:
        name: The name of the operation, or of a family.
        parameters: The parameters of the member of the family.

    Returns:
        The operation.

    Raises:
        KeyError: There is none of that name (yet).

    Example:
        >>> find("tanh"), find("power", 3)
        (<Op tanh>, <Op power(3)>)
    """
    if name not in (FAMILIES if parameters else OPS):
        raise KeyError(f"no operation is called {name!r}; define your own ones before they are used")
    return FAMILIES[name].member(*parameters) if parameters else OPS[name]


def with_symbol(symbol: str, inputs: int) -> Op:
    """Finds the operation on so many inputs that is drawn with a symbol.

    Args:
        symbol: The symbol, as "+" or "**3".
        inputs: The number of inputs.

    Returns:
        The operation; where the table has none, one without a value and a derivative.
    """
    if symbol.startswith("**") and symbol != "**" and inputs == 1:
        with suppress(ValueError):
            return find("power", (float if "." in symbol else int)(symbol[2:]))
    fitting = [op for op in OPS.values() if op.symbol and op.arity in (None, inputs)]
    known = {op.symbol: op for op in reversed(fitting)}  # the first one of a symbol stays
    return known.get(symbol) or Op(symbol, symbol, _refuse_unknown(symbol), every=_refuse_unknown(symbol))


def _refuse_unknown(symbol: str) -> Rule:
    def rule(*_: Number) -> Number:
        raise NotImplementedError(f"operation {symbol!r} is not in the rule table: enter it with define_op")

    return rule


class NumberSystem:
    """What a rule may call on one kind of number: a subclass supplies what `Floats` does, the table all the rest."""

    pi: Number = math.pi

    def sum(self, xs: Sequence[Number]) -> Number:
        """Adds up all inputs of an operation.

        Args:
            xs: The inputs; or one number that stands for a row of them.

        Returns:
            Σ xᵢ, or the sum of the row.
        """
        return sum(xs)

    def __getattr__(self, name: str) -> Rule:
        if name in OPS and not OPS[name].is_native:
            return partial(OPS[name].value, self)
        raise AttributeError(f"{type(self).__name__} has no function {name!r} for a rule to call")


class Floats(NumberSystem):
    """Python's floats: a nan stays nan, and outside its domain a function raises one of Python's arithmetic errors."""

    exp, exp2, expm1, sqrt = math.exp, math.exp2, math.expm1, math.sqrt
    log, log2, log10, log1p = math.log, math.log2, math.log10, math.log1p
    sin, cos, tan, asin, acos, atan = math.sin, math.cos, math.tan, math.asin, math.acos, math.atan
    sinh, cosh, tanh, asinh, acosh, atanh = math.sinh, math.cosh, math.tanh, math.asinh, math.acosh, math.atanh
    erfc, abs = math.erfc, abs

    @staticmethod
    def sign(x: float) -> float:
        """Computes −1, 0 or 1."""
        return math.copysign(1.0, x) if x == x and x else x

    @staticmethod
    def step(x: float) -> float:
        """Computes 1 for x > 0, else 0."""
        return 1.0 if x > 0 else 0.0 if x <= 0 else x

    @staticmethod
    def where(c: float, a: float, b: float) -> float:
        """Chooses a where c is not 0, else b."""
        return a if c != 0 else b

    @staticmethod
    def maximum(a: float, b: float) -> float:
        """Chooses the larger number, or the nan."""
        return a if a > b or a != a else b

    @staticmethod
    def minimum(a: float, b: float) -> float:
        """Chooses the smaller number, or the nan."""
        return a if a < b or a != a else b

    @staticmethod
    def pow(a: float, b: float) -> float:
        """Computes aᵇ; raises `ValueError` where it is not real."""
        y: float | complex = a**b
        if isinstance(y, complex):
            raise ValueError("a negative number has no real power with a fractional exponent")
        return y


FLOATS = Floats()
