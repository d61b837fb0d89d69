"""gram: inner products of k directions with each other."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import device, dispatch
from fwdad.kernels.generate import dense
from fwdad.kernels.stream import Stream, directions, source

Array = NDArray[Any]
F64 = NDArray[np.float64]


def gram(v: Array | Stream, per_row: bool = False, exact: bool = True) -> F64:
    """Compute the Gram matrix G_ij = <v_i, v_j> of k directions; with `per_row`, one for each row of the arrays.

    Exact: every product and sum in float64, in which products of float32 are exact. Otherwise, two to three times as
    fast, float32 entries are multiplied and summed in float32 over at most 1024 entries, and these sums are added in
    float64: G_ij is off by about 1e-8 |v_i| |v_j| for random directions, by 2e-5 at the very most. Directions whose
    `margin` (see `projection_coefficients`) is above `SAFE_MARGIN` are projected on to 1e-6 with it.

    Parameters
    ----------
    v : ndarray or Stream, (k, ...), or (k, B, n) with `per_row`
        float32 or float64.
    per_row : bool, default False
        One matrix for each index of axis 1.
    exact : bool, default True
        Whether float32 entries are multiplied in float64.

    Returns
    -------
    ndarray, (k, k), or (B, k, k) with `per_row`
        float64, exactly symmetric.

    Raises
    ------
    TypeError
        If `v` is not a float array or a Stream.
    ValueError
        If `v` has too few axes.

    Examples
    --------
    >>> gram(np.array([[3.0, 4.0], [1.0, 0.0]])).tolist()
    [[25.0, 3.0], [3.0, 1.0]]
    """
    v = directions("gram", v, per_row)
    return KERNEL.on(device.device_of(v))(v, per_row, exact)


def gram_reference(v: Array | Stream, per_row: bool, exact: bool) -> F64:
    """Multiply the directions by themselves in float64, whether `exact` is asked for or not."""
    v64 = dense(v).astype(np.float64)
    rows = v64.transpose(1, 0, 2) if per_row else v64.reshape(v64.shape[0], prod(v64.shape[1:]))
    g = rows @ rows.swapaxes(-1, -2)
    result: F64 = np.tril(g) + np.tril(g, -1).swapaxes(-1, -2)
    return result


def gram_native(v: Array | Stream, per_row: bool, exact: bool) -> F64:
    """C++: csrc/cpu/gram.cpp."""
    g = np.empty(_shape(v, per_row))
    dispatch.native.gram(source(v), exact, g)
    return g


def gram_cuda(v: Array | Stream, per_row: bool, exact: bool) -> F64:
    """CUDA: csrc/cuda/gram.cu."""
    with device.launch(v) as launch:
        g = device.empty(_shape(v, per_row), np.float64)
        dispatch.cuda.gram(launch, source(v), exact, g)
        return g


def _shape(v: Array | Stream, per_row: bool) -> tuple[int, ...]:
    k = v.shape[0]
    return (v.shape[1], k, k) if per_row else (k, k)


KERNEL = dispatch.register(
    "gram",
    "`G_ij = <v_i, v_j>`",
    "v (k, ...) or a Stream -> (k, k) float64, or v (k, B, n) -> (B, k, k); exact: products and sums in float64, "
    "otherwise in the dtype of v over at most 1024 entries, and these sums in float64",
    gram_reference,
    gram_native,
    gram_cuda,
)
