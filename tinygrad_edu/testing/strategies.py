"""Hypothesis strategies: numbers, Values, expressions over the rule table, modules, and data for them.

    from hypothesis import given
    from tinygrad_edu.testing import strategies

    @given(strategies.expressions(ops=["cube"]))
    def test_my_operation(f): ...

An expression is drawn step by step. A step outside the domain of its operation is left out, so an operation needs
nothing but its entry in the table. A failing expression shrinks to few steps and simple numbers, as simpler choices
come first everywhere. What an expression is, is left to `expression.py`; what to check, to your test.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice, pairwise
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
from tinygrad_edu.compiler.tape import Entry
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import FAILURES
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import FAMILIES, FLOATS, OPS, Floats, Op

from .expression import Expression, variable_names

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

MARGIN = 1e-3  # the distance to kinks and to the borders of domains
LARGEST = 1e3  # a bound for all numbers and slopes of an expression
SIMPLEST = 8  # so many simple numbers are tried in place of one outside a domain
TRIES = 50  # after so many steps outside their domain the drawing ends


# ---- numbers ---------------------------------------------------------------------------------------------------------
def floats(min_value: float = -4.0, max_value: float = 4.0) -> st.SearchStrategy[float]:
    """Makes floats between two bounds: decimals of few digits, and often 0, ±1, ±2, ½ and the like.

    They shrink to 0.0, or else to a number of few digits.

    Args:
        min_value: The lower bound, included.
        max_value: The upper bound, included.

    Returns:
        A strategy for floats.

    Raises:
        ValueError: min_value > max_value, or a bound is not finite.
        TypeError: A bound is not a number.

    Example:
        >>> from hypothesis import given
        >>> @given(floats(0.5, 10.0))
        ... def test_they_lie_between_the_bounds(x):
        ...     assert 0.5 <= x <= 10.0
        >>> test_they_lie_between_the_bounds()
    """
    decimals = _decimals(min_value, max_value)
    return _TWO_BYTES.map(lambda two: decimals[_to_index(two, len(decimals))])


_TWO_BYTES = st.binary(min_size=2, max_size=2)  # not integers: Hypothesis would draw mostly small ones


def _to_index(two_bytes: bytes, n: int) -> int:
    """An index into a sequence of n items."""
    return int.from_bytes(two_bytes, "big") * n >> 16


@lru_cache
def _decimals(min_value: float, max_value: float) -> list[float]:
    """The numbers to choose from, simplest first. The simple ones come several times, so they are drawn more often."""
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
    """Makes leaves: Values with the numbers of `floats`.

    Args:
        min_value: The lower bound of the numbers, included.
        max_value: The upper bound, included.
        labels: A strategy for the labels; without one, a leaf has no label.

    Returns:
        A strategy for Values.

    Raises:
        ValueError: As `floats`.
        TypeError: As `floats`.

    Example:
        >>> from hypothesis import given
        >>> @given(values(), values())
        ... def test_a_sum_does_not_depend_on_the_order(a, b):
        ...     assert (a + b).data == (b + a).data
        >>> test_a_sum_does_not_depend_on_the_order()
    """
    return st.builds(Value, floats(min_value, max_value), label=st.just("") if labels is None else labels)


# ---- operations ------------------------------------------------------------------------------------------------------
class _Kind(NamedTuple):
    """An operation with a number of inputs; or a family, with the parameters of its members."""

    make: Callable[..., Op]
    arity: int
    parameters: st.SearchStrategy[tuple[float, ...]] | None = None


_SOME, _SOME_PAIRS = (1, 2, 3, 4), (2, 4, 6)  # inputs of an operation that takes any number of them, or of pairs


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
        family = FAMILIES[op]
        between = st.tuples(*[floats(*bounds) for bounds in family.ranges]).map(lambda numbers: tuple(sorted(numbers)))
        return [_Kind(family.member, family.arity, st.sampled_from(family.examples) if family.examples else between)]
    known = sorted({*OPS, *FAMILIES} - {LEAF.name, CONSTANT.name})
    if op not in known:
        raise ValueError(f"no operation is called {op!r}: define it before, or choose from {', '.join(known)}")
    return _kinds_of(OPS[op])


def _arities(op: Op) -> Sequence[int]:
    """The numbers of inputs of examples of an operation: its own, or else some that it can be run on."""
    if op.arity is not None:
        return (op.arity,)
    of_few = OPS.get(op.function, op)  # what the same function makes of fewer inputs, as maximum does of two
    some = _SOME_PAIRS if op.lists == 2 else [n for n in _SOME if op is of_few or n > (of_few.arity or 0)]
    return [n for n in some if _takes(lambda *xs: op.derivatives(FLOATS, op.value(FLOATS, *xs), *xs), n)] or some


def _takes(function: Callable[..., object], n: int) -> bool:
    try:
        function(*[0.5] * n)
    except FAILURES:
        return True  # so many numbers, if not these
    except (TypeError, LookupError):
        return False
    return True


# ---- expressions -----------------------------------------------------------------------------------------------------
class _DecisionRecorder(Floats):
    """Floats that record the decisions of a rule. Where decisions change nearby, the value or the slope jumps."""

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


class _DrawnNode(NamedTuple):
    """A node of an expression that is being drawn. `sensitivity` bounds the sum of its gradients in all inputs."""

    number: float
    sensitivity: float
    op: Op
    inputs: tuple[int, ...] = ()
    label: str = ""


class _Options(NamedTuple):
    """What expressions are made of; see `expressions`."""

    kinds: st.SearchStrategy[_Kind]
    inputs: int
    max_nodes: int
    numbers: Sequence[float]
    labels: st.SearchStrategy[str] | None
    kinks: bool

    def __repr__(self) -> str:  # in the report of Hypothesis
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
    draw: str | os.PathLike[str] | None = None,
) -> st.SearchStrategy[Expression]:
    """Makes random graphs with shared nodes, constants and n-ary operations, each with a point in its domain.

    At the point, all numbers, all slopes of operations and the gradient are finite, and at most 1000 in size. Each
    input and each step of an expression is a part of what its last step computes.

    Args:
        ops: The operations, by name or as `Op`. The name of a family, as "power", stands for members with any
            parameters. By default the whole table, with your own operations that were defined before.
        inputs: The largest number of inputs.
        max_nodes: The largest number of nodes, with inputs and constants.
        min_value: The lower bound of the numbers of inputs and constants.
        max_value: Their upper bound.
        labels: A strategy for the labels of inputs and steps. By default inputs are called a, b, …, and steps have no
            label.
        kinks: Whether points at kinks and at the borders of domains are allowed. If not, every operation is defined and
            smooth within 0.001 of its inputs.
        draw: A file, as .png or .svg, for the picture of a failing expression.

    Returns:
        A strategy for `Expression`s. If all numbers between the bounds are outside the domain of all operations,
        Hypothesis finds no example, and says so.

    Raises:
        ValueError: An operation is unknown, or there is none, or fewer than one input or two nodes.
        TypeError: An operation is neither a name nor an `Op`.

    Example:
        >>> from hypothesis import given
        >>> @given(expressions(ops=["sin", "mul"]))
        ... def test_gradients_are_bounded(f):
        ...     leaves = f.leaves()
        ...     f(*leaves).backward()
        ...     assert sum(abs(leaf.grad) for leaf in leaves) <= 1000
        >>> test_gradients_are_bounded()
    """
    if inputs < 1 or max_nodes < 2:
        raise ValueError(f"expressions need inputs >= 1 and max_nodes >= 2, not {inputs} and {max_nodes}")
    strategy = _expression_strategy(
        _Options(st.sampled_from(_kinds(ops)), inputs, max_nodes, _decimals(min_value, max_value), labels, kinks)
    )
    return strategy if draw is None else strategy.map(lambda f: _draw_if_failing(f, draw))


def _draw_if_failing(f: Expression, path: str | os.PathLike[str]) -> Expression:
    if current_build_context().is_final:  # Hypothesis runs the failing example once more
        f.draw(path)
    return f


@st.composite
def _expression_strategy(draw: Draw, choices: _Options) -> Expression:
    nodes = list[_DrawnNode]()
    missing = draw(st.integers(1, choices.max_nodes - 1))
    for _ in range(missing + TRIES):
        if not missing or len(nodes) == choices.max_nodes:
            break
        new = _draw_step(draw, choices, nodes)
        nodes += new
        missing -= bool(new)
    if not nodes:
        reject()
    steps = [i for i, node in enumerate(nodes) if node.inputs]
    return _prune(nodes, next((i for i in reversed(steps) if nodes[i].sensitivity), steps[-1]))


def _draw_step(draw: Draw, choices: _Options, nodes: Sequence[_DrawnNode]) -> list[_DrawnNode]:
    """One more step, after the new leaves and constants among its inputs; nothing if it is outside its domain.

    It is no strategy of its own, as Hypothesis would examine a new one for each step.
    """
    make, arity, parameters = draw(choices.kinds)
    op = make() if parameters is None else make(*draw(parameters))
    nodes, inputs, before = [*nodes], list[int](), len(nodes)
    for missing in range(arity, 0, -1):
        offers = _possible_inputs(choices, nodes, inputs, missing)
        if not offers:
            return []
        # One choice for the place of an input and for its number, if it is new: so an input that is a step can shrink
        # to a leaf, and the rest stays as it was.
        four = draw(_FOUR_BYTES)
        place = offers[_to_index(four[:2], len(offers))]
        if place in (_LEAF, _CONSTANT):
            number = choices.numbers[_to_index(four[2:], len(choices.numbers))]
            nodes.append(_DrawnNode(number, float(place == _LEAF), LEAF if place == _LEAF else CONSTANT))
            place = len(nodes) - 1
        inputs.append(place)
    for tried in _with_other_numbers(nodes, before, choices.numbers):
        result = _evaluate_inside(op, [tried[i] for i in inputs], choices.kinks)
        if result:
            new = [*tried[before:], _DrawnNode(*result, op, tuple(inputs))]
            return new if choices.labels is None else [node._replace(label=draw(choices.labels)) for node in new]
    return []


def _with_other_numbers(nodes: list[_DrawnNode], before: int, numbers: Sequence[float]) -> Iterator[list[_DrawnNode]]:
    """The nodes as they are, then with a simple number in one of the new nodes."""
    yield nodes
    for x, _ in islice(groupby(numbers), SIMPLEST):
        for i in range(len(nodes) - 1, before - 1, -1):
            yield [*nodes[:i], nodes[i]._replace(number=x), *nodes[i + 1 :]]


_FOUR_BYTES = st.binary(min_size=4, max_size=4)
_LEAF, _CONSTANT = -1, -2  # instead of a place: a new leaf, a new constant


def _possible_inputs(choices: _Options, nodes: Sequence[_DrawnNode], inputs: Sequence[int], missing: int) -> list[int]:
    """The places that the next input of a step may come from, simplest first. Some come several times.

    First come the inputs that the step has already, then leaves, then steps, then constants. A place that nothing
    depends on yet comes often.
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
    if room and (
        missing > 1 or any(nodes[i].op is not CONSTANT for i in inputs)
    ):  # at least one input is not a constant
        offers += [_CONSTANT] * (often // 2 + 1)
    return offers


def _evaluate_inside(op: Op, inputs: Sequence[_DrawnNode], kinks: bool) -> tuple[float, float] | None:
    """The number and the sensitivity of a step; None if it is outside its domain, at the border, or too large."""
    xs = [x.number for x in inputs]
    try:
        y, slopes, decisions = _evaluate_with_decisions(op, xs)
        if not kinks:
            around = [[x + h * (i == k) for k, x in enumerate(xs)] for i in range(len(xs)) for h in (MARGIN, -MARGIN)]
            if any(_evaluate_with_decisions(op, beside)[2] != decisions for beside in around):
                return None
            for h in (MARGIN, -MARGIN):
                op.value(FLOATS, *[x + h for x in xs])
    except FAILURES:
        return None
    sensitivity = sum([abs(slope) * x.sensitivity for slope, x in zip(slopes, inputs, strict=True)])
    return (y, sensitivity) if all(abs(x) <= LARGEST for x in (y, sensitivity, *slopes)) else None


def _evaluate_with_decisions(op: Op, xs: Sequence[float]) -> tuple[float, Sequence[float], list[float]]:
    """The value, the slopes, and the decisions of the rules."""
    m = _DecisionRecorder()
    y = op.value(m, *xs)
    return y, op.derivatives(m, y, *xs), m.decisions


def _prune(nodes: Sequence[_DrawnNode], root: int) -> Expression:
    """The expression of a node, with nothing else than what it depends on. Leaves without a label get a letter."""
    wanted = {root}
    for i in range(root, -1, -1):
        if i in wanted:
            wanted.update(nodes[i].inputs)
    kept, names, entries = sorted(wanted), variable_names(), list[Entry]()
    place = {old: new for new, old in enumerate(kept)}
    for number, _, op, inputs, label in [nodes[i] for i in kept]:
        name = next(names) if op is LEAF else ""
        entries.append(Entry(op, tuple([place[i] for i in inputs]), label or name, number))
    return Expression.of(entries)


# ---- modules and data ------------------------------------------------------------------------------------------------
SamplesAndTargets: TypeAlias = tuple[list[list[float]], list[Any]]


def modules(
    n_inputs: int | None = None,
    n_outputs: int | None = 1,
    *,
    max_layers: int = 3,
    max_width: int = 3,
    activations: Sequence[str] = tuple(nn.ACTIVATIONS),
) -> st.SearchStrategy[nn.Module]:
    """Makes models with any parameters: `nn.Linear`, `nn.MLP`, and `nn.Sequential` of layers.

    For a failing example Hypothesis prints the Python that makes its model.

    Args:
        n_inputs: The numbers that a model takes; by default 1 to 3.
        n_outputs: The numbers that a model returns; None is 1 to 3. One output is a Value, several are a list.
        max_layers: The largest number of layers.
        max_width: The largest number of neurons in a hidden layer.
        activations: Names from `nn.ACTIVATIONS`. Leave relu and leaky_relu out for smooth models.

    Returns:
        A strategy for models.

    Raises:
        ValueError: A size is below 1, an activation is unknown, or there is none.

    Example:
        >>> from hypothesis import given
        >>> @given(modules(n_inputs=2))
        ... def test_one_gradient_for_each_parameter(model):
        ...     model([1.0, -1.0]).backward()
        ...     assert len(model.parameters()) >= 3
        >>> test_one_gradient_for_each_parameter()
    """
    _require_positive(n_inputs=n_inputs, n_outputs=n_outputs, max_layers=max_layers, max_width=max_width)
    unknown = [name for name in activations if name not in nn.ACTIVATIONS]
    if unknown or not activations:
        raise ValueError(f"activations are some of {', '.join(nn.ACTIVATIONS)}, not {unknown or 'none'}")
    return _module_strategy(n_inputs, n_outputs, max_layers, max_width, tuple(activations))


@st.composite
def _module_strategy(
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
) -> st.SearchStrategy[SamplesAndTargets]:
    """Makes data to train on: samples X and their targets.

    Args:
        n_inputs: The numbers in a sample; by default 1 to 3.
        n_outputs: The numbers in a target; None is 1 to 3. One number is a float, several are a list, as for
            `losses.mse`.
        classes: With k classes, targets are the ints 0 … k − 1, as for `losses.cross_entropy`.
        max_samples: The largest number of samples; there is at least one.

    Returns:
        A strategy for pairs (X, targets).

    Raises:
        ValueError: A size is below 1, or there are fewer than 2 classes.

    Example:
        >>> from hypothesis import given
        >>> from tinygrad_edu import losses
        >>> @given(modules(n_inputs=2, n_outputs=3), datasets(n_inputs=2, classes=3))
        ... def test_cross_entropy_is_not_negative(model, data):
        ...     X, labels = data
        ...     assert losses.cross_entropy([model(x) for x in X], labels) >= 0.0
        >>> test_cross_entropy_is_not_negative()
    """
    _require_positive(n_inputs=n_inputs, n_outputs=n_outputs, max_samples=max_samples)
    if classes is not None and classes < 2:
        raise ValueError(f"a classification needs 2 classes or more, not {classes}")
    return _dataset_strategy(n_inputs, n_outputs, classes, max_samples)


@st.composite
def _dataset_strategy(
    draw: Draw, n_inputs: int | None, n_outputs: int | None, classes: int | None, max_samples: int
) -> SamplesAndTargets:
    size, outputs = (draw(st.integers(1, 3)) if n is None else n for n in (n_inputs, n_outputs))
    sample = st.lists(floats(), min_size=size, max_size=size)
    several = st.lists(floats(), min_size=outputs, max_size=outputs)
    target = st.integers(0, classes - 1) if classes else floats() if outputs == 1 else several
    pairs = draw(st.lists(st.tuples(sample, target), min_size=1, max_size=max_samples))
    return [x for x, _ in pairs], [y for _, y in pairs]


def problems(
    n_inputs: int | None = None, n_outputs: int | None = 1, *, classes: int | None = None, max_samples: int = 5
) -> st.SearchStrategy[tuple[nn.Module, list[list[float]], list[Any]]]:
    """Makes models together with data of their sizes, as `modules` and `datasets` do.

    Args:
        n_inputs: The numbers in a sample; by default 1 to 3.
        n_outputs: The numbers in a target; None is 1 to 3.
        classes: With k classes, targets are the ints 0 … k − 1, and the model has one output, a logit, for each class.
        max_samples: The largest number of samples; there is at least one.

    Returns:
        A strategy for triples (model, X, targets).

    Raises:
        ValueError: As `datasets`.

    Example:
        >>> from hypothesis import given
        >>> from tinygrad_edu import losses
        >>> @given(problems())
        ... def test_mse_is_not_negative(problem):
        ...     model, X, targets = problem
        ...     assert losses.mse([model(x) for x in X], targets) >= 0.0
        >>> test_mse_is_not_negative()
    """
    datasets(n_inputs, n_outputs, classes=classes, max_samples=max_samples)  # checks the arguments
    return _problem_strategy(n_inputs, n_outputs, classes, max_samples)


@st.composite
def _problem_strategy(
    draw: Draw, n_inputs: int | None, n_outputs: int | None, classes: int | None, max_samples: int
) -> tuple[nn.Module, list[list[float]], list[Any]]:
    sizes = [draw(st.integers(1, 3)) if n is None else n for n in (n_inputs, n_outputs)]
    model = draw(modules(sizes[0], classes or sizes[1]))
    return (model, *draw(datasets(*sizes, classes=classes, max_samples=max_samples)))


def _require_positive(**sizes: int | None) -> None:
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name} is 1 or more, not {size}")
