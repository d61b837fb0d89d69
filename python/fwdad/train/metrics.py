"""What is measured: the metrics of an epoch, metrics.csv, and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fwdad import nn
from fwdad.data import Split
from fwdad.train.files import write_atomic

EVALUATION_BATCH = 1000


class EpochMetrics(NamedTuple):
    """One row of metrics.csv. No times: two equal runs give equal bytes.

    epoch : from 1.
    step : steps taken so far.
    learning_rate : of the epoch's last step.
    train_loss, train_accuracy : means over the epoch's batches, each measured before its own step.
    validation_loss, validation_accuracy : at the epoch's end.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


def write_metrics(path: Path, rows: Iterable[EpochMetrics]) -> None:
    """Replace metrics.csv; numbers in the shortest form that reads back as the same float64."""
    lines = [",".join(EpochMetrics._fields), *(",".join(map(repr, row)) for row in rows)]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def evaluate(model: Callable[[Any], Any], split: Split) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of ``model(images) -> logits`` over a split: forward only, in batches."""
    loss, correct = 0.0, 0
    for start in range(0, len(split.targets), EVALUATION_BATCH):
        labels = split.targets[start : start + EVALUATION_BATCH]
        logits = model(split.inputs[start : start + EVALUATION_BATCH])
        loss += float(np.sum(nn.cross_entropy(logits, labels), dtype=np.float64))
        correct += int(np.sum(np.argmax(logits, axis=-1) == labels))
    return loss / len(split.targets), correct / len(split.targets)
