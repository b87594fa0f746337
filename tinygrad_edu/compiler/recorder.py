"""Recording: a function of Values is run once, and the graph that it builds becomes a tape.

Gradients are recorded as graphs by the engine itself, with `grad(…, create_graph=True)`: there is no derivative here.
While it is recorded the function must not look at its numbers, or what it decides would be frozen into the tape. So for
that time `Value.data` is guarded: arithmetic may read it, all else is an error that shows the line. What a tape is
stands in `tape.py`.
"""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, get_ident
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from tinygrad_edu import engine, errors, gradients
from tinygrad_edu.engine import Value, constant
from tinygrad_edu.graph import no_cycle_collection, topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.recording import enable_grad, paused

from .passes import gathered
from .tape import Builder, Output, Tape


class RecordingError(TypeError):
    """The function that is recorded looks at a number, or changes one, which a tape cannot do when it is replayed."""


class Recorded(NamedTuple):
    """A tape, and the Values that its parameters are."""

    tape: Tape
    parameters: list[Value]


@no_cycle_collection()
def recorded(
    f: Callable[[list[Value]], Sequence[Any]],
    name: str,
    inputs: Sequence[tuple[str, float]],
    wanted: Callable[[list[Value], list[Value]], list[Value]] = lambda inputs, parameters: [],
) -> Recorded:
    """Records a function of a list of Values that returns a sequence of Values and plain numbers.

    `inputs` are labels with numbers. `wanted` chooses from the inputs and the parameters those leaves in which the
    gradients of the first result are outputs too.
    """
    leaves = [Value(number, label=label) for label, number in inputs]
    with _guarded() as made, enable_grad():
        results = [y if isinstance(y, Value) else constant(y) for y in f(leaves)]
        known = {*leaves, *made}
        seen: set[Value] = set()
        order = topological_order(*results, seen=seen)
        parameters = [v for v in order if v._rule is LEAF and v not in known]
        parameters.reverse()  # the order goes from an operation's last input to its first one
        targets = wanted(leaves, parameters)
        slopes = gradients.grad(results[0], targets, create_graph=True) if targets else []
    builder, places = Builder(), dict[Value, int]()
    for i, leaf in enumerate([*leaves, *parameters]):
        places[leaf] = builder.leaf(leaf.label or f"p{i - len(leaves)}")
    for v in order + topological_order(*slopes, seen=seen):
        if v in places:
            continue
        if not v._prev:  # a constant, or a leaf that the function has made itself and would make again
            places[v] = builder.constant(v.data)
        else:
            places[v] = builder.operation(v._rule, tuple([places[x] for x in v._prev]), v.label)
    tape = builder.tape(
        name,
        [places[v] for v in leaves],
        [places[v] for v in parameters],
        [Output(places[y]) for y in results] + [Output(places[g], places[x]) for g, x in zip(slopes, targets)],
        [v.data for v in (*leaves, *parameters)],
    )
    return Recorded(gathered(tape), parameters)


# ---- the guard -------------------------------------------------------------------------------------------------------
_data: Any = vars(Value)["data"]  # the slot itself
_lock = Lock()
_made: dict[int, list[Value]] = {}  # for each thread that records, the leaves made since it began
_ARITHMETIC = {"method", "forward", "record", "<listcomp>"}  # the functions of the engine that compute


@contextmanager
def _guarded() -> Iterator[list[Value]]:
    """While a thread records, `Value.data` asks who wants to know; gives the list of the leaves that are made."""
    thread = get_ident()
    with _lock:
        outer, made = _made.get(thread), list[Value]()
        _made[thread] = made
        type.__setattr__(Value, "data", property(_read, _write))
    try:
        yield made
    finally:
        with _lock:
            del _made[thread]
            if outer is not None:
                _made[thread] = outer
            if not _made:
                type.__setattr__(Value, "data", _data)


def _read(v: Value) -> float:
    if v._rule is not CONSTANT and get_ident() in _made:
        frame = sys._getframe(1)
        function, scope = frame.f_code.co_name, frame.f_globals
        if scope is vars(engine) and function in _ARITHMETIC:
            if paused and get_ident() in paused:
                _refuse(frame, "no_grad")
        elif function != "__repr__" and scope is not vars(errors):
            what = function if scope is vars(engine) else "grad" if scope is vars(gradients) else "data"
            _refuse(frame, what)
    number: float = _data.__get__(v)
    return number


def _write(v: Value, number: float) -> None:
    if get_ident() in _made:
        frame = sys._getframe(1)
        if frame.f_globals is not vars(engine):
            _refuse(frame, "update")
        if v._rule is LEAF:
            _made[get_ident()].append(v)
    _data.__set__(v, number)


_DECIDE = (
    "an operation decides for each number anew: relu(x), maximum(a, b), minimum(a, b), clamp(x, low, high), abs(x), "
    "sign(x), or step(x), which is 1 for x > 0 and else 0"
)
_FROZEN = "the number would be frozen into the tape; compute it outside and pass it as an argument"
_REASONS = {
    "<lambda>": ("compares Values", _DECIDE),
    "__bool__": ("asks whether a Value is true", _DECIDE),
    "data": ("looks at the .data of a Value", _DECIDE),
    "detach": ("detaches a Value", _FROZEN),
    "no_grad": ("computes under no_grad()", _FROZEN),
    "grad": ("takes gradients as plain numbers", "grad(y, xs, create_graph=True) gives them as Values"),
    "_backward": ("calls backward()", "grad(y, xs, create_graph=True) gives gradients as Values, to return or use"),
    "update": ("sets the .data of a Value", "return the new number, and set it outside"),
}


def _refuse(frame: FrameType, what: str) -> NoReturn:
    problem, way_out = _REASONS.get(what, _REASONS["data"])
    place: FrameType | None = frame
    while place and place.f_globals.get("__name__", "").startswith(f"{__package__.partition('.')[0]}."):
        place = place.f_back
    place = place or frame
    file, line = place.f_code.co_filename, place.f_lineno
    raise RecordingError(
        f"{file}, line {line}: a function {problem} while it is recorded, which a tape cannot replay: {way_out}\n"
        f"    {linecache.getline(file, line).strip()}"
    )
