"""Losses, one number per example: a trainer takes their mean, activity perturbation each by itself."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array
from fwdad.functions import at_labels, logsumexp, softmax_cross_entropy, softplus


def cross_entropy(logits: Array, labels: np.ndarray, smoothing: float = 0.0) -> Array:
    """Softmax cross-entropy per example, ``logsumexp(z) - z[label]``: logits (B, classes), integer labels (B,) to (B,).

    With `smoothing` s the target is 1 - s at the label plus s / classes everywhere:
    ``logsumexp(z) - (1 - s) z[label] - s mean(z)``. Source: Szegedy et al., arXiv 1512.00567, section 7.

    Raises TypeError for labels that are not integers, ValueError for wrong shapes, a label out of range or a smoothing
    outside [0, 1].

    >>> import numpy as np
    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(3)
    array([0.693, 0.   ])
    """
    labels = labels if kernels.is_device_array(labels) else np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integer class numbers; got dtype {labels.dtype}")
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (B, classes) and labels (B,); got {logits.shape} and {labels.shape}")
    if labels.size and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1}; got {labels.min()}..{labels.max()}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must lie in 0..1; got {smoothing}")
    if not smoothing:
        return softmax_cross_entropy(logits, labels)
    at_label = (1 - smoothing) * at_labels(logits, labels) + smoothing * np.mean(logits, axis=-1)
    return logsumexp(logits, axis=-1) - at_label


def binary_cross_entropy(logits: Array, targets: np.ndarray) -> Array:
    """Sigmoid cross-entropy per example, ``mean_j (log(1 + e^z_j) - t_j z_j)``: logits and targets (B, ...) to (B,).

    Targets are probabilities in 0..1. Raises ValueError when the shapes differ or a target lies outside.

    >>> import numpy as np
    >>> binary_cross_entropy(np.array([[0.0], [-1000.0]]), np.array([[1.0], [0.0]])).round(3)
    array([0.693, 0.   ])
    """
    targets = targets if kernels.is_device_array(targets) else np.asarray(targets)
    if logits.shape != targets.shape or logits.ndim == 0:
        raise ValueError(f"logits and targets must have one shape (B, ...); got {logits.shape} and {targets.shape}")
    if not np.all((targets >= 0) & (targets <= 1)):
        raise ValueError("targets must be probabilities, from 0 to 1")
    losses = softplus(logits) - targets.astype(logits.dtype, copy=False) * logits
    return np.mean(losses.reshape(losses.shape[0], -1), axis=1)


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


def top_accuracy(logits: np.ndarray, labels: np.ndarray, n: int = 5) -> float:
    """The share of examples whose label is among the n largest logits (a tie with the n-th counts); 0 to 1.

    >>> import numpy as np
    >>> top_accuracy(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]), n=2)
    0.5
    """
    at_label = np.take_along_axis(logits, np.asarray(labels)[:, None], axis=-1)
    return float(np.mean(np.sum(logits > at_label, axis=-1) < n))
