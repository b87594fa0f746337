"""How operations, numbers and names are written: one table, and for each language where it differs.

What stands in which line is left to the printers, and so is how arrays are written. A language has to bring along what
`Floats` supplies to the rules, and may have a notation of its own for more; all other operations are made of these.
"""

import builtins
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import kwlist
from textwrap import indent, wrap
from typing import NamedTuple
from unicodedata import name as name_of_character
from unicodedata import normalize

from tinygrad_edu.rules import Op

Text = tuple[str, int]  # an expression, and how tightly it binds

ANY, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)  # how tightly: least a sum, most a name or a call
WIDTH = 112


class Form(NamedTuple):
    """How an operation is written: a template, how tightly the result binds, and how tightly each input has to."""

    template: str
    level: int
    inputs: tuple[int, ...]

    def filled(self, inputs: Sequence[Text], parameters: Sequence[object] = ()) -> str:
        texts = [text if level >= least else f"({text})" for (text, level), least in zip(inputs, self.inputs)]
        return self.template.format(*texts, *parameters)


def infix(symbol: str, level: int, left: int, right: int) -> Form:
    return Form(f"{{}} {symbol} {{}}", level, (left, right))


def call(function: str, arity: int = 1) -> Form:
    return Form(f"{function}({', '.join(['{}'] * arity)})", ATOM, (ANY,) * arity)


@dataclass(frozen=True)
class Notation:
    """How one language writes operations, numbers and names.

    `helpers` are texts that some operations need in front of the program, by the name of the operation.
    """

    forms: Mapping[str, Form]
    number: Callable[[float], Text]
    helpers: Mapping[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    name: Callable[[str], str] = str  # how a name is written that was made of a label
    power: Callable[[float], str] = lambda exponent: "power"  # the form of x to the power of a plain number

    def form(self, op: Op) -> Form | None:
        """How an operation is written; None where the language has no way of its own."""
        return self.forms.get(self.power(op.parameters[0]) if op.name == "power" else op.name)

    def parameters(self, op: Op) -> list[object]:
        """The numbers of a member of a family, for its form: a whole one stays whole."""
        return [x if math.isfinite(x) else self.number(x)[0] for x in op.parameters]


# ---- the table -------------------------------------------------------------------------------------------------------
# The right operand binds more tightly than the left, or a + (b + c) would become another sum, with other rounding.
ARITHMETIC = {
    "add": infix("+", SUM, SUM, PRODUCT),
    "sub": infix("-", SUM, SUM, PRODUCT),
    "mul": infix("*", PRODUCT, PRODUCT, SIGN),
    "div": infix("/", PRODUCT, PRODUCT, SIGN),
    "neg": Form("-{}", SIGN, (POWER,)),
}
OF_ONE = """
exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erfc abs sign step
""".split()
OF_TWO = ["maximum", "minimum"]


def number_in_python(x: float) -> Text:
    text = repr(float(x)) if math.isfinite(x) else f'float("{x}")'  # NumPy's floats are shown in another way
    return text, SIGN if text.startswith("-") else ATOM


PYTHON = Notation(
    forms={
        **ARITHMETIC,
        **{name: call(name) for name in OF_ONE},
        **{name: call(name, 2) for name in OF_TWO},
        "power": Form("{} ** {}", POWER, (ATOM,)),
        "where": call("where", 3),
        "pow": call("pow", 2),  # that of math, as a ** b gives a complex number for (-8.0) ** (1 / 3)
        "equal": Form("float({} == {})", ATOM, (SUM, SUM)),
    },
    number=number_in_python,
    helpers={  # these keep a nan
        "maximum": "def maximum(a, b):\n    return a if a > b or a != a else b",
        "minimum": "def minimum(a, b):\n    return a if a < b or a != a else b",
        "where": "def where(c, a, b):\n    return a if c != 0 else b",
        "sign": "def sign(x):\n    return 1.0 if x > 0 else -1.0 if x < 0 else x",
        "step": "def step(x):\n    return 1.0 if x > 0 else 0.0 if x <= 0 else x",
    },
    reserved=frozenset({*kwlist, *dir(builtins), *OF_ONE, *OF_TWO, "where", "pow", "math", "mul", "reduce"}),
    power=lambda exponent: "power" if float(exponent).is_integer() else "pow",
)


def _of_arrays(module: str) -> dict[str, Form]:
    """The functions of arrays, as NumPy has named them."""
    return {
        **PYTHON.forms,
        **{name: call(f"{module}.{name}") for name in OF_ONE},
        **{name: call(f"{module}.{name}", 2) for name in OF_TWO},
        **{f"a{name}": call(f"{module}.arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        "where": Form(f"{module}.where({{}} != 0, {{}}, {{}})", ATOM, (SUM, ANY, ANY)),
        "root": Form(f"{module}.power({{}}, {{}})", ATOM, (ANY,)),
        "step": Form("{} > 0", ANY, (SUM,)),
        "equal": Form("{} == {}", ANY, (SUM, SUM)),
    }


NUMPY = Notation(
    forms={**_of_arrays("np"), "erfc": call("erfc"), "pow": call("power", 2)},
    number=lambda x: number_in_python(x) if math.isfinite(x) else (f"{'-' * bool(x < 0)}np.{abs(x)}", SIGN),
    helpers={
        "erfc": "erfc = np.vectorize(math.erfc, otypes=[float])  # NumPy has none of its own",
        "pow": """\
def power(a, b):  # NumPy takes a root for b = 0.5, which is nan at -inf
    return np.where((b == 0.5) & (a == -np.inf), np.inf, np.power(a, b))""",
    },
    reserved=PYTHON.reserved | {"np", "power", "jax", "jnp", "logsumexp", "sliding_window_view"},
    power=lambda exponent: "power" if float(exponent).is_integer() else "pow" if exponent == 0.5 else "root",
)
JAX = Notation(
    forms={**_of_arrays("jnp"), "erfc": call("erfc"), "pow": call("jnp.power", 2)},
    number=lambda x: number_in_python(x) if math.isfinite(x) else (f"{'-' * bool(x < 0)}jnp.{abs(x)}", SIGN),
    reserved=NUMPY.reserved,
    power=lambda exponent: "power" if float(exponent).is_integer() else "root",
)


def number_in_javascript(x: float) -> Text:
    number = repr(float(x))
    text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(number, number.removesuffix(".0"))
    return text, SIGN if text.startswith("-") else ATOM


JAVASCRIPT = Notation(
    forms={
        **ARITHMETIC,
        **{name: call(f"Math.{name}") for name in OF_ONE},
        "neg": Form("-{}", SIGN, (ATOM,)),  # -x ** 2 is a syntax error, as readers could take it for (-x) ** 2
        "power": Form("{} ** {}", POWER, (ATOM,)),
        "pow": call("pow", 2),
        "exp2": Form("2 ** {}", POWER, (ATOM,)),
        "where": call("where", 3),
        "maximum": call("Math.max", 2),
        "minimum": call("Math.min", 2),
        "step": call("step"),
        "erfc": call("erfc"),
        "equal": Form("Number({} === {})", ATOM, (SUM, SUM)),
    },
    number=number_in_javascript,
    # erfc: log(erfc(z)·e^(z²)/t) for z ≥ 0 as a Chebyshev series in s = 2t - 1, where t = 2/(2 + z) runs from 1 to 0;
    # relative errors are below 3e-13. Coefficients: a cosine transform of 60 points, computed with 60 digits.
    helpers={
        "sum": "function sum(xs) {\n  return xs.reduce((a, b) => a + b, 0);\n}",
        "where": "function where(c, a, b) {\n  return c !== 0 ? a : b;\n}",
        "step": "function step(x) {\n  return x > 0 ? 1 : x <= 0 ? 0 : x;\n}",
        "pow": """\
function pow(a, b) { // 1 to any power is 1, and so is (-1) ** Infinity, which are NaN in JavaScript
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}""",
        "erfc": """\
function erfc(x) {
  const c = [
    -1.3026537197817094, 0.6419697923564902, 0.019476473204185836, -0.009561514786808632, -0.000946595344482037,
    3.668394978527615e-4, 4.252332480690777e-5, -2.0278578112534243e-5, -1.6242900046470255e-6, 1.3036558355805232e-6,
    1.5626441722066143e-8, -8.523809591492654e-8, 6.529054439098851e-9, 5.059343495551469e-9, -9.913641564930331e-10,
    -2.2736512229318358e-10, 9.646791102015526e-11, 2.3940380830391147e-12, -6.8860275264975534e-12,
    8.944872973090726e-13, 3.130921399342958e-13, -1.1270822361367252e-13, 3.810905255189232e-16,
    7.106097613609237e-15,
  ];
  const z = Math.abs(x), t = 2 / (2 + z), s = 2 * t - 1;
  let d = 0, before = 0;
  for (let k = c.length - 1; k > 0; k--) [d, before] = [2 * s * d - before + c[k], d];
  const y = t * Math.exp(-z * z + s * d - before + 0.5 * c[0]);
  return x >= 0 ? y : 2 - y;
}""",
    },
    reserved=frozenset(
        """
        arguments await break case catch class const continue debugger default delete do else enum eval export extends
        false finally for function if implements import in instanceof interface let new null package private protected
        public return static super switch this throw true try typeof undefined var void while with yield
        Array Infinity Math NaN Number erfc pow step sum where
        """.split()
    ),
    power=lambda exponent: "power" if math.isfinite(exponent) else "pow",
)


def _latex_call(function: str, arity: int = 1) -> Form:
    function = function.replace("{", "{{").replace("}", "}}")
    return Form(rf"{function}\left({', '.join(['{}'] * arity)}\right)", ATOM, (ANY,) * arity)


def operator_name(identifier: str) -> str:
    escaped = identifier.replace("_", r"\_")
    return rf"\operatorname{{{escaped}}}"


def call_in_latex(function: str, arity: int) -> Form:
    return _latex_call(operator_name(function), arity)


def name_in_latex(identifier: str) -> str:
    """x → x, w_0_3 → w_{0,3}, v12 → v_{12}, θ → \\theta, loss → \\mathrm{loss}."""
    head, *indices = [part for part in identifier.split("_") if part] or ["v"]
    if len(head) > 1 and head[1:].isdecimal():
        head, indices = head[0], [head[1:], *indices]
    subscript = ",".join(map(_upright, indices))
    return _upright(head) + (f"_{{{subscript}}}" if indices else "")


def number_in_latex(x: float) -> Text:
    special = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}
    number = repr(float(x))
    text, _, exponent = special.get(number, number.removesuffix(".0")).partition("e")
    if exponent:
        power = f"10^{{{int(exponent)}}}"
        return (power, POWER) if text == "1" else (rf"{text} \cdot {power}", PRODUCT)
    return text, SIGN if text.startswith("-") else ATOM


def _upright(word: str) -> str:
    """A word as LaTeX sets it: a letter or a number as it is, a Greek letter by its name, a longer word upright."""
    if len(word) > 1 and not word.isdecimal():
        return rf"\mathrm{{{word}}}" if word.isascii() else rf"\text{{{word}}}"
    case, _, letter = name_of_character(word[0], "").partition(" LETTER ")
    letter = letter.replace("LAMDA", "LAMBDA")  # as Unicode calls it
    if case == "GREEK SMALL" and letter.isalpha() and word != "ο":
        return f"\\{letter.lower()}"
    if word in tuple("ΓΔΘΛΞΠΣΥΦΨΩ"):  # the others look like Latin letters
        return f"\\{letter.title()}"
    return word if word.isascii() else rf"\text{{{word}}}"


LATEX = Notation(
    forms={
        **{name: _latex_call(rf"\{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        **{f"a{name}": _latex_call(rf"\arc{name}") for name in ("sin", "cos", "tan")},
        **{f"a{name}": _latex_call(operator_name(f"ar{name}")) for name in ("sinh", "cosh", "tanh")},
        **{name: _latex_call(operator_name(name)) for name in ("erfc", "step")},
        "where": _latex_call(operator_name("where"), 3),
        "add": infix("+", SUM, SUM, PRODUCT),
        "sub": infix("-", SUM, SUM, PRODUCT),
        "mul": infix(r"\cdot", PRODUCT, PRODUCT, POWER),
        "div": Form(r"\frac{{{}}}{{{}}}", POWER, (ANY, ANY)),  # its line holds it together
        "neg": Form("-{}", SIGN, (POWER,)),
        "power": Form("{{{}}}^{{{}}}", POWER, (ATOM,)),
        "pow": Form("{{{}}}^{{{}}}", POWER, (ATOM, ANY)),
        "exp": Form("e^{{{}}}", POWER, (ANY,)),
        "exp2": Form("2^{{{}}}", POWER, (ANY,)),
        "expm1": Form("e^{{{}}} - 1", SUM, (ANY,)),
        "log": _latex_call(r"\ln"),
        "log2": _latex_call(r"\log_{2}"),
        "log10": _latex_call(r"\log_{10}"),
        "log1p": Form(r"\ln\left(1 + {}\right)", ATOM, (PRODUCT,)),
        "sqrt": Form(r"\sqrt{{{}}}", ATOM, (ANY,)),
        "abs": Form(r"\left|{}\right|", ATOM, (ANY,)),
        "sign": _latex_call(operator_name("sgn")),
        "maximum": _latex_call(r"\max", 2),
        "minimum": _latex_call(r"\min", 2),
        "sigmoid": _latex_call(r"\sigma"),
        "equal": Form(r"\left[{} = {}\right]", ATOM, (SUM, SUM)),
    },
    number=number_in_latex,
    name=name_in_latex,
)


# ---- names -----------------------------------------------------------------------------------------------------------
_PATH = re.compile(r"[^\W\d]\w*(?:\[\d+\]|\.[^\W\d]\w*)*")


def identifier(label: str, otherwise: str) -> str:
    """A label as a name in a program: `layers[0].neurons[3].w[1]` is w_0_3_1, `x1*w1` is x1_w1."""
    label = normalize("NFKC", label[:200])  # as Python does with the names that it reads
    if _PATH.fullmatch(label):
        words = re.findall(r"\w+", label)
        label = "_".join([[w for w in words if not w.isdecimal()][-1], *[w for w in words if w.isdecimal()]])
    return plain(label, otherwise)


def plain(label: str, otherwise: str) -> str:
    """The letters and digits of a label; what may be in it besides means something to some language."""
    name = re.sub(r"\W+", "_", normalize("NFKC", label[:200])).strip("_")[:40]
    return next(text for text in (name, f"{otherwise}_{name}".rstrip("_"), otherwise) if text.isidentifier())


class Names:
    """Names that are written in different ways, and have no other meaning."""

    def __init__(self, taken: Iterable[str], written: Callable[[str], str] = str) -> None:
        self.taken = set(taken)
        self._written = written
        self._numbers: Counter[object] = Counter()

    def new(self, wish: str) -> str:
        """The name itself, or if it is taken, with a number."""
        name = wish
        while not self.is_free(name):
            self._numbers[wish] += 1
            name = f"{wish}_{self._numbers[wish] + 1}"
        self.taken.add(self._written(name))
        return name

    def numbered(self, letter: str) -> str:
        """v0, v1, …"""
        while True:
            name = f"{letter}{self._numbers[letter, 'numbered']}"
            self._numbers[letter, "numbered"] += 1
            if self.is_free(name):
                return self.new(name)

    def is_free(self, name: str) -> bool:
        return self._written(name) not in self.taken


# ---- lines -----------------------------------------------------------------------------------------------------------
def listed(before: str, items: Sequence[str], after: str, width: int = 4) -> str:
    """A list in one line, or in several where it is too long for that; lists of numbers break anywhere."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        return line
    if all(item[:1] in "[-0123456789" for item in items):
        rows = wrap(", ".join(items), WIDTH, break_long_words=False, break_on_hyphens=False)
        return indented(before, rows, width) + f"\n{after}"
    rows = [""]
    for item in items:
        if rows[-1] and len(rows[-1]) + len(item) + 2 > WIDTH:
            rows.append("")
        rows[-1] += f"{item}, "
    rows[-1] = rows[-1].removesuffix(", ")
    return indented(before, [row.rstrip() for row in rows], width) + f"\n{after}"


def indented(head: str, lines: Sequence[str], width: int) -> str:
    return "\n".join([head, *[indent(line, " " * width) for line in lines]])
