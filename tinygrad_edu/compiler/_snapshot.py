"""What a program has taken over from a function, and whether that has changed since.

A program is made of a function once, and replayed: plain numbers, lists and the code itself are fixed in it. A
`Snapshot` writes down all that the function reaches, and two of them can be compared. What to do then is left to those
who ask. How a function reaches things is said in `_reach.py`.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dis import get_instructions
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.graph import attributes_of
from tinygrad_edu.ops import CONSTANT

from ._reach import is_the_users, names_in
from .trace import Tracing

_PLAIN: dict[type, str] = {kind: kind.__name__ for kind in (float, int, bool, str, bytes, complex, type(None))}
_Parts = list[tuple[str, Any]]  # how each is reached, and what it is


class Snapshot:
    """All that some things reach, as it was when this was made.

    `facts` are equal as long as nothing has changed that a program takes over. Of a leaf they say which one it is, and
    not its number, as a program reads that at each call. An iterator, whose state nobody can see, equals nothing. No
    `==` of a user's is asked. `is_fixed` says that nothing was met that can be changed or changes what is outside: such
    functions can be called at any time without a look at what they did. `names` are the globals and attributes that
    functions of the user's mention.

    >>> from tinygrad_edu.nn import MLP
    >>> model = MLP(2, [3, 1])
    >>> before = Snapshot(model)
    >>> model.layers[0].neurons[2].nonlin = False
    >>> Snapshot(model).difference(before)
    'MLP.layers[0].neurons[2].nonlin'
    """

    def __init__(self, *things: Any) -> None:
        self.is_fixed = True
        self.names: set[str] = set()
        self.facts: list[Any] = []
        self._paths: list[tuple[int, str]] = []  # of each fact: that of the object around it, and where in there
        self._met: list[Any] = []  # stays alive, so that nothing new can have the identity of what is gone
        self._walk(things)

    def difference(self, other: "Snapshot") -> str:
        """Where the first thing stands that is not the same there; "" where all are."""
        if self.facts == other.facts:
            return ""
        pairs = zip(self.facts, other.facts)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(self.facts), len(other.facts)) - 1)
        parts = []
        while first >= 0:
            first, part = self._paths[first]
            parts.append(part)
        return "".join(reversed(parts))

    def reads(self, thing: Any, *attributes: str) -> bool:
        """Whether functions may read one of these attributes of a thing."""
        return not self.names.isdisjoint(attributes) and any(one is thing for one in self._met)

    def _walk(self, things: Iterable[Any]) -> None:
        stack: list[tuple[int, str, Any]] = [(-1, _name(x), x) for x in things]
        stack.reverse()
        numbers: dict[int, int] = {}  # of the facts, by the ids of what they are of
        while stack:
            around, where, thing = stack.pop()
            here = len(self.facts)
            self._paths.append((around, where))
            kind = type(thing)
            if kind in _PLAIN:
                self.facts.append((_PLAIN[kind], repr(thing)))
            elif id(thing) in numbers:
                self.facts.append(numbers[id(thing)])
            else:
                numbers[id(thing)] = here
                fact, parts = self._look(thing)
                self._met.append(thing)
                self.facts.append(fact)
                stack += [(here, where, part) for where, part in reversed(parts)]

    def _look(self, thing: Any) -> tuple[Any, _Parts]:
        """What there is to write down of a thing, and its parts."""
        kind = type(thing)
        if isinstance(thing, FunctionType):
            self._met.append(thing.__code__)
            if is_the_users(thing.__module__):
                self.is_fixed &= not _stores(thing.__code__)
                self.names.update(names_in(thing.__code__))
            return ("function", id(thing.__code__)), _parts_of_function(thing)
        if isinstance(thing, MethodType):
            return "method", [("", thing.__self__), ("", thing.__func__)]
        if isinstance(thing, partial):
            return "partial", [("", x) for x in (thing.func, *thing.args, *thing.keywords, *thing.keywords.values())]
        if isinstance(thing, (BuiltinFunctionType, MethodWrapperType)):
            return ("builtin", id(thing)), [("", thing.__self__)]
        if isinstance(thing, ModuleType):
            self.is_fixed &= not is_the_users(thing.__name__)
            return ("module", id(thing)), []
        if isinstance(thing, type) and not is_the_users(thing.__module__):
            return ("class", id(thing)), []
        if kind in (tuple, frozenset):
            return kind.__name__, [(f"[{i}]", x) for i, x in enumerate(thing)]
        self.is_fixed = False
        if isinstance(thing, Value):
            if isinstance(thing, Tracing):  # it was kept from a trace, and has no number
                return ("value", id(thing)), []
            if thing._rule is CONSTANT:
                return ("constant", repr(thing.data)), []
            return ("value", id(thing)), [(f".{k}", x) for k, x in attributes_of(thing).items() if k != "label"]
        if isinstance(thing, type):
            return ("class", id(thing)), _parts_of_class(thing)
        if hasattr(kind, "__next__") and kind.__module__ in ("builtins", "itertools"):
            return object(), []
        if hasattr(thing, "dtype") and hasattr(thing, "tobytes"):
            if thing.dtype.hasobject:
                return ("array", thing.shape), [(f"[{i}]", x) for i, x in enumerate(thing.ravel().tolist())]
            return ("array", str(thing.dtype), thing.shape, hash(thing.tobytes())), []
        self._met.append(kind)
        parts = _parts_of_instance(thing)
        return ("instance", id(kind), 0 if parts else id(thing)), parts


def _name(thing: Any) -> str:
    name = str(getattr(thing, "__name__", type(thing).__name__))
    return "f" if name == "<lambda>" else name


def _parts_of_instance(thing: Any) -> _Parts:
    kind = type(thing)
    parts: _Parts = []
    if isinstance(thing, dict):
        for key, x in dict.items(thing):
            parts += [(".keys()", key), (f"[{key!r}]" if type(key) in _PLAIN else "[…]", x)]
    elif isinstance(thing, (list, tuple, set, frozenset, deque)):
        parts += [(f"[{i}]", x) for i, x in enumerate(kind.__iter__(thing))]
    elif isinstance(thing, (float, int, str, bytes, complex)):
        base: Any = next(base for base in _PLAIN if isinstance(thing, base))
        parts.append(("", base.__repr__(thing)))
    elif isinstance(thing, (bytearray, memoryview)) or kind.__module__ == "array":
        parts.append(("", bytes(thing)))
    with suppress(TypeError):
        parts += [(f".{name}", x) for name, x in vars(thing).items()]
    for cls in kind.__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            with suppress(AttributeError):
                parts.append((f".{name}", object.__getattribute__(thing, name)))
        if is_the_users(cls.__module__):
            parts.append(("", cls))
    return parts


def _parts_of_class(cls: type) -> _Parts:
    """What stands in its body; a function is behind what makes it a property or a static method."""
    parts: _Parts = []
    for name, x in vars(cls).items():
        if isinstance(x, property):
            parts += [(f".{name}", f) for f in (x.fget, x.fset)]
        elif name not in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__slots__"):
            parts.append((f".{name}", getattr(x, "__func__", x)))
    return parts


def _parts_of_function(f: FunctionType) -> _Parts:
    parts: _Parts = []
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
        with suppress(ValueError):  # a cell that is empty yet
            parts.append((f".{name}", cell.cell_contents))
    parts += [("", x) for x in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())]
    parts += [(f".{name}", x) for name, x in vars(f).items()]
    if is_the_users(f.__module__):
        names = dict.fromkeys(names_in(f.__code__))
        for name in names:
            if name in f.__globals__:
                x = f.__globals__[name]
                parts.append((f".{name}", x))
                if isinstance(x, ModuleType) and is_the_users(x.__name__):
                    parts += [(f".{name}.{inner}", vars(x)[inner]) for inner in names if inner in vars(x)]
    return parts


def _stores(code: CodeType) -> bool:
    """Whether a function, or one in it, sets what outlives its call."""
    outside = ("STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "DELETE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR")
    for instruction in get_instructions(code):
        if instruction.opname in outside:
            return True
        if instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars:
            return True
    return any(_stores(inner) for inner in code.co_consts if isinstance(inner, CodeType))
