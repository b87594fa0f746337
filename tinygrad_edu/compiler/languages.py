"""The languages that a tape can be written in: how each spells the operations it brings along, and a function.

A language has to bring along what `Floats` supplies to the rules, and may have a notation of its own for more; all
other operations are written with these. Which expression stands in which line is left to `source.py`.
"""

import builtins
import math
from collections.abc import Sequence
from keyword import kwlist
from textwrap import indent, wrap
from typing import ClassVar, NamedTuple
from unicodedata import name as name_of_character

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


class Language:
    """What all languages have in common: `forms` of operations, and the `helpers` that some of these need."""

    forms: ClassVar[dict[str, Form]]
    helpers: ClassVar[dict[str, str]] = {}
    reserved: ClassVar[frozenset[str]] = frozenset()
    is_code = True  # a function; else formulas, in which each result has a line and a name
    powers_as_products = False  # whether x · x is computed much faster than x²
    longest = 88  # characters that an expression may have before a part of it gets a line and a name

    def form(self, op: Op) -> Form | None:
        """How an operation is written; None where the language has no way of its own."""
        return self.forms.get(op.name)

    def call(self, function: str, arity: int) -> Form:
        return call(function, arity)

    def name(self, identifier: str) -> str:
        """How a name is written that was made of a label."""
        return identifier

    def gradient(self, identifier: str, y: str, x: str) -> str:
        """How the name of ∂y/∂x is written."""
        return identifier

    def number(self, x: float) -> Text:
        raise NotImplementedError

    def assignment(self, name: str, text: str) -> str:
        raise NotImplementedError

    def function(self, name: str, inputs: Sequence[str], lines: Sequence[str], results: Sequence[str]) -> str:
        raise NotImplementedError

    def program(self, used: set[str], functions: Sequence[str]) -> str:
        """Functions, after what they need: the `helpers` among the operations used."""
        raise NotImplementedError


class Python(Language):
    """Plain Python, which needs nothing but its module `math`."""

    forms: ClassVar = {
        **ARITHMETIC,
        **{name: call(name) for name in OF_ONE},
        **{name: call(name, 2) for name in OF_TWO},
        "power": Form("{} ** {}", POWER, (ATOM,)),
        "where": call("where", 3),
        "pow": call("pow", 2),  # that of math, as a ** b gives a complex number for (-8.0) ** (1 / 3)
    }
    helpers: ClassVar = {  # these keep a nan
        "maximum": "def maximum(a, b):\n    return a if a > b or a != a else b",
        "minimum": "def minimum(a, b):\n    return a if a < b or a != a else b",
        "where": "def where(c, a, b):\n    return a if c != 0 else b",
        "sign": "def sign(x):\n    return 1.0 if x > 0 else -1.0 if x < 0 else x",
        "step": "def step(x):\n    return 1.0 if x > 0 else 0.0 if x <= 0 else x",
    }
    reserved = frozenset({*kwlist, *dir(builtins), *forms})

    def form(self, op: Op) -> Form | None:
        if op.name == "power" and not float(op.parameters[0]).is_integer():
            return None
        return super().form(op)

    def number(self, x: float) -> Text:
        text = repr(float(x)) if math.isfinite(x) else f'float("{x}")'  # NumPy's floats are shown in another way
        return text, SIGN if text.startswith("-") else ATOM

    def assignment(self, name: str, text: str) -> str:
        return f"{name} = {text}"

    def function(self, name: str, inputs: Sequence[str], lines: Sequence[str], results: Sequence[str]) -> str:
        result = f"return {', '.join(results)}"
        if len(result) > WIDTH:
            result = listed("return (", results, ")")
        return block(listed(f"def {name}(", inputs, "):"), [*lines, result], width=4)

    def program(self, used: set[str], functions: Sequence[str]) -> str:
        imported = sorted(name for name in used - self.helpers.keys() if hasattr(math, name))
        imports = [f"from math import {', '.join(imported)}"] if imported else []
        helpers = [text for name, text in self.helpers.items() if name in used]
        return "\n\n\n".join([*imports, *helpers, *functions])


class NumPy(Python):
    """Python on arrays of samples."""

    forms: ClassVar = {
        **Python.forms,
        **{name: call(f"np.{name}") for name in OF_ONE},
        **{name: call(f"np.{name}", 2) for name in OF_TWO},
        **{f"a{name}": call(f"np.arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        "where": Form("np.where({} != 0, {}, {})", ATOM, (SUM, ANY, ANY)),
        "pow": call("np.power", 2),
        "step": Form("np.heaviside({}, 0.0)", ATOM, (ANY,)),
        "erfc": call("erfc"),
        "sum of samples": call("np.sum"),
        "inner product": call("np.dot", 2),
        "number of samples": call("len"),
    }
    helpers: ClassVar = {"erfc": "erfc = np.vectorize(math.erfc, otypes=[float])  # NumPy has none of its own"}
    reserved = Python.reserved | {"np", "math"}
    powers_as_products = True

    def program(self, used: set[str], functions: Sequence[str]) -> str:
        helpers = [text for name, text in self.helpers.items() if name in used]
        return "\n\n\n".join([*(["import math"] if helpers else []), "import numpy as np", *helpers, *functions])


class JavaScript(Language):
    """JavaScript, as browsers and Node run it. Outside the domain of an operation it gives NaN or Infinity."""

    forms: ClassVar = {
        **ARITHMETIC,
        **{name: call(f"Math.{name}") for name in OF_ONE},
        "neg": Form("-{}", SIGN, (ATOM,)),  # -x ** 2 is a syntax error, as readers could take it for (-x) ** 2
        "power": Form("{} ** {}", POWER, (ATOM,)),
        "pow": infix("**", POWER, ATOM, ATOM),
        "exp2": Form("2 ** {}", POWER, (ATOM,)),
        "where": call("where", 3),
        "maximum": call("Math.max", 2),
        "minimum": call("Math.min", 2),
        "step": call("step"),
        "erfc": call("erfc"),
    }
    # erfc: log(erfc(z)·e^(z²)/t) for z ≥ 0 as a Chebyshev series in s = 2t - 1, where t = 2/(2 + z) runs from 1 to 0;
    # relative errors are below 3e-13. Coefficients: a cosine transform of 60 points, computed with 60 digits.
    helpers: ClassVar = {
        "where": "function where(c, a, b) {\n  return c !== 0 ? a : b;\n}",
        "step": "function step(x) {\n  return x > 0 ? 1 : x <= 0 ? 0 : x;\n}",
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
    }
    reserved = frozenset(
        """
        arguments await break case catch class const continue debugger default delete do else enum eval export extends
        false finally for function if implements import in instanceof interface let new null package private protected
        public return static super switch this throw true try typeof undefined var void while with yield
        Infinity Math NaN step where erfc
        """.split()
    )

    def number(self, x: float) -> Text:
        number = repr(float(x))
        text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(number, number.removesuffix(".0"))
        return text, SIGN if text.startswith("-") else ATOM

    def assignment(self, name: str, text: str) -> str:
        return f"const {name} = {text};"

    def function(self, name: str, inputs: Sequence[str], lines: Sequence[str], results: Sequence[str]) -> str:
        result = f"return {results[0]};" if len(results) == 1 else listed("return [", results, "];")
        return block(listed(f"function {name}(", inputs, ") {"), [*lines, result], width=2) + "\n}"

    def program(self, used: set[str], functions: Sequence[str]) -> str:
        return "\n\n".join([*(text for name, text in self.helpers.items() if name in used), *functions])


def latex_call(function: str, arity: int = 1) -> Form:
    function = function.replace("{", "{{").replace("}", "}}")
    return Form(rf"{function}\left({', '.join(['{}'] * arity)}\right)", ATOM, (ANY,) * arity)


def operator_name(identifier: str) -> str:
    escaped = identifier.replace("_", r"\_")
    return rf"\operatorname{{{escaped}}}"


class Latex(Language):
    """Formulas, one a line, in an `aligned` environment, which notebooks and web pages show too."""

    is_code = False
    longest = 240  # most of them are not seen
    forms: ClassVar = {
        **{name: latex_call(rf"\{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        **{f"a{name}": latex_call(rf"\arc{name}") for name in ("sin", "cos", "tan")},
        **{f"a{name}": latex_call(operator_name(f"ar{name}")) for name in ("sinh", "cosh", "tanh")},
        **{name: latex_call(operator_name(name)) for name in ("erfc", "step")},
        "where": latex_call(operator_name("where"), 3),
        "add": infix("+", SUM, SUM, PRODUCT),
        "sub": infix("-", SUM, SUM, PRODUCT),
        "mul": infix(r"\cdot", PRODUCT, PRODUCT, POWER),
        "div": Form(r"\frac{{{}}}{{{}}}", PRODUCT, (ANY, ANY)),
        "neg": Form("-{}", SIGN, (POWER,)),
        "power": Form("{{{}}}^{{{}}}", POWER, (ATOM,)),
        "pow": Form("{{{}}}^{{{}}}", POWER, (ATOM, ANY)),
        "exp": Form("e^{{{}}}", POWER, (ANY,)),
        "exp2": Form("2^{{{}}}", POWER, (ANY,)),
        "expm1": Form("e^{{{}}} - 1", SUM, (ANY,)),
        "log": latex_call(r"\ln"),
        "log2": latex_call(r"\log_{2}"),
        "log10": latex_call(r"\log_{10}"),
        "log1p": Form(r"\ln\left(1 + {}\right)", ATOM, (PRODUCT,)),
        "sqrt": Form(r"\sqrt{{{}}}", ATOM, (ANY,)),
        "abs": Form(r"\left|{}\right|", ATOM, (ANY,)),
        "sign": latex_call(operator_name("sgn")),
        "maximum": latex_call(r"\max", 2),
        "minimum": latex_call(r"\min", 2),
        "sigmoid": latex_call(r"\sigma"),
    }

    def call(self, function: str, arity: int) -> Form:
        return latex_call(operator_name(function), arity)

    def name(self, identifier: str) -> str:
        """x → x, w_0_3 → w_{0,3}, v12 → v_{12}, θ → \\theta, loss → \\mathrm{loss}."""
        head, *indices = [part for part in identifier.split("_") if part] or ["v"]
        if len(head) > 1 and head[1:].isdecimal():
            head, indices = head[0], [head[1:], *indices]
        subscript = ",".join(map(_upright, indices))
        return _upright(head) + (f"_{{{subscript}}}" if indices else "")

    def gradient(self, identifier: str, y: str, x: str) -> str:
        return rf"\frac{{\partial {self.name(y)}}}{{\partial {self.name(x)}}}"

    def number(self, x: float) -> Text:
        special = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}
        number = repr(float(x))
        text, _, exponent = special.get(number, number.removesuffix(".0")).partition("e")
        if exponent:
            return rf"{text} \cdot 10^{{{int(exponent)}}}", PRODUCT
        return text, SIGN if text.startswith("-") else ATOM

    def assignment(self, name: str, text: str) -> str:
        return rf"{name} &= {text} \\"

    def function(self, name: str, inputs: Sequence[str], lines: Sequence[str], results: Sequence[str]) -> str:
        if name:
            head = self.call(name, len(inputs)).filled([(x, ATOM) for x in inputs])
            lines = [*lines, self.assignment(head, results[0])]
        return "\n".join(lines)

    def program(self, used: set[str], functions: Sequence[str]) -> str:
        lines = "\n".join(functions).removesuffix(r" \\")
        return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"


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


LANGUAGES: dict[str, Language] = {
    "python": Python(),
    "numpy": NumPy(),
    "javascript": JavaScript(),
    "latex": Latex(),
}


def listed(before: str, items: Sequence[str], after: str) -> str:
    """A list in one line, or in several where it is too long for that."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        return line
    rows = wrap(", ".join(items), WIDTH, break_long_words=False, break_on_hyphens=False)
    return block(before, rows, width=4) + f"\n{after}"


def block(head: str, lines: Sequence[str], width: int) -> str:
    return "\n".join([head, *[indent(line, " " * width) for line in lines]])
