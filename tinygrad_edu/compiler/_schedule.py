"""What runs when: which operations of a graph can run together, and in what order.

An operation can run when its inputs are there. What it becomes is left to `roll.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from tinygrad_edu.ops import DOT
from tinygrad_edu.rules import Op

from ._sums import Graph
from .program import REDUCTIONS


def schedule(graph: Graph, nodes: Sequence[int]) -> Iterator[tuple[Op, list[int]]]:
    """Operations of one kind that can run together, in an order in which they can.

    A class is the operations of one kind at one height, which is the longest way to an output. The highest class goes
    first, and with it all classes of its kind that are ready as a whole: what is on the longest way must not wait, and
    what can be a part of a larger batch should.
    """
    kinds = {node: _batch_key(graph.ops[node], len(graph.inputs[node])) for node in nodes}
    users: dict[int, list[int]] = {node: [] for node in nodes}
    waiting = dict.fromkeys(nodes, 0)
    for node in nodes:
        for i in set(graph.inputs[node]):
            if i in users:
                users[i].append(node)
                waiting[node] += 1
    height = dict.fromkeys(nodes, 0)
    for node in reversed(_sorted_topologically(nodes, users, waiting)):
        for user in users[node]:
            height[node] = max(height[node], height[user] + 1)
    missing = Counter((kinds[node], height[node]) for node in nodes)
    ready: dict[Any, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for node in nodes:
        if not waiting[node]:
            ready[kinds[node]][height[node]].append(node)
    top = {kind: max(classes) for kind, classes in ready.items()}
    while top:
        kind = max(top, key=lambda k: (top[k], k[1:]))
        classes = ready[kind]
        batch = classes.pop(top[kind])
        missing[kind, top[kind]] -= len(batch)
        for h in sorted(classes, reverse=True):
            if len(classes[h]) == missing[kind, h]:
                missing[kind, h] = 0
                batch += classes.pop(h)
        if classes:
            top[kind] = max(classes)
        else:
            del top[kind]
        for node in batch:
            for user in users[node]:
                waiting[user] -= 1
                if not waiting[user]:
                    ready[kinds[user]][height[user]].append(user)
                    top[kinds[user]] = max(top.get(kinds[user], 0), height[user])
        yield kind[0], sorted(batch)


def _sorted_topologically(nodes: Sequence[int], users: dict[int, list[int]], waiting: dict[int, int]) -> list[int]:
    """The nodes in a topological order."""
    left = dict(waiting)
    order = [node for node in nodes if not left[node]]
    for node in order:  # it grows
        for user in users[node]:
            left[user] -= 1
            if not left[user]:
                order.append(user)
    return order


def _batch_key(op: Any, inputs: int) -> tuple[Op, str, int]:
    """What batches are made of: an operation, with the number of inputs where it does not treat all of them alike."""
    return op, str(op), 0 if op in REDUCTIONS or op is DOT else inputs
