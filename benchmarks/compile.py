"""What compiling gains, both sides in one run: `python benchmarks/compile.py`, or with names of rows, `… moons gpt`.

Programs that are written scalar by scalar are compiled, and stand beside NumPy written by hand (`by_hand.py`), beside
the engine, micrograd, or scikit-learn. Each job runs in a fresh process; within it, the contestants take turns. Nothing
is reported unless they have computed the same: the losses of training steps agree to 1e-12. The ratios of medians hold.
"""

import gc
import math
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import eager
import processes

ROUNDS = 5
sys.path.append(str(Path(__file__).parent.parent / "examples"))  # its GPT is measured as well


# ---- what the jobs have in common ------------------------------------------------------------------------------------
class ArraysInAndOut:
    """A function of Values as the program that was found in it: arrays in, the loss and the arrays of gradients out.

    `example` are numbers that the function takes; `inputs` are the arrays that the program takes in their place, of
    many samples if so said. The backend runs it.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        example: Sequence[Any],
        inputs: Sequence[Any],
        samples: bool,
        backend: str = "numpy",
    ) -> None:
        import numpy as np

        from tinygrad_edu import record
        from tinygrad_edu.compiler import backends
        from tinygrad_edu.compiler.samples import with_samples
        from tinygrad_edu.compiler.vjp import differentiate

        recorded = record(f, *example)
        program = with_samples(recorded, recorded.inputs) if samples else recorded
        program = differentiate(program, program.parameters)
        self.run = backends.make_function(program, backend)
        self.inputs = inputs
        self.names = [block.name for block in program.parameters]
        self.parameters = [np.zeros(block.shape) for block in program.parameters]

    def load(self, parameters: Sequence[Any]) -> None:
        """Takes over the numbers of Values, by their labels; those of no array are not used."""
        from tinygrad_edu.compiler._leaves import array_and_cell

        arrays = dict(zip(self.names, self.parameters, strict=True))
        for p in parameters:
            name, cell = array_and_cell(p.label)
            if all(i < n for i, n in zip(cell, arrays[name].shape)):
                arrays[name][cell] = p.data

    def __call__(self) -> Any:
        return self.run(*self.inputs, *self.parameters)

    def step(self, rate: float) -> float:
        """Gradient descent: the loss before."""
        import numpy as np

        loss, *gradients = self()
        self.parameters = [w - rate * g for w, g in zip(self.parameters, gradients, strict=True)]
        return float(np.sum(loss))


def descend(parameters: Sequence[Any], rate: float) -> None:
    for p in parameters:
        p.data -= rate * p.grad
        p.grad = 0.0


def timed(f: Callable[[], Any], clock: Callable[[], float] = perf_counter) -> float:
    start = clock()
    f()
    return clock() - start


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


def agree(a: Sequence[float], b: Sequence[float], tolerance: float = 1e-12) -> None:
    for i, (p, q) in enumerate(zip(a, b, strict=True)):
        if not math.isclose(p, q, rel_tol=tolerance, abs_tol=tolerance):
            sys.exit(f"the two sides did not compute the same: number {i} of {len(a)} is {p} and {q}")


def weights_and_biases(model: Any) -> list[Any]:
    """The arrays of an MLP."""
    import numpy as np

    arrays = []
    for layer in model.layers:
        arrays += [np.array([[w.data for w in neuron.w] for neuron in layer.neurons])]
        arrays += [np.array([neuron.b.data for neuron in layer.neurons])]
    return arrays


def weights_of_gpt(model: Any) -> list[Any]:
    """The arrays of the GPT of the examples."""
    import numpy as np

    (layer,) = model.layers
    weights = [model.wte, model.wpe, layer.wq, layer.wk, layer.wv, layer.wo, layer.fc1, layer.fc2, model.head]
    return [np.array([[p.data for p in row] for row in w]) for w in weights]


def stepped(f: Callable[..., list[Any]], arrays: list[Any], rate: float, steps: int) -> list[float]:
    """The losses of gradient descent by a function of arrays that returns the loss and its gradients."""
    losses = []
    for _ in range(steps):
        loss, *slopes = f(*arrays)
        arrays = [w - rate * g for w, g in zip(arrays, slopes, strict=True)]
        losses.append(float(loss))
    return losses


# ---- the jobs --------------------------------------------------------------------------------------------------------
def moons() -> dict[str, Any]:
    """The loss of `eager.py`, written scalar by scalar over a list of samples, and by `nn` for arrays of them."""
    import by_hand
    import numpy as np

    from tinygrad_edu import Value, compile, dot, nn

    def written_out() -> tuple[Any, Callable[[], Any]]:
        return eager.scalar_loss(Value, eager.micrograds_network())

    model, loss = written_out()
    engine = timed(lambda: loss().backward())
    model.zero_grad()
    compiled = compile(loss)
    first = timed(compiled.backward)

    X, y = map(np.array, eager.moons())
    by_nn = nn.MLP(2, [16, 16, 1], rng=random.Random(1337))
    parameters = by_nn.parameters()

    def of_one_sample(x: Any, y: Any) -> Any:
        return ((1 - y * by_nn(x)).relu() + 1e-4 * dot(parameters, parameters)) / len(X)

    arrays = weights_and_biases(model)
    from_scalars = ArraysInAndOut(loss, [], [], samples=False)
    from_scalars.load(model.parameters())
    from_samples = ArraysInAndOut(of_one_sample, [[0.0, 0.0], 1.0], [X, y], samples=True)
    from_samples.load(parameters)
    seconds = seconds_a_call(
        {
            "by hand": lambda: by_hand.max_margin(X, y, *arrays),
            "arrays": from_scalars,
            "values": compiled.backward,
            "samples": from_samples,
        },
        100,
    )

    model.zero_grad()
    losses = []
    for _ in range(eager.STEPS):
        losses.append(compiled.backward())
        descend(model.parameters(), 0.05)
    agree(stepped(lambda *ws: by_hand.max_margin(X, y, *ws), arrays, 0.05, eager.STEPS), losses)
    agree([from_scalars.step(0.05) for _ in range(eager.STEPS)], losses)
    agree([from_samples.step(0.05) for _ in range(eager.STEPS)], losses)
    return {**seconds, "losses": losses, "engine": engine, "first": first}


def gpt() -> dict[str, Any]:
    """The GPT of the examples on one document of 8 letters and less, token ids being an argument."""
    import by_hand
    import microgpt
    import numpy as np

    from tinygrad_edu import compile

    random.seed(42)
    model = microgpt.GPT(27)
    document = [26, 4, 11, 4, 0, 13, 14, 17, 0]  # of 8 positions
    arrays = weights_of_gpt(model)
    parameters = model.parameters()

    def by_the_engine() -> None:
        model.loss(document).backward()

    engine = timed(by_the_engine)
    model.zero_grad()
    compiled = compile(model.loss)
    first = timed(lambda: compiled.backward(document))
    tokens = np.array(document)
    in_and_out = ArraysInAndOut(model.loss, [document], [tokens], samples=False)
    in_and_out.load(parameters)
    seconds = seconds_a_call(
        {
            "by hand": lambda: by_hand.gpt(tokens, *arrays),
            "arrays": in_and_out,
            "values": lambda: compiled.backward(document),
        },
        50,
    )

    model.zero_grad()
    before = [p.data for p in parameters]
    losses = []
    for _ in range(eager.STEPS):
        losses.append(compiled.backward(document))
        descend(parameters, 0.5)
    for p, number in zip(parameters, before):
        p.data = number
    on_values = []
    for _ in range(eager.STEPS):
        loss = model.loss(document)
        loss.backward()
        on_values.append(loss.data)
        descend(parameters, 0.5)
    agree(on_values, losses)
    agree(stepped(lambda *ws: by_hand.gpt(tokens, *ws), arrays, 0.5, eager.STEPS), losses)
    agree([in_and_out.step(0.5) for _ in range(eager.STEPS)], losses)
    return {**seconds, "engine": engine, "first": first}


def large_network(widths: Sequence[int]) -> dict[str, Any]:
    """The first call of a network's loss on one sample, which traces, rolls, differentiates and writes the program."""
    from tinygrad_edu import compile, log_softmax, nn

    model = nn.MLP(widths[0], widths[1:], rng=random.Random(0))
    x = [random.Random(1).gauss(0, 1) for _ in range(widths[0])]
    parameters = model.parameters()

    def loss(x: Any) -> Any:
        return -log_softmax(model(x))[3]

    L = loss(x)
    engine = timed(L.backward)
    expected = [L.data, *[p.grad for p in parameters]]
    del L
    model.zero_grad()
    gc.collect()
    compiled = compile(loss)
    start = perf_counter()
    value = compiled.backward(x)
    first = perf_counter() - start
    agree([value, *[p.grad for p in parameters]], expected)
    return {"engine": engine, "first": first, "parameters": len(parameters)}


def chain() -> dict[str, Any]:
    """A chain of 10^6 operations with its three gradients: seconds and bytes of the first call."""
    import resource

    from tinygrad_edu import Value, compile

    a, b = Value(0.999999, label="a"), Value(1e-6, label="b")

    def of(turns: int) -> Any:
        def f(y: Any) -> Any:
            for _ in range(turns):
                y = y * a + b
            return y

        return compile(f)

    def high_water() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    of(100).value_and_grad(0.5)  # what is loaded with the compiler is not the chain's
    compiled, turns, before = of(500_000), 500_000, high_water()
    a.grad = b.grad = 0.0
    start = perf_counter()
    value = compiled.backward(0.5)
    seconds = perf_counter() - start
    power = a.data**turns
    series = (1 - power) / (1 - a.data)
    agree([value, b.grad], [0.5 * power + b.data * series, series], 1e-6)
    return {"first": seconds, "bytes": (high_water() - before) / (2 * turns)}


def cubic(n: int) -> dict[str, Any]:
    """A cubic on n samples: its values, and its mean squared error with the four gradients."""
    import by_hand
    import numpy as np

    import tinygrad_edu as tg

    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, n)
    y = 4.0 + 3.0 * x + 2.0 * x**2 + 0.1 * rng.standard_normal(n)
    w = [tg.Value(number, label=f"w[{i}]") for i, number in enumerate((-1.0, 0.0, 1.0, 0.5))]

    def of_one_sample(x: Any, y: Any) -> Any:
        return (w[0] + w[1] * x + w[2] * x**2 + w[3] * x**3 - y) ** 2 / n

    curve = tg.compile(lambda x: w[0] + w[1] * x + w[2] * x**2 + w[3] * x**3)
    compiled = tg.compile(of_one_sample)

    def curve_by_hand() -> Any:
        a, b, c, d = [v.data for v in w]
        x2 = x * x
        return a + b * x + c * x2 + d * (x2 * x)

    def hand() -> list[float]:
        return by_hand.cubic(x, y, *[v.data for v in w])

    def on_values() -> list[float]:
        for v in w:
            v.grad = 0.0
        return [compiled.backward(x, y).sum(), *[v.grad for v in w]]

    agree(curve_by_hand(), curve(x))
    agree(hand(), on_values(), 1e-9)
    sides = {"curve by hand": curve_by_hand, "curve": lambda: curve(x), "by hand": hand, "compiled": on_values}
    return seconds_a_call(sides, max(1, 20_000 // n))


def pendulum_on_values(steps: int, h: float) -> tuple[list[Any], Callable[[], Any]]:
    """The five numbers of a pendulum, and the loss of where it is after so many steps by Runge and Kutta."""
    import tinygrad_edu as tg

    g, length, friction = tg.Value(9.81, label="g"), tg.Value(1.3, label="length"), tg.Value(0.1, label="friction")
    start = [tg.Value(1.0, label="angle"), tg.Value(0.0, label="speed")]
    leaves = [g, length, friction, *start]

    def change(angle: Any, speed: Any) -> tuple[Any, Any]:
        return speed, -(g / length) * tg.sin(angle) - friction * speed

    def loss() -> Any:
        a, s = start
        for _ in range(steps):
            a1, s1 = change(a, s)
            a2, s2 = change(a + h / 2 * a1, s + h / 2 * s1)
            a3, s3 = change(a + h / 2 * a2, s + h / 2 * s2)
            a4, s4 = change(a + h * a3, s + h * s3)
            a = a + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            s = s + h / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
        return (a - 0.3) ** 2 + s * s

    return leaves, loss


def pendulum(steps: int = 1000, h: float = 0.01) -> dict[str, Any]:
    """A pendulum, its 1,000 steps by Runge and Kutta, and the gradients of where it ends."""
    import tinygrad_edu as tg

    leaves, loss = pendulum_on_values(steps, h)

    def on_values() -> list[float]:
        for v in leaves:
            v.grad = 0.0
        y = loss()
        y.backward()
        return [y.data, *[v.grad for v in leaves]]

    on_values()
    engine = median([timed(on_values) for _ in range(3)])
    compiled = tg.compile(loss)

    def on_numbers() -> list[float]:
        for v in leaves:
            v.grad = 0.0
        return [compiled.backward(), *[v.grad for v in leaves]]

    first = timed(on_numbers)
    agree(on_values(), on_numbers(), 1e-9)
    return {"engine": engine, "first": first, **seconds_a_call({"compiled": on_numbers}, 3)}


def expression() -> dict[str, Any]:
    """tanh(w·x + b) and its three gradients, on plain numbers."""
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

    agree(on_values(), on_numbers())
    return seconds_a_call({"engine": on_values, "compiled": on_numbers}, 1000)


def training(solver: str) -> dict[str, Any]:
    """One epoch of a network 8-16-1, 20,000 rows in batches of 32, from the same weights: seconds of the CPU."""
    import numpy as np
    from sklearn.neural_network import MLPRegressor

    from tinygrad_edu import losses, nn, optim, train

    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 8))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2] - X[:, 3]
    rows, targets = X.tolist(), y.tolist()
    same = {"solver": solver, "batch_size": 32, "shuffle": False, "alpha": 0.0, "learning_rate_init": 1e-3}
    theirs = MLPRegressor(hidden_layer_sizes=(16,), max_iter=1, warm_start=True, momentum=0.0, random_state=0, **same)
    model = nn.MLP(8, [16, 1])
    warnings.simplefilter("ignore")  # one epoch does not converge
    theirs.fit(X, y)

    def fit() -> None:
        optimizer = {"sgd": optim.SGD, "adam": optim.Adam}[solver](model.parameters(), lr=1e-3)
        train.fit(
            model,
            rows,
            targets,
            loss=losses.half_mse,
            optimizer=optimizer,
            epochs=1,
            batch_size=32,
            shuffle=False,
            compile=True,
        )

    seconds: dict[str, list[float]] = {"scikit-learn": [], "compiled": []}
    for _ in range(3):
        for layer, w, b in zip(model.layers, theirs.coefs_, theirs.intercepts_):
            for j, neuron in enumerate(layer.neurons):
                neuron.b.data = float(b[j])
                for i, v in enumerate(neuron.w):
                    v.data = float(w[i, j])
        seconds["scikit-learn"].append(timed(lambda: theirs.fit(X, y), process_time))
        seconds["compiled"].append(timed(fit, process_time))
        ours = weights_and_biases(model)
        # scikit-learn's Adam adds its 1e-8 before it corrects the averages for their start
        tolerance = {"sgd": 1e-9, "adam": 2e-3}[solver]
        agree([*ours[0].T.ravel(), *ours[2].T.ravel()], [x for w in theirs.coefs_ for x in w.ravel()], tolerance)
    return {name: median(turns) for name, turns in seconds.items()}


# ---- the report ------------------------------------------------------------------------------------------------------
JOBS: dict[str, Callable[[], dict[str, Any]]] = {
    "micrograd": eager.micrograd,
    "moons": moons,
    "network": lambda: large_network([100, 128, 64, 10]),
    "large network": lambda: large_network([200, 300, 128, 10]),
    "gpt": gpt,
    "chain": chain,
    **{f"cubic 10^{k}": lambda k=k: cubic(10**k) for k in (2, 4, 6)},  # type: ignore[misc]
    "pendulum": pendulum,
    "expression": expression,
    **{f"fit {solver}": lambda solver=solver: training(solver) for solver in ("sgd", "adam")},  # type: ignore[misc]
}
FEWER = {"micrograd": 2, "chain": 2, "large network": 2}  # these take seconds
ROWS = {  # what the command line may name, and the jobs of it
    "moons": ["micrograd", "moons"],
    "network": ["network", "large network"],
    "gpt": ["gpt"],
    "chain": ["chain"],
    "cubic": ["cubic 10^2", "cubic 10^4", "cubic 10^6"],
    "pendulum": ["pendulum"],
    "expression": ["expression"],
    "fit": ["fit sgd", "fit adam"],
}


class Line(NamedTuple):
    """One line of the report: a job, what it measured of the compiled program, and what stands beside it."""

    work: str
    job: str
    compiled: str
    beside: str = ""  # nothing: then the number itself is what is wanted
    most: float = math.inf  # so many times as long, or so many seconds, is wanted
    least: float = 0.0  # so many times as fast is wanted
    unit: str = "s"


LINES = [
    Line("moons, arrays in and out", "moons", "arrays", "by hand", most=1.3),
    Line("moons, on Values", "moons", "values", "by hand", most=2.5),
    Line("moons, by nn on arrays of samples", "moons", "samples", "by hand", most=1.3),
    Line("moons, the first call", "moons", "first", "engine", most=8),
    Line("MLP 100-128-64-10, the first call", "network", "first", most=1),
    Line("MLP of 10^5 parameters, the first call", "large network", "first", most=6),
    Line("GPT, arrays in and out", "gpt", "arrays", "by hand", most=2),
    Line("GPT, on Values", "gpt", "values", "engine"),
    Line("GPT, the first call", "gpt", "first", "engine"),
    Line("a chain of 10^6 operations, the first call", "chain", "first", most=40),
    Line("the same, bytes an operation", "chain", "bytes", most=800, unit="B"),
    Line("cubic, 10^2 samples, values alone", "cubic 10^2", "curve", "curve by hand", most=2),
    Line("cubic, 10^4 samples, values alone", "cubic 10^4", "curve", "curve by hand", most=1.3),
    Line("cubic, 10^6 samples, values alone", "cubic 10^6", "curve", "curve by hand", most=1.1),
    Line("cubic, 10^2 samples", "cubic 10^2", "compiled", "by hand", most=2),
    Line("cubic, 10^4 samples", "cubic 10^4", "compiled", "by hand", most=1.3),
    Line("cubic, 10^6 samples", "cubic 10^6", "compiled", "by hand", most=1.1),
    Line("pendulum, 1,000 steps, the first call", "pendulum", "first", "engine", most=10),
    Line("pendulum, 1,000 steps", "pendulum", "compiled", "engine", least=15),
    Line("tanh(w x + b)", "expression", "compiled", "engine", least=10),
    Line("fit, SGD, an epoch", "fit sgd", "compiled", "scikit-learn", most=3),
    Line("fit, Adam, an epoch", "fit adam", "compiled", "scikit-learn", most=3),
]


def print_lines(lines: Sequence[Line], results: dict[str, list[dict[str, Any]]]) -> None:
    """The lines whose jobs have been run, by the medians of their processes."""
    print(f"{'loss and gradients of':44}{'beside':>26}{'compiled':>12}{'':>20}wanted")
    for line in lines:
        if line.job not in results:
            continue
        compiled = median_of(results[line.job], line.compiled)
        if not line.beside:
            number = f"{compiled:.0f} B" if line.unit == "B" else shown(compiled)
            print(f"{line.work:44}{'':26}{number:>12}{'':20}{line.most:g} {line.unit} or less")
            continue
        beside = median_of(results[line.job], line.beside)
        ratio = (
            f"{compiled / beside:.2f} times as long" if beside < 2 * compiled else f"{beside / compiled:.0f} x as fast"
        )
        wanted = f"{line.least:g} x or more" if line.least else f"{line.most:g} or less" if line.most < math.inf else ""
        named = f"{line.beside} {shown(beside)}"
        print(f"{line.work:44}{named:>26}{shown(compiled):>12}{ratio:>20}  {wanted}")


def median_of(runs: Sequence[dict[str, Any]], key: str) -> float:
    return float(median(run[key] for run in runs))


def main() -> None:
    results = processes.in_turns(JOBS, ROUNDS, __doc__, FEWER, ROWS)
    print(f"Python {sys.version.split()[0]}; medians of {ROUNDS} processes in turn; losses and gradients agree\n")
    print_lines(LINES, results)
    if "moons" in results:
        for run in [*results["micrograd"], *results["moons"]]:
            agree(run["losses"], results["micrograd"][0]["losses"])
        micrograd = median(s for run in results["micrograd"] for s in run["seconds"])
        times = micrograd / median_of(results["moons"], "values")
        print(f"\na step of micrograd: {shown(micrograd)}; moons, on Values: {times:,.0f} x as fast (8,000 x or more)")


def shown(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.1f} us"
    return f"{1e3 * seconds:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


if __name__ == "__main__":
    main()
