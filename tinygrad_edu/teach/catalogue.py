"""`check` and `exercise`: the exercises by their names. What they do is left to `exercise.py`."""

import pkgutil
import re
from functools import cache
from importlib import import_module
from typing import Any

from tinygrad_edu.errors import api_boundary, describe, quote_list

from . import lessons
from .exercise import Exercise, Result


@api_boundary
def check(name: str, /, *answers: Any) -> Result:
    """Grades the answer to an exercise by its values and gradients.

    Numbers may be floats, Values or anything that has `.data`, and sequences of those. A function is tried at points
    that are drawn at random, the same ones each time; where the exercise asks for it, its gradients are compared, too.
    Nothing of yours is changed: no number, no gradient, and not the state of `random`.

    Args:
        name: The lesson and the number of the exercise, as "1.1".
        *answers: The answers that the exercise asks for, in order; `...` for what is not answered yet,
            also as what a function returns.

    Returns:
        What was found: its text is shown by a notebook, and printed by `print`. `.right` is True or False.

    Raises:
        ValueError: There is no such exercise.
        TypeError: There are more or fewer answers than the exercise asks for.

    Example:
        >>> check("1.2", ...)
        … 1.2 is not answered yet: put your code in place of the dots. `.hint()` helps.
        >>> check("1.2", 0.06)
        ✗ 1.2 is not right yet: limit is 0.06, and that is not the number. `.hint()`
          helps.
        >>> check("1.2", 0.06).hint()
        Hint 1 of 3: Hold a fixed. What kind of curve is the loss as a function of b
        alone?
        >>> check("1.2", 2 / 40).right
        True
    """
    return exercise(name).check(*answers)


@api_boundary
def exercise(name: str) -> Exercise:
    """Finds an exercise by its name.

    Args:
        name: The lesson and the number of the exercise, as "1.1".

    Returns:
        The exercise, which has hints and a solution; the same object each time.

    Raises:
        ValueError: There is no such exercise.

    Example:
        >>> exercise("1.1")
        Exercise 1.1, the second round by hand: tg.teach.check("1.1", a_2, b_2)
        >>> exercise("1.3")
        Traceback (most recent call last):
        ...
        ValueError: there is no exercise '1.3'; lesson 1 has '1.1', '1.2'
    """
    if not isinstance(name, str):
        raise TypeError(f"an exercise is named by a text, as '1.1', not by {describe(name)}")
    lesson = name.partition(".")[0]
    numbers = sorted(re.sub(r"\D", "", module.name) for module in pkgutil.iter_modules(lessons.__path__))
    if lesson not in numbers:
        raise ValueError(f"there is no exercise {name!r}; there are lessons {numbers[0]} to {numbers[-1]}, as '1.1'")
    found = exercises_of(lesson)
    if name not in found:
        raise ValueError(f"there is no exercise {name!r}; lesson {lesson} has {quote_list(found)}")
    return found[name]


@cache
def exercises_of(lesson: str) -> dict[str, Exercise]:
    """The exercises of a lesson by their names; each knows the others, of which an answer may be given by mistake."""
    found: tuple[Exercise, ...] = import_module(f"{lessons.__name__}.lesson_{lesson}").EXERCISES
    for one in found:
        one.others = tuple(other for other in found if other is not one)
    return {one.name: one for one in found}
