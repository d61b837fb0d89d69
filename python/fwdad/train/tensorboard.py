"""Event files for TensorBoard: the curves of a run, to watch while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fwdad.train.files import RunError
from fwdad.train.metrics import EpochMetrics
from fwdad.train.observer import Observer

if TYPE_CHECKING:
    from fwdad.train.trainer import Trainer

FOLDER = "tensorboard"


class TensorBoard(Observer):
    """Writes event files to ``tensorboard`` in the run folder: the loss of each step, the metrics of each epoch.

    After a resume, events from beyond the checkpoint are hidden and come anew. Needs the extra ``tensorboard``.
    Raises `RunError` if it is missing.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            raise RunError("event files need tensorboardX: pip install 'fwdad[tensorboard]'") from error
        self._make = SummaryWriter
        self._writer: Any = None

    def began(self, trainer: Trainer) -> None:
        step = trainer.progress.step
        # The suffix keeps the files of a run that is resumed within the second apart, and in their order.
        self._writer = self._make(str(trainer.folder / FOLDER), purge_step=step + 1, filename_suffix=f".{step:012}")

    def stepped(self, trainer: Trainer) -> None:
        self._writer.add_scalar("step/loss", trainer.batch_loss, trainer.progress.step)

    def epoch_ended(self, trainer: Trainer, row: EpochMetrics) -> None:
        for name, value in row._asdict().items():
            if name not in ("epoch", "step") and value is not None:
                self._writer.add_scalar("epoch/" + name, value, row.step)
        self._writer.flush()

    def ended(self, trainer: Trainer, result: dict[str, Any] | None) -> None:
        self._writer.close()
