"""Array programs in JavaScript, as browsers and Node run it. What it shares with Python stands in `_cells.py`.

Outside the domain of an operation it gives NaN or Infinity, where Python has an error.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.program import Program
from tinygrad_edu.rules import Op

from ._cells import CellWriter
from .notation import JAVASCRIPT, listed
from .parts import write_parts
from .plan import Expansions


class JavaScript(CellWriter):
    """Writes functions on numbers and arrays of them."""

    notation, language, tab = JAVASCRIPT, "JavaScript", "  "

    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        """The head, the lines and the result of a function."""
        result = f"return {results[0]};" if len(results) == 1 else listed("return [", results, "];", width=2)
        for line in result.split("\n"):
            self.line(line)
        return "\n".join([listed(f"function {name}(", leaves, ") {"), *self.lines, "}"])

    def assignment(self, name: str, text: str) -> str:
        """Gives a number or a list a name."""
        return f"{name} = {text};" if name in self.states else f"const {name} = {text};"

    def state(self, name: str, text: str) -> str:
        """Gives what a loop changes its first value."""
        return f"let {name} = {text};"

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        """Assigns what a turn passes on to the next one, all at once."""
        if len(names) == 1:
            return f"{names[0]} = {results[0]};"
        return f"[{', '.join(names)}] = [{', '.join(results)}];"

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        """Puts what a turn computes in its row of a list."""
        return f"{name}[{turn}] = {row};" if size == 1 else f"{name}.splice({size} * {turn}, {size}, ...{row});"

    def update(self, cell: str, text: str) -> str:
        """Adds to what there is."""
        return f"{cell} += {text};"

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        """The head of a loop."""
        forwards = f"let {counter} = 0; {counter} < {length}; {counter}++"
        self.line(f"for ({f'let {counter} = {length - 1}; {counter} >= 0; {counter}--' if backwards else forwards}) {{")
        self.depth += 1

    def close_loop(self) -> None:
        """The end of a loop."""
        super().close_loop()
        self.line("}")

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        """A list of what is computed in loops, the first one outermost."""
        for position, (counter, length) in enumerate(reversed(loops)):
            text = f"Array.from({{ length: {length} }}, (_, {counter}) => {text}){'.flat()' * (position > 0)}"
        return text

    def fold_text(self, op: Op, numbers: str) -> str:
        """Reduces a list by an operation of two numbers."""
        function = self.form(op, 2).filled([("a", 0), ("b", 0)])
        return f"{numbers}.reduce((a, b) => {function})"

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        """One text where a condition is true, else another one."""
        return f"{condition} ? {text} : {otherwise}"

    def as_integer(self, text: str) -> str:
        """Makes an integer of an index that was computed."""
        return text

    def copy_text(self, name: str) -> str:
        """A copy that may be changed."""
        return f"{name}.slice()"

    def repeat_text(self, text: str, n: int) -> str:
        """A list of n equal numbers."""
        return f"Array({n}).fill({text.removesuffix('.0')})"

    def slice(self, name: str, start: str, stop: str) -> str:
        """The cells of a list from start to stop."""
        return f"{name}.slice({start}, {stop})"


def write_text(program: Program) -> str:
    """A program as a function of numbers and flat arrays of them."""
    source = write_parts(program, JavaScript, Expansions(JAVASCRIPT, folds=True))
    constants = [
        listed(f"const {name} = [", [_javascript_constant(x) for x in xs.tolist()], "];", width=2)
        for name, xs in source.constants.items()
    ]
    return source.text(["\n".join(constants)], "\n\n")


def _javascript_constant(x: object) -> str:
    """A number of a list of constants."""
    return str(x).lower() if isinstance(x, bool) else JAVASCRIPT.number(x)[0] if isinstance(x, float) else repr(x)
