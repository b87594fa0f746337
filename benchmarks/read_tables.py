"""Memory and time of reading a large table, beside pandas or Polars, in one run: `python benchmarks/read_tables.py`.

Three files of a million rows are made: of twenty short texts; of an id, texts and numbers, some missing; and of five
texts that are all different. A fourth file has a header of 40,000 columns. Each reader runs in a fresh process; its
memory is the largest that the process ever had, that of Python and of the libraries included. The sums of all numbers
and the counts of all texts have to agree before anything is reported.
"""

import importlib.util
import os
import random
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import processes

ROWS, ROUNDS = 1_000_000, 3
FOLDER = Path(tempfile.gettempdir()) / f"read_tables-{os.getuid()}"
FILES = ("texts", "mixed", "ids", "wide")
READERS = ["tinygrad_edu", *(name for name in ("polars", "pandas") if importlib.util.find_spec(name))]


def make_files() -> None:
    """Writes the files, unless an earlier run has."""
    FOLDER.mkdir(exist_ok=True)
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=2)) for _ in range(60)]

    def numbers() -> list[str]:
        return [f"{rng.gauss(0, 10):.2f}" if rng.random() > 0.02 else "" for _ in range(11)]

    def write(name: str, header: list[str], rows: Any) -> None:
        path = FOLDER / f"{name}.csv"
        if not path.exists():
            with open(path.with_suffix(".part"), "w", encoding="utf-8") as file:
                file.write(",".join(header) + "\n")
                file.writelines(",".join(row) + "\n" for row in rows)
            path.with_suffix(".part").rename(path)

    write("texts", [f"t{i}" for i in range(20)], (rng.choices(words, k=20) for _ in range(ROWS)))
    names = ["id", *[f"t{i}" for i in range(8)], *[f"x{i}" for i in range(11)]]
    write("mixed", names, ([f"K{i:07d}", *rng.choices(words, k=8), *numbers()] for i in range(ROWS)))
    write("ids", [*"abcde"], ([f"{name}{rng.getrandbits(48):012x}" for name in "abcde"] for _ in range(ROWS)))
    write("wide", [f"c{i}" for i in range(40_000)], (["1.5"] * 40_000 for _ in range(3)))


def summarise(columns: dict[str, Any]) -> dict[str, Any]:
    """For each column of numbers their sum, for each column of texts how often some of them occur."""
    return {name: round(x, 3) if isinstance(x, float) else dict(sorted(x.items())[:60]) for name, x in columns.items()}


def ours(path: Path) -> dict[str, Any]:
    import numpy as np

    from tinygrad_edu.data import read_csv

    table = read_csv(path)

    def column(name: str) -> Any:
        if not table.is_text(name):
            return float(np.nansum(table.numbers(name)))
        codes, names = table.codes(name)
        return dict(zip(names, np.bincount(codes).tolist())) if len(names) < 100 else {"different": len(names)}

    return {name: column(name) for name in table}


def with_polars(path: Path) -> dict[str, Any]:
    import polars

    frame = polars.read_csv(path)

    def column(name: str) -> Any:
        series = frame[name]
        if series.dtype != polars.String:
            return float(series.sum())
        counts = dict(series.value_counts().rows()) if series.n_unique() < 100 else None
        return counts or {"different": series.n_unique()}

    return {name: column(name) for name in frame.columns}


def with_pandas(path: Path) -> dict[str, Any]:
    import pandas

    frame = pandas.read_csv(path)

    def column(name: str) -> Any:
        series = frame[name]
        if series.dtype.kind == "f":
            return float(series.sum())
        return series.value_counts().to_dict() if series.nunique() < 100 else {"different": series.nunique()}

    return {name: column(name) for name in frame.columns}


def measure(reader: str, file: str) -> dict[str, Any]:
    path = FOLDER / f"{file}.csv"
    read = {"tinygrad_edu": ours, "polars": with_polars, "pandas": with_pandas}[reader]
    begun, cpu = perf_counter(), process_time()
    summary = summarise(read(path))
    return {
        "summary": summary,
        "seconds": perf_counter() - begun,
        "cpu": process_time() - cpu,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    make_files()
    jobs = {f"{reader} {file}": lambda r=reader, f=file: measure(r, f) for file in FILES for reader in READERS}
    results = processes.in_turns(jobs, ROUNDS, __doc__)
    print(f"Python {sys.version.split()[0]}; medians of {ROUNDS} runs, reading and summing up\n")
    print(f"{'':24}{'file':>8}{'peak memory':>13}{'CPU time':>10}{'time':>8}")
    for file in FILES:
        size = (FOLDER / f"{file}.csv").stat().st_size / 1e6
        expected = results[f"tinygrad_edu {file}"][0]["summary"]
        for reader in READERS:
            runs = results[f"{reader} {file}"]
            for run in runs:
                assert_alike(expected, run["summary"])
            memory, cpu, seconds = (median(run[what] for run in runs) for what in ("megabytes", "cpu", "seconds"))
            print(f"{file:8}{reader:16}{size:>5.0f} MB{memory:>10.0f} MB{cpu:>8.1f} s{seconds:>6.1f} s")


def assert_alike(expected: dict[str, Any], summary: dict[str, Any]) -> None:
    assert expected.keys() == summary.keys()
    for name, x in expected.items():
        same = abs(x - summary[name]) <= 1e-6 * abs(x) + 0.01 if isinstance(x, float) else x == summary[name]
        assert same, (name, x, summary[name])


if __name__ == "__main__":
    main()
