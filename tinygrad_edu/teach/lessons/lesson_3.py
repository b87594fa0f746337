"""The exercises of lesson 3, minimising, and fitting a curve."""

import tinygrad_edu as tg
from tinygrad_edu.teach.exercise import Exercise


def descend(start: float) -> tuple[float, float]:
    """Where descent ends: x and y."""
    x = tg.Value(start)
    sgd = tg.optim.SGD([x], lr=0.02)
    for _ in range(500):
        y = x**4 - 3 * x**2 + x
        sgd.zero_grad()
        y.backward()
        sgd.step()
    return x.data, y.data


def epochs_until_close(X: list[list[float]], y: list[float], shuffle: bool) -> int:
    """How many epochs it takes until w is (2, 3, 4) to two decimals."""
    model = tg.nn.Neuron(2, nonlin=False)
    model.load_state_dict({"w[0]": 1.0, "w[1]": 0.0, "b": -1.0})

    def is_close(history: tg.train.History) -> bool:
        return all(abs(p.data - true) < 0.005 for p, true in zip(model.parameters(), (2, 3, 4)))

    sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    run = tg.train.fit(model, X, y, optimizer=sgd, batch_size=1, shuffle=shuffle, epochs=2000, callbacks=[is_close])
    return run.epochs


EXERCISES = (
    Exercise(
        "3.1",
        "two starts, two answers",
        "x_left x_right",
        shows="there are two valleys, and descent finds the lowest point of the one that it starts in. It cannot know "
        "that there is a lower one on the other side of the hill.",
        hints=[
            "Take `descend` of the lesson, and put another y into it.",
            "With the learning rate 0.02 it needs some hundred steps. A larger one jumps over the hill.",
            "In the loop: y = x**4 - 3 * x**2 + x, then zero_grad(), backward(), step(). Where x.data ends is asked "
            "for, from −2 and from 2.",
        ],
        code=descend,
        right=lambda: (descend(-2.0)[0], descend(2.0)[0]),
        mistakes=[
            ("these are the lowest y; the x of each is asked for.", lambda: (descend(-2.0)[1], descend(2.0)[1])),
            ("these are right, in another order: first from −2.", lambda: (descend(2.0)[0], descend(-2.0)[0])),
        ],
        advice="At a lowest point the derivative 4x³ − 6x + 1 is 0: is it 0 there? If not, is the gradient set to zero "
        "before each backward(), or is the learning rate too large?",
        tolerance=1e-3,
    ),
    Exercise(
        "3.2",
        "in order, and shuffled",
        "in_order shuffled",
        shows="shuffled, it needs a third of the epochs. In order, each sample comes right after a neighbour that has "
        "just taught nearly the same; shuffled, after a different one.",
        hints=[
            "`fit` ends when a callback returns True.",
            "The callback looks at the parameters: is each of them less than 0.005 from 2, 3 and 4?",
            'Before each run: model.load_state_dict({"w[0]": 1.0, "w[1]": 0.0, "b": -1.0}). Then fit(…, batch_size=1, '
            "shuffle=…, epochs=2000, callbacks=[…]) with the learning rate 0.1; `.epochs` of what it returns is the "
            "number.",
        ],
        code=epochs_until_close,
        right=lambda: (272, 85),  # of the solution; it takes seconds
        mistakes=[
            ("these are right, in another order: first without shuffling.", lambda: (85, 272)),
            ("in_order is right. For shuffled, does fit() get `shuffle=True`?", lambda: (272, 272)),
        ],
        advice="Does each run start at (1, 0, −1), and end when each parameter is less than 0.005 off?",
        tolerance=0.1,  # another order, another number
    ),
)
