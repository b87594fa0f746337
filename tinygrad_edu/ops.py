"""The rule table: each operation stated once, its value beside its local derivatives and its traits.

`rules.py` says what a rule is, and which traits there are. Kinks follow PyTorch: relu, abs, step and sign have slope 0
at 0, a tie of maximum or minimum shares the gradient equally, clamp passes it inside the closed interval. No rule
branches on its numbers, or the branch would be frozen into second derivatives; a slope that jumps is written with
`step`, `sign` and `where`, operations themselves. Nodes and gradients are left to `engine.py`, the functions for users
to `functional.py`, how operations are written in other languages to `compiler/printers/notation.py`.
"""

from functools import reduce
from math import inf
from operator import mul
from sys import float_info

from .rules import PRODUCT, SIGN, SUM, Number, NumberSystem, Partial, Rule, Unlisted, define, family


def _by_name(name: str) -> Rule:
    """The value that every number system brings along, as its function of that name."""
    return lambda m, *xs: getattr(m, name)(*xs)


def _zero(m: NumberSystem, x: Number) -> Number:
    """1 where x is 0, else 0."""
    return 1.0 - m.abs(m.sign(x))


def _shares(m: NumberSystem, xs: list[Number]) -> list[Number]:
    """Each number's share of their sum."""
    whole = m.sum(xs)
    return [x / whole for x in xs]


def _winners(better: str, m: NumberSystem, y: Number, *xs: Number) -> list[Number]:
    """The share of each number that is as good as the best one, y. The bound keeps ∞ − ∞ away."""
    if better == "maximum":
        best = m.minimum(y, float_info.max)
        return _shares(m, [1.0 - m.step(best - x) for x in xs])
    best = m.maximum(y, -float_info.max)
    return _shares(m, [1.0 - m.step(x - best) for x in xs])


# ---- arithmetic ------------------------------------------------------------------------------------------------------
LEAF = define("leaf", "", lambda m: None)
CONSTANT = define("constant", "", lambda m: None)
DETACH = Unlisted("detach", "detach", lambda m, x: x, 0.0)  # its slope is 0 by decree
TAKE = Unlisted(  # x₀, x₁, …, i → xᵢ, as a list is indexed
    "take",
    "take",
    lambda m, *xs: xs[:-1][int(xs[-1])],
    every=lambda m, y, *xs: (*[_zero(m, (xs[-1] - k) * (xs[-1] - k + len(xs) - 1)) for k in range(len(xs) - 1)], 0.0),
)
ADD = define("add", "+", lambda m, a, b: a + b, 1.0, 1.0, precedence=SUM, commutes=True, neutral=0.0)
SUB = define("sub", "-", lambda m, a, b: a - b, 1.0, -1.0, precedence=SUM, neutral=0.0)
MUL = define(
    "mul",
    "*",
    lambda m, a, b: a * b,
    lambda m, y, a, b: b,
    lambda m, y, a, b: a,
    precedence=PRODUCT,
    commutes=True,
    neutral=1.0,
)
DIV = define(
    "div",
    "/",
    lambda m, a, b: a / b,
    lambda m, y, a, b: 1.0 / b,
    lambda m, y, a, b: -y / b,
    precedence=PRODUCT,
    neutral=1.0,
)
NEG = define("neg", "neg", lambda m, x: -x, -1.0, precedence=SIGN)

# ---- functions that every kind of number brings along ----------------------------------------------------------------
_native: dict[str, tuple[Partial, ...]] = {
    "exp": (lambda m, y, x: y,),
    "exp2": (lambda m, y, x: y * m.log(2.0),),
    "expm1": (lambda m, y, x: m.exp(x),),
    "log": (lambda m, y, x: 1.0 / x,),
    "log2": (lambda m, y, x: 1.0 / m.log(2.0) / x,),
    "log10": (lambda m, y, x: 1.0 / m.log(10.0) / x,),
    "log1p": (lambda m, y, x: 1.0 / (1.0 + x),),
    "sqrt": (lambda m, y, x: 0.5 / y,),
    "sin": (lambda m, y, x: m.cos(x),),
    "cos": (lambda m, y, x: -m.sin(x),),
    "tan": (lambda m, y, x: 1.0 + y * y,),
    "asin": (lambda m, y, x: 1.0 / m.sqrt((1.0 - x) * (1.0 + x)),),
    "acos": (lambda m, y, x: -1.0 / m.sqrt((1.0 - x) * (1.0 + x)),),
    "atan": (lambda m, y, x: 1.0 / (1.0 + x * x),),
    "sinh": (lambda m, y, x: m.cosh(x),),
    "cosh": (lambda m, y, x: m.sinh(x),),
    "tanh": (lambda m, y, x: 1.0 - y * y,),
    "asinh": (lambda m, y, x: 1.0 / (x * m.tanh(y) + 1.0 / m.cosh(y)),),  # 1/√(x² + 1), where x² does not overflow
    "acosh": (lambda m, y, x: 1.0 / (m.sqrt(x - 1.0) * m.sqrt(x + 1.0)),),
    "atanh": (lambda m, y, x: 1.0 / ((1.0 - x) * (1.0 + x)),),
    "erfc": (lambda m, y, x: -2.0 / m.sqrt(m.pi) * m.exp(-x * x),),
    "abs": (lambda m, y, x: m.sign(x),),
    "step": (0.0,),
    "sign": (0.0,),
    "where": (0.0, lambda m, y, c, a, b: m.where(c, 1.0, 0.0), lambda m, y, c, a, b: m.where(c, 0.0, 1.0)),
}
for _name, _partials in _native.items():
    define(_name, _name, _by_name(_name), *_partials)
MAXIMUM = define(
    "maximum",
    "maximum",
    _by_name("maximum"),
    lambda m, y, a, b: 0.5 + 0.5 * m.sign(a - b),
    lambda m, y, a, b: 0.5 - 0.5 * m.sign(a - b),
    commutes=True,
    neutral=-inf,
)
MINIMUM = define(
    "minimum",
    "minimum",
    _by_name("minimum"),
    lambda m, y, a, b: 0.5 - 0.5 * m.sign(a - b),
    lambda m, y, a, b: 0.5 + 0.5 * m.sign(a - b),
    commutes=True,
    neutral=inf,
)
POW = define(  # 0⁰ is 1 and flat, not 0·∞; and 0ᵇ is flat in b, not 0·(-∞)
    "pow",
    "**",
    lambda m, a, b: m.pow(a, b),
    lambda m, y, a, b: b * (a + _zero(m, a) * _zero(m, b)) ** (b - 1.0),
    lambda m, y, a, b: y * m.log(a + _zero(m, a)),
)

# ---- functions made of these, each in the form that does not overflow ------------------------------------------------
define(
    "sigmoid",
    "sigmoid",
    lambda m, x: m.exp(m.minimum(x, 0.0)) / (1.0 + m.exp(-m.abs(x))),
    lambda m, y, x: y * (1.0 - y),
)
define("softplus", "softplus", lambda m, x: m.maximum(x, 0.0) + m.log1p(m.exp(-m.abs(x))), lambda m, y, x: m.sigmoid(x))
define("relu", "ReLU", lambda m, x: m.maximum(x, 0.0), lambda m, y, x: m.step(x))
define("silu", "SiLU", lambda m, x: x * m.sigmoid(x), lambda m, y, x: m.sigmoid(x) * (1.0 + x * m.sigmoid(-x)))
define(
    "gelu",
    "GELU",
    lambda m, x: 0.5 * x * m.erfc(-x * m.sqrt(0.5)),
    lambda m, y, x: 0.5 * m.erfc(-x * m.sqrt(0.5)) + x * m.exp(-0.5 * x * x) / m.sqrt(2.0 * m.pi),
)

# ---- operations on any number of inputs ------------------------------------------------------------------------------
TOTAL = define(
    "total",
    "total",
    lambda m, *xs: sum(xs, 0.0),
    every=lambda m, y, *xs: (1.0,) * len(xs),
    lists=1,
    neutral=ADD.neutral,
    of_two=ADD,
)
DOT = define(  # x₁·w₁ + x₂·w₂ + …, the inputs being x₁, x₂, …, w₁, w₂, …
    "dot",
    "dot",
    lambda m, *xws: sum(map(mul, xws[: len(xws) // 2], xws[len(xws) // 2 :]), 0.0),
    every=lambda m, y, *xws: xws[len(xws) // 2 :] + xws[: len(xws) // 2],
    lists=2,
)
for _name, _of_two in (("largest", MAXIMUM), ("smallest", MINIMUM)):  # of any number but two
    define(
        _name,
        _of_two.symbol,
        lambda m, *xs, _of_two=_of_two: reduce(getattr(m, _of_two.name), xs),
        every=lambda m, y, *xs, _of_two=_of_two: _winners(_of_two.name, m, y, *xs),
        function=_of_two.function,
        neutral=_of_two.neutral,
        of_two=_of_two,
    )
LOGSUMEXP = define(  # log(eᵃ + eᵇ) = max(a, b) + log(1 + e^(-|a - b|)) keeps the digits of what is added to the largest
    "logsumexp",
    "logsumexp",
    lambda m, *xs: reduce(lambda a, b: m.maximum(a, b) + m.log1p(m.exp(-m.abs(a - b))), xs),
    every=lambda m, y, *xs: _shares(m, [m.exp(x - y) for x in xs]),
    lists=1,
    neutral=-inf,
)
LOGSUMEXP.of_two = LOGSUMEXP


# ---- families: plain numbers are part of the operation and have no gradient ------------------------------------------
power = family(  # for a negative x, where a variable exponent would meet a logarithm, and for x⁰, whose slope is 0
    "power",
    "**{}",
    lambda n: lambda m, x: m.pow(x, n),
    lambda n: lambda m, y, x: n * m.pow(x, n - 1) if n else 0.0,
    examples=((2,), (3,), (-1,), (0.5,), (1,), (0,), (-2,), (-0.5,), (4,), (2.0,)),
)
exponential = family(
    "exponential",
    "{}**",
    lambda base: lambda m, x: m.pow(base, x),
    lambda base: lambda m, y, x: y * m.log(base) if base else 0.0,
    ranges=((0.1, 4.0),),
)
leaky_relu = family(
    "leaky_relu",
    "LeakyReLU",
    lambda slope: lambda m, x: m.maximum(x, 0.0) + slope * m.minimum(x, 0.0),
    lambda slope: lambda m, y, x: m.step(x) + slope * (1.0 - m.step(x)),
    ranges=((0.0, 1.0),),
)
elu = family(
    "elu",
    "ELU",
    lambda alpha: lambda m, x: m.maximum(x, 0.0) + alpha * m.expm1(m.minimum(x, 0.0)),
    lambda alpha: lambda m, y, x: m.step(x) + (1.0 - m.step(x)) * alpha * m.exp(m.minimum(x, 0.0)),
    ranges=((0.1, 2.0),),
)
clamp = family(
    "clamp",
    "clamp",
    lambda low, high: lambda m, x: m.minimum(m.maximum(x, low), high),
    lambda low, high: lambda m, y, x: 1.0 - m.step(low - x) - m.step(x - high),
    ranges=((-4.0, 4.0), (-4.0, 4.0)),
)
