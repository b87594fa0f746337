"""`fit(..., compile=True)` beside a run on Values, where a program could freeze what changes: right, or an error."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from profiles import sample

from tinygrad_edu import data, dot, exp, log, losses, maximum, mean, nn, no_grad, optim, sin, softmax, take, tanh
from tinygrad_edu.compiler import RecordingError, training
from tinygrad_edu.engine import Value
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train import DivergenceError, History, fit
from tinygrad_edu.train.checkpoint import read_lines

X, LABELS = data.moons(13, noise=0.1, seed=3)
CURVE = [x * x - y for x, y in X]


class Run:
    """All that a run is made of: made twice, run on Values and compiled, it has to end in the same state."""

    X: Any = X
    y: Any = CURVE
    loss: Any = staticmethod(losses.mse)  # a method would reach all of this, which changes at each step
    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.model: Any = self.make_model()
        self.optimizer = self.make_optimizer()
        self.seen: list[Any] = []

    def make_model(self) -> Any:
        return nn.MLP(2, [4, 1], activation="tanh", rng=random.Random(5))

    def make_optimizer(self) -> Optimizer:
        return optim.SGD(self.model.named_parameters(), lr=0.05, momentum=0.5)

    def callback(self, history: History) -> None:
        """After each epoch."""

    def look(self, history: History) -> None:
        """What somebody sees who looks: numbers, gradients, the optimizer's state."""
        state = self.optimizer.state_dict()
        numbers = [x for buffer in state["buffers"].values() for x in buffer.values()]
        self.seen.append([state["steps"], *numbers, *[x for p in self.all() for x in (p.data, p.grad)]])

    def all(self) -> list[Value]:
        return list(
            dict.fromkeys(
                [*self.optimizer.params, *(self.model.parameters() if hasattr(self.model, "parameters") else [])]
            )
        )

    def fit(self, compile: bool) -> History:  # noqa: A002
        random.seed(11)
        np.random.seed(11)
        settings = {"epochs": 6, "batch_size": 5, "validation": (self.X[:5], self.y[:5]), **self.settings}
        callbacks = [self.callback, self.look]
        history = fit(
            self.model,
            self.X,
            self.y,
            loss=self.loss,
            optimizer=self.optimizer,
            callbacks=callbacks,
            compile=compile,
            **settings,
        )
        self.look(history)
        return history


def assert_same(kind: Callable[[], Run]) -> tuple[Run, Run]:
    eager, compiled = kind(), kind()
    a, b = eager.fit(False), compiled.fit(True)
    assert b.loss == pytest.approx(a.loss, rel=1e-9, abs=1e-12)
    assert b.validation == pytest.approx(a.validation, rel=1e-9, abs=1e-12)
    assert (a.updates, a.stopped) == (b.updates, b.stopped)
    assert len(eager.seen) == len(compiled.seen)
    for here, there in zip(eager.seen, compiled.seen):
        assert there == pytest.approx(here, rel=1e-8, abs=1e-10)
    return eager, compiled


def case(base: type[Run] = Run, **attributes: Any) -> type[Run]:
    return type("Case", (base,), attributes)


@pytest.fixture
def eagerly(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a batch was computed on Values as a whole."""
    calls: list[int] = []
    before = training.ArrayTraining._eager

    def eager(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        return before(self, *arguments)

    monkeypatch.setattr(training.ArrayTraining, "_eager", eager)
    return calls


# ---- any loss --------------------------------------------------------------------------------------------------------
def errors(predictions: Sequence[Any], targets: Sequence[Any]) -> list[Any]:
    return [p - t for p, t in zip(predictions, targets)]


def rmse(predictions: Any, targets: Any, *, reduction: str = "mean") -> Any:
    return losses.mse(predictions, targets) ** 0.5


def largest(predictions: Any, targets: Any, *, reduction: str = "sum") -> Any:
    return maximum(*[e * e for e in errors(predictions, targets)], 0.0)


def log_mse(predictions: Any, targets: Any, reduction: str = "mean") -> Any:
    return log(1.0 + losses.mse(predictions, targets))


def variance(predictions: Any, targets: Any) -> Any:
    e = errors(predictions, targets)
    middle = mean(e)
    return mean([(x - middle) ** 2 for x in e])


def r2_like(predictions: Any, targets: Any) -> Any:
    return losses.sse(predictions, targets) / (1.0 + dot(predictions, predictions))


def soft(predictions: Any, targets: Any) -> Any:
    return dot(softmax([e * e for e in errors(predictions, targets)]), [1.0 * i for i in range(len(targets))])


def chained(predictions: Any, targets: Any) -> Any:
    """A recurrence over the samples."""
    state: Any = 0.0
    for e in errors(predictions, targets):
        state = tanh(0.9 * state + e * e)
    return state


def of_neighbours(predictions: Any, targets: Any) -> Any:
    smooth = sum(((a - b) ** 2 for a, b in itertools.pairwise(predictions)), start=0.0 * predictions[0])
    return losses.sse(predictions, targets) + 0.1 * smooth


def first_only(predictions: Any, targets: Any) -> Any:
    return (predictions[0] - targets[0]) ** 2 + 0.0 * predictions[-1]


def detached(predictions: Any, targets: Any) -> Any:
    top = maximum(*predictions, 0.0).detach()
    return mean([exp(p - top) * (p - t) ** 2 for p, t in zip(predictions, targets)])


def branching(predictions: Any, targets: Any) -> Any:
    return mean([e * e if e.data > 0 else 3.0 * e * e for e in errors(predictions, targets)])


def sorting(predictions: Any, targets: Any) -> Any:
    """The worst half of the errors."""
    worst = sorted([e * e for e in errors(predictions, targets)], key=lambda e: -e.data)
    return mean(worst[: (len(worst) + 1) // 2])


def counting(predictions: Any, targets: Any) -> Any:
    return losses.mse(predictions, targets) * (1.0 + len(predictions))


ANY_LOSS = [
    rmse,
    largest,
    log_mse,
    variance,
    r2_like,
    soft,
    chained,
    of_neighbours,
    first_only,
    detached,
    branching,
    sorting,
    counting,
]


@pytest.mark.parametrize(
    ("loss", "batch_size"),
    sample([*itertools.product(ANY_LOSS, [None, 5, 1])], 16),
    ids=lambda x: getattr(x, "__name__", str(x)),
)
def test_any_loss_as_it_is_written(loss: Any, batch_size: int | None, eagerly: list[int]) -> None:
    assert_same(case(loss=staticmethod(loss), settings={"batch_size": batch_size, "epochs": 3, "shuffle": True}))
    assert not eagerly


@pytest.mark.parametrize("loss", [rmse, variance, branching], ids=lambda f: f.__name__)
def test_of_more_predictions_than_are_traced(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_TRACED", 7)
    assert_same(case(loss=staticmethod(loss), settings={"batch_size": 10}))


def test_predictions_of_any_kind() -> None:
    class Pair(NamedTuple):
        mean: Any
        others: Any

    class Model(nn.Module):
        def __init__(self) -> None:
            self.w = np.array([Value(0.5), Value(-0.25)])
            self.b = Value(0.1)

        def __call__(self, x: Any) -> Any:
            y = self.w * np.array(x, dtype=object)
            return {"pair": Pair(y @ y, (y, 2.0)), "name": "prediction", "bias": [self.b]}

    def loss(predictions: Any, targets: Any) -> Any:
        assert {p["name"] for p in predictions} == {"prediction"}
        terms = []
        for p, t in zip(predictions, targets):
            y, two = p["pair"].others
            terms.append((p["pair"].mean - t) ** 2 + (y * two).sum() ** 2 + (y @ y) + p["bias"][0] ** 2)
        return mean(terms)

    assert_same(case(make_model=lambda self: Model(), loss=staticmethod(loss)))


def test_a_loss_that_uses_parameters_of_the_model_and_others() -> None:
    class Case(Run):
        of_errors = staticmethod(losses.mse)

        def make_optimizer(self) -> Optimizer:
            scale, parameters, of_errors = Value(0.5), self.model.parameters(), self.of_errors

            def loss(predictions: Any, targets: Any) -> Any:
                return of_errors([scale * p for p in predictions], targets) + 0.01 * dot(parameters, parameters)

            self.loss = loss
            return optim.SGD([*parameters, scale], lr=0.1, momentum=0.5)

    assert_same(Case)
    assert_same(case(Case, of_errors=staticmethod(branching)))  # on Values, where it needs the numbers of now


def test_parameters_that_the_optimizer_does_not_move_collect_their_gradients() -> None:
    class Case(Run):
        def make_optimizer(self) -> Optimizer:
            return optim.SGD(self.model.layers[1].parameters(), lr=0.1)

    assert_same(Case)
    assert_same(case(Case, loss=staticmethod(branching)))


def test_a_loss_that_gives_no_value() -> None:
    for compile in (False, True):
        run = case(loss=lambda self, p, t: 1.0)()
        with pytest.raises(TypeError, match="one Value of the model's parameters, not float"):
            run.fit(compile)


# ---- what changes from epoch to epoch --------------------------------------------------------------------------------
SCALE = {"of a global": 1.0}


class Scaled(nn.Module):
    slope = 1.0  # of the class

    def __init__(self) -> None:
        self.w, self.b = Value(0.5), Value(0.1)
        self.factor, self.shift = 1.0, np.array([0.5, 0.25])
        self.uses = "plain"
        self.inner = SimpleNamespace(scale=1.0)

    def __call__(self, x: Any) -> Any:
        y = self.factor * self.w * x[0] * self.slope + self.b * self.shift[0] + SCALE["of a global"] * self.w * x[1]
        return sin(y) * self.inner.scale if self.uses == "sin" else y * self.inner.scale


def changes(name: str) -> Callable[[Any, History], None]:
    def callback(self: Any, history: History) -> None:
        model, t = self.model, history.epochs
        if name == "factor":
            model.factor = 1.0 / t
        elif name == "array":
            model.shift[0] = 0.1 * t
        elif name == "class":
            Scaled.slope = 1.0 + t % 2
        elif name == "global":
            SCALE["of a global"] = 1.0 + t % 3
        elif name == "way":
            model.uses = "sin" if t % 2 else "plain"
        elif name == "inner":
            model.inner.scale = 1.0 / t
        elif name == "number":
            model.w.data = 0.3 * t
        elif name == "parameter":
            model.b = Value(0.2 * t)
        elif name == "tied":
            model.b = model.w
        elif name == "lr":
            self.optimizer.lr = 0.1 / t
        elif name == "momentum":
            self.optimizer.momentum = 0.9
        elif name == "state":
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"steps": 3 * t})
        elif name == "method":
            model.__class__ = Other

    return callback


class Other(Scaled):
    def __call__(self, x: Any) -> Any:
        return self.w * x[0] + self.b * x[1]


NAMES = "nothing factor array class global way inner number parameter tied lr momentum state method".split()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_callback_changes_is_followed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_model(self: Run) -> Any:
        Scaled.slope, SCALE["of a global"] = 1.0, 1.0
        return Scaled()

    assert_same(case(make_model=make_model, callback=changes(name)))


def test_what_a_callback_changes_in_the_loss_is_followed() -> None:
    class Weighted:
        weight = 1.0

        def __call__(self, predictions: Any, targets: Any) -> Any:
            return self.weight * losses.mse(predictions, targets)

    class Case(Run):
        def __init__(self) -> None:
            super().__init__()
            self.loss = Weighted()

        def callback(self, history: History) -> None:
            self.loss.weight = 1.0 / history.epochs

    assert_same(Case)

    def make() -> Run:
        weight = 1.0

        def loss(predictions: Any, targets: Any) -> Any:
            return weight * losses.mse(predictions, targets)

        def callback(history: History) -> None:
            nonlocal weight
            weight *= 0.5

        run = Run()
        run.loss, run.callback = loss, callback  # type: ignore[method-assign]
        return run

    assert_same(make)


def test_a_neuron_that_is_made_linear() -> None:
    def callback(self: Any, history: History) -> None:
        self.model.layers[0].neurons[history.epochs % 4].nonlin = False

    assert_same(case(callback=callback))


def test_a_layer_that_is_appended_in_the_middle_of_a_run() -> None:
    def callback(self: Any, history: History) -> None:
        if history.epochs == 3:
            self.model.layers.append(nn.Layer(1, 1, nonlin=False, rng=random.Random(1)))

    def moved_too(self: Any, history: History) -> None:
        callback(self, history)
        if history.epochs == 3:
            new = self.model.layers[-1].parameters()
            self.optimizer.params += new
            self.optimizer._names += [p.label for p in new]
            self.optimizer.states += [(0.0,)] * len(new)

    assert_same(case(callback=callback))
    assert_same(case(callback=moved_too))


def test_data_that_a_callback_changes() -> None:
    class Case(Run):
        def __init__(self) -> None:
            super().__init__()
            self.X, self.y = [list(x) for x in X], np.array(CURVE)

        def callback(self, history: History) -> None:
            self.X[3][0] += 0.5
            self.X[4] = [0.25, history.epochs]
            self.y[7] = -history.epochs
            if history.epochs == 2:
                self.X.append([1.0, 1.0])
                self.y = np.append(self.y, 2.0)

    class Grows(Case):
        def __init__(self) -> None:
            super().__init__()
            self.y = CURVE.copy()

        def callback(self, history: History) -> None:
            self.X.append([1.0, 0.1 * history.epochs])
            self.y.append(2.0)

    class SameLength(Case):
        def callback(self, history: History) -> None:
            self.X[3][0] += 0.5
            self.X[4] = [0.25, history.epochs]
            self.y[7] = -history.epochs

    assert_same(SameLength)
    assert_same(Grows)


class Augmented(Sequence[Any]):
    """Another sample each time, as an augmentation gives it; and it looks at the model meanwhile."""

    def __init__(self, rows: Any, model: Any = None) -> None:
        self.rows, self.rng, self.model, self.sums = rows, random.Random(2), model, list[float]()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return self.rows[i]
        if self.model is not None:
            self.sums.append(sum(p.data for p in self.model.parameters()))
        return [x + self.rng.gauss(0.0, 0.1) for x in self.rows[i]]


def test_samples_that_are_made_when_they_are_asked_for() -> None:
    class Case(Run):
        def __init__(self) -> None:
            super().__init__()
            self.X = Augmented(X, self.model)

    eager, compiled = assert_same(Case)
    assert compiled.X.sums == pytest.approx(eager.X.sums)


def test_a_schedule_that_looks() -> None:
    class Case(Run):
        def make_optimizer(self) -> Optimizer:
            parameters = self.model.parameters()
            return optim.SGD(
                parameters, lambda t: 0.01 + 0.01 * abs(parameters[0].data) + 0.001 * parameters[1].grad ** 2
            )

    assert_same(Case)


def test_a_schedule_that_changes_the_model() -> None:
    class Case(Run):
        make_model = lambda self: Scaled()  # noqa: E731

        def make_optimizer(self) -> Optimizer:
            def schedule(t: int) -> float:
                self.model.factor = 1.0 / (1 + t)
                return 0.05

            return optim.SGD(self.model.parameters(), schedule)

    assert_same(Case)


# ---- what changes from call to call ----------------------------------------------------------------------------------
FEW = {"epochs": 3}  # where the programs are made anew at each step


class Noisy(nn.Module):
    """Draws in one of many ways."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.w, self.b, self.draw = Value(0.5), Value(0.1), draw

    def __call__(self, x: Any) -> Any:
        keep = self.draw() < 2.0  # nearly always, or always: two traces may agree
        return self.w * x[0] + (self.b if keep else 0.0)


def sources() -> dict[str, Callable[[], float]]:
    own, generator, state = random.Random(1), np.random.default_rng(1), np.random.RandomState(1)
    held = SimpleNamespace(rng=random.Random(3), numbers=iter([0.1, 0.2] * 10_000), cycle=itertools.cycle([0.1, 0.2]))
    counter = itertools.count()
    return {
        "random": random.random,
        "lambda": lambda: random.gauss(0.0, 0.1),
        "random.Random": own.random,
        "closure": lambda: own.uniform(0.0, 1.0),
        "held": lambda: held.rng.random(),
        "numpy": lambda: np.random.rand(),
        "generator": lambda: generator.normal() * 0.1,
        "method": generator.random,
        "state": lambda: state.normal() * 0.1,
        "iterator": lambda: next(held.numbers),
        "cycle": lambda: next(held.cycle),
        "count": lambda: next(counter) * 1e-9,
        "generator function": drawn().__next__,
    }


def drawn() -> Iterator[float]:
    while True:
        yield 0.5


@pytest.mark.parametrize("name", sources())
def test_a_model_that_draws_is_an_error(name: str) -> None:
    for _ in range(3):  # not by luck
        run = case(make_model=lambda self: Noisy(sources()[name]))()
        with pytest.raises(RecordingError, match="replay"):
            run.fit(True)


@pytest.mark.parametrize("name", sample([*sources()], 6))
def test_a_loss_that_draws_is_computed_on_values(name: str) -> None:
    def make() -> Run:
        draw = sources()[name]

        def loss(predictions: Any, targets: Any) -> Any:
            return losses.mse(predictions, targets) * (1.0 + draw())

        run = case(settings=FEW)()
        run.loss = loss
        return run

    if name in ("iterator", "cycle", "count"):  # tracing has taken some, and cannot give them back
        make().fit(True)
        return
    assert_same(make)


class Counts(Scaled):
    def __call__(self, x: Any) -> Any:
        self.factor += 1e-3
        return super().__call__(x)


class Keeps(Scaled):
    def __call__(self, x: Any) -> Any:
        self.last = super().__call__(x)
        return self.last


class Setup(Scaled):
    """Sets something up when it is called for the first time."""

    ready = False

    def __call__(self, x: Any) -> Any:
        if not self.ready:
            self.table, self.ready = [2.0, 3.0], True
        return super().__call__(x) * self.table[0]


class CountsInVain(Scaled):
    """What it counts is not in what it computes, yet."""

    calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return super().__call__(x) * (1.0 if self.calls < 1_000_000 else 2.0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Counts, "Counts computes something else when it is called again"),
        (CountsInVain, r"CountsInVain\.calls changes each time CountsInVain is called"),
        (Keeps, r"Keeps\.last changes each time Keeps is called"),
    ],
)
def test_a_model_that_keeps_something_from_call_to_call_is_an_error(model: Any, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        case(make_model=lambda self: model())().fit(True)


def test_a_model_that_sets_something_up_once_is_not() -> None:
    assert_same(case(make_model=lambda self: Setup()))


def test_a_loss_that_counts_its_calls_is_computed_on_values() -> None:
    """It is called more often, while it is traced: twice as it is, and twice more to see whether that was all."""

    class Case(Run):
        calls, settings = 0, FEW

        def loss(self, predictions: Any, targets: Any) -> Any:
            self.calls += 1
            return losses.mse(predictions, targets) * (2.0 if self.calls < 0 else 1.0)

    assert_same(Case)


def test_a_loss_that_follows_the_optimizer_is_computed_on_values() -> None:
    class Case(Run):
        settings = FEW

        def loss(self, predictions: Any, targets: Any) -> Any:
            return losses.mse(predictions, targets) / (1.0 + self.optimizer.steps)

    class Rate(Run):
        settings = FEW

        def make_optimizer(self) -> Optimizer:
            return optim.SGD(self.model.parameters(), optim.exponential(0.1, factor=0.9))

        def loss(self, predictions: Any, targets: Any) -> Any:
            return losses.mse(predictions, targets) * self.optimizer.lr

    assert_same(Case)
    assert_same(Rate)


def test_a_model_that_follows_the_optimizer_is_an_error() -> None:
    class Case(Run):
        def make_model(self) -> Any:
            self.w = Value(0.5)
            return lambda x: self.w * x[0] / (1 + self.optimizer.steps)

        def make_optimizer(self) -> Optimizer:
            return optim.SGD([self.w], lr=0.1)

    with pytest.raises(RecordingError, match="looks at the optimizer"):
        Case().fit(True)


# ---- who looks, and when ---------------------------------------------------------------------------------------------
def test_a_loss_on_values_sees_the_parameters_of_now() -> None:
    class Case(Run):
        def loss(self, predictions: Any, targets: Any) -> Any:
            self.seen.append([p.data for p in self.model.parameters()])
            return branching(predictions, targets) + 0.1 * abs(self.model.parameters()[0].data)

    eager, compiled = Case(), Case()
    eager.fit(False), compiled.fit(True)
    assert compiled.seen[-1] == pytest.approx(eager.seen[-1])
    assert compiled.seen[-9] == pytest.approx(eager.seen[-9])


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_leaves_the_numbers_of_the_moment(error: BaseException) -> None:
    class InCallback(Run):
        def callback(self, history: History) -> None:
            if history.epochs == 2:
                raise error

    class InLoss(Run):
        calls = 0

        def loss(self, predictions: Any, targets: Any) -> Any:
            if len(predictions) == 3 and self.optimizer.steps > 4:
                raise error
            return branching(predictions, targets)

    class InData(Run):
        def __init__(self) -> None:
            super().__init__()

            class Samples(Augmented):
                def __getitem__(inner, i: Any) -> Any:  # noqa: N805
                    if i == 12 and self.optimizer.steps > 4:
                        raise error
                    return super().__getitem__(i)

            self.X = Samples(X)

    for kind in (InCallback, InLoss, InData):
        ends = []
        for compile in (False, True):
            run = kind()
            with pytest.raises(type(error)):
                run.fit(compile)
            run.look(History())
            ends.append(run.seen[-1])
        assert ends[1] == pytest.approx(ends[0], rel=1e-9)
        assert ends[1][0] > 4


def test_a_divergence_leaves_the_numbers_of_the_moment() -> None:
    class Case(Run):
        def make_optimizer(self) -> Optimizer:
            return optim.SGD(self.model.parameters(), lr=lambda t: 0.1 if t < 12 else 1e200)

    ends = []
    for compile in (False, True):
        run = Case()
        with pytest.raises(DivergenceError) as error:
            run.fit(compile)
        run.look(History())
        ends.append((run.seen[-1], str(error.value)))
    assert ends[1][0] == pytest.approx(ends[0][0], rel=1e-8)
    assert ends[1][1][:40] == ends[0][1][:40]


def test_parameters_that_are_recorded_and_saved(tmp_path: Any) -> None:
    runs = []
    for compile in (False, True):
        run = Run()
        history = fit(
            run.model,
            X,
            CURVE,
            optimizer=run.optimizer,
            epochs=5,
            batch_size=4,
            record_parameters=True,
            compile=compile,
            checkpoint=tmp_path / f"{compile}.json",
        )
        runs.append(history.parameters)
    assert runs[0].keys() == runs[1].keys()
    for name, path in runs[0].items():
        assert runs[1][name] == pytest.approx(path, rel=1e-9)
    states = [read_lines(tmp_path / f"{compile}.json")[1][-1] for compile in (False, True)]
    eager, compiled = [state["optimizer"]["buffers"]["v"] for state in states]
    assert compiled == pytest.approx(eager, rel=1e-8)


# ---- optimizers ------------------------------------------------------------------------------------------------------
class Own(Optimizer):
    buffers = ("m",)

    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        m = 0.9 * state[0] + g
        return θ - η * m / (1.0 + abs(m)), (m,)


class Signs(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return (θ - η if g > 0 else θ + η), state


class Langevin(Optimizer):
    def update(self, θ: Any, g: Any, η: float, state: Any) -> Any:
        return θ - η * g + random.gauss(0.0, 1e-3), state


class Clips(optim.SGD):
    def step(self) -> None:
        optim.clip_grad_norm(self.params, 0.1)
        super().step()


@pytest.mark.parametrize("kind", [*optim.OPTIMIZERS.values(), Own, Signs, Langevin, Clips])
def test_every_optimizer(kind: Any) -> None:
    assert_same(case(make_optimizer=lambda self: kind(self.model.named_parameters(), lr=0.02)))


# ---- samples and targets ---------------------------------------------------------------------------------------------
class Embedding(nn.Module):
    """A sample is a token, chosen from a table, and a number."""

    def __init__(self) -> None:
        rng = random.Random(4)
        self.table = [[Value(rng.uniform(-1, 1)) for _ in range(3)] for _ in range(5)]
        self.out = nn.Linear(4, rng=rng)

    def __call__(self, x: Any) -> Any:
        token, number = x
        return self.out([*take(self.table, token), number])


class Indexed(Embedding):
    def __call__(self, x: Any) -> Any:
        return self.out([*self.table[x[0]], x[1]])


TOKENS = [[i % 5, 0.1 * i] for i in range(13)]


def test_tokens_choose_by_take() -> None:
    assert_same(case(make_model=lambda self: Embedding(), X=TOKENS))


def test_tokens_that_index_a_list_are_an_error() -> None:
    with pytest.raises(RecordingError, match=r"uses x\[0\], an int.*take\(table, i\)"):
        case(make_model=lambda self: Indexed(), X=TOKENS)().fit(True)


@pytest.mark.parametrize("name", ["bce_with_logits", "hinge", "cross_entropy"])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_labels(name: str, batch_size: int | None) -> None:
    targets = {"hinge": [2 * int(t) - 1 for t in LABELS]}.get(name, [int(t) for t in LABELS])
    model = nn.MLP(2, [3, 2 if name == "cross_entropy" else 1], rng=random.Random(2))
    assert_same(
        case(
            make_model=lambda self: nn.MLP(2, [3, len(model.layers[1].neurons)], rng=random.Random(2)),
            loss=staticmethod(losses.by_name(name)),
            y=targets,
            settings={"batch_size": batch_size},
        )
    )


def test_targets_that_are_no_numbers() -> None:
    def loss(predictions: Any, targets: Any) -> Any:
        return mean([(p - {"low": 0.0, "high": 1.0}[t]) ** 2 for p, t in zip(predictions, targets)])

    assert_same(case(loss=staticmethod(loss), y=["low" if t < 0.5 else "high" for t in LABELS]))


def test_targets_of_a_structure() -> None:
    def loss(predictions: Any, targets: Any) -> Any:
        return mean([(p - t[0]) ** 2 * t[1][0] for p, t in zip(predictions, targets)])

    y = [(t, [1.0 + 0.02 * i]) for i, t in enumerate(CURVE)]
    assert_same(case(loss=staticmethod(loss), y=y))


def test_targets_that_are_values() -> None:
    class Case(Run):
        def __init__(self) -> None:
            super().__init__()
            self.y = [Value(t) for t in CURVE]

        def all(self) -> list[Value]:
            return [*super().all(), *self.y]

    assert_same(Case)


def test_two_models_that_compare_equal_are_two() -> None:
    @dataclass
    class Line(nn.Module):
        factor: float
        w: list[Value] = field(default_factory=lambda: [Value(0.5)], compare=False)

        def __call__(self, x: Any) -> Any:
            return self.w[0] * x[0] * self.factor

    @dataclass(eq=False)
    class Both(nn.Module):
        lines: list[Any]

        def __call__(self, x: Any) -> Any:
            return self.lines[0](x) + 2.0 * self.lines[1](x)

    def callback(self: Any, history: History) -> None:
        self.model.lines.reverse()

    lines = lambda self: Both([Line(1.0), Line(1.0, [Value(0.25)])])  # noqa: E731
    assert_same(case(make_model=lines, callback=callback))


def test_no_grad_and_detach_in_the_model() -> None:
    class Model(Scaled):
        def __call__(self, x: Any) -> Any:
            with no_grad():
                frozen = self.b * x[0]
            return super().__call__(x) + frozen + (self.w * x[1]).detach()

    assert_same(case(make_model=lambda self: Model()))


def test_a_function_as_a_model() -> None:
    class Case(Run):
        def make_model(self) -> Any:
            w, b = Value(0.5), Value(0.0)
            self.parameters = [w, b]
            return lambda x: w * x[0] + b * x[1] ** 2

        def make_optimizer(self) -> Optimizer:
            return optim.RMSProp(self.parameters, lr=0.01)

    assert_same(Case)


def test_numbers_that_flow_over_where_the_engine_does_not_mind() -> None:
    """A product that is infinite and then does not matter."""

    class Model(Scaled):
        def __call__(self, x: Any) -> Any:
            huge = (self.w * x[0] * 1e200) * 1e200
            return self.w * x[1] + (1.0 / (1.0 + huge * huge)).detach()

    assert_same(case(make_model=lambda self: Model()))


def test_an_infinite_slope_is_told() -> None:
    class Model(Scaled):
        def __call__(self, x: Any) -> Any:
            return (self.w * x[0]).abs().sqrt() + self.b

    samples = [[1.0, 1.0]] * 10 + [[0.0, 1.0]] + [[1.0, 1.0]] * 2
    messages = []
    for compile in (False, True):
        with pytest.raises(ZeroDivisionError) as error:
            case(make_model=lambda self: Model(), X=samples)().fit(compile)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
