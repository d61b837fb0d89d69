"""Functions that reduce or accumulate along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import RULES, Array, Dual
from fwdad.rules.forms import FLAT, constant, from_back, linear, reject_duals, rule_for

# fmt: off
#      function        position of the axis, its default
linear(np.sum,         axis=1, offsets=("initial",))
linear(np.mean,        axis=1)
linear(np.cumsum,      axis=1, default=FLAT)

constant(np.argmax, np.argmin, np.argsort, np.all, np.any, np.count_nonzero, np.array_equal, np.allclose, np.isclose)
# fmt: on


def every_axis(axis: Any, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the back."""
    if axis is None:
        return tuple(range(-ndim, 0))
    back = from_back(axis, ndim)
    return back if isinstance(back, tuple) else (back,)


def extremum(function: Any) -> None:
    """Enter max or min: the tangent of the winning entry; ties share evenly."""

    def rule(x: Dual, axis: Any = None, **options: Any) -> Dual:
        reject_duals(function, (axis,), options)
        if unknown := set(options) - {"keepdims"}:
            raise TypeError(
                f"np.{function.__name__} on a Dual takes axis and keepdims only, got {', '.join(sorted(unknown))}"
            )
        axes = every_axis(axis, x.ndim)
        kept = function(x.primal, axis=axes, keepdims=True)
        winners = np.equal(x.primal, kept)
        weights = (winners / np.sum(winners, axis=axes, keepdims=True)).astype(x.dtype)
        keepdims = options.get("keepdims", False)
        answer = kept if keepdims else np.squeeze(kept, axes)
        # where, not a product: an infinite tangent of a loser must not become NaN
        shares = np.where(winners, x.tangent * weights, np.zeros((), x.dtype))
        return Dual(answer, np.sum(shares, axis=axes, keepdims=keepdims), x.level)

    RULES[function] = rule


extremum(np.max)
extremum(np.min)


@rule_for(np.var)
def _var(x: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    axes = every_axis(axis, x.ndim)
    count = 1
    for a in axes:
        count *= x.shape[a]
    deviation = x - np.mean(x, axis=axes, keepdims=True)
    return np.sum(deviation * deviation, axis=axes, keepdims=keepdims) / (count - ddof)


@rule_for(np.std)
def _std(x: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    return np.sqrt(np.var(x, axis=axis, ddof=ddof, keepdims=keepdims))


@rule_for(np.prod)
def _prod(x: Dual, axis: Any = None, *, keepdims: bool = False) -> Dual:
    """dy = sum_j dx_j prod_{l != j} x_l, by exclusive products from both ends: no division, zeros allowed."""
    axes = every_axis(axis, x.ndim)
    rest = tuple(a for a in range(-x.ndim, 0) if a not in axes)
    kept = tuple(x.shape[a] for a in rest)
    order = tuple(a % x.ndim for a in (*rest, *axes))
    rows = np.transpose(x.primal, order).reshape((*kept, -1))
    tangents = np.transpose(x.tangent, (0, *(a + 1 for a in order))).reshape((x.k, *kept, -1))
    ones = np.ones((*kept, 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, rows], -1), -1)[..., :-1]
    after = np.flip(np.cumprod(np.concatenate([ones, np.flip(rows, -1)], -1), -1), -1)[..., 1:]
    answer = np.prod(x.primal, axis=axes, keepdims=keepdims)
    tangent = np.sum(tangents * (before * after), -1)
    return Dual(answer, tangent.reshape((x.k, *answer.shape)), x.level)


@rule_for(np.cumprod)
def _cumprod(x: Array, axis: int | None = None) -> Array:
    """y_j = x_j y_{j-1}, and so dy_j = dx_j y_{j-1} + x_j dy_{j-1}: one Dual product an entry, zeros allowed."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    rows = np.moveaxis(x, axis, 0)
    if rows.shape[0] == 0:
        return x
    products = [rows[0]]
    for row in list(rows)[1:]:
        products.append(products[-1] * row)
    return np.moveaxis(np.stack(products), 0, axis)
