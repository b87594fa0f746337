"""The explorer: what is in its file, and, in a real browser, how a graph of Python is explored on its page.

What a page computes is compared with the package in `test_page_engine.py`; typing, tables, examples and addresses are
tested in `test_playground.py`.
"""

import re
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import product
from math import isclose
from operator import add
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from operations import ROWS, Row, every_row
from pages import WINDOW, Page, watched
from profiles import sample

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.engine import apply
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import OPS
from tinygrad_edu.viz.explorer import MAX_EXPLORED_NODES, explore, make_page
from tinygrad_edu.viz.explorer._text import write_call, write_graph

HOSTILE = [
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<!-- <script>",
    "{{tape}} {{script}}",
    "⟦0⟧ ⟦y⟧ ${alert(1)} ` {0} $& $1",
    "\u202eturned around\u2028\x00\ud800",
    "'); alert(1); ('",
    "if",
    "constructor",
    "__proto__",
]


def neuron() -> tuple[Value, Value, Value, Value]:
    """L = tanh(w·x + b)², and its leaves."""
    w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-0.25, label="b")
    return (w * x + b).tanh() ** 2, w, x, b


def shared() -> Value:
    """L = c·a + c with c = a·b, where a is used twice, c too."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b
    c.label = "c"
    return c * a + c


# ---- the file --------------------------------------------------------------------------------------------------------
def test_the_file_needs_nothing_but_itself():
    text = make_page(neuron()[0])
    assert {*re.findall(r"https?://[^\"'` ]+", text)} == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "default-src 'none'" in text
    assert not re.search(r"<link(?! rel=\"icon\" href=\"data:,\")|\bsrc=|@import|fetch\(|XMLHttp", text)


def test_the_file_is_small():
    assert len(make_page(neuron()[0])) < 260_000


def test_the_same_graph_makes_the_same_file():
    assert make_page(neuron()[0]) == make_page(neuron()[0])


def test_what_cannot_be_explored_is_refused():
    a = Value(2.0, label="a")
    with pytest.raises(TypeError, match="one Value, the root of a graph, not float"):
        make_page(2.0)
    with pytest.raises(ValueError, match="is a constant"):
        make_page(a.detach())
    with pytest.raises(ValueError, match="no leaf of the graph"):
        make_page(a * a, parameters=[Value(2.0, label="other")])
    with pytest.raises(TypeError, match="parameters are Values in a list"):
        make_page(a * a, parameters=2.0)
    with pytest.raises(ValueError, match=f"more than {MAX_EXPLORED_NODES} would be slow"):
        make_page(reduce(add, [a] * (MAX_EXPLORED_NODES + 1)))


def test_an_operation_that_branches_on_its_numbers_is_refused():
    tg.define_op("jump", lambda m, x: m.step(x), lambda m, y, x: (1.0 if x > 0 else 0.0,))
    y = apply(OPS["jump"], Value(1.0))
    with pytest.raises(TypeError, match="operation jump cannot be explored, as its rule looks at its numbers"):
        make_page(y)


def test_labels_need_not_be_texts():
    x = Value(2.0)
    x.label = 7
    assert '"7"' in make_page(x * x)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        explore(neuron()[0], tmp_path / "no" / "page.html")
    with pytest.raises(ValueError, match=r"its suffix must be \.html"):
        explore(neuron()[0], tmp_path / "page.txt")
    assert not [*tmp_path.iterdir()]


def test_a_graph_may_be_explored_where_a_gradient_is_infinite():
    """The rules run on symbols: the page tells, and another number is a slider away."""
    assert "sqrt(x)" in make_page(Value(0.0, label="x").sqrt())


@every_row
def test_the_python_of_every_operation_is_python(row: Row):
    """What the page puts together, without a browser."""
    for xs in [xs for xs in row.inside if xs]:
        names = [f"x{i}" for i in range(len(xs))]
        scope = {"tg": tg, **dict(zip(names, map(Value, xs)))}
        expected = apply(row.op, *map(Value, xs)).data
        assert eval(write_call(row.op, [(name, 9) for name in names], "tg.")[0], scope).data == expected


# ---- the browser -----------------------------------------------------------------------------------------------------
@pytest.fixture
def opened(tab: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of a Value, at its first step."""
    file = tmp_path / "page.html"

    def open_page(y: Value, parameters: Any = ()) -> Page:
        explore(y, file, parameters)
        tab.goto(file.as_uri())
        return Page(tab)

    with watched(tab, file):
        yield open_page


def check_numbers(shown: Page, y: Value) -> None:
    """At the last step every value and gradient on the page is that of the engine."""
    shown.button("To the end")
    nodes = [v for v in topological_order(y) if v._rule is not CONSTANT]
    for v in nodes:
        v.grad = 0.0
    y.backward()
    names, numbers = write_graph(topological_order(y)).names, shown.numbers()
    for v, name in names.items():
        assert all(map(near, numbers[name], (v.data, v.grad)))
    for on_page, expected in zip(zip(*numbers.values()), ([v.data for v in nodes], [v.grad for v in nodes])):
        assert len(on_page) == len(expected)  # those without a name too
        assert all(map(near, sorted(on_page), sorted(expected)))


def near(x: float, expected: float) -> bool:
    return isclose(x, expected, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("row", sample(ROWS, 1), ids=str)
def test_values_and_gradients_of_every_operation(row: Row, opened: Callable[..., Page]):
    """At one point as the page opens, at another one after it has been typed."""
    first, *others = [xs for xs in row.inside if xs]
    y = apply(row.op, *[Value(x) * 1.5 / 1.5 for x in first]) * 3.0
    shown = opened(y)
    check_numbers(shown, y)
    for xs in [xs for xs in others if len(xs) == len(first)][:1]:
        y = apply(row.op, *[Value(x) * 1.5 / 1.5 for x in xs]) * 3.0
        for v, name in write_graph(topological_order(y)).names.items():
            if v._rule is LEAF:
                shown.leaf(name, ", number").fill(repr(v.data))
        check_numbers(shown, y)


# ---- steps -----------------------------------------------------------------------------------------------------------
def test_the_page_opens_before_the_first_step_and_what_is_not_computed_is_open(opened: Callable[..., Page]):
    shown = opened(shared())
    assert shown.tab.title() == "Explorer: a computation graph"
    assert shown.text("#summary") == "L: 5 nodes, 2 of them leaves"
    assert shown.step == "0 / 7"
    assert shown.numbers() == {"a": (2.0, None), "b": (-3.0, None), **dict.fromkeys(["c", "v1", "L"], (None, None))}
    assert shown.node("a").text_content() == "a2grad ?"
    assert shown.node("c").text_content() == "c·data ?grad ?"
    assert shown.text("[data-leaf=a] .gradient") == "grad ?"
    shown.node("v1").hover()
    for words in ("v1 = c·a", "v1 = ?·2", "data?", "∂L/∂v1 = ?", "∂v1/∂c = a = ?"):
        assert words in shown.text("#node")


def test_a_shared_node_accumulates_visibly(opened: Callable[..., Page]):
    y = shared()
    shown = opened(y)
    check_numbers(shown, y)
    seen = []
    for _ in range(4):
        seen.append((shown.node("a").locator(".slope").text_content(), shown.node("a").locator(".part").text_content()))
        shown.button("One step back")
    assert seen == [("grad −15", "Σ 2"), ("grad −6", "Σ 1/2"), ("grad ?", ""), ("grad ?", "")]


def test_stepping_through_both_passes(opened: Callable[..., Page]):
    """L = c·a + c, c = a·b at a = 2, b = −3: c = −6, L = −18; ∂L/∂c = 3, ∂L/∂a = −6 + 3·(−3) = −15, ∂L/∂b = 6."""
    shown = opened(shared())
    words, answers = [shown.words], [shown.text("#answer")]
    for _ in range(7):
        shown.button("One step forward")
        words.append(shown.words)
        answers.append(shown.text("#answer"))
    assert words == [
        "The leaves have their numbers. The forward pass computes node after node.",
        "Forward: c = a·b = 2·(−3) = −6",
        "Forward: v1 = c·a = (−6)·2 = −12",
        "Forward: L = v1 + c = (−12) + (−6) = −18",
        "Backward: ∂L/∂L = 1. From here gradients flow back to the leaves.",
        "Backward: L = v1 + c passes ∂L/∂L = 1 on∂L/∂v1 += ∂L/∂L · ∂L/∂v1 = 1 × 1 = 1"
        "∂L/∂c += ∂L/∂L · ∂L/∂c = 1 × 1 = 1, in sum 1",
        "Backward: v1 = c·a passes ∂L/∂v1 = 1 on"
        "∂L/∂c += ∂L/∂v1 · ∂v1/∂c = 1 × 2 = 2, in sum 3, as ∂v1/∂c = a"
        "∂L/∂a += ∂L/∂v1 · ∂v1/∂a = 1 × (−6) = −6, in sum −6, as ∂v1/∂a = c",
        "Backward: c = a·b passes ∂L/∂c = 3 on"
        "∂L/∂a += ∂L/∂c · ∂c/∂a = 3 × (−3) = −9, in sum −15, as ∂c/∂a = b"
        "∂L/∂b += ∂L/∂c · ∂c/∂b = 3 × 2 = 6, as ∂c/∂b = a",
    ]
    assert answers == [
        "c = a·b: its inputs are known.",
        "v1 = c·a: its inputs are known.",
        "L = v1 + c: its inputs are known.",
        "The backward pass: it begins with ∂L/∂L = 1.",
        "L passes its gradient on to its inputs, as it is the root.",
        "v1 passes its gradient on to its inputs, as its gradient has arrived.",
        "c passes its gradient on to its inputs, as all 2 terms of its gradient have arrived.",
        "Nothing: all gradients are known. A step of gradient descent could follow.",
    ]


def test_keys_the_slider_and_play_move_the_steps(opened: Callable[..., Page]):
    shown = opened(shared())
    keys = shown.tab.keyboard
    keys.press("End")
    assert shown.step == "7 / 7"
    keys.press("Home")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("ArrowLeft")
    assert shown.step == "1 / 7"
    keys.press("End")
    keys.press("ArrowRight")
    assert shown.step == "7 / 7"
    shown.tab.get_by_label("Which step", exact=True).fill("3")
    assert shown.step == "3 / 7"
    assert shown.words.startswith("Forward: L")
    shown.button("To the end")
    shown.button("Play")
    shown.until(lambda: shown.step == "2 / 7")
    shown.button("Pause")
    assert shown.step == "2 / 7"


# ---- nodes -----------------------------------------------------------------------------------------------------------
def test_a_node_tells_about_itself_to_a_mouse_and_to_keys(opened: Callable[..., Page]):
    shown = opened(shared())
    shown.button("To the end")
    assert shown.tab.locator("#graph [tabindex='0']").count() == 1  # one stop on the way through the page
    shown.node("L").focus()
    shown.tab.keyboard.press("ArrowUp")
    assert shown.tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("v1, mul, data −12")
    assert shown.text("#node").startswith("namev1")
    shown.tab.keyboard.press("ArrowLeft")
    assert shown.step == "6 / 7"
    shown.tab.keyboard.press("End")
    shown.node("a").hover()
    details = shown.text("#node")
    assert "leaf" in details
    assert "∂L/∂a = −15" in details
    assert "paths to L: 3" in details
    for path in ("a → c → L: (−3) × 1 = −3", "a → c → v1 → L: (−3) × 2 × 1 = −6", "a → v1 → L: (−6) × 1 = −6"):
        assert path in details
    shown.node("v1").hover()
    details = shown.text("#node")
    for words in ("mul", "v1 = c·a", "v1 = (−6)·2", "∂v1/∂c = a = 2", "∂v1/∂a = c = −6"):
        assert words in details


def test_countless_paths_are_counted(opened: Callable[..., Page]):
    """x·x·x·x … by squaring: each square doubles the number of paths."""
    x = Value(1.0, label="x")
    shown = opened(reduce(lambda y, _: y * y, range(60), x))
    shown.leaf("x", ", number").focus()
    assert "paths to L: 1.153e18" in shown.text("#node")
    assert "and 1.153e18 more" in shown.text("#node")


def test_every_control_has_a_name(opened: Callable[..., Page]):
    shown = opened(neuron()[0])
    shown.button("To the end")
    nameless = """[...document.querySelectorAll("button, input, select, textarea, [role=button], svg")].filter(
        (e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.getAttribute("aria-labelledby")))"""
    assert shown.tab.evaluate(f"{nameless}.map((e) => e.outerHTML)") == []
    names = shown.tab.evaluate("[...document.querySelectorAll('.box')].map((box) => box.ariaLabel)")
    assert "w, leaf, data 0.5, gradient 1.51568" in names


# ---- leaves ----------------------------------------------------------------------------------------------------------
def test_typing_a_number_and_dragging_a_slider_move_values_and_gradients(opened: Callable[..., Page]):
    y, _, x, b = neuron()
    shown = opened(y)
    shown.leaf("w", ", number").fill("-1.25e-1")
    check_numbers(shown, (Value(-0.125, label="w") * x + b).tanh() ** 2)
    assert shown.leaf("w", ", slider").input_value() in ("-0.12", "-0.13")  # the nearest of its steps

    number = shown.leaf("w", ", number")
    number.fill("0.5")
    number.fill("")  # what is no number is marked and changes nothing
    assert number.get_attribute("aria-invalid") == "true"
    check_numbers(shown, y)
    number.focus()
    number.blur()
    assert number.input_value() == "0.5"

    shown.leaf("x", ", slider").focus()
    for _ in range(3):
        shown.tab.keyboard.press("ArrowRight")
    x = float(shown.leaf("x", ", number").input_value())
    assert x > 2.0
    _, w, _, b = neuron()
    assert shown.step == "9 / 9"  # arrow keys in a slider do not step
    check_numbers(shown, (w * Value(x, label="x") + b).tanh() ** 2)


def test_outside_its_domain_an_operation_says_so(opened: Callable[..., Page]):
    x = Value(2.0, label="x")
    shown = opened(x.log() * 3.0)
    shown.leaf("x", ", number").fill("-1")
    shown.button("One step forward")
    why = "v1: log is not defined at x = −1: it takes numbers above 0. What follows has no value, and no gradient is"
    assert shown.words == f"Forward: v1 = log(x) = log((−1)) = undefined{why} defined."
    assert shown.node("v1").locator(".numbers").text_content() == "data undefined"
    shown.leaf("x", ", number").fill("1")
    assert shown.node("v1").locator(".numbers").text_content() == "data 0"


def test_a_leaf_may_have_the_name_of_a_constant(opened: Callable[..., Page]):
    """It stays a leaf when its expression is changed by hand."""
    shown = opened(Value(2.0, label="e") * Value(5.0, label="pi"))
    assert shown.numbers() == {"e": (2.0, None), "pi": (5.0, None), "L": (None, None)}
    shown.write("L = e + pi")
    shown.button("To the end")
    assert shown.numbers()["L"][0] == 7.0


def test_infinite_numbers_are_shown(opened: Callable[..., Page]):
    x = Value(float("inf"), label="x")
    shown = opened(x.tanh())
    assert shown.node("x").locator(".numbers").text_content() == "∞"
    shown.leaf("x", ", number").fill("0")
    shown.button("To the end")
    assert shown.node("x").locator(".slope").text_content() == "grad 1"


def test_a_graph_may_be_one_leaf(opened: Callable[..., Page]):
    x = Value(2.0, label="x")
    shown = opened(x, parameters=[x])
    check_numbers(shown, x)
    shown.button("Step")
    assert shown.text("#progress") == "1 step: x from 2 to 1.9"


# ---- gradient descent ------------------------------------------------------------------------------------------------
def descended(steps: int, lr: float) -> tuple[float, float, list[float]]:
    """w and b, and the losses, as the engine computes them."""
    _, w, x, b = neuron()
    losses = []
    for _ in range(steps + 1):
        y = (w * x + b).tanh() ** 2
        losses.append(y.data)
        w.grad = b.grad = 0.0
        y.backward()
        if len(losses) <= steps:
            w.data -= lr * w.grad
            b.data -= lr * b.grad
    return w.data, b.data, losses


def test_a_step_moves_the_parameters_against_their_gradients(opened: Callable[..., Page]):
    shown = opened(neuron()[0])
    assert "Tick θ" in shown.text("#progress")
    for name in "wb":
        shown.leaf(name, " is a parameter").check()
    shown.leaf("η", "").fill("0.05")
    for _ in range(4):
        shown.button("Step")
    w, b, losses = descended(4, 0.05)
    assert float(shown.leaf("w", ", number").input_value()) == pytest.approx(w, rel=1e-7)  # 8 digits are shown
    assert float(shown.leaf("b", ", number").input_value()) == pytest.approx(b, rel=1e-7)
    assert shown.numbers()["w"][0] == pytest.approx(w, rel=1e-12)
    assert shown.leaf("x", ", number").input_value() == "2"
    assert shown.text("#progress") == f"4 steps: L from {losses[0]:.6g} to {losses[-1]:.6g}"
    assert len(shown.tab.locator("#curve polyline").get_attribute("points").split()) == 5
    assert shown.tab.locator("#curve").get_attribute("aria-label").startswith("Loss curve: 4 steps")


def test_a_step_moves_by_the_gradients_that_are_shown(opened: Callable[..., Page], capsys: Any):
    """After two backward passes they are twice as large, as in a program that forgets to set them to 0."""
    y, w, _, b = neuron()
    shown = opened(y, parameters=[w, b])
    shown.tab.get_by_label("backward passes").select_option("2")
    scope: dict[str, Any] = {}
    exec(shown.python, scope)
    shown.button("Step")
    assert shown.numbers()["w"][0] == pytest.approx(scope["w"].data, rel=1e-12)
    assert scope["w"].data == pytest.approx(0.5 - 0.1 * 2 * 1.51568, rel=1e-5)


def test_run_stop_and_reset(opened: Callable[..., Page]):
    y, w, _, b = neuron()
    shown = opened(y, parameters=[w, b])
    assert shown.text("#progress") == "θ: w, b"
    shown.button("Run")
    shown.until(lambda: shown.text("#progress")[:2] in ("5 ", "6 ", "7 "))
    shown.button("Stop")
    steps = int(shown.text("#progress").split()[0])
    expected_w, _, losses = descended(steps, 0.1)
    assert losses[-1] < losses[0]
    assert shown.numbers()["w"][0] == pytest.approx(expected_w, rel=1e-9)
    shown.button("Reset")
    assert shown.step == "0 / 9"
    check_numbers(shown, y)
    assert not shown.tab.locator("#curve").is_visible()


def test_reset_brings_back_the_reach_of_a_slider(opened: Callable[..., Page]):
    shown = opened(Value(0.5, label="w") ** 2)
    slider = shown.leaf("w", ", slider")
    assert [slider.get_attribute(end) for end in ("min", "max")] == ["-2", "2"]
    shown.leaf("w", ", number").fill("1000")
    assert [slider.get_attribute(end) for end in ("min", "max")] == ["-2000", "2000"]
    shown.button("Reset")
    assert [slider.get_attribute(end) for end in ("min", "max")] == ["-2", "2"]
    assert slider.input_value() == "0.5"


def test_the_curve_of_an_infinite_loss_ends_before_it(opened: Callable[..., Page]):
    x = Value(3.0, label="x")
    shown = opened(x**2, parameters=[x])
    for rate in ("0.1", "0.1", "1e200"):
        shown.leaf("η", "").fill(rate)
        shown.button("Step")
    assert shown.text("#progress").endswith("η is too large. Reset.")
    assert len(shown.tab.locator("#curve polyline").get_attribute("points").split()) == 3
    assert shown.tab.locator("#curve circle").count() == 0


def test_the_curve_of_losses_whose_difference_is_beyond_all_numbers(opened: Callable[..., Page]):
    x = Value(1e308, label="x")
    shown = opened(x * 1.0, parameters=[x])
    shown.leaf("η", "").fill("1e308")
    shown.button("Step")
    shown.button("Step")
    points = shown.tab.locator("#curve polyline").get_attribute("points").split()
    assert [float(point.split(",")[1]) for point in points] == [22.0, 64.0, 106.0]


def test_descent_says_what_is_wrong(opened: Callable[..., Page]):
    x = Value(3.0, label="x")
    shown = opened(x**2)
    shown.button("Step")
    assert shown.text("#progress") == "Tick θ at one leaf or more: these are what a step changes."
    shown.leaf("x", " is a parameter").check()
    shown.leaf("η", "").fill("-1")
    shown.button("Step")
    assert shown.text("#progress") == "η is a number of 0 or more."
    shown.leaf("η", "").fill("1e200")
    shown.button("Run")
    shown.until(lambda: "too large" in shown.text("#progress"))
    assert shown.text("#progress") == "L is undefined now: η is too large. Reset."
    assert shown.tab.get_by_role("button", name="Run", exact=True).count() == 1  # it has stopped


# ---- Python ----------------------------------------------------------------------------------------------------------
def printed(program: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    exec(program, {})
    return [float(line.split(" = ")[1]) for line in capsys.readouterr().out.splitlines()]


def test_the_python_program_computes_what_is_on_the_screen_and_can_be_copied(opened: Callable[..., Page], capsys: Any):
    y, w, _, b = neuron()
    shown = opened(y, parameters=[w, b])
    shown.leaf("x", ", number").fill("0.3")
    shown.button("Step")
    numbers = shown.numbers()
    value, *gradients = printed(shown.python, capsys)
    assert value == pytest.approx(numbers["L"][0], rel=1e-12)
    assert gradients == pytest.approx([numbers[name][1] for name in "wxb"], rel=1e-12)
    assert "optimizer = tg.optim.SGD([w, b], lr=0.1)\noptimizer.step()\n" in shown.python
    shown.button("Copy")
    shown.until(lambda: shown.text("#copied") == "Copied.")
    assert shown.tab.evaluate("navigator.clipboard.readText()") == shown.python


def test_an_operation_of_the_readers_own(opened: Callable[..., Page]):
    cube = tg.define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    y = cube(Value(2.0, label="x")) + 1.0
    shown = opened(y)
    check_numbers(shown, y)
    shown.node("v1").hover()
    assert "∂v1/∂x = 3·x·x = 12" in shown.text("#node")
    assert "# define cube here, as you did with tg.define_op\n" in shown.python
    assert "v1 = cube(x)\nL = v1 + 1.0\n" in shown.python
    assert shown.value("#text") == "L = own.cube(x) + 1.0"


def test_an_operation_of_the_readers_own_may_have_any_name(opened: Callable[..., Page]):
    """Also one that the page uses itself, or that is one of JavaScript's."""
    y = Value(0.5, label="x")
    names = ["text", "value", "root", "f", "constructor", "sum", "own", "graph"]
    for name in names:
        y = tg.define_op(name, lambda m, x: m.tanh(x) * 2.0, lambda m, y, x: (2.0 - y * y * 0.5,))(y)
    shown = opened(y)
    check_numbers(shown, y)
    signs = shown.tab.locator("#graph .sign").all_text_contents()
    assert sorted(name[:4] for name in signs if name) == sorted(name[:4] for name in names)
    assert all(f"own.{name}(" in shown.value("#text") for name in names)


# ---- labels, sizes, looks --------------------------------------------------------------------------------------------
def test_hostile_labels_are_inert(opened: Callable[..., Page], capsys: Any):
    """They are text wherever they are shown, and a comment, a name or a string in the program."""
    y = sum((Value(float(i), label=label) ** 2 for i, label in enumerate(HOSTILE)), start=Value(0.5))
    y.label = HOSTILE[0]
    shown = opened(y, parameters=[v for v in topological_order(y) if v.label in HOSTILE and v._rule is LEAF])
    check_numbers(shown, y)
    assert shown.tab.locator("img").count() == 0
    assert shown.tab.locator("script").count() == 3
    for i in range(1, len(HOSTILE)):
        shown.tab.locator(".leaf-row input[type=number]").nth(i).focus()
    shown.button("One step back")
    words = shown.words
    shown.button("中文")
    assert shown.words.startswith("反向传播：")
    shown.button("English")
    assert shown.words == words
    assert HOSTILE[1][-17:] in shown.text("#leaves")
    assert shown.tab.get_by_title(HOSTILE[1], exact=True).count() == 1
    value, *_ = printed(shown.python, capsys)
    assert value == y.data
    shown.button("Step")
    assert shown.text("#progress").startswith("1 step: ")


def test_a_small_network_on_one_sample(opened: Callable[..., Page]):
    model = tg.nn.MLP(2, [3, 1])
    loss = (model([1.0, -2.0]) - 1.0) ** 2
    shown = opened(loss, parameters=model.parameters())
    check_numbers(shown, loss)
    shown.button("Step")
    assert shown.text("#progress").startswith("1 step: L from ")


def test_a_large_graph_opens_collapsed_and_its_nodes_can_be_chosen(opened: Callable[..., Page]):
    model = tg.nn.MLP(20, [12, 1])
    shown = opened(model([1.0, -2.0] * 10), parameters=model.parameters())
    assert re.fullmatch(r"L: \d+ nodes, 265 of them leaves; collapsed into \d\d boxes", shown.text("#summary"))
    shown.node("layers[0].neurons[3]").focus()
    members = shown.tab.get_by_role("group", name="Nodes of layers[0].neurons[3]")
    members.get_by_role("button", name="w[1]", exact=True).click()
    assert "namelayers[0].neurons[3].w[1]" in shown.text("#node")


def test_300_nodes_step_without_delay(opened: Callable[..., Page]):
    xs = [Value(0.1 * i, label=f"x{i}") for i in range(60)]
    y = reduce(add, [(x * x).tanh() for x in xs])
    assert 230 < len(topological_order(y)) <= 300
    shown = opened(y)
    start = perf_counter()
    shown.tab.evaluate("for (let t = 0; t < 40; t++) { forward.click(); graph.getBoundingClientRect(); }")
    assert (perf_counter() - start) / 40 < 0.1  # seconds a step
    assert shown.step.startswith("40 ")


def test_nothing_is_wider_than_the_window_and_all_is_legible(tab: Any, opened: Callable[..., Page]):
    shown = opened(neuron()[0])
    for width, scheme in product((1280, 768, 360), ("dark", "light")):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        assert shown.tab.evaluate("document.documentElement.scrollWidth") <= width
        body = shown.tab.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = [sum(map(int, re.findall(r"\d+", colour))) / 765 for colour in body]
        assert abs(ink - paper) > 0.7
        assert (ink < paper) == (scheme == "light")
    tab.set_viewport_size(WINDOW)


def test_zooming(opened: Callable[..., Page]):
    shown = opened(neuron()[0])
    width = "Number(graph.getAttribute('width'))"
    before = shown.tab.evaluate(width)
    shown.button("Larger picture")
    assert shown.tab.evaluate(width) == pytest.approx(1.25 * before)
    shown.button("Smaller picture")
    shown.button("Smaller picture")
    assert shown.tab.evaluate(width) == pytest.approx(before / 1.25)
    shown.button("Fit the picture to the window")
    assert shown.tab.evaluate("graph.getBoundingClientRect().width <= scroller.clientWidth + 1")
