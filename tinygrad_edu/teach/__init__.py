"""Exercises that check themselves: those of the lessons in `notebooks/`.

`check("1.1", a_2, b_2)` grades an answer by its values and gradients, `exercise("1.1")` has hints and the solution.
`exercise.py` says what an exercise is, `grading.py` how answers are compared. The exercises themselves are in
`lessons/`, a file for each lesson, which is loaded when one of its exercises is asked for.
"""

from .catalogue import check, exercise
from .exercise import Exercise, Hint, Result, Solution

__all__ = ["Exercise", "Hint", "Result", "Solution", "check", "exercise"]
