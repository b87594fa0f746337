"""Array programs in NumPy, as a person would write them by hand. What they share with JAX stands in `_arrays.py`."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tinygrad_edu.compiler.program import Access, Array, Block, Loop, Program
from tinygrad_edu.ops import LOGSUMEXP
from tinygrad_edu.rules import ATOM, Op

from ._arrays import ArrayText, ArrayView, ArrayWriter, dimension_item, index_text, one_or_tuple
from .notation import NUMPY, Text, bracket, listed
from .parts import Source, write_parts
from .plan import Expansions
from .views import AxisStep, find_dimensions, slice_text


class NumPy(ArrayWriter):
    """Writes functions on arrays of NumPy."""

    notation, module = NUMPY, "np"

    def find_windows(self, value: ArrayText, access: Access, steps: Sequence[AxisStep]) -> ArrayView | None:
        """Makes the view by sliding_window_view, which adds an axis for the windows, at the end."""
        shared = find_dimensions(value.shape, access.offset, steps, shared=True)
        if shared is None or any(len(d.steps) > 2 or any(step.step < 0 for step in d.steps[:2]) for d in shared):
            return None
        lengths, places, items, last = [], [], [], []
        for place, d in enumerate(shared):
            if len(d.steps) < 2:
                items.append(dimension_item(d))
                continue
            window, position = sorted(d.steps, key=lambda step: step.step * (step.length - 1))
            width = window.step * (window.length - 1) + 1
            lengths.append(width)
            places.append(place + value.samples)
            items.append((position.axis, slice_text(d.start, position.length, position.step, d.length - width + 1)))
            last.append((window.axis, slice_text(0, window.length, window.step, width)))
        self.used.add("windows")
        along_axis = f", axis={one_or_tuple(places)}" if len(shared) + value.samples > 1 else ""
        text = f"sliding_window_view({self.with_all_axes(value)[0]}, {one_or_tuple(lengths)}{along_axis})"
        front = ((-1, ":"),) * value.samples
        return ArrayView((text, ATOM), (*front, *items, *last), value.boolean, value.integer)

    def reduction_text(self, op: Op, text: Text, places: Sequence[int], rank: int) -> Text:
        """How an operation reduces axes of an array."""
        if op is not LOGSUMEXP:
            return super().reduction_text(op, text, places, rank)
        result = text[0]
        for place in reversed(places):
            result = f"np.logaddexp.reduce({result}, axis={place})"
        return result, ATOM

    def copy_text(self, value: ArrayText) -> str:
        """A copy that may be changed."""
        return f"{bracket((value.text, value.level))}.copy()" if value.shape or value.samples else value.text

    def update(self, value: ArrayText, base: Text, items: Sequence[str], text: Text, repeated: bool = False) -> None:
        """Adds to what there is."""
        if repeated:
            index = items[-1] if len(items) == 1 else f"(slice(None), {items[-1]})"
            self.line(f"np.add.at({base[0]}, {index}, {text[0]})")
        elif not items:  # a number: += would change the one it was before, where that is an array without axes
            self.line(f"{value.text} = {value.text} + {text[0]}")
        elif base[0] == value.text and set(items) == {":"}:
            self.line(f"{value.text} += {text[0]}")
        else:
            self.line(f"{base[0]}[{', '.join(items)}] += {text[0]}")

    def loop(self, loop: Loop) -> None:
        """Writes a loop."""
        turn, outside, states = self.names.new("t"), dict(self.values), set(self.states)
        for block, access in loop.streams:
            self.values[block] = self.row(block, self.read_value(access, (loop.turns, *block.shape)), turn)
        for carry in loop.carried:
            start = self.read_array(carry.initial, carry.state)
            name = self.plan.name(carry.state)
            self.states.add(name)
            self.line(f"{name} = {start.text}")
            self.values[carry.state] = replace(start, text=name, level=ATOM)
        for result, state in self.plan.reusable_results(loop).items():
            self.plan.share_name(result, state)
        for _, outer in loop.stacked:
            rows = self.named_array(outer)
            self.line(f"{rows.text} = np.empty({self.shape_text(rows)})")
            outside[outer] = rows
        turns = f"range({loop.turns})"
        self.line(f"for {turn} in {f'reversed({turns})' if loop.backwards else turns}:")
        head = len(self.lines)
        self.depth += 1
        for block, _ in loop.streams:
            if len(self.plan.readers.get(block, [])) > 1 and not self.values[block].text.isidentifier():
                self.assign(block)
        self.body(loop.body)
        for block, outer in loop.stacked:
            value = self.value(block)
            if value.shape != block.shape:
                value = self.as_array(value, block.shape, block.samples)
            text = index_text(self.number_text(value), value.items if any(value.has) or value.samples else [])[0]
            self.line(f"{outside[outer].text}[{':, ' * outer.samples}{turn}] = {text}")
        names, results = [], []
        for carry in loop.carried:
            name, text = self.plan.name(carry.state), self.read_array(carry.result, carry.state).text
            if text != name:
                names.append(name)
                results.append(text)
            if carry.final:
                outside[carry.final] = self.values[carry.state]
        if names:
            self.line(f"{', '.join(names)} = {', '.join(results)}")
        self.depth -= 1
        if len(self.lines) == head:  # nothing is left to do in a turn
            self.lines.pop()
        self.values, self.states = outside, states
        self.names.taken.discard(turn)

    def row(self, block: Block, rows: ArrayText, turn: str) -> ArrayText:
        """Makes the value of a stream in a turn: a row of an array that has a name."""
        text, level = rows.text, rows.level
        if rows.has[0]:
            if not text.isidentifier():
                text = self.names.new(f"{self.plan.name(block)}s")
                self.line(f"{text} = {rows.text}")
            text, level = f"{text}[{':, ' * rows.samples}{turn}]", ATOM
        return ArrayText(text, level, block.shape, rows.has[1:], rows.samples, rows.boolean, rows.integer)


def write_source(program: Program) -> Source:
    """A program as a function on NumPy's arrays."""
    source = write_parts(program, NumPy, Expansions(NUMPY, products=True))
    windows = ["from numpy.lib.stride_tricks import sliding_window_view"] if "windows" in source.used else []
    source.imports = [*["import math\n"] * ("erfc" in source.used), "import numpy as np", *windows]
    return source


def write_text(program: Program) -> str:
    """Writes the text of a program."""
    source = write_source(program)
    return source.text([write_constant(name, x) for name, x in source.constants.items()])


def write_constant(name: str, x: Array, module: str = "np") -> str:
    """Writes an array with all digits of its numbers, in lines that are not too long."""
    import numpy as np

    if x.dtype == bool and x.ndim == 2:
        for rows, turned in ((x, ""), (x.T, ".T")):
            if (rows == np.tri(*rows.shape)).all():
                return f"{name} = {module}.tri({', '.join(map(str, dict.fromkeys(rows.shape)))}, dtype=bool){turned}"
    if x.ndim == 1 and len(x) > 2 and (x == np.arange(len(x))).all():
        return f"{name} = {module}.arange({len(x)}{'.0' if x.dtype.kind == 'f' else ''})"
    return listed(f"{name} = {module}.array(", [_nested(x, module)], ")")


def _nested(x: Array, module: str) -> str:
    if x.ndim:
        return f"[{', '.join([_nested(part, module) for part in x])}]"
    number = x.item()
    return repr(number) if not isinstance(number, float) or math.isfinite(number) else f'float("{number}")'
