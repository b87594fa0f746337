"""Animations: what their frames show, and the GIF and the player that they are saved as."""

import base64
import csv
import html
import io
import json
import random
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygrad_edu import nn, optim
from tinygrad_edu.engine import Value
from tinygrad_edu.functional import total
from tinygrad_edu.train import DivergenceError, fit
from tinygrad_edu.viz import flow
from tinygrad_edu.viz._player import Animation, Frame, make_animation
from tinygrad_edu.viz.animations import animate_boundary, animate_descent, animate_fit, animate_graph, animate_line

HOSTILE = "</script><script>alert(1)</script>\"'&{{frames}}\x00重み"


def picture(frame):
    return np.asarray(Image.open(io.BytesIO(frame.png)).convert("RGB")).astype(int)


def painted(colour, size=(30, 20), words=""):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return Frame(file.getvalue(), words)


def animation(words="", title="t"):
    return Animation([painted("red", words=words), painted("green"), painted("blue")], seconds=0.1, title=title)


def has_colour(pixels, colour, tolerance=12):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((abs(pixels - wanted).max(axis=-1) <= tolerance).any())


# ---- Animation: GIF, page, notebook ----------------------------------------------------------------------------------


def test_a_gif_has_all_frames_and_stays_at_its_end(tmp_path):
    animation().save(tmp_path / "a.gif")
    gif = Image.open(io.BytesIO((tmp_path / "a.gif").read_bytes()))
    seen = []
    for k in range(gif.n_frames):
        gif.seek(k)
        seen.append((gif.convert("RGB").getpixel((3, 3)), gif.info["duration"]))
    assert seen == [((255, 0, 0), 100), ((0, 128, 0), 100), ((0, 0, 255), 2000)]
    assert gif.info["loop"] == 0


def moving(png):
    """The frames of an animated PNG, each with how long it is shown."""
    picture = Image.open(io.BytesIO(png))
    frames = []
    for k in range(picture.n_frames):
        picture.seek(k)
        frames.append((picture.convert("RGB").tobytes(), picture.info["duration"]))
    return frames


def test_a_png_has_all_frames_and_stays_at_its_end(tmp_path):
    animation().save(tmp_path / "a.png")
    colours = [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    wanted = [Image.new("RGB", (30, 20), colour).tobytes() for colour in colours]
    content = (tmp_path / "a.png").read_bytes()
    assert moving(content) == list(zip(wanted, [100, 100, 2000]))
    assert Image.open(io.BytesIO(content)).info["loop"] == 0


def test_the_frames_of_a_png_are_those_of_the_animation_to_the_last_pixel():
    """It stores what changes, also where it changes to the colour that stands for what does not: black."""
    rng, colours = random.Random(0), [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 90)]
    pictures = []
    for k in range(8):
        pictures.append((str(k), Image.new("RGB", (6, 5))))
        pictures[-1][1].putdata([rng.choice(colours) for _ in range(30)])
    palette = Image.new("RGB", (4, 1))
    palette.putdata(colours)
    made = make_animation(pictures, 8, colours_of=palette, seconds=0.1, progress=False, title="t")
    assert [frame for frame, _ in moving(made.png())] == [painted.tobytes() for _, painted in pictures]


def test_frames_that_share_no_palette_make_a_png_too():
    """Also those that one sees through: nothing of the frame before stays."""
    half = io.BytesIO()
    Image.new("RGBA", (30, 20), (0, 0, 255, 0)).save(half, "PNG")
    made = Animation([painted("red"), Frame(half.getvalue())])
    picture = Image.open(io.BytesIO(made.png()))
    picture.seek(1)
    assert picture.convert("RGBA").getpixel((3, 3)) == (0, 0, 255, 0)


def test_a_notebook_keeps_a_picture_of_an_animation_that_moves():
    assert moving(animation()._repr_png_()) == moving(animation().png())


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.scripts = [], [], [], 0
        self.title, self.policy = "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.links += [attributes[name] for name in ("src", "href", "srcset", "action") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_data(self, data):
        self.title += data if self.tags[-1:] == ["title"] else ""


def frames_of(page):
    return json.loads(re.search(r"const frames = (\[.*\]);", page)[1])


def test_a_page_holds_its_frames_and_asks_for_nothing(tmp_path):
    made = animation(words="the first")
    made.save(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    page = Page(text)
    assert [base64.b64decode(png) for png, _ in frames_of(text)] == [frame.png for frame in made.frames]
    assert [words for _, words in frames_of(text)] == ["the first", "", ""]
    assert "const milliseconds = 100;" in text
    assert page.links == []
    assert page.policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|\{\{", text)


def test_every_control_that_the_script_uses_is_there():
    text = animation().html()
    used = set(re.findall(r'at\("(\w+)"\)', text))
    assert used == {"picture", "place", "count", "play", "back", "on", "speed", "again"} == set(Page(text).ids)


def test_words_and_titles_mean_only_themselves():
    text = animation(words=HOSTILE, title=HOSTILE).html()
    page = Page(text)
    shown = HOSTILE.replace("\x00", "\ufffd")
    assert page.tags.count("script") == 1
    assert page.title.strip() == shown
    assert frames_of(text)[0][1] == shown


def test_a_notebook_shows_the_player_in_a_frame_of_its_own():
    made = animation(title=HOSTILE)
    shown = made._repr_html_()
    page = Page(shown)
    assert page.tags == ["div", "img", "iframe"]
    assert page.links == [f"data:image/png;base64,{base64.b64encode(made.png()).decode()}"]  # seen where it is alone
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == made.html()
    assert 'sandbox="allow-scripts"' in shown


@pytest.mark.parametrize("name", ["a.mp4", "a", "a.htm"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must be \.gif, \.png or \.html"):
        animation().save(tmp_path / name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "seconds", "words"),
    [
        ([], 0.1, "at least one frame"),
        ([painted("red"), painted("red", (20, 20))], 0.1, "one size, not 2"),
        ([painted("red")], 0.0, "0.02 seconds or more, up to ten minutes, not for 0.0"),
        ([painted("red")], float("nan"), "not for nan"),
    ],
)
def test_what_is_no_animation_is_refused(frames, seconds, words):
    with pytest.raises(ValueError, match=words):
        Animation(frames, seconds=seconds)


def test_it_says_what_it_is():
    assert repr(animation()) == "Animation of 3 frames, 30 × 20 pixels, 0.3 s"
    assert len(animation()) == 3


def test_a_bar_shows_how_far_it_is(capsys):
    animate_graph(Value(1.0), progress=True)
    assert "3/3" in capsys.readouterr().err
    animate_graph(Value(1.0))
    assert capsys.readouterr().err == ""  # no terminal


# ---- models while they learn -----------------------------------------------------------------------------------------

X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]


def trained(model, X, y, epochs=8, lr=0.1):
    return fit(model, X, y, epochs=epochs, optimizer=optim.SGD(model.parameters(), lr), record_parameters=True)


def test_the_line_of_lesson_2_turns_into_place():
    with open(Path(__file__).parent / "make_regression.csv", newline="") as file:
        rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    made = animate_line(*zip(*rows), lr=0.005, tol=0.01, frames_per_update=1 / 580)
    assert [frame.words for frame in made.frames] == [
        "update 0, loss 2.242e+05, y = 0.500·x + 0.500",
        "update 580, loss 1878, y = 40.757·x + 47.262",
        "update 1160, loss 1428, y = 42.433·x + 49.480",
    ]
    first, _, last = map(picture, made.frames)
    assert (first != last).any()


def test_the_end_says_that_its_loss_is_the_last_one_known():
    """Where the updates have come to an end by their number, the loss after the last one is not known."""
    made = animate_line([0.0, 1.0], [0.0, 1.0], lr=0.1, tol=0.0, frames_per_update=1, max_updates=3)
    words = [frame.words.split(", y")[0] for frame in made.frames]
    assert [text.split(", ")[0] for text in words] == ["update 0", "update 1", "update 2", "after 3 updates"]
    assert words[3].split("last loss ")[1] == words[2].split(", loss ")[1]


def test_the_line_can_move_between_two_updates():
    made = animate_line([0.0, 2.0], [0.0, 2.0], lr=0.5, frames_per_update=2, max_updates=1, start=(0.0, -1.0))
    lines = [re.search(r"y = (.*)·x [+−] (.*)", frame.words).groups() for frame in made.frames]
    slopes = [float(slope) for slope, _ in lines]
    assert len(slopes) == 3
    assert slopes[1] == pytest.approx((slopes[0] + slopes[2]) / 2, abs=2e-3)


def test_a_line_that_cannot_be_animated_is_refused():
    with pytest.raises(ValueError, match="frames_per_update is a number above 0, not 0"):
        animate_line([1.0], [1.0], frames_per_update=0)
    with pytest.raises(ValueError, match="an int from 1 to 2000, not 6001"):
        animate_line([0.0, 1.0], [0.0, 1.0], tol=-1.0, frames_per_update=1000, max_updates=6)
    with pytest.raises(ValueError, match="X and y must not be empty"):
        animate_line([], [])
    with pytest.raises(DivergenceError, match="Lower the learning rate"):
        animate_line([0.0, 100.0], [0.0, 1.0], lr=1.0)
    with pytest.raises(DivergenceError, match=r"the loss grows from .*: lower the learning rate 3"):
        animate_line([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=3)


def test_a_fit_is_shown_from_the_first_parameters_to_the_last():
    model = nn.Linear(1, init="zeros")
    history = trained(model, X, Y)
    now = model.state_dict()
    made = animate_fit(model, X, Y, history, frames=3)
    assert [frame.words.split(",")[0] for frame in made.frames] == ["epoch 0", "epoch 4", "after 8 epochs"]
    assert f"loss {history.loss[4]:.4g}" in made.frames[1].words
    assert model.state_dict() == now
    pictures = [picture(frame) for frame in made.frames]
    left = [pixels[40:-60, 60:500] for pixels in pictures]
    assert (left[0] != left[1]).any()
    assert (left[1] != left[2]).any()
    assert has_colour(left[0], "#0072B2", tolerance=90)  # the data
    assert has_colour(left[2], "#D55E00")  # the line


def test_a_boundary_is_shown_while_it_moves():
    model = nn.MLP(2, [3, 1], activation="tanh", rng=random.Random(0))
    corners, labels = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [-1, 1, 1, -1]
    history = trained(model, corners, labels, epochs=30, lr=0.3)
    now = model.state_dict()
    made = animate_boundary(model, corners, labels, history, frames=2, names=["same", "different"])
    first, last = (picture(frame)[40:-60, 60:500] for frame in made.frames)
    assert (first != last).mean() > 0.05
    assert has_colour(last, "#0072B2")
    assert has_colour(last, "#D55E00")
    assert model.state_dict() == now
    with pytest.raises(ValueError, match="2 classes, and 1 names"):
        animate_boundary(model, corners, labels, history, names=["one"])


@pytest.mark.parametrize("animate", [animate_fit, animate_boundary])
def test_a_history_without_parameters_is_refused(animate):
    model = nn.Linear(1)
    with pytest.raises(ValueError, match="record_parameters=True"):
        animate(model, X, Y, fit(model, X, Y, epochs=1))


@pytest.mark.parametrize("frames", [0, 2001, 1.5])
def test_the_number_of_frames_is_sensible(frames):
    model = nn.Linear(1)
    with pytest.raises(ValueError, match=f"the number of frames is an int from 1 to 2000, not {frames}"):
        animate_fit(model, X, Y, trained(model, X, Y, epochs=1), frames=frames)


# ---- the descent on the loss surface ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["contour", "3d"])
def test_a_descent_grows_step_by_step(kind):
    w, b = Value(0.5, label="w"), Value(0.25, label="b")
    loss = (w - 1.0) ** 2 + (b - 1.0) ** 2
    made = animate_descent(loss, w, b, ([0.0, 0.5, 1.0], [0.0, 1.0, 1.0]), kind=kind, frames=3)
    assert [frame.words for frame in made.frames] == [
        "step 0: w = 0, b = 0, loss 2",
        "step 1: w = 0.5, b = 1, loss 0.25",
        "step 2: w = 1, b = 1, loss 0",
    ]
    orange = [(abs(picture(frame) - [0xD5, 0x5E, 0x00]).max(axis=-1) < 12).sum() for frame in made.frames]
    assert orange[0] < orange[1] < orange[2]
    assert (w.data, b.data) == (0.5, 0.25)


def test_a_descent_without_a_path_is_refused():
    w, b = Value(0.5), Value(0.25)
    with pytest.raises(ValueError, match="at least one: there are 0 of x, 0 of y"):
        animate_descent(w * b, w, b, ([], []))


# ---- the graph at work -----------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Frames of few pixels, where only their words matter."""
    monkeypatch.setattr(flow, "_MAX_WIDTH", 160)


def words(made):
    return [frame.words for frame in made.frames]


def test_values_flow_forward_and_gradients_back(small):
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    a.grad = 7.0
    c = a * b
    c.label = "c"
    assert words(animate_graph(c + a)) == [
        "the leaves have their numbers",
        "forward: a·b = -6",
        "forward: c + a = -4",
        "backward: the gradient of + (-4) in itself is 1",
        "backward: grad of c += 1 · 1, grad of a += 1 · 1",
        "backward: grad of a += 1 · (-3), grad of b += 1 · 2",
        "every node has its gradient",
    ]
    assert (a.grad, b.grad, c.grad) == (7.0, 0.0, 0.0)


def test_frames_differ_where_something_happens_and_nowhere_else():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    pictures = [picture(frame)[:-50] for frame in animate_graph((a * b).tanh()).frames]  # without the line of words
    differences = [np.argwhere((x != y).any(axis=-1)) for x, y in pairwise(pictures)]
    assert all(len(places) for places in differences)
    assert len({pixels.shape for pixels in pictures}) == 1
    width = pictures[0].shape[1]
    assert differences[0][:, 1].max() < 0.7 * width  # the product, in the middle
    assert differences[2][:, 1].min() > 0.3 * width  # from tanh, now the root of the way back, at the right
    for k, colour in (1, "#0072B2"), (5, "#D55E00"):
        assert has_colour(pictures[k][:, : int(0.6 * width)], colour)


def test_a_node_that_is_used_twice_gets_two_terms(small):
    a = Value(3.0, label="a")
    assert "backward: grad of a += 1 · 3, grad of a += 1 · 3" in words(animate_graph(a * a))


def test_a_neuron_is_opened_into_its_products(small):
    neuron = nn.Neuron(2, nonlin=False, rng=random.Random(0))
    shown = words(animate_graph(neuron([1.0, Value(-2.0, label="x2")])))
    assert [line for line in shown if line.startswith("forward: w[")] == [
        f"forward: w[0]·1 = {neuron.w[0].data:.4g}",
        f"forward: w[1]·x2 = {-2 * neuron.w[1].data:.4g}",
    ]
    assert any(line.startswith("backward: grad of w[1] += ") and ", grad of x2 += " in line for line in shown)


def test_either_graphviz_will_do(small, monkeypatch):
    if not shutil.which("dot"):
        pytest.skip("there is no program `dot` to compare with")
    y = Value(2.0, label="a").tanh()
    by_program = animate_graph(y)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    in_process = animate_graph(y, rankdir="TB")
    assert words(by_program) == words(in_process)
    assert by_program.height < in_process.height  # from left to right, and from top to bottom


def test_a_label_means_only_itself(small):
    labels = [HOSTILE, "data 5", "two\nlines", "", "]]>", "$x^2$", "n0"]
    shown = words(animate_graph(total([Value(2.0, label=label) for label in labels])))
    assert len(shown) == 5
    assert "grad of data 5 += 1 · 1" in shown[3]
    assert shown[3].count(" += 1 · 1") == len(labels)


def test_a_leaf_alone_is_a_graph(small):
    assert words(animate_graph(Value(2.0, label="a"))) == [
        "the leaves have their numbers",
        "backward: the gradient of a in itself is 1",
        "every node has its gradient",
    ]


def test_a_graph_that_cannot_be_followed_is_refused():
    a = Value(1.0)
    y = a
    for _ in range(100):
        y = y + a
    with pytest.raises(ValueError, match="the graph has 101 nodes, and at most 100 can be followed"):
        animate_graph(y)
    with pytest.raises(TypeError, match="one Value, not float"):
        animate_graph(1.0)
    with pytest.raises(ValueError, match="rankdir is 'LR'"):
        animate_graph(a + a, rankdir="up")
    with pytest.raises(ZeroDivisionError, match="derivative of sqrt is infinite"):
        animate_graph(Value(0.0).sqrt())
