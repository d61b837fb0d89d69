"""Low-rank directions: each is a sum of outer products, and never multiplied out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.duck import DuckTangent, Tangent


class LowRankTangent(DuckTangent, name="low-rank"):
    """k directions of a parameter of two axes or more, as matrices (K, N): ``t_i = a_i b_i^T``.

    ``x @ t_i = (x a_i) b_i^T`` costs (K + N) operations a row instead of K N. The Gram matrix is the entrywise product
    of the small ones of a and of b (for rank 1), and ``sum_i c_i t_i`` is one product of rank k.

    Parameters
    ----------
    a : (k, K, rank)
    b : (k, rank, N)
    primal_shape : tuple of int
        The parameter's shape: N is its last axis, K all others.

    Examples
    --------
    >>> t = LowRankTangent(np.array([[[1.0], [2.0]]]), np.array([[[3.0, 5.0]]]), (2, 2))
    >>> t.dense().tolist(), t.gram().tolist()
    ([[[3.0, 5.0], [6.0, 10.0]]], [[170.0]])
    """

    def __init__(self, a: np.ndarray, b: np.ndarray, primal_shape: tuple[int, ...]) -> None:
        self.a, self.b = a, b
        self.primal_shape = tuple(primal_shape)
        self.shape = (len(a), *self.primal_shape)
        self.dtype = a.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return normal factors of rank 2; None for a vector or a number."""
        if len(primal_shape) < 2:
            return None
        random, (rows, columns) = np.random.default_rng(seed), (math.prod(primal_shape[:-1]), primal_shape[-1])
        a, b = (random.standard_normal(shape).astype(dtype) for shape in ((k, rows, 2), (k, 2, columns)))
        return cls(a, b, primal_shape)

    def dense(self) -> np.ndarray:
        """Return the products as an array (k, *primal_shape)."""
        return np.asarray(np.matmul(self.a, self.b)).reshape(self.shape)

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return ``G_ij = sum_rs <a_ir, a_js> <b_ir, b_js>``."""
        if per_row:
            return super().gram(per_row, exact)
        k, _, rank = self.a.shape
        a = self.a.transpose(0, 2, 1).reshape(k * rank, -1)
        g = (kernels.gram(a) * kernels.gram(self.b.reshape(k * rank, -1))).reshape(k, rank, k, rank)
        return np.asarray(g.sum(axis=(1, 3)))

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return ``sum_i c_i a_i b_i^T``, one product of rank k."""
        if c.ndim != 1:
            return super().combine(c)
        k, rows, rank = self.a.shape
        a = (self.a * c[:, None, None]).transpose(1, 0, 2).reshape(rows, k * rank).astype(self.dtype, copy=False)
        return np.asarray(a @ self.b.reshape(k * rank, -1)).reshape(self.primal_shape)

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return ``<a_i b_i^T, g>``."""
        along = np.matmul(g.reshape(self.a.shape[1], self.b.shape[2]), self.b.transpose(0, 2, 1))
        return np.asarray(np.sum(self.a * along, axis=(1, 2), dtype=np.float64))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if ufunc is np.matmul and method == "__call__" and not kwargs and inputs[1] is self and self.ndim == 3:
            x = inputs[0]
            if type(x) is np.ndarray and x.ndim == 2:
                return np.matmul(np.matmul(x, self.a), self.b)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
