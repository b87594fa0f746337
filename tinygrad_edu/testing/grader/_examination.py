"""Examines one concept of one engine: runs its programs there and on our own engine, and compares what they show.

The examined class may do anything: raise, or run forever. The outcome is always a `Result`. Where the operating system
has timers, a program that does not end is interrupted, and its line is named. A program that cannot be interrupted is
left to `_isolation.py`, which runs all of this in a process that it can end.
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
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

from tinygrad_edu._validate import to_float
from tinygrad_edu.engine import Value
from tinygrad_edu.ops import ADD, CONSTANT, DIV, MUL, NEG, SUB, power
from tinygrad_edu.rules import OPS, Op

from .concepts import CONCEPTS, REFUSALS, Concept
from .grades import MISSING, NOT_RUN, PASSED, WRONG, Location, Result, make_printable

SECONDS = 5.0  # for one concept: our own engine needs less than 0.5 for the slowest one
EXPRESSIONS = 150  # to generate from all operations; before that, a tenth of it for each single operation
_PROGRAM = "<program of the grader>"
_OUR_FOLDER = Path(__file__).parent.parent

# the operations of generated expressions: each is used if its own concept passes
_OPERATIONS: dict[str, list[Op]] = {
    "addition": [ADD],
    "multiplication": [MUL],
    "negation": [NEG],
    "subtraction": [SUB],
    "division": [DIV],
    "power": [power(2), power(3), power(-1)],
    **{concept.name: [OPS[concept.name]] for concept in CONCEPTS if concept.name in OPS},
}
_REFLECTED = {
    ADD: "reflected-addition",
    MUL: "reflected-multiplication",
    SUB: "reflected-subtraction",
    DIV: "reflected-division",
}


class TimeLimitError(BaseException):
    """A program has run too long. It is no Exception, as the examined class may catch those."""


def examine(
    concept: Concept, value_class: type, *, seconds: float = SECONDS, watch: Callable[[str], object] | None = None
) -> Result:
    """Examines one concept of a class that has micrograd's interface.

    Args:
        concept: The concept, one of `CONCEPTS`.
        value_class: The class to examine.
        seconds: A time limit for all programs of the concept, in the main thread where there are timers (not on
            Windows).
        watch: Is called with each program before it runs.

    Returns:
        The result, whatever the class does.

    Example:
        >>> from tinygrad_edu import Value
        >>> examine(CONCEPTS[0], Value).status
        'passed'
    """
    start = time.monotonic()
    lacking = [name for name in concept.needs if not _has_method(value_class, name)]
    if lacking:
        return Result(concept.name, MISSING, reason=f"the class has no method {lacking[0]}")
    if concept.generated and not find_spec("hypothesis"):
        return Result(concept.name, NOT_RUN, reason="it needs Hypothesis: pip install 'tinygrad-edu[test]'")
    examination = _Examination(concept, value_class, start + seconds, seconds, watch or (lambda program: None))
    failed = _search_expression(examination) if concept.generated else _run_programs(examination)
    return replace(failed or Result(concept.name, PASSED), seconds=time.monotonic() - start)


def _run_programs(examination: "_Examination") -> Result | None:
    """The result of the first program that fails."""
    concept = examination.concept
    for program in concept.programs:
        if ".backward()" in program and not _has_method(examination.value_class, "backward"):
            return Result(concept.name, MISSING, reason="the class has no method backward")
        result = examination.compare(program, rel_tol=1e-9, abs_tol=1e-12)
        if result:
            return result
    return None


def _search_expression(examination: "_Examination") -> Result | None:
    """The result of the smallest expression whose numbers differ, if Hypothesis finds one."""
    import hypothesis

    from tinygrad_edu.testing import strategies

    value_class, seconds, watch = examination.value_class, examination.seconds, examination.watch
    names = {*_OPERATIONS, *_REFLECTED.values()}
    examined = [examine(c, value_class, seconds=seconds, watch=watch) for c in CONCEPTS if c.name in names]
    working = {result.name for result in examined if result.passed}
    ops = [op for name, its_ops in _OPERATIONS.items() if name in working for op in its_ops]
    if not ops:
        reason = "no operation has passed, so there is nothing to make expressions of"
        return Result(examination.concept.name, MISSING, reason=reason)
    not_reflected = {op for op, name in _REFLECTED.items() if name not in working}
    failures: dict[str, Result] = {}
    until = time.thread_time() + seconds  # time of this thread: the result does not depend on other programs

    def differs(f: Any) -> bool:
        if time.thread_time() > until:
            raise TimeLimitError
        if any(step.op in not_reflected and f.tape.ops[step.inputs[0]] is CONSTANT for step in f.steps):
            return False
        names = f.names
        gradients = [f"{name}.grad" for name in names[: len(f.inputs)]]
        program = "\n".join([f.source(""), f"{names[-1]}.data", *gradients])
        examination.deadline = time.monotonic() + seconds
        result = failures.get(program) or examination.compare(program, rel_tol=1e-6, abs_tol=1e-7)
        if result:
            failures[program] = result
        if time.monotonic() > examination.deadline:
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


@dataclass
class _Examination:
    """One concept of one class, with the deadline of its programs."""

    concept: Concept
    value_class: type
    deadline: float
    seconds: float
    watch: Callable[[str], object]

    def compare(self, program: str, **tolerance: float) -> Result | None:
        """The result if the program fails; None if it shows the numbers of our own engine."""
        expected = _run_on_our_engine(program)
        self.watch(program)
        shown = _run_program(program, self.value_class)
        failed = Result(self.concept.name, WRONG, program=program)
        try:
            with _interrupt_after(self.deadline - time.monotonic()):
                for (expression, right), (_, got) in zip(expected, shown):
                    if not _is_close(right, got, **tolerance):
                        return replace(failed, expression=expression, expected=_format(right), got=_format(got))
        except KeyboardInterrupt:
            raise
        except TimeLimitError as error:
            ended = f"it was still running after {self.seconds:g} s"
            return replace(failed, error=ended, location=self.locate(error))
        except BaseException as error:
            location = self.locate(error)
            if isinstance(error, NotImplementedError) or (self.concept.optional and isinstance(error, REFUSALS)):
                reason = f"the class refuses it: {describe_error(error)}"
                return replace(failed, status=MISSING, program="", reason=reason, location=location)
            return replace(failed, error=describe_error(error), location=location)
        return None

    def locate(self, error: BaseException) -> Location | None:
        """The line of an error in the folder of the class; without a folder, in no file of ours."""
        try:
            folder = Path(inspect.getfile(self.value_class)).resolve().parent
        except Exception:  # the class was made by exec, or in a notebook
            folder = None
        return locate_error(error, folder)


# ---- a program, and what it shows ------------------------------------------------------------------------------------
def _run_program(program: str, value_class: type) -> Iterator[tuple[str, Any]]:
    """Runs a program line by line, and yields the text and the value of each line that is an expression."""
    names: dict[str, Any] = {"Value": value_class}
    for text, code in _compile_lines(program):
        value = eval(code, names)  # None for a statement
        if text:
            yield text, value


@cache  # it runs on two engines
def _compile_lines(program: str) -> list[tuple[str, CodeType]]:
    """The code of each statement, and the text of those that are expressions to show."""
    lines = list[tuple[str, CodeType]]()
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.Expr):
            text = ast.get_source_segment(program, statement) or ""
            code = compile(ast.Expression(statement.value), _PROGRAM, "eval")
            lines.append(("" if text.endswith(".backward()") else text, code))
        else:
            lines.append(("", compile(ast.Module([statement], []), _PROGRAM, "exec")))
    return lines


@cache
def _run_on_our_engine(program: str) -> list[tuple[str, Any]]:
    return list(_run_program(program, Value))


def _is_close(right: Any, got: Any, **tolerance: float) -> bool:
    if isinstance(right, tuple):
        return all(_is_close(a, b, **tolerance) for a, b in zip(right, got))
    number = _as_float(got)
    return number is not None and math.isclose(right, number, **tolerance)


def _as_float(x: Any) -> float | None:
    """The float of a number; None for what is not a number, as a Value."""
    try:
        return to_float(x)
    except Exception:
        return None


def _format(x: Any) -> str:
    """A number as Python shows it; the type of anything else, as its repr may be wrong too."""
    if isinstance(x, tuple):
        return ", ".join(map(_format, x))
    if x is None or type(x) in (bool, int, float):
        return repr(x)
    number = _as_float(x)
    return f"a {type(x).__name__}, not a number" if number is None else repr(number)


def _has_method(value_class: type, method: str) -> bool:
    """Whether the class has the method, and not only from `object`."""
    try:
        found = getattr(value_class, method, None)
    except Exception:  # raised by a metaclass
        return False
    return found is not None and found is not getattr(object, method, None)


# ---- errors and time -------------------------------------------------------------------------------------------------
def describe_error(error: BaseException) -> str:
    """The type and the message of an error, in one printable line."""
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = "(its message cannot be shown)"
    return make_printable(f"{name}: {message[:200]}" if message else name)


def locate_error(error: BaseException, folder: Path | None) -> Location | None:
    """The last line of the traceback in a file of that folder; without a folder, in a file that is not ours."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Location(Path(error.filename).name, error.lineno, make_printable((error.text or "").strip()))
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if folder:
        frames = [(file, line) for file, line in frames if Path(file).resolve().parent == folder]
    else:
        frames = [(f, n) for f, n in frames if f != _PROGRAM and _OUR_FOLDER not in Path(f).parents]
    if not frames:
        return None
    is_deep = isinstance(error, RecursionError)  # then the line that is repeated counts, not the last one
    file, line = Counter(frames).most_common(1)[0][0] if is_deep else frames[-1]
    return Location(Path(file).name, line, make_printable(linecache.getline(file, line).strip()))


@contextmanager
def _interrupt_after(seconds: float) -> Iterator[None]:
    """Raises `TimeLimitError` in the block when the time is over, if there are timers."""
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
        signal.setitimer(signal.ITIMER_REAL, *timer)  # of another program, as a test runner
        signal.signal(signal.SIGALRM, handler)
