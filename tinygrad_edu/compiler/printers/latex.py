r"""Array programs as formulas in LaTeX, one a line, in an `aligned` environment, as notebooks and web pages show them.

Only what MathJax and KaTeX know is used. ⊙ multiplies arrays cell by cell, A B is a product of matrices, and X + b adds
b to each row. How formulas are made stands in `_formulas.py`.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.program import MUL, Block, Loop, Program
from tinygrad_edu.rules import Op

from ._formulas import Formulas, Line
from .notation import (
    ANY,
    ATOM,
    LATEX,
    POWER,
    PRODUCT,
    Form,
    Names,
    Text,
    call_in_latex,
    identifier,
    infix,
    name_in_latex,
    number_in_latex,
    operator_name,
)
from .plan import Expansions

OF_ARRAYS = {  # which are not what they are of matrices
    "mul": infix(r"\odot", PRODUCT, PRODUCT, POWER),
    "power": Form(r"{{{}}}^{{\odot {}}}", POWER, (ATOM,)),
    "pow": Form(r"{{{}}}^{{\odot {}}}", POWER, (ATOM, POWER)),
    "exp": call_in_latex("exp", 1)._replace(template=r"\exp\left({}\right)"),
}
LETTERS = {"DATA": "D", "INDEX": "I", "MASK": "M"}
SETS = {"f": r"\mathbb{R}", "i": r"\mathbb{N}", "b": r"\{0, 1\}"}  # by the kinds of NumPy
CALLED = {"largest": r"\max", "smallest": r"\min"}


class Latex(Formulas):
    notation, longest = LATEX, 140  # most of it is not seen

    def __init__(self, program: Program, names: Names, functions: dict[tuple[Op, int], str]) -> None:
        self.functions = functions
        value = next((o.access for o in program.outputs if o.leaf is None), 0.0)
        self.value = value.block if not isinstance(value, float) else None
        self.leaves: dict[Block, Block] = {}
        for output in program.outputs:
            if output.leaf and not isinstance(output.access, float):
                self.leaves.setdefault(output.access.block, output.leaf)
        super().__init__(program, names)

    def name(self, block: Block) -> str:
        if block in self.leaves:
            return self.gradient(self.leaves[block])
        return super().name(block)

    def gradient(self, leaf: Block) -> str:
        y = super().name(self.value) if self.value else "y"
        return rf"\frac{{\partial {y}}}{{\partial {super().name(leaf)}}}"

    def wish(self, name: str) -> str:
        return LETTERS.get(name, name)

    def named(self, name: str) -> str:
        return name_in_latex(name)

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        if (op, arity) in self.functions:
            return call_in_latex(self.functions[op, arity], arity)
        if arrays and op.name in OF_ARRAYS and (op is not MUL or arrays == 2):
            return OF_ARRAYS[op.name]
        return LATEX.form(op) or call_in_latex(op.name, arity)

    def number(self, x: float) -> Text:
        return number_in_latex(float(f"{x:.6g}"))

    def at(self, name: str, items: Sequence[str]) -> str:
        return rf"{name}[{', '.join([item.replace(':', '{:}') for item in items])}]" if items else name

    def flat(self, name: str) -> str:
        return rf"{operator_name('flat')}\left({name}\right)"

    def times(self, stride: int, place: Text) -> Text:
        return f"{stride} {place[0] if place[1] >= PRODUCT else f'({place[0]})'}", PRODUCT

    def square(self, x: Text) -> Text:
        return LATEX.forms["power"].filled([x], [2]), POWER

    def transposed(self, x: Text) -> Text:
        return (f"{{{x[0]}}}" if x[1] == ATOM else f"({x[0]})") + r"^{\top}", POWER

    def matmul(self, a: Text, b: Text) -> Text:
        return Form(r"{} \, {}", PRODUCT, (PRODUCT, POWER)).filled([a, b]), PRODUCT

    def outer(self, a: Text, b: Text) -> Text:
        return self.matmul(a, self.transposed(b))

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        if a == b:
            return rf"\left\|{a[0]}\right\|^{{2}}", POWER
        if is_matrix:
            return self.reduction(MUL, [], (OF_ARRAYS["mul"].filled([a, b]), PRODUCT))
        return self.matmul(self.transposed(a), b)

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        below = f"_{{{', '.join(letters)}}}" if letters else ""
        if op.name in ("total", "mul"):
            return rf"\sum{below} {x[0] if x[1] >= PRODUCT else f'({x[0]})'}", ANY
        return rf"{CALLED.get(op.name) or operator_name(op.name)}{below}\left({x[0]}\right)", ATOM

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        if fill[0] == "0":
            return rf"\left[{condition}\right] \cdot {x[0] if x[1] >= POWER else f'({x[0]})'}", PRODUCT
        return rf"{operator_name('where')}\left({condition}, {x[0]}, {fill[0]}\right)", ATOM

    def order(self, a: str, b: str, strictly: bool) -> str:
        sign = "<" if strictly else r"\le"
        return f"{a} {sign} {b}"

    def all_of(self, conditions: Sequence[str]) -> str:
        return r" \wedge ".join(conditions)

    def turns(self, loop: Loop) -> str:
        turns = ["0", "1", r"\ldots", str(loop.turns - 1)] if loop.turns > 3 else [*map(str, range(loop.turns))]
        return ", ".join(turns[::-1] if loop.backwards else turns)

    # ---- lines ----
    def text(self) -> list[str]:
        """The lines, after the shapes of what is known by its shape only."""
        defined, values = self.defined(), [o for o in self.program.outputs if o.leaf is None]
        for output, right in zip(self.program.outputs, self.outputs()):
            if output.leaf:
                left = self.gradient(output.leaf)
            else:
                left = self.named("y" if len(values) == 1 else f"y{values.index(output)}")
            if right not in defined or (output.leaf and right != left):
                self.result(output, left)
        lines = []
        for name, table in self.tables.items():
            shape = r" \times ".join(map(str, table.shape))
            lines.append(rf"{self.named(name)} &\in {SETS[table.dtype.kind]}^{{{shape}}}")
        return [*lines, *map(_line, self.lines)]


def _line(line: Line) -> str:
    if not line.block:
        return rf"&\text{{for }} {line.left} = {line.right}{{:}}"
    sign = r"\mathrel{+}=" if line.adds else "="
    return f"{line.left} &{sign} {line.right}"


def text(program: Program) -> str:
    """Formulas for what the program computes, those of operations of one's own first."""
    expansions = Expansions(LATEX)
    program = expansions.program(program)
    names = Names((), written=name_in_latex)
    functions: dict[tuple[Op, int], str] = {}
    lines = []
    for (op, arity), body in expansions.functions.items():
        functions[op, arity] = names.new(identifier(op.name, "f"))
        writer = Latex(body, Names(names.taken, written=name_in_latex), functions)
        head = call_in_latex(functions[op, arity], arity)
        leaves = [(writer.name(leaf), ATOM) for leaf in body.inputs]
        *before, last = writer.text()
        lines += [*before, f"{head.filled(leaves)} &= {last.partition(' &= ')[2]}"]
    lines += Latex(program, Names(names.taken, written=name_in_latex), functions).text()
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"
