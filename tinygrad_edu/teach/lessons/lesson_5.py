"""The exercises of lesson 5, two features, by hand."""

import tinygrad_edu as tg
from tinygrad_edu.teach.exercise import Exercise

Parameters = tuple[float, float, float]


def step_by_hand(w: Parameters, x1: float, x2: float, y: float, η: float) -> tuple[float, Parameters]:
    """The loss of a sample, and the parameters after its step."""
    w1, w2, b = w
    ŷ = w1 * x1 + w2 * x2 + b
    dŷ = 2 * (ŷ - y)
    return (ŷ - y) ** 2, (w1 - η * dŷ * x1, w2 - η * dŷ * x2, b - η * dŷ)


def slope(z: tg.Value, target: float) -> tg.Value:
    """∂L/∂p = −y/p + (1 − y)/(1 − p), and ∂p/∂z = p(1 − p); their product is p − y."""
    return tg.sigmoid(z) - target


def _third(x1: float = 0.1, x2: float = 0.8, y: float = 0.8, η: float = 0.1) -> tuple[float, Parameters]:
    return step_by_hand((0.04536, 0.145616, 0.21872), x1, x2, y, η)


EXERCISES = (
    Exercise(
        "5.1",
        "a third step by hand",
        "loss_3 after_3",
        shows="the loss of the first sample is a third of the 0.64 that it was, though the step between was made for "
        "the other sample: both want larger parameters.",
        hints=[
            "Everything is as in the first step, but for the parameters: which are they now?",
            "ŷ = w1·0.1 + w2·0.8 + b with the numbers of after_2, then L = (ŷ − 0.8)² and ∂L/∂ŷ = 2(ŷ − 0.8).",
            "after_3 = (w1 − 0.1·∂L/∂ŷ·0.1, w2 − 0.1·∂L/∂ŷ·0.8, b − 0.1·∂L/∂ŷ). `step_by_hand(*after_2, …)` prints "
            "each number, and returns these three.",
        ],
        code=step_by_hand,
        right=_third,
        mistakes=[
            (
                "this is the second sample once more; the first, (0.1, 0.8) → 0.8, is asked for.",
                lambda: _third(0.5, 0.3, 0.5),
            ),
            ("the loss is right. The step goes up: move against the gradient.", lambda: _third(η=-0.1)),
            ("the loss is right. The step is too short: is the 2 of 2(ŷ − y) left out?", lambda: _third(η=0.05)),
            ("this is the first step. Go on from after_2.", lambda: step_by_hand((0.0, 0.0, 0.0), 0.1, 0.8, 0.8, 0.1)),
        ],
        tolerance=1e-4,
    ),
    Exercise(
        "5.2",
        "the derivative of the cross-entropy",
        "slope",
        shows="the p(1 − p) of the sigmoid cancels what the logarithms bring: however wrong the neuron is, the error p "
        "− y itself goes back, and learning does not stall where the sigmoid is flat.",
        hints=[
            "By the chain rule ∂L/∂z = ∂L/∂p · ∂p/∂z, where p = σ(z).",
            "∂L/∂p = −y/p + (1 − y)/(1 − p), and ∂p/∂z = p(1 − p). Multiply, and simplify.",
            "It is p − y. As a function of z and the target: tg.sigmoid(z) minus the target. (tg.sigmoid, as your "
            "function is tried on Values, for its own gradient.)",
        ],
        code=slope,
        right=lambda: (slope,),
        mistakes=[
            ("this is p(1 − p), the slope of the sigmoid alone; the loss has one, too.", lambda: (_slope_of_sigmoid,)),
            ("this is (p − y)·p(1 − p), as for a squared error; the loss is the cross-entropy.", lambda: (_squared,)),
        ],
        draw=lambda rng: (rng.uniform(-3, 3), rng.choice([0, 1])),
        gradients=True,
    ),
)


def _slope_of_sigmoid(z: tg.Value, target: float) -> tg.Value:
    p = tg.sigmoid(z)
    return p * (1 - p)


def _squared(z: tg.Value, target: float) -> tg.Value:
    return slope(z, target) * _slope_of_sigmoid(z, target)
