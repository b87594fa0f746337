"""Optimizers on arrays: the numbers of a run on Values, of every optimizer and of one's own, in both directions."""

import math
import random
from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Value, optim
from tinygrad_edu.compiler._array_optimizer import ArrayOptimizer, is_elementwise
from tinygrad_edu.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp, Schedule

N = 7
CASES: list[tuple[type[Any], dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    (AdaGrad, {}),
    (AdaGrad, {"eps": 0.1, "weight_decay": 0.05}),
    (RMSProp, {}),
    (RMSProp, {"alpha": 0.9, "eps": 0.01, "weight_decay": 0.05, "momentum": 0.7}),
    (Adam, {}),
    (Adam, {"betas": (0.8, 0.95), "eps": 0.01, "weight_decay": 0.05}),
    (AdamW, {}),
    (AdamW, {"betas": (0.0, 0.5), "weight_decay": 0.2}),
]
IDS = [f"{kind.__name__}({', '.join(f'{k}={v}' for k, v in options.items())})" for kind, options in CASES]


def parameters() -> list[Value]:
    rng = random.Random(1)
    return [Value(rng.uniform(-2.0, 2.0), label=f"p{i}") for i in range(N)]


def slopes(n: int = N) -> list[list[float]]:
    rng = random.Random(2)
    return [[rng.choice([0.0, rng.gauss(0.0, 1.0)]) for _ in range(n)] for _ in range(40)]


def step_on_values(optimizer: Optimizer, gradients: list[float]) -> None:
    optimizer.zero_grad()
    for p, g in zip(optimizer.params, gradients):
        p.grad = g
    optimizer.step()


def step_on_arrays(descent: ArrayOptimizer, gradients: list[float]) -> None:
    if not descent.away:
        descent.read()
    descent.zero_grad()
    descent.add_to_gradients(np.array(gradients))
    descent.step()


def content(optimizer: Optimizer) -> Any:
    state = optimizer.state_dict()
    numbers = [x for buffer in state["buffers"].values() for x in buffer.values()]
    return state["steps"], [p.data for p in optimizer.params], [p.grad for p in optimizer.params], numbers


def assert_equal(a: Optimizer, b: Optimizer) -> None:
    (steps, *rows), (others, *other_rows) = content(a), content(b)
    assert steps == others
    for row, other in zip(rows, other_rows):
        assert row == pytest.approx(other, rel=1e-12, abs=1e-300)
        assert {*map(type, row)} <= {float}


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("schedule", [0.05, optim.warmup(optim.cosine(0.1, steps=50), steps=7)], ids=["lr", "schedule"])
def test_every_step_on_arrays_is_the_step_on_values(
    kind: type[Any], options: dict[str, Any], schedule: float | Schedule
) -> None:
    eager, other = (kind(parameters(), schedule, **options) for _ in range(2))
    descent = ArrayOptimizer(other)
    descent.read()
    for gradients in slopes():
        step_on_values(eager, gradients)
        step_on_arrays(descent, gradients)
        assert descent.away  # it stayed on arrays
        descent.write()
        assert_equal(eager, other)


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_a_run_can_change_between_values_and_arrays_at_any_time(kind: type[Any], options: dict[str, Any]) -> None:
    eager, other = (kind(parameters(), 0.05, **options) for _ in range(2))
    descent = ArrayOptimizer(other)
    for i, gradients in enumerate(slopes()):
        step_on_values(eager, gradients)
        if i % 7 < 4:
            step_on_arrays(descent, gradients)
        else:
            descent.release()
            saved = other.state_dict()
            other = kind(other.params, 0.05, **options)  # as a run that is resumed
            other.load_state_dict(saved)
            descent = ArrayOptimizer(other)
            step_on_values(other, gradients)
    descent.release()
    assert_equal(eager, other)


def test_the_values_keep_their_numbers_until_they_are_written() -> None:
    optimizer = SGD(parameters(), lr=0.1)
    before = [p.data for p in optimizer.params]
    descent = ArrayOptimizer(optimizer)
    step_on_arrays(descent, [1.0] * N)
    assert [p.data for p in optimizer.params] == before
    descent.write()
    after = [x - 0.1 for x in before]
    assert [p.data for p in optimizer.params] == after == descent.numbers.tolist()
    assert [p.grad for p in optimizer.params] == [1.0] * N


def test_what_is_set_by_hand_is_read() -> None:
    optimizer = SGD(parameters(), lr=0.1, momentum=0.5)
    descent = ArrayOptimizer(optimizer)
    step_on_arrays(descent, [1.0] * N)
    descent.release()
    optimizer.params[2].data = np.float32(4.0)  # type: ignore[assignment]
    optimizer.lr = 0.5
    optimizer.momentum = 0.0
    step_on_arrays(descent, [2.0] * N)
    descent.write()
    assert optimizer.params[2].data == 4.0 - 0.5 * 2.0


def test_other_leaves_stay_and_their_gradients_add_up() -> None:
    optimizer, other = SGD(parameters(), lr=0.1), Value(3.0)
    other.grad = 0.5
    descent = ArrayOptimizer(optimizer)
    descent.add([other, optimizer.params[0]])
    for _ in range(3):
        step_on_arrays(descent, [1.0] * N + [2.0])
    assert other.grad == 0.5
    descent.write()
    assert (other.data, other.grad) == (3.0, 6.5)
    step_on_arrays(descent, [1.0] * N + [2.0])
    descent.release()
    assert (other.data, other.grad, optimizer.params[0].grad) == (3.0, 8.5, 1.0)
    new = Value(7.0)
    descent.add([new])
    step_on_arrays(descent, [0.0] * N + [0.0, 4.0])
    assert descent.numbers.tolist()[N:] == [3.0, 7.0]
    descent.write()
    assert new.grad == 4.0


# ---- formulas of one's own -------------------------------------------------------------------------------------------
class Root(Optimizer):
    """Computes only."""

    buffers = ("s", "n")

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        s, n = state
        s, n = s + abs(g), n + 1
        if η > 1.0:  # of one number for all
            return θ, (s, n)
        return θ - η * g / (1e-3 + s) ** 0.5 / n, (s, n)


class Ufunc(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * np.sign(g) * np.maximum(1.0, np.sqrt(np.abs(g))), state


class Branch(Optimizer):
    buffers = ("largest",)

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        largest = max(state[0], abs(g))
        return (θ - η * g / largest if largest else θ), (largest,)


class OfMath(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * math.copysign(1.0, g), state


class Noise(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * g + random.gauss(0.0, 0.1), state


class OwnNoise(Optimizer):
    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        self.rng = np.random.default_rng(5)

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * g + self.rng.normal(), state


class Counts(Optimizer):
    calls = 0

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        self.calls += 1
        return θ - η * g / self.calls, state


class Norm(Optimizer):
    """Of one number: its sign; of an array something else."""

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * g / (np.linalg.norm(g) + 1e-9), state


class Sum(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * np.sum(g), state


class AsArray(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * np.asarray(g).mean(), state


class InPlace(Optimizer):
    buffers = ("m",)

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        (m,) = state
        m *= 0.9
        m += g
        θ -= η * m
        return θ, (m,)


class Relative(Optimizer):
    """Looks at its parameters beside what it is given."""

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * g * abs(self.params[0].data) * abs(self.params[1].grad), state


class Clips(SGD):
    """What is done before each step, without a word to `fit`."""

    def step(self) -> None:
        optim.clip_grad_norm(self.params, 0.5)
        super().step()


class Forgets(SGD):
    def zero_grad(self) -> None:
        for p in self.params:
            p.grad *= 0.5


OWN = [Root, Ufunc, Branch, OfMath, Noise, OwnNoise, Counts, Norm, Sum, AsArray, InPlace, Relative, Clips, Forgets]


@pytest.mark.parametrize("kind", OWN)
def test_an_update_of_your_own_is_run_on_arrays_or_for_one_parameter_at_a_time(kind: Any) -> None:
    """The same numbers as on Values, also where it draws them at random, from the same seed."""
    runs = []
    for on_arrays in (False, True):
        random.seed(3)
        optimizer = kind(parameters(), lr=0.1)
        descent = ArrayOptimizer(optimizer)
        for gradients in slopes():
            if on_arrays:
                step_on_arrays(descent, gradients)
            else:
                optimizer.zero_grad()
                for p, g in zip(optimizer.params, gradients):
                    p.grad += g
                optimizer.step()
        descent.release()
        runs.append(optimizer)
    assert_equal(*runs)


def test_which_of_them_are() -> None:
    assert [kind for kind in OWN if is_elementwise(kind(parameters(), lr=0.1))] == [Root, Ufunc, InPlace, Relative]


def relative_to(p: Value, t: int) -> float:
    return 0.01 * abs(p.data)


def test_a_schedule_that_looks_at_a_parameter_sees_its_number() -> None:
    runs = []
    for on_arrays in (False, True):
        params = parameters()
        optimizer = SGD(params, partial(relative_to, params[0]))
        descent = ArrayOptimizer(optimizer)
        for gradients in slopes():
            step_on_arrays(descent, gradients) if on_arrays else step_on_values(optimizer, gradients)
        descent.release()
        runs.append(optimizer)
    assert_equal(*runs)


def test_a_schedule_of_numbers_alone_does_not_hold_it_up() -> None:
    optimizer = SGD(parameters(), lambda t: 0.1 / math.sqrt(1 + t))
    descent = ArrayOptimizer(optimizer)
    step_on_arrays(descent, [1.0] * N)
    step_on_arrays(descent, [1.0] * N)
    assert descent.away


# ---- what is no number -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_a_bad_gradient_is_the_error_of_a_step_on_values(kind: type[Any], options: dict[str, Any], bad: float) -> None:
    optimizer = kind(parameters(), 0.1, **options)
    descent = ArrayOptimizer(optimizer)
    step_on_arrays(descent, [1.0] * N)
    before = descent.numbers.tolist()
    with pytest.raises(FloatingPointError, match=f"gradient of parameter 'p3' is {bad}.*nothing has been changed"):
        step_on_arrays(descent, [1.0, 2.0, 0.0, bad, 0.0, 1.0, 1.0])
    descent.write()
    assert [p.data for p in optimizer.params] == before
    assert optimizer.steps == 1
    step_on_arrays(descent, [1.0] * N)
    assert optimizer.steps == 2


def test_an_update_that_overflows_names_the_parameter() -> None:
    for kind in (AdaGrad, RMSProp, Adam):
        optimizer: Any = kind(parameters())
        with pytest.raises(FloatingPointError, match="the update of parameter 'p2' is inf"):
            step_on_arrays(ArrayOptimizer(optimizer), [1.0, 1.0, 1e200, 1.0, 1.0, 1.0, 1.0])
        assert optimizer.steps == 0


def test_what_is_defined_for_each_number_is_so_on_arrays() -> None:
    """A division by 0 is an error on floats, also where it would not show in an array's result."""

    class Reciprocal(Optimizer):
        def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
            return θ - η / (1.0 + 1.0 / g), state

    optimizer = Reciprocal(parameters(), 0.1)
    assert is_elementwise(optimizer)
    with pytest.raises(ZeroDivisionError):
        step_on_arrays(ArrayOptimizer(optimizer), [1.0] * (N - 1) + [0.0])
    assert optimizer.steps == 0


def test_a_parameter_that_is_set_to_no_number_is_named() -> None:
    optimizer = SGD(parameters(), lr=0.1)
    optimizer.params[1].data = "0.5"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="parameter p1 must be one real number"):
        ArrayOptimizer(optimizer).read()


def test_one_parameter() -> None:
    optimizer = Adam([Value(1.0)], lr=0.1)
    step_on_arrays(descent := ArrayOptimizer(optimizer), [2.0])
    descent.release()
    assert optimizer.params[0].data == pytest.approx(0.9)
