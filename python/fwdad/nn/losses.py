"""Losses, one number per example: a trainer takes their mean, activity perturbation takes each by itself."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array
from fwdad.functions import at_labels, logsumexp, softmax_cross_entropy, softplus


def cross_entropy(logits: Array, labels: np.ndarray, label_smoothing: float = 0.0) -> Array:
    """Return the softmax cross-entropy of each example, ``logsumexp(z) - z[label]``.

    Parameters
    ----------
    logits : array (B, classes)
    labels : array of int (B,)
    label_smoothing : float
        With s, from 0 to 1, the target is 1 - s at the label plus s / classes everywhere:
        ``logsumexp(z) - (1 - s) z[label] - s mean(z)``.

    Returns
    -------
    array (B,)

    Raises
    ------
    TypeError
        For labels that are not integers.
    ValueError
        For wrong shapes, a label out of range, or a label_smoothing outside [0, 1].

    References
    ----------
    Label smoothing: Szegedy et al., arXiv 1512.00567, section 7.

    Examples
    --------
    >>> import numpy as np
    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(3)
    array([0.693, 0.   ])
    """
    labels = labels if kernels.is_device_array(labels) else np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integer class numbers; got dtype {labels.dtype}")
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (B, classes) and labels (B,); got {logits.shape} and {labels.shape}")
    if labels.size and not kernels.assume(np.logical_and(labels.min() >= 0, labels.max() < logits.shape[1])):
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1}; got {int(labels.min())}..{int(labels.max())}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must lie in 0..1; got {label_smoothing}")
    if not label_smoothing:
        return softmax_cross_entropy(logits, labels)
    at_label = (1 - label_smoothing) * at_labels(logits, labels) + label_smoothing * np.mean(logits, axis=-1)
    return logsumexp(logits, axis=-1) - at_label


def binary_cross_entropy(logits: Array, targets: np.ndarray) -> Array:
    """Return the sigmoid cross-entropy of each example, ``mean_j (log(1 + e^z_j) - t_j z_j)``.

    Parameters
    ----------
    logits : array (B, ...)
    targets : array (B, ...)
        Probabilities, from 0 to 1.

    Returns
    -------
    array (B,)

    Raises
    ------
    ValueError
        For shapes that differ, or a target that is no probability.

    Examples
    --------
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
    """Return the mean squared error of each example, ``mean_j (y_j - t_j)^2``.

    Parameters
    ----------
    predictions, targets : array (B, ...)

    Returns
    -------
    array (B,)

    Raises
    ------
    ValueError
        For shapes that differ.

    Examples
    --------
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
    """Return the share of examples whose largest logit is the label's: logits (B, classes), labels (B,).

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 0]))
    0.5
    """
    return float(np.mean(np.argmax(logits, axis=-1) == labels))


def top_accuracy(logits: np.ndarray, labels: np.ndarray, n: int = 5) -> float:
    """Return the share of examples whose label is among the n largest logits; a tie with the n-th counts.

    Examples
    --------
    >>> import numpy as np
    >>> top_accuracy(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]), n=2)
    0.5
    """
    at_label = np.take_along_axis(logits, np.asarray(labels)[:, None], axis=-1)
    return float(np.mean(np.sum(logits > at_label, axis=-1) < n))
