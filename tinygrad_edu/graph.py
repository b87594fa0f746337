"""A graph as a whole: its topological order, its copies, its pickles; without recursion, so that any depth works.

What a node computes and how gradients flow is left to `engine.py`.
"""

import gc
import operator
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, TypeVar

from .modes import Node
from .rules import Closure

N = TypeVar("N")


def topological_order(*roots: N, seen: set[N] | None = None) -> list[N]:
    """The roots and all nodes they depend on, each once and after its inputs.

    Nodes in the set `seen` are left out, and all nodes that are visited are added to it.
    """
    order: list[N] = []
    unfinished: list[N] = []
    seen = set() if seen is None else seen
    stack: list[Any] = list(roots)
    pop, push, push_all = stack.pop, stack.append, stack.extend  # each is looked up once
    see, finish = seen.add, order.append
    while stack:
        node = pop()
        if node is None:  # all inputs of the last unfinished node are in order
            finish(unfinished.pop())
        elif node not in seen:
            see(node)
            if node._prev:
                unfinished.append(node)
                push(None)
                push_all(node._prev)
            else:
                finish(node)
    return order


_new: Callable[[type], Node] = object.__new__  # without the `__new__` and `__init__` of a subclass


# ---- copies ----------------------------------------------------------------------------------------------------------
def class_of(v: Node) -> Any:
    """The class of v as its user knows it, also while a trace guards v by another class."""
    cls = type(v)
    return getattr(cls, "_guarded", cls)


def _copyable_rule(v: Node) -> Any:
    """The rule of v; raises `NotImplementedError` for a closure, which works for its own node only, not for a copy."""
    return v._rule.value() if isinstance(v._rule, Closure) else v._rule  # `Closure.value` raises


_OWN = ("_prev", "_rule", "data", "grad")


def attributes_of(v: Node) -> dict[str, Any]:
    """The user's own attributes, those in slots of a subclass included."""
    state: Any = object.__getstate__(v)  # `v.__dict__` would make an empty dict for each node
    in_slots = {name: x for name, x in state[1].items() if name not in _OWN}
    return {**(state[0] or {}), **in_slots}


def _set_attributes(v: Node, attributes: dict[str, Any]) -> None:
    for name, x in attributes.items():
        setattr(v, name, x)


def _copy(v: Node, inputs: tuple[Node, ...]) -> Node:
    out = _new(class_of(v))._set(_copyable_rule(v), inputs, v.data)
    out.grad = v.grad
    return out


def copy_node(v: Node) -> Node:
    """Copies one node for `copy.copy`; the copy has the same inputs."""
    out = _copy(v, v._prev)
    _set_attributes(out, attributes_of(v))
    return out


_COPIED: Any = "the nodes that this memo has copies of"  # a key of the memo, beside the ids


def copy_graph(root: Node, memo: dict[int, Any]) -> Node:
    """Copies a whole graph for `copy.deepcopy`; with its `memo`, nodes that two graphs share stay shared."""
    nodes = topological_order(root, seen=memo.setdefault(_COPIED, set()))
    for v in nodes:
        memo[id(v)] = _copy(v, tuple([memo[id(x)] for x in v._prev]))
    for v in nodes:  # when all nodes have copies, as an attribute may be a node
        if attributes := attributes_of(v):
            _set_attributes(memo[id(v)], deepcopy(attributes, memo))
    return memo[id(root)]


# ---- pickles ---------------------------------------------------------------------------------------------------------
# A pickler writes each object once, and then refers to it. If it followed the inputs of a node one by one, the
# recursion would be as deep as the graph. So a node is written as a reference: a batch, which is a flat list of nodes,
# and its index in the batch. A node that is pickled later begins a new batch, whose nodes may refer to older batches.
class _PickleMemo:
    """The references to all nodes that a pickler has written; it lives as long as the pickler."""

    def __init__(self) -> None:
        self.places: dict[Node, tuple[_NodeBatch, int]] = {}
        self.seen: set[Node] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Called by a new pickler, in which the references of the former pickler mean nothing."""
        self.places.clear()
        self.seen.clear()
        return str, ()


class _NodeBatch:
    """Nodes in topological order, each with its inputs: indices in this batch, or references to other batches."""

    def __init__(self, memo: _PickleMemo, root: Node) -> None:
        self.nodes = topological_order(root, seen=memo.seen)
        memo.places.update({v: (self, i) for i, v in enumerate(self.nodes)})
        self.inputs = [
            [i if batch is self else (batch, i) for batch, i in map(memo.places.__getitem__, v._prev)]
            for v in self.nodes
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        records = [
            (class_of(v), _copyable_rule(v), v.data, v.grad, inputs) for v, inputs in zip(self.nodes, self.inputs)
        ]
        attributes = {i: found for i, v in enumerate(self.nodes) if (found := attributes_of(v))}
        return rebuild_nodes, (records,), attributes or None, None, None, _restore_attributes


class _NodeReference:
    """A node, which is looked up in the memo after the pickler has written the memo."""

    def __init__(self, memo: _PickleMemo, v: Node) -> None:
        self.memo, self.v = memo, v

    def __reduce__(self) -> tuple[Any, ...]:
        if self.v not in self.memo.places:
            _NodeBatch(self.memo, self.v)
        return operator.getitem, self.memo.places[self.v]


_local = threading.local()  # `_local.memo` refers to the memo of the pickler that is at work in this thread


def reduce_node(v: Node) -> tuple[Callable[..., Node], tuple[Any, ...]]:
    """Implements `__reduce__`: nodes that are pickled together stay connected."""
    memo = getattr(_local, "memo", lambda: None)()
    if memo is None:
        memo = _PickleMemo()
        _local.memo = weakref.ref(memo)
    return _second, (memo, _NodeReference(memo, v))


def _second(_: object, node: Node) -> Node:
    return node


def rebuild_nodes(records: list[Any]) -> list[Node]:
    """Makes the nodes of a batch again when it is unpickled."""
    nodes: list[Node] = []
    for cls, rule, data, grad, places in records:
        inputs = [nodes[i] if isinstance(i, int) else i[0][i[1]] for i in places]
        node = _new(cls)._set(rule, tuple(inputs), data)
        node.grad = grad
        nodes.append(node)
    return nodes


def _restore_attributes(nodes: list[Node], attributes: dict[int, dict[str, Any]]) -> None:
    for i, found in attributes.items():
        _set_attributes(nodes[i], found)


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Turns Python's collector of cycles off inside a block: a graph has none, and to scan it takes long."""
    enabled = gc.isenabled()
    try:
        gc.disable()  # inside `try`, as Ctrl-C may come right after it
        yield
    finally:
        if enabled:
            gc.enable()
