"""What a thing holds, one step at a time: a function its closure and its globals, an object its attributes.

No code of the user's runs. `compiler/_reach.py` goes on from step to step, to find Values and generators of random
numbers; `compiler/_snapshot.py` to see what has changed; `train/_ingredients.py` to write down what a run is made of.
"""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache, partial
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType, NoneType
from typing import Any

from .engine import Value
from .errors import LIBRARIES, behind_boundary
from .graph import attributes_of

Part = tuple[str, Any]  # the step to a part, as ".w" or "[3]", or "" where the step has no name; and the part
PLAIN = frozenset({float, int, bool, str, bytes, complex, NoneType})  # they hold nothing, and nobody can change them
_TOP_PACKAGE = __name__.partition(".")[0]
_NO_CONTENTS = ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__slots__")  # of a class


def parts_of(thing: Any) -> Iterator[Part]:
    """What a thing holds, each part with the step to it. No code of the user's runs."""
    thing = behind_boundary(thing)
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
        scopes, seen = [("", f.__globals__)], set[int]()
        for prefix, scope in scopes:  # it grows: a module of the user's is a scope, too
            for name in names_in(code):
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


@lru_cache(maxsize=1024)
def names_in(code: CodeType) -> tuple[str, ...]:
    """The globals and attributes that a function names, and the functions in it, each once."""
    inner = [name for x in code.co_consts if isinstance(x, CodeType) for name in names_in(x)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


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
