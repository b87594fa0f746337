"""What an editor shows of a public name: each parameter is described, by its own name, and nothing else is.

Docstrings are in Google style, as ruff checks them: this looks at what it does not, whether they agree with the code.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from docstring_parser import Docstring, DocstringStyle, parse

import tinygrad_edu as tg

PAGES = sorted(Path(__file__).parent.parent.glob("docs/reference/*.md"))


def modules_of_the_reference() -> dict[str, list[str]]:
    """The modules that the pages show, with the names that they choose; none where a page shows all of them."""
    shown = re.findall(r"^::: (\S+)\n((?: +.*\n)*)", "".join(page.read_text("utf-8") for page in PAGES), flags=re.M)
    chosen = {name: re.search(r"members:((?: \[.+\])|(?:\n +- \w+)+)", options) for name, options in shown}
    return {name: re.findall(r"\w+", found[1]) if found else [] for name, found in chosen.items()}


def public_things() -> Iterator[Any]:
    """The functions and classes that users call: those of `__all__`, and those of the reference."""
    for module in (tg, tg.testing, tg.teach):
        yield from (getattr(module, name) for name in module.__all__)
    for place, names in modules_of_the_reference().items():
        try:
            module = import_module(place)
        except ModuleNotFoundError:  # the page names one thing, and not a module
            home, _, name = place.rpartition(".")
            yield getattr(import_module(home), name)
            continue
        own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == place]
        yield from (getattr(module, name) for name in names or own if not name.startswith("_"))


def with_methods(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """A function, or a class and its public methods and properties, each by its full name."""
    name = f"{thing.__module__}.{thing.__qualname__}"
    yield name, thing
    if isinstance(thing, type):
        for key, member in vars(thing).items():
            function = getattr(member, "__func__", member)
            if not key.startswith("_") and isinstance(function, FunctionType):
                yield f"{name}.{key}", function


PUBLIC = {
    name: function
    for thing in public_things()
    if callable(thing) and not isinstance(thing, ModuleType) and thing.__module__.startswith("tinygrad_edu")
    for name, function in with_methods(thing)
}


def parameters_of(thing: Callable[..., Any]) -> list[str]:
    if isinstance(thing, type) and issubclass(thing, BaseException) and "__init__" not in vars(thing):
        return []
    names = [name for name in inspect.signature(thing).parameters if not name.startswith("_")]
    return [name for name in names if name not in ("self", "cls")]


@cache
def parsed(name: str) -> Docstring:
    text = PUBLIC[name].__doc__
    assert text, f"{name} has no docstring"
    return parse(inspect.cleandoc(text), DocstringStyle.GOOGLE)


def test_every_parameter_is_described_and_nothing_else():
    for name, thing in PUBLIC.items():
        described = [p.arg_name.lstrip("*") for p in parsed(name).params if p.description]
        assert described == parameters_of(thing), name


def test_what_is_returned_is_described():
    """`Yields:` counts as well; a class is what it makes."""
    for name, thing in PUBLIC.items():
        if not isinstance(thing, type):
            annotation, returns = inspect.signature(thing).return_annotation, parsed(name).returns
            assert bool(returns and returns.description) == (annotation not in (None, "None")), name


def test_examples_stand_in_their_section():
    """There the reference shows them as code."""
    for name, thing in PUBLIC.items():
        assert not re.search(r"^>>> ", inspect.cleandoc(thing.__doc__ or ""), flags=re.M), name


def test_all_that_is_public_is_found():
    assert len(PUBLIC) > 250
    assert {"tinygrad_edu.engine.Value.backward", "tinygrad_edu.losses.mse"} <= {*PUBLIC}
