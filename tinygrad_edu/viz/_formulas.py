"""Operations and their local derivatives as formulas to read: c = a·b, ∂c/∂a = b.

No derivative is written here: the rule runs on symbols, which leave out what changes nothing (x·1, x + 0), and what it
has computed is put in words, with no more brackets than are needed. Where the formulas are shown is left to others.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.printers.notation import ANY, ATOM, POWER, PRODUCT, SIGN, SUM, Form, Text, infix
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol
from tinygrad_edu.compiler.tape import Builder
from tinygrad_edu.ops import CONSTANT, LEAF, power
from tinygrad_edu.rules import Op

LONGEST = 170  # characters; what follows is left out
FORMS = {
    "add": infix("+", SUM, SUM, PRODUCT),
    "sub": infix("−", SUM, SUM, PRODUCT),
    "mul": Form("{}·{}", PRODUCT, (PRODUCT, POWER)),
    "div": infix("/", PRODUCT, PRODUCT, POWER),
    "neg": Form("−{}", SIGN, (POWER,)),
    "pow": Form("{}^{}", POWER, (ATOM, ATOM)),
    "power": Form("{}^{}", POWER, (ATOM,)),
    "exponential": Form("{1}^{0}", POWER, (ATOM,)),
    "sqrt": Form("√{}", POWER, (ATOM,)),
    "abs": Form("|{}|", ATOM, (ANY,)),
    "sigmoid": Form("σ({})", ATOM, (ANY,)),
    "exp2": Form("2^{}", POWER, (ATOM,)),
}
_CALLED = {"maximum": "max", "largest": "max", "minimum": "min", "smallest": "min"}  # others by their name
_RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def formula(op: Op, inputs: Sequence[str]) -> str:
    """What an operation computes of inputs with these names.

    >>> from tinygrad_edu.rules import OPS
    >>> formula(OPS["dot"], ["w1", "w2", "x1", "x2"])
    'w1·x1 + w2·x2'
    """
    return _clipped(written(op, [(name, ATOM) for name in inputs])[0])


def local_derivatives(op: Op, output: str, inputs: Sequence[str]) -> list[str]:
    """∂output/∂input for each input, with these names.

    >>> from tinygrad_edu.rules import OPS
    >>> local_derivatives(OPS["tan"], "y", ["x"]), local_derivatives(OPS["mul"], "c", ["a", "b"])
    (['1 + y²'], ['b', 'a'])

    Raises `TypeError` for an operation whose rule looks at its numbers.
    """
    builder = Builder()
    xs = [Symbol(builder, builder.leaf(name)) for name in inputs]
    slopes = op.derivatives(SYMBOLS, Symbol(builder, builder.leaf(output)), *xs)
    places = [slope.place if isinstance(slope, Symbol) else builder.constant(float(slope)) for slope in slopes]
    texts: list[Text] = []
    for node in builder.nodes:
        if node.op is LEAF:
            texts.append((node.label, ATOM))
        elif node.op is CONSTANT:
            texts.append(number(node.number))
        else:
            text, level = written(_simpler(node.op, node.inputs, builder), [texts[i] for i in node.inputs])
            texts.append((_clipped(text), level))
    return [texts[place][0] for place in places]


def _simpler(op: Op, inputs: Sequence[int], builder: Builder) -> Op:
    """x², where a rule says x·x or x ** 2: of the inputs the first one is all it needs."""
    exponent = builder.number(inputs[1]) if op.name == "pow" else None
    if exponent is not None:
        return power(exponent)
    return power(2) if op.name == "mul" and inputs[0] == inputs[1] else op


def written(op: Op, inputs: Sequence[Text]) -> Text:
    """What an operation computes of these, and how tightly that binds."""
    if op.name in ("total", "dot"):
        half = len(inputs) // 2
        pairs = zip(inputs[:half], inputs[half:])
        terms = list(inputs) if op.name == "total" else [(FORMS["mul"].filled(pair), PRODUCT) for pair in pairs]
        text = " + ".join([text if level >= PRODUCT else f"({text})" for text, level in terms])
        return text or "0", SUM if len(terms) > 1 else PRODUCT
    numbers = [number(x)[0] for x in op.parameters]
    if op.name == "power" and float(op.parameters[0]).is_integer():
        exponent = numbers[0].translate(_RAISED) if op.parameters[0] != 1 else ""
        return Form("{}{}", POWER, (ATOM,)).filled(inputs, [exponent]), POWER
    if op.name in FORMS:
        form = FORMS[op.name]
        bracketed = [f"({n})" if n.startswith("−") else n for n in numbers]
        return form.filled(inputs, bracketed), form.level
    name = _CALLED.get(op.name, op.name)
    return f"{name}({', '.join([*[text for text, _ in inputs], *numbers])})", ATOM


def number(x: float) -> Text:
    """A number, and how tightly its sign binds."""
    text = f"{x:.6g}".replace("-", "−").replace("inf", "∞")
    return text, SIGN if x < 0 else ATOM


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
