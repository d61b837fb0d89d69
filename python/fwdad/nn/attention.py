"""Attention: every position looks at all others."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.functions import softmax
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, spawn
from fwdad.rules.forms import rule_for
from fwdad.tree import static


@primitive
def attention(q: Array, k: Array, v: Array) -> Array:
    """``y = softmax(q k^T / sqrt(d)) v``: q, k, v (..., T, d) to (..., T, d).

    ``dy_i = A dv_i + M_i v - rowsum(M_i) y`` with ``A = softmax(S)``, ``M_i = A (dq_i k^T + q dk_i^T) / sqrt(d)``, one
    tangent after the other: the memory for T x T scores is that of two tangents, whatever their number.
    Source: arXiv 1706.03762, eq. 1.

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
    (pq, dq), (pk, dk), (pv, dv) = parts = [split(a, level) for a in (q, k, v)]
    if any(type(a) is Dual for part in parts for a in part):
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


class MultiHeadAttention(Module):
    """Self-attention of several heads.

    ``q, k, v = x W_in + b_in`` are split into heads of embed_dim / num_heads. `attention` acts in each head, and its
    results, side by side, become ``y = [...] W_out + b_out``. Both products are `Linear` layers.

    Parameters
    ----------
    embed_dim : int
        The size of a token.
    num_heads : int
        How many heads there are.
    seed, dtype
        As in `Linear`.

    Raises
    ------
    ValueError
        Unless embed_dim is a multiple of num_heads, and both are at least 1.

    References
    ----------
    arXiv 1706.03762, section 3.2.2.

    Examples
    --------
    >>> MultiHeadAttention(8, 2)(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    torch_names: ClassVar[dict[str, str]] = {"in_proj": "in_proj_"}

    in_proj: Linear
    out_proj: Linear
    num_heads: int = static()

    def __init__(self, embed_dim: int, num_heads: int, *, seed: Seed = None, dtype: Any = np.float32) -> None:
        if min(embed_dim, num_heads) < 1 or embed_dim % num_heads:
            raise ValueError(
                f"embed_dim must be a multiple of num_heads, and both at least 1; got {embed_dim} and {num_heads}"
            )
        first, second = spawn(seed, 2)
        self.in_proj = Linear(embed_dim, 3 * embed_dim, seed=first, dtype=dtype)
        self.out_proj = Linear(embed_dim, embed_dim, seed=second, dtype=dtype)
        self.num_heads = num_heads

    def __call__(self, x: Array) -> Array:
        """Return y (B, T, embed_dim) for x (B, T, embed_dim)."""
        examples, positions, width = x.shape
        split = np.reshape(self.in_proj(x), (examples, positions, 3, self.num_heads, width // self.num_heads))
        q, k, v = np.transpose(split, (2, 0, 3, 1, 4))
        together = np.transpose(attention(q, k, v), (0, 2, 1, 3))
        return self.out_proj(np.reshape(together, x.shape))
