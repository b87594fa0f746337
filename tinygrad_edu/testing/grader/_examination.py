"""Examines concepts: has programs run on an engine, compares the numbers with those of our own engine, and explains.

An `Examiner` holds all that decides: the programs, the expected numbers, the verdict. The examined class is behind a
runner, which returns an `Answer`: numbers, or an error. `LocalRunner` runs a class of this process; `_isolation.py` has
the runner for a file, in a process of its own. What an explanation says is found out by experiment: whether the numbers
are those of a well-known mistake (`_mistakes.py`), and whether other programs pass if one method is replaced.
"""

import inspect
import math
import os
import random
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from tinygrad_edu._display import clean_text
from tinygrad_edu._limits import TimeIsOverError, call_within
from tinygrad_edu.engine import Value
from tinygrad_edu.ops import ADD, CONSTANT, DIV, MUL, NEG, SUB, power
from tinygrad_edu.rules import OPS, Op

from ._mistakes import MISTAKES
from ._worker import compile_lines, describe_error, list_methods, run_program
from .concepts import CONCEPTS, REFUSALS, Concept
from .grades import MISSING, NOT_RUN, PASSED, WRONG, Location, Result

SECONDS = 5.0  # for one concept: our own engine needs less than 0.5 for the slowest one
EXPRESSIONS = 150  # to generate from all operations; before that, a tenth of it for each single operation
METHODS = sorted({"backward", *(name for concept in CONCEPTS for name in concept.needs)})
TIME_LIMIT, ENDED = "\0time limit", "\0ended"  # in place of the type of an error: no class can have such a name
_OUR_FOLDER = Path(__file__).parents[2]
_BY_NAME = {concept.name: concept for concept in CONCEPTS}
_NEAR = 1e-9  # how near a number must be to the right one
# a well-known mistake is named if it explains what all programs of these concepts show
_STRUCTURE = (
    "root-gradient addition multiplication chain-rule accumulation shared-nodes order unused-nodes equal-numbers "
    "separate-graphs gradients-add-up zeroing second-backward"
).split()
_NEEDED_BY = {"value": "Value(", "data-and-grad": ".grad", "root-gradient": ".backward()"}  # programs with this text
_TRAP = "replaced by the grader"  # raised by what stands in the place of a method, to see whether it is called

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
_IN_ERRORS = {  # how the error of Python names what a class lacks
    "__add__": "for +:",
    "__radd__": "for +:",
    "__mul__": "for *:",
    "__rmul__": "for *:",
    "__sub__": "for -:",
    "__rsub__": "for -:",
    "__truediv__": "for /:",
    "__rtruediv__": "for /:",
    "__pow__": "for ** or pow():",
    "__rpow__": "for ** or pow():",
    "__neg__": "for unary -:",
}


@dataclass(frozen=True)
class Answer:
    """What a program has shown.

    Args:
        shown: The values of its expressions, as `_worker.make_plain` makes them, up to the error.
        kinds: The name of the error's type, and of those it derives from; none if there was no error.
        message: The message of the error.
        location: The line of the examined file that raised it.
    """

    shown: list[Any]
    kinds: tuple[str, ...] = ()
    message: str = ""
    location: Location | None = None

    @staticmethod
    def from_keys(keys: dict[str, Any]) -> "Answer":
        """Reads what the worker has written, which may be anything.

        Raises:
            TypeError, ValueError, KeyError: It is no answer.
        """
        shown, kinds = keys.get("shown", []), keys.get("kinds", [])
        if not isinstance(shown, list) or not isinstance(kinds, list):
            raise TypeError("an answer consists of lists")
        if not all(_is_plain(y) for x in shown for y in (x if isinstance(x, list) else [x])):
            raise TypeError("an answer shows numbers")
        kinds = tuple(clean_text(str(kind))[:60] for kind in kinds[:10])
        return Answer(shown, kinds, clean_text(" ".join(str(keys.get("message", "")).split()))[:300], read_place(keys))

    @property
    def error(self) -> str:
        """The error, in one line."""
        if not self.kinds or self.kinds[0] in (TIME_LIMIT, ENDED):
            return self.message
        return f"{self.kinds[0]}: {self.message}" if self.message else self.kinds[0]


def _is_plain(x: Any) -> bool:
    return x is None or type(x) in (bool, int, float) or (isinstance(x, dict) and isinstance(x.get("type"), str))


def read_place(keys: dict[str, Any]) -> Location | None:
    """The location that the worker has written, if any."""
    file, line, code = keys.get("file"), keys.get("line"), keys.get("code")
    if not isinstance(file, str) or type(line) is not int:
        return None
    return Location(clean_text(Path(file).name[:200]), line, clean_text(str(code or "")[:200]))


class Runner(Protocol):
    """Runs programs on the examined class."""

    methods: set[str]

    def run(self, program: str, seconds: float, methods: dict[str, str] | None = None) -> Answer:
        """Runs a program; with `methods`, the class has these in place of its own."""


class LocalRunner:
    """Runs programs on a class in this process. It is for one's own class: such a class can do anything here."""

    def __init__(self, value_class: type):
        self.value_class, self.methods = value_class, set(list_methods(value_class, METHODS))
        try:
            self.folder: Path | None = Path(inspect.getfile(value_class)).resolve().parent
        except Exception:  # the class was made by exec, or in a notebook
            self.folder = None

    def run(self, program: str, seconds: float, methods: dict[str, str] | None = None) -> Answer:
        """Runs a program, in at most so many seconds. Other methods belong to a subclass: the class stays as it is."""
        shown: list[Any] = []
        try:
            value_class = self.value_class
            if methods:
                own = {name: eval(text) for name, text in methods.items()}
                value_class = type(value_class)(value_class.__name__, (value_class,), own)
            call_within(seconds, run_program, program, value_class, shown)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            answer = Answer.from_keys({"shown": shown, **describe_error(error, self._is_theirs)})
            return replace(answer, kinds=(TIME_LIMIT,)) if isinstance(error, TimeIsOverError) else answer
        return Answer(shown)

    def _is_theirs(self, file: str) -> bool:
        if self.folder:
            return Path(file).resolve().parent == self.folder
        return _OUR_FOLDER not in Path(file).parents


class Examiner:
    """Examines concepts, one after the other, and remembers the results.

    Args:
        runner: Runs the programs.
        seconds: A time limit for one concept.
        seed: Of the numbers in the programs; None takes them as they stand in the table.
    """

    def __init__(self, runner: Runner, seconds: float = SECONDS, seed: int | None = None):
        self.runner, self.seconds, self.seed = runner, seconds, seed
        self.deadline = 0.0
        self.results: dict[str, Result] = {}
        self._sentences: dict[str, str] = {}  # of well-known mistakes, by the names of concepts
        self._answers: dict[str, Answer] = {}  # by programs, for experiments

    def examine(self, concept: Concept) -> Result:
        """The result for a concept."""
        if concept.name not in self.results:
            start = time.monotonic()
            self.deadline = start + self.seconds
            result = self._examine(concept)
            self.results[concept.name] = replace(result, seconds=time.monotonic() - start)
        return self.results[concept.name]

    def _examine(self, concept: Concept) -> Result:
        lacking = [name for name in concept.needs if name not in self.runner.methods]
        if lacking:
            earlier = [c.name for c in self._list_failed(concept) if c.method == lacking[0]]
            reason = f"the class has no method {lacking[0]}"
            return Result(concept.name, MISSING, reason=reason, follows=earlier[0] if earlier else "")
        if concept.generated:
            return self._search_expression(concept)
        programs = self.write_programs(concept)
        for program in programs:
            if ".backward()" in program and "backward" not in self.runner.methods:
                return Result(concept.name, MISSING, reason="the class has no method backward")
            failed = self._compare(concept, program)
            if failed:
                found = self._explain(concept, failed, programs)
                return found if found.status == WRONG else replace(found, program="", explanation="")
        return Result(concept.name, PASSED)

    def write_programs(self, concept: Concept) -> list[str]:
        """The programs of a concept, with numbers that the seed chooses."""
        if self.seed is None:
            return list(concept.programs)
        return [vary_numbers(program, random.Random(f"{self.seed} {program}")) for program in concept.programs]

    def _compare(
        self, concept: Concept, program: str, methods: dict[str, str] | None = None, tolerance: float = _NEAR
    ) -> Result | None:
        """The result if the program fails; None if it shows the numbers of our own engine."""
        answer = self._run(program, methods)
        failed = Result(concept.name, WRONG, program=program, location=answer.location)
        expected = show_numbers(program, Value)
        for (expression, right), got in zip(expected, answer.shown):
            if not is_close(right, got, tolerance):
                explanation = _describe_difference(expression, right, got, concept.rule)
                return Result(
                    concept.name,
                    WRONG,
                    program=program,
                    expression=expression,
                    expected=_format(right),
                    got=_format(got),
                    explanation=explanation,
                )
        if not answer.kinds:
            if len(answer.shown) == len(expected):
                return None
            error = f"it shows {len(answer.shown)} numbers in place of {len(expected)}"
            return replace(failed, error=error, explanation="Its process answered with too few numbers, or too many.")
        refusals = {"NotImplementedError", *(kind.__name__ for kind in REFUSALS if concept.optional)}
        if refusals & {*answer.kinds}:
            return replace(failed, status=MISSING, reason=f"the class refuses it: {answer.error}")
        if answer.kinds[0] == TIME_LIMIT:
            error = f"it was still running after {self.seconds:g} s"
            return replace(failed, error=error, explanation=f"It takes too long: {concept.rule}")
        explanation = f"There is an error where a number should be: {concept.rule}"
        if "RecursionError" in answer.kinds:
            explanation = f"This line is reached by a call within a call, again and again: {concept.rule}"
        return replace(failed, error=answer.error, explanation=explanation)

    def _run(self, program: str, methods: dict[str, str] | None = None) -> Answer:
        return self.runner.run(program, self.deadline - time.monotonic(), methods)

    # ---- why -----------------------------------------------------------------------------------------------------
    def _explain(self, concept: Concept, failed: Result, programs: list[str]) -> Result:
        """The result with a sentence on a well-known mistake, and with the earlier concept that it follows from."""
        self.deadline = time.monotonic() + self.seconds  # for experiments
        if failed.expression:
            sentence = self._find_mistake(concept)
            if sentence:
                self._sentences[concept.name] = sentence
                same = [name for name, other in self._sentences.items() if other == sentence]
                return replace(failed, explanation=sentence, follows=same[0] if same[0] != concept.name else "")
        for cause in self._list_failed(concept):
            linked = self._link(concept, failed, programs, cause)
            if linked:
                return linked
        return failed

    def _list_failed(self, concept: Concept) -> list[Concept]:
        """The concepts that this one builds on, and that have not passed."""
        return [c for c in _find_foundations(concept) if c.name in self.results and not self.results[c.name].passed]

    def _find_mistake(self, concept: Concept) -> str:
        """The sentence of the first mistake with which this concept, and what it builds on, show these numbers."""
        answers = self._try(concept)
        if len(answers) < len(concept.programs):
            return ""
        answers += [answer for earlier in _find_foundations(concept) for answer in self._try(earlier)]
        return next((sentence for sentence in self._suspects if _explains(sentence, answers)), "")

    def _try(self, concept: Concept) -> list[tuple[str, Answer]]:
        """The programs of a concept that show numbers, with these."""
        for program in self.write_programs(concept):
            if program not in self._answers:
                self._answers[program] = self._run(program)
        answers = [(program, self._answers[program]) for program in self.write_programs(concept)]
        return [(program, answer) for program, answer in answers if not answer.kinds]

    @cached_property
    def _suspects(self) -> list[str]:
        """The mistakes that explain what the class shows in all programs about the structure of graphs."""
        answers = [answer for name in _STRUCTURE for answer in self._try(_BY_NAME[name])]
        return [sentence for sentence in MISTAKES if _explains(sentence, answers)]

    def _link(self, concept: Concept, failed: Result, programs: list[str], cause: Concept) -> Result | None:
        """The result with what shows that it follows from an earlier concept, or does not; None if nothing shows."""
        method, name = cause.method, cause.name
        if _NEEDED_BY.get(name, "\n\n") in failed.program:
            return replace(
                failed, follows=name, explanation=f"Its program needs {name}, which is not right: begin there."
            )
        if not method:
            return None
        if cause.substitute:
            methods = {method: cause.substitute}
            still = [self._compare(concept, program, methods) for program in programs]
            wrong = [result for result in still if result]
            if not wrong:
                explanation = f"It passes as soon as {method} is right: mend {name} first."
                return replace(failed, follows=name, explanation=explanation)
            if failed.error and wrong[0].expression:  # there are two mistakes
                return replace(failed, explanation=f"Even with a right {method}, {wrong[0].explanation}")
        if method in self.runner.methods:
            if _TRAP in self._run(failed.program, {method: f"lambda *xs: {{}}[{_TRAP!r}]"}).message:
                explanation = f"It calls {method}, which is not right either: mend {name} first."
                return replace(failed, follows=name, explanation=explanation)
        elif any(
            text in failed.error + failed.reason
            for text in (_IN_ERRORS.get(method, ""), f"attribute {method!r}")
            if text
        ):
            explanation = f"The class has no {method}, as the error says: begin with {name}."
            return replace(failed, follows=name, explanation=explanation)
        return None

    # ---- generated expressions -----------------------------------------------------------------------------------
    def _search_expression(self, concept: Concept) -> Result:
        """The result of the smallest expression whose numbers differ, if Hypothesis finds one."""
        if not find_spec("hypothesis"):
            return Result(concept.name, NOT_RUN, reason="it needs Hypothesis: pip install 'tinygrad-edu[test]'")
        import hypothesis

        from tinygrad_edu.testing import strategies

        names = {*_OPERATIONS, *_REFLECTED.values()}
        working = {c.name for c in CONCEPTS if c.name in names and self.examine(c).passed}
        ops = [op for name, its_ops in _OPERATIONS.items() if name in working for op in its_ops]
        if not ops:
            reason = "no operation has passed, so there is nothing to make expressions of"
            return Result(concept.name, MISSING, reason=reason)
        not_reflected = {op for op, name in _REFLECTED.items() if name not in working}
        failures: dict[str, Result] = {}
        until = time.thread_time() + self.seconds  # time of this thread: the result does not depend on other programs

        def differs(f: Any) -> bool:
            if time.thread_time() > until:
                raise TimeIsOverError
            if any(step.op in not_reflected and f.tape.ops[step.inputs[0]] is CONSTANT for step in f.steps):
                return False
            gradients = [f"{name}.grad" for name in f.names[: len(f.inputs)]]
            program = "\n".join([f.source(""), f"{f.names[-1]}.data", *gradients])
            self.deadline = time.monotonic() + self.seconds
            result = failures.get(program) or self._compare(concept, program, tolerance=1e-6)
            if result:
                failures[program] = result
            if time.monotonic() > self.deadline:
                raise TimeIsOverError
            return bool(result)

        for kinds, examples in [*(([op], EXPRESSIONS // 10) for op in ops), (ops, EXPRESSIONS)]:
            with _write_nothing(), suppress(hypothesis.errors.NoSuchExample, TimeIsOverError):
                hypothesis.find(
                    strategies.expressions(ops=kinds),
                    differs,
                    random=random.Random(self.seed or 0),
                    settings=hypothesis.settings(
                        max_examples=examples,
                        database=None,
                        deadline=None,
                        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
                        suppress_health_check=list(hypothesis.HealthCheck),
                    ),
                )
            if failures:
                break
        smallest = min(failures, key=lambda program: (program.count("\n"), len(program)), default=None)
        return failures[smallest] if smallest else Result(concept.name, PASSED)


_searching = threading.Lock()


@contextmanager
def _write_nothing() -> Iterator[None]:
    """Keeps Hypothesis from writing what it has found in modules to a folder `.hypothesis` of the user's."""
    from hypothesis.configuration import set_hypothesis_home_dir, storage_directory

    with _searching:  # one thread at a time, as this belongs to the process
        found: Any = storage_directory(intent_to_write=False)
        before = getattr(found, "path", found)  # which is a Path in earlier versions
        try:
            set_hypothesis_home_dir(Path(os.devnull) / "nothing")  # where no folder can be made
            yield
        finally:
            try:
                set_hypothesis_home_dir(before)
            finally:  # once more, as Ctrl-C may have come
                set_hypothesis_home_dir(before)


def _find_foundations(concept: Concept) -> list[Concept]:
    """All concepts that a concept builds on, directly or not, in the order of the table."""
    names, waiting = set[str](), [*concept.builds_on]
    while waiting:
        name = waiting.pop()
        names.add(name)
        waiting += _BY_NAME[name].builds_on
    return [found for found in CONCEPTS if found.name in names]


# ---- numbers ---------------------------------------------------------------------------------------------------------
def vary_numbers(program: str, source: random.Random) -> str:
    r"""The program with other numbers: multiples of a quarter, of which sums and products are exact.

    Equal numbers stay equal, and others different. 0.0, 0.5 and 1.0 stay.

    Example:
        >>> vary_numbers("a = Value(3.0)\nb = a * 10.0", random.Random(0))
        'a = Value(3.5)\nb = a * 12.5'
    """
    numbers = {x: x for x in ("0.0", "0.5", "1.0")}

    def choose(match: re.Match[str]) -> str:
        while match[0] not in numbers:
            x = float(match[0])
            new = str(source.randint(math.ceil(2.4 * x), math.floor(6.8 * x)) / 4)
            if new not in numbers.values():
                numbers[match[0]] = new
        return numbers[match[0]]

    return re.sub(r"(?<![\w.])\d+\.\d+", choose, program)


def _explains(sentence: str, answers: Iterable[tuple[str, Answer]]) -> bool:
    """Whether each of the programs shows what it shows on an engine with this mistake."""
    return all(any(_shows(program, answer, mistake) for mistake in MISTAKES[sentence]) for program, answer in answers)


def _shows(program: str, answer: Answer, mistake: type) -> bool:
    try:
        return is_close([number for _, number in show_numbers(program, mistake)], answer.shown)
    except Exception:  # it has none of these operations
        return False


@lru_cache(maxsize=4096)
def show_numbers(program: str, value_class: type) -> list[tuple[str, Any]]:
    """The expressions of a program, and what they show on an engine of ours."""
    shown: list[Any] = []
    run_program(program, value_class, shown)
    return list(zip([text for text, _ in compile_lines(program) if text], shown))


def is_close(right: Any, got: Any, tolerance: float = _NEAR) -> bool:
    """Whether a number is the right one; of a list, whether all are."""
    if isinstance(right, list):
        same = isinstance(got, list) and len(right) == len(got)
        return same and all(is_close(a, b, tolerance) for a, b in zip(right, got))
    number = _as_float(got)
    return number is not None and math.isclose(right, number, rel_tol=tolerance, abs_tol=tolerance / 10)


def _as_float(x: Any) -> float | None:
    """The float of a number in an answer; None for what is not a number."""
    with suppress(OverflowError):
        return float(x) if type(x) in (bool, int, float) else None
    return None


def _format(x: Any) -> str:
    """A value in an answer, for a person."""
    if isinstance(x, list):
        return ", ".join(map(_format, x[:10]))
    if isinstance(x, dict):
        return f"a {clean_text(x['type'][:60])}, not a number"
    return repr(x)[:60]


def _describe_difference(expression: str, right: Any, got: Any, rule: str) -> str:
    """A sentence on the first number that differs: how it differs, and the rule that it breaks."""
    rights, gots = (x if isinstance(x, list) else [x] for x in (right, got))
    if len(rights) != len(gots):
        return f"There are not as many numbers as should be: {rule}"
    pairs: Iterable[tuple[str, Any, Any]] = zip(expression.split(", "), rights, gots)
    name, a, b = next(pair for pair in pairs if not is_close(*pair[1:]))
    number = _as_float(b)
    if number is None:
        return f"{name} is no number: {rule}"
    if not name.endswith(".grad"):
        return f"{name} is wrong, before any gradient: {rule}" if name.endswith(".data") else f"{name} is wrong: {rule}"
    if number == 0:
        return f"Nothing arrives in {name}: {rule}"
    if math.isclose(number, -a):
        return f"{name} has the wrong sign: {rule}"
    times = number / a if a else math.inf
    if times.is_integer():
        return f"{name} is {times:g} times what it should be: {rule}"
    return f"{name} is wrong: {rule}"
