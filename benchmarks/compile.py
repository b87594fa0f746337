"""What compiling gains, both sides in one run: `python benchmarks/compile.py`.

A training step on the moons, compiled with NumPy over the batch, beside our eager `nn` and micrograd; the README's
expression, compiled to plain Python, beside the engine; a polynomial fit beside NumPy written by hand; and what it
costs to record. As in `eager.py`, whose network and data these are, each measurement runs in a fresh process, the
contestants take turns, and nothing is reported unless they have computed the same. The ratios of medians hold.
"""

import gc
import math
import random
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import eager
import processes

ROUNDS = 5


def moons_compiled() -> dict[str, Any]:
    """The network of `eager.py`: all samples at once, the loss being the mean of theirs."""
    import numpy as np

    from tinygrad_edu import compile, dot, nn

    X, y = eager.moons()
    x, targets = list(np.array(X).T.copy()), np.array(y)
    random.seed(1337)
    model = nn.MLP(2, [16, 16, 1])
    parameters = model.parameters()

    @compile
    def loss_of(x: Any, y: Any) -> Any:
        return ((1 - y * model(x)).relu() + 1e-4 * dot(parameters, parameters)) / len(X)

    start = perf_counter()
    loss_of.backward(x, targets)
    first = perf_counter() - start
    losses, seconds = [], []
    for _ in range(eager.STEPS):
        start = perf_counter()
        model.zero_grad()
        loss = loss_of.backward(x, targets).sum()
        for p in parameters:
            p.data -= 0.05 * p.grad
        seconds.append(perf_counter() - start)
        losses.append(float(loss))
    return {"losses": losses, "seconds": seconds, "first": first}


def expression() -> dict[str, Any]:
    """tanh(w·x + b) and its three gradients: microseconds a call."""
    import tinygrad_edu as tg

    x, w, b = tg.Value(2.0), tg.Value(-0.5), tg.Value(0.3)

    def on_values() -> list[float]:
        x.grad = w.grad = b.grad = 0.0
        y = tg.tanh(w * x + b)
        y.backward()
        return [y.data, x.grad, w.grad, b.grad]

    compiled = tg.compile(lambda x, w, b: tg.tanh(w * x + b))

    def on_numbers() -> list[float]:
        y, slopes = compiled.value_and_grad(2.0, -0.5, 0.3)
        return [y, *slopes]

    agree(on_values(), on_numbers(), 1e-12)
    return seconds_a_call({"eager": on_values, "compiled": on_numbers}, 1000)


def polynomial(n: int) -> dict[str, Any]:
    """The mean squared error of a cubic on n samples, with its four gradients: milliseconds a call."""
    import numpy as np

    import tinygrad_edu as tg

    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, n)
    y = 4.0 + 3.0 * x + 2.0 * x**2 + 0.1 * rng.standard_normal(n)
    w = [tg.Value(number) for number in (-1.0, 0.0, 1.0, 0.5)]

    def by_hand() -> list[float]:
        a, b, c, d = (v.data for v in w)
        x2 = x * x
        x3 = x2 * x
        error = a + b * x + c * x2 + d * x3 - y
        slope = 2.0 / n * error
        return [np.dot(error, error) / n, slope.sum(), np.dot(slope, x), np.dot(slope, x2), np.dot(slope, x3)]

    @tg.compile
    def loss_of(x: Any, y: Any) -> Any:
        return (w[0] + w[1] * x + w[2] * x**2 + w[3] * x**3 - y) ** 2 / n

    def compiled() -> list[float]:
        for v in w:
            v.grad = 0.0
        return [loss_of.backward(x, y).sum(), *(v.grad for v in w)]

    agree(by_hand(), compiled(), 1e-9)
    return seconds_a_call({"by hand": by_hand, "compiled": compiled}, max(1, 20_000 // n))


def recording(style: str) -> dict[str, Any]:
    """A graph of 10^5 nodes: built and differentiated once by the engine, and recorded."""
    from tinygrad_edu import Value, record
    from tinygrad_edu.rules import FLOATS

    rng = random.Random(0)
    weights = [Value(rng.uniform(-1.0, 1.0)) for _ in range(20)]
    a, b = Value(0.999999), Value(1e-6)

    def chain(y: Any) -> Any:
        for _ in range(50_000):
            y = y * a + b
        return y

    def neurons(y: Any) -> Any:
        for _ in range(2380):  # of 42 nodes each
            y = sum((w * y for w in weights), b).tanh()
        return y

    f = {"chain": chain, "neurons": neurons}[style]
    start = perf_counter()
    y = f(Value(0.5))
    y.backward()
    engine = perf_counter() - start
    value = y.data
    del y
    gc.collect()
    start = perf_counter()
    tape = record(f, 0.5)
    seconds = perf_counter() - start
    agree(tape.replay(FLOATS, *tape.example), [value], 1e-9)
    return {"eager": engine, "record": seconds, "entries": len(tape.nodes)}


def seconds_a_call(contestants: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """For each contestant the median of eleven turns, of so many calls each; they take turns here too."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(11):
        for name, f in contestants.items():
            start = perf_counter()
            for _ in range(repeats):
                f()
            seconds[name].append((perf_counter() - start) / repeats)
    return {name: median(turns) for name, turns in seconds.items()}


def agree(a: list[float], b: list[float], tolerance: float) -> None:
    if not all(math.isclose(p, q, rel_tol=tolerance, abs_tol=tolerance) for p, q in zip(a, b, strict=True)):
        sys.exit(f"the two sides did not compute the same: {a} and {b}")


JOBS: dict[str, Callable[[], dict[str, Any]]] = {
    "micrograd": eager.micrograd,
    "our nn and losses": eager.our_nn,
    "compiled, NumPy": moons_compiled,
    "expression": expression,
    **{f"polynomial, 10^{k}": lambda k=k: polynomial(10**k) for k in (2, 4, 6)},  # type: ignore[misc]
    "record a chain": lambda: recording("chain"),
    "record neurons": lambda: recording("neurons"),
}


def main() -> None:
    results = processes.in_turns(JOBS, ROUNDS, __doc__, fewer={"micrograd": 2})  # 12 seconds each

    def median_of(job: str, key: str) -> float:
        return float(median(run[key] for run in results[job]))

    print(f"Python {sys.version.split()[0]}; medians of {ROUNDS} processes in turn\n")
    print("MLP 2-16-16-1, 100 moons, max-margin + 1e-4 L2, full batch")
    print(f"{'':20}{'ms a step':>10}{'ratio':>9}")
    reference = results["micrograd"][0]["losses"]
    seconds = {}
    for name in ("micrograd", "our nn and losses", "compiled, NumPy"):
        for run in results[name]:
            agree(run["losses"], reference, 1e-12)
        seconds[name] = median(s for run in results[name] for s in run["seconds"])
        print(f"{name:20}{1e3 * seconds[name]:10.2f}{seconds['micrograd'] / seconds[name]:8.1f}x")
    print(f"compiled against our eager nn: {seconds['our nn and losses'] / seconds['compiled, NumPy']:.1f}x")
    print(f"the first call, which records and compiles: {1e3 * median_of('compiled, NumPy', 'first'):.0f} ms")
    print(f"the losses of all {eager.STEPS} steps agree to 1e-12\n")

    a, b = median_of("expression", "eager"), median_of("expression", "compiled")
    print(f"tanh(w x + b) and three gradients: eager {1e6 * a:.2f} us, compiled {1e6 * b:.2f} us, {a / b:.1f}x\n")

    print("A cubic fitted to n samples: loss and four gradients")
    for k in (2, 4, 6):
        a, b = (median_of(f"polynomial, 10^{k}", side) for side in ("by hand", "compiled"))
        print(f"10^{k}: by hand {1e3 * a:.3f} ms, compiled {1e3 * b:.3f} ms, {b / a:.2f} times as long")

    print("\nTo record 10^5 nodes, against one forward and backward of the engine")
    for style in ("record a chain", "record neurons"):
        a, b = median_of(style, "eager"), median_of(style, "record")
        print(f"{style}: engine {a:.3f} s, recorded {b:.3f} s, {b / a:.1f} times as long")


if __name__ == "__main__":
    main()
