"""The exercises of lesson 8, gradients of gradients."""

import math
from random import Random

import tinygrad_edu as tg
from tinygrad_edu import Value
from tinygrad_edu.teach.exercise import Exercise


def halley_step(x: Value, h: Value, dh: Value, ddh: Value) -> Value:
    """Halley's formula, with the numbers of h, h′ and h″ at x."""
    return x - 2 * h * dh / (2 * dh**2 - h * ddh)


def spring_accelerations(r: Value, θ: Value, vr: Value, ω: Value) -> list[Value]:
    """From the Lagrangian; ∂²L/∂v² is diagonal here: m, and m·r²."""
    m, l, g, k = 1.0, 1.0, 9.81, 40.0
    L = 0.5 * m * (vr**2 + r**2 * ω**2) + m * g * r * tg.cos(θ) - 0.5 * k * (r - l) ** 2
    q, v = [r, θ], [vr, ω]
    result = []
    for i, d in enumerate(tg.grad(L, v, create_graph=True)):
        known = tg.grad(L, q, create_graph=True)[i] - tg.dot(tg.grad(d, q, create_graph=True), v)
        result.append(known / tg.grad(d, v, create_graph=True)[i])
    return result


def _by_the_textbook(r: float, θ: float, vr: float, ω: float) -> list[float]:
    return [r * ω**2 + 9.81 * math.cos(θ) - 40 * (r - 1), (-9.81 * math.sin(θ) - 2 * vr * ω) / r]


def _without_mixed(r: float, θ: float, vr: float, ω: float) -> list[float]:
    return [r * ω**2 + 9.81 * math.cos(θ) - 40 * (r - 1), -9.81 * math.sin(θ) / r]


def _draw(rng: Random) -> tuple[float, float, float, float]:
    return rng.uniform(0.7, 1.5), rng.uniform(-2, 2), rng.uniform(-1, 1), rng.uniform(-2, 2)


EXERCISES = (
    Exercise(
        "8.1",
        "a step of Halley's method",
        "halley_step",
        shows="with one more derivative the number of right digits triples in each step, where Newton's doubles it.",
        hints=[
            "It is the formula itself, as a function of four numbers: x, h, h′ and h″.",
            "Newton's step is x − h/h′. Halley's divides by something else: 2h′² − h·h″.",
            "return x − 2·h·dh / (2·dh² − h·ddh)",
        ],
        code=halley_step,
        right=lambda: (halley_step,),
        mistakes=[
            (
                "this is Newton's step; where is the second derivative of h?",
                lambda: (lambda x, h, dh, ddh: x - h / dh,),
            ),
        ],
        draw=lambda rng: (rng.uniform(-2, 2), rng.uniform(-1, 1), rng.uniform(1, 3), rng.uniform(-1, 1)),
        gradients=True,
    ),
    Exercise(
        "8.2",
        "a pendulum on a spring",
        "spring_accelerations",
        shows="the force outwards and the one that turns a shorter pendulum faster were not put in by anybody: they "
        "are in the derivatives of the energy.",
        hints=[
            "Begin with the Lagrangian as a function of r, θ and their velocities, as for the double pendulum.",
            "∂²L/∂v² is diagonal here, so each coordinate can be solved for on its own, as for the simple pendulum.",
            "For each coordinate i: (∂L/∂qᵢ − Σⱼ ∂²L/∂vᵢ∂qⱼ · vⱼ) / (∂²L/∂vᵢ²), with tg.grad(…, create_graph=True). "
            "Return [r̈, θ̈].",
        ],
        code=spring_accelerations,
        right=lambda: (_by_the_textbook,),
        mistakes=[
            (
                "the mixed derivatives ∂²L/∂v∂q are left out: they are what a change of r does to the turning.",
                lambda: (_without_mixed,),
            ),
            (
                "these are right, in another order: first the one of r.",
                lambda: (lambda r, θ, vr, ω: _by_the_textbook(r, θ, vr, ω)[::-1],),
            ),
        ],
        advice="The mass and the length are 1, g is 9.81, and k is 40.",
        draw=_draw,
    ),
)
