"""Array programs in JAX: nothing is changed in place, and a loop is one `lax.scan`. The rest stands in `_arrays.py`.

JAX computes with 32 bits unless whoever runs the text has set `jax_enable_x64`.
"""

from collections.abc import Sequence
from dataclasses import replace

from tinygrad_edu.compiler.program import Loop, Program
from tinygrad_edu.rules import Op

from ._arrays import Value, Writer, source_of
from .notation import ATOM, JAX, Text
from .numpy import constant
from .parts import Source


class Jax(Writer):
    notation, module = JAX, "jnp"

    def reduction_text(self, op: Op, text: Text, places: Sequence[int], rank: int) -> Text:
        if op.name != "logsumexp":
            return super().reduction_text(op, text, places, rank)
        self.used.add("logsumexp")
        return f"logsumexp({text[0]}, axis={places[0] if len(places) == 1 else tuple(places)})", ATOM

    def as_integer(self, text: Text, is_number: bool) -> Text:
        return f"jnp.asarray({text[0]}, int)", ATOM

    def update(self, value: Value, base: Text, items: Sequence[str], text: Text, repeated: bool = False) -> None:
        if base[0] == value.text and set(items) <= {":"}:
            self.line(f"{value.text} = {value.text} + {text[0]}")
        else:
            back = "" if base[0] == value.text else f".reshape({self.shape(value)})"
            self.line(f"{value.text} = {base[0]}.at[{', '.join(items)}].add({text[0]}){back}")

    def loop(self, loop: Loop) -> None:
        outside, states = dict(self.values), set(self.states)
        turn = self.names.new("turn")
        streams, rows = [], []
        for block, access in loop.streams:
            x = self.seen(access, (loop.turns, *block.shape))
            name = self.plan.name(block)
            if x.has[0]:
                text = self.numbers(x)[0]
                streams.append(f"jnp.moveaxis({text}, 1, 0)" if x.samples else text)
                rows.append(name)
                x = replace(x, text=name, level=ATOM, boolean=False)
            self.values[block] = replace(x, shape=block.shape, has=x.has[1:])
        names, starts = [], []
        for carry in loop.carried:
            start = self.filled(self.seen(carry.initial, carry.state.shape), carry.state.shape, carry.state.samples)
            names.append(self.plan.name(carry.state))
            starts.append(start.text)
            self.values[carry.state] = replace(start, text=names[-1], level=ATOM)
        self.states.update(names)
        for result, state in self.plan.reused(loop).items():
            self.plan.call(result, state)
        state_name = names[0] if len(names) == 1 else self.names.new("state") if names else "_"
        row_name = rows[0] if len(rows) == 1 else self.names.new("row") if rows else "_"
        self.line(f"def {turn}({state_name}, {row_name if row_name != state_name else '_row'}):")
        self.depth += 1
        for all_names, name in ((names, state_name), (rows, row_name)):
            if len(all_names) > 1:
                self.line(f"{', '.join(all_names)} = {name}")
        self.body(loop.body)
        results = []
        for carry in loop.carried:
            shape = carry.state.shape
            results.append(self.filled(self.seen(carry.result, shape), shape, carry.state.samples).text)
        made = [self.filled(self.value(block), block.shape, block.samples).text for block, _ in loop.stacked]
        self.line(f"return {one_or_all(results)}, {one_or_all(made)}")
        self.depth -= 1
        finals = [self.plan.name(carry.state) if carry.final else "_" for carry in loop.carried]
        stacks = [self.plan.name(outer) for _, outer in loop.stacked]
        xs = f", length={loop.turns}" if not streams else ""
        reverse = ", reverse=True" if loop.backwards else ""
        call = f"jax.lax.scan({turn}, {one_or_all(starts)}, {one_or_all(streams)}{xs}{reverse})"
        self.used.add("scan")
        self.line(f"{one_or_all(finals, '_')}, {one_or_all(stacks, '_')} = {call}")
        for carry in loop.carried:
            if carry.final:
                outside[carry.final] = self.values[carry.state]
        for block, outer in loop.stacked:
            name, shape = self.plan.name(outer), (loop.turns, *block.shape)
            if outer.samples:
                self.line(f"{name} = jnp.moveaxis({name}, 0, 1)")
            outside[outer] = Value(name, ATOM, shape, (True,) * len(shape), outer.samples)
        self.values, self.states = outside, states
        self.names.taken.discard(turn)


def one_or_all(texts: Sequence[str], none: str = "None") -> str:
    return none if not texts else texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def source(program: Program) -> Source:
    """A program as a function on JAX's arrays."""
    return source_of(program, Jax, _imports)


def _imports(writer: Writer) -> list[str]:
    special = [name for name in ("erfc", "logsumexp") if name in writer.used]
    return [
        *["import jax"] * ("scan" in writer.used),
        "import jax.numpy as jnp",
        *[f"from jax.scipy.special import {', '.join(special)}"] * bool(special),
    ]


def text(program: Program) -> str:
    written = source(program)
    return written.text([constant(name, x, "jnp") for name, x in written.constants.items()])
