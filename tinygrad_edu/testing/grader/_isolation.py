"""Grades a file that somebody else wrote, in a process of its own.

The file is imported and examined by a fresh interpreter with a working folder of its own, no standard input, and
limits on time, memory and output; results come back line by line through a file, so that whatever it prints disturbs
nothing. Where a concept hangs or ends that process, a new one goes on with the next concept. This guards against
mistakes, not against malice: the file can still read and write what its user can.

Run as a program (`python -m tinygrad_edu.testing.grader`), the package is that process.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from tinygrad_edu.data.tables import listing
from tinygrad_edu.engine import Value

from ._examination import SECONDS, described, examine, place_of
from .concepts import CONCEPTS, Concept
from .grades import NOT_RUN, WRONG, Grade, Place, Result, placed, printable, with_causes

MEMORY, OUTPUT = 4 * 2**30, 64 * 2**20  # bytes, where the operating system sets limits
_PRINTED = 10_000  # bytes of the output that are kept
_GRACE = 1.0  # seconds in which a process may interrupt a program itself, before it is ended
_OUT_OF_TIME = "it was still running when the time was over"


def grade_in_a_process(path: Path, class_name: str, concepts: Sequence[Concept], seconds: float) -> Grade:
    """The grade of the class of that name in a Python file; `seconds` is the time limit for all together."""
    start, limit = time.monotonic(), min(SECONDS, seconds / 3)
    said = _Said()
    with TemporaryDirectory(prefix="tinygrad-edu-grade-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        while left := [concept.name for concept in concepts if concept.name not in said.results]:
            end = _examined(folder, path.resolve(), class_name, left, limit, start + seconds)
            said.read(folder / "messages")
            left = [name for name in left if name not in said.results]
            if not said.loaded and not said.problem:
                said.problem = f"The file could not be imported: {end}."
            if said.problem:
                said.results |= {name: Result(name, NOT_RUN) for name in left}
            elif end == _OUT_OF_TIME:
                reason = f"the {seconds:g} s for all concepts were used up"
                said.results |= {name: Result(name, NOT_RUN, reason=reason) for name in left}
            elif left:
                said.results[left[0]] = Result(left[0], WRONG, program=said.program, error=end)
        printed = _beginning(folder / "output")
    return Grade(
        file=printable(path.name),
        class_name=printable(class_name),
        results=with_causes(said.results[concept.name] for concept in concepts),
        seconds=time.monotonic() - start,
        problem=said.problem,
        place=said.place,
        notes=said.notes,
        printed=printed,
    )


class _Said:
    """What the processes that examine a file have said so far."""

    def __init__(self) -> None:
        self.loaded, self.notes = False, tuple[str, ...]()
        self.problem, self.place = "", Place.of({})
        self.program = ""  # that was begun last
        self.results: dict[str, Result] = {}

    def read(self, messages: Path) -> None:
        for line in messages.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):  # not ours: a line cut off, or rubbish of the file's own
                self.take(json.loads(line))
        messages.unlink()

    def take(self, message: Any) -> None:
        match message:
            case {"notes": notes}:
                self.loaded, self.notes = True, tuple(notes)
            case {"problem": problem, "place": place}:
                self.problem, self.place = problem, Place.of(place)
            case {"program": program}:
                self.program = program
            case {"result": record}:
                self.results[record["name"]] = Result.from_dict(record)


def _examined(folder: Path, path: Path, class_name: str, names: list[str], limit: float, deadline: float) -> str:
    """Examines the concepts of these names in a new process, which writes to `folder`; how that process ended."""
    messages, work = folder / "messages", folder / "work"
    messages.touch()
    work.mkdir(exist_ok=True)
    task = {"messages": str(messages), "path": str(path), "class": class_name, "names": names, "limit": limit}
    task["cpu"] = int(deadline - time.monotonic()) + 10
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    options = ["-B", "-P", "-X", "faulthandler"]  # leave no files behind, say where a crash was
    with open(folder / "output", "ab") as output:
        process = subprocess.Popen(
            [sys.executable, *options, "-m", "tinygrad_edu.testing.grader", json.dumps(task)],
            cwd=work,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"},  # the same each time
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _how_it_ended(process, messages, limit, deadline)
        finally:
            with suppress(OSError):  # and what it has started itself, which may outlive it
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()


def _how_it_ended(process: subprocess.Popen[bytes], messages: Path, limit: float, deadline: float) -> str:
    """Waits until a process ends, or has said nothing for too long, or the time is over."""
    size, since = 0, time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if messages.stat().st_size != size:
            size, since = messages.stat().st_size, now
        if now > deadline:
            return _OUT_OF_TIME
        if size and now > since + limit + _GRACE:  # as long as it has said nothing, it is being imported
            return f"it was still running after {limit:g} s, and could not be interrupted"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    if process.returncode >= 0:
        return f"it ended the process, with exit code {process.returncode}"
    name = signal.Signals(-process.returncode).name
    crashed = "too many calls inside one another are the usual cause"
    return f"the process was ended by {name}{f': {crashed}' if name == 'SIGSEGV' else ''}"


def _beginning(output: Path) -> str:
    with open(output, "rb") as file:
        return printable(file.read(_PRINTED).decode("utf-8", errors="replace")).strip("\n")


# ---- in the process --------------------------------------------------------------------------------------------------
class _NoSuchClassError(Exception):
    pass


def examine_and_tell(task: dict[str, Any]) -> None:
    with open(task["messages"], "a", encoding="utf-8") as messages:

        def tell(**message: Any) -> None:
            messages.write(json.dumps(message) + "\n")
            messages.flush()

        path, concepts = Path(task["path"]), [c for c in CONCEPTS if c.name in task["names"]]
        if any(concept.generated for concept in concepts):
            with suppress(ImportError):  # then the concept says so
                from tinygrad_edu.testing import strategies  # noqa: F401  -- before the student's folder is on the path
        _set_limits(task["cpu"])
        try:
            value_class = _loaded(path, task["class"])
        except BaseException as error:
            tell(problem=_what_happened(error, path.name), place=placed(place_of(error, path.parent)))
            return
        tell(notes=_notes(value_class))
        for concept in concepts:
            result = examine(concept, value_class, seconds=task["limit"], watch=lambda program: tell(program=program))
            tell(result=result.as_dict())


def _loaded(path: Path, class_name: str) -> type:
    """The class of that name in a file, which may import what stands beside it, and be a module of a package."""
    root, name = path.parent, path.stem
    while (root / "__init__.py").exists():
        root, name = root.parent, f"{root.name}.{name}"
    sys.argv, sys.path[:0] = [str(path)], [str(path.parent), str(root)]
    if root != path.parent:
        module = importlib.import_module(name)
    else:
        loader = SourceFileLoader(
            f"graded_{name}" if name in {*sys.stdlib_module_names, *sys.modules} else name, str(path)
        )
        module = sys.modules[loader.name] = ModuleType(loader.name)
        module.__file__ = str(path)
        loader.exec_module(module)
    found = getattr(module, class_name, None)
    if isinstance(found, type):
        return found
    classes = [key for key, x in vars(module).items() if isinstance(x, type) and x.__module__ == module.__name__]
    there = f"there are: {listing(classes)}; choose one with --class" if classes else "nor any other"
    raise _NoSuchClassError(f"There is no class {class_name!r} in {path.name}, {there}.")


def _what_happened(error: BaseException, file: str) -> str:
    if isinstance(error, _NoSuchClassError):
        return printable(str(error))
    if isinstance(error, SystemExit):
        way_out = "put what is not to run at import under: if __name__ == '__main__':"
        return f"Importing {printable(file)} ended with {described(error)}; {way_out}"
    return f"Importing {printable(file)} failed with {described(error)}"


def _notes(value_class: type) -> list[str]:
    mro = type.mro(value_class)
    if Value not in mro:
        return []
    return [f"this is {'a subclass of ' * (mro[0] is not Value)}tinygrad_edu's own Value, not an engine of its own"]


def _set_limits(cpu_seconds: int) -> None:
    with suppress(ImportError):
        import resource

        limits = {resource.RLIMIT_AS: MEMORY, resource.RLIMIT_FSIZE: OUTPUT, resource.RLIMIT_CPU: cpu_seconds}
        for kind, limit in limits.items():
            with suppress(ValueError, OSError):  # a lower one is set already, or none can be
                resource.setrlimit(kind, (limit, limit))
