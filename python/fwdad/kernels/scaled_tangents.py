"""scaled_tangents: one derivative meets k tangents.

Bound by memory. NumPy's own ``f'(x) * dx`` runs on one thread and, for two terms, writes the tangents three times; the
kernel keeps a tile of the derivative in the cache, and reads and writes each tangent once.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def scaled_tangents(a: Array, dx: Array, b: Array | None = None, dy: Array | None = None) -> Array:
    """Compute ``a dx_i``, or ``a dx_i + b dy_i``: every elementwise rule of one or two arguments, partials a and b.

    Parameters
    ----------
    a : ndarray, (...)
        float32 or float64.
    dx : ndarray, (k, ...)
        Tangents of the first argument.
    b : ndarray, (...), or None
        As `a`.
    dy : ndarray, (k, ...), or None
        As `dx`.

    Returns
    -------
    ndarray, (k, ...)
        C-contiguous, of the dtype of `a`.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together, or one of b and dy is given without the other.

    Examples
    --------
    >>> scaled_tangents(np.array([1.0, 2.0]), np.ones((1, 2)), np.array([3.0, 4.0]), np.ones((1, 2))).tolist()
    [[4.0, 6.0]]
    """
    where = "scaled_tangents"
    a = checks.contiguous(where, "a", a)
    dx = checks.tangents(where, "dx", dx, "a", a)
    if (b is None) != (dy is None):
        raise ValueError(f"{where}: expected both b and dy or neither, given {'dy' if b is None else 'b'} alone")
    if b is not None:
        b = checks.contiguous(where, "b", b, a.dtype)
        checks.shape(where, "b", b.shape, a.shape)
        dy = checks.contiguous(where, "dy", dy, a.dtype)
        checks.shape(where, "dy", dy.shape, dx.shape)
    return KERNEL.on(checks.one_device(where, a=a, dx=dx, b=b, dy=dy))(a, dx, b, dy)


def scaled_tangents_reference(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """Compute the equation as it stands."""
    return a * dx if b is None or dy is None else a * dx + b * dy


def scaled_tangents_native(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """C++: csrc/cpu/scaled_tangents.cpp."""
    out = empty(dx.shape, a.dtype)
    dispatch.native.scaled_tangents(a, dx, b, dy, out)
    return out


def scaled_tangents_cuda(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """CUDA: csrc/cuda/scaled_tangents.cu."""
    with device.launch(a) as launch:
        out = device.empty(dx.shape, a.dtype)
        dispatch.cuda.scaled_tangents(launch, a, dx, b, dy, out)
        return out


KERNEL = dispatch.register(
    "scaled_tangents",
    "`a dx_i`, or `a dx_i + b dy_i`",
    "a (...), dx (k, ...), b (...) and dy (k, ...) or None -> (k, ...)",
    scaled_tangents_reference,
    scaled_tangents_native,
    scaled_tangents_cuda,
)
