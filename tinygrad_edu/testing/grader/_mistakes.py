"""Engines with one well-known mistake each: what numbers come out if it is made.

If a class shows, in all programs of a concept, the numbers of one of these engines, then its mistake is known, and can
be said in a sentence that is true of this class. `Right` makes none; each other class changes one method. To run the
programs, and to compare, is left to `_examination.py`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .concepts import CONCEPTS


class Right:
    """A small engine: a node keeps its inputs, and the slope of its number in each of them."""

    sentence = ""

    def __init__(self, data: Any, inputs: tuple["Right", ...] = (), slopes: tuple[float, ...] = (), op: str = ""):
        self.data, self.grad, self.inputs, self.slopes, self.op = data, 0.0, inputs, slopes, op
        self.uses = 0
        for x in inputs:
            x.uses += 1

    def make(self, op: str, data: Any, *inputs_and_slopes: tuple["Right", float]) -> "Right":
        """A node of the same class."""
        inputs, slopes = zip(*inputs_and_slopes)
        return type(self)(data, inputs, slopes, op)

    def node(self, x: Any) -> "Right":
        """A Value as it is, and a node for a plain number."""
        return x if isinstance(x, Right) else type(self)(x)

    def __add__(self, other: Any) -> "Right":
        other = self.node(other)
        return self.make("__add__", self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other: Any) -> "Right":
        other = self.node(other)
        return self.make("__mul__", self.data * other.data, (self, other.data), (other, self.data))

    def __pow__(self, n: Any) -> "Right":
        slope = n * self.data ** (n - 1) if n else 0.0
        return self.make("__pow__", self.data**n, (self, slope))

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        return (-self) + other

    def __truediv__(self, other: Any) -> Any:
        return self * self.node(other) ** -1

    def __rtruediv__(self, other: Any) -> Any:
        return self**-1 * other

    def __rpow__(self, base: Any) -> Any:
        return (self * math.log(base)).exp()

    def relu(self) -> "Right":
        return self.make("relu", max(0.0, self.data), (self, float(self.data > 0)))

    def tanh(self) -> "Right":
        t = math.tanh(self.data)
        return self.make("tanh", t, (self, 1 - t * t))

    def exp(self) -> "Right":
        y = math.exp(self.data)
        return self.make("exp", y, (self, y))

    def log(self) -> "Right":
        return self.make("log", math.log(self.data), (self, 1 / self.data))

    # ---- the backward pass, in parts of which a mistake changes one
    def backward(self) -> None:
        self.grad = 1.0
        for node in self.order():
            node.pass_on()

    def order(self) -> Iterable["Right"]:
        """Each node once, after all nodes that use it."""
        return reversed([*dict.fromkeys(self.after_inputs())])

    def in_turn(self) -> Sequence["Right"]:
        """The inputs, in the order in which they are visited."""
        return self.inputs

    def after_inputs(self) -> Iterable["Right"]:
        """Each node after its inputs, as often as there are paths to it."""
        for x in self.in_turn():
            yield from x.after_inputs()
        yield self

    def before_inputs(self) -> Iterable["Right"]:
        """Each node before its inputs, as often as there are paths to it."""
        yield self
        for x in self.in_turn():
            yield from x.before_inputs()

    def by_distance(self) -> Iterable["Right"]:
        """The nodes nearest to this one first, as often as there are paths to them."""
        waiting = [self]
        while waiting:
            node = waiting.pop(0)
            waiting += node.in_turn()
            yield node

    def pass_on(self) -> None:
        for position, (x, slope) in enumerate(zip(self.inputs, self.slopes)):
            x.receive(slope * self.grad, self, position)

    def receive(self, gradient: float, output: "Right", position: int) -> None:
        self.grad += gradient


class _NoRoot(Right):
    sentence = "backward() does not begin with self.grad = 1: all gradients stay 0."

    def backward(self) -> None:
        for node in self.order():
            node.pass_on()


class _NoChainRule(Right):
    sentence = "A backward step passes its local derivative on as it is: it is not multiplied by out.grad."

    def receive(self, gradient: float, output: Right, position: int) -> None:
        self.grad += output.slopes[position]


class _SetsAll(Right):
    sentence = (
        "The gradient of a later use takes the place of an earlier one: gradients are set with =, not added with +=."
    )

    def receive(self, gradient: float, output: Right, position: int) -> None:
        self.grad = gradient


def _sets_in(op: str, *places: int) -> type[Right]:
    class SetsIn(Right):
        sentence = f"The backward step of {op} sets the gradient{_say_where(*places)} with =, where += adds it."

        def receive(self, gradient: float, output: Right, position: int) -> None:
            self.grad = gradient if output.op == op and position in places else self.grad + gradient

    return SetsIn


def _no_chain_rule_in(op: str, *places: int) -> type[Right]:
    class NoChainRuleIn(Right):
        sentence = f"The backward step of {op} does not multiply by out.grad{_say_where(*places)}."

        def receive(self, gradient: float, output: Right, position: int) -> None:
            self.grad += output.slopes[position] if output.op == op and position in places else gradient

    return NoChainRuleIn


def _say_where(*places: int) -> str:
    return " for its left input" if places == (0,) else " for its right input" if places == (1,) else ""


class _SharesArrays(Right):
    """A gradient is an array of one number, and the first one to arrive is kept itself, not as a copy."""

    sentence = (
        "Two nodes keep their gradients in one array: += on one changes the other; add with a = a + b, or copy first."
    )

    def __init__(self, *arguments: Any):
        self.box: list[float] = [0.0]
        super().__init__(*arguments)
        self.is_fresh = True

    @property
    def grad(self) -> float:
        return self.box[0]

    @grad.setter
    def grad(self, gradient: float) -> None:
        self.box, self.is_fresh = [gradient], False

    def receive(self, gradient: float, output: Right, position: int) -> None:
        if not self.is_fresh:
            self.box[0] += gradient
        elif output.op == "__add__" and isinstance(output, _SharesArrays):
            self.box, self.is_fresh = output.box, False
        else:
            self.grad = gradient


def _uncrossed(*places: int) -> type[Right]:
    class Uncrossed(Right):
        sentence = (
            "The backward step of __mul__ gives an input its own number times out.grad, not that of the other input."
        )

        def __mul__(self, other: Any) -> Right:
            other = self.node(other)
            numbers = [self.data, other.data]
            slopes = [numbers[place if place in places else 1 - place] for place in (0, 1)]
            return self.make("__mul__", self.data * other.data, (self, slopes[0]), (other, slopes[1]))

    return Uncrossed


class _OtherSign(Right):
    sentence = "The backward step of __add__ gives the right input the gradient with the wrong sign."

    def __add__(self, other: Any) -> Right:
        other = self.node(other)
        return self.make("__add__", self.data + other.data, (self, 1.0), (other, -1.0))


class _AfterInputsAgain(Right):
    sentence = (
        "A node that is used twice takes its backward step twice: it must take it once, after all uses have added."
    )

    def order(self) -> Iterable[Right]:
        return reversed([*self.after_inputs()])


class _BeforeInputsAgain(_AfterInputsAgain):
    def order(self) -> Iterable[Right]:
        return list(self.before_inputs())


class _ByDistanceAgain(_AfterInputsAgain):
    def order(self) -> Iterable[Right]:
        return list(self.by_distance())


class _BeforeInputs(Right):
    sentence = (
        "A node takes its backward step too early: a node that uses it has not added its part of the gradient yet."
    )

    def order(self) -> Iterable[Right]:
        return dict.fromkeys(self.before_inputs())


class _ByDistance(_BeforeInputs):
    def order(self) -> Iterable[Right]:
        return dict.fromkeys(self.by_distance())


class _CountsAllUses(Right):
    sentence = "A node waits for every use, also for one that backward() does not reach: count only the uses it does."

    def order(self) -> Iterable[Right]:
        waiting, counts = list[Right]([self]), dict[Right, int]()
        while waiting:
            node = waiting.pop()
            yield node
            for x in node.inputs:
                counts[x] = counts.get(x, x.uses) - 1
                if not counts[x]:
                    waiting.append(x)


class _EqualByNumber(Right):
    sentence = "Nodes with equal numbers are taken for one node: compare nodes by identity."

    def order(self) -> Iterable[Right]:
        seen, found = set[float](), list[Right]()

        def visit(node: Right) -> None:
            if node.data not in seen:
                seen.add(node.data)
                for x in node.in_turn():
                    visit(x)
                found.append(node)

        visit(self)
        return reversed(found)


class _ResetsLeaves(Right):
    sentence = (
        "backward() sets the gradients of leaves to 0, so those of an earlier pass are lost: zero_grad() does that."
    )

    def backward(self) -> None:
        for node in self.order():
            node.grad = 0.0
        super().backward()


class _RunsOnce(Right):
    sentence = "A node that one backward() has visited is not visited by the next: what is visited belongs to one pass."

    def order(self) -> Iterable[Right]:
        found = [node for node in super().order() if not hasattr(node, "seen")]
        for node in found:
            node.seen = True  # type: ignore[attr-defined]
        return found


_PLACES = (
    *((op, *places) for op in ("__add__", "__mul__") for places in ((0,), (1,), (0, 1))),
    ("__pow__", 0, 1),
    *((concept.method, 0, 1) for concept in CONCEPTS if concept.group == "functions"),
)
_BASES: tuple[type[Right], ...] = (  # a mistake of an operation first: it shows in programs about the order, too
    _NoRoot,
    _NoChainRule,
    *(_uncrossed(*places) for places in ((0,), (1,), (0, 1))),
    _OtherSign,
    _SetsAll,
    *(_sets_in(*op_and_places) for op_and_places in _PLACES),
    *(_no_chain_rule_in(*op_and_places) for op_and_places in _PLACES),
    _AfterInputsAgain,
    _BeforeInputsAgain,
    _ByDistanceAgain,
    _BeforeInputs,
    _ByDistance,
    _CountsAllUses,
    _SharesArrays,
    _EqualByNumber,
    _ResetsLeaves,
    _RunsOnce,
)


def _visit_last_first(mistake: type[Right]) -> type[Right]:
    """The same mistake in an engine that visits the inputs of a node from the last to the first."""

    class LastFirst(mistake):  # type: ignore[valid-type, misc]
        def in_turn(self) -> Sequence[Right]:
            return tuple(reversed(self.inputs))

    return LastFirst


MISTAKES = tuple(variant for mistake in _BASES for variant in (mistake, _visit_last_first(mistake)))
