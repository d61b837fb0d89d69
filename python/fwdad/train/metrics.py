"""What is measured: the metrics of an epoch, metrics.csv, and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fwdad.data import Split
from fwdad.kernels import to_device
from fwdad.train.files import RunError, write_atomic
from fwdad.train.parts import losses

EVALUATION_BATCH = 1000


class EpochMetrics(NamedTuple):
    """One row of metrics.csv. No times: two equal runs give equal bytes.

    epoch : from 1.
    step : steps taken so far.
    learning_rate : of the epoch's last step.
    train_loss, train_accuracy : means over the epoch's batches, each measured before its own step.
    validation_loss, validation_accuracy : at the epoch's end.
    Accuracies are None in a regression, and empty in the file.
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
    """The rows of a metrics.csv; `RunError` if there is none or it is something else."""
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


def correct(outputs: Any, targets: np.ndarray) -> int:
    """How many of the largest outputs (B, classes) are those of the class numbers (B,); 0 in a regression."""
    return int(np.sum(np.argmax(outputs, axis=-1) == targets)) if targets.dtype.kind == "i" else 0


def predict(model: Callable[[Any], Any], inputs: np.ndarray) -> np.ndarray:
    """``model(inputs)`` for inputs (N, D), in batches."""
    starts = range(0, len(inputs), EVALUATION_BATCH)
    return np.concatenate([model(inputs[start : start + EVALUATION_BATCH]) for start in starts])


def evaluate(model: Callable[[Any], Any], split: Split, device: str = "cpu") -> tuple[float, float | None]:
    """Mean loss and accuracy (None in a regression) of ``model(inputs) -> outputs`` over a split, in batches.

    The loss is the cross-entropy, without smoothing, or the squared error.
    """
    loss, hits, n = 0.0, 0, len(split.targets)
    for start in range(0, n, EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        inputs, targets = (to_device(array[part], device) for array in (split.inputs, split.targets))
        outputs = model(inputs)
        loss += float(np.sum(losses(outputs, targets), dtype=np.float64))
        hits += correct(outputs, targets)
    return loss / n, hits / n if split.targets.dtype.kind == "i" else None
