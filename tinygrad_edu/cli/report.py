"""What the command shows of an experiment in the terminal: its plan, a progress bar, its results, its files.

Names from a table are quoted. Characters that are not printable, as in the name of a file, do not reach the terminal.
"""

import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tinygrad_edu.errors import quote_list, short_repr
from tinygrad_edu.train import History

from .experiment import FILES, Experiment, format_count


def show_plan(title: str, experiment: Experiment) -> None:
    """Shows the task, the data, the model, and how it is trained."""
    predictor, settings = experiment.predictor, experiment.settings
    click.secho(replace_unprintable(title), bold=True)
    show_line(
        "task", f"{predictor.task}: {short_repr(predictor.target.name)} from {quote_list(predictor.features.columns)}"
    )
    if predictor.target.classes:
        show_line("classes", quote_list(predictor.target.classes))
    known, train, held_out = map(len, (experiment.known, experiment.train, experiment.held_out))
    show_line("data", f"{known} rows: {train} to train on, {held_out} held out to measure on")
    inputs, outputs = len(predictor.features.inputs), len(predictor.model.layers[-1].neurons)
    hidden = f"{' + '.join(map(str, predictor.hidden))} hidden neurons ({predictor.activation})"
    parts = ["MLP" if predictor.hidden else "linear", format_count(inputs, "input")]
    parts += [hidden] if predictor.hidden else []
    parts += [format_count(outputs, "output"), f"{len(predictor.model.parameters())} parameters"]
    show_line("model", ", ".join(parts))
    whole = settings.batch_size is None or settings.batch_size >= train
    batches = "all rows at once" if whole else f"batches of {settings.batch_size}"
    lr = f"learning rate {experiment.optimizer.lr:g}"
    show_line("training", f"{settings.optimizer}, {lr}, {batches}, {settings.epochs} epochs")
    for note in experiment.notes:
        show_line("note", note)


@contextmanager
def show_progress(experiment: Experiment) -> Iterator[Callable[[History], None]]:
    """Shows a bar where there is a terminal; gives a function to call after each epoch."""
    from tqdm import tqdm

    layout = "  {percentage:3.0f} %     |{bar}| {n}/{total} epochs{postfix}"
    with tqdm(total=experiment.settings.epochs, disable=None, ncols=_terminal_width(), bar_format=layout) as bar:

        def update(history: History) -> None:
            bar.set_postfix_str(f"loss {_format_number(experiment.to_units(history.loss[-1]))}", refresh=False)
            bar.update(history.epochs - bar.n)

        yield update


def show_results(experiment: Experiment) -> None:
    """Shows the loss, and the scores on the rows held out."""
    history, predictor, scores = experiment.history, experiment.predictor, experiment.compute_scores()
    if history.stopped == "interrupted":
        epochs = f"{history.epochs} of {experiment.settings.epochs} epochs"
        show_line("note", f"interrupted after {epochs}; what was learned is written")
    first, last, held_out = map(_format_number, (history.loss[0], history.loss[-1], history.validation[-1]))
    unit = f" ({experiment.unit})" if experiment.unit else ""
    show_line("loss", f"{predictor.loss} {first} → {last} in training, {held_out} held out{unit}")
    if predictor.task == "classification":
        guess = f"always guessing the most frequent class: {scores['baseline']:.1%}"
        show_line("held out", f"accuracy {scores['accuracy']:.1%} ({guess})")
    else:
        r2 = "R² not defined, as all targets held out are (almost) equal"
        if "r2" in scores:
            r2 = f"R² {scores['r2']:.3f}"
        unit = f"unit of {short_repr(predictor.target.name)}"
        show_line("held out", f"{r2}; root mean squared error {_format_number(scores['rmse'])} ({unit})")


def show_files(experiment: Experiment, folder: Path) -> None:
    """Shows the files that have been written."""
    row = Path(experiment.find_worst_row().place(0)).name
    show_line("neuron", f"drawn at the training row with the largest loss, {row}")
    show_line("written", f"to {folder}")
    for names, what in FILES.items():
        show_line("", f"{', '.join(names):<24}{what}")
    click.echo()


def show_line(name: str, text: str) -> None:
    """Shows a text beside its name, in as many lines as it takes."""
    wrapper = textwrap.TextWrapper(_terminal_width(), break_long_words=False, break_on_hyphens=False)
    wrapper.initial_indent, wrapper.subsequent_indent = f"  {name:<10}", " " * 12
    click.echo(wrapper.fill(replace_unprintable(text)))


def replace_unprintable(text: str) -> str:
    """The text with a replacement character for each one that a terminal could take for a command."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _terminal_width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _format_number(x: float) -> str:
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e7 else f"{x:.4g}"
