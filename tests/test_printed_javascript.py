"""Array programs in JavaScript, run by Node: they compute what the interpreter and the engine compute."""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import drawn_programs
import numpy as np
import pytest
from interpreter import run
from javascript import JavaScript
from models import BY_HAND, Model, hold
from profiles import sample
from programs import Maker

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.compiler.printers import javascript as in_javascript
from tinygrad_edu.compiler.program import Block, Output, Program, Statement, whole
from tinygrad_edu.compiler.roll import roll
from tinygrad_edu.compiler.trace import trace_function
from tinygrad_edu.compiler.vjp import differentiate
from tinygrad_edu.rules import OPS

Array = Any


class Traced:
    """The program of a model, with its gradients, and where the numbers of its parameters are in it."""

    def __init__(self, model: Model) -> None:
        (numbers,) = model.arguments or ([],)
        inputs = [(f"t[{i}]", float(x)) for i, x in enumerate(numbers)]
        inputs = [(label, int(x)) if isinstance(y, int) else (label, x) for (label, x), y in zip(inputs, numbers)]
        found = trace_function(
            lambda xs: [model.loss(xs) if model.arguments else model.loss()], "loss", inputs, model.loss
        )
        program = roll(found.tape)
        self.program = differentiate(program, program.parameters)
        self.places = dict(zip(found.parameters, program.places[len(inputs) :]))
        self.leaves = {block: np.zeros(block.shape) for block, _ in program.places}
        for (block, cell), x in zip(program.places, [*numbers, *[p.data for p in found.parameters]]):
            self.leaves[block].reshape(-1)[cell] = x

    def in_order(self, model: Model, outputs: Sequence[float]) -> list[float]:
        """The loss, and its gradients in the order of the model's parameters."""
        loss, slopes, start = outputs[0], dict[tuple[Block, int], float](), 1
        for output in self.program.outputs[1:]:
            assert output.leaf is not None
            slopes |= {(output.leaf, cell): outputs[start + cell] for cell in range(output.leaf.size)}
            start += output.leaf.size
        return [loss, *[slopes.get(self.places[p], 0.0) if p in self.places else 0.0 for p in model.parameters]]


def run_in_javascript(javascript: JavaScript, program: Program, leaves: dict[Block, Array]) -> list[float]:
    """All outputs, one number after the other."""
    blocks = [*program.inputs, *program.parameters]
    arguments = [np.ravel(leaves[b]).tolist() if b.shape else float(leaves[b]) for b in blocks]
    (results,) = javascript(in_javascript.write_text(program), [arguments])
    return results


def flat(outputs: Sequence[Array], program: Program) -> Array:
    return np.concatenate([np.broadcast_to(x, o.shape).ravel() for x, o in zip(outputs, program.outputs)])


def same(got: Sequence[float], program: Program, leaves: dict[Block, Array]) -> None:
    np.testing.assert_allclose(got, flat(run(program, leaves), program), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", sample(range(150), 70))
def test_random_programs_in_javascript(javascript: JavaScript, seed: int) -> None:
    maker = Maker(seed, 1 + seed % 12, samples=False)
    leaves = maker.leaves()
    same(run_in_javascript(javascript, maker.program, leaves), maker.program, leaves)


@pytest.mark.parametrize("seed", sample(range(100), 20))
def test_random_gradients_in_javascript(javascript: JavaScript, seed: int) -> None:
    random = Random(seed)
    program = drawn_programs.drawn(random)
    program = differentiate(program, [b for b in (*program.inputs, *program.parameters) if b.kind != "index"])
    leaves = drawn_programs.numbers(program, random)
    same(run_in_javascript(javascript, program, leaves), program, leaves)


@pytest.mark.parametrize("name", sample([*BY_HAND], 6))
def test_models_in_javascript(javascript: JavaScript, name: str) -> None:
    model = BY_HAND[name]()
    found = Traced(model)
    hold(found.in_order(model, run_in_javascript(javascript, found.program, found.leaves)), model)


def record(f: Callable[..., Any], *numbers: float) -> Program:
    """The program of a function of numbers."""
    labels = [(name, x) for name, x in zip("xyz", numbers)]
    return roll(trace_function(lambda xs: [f(*xs)], "f", labels).tape)


def test_scalars_are_plain_lines_of_javascript() -> None:
    assert (
        in_javascript.write_text(record(lambda x, y: tg.tanh(x * y + 1.0) ** 2 - tg.relu(x), 0.5, 2.0))
        == """\
function f(x, y) {
  return Math.tanh(y * x + 1) ** 2 - Math.max(x, 0);
}"""
    )


def test_a_layer_is_a_loop_in_javascript() -> None:
    w = [[Value(0.1, label=f"w[{i}][{j}]") for j in range(3)] for i in range(2)]
    x = [Value(1.0, label=f"x[{j}]") for j in range(3)]
    tape = trace_function(lambda _: [tg.tanh(sum(wi * xi for wi, xi in zip(row, x))) for row in w], "layer", []).tape
    assert (
        in_javascript.write_text(roll(tape))
        == """\
function sum(xs) {
  return xs.reduce((a, b) => a + b, 0);
}

function layer(w, x) {
  return Array.from({ length: 2 }, (_, i) => Math.tanh(sum(Array.from({ length: 3 }, (_, j) => x[j] * w[3 * i + j]))));
}"""
    )


@pytest.mark.parametrize("y", [math.inf, -math.inf, 0.0, 3.0, 0.5])
def test_powers_in_javascript_are_those_of_the_engine(javascript: JavaScript, y: float) -> None:
    """1 and -1 to the power of infinity are 1, which they are not in JavaScript."""
    xs = [1.0, 0.5, 2.0, 0.0 if y >= 0 else 3.0] + [-1.0, -2.0, -0.5] * (y != 0.5)
    true = [[(Value(x) ** y).data] for x in xs]
    constant, variable = record(lambda x: x**y, 1.0), record(lambda x, y: x**y, 1.0, 1.0)
    assert javascript(in_javascript.write_text(constant), [[x] for x in xs]) == true
    assert javascript(in_javascript.write_text(variable), [[x, y] for x in xs]) == true


def test_outside_a_domain_javascript_has_nan_or_infinity(javascript: JavaScript) -> None:
    program = record(lambda x: tg.log(x) + tg.sqrt(x), 1.0)
    assert javascript(in_javascript.write_text(program), [[0.0]]) == [[-math.inf]]
    assert math.isnan(javascript(in_javascript.write_text(program), [[-1.0]])[0][0])


def test_programs_over_samples_are_not_written_in_javascript() -> None:
    x = Block("x", (2,), "input", samples=True)
    out = Block("", (2,), samples=True)
    program = Program("f", (x,), (), (Statement(out, OPS["tanh"], (whole(x),), (2,)),), (Output(whole(out), (2,)),))
    with pytest.raises(ValueError, match="many samples at once"):
        in_javascript.write_text(program)
