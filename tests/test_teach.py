"""The exercises of the lessons: solutions are right, mistakes are told without the answer, and nothing is changed."""

import ast
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.teach import Exercise, grading
from tinygrad_edu.teach.catalogue import exercises_of

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
EXERCISES = [exercise for lesson in "123456789" for exercise in exercises_of(lesson).values()]
check, exercise = tg.teach.check, tg.teach.exercise

every_exercise = pytest.mark.parametrize("one", EXERCISES, ids=lambda one: one.name)


def test_every_lesson_has_exercises():
    assert [one.name for one in EXERCISES] == [f"{lesson}.{i}" for lesson in range(1, 10) for i in (1, 2)]


# ---- right, unanswered, wrong ----------------------------------------------------------------------------------------
@every_exercise
def test_dots_are_not_answered_yet(one: Exercise):
    names = one.answers.split()
    found = [one.check(*[...] * len(names))]
    if one.draw:
        found.append(one.check(lambda *args: ...))
        found.append(one.check(lambda *args: (..., ...)))
    for result in found:
        assert (result.status, result.right) == ("not answered yet", False)
        assert repr(result) == (
            f"… {one.name} is not answered yet: put your code in place of the dots. `.hint()` helps."
        )


@every_exercise
def test_the_right_answers_are_right(one: Exercise):
    result = check(one.name, *one.right())
    assert (result.status, result.message) == ("right", one.shows)
    assert "hint" not in repr(result)


@cache
def cells_of(lesson: str) -> str:
    """The code of the notebook in which classes and functions are defined that its solutions need."""
    (text,) = NOTEBOOKS.glob(f"{lesson}_*.py")
    cells = text.read_text(encoding="utf-8").split("\n# %%\n")
    chosen = [cell for cell in cells if re.search(r"^(class Naive|RULES = |def twice)", cell, flags=re.M)]
    return "\n".join(re.split(r"\n(?:found = |right = |# %%)", cell)[0] for cell in chosen)


def answers_of(one: Exercise, function: Callable[..., Any]) -> tuple[Any, ...]:
    """The answers that the code of a solution leads to, as in its notebook."""
    if one.draw:
        return (function,)
    scope: dict[str, Any] = {"math": math, "tg": tg}
    if one.name in ("4.2", "6.1"):
        exec(cells_of(one.name[0]), scope)
    if one.name == "1.1":
        X, y = tg.data.line(n=20, slope=2.0, intercept=1.0, noise=0.3, seed=1)
        x = [row[0] for row in X]
        return tuple(function(x, y, *function(x, y, 0.293, 0.758, 0.01), 0.01))
    if one.name == "1.2":
        return (function([0.0] * 20),)
    if one.name == "3.1":
        return function(-2.0)[0], function(2.0)[0]
    if one.name == "4.2":
        scope["Naive"].backward = function
        return tuple(scope[name](scope["Naive"]) for name in ("twice", "shared", "exponent"))
    if one.name == "5.1":
        return tuple(function((0.04536, 0.145616, 0.21872), 0.1, 0.8, 0.8, 0.1))
    assert one.name == "6.1"
    sin, _ = function(scope["RULES"], scope["on_any_number"])
    x = scope["Node"](1.0)
    nodes = [sin(x)]
    for _ in range(4):
        nodes.append(nodes[-1].gradients(numbers=lambda node: node)[x])
    return (nodes[1:],)


SLOW = ("2.1", "3.2", "7.2")  # the tests of the notebooks run these


@pytest.mark.parametrize("one", [one for one in EXERCISES if one.name not in SLOW], ids=lambda one: one.name)
def test_a_solution_is_right_also_when_its_text_is_copied(one: Exercise):
    solution = one.solution()
    scope: dict[str, Any] = {"tg": tg, "math": math}
    exec(repr(solution), scope)
    assert one.check(*answers_of(one, scope[solution.function.__name__])).right


@pytest.mark.parametrize("one", EXERCISES, ids=lambda one: one.name)
def test_the_text_of_a_solution_is_a_function_without_types_in_its_first_line(one: Exercise):
    (definition,) = ast.parse(one.solution().code).body
    assert isinstance(definition, ast.FunctionDef)
    assert all(node.annotation is None for node in ast.walk(definition.args) if isinstance(node, ast.arg))
    assert ast.get_docstring(definition)
    assert one.solution()._repr_markdown_() == f"```python\n{one.solution().code}\n```"


MISTAKES = [(one, i) for one in EXERCISES for i in range(len(one.mistakes))]


@pytest.mark.parametrize(("one", "i"), MISTAKES, ids=lambda x: x.name if isinstance(x, Exercise) else str(x))
def test_a_known_mistake_is_told(one: Exercise, i: int):
    words, wrong = one.mistakes[i]
    result = one.check(*wrong())
    assert (result.status, result.message) == ("wrong", words)
    assert not gives_away(one, result.message)


def numbers_in(x: Any) -> list[float]:
    if isinstance(x, (list, tuple)):
        return [number for element in x for number in numbers_in(element)]
    return [] if callable(x) else [float(x)]


def gives_away(one: Exercise, message: str) -> bool:
    """Whether a right number of several digits stands in a message."""
    said = [float(text) for text in re.findall(r"-?\d+\.\d+", message)]
    return any(
        math.isclose(number, right, rel_tol=one.tolerance) for number in said for right in numbers_in(one.right())
    )


def without_zero_grad(start: float) -> float:
    x = Value(start)
    for _ in range(500):
        (x**4 - 3 * x**2 + x).backward()
        x.data -= 0.002 * x.grad
    return x.data


A_2, B_2 = exercise("1.1").right()
X_LEFT, X_RIGHT = exercise("3.1").right()


@pytest.mark.parametrize(
    ("name", "answers", "words"),
    [
        ("1.1", (-A_2, -B_2), "a_2 is -0.72069, and has the wrong sign, as all others have."),
        ("1.1", (A_2 / 2, B_2 / 2), "all numbers are off by the same factor: is one left out, or counted twice?"),
        ("1.1", (A_2, 3), "b_2 is 3, and that is not the number. a_2: right."),
        ("1.1", (B_2, A_2), "a_2 is 0.86499, and that is not the number."),
        ("1.1", (math.nan, B_2), "a_2 is nan: something has overflowed, or is not defined there."),
        ("1.1", (None, B_2), "a_2 is None."),
        ("1.1", ([A_2], B_2), "a_2 is of the type list '[0.720"),
        ("1.1", (print, B_2), "a_2 is a function, and a number is asked for."),
        ("1.1", (True, B_2), "a_2 is of the type bool 'True', and a number is asked for."),
        ("1.1", ("0.72", B_2), "a_2 is of the type str '0.72', and a number is asked for."),
        ("2.1", (1.9616,), "this is where the steps along an axis begin to grow."),
        ("2.1", (exercise("2.2").code,), "this is the answer to exercise 2.2."),
        ("2.2", (1.869,), "this is the answer to exercise 2.1."),
        ("3.1", (272, 85), "this is the answer to exercise 3.2."),
        (
            "3.1",
            (without_zero_grad(-2.0), without_zero_grad(2.0)),
            "is the gradient set to zero before each backward()",
        ),
        ("4.1", (lambda f, w, b: (f(w, b),),), "by_central_differences has the length 1 at f = cubic, w ="),
        ("5.1", (0.2118, 0.3), "after_3 is of the type float '0.3', and a sequence of the length 3 is asked for."),
        ("5.2", (lambda z, y: y - tg.sigmoid(z),), "and has the wrong sign, as all others have."),
        ("5.2", (lambda z, y: 2 * (tg.sigmoid(z) - y),), "off by the same factor"),
        ("5.2", (lambda z, y: math.exp(z),), "in place of math.exp(v) use tinygrad_edu.exp(v)"),
        ("5.2", (lambda z, y: tg.sigmoid(z.data) - y,), "compute with the arguments themselves, not with their .data."),
        ("5.2", (lambda z, y: tg.sigmoid(z).detach() - y,), "the values are right, but ∂slope/∂z is 0 at z ="),
        ("5.2", (lambda z, y: None,), "slope gives None at z ="),
        ("5.2", (lambda z: z,), "takes 1 positional argument but 2 were given"),
        ("5.2", (lambda z, y: "p",), "slope is of the type str 'p' at z ="),
        ("5.2", (3.0,), "slope is of the type float '3.0', and a function is asked for."),
        ("5.2", (lambda z, y: tg.sigmoid(z) - y + tg.sqrt(0 * z),), "the gradient of slope fails at z ="),
        ("7.1", (lambda history: np.zeros(3),), "and True or False is asked for."),
        ("6.1", ([0.5, -0.8, -0.5],), "derivatives has the length 3, and 4 is asked for."),
        ("7.1", (lambda history: True,), "patience is True at history = History("),
        (
            "9.2",
            (lambda sums: [y + (s - s.data) for y, s in zip(exercise("9.2").code(sums), [sums[-1], *sums])],),
            "the values are right, but ∂activations[0]/∂sums[15] is 1 at sums =",
        ),
        ("8.2", (lambda r, θ, vr, ω: [0.0, 0.0],), "The mass and the length are 1, g is 9.81, and k is 40."),
    ],
)
def test_a_wrong_answer_is_told_without_the_right_number(name: str, answers: tuple[Any, ...], words: str):
    result = check(name, *answers)
    assert result.status == "wrong"
    assert words in result.message
    assert repr(result).startswith(f"✗ {name} is not right yet: ")
    assert repr(result).endswith("helps.")
    one = exercise(name)
    if not any(math.isclose(n, r, rel_tol=one.tolerance) for n in given(answers) for r in numbers_in(one.right())):
        assert not gives_away(one, result.message)


def given(answers: tuple[Any, ...]) -> list[float]:
    return [abs(a) for a in answers if isinstance(a, float)]


# ---- kinds of answers ------------------------------------------------------------------------------------------------
def test_numbers_of_any_kind_are_numbers():
    class Node:
        def __init__(self, data: float) -> None:
            self.data = data

    for kind in (float, Value, np.float64, np.array, Node):
        assert check("1.1", kind(A_2), kind(B_2)).right
    for kind in (list, tuple, np.array):
        assert check("6.1", kind(exercise("6.1").right()[0])).right


def an_exercise(**options: Any) -> Exercise:
    return Exercise("0.1", "a test", "y", "it works.", ["hint"], math.sin, **options)


def value_with_gradient(data: float, gradient: float) -> Value:
    value = Value(data)
    value.grad = gradient
    return value


def test_of_a_value_data_and_gradient_are_compared():
    one = an_exercise(right=lambda: (value_with_gradient(2.0, 0.5),))
    assert one.check(value_with_gradient(2.0, 0.5)).right
    assert "the values are right, but y.grad is 0.25" in one.check(value_with_gradient(2.0, 0.25)).message
    assert "y is 3, and that is not the number" in one.check(value_with_gradient(3.0, 0.5)).message
    assert "a Value with a gradient is asked for" in one.check(2.0).message


def test_the_gradients_of_lists_are_compared():
    """Each number of the result in each number of the arguments."""

    def doubled(xs: list[Value]) -> list[Value]:
        return [2 * x for x in xs]

    one = an_exercise(right=lambda: (doubled,), draw=lambda rng: ([rng.random(), rng.random()],), gradients=True)
    assert one.check(doubled).right
    wrong = one.check(lambda xs: [2 * xs[0], xs[1] + xs[1].data])
    assert re.match(r"the values are right, but ∂y\[1\]/∂xs\[1\] is 1 at xs = \[0.\d+, 0.\d+\]", wrong.message)


def test_a_function_that_differentiates_inside_gets_values_and_a_compiled_one_numbers():
    accelerations = exercise("8.2").solution().function
    assert check("8.2", accelerations).right
    assert check("8.2", tg.compile(accelerations)).right


class Odd:
    """An object whose methods all raise."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fail(self, *_: Any) -> Any:
        raise self.error

    data = grad = tolist = property(fail)
    __float__ = __bool__ = __iter__ = __len__ = fail
    __repr__ = __str__ = lambda self: self.fail() if isinstance(self.error, Exception) else "odd"


class Unreadable(Exception):
    __str__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), KeyError(), Unreadable(), SystemExit(1)], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize(("name", "wanted"), [("1.1", "a number"), ("5.1", "a number"), ("7.1", "True or False")])
def test_whatever_an_object_does_there_is_a_result(error: BaseException, name: str, wanted: str):
    one = exercise(name)
    odd = [Odd(error)] * len(one.answers.split())
    result = one.check(*(odd if not one.draw else [lambda *_: odd[0]]))
    assert result.status == "wrong"
    assert "of the type Odd" in result.message
    assert wanted in result.message

    def raising(*_: Any) -> Any:
        raise error

    assert "fails at z = " in check("5.2", raising).message


def test_advice_is_for_numbers_that_are_wrong():
    one = an_exercise(right=lambda: (1.0,), advice="Look there.")
    assert one.check(2.0).message.endswith("that is not the number. Look there.")
    assert one.check("2").message.endswith("and a number is asked for.")
    assert one.check(None).message == "y is None."


# ---- a student's function --------------------------------------------------------------------------------------------
def test_a_function_that_does_not_end_is_told_after_one_try(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grading, "SECONDS", 0.05)
    calls: list[int] = []

    def endless(*args: Any) -> Value:
        calls.append(1)
        while True:
            pass

    for name in ("2.2", "8.1", "8.2"):
        calls.clear()
        assert "was still running after 0.05 s" in check(name, endless).message
        assert calls == [1]
    message = check("5.2", endless).message
    assert re.match(r"slope was still running after 0.05 s \(line \d+: `(while True:|pass)`\) at z = ", message)


def test_in_another_thread_all_is_as_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grading, "SECONDS", 0.05)

    def endless(*args: Any) -> Value:
        while True:
            pass

    right, slow = in_threads(lambda: check("5.2", exercise("5.2").code), lambda: check("5.2", endless))
    assert right.right
    assert "was still running after 0.05 s" in slow.message


def test_where_there_are_no_threads_all_is_as_ever(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", fail)
    assert check("5.2", exercise("5.2").code).right


def test_an_error_of_a_function_is_told_with_its_line():
    def of_zero(z: Value, target: float) -> Value:
        return z / (target - target)

    def again(z: Value, target: float) -> Value:
        return again(z, target)

    def leaves(z: Value, target: float) -> Value:
        raise SystemExit(1)

    message = check("5.2", of_zero).message
    assert re.match(
        r"slope fails at z = .+ \(line \d+: `return z / \(target - target\)`\): ZeroDivisionError: ", message
    )
    assert "`return again(z, target)`): RecursionError" in check("5.2", again).message
    assert "SystemExit: 1" in check("5.2", leaves).message


def test_ctrl_c_goes_through():
    def interrupted(z: Value, target: float) -> Value:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("5.2", interrupted)


def test_nothing_of_the_students_is_changed():
    w = Value(1.0, label="w")
    w.grad = 0.25
    state, state_of_numpy = random.getstate(), np.random.get_state()[1].tolist()

    def slope(z: Value, target: float) -> Value:
        random.random()
        np.random.rand()
        return tg.sigmoid(z * w) - target

    assert check("5.2", slope).right
    assert not check("5.2", lambda z, target: slope(z, target) * 2).right
    assert (w.data, w.grad) == (1.0, 0.25)
    assert random.getstate() == state
    assert np.random.get_state()[1].tolist() == state_of_numpy
    a, b = value_with_gradient(A_2, 3.0), value_with_gradient(B_2, 4.0)
    assert check("1.1", a, b).right
    assert (a.data, a.grad, b.data, b.grad) == (A_2, 3.0, B_2, 4.0)


def test_gradients_are_compared_also_where_nothing_is_recorded():
    with tg.no_grad():
        assert check("5.2", exercise("5.2").code).right


def test_a_function_that_changes_its_arguments_is_compared_with_ours_at_the_same_point():
    def activations(sums: list[Value]) -> list[Value]:
        result = exercise("9.2").code(sums)
        sums.clear()
        return list(result)

    assert check("9.2", activations).right


# ---- hints and names -------------------------------------------------------------------------------------------------
@every_exercise
def test_hints_come_one_after_the_other(one: Exercise):
    fresh = replace(one)
    hints = [fresh.check(*[...] * len(one.answers.split())).hint().text for _ in range(len(one.hints) + 1)]
    assert len(one.hints) == 3
    for i, (hint, said) in enumerate(zip(one.hints, hints), 1):
        assert said.startswith(f"Hint {i} of 3: {hint}")
    assert hints[-1] == hints[-2]
    assert hints[-1].endswith("That was the last one; `.solution()` shows the code.")


def test_an_exercise_is_the_same_each_time_and_says_what_to_answer():
    assert exercise("5.1") is exercise("5.1")
    assert repr(exercise("5.1")) == 'Exercise 5.1, a third step by hand: tg.teach.check("5.1", loss_3, after_3)'
    result = check("5.1", ..., ...)
    assert result.exercise is exercise("5.1")
    assert result.solution() == exercise("5.1").solution()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: check("1.3", 1), ValueError, "there is no exercise '1.3'; lesson 1 has '1.1', '1.2'"),
        (lambda: check("1", 1), ValueError, "there is no exercise '1'; lesson 1 has '1.1', '1.2'"),
        (lambda: exercise("12.1"), ValueError, "there is no exercise '12.1'; there are lessons 1 to 9, as '1.1'"),
        (lambda: exercise("../1"), ValueError, "there are lessons 1 to 9"),
        (lambda: exercise(1.1), TypeError, "an exercise is named by a text, as '1.1', not by float '1.1'"),
        (lambda: check("1.1", 1), TypeError, "exercise 1.1 asks for 2 answers, a_2, b_2; got 1"),
        (lambda: check("1.2"), TypeError, "exercise 1.2 asks for 1 answer, limit; got 0"),
    ],
)
def test_a_call_that_cannot_be_meant_is_an_error(call: Callable[[], Any], error: type[Exception], words: str):
    with pytest.raises(error, match=re.escape(words)):
        call()
