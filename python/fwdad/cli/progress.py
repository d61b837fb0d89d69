"""What a person sees of a run: a progress bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fwdad.train import EpochMetrics, ObservedRun, Observer, TrainConfig

YEARS = 1e8  # seconds from which nobody counts


def report() -> Observer:
    """Return the kind of progress report that suits standard output."""
    return Bar() if sys.stdout.isatty() else Lines()


class Lines(Observer):
    """One plain line an epoch."""

    def began(self, run: ObservedRun) -> None:
        """Say what the directions are."""
        click.echo(_directions(run.config))

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Print the line."""
        click.echo(
            f"epoch {row.epoch}/{run.config.epochs}  step {row.step}  "
            f"{_train(row.train_loss, row.train_accuracy)}  {_validation(row)}  {_speed(run)}  "
            f"{_left(run)} left"
        )


class Bar(Observer):
    """A bar over the steps of the run, with the running epoch's loss and accuracy, the speed and the time left."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[report]}"),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task("", total=None, epoch="", report="")
        self._validation = ""

    def began(self, run: ObservedRun) -> None:
        """Say what the directions are, and show the bar."""
        click.echo(_directions(run.config))
        self._bar.start()

    def ended(self, run: ObservedRun, result: dict[str, Any] | None) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def stepped(self, run: ObservedRun) -> None:
        """Move the bar."""
        progress = run.progress
        accuracy = None if run.data.classes is None else progress.correct / progress.seen
        self._bar.update(
            self._task,
            completed=progress.step,
            total=run.steps,
            epoch=f"{len(progress.rows) + 1}/{run.config.epochs}",
            report=f"{_train(progress.loss_sum / progress.seen, accuracy)}{self._validation}  {_speed(run)}",
        )

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Take the validation into the bar."""
        self._validation = "  " + _validation(row)


def _directions(config: TrainConfig) -> str:
    """Say what the directions of a run are."""
    rows = "" if config.rows is None else f", on {config.rows:.0%} of the rows, drawn by their errors"
    if config.directions == "units":
        return f"directions: every unit, so that the gradient is exact{rows}"
    return f"directions: {config.tangents} {config.sampler}, combined by {config.combiner}{rows}"


def _train(loss: float, accuracy: float | None) -> str:
    return f"loss {loss:.4f}" + ("" if accuracy is None else f"  accuracy {accuracy:.4f}")


def _validation(row: EpochMetrics) -> str:
    """Show the validation accuracy, or the loss in a regression."""
    return f"validation {row.validation_loss if row.validation_accuracy is None else row.validation_accuracy:.4f}"


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
