"""The grader: examines an engine, concept by concept. Each concept is passed, missing or wrong.

`grade` examines a class, `grade_file` a file that somebody else wrote, and `suite` makes tests for pytest. Any class
with micrograd's interface will do. What is examined is left to `concepts.py`, how it is examined to `_examination.py`,
how a file is kept apart to `_isolation.py`, and how the result is shown to `grades.py`.
"""

import inspect
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ._examination import examine
from ._isolation import grade_in_a_process
from .concepts import Concept, choose_concepts
from .grades import Grade, add_causes


def grade(value_class: type, *, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Grade:
    """Examines a class with micrograd's interface, in this process.

    A concept that takes more than 5 seconds is wrong, where the operating system has timers (not on Windows) and in the
    main thread. For code that you do not know, `grade_file` is safer. Hypothesis generates expressions for the last
    concept; where Hypothesis is not installed, this concept is not run.

    Args:
        value_class: The class: `value_class(number)` makes a leaf with `data` and `grad`, operators make nodes, and
            nodes have `backward()`.
        only: The names of concepts or groups to examine, as in `CONCEPTS`; all by default.
        skip: The names of concepts or groups to leave out.

    Returns:
        The results for all concepts. `print` shows a report.

    Raises:
        TypeError: `value_class` is not a class.
        ValueError: A name in `only` or `skip` is unknown, or no concept is left.

    Example:
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
        look at  __add__: make a plain number a Value first; both inputs get out.grad,
                 as both derivatives are 1.
        note     may follow from root-gradient: begin there
    """
    concepts, start = choose_concepts(only, skip), time.monotonic()
    _require_class(value_class)
    results = add_causes([examine(concept, value_class) for concept in concepts])
    try:
        file = Path(inspect.getfile(value_class)).name
    except (OSError, TypeError):  # made in a notebook, or without a file
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

    Whatever the file does is part of the grade: an import that fails, a crash, an endless loop, `sys.exit`, output that
    makes no sense. The process has a temporary working folder, no standard input, at most 4 GiB of memory and 64 MiB of
    output. This is no protection against a file that means harm.

    Args:
        path: The Python file.
        class_name: The name of the class to examine.
        seconds: The time limit for all concepts, in seconds. One concept may take 5 s, and a third of `seconds` at
            most. A concept that is not reached in time is "not run".
        only: The names of concepts or groups to examine; all by default.
        skip: The names of concepts or groups to leave out.

    Returns:
        The results for all concepts. `print` shows a report.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: `seconds` is not positive and finite, a name in `only` or `skip` is unknown, or no concept is left.
    """
    path, concepts = Path(path), choose_concepts(only, skip)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r} to grade")
    if not 0 < seconds < math.inf:
        raise ValueError(f"the time limit is a positive, finite number of seconds, not {seconds}")
    return grade_in_a_process(path, class_name, concepts, seconds)


def suite(value_class: type, *, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Callable[[Concept], None]:
    """Makes a test for pytest with one case for each concept.

    A case fails if the concept is missing or wrong, and shows why. In a test file: `test_engine = suite(Value)`.

    Args:
        value_class: The class to examine, as for `grade`.
        only: The names of concepts or groups to examine; all by default.
        skip: The names of concepts or groups to leave out.

    Returns:
        The test function, parametrized with the concepts.

    Raises:
        TypeError: `value_class` is not a class.
        ValueError: A name in `only` or `skip` is unknown, or no concept is left.
        ImportError: pytest is not installed.
    """
    _require_class(value_class)
    try:
        import pytest
    except ModuleNotFoundError:
        raise ImportError("suite needs pytest: pip install 'tinygrad-edu[test]'") from None

    @pytest.mark.parametrize("concept", choose_concepts(only, skip), ids=lambda concept: concept.name)
    def test(concept: Concept) -> None:
        result = examine(concept, value_class)
        if not result.passed:
            pytest.fail(str(result), pytrace=False)

    return test


def _require_class(value_class: type) -> None:
    if not isinstance(value_class, type):
        raise TypeError(f"the grader examines a class, such as Value itself, not a {type(value_class).__name__}")
