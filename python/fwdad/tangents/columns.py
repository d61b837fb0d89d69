"""Column directions: each moves one column of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.tangents.duck import DuckTangent, Tangent


class ColumnTangent(DuckTangent, name="columns"):
    """k directions of a matrix (B, n): direction i moves column ``index[i]`` by ``values[i]``, and nothing else.

    A unit vector that all rows of a batch share is such a direction behind an elementwise function. k B numbers are
    stored; ``t @ w`` picks rows of w, k B m operations for w (n, m) instead of n times as many.

    Parameters
    ----------
    index : (k,) integers
        The columns.
    values : (k, B)
        How far each row of the column moves.
    columns : int
        n.

    Raises
    ------
    ValueError
        For an index out of range or shapes that do not fit.

    Examples
    --------
    >>> t = ColumnTangent(np.array([1]), np.array([[3.0, 4.0]]), 2)
    >>> t.dense().tolist()
    [[[0.0, 3.0], [0.0, 4.0]]]
    >>> (t @ np.array([[1.0], [10.0]])).tolist()
    [[[30.0], [40.0]]]
    """

    def __init__(self, index: np.ndarray, values: np.ndarray, columns: int) -> None:
        if index.shape != values.shape[:1] or values.ndim != 2:
            raise ValueError(f"expected index (k,) and values (k, B), given {index.shape} and {values.shape}")
        if np.any(index < 0) or np.any(index >= columns):
            raise ValueError(f"index: expected columns from 0 to {columns - 1}, given {index!r}")
        self.index = index
        self.values = values
        self.dtype = values.dtype
        self.shape = (*values.shape, columns)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return k random columns with normal values; None for anything but a matrix."""
        if len(primal_shape) != 2 or primal_shape[1] == 0:
            return None
        random = np.random.default_rng(seed)
        values = random.standard_normal((k, primal_shape[0])).astype(dtype)
        return cls(random.integers(0, primal_shape[1], k), values, primal_shape[1])

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B, n)."""
        out = np.zeros(self.shape, self.dtype)
        out[np.arange(len(self.index)), :, self.index] = self.values
        return out

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Pick rows for ``t @ w``."""
        if ufunc is np.matmul and method == "__call__" and not kwargs:
            t, w = inputs
            if t is self and type(w) is np.ndarray and w.ndim == 2 and w.shape[0] == self.shape[2]:
                return self.values[:, :, None] * w[self.index][:, None, :]
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Find which entries move without making an array of the directions."""
        if function is np.any and args == (self,) and kwargs == {"axis": 0}:
            moved = np.zeros(self.shape[:0:-1], bool)  # (n, B)
            np.logical_or.at(moved, self.index, self.values != 0)
            return moved.T
        return super().__array_function__(function, types, args, kwargs)
