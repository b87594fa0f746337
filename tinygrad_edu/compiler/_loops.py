"""Loops: runs of operations that repeat, each turn reading what the one before it made.

A recurrence makes the longest path through a graph long, and periodic: so periods are looked for along that path, and
then compared with all operations. Of a turn only that belongs to the loop which both depends on the turn before and
decides about the next one. All the rest stays outside, where the turns are but one more axis: what does not depend on
the loop is computed before it, the losses of all steps after it. What becomes of a loop is left to `roll.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.ops import DOT, TOTAL

from ._sums import Graph

Array = Any  # of NumPy
_FEWEST_TURNS = 4
_FEWEST_OPERATIONS = 32  # in all turns: less is as well written out
_LONGEST_LAG = 4  # in turns
_MOST_COMPARISONS = 3 * 10**8  # in the search for a period
_OPERATION, _LEAF, _CONSTANT = range(3)


@dataclass
class Turns:
    """A loop: for each turn its nodes, in the same order.

    `lags[k][f]` is the number of turns ago that made input f of the k-th node; −1 where the input is no result of the
    loop.
    """

    nodes: list[list[int]]
    lags: list[list[int]]

    def __post_init__(self) -> None:
        self._places: dict[int, dict[int, int]] = {}

    def place(self, turn: int) -> dict[int, int]:
        """For each node of a turn its position in the turn."""
        if turn not in self._places:
            self._places[turn] = {node: k for k, node in enumerate(self.nodes[turn])}
        return self._places[turn]


def find_loops(graph: Graph, nodes: Sequence[int], source: Sequence[float]) -> list[Turns]:
    """The loops among these nodes, which stand in topological order; `source` says for each leaf what array it is of.

    Sums that a loop uses are divided into what depends on it and what does not.
    """
    found: list[Turns] = []
    for rest in ([node for node in nodes if node not in graph.shared], nodes):
        inside = {node for loop in found for row in loop.nodes for node in row}
        while True:
            rest = [node for node in rest if node not in inside]
            table = _Table(graph, rest, source)
            turns = [t for t in (table.turns(*start) for start in table.repeats()) if t]
            if not turns:
                break
            inside.update(node for loop in turns for row in loop.nodes for node in row)
            found += turns
        if not graph.shared:
            break
    return found


class _Table:
    """Operations in columns: their kinds, and for each input of each of them what it is and where it stands."""

    def __init__(self, graph: Graph, nodes: Sequence[int], source: Sequence[float]) -> None:
        self.graph, self.nodes = graph, nodes
        position = np.full(len(graph.ops), -1)
        position[np.array(nodes, int)] = np.arange(len(nodes))
        kinds: dict[Any, int] = {}
        self.kind = np.array([kinds.setdefault((graph.ops[n], len(graph.inputs[n])), len(kinds)) for n in nodes], int)
        counts = np.array([len(graph.inputs[n]) for n in nodes], int)
        self.start = np.concatenate([[0], np.cumsum(counts)])
        self.owner = np.repeat(np.arange(len(nodes)), counts)
        self.flat = np.fromiter((i for n in nodes for i in graph.inputs[n]), int, int(self.start[-1]))
        is_constant = np.zeros(len(graph.ops), bool)
        is_constant[np.array(list(graph.numbers), int)] = True
        self.code = position[self.flat]
        self.type = np.where(self.code >= 0, _OPERATION, np.where(is_constant[self.flat], _CONSTANT, _LEAF))
        self.source = np.where(self.type == _LEAF, np.array(source)[self.flat], 0.0)

    def repeats(self) -> list[tuple[int, int, int]]:
        """Where repeated runs start, their period, and how many turns they have, for the period that fits best."""
        period = self._period()
        if not period:
            return []
        n = len(self.nodes)
        same = self.kind[period:] == self.kind[: n - period]
        shift = self.start[period:n] - self.start[: n - period]  # from an input to that of the next turn
        first = np.flatnonzero((self.owner < n - period) & np.append(same, np.zeros(period, bool))[self.owner])
        other = first + shift[self.owner[first]]
        is_bad = (self.type[first] != self.type[other]) | (self.source[first] != self.source[other])
        step = np.full(len(self.flat), -1)
        step[first] = np.where(self.type[first] == _OPERATION, self.code[other] - self.code[first], 0)
        step[first[is_bad]] = -1
        same[self.owner[first[is_bad]]] = False
        steady = same[: n - 2 * period] & same[period:] if n > 2 * period else np.zeros(0, bool)
        both = first[self.owner[first] < len(steady)]
        changed = step[both] != step[both + shift[self.owner[both]]]
        steady[self.owner[both[changed]]] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[0], steady.astype(np.int8), [0]])))
        found = []
        end_of_last = 0
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
            end += 2 * period
            begin = max(begin, end_of_last)
            begin = self._with_first_turn(begin, period, step, end_of_last)
            turns = (end - begin) // period
            if turns >= _FEWEST_TURNS and turns * period >= _FEWEST_OPERATIONS:
                found.append((begin, period, turns))
                end_of_last = begin + turns * period
        return found

    def _period(self) -> int:
        """In operations: of the longest path that fits best, or 0."""
        best, most = 0, 0
        for path in self._longest_paths():
            period, length = self._period_along(path)
            if length > most:
                best, most = period, length
        return best

    def _period_along(self, path: Array) -> tuple[int, int]:
        """The period, in operations, and for how many operations of the path it holds; zeros where there is none."""
        count = len(path)
        best, most = 0, 0
        if count < _FEWEST_TURNS:
            return best, most
        kinds = self.kind[path]
        for step in range(1, min(count // (_FEWEST_TURNS - 1), _MOST_COMPARISONS // count) + 1):
            distance = path[step:] - path[:-step]
            fits = (kinds[step:] == kinds[:-step]).astype(np.int8)
            fits[1:] &= distance[1:] == distance[:-1]
            edges = np.flatnonzero(np.diff(np.concatenate([[0], fits, [0]])))
            if not len(edges):
                continue
            lengths = edges[1::2] - edges[::2]
            k = int(np.argmax(lengths))
            if lengths[k] >= (_FEWEST_TURNS - 2) * step and lengths[k] > most + step:
                best, most = int(distance[edges[2 * k] + int(lengths[k]) // 2]), int(lengths[k])
                if 2 * most > count:
                    break
        return best, most

    def _longest_paths(self) -> list[Array]:
        """Operations, each an input of the next one: where several inputs are as deep, by the first or by the last.

        One of the two stays in its place where a ring of neighbours is a turn, whichever neighbour comes first.
        """
        start, code = self.start.tolist(), self.code.tolist()
        level = [0] * len(self.nodes)
        first, last = [-1] * len(self.nodes), [-1] * len(self.nodes)
        for i in range(len(self.nodes)):
            deepest = 0
            for j in code[start[i] : start[i + 1]]:
                if j >= 0 and level[j] >= deepest:
                    if level[j] > deepest:
                        deepest, first[i] = level[j], j
                    last[i] = j
            level[i] = deepest + 1
        paths = []
        for before in (first, last) if first != last else (first,):
            path = []
            i = max(range(len(level)), key=level.__getitem__, default=-1)
            while i >= 0:
                path.append(i)
                i = before[i]
            paths.append(np.array(path[::-1], int))
        return paths

    def _with_first_turn(self, begin: int, period: int, step: Array, lowest: int) -> int:
        """The first turn reads other things than the others, where these read the turn before. Where it starts."""
        waiting: list[tuple[int, int]] = []  # what later turns would read in its place, and the operation that reads
        i = begin - 1
        while i >= max(lowest, begin - period):
            j = i + period
            if self.kind[i] != self.kind[j]:
                break
            regular = True
            for a, b in zip(range(self.start[i], self.start[i + 1]), range(self.start[j], self.start[j + 1])):
                if self.type[b] == _OPERATION and step[b] == period:
                    expected = int(self.code[b]) - period
                    if self.type[a] != _OPERATION or self.code[a] != expected:
                        waiting.append((expected, i))
                elif (
                    self.type[a] != self.type[b]
                    or self.source[a] != self.source[b]
                    or (self.type[b] == _OPERATION and self.code[b] - self.code[a] != step[b])
                ):
                    regular = False
            if not regular:
                break
            i -= 1
        first = i + 1
        for expected, reader in sorted(waiting, key=lambda pair: -pair[1]):
            if expected >= first and reader >= first:  # it would stand in the same turn
                first = reader + 1
        return first

    def turns(self, begin: int, period: int, count: int) -> Turns | None:
        """What belongs to the loop of the operations that repeat from `begin`; None where it is no loop."""
        last = begin + (count - 1) * period
        edges: list[tuple[int, int, int]] = []  # which operation of a turn reads which one, of how many turns ago
        for k in range(period):
            for f in range(self.start[last + k], self.start[last + k + 1]):
                at = int(self.code[f])
                before = at - begin
                if at < 0 or before < 0:
                    continue
                earlier = int(self.code[f - int(self.start[last + k] - self.start[last - period + k])])
                if at - earlier != period:
                    return None  # it walks through the turns at another pace
                edges.append((k, before % period, count - 1 - before // period))
        inside = _find_cycles(period, edges)
        if not inside or any(lag > _LONGEST_LAG for a, b, lag in edges if a in inside and b in inside):
            return None
        order = sorted(inside)
        nodes = [[self.nodes[begin + t * period + k] for k in order] for t in range(count)]
        lags = []
        for k in order:
            row = []
            for f in range(self.start[last + k], self.start[last + k + 1]):
                before = int(self.code[f]) - begin
                is_inside = self.code[f] >= 0 and before >= 0 and before % period in inside
                row.append(count - 1 - before // period if is_inside else -1)
            lags.append(row)
        turns = Turns(nodes, lags)
        _divide_sums(self.graph, turns)
        return turns


def _find_cycles(count: int, edges: Sequence[tuple[int, int, int]]) -> set[int]:
    """The operations of a turn that depend on an earlier turn and on which a later one depends."""
    inside = set(range(count))
    while True:
        inner = [(a, b, lag) for a, b, lag in edges if a in inside and b in inside]
        readers: dict[int, list[int]] = {}
        inputs: dict[int, list[int]] = {}
        for a, b, _ in inner:
            readers.setdefault(b, []).append(a)
            inputs.setdefault(a, []).append(b)
        after = _find_reachable([a for a, _, lag in inner if lag], readers)
        before = _find_reachable([b for _, b, lag in inner if lag], inputs)
        if after & before == inside:
            return inside
        inside = after & before


def _find_reachable(starts: Iterable[int], neighbours: dict[int, list[int]]) -> set[int]:
    seen: set[int] = set()
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += neighbours.get(node, ())
    return seen


def _divide_sums(graph: Graph, turns: Turns) -> None:
    """Terms of sums that do not depend on the loop become a sum outside: W·x + b of all steps is computed at once."""
    place = {node: k for k, node in enumerate(turns.nodes[-1])}
    readers = [0] * len(place)  # of each operation, in its turn and later ones
    for k in range(len(turns.lags)):
        for f, lag in enumerate(turns.lags[k]):
            if lag >= 0:
                readers[read_operation(graph, turns, k, f)] += 1
    for k, node in enumerate(turns.nodes[-1]):
        if graph.ops[node] is not TOTAL:
            continue
        lags = turns.lags[k]
        mixed = []  # dots that only this sum reads, and which of their terms are free of the loop
        for i, lag in zip(graph.inputs[node], lags):
            if lag == 0 and graph.ops[i] is DOT and readers[place[i]] == 1:
                half = len(turns.lags[place[i]]) // 2
                is_free = [a < 0 and b < 0 for a, b in zip(turns.lags[place[i]][:half], turns.lags[place[i]][half:])]
                if any(is_free):
                    mixed.append((place[i], is_free))
        free = [f for f, lag in enumerate(lags) if lag < 0]
        if not mixed and len(free) < 2:
            continue
        for row in turns.nodes:
            line = graph.lines[row[k]]
            apart = [graph.inputs[row[k]][f] for f in free]
            for d, is_free in mixed:
                terms, rest = _split_factors(graph.inputs[row[d]], is_free)
                apart.insert(0, graph.add(DOT, terms, "", line))
                graph.inputs[row[d]] = rest
            if len(apart) > 1:
                apart = [graph.add(TOTAL, apart, "", line)]
            graph.inputs[row[k]] = [*[i for i, lag in zip(graph.inputs[row[k]], lags) if lag >= 0], *apart]
        for d, is_free in mixed:
            turns.lags[d] = _split_factors(turns.lags[d], is_free)[1]
        turns.lags[k] = [*[lag for lag in lags if lag >= 0], -1]


def _split_factors(factors: Sequence[int], is_free: Sequence[bool]) -> tuple[list[int], list[int]]:
    """The factors of the terms of a dot that are free of the loop, and of the others."""
    twice = [*is_free, *is_free]
    return [x for x, out in zip(factors, twice) if out], [x for x, out in zip(factors, twice) if not out]


def read_operation(graph: Graph, turns: Turns, k: int, f: int) -> int:
    """Which operation of a turn input f of the k-th one is, where it comes from the loop."""
    last = len(turns.nodes) - 1
    return turns.place(last - turns.lags[k][f])[graph.inputs[turns.nodes[last][k]][f]]


def order_in_stages(
    graph: Graph, nodes: Iterable[int], found: Sequence[Turns]
) -> Iterator[tuple[list[int], list[int]]]:
    """Which loops can run together, and the operations that can run after them, before the next loops.

    Yields numbers of loops, and nodes that belong to no loop.
    """
    loop_of = {node: k for k, loop in enumerate(found) for row in loop.nodes for node in row}
    items: dict[Any, set[Any]] = {("loop", k): set() for k in range(len(found))}
    known = set(nodes)
    for node in known:
        item = ("loop", loop_of[node]) if node in loop_of else node
        needs = items.setdefault(item, set())
        for i in graph.inputs[node]:
            if i in known:
                source = ("loop", loop_of[i]) if i in loop_of else i
                if source != item:
                    needs.add(source)
    users: dict[Any, list[Any]] = {item: [] for item in items}
    for item, needs in items.items():
        for source in needs:
            users[source].append(item)
    stage: dict[Any, int] = {}
    waiting = {item: len(needs) for item, needs in items.items()}
    ready = [item for item, count in waiting.items() if not count]
    while ready:
        item = ready.pop()
        is_loop = isinstance(item, tuple)
        stage[item] = max([stage[s] for s in items[item]], default=0) + is_loop
        for user in users[item]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    for level in range(max(stage.values(), default=0) + 1):
        at = [item for item, s in stage.items() if s == level]
        yield [item[1] for item in at if isinstance(item, tuple)], [item for item in at if not isinstance(item, tuple)]
