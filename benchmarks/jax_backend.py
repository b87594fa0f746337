"""What JAX makes of the compiler's programs: `python benchmarks/jax_backend.py`, or with names of rows, `… moons gpt`.

Programs that were found in scalars run on JAX, beside JAX written by hand (`by_hand_jax.py`). Both sides compute in
double precision on JAX's default device. Each job runs in a fresh process; within it, the contestants of a step take
turns. Nothing is reported unless they have computed the same: losses of all steps agree. The ratios of medians hold.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import eager
import processes
from compile import (
    ArraysInAndOut,
    Line,
    agree,
    pendulum_on_values,
    print_lines,
    seconds_a_call,
    stepped,
    timed,
    weights_and_biases,
    weights_of_gpt,
)

ROUNDS = 3
RATE = 0.05
AT_ONCE = 5  # epochs of 20 steps, which `fit` runs as one program


# ---- what the jobs have in common ------------------------------------------------------------------------------------
def in_double_precision(job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a job finds, and the device that it ran on."""
    import jax

    with jax.enable_x64(True):
        jax.jit(lambda x: x + 1.0)(1.0).block_until_ready()  # what JAX does once is no first call of anybody's
        return {**job(), "device": jax.devices()[0].device_kind}


def on_device(arrays: Sequence[Any]) -> list[Any]:
    import jax

    return [jax.numpy.asarray(x) for x in arrays]


def by_hand(loss: Callable[..., Any], *inputs: Any) -> Callable[..., list[Any]]:
    """A loss of weights and inputs as a function of the weights, which returns it and its gradients."""
    import jax

    run = jax.jit(jax.value_and_grad(loss))

    def value_and_gradients(*weights: Any) -> list[Any]:
        value, gradients = run(weights, *inputs)
        return [value, *gradients]

    return value_and_gradients


def done(f: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call of f that waits for its results."""
    import jax

    return lambda: jax.tree.map(lambda y: y.block_until_ready(), f(*arguments))


def by_program(
    f: Callable[..., Any], example: Sequence[Any], inputs: Sequence[Any], parameters: Sequence[Any], samples: bool
) -> ArraysInAndOut:
    """The program of a function of Values on JAX, which starts at the numbers of these parameters."""
    program = ArraysInAndOut(f, example, on_device(inputs), samples, "jax")
    program.load(parameters)
    program.parameters = on_device(program.parameters)
    return program


def seconds_of_epochs(ends: Sequence[float], turns: int) -> float:
    """The median of an epoch, over so many at once, of the moments when they ended. The first ones compile."""
    return median((b - a) / turns for a, b in zip(ends[turns - 1 :: turns], ends[2 * turns - 1 :: turns]))


def train_by_hand(epoch: Callable[[Any], Any], weights: Any, epochs: int) -> tuple[list[float], Any, list[float]]:
    """The losses, the weights and the ends of epochs; `epoch` returns the loss before, and the new weights."""
    losses, ends, start = [], [], perf_counter()
    for _ in range(epochs):
        loss, weights = epoch(weights)
        losses.append(float(loss))
        ends.append(perf_counter() - start)
    return losses, weights, ends


def epoch_by_hand(loss: Callable[..., Any], X: Any, y: Any, batch_size: int | None) -> Callable[[Any], Any]:
    """Gradient descent as one function of JAX: a step, or an epoch of batches by `lax.scan`."""
    import jax

    def step(weights: Any, batch: Any) -> tuple[Any, Any]:
        value, gradients = jax.value_and_grad(loss)(weights, *batch)
        return [w - RATE * g for w, g in zip(weights, gradients)], value

    def epoch(weights: Any, X: Any, y: Any) -> tuple[Any, Any]:
        if batch_size is None:
            weights, value = step(weights, (X, y))
            return value, weights
        batches = [x.reshape(-1, batch_size, *x.shape[1:]) for x in (X, y)]
        weights, values = jax.lax.scan(step, weights, batches)
        return values.mean(), weights

    run, (X, y) = jax.jit(epoch), on_device([X, y])
    return lambda weights: run(weights, X, y)


def training(
    model: Any, X: Any, y: Any, loss: Any, loss_by_hand: Any, batch_size: int | None, epochs: int, turns: int
) -> dict[str, Any]:
    """An epoch of `fit(compile="jax")` and one by hand, from the same weights."""
    from tinygrad_edu import optim, train

    arrays = weights_and_biases(model)
    theirs, learned, ends = train_by_hand(epoch_by_hand(loss_by_hand, X, y, batch_size), on_device(arrays), epochs)
    sgd = optim.SGD(model.parameters(), lr=RATE)
    history = train.fit(
        model, X, y, loss=loss, optimizer=sgd, batch_size=batch_size, epochs=epochs, compile="jax", progress=False
    )
    agree(theirs, history.loss, 1e-9)
    for w, expected in zip(weights_and_biases(model), learned, strict=True):
        agree(w.ravel().tolist(), expected.ravel().tolist(), 1e-9)
    return {
        "by hand": seconds_of_epochs(ends, turns),
        "fit": seconds_of_epochs(history.seconds, turns),
        "first by hand": ends[0],
        "first": history.seconds[0],
    }


# ---- the jobs --------------------------------------------------------------------------------------------------------
def moons() -> dict[str, Any]:
    """A step of the loss of `eager.py`, written scalar by scalar over 100 samples, and by `nn` for arrays of them."""
    import by_hand_jax
    import numpy as np

    import tinygrad_edu as tg

    X, y = map(np.array, eager.moons())
    model, loss = eager.scalar_loss(tg.Value, eager.micrograds_network())
    by_nn = tg.nn.MLP(2, [16, 16, 1])
    for p, q in zip(by_nn.parameters(), model.parameters(), strict=True):
        p.data = q.data
    parameters = by_nn.parameters()

    def of_one_sample(x: Any, y: Any) -> Any:
        return ((1 - y * by_nn(x)).relu() + 1e-4 * tg.dot(parameters, parameters)) / len(X)

    weights = on_device(weights_and_biases(model))
    hand = by_hand(by_hand_jax.max_margin, *on_device([X, y]))
    scalars = by_program(loss, [], [], model.parameters(), samples=False)
    samples = by_program(of_one_sample, [[0.0, 0.0], 1.0], [X, y], parameters, samples=True)
    compiled = tg.compile(loss, backend="jax")
    first, first_by_hand = timed(compiled.backward), timed(done(hand, *weights))
    seconds = seconds_a_call(
        {
            "by hand": done(hand, *weights),
            "scalars": done(scalars),
            "samples": done(samples),
            "values": compiled.backward,
        },
        200,
    )
    losses = stepped(hand, weights, RATE, eager.STEPS)
    agree([scalars.step(RATE) for _ in range(eager.STEPS)], losses)
    agree([samples.step(RATE) for _ in range(eager.STEPS)], losses)
    agree([compiled.backward()], losses[:1])
    return {**seconds, "first": first, "first by hand": first_by_hand}


def moons_training(n: int, batch_size: int | None, epochs: int, turns: int) -> dict[str, Any]:
    """The training of that network: `nn`, a loss of the whole batch, and the squares of the weights."""
    import by_hand_jax
    import numpy as np

    from tinygrad_edu import data, dot, losses, nn

    X, labels = data.moons(n, noise=0.1, seed=1337, labels=(-1, 1))
    model = nn.MLP(2, [16, 16, 1], rng=random.Random(1337))
    parameters = model.parameters()

    def loss(scores: Any, targets: Any) -> Any:
        return losses.hinge(scores, targets) + 1e-4 * dot(parameters, parameters)

    y = np.array(labels, float)
    return training(model, np.array(X), y, loss, by_hand_jax.max_margin, batch_size, epochs, turns)


def gpt(document: Sequence[int]) -> dict[str, Any]:
    """The GPT of the examples on one document, token ids being an argument."""
    import by_hand_jax
    import microgpt
    import numpy as np

    import tinygrad_edu as tg

    random.seed(42)
    model = microgpt.GPT(27)
    tokens = np.array(document)
    weights = on_device(weights_of_gpt(model))
    hand = by_hand(by_hand_jax.gpt, *on_device([tokens]))
    first_by_hand = timed(done(hand, *weights))
    compiled = tg.compile(model.loss, backend="jax")
    first = timed(lambda: compiled.backward([*document]))
    program = by_program(model.loss, [[*document]], [tokens], model.parameters(), samples=False)
    seconds = seconds_a_call({"by hand": done(hand, *weights), "arrays": done(program)}, 50)
    losses = stepped(hand, weights, 0.5, eager.STEPS)
    agree([program.step(0.5) for _ in range(eager.STEPS)], losses)
    return {**seconds, "first": first, "first by hand": first_by_hand}


def pendulum(steps: int = 200, h: float = 0.01) -> dict[str, Any]:
    """A pendulum, its 200 steps by Runge and Kutta, and the gradients of where it ends."""
    import by_hand_jax

    import tinygrad_edu as tg

    leaves, loss = pendulum_on_values(steps, h)
    numbers = on_device([v.data for v in leaves])
    hand = by_hand(partial(by_hand_jax.pendulum, steps=steps, h=h))
    first_by_hand = timed(done(hand, *numbers))
    compiled = tg.compile(loss, backend="jax")
    first = timed(compiled.backward)
    agree([compiled.value_and_grad()[0], *[v.grad for v in leaves]], [float(x) for x in hand(*numbers)], 1e-9)
    program = by_program(loss, [], [], leaves, samples=False)
    agree([float(program()[0])], [float(hand(*numbers)[0])], 1e-9)
    seconds = seconds_a_call(
        {"by hand": done(hand, *numbers), "arrays": done(program), "values": compiled.backward}, 50
    )
    return {**seconds, "first": first, "first by hand": first_by_hand}


def digits(rows: int) -> tuple[Any, Any, Any]:
    """A network 784-256-10, and random samples with labels."""
    import numpy as np

    from tinygrad_edu import nn

    rng = np.random.default_rng(0)
    model = nn.MLP(784, [256, 10], rng=random.Random(0))
    return model, rng.uniform(0.0, 1.0, (rows, 784)), rng.integers(0, 10, rows)


def mlp(batch: int = 128) -> dict[str, Any]:
    """A step of that network on a batch: a program of JAX, JAX by hand, and PyTorch where it is installed."""
    import by_hand_jax

    import tinygrad_edu as tg

    model, X, labels = digits(batch)

    def of_one_sample(x: Any, label: Any) -> Any:
        return -tg.take(tg.log_softmax(model(x)), label) / batch

    arrays = weights_and_biases(model)
    weights = on_device(arrays)
    hand = by_hand(by_hand_jax.classifier, *on_device([X, labels]))
    program = by_program(of_one_sample, [[0.5] * 784, 3], [X, labels], model.parameters(), samples=True)
    contestants = {"by hand": done(hand, *weights), "arrays": done(program)}
    if find_spec("torch"):
        contestants["PyTorch"] = torch_step(arrays, X, labels)
        agree([contestants["PyTorch"]()], [float(hand(*weights)[0])])
    seconds = seconds_a_call(contestants, 10)
    agree([program.step(RATE) for _ in range(eager.STEPS)], stepped(hand, weights, RATE, eager.STEPS))
    return seconds


def torch_step(arrays: Sequence[Any], X: Any, labels: Any) -> Callable[[], float]:
    """The same in PyTorch, one operation after the other."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    weights = [torch.tensor(w, device=device, requires_grad=True) for w in arrays]
    x, targets = (torch.tensor(a, device=device) for a in (X, labels))
    W0, b0, W1, b1 = weights

    def step() -> float:
        for w in weights:
            w.grad = None
        logits = torch.relu(x @ W0.T + b0) @ W1.T + b1
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        return float(loss.detach())

    return step


def mlp_training(batches: int = 20, epochs: int = 15) -> dict[str, Any]:
    """An epoch of that network, a batch of 128 a step."""
    import by_hand_jax

    from tinygrad_edu import losses

    model, X, labels = digits(128 * batches)
    return training(model, X, labels, losses.cross_entropy, by_hand_jax.classifier, 128, epochs, AT_ONCE)


def layer(n: int) -> dict[str, Any]:
    """The first call of a layer of n neurons, every product and every sum written out, with all gradients."""
    import jax

    import tinygrad_edu as tg

    rng = random.Random(0)
    x = [rng.gauss(0, 1) for _ in range(n)]
    w = [[rng.gauss(0, 0.2) for _ in range(n)] for _ in range(n)]

    def loss(w: Any, x: Any, tanh: Any) -> Any:
        return sum(tanh(sum(wi * xi for wi, xi in zip(row, x))) ** 2 for row in w)

    values = [[tg.Value(wi) for wi in row] for row in w]
    compiled = tg.compile(lambda x: loss(values, x, tg.tanh), backend="jax")
    unrolled = jax.jit(jax.value_and_grad(lambda w, x: loss(w, x, jax.numpy.tanh)))
    start = perf_counter()
    value = compiled.backward(x)
    first = perf_counter() - start
    start = perf_counter()
    expected, slopes = done(unrolled, w, x)()
    first_by_hand = perf_counter() - start
    found = [value, *[v.grad for row in values for v in row]]
    agree(found, [float(expected), *[float(g) for row in slopes for g in row]])
    return {"first": first, "unrolled": first_by_hand}


def training_on_all_devices(batches: int = 20, epochs: int = 15) -> dict[str, Any]:
    """An epoch of the same network on all devices that JAX has, and all losses."""
    from tinygrad_edu import losses, optim, train

    model, X, labels = digits(128 * batches)
    sgd = optim.SGD(model.parameters(), lr=RATE)
    loss = losses.cross_entropy
    history = train.fit(
        model, X, labels, loss=loss, optimizer=sgd, batch_size=128, epochs=epochs, compile="jax", progress=False
    )
    return {"fit": seconds_of_epochs(history.seconds, AT_ONCE), "losses": history.loss}


def simulated_devices(counts: Sequence[int] = (1, 2, 4)) -> dict[str, Any]:
    """That training on devices that JAX makes of the cores of the CPU, each number of them in a process of its own."""
    code = "import json, jax_backend as b; print(json.dumps(b.in_double_precision(b.training_on_all_devices)))"
    found = {}
    for count in counts:
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}", "JAX_PLATFORMS": "cpu"}
        command, folder = [sys.executable, "-c", code], Path(__file__).parent
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **flags}
        )
        found[count] = json.loads(done.stdout)
    for count in counts[1:]:
        agree(found[count]["losses"], found[counts[0]]["losses"], 1e-9)
    return {f"{count} devices": run["fit"] for count, run in found.items()}


# ---- the report ------------------------------------------------------------------------------------------------------
SHORT = [26, 4, 11, 4, 0, 13, 14, 17, 0]  # a document of 8 positions
JOBS: dict[str, Callable[[], dict[str, Any]]] = {
    "moons": moons,
    "moons fit": partial(moons_training, 100, None, 2000, 100),
    "moons batches": partial(moons_training, 2048, 32, 200, 10),
    "gpt 8": partial(gpt, SHORT),
    "gpt 16": partial(gpt, [*SHORT[:-1], *SHORT[1:]]),
    "pendulum": pendulum,
    "mlp": mlp,
    "mlp fit": mlp_training,
    "layer 32": partial(layer, 32),
    "layer 64": partial(layer, 64),
    "devices": simulated_devices,
}
FEWER = {"mlp": 1, "mlp fit": 1, "layer 64": 1, "devices": 1}  # these take many seconds
ROWS = {  # what the command line may name, and the jobs of it
    "moons": ["moons"],
    "fit": ["moons fit", "moons batches"],
    "gpt": ["gpt 8", "gpt 16"],
    "pendulum": ["pendulum"],
    "mlp": ["mlp", "mlp fit"],
    "layer": ["layer 32", "layer 64"],
    "devices": ["devices"],
}
LINES = [
    Line("moons, scalars, arrays in and out", "moons", "scalars", "by hand", most=1.1),
    Line("moons, by nn on arrays of samples", "moons", "samples", "by hand", most=1.1),
    Line("moons, on Values", "moons", "values", "by hand"),
    Line("moons, the first call", "moons", "first", "first by hand"),
    Line("moons, fit, the full batch, an epoch", "moons fit", "fit", "by hand", most=1.15),
    Line("moons, fit, its first epoch", "moons fit", "first", "first by hand"),
    Line("moons, fit, 64 batches of 32, an epoch", "moons batches", "fit", "by hand", most=1.15),
    Line("moons, fit, its first epoch", "moons batches", "first", "first by hand"),
    *[
        line
        for n in (8, 16)
        for line in (
            Line(f"GPT, {n} positions, arrays in and out", f"gpt {n}", "arrays", "by hand", most=1.0),
            Line(f"GPT, {n} positions, the first call", f"gpt {n}", "first", "first by hand"),
        )
    ],
    Line("pendulum, 200 steps, the first call", "pendulum", "first", most=3),
    Line("pendulum, 200 steps, arrays in and out", "pendulum", "arrays", "by hand", most=4),
    Line("pendulum, 200 steps, on Values", "pendulum", "values", "by hand"),
    Line("MLP 784-256-10, 128 samples", "mlp", "arrays", "by hand", most=1.1),
    Line("MLP 784-256-10, 128 samples", "mlp", "arrays", "PyTorch", most=1.1),
    Line("MLP, fit, 20 batches of 128, an epoch", "mlp fit", "fit", "by hand", most=1.1),
    Line("a layer 32 x 32 in scalars, the first call", "layer 32", "first", "unrolled", least=10),
    Line("a layer 64 x 64 in scalars, the first call", "layer 64", "first", "unrolled", least=10),
    Line("MLP, fit, 2 simulated devices, an epoch", "devices", "2 devices", "1 devices"),
    Line("MLP, fit, 4 simulated devices, an epoch", "devices", "4 devices", "1 devices"),
]


def main() -> None:
    jobs = {name: partial(in_double_precision, job) for name, job in JOBS.items()}
    results = processes.in_turns(jobs, ROUNDS, __doc__, FEWER, ROWS)
    device = next(iter(results.values()))[0]["device"]
    print(f"JAX on {device}, Python {sys.version.split()[0]}; medians of {ROUNDS} processes in turn; losses agree\n")
    print_lines(
        [line for line in LINES if line.beside != "PyTorch" or "PyTorch" in results.get("mlp", [{}])[0]], results
    )
    if "mlp" in results and "PyTorch" not in results["mlp"][0]:
        print("\nPyTorch is not installed, and its line is left out")


if __name__ == "__main__":
    main()
