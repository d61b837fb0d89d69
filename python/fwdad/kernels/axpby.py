"""axpby: a weighted sum of two arrays, which optimisers make of parameters, gradients and their moving averages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def axpby(a: float, x: Array, b: float, y: Array) -> Array:
    """Compute ``a x + b y`` in one pass over memory.

    Parameters
    ----------
    a, b : float
        Rounded to the dtype of `x`.
    x, y : ndarray, (...)
        Of one shape, float32 or float64.

    Returns
    -------
    ndarray, (...)
        C-contiguous, of the dtype of `x`; both products and the sum are rounded, as NumPy does.

    Raises
    ------
    TypeError
        If x and y are not arrays of one common float dtype.
    ValueError
        If their shapes differ.

    Examples
    --------
    >>> axpby(1.0, np.array([1.0, 2.0]), -0.5, np.array([4.0, 8.0])).tolist()
    [-1.0, -2.0]
    """
    where = "axpby"
    x = checks.contiguous(where, "x", x)
    y = checks.contiguous(where, "y", y, x.dtype)
    checks.shape(where, "y", y.shape, x.shape, why=f"x is {x.shape}")
    return KERNEL.on(checks.one_device(where, x=x, y=y))(float(a), x, float(b), y)


def axpby_reference(a: float, x: Array, b: float, y: Array) -> Array:
    """Compute it as it stands."""
    return np.asarray(a * x + b * y)


def axpby_native(a: float, x: Array, b: float, y: Array) -> Array:
    """C++: csrc/cpu/axpby.cpp."""
    out = empty(x.shape, x.dtype)
    dispatch.native.axpby(a, x, b, y, out)
    return out


def axpby_cuda(a: float, x: Array, b: float, y: Array) -> Array:
    """Compute it by CuPy's own operations."""
    with device.launch(x):
        total: Array = a * x + b * y
        return total


KERNEL = dispatch.register(
    "axpby",
    "`a x + b y`: a step of an optimiser in one pass over memory",
    "numbers a, b, arrays x, y (...) -> (...); every operation rounded: all bodies' bits agree",
    axpby_reference,
    axpby_native,
    axpby_cuda,
)
