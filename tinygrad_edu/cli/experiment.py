"""An experiment from end to end: from a table of data to a trained model and its pictures.

An `Experiment` chooses the columns, holds rows out, trains, measures, compares with simpler models, and writes the
files; its `notes` say what it leaves out, and what it puts in place of missing values. Its result is a `Predictor`
(`train/predictor.py`). What columns look like is told in `notes.py`; talking to the user is left to `commands.py` and
`report.py`.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import fsum, hypot, sqrt
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tinygrad_edu import _io, losses, nn, optim
from tinygrad_edu.data import ClassScores, accuracy, auc, class_scores, r2, split
from tinygrad_edu.data.preprocessing import Categories, Features, Standardizer, Target
from tinygrad_edu.data.tables import Table
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import quote_list, short_repr
from tinygrad_edu.train import DivergenceError, History, ReduceOnPlateau, TrainingInterrupted, fit
from tinygrad_edu.train.fit import Backend
from tinygrad_edu.train.predictor import REGRESSION_LOSSES, Predictor

from .notes import MAX_CATEGORIES, find_oddity, find_oddity_of_target, find_problem

LEARNING_RATES = {"sgd": 0.05, "adagrad": 0.05, "rmsprop": 0.005, "adam": 0.01, "adamw": 0.01}
MAX_DRAWN_ROWS = 2000  # more points cover each other, and make a picture of many megabytes
MAX_DRAWN_COEFFICIENTS = 20
WEIGHT_DECAY = 100.0  # of AdamW in a network, divided by the number of training rows: the fewer, the smoother the model
MIN_ROWS_TO_VALIDATE = 50  # of fewer training rows none is spared to find the best epoch
MAX_VALIDATION_ROWS = 2000  # of many rows: these tell epochs apart, and the others are worth more in training
LINEAR_UPDATES, LINEAR_BATCH = 250, 256  # of the linear model that the network is compared with

FILES = {
    ("model.json",): "the model, for tinygrad-edu predict",
    ("history.csv",): "the loss of each epoch",
    ("loss.svg", "loss.png"): "the same as curves",
    ("fit.svg", "fit.png"): "what was predicted against what was measured",
    ("neuron.svg", "neuron.png"): "one neuron, with its gradients",
    ("layers.svg", "layers.png"): "the network, with its weights",
}
FILES_OF_LINEAR_MODELS = {
    ("coefficients.csv",): "the formula of the model, in the units of the table",
    ("coefficients.svg", "coefficients.png"): "the same as a picture",
}
NAMES = [name for names in (*FILES, *FILES_OF_LINEAR_MODELS) for name in names]
SUFFIXES = (".svg", ".png")
PICTURES = [name for name in NAMES if name.endswith(SUFFIXES)]


def require_pictures() -> None:
    """Draws as little as there can be: what is missing for pictures is known before a model is trained.

    Raises `ImportError` where a package is missing, `ValueError` where Matplotlib has a backend that does not exist.
    """
    from matplotlib.figure import Figure

    from tinygrad_edu.viz import plots
    from tinygrad_edu.viz.graph import draw

    axes, node = Figure(figsize=(1, 1)).add_subplot(), draw(Value(1.0))
    axes.set_axis_off()
    with TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            plots.save(axes, Path(folder, f"axes{suffix}"))
            node.save(Path(folder, f"node{suffix}"))


@dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        hidden: The widths of the hidden layers; none makes a linear model.
        activation: The name of the activation of the hidden layers.
        loss: The name of a loss; None takes the usual one of the task.
        optimizer: The name of an optimizer. AdamW's weight decay is `WEIGHT_DECAY` by the number of training rows, at
            most 1; for a linear model it is 0, so that coefficients are not made smaller than they are.
        lr: The learning rate; None takes the usual one of the optimizer, from `LEARNING_RATES`. It falls to a tenth
            when the loss on validation rows has not fallen for half of `patience`.
        epochs: The number of passes over the training rows, at most.
        batch_size: The number of rows in a batch; None takes a twentieth of the training rows, from 8 to 200.
        seed: The seed of the splits, of the first weights, and of the order of the rows.
        test_share: The share of the rows that is held out.
        patience: Training stops when the loss on validation rows has not fallen for so many epochs, and the weights of
            the best epoch are taken; None trains on all rows that are not held out, for all epochs.
        validation_share: The share of these that are validation rows; None takes a tenth, at most
            `MAX_VALIDATION_ROWS`.
        min_class_rows: The number of rows that a class must have; rarer ones are left out.
        backend: What runs the steps: "numpy" or "jax".
    """

    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"
    loss: str | None = None
    optimizer: str = "adamw"
    lr: float | None = None
    epochs: int = 100
    batch_size: int | None = None
    seed: int = 0
    test_share: float = 0.2
    patience: int | None = 10
    validation_share: float | None = None
    min_class_rows: int = 1
    backend: Backend = "numpy"


class Rival(NamedTuple):
    """The model, or a simpler one, on the rows held out.

    - `name`: what it is, in words.
    - `scores`: as `Experiment.compute_scores` returns them.
    - `is_as_good`: whether it is as good as the model, within one standard error of the difference.
    """

    name: str
    scores: dict[str, float]
    is_as_good: bool


class Experiment:
    """Learns to predict one column of a table from others, and measures how well it does on rows held out.

    A column of numbers makes it a regression, a column of texts a classification. Rows without a target are left out.
    The rows that are left are of three kinds: `held_out` to measure on, `validation` to find the best epoch by, and
    `train` to train on.

    Args:
        table: The data, at least three rows with a target.
        target: The column to predict.
        features: The columns to learn from. None takes all useful ones: a column is not useful if it has the same value
            everywhere, or none, or if it holds texts of which more than `MAX_CATEGORIES` or all are different.
        settings: How to train.

    Raises:
        ValueError: There is nothing to learn from, there is a single class, or the settings do not fit the data.

    Example:
        >>> table = Table({"x": range(20), "y": [2.0 * x + 1.0 for x in range(20)]})
        >>> experiment = Experiment(table, "y", settings=Settings(hidden=(), optimizer="sgd"))
        >>> experiment.run().stopped, round(experiment.compute_scores()["r2"], 6)
        ('epochs', 1.0)
    """

    def __init__(
        self, table: Table, target: str, features: Sequence[str] | None = None, settings: Settings | None = None
    ) -> None:
        self.settings = settings = settings or Settings()
        self.notes = [*table.notes]
        self.history = History()
        self.drawn_row: Table | None = None  # at which the neuron was drawn
        for name, times in Counter(features or ()).items():
            if name == target or times > 1:
                also = "the target, too" if name == target else "a feature twice"
                raise ValueError(f"column {short_repr(name)} cannot be {also}")
        known = table.drop_missing(target)
        if not len(known):
            raise ValueError(f"column {short_repr(target)} has no value in any row: there is nothing to learn")
        if len(known) < 3:
            raise ValueError(f"at least 3 rows with a value of {short_repr(target)} are needed, not {len(known)}")
        if len(known) < len(table):
            self.notes.append(f"{format_count(len(table) - len(known), 'row')} without {short_repr(target)} left out")
        known = self._leave_out_rare_classes(known, target)
        values = known[target]
        kinds = len(set(values))
        classes = isinstance(values[0], str)
        oddity = find_oddity_of_target(values)
        if classes and kinds > MAX_CATEGORIES:
            also = f"; it {oddity}" if oddity else ""
            raise ValueError(f"column {short_repr(target)} has {kinds} classes, more than {MAX_CATEGORIES}{also}")
        if oddity:
            self.notes.append(f"column {short_repr(target)} {oddity}")
        stratify = values if classes else None
        rows = split(range(len(known)), test=settings.test_share, seed=settings.seed, stratify=stratify)
        self.known, (self.train, self.held_out) = known, map(known.take, rows)
        self.validation = self._split_validation_rows(target if classes else None)
        self._encoded: dict[int, tuple[Any, list[Any]]] = {}  # by the ids of these tables
        self._held_out_outputs: Any = None  # of the model as it is trained so far
        encodings = Features.fit(self.train.select(*self._choose_columns(target, features)))
        answer = Target.fit(self.train, target)
        if isinstance(answer.encoding, Standardizer) and not 1e-140 < answer.encoding.scale < 1e140:
            raise ValueError(
                f"column {short_repr(target)} has numbers too large or too small to be squared: change their unit"
            )
        self.predictor = Predictor(
            encodings,
            answer,
            settings.loss or ("cross_entropy" if classes else "mse"),
            settings.hidden,
            settings.activation,
            settings.seed,
        )
        options: dict[str, Any] = {}
        if settings.optimizer == "adamw":
            options["weight_decay"] = min(WEIGHT_DECAY / len(self.train), 1.0) if settings.hidden else 0.0
        self.optimizer = optim.by_name(settings.optimizer)(
            self.predictor.model.named_parameters(),
            LEARNING_RATES[settings.optimizer] if settings.lr is None else settings.lr,
            **options,
        )
        self._add_notes_on_missing()

    @property
    def batch_size(self) -> int:
        """The number of rows in a batch."""
        n = len(self.train)
        return min(n, self.settings.batch_size or min(max(n // 20, 8), 200))

    @property
    def plateau(self) -> int:
        """After how many epochs without progress the learning rate falls to a tenth; 0 where it stays."""
        return (self.settings.patience or 0) // 2 if self.validation else 0

    @property
    def files(self) -> dict[tuple[str, ...], str]:
        """The names of the files that are written, with what is in them."""
        return FILES if self.predictor.hidden else {**FILES, **FILES_OF_LINEAR_MODELS}

    def run(self, checkpoint: str | os.PathLike[str] | None = None, progress: bool | None = False) -> History:
        """Trains, as `fit` does; the losses of the history are in the unit of the target.

        After Ctrl-C, which is raised as `TrainingInterrupted`, the experiment has the history and the model so far;
        after a `DivergenceError`, too.
        """
        settings = self.settings
        self._held_out_outputs = None
        try:
            history = fit(
                self.predictor.model,
                *self._samples(self.train),
                loss=losses.by_name(self.predictor.loss),
                optimizer=self.optimizer,
                epochs=settings.epochs,
                batch_size=self.batch_size,
                shuffle=True,
                seed=settings.seed,
                validation=self._samples(self.validation or self.held_out),
                patience=settings.patience if self.validation else None,
                callbacks=[ReduceOnPlateau(self.optimizer, 0.1, self.plateau - 1)] if self.plateau else [],
                progress=progress,
                checkpoint=checkpoint,
                compile=settings.backend,
            )
        except (TrainingInterrupted, DivergenceError) as ended:
            self._take_history(ended.history)
            raise
        return self._take_history(history)

    def _take_history(self, history: History) -> History:
        history.loss = [self.to_units(loss) for loss in history.loss]
        history.validation = [self.to_units(loss) for loss in history.validation]
        self.history = history
        return history

    def to_units(self, loss: float) -> float:
        """Converts a loss of the standardised target to one of the target itself: (scale·e)² = scale²·e²."""
        encoding = self.predictor.target.encoding
        if isinstance(encoding, Standardizer):
            return loss * encoding.scale ** REGRESSION_LOSSES[self.predictor.loss]
        return loss

    @property
    def unit(self) -> str:
        """The unit of the losses, in words; "" in a classification."""
        if self.predictor.task == "classification":
            return ""
        return "squared units of the target" if REGRESSION_LOSSES[self.predictor.loss] == 2 else "units of the target"

    def compute_scores(self) -> dict[str, float]:
        """Measures the model on the rows held out.

        In a regression it measures "r2", if it is defined, and "rmse", √(Σ (ŷ − y)² / n), in the target's unit; in a
        classification "accuracy", the share of right answers, and "auc" if there are two classes.
        """
        return self._score(*self._answer())

    def compute_loss(self) -> float:
        """The loss on the rows held out, in the unit of the history."""
        return self.to_units(self._loss(self.held_out))

    def compute_class_scores(self) -> dict[str, ClassScores]:
        """Precision, recall and F1 of each class, on the rows held out."""
        classes = self.predictor.target.classes
        scores = class_scores(self.held_out[self.predictor.target.name], self._answer()[0], classes)
        return dict(zip(classes, scores))

    def compare(self) -> list[Rival]:
        """The model, a linear one of the same columns and trained on the same rows, and guessing.

        To guess is to answer the mean of the training rows, or their most frequent class. A linear model is compared
        with guessing alone. Whether the simpler one is as good is said by the differences, row by row, of the squared
        errors, or of right and wrong answers: by their mean, and its standard error.
        """
        name, n = self.predictor.target.name, len(self.held_out)
        answers = {"network" if self.predictor.hidden else "linear model": self._answer()}
        if self.predictor.hidden:
            linear = self._fit_linear_model()
            answers["linear model"] = self._interpret(linear.outputs(self._samples(self.held_out)[0]), linear)
        if self.predictor.task == "classification":
            guess, _ = Counter(self.train[name]).most_common(1)[0]
            answers[f"guessing {short_repr(guess)}"] = [guess] * n, [0.5] * n
        else:
            mean = fsum(self.train[name]) / len(self.train)
            answers[f"guessing the mean, {mean:.4g}"] = [mean] * n, []
        errors = {what: self._errors(predicted) for what, (predicted, _) in answers.items()}
        model = next(iter(errors.values()))
        return [Rival(what, self._score(*answer), _is_as_good(errors[what], model)) for what, answer in answers.items()]

    def _fit_linear_model(self) -> Predictor:
        """A linear model, with the usual loss of the task; its rate falls to 0, so that it ends at the minimum."""
        p = self.predictor
        loss = "cross_entropy" if p.task == "classification" else "mse"
        linear = Predictor(p.features, p.target, loss)
        X, y = self._samples(self.train)[0], linear.targets(self.train)
        batch = min(max(self.batch_size, LINEAR_BATCH), len(y))
        steps = -(-len(y) // batch)  # in an epoch
        epochs = -(-LINEAR_UPDATES // steps)
        fit(
            linear.model,
            X,
            y,
            loss=losses.by_name(loss),
            optimizer=optim.Adam(linear.model.parameters(), optim.cosine(0.1, steps=epochs * steps)),
            epochs=epochs,
            batch_size=batch,
            shuffle=steps > 1,
            seed=self.settings.seed,
            progress=False,
            compile=True,
        )
        return linear

    def _compute_outputs(self, table: Table) -> Any:
        """The outputs of the model for the rows of a table; for the rows held out they are computed once."""
        if table is not self.held_out:
            return self.predictor.outputs(self._samples(table)[0])
        if self._held_out_outputs is None:
            self._held_out_outputs = self.predictor.outputs(self._samples(table)[0])
        return self._held_out_outputs

    def _answer(self) -> tuple[list[Any], list[float]]:
        """What the model answers for the rows held out, as `_interpret` returns it."""
        return self._interpret(self._compute_outputs(self.held_out), self.predictor)

    def _interpret(self, outputs: Any, predictor: Predictor) -> tuple[list[Any], list[float]]:
        """The answers that outputs of a model mean, and scores of the second class where there are two."""
        scores = outputs[:, -1] - outputs[:, 0] if outputs.shape[1] > 1 else outputs[:, 0]
        return predictor.answer(outputs)["prediction"], scores.tolist()

    def _score(self, predicted: list[Any], scores: list[float]) -> dict[str, float]:
        """The scores of answers for the rows held out."""
        target = self.predictor.target
        measured = self.held_out[target.name]
        if target.classes:
            found = {"accuracy": accuracy(measured, predicted)}
            if len(target.classes) == 2 and len({*measured}) == 2:
                found["auc"] = auc([value == target.classes[1] for value in measured], scores)
            return found
        found = {"rmse": sqrt(losses.mse(predicted, measured))}
        with suppress(ValueError):  # where it is not defined
            found["r2"] = r2(measured, predicted)
        return found

    def _errors(self, predicted: list[Any]) -> list[float]:
        """How wrong each answer for the rows held out is: 0 or 1, or the squared error."""
        measured = self.held_out[self.predictor.target.name]
        if self.predictor.task == "classification":
            return [float(a != b) for a, b in zip(measured, predicted)]
        return [(a - b) ** 2 for a, b in zip(measured, predicted)]

    def _loss(self, table: Table, **reduction: Any) -> Any:
        """The loss on the rows of a table, of the standardised target; with `reduction="none"` that of each row."""
        outputs, y = self._compute_outputs(table), self._samples(table)[1]
        rows = outputs.tolist() if outputs.shape[1] > 1 else outputs[:, 0].tolist()
        return losses.by_name(self.predictor.loss)(rows, y, **reduction)

    def find_worst_row(self) -> Table:
        """The training row with the largest loss; one without missing values if there is any."""
        errors = self._loss(self.train, reduction="none")
        columns = [self.train[name] for name in self.predictor.features.columns]
        whole = [i for i, row in enumerate(zip(*columns)) if None not in row]
        # a missing value becomes 0, and so does the gradient of its weight
        return self.train.take([max(whole or range(len(errors)), key=lambda i: errors[i])])

    def find_steepest_neuron(self) -> tuple[nn.Neuron, list[float]]:
        """The neuron of the first layer whose parameters have the largest gradient, and its inputs.

        The gradients are those of the loss at `find_worst_row()`.
        """
        model, loss = self.predictor.model, losses.by_name(self.predictor.loss)
        self.drawn_row = self.find_worst_row()
        X, y = self._samples(self.drawn_row)
        model.zero_grad()
        loss([model(X[0])], y).backward()
        slopes = [hypot(*[p.grad for p in neuron.parameters()]) for neuron in model.layers[0].neurons]
        return model.layers[0].neurons[slopes.index(max(slopes))], X[0]

    def write_model(self, folder: Path) -> None:
        """Writes the model, its formula if it is linear, and the history into a folder."""
        self.predictor.save(folder / "model.json")
        self.history.to_csv(folder / "history.csv")
        if not self.predictor.hidden:
            _write_coefficients(self.predictor, folder / "coefficients.csv")

    def write_pictures(self, folder: Path) -> dict[str, Exception]:
        """Draws the pictures of `files` into a folder; returns the errors of those that fail, by their names."""
        from tinygrad_edu.viz import plots
        from tinygrad_edu.viz.layers import draw_layers
        from tinygrad_edu.viz.neuron import draw_neuron

        model, names, target = self.predictor.model, self.predictor.features.inputs, self.predictor.target
        outputs = target.classes or [target.name]  # of two classes a single score is that of the last one
        pictures: dict[str, Callable[[], Any]] = {
            "loss": self._plot_loss,
            "fit": self._plot_fit,
            "neuron": lambda: draw_neuron(*self.find_steepest_neuron(), names),
            "layers": lambda: draw_layers(model, names, outputs[-len(model.layers[-1].neurons) :]),
        }
        if not self.predictor.hidden:
            pictures["coefficients"] = self._plot_coefficients
        failed: dict[str, Exception] = {}
        for name, make in pictures.items():
            try:
                picture = make()
                for suffix in SUFFIXES:
                    path = folder / f"{name}{suffix}"
                    if name in ("neuron", "layers"):
                        picture.save(path)
                    else:
                        plots.save(picture, path)
                        picture.figure.set_layout_engine("none")  # it is laid out now
            except Exception as error:  # whatever it is, the other pictures are still worth drawing
                failed[name] = error
        return failed

    def _plot_loss(self) -> Any:
        from tinygrad_edu.viz import plots

        everything = [*self.history.loss, *self.history.validation]
        decades = max(everything) > 20 * min(everything) > 0  # on a linear scale the end would be a flat line
        ax = plots.plot_loss(self.history, scale="log" if decades else "linear")
        ax.set_ylabel(f"{self.predictor.loss}, {self.unit}" if self.unit else self.predictor.loss)
        return ax

    def _plot_fit(self) -> Any:
        """The curve through all rows where the one input is a number; else the predictions for the rows held out."""
        from tinygrad_edu.viz import plots

        target, types = self.predictor.target, self.predictor.features.types
        if isinstance(target.encoding, Categories):
            number = target.encoding.transform
            measured, predicted = self.held_out[target.name], self._answer()[0]
            ax = plots.plot_confusion(number(measured), number(predicted), target.classes)
            ax.set_title(f"accuracy {self.compute_scores()['accuracy']:.1%} on rows held out", fontsize="medium")
            return ax
        scores = self.compute_scores()
        title = (f"R² {scores['r2']:.3f}" if "r2" in scores else f"error {scores['rmse']:.4g}") + " on rows held out"
        is_curve = list(types.values()) == [float]
        rows = self.known.drop_missing(*types) if is_curve else self.held_out
        if len(rows) > MAX_DRAWN_ROWS:
            title += f"; {MAX_DRAWN_ROWS:,} of {len(rows):,} rows are shown"
            rows = rows.take(sorted(Random(0).sample(range(len(rows)), MAX_DRAWN_ROWS)))
        measured = rows[target.name]
        predicted = self.predictor.answer(self._compute_outputs(rows))["prediction"]
        if is_curve:
            (name,) = types
            ax = plots.plot_fit(rows[name], measured, predicted, xlabel=name, ylabel=target.name)
        else:
            ax = plots.plot_predictions(measured, predicted, quantity=target.name)
        ax.set_title(title, fontsize="medium")
        return ax

    def _plot_coefficients(self) -> Any:
        """The coefficients of the inputs that count most, for each class where there are more than two."""
        from tinygrad_edu.viz import plots

        formulas = self.predictor.formulas()
        names, numbers = [], []
        for name, label in self.find_strongest(MAX_DRAWN_COEFFICIENTS):
            names.append(f"{label} → {name}" if len(formulas) > 1 else label)
            numbers.append(formulas[name].slopes[label])
        return plots.plot_coefficients(names, numbers, self.describe_coefficients())

    def find_strongest(self, count: int) -> list[tuple[str, str]]:
        """The coefficients of a linear model, by class or target and input, that move what it predicts most.

        That is said by the coefficient times the standard deviation of the input, as it is in the training rows.
        """
        X = self._samples(self.train)[0]
        labels = self.predictor.features.inputs
        spreads = [_deviation([row[i] for row in X]) * scale for i, scale in enumerate(self._scales())]
        effects = {
            (name, label): abs(formula.slopes[label]) * spread
            for name, formula in self.predictor.formulas().items()
            for label, spread in zip(labels, spreads)
        }
        return sorted(effects, key=lambda key: -effects[key])[:count]

    def _scales(self) -> list[float]:
        """How much of a column's unit one unit of each input is."""
        found: list[float] = []
        for encoding in self.predictor.features.encodings.values():
            found += [encoding.scale] if isinstance(encoding, Standardizer) else [1.0] * len(encoding.names)
        return found

    def describe_coefficients(self) -> str:
        """What a coefficient is of, in words: its unit is this, for one unit of the input."""
        target = self.predictor.target
        if not target.classes:
            return target.name
        if self.predictor.loss == "hinge":
            return f"score of {short_repr(target.classes[1])}"
        return f"log-odds of {short_repr(target.classes[1])}" if len(target.classes) == 2 else "log-odds of the class"

    def _samples(self, table: Table) -> tuple[Any, list[Any]]:
        """X and y of a table; those of the rows to train on, validate on and measure on are kept."""
        if id(table) in self._encoded:
            return self._encoded[id(table)]
        found = self.predictor.features.transform(table, ignore_unseen=True), self.predictor.targets(table)
        if any(table is kept for kept in (self.train, self.validation, self.held_out)):
            self._encoded[id(table)] = found
        return found

    def _split_validation_rows(self, stratify: str | None) -> Table | None:
        """Takes the rows to find the best epoch by from those to train on; None where there are too few."""
        settings = self.settings
        if settings.patience is None:
            return None
        if len(self.train) >= MIN_ROWS_TO_VALIDATE:
            rows, train = range(len(self.train)), self.train
            share = settings.validation_share or min(0.1, MAX_VALIDATION_ROWS / len(train))
            with suppress(ValueError):  # all classes are too small
                parts = split(rows, test=share, seed=settings.seed, stratify=stratify and train[stratify])
                self.train, validation = map(train.take, parts)
                return validation
        return None

    def _leave_out_rare_classes(self, known: Table, target: str) -> Table:
        """The rows of classes that are not too rare; adds a note on those that are, or that cannot be split."""
        if not known.is_text(target):
            return known
        least = self.settings.min_class_rows
        kept = known.drop_rare(target, least)
        rare = {*known[target]} - {*kept[target]}
        if rare:
            rows = format_count(len(known) - len(kept), "row")
            self.notes.append(f"{rows} left out, of classes with fewer than {least} rows: {quote_list(sorted(rare))}")
        single = {*kept[target]} - {*kept.drop_rare(target, 2)[target]}
        if single:
            names = quote_list(sorted(single))
            self.notes.append(
                f"classes with a single row, {names}, cannot be split: not measured "
                "(--min-class-rows 2 leaves them out)"
            )
        if not len(kept):
            raise ValueError(f"no class of column {short_repr(target)} has {least} rows: nothing is left to learn")
        return kept

    def _choose_columns(self, target: str, features: Sequence[str] | None) -> list[str]:
        """The columns to learn from; adds a note on each column that does not look useful."""
        useful = []
        for name in features or [name for name in self.train if name != target]:
            problem = find_problem(self.train[name])
            if problem:
                self.notes.append(f"column {short_repr(name)} {problem}" + ("" if features else ": left out"))
            elif oddity := find_oddity(self.train[name]):
                self.notes.append(f"column {short_repr(name)} {oddity}; --exclude leaves it out")
            if features or not problem:
                useful.append(name)
        if not useful:
            raise ValueError("; ".join([f"there is no column to learn {short_repr(target)} from", *self.notes]))
        return useful

    def _add_notes_on_missing(self) -> None:
        """Adds notes on missing values, and on categories that training has not seen."""
        features = self.predictor.features
        self.notes += describe_missing_values(self.known, features)
        for name, kind in features.types.items():
            unseen = set(self.held_out[name]) - set(self.train[name]) - {None}
            if kind is str and unseen:
                where = f"column {short_repr(name)}: {quote_list(sorted(unseen))}"
                self.notes.append(f"{where} only among the rows held out, counts as missing there")


def describe_missing_values(table: Table, features: Features) -> list[str]:
    """A note on the values that are missing in the columns of the features; no note if none is missing."""
    missing = {name: sum(value is None for value in table[name]) for name in features.columns}
    counts = [f"{n} in {short_repr(name)}" for name, n in missing.items() if n]
    if not counts:
        return []
    return [f"missing values: {', '.join(counts)}; a number counts as the training mean, a text as no category"]


def _is_as_good(errors: Sequence[float], errors_of_model: Sequence[float]) -> bool:
    """Whether the mean of the differences is no more than one standard error above 0."""
    differences = [a - b for a, b in zip(errors, errors_of_model)]
    return fsum(differences) / len(differences) <= _deviation(differences) / sqrt(max(len(differences) - 1, 1))


def _deviation(xs: Sequence[float]) -> float:
    """The standard deviation, √(Σ (x − mean)² / n)."""
    mean = fsum(xs) / len(xs)
    return hypot(*[x - mean for x in xs]) / sqrt(len(xs))


def _write_coefficients(predictor: Predictor, path: Path) -> None:
    """Writes a line for each input, and one for the intercept, with a column for the target, or for each class."""
    import csv
    import io

    formulas = predictor.formulas()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["input", *formulas])
    writer.writerow(["(intercept)", *[formula.intercept for formula in formulas.values()]])
    for label in predictor.features.inputs:
        writer.writerow([label, *[formula.slopes[label] for formula in formulas.values()]])
    _io.write(path, text.getvalue())


def format_count(n: int, what: str) -> str:
    """A number of things in words, as "1 row" or "2 rows"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
