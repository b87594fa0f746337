"""The exercises of lesson 1, a line, step by step."""

import tinygrad_edu as tg
from tinygrad_edu.teach.exercise import Exercise


def one_round(x: list[float], y: list[float], a: float, b: float, η: float) -> tuple[float, float]:
    """A round of gradient descent on the sum of squared errors."""
    slopes = [2 * (a * xi + b - yi) for xi, yi in zip(x, y)]  # ∂L/∂ŷ of each point
    return a - η * sum(d * xi for d, xi in zip(slopes, x)), b - η * sum(slopes)


def largest_learning_rate(x: list[float]) -> float:
    """The loss is a parabola in b: its second derivative is the sum of 2 over all points."""
    return 2 / (2 * len(x))


def _rounds(first: float = 0.01, second: float = 0.01) -> tuple[float, float]:
    """Two rounds on the points of the lesson, with these learning rates."""
    X, y = tg.data.line(n=20, slope=2.0, intercept=1.0, noise=0.3, seed=1)
    x = [row[0] for row in X]
    return one_round(x, y, *one_round(x, y, 0.293, 0.758, first), second)


EXERCISES = (
    Exercise(
        "1.1",
        "the second round by hand",
        "a_2 b_2",
        shows="a round needs nothing but the numbers that the one before has left, so fit() only has to repeat it.",
        hints=[
            "It is the six steps of the first round once more. Which numbers have changed since?",
            "Predict with a_new and b_new; then come new errors, and new derivatives 2·(ŷ − y).",
            "a_2 = a_new − η·Σ 2(ŷ − y)·x and b_2 = b_new − η·Σ 2(ŷ − y), where ŷ = a_new·x + b_new in both.",
        ],
        code=one_round,
        right=_rounds,
        mistakes=[
            ("these are the numbers after the first round: go on from a_new and b_new.", lambda: _rounds(second=0.0)),
            ("the step goes up the slope: move against the gradient.", lambda: _rounds(second=-0.01)),
            ("the step is too short: is the 2 of the square's derivative left out?", lambda: _rounds(second=0.005)),
        ],
        tolerance=1e-5,
    ),
    Exercise(
        "1.2",
        "the limit of the learning rate",
        "limit",
        shows="a step jumps over the lowest point of the parabola when the learning rate is above 1 divided by its "
        "second derivative, and lands further up than it came from when it is above 2 divided by it.",
        hints=[
            "Hold a fixed. What kind of curve is the loss as a function of b alone?",
            "It is a parabola, L = Σ (b − …)². What is its second derivative for 20 points?",
            "Near the lowest point b₀ a step multiplies b − b₀ by 1 − η·L″. That grows when η·L″ is above 2.",
        ],
        code=largest_learning_rate,
        right=lambda: (largest_learning_rate([0.0] * 20),),
        mistakes=[
            ("with this one a single step leads to the lowest point; what about twice as far?", lambda: (1 / 40,)),
            (
                "the derivative of a square has a factor 2, so the second derivative is 2 for each point.",
                lambda: (0.1,),
            ),
            (
                "this is the second derivative. The larger it is, the smaller are the steps that it allows.",
                lambda: (40,),
            ),
        ],
        tolerance=0.01,
    ),
)
