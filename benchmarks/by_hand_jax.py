"""JAX written by hand: losses of arrays, as one writes them who knows the arrays.

That they compute what the programs of the compiler compute is checked by `jax_backend.py` before anything is reported.
"""

from typing import Any

import jax
import jax.numpy as jnp

Array = Any  # of JAX


def max_margin(weights: list[Array], X: Array, y: Array) -> Array:
    """An MLP of three layers with relu, the max-margin loss on targets of ±1, and 1e-4 times the squares of weights."""
    W0, b0, W1, b1, W2, b2 = weights
    h = jax.nn.relu(X @ W0.T + b0)
    h = jax.nn.relu(h @ W1.T + b1)
    scores = (h @ W2.T + b2)[:, 0]
    return jax.nn.relu(1.0 - y * scores).mean() + 1e-4 * sum([(w * w).sum() for w in weights])


def classifier(weights: list[Array], X: Array, labels: Array) -> Array:
    """The cross-entropy of an MLP of two layers with relu."""
    W0, b0, W1, b1 = weights
    logits = jax.nn.relu(X @ W0.T + b0) @ W1.T + b1
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def gpt(weights: list[Array], document: Array) -> Array:
    """A GPT of one layer and four heads on one document of token ids, all positions at once."""
    wte, wpe, wq, wk, wv, wo, fc1, fc2, head = weights
    tokens, following = document[:-1], document[1:]
    n, heads = len(tokens), 4

    def normed(x: Array) -> Array:
        return x * ((x * x).mean(1, keepdims=True) + 1e-5) ** -0.5

    def split(x: Array) -> Array:
        return x.reshape(n, heads, -1).swapaxes(0, 1)

    x = normed(wte[tokens] + wpe[:n])
    a = normed(x)
    q, k, v = split(a @ wq.T), split(a @ wk.T), split(a @ wv.T)
    scores = q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5
    shares = jax.nn.softmax(jnp.where(jnp.tri(n, dtype=bool), scores, -jnp.inf))
    x = (shares @ v).swapaxes(0, 1).reshape(n, -1) @ wo.T + x
    x = jax.nn.relu(normed(x) @ fc1.T) @ fc2.T + x
    return -jax.nn.log_softmax(x @ head.T)[jnp.arange(n), following].mean()


def pendulum(numbers: list[Array], steps: int, h: float) -> Array:
    """A pendulum after so many steps by Runge and Kutta: how far it is from standing still at 0.3."""
    g, length, friction, angle, speed = numbers

    def change(angle: Array, speed: Array) -> tuple[Array, Array]:
        return speed, -(g / length) * jnp.sin(angle) - friction * speed

    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        a, s = state
        a1, s1 = change(a, s)
        a2, s2 = change(a + h / 2 * a1, s + h / 2 * s1)
        a3, s3 = change(a + h / 2 * a2, s + h / 2 * s2)
        a4, s4 = change(a + h * a3, s + h * s3)
        return (a + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), s + h / 6 * (s1 + 2 * s2 + 2 * s3 + s4)), None

    (a, s), _ = jax.lax.scan(step, (angle, speed), length=steps)
    return (a - 0.3) ** 2 + s * s
