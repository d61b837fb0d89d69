"""What a model gives on data: losses, hits, predictions. Data goes to the model's device here and in no other place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import nn, tree
from fwdad.data import Split
from fwdad.dual import Array
from fwdad.kernels import device_of, to_device

BATCH = 1000


def beside(model: Any, *arrays: np.ndarray) -> list[Any]:
    """Return the arrays on the device where the model's arrays are."""
    device = device_of(tree.leaves(model)[0])
    return [to_device(array, device) for array in arrays]


def losses(outputs: Array, targets: np.ndarray, smoothing: float = 0.0) -> Array:
    """Return the loss of each example: cross-entropy for class numbers, squared error for values."""
    if targets.dtype.kind == "i":
        return nn.cross_entropy(outputs, targets, smoothing)
    return nn.squared_error(outputs, targets)


def correct(outputs: Any, targets: np.ndarray) -> int:
    """Count the largest outputs (B, classes) that are those of the class numbers (B,); 0 in a regression."""
    return int(np.sum(np.argmax(outputs, axis=-1) == targets)) if targets.dtype.kind == "i" else 0


def predict(model: Callable[[Any], Any], inputs: np.ndarray) -> np.ndarray:
    """Return ``model(inputs)`` for inputs (N, D), in batches."""
    return np.concatenate([model(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)])


def evaluate(model: Callable[[Any], Any], split: Split) -> tuple[float, float | None]:
    """Return mean loss and accuracy (None in a regression) of ``model(inputs) -> outputs`` over a split, in batches.

    The loss is the cross-entropy, without smoothing, or the squared error. A loss that overflows is infinite.
    """
    loss, hits, n = 0.0, 0, len(split.targets)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start in range(0, n, BATCH):
            inputs, targets = beside(model, *(array[start : start + BATCH] for array in split))
            outputs = model(inputs)
            loss += float(np.sum(losses(outputs, targets), dtype=np.float64))
            hits += correct(outputs, targets)
    return loss / n, hits / n if split.targets.dtype.kind == "i" else None
