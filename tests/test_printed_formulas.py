"""Array programs as formulas: the listing and LaTeX say what the programs compute, and how it looks."""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import drawn_programs
import numpy as np
import pytest
from interpreter import ARRAYS, run
from models import BY_HAND
from profiles import sample
from programs import Maker

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.compiler.printers import latex, listing
from tinygrad_edu.compiler.printers._formulas import FIRST
from tinygrad_edu.compiler.printers.listing import Listing
from tinygrad_edu.compiler.printers.notation import PYTHON, WIDTH, Form, Names, Text, call
from tinygrad_edu.compiler.program import COPY, Access, Block, Loop, Origin, Output, Program, Statement, whole
from tinygrad_edu.compiler.roll import roll
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.compiler.vjp import differentiate
from tinygrad_edu.rules import ATOM, OPS, POWER, Op

Array = Any


# ---- what formulas say ----------------------------------------------------------------------------------------------
class Evaluated(Listing):
    """Formulas that Python can run: what they say is what the program computes.

    A letter says how far it goes: k__5 goes through 5 positions. Whatever is named is an array in `scope`.
    """

    def __init__(self, program: Program, leaves: dict[Block, Array]) -> None:
        self.scope: dict[str, Any] = {"np": np, "fit": fit, "masked": lambda c, x, fill: x if c else fill}
        self.scope |= {f"reduced_{name}": reduce for name, reduce in REDUCED.items()}
        self.turns_of_loop = 0
        self.count = max([len(x) for block, x in leaves.items() if block.samples], default=1)
        self.source: list[str] = []
        super().__init__(program, Names([*self.scope, "range", "reversed", "for", "in", "class", "pass"]))
        for block, x in leaves.items():
            self.scope[self.plan.name(block)] = np.asarray(x, int if block.kind == "index" else float)
        self.scope |= self.constants.arrays

    def run(self) -> list[Array]:
        with np.errstate(all="ignore"):
            exec("\n".join(self.source), self.scope)
            return [np.asarray(eval(text, self.scope), float) for text in self.outputs()]

    # ---- lines ----
    def add_line(self, block: Block | None, name: str, left: str, right: str, parts: Any, adds: bool = False) -> None:
        super().add_line(block, name, left, right, parts, adds)
        tab = " " * self.depth
        if block is None:
            self.source += [f"{tab}for {left} in {right}:", f"{tab} pass"]
            return
        for letter in dict.fromkeys(re.findall(LETTER, left + (right if adds else ""))):
            self.source.append(f"{tab}for {letter} in range({length_of(letter)}):")
            tab += " "
        target = left if "[" in left else f"{left}[...]"
        sign = "+=" if adds else "="
        self.source.append(f"{tab}{target} {sign} fit({right}, np.shape({left}))")

    def turns(self, loop: Loop) -> str:
        return f"reversed(range({loop.turns}))" if loop.backwards else f"range({loop.turns})"

    def add_loop(self, loop: Loop) -> None:
        outside, self.turns_of_loop = self.turns_of_loop, loop.turns
        super().add_loop(loop)
        self.turns_of_loop = outside

    def new_base(self, block: Block, name: str, *front: str) -> Any:
        base = super().new_base(block, name, *front)
        rows = [self.turns_of_loop + position.isdecimal() for position in front]  # a state begins at 0, or ends there
        if name not in self.scope:
            self.scope[name] = np.zeros([*[self.count] * block.samples, *rows, *block.shape])
        return base

    # ---- texts ----
    def positions(self, axes: Any, lengths: Any, samples: bool = False, depth: int = 0) -> Any:
        positions = super().positions(axes, lengths, samples, depth)
        letters = [axis for axis, position in positions.items() if axis >= 0 and position != FIRST]
        return positions | {axis: (f"{positions[axis][0]}__{lengths[axis]}", ATOM) for axis in letters}

    def sample(self) -> str:
        return f"n__{self.count}"

    def number(self, x: float) -> Text:
        return f"({float(x)!r})".replace("inf", "np.inf").replace("nan", "np.nan"), ATOM

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        operator = PYTHON.form(op)
        if operator and op.precedence:
            return operator
        name = self.names.new("operation")
        self.scope[name] = partial(op.value, ARRAYS)
        return call(name, arity)

    def square(self, x: Text) -> Text:
        return f"({x[0]}) ** 2", POWER

    def flat(self, name: str) -> str:
        return f"np.ravel({name})"

    def outer(self, a: Text, b: Text) -> Text:
        return f"np.multiply.outer({a[0]}, {b[0]})", ATOM

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        return f"np.sum(np.multiply({a[0]}, {b[0]}))", ATOM

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        if not letters:
            return f"reduced_{op.name}({x[0]})", ATOM
        for letter in reversed(letters):
            x = f"reduced_{op.name}([{x[0]} for {letter} in range({length_of(letter)})])", ATOM
        return x

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        return f"masked({condition}, {x[0]}, {fill[0]})", ATOM


LETTER = r"\b\w+?__\d+\b"
REDUCED = {"total": np.sum, "largest": np.max, "smallest": np.min}
REDUCED["logsumexp"] = lambda x: np.logaddexp.reduce(np.ravel(x))


def length_of(letter: str) -> int:
    return int(letter.rpartition("__")[2])


def fit(x: Array, shape: tuple[int, ...]) -> Array:
    """Dimensions of length 1 are not said in matrix notation."""
    x = np.squeeze(x) if np.size(x) != np.prod(shape) else np.reshape(x, [n for n in shape if n > 1])
    return np.broadcast_to(x, [n for n in shape if n > 1]).reshape(shape)


@pytest.mark.parametrize("seed", sample(range(200), 40))
def test_formulas_say_what_random_programs_compute(seed: int) -> None:
    maker = Maker(seed, 1 + seed % 12, samples=seed % 2 == 0)
    leaves = maker.leaves()
    got = Evaluated(maker.program, leaves).run()
    check(got, maker.program, leaves)


@pytest.mark.parametrize("seed", sample(range(100), 20))
def test_formulas_say_what_random_gradients_are(seed: int) -> None:
    random = Random(seed)
    program = drawn_programs.drawn(random)
    program = differentiate(program, [b for b in (*program.inputs, *program.parameters) if b.kind != "index"])
    leaves = drawn_programs.numbers(program, random)
    check(Evaluated(program, leaves).run(), program, leaves)


def check(got: Sequence[Array], program: Program, leaves: dict[Block, Array]) -> None:
    for x, true, output in zip(got, run(program, leaves), program.outputs, strict=True):
        true = np.broadcast_to(true, np.broadcast_shapes(true.shape, output.shape))
        x = fit(x, true.shape) if x.size > 1 or true.size == 1 else np.broadcast_to(x, true.shape)
        np.testing.assert_allclose(x, true, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sample([name for name in BY_HAND if "argument" not in name], 8))
def test_formulas_say_what_models_compute(name: str) -> None:
    model = BY_HAND[name]()
    found = trace_function(lambda _: [model.loss()], "loss", [], model.loss)
    program = roll(found.tape)
    program = differentiate(program, program.parameters)
    leaves = {block: np.zeros(block.shape) for block in program.parameters}
    for (block, cell), p in zip(program.places, found.parameters):
        leaves[block].reshape(-1)[cell] = p.data
    check(Evaluated(program, leaves).run(), program, leaves)


# ---- how listings look -----------------------------------------------------------------------------------------------
def values(name: str, *shape: int) -> Any:
    if not shape:
        return Value(0.5, label=name)
    return [values(f"{name}[{i}]", *shape[1:]) for i in range(shape[0])]


def program_of(f: Callable[..., Any], *numbers: float, gradients: bool = False) -> Program:
    """Of a function that returns a Value, or a list of them."""

    def results(xs: list[Any]) -> list[Any]:
        y = f(*xs)
        return y if isinstance(y, list) else [y]

    program = roll(trace_function(results, "f", [*zip("xyz", numbers)], f).tape)
    return differentiate(program, [*program.inputs, *program.parameters]) if gradients else program


def formulas(program: Program, notation: type[Listing] = Listing) -> list[str]:
    """Line by line, those of a loop indented."""
    lines = notation(program, Names(())).lines
    signs = [f" {'+' * line.adds}= " if line.block else " in " for line in lines]
    return ["  " * line.depth + line.left + sign + line.right for line, sign in zip(lines, signs)]


def test_a_listing_says_what_there_is_what_becomes_of_it_and_where_it_comes_from() -> None:
    X, w, b = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], values("w", 4, 3), values("b", 4)

    def loss() -> Any:
        hs = [[(sum(wi * xi for wi, xi in zip(row, x)) + bi).relu() for row, bi in zip(w, b)] for x in X]
        return sum(h * h for h in hs[0]) + sum(h * h for h in hs[1])

    line = loss.__code__.co_firstlineno + 1
    assert (
        listing.write_text(program_of(loss, gradients=True))
        == f"""\
f: 71 operations on numbers are 4 on arrays, and 5 more for the gradients

W      (4, 3)  parameter w
b      (4,)    parameter
DATA   (2, 3)  constant

                                    operations  test_printed_formulas.py
h0     (2, 4)  = DATA @ W.T + b             48  {line}
h1     (2, 4)  = relu(h0)                    8  {line}
y              = sum(h1 ** 2)               15  {line + 1}

gradients
g0     (2, 4)  = 2 * h1 * step(h0)              {line}-{line + 1}
db[i]  (4,)    = sum_j(g0[j, i])                {line}
dW     (4, 3)  = g0.T @ DATA                    {line}"""
    )


def test_a_listing_says_what_stayed_scalar_and_why() -> None:
    w = Value(0.5, label="w")
    lines = listing.write_text(program_of(lambda x: tg.tanh(w * x + 1.0), 2.0)).splitlines()
    assert lines[:4] == ["f: 3 operations on numbers", "", "x  input", "w  parameter"]
    assert re.fullmatch(r"y  = tanh\(x \* w \+ 1\) +3  \d+", lines[6])
    assert re.fullmatch(r"3 operations stayed scalar \(.+:\d+\): they have no partner of the same kind", lines[-1])
    (*_, one) = listing.write_text(program_of(lambda x: tg.sin(x), 2.0)).splitlines()
    assert re.fullmatch(r"1 operation stayed scalar \(.+:\d+\): it has no partner of the same kind", one)


def test_what_is_no_matrix_notation_has_indices() -> None:
    x, w, a = values("x", 9), values("w", 3), values("a", 4, 5)
    convolution = program_of(lambda: [sum(w[j] * x[i + j] for j in range(3)).tanh() for i in range(7)])
    assert formulas(convolution) == ["y[i] = tanh(sum_j(x[i + j] * w[j]))"]
    largest = program_of(lambda: [tg.maximum(*row) for row in a])
    assert formulas(largest) == ["y[i] = max_j(A[i, j])"]


A, v, u = Block("A", (4, 5), "parameter"), Block("v", (4,), "parameter"), Block("u", (5,), "parameter")


def formula(op: str, *operands: Access, axes: tuple[int, ...], reduced: int = 0, reduce: str = "total") -> str:
    """Of a program of one statement."""
    out = Block("", axes[: len(axes) - reduced])
    statement = Statement(out, OPS[op] if op else COPY, operands, axes, reduced, OPS[reduce])
    (line,) = formulas(Program("f", (), (A, v, u), (statement,), (Output(whole(out), out.shape),)))
    return line


def test_slices_and_transposes_are_matrix_notation() -> None:
    assert formula("mul", whole(A), Access(u, (0, 1)), axes=(4, 5), reduced=1) == "y = A @ u"
    assert formula("mul", Access(A, (1, 5), 1), Access(v, (0, 1)), axes=(4, 4), reduced=1) == "y = A[:, 1:].T @ v"
    assert formula("add", Access(A, (1, 5)), Access(v, (0, 1)), axes=(5, 4)) == "y = A.T + v"
    assert formula("add", whole(A), Access(v, (1, 0)), axes=(4, 5)) == "y[i, j] = A[i, j] + v[i]"
    assert formula("mul", Access(v, (1, 0)), Access(u, (0, 1)), axes=(4, 5)) == "y = outer(v, u)"
    assert formula("mul", whole(v), whole(v), axes=(4,), reduced=1) == "y = sum(v ** 2)"
    assert formula("mul", whole(v), Access(u, (1,)), axes=(4,), reduced=1) == "y = v @ u[:4]"
    assert formula("exp", Access(A, (-1,), 19), axes=(20,)) == "y[i] = exp(flat(A)[19 - i])"


def test_a_mask_says_where_it_is_true() -> None:
    def masked(mask: Array, fill: float = 0.0) -> str:
        return formula("", Access(A, (5, 1), 0, None, mask, fill), axes=(4, 5))

    assert masked(np.tri(4, 5) > 0) == "y[i, j] = where(j <= i, A[i, j], 0)"
    assert masked(np.tri(4, 5, -1) > 0) == "y[i, j] = where(j < i, A[i, j], 0)"
    assert masked(np.arange(5)[None] >= 2, -math.inf) == "y[i, j] = where(2 <= j, A[i, j], -inf)"
    assert masked(np.arange(4)[:, None] <= 1) == "y[i, j] = where(i <= 1, A[i, j], 0)"
    both = (np.tri(4, 5) > 0) & (np.arange(4)[:, None] >= 1)
    assert masked(both) == "y[i, j] = where(j <= i and 1 <= i, A[i, j], 0)"
    assert masked(np.arange(20).reshape(4, 5) % 3 > 0) == "y[i, j] = where(MASK[i, j], A[i, j], 0)"
    assert masked(np.zeros((1, 1), bool), 0.5) == "y[i, j] = 0.5"
    mask = np.tri(4, 5) > 0
    assert formula("", Access(A, (5, 1), 0, None, mask, -math.inf), axes=(4, 5), reduced=1, reduce="largest") == (
        "y[i] = max_j(where(j <= i, A[i, j], -inf))"
    )


def test_a_table_of_cells_is_said_in_steps_where_it_has_some() -> None:
    def gathered(index: Any) -> str:
        return formula("", Access(A, index=np.array(index)), axes=(3,))

    assert gathered([0, 5, 10]) == "y[i] = A[i, 0]"
    assert gathered([4, 8, 12]) == "y[i] = A[i, 4 - i]"
    assert gathered([7, 17, 2]) == "y[i] = A[INDEX[i], 2]"
    assert gathered([7, 16, 3]) == "y[i] = A[INDEX[i], INDEX_2[i]]"


def recurrence() -> Any:
    w, h0 = values("w", 3, 3), values("h", 3)

    def f() -> Any:
        h = h0
        for _ in range(50):
            h = [sum(a * b for a, b in zip(row, h)).tanh() for row in w]
        return sum(h)

    return f


def test_a_loop_is_a_recurrence() -> None:
    program = program_of(recurrence(), gradients=True)
    assert formulas(program) == [
        "h0[0] = h",
        "t in 0, 1, …, 49",
        "  h0[t + 1] = tanh(W @ h0[t])",
        "y = sum(h0[50])",
        "dh[50] = 1",
        "t in 49, …, 1, 0",
        "  g0[t] = dh[t + 1] * (1 - h0[t + 1] * h0[t + 1])",
        "  dh[t] = W.T @ g0[t]",
        "dW = g0.T @ h0[:50]",
    ]
    assert "\nreturns y, dW, dh[0]\n" in listing.write_text(program) + "\n"


def test_no_line_of_a_listing_is_too_long() -> None:
    programs = [Maker(seed, 12, samples=seed % 2 == 0).program for seed in range(20)]
    programs += [program_of(BY_HAND[name]().loss, gradients=True) for name in ("gpt, two layers", "lstm", "series")]
    for program in programs:
        assert max(map(len, listing.write_text(program).splitlines())) <= WIDTH


def test_a_long_program_is_not_listed_to_the_end() -> None:
    blocks = [Block("x", kind="input"), *[Block(f"v{i}") for i in range(300)]]
    statements = [Statement(b, OPS["sin"], (Access(a),), origin=Origin((), 1)) for a, b in pairwise(blocks)]
    text = listing.write_text(Program("f", (blocks[0],), (), tuple(statements), (Output(Access(blocks[-1])),)))
    assert len(text.splitlines()) == 118
    assert re.search(r"\n…  +190 more lines\n", text)
    assert "v0    = sin(x)" in text
    assert "v299  = sin(v298)" in text


# ---- how LaTeX looks -------------------------------------------------------------------------------------------------
def lines_of(program: Program) -> list[str]:
    first, *lines, last = latex.write_text(program).splitlines()
    assert (first, last) == (r"\begin{aligned}", r"\end{aligned}")
    assert all(line.endswith(r" \\") for line in lines[:-1])
    return [line.removesuffix(r" \\") for line in lines]


def test_formulas_of_numbers_look_as_in_a_book() -> None:
    x, theta = Value(0.5, label="x"), Value(0.25, label="θ")
    program = program_of(lambda: tg.exp(x) / (x**2 + 1.0) - tg.sqrt(theta) * tg.relu(x), gradients=False)
    assert lines_of(program) == [r"y &= \frac{e^{x}}{{x}^{2} + 1} - \sqrt{\theta} \cdot \max\left(x, 0\right)"]


def test_matrices_in_latex() -> None:
    X, w, b = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], values("w", 4, 3), values("b", 4)

    def loss() -> Any:
        hs = [[(sum(wi * xi for wi, xi in zip(row, x)) + bi).relu() for row, bi in zip(w, b)] for x in X]
        return sum(h * h for h in hs[0]) + sum(h * h for h in hs[1])

    assert lines_of(program_of(loss, gradients=True)) == [
        r"D &\in \mathbb{R}^{2 \times 3}",
        r"h_{0} &= D \, {W}^{\top} + b",
        r"h_{1} &= \max\left(h_{0}, 0\right)",
        r"y &= \left\|h_{1}\right\|^{2}",
        r"g_{0} &= 2 \cdot h_{1} \odot \operatorname{step}\left(h_{0}\right)",
        r"\frac{\partial y}{\partial b}[i] &= \sum_{j} g_{0}[j, i]",
        r"\frac{\partial y}{\partial W} &= {g_{0}}^{\top} \, D",
    ]


def test_a_loop_in_latex() -> None:
    lines = lines_of(program_of(recurrence()))
    assert lines == [
        r"h_{0}[0] &= h",
        r"&\text{for } t = 0, 1, \ldots, 49{:}",
        r"h_{0}[t + 1] &= \tanh\left(W \, h_{0}[t]\right)",
        r"y &= \sum h_{0}[50]",
    ]


def test_functions_of_several_steps_come_first() -> None:
    softplus, y = lines_of(program_of(lambda x: tg.softplus(2.0 * x), 1.0))
    left = r"\operatorname{softplus}\left(x\right) &= "
    assert softplus == left + r"\max\left(x, 0\right) + \ln\left(1 + e^{-\left|x\right|}\right)"
    assert y.startswith(r"y &= \operatorname{softplus}\left(")


def test_gradients_that_are_one_number_have_a_line_each() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    lines = lines_of(program_of(lambda: (a + b) ** 2, gradients=True))
    assert r"\frac{\partial y}{\partial b} &= \frac{\partial y}{\partial a}" in lines or (
        r"\frac{\partial y}{\partial a} &= \frac{\partial y}{\partial b}" in lines
    )


KNOWN = """
begin end frac partial left right max min sum odot top cdot ln log sin cos tan sinh cosh tanh arcsin arccos arctan sqrt
operatorname mathrm mathbb text in times le wedge infty ldots mathrel sigma exp
""".split()


@pytest.mark.parametrize("seed", range(40))
def test_all_commands_are_known_to_browsers(seed: int) -> None:
    """And braces are closed, and no index follows an index."""
    source = latex.write_text(Maker(seed, 12, samples=seed % 2 == 0).program)
    assert {*re.findall(r"\\([a-zA-Z]+)", source)} <= {*KNOWN}
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", source):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert source.count(r"\left") == source.count(r"\right")
    assert not re.search(r"_\{[^{}]*\}_|\^\{[^{}]*\}\^", source)


HOSTILE = [
    "a & b",
    "x_1^2",
    r"\\",
    "{",
    "%",
    "$x$",
    "#",
    "~",
    "lambda",
    "for",
    "sum",
    "0",
    "",
    "é",
    "名",
    "a b",
    "__",
    "e",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_mean_nothing_but_names(label: str) -> None:
    x = [Value(1.0, label=label), Value(2.0, label=f"{label}[0]"), Value(3.0, label=label)]
    program = program_of(lambda: (x[0] * x[1] + tg.sin(x[2])) ** 2, gradients=True)
    leaves = listing.write_text(program).split("\n\n")[1].splitlines()
    names = {row.split("  ")[0] for row in leaves}
    assert len(names) == len(leaves) == len(program.parameters)
    assert all(name.isidentifier() for name in names)
    left = [line.partition(" &")[0] for line in lines_of(program)]
    assert len({*left}) == len(left)
    assert not re.search(r"[%$#~]|(?<!\\)\\ ", latex.write_text(program).replace(r" \\", ""))
