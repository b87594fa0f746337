"""The grader: examines an engine, concept by concept. Each concept is passed, missing or wrong.

`grade` examines a class, `examine` one concept of it, `grade_file` a file that somebody else wrote, and `suite` makes
tests for pytest. Any class with micrograd's interface will do. What is examined is left to `concepts.py`, how it is
examined to `_examination.py`, how a file is kept apart to `_isolation.py`, and how the result is shown to `grades.py`.
"""

import hashlib
import inspect
import operator
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tinygrad_edu._io import require_path
from tinygrad_edu._validate import require_ints, to_float
from tinygrad_edu.errors import api_boundary, describe

from ._examination import SECONDS, Examiner, LocalRunner
from ._isolation import File, choose_sandbox, grade_in_a_process
from .concepts import Concept, choose_concepts
from .grades import Grade, Result

_LONGEST = 86_400.0  # seconds, a day


@api_boundary
def grade(value_class: type, *, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Grade:
    """Examines a class with micrograd's interface, in this process.

    It is for your own class, as in a notebook: the code of a class can do anything here, also change its grade. What
    others wrote is for `grade_file`. A concept that takes more than 5 seconds is wrong. Hypothesis generates
    expressions for the last concept; where Hypothesis is not installed, this concept is not run.

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
        why      c.data is wrong, before any gradient: a + b is the sum, also for a
                 plain number b; both derivatives are 1.
    """
    concepts, start = choose_concepts(only, skip), time.monotonic()
    _require_class(value_class)
    examiner = Examiner(LocalRunner(value_class))
    results = tuple(examiner.examine(concept) for concept in concepts)
    try:
        file = Path(inspect.getfile(value_class)).name
    except (OSError, TypeError):  # made in a notebook, or without a file
        file = "(no file)"
    return Grade(file, value_class.__name__, results, time.monotonic() - start)


@api_boundary
def examine(concept: Concept, value_class: type, *, seconds: float = SECONDS) -> Result:
    """Examines one concept of a class that has micrograd's interface, in this process.

    Args:
        concept: The concept, one of `CONCEPTS`.
        value_class: The class to examine.
        seconds: A time limit for all programs of the concept.

    Returns:
        The result, whatever the class does.

    Raises:
        TypeError: The concept is none, `value_class` is not a class, or `seconds` no number.
        ValueError: `seconds` is not positive, or longer than a day.

    Example:
        >>> from tinygrad_edu import Value
        >>> from tinygrad_edu.testing.grader.concepts import CONCEPTS
        >>> examine(CONCEPTS[0], Value).status
        'passed'
    """
    if not isinstance(concept, Concept):
        raise TypeError(f"examine takes a concept, one of CONCEPTS, not {describe(concept)}; grade takes names")
    _require_class(value_class)
    return Examiner(LocalRunner(value_class), _to_seconds(seconds)).examine(concept)


@api_boundary
def grade_file(
    path: str | os.PathLike[str],
    class_name: str = "Value",
    *,
    seconds: float = 30.0,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    sandbox: str = "auto",
    seed: int | None = None,
) -> Grade:
    """Examines a class in a Python file or a notebook, which runs in a process of its own.

    Whatever the file does is part of the grade: an import that fails, a crash, an endless loop, `sys.exit`, output that
    makes no sense. Its process is asked for numbers only; expected numbers and verdicts are not there. It has a
    temporary working folder, no standard input, and limits on memory and output. What this holds against, and what it
    does not without a sandbox, is a table in the documentation.

    Args:
        path: The Python file, or a notebook (.ipynb), whose code cells are run in order. Where some of them fail, and
            the class is there nevertheless, it is examined, and `notes` says which cells failed.
        class_name: The name of the class to examine.
        seconds: The time limit for all concepts, in seconds. One concept may take 5 s, and a third of `seconds` at
            most. A concept that is not reached in time is "not run".
        only: The names of concepts or groups to examine; all by default.
        skip: The names of concepts or groups to leave out.
        sandbox: "bubblewrap" keeps the file off the network, and from changing any file; "none" does not; "auto" is
            "bubblewrap" where the program `bwrap` works.
        seed: Of the numbers in the programs; by default the bytes of the file give it, so that they are the same each
            time.

    Returns:
        The results for all concepts. `print` shows a report.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: An argument is of another type.
        ValueError: `seconds` is not positive, or longer than a day; a name in `only` or `skip` is unknown, no concept
            is left, the file is called a notebook and is none, or the sandbox is not there.
    """
    path, concepts, seconds = Path(require_path(path)), choose_concepts(only, skip), _to_seconds(seconds)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r} to grade")
    if not isinstance(class_name, str):
        raise TypeError(f"class_name must be the name of the class in the file, as 'Value', not {describe(class_name)}")
    if seed is None:
        seed = int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:4])
    require_ints(None, seed=seed)
    file = File(path, class_name, seconds, choose_sandbox(sandbox))
    return grade_in_a_process(file, concepts, operator.index(seed))


@api_boundary
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


def _to_seconds(seconds: float) -> float:
    number = to_float(seconds, "seconds")
    if not 0 < number <= _LONGEST:
        raise ValueError(
            f"seconds, the time limit, must be more than 0 and at most {_LONGEST:g}, a day, not {number:g}"
        )
    return number
