"""Array programs as texts: that these compute what the programs mean, and that they look as a person would write them.

Random programs are held to the interpreter, which runs them cell by cell; programs of models, to the letter. Formulas
and listings have their tests in `test_printed_formulas.py`.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from textwrap import dedent
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from interpreter import run
from javascript import JavaScript
from programs import Maker

from tinygrad_edu.compiler.backends import jax as on_jax
from tinygrad_edu.compiler.backends import numpy as on_numpy
from tinygrad_edu.compiler.backends import python as on_python
from tinygrad_edu.compiler.printers import source
from tinygrad_edu.compiler.printers.notation import NUMPY, identifier
from tinygrad_edu.compiler.program import (
    COPY,
    Access,
    Block,
    Carry,
    Loop,
    Output,
    Part,
    Program,
    Scatter,
    Statement,
    whole,
)
from tinygrad_edu.ops import MUL
from tinygrad_edu.rules import FLOATS, OPS, Op, find

Array = Any
Results = Sequence[Any]
MANY = settings(max_examples=min(5 * settings.default.max_examples, 150), deadline=None, derandomize=True)
FEW = settings(max_examples=min(settings.default.max_examples, 15), deadline=None, derandomize=True)
SEEDS = st.integers(0, 10**6)
LENGTHS = st.integers(1, 12)


# ---- random programs -------------------------------------------------------------------------------------------------
def check(seed: int, length: int, samples: bool, outputs_of: Callable[[Program, list[Array]], Results]) -> None:
    """The same as cell by cell, where all numbers are finite and none is large."""
    maker = Maker(seed, length, samples)
    leaves = maker.leaves()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an overflow is not looked at any further
        true = run(maker.program, leaves)
    shapes = [output.shape for output in maker.program.outputs]
    true = [np.broadcast_to(x, shape) if np.ndim(x) == 0 else x for x, shape in zip(true, shapes)]
    assume(all(np.isfinite(x).all() and np.abs(x).max(initial=0) < 1e6 for x in true))
    with np.errstate(all="ignore"):
        got = outputs_of(maker.program, list(leaves.values()))
    assert len(got) == len(true)
    for x, y in zip(got, true):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


def as_lists(leaves: Sequence[Array]) -> list[Any]:
    """Floats, and flat lists of them."""
    return [x.item() if x.ndim == 0 else x.ravel().tolist() for x in leaves]


@MANY
@given(SEEDS, LENGTHS, st.booleans())
def test_numpy_computes_what_a_program_means(seed: int, length: int, samples: bool) -> None:
    def outputs(program: Program, leaves: list[Array]) -> Results:
        results = on_numpy.make_function(program)(*[x if x.ndim else x.item() for x in leaves])
        text = source(program, "numpy")
        scope: dict[str, Any] = {}
        exec(text, scope)
        again = scope[program.name](*[x if x.ndim else x.item() for x in leaves])
        for x, y in zip(results, again if len(results) > 1 else (again,)):
            np.testing.assert_array_equal(x, y)
        return results

    check(seed, length, samples, outputs)


@MANY
@given(SEEDS, LENGTHS)
def test_python_computes_what_a_program_means(seed: int, length: int) -> None:
    def outputs(program: Program, leaves: list[Array]) -> Results:
        results = on_python.make_function(program)(*as_lists(leaves))
        return [np.reshape(x, output.shape) for x, output in zip(results, program.outputs, strict=True)]

    check(seed, length, False, outputs)


def test_javascript_computes_what_a_program_means(javascript: JavaScript) -> None:
    def outputs(program: Program, leaves: list[Array]) -> Results:
        (results,) = javascript(source(program, "javascript"), [as_lists(leaves)])
        ends = np.cumsum([math.prod(output.shape) for output in program.outputs])[:-1]
        return [np.reshape(x, o.shape) for x, o in zip(np.split(np.array(results), ends), program.outputs)]

    @MANY
    @given(SEEDS, LENGTHS)
    def check_all(seed: int, length: int) -> None:
        check(seed, length, False, outputs)

    check_all()


@FEW
@given(SEEDS, st.integers(1, 8), st.booleans())
def test_jax_computes_what_a_program_means(seed: int, length: int, samples: bool) -> None:
    def outputs(program: Program, leaves: list[Array]) -> Results:
        with jax.enable_x64(True):
            return [np.asarray(x) for x in on_jax.make_function(program)(*leaves)]

    check(seed, length, samples, outputs)


def test_arguments_are_not_changed() -> None:
    """What is added to stands in a copy."""
    x = Block("x", (3,), "input")
    out = Block("", (3,))
    parts = (Part((3,), whole(out), whole(x)), Part((), Access(out, (), 1), Access(x, (), 0)))
    program = Program("f", (x,), (), (Scatter(out, parts),), (Output(whole(out), (3,)), Output(whole(x), (3,))))
    numbers = [1.0, 2.0, 3.0]
    for results in (on_python.make_function(program)(numbers), on_numpy.make_function(program)(np.array(numbers))):
        assert [list(y) for y in results] == [[1.0, 3.0, 3.0], [1.0, 2.0, 3.0]]
    assert numbers == [1.0, 2.0, 3.0]


def test_what_a_part_adds_to_cells_is_met_as_often_as_it_is() -> None:
    """np.add.at adds wrong numbers where what it adds is broadcast."""
    x, out = Block("x", (3,), "input"), Block("", (4,))
    index = np.array([[0, 1, 2], [3, 3, 3], [0, 0, 1]])
    scatter = Scatter(out, (Part((3, 3), Access(out, (), 0, index), Access(x, (0, 1))),))
    program = Program("f", (x,), (), (scatter,), (Output(whole(out), (4,)),))
    (y,) = on_numpy.make_function(program)(np.array([1.0, 10.0, 100.0]))
    assert y.tolist() == [12.0, 110.0, 100.0, 111.0]


# ---- how they look ---------------------------------------------------------------------------------------------------
def text(program: Program, language: str = "numpy") -> str:
    """The program without its first lines, of imports and constants."""
    whole_text = source(program, language)
    return whole_text[whole_text.index("def ") :]


def shown(expected: str) -> str:
    return dedent(expected).strip()


class Layer:
    """h = max(X Wᵀ + b, 0) and the gradient of Σ h, for a leaf of samples."""

    def __init__(self) -> None:
        self.x = Block("x", (2,), "input", samples=True)
        self.w = Block("layers[0].w", (4, 2), "parameter")
        self.b = Block("layers[0].b", (4,), "parameter")
        z = Block("", (4,), samples=True)
        product = Block("", (4,), samples=True)
        h = Block("", (4,), samples=True)
        total, step = Block("loss"), Block("", (4,), samples=True)
        dw, db = Block("", (4, 2)), Block("", (4,))
        self.forward = (
            Statement(product, MUL, (Access(self.x, (0, 1)), Access(self.w, (2, 1))), (4, 2), 1),
            Statement(z, OPS["add"], (whole(product), whole(self.b)), (4,)),
            Statement(h, OPS["relu"], (whole(z),), (4,)),
        )
        self.backward = (
            Statement(total, COPY, (whole(h),), (4,), 1, over_samples=True),
            Statement(step, OPS["step"], (whole(z),), (4,)),
            Statement(dw, MUL, (Access(step, (1, 0)), Access(self.x, (0, 1))), (4, 2), over_samples=True),
            Statement(db, COPY, (whole(step),), (4,), over_samples=True),
        )
        self.outputs = [Output(Access(total)), Output(whole(dw), (4, 2), self.w), Output(whole(db), (4,), self.b)]
        self.h = h

    def program(self) -> Program:
        return Program("layer", (self.x,), (self.w, self.b), self.forward, (Output(whole(self.h), (4,)),))

    def gradient(self) -> Program:
        statements = self.forward + self.backward
        return Program("loss", (self.x,), (self.w, self.b), statements, tuple(self.outputs))


def test_a_layer_is_written_as_people_do() -> None:
    assert source(Layer().program(), "numpy") == shown("""
        import numpy as np


        def layer(X, W0, b0):
            return np.maximum(X @ W0.T + b0, 0)
    """)
    assert text(Layer().program(), "jax") == shown("""
        def layer(X, W0, b0):
            return jnp.maximum(X @ W0.T + b0, 0)
    """)


def test_its_gradient_too() -> None:
    assert text(Layer().gradient()) == shown("""
        def loss(X, W0, b0):
            h0 = X @ W0.T + b0
            loss = np.maximum(h0, 0).sum()
            g0 = h0 > 0
            dW0 = g0.T @ X
            db0 = g0.sum(axis=0, dtype=float)
            return loss, dW0, db0
    """)


def test_causal_softmax() -> None:
    """Scores of each position with those before it, and what they choose."""
    x, scores, e = Block("x", (4, 3), "input"), Block("", (4, 4)), Block("", (4, 4))
    m, s, p, out = Block("", (4,)), Block("", (4,)), Block("", (4, 4)), Block("", (4, 3))
    causal = np.tri(4, dtype=bool)
    statements = (
        Statement(scores, MUL, (Access(x, (3, 0, 1)), Access(x, (0, 3, 1))), (4, 4, 3), 1),
        Statement(m, COPY, (Access(scores, (4, 1), 0, None, causal, -math.inf),), (4, 4), 1, OPS["largest"]),
        Statement(e, OPS["sub"], (Access(scores, (4, 1)), Access(m, (1, 0))), (4, 4)),
        Statement(exponentials := Block("", (4, 4)), OPS["exp"], (whole(e),), (4, 4)),
        Statement(s, COPY, (Access(exponentials, (4, 1), 0, None, causal),), (4, 4), 1),
        Statement(p, OPS["div"], (Access(exponentials, (4, 1), 0, None, causal), Access(s, (1, 0))), (4, 4)),
        Statement(out, MUL, (Access(p, (4, 0, 1)), Access(x, (0, 1, 3))), (4, 3, 4), 1),
    )
    program = Program("attend", (x,), (), statements, (Output(whole(out), (4, 3)),))
    assert source(program, "numpy") == shown("""
        import numpy as np


        MASK = np.tri(4, dtype=bool)


        def attend(X):
            h0 = X @ X.T
            h1 = np.exp(h0 - np.where(MASK, h0, -np.inf).max(axis=1)[:, None])
            return np.where(MASK, h1, 0.0) / np.where(MASK, h1, 0.0).sum(axis=1)[:, None] @ X
    """)


def test_a_convolution_is_a_product_with_windows() -> None:
    """y = Σₖ wₖ·xᵢ₊ₖ, and what comes back to x, where windows overlap."""
    x, w, g = Block("x", (9,), "input"), Block("w", (3,), "parameter"), Block("g", (7,), "parameter")
    y, dw, c, dx = Block("", (7,)), Block("", (3,)), Block("", (7, 3)), Block("", (9,))
    statements = (
        Statement(y, MUL, (Access(x, (1, 1)), Access(w, (0, 1))), (7, 3), 1),
        Statement(dw, MUL, (Access(x, (1, 1)), Access(g, (0, 1))), (3, 7), 1),
        Statement(c, MUL, (Access(g, (1, 0)), Access(w, (0, 1))), (7, 3)),
        Scatter(dx, (Part((7, 3), Access(dx, (1, 1)), whole(c)),)),
    )
    outputs = (Output(whole(y), (7,)), Output(whole(dx), (9,), x), Output(whole(dw), (3,), w))
    program = Program("convolve", (x,), (w, g), statements, outputs)
    assert source(program, "numpy") == shown("""
        import numpy as np
        from numpy.lib.stride_tricks import sliding_window_view


        def convolve(x, w, g):
            y = sliding_window_view(x, 3) @ w
            dw = g @ sliding_window_view(x, 3)
            g0 = g[:, None] * w
            dx = np.zeros(9)
            c = g0.T
            for k in range(3):
                dx[k:k + 7] += c[k]
            return y, dx, dw
    """)
    assert text(program, "jax").splitlines()[-4:] == [  # which has no windows, and changes no array
        "    c = g0.T",
        "    for k in range(3):",
        "        dx = dx.at[k:k + 7].add(c[k])",
        "    return y, dx, dw",
    ]


def recurrence() -> Program:
    """h = tanh(w·h + xₜ), 50 times; and the way back, which reads what each turn left."""
    x, w = Block("x", (50,), "input"), Block("w", (), "parameter")
    h, xt, product, z, after, last = [Block("") for _ in range(6)]
    hs, dzs = Block("", (50,)), Block("", (50,))
    forwards = (
        Statement(product, MUL, (Access(w), Access(h))),
        Statement(z, OPS["add"], (Access(product), Access(xt))),
        Statement(after, OPS["tanh"], (Access(z),)),
    )
    there = Loop(50, forwards, (Carry(h, 0.0, Access(after), last),), ((xt, whole(x)),), ((after, hs),))
    g, ht, square, slope, dz, dh = [Block("") for _ in range(6)]
    backwards = (
        Statement(square, MUL, (Access(ht), Access(ht))),
        Statement(slope, OPS["sub"], (1.0, Access(square))),
        Statement(dz, MUL, (Access(g), Access(slope))),
        Statement(dh, MUL, (Access(dz), Access(w))),
    )
    back = Loop(50, backwards, (Carry(g, 1.0, Access(dh)),), ((ht, whole(hs)),), ((dz, dzs),), backwards=True)
    dw = Block("")
    sums = Statement(dw, MUL, (Access(hs, (1,)), Access(dzs, (1,), 1)), (49,), 1)
    outputs = (Output(Access(last)), Output(whole(dzs), (50,), x), Output(Access(dw), (), w))
    return Program("last", (x,), (w,), (there, back, sums), outputs)


def test_a_recurrence_is_a_loop() -> None:
    assert text(recurrence()) == shown("""
        def last(x, w):
            v0 = 0.0
            v0s = np.empty(50)
            for t in range(50):
                v0 = np.tanh(w * v0 + x[t])
                v0s[t] = v0
            g0 = 1.0
            dx = np.empty(50)
            for t in reversed(range(50)):
                g1 = v0s[t]
                g2 = g0 * (1 - g1 * g1)
                g0 = g2 * w
                dx[t] = g2
            dw = v0s[:49] @ dx[1:]
            return v0, dx, dw
    """)


def test_in_python_it_is_plain_arithmetic() -> None:
    assert source(recurrence(), "python") == shown("""
        from math import tanh
        from operator import mul


        def last(x, w):
            v0 = 0.0
            v0s = [0.0] * 50
            for t in range(50):
                v0 = tanh(w * v0 + x[t])
                v0s[t] = v0
            g0 = 1.0
            dx = [0.0] * 50
            for t in reversed(range(50)):
                g1 = v0s[t]
                g2 = g0 * (1.0 - g1 * g1)
                g0 = g2 * w
                dx[t] = g2
            dw = sum(map(mul, v0s[:49], dx[1:50]))
            return v0, dx, dw
    """)


def test_in_jax_it_is_one_scan_each_way() -> None:
    assert text(recurrence(), "jax") == shown("""
        def last(x, w):
            def turn(v1, v0):
                v1 = jnp.tanh(w * v1 + v0)
                return v1, v1
            v1, v1s = jax.lax.scan(turn, 0.0, x)
            def turn(g1, g0):
                g2 = g1 * (1 - g0 * g0)
                g1 = g2 * w
                return g1, g2
            _, dx = jax.lax.scan(turn, 1.0, v1s, reverse=True)
            dw = v1s[:49] @ dx[1:]
            return v1, dx, dw
    """)


# ---- operations, names and numbers -----------------------------------------------------------------------------------
def elementwise(op: Op, *names: str, label: str = "") -> Program:
    """An operation of rows of three numbers."""
    leaves = [Block(name, (3,), "input") for name in names]
    y = Block(label, (3,))
    return Program(
        "f", tuple(leaves), (), (Statement(y, op, tuple(map(whole, leaves)), (3,)),), (Output(whole(y), (3,)),)
    )


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.partials], ids=str)
def test_each_operation_is_the_engine_s(op: Op, javascript: JavaScript) -> None:
    arity = len(op.partials)
    numbers = [[0.25, 0.5, 0.75], [0.125, 0.625, 0.375], [0.3, 0.2, 0.1]][:arity]
    if op.name == "acosh":
        numbers = [[1.25, 2.0, 3.0]]
    true = [op.value(FLOATS, *xs) for xs in zip(*numbers)]
    program = elementwise(op, *"abc"[:arity])
    arrays = [np.array(row) for row in numbers]
    (in_javascript,) = javascript(source(program, "javascript"), [numbers])
    for y in (
        on_numpy.make_function(program)(*arrays)[0],
        on_python.make_function(program)(*numbers)[0],
        in_javascript,
    ):
        np.testing.assert_allclose(y, true, rtol=1e-12)


def test_an_operation_of_ones_own_is_written_out_or_a_function() -> None:
    cube = Op("cube", "cube", lambda m, x: x * x * x)
    swish = Op("swish", "swish", lambda m, x: x * m.sigmoid(2.0 * x))
    assert text(elementwise(cube, "x")) == "def f(x):\n    return x * x * x"
    assert text(elementwise(swish, "x")) == shown("""
        def sigmoid(x):
            return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


        def swish(x):
            return x * sigmoid(2 * x)


        def f(x):
            return swish(x)
    """)


def test_a_rule_that_looks_at_its_numbers_cannot_be_written() -> None:
    looks = Op("looks", "looks", lambda m, x: x if x > 0 else -x)
    with pytest.raises(TypeError, match="operation looks cannot be written as a program"):
        source(elementwise(looks, "x"), "numpy")


def test_powers_of_infinity(javascript: JavaScript) -> None:
    """As of Python's floats, where NumPy takes a root and JavaScript has no limit."""
    root = elementwise(find("power", 0.5), "x")
    with np.errstate(invalid="ignore"):
        assert on_numpy.make_function(root)(np.array([-math.inf, 4.0, 0.0]))[0].tolist() == [math.inf, 2.0, 0.0]
    power = elementwise(OPS["pow"], "a", "b")
    numbers = [[1.0, -1.0, 2.0], [math.inf, -math.inf, math.inf]]
    assert javascript(source(power, "javascript"), [numbers]) == [[1.0, 1.0, math.inf]]
    assert on_python.make_function(power)(*numbers)[0] == [1.0, 1.0, math.inf]


def test_whole_powers_are_products_where_that_is_faster() -> None:
    assert text(elementwise(find("power", 3), "x")) == "def f(x):\n    return x * x * x"
    assert text(elementwise(find("power", 2), "x")) == "def f(x):\n    return x ** 2"
    assert text(elementwise(find("power", 3), "x"), "python") == "def f(x):\n    return [a ** 3 for a in x]"


STRANGE = [
    "__import__('os')",
    "class",
    "np",
    "",
    "2x",
    "x y",
    "größe",
    "\u03b8",
    "a" * 300,
    "w[0]",
    "x\n",
    "sum",
    "Math",
    "t",
]


@pytest.mark.parametrize("language", ["numpy", "jax", "python", "javascript"])
def test_labels_are_never_text_of_a_program(language: str, javascript: JavaScript) -> None:
    leaves = [Block(name, (3,), "parameter") for name in STRANGE]
    total: Block = leaves[0]
    statements = []
    for leaf in leaves[1:]:
        out = Block(leaf.name, (3,))
        statements.append(Statement(out, OPS["add"], (whole(total), whole(leaf)), (3,)))
        total = out
    program = Program(STRANGE[0], (), tuple(leaves), tuple(statements), (Output(whole(total), (3,)),))
    numbers = [[float(i), 1.0, 2.0] for i in range(len(leaves))]
    true = np.sum(numbers, axis=0)
    if language == "javascript":
        (got,) = javascript(source(program, language), [numbers])
    elif language == "python":
        (got,) = on_python.make_function(program)(*numbers)
    else:
        (got,) = (on_numpy if language == "numpy" else on_jax).make_function(program)(*map(np.array, numbers))
    np.testing.assert_allclose(got, true)
    assert "__import__('os')" not in source(program, language)


def test_short_names_of_arrays() -> None:
    names = ["layers[0].w", "layers[0].b", "x", "deep_thought", "layers[1].w[3]"]
    leaves = [Block(n, shape, "parameter") for n, shape in zip(names, [(2, 3), (2,), (3, 3), (2, 2), ()])]
    program = Program("f", (), tuple(leaves), (), (Output(1.0),))
    assert text(program) == "def f(W0, b0, X, deep_thought, w_1_3):\n    return 1.0"
    again = Program("f", (), (leaves[0], Block("other[0].w", (2, 3), "parameter")), (), (Output(1.0),))
    assert text(again) == "def f(layers_0_w, other_0_w):\n    return 1.0"
    assert identifier("layers[0].neurons[3].w[1]", "x") == "w_0_3_1"


def test_numbers_keep_all_their_digits() -> None:
    numbers = [math.inf, -math.inf, math.nan, 0.1 + 0.2, -0.0, 5e-324]
    data = Block("numbers", (6,), "data", data=np.array(numbers))
    y = Block("", (6,))
    program = Program("f", (), (), (Statement(y, COPY, (whole(data),), (6,)),), (Output(whole(y), (6,)),))
    for language in ("numpy", "python"):
        scope: dict[str, Any] = {}
        exec(source(program, language), scope)
        assert list(map(repr, map(float, scope["f"]()))) == list(map(repr, numbers))
    assert NUMPY.number(-math.inf)[0] == "-np.inf"


def test_programs_of_samples_are_for_arrays() -> None:
    for language in ("python", "javascript"):
        with pytest.raises(ValueError, match="write it for NumPy or JAX"):
            source(Layer().program(), language)


def test_other_languages_are_refused() -> None:
    with pytest.raises(
        ValueError, match="a program can be written in numpy, jax, python, javascript, latex, not in 'c'"
    ):
        source(recurrence(), "c")
