"""Standardisation: values less their mean, divided by their standard deviation."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array, Dual, primitive
from fwdad.rules.forms import rule_for

Axes = tuple[int, ...]


@primitive
def standardise(x: Array, axes: Axes, eps: float) -> Array:
    """Return ``(x - mean) / sqrt(var + eps)``, with mean and variance over axes.

    ``dy_i = (dx_i - mean(dx_i) - y mean(y dx_i)) / sqrt(var + eps)``: mean and variance move with x.

    Parameters
    ----------
    x : array
    axes : tuple of int
        Counted from the back.
    eps : float

    Examples
    --------
    >>> standardise(np.array([[1.0, 3.0]]), (-1,), 0.0).tolist()
    [[-1.0, 1.0]]
    """
    return _standardised(x, axes, eps)[0]


@rule_for(standardise)
def _standardise(x: Dual, axes: Axes, eps: float) -> Dual:
    y, factor = _standardised(x.primal, axes, eps)

    def tangent(dx: Array) -> Array:
        along = np.mean(dx * y, axis=axes, keepdims=True)
        return (dx - np.mean(dx, axis=axes, keepdims=True) - y * along) * factor

    if isinstance(x.tangent, Dual):  # nested, or under a transform that may not know their number
        return Dual(y, tangent(x.tangent), x.level)
    # One tangent after the other: its intermediate results stay in the cache.
    return Dual(y, np.stack([tangent(dx) for dx in x.tangent]) if x.k else x.tangent, x.level)


def _standardised(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """Return the answer, and the factor ``1 / sqrt(var + eps)``."""
    deviation = x - np.mean(x, axis=axes, keepdims=True)
    factor = 1 / np.sqrt(np.mean(deviation * deviation, axis=axes, keepdims=True) + eps)
    return deviation * factor, factor
