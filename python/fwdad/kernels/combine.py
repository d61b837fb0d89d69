"""combine: a linear combination of k directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.generate import dense
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, directions, source

Array = NDArray[Any]
F64 = NDArray[np.float64]


def combine(c: Array, v: Array | Stream) -> Array:
    """Compute sum_i c_i v_i over k directions; for c (B, k), row b of the result combines row b of the directions.

    Parameters
    ----------
    c : ndarray, (k,) or (B, k)
        float32 or float64.
    v : ndarray or Stream, (k, *shape) or, for c (B, k), (k, B, n)
        The directions.

    Returns
    -------
    ndarray, (*shape) or (B, n)
        C-contiguous, of the dtype of `v`; summed in float64 over i = 0, 1, ... and rounded once.

    Raises
    ------
    TypeError
        If an argument is not a float array (`v`: or a Stream).
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> combine(np.array([2.0, -1.0]), np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [2.0, -1.0]
    """
    where = "combine"
    c = checks.float_array(where, "c", c)
    if c.ndim not in (1, 2):
        raise ValueError(f"{where}: c: expected shape (k,) or (B, k), given {c.shape}")
    v = directions(where, v, c.ndim == 2)
    checks.shape(where, "c", c.shape, v.shape[:1] if c.ndim == 1 else v.shape[1::-1], why=f"v is {v.shape}")
    return KERNEL.on(checks.one_device(where, c=c, v=v))(c.astype(np.float64, copy=False), v)


def combine_reference(c: F64, v: Array | Stream) -> Array:
    """Multiply by the coefficients, in float64."""
    v = dense(v)
    equation = "k,k...->..." if c.ndim == 1 else "bk,kbn->bn"
    return np.asarray(np.einsum(equation, c, v.astype(np.float64))).astype(v.dtype)


def combine_native(c: F64, v: Array | Stream) -> Array:
    """C++: csrc/cpu/combine.cpp."""
    out = empty(v.shape[1:], v.dtype)
    dispatch.native.combine(np.ascontiguousarray(c), source(v), out)
    return out


def combine_cuda(c: F64, v: Array | Stream) -> Array:
    """CUDA: csrc/cuda/combine.cu."""
    with device.launch(c) as launch:
        out = device.empty(v.shape[1:], v.dtype)
        dispatch.cuda.combine(launch, checks.c_order(c), source(v), out)
        return out


KERNEL = dispatch.register(
    "combine",
    "`sum_i c_i v_i`",
    "c (k,) or (B, k), v (k, ...), a Stream or (k, B, n) -> (...) or (B, n); sums in float64, rounded once",
    combine_reference,
    combine_native,
    combine_cuda,
)
