"""Expressions as text: what they may contain, what is refused and where, and the commands that take them."""

import ast
import string
import warnings
from html import unescape
from math import isclose, pi
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Value, functional
from tinygrad_edu.cli import main
from tinygrad_edu.cli.expressions import FUNCTIONS, ExpressionError, parse, parse_assignments
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import LEAF

NUMBERS = {"x": 0.75, "y": -1.5, "w": 2.0}

# the same text read here, and by Python with leaves of these names
READ_AS_PYTHON_READS_THEM = """
x
-x
x - -y
x + y * w
(x + y) * w
x - y - w
x / y / w
x ** 2 ** w
-x ** 2
2 ** x + x ** -1 + x ** 0.5
2 * 3 * x + 1e-3
(2 + 3) / 4 - x
tanh(w*x + y)
relu(x) * sigmoid(y) + softplus(w)
leaky_relu(y) + leaky_relu(y, 0.2) + elu(y) + elu(y, 1.5)
clamp(x, -1, 1) + maximum(x, y) - minimum(x, 2)
dot([x, y], [w, 3]) + dot((x,), (y,))
total([x, y, 2]) + mean([x, y]) * prod([x, y, w])
logsumexp([x, y, w])
abs(y) + step(x) + sign(y) + silu(x) + gelu(x) + erfc(y)
exp(y) + expm1(x) + log(x) + log1p(x) + sqrt(x)
sin(x) + cos(y) + tan(x) + asin(x) + acos(x) + atan(y) + sinh(x) + cosh(y)
""".strip().splitlines()


@pytest.mark.parametrize("text", READ_AS_PYTHON_READS_THEM)
def test_an_expression_is_what_python_would_make_of_it(text: str):
    leaves = {name: Value(number, label=name) for name, number in NUMBERS.items() if name in text.replace("exp", "")}
    leaves = {name: v for name, v in leaves.items() if occurs(name, text)}
    expected = eval(text, {**{name: getattr(functional, name) for name in FUNCTIONS}, **leaves})
    got = parse(text, {name: v.data for name, v in leaves.items()})
    assert got.data == expected.data
    shapes = [[(v._rule, v.data, v.label) for v in topological_order(root)] for root in (got, expected)]
    assert shapes[0] == shapes[1]


def occurs(name: str, text: str) -> bool:
    words = "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
    return name in words


def test_every_function_of_one_number_is_there():
    assert {*FUNCTIONS} == {name for name in tg.__all__ if name in vars(functional)} - {
        "Value",
        "define_op",  # a function of functions
        "take",  # of a table
        "softmax",  # these return several numbers
        "log_softmax",
    }


def test_a_name_is_one_leaf_wherever_it_stands():
    y = parse("x*x + x", {"x": 3.0})
    y.backward()
    (x,) = [v for v in topological_order(y) if v._rule is LEAF]
    assert (x.label, x.grad) == ("x", 7.0)


def test_functions_of_many_numbers_take_them_singly_too():
    assert parse("mean(x, 2, 3)", {"x": 4.0}).data == 3.0


def test_a_plus_sign_may_stand_before_a_name():
    assert parse("+x - +2", {"x": 3.0}).data == 1.0


def test_pi_and_e():
    assert isclose(parse("log(e) * pi * x", {"x": 2.0}).data, 2 * pi)


def test_a_name_may_be_pi_if_it_is_given_to_parse():
    assert parse("pi * 1", {"pi": 3.0}).data == 3.0


def test_blanks_and_line_ends_do_not_matter():
    assert parse("\n  x\n   + 1 ", {"x": 2.0}).data == 3.0


def test_long_sums_are_read():
    assert parse("+".join(["x"] * 1500), {"x": 1.0}).data == 1500.0


# each with a mark ¦ where the error has to point
WRONG = {
    "¦": "empty",
    "x +¦": "this is no expression",
    "x ¦y": "this is no expression",
    "¦[x]": "a list is not allowed",
    "x¦.data": "a dot after a name is not allowed",
    "x.__class__¦.__bases__": "a dot after a name is not allowed",
    "¦__import__('os')": "there is no function __import__",
    "x + ¦open('f')": "there is no function open; there are abs",
    "2*¦f(x)": "there is no function f",
    "x¦[0]": "an index is not allowed",
    "¦lambda: x": "a lambda is not allowed",
    "¦[a for a in x]": "this part of Python is not allowed",
    "x ¦^ 2": r"\^ is not an operator here; a power is written \*\*",
    "(x) ¦// 2": "this operator is not allowed",
    "x ¦< 2": "a comparison is not allowed",
    "¦x and x": "and/or is not allowed",
    "¦not x": "this part of Python is not allowed",
    "¦x if x else x": "if/else is not allowed",
    "1 + ¦'text'": "'text' is not a real number",
    "x * ¦1j": "1j is not a real number",
    "¦True + x": "True is not a real number",
    "¦f'{x}'": "a text is not allowed",
    "x + ¦z": r"z has no number; add z=1.0",
    "x + ¦tanh": r"tanh is a function: write tanh\(…\)",
    "1 + ¦tanh()": "tanh takes 1 number",
    "¦tanh(x, x)": "tanh takes 1 number",
    "¦maximum(x)": "maximum takes 2 or more number",
    "¦elu(x, 1, 2)": "elu takes 1 or 2 number",
    "elu(x, ¦x)": "here elu takes a plain number",
    "¦tanh(x, y=1)": "this kind of call is not allowed",
    "tanh(¦*x)": "a star before a name is not allowed",
    "¦dot([x])": "dot takes two lists",
    "dot(¦x, [x])": "dot takes two lists",
    "¦dot([x, x], [x])": "dot needs two sequences of one length",
    "mean(¦[x], [x])": "a list is not allowed",
    "¦mean([])": "mean needs at least one number",
    "x + ¦log(-x)": "log is not defined at -3.0",
    "x ¦/ 0": "div|infinite|zero|not defined",
    "1 + (2)¦/(3 - 3) + x": "div|infinite|zero|not defined",
    "x*2¦**99999": "pow overflows",
    "x * ¦" + "9" * 400: "too large",
    "é + ü - ¦log(-x)": "log is not defined",
    "¦1or x": "this is no expression",
    "¦x**" + "x**" * 3000 + "x": "too many brackets or signs",
}


@pytest.mark.parametrize("marked", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_in_one_line_that_points_at_the_column(marked: str):
    text, numbers = marked.replace("¦", ""), {"x": 3.0, "é": 1.0, "ü": 1.0}
    with pytest.raises(ExpressionError, match=WRONG[marked]) as caught:
        parse(text, {name: x for name, x in numbers.items() if occurs(name, text) or name == "x"})
    message = str(caught.value)
    assert "\n" not in message
    if text and "no expression" not in message:  # where a syntax error is, Python says: not the same in each version
        assert message.startswith(f"column {marked.index('¦') + 1}: ")


@pytest.mark.parametrize(
    "text", ["w*", "(x", "x)", "x\\", "'", "\x00x", "x\x00", "#", "x;x", "x=1", "def", "(" * 999, "-" * 9999]
)
def test_what_python_cannot_read_is_an_error_with_a_column(text: str):
    with pytest.raises(ExpressionError, match=r"^column \d+: "):
        parse(text, {"x": 1.0})


@pytest.mark.parametrize("text", ["x**", "x +", "2*x*"])
def test_where_something_is_missing_at_the_end_the_column_is_the_end(text: str):
    with pytest.raises(ExpressionError, match=rf"^column {len(text) + 1}: this is no expression"):
        parse(text, {"x": 1.0})


def test_an_expression_has_an_end():
    with pytest.raises(ExpressionError, match="10001 characters; 10000 are allowed"):
        parse("x" * 10001, {})


def test_a_number_without_a_place_is_an_error():
    with pytest.raises(ExpressionError, match='b has a number, but no place in "2\\*a"'):
        parse("2*a", {"a": 1.0, "b": 2.0})


def test_nothing_is_changed_that_other_threads_share(monkeypatch: pytest.MonkeyPatch):
    """Such as the filter of warnings, while Python parses."""
    seen, before, read = [], list(warnings.filters), ast.parse

    def watched(*arguments: object, **options: object) -> ast.AST:
        seen.append(list(warnings.filters))
        return read(*arguments, **options)

    monkeypatch.setattr(ast, "parse", watched)
    parse("x + 1", {"x": 1.0})
    assert seen == [before] == [list(warnings.filters)]


@pytest.mark.parametrize(
    "text", ["x + 1or 2", "0x1for", "5.if x else 1", "x*.5and x", "'\\d'", "x \\ 2", "[1 for x in 1_0in x]"]
)
def test_what_python_only_warns_of_is_an_error(text: str):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(ExpressionError, match=r"^column \d+: this is no expression \((a number that|a backslash)"):
            parse(text, {"x": 1.0})
    assert heard == []


@pytest.mark.parametrize(
    ("text", "number"), [("1e5 + x", 1e5), ("0xdead - x", 0xDEAD), ("x1or + 5.", 5.0), ("x_2in*2 + .5", 0.5)]
)
def test_a_number_with_letters_and_a_name_with_a_keyword_in_it_are_none_of_these(text: str, number: float):
    name = next(name for name in ("x1or", "x_2in", "x") if occurs(name, text))
    assert parse(text, {name: 0.0}).data == number


PARTS = [
    *"xy()[],.+-*/^=<>'\"\\:;@~ 0129ef_",
    "**",
    "tanh",
    "dot",
    "lambda",
    "__class__",
    "\x00",
    "é",
    "\n",
    "if",
    "or",
]


@given(st.lists(st.sampled_from([*PARTS, *string.ascii_letters]), max_size=12).map("".join))
def test_any_text_is_an_expression_or_an_error_of_one_line_and_never_a_warning(text: str):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            result = repr(parse(text, {}))
        except ExpressionError as error:
            result = str(error)
    assert heard == []
    assert result.startswith(("Value(", "column ", "the expression is empty"))
    assert "\n" not in result


# ---- name=number -----------------------------------------------------------------------------------------------------
def test_assignments():
    assert parse_assignments(["w=0.5", "x = -2", "θ=1e3", "b_1=.5"]) == {"w": 0.5, "x": -2.0, "θ": 1000.0, "b_1": 0.5}


def test_a_name_is_normalised_as_python_does():
    assert parse("ﬁ + 1", parse_assignments(["ﬁ=1"])).data == 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", 'column 1: "x" is not of the form name=number'),
        ("=1", "column 1: .* is not of the form"),
        ("2x=1", "column 1: .* is not of the form"),
        ("if=1", "column 1: .* is not of the form"),
        ("tanh=1", "column 1: tanh means something already"),
        ("pi=3", "column 1: pi means something already"),
        ("x=", 'column 3: "" is not a number'),
        ("x=two", 'column 3: "two" is not a number'),
        ("x=nan", 'column 3: "nan" is not a number'),
        ("x=1e999", 'column 3: "1e999" is not a number'),
        ("w=2", "column 1: w has a number already, 1.0"),
    ],
)
def test_what_is_no_assignment(text: str, message: str):
    with pytest.raises(ExpressionError, match=message):
        parse_assignments(["w=1", text])


# ---- the commands ----------------------------------------------------------------------------------------------------
@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return call


def test_explore_writes_a_page(call):
    result = call("explore", "tanh(w*x + b)", "w=0.5", "x=2", "b=1", "-o", "my page.html", "--parameters", "w,b")
    assert (result.exit_code, result.output) == (0, "my page.html is written: open it in a browser\n")
    text = Path("my page.html").read_text()
    assert '"formula":"tanh(⟦0⟧)"' in text
    assert '"marked":[' in text
    assert '"marked":[]' not in text


def test_draw_writes_a_picture_with_gradients(call):
    result = call("draw", "-w*x", "w=0.5", "x=2", "--out", "graph.svg")
    assert (result.exit_code, result.output) == (0, "graph.svg is written\n")
    picture = unescape(Path("graph.svg").read_text()).replace("−", "-")  # ∂L/∂w = −x, ∂L/∂x = −w
    assert "grad -2<" in picture
    assert "grad -0.5<" in picture
    assert call("draw", "w", "w=0.5", "-o", "w.png").exit_code == 0
    assert Path("w.png").read_bytes().startswith(b"\x89PNG")


def test_animate_writes_an_animation(call):
    result = call("animate", "w*x", "w=0.5", "x=2", "-o", "flow.gif", "--seconds", "0.5")
    assert (result.exit_code, result.output) == (0, "flow.gif is written\n")
    assert Path("flow.gif").read_bytes().startswith(b"GIF8")


def test_the_help_says_what_an_expression_is(call):
    for command in ("explore", "draw", "animate"):
        result = call(command, "--help")
        assert result.exit_code == 0
        assert "It is not evaluated as Python." in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explore", "w*x", "w=1"], 'Error: column 3: x has no number; add x=1.0 (in "w*x")\n'),
        (["draw", "w**", "w=1"], "Error: column 4: "),
        (["draw", "sqrt(w)", "w=0"], "Error: the derivative of sqrt is infinite at 0.0 (node 'w')\n"),
        (["draw", "w", "w=1", "-o", "w.txt"], "Error: cannot save a drawing as "),
        (["explore", "2 + 3"], "Error: "),
        (["explore", "w", "w=1", "-o", "w.txt"], "Error: cannot save a page as 'w.txt': its suffix must be .html\n"),
        (["animate", "w", "w=1", "-o", "w.svg"], "Error: cannot save an animation as "),
        (["animate", "sqrt(w)", "w=0"], "Error: the derivative of sqrt is infinite at 0.0 (node 'w')\n"),
        (["explore", "w", "w=1", "--parameters", "v"], "Error: 'v' cannot be a parameter"),
        (["explore", "__import__('os').system('x')"], "Error: column "),
        (["draw"], "Error: Missing argument 'EXPRESSION'"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_written(call, arguments: list[str], message: str):
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith(message)
    assert result.output.count("\n") == 1
    assert list(Path().iterdir()) == []
