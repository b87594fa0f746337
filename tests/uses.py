"""Every use of a rule, in one form: from an operation and some points to numbers to be held against the truth.

The first kind gives at each point the value and the local derivatives, the second kind the second derivatives, row by
row. Some run the rule on another kind of number, some go through the engine, some through a tape and the programs made
of it, some through text that a person reads or types. What is true, and how close to it a use has to be, is left to
`operations.py` and the tests.
"""

import copy
import json
import math
import operator
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache, reduce
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from javascript import JavaScript
from operations import Point, mp, mpf

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, grad, hessian, hvp, record
from tinygrad_edu.cli.expressions import FUNCTIONS, parse
from tinygrad_edu.compiler import Recorded, Tape
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.engine import apply
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import LEAF
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, NumberSystem, Op
from tinygrad_edu.viz._formulas import write_formula, write_local_derivatives
from tinygrad_edu.viz._pages import read_page
from tinygrad_edu.viz.explorer._operations import describe_operations

Function = Callable[..., Any]
Results = list[list[Any]]  # at each point


class Use(NamedTuple):
    """One use of a rule."""

    name: str
    run: Callable[..., Results]  # of an operation and points of one number of inputs
    tolerance: float | None = None  # relative, where it is not that of the rule on floats
    takes: Callable[[Op], bool] = lambda op: True
    in_javascript: bool = False  # then it takes what runs it as a third argument

    def __str__(self) -> str:
        return self.name


def at_each_point(one: Callable[[Op, Point], Sequence[Any]]) -> Callable[[Op, Sequence[Point]], Results]:
    return lambda op, points: [list(one(op, xs)) for xs in points]


# ---- the rule on some kind of number ---------------------------------------------------------------------------------
NATIVE = """
exp expm1 log log10 log1p sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erfc sign
""".split()


class Digits(NumberSystem):
    """50 digits."""

    pi, abs, maximum, minimum, pow = mp.pi, abs, max, min, operator.pow

    @staticmethod
    def step(x: Any) -> Any:
        return mpf(x > 0)

    @staticmethod
    def where(c: Any, a: Any, b: Any) -> Any:
        return a if c != 0 else b

    @staticmethod
    def exp2(x: Any) -> Any:
        return mpf(2) ** x

    @staticmethod
    def log2(x: Any) -> Any:
        return mp.log(x) / mp.log(2)


for _name in NATIVE:
    setattr(Digits, _name, staticmethod(getattr(mp, _name)))


class Arrays(NumberSystem):
    """NumPy arrays, as a compiled graph would run on them."""

    pi, pow, step = math.pi, np.power, staticmethod(lambda x: np.heaviside(x, 0.0))
    asin, acos, atan = np.arcsin, np.arccos, np.arctan
    asinh, acosh, atanh = np.arcsinh, np.arccosh, np.arctanh
    exp2, log2, where = np.exp2, np.log2, staticmethod(lambda c, a, b: np.where(c != 0, a, b))
    maximum, minimum, abs, erfc = np.maximum, np.minimum, np.abs, np.vectorize(math.erfc)


for _name in set(NATIVE) - set(vars(Arrays)):
    setattr(Arrays, _name, getattr(np, _name))


class Exact(Fraction):
    """A Fraction that takes a float for the fraction that it is, and so stays one among the numbers of a rule."""

    def __neg__(self) -> "Exact":
        return Exact(-Fraction(self))

    def __pow__(self, n: Any) -> Any:
        return Exact(Fraction(self) ** int(n)) if n == int(n) else NotImplemented


def _exactly(compute: Function) -> tuple[Function, Function]:
    """An operator and its reflection."""

    def forward(a: Any, b: Any) -> Exact:
        return Exact(compute(Fraction(a), Fraction(b)))

    return forward, lambda a, b: forward(b, a)


for _name in ("add", "sub", "mul", "truediv"):
    for _method, _exact in zip((f"__{_name}__", f"__r{_name}__"), _exactly(getattr(operator, _name))):
        setattr(Exact, _method, _exact)


class Fractions(NumberSystem):
    """The rational numbers: what is made of + - * /, whole powers and decisions, without any rounding."""

    pow, abs, maximum, minimum = operator.pow, abs, max, min

    @staticmethod
    def sign(x: Any) -> Any:
        return Exact((x > 0) - (x < 0))

    @staticmethod
    def where(c: Any, a: Any, b: Any) -> Any:
        return a if c != 0 else b


class Text:
    """A number that is only known by its formula: nothing can be decided by looking at it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        raise AssertionError(f"a rule branches on {self.text}")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __ne__ = lambda self, other: bool(self)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> "Text":
        return Text(f"(-{self.text})")


def text_of(x: Any) -> str:
    return x.text if isinstance(x, Text) else repr(x)


def _written(symbol: str, a: Any, b: Any) -> Text:
    return Text(f"({text_of(a)} {symbol} {text_of(b)})")


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
    setattr(Text, f"__{_name}__", lambda a, b, _symbol=_symbol: _written(_symbol, a, b))
    setattr(Text, f"__r{_name}__", lambda a, b, _symbol=_symbol: _written(_symbol, b, a))


class Formulas(NumberSystem):
    """The text of Python that computes it."""

    pi = Text("pi")

    def __getattr__(self, name: str) -> Callable[..., Text]:
        return lambda *xs: Text(f"{name}({', '.join(map(text_of, xs))})")


def computed(formulas: Iterable[str], xs: Point, y: float | None = None) -> list[float]:
    """What formulas in Python give: a function of a family takes its plain numbers last."""
    names = {name: getattr(FLOATS, name) for name in OPS if name.isidentifier()}
    for name, (member, *_) in FAMILIES.items():
        names[name] = lambda x, *parameters, member=member: member(*parameters).value(FLOATS, x)
    names["maximum"] = lambda *xs: reduce(FLOATS.maximum, xs)
    names["minimum"] = lambda *xs: reduce(FLOATS.minimum, xs)
    names |= {f"x{i}": x for i, x in enumerate(xs)} | {"y": y, "pi": math.pi, "inf": math.inf}
    return [eval(text, {"__builtins__": {}}, names) for text in formulas]


def on_numbers(m: NumberSystem, number: Callable[[float], Any]) -> Callable[[Op, Sequence[Point]], Results]:
    def one(op: Op, point: Point) -> list[Any]:
        xs = [number(x) for x in point]
        y = op.value(m, *xs)
        return [y, *op.derivatives(m, y, *xs)]

    return at_each_point(one)


def transposed(columns: Iterable[Any], n: int) -> Results:
    """Results of n samples each, or one for all of them, sample by sample."""
    return [list(row) for row in zip(*[np.broadcast_to(column, n) for column in columns])]


def arrays(points: Sequence[Point]) -> list[Any]:
    return [np.array(column) for column in zip(*points)]


def on_arrays(op: Op, points: Sequence[Point]) -> Results:
    """All points at once."""
    columns = arrays(points)
    y = op.value(Arrays(), *columns)
    return transposed([y, *op.derivatives(Arrays(), y, *columns)], len(points))


def in_text(op: Op, points: Sequence[Point]) -> Results:
    """One text for all points: the branch that a rule took by looking at a number would be wrong at another one."""
    xs = [Text(f"x{i}") for i in range(len(points[0]))]
    value = text_of(op.value(Formulas(), *xs))
    slopes = [*map(text_of, op.derivatives(Formulas(), Text("y"), *xs))]
    return [[y := computed([value], xs)[0], *computed(slopes, xs, y)] for xs in points]


# ---- through the engine ----------------------------------------------------------------------------------------------
def application(op: Op) -> Function:
    return lambda *xs: apply(op, *xs)


def backward(f: Function, xs: Point) -> list[float]:
    """The value, and what `backward()` leaves in the leaves."""
    leaves = [Value(x) for x in xs]
    y = f(*leaves)
    if leaves:
        y.backward()
    return [y.data, *[leaf.grad for leaf in leaves]]


def chain_rule_at_one_node(op: Op, xs: Point) -> list[float]:
    """As micrograd's users call it."""
    leaves = [Value(x) for x in xs]
    y = apply(op, *leaves)
    y.grad = 1.0
    y._backward()
    return [y.data, *[leaf.grad for leaf in leaves]]


def by_grad(op: Op, xs: Point) -> list[float]:
    leaves = [Value(x) for x in xs]
    y = apply(op, *leaves)
    return [y.data, *grad(y, leaves)]


def by_grad_that_records(op: Op, xs: Point) -> list[float]:
    leaves = [Value(x) for x in xs]
    y = apply(op, *leaves)
    return [y.data, *[slope.data for slope in grad(y, leaves, create_graph=True)]]


def after(keep: Callable[[Any], Any]) -> Callable[[Op, Sequence[Point]], Results]:
    """Backward through the graph that comes back from where it has been kept."""

    def one(op: Op, xs: Point) -> list[float]:
        leaves = [Value(x) for x in xs]
        y, leaves = keep((apply(op, *leaves), leaves))
        if leaves:
            assert y._rule is op
            y.backward()
        return [y.data, *[leaf.grad for leaf in leaves]]

    return at_each_point(one)


# ---- as users write it -----------------------------------------------------------------------------------------------
OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": operator.neg,
}


def public(op: Op) -> Function:
    """The operator or the function that makes this operation."""
    match op.name, op.parameters:
        case "power", (n,):
            return lambda x: x**n
        case "exponential", (base,):
            return lambda x: base**x
        case "dot", _:
            return lambda *xs: tg.dot(xs[: len(xs) // 2], xs[len(xs) // 2 :])
        case "total" | "logsumexp", _:
            return lambda *xs: getattr(tg, op.name)(xs)
    return OPERATORS.get(op.name) or (lambda *xs: getattr(tg, op.function)(*xs, *op.parameters))


def is_method(op: Op) -> bool:
    return hasattr(Value, op.name)


def method(op: Op) -> Function:
    return lambda x: getattr(x, op.name)(*op.parameters)


def among_plain_numbers(op: Op, xs: Point) -> list[float]:
    """∂y/∂xᵢ with xᵢ as the only Value."""
    y, slopes = op.value(FLOATS, *xs), []
    for i, number in enumerate(xs):
        x = Value(number)
        slopes += grad(y := public(op)(*xs[:i], x, *xs[i + 1 :]), [x])
        y = y.data
    return [y, *slopes]


def has_a_function(op: Op) -> bool:
    return hasattr(tg.functional, op.function)


def typed(op: Op, xs: Sequence[str]) -> str:
    """The text that somebody would type on a command line."""
    symbols = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
    match op.name, op.parameters:
        case name, () if name in symbols:
            return f" {symbols[name]} ".join(xs)
        case "neg", _:
            return f"-{xs[0]}"
        case "power", (n,):
            return f"{xs[0]}**{n}"
        case "exponential", (base,):
            return f"{base}**{xs[0]}"
        case "dot", _:
            return f"dot([{', '.join(xs[: len(xs) // 2])}], [{', '.join(xs[len(xs) // 2 :])}])"
        case "total" | "logsumexp", _:
            return f"{op.name}([{', '.join(xs)}])"
    return f"{op.function}({', '.join([*xs, *map(repr, op.parameters)])})"


def can_be_typed(op: Op) -> bool:
    is_known = op.name in FUNCTIONS or op.name in OPERATORS or op.name in ("power", "exponential")
    return is_known and all(map(math.isfinite, op.parameters))


def on_the_command_line(op: Op, xs: Point) -> list[float]:
    names = [f"x{i}" for i in range(len(xs))]
    y = parse(typed(op, names), dict(zip(names, xs)))
    leaves = {v.label: v for v in topological_order(y)}
    if xs:
        y.backward()
    return [y.data, *[leaves[name].grad for name in names]]


# ---- as pictures and pages show it -----------------------------------------------------------------------------------
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


IN_PYTHON = {"·": "*", "−": "-", "^": "**", "∞": "inf", "σ(": "sigmoid(", "max(": "maximum(", "min(": "minimum("}


def read_by_a_person(text: str) -> str:
    """A formula as it is drawn, in Python."""
    text = re.sub(r"([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: f"**({m[1].translate(_RAISED)})", text)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    text = re.sub(r"√(\w+(?!\w*\()|(?=\())", lambda m: f"sqrt({m[1]})" if m[1] else "sqrt", text)
    for drawn, python in IN_PYTHON.items():
        text = text.replace(drawn, python)
    return text


def on_a_drawing(op: Op, points: Sequence[Point]) -> Results:
    """The formula of the node and those on its edges; their numbers are written with six digits."""
    names = [f"x{i}" for i in range(len(points[0]))]
    value = read_by_a_person(write_formula(op, names))
    slopes = [*map(read_by_a_person, write_local_derivatives(op, "y", names))]
    return [[y := computed([value], xs)[0], *computed(slopes, xs, y)] for xs in points]


def in_the_explorer(op: Op, points: Sequence[Point], javascript: JavaScript) -> Results:
    """The function of the page, as its engine finds it by name."""
    if not points[0]:
        return [[op.value(FLOATS)] for _ in points]  # the page has no operation without inputs
    functions, _ = describe_operations([] if op.parameters else [(op, len(points[0]))])
    name, parameters = json.dumps(op.name), json.dumps(op.parameters)
    call = f"function f(...xs) {{ return operationOf({name}, {parameters}, xs.length)(...xs); }}"
    engine = read_page("tinygrad_edu.viz.explorer", "engine.js")
    return javascript(f"const OPERATIONS = new Map({functions});\n{engine}\n{call}", points)


# ---- through a tape, and through an array program --------------------------------------------------------------------
def taped(f: Function, xs: Point) -> Tape:
    return trace_function(lambda values: f(*values), "f", [(f"x{i}", x) for i, x in enumerate(xs)]).tape


def value_and_slopes(op: Op) -> Function:
    """The function of the value and the local derivatives: Values for Values."""

    def function(*xs: Value) -> list[Value]:
        y = apply(op, *xs)
        return [y, *grad(y, xs, create_graph=True)]

    return function


def function_of(source: str) -> Function:
    """The last function of a Python program."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope[re.findall(r"^def (\w+)\(", source, re.MULTILINE)[-1]]


def leaves_of(program: Recorded, xs: Point) -> list[Any]:
    """The numbers of arguments and parameters as the program takes them: one for each leaf, or a list of them."""
    rows = {leaf: [0.0] * leaf.size for leaf in (*program.inputs, *program.parameters)}
    for (leaf, cell), x in zip(program.places, xs):
        rows[leaf][cell] = x
    return [row if leaf.shape else row[0] for leaf, row in rows.items()]


def in_order(program: Recorded, outputs: Sequence[Sequence[float]]) -> list[float]:
    """The numbers of the outputs, the gradients in the order of the arguments."""
    values = [y for row, output in zip(outputs, program.outputs) if output.leaf is None for y in row]
    slopes = {output.leaf: row for row, output in zip(outputs, program.outputs)}
    return [*values, *[slopes[leaf][cell] for leaf, cell in program.places if leaf in slopes]]


def replayed(tape: Tape, points: Sequence[Point]) -> Results:
    return [tape.replay(FLOATS, *xs) for xs in points]


def replayed_on_digits(tape: Tape, points: Sequence[Point]) -> Results:
    return [tape.replay(Digits(), *map(mpf, xs)) for xs in points]


def replayed_on_arrays(tape: Tape, points: Sequence[Point]) -> Results:
    return transposed(tape.replay(Arrays(), *arrays(points)), len(points))


def in_python(program: Recorded, points: Sequence[Point]) -> Results:
    return _in_a_program(program, points, "python")


def in_numpy(program: Recorded, points: Sequence[Point]) -> Results:
    return _in_a_program(program, points, "numpy")


def _in_a_program(program: Recorded, points: Sequence[Point], language: str) -> Results:
    run, found = function_of(program.source(language)), []
    for xs in points:
        leaves = leaves_of(program, xs)
        if language == "numpy":
            shapes = [leaf.shape for leaf in (*program.inputs, *program.parameters)]
            leaves = [np.reshape(row, shape) if shape else row for row, shape in zip(leaves, shapes)]
        with np.errstate(all="ignore"):
            y = run(*leaves)
        outputs = [y] if len(program.outputs) == 1 else y
        found.append(in_order(program, [np.ravel(output).tolist() for output in outputs]))
    return found


def in_javascript(program: Recorded, points: Sequence[Point], javascript: JavaScript) -> Results:
    sizes = [math.prod(output.shape) for output in program.outputs]
    found = []
    for results in javascript(program.source("javascript"), [leaves_of(program, xs) for xs in points]):
        rest = iter(results)
        found.append(in_order(program, [[next(rest) for _ in range(size)] for size in sizes]))
    return found


@cache  # one for all that is done with it
def tape_of(op: Op, xs: Point) -> Tape:
    return taped(value_and_slopes(op), xs)


@cache
def program_of(op: Op, xs: Point) -> Recorded:
    return record(application(op), *xs, gradients=True)


def on_a_tape(run: Callable[..., Results]) -> Callable[..., Results]:
    return lambda op, points: run(tape_of(op, points[0]), points)


def values_and_slopes(run: Callable[..., Results]) -> Callable[..., Results]:
    return lambda op, points, *more: run(program_of(op, points[0]), points, *more)


def compiled_for_numbers(op: Op, points: Sequence[Point]) -> Results:
    compiled = compile(application(op))
    results = [compiled.value_and_grad(*xs) for xs in points]
    assert [y for y, _ in results] == [compiled(*xs) for xs in points]
    return [[y, *slopes] for y, slopes in results]


def compiled_for_arrays(op: Op, points: Sequence[Point]) -> Results:
    y, slopes = compile(application(op)).value_and_grad(*arrays(points))
    return transposed([y, *slopes], len(points))


# ---- differentiated twice --------------------------------------------------------------------------------------------
def second_derivatives(f: Function) -> Function:
    """The function of its second derivatives, row by row: Values for Values."""

    def function(*xs: Value) -> list[Value]:
        slopes = grad(f(*xs), xs, create_graph=True)
        return [second for slope in slopes for second in grad(slope, xs, create_graph=True)]

    return function


def gradients_of_gradients(op: Op, xs: Point) -> list[float]:
    return [second.data for second in second_derivatives(application(op))(*map(Value, xs))]


def backward_through_gradients(op: Op, xs: Point) -> list[float]:
    results = []
    for i in range(len(xs)):
        leaves = [Value(x) for x in xs]
        slope = grad(apply(op, *leaves), leaves, create_graph=True)[i]
        if slope._prev or slope._rule is LEAF:  # else it is a constant, which has no graph to go back through
            slope.backward()
        results += [leaf.grad for leaf in leaves]
    return results


def by_hessian(op: Op, xs: Point) -> list[float]:
    return list(chain.from_iterable(hessian(application(op))(*xs)))


def by_hvp(op: Op, xs: Point) -> list[float]:
    units = [[float(i == j) for j in range(len(xs))] for i in range(len(xs))]
    return list(chain.from_iterable(hvp(application(op), unit)(*xs) for unit in units))


@cache
def tape_of_seconds(op: Op, xs: Point) -> Tape:
    return taped(second_derivatives(application(op)), xs)


@cache
def program_of_seconds(op: Op, xs: Point) -> Recorded:
    return record(second_derivatives(application(op)), *xs)


def seconds(run: Callable[..., Results]) -> Callable[..., Results]:
    return lambda op, points, *more: run(program_of_seconds(op, points[0]), points, *more)


def seconds_on_a_tape(run: Callable[..., Results]) -> Callable[..., Results]:
    return lambda op, points: run(tape_of_seconds(op, points[0]), points)


def compiled_seconds(op: Op, points: Sequence[Point]) -> Results:
    compiled = compile(second_derivatives(application(op)))
    return [compiled(*xs) for xs in points]


# ---- the table of uses -----------------------------------------------------------------------------------------------
DIGITS = (
    1e-35  # a π that a rule brings along as a float is wrong in the 17th digit, as is log 2 in the numbers of a tape
)
PROGRAM = 1e-12  # NumPy and JavaScript have functions of their own, and a program adds up in another order
FIRST = [
    Use("rule on floats", on_numbers(FLOATS, float)),
    Use("rule on 50 digits", on_numbers(Digits(), mpf), DIGITS),
    Use("rule on arrays", on_arrays, 1e-13),
    Use("rule as text", in_text),
    Use("backward", at_each_point(lambda op, xs: backward(application(op), xs))),
    Use("_backward at one node", at_each_point(chain_rule_at_one_node)),
    Use("grad", at_each_point(by_grad)),
    Use("grad with create_graph", at_each_point(by_grad_that_records)),
    Use("backward after pickling", after(lambda graph: pickle.loads(pickle.dumps(graph)))),
    Use("backward after copying", after(copy.deepcopy)),
    Use("operator or function", at_each_point(lambda op, xs: backward(public(op), xs) if xs else [public(op)()])),
    Use("method", at_each_point(lambda op, xs: backward(method(op), xs)), takes=is_method),
    Use("one Value among plain numbers", at_each_point(among_plain_numbers)),
    Use("command line", at_each_point(on_the_command_line), takes=can_be_typed),
    Use("drawn formulas", on_a_drawing, 1e-4),
    Use("explorer", in_the_explorer, PROGRAM, in_javascript=True),
    Use("tape replayed", on_a_tape(replayed)),
    Use("tape on 50 digits", on_a_tape(replayed_on_digits)),
    Use("tape on arrays", on_a_tape(replayed_on_arrays), 1e-13),
    Use("program in Python", values_and_slopes(in_python), PROGRAM),
    Use("program in NumPy", values_and_slopes(in_numpy), PROGRAM),
    Use("program in JavaScript", values_and_slopes(in_javascript), PROGRAM, in_javascript=True),
    Use("compiled for numbers", compiled_for_numbers, PROGRAM),
    Use("compiled for arrays", compiled_for_arrays, PROGRAM),
]
SECOND = [
    Use("grad of grad", at_each_point(gradients_of_gradients)),
    Use("backward through grad", at_each_point(backward_through_gradients)),
    Use("hessian", at_each_point(by_hessian)),
    Use("hvp", at_each_point(by_hvp)),
    Use("tape replayed", seconds_on_a_tape(replayed)),
    Use("tape on 50 digits", seconds_on_a_tape(replayed_on_digits)),
    Use("tape on arrays", seconds_on_a_tape(replayed_on_arrays)),
    Use("program in Python", seconds(in_python)),
    Use("program in NumPy", seconds(in_numpy)),
    Use("program in JavaScript", seconds(in_javascript), in_javascript=True),
    Use("compiled", compiled_seconds),
]
