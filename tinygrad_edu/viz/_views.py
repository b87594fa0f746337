"""Which nodes of a graph a picture shows: all of them, some, groups of them, or more than there are.

A view has each node that is shown, after its inputs; an input that is not shown is None in its place. Every function
makes a view, or another one of a view. What a node looks like is left to `graph.py`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS, OPS, Op

MAX_BOXES, MAX_ARROWS = 40, 80  # in a collapsed picture: what still can be followed by eye
MAX_LEVELS = 8  # of modules in modules that are told apart
NEAR = 8  # the nodes that a collapsed picture shows one by one behind the root, as long as whole steps are so few

_DOT, _MUL, _TOTAL = OPS["dot"], OPS["mul"], OPS["total"]
_SUM = Op("total", "+", _TOTAL.value, every=_TOTAL.every)  # drawn as the sum that it is


class Group:
    """Nodes of which a picture shows only that they are there: those of a module, say, or many leaves of one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[Value] = []


Node: TypeAlias = Value | Group
View: TypeAlias = dict[Node, tuple[Node | None, ...]]


def whole(roots: Sequence[Value]) -> View:
    """All nodes behind the roots."""
    return {v: v._prev for v in topological_order(*roots)}


def paths_from(view: View, start: Value) -> View:
    """The nodes that depend on `start`: they stand on the paths between it and the roots."""
    if start not in view:
        raise ValueError(f"focus is a node of the graph that is drawn, and {start!r} is not: no path leads to the root")
    on_a_path: set[Node | None] = {start}
    for v, inputs in view.items():
        if not on_a_path.isdisjoint(inputs):
            on_a_path.add(v)
    return _restricted(view, on_a_path)


def near(view: View, roots: Iterable[Node], depth: int) -> View:
    """The nodes from which `depth` arrows or fewer lead to a root."""
    if not isinstance(depth, int) or depth < 0:
        raise ValueError(f"depth is the number of arrows to go back from the root, an int of 0 or more, not {depth!r}")
    step: list[Node | None] = list(roots)
    shown = set(step)
    for _ in range(depth):
        step = _behind(view, step, shown)
        if not step:
            break
        shown.update(step)
    return _restricted(view, shown)


def _behind(view: View, step: Iterable[Node | None], shown: set[Node | None]) -> list[Node | None]:
    """The inputs of some nodes, each once, and without those that are shown already."""
    return list(dict.fromkeys(x for v in step if v is not None for x in view[v] if x is not None and x not in shown))


def _restricted(view: View, shown: set[Node | None]) -> View:
    return {v: tuple([x if x in shown else None for x in inputs]) for v, inputs in view.items() if v in shown}


# ---- fused nodes -----------------------------------------------------------------------------------------------------
def opened(view: View) -> tuple[View, dict[Node | None, Node]]:
    """The view with each `dot` as products and their sum, which have the gradients that they have inside the dot.

    Also returned is which node stands for which: the sum for the dot. A `total` is drawn as the sum that it is.
    """
    new: View = {}
    stands_for: dict[Node | None, Node] = {}
    for v, inputs in view.items():
        shown = tuple([stands_for.get(x, x) for x in inputs])
        if isinstance(v, Group) or v._rule not in (_DOT, _TOTAL):
            new[v] = shown
            continue
        terms, half = v._prev, len(inputs) // 2
        if v._rule is _DOT:
            products = [_stand_in(_MUL, pair, "", 0.0) for pair in zip(v._prev[:half], v._prev[half:])]
            factors = list(zip(shown[:half], shown[half:]))
            if half == 1:  # a sum of one product is the product
                (product,), (new_inputs,) = products, factors
                product.label, product.grad = v.label, v.grad
                new[product], stands_for[v] = new_inputs, product
                continue
            seen = [any(x is not None for x in pair) for pair in factors]
            new |= {product: pair for product, pair, is_seen in zip(products, factors, seen) if is_seen}
            shown = tuple([product if is_seen else None for product, is_seen in zip(products, seen)])
            terms = tuple(products)
        whole_sum = _stand_in(_SUM, terms, v.label, v.grad or 0.0)
        whole_sum.data = v.data
        if v._rule is _DOT:
            whole_sum._backward()  # by the rule of a sum the products get its gradient
        new[whole_sum], stands_for[v] = shown, whole_sum
    return new, stands_for


def _stand_in(op: Op, inputs: tuple[Value, ...], label: str, grad: float) -> Value:
    """A node that is in the picture only: made past the engine, which under `no_grad` would not record it."""
    data = op.value(FLOATS, *[x.data for x in inputs])
    stand_in = Value.__new__(Value)._set(op, inputs, data, label)
    stand_in.grad = grad
    return stand_in


# ---- groups ----------------------------------------------------------------------------------------------------------
def collapsed(view: View, kept: Sequence[Value]) -> tuple[View, str]:
    """The view in a few boxes, and what these are: `neurons`, or else `layers`, or else `modules`; "" for none of them.

    A parameter belongs to the module that its label says, `layers[0].neurons[3].w[1]` to layers[0].neurons[3]; an
    operation to the module whose parameter it takes, and so does the activation that follows on it. Other operations
    make a group between modules, other leaves one for each name. The `kept`, and the nodes close behind the root, stay.
    """
    module = _modules(view)
    stage = _stages(view, module)
    alone = _one_by_one(view, kept, module)
    finest = min(max(map(len, module.values()), default=0), MAX_LEVELS)
    attempts = [(level, staged) for level in range(finest, -1, -1) for staged in (True, False)]
    for level, staged in attempts:
        new = _grouped(view, alone, {v: path[:level] for v, path in module.items()}, stage if staged else {})
        if len(new) <= MAX_BOXES and sum(len(set(inputs)) for inputs in new.values()) <= MAX_ARROWS:
            break
    names = {path[level - 1] for path in module.values() if 0 < level <= len(path)}
    kinds = {_without_index(name) for name in names}
    kind = kinds.pop() if len(kinds) == 1 and kinds != names else "modules"
    return new, kind if names else ""


def _modules(view: View) -> dict[Node, tuple[str, ...]]:
    """The path of the module to which each node belongs that belongs to one."""
    module: dict[Node, tuple[str, ...]] = {}
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


def _stages(view: View, module: dict[Node, tuple[str, ...]]) -> dict[Node, int]:
    """How often the ways to a node leave a module: operations before a model and after it are in different stages."""
    stage: dict[Node, int] = {}
    for v, inputs in view.items():
        stage[v] = max([stage[x] + (x in module and v not in module) for x in inputs if x is not None], default=0)
    return stage


def _one_by_one(view: View, kept: Sequence[Value], module: dict[Node, tuple[str, ...]]) -> set[Node | None]:
    """The nodes that are not put into groups: those kept, and in whole steps as many as are few behind the last one."""
    shown: set[Node | None] = set(kept)
    step: list[Node | None] = [kept[-1]]
    while step:
        step = [x for x in _behind(view, step, shown) if x not in module]
        if len(shown) + len(step) > len(kept) + NEAR:
            break
        shown.update(step)
    return shown


def _grouped(view: View, alone: set[Node | None], module: dict[Node, tuple[str, ...]], stage: dict[Node, int]) -> View:
    """The view with groups in place of nodes; without stages all operations outside modules are one, and all leaves."""
    consumer: dict[Node | None, Node] = {}
    for v, inputs in view.items():
        for x in inputs:
            consumer.setdefault(x, v)
    groups: dict[tuple[str, object], Group] = {}
    place: dict[Node | None, Node] = {}
    for v in reversed(view):  # a constant goes where its first consumer has gone
        assert isinstance(v, Value)
        if v in alone:
            place[v] = v
            continue
        where: object = None
        if v in module:
            name = where = ".".join(module[v]) or "the model"
        elif v._rule is CONSTANT:
            name, where = "constants", place.get(consumer.get(v))
        elif v._rule is LEAF:
            name = (_without_index(str(v.label)) if stage else "") or "leaves"
        else:
            name, where = "operations", stage.get(v)
        group = place[v] = groups.setdefault((name, where), Group(name))
        group.members.append(v)
    for group in groups.values():
        if len(group.members) == 1:  # which is no group
            place[group.members[0]] = group.members[0]
    new: dict[Node, dict[Node | None, None]] = {}
    single: View = {}
    for v, inputs in view.items():
        at = place[v]
        if at is v:
            single[v] = tuple([place.get(x) for x in inputs])
        arrows = new.setdefault(at, {})
        arrows.update(dict.fromkeys(place[x] for x in inputs if x is not None and place[x] is not at))
    return {v: single.get(v, tuple(arrows)) for v, arrows in new.items()}


def _without_index(name: str) -> str:
    """`neurons[3]` and `x_12` without their numbers: what many of them have in common."""
    return re.sub(r"[\W\d_]+$", "", name)
