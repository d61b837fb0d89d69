"""Products of matrices and vectors: bilinear, dz_i = dx_i . y + x . dy_i."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, split
from fwdad.kernels import policy
from fwdad.rules.forms import align, bilinear, composed, of_dtype, rule_for


def _matmul(x: Array, y: Array, side: int) -> Array:
    """``x @ y`` where the one on `side` has a k axis in front; vectors become matrices, so that it stays in front."""
    x_ndim, y_ndim = x.ndim - (side == 0), y.ndim - (side == 1)
    if x_ndim <= 2 and y_ndim <= 2 and not policy.use_matmul(x, y):  # NumPy's own rule keeps the k axis in front
        if side == 1 and y_ndim == 1:
            return np.matmul(y, x if x_ndim == 1 else x.transpose())
        return np.matmul(x, y)
    if x_ndim == 1:
        x = np.expand_dims(x, -2)
    if y_ndim == 1:
        y = np.expand_dims(y, -1)
    ndim = max(x_ndim, y_ndim, 2)
    x, y = (align(x, ndim), y) if side == 0 else (x, align(y, ndim))
    product = kernels.matmul(x, y) if policy.use_matmul(x, y) else np.matmul(x, y)
    if y_ndim == 1:
        product = product[..., 0]
    if x_ndim == 1:
        product = product[..., 0] if y_ndim == 1 else product[..., 0, :]
    return product


bilinear(np.matmul, _matmul)


def as_array(value: Any) -> Array:
    """Make an array of a number or a list: in these functions a Python number is a float64 or an int64."""
    return value if isinstance(value, Dual) else np.asarray(value)


@composed(np.dot)
def _dot(x: Array, y: Array) -> Array:
    x, y = as_array(x), as_array(y)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    if y.ndim <= 2:
        return x @ y
    return np.tensordot(x, y, (-1, -2))


@composed(np.inner)
def _inner(x: Array, y: Array) -> Array:
    x, y = as_array(x), as_array(y)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return np.tensordot(x, y, (-1, -1))


@composed(np.outer)
def _outer(x: Array, y: Array) -> Array:
    return np.multiply(np.reshape(x, (-1, 1)), np.reshape(y, (1, -1)))


@composed(np.vdot)
def _vdot(x: Array, y: Array) -> Array:
    return np.sum(np.multiply(np.conjugate(np.reshape(x, -1)), np.reshape(y, -1)))


@rule_for(np.tensordot)
def _tensordot(x: Array, y: Array, axes: Any = 2) -> Dual:
    """Contracted axes are counted from the back, so that the k axis is not among them; that of y then goes to the front."""
    level = highest_level((x, y))
    (px, dx), (py, dy) = split(as_array(x), level), split(as_array(y), level)
    x_ndim, y_ndim = px.ndim, py.ndim
    if isinstance(axes, int):
        axes = tuple(range(x_ndim - axes, x_ndim)), tuple(range(axes))
    over_x, over_y = (a if isinstance(a, (tuple, list)) else (a,) for a in axes)
    axes = [a % x_ndim - x_ndim for a in over_x], [a % y_ndim - y_ndim for a in over_y]
    answer = np.tensordot(px, py, axes)
    tangent = None if dx is None else np.tensordot(dx, py if dy is not None else of_dtype(py, answer.dtype), axes)
    if dy is not None:
        term = np.tensordot(px if dx is not None else of_dtype(px, answer.dtype), dy, axes)
        term = np.moveaxis(term, x_ndim - len(over_x), 0)
        tangent = term if tangent is None else tangent + term
    return Dual(answer, tangent, level)


@composed(np.vecdot)
def _vecdot(x: Array, y: Array, axis: int = -1) -> Array:
    """``sum conj(x) y``."""
    x, y = np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)
    return np.matmul(np.conjugate(x)[..., np.newaxis, :], y[..., np.newaxis])[..., 0, 0][()]


@composed(np.matvec)
def _matvec(x: Array, y: Array) -> Array:
    return np.matmul(x, y[..., np.newaxis])[..., 0]


@composed(np.vecmat)
def _vecmat(x: Array, y: Array) -> Array:
    return np.matmul(np.conjugate(x)[..., np.newaxis, :], y)[..., 0, :]


@composed(np.kron)
def _kron(a: Array, b: Array) -> Array:
    """Each axis of the product has an axis of a outside and one of b inside."""
    ndim = max(np.ndim(a), np.ndim(b))
    outer = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    inner = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    product = np.reshape(a, [n for o in outer for n in (o, 1)]) * np.reshape(b, [n for i in inner for n in (1, i)])
    return np.reshape(product, [o * i for o, i in zip(outer, inner, strict=True)])


@composed(np.cross)
def _cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, 0), np.moveaxis(b, axisb, 0)
    if a.shape[0] != 3 or b.shape[0] != 3:
        raise ValueError(f"np.cross on a Dual takes vectors of three entries, got {a.shape[0]} and {b.shape[0]}")
    components = [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]
    return np.moveaxis(np.stack(components), 0, axisc)


@composed(np.convolve)
def _convolve(a: Array, v: Array, mode: Any = "full") -> Array:
    """Each entry is a window of the longer one times the reversed shorter one."""
    a, v = (v, a) if np.size(v) > np.size(a) else (a, v)
    m = np.size(v)
    if m == 0:
        raise ValueError("np.convolve: an argument is empty")
    before, after = {"full": (m - 1, m - 1), "same": (m - 1 - (m - 1) // 2, (m - 1) // 2), "valid": (0, 0)}[mode]
    windows = sliding_window_view(np.pad(np.reshape(a, -1), (before, after)), m)
    return np.matmul(windows, np.flip(np.reshape(v, -1)))


@composed(np.correlate)
def _correlate(a: Array, v: Array, mode: Any = "valid") -> Array:
    """Convolution with the reversed conjugate."""
    return np.convolve(a, np.conjugate(np.flip(np.reshape(v, -1))), mode)
