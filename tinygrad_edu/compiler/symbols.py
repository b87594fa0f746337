"""Symbols: numbers of which only the place on a tape is known. A rule that computes with them writes on that tape.

So a derivative is written as a formula, or as a program, from the rule that computes it, and stands nowhere else.
What a tape is, and what is left out while it is written, stands in `tape.py`. Arrays are found in it by `roll.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from tinygrad_edu.ops import ADD, CONSTANT, DIV, LEAF, MUL, NEG, POW, SUB
from tinygrad_edu.rules import FLOATS, OPS, NumberSystem, Op

from .program import Access, Block, Operand, Output, Program, Statement
from .tape import Builder, Tape


class Symbol:
    """A number of which only the place on a tape is known: a rule that computes with it writes on the tape."""

    __slots__ = ("builder", "place")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: Builder, place: int) -> None:
        self.builder, self.place = builder, place

    def __bool__(self) -> bool:
        raise TypeError("it branches on a number; m.step, m.maximum, m.minimum and m.sign decide without a branch")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: bool(self)

    def __add__(self, other: Any) -> Any:
        return _write(ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return _write(ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return _write(SUB, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _write(SUB, other, self)

    def __mul__(self, other: Any) -> Any:
        return _write(MUL, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _write(MUL, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _write(DIV, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _write(DIV, other, self)

    def __pow__(self, other: Any) -> Any:
        return _write(POW, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _write(POW, other, self)

    def __neg__(self) -> Any:
        return _write(NEG, self)

    def __pos__(self) -> "Symbol":
        return self

    def __abs__(self) -> Any:
        return SYMBOLS.abs(self)


class Symbols(NumberSystem):
    """The number system of symbols: each function writes an operation, unless it is called on plain numbers."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in OPS:
            raise AttributeError(f"no operation is called {name!r}")
        return partial(_write, OPS[name])


def _write(op: Op, *xs: Any) -> Any:
    builder = next((x.builder for x in xs if isinstance(x, Symbol)), None)
    if builder is None:
        return op.value(FLOATS, *xs)
    places = [x.place if isinstance(x, Symbol) else builder.constant(float(x)) for x in xs]
    return Symbol(builder, builder.operation(op, tuple(places)))


SYMBOLS = Symbols()


def program_of(tape: Tape) -> Program:
    """The tape as a program of single numbers: a statement for each operation.

    >>> from tinygrad_edu.compiler.tape import make_tape
    >>> builder = Builder()
    >>> x = Symbol(builder, builder.leaf("x"))
    >>> program = program_of(make_tape("f", builder.entries, [x.place], [], [(x * x + 1.0).place]))
    >>> [statement.op.name for statement in program.statements]
    ['mul', 'add']
    """
    inputs, statements, of = {*tape.inputs}, list[Statement](), list[Operand]()
    for place, (op, places, label, number) in enumerate(tape.entries):
        if op is CONSTANT:
            of.append(number)
        elif op is LEAF:
            of.append(Access(Block(label, kind="input" if place in inputs else "parameter")))
        else:
            statements.append(Statement(Block(label), op, tuple([of[i] for i in places])))
            of.append(Access(statements[-1].out))
    leaves = [[x.block for i in kind if isinstance(x := of[i], Access)] for kind in (tape.inputs, tape.parameters)]
    cells = tuple([(block, 0) for block in leaves[0] + leaves[1]])
    outputs = tuple([Output(of[i]) for i in tape.outputs])
    return Program(tape.name, tuple(leaves[0]), tuple(leaves[1]), tuple(statements), outputs, cells)
