"""How far a run is."""

from __future__ import annotations

import dataclasses

from fwdad.schema import Count, Seconds
from fwdad.train.metrics import EpochMetrics


@dataclasses.dataclass
class Progress:
    """All state of a run that is not an array.

    Parameters
    ----------
    step
        Steps taken.
    loss_sum, correct, seen
        Sums over the examples of the current epoch so far, and their number.
    rows
        The metrics of the epochs behind us.
    seconds, step_seconds
        Time spent so far over all resumes, in all and in steps alone.
    """

    step: Count = 0
    loss_sum: float = 0.0
    correct: Count = 0
    seen: Count = 0
    rows: list[EpochMetrics] = dataclasses.field(default_factory=list)
    seconds: Seconds = 0.0
    step_seconds: Seconds = 0.0

    @property
    def best(self) -> EpochMetrics:
        """The first of the epochs with the lowest validation loss."""
        return min(self.rows, key=lambda row: row.validation_loss)
