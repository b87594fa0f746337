"""Training on many devices and in many processes, for real: the same losses, and what happens when a process dies.

All processes are on this machine, with two devices of the CPU each. What one device computes is left to
`test_jax_training.py`.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from profiles import IN_CI

import tinygrad_edu

ROWS = 61  # for no number of devices a multiple of it
real = pytest.mark.skipif(not IN_CI, reason="many processes that start JAX take half a minute: CI=true runs them")
FIT = "fit table.csv --target y --hidden 4 --backend jax --patience none --batch-size 15 --no-pictures".split()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{x % 7},{x % 5},{(x % 7) * 2 - (x % 5) + 1}" for x in range(ROWS)]
    Path("table.csv").write_text("\n".join(["a,b,y", *rows]))
    return tmp_path


def start(
    devices: int, *options: object, program: Sequence[str] = ("-m", "tinygrad_edu.cli", *FIT)
) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(tinygrad_edu.__file__).parents[1]),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, *program, *map(str, options)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_together(count: int, *options: object) -> list[subprocess.Popen[str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    together = ("--coordinator", f"127.0.0.1:{port}", "--processes", count, "--process")
    return [start(2, *options, *together, i) for i in range(count)]


def wait(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code of each, and what it has printed; to the first stream also Gloo prints, which connects them."""
    found = [process.communicate(timeout=300) for process in processes]
    return [(process.returncode, *printed) for process, printed in zip(processes, found)]


def losses(folder: str) -> list[tuple[float, float]]:
    with open(Path(folder, "history.csv")) as file:
        return [(float(row["loss"]), float(row["validation"])) for row in csv.DictReader(file)]


@real
def test_many_devices_of_one_process_reach_the_losses_of_one() -> None:
    results = wait([start(devices, "--epochs", 15, "--out", f"of{devices}") for devices in (1, 3)])
    assert [code for code, *_ in results] == [0, 0], results
    for ours, theirs in zip(losses("of3"), losses("of1"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


@real
@pytest.mark.parametrize("count", [2, 4])
def test_many_processes_reach_the_losses_of_one_and_the_first_alone_writes(count: int) -> None:
    (alone,) = wait([start(1, "--epochs", 15, "--out", "alone")])
    assert alone[0] == 0, alone
    results = wait(start_together(count, "--epochs", 15, "--out", "together"))  # 15 epochs are 60 steps
    assert [code for code, *_ in results] == [0] * count, results
    for ours, theirs in zip(losses("together"), losses("alone"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    assert "together" in results[0][1]
    assert not any("table.csv" in printed or "model.json" in printed for _, printed, _ in results[1:])
    assert sorted(path.name for path in Path("together").iterdir()) == ["history.csv", "model.json"]


SHARED = """
import sys
import jax, numpy as np
from tinygrad_edu import nn, train

port, process = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
X, y = np.load("X.npy", mmap_mode="r"), np.load("y.npy", mmap_mode="r")
train.fit(nn.Linear(1024, init="zeros"), X, y, epochs=2, compile="jax", progress=False)
maps = open("/proc/self/smaps").read().split("X.npy")
print("in memory:", sum(int(part.split("Rss:")[1].split()[0]) for part in maps[1:]))
"""


@real
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux alone says which pages are in memory")
def test_each_process_reads_its_share_of_the_rows_of_a_mapped_file() -> None:
    np.save("X.npy", np.random.default_rng(0).normal(size=(4000, 1024)))  # 32 MB
    np.save("y.npy", np.zeros(4000))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    results = wait([start(2, port, process, program=["-c", SHARED]) for process in range(2)])
    for code, printed, errors in results:
        assert code == 0, errors
        assert 15_000 < int(printed.split("in memory:")[1]) < 18_000


def count_epochs() -> int:
    """How many epochs the checkpoint has."""
    path = Path("state.json")
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


@real
def test_a_process_that_dies_ends_the_others_and_the_run_goes_on_with_any_number() -> None:
    options = ("--epochs", 4000, "--checkpoint", "state.json", "--out", "together")
    processes = start_together(2, *options)
    deadline = time.monotonic() + 200
    while count_epochs() < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGKILL)
    (code, _, stderr), _ = wait(processes)
    assert code == 3
    assert stderr.startswith("Error: process 1 of 2 has ended, and the others with it.")
    assert stderr.count("\n") == 1
    assert count_epochs() >= 5
    (again,) = wait([start(1, "--epochs", 30, "--checkpoint", "state.json", "--out", "again")])
    assert again[0] == 0, again
    assert "going on from state.json" in again[1]
    wait([start(1, "--epochs", 30, "--out", "alone")])
    assert losses("again")[:30] == [pytest.approx(pair, rel=1e-9) for pair in losses("alone")]


@real
@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, [130, 130]), (signal.SIGTERM, [3, 3])])
def test_a_signal_to_one_process_ends_all_of_them(number: signal.Signals, codes: list[int]) -> None:
    processes = start_together(2, "--epochs", 4000, "--checkpoint", "state.json", "--out", "together")
    deadline = time.monotonic() + 200
    while count_epochs() < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    processes[1].send_signal(number)
    results = wait(processes)
    assert [code for code, *_ in results] == codes, results
    if number == signal.SIGINT:  # after the same step: what has been learned is written
        assert losses("together")
        assert results[1][2] == ""
    else:
        assert results[0][2].startswith("Error: process 1 of 2 has ended, and the others with it.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--processes", 2), "to train together takes --coordinator HOST:PORT, --processes N and --process I, below N"),
        (("--coordinator", "x:1", "--processes", 2, "--process", 2), "--process I, below N"),
        (("--backend", "numpy", "--processes", 2), "processes train together on JAX: add --backend jax"),
    ],
)
def test_options_that_do_not_fit_are_an_error(options: tuple[object, ...], message: str) -> None:
    from click.testing import CliRunner

    from tinygrad_edu.cli import main

    result = CliRunner().invoke(main, [*FIT, *map(str, options)])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
