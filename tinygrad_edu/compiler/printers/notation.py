"""How operations, numbers and names are written: one table, and for each language where it differs from the default.

The default follows from the traits in the rule table: an operator stands between its inputs, a function that every
number system brings along is called. A language states its own forms only for the operations that it writes in another
way. What stands in which line is left to the printers, and so is how arrays are written.
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

from tinygrad_edu import functional
from tinygrad_edu.rules import ANY, ATOM, FAMILIES, OPS, POWER, PRODUCT, SIGN, SUM, Op

Text = tuple[str, int]  # an expression, and how tightly it binds

WIDTH = 112


class Form(NamedTuple):
    """How an operation is written: a template, its precedence, and what an input needs to have no brackets."""

    template: str
    level: int
    inputs: tuple[int, ...]

    def filled(self, inputs: Sequence[Text], parameters: Sequence[object] = ()) -> str:
        """Writes the inputs, in brackets where they need them, and the parameters into the template."""
        texts = [bracket(text, least) for text, least in zip(inputs, self.inputs)]
        return self.template.format(*texts, *parameters)


def bracket(text: Text, least: int = ATOM) -> str:
    """Writes an expression, in brackets where it binds less tightly than it has to."""
    return text[0] if text[1] >= least else f"({text[0]})"


def infix(symbol: str, level: int, left: int, right: int) -> Form:
    """Makes the form of an operator between two inputs."""
    return Form(f"{{}} {symbol} {{}}", level, (left, right))


def call(function: str, arity: int = 1) -> Form:
    """Makes the form of a call of a function."""
    return Form(f"{function}({', '.join(['{}'] * arity)})", ATOM, (ANY,) * arity)


MATMUL = infix("@", PRODUCT, PRODUCT, SIGN)
FORMS = {  # of operators that do not stand between two inputs with the precedence that the table says
    "neg": Form("-{}", SIGN, (POWER,)),
    "pow": Form("{} ** {}", POWER, (ATOM, SIGN)),
    "power": Form("{} ** {}", POWER, (ATOM, SIGN)),
    "equal": Form("{} == {}", ANY, (SUM, SUM)),
}
REDUCTIONS = {"total": "sum", "largest": "max", "smallest": "min"}  # along axes; others are called by their name


@dataclass(frozen=True)
class Notation:
    """How one language writes operations, numbers and names.

    Attributes:
        number: Writes a number.
        call: Makes the form of a call of a function by name; None for a notation that has operators only.
        forms: The forms that differ from the default, by the name of the operation.
        names: The functions that have another name, by the name of the operation.
        reductions: The reductions along axes that have another name, by the name of the operation.
        helpers: Texts that some operations need in front of the program, by the name of the operation.
        reserved: Names that have a meaning already.
        name: Writes a name that was made of a label.
        power: Says which form x to the power of a plain number has.
    """

    number: Callable[[float], Text]
    call: Callable[[str, int], Form] | None = None
    forms: Mapping[str, Form] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    reductions: Mapping[str, str] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    name: Callable[[str], str] = str
    power: Callable[[float], str] = lambda exponent: "power"

    def form(self, op: Op) -> Form | None:
        """Returns how an operation is written; None where the language has no way of its own."""
        key = self.power(op.parameters[0]) if op.name == "power" else op.name
        form = self.forms.get(key) or FORMS.get(key)
        if form:
            return form
        if op.precedence:  # the right operand binds more tightly, or a + (b + c) would become another sum
            return infix(op.symbol, op.precedence, op.precedence, op.precedence + 1)
        if self.call and op.is_native and op.arity:
            return self.call(self.names.get(op.name, op.name), op.arity)
        return None

    def function(self, op: Op) -> str:
        """Returns the name by which a function is called that has no form."""
        return self.names.get(op.name) or REDUCTIONS.get(op.name, op.name)

    def reduction(self, op: Op) -> str:
        """Returns the name of a reduction along axes."""
        return self.reductions.get(op.name) or REDUCTIONS.get(op.name, op.name)

    def parameters(self, op: Op) -> list[object]:
        """Returns the numbers of a member of a family, for its form: a whole one stays whole."""
        return [x if math.isfinite(x) else self.number(x)[0] for x in op.parameters]


# ---- the table -------------------------------------------------------------------------------------------------------
FUNCTIONS = [name for name, op in OPS.items() if op.is_native]  # that each language has to bring along


def number_in_python(x: float) -> Text:
    """Writes a number exactly, as an expression of Python."""
    text = repr(float(x)) if math.isfinite(x) else f'float("{x}")'  # NumPy's floats are shown in another way
    return text, SIGN if text.startswith("-") else ATOM


PYTHON = Notation(
    number=number_in_python,
    call=call,
    forms={
        "pow": call("pow", 2),  # that of math, as a ** b gives a complex number for (-8.0) ** (1 / 3)
        "equal": Form("float({} == {})", ATOM, (SUM, SUM)),
    },
    helpers={  # these keep a nan
        "maximum": "def maximum(a, b):\n    return a if a > b or a != a else b",
        "minimum": "def minimum(a, b):\n    return a if a < b or a != a else b",
        "where": "def where(c, a, b):\n    return a if c != 0 else b",
        "sign": "def sign(x):\n    return 1.0 if x > 0 else -1.0 if x < 0 else x",
        "step": "def step(x):\n    return 1.0 if x > 0 else 0.0 if x <= 0 else x",
    },
    reserved=frozenset({*kwlist, *dir(builtins), *FUNCTIONS, "math", "mul", "reduce"}),
    power=lambda exponent: "power" if float(exponent).is_integer() else "pow",
)
VALUES = Notation(  # Python that makes Values: the functions are called by those who know where they come from
    number=lambda x: number_in_python(x) if not isinstance(x, int) else (repr(x), SIGN if x < 0 else ATOM),
    forms={"exponential": Form("{1} ** {0}", POWER, (SIGN, ATOM))},
)
_ARCS = {f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}  # as NumPy calls them


def _of_arrays(module: str) -> dict[str, Form]:
    """The forms of functions of arrays that NumPy and JAX have in common."""
    return {
        "where": Form(f"{module}.where({{}} != 0, {{}}, {{}})", ATOM, (SUM, ANY, ANY)),
        "root": Form(f"{module}.power({{}}, {{}})", ATOM, (ANY,)),
        "step": Form("{} > 0", ANY, (SUM,)),
        "erfc": call("erfc"),
    }


NUMPY = Notation(
    number=lambda x: number_in_python(x) if math.isfinite(x) else (f"{'-' * bool(x < 0)}np.{abs(x)}", SIGN),
    call=lambda function, arity: call(f"np.{function}", arity),
    forms={**_of_arrays("np"), "pow": call("power", 2)},
    names=_ARCS,
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
    number=lambda x: number_in_python(x) if math.isfinite(x) else (f"{'-' * bool(x < 0)}jnp.{abs(x)}", SIGN),
    call=lambda function, arity: call(f"jnp.{function}", arity),
    forms={**_of_arrays("jnp"), "pow": call("jnp.power", 2)},
    names=_ARCS,
    reserved=NUMPY.reserved,
    power=lambda exponent: "power" if float(exponent).is_integer() else "root",
)


def number_in_javascript(x: float) -> Text:
    """Writes a number exactly, as an expression of JavaScript."""
    number = repr(float(x))
    text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(number, number.removesuffix(".0"))
    return text, SIGN if text.startswith("-") else ATOM


JAVASCRIPT = Notation(
    number=number_in_javascript,
    call=lambda function, arity: call(f"Math.{function}", arity),
    forms={
        "neg": Form("-{}", SIGN, (ATOM,)),  # -x ** 2 is a syntax error, as readers could take it for (-x) ** 2
        "pow": call("pow", 2),
        "exp2": Form("2 ** {}", POWER, (ATOM,)),
        "where": call("where", 3),
        "step": call("step"),
        "erfc": call("erfc"),
        "equal": Form("Number({} === {})", ATOM, (SUM, SUM)),
    },
    names={"maximum": "max", "minimum": "min"},
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


def number_in_formula(x: float) -> Text:
    """Writes a number to six digits, as people do by hand."""
    text = f"{x:.6g}".replace("-", "−").replace("inf", "∞")
    return text, SIGN if x < 0 else ATOM


FORMULA = Notation(  # to be read by people, in drawings
    number=number_in_formula,
    forms={
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
    },
    names={"maximum": "max", "minimum": "min"},
    reductions={"total": "Σ"},
)


def number_in_listing(x: float) -> Text:
    """Writes a number to six digits, a whole one as such."""
    text = str(int(x)) if math.isfinite(x) and x == int(x) and abs(x) < 1e6 else f"{x:.6g}"
    return text, SIGN if text.startswith("-") else ATOM


LISTING = Notation(  # to be read by people, in the table of a program
    number=number_in_listing,
    forms={"equal": Form("({} == {})", ATOM, (SUM, SUM))},
)


def _latex_call(function: str, arity: int = 1) -> Form:
    function = function.replace("{", "{{").replace("}", "}}")
    return Form(rf"{function}\left({', '.join(['{}'] * arity)}\right)", ATOM, (ANY,) * arity)


def operator_name(identifier: str) -> str:
    """Writes the name of a function upright."""
    escaped = identifier.replace("_", r"\_")
    return rf"\operatorname{{{escaped}}}"


def call_in_latex(function: str, arity: int) -> Form:
    """Makes the form of a call of a function, its name being upright."""
    return _latex_call(operator_name(function), arity)


def name_in_latex(identifier: str) -> str:
    r"""Writes a name with its indices: w_0_3 as w_{0,3}, v12 as v_{12}, θ as \theta, loss as \mathrm{loss}."""
    head, *indices = [part for part in identifier.split("_") if part] or ["v"]
    if len(head) > 1 and head[1:].isdecimal():
        head, indices = head[0], [head[1:], *indices]
    subscript = ",".join(map(_upright, indices))
    return _upright(head) + (f"_{{{subscript}}}" if indices else "")


def number_in_latex(x: float) -> Text:
    """Writes a number exactly, with a power of ten in place of Python's e."""
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
    number=number_in_latex,
    call=call_in_latex,
    forms={
        **{name: _latex_call(rf"\{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
        **{f"a{name}": _latex_call(rf"\arc{name}") for name in ("sin", "cos", "tan")},
        "mul": infix(r"\cdot", PRODUCT, PRODUCT, POWER),
        "div": Form(r"\frac{{{}}}{{{}}}", POWER, (ANY, ANY)),  # its line holds it together
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
        "maximum": _latex_call(r"\max", 2),
        "minimum": _latex_call(r"\min", 2),
        "sigmoid": _latex_call(r"\sigma"),
        "equal": Form(r"\left[{} = {}\right]", ATOM, (SUM, SUM)),
    },
    names={"sign": "sgn", "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh"},
    reductions={"largest": r"\max", "smallest": r"\min"},
    name=name_in_latex,
)
LATEX_OF_ARRAYS = {  # the operations that are not what they are of matrices
    "mul": infix(r"\odot", PRODUCT, PRODUCT, POWER),
    "power": Form(r"{{{}}}^{{\odot {}}}", POWER, (ATOM,)),
    "pow": Form(r"{{{}}}^{{\odot {}}}", POWER, (ATOM, POWER)),
    "exp": _latex_call(r"\exp"),
}


# ---- calls of the functions for users --------------------------------------------------------------------------------
OF_ONE_LIST = {"mean", "prod", *[op.function for op in OPS.values() if op.lists == 1]}
FUNCTIONS_FOR_USERS = sorted(  # that return one number
    name
    for name in {*OF_ONE_LIST, *FAMILIES, *[op.function for op in OPS.values()]}
    if getattr(vars(functional).get(name), "__module__", "") == functional.__name__
)


def list_arguments(op: Op, inputs: Sequence[str]) -> str:
    """Writes the inputs as the function for users takes them: one by one, or in lists.

    Args:
        op: The operation.
        inputs: The texts of its inputs.

    Returns:
        The text between the brackets of the call.

    Example:
        >>> list_arguments(OPS["dot"], ["a", "b", "c", "d"]), list_arguments(OPS["where"], ["c", "a", "b"])
        ('[a, b], [c, d]', 'c, a, b')
    """
    if not op.lists:
        return ", ".join(inputs)
    n = len(inputs) // op.lists
    return ", ".join([f"[{', '.join(inputs[i * n : (i + 1) * n])}]" for i in range(op.lists)])


# ---- names -----------------------------------------------------------------------------------------------------------
_PATH = re.compile(r"[^\W\d]\w*(?:\[\d+\]|\.[^\W\d]\w*)*")


def identifier(label: str, otherwise: str) -> str:
    """Makes a name of a label: w_0_3_1 of `layers[0].neurons[3].w[1]`, x1_w1 of `x1*w1`."""
    label = normalize("NFKC", label[:200])  # as Python does with the names that it reads
    if _PATH.fullmatch(label):
        words = re.findall(r"\w+", label)
        label = "_".join([[w for w in words if not w.isdecimal()][-1], *[w for w in words if w.isdecimal()]])
    return plain(label, otherwise)


def plain(label: str, otherwise: str) -> str:
    """Makes a name of the letters and digits of a label; other characters mean something in some language."""
    name = re.sub(r"\W+", "_", normalize("NFKC", label[:200])).strip("_")[:40]
    return next(text for text in (name, f"{otherwise}_{name}".rstrip("_"), otherwise) if text.isidentifier())


class Names:
    """The names that a text has used: each new name is written in another way than all of them."""

    def __init__(self, taken: Iterable[str], written: Callable[[str], str] = str) -> None:
        self.taken = set(taken)
        self._written = written
        self._numbers: Counter[object] = Counter()

    def new(self, wish: str) -> str:
        """Takes the name itself, or the name with a number where it is taken."""
        name = wish
        while not self.is_free(name):
            self._numbers[wish] += 1
            name = f"{wish}_{self._numbers[wish] + 1}"
        self.taken.add(self._written(name))
        return name

    def numbered(self, letter: str) -> str:
        """Takes the first free name of v0, v1, …, for the letter v."""
        while True:
            name = f"{letter}{self._numbers[letter, 'numbered']}"
            self._numbers[letter, "numbered"] += 1
            if self.is_free(name):
                return self.new(name)

    def is_free(self, name: str) -> bool:
        """Tells whether no name is written like this one."""
        return self._written(name) not in self.taken


# ---- lines -----------------------------------------------------------------------------------------------------------
def listed(before: str, items: Sequence[str], after: str, width: int = 4) -> str:
    """Writes a list in one line, or in several where it is too long; lists of numbers break anywhere."""
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
    """Puts indented lines below a head."""
    return "\n".join([head, *[indent(line, " " * width) for line in lines]])
