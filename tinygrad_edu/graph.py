"""A graph as a whole: its order, its copies, its pickles; without recursion, so that any depth will do.

What a node computes and how gradients flow is left to `engine.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import Value


def topological_order(*roots: Value, seen: set[Value] | None = None) -> list[Value]:
    """The roots and all nodes they are computed from, each once and after its inputs; but none of those in `seen`.

    What it visits is added to `seen`: calls that share it share the work.
    """
    order: list[Value] = []
    unfinished: list[Value] = []
    seen = set() if seen is None else seen
    stack: list[Value | None] = list(roots)
    while stack:
        node = stack.pop()
        if node is None:  # all that lay above this mark, the inputs of the last unfinished node, is in order now
            order.append(unfinished.pop())
        elif node not in seen:
            seen.add(node)
            unfinished.append(node)
            stack.append(None)
            stack.extend(node._prev)
    return order


_COPIED: Any = "the nodes that this memo has copies of"


def deepcopied(root: Value, memo: dict[int, Any]) -> Value:
    """A copy of the whole graph; by `memo`, that of `copy.deepcopy`, nodes that two graphs share stay shared."""
    for v in topological_order(root, seen=memo.setdefault(_COPIED, set())):
        inputs = tuple([memo[id(x)] for x in v._prev])
        memo[id(v)] = type(v).__new__(type(v))._set(v._rule, v.data, v.grad, v.label, inputs)
    copy: Value = memo[id(root)]
    return copy


def flattened(root: Value) -> tuple[Callable[..., Value], tuple[Any, ...]]:
    """For pickle: a flat list of the nodes, leaves as themselves, so that graphs pickled together share them."""
    place = {v: i for i, v in enumerate(topological_order(root))}
    records = [
        v if not v._prev and v is not root else (v._rule, v.data, v.grad, v.label, [place[x] for x in v._prev])
        for v in place
    ]
    return rebuilt, (type(root), records)


def rebuilt(kind: type[Value], records: list[Any]) -> Value:
    nodes: list[Value] = []
    for r in records:
        if isinstance(r, tuple):
            rule, data, grad, label, inputs = r
            r = kind.__new__(kind)._set(rule, data, grad, label, tuple([nodes[i] for i in inputs]))
        nodes.append(r)
    return nodes[-1]


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """A graph has no cycles: scanning it while it grows finds nothing and takes longer than the arithmetic."""
    enabled = gc.isenabled()
    try:
        gc.disable()  # in here, as Ctrl-C may come right after it
        yield
    finally:
        if enabled:
            gc.enable()
