"""Tracing: a function of Values is run without numbers, and the operations that it asks for become a tape.

While it runs, a mode answers in place of the engine, and makes nodes that have no `data`. A decision by a number would
be frozen into the tape: so it is an error to look at one, and the error shows the line and what to write instead. An
int among the arguments may be looked at; then the tape is for that int alone.

The parameters are the Values that the function uses beside its arguments. They have numbers, and are known only after
a run. So the function is run twice: the second time its parameters are guarded, and the two runs must agree. It may not
draw random numbers either.

No gradients are taken here. What a tape is, is left to `tape.py`, what a function can reach to `_reach.py`, what errors
advise to `_advice.py`.
"""

import math
import operator
import os
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, NamedTuple, NoReturn

from tinygrad_edu import engine
from tinygrad_edu._validate import is_number, to_float
from tinygrad_edu.engine import Value, make_constant
from tinygrad_edu.errors import SourceLine, calling_line, owner_of
from tinygrad_edu.graph import class_of, no_cycle_collection, topological_order
from tinygrad_edu.modes import GradientKind, MakeNode, Mode, enter_mode, inherited_modes, is_recording, is_traced
from tinygrad_edu.ops import CONSTANT, DETACH, LEAF
from tinygrad_edu.rules import Closure, Op

from ._advice import advise
from ._reach import RandomStates, Reach, name_parameters
from .tape import Tape, find_needed, tape_of_columns


class RecordingError(TypeError):
    """A function cannot be recorded: it looks at a number of a Value, changes one, or draws random numbers.

    A tape computes the same operations for all numbers, so it cannot do any of that when it is replayed. The message
    shows the line and what to write instead.
    """


class Traced(NamedTuple):
    """A tape, the Values that are its parameters, and the ints that it is for alone.

    `frozen` has those ints by their places among the inputs. The function has counted with them, or indexed: for other
    ints its tape would be another one.
    """

    tape: Tape
    parameters: list[Value]
    frozen: dict[int, int]


@no_cycle_collection()
def trace_function(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    owner: Any = None,
    with_lines: bool = True,
) -> Traced:
    """Traces a function: finds its tape, and its parameters.

    Args:
        f: Takes a list of Values, and returns a sequence of Values and plain numbers.
        name: The name of the function, for messages and the tape.
        inputs: For each argument a label and a number. An int stays an argument where the function computes with it, or
            chooses by it with `take`.
        owner: The function as its user knows it. A parameter without a label is named by the way from there to it.
        with_lines: Whether to note the lines that ask for operations, which takes a fifth of the time.

    Returns:
        The tape, the parameters, and the ints that the tape is for alone.

    Raises:
        RecordingError: The function looks at a number, draws random ones, or does not do the same each time.
        Exception: What the function raises.

    Example:
        >>> w = Value(0.5, label="w")
        >>> print(trace_function(lambda xs: [w * xs[0]], "f", [("x", 2.0)], with_lines=False).tape)
        tape of f
        name  formula    number  line
        x     input           2
        w     parameter     0.5
        v2    w * x           1
        returns v2
    """
    reach = Reach(owner, f)
    random_states = RandomStates(reach.generators)
    within = [v for v, _ in reach.values if v._rule is not CONSTANT]
    try:
        first = _trace_once(f, name, inputs, within, random_states, with_lines)
        known = {id(v): v for v in (*within, *first.earlier.values())}
        second = _trace_once(f, name, inputs, known.values(), random_states)
        if not first.agrees_with(second):
            raise RecordingError(
                f"{name} computes something else when it is called again with the same numbers, which a tape cannot "
                f"replay{_WAY_OUT}"
            )
    except BaseException:
        random_states.restore()
        raise
    parameters, tape = first.to_tape(name, [to_float(x, label) for label, x in inputs], reach)
    return Traced(tape, parameters, first.frozen | second.frozen)


def _trace_once(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    guarded: Iterable[Value],
    random_states: RandomStates,
    with_lines: bool = False,
) -> "_Trace":
    """Runs f once, and returns what it has written."""
    trace = _Trace(with_lines)
    with _guard_values(guarded), enter_mode(trace):
        trace.results = list(map(trace.place_of, map(_to_value, f([trace.input(*leaf) for leaf in inputs]))))
    if generator := random_states.find_change():
        raise RecordingError(
            f"{name} draws random numbers (from {generator}) while it is traced, which a tape cannot replay{_WAY_OUT}"
        )
    return trace


_WAY_OUT = ": draw them outside and pass them as arguments, or call the function as it is, uncompiled"


def _to_value(y: Any) -> Value:
    return y if isinstance(y, Value) else make_constant(y)


# ---- the mode --------------------------------------------------------------------------------------------------------
class _Trace(Mode):
    """The mode that makes nodes without numbers, and writes down the operation of each and the places of its inputs."""

    exclusive = tracks = traces = True

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
        """The Value that stands for an argument."""
        leaf = self._write(LEAF, (), ())
        leaf.label = name
        self.inputs.append(leaf.place)
        if isinstance(number, Integral) and not isinstance(number, bool):
            return KnownNumber(int(number), lambda: leaf, self, frozenset([(len(self.inputs) - 1, int(number))]), LEAF)
        return leaf

    def on_operation(self, make: MakeNode, op: Op, inputs: tuple[Value, ...]) -> Value:
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
                has_known = has_known or x.__class__ is KnownNumber
                places.append(known[id(x)] if id(x) in known else self.place_of(x))
        if has_known:
            inputs = tuple([x.node if isinstance(x, KnownNumber) else x for x in inputs])
        node = _new_tracing(Tracing)  # as `_write` does: to call it for each operation would take a tenth of the time
        node._rule, node._prev, node.place, node.trace = op, inputs, len(self.ops), self
        self.ops.append(op)
        self.rows.append(tuple(places))
        if self.lines is not None:
            self.lines.note()
        if op is DETACH or len(inherited_modes()) == 1 or is_recording():  # the one that is open is this one
            return node
        return self._write(DETACH, (node,), [node.place])

    def _write(self, op: Op, inputs: tuple[Value, ...], places: Iterable[int]) -> "Tracing":
        """An entry that no line asks for."""
        node = _new_tracing(Tracing)
        node._rule, node._prev, node.place, node.trace = op, inputs, self._append(op, tuple(places)), self
        return node

    def _constant(self, number: float) -> int:
        """Where a number stands: each time in a place of its own."""
        place = self._append(CONSTANT, ())
        self.constants[0].append(place)
        self.constants[1].append(number)
        return place

    def _append(self, op: Op, places: tuple[int, ...]) -> int:
        self.ops.append(op)
        self.rows.append(places)
        if self.lines is not None:
            self.lines.of_entries.append(-1)
        return len(self.ops) - 1

    def place_of(self, v: Value) -> int:
        """Where a Value stands; one that was made before is written first, with all that it is computed from."""
        if isinstance(v, KnownNumber):
            v = v.node
        if isinstance(v, Tracing) and v.trace is self:
            return v.place
        place = self._places.get(id(v))
        if place is not None:
            return place
        if v._rule is CONSTANT or id(v) in self._made_inside:
            return self._constant(_data_of(v))
        for x in topological_order(v, seen=self._seen) if v._prev else []:
            if x._prev and not (isinstance(x, Tracing) and x.trace is self):
                self._write_earlier(x, [self.place_of(y) for y in x._prev])
        return self._places[id(v)] if v._prev else self._write_earlier(v, [])

    def _write_earlier(self, v: Value, places: Sequence[int]) -> int:
        if isinstance(v._rule, Closure):
            v._rule.value()  # an error, which says what to do
        place = self._places[id(v)] = self._write(v._rule, v._prev, places).place
        self.earlier[place] = v
        return place

    def on_leaf(self, v: Value) -> None:
        if v._prev:
            raise RecordingError(
                f"a node of {v._op!r} is given a number while a function is traced, which would be frozen into the "
                "tape: enter the operation in the table with define_op"
            )
        self._made_inside[id(v)] = v

    def on_gradients(self, y: Value, targets: Sequence[Value], kind: GradientKind) -> None:
        if kind != "graph":
            _raise_advice(kind)
        if any(isinstance(x, KnownNumber) for x in targets):
            raise TypeError("an int among the arguments has no gradient: give the function a float in its place")

    def is_tracked(self, v: Value) -> bool:
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

    def to_tape(self, name: str, example: list[float], reach: Reach) -> tuple[list[Value], Tape]:
        """The parameters that the results depend on, and the finished tape."""
        needed = find_needed(self.rows, [*self.inputs, *self.results])
        places = [i for i, v in self.earlier.items() if v._rule is LEAF and needed[i]]
        parameters = [self.earlier[i] for i in places]
        self.labels.update({i: v.label for i, v in self.earlier.items() if v.label})
        self.labels.update(zip(places, name_parameters(parameters, reach)))
        tape = tape_of_columns(
            name,
            self.ops,
            self.rows,
            zip(*self.constants),
            {i: str(label) for i, label in self.labels.items() if label},  # users may have put anything there
            (self.inputs, places),
            self.results,
            [*example, *map(_data_of, parameters)],
            needed,
            *((self.lines.of_entries, [*self.lines.source_lines]) if self.lines else ()),
        )
        return parameters, tape


def _raise_advice(what: str) -> NoReturn:
    line = calling_line()
    raise RecordingError(f"{line}: a function {advise(what, line.text)}" + (f"\n    {line.text}" if line.text else ""))


_WITHOUT_LINES = tuple(
    f"{__name__.partition('.')[0]}.{name}" for name in ("engine", "functional", "gradients", "modes", "compiler")
)


class _Lines:
    """The lines that ask for operations: those of the user, or else of a model or a loss of this package.

    They are for a reader, and decide nothing. To be quick, it looks up the line of an instruction only once.
    """

    def __init__(self) -> None:
        self.of_entries = array("i")  # for each entry of the tape the line, -1 where there is none
        self.source_lines: dict[SourceLine, int] = {}
        self._codes: list[CodeType] = []  # kept, so that no other one gets the id
        self._of_codes: dict[int, dict[int, int]] = {}  # lines by the id of the user's code, and instruction
        self._of_models: dict[int, dict[int, int]] = {}
        self._whose: dict[str, str] = {}  # by file

    def note(self) -> None:
        """Adds the line that asks for the operation that is being written."""
        frame = sys._getframe(4)  # past `on_operation`, `make_node` and the method
        of_code = self._of_codes.get(id(frame.f_code))
        if of_code is None:
            asking = self._asking(frame)
            if asking is None:
                self.of_entries.append(-1)
                return
            frame, of_code = asking
        line = of_code.get(frame.f_lasti)
        if line is None:
            source_line = SourceLine(frame.f_code.co_filename, frame.f_lineno, "")
            line = of_code[frame.f_lasti] = self.source_lines.setdefault(source_line, len(self.source_lines))
        self.of_entries.append(line)

    def _asking(self, frame: FrameType | None) -> tuple[FrameType, dict[int, int]] | None:
        """The frame of the user's that led here, or else of a model, and the lines of its code."""
        inside, lines = None, self._of_codes
        while frame is not None and frame.f_code is not _trace_once.__code__:
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
        owner = owner_of(frame.f_code.co_filename, module)
        if owner == "package" and not module.startswith(_WITHOUT_LINES):
            owner = "model"
        self._whose[frame.f_code.co_filename] = owner
        return owner


# ---- Values that are not to be looked at -----------------------------------------------------------------------------
_read_data = vars(Value)["data"].__get__  # past the guard


def _data_of(v: Value) -> float:
    """The number of a Value, guarded or not; nan where it has none, as it belongs to a trace around this one."""
    return math.nan if isinstance(v, Tracing) else float(_read_data(v))


def _check_access(v: Any, what: str) -> None:
    """Raises `RecordingError` where code that is traced looks at a Value, or any code at a Value without a number.

    It is no method, as the class of a Value may change back while another thread is here.
    """
    if is_traced():
        _raise_advice(what)
    if isinstance(v, Tracing):
        raise RecordingError("this Value was made while a function was traced: it has no number, and is no use outside")


def _comparison(name: str) -> Any:
    """A method that compares a Value, unless the code is traced."""

    def compare(self: Any, other: Any) -> Any:
        _check_access(self, "compare")
        return getattr(class_of(self), name)(self, other)

    return compare


_equal, _unequal = _comparison("__eq__"), _comparison("__ne__")  # no methods: another thread may end the guard


def _slot(name: str, what: str) -> Any:
    """The slot of a Value, `data` or `grad`, unless the code is traced."""
    slot = vars(Value)[name]

    def get(self: Any) -> Any:
        _check_access(self, what)
        return slot.__get__(self)

    def set_to(self: Any, number: float) -> None:
        _check_access(self, f"{what} =")
        slot.__set__(self, number)

    return property(get, set_to)


def _is_node(x: object) -> bool:
    return isinstance(x, Value) and not isinstance(x, KnownNumber)


class _Unreadable:
    """What a guarded Value refuses to code that is traced, and to no other code."""

    __slots__ = ()

    def __init_subclass__(cls, **_: Any) -> None:
        """Keeps from the subclasses of a user that guards are made of them."""

    data, grad = _slot("data", "data"), _slot("grad", ".grad")
    __lt__, __le__ = _comparison("__lt__"), _comparison("__le__")
    __gt__, __ge__ = _comparison("__gt__"), _comparison("__ge__")

    def __eq__(self, other: object) -> Any:
        return id(self) == id(other) if _is_node(other) else _equal(self, other)

    def __ne__(self, other: object) -> Any:
        return id(self) != id(other) if _is_node(other) else _unequal(self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        _check_access(self, "bool")
        return bool(_read_data(self))

    def __float__(self) -> float:
        _check_access(self, "float")
        v: Any = self
        return float(class_of(v).__float__(v))

    def __int__(self) -> int:
        _check_access(self, "float")
        v: Any = self
        return int(class_of(v).__int__(v))

    def __format__(self, spec: str) -> str:
        if spec:
            _check_access(self, "format")
        v: Any = self
        return str(self) if not spec else class_of(v).__format__(v, spec)

    def __repr__(self) -> str:  # a message or a log may show it
        v: Any = self
        return f"<Value: {v.label or v._rule}, traced>" if is_traced() else class_of(v).__repr__(v)


class Tracing(_Unreadable, Value):
    """A node that is made while a function is traced: it has no number, but a place on the tape."""

    __slots__ = ("place", "trace")
    place: int
    trace: _Trace

    @property
    def label(self) -> str:
        """Its name, as of any Value."""
        return self.trace.labels.get(self.place, "")

    @label.setter
    def label(self, name: str) -> None:
        self.trace.labels[self.place] = name

    def __repr__(self) -> str:
        return f"<Value: {self.label or self._rule}, traced>"


_new_tracing: Callable[[type[Tracing]], Tracing] = object.__new__


class KnownNumber(Tracing):
    """An int among the arguments, or a number computed of such ints and plain numbers alone.

    In arithmetic with Values it is a Value, `node`. In any other use it is the number that it was: then the tape is for
    those ints alone.
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
        """Its Value, made when it is asked for: most such numbers are only looked at."""
        if self._node is None:
            self._node = self._make()
        return self._node

    @property
    def label(self) -> str:
        """The name of its node."""
        return self.node.label

    @label.setter
    def label(self, name: str) -> None:
        self.node.label = name

    def _looked_at(self) -> Any:
        self.trace.frozen.update(self._inputs)
        return self._number

    def __getattr__(self, name: str) -> Any:
        """Reads `bit_length`, `real`, and what else an int has."""
        if not hasattr(int, name):
            raise AttributeError(f"an int has no attribute {name!r}")
        return getattr(self._looked_at(), name)


def _method_that_looks(f: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    """A method of ints that looks at the number."""

    def method(self: KnownNumber, *others: Any) -> Any:
        numbers = [x._looked_at() if isinstance(x, KnownNumber) else x for x in (self, *others)]
        return f(*(numbers[::-1] if reflected else numbers))

    return method


def _method_that_computes(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """A method of arithmetic: of known numbers it makes a known one, of other numbers a node."""
    of_values = getattr(Value, name)

    def method(self: KnownNumber, *others: Any) -> Any:
        def make() -> Value:
            node: Value = of_values(self.node, *[x.node if isinstance(x, KnownNumber) else x for x in others])
            return node

        inputs, numbers = self._inputs, [self._number]
        for x in others:
            if isinstance(x, KnownNumber):
                inputs |= x._inputs
                numbers.append(x._number)
            elif isinstance(x, (int, float)):
                numbers.append(x)
            else:
                return make() if is_number(x) or isinstance(x, Value) else NotImplemented
        return KnownNumber(f(*numbers), make, self.trace, inputs, _COMPUTED)

    return method


_COMPUTED = Op("computed", "", lambda m: None)
_LOOKING: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("index", "lt", "le", "gt", "ge", "eq", "ne", "invert")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
    **{f.__name__: f for f in (int, float, complex, bool, hash, round, format, str, repr)},
}
for _name, _f in _LOOKING.items():
    setattr(KnownNumber, f"__{_name}__", _method_that_looks(_f))
for _name in ("floordiv", "mod", "divmod", "lshift", "rshift", "and", "or", "xor"):
    _f = getattr(operator, f"__{_name}__", divmod)
    setattr(KnownNumber, f"__{_name}__", _method_that_looks(_f))
    setattr(KnownNumber, f"__r{_name}__", _method_that_looks(_f, reflected=True))
for _f in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
    _name = _f.__name__
    setattr(KnownNumber, f"__{_name}__", _method_that_computes(f"__{_name}__", _f))
    setattr(KnownNumber, f"__r{_name}__", _method_that_computes(f"__r{_name}__", lambda a, b, _f=_f: _f(b, a)))
for _name in ("neg", "pos", "abs"):
    setattr(KnownNumber, f"__{_name}__", _method_that_computes(f"__{_name}__", getattr(operator, _name)))


@lru_cache(maxsize=256)
def _guarded_class(cls: type[Value]) -> type[Value]:
    """A subclass that is unreadable. `graph.class_of` knows it, so that copies and pickles name `cls`."""
    make: Any = type(cls)
    contents = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__new__": lambda _, *args, **options: cls(*args, **options),  # `type(self)(…)` in a method makes no guard
        "_guarded": cls,
    }
    guard: type[Value] = make(cls.__name__, (_Unreadable, cls), contents)
    return guard


_guarded: dict[int, tuple[int, list[Value]]] = {}  # the thread of each trace that is open, and what it guards


@contextmanager
def _guard_values(values: Iterable[Value]) -> Iterator[None]:
    """Guards the Values in the block."""
    values = [v for v in values if not isinstance(v, Tracing)]  # those of a trace around this one are unreadable anyway
    try:
        with engine.backward_lock:
            _guarded[id(values)] = get_ident(), values
            for v in values:
                v.__class__ = _guarded_class(class_of(v))
        yield
    finally:
        with engine.backward_lock:
            try:
                _end_guard(values)
            except KeyboardInterrupt:
                _end_guard(values)
                raise


def _end_guard(values: list[Value]) -> None:
    """Traces may overlap: what another one guards stays guarded."""
    others = {v for _, guarded in _guarded.values() if guarded is not values for v in guarded}
    for v in values:
        if v not in others:
            v.__class__ = class_of(v)
    _guarded.pop(id(values), None)


def _end_guards_of_others() -> None:
    """In a forked process the other threads do not exist, and nobody else would end what their traces guard."""
    for thread, values in [*_guarded.values()]:
        if thread != get_ident():
            _end_guard(values)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_guards_of_others)
