"""Recording: a function of Values is run once, and the graph that it builds becomes a tape.

Gradients are recorded as graphs by the engine itself, with `grad(…, create_graph=True)`: there is no derivative here.
While it is recorded the function must not look at its numbers, or what it decides would be frozen into the tape. So for
that time `data` and `grad` are guarded: arithmetic may read them, all else is an error that shows the line. How that is
noticed stands in `watching.py`, what a tape is in `tape.py`.
"""

from collections.abc import Callable, Sequence
from threading import get_ident
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from tinygrad_edu import engine, errors, gradients
from tinygrad_edu.engine import Value, constant
from tinygrad_edu.graph import no_cycle_collection, topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.recording import enable_grad, paused
from tinygrad_edu.rules import FLOATS
from tinygrad_edu.watching import Watch, number, place, watched

from .passes import gathered, in_order_of_use
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
    guard = _Guard()
    with watched(guard), enable_grad():
        leaves = [Value(example, label=label) for label, example in inputs]
        results = [y if isinstance(y, Value) else constant(y) for y in f(leaves)]
        known = {*guard.values}
        seen: set[Value] = set()
        earlier = [v for v in topological_order(*results, seen=seen) if v not in known]
        parameters = [v for v in earlier if v._rule is LEAF]
        targets = wanted(leaves, parameters)
        try:
            slopes = gradients.grad(results[0], targets, create_graph=True) if targets else []
        except FloatingPointError:
            gradients.sweep(results[0], targets, FLOATS, number)  # fails too, in the words of backward()
            raise
    topological_order(*slopes, seen=seen)
    builder, places = Builder(), dict[Value, int]()
    for leaf in [*leaves, *parameters]:
        places[leaf] = builder.leaf(leaf.label)
    for v in [*earlier, *guard.values]:  # nodes in the order in which f made them
        if v in places or v not in seen:
            continue
        if not v._prev:  # a constant, or a leaf that the function has made itself and would make again
            places[v] = builder.constant(number(v))
        else:
            places[v] = builder.operation(v._rule, tuple([places[x] for x in v._prev]), v.label)
    tape = builder.tape(
        name,
        [places[v] for v in leaves],
        [places[v] for v in parameters],
        [Output(places[y]) for y in results] + [Output(places[g], places[x]) for g, x in zip(slopes, targets)],
        [number(v) for v in (*leaves, *parameters)],
    )
    tape, order = in_order_of_use(gathered(tape))
    return Recorded(tape, [parameters[i] for i in order])


# ---- the guard -------------------------------------------------------------------------------------------------------
_ARITHMETIC = {"method", "forward", "record", "<listcomp>"}  # the functions of the engine that compute


class _Guard(Watch):
    """While a thread records, asks who wants to know `data` and `grad`; and lists the Values that are made."""

    def __init__(self) -> None:
        self.values: list[Value] = []

    def made(self, v: Value, frame: FrameType) -> None:
        self.values.append(v)

    def reads(self, v: Value, frame: FrameType) -> None:
        if v._rule is CONSTANT:
            return
        function, scope = frame.f_code.co_name, frame.f_globals
        if scope is vars(engine) and function in _ARITHMETIC:
            if paused and get_ident() in paused:
                _refuse(frame, "no_grad")
        elif function != "__repr__" and scope is not vars(errors):
            what = function if scope is vars(engine) else "grad" if scope is vars(gradients) else "data"
            _refuse(frame, what)

    def writes(self, v: Value, number: Any, frame: FrameType) -> None:
        _refuse(frame, ".data =")

    def reads_grad(self, v: Value, frame: FrameType) -> None:
        scope = frame.f_globals
        if frame.f_code.co_name != "__repr__" and scope is not vars(errors):
            _refuse(frame, "_backward" if scope is vars(engine) else ".grad")

    def writes_grad(self, v: Value, gradient: Any, frame: FrameType) -> None:
        if frame.f_globals is not vars(engine):
            _refuse(frame, ".grad =")


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
    ".data =": ("sets the .data of a Value", "return the new number, and set it outside"),
    ".grad": ("looks at the .grad of a Value", "grad(y, xs, create_graph=True) gives gradients as Values"),
    ".grad =": ("sets the .grad of a Value", "set it outside, before each call"),
}


def _refuse(frame: FrameType, what: str) -> NoReturn:
    problem, way_out = _REASONS.get(what, _REASONS["data"])
    line = place(frame)
    raise RecordingError(
        f"{line}: a function {problem} while it is recorded, which a tape cannot replay: {way_out}"
        + (f"\n    {line.source}" if line.source else "")
    )
