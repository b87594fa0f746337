"""Measurements in fresh processes that take turns: what all benchmarks have in common.

So no contestant meets the heap that another one left behind, and a drift of the machine's speed meets all of them. What
is measured, and what is reported of it, is left to each benchmark.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Job = Callable[[], dict[str, Any]]


def in_turns(
    jobs: Mapping[str, Job],
    rounds: int,
    about: str | None,
    fewer: Mapping[str, int] | None = None,
    rows: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Runs each job once a round, in a process of its own, and returns their results; `fewer` rounds for those named.

    `rows` are names for some of the jobs: of those that the command line names only the jobs are run. The program that
    calls this is started again with `--job`, runs that one here, prints it as JSON, and ends.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--job", choices=jobs, help="run one measurement in this process and print it as JSON")
    if rows:
        parser.add_argument("rows", nargs="*", metavar="ROW", help=f"measure these only, of {', '.join(rows)}")
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(jobs[arguments.job]()))
        sys.exit()
    chosen = [*jobs]
    if rows and arguments.rows:
        if unknown := [name for name in arguments.rows if name not in rows]:
            parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(rows)}")
        chosen = list(dict.fromkeys([job for name in arguments.rows for job in rows[name]]))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for turn in range(rounds):
        for name in chosen:
            if turn < (fewer or {}).get(name, rounds):
                command = [sys.executable, sys.argv[0], "--job", name]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[name].append(json.loads(done.stdout))
    return results
