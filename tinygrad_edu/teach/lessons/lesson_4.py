"""The exercises of lesson 4, three ways to a gradient."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

from tinygrad_edu.teach.exercise import Exercise

Function = Callable[[float, float], float]


def by_central_differences(f: Function, w: float, b: float, h: float = 0.001) -> tuple[float, float]:
    """Looks to both sides, as far to each."""
    dw = (f(w + h, b) - f(w - h, b)) / (2 * h)
    return dw, (f(w, b + h) - f(w, b - h)) / (2 * h)


def backward(self: Any, gradient: float = 1.0) -> None:
    """As that of `Naive`, with += and without clearing."""
    self.grad += gradient
    for x, slope in zip(self.inputs, self.slopes):
        x.backward(self.grad * slope)


def _by_forward_differences(f: Function, w: float, b: float, h: float = 0.001) -> tuple[float, float]:
    return (f(w + h, b) - f(w, b)) / h, (f(w, b + h) - f(w, b)) / h


def _draw(rng: Random) -> tuple[Function, float, float]:
    p, q = rng.uniform(0.5, 1.5), rng.uniform(-1.5, -0.5)

    def cubic(w: float, b: float) -> float:
        return (p * w + q * b) ** 3 + w * w * b

    return cubic, rng.uniform(-2, 2), rng.uniform(-2, 2)


EXERCISES = (
    Exercise(
        "4.1",
        "central differences",
        "by_central_differences",
        shows="a central difference has no error in h, only one in h². The loss of the lesson is quadratic, so its "
        "third derivative is 0, and nothing is left but rounding.",
        hints=[
            "Look to both sides of the point: how far apart are the two numbers of w?",
            "For w: the loss at w + h, minus the loss at w − h, divided by 2h.",
            "return (f(w + h, b) − f(w − h, b)) / (2·h) and the same for b, as a pair.",
        ],
        code=by_central_differences,
        right=lambda: (by_central_differences,),
        mistakes=[
            ("these are forward differences: look at w − h, too, not at w itself.", lambda: (_by_forward_differences,)),
        ],
        draw=_draw,
        tolerance=1e-4,
    ),
    Exercise(
        "4.2",
        "only the first mistake repaired",
        "of_twice of_shared of_exponent",
        shows="none of the three is right yet. Each visit passes on all that has come together so far, so what came "
        "first is passed on again: in `twice`, b passes on 2 and then 4. To pass on only what is new would be right, "
        "but for the exponent; it walks along every path, though, and those double with each y = y + y.",
        hints=[
            "Two lines of `backward` change: the one with = and the one that clears.",
            "self.grad += gradient; the line x.grad = 0.0 goes; and x.backward(self.grad * slope) stays as it is.",
            "Put it into the class: Naive.backward = backward. The answers are twice(Naive), shared(Naive), "
            "exponent(Naive). In `twice`, the gradient of b is 2 after the first visit, and 4 after the second.",
        ],
        code=backward,
        right=lambda: ([6.0], [62.0], [6.0, 0.0]),
        mistakes=[
            (
                "these are the gradients that are right. Which ones does Naive give, with += alone?",
                lambda: ([4.0], [26.0], [6.0, 9 * math.log(3)]),
            ),
            (
                "this passes on `gradient * slope`, only what is new. Change nothing but the = and the clearing.",
                lambda: ([4.0], [26.0], [6.0, 0.0]),
            ),
        ],
        advice="Is the line that clears the gradients of the inputs gone?",
    ),
)
