"""A GPT in scalars: it reads a list of names and makes up new ones. `python examples/microgpt.py [STEPS]`.

Nothing is hidden: each number of the model is a `Value`, each layer is a list of sums, the optimizer is written out;
`Module` only finds the parameters and names them. Read it from the top: the model, its loss on one document, training,
sampling. `tg.compile` makes the loss fast: its program, gradients included, runs on arrays, which nobody has written
here. There is one program for each length of a document, made when the first of that length comes.
"""

import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import tinygrad_edu as tg

Vector = list[Any]  # of Values; of plain numbers, too
Matrix = list[Vector]  # a list of rows

NAMES = Path(__file__).parent / "names.txt"


# ---- what a GPT is made of -------------------------------------------------------------------------------------------
def matrix(rows: int, columns: int) -> Matrix:
    return [[tg.Value(random.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]


def linear(x: Vector, w: Matrix) -> Vector:
    """w x: each row of w times x."""
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def softmax(logits: Vector) -> Vector:
    """Any numbers become probabilities. Without the largest the exponentials cannot overflow."""
    largest = tg.maximum(*logits).detach()
    exps = [(logit - largest).exp() for logit in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x: Vector) -> Vector:
    """x, scaled so that the mean of its squares is 1. Source: Zhang and Sennrich, RMSNorm, 2019."""
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


class Layer(tg.nn.Module):
    """Attention, by which a token looks at those before it, and an MLP, which works on each token alone."""

    def __init__(self, width: int) -> None:
        self.wq, self.wk, self.wv, self.wo = [matrix(width, width) for _ in range(4)]
        self.fc1, self.fc2 = matrix(4 * width, width), matrix(width, 4 * width)

    def __call__(self, x: Vector, keys: Matrix, values: Matrix, heads: int) -> Vector:
        """What becomes of the newest token; `keys` and `values` are those of the tokens so far, and get its own."""
        residual, x = x, rmsnorm(x)
        query = linear(x, self.wq)
        keys.append(linear(x, self.wk))
        values.append(linear(x, self.wv))
        attention = []
        size = len(x) // heads
        for start in range(0, len(x), size):
            head = range(start, start + size)
            scores = [sum(query[j] * key[j] for j in head) / size**0.5 for key in keys]
            shares = softmax(scores)
            attention += [sum(share * value[j] for share, value in zip(shares, values)) for j in head]
        x = [a + b for a, b in zip(linear(attention, self.wo), residual)]
        residual, x = x, rmsnorm(x)
        x = linear([h.relu() for h in linear(x, self.fc1)], self.fc2)
        return [a + b for a, b in zip(x, residual)]


class GPT(tg.nn.Module):
    """Token and position become vectors, layers work on them, and a linear map says what comes next."""

    def __init__(self, tokens: int, width: int = 16, heads: int = 4, layers: int = 1, longest: int = 16) -> None:
        self.wte, self.wpe = matrix(tokens, width), matrix(longest, width)
        self.layers = [Layer(width) for _ in range(layers)]
        self.head = matrix(tokens, width)
        self.heads, self.longest = heads, longest

    def nothing_read(self) -> tuple[list[Matrix], list[Matrix]]:
        """The keys and the values of each layer, before the first token."""
        return [[] for _ in self.layers], [[] for _ in self.layers]

    def __call__(self, token: int, keys: list[Matrix], values: list[Matrix]) -> Vector:
        """How likely each token is to come next, as logits; `keys` and `values` are what has been read so far."""
        position = len(keys[0])
        embedding = tg.take(self.wte, token)
        x = rmsnorm([t + p for t, p in zip(embedding, self.wpe[position])])
        for layer, ks, vs in zip(self.layers, keys, values):
            x = layer(x, ks, vs, self.heads)
        return linear(x, self.head)

    def loss(self, document: list[int]) -> Any:
        """−log p of each token after those before it, on average."""
        keys, values = self.nothing_read()
        losses = []
        for token, following in pairwise(document[: self.longest + 1]):
            probabilities = softmax(self(token, keys, values))
            losses.append(-tg.take(probabilities, following).log())
        return sum(losses) / len(losses)


# ---- documents -------------------------------------------------------------------------------------------------------
class Letters:
    """Token ids: one for each letter, and one more for the beginning and the end of a document."""

    def __init__(self, documents: list[str]) -> None:
        self.letters = sorted({*"".join(documents)})
        self.edge = len(self.letters)

    def __len__(self) -> int:
        return len(self.letters) + 1

    def encode(self, text: str) -> list[int]:
        return [self.edge, *[self.letters.index(letter) for letter in text], self.edge]


# ---- training --------------------------------------------------------------------------------------------------------
def train(model: GPT, documents: list[list[int]], steps: int, rate: float = 0.01) -> Iterator[float]:
    """Adam, a document a step, with a learning rate that falls to 0: yields the loss of each step.

    Source: Kingma and Ba, Adam, 2015.
    """
    beta1, beta2 = 0.85, 0.99
    parameters: Vector = model.parameters()
    for p in parameters:
        p.m = p.v = 0.0
    loss_of = tg.compile(model.loss)
    for step in range(steps):
        loss = loss_of.backward(documents[step % len(documents)])
        now = rate * (1 - step / steps)
        for p in parameters:
            p.m = beta1 * p.m + (1 - beta1) * p.grad
            p.v = beta2 * p.v + (1 - beta2) * p.grad**2
            mean, square = p.m / (1 - beta1 ** (step + 1)), p.v / (1 - beta2 ** (step + 1))
            p.data -= now * mean / (square**0.5 + 1e-8)
            p.grad = 0
        yield loss


# ---- sampling --------------------------------------------------------------------------------------------------------
def made_up(model: GPT, letters: Letters, temperature: float = 0.5) -> str:
    """A new document, letter by letter; the lower the temperature, the more of the usual."""
    keys, values = model.nothing_read()
    token, text = letters.edge, ""
    with tg.no_grad():
        while len(text) < model.longest:
            logits = model(token, keys, values)
            shares = softmax([logit / temperature for logit in logits])
            token = random.choices(range(len(letters)), [share.data for share in shares])[0]
            if token == letters.edge:
                break
            text += letters.letters[token]
    return text


def main(steps: int = 1000) -> None:
    random.seed(42)
    names = NAMES.read_text(encoding="utf-8").split()
    random.shuffle(names)
    letters = Letters(names)
    model = GPT(len(letters))
    print(f"{len(names)} names, {len(letters)} tokens, {len(model.parameters())} parameters")
    losses = []
    for loss in train(model, [letters.encode(name) for name in names], steps):
        losses.append(loss)
        if len(losses) % 100 == 0 or len(losses) == steps:
            latest = losses[-100:]
            print(f"step {len(losses)}: loss {sum(latest) / len(latest):.4f}")
    for _ in range(20):
        print(made_up(model, letters))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
