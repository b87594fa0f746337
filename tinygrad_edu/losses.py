"""Losses: how far predictions are from their targets, as one number to minimise.

Every loss is called `loss(predictions, targets, *, reduction)`. Predictions are Values or plain numbers: one number, a
sequence of n samples, or a sequence of n samples of m outputs each. Targets have the same shape; only `cross_entropy`
differs. Each output has a loss; `reduction` says what becomes of these: "sum" and "mean" make one Value of them, over
all samples and outputs; "none" returns them in the shape of the targets. Plain numbers only give a plain float.

Each loss raises `ValueError` for shapes that do not match, for sequences that are ragged, empty or nested too deep, and
for an unknown reduction; `TypeError` for what is no number; and `OverflowError`, which names the sample, where finite
predictions and targets lead to a loss that is too large for a float.

Half the squared error, whose gradient is the error itself, is a loss of its own: the names `sse`, `mse`, `half_sse` and
`half_mse` say whether squares are sum_at, averaged or halved. What to do with a loss is left to `train/fit.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from inspect import signature
from math import exp, fabs, inf, isfinite, nextafter
from typing import Any, Literal, NamedTuple, Protocol

from ._samples import by_position
from ._validate import look_up, to_float, to_float_within
from .engine import Value
from .errors import api_boundary
from .functional import (
    abs,
    clamp,
    dot,
    has_overflowed,
    log,
    log1p,
    logsumexp,
    relu,
    sign,
    softplus,
    step,
    take,
    total,
    where,
)
from .modes import is_traced
from .rules import Number

Reduction = Literal["mean", "sum", "none"]
Shape = tuple[int, ...]  # () for one number, (n,) for a sequence, (n, m) for a sequence of sequences
MAX_DEPTH = 32  # lists in lists, as many as NumPy's arrays may have dimensions


class Loss(Protocol):
    """The type of the losses in this file."""

    def __call__(self, predictions: Any, targets: Any, *, reduction: Reduction = ...) -> Any:
        """The loss of predictions, which are Values or numbers, and their targets."""


@api_boundary
def sse(predictions: Any, targets: Any, *, reduction: Reduction = "sum") -> Any:
    """The sum of squared errors, Σ (ŷ − y)².

    The sum is one `dot` node, errors · errors.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, or the reduction is unknown.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> sse([Value(80.0), Value(90.0), Value(70.0)], [75, 85, 75])
        Value(data=75.0, grad=0.0)
    """
    return _reduce(*_compute_errors(predictions, targets), reduction, _sum_of_squares)


@api_boundary
def mse(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean squared error, Σ (ŷ − y)² / n: `sse` with the mean as its default.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, or the reduction is unknown.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> mse([80.0, 90.0, 70.0], [75, 85, 75])
        25.0
    """
    return sse(predictions, targets, reduction=reduction)


@api_boundary
def half_sse(predictions: Any, targets: Any, *, reduction: Reduction = "sum") -> Any:
    """Half the sum of squared errors, Σ ½(ŷ − y)².

    Its gradient in ŷ is the error ŷ − y, without a factor 2.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, or the reduction is unknown.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> half_sse([80.0, 90.0, 70.0], [75, 85, 75])
        37.5
    """
    return _reduce(*_compute_errors(predictions, targets), reduction, _sum_of_squares, divisor=2)


@api_boundary
def half_mse(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Half the mean squared error, Σ ½(ŷ − y)² / n: `half_sse` with the mean as its default.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, or the reduction is unknown.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> half_mse([80.0, 90.0, 70.0], [75, 85, 75])
        12.5
    """
    return half_sse(predictions, targets, reduction=reduction)


@api_boundary
def mae(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean absolute error, Σ |ŷ − y| / n; its slope at an error of 0 is 0.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, or the reduction is unknown.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> mae([80.0, 90.0, 76.0], [75, 85, 75], reduction="none")
        [5.0, 5.0, 1.0]
    """
    errors, samples = _compute_errors(predictions, targets)
    return _reduce([abs(e) for e in errors], samples, reduction)


@api_boundary
def huber(predictions: Any, targets: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Squares small errors, and counts large ones absolutely, so that an outlier has a slope of delta at most.

    With e = ŷ − y, it is ½e² where |e| ≤ delta, else delta·(|e| − ½·delta).

    Source: Huber, Robust Estimation of a Location Parameter, 1964; the scale is that of PyTorch's `huber_loss`.

    Args:
        predictions: One number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers of the same shape.
        delta: The largest error that is squared, above 0.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, the reduction is unknown;
            or delta is not above 0.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> huber([0.5, 3.0], [0, 0], reduction="none")
        [0.125, 2.5]
    """
    delta = to_float_within("(0, ∞]", delta, "delta")
    errors, samples = _compute_errors(predictions, targets)
    clipped = [clamp(e, -delta, delta) for e in errors]
    # c·(e − ½c) is both cases in one: ½e² where c = e, delta·(|e| − ½·delta) where c = ±delta
    return _reduce([c * (e - 0.5 * c) for e, c in zip(errors, clipped)], samples, reduction)


@api_boundary
def hinge(predictions: Any, targets: Any, *, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """The max-margin loss, max(0, margin − y·ŷ).

    The loss and its slope are 0 where the score has the sign of the target and is as large as the margin.

    Source: Cortes and Vapnik, Support-Vector Networks, 1995.

    Args:
        predictions: Scores: one number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Classes of the same shape, each −1 or +1.
        margin: The score from which on there is no loss, above 0.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, the reduction is unknown;
            a target is neither −1 nor +1; or the margin is not above 0.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> hinge([2.0, 0.5, 0.5], [1, 1, -1], reduction="none")
        [0.0, 0.5, 1.5]
    """
    margin = to_float_within("(0, ∞]", margin, "margin")
    samples = _match_samples(predictions, targets)
    signs = _require_zero("hinge needs targets of -1 or +1", _excess_of_sign, samples.targets, samples)
    scores = zip(samples.predictions, signs)
    return _reduce([relu(_margin_minus_score(margin, s, y)) for s, y in scores], samples, reduction)


@api_boundary
def bce(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Binary cross-entropy of probabilities, −(y·log p + (1 − y)·log(1 − p)).

    As in PyTorch no logarithm is taken as less than −100: a wrong prediction made with certainty costs 100, not ∞. The
    loss is flat there, so its slope is 0 (PyTorch's is 10¹²). `bce_with_logits` has no such corner: prefer it to a
    sigmoid and this loss.

    Args:
        predictions: Probabilities in [0, 1]: one number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers in [0, 1], of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, the reduction is unknown;
            or a prediction or a target is outside [0, 1].
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> bce([0.5, 0.0], [1, 1], reduction="none")
        [0.6931471805599453, 100.0]
    """
    samples = _match_samples(predictions, targets)
    way_out = "bce needs predictions between 0 and 1 (bce_with_logits takes any number)"
    ps = _require_zero(way_out, _excess, samples.predictions, samples)
    ys = _require_zero("bce needs targets between 0 and 1", _excess, samples.targets, samples)
    terms = [_interpolate(_minus_log, _minus_log_of_rest, y, p) for p, y in zip(ps, ys)]
    return _reduce(terms, samples, reduction)


@api_boundary
def bce_with_logits(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Binary cross-entropy of p = σ(ŷ): y·softplus(−ŷ) + (1 − y)·softplus(ŷ), which never overflows.

    Its slope in ŷ is σ(ŷ) − y.

    Args:
        predictions: Logits, any numbers: one number, n samples, or n samples of m outputs; Values or plain numbers.
        targets: Numbers in [0, 1], of the same shape.
        reduction: "sum" or "mean", over all samples and outputs, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, the reduction is unknown;
            or a target is outside [0, 1].
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> bce_with_logits([0.0, -1000.0], [1, 1], reduction="none")
        [0.6931471805599453, 1000.0]
    """
    samples = _match_samples(predictions, targets)
    ys = _require_zero("bce_with_logits needs targets between 0 and 1", _excess, samples.targets, samples)
    terms = [_interpolate(lambda x: softplus(-x), softplus, y, x) for x, y in zip(samples.predictions, ys)]
    return _reduce(terms, samples, reduction)


@api_boundary
def cross_entropy(predictions: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The cross-entropy of a class, −log softmax(logits)[label].

    It is computed as softplus(log Σ exp(other logits) − logits[label]), without overflow. Its slope in a logit is the
    softmax of that logit, less 1 where the logit is that of the label.

    Args:
        predictions: n samples of k logits; or the k logits of one sample.
        targets: n labels, each an int from 0 to k − 1; or the label of one sample.
        reduction: "sum" or "mean", over all samples, or "none".

    Returns:
        One Value; with "none" the losses in the shape of the targets. Floats where no Value is involved.

    Raises:
        ValueError: The shapes do not match, a sequence is ragged or empty, the reduction is unknown;
            or a label is no int from 0 to k − 1.
        TypeError: A prediction or a target is no number.
        OverflowError: The loss is too large for a float.

    Example:
        >>> cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [1, 1], reduction="none")
        [0.6931471805599453, 1000.0]
    """
    flat, prediction_shape = _flatten(_by_position(predictions, "predictions"), "predictions", _to_number)
    labels, shape = _flatten(_by_position(targets, "targets"), "targets", lambda label: label)
    if prediction_shape[:-1] != shape or not prediction_shape:
        raise ValueError(
            f"predictions of shape {prediction_shape} do not match labels of shape {shape}: "
            "cross_entropy needs k logits and one label for each sample"
        )
    k = prediction_shape[-1]
    samples = _Samples([flat[i : i + k] for i in range(0, len(flat), k)], labels, shape)
    _require_each(
        f"cross_entropy needs a label from the ints 0 to {k - 1} for {k} logits",
        lambda label: hasattr(label, "__index__") and (isinstance(label, Value) or 0 <= label < k),
        labels,
        samples,
    )
    return _reduce([_label_loss(logits, label) for logits, label in samples.pairs()], samples, reduction)


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


def find_reduction(loss: object) -> str:
    """How one of the losses above makes one number of the losses of n samples.

    Args:
        loss: Any function.

    Returns:
        "mean" or "sum"; "" for a function that is not in `LOSSES`, which may do anything.

    Example:
        >>> find_reduction(mse), find_reduction(sse), find_reduction(max)
        ('mean', 'sum', '')
    """
    ours = next((one for one in LOSSES.values() if one is loss), None)
    return "" if ours is None else str(signature(ours).parameters["reduction"].default)


@api_boundary
def by_name(name: str) -> Loss:
    """Finds a loss by its name.

    Args:
        name: A name from `LOSSES`, as "mse".

    Returns:
        The function of that name.

    Raises:
        ValueError: There is no loss of that name; the message has all the names.

    Example:
        >>> by_name("mse")([3.0], [1.0])
        4.0
    """
    return look_up("loss", name, LOSSES)


# ---- what the losses are made of -------------------------------------------------------------------------------------
class _Samples(NamedTuple):
    """All predictions and all targets in flat lists, and the shape that both have."""

    predictions: list[Any]
    targets: list[Any]
    shape: Shape

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.predictions, self.targets)

    def sample_index(self, i: int) -> int:
        """The index of the sample that the i-th prediction belongs to."""
        return i * self.shape[0] // len(self.predictions) if self.shape else 0


def _margin_minus_score(margin: float, score: Number, y: Number) -> Number:
    """The difference margin − y·ŷ; without a product where y is a plain number, as y·ŷ then is ŷ or −ŷ."""
    if isinstance(y, Value):
        return margin - y * score
    return margin - score if y == 1 else margin + score


def _excess(x: Number) -> Number:
    """How far a number is outside [0, 1]."""
    return x - clamp(x, 0.0, 1.0)


def _excess_of_sign(y: Number) -> Number:
    """How far the size of a number is from 1."""
    return abs(y) - 1.0


def _minus_log(p: Number) -> Number:
    """−log p, at most 100."""
    return -log(clamp(p, exp(-100.0), 1.0))


_BELOW_1 = nextafter(1.0, 0.0)


def _minus_log_of_rest(p: Number) -> Number:
    """−log(1 − p), at most 100; no digit of a small p is lost."""
    if _is_traced(p):  # which of the two it is, is chosen at each call; both have to be defined
        return where(step(p - _BELOW_1), _minus_log(1.0 - p), -log1p(-clamp(p, 0.0, _BELOW_1)))
    return -log1p(-p) if p < 1 else _minus_log(1.0 - p)


_FAR_BELOW = -1e300  # added to a logit, it leaves nothing of its power


def _label_loss(logits: Sequence[Number], label: int) -> Number:
    """log(1 + Σ exp(other − logit)), which keeps all digits of a small loss; log Σ exp(logits) − logit does not.

    A label that is a Value is an argument of a function that is compiled: a row of zeros and a one, chosen at each
    call, then tells the logit from the others.
    """
    k = len(logits)
    if k == 1:
        (only,) = logits
        return only - only
    if isinstance(label, Value):
        hot = take([[float(i == j) for i in range(k)] for j in range(k)], label)
        others = [x + _FAR_BELOW * h for x, h in zip(logits, hot)]
        return softplus(logsumexp(others) - dot(logits, hot))
    others = [x for i, x in enumerate(logits) if i != label]
    return softplus((logsumexp(others) if k > 2 else others[0]) - logits[label])


def _interpolate(
    if_one: Callable[[Number], Number], if_zero: Callable[[Number], Number], y: Number, x: Number
) -> Number:
    """The mean y·if_one(x) + (1 − y)·if_zero(x); a plain target of 1 or 0 needs only one of the two."""
    if not isinstance(y, Value) and y in (0, 1):
        return if_one(x) if y else if_zero(x)
    return y * if_one(x) + (1.0 - y) * if_zero(x)


def _sum(items: Sequence[Number], divided: Sequence[Number]) -> Number:
    return divided[0] if len(items) == 1 else total(divided)


def _sum_of_squares(errors: Sequence[Number], divided: Sequence[Number]) -> Number:
    if len(errors) == 1:
        (error,), (part,) = errors, divided
        return error**2 if divided is errors else error * part
    return dot(errors, divided)


def _reduce(
    items: Sequence[Number],
    samples: _Samples,
    reduction: Reduction,
    sum_of: Callable[[Sequence[Number], Sequence[Number]], Number] = _sum,
    divisor: int = 1,
) -> Any:
    """The sum of all items, or their mean; or, without reduction, each item by itself, in the shape of the targets.

    `sum_of` takes the items twice, the second time divided: the mean may be a float where the sum is too large for one.
    """
    look_up("reduction", reduction, dict.fromkeys(["mean", "sum", "none"]))

    def sum_at(places: Sequence[int], divisor: int) -> Number:
        some: Sequence[Number] = [items[i] for i in places]
        y: Number = inf
        with suppress(OverflowError):  # raised by a square, which cannot name the sample
            y = sum_of(some, some)
            y = y if divisor == 1 else y / divisor  # no node for a division by 1
        if has_overflowed(y):
            y = sum_of(some, [x / divisor for x in some])
        if has_overflowed(y):
            _refuse_overflow(places, items, samples)
        return y

    if reduction == "none":
        parts = [sum_at([i], divisor) for i in range(len(items))]
        for size in reversed(samples.shape):
            parts = [parts[i : i + size] for i in range(0, len(parts), size)]
        return parts[0]
    return sum_at(range(len(items)), divisor * len(items) if reduction == "mean" else divisor)


def _compute_errors(predictions: Any, targets: Any) -> tuple[list[Number], _Samples]:
    samples = _match_samples(predictions, targets)
    return [p - t for p, t in samples.pairs()], samples


def _match_samples(predictions: Any, targets: Any) -> _Samples:
    predicted, shape = _flatten(_by_position(predictions, "predictions"), "predictions", _to_number)
    wanted, target_shape = _flatten(_by_position(targets, "targets"), "targets", _to_number)
    if shape != target_shape:
        raise ValueError(
            f"predictions of shape {shape} do not match targets of shape {target_shape}: "
            "give one target for each prediction"
        )
    return _Samples(predicted, wanted, shape)


def _by_position(x: Any, what: str) -> Any:
    """A frame or a series as an array; other things, single numbers among them, as they are."""
    return by_position(what, x) if hasattr(x, "__array__") and getattr(x, "shape", None) != () else x


def _flatten(x: Any, what: str, read: Callable[[Any], Any], around: tuple[Any, ...] = ()) -> tuple[list[Any], Shape]:
    """The numbers of x in one list, and the shape of x; `around` are the lists that x is in."""
    if isinstance(x, (Mapping, Set)):
        raise TypeError(f"{what} must be numbers or lists of them, in order, not {type(x).__name__}")
    if isinstance(x, (Value, str)) or not hasattr(x, "__len__") or getattr(x, "shape", None) == ():
        return [read(x)], ()
    if len(around) == MAX_DEPTH or any(x is outer for outer in around):
        raise ValueError(f"{what} are lists in lists more than {MAX_DEPTH} deep, or a list that holds itself")
    around = (*around, x)
    parts = [_flatten(part, what, read, around) for part in x]
    shapes = {shape for _, shape in parts}
    if not parts:
        raise ValueError(f"{what} are empty: a loss needs at least one number")
    if len(shapes) > 1:
        raise ValueError(f"{what} are ragged: samples have shapes {' and '.join(map(str, sorted(shapes)))}")
    return [number for numbers, _ in parts for number in numbers], (len(parts), *shapes.pop())


def _to_number(x: Any) -> Number:
    """A Value as it is, anything else as a plain float."""
    return x if isinstance(x, Value) else to_float(x)


def _to_plain(x: Any) -> Any:
    """The plain number of a Value, or the plain numbers of a list, for a message."""
    return [*map(_to_plain, x)] if isinstance(x, list) else x.data if isinstance(x, Value) else x


def _require_each(need: str, valid: Callable[[Any], bool], numbers: Sequence[Any], samples: _Samples) -> None:
    """Raises `ValueError` for the first number that is not valid, and names its sample."""
    for i, x in enumerate(numbers):
        if not valid(x):
            raise ValueError(f"{need}, not {_to_plain(x)!r} (sample {samples.sample_index(i)})")


def _require_zero(
    need: str, excess: Callable[[Number], Number], numbers: Sequence[Number], samples: _Samples
) -> Sequence[Number]:
    """Raises `ValueError` for the first number whose excess is not 0, and names its sample; else returns the numbers.

    A number that is traced is not known yet. In its place there is a sum that is not defined where the excess is not 0:
    log(0) then stops the program, and what is computed on Values instead comes to the error here.
    """
    _require_each(need, lambda x: _is_traced(x) or excess(_to_plain(x)) == 0, numbers, samples)
    return [x + log(1.0 - abs(sign(excess(x)))) if _is_traced(x) else x for x in numbers]


def _is_traced(x: Number) -> bool:
    """Whether x is a Value that must not be looked at."""
    return isinstance(x, Value) and is_traced()


def _refuse_overflow(places: Sequence[int], items: Sequence[Number], samples: _Samples) -> None:
    """Raises `OverflowError`, unless a prediction or a target is infinite itself."""
    pairs = {i: (_to_plain(samples.predictions[i]), _to_plain(samples.targets[i])) for i in places}
    numbers = [x for pair in pairs.values() for part in pair for x in (part if isinstance(part, list) else [part])]
    if all(map(isfinite, numbers)):
        worst = max(places, key=lambda i: fabs(_to_plain(items[i])))
        raise OverflowError(
            f"the loss overflows at the prediction {pairs[worst][0]} and the target {pairs[worst][1]} "
            f"(sample {samples.sample_index(worst)}): scale the targets, or take smaller steps"
        )
