"""A graph as a whole: its order, its copies, its pickles; without recursion, so that any depth will do.

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

from .rules import Closure

Node = Any  # a Value: this file knows nothing of the engine, which is built on it
N = TypeVar("N")


def topological_order(*roots: N, seen: set[N] | None = None) -> list[N]:
    """The roots and all nodes they are computed from, each once and after its inputs; but none of those in `seen`.

    What it visits is added to `seen`: calls that share it share the work.
    """
    order: list[N] = []
    unfinished: list[N] = []
    seen = set() if seen is None else seen
    stack: list[Any] = list(roots)
    pop, push, push_all, see, finish = (
        stack.pop,
        stack.append,
        stack.extend,
        seen.add,
        order.append,
    )  # each looked up once
    while stack:
        node = pop()
        if node is None:  # all that lay above this mark, the inputs of the last unfinished node, is in order now
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


_new: Callable[[type], Node] = object.__new__  # past what a subclass asks for in `__new__` and `__init__`


# ---- copies ----------------------------------------------------------------------------------------------------------
def kind(v: Node) -> Any:
    """The class of v as its user knows it, also while a trace guards it by another one."""
    cls = type(v)
    return getattr(cls, "_guarded", cls)


def _rule(v: Node) -> Any:
    """The rule of v, unless that is a closure, which belongs to one node and cannot go back through a copy of it."""
    return v._rule.value() if isinstance(v._rule, Closure) else v._rule  # the value of a closure is an error


_OWN = ("_prev", "_rule", "data", "grad")


def attributes_of(v: Node) -> dict[str, Any]:
    """Those of the user's own, in slots of a subclass too. To ask for `__dict__` would make one for each node."""
    state: Any = object.__getstate__(v)
    in_slots = {name: x for name, x in state[1].items() if name not in _OWN}
    return {**(state[0] or {}), **in_slots}


def _give(v: Node, attributes: dict[str, Any]) -> None:
    for name, x in attributes.items():
        setattr(v, name, x)


def _copy(v: Node, inputs: tuple[Node, ...]) -> Node:
    out = _new(kind(v))._set(_rule(v), inputs, v.data)
    out.grad = v.grad
    return out


def copied(v: Node) -> Node:
    """A node with the same inputs, for `copy.copy`."""
    out = _copy(v, v._prev)
    _give(out, attributes_of(v))
    return out


_COPIED: Any = "the nodes that this memo has copies of"


def deepcopied(root: Node, memo: dict[int, Any]) -> Node:
    """A copy of the whole graph; by `memo`, that of `copy.deepcopy`, nodes that two graphs share stay shared."""
    nodes = topological_order(root, seen=memo.setdefault(_COPIED, set()))
    for v in nodes:
        memo[id(v)] = _copy(v, tuple([memo[id(x)] for x in v._prev]))
    for v in nodes:  # once all nodes have copies, as an attribute may be one of them
        if attributes := attributes_of(v):
            _give(memo[id(v)], deepcopy(attributes, memo))
    return memo[id(root)]


# ---- pickles ---------------------------------------------------------------------------------------------------------
# A pickler writes each object but once, and remembers which it has written. Values hold their inputs, though, and to
# follow them one by one would be a recursion as deep as the graph. So a Value is written as a place in a batch, which
# is a flat list of nodes; a node that is pickled later, made of nodes in a batch, begins another one that refers to it.
class _Memo:
    """The places of all nodes that a pickler has written. It lives as long as the pickler, which remembers it too."""

    def __init__(self) -> None:
        self.places: dict[Node, tuple[_Batch, int]] = {}
        self.seen: set[Node] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Called by a pickler that has not met it: the places known to another one are of no use there."""
        self.places.clear()
        self.seen.clear()
        return str, ()


class _Batch:
    """Nodes in topological order, each with its inputs: the places of these, in this batch or in another one."""

    def __init__(self, memo: _Memo, root: Node) -> None:
        self.nodes = topological_order(root, seen=memo.seen)
        memo.places.update({v: (self, i) for i, v in enumerate(self.nodes)})
        self.inputs = [
            [i if batch is self else (batch, i) for batch, i in map(memo.places.__getitem__, v._prev)]
            for v in self.nodes
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        records = [(kind(v), _rule(v), v.data, v.grad, inputs) for v, inputs in zip(self.nodes, self.inputs)]
        attributes = {i: found for i, v in enumerate(self.nodes) if (found := attributes_of(v))}
        return rebuilt, (records,), attributes or None, None, None, _set_attributes


class _Place:
    """A node. A pickler asks for it once it has the memo."""

    def __init__(self, memo: _Memo, v: Node) -> None:
        self.memo, self.v = memo, v

    def __reduce__(self) -> tuple[Any, ...]:
        if self.v not in self.memo.places:
            _Batch(self.memo, self.v)
        return operator.getitem, self.memo.places[self.v]


_here = threading.local()  # the memo of the pickler at work in a thread; another one in between makes it begin anew


def pickled(v: Node) -> tuple[Callable[..., Node], tuple[Any, ...]]:
    """For pickle: what is pickled together stays connected."""
    memo = getattr(_here, "memo", lambda: None)()
    if memo is None:
        memo = _Memo()
        _here.memo = weakref.ref(memo)
    return _second, (memo, _Place(memo, v))


def _second(_: object, node: Node) -> Node:
    return node


def rebuilt(records: list[Any]) -> list[Node]:
    """The nodes of a batch."""
    nodes: list[Node] = []
    for cls, rule, data, grad, places in records:
        inputs = [nodes[i] if isinstance(i, int) else i[0][i[1]] for i in places]
        node = _new(cls)._set(rule, tuple(inputs), data)
        node.grad = grad
        nodes.append(node)
    return nodes


def _set_attributes(nodes: list[Node], attributes: dict[int, dict[str, Any]]) -> None:
    for i, found in attributes.items():
        _give(nodes[i], found)


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
