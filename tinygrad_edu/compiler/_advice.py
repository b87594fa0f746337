"""What to write in place of a line that looks at a number while a function is traced; if possible, the exact code.

The line is parsed, and nothing of it is run. When to raise an error is left to `trace.py`.
"""

import ast
from collections.abc import Iterator
from contextlib import suppress

_DECIDE = (
    "an operation decides for each number anew: relu(x), maximum(a, b), minimum(a, b), clamp(x, low, high), abs(x), "
    "sign(x), or step(x), which is 1 for x > 0 and else 0"
)
_AS_VALUES = "grad(y, xs, create_graph=True) gives gradients as Values"
_DETACHED = (
    "v.detach() is the number as a Value without a gradient, as in maximum(*vs).detach() for max(v.data for v in vs); "
    f"{_DECIDE}"
)
_REASONS = {
    "compare": ("compares Values", f"where(step(a - b), x, y) is x where a > b, and else y; {_DECIDE}"),
    "bool": ("asks whether a Value is true", f"where(v, x, y) is x where v is not 0, and else y; {_DECIDE}"),
    "data": ("looks at the .data of a Value", _DETACHED),
    "float": (
        "makes a plain number of a Value",
        "exp(v), abs(v) and the other functions of tinygrad_edu take a Value in place of those of math; what is to be "
        f"counted or indexed with is an int among the arguments; {_DETACHED}",
    ),
    "format": ("writes the number of a Value as text", "print what the function returns, outside of it; or print(v)"),
    "numbers": ("takes gradients as plain numbers", _AS_VALUES),
    "backward": ("calls backward()", _AS_VALUES + ", to return or use"),
    "data =": ("sets the .data of a Value", "return the new number, and set it outside"),
    ".grad": ("looks at the .grad of a Value", _AS_VALUES),
    ".grad =": ("sets the .grad of a Value", "set it outside, before each call"),
}
_FUNCTIONS = {"max": "maximum", "min": "minimum"}


def advise(what: str, line: str) -> str:
    """Says what is wrong with a line, and the way out.

    Args:
        what: What the line does, a key of `_REASONS`.
        line: The text of the line.

    Returns:
        The end of a sentence that begins with "a function".

    Example:
        >>> print(advise("data", "top = max(v.data for v in logits)"))
        looks at the .data of a Value while it is traced, which a tape cannot replay: write maximum(*logits).detach()
    """
    problem, way_out = _REASONS[what]
    found = [*dict.fromkeys(_find_replacements(what, line))]
    if len(found) == 1:  # of several it is not known which one it was
        way_out = f"write {found[0]}"
    return f"{problem} while it is traced, which a tape cannot replay: {way_out}"


def _find_replacements(what: str, line: str) -> Iterator[str]:
    nodes = list(ast.walk(_parse(line)))
    if what == "data":
        of_all = [text for node in nodes if (text := _rewrite_extreme(node))]
        yield from of_all or [text for node in nodes if (text := _rewrite_data(node))]
    elif what == "compare":
        wholes = [text for node in nodes if (text := _rewrite_extreme(node) or _rewrite_choice(node))]
        yield from wholes or [
            f"{text} for {ast.unparse(node)}" for node in nodes if (text := _rewrite_comparison(node))
        ]
    elif what == "bool":
        for node in nodes:
            if isinstance(node, ast.IfExp) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Subscript)):
                yield f"where({', '.join(map(ast.unparse, (node.test, node.body, node.orelse)))})"
    elif what == "numbers":
        for node in nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "grad":
                arguments = [*map(ast.unparse, node.args), "create_graph=True"]
                yield f"{ast.unparse(node.func)}({', '.join(arguments)})"
    elif what == "float":
        for node in nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in ("math", "np", "numpy"):
                name, texts = ast.unparse(node.func).rpartition(".")[2], map(ast.unparse, node.args)
                yield f"{name}({', '.join(texts)}), with {name} from tinygrad_edu"


def _parse(line: str) -> ast.AST:
    """Parses the line alone, which may be the head of a statement, or a part of one."""
    line = line.strip()
    for text in (line, f"{line}\n pass", f"{line.removeprefix('el')}\n pass", f"{{{line}\n}}", f"f({line}\n)"):
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse(text)
    return ast.Module([], [])


def _rewrite_extreme(node: ast.AST) -> str:
    """Rewrites max(v.data for v in vs) → maximum(*vs).detach(); max(a, b) → maximum(a, b)."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS):
        return ""
    name = _FUNCTIONS[node.func.id]
    if len(node.args) > 1 and not node.keywords:
        detached = [_rewrite_data(x) for x in node.args]
        arguments = ", ".join(map(ast.unparse, node.args))
        return f"{name}({arguments})" if not any(detached) else ""
    if len(node.args) != 1 or node.keywords:
        return ""
    (items,) = node.args
    if not isinstance(items, (ast.GeneratorExp, ast.ListComp)):
        return f"{name}(*{ast.unparse(items)})" if isinstance(items, ast.Name) else ""
    loop = items.generators[0]
    if len(items.generators) > 1 or loop.ifs:
        return ""
    if isinstance(items.elt, ast.Name):
        return f"{name}(*{ast.unparse(loop.iter)})" if ast.unparse(items.elt) == ast.unparse(loop.target) else ""
    of = _rewrite_data(items.elt).removesuffix(".detach()")
    if not of:
        return ""
    if of == ast.unparse(loop.target):
        return f"{name}(*{ast.unparse(loop.iter)}).detach()"
    return f"{name}(*[{of} for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}]).detach()"


def _rewrite_data(node: ast.AST) -> str:
    """Rewrites v.data and v.item() → v.detach()."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "item":
        return f"{ast.unparse(node.func.value)}.detach()"
    if isinstance(node, ast.Attribute) and node.attr == "data" and isinstance(node.ctx, ast.Load):
        return f"{ast.unparse(node.value)}.detach()"
    return ""


def _rewrite_choice(node: ast.AST) -> str:
    """Rewrites x if a > b else y → where(step(a - b), x, y)."""
    if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Compare) and _rewrite_comparison(node.test):
        x, y = ast.unparse(node.body), ast.unparse(node.orelse)
        if isinstance(node.test.ops[0], (ast.GtE, ast.LtE)):
            x, y = y, x
        return f"where({_step_call(node.test)}, {x}, {y})"
    return ""


def _rewrite_comparison(node: ast.AST) -> str:
    """Rewrites a > b → where(step(a - b), …, …)."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return ""
    if not isinstance(node.ops[0], (ast.Gt, ast.Lt, ast.GtE, ast.LtE)):
        return ""
    is_second = isinstance(node.ops[0], (ast.GtE, ast.LtE))
    return f"where({_step_call(node)}, …, …)" + ", the second one being that" * is_second


def _step_call(test: ast.Compare) -> str:
    """The call that is 1 where a > b holds; for a >= b it is 1 where that does not hold, so where b > a."""
    a, b = test.left, test.comparators[0]
    if isinstance(test.ops[0], (ast.Lt, ast.GtE)):
        a, b = b, a
    if isinstance(b, ast.Constant) and b.value == 0:
        return f"step({ast.unparse(a)})"
    return f"step({ast.unparse(ast.BinOp(a, ast.Sub(), b))})"
