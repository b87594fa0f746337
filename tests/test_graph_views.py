"""What `draw` shows beside the nodes: derivatives, products and sums, a part of a graph, groups of a large one."""

import random
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from pictures import HOSTILE, SVG, arrows, chain, example, node_with, outline, parts, texts
from profiles import sample

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.engine import Value, apply
from tinygrad_edu.functional import dot, sqrt, tanh, total
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import topological_order
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
    """The words below the picture."""
    (whole,) = parts(picture.svg, "graph")
    return [words for t in whole.findall(f"{SVG}text") for words in t.text.split(" · ")]


def widths(picture):
    """How thick the arrows are, in points, by the first lines in the boxes that they connect."""
    name = {g.find(f"{SVG}title").text: lines[0] for g, lines in zip(parts(picture.svg, "node"), texts(picture.svg))}
    return {
        tuple(name[end] for end in g.find(f"{SVG}title").text.split("->")): float(
            next(g.iter(f"{SVG}path")).get("stroke-width", 1)
        )
        for g in parts(picture.svg, "edge")
    }


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
    assert on_arrows(draw(y)) == ["1 − v1² = 0.7864"]
    y.label = "y"
    assert on_arrows(draw(y)) == ["1 − y² = 0.7864"]


def test_the_formula_is_that_of_the_rule():
    op = Op("twice", "twice", lambda m, x: x * 2.0, lambda m, y, x: m.cosh(y) * 7.0)
    assert on_arrows(draw(apply(op, Value(0.0, label="x")), derivatives="formula")) == ["cosh(v1)·7"]


@pytest.mark.parametrize("name", sorted(OPS.keys() - {"leaf", "constant"}))
def test_every_operation_has_the_derivatives_of_the_rule_table(name):
    arity = len(OPS[name].partials) or 2
    numbers = [1.5] if name == "acosh" else [0.5, 0.25, 0.75][:arity]
    xs = [Value(x, label=f"x{i}") for i, x in enumerate(numbers)]
    y = apply(OPS[name], *xs)
    slopes = pytest.approx(sorted(grad(y, xs)), abs=5e-5)
    assert sorted(map(float, on_arrows(draw(y, derivatives="number", expand=False)))) == slopes
    assert sorted(float(text.split("= ")[-1]) for text in on_arrows(draw(y, expand=False))) == slopes


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
    assert ("arrow: ∂output/∂input" in legend(picture)) == bool(wish)


def test_a_long_formula_gives_way_to_its_number_and_is_cut_where_it_was_asked_for():
    y = Value(1.0, label="x").gelu()
    assert on_arrows(draw(y)) == ["1.0833"]
    (text,) = on_arrows(draw(y, derivatives="formula"))
    assert re.fullmatch(r"0\.5·erfc\(.{14}…", text)


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
    assert ["*", "v2 = 4", "grad 0"] in texts(draw(square).svg)


def test_of_a_long_name_a_formula_has_the_end():
    a, b = Value(2.0, label="layers[0].neurons[3].w[1]"), Value(3.0, label="the width of a house\nin metres")
    assert on_arrows(draw(a * b)) == ["the width of a ho… = 3", "w[1] = 2"]
    shown = texts(draw(a * b).svg)
    assert ["layers[0].neurons[3].", "w[1] = 2", "grad 0"] in shown  # in a box it has a line of its own
    assert ["the width of a house", "in metres = 3", "grad 0"] in shown
    assert texts(draw(Value(1.0, label="learning rate 0.5")).svg) == [["learning rate 0.5", "= 1", "grad 0"]]
    assert ["a very long name of one", "= 1", "grad 0"] in texts(draw(Value(1.0, label="a very long name of one")).svg)


# ---- gradients -------------------------------------------------------------------------------------------------------


def test_an_arrow_is_as_thick_as_the_gradient_that_flows_back_along_it_is_large():
    a, b, c = Value(1.0, label="a"), Value(2.0, label="b"), Value(1.0, label="c")
    y = (5.0 * a + -2.5 * b + 0.0 * c) * 3.0
    y.backward()
    found = widths(draw(y))
    assert found["a = 1", "*"] == pytest.approx(2.2)  # ∂y/∂a = 15 is the largest
    assert found["b = 2", "*"] == pytest.approx(0.6 + 1.6 * 7.5 / 15)
    assert found["c = 1", "*"] == pytest.approx(0.6)
    assert "thicker: more gradient flows back" in legend(draw(y))


def test_each_arrow_of_a_node_that_is_used_twice_has_its_own_part_of_the_gradient():
    a = Value(3.0, label="a")
    y = a * a + a
    y.backward()
    found = widths(draw(y))
    assert found["a = 3", "*"] == pytest.approx(2.2)  # 3 of 7
    assert found["a = 3", "+"] == pytest.approx(0.6 + 1.6 / 3, abs=0.01)  # 1 of 7


def test_no_gradient_flows_back_to_a_constant():
    y = Value(1.0, label="a") * 5.0
    y.backward()
    assert widths(draw(y)) == {("a = 1", "*"): 2.2, ("5", "*"): 0.6}


def test_without_gradients_all_arrows_are_thin():
    picture = draw(Value(1.0, label="a") + 2.0)
    assert {*widths(picture).values()} == {0.6}
    assert legend(picture) == ["arrow: ∂output/∂input"]


@pytest.mark.parametrize(
    ("gradient", "shown", "thick"),
    [(float("inf"), "inf", 2.2), (float("nan"), "nan", 0.6), (1e-300, "1e-300", 0.6), (None, "0", 0.6)],
)
def test_any_gradient_can_be_shown(gradient, shown, thick):
    a, b = Value(1.0, label="a"), Value(1.0, label="b")
    y = (a + b) * 2.0
    y.backward()
    y._prev[0].grad = gradient
    assert ["+", "v1 = 2", f"grad {shown}"] in texts(draw(y).svg)
    assert widths(draw(y))["a = 1", "+"] == pytest.approx(thick)


# ---- kinds of nodes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["w", "b", "θ₀", "weight", "layers[0].neurons[1].b", "x"])
def test_no_label_makes_a_parameter(label):
    p = Value(1.0, label=label)
    y = p * 2.0
    assert "double frame: parameter" not in legend(draw(y))
    assert "double frame: parameter" in legend(draw(y, parameters=[p]))
    assert "double frame: parameter" not in legend(draw(y, parameters=[Value(1.0, label=label)]))


@pytest.mark.parametrize("name", ["model", "optimizer", "values"])
def test_parameters_are_those_of_a_model_or_an_optimizer_or_those_named(name):
    model = nn.MLP(1, [1, 1], rng=random.Random(0))
    x = Value(1.0, label="weight")
    known = {"model": model, "optimizer": optim.SGD(model.parameters(), lr=0.1), "values": model.parameters()}[name]
    svg = draw(model([x]), parameters=known).svg
    framed = [lines for g, lines in zip(parts(svg, "node"), texts(svg)) if len([*g.iter(f"{SVG}polygon")]) == 2]
    assert len(framed) == len(model.parameters()) == 4
    assert not any("weight" in lines[0] for lines in framed)


def test_a_box_is_no_wider_for_a_label_without_end():
    svg = draw(Value(1.0, label="x" * 500 + "\nsecond line")).svg
    assert f">{'x' * 39}…<" in svg
    assert ">second line = 1<" in svg


def test_the_parameters_can_be_said():
    x, w = Value(1.0, label="x"), Value(1.0, label="w")
    svg = draw(x * w, parameters=[x]).svg
    assert [len(list(node_with(svg, name).iter(f"{SVG}polygon"))) for name in ("x = 1", "w = 1")] == [2, 0]


def test_the_legend_says_in_a_line_what_cannot_be_seen():
    y = (example() + 1.0).tanh().tanh()
    words = ["arrow: ∂output/∂input", "thicker: more gradient flows back", "double frame: parameter"]
    assert legend(draw(y, parameters=[y])) == words[:2]
    (whole,) = parts(draw(y).svg, "graph")
    assert len(whole.findall(f"{SVG}text")) == 1
    a = next(v for v in topological_order(y) if v.label == "a")
    assert legend(draw(y, parameters=[a])) == words
    assert legend(draw(Value(1.0))) == legend(draw(y, legend=False)) == []


def test_the_legend_makes_a_small_picture_no_wider():
    width = [float(re.match(r'<svg width="(\d+)pt"', draw(example(), depth=1, legend=x).svg)[1]) for x in (True, False)]
    assert width[0] < 1.4 * width[1]


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
    assert ["+", "y = 11", "grad 0"] in texts(picture.svg)
    assert outline(node_with(picture.svg, "y = 11")).get("fill") == "#fbe6cc"  # it is the root


def test_a_sum_of_one_product_is_the_product():
    y = dot([Value(3.0, label="w")], [Value(4.0, label="x")])
    y.backward()
    assert symbols(draw(y)) == ["*", "w = 3", "x = 4"]
    assert ["*", "12", "grad 1"] in texts(draw(y).svg)


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
    looks = [outline(node_with(svg, name)).get("stroke") for name in ("*", "+", "x = 2")]
    assert looks == ["#db6a12", "#db6a12", "#3d8fc4"]
    assert len(texts(draw(v for v in (a, a)).svg)) == 3


def test_a_gradient_graph_can_be_drawn():
    x = Value(2.0, label="x")
    y = tanh(x)
    first = grad(y, x, create_graph=True)
    second = grad(first, x, create_graph=True)
    assert symbols(draw([y, first])) == ["*", "-", "1", "tanh", "x = 2"]
    assert len(texts(draw(second).svg)) == len(draw(second).svg.split('class="node"')) - 1 == draw(second).nodes > 5


# ---- a part of a graph -----------------------------------------------------------------------------------------------


def test_focus_shows_the_paths_from_a_parameter_to_the_root():
    loss, model = perceptron(2, 1)
    focused = draw(loss, focus=model.layers[0].neurons[1].w[0])
    shown = [lines for lines in texts(focused.svg) if lines[0] not in "tanh + * - / **2".split()]
    assert [lines[0] for lines in shown] == ["layers[0].neurons[1]."]
    assert not any("neurons[0]" in line for lines in texts(focused.svg) for line in lines)
    assert all("not shown" in lines[-1] for lines in texts(focused.svg) if lines[0] == "+")

    def numbers(picture):
        """Of each box: what does not change when names in formulas are others, or inputs are not shown."""
        found = [[x.split("= ")[-1] for x in lines if "not shown" not in x] for lines in texts(picture.svg)]
        return {tuple(lines) for lines in found}

    assert numbers(focused) < numbers(draw(loss))  # the numbers are those of the whole graph


def test_formulas_still_name_what_is_not_shown():
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    focused = draw(w * x + 1.0, focus=w)
    assert on_arrows(focused) == ["1", "x = 3"]
    assert symbols(focused) == ["*", "+", "w = 2"]


def test_focus_is_a_node_of_the_graph():
    with pytest.raises(ValueError, match=r"focus is a node of the graph .* label='z'\) is not"):
        draw(example(), focus=Value(2.0, label="z"))
    with pytest.raises(TypeError, match="focus is a Value, not str"):
        draw(example(), focus="a")


@pytest.mark.parametrize(("depth", "shown"), [
    (0, ["**2"]), (1, ["**2", "+"]), (2, ["**2", "*", "+", "10"]),
    (3, ["**2", "*", "+", "10", "a = 2", "b = -3"]), (9, 6),
])  # fmt: skip
def test_depth_limits_the_arrows_to_the_root(depth, shown):
    found = symbols(draw(example(), depth=depth))
    assert found == sorted(shown) if isinstance(shown, list) else len(found) == shown


def test_a_node_whose_number_is_zero_is_a_node_like_others():
    x = Value(0.0, label="x")
    y = (x * 1.0) * 1.0 + 1.0
    assert draw(y, depth=3).nodes == draw(y).nodes == 7
    assert "x = 0" in symbols(draw(y, max_nodes=1))


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
    assert found["layers[1].neurons[2]"][1:5] == ["4 leaves", "20 × tanh", "20 × +", "20 × dot"]
    largest = max(abs(p.grad) for p in model.layers[1].neurons[2].parameters())
    assert f"|grad| up to {largest:.4f}".rstrip("0") in found["layers[1].neurons[2]"]
    assert picture.caption.endswith("nodes, in groups by neurons")
    assert picture.caption in picture.svg


def test_a_large_model_collapses_by_layers():
    picture = draw(perceptron(16, 16, 1, samples=20)[0])
    assert [name for name in symbols(picture) if name.startswith("layers")] == ["layers[0]", "layers[1]", "layers[2]"]
    assert picture.caption == "2,380 nodes, in groups by layers"
    assert legend(picture)[0] == picture.caption


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
    with_parameters = texts(draw(dot(xs, ws), parameters=ws).svg)
    assert ["w", "300 parameters"] in with_parameters
    assert sorted(groups) == [["w", "300 leaves"], ["x", "300 leaves"]]


def test_focus_stays_visible_in_a_large_graph():
    loss, model = perceptron(16, 16, 1, samples=20)
    picture = draw(loss, focus=model.layers[0].neurons[3].w[1])
    found = symbols(picture)
    assert "layers[0].neurons[3]." in found  # the box of w[1], and that of the neuron
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
    assert "300 nodes, in groups" in draw_for_notebook(chain(300))[0]["image/svg+xml"]
    monkeypatch.setattr(graph, "MAX_NOTEBOOK_NODES", 299)
    assert draw_for_notebook(chain(300)) == ({}, {})


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
    """A large picture that is never wider than the window would become no larger: zoom makes the window narrower."""
    for root, limit in (example(), "100%"), (chain(40), "max(100%, 1200px)"):
        draw(root).save(tmp_path / "page.html")
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert f"svg {{ max-width: {limit} !important; height: auto }}" in text


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
