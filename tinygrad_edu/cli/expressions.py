"""Expressions as text, as on a command line: "tanh(w*x + b)" becomes the Value that Python would make of it.

Nothing is evaluated as Python: the text is parsed, each of its parts must be on a short list (numbers, names,
operators, functions of the package), and the Value is built part by part. Anything else is an error that points at its
column. What is done with the Value is left to `commands.py`.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from keyword import iskeyword
from sys import float_info
from typing import Any
from unicodedata import normalize

from tinygrad_edu import functional
from tinygrad_edu.compiler.printers.notation import FUNCTIONS_FOR_USERS as FUNCTIONS
from tinygrad_edu.compiler.printers.notation import OF_ONE_LIST
from tinygrad_edu.engine import Value, apply, make_constant
from tinygrad_edu.ops import ADD, DIV, DOT, MUL, POW, SUB
from tinygrad_edu.rules import FAMILIES, Op

CONSTANTS = {"pi": math.pi, "e": math.e}
MAX_LENGTH = 10_000  # characters: more is no expression that somebody typed

# Python gives a warning for a number that runs into a keyword, as 1or 2, and for texts with a backslash. Neither is an
# expression here, so both are errors before Python parses the text: warnings could be turned into errors for the whole
# process only, other threads included.
_DOUBTFUL = re.compile(r"\\|(?<!\w)[0-9][\w.]*?(?:and|else|for|if|in|is|not|or)")

_OPERATORS: dict[type, tuple[Op, Callable[[Any, Any], Any]]] = {
    ast.Add: (ADD, operator.add),
    ast.Sub: (SUB, operator.sub),
    ast.Mult: (MUL, operator.mul),
    ast.Div: (DIV, operator.truediv),
    ast.Pow: (POW, operator.pow),
}


class ExpressionError(ValueError):
    """An expression that cannot be read; the message, one line, points at the column."""


class DomainError(ExpressionError):
    """An expression that can be read, with an operation that is not defined at its numbers."""


def parse(text: str, numbers: Mapping[str, Value | float]) -> Value:
    """The Value of an expression; each name in it is one leaf, with the name as its label.

    Numbers, names, brackets, + - * / **, pi and e, and the functions of the package that return one number are allowed.
    `dot` takes two lists in brackets [ ]; `total`, `mean`, `prod` and `logsumexp` take one list, or the numbers
    themselves. `numbers` has a number for each name, or a Value, which then is the leaf.

    >>> y = parse("tanh(w*x + b)", {"w": 0.5, "x": 2.0, "b": -1.0})
    >>> y
    Value(data=0.0, grad=0.0)
    >>> parse("w*y", {"w": 0.5})
    Traceback (most recent call last):
    ...
    tinygrad_edu.cli.expressions.ExpressionError: column 3: y has no number; add y=1.0 (in "w*y")

    Raises `ExpressionError` for anything else, and for a number in `numbers` that the expression does not use;
    `DomainError`, a kind of `ExpressionError`, where an operation is not defined; `TypeError` for what is no text, or
    no mapping.
    """
    if not isinstance(text, str) or not isinstance(numbers, Mapping):
        example = 'parse("w*x + b", {"w": 0.5, "x": 2.0, "b": 1.0})'
        raise TypeError(f"parse takes a text and a dict of numbers, as in {example}, not {text!r} and {numbers!r}")
    return _Reader(text, numbers).read()


def parse_assignments(texts: Sequence[str]) -> dict[str, float]:
    """The numbers of "name=number", as they are written on a command line.

    >>> parse_assignments(["w=0.5", "x=-2"])
    {'w': 0.5, 'x': -2.0}

    Raises `ExpressionError` for a text of another form, a name that means something else, and one that comes twice.
    """
    numbers: dict[str, float] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        name = normalize("NFKC", left.strip())  # as Python does with the names that it reads
        if not equals or not name.isidentifier() or iskeyword(name):
            raise ExpressionError(f"column 1: {_quote_text(text)} is not of the form name=number, as in x=2.5")
        if name in FUNCTIONS or name in CONSTANTS:
            raise ExpressionError(
                f"column 1: {name} means something already, take another name (in {_quote_text(text)})"
            )
        if name in numbers:
            raise ExpressionError(f"column 1: {name} has a number already, {numbers[name]} (in {_quote_text(text)})")
        try:
            numbers[name] = float(right)
        except ValueError:
            numbers[name] = math.nan
        if not math.isfinite(numbers[name]):
            raise ExpressionError(
                f"column {len(left) + 2}: {_quote_text(right)} is not a number (in {_quote_text(text)})"
            )
    return numbers


class _Reader:
    """Reads one text."""

    def __init__(self, text: str, numbers: Mapping[str, Value | float]) -> None:
        self.text = " ".join(text.splitlines()).strip()
        self.leaves = {name: x if isinstance(x, Value) else Value(x, label=name) for name, x in numbers.items()}
        self.unused = {*numbers}

    def read(self) -> Value:
        if len(self.text) > MAX_LENGTH:
            raise ExpressionError(f"the expression has {len(self.text)} characters; {MAX_LENGTH} are allowed")
        if not self.text:
            raise ExpressionError('the expression is empty; write one as "tanh(w*x + b)"')
        try:
            y = self.read_number(self.parse_text())
        except (RecursionError, MemoryError):
            raise self.error_at_column(0, "too many brackets or signs in one another") from None
        if self.unused:
            raise ExpressionError(
                f"{', '.join(sorted(self.unused))} has a number, but no place in {_quote_text(self.text)}"
            )
        return y if isinstance(y, Value) else make_constant(y)

    def parse_text(self) -> ast.expr:
        doubtful = _DOUBTFUL.search(self.text)
        if doubtful:
            what = "a backslash" if doubtful[0] == "\\" else "a number that runs into a word"
            raise self.error_at_column(doubtful.start(), f"this is no expression ({what})")
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            column = error.offset - 1 if error.offset else len(self.text)  # 0 is where something is missing: the end
            raise self.error_at_column(
                min(column, len(self.text)), f"this is no expression ({_clip_text(error.msg)})"
            ) from None
        except ValueError as error:  # a null character, half of a surrogate pair
            raise self.error_at_column(0, f"this is no expression ({_clip_text(str(error))})") from None

    def read_number(self, node: ast.expr) -> Any:
        """The Value, or the plain number, of a part of the expression."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if abs(number) > float_info.max:
                    raise self.error_at(node, "a number is too large for a float")
                return number if abs(number) < 2**53 else float(number)
            case ast.Constant():
                raise self.error_at(node, f"{_clip_text(ast.unparse(node))} is not a real number")
            case ast.Name(id=name):
                return self.read_name(node, name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read_number(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read_number(operand)
            case ast.BinOp():
                return self.read_operators(node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.read_call(node, name, arguments)
        raise self.error_at(node, f"{_describe_part(node)} is not allowed in an expression")

    def read_operators(self, node: ast.expr) -> Any:
        """An operator and its two sides; without recursion, as Python reads a long sum as ((a + b) + c) + …."""
        chain = []
        while isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.BitXor):
                raise self.error_at(node, "^ is not an operator here; a power is written **")
            if type(node.op) not in _OPERATORS:
                raise self.error_at(node, f"{_describe_part(node)} is not allowed in an expression")
            chain.append(node)
            node = node.left
        y = self.read_number(node)
        for outer in reversed(chain):
            x = self.read_number(outer.right)
            y = self.compute_at(outer, lambda a=y, b=x, op=outer.op: _apply_operator(op, a, b))  # type: ignore[misc]
        return y

    def read_name(self, node: ast.expr, name: str) -> Any:
        if name in self.leaves:
            self.unused.discard(name)
            return self.leaves[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS:
            raise self.error_at(node, f"{name} is a function: write {name}(…)")
        raise self.error_at(node, f"{name} has no number; add {name}=1.0")

    def read_call(self, node: ast.Call, name: str, arguments: list[ast.expr]) -> Any:
        if name not in FUNCTIONS:
            raise self.error_at(node, f"there is no function {name}; there are {', '.join(FUNCTIONS)}")
        function = getattr(functional, name)
        if name == DOT.function:
            lists = [
                self.read_list(argument, "dot takes two lists, as in dot([w1, w2], [x1, x2])") for argument in arguments
            ]
            if len(lists) != 2:
                raise self.error_at(node, "dot takes two lists, as in dot([w1, w2], [x1, x2])")
            return self.compute_at(node, lambda: function(*lists))
        if name in OF_ONE_LIST:
            is_list = len(arguments) == 1 and isinstance(arguments[0], (ast.List, ast.Tuple))
            numbers = self.read_list(arguments[0], "") if is_list else [self.read_number(x) for x in arguments]
            return self.compute_at(node, lambda: function(numbers))
        parameters = signature(function).parameters.values()
        least, most = sum(p.default is Parameter.empty for p in parameters), len(parameters)
        or_most = f" or {most}" if most > least else ""
        if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
            least, most, or_most = 2, max(2, len(arguments)), " or more"
        if not least <= len(arguments) <= most:
            raise self.error_at(node, f"{name} takes {least}{or_most} number(s)")
        xs = [self.read_number(x) for x in arguments]
        plain = xs[1:] if name in FAMILIES else []
        for argument, x in zip(arguments[1:], plain):
            if isinstance(x, Value):
                raise self.error_at(argument, f"here {name} takes a plain number, without names")
        return self.compute_at(node, lambda: function(*xs))

    def read_list(self, node: ast.expr, otherwise: str) -> list[Any]:
        if not isinstance(node, (ast.List, ast.Tuple)):
            raise self.error_at(node, otherwise)
        return [self.read_number(x) for x in node.elts]

    def compute_at(self, node: ast.expr, compute: Callable[[], Any]) -> Any:
        """Computes a part; where that fails, the error says at which column."""
        try:
            return compute()
        except (ValueError, ArithmeticError) as error:
            raise DomainError(str(self.error_at(node, str(error)))) from None

    def error_at(self, node: ast.expr, why: str) -> ExpressionError:
        """The error at a part: it points at the operator, the dot or the index, else at the beginning of the part."""
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
        return self.error_at_column(column, why)

    def error_at_column(self, column: int, why: str) -> ExpressionError:
        return ExpressionError(f"column {column + 1}: {why} (in {_quote_text(self.text)})")


def _apply_operator(op: ast.operator, a: Any, b: Any) -> Any:
    """Computes with Values as Python does, and with plain numbers by the rule, which raises the engine's errors."""
    rule, compute = _OPERATORS[type(op)]
    return compute(a, b) if isinstance(a, Value) or isinstance(b, Value) else apply(rule, a, b).data


def _quote_text(text: str) -> str:
    return f'"{_clip_text(text)}"'


def _clip_text(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _describe_part(node: ast.expr) -> str:
    """The common name of a part of Python."""
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
