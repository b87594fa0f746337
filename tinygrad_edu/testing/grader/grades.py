"""The grade of an engine: the result for each concept, and how a person or a program reads it.

A grade is text for a terminal (`report`), or JSON for the programs of a teacher (`json`, `gradescope`). No text in it
can steer a terminal. How a concept is examined is left to `_examination.py`, how a file is kept apart to
`_isolation.py`.
"""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tinygrad_edu import __version__
from tinygrad_edu._display import clean_text

from .concepts import CONCEPTS

PASSED, MISSING, WRONG, NOT_RUN = "passed", "missing", "wrong", "not run"
STATUSES = (PASSED, MISSING, WRONG, NOT_RUN)
VERSION = 1  # of the JSON, as in docs/grader-schema-1.json: it grows when a key changes its meaning or is removed

_WIDTH = 80
_COLOURS = {PASSED: "32", MISSING: "35", WRONG: "31", NOT_RUN: "35"}  # ANSI; readable on light and on dark background
_BY_NAME = {concept.name: concept for concept in CONCEPTS}
_MAX_PRINTED = 6  # lines of what the file printed


@dataclass(frozen=True)
class Location:
    """A line of the examined file, or of a file beside it.

    Args:
        file: The name of the file, or of the cell of a notebook, as "cell 3".
        line: The number of the line, from 1.
        code: The text of the line, empty if it is not known.
    """

    file: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}{f': {self.code}' if self.code else ''}"


def location_keys(location: Location | None) -> dict[str, Any]:
    """The keys of a location in JSON; of none too."""
    return dict(vars(location)) if location else {"file": "", "line": None, "code": ""}


@dataclass(frozen=True)
class Result:
    """The result for one concept. Texts that do not apply are empty.

    Args:
        name: The name of the concept.
        status: "passed", "missing", "wrong" or "not run".
        reason: Why the concept is missing or was not run.
        program: The smallest program that fails.
        expression: The line of the program that shows a wrong number.
        expected: The number that this line should show.
        got: The number that it shows.
        error: What was raised, if no number was shown.
        location: The line of the file that raised the error.
        explanation: One sentence on what is wrong, in words of this class; empty if there is nothing to mend.
        follows: An earlier concept that has not passed either, if an experiment has shown that it is the cause.
        seconds: The time it took.
    """

    name: str
    status: str
    reason: str = ""
    program: str = ""
    expression: str = ""
    expected: str = ""
    got: str = ""
    error: str = ""
    location: Location | None = None
    explanation: str = ""
    follows: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the status is "passed"."""
        return self.status == PASSED

    @property
    def examines(self) -> str:
        """What is examined, in a few words."""
        return _BY_NAME[self.name].examines

    @property
    def group(self) -> str:
        """The group of the concept."""
        return _BY_NAME[self.name].group

    @property
    def max_points(self) -> int:
        """What the concept is worth; all concepts together are worth 100."""
        return _BY_NAME[self.name].points

    @property
    def points(self) -> int:
        """What the class gets for it: all, if it has passed, or nothing."""
        return self.max_points if self.passed else 0

    @property
    def remark(self) -> str:
        """The text beside the name in a report: why it is missing, what it follows from, or what it examines."""
        return self.reason or (f"follows from {self.follows}" if self.follows else self.examines)

    def as_dict(self) -> dict[str, Any]:
        """The object for this concept in the JSON of a grade.

        Returns:
            A dict of strings and numbers, with the keys that the documentation lists.
        """
        texts = ("reason", "program", "expression", "expected", "got", "error")
        return {
            "name": self.name,
            "group": self.group,
            "examines": self.examines,
            "status": self.status,
            "points": self.points,
            "max_points": self.max_points,
            **{key: getattr(self, key) for key in texts},
            **location_keys(self.location),
            "explanation": self.explanation,
            "follows": self.follows,
            "seconds": round(self.seconds, 3),
        }

    def explained(self, width: int = _WIDTH) -> str:
        """Explains what went wrong, with the program that shows it and a sentence on it.

        Args:
            width: The largest number of characters in a line.

        Returns:
            A few lines of text.
        """
        program = [f"    {line}" for line in self.program.splitlines()]
        shows = f"{self.expression} is {self.got}, and should be {self.expected}" if self.expression else ""
        facts = {
            "instead": self.error,
            "at": str(self.location or ""),
            "why": self.reason or self.explanation,
        }
        lines = [line for key, text in facts.items() for line in _wrap(text, width, f"{key:9}")]
        return "\n".join([*program, *([""] * bool(program)), *_wrap(shows, width), *lines])

    def __str__(self) -> str:
        head = "\n".join(_wrap(f"{self.name}: {self.status}. Examined: {self.examines}.", _WIDTH))
        return head if self.passed else f"{head}\n\n{self.explained()}"


@dataclass(frozen=True)
class Grade:
    """The results for an engine, in the order in which the concepts are taught.

    Args:
        file: The name of the examined file.
        class_name: The name of the examined class.
        results: One `Result` for each concept that was asked for.
        seconds: The time it took.
        problem: Why the file could not be examined at all; else empty.
        location: The line of the problem.
        notes: Remarks, such as that a cell of the notebook has failed.
        printed: The beginning of what the file printed.
        seed: Of the numbers in the programs; None if they are those of the table.
        sandbox: What kept the file apart, besides a process of its own: "bubblewrap" or "none".
    """

    file: str
    class_name: str
    results: tuple[Result, ...]
    seconds: float
    problem: str = ""
    location: Location | None = None
    notes: tuple[str, ...] = ()
    printed: str = ""
    seed: int | None = None
    sandbox: str = "none"

    @property
    def points(self) -> int:
        """The points of all concepts that have passed."""
        return sum(result.points for result in self.results)

    @property
    def max_points(self) -> int:
        """The points that there are, for the concepts that were asked for."""
        return sum(result.max_points for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether all concepts that were asked for have passed. A missing concept has not passed."""
        return not self.problem and all(result.passed for result in self.results)

    def counts(self) -> dict[str, int]:
        """Counts the concepts of each status.

        Returns:
            The numbers of concepts that are "passed", "missing", "wrong" and "not run".
        """
        return {status: sum(result.status == status for result in self.results) for status in STATUSES}

    def __getitem__(self, name: str) -> Result:
        """The result for the concept of that name.

        Raises:
            KeyError: The concept was not asked for.
        """
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"the grade has no concept {name!r}; it has {', '.join(result.name for result in self.results)}")

    def json(self) -> str:
        """Writes the grade as JSON.

        Returns:
            The text of one object. The documentation has its schema, for JSON Schema.
        """
        return json.dumps(
            {
                "version": VERSION,
                "tinygrad_edu": __version__,
                "file": self.file,
                "class": self.class_name,
                "passed": self.passed,
                "points": self.points,
                "max_points": self.max_points,
                "counts": self.counts(),
                "problem": {"message": self.problem, **location_keys(self.location)} if self.problem else None,
                "notes": list(self.notes),
                "printed": self.printed,
                "seed": self.seed,
                "sandbox": self.sandbox,
                "seconds": round(self.seconds, 3),
                "concepts": [result.as_dict() for result in self.results],
            },
            indent=2,
        )

    def gradescope(self) -> str:
        """Writes the grade as the results file of an autograder, in the format that Gradescope reads.

        Returns:
            The text of `results.json`: a test for each concept, with its points and its explanation.
        """
        tests = [
            {
                "name": result.name,
                "score": result.points,
                "max_score": result.max_points,
                "status": "passed" if result.passed else "failed",
                "output": result.remark if result.passed else str(result),
            }
            for result in self.results
        ]
        problem = "\n".join([self.problem, str(self.location or "")]).strip() or self.summary()
        output = "\n".join([*(f"Note: {note}." for note in self.notes), problem])
        return json.dumps(
            {"score": self.points, "output": output, "execution_time": round(self.seconds, 3), "tests": tests}, indent=2
        )

    def report(self, colour: bool = False, width: int = _WIDTH) -> str:
        """Writes the grade for a person: one line for each concept, and below them what to mend.

        Args:
            colour: Whether to use the colours of a terminal (ANSI).
            width: The largest number of characters in a line.

        Returns:
            The text of the report.
        """

        def paint(text: str, code: str = "1") -> str:
            return f"\033[{code}m{text}\033[0m" if colour else text

        lines = [paint(f"{self.file}, class {self.class_name}")]
        for note in self.notes:
            lines += _wrap(f"Note: {note}.", width)
        if self.problem:
            lines += ["", *_wrap(self.problem, width), *_wrap(str(self.location or ""), width, "  ")]
        else:
            for result, before in zip(self.results, [None, *self.results]):
                if before is None or result.group != before.group:
                    lines += ["", paint(result.group.replace("-", " "))]
                status = paint(f"{result.status:8}", _COLOURS[result.status])
                first, *more = textwrap.wrap(result.remark, width - 37)
                lines += [f"  {status} {result.name:25} {first}", *(" " * 37 + line for line in more)]
            for result in self.results:
                if result.status == WRONG:
                    lines += ["", paint(result.name), textwrap.indent(result.explained(width - 2), "  ")]
        if self.printed and not self.passed:
            printed = self.printed.splitlines()
            lines += ["", paint("The file printed"), *(f"  {line[: width - 2]}" for line in printed[:_MAX_PRINTED])]
            lines += [f"  … and {len(printed) - _MAX_PRINTED} more lines"] * (len(printed) > _MAX_PRINTED)
        lines += ["", paint(self.summary(), _COLOURS[PASSED if self.passed else WRONG])]
        return "\n".join([*lines, *self._next_steps()])

    def __str__(self) -> str:
        return self.report()

    def summary(self) -> str:
        """Sums the grade up in one line.

        Returns:
            The number of concepts of each status, the points, and the time.
        """
        counts = self.counts()
        others = [f"{n} {status}" for status, n in counts.items() if n and status != PASSED]
        passed = f"{counts[PASSED]} of {len(self.results)} passed"
        points = f"{self.points} of {self.max_points} points"
        return f"{', '.join([passed, *others, points])}, in {self.seconds:.1f} s."

    def _next_steps(self) -> list[str]:
        """What to do next: the first concept to mend, in the order of teaching; and how to skip what is missing.

        A concept with generated programs is not skipped: it lacks operations that are right.
        """
        to_mend = [r.name for r in self.results if r.status in (WRONG, MISSING) and not r.follows]
        missing = [name for name in _with_status(self.results, MISSING) if not _BY_NAME[name].generated]
        lines = [f"Begin with {to_mend[0]}."] if to_mend else []
        return lines + ["To leave out what is missing:", f"  --skip {','.join(missing)}"] * bool(missing)


def _with_status(results: Iterable[Result], status: str) -> list[str]:
    return [result.name for result in results if result.status == status]


def clean_lines(text: str) -> str:
    """The text with all its lines, in which nothing can steer a terminal."""
    return "\n".join(map(clean_text, text.split("\n")))


def _wrap(text: str, width: int, key: str = "") -> list[str]:
    """The lines of a text, after a key; no line for an empty text."""
    indent = " " * len(key)
    return textwrap.wrap(text, width, initial_indent=key, subsequent_indent=indent, break_on_hyphens=False)
