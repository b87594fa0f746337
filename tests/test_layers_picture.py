"""The pictures of a network's layers and of one neuron: what is in them, how large they are, and hostile names."""

import random
import re
from xml.etree import ElementTree

import pytest
from pictures import HOSTILE, SVG, parts

from tinygrad_edu import functional, nn
from tinygrad_edu._display import format_numbers
from tinygrad_edu.engine import Value
from tinygrad_edu.viz.layers import draw_layers
from tinygrad_edu.viz.neuron import draw_neuron


def texts(svg):
    return [t.text.strip("\xa0") for t in ElementTree.fromstring(svg).iter(f"{SVG}text") if t.text]


def size(svg):
    """Width and height in pixels of a browser, 96 to the inch."""
    return [float(x) * 96 / 72 for x in re.match(r'<svg width="([\d.]+)pt"\s+height="([\d.]+)pt"', svg).groups()]


def lines(svg):
    """The weight lines by their two ends: width, colour, and whether it is dashed."""
    found = {}
    for g in parts(svg, "edge"):
        ends = g.find(f"{SVG}title").text.replace(":e", "").replace(":w", "")
        path = next(g.iter(f"{SVG}path"))
        look = float(path.get("stroke-width", 1)), path.get("stroke").lower(), "stroke-dasharray" in path.attrib
        found[ends] = look
    return {ends: look for ends, look in found.items() if not ends.startswith("legend")}


def small():
    model = nn.MLP(2, [2, 1], activation="tanh", rng=random.Random(0))
    for p, x in zip(model.parameters(), [1.0, -2.0, 0.25, 0.5, 0.0, 0.125, 4.0, -1.0, 0.75]):
        p.data = x
    return model


# ---- layers ----------------------------------------------------------------------------------------------------------
def test_each_weight_is_a_line_and_its_look_is_its_size_and_sign():
    svg = draw_layers(small()).svg
    found = lines(svg)
    # weights of neuron 0: 1, −2; of neuron 1: 0.5, 0; of the output: 4, −1
    weights = {("0_0", "1_0"): 1.0, ("0_1", "1_0"): -2.0, ("0_0", "1_1"): 0.5, ("0_1", "1_1"): 0.0}
    weights |= {("1_0", "2_0"): 4.0, ("1_1", "2_0"): -1.0}
    assert len(found) == len(weights)
    for (start, end), w in weights.items():
        width, colour, dashed = found[f"n{start}->n{end}"]
        assert width == pytest.approx(0.4 + 2.4 * abs(w) / 4.0)
        assert (colour, dashed) == (("#d55e00", True) if w < 0 else ("#0072b2", False))
    assert {"1", "-2", "0.5", "0", "4", "-1"} <= {*texts(svg)}
    assert {"b 0.25", "b 0.125", "b 0.75"} <= {*texts(svg)}
    assert "the thickest is ±4" in texts(svg)


def test_names_and_the_numbers_at_a_sample():
    model = small()
    drawing = draw_layers(model, ["width", "height"], ["mass"], sample=[0.5, Value(-1.0)])
    shown = texts(drawing.svg)
    hidden = [v.data for v in model.layers[0]([0.5, -1.0])]
    assert {"width = 0.5", "height = -1", *[f"{x:.3g}" for x in hidden]} <= {*shown}
    assert f"mass = {model([0.5, -1.0]).data:.3g}" in shown
    assert {"a network 2-2-1", "2 × tanh", "1 × linear", "inputs", "layer 1", "output"} <= {*shown}
    assert repr(drawing) == "Drawing of a network 2-2-1"


def test_a_wide_layer_shows_its_first_neurons_and_the_last_one():
    drawing = draw_layers(nn.MLP(60, [30, 3], init="xavier", rng=random.Random(0)))
    shown = texts(drawing.svg)
    assert {"x[0]", "x[5]", "53 more", "x[59]", "23 more"} <= {*shown}
    assert "x[6]" not in shown
    assert len(lines(drawing.svg)) == 7 * 7 + 7 * 3
    width, height = size(drawing.svg)
    assert width < 900
    assert height < 600


@pytest.mark.parametrize(
    ("model", "caption", "words"),
    [
        (nn.Neuron(3), "a network 3-1", ["1 × relu"]),
        (nn.Linear(1), "a network 1-1", ["x", "ŷ", "1 × linear"]),
        (nn.Layer(2, 4, activation=Value.sigmoid), "a network 2-4", ["4 × sigmoid"]),
        (
            nn.Sequential(nn.Linear(3, 2), functional.tanh, nn.MLP(2, [2, 2]), functional.softmax),
            "a network 3-2-2-2",
            ["2 × linear, tanh", "2 × relu", "2 × linear, softmax"],
        ),
        (nn.Sequential(functional.tanh, nn.Linear(2, 1)), "a network 2-1", ["2 × tanh", "1 × linear"]),
        (nn.MLP(2, [3], output="tanh", bias=False), "a network 2-3", ["3 × tanh"]),
    ],
)
def test_models_made_of_layers_are_drawn(model, caption, words):
    drawing = draw_layers(model)
    assert drawing.caption == caption
    assert {*words} <= {*texts(drawing.svg)}


def test_functions_between_layers_count_in_the_numbers_of_a_sample():
    model = nn.Sequential(nn.Linear(2, 2), functional.tanh, nn.Linear(2, 2), functional.softmax)
    shown = texts(draw_layers(model, sample=[0.5, 2.0]).svg)
    answer = model([0.5, 2.0])
    assert {f"ŷ[0] = {answer[0].data:.3g}", f"ŷ[1] = {answer[1].data:.3g}"} <= {*shown}


class Own(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(2)]

    def forward(self, x):
        return self.layers[0](x)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: draw_layers(Own()), TypeError, r"not of Own.*draw\(model\(x\)\) draws any model"),
        (lambda: draw_layers(lambda x: x), TypeError, "layers are drawn of an MLP"),
        (lambda: draw_layers(nn.Sequential(nn.Linear(2), Own())), TypeError, "not of Own"),
        (lambda: draw_layers(nn.Sequential(functional.tanh)), TypeError, "there is no layer"),
        (lambda: draw_layers(nn.Linear(2), ["a"]), ValueError, "has 2 inputs, and there are 1 names of inputs"),
        (lambda: draw_layers(nn.Linear(2), None, ["a", "b"]), ValueError, "1 outputs, and there are 2 names"),
        (lambda: draw_layers(nn.Linear(2), sample=[1.0]), ValueError, "takes 2 inputs a sample, not 1"),
        (lambda: draw_layers(nn.Sequential(nn.Linear(2, 3), nn.Linear(2))), ValueError, "takes 2 inputs, .* 3 outputs"),
        (
            lambda: draw_layers(nn.Sequential(nn.Linear(2, 3), sum, nn.Linear(3)), sample=[1.0, 2.0]),
            ValueError,
            "makes 1 numbers of 3",
        ),
    ],
)
def test_what_has_no_layers_to_draw_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_weights_that_are_not_finite_are_drawn():
    model = nn.Linear(2, init="zeros")
    model.neurons[0].w[0].data = float("nan")
    assert "nan" in texts(draw_layers(model).svg)


# ---- a neuron --------------------------------------------------------------------------------------------------------
def test_a_neuron_is_a_row_for_each_input_the_sum_and_the_output():
    neuron = nn.Neuron(2, activation="tanh", init="zeros")
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 0.5, -2.0, 0.25
    shown = texts(draw_neuron(neuron, [3.0, Value(-1.0)], ["age", "height"]).svg)
    assert "∂L/∂w" not in shown  # nothing has gone backward
    neuron([3.0, -1.0]).backward()
    svg = draw_neuron(neuron, [3.0, -1.0], ["age", "height"]).svg
    shown = texts(svg)
    for words in ("height", "-1", "-2.0", "2.0", "age", "3", "0.5", "1.5", "bias b", "0.25", "∂L/∂w"):
        assert words in shown
    assert shown.index("height") < shown.index("age")  # the largest product first
    assert shown.index("██████") < shown.index("████▌")  # bars, as long as the products are large: 2 and 1.5
    assert "= 3.75" in shown
    assert "a neuron of 2 inputs: tanh(w·x + b) = 0.9989" in shown
    assert {*format_numbers([w.grad for w in neuron.w], 3)} <= {*shown}


def test_a_neuron_of_a_model_has_its_name():
    model = nn.MLP(3, [2, 1], bias=False, activation=Value.relu)
    drawing = draw_neuron(model.layers[0].neurons[1], [1.0, 2.0, 3.0])
    assert any(text.startswith("layers[0].neurons[1] of 3 inputs: ") for text in texts(drawing.svg))
    assert {"x[0]", "x[1]", "x[2]"} <= {*texts(drawing.svg)}
    assert repr(drawing) == "Drawing of a neuron of 3 inputs"


def test_the_picture_of_a_wide_neuron_is_one_screen():
    rng = random.Random(0)
    model = nn.MLP(200, [16, 1], activation="tanh", rng=rng)
    neuron, xs = model.layers[0].neurons[3], [rng.gauss(0, 1) for _ in range(200)]
    (model(xs) ** 2).backward()
    svg = draw_neuron(neuron, xs, [f"a long name of an input, number {i}" for i in range(200)]).svg
    width, height = size(svg)
    assert width < 900
    assert height < 600
    shown = texts(svg)
    products = sorted((w.data * x for w, x in zip(neuron.w, xs)), key=abs)
    assert "188 more, smaller" in shown
    assert f"{sum(products[:188]):.4g}" in shown
    z = sum(products) + neuron.b.data
    assert f"= {z:.4g}" in shown


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: draw_neuron(nn.Linear(2), [1.0, 2.0]), TypeError, "a neuron is drawn"),
        (lambda: draw_neuron(nn.Neuron(2), [1.0]), ValueError, "has 2 inputs, and there are 1 inputs"),
        (lambda: draw_neuron(nn.Neuron(2), [1.0, 2.0], ["a"]), ValueError, "there are 1 names"),
        (lambda: draw_neuron(nn.Neuron(1), ["a"]), TypeError, "not str 'a'"),
    ],
)
def test_what_is_no_neuron_at_a_sample_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- both ------------------------------------------------------------------------------------------------------------
def test_a_hostile_name_is_only_a_name():
    n = len(HOSTILE)
    layer = nn.Linear(n, rng=random.Random(0))
    drawing = draw_neuron(layer.neurons[0], [1.0] * n, HOSTILE)
    for name in HOSTILE:
        assert any(name[:20] in text for text in texts(drawing.svg))
    for name in HOSTILE:
        assert any(name[:20] in text for text in texts(draw_layers(nn.Linear(1), [name], [name]).svg))


def test_pictures_are_saved_in_every_format(tmp_path):
    for drawing in (draw_layers(small()), draw_neuron(nn.Neuron(2), [1.0, 2.0])):
        for suffix in (".svg", ".png", ".pdf", ".html", ".dot"):
            drawing.save(tmp_path / f"picture{suffix}")
            assert (tmp_path / f"picture{suffix}").stat().st_size > 300


def test_a_model_is_as_it_was_after_it_was_drawn():
    model = small()
    model([1.0, 2.0]).backward()
    before = [(p.data, p.grad) for p in model.parameters()]
    draw_layers(model, sample=[1.0, 2.0])
    draw_neuron(model.layers[0].neurons[0], [1.0, 2.0])
    assert [(p.data, p.grad) for p in model.parameters()] == before
