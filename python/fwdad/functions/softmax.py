"""Softmax and its relatives: logsumexp, and the cross-entropy that a kernel computes with its tangents."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, plain, primitive
from fwdad.kernels import policy
from fwdad.rules.forms import rule_for, surely_finite
from fwdad.rules.reductions import every_axis
from fwdad.tangents import WeightedTangent, as_dense, is_kind

Axis = int | tuple[int, ...] | None


@primitive
def logsumexp(x: Array, axis: Axis = -1, keepdims: bool = False) -> Array:
    """Return ``log sum_j exp(x_j)`` along axes, without overflow; -inf for all -inf, inf where an entry is inf.

    Examples
    --------
    >>> logsumexp(np.array([1000.0, 1000.0])).round(3)
    np.float64(1000.693)
    """
    top = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    # log 0 = -inf is the answer for all -inf; what overflows beside inf does not count
    with np.errstate(divide="ignore", over="ignore"):
        answer = shift + np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True))
    return answer if keepdims else np.squeeze(answer, axis)


@rule_for(logsumexp, singular="entries at infinity, or all at -infinity, share evenly")
def _logsumexp(x: Dual, axis: Axis = -1, keepdims: bool = False) -> Dual:
    """Return y and ``dy_i = sum_j softmax(x)_j dx_ij``."""
    axes = every_axis(axis, x.ndim)
    answer = logsumexp(x.primal, axes, True)
    infinite = np.isinf(plain(answer))
    top = np.equal(x.primal, answer)
    ties = top / np.maximum(np.sum(top, axis=axes, keepdims=True), 1)
    shares = np.exp(np.where(infinite, 0, x.primal) - np.where(infinite, 0, answer))
    weights = np.where(infinite, ties.astype(plain(answer).dtype), shares)
    if axes == (-1,) and policy.use_elementwise(x.tangent, weights):
        tangent = kernels.weighted_rows(weights, x.tangent)
        tangent = tangent[..., np.newaxis] if keepdims else tangent
    else:
        tangent = np.sum(x.tangent * weights, axis=axes, keepdims=keepdims)
    return Dual(answer if keepdims else np.squeeze(answer, axes), tangent, x.level)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return ``exp(x_j) / sum_l exp(x_l)`` along axes.

    Examples
    --------
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Return ``x - logsumexp(x)`` along axes.

    Examples
    --------
    >>> log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return x - logsumexp(x, axis, True)


@primitive
def softmax_cross_entropy(logits: Array, labels: np.ndarray) -> Array:
    """Return ``logsumexp(z) - z[label]`` for each row z of the logits.

    One kernel computes the losses and their k tangents, ``dloss_i = <softmax(logits) - e_label, dlogits_i>``.

    Parameters
    ----------
    logits : (B, classes)
    labels : (B,) integers
        From 0 to below classes.

    Returns
    -------
    (B,)

    Examples
    --------
    >>> softmax_cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(3)
    array([0.693, 0.   ])
    """
    return logsumexp(logits, axis=-1) - at_labels(logits, labels)


@rule_for(softmax_cross_entropy, singular="as logsumexp")
def _softmax_cross_entropy(logits: Dual, labels: np.ndarray) -> Array:
    z, dz = logits.primal, logits.tangent
    if is_kind(dz) and type(z) is np.ndarray and z.dtype in (np.float32, np.float64):
        # The loss along unit vectors of the logits, to which the kind answers in each row.
        units = np.broadcast_to(np.eye(z.shape[1], dtype=z.dtype)[:, np.newaxis], (z.shape[1], *z.shape))
        loss, weights = kernels.cross_entropy_jvp(z, labels, units)
        if surely_finite(loss):
            return Dual(loss, WeightedTangent(dz, weights.T), logits.level)
    dz = as_dense(dz)
    plain_arrays = type(z) is type(dz) and (type(z) is np.ndarray or kernels.is_device_array(z))
    if plain_arrays and z.dtype == dz.dtype and z.dtype in (np.float32, np.float64):
        loss, tangent = kernels.cross_entropy_jvp(z, labels, dz)
        if surely_finite(loss):
            return Dual(loss, tangent, logits.level)
    return logsumexp(logits, axis=-1) - at_labels(logits, labels)


def at_labels(logits: Array, labels: np.ndarray) -> Array:
    """Return ``z[label]``, (B,), for each row z of logits (B, classes), on the device where they are.

    Examples
    --------
    >>> at_labels(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1, 0]))
    array([1., 2.])
    """
    return logits[kernels.to_device(np.arange(labels.size), kernels.device_of(labels)), labels]
