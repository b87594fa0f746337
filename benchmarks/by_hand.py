"""NumPy written by hand: losses with their gradients, as one writes them who knows the arrays.

Each function takes arrays and returns the loss and its gradients in all of the weights, in their order. That they
compute what the engine computes is checked by `compile.py` before anything is reported.
"""

from typing import Any

import numpy as np

Array = Any  # of NumPy


def max_margin(X: Array, y: Array, W0: Array, b0: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> list[Array]:
    """An MLP of three layers with relu, the max-margin loss on targets of ±1, and 1e-4 times the squares of weights."""
    n = len(X)
    h0 = np.maximum(X @ W0.T + b0, 0.0)
    h1 = np.maximum(h0 @ W1.T + b1, 0.0)
    margins = 1.0 - y * (h1 @ W2[0] + b2)
    weights = (W0, b0, W1, b1, W2, b2)
    loss = np.maximum(margins, 0.0).sum() / n + 1e-4 * sum([np.vdot(w, w) for w in weights])

    d2 = np.where(margins > 0.0, -y / n, 0.0)
    d1 = np.where(h1 > 0.0, np.outer(d2, W2[0]), 0.0)
    d0 = np.where(h0 > 0.0, d1 @ W1, 0.0)
    slopes = (d0.T @ X, d0.sum(0), d1.T @ h0, d1.sum(0), (d2 @ h1)[None], d2.sum())
    return [loss, *[g + 2e-4 * w for g, w in zip(slopes, weights)]]


def cubic(x: Array, y: Array, a: float, b: float, c: float, d: float) -> list[Array]:
    """The mean squared error of a + b x + c x² + d x³."""
    n = len(x)
    x2 = x * x
    x3 = x2 * x
    error = a + b * x + c * x2 + d * x3 - y
    slope = 2.0 / n * error
    return [np.dot(error, error) / n, slope.sum(), np.dot(slope, x), np.dot(slope, x2), np.dot(slope, x3)]


# ---- a GPT -----------------------------------------------------------------------------------------------------------
def _normed(x: Array) -> tuple[Array, Array]:
    scale = ((x * x).mean(1, keepdims=True) + 1e-5) ** -0.5
    return x * scale, scale


def _normed_back(g: Array, x: Array, scale: Array) -> Array:
    return scale * g - x * scale**3 * (g * x).mean(1, keepdims=True)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gpt(
    document: Array,
    wte: Array,
    wpe: Array,
    wq: Array,
    wk: Array,
    wv: Array,
    wo: Array,
    fc1: Array,
    fc2: Array,
    head: Array,
) -> list[Array]:
    """A GPT of one layer and four heads on one document of token ids.

    All positions at once; attention is masked, and batched over heads.
    """
    heads = 4
    tokens, following = document[:-1], document[1:]
    n, width = len(tokens), wte.shape[1]
    positions = np.arange(n)
    root = (width // heads) ** 0.5

    def split(x: Array) -> Array:
        return x.reshape(n, heads, -1).swapaxes(0, 1)

    def joined(x: Array) -> Array:
        return x.swapaxes(0, 1).reshape(n, -1)

    embedded = wte[tokens] + wpe[:n]
    x1, scale1 = _normed(embedded)
    a1, scale2 = _normed(x1)
    q, k, v = split(a1 @ wq.T), split(a1 @ wk.T), split(a1 @ wv.T)
    scores = q @ k.swapaxes(1, 2) / root
    shares = _softmax(np.where(np.tri(n, dtype=bool), scores, -np.inf))
    attention = joined(shares @ v)
    x2 = attention @ wo.T + x1
    a2, scale3 = _normed(x2)
    h = np.maximum(a2 @ fc1.T, 0.0)
    x3 = h @ fc2.T + x2
    p = _softmax(x3 @ head.T)
    loss = -np.log(p[positions, following]).sum() / n

    p[positions, following] -= 1.0
    d_logits = p / n
    d3 = d_logits @ head
    d_h = np.where(h > 0.0, d3 @ fc2, 0.0)
    d2 = d3 + _normed_back(d_h @ fc1, x2, scale3)
    d_attention = split(d2 @ wo)
    d_shares = d_attention @ v.swapaxes(1, 2)
    d_scores = shares * (d_shares - (d_shares * shares).sum(-1, keepdims=True)) / root
    d_q, d_k, d_v = (
        joined(d_scores @ k),
        joined(d_scores.swapaxes(1, 2) @ q),
        joined(shares.swapaxes(1, 2) @ d_attention),
    )
    d1 = d2 + _normed_back(d_q @ wq + d_k @ wk + d_v @ wv, x1, scale2)
    d_embedded = _normed_back(d1, embedded, scale1)
    d_wte, d_wpe = np.zeros_like(wte), np.zeros_like(wpe)
    np.add.at(d_wte, tokens, d_embedded)
    d_wpe[:n] = d_embedded
    slopes = [d_wte, d_wpe, d_q.T @ a1, d_k.T @ a1, d_v.T @ a1, d2.T @ attention, d_h.T @ a2, d3.T @ h, d_logits.T @ x3]
    return [loss, *slopes]
