"""Which nodes of a graph a picture shows: all of them, some, groups of them, or the products and sums in fused nodes.

A view maps each box, a node or a group of nodes, to its inputs. Inputs come before the boxes that use them; an input
that is not shown is None in its place. Every function makes a view, or another view from a view. How boxes look is left
to `_appearance.py`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, DOT, LEAF, MUL, TOTAL
from tinygrad_edu.rules import Op

MAX_GROUP_BOXES, MAX_GROUP_ARROWS = 40, 80  # in a collapsed picture: more cannot be followed by eye
MAX_MODULE_LEVELS = 8  # of modules in modules that groups can distinguish
MAX_SINGLE_NEAR_ROOT = 8  # nodes close to the root that a collapsed picture shows one by one

_SUM = Op("total", "+", TOTAL.value, every=TOTAL.every)  # a total with the symbol of a sum


class NodeGroup:
    """Nodes that share a box, as the nodes of a module, or leaves of one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[Value] = []


Box: TypeAlias = Value | NodeGroup
GraphView: TypeAlias = dict[Box, tuple[Box | None, ...]]


def view_all(roots: Sequence[Value]) -> GraphView:
    """Makes the view of all nodes behind the roots."""
    return {v: v._prev for v in topological_order(*roots)}


def keep_paths(view: GraphView, start: Value) -> GraphView:
    """Keeps the nodes that depend on `start`: those on the paths between it and the roots."""
    if start not in view:
        raise ValueError(f"focus is a node of the graph that is drawn, and {start!r} is not: no path leads to the root")
    on_a_path: set[Box | None] = {start}
    for v, inputs in view.items():
        if not on_a_path.isdisjoint(inputs):
            on_a_path.add(v)
    return _keep(view, on_a_path)


def keep_near(view: GraphView, roots: Iterable[Box], depth: int) -> GraphView:
    """Keeps the nodes from which `depth` arrows or fewer lead to a root."""
    if not isinstance(depth, int) or depth < 0:
        raise ValueError(f"depth is the number of arrows to go back from the root, an int of 0 or more, not {depth!r}")
    step: list[Box | None] = list(roots)
    shown = set(step)
    for _ in range(depth):
        step = _find_inputs(view, step, shown)
        if not step:
            break
        shown.update(step)
    return _keep(view, shown)


def _find_inputs(view: GraphView, step: Iterable[Box | None], shown: set[Box | None]) -> list[Box | None]:
    """Returns the inputs of some boxes, each once, without those that are shown already."""
    return list(dict.fromkeys(x for v in step if v is not None for x in view[v] if x is not None and x not in shown))


def _keep(view: GraphView, shown: set[Box | None]) -> GraphView:
    return {v: tuple([x if x in shown else None for x in inputs]) for v, inputs in view.items() if v in shown}


# ---- fused nodes -----------------------------------------------------------------------------------------------------
def open_fused(view: GraphView) -> tuple[GraphView, dict[Box | None, Box]]:
    """Replaces each `dot` by products and their sum, with the gradients that these have inside the dot.

    A `total` is replaced by a sum. Also returned is which new node replaces which node: the sum the dot.
    """
    new: GraphView = {}
    stands_for: dict[Box | None, Box] = {}
    for v, inputs in view.items():
        shown = tuple([stands_for.get(x, x) for x in inputs])
        if isinstance(v, Value) and v._rule is DOT:
            opened = _open_dot(v, shown)
        elif isinstance(v, Value) and v._rule is TOTAL:
            opened = {_make_stand_in(_SUM, v._prev, v.data, v.label, v.grad): shown}
        else:
            new[v] = shown
            continue
        new |= opened
        stands_for[v] = list(opened)[-1]  # the sum comes after its products
    return new, stands_for


def _open_dot(v: Value, shown: Sequence[Box | None]) -> GraphView:
    """Makes the products of a `dot` that have an input in the picture, and their sum."""
    half = len(shown) // 2
    factors = list(zip(shown[:half], shown[half:]))
    if half == 1:  # a sum of one product is the product
        return {_make_stand_in(MUL, v._prev, v.data, v.label, v.grad): factors[0]}
    products = [_make_stand_in(MUL, (a, b), a.data * b.data) for a, b in zip(v._prev[:half], v._prev[half:])]
    whole_sum = _make_stand_in(_SUM, tuple(products), v.data, v.label, v.grad)
    whole_sum._backward()  # by the rule of a sum the products get its gradient
    opened: GraphView = {p: pair for p, pair in zip(products, factors) if any(x is not None for x in pair)}
    opened[whole_sum] = tuple([p if p in opened else None for p in products])
    return opened


def _make_stand_in(op: Op, inputs: tuple[Value, ...], data: float, label: str = "", grad: float | None = None) -> Value:
    """Makes a node for the picture only, without the engine, which does not record nodes under `no_grad`."""
    stand_in = Value.__new__(Value)._set(op, inputs, data, label)
    stand_in.grad = grad or 0.0
    return stand_in


# ---- groups ----------------------------------------------------------------------------------------------------------
def collapse(view: GraphView, kept: Sequence[Value]) -> tuple[GraphView, str]:
    """Puts the nodes of a view into a few groups; also returned is the kind of the groups, as "neurons", "" for none.

    A parameter belongs to the module in its label: `layers[0].neurons[3].w[1]` to layers[0].neurons[3]. An operation
    belongs to the module whose parameter it takes, and so does the activation after it. Other operations make a group
    between modules, other leaves a group for each name. The nodes `kept`, and those close to the root, stay single.
    """
    module = _find_modules(view)
    stage = _count_stages(view, module)
    alone = _choose_single(view, kept, module)
    finest = min(max(map(len, module.values()), default=0), MAX_MODULE_LEVELS)
    attempts = [(level, staged) for level in range(finest, -1, -1) for staged in (True, False)]
    for level, staged in attempts:
        outer = {v: path[:level] for v, path in module.items()}
        new = _replace_nodes(view, _choose_groups(view, alone, outer, stage if staged else {}))
        if len(new) <= MAX_GROUP_BOXES and sum(len(set(inputs)) for inputs in new.values()) <= MAX_GROUP_ARROWS:
            break
    names = {path[level - 1] for path in module.values() if 0 < level <= len(path)}
    kinds = {_strip_index(name) for name in names}
    kind = kinds.pop() if len(kinds) == 1 and kinds != names else "modules"
    return new, kind if names else ""


def _find_modules(view: GraphView) -> dict[Box, tuple[str, ...]]:
    """Maps each node that belongs to a module to the path of the module."""
    module: dict[Box, tuple[str, ...]] = {}
    takes_a_parameter: set[Value] = set()
    for v in view:
        assert isinstance(v, Value)
        paths = [path for x in (v, *v._prev) if x._rule is LEAF and (path := tuple(str(x.label).split(".")[:-1]))]
        if paths:
            module[v] = paths[0]
            takes_a_parameter.add(v)
        elif len(v._prev) == 1 and v._prev[0] in takes_a_parameter:
            module[v] = module[v._prev[0]]
    return module


def _count_stages(view: GraphView, module: dict[Box, tuple[str, ...]]) -> dict[Box, int]:
    """Counts how often the paths to a node leave a module: operations before and after a model differ in stage."""
    stage: dict[Box, int] = {}
    for v, inputs in view.items():
        stage[v] = max([stage[x] + (x in module and v not in module) for x in inputs if x is not None], default=0)
    return stage


def _choose_single(view: GraphView, kept: Sequence[Value], module: dict[Box, tuple[str, ...]]) -> set[Box | None]:
    """Chooses the nodes outside groups: the nodes kept, and those a few arrows before the last of them."""
    shown: set[Box | None] = set(kept)
    step: list[Box | None] = [kept[-1]]
    while step:
        step = [x for x in _find_inputs(view, step, shown) if x not in module]
        if len(shown) + len(step) > len(kept) + MAX_SINGLE_NEAR_ROOT:
            break
        shown.update(step)
    return shown


def _choose_groups(
    view: GraphView, alone: set[Box | None], module: dict[Box, tuple[str, ...]], stage: dict[Box, int]
) -> dict[Box | None, Box]:
    """Maps nodes to groups; without stages, all operations outside modules are one group, and all leaves one."""
    consumer: dict[Box | None, Box] = {}
    for v, inputs in view.items():
        for x in inputs:
            consumer.setdefault(x, v)
    groups: dict[tuple[str, object], NodeGroup] = {}
    box_of: dict[Box | None, Box] = {}
    for v in reversed(view):  # a constant goes into the group of its first consumer
        assert isinstance(v, Value)
        if v in alone:
            box_of[v] = v
            continue
        where: object = None
        if v in module:
            name = where = ".".join(module[v]) or "the model"
        elif v._rule is CONSTANT:
            name, where = "constants", box_of.get(consumer.get(v))
        elif v._rule is LEAF:
            name = (_strip_index(str(v.label)) if stage else "") or "leaves"
        else:
            name, where = "operations", stage.get(v)
        group = box_of[v] = groups.setdefault((name, where), NodeGroup(name))
        group.members.append(v)
    for group in groups.values():
        if len(group.members) == 1:  # a single node needs no group
            box_of[group.members[0]] = group.members[0]
    return box_of


def _replace_nodes(view: GraphView, box_of: dict[Box | None, Box]) -> GraphView:
    """Replaces nodes by their boxes; a group has as inputs each box that an arrow leads from, once."""
    new: dict[Box, dict[Box | None, None]] = {}
    single: GraphView = {}
    for v, inputs in view.items():
        box = box_of[v]
        if box is v:
            single[v] = tuple([box_of.get(x) for x in inputs])
        arrows = new.setdefault(box, {})
        arrows.update(dict.fromkeys(box_of[x] for x in inputs if x is not None and box_of[x] is not box))
    return {v: single.get(v, tuple(arrows)) for v, arrows in new.items()}


def _strip_index(name: str) -> str:
    """Removes the number at the end of a name: `neurons` from `neurons[3]`, `x` from `x_12`."""
    return re.sub(r"[\W\d_]+$", "", name)
