"""A predictor: a network, the features that make its inputs from a table, and the target that its outputs mean.

`model.json`, which the command writes, is one predictor, as plain JSON. Such a file is not trusted: reading it executes
nothing, and whatever `save` would not have written is a `ValueError`. Training is left to `cli/experiment.py`.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from random import Random
from typing import Any, NamedTuple

from tinygrad_edu import _io, nn
from tinygrad_edu._validate import look_up, require_finite
from tinygrad_edu.data.preprocessing import Features, Standardizer, Target
from tinygrad_edu.data.tables import Table, make_options
from tinygrad_edu.errors import api_boundary, quote_list, short_repr

# Each loss with the power of the target's unit that it has: 2 for squared units.
REGRESSION_LOSSES = {"mse": 2, "half_mse": 2, "sse": 2, "half_sse": 2, "huber": 2, "mae": 1}
TWO_CLASS_LOSSES = ("bce_with_logits", "bce", "hinge")
CLASSIFICATION_LOSSES = ("cross_entropy", *TWO_CLASS_LOSSES)

Array = Any  # of NumPy


class Formula(NamedTuple):
    """What a linear model computes from the numbers of a row, intercept + Σ slope·x; a category counts as 0 or 1."""

    intercept: float
    slopes: dict[str, float]


class Predictor:
    """A network between encoded features and a target.

    The target decides on the task, the loss on the last layer: one output in a regression; k logits for k classes with
    cross-entropy; one output with the losses for two classes, which is the larger, the likelier the second class is.

    Args:
        features: What makes the inputs from the columns of a table.
        target: The column to predict.
        loss: The name of a loss that fits the target: one of `REGRESSION_LOSSES`, as "mse", for numbers, one of
            `CLASSIFICATION_LOSSES`, as "cross_entropy", for classes.
        hidden: The widths of the hidden layers; none makes a linear model.
        activation: The name of the activation of the hidden layers, as "relu".
        seed: The seed of the first weights; those of a linear model are 0.

    Raises:
        ValueError: The activation is unknown, or the loss does not fit the target.

    Example:
        >>> table = Table({"mass": [3.0, 5.0, 4.0], "species": ["Adelie", "Gentoo", "Adelie"]})
        >>> predictor = Predictor(Features.fit(table.select("mass")), Target.fit(table, "species"), loss="hinge")
        >>> predictor.task, len(predictor.model.parameters())
        ('classification', 2)
    """

    def __init__(
        self,
        features: Features,
        target: Target,
        loss: str,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        seed: int = 0,
    ) -> None:
        look_up("activation", activation, nn.ACTIVATIONS)
        self.features, self.target, self.loss = features, target, loss
        self.hidden, self.activation = list(hidden), activation
        self.reading: dict[str, Any] = {}  # how `read_csv` was told to read the table; what else it is told wins
        inputs, *layers = _compute_widths(features, target, loss, hidden)
        initialiser = "kaiming" if activation in nn.LINEAR_ON_ONE_SIDE else "xavier"
        self.model = nn.MLP(
            inputs,
            layers,
            activation=activation,
            output="sigmoid" if loss == "bce" else "linear",  # bce takes probabilities
            init=initialiser if hidden else "zeros",  # a linear model has one minimum, wherever it starts
            rng=Random(seed),
        )

    def __repr__(self) -> str:
        """What it predicts, from what, and by which model."""
        learns = f"{self.task} of {short_repr(self.target.name)} from {quote_list(self.features.columns)}"
        model = f"{'-'.join(map(str, self.hidden))} hidden neurons" if self.hidden else "a linear model"
        return f"Predictor({learns}; {model}, loss {self.loss})"

    @property
    def task(self) -> str:
        """Either "regression" or "classification"."""
        return "classification" if self.target.classes else "regression"

    def targets(self, table: Table) -> list[Any]:
        """The targets of a table as the loss takes them.

        Args:
            table: n rows with the column to predict.

        Returns:
            y: n numbers, or n classes by their numbers; for the hinge loss n classes as −1 and +1.

        Raises:
            ValueError: As for `Target.transform`.
        """
        y = self.target.transform(table)
        return [2 * number - 1 for number in y] if self.loss == "hinge" else y

    @api_boundary
    def predict(self, table: Table, ignore_unseen: bool = False, probabilities: bool = False) -> dict[str, list[Any]]:
        """Predicts the target of each row.

        Args:
            table: n rows with the columns of the features.
            ignore_unseen: Whether a category that was not seen in training counts as missing.
            probabilities: Whether to add the probability of each class.

        Returns:
            A column "prediction" of n answers; where the loss has probabilities, a column "probability" with that of
            the predicted class; and, if asked for, a column "probability(…)" for each class.

        Raises:
            ValueError: As for `Features.transform`; or the model has no probabilities, and they are asked for.
            OverflowError: A number is too large for a float.
        """
        if probabilities and (self.task == "regression" or self.loss == "hinge"):
            why = "was trained with the hinge loss" if self.target.classes else "predicts numbers"
            raise ValueError(f"there are no probabilities: the model {why}")
        return self.answer(self.outputs(self.features.transform(table, ignore_unseen)), probabilities)

    def outputs(self, X: Array) -> Array:
        """Computes the outputs of the network for all rows.

        Args:
            X: An array of n rows of inputs, as the features make them.

        Returns:
            An array of n rows of outputs.

        Raises:
            OverflowError: A number is too large for a float.
        """
        import numpy as np

        count = len(self.model.layers[-1].neurons)
        return self.model.predict(X).reshape(-1, count) if len(X) else np.zeros((0, count))

    def answer(self, outputs: Array, probabilities: bool = False) -> dict[str, list[Any]]:
        """What the outputs of the network mean: the columns that `predict` returns.

        Args:
            outputs: n rows of outputs.
            probabilities: As for `predict`.

        Returns:
            The columns.

        Raises:
            OverflowError: A prediction is too large for a float.
        """
        if self.task == "regression":
            predictions = self.target.inverse(outputs[:, 0].tolist())
            if not all(map(isfinite, predictions)):
                raise OverflowError("a prediction is too large for a float")
            return {"prediction": predictions}
        if self.loss == "hinge":
            return {"prediction": self.target.inverse((outputs[:, 0] > 0).astype(int).tolist())}
        shares = self._compute_probabilities(outputs)
        columns = {
            "prediction": self.target.inverse(shares.argmax(axis=1).tolist()),
            "probability": shares.max(axis=1).tolist(),
        }
        if probabilities:
            columns |= {f"probability({name})": column.tolist() for name, column in zip(self.target.classes, shares.T)}
        return columns

    def formulas(self) -> dict[str, Formula]:
        """The formula of a linear model in the data's own units, the standardisation undone.

        In a regression it predicts the target. In a classification it is the log-odds: of two classes that of the
        second one, log p/(1 − p), of more that of each class against the mean of all; with the hinge loss the score.

        Returns:
            The formula by the name of the target, or of the class.

        Raises:
            ValueError: The model has hidden layers.

        Example:
            >>> table = Table({"x": [0.0, 2.0], "y": [10.0, 30.0]})
            >>> predictor = Predictor(Features.fit(table.select("x")), Target.fit(table, "y"), "mse")
            >>> predictor.model.layers[0].neurons[0].w[0].data = 1.0
            >>> predictor.formulas()
            {'y': Formula(intercept=10.0, slopes={'x': 10.0})}
        """
        if self.hidden:
            raise ValueError("a network with hidden layers is no formula of its inputs alone: hidden=() is one")
        neurons = self.model.layers[0].neurons
        weights, biases = [[w.data for w in neuron.w] for neuron in neurons], [neuron.b.data for neuron in neurons]
        classes = self.target.classes
        names = classes if len(neurons) > 2 else [classes[1] if classes else self.target.name]
        if len(neurons) == 2:
            weights = [[second - first for first, second in zip(*weights)]]
            biases = [biases[1] - biases[0]]
        elif len(neurons) > 2:
            means = [sum(column) / len(neurons) for column in zip(*weights)]
            weights = [[w - mean for w, mean in zip(row, means)] for row in weights]
            biases = [b - sum(biases) / len(neurons) for b in biases]
        scale, shift = 1.0, 0.0
        if isinstance(self.target.encoding, Standardizer):
            scale, shift = self.target.encoding.scale, self.target.encoding.mean
        found = {}
        for name, row, b in zip(names, weights, biases):
            intercept, slopes = shift + scale * b, {}
            for (label, encoding), w in zip(self._encodings_of_inputs(), row):
                is_number = isinstance(encoding, Standardizer)
                slopes[label] = scale * w / encoding.scale if is_number else scale * w
                intercept -= slopes[label] * encoding.mean if is_number else 0.0
            found[name] = Formula(intercept, slopes)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes everything to a JSON file, in one step.

        Args:
            path: The file to write, as "model.json".

        Raises:
            OSError: The file cannot be written.
        """
        _io.write_json(path, "model", self._to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Predictor":
        """Reads the predictor that `save` wrote; it predicts the very same numbers.

        Args:
            path: The file to read, as "model.json".

        Returns:
            The predictor.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is not a model.
        """
        document = _io.read_json(path, "model")
        del document["format"], document["version"]
        try:
            return cls._from_dict(document)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is not a model that this program wrote: {problem}") from None

    def _encodings_of_inputs(self) -> Iterator[tuple[str, Any]]:
        """The name of each input, with the encoding of its column."""
        for name, encoding in self.features.encodings.items():
            for label in Features({name: encoding}).inputs:
                yield label, encoding

    def _compute_probabilities(self, outputs: Array) -> Array:
        """The probability of each class: n rows, softmax(z) or 1 − p and p."""
        import numpy as np

        if self.loss == "cross_entropy":
            powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        z = outputs[:, 0]
        p = z if self.loss == "bce" else 1.0 / (1.0 + np.exp(-np.clip(z, -700.0, None)))
        return np.stack([1.0 - p, p], axis=1)

    def _to_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "loss": self.loss,
            "hidden": self.hidden,
            "activation": self.activation,
            "features": self.features.to_dict(),
            "target": self.target.to_dict(),
            "parameters": self.model.state_dict(),
            **({"reading": self.reading} if self.reading else {}),
        }

    @classmethod
    def _from_dict(cls, state: dict[str, Any]) -> "Predictor":
        features, target = Features.from_dict(state["features"]), Target.from_dict(state["target"])
        hidden, numbers = state["hidden"], state["parameters"]
        if not isinstance(hidden, list) or not all(isinstance(width, int) and width > 0 for width in hidden):
            raise ValueError(f"hidden must be a list of widths, not {short_repr(hidden)}")
        if not isinstance(numbers, dict):
            raise ValueError(f"parameters must be numbers by their names, not {short_repr(numbers)}")
        for name, x in numbers.items():
            require_finite(f"parameter {short_repr(name)}", x)
        widths = _compute_widths(features, target, state["loss"], hidden)
        needed = sum((n + 1) * m for n, m in pairwise(widths))
        if needed != len(numbers):  # a file of a few bytes must not make a network of a billion weights
            raise ValueError(f"such a network has {needed} parameters, not {len(numbers)}")
        predictor = cls(features, target, state["loss"], hidden, state["activation"])
        predictor.model.load_state_dict(numbers)
        predictor.reading = _check_reading(state.get("reading", {}))
        if predictor._to_dict() != state:
            raise ValueError("its entries contradict one another")
        return predictor


@api_boundary
def load(path: str | os.PathLike[str]) -> Predictor:
    """Reads a trained model, as the command writes it: `tg.load("model.json").predict(table)`.

    Args:
        path: A JSON file that the command, or `Predictor.save`, has written.

    Returns:
        A predictor that predicts the very same numbers as the one that was saved.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a model.
    """
    return Predictor.load(path)


def _check_reading(reading: Any) -> dict[str, Any]:
    """How a table is to be read, as a file says it; raises `ValueError` for what `read_csv` would not take."""
    kinds = {"sep": str, "header": bool, "decimal": str, "thousands": str, "missing": list, "keep": list}
    if not isinstance(reading, dict) or not all(type(x) is kinds.get(name) for name, x in reading.items()):
        raise ValueError(f"reading must be options of read_csv, not {short_repr(reading)}")
    if not all(isinstance(mark, str) for name in ("missing", "keep") for mark in reading.get(name, [])):
        raise ValueError("the marks of missing values must be texts")
    make_options(**reading)
    return reading


def _compute_widths(features: Features, target: Target, loss: str, hidden: Sequence[int]) -> list[int]:
    """The number of inputs, and the width of each layer."""
    classes = target.classes
    fitting = CLASSIFICATION_LOSSES[: None if len(classes) == 2 else 1] if classes else (*REGRESSION_LOSSES,)
    if loss not in fitting:
        task = f"a classification with {len(classes)} classes" if classes else "a regression"
        raise ValueError(
            f"the loss {short_repr(loss)} does not fit column {short_repr(target.name)}, the target of {task}: "
            f"choose {' or '.join(fitting)}"
        )
    return [len(features.inputs), *hidden, len(classes) if loss == "cross_entropy" else 1]
