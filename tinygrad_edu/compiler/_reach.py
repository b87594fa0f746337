"""What a function can reach: Values, with the names by which it reaches them, and generators of random numbers.

A function reaches what stands in its closure, in the globals that it names, in its object and in the class of that
object, and what is in lists, dicts and models there: `parts_of` is one step of that. A Value that the function only
takes a number from, and a generator that it draws from, are found in no other way. What is done with them is left to
`trace.py`, how a change is noticed to `_snapshot.py`.
"""

import random
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType, NoneType
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import LIBRARIES
from tinygrad_edu.graph import attributes_of

Part = tuple[str, Any]  # the step to a part, as ".w" or "[3]", or "" where the step has no name; and the part
Route = tuple[Any, ...] | None  # (the route to what holds a thing, the last step); () at the start; None: no name
PLAIN = frozenset({float, int, bool, str, bytes, complex, NoneType})  # they hold nothing, and nobody can change them
_TOP_PACKAGE = __name__.partition(".")[0]
_NO_CONTENTS = ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__slots__")  # of a class


# ---- one step --------------------------------------------------------------------------------------------------------
def parts_of(thing: Any) -> Iterator[Part]:
    """What a thing holds, each part with the step to it. No code of the user's runs."""
    if isinstance(thing, FunctionType):
        yield from _parts_of_function(thing)
    elif isinstance(thing, (MethodType, BuiltinMethodType, MethodWrapperType)):
        yield "", thing.__self__
        yield "", getattr(thing, "__func__", None)
    elif isinstance(thing, partial):
        yield from [(f"[{i}]", x) for i, x in enumerate(thing.args)]
        yield from [(f".{name}", x) for name, x in thing.keywords.items()]
        yield "", thing.func
    elif isinstance(thing, Value):
        yield from [(f".{name}", x) for name, x in attributes_of(thing).items() if name != "label"]
    elif isinstance(thing, type):
        yield from _parts_of_class(thing) if is_the_users(thing.__module__) else ()
    elif hasattr(thing, "dtype") and hasattr(thing, "tobytes"):  # an array
        if thing.dtype.hasobject:
            yield "", thing.tolist()
    elif not isinstance(thing, ModuleType):
        yield from _parts_of_instance(thing)


def _parts_of_function(f: FunctionType) -> Iterator[Part]:
    code = f.__code__
    for name, cell in zip(code.co_freevars, f.__closure__ or ()):
        with suppress(ValueError):  # a cell that is empty yet
            yield f".{name}", cell.cell_contents
    defaults = f.__defaults__ or ()
    arguments = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for name, x in [*zip(arguments, defaults), *(f.__kwdefaults__ or {}).items(), *vars(f).items()]:
        yield f".{name}", x
    if is_the_users(f.__module__):
        names = dict.fromkeys(names_in(code))
        scopes, seen = [("", f.__globals__)], set[int]()
        for prefix, scope in scopes:  # it grows: a module of the user's is a scope, too
            for name in names:
                if name in scope:
                    x = scope[name]
                    yield f"{prefix}.{name}", x
                    if isinstance(x, ModuleType) and is_the_users(x.__name__) and id(x) not in seen:
                        seen.add(id(x))
                        scopes.append((f"{prefix}.{name}", vars(x)))


def _parts_of_class(cls: type) -> Iterator[Part]:
    """What stands in its body; of a property and of a static method, the functions."""
    for name, x in list(vars(cls).items()):
        if isinstance(x, property):
            yield from [(f".{name}", x.fget), (f".{name}", x.fset)]
        elif name not in _NO_CONTENTS:
            yield f".{name}", x.__func__ if isinstance(x, (staticmethod, classmethod)) else x


def _parts_of_instance(thing: Any) -> Iterator[Part]:
    cls = type(thing)
    if isinstance(thing, dict):
        for key, x in list(dict.items(thing)):
            yield from [(".keys()", key), (f"[{key!r}]" if type(key) in PLAIN else "[…]", x)]
    elif isinstance(thing, (list, tuple, set, frozenset, deque)):
        yield from [(f"[{i}]", x) for i, x in enumerate(cls.__iter__(thing))]
    elif isinstance(thing, (float, int, str, bytes, complex)):
        plain: Any = next(kind for kind in PLAIN if kind in type(thing).__mro__)
        yield "", plain.__repr__(thing)
    elif isinstance(thing, (bytearray, memoryview)) or cls.__module__ == "array":
        yield "", bytes(thing)
    with suppress(TypeError):  # it has no `__dict__`
        yield from [(f".{name}", x) for name, x in vars(thing).items()]
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            with suppress(AttributeError):  # it is empty, or has a private name
                yield f".{name}", object.__getattribute__(thing, name)
        if is_the_users(base.__module__):
            yield "", base


def names_in(code: CodeType) -> Iterator[str]:
    """The globals and attributes that a function names, and the functions in it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)


@lru_cache(maxsize=1024)
def is_the_users(module: str | None) -> bool:
    """Whether a module is the user's own: neither of this package, nor of Python, nor installed."""
    top = str(module).partition(".")[0]
    if top == _TOP_PACKAGE or top in LIBRARIES or top == "builtins":
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def name_of(f: Any) -> str:
    """What messages and programs call a function or an object: its name, or that of its class; "f" for a lambda."""
    name = str(getattr(f, "__name__", type(f).__name__))
    return "f" if name == "<lambda>" else name


# ---- all steps -------------------------------------------------------------------------------------------------------
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
