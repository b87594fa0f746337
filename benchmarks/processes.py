"""Measurements in fresh processes that take turns: what all benchmarks have in common.

So no contestant meets the heap that another one left behind, and a drift of the machine's speed meets all of them. What
is measured, and what is reported of it, is left to each benchmark.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

Job = Callable[[], dict[str, Any]]


def in_turns(
    jobs: Mapping[str, Job], rounds: int, about: str | None, fewer: Mapping[str, int] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Runs each job once a round, in a process of its own, and returns their results; `fewer` rounds for those named.

    The program that calls this is started again with `--job`, runs that one here, prints it as JSON, and ends.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--job", choices=jobs, help="run one measurement in this process and print it as JSON")
    if job := parser.parse_args().job:
        print(json.dumps(jobs[job]()))
        sys.exit()
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for turn in range(rounds):
        for name in jobs:
            if turn < (fewer or {}).get(name, rounds):
                command = [sys.executable, sys.argv[0], "--job", name]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                results[name].append(json.loads(done.stdout))
    return results
