"""The explorer's page without a browser: what it reads in a text, and what it computes, are those of the package.

The scripts of a page that Python has written run in Node. How the page looks and reacts is left to `test_explorer.py`
and `test_playground.py`.
"""

import json
import math
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from javascript import JavaScript
from operations import ROWS, Row
from page_scripts import Graph, PageScripts, Wrong
from profiles import sample

import tinygrad_edu as tg
from tinygrad_edu import Value, losses, optim
from tinygrad_edu.cli import expressions
from tinygrad_edu.engine import apply
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import LEAF
from tinygrad_edu.testing import strategies
from tinygrad_edu.testing.expression import Expression
from tinygrad_edu.viz._pages import read_page
from tinygrad_edu.viz.explorer import make_page, make_playground
from tinygrad_edu.viz.explorer._operations import OPTIMIZERS
from tinygrad_edu.viz.explorer._text import write_graph

NUMBERS = {"a": 0.75, "b": 1.25, "c": -0.5}
XS, YS = [-1.0, 0.5, 2.0, 3.5], [0.0, 1.0, 1.5, 4.0]


@pytest.fixture(scope="module")
def scripts(javascript: JavaScript) -> PageScripts:
    return PageScripts(javascript, make_playground())


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


def gradients_of(y: Value) -> dict[str, float]:
    """The gradient by each leaf, by its label."""
    leaves = [v for v in topological_order(y) if v._rule is LEAF]
    for v in leaves:
        v.grad = 0.0
    y.backward()
    return {v.label: v.grad for v in leaves}


# ---- a text is what the command line makes of it ---------------------------------------------------------------------
READ_ALIKE = """
a
+a - +2
-a ** 2
(-a) ** 2
2 ** -a
2 ** 3 ** a
a ** b ** 2
a - b - c
a / b / 2
a - (b - c)
-a * -b
- - a
2 * 3 * a + 1e-3 + .5 + 1_000
pi * a + e
relu(c) + leaky_relu(c) + leaky_relu(c, 0.2) + elu(c, 1.5)
clamp(a, -1, 0.5) + maximum(a, b) - minimum(a, 2, c)
where(c, a, b) + sign(c) + step(a) + abs(c)
dot([a, b], [c, 3]) + dot([a], [a])
total([a, b, 2]) + mean([a, c]) * prod([a, b, c]) + mean(a, 2, 3) + total(a) + prod([b])
logsumexp([a, b, c]) + gelu(a) + silu(b) + erfc(c) + log1p(a) + sqrt(b)
""".strip().splitlines()


def check_alike(scripts: PageScripts, text: str) -> None:
    """Both read the text alike, or both refuse it."""
    used = {name: x for name, x in NUMBERS.items() if any(token == name for token in words_of(text))}
    try:
        graph = scripts.read(text, NUMBERS)
    except Wrong as error:
        if "plain number" in str(error):
            assert not used
        else:
            with pytest.raises(expressions.DomainError):
                expressions.parse(text, used)
        return
    if graph.problem:
        with pytest.raises(expressions.DomainError):
            expressions.parse(text, used)
        return
    y = expressions.parse(text, used)
    assert graph.value == near(y.data)
    if graph.steep:  # the package stops there
        with pytest.raises(ZeroDivisionError):
            y.backward()
    else:
        assert graph.gradients("leaf") == near(gradients_of(y))


def words_of(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c in "_." else " " for c in text).split()


@pytest.mark.parametrize("text", sample(READ_ALIKE, 8))
def test_an_expression_is_what_the_command_line_makes_of_it(text: str, scripts: PageScripts):
    check_alike(scripts, text)


SMOOTH = ["tanh", "sin", "sigmoid", "softplus", "gelu", "exp", "log", "sqrt"]
TEXTS = st.recursive(
    st.sampled_from([*NUMBERS, "2", "0.5", "1e-2", "pi", "3."]),
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from([" + ", "-", " * ", "/", "**"]), parts).map("".join),
        st.tuples(parts, st.sampled_from(["+", "*"]), parts).map(lambda t: f"({''.join(t)})"),
        parts.map("-{}".format),
        st.tuples(st.sampled_from(SMOOTH), parts).map(lambda t: f"{t[0]}({t[1]})"),
        st.lists(parts, min_size=1, max_size=3).map(lambda xs: f"mean([{', '.join(xs)}])"),
        st.lists(parts, min_size=2, max_size=3).map(lambda xs: f"maximum({', '.join(xs)})"),
    ),
    max_leaves=8,
)


@given(text=TEXTS)
def test_any_expression_has_the_value_and_the_gradients_of_the_package(text: str, scripts: PageScripts):
    check_alike(scripts, text)


@given(
    text=st.one_of(
        st.text("ab1.e+-*/()[],=\n;#^é·\U0001f600 ", max_size=30),
        st.tuples(TEXTS, TEXTS, st.integers(0, 40)).map(lambda t: t[0][: t[2]] + "\n" + t[1][t[2] :]),
        st.text(max_size=20),
    )
)
def test_any_other_text_is_an_error_with_a_place_and_no_other_exception(text: str, scripts: PageScripts):
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    try:
        at, message = len(scripts.read(text).nodes) and 0, "."
    except Wrong as error:
        at, message = error.at, str(error)
    assert 0 <= at <= length
    assert message.endswith(".")


# ---- lines -----------------------------------------------------------------------------------------------------------
def test_lines_with_names_make_one_graph(scripts: PageScripts):
    graph = scripts.read("# a neuron\nh = w*x + b  # before it\n\nL = tanh(h)**2; ", {"w": 0.5, "x": 2.0, "b": -0.25})
    assert graph.value == near(math.tanh(0.75) ** 2)
    assert [node["name"] for node in graph.nodes if node["kind"] == "operation"] == ["v1", "h", "v2", "L"]


def test_brackets_go_on_over_lines(scripts: PageScripts):
    assert scripts.read("L = (a\n  + b)\n  ", NUMBERS).value == 2.0


def test_a_line_may_name_a_number_or_a_leaf(scripts: PageScripts):
    graph = scripts.read("k = 2\nc = a\nL = c**k", {"a": 3.0})
    assert (graph.value, graph.gradients("leaf"), graph.unused) == (9.0, {"a": 6.0}, [])


def test_a_line_without_use_is_told(scripts: PageScripts):
    graph = scripts.read("h = a*b\n2*c\nL = c**2", NUMBERS)
    assert graph.unused == ["h", ""]  # the second one has no name
    assert graph.gradients("leaf") == {"c": -1.0}


def test_pi_and_e_are_numbers_unless_a_leaf_or_a_line_has_the_name(scripts: PageScripts):
    assert scripts.read("e*a", {"a": 2.0}).value == 2 * math.e
    assert scripts.read("e*a", {"a": 2.0, "e": 5.0}).gradients("leaf") == {"e": 2.0, "a": 5.0}
    assert scripts.read("e = 4\ne*a", {"a": 2.0}).value == 8.0


def test_names_are_those_of_python(scripts: PageScripts):
    graph = scripts.read("θ̂*ｘ + x + größe_2 + constructor + __proto__", {"x": 3.0})
    assert [*graph.gradients("leaf")] == ["θ̂", "x", "größe_2", "constructor", "__proto__"]
    assert graph.gradients("leaf")["x"] == 2.0  # a wide x is an x


def test_a_node_knows_where_it_stands_in_the_text(scripts: PageScripts):
    text = "h = tanh(w*x)\nL = h - h*w"
    places = {node["name"]: [text[i:j] for i, j in node["ranges"]] for node in scripts.read(text).nodes}
    assert places == {
        "w": ["w", "w"],
        "x": ["x"],
        "v1": ["w*x"],
        "h": ["tanh(w*x)", "h", "h", "h"],
        "v2": ["h*w"],
        "L": ["h - h*w", "L"],
    }


# each with a mark ¦ where the error has to point
WRONG = {
    "¦": "Write an expression",
    "¦# nothing": "Write an expression",
    "a +¦": "Something is missing here",
    "a +¦\nb": "Something is missing here",
    "a ¦b": "b cannot stand here",
    "2¦a": r"A sign is missing, as \* in 2\*x",
    "a ¦$ b": '"\\$" has no meaning here',
    "a¦^2": r"A power is written \*\*",
    "a = 3 ¦= b": "= cannot stand here: a line is name = expression",
    "(a + b¦": r"A bracket \( has to be closed by \), not the end",
    "a¦)": r"\) cannot stand here",
    "¦h(a)": "There is no function h; there are abs",
    "a + ¦tanh": r"tanh is a function: write tanh\(…\)",
    "¦tanh = a": "tanh is a function: take another name",
    "¦sum = a": "sum is a function: take another name",
    "¦tanh(a, b)": "tanh takes 1 number",
    "¦maximum(a)": "maximum takes 2 or more numbers",
    "¦elu(a, 1, 2)": "elu takes 1 to 2 numbers",
    "¦elu(a, b)": "After its first number elu takes plain numbers",
    "¦tanh([a])": "tanh takes numbers, not a list",
    "¦dot([a, b], [a])": "dot takes two lists of one length",
    "¦dot(a, b)": "dot takes two lists of one length",
    "¦mean([])": "mean takes one number or more",
    "¦mean([a], [b])": "mean takes one list, or numbers",
    "¦os.system(a)": "There is no os.system",
    "¦own.cube(a)": "There is no own.cube",
    "L = ¦h*a\nh = a + b": "h has its line further down",
    "h = ¦h*a": "h cannot stand in its own line",
    "h = a\n¦h = b": "h has a line already",
    "h = ¦a*b\na = 2": "a has its line further down",
    "x1 = a\n¦x = 2": "x is a column of the table",
    "¦1 + 2": "That is a plain number",
    "a + 1¦/0": "div is not defined at 1, 0",
    "a * ¦log(-1)": "log is not defined at -1",
    "a * 2¦**99999": "pow is not defined at 2, 99999, or too large",
    "a * ¦1e999": "too large for a float",
    "¦logsumexp(" + ", ".join("a" * 200) + ")": "logsumexp of 200 numbers is not on this page",
}


@pytest.mark.parametrize("marked", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_with_its_place(marked: str, scripts: PageScripts):
    text, columns = marked.replace("¦", ""), {"x": XS} if "¦x =" in marked else {}
    with pytest.raises(Wrong, match=WRONG[marked]) as caught:
        scripts.read(text, NUMBERS, columns)
    assert caught.value.at == marked.index("¦")


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("-", ""), ("a**", ""), ("tanh(", ")"), ("mean([", "])")])
def test_parts_in_one_another_have_an_end(opening: str, closing: str, scripts: PageScripts):
    assert scripts.read(opening * 150 + "a" + closing * 150, {"a": 1.0}).nodes
    with pytest.raises(Wrong, match="Too many brackets or signs in one another"):
        scripts.read(opening * 10_000 + "a" + closing * 10_000, {"a": 1.0})


def test_a_text_of_5000_lines_is_read(scripts: PageScripts):
    graph = scripts.read("h0 = x\n" + "\n".join(f"h{i} = h{i - 1} + x" for i in range(1, 5001)), {"x": 1.0})
    assert (len(graph.nodes), graph.value, graph.gradients("leaf")) == (5001, 5001.0, {"x": 5001.0})
    assert len(graph.boxes) <= 120


def test_a_long_sum_is_read(scripts: PageScripts):
    assert scripts.read("+".join(["x"] * 5000), {"x": 1.0}).gradients("leaf") == {"x": 5000.0}


# ---- graphs of the package -------------------------------------------------------------------------------------------
def read_graph(scripts: PageScripts, y: Value, every_node: bool = False) -> tuple[Graph, dict[Value, str]]:
    written = write_graph(topological_order(y), every_node)
    numbers = {name: v.data for v, name in written.names.items() if v._rule is LEAF}
    return scripts.read("\n".join(written.lines), numbers), written.names


def check_graph(scripts: PageScripts, y: Value) -> None:
    """All that has a name has the value and the gradient of the engine."""
    for v in topological_order(y):
        v.grad = 0.0
    y.backward()
    for every_node in (False, True):
        graph, names = read_graph(scripts, y, every_node)
        values, gradients = graph.values(), graph.gradients()
        assert {name: values[name] for name in names.values()} == near({names[v]: v.data for v in names})
        assert {name: gradients[name] for name in names.values()} == near({names[v]: v.grad for v in names})


def expression(row: Row, xs: tuple[float, ...]) -> Value:
    """Each input of the operation is a node, not a leaf."""
    return apply(row.op, *[Value(x) * 1.5 / 1.5 for x in xs]) * 3.0


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_operation_comes_to_the_page_as_text(row: Row, scripts: PageScripts):
    for xs in sample([xs for xs in row.inside if xs], 2):
        check_graph(scripts, expression(row, xs))


@given(f=strategies.expressions(max_nodes=20))
def test_any_graph_comes_to_the_page_as_text(f: Expression, scripts: PageScripts):
    check_graph(scripts, f(*f.leaves()))


@given(
    f=strategies.expressions(labels=st.sampled_from(["", "x", "v1", "L", "if", "e", "inf", "tanh", "sum", "a b", "é"]))
)
def test_labels_do_not_matter(f: Expression, scripts: PageScripts):
    check_graph(scripts, f(*f.leaves()))


def test_infinite_constants_come_to_the_page(scripts: PageScripts):
    x = Value(2.0, label="inf")
    check_graph(scripts, tg.maximum(tg.clamp(x, -math.inf, 5.0), Value(-math.inf)) * 2.0)


def test_a_network_comes_to_the_page(scripts: PageScripts):
    check_graph(scripts, losses.mse(tg.nn.MLP(2, [4, 1])([1.0, -2.0]), 1.0))


# ---- boxes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.nn.MLP(2, [16, 16, 1])([1.0, 2.0]),
        lambda: reduce(add, [Value(float(i)) for i in range(1000)]),
        lambda: reduce(lambda a, b: a * b + 1.0, [Value(1.0, label=f"x{i}") for i in range(500)]),
    ],
    ids=["network", "sum", "chain"],
)
def test_a_large_graph_has_few_boxes_and_each_node_is_in_one(make: Callable[[], Value], javascript: JavaScript):
    page = make_page(make())
    state = json.loads(page.partition('id="data">')[2].partition("</script>")[0])["state"]
    graph = PageScripts(javascript, page).read(state["text"], state["numbers"])
    assert len(graph.nodes) > 120
    assert len(graph.boxes) <= 60
    assert sorted(i for box in graph.boxes for i in box) == [*range(len(graph.nodes))]


def test_the_lines_of_a_large_text_are_boxes(scripts: PageScripts):
    text = "s = " + " + ".join([f"x{i}*{i}" for i in range(70)]) + "\nL = tanh(s)"
    assert len(scripts.read(text).boxes) == 70 + 2  # its leaves stand apart, while there is room
    assert len(scripts.read(text.replace("*", "*y")).boxes) == 2


def test_each_node_of_a_small_graph_has_a_box_of_its_own(scripts: PageScripts):
    assert scripts.read("c = a*b\nL = c*a + c").boxes == [[i] for i in range(5)]


# ---- tables ----------------------------------------------------------------------------------------------------------
def test_a_sum_over_rows_has_the_value_and_the_gradients_of_a_loop(scripts: PageScripts):
    for name, count in (("mean", len(XS)), ("sum", 1), ("total", 1)):
        graph = scripts.read(f"p = w*x + b\nL = {name}((p - y)**2)", {"w": 0.5, "b": -1.0}, {"x": XS, "y": YS})
        w, b = Value(0.5, label="w"), Value(-1.0, label="b")
        predicted = [w * x + b for x in XS]
        L = sum(((p - y) ** 2 for p, y in zip(predicted, YS)), start=Value(0.0)) / count
        expected = gradients_of(L)
        assert graph.value == near(L.data)
        assert graph.gradients("leaf") == near({name: expected[name] for name in "wb"})
        assert graph.values()["p"] == near([p.data for p in predicted])
        assert graph.gradients()["p"] == near([p.grad for p in predicted])


def test_each_row_has_its_value_where_rows_are_not_added_up(scripts: PageScripts):
    graph = scripts.read("w*x**2", {"w": 3.0}, {"x": XS}, row=2)
    assert graph.value == near([3.0 * x * x for x in XS])
    assert graph.gradients("leaf") == {"w": XS[2] ** 2}
    assert graph.gradients("data") == {"x": [0.0, 0.0, 6.0 * XS[2], 0.0]}


def test_the_mean_of_a_list_is_no_mean_over_rows(scripts: PageScripts):
    assert scripts.read("mean([x, y])", {}, {"x": XS, "y": YS}).value == near([(x + y) / 2 for x, y in zip(XS, YS)])


# ---- steps -----------------------------------------------------------------------------------------------------------
def test_a_second_backward_pass_adds_to_leaves_and_not_to_operations(scripts: PageScripts):
    text, numbers = "c = a*b\nL = c*a + c", {"a": 2.0, "b": -3.0}
    once, twice = (scripts.read(text, numbers, passes=n) for n in (1, 2))
    assert once.gradients("leaf") == {"a": -15.0, "b": 6.0}
    assert twice.gradients("leaf") == {"a": -30.0, "b": 12.0}
    assert twice.gradients("operation") == once.gradients("operation") == {"c": 3.0, "v1": 1.0, "L": 1.0}
    assert (once.steps, twice.steps) == (1 + 3 + 4, 1 + 3 + 4 + 4)


def test_in_the_wrong_order_a_gradient_comes_too_late(scripts: PageScripts):
    """c passes its gradient on before that of d has arrived."""
    example = next(e for e in json.loads(read_page("tinygrad_edu.viz.explorer", "examples.json")) if "way" in e)
    numbers = {name: float(x) for name, x in example["numbers"].items()}
    right = scripts.read(example["text"], numbers)
    wrong = scripts.read(example["text"], numbers, way=example["way"])
    y = expressions.parse("a*b + tanh(a*b)", numbers)
    assert right.gradients("leaf") == near(gradients_of(y))
    assert wrong.gradients("leaf") == {"a": 1.0, "b": 0.5}  # what came first, and no more
    assert wrong.steps == right.steps


def test_a_negative_base_keeps_its_brackets(scripts: PageScripts):
    a = Value(2.0, label="a")
    for y in ((-2.0) ** a, 1.0 - (-2.0) ** a):
        text = "\n".join(write_graph(topological_order(y)).lines)
        assert scripts.read(text, {"a": 2.0}).value == y.data


def test_a_name_before_an_equals_sign_within_brackets_is_no_line(scripts: PageScripts):
    with pytest.raises(Wrong) as error:
        scripts.read("clamp(a, lo=1)")
    assert "further down" not in str(error.value)


@pytest.mark.parametrize(
    ("way", "text", "passes", "gradients"),
    [
        ("order", "c = a*b\nd = c*c\nL = c + d", 1, {"a": 2.0, "b": 0.5}),
        ("assign", "L = a + a*b", 1, {"a": 2.0, "b": 0.5}),
        ("again", "c = a*b\nL = c + c", 1, {"a": 8.0, "b": 2.0}),
        ("seed", "L = a*b", 1, {"a": 0.0, "b": 0.0}),
        ("keep", "c = a + b\nL = c*b", 2, {"a": 6.0, "b": 11.0}),
    ],
)
def test_five_ways_in_which_a_backward_pass_is_wrong(
    scripts: PageScripts, way: str, text: str, passes: int, gradients: dict[str, float]
):
    numbers = {"a": 0.5, "b": 2.0}
    assert scripts.read(text, numbers, passes=passes, way=way).gradients("leaf") == gradients
    assert scripts.read(text, numbers, passes=passes).gradients("leaf") != gradients


def test_a_pass_that_visits_again_and_again_ends(scripts: PageScripts):
    text = "\n".join([f"x{i + 1} = x{i} + x{i}" for i in range(40)])
    assert scripts.read(text, {"x0": 1.0}, way="again").steps == 1 + 40 + 1 + 300


@pytest.mark.parametrize(
    ("text", "columns", "node", "row", "xs"),
    [
        ("h = log(c)\nL = h*a", {}, "h", 0, [-0.5]),
        ("h = a/(b - 1.25)\nL = h*a", {}, "h", 0, [0.75, 0.0]),
        ("h = exp(a*1000)\nL = h - h", {}, "h", 0, [750.0]),
        ("h = sqrt(x)\nL = mean(h)", {"x": [4.0, 1.0, -2.0, -3.0]}, "h", 2, [-2.0]),
        ("h = x*1e308\nL = sum(h)", {"x": [1.0, 1.0]}, "L", 0, []),
    ],
)
def test_where_a_value_is_undefined_is_known(
    text: str, columns: Any, node: str, row: int, xs: list[float], scripts: PageScripts
):
    graph = scripts.read(text, NUMBERS, columns)
    assert (graph.nodes[graph.problem["node"]]["name"], graph.problem["row"], graph.problem["xs"]) == (node, row, xs)
    assert math.isnan(graph.value)
    assert all(math.isnan(x) for x in graph.gradients("leaf").values())


def test_where_a_derivative_is_infinite_is_known(scripts: PageScripts):
    graph = scripts.read("h = sqrt(a)\nL = h*2", {"a": 0.0})
    assert (graph.problem, graph.nodes[graph.steep["node"]]["name"], graph.steep["xs"]) == (None, "h", [0.0])
    assert graph.value == 0.0


# ---- optimizers ------------------------------------------------------------------------------------------------------
DESCEND = """
const [name, thetas, count] = %s;
return thetas.map((θ) => {
  let state = Array(count).fill(0);
  return Array.from({ length: 20 }, (_, k) => {
    [θ, ...state] = updateOnPage(name, θ, 4 * (θ - k / 10) ** 3, 0.01, ...state);
    return θ;
  });
});
"""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_are_those_of_the_package(name: str, scripts: PageScripts):
    """The gradients are those of Σ (θ − k/10)⁴."""
    kind, settings = OPTIMIZERS[name]
    thetas = [Value(x) for x in (3.0, -1.0, 0.25)]
    optimizer: optim.Optimizer = kind(thetas, lr=0.01, **settings)
    on_page = scripts.run(DESCEND % json.dumps([name, [θ.data for θ in thetas], len(optimizer.buffers)]))
    for k in range(20):
        for θ in thetas:
            θ.grad = 4 * (θ.data - k / 10) ** 3
        optimizer.step()
        assert [seen[k] for seen in on_page] == near([θ.data for θ in thetas])
