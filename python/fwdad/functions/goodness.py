"""The mean square: the goodness of a layer's output in the Forward-Forward algorithm."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array, Dual, primitive
from fwdad.rules.forms import rule_for
from fwdad.tangents import is_kind


@primitive
def mean_square(x: Array) -> Array:
    """Return ``mean_j x_j^2`` along the last axis; ``dy_i = 2/n sum_j x_j dx_ij``.

    Examples
    --------
    >>> mean_square(np.array([[1.0, 3.0]])).tolist()
    [5.0]
    """
    return np.mean(x * x, axis=-1)


@rule_for(mean_square)
def _mean_square(x: Dual) -> Dual:
    factor = (2 / x.shape[-1]) * x.primal
    if is_kind(x.tangent) and type(x.primal) is np.ndarray and x.ndim == 2:
        return Dual(mean_square(x.primal), x.tangent.weighted_rows(factor), x.level)
    return Dual(mean_square(x.primal), np.sum(x.tangent * factor, axis=-1), x.level)
