"""scipy.sparse: products of a constant sparse matrix with a moving array, on either side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from fwdad.dual import DEFERRED, Array, Dual
from fwdad.rules.operators import apply_operator


def along(matrix: Any, x: Array, axis: int) -> Array:
    """Multiply the vectors that lie along an axis of x, counted from the back, by a matrix (anything with ``@``)."""
    if x.shape[axis] != matrix.shape[1]:
        raise ValueError(f"a sparse matrix of shape {matrix.shape} does not fit a moving array of shape {x.shape}")

    def operator(t: np.ndarray) -> np.ndarray:
        columns = np.moveaxis(t, axis, 0)
        product = matrix @ columns.reshape(columns.shape[0], -1)
        return np.moveaxis(product.reshape(-1, *columns.shape[1:]), 0, axis)

    return apply_operator(operator, x)


def left(matrix: Any, x: Array) -> Array:
    """Return ``matrix @ x``."""
    return matrix.toarray() @ x if matrix.ndim != 2 else along(matrix.tocsr(), x, -1 if x.ndim == 1 else -2)


def right(matrix: Any, x: Array) -> Array:
    """Return ``x @ matrix``."""
    return x @ matrix.toarray() if matrix.ndim != 2 else along(matrix.T.tocsr(), x, -1)


def _teach(kind: Any, method: str, product: Callable[[Any, Array], Array]) -> None:
    """Let a method of sparse matrices meet Duals."""
    original = getattr(kind, method)

    @functools.wraps(original)
    def call(self: Any, other: Any) -> Any:
        return product(self, other) if isinstance(other, Dual) and other.ndim > 0 else original(self, other)

    setattr(kind, method, call)


for _kind in {base for name in ("csr_array", "coo_array") for base in getattr(scipy.sparse, name).__mro__}:
    for _method, _product in {"__matmul__": left, "__rmatmul__": right, "dot": left}.items():
        if _method in vars(_kind):
            _teach(_kind, _method, _product)
_teach(scipy.sparse.spmatrix, "__mul__", left)
_teach(scipy.sparse.spmatrix, "__rmul__", right)
DEFERRED.extend((scipy.sparse.sparray, scipy.sparse.spmatrix))
