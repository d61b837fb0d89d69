"""Products of matrices and vectors: bilinear, dz_i = dx_i . y + x . dy_i."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.rules.forms import align, bilinear, rule_for


def _matmul(x: Array, y: Array, side: int) -> Array:
    """x @ y where the one on `side` has a k axis in front; vectors become matrices, so that it stays in front."""
    x_ndim, y_ndim = x.ndim - (side == 0), y.ndim - (side == 1)
    if x_ndim == 1:
        x = np.expand_dims(x, -2)
    if y_ndim == 1:
        y = np.expand_dims(y, -1)
    ndim = max(x_ndim, y_ndim, 2)
    x, y = (align(x, ndim), y) if side == 0 else (x, align(y, ndim))
    product = np.matmul(x, y)
    if y_ndim == 1:
        product = product[..., 0]
    if x_ndim == 1:
        product = product[..., 0] if y_ndim == 1 else product[..., 0, :]
    return product


bilinear(np.matmul, _matmul)


@rule_for(np.dot)
def _dot(x: Array, y: Array) -> Array:
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return np.multiply(x, y)
    if np.ndim(y) <= 2:
        return np.matmul(x, y)
    return np.tensordot(x, y, (-1, -2))


@rule_for(np.inner)
def _inner(x: Array, y: Array) -> Array:
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return np.multiply(x, y)
    return np.tensordot(x, y, (-1, -1))


@rule_for(np.outer)
def _outer(x: Array, y: Array) -> Array:
    return np.multiply(np.reshape(x, (-1, 1)), np.reshape(y, (1, -1)))


@rule_for(np.vdot)
def _vdot(x: Array, y: Array) -> Array:
    return np.sum(np.multiply(np.conjugate(np.reshape(x, -1)), np.reshape(y, -1)))


@rule_for(np.tensordot)
def _tensordot(x: Array, y: Array, axes: Any = 2) -> Array:
    """As one matrix product: contracted axes to the back of x and to the front of y."""
    if isinstance(axes, int):
        axes = tuple(range(-axes, 0)), tuple(range(axes))
    over_x, over_y = (tuple(a) if isinstance(a, (tuple, list)) else (a,) for a in axes)
    over_x = tuple(a % np.ndim(x) for a in over_x)
    over_y = tuple(a % np.ndim(y) for a in over_y)
    rest_x = tuple(a for a in range(np.ndim(x)) if a not in over_x)
    rest_y = tuple(a for a in range(np.ndim(y)) if a not in over_y)
    shape = tuple(x.shape[a] for a in rest_x) + tuple(y.shape[a] for a in rest_y)
    size = int(np.prod([x.shape[a] for a in over_x], dtype=np.int64))
    left = np.reshape(np.transpose(x, rest_x + over_x), (-1, size))
    right = np.reshape(np.transpose(y, over_y + rest_y), (size, -1))
    return np.reshape(np.matmul(left, right), shape)
