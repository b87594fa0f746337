"""Models and losses written scalar by scalar, as users write them: what the compiler is held to.

The first ones are written by hand, each of a kind that has its own pattern: layers, convolutions, recurrences, an
integrator, a chain, attention. Others are drawn by Hypothesis: `models()` writes small programs, in the many ways in
which the same thing can be written. `Model.truth` says what the engine computes, and how far rounding may lead from it.
What the compiler makes of them, and that it is the same, is left to the tests.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from random import Random
from textwrap import indent
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from rounding import rounded, rounding_errors

import tinygrad_edu as tg
from tinygrad_edu import Value, grad
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.graph import topological_order
from tinygrad_edu.rules import FLOATS

Rows = list[list[Any]]


class Model:
    """`loss(*arguments)` is a Value that depends on the parameters; what is printed of it is its text."""

    def __init__(
        self, loss: Callable[..., Value], parameters: Sequence[Value], arguments: Sequence[Any] = (), text: str = ""
    ) -> None:
        self.loss, self.parameters, self.arguments = loss, list(parameters), tuple(arguments)
        self.text = text or loss.__qualname__

    @cached_property
    def truth(self) -> tuple[list[float], list[float]]:
        """The loss and its gradients in the parameters, as the engine computes them, and the rounding error of each.

        An error is counted in relative errors of one operation, as in `rounding.py`.
        """
        y = self.loss(*self.arguments)
        slopes = grad(y, self.parameters, create_graph=True)
        return [v.data for v in (y, *slopes)], rounding_errors(y, *slopes)

    def __repr__(self) -> str:
        return self.text


def hold(got: Sequence[float], model: Model, tolerance: float = 1e-12) -> None:
    """The loss and its gradients are those of the engine: to so much of each number, rounding errors allowed for."""
    numbers, errors = model.truth
    assert len(got) == len(numbers)
    for name, y, true, error in zip(["the loss", *[p.label for p in model.parameters]], got, numbers, errors):
        assert abs(y - true) <= tolerance * error + 1e-300, f"{name}: {y}, not {true}, in {model}"


# ---- written by hand -------------------------------------------------------------------------------------------------
def matrix(random: Random, rows: int, columns: int, name: str, spread: float = 0.5) -> Rows:
    return [[Value(random.gauss(0, spread), label=f"{name}[{i}][{j}]") for j in range(columns)] for i in range(rows)]


def vector(random: Random, n: int, name: str, spread: float = 0.5) -> list[Any]:
    return [Value(random.gauss(0, spread), label=f"{name}[{i}]") for i in range(n)]


def numbers(random: Random, rows: int, columns: int) -> list[list[float]]:
    return [[random.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]


def flat(*nested: Any) -> list[Value]:
    return [v for x in nested for v in (flat(*x) if isinstance(x, list) else [x])]


def linear(x: Sequence[Any], w: Rows) -> list[Any]:
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def moons(samples: int = 100, widths: Sequence[int] = (2, 16, 16, 1), fused: bool = False) -> Model:
    """The max-margin loss of an MLP over a list of samples; its neurons are sums of products, or those of `nn`."""
    X, labels = tg.data.moons(max(2, samples), noise=0.1, seed=1337, labels=(-1, 1))
    X, labels = X[:samples], labels[:samples]
    network = tg.nn.MLP(widths[0], widths[1:], rng=Random(1337))

    def by_hand(x: Any) -> Any:
        for layer in network.layers:
            x = [sum((wi * xi for wi, xi in zip(n.w, x)), n.b) for n in layer.neurons]
            x = [v.relu() for v in x] if layer is not network.layers[-1] else x
        return x[0]

    def loss() -> Any:
        scores = [(network if fused else by_hand)(x) for x in X]
        hinges = [(1 + -y * score).relu() for y, score in zip(labels, scores)]
        penalty = sum(p * p for p in network.parameters())
        return sum(hinges) * (1.0 / len(hinges)) + 1e-4 * penalty

    return Model(loss, network.parameters())


def convolution(n: int = 64, k: int = 5, filters: int = 3) -> Model:
    """Filters that slide over a line of numbers, twice."""
    random = Random(1)
    x, w, b, v = vector(random, n, "x", 1.0), matrix(random, filters, k, "w"), vector(random, filters, "b"), []
    v = vector(random, k, "v")

    def loss() -> Any:
        ys = [[tg.tanh(sum(f[j] * x[i + j] for j in range(k)) + bf) for i in range(n - k + 1)] for f, bf in zip(w, b)]
        zs = [[sum(v[j] * y[i + j] for j in range(k)) for i in range(len(y) - k + 1)] for y in ys]
        return sum(z * z for row in zs for z in row)

    return Model(loss, flat(x, w, b, v))


def image(height: int = 7, width: int = 6, k: int = 3, filters: int = 2) -> Model:
    """A filter that slides over an image, the largest of each two by two, and a linear layer on what is left."""
    random = Random(2)
    picture = numbers(random, height, width)
    w = [matrix(random, k, k, f"w[{f}]") for f in range(filters)]
    rows, columns = (height - k + 1) // 2, (width - k + 1) // 2
    out = vector(random, filters * rows * columns, "out")

    def loss() -> Any:
        features = []
        for f in w:
            conv = [
                [sum(f[a][b] * picture[i + a][j + b] for a in range(k) for b in range(k)) for j in range(width - k + 1)]
                for i in range(height - k + 1)
            ]
            for i in range(rows):
                for j in range(columns):
                    four = [conv[2 * i + a][2 * j + b] for a in range(2) for b in range(2)]
                    features.append(tg.maximum(*four).relu())
        return (sum(o * x for o, x in zip(out, features)) - 1.0) ** 2

    return Model(loss, flat(w, out))


def recurrence(steps: int = 20, inputs: int = 3, hidden: int = 8, outputs: int = 2) -> Model:
    """A recurrent network on one sequence, with an error at each step."""
    random = Random(3)
    wx, wh = matrix(random, hidden, inputs, "wx"), matrix(random, hidden, hidden, "wh", 0.3)
    wy, b = matrix(random, outputs, hidden, "wy"), vector(random, hidden, "b")
    X, Y = numbers(random, steps, inputs), numbers(random, steps, outputs)

    def loss() -> Any:
        h: list[Any] = [0.0] * hidden
        squares = []
        for x, y in zip(X, Y):
            h = [(p + q + bi).tanh() for p, q, bi in zip(linear(x, wx), linear(h, wh), b)]
            squares += [(p - t) ** 2 for p, t in zip(linear(h, wy), y)]
        return sum(squares)

    return Model(loss, flat(wx, wh, wy, b))


def lstm(steps: int = 8, inputs: int = 2, hidden: int = 3) -> Model:
    """Four gates at each step, two states that are carried, an error at the end only."""
    random = Random(4)
    gates = [matrix(random, hidden, inputs + hidden + 1, name) for name in ("wi", "wf", "wo", "wg")]
    X = numbers(random, steps, inputs)

    def loss() -> Any:
        h: list[Any] = [0.0] * hidden
        c: list[Any] = [0.0] * hidden
        for x in X:
            i, f, o, g = [linear([*x, *h, 1.0], w) for w in gates]
            c = [a.sigmoid() * b + p.sigmoid() * q.tanh() for a, b, p, q in zip(f, c, i, g)]
            h = [a.sigmoid() * b.tanh() for a, b in zip(o, c)]
        return sum((x - 0.5) ** 2 for x in h) / hidden

    return Model(loss, flat(gates))


def pendulum(steps: int = 200, h: float = 0.02) -> Model:
    """A pendulum with friction, by Runge and Kutta's steps, from a start to where it should be in the end."""
    g, length, c = Value(9.81, label="g"), Value(1.3, label="length"), Value(0.1, label="c")
    start = [Value(1.0, label="angle"), Value(0.0, label="speed")]

    def f(angle: Any, speed: Any) -> tuple[Any, Any]:
        return speed, -(g / length) * tg.sin(angle) - c * speed

    def loss() -> Any:
        a, s = start
        for _ in range(steps):
            a1, s1 = f(a, s)
            a2, s2 = f(a + h / 2 * a1, s + h / 2 * s1)
            a3, s3 = f(a + h / 2 * a2, s + h / 2 * s2)
            a4, s4 = f(a + h * a3, s + h * s3)
            a = a + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            s = s + h / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
        return (a - 0.3) ** 2 + s * s

    return Model(loss, [g, length, c, *start])


def chain(n: int = 1000, tanh: bool = True) -> Model:
    """The same two operations, or three, one after the other."""
    a, b, x0 = Value(0.9, label="a"), Value(0.1, label="b"), Value(0.5, label="x0")

    def loss() -> Any:
        x = x0
        for _ in range(n):
            x = a * x + b
            x = x.tanh() if tanh else x
        return x

    return Model(loss, [a, b, x0])


def series(n: int = 12) -> Model:
    """A triangle: the sum of products of all pairs, of which each row is one shorter; and a power series."""
    random = Random(5)
    x, a = vector(random, n, "x"), vector(random, n, "a")

    def loss() -> Any:
        pairs = sum(x[i] * x[j] / (1 + i + j) for i in range(n) for j in range(i))
        power: Any = 1.0
        polynomial: Any = 0.0
        for ai in a:
            polynomial = polynomial + ai * power
            power = power * x[0]
        return pairs + polynomial

    return Model(loss, flat(x, a))


def gpt(
    positions: int = 8,
    layers: int = 1,
    width: int = 16,
    heads: int = 4,
    tokens: int = 27,
    guarded: bool = True,
    as_argument: bool = False,
) -> Model:
    """A GPT on one document; `guarded` softmaxes subtract the maximum. Token ids may be the argument of the loss."""
    random = Random(6)

    def weights(rows: int, columns: int, name: str) -> Rows:
        return matrix(random, rows, columns, name, 0.08)

    wte, wpe, head = weights(tokens, width, "wte"), weights(positions + 3, width, "wpe"), weights(tokens, width, "head")
    sizes = {"wq": (width, width), "wk": (width, width), "wv": (width, width), "wo": (width, width)}
    sizes |= {"fc1": (4 * width, width), "fc2": (width, 4 * width)}
    blocks = [{name: weights(*size, f"blocks[{i}].{name}") for name, size in sizes.items()} for i in range(layers)]
    document = [random.randrange(tokens) for _ in range(positions + 1)]
    d = width // heads

    def rmsnorm(x: list[Any]) -> list[Any]:
        scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    def softmax(logits: list[Any]) -> list[Any]:
        if guarded:
            largest = tg.maximum(*logits).detach()
            logits = [x - largest for x in logits]
        exps = [x.exp() for x in logits]
        whole = sum(exps)
        return [e / whole for e in exps]

    def loss(document: list[int] = document) -> Any:
        keys: list[Rows] = [[] for _ in blocks]
        values: list[Rows] = [[] for _ in blocks]
        losses = []
        for place in range(len(document) - 1):
            embedding = tg.take(wte, document[place]) if as_argument else wte[document[place]]
            x = rmsnorm([t + p for t, p in zip(embedding, wpe[place])])
            for block, ks, vs in zip(blocks, keys, values):
                residual, x = x, rmsnorm(x)
                q = linear(x, block["wq"])
                ks.append(linear(x, block["wk"]))
                vs.append(linear(x, block["wv"]))
                attention = []
                for h in range(0, width, d):
                    scores = [sum(q[h + j] * k[h + j] for j in range(d)) / d**0.5 for k in ks]
                    shares = softmax(scores)
                    attention += [sum(share * v[h + j] for share, v in zip(shares, vs)) for j in range(d)]
                x = [a + b for a, b in zip(linear(attention, block["wo"]), residual)]
                residual, x = x, rmsnorm(x)
                x = linear([v.relu() for v in linear(x, block["fc1"])], block["fc2"])
                x = [a + b for a, b in zip(x, residual)]
            probabilities = softmax(linear(x, head))
            following = document[place + 1]
            losses.append(-(tg.take(probabilities, following) if as_argument else probabilities[following]).log())
        return sum(losses) / len(losses)

    parameters = flat(wte, wpe, head, *[w for block in blocks for w in block.values()])
    return Model(loss, parameters, [document] if as_argument else [])


BY_HAND: dict[str, Callable[[], Model]] = {  # small: the engine, too, computes them in a second
    "moons": lambda: moons(samples=10, widths=(2, 5, 3, 1)),
    "moons, one sample": lambda: moons(samples=1, widths=(2, 4, 1)),
    "moons, by nn": lambda: moons(samples=10, widths=(2, 5, 3, 1), fused=True),
    "convolution": lambda: convolution(n=16, k=3),
    "convolution, one filter": lambda: convolution(n=9, k=2, filters=1),
    "image": image,
    "recurrence": lambda: recurrence(steps=6, hidden=4),
    "recurrence of one unit": lambda: recurrence(steps=5, inputs=1, hidden=1, outputs=1),
    "lstm": lstm,
    "pendulum": lambda: pendulum(steps=10),
    "chain": lambda: chain(50),
    "chain of products and sums": lambda: chain(40, tanh=False),
    "series": series,
    "gpt": lambda: gpt(positions=4, width=6, heads=2, tokens=5),
    "gpt, one position": lambda: gpt(positions=1, width=4, heads=2, tokens=5),
    "gpt, two layers": lambda: gpt(positions=3, layers=2, width=4, heads=2, tokens=5, guarded=False),
    "gpt, token ids as its argument": lambda: gpt(positions=4, width=6, heads=2, tokens=5, as_argument=True),
}


# ---- drawn -----------------------------------------------------------------------------------------------------------
Number = Callable[[int, int], int]  # chooses one from a least to a largest
Lines = list[str]

FEW = (0.0, 1.0, -1.0, 0.5, 2.0)  # as the weights and data of a reader's first examples: many are equal
LARGEST = 1e3  # no number of a model, and no gradient, is larger
MOST_UNCERTAIN = 1e6  # nor is the rounding error of one
CLOSE = 1e-7  # to a kink: there a rounding error could lead to another slope


class Writer:
    """The text of a model while it is drawn: what it needs besides its functions, and the choices it is made of."""

    def __init__(self, number: Number) -> None:
        self.number = number
        self.random = Random(self.number(0, 1000))
        self.kind = self.one_of("few", "any", "equal")
        self.parameters: dict[str, Any] = {}  # lists of numbers, or models of `nn` as text
        self.modules: dict[str, str] = {}

    def one_of(self, *things: Any) -> Any:
        return things[self.number(0, len(things) - 1)]

    def yes(self) -> bool:
        return self.one_of(False, True)

    def numbers(self, *shape: int) -> Any:
        if shape:
            return [self.numbers(*shape[1:]) for _ in range(shape[0])]
        if self.kind == "equal":
            return 0.5
        return self.random.choice(FEW) if self.kind == "few" else self.random.randint(-15, 15) / 10

    def parameter(self, *shape: int) -> str:
        name = "ABCDEFGHIJKLMNOPQRSTUVW"[len(self.parameters)]
        self.parameters[name] = self.numbers(*shape)
        return name

    def module(self, text: str) -> str:
        name = f"module{len(self.modules)}"
        self.modules[name] = text
        return name


ACTIVATIONS = ("{}", "tg.relu({})", "tg.tanh({})", "tg.sigmoid({})", "({}) ** 2", "tg.abs({})", "tg.softplus({})")
ACTIVATIONS += ("tg.leaky_relu({}, 0.1)", "tg.gelu({})", "tg.exp({}) / 4", "tg.sin({})", "tg.clamp({}, -1, 1)")


def layer(w: Writer, n: int, m: int) -> Lines:
    """h, of n numbers, becomes m of them: a linear layer and an activation, in one of the ways to write them."""
    act = w.one_of(*ACTIVATIONS).format
    style = w.one_of("sum", "start", "dot", "loop", "columns", "one more", "after", "unbiased", "negative", "nn")
    if style == "nn":
        module = w.module(f"tg.nn.Layer({n}, {m}, activation={w.one_of('relu', 'tanh', 'linear')!r}, init='zeros')")
        return [f"h = {module}(h)" if m > 1 else f"h = [{module}(h)]"]
    if style == "columns":
        a, b = w.parameter(n, m), w.parameter(m)
        return [f"h = [{act(f'sum(h[i] * {a}[i][j] for i in range({n})) + {b}[j]')} for j in range({m})]"]
    if style == "one more":
        a = w.parameter(m, n + 1)
        return [f"h = [{act('sum(wi * xi for wi, xi in zip(row, [*h, 1.0]))')} for row in {a}]"]
    a = w.parameter(m, n)
    if style == "unbiased":
        return [f"h = [{act('sum(xi * wi for wi, xi in zip(row, h))')} for row in {a}]"]
    b = w.parameter(m)
    if style == "loop":
        return [
            "out = []",
            f"for row, bi in zip({a}, {b}):",
            "    s = bi",
            "    for wi, xi in zip(row, h):",
            "        s = s + wi * xi",
            f"    out.append({act('s')})",
            "h = out",
        ]
    if style == "after":
        return [
            f"h = [sum(wi * xi for wi, xi in zip(row, h)) for row in {a}]",
            f"h = [bi + hi for bi, hi in zip({b}, h)]",
            f"h = [{act('hi')} for hi in h]",
        ]
    neuron = {
        "sum": "sum(wi * xi for wi, xi in zip(row, h)) + bi",
        "start": "sum((wi * xi for wi, xi in zip(row, h)), bi)",
        "dot": "tg.dot(row, h) + bi",
        "negative": "bi - sum(wi * xi for wi, xi in zip(row, h))",
    }[style]
    return [f"h = [{act(neuron)} for row, bi in zip({a}, {b})]"]


def twice(w: Writer, n: int) -> Lines:
    """A layer whose weights are used again."""
    return [f"for _ in range({w.number(2, 3)}):", *indented(layer(w, n, n))]


def residual(w: Writer, n: int) -> Lines:
    return ["before = h", *layer(w, n, n), "h = [p + q for p, q in zip(before, h)]"]


def scale(w: Writer, n: int) -> Lines:
    return [f"h = [g * x for g, x in zip({w.parameter(n)}, h)]"]


def neutral(w: Writer, n: int) -> Lines:
    return [w.one_of("h = [1.0 * x + 0.0 for x in h]", "h = [2.0 * x - 1.0 for x in h]", "h = [-x for x in h]")]


def gate(w: Writer, n: int) -> Lines:
    return [w.one_of("h = [x * x.sigmoid() for x in h]", "h = [tg.where(tg.step(x), x, 0.5 * x) for x in h]")]


def norm(w: Writer, n: int) -> Lines:
    return [f"size = sum(x * x for x in h) / {n}", "h = [x * (size + 0.1) ** -0.5 for x in h]"]


def center(w: Writer, n: int) -> Lines:
    return [w.one_of(f"middle = sum(h) / {n}", "middle = tg.mean(h)"), "h = [x - middle for x in h]"]


def softmax(w: Writer, n: int) -> Lines:
    if w.yes():
        return [w.one_of("h = tg.softmax(h)", "h = tg.log_softmax(h)", "h = [x - tg.logsumexp(h) for x in h]")]
    guard = ["top = tg.maximum(*h).detach()", "h = [x - top for x in h]"] if n > 1 and w.yes() else []
    return [*guard, "exps = [tg.exp(x) for x in h]", "whole = sum(exps)", "h = [e / whole for e in exps]"]


def stopped(w: Writer, n: int) -> Lines:
    return ["h = [x + y.detach() for x, y in zip(h, h[::-1])]"]


def neighbours(w: Writer, n: int) -> Lines:
    return ["h = [x + y for x, y in zip(h, [*h[1:], h[0]])]"]


def running(w: Writer, n: int) -> Lines:
    return ["h = list(h)", f"for i in range(1, {n}):", "    h[i] = h[i] + 0.5 * h[i - 1]"]


SAME_WIDTH = (scale, neutral, gate, norm, center, softmax, stopped, neighbours, running, residual, twice)


def slide(w: Writer, n: int) -> tuple[Lines, int]:
    """A convolution, or the largest of neighbours: fewer numbers than before."""
    if w.yes():
        return [f"h = [tg.maximum(h[i], h[i + 1]) for i in range({n - 1})]"], n - 1
    k = w.number(1, n)
    a = w.parameter(k)
    return [f"h = [sum({a}[j] * h[i + j] for j in range({k})) for i in range({n - k + 1})]"], n - k + 1


def network(w: Writer, name: str, n: int, m: int) -> Lines:
    """A function of n numbers that returns m: layers first and last, anything between."""
    width = w.number(1, 4)
    lines = ["h = x", *layer(w, n, width)]
    for _ in range(w.number(0, 3)):
        if width > 1 and w.number(0, 5) == 5:
            more, width = slide(w, width)
        else:
            more = w.one_of(*SAME_WIDTH)(w, width)
        lines += more
    if width != m or w.yes():
        lines += layer(w, width, m)
    return [f"def {name}(x):", *indented([*lines, "return h"])]


def indented(lines: Lines) -> Lines:
    return [indent(line, "    ") for line in lines]


def each_alone(w: Writer, n: int, m: int) -> tuple[Lines, Lines]:
    """The predictions ps of the samples X: functions, and lines of the loss."""
    return network(w, "net", n, m), ["ps = [net(x) for x in X]"]


def one_after_the_other(w: Writer, n: int, m: int) -> tuple[Lines, Lines]:
    """A recurrence: a state goes from sample to sample, and each prediction is made of it."""
    k = w.number(1, 3)
    start = w.parameter(k) if w.yes() else f"[0.0] * {k}"
    lines = [f"state, ps = {start}, []", "for x in X:", "    state = cell([*x, *state])", "    ps.append(net(state))"]
    return [*network(w, "cell", n + k, k), *network(w, "net", k, m)], lines


def attending(w: Writer, n: int, m: int) -> tuple[Lines, Lines]:
    """Attention: each sample looks at all of them, or at those up to itself."""
    d, k = w.number(1, 3), w.number(1, 3)
    queries, keys, values = w.parameter(d, n), w.parameter(d, n), w.parameter(k, n)
    some = w.one_of("", "[: t + 1]")
    functions = [
        "def linear(a, x):",
        "    return [sum(ai * xi for ai, xi in zip(row, x)) for row in a]",
        *network(w, "net", k, m),
    ]
    by_hand = ["exps = [s.exp() for s in scores]", "whole = sum(exps)", "shares = [e / whole for e in exps]"]
    return functions, [
        f"keys, values = [linear({keys}, x) for x in X], [linear({values}, x) for x in X]",
        "ps = []",
        "for t, x in enumerate(X):",
        f"    query = linear({queries}, x)",
        f"    scores = [sum(a * b for a, b in zip(query, key)) / {d} ** 0.5 for key in keys{some}]",
        *indented(by_hand if w.yes() else ["shares = tg.softmax(scores)"]),
        f"    mixed = [sum(s * v[j] for s, v in zip(shares, values)) for j in range({k})]",
        "    ps.append(net(mixed))",
    ]


ERRORS = "errors = [p - t for h, ts in zip(ps, Y) for p, t in zip(h, ts)]"
OF_ERRORS = {  # losses over lists, as they are written
    "mse": ["loss = sum(e * e for e in errors) / len(errors)"],
    "mse of powers": ["loss = sum(e ** 2 for e in errors) * (1.0 / len(errors))"],
    "mse, a loop": ["loss = 0.0", "for e in errors:", "    loss += e * e", "loss = loss / len(errors)"],
    "rmse": ["loss = (sum(e * e for e in errors) / len(errors)) ** 0.5"],
    "mae": ["loss = sum(abs(e) for e in errors) / len(errors)"],
    "the largest": ["squares = [e * e for e in errors]", "loss = tg.maximum(0.0, *squares)"],
    "log(1 + mse)": ["loss = tg.log(1 + tg.mean([e * e for e in errors]))"],
    "the variance": ["middle = sum(errors) / len(errors)", "loss = tg.mean([(e - middle) ** 2 for e in errors])"],
    "a product": ["loss = tg.prod([1 + e * e for e in errors[:3]])"],
    "a smooth maximum": ["loss = tg.logsumexp(errors)"],
}
OF_LISTS = {
    "hinge": [
        "margins = [t * p for h, ts in zip(ps, Y) for p, t in zip(h, ts)]",
        "loss = sum((1 - s).relu() for s in margins) / len(margins)",
    ],
    "losses.mse": ["loss = tg.losses.mse(ps, Y)"],
    "losses.mae": ["loss = tg.losses.mae(ps, Y)"],
    "losses.huber": ["loss = tg.losses.huber(ps, Y)"],
}
OF_LABELS = {
    "cross entropy by hand": [
        "terms = []",
        "for h, label in zip(ps, labels):",
        "    exps = [p.exp() for p in h]",
        "    terms.append(-tg.log(exps[label] / sum(exps)))",
        "loss = sum(terms) / len(terms)",
    ],
    "cross entropy": ["loss = -tg.mean([tg.take(tg.log_softmax(h), label) for h, label in zip(ps, labels)])"],
    "losses.cross_entropy": ["loss = tg.losses.cross_entropy(ps, labels)"],
}
PENALTIES = ("", "loss = loss + 0.01 * sum(p * p for p in parameters)", "loss += 0.1 * tg.dot(parameters, parameters)")
PENALTIES += ("loss = loss + 0.01 * sum(abs(p) for p in parameters)",)


@st.composite
def models(draw: Callable[[st.SearchStrategy[int]], int], arguments: bool = True) -> Model:
    """Models that the engine computes. Numbers are not large, and no rounding error decides on a slope at a kink."""
    model = write_model(lambda low, high: draw(st.integers(low, high)), arguments)
    assume(is_decided(model))
    return model


def write_model(number: Number, arguments: bool = True) -> Model:
    """A small model on a few samples, with a loss: all of it written scalar by scalar, in one of many ways.

    With `arguments` samples and targets may be arguments of the loss; without, they are constants of it.
    """
    w = Writer(number)
    n, m, samples = w.number(1, 3), w.number(1, 3), w.one_of(1, 2, 3, 5)
    X, Y = w.numbers(samples, n), w.numbers(samples, m)
    labels = [w.random.randrange(m) for _ in range(samples)]
    functions, lines = w.one_of(each_alone, each_alone, one_after_the_other, attending)(w, n, m)
    name = w.one_of(*OF_ERRORS, *OF_LISTS, *(OF_LABELS if m > 1 else ()))
    needed = {"X": X, **({"labels": labels} if name in OF_LABELS else {"Y": Y})}
    taken = w.one_of(*([], ["X"], [*needed]) if arguments else ([],))
    body = [
        *lines,
        *([ERRORS, *OF_ERRORS[name]] if name in OF_ERRORS else (OF_LISTS | OF_LABELS)[name]),
        w.one_of(*PENALTIES),
        "return loss",
    ]
    return written(w, [*functions, f"def loss({', '.join(taken)}):", *indented(body)], needed, taken)


def written(w: Writer, lines: Lines, needed: dict[str, Any], taken: list[str]) -> Model:
    """Runs the text; the parameters get the labels of their places."""
    scope: dict[str, Any] = {"tg": tg, **needed}
    for name, nested in w.parameters.items():
        scope[name] = valued(nested, name)
    for name, text in w.modules.items():
        scope[name] = eval(text, {"tg": tg})
        for p in scope[name].parameters():
            p.data = w.numbers()
            p.label = f"{name}.{p.label}"
    parameters = [*flat(*[scope[name] for name in w.parameters])]
    parameters += [p for name in w.modules for p in scope[name].parameters()]
    scope["parameters"] = parameters
    text = "\n".join([line for line in lines if line.strip()])
    exec(compile(text, "<a drawn model>", "exec"), scope)
    numbers = [f"{name} = {x}" for name, x in {**needed, **w.parameters}.items()]
    numbers += [f"{name} = {call}  # {[p.data for p in scope[name].parameters()]}" for name, call in w.modules.items()]
    return Model(scope["loss"], parameters, [needed[name] for name in taken], "\n".join(["", *numbers, text, ""]))


def valued(nested: Any, name: str) -> Any:
    if isinstance(nested, list):
        return [valued(x, f"{name}[{i}]") for i, x in enumerate(nested)]
    return Value(nested, label=name)


# ---- close to a kink -------------------------------------------------------------------------------------------------
def is_decided(model: Model) -> bool:
    """Whether the engine computes it, numbers are not large, and no rounding error leads across a kink."""
    try:
        y = model.loss(*model.arguments)
        y.backward()
    except FAILURES:
        return False
    finally:
        for p in model.parameters:
            p.grad = 0.0
    exact: dict[Value, bool] = {}
    errors: dict[Value, float] = {}
    for v in topological_order(y):
        # A number that has been rounded has more digits than these, as a rule.
        exact[v] = v.data * 2**20 == int(v.data * 2**20) and all(exact[x] for x in v._prev)
        slopes = v._rule.derivatives(FLOATS, v.data, *[x.data for x in v._prev])
        errors[v] = rounded(v.data, slopes, [errors[x] for x in v._prev])
        if abs(v.data) > LARGEST or abs(v.grad) > LARGEST or errors[v] > MOST_UNCERTAIN:
            return False
        if not all(exact[x] for x in v._prev) and any(abs(d) < CLOSE for d in distances(v)):
            return False
    return True


def distances(v: Value) -> list[float]:
    """How far a node's inputs are from where its slope jumps."""
    name, xs = v._rule.name, [x.data for x in v._prev]
    if name in ("relu", "leaky_relu", "abs", "sign", "step", "where"):
        return xs[:1]
    if name == "clamp":
        return [xs[0] - bound for bound in v._rule.parameters]
    if name in ("maximum", "minimum", "largest", "smallest"):
        nearest = sorted(xs, reverse=name in ("maximum", "largest"))[:2]
        return [nearest[0] - nearest[-1]] if len(nearest) > 1 else []
    return []
