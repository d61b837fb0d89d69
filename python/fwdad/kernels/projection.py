"""The orthogonal projection of a gradient on the span of k directions, from directional derivatives alone.

With the directions as rows of V (k x P) and d = V grad f, the projection of grad f on span(V) is

    g = V^T c   with   c = G^+ d,   G = V V^T (the Gram matrix).

`gram`, `projection_coefficients` and `combine` are these three steps, and need V only through products, so V can be a
Stream. `project_gram_schmidt` computes the same g the way one draws it. All of this is float64 inside: what
ill-conditioned directions lose is then what d already lost.

A direction whose part outside the span of the others is below `DROP` of its length is dropped: it carries rounding
noise of float32 directional derivatives, not information.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch
from fwdad.kernels.device import device_of
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, dense

Array = NDArray[Any]
F64 = NDArray[np.float64]

DROP = 2.0**-20
"""Relative length below which the new part of a direction counts as rounding: 8 units of float32 rounding."""

SAFE_MARGIN = 2.0**-2
"""The least margin at which a Gram matrix that is not exact serves: its error, some 1e-8, grows by k over this."""


def gram(v: Array | Stream, per_row: bool = False, exact: bool = True) -> F64:
    """The Gram matrix G_ij = <v_i, v_j> of k directions; with `per_row`, one for each row b of the arrays.

    Exact: every product and sum in float64, in which products of float32 are exact. Otherwise, two to three times as
    fast, float32 entries are multiplied and summed in float32 over at most 1024 entries, and these sums are added in
    float64: G_ij is off by about 1e-8 |v_i| |v_j| for random directions, by 2e-5 at the very most. Directions whose
    `margin` (see `projection_coefficients`) is above `SAFE_MARGIN` are projected on to 1e-6 with it.

    Args:
        v: (k, ...), an array or a Stream; with `per_row`, (k, B, n).
        per_row: one matrix for each index of axis 1.
        exact: whether float32 entries are multiplied in float64.

    Returns:
        (k, k), or (B, k, k) with `per_row`; float64, exactly symmetric.

    Raises:
        TypeError: `v` is not a float array or a Stream.
        ValueError: `v` has too few axes.

    >>> gram(np.array([[3.0, 4.0], [1.0, 0.0]])).tolist()
    [[25.0, 3.0], [3.0, 1.0]]
    """
    v = _directions("gram", v, per_row)
    if isinstance(v, Stream) and v.known_gram is not None and not (per_row or exact):
        return v.known_gram
    result: F64 = GRAM.on(device_of(v))(v, per_row, exact)
    return result


def projection_coefficients(gram: F64, d: Array) -> tuple[F64, NDArray[np.int64], F64]:
    """Coefficients c = G^+ d that make V^T c the orthogonal projection, the rank that was found, and its margin.

    Pivoted Cholesky in float64 of the matrix scaled to a unit diagonal; directions that depend on those already chosen
    (see `DROP`), and zero directions, get the coefficient 0. For d = V g, V^T c does not depend on which were dropped.

    Args:
        gram: (..., k, k), float64, symmetric.
        d: (..., k), float32 or float64.

    Returns:
        c (..., k) float64, rank (...) int64 and margin (...) float64: the least part of a direction's squared length
        that the directions chosen before it leave over, from 1 (all at right angles) to 0 (some are dependent).
        Where G or d is not finite, c and margin are NaN and the rank is 0.

    Raises:
        TypeError: an argument is not a float array (`gram`: float64).
        ValueError: the shapes do not fit together.

    >>> c, rank, margin = projection_coefficients(np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([1.0, 2.0]))
    >>> c.tolist(), int(rank), float(margin)  # the second direction is twice the first
    ([1.0, 0.0], 1, 0.0)
    """
    here = "projection_coefficients"
    gram = checks.float_array(here, "gram", gram, np.dtype(np.float64))
    d = checks.float_array(here, "d", d)
    if d.ndim == 0:
        raise ValueError(f"{here}: d: expected shape (..., k), given ()")
    checks.shape(here, "gram", gram.shape, (*d.shape, d.shape[-1]), why=f"d is {d.shape}")
    body = PROJECTION_COEFFICIENTS.on(checks.one_device(here, gram=gram, d=d))
    result: tuple[F64, NDArray[np.int64], F64] = body(gram, d)
    return result


def combine(c: Array, v: Array | Stream) -> Array:
    """sum_i c_i v_i over k directions; for c (B, k), row b of the result combines row b of the directions.

    Args:
        c: (k,) or (B, k), float32 or float64.
        v: (k, *shape) or, for c (B, k), (k, B, n); an array or a Stream.

    Returns:
        (*shape) or (B, n), of the dtype of `v`; summed in float64 over i = 0, 1, ... and rounded once.

    Raises:
        TypeError: an argument is not a float array (`v`: or a Stream).
        ValueError: the shapes do not fit together.

    >>> combine(np.array([2.0, -1.0]), np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [2.0, -1.0]
    """
    c = checks.float_array("combine", "c", c)
    if c.ndim not in (1, 2):
        raise ValueError(f"combine: c: expected shape (k,) or (B, k), given {c.shape}")
    v = _directions("combine", v, c.ndim == 2)
    checks.shape("combine", "c", c.shape, v.shape[:1] if c.ndim == 1 else v.shape[1::-1], why=f"v is {v.shape}")
    body = COMBINE.on(checks.one_device("combine", c=c, v=v))
    result: Array = body(c.astype(np.float64, copy=False), v)
    return result


def _directions(here: str, v: Any, per_row: bool) -> Array | Stream:
    """Check v and, if it is an array, make it C-contiguous: these kernels read it from one end to the other."""
    if not isinstance(v, Stream):
        v = checks.float_array(here, "v", v)
    if (per_row and len(v.shape) != 3) or not v.shape:
        raise ValueError(f"{here}: v: expected shape {'(k, B, n)' if per_row else '(k, ...)'}, given {v.shape}")
    checked: Array | Stream = v if isinstance(v, Stream) or v.flags.c_contiguous else v.copy(order="C")
    return checked


def project_gram_schmidt(v: Array, d: Array) -> tuple[Array, int]:
    """The projection of a gradient on span(V), by orthonormalising the directions: the readable reference.

    Gram-Schmidt in float64: from each direction take away its part in the span of those before it, twice, for "twice is
    enough" (L. Giraud, J. Langou, M. Rozloznik, "The loss of orthogonality in the Gram-Schmidt orthogonalization
    process", 2005), and drop it if nothing is left. What is done to the direction is done to its directional
    derivative, so that e_j = <q_j, grad f> for the orthonormal q_j, and g = sum_j e_j q_j.

    Args:
        v: (k, P) directions, float32 or float64.
        d: (k,) directional derivatives <v_i, grad f>.

    Returns:
        g (P,) of the dtype of `v`, and the rank.

    Raises:
        TypeError, ValueError: not float arrays of these shapes.

    >>> project_gram_schmidt(np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), np.array([6.0, 5.0]))
    (array([3., 2., 0.]), 2)
    """
    here = "project_gram_schmidt"
    v = checks.float_array(here, "v", v)
    checks.ndim(here, "v", v, 2, "(k, P)")
    d = checks.float_array(here, "d", d)
    checks.shape(here, "d", d.shape, v.shape[:1], why=f"v is {v.shape}")
    g = np.zeros(v.shape[1])
    if not (np.isfinite(v).all() and np.isfinite(d).all()):
        return np.full_like(g, np.nan, dtype=v.dtype), 0
    basis: list[tuple[F64, float]] = []  # (q_j, e_j)
    for direction, derivative in zip(v.astype(np.float64), d.astype(np.float64), strict=True):
        q, e = direction, derivative
        for _ in range(2):
            for q_j, e_j in basis:
                along = q_j @ q
                q, e = q - along * q_j, e - along * e_j
        length = np.linalg.norm(q)
        if length > DROP * np.linalg.norm(direction):
            basis.append((q / length, e / length))
            g += (e / length) * (q / length)
    return g.astype(v.dtype), len(basis)


def orthonormalise(v: Array, block: int = 32) -> tuple[Array, NDArray[np.int64]]:
    """An orthonormal basis of span(V), and which directions it was made of.

    Gram-Schmidt in float64, a block of directions at a time: the part in the span of the blocks before it is taken away
    twice, by matrix products, then direction after direction that in the span of its own block. Where this leaves
    little of a direction, it is taken away once more, so that rounding errors do not grow with it; a direction of which
    less than `DROP` of its length is left is dropped.
    Source: as `project_gram_schmidt`; blocked: G. W. Stewart, "Block Gram-Schmidt orthogonalization", 2008.

    Args:
        v: (k, P) directions, float32 or float64.
        block: how many directions are treated at a time; takes (k + block) P numbers of memory in float64.

    Returns:
        Q (rank, P) of the dtype of `v`, with Q Q^T = 1, and the indices (rank,) of the directions that were kept;
        the first j rows of Q span what the first j of these span.

    Raises:
        TypeError: `v` is not a float array.
        ValueError: `v` is not a matrix, or has entries that are not finite.

    >>> q, kept = orthonormalise(np.array([[3.0, 4.0, 0.0], [6.0, 8.0, 0.0], [0.0, 5.0, 0.0]]))
    >>> q.round(12).tolist(), kept.tolist()
    ([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]], [0, 2])
    """
    here = "orthonormalise"
    v = checks.float_array(here, "v", v)
    checks.ndim(here, "v", v, 2, "(k, P)")
    if not np.isfinite(v).all():
        raise ValueError(f"{here}: v: expected finite entries, given NaN or infinity")
    q = np.empty((min(v.shape), v.shape[1]))
    kept: list[int] = []
    for start in range(0, len(v), block):
        left = v[start : start + block].astype(np.float64)
        lengths = np.linalg.norm(left, axis=1)
        before = q[: len(kept)]
        for _ in range(2):
            left -= (left @ before.T) @ before
        for i, direction in enumerate(left):
            basis = q[len(before) : len(kept)]
            for _ in range(2):
                length = np.linalg.norm(direction)
                direction -= (basis @ direction) @ basis
                if np.linalg.norm(direction) < 0.5 * length:
                    basis = q[: len(kept)]
            length = np.linalg.norm(direction)
            if len(kept) < len(q) and length > DROP * lengths[i]:
                q[len(kept)] = direction / length
                kept.append(start + i)
    return q[: len(kept)].astype(v.dtype, copy=False), np.array(kept, np.int64)


def gram_reference(v: Array | Stream, per_row: bool, exact: bool) -> F64:
    """NumPy: a product with itself, in float64, whether `exact` is asked for or not."""
    v64 = dense(v).astype(np.float64)
    rows = v64.transpose(1, 0, 2) if per_row else v64.reshape(v64.shape[0], prod(v64.shape[1:]))
    g = rows @ rows.swapaxes(-1, -2)
    result: F64 = np.tril(g) + np.tril(g, -1).swapaxes(-1, -2)
    return result


def projection_coefficients_reference(gram: F64, d: Array) -> tuple[F64, NDArray[np.int64], F64]:
    """NumPy: `_coefficients` for each matrix of the stack."""
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


def combine_reference(c: F64, v: Array | Stream) -> Array:
    """NumPy: a product with the coefficients, in float64."""
    v = dense(v)
    equation = "k,k...->..." if c.ndim == 1 else "bk,kbn->bn"
    return np.asarray(np.einsum(equation, c, v.astype(np.float64))).astype(v.dtype)


def gram_native(v: Array | Stream, per_row: bool, exact: bool) -> F64:
    """C++: see csrc/cpu/gram.cpp."""
    assert dispatch.native is not None
    k = v.shape[0]
    g = np.empty((v.shape[1], k, k) if per_row else (k, k))
    dispatch.native.gram(*_source(v), per_row, exact, g)
    return g


def projection_coefficients_native(gram: F64, d: Array) -> tuple[F64, NDArray[np.int64], F64]:
    """C++: see csrc/cpu/coefficients.cpp."""
    assert dispatch.native is not None
    c = np.empty(d.shape)
    rank = np.empty(d.shape[:-1], np.int64)
    margin = np.empty(d.shape[:-1])
    d = np.ascontiguousarray(d, np.float64)
    dispatch.native.projection_coefficients(np.ascontiguousarray(gram), d, c, rank, margin)
    return c, rank, margin


def combine_native(c: F64, v: Array | Stream) -> Array:
    """C++: see csrc/cpu/combine.cpp."""
    assert dispatch.native is not None
    out = empty(v.shape[1:], v.dtype)
    dispatch.native.combine(np.ascontiguousarray(c), *_source(v), out)
    return out


def _source(v: Array | Stream) -> tuple[Any, int]:
    """A stream as its descriptor, an array as itself, and the bytes of an entry."""
    return (v.descriptor if isinstance(v, Stream) else v), v.dtype.itemsize


GRAM = Kernel(
    "gram",
    "v (k, ...) -> (k, k) float64, or v (k, B, n) -> (B, k, k); exact: products and sums in float64, "
    "otherwise in the dtype of v over at most 1024 entries, and these sums in float64",
    dispatch.bodies(gram_reference, gram_native),
)
PROJECTION_COEFFICIENTS = Kernel(
    "projection_coefficients",
    "gram (..., k, k), d (..., k) -> c (..., k), rank (...), margin (...); float64 pivoted Cholesky",
    dispatch.bodies(projection_coefficients_reference, projection_coefficients_native),
)
COMBINE = Kernel(
    "combine",
    "c (k,), v (k, *shape) -> (*shape), or c (B, k), v (k, B, n) -> (B, n); "
    "sums in float64, rounded once to the dtype of v",
    dispatch.bodies(combine_reference, combine_native),
)
