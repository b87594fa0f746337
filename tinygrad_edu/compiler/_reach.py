"""What a function can reach: Values, with the names by which it reaches them, and generators of random numbers.

A function reaches what stands in its closure, in the globals that it names, in its object and in the class of that
object, and what is in lists, dicts and models there: `parts_of` in `_parts.py` is one step of that. A Value that the
function only takes a number from, and a generator that it draws from, are found in no other way. What is done with them
is left to `trace.py`, how a change is noticed to `_snapshot.py`.
"""

import random
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import FunctionType
from typing import Any

from tinygrad_edu._parts import PLAIN, parts_of
from tinygrad_edu.engine import Value

Route = tuple[Any, ...] | None  # (the route to what holds a thing, the last step); () at the start; None: no name


class Reach:
    """The Values and the generators that some things can reach, each once and with its shortest route."""

    def __init__(self, *things: Any) -> None:
        self.values: list[tuple[Value, Route]] = []
        self.generators: list[tuple[Any, Route]] = []
        seen = {id(thing): thing for thing in things}  # they stay alive, so that no other thing gets the id
        queue: deque[tuple[Any, Route]] = deque((thing, ()) for thing in seen.values())
        while queue:
            thing, route = queue.popleft()
            if isinstance(thing, Value):
                self.values.append((thing, route))
                continue
            if isinstance(thing, random.Random) or str(type(thing).__module__).startswith("numpy.random"):
                self.generators.append((thing, route))
            for step, part in parts_of(thing):
                if part.__class__ not in PLAIN and id(part) not in seen:
                    seen[id(part)] = part
                    queue.append((part, _extend_route(route, thing, step)))


def _extend_route(route: Route, thing: Any, step: str) -> Route:
    """The route to a part of a thing. In it an item of a dict stands as an attribute: `state.wte`."""
    if isinstance(thing, FunctionType):  # its variables are names of their own, wherever the function was found
        return (), f".{step.rpartition('.')[2]}"
    if route is None or isinstance(thing, (set, frozenset)) or step == ".keys()":
        return None
    if isinstance(thing, dict) and step.startswith("['"):
        step = f".{step[2:-2]}"
    return (route, step) if step else route


def route_text(route: Route) -> str:
    """A route as text, as "state.wte[3]"; "" for what has no name."""
    steps = []
    while route:
        route, step = route
        steps.append(step)
    return "".join(reversed(steps)).removeprefix(".")


def name_parameters(parameters: Sequence[Value], reach: Reach) -> list[str]:
    """The names of parameters: their labels, else the shortest clear end of their routes, else p0, p1, and so on.

    `wte[3][4]` is short for `state.wte[3][4]`, as long as there is no other `wte`.
    """
    routes = {id(v): route or () for v, route in reach.values}
    ends = [_split_indices(() if v.label else routes.get(id(v), ())) for v in parameters]
    things = defaultdict[str, set[int]](set)  # by the last names, the ids of the routes to them
    for v, (route, _) in zip(parameters, ends):
        if v.label:
            things[str(v.label).partition("[")[0]].add(0)
        elif route:
            things[route[1][1:]].add(id(route))
    names = []
    for i, (v, (route, indices)) in enumerate(zip(parameters, ends)):
        is_clear = route and len(things[route[1][1:]]) == 1
        text = route[1][1:] + indices if route and is_clear else route_text(routes.get(id(v), ()))
        names.append(str(v.label or text or f"p{i}"))
    return names


def _split_indices(route: Route) -> tuple[Route, str]:
    """The route down to its last name, and the indices after it."""
    indices = ""
    while route and route[1].startswith("["):
        route, indices = route[0], route[1] + indices
    return route, indices


# ---- random numbers --------------------------------------------------------------------------------------------------
def _get_state(generator: Any) -> Any:
    """The state of a generator of Python's or NumPy's; None where nobody can see it."""
    if isinstance(generator, random.Random):
        with suppress(NotImplementedError):  # the operating system's
            return generator.getstate()
        return None
    if hasattr(generator, "get_state"):
        return generator.get_state(legacy=False)
    return getattr(getattr(generator, "bit_generator", generator), "state", None)


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif hasattr(generator, "set_state"):
        generator.set_state(state)
    else:
        getattr(generator, "bit_generator", generator).state = state


def _are_equal_states(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_are_equal_states(x, b[name]) for name, x in a.items())
    return bool(a.tobytes() == b.tobytes() if hasattr(a, "tobytes") else a == b)


class RandomStates:
    """The states of generators, and of Python's and NumPy's own, to see whether somebody draws from them."""

    def __init__(self, generators: Iterable[tuple[Any, Route]]) -> None:
        named = [(generator, route_text(route)) for generator, route in generators]
        named.append((random.random.__self__, "the module random"))  # type: ignore[attr-defined]
        if "numpy.random" in sys.modules:
            named.append((sys.modules["numpy.random"].mtrand._rand, "numpy.random"))
        self._before = [(generator, name, _get_state(generator)) for generator, name in named]

    def _changed(self) -> Iterator[tuple[Any, str, Any]]:
        for generator, name, state in self._before:
            if state is not None and not _are_equal_states(state, _get_state(generator)):
                yield generator, name, state

    def find_change(self) -> str:
        """The name of the first generator that somebody has drawn from since; "" for none."""
        return next((name or "a random number generator" for _, name, _ in self._changed()), "")

    def restore(self) -> None:
        """Sets all generators back, as if nobody had drawn."""
        for generator, _, state in self._changed():
            _set_state(generator, state)
