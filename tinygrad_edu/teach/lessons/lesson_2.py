"""The exercises of lesson 2, watching the descent."""

from collections.abc import Sequence
from random import Random

import tinygrad_edu as tg
from tinygrad_edu.teach.exercise import Exercise


def largest_learning_rate(X: Sequence[Sequence[float]], y: Sequence[float]) -> float:
    """By bisection between one that works and one that does not."""

    def converges(lr: float) -> bool:
        model = tg.nn.Linear(1)
        for p in model.parameters():
            p.data = 0.5
        sgd = tg.optim.SGD(model.parameters(), lr=lr / len(y))
        try:
            run = tg.train.fit(model, X, y, loss=tg.losses.half_sse, optimizer=sgd, epochs=3000, compile=True)
        except tg.train.DivergenceError:
            return False
        return run.loss[-1] < run.loss[0]

    low, high = 0.005, 10.0  # one that works, and one that does not
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (middle, high) if converges(middle) else (low, middle)
    return low


def limit(x: list[float]) -> float:
    """2 divided by the larger eigenvalue of the Hessian [[mean of x², mean of x], [mean of x, 1]]."""
    n = len(x)
    mean, mean_square = sum(x) / n, sum(xi * xi for xi in x) / n
    λ: float = (mean_square + 1) / 2 + (((mean_square - 1) / 2) ** 2 + mean**2) ** 0.5
    return 2 / λ


def _limit_by_the_axes(x: list[float]) -> float:
    return 2 / max(1.0, sum(xi * xi for xi in x) / len(x))


def _draw(rng: Random) -> tuple[list[float]]:
    centre = rng.uniform(-2, 2)
    return ([rng.gauss(centre, 1.5) for _ in range(6)],)


LARGEST = 1.869  # for the points of the lesson, which scikit-learn makes


EXERCISES = (
    Exercise(
        "2.1",
        "how large the learning rate may get",
        "largest",
        shows="there is a border, and no gentle change: below it the errors shrink with each step, above it they grow.",
        hints=[
            "Write a function that says whether the descent with some learning rate converges, and try it.",
            "Between one that works and one that does not, the one in the middle tells which half to look at.",
            "Begin with 0.005 and 10, and halve until the two are less than 0.005 apart. `fit` raises "
            "`tg.train.DivergenceError` when the loss explodes; near the border it needs some thousand epochs for "
            "that.",
        ],
        code=largest_learning_rate,
        right=lambda: (LARGEST,),
        mistakes=[
            ("this one is divided by the number of points, as SGD gets it; η is asked for.", lambda: (LARGEST / 100,)),
            (
                "this is where the steps along an axis begin to grow. Try it: does the descent converge?",
                lambda: (1.962,),
            ),
        ],
        advice="Does the descent converge a little below it, and explode a little above?",
        tolerance=0.02,
    ),
    Exercise(
        "2.2",
        "the limit for any points",
        "limit",
        shows="what is missing in the second derivatives along the axes is the mixed one, the mean of x: the valley is "
        "steepest in a direction between the axes, and there the second derivative is the larger eigenvalue λ of the "
        "Hessian. The limit is 2/λ.",
        hints=[
            "Write the Hessian down: a table of 2 × 2 of the second derivatives of the mean loss.",
            "It is [[mean of x², mean of x], [mean of x, 1]]. In which direction is the valley steepest?",
            "In that of the eigenvector with the larger eigenvalue λ, which solves (m₂ − λ)(1 − λ) = m₁², where m₁ and "
            "m₂ are the means of x and x². The limit is 2/λ.",
        ],
        code=limit,
        right=lambda: (limit,),
        mistakes=[
            (
                "this is the limit along the axes alone. Where the mean of x is not 0, a direction between them is "
                "steeper.",
                lambda: (_limit_by_the_axes,),
            ),
        ],
        draw=_draw,
    ),
)
