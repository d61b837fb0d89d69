"""projection_coefficients: from directional derivatives to the coefficients of an orthogonal projection.

With k directions as rows of V (k x P) and d = V grad f, the orthogonal projection of grad f on their span is

    g = V^T c   with   c = G^+ d,   G = V V^T (the Gram matrix).

`gram`, `projection_coefficients` and `combine` are these three steps, and need V only through products, so V can be a
Stream. `project_gram_schmidt` computes the same g the way one draws it. All of this is float64 inside: what
ill-conditioned directions lose is then what d already lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch

Array = NDArray[Any]
F64 = NDArray[np.float64]
Solved = tuple[F64, NDArray[np.int64], F64]

DROP = 2.0**-20
"""The share of a direction's length below which what is new in it is dropped: 8 units of float32 rounding, so noise of
float32 directional derivatives, not information."""

SAFE_MARGIN = 2.0**-2
"""The least margin at which a Gram matrix that is not exact serves: its error, some 1e-8, grows by k over this."""


def projection_coefficients(gram: F64, d: Array) -> Solved:
    """Compute c = G^+ d, which makes V^T c the orthogonal projection, the rank that was found, and its margin.

    Pivoted Cholesky in float64 of the matrix scaled to a unit diagonal; directions that depend on those already chosen
    (see `DROP`), and zero directions, get the coefficient 0. For d = V g, V^T c does not depend on which were dropped.

    Parameters
    ----------
    gram : ndarray, (..., k, k)
        float64, symmetric.
    d : ndarray, (..., k)
        float32 or float64.

    Returns
    -------
    c : ndarray, (..., k)
        float64.
    rank : ndarray, (...)
        int64.
    margin : ndarray, (...)
        float64: the least part of a direction's squared length that the directions chosen before it leave over, from 1
        (all at right angles) to 0 (some are dependent). Where G or d is not finite, c and margin are NaN and the rank
        is 0.

    Raises
    ------
    TypeError
        If an argument is not a float array (`gram`: float64).
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> c, rank, margin = projection_coefficients(np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([1.0, 2.0]))
    >>> c.tolist(), int(rank), float(margin)  # the second direction is twice the first
    ([1.0, 0.0], 1, 0.0)
    """
    where = "projection_coefficients"
    gram = checks.float_array(where, "gram", gram, np.dtype(np.float64))
    d = checks.float_array(where, "d", d)
    if d.ndim == 0:
        raise ValueError(f"{where}: d: expected shape (..., k), given ()")
    checks.shape(where, "gram", gram.shape, (*d.shape, d.shape[-1]), why=f"d is {d.shape}")
    return KERNEL.on(checks.one_device(where, gram=gram, d=d))(gram, d)


def projection_coefficients_reference(gram: F64, d: Array) -> Solved:
    """Factorise the matrices of the stack one after the other."""
    c = np.empty(d.shape)
    rank = np.empty(d.shape[:-1], np.int64)
    margin = np.empty(d.shape[:-1])
    for b in np.ndindex(d.shape[:-1]):
        c[b], rank[b], margin[b] = _coefficients(gram[b], d[b].astype(np.float64))
    return c, rank, margin


def _coefficients(gram: F64, d: F64) -> tuple[F64, int, float]:
    k = len(d)
    if not (np.isfinite(gram).all() and np.isfinite(d).all()):
        return np.full(k, np.nan), 0, np.nan
    squares = np.diagonal(gram)
    positive = squares > 0
    scale = np.zeros(k)
    scale[positive] = 1 / np.sqrt(squares[positive])
    unit = scale[:, None] * gram * scale  # the Gram matrix of the directions scaled to length one
    factor = np.zeros((k, k))  # column p holds <v_i, q_p> for the p-th orthonormal direction
    left = np.diagonal(unit).copy()  # squared length of what is not yet in the span
    chosen: list[int] = []
    margin = 1.0
    while len(chosen) < k:
        p, pivot = len(chosen), int(np.argmax(left))
        if not left[pivot] > DROP * DROP:
            margin = 0.0
            break
        margin = min(margin, left[pivot])
        column = (unit[:, pivot] - factor[:, :p] @ factor[pivot, :p]) / np.sqrt(left[pivot])
        factor[:, p] = column
        left -= column * column
        left[pivot] = -np.inf
        chosen.append(pivot)
    rank = len(chosen)
    lower = factor[chosen, :rank]
    e = d[chosen] * scale[chosen]
    for p in range(rank):  # lower e = d
        e[p] = (e[p] - lower[p, :p] @ e[:p]) / lower[p, p]
    for p in reversed(range(rank)):  # lower^T c = e
        e[p] = (e[p] - lower[p + 1 :, p] @ e[p + 1 :]) / lower[p, p]
    c = np.zeros(k)
    c[chosen] = e * scale[chosen]
    return c, rank, margin


def projection_coefficients_native(gram: F64, d: Array) -> Solved:
    """C++: csrc/cpu/projection_coefficients.cpp."""
    c, rank, margin = np.empty(d.shape), np.empty(d.shape[:-1], np.int64), np.empty(d.shape[:-1])
    d = np.ascontiguousarray(d, np.float64)
    dispatch.native.projection_coefficients(np.ascontiguousarray(gram), d, c, rank, margin)
    return c, rank, margin


def projection_coefficients_cuda(gram: F64, d: Array) -> Solved:
    """CUDA: csrc/cuda/projection_coefficients.cu."""
    with device.launch(gram) as launch:
        c = device.empty(d.shape, np.float64)
        rank = device.empty(d.shape[:-1], np.int64)
        margin = device.empty(d.shape[:-1], np.float64)
        d = checks.c_order(d.astype(np.float64, copy=False))
        dispatch.cuda.projection_coefficients(launch, checks.c_order(gram), d, c, rank, margin)
        return c, rank, margin


KERNEL = dispatch.register(
    "projection_coefficients",
    "`c = G^+ d`, rank, margin",
    "G (..., k, k) float64, d (..., k) -> c (..., k), rank (...), margin (...); pivoted Cholesky in float64",
    projection_coefficients_reference,
    projection_coefficients_native,
    projection_coefficients_cuda,
)
