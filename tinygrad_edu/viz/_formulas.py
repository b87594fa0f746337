"""Writes operations and their local derivatives as formulas for readers: c = a·b, ∂c/∂a = b.

No derivative stands here. The rule of the operation runs on symbols, which leave out steps that change nothing (x·1,
x + 0). The operations that the rule has recorded are then written with as few brackets as possible. Where formulas are
shown is left to `_appearance.py`, `flow.py` and the explorer.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.printers.notation import FORMULA, Form, Text
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol
from tinygrad_edu.compiler.tape import Builder
from tinygrad_edu.ops import CONSTANT, DOT, LEAF, MUL, POW, TOTAL, power
from tinygrad_edu.rules import ATOM, POWER, PRODUCT, SUM, Op

from ._render import shorten

MAX_FORMULA_LENGTH = 170  # characters
_SUPERSCRIPTS = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def write_formula(op: Op, inputs: Sequence[str]) -> str:
    """Writes what an operation computes from inputs with these names.

    >>> from tinygrad_edu.rules import OPS
    >>> write_formula(OPS["dot"], ["w1", "w2", "x1", "x2"])
    'w1·x1 + w2·x2'
    """
    return shorten(write_operation(op, [(name, ATOM) for name in inputs])[0], MAX_FORMULA_LENGTH)


def write_local_derivatives(op: Op, output: str, inputs: Sequence[str]) -> list[str]:
    """Writes ∂output/∂input for each input, with these names.

    Raises:
        TypeError: The rule of the operation looks at its numbers.

    Example:
        >>> from tinygrad_edu.rules import OPS
        >>> write_local_derivatives(OPS["tan"], "y", ["x"]), write_local_derivatives(OPS["mul"], "c", ["a", "b"])
        (['1 + y²'], ['b', 'a'])
    """
    return write_results(lambda y, *xs: op.derivatives(SYMBOLS, y, *xs), [output, *inputs])


def write_results(f: Callable[..., Sequence[Any]], names: Sequence[str]) -> list[str]:
    """Writes the results of a function of symbols with these names.

    >>> write_results(lambda x, y: [x * y + 1.0], ["a", "b"])
    ['a·b + 1']
    """
    builder = Builder()
    results = f(*[Symbol(builder, builder.leaf(name)) for name in names])
    places = [y.place if isinstance(y, Symbol) else builder.constant(float(y)) for y in results]
    texts: list[Text] = []
    for node in builder.entries:
        if node.op is LEAF:
            texts.append((node.label, ATOM))
        elif node.op is CONSTANT:
            texts.append(FORMULA.number(node.number))
        else:
            op = _simplify_power(node.op, node.inputs, builder)
            text, level = write_operation(op, [texts[i] for i in node.inputs])
            texts.append((shorten(text, MAX_FORMULA_LENGTH), level))
    return [texts[place][0] for place in places]


def _simplify_power(op: Op, inputs: Sequence[int], builder: Builder) -> Op:
    """Makes x·x and x ** 2 the operation x², which needs the first input only; others stay as they are."""
    exponent = builder.number_at(inputs[1]) if op is POW else None
    if exponent is not None:
        return power(exponent)
    return power(2) if op is MUL and inputs[0] == inputs[1] else op


def write_operation(op: Op, inputs: Sequence[Text]) -> Text:
    """Writes what an operation computes from these inputs; also returned is how tightly the result binds."""
    if op is TOTAL or op is DOT:
        half = len(inputs) // 2
        pairs = zip(inputs[:half], inputs[half:])
        terms = list(inputs) if op is TOTAL else [(write_operation(MUL, pair)[0], PRODUCT) for pair in pairs]
        text = " + ".join([text if level >= PRODUCT else f"({text})" for text, level in terms])
        return text or "0", SUM if len(terms) > 1 else PRODUCT
    numbers = [FORMULA.number(x)[0] for x in op.parameters]
    if op.name == "power" and float(op.parameters[0]).is_integer():
        exponent = numbers[0].translate(_SUPERSCRIPTS) if op.parameters[0] != 1 else ""
        return Form("{}{}", POWER, (ATOM,)).filled(inputs, [exponent]), POWER
    form = FORMULA.form(op)
    if form:
        bracketed = [f"({n})" if n.startswith("−") else n for n in numbers]
        return form.filled(inputs, bracketed), form.level
    return f"{FORMULA.function(op)}({', '.join([*[text for text, _ in inputs], *numbers])})", ATOM
