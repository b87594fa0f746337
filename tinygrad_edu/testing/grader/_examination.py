"""Examines one concept of one engine: runs its programs there and on our own engine, and compares what they show.

The class that is examined may do anything, also raise or run forever: whatever comes of it becomes a `Result`. Where
the operating system has timers, a program that does not end is interrupted, and the line is named where it was; what
cannot be interrupted is left to `_isolation.py`, which runs all this in a process that it can end.
"""

import ast
import inspect
import linecache
import math
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import Op, find

from .concepts import CONCEPTS, REFUSALS, Concept
from .grades import MISSING, NOT_RUN, PASSED, WRONG, Place, Result, printable

SECONDS = 5.0  # a concept may take: our own engine needs less than 0.5 for the slowest one
EXPRESSIONS = 150  # to generate, and a tenth of it for each operation by itself before
_PROGRAM = "<program of the grader>"
_OUR_FOLDER = Path(__file__).parent.parent

# the operations that generated expressions are made of, each where its own concept passes
_OPERATIONS: dict[str, list[Op]] = {
    "addition": [find("add")],
    "multiplication": [find("mul")],
    "negation": [find("neg")],
    "subtraction": [find("sub")],
    "division": [find("div")],
    "power": [find("power", 2), find("power", 3), find("power", -1)],
    "relu": [find("relu")],
    "tanh": [find("tanh")],
    "exp": [find("exp")],
    "log": [find("log")],
}
_REFLECTED = {
    "add": "reflected-addition",
    "mul": "reflected-multiplication",
    "sub": "reflected-subtraction",
    "div": "reflected-division",
}


class TimeLimitError(BaseException):
    """Raised in a program that has run too long; not an Exception, which the examined class may catch."""


def examine(
    concept: Concept, value_class: type, *, seconds: float = SECONDS, watch: Callable[[str], object] | None = None
) -> Result:
    """The result for one concept of a class that has micrograd's interface.

    `seconds` is a time limit for all its programs, kept where there are timers (not on Windows) and in the main thread
    alone; `watch` is called with each program before it runs.

    >>> from tinygrad_edu import Value
    >>> examine(CONCEPTS[0], Value).status
    'passed'
    """
    start = time.monotonic()
    lacking = [name for name in concept.needs if not _has(value_class, name)]
    if lacking:
        return Result(concept.name, MISSING, reason=f"the class has no method {lacking[0]}")
    if concept.generated and not find_spec("hypothesis"):
        return Result(concept.name, NOT_RUN, reason="it needs Hypothesis: pip install 'tinygrad-edu[test]'")
    run = _Run(value_class, start + seconds, seconds, watch or (lambda program: None))
    found = _generated(concept, run) if concept.generated else _first_that_fails(concept, run)
    return replace(found or Result(concept.name, PASSED), seconds=time.monotonic() - start)


def _first_that_fails(concept: Concept, run: "_Run") -> Result | None:
    for program in concept.programs:
        if ".backward()" in program and not _has(run.value_class, "backward"):
            return Result(concept.name, MISSING, reason="the class has no method backward")
        result = run.compared(concept, program, rel_tol=1e-9, abs_tol=1e-12)
        if result:
            return result
    return None


def _generated(concept: Concept, run: "_Run") -> Result | None:
    """Hypothesis looks for an expression whose numbers differ, and shrinks it to the smallest."""
    import hypothesis

    from tinygrad_edu.testing import strategies

    names = {*_OPERATIONS, *_REFLECTED.values()}
    examined = [examine(c, run.value_class, seconds=run.seconds, watch=run.watch) for c in CONCEPTS if c.name in names]
    working = {result.name for result in examined if result.passed}
    ops = [op for name, its_ops in _OPERATIONS.items() if name in working for op in its_ops]
    if not ops:
        return Result(concept.name, MISSING, reason="no operation has passed, of which to make expressions")
    not_reflected = {op for op, name in _REFLECTED.items() if name not in working}
    failures: dict[str, Result] = {}
    until = time.thread_time() + run.seconds  # of computing: what is found does not depend on who else computes

    def differs(f: Any) -> bool:
        if time.thread_time() > until:
            raise TimeLimitError
        if any(step.op.name in not_reflected and f.tape.ops[step.inputs[0]] is CONSTANT for step in f.steps):
            return False
        names = f.names
        gradients = [f"{name}.grad" for name in names[: len(f.inputs)]]
        program = "\n".join([f.source(""), f"{names[-1]}.data", *gradients])
        run.deadline = time.monotonic() + run.seconds
        result = failures.get(program) or run.compared(concept, program, rel_tol=1e-6, abs_tol=1e-7)
        if result:
            failures[program] = result
        if time.monotonic() > run.deadline:
            raise TimeLimitError
        return bool(result)

    for kinds, examples in [*(([op], EXPRESSIONS // 10) for op in ops), (ops, EXPRESSIONS)]:
        with suppress(hypothesis.errors.NoSuchExample, TimeLimitError):
            hypothesis.find(
                strategies.expressions(ops=kinds),
                differs,
                settings=hypothesis.settings(
                    max_examples=examples,
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
                    suppress_health_check=list(hypothesis.HealthCheck),
                ),
            )
        if failures:
            break
    smallest = min(failures, key=lambda program: (program.count("\n"), len(program)), default=None)
    return failures[smallest] if smallest else None


class _Run:
    """The programs of one concept on one class, up to a common deadline."""

    def __init__(self, value_class: type, deadline: float, seconds: float, watch: Callable[[str], object]) -> None:
        self.value_class, self.deadline, self.seconds, self.watch = value_class, deadline, seconds, watch

    def compared(self, concept: Concept, program: str, **tolerance: float) -> Result | None:
        """The result if the program fails; nothing if it shows what it should."""
        expected = _expected(program)
        self.watch(program)
        shown = _shown(program, self.value_class)
        failed = Result(concept.name, WRONG, program=program)
        try:
            with _interrupted_after(self.deadline - time.monotonic()):
                for (expression, right), (_, got) in zip(expected, shown):
                    if not _same(right, got, **tolerance):
                        return replace(failed, expression=expression, expected=_text(right), got=_text(got))
        except KeyboardInterrupt:
            raise
        except TimeLimitError as error:
            ended = f"it was still running after {self.seconds:g} s"
            return replace(failed, error=ended, place=_place(error, self.value_class))
        except BaseException as error:
            place = _place(error, self.value_class)
            if isinstance(error, NotImplementedError) or (concept.optional and isinstance(error, REFUSALS)):
                reason = f"the class refuses it: {described(error)}"
                return replace(failed, status=MISSING, program="", reason=reason, place=place)
            return replace(failed, error=described(error), place=place)
        return None


# ---- a program, and what it shows ------------------------------------------------------------------------------------
def _shown(program: str, value_class: type) -> Iterator[tuple[str, Any]]:
    """Runs a program line by line; of each line that is an expression, its text and its value."""
    names: dict[str, Any] = {"Value": value_class}
    for statement in ast.parse(program).body:
        text = ast.get_source_segment(program, statement) or ""
        if isinstance(statement, ast.Expr) and not text.endswith(".backward()"):
            yield text, eval(compile(ast.Expression(statement.value), _PROGRAM, "eval"), names)
        else:
            exec(compile(ast.Module([statement], []), _PROGRAM, "exec"), names)


@cache
def _expected(program: str) -> list[tuple[str, Any]]:
    return list(_shown(program, Value))


def _same(right: Any, got: Any, **tolerance: float) -> bool:
    if isinstance(right, tuple):
        return all(_same(a, b, **tolerance) for a, b in zip(right, got))
    number = _number(got)
    return number is not None and math.isclose(right, number, **tolerance)


def _number(x: Any) -> float | None:
    """The float of a number; nothing for whatever is none, as a Value or None."""
    try:
        return to_float(x)
    except Exception:
        return None


def _text(x: Any) -> str:
    """A number as Python shows it; of anything else the type alone, for its repr may be part of the trouble."""
    if isinstance(x, tuple):
        return ", ".join(map(_text, x))
    if x is None or type(x) in (bool, int, float):
        return repr(x)
    number = _number(x)
    return f"a {type(x).__name__}, no number" if number is None else repr(number)


def _has(value_class: type, method: str) -> bool:
    """Whether the class has the method itself, not only from `object`."""
    try:
        found = getattr(value_class, method, None)
    except Exception:  # of a metaclass
        return False
    return found is not None and found is not getattr(object, method, None)


# ---- errors and time -------------------------------------------------------------------------------------------------
def described(error: BaseException) -> str:
    """The type and the message of an error, in one printable line."""
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = "(its message cannot be shown)"
    return printable(f"{name}: {message[:200]}" if message else name)


def _place(error: BaseException, value_class: type) -> Place | None:
    try:
        home = Path(inspect.getfile(value_class)).resolve().parent
    except Exception:  # made by exec, or in a notebook
        home = None
    return place_of(error, home)


def place_of(error: BaseException, home: Path | None) -> Place | None:
    """The last line of the traceback that stands in a file of that folder; without one, in none of our own files."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Place(Path(error.filename).name, error.lineno, printable((error.text or "").strip()))
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if home:
        frames = [(file, line) for file, line in frames if Path(file).resolve().parent == home]
    else:
        frames = [(f, n) for f, n in frames if f != _PROGRAM and _OUR_FOLDER not in Path(f).parents]
    if not frames:
        return None
    deep = isinstance(error, RecursionError)  # then it is the call that repeats, not where it happened to end
    file, line = Counter(frames).most_common(1)[0][0] if deep else frames[-1]
    return Place(Path(file).name, line, printable(linecache.getline(file, line).strip()))


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raises `TimeLimitError` in the block when the time is over, where there are timers."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TimeLimitError

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)  # somebody else's, as a test runner's
        signal.signal(signal.SIGALRM, handler)
