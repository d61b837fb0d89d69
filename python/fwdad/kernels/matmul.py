"""matmul: products of two batches of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def matmul(x: Array, y: Array) -> Array:
    """Multiply all matrices of two batches; a batch axis of length one, or none, is the same for all of the other's.

    Parameters
    ----------
    x : ndarray, (..., M, K)
        float32 or float64, of any strides: what is broadcast is packed once and not copied.
    y : ndarray, (..., K, N)
        As `x`.

    Returns
    -------
    ndarray, (..., M, N)
        C-contiguous, of the dtype of `x`, in which products are summed.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together.

    Examples
    --------
    >>> matmul(np.ones((1, 2)), np.arange(6.0).reshape(3, 2, 1)).tolist()
    [[[1.0]], [[5.0]], [[9.0]]]
    """
    where = "matmul"
    x = checks.float_array(where, "x", x)
    y = checks.float_array(where, "y", y, x.dtype)
    for name, value in (("x", x), ("y", y)):
        if value.ndim < 2:
            raise ValueError(f"{where}: {name}: expected shape (..., rows, columns), given {value.shape}")
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"{where}: y: expected shape (..., {x.shape[-1]}, N) (x is {x.shape}), given {y.shape}")
    try:
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise ValueError(f"{where}: expected batches that fit together, given {x.shape} and {y.shape}") from None
    return KERNEL.on(checks.one_device(where, x=x, y=y))(x, y)


def matmul_reference(x: Array, y: Array) -> Array:
    """Call np.matmul."""
    return np.ascontiguousarray(np.matmul(x, y))


def matmul_native(x: Array, y: Array) -> Array:
    """C++: csrc/cpu/matmul.cpp."""
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = empty((*batch, x.shape[-2], y.shape[-1]), x.dtype)
    left, right = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (x, y))
    for one, other, result in _runs(left, right, out):
        dispatch.native.matmul(one, other, result)
    return out


def _runs(*arrays: Array) -> Iterator[list[Array]]:
    """Yield views (batch, rows, columns) that make up arrays of one batch shape: as few as the strides allow."""
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
    """Return a view with the first two axes as one."""
    shape = (a.shape[0] * a.shape[1], *a.shape[2:])
    strides = (a.strides[0] if a.shape[1] == 1 else a.strides[1], *a.strides[2:])
    return np.lib.stride_tricks.as_strided(a, shape, strides, writeable=a.flags.writeable)


def matmul_cuda(x: Array, y: Array) -> Array:
    """Call cuBLAS, by CuPy."""
    with device.launch(x):
        product: Array = x @ y
        return product


KERNEL = dispatch.register(
    "matmul",
    "`x y` for batches, broadcast as by `np.matmul`",
    "x (..., M, K), y (..., K, N) -> (..., M, N); inputs of any strides; products summed in the dtype of x",
    matmul_reference,
    matmul_native,
    matmul_cuda,
)
