"""Figures of runs: the curves of their metrics. Needs the extra `plot`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fwdad.errors import RunError
from fwdad.files import write_atomic
from fwdad.train.folder import METRICS
from fwdad.train.metrics import EpochMetrics, read_metrics


def plot(folders: Sequence[Path], file: Path) -> None:
    """Draw loss and, if there are accuracies, accuracy by epoch of the runs in `folders`, a colour each.

    Training is dashed, validation solid. The ending of `file` decides the format: .png, .svg, .pdf, ...

    Raises
    ------
    RunError
        A run has no metrics, the ending is no format, or matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise RunError("figures need matplotlib: pip install 'fwdad[plot]'") from error
    runs = {str(folder): read_metrics(folder / METRICS) for folder in folders}
    for name, rows in runs.items():
        if not rows:
            raise RunError(f"the run in {name} has not ended an epoch yet: there is nothing to plot")
    accurate = any(row.validation_accuracy is not None for rows in runs.values() for row in rows)
    kinds = ("loss", "accuracy") if accurate else ("loss",)
    figure = Figure(figsize=(5.5 * len(kinds), 4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for number, (name, rows) in enumerate(runs.items()):
            _draw(axes, kind, name, rows, f"C{number}")
        axes.set(xlabel="epoch", ylabel=kind)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    content = io.BytesIO()
    try:
        figure.savefig(content, format=file.suffix[1:] or "png", dpi=150)
    except ValueError as error:
        raise RunError(f"cannot write a figure to {file}: {error}") from error
    write_atomic(file, content.getvalue())


def _draw(axes: Any, kind: str, name: str, rows: Sequence[EpochMetrics], color: str) -> None:
    epochs = [row.epoch for row in rows]
    marker = "." if len(rows) == 1 else None
    for part, style, label in (("train", "--", None), ("validation", "-", name)):
        values = [getattr(row, f"{part}_{kind}") for row in rows]
        if None not in values:
            axes.plot(epochs, values, style, color=color, label=label, marker=marker)
