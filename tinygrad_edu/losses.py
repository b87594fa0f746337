"""Losses: how far predictions are from their targets, as one number to minimise.

Every loss is called `loss(predictions, targets, *, reduction)`. Predictions are Values or plain numbers: one of them, a
sequence of n samples, or a sequence of n samples of m outputs each; targets have the same shape (`cross_entropy` alone
differs). `reduction` says what becomes of the losses of the single outputs: "sum" and "mean", over all samples and
outputs, make one Value of them; "none" returns them as they are, in the shape of the targets. Plain numbers only give a
plain float. Each loss raises `ValueError` for shapes that do not match, for sequences that are ragged or empty, and for
an unknown reduction, and `TypeError` for what is no number.

Half the squared error, whose gradient is the error itself, is a loss of its own: so whoever trains with `sse`, `mse`,
`half_sse` or `half_mse` has the squares summed, averaged or halved. What to do with a loss is left to `train.py`.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from math import exp
from typing import Any, Literal, Protocol

from .engine import Value
from .errors import to_float
from .functional import abs, clamp, dot, log, logsumexp, relu, softplus, total

Reduction = Literal["mean", "sum", "none"]
Shape = tuple[int, ...]  # () for one number, (n,) for a sequence, (n, m) for a sequence of sequences
Scalar = Any  # a Value, or a float: whatever the user's predictions are


class Loss(Protocol):
    """What `by_name` returns and `train.fit` takes: any function that can be called so."""

    def __call__(self, predictions: Any, targets: Any, *, reduction: Reduction = ...) -> Any: ...


def sse(predictions: Any, targets: Any, *, reduction: Reduction = "sum") -> Any:
    """The sum of squared errors, Σ (ŷ − y)²; the sum is one `dot` node, errors · errors.

    >>> sse([Value(80.0), Value(90.0), Value(70.0)], [75, 85, 75])
    Value(data=75.0, grad=0.0)
    """
    return _reduced(*_errors(predictions, targets), reduction, sum_of=_sum_of_squares)


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
    return _reduced(*_errors(predictions, targets), reduction, sum_of=_sum_of_squares, divisor=2)


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
    errors, shape = _errors(predictions, targets)
    return _reduced([abs(e) for e in errors], shape, reduction)


def huber(predictions: Any, targets: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Squared for small errors, absolute for large ones: ½e² where |e| ≤ delta, else delta·(|e| − ½·delta); e = ŷ − y.

    So an outlier pulls with a slope of delta at most. Raises `ValueError` unless delta > 0.
    Source: Huber, Robust Estimation of a Location Parameter, 1964; the scale is that of PyTorch's `huber_loss`.

    >>> huber([0.5, 3.0], [0, 0], reduction="none")
    [0.125, 2.5]
    """
    if not to_float(delta, "delta") > 0:
        raise ValueError(f"huber needs delta > 0, not {delta}")
    errors, shape = _errors(predictions, targets)
    clipped = [clamp(e, -delta, delta) for e in errors]
    # c·(e − ½c) is both cases in one: ½e² where c = e, delta·(|e| − ½·delta) where c = ±delta
    return _reduced([c * (e - 0.5 * c) for e, c in zip(errors, clipped)], shape, reduction)


def hinge(predictions: Any, targets: Any, *, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """The max-margin loss, max(0, margin − y·ŷ), for any scores ŷ and targets y of −1 or +1.

    It is 0, and so is its slope, where the score is on the target's side by the margin or more. Raises `ValueError` for
    another target and unless margin > 0. Source: Cortes and Vapnik, Support-Vector Networks, 1995.

    >>> hinge([2.0, 0.5, 0.5], [1, 1, -1], reduction="none")
    [0.0, 0.5, 1.5]
    """
    if not to_float(margin, "margin") > 0:
        raise ValueError(f"hinge needs margin > 0, not {margin}")
    scores, signs, shape = _matched(predictions, targets)
    _require("hinge needs targets of -1 or +1", lambda y: y in (-1, 1), signs, shape)
    # y·ŷ is ŷ or −ŷ: no product needed
    return _reduced([relu(margin - s if y > 0 else margin + s) for s, y in zip(scores, signs)], shape, reduction)


def bce(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Binary cross-entropy, −(y·log p + (1 − y)·log(1 − p)), for probabilities p and targets y, both in [0, 1].

    As in PyTorch no logarithm is taken as less than −100: a wrong prediction made with certainty costs 100, not ∞. Flat
    there, it has slope 0 (PyTorch's is 10¹²). `bce_with_logits` has no such corner: prefer it to a sigmoid and this.
    Raises `ValueError` for a prediction or a target outside [0, 1].

    >>> bce([0.5, 0.0], [1, 1], reduction="none")
    [0.6931471805599453, 100.0]
    """
    probabilities, labels, shape = _matched(predictions, targets)
    way_out = "bce needs predictions between 0 and 1 (bce_with_logits takes any number)"
    _require(way_out, lambda p: 0 <= p <= 1, probabilities, shape)
    _require("bce needs targets between 0 and 1", lambda y: 0 <= y <= 1, labels, shape)
    terms = [_expected(_surprise, y, p, 1.0 - p) for p, y in zip(probabilities, labels)]
    return _reduced(terms, shape, reduction)


def bce_with_logits(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """`bce` of p = σ(ŷ), for any numbers ŷ (logits): y·softplus(−ŷ) + (1 − y)·softplus(ŷ), which never overflows.

    Its slope in ŷ is σ(ŷ) − y. Raises `ValueError` for a target outside [0, 1].

    >>> bce_with_logits([0.0, -1000.0], [1, 1], reduction="none")
    [0.6931471805599453, 1000.0]
    """
    logits, labels, shape = _matched(predictions, targets)
    _require("bce_with_logits needs targets between 0 and 1", lambda y: 0 <= y <= 1, labels, shape)
    return _reduced([_expected(softplus, y, -x, x) for x, y in zip(logits, labels)], shape, reduction)


def cross_entropy(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """−log softmax(logits)[label], computed as log Σ exp(logits) − logits[label], which never overflows.

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
    _require(
        f"cross_entropy needs a label from the ints 0 to {k - 1} for {k} logits",
        lambda label: hasattr(label, "__index__") and 0 <= label < k,
        labels,
        shape,
    )
    samples = [flat[i : i + k] for i in range(0, len(flat), k)]
    terms = [logsumexp(logits) - logits[label] for logits, label in zip(samples, labels)]
    return _reduced(terms, shape, reduction)


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
def _surprise(p: Scalar) -> Scalar:
    """−log p, at most 100."""
    return -log(clamp(p, exp(-100.0), 1.0))


def _expected(cost: Callable[[Scalar], Scalar], y: Scalar, if_one: Scalar, if_zero: Scalar) -> Scalar:
    """y·cost(if_one) + (1 − y)·cost(if_zero), of which a plain target of 1 or 0 needs but one."""
    if not isinstance(y, Value) and y in (0, 1):
        return cost(if_one if y else if_zero)
    return y * cost(if_one) + (1.0 - y) * cost(if_zero)


def _sum(terms: Sequence[Scalar]) -> Scalar:
    return terms[0] if len(terms) == 1 else total(terms)


def _sum_of_squares(errors: Sequence[Scalar]) -> Scalar:
    return errors[0] ** 2 if len(errors) == 1 else dot(errors, errors)


def _reduced(
    items: Sequence[Scalar],
    shape: Shape,
    reduction: Reduction,
    sum_of: Callable[[Sequence[Scalar]], Scalar] = _sum,
    divisor: int = 1,
) -> Any:
    """`sum_of` all items, divided by their number for a mean; or of each by itself, put back into shape."""
    if reduction == "none":
        parts = [_divided(sum_of([item]), divisor) for item in items]
        for size in reversed(shape):
            parts = [parts[i : i + size] for i in range(0, len(parts), size)]
        return parts[0]
    if reduction not in ("mean", "sum"):
        raise ValueError(f"the reduction {reduction!r} is unknown: choose from 'mean', 'sum', 'none'")
    return _divided(sum_of(items), divisor * len(items) if reduction == "mean" else divisor)


def _divided(x: Scalar, divisor: int) -> Scalar:
    return x if divisor == 1 else x / divisor  # no node for a division by 1


def _errors(predictions: Any, targets: Any) -> tuple[list[Scalar], Shape]:
    predicted, wanted, shape = _matched(predictions, targets)
    return [p - t for p, t in zip(predicted, wanted)], shape


def _matched(predictions: Any, targets: Any) -> tuple[list[Scalar], list[Scalar], Shape]:
    """All predictions and all targets one after another, and the shape that both have."""
    predicted, shape = _flat(predictions, "predictions", _number)
    wanted, target_shape = _flat(targets, "targets", _number)
    if shape != target_shape:
        raise ValueError(
            f"predictions of shape {shape} do not match targets of shape {target_shape}: "
            "give one target for each prediction"
        )
    return predicted, wanted, shape


def _flat(x: Any, what: str, read: Callable[[Any], Any]) -> tuple[list[Any], Shape]:
    if isinstance(x, (Mapping, Set)):
        raise TypeError(f"{what} must be numbers or lists of them, in order, not {type(x).__name__}")
    if isinstance(x, (Value, str)) or not hasattr(x, "__len__") or getattr(x, "shape", None) == ():
        return [read(x)], ()
    parts = [_flat(part, what, read) for part in x]
    shapes = {shape for _, shape in parts}
    if not parts:
        raise ValueError(f"{what} are empty: a loss needs at least one number")
    if len(shapes) > 1:
        raise ValueError(f"{what} are ragged: samples have shapes {' and '.join(map(str, sorted(shapes)))}")
    return [number for numbers, _ in parts for number in numbers], (len(parts), *shapes.pop())


def _number(x: Any) -> Scalar:
    return x if isinstance(x, Value) else to_float(x)


def _require(need: str, valid: Callable[[Any], bool], numbers: Sequence[Any], shape: Shape) -> None:
    for i, x in enumerate(numbers):
        if not valid(x):
            sample = i * shape[0] // len(numbers) if shape else 0
            raise ValueError(f"{need}, not {x.data if isinstance(x, Value) else x!r} (sample {sample})")
