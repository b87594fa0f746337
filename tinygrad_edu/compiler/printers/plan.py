"""What the printers decide alike: what gets a line and a name, and which operations are made of simpler ones.

How anything is written is left to the printer of each language.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod

from tinygrad_edu.compiler.program import (
    COPY,
    EQUAL,
    ONE,
    TAKE,
    Access,
    AnyStatement,
    Block,
    Loop,
    Operand,
    Output,
    Program,
    Statement,
    strides_of,
    whole,
    written_blocks,
)
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol
from tinygrad_edu.compiler.tape import Builder
from tinygrad_edu.ops import CONSTANT, DETACH, MUL, POW, TOTAL
from tinygrad_edu.rules import Op, find

from .notation import Names, Notation, identifier, plain

SPECIAL_OPS = (COPY, EQUAL, ONE, TAKE, DETACH)


# ---- operations as simpler ones --------------------------------------------------------------------------------------
@dataclass
class Expansions:
    """Writes operations that a language has no form for as simpler ones, wherever that is short.

    So max(x, 0) takes the place of a `relu`, but a `sigmoid` stays: it is better written as a function, once. Those are
    in `functions`, each after the ones that it uses. With `products` small whole powers are multiplied out.
    `folds` says that the language reduces lists by operations on two numbers, except for sums.
    """

    notation: Notation
    products: bool = False
    folds: bool = False
    functions: dict[tuple[Op, int], Program] = field(default_factory=dict)
    _short: dict[tuple[Op, int], Program | None] = field(default_factory=dict)

    def program(self, program: Program) -> Program:
        """The program in which those operations are expanded."""
        return replace(program, statements=tuple(self._body(program.statements)))

    def _body(self, statements: Sequence[AnyStatement]) -> Iterator[AnyStatement]:
        for s in statements:
            if isinstance(s, Loop):
                yield replace(s, body=tuple(self._body(s.body)))
            elif isinstance(s, Statement):
                yield from self._statement(s)
            else:
                yield s

    def _statement(self, s: Statement) -> Iterator[Statement]:
        op, operands = s.op, s.operands
        if self.folds and s.reduced and s.reduce.of_two and s.reduce is not TOTAL:
            self._add_reduction(s.reduce.of_two)
        if op is POW and isinstance(operands[0], Access) and not isinstance(operands[1], Access):
            exponent = operands[1]
            op, operands = find("power", int(exponent) if exponent.is_integer() else exponent), operands[:1]
        if op.name == "power" and self.notation.power(op.parameters[0]) == "pow":
            op, operands = POW, (operands[0], float(op.parameters[0]))
        s = replace(s, op=op, operands=operands)
        body = self._simpler(op, len(operands))
        if body:
            yield from self._applied(body, s)
        else:
            yield s

    def _add_reduction(self, op: Op) -> None:
        if self.notation.form(op) is None and (op, 2) not in self.functions:
            self.functions[op, 2] = self.program(expand_operation(op, 2))

    def _simpler(self, op: Op, arity: int) -> Program | None:
        """What is written in place of an operation; None where the language has the operation, or it is a function."""
        if op.name == "power" and self.products and op.parameters[0] in range(3, 9):
            return _power_as_product(int(op.parameters[0]))
        if op in SPECIAL_OPS or self.notation.form(op):
            return None
        if (op, arity) not in self._short:
            body = expand_operation(op, arity)
            self._short[op, arity] = body if _is_readable(body) else None
            if not _is_readable(body):
                self.functions[op, arity] = self.program(body)
        return self._short[op, arity]

    def _applied(self, body: Program, s: Statement) -> Iterator[Statement]:
        """The statements that apply a function of numbers to the operands of a statement."""
        of: dict[Block, Operand] = dict(zip(body.inputs, s.operands))
        for step in body.statements:
            assert isinstance(step, Statement)
            operands = tuple([of[x.block] if isinstance(x, Access) else x for x in step.operands])
            if step is body.statements[-1]:
                yield from self._statement(replace(s, op=step.op, operands=operands))
            else:
                samples = any(isinstance(x, Access) and x.block.samples for x in operands)
                out = Block("", s.axes, samples=samples)
                of[step.out] = whole(out)
                yield from self._statement(Statement(out, step.op, operands, s.axes, origin=s.origin))


def expand_operation(op: Op, arity: int) -> Program:
    """Writes what the rule of an operation on `arity` inputs computes as a program of numbers.

    Raises:
        TypeError: The rule looks at its numbers.
    """
    builder = Builder()
    names = "x" if arity == 1 else "ab" if arity == 2 else [f"x{i}" for i in range(arity)]
    places = [builder.leaf(name) for name in names]
    try:
        y = op.value(SYMBOLS, *[Symbol(builder, i) for i in places])
    except TypeError as error:
        raise TypeError(
            f"operation {op} cannot be written as a program, as its rule does more than use + - * / ** and the "
            f"functions of m: {error}"
        ) from error
    inputs = tuple([Block(name, kind="input") for name in names])
    of: dict[int, Operand] = {place: Access(block) for place, block in zip(places, inputs)}
    for place, node in enumerate(builder.entries):
        if node.op is CONSTANT:
            of[place] = node.number
    wanted, stack = set[int](), [y.place] if isinstance(y, Symbol) else []
    while stack:
        place = stack.pop()
        if place not in wanted:
            wanted.add(place)
            stack.extend(builder.entries[place].inputs)
    statements = []
    for place in sorted(wanted - of.keys()):
        node = builder.entries[place]
        statements.append(Statement(Block(""), node.op, tuple([of[i] for i in node.inputs])))
        of[place] = Access(statements[-1].out)
    if not statements:  # one of the inputs, or a constant
        statements = [Statement(Block(""), COPY, (of[y.place] if isinstance(y, Symbol) else float(y),))]
    return Program(op.name, inputs, (), tuple(statements), (Output(Access(statements[-1].out)),))


def _is_readable(body: Program) -> bool:
    """Whether an expansion reads as well as its name: it names no input twice, or is arithmetic."""
    operations = {s.op for s in body.statements if isinstance(s, Statement)}
    count = Counter([a.block for s in body.statements for a in s.accesses])
    return all(count[x] <= 1 for x in body.inputs) or all(op.precedence for op in operations)


def _power_as_product(n: int) -> Program:
    """The product x·x·…·x of n factors."""
    x = Block("x", kind="input")
    statements: list[Statement] = []
    for _ in range(n - 1):
        before = statements[-1].out if statements else x
        statements.append(Statement(Block(""), MUL, (Access(before), Access(x))))
    return Program("power", (x,), (), tuple(statements), (Output(Access(statements[-1].out)),))


# ---- what gets a line ------------------------------------------------------------------------------------------------
class Plan:
    """Which results stand in the expression that reads them, and what the leaves and all other results are called.

    A result without a name that is read once, as a whole, is part of the expression that reads it. Where `arrays` are
    written, that may read it along other axes; in a program of single numbers it would be computed again for each step.
    """

    def __init__(self, program: Program, names: Names, arrays: bool) -> None:
        self._names, self._arrays = names, arrays
        self.inline: set[Block] = set()
        self.readers: dict[Block, list[object]] = {}
        self._rows: dict[Block, Block] = {}  # of what a loop stacks
        for output in program.outputs:
            if isinstance(output.access, Access):
                self.readers.setdefault(output.access.block, []).append(output)
        self._count_readers(program.statements)
        self._choose_inline(program.statements)
        for output in program.outputs[: len(program.outputs) == 1]:  # it follows `return`
            access = output.access
            if isinstance(access, Access) and len(self.readers[access.block]) == 1 and is_whole(access, output.shape):
                self.inline.update(
                    [s.out for s in program.statements if isinstance(s, Statement) and s.out is access.block]
                )
        self._forward = _blocks_of_values(program)
        self._of = dict(zip(program.leaves, map(names.new, _names_of_leaves(program, arrays))))
        self._wishes = self._names_of_outputs(program)

    def name(self, block: Block) -> str:
        """What a block is called: as its label says; else h0, h1, …, numbers v0, v1, …, adjoints g0, g1, … ."""
        if block not in self._of:
            if block in self._wishes:
                self._of[block] = self._names.new(self._wishes[block])
            elif block in self._rows and not block.name:
                self._of[block] = self._names.new(f"{self.name(self._rows[block])}s")
            elif block.name:
                self._of[block] = self._names.new(identifier(block.name, "v"))
            else:
                is_number = block.size == 1 and not block.samples
                self._of[block] = self._names.numbered("g" if block not in self._forward else "hv"[is_number])
        return self._of[block]

    def is_for_gradients(self, block: Block) -> bool:
        """Whether no value needs a block."""
        return block not in self._forward

    def reusable_results(self, loop: Loop) -> dict[Block, Block]:
        """Results of a turn that may take the name of the state that they become, as nothing reads it any more."""
        makers = {s.out: s for s in loop.body if isinstance(s, Statement)}
        where = {s: i for i, s in enumerate(loop.body)}

        def line(s: object) -> float:
            """The place of the line that a statement is in; anything else reads at the end."""
            while isinstance(s, Statement) and s.out in self.inline:
                s = self.readers[s.out][0]
            return where.get(s, inf)  # type: ignore[call-overload, no-any-return]

        reused: dict[Block, Block] = {}
        for carry in loop.carried:
            result = carry.result.block
            if result not in makers or result in reused or not is_whole(carry.result, carry.state.shape):
                continue
            if all(line(reader) <= where[makers[result]] for reader in self.readers.get(carry.state, [])):
                reused[result] = carry.state
        return reused

    def share_name(self, result: Block, state: Block) -> None:
        """Gives a result the name of the state that it becomes."""
        self._of[result] = self.name(state)

    def _count_readers(self, statements: Sequence[AnyStatement]) -> None:
        for s in statements:
            if isinstance(s, Loop):
                self._count_readers(s.body)
                starts = [c.initial for c in s.carried if isinstance(c.initial, Access)]
                read = [a.block for a in [*starts, *[a for _, a in s.streams], *[c.result for c in s.carried]]]
                read += [block for block, _ in s.stacked]
                self._rows.update({outer: block for block, outer in s.stacked})
            else:
                read = [a.block for a in s.accesses]
            for block in read:
                self.readers.setdefault(block, []).append(s)

    def _choose_inline(self, statements: Sequence[AnyStatement]) -> None:
        here = set(statements)
        for s in statements:
            if isinstance(s, Loop):
                self._choose_inline(s.body)
            elif isinstance(s, Statement) and not s.out.name:
                readers = self.readers.get(s.out, [])
                if len(readers) == 1 and readers[0] in here and self._may_stand_in(readers[0], s):
                    self.inline.add(s.out)

    def _may_stand_in(self, reader: object, s: Statement) -> bool:
        block, kept = s.out, s.axes[: len(s.axes) - s.reduced]
        if not isinstance(reader, Statement):
            return False
        access = next(a for a in reader.accesses if a.block is block)
        if access.index is not None or reader.op is TAKE:
            return False
        steps = [(n, stride) for n, stride in zip(reader.axes, access.strides) if n > 1 and stride]
        if self._arrays:
            return prod([n for n, _ in steps]) == block.size and all(stride > 0 for _, stride in steps)
        both_are_one = prod(reader.axes) == block.size == 1 and access.mask is None
        return both_are_one or (reader.axes == kept and is_whole(access, kept))

    def _names_of_outputs(self, program: Program) -> dict[Block, str]:
        leaves = {*program.leaves}
        wishes: dict[Block, str] = {}
        values = [o for o in program.outputs if o.leaf is None]
        for output in program.outputs:
            block = output.access.block if isinstance(output.access, Access) else None
            if block is None or block in leaves or block in wishes:
                continue
            if output.leaf is not None:
                wishes[block] = f"d{self._of[output.leaf]}"
            elif not block.name:
                wishes[block] = "y" if len(values) == 1 else f"y{values.index(output)}"
        return wishes


def is_whole(access: Access, axes: Sequence[int]) -> bool:
    """Whether all cells of a block are read, in order."""
    steps = [(n, stride) for n, stride in zip(axes, access.strides) if n > 1]
    lengths = [n for n, _ in steps]
    all_cells = prod(axes) == access.block.size and [stride for _, stride in steps] == [*strides_of(lengths)]
    return all_cells and access.index is None and access.mask is None and access.offset == 0


def _blocks_of_values(program: Program) -> set[Block]:
    """The blocks that the values are made of; all others are there for the gradients."""
    maker = {out: s for s in program.statements for out in written_blocks(s)}
    needed = set[Block]()
    stack = [o.access.block for o in program.outputs if o.leaf is None and isinstance(o.access, Access)]
    while stack:
        block = stack.pop()
        if block not in needed:
            needed.add(block)
            if block in maker:
                stack += [*_touched_blocks(maker[block])]
    return needed


def _touched_blocks(s: AnyStatement) -> Iterator[Block]:
    """All blocks that a statement reads, and those that are written in a loop."""
    yield from [a.block for a in s.accesses]
    if isinstance(s, Loop):
        yield from [c.state for c in s.carried] + [block for block, _ in s.streams]
        for inner in s.body:
            yield from [*_touched_blocks(inner), *written_blocks(inner)]


def _names_of_leaves(program: Program, arrays: bool) -> list[str]:
    """Short names where they are unique: a matrix `layers[0].w` is W0."""
    leaves = program.leaves
    short = [_short_name(leaf) if arrays else identifier(leaf.name, "x") for leaf in leaves]
    count = Counter(short)
    return [name if count[name] == 1 else plain(leaf.name, "x") for name, leaf in zip(short, leaves)]


def _short_name(leaf: Block) -> str:
    name = identifier(leaf.name, "x")
    words = [word for word in name.split("_") if word]
    rank = len(leaf.shape) + leaf.samples
    letters = [word for word in words if not word.isdecimal()]
    if rank and letters and len(letters[-1]) == 1:
        name = letters[-1] + "_".join([word for word in words if word.isdecimal()])
    return name[0].upper() + name[1:] if rank > 1 and len(name.rstrip("0123456789_")) == 1 else name
