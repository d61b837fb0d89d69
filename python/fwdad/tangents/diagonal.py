"""Diagonal directions: each moves one unit of its own, by another amount in each example."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad.tangents.duck import DuckTangent, Tangent, rows_of
from fwdad.tangents.images import SelectedTangent
from fwdad.tangents.scaled_rows import ScaledRowsTangent


class DiagonalTangent(DuckTangent, name="diagonal"):
    """n directions of a matrix (B, n), or of a vector (n,): direction i moves column i by ``values[..., i]``.

    All units of a layer together, each a direction of its own: ones for a bias, the slopes behind an activation. Only
    the diagonal is stored. ``t @ w`` are the rows of w, scaled: `ScaledRowsTangent`.

    Parameters
    ----------
    values : (B, n) or (n,)

    Examples
    --------
    >>> DiagonalTangent(np.array([2.0, 3.0])).dense().tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    >>> (DiagonalTangent(np.array([[2.0, 3.0]])) @ np.array([[1.0, 1.0], [5.0, 7.0]])).dense().tolist()
    [[[2.0, 2.0]], [[15.0, 21.0]]]
    """

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.dtype = values.dtype
        self.shape = (values.shape[-1], *values.shape)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random values, as many directions as there are columns; None for anything but a vector or matrix."""
        if not 1 <= len(primal_shape) <= 2:
            return None
        return cls(np.random.default_rng(seed).standard_normal(primal_shape).astype(dtype))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (n, ..., n)."""
        out = np.zeros(self.shape, self.dtype)
        every = np.arange(self.shape[0])
        out[every, ..., every] = np.moveaxis(self.values, -1, 0)
        return out

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return the squared values on the diagonal."""
        squares = np.square(self.values, dtype=np.float64)
        if per_row:
            return np.asarray(squares[:, :, None] * np.eye(self.shape[0]))
        return np.asarray(np.diag(squares.reshape(-1, self.shape[0]).sum(axis=0)))

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return c times the values."""
        return np.asarray(c * self.values.astype(np.float64)).astype(self.dtype)

    def combine_each(self, c: np.ndarray) -> np.ndarray:
        """Return c (B, n) times the values."""
        factor = c if self.values.ndim == 1 else c[:, None]
        out = np.empty(np.broadcast_shapes(factor.shape, self.values.shape), self.dtype)
        np.multiply(factor, self.values, out=out, casting="same_kind")  # in float64, rounded once
        return out

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return the sums of g times the values, over the examples."""
        products = g.astype(np.float64) * self.values
        return np.asarray(products.reshape(-1, self.shape[0]).sum(axis=0))

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return w (B, n) times the values, (n, B)."""
        product: np.ndarray = (w * self.values).T
        return product

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        return super().__getitem__(index) if rows is None or self.ndim < 3 else DiagonalTangent(self.values[rows])

    def reshape(self, *shape: Any) -> Any:
        """Return the same directions of a vector as those of a row, or of an image, whose entries they move."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        k = self.shape[0]
        if self.values.ndim == 1 and len(new) > 3 and new[:2] == (k, 1) and math.prod(new[2:]) == k:
            return SelectedTangent(np.arange(k).reshape(new[1:]), self.values.reshape(new[1:]), k, 1)
        if len(new) == 3 and new == (self.shape[0], self.values.size // max(1, self.shape[0]), self.shape[0]):
            return DiagonalTangent(self.values.reshape(new[1:]))
        return super().reshape(*shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.ndim == 2 and other.dtype == self.dtype:
                if ufunc is np.multiply and other.shape[1] == self.shape[0] and self.shape[1] in (1, len(other)):
                    return DiagonalTangent(self.values * other)
                if ufunc is np.matmul and inputs[0] is self and self.ndim == 3 and len(other) == self.shape[0]:
                    return ScaledRowsTangent(self.values, other)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """As `__array_ufunc__`."""
        if (
            function is np.broadcast_to
            and not kwargs
            and len(args[1]) == 3 == self.ndim
            and args[1][0] == self.shape[0]
        ):
            return DiagonalTangent(np.broadcast_to(self.values, args[1][1:]))
        return super().__array_function__(function, types, args, kwargs)
