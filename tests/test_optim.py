"""Optimizers and schedules: held equal to a second implementation and to PyTorch; all or nothing; saved and resumed."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from tinygrad_edu import Value, no_grad, optim, sin
from tinygrad_edu.losses import sse
from tinygrad_edu.optim import OPTIMIZERS, SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp, by_name, clip_grad_norm

STEPS = 50
START = (0.5, -1.5, 2.0)


# ---- the function that all of them descend, and its gradient by hand -------------------------------------------------
def f(a, b, c):
    return (a - 1) ** 2 + 2 * (a + b) ** 2 + c**4 / 4 + sin(a * c)


def slope_of_f(θ):
    a, b, c = θ
    return [2 * (a - 1) + 4 * (a + b) + c * math.cos(a * c), 4 * (a + b), c**3 + a * math.cos(a * c)]


def leaves():
    return [Value(x, label=name) for x, name in zip(START, "abc")]


def descend(optimizer, steps=STEPS):
    """Where the parameters are after each step."""
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        f(*optimizer.params).backward()
        optimizer.step()
        path.append([p.data for p in optimizer.params])
    return path


# ---- the second implementation: PyTorch's documented algorithms, on whole vectors ------------------------------------
class Vector(list):
    """As much of a tensor as the algorithms need."""

    def __add__(self, other):
        return Vector(x + y for x, y in zip(self, other))

    def __mul__(self, other):
        return (
            Vector(x * y for x, y in zip(self, other)) if isinstance(other, Vector) else self.map(lambda x: x * other)
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        return (
            Vector(x / y for x, y in zip(self, other)) if isinstance(other, Vector) else self.map(lambda x: x / other)
        )

    def map(self, function):
        return Vector(map(function, self))

    def roots_plus(self, eps):
        return self.map(lambda x: math.sqrt(x) + eps)


def reference_sgd(θ, γ, momentum=0.0, nesterov=False, weight_decay=0.0):
    velocity = None
    for t in range(STEPS):
        g = Vector(slope_of_f(θ)) + weight_decay * θ
        if momentum != 0:
            velocity = g if t == 0 else momentum * velocity + g
            g = g + momentum * velocity if nesterov else velocity
        θ = θ + -γ(t) * g
        yield θ


def reference_adagrad(θ, γ, eps=1e-10, weight_decay=0.0):
    history = []
    for t in range(STEPS):
        g = Vector(slope_of_f(θ)) + weight_decay * θ
        history.append(g * g)
        θ = θ + -γ(t) * g / Vector(map(math.fsum, zip(*history))).roots_plus(eps)
        yield θ


def reference_rmsprop(θ, γ, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
    average, buffer = Vector([0.0] * 3), Vector([0.0] * 3)
    for t in range(STEPS):
        g = Vector(slope_of_f(θ)) + weight_decay * θ
        average = alpha * average + (1 - alpha) * (g * g)
        if momentum > 0:
            buffer = momentum * buffer + g / average.roots_plus(eps)
            θ = θ + -γ(t) * buffer
        else:
            θ = θ + -γ(t) * (g / average.roots_plus(eps))
        yield θ


def reference_adam(θ, γ, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    gradients = []
    for t in range(STEPS):
        g = Vector(slope_of_f(θ))
        if decoupled:
            θ = (1 - γ(t) * weight_decay) * θ
        else:
            g = g + weight_decay * θ
        gradients.append(g)

        # the moments as what the recursions add up to: weighted means of all gradients so far
        def mean(β, vectors, t=t):
            weights = [(1 - β) * β ** (t - k) for k in range(t + 1)]
            return Vector(math.fsum(w * x for w, x in zip(weights, xs)) for xs in zip(*vectors)) / (1 - β ** (t + 1))

        θ = θ + -γ(t) * (mean(betas[0], gradients) / mean(betas[1], [g * g for g in gradients]).roots_plus(eps))
        yield θ


def reference_adamw(θ, γ, weight_decay=1e-2, **options):
    return reference_adam(θ, γ, weight_decay=weight_decay, decoupled=True, **options)


REFERENCE = {
    SGD: (reference_sgd, 1e-3),
    AdaGrad: (reference_adagrad, 1e-2),
    RMSProp: (reference_rmsprop, 1e-2),
    Adam: (reference_adam, 1e-3),
    AdamW: (reference_adamw, 1e-3),
}

# The parameters after 50 steps, as printed by PyTorch 2.13.0 (float64) for the same function, start and options.
CASES = [
    (SGD, {"lr": 0.05}, [1.1230052954639065, -1.0867323523092332, -0.8095066281462813]),
    (SGD, {"lr": 0.05, "weight_decay": 0.1}, [1.0470731571259773, -0.9891455572151387, -0.7751695376506512]),
    (SGD, {"lr": 0.02, "momentum": 0.9}, [1.2246752930528295, -1.1391254253767924, -0.7479973765311804]),
    (
        SGD,
        {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
        [1.1769205523567767, -1.1638851834459407, -0.8452313131566607],
    ),
    (AdaGrad, {}, [0.6215475175821835, -1.3791000320984825, 1.8769825259207333]),
    (
        AdaGrad,
        {"lr": 0.5, "eps": 0.1, "weight_decay": 0.05},
        [1.1433423409619075, -1.1161365224469724, -0.7441309524794981],
    ),
    (RMSProp, {}, [0.8815204288612929, -0.9317005836844338, 1.0615797584997932]),
    (
        RMSProp,
        {"lr": 0.02, "alpha": 0.9, "eps": 0.01, "weight_decay": 0.05, "momentum": 0.7},
        [1.0260882783253746, -0.9901938123021865, -0.35862071913417876],
    ),
    (Adam, {}, [0.5494448702881474, -1.4506242270275895, 1.950443623610681]),
    (
        Adam,
        {"lr": 0.1, "betas": (0.8, 0.95), "eps": 0.01, "weight_decay": 0.05},
        [1.1528127600477938, -1.1203429282938584, -0.7792686118073127],
    ),
    (AdamW, {}, [0.5491782862298888, -1.4498897183736008, 1.9494645910574906]),
    (
        AdamW,
        {"lr": 0.1, "betas": (0.8, 0.95), "eps": 0.01, "weight_decay": 0.2},
        [1.1389617604678008, -1.1114276602089714, -0.8275150602236739],
    ),
]
IDS = [f"{kind.__name__}({', '.join(f'{k}={v}' for k, v in options.items())})" for kind, options, _ in CASES]


def close(expected):
    return pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("kind", "options", "at_the_end"), CASES, ids=IDS)
def test_every_step_equals_the_documented_formula(kind, options, at_the_end):
    reference, default_lr = REFERENCE[kind]
    others = {name: value for name, value in options.items() if name != "lr"}
    expected = list(reference(Vector(START), lambda t: options.get("lr", default_lr), **others))
    path = descend(kind(leaves(), **options))
    assert len(path) == len(expected) == STEPS
    for here, there in zip(path, expected):
        assert here == close(there)
    assert path[-1] == close(at_the_end)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RMSProp, {"alpha": 0.0}),
        (RMSProp, {"alpha": 0.3}),
        (Adam, {"betas": (0.0, 0.25)}),
        (AdamW, {"betas": (0.25, 0.0)}),
    ],
)
def test_averages_can_forget_fast_or_at_once(kind, options):
    expected = list(REFERENCE[kind][0](Vector(START), lambda t: 0.01, **options))
    for here, there in zip(descend(kind(leaves(), lr=0.01, **options)), expected):
        assert here == close(there)


def test_defaults_of_the_learning_rate_are_those_of_pytorch():
    assert {kind: kind(leaves()).lr for kind in REFERENCE} == {kind: lr for kind, (_, lr) in REFERENCE.items()}


def test_an_optimizer_of_your_own_states_its_update_and_what_it_remembers():
    class Largest(Optimizer):
        """Steps of one length, along gradients measured by the largest so far."""

        buffers = ("largest",)

        def update(self, θ, g, η, state):
            largest = max(state[0], abs(g))
            return θ - η * g / largest, (largest,)

    w = Value(3.0, label="w")
    optimizer = Largest([w], lr=0.5)
    for gradient, after in ((4.0, 2.5), (-2.0, 2.75), (8.0, 2.25)):
        w.grad = gradient
        optimizer.step()
        assert w.data == after
    assert optimizer.state_dict() == {"optimizer": "Largest", "steps": 3, "buffers": {"largest": {"w": 8.0}}}
    decaying = Largest([w], lr=0.5, weight_decay=2.0)
    w.grad = 1.0
    decaying.step()
    assert decaying.state_dict()["buffers"] == {"largest": {"w": 1.0 + 2.0 * 2.25}}


def test_sgd_on_the_two_samples_of_lesson_5():
    w1, w2, b = parameters = [Value(0.0, label=name) for name in ("w1", "w2", "b")]
    optimizer = SGD(parameters, lr=0.1)
    steps = [
        ((0.1, 0.8), 0.8, 0.0, 0.64, [0.016, 0.128, 0.16]),
        ((0.5, 0.3), 0.5, 0.2064, 0.08620096, [0.04536, 0.145616, 0.21872]),
    ]
    for (x1, x2), y, predicted, error, after in steps:
        prediction = w1 * x1 + w2 * x2 + b
        loss = sse(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert (prediction.data, loss.data) == close((predicted, error))
        assert [p.data for p in parameters] == close(after)


def test_zero_grad_and_the_count_of_steps():
    optimizer = SGD(leaves(), lr=0.1)
    assert optimizer.steps == 0
    descend(optimizer, 3)
    assert optimizer.steps == 3
    assert all(p.grad != 0.0 for p in optimizer.params)
    optimizer.zero_grad()
    assert [p.grad for p in optimizer.params] == [0.0] * 3


def test_parameters_may_come_from_a_generator_and_with_names():
    w = leaves()
    assert SGD((p for p in w), lr=0.1).params == SGD([("layer.w", p) for p in w], lr=0.1).params == w


# ---- learning rates and schedules ------------------------------------------------------------------------------------
def recursively(first, following):
    """A schedule from its rule of one step, η at t + 1 from η at t."""
    rates = [first]
    for t in range(STEPS):
        rates.append(following(rates[-1], t))
    return rates.__getitem__


# What PyTorch 2.13.0 prints after 50 steps of SGD under its scheduler of that schedule.
SCHEDULES = {
    "constant": (
        optim.constant(0.05),
        lambda t: 0.05,
        [1.1230052954639065, -1.0867323523092332, -0.8095066281462813],
    ),
    "step_decay": (
        optim.step_decay(0.1, every=15, factor=0.5),
        recursively(0.1, lambda η, t: η * 0.5 if (t + 1) % 15 == 0 else η),
        [1.1486684429312422, -1.122263790039507, -0.8398915337446052],
    ),
    "exponential": (
        optim.exponential(0.1, factor=0.95),
        recursively(0.1, lambda η, t: η * 0.95),
        [1.0368373424169777, -0.9863757361232323, -0.5837232964905215],
    ),
    "cosine": (
        optim.cosine(0.1, steps=40, minimum=0.01),
        lambda t: 0.01 + 0.09 * math.cos(math.pi * t / 80) ** 2,
        [1.1205553043195589, -1.0835172933746897, -0.8034527205937534],
    ),
    "linear": (
        optim.linear(0.1, steps=30, end=0.02),
        recursively(0.1, lambda η, t: η - 0.08 / 30 if t < 30 else η),
        [1.1033694545246684, -1.060998000450435, -0.7688667049920042],
    ),
    "warmup of a number": (
        optim.warmup(0.1, steps=10, start_factor=0.25),
        recursively(0.025, lambda η, t: η + 0.0075 if t < 10 else η),
        [1.208302522028772, -1.205149032653545, -0.8536093182305743],
    ),
    "warmup of a schedule": (
        optim.warmup(optim.exponential(0.1, factor=0.95), steps=10, start_factor=0.25),
        lambda t: 0.1 * 0.95**t * (0.25 + 0.075 * t if t < 10 else 1.0),
        [0.9354905124695924, -0.903294899376034, -0.20072671524736574],
    ),
}


@pytest.mark.parametrize(("schedule", "reference", "at_the_end"), SCHEDULES.values(), ids=SCHEDULES)
def test_schedules(schedule, reference, at_the_end):
    assert [schedule(t) for t in range(STEPS)] == close([reference(t) for t in range(STEPS)])
    optimizer = SGD(leaves(), lr=schedule)
    rates = []
    for expected in reference_sgd(Vector(START), reference):
        rates.append(optimizer.lr)
        assert descend(optimizer, 1) == [close(expected)]
    assert rates == [schedule(t) for t in range(STEPS)]
    assert [p.data for p in optimizer.params] == close(at_the_end)


@pytest.mark.parametrize("kind", REFERENCE, ids=lambda kind: kind.__name__)
def test_every_optimizer_follows_a_schedule(kind):
    schedule = optim.cosine(0.05, steps=60)
    expected = list(REFERENCE[kind][0](Vector(START), schedule))
    assert descend(kind(leaves(), schedule))[-1] == close(expected[-1])


def test_defaults_of_the_schedules():
    assert optim.step_decay(1.0, every=2)(2) == 0.1
    assert optim.linear(1.0, steps=2)(2) == optim.cosine(1.0, steps=2)(2) == 0.0
    assert optim.linear(1.0, steps=1)(1) == optim.cosine(1.0, steps=1)(1) == 0.0
    assert optim.exponential(1.0, factor=0.5)(1) == 0.5
    assert optim.warmup(1.0, steps=2)(0) == close(1 / 3)


def test_a_warmup_that_starts_at_the_whole_rate_is_none():
    assert [optim.warmup(0.1, steps=3, start_factor=1.0)(t) for t in range(5)] == [0.1] * 5


def test_the_learning_rate_can_be_changed_on_the_way():
    optimizer = SGD(leaves(), lr=0.05)
    descend(optimizer, 10)
    optimizer.lr = optim.step_decay(0.02, every=11, factor=0.5)
    assert optimizer.lr == 0.02
    before = [p.data for p in optimizer.params]
    assert descend(optimizer, 1) == [close([x - 0.02 * g for x, g in zip(before, slope_of_f(before))])]
    assert optimizer.lr == 0.01
    optimizer.lr = 0.3
    assert optimizer.lr == 0.3


# ---- saving and resuming ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "options", "_"), CASES, ids=IDS)
def test_a_resumed_run_ends_with_the_same_bits(kind, options, _):
    options = {**options, "lr": optim.cosine(0.05, steps=60)}
    path = descend(kind(leaves(), **options))
    stopped = kind(leaves(), **options)
    descend(stopped, 20)
    saved = json.loads(json.dumps([[p.data for p in stopped.params], stopped.state_dict()], allow_nan=False))
    resumed = kind([Value(x, label=name) for x, name in zip(saved[0], "abc")], **options)
    resumed.load_state_dict(saved[1])
    assert resumed.steps == 20
    assert resumed.state_dict() == stopped.state_dict()
    assert descend(resumed, STEPS - 20) == path[20:]


def test_a_run_can_be_resumed_before_its_first_step():
    fresh, resumed = Adam(leaves()), Adam(leaves())
    resumed.load_state_dict(fresh.state_dict())
    assert descend(resumed, 5) == descend(fresh, 5)


def test_state_dict_is_a_copy():
    optimizer = Adam(leaves())
    descend(optimizer, 2)
    before = json.dumps(optimizer.state_dict())
    optimizer.state_dict()["buffers"]["m"]["a"] = 99.0
    assert json.dumps(optimizer.state_dict()) == before


M, V, T = ({"a": x, "b": 0.2, "c": 0.3} for x in (-0.1, 0.1, 3.0))
GOOD = {"optimizer": "Adam", "steps": 3, "buffers": {"m": M, "v": V, "t": T}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "a dict of optimizer, steps, buffers"),
        ([], "a dict of optimizer, steps, buffers"),
        ({"more": 1}, "a dict of optimizer, steps, buffers"),
        ([("optimizer", "Adam")], "a dict of optimizer, steps, buffers"),
        ({"optimizer": "AdamW"}, "'AdamW', not of 'Adam'"),
        ({"optimizer": "AMSGrad"}, "'AMSGrad', not of 'Adam'"),
        ({"steps": -1}, "steps .* not -1"),
        ({"steps": 2.0}, "steps .* not 2.0"),
        ({"steps": True}, "steps .* not True"),
        ({"buffers": {"m": M, "v": V}}, "a dict of m, v, t"),
        ({"buffers": [1.0]}, "a dict of m, v, t"),
        ({"buffers": {"m": M, "v": V, "t": T, "s": V}}, "a dict of m, v, t"),
        (
            {"buffers": {"m": M, "v": {"a": 0.1, "b": 0.2}, "t": T}},
            r"buffer 'v' is not .* 1 missing \['c'\], 0 unknown \[\]",
        ),
        (
            {"buffers": {"m": {**M, "d": 0.1}, "v": V, "t": T}},
            r"buffer 'm' is not .* 0 missing \[\], 1 unknown \['d'\]",
        ),
        ({"buffers": {"m": {"0": 0.1, "1": 0.2, "2": 0.3}, "v": V, "t": T}}, r"3 missing \['a', 'b', 'c'\], 3 unknown"),
        ({"buffers": {"m": [0.1, 0.2, 0.3], "v": V, "t": T}}, "buffer 'm' must be a dict of numbers .*, not a list"),
        ({"buffers": {"m": 0.5, "v": V, "t": T}}, "buffer 'm' must be a dict of numbers .*, not 0.5"),
        ({"buffers": {"m": {**M, "c": "x"}, "v": V, "t": T}}, "a finite number, not 'x'"),
        ({"buffers": {"m": {**M, "c": None}, "v": V, "t": T}}, "a finite number, not None"),
        ({"buffers": {"m": M, "v": {**V, "b": math.nan}, "t": T}}, "a finite number, not nan"),
        ({"buffers": {"m": {**M, "c": 10**400}, "v": V, "t": T}}, "a finite number, not 1000"),
        ({"buffers": {"m": M, "v": {**V, "c": -0.3}, "t": T}}, "'v' is never negative.* not -0.3"),
        ({"buffers": {"m": M, "v": V, "t": {**T, "a": -1.0}}}, "'t' is never negative.* not -1.0"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, words):
    optimizer = Adam(leaves())
    optimizer.load_state_dict(GOOD)
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict({**GOOD, **change} if isinstance(change, dict) else change)
    assert optimizer.state_dict() == GOOD


@pytest.mark.parametrize("missing", GOOD)
def test_so_is_one_of_which_a_part_is_missing(missing):
    optimizer = Adam(leaves())
    with pytest.raises(ValueError, match="a dict of optimizer, steps, buffers"):
        optimizer.load_state_dict({key: part for key, part in GOOD.items() if key != missing})
    assert optimizer.state_dict() == Adam(leaves()).state_dict()


def test_the_state_goes_by_names_and_not_by_places():
    saved = Adam(leaves(), lr=0.05)
    descend(saved, 3)
    a, b, c = saved.params
    for params in ([c, a, b], [("b", b), ("c", c), ("a", a)], [c, ("b", b), a]):
        loaded = Adam(params, lr=0.05)
        loaded.load_state_dict(json.loads(json.dumps(saved.state_dict())))
        for buffer, numbers in loaded.state_dict()["buffers"].items():
            assert list(numbers) != ["a", "b", "c"]
            assert numbers == saved.state_dict()["buffers"][buffer]


@pytest.mark.parametrize(
    ("params", "keys"),
    [
        ([("layer.w", Value(1.0, label="w")), ("layer.b", Value(1.0))], ["layer.w", "layer.b"]),
        ([Value(1.0, label="w"), Value(1.0, label="b")], ["w", "b"]),
        ([Value(1.0), Value(1.0)], ["0", "1"]),
        ([Value(1.0, label="w"), Value(1.0)], ["w", "1"]),
        ([Value(1.0, label="w"), Value(1.0, label="w")], ["0", "1"]),
        ([Value(1.0, label="1"), Value(1.0)], ["0", "1"]),
    ],
)
def test_a_parameter_without_a_name_of_its_own_goes_by_its_place(params, keys):
    optimizer = SGD(params, lr=0.1, momentum=0.5)
    for i, p in enumerate(optimizer.params):
        p.grad = float(i)
    optimizer.step()
    assert optimizer.state_dict()["buffers"] == {"v": {keys[0]: 0.0, keys[1]: 1.0}}
    twin = SGD(params, lr=0.1, momentum=0.5)
    twin.load_state_dict(optimizer.state_dict())
    assert twin.state_dict() == optimizer.state_dict()


# ---- several processes, and copies -----------------------------------------------------------------------------------
@pytest.mark.parametrize("lr", [0.05, *(schedule for schedule, *_ in SCHEDULES.values())])
@pytest.mark.parametrize("again", [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy])
def test_an_optimizer_that_was_pickled_or_copied_goes_on_with_parameters_of_its_own(lr, again):
    optimizer = Adam(leaves(), lr)
    descend(optimizer, 3)
    before = [p.data for p in optimizer.params]
    params, twin = again((optimizer.params, optimizer))
    path = descend(twin, 5)
    assert [p.data for p in params] == path[-1] != before  # it moves the parameters that it came with
    assert [p.data for p in optimizer.params] == before
    assert path == descend(optimizer, 5)
    assert twin.state_dict() == optimizer.state_dict()


# ---- gradients that are not there ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "options", "_"), CASES, ids=IDS)
def test_a_parameter_without_a_gradient_stays_as_it_is_and_so_does_its_state(kind, options, _):
    """As if an optimizer of its own had not been called at all: PyTorch's rule."""
    other, w, v = Value(0.3, label="other"), Value(0.7, label="w"), Value(0.7, label="w")
    both, alone = kind([other, w], **options), kind([v], **options)
    for gradient in (None, 1.0, None, None, -3.0, 0.5):
        other.grad, w.grad, v.grad = 2.0, gradient, gradient
        before = w.data, of(both, "w")
        both.step()
        if gradient is None:
            assert (w.data, of(both, "w"), w.grad) == (*before, None)
        else:
            alone.step()
        assert (w.data, of(both, "w")) == (v.data, of(alone, "w"))
    assert (both.steps, alone.steps) == (6, 3)


def of(optimizer, name):
    return [numbers[name] for numbers in optimizer.state_dict()["buffers"].values()]


def test_nor_is_one_without_a_gradient_looked_at():
    class Own(Optimizer):
        def update(self, θ, g, η, state):
            seen.append((θ, g))
            return θ - η * g, state

    seen = []
    a, b = Value(1.0), Value(2.0)
    a.grad, b.grad, b.data = 4.0, None, "unfinished"
    Own([a, b], lr=0.25).step()
    assert (seen, a.data, b.data) == ([(1.0, 4.0)], 0.0, "unfinished")


# ---- numbers that are no plain floats --------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", REFERENCE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64, np.array, int])
def test_what_a_step_leaves_behind_are_plain_floats(kind, number):
    plain, other = (kind(leaves(), lr=0.5) for _ in range(2))
    for optimizer, make in ((plain, float), (other, number)):
        for p in optimizer.params:
            p.data, p.grad = make(2), make(3)
        optimizer.step()
    assert [p.data for p in other.params] == [p.data for p in plain.params]
    assert other.state_dict() == plain.state_dict()
    numbers = [p.data for p in other.params] + [
        x for row in other.state_dict()["buffers"].values() for x in row.values()
    ]
    assert {*map(type, numbers)} == {float}


def test_also_where_an_update_of_your_own_computes_with_other_numbers():
    class Own(Optimizer):
        buffers = ("n",)

        def update(self, θ, g, η, state):
            return np.float64(θ - η * g), [np.int64(state[0] + 1)]

    w = Value(1.0)
    w.grad = 2.0
    optimizer = Own([w], lr=np.float32(0.25))
    optimizer.step()
    assert [type(x) for x in (w.data, optimizer.lr, optimizer.state_dict()["buffers"]["n"]["0"])] == [float] * 3
    assert w.data == 0.5


def test_and_where_a_state_is_loaded():
    optimizer = SGD([Value(1.0), Value(2.0), Value(3.0)], lr=0.1)
    state = {"v": {"0": np.float64(0.5), "1": 2, "2": np.float32(0.25)}}
    optimizer.load_state_dict({"optimizer": "SGD", "steps": 1, "buffers": state})
    assert repr(optimizer.state_dict()["buffers"]) == "{'v': {'0': 0.5, '1': 2.0, '2': 0.25}}"


# ---- gradients that are too long -------------------------------------------------------------------------------------
def with_gradients(*gradients):
    params = [Value(0.0, label=f"p{i}") for i in range(len(gradients))]
    for p, g in zip(params, gradients):
        p.grad = g
    return params


# As PyTorch's clip_grad_norm_ does it: what is too long is multiplied by max_norm / (norm + 1e-6).
@pytest.mark.parametrize(
    ("gradients", "max_norm", "norm", "after"),
    [
        ((3.0, 4.0), 1.0, 5.0, [3.0 / 5.000001, 4.0 / 5.000001]),
        ((3.0, -4.0), 2.5, 5.0, [3.0 * 2.5 / 5.000001, -4.0 * 2.5 / 5.000001]),
        ((3.0, 4.0), 0.0, 5.0, [0.0, 0.0]),
        ((3.0, 4.0), 5.0, 5.0, [3.0, 4.0]),
        ((3.0, 4.0), 7.0, 5.0, [3.0, 4.0]),
        ((3.0, 4.0), math.inf, 5.0, [3.0, 4.0]),
        ((0.0, 0.0), 1.0, 0.0, [0.0, 0.0]),
        ((3.0, None, 4.0), 1.0, 5.0, [3.0 / 5.000001, None, 4.0 / 5.000001]),
        ((None, None), 1.0, 0.0, [None, None]),
        ((), 1.0, 0.0, []),
        ((3e200, 4e200), 1.0, 5e200, [0.6, 0.8]),
        ((3e-200, 4e-200), 1e-300, 5e-200, [3e-200 * (1e-300 / 1e-6), 4e-200 * (1e-300 / 1e-6)]),
        ((np.float64(3.0), 4), 1, 5.0, [3.0 / 5.000001, 4.0 / 5.000001]),
    ],
)
def test_gradients_are_clipped_by_their_common_norm(gradients, max_norm, norm, after):
    params = with_gradients(*gradients)
    assert clip_grad_norm(params, max_norm) == close(norm)
    assert [p.grad for p in params] == [x if x is None else close(x) for x in after]
    if norm > max_norm:
        assert {type(p.grad) for p in params} <= {float, type(None)}
    assert [p.data for p in params] == [0.0] * len(params)


def test_they_are_those_of_named_parameters_as_well():
    a, b = with_gradients(3.0, 4.0)
    assert clip_grad_norm(iter([("a", a), ("b", b)]), 1.0) == 5.0
    assert (a.grad, b.grad) == close((0.6 / 1.0000002, 0.8 / 1.0000002))


@pytest.mark.parametrize(
    ("gradients", "error", "words"),
    [
        ((1.0, math.nan), FloatingPointError, "norm of the gradients is nan.*parameter 'p1' is nan"),
        ((1e300, -math.inf), FloatingPointError, "norm of the gradients is inf.*parameter 'p1' is -inf"),
        ((1e300, math.inf, math.nan), FloatingPointError, "norm of the gradients is inf.*parameter 'p1' is inf"),
        ((1.0, 1e308, -1.7e308, 1e308), FloatingPointError, r"norm of the gradients is inf.*'p2' is -1.7e\+308"),
        ((1.0, "2"), TypeError, "the gradient of parameter 'p1' must be one real number.*str '2'"),
    ],
)
def test_a_norm_that_is_no_number_is_an_error_and_changes_nothing(gradients, error, words):
    params = with_gradients(*gradients)
    with pytest.raises(error, match=words):
        clip_grad_norm(params, 1.0)
    assert str([p.grad for p in params]) == str([*gradients])


# ---- gradients that are no numbers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", REFERENCE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_gradient_is_refused_before_anything_changes(kind, bad):
    optimizer = kind(leaves(), lr=0.05)
    descend(optimizer, 3)
    before = [p.data for p in optimizer.params], optimizer.state_dict()
    optimizer.params[2].grad = bad
    with pytest.raises(
        FloatingPointError, match=rf"gradient of parameter 'c' is {bad}.*lower the learning rate .*0\.05"
    ):
        optimizer.step()
    assert ([p.data for p in optimizer.params], optimizer.state_dict()) == before
    optimizer.params[2].grad = 0.5
    optimizer.step()
    assert optimizer.steps == 4


@pytest.mark.parametrize(
    ("optimizer", "gradient"),
    [
        (SGD([Value(0.5), Value(1e308)], lr=100.0), -1e307),
        (SGD([Value(0.5), Value(-1e100)], lr=0.1, weight_decay=1e300), 1.0),
        (AdaGrad([Value(0.5), Value(0.5)]), 1e200),
        (RMSProp([Value(0.5), Value(0.5)]), 1e200),
        (Adam([Value(0.5), Value(0.5)]), 1e200),
    ],
    ids=["parameter", "decay", "AdaGrad", "RMSProp", "Adam"],
)
def test_an_update_that_overflows_is_refused_too(optimizer, gradient):
    optimizer.params[0].grad, optimizer.params[1].grad = 1.0, gradient
    before = [p.data for p in optimizer.params], optimizer.state_dict()
    with pytest.raises(FloatingPointError, match=r"update of parameter 1 is inf.*lower the learning rate"):
        optimizer.step()
    assert ([p.data for p in optimizer.params], optimizer.state_dict()) == before


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ([Value(1.0), Value(2.0)], "parameter 1 "),
        ([Value(1.0, label="a"), Value(2.0, label="b")], "parameter 'b' "),
        ([("u", Value(1.0)), ("layers[0].w", Value(2.0, label="b"))], r"parameter 'layers\[0\]\.w' "),
    ],
)
def test_the_parameter_is_named_by_its_name_its_label_or_its_place(params, name):
    optimizer = SGD(params, lr=0.1)
    optimizer.params[1].grad = math.inf
    with pytest.raises(FloatingPointError, match=name):
        optimizer.step()


@pytest.mark.parametrize("kind", REFERENCE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("bad", ["0.1", [0.1], 1j])
def test_what_is_no_number_is_named_before_anything_changes(kind, bad):
    optimizer = kind(leaves(), lr=0.05)
    before = [p.data for p in optimizer.params], optimizer.state_dict()
    optimizer.params[1].grad = bad
    with pytest.raises(TypeError, match=rf"the gradient of parameter 'b'.*{type(bad).__name__}"):
        optimizer.step()
    optimizer.params[1].grad = 0.0
    assert ([p.data for p in optimizer.params], optimizer.state_dict()) == before
    optimizer.params[2].data = bad
    with pytest.raises(TypeError, match=rf"parameter 'c'.*{type(bad).__name__}"):
        optimizer.step()
    assert [p.data for p in optimizer.params] == [*before[0][:2], bad]


def test_a_number_beyond_all_floats_is_named_too():
    params = leaves()
    params[1].grad = 10**400
    with pytest.raises(OverflowError, match="the gradient of parameter 'b' is too large for a float"):
        SGD(params, lr=0.1).step()
    params[1].grad, params[2].data = 0.0, -(10**400)
    with pytest.raises(OverflowError, match="parameter 'c' is too large for a float"):
        SGD(params, lr=0.1).step()


@pytest.mark.parametrize("error", [TypeError, OverflowError, ZeroDivisionError])
def test_what_an_update_of_your_own_raises_comes_through_and_nothing_is_changed(error):
    class Own(Optimizer):
        def update(self, θ, g, η, state):
            if θ == START[1]:
                raise error("mine")
            return θ - η * g, state

    optimizer = Own(leaves(), lr=0.1)
    for p in optimizer.params:
        p.grad = 1.0
    with pytest.raises(error, match=r"^mine$"):
        optimizer.step()
    assert ([p.data for p in optimizer.params], optimizer.steps) == ([*START], 0)


# ---- other bad input -------------------------------------------------------------------------------------------------
def product():
    a, b, _ = leaves()
    return a * b


def constant_value():
    with no_grad():
        return product()


TWICE = Value(1.0, label="w")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: SGD([], lr=0.1), ValueError, "at least one parameter"),
        (lambda: SGD([Value(1.0), TWICE, TWICE], lr=0.1), ValueError, "'w' is given twice"),
        (lambda: SGD([("a", TWICE), ("b", TWICE)], lr=0.1), ValueError, "'b' is given twice"),
        (lambda: SGD([product()], lr=0.1), ValueError, "parameter 0 is computed, by 'mul'"),
        (lambda: SGD([constant_value()], lr=0.1), ValueError, "parameter 0 is computed, by 'constant'"),
        (lambda: SGD(Value(1.0), lr=0.1), TypeError, r"list of Values.*model.parameters\(\).*not Value"),
        (lambda: SGD(None, lr=0.1), TypeError, "not NoneType"),
        (lambda: SGD([1.0], lr=0.1), TypeError, "parameter 0 must be a Value.*not float"),
        (lambda: SGD([(TWICE,)], lr=0.1), TypeError, "a pair of a name and a Value.*not tuple"),
        (lambda: SGD([("a", "b", TWICE)], lr=0.1), TypeError, "a pair of a name and a Value.*not tuple"),
        (lambda: SGD({"w": TWICE}, lr=0.1), TypeError, "parameter 0 must be a Value.*not str"),
        (lambda: SGD(leaves(), lr=-0.1), ValueError, r"lr must lie in \[0, ∞\), not be -0.1"),
        (lambda: SGD(leaves(), lr=math.inf), ValueError, "lr .* inf"),
        (lambda: SGD(leaves(), lr=math.nan), ValueError, "lr .* nan"),
        (lambda: SGD(leaves(), lr="0.1"), TypeError, "'0.1'"),
        (lambda: SGD(leaves(), lr=lambda t: -1.0).lr, ValueError, "learning rate of update 0 .* -1.0"),
        (lambda: SGD(leaves(), lr=0.1, momentum=1.0), ValueError, r"momentum must lie in \[0, 1\), not be 1.0"),
        (lambda: SGD(leaves(), lr=0.1, momentum=-0.1), ValueError, "momentum .* -0.1"),
        (lambda: SGD(leaves(), lr=0.1, nesterov=True), ValueError, "momentum must be above 0"),
        (lambda: SGD(leaves(), lr=0.1, weight_decay=-1.0), ValueError, "weight_decay .* -1.0"),
        (lambda: AdaGrad(leaves(), eps=0.0), ValueError, r"eps must lie in \(0, ∞\), not be 0.0"),
        (lambda: AdaGrad(leaves(), eps=math.inf), ValueError, r"eps must lie in \(0, ∞\), not be inf"),
        (lambda: RMSProp(leaves(), alpha=1.0), ValueError, "alpha .* 1.0"),
        (lambda: RMSProp(leaves(), eps=-1.0), ValueError, "eps .* -1.0"),
        (lambda: RMSProp(leaves(), momentum=1.5), ValueError, "momentum .* 1.5"),
        (lambda: Adam(leaves(), betas=(1.0, 0.9)), ValueError, r"betas\[0\] .* 1.0"),
        (lambda: Adam(leaves(), betas=(0.9, -0.1)), ValueError, r"betas\[1\] .* -0.1"),
        (lambda: Adam(leaves(), betas=(0.9,)), ValueError, r"betas must be two numbers.*not \(0\.9,\)"),
        (lambda: Adam(leaves(), betas=[0.9] * 3), ValueError, r"betas must be two numbers.*not \[0\.9, 0\.9, 0\.9\]"),
        (lambda: Adam(leaves(), betas=0.9), ValueError, r"betas must be two numbers.*not 0\.9"),
        (lambda: Adam(leaves(), eps=math.nan), ValueError, "eps .* nan"),
        (lambda: AdamW(leaves(), weight_decay=math.inf), ValueError, "weight_decay .* inf"),
        (lambda: clip_grad_norm(leaves(), -1.0), ValueError, r"max_norm must lie in \[0, ∞\], not be -1.0"),
        (lambda: clip_grad_norm(leaves(), math.nan), ValueError, "max_norm .* nan"),
        (lambda: clip_grad_norm(leaves(), None), TypeError, "max_norm must be one real number.*NoneType"),
        (lambda: clip_grad_norm(Value(1.0), 1.0), TypeError, r"list of Values.*model.parameters\(\).*not Value"),
        (lambda: clip_grad_norm([product()], 1.0), ValueError, "parameter 0 is computed, by 'mul'"),
        (lambda: clip_grad_norm([TWICE, TWICE], 1.0), ValueError, "'w' is given twice"),
        (lambda: by_name("newton"), ValueError, "'newton': choose from sgd, adagrad, rmsprop, adam, adamw"),
        (lambda: optim.constant(-1.0), ValueError, "lr .* -1.0"),
        (lambda: optim.step_decay(0.1, every=0), ValueError, "every .* not 0"),
        (lambda: optim.step_decay(0.1, every=3, factor=0.0), ValueError, r"factor .* \(0, ∞\), not be 0.0"),
        (lambda: optim.exponential(0.1, factor=math.nan), ValueError, "factor .* nan"),
        (lambda: optim.cosine(0.1, steps=0), ValueError, "steps .* not 0"),
        (lambda: optim.linear(0.1, steps=0), ValueError, "steps .* not 0"),
        (lambda: optim.cosine(0.1, steps=2.5), TypeError, "steps must be an int, not float '2.5'"),
        (lambda: optim.cosine(0.1, steps=3, minimum=-0.1), ValueError, "minimum .* -0.1"),
        (lambda: optim.linear(0.1, steps=3, end=-0.1), ValueError, "end .* -0.1"),
        (lambda: optim.warmup(0.1, steps=0), ValueError, "steps .* not 0"),
        (lambda: optim.warmup(0.1, steps=3, start_factor=0.0), ValueError, r"start_factor .* \(0, 1\], not be 0.0"),
        (lambda: optim.warmup(0.1, steps=3, start_factor=-0.5), ValueError, r"start_factor .* not be -0.5"),
        (lambda: optim.warmup(0.1, steps=3, start_factor=1.5), ValueError, r"start_factor .* not be 1.5"),
        (lambda: Optimizer(leaves(), 0.1).step(), NotImplementedError, "Optimizer must define update"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_every_optimizer_is_found_by_its_name():
    assert {name: by_name(name) for name in OPTIMIZERS} == {kind.__name__.lower(): kind for kind in REFERENCE}
