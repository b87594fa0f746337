"""Passes: each reads a tape and returns another one that computes the same.

`gathered` finds sums of products in scalar-by-scalar code; `expanded` writes operations as simpler ones, so that a
language needs to know but few; `summed` adds gradients up over a batch. What a tape is stands in `tape.py`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import Any

from tinygrad_edu.rules import FLOATS, OPS, Mathematics, Op

from .tape import ADD, DOT, MUL, NEG, TOTAL, Builder, Node, Output, Tape


def uses(tape: Tape) -> list[int]:
    """How often the result at each place is asked for, by operations and as an output."""
    count = [0] * len(tape.nodes)
    for node in tape.nodes:
        for i in node.inputs:
            count[i] += 1
    for output in tape.outputs:
        count[output.place] += 1
    return count


def _finished(tape: Tape, builder: Builder, new: Sequence[int]) -> Tape:
    """What was built of the tape, `new` telling where each of its places went."""
    return builder.tape(
        tape.name,
        [new[i] for i in tape.inputs],
        [new[i] for i in tape.parameters],
        [Output(new[o.place], None if o.leaf is None else new[o.leaf]) for o in tape.outputs],
        tape.example,
    )


def simplified(tape: Tape) -> Tape:
    """The tape without what changes nothing, each operation but once on the same inputs, and the leaves first."""
    builder, new = Builder(), [-1] * len(tape.nodes)
    for place in (*tape.inputs, *tape.parameters):
        new[place] = builder.copy(tape.nodes[place], new)
    for place, node in enumerate(tape.nodes):
        if new[place] < 0:
            new[place] = builder.copy(node, new)
    return _finished(tape, builder, new)


# ---- sums of products ------------------------------------------------------------------------------------------------
def gathered(tape: Tape) -> Tape:
    """Chains of `+`, and the products in them, as one `dot` and one `total`.

    b + w₁·x₁ + w₂·x₂ becomes dot(w, x) + b, as a neuron computes it. What has a label or is used elsewhere stays by
    itself. The terms are the same ones, but in another order: sums may differ in the last bits.
    """
    nodes = tape.nodes
    inner = _inner_terms(tape)
    if True not in inner:
        return tape
    builder, new = Builder(), [-1] * len(nodes)
    for place, node in enumerate(nodes):
        if inner[place]:
            continue
        if node.op is not ADD and node.op is not TOTAL:
            new[place] = builder.copy(node, new)
            continue
        left, right, others = [], [], []  # the factors of the products, and the terms that are none
        stack = list(reversed(node.inputs))
        while stack:
            term = stack.pop()
            op, inputs = nodes[term].op, nodes[term].inputs
            if not inner[term]:
                others.append(new[term])
            elif op is ADD or op is TOTAL:
                stack.extend(reversed(inputs))
            else:  # a product or a dot: the first half of its inputs times the second
                left += [new[i] for i in inputs[: len(inputs) // 2]]
                right += [new[i] for i in inputs[len(inputs) // 2 :]]
        if left:
            others.insert(0, builder.operation(DOT, (*left, *right), "" if others else node.label))
        new[place] = builder.operation(TOTAL, tuple(others), node.label)
    return _finished(tape, builder, new)


def _inner_terms(tape: Tape) -> list[bool]:
    """Which nodes are but a part of one sum, that has more of them: they have no label, and it alone uses them."""
    nodes, count = tape.nodes, uses(tape)
    inner = [False] * len(nodes)
    for place in reversed(range(len(nodes))):
        op, inputs = nodes[place].op, nodes[place].inputs
        if op is ADD or op is TOTAL:
            parts = [i for i in inputs if count[i] == 1 and not nodes[i].label and nodes[i].op in _PARTS]
            if inner[place] or len(parts) > 1 or (parts and nodes[parts[0]].op is not MUL):
                for i in parts:
                    inner[i] = True
    return inner


_PARTS = (ADD, TOTAL, MUL, DOT)


def in_order_of_use(tape: Tape) -> tuple[Tape, list[int]]:
    """The tape with its parameters in the order in which operations use them; and which of the former each one is.

    So w₁·x₁ + w₂·x₂ + b, gathered of a sum that starts with b, has the parameters w₁, w₂, b. Those without a label are
    called p0, p1, …
    """
    nodes, parameters, first = list(tape.nodes), tape.parameters, len(tape.inputs)
    which = {place: k for k, place in enumerate(parameters)}
    order = list(dict.fromkeys([which[i] for node in nodes for i in node.inputs if i in which] + [*which.values()]))
    new = list(range(len(nodes)))
    for i, (place, k) in enumerate(zip(parameters, order)):
        leaf = tape.nodes[parameters[k]]
        nodes[place] = leaf._replace(label=leaf.label or f"p{i}")
        new[parameters[k]] = place
    if order != sorted(order):
        nodes = [Node(op, tuple([new[i] for i in inputs]), label, number) for op, inputs, label, number in nodes]
    outputs = [Output(new[o.place], None if o.leaf is None else new[o.leaf]) for o in tape.outputs]
    outputs.sort(key=lambda output: -1 if output.leaf is None else output.leaf)
    example = (*tape.example[:first], *[tape.example[first + k] for k in order])
    return Tape(tape.name, tuple(nodes), tape.inputs, parameters, tuple(outputs), example), order


# ---- operations as simpler ones --------------------------------------------------------------------------------------
class Symbol:
    """A number of which only the place on a tape is known: a rule that computes with it writes on the tape."""

    __slots__ = ("builder", "place")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: Builder, place: int) -> None:
        self.builder, self.place = builder, place

    def __bool__(self) -> bool:
        raise TypeError("it branches on a number; m.step, m.maximum, m.minimum and m.sign decide without a branch")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: bool(self)

    def __neg__(self) -> Any:
        return SYMBOLS.neg(self)

    def __pos__(self) -> "Symbol":
        return self

    def __abs__(self) -> Any:
        return SYMBOLS.abs(self)


def _operator(name: str, reflected: bool) -> Callable[[Symbol, Any], Any]:
    return lambda a, b: getattr(SYMBOLS, name)(*((b, a) if reflected else (a, b)))


for _method, _name in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}.items():
    setattr(Symbol, f"__{_method}__", _operator(_name, reflected=False))
    setattr(Symbol, f"__r{_method}__", _operator(_name, reflected=True))


class Symbols(Mathematics):
    """The mathematics of symbols: each function writes an operation, unless it is called on plain numbers."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in OPS:
            raise AttributeError(f"no operation is called {name!r}")
        op = OPS[name]

        def write(*xs: Any) -> Any:
            builder = next((x.builder for x in xs if isinstance(x, Symbol)), None)
            if builder is None:
                return op.value(FLOATS, *xs)
            places = [x.place if isinstance(x, Symbol) else builder.constant(float(x)) for x in xs]
            return Symbol(builder, builder.operation(op, tuple(places)))

        return write


SYMBOLS = Symbols()


@lru_cache(maxsize=1024)
def expansion(op: Op, arity: int) -> Tape:
    """What the rule of an operation on so many inputs computes, as a tape. An operation that has to be brought along,
    such as exp, gives itself.

    Raises `TypeError` for a rule that looks at its numbers.
    """
    builder = Builder()
    names = "x" if arity == 1 else "ab" if arity == 2 else [f"x{i}" for i in range(arity)]
    inputs = [builder.leaf(name) for name in names]
    try:
        y = op.value(SYMBOLS, *[Symbol(builder, i) for i in inputs])
        place = y.place if isinstance(y, Symbol) else builder.constant(float(y))
    except TypeError as error:
        raise TypeError(
            f"operation {op} cannot be written as a program, as its rule does more than use + - * / ** and the "
            f"functions of m: {error}"
        ) from error
    return builder.tape(op.name, inputs, [], [Output(place)])


def expanded(tape: Tape, known: Callable[[Op], object], powers_as_products: bool = False) -> Tape:
    """The tape with operations that are not `known` written as simpler ones, wherever that is short.

    So x₁·w₁ + x₂·w₂ takes the place of a `dot`, max(x, 0) that of a `relu`, but a `sigmoid` stays: it is better written
    as a function, once. With `powers_as_products` small whole powers are multiplied out.
    """

    def write(op: Op, inputs: tuple[int, ...], label: str = "") -> int:
        if powers_as_products and op.name in ("power", "pow"):
            exponent = op.parameters[0] if op.parameters else builder.number(inputs[1])
            if exponent is not None and exponent in range(2, 9):
                product = reduce(lambda y, x: builder.operation(MUL, (y, x)), [inputs[0]] * int(exponent))
                return builder.operation(TOTAL, (product,), label)
        if known(op) or not is_short(op, len(inputs)):
            return builder.operation(op, inputs, label)
        body = expansion(op, len(inputs))
        at = list(inputs)  # the leaves of the body stand first
        for node in body.nodes[len(inputs) :]:
            at.append(write(node.op, tuple([at[i] for i in node.inputs])) if node.inputs else builder.copy(node, at))
        return builder.operation(TOTAL, (at[body.outputs[0].place],), label)  # a sum of one: itself, with the label

    builder, new = Builder(), list[int]()
    for node in tape.nodes:
        inputs = tuple([new[i] for i in node.inputs])
        new.append(write(node.op, inputs, node.label) if inputs else builder.copy(node, new))
    return _finished(tape, builder, new)


@lru_cache(maxsize=1024)
def is_short(op: Op, arity: int) -> bool:
    """Whether the expansion of an operation reads as well as its name: it names no input twice, or is arithmetic."""
    body = expansion(op, arity)
    operations = [node.op for node in body.nodes if node.inputs]
    return op not in operations and (max(uses(body)[:arity], default=0) <= 1 or _ARITHMETIC.issuperset(operations))


_ARITHMETIC = {OPS[name] for name in ("add", "sub", "mul", "div", "neg")}


# ---- sums over a batch -----------------------------------------------------------------------------------------------
_no_rule: Any = None
SUM = Op("sum of samples", "Σ", _no_rule, every=_no_rule)  # names that no operation of a user can have
INNER = Op("inner product", "·", _no_rule, every=_no_rule)
COUNT = Op("number of samples", "n", _no_rule, every=_no_rule)


def summed(tape: Tape, batched: Sequence[bool]) -> Tape:
    """The tape over a batch of samples, `batched` saying for each leaf whether it has a number for each sample.

    A gradient in a leaf that has not, which is the same for all samples, is summed over them.
    """
    nodes, count = tape.nodes, uses(tape)
    varies = [False] * len(nodes)
    for place, varied in zip(tape.inputs + tape.parameters, batched):
        varies[place] = varied
    samples = next((place for place, varied in enumerate(varies) if varied), -1)
    builder, new = Builder(), list[int]()
    for place, node in enumerate(nodes):
        varies[place] = varies[place] or any(varies[i] for i in node.inputs)
        new.append(builder.copy(node, new))

    def number_of_samples() -> int:
        return builder.operation(COUNT, (new[samples],))

    def sum_of(place: int) -> int:
        """Σ over the samples; of products, where it can be, as an inner product, which needs no array for them."""
        factors = []  # what is the same for all samples goes before the sum
        while varies[place]:
            op, inputs = nodes[place].op, nodes[place].inputs
            if op is NEG:
                factors.append(builder.constant(-1.0))
            elif op is MUL and not (varies[inputs[0]] and varies[inputs[1]]):
                factors += [new[i] for i in inputs if not varies[i]]
            else:
                break
            place = next(i for i in inputs if varies[i])
            if count[place] > 1:  # it has to be computed anyway, and a long chain is walked but once
                break
        op, inputs = nodes[place].op, nodes[place].inputs
        if not varies[place]:
            total = builder.operation(MUL, (number_of_samples(), new[place]))
        elif op is MUL or (op is DOT and count[place] == 1):
            half = len(inputs) // 2
            total = builder.operation(TOTAL, tuple(map(sum_of_product, inputs[:half], inputs[half:])))
        else:
            total = builder.operation(SUM, (new[place],))
        for factor in factors:
            total = builder.operation(MUL, (factor, total))
        return total

    def sum_of_product(a: int, b: int) -> int:
        if varies[a] and varies[b]:
            return builder.operation(INNER, (new[a], new[b]))
        if varies[a] or varies[b]:
            varying, fixed = (a, b) if varies[a] else (b, a)
            return builder.operation(MUL, (new[fixed], builder.operation(SUM, (new[varying],))))
        return builder.operation(MUL, (number_of_samples(), builder.operation(MUL, (new[a], new[b]))))

    outputs = [
        Output(new[o.place])
        if o.leaf is None
        else Output(new[o.place] if varies[o.leaf] or samples < 0 else sum_of(o.place), new[o.leaf])
        for o in tape.outputs
    ]
    return builder.tape(
        tape.name, [new[i] for i in tape.inputs], [new[i] for i in tape.parameters], outputs, tape.example
    )
