"""What `draw` shows beside the nodes: derivatives, products and sums, a part of a graph, groups of a large one."""

import random
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from pictures import HOSTILE, SVG, arrows, chain, example, node_with, outline, parts, texts
from profiles import sample

from tinygrad_edu import losses, nn
from tinygrad_edu.engine import Value, apply
from tinygrad_edu.functional import dot, sqrt, tanh, total
from tinygrad_edu.gradients import grad
from tinygrad_edu.modes import no_grad
from tinygrad_edu.rules import OPS, Op
from tinygrad_edu.viz import _render, graph
from tinygrad_edu.viz._views import MAX_GROUP_ARROWS, MAX_GROUP_BOXES
from tinygrad_edu.viz.graph import draw, draw_for_notebook


@pytest.fixture(autouse=True)
def without_dot(monkeypatch):
    """The layout is made in process, as on a machine without Graphviz; `test_graph_drawing.py` makes it both ways."""
    monkeypatch.setenv("PATH", "")


def on_arrows(picture):
    return sorted(text for found in arrows(picture.svg).values() for text in found)


def symbols(picture):
    """The first line in each node: the symbol of an operation, the label of a leaf or of a group."""
    return sorted(lines[0] for lines in texts(picture.svg))


def legend(picture):
    return [t.text for g in parts(picture.svg, "node legend") for t in g.iter(f"{SVG}text")]


def perceptron(*widths, samples=1, seed=0):
    """The loss of an MLP on some samples, after backward()."""
    rng = random.Random(seed)
    model = nn.MLP(2, widths, activation="tanh", rng=rng)
    outputs = [model([rng.uniform(-1, 1), rng.uniform(-1, 1)]) for _ in range(samples)]
    loss = losses.mse(outputs, [1.0] * samples)
    loss.label = "loss"
    loss.backward()
    return loss, model


# ---- local derivatives -----------------------------------------------------------------------------------------------


def test_each_arrow_bears_its_local_derivative_as_formula_and_number():
    assert on_arrows(draw(example())) == ["1", "1", "2·v1 = 8", "a = 2", "b = -3"]


def test_a_derivative_names_the_output_too():
    y = tanh(Value(0.5, label="x"))
    assert on_arrows(draw(y)) == ["1 − v1² = 0.786448"]
    y.label = "y"
    assert on_arrows(draw(y)) == ["1 − y² = 0.786448"]


def test_the_formula_is_that_of_the_rule():
    op = Op("twice", "twice", lambda m, x: x * 2.0, lambda m, y, x: m.cosh(y) * 7.0)
    assert on_arrows(draw(apply(op, Value(0.0, label="x")), derivatives="formula")) == ["cosh(v1)·7"]


@pytest.mark.parametrize("name", sorted(OPS.keys() - {"leaf", "constant"}))
def test_every_operation_has_the_derivatives_of_the_rule_table(name):
    arity = len(OPS[name].partials) or 2
    numbers = [1.5] if name == "acosh" else [0.5, 0.25, 0.75][:arity]
    xs = [Value(x, label=f"x{i}") for i, x in enumerate(numbers)]
    y = apply(OPS[name], *xs)
    numbers = [f"{x:.6g}" for x in grad(y, xs)]
    assert on_arrows(draw(y, derivatives="number", expand=False)) == sorted(numbers)
    assert sorted(text.split("= ")[-1] for text in on_arrows(draw(y, expand=False))) == sorted(numbers)


@pytest.mark.parametrize(
    ("wish", "shown"),
    [
        (True, ["a = 2", "b = -3"]),
        ("formula", ["a", "b"]),
        ("number", ["-3", "2"]),
        (False, ["", ""]),
    ],
)
def test_derivatives_can_be_switched(wish, shown):
    picture = draw(Value(2.0, label="a") * Value(-3.0, label="b"), derivatives=wish)
    assert on_arrows(picture) == shown
    assert ("on an arrow: ∂output/∂input" in legend(picture)) == bool(wish)


@pytest.mark.parametrize("wish", [True, "formula"])
def test_a_long_formula_is_cut_short(wish):
    (text,) = on_arrows(draw(Value(1.0, label="x").gelu(), derivatives=wish))
    assert re.fullmatch(r"0\.5·erfc\(.{30}…( = 1\.08332)?", text)


def test_another_wish_is_refused():
    with pytest.raises(ValueError, match="derivatives is True, False, 'formula' or 'number', not 'both'"):
        draw(Value(1.0), derivatives="both")


def test_a_derivative_that_does_not_exist_is_called_undefined():
    assert on_arrows(draw(sqrt(Value(0.0, label="x")))) == ["0.5 / v1 = undefined"]


def test_a_rule_that_looks_at_its_numbers_has_no_formula():
    op = Op("bent", "bent", lambda m, x: x, lambda m, y, x: 3.0 if x > 0 else 0.0)
    assert on_arrows(draw(apply(op, Value(1.0)))) == ["3"]


def test_an_unknown_operation_has_no_derivative():
    assert on_arrows(draw(Value(2.0, (Value(1.0),), "?"))) == [""]


def test_names_in_formulas_are_shown_and_are_unlike_labels():
    x = Value(2.0, label="v1")
    square = (x * x) ** 3
    assert on_arrows(draw(square)) == ["3·v2² = 48", "v1 = 2", "v1 = 2"]
    assert ["*", "v2", "data 4", "grad 0"] in texts(draw(square).svg)


def test_of_a_long_name_a_formula_has_the_end():
    a, b = Value(2.0, label="layers[0].neurons[3].w[1]"), Value(3.0, label="the width of a house\nin metres")
    assert on_arrows(draw(a * b)) == ["the width of a ho… = 3", "w[1] = 2"]


# ---- gradients -------------------------------------------------------------------------------------------------------


def test_squares_show_the_size_of_a_gradient_beside_the_largest():
    a, b, c = Value(1.0, label="a"), Value(1.0, label="b"), Value(1.0, label="c")
    y = 5.0 * a + -2.1 * b + 0.0 * c
    y.backward()
    squares = {lines[0]: lines[-1] for lines in texts(draw(y).svg)}
    assert [squares[name] for name in "abc"] == ["■■■■■", "■■■□□", "□□□□□"]
    assert "■■□□□ size of grad; ■■■■■ is 5" in legend(draw(y))


def test_without_gradients_there_are_no_squares():
    assert "■" not in draw(Value(1.0) + 2.0).svg


@pytest.mark.parametrize(
    ("gradient", "shown"), [(float("inf"), "■■■■■"), (float("nan"), "□□□□□"), (1e-300, "■□□□□"), (None, "□□□□□")]
)
def test_any_gradient_can_be_shown(gradient, shown):
    a, b = Value(1.0, label="a"), Value(1.0, label="b")
    y = a + b
    y.backward()
    a.grad = gradient
    assert next(lines for lines in texts(draw(y).svg) if lines[0] == "a")[-1] == shown


# ---- kinds of nodes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("w", "parameter"), ("w1", "parameter"), ("b[2]", "parameter"), ("θ₀", "parameter"), ("weight", "parameter"),
        ("layers[0].neurons[1].b", "parameter"), ("modules[0].scale", "parameter"), ("x", "leaf"), ("who", "leaf"),
        ("", "leaf"), ("blue", "leaf"), ("3.5", "leaf"),
    ],
)  # fmt: skip
def test_a_parameter_is_known_by_its_name(label, kind):
    assert legend(draw(Value(1.0, label=label)))[1] == kind


def test_a_box_is_no_wider_for_a_label_without_end():
    svg = draw(Value(1.0, label="x" * 500 + "\nsecond line")).svg
    assert f">{'x' * 59}…<" in svg
    assert ">second line<" in svg


def test_the_parameters_can_be_said():
    x, w = Value(1.0, label="x"), Value(1.0, label="w")
    svg = draw(x * w, parameters=[x]).svg
    assert [len(list(node_with(svg, name).iter(f"{SVG}polygon"))) for name in "xw"] == [2, 0]


def test_the_legend_explains_what_is_in_the_picture():
    assert legend(draw(example())) == [
        "■■□□□ size of grad; ■■■■■ is 24", "on an arrow: ∂output/∂input", "root", "operation", "constant",
        "parameter", "leaf", "─── legend ───",
    ]  # fmt: skip
    assert legend(draw(Value(1.0))) == ["root", "leaf", "─── legend ───"]
    assert legend(draw(example(), legend=False)) == []


# ---- products and sums -----------------------------------------------------------------------------------------------


def test_a_dot_opens_into_products_and_their_sum_with_the_gradients_they_have():
    ws, xs = [Value(w, label=f"w{w}") for w in (1, 2, 3)], [Value(x, label=f"x{x}") for x in (4, 5, 6)]
    fused, spelled_out = tanh(0.01 * dot(ws, xs)), tanh(0.01 * total([w * x for w, x in zip(ws, xs)]))
    fused.backward()
    for leaf in ws + xs:
        leaf.grad = 0.0
    spelled_out.backward()
    assert sorted(texts(draw(fused).svg)) == sorted(texts(draw(spelled_out).svg))
    assert on_arrows(draw(fused)) == on_arrows(draw(spelled_out))
    assert symbols(draw(fused)).count("*") == 3 + 1
    assert [w.grad for w in ws] != [0.0] * 3


def test_the_label_of_a_fused_node_is_that_of_its_sum():
    y = dot([Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)])
    y.label = "y"
    picture = draw(y)
    assert ["+", "y", "data 11", "grad 0"] in texts(picture.svg)
    assert outline(node_with(picture.svg, "y")).get("fill") == "#fde7c8"  # it is the root


def test_a_sum_of_one_product_is_the_product():
    y = dot([Value(3.0, label="w")], [Value(4.0, label="x")])
    y.backward()
    assert symbols(draw(y)) == ["*", "w", "x"]
    assert ["*", "data 12", "grad 1", "■■□□□"] in texts(draw(y).svg)


@pytest.mark.parametrize(("n", "expand", "opened"), [
    (3, None, True), (3, False, False), (45, None, False), (45, True, True),
])  # fmt: skip
def test_small_graphs_are_opened_unasked(n, expand, opened):
    y = dot([Value(1.0) for _ in range(n)], [Value(1.0) for _ in range(n)])
    assert ("dot" in symbols(draw(y, expand=expand))) != opened


def test_opening_records_nothing_and_works_where_nothing_is_recorded():
    y = dot([Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)])
    with no_grad():
        assert symbols(draw(y)).count("*") == 2
    assert y._op == "dot"


@pytest.mark.parametrize(("gradient", "shown"), [(None, "0"), (float("nan"), "nan"), (float("-inf"), "-inf")])
def test_a_product_has_the_gradient_of_the_dot_whatever_it_is(gradient, shown):
    y = dot([Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)])
    y.grad = gradient
    grads = [line for lines in texts(draw(y).svg) for line in lines if line[:4] == "grad" and lines[0] in "*+"]
    assert grads == [f"grad {shown}"] * 3


# ---- several values, and gradients that are graphs -------------------------------------------------------------------


def test_several_values_share_their_picture_and_each_is_a_root():
    x = Value(2.0, label="x")
    a, b = x * 3.0, x + 1.0
    svg = draw([a, b]).svg
    assert len(texts(svg)) == 5
    assert [outline(node_with(svg, name)).get("stroke") for name in "*+x"] == ["#d55e00", "#d55e00", "#0072b2"]
    assert len(texts(draw(v for v in (a, a)).svg)) == 3


def test_a_gradient_graph_can_be_drawn():
    x = Value(2.0, label="x")
    y = tanh(x)
    first = grad(y, x, create_graph=True)
    second = grad(first, x, create_graph=True)
    assert symbols(draw([y, first])) == ["*", "-", "1", "tanh", "x"]
    assert len(texts(draw(second).svg)) == len(draw(second).svg.split('class="node"')) - 1 == draw(second).nodes > 5


# ---- a part of a graph -----------------------------------------------------------------------------------------------


def test_focus_shows_the_paths_from_a_parameter_to_the_root():
    loss, model = perceptron(2, 1)
    focused = draw(loss, focus=model.layers[0].neurons[1].w[0])
    shown = [lines for lines in texts(focused.svg) if lines[0] not in "tanh + * - / **2".split()]
    assert [lines[0] for lines in shown] == ["layers[0].neurons[1].w[0]"]
    assert not any("neurons[0].w" in line for lines in texts(focused.svg) for line in lines)
    assert all("not shown" in lines[-1] for lines in texts(focused.svg) if lines[0] == "+")
    whole = {tuple(lines[:1] + [x for x in lines if x[:4] in ("data", "grad")]) for lines in texts(draw(loss).svg)}
    part = {tuple(lines[:1] + [x for x in lines if x[:4] in ("data", "grad")]) for lines in texts(focused.svg)}
    assert part < whole  # the numbers are those of the whole graph


def test_formulas_still_name_what_is_not_shown():
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    focused = draw(w * x + 1.0, focus=w)
    assert on_arrows(focused) == ["1", "x = 3"]
    assert symbols(focused) == ["*", "+", "w"]


def test_focus_is_a_node_of_the_graph():
    with pytest.raises(ValueError, match=r"focus is a node of the graph .* label='z'\) is not"):
        draw(example(), focus=Value(2.0, label="z"))
    with pytest.raises(TypeError, match="focus is a Value, not str"):
        draw(example(), focus="a")


@pytest.mark.parametrize(("depth", "shown"), [
    (0, ["**2"]), (1, ["**2", "+"]), (2, ["**2", "*", "+", "10"]), (3, ["**2", "*", "+", "10", "a", "b"]), (9, 6),
])  # fmt: skip
def test_depth_limits_the_arrows_to_the_root(depth, shown):
    found = symbols(draw(example(), depth=depth))
    assert found == sorted(shown) if isinstance(shown, list) else len(found) == shown


def test_a_node_whose_number_is_zero_is_a_node_like_others():
    x = Value(0.0, label="x")
    y = (x * 1.0) * 1.0 + 1.0
    assert draw(y, depth=3).nodes == draw(y).nodes == 7
    assert "x" in symbols(draw(y, max_nodes=1))


def test_what_depth_leaves_out_is_counted():
    assert texts(draw(example(), depth=1).svg)[0][-1] == "2 inputs not shown"
    assert texts(draw(example(), depth=0).svg)[0][-1] == "1 input not shown"


def test_depth_is_quick_where_paths_are_many():
    v = Value(1.0)
    for _ in range(100):
        v = v + v
    assert draw(v, depth=99).nodes == 100


@pytest.mark.parametrize("depth", [-1, 1.5, "2"])
def test_depth_is_a_number_of_arrows(depth):
    with pytest.raises(ValueError, match="an int of 0 or more"):
        draw(example(), depth=depth)


# ---- large graphs ----------------------------------------------------------------------------------------------------


def test_up_to_200_nodes_are_shown_one_by_one():
    assert len(texts(draw(chain(200)).svg)) == 200
    assert repr(draw(chain(201))) == "Drawing of 201 nodes, in groups"
    assert len(texts(draw(chain(201), max_nodes=201).svg)) == 201


def test_a_model_collapses_by_neurons():
    loss, model = perceptron(3, 3, 1, samples=20)
    picture = draw(loss)
    found = {lines[0]: lines for lines in texts(picture.svg)}
    neurons = {f"layers[{i}].neurons[{j}]" for i, layer in enumerate(model.layers) for j in range(len(layer.neurons))}
    assert neurons <= found.keys()
    assert found["layers[1].neurons[2]"][1:5] == ["4 parameters", "20 × tanh", "20 × +", "20 × dot"]
    largest = max(abs(p.grad) for p in model.layers[1].neurons[2].parameters())
    assert f"|grad| up to {largest:.6g}" in found["layers[1].neurons[2]"]
    assert picture.caption.endswith("nodes, in groups by neurons")
    assert picture.caption in picture.svg


def test_a_large_model_collapses_by_layers():
    picture = draw(perceptron(16, 16, 1, samples=20)[0])
    assert [name for name in symbols(picture) if name.startswith("layers")] == ["layers[0]", "layers[1]", "layers[2]"]
    assert picture.caption == "2,380 nodes, in groups by layers"
    assert "group" in legend(picture)


def test_the_arrows_between_layers_follow_the_data():
    svg = draw(perceptron(16, 16, 1, samples=20)[0]).svg
    title = {name: node_with(svg, name).find(f"{SVG}title").text for name in ("layers[0]", "layers[1]", "layers[2]")}
    assert arrows(svg)[title["layers[0]"], title["layers[1]"]] == [""]
    assert arrows(svg)[title["layers[1]"], title["layers[2]"]] == [""]
    assert (title["layers[1]"], title["layers[0]"]) not in arrows(svg)


def test_what_lies_close_to_the_root_is_not_collapsed():
    picture = draw(perceptron(4, 1, samples=50)[0])
    assert {"/", "50"} <= set(symbols(picture))
    assert "1 / 50 = 0.02" in on_arrows(picture)


def test_many_leaves_of_one_name_are_one_box():
    xs = [Value(float(i), label=f"x[{i}]") for i in range(300)]
    ws = [Value(1.0, label=f"w{i}") for i in range(300)]
    groups = [lines for lines in texts(draw(dot(xs, ws)).svg) if "300" in " ".join(lines)]
    assert sorted(groups) == [["w", "300 parameters"], ["x", "300 leaves"]]


def test_focus_stays_visible_in_a_large_graph():
    loss, model = perceptron(16, 16, 1, samples=20)
    picture = draw(loss, focus=model.layers[0].neurons[3].w[1])
    found = symbols(picture)
    assert "layers[0].neurons[3].w[1]" in found
    assert "layers[0].neurons[3]" in found
    assert "layers[0].neurons[2]" not in found
    assert sum(name.startswith("layers[1]") for name in found) == 16


def test_a_module_used_again_and_again_is_one_box():
    layer = nn.Layer(3, 3, activation="tanh", rng=random.Random(0))
    state = [Value(0.1, label=f"h{i}") for i in range(3)]
    for _ in range(200):
        state = layer(state)
    found = symbols(draw(state))
    assert [name for name in found if name.startswith("neurons")] == ["neurons[0]", "neurons[1]", "neurons[2]"]


def test_a_path_of_many_names_is_no_burden():
    start = time.perf_counter()
    picture = draw(total([Value(1.0, label="a." * 5000 + f"[{i}]") * 2.0 for i in range(300)]))
    assert picture.caption == "901 nodes, in groups by modules"
    assert time.perf_counter() - start < 5


def test_modules_of_different_names_are_modules():
    model = nn.Sequential(nn.Layer(2, 2, rng=random.Random(0)), nn.Linear(2, rng=random.Random(0)))
    assert draw(total([model([1.0, float(i)]) for i in range(20)])).caption.endswith("in groups by neurons")

    class Two(nn.Module):
        def __init__(self):
            self.encoder = nn.Neuron(1, rng=random.Random(0))
            self.decoder = nn.Neuron(1, rng=random.Random(0))

        def __call__(self, x):
            return self.decoder(self.encoder(x))

    two = Two()
    picture = draw(total([two(float(i)) for i in range(40)]))
    assert picture.caption.endswith("in groups by modules")
    assert {"encoder", "decoder"} <= set(symbols(picture))


def unlabelled(n):
    """A sum over n leaves, as in a program that gives no names."""
    return total([Value(1.0) * Value(2.0) + 3.0 for _ in range(n)])


@pytest.mark.parametrize("make", sample([lambda: chain(100_000), lambda: unlabelled(20_000)], 1))
def test_a_hundred_thousand_nodes_take_seconds(make):
    root = make()
    start = time.perf_counter()
    svg = draw(root).svg
    assert time.perf_counter() - start < 10
    assert len(parts(svg, "node")) <= MAX_GROUP_BOXES
    assert len(parts(svg, "edge")) <= MAX_GROUP_ARROWS
    assert "100,00" in svg


def test_a_notebook_shows_a_large_graph_in_groups(monkeypatch):
    assert "300 nodes, in groups" in draw_for_notebook(chain(300))
    monkeypatch.setattr(graph, "MAX_NOTEBOOK_NODES", 299)
    assert draw_for_notebook(chain(300)) is None


# ---- hostile labels, in every place and format -----------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.names = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}


@pytest.mark.parametrize("label", HOSTILE)
def test_a_label_on_an_arrow_and_on_a_group_means_only_itself(label):
    x, y = Value(2.0, label=label), Value(3.0, label="y")
    small = draw(x * y)
    large = draw(total([Value(1.0, label=f"{label}.w[{i}]") * y for i in range(200)]))
    for svg in (small.svg, large.svg):
        assert {e.tag for e in ElementTree.fromstring(svg).iter()} <= {
            SVG + tag for tag in ("svg", "g", "title", "polygon", "polyline", "path", "ellipse", "text")
        }
    assert (len(parts(small.svg, "node")), len(parts(small.svg, "edge"))) == (3, 2)
    name = " ".join(label.split()).split(".")[-1]
    assert on_arrows(small)[1 if name > "y" else 0].replace("\xa0", " ") in (
        f"{name if len(name) <= 18 else name[:17] + '…'} = 2",
        "y = 3",
    )
    assert any(line.startswith(label.split(".")[0]) for lines in texts(large.svg) for line in lines)


@pytest.mark.parametrize("label", HOSTILE)
def test_a_page_runs_nothing_and_asks_for_nothing(tmp_path, label):
    draw(Value(1.0, label=label) * 2.0).save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags <= set("html meta title style svg g polygon polyline path ellipse text".split())
    assert not [name for name in page.names if name.startswith("on") or name in ("href", "src", "xlink:href")]
    assert "default-src 'none'" in text


def test_a_page_can_be_zoomed(tmp_path):
    """A picture that is never wider than the window would become no larger, as zoom makes the window narrower."""
    draw(Value(1.0)).save(tmp_path / "page.html")
    assert "svg { max-width: max(100%, 1200px); height: auto }" in (tmp_path / "page.html").read_text(encoding="utf-8")


# ---- PDF -------------------------------------------------------------------------------------------------------------


def test_a_pdf_is_one_page_of_the_size_of_the_picture():
    svg = draw(example()).svg
    width, height = re.match(r'<svg width="(\d+)pt"\s+height="(\d+)pt"', svg).groups()
    content = _render.to_pdf(svg)
    assert f"/MediaBox [0 0 {width}.00 {height}.00]".encode() in content
    assert content.count(b"/Type /Page\n") == 1
    assert b"/FontFile2" in content  # its text is text
    assert b"/Subtype /Image" not in content


def test_a_pdf_with_letters_beyond_the_font_is_in_pixels(capfd):
    assert b"/Subtype /Image" in _render.to_pdf(draw(Value(1.0, label="重み")).svg)
    assert capfd.readouterr() == ("", "")


def test_only_a_picture_of_a_size_becomes_a_pdf():
    with pytest.raises(ValueError, match="no SVG of a size in points"):
        _render.to_pdf("<svg/>")
