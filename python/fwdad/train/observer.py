"""Observers: what hears of a training run as it goes on, as a progress bar does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fwdad.train.metrics import EpochMetrics

if TYPE_CHECKING:
    from fwdad.train.trainer import Trainer


class Observer:
    """Hears what a trainer does; override what you need.

    An observer may read everything of the trainer and call `Trainer.stop`; it must not change the model or the
    progress, or the run is no longer the one that its configuration describes. An exception that it raises ends the
    run.

    >>> class StopEarly(Observer):
    ...     def epoch_ended(self, trainer, row):
    ...         if row.validation_loss < 0.1:
    ...             trainer.stop()
    """

    def began(self, trainer: Trainer) -> None:
        """The run begins, or goes on: ``trainer.progress.step`` steps are behind it."""

    def stepped(self, trainer: Trainer) -> None:
        """A step was taken; ``trainer.batch_loss`` is the loss that it began from."""

    def epoch_ended(self, trainer: Trainer, row: EpochMetrics) -> None:
        """An epoch was validated and saved."""

    def ended(self, trainer: Trainer, result: dict[str, Any] | None) -> None:
        """The run is over, with this result; None if it was stopped or an exception ended it."""
