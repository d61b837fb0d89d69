"""stream_product: a matrix times k streamed matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.generate import dense
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, stream

Array = NDArray[Any]


def stream_product(x: Array, v: Stream) -> Array:
    """Compute x v_i for the k directions of a streamed matrix, generated tile by tile inside the product, never stored.

    Parameters
    ----------
    x : ndarray, (M, K)
        float32 or float64, of any strides.
    v : Stream
        Of primal_shape (K, N) and the dtype of `x`.

    Returns
    -------
    ndarray, (k, M, N)
        C-contiguous, of the dtype of `x`, in which products are summed.

    Raises
    ------
    TypeError
        If `x` is not a float array, or `v` not a Stream of its dtype.
    ValueError
        If shapes do not fit together.

    Examples
    --------
    >>> from fwdad.kernels import generate
    >>> v = Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=1, primal_shape=(2, 3))
    >>> bool(np.all(stream_product(np.eye(2, dtype=np.float32), v) == generate(v)))
    True
    """
    where = "stream_product"
    x = checks.float_array(where, "x", x)
    checks.ndim(where, "x", x, 2, "(M, K)")
    v = stream(where, "v", v, x.dtype)
    checks.shape(where, "v", v.shape, (*v.shape[:1], x.shape[1], *v.shape[2:3]), why=f"x is {x.shape}")
    return KERNEL.on(checks.one_device(where, x=x, v=v))(x, v)


def stream_product_reference(x: Array, v: Stream) -> Array:
    """Compute it as it stands."""
    return np.asarray(x @ dense(v))


def stream_product_native(x: Array, v: Stream) -> Array:
    """C++: csrc/cpu/stream_product.cpp."""
    out = empty((v.shape[0], x.shape[0], v.shape[2]), x.dtype)
    dispatch.native.stream_product(x, v.descriptor, out)
    return out


def stream_product_cuda(x: Array, v: Stream) -> Array:
    """CUDA: csrc/cuda/stream_product.cu."""
    with device.launch(x) as launch:
        out = device.empty((v.shape[0], x.shape[0], v.shape[2]), x.dtype)
        dispatch.cuda.stream_product(launch, x, v.descriptor, out)
        return out


KERNEL = dispatch.register(
    "stream_product",
    "`x v_i`",
    "x (M, K), v a Stream of (K, N) -> (k, M, N); x of any strides; products summed in the dtype of x",
    stream_product_reference,
    stream_product_native,
    stream_product_cuda,
)
