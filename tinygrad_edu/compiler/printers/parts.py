"""The parts of a text: imports, helpers, constants, and the function. How these are written is left to the printers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tinygrad_edu.compiler.program import Program
from tinygrad_edu.rules import Op

from .notation import Names, identifier
from .plan import Expansions

Array = Any  # of NumPy


@dataclass
class Source:
    """A program in parts: what it imports, helpers, constants by their names, and the function."""

    name: str
    imports: list[str]
    helpers: list[str]
    constants: dict[str, Array]
    function: str
    outputs: int

    def text(self, constants: Sequence[str] = ()) -> str:
        """With the constants as they are written, or without, where they are given to it in another way."""
        parts = ["\n".join(self.imports), "\n".join(constants), *self.helpers, self.function]
        return "\n\n\n".join([part for part in parts if part])


class Writer(Protocol):
    """Writes one function, and notes what it uses."""

    used: set[str]
    constants: dict[str, Array]

    def __init__(self, program: Program, names: Names, functions: dict[tuple[Op, int], str]) -> None: ...

    def function(self, name: str) -> str: ...


W = TypeVar("W", bound=Writer)


def parts_of(program: Program, writer: type[W], expansions: Expansions) -> tuple[Source, W]:
    """A program, after the functions of operations of several steps; what else it needs is left to the language."""
    program = expansions.program(program)
    names = Names(expansions.notation.reserved)
    name = names.new(identifier(program.name, "f"))
    functions: dict[tuple[Op, int], str] = {}
    used, helpers = set[str](), []
    for (op, arity), body in expansions.functions.items():
        functions[op, arity] = names.new(identifier(op.name, "f"))
        function = writer(body, Names(names.taken), functions)
        helpers.append(function.function(functions[op, arity]))
        used |= function.used
    main = writer(program, Names(names.taken - {name}), functions)
    text = main.function(name)
    main.used |= used
    return Source(name, [], helpers, main.constants, text, len(program.outputs)), main
