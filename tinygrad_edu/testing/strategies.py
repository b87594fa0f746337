"""Hypothesis strategies: numbers, Values, expressions over the rule table, modules, and data for them.

    from hypothesis import given
    from tinygrad_edu.testing import strategies

    @given(strategies.expressions(ops=["cube"]))
    def test_my_operation(f): ...

An expression is drawn step by step, and a step that is not inside its operation's domain is left out: so an operation
needs no declaration besides its entry in the table. What fails shrinks to the fewest steps and the simplest numbers, as
simpler choices come first everywhere. What an expression is stands in `expression.py`, what to check is left to you.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from inspect import Parameter, signature
from itertools import islice, pairwise
from typing import Any, NamedTuple, TypeAlias

try:
    from hypothesis import note, reject
    from hypothesis import strategies as st
    from hypothesis.control import current_build_context
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ImportError("testing.strategies needs Hypothesis: pip install 'tinygrad-edu[test]'") from None

from tinygrad_edu import nn
from tinygrad_edu._validate import to_float
from tinygrad_edu.compiler.tape import Node
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, Floats, Op

from .expression import Expression, letters

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Path: TypeAlias = str | os.PathLike[str]

MARGIN = 1e-3  # an expression keeps this far from kinks and from the ends of domains
LARGEST = 1e3  # no number in it, and no slope, is larger than this
SIMPLEST = 8  # so many of the simplest numbers are tried where one is outside a domain
TRIES = 50  # so many steps outside their domain, and the operations do not suit the numbers


# ---- numbers ---------------------------------------------------------------------------------------------------------
def floats(min_value: float = -4.0, max_value: float = 4.0) -> st.SearchStrategy[float]:
    """Floats spread over [min_value, max_value]: decimals of few digits, now and then 0, ±1, ±2, ½ and the like.

    They shrink to 0.0, or else to a number of few digits.

    >>> from hypothesis import given
    >>> @given(floats(0.5, 10.0))
    ... def test_they_lie_between_the_bounds(x):
    ...     assert 0.5 <= x <= 10.0
    >>> test_they_lie_between_the_bounds()

    Raises `ValueError` unless min_value ≤ max_value and both are finite, `TypeError` for what is no number.
    """
    decimals = _decimals(min_value, max_value)
    return _TWO_BYTES.map(lambda some: decimals[_scaled(some, len(decimals))])


_TWO_BYTES = st.binary(min_size=2, max_size=2)  # of large integers Hypothesis would draw mostly small ones


def _scaled(some: bytes, n: int) -> int:
    """Two bytes as an index into a sequence of n."""
    return int.from_bytes(some, "big") * n >> 16


@lru_cache
def _decimals(min_value: float, max_value: float) -> list[float]:
    """The numbers to choose from, simplest first; the simple ones several times, to be drawn more often."""
    low, high = to_float(min_value, "min_value"), to_float(max_value, "max_value")
    if not 0.0 <= high - low < math.inf:
        raise ValueError(f"numbers lie between finite bounds, the lower one first, not {min_value} and {max_value}")
    digits = 3 - math.ceil(math.log10(high - low or 1.0))  # so that there are 1000 to 10,000 steps between the bounds
    spread = {round(low + k * (high - low) / 2000, digits) for k in range(2001)}
    small = {sign * d * 10.0**-k for sign in (1, -1) for d in (1, 2, 5) for k in range(1, 4)}
    simple = [x for x in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, 10.0, 0.1) if low <= x <= high]
    rest = {x for x in spread | small | {low, high} if low <= x <= high}.difference(simple)
    return [x for x in simple for _ in range(25)] + sorted(rest, key=lambda x: (len(repr(abs(x))), abs(x), x < 0))


def values(
    min_value: float = -4.0, max_value: float = 4.0, *, labels: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[Value]:
    """Leaves: Values whose numbers are `floats(min_value, max_value)`, without a label or with one of `labels`.

    >>> from hypothesis import given
    >>> @given(values(), values())
    ... def test_a_sum_does_not_depend_on_the_order(a, b):
    ...     assert (a + b).data == (b + a).data
    >>> test_a_sum_does_not_depend_on_the_order()

    Raises as `floats` does.
    """
    return st.builds(Value, floats(min_value, max_value), label=st.just("") if labels is None else labels)


# ---- operations ------------------------------------------------------------------------------------------------------
class _Kind(NamedTuple):
    """An operation of so many inputs; or a family, with the parameters that its members may have."""

    make: Callable[..., Op]
    arity: int
    parameters: st.SearchStrategy[tuple[float, ...]] | None = None


_SOME = (1, 2, 3, 4)  # inputs of an operation that takes any number of them
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_ARITIES = {"dot": (2, 4, 6), "largest": (3, 4), "smallest": (3, 4)}  # of an odd number a dot would forget one
_PARAMETERS: dict[str, st.SearchStrategy[tuple[float, ...]]] = {  # of members of families
    "power": st.sampled_from([(2,), (3,), (-1,), (0.5,), (1,), (0,), (-2,), (-0.5,), (4,), (2.0,)]),
    "exponential": st.tuples(floats(0.1, 4.0)),
    "leaky_relu": st.tuples(floats(0.0, 1.0)),
    "elu": st.tuples(floats(0.1, 2.0)),
    "clamp": st.tuples(floats(), floats()).map(lambda bounds: tuple(sorted(bounds))),
}


def _kinds(ops: Iterable[str | Op] | str | Op | None) -> list[_Kind]:
    if ops is None:
        ops = [*[op for op in OPS.values() if op not in (LEAF, CONSTANT)], *FAMILIES]
    several: Iterable[str | Op] = [ops] if isinstance(ops, (str, Op)) or not isinstance(ops, Iterable) else ops
    kinds = [kind for op in several for kind in _kinds_of(op)]
    if not kinds:
        raise ValueError("expressions need at least one operation")
    return kinds


def _kinds_of(op: str | Op) -> list[_Kind]:
    if isinstance(op, Op):
        arities = [n for n in _arities(op) if n > 0]
        often = max(1, 3 // len(arities)) if arities and arities != [1] else 1  # what joins paths comes more often
        return [_Kind(lambda: op, n) for n in arities for _ in range(often)]
    if not isinstance(op, str):
        raise TypeError(f"an operation is given by its name or as an Op, not as {type(op).__name__} {op!r}")
    if op in FAMILIES:
        member = FAMILIES[op]
        size = next((n for n in _SOME if _takes(member, n)), 0)
        parameters = _PARAMETERS[op] if op in _PARAMETERS else st.tuples(*[floats()] * size)
        return [_Kind(member, n, parameters) for n in _arities(member(*[1.0] * size))]
    known = sorted({*OPS, *FAMILIES} - {LEAF.name, CONSTANT.name})
    if op not in known:
        raise ValueError(f"no operation is called {op!r}: define it before, or choose from {', '.join(known)}")
    return _kinds_of(OPS[op])


def _arities(op: Op) -> Sequence[int]:
    """How many inputs an operation takes: as its rules say, or else all that it can be run on."""
    if op.name in _ARITIES:
        return _ARITIES[op.name]
    if op.partials:
        return (len(op.partials),)
    for rule, others in ((op.value, 1), (op.every or op.derivatives, 2)):  # m; m and y
        arguments = signature(rule).parameters.values()
        if all(a.kind is not Parameter.VAR_POSITIONAL for a in arguments):
            return (sum(a.kind in _BY_PLACE and a.default is Parameter.empty for a in arguments) - others,)
    return [n for n in _SOME if _takes(lambda *xs: op.derivatives(FLOATS, op.value(FLOATS, *xs), *xs), n)] or _SOME


def _takes(function: Callable[..., object], n: int) -> bool:
    try:
        function(*[0.5] * n)
    except FAILURES:
        return True  # so many numbers, if not these
    except (TypeError, LookupError):
        return False
    return True


# ---- expressions -----------------------------------------------------------------------------------------------------
class _Deciding(Floats):
    """Floats on which a rule leaves its decisions behind: where these change nearby, it jumps there, or its slope."""

    def __init__(self) -> None:
        self.decisions: list[float] = []

    def sign(self, x: float) -> float:  # type: ignore[override]
        self.decisions.append(Floats.sign(x))
        return self.decisions[-1]

    def step(self, x: float) -> float:  # type: ignore[override]
        self.decisions.append(Floats.step(x))
        return self.decisions[-1]

    def where(self, c: float, a: float, b: float) -> float:  # type: ignore[override]
        self.decisions.append(Floats.sign(c))
        return Floats.where(c, a, b)


class _Node(NamedTuple):
    """A number of an expression that is being made; `sensitivity` bounds its gradients in all inputs together."""

    number: float
    sensitivity: float
    op: Op
    inputs: tuple[int, ...] = ()
    label: str = ""


class _Choices(NamedTuple):
    """What expressions are drawn from; see `expressions`."""

    kinds: st.SearchStrategy[_Kind]
    inputs: int
    max_nodes: int
    numbers: Sequence[float]
    labels: st.SearchStrategy[str] | None
    kinks: bool

    def __repr__(self) -> str:  # in what Hypothesis says where a rule fails
        return "…"


def expressions(
    ops: Iterable[str | Op] | str | Op | None = None,
    inputs: int = 3,
    max_nodes: int = 12,
    *,
    min_value: float = -4.0,
    max_value: float = 4.0,
    labels: st.SearchStrategy[str] | None = None,
    kinks: bool = False,
    draw: Path | None = None,
) -> st.SearchStrategy[Expression]:
    """Random graphs with shared nodes, constants and n-ary operations, each an `Expression` with a point in its domain.

    - `ops`: the operations, by name or as `Op`s; a family ("power", "clamp", …) stands for members with any parameters.
      By default the whole table, with those of your own that were defined before.
    - `inputs`: how many inputs there are at most. `max_nodes`: how many nodes, inputs and constants included.
    - `min_value`, `max_value`: the bounds of the numbers of the point and of constants, which are as in `floats`.
    - `labels`: labels for inputs and steps; by default inputs are called a, b, … and steps have none.
    - `kinks`: whether points where a slope jumps, and ends of domains, are allowed. Unless they are, every operation is
      defined, and smooth, within 0.001 of its inputs.
    - `draw`: a file, as .png or .svg, in which the picture of the expression that fails is saved.

    At the point every number, every slope of an operation, and the gradient are finite, and at most 1000 in size. An
    expression is tested whole: each of its inputs and steps is part of what its last step computes.

    >>> from hypothesis import given
    >>> @given(expressions(ops=["sin", "mul"]))
    ... def test_gradients_are_bounded(f):
    ...     leaves = f.leaves()
    ...     f(*leaves).backward()
    ...     assert sum(abs(leaf.grad) for leaf in leaves) <= 1000
    >>> test_gradients_are_bounded()

    Raises `ValueError` for an operation that nothing is called, for none, for fewer than one input or two nodes,
    `TypeError` for what is neither a name nor an `Op`. Where all numbers between the bounds are outside the domain of
    all operations Hypothesis finds no example, and says so: give other bounds.
    """
    if inputs < 1 or max_nodes < 2:
        raise ValueError(f"expressions need inputs >= 1 and max_nodes >= 2, not {inputs} and {max_nodes}")
    made = _expressions(
        _Choices(st.sampled_from(_kinds(ops)), inputs, max_nodes, _decimals(min_value, max_value), labels, kinks)
    )
    return made if draw is None else made.map(lambda f: _drawn_if_it_fails(f, draw))


def _drawn_if_it_fails(f: Expression, path: Path) -> Expression:
    if current_build_context().is_final:  # Hypothesis runs what it reports once more
        f.draw(path)
    return f


@st.composite
def _expressions(draw: Draw, choices: _Choices) -> Expression:
    nodes = list[_Node]()
    missing = draw(st.integers(1, choices.max_nodes - 1))
    for _ in range(missing + TRIES):
        if not missing or len(nodes) == choices.max_nodes:
            break
        new = draw(_step(choices, nodes))
        nodes += new
        missing -= bool(new)
    if not nodes:
        reject()
    steps = [i for i, node in enumerate(nodes) if node.inputs]
    return _pruned(nodes, next((i for i in reversed(steps) if nodes[i].sensitivity), steps[-1]))


@st.composite
def _step(draw: Draw, choices: _Choices, nodes: Sequence[_Node]) -> list[_Node]:
    """One step more, after the leaves and constants that it brings along; nothing where it would leave its domain."""
    make, arity, parameters = draw(choices.kinds)
    op = make() if parameters is None else make(*draw(parameters))
    nodes, inputs, before = [*nodes], list[int](), len(nodes)
    for missing in range(arity, 0, -1):
        offers = _offers(choices, nodes, inputs, missing)
        if not offers:
            return []
        # Where the input is, and its number should it be new, are one choice: so what leads to an input can shrink to a
        # leaf in its place, with the rest as it was.
        some = draw(_FOUR_BYTES)
        place = offers[_scaled(some[:2], len(offers))]
        if place in (_LEAF, _CONSTANT):
            number = choices.numbers[_scaled(some[2:], len(choices.numbers))]
            nodes.append(_Node(number, float(place == _LEAF), LEAF if place == _LEAF else CONSTANT))
            place = len(nodes) - 1
        inputs.append(place)
    for tried in _with_other_numbers(nodes, before, choices.numbers):
        result = _inside(op, [tried[i] for i in inputs], choices.kinks)
        if result:
            new = [*tried[before:], _Node(*result, op, tuple(inputs))]
            return new if choices.labels is None else [node._replace(label=draw(choices.labels)) for node in new]
    return []


def _with_other_numbers(nodes: list[_Node], before: int, numbers: Sequence[float]) -> Iterator[list[_Node]]:
    """The nodes; and with one of the simplest numbers at one of the new ones, where those are outside a domain."""
    yield nodes
    for x in islice(dict.fromkeys(numbers), SIMPLEST):
        for i in range(len(nodes) - 1, before - 1, -1):
            yield [*nodes[:i], nodes[i]._replace(number=x), *nodes[i + 1 :]]


_FOUR_BYTES = st.binary(min_size=4, max_size=4)
_LEAF, _CONSTANT = -1, -2  # in place of a place: a new one


def _offers(choices: _Choices, nodes: Sequence[_Node], inputs: Sequence[int], missing: int) -> list[int]:
    """The places where the next input of a step may be, simplest first; what nothing depends on yet comes often.

    First comes what the step depends on already, then leaves, then steps, then constants.
    """
    used = {*inputs, *[i for node in nodes for i in node.inputs]}
    often = 1 + len(used)
    leaves = [i for i, node in enumerate(nodes) if node.op is LEAF and i not in inputs]
    steps = [i for i, node in enumerate(nodes) if node.inputs and i not in inputs]
    offers = [i for i in inputs if nodes[i].op is not CONSTANT]
    room = len(nodes) + 1 < choices.max_nodes
    if room and sum(node.op is LEAF for node in nodes) < choices.inputs:
        offers += [_LEAF] * often
    for i in [*leaves, *steps]:
        offers += [i] * (1 if i in used or not nodes[i].sensitivity else 2 * often)
    if room and (missing > 1 or any(nodes[i].op is not CONSTANT for i in inputs)):  # one input is no constant
        offers += [_CONSTANT] * (often // 2 + 1)
    return offers


def _inside(op: Op, inputs: Sequence[_Node], kinks: bool) -> tuple[float, float] | None:
    """The number and the sensitivity of a step; None where it is outside its domain, or at its end, or too large."""
    xs = [x.number for x in inputs]
    try:
        y, slopes, decisions = _decided(op, xs)
        if not kinks:
            around = [[x + h * (i == k) for k, x in enumerate(xs)] for i in range(len(xs)) for h in (MARGIN, -MARGIN)]
            if any(_decided(op, beside)[2] != decisions for beside in around):
                return None
            for h in (MARGIN, -MARGIN):
                op.value(FLOATS, *[x + h for x in xs])
    except FAILURES:
        return None
    sensitivity = sum([abs(slope) * x.sensitivity for slope, x in zip(slopes, inputs, strict=True)])
    return (y, sensitivity) if all(abs(x) <= LARGEST for x in (y, sensitivity, *slopes)) else None


def _decided(op: Op, xs: Sequence[float]) -> tuple[float, Sequence[float], list[float]]:
    """The value, the slopes, and what the rules have decided on the way."""
    m = _Deciding()
    y = op.value(m, *xs)
    return y, op.derivatives(m, y, *xs), m.decisions


def _pruned(nodes: Sequence[_Node], root: int) -> Expression:
    """The expression of a node: what it depends on, with the first letters for leaves that have no label."""
    wanted = {root}
    for i in range(root, -1, -1):
        if i in wanted:
            wanted.update(nodes[i].inputs)
    kept, names, entries = sorted(wanted), letters(), list[Node]()
    place = {old: new for new, old in enumerate(kept)}
    for number, _, op, inputs, label in [nodes[i] for i in kept]:
        name = next(names) if op is LEAF else ""
        entries.append(Node(op, tuple([place[i] for i in inputs]), label or name, number))
    return Expression.of(entries)


# ---- modules and data ------------------------------------------------------------------------------------------------
Dataset: TypeAlias = tuple[list[list[float]], list[Any]]


def modules(
    n_inputs: int | None = None,
    n_outputs: int | None = 1,
    *,
    max_layers: int = 3,
    max_width: int = 3,
    activations: Sequence[str] = tuple(nn.ACTIVATIONS),
) -> st.SearchStrategy[nn.Module]:
    """Models with any parameters: `nn.Linear`, `nn.MLP`, and `nn.Sequential` of layers.

    - `n_inputs`, `n_outputs`: numbers that a model takes and returns; None is any from 1 to 3. One output is a Value,
      several are a list.
    - `max_layers`, `max_width`: how deep and wide the hidden layers may make it.
    - `activations`: names from `nn.ACTIVATIONS`; for a smooth model leave relu and leaky_relu out.

    With a failing example Hypothesis prints the Python that makes its model.

    >>> from hypothesis import given
    >>> @given(modules(n_inputs=2))
    ... def test_one_gradient_for_each_parameter(model):
    ...     model([1.0, -1.0]).backward()
    ...     assert len(model.parameters()) >= 3
    >>> test_one_gradient_for_each_parameter()

    Raises `ValueError` for sizes below 1, for an unknown activation, and for none.
    """
    _positive(n_inputs=n_inputs, n_outputs=n_outputs, max_layers=max_layers, max_width=max_width)
    unknown = [name for name in activations if name not in nn.ACTIVATIONS]
    if unknown or not activations:
        raise ValueError(f"activations are some of {', '.join(nn.ACTIVATIONS)}, not {unknown or 'none'}")
    return _modules(n_inputs, n_outputs, max_layers, max_width, tuple(activations))


@st.composite
def _modules(
    draw: Draw,
    n_inputs: int | None,
    n_outputs: int | None,
    max_layers: int,
    max_width: int,
    activations: tuple[str, ...],
) -> nn.Module:
    first, last = (draw(st.integers(1, 3)) if n is None else n for n in (n_inputs, n_outputs))
    widths = draw(st.lists(st.integers(1, max_width), max_size=max_layers - 1))
    activation = draw(st.sampled_from(activations)) if widths else "linear"
    model: nn.Module
    if not widths:
        model, text = nn.Linear(first, last, init="zeros"), f"nn.Linear({first}, {last})"
    elif draw(st.booleans()):
        layers = [nn.Layer(n, m, activation=activation, init="zeros") for n, m in pairwise([first, *widths])]
        model = nn.Sequential(*layers, nn.Linear(widths[-1], last, init="zeros"))
        texts = [f"nn.Layer({n}, {m}, activation={activation!r})" for n, m in pairwise([first, *widths])]
        text = f"nn.Sequential({', '.join(texts)}, nn.Linear({widths[-1]}, {last}))"
    else:
        model = nn.MLP(first, [*widths, last], activation=activation, init="zeros")
        text = f"nn.MLP({first}, {[*widths, last]}, activation={activation!r})"
    for p in model.parameters():
        p.data = draw(floats())
    note(f"model = {text}\nmodel.load_state_dict({model.state_dict()})")
    return model


def datasets(
    n_inputs: int | None = None, n_outputs: int | None = 1, *, classes: int | None = None, max_samples: int = 5
) -> st.SearchStrategy[Dataset]:
    """Data to train on, (X, targets): from 1 to `max_samples` samples of n_inputs numbers each, and their targets.

    - `n_inputs`, `n_outputs`: numbers in a sample and in its target; None is any from 1 to 3. A target of one number is
      that number, of several a list, as `losses.mse` takes them.
    - `classes`: with k of them, targets are labels, the ints 0 … k − 1, as `losses.cross_entropy` takes them.

    >>> from hypothesis import given
    >>> from tinygrad_edu import losses
    >>> @given(modules(n_inputs=2, n_outputs=3), datasets(n_inputs=2, classes=3))
    ... def test_cross_entropy_is_not_negative(model, data):
    ...     X, labels = data
    ...     assert losses.cross_entropy([model(x) for x in X], labels) >= 0.0
    >>> test_cross_entropy_is_not_negative()

    Raises `ValueError` for sizes below 1, and for fewer than 2 classes.
    """
    _positive(n_inputs=n_inputs, n_outputs=n_outputs, max_samples=max_samples)
    if classes is not None and classes < 2:
        raise ValueError(f"a classification needs 2 classes or more, not {classes}")
    return _datasets(n_inputs, n_outputs, classes, max_samples)


@st.composite
def _datasets(
    draw: Draw, n_inputs: int | None, n_outputs: int | None, classes: int | None, max_samples: int
) -> Dataset:
    size, outputs = (draw(st.integers(1, 3)) if n is None else n for n in (n_inputs, n_outputs))
    sample = st.lists(floats(), min_size=size, max_size=size)
    several = st.lists(floats(), min_size=outputs, max_size=outputs)
    target = st.integers(0, classes - 1) if classes else floats() if outputs == 1 else several
    pairs = draw(st.lists(st.tuples(sample, target), min_size=1, max_size=max_samples))
    return [x for x, _ in pairs], [y for _, y in pairs]


def problems(
    n_inputs: int | None = None, n_outputs: int | None = 1, *, classes: int | None = None, max_samples: int = 5
) -> st.SearchStrategy[tuple[nn.Module, list[list[float]], list[Any]]]:
    """A model with data of its sizes, (model, X, targets): `modules` and `datasets` drawn together.

    With `classes` the model has an output, a logit, for each of them. Arguments and errors are those of `datasets`.

    >>> from hypothesis import given
    >>> from tinygrad_edu import losses
    >>> @given(problems())
    ... def test_mse_is_not_negative(problem):
    ...     model, X, targets = problem
    ...     assert losses.mse([model(x) for x in X], targets) >= 0.0
    >>> test_mse_is_not_negative()
    """
    datasets(n_inputs, n_outputs, classes=classes, max_samples=max_samples)  # raises what is to be raised

    def drawn_together(sizes: tuple[int, int]) -> st.SearchStrategy[tuple[nn.Module, list[list[float]], list[Any]]]:
        pairs = st.tuples(
            modules(sizes[0], classes or sizes[1]), datasets(*sizes, classes=classes, max_samples=max_samples)
        )
        return pairs.map(lambda pair: (pair[0], *pair[1]))

    return st.tuples(*[st.integers(1, 3) if n is None else st.just(n) for n in (n_inputs, n_outputs)]).flatmap(
        drawn_together
    )


def _positive(**sizes: int | None) -> None:
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name} is 1 or more, not {size}")
