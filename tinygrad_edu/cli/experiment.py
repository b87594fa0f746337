"""An experiment from end to end: from a table of data to a trained model and its pictures.

An `Experiment` chooses the columns, holds rows out, trains, measures, and writes the files; its `notes` say what it
leaves out, and what it puts in place of missing values. Its result is a `Predictor` (`train/predictor.py`). Talking to
the user is left to `commands.py` and `report.py`.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import hypot, sqrt
from pathlib import Path
from typing import Any

from tinygrad_edu import losses, nn, optim
from tinygrad_edu.data import accuracy, r2, split
from tinygrad_edu.data.preprocessing import Categories, Features, Standardizer, Target
from tinygrad_edu.data.tables import Table
from tinygrad_edu.engine import Value, make_constant
from tinygrad_edu.errors import quote_list, short_repr
from tinygrad_edu.functional import total
from tinygrad_edu.train import History, TrainingInterrupted, evaluate, fit
from tinygrad_edu.train.predictor import REGRESSION_LOSSES, Predictor

LEARNING_RATES = {"sgd": 0.05, "adagrad": 0.05, "rmsprop": 0.005, "adam": 0.01, "adamw": 0.01}
MAX_CATEGORIES = 50  # a column with more different texts rather holds names than categories
MAX_DRAWN_INPUTS = 12

FILES = {
    ("model.json",): "the model, for tinygrad-edu predict",
    ("history.csv",): "the loss of each epoch",
    ("loss.svg", "loss.png"): "the same as curves",
    ("fit.svg", "fit.png"): "what was predicted against what was measured",
    ("neuron.svg", "neuron.png"): "the graph of one neuron, with its gradients",
}


@dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        hidden: The widths of the hidden layers; none makes a linear model.
        activation: The name of the activation of the hidden layers.
        loss: The name of a loss; None takes the usual one of the task.
        optimizer: The name of an optimizer.
        lr: The learning rate; None takes the usual one of the optimizer, from `LEARNING_RATES`.
        epochs: The number of passes over the training rows.
        batch_size: The number of rows in a batch; None takes all rows at once.
        seed: The seed of the split, of the first weights, and of the order of the rows.
        test_share: The share of the rows that is held out.
    """

    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"
    loss: str | None = None
    optimizer: str = "adam"
    lr: float | None = None
    epochs: int = 100
    batch_size: int | None = 8
    seed: int = 0
    test_share: float = 0.2


class Experiment:
    """Learns to predict one column of a table from others, and measures how well it does on rows held out.

    A column of numbers makes it a regression, a column of texts a classification. Rows without a target are left out.

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
        >>> experiment = Experiment(table, "y", settings=Settings(hidden=(), optimizer="sgd", batch_size=None))
        >>> experiment.run().stopped, round(experiment.compute_scores()["r2"], 6)
        ('epochs', 1.0)
    """

    def __init__(
        self, table: Table, target: str, features: Sequence[str] | None = None, settings: Settings | None = None
    ) -> None:
        self.settings = settings = settings or Settings()
        self.notes: list[str] = []
        self.history = History()
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
        values = known[target]
        kinds = len(set(values))
        classes = isinstance(values[0], str)
        if classes and kinds > MAX_CATEGORIES:
            raise ValueError(f"column {short_repr(target)} has {kinds} classes, more than {MAX_CATEGORIES}")
        if not classes and 1 < kinds <= 10 and 2 * kinds <= len(values) and all(map(float.is_integer, values)):
            self.notes.append(
                f"column {short_repr(target)} is learned as a number, not as {kinds} classes (--task classification)"
            )
        stratify = values if classes else None
        rows = split(range(len(known)), test=settings.test_share, seed=settings.seed, stratify=stratify)
        self.known, (self.train, self.held_out) = known, map(known.take, rows)
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
        optimizer, parameters = optim.by_name(settings.optimizer), self.predictor.model.named_parameters()
        self.optimizer = optimizer(
            parameters, LEARNING_RATES[settings.optimizer] if settings.lr is None else settings.lr
        )
        self._add_notes_on_missing()

    def run(
        self,
        checkpoint: str | os.PathLike[str] | None = None,
        callbacks: Sequence[Callable[[History], object]] = (),
    ) -> History:
        """Trains, as `fit` does; the losses of the history are in the unit of the target.

        After Ctrl-C, which is raised as `TrainingInterrupted`, the experiment has the history and the model so far.
        """
        settings = self.settings
        try:
            history = fit(
                self.predictor.model,
                *self._samples(self.train),
                loss=losses.by_name(self.predictor.loss),
                optimizer=self.optimizer,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                shuffle=True,
                seed=settings.seed,
                validation=self._samples(self.held_out),
                callbacks=callbacks,
                progress=False,
                checkpoint=checkpoint,
            )
        except TrainingInterrupted as interrupted:
            self._take_history(interrupted.history)
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
        """Measures on the rows held out: "r2", if it is defined, and "rmse", √(Σ (ŷ − y)² / n), in the target's unit.

        In a classification it measures "accuracy", the share of right answers, and "baseline", the accuracy of always
        guessing the most frequent class of the training rows.
        """
        name = self.predictor.target.name
        measured, predicted = self.held_out[name], self._predictions(self.held_out)
        if self.predictor.task == "classification":
            guess = Counter(self.train[name]).most_common(1)[0][0]
            return {
                "accuracy": accuracy(measured, predicted),
                "baseline": accuracy(measured, [guess] * len(measured)),
            }
        scores = {"rmse": sqrt(losses.mse(predicted, measured))}
        with suppress(ValueError):  # where it is not defined
            scores["r2"] = r2(measured, predicted)
        return scores

    def find_worst_row(self) -> Table:
        """The training row with the largest loss; one without missing values if there is any."""
        rows = self.train.drop_missing(*self.predictor.features.columns)
        rows = rows if len(rows) else self.train  # a missing value becomes 0, and so does the gradient of its weight
        loss = losses.by_name(self.predictor.loss)
        errors = [evaluate(self.predictor.model, [x], [y], loss) for x, y in zip(*self._samples(rows))]
        return rows.take([errors.index(max(errors))])

    def build_neuron_graph(self) -> Value:
        """The output of one neuron of the first layer, after going backward from the loss of `find_worst_row()`.

        It is the neuron whose parameters have the largest gradient there. Each of its products is a node of the graph.
        Of more than `MAX_DRAWN_INPUTS` inputs those with the smaller products are one constant.
        """
        model, loss = self.predictor.model, losses.by_name(self.predictor.loss)
        X, y = self._samples(self.find_worst_row())
        inputs = [make_constant(x, label=_shorten(name)) for x, name in zip(X[0], self.predictor.features.inputs)]
        first, *others = model.layers

        def go_backward(expanded: int | None) -> list[Value]:
            """The outputs of the first layer, one neuron of it expanded, after going backward from the loss."""
            model.zero_grad()
            neurons = enumerate(first.neurons)
            outputs = [_expand_neuron(neuron, inputs) if i == expanded else neuron(inputs) for i, neuron in neurons]
            y_hat: Any = outputs[0] if len(outputs) == 1 else outputs
            for layer in others:
                y_hat = layer(y_hat)
            loss([y_hat], y).backward()
            return outputs

        go_backward(expanded=None)
        slopes = [hypot(*[p.grad for p in neuron.parameters()]) for neuron in first.neurons]
        steepest = slopes.index(max(slopes))
        neuron = go_backward(expanded=steepest)[steepest]
        neuron.label = f"layers[0].neurons[{steepest}]"
        return neuron

    def write_files(self, folder: Path) -> None:
        """Writes all of `FILES` into a folder.

        Raises `OSError` where that fails, `ImportError` where a package for the pictures is missing.
        """
        from tinygrad_edu.viz import plots
        from tinygrad_edu.viz.graph import draw

        self.predictor.save(folder / "model.json")
        self.history.to_csv(folder / "history.csv")
        everything = [*self.history.loss, *self.history.validation]
        decades = max(everything) > 20 * min(everything) > 0  # on a linear scale the end would be a flat line
        loss = plots.plot_loss(self.history, scale="log" if decades else "linear")
        loss.set_ylabel(f"{self.predictor.loss}, {self.unit}" if self.unit else self.predictor.loss)
        fitted, drawing = self._plot_fit(), draw(self.build_neuron_graph())
        for suffix in (".svg", ".png"):
            plots.save(loss, folder / f"loss{suffix}")
            plots.save(fitted, folder / f"fit{suffix}")
            drawing.save(folder / f"neuron{suffix}")

    def _plot_fit(self) -> Any:
        """The curve through all rows where the one input is a number; else the predictions for the rows held out."""
        from tinygrad_edu.viz import plots

        target, types = self.predictor.target, self.predictor.features.types
        measured, predicted = self.held_out[target.name], self._predictions(self.held_out)
        if isinstance(target.encoding, Categories):
            number = target.encoding.transform
            return plots.plot_confusion(number(measured), number(predicted), target.classes)
        if list(types.values()) != [float]:
            return plots.plot_predictions(measured, predicted, quantity=target.name)
        (name,) = types
        rows = self.known.drop_missing(name)
        return plots.plot_fit(rows[name], rows[target.name], self._predictions(rows), xlabel=name, ylabel=target.name)

    def _samples(self, table: Table) -> tuple[list[list[float]], list[Any]]:
        return self.predictor.features.transform(table, ignore_unseen=True), self.predictor.targets(table)

    def _predictions(self, table: Table) -> list[Any]:
        return self.predictor.predict(table, ignore_unseen=True)["prediction"]

    def _choose_columns(self, target: str, features: Sequence[str] | None) -> list[str]:
        """The columns to learn from; adds a note on each column that does not look useful."""
        useful = []
        for name in features or [name for name in self.train if name != target]:
            problem = _find_problem(self.train[name])
            if problem:
                self.notes.append(f"column {short_repr(name)} {problem}" + ("" if features else ": left out"))
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


@contextmanager
def write_all_or_none(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder; at the end its files replace those of the same names in `folder`.

    The files take over the permissions of those that they replace. On an error nothing changes. Raises `OSError` at the
    beginning where `folder` cannot be made or written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
            yield Path(temporary)
            places = {file: folder / file.name for file in Path(temporary).iterdir()}
            for place in places.values():
                if place.is_dir():
                    raise IsADirectoryError(f"{place} is a folder, and in the way of a file of that name")
            for file, place in places.items():
                with suppress(FileNotFoundError):
                    shutil.copymode(place, file)  # a private file stays private
                os.replace(file, place)
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise


def _find_problem(values: Sequence[Any]) -> str:
    """Why a column is not useful, in words; "" if it is."""
    present = {value for value in values if value is not None}
    if not present:
        return "has no value"
    if len(present) == 1:
        return f"has the same value everywhere, {short_repr(*present)}"
    if len(present) > MAX_CATEGORIES and isinstance(present.pop(), str):
        return f"has more than {MAX_CATEGORIES} different texts"
    if 1 < len(present) == sum(value is not None for value in values) and isinstance(present.pop(), str):
        return "has a different text in every row"
    return ""


def _expand_neuron(neuron: nn.Neuron, inputs: Sequence[Value]) -> Value:
    """The neuron's output, with the sum of products in place of the dot product."""
    products = [w * x for w, x in zip(neuron.w, inputs)]
    large = set(sorted(products, key=lambda p: abs(p.data), reverse=True)[:MAX_DRAWN_INPUTS])
    terms = [p for p in products if p in large]
    if len(terms) < len(products):
        small = [p.data for p in products if p not in large]
        terms.append(make_constant(sum(small), label=f"{len(small)} more products"))
    z = terms[0] if len(terms) == 1 else total(terms)
    if neuron.b is not None:
        z = z + neuron.b
    activate = neuron.activation if callable(neuron.activation) else nn.ACTIVATIONS[neuron.activation]
    return activate(z) if neuron.nonlin else z


def _shorten(name: str) -> str:
    return name if len(name) <= 40 else name[:39] + "…"


def format_count(n: int, what: str) -> str:
    """A number of things in words, as "1 row" or "2 rows"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
