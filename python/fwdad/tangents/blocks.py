"""Block directions: each moves a group of neighbouring units, by another amount in each example."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fwdad.tangents.duck import DuckTangent, Tangent, rows_of


class BlocksTangent(DuckTangent, name="blocks"):
    """k directions of arrays (..., n), whose columns are cut into k blocks: direction i moves block i by the values.

    No two directions move the same column, so that all k together are stored as one array, and ``t @ w`` costs as much
    as one product: `DiagonalTangent` is the case of k = n.

    Parameters
    ----------
    values : (..., n)
    k : int
        The number of blocks, at most n, whose sizes differ by at most one.

    Examples
    --------
    >>> t = BlocksTangent(np.array([[1.0, -1.0, 1.0]]), k=2)
    >>> t.dense().tolist()
    [[[1.0, 0.0, 0.0]], [[0.0, -1.0, 1.0]]]
    >>> (t @ np.array([[1.0], [10.0], [100.0]])).tolist()
    [[[1.0]], [[90.0]]]
    """

    def __init__(self, values: np.ndarray, k: int) -> None:
        self.values = values
        self.dtype = values.dtype
        self.shape = (k, *values.shape)
        self.ends = _ends(values.shape[-1], k)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random values, and no more directions than there are columns; None for a scalar."""
        if not primal_shape:
            return None
        values = np.random.default_rng(seed).standard_normal(primal_shape).astype(dtype)
        return cls(values, min(k, primal_shape[-1]))

    @property
    def owner(self) -> np.ndarray:
        """The direction that moves each column, (n,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, ..., n)."""
        out = np.zeros(self.shape, self.dtype)
        out[self.owner, ..., np.arange(self.shape[-1])] = np.moveaxis(self.values, -1, 0)
        return out

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return the squared lengths on the diagonal."""
        squares = self._sums(np.square(self.values, dtype=np.float64))
        if per_row:
            return np.asarray(squares[:, :, None] * np.eye(len(self)))
        return np.asarray(np.diag(squares.reshape(-1, len(self)).sum(axis=0)))

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return the values, each times its direction's c."""
        return np.asarray(c[..., self.owner] * self.values.astype(np.float64)).astype(self.dtype)

    def combine_each(self, c: np.ndarray) -> np.ndarray:
        """Return the values, each times its direction's c, for each row of c."""
        factor = c[:, self.owner].reshape(len(c), *(1,) * (self.values.ndim - 1), -1)
        return np.asarray(factor * self.values.astype(np.float64)).astype(self.dtype)

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return the sums of g times the values, over each block and the examples."""
        along: np.ndarray = self._sums(g.astype(np.float64) * self.values).reshape(-1, len(self)).sum(axis=0)
        return along

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return the sums of w (B, n) times the values over each block, (k, B)."""
        along: np.ndarray = self._sums(w * self.values).T
        return along

    def _sums(self, products: np.ndarray) -> np.ndarray:
        """Return the sum over each block, (..., k)."""
        return np.asarray(np.add.reduceat(products, self.ends[:-1], axis=-1))

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        return (
            super().__getitem__(index) if rows is None or self.ndim < 3 else BlocksTangent(self.values[rows], len(self))
        )

    def reshape(self, *shape: Any) -> Any:
        """Return the directions of the reshaped primal, where the last axis stays."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if len(new) > 1 and (new[0], new[-1]) == (self.shape[0], self.shape[-1]) and -1 not in new:
            return BlocksTangent(self.values.reshape(new[1:]), len(self))
        return super().reshape(*shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under a product with one number a unit; multiply blocks by blocks of a matrix's rows."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.dtype in (self.dtype, bool):
                if ufunc is np.multiply and other.shape == self.shape[1:]:
                    return BlocksTangent(self.values * other, len(self))
                fits = ufunc is np.matmul and inputs[0] is self and other.ndim == 2 and len(other) == self.shape[-1]
                if fits and self.ndim == 3 and other.dtype == self.dtype:
                    out = np.empty((len(self), self.shape[1], other.shape[1]), self.dtype)
                    for product, start, stop in zip(out, self.ends[:-1], self.ends[1:], strict=True):
                        np.matmul(self.values[:, start:stop], other[start:stop], out=product)
                    return out
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """As `__array_ufunc__`."""
        if function is np.broadcast_to and not kwargs and len(args[1]) == self.ndim:
            k, *shape = args[1]
            if (k, shape[-1]) == (self.shape[0], self.shape[-1]):
                return BlocksTangent(np.broadcast_to(self.values, shape), k)
        if function is np.any and len(args) == 1 and kwargs == {"axis": 0}:
            return self.values != 0
        return super().__array_function__(function, types, args, kwargs)


@functools.cache
def _ends(n: int, k: int) -> np.ndarray:
    """Return where blocks begin, and n."""
    return np.arange(k + 1) * n // max(k, 1)
