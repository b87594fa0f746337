"""What the grader found: the result for one concept, the grade of an engine, and how both are shown.

A grade is text for a terminal (`report`) or JSON for a teacher's own programs (`json`). How it comes about is left to
`_examination.py` and `_isolation.py`.
"""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu import __version__

from .concepts import CONCEPTS

PASSED, MISSING, WRONG, NOT_RUN = "passed", "missing", "wrong", "not run"
STATUSES = (PASSED, MISSING, WRONG, NOT_RUN)
FORMAT = 1  # of the JSON: a number more when a key changes its meaning or goes

_WIDTH = 80
_COLOURS = {PASSED: "32", MISSING: "35", WRONG: "31", NOT_RUN: "35"}  # read well on light and on dark ground
_BY_NAME = {concept.name: concept for concept in CONCEPTS}
_PRINTED_LINES = 6  # of what the file itself printed


@dataclass(frozen=True)
class Place:
    """A line of the examined file, or of a file beside it."""

    file: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}{f': {self.code}' if self.code else ''}"

    @staticmethod
    def of(record: dict[str, Any]) -> "Place | None":
        """The place that a record tells of, if any."""
        return Place(record["file"], record["line"], record["code"]) if record.get("file") else None


def placed(place: Place | None) -> dict[str, Any]:
    """The record of a place, or of none."""
    return dict(vars(place)) if place else {"file": "", "line": None, "code": ""}


@dataclass(frozen=True)
class Result:
    """What was found of one concept. Texts that do not apply are empty.

    `status` is passed, missing, wrong or not run. Where it is wrong, `program` is the smallest one that fails,
    `expression` its line that shows another number (`got`) than it should (`expected`); or `error` says what was
    raised, and `place` where. `reason` says why it is missing or was not run. `follows` names an earlier
    concept that is not passed either, and may be the cause.
    """

    name: str
    status: str
    reason: str = ""
    program: str = ""
    expression: str = ""
    expected: str = ""
    got: str = ""
    error: str = ""
    place: Place | None = None
    follows: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.status == PASSED

    @property
    def examines(self) -> str:
        """One sentence on what is examined."""
        return _BY_NAME[self.name].examines

    @property
    def group(self) -> str:
        return _BY_NAME[self.name].group

    @property
    def look_at(self) -> str:
        """One sentence on what to look at; empty if all is well."""
        return "" if self.status in (PASSED, NOT_RUN) else _BY_NAME[self.name].look_at

    @property
    def remark(self) -> str:
        """What to say of it in a line: why it is missing, what it may follow from, or what it examines."""
        return self.reason or (f"may follow from {self.follows}" if self.follows else self.examines)

    def as_dict(self) -> dict[str, Any]:
        """What `Grade.json` says of the concept."""
        texts = ("reason", "program", "expression", "expected", "got", "error")
        return {
            "name": self.name,
            "group": self.group,
            "examines": self.examines,
            "status": self.status,
            **{key: getattr(self, key) for key in texts},
            **placed(self.place),
            "look_at": self.look_at,
            "follows": self.follows,
            "seconds": round(self.seconds, 3),
        }

    @staticmethod
    def from_dict(record: dict[str, Any]) -> "Result":
        """The result that `as_dict` made it of."""
        texts = ("name", "status", "reason", "program", "expression", "expected", "got", "error", "follows", "seconds")
        return Result(**{key: record[key] for key in texts}, place=Place.of(record))

    def explained(self, width: int = _WIDTH) -> str:
        """What went wrong, with the program that shows it and the advice; a few lines."""
        program = [f"    {line}" for line in self.program.splitlines()]
        shows = f"{self.expression} is {self.got}, and should be {self.expected}" if self.expression else ""
        facts = {
            "instead": self.error,
            "at": str(self.place or ""),
            "why": self.reason,
            "look at": self.look_at,
            "note": self.follows and f"may follow from {self.follows}, so begin there",
        }
        lines = [line for key, text in facts.items() for line in _wrapped(text, width, f"{key:9}")]
        return "\n".join([*program, *([""] * bool(program)), *_wrapped(shows, width), *lines])

    def __str__(self) -> str:
        head = "\n".join(_wrapped(f"{self.name}: {self.status}. Examined: {self.examines}.", _WIDTH))
        return head if self.passed else f"{head}\n\n{self.explained()}"


@dataclass(frozen=True)
class Grade:
    """The results for an engine, concept by concept, in the order in which they are taught.

    `problem` says why the file could not be examined at all, and `place` where; `notes` are remarks, and `printed` is
    the beginning of what the file itself printed. `seconds` is the time that all took.
    """

    file: str
    class_name: str
    results: tuple[Result, ...]
    seconds: float
    problem: str = ""
    place: Place | None = None
    notes: tuple[str, ...] = ()
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Whether all has passed that was asked for: a missing concept is none that has passed."""
        return not self.problem and all(result.passed for result in self.results)

    def counts(self) -> dict[str, int]:
        """How many concepts there are of each status."""
        return {status: sum(result.status == status for result in self.results) for status in STATUSES}

    def __getitem__(self, name: str) -> Result:
        """The result for the concept of that name; `KeyError` where it has not been asked for."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"{name!r} is none of the {len(self.results)} concepts of this grade")

    def json(self) -> str:
        """The grade as JSON: an object whose keys stay, as the documentation lists them."""
        return json.dumps(
            {
                "format": FORMAT,
                "tinygrad_edu": __version__,
                "file": self.file,
                "class": self.class_name,
                "passed": self.passed,
                "counts": self.counts(),
                "problem": {"message": self.problem, **placed(self.place)} if self.problem else None,
                "notes": list(self.notes),
                "printed": self.printed,
                "seconds": round(self.seconds, 3),
                "concepts": [result.as_dict() for result in self.results],
            },
            indent=2,
        )

    def report(self, colour: bool = False, width: int = _WIDTH) -> str:
        """The grade for a person to read: a line for each concept, and below them what to mend. `colour` is ANSI's.

        What may follow from an earlier concept has its line, but is not explained before that one is mended.
        """

        def painted(text: str, code: str = "1") -> str:
            return f"\033[{code}m{text}\033[0m" if colour else text

        lines = [painted(f"{self.file}, class {self.class_name}")]
        for note in self.notes:
            lines += _wrapped(f"Note: {note}.", width)
        if self.problem:
            lines += ["", *_wrapped(self.problem, width), *_wrapped(str(self.place or ""), width, "  ")]
        else:
            for result, before in zip(self.results, [None, *self.results]):
                if before is None or result.group != before.group:
                    lines += ["", painted(result.group.replace("-", " "))]
                status = painted(f"{result.status:8}", _COLOURS[result.status])
                first, *more = textwrap.wrap(result.remark, width - 37)
                lines += [f"  {status} {result.name:25} {first}", *(" " * 37 + line for line in more)]
            for result in self.results:
                if result.status == WRONG and not result.follows:
                    lines += ["", painted(result.name), textwrap.indent(result.explained(width - 2), "  ")]
        if self.printed and not self.passed:
            printed = self.printed.splitlines()
            lines += ["", painted("The file printed"), *(f"  {line[: width - 2]}" for line in printed[:_PRINTED_LINES])]
            lines += [f"  … and {len(printed) - _PRINTED_LINES} lines more"] * (len(printed) > _PRINTED_LINES)
        lines += ["", painted(self.summary(), _COLOURS[PASSED if self.passed else WRONG])]
        return "\n".join([*lines, *self._next_steps()])

    def __str__(self) -> str:
        return self.report()

    def summary(self) -> str:
        """How many concepts there are of each status, and the time, in one line."""
        counts = self.counts()
        others = [f"{n} {status}" for status, n in counts.items() if n and status != PASSED]
        return f"{', '.join([f'{counts[PASSED]} of {len(self.results)} passed', *others])}, in {self.seconds:.1f} s."

    def _next_steps(self) -> list[str]:
        causes = [result for result in self.results if result.status in (WRONG, MISSING) and not result.follows]
        first = next(iter(sorted(causes, key=lambda result: result.status == MISSING)), None)
        lacking = [result.name for result in self.results if result.status == MISSING]
        missing = [name for name in lacking if not _BY_NAME[name].generated]  # that one lacks operations that are right
        lines = [f"Begin with {first.name}."] if first else []
        return lines + ["What was not asked for can be left out:", f"  --skip {','.join(missing)}"] * bool(missing)


def with_causes(results: Iterable[Result]) -> tuple[Result, ...]:
    """The results, each that has not passed naming the first one that has not either among those it builds on."""
    failed: list[str] = []
    found = []
    for result in results:
        below = _foundations(result.name)
        cause = next((name for name in failed if name in below), "") if result.status in (WRONG, MISSING) else ""
        found.append(replace(result, follows=cause))
        failed += [result.name] * (result.status in (WRONG, MISSING))
    return tuple(found)


def _foundations(name: str) -> set[str]:
    """All that a concept builds on, directly or not."""
    direct = _BY_NAME[name].builds_on
    return {*direct}.union(*map(_foundations, direct))


def printable(text: str) -> str:
    """The text with a replacement character for each one that a terminal could take for a command."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text.expandtabs())


def _wrapped(text: str, width: int, key: str = "") -> list[str]:
    """The lines of a text, none for an empty one; a key stands before them."""
    indent = " " * len(key)
    return textwrap.wrap(text, width, initial_indent=key, subsequent_indent=indent, break_on_hyphens=False)
