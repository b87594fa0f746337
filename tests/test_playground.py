"""The explorer's page in a real browser: expressions that are typed, tables that are pasted, examples and addresses.

How a graph of Python is explored is tested in `test_explorer.py`, what is computed in `test_page_engine.py`.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from xml.etree import ElementTree

import pytest
from pages import WINDOW, Page, watched
from profiles import sample

import tinygrad_edu as tg
from tinygrad_edu.viz._pages import read_page
from tinygrad_edu.viz.explorer import MAX_EXPLORED_NODES, make_playground, write_page

EXAMPLES = json.loads(read_page("tinygrad_edu.viz.explorer", "examples.json"))
LINE = "x, y\n0, 1\n1, 3\n2, 5\n3, 7"  # y = 2x + 1


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.html"
    write_page(file, make_playground)
    return file


@pytest.fixture(scope="module")
def loaded(tab: Any, file: Path) -> Page:
    tab.goto(file.as_uri())
    return Page(tab)


@pytest.fixture
def opened(loaded: Page, file: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page as it came, or with an address behind #. It is loaded once, as that takes longer than a test."""

    def open_page(address: str = "") -> Page:
        loaded.tab.locator("#examples").select_option(index=0)
        loaded.tab.evaluate("history.replaceState(null, '', location.pathname)")
        loaded.tab.evaluate("dispatchEvent(new Event('hashchange'))")  # the language is the one of the browser again
        if address:
            loaded.tab.evaluate(
                "(address) => new Promise((done) => {"
                "addEventListener('hashchange', () => setTimeout(done), { once: true }); location.hash = address; })",
                address,
            )
        return loaded

    with watched(loaded.tab, file):
        yield open_page


def address_of(shown: Page) -> dict[str, str]:
    """What the address holds; it follows a third of a second later."""
    shown.tab.wait_for_timeout(350)
    found = parse_qs(shown.tab.evaluate("location.hash.slice(1)"), keep_blank_values=True)
    return {key: words for key, (words,) in found.items()}


# ---- a text ----------------------------------------------------------------------------------------------------------
def test_an_expression_that_is_typed_becomes_the_graph(opened: Callable[..., Page]):
    shown = opened()
    assert shown.value("#text") == "h = w*x + b\nL = (tanh(h) - y)**2"
    shown.leaf("w", ", number").fill("3")
    shown.write("d = w - k\nd*d")
    assert shown.text("#summary") == "L: 4 nodes, 2 of them leaves"
    assert shown.step == "0 / 5"
    assert shown.numbers() == {"w": (3.0, None), "k": (1.0, None), "d": (None, None), "L": (None, None)}  # w is kept
    shown.button("To the end")
    assert shown.numbers() == {"w": (3.0, 4.0), "k": (1.0, -4.0), "d": (2.0, 4.0), "L": (4.0, 1.0)}


def test_an_error_shows_its_place_and_the_graph_stays(opened: Callable[..., Page]):
    shown = opened()
    shown.button("To the end")
    before = shown.numbers()
    shown.write("h = w*x + b\nL = tanh(h) - ")
    assert shown.text("#problem") == "line 2, column 15: Something is missing here."
    assert shown.tab.locator("#text").get_attribute("aria-invalid") == "true"
    assert shown.text("#shown mark.wrong") == " "
    assert shown.numbers() == before
    shown.leaf("w", ", number").fill("1")  # the graph that stays is whole
    shown.button("Step")
    assert shown.text("#progress").startswith("1 step: L from ")
    shown.write("w*x")
    assert shown.text("#problem") == ""
    assert shown.tab.locator("mark.wrong").count() == 0
    assert shown.text("#summary") == "L: 3 nodes, 2 of them leaves"


def test_a_text_of_too_many_nodes_is_an_error_like_others(opened: Callable[..., Page]):
    shown = opened()
    shown.write("+".join(["x*2"] * 4000))
    assert shown.text("#problem") == f"column 1: The graph has more than {MAX_EXPLORED_NODES} nodes."
    shown.button("One step forward")
    assert shown.words.startswith("Forward: v1 = w·x")


def test_what_may_not_be_meant_is_noted(opened: Callable[..., Page]):
    shown = opened()
    shown.write("h = a*b\nL = a**2")
    assert shown.text("#problem") == "h is not used."
    shown.write(LINE, "#table")
    assert shown.text("#problem") == "h is not used. No column of the table is used."
    shown.write("a*x")
    assert shown.text("#problem") == "L differs from row to row: add up the rows with sum(…) or mean(…)."


def test_the_part_of_the_text_that_is_computed_lights_up(opened: Callable[..., Page]):
    shown = opened()

    def lit() -> list[str]:
        return shown.tab.locator("#shown mark.lit").all_text_contents()

    shown.button("One step forward")
    assert lit() == ["w*x"]
    shown.button("One step forward")
    assert lit() == ["h", "w*x + b", "h"]
    shown.node("L").hover()
    assert lit() == ["L", "(tanh(h) - y)**2"]
    assert shown.text("#shown") == shown.value("#text") + "\n"  # the marks lie behind the same words


def test_keys_belong_to_what_has_the_focus(opened: Callable[..., Page]):
    shown = opened()
    for place in ("#text", "#python", "#examples", "#optimizer", "#passes", "#eta", "#text"):
        shown.tab.locator(place).focus()
        for key in ("End", "ArrowRight", "ArrowLeft", "Home"):
            shown.tab.keyboard.press(key)
            assert shown.step.startswith("0 / "), (place, key)
    shown.tab.keyboard.press("Space")
    assert shown.value("#text") == "h = w*x + b\n L = (tanh(h) - y)**2"
    assert shown.tab.locator("#play").text_content() == "▶"
    shown.tab.keyboard.press("Tab")  # leaves the text
    shown.tab.keyboard.press("ArrowRight")
    assert shown.step == "1 / 11"


def test_what_comes_next_is_told_to_those_who_ask(opened: Callable[..., Page]):
    shown = opened()
    assert not shown.tab.locator("#answer").is_visible()
    shown.tab.get_by_text("What comes next?").click()
    assert shown.tab.locator("#answer").is_visible()
    assert shown.text("#answer") == "v1 = w·x: its inputs are known."
    shown.button("One step forward")
    assert shown.text("#answer") == "h = v1 + b: its inputs are known."


# ---- a table ---------------------------------------------------------------------------------------------------------
def test_a_line_learns_a_table(opened: Callable[..., Page], capsys: Any):
    shown = opened()
    assert not shown.tab.locator("#plot").is_visible()
    shown.tab.get_by_text("Paste a table").click()
    shown.write(LINE, "#table")
    shown.write("p = w*x + b\nL = mean((p - y)**2)")
    assert shown.text("#table-summary") == "4 rows of x, y: change them"
    shown.button("All θ")
    for name in "wb":
        shown.leaf(name, ", number").fill("0")
    shown.button("Step")
    assert shown.numbers()["w"][0] == pytest.approx(0.1 * 2 * (0 + 3 + 10 + 21) / 4)  # ∂L/∂w = −2/n·Σxy
    assert "1 step: L from 21 to " in shown.text("#progress")
    shown.tab.evaluate("for (let k = 0; k < 99; k++) descend.click()")
    assert float(shown.text("#progress").split()[-1].replace("−", "-")) < 0.01
    assert shown.numbers()["w"][0] == pytest.approx(2, abs=0.1)
    shown.until(lambda: shown.tab.locator("#plot .point").count() == 4)
    assert shown.tab.locator("#plot .curve").get_attribute("points").count(",") == 81
    assert "p, which is predicted" in shown.tab.locator("#plot").get_attribute("aria-label")
    exec(shown.python, {})
    printed = [float(line.split(" = ")[1]) for line in capsys.readouterr().out.splitlines()]
    numbers = shown.numbers()
    assert printed == pytest.approx([numbers["L"][0], numbers["w"][1], numbers["b"][1]], rel=1e-9)


def test_each_row_can_be_looked_at(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "p = w*x\nL = sum((p - y)**2)", "t": LINE, "n": "w:2"}))
    shown.button("To the end")
    assert shown.numbers()["p"] == (0.0, -2.0)
    shown.tab.get_by_label("row", exact=True).fill("4")
    assert shown.numbers()["p"] == (6.0, -2.0)
    assert shown.numbers()["w"] == (2.0, -12.0)
    shown.tab.get_by_label("row", exact=True).fill("5")  # there is none
    assert shown.numbers()["p"] == (6.0, -2.0)


@pytest.mark.parametrize("names", [["u", "v"], ["u", "v", "constructor"]], ids=len)
def test_data_of_more_inputs_have_a_picture_too(names: list[str], opened: Callable[..., Page]):
    """Of two inputs a map of the prediction, of more the prediction over the target."""
    rows = [", ".join(map(str, [*[(i * k) % 3 for k in range(1, len(names) + 1)], i % 2])) for i in range(6)]
    text = f"p = sigmoid({' + '.join(f'w{i}*{name}' for i, name in enumerate(names))})\nL = mean((p - t)**2)"
    shown = opened(urlencode({"e": text, "t": "\n".join([", ".join([*names, "t"]), *rows])}))
    axes = names if len(names) == 2 else ["t, of the table", "p"]
    shown.until(lambda: shown.tab.locator("#plot .axis").all_text_contents() == axes)
    assert shown.tab.locator("#plot .point").count() == 6
    assert (shown.tab.locator("#plot rect").count() > 100) == (len(names) == 2)


def test_a_bad_table_says_where_and_the_last_one_stays(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "mean(w*x)", "t": LINE}))
    for table, problem in {
        "x, y\n1": "Row 1 has 1 cells, the first line 2.",
        "x, y\n1, 2\n3, four": 'Row 2, column y: "four" is no number.',
        "x, y\n1, ": 'Row 1, column y: "" is no number.',
        "1, 2\n3, 4": 'The first line has the names of the columns: "1" cannot be one.',
        "x, tanh\n3, 4": 'The first line has the names of the columns: "tanh" cannot be one.',
        "x, x\n3, 4": "Two columns have the same name.",
        "x, y": "Below the names stand the rows, one a line.",
        "x\n" + "1\n" * 501: "The table has 501 rows; up to 500 are drawn and learned here.",
    }.items():
        shown.write(table, "#table")
        assert shown.text("#table-problem") == problem
        assert shown.tab.locator("#table-problem").is_visible()
        assert shown.text("#row-count") == "of 4"
    shown.write("z\tx\n\n1\t2\n3\t4\n", "#table")  # of a spreadsheet
    assert shown.text("#table-problem") == ""
    assert shown.text("#row-count") == "of 2"
    shown.button("To the end")
    assert shown.numbers()["L"] == (3.0, 1.0)


def test_a_table_that_changes_under_a_wrong_text_changes_nothing(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "mean(w*x)", "t": LINE}))
    shown.write("mean(w*")
    shown.write("z\n1\n2", "#table")
    shown.leaf("w", ", number").fill("2")
    shown.button("To the end")
    assert shown.numbers()["L"] == (3.0, 1.0)
    shown.write("", "#table")
    shown.write("w*z")
    assert shown.text("#problem") == ""
    assert not shown.tab.locator("#row-choice").is_visible()


# ---- descent ---------------------------------------------------------------------------------------------------------
def test_parameters_are_marked_all_at_once(opened: Callable[..., Page]):
    shown = opened()
    shown.button("All θ")
    assert shown.text("#progress") == "θ: w, x, b, y"
    before = {name: x for name, (x, _) in shown.numbers().items() if x is not None}
    shown.button("Random θ")
    after = {name: shown.numbers()[name][0] for name in before}
    assert all(after[name] != before[name] and -1 <= after[name] <= 1 for name in before)
    shown.button("No θ")
    assert shown.text("#progress") == "Tick θ at a leaf to mark it as a parameter."
    shown.button("Random θ")
    assert {name: shown.numbers()[name][0] for name in before} == after


@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_the_optimizers_of_the_package_can_be_chosen(name: str, opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "(w - 3)**4", "n": "w:1", "p": "w", "o": name, "eta": "0.01"}))
    line = next(line for line in shown.python.splitlines() if line.startswith("optimizer = "))
    w = tg.Value(1.0)
    scope = {"tg": tg, "w": w}
    exec(line, scope)
    for _ in range(5):
        shown.button("Step")
        w.grad = 4 * (w.data - 3) ** 3
        scope["optimizer"].step()
    assert shown.numbers()["w"][0] == pytest.approx(w.data, rel=1e-9)


def test_divergence_is_told_and_the_run_stops(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "w**2", "n": "w:1", "p": "w", "eta": "1.5"}))
    shown.button("Run")
    shown.until(lambda: "too large" in shown.text("#progress"))
    assert re.fullmatch(r"L grows and grows, to \d+: η = 1.5 is too large. .*", shown.text("#progress"))
    assert shown.text("#run") == "Run"
    told = shown.text("#progress")
    shown.tab.get_by_label("log").check()
    shown.tab.set_viewport_size({"width": 1000, "height": 800})
    assert shown.text("#progress") == told
    shown.tab.set_viewport_size(WINDOW)
    shown.button("Reset")
    assert shown.numbers()["w"][0] == 1.0


def test_the_curve_of_losses_has_a_log_scale(opened: Callable[..., Page]):
    """Each step divides L by 25/16, so on a log scale the curve is a line."""
    shown = opened(urlencode({"e": "w**2", "n": "w:1", "p": "w"}))
    shown.tab.evaluate("for (let k = 0; k < 20; k++) descend.click()")

    def heights() -> list[float]:
        return [float(p.split(",")[1]) for p in shown.tab.locator("#curve polyline").get_attribute("points").split()]

    falls = [b - a for a, b in pairwise(heights())]
    assert falls[0] > 10 * falls[-1]
    shown.tab.get_by_label("log").check()
    assert [b - a for a, b in pairwise(heights())] == pytest.approx([84 / 20] * 20, abs=0.11)
    assert shown.text("#curve").startswith("L: 1 at most, 0.000132923 at least, log")
    shown.tab.get_by_label("log").uncheck()
    assert "log" not in shown.text("#curve")


def test_the_landscape_shows_the_loss_over_two_parameters_and_the_trail(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "u**2 + 3*v**2 + c", "n": "u:1,v:1,c:0", "p": "u"}))
    assert not shown.tab.locator("#map").is_visible()
    shown.leaf("v", " is a parameter").check()
    shown.until(lambda: shown.tab.locator("#map .axis").all_text_contents() == ["u", "v"])
    shown.tab.evaluate("for (let k = 0; k < 10; k++) descend.click()")
    shown.until(lambda: "has 11 points" in shown.tab.locator("#map").get_attribute("aria-label"))
    trail = [tuple(map(float, p.split(","))) for p in shown.tab.locator("#map .trail").get_attribute("points").split()]
    middle = [shown.tab.locator("#map .point").get_attribute(key) for key in ("cx", "cy")]
    assert trail[-1] == pytest.approx([*map(float, middle)], abs=0.1)
    assert all(b[0] < a[0] and b[1] > a[1] for a, b in pairwise(trail[:4]))  # to the left, and down
    shown.leaf("c", " is a parameter").check()
    shown.tab.get_by_label("Parameter from left to right").select_option("c")
    assert shown.tab.locator("#map .axis").all_text_contents() == ["c", "v"]


# ---- examples --------------------------------------------------------------------------------------------------------
def test_each_example_opens_at_its_first_step_and_is_seen_whole(opened: Callable[..., Page]):
    shown = opened()
    for example in sample(EXAMPLES, 4):
        shown.tab.get_by_label("Open", exact=True).select_option(example["title"])
        assert shown.value("#text") == example["text"]
        assert shown.text("#problem") + shown.text("#table-problem") == ""
        assert shown.step.startswith("0 / ")
        assert all(g is None for _, g in shown.numbers().values())
        assert is_whole(shown)
        shown.button("To the end")
        assert all(math.isfinite(g) for _, g in shown.numbers().values())


def test_what_is_not_computed_is_not_seen_in_the_pictures_either(opened: Callable[..., Page]):
    shown = opened()
    shown.tab.get_by_label("Open", exact=True).select_option("a line through data")
    places = ("#plot .point", "#plot .curve", "#map .cells")  # the data, the prediction, the loss
    shown.until(lambda: all(shown.tab.locator(place).count() for place in places))

    def seen() -> list[bool]:
        style = "(places) => places.map((place) => getComputedStyle(document.querySelector(place)).visibility)"
        return [found == "visible" for found in shown.tab.evaluate(style, places)]  # at once: pictures are painted anew

    assert seen() == [True, False, False]
    for _ in range(2):  # v1, and the prediction p
        shown.button("One step forward")
    assert seen() == [True, True, False]
    shown.button("To the end")
    assert seen() == [True, True, True]


def test_the_example_of_the_wrong_order_says_what_is_wrong(opened: Callable[..., Page]):
    shown = opened()
    title = next(example["title"] for example in EXAMPLES if "way" in example)
    shown.tab.get_by_label("Open", exact=True).select_option(title)
    words = []
    for _ in range(7):
        shown.button("One step forward")
        words.append(shown.words)
    assert "Too early: 1 of 2 terms have arrived at c. What comes later is not passed on." in words[5]
    wrong = shown.numbers()
    shown.tab.get_by_label("backward()").select_option("right")
    shown.button("To the end")
    assert shown.numbers()["a"][1] != wrong["a"][1]
    assert shown.numbers()["L"] == wrong["L"]


# ---- the address -----------------------------------------------------------------------------------------------------
def test_the_address_holds_all_that_was_changed_and_opens_it_again(opened: Callable[..., Page]):
    shown = opened()
    assert address_of(shown) == {}
    text, table = "p = w*x + größe\nL = mean((p - y)**2)", LINE
    shown.write(text)
    shown.write(table, "#table")
    shown.leaf("w", ", number").fill("0.125")
    shown.leaf("größe", " is a parameter").check()
    shown.tab.get_by_label("Optimizer").select_option("Adam")
    shown.leaf("η", "").fill("0.02")
    shown.tab.get_by_label("backward passes").select_option("2")
    shown.tab.get_by_label("backward()").select_option("order")
    held = address_of(shown)
    assert held == {
        "e": text,
        "t": table,
        "n": "w:0.125,größe:1",
        "p": "w,größe",
        "o": "Adam",
        "eta": "0.02",
        "b": "2",
        "s": "order",
    }
    shown.button("Copy link")
    shown.until(lambda: shown.text("#done") == "Copied.")
    link = shown.tab.evaluate("navigator.clipboard.readText()")
    assert link == shown.tab.evaluate("location.href")
    shown.button("To the end")
    program, numbers = shown.python, shown.numbers()

    again = opened()
    again.tab.goto(link)
    again.tab.reload()
    assert again.step.startswith("0 / ")
    assert address_of(again) == held
    again.button("To the end")
    assert (again.python, again.numbers()) == (program, numbers)
    assert again.value("#table") == table


def test_an_address_that_is_pasted_into_the_page_opens_too(opened: Callable[..., Page]):
    shown = opened()
    shown.button("To the end")
    shown = opened(urlencode({"e": "a*b", "n": "a:4", "p": "a"}))
    assert shown.text("#summary") == "L: 3 nodes, 2 of them leaves"
    assert shown.step == "0 / 3"
    assert shown.numbers()["a"][0] == 4.0
    assert shown.text("#progress") == "θ: a"


HOSTILE = [
    "%%%&e=%E0%A4%A",
    urlencode({"e": "<img src=x onerror=alert(1)>"}),
    urlencode({"e": "constructor*__proto__ + hasOwnProperty", "n": "__proto__:3,constructor:2", "p": "constructor"}),
    urlencode({"t": "<script>alert(1)</script>\n1", "e": "x"}),
    urlencode({"o": "constructor", "b": "1e9", "s": "</script>", "eta": "alert(1)"}),
    urlencode({"n": "w:NaN,x:Infinity,b:1e999,:,::,q:1", "p": ",,w,nobody"}),
    "e=" + quote("(" * 100_000),
    "e=" + quote("x"),
]


@pytest.mark.parametrize("address", sample(HOSTILE, 4), ids=lambda address: address[:20])
def test_hostile_addresses_are_inert(address: str, opened: Callable[..., Page]):
    """The page stays one that works: it steps, and descends or says why not."""
    shown = opened(address)
    assert shown.tab.locator("img").count() == 0
    assert shown.tab.locator("script").count() == 3
    assert shown.step.startswith("0 / ")
    shown.button("To the end")
    shown.button("All θ")
    shown.button("Step")
    assert shown.text("#progress")
    shown.write("a*b")
    assert shown.text("#summary") == "L: 3 nodes, 2 of them leaves"


# ---- the language ----------------------------------------------------------------------------------------------------
SEEN = """(() => {
    const seen = [];
    for (const place of document.querySelectorAll("title, body :not(script, noscript, mark, #language, #shown)")) {
        for (const name of ["aria-label", "aria-valuetext", "title", "placeholder"]) {
            if (place.hasAttribute(name)) seen.push(place.getAttribute(name));
        }
        for (const { nodeType, data } of place.childNodes) if (nodeType === 3 && data.trim()) seen.push(data.trim());
    }
    return seen;
})()"""


def seen_on(shown: Page) -> list[str]:
    """All that is seen or heard, but code."""
    return shown.tab.evaluate(SEEN)


def test_another_language_loses_nothing(opened: Callable[..., Page]):
    text = "p = w*x + b\nL = mean((p - y)**2)\n"
    shown = opened(urlencode({"e": text, "t": LINE, "n": "w:0.125,b:0", "p": "w,b", "b": "2"}))
    for _ in range(3):
        shown.button("Step")
    shown.button("One step back")
    shown.until(lambda: "has 4 points" in shown.tab.locator("#map").get_attribute("aria-label"))

    def state() -> tuple[Any, ...]:
        curve = shown.tab.locator("#curve polyline").get_attribute("points")
        return shown.step, shown.numbers(), shown.value("#text"), shown.value("#table"), shown.python, curve

    before, english, address = state(), seen_on(shown), address_of(shown)
    shown.tab.get_by_role("button", name="中文").focus()
    shown.tab.keyboard.press("Enter")
    assert state() == before
    assert shown.tab.evaluate("[document.documentElement.lang, language.lang]") == ["zh-Hans", "en"]
    assert shown.tab.title() == "探索器：计算图"
    assert re.fullmatch(r"3 步：L 从 [\d.]+ 变为 [\d.]+", shown.text("#progress"))
    assert address_of(shown) == {**address, "lang": "zh"}
    shown.until(lambda: "有 4 个点" in shown.tab.locator("#map").get_attribute("aria-label"))
    shown.tab.keyboard.press("Enter")  # it has kept the focus
    assert state() == before
    assert shown.tab.evaluate("[document.documentElement.lang, language.lang]") == ["en", "zh-Hans"]
    shown.until(lambda: seen_on(shown) == english)
    assert address_of(shown) == {**address, "lang": "en"}


def test_what_is_wrong_is_said_in_another_language_too(opened: Callable[..., Page]):
    shown = opened(urlencode({"e": "log(x)", "n": "x:-1", "p": "x"}))
    for _ in range(2):
        shown.button("One step forward")
    shown.tab.locator("#table").evaluate("(table) => (table.value = 'x\\n1, 2')")
    shown.write("(x")
    shown.button("Step")
    places = ("#problem", "#table-problem", "#progress", "#words li")
    english = [shown.text(place) for place in places]
    assert english[0] == "column 3: A bracket ( has to be closed by ), not the end."
    shown.button("中文")
    assert [shown.text(place) for place in places] == [
        "第 3 列：括号 ( 要用 ) 闭合，这里却是“结尾”。",
        "第 1 行有 2 个单元格，而第一行有 1 个。",
        "这里有梯度没有定义，或者是无穷大：请试更小的 η，或者重置。",
        "L：log 没有定义（x = −1）：它的定义域是大于 0 的数。后面的节点没有值，梯度也都没有定义。",
    ]
    shown.button("English")
    assert [shown.text(place) for place in places] == english


WAYS = ["order", "assign", "again", "seed", "keep"]
TOUR = """([example, way, passes]) => {
    const by = (id) => document.getElementById(id), seen = new Set();
    const set = (id, change) => (change(by(id)), by(id).dispatchEvent(new Event("change")));
    set("examples", (choice) => (choice.selectedIndex = example));
    if (passes) set("passes", (choice) => (choice.value = passes));
    if (way) set("way", (choice) => (choice.value = way));
    const look = () => SEEN.forEach((words) => seen.add(words));
    for (look(); by("step").value < by("step").max; look()) by("forward").click();
    for (const id of ["play", "descend", "run", "run", "descend"]) by(id).click(), look();
    return [...seen];
}""".replace("SEEN", SEEN)


def test_in_chinese_nothing_but_code_is_in_latin_letters(opened: Callable[..., Page]):
    """Names, operations and keys. Each example is gone through, and each wrong way; then it descends."""
    shown = opened("lang=zh")
    code = {"backward", "sum", "mean", "SGD", "Adam", "SVG", "Python", "Home", "End", "Aa"}
    code |= {"mul", "add", "sub", "neg", "power", "total", "dot", "tanh", "sigmoid", "log", "relu", "ReLU"}
    tours = [(k, "", "") for k in range(len(EXAMPLES))] + [(0, way, "2") for way in WAYS]
    for tour in tours:
        for words in shown.tab.evaluate(TOUR, tour):
            assert {*re.findall("[A-Za-z]{2,}", words)} <= code, (tour, words)
    assert shown.tab.locator("#language").text_content() == "English"


@pytest.mark.parametrize(("locale", "own", "other"), [("zh-TW", "zh-Hans", "en"), ("de-DE", "en", "zh-Hans")])
def test_the_language_is_that_of_the_browser_unless_the_address_has_another_one(
    locale: str, own: str, other: str, tab: Any, file: Path
):
    context = tab.context.browser.new_context(locale=locale)
    page = context.new_page()
    with watched(page, file):
        addresses = {"": own, f"#lang={other[:2]}": other, "#lang=constructor": own, f"#e=x&lang={other}": other}
        for address, expected in addresses.items():
            page.goto(file.as_uri() + address)
            Page(page).until(lambda expected=expected: page.evaluate("document.documentElement.lang") == expected)
            assert page.locator("h1").text_content() == {"en": "Explorer", "zh-Hans": "探索器"}[expected]
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    context.close()


def test_in_chinese_nothing_is_wider_than_the_window(opened: Callable[..., Page]):
    shown = opened("lang=zh")
    for width in (1280, 360):
        shown.tab.set_viewport_size({"width": width, "height": 800})
        assert shown.tab.evaluate("document.documentElement.scrollWidth") <= width
    shown.tab.set_viewport_size(WINDOW)


# ---- sizes, and the picture as a file --------------------------------------------------------------------------------
def is_whole(shown: Page) -> bool:
    """Whether the whole graph is seen without scrolling: neither in its place, nor in the window."""
    return shown.tab.evaluate("""(() => {
        const { top, bottom, left, right } = graph.getBoundingClientRect(), place = scroller.getBoundingClientRect();
        return place.top <= top && bottom <= place.bottom + 1 && place.left <= left && right <= place.right + 1
            && 0 <= top && bottom <= innerHeight;
    })()""")


def test_a_graph_of_30_nodes_is_seen_whole(opened: Callable[..., Page]):
    shown = opened()
    shown.write("a = tanh(w1*x1 + w2*x2 + c1)\nb = tanh(w3*x1 + w4*x2 + c2)\np = sigmoid(v1*a + v2*b + c3)\n(p - y)**2")
    assert shown.text("#summary").startswith("L: 29 nodes")
    assert is_whole(shown)


def test_large_text_can_be_read_from_afar(opened: Callable[..., Page]):
    shown = opened()
    sizes = """(() => [...document.querySelectorAll("#graph text, #words, #text, #leaves .name, h2, button, #node dd")]
        .filter((e) => e.textContent.trim() && e.checkVisibility())
        .map((e) => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement?.getScreenCTM().a ?? 1)))()"""
    assert min(shown.tab.evaluate(sizes)) < 14
    shown.tab.get_by_role("button", name="Aa").click()
    assert min(shown.tab.evaluate(sizes)) >= 17.99
    assert shown.tab.evaluate("document.documentElement.scrollWidth") <= WINDOW["width"]
    shown.tab.get_by_role("button", name="Aa").click()
    assert min(shown.tab.evaluate(sizes)) < 14


def test_the_picture_can_be_saved_and_needs_nothing_else(opened: Callable[..., Page]):
    shown = opened()
    shown.button("To the end")
    with shown.tab.expect_download() as download:
        shown.button("Save picture")
    assert download.value.suggested_filename == "graph.svg"
    saved = Path(download.value.path()).read_text()
    root = ElementTree.fromstring(saved)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {part.tag.partition("}")[2] for part in root.iter()} == {"svg", "g", "rect", "text", "path", "polygon"}
    assert not re.search(r"script|href|url\(|var\(| on\w+=", saved)
    words = [part.text for part in root.iter("{http://www.w3.org/2000/svg}text") if part.text]
    assert "data 0.6351" in words
    assert "tanh" in words
