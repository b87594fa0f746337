"""Snapshots of what functions reach: equal while nothing has changed, and what has changed is named."""

import itertools
import math
import random
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Value, losses, nn, optim
from tinygrad_edu.compiler._snapshot import Snapshot

LIMIT = 1.0
CONFIG = ModuleType("config_of_a_user")
CONFIG.scale = 2.0  # type: ignore[attr-defined]
sys.modules["config_of_a_user"] = CONFIG


class Thing:
    __slots__ = ("__dict__", "slot")
    shared = 1.0

    def __init__(self) -> None:
        self.slot = 1.0
        self.number, self.text, self.nothing = 1.0, "a", None
        self.list, self.tuple, self.set, self.deque = [1.0, [2.0]], (1.0, [2.0]), {1.0}, deque([1.0])
        self.dict: dict[Any, Any] = {"a": 1.0, 2: [3.0]}
        self.array, self.objects = np.array([1.0, 2.0]), np.array([Value(1.0), 2.0])
        self.bytes = bytearray(b"a")
        self.value, self.inner = Value(1.0), SimpleNamespace(x=1.0)
        self.function: Any = lambda x: x

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__

    @property
    def doubled(self) -> float:
        return self.number * LIMIT

    @staticmethod
    def static() -> float:
        return LIMIT

    def method(self) -> Any:
        return CONFIG.scale


def changes() -> dict[str, Callable[[Thing], object]]:
    def put(name: str, value: Any) -> Callable[[Thing], object]:
        return lambda thing: setattr(thing, name, value)

    return {
        "Thing.number": put("number", 2.0),
        "Thing.slot": put("slot", 2.0),
        "Thing.text": put("text", "b"),
        "Thing.nothing": put("nothing", 0),
        "Thing.list[1][0]": lambda thing: thing.list[1].append(1.0) or thing.list[1].pop(0),
        "Thing.tuple[1][0]": lambda thing: thing.tuple[1].__setitem__(0, 5.0),
        "Thing.set[0]": put("set", {2.0}),
        "Thing.deque[0]": lambda thing: thing.deque.appendleft(0.0),
        "Thing.dict['a']": lambda thing: thing.dict.update(a=1),
        "Thing.dict[2][0]": lambda thing: thing.dict[2].__setitem__(0, -0.0),
        "Thing.array": lambda thing: thing.array.__setitem__(1, 3.0),
        "Thing.objects[1]": lambda thing: thing.objects.__setitem__(1, 3.0),
        "Thing.bytes": lambda thing: thing.bytes.extend(b"b"),
        "Thing.value": put("value", Value(1.0)),
        "Thing.inner.x": lambda thing: setattr(thing.inner, "x", 2.0),
        "Thing.function": put("function", lambda x: 2.0 * x),
        "Thing.value.mark": lambda thing: setattr(thing.value, "mark", 1.0),
    }


@pytest.mark.parametrize("name", changes())
def test_a_change_is_named(name: str) -> None:
    thing = Thing()
    before = Snapshot(thing)
    assert not Snapshot(thing).difference(before)
    changes()[name](thing)
    found = Snapshot(thing).difference(before)
    assert found == name or found.startswith(name)


def test_what_is_reached_through_methods_properties_classes_and_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = Thing()
    for owner, name, value in ((sys.modules[__name__], "LIMIT", 2.0), (CONFIG, "scale", 3.0), (Thing, "shared", 4.0)):
        before = Snapshot(thing)
        monkeypatch.setattr(owner, name, value)
        assert name in Snapshot(thing).difference(before)


def test_closures_defaults_and_partials() -> None:
    inner, default, argument = [1.0], [1.0], [1.0]

    def f(x: Any = default, *, y: Any = default) -> Any:
        return inner, x, y

    for changed in (inner, default, argument):
        before = Snapshot(partial(f, argument))
        changed[0] += 1.0
        assert Snapshot(partial(f, argument)).difference(before)
    before = Snapshot(partial(f, y=1.0))
    assert Snapshot(partial(f, y=2.0)).difference(before)


def test_numbers_of_parameters_labels_and_things_out_of_reach_are_no_change() -> None:
    model = nn.MLP(2, [3, 1])
    before = Snapshot(model, losses.mse)
    for p in model.parameters():
        p.data, p.grad, p.label = 7.0, 5.0, "x"
    random.random()
    assert not Snapshot(model, losses.mse).difference(before)
    model.layers.append(nn.Layer(1, 1))
    assert Snapshot(model, losses.mse).difference(before).startswith("MLP.layers[2]")


def test_tied_weights_are_a_change() -> None:
    model = nn.MLP(1, [1, 1])
    before = Snapshot(model)
    model.layers[1].neurons[0].w[0] = model.layers[0].neurons[0].w[0]
    assert Snapshot(model).difference(before) == "MLP.layers[1].neurons[0].w[0]"


def test_nan_and_things_that_hold_themselves() -> None:
    thing: Any = [math.nan]
    thing.append(thing)
    assert not Snapshot(thing).difference(Snapshot(thing))


@pytest.mark.parametrize(
    "thing", [iter([1.0]), itertools.count(), itertools.cycle([1]), (x for x in [1]), iter([1]).__next__]
)
def test_an_iterator_equals_nothing(thing: Any) -> None:
    assert Snapshot(thing).difference(Snapshot(thing))


def nothing_else(x: float) -> float:
    return math.sqrt(x) + abs(x)


def test_what_is_fixed() -> None:
    def counts() -> None:
        nonlocal number
        number += 1

    number, box = 0, [1.0]
    fixed = [
        losses.mse,
        optim.cosine(0.1, steps=5),
        optim.warmup(0.1, 5),
        nothing_else,
        partial(nothing_else, 2.0),
        math.cos,
    ]
    fixed += [lambda t: 0.1 / (1 + t), losses.by_name("hinge")]
    assert [Snapshot(f).is_fixed for f in fixed] == [True] * len(fixed)
    loose = [
        counts,
        lambda: box,
        Thing(),
        nn.Linear(1),
        lambda: Thing.shared,
        lambda: CONFIG.scale,
        [].append,
        Value(1.0),
    ]
    assert [Snapshot(f).is_fixed for f in loose] == [False] * len(loose)


def test_what_reads_an_attribute_of_a_thing() -> None:
    thing = Thing()
    assert Snapshot(lambda: thing.number).reads(thing, "number", "text")
    assert not Snapshot(lambda: thing).reads(thing, "other")
    assert not Snapshot(nothing_else).reads(thing, "sqrt")
