"""What a program has taken over from a function, and whether that has changed since.

A program is made of a function once, and replayed: plain numbers, lists and the code itself are fixed in it. A
`Snapshot` writes down all that the function reaches, and two snapshots can be compared. What a thing holds is left to
`_parts.py`, what to do about a change to `training.py`.
"""

from collections.abc import Iterable
from dis import get_instructions
from functools import lru_cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from tinygrad_edu._parts import PLAIN, is_the_users, name_of, names_in, parts_of
from tinygrad_edu.engine import Value
from tinygrad_edu.ops import CONSTANT

from .trace import Tracing


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
        self._steps: list[tuple[int, str]] = []  # to each fact: the place of the one around it, and the step
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
            first, part = self._steps[first]
            parts.append(part)
        return "".join(reversed(parts))

    def reads(self, thing: Any, *attributes: str) -> bool:
        """Whether functions may read one of these attributes of a thing."""
        return not self.names.isdisjoint(attributes) and any(one is thing for one in self._met)

    def _walk(self, things: Iterable[Any]) -> None:
        stack: list[tuple[int, str, Any]] = [(-1, name_of(x), x) for x in things]
        stack.reverse()
        places: dict[int, int] = {}  # of the facts, by the ids of what they are of
        while stack:
            around, step, thing = stack.pop()
            here = len(self.facts)
            self._steps.append((around, step))
            if type(thing) in PLAIN:
                self.facts.append((type(thing), repr(thing)))
            elif id(thing) in places:
                self.facts.append(places[id(thing)])
            else:
                places[id(thing)] = here
                parts = [] if isinstance(thing, Tracing) else [*parts_of(thing)]  # it was kept from a trace
                self._met.append(thing)
                self.facts.append(self._fact(thing, bool(parts)))
                stack += [(here, step, part) for step, part in reversed(parts)]

    def _fact(self, thing: Any, has_parts: bool) -> Any:
        """What there is to write down about a thing, beside its parts: they have facts of their own."""
        cls = type(thing)
        if isinstance(thing, FunctionType):
            self._met.append(thing.__code__)
            if is_the_users(thing.__module__):
                self.is_fixed &= not _stores(thing.__code__)
                self.names.update(names_in(thing.__code__))
            return "function", id(thing.__code__)
        if isinstance(thing, MethodType):
            return "method"
        if isinstance(thing, partial):
            return "partial", len(thing.args), *thing.keywords
        if isinstance(thing, (BuiltinFunctionType, MethodWrapperType)):
            return "builtin", id(thing)
        if isinstance(thing, (ModuleType, type)):
            self.is_fixed &= not is_the_users(thing.__module__ if isinstance(thing, type) else thing.__name__)
            return "module or class", id(thing)
        if cls in (tuple, frozenset):
            return cls
        self.is_fixed = False
        if isinstance(thing, Value):
            is_constant = thing._rule is CONSTANT and not isinstance(thing, Tracing)
            return ("constant", repr(thing.data)) if is_constant else ("value", id(thing))
        if hasattr(cls, "__next__") and cls.__module__ in ("builtins", "itertools"):
            return object()
        if hasattr(thing, "dtype") and hasattr(thing, "tobytes"):
            return "array", str(thing.dtype), thing.shape, None if has_parts else hash(thing.tobytes())
        self._met.append(cls)
        return "instance", id(cls), 0 if has_parts else id(thing)


@lru_cache(maxsize=1024)  # a run takes many snapshots, of the same functions
def _stores(code: CodeType) -> bool:
    """Whether a function, or one in it, sets what outlives its call."""
    outside = ("STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "DELETE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR")
    for instruction in get_instructions(code):
        if instruction.opname in outside:
            return True
        if instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars:
            return True
    return any(_stores(inner) for inner in code.co_consts if isinstance(inner, CodeType))
