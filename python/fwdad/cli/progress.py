"""What a person sees of a run: a progress bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fwdad.train import EpochMetrics, Observer, Trainer


def observer() -> Bar | Lines:
    """The kind of progress report that suits standard output."""
    return Bar() if sys.stdout.isatty() else Lines()


class Lines(Observer):
    """One plain line an epoch."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def epoch_ended(self, trainer: Trainer, row: EpochMetrics) -> None:
        click.echo(
            f"epoch {row.epoch}/{trainer.config.epochs}  step {row.step}  "
            f"loss {row.train_loss:.4f}  accuracy {row.train_accuracy:.4f}  "
            f"validation {row.validation_accuracy:.4f}  {_ms_per_step(trainer):.2f} ms/step"
        )


class Bar(Observer):
    """A bar over the steps of the run, with the running epoch's loss and accuracy, the time per step and the rest."""

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

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stepped(self, trainer: Trainer) -> None:
        progress = trainer.progress
        self._bar.update(
            self._task,
            completed=progress.step,
            total=trainer.steps,
            epoch=f"{len(progress.rows) + 1}/{trainer.config.epochs}",
            report=f"loss {progress.loss_sum / progress.seen:.4f}  accuracy {progress.correct / progress.seen:.4f}"
            f"{self._validation}  {_ms_per_step(trainer):.2f} ms/step",
        )

    def epoch_ended(self, trainer: Trainer, row: EpochMetrics) -> None:
        self._validation = f"  validation {row.validation_accuracy:.4f}"


def _ms_per_step(trainer: Trainer) -> float:
    return 1e3 * trainer.progress.step_seconds / trainer.progress.step
