"""Expressions that come as text, as on a command line: "tanh(w*x + b)" becomes the Value that Python would make of it.

Nothing is evaluated as Python: the text is parsed, each of its parts must be on a short list (numbers, names,
operators, functions of the package), and the Value is built part by part. Whatever else stands there is an error that
points at its column.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from sys import float_info
from typing import Any
from unicodedata import normalize

from tinygrad_edu import functional
from tinygrad_edu.engine import Value, apply, constant
from tinygrad_edu.rules import OPS

OF_ONE = """
exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erfc
sigmoid softplus relu gelu silu leaky_relu elu abs sign step
""".split()
OF_MORE = {"clamp": 3, "where": 3}
OF_TWO_AND_MORE = ["maximum", "minimum"]
OF_ANY = ["total", "mean", "prod", "logsumexp"]
FUNCTIONS = sorted([*OF_ONE, *OF_MORE, *OF_TWO_AND_MORE, *OF_ANY, "dot"])
CONSTANTS = {"pi": math.pi, "e": math.e}
LONGEST = 10_000  # characters: more is no expression that somebody typed

# What Python reads with a warning: a number that runs into a keyword, as 1or 2, and texts with a backslash. Nothing of
# it is an expression here, so it is an error before Python sees it: warnings could be turned into errors for the whole
# process only, other threads included.
_DOUBTFUL = re.compile(r"\\|(?<!\w)[0-9][\w.]*?(?:and|else|for|if|in|is|not|or)")

_OPERATORS: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("sub", operator.sub),
    ast.Mult: ("mul", operator.mul),
    ast.Div: ("div", operator.truediv),
    ast.Pow: ("pow", operator.pow),
}


class ExpressionError(ValueError):
    """An expression that cannot be read; the message, one line, points at the column."""


class DomainError(ExpressionError):
    """An expression that can be read, with an operation that is not defined at its numbers."""


def parse(text: str, numbers: Mapping[str, Value | float]) -> Value:
    """The Value of an expression, its names being leaves with these numbers; each name is one leaf, with its label.
    In place of a number a Value may stand, which then is the leaf.

    Numbers, names, brackets, + - * / **, pi and e, and the functions of the package that return one number are allowed;
    `dot` takes two lists in brackets [ ], `total`, `mean`, `prod` and `logsumexp` take one, or the numbers themselves.

    >>> y = parse("tanh(w*x + b)", {"w": 0.5, "x": 2.0, "b": -1.0})
    >>> y
    Value(data=0.0, grad=0.0)
    >>> parse("w*y", {"w": 0.5})
    Traceback (most recent call last):
    ...
    tinygrad_edu.cli.expressions.ExpressionError: column 3: y has no number; add y=1.0 (in "w*y")

    Raises `ExpressionError` for all else, and for a number in `numbers` that the expression does not use;
    `DomainError`, which is one, where an operation is not defined; `TypeError` for what is no text, or no mapping.
    """
    if not isinstance(text, str) or not isinstance(numbers, Mapping):
        example = 'parse("w*x + b", {"w": 0.5, "x": 2.0, "b": 1.0})'
        raise TypeError(f"parse takes a text and a dict of numbers, as in {example}, not {text!r} and {numbers!r}")
    return _Reader(text, numbers).value()


def assignments(texts: Sequence[str]) -> dict[str, float]:
    """The numbers of "name=number", as they are written on a command line.

    >>> assignments(["w=0.5", "x=-2"])
    {'w': 0.5, 'x': -2.0}

    Raises `ExpressionError` for a text of another form, a name that means something else, and one that comes twice.
    """
    numbers: dict[str, float] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        name = normalize("NFKC", left.strip())  # as Python does with the names that it reads
        if not equals or not name.isidentifier() or iskeyword(name):
            raise ExpressionError(f"column 1: {_quoted(text)} is not of the form name=number, as in x=2.5")
        if name in FUNCTIONS or name in CONSTANTS:
            raise ExpressionError(f"column 1: {name} means something already, take another name (in {_quoted(text)})")
        if name in numbers:
            raise ExpressionError(f"column 1: {name} has a number already, {numbers[name]} (in {_quoted(text)})")
        try:
            numbers[name] = float(right)
        except ValueError:
            numbers[name] = math.nan
        if not math.isfinite(numbers[name]):
            raise ExpressionError(f"column {len(left) + 2}: {_quoted(right)} is not a number (in {_quoted(text)})")
    return numbers


class _Reader:
    """One reading of one text."""

    def __init__(self, text: str, numbers: Mapping[str, Value | float]) -> None:
        self.text = " ".join(text.splitlines()).strip()
        self.leaves = {name: x if isinstance(x, Value) else Value(x, label=name) for name, x in numbers.items()}
        self.unused = {*numbers}

    def value(self) -> Value:
        if len(self.text) > LONGEST:
            raise ExpressionError(f"the expression has {len(self.text)} characters; {LONGEST} are allowed")
        if not self.text:
            raise ExpressionError('the expression is empty; write one as "tanh(w*x + b)"')
        try:
            y = self.number(self.parsed())
        except (RecursionError, MemoryError):
            raise self.wrong_at(0, "too many brackets or signs in one another") from None
        if self.unused:
            raise ExpressionError(
                f"{', '.join(sorted(self.unused))} has a number, but no place in {_quoted(self.text)}"
            )
        return y if isinstance(y, Value) else constant(y)

    def parsed(self) -> ast.expr:
        doubtful = _DOUBTFUL.search(self.text)
        if doubtful:
            what = "a backslash" if doubtful[0] == "\\" else "a number that runs into a word"
            raise self.wrong_at(doubtful.start(), f"this is no expression ({what})")
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            column = error.offset - 1 if error.offset else len(self.text)  # 0 is where something is missing: the end
            raise self.wrong_at(min(column, len(self.text)), f"this is no expression ({_clipped(error.msg)})") from None
        except ValueError as error:  # a null character, half of a surrogate pair
            raise self.wrong_at(0, f"this is no expression ({_clipped(str(error))})") from None

    def number(self, node: ast.expr) -> Any:
        """What a part of the expression is: a Value, or a plain number."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if abs(number) > float_info.max:
                    raise self.wrong(node, "a number is too large for a float")
                return number if abs(number) < 2**53 else float(number)
            case ast.Constant():
                raise self.wrong(node, f"{_clipped(ast.unparse(node))} is not a real number")
            case ast.Name(id=name):
                return self.named(node, name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.number(operand)
            case ast.BinOp():
                return self.combined(node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.called(node, name, arguments)
        raise self.wrong(node, f"{_kind(node)} is not allowed in an expression")

    def combined(self, node: ast.expr) -> Any:
        """a + b, and also the longest sums, which Python reads as ((a + b) + c) + …, without recursion."""
        chain = []
        while isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.BitXor):
                raise self.wrong(node, "^ is not an operator here; a power is written **")
            if type(node.op) not in _OPERATORS:
                raise self.wrong(node, f"{_kind(node)} is not allowed in an expression")
            chain.append(node)
            node = node.left
        y = self.number(node)
        for outer in reversed(chain):
            x = self.number(outer.right)
            y = self.at(outer, lambda a=y, b=x, op=outer.op: _computed(op, a, b))  # type: ignore[misc]
        return y

    def named(self, node: ast.expr, name: str) -> Any:
        if name in self.leaves:
            self.unused.discard(name)
            return self.leaves[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS:
            raise self.wrong(node, f"{name} is a function: write {name}(…)")
        raise self.wrong(node, f"{name} has no number; add {name}=1.0")

    def called(self, node: ast.Call, name: str, arguments: list[ast.expr]) -> Any:
        if name not in FUNCTIONS:
            raise self.wrong(node, f"there is no function {name}; there are {', '.join(FUNCTIONS)}")
        function = getattr(functional, name)
        if name == "dot":
            lists = [
                self.listed(argument, "dot takes two lists, as in dot([w1, w2], [x1, x2])") for argument in arguments
            ]
            if len(lists) != 2:
                raise self.wrong(node, "dot takes two lists, as in dot([w1, w2], [x1, x2])")
            return self.at(node, lambda: function(*lists))
        if name in OF_ANY:
            is_list = len(arguments) == 1 and isinstance(arguments[0], (ast.List, ast.Tuple))
            numbers = self.listed(arguments[0], "") if is_list else [self.number(x) for x in arguments]
            return self.at(node, lambda: function(numbers))
        least, most = OF_MORE.get(name, 1), OF_MORE.get(name, 2 if name in ("elu", "leaky_relu") else 1)
        or_most = f" or {most}" if most > least else ""
        if name in OF_TWO_AND_MORE:
            least, most, or_most = 2, max(2, len(arguments)), " or more"
        if not least <= len(arguments) <= most:
            raise self.wrong(
                node,
                f"{name} takes {least}{or_most} number(s)",
            )
        xs = [self.number(x) for x in arguments]
        plain = xs[1:] if name in ("elu", "leaky_relu", "clamp") else []
        for argument, x in zip(arguments[1:], plain):
            if isinstance(x, Value):
                raise self.wrong(argument, f"here {name} takes a plain number, without names")
        return self.at(node, lambda: function(*xs))

    def listed(self, node: ast.expr, otherwise: str) -> list[Any]:
        if not isinstance(node, (ast.List, ast.Tuple)):
            raise self.wrong(node, otherwise)
        return [self.number(x) for x in node.elts]

    def at(self, node: ast.expr, compute: Callable[[], Any]) -> Any:
        """Computes; where that fails, says at which column."""
        try:
            return compute()
        except (ValueError, ArithmeticError) as error:
            raise DomainError(str(self.wrong(node, str(error)))) from None

    def wrong(self, node: ast.expr, why: str) -> ExpressionError:
        """Points at the operator, the dot or the like where there is one, else at the beginning."""
        match node:
            case (
                ast.BinOp(left=first)
                | ast.Compare(left=first)
                | ast.Attribute(value=first)
                | ast.Subscript(value=first)
            ):
                rest = self.text.encode()[first.end_col_offset :].decode().lstrip(" )")  # Python counts bytes
            case _:
                rest = self.text.encode()[node.col_offset :].decode()
        column = len(self.text) - len(rest)
        return self.wrong_at(column, why)

    def wrong_at(self, column: int, why: str) -> ExpressionError:
        return ExpressionError(f"column {column + 1}: {why} (in {_quoted(self.text)})")


def _computed(op: ast.operator, a: Any, b: Any) -> Any:
    """As Python computes with Values; with plain numbers by the rule, so that the errors are the engine's."""
    name, compute = _OPERATORS[type(op)]
    return compute(a, b) if isinstance(a, Value) or isinstance(b, Value) else apply(OPS[name], a, b).data


def _quoted(text: str) -> str:
    return f'"{_clipped(text)}"'


def _clipped(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind(node: ast.expr) -> str:
    """A part of Python by the name that people know it by."""
    known = {
        "Attribute": "a dot after a name",
        "Subscript": "an index",
        "Lambda": "a lambda",
        "Compare": "a comparison",
        "BoolOp": "and/or",
        "IfExp": "if/else",
        "NamedExpr": "an assignment",
        "List": "a list",
        "Tuple": "a comma",
        "JoinedStr": "a text",
        "Starred": "a star before a name",
        "BinOp": "this operator",
        "Call": "this kind of call",
    }
    return known.get(type(node).__name__, "this part of Python")
