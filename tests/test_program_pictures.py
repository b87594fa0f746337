"""What `draw` shows of an array program: blocks with shapes, statements with formulas, gradients, loops, groups."""

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pictures import HOSTILE, arrows, node_with, outline, parts, texts

from tinygrad_edu import losses, nn, record
from tinygrad_edu.compiler.printers import list_program
from tinygrad_edu.compiler.program import (
    COPY,
    EQUAL,
    TAKE,
    Access,
    Block,
    Carry,
    Kind,
    Loop,
    Operand,
    Origin,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    whole,
)
from tinygrad_edu.engine import Value
from tinygrad_edu.functional import tanh
from tinygrad_edu.rules import OPS, Op
from tinygrad_edu.viz.graph import Drawing, draw

ADD, SUB, MUL, RELU, STEP = (OPS[name] for name in ("add", "sub", "mul", "relu", "step"))


@pytest.fixture(autouse=True)
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout is made in process, as on a machine without Graphviz; `test_graph_drawing.py` makes it both ways."""
    monkeypatch.setenv("PATH", "")


def block(name: str, *shape: int, kind: Kind = "result", samples: bool = False) -> Block:
    return Block(name, shape, kind, samples)


def of(out: Block, op: Op, *operands: Operand, axes: tuple[int, ...] | None = None, reduced: int = 0) -> Statement:
    return Statement(out, op, operands, out.shape if axes is None else axes, reduced)


def layer() -> Program:
    """loss = Σ relu(X W0ᵀ + b0), with its gradients in W0 and b0."""
    X, W, b = block("X", 100, 2, kind="input"), block("W0", 16, 2, kind="parameter"), block("b0", 16, kind="parameter")
    a, s, h, loss = block("a", 100, 16), block("s", 100, 16), block("h", 100, 16), block("loss")
    slope, dW, db = block("dloss_ds", 100, 16), block("", 16, 2), block("", 16)
    statements = (
        Statement(a, MUL, (Access(X, (2, 0, 1)), Access(W, (0, 2, 1))), (100, 16, 2), 1, origin=Origin((), 4800)),
        of(s, ADD, whole(a), Access(b, (0, 1))),
        of(h, RELU, whole(s)),
        of(loss, COPY, whole(h), axes=(100, 16), reduced=2),
        of(slope, STEP, whole(s)),
        of(dW, MUL, Access(slope, (1, 0, 16)), Access(X, (0, 1, 2)), axes=(16, 2, 100), reduced=1),
        of(db, COPY, Access(slope, (1, 16)), axes=(16, 100), reduced=1),
    )
    outputs = (Output(whole(loss)), Output(whole(dW), dW.shape, W), Output(whole(db), db.shape, b))
    return Program("loss", (X,), (W, b), statements, outputs)


def boxes(picture: Drawing) -> dict[str, list[str]]:
    """The lines of each box by the first word of the line that names its block; the symbol comes first."""
    found = {}
    for lines in texts(picture.svg):
        title = lines[0] if len(lines) == 1 or "(" in lines[0] else lines[1]
        found[title.split(" ")[0]] = lines
    return found


def reads(picture: Drawing) -> set[tuple[str, str]]:
    """The arrows, by the blocks they connect."""
    name = {g[0].text: lines for g, lines in zip(parts(picture.svg, "node"), texts(picture.svg))}
    titles = {key: next(title for title, lines in boxes(picture).items() if lines == box) for key, box in name.items()}
    return {(titles[a], titles[b]) for a, b in arrows(picture.svg)}


def test_blocks_have_names_and_shapes_and_statements_their_formulas() -> None:
    assert boxes(draw(layer(), legend=False)) == {
        "X": ["X (100, 2)"],
        "W0": ["W0 (16, 2)"],
        "b0": ["b0 (16,)"],
        "a": ["@", "a (100, 16)", "X @ W0.T", "4,800 operations on numbers"],
        "s": ["+", "s (100, 16)", "a + b0"],
        "h": ["ReLU", "h (100, 16)", "relu(s)"],
        "loss": ["Σ", "loss", "sum(h)"],
        "dloss_ds": ["step", "dloss_ds (100, 16)", "step(s)"],
        "dW0": ["@", "dW0 (16, 2)", "dloss_ds.T @ X", "the gradient in W0"],
        "db0[i]": ["Σ", "db0[i] (16,)", "sum_j(dloss_ds[j, i])", "the gradient in b0"],
    }


def test_arrows_lead_from_what_is_read_to_what_is_written() -> None:
    assert reads(draw(layer(), legend=False)) == {
        ("X", "a"),
        ("W0", "a"),
        ("a", "s"),
        ("b0", "s"),
        ("s", "h"),
        ("h", "loss"),
        ("s", "dloss_ds"),
        ("dloss_ds", "dW0"),
        ("X", "dW0"),
        ("dloss_ds", "db0[i]"),
    }


def test_what_a_box_is_shows_in_its_look_and_the_legend_says_so() -> None:
    svg = draw(layer()).svg
    assert "double frame: parameter · dashed frame: gradient" in parts(svg, "graph")[0].itertext()
    looks = {name: outline(node_with(svg, name)) for name in ("loss", "h (100, 16)", "dloss_ds (100, 16)")}
    assert looks["loss"].get("fill") == "#fbe6cc"
    assert looks["h (100, 16)"].get("fill") == "#f4f4f2"
    assert looks["dloss_ds (100, 16)"].get("stroke-dasharray")
    assert float(outline(node_with(svg, "db0[i] (16,)")).get("stroke-width")) == 2


def test_gradients_can_be_left_out() -> None:
    picture = draw(layer(), derivatives=False, legend=False)
    assert boxes(picture).keys() == {"X", "W0", "b0", "a", "s", "h", "loss"}
    assert repr(picture) == "Drawing of 7 nodes"


def test_a_picture_is_shown_and_saved_as_that_of_a_graph(tmp_path) -> None:
    picture = draw(layer(), rankdir="TB")
    assert picture._repr_mimebundle_()[0]["image/svg+xml"].startswith("<svg")
    for suffix in ("svg", "png", "pdf", "html", "dot"):
        picture.save(tmp_path / f"program.{suffix}")
        assert (tmp_path / f"program.{suffix}").stat().st_size > 500


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ({"expand": True}, "expand"),
        ({"depth": 1}, "depth"),
        ({"focus": Value(1.0)}, "focus"),
        ({"parameters": []}, "par"),
    ],
)
def test_what_is_for_graphs_of_values_is_refused(option: dict, name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name}.* is for the graph of a Value"):
        draw(layer(), **option)
    with pytest.raises(ValueError, match="rankdir"):
        draw(layer(), rankdir="XY")


# ---- formulas --------------------------------------------------------------------------------------------------------
A, B, T, V = (
    block("A", 3, 4, kind="input"),
    block("B", 4, 5, kind="input"),
    block("T", 2, 3, 4, kind="input"),
    block("v", 4, kind="input"),
)
S, Z = block("S", 4, kind="input", samples=True), block("Z", 3, kind="input", samples=True)
R, K = block("r"), block("k", kind="index")
MASK, ROWS = np.tri(3, 4, dtype=bool), np.arange(12).reshape(3, 4)[::-1]


@pytest.mark.parametrize(
    ("statement", "symbol", "formula"),
    [
        (of(R, MUL, Access(A, (4, 0, 1)), Access(B, (0, 1, 5)), axes=(3, 5, 4), reduced=1), "@", "A @ B"),
        (of(R, MUL, Access(V, (1,)), Access(V, (1,)), axes=(4,), reduced=1), "Σ *", "sum(v ** 2)"),
        (of(R, MUL, Access(A, (4, 1)), Access(A, (4, 1)), axes=(3, 4), reduced=2), "Σ *", "sum(A ** 2)"),
        (of(R, MUL, Access(V, (1, 0)), Access(V, (0, 1)), axes=(4, 4)), "*", "outer(v, v)"),
        (of(R, ADD, Access(A, (4, 1)), Access(A, (4, 1), 1), axes=(3, 3)), "+", "A[:, :3] + A[:, 1:]"),
        (of(R, COPY, Access(A, index=ROWS), axes=(3, 4)), "copy", "A[2 - i, j]"),
        (of(R, COPY, Access(A, (4, 1), mask=MASK), axes=(3, 4)), "copy", "where(j <= i, A[i, j], 0)"),
        (of(R, EQUAL, Access(V, (1,)), 2.0, axes=(4,)), "==", "(v == 2)"),
        (of(R, TAKE, Access(V, (1,)), Access(K, (0,)), axes=(4,), reduced=1), "take", "v[k]"),
        (Statement(R, COPY, (whole(A),), (3, 4), 2, reduce=OPS["largest"]), "max", "max(A)"),
        (Statement(R, COPY, (whole(A),), (3, 4), 2, reduce=OPS["logsumexp"]), "logsumexp", "logsumexp(A)"),
        (of(R, MUL, Access(S, (0, 1)), Access(A, (4, 1)), axes=(3, 4), reduced=1), "@", "S @ A.T"),
        (Statement(R, MUL, (Access(Z, (1, 0)), Access(S, (0, 1))), (3, 4), over_samples=True), "@", "Z.T @ S"),
        (Statement(R, COPY, (whole(S),), (4,), over_samples=True), "Σ", "sum_n(S[n, i])"),
        (Statement(R, MUL, (whole(S), whole(S)), (4,), over_samples=True), "Σ *", "sum_n(S[n, i] * S[n, i])"),
    ],
)
def test_a_box_has_the_symbol_and_the_formula_of_its_statement(statement: Statement, symbol: str, formula: str) -> None:
    """The formula is that of the listing. Whatever is read comes from outside here."""
    leaves = tuple(dict.fromkeys([a.block for a in statement.accesses]))
    samples = any(leaf.samples for leaf in leaves) and not statement.over_samples
    out = Block("r", statement.axes[: len(statement.axes) - statement.reduced], samples=samples)
    program = Program("f", leaves, (), (replace(statement, out=out),), (Output(whole(out), out.shape),))
    assert [symbol, formula] in [[lines[0], lines[2]] for lines in texts(draw(program, legend=False).svg) if lines[2:]]
    assert f"= {formula}" in list_program(program)


def test_the_parts_of_a_scatter_are_lines_of_one_box() -> None:
    out = block("out", 4)
    parts = (Part((4,), whole(out), whole(V)), Part((3,), Access(out, (1,), 1), Access(A, (4,))))
    program = Program("f", (V, A), (), (Scatter(out, parts),), (Output(whole(out), (4,)),))
    picture = draw(program, legend=False)
    assert boxes(picture)["out"] == ["+=", "out (4,)", "v", "out[1:] += A[:, 0]"]
    assert reads(picture) == {("v", "out"), ("A", "out")}


def test_a_table_of_cells_is_a_box() -> None:
    y, index = block("y", 3), Access(V, index=np.array([3, 0, 1]))
    picture = draw(Program("f", (V,), (), (of(y, COPY, index),), (Output(whole(y), (3,)),)), legend=False)
    assert reads(picture) == {("v", "y[i]"), ("INDEX", "y[i]")}


def test_samples_are_an_axis_of_length_n() -> None:
    h = block("h", 16, samples=True)
    program = Program("f", (S,), (), (of(h, COPY, Access(S, index=np.zeros(16, int))),), (Output(whole(h), (16,)),))
    assert {"S (n, 4)", "h[n, i] (n, 16)"} <= {line for box in texts(draw(program).svg) for line in box}


def test_constants_are_numbers_or_blocks_of_them() -> None:
    one, table, y = (
        Block("c", (), "data", data=np.array([0.25])),
        Block("t", (3,), "data", data=np.ones(3)),
        block("y", 3),
    )
    program = Program(
        "f", (), (), (of(y, MUL, whole(table), Access(one, (0,))),), (Output(whole(y), (3,)), Output(7.5))
    )
    assert sorted(texts(draw(program, legend=False).svg)) == [["*", "y (3,)", "T * 0.25"], ["7.5"], ["T (3,)"]]
    assert reads(draw(program, legend=False)) == {("T", "y")}


def test_a_constant_without_axes_is_a_number() -> None:
    one = Block("c", (), "data", data=np.array(0.25))
    program = Program("f", (), (), (), (Output(Access(one)),))
    assert texts(draw(program, legend=False).svg) == [["C"]]


def test_names_are_identifiers_as_in_the_source() -> None:
    """Whatever a label is."""
    for name in HOSTILE:
        x, y = block(name, 2, kind="input"), block(name, 2)
        picture = draw(Program("f", (x,), (), (of(y, RELU, whole(x)),), (Output(whole(y), (2,)),)), legend=False)
        (leaf,), (symbol, result, formula) = texts(picture.svg)
        assert leaf.removesuffix(" (2,)").isidentifier()
        assert result.removesuffix(" (2,)").isidentifier()
        assert (symbol, formula) == ("ReLU", f"relu({leaf.removesuffix(' (2,)')})")


def unnamed() -> Program:
    """y = Σ relu((X W)ᵀ + b), and Σ X: what has no name and is read once needs no box of its own."""
    X, W, b = block("X", 3, 4, kind="input"), block("W", 4, 5, kind="parameter"), block("b", 3, kind="parameter")
    product, sum_, relu, y, z = block("", 3, 5), block("", 5, 3), block("", 5, 3), block(""), block("")
    statements = (
        Statement(product, MUL, (Access(X, (4, 0, 1)), Access(W, (0, 1, 5))), (3, 5, 4), 1, origin=Origin((), 105)),
        Statement(sum_, ADD, (Access(product, (1, 5)), Access(b, (0, 1))), (5, 3), origin=Origin((), 15)),
        of(relu, RELU, whole(sum_)),
        of(y, COPY, whole(relu), axes=(5, 3), reduced=2),
        of(z, COPY, whole(X), axes=(3, 4), reduced=2),
    )
    return Program("f", (X,), (W, b), statements, (Output(whole(y)), Output(whole(z))))


def test_what_stands_in_one_line_of_the_source_stands_in_one_box() -> None:
    picture = draw(unnamed(), legend=False)
    assert boxes(picture) == {
        "X": ["X (3, 4)"],
        "W": ["W (4, 5)"],
        "b": ["b (3,)"],
        "y0": ["@ + ReLU …", "y0", "sum(relu((X @ W).T + b))", "120 operations on numbers"],
        "y1": ["Σ", "y1", "sum(X)"],
    }
    assert reads(picture) == {("X", "y0"), ("W", "y0"), ("b", "y0"), ("X", "y1")}
    assert repr(picture) == "Drawing of 5 nodes"


def test_a_long_expression_is_more_than_one_box() -> None:
    a, outs = block("a_long_name", 2, kind="input"), [block("", 2) for _ in range(40)]
    steps = [of(y, SUB, whole(x), whole(a)) for x, y in zip([a, *outs], outs)]
    picture = draw(Program("f", (a,), (), tuple(steps), (Output(whole(outs[-1]), (2,)),)), legend=False)
    formulas = [lines[-1] for lines in texts(picture.svg)[1:]]
    assert 5 < len(formulas) < 20
    assert all(len(text) <= 80 and "…" not in text for text in formulas)
    assert sum(text.count("-") for text in formulas) == 40


# ---- loops -----------------------------------------------------------------------------------------------------------
def recurrence(turns: int = 50, backwards: bool = False) -> Program:
    """h = tanh(U h + x) for each row x of xs, from 0; then y is the last h, and all of them are hs."""
    U, xs, x, h = block("U", 8, 8, kind="parameter"), block("xs", turns, 8, kind="input"), block("x", 8), block("h", 8)
    Uh, s, new, last, hs = block("Uh", 8), block("s", 8), block("h_new", 8), block("y", 8), block("hs", turns, 8)
    body = (
        of(Uh, MUL, Access(U, (8, 1)), Access(h, (0, 1)), axes=(8, 8), reduced=1),
        of(s, ADD, whole(Uh), whole(x)),
        of(new, OPS["tanh"], whole(s)),
    )
    carried = (Carry(h, 0.0, whole(new), last),)
    loop = Loop(turns, body, carried, ((x, whole(xs)),), ((new, hs),), backwards)
    return Program("rnn", (xs,), (U,), (loop,), (Output(whole(last), (8,)), Output(whole(hs), hs.shape)))


def test_a_loop_is_a_frame_around_its_statements() -> None:
    picture = draw(recurrence(), legend=False)
    assert boxes(picture) == {
        "xs": ["xs (50, 8)"],
        "U": ["U (8, 8)"],
        "y[0]": ["y[0] (8,)", "0"],
        "Uh": ["@", "Uh (8,)", "U @ y[t]"],
        "s": ["+", "s (8,)", "Uh + xs[t]"],
        "y[t": ["tanh", "y[t + 1] (8,)", "tanh(s)"],
    }
    (frame,) = parts(picture.svg, "cluster")
    assert [t for t in frame.itertext() if t.strip()] == ["cluster 0", "for t = 0, 1, …, 49"]
    steps = [("y[0]", "Uh"), ("U", "Uh"), ("Uh", "s"), ("xs", "s"), ("s", "y[t")]
    assert reads(picture) == {*steps, ("y[t", "Uh")}


def test_only_the_arrow_to_the_next_turn_is_dashed() -> None:
    picture = draw(recurrence(), legend=False)
    dashed = [g for g in parts(picture.svg, "edge") if any(e.get("stroke-dasharray") for e in g)]
    name = dict(zip([g[0].text for g in parts(picture.svg, "node")], boxes(picture)))
    assert [tuple(name[end] for end in g[0].text.split("->")) for g in dashed] == [("y[t", "Uh")]


def test_the_turns_of_a_loop_may_run_backwards_and_loops_may_stand_in_loops() -> None:
    inner = recurrence(1000, backwards=True)
    (loop,) = inner.statements
    (carry,) = loop.carried
    outer, all_last = block("outer", 8), block("", 3, 8)
    loop = replace(loop, carried=(replace(carry, initial=whole(outer)),))
    outer_loop = Loop(3, (loop,), (Carry(outer, 0.0, whole(carry.final)),), (), ((carry.final, all_last),))
    program = Program("f", inner.inputs, inner.parameters, (outer_loop,), (Output(whole(all_last), (3, 8)),))
    picture = draw(program, legend=False)
    frames = [[t for t in g.itertext() if "for" in t] for g in parts(picture.svg, "cluster")]
    assert frames == [["for t = 0, 1, 2"], ["for u = 999, …, 1, 0"]]
    assert {("outer[0]", "y_2[1000]"), ("outer[t", "y_2[1000]"), ("y_2[1000]", "Uh"), ("y_2[u]", "Uh")} <= reads(
        picture
    )


def test_what_a_loop_starts_with_is_a_box() -> None:
    program = recurrence()
    (loop,), start = program.statements, block("h0", 8, kind="input")
    (carry,) = loop.carried
    loop = Loop(50, loop.body, (Carry(carry.state, whole(start), carry.result),), loop.streams)
    picture = draw(Program("f", (*program.inputs, start), program.parameters, (loop,), ()), legend=False)
    assert {("h0", "h[0]"), ("h[0]", "Uh")} <= reads(picture)
    assert boxes(picture)["h[0]"] == ["h[0] (8,)", "h0"]


def test_recorded_programs_are_drawn() -> None:
    """An MLP on five samples, and a recurrence, with their gradients."""
    model = nn.MLP(2, [3, 1], rng=random.Random(0))
    X = [[0.5, 0.25], [1.0, -1.0], [0.1, 0.2], [-0.3, 0.7], [2.0, 0.6]]
    program = record(lambda: losses.mse([model(x) for x in X], [1.0, 2.0, 3.0, 4.0, 5.0]), gradients=True)
    shown = boxes(draw(program, legend=False))
    assert {"W0": ["W0 (3, 2)"], "b0": ["b0 (3,)"], "DATA": ["DATA (5, 2)"]}.items() <= shown.items()
    assert shown["h0"][:3] == ["@ +", "h0 (5, 3)", "DATA @ W0.T + b0"]
    assert shown["dW0"][-1] == "the gradient in W0"

    w, b = Value(0.5, label="w"), Value(0.1, label="b")

    def chain(x):
        for _ in range(60):
            x = tanh(w * x + b)
        return x

    picture = draw(record(chain, 0.3, gradients=True), legend=False)
    frames = [t for g in parts(picture.svg, "cluster") for t in g.itertext() if "for" in t]
    assert frames == ["for t = 0, 1, …, 59", "for t = 59, …, 1, 0"]


# ---- large programs --------------------------------------------------------------------------------------------------
def chain(n: int) -> Program:
    """n statements on numbers, one after the other; then their gradients."""
    x = block("x", kind="input")
    blocks = [x, *[block(f"v{i}") for i in range(n)]]
    slopes = [block(f"g{i}") for i in range(n)]
    forward = [
        of(b, RELU if i % 3 else MUL, whole(a), *[2.0] * (not i % 3)) for i, (a, b) in enumerate(pairwise(blocks))
    ]
    backward = [of(g, STEP, whole(v)) for g, v in zip(slopes, reversed(blocks))]
    outputs = (Output(whole(blocks[-1])), Output(whole(slopes[-1]), (), x))
    return Program("f", (x,), (), (*forward, *backward), outputs)


def test_a_large_program_is_drawn_in_groups() -> None:
    picture = draw(chain(300), legend=False)
    assert repr(picture) == "Drawing of 601 blocks, in groups"
    assert picture.caption in picture.svg
    shown = texts(picture.svg)
    assert len(shown) <= 42
    assert ["15 statements for the result", "10 × ReLU", "5 × *"] in shown
    assert ["15 statements for gradients", "15 × step"] in shown


def test_all_leaves_of_one_kind_may_be_a_group() -> None:
    xs, total = [block(f"x{i}", kind="parameter") for i in range(300)], [block(f"v{i}") for i in range(300)]
    sums = [of(b, ADD, whole(x), *([whole(a)] if a else [1.0])) for x, a, b in zip(xs, [None, *total], total)]
    picture = draw(Program("f", (), tuple(xs), tuple(sums), (Output(whole(total[-1])),)), legend=False)
    assert ["300 of kind parameter", "x0 … x299"] in texts(picture.svg)


def test_in_groups_a_statement_that_is_alone_is_shown_and_a_loop_is_one_box() -> None:
    picture = draw(recurrence(), max_nodes=3, legend=False)
    assert not parts(picture.svg, "cluster")
    assert ["3 statements for the result", "1 × @", "1 × +", "1 × tanh"] in texts(picture.svg)
    assert ["y[0] (8,)", "0"] in texts(picture.svg)
    assert ["ReLU", "h (100, 16)", "relu(s)"] in texts(draw(layer(), max_nodes=9, legend=False).svg)


def test_a_scalar_program_of_ten_thousand_statements_is_drawn_in_seconds() -> None:
    assert draw(chain(5_000)).svg.startswith("<svg")
