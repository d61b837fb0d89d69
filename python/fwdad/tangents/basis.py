"""Basis directions: each moves one coordinate, and so is one integer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.tangents.columns import ColumnTangent
from fwdad.tangents.duck import DuckTangent, Tangent


class BasisTangent(DuckTangent, name="basis"):
    """k directions of one parameter, each a unit vector of it or zero: direction i is e_j with ``j = index[i]``.

    ``x @ t`` picks columns of x, and ``t @ x`` rows where t moves a vector; `gram` costs k^2, `combine` k operations.
    Unit vectors (1, n) times a matrix (B, n), as in a bias before an activation, are a `ColumnTangent`.

    Parameters
    ----------
    index : (k,) integers
        Positions in the flattened parameter; -1 for a direction that moves another parameter.
    primal_shape, dtype
        The parameter's.

    Raises
    ------
    ValueError
        For an index out of range.

    Examples
    --------
    >>> t = BasisTangent(np.array([3, -1]), (2, 2), np.float64)
    >>> t.dense()[0].tolist(), t.gram().tolist(), t.combine(np.array([5.0, 7.0])).tolist()
    ([[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 5.0]])
    """

    def __init__(self, index: np.ndarray, primal_shape: tuple[int, ...], dtype: Any) -> None:
        self.index = np.asarray(index, np.int64)
        self.primal_shape = tuple(primal_shape)
        self.dtype = np.dtype(dtype)
        self.shape = (len(self.index), *self.primal_shape)
        size = int(np.prod(self.primal_shape, dtype=np.int64))
        if self.index.ndim != 1 or np.any(self.index < -1) or np.any(self.index >= size):
            raise ValueError(f"index: expected (k,) integers from -1 to {size - 1}, given {index!r}")

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent:
        """Return k random unit vectors, one of them zero where there are several."""
        size = int(np.prod(primal_shape, dtype=np.int64))
        index = np.random.default_rng(seed).integers(0, size, k) if size else np.full(k, -1)
        index[1:2] = -1
        return cls(index, primal_shape, dtype)

    def dense(self) -> np.ndarray:
        """Return the unit vectors as an array (k, *primal_shape)."""
        out = np.zeros(self.shape, self.dtype)
        (moving,) = np.nonzero(self.index >= 0)
        out.reshape(len(self.index), -1)[moving, self.index[moving]] = 1
        return out

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return (k, k) float64: 1 where two directions are the same coordinate."""
        if per_row:
            return super().gram(per_row, exact)
        return np.asarray((self.index[:, None] == self.index) & (self.index >= 0), np.float64)

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return ``sum_i c_i v_i``: summed in float64, rounded once."""
        if c.ndim != 1:
            return super().combine(c)
        out = np.zeros(int(np.prod(self.primal_shape, dtype=np.int64)))
        moving = self.index >= 0
        np.add.at(out, self.index[moving], c[moving])
        return out.astype(self.dtype).reshape(self.primal_shape)

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return the entries of g that the directions move."""
        out = np.zeros(len(self.index))
        moving = self.index >= 0
        out[moving] = g.reshape(-1)[self.index[moving]]
        return out

    def reshape(self, *shape: Any) -> Any:
        """Return the same unit vectors of the reshaped parameter, where the k axis stays."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if new[:1] == self.shape[:1] and np.prod(new, dtype=np.int64) == self.size:
            return BasisTangent(self.index, new[1:], self.dtype)
        return super().reshape(*shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Pick columns for ``x @ t``, and make columns of ``t * x``."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            x = inputs[0] if inputs[1] is self else inputs[1]
            if type(x) is np.ndarray and x.ndim == 2:
                if ufunc is np.matmul and inputs[0] is self and self.primal_shape == x.shape[:1]:
                    return np.where(self.index[:, np.newaxis] < 0, np.zeros((), x.dtype), x[self.index])
                if ufunc is np.matmul and inputs[1] is self and len(self.primal_shape) == 2:
                    return self._left_product(x)
                if ufunc is np.multiply and self.primal_shape == (1, x.shape[1]) and np.all(self.index >= 0):
                    values = np.ascontiguousarray(x.T[self.index], np.result_type(x.dtype, self.dtype))
                    return ColumnTangent(self.index, values, x.shape[1])
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def _left_product(self, x: np.ndarray) -> np.ndarray:
        """Return x @ t: for e_(row, column) it has one column that is not zero, column `row` of x."""
        if x.shape[1] != self.primal_shape[0]:
            raise ValueError(f"matmul: shapes {x.shape} and {self.shape} do not fit")
        out = np.zeros((len(self.index), x.shape[0], self.primal_shape[1]), np.result_type(x.dtype, self.dtype))
        (moving,) = np.nonzero(self.index >= 0)
        rows, columns = np.divmod(self.index[moving], self.primal_shape[1])
        out[moving, :, columns] = x.T[rows]
        return out
