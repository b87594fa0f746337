"""Tracing: a function of Values is run without numbers, and the operations that it asks for become a tape.

For that time a mode answers in place of the engine. The nodes that it makes have no `data`: what the function decides
by a number would be frozen into the tape, so to look at one is an error that shows the line and what to write instead.
The Values that the function uses beside its arguments, its parameters, do have numbers. They are known once it has been
run: so it is run twice, the second time they are guarded, and the two tapes must agree. There is no derivative here:
gradients are traced as what `grad(…, create_graph=True)` computes. What a tape is, is left to `tape.py`.
"""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from threading import Lock
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, NoReturn

from tinygrad_edu.engine import Value, constant
from tinygrad_edu.errors import place
from tinygrad_edu.gradients import grad
from tinygrad_edu.graph import kind, no_cycle_collection, topological_order
from tinygrad_edu.modes import Make, Mode, Way, open_modes, opened, records
from tinygrad_edu.ops import CONSTANT, DETACH, LEAF
from tinygrad_edu.rules import Closure, Op

from .passes import gathered, in_order_of_use, simplified
from .tape import Node, Output, Tape


class RecordingError(TypeError):
    """The function that is traced looks at a number, or changes one, which a tape cannot do when it is replayed."""


class Traced(NamedTuple):
    """A tape, and the Values that its parameters are."""

    tape: Tape
    parameters: list[Value]


@no_cycle_collection()
def traced(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    wanted: Callable[[list[Value], list[Value]], list[Value]] = lambda inputs, parameters: [],
) -> Traced:
    """Traces a function of a list of Values that returns a sequence of Values and plain numbers.

    `inputs` are labels with numbers. `wanted` chooses from the inputs and the parameters those leaves in which the
    gradients of the first result are outputs too.
    """
    guarded = {v for v in _values_within(f) if v._rule is not CONSTANT}
    first, parameters, used = _run(f, name, inputs, wanted, guarded)
    tape, again, _ = _run(f, name, inputs, wanted, guarded.union(used))
    is_same = first == tape or repr(first.nodes) == repr(tape.nodes)  # nan is not nan
    if not is_same or parameters != again:
        raise RecordingError(
            f"{name} computes something else when it is called again with the same numbers, which a tape cannot "
            "replay: draw random numbers outside, and pass them as arguments"
        )
    tape, order = in_order_of_use(gathered(simplified(tape)))
    return Traced(tape, [parameters[i] for i in order])


def _run(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    wanted: Callable[[list[Value], list[Value]], list[Value]],
    guarded: Iterable[Value],
) -> tuple[Tape, list[Value], list[Value]]:
    """What one run of f writes, the parameters, and all Values made before it that it uses."""
    trace = _Trace()
    with _guarding(guarded), opened(trace):
        leaves: list[Value] = [_node(LEAF, (), label) for label, _ in inputs]
        for leaf in leaves:
            trace.write(leaf)
        results = [y if isinstance(y, Value) else constant(y) for y in f(leaves)]
        ends = [trace.place(y) for y in results]
        parameters = trace.parameters_behind(ends)
        targets = wanted(leaves, parameters)
        slopes = grad(results[0], targets, create_graph=True) if targets else []
        outputs = [Output(end) for end in ends]
        outputs += [Output(trace.place(slope), trace.place(leaf)) for slope, leaf in zip(slopes, targets)]
    tape = Tape(
        name,
        trace.nodes(),
        tuple(map(trace.place, leaves)),
        tuple(map(trace.place, parameters)),
        tuple(outputs),
        (*[float(example) for _, example in inputs], *map(_number, parameters)),
    )
    return tape, parameters, trace.earlier


# ---- the mode --------------------------------------------------------------------------------------------------------
class _Trace(Mode):
    """Makes nodes without numbers, and writes down which operation each is, and where its inputs stand."""

    alone, follows = True, True

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.inputs: list[tuple[int, ...]] = []
        self.places: dict[Value, int] = {}
        self.earlier: list[Value] = []  # those that were made before
        self.fixed: set[Value] = set()  # leaves that were made inside, and would be made again
        self._seen: set[Value] = set()

    def operation(self, make: Make, op: Op, inputs: tuple[Value, ...]) -> Value:
        for x in inputs:
            if x._rule is not CONSTANT:
                break
        else:
            constants: Value = make(op, inputs)
            return constants
        node = _node(op, inputs)
        self.write(node)
        return node if op is DETACH or records() else self.operation(make, DETACH, (node,))

    def write(self, v: Value) -> None:
        try:
            at = tuple(map(self.places.__getitem__, v._prev))
        except KeyError:
            at = tuple(map(self.place, v._prev))
        self.places[v] = len(self.values)
        self.values.append(v)
        self.inputs.append(at)

    def place(self, v: Value) -> int:
        """Where a Value stands; one that was made before is written first, with all that it is computed from."""
        if v not in self.places:
            for x in topological_order(v, seen=self._seen) if v._prev else [v]:
                self.write(x)
                if x._rule is not CONSTANT:
                    self.earlier.append(x)
        return self.places[v]

    def nodes(self) -> tuple[Node, ...]:
        """The entries of the tape, now that all labels are known."""
        entries = []
        for v, inputs in zip(self.values, self.inputs):
            if isinstance(v._rule, Closure):
                v._rule.value()  # an error, which says what to do
            is_constant = v._rule is CONSTANT or v in self.fixed
            entries.append(Node(CONSTANT, number=_number(v)) if is_constant else Node(v._rule, inputs, v.label))
        return tuple(entries)

    def parameters_behind(self, ends: Sequence[int]) -> list[Value]:
        """The leaves made before that the nodes at these places depend on."""
        needed = [False] * len(self.values)
        for i in ends:
            needed[i] = True
        for i in range(len(needed) - 1, -1, -1):
            if needed[i]:
                for k in self.inputs[i]:
                    needed[k] = True
        return [v for v in self.earlier if v._rule is LEAF and needed[self.places[v]]]

    def leaf(self, v: Value) -> None:
        if v._prev:
            raise RecordingError(
                f"a node of {v._op!r} is given a number while a function is traced, which would be frozen into the "
                "tape: enter the operation in the table with define_op"
            )
        self.fixed.add(v)
        self.write(v)

    def gradients(self, y: Value, targets: Sequence[Value], way: Way) -> None:
        if way != "graph":
            _refuse(way)

    def depends(self, v: Value) -> bool:
        return v._rule is not CONSTANT


def is_traced() -> bool:
    """Whether the code that runs here is being traced."""
    return any(isinstance(mode, _Trace) for mode in open_modes())


_DECIDE = (
    "an operation decides for each number anew: relu(x), maximum(a, b), minimum(a, b), clamp(x, low, high), abs(x), "
    "sign(x), or step(x), which is 1 for x > 0 and else 0"
)
_AS_VALUES = "grad(y, xs, create_graph=True) gives gradients as Values"
_REASONS = {
    "compare": (
        "compares Values",
        f"where(step(a - b), x, y) is x where a > b, and else y; {_DECIDE}",
    ),
    "bool": ("asks whether a Value is true", _DECIDE),
    "data": (
        "looks at the .data of a Value",
        "v.detach() is the number as a Value without a gradient, as in maximum(*vs).detach() for max(v.data for v in "
        f"vs); {_DECIDE}",
    ),
    "numbers": ("takes gradients as plain numbers", _AS_VALUES),
    "backward": ("calls backward()", _AS_VALUES + ", to return or use"),
    "data =": ("sets the .data of a Value", "return the new number, and set it outside"),
    ".grad": ("looks at the .grad of a Value", _AS_VALUES),
    ".grad =": ("sets the .grad of a Value", "set it outside, before each call"),
}


def _refuse(what: str) -> NoReturn:
    problem, way_out = _REASONS[what]
    line = place()
    raise RecordingError(
        f"{line}: a function {problem} while it is traced, which a tape cannot replay: {way_out}"
        + (f"\n    {line.source}" if line.source else "")
    )


# ---- Values that are not to be looked at -----------------------------------------------------------------------------
_DATA, _GRAD = (vars(Value)[name] for name in ("data", "grad"))  # the slots


def _number(v: Value) -> float:
    """The number of a Value, guarded or not; nan where it has none, as it belongs to a trace around this one."""
    return math.nan if isinstance(v, Tracing) else float(_DATA.__get__(v))


def _check(v: Any, what: str) -> None:
    """A function, and no method: the class of a Value may change back while another thread is here."""
    if is_traced():
        _refuse(what)
    if isinstance(v, Tracing):
        raise RecordingError("this Value was made while a function was traced: it has no number, and is no use outside")


def _compared(v: Any, how: str, other: Any) -> Any:
    _check(v, "compare")
    return getattr(kind(v), how)(v, other)


class _Unreadable:
    """What a Value with a guard refuses to the code that is traced, and to no other."""

    __slots__ = ()

    def __init_subclass__(cls, **_: Any) -> None:
        """The subclasses of a user are not told of guards."""

    @property
    def data(self) -> Any:
        _check(self, "data")
        return _DATA.__get__(self)

    @data.setter
    def data(self, number: float) -> None:
        _check(self, "data =")
        _DATA.__set__(self, number)

    @property
    def grad(self) -> Any:
        _check(self, ".grad")
        return _GRAD.__get__(self)

    @grad.setter
    def grad(self, number: float) -> None:
        _check(self, ".grad =")
        _GRAD.__set__(self, number)

    def __lt__(self, other: Any) -> Any:
        return _compared(self, "__lt__", other)

    def __le__(self, other: Any) -> Any:
        return _compared(self, "__le__", other)

    def __gt__(self, other: Any) -> Any:
        return _compared(self, "__gt__", other)

    def __ge__(self, other: Any) -> Any:
        return _compared(self, "__ge__", other)

    def __eq__(self, other: object) -> Any:
        return id(self) == id(other) if isinstance(other, Value) else _compared(self, "__eq__", other)

    def __ne__(self, other: object) -> Any:
        return id(self) != id(other) if isinstance(other, Value) else _compared(self, "__ne__", other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        _check(self, "bool")
        return bool(_DATA.__get__(self))

    def __repr__(self) -> str:  # a message or a log may show it
        v: Any = self
        return f"<Value: {v.label or v._rule}, traced>" if is_traced() else kind(v).__repr__(v)


class Tracing(_Unreadable, Value):
    """A node that has no number, as it was made while a function was traced."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Value: {self.label or self._rule}, traced>"


_new: Callable[[type[Tracing]], Tracing] = object.__new__


def _node(op: Op, inputs: tuple[Value, ...], label: str = "") -> Tracing:
    out = _new(Tracing)
    out._rule, out._prev = op, inputs
    if label:
        out.label = label
    return out


@lru_cache(maxsize=256)
def _guard(cls: type[Value]) -> type[Value]:
    """A class with the same slots. `graph.kind` knows it as a guard, and so copies and pickles name `cls`."""
    make: Any = type(cls)
    contents = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__new__": lambda _, *args, **options: cls(*args, **options),  # `type(self)(…)` in a method makes no guard
        "_guarded": cls,
    }
    guard: type[Value] = make(cls.__name__, (_Unreadable, cls), contents)
    return guard


_PACKAGE = __name__.partition(".")[0]
_guards: Counter[Value] = Counter()  # by how many traces each is guarded: they may overlap
_guards_lock = Lock()


def _renew_lock() -> None:
    """In a forked process the thread that holds it may not exist."""
    global _guards_lock
    _guards_lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def _guarding(values: Iterable[Value]) -> Iterator[None]:
    values = [v for v in values if not isinstance(v, Tracing)]  # those of a trace around this one are unreadable anyway
    try:
        with _guards_lock:
            _guards.update(values)
            for v in values:
                v.__class__ = _guard(kind(v))  # type: ignore[arg-type]  # a class has a hash
        yield
    finally:
        with _guards_lock:
            _guards.subtract(values)
            for v in values:
                if _guards[v] <= 0:
                    del _guards[v]
                    v.__class__ = kind(v)


def _values_within(thing: Any) -> Iterator[Value]:
    """The Values that a function can get at: in its closure, the globals that it names, its object, lists, models.

    Those that it takes a number from, and does not use otherwise, are found in no other way.
    """
    stack, seen = [thing], set[int]()
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, (float, int, str, type, ModuleType)):
            continue
        seen.add(id(thing))
        if isinstance(thing, Value):
            yield thing
        elif isinstance(thing, FunctionType):
            for cell in thing.__closure__ or ():
                with suppress(ValueError):  # a cell that is empty yet
                    stack.append(cell.cell_contents)
            stack += [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
            if not str(thing.__module__).startswith(_PACKAGE):
                stack += [thing.__globals__[name] for name in _names(thing.__code__) if name in thing.__globals__]
        elif isinstance(thing, MethodType):
            stack += [thing.__self__, thing.__func__]
        elif isinstance(thing, partial):
            stack += [thing.func, thing.args, thing.keywords]
        elif isinstance(thing, dict):
            stack += thing.values()
        elif isinstance(thing, (list, tuple, set, frozenset)):
            stack += thing
        elif hasattr(thing, "__dict__"):
            stack += vars(thing).values()


def _names(code: Any) -> Iterator[str]:
    """The globals that a function names, and the functions in it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, type(code)):
            yield from _names(inner)
