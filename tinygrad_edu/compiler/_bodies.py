"""The turn of a loop as a graph of its own, and the loop that is written of it.

What a turn reads is, number by number, made in the same turn, carried from an earlier one, the same in all turns, or a
row of a stream. How the graph of a turn becomes statements is left to the roller that is given, what is a loop to
`_loops.py`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ._loops import Turns, read_operation
from ._sums import Graph
from .program import COPY, Access, AnyStatement, Block, Carry, Loop, Operand, Origin, Statement, whole


class Roller(Protocol):
    """What writes the statements of a graph, as `roll.py` does."""

    graph: Graph
    statements: list[AnyStatement]
    blocks: list[Block]
    parameters: int

    def __init__(self, graph: Graph, leaves: Sequence[Block], parameters: int) -> None: ...

    def roll(self) -> None: ...

    def put(self, node: int, block: Block, cell: int) -> None: ...

    def place(self, node: int) -> Operand: ...

    def stands(self, node: int) -> tuple[Block, int]: ...

    def rank(self, node: int) -> float: ...

    def order(self, node: int) -> int: ...

    def is_own(self, block: Block) -> bool: ...

    def lines(self, nodes: Sequence[int]) -> tuple[str, ...]: ...

    def assembled(self, nodes: Sequence[int], shape: Sequence[int]) -> Operand: ...


@dataclass(eq=False)
class CarriedNumber:
    """A number that a loop passes on: the leaf that reads it in a turn, what it starts with, and what it becomes."""

    leaf: int
    initial: int  # a node of the graph around
    result: int  # a node of the body
    source: tuple[int, int] | None = None  # of one turn ago: whose result it is, by loop and operation


class Body:
    """What some loops do in a turn, as a graph of its own, which is rolled as any other."""

    def __init__(
        self, outer: "Roller", together: Sequence[Turns], used: set[int], groups: Sequence[Sequence[int]]
    ) -> None:
        self.outer, self.together, self.graph = outer, together, Graph()
        self._used = used  # nodes of the outer graph that something outside of the loops reads
        self.states: list[CarriedNumber] = []
        self._leaves: dict[Any, int] = {}
        self._streams: list[tuple[int, Sequence[int]]] = []  # leaves, and what they are in each turn
        self.nodes = [self._add(number, loop) for number, loop in enumerate(together)]
        self.graph.outputs = [state.result for state in self.states]
        for loop, made in zip(together, self.nodes):
            columns = zip(*loop.nodes)
            self.graph.outputs += [node for node, column in zip(made, columns) if not used.isdisjoint(column)]
        self.roller = type(outer)(self.graph, outer.blocks, outer.parameters)
        for key, leaf in self._leaves.items():
            if isinstance(key, int):
                self.roller.put(leaf, *outer.stands(key))
        self.streams = self._stream_blocks()
        self.groups = groups or self._groups_by_operations()
        self.carried = [self._block_of([self.states[k].leaf for k in group]) for group in self.groups]

    # ---- the graph ---------------------------------------------------------------------------------------------------
    def _add(self, number: int, loop: Turns) -> list[int]:
        """Adds a turn; returns its operations."""
        outer = self.outer.graph
        made: list[int] = []
        for k, node in enumerate(loop.nodes[-1]):
            inputs = []
            for f, lag in enumerate(loop.lags[k]):
                if lag < 0:
                    inputs.append(self._from_outside([outer.inputs[row[k]][f] for row in loop.nodes]))
                    continue
                source = read_operation(outer, loop, k, f)
                if lag == 0:
                    inputs.append(made[source])
                    continue
                first = [outer.inputs[row[k]][f] for row in loop.nodes[:lag]]
                inputs.append(self._state(number, source, first))
            made.append(self.graph.add(outer.ops[node], inputs, "", outer.lines[node]))
        for state in self.states:
            if state.source and state.source[0] == number:
                state.result = made[state.source[1]]
        return made

    def _state(self, number: int, source: int, first: Sequence[int]) -> int:
        """The leaf of what an operation made some turns ago; `first` is read in its place before there is such a turn.

        Each turn moves it on by one.
        """
        leaf = -1
        for lag in range(1, len(first) + 1):
            key = (number, source, tuple([self._same(node) for node in first[len(first) - lag :]]))
            if key not in self._leaves:
                self._leaves[key] = self.graph.add(None)
                whose = (number, source) if lag == 1 else None
                self.states.append(CarriedNumber(self._leaves[key], first[len(first) - lag], leaf, whose))
            leaf = self._leaves[key]
        return leaf

    def _same(self, node: int) -> Any:
        """Equal for nodes that are the same, and for equal constants."""
        number = self.outer.graph.numbers.get(node)
        return node if number is None else number.hex()

    def _from_outside(self, column: Sequence[int]) -> int:
        """The leaf of what each turn reads elsewhere, or of what is the same for all."""
        numbers = self.outer.graph.numbers
        if column[0] in numbers and all(i in numbers for i in column):
            if len({numbers[i].hex() for i in column}) == 1:
                leaf = self.graph.add(None)
                self.graph.numbers[leaf] = numbers[column[0]]
                return leaf
        elif column[0] == column[-1] and len(set(column)) == 1:
            return self._leaf(column[0])
        is_new = tuple(column) not in self._leaves
        leaf = self._leaf(tuple(column))
        if is_new:
            self._streams.append((leaf, column))
        return leaf

    def _leaf(self, key: Any) -> int:
        if key not in self._leaves:
            self._leaves[key] = self.graph.add(None)
        return self._leaves[key]

    # ---- blocks ------------------------------------------------------------------------------------------------------
    def _stream_blocks(self) -> list[tuple[Block, Access]]:
        """What the turns read, row by row: leaves that read the same block are one block."""
        groups: dict[Any, list[tuple[int, Sequence[int]]]] = defaultdict(list)
        for leaf, column in self._streams:
            groups[self.outer.rank(column[0]), self.outer.rank(column[-1])].append((leaf, column))
        streams = []
        for group in groups.values():
            group.sort(key=lambda stream: self.outer.order(stream[1][0]))
            block = self._block_of([leaf for leaf, _ in group])
            nodes = [column[t] for t in range(len(group[0][1])) for _, column in group]
            access = self.outer.assembled(nodes, (len(group[0][1]), *block.shape))
            assert isinstance(access, Access)
            streams.append((block, access))
        return streams

    def _block_of(self, leaves: Sequence[int]) -> Block:
        block = Block("", (len(leaves),) if len(leaves) > 1 else (), "state")
        for cell, leaf in enumerate(leaves):
            self.roller.put(leaf, block, cell)
        return block

    def _groups_by_operations(self) -> list[list[int]]:
        """States that operations of one kind make may come to stand in one block."""
        groups: dict[Any, list[int]] = defaultdict(list)
        for k, state in enumerate(self.states):
            groups[self.graph.ops[state.result], len(self.graph.inputs[state.result]), bool(state.source)].append(k)
        return list(groups.values())

    def groups_by_results(self) -> list[list[int]]:
        """States by the blocks that what they become stands in, in its order."""
        groups: dict[float, list[int]] = defaultdict(list)
        for k, state in enumerate(self.states):
            groups[self.roller.rank(state.result)].append(k)
        return [sorted(g, key=lambda k: self.roller.order(self.states[k].result)) for g in groups.values()]

    # ---- the loop ----------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Writes the loop; puts those of its nodes that are used outside where they stand after it."""
        used = self._used
        turns = len(self.together[0].nodes)
        finals: dict[int, Block] = {}
        stacked: dict[Block, Block] = {}
        of_source = {state.source: k for k, state in enumerate(self.states) if state.source}
        group_of = {k: (number, cell) for number, group in enumerate(self.groups) for cell, k in enumerate(group)}
        results = [self._access_of([self.states[k].result for k in group]) for group in self.groups]
        for number, loop in enumerate(self.together):
            for k, made in enumerate(self.nodes[number]):
                column: Sequence[int] = [row[k] for row in loop.nodes]
                if used.isdisjoint(column):
                    continue
                if used.isdisjoint(column[:-1]) and (number, k) in of_source:
                    group, cell = group_of[of_source[number, k]]
                    finals.setdefault(group, Block("", self.carried[group].shape))
                    self.outer.put(column[-1], finals[group], cell)
                    continue
                block, cell = self._written(made)
                rows = stacked.setdefault(block, Block("", (turns, *block.shape)))
                for t, at in enumerate(column):
                    self.outer.put(at, rows, t * block.size + cell)
        carried = []
        for which, (members, state, result) in enumerate(zip(self.groups, self.carried, results)):
            initial = self.outer.assembled([self.states[k].initial for k in members], state.shape)
            carried.append(Carry(state, initial, result, finals.get(which)))
        last = [node for loop in self.together for node in loop.nodes[-1]]
        origin = Origin(self.outer.lines(last), turns * len(last))
        body = tuple(self.roller.statements)
        self.outer.statements.append(
            Loop(turns, body, tuple(carried), tuple(self.streams), tuple(stacked.items()), False, origin)
        )

    def _written(self, node: int) -> tuple[Block, int]:
        """Where a node stands in a block that the body writes."""
        place = self.roller.place(node)
        if isinstance(place, Access) and place.block.kind == "result" and self.roller.is_own(place.block):
            return place.block, place.offset
        copy = Block("")
        self.roller.statements.append(Statement(copy, COPY, (place,)))
        return copy, 0

    def _access_of(self, nodes: Sequence[int]) -> Access:
        access = self.roller.assembled(nodes, (len(nodes),) if len(nodes) > 1 else ())
        if isinstance(access, Access):
            return access
        copy = Block("", (len(nodes),) if len(nodes) > 1 else ())
        self.roller.statements.append(Statement(copy, COPY, (access,), copy.shape))
        return whole(copy)
