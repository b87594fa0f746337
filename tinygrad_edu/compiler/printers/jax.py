"""Array programs in JAX: nothing is changed in place, and a loop is one `lax.scan`. The rest stands in `_arrays.py`.

JAX computes with 32 bits unless whoever runs the text has set `jax_enable_x64`.
"""

from collections.abc import Sequence
from dataclasses import replace

from tinygrad_edu.compiler.program import Loop, Program
from tinygrad_edu.ops import LOGSUMEXP
from tinygrad_edu.rules import ATOM, Op

from ._arrays import ArrayText, ArrayWriter, one_or_tuple
from .notation import JAX, Text
from .numpy import write_constant
from .parts import Source, write_parts
from .plan import Expansions


class Jax(ArrayWriter):
    """Writes functions on arrays of JAX."""

    notation, module = JAX, "jnp"

    def reduction_text(self, op: Op, text: Text, places: Sequence[int], rank: int) -> Text:
        """How an operation reduces axes of an array."""
        if op is not LOGSUMEXP:
            return super().reduction_text(op, text, places, rank)
        self.used.add("logsumexp")
        return f"logsumexp({text[0]}, axis={one_or_tuple(places)})", ATOM

    def rows_text(self, table: Text, number: str) -> Text:
        """The rows of these numbers. `take` gives nan where there is none, `table[number]` the last row."""
        return f"jnp.take({table[0]}, {number}, axis=0)", ATOM

    def as_integer(self, text: Text, is_number: bool) -> Text:
        """Makes an integer of an index that was computed."""
        return f"jnp.asarray({text[0]}, int)", ATOM

    def update(self, value: ArrayText, base: Text, items: Sequence[str], text: Text, repeated: bool = False) -> None:
        """Adds to what there is."""
        if base[0] == value.text and set(items) <= {":"}:
            self.line(f"{value.text} = {value.text} + {text[0]}")
        else:
            back = "" if base[0] == value.text else f".reshape({self.shape_text(value)})"
            self.line(f"{value.text} = {base[0]}.at[{', '.join(items)}].add({text[0]}){back}")

    def loop(self, loop: Loop) -> None:
        """Writes a loop."""
        outside, states = dict(self.values), set(self.states)
        turn = self.names.new("turn")
        streams, rows = [], []
        for block, access in loop.streams:
            x = self.read_value(access, (loop.turns, *block.shape))
            name = self.plan.name(block)
            if x.has[0]:
                text = self.number_text(x)[0]
                streams.append(f"jnp.moveaxis({text}, 1, 0)" if x.samples else text)
                rows.append(name)
                x = replace(x, text=name, level=ATOM, boolean=False)
            self.values[block] = replace(x, shape=block.shape, has=x.has[1:])
        names, starts = [], []
        for carry in loop.carried:
            start = self.read_array(carry.initial, carry.state)
            names.append(self.plan.name(carry.state))
            starts.append(start.text)
            self.values[carry.state] = replace(start, text=names[-1], level=ATOM)
        self.states.update(names)
        for result, state in self.plan.reusable_results(loop).items():
            self.plan.share_name(result, state)
        state_name = names[0] if len(names) == 1 else self.names.new("state") if names else "_"
        row_name = rows[0] if len(rows) == 1 else self.names.new("row") if rows else "_"
        self.line(f"def {turn}({state_name}, {row_name if row_name != state_name else '_row'}):")
        self.depth += 1
        for all_names, name in ((names, state_name), (rows, row_name)):
            if len(all_names) > 1:
                self.line(f"{', '.join(all_names)} = {name}")
        self.body(loop.body)
        results = [self.read_array(carry.result, carry.state).text for carry in loop.carried]
        made = [self.as_array(self.value(block), block.shape, block.samples).text for block, _ in loop.stacked]
        self.line(f"return {join_texts(results)}, {join_texts(made)}")
        self.depth -= 1
        finals = [self.plan.name(carry.state) if carry.final else "_" for carry in loop.carried]
        stacks = [self.plan.name(outer) for _, outer in loop.stacked]
        xs = f", length={loop.turns}" if not streams else ""
        reverse = ", reverse=True" if loop.backwards else ""
        call = f"jax.lax.scan({turn}, {join_texts(starts)}, {join_texts(streams)}{xs}{reverse})"
        self.used.add("scan")
        self.line(f"{join_texts(finals, '_')}, {join_texts(stacks, '_')} = {call}")
        for carry in loop.carried:
            if carry.final:
                outside[carry.final] = self.values[carry.state]
        for _, outer in loop.stacked:
            name = self.plan.name(outer)
            if outer.samples:
                self.line(f"{name} = jnp.moveaxis({name}, 0, 1)")
            outside[outer] = self.named_array(outer)
        self.values, self.states = outside, states
        self.names.taken.discard(turn)


def join_texts(texts: Sequence[str], none: str = "None") -> str:
    """One text as such, several as a tuple."""
    return none if not texts else texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def write_source(program: Program) -> Source:
    """A program as a function on JAX's arrays."""
    source = write_parts(program, Jax, Expansions(JAX, products=True))
    special = [name for name in ("erfc", "logsumexp") if name in source.used]
    source.imports = [
        *["import jax"] * ("scan" in source.used),
        "import jax.numpy as jnp",
        *[f"from jax.scipy.special import {', '.join(special)}"] * bool(special),
    ]
    return source


def write_text(program: Program) -> str:
    """Writes the text of a program."""
    source = write_source(program)
    return source.text([write_constant(name, x, "jnp") for name, x in source.constants.items()])
