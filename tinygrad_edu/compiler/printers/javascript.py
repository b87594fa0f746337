"""Array programs in JavaScript, as browsers and Node run it. What it shares with Python stands in `_cells.py`.

Outside the domain of an operation it gives NaN or Infinity, where Python has an error.
"""

from collections.abc import Sequence

from tinygrad_edu.compiler.program import Program
from tinygrad_edu.rules import Op

from ._cells import Writer, source_of
from .notation import JAVASCRIPT, listed


class JavaScript(Writer):
    notation, language, tab = JAVASCRIPT, "JavaScript", "  "

    def definition(self, name: str, leaves: list[str], results: list[str]) -> str:
        result = f"return {results[0]};" if len(results) == 1 else listed("return [", results, "];", width=2)
        for line in result.split("\n"):
            self.line(line)
        return "\n".join([listed(f"function {name}(", leaves, ") {"), *self.lines, "}"])

    def assignment(self, name: str, text: str) -> str:
        return f"{name} = {text};" if name in self.states else f"const {name} = {text};"

    def state(self, name: str, text: str) -> str:
        return f"let {name} = {text};"

    def state_assignment(self, names: Sequence[str], results: Sequence[str]) -> str:
        if len(names) == 1:
            return f"{names[0]} = {results[0]};"
        return f"[{', '.join(names)}] = [{', '.join(results)}];"

    def row_assignment(self, name: str, turn: str, size: int, row: str) -> str:
        return f"{name}[{turn}] = {row};" if size == 1 else f"{name}.splice({size} * {turn}, {size}, ...{row});"

    def update(self, cell: str, text: str) -> str:
        return f"{cell} += {text};"

    def open_loop(self, counter: str, length: int, backwards: bool = False) -> None:
        forwards = f"let {counter} = 0; {counter} < {length}; {counter}++"
        self.line(f"for ({f'let {counter} = {length - 1}; {counter} >= 0; {counter}--' if backwards else forwards}) {{")
        self.depth += 1

    def close_loop(self) -> None:
        super().close_loop()
        self.line("}")

    def comprehension(self, text: str, loops: Sequence[tuple[str, int]]) -> str:
        for place, (counter, length) in enumerate(reversed(loops)):
            text = f"Array.from({{ length: {length} }}, (_, {counter}) => {text}){'.flat()' * (place > 0)}"
        return text

    def folded(self, op: Op, numbers: str) -> str:
        function = self.form(op, 2).filled([("a", 0), ("b", 0)])
        return f"{numbers}.reduce((a, b) => {function})"

    def conditional(self, condition: str, text: str, otherwise: str) -> str:
        return f"{condition} ? {text} : {otherwise}"

    def as_integer(self, text: str) -> str:
        return text

    def copied(self, name: str) -> str:
        return f"{name}.slice()"

    def repeated(self, text: str, n: int) -> str:
        return f"Array({n}).fill({text.removesuffix('.0')})"

    def slice(self, name: str, start: str, stop: str) -> str:
        return f"{name}.slice({start}, {stop})"


def text(program: Program) -> str:
    """A program as a function of numbers and flat arrays of them."""
    parts, writer = source_of(program, JavaScript)
    helpers = [helper for name, helper in JAVASCRIPT.helpers.items() if name in writer.used]
    constants = [
        listed(f"const {name} = [", [number(x) for x in xs], "];", width=2) for name, xs in parts.constants.items()
    ]
    return "\n\n".join([*(["\n".join(constants)] if constants else []), *helpers, *parts.helpers, parts.function])


def number(x: object) -> str:
    return str(x).lower() if isinstance(x, bool) else JAVASCRIPT.number(x)[0] if isinstance(x, float) else repr(x)
