"""The models that the compiler is held to: the engine computes them, they are of many kinds, and the check can fail."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from models import (
    ACTIVATIONS,
    BY_HAND,
    OF_ERRORS,
    OF_LABELS,
    OF_LISTS,
    SAME_WIDTH,
    Model,
    hold,
    is_decided,
    models,
    write_model,
)

from tinygrad_edu import Value, maximum


@pytest.mark.parametrize("name", BY_HAND)
def test_the_engine_computes_those_written_by_hand(name: str) -> None:
    model = BY_HAND[name]()
    numbers, errors = model.truth
    model.loss(*model.arguments).backward()
    hold([numbers[0], *[p.grad for p in model.parameters]], model)
    assert numbers[1:].count(0.0) < len(numbers) / 2 or "one position" in name  # of the tokens that do not occur
    assert max(errors) < 1e4


@given(models())
def test_the_engine_computes_those_that_are_drawn(model: Model) -> None:
    numbers, _ = model.truth
    model.loss(*model.arguments).backward()
    hold([numbers[0], *[p.grad for p in model.parameters]], model)


def test_drawn_models_are_of_many_kinds() -> None:
    number = Random(0).randint  # Hypothesis takes longer to choose than the engine to compute
    drawn = [model for model in (write_model(number) for _ in range(300)) if is_decided(model)]
    arguments, sizes = Counter(len(model.arguments) for model in drawn), {len(model.parameters) for model in drawn}
    text = "\n".join(model.text for model in drawn)
    for lines in (OF_ERRORS | OF_LISTS | OF_LABELS).values():
        assert lines[-1] in text
    for activation in ACTIVATIONS:
        assert activation.split("{}")[0] in text
    for line in (
        "state =",
        "keys[: t + 1]",
        "tg.nn.Layer",
        "before",
        "range(2):",
        ".detach()",
        "[*h, 1.0]",
        "h[i + j]",
    ):
        assert line in text
    assert min(arguments[n] for n in range(3)) > 50
    assert len(sizes) > 30
    assert len(SAME_WIDTH) > 10


def test_a_wrong_number_is_found() -> None:
    model = BY_HAND["moons"]()
    numbers, _ = model.truth
    for place in (0, 3):
        wrong = list(numbers)
        wrong[place] += 1e-9
        with pytest.raises(AssertionError, match="not"):
            hold(wrong, model)


def test_a_model_close_to_a_kink_is_left_out() -> None:
    x = Value(0.1)
    close = {
        "rounded to zero": lambda: (x + 0.2 - 0.3).relu(),
        "a tie of rounded numbers": lambda: maximum(x + 0.2, 0.3 * x / x),
        "undefined": lambda: (x - 0.1).log(),
        "large": lambda: (100 * x).exp(),
    }
    for name, loss in close.items():
        assert not is_decided(Model(loss, [x])), name
    y = Value(0.5)
    for loss in (lambda: (y - 0.5).relu(), lambda: maximum(y, 0.5), lambda: y.tanh().relu()):
        assert is_decided(Model(loss, [y]))
