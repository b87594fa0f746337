"""Expressions, and the strategies that make them: inside their domain, shrinking to little, printed as what reproduces.

The bugs that the strategies have to find, and to shrink, are planted here: a rule that is wrong by 0.05 %, an engine
that overwrites gradients, another one that visits nodes in a wrong order.
"""

import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import micrograd.engine
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck, Unsatisfiable
from profiles import sample
from steps import constants_of, expression

from tinygrad_edu import Value, _hypothesis, define_op, losses, nn
from tinygrad_edu.compiler.tape import Entry
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, Op
from tinygrad_edu.rules import find as operation
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression

IN_THE_TABLE = sorted({*OPS, *FAMILIES} - {LEAF.name, CONSTANT.name})  # as imported: others define operations, too
FIVE = "add sub mul div neg".split()
ANYTHING = strategies.expressions(max_nodes=20, kinks=True)
_hypothesis.register()  # as the entry point does where the package is installed
some = settings(max_examples=min(settings.default.max_examples, 200))
REPEATABLE = settings(  # and no search for what in an example matters, which traces every line of it
    database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


def on_the_engine(f: Expression) -> list[float]:
    """The value, and the gradient that `backward()` leaves in the inputs."""
    leaves = f.leaves()
    y = f(*leaves)
    y.backward()
    return [y.data, *[leaf.grad for leaf in leaves]]


def as_printed(f: Expression, header: str = "from tinygrad_edu import Value") -> list[float]:
    scope: dict[str, Any] = {}
    exec(f.source(header), scope)
    return [scope[f.names[-1]].data, *[scope[name].grad for name in f.names[: len(f.inputs)]]]


# ---- an expression ---------------------------------------------------------------------------------------------------
def example(*steps: tuple[str, tuple[int, ...]], inputs: str = "ab", constants: tuple[float, ...] = ()) -> Expression:
    return expression(inputs, (2.0, -3.0, 0.5)[: len(inputs)], constants, *[(OPS[name], at) for name, at in steps])


def test_an_expression_is_computed_on_values_numbers_fractions_and_other_engines() -> None:
    f = example(("mul", (0, 1)), ("div", (3, 2)), ("total", (3, 4, 4)), constants=(4.0,))
    assert f(2.0, -3.0) == f(Value(2.0), -3.0).data == f.replay(FLOATS, 2.0, -3.0) == -9.0
    assert isinstance(f(2.0, -3.0), float)
    assert f.replay(FLOATS, Fraction(1, 3), Fraction(1, 7), number=Fraction) == pytest.approx(1.5 / 21, rel=1e-15)
    assert f(micrograd.engine.Value(2.0), micrograd.engine.Value(-3.0)).data == -9.0


def test_on_fractions_it_is_exact() -> None:
    f = example(("div", (0, 1)), ("mul", (2, 3)), constants=(0.1,))
    assert f.replay(FLOATS, Fraction(1, 3), Fraction(1, 7), number=Fraction) == Fraction(7, 3) * Fraction(0.1)


def test_micrograd_runs_what_is_printed_for_it() -> None:
    f = example(("sub", (2, 0)), ("relu", (3,)), ("neg", (1,)), ("mul", (5, 3)), ("add", (6, 4)), constants=(7.0,))
    squared = Expression.of([*f.nodes, Entry(operation("power", 2), (7,))])
    assert as_printed(squared, "from micrograd.engine import Value") == on_the_engine(squared)


def test_an_operation_that_another_engine_lacks_is_an_error_of_its_own() -> None:
    with pytest.raises(AttributeError, match="erfc"):
        example(("erfc", (0,)), inputs="a")(micrograd.engine.Value(2.0))


def test_labels_are_variables_where_they_can_be() -> None:
    labels = ("w", "w", "for", "x'); import os", "Value", "", "é")
    f = expression(labels, (1.0,) * 7, (), (OPS["total"], tuple(range(7))), label="loss")
    assert f.names == ["w", "a", "b", "c", "d", "e", "f", "loss"]
    assert as_printed(f) == on_the_engine(f) == [7.0] + [1.0] * 7
    scope: dict[str, Any] = {}
    exec(str(f), scope)
    assert [scope[name].label for name in f.names] == ["", "w", "for", "x'); import os", "Value", "", "é", "loss"]


def test_numbers_of_numpy_are_printed_as_plain_ones() -> None:
    f = example(("mul", (0, 1)), inputs="a", constants=(3.0,))
    of_numpy = Expression.of([node._replace(number=np.float64(node.number)) for node in f.nodes])
    assert of_numpy.source() == f.source()
    assert as_printed(of_numpy) == [6.0, 3.0]


def test_more_inputs_than_letters() -> None:
    f = expression(("",) * 60, (1.0,) * 60, (), (OPS["total"], tuple(range(60))))
    assert len({*f.names}) == 61
    assert as_printed(f)[0] == 60.0


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((), "ends with an operation"),
        ((("neg", (3,)),), "step neg at place 3 needs earlier places"),
        ((("neg", (-1,)),), "needs earlier places"),
        ((("neg", (2,)),), "and one that is not a constant"),
    ],
)
def test_an_expression_that_is_none(steps: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        example(*steps, constants=(1.0,))
    with pytest.raises(ValueError, match="ends with an operation"):
        Expression.of([])
    with pytest.raises(ValueError, match="takes 2 numbers, not 1"):
        example(("add", (0, 1)))(1.0)


def test_an_expression_is_its_tape() -> None:
    f = example(("mul", (0, 2)), ("tanh", (3,)), constants=(4.0,))
    assert f == Expression.of(f.nodes) == example(("mul", (0, 2)), ("tanh", (3,)), constants=(4.0,))
    assert f != example(("mul", (0, 2)), ("tanh", (3,)), constants=(5.0,))
    assert f.tape.replay(FLOATS, 0.1, 0.0) == [f(0.1, 0.0)] == [math.tanh(0.4)]
    assert (f.inputs, f.point, [step.op.name for step in f.steps]) == (["a", "b"], (2.0, -3.0), ["mul", "tanh"])


def test_it_draws_itself_under_the_names_of_its_source(tmp_path: Path) -> None:
    example(("sub", (0, 0)), ("sqrt", (2,)), inputs="wx").draw(tmp_path / "f.svg")  # of infinite slope, and yet drawn
    picture = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert all(f">{text}" in picture for text in ("w = ", "a = ", "b = ", "sqrt<"))


# ---- what expressions are like ---------------------------------------------------------------------------------------
@given(strategies.expressions(max_nodes=20))
def test_they_are_inside_their_domains_with_moderate_numbers(f: Expression) -> None:
    leaves = f.leaves()
    y = f(*leaves)
    y.backward()
    assert sum(abs(leaf.grad) for leaf in leaves) <= 1000.0
    for v in topological_order(y):
        assert abs(v.data) <= 1000.0
        xs = [x.data for x in v._prev]
        if xs:
            assert all(abs(slope) <= 1000.0 for slope in v._rule.derivatives(FLOATS, v.data, *xs))
            for h in (1e-3, -1e-3):
                v._rule.value(FLOATS, *[x + h for x in xs])  # is defined
            if v._op in ("ReLU", "abs", "step", "sign", "LeakyReLU", "ELU"):
                assert abs(xs[0]) >= 1e-3
            if v._op in ("maximum", "minimum"):
                winner, second, *_ = sorted(xs, reverse=v._op == "maximum")
                assert abs(winner - second) >= 1e-3
            if v._op == "where":
                assert abs(xs[0]) >= 1e-3


@given(ANYTHING)
def test_all_of_an_expression_is_of_use_and_within_the_limits(f: Expression) -> None:
    assert {i for step in f.steps for i in step.inputs} == {*range(len(f.tape) - 1)}
    assert len(f.tape) <= 20
    assert 1 <= len(f.inputs) <= 3
    assert all(-4.0 <= x <= 4.0 for x in (*f.point, *constants_of(f)))


@given(ANYTHING)
def test_what_is_printed_reproduces_it(f: Expression) -> None:
    assert as_printed(f) == on_the_engine(f)


@given(strategies.expressions(["add", "pow", "tanh"], inputs=2, labels=st.text(max_size=5)))
def test_labels_may_be_anything(f: Expression) -> None:
    assert as_printed(f) == on_the_engine(f)


@given(strategies.expressions(FIVE, inputs=1, max_nodes=4, min_value=100.0, max_value=200.0))
def test_options(f: Expression) -> None:
    assert {step.op.name for step in f.steps} <= {*FIVE}
    assert len(f.inputs) == 1
    assert len(f.tape) <= 4
    assert all(100.0 <= x <= 200.0 for x in (*f.point, *constants_of(f)))


def generated(strategy: st.SearchStrategy[Any], n: int) -> list[Any]:
    made: list[Any] = []

    @settings(REPEATABLE, max_examples=n)
    @given(strategy)
    def collect(x: Any) -> None:
        made.append(x)

    collect()
    return made


def test_they_are_of_many_kinds() -> None:
    made = generated(strategies.expressions(IN_THE_TABLE, max_nodes=20), 200)
    assert len({step.op.name for f in made for step in f.steps}) > 30
    assert max(len(f.steps) for f in made) > 10
    assert len({f.tape for f in made}) > 100
    shared = [
        f for f in made if len([i for s in f.steps for i in s.inputs]) > len({i for s in f.steps for i in s.inputs})
    ]
    assert len(shared) > 60
    assert len([f for f in made if constants_of(f)]) > 40
    assert len([f for f in made if any(on_the_engine(f)[1:])]) > 140


def smallest(strategy: st.SearchStrategy[Any], fails: Callable[[Any], Any]) -> Any:
    return find(strategy, fails, settings=settings(REPEATABLE, max_examples=2000))


@pytest.mark.parametrize("name", IN_THE_TABLE)
def test_every_operation_can_be_drawn_by_its_name(name: str) -> None:
    made = generated(strategies.expressions(name, max_nodes=8), 5)
    assert {step.op.name for f in made for step in f.steps} == {name}


@pytest.mark.parametrize("name", sample(["relu", "abs", "maximum", "clamp"], 2))
def test_kinks_come_when_they_are_wanted(name: str) -> None:
    def is_at_a_kink(f: Expression) -> bool:
        xs = [f.point[i] for i in f.steps[0].inputs]
        return len(f.steps) == 1 and (xs[0] == xs[-1] if len(xs) > 1 else xs[0] in (0.0, *f.steps[0].op.parameters))

    assert smallest(strategies.expressions(name, inputs=1, max_nodes=2, kinks=True), is_at_a_kink)


# ---- operations of one's own -----------------------------------------------------------------------------------------
def test_an_operation_of_ones_own_joins_by_its_entry_alone() -> None:
    define_op("hill", lambda m, x: m.exp(-x * x), lambda m, y, x: (-2.0 * x * y,))
    define_op("root_of_product", lambda m, a, b: m.sqrt(a * b), lambda m, y, a, b: (0.5 * b / y, 0.5 * a / y))
    define_op("norm", lambda m, *xs: m.sqrt(sum(x * x for x in xs)), lambda m, y, *xs: tuple(x / y for x in xs))
    define_op("pair", lambda m, *xs: xs[0] * xs[1], lambda m, y, *xs: (xs[1], xs[0]) + (0.0,) * (len(xs) - 2))
    for name, arities in {"hill": {1}, "root_of_product": {2}, "norm": {1, 2, 3, 4}, "pair": {2, 3, 4}}.items():
        made = generated(strategies.expressions([name, "add"]), 30)
        assert {len(step.inputs) for f in made for step in f.steps if step.op.name == name} == arities
        assert all(as_printed(f) == on_the_engine(f) for f in made)
    define_op("no_inputs", lambda m: 1.0, lambda m, y: ())
    assert {step.op.name for f in generated(strategies.expressions(), 100) for step in f.steps} >= {"hill", "norm"}


def test_an_op_that_is_not_in_the_table() -> None:
    f = smallest(strategies.expressions(Op("sin", "sin", OPS["sin"].value, *OPS["cos"].partials)), lambda f: True)
    assert str(f).splitlines()[-2] == "b = apply(sin, a)  # sin: an Op of your own, which is not in the table"


def test_what_is_wrong_with_a_rule_is_its_own_error() -> None:
    define_op("wrong", lambda m, x: x, lambda m, y, x: 1.0)
    with pytest.raises(TypeError, match="the derivatives of 'wrong' must be a tuple of 1"):
        smallest(strategies.expressions("wrong"), lambda f: True)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"ops": []}, ValueError, "at least one operation"),
        ({"ops": ["tahn"]}, ValueError, "no operation is called 'tahn'"),
        ({"ops": ["leaf"]}, ValueError, "no operation is called 'leaf'"),
        ({"ops": ["constant"]}, ValueError, "choose from abs, acos, acosh, add, asin, asinh, atan, atanh, clamp, cos,"),
        ({"ops": [math.sin]}, TypeError, "by its name or as an Op, not as builtin"),
        ({"ops": math.sin}, TypeError, "by its name or as an Op, not as builtin"),
        ({"inputs": 0}, ValueError, "inputs >= 1"),
        ({"max_nodes": 1}, ValueError, "max_nodes >= 2"),
        ({"min_value": 1.0, "max_value": 0.0}, ValueError, "the lower one first"),
        ({"max_value": math.inf}, ValueError, "finite bounds"),
        ({"min_value": math.nan}, ValueError, "finite bounds"),
        ({"min_value": -1.7e308, "max_value": 1.7e308}, ValueError, "finite bounds"),
        ({"min_value": "0"}, TypeError, "min_value"),
    ],
)
def test_bad_calls(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        strategies.expressions(**options)


def test_numbers_that_suit_no_operation() -> None:
    with pytest.raises((Unsatisfiable, FailedHealthCheck)):
        generated(strategies.expressions("log", min_value=-2.0, max_value=-1.0), 5)


# ---- what fails shrinks ----------------------------------------------------------------------------------------------
Engine = Callable[[Expression], list[float]]


def wrong_rule(name: str) -> Engine:
    """The engine, with slopes of one operation that are wrong by 0.05 %."""

    def wrong(op: Op) -> Op:
        if op.name != name:
            return op
        off: Any = lambda m, y, *xs: [1.0005 * slope for slope in op.derivatives(m, y, *xs)]  # noqa: E731
        return Op(op.name, op.symbol, op.value, every=off, parameters=op.parameters)

    return lambda f: on_the_engine(Expression(replace(f.tape, ops=tuple(map(wrong, f.tape.ops)))))


def naive(f: Expression, in_order: Callable[[Value], list[Value]], adds: bool = True) -> list[float]:
    leaves = f.leaves()
    y = f(*leaves)
    y.grad = 1.0
    for v in in_order(y):
        for x, slope in zip(v._prev, v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev])):
            x.grad = x.grad * adds + v.grad * slope
    return [y.data, *[leaf.grad for leaf in leaves]]


def overwriting(f: Expression) -> list[float]:
    return naive(f, lambda y: topological_order(y)[::-1], adds=False)


def breadth_first(f: Expression) -> list[float]:
    def in_order(y: Value) -> list[Value]:
        order, seen = [y], {id(y)}
        for v in order:
            new = [x for x in v._prev if id(x) not in seen]
            order += {id(x): x for x in new}.values()
            seen.update(map(id, new))
        return order

    return naive(f, in_order)


def leaves_first(f: Expression) -> list[float]:
    return naive(f, topological_order)


BUGS = {
    "wrong tanh": wrong_rule("tanh"),
    "wrong log": wrong_rule("log"),
    "wrong division": wrong_rule("div"),
    "wrong elu": wrong_rule("elu"),
    "overwriting": overwriting,
    "leaves first": leaves_first,
    "breadth first": breadth_first,
    "wrong logsumexp": wrong_rule("logsumexp"),
}


@pytest.mark.parametrize("bug", sample(list(BUGS), 2))
def test_a_bug_is_found_and_shrinks_to_a_step_or_two(bug: str) -> None:
    engine = BUGS[bug]

    def fails(f: Expression) -> bool:
        return engine(f) != pytest.approx(on_the_engine(f), rel=1e-5, abs=1e-12)

    max_nodes = 8 if bug == "breadth first" else 10  # an order has much to shrink
    f = smallest(strategies.expressions(IN_THE_TABLE, max_nodes=max_nodes), fails)
    assert len(f.steps) <= (3 if bug == "breadth first" else 2)  # b = -a; c = -b; d = b + c is the least to show it
    assert len(f.inputs) <= 2
    assert {*f.point, *constants_of(f)} <= {0.0, 1.0, -1.0, 2.0}


def test_nothing_fails_where_nothing_is_wrong() -> None:
    def right(f: Expression) -> list[float]:
        return naive(f, lambda y: topological_order(y)[::-1])

    assert all(right(f) == pytest.approx(on_the_engine(f), rel=1e-12) for f in generated(ANYTHING, 100))


def test_the_report_of_a_failure_is_python_and_a_drawing_is_saved(tmp_path: Path) -> None:
    @REPEATABLE
    @given(strategies.expressions(["sin", "tanh"], draw=tmp_path / "failing.svg"))
    def fails(f: Expression) -> None:
        assert "tanh" not in str(f)

    with pytest.raises(AssertionError) as failure:
        fails()
    report = "\n".join(failure.value.__notes__)
    lines = [line.strip() for line in report.splitlines()]
    start = lines.index("f=<Expression>, in Python:") + 1
    assert lines[start : start + 4] == [
        "from tinygrad_edu import Value",
        "a = Value(0.0)",
        "b = a.tanh()",
        "b.backward()",
    ]
    assert ">tanh<" in (tmp_path / "failing.svg").read_text(encoding="utf-8")


def test_without_a_failure_nothing_is_drawn(tmp_path: Path) -> None:
    assert generated(strategies.expressions(draw=tmp_path / "failing.svg"), 20)
    assert not list(tmp_path.iterdir())


def test_in_short_it_is_one_line() -> None:
    f = example(("mul", (0, 1)), ("tanh", (2,)))
    assert repr(f) == "<Expression: a = Value(2.0); b = Value(-3.0); c = a * b; d = c.tanh(); d.backward()>"


# ---- numbers, Values, modules, data ----------------------------------------------------------------------------------
@given(st.data(), st.floats(-1e6, 1e6), st.floats(0.0, 1e6))
@some
def test_floats_lie_between_any_bounds(data: st.DataObject, low: float, width: float) -> None:
    assert low <= data.draw(strategies.floats(low, low + width)) <= low + width


def test_floats_are_spread_and_shrink_to_simple_ones() -> None:
    made = generated(strategies.floats(), 300)
    assert len({*made}) > 60
    assert all(sum(k <= x < k + 2 for x in made) > 10 for k in (-4, -2, 0, 2))
    assert smallest(strategies.floats(), lambda x: True) == 0.0
    for bound in (0.9, 1.5, 3.5):
        assert len(str(smallest(strategies.floats(), lambda x, bound=bound: x > bound))) <= len("3.55")


@given(strategies.values(0.5, 2.0, labels=st.sampled_from("xy")), strategies.values())
@some
def test_values_are_leaves(v: Value, unlabelled: Value) -> None:
    assert v._rule is LEAF
    assert 0.5 <= v.data <= 2.0
    assert v.label in ("x", "y")
    assert unlabelled.label == ""


@given(st.integers(1, 3), st.integers(1, 3), st.data())
@some
def test_modules_are_of_the_sizes_that_are_asked_for(n: int, m: int, data: st.DataObject) -> None:
    model = data.draw(strategies.modules(n, m, activations=["tanh"]))
    X, targets = data.draw(strategies.datasets(n, m))
    assert all(-4.0 <= p.data <= 4.0 for p in model.parameters())
    for x, y in zip(X, targets, strict=True):
        out = model(x)
        assert len(x) == n
        assert isinstance(out, Value) and isinstance(y, float) if m == 1 else len(out) == len(y) == m


@given(strategies.modules(2), strategies.datasets(2, n_outputs=1, max_samples=3))
@some
def test_modules_and_datasets_fit_one_another(model: nn.Module, data: tuple[Any, Any]) -> None:
    X, targets = data
    assert 1 <= len(X) == len(targets) <= 3
    losses.mse([model(x) for x in X], targets).backward()


@given(strategies.problems(n_outputs=None), strategies.problems(classes=3))
@some
def test_problems(regression: Any, classification: Any) -> None:
    model, X, targets = regression
    losses.mse([model(x) for x in X], targets).backward()
    model, X, labels = classification
    assert {*labels} <= {0, 1, 2}
    losses.cross_entropy([model(x) for x in X], labels).backward()


def test_modules_are_of_all_kinds() -> None:
    made = generated(strategies.modules(), 100)
    assert {type(model) for model in made} == {nn.Linear, nn.MLP, nn.Sequential}


def test_the_report_of_a_model_makes_it_again() -> None:
    models = []

    @REPEATABLE
    @given(strategies.modules(2))
    def fails(model: nn.Module) -> None:
        models.append(model)
        assert len(model.parameters()) < 4

    with pytest.raises(AssertionError) as failure:
        fails()
    note = next(note for note in failure.value.__notes__ if note.startswith("model = "))
    scope: dict[str, Any] = {"nn": nn}
    exec(note, scope)
    assert scope["model"].state_dict() == models[-1].state_dict()
    assert scope["model"]([1.0, 2.0]).data == models[-1]([1.0, 2.0]).data


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: strategies.modules(0), "n_inputs is 1 or more, not 0"),
        (lambda: strategies.modules(activations=["rleu"]), "'rleu'"),
        (lambda: strategies.modules(activations=[]), "not none"),
        (lambda: strategies.datasets(1, 0), "n_outputs is 1 or more, not 0"),
        (lambda: strategies.datasets(max_samples=0), "max_samples is 1 or more"),
        (lambda: strategies.problems(classes=1), "2 classes or more, not 1"),
    ],
)
def test_bad_sizes(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


# ---- Values where a type hint asks for one ---------------------------------------------------------------------------
class Line:
    """A class of a user's, as Hypothesis builds it from the hints."""

    def __init__(self, slope: Value, points: list[Value], intercept: Value | None = None) -> None:
        self.slope, self.points, self.intercept = slope, points, intercept

    def values(self) -> list[Value]:
        return [self.slope, *self.points, *([] if self.intercept is None else [self.intercept])]


@given(st.from_type(Value), st.builds(Line), st.from_type(tuple[Value, Value]))
def test_hypothesis_makes_values_by_their_type(v: Value, line: Line, pair: tuple[Value, Value]) -> None:
    for value in [v, *line.values(), *pair]:
        assert type(value) is Value
        assert math.isfinite(value.data)
        assert (value.grad, value.label, value._prev) == (0.0, "", ())


def test_values_of_a_type_shrink_to_zero() -> None:
    smallest = find(st.builds(Line), lambda line: line.points != [], settings=REPEATABLE)
    assert [value.data for value in smallest.values()] == [0.0, 0.0]


def test_the_entry_point_is_light_and_is_what_the_project_declares() -> None:
    """In a process of its own: what Hypothesis finds without it, and what is loaded before a Value is asked for."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (entry,) = project["entry-points"]["hypothesis"].values()
    module, function = entry.split(":")
    code = (
        "import sys; from hypothesis import strategies as st, find\n"
        f"from {module} import {function}; {function}()\n"
        "print(*[name in sys.modules for name in ('numpy', 'tinygrad_edu.testing')])\n"
        "from tinygrad_edu import Value\n"
        "print(find(st.from_type(Value), lambda v: True))"
    )
    environment = {**os.environ, "HYPOTHESIS_NO_PLUGINS": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.splitlines() == ["False False", "Value(data=0.0, grad=0.0)"]


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import tinygrad_edu.testing.strategies"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == (
        "ImportError: testing.strategies needs Hypothesis: pip install 'tinygrad-edu[test]'"
    )
