"""Tracing: a function of Values is run without numbers, and the operations that it asks for become a tape.

For that time a mode answers in place of the engine. The nodes that it makes have no `data`: what the function decides
by a number would be frozen into the tape, so to look at one is an error that shows the line and what to write instead.
An int among the arguments may be looked at; the tape then is for that int alone. The Values that the function uses
beside its arguments, its parameters, do have numbers. They are known once it has been run: so it is run twice, the
second time they are guarded, and the two tapes must agree; nor may it draw random numbers. There is no derivative here.
What a tape is, is left to `tape.py`, what a function can get at to `_reach.py`, what errors advise to `_advice.py`.
"""

import math
import operator
import os
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral
from threading import Lock
from types import CodeType, FrameType
from typing import Any, NamedTuple, NoReturn

from tinygrad_edu._validate import is_number, to_float
from tinygrad_edu.engine import Value, constant
from tinygrad_edu.errors import Place, place, whose
from tinygrad_edu.graph import kind, no_cycle_collection, topological_order
from tinygrad_edu.modes import Make, Mode, Way, inherited, open_modes, opened, records
from tinygrad_edu.ops import CONSTANT, DETACH, LEAF
from tinygrad_edu.rules import Closure, Op

from ._advice import advice
from ._reach import Draws, Reach, labels
from .tape import Tape, alive, finished


class RecordingError(TypeError):
    """The function that is traced looks at a number, or changes one, which a tape cannot do when it is replayed."""


class Traced(NamedTuple):
    """A tape, the Values that its parameters are, and the ints that it is for alone.

    `frozen` has, for the place of an input among the inputs, the int that it was: the function has counted with it, or
    indexed, so that for another int there would be another tape.
    """

    tape: Tape
    parameters: list[Value]
    frozen: dict[int, int]


@no_cycle_collection()
def traced(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    owner: Any = None,
    with_lines: bool = True,
) -> Traced:
    """Traces a function of a list of Values that returns a sequence of Values and plain numbers.

    `inputs` are labels with numbers. An int stays an argument where the function computes with it, or chooses by it
    with `take`. Parameters without a label are named by where the `owner`, the function as its user knows it, can get
    at them. To note the lines that ask for operations takes a fifth of the time.
    """
    reach = Reach(owner, f)
    draws = Draws(reach.generators)
    within = [v for v, _ in reach.values if v._rule is not CONSTANT]
    try:
        first = _run(f, name, inputs, within, draws, with_lines)
        known = {id(v): v for v in (*within, *first.earlier.values())}
        second = _run(f, name, inputs, known.values(), draws)
        if not first.agrees_with(second):
            raise RecordingError(
                f"{name} computes something else when it is called again with the same numbers, which a tape cannot "
                f"replay{_DRAW}"
            )
    except BaseException:
        draws.take_back()
        raise
    parameters, tape = first.finished(name, [to_float(x, label) for label, x in inputs], reach)
    return Traced(tape, parameters, first.frozen | second.frozen)


def _run(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    guarded: Iterable[Value],
    draws: Draws,
    with_lines: bool = False,
) -> "_Trace":
    """What one run of f writes."""
    trace = _Trace(with_lines)
    with _guarding(guarded), opened(trace):
        trace.results = list(map(trace.place, map(_as_value, f([trace.input(*leaf) for leaf in inputs]))))
    if generator := draws.drawn_from():
        raise RecordingError(
            f"{name} draws random numbers (from {generator}) while it is traced, which a tape cannot replay{_DRAW}"
        )
    return trace


_DRAW = ": draw them outside and pass them as arguments, or call the function as it is, uncompiled"


def _as_value(y: Any) -> Value:
    return y if isinstance(y, Value) else constant(y)


# ---- the mode --------------------------------------------------------------------------------------------------------
class _Trace(Mode):
    """Makes nodes without numbers, and writes down which operation each is, and where its inputs stand."""

    alone, follows = True, True

    def __init__(self, with_lines: bool) -> None:
        self.ops: list[Op] = []
        self.rows: list[tuple[int, ...]] = []  # the places of the inputs of each
        self.constants: tuple[array[int], array[float]] = array("q"), array("d")  # their places and numbers
        self.labels: dict[int, str] = {}
        self.inputs: list[int] = []
        self.results: list[int] = []
        self.earlier: dict[int, Value] = {}  # by their places, the Values that were made before
        self.frozen: dict[int, int] = {}  # by their places among the inputs, the ints that were looked at
        self.lines = _Lines() if with_lines else None
        self._places: dict[int, int] = {}  # of the Values that were made before, by their ids
        self._seen: set[Value] = set()  # behind them
        self._made_inside: dict[int, Value] = {}  # leaves, which would be made again

    def input(self, name: str, number: float) -> Value:
        leaf = self._write(LEAF, (), ())
        leaf.label = name
        self.inputs.append(leaf.place)
        if isinstance(number, Integral) and not isinstance(number, bool):
            return Known(int(number), lambda: leaf, self, frozenset([(len(self.inputs) - 1, int(number))]), LEAF)
        return leaf

    def operation(self, make: Make, op: Op, inputs: tuple[Value, ...]) -> Value:
        places: list[int] = []
        known, has_known = self._places, False
        for x in inputs:
            if x.__class__ is Tracing and x.trace is self:
                places.append(x.place)
            elif x._rule is CONSTANT:
                if not places and all(y._rule is CONSTANT for y in inputs):
                    constants: Value = make(op, inputs)
                    return constants
                places.append(self._constant(x.data))
            else:
                has_known = has_known or x.__class__ is Known
                places.append(known[id(x)] if id(x) in known else self.place(x))
        if has_known:
            inputs = tuple([x.node if isinstance(x, Known) else x for x in inputs])
        node = _new(Tracing)  # as `_write` does: to call it for each operation would take a tenth of the time
        node._rule, node._prev, node.place, node.trace = op, inputs, len(self.ops), self
        self.ops.append(op)
        self.rows.append(tuple(places))
        if self.lines is not None:
            self.lines.note()
        if op is DETACH or len(inherited()) == 1 or records():  # the one that is open is this one
            return node
        return self._write(DETACH, (node,), [node.place])

    def _write(self, op: Op, inputs: tuple[Value, ...], places: Iterable[int]) -> "Tracing":
        """An entry that no line asks for."""
        node = _new(Tracing)
        node._rule, node._prev, node.place, node.trace = op, inputs, len(self.ops), self
        self.ops.append(op)
        self.rows.append(tuple(places))
        if self.lines is not None:
            self.lines.found.append(-1)
        return node

    def _constant(self, number: float) -> int:
        """Where a number stands: each time in a place of its own."""
        place = len(self.ops)
        self.constants[0].append(place)
        self.constants[1].append(number)
        self.ops.append(CONSTANT)
        self.rows.append(())
        if self.lines is not None:
            self.lines.found.append(-1)
        return place

    def place(self, v: Value) -> int:
        """Where a Value stands; one that was made before is written first, with all that it is computed from."""
        if isinstance(v, Known):
            v = v.node
        if isinstance(v, Tracing) and v.trace is self:
            return v.place
        place = self._places.get(id(v))
        if place is not None:
            return place
        if v._rule is CONSTANT or id(v) in self._made_inside:
            return self._constant(_number(v))
        for x in topological_order(v, seen=self._seen) if v._prev else []:
            if x._prev and not (isinstance(x, Tracing) and x.trace is self):
                self._write_earlier(x, [self.place(y) for y in x._prev])
        return self._places[id(v)] if v._prev else self._write_earlier(v, [])

    def _write_earlier(self, v: Value, places: Sequence[int]) -> int:
        if isinstance(v._rule, Closure):
            v._rule.value()  # an error, which says what to do
        place = self._places[id(v)] = self._write(v._rule, v._prev, places).place
        self.earlier[place] = v
        return place

    def leaf(self, v: Value) -> None:
        if v._prev:
            raise RecordingError(
                f"a node of {v._op!r} is given a number while a function is traced, which would be frozen into the "
                "tape: enter the operation in the table with define_op"
            )
        self._made_inside[id(v)] = v

    def gradients(self, y: Value, targets: Sequence[Value], way: Way) -> None:
        if way != "graph":
            _refuse(way)
        if any(isinstance(x, Known) for x in targets):
            raise TypeError("an int among the arguments has no gradient: give the function a float in its place")

    def depends(self, v: Value) -> bool:
        return v._rule is not CONSTANT

    def agrees_with(self, other: "_Trace") -> bool:
        """Whether another run has written the same."""
        return (
            self.ops == other.ops
            and self.rows == other.rows
            and self.results == other.results
            and [x.tobytes() for x in self.constants] == [x.tobytes() for x in other.constants]
            and [*map(id, self.earlier.values())] == [*map(id, other.earlier.values())]
        )

    def finished(self, name: str, example: list[float], reach: Reach) -> tuple[list[Value], Tape]:
        """The parameters that the results depend on, and the tape."""
        needed = alive(self.rows, [*self.inputs, *self.results])
        places = [i for i, v in self.earlier.items() if v._rule is LEAF and needed[i]]
        parameters = [self.earlier[i] for i in places]
        self.labels.update({i: v.label for i, v in self.earlier.items() if v.label})
        self.labels.update(zip(places, labels(parameters, reach)))
        tape = finished(
            name,
            self.ops,
            self.rows,
            zip(*self.constants),
            {i: str(label) for i, label in self.labels.items() if label},  # users may have put anything there
            (self.inputs, places),
            self.results,
            [*example, *map(_number, parameters)],
            needed,
            *((self.lines.found, [*self.lines.places]) if self.lines else ()),
        )
        return parameters, tape


def is_traced() -> bool:
    """Whether the code that runs here is being traced."""
    return any(isinstance(mode, _Trace) for mode in open_modes())


def _refuse(what: str) -> NoReturn:
    line = place()
    raise RecordingError(
        f"{line}: a function {advice(what, line.source)}" + (f"\n    {line.source}" if line.source else "")
    )


_WITHOUT_LINES = tuple(
    f"{__name__.partition('.')[0]}.{name}" for name in ("engine", "functional", "gradients", "modes", "compiler")
)


class _Lines:
    """The lines that ask for operations: the user's, or else of a model or a loss of this package.

    No decision hangs on them, they are for a reader. It has to be quick: the line of an instruction is looked up once.
    """

    def __init__(self) -> None:
        self.found = array("i")  # for each entry of the tape the line, -1 where there is none
        self.places: dict[Place, int] = {}
        self._codes: list[CodeType] = []  # kept, so that no other one gets the id
        self._of_codes: dict[int, dict[int, int]] = {}  # lines by the id of the user's code, and instruction
        self._of_models: dict[int, dict[int, int]] = {}
        self._whose: dict[str, str] = {}  # by file

    def note(self) -> None:
        frame = sys._getframe(4)  # past `operation`, `record` and the method
        of_code = self._of_codes.get(id(frame.f_code))
        if of_code is None:
            asking = self._asking(frame)
            if asking is None:
                self.found.append(-1)
                return
            frame, of_code = asking
        line = of_code.get(frame.f_lasti)
        if line is None:
            place = Place(frame.f_code.co_filename, frame.f_lineno, "")
            line = of_code[frame.f_lasti] = self.places.setdefault(place, len(self.places))
        self.found.append(line)

    def _asking(self, frame: FrameType | None) -> tuple[FrameType, dict[int, int]] | None:
        """The frame of the user's that led here, or else of a model, and the lines of its code."""
        inside, lines = None, self._of_codes
        while frame is not None and frame.f_code is not _run.__code__:
            owner = self._whose.get(frame.f_code.co_filename) or self._look_up(frame)
            if owner == "user":
                break
            if owner == "model" and inside is None:
                inside = frame
            frame = frame.f_back
        else:
            frame, lines = inside, self._of_models
        if frame is None:
            return None
        if id(frame.f_code) not in lines:
            self._codes.append(frame.f_code)
        return frame, lines.setdefault(id(frame.f_code), {})

    def _look_up(self, frame: FrameType) -> str:
        module = frame.f_globals.get("__name__", "")
        owner = whose(frame.f_code.co_filename, module)
        if owner == "package" and not module.startswith(_WITHOUT_LINES):
            owner = "model"
        self._whose[frame.f_code.co_filename] = owner
        return owner


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


def _is_node(x: object) -> bool:
    return isinstance(x, Value) and not isinstance(x, Known)


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
        return id(self) == id(other) if _is_node(other) else _compared(self, "__eq__", other)

    def __ne__(self, other: object) -> Any:
        return id(self) != id(other) if _is_node(other) else _compared(self, "__ne__", other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        _check(self, "bool")
        return bool(_DATA.__get__(self))

    def __float__(self) -> float:
        _check(self, "float")
        v: Any = self
        return float(kind(v).__float__(v))

    def __int__(self) -> int:
        _check(self, "float")
        v: Any = self
        return int(kind(v).__int__(v))

    def __format__(self, spec: str) -> str:
        if spec:
            _check(self, "format")
        v: Any = self
        return str(self) if not spec else kind(v).__format__(v, spec)

    def __repr__(self) -> str:  # a message or a log may show it
        v: Any = self
        return f"<Value: {v.label or v._rule}, traced>" if is_traced() else kind(v).__repr__(v)


class Tracing(_Unreadable, Value):
    """A node that has no number, as it was made while a function was traced; it knows its place on the tape."""

    __slots__ = ("place", "trace")
    place: int
    trace: _Trace

    @property
    def label(self) -> str:
        return self.trace.labels.get(self.place, "")

    @label.setter
    def label(self, name: str) -> None:
        self.trace.labels[self.place] = name

    def __repr__(self) -> str:
        return f"<Value: {self.label or self._rule}, traced>"


_new: Callable[[type[Tracing]], Tracing] = object.__new__


class Known(Tracing):
    """An int among the arguments, or a number computed of such ints and plain numbers alone.

    To arithmetic with Values it is a Value, `node`. Used in any other way it is the number that it was: then the tape
    is for those ints alone.
    """

    __slots__ = ("_inputs", "_make", "_node", "_number")

    def __init__(
        self, number: Any, make: Callable[[], Value], trace: _Trace, inputs: frozenset[tuple[int, int]], rule: Op
    ) -> None:
        self._number, self._make, self.trace, self._inputs = number, make, trace, inputs
        self._rule, self._prev = rule, ()
        self._node: Value | None = None

    @property
    def node(self) -> Value:
        """Made when it is asked for: most are looked at."""
        if self._node is None:
            self._node = self._make()
        return self._node

    @property
    def label(self) -> str:
        return self.node.label

    @label.setter
    def label(self, name: str) -> None:
        self.node.label = name

    def _looked_at(self) -> Any:
        self.trace.frozen.update(self._inputs)
        return self._number

    def __getattr__(self, name: str) -> Any:
        """`bit_length`, `real`, and what else an int has."""
        if not hasattr(int, name):
            raise AttributeError(f"an int has no attribute {name!r}")
        return getattr(self._looked_at(), name)


def _looking(f: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    """A method of numbers that are looked at."""

    def method(self: Known, *others: Any) -> Any:
        numbers = [x._looked_at() if isinstance(x, Known) else x for x in (self, *others)]
        return f(*(numbers[::-1] if reflected else numbers))

    return method


def _computing(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """A method of arithmetic: of known numbers it makes a known one, of others a node."""
    of_values = getattr(Value, name)

    def method(self: Known, *others: Any) -> Any:
        def make() -> Value:
            node: Value = of_values(self.node, *[x.node if isinstance(x, Known) else x for x in others])
            return node

        inputs, numbers = self._inputs, [self._number]
        for x in others:
            if isinstance(x, Known):
                inputs |= x._inputs
                numbers.append(x._number)
            elif isinstance(x, (int, float)):
                numbers.append(x)
            else:
                return make() if is_number(x) or isinstance(x, Value) else NotImplemented
        return Known(f(*numbers), make, self.trace, inputs, _COMPUTED)

    return method


_COMPUTED = Op("computed", "", lambda m: None)
_LOOKING: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("index", "lt", "le", "gt", "ge", "eq", "ne", "invert")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
    **{f.__name__: f for f in (int, float, complex, bool, hash, round, format, str, repr)},
}
for _name, _f in _LOOKING.items():
    setattr(Known, f"__{_name}__", _looking(_f))
for _name in ("floordiv", "mod", "divmod", "lshift", "rshift", "and", "or", "xor"):
    _f = getattr(operator, f"__{_name}__", divmod)
    setattr(Known, f"__{_name}__", _looking(_f))
    setattr(Known, f"__r{_name}__", _looking(_f, reflected=True))
for _name in ("add", "sub", "mul", "truediv", "pow"):
    _f = getattr(operator, _name)
    setattr(Known, f"__{_name}__", _computing(f"__{_name}__", _f))
    setattr(Known, f"__r{_name}__", _computing(f"__r{_name}__", lambda a, b, _f=_f: _f(b, a)))
for _name in ("neg", "pos", "abs"):
    setattr(Known, f"__{_name}__", _computing(f"__{_name}__", getattr(operator, _name)))


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
                v.__class__ = _guard(kind(v))
        yield
    finally:
        with _guards_lock:
            for v in values:
                _guards[v] -= 1
                if _guards[v] <= 0:
                    _guards.pop(v)
                    v.__class__ = kind(v)
