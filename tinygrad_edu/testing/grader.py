"""The grader: examines anybody's engine concept by concept, and says of each whether it is passed, missing or wrong.

`grade` examines a class, `grade_file` a file that somebody else wrote, `suite` makes tests for pytest of the same.
Any class with micrograd's interface will do. What is examined stands in `concepts.py`, how, in `examination.py`, how a
file is kept apart, in `isolation.py`, and what is shown of it all, in `grades.py`.
"""

import inspect
import math
import os
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from tinygrad_edu.testing.concepts import CONCEPTS, Concept, chosen
from tinygrad_edu.testing.examination import examine
from tinygrad_edu.testing.grades import Grade, Place, Result, with_causes
from tinygrad_edu.testing.isolation import grade_in_a_process

__all__ = ["CONCEPTS", "Concept", "Grade", "Place", "Result", "examine", "grade", "grade_file", "suite"]


def grade(value_class: type, *, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Grade:
    """Examines a class with micrograd's interface, here in this process.

    - `value_class`: `value_class(number)` makes a leaf with `data` and `grad`; operators make nodes; `backward()`.
    - `only`, `skip`: names of concepts or of groups of them, as in `CONCEPTS`; by default all are examined.

    >>> from tinygrad_edu import Value
    >>> grade(Value, only=["functions", "order"]).passed
    True
    >>> class Half:
    ...     def __init__(self, data):
    ...         self.data, self.grad = data, 0.0
    ...     def __add__(self, other):
    ...         return Half(self.data + self.data)
    >>> print(grade(Half)["addition"].explained())
        a = Value(2.0)
        b = Value(3.0)
        c = a + b
        c.data
    <BLANKLINE>
    c.data is 4.0, and should be 5.0
    look at  __add__: a plain number becomes a Value first; both inputs get
             out.grad, the derivatives being 1.
    note     may follow from root-gradient, so begin there

    A concept that has not ended after 5 seconds is wrong, where the operating system has timers (not on Windows) and
    in the main thread. For code that you do not know, `grade_file` is the safer way.

    Raises `TypeError` for what is no class, `ValueError` for a name that no concept has, `ImportError` where Hypothesis
    is not installed and expressions were to be generated.
    """
    concepts, start = _asked_for(only, skip), time.monotonic()
    _check(value_class)
    results = with_causes([examine(concept, value_class) for concept in concepts])
    try:
        file = Path(inspect.getfile(value_class)).name
    except (OSError, TypeError):  # made in a notebook, or without any file
        file = "(no file)"
    return Grade(file, value_class.__name__, results, time.monotonic() - start)


def grade_file(
    path: str | os.PathLike[str],
    class_name: str = "Value",
    *,
    seconds: float = 30.0,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> Grade:
    """Examines a class in a Python file, which runs in a process of its own.

    - `class_name`: the class to examine.
    - `seconds`: the time limit for all; a concept may take 5 s, and a third of `seconds` at most. What is not reached
      in time is `not run`.
    - `only`, `skip`: as for `grade`.

    Whatever the file does is part of the grade: an import that fails, a crash, an endless loop, `sys.exit`, rubbish on
    its standard output. The process gets a temporary working folder, no standard input, at most 4 GiB of memory and
    64 MiB of output. It is no protection against a file that means harm.

    Raises `FileNotFoundError` where there is no such file, else as `grade` does.
    """
    path, concepts = Path(path), _asked_for(only, skip)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r} to grade")
    if not 0 < seconds < math.inf:
        raise ValueError(f"the time limit is a positive, finite number of seconds, not {seconds}")
    return grade_in_a_process(path, class_name, concepts, seconds)


def suite(value_class: type, *, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Callable[[Concept], None]:
    """A test for pytest with a case for each concept; a concept that is missing or wrong fails, and says why.

    In a test file: `test_engine = suite(Value)`. Arguments, and what is raised, as for `grade`; it needs pytest.
    """
    _check(value_class)
    try:
        import pytest
    except ModuleNotFoundError:
        raise ImportError("a suite is run by pytest: pip install 'tinygrad-edu[test]'") from None

    @pytest.mark.parametrize("concept", _asked_for(only, skip), ids=lambda concept: concept.name)
    def test(concept: Concept) -> None:
        result = examine(concept, value_class)
        if not result.passed:
            pytest.fail(str(result), pytrace=False)

    return test


def _asked_for(only: Iterable[str], skip: Iterable[str]) -> tuple[Concept, ...]:
    concepts = chosen(only, skip)
    generated = [concept.name for concept in concepts if concept.generated]
    if generated and not find_spec("hypothesis"):
        raise ImportError(f"{generated[0]} needs Hypothesis: pip install 'tinygrad-edu[test]', or skip {generated[0]}")
    return concepts


def _check(value_class: type) -> None:
    if not isinstance(value_class, type):
        raise TypeError(f"grade examines a class, such as Value itself, not a {type(value_class).__name__}")
