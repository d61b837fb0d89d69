"""Scaled rows: what the directions of all units of a layer are behind the next layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.duck import DuckTangent, Tangent, rows_of

THIN = 64
"""Products with a matrix of at most so many columns stay products until a loss asks for them."""


class ScaledRowsTangent(DuckTangent, name="scaled-rows"):
    """k directions of a matrix (B, m): ``t[i, b, :] = values[b, i] w[i, :] scale[b, :]``.

    A direction that moves unit i of a layer moves the next layer by row i of its weights times the slope of the unit,
    and what comes behind its activation by that times the slopes there. B k + k m + B m numbers stand for k B m.

    ``t @ v`` for v (m, c) with few columns is a `ThinTangent`.

    Parameters
    ----------
    values : (B, k)
    w : (k, m)
    scale : (B, m), optional
        1 by default.

    Examples
    --------
    >>> t = ScaledRowsTangent(np.array([[2.0], [3.0]]), np.array([[5.0, 7.0]]))
    >>> t.dense().tolist()
    [[[10.0, 14.0], [15.0, 21.0]]]
    """

    def __init__(self, values: np.ndarray, w: np.ndarray, scale: np.ndarray | None = None) -> None:
        self.values = values
        self.w = w
        self.scale = scale
        self.shape = (values.shape[1], values.shape[0], w.shape[1])
        self.dtype = np.result_type(values.dtype, w.dtype)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for anything but a matrix."""
        if len(primal_shape) != 2:
            return None
        random, (rows, m) = np.random.default_rng(seed), primal_shape
        return cls(*(random.standard_normal(shape).astype(dtype) for shape in ((rows, k), (k, m), (rows, m))))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B, m)."""
        out: np.ndarray = self.values.T[:, :, None] * self.w[:, None, :]
        return out if self.scale is None else out * self.scale

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return how a loss whose derivatives are w (B, m) moves along each row, (k, B)."""
        along: np.ndarray = self.w @ (w if self.scale is None else w * self.scale).T
        out: np.ndarray = along * self.values.T
        return out

    def _times(self, v: np.ndarray) -> Tangent:
        """Return the directions times v; of a wide v as an array, by products of the columns that move."""
        assert self.scale is not None
        if v.shape[1] <= THIN:
            return ThinTangent(self.values, self.w, self.scale, v)
        out = np.empty((self.shape[0], self.shape[1], v.shape[1]), self.dtype)
        for b, (value, scale) in enumerate(zip(self.values, self.scale, strict=True)):
            on = np.flatnonzero(scale)
            out[:, b] = value[:, np.newaxis] * (self.w[:, on] @ (scale[on, np.newaxis] * v[on]))
        return out

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        if rows is None:
            return super().__getitem__(index)
        return ScaledRowsTangent(self.values[rows], self.w, None if self.scale is None else self.scale[rows])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.dtype == self.dtype:
                if ufunc is np.multiply and other.shape == self.shape[1:]:
                    scale = other if self.scale is None else self.scale * other
                    return ScaledRowsTangent(self.values, self.w, scale)
                fits = ufunc is np.matmul and inputs[0] is self and other.ndim == 2 and len(other) == self.shape[2]
                if fits and self.scale is not None:
                    return self._times(other)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)


class ThinTangent(DuckTangent, name="thin"):
    """k directions of a matrix (B, c): scaled rows times a matrix v of few columns, not multiplied yet.

    ``t[i, b, :] = values[b, i] (w[i, :] scale[b, :]) v``. A loss that asks for `weighted_rows` gets them from the same
    kernel, `fwdad.kernels.unit_jvp_thin`: 2 k B m c operations, and nothing of size k B c.

    Parameters
    ----------
    values : (B, k)
    w : (k, m)
    scale : (B, m)
    v : (m, c)
    """

    def __init__(self, values: np.ndarray, w: np.ndarray, scale: np.ndarray, v: np.ndarray) -> None:
        self.factors = w, values, scale, v
        self.shape = (values.shape[1], values.shape[0], v.shape[1])
        self.dtype = w.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for anything but a matrix."""
        if len(primal_shape) != 2:
            return None
        random, (rows, c) = np.random.default_rng(seed), primal_shape
        return cls(*(random.standard_normal(s).astype(dtype) for s in ((rows, k), (k, 3), (rows, 3), (3, c))))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B, c)."""
        return kernels.unit_jvp_thin(*self.factors, None).transpose(1, 0, 2)

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return how a loss whose derivatives are w (B, c) moves along each direction, (k, B)."""
        return kernels.unit_jvp_thin(*self.factors, w).T

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        if rows is None:
            return super().__getitem__(index)
        w, values, scale, v = self.factors
        return ThinTangent(values[rows], w, scale[rows], v)
