"""What the command shows of an experiment in the terminal: its plan, its results, its files.

Names from a table are quoted; how they reach the terminal is left to `_terminal.py`.
"""

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tinygrad_edu.errors import quote_list, short_repr

from ._terminal import say
from .experiment import PICTURES, Experiment, Rival, format_count
from .notes import describe_uncertainty

MOST_CLASSES, MOST_COEFFICIENTS = 8, 12  # in a table; the others are in a file, or are summed up


def show_plan(title: str, experiment: Experiment) -> None:
    """Shows the task, the data, the model, and how it is trained."""
    predictor, settings = experiment.predictor, experiment.settings
    say(title, bold=True)
    show_line(
        "task", f"{predictor.task}: {short_repr(predictor.target.name)} from {quote_list(predictor.features.columns)}"
    )
    if predictor.target.classes:
        show_line("classes", quote_list(predictor.target.classes))
    known, train, held_out = map(len, (experiment.known, experiment.train, experiment.held_out))
    validation = f"{len(experiment.validation)} to find the best epoch, " if experiment.validation else ""
    few = settings.patience and not experiment.validation
    also = "; too few to spare some to find the best epoch" if few else ""
    show_line("data", f"{known} rows: {train} to train on, {validation}{held_out} held out to measure on{also}")
    inputs, outputs = len(predictor.features.inputs), len(predictor.model.layers[-1].neurons)
    hidden = f"{' + '.join(map(str, predictor.hidden))} hidden neurons ({predictor.activation})"
    parts = ["MLP" if predictor.hidden else "linear", format_count(inputs, "input")]
    parts += [hidden] if predictor.hidden else []
    parts += [format_count(outputs, "output"), f"{len(predictor.model.parameters())} parameters"]
    show_line("model", ", ".join(parts))
    batches = "all rows at once" if experiment.batch_size == train else f"batches of {experiment.batch_size}"
    lr = f"learning rate {experiment.optimizer.lr:g}"
    lr += f" (a tenth after {experiment.plateau} epochs without progress)" if experiment.plateau else ""
    decay = getattr(experiment.optimizer, "weight_decay", 0.0)
    lr += f", weight decay {decay:.2g}" if decay else ""
    epochs = f"{settings.epochs} epochs"
    if experiment.validation:
        epochs = f"at most {epochs}, {settings.patience} without progress"
    show_line("training", f"{settings.optimizer}, {lr}, {batches}, {epochs}")
    for note in experiment.notes:
        show_line("note", note)


def show_results(experiment: Experiment) -> None:
    """Shows the loss; the scores on the rows held out, beside those of simpler models; and the formula of a line."""
    history, predictor = experiment.history, experiment.predictor
    best = history.best_epoch if experiment.validation else None
    taken = "what was learned" if best is None else f"the model of epoch {best}, the best one,"
    if history.stopped == "interrupted":
        epochs = f"{history.epochs} of {experiment.settings.epochs} epochs"
        show_line("note", f"interrupted after {epochs}; {taken} is written")
    elif best is not None:
        show_line("epochs", f"{history.epochs}; the model is that of epoch {best}, the best on the validation rows")
    first, last, held_out = map(_format_number, (history.loss[0], history.loss[-1], experiment.compute_loss()))
    unit = f" ({experiment.unit})" if experiment.unit else ""
    show_line("loss", f"{predictor.loss} {first} → {last} in training, {held_out} held out{unit}")
    rivals = experiment.compare()
    _show_scores(experiment, rivals)
    for rival in rivals[1:]:
        if rival.is_as_good:
            name = f"a {rival.name}" if rival.name == "linear model" else rival.name
            show_line("note", f"{name} is as good, within one standard error{_advise(experiment, rival)}")
            break
    few = describe_uncertainty(len(experiment.held_out), rivals[0].scores.get("accuracy"))
    if few:
        show_line("note", few)
    if predictor.target.classes:
        _show_classes(experiment)
    if not predictor.hidden:
        _show_coefficients(experiment)


def _advise(experiment: Experiment, rival: Rival) -> str:
    if rival.name == "linear model":
        return ": it is the simpler one, and says what counts for how much (--hidden none)"
    return f": nothing about {short_repr(experiment.predictor.target.name)} has been learned that holds for other rows"


def _show_scores(experiment: Experiment, rivals: Sequence[Rival]) -> None:
    """A table of the model and simpler ones, with the scores that any of them has."""
    columns = {"accuracy": "accuracy", "auc": "AUC", "r2": "R²", "rmse": "root mean squared error"}
    formats = {"accuracy": "{:.1%}", "auc": "{:.3f}", "r2": "{:.3f}"}
    names = [name for name in columns if any(name in rival.scores for rival in rivals)]
    lines = [["", *[columns[name] for name in names]]]
    for rival in rivals:
        scores = rival.scores
        numbers = [(formats[n].format(scores[n]) if n in formats else _format_number(scores[n])) for n in names]
        lines.append([rival.name, *numbers])
    show_table("held out", lines)
    if experiment.predictor.task == "regression" and "r2" not in names:
        show_line("", "R² is not defined, as all targets held out are (almost) equal")


def _show_classes(experiment: Experiment) -> None:
    """A table of the scores of each class; of many classes those that are told apart worst, and the mean of all."""
    scores = experiment.compute_class_scores()
    shown = [*scores]
    if len(shown) > MOST_CLASSES:
        shown = sorted(scores, key=lambda name: scores[name].f1)[: MOST_CLASSES - 2]
    lines = [["", "precision", "recall", "F1", "rows"]]
    for name in shown:
        s = scores[name]
        lines.append([name, f"{s.precision:.1%}", f"{s.recall:.1%}", f"{s.f1:.3f}", f"{s.support:,}"])
    precision, recall, f1, support = zip(*scores.values())
    n = len(scores)
    means = [f"{sum(precision) / n:.1%}", f"{sum(recall) / n:.1%}", f"{sum(f1) / n:.3f}", f"{sum(support):,}"]
    lines.append([f"mean of all {n}" if len(shown) < n else "mean", *means])
    show_table("the worst" if len(shown) < n else "classes", lines)


def _show_coefficients(experiment: Experiment) -> None:
    """A table of the formula of a linear model: of many coefficients those that count most."""
    predictor, formulas = experiment.predictor, experiment.predictor.formulas()
    strongest = experiment.find_strongest(MOST_COEFFICIENTS)
    inputs = [*dict.fromkeys(label for _, label in strongest)]
    names = [*formulas] if len(formulas) <= 4 else [*dict.fromkeys(name for name, _ in strongest)][:4]
    lines = [["", *names] if len(formulas) > 1 else ["", "coefficient"]]
    lines.append(["(intercept)", *[_format_number(formulas[name].intercept) for name in names]])
    for label in inputs:
        lines.append([label, *[_format_number(formulas[name].slopes[label]) for name in names]])
    show_line("formula", f"{experiment.describe_coefficients()} = intercept + Σ coefficient · input")
    show_table("", lines)
    if len(inputs) < len(predictor.features.inputs) or len(names) < len(formulas):
        show_line("", "the others, which count less, are in coefficients.csv")


def show_table(name: str, lines: Sequence[Sequence[str]]) -> None:
    """Shows a table beside its name, its first column to the left and the others to the right, in 80 columns."""
    widest = max(10, 66 - sum(2 + max(len(line[i]) for line in lines) for i in range(1, len(lines[0]))))
    cells = [[_shorten(line[0], widest), *line[1:]] for line in ([*map(_one_line, line)] for line in lines)]
    cells = [[line[0], *[_shorten(cell, 24) for cell in line[1:]]] for line in cells]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for i, (first, *others) in enumerate(cells):
        row = first.ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(others, widths[1:]))
        say(f"  {name if not i else '':<10}{row}".rstrip())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def show_files(experiment: Experiment, folder: Path, pictures: bool) -> None:
    """Shows the files that have been written, with pictures or without."""
    files = {names: what for names, what in experiment.files.items() if pictures or not {*names} <= {*PICTURES}}
    if experiment.drawn_row:
        row = Path(experiment.drawn_row.place(0)).name
        show_line("neuron", f"drawn at the training row with the largest loss, {row}")
    show_line("written", f"to {folder}")
    width = 2 + max(len(", ".join(names)) for names in files)
    for names, what in files.items():
        show_line("", f"{', '.join(names):<{width}}{what}", indent=width)
    say()


def show_line(name: str, text: str, indent: int = 0) -> None:
    """Shows a text beside its name, in as many lines as it takes; from the second on they are indented."""
    wrapper = textwrap.TextWrapper(_terminal_width(), break_long_words=False, break_on_hyphens=False)
    wrapper.initial_indent, wrapper.subsequent_indent = f"  {name:<10}", " " * (12 + indent)
    say(*wrapper.wrap(text))


def _terminal_width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _format_number(x: float) -> str:
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e7 else f"{x:.4g}"
