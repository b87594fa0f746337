"""Speed and memory of the engine, beside micrograd from PyPI, in one run: `python benchmarks/eager.py`.

Every measurement runs in a fresh process, so that no engine meets the heap that another one left behind, and the
engines take turns, so that a drift of the machine's speed meets all of them. The cycle collector is on, as for any
user. The losses of all training steps have to agree before anything is reported. Times wander from run to run; the
ratios of medians hold.
"""

import math
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import processes

STEPS = 8
ROUNDS = 3


def moons() -> tuple[list[list[float]], list[float]]:
    from tinygrad_edu import data

    X, y = data.moons(100, noise=0.1, seed=1337, labels=(-1, 1))
    return X, [float(label) for label in y]


def scalar_loss(engine: Any, network: Any) -> tuple[Any, Callable[[], Any]]:
    """A model and its loss as micrograd's users write them: every product and every sum is a node."""
    X, y = moons()
    random.seed(1337)
    model = network(2, [16, 16, 1])

    def loss() -> Any:
        scores = [model([engine(value) for value in row]) for row in X]
        hinges = [(1 + -target * score).relu() for score, target in zip(scores, y)]
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        return sum(hinges) * (1.0 / len(hinges)) + penalty

    return model, loss


def micrograd() -> dict[str, Any]:
    from micrograd.engine import Value
    from micrograd.nn import MLP

    return train(*scalar_loss(Value, MLP))


def micrograds_network() -> Any:
    """micrograd's MLP on our Value: its neurons compute one scalar operation after the other."""
    from tinygrad_edu import nn

    class Neuron(nn.Neuron):
        def __call__(self, x: Any) -> Any:
            act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
            return act.relu() if self.nonlin else act

    class Layer(nn.Module):
        def __init__(self, nin: int, nout: int, nonlin: bool) -> None:
            self.neurons = [Neuron(nin, nonlin=nonlin) for _ in range(nout)]

        def __call__(self, x: Any) -> Any:
            return [neuron(x) for neuron in self.neurons]

    class MLP(nn.Module):
        def __init__(self, nin: int, nouts: list[int]) -> None:
            widths = [nin, *nouts]
            last = len(nouts) - 1
            self.layers = [Layer(widths[i], widths[i + 1], nonlin=i != last) for i in range(len(nouts))]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x[0]

    return MLP


def same_code_on_our_value() -> dict[str, Any]:
    from tinygrad_edu import Value

    return train(*scalar_loss(Value, micrograds_network()))


def our_nn() -> dict[str, Any]:
    from tinygrad_edu import dot, losses, nn

    X, y = moons()
    random.seed(1337)
    model = nn.MLP(2, [16, 16, 1])
    parameters = model.parameters()
    return train(model, lambda: losses.hinge([model(x) for x in X], y) + 1e-4 * dot(parameters, parameters))


# ---- the fastest engine of its kind ----------------------------------------------------------------------------------
class Plain:
    """A Value in the style of a 200-line GPT: slots, local derivatives as plain numbers in a tuple, a recursive order.

    It checks nothing, and a chain of a thousand nodes is too deep for it.
    """

    __slots__ = ("children", "data", "grad", "local_grads")

    def __init__(self, data: float, children: tuple[Any, ...] = (), local_grads: tuple[float, ...] = ()) -> None:
        self.data = data
        self.grad: float = 0
        self.children = children
        self.local_grads = local_grads

    def __add__(self, other: Any) -> "Plain":
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Any) -> "Plain":
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n: float) -> "Plain":
        return Plain(self.data**n, (self,), (n * self.data ** (n - 1),))

    def relu(self) -> "Plain":
        return Plain(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> "Plain":
        return self * -1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        order, visited = [], set()

        def visit(v: "Plain") -> None:
            if v not in visited:
                visited.add(v)
                for child in v.children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1
        for v in reversed(order):
            for child, local_grad in zip(v.children, v.local_grads):
                child.grad += local_grad * v.grad


def one_pass(engine: Any) -> dict[str, Any]:
    """Forward and backward through the network of half of the moons, written scalar by scalar; collector off."""
    import gc

    X, y = moons()
    random.seed(1337)
    widths = [2, 16, 16, 1]
    layers = [
        [([engine(random.uniform(-1, 1)) for _ in range(n)], engine(0.0)) for _ in range(m)]
        for n, m in pairwise(widths)
    ]
    parameters = [p for layer in layers for w, b in layer for p in [*w, b]]

    def loss() -> Any:
        total = engine(0.0)
        for row, target in zip(X[::2], y[::2]):
            x = [engine(value) for value in row]
            for layer in layers:
                x = [sum((wi * xi for wi, xi in zip(w, x)), b).relu() for w, b in layer]
            total = total + (1.0 + -target * x[0]).relu()
        return total * (1.0 / 50.0)

    forward, backward = [], []
    gc.disable()
    for _ in range(15):
        for p in parameters:
            p.grad = 0.0
        start = perf_counter()
        L = loss()
        middle = perf_counter()
        L.backward()
        backward.append(perf_counter() - middle)
        forward.append(middle - start)
        gradients, number = [p.grad for p in parameters], L.data
        del L
        gc.collect()  # what has cycles is freed here, and not timed
    return {"forward": forward, "backward": backward, "numbers": [number, *gradients]}


def plain_pass() -> dict[str, Any]:
    sys.setrecursionlimit(10**5)
    return one_pass(Plain)


def our_pass() -> dict[str, Any]:
    from tinygrad_edu import Value

    return one_pass(Value)


def train(model: Any, loss: Callable[[], Any]) -> dict[str, Any]:
    losses, seconds = [], []
    for _ in range(STEPS):
        start = perf_counter()
        L = loss()
        model.zero_grad()
        L.backward()
        for p in model.parameters():
            p.data -= 0.05 * p.grad
        seconds.append(perf_counter() - start)
        losses.append(float(L.data))
    # Not timed: the nodes of the last graph, and what the engine's objects take for it.
    return {"losses": losses, "seconds": seconds, "nodes": count_nodes(L), "bytes": traced_bytes(model, loss)}


def count_nodes(root: Any) -> int:
    seen, stack = {root}, [root]
    while stack:
        for node in stack.pop()._prev:
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return len(seen)


def traced_bytes(model: Any, loss: Callable[[], Any]) -> int:
    """Memory that a graph holds after `backward()`: all that was allocated for it, as Python accounts for it."""
    import gc
    import tracemalloc

    gc.collect()
    tracemalloc.start()
    L = loss()
    L.backward()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held if L.data is not None else 0


def chains(n: int, times: int, collector: bool = True) -> dict[str, Any]:
    """`chain(n)`, so many times: a single one of 10^4 is over in 12 ms, and anything may happen in these."""
    import gc

    if not collector:
        gc.disable()
    runs = [chain(n) for _ in range(times)]
    return {"seconds_per_node": [seconds for seconds, _ in runs], "error": max(error for _, error in runs)}


def chain(n: int) -> tuple[float, float]:
    """A chain of n operations on Values, built, differentiated and freed: seconds for each node, error of the slope."""
    from tinygrad_edu import Value

    a, b = Value(0.999999), Value(1e-6)
    start = perf_counter()
    y = Value(1.0)
    for _ in range(n // 2):
        y = y * a + b
    y.backward()
    exact = a.data ** (n // 2)
    slope = b.grad
    del y
    seconds = perf_counter() - start
    expected = (1 - exact) / (1 - a.data)  # the sum of a geometric series
    return seconds / n, abs(slope / expected - 1)


def start_up(code: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - start


JOBS: dict[str, Callable[[], dict[str, Any]]] = {
    "micrograd": micrograd,
    "same code on our Value": same_code_on_our_value,
    "our nn and losses": our_nn,
    "a plain pass": plain_pass,
    "our pass": our_pass,
    "chain of 10^4": lambda: chains(10**4, times=25),
    "chain of 10^6": lambda: chains(10**6, times=3),
    "chain of 10^4, collector off": lambda: chains(10**4, times=25, collector=False),
    "chain of 10^6, collector off": lambda: chains(10**6, times=3, collector=False),
}


def main() -> None:
    results = processes.in_turns(JOBS, ROUNDS, __doc__)
    starts = [(start_up("pass"), start_up("import tinygrad_edu")) for _ in range(21)]

    print(f"Python {sys.version.split()[0]}; medians of {ROUNDS} processes in turn, {STEPS} steps each\n")
    print("MLP 2-16-16-1, 100 moons, max-margin + 1e-4 L2, full batch")
    print(f"{'':26}{'ms a step':>10}{'ratio':>8}{'nodes':>8}{'bytes a node':>14}{'MB a graph':>12}")
    reference = results["micrograd"][0]["losses"]
    base = None
    for name in ("micrograd", "same code on our Value", "our nn and losses"):
        runs = results[name]
        for run in runs:
            if not all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(reference, run["losses"], strict=True)):
                sys.exit(f"{name} did not compute the same losses: {run['losses']} and {reference}")
        seconds = median(s for run in runs for s in run["seconds"])
        base = base or seconds
        nodes, held = runs[0]["nodes"], median(run["bytes"] for run in runs)
        print(f"{name:26}{1e3 * seconds:10.1f}{base / seconds:7.1f}x{nodes:8}{held / nodes:14.0f}{held / 1e6:12.2f}")
    print(f"the losses of all {STEPS} steps agree to 1e-12; the last one is {reference[-1]:.12f}\n")

    print("Forward and backward, MLP 2-16-16-1 scalar by scalar, 50 moons, collector off; ms")
    print(f"{'':26}{'forward':>10}{'backward':>10}{'both':>8}{'ratio':>8}")
    numbers = results["a plain pass"][0]["numbers"]
    base = None
    for title, name in (("Value of a 200-line GPT", "a plain pass"), ("our Value", "our pass")):
        runs = results[name]
        if not all(math.isclose(a, b, rel_tol=1e-12) for r in runs for a, b in zip(numbers, r["numbers"], strict=True)):
            sys.exit(f"{title} did not compute the same loss and gradients")
        parts = [1e3 * median(s for r in runs for s in r[part]) for part in ("forward", "backward")]
        both = 1e3 * median(f + b for r in runs for f, b in zip(r["forward"], r["backward"]))
        base = base or both
        print(f"{title:26}{parts[0]:10.1f}{parts[1]:10.1f}{both:8.1f}{base / both:7.2f}x")
    print("loss and gradients agree to 1e-12\n")

    print("A chain of operations, built, differentiated and freed")
    for collector in ("", ", collector off"):
        chain = {k: results[f"chain of 10^{k}{collector}"] for k in (4, 6)}
        short, long = (median(s for r in chain[k] for s in r["seconds_per_node"]) for k in (4, 6))
        error = max(r["error"] for rs in chain.values() for r in rs)
        if error > 1e-6:
            sys.exit(f"the chain's gradient is off by {error}")
        print(
            f"10^4: {1e9 * short:.0f} ns a node, 10^6: {1e9 * long:.0f} ns a node, ratio {long / short:.2f}{collector}"
        )
    print()

    plain, with_import = (1e3 * median(column) for column in zip(*starts))
    added = 1e3 * median(b - a for a, b in starts)
    print(f"Python's start: {plain:.1f} ms; with import tinygrad_edu: {with_import:.1f} ms; added: {added:.1f} ms")


if __name__ == "__main__":
    main()
