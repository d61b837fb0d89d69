"""Products of batches of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty

Array = NDArray[Any]

WORTH_PACKING, WORTH_A_CALL = 2**16, 2**20
"""Multiply-adds, of one product and of all, from which on the kernel is faster than NumPy's calls of BLAS."""


def matmul_pays(x: Any, y: Any) -> bool:
    """Whether `matmul` takes these arguments of np.matmul, and is faster than NumPy is.

    Its tiles are 8 x 48, so that thin matrices would leave most of them empty; and it packs all of a left factor before
    the first tile, where a tall one no longer fits the cache.
    """
    if type(x) is not np.ndarray or type(y) is not np.ndarray or x.ndim < 2 or y.ndim < 2:
        return False
    m, n = x.shape[-2], y.shape[-1]
    return (
        dispatch.native is not None
        and x.dtype == y.dtype
        and x.dtype in checks.FLOATS
        and 8 <= m <= 512
        and n >= 16
        and m * x.shape[-1] * n >= WORTH_PACKING
        and max(x.size * n, y.size * m) >= WORTH_A_CALL
        and x.flags.aligned
        and y.flags.aligned
    )


def matmul(x: Array, y: Array) -> Array:
    """x y for all matrices of two batches; a batch axis of length one, or none, is the same for all of the other's.

    Args:
        x: (..., M, K), float32 or float64, of any strides: what is broadcast is packed once and not copied.
        y: (..., K, N).

    Returns:
        (..., M, N), C-contiguous; dtype of `x`, in which products are also summed.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together.

    >>> matmul(np.ones((1, 2)), np.arange(6.0).reshape(3, 2, 1)).tolist()
    [[[1.0]], [[5.0]], [[9.0]]]
    """
    here = "matmul"
    x = checks.float_array(here, "x", x)
    y = checks.float_array(here, "y", y, x.dtype)
    for name, value in (("x", x), ("y", y)):
        if value.ndim < 2:
            raise ValueError(f"{here}: {name}: expected shape (..., rows, columns), given {value.shape}")
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"{here}: y: expected shape (..., {x.shape[-1]}, N) (x is {x.shape}), given {y.shape}")
    try:
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise ValueError(f"{here}: expected batches that fit together, given {x.shape} and {y.shape}") from None
    result: Array = MATMUL.on(checks.one_device(here, x=x, y=y))(x, y)
    return result


def matmul_reference(x: Array, y: Array) -> Array:
    """NumPy: as it stands."""
    return np.asarray(np.matmul(x, y))


def matmul_native(x: Array, y: Array) -> Array:
    """C++: see csrc/cpu/affine.cpp, where x is what does not move and y are tangents of weights."""
    assert dispatch.native is not None
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = empty((*batch, x.shape[-2], y.shape[-1]), x.dtype)
    left, right = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (x, y))
    for run in _runs(left, right, out):
        dispatch.native.matmul(*run)
    return out


def _runs(*arrays: Array) -> Iterator[list[Array]]:
    """Views (batch, rows, columns) that make up arrays of one batch shape: as few as the strides allow."""
    first = arrays[0]
    if first.ndim == 2:
        yield [a[np.newaxis] for a in arrays]
    elif first.ndim == 3:
        yield list(arrays)
    elif 1 in first.shape[:2] or all(a.strides[0] == a.shape[1] * a.strides[1] for a in arrays):
        yield from _runs(*(_joined(a) for a in arrays))
    else:
        for part in zip(*arrays, strict=True):
            yield from _runs(*part)


def _joined(a: Array) -> Array:
    """The first two axes as one, without a copy."""
    shape = (a.shape[0] * a.shape[1], *a.shape[2:])
    strides = (a.strides[0] if a.shape[1] == 1 else a.strides[1], *a.strides[2:])
    return np.lib.stride_tricks.as_strided(a, shape, strides, writeable=a.flags.writeable)


MATMUL = Kernel(
    "matmul",
    "x (...,M,K), y (...,K,N), broadcast batches -> (...,M,N), C-contiguous; inputs of any strides; products summed in "
    "the dtype of x",
    dispatch.bodies(matmul_reference, matmul_native),
)
