"""affine_jvp_gram: the affine JVP of a streamed dw, and the Gram matrix of its directions, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import device, dispatch, policy
from fwdad.kernels.affine_jvp import affine_jvp_cuda, affine_jvp_reference, checked
from fwdad.kernels.gram import gram_cuda, gram_reference
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream
from fwdad.kernels.stream import stream as checked_stream

Array = NDArray[Any]
F64 = NDArray[np.float64]


def affine_jvp_gram(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Stream,
    db: Array | Stream | None,
    activation: str = "identity",
) -> tuple[Array, Array, F64]:
    """Compute `affine_jvp` for a streamed `dw`, and G_ij = <dw_i, dw_j>: each entry is generated once for both.

    For estimators that need the Gram matrix of their directions: generating them takes longer than the products.

    Parameters
    ----------
    x, w, b, dx, db, activation
        As of `affine_jvp`.
    dw : Stream
        Of primal_shape (K, N).

    Returns
    -------
    y : ndarray, (M, N)
        As of `affine_jvp`.
    dy : ndarray, (k, M, N)
        As of `affine_jvp`.
    gram : ndarray, (k, k)
        float64, as of ``gram(dw, exact=False)``.

    Raises
    ------
    TypeError, ValueError
        As `affine_jvp`; TypeError also if `dw` is not a Stream.

    Examples
    --------
    >>> v = Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=1, primal_shape=(2, 3))
    >>> one = np.ones((1, 2), np.float32)
    >>> affine_jvp_gram(one, np.ones((2, 3), np.float32), None, None, v, None)[2].tolist()
    [[6.0]]
    """
    where = "affine_jvp_gram"
    checked_stream(where, "dw", dw)
    place, (x, w, b, dx, _, db) = checked(where, x, w, b, dx, dw, db, activation)
    return KERNEL.on(place)(x, w, b, dx, dw, db, activation)


def affine_jvp_gram_reference(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array, F64]:
    """Compute one after the other."""
    y, dy = affine_jvp_reference(x, w, b, dx, dw, db, activation)
    assert dy is not None, "dw moves"
    return y, dy, gram_reference(dw, per_row=False, exact=False)


def affine_jvp_gram_native(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array, F64]:
    """C++: csrc/cpu/affine_jvp_gram.cpp."""
    m, n = x.shape[0], w.shape[1]
    y, dy, gram = empty((m, n), x.dtype), empty((dw.k, m, n), x.dtype), np.empty((dw.k, dw.k))
    dispatch.native.affine_jvp_gram(x, w, b, dx, dw.descriptor, db, activation, y, dy, gram)
    return y, dy, gram


def affine_jvp_gram_cuda(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array, F64]:
    """CUDA: csrc/cuda/affine_jvp_gram.cu; one after the other where cuBLAS makes the product of dx."""
    if dx is not None and policy.use_cublas(dx.size * w.shape[1]):
        y, moved = affine_jvp_cuda(x, w, b, dx, dw, db, activation)
        assert moved is not None, "dw moves"
        return y, moved, gram_cuda(dw, per_row=False, exact=False)
    m, n = x.shape[0], w.shape[1]
    with device.launch(x) as launch:
        y, dy = device.empty((m, n), x.dtype), device.empty((dw.k, m, n), x.dtype)
        gram = device.empty((dw.k, dw.k), np.float64)
        dispatch.cuda.affine_jvp_gram(launch, x, w, b, dx, dw.descriptor, db, activation, y, dy, gram)
        return y, dy, gram


KERNEL = dispatch.register(
    "affine_jvp_gram",
    "`affine_jvp` and `G_ij = <dw_i, dw_j>`",
    "as affine_jvp for a Stream dw -> y (M, N), dy (k, M, N), G (k, k) as of gram(dw, exact=False)",
    affine_jvp_gram_reference,
    affine_jvp_gram_native,
    affine_jvp_gram_cuda,
)
