"""sparse_product: x w for an x whose entries are mostly zeros, such as spikes.

Bound by the second-level cache: each entry that is not zero reads a row of w. It is faster than a product of full
matrices where about one entry in five, or fewer, is not zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def sparse_product(x: Array, w: Array) -> Array:
    """Compute ``x w``, leaving out the zeros of x.

    Parameters
    ----------
    x : ndarray, (m, p)
        float32 or float64.
    w : ndarray, (p, n)

    Returns
    -------
    ndarray, (m, n)
        Of the dtype of `x`, in which products are summed. What a zero of x meets in w, an infinity or NaN included, is
        not seen.

    Raises
    ------
    TypeError
        If the arguments are not arrays of one common float dtype.
    ValueError
        If shapes do not fit together.

    Examples
    --------
    >>> sparse_product(np.array([[0.0, 1.0]]), np.array([[np.inf, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0]]
    """
    where = "sparse_product"
    x = checks.contiguous(where, "x", x)
    checks.ndim(where, "x", x, 2, "(m, p)")
    w = checks.contiguous(where, "w", w, x.dtype)
    checks.ndim(where, "w", w, 2, "(p, n)")
    checks.shape(where, "w", w.shape, (x.shape[1], w.shape[1]), why=f"x is {x.shape}")
    return KERNEL.on(checks.one_device(where, x=x, w=w))(x, w)


@np.errstate(invalid="ignore")
def sparse_product_reference(x: Array, w: Array) -> Array:
    """Multiply, row by row, what is not zero."""
    out = np.zeros((len(x), w.shape[1]), x.dtype)
    for row, to in zip(x, out, strict=True):
        (places,) = np.nonzero(row)
        to[...] = row[places] @ w[places]
    return out


def sparse_product_native(x: Array, w: Array) -> Array:
    """C++: csrc/cpu/sparse_product.cpp."""
    out = empty((len(x), w.shape[1]), x.dtype)
    dispatch.native.sparse_product(x, w, out)
    return out


KERNEL = dispatch.register(
    "sparse_product",
    "`x w`, without what the zeros of x would add",
    "x (m, p), w (p, n) -> (m, n); summed in the dtype of x; zeros of x hide what they meet",
    sparse_product_reference,
    sparse_product_native,
)
