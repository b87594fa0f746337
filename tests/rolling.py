"""Rolls functions for the tests: their array programs, held to what such a program is, and to the engine's numbers."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from random import Random
from typing import Any

import numpy as np
from interpreter import run
from rounding import rounding_errors

from tinygrad_edu import Value
from tinygrad_edu.compiler._structure import join_numbers, split_numbers
from tinygrad_edu.compiler.program import (
    TAKE,
    Access,
    AnyStatement,
    Block,
    Loop,
    Operand,
    Program,
    Scatter,
    Statement,
    written_blocks,
)
from tinygrad_edu.compiler.roll import roll
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.compiler.trace import trace_function

Function = Callable[..., Any]


class Cases(dict[str, tuple[Function, tuple[Any, ...]]]):
    """Functions, by their names, each with the arguments that it is rolled with."""

    def rolls(self, *example: Any) -> Callable[[Function], Function]:
        """Says that a function, called with arguments like these, becomes the program in its docstring."""

        def enter(f: Function) -> Function:
            self[f.__name__.replace("_", " ").strip()] = f, example
            return f

        return enter


class Rolled:
    """The program of a function, and what the engine makes of the same function."""

    def __init__(self, f: Callable[..., Any], *example: Any) -> None:
        names = f.__code__.co_varnames[: len(example)]
        numbers: list[tuple[str, Any]] = []
        structures = [split_numbers(x, name, numbers) for name, x in zip(names, example)]

        def on(leaves: Sequence[Any]) -> list[Any]:
            rest = iter(leaves)
            results: list[tuple[str, Any]] = []
            split_numbers(f(*[join_numbers(s, rest) for s in structures]), "", results)
            return [y for _, y in results]

        self._on, self.numbers = on, [x for _, x in numbers]
        trace = trace_function(on, f.__name__, numbers, f)
        self.tape: Tape = trace.tape
        self.parameters: list[Value] = trace.parameters
        self.program: Program = roll(trace.tape)

    def hold(self, seed: int = 0) -> None:
        """The program is one, and computes what the engine does: at the example, and at other numbers."""
        hold_to_form(self.program)
        self.hold_at(self.numbers, [p.data for p in self.parameters])
        random = Random(seed)
        others = [x if isinstance(x, int) else random.uniform(0.25, 2.0) for x in self.numbers]
        self.hold_at(others, [random.uniform(0.25, 2.0) for _ in self.parameters])

    def hold_at(self, inputs: Sequence[Any], parameters: Sequence[float]) -> None:
        before = [p.data for p in self.parameters]
        try:
            for p, x in zip(self.parameters, parameters):
                p.data = x
            ys = [y if isinstance(y, Value) else Value(y) for y in self._on([_leaf(x) for x in inputs])]
            true, errors = [y.data for y in ys], rounding_errors(*ys)
        finally:
            for p, x in zip(self.parameters, before):
                p.data = x
        got = numbers_of(self.program, [*inputs, *parameters])
        assert len(got) == len(true)
        for i, (y, truth, error) in enumerate(zip(got, true, errors)):
            assert y == truth or abs(y - truth) <= 1e-14 * error, f"output {i} is {y}, not {truth}"


def _leaf(x: Any) -> Any:
    return x if isinstance(x, int) else Value(x)


def numbers_of(program: Program, numbers: Sequence[float]) -> list[float]:
    """All outputs of a program, one after the other; of one number for each input and parameter of the function."""
    leaves = {block: np.full(block.size, np.nan) for block in (*program.inputs, *program.parameters)}
    for (block, cell), x in zip(program.places, numbers, strict=True):
        leaves[block][cell] = x
    outputs = zip(run(program, leaves), program.outputs)
    return [float(y) for ys, o in outputs for y in np.broadcast_to(ys, o.shape).ravel()]


# ---- what a program is -----------------------------------------------------------------------------------------------
def hold_to_form(program: Program) -> None:
    """Each block is written once, before it is read; accesses fit their axes and stay in their blocks."""
    known = {*program.inputs, *program.parameters}
    assert len(known) == len(program.inputs) + len(program.parameters)
    assert len({*program.places}) == len(program.places) == sum(block.size for block in known)
    _hold_statements(program.statements, known)
    for output in program.outputs:
        _hold_operand(output.access, output.shape, known)


def _hold_statements(statements: Sequence[AnyStatement], known: set[Block]) -> None:
    for statement in statements:
        if isinstance(statement, Loop):
            _hold_loop(statement, {*known})
        elif isinstance(statement, Scatter):
            for part in statement.parts:
                assert part.target.block is statement.out
                _hold_operand(part.source, part.axes, known)
                _hold_operand(part.target, part.axes, {statement.out})
        else:
            _hold_statement(statement, known)
        for block in written_blocks(statement):
            assert block not in known
            assert block.kind == "result"
            known.add(block)


def _hold_statement(statement: Statement, known: set[Block]) -> None:
    assert all(n > 1 for n in statement.axes)
    reduced = 1 if statement.op is TAKE else statement.reduced
    assert statement.out.shape == statement.axes[: len(statement.axes) - reduced]
    assert statement.origin.operations > 0 or statement.op.name == "copy"
    for x in statement.operands:
        _hold_operand(x, statement.axes, known)


def _hold_loop(loop: Loop, known: set[Block]) -> None:
    for carry in loop.carried:
        _hold_operand(carry.initial, carry.state.shape, known)
    for block, access in loop.streams:
        _hold_operand(access, (loop.turns, *block.shape), known)
    known |= {carry.state for carry in loop.carried} | {block for block, _ in loop.streams}
    _hold_statements(loop.body, known)
    for carry in loop.carried:
        _hold_operand(carry.result, carry.state.shape, known)
        assert carry.final is None or carry.final.shape == carry.state.shape
    for block, outer in loop.stacked:
        assert block in known
        assert outer.shape == (loop.turns, *block.shape)


def _hold_operand(x: Operand, axes: Sequence[int], known: set[Block]) -> None:
    if not isinstance(x, Access):
        assert type(x) is float
        return
    assert x.block in known or x.block.kind == "data"
    if x.block.kind == "data":
        assert x.block.data is not None
        assert len(x.block.data) == x.block.size
    for array in (x.index, x.mask):
        assert array is None or all(n in (1, length) for n, length in zip(array.shape, axes, strict=True))
    if x.index is not None:
        assert x.strides == ()
        assert 0 <= x.index.min() <= x.index.max() < x.block.size
        return
    assert len(x.strides) == len(axes)
    assert all(s == 0 for s, n in zip(x.strides, axes) if n == 1)
    ends = [(n - 1) * s for s, n in zip(x.strides, axes)]
    assert x.offset + sum(e for e in ends if e < 0) >= 0
    assert x.offset + sum(e for e in ends if e > 0) < x.block.size


def statements_in(program: Program) -> Iterator[AnyStatement]:
    """All of them, those of loops too."""
    stack = [*program.statements]
    while stack:
        statement = stack.pop()
        yield statement
        if isinstance(statement, Loop):
            stack += statement.body


def scalar_operations(program: Program) -> int:
    """How many operations of the function its statements stand for."""
    return sum(s.origin.operations for s in program.statements if not isinstance(s, Scatter) or prod(s.out.shape))
