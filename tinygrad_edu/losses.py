"""Losses: how far predictions are from their targets, as one number to minimise.

Every loss is called `loss(predictions, targets, *, reduction)`. Predictions are Values or plain numbers: one of them, a
sequence of n samples, or a sequence of n samples of m outputs each; targets have the same shape (`cross_entropy` alone
differs). `reduction` says what becomes of the losses of the single outputs: "sum" and "mean", over all samples and
outputs, make one Value of them; "none" returns them as they are, in the shape of the targets. Plain numbers only give a
plain float. Each loss raises `ValueError` for shapes that do not match, for sequences that are ragged, empty or nested
too deep, and for an unknown reduction, `TypeError` for what is no number, and `OverflowError`, which names the sample,
where finite predictions and targets lead to a loss that no float can hold.

Half the squared error, whose gradient is the error itself, is a loss of its own: so whoever trains with `sse`, `mse`,
`half_sse` or `half_mse` has the squares summed, averaged or halved. What to do with a loss is left to `train/fit.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from math import exp, fabs, inf, isfinite
from typing import Any, Literal, NamedTuple, Protocol

from ._validate import to_float
from .engine import Value
from .functional import abs, clamp, dot, log, log1p, logsumexp, overflows, relu, softplus, total

Reduction = Literal["mean", "sum", "none"]
Shape = tuple[int, ...]  # () for one number, (n,) for a sequence, (n, m) for a sequence of sequences
Scalar = Any  # a Value, or a float: whatever the user's predictions are
Cost = Callable[[Scalar], Scalar]
DEEPEST = 32  # lists in lists, as many as NumPy's arrays may have dimensions


class Loss(Protocol):
    """What `by_name` returns and `train.fit` takes: any function that can be called so."""

    def __call__(self, predictions: Any, targets: Any, *, reduction: Reduction = ...) -> Any: ...


def sse(predictions: Any, targets: Any, *, reduction: Reduction = "sum") -> Any:
    """The sum of squared errors, Σ (ŷ − y)²; the sum is one `dot` node, errors · errors.

    >>> sse([Value(80.0), Value(90.0), Value(70.0)], [75, 85, 75])
    Value(data=75.0, grad=0.0)
    """
    return _reduced(*_errors(predictions, targets), reduction, _sum_of_squares)


def mse(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean squared error, Σ (ŷ − y)² / n: `sse` with the mean as its default.

    >>> mse([80.0, 90.0, 70.0], [75, 85, 75])
    25.0
    """
    return sse(predictions, targets, reduction=reduction)


def half_sse(predictions: Any, targets: Any, *, reduction: Reduction = "sum") -> Any:
    """Half the sum of squared errors, Σ ½(ŷ − y)²: its gradient in ŷ is the error ŷ − y, with no factor 2.

    >>> half_sse([80.0, 90.0, 70.0], [75, 85, 75])
    37.5
    """
    return _reduced(*_errors(predictions, targets), reduction, _sum_of_squares, divisor=2)


def half_mse(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Half the mean squared error, Σ ½(ŷ − y)² / n: `half_sse` with the mean as its default.

    >>> half_mse([80.0, 90.0, 70.0], [75, 85, 75])
    12.5
    """
    return half_sse(predictions, targets, reduction=reduction)


def mae(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean absolute error, Σ |ŷ − y| / n; its slope at 0 is 0.

    >>> mae([80.0, 90.0, 76.0], [75, 85, 75], reduction="none")
    [5.0, 5.0, 1.0]
    """
    errors, samples = _errors(predictions, targets)
    return _reduced([abs(e) for e in errors], samples, reduction)


def huber(predictions: Any, targets: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Squared for small errors, absolute for large ones: ½e² where |e| ≤ delta, else delta·(|e| − ½·delta); e = ŷ − y.

    So an outlier pulls with a slope of delta at most. Raises `ValueError` unless delta > 0.
    Source: Huber, Robust Estimation of a Location Parameter, 1964; the scale is that of PyTorch's `huber_loss`.

    >>> huber([0.5, 3.0], [0, 0], reduction="none")
    [0.125, 2.5]
    """
    if not to_float(delta, "delta") > 0:
        raise ValueError(f"huber needs delta > 0, not {delta}")
    errors, samples = _errors(predictions, targets)
    clipped = [clamp(e, -delta, delta) for e in errors]
    # c·(e − ½c) is both cases in one: ½e² where c = e, delta·(|e| − ½·delta) where c = ±delta
    return _reduced([c * (e - 0.5 * c) for e, c in zip(errors, clipped)], samples, reduction)


def hinge(predictions: Any, targets: Any, *, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """The max-margin loss, max(0, margin − y·ŷ), for any scores ŷ and targets y of −1 or +1.

    It is 0, and so is its slope, where the score is on the target's side by the margin or more. Raises `ValueError` for
    another target and unless margin > 0. Source: Cortes and Vapnik, Support-Vector Networks, 1995.

    >>> hinge([2.0, 0.5, 0.5], [1, 1, -1], reduction="none")
    [0.0, 0.5, 1.5]
    """
    if not to_float(margin, "margin") > 0:
        raise ValueError(f"hinge needs margin > 0, not {margin}")
    samples = _matched(predictions, targets)
    _require("hinge needs targets of -1 or +1", lambda y: y in (-1, 1), samples.targets, samples)
    return _reduced([relu(_short_of(margin, s, y)) for s, y in samples.pairs()], samples, reduction)


def bce(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Binary cross-entropy, −(y·log p + (1 − y)·log(1 − p)), for probabilities p and targets y, both in [0, 1].

    As in PyTorch no logarithm is taken as less than −100: a wrong prediction made with certainty costs 100, not ∞. Flat
    there, it has slope 0 (PyTorch's is 10¹²). `bce_with_logits` has no such corner: prefer it to a sigmoid and this.
    Raises `ValueError` for a prediction or a target outside [0, 1].

    >>> bce([0.5, 0.0], [1, 1], reduction="none")
    [0.6931471805599453, 100.0]
    """
    samples = _matched(predictions, targets)
    way_out = "bce needs predictions between 0 and 1 (bce_with_logits takes any number)"
    _require(way_out, lambda p: 0 <= p <= 1, samples.predictions, samples)
    _require("bce needs targets between 0 and 1", lambda y: 0 <= y <= 1, samples.targets, samples)
    terms = [_expected(_surprise, _surprise_of_not, y, p) for p, y in samples.pairs()]
    return _reduced(terms, samples, reduction)


def bce_with_logits(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """`bce` of p = σ(ŷ), for any numbers ŷ (logits): y·softplus(−ŷ) + (1 − y)·softplus(ŷ), which never overflows.

    Its slope in ŷ is σ(ŷ) − y. Raises `ValueError` for a target outside [0, 1].

    >>> bce_with_logits([0.0, -1000.0], [1, 1], reduction="none")
    [0.6931471805599453, 1000.0]
    """
    samples = _matched(predictions, targets)
    _require("bce_with_logits needs targets between 0 and 1", lambda y: 0 <= y <= 1, samples.targets, samples)
    terms = [_expected(lambda x: softplus(-x), softplus, y, x) for x, y in samples.pairs()]
    return _reduced(terms, samples, reduction)


def cross_entropy(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """−log softmax(logits)[label], computed as softplus(log Σ exp(other logits) − logits[label]), without overflow.

    Predictions are n samples of k logits, targets n labels, the ints 0 … k − 1; or one sample's k logits and its label.
    The slope in a logit is its softmax, less 1 for that of the label. Raises `ValueError` for any other label.

    >>> cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [1, 1], reduction="none")
    [0.6931471805599453, 1000.0]
    """
    flat, prediction_shape = _flat(predictions, "predictions", _number)
    labels, shape = _flat(targets, "targets", lambda label: label)
    if prediction_shape[:-1] != shape or not prediction_shape:
        raise ValueError(
            f"predictions of shape {prediction_shape} do not match labels of shape {shape}: "
            "cross_entropy needs k logits and one label for each sample"
        )
    k = prediction_shape[-1]
    samples = _Samples([flat[i : i + k] for i in range(0, len(flat), k)], labels, shape)
    _require(
        f"cross_entropy needs a label from the ints 0 to {k - 1} for {k} logits",
        lambda label: hasattr(label, "__index__") and 0 <= label < k,
        labels,
        samples,
    )
    return _reduced([_surprise_of_label(logits, label) for logits, label in samples.pairs()], samples, reduction)


LOSSES: dict[str, Loss] = {
    "sse": sse,
    "mse": mse,
    "half_sse": half_sse,
    "half_mse": half_mse,
    "mae": mae,
    "huber": huber,
    "hinge": hinge,
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "cross_entropy": cross_entropy,
}


def by_name(name: str) -> Loss:
    """The loss of that name. Raises `ValueError`, with all the names, where there is none.

    >>> by_name("mse")([3.0], [1.0])
    4.0
    """
    if name not in [*LOSSES]:
        raise ValueError(f"no loss is called {name!r}: choose from {', '.join(LOSSES)}")
    return LOSSES[name]


# ---- what the losses are made of -------------------------------------------------------------------------------------
class _Samples(NamedTuple):
    """All predictions and all targets one after another, and the shape that both have."""

    predictions: list[Any]
    targets: list[Any]
    shape: Shape

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.predictions, self.targets)

    def number(self, i: int) -> int:
        """That of the sample which the i-th prediction belongs to."""
        return i * self.shape[0] // len(self.predictions) if self.shape else 0


def _short_of(margin: float, score: Scalar, y: Scalar) -> Scalar:
    """margin − y·ŷ; y·ŷ is ŷ or −ŷ, so that no product is needed, unless there is a gradient in y."""
    if isinstance(y, Value):
        return margin - y * score
    return margin - score if y > 0 else margin + score


def _surprise(p: Scalar) -> Scalar:
    """−log p, at most 100."""
    return -log(clamp(p, exp(-100.0), 1.0))


def _surprise_of_not(p: Scalar) -> Scalar:
    """−log(1 − p), at most 100: with all digits of a small p, and 100 where p is 1."""
    return -log1p(-p) if p < 1 else _surprise(1.0 - p)


def _surprise_of_label(logits: Sequence[Scalar], label: int) -> Scalar:
    """log(1 + Σ exp(other − logit)): as log Σ exp(logits) − logit, where the digits of a small loss would cancel."""
    others = [x for i, x in enumerate(logits) if i != label]
    if not others:
        return logits[label] - logits[label]
    return softplus((logsumexp(others) if len(others) > 1 else others[0]) - logits[label])


def _expected(if_one: Cost, if_zero: Cost, y: Scalar, x: Scalar) -> Scalar:
    """y·if_one(x) + (1 − y)·if_zero(x), of which a plain target of 1 or 0 needs but one."""
    if not isinstance(y, Value) and y in (0, 1):
        return if_one(x) if y else if_zero(x)
    return y * if_one(x) + (1.0 - y) * if_zero(x)


def _sum(items: Sequence[Scalar], divided: Sequence[Scalar]) -> Scalar:
    return divided[0] if len(items) == 1 else total(divided)


def _sum_of_squares(errors: Sequence[Scalar], divided: Sequence[Scalar]) -> Scalar:
    if len(errors) == 1:
        return errors[0] ** 2 if divided is errors else errors[0] * divided[0]
    return dot(errors, divided)


def _reduced(
    items: Sequence[Scalar],
    samples: _Samples,
    reduction: Reduction,
    sum_of: Callable[[Sequence[Scalar], Sequence[Scalar]], Scalar] = _sum,
    divisor: int = 1,
) -> Any:
    """`sum_of` all items, divided by their number for a mean; or of each by itself, put back into shape.

    `sum_of` takes the items twice, the second time divided, where their sum is too large and its quotient may not be.
    """

    def summed(places: Sequence[int], divisor: int) -> Scalar:
        some: Sequence[Scalar] = [items[i] for i in places]
        y: Scalar = inf
        with suppress(OverflowError):  # of a square, which knows of no sample
            y = sum_of(some, some)
            y = y if divisor == 1 else y / divisor  # no node for a division by 1
        if overflows(y):
            y = sum_of(some, [x / divisor for x in some])
        if overflows(y):
            _refuse_overflow(places, items, samples)
        return y

    if reduction == "none":
        parts = [summed([i], divisor) for i in range(len(items))]
        for size in reversed(samples.shape):
            parts = [parts[i : i + size] for i in range(0, len(parts), size)]
        return parts[0]
    if reduction not in ("mean", "sum"):
        raise ValueError(f"the reduction {reduction!r} is unknown: choose from 'mean', 'sum', 'none'")
    return summed(range(len(items)), divisor * len(items) if reduction == "mean" else divisor)


def _errors(predictions: Any, targets: Any) -> tuple[list[Scalar], _Samples]:
    samples = _matched(predictions, targets)
    return [p - t for p, t in samples.pairs()], samples


def _matched(predictions: Any, targets: Any) -> _Samples:
    predicted, shape = _flat(predictions, "predictions", _number)
    wanted, target_shape = _flat(targets, "targets", _number)
    if shape != target_shape:
        raise ValueError(
            f"predictions of shape {shape} do not match targets of shape {target_shape}: "
            "give one target for each prediction"
        )
    return _Samples(predicted, wanted, shape)


def _flat(x: Any, what: str, read: Callable[[Any], Any], around: tuple[Any, ...] = ()) -> tuple[list[Any], Shape]:
    """The numbers one after another, and their shape; `around` are the lists that x is in."""
    if isinstance(x, (Mapping, Set)):
        raise TypeError(f"{what} must be numbers or lists of them, in order, not {type(x).__name__}")
    if isinstance(x, (Value, str)) or not hasattr(x, "__len__") or getattr(x, "shape", None) == ():
        return [read(x)], ()
    if len(around) == DEEPEST or any(x is outer for outer in around):
        raise ValueError(f"{what} are lists in lists more than {DEEPEST} deep, or a list that holds itself")
    around = (*around, x)
    parts = [_flat(part, what, read, around) for part in x]
    shapes = {shape for _, shape in parts}
    if not parts:
        raise ValueError(f"{what} are empty: a loss needs at least one number")
    if len(shapes) > 1:
        raise ValueError(f"{what} are ragged: samples have shapes {' and '.join(map(str, sorted(shapes)))}")
    return [number for numbers, _ in parts for number in numbers], (len(parts), *shapes.pop())


def _number(x: Any) -> Scalar:
    return x if isinstance(x, Value) else to_float(x)


def _plain(x: Any) -> Any:
    """The number of a Value or the numbers of a list of them, as a message shows them."""
    return [*map(_plain, x)] if isinstance(x, list) else x.data if isinstance(x, Value) else x


def _require(need: str, valid: Callable[[Any], bool], numbers: Sequence[Any], samples: _Samples) -> None:
    for i, x in enumerate(numbers):
        if not valid(x):
            raise ValueError(f"{need}, not {_plain(x)!r} (sample {samples.number(i)})")


def _refuse_overflow(places: Sequence[int], items: Sequence[Scalar], samples: _Samples) -> None:
    """Raises `OverflowError`, unless a prediction or a target is infinite itself."""
    pairs = {i: (_plain(samples.predictions[i]), _plain(samples.targets[i])) for i in places}
    numbers = [x for pair in pairs.values() for part in pair for x in (part if isinstance(part, list) else [part])]
    if all(map(isfinite, numbers)):
        worst = max(places, key=lambda i: fabs(_plain(items[i])))
        raise OverflowError(
            f"the loss overflows at the prediction {pairs[worst][0]} and the target {pairs[worst][1]} "
            f"(sample {samples.number(worst)}): scale the targets, or take smaller steps"
        )
