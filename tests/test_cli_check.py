"""The command `check`: its report, its exit code, and what becomes of bad input."""

import sys

import pytest
from click.testing import CliRunner, Result

from tinygrad_edu.cli import main
from tinygrad_edu.rules import OPS
from tinygrad_edu.testing.gradcheck import _precision


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def test_a_correct_gradient():
    result = check("tanh(w*x + b)", "w=0.5", "x=2", "b=-1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:12] == [
        "f = tanh(w*x + b), at w = 0.5, x = 2, b = -1",
        "",
        "The gradient is right. For each variable, the rules and trying give the same",
        "number.",
        "",
        "         by the rules  by trying",
        "  ∂f/∂w             2          2",
        "  ∂f/∂x           0.5        0.5",
        "  ∂f/∂b             1          1",
        "",
        "By the rules: the chain rule, as backward() applies it.",
        "By trying: the slope of a curve through values of f, nearer and nearer to x.",
    ]
    assert lines[13:15] == ["In detail", "  correct: the gradient agrees with differences"]
    assert [line.split(" ± ")[0] for line in lines[15:18]] == [
        "  ∂f/∂w: gradient 2, differences 2",
        "  ∂f/∂x: gradient 0.5, differences 0.5",
        "  ∂f/∂b: gradient 1, differences 1",
    ]
    assert all(line.endswith(", 0 ulp apart") for line in lines[15:18])
    assert "  decided with 200 digits\n" in result.stdout


def test_the_point_is_shown_as_it_is():
    result = check("x*y", "x=0.999999999999", "y=1e8")
    assert result.stdout.splitlines()[0] == "f = x*y, at x = 0.999999999999, y = 100000000"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in (["tanh(w*x + b)", "w=0.5", "x=2", "b=-1"], ["relu(x)*y", "x=0", "y=2"], ["sin(x*x)", "x=1e8"]):
        lines = check(*arguments).stdout.splitlines()
        assert len(lines) > 10
        assert max(map(len, lines)) <= min(width, 80)


def test_a_wrong_rule_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OPS["tanh"], "partials", (lambda m, y, x: 1.0005 * (1.0 - y * y),))
    result = check("3*tanh(x)", "x=0")
    assert result.exit_code == 1
    assert "The gradient is wrong. Look at the rule of tanh: its derivative at 0 is 1.0005;\n" in result.stdout
    assert "wrong: tanh, input 0 at 0.0: the rule says 1.0005, it is 1\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("relu(x)*y", "x=0", "y=2"),
            "There is no one gradient at this point. ∂f/∂x is 0 from the left, 2 from",
        ),
        (("relu(x)*y", "x=0", "y=2"), "kink: ∂f/∂x is 0 from the left, 2 from the right, by the kink of relu, input 0"),
        (("log(x)", "x=-1"), "outside the domain: f has no value: column 1: log is not defined at -1.0 (node 'x')"),
        (("sqrt(x)", "x=0"), "outside the domain: the derivative of sqrt is infinite at 0.0 (node 'x')"),
        (("sin(x*x)", "x=123456789"), "too noisy: floats lose digits here: with 200 digits, ∂f/∂x: gradient -233"),
    ],
)
def test_what_is_not_correct_ends_with_1(arguments: tuple[str, ...], words: str):
    result = check(*arguments)
    assert result.exit_code == 1
    assert words in " ".join(result.stdout.split())


def test_second_order():
    result = check("-x**2 * y", "x=3", "y=-1", "--order", 2)
    assert result.exit_code == 0
    assert "correct: the derivatives up to order 2 agree with differences" in result.stdout
    assert "∂²f/∂x∂y: gradient -6, differences -6 ± " in result.stdout


def test_without_mpmath(monkeypatch: pytest.MonkeyPatch):
    _precision._make_precision.cache_clear()
    monkeypatch.setitem(sys.modules, "mpmath", None)
    result = check("sin(x)", "x=1")
    assert result.exit_code == 0
    assert "decided with 16 digits" in result.stdout
    assert "pip install 'tinygrad-edu[test]'" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x*y", "x=1"), "column 3: y has no number; add y=1.0"),
        (("exp(x", "x=1"), "column 4: this is no expression"),
        (("x", "x=1", "y=2"), "y has a number, but no place"),
        (("x", "x=one"), "'one' is not a number"),
        (("x", "x=1", "--order", "0"), "0 is not in the range 1<=x<=3"),
    ],
)
def test_a_bad_expression_is_one_line(arguments: tuple[str, ...], words: str):
    result = check(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert words.replace("'one'", '"one"') in result.stderr
