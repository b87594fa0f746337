"""Runs programs on a class, and says which numbers they show. It knows of nothing that is right.

This file is the program of the process that holds a student's file, and imports the standard library alone: the text of
this file is handed to a new interpreter by `_isolation.py`. It reads requests from standard input, and writes an answer
to each to standard output, as lines of JSON. The expected numbers, the comparison and the verdict are left to
`_examination.py`, in the process that grades. There `run_program` also runs the programs on our own engine, and on a
class that is examined in the same process.
"""

import ast
import faulthandler
import importlib
import importlib.abc
import json
import linecache
import operator
import os
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

MEMORY, OUTPUT, PROCESSES = 4 * 2**30, 64 * 2**20, 64  # bytes of all processes, bytes of a file, and how many processes
MEMORY_EXIT, PROCESSES_EXIT = 101, 102  # exit codes of the guard
REFUSED = ("autograd", "jax", "micrograd", "tensorflow", "tinygrad", "tinygrad_edu", "torch")  # engines of others
_PROGRAM = "<program of the grader>"


# ---- a program, and what it shows ------------------------------------------------------------------------------------
def run_program(program: str, value_class: type, shown: list[Any]) -> None:
    """Runs a program line by line, and appends to `shown` the value of each line that is an expression.

    Args:
        program: Statements and expressions; `Value` is the class.
        value_class: The class.
        shown: Gets the values, as `make_plain` makes them; it has those before an error, too.
    """
    names: dict[str, Any] = {"Value": value_class}
    for text, code in compile_lines(program):
        value = eval(code, names)  # None for a statement
        if text:
            shown.append(make_plain(value))


@lru_cache(maxsize=1024)  # it runs on several engines
def compile_lines(program: str) -> list[tuple[str, CodeType]]:
    """The code of each statement, with the text of those that are expressions to show."""
    lines = list[tuple[str, CodeType]]()
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.Expr):
            text = ast.get_source_segment(program, statement) or ""
            code = compile(ast.Expression(statement.value), _PROGRAM, "eval")
            lines.append(("" if text.endswith(".backward()") else text, code))
        else:
            lines.append(("", compile(ast.Module([statement], []), _PROGRAM, "exec")))
    return lines


def make_plain(x: Any) -> Any:
    """A number, None, or a list of them for a tuple; for anything else its type, as its repr may be wrong, too."""
    if isinstance(x, tuple):
        return [make_plain(y) for y in x]
    if x is None or type(x) in (bool, float):
        return x
    with suppress(Exception):
        if isinstance(x, (int, float)):
            return x if type(x) is int and abs(x) < 2**63 else float(x)
        if getattr(x, "shape", None) == () and hasattr(x, "item"):  # a number of NumPy
            return float(x.item())
        if hasattr(type(x), "__index__") and not hasattr(x, "shape"):
            return operator.index(x)
    return {"type": str(type(x).__name__)[:60]}


def list_methods(value_class: type, names: list[str]) -> list[str]:
    """Those of the names that are methods of the class, and not only of `object`."""
    found = []
    for name in names:
        with suppress(Exception):  # raised by a metaclass
            method = getattr(value_class, name, None)
            if method is not None and method is not getattr(object, name, None):
                found.append(name)
    return found


# ---- errors ----------------------------------------------------------------------------------------------------------
def describe_error(error: BaseException, is_theirs: Callable[[str], bool]) -> dict[str, Any]:
    """The keys of an error in an answer: its type with those it derives from, its message, and its place.

    Args:
        error: What was raised.
        is_theirs: Whether a line in the file of that name belongs to the examined code.
    """
    try:
        message = str(error)[:200]
    except Exception:
        message = "(its message cannot be shown)"
    kinds = [kind.__name__[:60] for kind in type.mro(type(error))[:10]]
    return {"kinds": kinds, "message": message, **_locate_error(error, is_theirs)}


def _locate_error(error: BaseException, is_theirs: Callable[[str], bool]) -> dict[str, Any]:
    """The last line of the traceback that is theirs; of a recursion, the line that is repeated."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return {"file": error.filename, "line": error.lineno, "code": (error.text or "").strip()[:200]}
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    frames = [(file, line) for file, line in frames if file != _PROGRAM and is_theirs(file)]
    if not frames:
        return {}
    file, line = Counter(frames).most_common(1)[0][0] if isinstance(error, RecursionError) else frames[-1]
    return {"file": file, "line": line, "code": linecache.getline(file, line).strip()[:200]}


# ---- the file of a student -------------------------------------------------------------------------------------------
class _NoSuchClassError(Exception):
    """Its arguments are the classes that there are."""


class _Shell:
    """Stands where IPython has its shell: whatever it is asked to do, it does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class _Refusal(importlib.abc.MetaPathFinder):
    """Refuses to import engines of others."""

    def __init__(self, names: set[str]) -> None:
        self.names, self.asked = names, list[str]()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Raises `ImportError` for an engine of others."""
        if fullname in self.names:
            self.asked.append(fullname)
            way_out = "what only a training loop or a check needs belongs below if __name__ == '__main__':"
            raise ImportError(f"{fullname} cannot be imported while an engine is graded; {way_out}")


def _load(
    path: Path, cells: list[tuple[str, str]] | None, class_name: str
) -> tuple[type, list[str], dict[str, BaseException]]:
    """The class of that name, the engines of others that its file has asked for, and the errors of cells.

    The file may import files beside it, and may be a module of a package. A notebook comes as its cells: their names
    and their texts. Its class is the one that is there after all cells, whichever of them failed; if it is not there,
    the first error is raised.
    """
    root, name = path.parent, path.stem
    while (root / "__init__.py").exists():
        root, name = root.parent, f"{root.name}.{name}"
    refusal = _Refusal({*REFUSED} - {name.partition(".")[0]})
    sys.meta_path.insert(0, refusal)
    sys.argv, sys.path[:0] = [str(path)], [str(path.parent), str(root)]
    errors = dict[str, BaseException]()
    if root != path.parent and cells is None:
        module = importlib.import_module(name)
    else:
        is_taken = name in {*sys.stdlib_module_names, *sys.modules}
        loader = SourceFileLoader(f"graded_{name}" if is_taken else name, str(path))
        module = sys.modules[loader.name] = ModuleType(loader.name)
        module.__file__ = str(path)
        if cells is None:
            loader.exec_module(module)
        else:
            vars(module).update(display=lambda *objects, **options: print(*objects), get_ipython=_Shell)
        for cell, text in cells or ():
            linecache.cache[cell] = (len(text), None, text.splitlines(keepends=True), cell)
            try:
                exec(compile(text, cell, "exec"), vars(module))
            except BaseException as error:  # a lecture may show an error, and complete the class below
                errors[cell] = error
    found = getattr(module, class_name, None)
    if isinstance(found, type):
        return found, refusal.asked, errors
    for first in errors.values():
        raise first
    classes = [key for key, x in vars(module).items() if isinstance(x, type) and x.__module__ == module.__name__]
    raise _NoSuchClassError(*classes[:20])


@contextmanager
def _replace_methods(value_class: type, methods: dict[str, str]) -> Iterator[None]:
    """Gives the class other methods for a while, to see whether what is wrong comes from its own."""
    before = {name: vars(value_class)[name] for name in methods if name in vars(value_class)}
    try:
        for name, text in methods.items():
            setattr(value_class, name, eval(text))
        yield
    finally:
        for name in methods:
            if name in before:
                setattr(value_class, name, before[name])
            else:
                delattr(value_class, name)


class _Worker:
    """Answers requests: first to load a file, then to run programs."""

    def __init__(self) -> None:
        self.value_class: type = object
        self.folder = Path()

    def is_theirs(self, file: str) -> bool:
        return file.startswith("cell ") or Path(file).parent in (self.folder, self.folder.resolve())

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        path = Path(request["path"])
        self.folder = path.parent
        try:
            self.value_class, refused, errors = _load(path, request["cells"], request["class"])
        except _NoSuchClassError as error:
            return {"classes": list(error.args)}
        except BaseException as error:
            return describe_error(error, self.is_theirs)
        answer = {"methods": list_methods(self.value_class, request["methods"]), "refused": refused}
        first = [describe_error(error, self.is_theirs) for error in [*errors.values()][:1]]
        return {**answer, "failed": [*errors], **(first[0] if first else {})}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        shown: list[Any] = []
        try:
            with _replace_methods(self.value_class, request["replace"]):
                run_program(request["program"], self.value_class, shown)
        except BaseException as error:
            return {"shown": shown, **describe_error(error, self.is_theirs)}
        return {"shown": shown}


def main() -> None:
    """Answers requests until there are no more. What the student's file prints goes to standard error."""
    if sys.platform == "linux":
        _start_guard()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    worker = _Worker()
    for line in requests:
        request = json.loads(line)
        if "cpu" in request:
            _set_limits(request["cpu"])
        faulthandler.dump_traceback_later(request["seconds"], exit=True, file=answers)
        answer = worker.load(request) if "path" in request else worker.run(request)
        faulthandler.cancel_dump_traceback_later()
        with suppress(Exception):
            sys.stdout.flush()
        text = json.dumps({"id": request["id"], **answer}) + "\n"
        os.write(answers, text.encode())
    os._exit(0)  # without waiting for threads that the file may have started


# ---- limits ----------------------------------------------------------------------------------------------------------
def _set_limits(cpu_seconds: int) -> None:
    with suppress(ImportError):
        import resource

        limits = {"AS": MEMORY, "FSIZE": OUTPUT, "CPU": cpu_seconds, "CORE": 0}
        for name, limit in limits.items():
            with suppress(ValueError, OSError, AttributeError):  # a lower limit is set already, or the system has none
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def _start_guard() -> None:
    """Splits this process in two: the parent guards the child, which goes on and returns.

    Whatever the child starts is a descendant of the guard to its end, also a process that has left its session, or has
    lost its parent (PR_SET_CHILD_SUBREAPER). When the child ends, or the process that grades does, the guard ends them
    all. It also ends them if together they take too much memory, or are too many.
    """
    import ctypes

    PR_SET_CHILD_SUBREAPER = 36
    try:
        os.close(os.pidfd_open(os.getpid()))
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return  # a Linux before 5.3
    child = os.fork()
    if not child:
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # so that the other end sees when the last descendant has closed it
    os.dup2(nothing, 2)
    events = select.poll()
    events.register(os.pidfd_open(child), select.POLLIN)  # the child has ended
    events.register(0, 0)  # the other end is closed
    code = 0
    while not code and not events.poll(100):
        memory, processes = _measure_descendants()
        code = MEMORY_EXIT if memory > MEMORY else PROCESSES_EXIT if processes > PROCESSES else 0
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended and not code:
        code = os.waitstatus_to_exitcode(status)
    _end_descendants()
    os._exit(code if code >= 0 else 128 - code)  # as a shell says that a signal has ended a program


def _find_descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found, waiting = list[int](), [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _measure_descendants() -> tuple[int, int]:
    """How many bytes of memory the descendants take together, and how many they are."""
    pages, found = 0, _find_descendants()
    for pid in found:
        with suppress(OSError), open(f"/proc/{pid}/statm", "rb") as file:
            pages += int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(found)


def _end_descendants() -> None:
    """Ends all descendants, also those that are started meanwhile."""
    while found := _find_descendants():
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)


if __name__ == "__main__":
    main()
