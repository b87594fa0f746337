"""What a function can get at: Values, with the names by which it reaches them, and sources of random numbers.

A function reaches what stands in its closure, in the globals that it names, in its object and that one's class, and
what is in lists, dicts and models there. A Value that it only takes a number from, and a generator that it draws from,
are found in no other way. What is done with them is left to `trace.py`.
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

Path = tuple[Any, ...]  # the path to what it is found in, and the step from there: ".w" or "[3]"; () is where it starts
_NOWHERE: Path = (None, "")  # of what has no name, as an item of a set
_PLAIN = {float, int, bool, str, bytes, complex, NoneType}
_PACKAGE = __name__.partition(".")[0]


class Reach:
    """The Values and the generators that some things can get at, each once and by its shortest path."""

    def __init__(self, *things: Any) -> None:
        self.values: list[tuple[Value, Path]] = []
        self.generators: list[tuple[Any, Path]] = []
        self._queue: deque[tuple[Any, Path]] = deque()
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # what was made here: the id of another thing must not be the same
        for thing in things:
            self._add(thing, ())
        while self._queue:
            thing, path = self._queue.popleft()
            if isinstance(thing, Value):
                self.values.append((thing, path))
            else:
                if _is_generator(thing):
                    self.generators.append((thing, path))
                self._look_into(thing, path)

    def _add(self, thing: Any, path: Path) -> None:
        if thing.__class__ not in _PLAIN and id(thing) not in self._seen:
            self._seen.add(id(thing))
            self._queue.append((thing, path))

    def _add_named(self, items: Iterable[tuple[Any, Any]], path: Path) -> None:
        for name, item in items:
            if item.__class__ not in _PLAIN:
                self._add(item, (path, f".{name}" if isinstance(name, str) else f"[{name!r}]"))

    def _look_into(self, thing: Any, path: Path) -> None:
        if isinstance(thing, FunctionType):
            self._look_into_function(thing)
        elif isinstance(thing, (MethodType, BuiltinMethodType, MethodWrapperType)):
            self._add(thing.__self__, path)
            self._add(getattr(thing, "__func__", None), path)
        elif isinstance(thing, partial):
            self._add_named(enumerate(thing.args), path)
            self._add_named(thing.keywords.items(), path)
            self._add(thing.func, path)
        elif isinstance(thing, property):
            self._add(thing.fget, path)
        elif isinstance(thing, (staticmethod, classmethod)):
            self._add(thing.__func__, path)
        elif isinstance(thing, type):
            if is_the_users(thing.__module__):
                self._add_named(list(vars(thing).items()), path)
        elif not isinstance(thing, ModuleType):
            self._look_into_object(thing, path)

    def _look_into_function(self, f: FunctionType) -> None:
        """Its variables are names of their own, wherever the function was found."""
        code = f.__code__
        for name, cell in zip(code.co_freevars, f.__closure__ or ()):
            with suppress(ValueError):  # a cell that is empty yet
                self._add_named([(name, cell.cell_contents)], ())
        arguments = code.co_varnames[: code.co_argcount]
        self._add_named(zip(reversed(arguments), reversed(f.__defaults__ or ())), ())
        self._add_named((f.__kwdefaults__ or {}).items(), ())
        if is_the_users(f.__module__):
            self._look_into_globals([*names_in(code)], f.__globals__)

    def _look_into_globals(self, names: Sequence[str], scope: dict[str, Any]) -> None:
        for name in names:
            item = scope.get(name)
            if not isinstance(item, ModuleType):
                self._add_named([(name, item)], ())
            elif is_the_users(item.__name__) and id(item) not in self._seen:
                self._seen.add(id(item))
                self._look_into_globals(names, vars(item))

    def _look_into_object(self, thing: Any, path: Path) -> None:
        if isinstance(thing, dict):
            self._add_named(list(thing.items()), path)
        elif isinstance(thing, (list, tuple, deque)):
            self._add_named([(i, item) for i, item in enumerate(thing) if item.__class__ not in _PLAIN], path)
        elif isinstance(thing, (set, frozenset)):
            for item in list(thing):
                self._add(item, _NOWHERE)
        elif getattr(getattr(thing, "dtype", None), "hasobject", False):  # an array of Values
            self._kept.append(thing.tolist())
            self._add(self._kept[-1], path)
        if hasattr(thing, "__dict__"):
            self._add_named(list(vars(thing).items()), path)
        if is_the_users(type(thing).__module__):
            for cls in type(thing).__mro__:
                self._add(cls, path)
                slots = vars(cls).get("__slots__", ())
                for name in [slots] if isinstance(slots, str) else slots:
                    with suppress(AttributeError):  # it is empty, or has a private name
                        self._add_named([(name, object.__getattribute__(thing, name))], path)


def label(path: Path) -> str:
    """A path as text, as "state.wte[3]"; "" for what has none."""
    return "".join(_steps(path)).removeprefix(".")


def _steps(path: Path) -> list[str]:
    steps = []
    while path:
        path, step = path
        steps.append(step)
    return steps[::-1] if path is not None else []


def labels(parameters: Sequence[Value], reach: Reach) -> list[str]:
    """What parameters are called: by their labels, else by the shortest end of their path that is clear, else p0, p1 …

    `wte[3][4]` is short for `state.wte[3][4]`, as long as there is no other `wte`.
    """
    paths = {id(v): path for v, path in reach.values}
    ends = [_last_name(() if v.label else paths.get(id(v), ())) for v in parameters]
    named = defaultdict[str, set[int]](set)  # what has each of these last names
    for v, (path, _) in zip(parameters, ends):
        if v.label:
            named[str(v.label).partition("[")[0]].add(0)
        elif path:
            named[path[1][1:]].add(id(path))
    found = []
    for i, (v, (path, indices)) in enumerate(zip(parameters, ends)):
        is_clear = path and len(named[path[1][1:]]) == 1
        text = path[1][1:] + indices if is_clear else label(paths.get(id(v), ()))
        found.append(str(v.label or text or f"p{i}"))
    return found


def _last_name(path: Path) -> tuple[Path, str]:
    """The path down to its last name, and the indices that follow."""
    indices = ""
    while path and path[1].startswith("["):
        path, indices = path[0], path[1] + indices
    return path or (), indices


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
    if top == _PACKAGE or top in LIBRARIES or top == "builtins":
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


# ---- random numbers --------------------------------------------------------------------------------------------------
def _is_generator(thing: Any) -> bool:
    return isinstance(thing, random.Random) or str(type(thing).__module__).startswith("numpy.random")


def _state(generator: Any) -> Any:
    """The state of a generator of Python's or NumPy's; None where it cannot be told."""
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


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_is_same(x, b[name]) for name, x in a.items())
    return bool(a.tobytes() == b.tobytes() if hasattr(a, "tobytes") else a == b)


class Draws:
    """The states of generators, of Python's own and of NumPy's, to see whether somebody draws from them."""

    def __init__(self, generators: Iterable[tuple[Any, Path]]) -> None:
        named = [(generator, label(path)) for generator, path in generators]
        named.append((random.random.__self__, "the module random"))  # type: ignore[attr-defined]
        if "numpy.random" in sys.modules:
            named.append((sys.modules["numpy.random"].mtrand._rand, "numpy.random"))
        self._before = [(generator, name, _state(generator)) for generator, name in named]

    def drawn_from(self) -> str:
        """What the first one is called that somebody has drawn from since; "" for none."""
        for generator, name, state in self._before:
            if state is not None and not _is_same(state, _state(generator)):
                return name or "a random number generator"
        return ""

    def take_back(self) -> None:
        """As if nobody had drawn."""
        for generator, _, state in self._before:
            if state is not None and not _is_same(state, _state(generator)):
                _set_state(generator, state)
