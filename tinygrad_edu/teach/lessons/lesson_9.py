"""The exercises of lesson 9, the tensors that were there all along."""

from collections.abc import Callable
from random import Random

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.teach.exercise import Exercise


def iterated(a: Value, b: Value, x: Value) -> Value:
    """Each turn needs the one before."""
    for _ in range(1000):
        x = tg.tanh(a * x + b)
    return x


def activations(sums: list[Value]) -> list[Value]:
    """The functions of the neurons of a layer: one is not like the others."""
    return [s.tanh() if j == 3 else s.relu() for j, s in enumerate(sums)]


def _one_turn_less(a: Value, b: Value, x: Value) -> Value:
    for _ in range(999):
        x = tg.tanh(a * x + b)
    return x


def _with_tanh_at(place: int) -> Callable[[list[Value]], list[Value]]:
    return lambda sums: [s.tanh() if j == place else s.relu() for j, s in enumerate(sums)]


def _draw(rng: Random) -> tuple[float, float, float]:
    return (
        rng.uniform(-1.4, -1.1),
        rng.uniform(0.02, 0.1),
        rng.uniform(0.2, 0.8),
    )  # x jumps from side to side to the end


EXERCISES = (
    Exercise(
        "9.1",
        "a loop in which each turn needs the one before",
        "iterated",
        shows="what depends on the turn before cannot be an array: it stays a loop, and its gradient is a second loop, "
        "which goes through the turns backwards, on the numbers that the first one has kept.",
        hints=[
            "It is an ordinary loop, on Values.",
            "1,000 times: x becomes tanh(a·x + b).",
            "for _ in range(1000): x = tg.tanh(a * x + b), and return the last x.",
        ],
        code=iterated,
        right=lambda: (iterated,),
        mistakes=[
            ("there are 1,000 turns, not one fewer and not one more.", lambda: (_one_turn_less,)),
        ],
        draw=_draw,
        gradients=True,
    ),
    Exercise(
        "9.2",
        "a neuron that breaks the pattern",
        "activations",
        shows="the sums of all sixteen neurons are one product of matrices as before; only the function after it is "
        "applied in parts. A pattern is broken where it is broken, and not elsewhere.",
        hints=[
            "All sixteen neurons have a sum; only what is done with it differs, for one of them.",
            "`enumerate` gives the place of each sum in the list.",
            "[s.tanh() if j == 3 else s.relu() for j, s in enumerate(sums)]",
        ],
        code=activations,
        right=lambda: (activations,),
        mistakes=[
            ("all are relu, as before: the neuron W1[3] is to use tanh.", lambda: (_with_tanh_at(-1),)),
            ("Python counts from 0: W1[3] is the fourth neuron.", lambda: (_with_tanh_at(2),)),
        ],
        draw=lambda rng: ([rng.uniform(-2, 2) for _ in range(16)],),
        gradients=True,
    ),
)
