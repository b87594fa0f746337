"""Texts of programs in languages that run: the function of a program, and what it needs in front of it.

How statements are written is left to those who inherit from `FunctionWriter`: `_arrays.py` and `_cells.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tinygrad_edu.compiler.program import AnyStatement, Array, Block, Loop, Output, Program, Scatter, Statement
from tinygrad_edu.rules import Op

from .notation import WIDTH, Form, Names, Notation, call, identifier, listed
from .plan import Expansions, Plan

LONGEST_PARTS = 76  # characters that parts of an expression may have before one of them gets a line and a name
Functions = dict[tuple[Op, int], str]  # the names of operations that are functions, by their number of inputs


@dataclass
class Source:
    """A program in parts: what it imports, helpers, constants by their names, and the function."""

    name: str
    function: str
    outputs: int
    constants: dict[str, Array]
    helpers: list[str]
    used: set[str]  # names of operations, and of other things that have to be imported
    imports: list[str] = field(default_factory=list)

    def text(self, constants: Sequence[str] = (), blank_lines: str = "\n\n\n") -> str:
        """With the constants as they are written, or without, where they are given to it in another way."""
        parts = ["\n".join(self.imports), "\n".join(constants), *self.helpers, self.function]
        return blank_lines.join([part for part in parts if part])


class Constants:
    """Arrays that a text calls by a name, each once."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.arrays: dict[str, Array] = {}
        self._known: dict[tuple[tuple[int, ...], str, bytes], str] = {}

    def name(self, wish: str, x: Array) -> str:
        """The name of an array, which is the same wherever it is used."""
        key = (x.shape, x.dtype.str, x.tobytes())
        if key not in self._known:
            self._known[key] = self.names.new(wish)
            self.arrays[self._known[key]] = x
        return self._known[key]


class Letters:
    """The variables of loops and sums: in loops of the same depth the same one."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._known: dict[str, list[str]] = {}

    def at(self, depth: int, letters: str = "ijklmopqr") -> str:
        """The variable of that depth; deeper than there are letters, it has a number."""
        known = self._known.setdefault(letters, [])
        while len(known) <= depth:
            known.append(self.names.new(letters[min(len(known), len(letters) - 1)]))
        return known[depth]


def numbers_of(block: Block) -> Array:
    """The numbers of a block of constants, in its shape."""
    import numpy as np

    assert block.data is not None, f"block {block.name!r} is read before it is written"
    return np.asarray(block.data, float).reshape(block.shape)


class FunctionWriter:
    """Writes one function; a subclass says how its language puts the statements."""

    notation: ClassVar[Notation]
    tab: ClassVar[str] = "    "

    def __init__(self, program: Program, names: Names, functions: Functions, arrays: bool) -> None:
        self.program, self.names, self.functions = program, names, functions
        self.plan = Plan(program, names, arrays)
        self.constants = Constants(names)
        self.lines: list[str] = []
        self.depth = 0
        self.used: set[str] = set()
        self.states: set[str] = set()  # names that a loop assigns anew in each turn
        self.waiting: dict[Block, None] = {}  # results whose expressions have no line yet

    def function(self, name: str) -> str:
        """The text of the function."""
        self.body(self.program.statements)
        results = [self.output(output) for output in self.program.outputs]
        leaves = [self.plan.name(leaf) for leaf in self.program.leaves]
        return self.definition(name, leaves, results)

    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        """The head of the function, its lines, and what it returns: in Python."""
        result = f"return {', '.join(results)}"
        if len(result) > WIDTH:
            result = listed("return (", results, ")")
        for line in result.split("\n"):
            self.line(line)
        return "\n".join([listed(f"def {name}(", leaves, "):"), *self.lines])

    def line(self, text: str) -> None:
        """Adds a line to the function."""
        self.lines.append(f"{self.tab * (self.depth + 1)}{text}")

    def body(self, statements: Sequence[AnyStatement]) -> None:
        """Writes statements, each in its own way."""
        for s in statements:
            if isinstance(s, Loop):
                self.loop(s)
            elif isinstance(s, Scatter):
                self.scatter(s)
            else:
                self.statement(s)

    def statement(self, s: Statement) -> None:
        """Puts the expressions that wait for it in that of a statement; where that is long, one gets a line before."""
        parts = dict.fromkeys([a.block for a in s.accesses if a.block in self.waiting])
        while sum([self.length(block) for block in parts]) > LONGEST_PARTS:
            longest = max(parts, key=self.length)
            self.assign(longest)
            del parts[longest]
        self.express(s)
        for block in parts:
            del self.waiting[block]
        self.finish(s.out)

    def finish(self, out: Block) -> None:
        """Gives a result a line, unless it is a part of another one, or something that has a name."""
        if out in self.plan.inline:
            self.waiting[out] = None
        elif not self.is_name(out):
            self.assign(out)

    def form(self, op: Op, arity: int) -> Form:
        """How an operation is written."""
        self.used.add(op.name)
        if (op, arity) in self.functions:
            return call(self.functions[op, arity], arity)
        form = self.notation.form(op)
        assert form is not None, op
        return form

    def express(self, s: Statement) -> None:
        """Makes the expression of what a statement computes."""
        raise NotImplementedError

    def length(self, block: Block) -> int:
        """How many characters the expression of a result has."""
        raise NotImplementedError

    def is_name(self, block: Block) -> bool:
        """Whether the expression of a result is only another name of something that keeps its own."""
        raise NotImplementedError

    def assign(self, block: Block) -> None:
        """Gives a result a line and a name."""
        raise NotImplementedError

    def output(self, output: Output) -> str:
        """The text of what is returned."""
        raise NotImplementedError

    def scatter(self, s: Scatter) -> None:
        """Writes an array to which parts are added."""
        raise NotImplementedError

    def loop(self, loop: Loop) -> None:
        """Writes a loop."""
        raise NotImplementedError


def write_parts(
    program: Program, writer: Callable[[Program, Names, Functions], FunctionWriter], expansions: Expansions
) -> Source:
    """A program, after the functions of operations of several steps. Imports are left to the language."""
    program, notation = expansions.program(program), expansions.notation
    names = Names(notation.reserved)
    name = names.new(identifier(program.name, "f"))
    functions: Functions = {}
    used, helpers = set[str](), []
    for (op, arity), body in expansions.functions.items():
        functions[op, arity] = names.new(identifier(op.name, "f"))
        inner = writer(body, Names(names.taken), functions)
        helpers.append(inner.function(functions[op, arity]))
        used |= inner.used
    main = writer(program, Names(names.taken - {name}), functions)
    text = main.function(name)
    used |= main.used
    helpers = [helper for key, helper in notation.helpers.items() if key in used] + helpers
    return Source(name, text, len(program.outputs), main.constants.arrays, helpers, used)
