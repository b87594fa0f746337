"""Anomalies: a mode in which every node knows the line that made it, and what goes wrong is reported at that line.

It finds what the engine lets pass, or can only report at the line of `backward()`: an inf or a nan, a graph whose
numbers have been changed since, a second backward pass that would double the gradients. How it gets to know of every
Value stands in `watching.py`; what the engine itself refuses in `errors.py`.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from traceback import walk_tb
from types import FrameType
from typing import Any, NoReturn

from tinygrad_edu import engine, errors, watching
from tinygrad_edu.engine import Value
from tinygrad_edu.gradients import RECORDING
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import Number
from tinygrad_edu.watching import Place, Watch, number, place


class AnomalyError(RuntimeError):
    """What Python would go on with in silence, and what cannot be meant so; see `detect_anomaly`, which raises it.

    A `RuntimeError`, as in PyTorch. What is an error without the mode too keeps its own type.
    """


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside, every node remembers the line that made it, and what goes wrong is reported at that line.

    Raises `AnomalyError`, with the lines to look at and the way out, at once

    - where a number becomes inf or nan: a Value is made of it, an operation on finite numbers gives it, `.data` or
      `.grad` is set to it, a gradient overflows;
    - where gradients are taken, by `backward()`, `grad` or what is built on it, of a graph that is stale: the `.data`
      of a node has been changed since another one was computed from it;
    - where `backward()` is called a second time on the same node, and no leaf's `.grad` has been set to 0 in between:
      the gradients would be doubled. Different losses that share a part of their graph may each go back once.

    Errors that are raised without it, as `ValueError` for the logarithm of −1, stay what they are, and get a note that
    Python prints with the traceback: the line of the node whose derivative fails, or the lines that its inputs come
    from. A Value that was made before is "made outside detect_anomaly"; what a compiled function computes has no nodes,
    and is seen when it is recorded and when it sets a gradient.

    It serves as a decorator too, watches the thread that it is called in and no other one, and leaves nothing behind.
    A training step takes four to eight times as long in it, and leaving it a look at every object that Python keeps,
    some hundredths of a second: it is for searching, not for every day. PyTorch has one of the same name.

    >>> w = Value(1.0, label="w")
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     loss = (w * 3.0 - 1.0) ** 2
    ...     w.data = 0.9
    ...     loss.backward()
    Traceback (most recent call last):
    tinygrad_edu.testing.anomalies.AnomalyError: the graph is stale: 'w' was 1.0 when mul was computed from it, ...
        mul was made at ..., line 2: loss = (w * 3.0 - 1.0) ** 2
        'w' was changed at ..., line 3: w.data = 0.9
        gradients were asked for at ..., line 4: loss.backward()
        they would mix old numbers with new ones: take them before anything is changed, or compute the loss anew
    """
    if any(isinstance(watch, _Anomalies) for watch in watching.watches()):
        yield  # the mode is on already
        return
    watch = _Anomalies()
    with watching.watched(watch):
        try:
            yield
        except Exception as error:
            _explain(error)
            raise
        finally:
            watch.forget()


class _Note(watching.Noted):
    """A number in its slot, and what the mode knows of the Value that it belongs to."""

    __slots__ = ("changed", "computed", "first_backward", "inputs", "owner", "place", "resets")

    def __init__(self, owner: "_Anomalies", x: Any, made: Place | None, inputs: tuple[Any, ...]) -> None:
        super().__init__(x)
        self.owner = owner
        self.place = made  # None where it was made outside
        self.computed = x  # the number that it was made with
        self.inputs = inputs  # and those that it was computed from; () where it was made outside
        self.changed: Place | None = None  # where `.data` was set last
        self.resets = 0  # how often `.grad` has been set to 0
        self.first_backward: tuple[Place, int] | None = None  # and the resets behind it then


class _Anomalies(Watch):
    def made(self, v: Value, frame: FrameType) -> None:
        x, line = number(v), place(frame)
        inputs = tuple([number(i) for i in v._prev])
        watching.note(v, _Note(self, x, line, inputs))
        if _finite(x) or (x != x and inputs and all(n == n for n in (*inputs, *v._rule.parameters))):
            return  # a nan that is born of other numbers is refused by the engine
        passed = _passed(frame)
        if passed is not None:
            if inputs and all(map(_finite, inputs)):  # a rule may compute with an infinite bound of its own, as clamp's
                self._refuse_gradient(f"a gradient is {x}", passed, line)
        elif inputs:
            _refuse(f"{v._rule} gives {x} {errors.at(v._prev)}", _made(v), *_inputs_made(v._prev, v))
        else:
            _refuse(f"{_called(v)} is {x}", _made(v))

    def writes(self, v: Value, number: Any, frame: FrameType) -> None:
        line = place(frame)
        if not _finite(number):
            _refuse(f"the .data of {_called(v)} is set to {number}", _at(line))
        self.note(v).changed = line

    def writes_grad(self, v: Value, gradient: Any, frame: FrameType) -> None:
        if frame.f_code is watching.BACKWARD:
            if not _finite(gradient):
                self._refuse_gradient(
                    f"the gradient of {_called(v)} is {gradient}", frame.f_locals["self"], place(frame)
                )
        elif frame.f_globals is not vars(engine):
            if not _finite(gradient):
                _refuse(f"the .grad of {_called(v)} is set to {gradient}", _at(place(frame)))
            if not gradient:
                self.note(v).resets += 1

    def backward(self, root: Value, run: Callable[[], None], frame: FrameType) -> None:
        line, order = place(frame), topological_order(root)
        _refuse_stale(order, line)
        resets = sum(self.note(v).resets for v in order if v._rule is LEAF)
        note = self.note(root)
        if note.first_backward and note.first_backward[1] == resets:
            _refuse(
                f"backward() is called a second time on {_called(root)}, and the gradients would be doubled",
                f"the first time was {_at(note.first_backward[0])}",
                f"the second time is {_at(line)}",
                _made(root),
                _DOUBLED,
            )
        with _explained():
            run()
        note.first_backward = line, resets

    def sweep(
        self, y: Value, targets: Sequence[Value], run: Callable[[], list[Number]], frame: FrameType
    ) -> list[Number]:
        line = place(frame)
        _refuse_stale(topological_order(y), line)
        with _explained():
            found = run()
            if not all(map(_finite, found)):  # with nodes for what is computed on the way, it is seen where it begins
                watching.sweep(y, targets, RECORDING, lambda v: v)
                _refuse(f"the gradients are {found}", _asked(line))
        return found

    def _refuse_gradient(self, what: str, passed: Value, line: Place) -> NoReturn:
        through = f"going back through {passed._rule} {errors.at(passed._prev)}"
        _refuse(f"{what}, {through}", _made(passed), *_inputs_made(passed._prev, passed), _asked(line))

    def note(self, v: Value) -> _Note:
        """What is known of v; nothing yet for one that was made outside."""
        known = _known(v)
        if not known:
            known = _Note(self, number(v), None, ())
            watching.note(v, known)
        return known

    def forget(self) -> None:
        """A Value does not know who holds it, and a list of all Values would keep them alive: so Python is asked."""
        for thing in gc.get_objects():
            known = _known(thing) if issubclass(type(thing), Value) else None
            if known and known.owner is self:
                watching.note(thing, known.number)


def _known(v: Value) -> _Note | None:
    note = watching.noted(v)
    return note if isinstance(note, _Note) else None


def _first(v: Value) -> Any:
    """The number that v was made with, or had when the mode first saw it."""
    known = _known(v)
    return known.computed if known else number(v)


def _refuse_stale(order: Sequence[Value], asked: Place) -> None:
    """Raises for the first node whose inputs, or whose own number, are not what they were when it was computed."""
    for v in order:
        known = _known(v)
        for x, then in zip(v._prev, known.inputs if known and known.inputs else map(_first, v._prev)):
            if _other(number(x), then):
                what = f"{_called(x)} was {then} when {v._rule} was computed from it, and is {number(x)} now"
                _refuse(f"the graph is stale: {what}", _made(v), _changed(x), _asked(asked), _MIXED)
        if v._prev and _other(number(v), _first(v)):
            what = f"{_called(v)} was computed as {_first(v)}, and is {number(v)} now"
            _refuse(f"the graph is stale: {what}", _made(v), _changed(v), _asked(asked), _MIXED)


def _other(now: Any, then: Any) -> bool:
    """Whether the numbers differ; a nan that has stayed is no other one."""
    return now is not then and now != then


# ---- errors of arithmetic, which the engine raises -------------------------------------------------------------------
_FORWARD = {engine.record.__code__: "inputs", engine._node.__code__: "out"}  # and the variable that tells the inputs
_BACK = {watching.BACKWARD: "self", watching.SWEEP: "v"}  # and the variable that is the node


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except errors.FAILURES as error:
        _explain(error)
        raise


def _explain(error: BaseException | None) -> None:
    """Adds, where the engine has raised it or its cause, the lines of the node, or of the inputs that made no node."""
    while error:
        lines: list[str] = []
        for frame, _ in walk_tb(error.__traceback__ if isinstance(error, errors.FAILURES) else None):
            code, variables = frame.f_code, frame.f_locals
            if code in _BACK:
                v = variables[_BACK[code]]
                lines = [_made(v), *_inputs_made(v._prev, v)]
                break
            if code in _FORWARD:
                found = variables[_FORWARD[code]]
                lines = _inputs_made(found._prev, found) if isinstance(found, Value) else _inputs_made(found)
        for line in lines:
            if line not in getattr(error, "__notes__", ()):
                error.add_note(line)
        error = None if lines else error.__cause__ or error.__context__


# ---- words -----------------------------------------------------------------------------------------------------------
_MIXED = "they would mix old numbers with new ones: take them before anything is changed, or compute the loss anew"
_DOUBLED = "compute the loss anew in every step, or set the gradients to 0 in between, as zero_grad() does"
_INDENT = "    "


def _refuse(what: str, *lines: str) -> NoReturn:
    raise AnomalyError("\n".join([what, *[_INDENT + line for line in lines]]))


def _finite(x: Any) -> bool:
    return not isinstance(x, float) or isfinite(x)


def _called(v: Value) -> str:
    if v.label:
        return repr(v.label)
    return {LEAF: "a leaf", CONSTANT: "a constant"}.get(v._rule, f"a result of {v._rule}")


def _at(line: Place) -> str:
    """The line with its text, and the function called there, unless that is the operation or the pass back itself.

    Nor is one told that wraps what was called.
    """
    text = f"at {line}" + (f": {line.source}" if line.source else "")
    plain = line.function.partition(".")[0] in ("", "engine", "functional", "gradients", "watching")
    return text if plain or "<locals>" in line.function else f"{text}  (in {line.function})"


def _place(v: Value) -> Place | None:
    known = _known(v)
    return known.place if known else None


def _made(v: Value) -> str:
    line = _place(v)
    return f"{v._rule if v._prev else 'it'} was made {_at(line) if line else 'outside detect_anomaly'}"


def _inputs_made(inputs: Sequence[Value], node: Value | None = None) -> list[str]:
    """Where the inputs come from, the largest first; not those that stand in the line of the node itself."""
    here = None if node is None else _place(node)
    lines = []
    for x in sorted(dict.fromkeys(inputs), key=lambda x: -abs(number(x))):
        line = _place(x)
        if not line or not here or line[:2] != here[:2]:
            name, known = f"{x.label!r}, {number(x)}," if x.label else str(number(x)), _known(x)
            if known and known.changed:  # as a parameter is in each step
                lines.append(f"its input {name} was set {_at(known.changed)}")
            else:
                lines.append(f"its input {name} was made {_at(line) if line else 'outside detect_anomaly'}")
    return lines[:3]


def _changed(v: Value) -> str:
    known = _known(v)
    return f"{_called(v)} was changed {_at(known.changed) if known and known.changed else 'outside detect_anomaly'}"


def _asked(line: Place) -> str:
    return f"gradients were asked for {_at(line)}"


def _passed(frame: FrameType | None) -> Value | None:
    """The node that `grad` goes back through, where it is at work."""
    while frame and frame.f_code is not watching.SWEEP:
        frame = frame.f_back
    return frame.f_locals["v"] if frame else None
