"""Figures of runs: the curves of their metrics, and how good their predictions are. Needs the extra `plot`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data import Facts
from fwdad.errors import RunError
from fwdad.files import write_atomic
from fwdad.train.folder import METRICS
from fwdad.train.metrics import EpochMetrics, read_metrics
from fwdad.train.report import Report

MOST_CELLS = 20  # along a side of a confusion matrix in which counts can be read


def plot(folders: Sequence[Path], file: Path) -> None:
    """Draw loss and, if there are accuracies, accuracy by epoch of the runs in `folders`, a colour each.

    Training is dashed, validation solid. The ending of `file` decides the format: .png, .svg, .pdf, ...

    Raises
    ------
    RunError
        A run has no metrics, the ending is no format, or matplotlib is missing.
    """
    runs = {str(folder): read_metrics(folder / METRICS) for folder in folders}
    for name, rows in runs.items():
        if not rows:
            raise RunError(f"the run in {name} has not ended an epoch yet: there is nothing to plot")
    accurate = any(row.validation_accuracy is not None for rows in runs.values() for row in rows)
    kinds = ("loss", "accuracy") if accurate else ("loss",)
    figure, panels = _figure(len(kinds))
    for axes, kind in zip(panels, kinds, strict=True):
        for number, (name, rows) in enumerate(runs.items()):
            _draw(axes, kind, name, rows, f"C{number}")
        axes.set(xlabel="epoch", ylabel=kind)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    _write(figure, file)


def plot_report(found: Report, facts: Facts, outputs: NDArray[Any], targets: NDArray[Any], file: Path) -> None:
    """Draw a report: the confusion of classes and their calibration, or predicted values over true ones.

    Raises
    ------
    RunError
        The ending of `file` is no format, or matplotlib is missing.
    """
    if facts.classes is None:
        figure, panels = _figure(facts.outputs)
        true, predicted = facts.in_units(targets), facts.in_units(outputs)
        for i, axes in enumerate(panels):
            axes.plot(true[:, i], predicted[:, i], ".", alpha=0.5)
            axes.axline((true[0, i], true[0, i]), slope=1, color="gray", linewidth=1)
            axes.set(xlabel="true value", ylabel="predicted value")
    else:
        figure, (left, right) = _figure(2)
        counts = np.array(found["confusion"])
        left.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        left.set(xlabel="predicted class", ylabel="true class")
        if len(counts) <= MOST_CELLS:
            left.set_xticks(range(len(counts)), facts.classes, rotation=45, ha="right")
            left.set_yticks(range(len(counts)), facts.classes)
            for (row, column), count in np.ndenumerate(counts):
                color = "white" if 2 * count > counts[row].sum() else "black"
                left.text(column, row, count, ha="center", va="center", color=color, fontsize="small")
        bins = found["calibration"]
        right.plot([0, 1], [0, 1], color="gray", linewidth=1)
        right.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o-")
        right.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    _write(figure, file)


def _figure(panels: int) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise RunError("figures need matplotlib: pip install 'fwdad[plot]'") from error
    figure = Figure(figsize=(5.5 * panels, 4), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _write(figure: Any, file: Path) -> None:
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
