"""The metrics of an epoch, and metrics.csv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from fwdad import schema
from fwdad.errors import RunError
from fwdad.files import parse_json, write_atomic
from fwdad.schema import Range, Share


class EpochMetrics(NamedTuple):
    """One row of metrics.csv; it holds no times, so that equal runs have equal bytes.

    Parameters
    ----------
    epoch
        From 1.
    step
        Steps taken so far.
    learning_rate
        Of the epoch's last step; None, and empty in the file, where an optimiser was given with its own.
    train_loss, train_accuracy
        Means over the epoch's examples, each measured before the step that used it.
    validation_loss, validation_accuracy
        At the epoch's end. Accuracies are None in a regression, and empty in the file.
    """

    epoch: Annotated[int, Range(1)]
    step: Annotated[int, Range(1)]
    learning_rate: Annotated[float, Range(0)] | None
    train_loss: Annotated[float, Range(0)]
    train_accuracy: Share | None
    validation_loss: Annotated[float, Range(0)]
    validation_accuracy: Share | None


def check_rows(rows: Sequence[EpochMetrics]) -> None:
    """Raise ValueError unless the rows are those of the epochs 1, 2, ..., each of as many steps."""
    for number, row in enumerate(rows, 1):
        if row.epoch != number or row.step != number * rows[0].step:
            raise ValueError(f"row {number} is of epoch {row.epoch} and step {row.step}")


def write_metrics(path: Path, rows: Iterable[EpochMetrics]) -> None:
    """Replace metrics.csv; numbers in the shortest form that reads back as the same float64."""
    lines = [",".join(EpochMetrics._fields), *(",".join("" if v is None else repr(v) for v in row) for row in rows)]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def read_metrics(path: Path) -> list[EpochMetrics]:
    """Read the rows of a metrics.csv; `RunError` if there is none or it is something else."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if header != ",".join(EpochMetrics._fields):
            raise ValueError(f"its first line is {header[:80]!r}")
        rows = [schema.read(EpochMetrics, [_cell(cell) for cell in line.split(",")]) for line in lines]
        check_rows(rows)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError(f"cannot read {path} as the metrics of a run: {error}") from error
    return rows


def _cell(text: str) -> float | int | None:
    return parse_json(text) if text else None
