"""What a run is made of, as plain data: two runs with equal ingredients compute the same numbers.

A model, an optimizer and a loss are written down part by part, by the paths to their parts: the names of classes, plain
numbers and texts, functions of this package and of libraries by their names, the user's own by their code. The numbers
of the parameters are left out, as training changes them. Long data become fingerprints. What nobody can see into is
listed. To compare ingredients is left to `checkpoint.py`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from tinygrad_edu._parts import PLAIN, Part, is_the_users, parts_of
from tinygrad_edu._validate import is_number, to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import LIBRARIES, behind_boundary, to_text
from tinygrad_edu.optim import Optimizer, schedule_to_list

_MOST_SHOWN = 8  # a longer list of numbers is a fingerprint
# What is no part of the formula: parameters and what is remembered of them are in the checkpoint themselves
_STATE_OF_OPTIMIZER = {".params", "._names", ".steps", ".states", ".schedule"}


class Ingredients:
    """The parts of some things, by the names of these things and the paths in them.

    `found` has for each path a plain number or text; `opaque` has the paths to what nobody can see into, each with what
    it is. Values that are `trained` are left out.

    Example:
        >>> from tinygrad_edu import losses
        >>> Ingredients({"loss": partial(losses.huber, delta=2.0)}).found
        {'loss': 'partial', 'loss.func': 'huber', 'loss.delta': 2.0}
    """

    def __init__(self, things: dict[str, Any], trained: Iterable[Value] = ()) -> None:
        self.found: dict[str, Any] = {}
        self.opaque: dict[str, str] = {}
        self._places: dict[int, str] = {}  # of what may be shared, or hold itself
        self._met: list[Any] = []  # stays alive, so that nothing new can have the identity of what is gone
        self._trained = {*trained}
        stack = [*things.items()]
        stack.reverse()
        while stack:
            path, thing = stack.pop()
            while path in self.found:  # two steps without a name of their own
                path += "'"
            parts = [] if type(thing) in PLAIN else self._write_down(path, thing)
            if type(thing) in PLAIN:
                self.found[path] = thing if not isinstance(thing, (bytes, complex)) else repr(thing)
            stack += [(path + step, part) for step, part in reversed(parts)]

    def _write_down(self, path: str, thing: Any) -> list[Part]:
        """Writes down what a thing is; returns its parts, which are to come."""
        if not isinstance(thing, (tuple, frozenset)):  # of equal ones some are shared, as Python likes
            if id(thing) in self._places:
                self.found[path] = f"the same as {self._places[id(thing)]}"
                return []
            self._places[id(thing)] = path
            self._met.append(thing)
        if isinstance(thing, Value):
            if thing not in self._trained:
                self.found[path] = repr(thing.data)
            return []
        what, parts = _look_at(thing)
        if what is None:
            self.opaque[path] = type(thing).__name__
        else:
            self.found[path] = what
        return parts


def _look_at(thing: Any) -> tuple[str | None, list[Part]]:
    """What a thing is, in a text that is the same for the same thing, and its parts; None for what cannot be seen."""
    cls, thing = type(thing), behind_boundary(thing)
    if isinstance(thing, FunctionType):
        if is_the_users(thing.__module__):
            return f"{_name(thing)} {fingerprint_code(thing.__code__)}", _named_parts(thing)
        return _name(thing), _named_parts(thing) if thing.__closure__ or vars(thing) else []
    if isinstance(thing, MethodType):
        return "method", [(".func", thing.__func__), (".self", thing.__self__)]
    if isinstance(thing, partial):
        schedule = schedule_to_list(thing)
        if schedule is not None:
            return _format_schedule(schedule), []
        return "partial", [(".func", thing.func), *[part for part in parts_of(thing) if part[0]]]
    if isinstance(thing, (ModuleType, type)):
        return _name(thing), _named_parts(thing)
    if isinstance(thing, BuiltinFunctionType):
        owner = thing.__self__
        return _name(thing), [] if owner is None or isinstance(owner, ModuleType) else [(".self", owner)]
    if isinstance(thing, (list, tuple)) and len(thing) > _MOST_SHOWN and all(type(x) in PLAIN for x in thing):
        return f"{len(thing)} items {_hash(repr([*thing]))}", []
    if isinstance(thing, (set, frozenset)) and cls.__module__ == "builtins":
        return f"{cls.__name__} {sorted(map(to_text, thing))}", []  # its order changes from run to run
    if hasattr(thing, "dtype") and hasattr(thing, "tobytes") and not thing.dtype.hasobject:
        return f"array {thing.shape} {thing.dtype} {_hash(thing.tobytes())}", []
    module = cls.__module__
    if isinstance(thing, (dict, list, tuple)) or module == "collections" or _is_ours(module) or is_the_users(module):
        return _name(cls), _named_parts(thing)
    is_of_python = module.partition(".")[0] in {"builtins", *LIBRARIES}  # whose texts say all, or where a thing stands
    text = to_text(thing) if is_of_python else " at 0x"
    return (None if " at 0x" in text else f"{cls.__name__} {text}"), []


def _named_parts(thing: Any) -> list[Part]:
    """The parts that make a difference to what a thing computes, each with a step that has a name."""
    parts = []
    for step, part in parts_of(thing):
        if step.startswith((".__", "._abc_")) and step != ".__call__":
            continue  # of a class: what it was built by, and how it prints
        if isinstance(thing, Optimizer) and step in _STATE_OF_OPTIMIZER:
            continue
        parts.append((step or (f" class {part.__name__}" if isinstance(part, type) else "()"), part))
    return [(".lr", thing.schedule), *parts] if isinstance(thing, Optimizer) else parts


def _name(thing: Any) -> str:
    """The name of a function, a class or a module; of what a library has, with the module."""
    if isinstance(thing, ModuleType):
        return thing.__name__
    module, name = str(thing.__module__ or "builtins"), thing.__qualname__.rpartition("<locals>.")[2]
    if is_the_users(module) or _is_ours(module) or module == "builtins":
        return str(name)
    return f"{module}.{name}"


def _format_schedule(schedule: list[Any]) -> str:
    """A learning rate as one would write it, as "0.1" or "cosine(0.1, 100, 0.0)"."""
    name, *numbers = schedule
    texts = [_format_schedule(x) if isinstance(x, list) else repr(x) for x in numbers]
    return texts[0] if name == "constant" else f"{name}({', '.join(texts)})"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "tinygrad_edu"


def fingerprint_code(code: CodeType) -> str:
    """A text that is the same for the same source on the same version of Python, wherever it stands.

    Example:
        >>> f, g, h = lambda x: x + 1, lambda x: x + 1, lambda x: x + 2
        >>> fingerprint_code(f.__code__) == fingerprint_code(g.__code__) != fingerprint_code(h.__code__)
        True
    """
    return _hash(repr(_read_code(code)))


def _read_code(code: CodeType) -> list[Any]:
    names = [code.co_names, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], code.co_freevars]
    return [code.co_code, *names, *map(_read_constant, code.co_consts)]


def _read_constant(x: Any) -> Any:
    if isinstance(x, CodeType):
        return _read_code(x)
    if isinstance(x, frozenset):
        return sorted(map(repr, x))  # its order changes from run to run
    return [_read_constant(item) for item in x] if isinstance(x, tuple) else (type(x).__name__, repr(x))


def _hash(data: str | bytes) -> str:
    return hashlib.sha256(data.encode(errors="surrogatepass") if isinstance(data, str) else data).hexdigest()[:12]


# ---- data ------------------------------------------------------------------------------------------------------------
def compute_fingerprint(data: object) -> str:
    """A text that is the same for the same numbers, whatever kind of sequences they are in."""
    found = hashlib.sha256()
    for x in iterate_nested(data):  # one by one: the texts of all numbers would need more memory than the data
        found.update(x.value.encode() if isinstance(x, _Bracket) else f"{x},".encode())
    return found.hexdigest()


class _Bracket(Enum):
    """The beginning or the end of a sequence among the items that `iterate_nested` gives."""

    OPEN, CLOSE = "[", "]"


def iterate_nested(thing: Any) -> Iterator[Any]:
    """The items of nested sequences, one by one, each sequence between brackets; of a Value its number.

    Sequences may be nested to any depth. Raises `ValueError` for a sequence that holds itself, as it has no end.
    """
    begun: dict[int, Any] = {}  # the sequences that have not ended yet, the outermost first
    iterators = [iter([thing])]
    while iterators:
        for item in iterators[-1]:
            if is_number(item):
                yield to_float(item)
            elif isinstance(item, Iterable) and not isinstance(item, str):
                if id(item) in begun:
                    raise ValueError(f"the data has no end: a {type(item).__name__} holds itself")
                begun[id(item)] = item
                iterators.append(iter(item))
                yield _Bracket.OPEN
                break
            else:
                yield item.data if isinstance(item, Value) else item
        else:
            iterators.pop()
            if begun:
                begun.popitem()
                yield _Bracket.CLOSE
