"""Losses: their numbers and gradients, in every shape and reduction, compiled, and what they say of bad input."""

import math
from collections import Counter
from itertools import product

import pytest
from operations import FAR_OUT, mp, mpf, partial

from tinygrad_edu import Value, compile, grad, losses, no_grad, record
from tinygrad_edu.graph import topological_order
from tinygrad_edu.losses import (
    LOSSES,
    bce,
    bce_with_logits,
    by_name,
    cross_entropy,
    find_reduction,
    hinge,
    huber,
    mae,
    mse,
    sse,
)

NUMBERS = [[0.9, -1.7], [2.4, 0.3], [-0.6, 3.2]]  # 3 samples of 2 outputs
TARGETS = [[1.0, 0.5], [-1.0, 0.3], [0.2, 0.1]]
PROBABILITIES = [[0.9, 0.2], [0.35, 0.5], [0.01, 0.75]]
CERTAINTIES = [[1.0, 0.0], [0.25, 0.5], [0.0, 1.0]]
SIGNS = [[1, -1], [-1, 1], [1, 1]]
LOGITS = [[0.0, 3.0, -2.0, 1.0], [1.5, -0.5, 0.25, 4.0]]
LABELS = [3, 1]

# Printed by PyTorch 2.13.0 (float64): the loss of each output, and the gradient of their mean.
PYTORCH = {
    "mse": (
        mse,
        (NUMBERS, TARGETS),
        [[0.009999999999999995, 4.840000000000001], [11.559999999999999, 0.0], [0.6400000000000001, 9.610000000000001]],
        [
            [-0.033333333333333326, -0.7333333333333334],
            [1.1333333333333333, 0.0],
            [-0.26666666666666666, 1.0333333333333332],
        ],
    ),
    "mae": (
        mae,
        (NUMBERS, TARGETS),
        [[0.09999999999999998, 2.2], [3.4, 0.0], [0.8, 3.1]],
        [[-0.16666666666666666, -0.16666666666666666], [0.16666666666666666, 0.0], [-0.16666666666666666, 1 / 6]],
    ),
    "huber, delta 0.75": (
        lambda p, t, reduction="mean": huber(p, t, delta=0.75, reduction=reduction),
        (NUMBERS, TARGETS),
        [[0.0049999999999999975, 1.3687500000000001], [2.26875, 0.0], [0.31875000000000003, 2.04375]],
        [[-0.016666666666666663, -0.125], [0.125, 0.0], [-0.125, 0.125]],
    ),
    "hinge, margin 1.5": (
        lambda p, t, reduction="mean": hinge(p, t, margin=1.5, reduction=reduction),
        (NUMBERS, SIGNS),
        [[0.6, 0.0], [3.9, 1.2], [2.1, 0.0]],
        [[-0.16666666666666666, 0.0], [0.16666666666666666, -0.16666666666666666], [-0.16666666666666666, 0.0]],
    ),
    "bce": (
        bce,
        (PROBABILITIES, CERTAINTIES),
        [
            [0.10536051565782628, 0.22314355131420976],
            [0.5855427181940102, 0.6931471805599453],
            [0.010050335853501442, 0.2876820724517809],
        ],
        [
            [-0.1851851851851852, 0.2083333333333333],
            [0.07326007326007325, 0.0],
            [0.16835016835016833, -0.2222222222222222],
        ],
    ),
    "bce_with_logits": (
        bce_with_logits,
        (NUMBERS, CERTAINTIES),
        [
            [0.3411538747320878, 0.16778602938626586],
            [1.8868361521539496, 0.7043552444685272],
            [0.4374879504858856, 0.03995333316243035],
        ],
        [
            [-0.04817508289583269, 0.025744210847255783],
            [0.1111378839176796, 0.012407086135276505],
            [0.05905728229570076, -0.006527620466127389],
        ],
    ),
    "cross_entropy": (
        cross_entropy,
        (LOGITS, LABELS),
        [2.1755153626167143, 4.610388421445098],
        [
            [0.02088628525767523, 0.419512253731266, 0.0028266513311081655, -0.44322519032004937],
            [0.03675299345785451, -0.49502602322058786, 0.010529908924646503, 0.44774312083808687],
        ],
    ),
}


def values(x):
    return [values(part) for part in x] if isinstance(x, list) else Value(x)


def nested(depth):
    x = 1.0
    for _ in range(depth):
        x = [x]
    return x


HOLDING_ITSELF = [1.0]
HOLDING_ITSELF += [HOLDING_ITSELF, HOLDING_ITSELF]


def flat(x):
    return [number for part in x for number in flat(part)] if isinstance(x, list) else [x]


def shape(x):
    return [shape(part) for part in x] if isinstance(x, list) else ()


def close(expected, tolerance=1e-12):
    return pytest.approx(expected, rel=tolerance, abs=tolerance)


# ---- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("loss", "data", "single", "gradients"), PYTORCH.values(), ids=PYTORCH)
def test_losses_and_gradients_are_those_of_pytorch(loss, data, single, gradients):
    predictions, targets = values(data[0]), data[1]
    each, n = loss(predictions, targets, reduction="none"), len(flat(single))
    assert [v.data for v in flat(each)] == close(flat(single))
    assert shape(each) == shape(single)
    assert loss(predictions, targets, reduction="sum").data == close(sum(flat(single)))
    mean = loss(predictions, targets, reduction="mean")
    assert mean.data == close(sum(flat(single)) / n)
    mean.backward()
    assert [p.grad for p in flat(predictions)] == close(flat(gradients))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("sse", 75.0), ("mse", 25.0), ("half_sse", 37.5), ("half_mse", 12.5), ("mae", 5.0), ("huber", 4.5)],
)
def test_three_students_by_hand(loss, expected):
    assert by_name(loss)([80.0, 90.0, 70.0], [75, 85, 75]) == expected


def test_cross_entropy_of_one_sample_by_hand():
    logits = values([0.0, 3.0, -2.0, 1.0])
    loss = cross_entropy(logits, 3)
    loss.backward()
    e = [1.0, math.exp(3.0), math.exp(-2.0), math.exp(1.0)]
    assert loss.data == close(-math.log(e[3] / sum(e)))
    assert [round(v.grad, 7) for v in logits] == [0.0417726, 0.8390245, 0.0056533, -0.8864504]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences_of_plain_numbers(name):
    numbers, targets = {
        "hinge": (NUMBERS, SIGNS),
        "bce": (PROBABILITIES, CERTAINTIES),
        "bce_with_logits": (NUMBERS, CERTAINTIES),
        "cross_entropy": (LOGITS, LABELS),
    }.get(name, ([[0.9, -1.7], [2.4, 0.4]], [[1.0, 0.5], [-1.0, 0.3]]))
    predictions = values(numbers)
    loss = by_name(name)(predictions, targets)
    slopes = iter(grad(loss, flat(predictions)))
    h = 1e-6
    for i, row in enumerate(numbers):
        for j in range(len(row)):

            def at(x, i=i, j=j):
                moved = [list(r) for r in numbers]
                moved[i][j] = x
                return by_name(name)(moved, targets)

            assert isinstance(at(row[j]), float)
            assert next(slopes) == close((at(row[j] + h) - at(row[j] - h)) / (2 * h), 1e-8)


def test_half_the_squares_has_the_error_itself_as_its_gradient():
    predictions = values([80.0, 90.0, 70.0])
    assert grad(losses.half_sse(predictions, [75, 85, 75]), predictions) == [5.0, 5.0, -5.0]
    assert losses.half_sse([3.0, 5.0], [1, 1], reduction="none") == [2.0, 8.0]


def test_certain_targets_cost_the_same_as_their_neighbours():
    for loss, predictions in ((bce, [0.2, 0.7]), (bce_with_logits, [-1.4, 0.8])):
        assert loss(predictions, [0, 1]) == close(loss(predictions, [1e-14, 1 - 1e-14]))


# ---- where other formulas break --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("loss", "predictions", "targets", "expected", "slope"),
    [
        (bce_with_logits, 1000.0, 0, 1000.0, 1.0),
        (bce_with_logits, -1000.0, 1, 1000.0, -1.0),
        (bce_with_logits, 1000.0, 1, 0.0, 0.0),
        (bce_with_logits, 40.0, 1, math.exp(-40.0), -math.exp(-40.0)),
        (bce_with_logits, -40.0, 0, math.exp(-40.0), math.exp(-40.0)),
        (bce, 0.0, 1, 100.0, 0.0),
        (bce, 1.0, 0, 100.0, 0.0),
        (bce, 1.0, 1, 0.0, -1.0),
        (bce, 0.0, 0, 0.0, 1.0),
        (mae, 2.0, 2, 0.0, 0.0),
        (hinge, 1.0, 1, 0.0, 0.0),
        (huber, 1.0, 0, 0.5, 1.0),
        (huber, -1.0, 0, 0.5, -1.0),
    ],
)
def test_extremes_and_kinks(loss, predictions, targets, expected, slope):
    x = Value(predictions)
    y = loss(x, targets)
    assert y.data == pytest.approx(expected, rel=1e-12)
    assert grad(y, x) == pytest.approx(slope, rel=1e-12)


def test_cross_entropy_of_huge_logits():
    logits = values([1000.0, 0.0, -1000.0])
    loss = cross_entropy(logits, 2)
    assert loss.data == 2000.0
    assert grad(loss, logits) == [1.0, 0.0, -1.0]


# ---- digits ----------------------------------------------------------------------------------------------------------
def cross_entropy_of_label_0(x):
    return -mp.log(mp.exp(x[0]) / mp.fsum(map(mp.exp, x)))


@pytest.mark.parametrize(
    ("loss", "predictions", "target", "truth"),
    [
        *[(bce, [p], 0, lambda x: -mp.log(1 - x[0])) for p in (1e-300, 1e-17, 1e-8, 0.25, 0.5, 0.75, 1 - 1e-15)],
        *[(bce, [p], 1, lambda x: -mp.log(x[0])) for p in (1e-40, 1e-8, 0.5, 1 - 1e-15)],
        *[(bce, [p], 0.25, lambda x: -mp.log(x[0]) / 4 - mp.log(1 - x[0]) * 3 / 4) for p in (1e-8, 0.5, 1 - 1e-15)],
        *[(bce_with_logits, [x], 0, lambda x: mp.log1p(mp.exp(x[0]))) for x in (-700.0, -40.0, -1.0, 40.0, 1e10)],
        *[(bce_with_logits, [x], 1, lambda x: mp.log1p(mp.exp(-x[0]))) for x in (-1e10, -40.0, 1.0, 40.0, 700.0)],
        *[(cross_entropy, [x, 0.0], 0, cross_entropy_of_label_0) for x in (-700.0, -40.0, 0.0, 40.0, 700.0)],
        *[(cross_entropy, [x, 0.5, -0.25], 0, cross_entropy_of_label_0) for x in (-300.0, -40.0, 0.0, 40.0, 300.0)],
        *[(huber, [x], 0, lambda x: x[0] ** 2 / 2 if abs(x[0]) < 1 else abs(x[0]) - mpf(1) / 2)
          for x in (1e-100, 0.5, -1.5, 1e300)],
        *[(mse, [x], 0, lambda x: x[0] ** 2) for x in (1e-100, 0.5, -1.3e154)],
    ],
)  # fmt: skip
def test_no_digits_are_lost_in_the_loss_or_its_gradient(loss, predictions, target, truth):
    xs = values(predictions)
    y = loss(xs if loss is cross_entropy else xs[0], target)
    exact = tuple(map(mpf, predictions))
    assert y.data == loss(predictions if loss is cross_entropy else predictions[0], target)
    with mp.workdps(1000):
        true = [truth(exact), *[partial(lambda *x: truth(x), exact, i, digits=FAR_OUT) for i in range(len(xs))]]
    for number, exactly in zip([y.data, *grad(y, xs)], true, strict=True):
        assert abs(number - exactly) <= 1e-13 * abs(exactly) + 1e-323  # an ulp of 300


def test_a_loss_of_one_class_is_0():
    x = Value(3.0)
    y = cross_entropy([x], 0)
    assert (y.data, grad(y, x), cross_entropy([3.0], 0)) == (0.0, 0.0, 0.0)


# ---- overflow --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: mse([x] * 10, [0] * 10), 1.44e308),
        (lambda x: mse([x, 0.0], [0, 0]), 0.72e308),
        (lambda x: losses.half_sse([1.5 * x], [0]), 1.62e308),
        (lambda x: losses.half_sse(1.5 * x, 0), 1.62e308),
        (lambda x: losses.half_sse([1.5 * x], [0], reduction="none")[0], 1.62e308),
        (lambda x: losses.half_mse([1.5 * x, x], [0, 0]), 1.17e308),
        (lambda x: mae([1e154 * x] * 3, [0] * 3), 1.2e308),
        (lambda x: sse([x], [0]), 1.44e308),
    ],
)
def test_a_loss_that_can_be_represented_does_not_overflow_on_the_way(call, expected):
    x = Value(1.2e154)
    y = call(x)
    assert y.data == call(1.2e154) == pytest.approx(expected, rel=1e-15)
    assert math.isfinite(grad(y, x))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mse([0.5, 1e200, 1.0], [1, 2, 3]), r"at the prediction 1e\+200 and the target 2.0 \(sample 1\)"),
        (lambda: mse([[0.5, 1.0], [2.0, Value(-1e200)]], [[1, 2], [3, 4]]), r"-1e\+200 and .* 4.0 \(sample 1\)"),
        (lambda: mse(Value(1e200), 2), r"prediction 1e\+200 and the target 2.0 \(sample 0\): scale the targets"),
        (lambda: mse([1.0, 1e200], [1, 2], reduction="none"), r"1e\+200 and the target 2.0 \(sample 1\)"),
        (lambda: sse([1e154, 1.2e154, -1.25e154], [0, 0, 0]), r"-1.25e\+154 and the target 0.0 \(sample 2\)"),
        (lambda: losses.half_sse([1.0, 1e308], [0, -1e308]), r"1e\+308 and the target -1e\+308 \(sample 1\)"),
        (lambda: mae([1.0, 1e308], [0, -1e308]), r"1e\+308 and the target -1e\+308 \(sample 1\)"),
        (lambda: mae([1.7e308, 1.6e308], [0, 0], reduction="sum"), r"1.7e\+308 and the target 0.0 \(sample 0\)"),
        (lambda: huber(1e200, 0, delta=1e200), r"prediction 1e\+200 and the target 0.0 \(sample 0\)"),
        (lambda: hinge(-1.7e308, 1, margin=1.7e308), r"prediction -1.7e\+308 and the target 1.0 \(sample 0\)"),
        (lambda: bce_with_logits([1.7e308] * 2, [0, 0], reduction="sum"), r"1.7e\+308 and the target 0.0 \(sample 0\)"),
        (lambda: cross_entropy([[0.0, 0.0], [1e308, -1e308]], [0, 1]),
         r"the loss overflows at the prediction \[1e\+308, -1e\+308\] and the target 1 \(sample 1\)"),
    ],
)  # fmt: skip
def test_a_loss_that_no_float_can_hold_names_the_sample(call, words):
    with pytest.raises(OverflowError, match=words):
        call()


def test_what_is_infinite_or_nan_itself_passes():
    assert (
        mse([math.inf, 1.0], [0.0, 0.0])
        == mae([-math.inf], [0.0])
        == cross_entropy([[0.0, -math.inf]], [1])
        == math.inf
    )
    assert mse([1.0], [math.inf]) == math.inf
    assert math.isnan(mse([math.nan], [0.0]))


# ---- targets that are Values -----------------------------------------------------------------------------------------
def test_targets_that_are_values_have_gradients():
    for y in (-1.0, 1.0):
        score, sign = Value(0.25), Value(y)
        loss = hinge([score], [sign])
        assert loss.data == hinge([0.25], [y]) == 1.0 - y * 0.25
        assert grad(loss, [score, sign]) == [-y, -0.25]
    for y in (0.0, 0.25, 1.0):
        p, label = Value(0.2), Value(y)
        for cost in (bce, bce_with_logits):
            loss = cost([p], [label])
            assert loss.data == pytest.approx(cost([0.2], [y]), rel=1e-15)
            if_one, if_zero = cost(0.2, 1), cost(0.2, 0)
            assert grad(loss, label) == pytest.approx(if_one - if_zero, rel=1e-15)


def test_targets_that_are_values_are_checked_by_their_numbers():
    with pytest.raises(ValueError, match=r"targets of -1 or \+1, not 0.5 \(sample 0\)"):
        hinge([1.0], [Value(0.5)])
    with pytest.raises(ValueError, match=r"targets between 0 and 1, not 1.5 \(sample 1\)"):
        bce([0.5, 0.5], [1, Value(1.5)])


def test_second_derivatives():
    x = Value(0.4)
    sigmoid = 1 / (1 + math.exp(-0.4))
    for loss, expected in ((lambda v: sse(v, 1.0), 2.0), (lambda v: bce_with_logits(v, 1), sigmoid * (1 - sigmoid))):
        assert grad(grad(loss(x), x, create_graph=True), x) == close(expected)
    for error, curvature in ((0.4, 1.0), (3.0, 0.0)):
        x = Value(error)
        assert grad(grad(huber(x, 0.0), x, create_graph=True), x) == curvature


# ---- compiled: what the arguments will be is not known ---------------------------------------------------------------
BELOW_1 = math.nextafter(1.0, 0.0)


@pytest.mark.parametrize(
    ("loss", "predictions", "targets"),
    [
        (hinge, [-0.5, 0.25, 3.0], [1.0, -1.0]),
        (bce, [0.3, 0.0, 1e-20, 1e-8, BELOW_1, 1.0], [0.0, 0.25, 1.0]),
        (bce_with_logits, [-40.0, 0.5, 40.0], [0.0, 0.25, 1.0]),
        (cross_entropy, [[0.5]], [0]),
        (cross_entropy, [[0.0, 0.5], [40.0, 0.0]], [0, 1]),
        (cross_entropy, [[0.0, 3.0, -2.0], [40.0, 0.0, 0.5], [1000.0, 0.0, -1000.0]], [0, 1, 2]),
    ],
)
def test_the_program_of_a_loss_computes_what_the_loss_does_on_values(loss, predictions, targets):
    program = record(loss, predictions[0], targets[0], gradients=True).function("python")
    for prediction, target in product(predictions, targets):
        p = values(prediction)
        y = loss(p, target)
        number, slopes, _ = program(prediction, target)
        assert [number, *flat(slopes)] == pytest.approx([y.data, *grad(y, flat(p))], rel=1e-14, abs=0.0)


@pytest.mark.parametrize(
    ("loss", "wrong"),
    [
        (lambda y: hinge(0.25, y), [-1.25, -0.75, 0.0, 0.75, 1.25]),
        (lambda p: bce(p, 1), [-0.25, 1.25]),
        (lambda y: bce(0.25, y), [-0.25, 1.25]),
        (lambda y: bce_with_logits(0.25, y), [-0.25, 1.25]),
    ],
)
def test_a_compiled_loss_refuses_what_it_cannot_mean(loss, wrong):
    compiled = compile(loss)
    assert compiled(1.0) == pytest.approx(loss(1.0))
    for x in wrong:
        with pytest.raises(ValueError, match=rf"not {x} \(sample 0\)"):
            compiled(x)


# ---- shapes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LOSSES)
def test_predictions_and_targets_can_be_named_and_a_reduction_must_be(name):
    loss = by_name(name)
    predictions, targets = ([0.25, 0.5], 1) if name == "cross_entropy" else (0.25, 1)
    assert loss(targets=targets, predictions=predictions) == loss(predictions, targets)
    with pytest.raises(TypeError, match="positional"):
        loss(predictions, targets, "sum")


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "cross_entropy"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_one_value_and_one_target(name, reduction):
    loss = by_name(name)
    alone = loss(Value(0.25), 1, reduction=reduction)
    assert isinstance(alone, Value)
    assert alone.data == loss(0.25, 1, reduction=reduction) == loss([0.25], [1], reduction="sum")


def test_cross_entropy_of_one_sample_and_of_a_list_of_it():
    assert cross_entropy(LOGITS[0], 3, reduction="none") == cross_entropy([LOGITS[0]], [3])
    assert cross_entropy([LOGITS[0]], [3], reduction="none") == [cross_entropy(LOGITS[0], 3)]


def test_defaults_of_the_reduction():
    two = [3.0, 1.0], [1, 1]
    assert (losses.sse(*two), losses.half_sse(*two)) == (4.0, 2.0)
    assert (losses.mse(*two), losses.half_mse(*two), losses.mae(*two)) == (2.0, 1.0, 1.0)
    assert losses.mse(*two, reduction="sum") == losses.sse(*two)
    assert losses.sse(*two, reduction="mean") == losses.mse(*two)


def test_tuples_numpy_and_values_as_targets():
    np = pytest.importorskip("numpy")
    assert mse((3.0, 1.0), (1, 1)) == 2.0
    assert mse([Value(3.0), 1.0], np.array([1.0, 1.0])).data == 2.0
    assert type(mse(np.array(NUMBERS), np.array(TARGETS))) is float
    assert mse(np.array(values(NUMBERS)), TARGETS).data == mse(NUMBERS, TARGETS)
    assert cross_entropy(np.array(LOGITS), np.array(LABELS)) == cross_entropy(LOGITS, LABELS)
    a, b = Value(3.0), Value(1.0)
    assert grad(sse([a], [b]), [a, b]) == [4.0, -4.0]


def test_arrays_of_all_kinds_are_read_by_position():
    np, pd, pa = map(pytest.importorskip, ("numpy", "pandas", "pyarrow"))
    assert mse(pd.Series([3.0, 1.0], index=[1, 0]), [1, 1]) == 2.0
    assert mse(pa.array([3.0, 1.0]), [1, 1]) == 2.0
    assert mse(pd.DataFrame({"b": [3.0, 1.0], "a": [1.0, 1.0]}), [[1, 1], [1, 1]]) == 1.0
    assert mse(np.float64(3.0), np.array(1.0)) == 4.0  # one number, which has no positions


def test_as_many_dimensions_as_an_array_may_have():
    assert mse(nested(32), nested(32)) == 0.0
    twice = [1.0, 2.0]
    assert mse([twice, twice], [twice, twice]) == 0.0  # a list may be there twice, if not in itself


def test_nothing_is_recorded_under_no_grad():
    with no_grad():
        loss = mse(values(NUMBERS), TARGETS)
    assert loss.data == mse(NUMBERS, TARGETS)
    assert topological_order(loss) == [loss]


@pytest.mark.parametrize(
    ("loss", "targets", "nodes"),
    [
        (lambda v, t: sse(v, t), [0.5] * 4, {"-": 4, "dot": 1}),
        (lambda v, t: mse(v, t), [0.5] * 4, {"-": 4, "dot": 1, "/": 1}),
        (lambda v, t: hinge(v, t, reduction="sum"), [1, -1, 1, -1], {"-": 2, "+": 2, "ReLU": 4, "total": 1}),
        (lambda v, t: bce_with_logits(v, t, reduction="sum"), [0] * 4, {"softplus": 4, "total": 1}),
        (lambda v, t: cross_entropy(v, 2), None, {"logsumexp": 1, "-": 1, "softplus": 1}),
        (lambda v, t: cross_entropy(v[:2], 1), None, {"-": 1, "softplus": 1}),
        # one sample needs no sum: a square is drawn as the square that it is
        (lambda v, t: sse(v[0], t), 0.5, {"-": 1, "**2": 1}),
        (lambda v, t: mae(v[0], t), 0.5, {"-": 1, "abs": 1}),
        # a certain target needs but one of the two terms
        (
            lambda v, t: bce(v, t, reduction="sum"),
            [1, 1, 0, 0],
            {"clamp": 2, "log": 2, "log1p": 2, "neg": 6, "total": 1},
        ),
        (lambda v, t: bce(v[0], t), 0.5, {"clamp": 1, "log": 1, "log1p": 1, "neg": 3, "*": 2, "+": 1}),
    ],
)
def test_no_more_nodes_than_needed(loss, targets, nodes):
    graph = topological_order(loss(values([0.1, 0.2, 0.3, 0.4]), targets))
    assert Counter(v._op for v in graph if v._prev) == nodes


# ---- bad input -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mse([1.0, 2.0], [1.0]), r"shape \(2,\) do not match targets of shape \(1,\)"),
        (lambda: mse([[1.0], [2.0]], [1.0, 2.0]), r"shape \(2, 1\) do not match targets of shape \(2,\)"),
        (lambda: mse(Value(1.0), [1.0]), r"shape \(\) do not match targets of shape \(1,\)"),
        (lambda: mse([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0]]), r"predictions are ragged.*\(1,\) and \(2,\)"),
        (lambda: mse([1.0, 2.0], [1.0, [2.0]]), r"targets are ragged.*\(\) and \(1,\)"),
        (lambda: mse([], []), "predictions are empty"),
        (lambda: mse([[], []], [[], []]), "predictions are empty"),
        (lambda: mse([1.0], [1.0], reduction="avg"), "reduction 'avg': choose from mean, sum, none"),
        (lambda: huber([1.0], [1.0], delta=0.0), "delta must lie in \\(0, ∞\\], not be 0.0"),
        (lambda: huber([1.0], [1.0], delta=math.nan), "delta must lie in \\(0, ∞\\], not be nan"),
        (lambda: hinge([1.0], [1], margin=0.0), "margin must lie in \\(0, ∞\\], not be 0.0"),
        (lambda: hinge([1.0], [1], margin=-0.5), "margin must lie in \\(0, ∞\\], not be -0.5"),
        (lambda: hinge([1.0, 2.0], [1, 0]), r"targets of -1 or \+1, not 0.0 \(sample 1\)"),
        (lambda: hinge(NUMBERS, [[1, -1], [-1, 1], [1, 2]]), r"not 2.0 \(sample 2\)"),
        (lambda: bce([0.5, 1.1], [0, 1]), r"predictions between 0 and 1.*bce_with_logits.*not 1.1 \(sample 1\)"),
        (lambda: bce([Value(-0.25)], [1]), r"not -0.25 \(sample 0\)"),
        (lambda: bce([math.nan], [1]), r"not nan \(sample 0\)"),
        (lambda: bce([0.5, 0.5, 0.5], [0, 1, -1]), r"targets between 0 and 1, not -1.0 \(sample 2\)"),
        (lambda: bce([0.5], [1.5]), r"targets between 0 and 1, not 1.5 \(sample 0\)"),
        (lambda: bce_with_logits([5.0], [2]), r"targets between 0 and 1, not 2.0 \(sample 0\)"),
        (lambda: bce_with_logits([5.0], [-0.5]), r"targets between 0 and 1, not -0.5 \(sample 0\)"),
        (lambda: cross_entropy(LOGITS, [3, 4]), r"ints 0 to 3 for 4 logits, not 4 \(sample 1\)"),
        (lambda: cross_entropy(LOGITS, [3, 5]), r"ints 0 to 3 for 4 logits, not 5 \(sample 1\)"),
        (lambda: cross_entropy(LOGITS, [-1, 0]), r"not -1 \(sample 0\)"),
        (lambda: cross_entropy(LOGITS, [0, 1.0]), r"not 1.0 \(sample 1\)"),
        (lambda: cross_entropy(LOGITS[0], "cat"), r"not 'cat' \(sample 0\)"),
        (lambda: cross_entropy(LOGITS, [0, Value(1.0)]), r"not 1.0 \(sample 1\)"),
        (lambda: cross_entropy(LOGITS, [0]), r"shape \(2, 4\) do not match labels of shape \(1,\)"),
        (lambda: cross_entropy(LOGITS, 0), r"shape \(2, 4\) do not match labels of shape \(\)"),
        (lambda: cross_entropy(LOGITS[0], [0]), r"shape \(4,\) do not match labels of shape \(1,\)"),
        (lambda: cross_entropy(Value(1.0), 0), r"shape \(\) do not match"),
        (
            lambda: mse(*[HOLDING_ITSELF] * 2),
            "predictions are lists in lists more than 32 deep, or a list that holds itself",
        ),
        (lambda: mse([1.0], HOLDING_ITSELF), "targets are lists in lists more than 32 deep"),
        (lambda: mse(nested(300), nested(300)), "predictions are lists in lists more than 32 deep"),
        (lambda: mse(nested(33), nested(33)), "predictions are lists in lists more than 32 deep"),
        (lambda: cross_entropy([HOLDING_ITSELF], [1]), "predictions are lists in lists more than 32 deep"),
        (lambda: by_name("rmse"), "there is no loss 'rmse': choose from sse, mse, .*cross_entropy"),
    ],
)
def test_what_cannot_be_meant_is_a_value_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("bad", ["1.0", None, 1j, (x for x in [1.0])])
def test_what_is_no_number_is_a_type_error(bad):
    for predictions, targets in (([bad], [1.0]), ([1.0], [bad]), (bad, bad)):
        with pytest.raises(TypeError, match="expected one real number"):
            mse(predictions, targets)


def test_the_reduction_of_a_loss_is_found():
    means = {"mse", "half_mse", "mae", "huber", "hinge", "bce", "bce_with_logits", "cross_entropy"}
    assert {name: find_reduction(loss) for name, loss in LOSSES.items()} == {
        **dict.fromkeys(means, "mean"),
        **dict.fromkeys(["sse", "half_sse"], "sum"),
    }
    assert find_reduction(lambda predictions, targets: 0.0) == ""  # anybody's own may do anything


def test_every_loss_is_found_by_its_name():
    assert {name: loss.__name__ for name, loss in LOSSES.items()} == {name: name for name in LOSSES}
    assert all(by_name(name) is getattr(losses, name) for name in LOSSES)
