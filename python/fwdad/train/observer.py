"""Observers: what hears of a training run as it goes on, as a progress bar does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from fwdad.data import Dataset
from fwdad.train.config import TrainConfig
from fwdad.train.metrics import EpochMetrics
from fwdad.train.progress import Progress


class ObservedRun(Protocol):
    """A training run as an observer sees it; `fwdad.train.Trainer` is one.

    Parameters
    ----------
    batch_loss
        The loss that the step just taken began from.
    """

    config: TrainConfig
    folder: Path
    data: Dataset
    progress: Progress
    batch_loss: float

    @property
    def model(self) -> Any:
        """The model as it is now."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""

    def stop(self) -> None:
        """Ask the run to end after the step it is in."""


class Observer:
    """Hears what a run does; override what you need.

    An observer may read all of `ObservedRun` and call its ``stop``. If it changed the model or the progress, the run
    would no longer be the one that its configuration describes. An exception that it raises ends the run.

    Examples
    --------
    >>> class StopEarly(Observer):
    ...     def epoch_ended(self, run, row):
    ...         if row.validation_loss < 0.1:
    ...             run.stop()
    """

    def began(self, run: ObservedRun) -> None:
        """Hear that the run begins, or goes on: ``run.progress.step`` steps are done."""

    def stepped(self, run: ObservedRun) -> None:
        """Hear that a step was taken; ``run.batch_loss`` is the loss that it began from."""

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Hear that an epoch was validated and saved."""

    def ended(self, run: ObservedRun, result: dict[str, Any] | None) -> None:
        """Hear that the run is over, with this result; None if it was stopped or an exception ended it."""
