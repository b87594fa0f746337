"""Mutation testing: are the tests as exact as the code? `python tests/mutation.py`, or with the names of some modules.

Cosmic-ray changes the code of a module in one place after another, a `+` to a `-`, a 1 to a 2, and runs the tests that
specify it: where they still pass, nobody would notice that mistake. It works on copies of the tree, one for each core,
among which the mutants of a module are dealt out; `docs/mutation-testing.md` says how long that takes. A mutant that
lives on must be listed in `mutation.toml`, with the reason why nothing can tell it from the code; what else is done
stands there too. Exits with 1 where one is not listed, where a listed one has died or is gone, and where too few are
killed. Needs `pip install --group dev`.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PLAN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PYTEST = (
    "-m pytest -x -q --tb=no --no-header -p no:cacheprovider --hypothesis-profile=mutation"
    " --assert=plain -p no:xdist"  # nobody reads why a test fails: without what explains it, it starts twice as fast
)


class Mutant(NamedTuple):
    module: str
    line: str  # as it stands in the code, without the indentation
    becomes: str

    def __str__(self) -> str:
        return f"{self.module}.py\n  - {self.line}\n  + {self.becomes}"


class Result(NamedTuple):
    module: str
    killed: list[Mutant]
    survived: list[Mutant]
    minutes: float

    @property
    def rate(self) -> float:
        return len(self.killed) / (len(self.killed) + len(self.survived))


def equivalents() -> dict[Mutant, str]:
    """The mutants that are listed, and why nothing can tell them from the code."""
    return {
        Mutant(entry["module"], entry["line"], mutated): entry["why"]
        for entry in PLAN["equivalent"]
        for mutated in entry["becomes"]
    }


def least(module: str) -> float:
    """What part of the mutants of a module must be killed."""
    return float(PLAN["least"].get(module, PLAN["least"]["others"]))


def mutate(module: str, hand: int, hands: int) -> Result:
    """Runs the tests of one module on one hand of its mutants, which are dealt to several, in a copy of the tree."""
    started = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in ("tinygrad_edu", "tests"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", tree)
        environment = {**os.environ, "PYTHONPATH": folder, "CI": ""}

        def run(*command: str) -> None:
            subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)

        tests = [sys.executable, *PYTEST.split(), *PLAN["tests"][module]]
        try:
            run(*tests)
        except subprocess.CalledProcessError as error:
            sys.exit(f"The tests of {module}.py fail on the code as it is:\n{error.stdout}{error.stderr}")
        (tree / "plan.toml").write_text(
            f"[cosmic-ray]\nmodule-path = 'tinygrad_edu/{module}.py'\nexcluded-modules = []\n"
            f"timeout = {PLAN['timeout']}.0\ntest-command = {json.dumps(shlex.join(tests))}\n"
            "[cosmic-ray.distributor]\nname = 'local'\n",
            encoding="utf-8",
        )
        cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
        run(*cosmic_ray, "init", "plan.toml", "session.sqlite")
        leave_out(tree / "tinygrad_edu" / f"{module}.py", tree / "session.sqlite", hand, hands)
        run(*cosmic_ray, "exec", "plan.toml", "session.sqlite")
        killed, survived = read(module, tree / "session.sqlite")
    return Result(module, killed, survived, (monotonic() - started) / 60)


def leave_out(code: Path, session: Path, hand: int, hands: int) -> None:
    """Marks as skipped the mutants of other hands, those that the plan leaves out, and what Python does not compile."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    source, left_out = code.read_text(encoding="utf-8"), re.compile("|".join(PLAN["left-out"]))

    def is_python(mutation: Any) -> bool:
        operator = get_operator(mutation.operator_name)(**mutation.operator_args)
        with suppress(SyntaxError):
            return bool(compile(mutate_code(source, operator, mutation.occurrence), code, "exec"))
        return False

    def place(item: Any) -> tuple[str, int]:  # cosmic-ray itself has them in another order each time
        [mutation] = item.mutations
        return mutation.operator_name, mutation.occurrence

    with use_db(session) as db:
        for k, item in enumerate(sorted(db.pending_work_items, key=place)):
            [mutation] = item.mutations
            if k % hands != hand or left_out.fullmatch(mutation.operator_name) or not is_python(mutation):
                db.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))


def read(module: str, session: Path) -> tuple[list[Mutant], list[Mutant]]:
    """The mutants that cosmic-ray has run: the killed ones, and the ones that survived."""
    from cosmic_ray.work_db import use_db

    killed: list[Mutant] = []
    survived: list[Mutant] = []
    with use_db(session) as db:
        for _, result in db.completed_work_items:
            if result.worker_outcome == "skipped":
                continue
            if result.worker_outcome != "normal":
                raise RuntimeError(f"cosmic-ray could not run a mutant of {module}.py:\n{result.output}")
            changed = [line for line in result.diff.splitlines() if not line.startswith(("---", "+++"))]
            before, after = ("\n".join(x[1:].strip() for x in changed if x.startswith(sign)).strip() for sign in "-+")
            (killed if result.is_killed else survived).append(Mutant(module, before, after))
    return killed, survived


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing; see the docstring of this file.")
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(PLAN['tests'])}; by default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many mutants at a time")
    options = parser.parse_args()
    modules = options.modules or list(PLAN["tests"])
    if unknown := set(modules) - set(PLAN["tests"]):
        parser.error(f"there is no plan for {', '.join(sorted(unknown))}: choose from {', '.join(PLAN['tests'])}")

    if not find_spec("cosmic_ray"):
        parser.error("mutants are made by cosmic-ray: pip install --group dev")

    known, results = equivalents(), []
    print(f"{'module':<15}{'mutants':>9}{'killed':>8}{'survived':>10}{'equivalent':>12}{'rate':>8}{'minutes':>9}")
    with ThreadPoolExecutor(options.jobs) as pool:
        dealt = {m: [pool.submit(mutate, m, hand, options.jobs) for hand in range(options.jobs)] for m in modules}
        for module, hands in dealt.items():
            results.append(together(module, [hand.result() for hand in hands]))
            print(line_of(results[-1], known), flush=True)
    if len(results) > 1:
        print(line_of(together("all", results), known))
    complaints = [complaint for result in results for complaint in judged(result, known)]
    print("\n" + "\n\n".join(complaints or ["All is as it should be."]))
    return bool(complaints)


def together(name: str, results: Sequence[Result]) -> Result:
    killed, survived = ([mutant for result in results for mutant in result[i]] for i in (1, 2))
    return Result(name, killed, survived, sum(result.minutes for result in results))


def line_of(result: Result, known: dict[Mutant, str]) -> str:
    module, killed, survived, minutes = result
    equivalent = sum(mutant in known for mutant in survived)
    return (
        f"{module:<15}{len(killed) + len(survived):>9}{len(killed):>8}{len(survived):>10}{equivalent:>12}"
        f"{result.rate:>8.1%}{minutes:>9.1f}"
    )


def judged(result: Result, known: dict[Mutant, str]) -> list[str]:
    """What is not as it should be."""
    survived = set(result.survived)
    listed = {mutant for mutant in known if mutant.module == result.module}
    complaints = [
        f"It survives, so a test is missing, or code that is not needed is there:\n{m}"
        for m in sorted(survived - listed)
    ]
    complaints += [f"It is listed as equivalent, but is killed or gone:\n{m}" for m in sorted(listed - survived)]
    if result.rate < least(result.module):
        complaints.append(f"{result.module}.py: {result.rate:.1%} are killed, fewer than {least(result.module):.0%}")
    return complaints


if __name__ == "__main__":
    sys.exit(main())
