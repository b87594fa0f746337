"""Engines with one well-known mistake each: what numbers come out if it is made.

If each program shows, on the examined class, the numbers of an engine with one mistake, then the mistake is known, and
can be said in a sentence that is true of this class. `Right` makes none; each other class changes one method. Classes
with the same sentence make the same mistake in different ways: each program may show another one of them, as an engine
that keeps the inputs of a node in a set visits them in any order. To run the programs, and to compare, is left to
`_examination.py`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

from tinygrad_edu.rules import FLOATS, Op, find

from .concepts import CONCEPTS

Slope = Callable[..., float]  # of the input x and the output y, and of the exponent n in x**n
_MAX_DEPTH = 3  # of the nodes that have a choice which input to visit first, in the programs about graphs


class Right:
    """A small engine: a node keeps its inputs, and the slope of its number in each of them."""

    sentence = ""
    turns: tuple[bool, ...] = (False,) * _MAX_DEPTH  # for nodes of each depth: whether they visit their inputs in turn

    def __init__(self, data: Any, inputs: tuple["Right", ...] = (), slopes: tuple[float, ...] = (), op: str = ""):
        self.data, self.grad, self.inputs, self.slopes, self.op = data, 0.0, inputs, slopes, op
        has_choice = bool(inputs) and all(x.inputs for x in inputs)  # a leaf has no step, so its turn plays no role
        self.depth: int = max([x.depth for x in inputs], default=-1) + has_choice
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
        return self.map("__pow__", find("power", n))

    def map(self, method: str, op: Op) -> "Right":
        """A node with this one as its only input, as this method makes it."""
        y = op.value(FLOATS, self.data)
        return self.make(method, y, (self, self.slope(method, op, self.data, y)))

    def slope(self, method: str, op: Op, x: float, y: float) -> float:
        """The derivative of an operation with one input."""
        return float(op.derivatives(FLOATS, y, x)[0])

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
        return self.map("relu", find("relu"))

    def tanh(self) -> "Right":
        return self.map("tanh", find("tanh"))

    def exp(self) -> "Right":
        return self.map("exp", find("exp"))

    def log(self) -> "Right":
        return self.map("log", find("log"))

    # ---- the backward pass, in parts of which a mistake changes one
    def backward(self) -> None:
        self.grad = 1.0
        for node in self.order():
            node.pass_on()

    def order(self) -> Iterable["Right"]:
        """Each node once, after all nodes that use it."""
        return reversed([*dict.fromkeys(self.after_inputs())])

    def in_turn(self) -> Sequence["Right"]:
        """The inputs, in the order in which they are visited; or as a set may have them, each once."""
        is_turned = self.turns[min(self.depth, _MAX_DEPTH - 1)]
        return [*dict.fromkeys(reversed(self.inputs))] if is_turned else self.inputs

    def after_inputs(self) -> Iterable["Right"]:
        """Each node after its inputs, as often as there are paths to it."""
        for x in self.in_turn():
            yield from x.after_inputs()
        yield self

    def spread(self, position: int, once: bool = False) -> Iterable["Right"]:
        """Each node, then its inputs: the last one found (-1) or the first one (0) goes next, each once if wanted."""
        waiting, seen = [self], {self}
        while waiting:
            node = waiting.pop(position)
            yield node
            found = [x for x in node.in_turn() if not (once and x in seen)]
            waiting += dict.fromkeys(found) if once else found
            seen.update(found)

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


class _ClearsInputs(Right):
    sentence = "A backward step sets the gradients of its inputs to 0 first: what other uses have added is lost."

    def pass_on(self) -> None:
        for x in self.inputs:
            x.grad = 0.0
        super().pass_on()


class _ClearsOutput(Right):
    sentence = "A node that was computed loses its gradient after its backward step: grad is to be kept."

    def pass_on(self) -> None:
        super().pass_on()
        self.grad = 0.0 if self.inputs else self.grad


class _NoSteps(Right):
    sentence = "No backward step is taken: is it kept, as in out._backward = _backward, and is it called by backward()?"

    def pass_on(self) -> None:
        pass


def _in(op: str, places: tuple[int, ...], words: str, receive: Callable[[Right, float, float], float]) -> type[Right]:
    """A mistake in what an operation gives to its inputs at these places: what their gradient becomes by it."""
    where = " for its left input" if places == (0,) else " for its right input" if places == (1,) else ""

    class In(Right):
        sentence = f"The backward step of {op} {words.format(where)}"

        def receive(self, gradient: float, output: Right, position: int) -> None:
            is_here = output.op == op and position in places
            self.grad = receive(self, gradient, output.slopes[position]) if is_here else self.grad + gradient

    return In


def _leaves_out(op: str, places: tuple[int, ...]) -> type[Right]:
    inputs = "its left input" if places == (0,) else "its right input" if places == (1,) else "its inputs"

    class LeavesOut(Right):
        sentence = f"{op} does not give {inputs} to the node that it makes, so backward() does not go on there."

        def in_turn(self) -> Sequence[Right]:
            kept = [x for i, x in enumerate(self.inputs) if self.op != op or i not in places]
            return [x for x in super().in_turn() if x in kept]

    return LeavesOut


def _wrong_slope(wrong_method: str, words: str, wrong: Slope) -> type[Right]:
    class WrongSlope(Right):
        sentence = f"The backward step of {wrong_method} {words}"

        def slope(self, method: str, op: Op, x: float, y: float) -> float:
            return wrong(x, y, *op.parameters) if method == wrong_method else super().slope(method, op, x, y)

    return WrongSlope


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


class _DepthFirstAgain(_AfterInputsAgain):
    def order(self) -> Iterable[Right]:
        return list(self.spread(-1))


class _BreadthFirstAgain(_AfterInputsAgain):
    def order(self) -> Iterable[Right]:
        return list(self.spread(0))


class _DepthFirst(Right):
    sentence = (
        "A node takes its backward step too early: a node that uses it has not added its part of the gradient yet."
    )

    def order(self) -> Iterable[Right]:
        return dict.fromkeys(self.spread(-1))


class _ByStack(_DepthFirst):
    def order(self) -> Iterable[Right]:
        return list(self.spread(-1, once=True))


class _BreadthFirst(_DepthFirst):
    def order(self) -> Iterable[Right]:
        return list(self.spread(0, once=True))


class _OnlyInputs(Right):
    sentence = (
        "Only the inputs of the last node get a gradient: backward() must go on to theirs, from the last node down; is "
        "reversed() missing?"
    )

    def order(self) -> Iterable[Right]:
        return [self]


class _OnlyTwoLevels(Right):
    sentence = "backward() goes to the inputs of the inputs, and no further: it must go down to the leaves."

    def order(self) -> Iterable[Right]:
        return [self, *self.in_turn()]


class _EachBeginsAnew(Right):
    sentence = "backward() calls backward() of the inputs, which sets their gradients to 1: what has arrived is lost."

    def backward(self) -> None:
        self.grad = 1.0
        self.pass_on()
        for x in self.in_turn():
            x.backward()


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


_INPUTS = ((0,), (1,), (0, 1))
_FUNCTIONS = [concept.method for concept in CONCEPTS if concept.group == "functions"]
_PLACES = (
    *((op, places) for op in ("__add__", "__mul__") for places in _INPUTS),
    *((op, (0, 1)) for op in ("__pow__", *_FUNCTIONS)),
)
_WRONG_SLOPES: tuple[tuple[str, str, Slope], ...] = (
    ("relu", "gives 1 at x = 0, as x >= 0 does: its derivative is 1 only where x > 0.", lambda x, y: x >= 0),
    ("relu", "passes the gradient on also where x < 0: the derivative is 0 there.", lambda x, y: 1.0),
    ("relu", "multiplies by relu(x) itself: where x > 0 the derivative is 1.", lambda x, y: y),
    ("tanh", "computes 1 - x**2 of its input x: it is 1 - t**2 of its output t.", lambda x, y: 1 - x * x),
    ("tanh", "computes 1 - t of its output t: it is 1 - t**2, with the square.", lambda x, y: 1 - y),
    ("exp", "multiplies by its input x: the derivative of exp(x) is its output, exp(x).", lambda x, y: x),
    ("exp", "computes x * exp(x - 1): the derivative is exp(x).", lambda x, y: x * math.exp(x - 1)),
    ("log", "divides by its output: the derivative of log(x) is 1/x, of its input.", lambda x, y: 1 / y),
    ("log", "multiplies by its input x: the derivative of log(x) is 1/x.", lambda x, y: x),
    ("__pow__", "computes n * a**n: the derivative is n * a**(n-1).", lambda x, y, n: n * y),
    ("__pow__", "computes n * a**(n-2): the derivative is n * a**(n-1).", lambda x, y, n: n * y / x**2),
    *(  # also with 0 at n = 0
        ("__pow__", f"computes {words}: the derivative is n * a**(n-1).", slope)
        for words, factor in (("a**(n-1), without the factor n", lambda n: 1), ("(n-1) * a**(n-1)", lambda n: n - 1))
        for slope in (
            lambda x, y, n, factor=factor: factor(n) * y / x,
            lambda x, y, n, factor=factor: factor(n) * y / x if n else 0.0,
        )
    ),
)
_BASES: tuple[type[Right], ...] = (  # a mistake of an operation first: it shows in programs about the order, too
    _NoRoot,
    _NoSteps,
    _NoChainRule,
    *(_uncrossed(*places) for places in _INPUTS),
    _OtherSign,
    _SetsAll,
    *(_in(*place, "sets the gradient{} with =, where += adds it.", lambda x, g, slope: g) for place in _PLACES),
    *(_in(*place, "does not multiply by out.grad{}.", lambda x, g, slope: x.grad + slope) for place in _PLACES),
    *(_in(*place, "adds nothing to the gradient{}.", lambda x, g, slope: x.grad) for place in _PLACES),
    *(_leaves_out(*place) for place in _PLACES),
    *(_wrong_slope(*mistake) for mistake in _WRONG_SLOPES),
    _AfterInputsAgain,
    _DepthFirstAgain,
    _BreadthFirstAgain,
    _DepthFirst,
    _ByStack,
    _BreadthFirst,
    _OnlyInputs,
    _OnlyTwoLevels,
    _EachBeginsAnew,
    _ClearsInputs,
    _ClearsOutput,
    _CountsAllUses,
    _SharesArrays,
    _EqualByNumber,
    _ResetsLeaves,
    _RunsOnce,
)


def _turned(base: type[Right]) -> list[type[Right]]:
    """The engines with this mistake that visit the inputs of nodes in different orders."""
    all_turns = product((False, True), repeat=_MAX_DEPTH)
    return [type(base.__name__, (base,), {"turns": turns}) for turns in all_turns]


MISTAKES: dict[str, list[type[Right]]] = {
    sentence: [engine for base in _BASES if base.sentence == sentence for engine in _turned(base)]
    for sentence in dict.fromkeys(base.sentence for base in _BASES)
}
"""The engines with the same mistake, by the sentence on it."""
