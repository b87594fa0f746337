"""The picture at the top of the README: a small network learns to tell two moons apart. `python examples/moons.py`.

It writes `moons.gif`: each frame is the decision boundary after an epoch or two, beside the loss so far.
"""

from random import Random

import tinygrad_edu as tg
from tinygrad_edu.train import History
from tinygrad_edu.viz.animations import Animation, animate_boundary

FRAMES = 60


def learn(epochs: int = 80) -> tuple[tg.nn.MLP, list[list[float]], list[int], History]:
    X, labels = tg.data.moons(100, noise=0.1, seed=1, labels=(-1, 1))
    model = tg.nn.MLP(2, [16, 16, 1], activation="tanh", rng=Random(1))
    history = tg.train.fit(
        model,
        X,
        labels,
        loss=tg.losses.hinge,
        optimizer=tg.optim.Adam(model.parameters(), lr=0.02),
        epochs=epochs,
        compile=True,
        record_parameters=True,
    )
    return model, X, labels, history


def animate(frames: int = FRAMES) -> Animation:
    model, X, labels, history = learn()
    return animate_boundary(model, X, labels, history, frames=frames, names=["upper moon", "lower moon"], seconds=0.1)


if __name__ == "__main__":
    animate().save("moons.gif")
