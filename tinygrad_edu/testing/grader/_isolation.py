"""Grades a file that somebody else wrote, in a process of its own.

A new interpreter imports and examines the file. It has its own working folder, no standard input, and limits on time,
memory and output. The results come back through a file, line by line, so the output of the examined file disturbs
nothing. If a concept hangs or ends that process, a new process goes on with the next concept. This guards against
mistakes, not against malice: the file can read and write what its user can.

`python -m tinygrad_edu.testing.grader` is that process.
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

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import quote_list

from ._examination import SECONDS, describe_error, examine, locate_error
from .concepts import CONCEPTS, Concept
from .grades import NOT_RUN, WRONG, Grade, Location, Result, add_causes, location_keys, make_printable, read_location

MEMORY, OUTPUT = 4 * 2**30, 64 * 2**20  # bytes, where the operating system sets limits
_MAX_PRINTED_BYTES = 10_000  # of the output that are kept
_GRACE = 1.0  # seconds in which a process can interrupt its program, before it is ended from outside
_OUT_OF_TIME = "it was still running at the time limit"


def grade_in_a_process(path: Path, class_name: str, concepts: Sequence[Concept], seconds: float) -> Grade:
    """The grade of a class in a Python file; `seconds` is the time limit for all concepts together."""
    start, limit = time.monotonic(), min(SECONDS, seconds / 3)
    messages = _Messages()
    with TemporaryDirectory(prefix="tinygrad-edu-grade-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        while left := [concept.name for concept in concepts if concept.name not in messages.results]:
            end = _run_process(folder, path.resolve(), class_name, left, limit, start + seconds)
            messages.read(folder / "messages")
            left = [name for name in left if name not in messages.results]
            if not messages.is_loaded and not messages.problem:
                messages.problem = f"The file could not be imported: {end}."
            if messages.problem:
                messages.results |= {name: Result(name, NOT_RUN) for name in left}
            elif end == _OUT_OF_TIME:
                reason = f"the time limit of {seconds:g} s for all concepts was reached"
                messages.results |= {name: Result(name, NOT_RUN, reason=reason) for name in left}
            elif left:
                messages.results[left[0]] = Result(left[0], WRONG, program=messages.program, error=end)
        printed = _read_beginning(folder / "output")
    return Grade(
        file=make_printable(path.name),
        class_name=make_printable(class_name),
        results=add_causes(messages.results[concept.name] for concept in concepts),
        seconds=time.monotonic() - start,
        problem=messages.problem,
        location=messages.location,
        notes=messages.notes,
        printed=printed,
    )


class _Messages:
    """What the processes that examine a file have reported so far."""

    def __init__(self) -> None:
        self.is_loaded, self.notes = False, tuple[str, ...]()
        self.problem = ""
        self.location: Location | None = None
        self.program = ""  # the last one that was started
        self.results: dict[str, Result] = {}

    def read(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):  # a line that is cut off, or written by the examined file
                self.take(json.loads(line))
        path.unlink()

    def take(self, message: Any) -> None:
        match message:
            case {"notes": notes}:
                self.is_loaded, self.notes = True, tuple(notes)
            case {"problem": problem, "location": location}:
                self.problem, self.location = problem, read_location(location)
            case {"program": program}:
                self.program = program
            case {"result": result}:
                self.results[result["name"]] = Result.from_dict(result)


def _run_process(folder: Path, path: Path, class_name: str, names: list[str], limit: float, deadline: float) -> str:
    """Examines the concepts of these names in a new process, which writes to `folder`. Returns how it ended."""
    messages, work = folder / "messages", folder / "work"
    messages.touch()
    work.mkdir(exist_ok=True)
    task = {"messages": str(messages), "path": str(path), "class": class_name, "names": names, "limit": limit}
    task["cpu"] = int(deadline - time.monotonic()) + 10
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    options = [
        "-B",
        "-P",
        "-X",
        "faulthandler",
    ]  # write no .pyc files; keep the working folder off the path; print where a crash was
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
            return _wait_for_end(process, messages, limit, deadline)
        finally:
            with suppress(OSError):  # together with the processes that it has started
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()


def _wait_for_end(process: subprocess.Popen[bytes], messages: Path, limit: float, deadline: float) -> str:
    """Waits until the process ends, or reports nothing for too long, or the time is over. Returns what happened."""
    size, since = 0, time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if messages.stat().st_size != size:
            size, since = messages.stat().st_size, now
        if now > deadline:
            return _OUT_OF_TIME
        if size and now > since + limit + _GRACE:  # before its first report it imports the file
            return f"it was still running after {limit:g} s, and could not be interrupted"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    if process.returncode >= 0:
        return f"it ended the process, with exit code {process.returncode}"
    name = signal.Signals(-process.returncode).name
    cause = ": the usual cause is a recursion that is too deep" if name == "SIGSEGV" else ""
    return f"the process was ended by {name}{cause}"


def _read_beginning(output: Path) -> str:
    with open(output, "rb") as file:
        return make_printable(file.read(_MAX_PRINTED_BYTES).decode("utf-8", errors="replace")).strip("\n")


# ---- in the process --------------------------------------------------------------------------------------------------
class _NoSuchClassError(Exception):
    pass


def run_task(task: dict[str, Any]) -> None:
    """Examines a file as the task says, and reports each step in the file of messages."""
    with open(task["messages"], "a", encoding="utf-8") as messages:

        def report(**message: Any) -> None:
            messages.write(json.dumps(message) + "\n")
            messages.flush()

        path, concepts = Path(task["path"]), [c for c in CONCEPTS if c.name in task["names"]]
        if any(concept.generated for concept in concepts):
            with suppress(ImportError):  # then the result of the concept says so
                from tinygrad_edu.testing import strategies  # noqa: F401  -- imported before the student's folder is on the path
        _set_limits(task["cpu"])
        try:
            value_class = _load_class(path, task["class"])
        except BaseException as error:
            location = location_keys(locate_error(error, path.parent))
            report(problem=_describe_import_error(error, path.name), location=location)
            return
        report(notes=_make_notes(value_class))
        for concept in concepts:
            result = examine(concept, value_class, seconds=task["limit"], watch=lambda program: report(program=program))
            report(result=result.as_dict())


def _load_class(path: Path, class_name: str) -> type:
    """The class of that name. Its file may import files beside it, and may be a module of a package."""
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
    others = f" It has {quote_list(classes)}: choose with --class." if classes else " It has no class at all."
    raise _NoSuchClassError(f"There is no class {class_name!r} in {path.name}.{others}")


def _describe_import_error(error: BaseException, file: str) -> str:
    if isinstance(error, _NoSuchClassError):
        return make_printable(str(error))
    if isinstance(error, SystemExit):
        way_out = "put code that is not for an import below: if __name__ == '__main__':"
        return f"Importing {make_printable(file)} ended with {describe_error(error)}; {way_out}"
    return f"Importing {make_printable(file)} failed with {describe_error(error)}"


def _make_notes(value_class: type) -> list[str]:
    mro = type.mro(value_class)
    if Value not in mro:
        return []
    return [f"this is {'a subclass of ' * (mro[0] is not Value)}tinygrad_edu's own Value, not an engine of its own"]


def _set_limits(cpu_seconds: int) -> None:
    with suppress(ImportError):
        import resource

        limits = {resource.RLIMIT_AS: MEMORY, resource.RLIMIT_FSIZE: OUTPUT, resource.RLIMIT_CPU: cpu_seconds}
        for kind, limit in limits.items():
            with suppress(ValueError, OSError):  # a lower limit is set already, or the system has none
                resource.setrlimit(kind, (limit, limit))
