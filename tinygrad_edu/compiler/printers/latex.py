r"""Array programs as formulas in LaTeX, one a line, in an `aligned` environment, as notebooks and web pages show them.

Only what MathJax and KaTeX know is used. ⊙ multiplies arrays cell by cell, A B is a product of matrices, and X + b adds
b to each row. How formulas are made stands in `_formulas.py`.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.program import Block, Program
from tinygrad_edu.ops import MUL, TOTAL
from tinygrad_edu.rules import ANY, ATOM, POWER, PRODUCT, Op

from ._formulas import FormulaWriter, Line
from .notation import (
    LATEX,
    LATEX_OF_ARRAYS,
    Form,
    Names,
    Text,
    bracket,
    call_in_latex,
    identifier,
    name_in_latex,
    number_in_latex,
    operator_name,
)
from .plan import Expansions

_LETTERS = {"DATA": "D", "INDEX": "I", "MASK": "M"}
_SETS = {"f": r"\mathbb{R}", "i": r"\mathbb{N}", "b": r"\{0, 1\}"}  # by the kinds of NumPy


class Latex(FormulaWriter):
    """Writes formulas in LaTeX."""

    notation, dots = LATEX, r"\ldots"
    longest = 140  # most of it is not seen

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
        """The name of a block."""
        if block in self.leaves:
            return self.gradient(self.leaves[block])
        return super().name(block)

    def gradient(self, leaf: Block) -> str:
        """The derivative of the value in a leaf."""
        y = super().name(self.value) if self.value else "y"
        return rf"\frac{{\partial {y}}}{{\partial {super().name(leaf)}}}"

    def constant_wish(self, name: str) -> str:
        """The name that a constant should have."""
        return _LETTERS.get(name, name)

    def name_text(self, name: str) -> str:
        """How a name is written."""
        return name_in_latex(name)

    def form(self, op: Op, arity: int, arrays: int) -> Form:
        """How an operation is written."""
        if (op, arity) in self.functions:
            return call_in_latex(self.functions[op, arity], arity)
        if arrays and op.name in LATEX_OF_ARRAYS and (op is not MUL or arrays == 2):
            return LATEX_OF_ARRAYS[op.name]
        return LATEX.form(op) or call_in_latex(op.name, arity)

    def number(self, x: float) -> Text:
        """How a number is written."""
        return number_in_latex(float(f"{x:.6g}"))

    def at(self, name: str, items: Sequence[str]) -> str:
        """A cell, or a slice."""
        return rf"{name}[{', '.join([item.replace(':', '{:}') for item in items])}]" if items else name

    def flat(self, name: str) -> str:
        """All cells of an array in one line."""
        return rf"{operator_name('flat')}\left({name}\right)"

    def times(self, stride: int, position: Text) -> Text:
        """A position, multiplied by a stride."""
        return f"{stride} {bracket(position, PRODUCT)}", PRODUCT

    def square(self, x: Text) -> Text:
        """x²."""
        return LATEX.forms["power"].filled([x], [2]), POWER

    def transposed(self, x: Text) -> Text:
        """The transpose of a matrix."""
        return (f"{{{x[0]}}}" if x[1] == ATOM else f"({x[0]})") + r"^{\top}", POWER

    def matmul(self, a: Text, b: Text) -> Text:
        """A product of two matrices, or of a matrix and a vector."""
        return Form(r"{} \, {}", PRODUCT, (PRODUCT, POWER)).filled([a, b]), PRODUCT

    def outer(self, a: Text, b: Text) -> Text:
        """The outer product of two vectors."""
        return self.matmul(a, self.transposed(b))

    def inner(self, a: Text, b: Text, is_matrix: bool) -> Text:
        """The sum of all products of cells."""
        if a == b:
            return rf"\left\|{a[0]}\right\|^{{2}}", POWER
        if is_matrix:
            return self.reduction(MUL, [], (LATEX_OF_ARRAYS["mul"].filled([a, b]), PRODUCT))
        return self.matmul(self.transposed(a), b)

    def reduction(self, op: Op, letters: Sequence[str], x: Text) -> Text:
        """A sum, or what else is made of many numbers."""
        below = f"_{{{', '.join(letters)}}}" if letters else ""
        if op is TOTAL or op is MUL:
            return rf"\sum{below} {bracket(x, PRODUCT)}", ANY
        return rf"{LATEX.reductions.get(op.name) or operator_name(op.name)}{below}\left({x[0]}\right)", ATOM

    def masked(self, condition: str, x: Text, fill: Text) -> Text:
        """A number where a condition is true, else another one."""
        if fill[0] == "0":
            return rf"\left[{condition}\right] \cdot {bracket(x, POWER)}", PRODUCT
        return rf"{operator_name('where')}\left({condition}, {x[0]}, {fill[0]}\right)", ATOM

    def order(self, a: str, b: str, strictly: bool) -> str:
        """The condition a < b, or a ≤ b."""
        sign = "<" if strictly else r"\le"
        return f"{a} {sign} {b}"

    def all_of(self, conditions: Sequence[str]) -> str:
        """The condition that all of these are true."""
        return r" \wedge ".join(conditions)

    # ---- lines ----
    def text(self) -> list[str]:
        """The formulas. Of constants, only the shapes are said, in front."""
        defined, values = self.defined_names(), [o for o in self.program.outputs if o.leaf is None]
        for output, right in zip(self.program.outputs, self.outputs()):
            if output.leaf:
                left = self.gradient(output.leaf)
            else:
                left = self.name_text("y" if len(values) == 1 else f"y{values.index(output)}")
            if right not in defined or (output.leaf and right != left):
                self.add_output_line(output, left)
        lines = []
        for name, table in self.constants.arrays.items():
            shape = r" \times ".join(map(str, table.shape))
            lines.append(rf"{self.name_text(name)} &\in {_SETS[table.dtype.kind]}^{{{shape}}}")
        return [*lines, *map(_line, self.lines)]


def _line(line: Line) -> str:
    if not line.block:
        return rf"&\text{{for }} {line.left} = {line.right}{{:}}"
    sign = r"\mathrel{+}=" if line.adds else "="
    return f"{line.left} &{sign} {line.right}"


def write_text(program: Program) -> str:
    """Writes the formulas of a program, after those of operations that are functions."""
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
