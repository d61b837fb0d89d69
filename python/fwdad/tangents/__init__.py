"""What a batch of k directions can be: duck arrays of shape (k, *primal.shape).

dense     an ndarray: the reference for all others (needs no class of its own)
stream    values that a counter-based generator can give tile by tile, again and again: nothing is stored
basis     unit vectors: one integer a direction
columns   what becomes of them behind an activation: one column of a matrix a direction

A kind is an array-like that follows NumPy's protocols, cleverly where it can and as `dense()` elsewhere (`duck`).
An estimator asks three things of it, all by the functions here: `dense`, `gram`, `combine`; and `inner`, of an ndarray.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.basis import BasisTangent
from fwdad.tangents.duck import DuckTangent
from fwdad.tangents.stream import StreamTangent

Tangent = Any
"""An ndarray, or one of the kinds above."""


def dense(v: Tangent) -> np.ndarray:
    """The tangents as an array of shape (k, *primal.shape)."""
    return v.dense() if isinstance(v, DuckTangent) else v


def gram(v: Tangent, per_row: bool = False, exact: bool = True) -> np.ndarray:
    """One parameter's part of the Gram matrix, ``G_ij = <v_i, v_j>``: (k, k), or (B, k, k) per row of (k, B, n).

    exact : see `fwdad.kernels.gram`.
    """
    if isinstance(v, BasisTangent):
        return kernels.gram(v.dense(), per_row=True) if per_row else v.gram()
    return kernels.gram(v, per_row, exact)


def combine(c: np.ndarray, v: Tangent) -> np.ndarray:
    """``sum_i c_i v_i``, shaped like the parameter; c is (k,), or (B, k) to combine each row of (k, B, n) by itself."""
    if isinstance(v, BasisTangent):
        return v.combine(c) if c.ndim == 1 else kernels.combine(c, v.dense())
    return kernels.combine(c, v)


def inner(v: np.ndarray, g: np.ndarray) -> np.ndarray:
    """``<v_i, g>``, (k,) float64, for directions (k, *g.shape) that are an array of the dtype of g.

    Summed in that dtype over at most 1024 entries, and these sums in float64, as ``gram(v, exact=False)`` is. The sums
    are as many as the largest divisor of g.size up to 1024 leaves: where that is 1, they take as much memory as v.

    >>> inner(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0]))
    array([-1., -1.])
    """
    length = next(j for j in range(1024, 0, -1) if g.size % j == 0)
    sums = kernels.weighted_rows(g.reshape(-1, length), v.reshape(v.shape[0], -1, length))
    total: np.ndarray = sums.sum(axis=1, dtype=np.float64)
    return total


def to_device(v: Tangent, device: str) -> Tangent:
    """The tangents on a device; a stream has the same entries everywhere, so that nothing moves."""
    if isinstance(v, StreamTangent):
        return v if v.device == device else dataclasses.replace(v, device=device)
    return v if kernels.device_of(v) == device else kernels.to_device(dense(v), device)


__all__ = ["BasisTangent", "DuckTangent", "StreamTangent", "Tangent", "combine", "dense", "gram", "inner", "to_device"]
