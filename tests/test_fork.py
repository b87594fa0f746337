"""A process that is forked while other threads are at work: no lock, no mode and no setting of theirs is left in it.

In a process of its own, as other libraries that the tests load do not like to be forked. JAX cannot be forked at all.
What `backward()` needs is held by `test_engine.py`.
"""

import os
import subprocess
import sys

import pytest
from profiles import IN_CI

FORKS = """
import os, random, signal, sys, threading, warnings
import matplotlib
from matplotlib.figure import Figure
import tinygrad_edu as tg
from tinygrad_edu import Value, data, nn
from tinygrad_edu.train import fit
from tinygrad_edu.viz import plots

X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
history = fit(nn.Linear(1), X, y, epochs=2, progress=False)
shared = Value(2.0, label="shared")
with open("table.csv", "w") as file:
    file.write("a,b\\n" + "1,x\\n" * 50)

def guard():
    tg.record(lambda a: a * shared.tanh(), 1.0)

def draw():
    tg.draw(Value(1.0) * Value(3.0)).svg

def plot():
    ax = Figure(layout="constrained").add_subplot()  # pyplot would keep it
    plots.save(plots.plot_loss(history, ax=ax), f"{os.getpid()}-{threading.get_ident()}.svg")

def train():
    fit(nn.MLP(1, [2, 1], rng=random.Random(0)), X, y, epochs=2, progress=False, compile=True)

def read():
    data.read_csv("table.csv")

WORK = [guard, draw, plot, train, read]

def everything():
    shared.data  # which a trace of another thread guards
    for work in WORK:
        work()

def settings():
    return dict(matplotlib.rcParams), warnings.filters[:], tg.modes.inherited_modes()

def busy(work):
    while not stop.is_set():
        work()

everything()  # loads it all: Python itself does not survive a fork while another thread imports
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from 3.12 on: here it has to work
before, stop = settings(), threading.Event()
threads = [threading.Thread(target=busy, args=(work,)) for work in WORK]
for thread in threads:
    thread.start()
codes = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # where it hangs
        try:
            everything()
            os._exit(0 if settings() == before else 1)
        finally:
            os._exit(2)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads:
    thread.join()
print(codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_forked_while_others_draw_trace_and_train_is_free(tmp_path: object) -> None:
    forks = 40 if IN_CI else 1
    command = [sys.executable, "-c", FORKS, str(forks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=str(tmp_path))
    assert (done.stdout.strip(), done.stderr) == (str([0] * forks), "")
