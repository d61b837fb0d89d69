"""When a kernel is used instead of NumPy, and one way of computing it instead of another: every threshold, once.

The thresholds were found by `fwdad bench` on CPUs; on CUDA devices none of them has been measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.kernels import checks, dispatch
from fwdad.kernels.device import has_cublas, is_device_array

ELEMENTWISE_ENTRIES = 2**16
"""Tangent entries below which NumPy has finished before a second thread has been woken."""

MATMUL_SIZE, MATMUL_TOTAL = 2**16, 2**20
"""Multiply-adds of one product, and of all, below which packing takes longer than NumPy's calls of BLAS."""

MATMUL_ROWS, MATMUL_COLUMNS = range(8, 513), 16
"""Rows of a left factor, and the fewest columns of a right one. The kernel's tiles are 8 x 48: thin matrices would
leave most of them empty. All of a left factor is packed before the first tile, and a tall one no longer fits the cache.
"""

CONV_IMAGES, CONV_RUN = 8, 8
"""Images, and entries in a row of the convolution's kernel (KW * C), below which the native body multiplies patches as
the reference does: fewer images do not fill a tile, and with fewer entries the inner loop is too short."""

SPARSE = 5
"""Entries of a left factor for each that is not zero, from which a product without the zeros is faster."""

CUBLAS_SIZE = 2**28
"""Multiply-adds of dense tangents from which cuBLAS makes the products of `affine_jvp`: arithmetic then takes longer
than launches, of which this way needs a few more. An estimate."""


def use_elementwise(tangent: Any, factor: Any) -> bool:
    """Whether elementwise kernels take ``factor dx_i``, and are faster at it than NumPy.

    True for large C-contiguous tangents (k, ...) and a factor (...) of one float dtype: no broadcasting.
    """
    if type(tangent) is np.ndarray and tangent.size < ELEMENTWISE_ENTRIES:  # the common case, without another call
        return False
    return _large(tangent, factor) and bool(factor.shape == tangent.shape[1:])


def use_axpby(x: Any, y: Any) -> bool:
    """Whether `axpby` takes these arrays, and is faster than NumPy's ``a * x + b * y``."""
    return _large(x, y) and bool(x.shape == y.shape)


def _large(x: Any, y: Any) -> bool:
    """Whether x is large, and both are C-contiguous arrays of one float dtype on the same kind of device."""
    on_host = type(x) is np.ndarray
    return (
        (dispatch.native is not None if on_host else is_device_array(x))
        and type(y) is type(x)
        and x.size >= ELEMENTWISE_ENTRIES
        and y.dtype == x.dtype
        and y.dtype in checks.FLOATS
        and x.flags.c_contiguous
        and y.flags.c_contiguous
        and (not on_host or (x.flags.aligned and y.flags.aligned))
    )


def use_matmul(x: Any, y: Any) -> bool:
    """Whether `matmul` takes these arguments of np.matmul, and is faster than NumPy."""
    if type(x) is not np.ndarray or type(y) is not np.ndarray or x.ndim < 2 or y.ndim < 2:
        return False
    m, n = x.shape[-2], y.shape[-1]
    return (
        dispatch.native is not None
        and x.dtype == y.dtype
        and x.dtype in checks.FLOATS
        and m in MATMUL_ROWS
        and n >= MATMUL_COLUMNS
        and m * x.shape[-1] * n >= MATMUL_SIZE
        and max(x.size * n, y.size * m) >= MATMUL_TOTAL
        and x.flags.aligned
        and y.flags.aligned
    )


def use_patches(images: int, run: int) -> bool:
    """Whether a convolution of so many images, with `run` entries in a row of its kernel, is a product of patches."""
    return images < CONV_IMAGES or run < CONV_RUN


def use_sparse(x: Any, w: Any) -> bool:
    """Whether `sparse_product` takes matrices x and w, and is faster than NumPy: most entries of x are zeros.

    About 64 of its rows are looked at.
    """
    return (
        dispatch.native is not None
        and type(x) is np.ndarray
        and type(w) is np.ndarray
        and x.dtype == w.dtype
        and x.dtype in checks.FLOATS
        and bool(SPARSE * np.count_nonzero(some := x[:: 1 + len(x) // 64]) <= some.size)
    )


def use_cublas(multiply_adds: int) -> bool:
    """Whether cuBLAS makes the products of dense tangents on a CUDA device."""
    return multiply_adds >= CUBLAS_SIZE and has_cublas()
