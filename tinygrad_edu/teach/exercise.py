"""What an exercise is: its hints, its solution, its right answers, and the mistakes that are often made.

How an answer is compared with the right one is left to `grading.py`.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tinygrad_edu.errors import api_boundary

from .grading import Draw, FunctionFailedError, NotComparableError, Trial, UnansweredError

RIGHT, WRONG, UNANSWERED = "right", "wrong", "not answered yet"
_SIGNS = {RIGHT: "✓", WRONG: "✗", UNANSWERED: "…"}
_WIDTH = 80  # columns of what is shown: a terminal's

Answers = tuple[Any, ...]


@dataclass(frozen=True, repr=False)
class Hint:
    """A hint, which a notebook and `print` show as its text.

    Args:
        text: The text.
    """

    text: str

    def __repr__(self) -> str:
        return textwrap.fill(self.text, _WIDTH, break_long_words=False, break_on_hyphens=False)


@dataclass(frozen=True)
class Solution:
    """The solution of an exercise: its code, and the function that the code defines.

    Args:
        function: The function. To call the solution calls it.

    Example:
        >>> from tinygrad_edu.teach import exercise
        >>> solution = exercise("1.2").solution()
        >>> print(solution.code.splitlines()[-1])
            return 2 / (2 * len(x))
        >>> solution([0.5] * 20)
        0.05
    """

    function: Callable[..., Any]

    @property
    def code(self) -> str:
        """The text of the function, without the types of its arguments, as the lessons write it."""
        source = inspect.getsource(self.function)
        (definition,) = ast.parse(source).body
        assert isinstance(definition, ast.FunctionDef)
        for node in ast.walk(definition.args):
            if isinstance(node, ast.arg):
                node.annotation = None
        body = source.splitlines()[definition.body[0].lineno - 1 :]
        return "\n".join([f"def {definition.name}({ast.unparse(definition.args)}):", *body])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


@dataclass(frozen=True)
class Result:
    """What was found about an answer.

    Args:
        exercise: The exercise.
        status: "right", "wrong" or "not answered yet".
        message: What was shown by a right answer; what is wrong with a wrong one.

    Example:
        >>> from tinygrad_edu.teach import check
        >>> found = check("1.2", "0.05")
        >>> found.status, found.right
        ('wrong', False)
        >>> print(found.message)
        limit is of the type str '0.05', and a number is asked for.
    """

    exercise: "Exercise"
    status: str
    message: str

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.status == RIGHT

    def hint(self) -> Hint:
        """Gives the next hint of the exercise.

        Returns:
            The hint, from vague to nearly the answer.
        """
        return self.exercise.hint()

    def solution(self) -> Solution:
        """Shows the solution of the exercise.

        Returns:
            The solution: its code is shown, and it can be called.
        """
        return self.exercise.solution()

    def __repr__(self) -> str:
        head = {RIGHT: "is right", WRONG: "is not right yet", UNANSWERED: "is not answered yet"}[self.status]
        tail = "" if self.right else " `.hint()` helps."
        text = f"{_SIGNS[self.status]} {self.exercise.name} {head}: {self.message}{tail}"
        return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


@dataclass(eq=False, repr=False)
class Exercise:
    """An exercise of a lesson.

    Args:
        name: The lesson and the number, as "1.1".
        title: What is to be done, in a few words.
        answers: The names of what is asked for, separated by blanks.
        shows: What was shown by it, one sentence, said of a right answer.
        hints: From vague to nearly the answer.
        code: The function that is the solution.
        right: Computes the right answers: numbers, sequences of them, or functions. Of a Value `data` and `grad` are
            compared, of a number the number only.
        mistakes: What to say, and the answers to which a mistake that is often made leads.
        draw: Makes the arguments at which functions are tried, of a generator of random numbers.
        gradients: Whether the gradients of a function are compared, too.
        advice: Where to look first, said of a wrong answer that is none of these.
        tolerance: How far a number may be off, relative to the right one.
        others: The other exercises of the lesson.
    """

    name: str
    title: str
    answers: str
    shows: str
    hints: Sequence[str]
    code: Callable[..., Any]
    right: Callable[[], Answers]
    mistakes: Sequence[tuple[str, Callable[[], Answers]]] = ()
    draw: Draw | None = None
    gradients: bool = False
    advice: str = ""
    tolerance: float = 1e-6
    others: tuple["Exercise", ...] = ()
    _given: int = field(default=0, init=False)  # hints

    @api_boundary
    def check(self, *answers: Any) -> Result:
        """Grades an answer, as `tg.teach.check` does.

        Args:
            *answers: The answers that the exercise asks for, in order; `...` for what is not answered yet.

        Returns:
            What was found.

        Raises:
            TypeError: There are more or fewer answers than the exercise asks for.
        """
        names = self.answers.split()
        if len(answers) != len(names):
            raise TypeError(
                f"exercise {self.name} asks for {len(names)} answer{'s' * (len(names) > 1)}, {', '.join(names)}; "
                f"got {len(answers)}"
            )
        advice = self.advice
        try:
            mistake = self._trial(self._right_answers).compare(answers)
        except NotComparableError as error:  # which says all
            mistake, advice = str(error), ""
        except UnansweredError:
            return Result(self, UNANSWERED, "put your code in place of the dots.")
        except FunctionFailedError as error:
            return Result(self, WRONG, str(error))
        if not mistake:
            return Result(self, RIGHT, self.shows)
        for words, wrong in self.mistakes:
            if self._trial(wrong()).accepts(answers):
                return Result(self, WRONG, words)
        for other in self.others:
            if len(other.answers.split()) == len(names) and other._trial(other._right_answers).accepts(answers):
                return Result(self, WRONG, f"this is the answer to exercise {other.name}.")
        return Result(self, WRONG, f"{mistake} {advice}".rstrip())

    @cached_property
    def _right_answers(self) -> Answers:
        return self.right()

    def _trial(self, right: Answers) -> Trial:
        return Trial(self.answers.split(), right, self.draw, self.gradients, self.tolerance)

    def hint(self) -> Hint:
        """Gives the next hint; after the last one, the last one again.

        Returns:
            The hint, from vague to nearly the answer.

        Example:
            >>> from tinygrad_edu.teach import exercise
            >>> exercise("2.2").hint()
            Hint 1 of 3: Write the Hessian down: a table of 2 × 2 of the second derivatives
            of the mean loss.
        """
        self._given = min(self._given + 1, len(self.hints))
        last = " That was the last one; `.solution()` shows the code." if self._given == len(self.hints) else ""
        return Hint(f"Hint {self._given} of {len(self.hints)}: {self.hints[self._given - 1]}{last}")

    def solution(self) -> Solution:
        """Shows the solution.

        Returns:
            The solution: its code is shown, and it can be called.
        """
        return Solution(self.code)

    def __repr__(self) -> str:
        call = ", ".join([f'"{self.name}"', *self.answers.split()])
        return f"Exercise {self.name}, {self.title}: tg.teach.check({call})"
