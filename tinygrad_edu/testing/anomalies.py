"""Anomalies: a mode in which every node knows the line that made it, and what goes wrong is reported at that line.

It finds what the engine lets pass, or can only report at the line of `backward()`: an inf or a nan, a graph whose
numbers have been changed since, a second backward pass that would double the gradients. How it is told of every
operation stands in `modes.py`; what the engine itself refuses in `errors.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import NoReturn

from tinygrad_edu import errors
from tinygrad_edu.compiler.trace import is_traced
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES, Place, place
from tinygrad_edu.gradients import steps
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import Make, Mode, Way, open_modes, opened
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS, Op


class AnomalyError(RuntimeError):
    """What Python would go on with in silence, and what cannot be meant so; see `detect_anomaly`, which raises it.

    A `RuntimeError`, as in PyTorch. What is an error without the mode too keeps its own type.
    """


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, every node remembers the line that made it, and what goes wrong is reported at that line.

    Raises `AnomalyError`, with the lines to look at and the way out,

    - where a number becomes inf or nan: a Value is made of it, an operation on other numbers gives it, a gradient
      overflows; or where an operation, or a pass back, meets a `.data` or `.grad` that has been set to it;
    - where gradients are taken, by `backward()`, `grad` or what is built on it, of a graph that is stale: the `.data`
      of a node has been changed since another one was computed from it;
    - where `backward()` is called a second time on the same node, and no leaf's `.grad` has been changed in between, as
      `zero_grad()` does: the gradients would be doubled. Different losses that share a part of their graph may each go
      back once.

    Errors that are raised without it, as `ValueError` for the logarithm of −1, stay what they are, and get a note that
    Python prints with the traceback: the line of the node whose derivative fails, or the lines that its inputs come
    from. A Value that was made before is "made outside detect_anomaly". The mode is told of operations and of gradients
    that are taken, not of a plain write to `.data` or `.grad`: it sees that a number has been changed, and cannot name
    the line that did it. What a function computes that is traced or
    compiled has no numbers or no nodes, and is not seen.

    It serves as a decorator too, and watches the thread or task that it is called in and no other one. What it knows of
    a Value is kept with it. A training step takes four to eight times as long in it: it is for searching, not for every
    day. PyTorch has one of the same name.

    >>> w = Value(1.0, label="w")
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     loss = (w * 3.0 - 1.0) ** 2
    ...     w.data = 0.9
    ...     loss.backward()
    Traceback (most recent call last):
    tinygrad_edu.testing.anomalies.AnomalyError: the graph is stale: 'w' was 1.0 when mul was computed from it, ...
        mul was made at ..., line 2: loss = (w * 3.0 - 1.0) ** 2
        gradients were asked for at ..., line 4: loss.backward()
        they would mix old numbers with new ones: take them before anything is changed, or compute the loss anew
    """
    if is_traced() or any(isinstance(mode, _Anomalies) for mode in open_modes()):
        yield  # there are no numbers to look at, or the mode is on already
        return
    with opened(_Anomalies()):
        yield


class _Note:
    """What the mode knows of a Value, of which it is an attribute."""

    def __init__(self, v: Value, made: Place | None, inputs: tuple[float, ...] = ()) -> None:
        self.place = made  # None where it was made outside
        self.computed = v.data  # the number that it was made with, or had when it was first seen
        self.inputs = inputs  # and those that it was computed from; () where it was made outside
        self.gradient: float | None = v.grad  # of a leaf, as the last backward pass has left it
        self.resets = 0  # how often `.grad` has been found changed
        self.first_backward: tuple[Place, int] | None = None  # and the resets of all leaves behind it then


def _note(v: Value) -> _Note:
    """What is known of v; nothing yet for one that was made outside."""
    note: _Note | None = vars(v).get("_note")
    return note or _new_note(v, None)


def _new_note(v: Value, made: Place | None, inputs: tuple[float, ...] = ()) -> _Note:
    note = vars(v)["_note"] = _Note(v, made, inputs)
    return note


class _Anomalies(Mode):
    def leaf(self, v: Value) -> None:
        _new_note(v, place(), tuple([x.data for x in v._prev]))
        if not isfinite(v.data):
            _refuse(f"{_called(v)} is {v.data}", _made(v))

    def operation(self, make: Make, op: Op, inputs: tuple[Value, ...]) -> Value:
        line = place()
        for x in inputs:
            if isfinite(x.data):
                continue
            if x._rule is CONSTANT and x.data != x.data and not _note(x).place:
                _refuse(f"a constant is {x.data}", f"it was made {_at(line)}")
            if x._rule is not CONSTANT and isfinite(_note(x).computed):
                _refuse(f"the .data of {_called(x)} is {x.data}, and was {_note(x).computed}", _made(x), _unknown(line))
        try:
            v: Value = make(op, inputs)
        except FAILURES as error:
            _add_notes(error, _inputs_made(inputs))
            raise
        _new_note(v, line, tuple([x.data for x in inputs]))
        # a constant may be infinite on purpose, as a bound of clamp in its derivative
        if not isfinite(v.data) and all(isfinite(x.data) for x in inputs if x._rule is CONSTANT):
            _refuse(f"{op} gives {v.data} {errors.at(inputs)}", f"{op} was made {_at(line)}", *_inputs_made(inputs, v))
        return v

    def gradients(self, y: Value, targets: Sequence[Value], way: Way) -> None:
        """Takes them itself first, node by node, so as to see where they go wrong."""
        line, order = place(), topological_order(y)
        _refuse_stale(order, line)
        leaves = [v for v in order if v._rule is LEAF]
        for v in leaves:
            if v.grad is not None and not isfinite(v.grad):
                _refuse(f"the .grad of {_called(v)} is {v.grad}", _made(v), _unknown(line))
        if way == "backward":
            _refuse_second_pass(y, leaves, line)
        gradients = _gradients(y, targets, line)
        if way == "backward":
            _note(y).first_backward = line, sum(_note(v).resets for v in leaves)
            for v in leaves:
                _note(v).gradient = (v.grad or 0.0) + gradients.get(v, 0.0)


def _gradients(y: Value, targets: Sequence[Value], asked: Place) -> dict[Value, float]:
    """The gradients, if they are all finite, and no derivative fails."""
    gradients: dict[Value, float] = {}
    passed = y

    def look() -> None:
        for x in passed._prev:
            if not isfinite(gradients.get(x, 0.0)):
                through = f"going back through {passed._rule} {errors.at(passed._prev)}"
                what = f"the gradient of {_called(x)} is {gradients[x]}, {through}"
                _refuse(what, _made(passed), *_inputs_made(passed._prev, passed), _asked(asked))

    try:
        for v in steps(y, targets, FLOATS, lambda v: v.data, gradients):
            look()
            passed = v
        look()
    except FAILURES as error:
        _add_notes(error, [_made(passed), *_inputs_made(passed._prev, passed)])
        raise
    return gradients


def _refuse_second_pass(y: Value, leaves: Sequence[Value], asked: Place) -> None:
    for v in leaves:
        note = _note(v)
        if v.grad != note.gradient:
            note.resets += 1
    resets, note = sum(_note(v).resets for v in leaves), _note(y)
    if note.first_backward and note.first_backward[1] == resets:
        _refuse(
            f"backward() is called a second time on {_called(y)}, and the gradients would be doubled",
            f"the first time was {_at(note.first_backward[0])}",
            f"the second time is {_at(asked)}",
            _made(y),
            _DOUBLED,
        )


def _refuse_stale(order: Sequence[Value], asked: Place) -> None:
    """Raises for the first node whose inputs, or whose own number, are not what they were when it was computed."""
    for v in order:
        note, now = _note(v), [x.data for x in v._prev]
        stale = ""
        for x, then in zip(v._prev, note.inputs):
            if not _same(x.data, then):
                stale = f"{_called(x)} was {then} when {v._rule} was computed from it, and is {x.data} now"
                break
        else:
            if v._prev and not _same(v.data, note.computed):
                stale = f"{_called(v)} was computed as {note.computed}, and is {v.data} now"
            elif v._prev and note.place is None:  # made outside: all that can be told is what it would be now
                with suppress(*FAILURES, NotImplementedError):
                    if not _same(fresh := v._rule.value(FLOATS, *now), v.data):
                        stale = f"{_called(v)} is {v.data}, and of what its inputs are now it would be {fresh}"
        if stale:
            _refuse(f"the graph is stale: {stale}", _made(v), _asked(asked), _MIXED)


def _same(now: float, then: float) -> bool:
    """A nan that has stayed is no other number."""
    return now == then or (now != now and then != then)


# ---- words -----------------------------------------------------------------------------------------------------------
_MIXED = "they would mix old numbers with new ones: take them before anything is changed, or compute the loss anew"
_DOUBLED = "compute the loss anew in every step, or set the gradients to 0 in between, as zero_grad() does"
_INDENT = "    "


def _refuse(what: str, *lines: str) -> NoReturn:
    raise AnomalyError("\n".join([what, *[_INDENT + line for line in lines]]))


def _add_notes(error: BaseException, lines: Sequence[str]) -> None:
    for line in lines:
        if line not in getattr(error, "__notes__", ()):
            error.add_note(line)


def _called(v: Value) -> str:
    if v.label:
        return repr(v.label)
    return {LEAF: "a leaf", CONSTANT: "a constant"}.get(v._rule, f"a result of {v._rule}")


def _at(line: Place) -> str:
    """The line with its text, and the function called there, unless that is the operation or the pass back itself.

    Nor is one told that wraps what was called.
    """
    text = f"at {line}" + (f": {line.source}" if line.source else "")
    plain = line.function.partition(".")[0] in ("", "engine", "functional", "gradients")
    return text if plain or "<locals>" in line.function else f"{text}  (in {line.function})"


def _made(v: Value) -> str:
    line = _note(v).place
    return f"{v._rule if v._prev else 'it'} was made {_at(line) if line else 'outside detect_anomaly'}"


def _inputs_made(inputs: Sequence[Value], node: Value | None = None) -> list[str]:
    """Where the inputs come from, the largest first; not those that stand in the line of the node itself."""
    here = None if node is None else _note(node).place
    lines = []
    for x in sorted(dict.fromkeys(inputs), key=lambda x: -abs(x.data)):
        note = _note(x)
        if x._rule is CONSTANT and not note.place:
            continue  # a plain number, which stands in the line of the node itself
        if not note.place or not here or note.place[:2] != here[:2]:
            name = f"{x.label!r}, {x.data}," if x.label else str(x.data)
            where = _at(note.place) if note.place else "outside detect_anomaly"
            then = "" if _same(x.data, note.computed) else f", as {note.computed}, and has been changed since"
            lines.append(f"its input {name} was made {where}{then}")
    return lines[:3]


def _asked(line: Place) -> str:
    return f"gradients were asked for {_at(line)}"


def _unknown(line: Place) -> str:
    return f"that was found {_at(line)}; the line that has set it is not known"
