"""Anomalies: a mode in which every node knows the line that made it, and each problem is reported at its line.

The engine lets some problems pass, or reports them only at the line of `backward()`: an inf or a nan, a graph whose
numbers were changed, a second backward pass that doubles the gradients. The mode finds them. How a mode learns of every
operation is left to `modes.py`, what the engine itself refuses to `errors.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import NoReturn

from tinygrad_edu import errors
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES, SourceLine, calling_line
from tinygrad_edu.gradients import sweep_by_node
from tinygrad_edu.graph import topological_order
from tinygrad_edu.modes import GradientKind, MakeNode, Mode, enter_mode, is_traced, open_modes
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FLOATS, Op


class AnomalyError(RuntimeError):
    """A number or a graph that cannot be meant, though Python goes on without an error; see `detect_anomaly`.

    It is a `RuntimeError`, as in PyTorch. What is an error without the mode keeps its own type.
    """


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Opens a mode in which every node remembers the line that made it, and a problem is reported at that line.

    It works as a decorator too. It watches only the thread or task that opens it. A training step takes four to eight
    times as long, so it is for finding an error and not for every day. PyTorch has a mode of the same name.

    These are problems:

    - A number becomes inf or nan: a Value is made of it, an operation on other numbers gives it, or a gradient
      overflows. Or an operation or a backward pass meets a `.data` or `.grad` that was set to it.
    - A graph is stale when its gradients are taken, by `backward()`, `grad` or what uses them: the `.data` of a node
      was changed after another node was computed from it.
    - `backward()` is called a second time on the same node, and no `.grad` of a leaf has changed in between, as
      `zero_grad()` changes it. The gradients would be doubled. Different losses may share a part of their graph.

    An error that is raised without the mode too, as `ValueError` for the logarithm of −1, gets a note, which Python
    prints below the traceback: the line of the node whose derivative fails, or the lines that made its inputs. A Value
    that was made before is "made outside detect_anomaly". The mode sees operations and gradients, but not a write to
    `.data` or `.grad`: it knows that a number has changed, and not at which line. It sees nothing inside a function
    that is traced or compiled, as there are no numbers or no nodes.

    Yields:
        Nothing; the mode ends with the block.

    Raises:
        AnomalyError: There is a problem. The message names the lines to look at, and the way out.

    Example:
        >>> w = Value(1.0, label="w")
        >>> with detect_anomaly():  # doctest: +ELLIPSIS
        ...     loss = (w * 3.0 - 1.0) ** 2
        ...     w.data = 0.9
        ...     loss.backward()
        Traceback (most recent call last):
        tinygrad_edu.testing.anomalies.AnomalyError: the graph is stale: 'w' was 1.0 when mul was computed from it, ...
            mul was made at ..., line 2: loss = (w * 3.0 - 1.0) ** 2
            gradients were asked for at ..., line 4: loss.backward()
            old and new numbers would be mixed: take gradients before anything is changed, or compute the loss again
    """
    if is_traced() or any(isinstance(mode, _AnomalyMode) for mode in open_modes()):
        yield  # there are no numbers to look at, or the mode is open already
        return
    with enter_mode(_AnomalyMode()):
        yield


class _NodeInfo:
    """What the mode knows of a Value, and keeps in an attribute of it."""

    def __init__(self, v: Value, line: SourceLine | None, inputs: tuple[float, ...] = ()) -> None:
        self.line = line  # that made the Value; None if it was made outside
        self.number = v.data  # with which it was made, or which it had when it was first seen
        self.inputs = inputs  # the numbers it was computed from; () if it was made outside
        self.gradient: float | None = v.grad  # of a leaf, after the last backward pass
        self.resets = 0  # how often `.grad` was found changed
        self.first_backward: tuple[SourceLine, int] | None = None  # its line, and the resets of all leaves at that time


def _info_of(v: Value) -> _NodeInfo:
    info: _NodeInfo | None = vars(v).get("_anomaly_info")
    return info or _add_info(v, None)


def _add_info(v: Value, line: SourceLine | None, inputs: tuple[float, ...] = ()) -> _NodeInfo:
    info = vars(v)["_anomaly_info"] = _NodeInfo(v, line, inputs)
    return info


class _AnomalyMode(Mode):
    def on_leaf(self, v: Value) -> None:
        _add_info(v, calling_line(), tuple([x.data for x in v._prev]))
        if not isfinite(v.data):
            _raise_anomaly(f"{_describe_node(v)} is {v.data}", _say_made(v))

    def on_operation(self, make: MakeNode, op: Op, inputs: tuple[Value, ...]) -> Value:
        line = calling_line()
        for x in inputs:
            if isfinite(x.data):
                continue
            if x._rule is CONSTANT and x.data != x.data and not _info_of(x).line:
                _raise_anomaly(f"a constant is {x.data}", f"it was made {_format_line(line)}")
            if x._rule is not CONSTANT and isfinite(_info_of(x).number):
                what = f"the .data of {_describe_node(x)} is {x.data}, and was {_info_of(x).number}"
                _raise_anomaly(what, _say_made(x), _say_found(line))
        try:
            v: Value = make(op, inputs)
        except FAILURES as error:
            _add_notes(error, _say_inputs_made(inputs))
            raise
        _add_info(v, line, tuple([x.data for x in inputs]))
        # a constant may be infinite on purpose, as a bound of clamp in its derivative
        if not isfinite(v.data) and all(isfinite(x.data) for x in inputs if x._rule is CONSTANT):
            what = f"{op} gives {v.data} {errors.format_location(inputs)}"
            _raise_anomaly(what, f"{op} was made {_format_line(line)}", *_say_inputs_made(inputs, v))
        return v

    def on_gradients(self, y: Value, targets: Sequence[Value], kind: GradientKind) -> None:
        """Computes the gradients before the engine does, node by node, to see where they go wrong."""
        line, order = calling_line(), topological_order(y)
        _check_stale(order, line)
        leaves = [v for v in order if v._rule is LEAF]
        for v in leaves:
            if v.grad is not None and not isfinite(v.grad):
                _raise_anomaly(f"the .grad of {_describe_node(v)} is {v.grad}", _say_made(v), _say_found(line))
        if kind == "backward":
            _check_second_pass(y, leaves, line)
        gradients = _compute_gradients(y, targets, line)
        if kind == "backward":
            _info_of(y).first_backward = line, sum(_info_of(v).resets for v in leaves)
            for v in leaves:
                _info_of(v).gradient = (v.grad or 0.0) + gradients.get(v, 0.0)


def _compute_gradients(y: Value, targets: Sequence[Value], line: SourceLine) -> dict[Value, float]:
    """The gradients, if all of them are finite and no derivative fails. `line` has asked for them."""
    gradients: dict[Value, float] = {}
    node = y

    def check_inputs() -> None:
        for x in node._prev:
            if not isfinite(gradients.get(x, 0.0)):
                through = f"going back through {node._rule} {errors.format_location(node._prev)}"
                what = f"the gradient of {_describe_node(x)} is {gradients[x]}, {through}"
                _raise_anomaly(what, _say_made(node), *_say_inputs_made(node._prev, node), _say_asked(line))

    try:
        for v in sweep_by_node(y, targets, FLOATS, lambda v: v.data, gradients):
            check_inputs()
            node = v
        check_inputs()
    except FAILURES as error:
        _add_notes(error, [_say_made(node), *_say_inputs_made(node._prev, node)])
        raise
    return gradients


def _check_second_pass(y: Value, leaves: Sequence[Value], line: SourceLine) -> None:
    for v in leaves:
        info = _info_of(v)
        if v.grad != info.gradient:
            info.resets += 1
    resets, info = sum(_info_of(v).resets for v in leaves), _info_of(y)
    if info.first_backward and info.first_backward[1] == resets:
        _raise_anomaly(
            f"backward() is called a second time on {_describe_node(y)}, and the gradients would be doubled",
            f"the first time was {_format_line(info.first_backward[0])}",
            f"the second time is {_format_line(line)}",
            _say_made(y),
            "compute the loss again in every step, or set the gradients to 0 in between, as zero_grad() does",
        )


_STALE_ADVICE = (
    "old and new numbers would be mixed: take gradients before anything is changed, or compute the loss again"
)


def _check_stale(order: Sequence[Value], line: SourceLine) -> None:
    """Raises for the first node whose inputs, or whose own number, were changed after it was computed."""
    for v in order:
        info, now = _info_of(v), [x.data for x in v._prev]
        stale = ""
        for x, then in zip(v._prev, info.inputs):
            if not _is_same_number(x.data, then):
                stale = f"{_describe_node(x)} was {then} when {v._rule} was computed from it, and is {x.data} now"
                break
        else:
            if v._prev and not _is_same_number(v.data, info.number):
                stale = f"{_describe_node(v)} was computed as {info.number}, and is {v.data} now"
            elif v._prev and info.line is None:  # made outside: only its number at the present inputs can be compared
                with suppress(*FAILURES, NotImplementedError):
                    if not _is_same_number(fresh := v._rule.value(FLOATS, *now), v.data):
                        stale = f"{_describe_node(v)} is {v.data}, but with the present inputs it would be {fresh}"
        if stale:
            _raise_anomaly(f"the graph is stale: {stale}", _say_made(v), _say_asked(line), _STALE_ADVICE)


def _is_same_number(now: float, then: float) -> bool:
    """Whether two numbers are equal; a nan that stays a nan has not changed."""
    return now == then or (now != now and then != then)


# ---- words -----------------------------------------------------------------------------------------------------------
def _raise_anomaly(what: str, *lines: str) -> NoReturn:
    raise AnomalyError("\n    ".join([what, *lines]))


def _add_notes(error: BaseException, lines: Sequence[str]) -> None:
    for line in lines:
        if line not in getattr(error, "__notes__", ()):
            error.add_note(line)


def _describe_node(v: Value) -> str:
    if v.label:
        return repr(v.label)
    return {LEAF: "a leaf", CONSTANT: "a constant"}.get(v._rule, f"a result of {v._rule}")


def _format_line(line: SourceLine) -> str:
    """The line with its text, and the function of ours that it called, as losses.mse.

    An operation or the backward pass itself is not named, nor is a function that only wraps what was called.
    """
    text = f"at {line}" + (f": {line.text}" if line.text else "")
    is_plain = line.function.partition(".")[0] in ("", "engine", "functional", "gradients")
    return text if is_plain or "<locals>" in line.function else f"{text}  (in {line.function})"


def _say_made(v: Value) -> str:
    line = _info_of(v).line
    return f"{v._rule if v._prev else 'it'} was made {_format_line(line) if line else 'outside detect_anomaly'}"


def _say_inputs_made(inputs: Sequence[Value], node: Value | None = None) -> list[str]:
    """Which lines made the three largest inputs; an input of the same line as the node itself is left out."""
    here = None if node is None else _info_of(node).line
    lines = []
    for x in sorted(dict.fromkeys(inputs), key=lambda x: -abs(x.data)):
        info = _info_of(x)
        if x._rule is CONSTANT and not info.line:
            continue  # a plain number in the line of the node
        if not info.line or not here or info.line[:2] != here[:2]:
            name = f"{x.label!r}, {x.data}," if x.label else str(x.data)
            where = _format_line(info.line) if info.line else "outside detect_anomaly"
            change = "" if _is_same_number(x.data, info.number) else f", as {info.number}, and has been changed since"
            lines.append(f"its input {name} was made {where}{change}")
    return lines[:3]


def _say_asked(line: SourceLine) -> str:
    return f"gradients were asked for {_format_line(line)}"


def _say_found(line: SourceLine) -> str:
    return f"that was found {_format_line(line)}; the line that has set it is not known"
