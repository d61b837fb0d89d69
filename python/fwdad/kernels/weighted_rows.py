"""weighted_rows: the tangents of a reduction along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch

Array = NDArray[Any]


def weighted_rows(w: Array, dx: Array) -> Array:
    """Compute ``d_i = sum_j w_j dx_ij`` over the last axis: the tangents of a reduction whose partials are w.

    Parameters
    ----------
    w : ndarray, (..., n)
        float32 or float64.
    dx : ndarray, (k, ..., n)
        Tangents.

    Returns
    -------
    ndarray, (k, ...)
        C-contiguous, of the dtype of `w`, in which it is summed.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together.

    Examples
    --------
    >>> weighted_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((1, 2, 2))).tolist()
    [[3.0, 7.0]]
    """
    where = "weighted_rows"
    w = checks.contiguous(where, "w", w)
    if w.ndim == 0:
        raise ValueError(f"{where}: w: expected shape (..., n), given ()")
    dx = checks.tangents(where, "dx", dx, "w", w)
    k, n = dx.shape[0], w.shape[-1]
    rows = w.size // n if n else int(np.prod(w.shape[:-1], dtype=np.int64))
    body = KERNEL.on(checks.one_device(where, w=w, dx=dx))
    return body(w.reshape(rows, n), dx.reshape(k, rows, n)).reshape(dx.shape[:-1])


def weighted_rows_reference(w: Array, dx: Array) -> Array:
    """Compute the equation as it stands."""
    return np.asarray(np.sum(w * dx, axis=-1))


def weighted_rows_native(w: Array, dx: Array) -> Array:
    """C++: csrc/cpu/weighted_rows.cpp."""
    out = np.empty(dx.shape[:-1], w.dtype)
    dispatch.native.weighted_rows(w, dx, out)
    return out


def weighted_rows_cuda(w: Array, dx: Array) -> Array:
    """CUDA: csrc/cuda/weighted_rows.cu."""
    with device.launch(w) as launch:
        out = device.empty(dx.shape[:-1], w.dtype)
        dispatch.cuda.weighted_rows(launch, w, dx, out)
        return out


KERNEL = dispatch.register(
    "weighted_rows",
    "`sum_j w_j dx_ij`",
    "w (..., n), dx (k, ..., n), joined to (B, n) and (k, B, n) for bodies -> (k, ...); summed in the dtype of w",
    weighted_rows_reference,
    weighted_rows_native,
    weighted_rows_cuda,
)
