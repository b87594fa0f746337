"""One table: what an operation is stands in `ops.py` and `notation.py`; those of the user's work wherever these do.

The first test looks for lists of names of operations in the source of the package. The others define operations of one
input and of two, and ask for them all that shows, writes, tests or compiles operations.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tinygrad_edu as tg
from tinygrad_edu import Value, define_op
from tinygrad_edu.compiler import record
from tinygrad_edu.compiler.printers import LANGUAGES
from tinygrad_edu.compiler.tape import Builder, make_tape
from tinygrad_edu.functional import TABLE_NAMES
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, OPS, Op, with_symbol
from tinygrad_edu.testing import gradcheck, strategies
from tinygrad_edu.viz.explorer import make_page
from tinygrad_edu.viz.graph import draw

PACKAGE = Path(tg.__file__).parent
NAMES = TABLE_NAMES - {LEAF.name, CONSTANT.name}  # kinds of nodes have these names, too
MOST = 2  # that a collection may name
MAY_LIST = {
    "__init__.py": "what the package exports",
    "compiler/printers/notation.py": "how languages write them where they differ",
    "engine.py": "the methods of Value",
    "functional.py": "the functions for users",
    "nn.py": "the activations",
    "ops.py": "the table",
    "rules.py": "the functions of floats",
    "testing/grader/concepts.py": "the concepts of the grader, some of which are called after an operation",
}


def collections(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """The texts that stand beside one another in a literal or a pattern, each with its line; words of one text, too."""
    for node in ast.walk(tree):
        parts: list[Any] = []
        if isinstance(node, ast.Dict):
            parts = node.keys
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.MatchOr):
            parts = [pattern.value for pattern in node.patterns if isinstance(pattern, ast.MatchValue)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMES.issuperset(node.value.split()):
            yield node.lineno, node.value.split()
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if texts:
            yield node.lineno, texts


def test_lists_of_operations_are_found() -> None:
    text = '{"exp": 1, "log": 2, "sin": 3}\nmatch x:\n    case "exp" | "log" | "sin":\n        "exp log sin".split()'
    found = [line for line, texts in collections(ast.parse(text)) if len(NAMES.intersection(texts)) > MOST]
    assert found == [1, 3, 4]


def test_no_other_file_lists_operations() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    assert MAY_LIST.keys() <= files.keys()
    lists = [
        f"{name}:{line}: {texts}"
        for name, path in files.items()
        if name not in MAY_LIST
        for line, texts in collections(ast.parse(path.read_text(encoding="utf-8")))
        if len(NAMES.intersection(texts)) > MOST
    ]
    assert lists == []


# ---- traits ----------------------------------------------------------------------------------------------------------
def test_trait_commutes_is_what_the_numbers_do() -> None:
    pairs = [(0.3, 0.7), (2.0, 5.0), (0.25, 0.5)]
    binary = [op for name, op in OPS.items() if op.arity == 2 and name in TABLE_NAMES]
    m = tg.rules.FLOATS
    assert {op for op in binary if op.commutes} == {
        op for op in binary if all(op.value(m, a, b) == op.value(m, b, a) for a, b in pairs)
    }


def test_trait_neutral_is_a_number_that_changes_nothing() -> None:
    m = tg.rules.FLOATS
    for op in OPS.values():
        if op.neutral is not None:
            assert [op.value(m, x, op.neutral) for x in (-2.5, 0.0, 7.0)] == [-2.5, 0.0, 7.0]


def test_trait_of_two_is_what_an_operation_of_many_inputs_is_made_of() -> None:
    m = tg.rules.FLOATS
    several = [op for op in OPS.values() if op.of_two]
    assert len(several) == 4
    for op in several:
        assert op.of_two is not None
        chained = op.of_two.value(m, op.of_two.value(m, 0.5, -2.0), 1.25)
        assert op.value(m, 0.5, -2.0, 1.25) == pytest.approx(chained, rel=1e-15)


def test_trait_lists_is_how_the_function_for_users_takes_the_inputs() -> None:
    m, numbers = tg.rules.FLOATS, [0.5, -2.0, 1.25, 3.0]
    several = [op for op in OPS.values() if op.arity is None]
    assert {op.lists for op in several} == {0, 1, 2}
    for op in several:
        length = len(numbers) // op.lists if op.lists else 0
        inputs = [numbers[i * length : (i + 1) * length] for i in range(op.lists)] or numbers
        assert getattr(tg, op.function)(*inputs) == op.value(m, *numbers)


@pytest.mark.parametrize("name", FAMILIES)
def test_traits_of_a_family_are_parameters_to_test_it_with(name: str) -> None:
    """Examples, none of them twice; or bounds, of which both can be used and there is something between them."""
    m, family = tg.rules.FLOATS, FAMILIES[name]
    distinct = {(numbers, *[isinstance(x, float) for x in numbers]) for numbers in family.examples}  # 2 is not 2.0
    assert len(distinct) == len(family.examples)
    assert all(low < high for low, high in family.ranges)
    assert len({*family.ranges}) <= 1  # several parameters are drawn and then sorted
    for parameters in family.examples or zip(*family.ranges):
        op = family.member(*parameters)
        y = op.value(m, 0.5)
        assert all(map(math.isfinite, (y, *op.derivatives(m, y, 0.5))))
        assert op.arity == family.arity


# ---- an operation of the user's --------------------------------------------------------------------------------------
@pytest.fixture(params=[1, 2])
def own(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    before = dict(OPS)
    if request.param == 1:
        yield define_op("bump", lambda m, x: m.exp(-x * x), lambda m, y, x: (-2.0 * x * y,), symbol="∩")
    else:
        yield define_op(
            "norm_of", lambda m, a, b: m.sqrt(a * a + b * b + 1.0), lambda m, y, a, b: (a / y, b / y), symbol="∥"
        )
    OPS.clear()
    OPS.update(before)


def applied(own: Callable[..., Any]) -> tuple[Op, list[Value], Any]:
    op: Op = own.op  # type: ignore[attr-defined]
    leaves = [Value(0.5, label="a"), Value(-0.25, label="b")][: op.arity]
    return op, leaves, own(*leaves)


def test_its_traits_are_those_of_the_tables_own(own: Callable[..., Any]) -> None:
    op, leaves, _ = applied(own)
    assert (op.arity, op.function, op.lists, op.commutes) == (len(leaves), op.name, 0, False)
    assert with_symbol(op.symbol, len(leaves)) is op


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_printed_in_every_language(own: Callable[..., Any], language: str) -> None:
    op, leaves, _ = applied(own)
    text = record(lambda *xs: own(*xs) * 2.0, *[v.data for v in leaves], gradients=True).source(language)
    assert re.search(rf"{op.name}|exp|e\^|sqrt", text.replace(r"\_", "_"))
    assert op.name in str(record(lambda *xs: own(*xs) * 2.0, *[v.data for v in leaves]))


def test_it_is_compiled(own: Callable[..., Any]) -> None:
    _, leaves, y = applied(own)
    assert tg.compile(own)(*[v.data for v in leaves]) == pytest.approx(y.data, rel=1e-14)


def test_it_is_drawn(own: Callable[..., Any]) -> None:
    op, leaves, y = applied(own)
    names = ", ".join([str(v.label) for v in leaves])
    picture = draw(y, derivatives="formula").svg
    assert op.symbol in picture
    text = make_page(y)
    assert op.name in text
    assert f"{op.name}({names})" in text  # the program that a reader takes away


def test_it_is_found_by_strategies_and_written_as_an_expression(own: Callable[..., Any]) -> None:
    from hypothesis import find, settings

    op, leaves, _ = applied(own)
    quick = settings(max_examples=300, database=None, derandomize=True)
    f = find(strategies.expressions(max_nodes=4), lambda f: any(step.op is op for step in f.steps), settings=quick)
    assert f"apply(find({op.name!r}), " in f.source()
    scope: dict[str, Any] = {}
    exec(f.source(), scope)
    root = scope[f.names[-1]]
    assert root.data == f(*f.point)
    g = find(strategies.expressions(op.name, max_nodes=4), lambda f: len(f.steps) == 1, settings=quick)
    assert len(g.steps[0].inputs) == len(leaves)


def test_it_is_checked(own: Callable[..., Any]) -> None:
    _, leaves, _ = applied(own)
    assert gradcheck(own, *[Value(v.data) for v in leaves])


def test_it_is_written_on_a_tape(own: Callable[..., Any]) -> None:
    op, leaves, _ = applied(own)
    builder = Builder()
    places = tuple([builder.leaf(str(v.label)) for v in leaves])
    outputs = [builder.operation(op, places)]
    tape = make_tape("f", builder.entries, places, [], outputs, [v.data for v in leaves])
    assert f"{op.name}({', '.join([str(v.label) for v in leaves])})" in str(tape)
