"""How good predictions are, class by class or value by value. Needs the extra `sklearn`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data import Facts
from fwdad.errors import RunError
from fwdad.functions import softmax

BINS = 10  # of confidence, for the calibration
Report = dict[str, Any]


def report(outputs: NDArray[Any], targets: NDArray[Any], facts: Facts) -> Report:
    """Return what is to be said of a model's outputs (N, outputs) beside the targets, as JSON values.

    Of classes: ``classes``, each with precision, recall, F1 and support; ``confusion``, with a row for each true class
    and a column for each predicted one; ``calibration``, and the mean distance of confidence from accuracy over its
    bins, ``calibration_error``. A target of -1 is of no class that the model knows. Of values: ``rmse``, ``mae`` and
    ``r2`` of each, in the units of the data.

    Raises
    ------
    RunError
        scikit-learn is missing.
    """
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        raise RunError("a report needs scikit-learn: pip install 'fwdad[sklearn]'") from error
    if facts.classes is None:
        true, predicted = facts.in_units(targets), facts.in_units(outputs)
        found = {
            "rmse": metrics.root_mean_squared_error(true, predicted, multioutput="raw_values"),
            "mae": metrics.mean_absolute_error(true, predicted, multioutput="raw_values"),
        }
        if len(targets) > 1:
            found["r2"] = metrics.r2_score(true, predicted, multioutput="raw_values")
        return {name: values.tolist() for name, values in found.items()}
    predicted, labels = np.argmax(outputs, axis=1), np.arange(len(facts.classes))
    figures = metrics.precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    confidence = np.max(softmax(outputs.astype(np.float64)), axis=1)
    calibration = _calibration(confidence, predicted == targets)
    return {
        "classes": {
            word: dict(zip(names, values, strict=True))
            for word, values in zip(facts.classes, zip(*(each.tolist() for each in figures), strict=True), strict=True)
        },
        "confusion": metrics.confusion_matrix(targets, predicted, labels=labels).tolist(),
        "calibration": calibration,
        "calibration_error": sum(b["examples"] * abs(b["confidence"] - b["accuracy"]) for b in calibration)
        / len(targets),
    }


def as_text(found: Report) -> str:
    """Return a report as lines for people."""
    if "classes" not in found:
        lines = [
            f"value {i}  " + "  ".join(f"{n} {v[i]:.6g}" for n, v in found.items()) for i in range(len(found["rmse"]))
        ]
        return "\n".join(lines)
    words = [*found["classes"]]
    width = max(map(len, [*words, "class"]))
    lines = [f"{'class':<{width}}  precision  recall      F1  examples"]
    for word, row in found["classes"].items():
        lines.append(
            f"{word:<{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:6.4f}  {row['support']:8}"
        )
    cells = max(len(str(count)) for row in found["confusion"] for count in row)
    lines += ["", "confusion: a row for each true class, a column for each predicted one, in the same order"]
    for word, counts in zip(words, found["confusion"], strict=True):
        lines.append(f"{word:<{width}}  " + " ".join(f"{count:{cells}}" for count in counts))
    return "\n".join([*lines, "", f"calibration error  {found['calibration_error']:.4f}"])


def _calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Return, for each bin of confidence with examples, their number, mean confidence and accuracy."""
    bins = np.minimum((BINS * confidence).astype(int), BINS - 1)
    members = [bins == b for b in range(BINS)]
    return [
        {"examples": int(m.sum()), "confidence": float(confidence[m].mean()), "accuracy": float(right[m].mean())}
        for m in members
        if m.any()
    ]
