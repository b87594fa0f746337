"""What the command shows of a job in the terminal: its plan, a progress bar, its results, its files.

Names that come from a table are quoted; what else is not printable, in the name of a file, does not reach the terminal.
"""

import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tinygrad_edu.data.tables import listing
from tinygrad_edu.errors import shown
from tinygrad_edu.train import History

from .job import FILES, Job, counted


def plan(title: str, job: Job) -> None:
    """What is going to be learned, from what, and how."""
    predictor, recipe = job.predictor, job.recipe
    click.secho(printable(title), bold=True)
    line("task", f"{predictor.task}: {shown(predictor.target.name)} from {listing(predictor.features.columns)}")
    if predictor.target.classes:
        line("classes", listing(predictor.target.classes))
    line("data", f"{len(job.known)} rows: {len(job.train)} to train on, {len(job.held_out)} held out to measure on")
    inputs, outputs = len(predictor.features.inputs), len(predictor.model.layers[-1].neurons)
    hidden = f"{' + '.join(map(str, predictor.hidden))} hidden neurons ({predictor.activation})"
    kind = f"MLP, {counted(inputs, 'input')}, {hidden}" if predictor.hidden else f"linear, {counted(inputs, 'input')}"
    line("model", f"{kind}, {counted(outputs, 'output')}, {len(predictor.model.parameters())} parameters")
    whole = recipe.batch_size is None or recipe.batch_size >= len(job.train)
    batches = "all rows at once" if whole else f"batches of {recipe.batch_size}"
    line("training", f"{recipe.optimizer}, learning rate {job.optimizer.lr:g}, {batches}, {recipe.epochs} epochs")
    for note in job.notes:
        line("note", note)


@contextmanager
def progress_bar(job: Job) -> Iterator[Callable[[History], None]]:
    """A bar where there is a terminal, for training to call after each epoch; its loss is in the target's units."""
    from tqdm import tqdm

    layout = "  {percentage:3.0f} %     |{bar}| {n}/{total} epochs{postfix}"
    with tqdm(total=job.recipe.epochs, disable=None, ncols=_width(), bar_format=layout) as bar:

        def update(history: History) -> None:
            bar.set_postfix_str(f"loss {_number(job.in_units(history.loss[-1]))}", refresh=False)
            bar.update(history.epochs - bar.n)

        yield update


def results(job: Job) -> None:
    """The loss, and the scores on the rows held out."""
    history, predictor, scores = job.history, job.predictor, job.scores()
    if history.stopped == "interrupted":
        line("note", f"interrupted after {history.epochs} of {job.recipe.epochs} epochs; what was learned is written")
    first, last, held_out = map(_number, (history.loss[0], history.loss[-1], history.validation[-1]))
    unit = f" ({job.unit})" if job.unit else ""
    line("loss", f"{predictor.loss} {first} → {last} in training, {held_out} held out{unit}")
    if predictor.task == "classification":
        guess = f"always guessing the most frequent class: {scores['baseline']:.1%}"
        line("held out", f"accuracy {scores['accuracy']:.1%} ({guess})")
    else:
        r2 = (
            f"R² {scores['r2']:.3f}" if "r2" in scores else "R² not defined, as all targets held out are (almost) equal"
        )
        unit = f"unit of {shown(predictor.target.name)}"
        line("held out", f"{r2}; root mean squared error {_number(scores['rmse'])} ({unit})")


def files(job: Job, folder: Path) -> None:
    """What has been written, and where."""
    line("neuron", f"drawn at the training row with the largest loss, {Path(job.worst_row().place(0)).name}")
    line("written", f"to {folder}")
    for names, what in FILES.items():
        line("", f"{', '.join(names):<24}{what}")
    click.echo()


def line(name: str, text: str) -> None:
    """A text beside its name, in as many lines as it takes."""
    wrapper = textwrap.TextWrapper(_width(), break_long_words=False, break_on_hyphens=False)
    wrapper.initial_indent, wrapper.subsequent_indent = f"  {name:<10}", " " * 12
    click.echo(wrapper.fill(printable(text)))


def printable(text: str) -> str:
    """The text with a replacement character for each one that a terminal could take for a command."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _number(x: float) -> str:
    return f"{x:,.0f}" if 1e3 <= abs(x) < 1e7 else f"{x:.4g}"
