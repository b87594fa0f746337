"""Compiled functions: `compile` finds the arrays in a function of Values, and then runs these, without a graph.

`record` only shows the program. Called with numbers a compiled function computes one sample, called with NumPy arrays
all samples at once. How a function becomes an array program is left to `trace.py`, `roll.py`, `samples.py` and
`vjp.py`, how the program runs to `_runner.py`.
"""

import inspect
import math
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import partial, update_wrapper
from types import EllipsisType, MethodType
from typing import Any, Generic, Literal, NamedTuple, TypeVar, overload

from tinygrad_edu._parts import name_of
from tinygrad_edu._validate import require_function, to_float
from tinygrad_edu.engine import Value, add_to_gradients, make_constant
from tinygrad_edu.errors import api_boundary, describe, hide_frames
from tinygrad_edu.gradients import grad
from tinygrad_edu.modes import enable_grad

from . import backends, printers
from ._runner import MakeFunction, Runner, as_array, items_by_block, refuse_all
from ._structure import NUMBER, Numbers, Structure, join_numbers, split_numbers
from .program import Program
from .roll import roll
from .samples import with_samples
from .tape import Tape
from .trace import RecordingError, trace_function
from .vjp import differentiate

Gradients = Literal["none", "inputs", "parameters", "all"]  # in which leaves
Backend = Literal["numpy", "jax"]
Precision = Literal["float64", "float32"]
T = TypeVar("T")
MOST_PROGRAMS = 64  # that are kept: constants may change at each call


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Recorded(Program):
    """The array program of a function, to be read: `print(program)` lists it, `source` writes it in a language.

    Args:
        name: The name of the function.
        inputs: The blocks of its arguments.
        parameters: The blocks of its parameters.
        statements: What it computes, in order.
        outputs: What it returns; with gradients, these after the value.
        places: For each number of the arguments, and then each parameter: the block it stands in, and its cell there.
        tape: The scalar tape that the program was found in, without gradients.
    """

    tape: Tape

    @api_boundary
    def source(self, language: str = "python") -> str:
        """Writes the program as a function, or as formulas.

        The function takes an array for each array of leaves, inputs first, then parameters, and returns the outputs.

        Args:
            language: "numpy", "jax", "python", "javascript", or "latex" for formulas.

        Returns:
            The text.

        Raises:
            ValueError: There is no such language.
            TypeError: The rule of an operation looks at its numbers, so that it cannot be written.

        Example:
            >>> print(record(lambda x: x * x + 1.0, 2.0).source("javascript"))
            function f(x) {
              return x * x + 1;
            }
        """
        return printers.source(self, language)

    @api_boundary
    def function(self, language: str = "numpy") -> Callable[..., Any]:
        """The function that the source defines.

        Args:
            language: "numpy", "jax", or "python".

        Returns:
            A function of an array for each array of leaves; for "python" it takes flat lists, and floats for single
            numbers. It returns a sequence of the outputs.

        Raises:
            ValueError: There is no such language.
            ImportError: JAX is not installed.

        Example:
            >>> record(lambda x: x * x + 1.0, 2.0).function("python")(3.0)
            (10.0,)
        """
        return backends.make_function(self, language)

    @property
    def jax(self) -> Callable[..., Any]:
        """The program as a function of JAX, which `jax.grad`, `jax.vmap` and `jax.jit` take.

        It takes an array for each array of leaves, inputs first, then parameters, and returns a sequence of outputs.
        Its precision is that of JAX, 32 bits unless `jax_enable_x64` is set.

        Example:
            >>> import jax
            >>> cube = record(lambda x: x * x * x, 1.0).jax
            >>> print(jax.grad(lambda x: cube(x)[0])(2.0))
            12.0
        """
        return self.function("jax")

    def __str__(self) -> str:
        return printers.list_program(self)

    def __repr__(self) -> str:
        return f"<Program of {self.name}: {len(self.statements)} statements>"


@api_boundary
def record(f: Callable[..., Any], *example: Any, gradients: bool = False) -> Recorded:
    """Finds the array program of a function of Values.

    f is called with the numbers of the example. The Values that it uses beside its arguments are the parameters.
    Gradients that f takes itself, with `grad(…, create_graph=True)`, are values like any others.

    Args:
        f: Takes numbers, or lists, tuples and dicts of them, and returns Values in the same way.
        *example: An example of the arguments.
        gradients: Whether the program also returns the gradients of its value in all inputs and then all parameters.
            The value must be a single number then.

    Returns:
        The program.

    Raises:
        RecordingError: f branches on a number, or looks at one.
        TypeError: f returns no Values, or more than one with `gradients`.
        Exception: What f raises at the example.

    Example:
        >>> w = [Value(0.5, label=f"w[{i}]") for i in range(3)]
        >>> program = record(lambda x: sum(wi * xi for wi, xi in zip(w, x)).tanh(), [1.0, 2.0, 3.0])
        >>> print(program.source("numpy"))
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def f(x, w):
            return np.tanh(x @ w)
    """
    require_function("f", f, "record(lambda x: x * x, 2.0)")
    f = f.function if isinstance(f, Compiled) else f
    call = _Call(f, _names_of_arguments(f, len(example)), example, {})
    recording = _Recording(call, None)
    program = recording.program("all" if gradients else "none", ())
    found = {field.name: getattr(program, field.name) for field in fields(Program)}
    return Recorded(**found, tape=recording.tape)


@overload
def compile(f: Callable[..., Any], *, backend: Backend = "numpy", dtype: Precision = "float64") -> "Compiled": ...
@overload
def compile(
    f: EllipsisType = ..., *, backend: Backend = "numpy", dtype: Precision = "float64"
) -> Callable[[Callable[..., Any]], "Compiled"]: ...
@api_boundary
def compile(
    f: Callable[..., Any] | EllipsisType = ..., *, backend: Backend = "numpy", dtype: Precision = "float64"
) -> "Compiled | Callable[[Callable[..., Any]], Compiled]":
    """Makes a function of Values a program that computes the same from plain numbers, much faster. Also a decorator.

    Args:
        f: Takes numbers, or lists, tuples and dicts of them, and returns Values in the same way. Without it the
            result is a decorator: `@compile(backend="jax")`.
        backend: What runs the program: "numpy", which is plain Python for single numbers, or "jax", whose compiler
            makes machine code for the CPU or the GPU. The first call with JAX takes longer.
        dtype: The precision of JAX: "float64", or "float32", in which GPUs are faster. NumPy computes in float64. JAX's
            own setting, `jax_enable_x64`, makes no difference, and stays as it is.

    Returns:
        The compiled function. `Compiled` says what it can do, and where its limits are.

    Raises:
        TypeError: f cannot be called.
        ValueError: There is no such backend, or it does not compute in that precision.
        ImportError: JAX is not installed.

    Example:
        >>> w = Value(0.5, label="w")
        >>> @compile
        ... def error(x, y):
        ...     return (w * x - y) ** 2
        >>> error(2.0, 3.0)
        4.0
    """
    backends.choose(backend, dtype)
    if f is ...:  # None is a mistake, and is told
        return partial(Compiled, backend=backend, dtype=dtype)
    if isinstance(f, Compiled):
        return f if (f.backend, f.dtype) == (backend, dtype) else Compiled(f.function, backend, dtype)
    return Compiled(f, backend, dtype)


class Compiled:
    """A compiled function of Values: it takes plain numbers or NumPy arrays, and runs as a program.

    f is recorded when it is called for the first time with arguments of that structure. The Values that it uses beside
    its arguments are its parameters: their numbers are read afresh at each call. Everything else is fixed when f is
    recorded: plain numbers, which Values it uses, and which way it took through its `if`s and loops. All numbers among
    the arguments become Values. An int that chooses from a table with `take` may be another one at each call. An int
    that f counts or indexes with is part of the program: for another int, f is recorded again.

    Where f calls `detach()`, or computes under `no_grad()`, gradients stop, as on Values.

    Called with plain numbers it runs plain Python and returns floats. Called with NumPy arrays for some of the numbers
    it computes all samples at once: arrays are broadcast against each other and against numbers as NumPy does, and the
    results are arrays of their common shape. A sample of several features is a list of arrays, `list(X.T)`, not one
    array. A gradient in a number that is the same for all samples is summed over them.

    A call raises `RecordingError` where f branches on a number or looks at one while it is recorded, or is not the same
    function each time; `TypeError` for an argument that is a Value, and where f returns no number; `ValueError` for
    arrays of shapes that do not match. A number outside the domain of an operation raises what the engine raises, with
    the index of the sample.

    With `backend="jax"` arrays of JAX are taken, too, and the results are then arrays of JAX.

    Args:
        f: Takes numbers, or lists, tuples and dicts of them, and returns Values in the same way.
        backend: What runs the program, as for `compile`.
        dtype: The precision, as for `compile`.

    Example:
        >>> import numpy as np
        >>> w = Value(0.5, label="w")
        >>> error = compile(lambda x, y: (w * x - y) ** 2)
        >>> error(np.array([2.0, 4.0]), np.array([3.0, 3.0]))
        array([4., 1.])
        >>> error.backward(np.array([2.0, 4.0]), np.array([3.0, 3.0]))
        array([4., 1.])
        >>> w.grad
        -16.0
    """

    def __init__(self, f: Callable[..., Any], backend: Backend = "numpy", dtype: Precision = "float64") -> None:
        if not callable(f):
            raise TypeError(f"compile takes a function of Values, not {describe(f)}")
        self._make_function = backends.choose(backend, dtype)
        update_wrapper(self, f.function if isinstance(f, _Method) else f, updated=())
        self.function, self.backend, self.dtype = f, backend, dtype
        self._names: dict[int, list[str]] = {}  # of so many arguments
        self._recordings: _Latest[_Recording] = _Latest()
        self._ints: _Latest[_Ints] = _Latest()  # by the structures of arguments
        # for so many arguments that are nothing but floats and arrays: there is no structure to look at
        self._quick: dict[Gradients, dict[int, tuple[_Recording, Runner]]] = {
            "none": {},
            "inputs": {},
            "parameters": {},
        }
        self._methods: dict[int, Compiled] = {}  # by the ids of their objects
        self._object: object = None  # that a method is bound to

    def __get__(self, instance: object, owner: type | None = None) -> "Compiled":
        """A method of a class is compiled anew for each object that it is called on, for as long as that lives."""
        if instance is None:
            return self
        key, methods = id(instance), self._methods
        if key not in methods:
            method = _Method(self.function, weakref.ref(instance, lambda _: methods.pop(key, None)))
            methods[key] = Compiled(method, self.backend, self.dtype)
        bound = copy(methods[key])
        bound._object = instance  # which lives as long as this does, as with any bound method
        return bound

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """What f returns, in plain numbers or arrays."""
        recording, _, results = self._run("none", args, kwargs)
        return results[0] if recording.returns_a_number else join_numbers(recording.structure, iter(results))

    def value_and_grad(self, /, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        """Computes the value of f, which must be one number, and its gradients in the arguments.

        Args:
            *args: The arguments of f.
            **kwargs: Its keyword arguments.

        Returns:
            The value, and a list with a gradient for each argument, of the structure and the shapes of the argument:
            an array for an array of samples. For a number that is the same for all samples it is the sum over them.

        Raises:
            TypeError: f returns more than one number; and all that a call raises.

        Example:
            >>> compile(lambda x, y: x * y + x).value_and_grad(2.0, 3.0)
            (8.0, [4.0, 2.0])
        """
        quick = self._quick["inputs"].get(len(args))
        if quick and not kwargs and (results := quick[1].at_once(args)):  # as in `_run`, in half of the time
            return results[0], [*results[1:]]
        recording, _, (value, *slopes) = self._run("inputs", args, kwargs)
        if not recording.takes_numbers_only:
            slopes = recording.call.arguments(slopes)
        return value, slopes

    def backward(self, /, *args: Any, **kwargs: Any) -> Any:
        """Computes the value of f, which must be one number, and adds its gradients to the `grad` of the parameters.

        Args:
            *args: The arguments of f.
            **kwargs: Its keyword arguments.

        Returns:
            The value. For a batch of samples it is the array of their values; the gradient is that of their sum.

        Raises:
            TypeError: f returns more than one number; and all that a call raises.

        Example:
            >>> w = Value(0.5)
            >>> compile(lambda x: w * x).backward(2.0), w.grad
            (1.0, 2.0)
        """
        _, runner, results = self._run("parameters", args, kwargs)
        add_to_gradients(runner.parameters, results[1:])
        return results[0]

    def _run(
        self, gradients: Gradients, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple["_Recording", Runner, Sequence[Any]]:
        """The recording for arguments like these, its runner, and the results: the values, then the gradients."""
        try:
            quick = self._quick[gradients].get(len(args))
            if quick and not kwargs:
                results = quick[1].at_once(args)
                if results is not None:
                    return *quick, results
            if len(args) not in self._names:
                self._names[len(args)] = _names_of_arguments(self.function, len(args))
            call = _Call(self.function, self._names[len(args)], args, kwargs)
            recording = self._recording(call)
            batched = call.batched()
            runner = recording.runner(gradients, batched)
            are_quick = all(x.__class__ is float or len(getattr(x, "shape", ())) for x in args)
            if are_quick and runner.at_once is not refuse_all and recording.takes_numbers_only and not kwargs:
                self._quick[gradients][len(args)] = recording, runner
            if batched:
                results = runner.on_samples(call.labels, call.numbers)
                if self.backend == "jax" and backends.jax.holds_arrays((args, kwargs)):
                    results = backends.jax.to_arrays(results, self.dtype)
                return recording, runner, results
            return (
                recording,
                runner,
                runner.on_numbers([_check_number(*leaf) for leaf in zip(call.labels, call.numbers)]),
            )
        except BaseException as error:
            hide_frames(error)  # so that the method which users call is the last line of ours
            raise

    def _recording(self, call: "_Call") -> "_Recording":
        """The recording for arguments of this structure, and for those ints that are part of a program."""
        ints = self._ints.get(call.structure) or _Ints()
        recording = self._recordings.get(call.key(ints))
        if recording is None:
            recording = _Recording(call, self._make_function)
            ints = _Ints(ints.frozen | recording.ints.frozen, ints.choosing | recording.ints.choosing)
            self._ints.put(call.structure, ints)
            self._recordings.put(call.key(ints), recording)
        return recording

    def __repr__(self) -> str:
        return f"<compiled {self.function!r}>"


class _Call:
    """A function with arguments: their structure, their numbers, and the labels of these."""

    def __init__(
        self, f: Callable[..., Any], names: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        self.function = f
        numbers: Numbers = []
        self._args = [split_numbers(thing, name, numbers) for name, thing in zip(names, args)]
        self._kwargs = {name: split_numbers(thing, name, numbers) for name, thing in kwargs.items()}
        self.structure: Structure = (*self._args, *self._kwargs.items())
        self.labels, self.numbers = [label for label, _ in numbers], [x for _, x in numbers]

    def example(self) -> list[Any]:
        """The numbers to trace at; of arrays the first one. Ints stay ints."""
        return [_first_number(label, x) for label, x in zip(self.labels, self.numbers)]

    def batched(self) -> tuple[bool, ...]:
        """Which of the numbers are arrays; () where none is."""
        flags = tuple([len(getattr(x, "shape", ())) > 0 for x in self.numbers])
        return flags if any(flags) else ()

    def key(self, ints: "_Ints") -> Any:
        """Equal for arguments that can share a recording."""
        frozen = [int(self.numbers[i]) if _is_int(self.numbers[i]) else None for i in sorted(ints.frozen)]
        choosing = [_has_ints(self.numbers[i]) for i in sorted(ints.choosing)]
        return self.structure, tuple(frozen), tuple(choosing)

    def evaluate(self, values: Sequence[Any]) -> tuple[Structure, list[Any]]:
        """Calls the function with other numbers; returns the structure and the numbers of the result."""
        rest = iter(values)
        args = [join_numbers(structure, rest) for structure in self._args]
        y = self.function(*args, **{name: join_numbers(structure, rest) for name, structure in self._kwargs.items()})
        results: Numbers = []
        structure = split_numbers(y, "", results)
        if not results:
            raise TypeError(f"{name_of(self.function)} must return Values, or lists of them, not {type(y).__name__}")
        return structure, [value for _, value in results]

    def arguments(self, numbers: Sequence[Any]) -> list[Any]:
        """Puts these numbers in place of those of the arguments: one thing for each argument, of its structure."""
        rest = iter(numbers)
        return [
            join_numbers(structure, rest, with_constants=False) for structure in (*self._args, *self._kwargs.values())
        ]


class _Method:
    """A method of an object that it does not keep alive."""

    def __init__(self, function: Callable[..., Any], reference: Callable[[], Any]) -> None:
        self.function, self._reference, self.__name__ = function, reference, name_of(function)

    def bound(self) -> MethodType:
        """The method, which keeps the object alive."""
        return MethodType(self.function, self._reference())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.bound()(*args, **kwargs)


class _Ints(NamedTuple):
    """Positions among the numbers of the arguments where it matters whether an int stands there.

    An int at a frozen position is part of the program; an int at a choosing position chooses from a table.
    """

    frozen: frozenset[int] = frozenset()
    choosing: frozenset[int] = frozenset()


class _Latest(Generic[T]):
    """Keeps those things that were used last, by their keys."""

    def __init__(self) -> None:
        self._things: OrderedDict[Any, T] = OrderedDict()

    def get(self, key: Any) -> T | None:
        """The thing, if it is still there."""
        if key in self._things:
            self._things.move_to_end(key)
        return self._things.get(key)

    def put(self, key: Any, thing: T) -> None:
        """Keeps a thing, and drops the one that was used least lately where there are too many."""
        self._things[key] = thing
        if len(self._things) > MOST_PROGRAMS:
            self._things.popitem(last=False)


class _Recording:
    """A function as an array program, and the programs that are made of it: with gradients, for samples."""

    def __init__(self, call: _Call, make_function: MakeFunction | None) -> None:
        structures = []
        self._make_function = make_function

        def f(leaves: list[Value]) -> list[Value]:
            structure, results = call.evaluate(leaves)
            structures.append(structure)
            return results

        owner = call.function.bound() if isinstance(call.function, _Method) else call.function
        trace = trace_function(f, name_of(call.function), [*zip(call.labels, call.example())], owner)
        self.structure = structures[0]
        batched = call.batched()
        for i in trace.frozen:
            if batched and batched[i]:
                raise RecordingError(
                    f"{call.labels[i]} is an array, and {name_of(call.function)} uses it as an int, to count or to "
                    "index: an int is the same for all samples; take(table, i) chooses for each sample"
                )
        self.call = copy(call)
        self.call.numbers = []  # they may be large
        self.tape = trace.tape
        self._program = roll(self.tape)
        inputs, places = self._program.inputs, self._program.places
        self._arguments = items_by_block(inputs, places, range(len(call.labels)))
        choosing = [i for i, (block, _) in enumerate(places[: len(call.labels)]) if block.kind == "index"]
        self.ints = _Ints(frozenset(trace.frozen), frozenset(choosing))
        matter = self.ints.frozen | self.ints.choosing  # any other argument may be a float the next time
        self._ints = [i in matter and isinstance(x, int) for i, x in enumerate(call.example())]
        self._parameters = items_by_block(self._program.parameters, places[len(call.labels) :], trace.parameters)
        self._programs: dict[tuple[Gradients, tuple[bool, ...]], Program] = {}
        self._runners: dict[tuple[Gradients, tuple[bool, ...]], Runner] = {}
        self.takes_numbers_only = all(part == NUMBER for part in call.structure)
        self.returns_a_number = self.structure == NUMBER

    def program(self, gradients: Gradients, batched: tuple[bool, ...]) -> Program:
        """The program with these gradients; the inputs that are batched have a number for each sample."""
        key = gradients, batched
        if key not in self._programs:
            program = self._program
            if batched:
                wanted = [b for b, row in zip(program.inputs, self._arguments) if any(batched[i] for i in row)]
                program = with_samples(program, wanted)
            if gradients != "none":
                count = sum(math.prod(output.shape) for output in program.outputs)
                if count > 1:
                    raise TypeError(
                        f"{program.name} returns {count} numbers, and gradients are those of one: return their total, "
                        "or take gradients in the function, with grad(y, xs, create_graph=True)"
                    )
                leaves = [program.inputs] * (gradients != "parameters") + [program.parameters] * (gradients != "inputs")
                program = differentiate(program, [block for blocks in leaves for block in blocks])
            self._programs[key] = program
        return self._programs[key]

    def runner(self, gradients: Gradients, batched: tuple[bool, ...]) -> Runner:
        """The runner of that program."""
        key = gradients, batched
        if key not in self._runners:
            program = self.program(gradients, batched)
            parameters = [p for row in self._parameters for p in row]

            def on_values(numbers: Sequence[Any]) -> list[float]:
                return self._on_values(numbers, gradients, parameters)

            self._runners[key] = Runner(program, self._arguments, self._parameters, on_values, self._make_function)
        return self._runners[key]

    def _on_values(self, numbers: Sequence[Any], gradients: Gradients, parameters: list[Value]) -> list[float]:
        """The results as the engine computes them, or the error that it raises."""
        with enable_grad():
            leaves = [Value(x, label=label) for label, x in zip(self.call.labels, numbers)]
            inputs = [int(x) if is_int else leaf for x, is_int, leaf in zip(numbers, self._ints, leaves)]
            results = [y if isinstance(y, Value) else make_constant(y) for y in self.call.evaluate(inputs)[1]]
            targets = [*(leaves if gradients != "parameters" else []), *(parameters if gradients != "inputs" else [])]
            slopes = grad(results[0], targets) if gradients != "none" and targets else []
        return [*[y.item() for y in results], *slopes]


def _check_number(label: str, x: Any) -> float:
    """The number of an argument as a float; an int stays one, as it may choose."""
    if isinstance(x, Value):
        raise TypeError(
            f"{label} is a Value, and a compiled function computes with plain numbers: give it {label}.data, or let "
            f"the function use {label} without taking it as an argument, as a parameter"
        )
    return int(x) if _is_int(x) else to_float(x)


def _has_ints(x: Any) -> bool:
    """Whether it is an int, or an array of ints."""
    return _is_int(x) or getattr(getattr(x, "dtype", None), "kind", "") in ("i", "u")


def _is_int(x: Any) -> bool:
    return hasattr(x, "__index__") and not isinstance(x, bool) and getattr(x, "shape", ()) == ()


def _first_number(label: str, x: Any) -> float:
    """The number of an argument; of an array its first one."""
    if len(getattr(x, "shape", ())):
        array = as_array(label, x)
        first = array.flat[0] if array.size else 0.0 if _has_ints(x) else math.nan  # which is in all domains
        return int(first) if _has_ints(x) else float(first)
    return _check_number(label, x)


def _names_of_arguments(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments of a function."""
    try:
        parameters = list(inspect.signature(f.bound() if isinstance(f, _Method) else f).parameters.values())
    except (TypeError, ValueError):  # some functions written in C do not tell
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    more = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "x")
    return names + [f"{more}[{i}]" for i in range(count - len(names))]
