"""Keeps a file that somebody else wrote in a process of its own, and asks it for numbers.

`_worker.py` is the program of that process. What it answers is read with care and taken for numbers, or for an error,
and for nothing else: expected numbers and verdicts stay here. Requests and answers go through pipes, as lines of JSON;
what the file prints goes through a third one, of which the beginning is kept. Where `bwrap` (bubblewrap) works, the
process also has no network, and a file system that it cannot change. What this holds against is a table in
docs/grader.md.
"""

import json
import os
import queue
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinygrad_edu._display import clean_text
from tinygrad_edu.errors import quote_list

from . import _worker
from ._examination import ENDED, METHODS, SECONDS, TIME_LIMIT, Answer, Examiner, read_place
from ._notebook import is_notebook, read_cells
from .concepts import Concept
from .grades import NOT_RUN, Grade, Location, Result, clean_lines

SANDBOXES = ("auto", "none", "bubblewrap")
_MAX_ANSWER, _MAX_WAITING = 100_000, 300  # bytes of a line, and lines that nobody has asked for
_MAX_PRINTED = 10_000  # bytes of the output that are kept
_GRACE = 1.0  # seconds in which a process can end by itself, before it is ended from outside
_PACKAGE = Path(__file__).parents[2]
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")  # all that is handed over


class LoadError(Exception):
    """The file cannot be imported: its arguments are the problem, and a location or None."""


class OutOfTimeError(BaseException):
    """The time for all concepts is over. It is no Exception, so that nothing takes it for a mistake of the file."""


class _EndedError(Exception):
    """The process has ended, or had to be ended: its arguments are how, and a location or None."""


@dataclass
class File:
    """A file to grade, and how.

    Args:
        path: The file, a Python file or a notebook.
        class_name: The name of the class in it.
        seconds: The time limit for all concepts together.
        sandbox: "bubblewrap" or "none".
        cells: The names and the texts of a notebook's cells; None for a Python file.
        texts: The texts of all that is run, by the names that Python has for them.
    """

    path: Path
    class_name: str
    seconds: float
    sandbox: str
    cells: list[tuple[str, str]] | None = field(init=False)
    texts: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.path = self.path.resolve()
        self.cells = read_cells(self.path) if is_notebook(self.path) else None
        text = self.path.read_text(encoding="utf-8", errors="replace")
        self.texts = {str(self.path): text} if self.cells is None else dict(self.cells)


def grade_in_a_process(file: File, concepts: Sequence[Concept], seed: int) -> Grade:
    """The grade of a class in a file."""
    start = time.monotonic()
    problem, location, results = "", None, dict[str, Result]()
    with TemporaryDirectory(prefix="tinygrad-edu-grade-", ignore_cleanup_errors=True) as folder:
        runner = FileRunner(file, Path(folder), start + file.seconds)
        try:
            runner.start()
            examiner = Examiner(runner, min(SECONDS, file.seconds / 3), seed)
            for concept in concepts:
                results[concept.name] = examiner.examine(concept)
        except LoadError as error:
            problem, location = error.args
        except OutOfTimeError:
            pass
        finally:
            runner.close()
    reason = "" if problem else f"the time limit of {file.seconds:g} s for all concepts was reached"
    return Grade(
        file=clean_text(file.path.name),
        class_name=clean_text(file.class_name),
        results=tuple(results.get(c.name, Result(c.name, NOT_RUN, reason=reason)) for c in concepts),
        seconds=time.monotonic() - start,
        problem=problem,
        location=location,
        notes=runner.notes,
        printed=clean_lines(bytes(runner.printed).decode("utf-8", errors="replace")).strip("\n"),
        seed=seed,
        sandbox=file.sandbox,
    )


class FileRunner:
    """Runs programs on the class in a file. If its process ends, the next program runs in a new one."""

    def __init__(self, file: File, folder: Path, deadline: float):
        self.file, self.folder, self.deadline = file, folder, deadline
        self.methods, self.notes = set[str](), tuple[str, ...]()
        self.printed = bytearray()
        self.process: _Process | None = None

    def start(self) -> None:
        """Starts the process, and has it import the file.

        Raises:
            LoadError: The file cannot be imported.
        """
        left = self.deadline - time.monotonic()
        request = {
            "path": str(self.file.path),
            "cells": self.file.cells,
            "class": self.file.class_name,
            "methods": METHODS,
            "cpu": int(max(left, 0)) + 10,
        }
        self.process = _Process(self.file, self.folder, self.printed)
        try:
            answer = self.process.ask(request, max(left, 0.001))
            methods = answer.get("methods")
            if isinstance(methods, list):
                self.methods, self.notes = {str(name) for name in methods}, self._write_notes(answer)
                return
            raise LoadError(*self._describe_problem(answer))
        except _EndedError as error:
            end, location = error.args
        except (TypeError, ValueError):
            end, location = _NO_ANSWER, None
        raise LoadError(f"The file could not be imported: {end}.", location)

    def _write_notes(self, answer: dict[str, Any]) -> tuple[str, ...]:
        refused, failed, notes = answer.get("refused"), answer.get("failed"), list[str]()
        if not isinstance(refused, list) or not isinstance(failed, list):
            raise TypeError("engines that were refused, and cells that failed, are lists")
        if refused:
            asked = quote_list(sorted({str(name)[:60] for name in refused[:20]}))
            notes.append(f"the file asked for {clean_text(asked)}, which is not there while an engine is graded")
        cells = [name for name, _ in self.file.cells or () if name in failed]
        if cells:
            notes.append(f"{cells[0]} failed with {Answer.from_keys(answer).error[:200]}")
        if cells[1:]:
            notes.append(f"of the cells below it, these failed, too: {quote_list(cells[1:])}")
        return tuple(notes)

    def _describe_problem(self, answer: dict[str, Any]) -> tuple[str, Location | None]:
        name, classes = clean_text(self.file.path.name), answer.get("classes")
        if isinstance(classes, list):
            choice = quote_list([str(c)[:60] for c in classes[:20]])
            others = f"It has {choice}: choose with --class." if classes else "It has no class at all."
            return clean_text(f"There is no class {self.file.class_name!r} in {name}. {others}"), None
        found = Answer.from_keys(answer)
        if "SystemExit" in found.kinds:
            way_out = "put code that is not for an import below: if __name__ == '__main__':"
            return f"Importing {name} ended with {found.error}; {way_out}", found.location
        return f"Importing {name} failed with {found.error}", found.location

    def run(self, program: str, seconds: float, methods: dict[str, str] | None = None) -> Answer:
        """Runs a program.

        Raises:
            OutOfTimeError: The time for all concepts is over.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutOfTimeError
        try:
            if not self.process:
                self.start()
            assert self.process
            keys = self.process.ask({"program": program, "replace": methods or {}}, min(max(seconds, 0.001), left))
            return Answer.from_keys(keys)
        except (_EndedError, LoadError) as error:
            end, location = error.args
        except (TypeError, ValueError):
            end, location = _NO_ANSWER, None
        self.close()
        if time.monotonic() >= self.deadline:
            raise OutOfTimeError
        is_slow = end == _STILL_RUNNING
        return Answer([], (TIME_LIMIT if is_slow else ENDED,), end, location)

    def close(self) -> None:
        """Ends the process, and all that it has started."""
        if self.process:
            self.process.close()
            self.process = None


_NO_ANSWER = "its process answered with something else than numbers"
_STILL_RUNNING = "it was still running at the time limit"


class _Process:
    """A process with the worker, and the pipes to it."""

    def __init__(self, file: File, folder: Path, printed: bytearray):
        self.file = file
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        self.popen = subprocess.Popen(
            _make_command(file),
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.printed, self.has_printed_too_much = printed, False
        self.answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._read_answers, self._read_output)]
        for thread in self.threads:
            thread.start()

    def _read_answers(self) -> None:
        """Puts the lines of the answers in the queue; an empty one when there are no more."""
        assert self.popen.stdout
        while line := self.popen.stdout.readline(_MAX_ANSWER):
            self.answers.put(line)
            if self.answers.qsize() > _MAX_WAITING:
                self._kill()
                break
        self.answers.put(b"")

    def _read_output(self) -> None:
        """Keeps the beginning of what the file prints, and ends the process if it is too much."""
        assert self.popen.stderr
        n = 0
        while block := self.popen.stderr.read1(65536):  # type: ignore[attr-defined]
            self.printed += block[: max(_MAX_PRINTED - len(self.printed), 0)]
            n += len(block)
            if n > _worker.OUTPUT:
                self.has_printed_too_much = True
                self._kill()
                break

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Sends a request, and returns the answer.

        Raises:
            _EndedError: There is none: the process has ended, or it takes too long, or it does not stick to the rules.
        """
        number = secrets.token_hex(8)  # nothing that was written before can be the answer
        if not self.answers.empty() and self.popen.poll() is None:
            raise _EndedError(_NO_ANSWER, None)
        assert self.popen.stdin
        with suppress(OSError):  # it has ended
            self.popen.stdin.write(json.dumps({"id": number, "seconds": seconds, **request}).encode() + b"\n")
            self.popen.stdin.flush()
        try:
            line = self.answers.get(timeout=seconds + _GRACE)
        except queue.Empty:
            raise _EndedError(_STILL_RUNNING, None) from None
        if not line:
            raise _EndedError(self._describe_end(), None)
        if line.startswith(b"Timeout ("):  # as faulthandler begins
            raise _EndedError(_STILL_RUNNING, self._read_location())
        try:
            answer = json.loads(line)
            if answer.pop("id") == number:
                return dict(answer)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        raise _EndedError(_NO_ANSWER, None)

    def _read_location(self) -> Location | None:
        """The line that ran when the time was over: the last one of the file, in what faulthandler has written."""
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            with suppress(queue.Empty):
                line = self.answers.get(timeout=_GRACE)
                found = re.fullmatch(rb'  File "(.+)", line (\d+) in .*\n', line)
                if not line:
                    break
                if found and (name := os.fsdecode(found[1])) in self.file.texts:
                    number = int(found[2])
                    code = self.file.texts[name].splitlines()[number - 1 : number]
                    return read_place({"file": name, "line": number, "code": "".join(code).strip()})
        return None

    def _describe_end(self) -> str:
        try:
            code = self.popen.wait(2 * _GRACE)
        except subprocess.TimeoutExpired:
            return "its process has closed the pipe for its answers"
        if self.has_printed_too_much:
            return f"it printed more than {_worker.OUTPUT >> 20} MiB"
        if code == _worker.MEMORY_EXIT:
            return f"its processes took more than {_worker.MEMORY >> 30} GiB of memory together"
        if code == _worker.PROCESSES_EXIT:
            return f"it started more than {_worker.PROCESSES} processes"
        number = -code if code < 0 else code - 128
        try:
            name = signal.Signals(number).name
        except ValueError:
            return f"it ended the process, with exit code {code}"
        cause = ": the usual cause is a recursion that is too deep" if name == "SIGSEGV" else ""
        return f"the process was ended by {name}{cause}"

    def close(self) -> None:
        """Ends the process. On Linux its guard ends all that it has started, elsewhere that is its process group."""
        assert self.popen.stdin
        with suppress(OSError):
            self.popen.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(_GRACE)
        self._kill()
        self.popen.wait()
        for thread in self.threads:
            thread.join(_GRACE)
        for thread, pipe in zip(self.threads, (self.popen.stdout, self.popen.stderr)):
            if pipe and not thread.is_alive():
                pipe.close()

    def _kill(self) -> None:
        with suppress(OSError):
            os.killpg(self.popen.pid, signal.SIGKILL) if hasattr(os, "killpg") else self.popen.kill()


# ---- the command -----------------------------------------------------------------------------------------------------
def choose_sandbox(name: str) -> str:
    """What keeps a file apart: "bubblewrap" or "none".

    Raises:
        ValueError: The name is none of `SANDBOXES`, or there is no bubblewrap that works.
    """
    if name not in SANDBOXES:
        raise ValueError(f"the sandbox is one of {', '.join(SANDBOXES)}, not {name!r}")
    if name == "none" or _has_bubblewrap():
        return "none" if name == "none" else "bubblewrap"
    if name == "bubblewrap":
        raise ValueError(
            "bubblewrap is not there, or may not make namespaces here: install bwrap, or use --sandbox none"
        )
    return "none"


@cache
def _has_bubblewrap() -> bool:
    if not shutil.which("bwrap"):
        return False
    command = [*_list_bubblewrap(Path(sys.executable).parent), sys.executable, "-I", "-c", ""]
    return subprocess.run(command, capture_output=True).returncode == 0


def _list_bubblewrap(folder: Path) -> list[str]:
    """The command that runs another one without a network, and where only /tmp can be written to.

    What is in /tmp, in /run, and in the user's home is hidden, except Python and the folder of the file; and so is this
    package.
    """
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/"]
    command += ["--dev", "/dev", "--proc", "/proc"]
    hidden = [Path("/tmp"), Path("/run"), Path.home()]
    for path in dict.fromkeys(hidden):
        command += ["--size", str(_worker.OUTPUT), "--tmpfs", str(path)] if path != Path("/") else []
    for path in dict.fromkeys([Path(sys.base_prefix), Path(sys.prefix)]):
        command += ["--ro-bind", str(path), str(path)]
    command += ["--tmpfs", str(_PACKAGE), "--ro-bind", str(folder), str(folder), "--chdir", "/tmp"]
    return [*command, "--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp", "--"]


def _make_command(file: File) -> list[str]:
    """The command that starts the worker: its text, in a Python that writes no .pyc files.

    Without -P, the working folder would be where Python looks for modules first.
    """
    folder = file.path.parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    sandbox = _list_bubblewrap(folder) if file.sandbox == "bubblewrap" else []
    return [*sandbox, sys.executable, "-B", "-P", "-s", "-X", "faulthandler", "-c", _read_worker()]


@cache
def _read_worker() -> str:
    return Path(_worker.__file__).read_text(encoding="utf-8")
