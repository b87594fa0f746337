"""Array programs as short exact texts, to be read in tests: which cell each statement reads at each point of its axes.

    h(2, 3) = sum[k<4](x[4i+k] * w[4j+k])

says that h[i, j] is the sum over k of the products of cells 4i + k of x and 4j + k of w, counted in one line. The axes
are i, j, k, … in order, their lengths those of the result, and then those in the brackets. `x[[0,3,1]]` is a gather,
`(x[j] where 100 110 111 else 0.0)` is masked: a digit for each point. What is computed is said completely.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.compiler.program import AnyStatement, Block, Loop, Operand, Program, Scatter, Statement

AXES = "ijklmnop"
REDUCE = {"total": "sum", "largest": "max", "smallest": "min", "logsumexp": "logsumexp"}


def texts(program: Program) -> list[str]:
    """A line for each statement; those of a loop are indented. The last one says what is returned."""
    names: dict[Block, str] = {}
    lines = _of_statements(program.statements, names)
    results = [
        _operand(output.access, names, output.shape) + (f" over {_lengths(output.shape)}" if output.shape else "")
        for output in program.outputs
    ]
    return [*lines, f"return {', '.join(results)}"]


def _of_statements(statements: Sequence[AnyStatement], names: dict[Block, str]) -> list[str]:
    lines: list[str] = []
    for statement in statements:
        if isinstance(statement, Loop):
            lines += _of_loop(statement, names)
        elif isinstance(statement, Scatter):
            parts = [
                f"[{_where(p.target, p.axes)}] += {_operand(p.source, names, p.axes)} over {_lengths(p.axes)}"
                for p in statement.parts
            ]
            lines.append(f"{_out(statement.out, names)} {'; '.join(parts)}")
        else:
            lines.append(f"{_out(statement.out, names)} = {_value(statement, names)}")
    return lines


def _of_loop(loop: Loop, names: dict[Block, str]) -> list[str]:
    lines = [f"{loop.turns} turns{' backwards' * loop.backwards}:"]
    for carry in loop.carried:
        lines.append(f"    carry {_out(carry.state, names)} from {_operand(carry.initial, names, carry.state.shape)}")
    for block, access in loop.streams:
        # the turn is called t, and the axes of the block i, j, k as always
        lines.append(
            f"    stream {_out(block, names)} = {_operand(access, names, (loop.turns, *block.shape), 't' + AXES)}"
        )
    lines += ["    " + line for line in _of_statements(loop.body, names)]
    for carry in loop.carried:
        text = f"    next {names[carry.state]} = {_operand(carry.result, names, carry.state.shape)}"
        lines.append(text + (f", finally {_out(carry.final, names)}" if carry.final else ""))
    lines += [f"    keep {names[block]} in {_out(outer, names)}" for block, outer in loop.stacked]
    return lines


def _value(statement: Statement, names: dict[Block, str]) -> str:
    axes = statement.axes
    operands = [_operand(x, names, axes) for x in statement.operands]
    symbol = statement.op.symbol
    if statement.op.name == "copy":
        text = operands[0]
    elif len(operands) == 2 and symbol in ("+", "-", "*", "/", "**"):
        text = f" {symbol} ".join(operands)
    else:
        text = f"{statement.op}({', '.join(operands)})"
    if statement.op.name == "take":
        return f"take[{AXES[len(axes) - 1]}<{axes[-1]}]({', '.join(operands)})"
    if statement.reduced:
        kept = len(axes) - statement.reduced
        over = ", ".join([f"{AXES[a]}<{axes[a]}" for a in range(kept, len(axes))])
        text = f"{REDUCE[statement.reduce.name]}[{over}]({text})"
    return text + " over samples" * statement.over_samples


def _out(block: Block, names: dict[Block, str]) -> str:
    names[block] = name = block.name or f"t{sum(name.startswith('t') for name in names.values())}"
    return f"{name}({_lengths(block.shape)})" if block.shape else name


def _lengths(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def _operand(x: Operand, names: dict[Block, str], axes: Sequence[int], letters: str = AXES) -> str:
    if not hasattr(x, "block"):
        return repr(x)
    block = x.block
    name = str(np.asarray(block.data).tolist()) if block.kind == "data" else names.get(block, block.name)
    where = _where(x, axes, letters)
    text = name if block.shape == () and where == "0" else f"{name}[{where}]"
    if x.mask is None:
        return text
    return f"({text} where {_mask(x.mask.astype(int).tolist())} else {x.fill})"


def _where(x: Any, axes: Sequence[int], letters: str = AXES) -> str:
    """The number of the cell."""
    if x.index is not None:
        return _array(x.index)
    terms = [
        f"{'' if abs(s) == 1 else abs(s)}{letter}" if s > 0 else f"-{'' if s == -1 else -s}{letter}"
        for s, letter in zip(x.strides, letters)
        if s
    ]
    text = "+".join([*([str(x.offset)] if x.offset or not terms else []), *terms])
    return text.replace("+-", "-")


def _mask(rows: Any) -> str:
    """A digit for each point, rows after a space."""
    if isinstance(rows[0], int):
        return "".join(map(str, rows))
    return " ".join([_mask(row) if isinstance(row[0], int) else f"[{_mask(row)}]" for row in rows])


def _array(array: Any) -> str:
    return str(array.tolist()).replace(" ", "")
