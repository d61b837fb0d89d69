"""Losses, one number per example: a trainer takes their mean, activity perturbation each by itself."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array
from fwdad.functions import logsumexp


def cross_entropy(logits: Array, labels: np.ndarray) -> Array:
    """Softmax cross-entropy per example, ``logsumexp(z) - z[label]``: logits (B, classes), integer labels (B,) to (B,).

    Raises TypeError for labels that are not integers, ValueError for wrong shapes or a label out of range.

    >>> import numpy as np
    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(3)
    array([0.693, 0.   ])
    """
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integer class numbers; got dtype {labels.dtype}")
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (B, classes) and labels (B,); got {logits.shape} and {labels.shape}")
    if labels.size and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1}; got {labels.min()}..{labels.max()}")
    return logsumexp(logits, axis=-1) - logits[np.arange(labels.size), labels]


def squared_error(predictions: Array, targets: Array) -> Array:
    """Mean squared error per example: ``mean_j (y_j - t_j)^2``; predictions and targets (B, ...), result (B,).

    Raises ValueError when the shapes differ.

    >>> import numpy as np
    >>> squared_error(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([2.5])
    """
    if predictions.shape != targets.shape or predictions.ndim == 0:
        raise ValueError(
            f"predictions and targets must have one shape (B, ...); got {predictions.shape} and {targets.shape}"
        )
    difference = (predictions - targets).reshape(predictions.shape[0], -1)
    return np.mean(difference * difference, axis=1)


def accuracy(logits: Array, labels: np.ndarray) -> float:
    """The share of examples whose largest logit is the label's; 0 to 1.

    >>> import numpy as np
    >>> accuracy(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 0]))
    0.5
    """
    return float(np.mean(np.argmax(logits, axis=-1) == labels))
