"""Compiled functions: `compile` records a function of Values once, and then runs it as a program, without a graph.

Called with numbers it runs plain Python, called with NumPy arrays it runs once for all samples. How a function is
traced is left to `trace.py`, the text of the programs to `source.py`, what they do with arrays to `batch.py`.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache, update_wrapper
from typing import Any, Literal

from tinygrad_edu.engine import Value, add_to_gradients, constant
from tinygrad_edu.errors import FAILURES, described, require_function, to_float
from tinygrad_edu.gradients import grad
from tinygrad_edu.modes import enable_grad

from . import source
from .languages import LANGUAGES
from .passes import summed
from .structure import NUMBER, Structure, flattened, rebuilt
from .tape import Tape
from .trace import Traced, traced

Gradients = Literal["none", "inputs", "parameters", "all"]  # in which leaves


def record(f: Callable[..., Any], *example: Any, gradients: bool = False) -> Tape:
    """The operations of a function f of Values, recorded by calling it once with the numbers of the example.

    f takes numbers, or lists, tuples and dicts of them, and returns Values in the same way. The Values that it uses
    beside its arguments are the parameters. With `gradients` the tape also returns those of its value, which has to be
    a single one, in all inputs and then all parameters; gradients that f takes itself, with `grad(…,
    create_graph=True)`, are values like any others.

    >>> w = Value(-0.5, label="w")
    >>> print(record(lambda x: (w * x + 1.0).tanh(), 2.0))
    tape of f
    name  formula    number
    x     input           2
    w     parameter    -0.5
    v1    w * x          -1
    v2    v1 + 1          0
    v3    tanh(v2)        0
    returns v3

    Raises `RecordingError` where f branches on a number or looks at one; `TypeError` where it returns no Values, or
    more than one with `gradients`; and what f raises at the example.
    """
    require_function("f", f, "record(lambda x: x * x, 2.0)")
    if isinstance(f, Compiled):
        example = (*f._first, *example)
        f = f.function
    call = _Call(f, _names_of_arguments(f, len(example)), example, {})
    (tape, _), _ = call.traced("all" if gradients else "none")
    return tape


def compile(f: Callable[..., Any]) -> "Compiled":
    """A function f of Values as a program that computes the same from plain numbers, much faster. Also a decorator.

    >>> w = Value(0.5, label="w")
    >>> @compile
    ... def error(x, y):
    ...     return (w * x - y) ** 2
    >>> error(2.0, 3.0)
    4.0

    What it can do, and where its limits are, stands at `Compiled`.
    """
    return f if isinstance(f, Compiled) else Compiled(f)


class Compiled:
    """What `compile` makes of a function f of Values.

    f takes numbers, or lists, tuples and dicts of them, and returns Values in the same way. It is recorded when it is
    called for the first time with arguments of that structure. The Values that it uses beside its arguments are its
    parameters: their numbers are read afresh at each call. Everything else is fixed when f is recorded: plain numbers
    and which Values it uses, the way it took through its `if`s and loops. All numbers among the arguments become
    Values; what f needs as a plain int, to count or to index, it takes from outside.

    Where f calls `detach()`, or computes under `no_grad()`, gradients stop, as on Values.

    Called with plain numbers it runs plain Python and returns floats. Called with NumPy arrays for some of the numbers
    it computes all samples at once: arrays are broadcast against each other and against numbers as NumPy does, and the
    results are arrays of their common shape. A sample of several features is a list of arrays, `list(X.T)`, not one
    array. A gradient in what is the same for all samples is summed over them.

    >>> import numpy as np
    >>> w = Value(0.5, label="w")
    >>> error = compile(lambda x, y: (w * x - y) ** 2)
    >>> error(np.array([2.0, 4.0]), np.array([3.0, 3.0]))
    array([4., 1.])
    >>> error.backward(np.array([2.0, 4.0]), np.array([3.0, 3.0]))
    array([4., 1.])
    >>> w.grad
    -16.0

    Raises `RecordingError` where f branches on a number or looks at one while it is recorded, or is not the same
    function each time; `TypeError` for an argument that is a Value, and where f returns no number; `ValueError` for
    arrays of shapes that do not match. A number outside the domain of an operation raises what the engine raises, with
    the index of the sample.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        if not callable(f):
            raise TypeError(f"compile takes a function of Values, not {described(f)}")
        update_wrapper(self, f, updated=())
        self.function = f
        self._first: tuple[Any, ...] = ()  # of a method, the object
        self._names: dict[int, list[str]] = {}  # of so many arguments
        self._programs: dict[tuple[Gradients, Structure], Program] = {}
        self._quick: dict[tuple[Gradients, int], Program] = {}  # for so many floats and nothing else

    def __get__(self, instance: object, owner: type | None = None) -> "Compiled":
        """A method of a class is compiled anew for each object that it is called on."""
        if instance is None:
            return self
        bound = copy(self)
        bound._first = (instance,)
        return bound

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """What f returns, in plain numbers or arrays."""
        compiled, results = self.run("none", args, kwargs)
        return results[0] if compiled.returns_a_number else rebuilt(compiled.structure, iter(results))

    def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        """The value of f, which has to be one number, with a list of its gradients in the arguments.

        Each gradient has the structure and the shapes of its argument: for an array of samples it is an array, for a
        number that is the same for all samples it is the sum over them.

        >>> compile(lambda x, y: x * y + x).value_and_grad(2.0, 3.0)
        (8.0, [4.0, 2.0])
        """
        compiled, results = self.run("inputs", args, kwargs)
        value, *slopes = results
        if not compiled.takes_numbers_only:
            slopes = compiled.call.arguments(slopes)[len(self._first) :]
        return value, slopes

    def backward(self, /, *args: Any, **kwargs: Any) -> Any:
        """The value of f, which has to be one number; adds its gradients to the `grad` of f's parameters.

        For a batch of samples it adds the gradient of the sum of their values, and returns the array of them.

        >>> w = Value(0.5)
        >>> compile(lambda x: w * x).backward(2.0), w.grad
        (1.0, 2.0)
        """
        compiled, results = self.run("parameters", args, kwargs)
        compiled.add_to_gradients(results[1:])
        return results[0]

    def run(
        self, gradients: Gradients, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple["Program", Sequence[Any]]:
        """The program for arguments of this structure, and what it computes: the value, then the gradients."""
        quick = self._quick.get((gradients, len(args)))
        if quick and not kwargs:
            for x in args:
                if x.__class__ is not float:
                    break
            else:  # nothing but floats: no structure to look at
                return quick, quick.on_numbers(args)
        args = self._first + args
        if len(args) not in self._names:
            self._names[len(args)] = _names_of_arguments(self.function, len(args))
        call = _Call(self.function, self._names[len(args)], args, kwargs)
        compiled = self._programs.get((gradients, call.structure))
        if compiled is None:
            compiled = self._programs[gradients, call.structure] = Program(call, gradients)
            if compiled.takes_numbers_only and not kwargs:
                self._quick[gradients, len(args)] = compiled
        return compiled, compiled.run(call.numbers)

    def __repr__(self) -> str:
        return f"<compiled {self.function!r}>"


class _Call:
    """A function with arguments: their structure, their numbers, and what these are called."""

    def __init__(
        self, f: Callable[..., Any], names: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        self.function = f
        numbers: list[tuple[str, Any]] = []
        self._args = [flattened(thing, name, numbers) for name, thing in zip(names, args)]
        self._kwargs = {name: flattened(thing, name, numbers) for name, thing in kwargs.items()}
        self.structure: Structure = (*self._args, *self._kwargs.items())
        self.labels, self.numbers = [label for label, _ in numbers], [x for _, x in numbers]

    def example(self) -> list[float]:
        """The numbers; of arrays the first one."""
        return [_first(label, x) for label, x in zip(self.labels, self.numbers)]

    def on(self, values: Sequence[Any]) -> tuple[Structure, list[Any]]:
        """What the function returns for these in place of the numbers: its structure, and its Values."""
        rest = iter(values)
        args = [rebuilt(structure, rest) for structure in self._args]
        y = self.function(*args, **{name: rebuilt(structure, rest) for name, structure in self._kwargs.items()})
        results: list[tuple[str, Any]] = []
        structure = flattened(y, "", results)
        if not results:
            raise TypeError(f"{_name(self.function)} must return Values, or lists of them, not {type(y).__name__}")
        return structure, [value for _, value in results]

    def arguments(self, numbers: Sequence[Any]) -> list[Any]:
        """One for each argument, of the same structure, made of these numbers."""
        rest = iter(numbers)
        return [rebuilt(structure, rest, constants=False) for structure in (*self._args, *self._kwargs.values())]

    def traced(self, gradients: Gradients) -> tuple[Traced, Structure]:
        """The function as a tape, and the structure of what it returns."""
        structures = []

        def f(leaves: list[Value]) -> list[Value]:
            structure, results = self.on(leaves)
            structures.append(structure)
            if gradients != "none" and len(results) > 1:
                raise TypeError(
                    f"{_name(self.function)} returns {len(results)} numbers, and gradients are those of one: return "
                    "their total, or take gradients in the function, with grad(y, xs, create_graph=True)"
                )
            return results

        return traced(f, _name(self.function), [*zip(self.labels, self.example())], _LEAVES[gradients]), structures[0]


_LEAVES: dict[Gradients, Callable[[list[Value], list[Value]], list[Value]]] = {
    "none": lambda inputs, parameters: [],
    "inputs": lambda inputs, parameters: inputs,
    "parameters": lambda inputs, parameters: parameters,
    "all": lambda inputs, parameters: inputs + parameters,
}


class Program:
    """A recorded function, the programs made of it, and what to do where they fail."""

    def __init__(self, call: _Call, gradients: Gradients) -> None:
        (self.tape, self.parameters), self.structure = call.traced(gradients)
        self.call, self._gradients = copy(call), gradients
        self.call.numbers = []  # they may be large
        self.takes_numbers_only = all(part == NUMBER for part in call.structure)
        self.returns_a_number = self.structure == NUMBER
        self._on_numbers = self._on_first_numbers
        self._on_arrays: dict[tuple[bool, ...], Callable[..., Sequence[Any]]] = {}
        place = {leaf: i for i, leaf in enumerate(self.tape.inputs)}
        self.inputs_of_gradients = [None if leaf is None else place.get(leaf, -1) for _, leaf in self.tape.outputs]

    def run(self, numbers: Sequence[Any]) -> Sequence[Any]:
        """The outputs, for floats or for arrays."""
        if not is_batch(numbers):
            return self.on_numbers([_first(label, x) for label, x in zip(self.call.labels, numbers)])
        from .batch import over_samples

        return over_samples(self, self.call.labels, numbers)

    def add_to_gradients(self, slopes: Sequence[float]) -> None:
        add_to_gradients(self.parameters, slopes)

    def on_arrays(self, batched: tuple[bool, ...]) -> Callable[..., Sequence[Any]]:
        """The program for arrays in place of some inputs."""
        if batched not in self._on_arrays:
            tape = summed(self.tape, [*batched, *[False] * len(self.parameters)])
            self._on_arrays[batched] = self._executable("numpy", tape)
        return self._on_arrays[batched]

    def _on_first_numbers(self, *numbers: float) -> Sequence[float]:
        self._on_numbers = self._executable("python", self.tape)
        return self._on_numbers(*numbers)

    def _executable(self, language: str, tape: Tape) -> Callable[..., Sequence[Any]]:
        function = executable(source.program(tape, LANGUAGES[language]))
        return function if len(tape.outputs) > 1 else lambda *numbers: (function(*numbers),)

    def on_numbers(self, numbers: Sequence[float]) -> Sequence[float]:
        """The outputs for one sample; what the engine makes of it where the program fails or ends in a nan."""
        try:
            parameters = self.parameters  # most have none, and to unpack an empty list takes time too
            leaves = [*numbers, *[p.data for p in parameters]] if parameters else numbers
            results = self._on_numbers(*leaves)
            whole = sum(results)
            if whole == whole:
                return results if whole.__class__ is float else [*map(float, results)]  # NumPy's, from a `.data`
        except FAILURES:
            pass
        return self.on_values(numbers)

    def on_values(self, numbers: Sequence[float]) -> list[float]:
        """The outputs as the engine computes them, or the error that it raises."""
        with enable_grad():
            inputs = [Value(x, label=label) for label, x in zip(self.call.labels, numbers)]
            results = [y if isinstance(y, Value) else constant(y) for y in self.call.on(inputs)[1]]
            targets = _LEAVES[self._gradients](inputs, self.parameters)
            slopes = grad(results[0], targets) if targets else []
        return [*[y.item() for y in results], *slopes]


@lru_cache(maxsize=256)
def executable(text: str) -> Callable[..., Any]:
    """The last function of a program. Tapes of one structure are one text, and share it."""
    scope: dict[str, Any] = {}
    exec(text, scope)  # of our own making: labels are in it as plain names only, numbers as numbers
    function: Callable[..., Any] = list(scope.values())[-1]
    return function


def is_batch(numbers: Sequence[Any]) -> bool:
    return any(len(getattr(x, "shape", ())) for x in numbers)


def _first(label: str, x: Any) -> float:
    if isinstance(x, Value):
        raise TypeError(
            f"{label} is a Value, and a compiled function computes with plain numbers: give it {label}.data, or let "
            f"the function use {label} without taking it as an argument, as a parameter"
        )
    if len(getattr(x, "shape", ())):
        from .batch import as_array

        samples = as_array(label, x).flat
        x = samples[0] if len(samples) else math.nan  # of no samples: a nan is in the domain of every operation
    return to_float(x)


def _name(f: Callable[..., Any]) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    return "f" if name == "<lambda>" else name


def _names_of_arguments(f: Callable[..., Any], count: int) -> list[str]:
    """What the first arguments of a function are called there."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some functions written in C do not tell
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    more = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "x")
    return names + [f"{more}[{i}]" for i in range(count - len(names))]
