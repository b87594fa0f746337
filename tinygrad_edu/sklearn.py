"""Estimators for scikit-learn: a network, or any Module, in a `Pipeline`, in `cross_val_score`, in `GridSearchCV`.

Only this file imports scikit-learn, and nothing imports this file: `from tinygrad_edu.sklearn import TinyClassifier`.
Training is `train.fit`, models are those of `nn.py`; what is here says it in scikit-learn's words, and decides what a
loss needs of a classifier: how many outputs, and how the classes are written as targets.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.data import split
from tinygrad_edu.errors import describe
from tinygrad_edu.train import fit

Array: TypeAlias = Any  # of NumPy
MakeModule: TypeAlias = Callable[[int, int, Random], nn.Module]
MakeOptimizer: TypeAlias = Callable[..., optim.Optimizer]


class _TinyEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: making a module, training it, and asking it."""

    def __init__(
        self,
        hidden: Sequence[int] = (16,),
        activation: str | nn.Activation = "relu",
        *,
        module: nn.Module | MakeModule | None = None,
        loss: str | Callable[[Any, Any], Any] = "mse",  # a classifier has another one
        optimizer: str | MakeOptimizer = "adam",
        lr: float | optim.Schedule = 0.01,
        epochs: int = 200,
        batch_size: int | None = 32,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        compile: bool = True,  # noqa: A002
        random_state: Any = None,
    ) -> None:
        self.hidden, self.activation, self.module = hidden, activation, module
        self.loss, self.optimizer, self.lr = loss, optimizer, lr
        self.epochs, self.batch_size = epochs, batch_size
        self.patience, self.validation_fraction = patience, validation_fraction
        self.compile, self.random_state = compile, random_state

    def _train(self, X: Array, y: Array, outputs: int, stratify: Array | None = None) -> None:
        """Trains a module on rows of floats and their targets, as the loss takes them."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        module = self._make_module(X.shape[1], outputs, Random(seed))
        make = optim.by_name(self.optimizer) if isinstance(self.optimizer, str) else self.optimizer
        validation = None
        if self.patience is not None:
            if len(X) < 2:
                raise ValueError("patience holds out some rows, and X has one sample: patience=None takes all")
            X, X_held, y, y_held = split(X, y, test=self.validation_fraction, seed=seed, stratify=stratify)
            validation = X_held, y_held
        self.history_ = fit(
            module,
            X,
            y,
            loss=losses.by_name(self.loss) if isinstance(self.loss, str) else self.loss,
            optimizer=make(module.parameters(), lr=self.lr),
            epochs=self.epochs,
            batch_size=self.batch_size,
            shuffle=True,
            seed=seed,
            validation=validation,
            patience=self.patience,
            progress=False,
            compile=self.compile,
        )
        self.module_, self.n_iter_ = module, self.history_.epochs

    def _make_module(self, inputs: int, outputs: int, rng: Random) -> nn.Module:
        """A module to train: the user's, or a network with these hidden layers."""
        if self.module is None:
            initialiser = "kaiming" if self.activation in nn.LINEAR_ON_ONE_SIDE else "xavier"
            return nn.MLP(
                inputs,
                [*self.hidden, outputs],
                activation=self.activation,
                output="sigmoid" if _name_of_loss(self.loss) == "bce" else "linear",  # it takes probabilities
                init=initialiser if self.hidden else "zeros",  # a linear model has one minimum, wherever it starts
                rng=rng,
            )
        if isinstance(self.module, nn.Module):
            return deepcopy(self.module)
        made = self.module(inputs, outputs, rng) if callable(self.module) else None
        if not isinstance(made, nn.Module):
            raise TypeError(
                "module is a Module, or a function of the numbers of inputs and outputs and a random.Random that makes "
                f"one, as lambda n, m, rng: nn.MLP(n, [8, m], rng=rng), not {describe(self.module)}"
            )
        return made

    def _outputs(self, X: Any) -> Array:
        """The outputs of the trained module: n numbers, or n rows of numbers."""
        check_is_fitted(self)
        outputs = self.module_.predict(validate_data(self, X, reset=False, dtype=np.float64))
        if not isinstance(outputs, np.ndarray):
            raise TypeError(f"the module must return a number or a list of numbers, not {describe(outputs[0])}")
        return outputs


class TinyRegressor(RegressorMixin, _TinyEstimator):  # type: ignore[misc]
    """A regressor for scikit-learn: a network, a linear model, or a Module of your own; gradient descent trains it.

    Scale the inputs, and targets that are far from 1, as for scikit-learn's `MLPRegressor`: with a `StandardScaler` in
    a `Pipeline`, and a `TransformedTargetRegressor`. After `fit`, `module_` is the trained Module, `history_` the
    history of the run, and `n_iter_` the number of epochs.

    Args:
        hidden: The widths of the hidden layers; () makes a linear model.
        activation: The activation of the hidden layers: a name from `nn.ACTIVATIONS`, or a function of one Value.
        module: A Module to train in place of such a network; a copy of it is trained, from the numbers that it has. Or
            a function of the number of inputs, the number of outputs and a `random.Random` that makes one.
        loss: A name from `losses.LOSSES`, or a function of the predictions and the targets of a batch.
        optimizer: A name from `optim.OPTIMIZERS`, or a function of the parameters and `lr` that makes an optimizer.
        lr: The learning rate, or a schedule.
        epochs: The number of passes over the data; with `patience` it is the largest number.
        batch_size: The number of samples in a batch; None takes all at once.
        patience: Stops when the loss on held-out rows has not fallen for so many epochs, and keeps the best numbers.
            None takes all rows to train, and all epochs.
        validation_fraction: The share of the training rows that `patience` holds out, above 0 and below 1.
        compile: Whether to train on arrays, many times faster; a Module that branches on numbers needs False.
        random_state: An int, a `numpy.random.RandomState`, or None: what first weights and batches are drawn with.

    Example:
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0]
        >>> line = TinyRegressor(hidden=(), optimizer="sgd", lr=0.1, random_state=0).fit(X, y)
        >>> line.predict([[10.0]]).round(3)
        array([21.])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> "TinyRegressor":
        """Trains the model.

        Args:
            X: n rows of numbers.
            y: n numbers, or n rows of m numbers for m outputs.

        Returns:
            The estimator itself.

        Raises:
            ValueError: X or y is no table of finite numbers, or a parameter is out of range.
            DivergenceError: The loss has grown without bound: scale the data, or lower `lr`.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._shape = y.shape[1:]  # of a target
        y = y.astype(float)
        outputs = 1 if y.ndim == 1 else y.shape[1]
        self._train(X, y[:, 0] if y.shape[1:] == (1,) else y, outputs)
        return self

    def predict(self, X: Any) -> Array:
        """Predicts the targets.

        Args:
            X: n rows of numbers.

        Returns:
            n numbers, or n rows of m numbers, as the targets were.
        """
        return self._outputs(X).reshape(-1, *self._shape)


def _has_probabilities(classifier: "TinyClassifier") -> bool:
    return _name_of_loss(classifier.loss) in ("cross_entropy", "bce_with_logits", "bce")


class TinyClassifier(ClassifierMixin, _TinyEstimator):  # type: ignore[misc]
    """A classifier for scikit-learn: a network, a linear model, or a Module of your own; gradient descent trains it.

    What the loss is called with: with "cross_entropy", and with a function of your own, k outputs for k classes, and
    their numbers 0 to k − 1 as targets. With any other loss one output for two classes, which is larger for the second;
    for more classes one output for each. Their targets are 0 and 1 with "bce" and "bce_with_logits", else −1 and 1.

    Scale the inputs, as with a `StandardScaler` in a `Pipeline`. After `fit`, `classes_` are the classes, `module_` is
    the trained Module, `history_` the history of the run, and `n_iter_` the number of epochs.

    Args:
        hidden: The widths of the hidden layers; () makes a linear model.
        activation: The activation of the hidden layers: a name from `nn.ACTIVATIONS`, or a function of one Value.
        module: A Module to train in place of such a network; a copy of it is trained, from the numbers that it has. Or
            a function of the number of inputs, the number of outputs and a `random.Random` that makes one.
        loss: A name from `losses.LOSSES`, or a function of the predictions and the targets of a batch.
        optimizer: A name from `optim.OPTIMIZERS`, or a function of the parameters and `lr` that makes an optimizer.
        lr: The learning rate, or a schedule.
        epochs: The number of passes over the data; with `patience` it is the largest number.
        batch_size: The number of samples in a batch; None takes all at once.
        patience: Stops when the loss on held-out rows has not fallen for so many epochs, and keeps the best numbers.
            None takes all rows to train, and all epochs.
        validation_fraction: The share of the training rows of each class that `patience` holds out.
        compile: Whether to train on arrays, many times faster; a Module that branches on numbers needs False.
        random_state: An int, a `numpy.random.RandomState`, or None: what first weights and batches are drawn with.

    Example:
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["small", "small", "large", "large"]
        >>> model = TinyClassifier(hidden=(), lr=0.1, random_state=0).fit(X, y)
        >>> model.predict([[-1.0], [4.0]]), model.predict_proba([[1.5]]).round(1)
        (array(['small', 'large'], dtype='<U5'), array([[0.5, 0.5]]))
    """

    def __init__(
        self,
        hidden: Sequence[int] = (16,),
        activation: str | nn.Activation = "relu",
        *,
        module: nn.Module | MakeModule | None = None,
        loss: str | Callable[[Any, Any], Any] = "cross_entropy",
        optimizer: str | MakeOptimizer = "adam",
        lr: float | optim.Schedule = 0.01,
        epochs: int = 200,
        batch_size: int | None = 32,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        compile: bool = True,  # noqa: A002
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden,
            activation,
            module=module,
            loss=loss,
            optimizer=optimizer,
            lr=lr,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            validation_fraction=validation_fraction,
            compile=compile,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any) -> "TinyClassifier":
        """Trains the model.

        Args:
            X: n rows of numbers.
            y: n classes: texts, ints, booleans.

        Returns:
            The estimator itself.

        Raises:
            ValueError: X is no table of finite numbers, y has a single class or is no list of classes, or a parameter
                is out of range.
            DivergenceError: The loss has grown without bound: scale the data, or lower `lr`.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        k = len(self.classes_)
        if k < 2:
            raise ValueError(f"a classifier needs two classes or more, and y has one class, {self.classes_[0]}")
        name = _name_of_loss(self.loss)
        if name in ("cross_entropy", ""):
            self._train(X, codes, k, codes)
            return self
        targets = codes.astype(float) if k == 2 else np.eye(k)[codes]
        targets = targets if name.startswith("bce") else 2.0 * targets - 1.0
        self._train(X, targets, 1 if k == 2 else k, codes)
        return self

    def decision_function(self, X: Any) -> Array:
        """Scores of the classes.

        Args:
            X: n rows of numbers.

        Returns:
            n rows of a score for each class, of which the largest decides. For two classes n scores, of which those
            above 0 decide for the second class.
        """
        outputs = self._outputs(X)
        if _name_of_loss(self.loss) == "bce":
            outputs = outputs - 0.5
        if len(self.classes_) > 2 or outputs.ndim == 1:
            return outputs
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of the classes; the losses "cross_entropy", "bce" and "bce_with_logits" have them.

        Args:
            X: n rows of numbers.

        Returns:
            n rows of k probabilities, in the order of `classes_`. Where each class has an output of its own, they are
            divided by their sum.
        """
        outputs, name = self._outputs(X), _name_of_loss(self.loss)
        if name == "cross_entropy":
            p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        else:
            p = outputs if name == "bce" else 0.5 * (1.0 + np.tanh(0.5 * outputs))  # σ, which never overflows
            p = p if len(self.classes_) > 2 else np.column_stack([1.0 - p, p])
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """Predicts the classes.

        Args:
            X: n rows of numbers.

        Returns:
            n classes.
        """
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


def _name_of_loss(loss: Any) -> str:
    """The name of a loss of this package, also of one with other options; "" for a function of the user's."""
    if isinstance(loss, str):
        return loss
    function = loss.func if isinstance(loss, partial) else loss
    return next((name for name, ours in losses.LOSSES.items() if ours is function), "")
