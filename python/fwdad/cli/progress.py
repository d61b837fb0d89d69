"""What a person sees of a run: a progress bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from fwdad.cli.options import printable
from fwdad.train import EpochMetrics, ObservedRun, Observer, TrainConfig

YEARS = 1e8  # seconds from which nobody counts
BAR = 5  # columns that are kept for the bar itself


def report() -> Observer:
    """Return the kind of progress report that suits standard output."""
    return Bar() if sys.stdout.isatty() else Lines()


class Lines(Observer):
    """One plain line an epoch."""

    def began(self, run: ObservedRun) -> None:
        """Say what the data and the directions are."""
        click.echo(_beginning(run))

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Print the line."""
        click.echo(
            f"epoch {row.epoch}/{run.config.epochs}  step {row.step}  "
            f"{_train(row.train_loss, row.train_accuracy)}  {_validation(row)}  {_speed(run)}  "
            f"{_left(run)} left"
        )


class Bar(Observer):
    """A bar over the steps of the run, with the running epoch's loss and accuracy, the speed and the time left.

    In a narrow terminal some of it is left out, so that the rest can be read: the loss, the validation and the time.
    """

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[report]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, report="")
        self._validation = ""

    def began(self, run: ObservedRun) -> None:
        """Say what the data and the directions are, and show the bar."""
        click.echo(_beginning(run))
        self._bar.start()

    def ended(self, run: ObservedRun, result: dict[str, Any] | None) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def stepped(self, run: ObservedRun) -> None:
        """Move the bar."""
        progress = run.progress
        accuracy = None if run.data.classes is None else progress.correct / progress.seen
        parts = [
            f"epoch {len(progress.rows) + 1}/{run.config.epochs}",
            _train(progress.loss_sum / progress.seen, None),
            "" if accuracy is None else f"accuracy {accuracy:.4f}",
            self._validation,
            f"{_left(run)} left",
            *_speed(run).split("  "),
        ]
        report = "  ".join(_fitting(parts, self._bar.console.width - BAR))
        self._bar.update(self._task, completed=progress.step, total=run.steps, report=report)

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Take the validation into the bar."""
        self._validation = _validation(row)


def _fitting(parts: list[str], width: int) -> list[str]:
    """Return the parts that fit into a line: without the last, the speeds, and then the third, the accuracy.

    Examples
    --------
    >>> _fitting(["epoch 1/2", "loss 2", "accuracy 0.3", "", "1:00 left", "5 ms"], 40)
    ['epoch 1/2', 'loss 2', '1:00 left']
    """
    for absent in ([], [6], [5, 6], [2, 5, 6]):
        left = [part for i, part in enumerate(parts) if part and i not in absent]
        if len("  ".join(left)) <= width:
            break
    return left


def _beginning(run: ObservedRun) -> str:
    """Say how many examples there are and of what kind, and what the directions are."""
    dataset, facts = run.data, run.data.facts
    what = "x".join(map(str, dataset.shape))
    if facts is not None and facts.columns:
        what = f"{len(facts.columns)} columns"
    elif facts is not None and facts.channels_last:
        what += ", channels last in the file"
    counts = " / ".join(str(len(part.targets)) for part in (dataset.train, dataset.validation, dataset.test))
    target = f"{dataset.outputs} values" if dataset.classes is None else f"{dataset.classes} classes"
    first = f"data: {dataset.name}, {counts} examples (train / validation / test), {what}, {target}"
    return f"{printable(first)}\n{_directions(run.config)}"


STRUCTURED = {
    "units": "every unit, so that the gradient is exact",
    "classes": "one an output in early layers, every unit in the last three",
}


def _directions(config: TrainConfig) -> str:
    """Say what the directions of a run are."""
    rows = "" if config.rows is None else f", on {config.rows:.0%} of the rows, drawn by their errors"
    random = f"{config.tangents} {config.sampler}, combined by {config.combiner}"
    return f"directions: {STRUCTURED.get(config.directions, random)}{rows}"


def _train(loss: float, accuracy: float | None) -> str:
    return f"loss {short(loss)}" + ("" if accuracy is None else f"  accuracy {accuracy:.4f}")


def _validation(row: EpochMetrics) -> str:
    """Show the validation accuracy, or the loss in a regression."""
    return f"validation {short(row.validation_loss if row.validation_accuracy is None else row.validation_accuracy)}"


def short(value: float) -> str:
    """Write a loss or an accuracy in at most 9 characters.

    Examples
    --------
    >>> short(0.25), short(1.5e21)
    ('0.2500', '1.5e+21')
    """
    return f"{value:.4f}" if value < 1e4 else f"{value:.3g}"


def _speed(run: ObservedRun) -> str:
    progress = run.progress
    examples = len(progress.rows) * len(run.data.train.targets) + progress.seen
    per_step, per_second = 1e3 * progress.step_seconds / progress.step, examples / progress.step_seconds
    return f"{per_step:.2f} ms/step  {per_second:,.0f} examples/s"


def _left(run: ObservedRun) -> str:
    """Estimate the time to the last epoch from the time so far, as h:mm:ss."""
    progress = run.progress
    seconds = progress.seconds / progress.step * (run.steps - progress.step)
    return str(timedelta(seconds=round(seconds))) if seconds < YEARS else "years"
