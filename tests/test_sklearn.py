"""The estimators for scikit-learn: they pass all that it checks, and train with any of our losses and Modules."""

import pickle
import random
import warnings
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from profiles import sample
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_blobs, make_regression
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tinygrad_edu as tg
from tinygrad_edu import Value, losses, nn, optim
from tinygrad_edu.sklearn import TinyClassifier, TinyRegressor

QUICK: dict[str, Any] = {"epochs": 10, "lr": 0.1, "random_state": 0}


def blobs(classes: int) -> tuple[Any, Any]:
    X, y = make_blobs(90, centers=classes, n_features=2, cluster_std=0.6, random_state=1)
    return StandardScaler().fit_transform(X), np.array([*"abcd"])[y]


def lines() -> tuple[Any, Any]:
    return make_regression(80, 3, noise=0.1, random_state=0)


def small_network(inputs: int, outputs: int, rng: random.Random) -> nn.Module:
    return nn.MLP(inputs, [4, outputs], activation="tanh", rng=rng)


ESTIMATORS = {
    "regressor": TinyRegressor(epochs=10, lr=0.1),
    "classifier": TinyClassifier(epochs=10, lr=0.1),
    "regressor with patience and a Module": TinyRegressor(
        epochs=20, lr=0.05, module=small_network, loss="huber", patience=5, validation_fraction=0.3
    ),
}


@pytest.mark.parametrize("name", sample([*ESTIMATORS], 1))
def test_scikit_learns_own_checks_pass(name: str) -> None:
    """All of them: one is skipped by scikit-learn itself, unless SCIPY_ARRAY_API is set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(ESTIMATORS[name], on_fail=None)
    found = {result["check_name"]: result["status"] for result in results}
    assert len(found) > 45
    assert {name for name, status in found.items() if status != "passed"} <= {"check_array_api_input"}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", [*losses.LOSSES, losses.hinge, partial(losses.huber, delta=0.5)])
def test_a_classifier_learns_with_any_loss(loss: Any, classes: int) -> None:
    X, y = blobs(classes)
    model = TinyClassifier(loss=loss, **QUICK).fit(X, y)
    answers, scores = model.predict(X), model.decision_function(X)
    assert (answers == y).mean() > 0.95
    if classes == 2:
        assert [*answers] == [*model.classes_[(scores > 0).astype(int)]]
    else:
        assert [*answers] == [*model.classes_[scores.argmax(axis=1)]]
    has_probabilities = loss in ("cross_entropy", "bce", "bce_with_logits")
    assert hasattr(model, "predict_proba") == has_probabilities
    if has_probabilities:
        p = model.predict_proba(X)
        assert p.shape == (90, classes)
        np.testing.assert_allclose(p.sum(axis=1), 1.0)
        assert [*answers] == [*model.classes_[p.argmax(axis=1)]]


def test_probabilities_are_those_of_the_loss() -> None:
    X, y = blobs(2)
    model = TinyClassifier(hidden=(), loss="bce_with_logits", **QUICK).fit(X, y)
    expected = [tg.sigmoid(model.module_(x).data) for x in X]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected)
    model = TinyClassifier(**QUICK).fit(X, y)
    expected = [tg.softmax([v.data for v in model.module_(x)]) for x in X]
    np.testing.assert_allclose(model.predict_proba(X), expected)
    model = TinyClassifier(loss="bce", **QUICK).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], [model.module_(x).data for x in X])
    assert model.predict_proba(1e6 * X).max() <= 1.0


@pytest.mark.parametrize("loss", ["mse", "sse", "half_mse", "mae", "huber", losses.mse, lambda p, t: losses.mse(p, t)])
def test_a_regressor_learns_with_any_loss(loss: Any) -> None:
    X, y = lines()
    model = TinyRegressor(hidden=(), loss=loss, epochs=40, lr=0.1, random_state=0).fit(X, y / 50.0)
    assert model.score(X, y / 50.0) > 0.99


def test_a_linear_model_finds_the_coefficients_of_least_squares() -> None:
    X, y = lines()
    model = TinyRegressor(hidden=(), optimizer="sgd", lr=0.1, batch_size=None, epochs=300).fit(X, y)
    expected = LinearRegression().fit(X, y)
    neuron = model.module_.layers[0].neurons[0]
    np.testing.assert_allclose([w.data for w in neuron.w], expected.coef_, rtol=1e-6)


def test_targets_of_several_numbers() -> None:
    X, y = lines()
    Y = np.column_stack([y / 50.0, -y / 50.0])
    model = TinyRegressor(**QUICK).fit(X, Y)
    assert model.predict(X).shape == (80, 2)
    assert model.score(X, Y) > 0.9
    assert TinyRegressor(**QUICK).fit(X, Y[:, :1]).predict(X).shape == (80, 1)


@pytest.mark.parametrize(
    ("activation", "optimizer"),
    sample([*product(["tanh", tg.silu, Value.relu], ["adam", optim.RMSProp, partial(optim.SGD, momentum=0.9)])], 4),
)
def test_activations_and_optimizers_by_name_or_function(activation: Any, optimizer: Any) -> None:
    X, y = blobs(2)
    model = TinyClassifier(hidden=[4], activation=activation, optimizer=optimizer, **QUICK)
    assert model.fit(X, y).score(X, y) > 0.95
    assert len(model.module_.layers) == 2


def test_a_module_of_the_users_is_copied_and_goes_on_from_its_numbers() -> None:
    X, y = lines()
    mine = nn.Sequential(nn.Linear(3, 4, rng=random.Random(0)), tg.tanh, nn.Linear(4, 1, rng=random.Random(1)))
    before = mine.state_dict()
    model = TinyRegressor(module=mine, **QUICK).fit(X, y / 50.0)
    assert mine.state_dict() == before
    assert model.module_.state_dict() != before
    assert TinyRegressor(module=mine, epochs=0).fit(X, y).module_.state_dict() == before
    assert clone(model).get_params()["module"].state_dict() == before


class Branching(nn.Module):
    def __init__(self, inputs: int, outputs: int, rng: random.Random) -> None:
        self.layer = nn.Linear(inputs, outputs, rng=rng)

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        return y if y > 0.0 else 0.1 * y


def test_a_module_that_branches_trains_without_compile() -> None:
    X, y = lines()
    model = TinyRegressor(module=Branching, compile=False, epochs=3, random_state=0).fit(X, y / 50.0)
    assert model.predict(X).shape == (80,)


def test_patience_holds_rows_out_and_keeps_the_best() -> None:
    X, y = blobs(3)
    model = TinyClassifier(patience=2, epochs=500, lr=0.1, validation_fraction=0.3, random_state=0).fit(X, y)
    assert model.history_.stopped == "patience"
    assert model.n_iter_ == model.history_.epochs == len(model.history_.validation) < 500
    assert min(model.history_.validation) == model.history_.validation[model.history_.best_epoch]
    with pytest.raises(ValueError, match="one sample: patience=None"):
        TinyRegressor(patience=1).fit([[1.0]], [2.0])


def test_the_same_random_state_gives_the_same_numbers() -> None:
    X, y = blobs(2)
    for module in (None, small_network):
        first, second, third = (
            TinyClassifier(module=module, epochs=3, random_state=seed).fit(X, y).module_.state_dict()
            for seed in (1, np.random.RandomState(1), 2)
        )
        assert first == second != third


def test_in_a_pipeline_and_a_grid_search() -> None:
    X, y = make_regression(60, 2, noise=0.1, random_state=0)
    frame = pd.DataFrame(1000.0 * X + 50.0, columns=["a", "b"], index=range(60, 0, -1))
    regressor = TransformedTargetRegressor(
        TinyRegressor(epochs=60, lr=0.1, random_state=0), transformer=StandardScaler()
    )
    pipeline = make_pipeline(StandardScaler(), regressor)
    grid = {"transformedtargetregressor__regressor__hidden": [(), (4,)]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(frame, pd.Series(y, index=frame.index))
    assert search.best_score_ > 0.95
    assert cross_val_score(TinyClassifier(**QUICK), *blobs(2), cv=2).min() > 0.9


def test_names_of_columns_are_kept_and_compared() -> None:
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 1.0]})
    model = TinyRegressor(epochs=1).fit(X, [1.0, 2.0, 3.0])
    assert [*model.feature_names_in_] == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[["b", "a"]])


@pytest.mark.parametrize("model", [TinyRegressor(epochs=2), TinyClassifier(epochs=2)], ids=["regressor", "classifier"])
def test_a_pickle_predicts_the_same(model: Any) -> None:
    X, y = blobs(2)
    trained = clone(model).fit(X, y if isinstance(model, TinyClassifier) else X[:, 0])
    twin = pickle.loads(pickle.dumps(trained))
    assert [*twin.predict(X)] == [*trained.predict(X)]
    assert twin.history_.loss == trained.history_.loss


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (TinyRegressor(module=3), TypeError, ["module is a Module", "int '3'", "lambda n, m, rng"]),
        (TinyRegressor(module=lambda n, m, rng: None), TypeError, ["module is a Module"]),
        (TinyRegressor(loss="MSE"), ValueError, ["no loss 'MSE'", "mse"]),
        (TinyRegressor(optimizer="Adam"), ValueError, ["no optimizer 'Adam'", "adam"]),
        (TinyRegressor(activation="Tanh"), ValueError, ["no activation 'Tanh'"]),
        (TinyRegressor(epochs=-1), ValueError, ["epochs must be at least 0"]),
        (TinyRegressor(lr=-1.0), ValueError, ["lr"]),
        (TinyClassifier(), ValueError, ["two classes", "one class, 1.0"]),
        (TinyRegressor(module=nn.Linear(5)), ValueError, ["takes 5 inputs", "not 1"]),
    ],
)
def test_what_is_wrong_is_named(model: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        model.fit([[1.0], [2.0], [3.0]], [1.0, 1.0, 1.0])
    assert [word for word in words if word not in str(caught.value)] == []
