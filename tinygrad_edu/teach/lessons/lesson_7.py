"""The exercises of lesson 7, an MLP on real data."""

from collections.abc import Sequence
from random import Random
from typing import Any

import tinygrad_edu as tg
from tinygrad_edu.teach.exercise import Exercise


def patience(history: tg.train.History, epochs: int = 20) -> bool:
    """Whether the best loss on unseen pictures is more than 20 epochs ago."""
    best = min(range(history.epochs), key=history.validation.__getitem__)
    return history.epochs - best > epochs


def unseen_loss(
    train: tuple[Any, Any],
    unseen: tuple[Any, Any],
    hidden: int = 24,
    optimizer: Any = tg.optim.Adam,
    callbacks: Sequence[Any] = (),
    **options: Any,
) -> float:
    """The loss on unseen pictures after training on a few."""
    model = tg.nn.MLP(64, [hidden, 10], activation="relu", init="kaiming", rng=Random(0))
    run = tg.train.fit(
        model,
        *train,
        loss=tg.losses.cross_entropy,
        optimizer=optimizer(model.parameters(), lr=0.01, **options),
        epochs=150,
        validation=unseen,
        callbacks=callbacks,
        compile=True,
    )
    return run.validation[-1]


def _run(best: int, epochs: int) -> tg.train.History:
    """A run whose loss on unseen samples falls up to an epoch, and then grows."""
    history = tg.train.History()
    history.loss = [1 / (epoch + 1) for epoch in range(epochs)]
    history.validation = [1 + abs(epoch - best) / 100 for epoch in range(epochs)]
    return history


def _draw(rng: Random) -> tuple[tg.train.History]:
    best = rng.randrange(5, 40)
    return (_run(best, best + rng.choice([3, 12, 30, 60])),)


def _by_training_loss(history: tg.train.History) -> bool:
    return history.epochs - min(range(history.epochs), key=history.loss.__getitem__) > 20


EXERCISES = (
    Exercise(
        "7.1",
        "a callback that stops in time",
        "patience",
        shows="what the network gets better at after its best epoch is not digits, but these hundred pictures. (fit(…, "
        "patience=20) does the same.)",
        hints=[
            "`fit` calls it after each epoch, with the history so far. Where does that have the loss on unseen "
            "pictures?",
            "history.validation has one number for each epoch. In which epoch was the smallest?",
            "best = min(range(history.epochs), key=history.validation.__getitem__), and it is time to stop when "
            "history.epochs − best is more than 20.",
        ],
        code=patience,
        right=lambda: (patience,),
        mistakes=[
            (
                "it never stops: the training loss goes on falling; look at history.validation.",
                lambda: (_by_training_loss,),
            ),
            (
                "it stops when it should go on, and goes on when it should stop.",
                lambda: (lambda history: not patience(history),),
            ),
        ],
        draw=_draw,
    ),
    Exercise(
        "7.2",
        "three helps against overfitting",
        "smaller decayed stopped",
        shows="stopping helps most, weight decay some. Eight neurons are too few for ten digits, and no less certain "
        "of themselves.",
        hints=[
            "Put the run on 100 pictures into a function, with what differs as its arguments.",
            "Three runs of at most 150 epochs: MLP(64, [8, 10], …); AdamW with weight_decay=1.0; and "
            "callbacks=[patience].",
            "Of each, the last number of history.validation. All begin with rng=Random(0), the learning rate is 0.01.",
        ],
        code=unseen_loss,
        right=lambda: (0.808, 0.428, 0.415),  # of the solution; it takes seconds
        mistakes=[
            ("decayed is the run as it was, without any decay: is the optimizer AdamW?", lambda: (0.808, 0.446, 0.415)),
            ("stopped is the run as it was, to its last epoch: is the callback given?", lambda: (0.808, 0.428, 0.446)),
        ],
        advice="Are these losses on the unseen pictures, after training on 100 of the others?",
        tolerance=0.025,
    ),
)
