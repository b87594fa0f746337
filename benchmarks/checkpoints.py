"""What a checkpoint after each epoch costs, in the first 100 and in the last 100 of 4,000 epochs.

The same run is made without a checkpoint and with one, plain and with `record_parameters`; the difference of the
medians of their epochs' times is the cost. Both must end with the same parameters, and so must a run that goes on from
the file in the end. Usage: python benchmarks/checkpoints.py [EPOCHS]
"""

import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time

from tinygrad_edu import nn, optim
from tinygrad_edu.train import History, fit

X, Y = [[i / 10] for i in range(4)], [(i / 5) ** 2 for i in range(4)]
SPAN = 100  # epochs
CLOCKS = {"by the processor": process_time, "by the wall, with the disk": perf_counter}


def run(epochs: int, path: Path | None, record: bool) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The time of each epoch in seconds, by two clocks, and the parameters in the end."""
    model = nn.MLP(1, [4, 1], activation="tanh", rng=Random(3))
    adam = optim.Adam(model.parameters(), 0.01)
    times = {name: [clock()] for name, clock in CLOCKS.items()}

    def look(history: History) -> None:
        for name, clock in CLOCKS.items():
            times[name].append(clock())

    fit(model, X, Y, optimizer=adam, epochs=epochs, checkpoint=path, record_parameters=record, callbacks=[look])
    spans = {name: [after - before for before, after in pairwise(moments)] for name, moments in times.items()}
    return spans, model.state_dict()


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{epochs} epochs; what a checkpoint adds to an epoch, in milliseconds")
    for record in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run.json")
            plain, expected = run(epochs, None, record)
            written, found = run(epochs, path, record)
            _, resumed = run(epochs, path, record)
            assert expected == found == resumed, "a checkpoint has changed the run"
            print(
                f"{'with' if record else 'without'} record_parameters: {os.path.getsize(path) / 1e6:.2f} MB in the end"
            )
            for name in CLOCKS:
                first, last = [
                    1e3 * (median(written[name][span]) - median(plain[name][span]))
                    for span in (slice(SPAN), slice(-SPAN, None))
                ]
                everything = sum(written[name]) - sum(plain[name])
                print(f"    {name}: first {SPAN} {first:.2f}, last {SPAN} {last:.2f}; all {everything:.1f} s")


if __name__ == "__main__":
    main()
