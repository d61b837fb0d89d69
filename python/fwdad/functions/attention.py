"""Attention: each position takes a weighted mean over all positions."""

from __future__ import annotations

import math

import numpy as np

from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.functions.softmax import softmax
from fwdad.rules.forms import rule_for
from fwdad.tangents import as_dense


@primitive
def attention(q: Array, k: Array, v: Array) -> Array:
    """Return ``softmax(q k^T / sqrt(d)) v``.

    ``dy_i = A dv_i + M_i v - rowsum(M_i) y`` with ``A = softmax(q k^T / sqrt(d))`` and
    ``M_i = A (dq_i k^T + q dk_i^T) / sqrt(d)``, where A multiplies entry by entry. Tangents are computed one after the
    other: the memory for T x T scores is that of two tangents, whatever their number.

    Parameters
    ----------
    q, k, v : (..., T, d)
        Queries, keys and values.

    Returns
    -------
    (..., T, d)

    References
    ----------
    arXiv 1706.03762, eq. 1.

    Examples
    --------
    >>> attention(np.zeros((2, 1)), np.zeros((2, 1)), np.array([[1.0], [3.0]])).tolist()
    [[2.0], [2.0]]
    """
    return np.matmul(_weights(q, k), v)


def _weights(q: Array, k: Array) -> Array:
    scores = np.matmul(q * (1 / math.sqrt(q.shape[-1])), np.swapaxes(k, -1, -2))
    scores -= np.max(scores, axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.sum(scores, axis=-1, keepdims=True)
    return scores


@rule_for(attention)
def _attention(q: Array, k: Array, v: Array) -> Array:
    level = highest_level((q, k, v))
    (pq, dq), (pk, dk), (pv, dv) = parts = [tuple(map(as_dense, split(a, level))) for a in (q, k, v)]
    if any(isinstance(a, Dual) for part in parts for a in part):
        return np.matmul(softmax(np.matmul(q, np.swapaxes(k, -1, -2)) * (1 / math.sqrt(q.shape[-1]))), v)
    weights = _weights(pq, pk)
    y = np.matmul(weights, pv)
    scaled, columns = pq * (1 / math.sqrt(pq.shape[-1])), np.swapaxes(pk, -1, -2)
    count = next(t.shape[0] for _, t in parts if t is not None)
    dy = np.zeros_like(y, shape=(count, *y.shape))
    for i in range(count):
        if dv is not None:
            dy[i] = np.matmul(weights, dv[i])
        change: Array = None if dq is None else np.matmul(dq[i] * (1 / math.sqrt(pq.shape[-1])), columns)
        if dk is not None:
            by_k = np.matmul(scaled, np.swapaxes(dk[i], -1, -2))
            change = by_k if change is None else np.add(change, by_k, out=change)
        if change is not None:
            change *= weights
            dy[i] += np.matmul(change, pv)
            dy[i] -= np.sum(change, axis=-1, keepdims=True) * y
    return Dual(y, dy, level)
