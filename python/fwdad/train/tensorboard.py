"""Event files for TensorBoard: the curves of a run, to watch while it goes on."""

from __future__ import annotations

from typing import Any

from fwdad.errors import RunError
from fwdad.train.metrics import EpochMetrics
from fwdad.train.observer import ObservedRun, Observer

FOLDER = "tensorboard"


class TensorBoard(Observer):
    """Writes event files to ``tensorboard`` in the run folder: the loss of each step, the metrics of each epoch.

    After a resume, events from beyond the checkpoint are hidden and come anew.

    Raises
    ------
    RunError
        tensorboardX, the extra ``tensorboard``, is missing.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            raise RunError("event files need tensorboardX: pip install 'fwdad[tensorboard]'") from error
        self._make = SummaryWriter
        self._writer: Any = None

    def began(self, run: ObservedRun) -> None:
        """Open a new file."""
        step = run.progress.step
        # The suffix keeps the files of a run that is resumed within the second apart, and in their order.
        self._writer = self._make(str(run.folder / FOLDER), purge_step=step + 1, filename_suffix=f".{step:012}")

    def stepped(self, run: ObservedRun) -> None:
        """Write the loss."""
        self._writer.add_scalar("step/loss", run.batch_loss, run.progress.step)

    def epoch_ended(self, run: ObservedRun, row: EpochMetrics) -> None:
        """Write the metrics."""
        for name, value in row._asdict().items():
            if name not in ("epoch", "step") and value is not None:
                self._writer.add_scalar("epoch/" + name, value, row.step)
        self._writer.flush()

    def ended(self, run: ObservedRun, result: dict[str, Any] | None) -> None:
        """Close the file."""
        self._writer.close()
