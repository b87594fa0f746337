"""Compares answers with the right ones, by values and gradients, and says what differs, and where.

What it says names the number that was given, never the right one. A function of the student's is tried on arguments of
our own; whatever it does, it raises or does not end, is part of what is said. What is right is left to the exercises.
"""

import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar

from tinygrad_edu._display import clean_text
from tinygrad_edu._limits import TimeIsOverError, call_within, keep_random_state
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import SourceLine, describe, owner_of, to_text
from tinygrad_edu.gradients import grad
from tinygrad_edu.modes import enable_grad

POINTS = 4  # at which a function is tried
SECONDS = 5.0  # that a function may take at one of them

SMALLEST = 1e-3  # numbers below it are compared as if they were as large

Draw = Callable[[Random], tuple[Any, ...]]
T = TypeVar("T")


class NotComparableError(Exception):
    """An answer that is not of the kind that is asked for; the message says so."""


class FunctionFailedError(Exception):
    """A function that raises, or does not end; the message says so."""


class UnansweredError(Exception):
    """A function in which the dots still stand."""


class Pair(NamedTuple):
    """A number that was given, and the right one; which number that is, and at which arguments of a function."""

    name: str
    point: str
    given: float
    right: float
    is_gradient: bool = False


@dataclass(frozen=True)
class Trial:
    """The right answers, and how they are compared with others.

    Args:
        names: The names of the answers.
        right: The right answers: numbers, Values, sequences of them, or functions.
        draw: Makes the arguments at which functions are tried.
        gradients: Whether the gradients of functions are compared, too.
        tolerance: How far a number may be off, relative to the right one.
    """

    names: Sequence[str]
    right: Sequence[Any]
    draw: Draw | None
    gradients: bool
    tolerance: float

    def compare(self, answers: Sequence[Any]) -> str:
        """What is wrong with the numbers of the answers, in a sentence; "" for right ones. What has none raises."""
        if any(answer is ... for answer in answers):
            raise UnansweredError
        pairs: list[Pair] = []
        with keep_random_state(), enable_grad():
            for name, answer, right in zip(self.names, answers, self.right):
                pairs += self._try_function(name, answer, right) if callable(right) else pair(name, answer, right)
        wrong = [p for p in pairs if not self._is_close(p.given, p.right)]
        return self._describe(wrong, pairs) if wrong else ""

    def accepts(self, answers: Sequence[Any]) -> bool:
        """Whether the answers are these; those that fail are not."""
        try:
            return not self.compare(answers)
        except (NotComparableError, FunctionFailedError, UnansweredError):
            return False

    def _is_close(self, given: float, right: float) -> bool:
        return abs(given - right) <= self.tolerance * max(SMALLEST, abs(right))  # False for nan

    def _try_function(self, name: str, given: Any, right: Callable[..., Any]) -> Iterator[Pair]:
        """The numbers of two functions at the same arguments."""
        if not callable(given):
            raise NotComparableError(f"{name} is {write_kind(given)}, and a function is asked for.")
        assert self.draw
        names = list(inspect.signature(right).parameters)
        for seed in range(POINTS):
            drawn, drawn_again = self.draw(Random(seed)), self.draw(Random(seed))  # a function may change its arguments
            point = ", ".join(f"{n} = {write_argument(argument)}" for n, argument in zip(names, drawn))
            if self.gradients:
                arguments, leaves = to_values(drawn, names)
                our_arguments, our_leaves = to_values(drawn_again, names)
                result, our_result = call(name, given, arguments, point), right(*our_arguments)
                yield from pair(name, result, our_result, point)
                yield from pair_gradients(name, result, leaves, our_result, our_leaves, point)
            else:
                yield from pair(name, call_on_numbers(name, given, drawn, point), right(*drawn_again), point)

    def _describe(self, wrong: Sequence[Pair], pairs: Sequence[Pair]) -> str:
        """What all the wrong numbers have in common, or else which is the first of them."""
        first = wrong[0]
        at = f" at {first.point}" if first.point else ""
        it = f"{first.name} is {write_number(first.given)}{at}"
        if not math.isfinite(first.given):
            return f"{it}: something has overflowed, or is not defined there."
        telling = [p for p in pairs if p.right]
        factors = [p.given / p.right for p in telling] if all(p.right for p in wrong) else []  # a 0 has none
        if factors and all(self._is_close(p.given, -p.right) for p in telling):
            return f"{it}, and has the wrong sign{', as all others have' if len(telling) > 1 else ''}."
        if len(factors) > 1 and factors[0] and all(abs(f / factors[0] - 1) < self.tolerance for f in factors):
            return f"{it}, and all numbers are off by the same factor: is one left out, or counted twice?"
        if all(p.is_gradient for p in wrong):
            return f"the values are right, but {it}, and that is not the gradient. Is a number in it not a Value?"
        right_names = list(dict.fromkeys(p.name for p in pairs if p.name not in {q.name for q in wrong}))
        also = f" {', '.join(right_names[:4])}: right." if right_names and not first.point else ""
        return f"{it}, and that is not {'right' if isinstance(first.right, bool) else 'the number'}.{also}"


# ---- numbers of answers ----------------------------------------------------------------------------------------------
def pair(name: str, given: Any, right: Any, point: str = "") -> Iterator[Pair]:
    """The numbers of an answer, each with the right one; an answer of another kind raises."""
    at = f" at {point}" if point else ""
    if given is None:
        raise NotComparableError(f"{name} gives None{at}: is a `return` missing?" if point else f"{name} is None.")
    if isinstance(right, (list, tuple)):
        numbers = to_list(given)
        if numbers is None:
            wanted = f"a sequence of the length {len(right)} is asked for"
            raise NotComparableError(f"{name} is {write_kind(given)}{at}, and {wanted}.")
        if len(numbers) != len(right):
            raise NotComparableError(f"{name} has the length {len(numbers)}{at}, and {len(right)} is asked for.")
        for i, (one, other) in enumerate(zip(numbers, right)):
            yield from pair(f"{name}[{i}]", one, other, point)
    elif isinstance(right, bool):
        truth = ask(bool, given)
        if truth is None:  # an array is neither
            raise NotComparableError(f"{name} is {write_kind(given)}{at}, and True or False is asked for.")
        yield Pair(name, point, truth, right)
    else:
        number = to_number(given)
        if number is None:
            raise NotComparableError(f"{name} is {write_kind(given)}{at}, and a number is asked for.")
        yield Pair(name, point, number, right.data if isinstance(right, Value) else float(right))
        if isinstance(right, Value) and not point:
            gradient = to_number(ask(getattr, given, "grad"))
            if gradient is None:
                raise NotComparableError(f"{name} is {write_kind(given)}, and a Value with a gradient is asked for.")
            yield Pair(f"{name}.grad", point, gradient, right.grad, is_gradient=True)


def pair_gradients(
    name: str, result: Any, leaves: Sequence[Value], our_result: Any, our_leaves: Sequence[Value], point: str
) -> Iterator[Pair]:
    """The gradients of two results, of each of their numbers in each of the arguments."""
    for i, (one, ours) in enumerate(zip(flatten(result), flatten(our_result))):
        place = f"{name}[{i}]" if isinstance(our_result, (list, tuple)) else name
        if not isinstance(one, Value):
            raise NotComparableError(
                f"{place} is of the type {type(one).__name__} at {point}, so it has no gradient: compute with the "
                "arguments themselves, not with their .data."
            )
        gradients = call(f"the gradient of {place}", grad, (one, leaves), point)
        for gradient, our_gradient, leaf in zip(gradients, grad(ours, our_leaves), leaves):
            yield Pair(f"∂{place}/∂{leaf.label}", point, gradient, our_gradient, is_gradient=True)


def to_number(x: Any) -> float | None:
    """A float of a number or of what has one as its `data`, as the Value of any engine; None for anything else."""
    if isinstance(x, Value) or not ask(hasattr, x, "__float__"):
        x = ask(getattr, x, "data")
    return None if isinstance(x, (str, bytes, bool)) else ask(float, x)


def to_list(x: Any) -> list[Any] | None:
    """The elements of a list, a tuple or an array; None for anything else."""
    if isinstance(x, (list, tuple)):
        return list(x)
    numbers = ask(lambda: x.tolist())
    return numbers if isinstance(numbers, list) else None


def ask(function: Callable[..., T], *arguments: Any) -> T | None:
    """What the function gets from an object of the student's, whose methods may be wrong; None where it raises."""
    try:
        return function(*arguments)
    except (Exception, SystemExit):
        return None


def flatten(x: Any) -> Iterator[Any]:
    """The numbers of a result, one after the other."""
    yield from to_list(x) or [x]


# ---- functions -------------------------------------------------------------------------------------------------------
def to_values(arguments: Sequence[Any], names: Sequence[str]) -> tuple[list[Any], list[Value]]:
    """The arguments with a Value in place of each float, also within lists; and all these Values, labelled."""
    leaves: list[Value] = []

    def convert(x: Any, name: str) -> Any:
        if isinstance(x, list):
            return [convert(element, f"{name}[{i}]") for i, element in enumerate(x)]
        if not isinstance(x, float):
            return x
        leaves.append(Value(x, label=name))
        return leaves[-1]

    return [convert(argument, name) for argument, name in zip(arguments, names)], leaves


def call(name: str, function: Callable[..., Any], arguments: Sequence[Any], point: str) -> Any:
    """What a student's function returns."""
    try:
        result = call_within(SECONDS, function, *arguments)
    except TimeIsOverError as error:
        raise FunctionFailedError(f"{name} was still running after {SECONDS:g} s{where(error)} at {point}.") from error
    except (Exception, SystemExit) as error:
        said = clean_text(f"{type(error).__name__}: {to_text(error)}")[:300]
        raise FunctionFailedError(f"{name} fails at {point}{where(error)}: {said}.") from error
    if any(element is ... for element in flatten(result)):
        raise UnansweredError
    return result


def call_on_numbers(name: str, function: Callable[..., Any], arguments: Sequence[Any], point: str) -> Any:
    """The same on plain numbers; on Values if it differentiates, which it cannot do on plain numbers."""
    try:
        return call(name, function, arguments, point)
    except FunctionFailedError as error:
        if not isinstance(error.__cause__, TypeError):
            raise
        try:
            return call(name, function, to_values(arguments, [""] * len(arguments))[0], point)
        except FunctionFailedError:
            raise error from error.__cause__


def where(error: BaseException) -> str:
    """The last line of the student's in a traceback."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if owner_of(frame.f_code.co_filename, frame.f_globals.get("__name__", "")) == "user"
    ]
    if not frames:
        return ""
    file, line = frames[-1]
    return f" (line {line}: `{clean_text(SourceLine(file, line, '').text)}`)"


# ---- words -----------------------------------------------------------------------------------------------------------
def write_number(x: float) -> str:
    """A number, as short as it can be read; True or False as they are."""
    return str(x) if isinstance(x, bool) else f"{x:.6g}"


def write_kind(x: Any) -> str:
    """What an answer is, for a message."""
    return "a function" if inspect.isroutine(x) else f"of the type {clean_text(describe(x))}"


def write_argument(x: Any) -> str:
    """An argument of a function, for a message."""
    if isinstance(x, (int, float)):
        return f"{x:.4g}"
    if isinstance(x, list):
        return f"[{', '.join([*map(write_argument, x[:4]), *['…'] * (len(x) > 4)])}]"
    return str(getattr(x, "__name__", None) or str(x).partition("\n")[0])
