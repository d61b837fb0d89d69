"""The metrics of an epoch, and metrics.csv."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fwdad.errors import RunError
from fwdad.files import write_atomic


class EpochMetrics(NamedTuple):
    """One row of metrics.csv; it holds no times, so that equal runs have equal bytes.

    Parameters
    ----------
    epoch
        From 1.
    step
        Steps taken so far.
    learning_rate
        Of the epoch's last step.
    train_loss, train_accuracy
        Means over the epoch's examples, each measured before the step that used it.
    validation_loss, validation_accuracy
        At the epoch's end. Accuracies are None in a regression, and empty in the file.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float | None
    validation_loss: float
    validation_accuracy: float | None


def write_metrics(path: Path, rows: Iterable[EpochMetrics]) -> None:
    """Replace metrics.csv; numbers in the shortest form that reads back as the same float64."""
    lines = [",".join(EpochMetrics._fields), *(",".join("" if v is None else repr(v) for v in row) for row in rows)]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def read_metrics(path: Path) -> list[EpochMetrics]:
    """Read the rows of a metrics.csv; `RunError` if there is none or it is something else."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if header != ",".join(EpochMetrics._fields):
            raise ValueError(f"its first line is {header!r}")
        return [_row(*line.split(",")) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"cannot read {path} as the metrics of a run: {error}") from error


def _row(epoch: str, step: str, rate: str, *measured: str) -> EpochMetrics:
    train_loss, train_accuracy, loss, accuracy = measured
    return EpochMetrics(
        int(epoch),
        int(step),
        float(rate),
        float(train_loss),
        float(train_accuracy) if train_accuracy else None,
        float(loss),
        float(accuracy) if accuracy else None,
    )
