"""Functions that reduce or accumulate along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.rules.forms import FLAT, composed, constant, enter, from_back, linear, reject_duals, rule_for

# fmt: off
#      function        position of the axis, its default
linear(np.sum,         axis=1, offsets=("initial",), ufunc=np.add)
linear(np.mean,        axis=1)
linear(np.cumsum,      axis=1, default=FLAT)

constant(
    np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.all, np.any, np.count_nonzero,
    np.array_equal, np.array_equiv, np.allclose, np.isclose,
)
# fmt: on


def every_axis(axis: Any, ndim: int) -> tuple[int, ...]:
    """List the reduced axes, counted from the back; NumPy lets a number have an axis 0."""
    if axis is None or (ndim == 0 and axis in (0, -1)):
        return tuple(range(-ndim, 0))
    back = from_back(axis, ndim)
    return back if isinstance(back, tuple) else (back,)


TIES = "ties split evenly"


def extremum(function: Any) -> None:
    """Enter max or min: the answer moves with its entry; ties, also with `initial`, share evenly."""

    def rule(x: Dual, axis: Any = None, out: None = None, keepdims: bool = False, **options: Any) -> Dual:
        """``dy_i = sum_j share_j dx_ij``: 1 for the winner, equal shares for those that tie, else 0."""
        reject_duals(function, (axis,), {"out": out, **options})
        axes = every_axis(axis, x.ndim)
        kept = function(x.primal, axis=axes, keepdims=True, **options)
        winners = np.equal(x.primal, kept) | (np.isnan(plain(x.primal)) & np.isnan(plain(kept)))
        if "where" in options:
            winners = winners & options["where"]
        count = np.sum(winners, axis=axes, keepdims=True)
        if "initial" in options:
            count = count + np.equal(plain(kept), options["initial"])
        weights = (winners / np.maximum(count, 1)).astype(kept.dtype)
        answer = kept if keepdims else np.squeeze(kept, axes)[()]
        # where, not a product: an infinite tangent of a loser must not become NaN
        shares = np.where(winners, x.tangent * weights, np.zeros((), kept.dtype))
        return Dual(answer, np.sum(shares, axis=axes, keepdims=keepdims), x.level)

    enter(function, rule, "differentiable", TIES)


for _function in (np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin):
    extremum(_function)


@composed(np.ptp, singular=TIES)
def _ptp(a: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return np.max(a, axis, out, keepdims=keepdims) - np.min(a, axis, out, keepdims=keepdims)


@composed(np.var)
def _var(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Array = None,
    correction: float | None = None,
) -> Array:
    """``sum |x - mean|^2 / (count - ddof)``."""
    reject_duals(np.var, (axis,), {"out": out, "where": where})
    x = a if dtype is None else np.astype(a, dtype)
    axes = every_axis(axis, x.ndim)
    if mean is None:
        mean = np.mean(x, axis=axes, keepdims=True, where=where)
    deviation = x - mean
    square = np.real(deviation * np.conjugate(deviation)) if np.iscomplexobj(deviation) else deviation * deviation
    count = np.sum(np.broadcast_to(where, x.shape), axis=axes, keepdims=keepdims)
    free = np.maximum(count - (ddof if correction is None else correction), 0)
    return np.sum(square, axis=axes, keepdims=keepdims, where=where) / free.astype(square.dtype)


@composed(np.std, singular="0 where all entries are equal")
def _std(a: Array, *args: Any, **options: Any) -> Array:
    return np.sqrt(np.var(a, *args, **options))


@rule_for(np.prod)
def _prod(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = None,
    where: Any = True,
) -> Array:
    """``dy = sum_j dx_j prod_{l != j} x_l``, by exclusive products from both ends: no division, zeros allowed."""
    reject_duals(np.prod, (axis,), {"out": out, "where": where})
    if dtype is not None:
        return np.prod(np.astype(a, dtype), axis, keepdims=keepdims, initial=initial, where=where)
    if initial is not None:
        return np.prod(a, axis, keepdims=keepdims, where=where) * initial
    x: Array = a if where is True else np.where(where, a, 1)
    axes = every_axis(axis, x.ndim)
    rest = tuple(i for i in range(-x.ndim, 0) if i not in axes)
    kept = tuple(x.shape[i] for i in rest)
    size = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    order = tuple(i % x.ndim for i in (*rest, *axes))
    rows = np.transpose(x.primal, order).reshape((*kept, size))
    tangents = np.transpose(x.tangent, (0, *(i + 1 for i in order))).reshape((x.tangent.shape[0], *kept, size))
    ones = np.ones((*kept, 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, rows], -1), -1)[..., :-1]
    after = np.flip(np.cumprod(np.concatenate([ones, np.flip(rows, -1)], -1), -1), -1)[..., 1:]
    answer = np.prod(x.primal, axis=axes, keepdims=keepdims)
    tangent = np.sum(tangents * (before * after), -1)
    return Dual(answer, tangent.reshape((x.tangent.shape[0], *answer.shape)), x.level)


@composed(np.cumprod)
def _cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """``y_j = x_j y_{j-1}``, ``dy_j = dx_j y_{j-1} + x_j dy_{j-1}``: one Dual product an entry, zeros allowed."""
    reject_duals(np.cumprod, (axis,), {"out": out})
    x = a if dtype is None else np.astype(a, dtype)
    if axis is None or x.ndim == 0:
        x, axis = np.reshape(x, -1), 0
    rows = np.moveaxis(x, axis, 0)
    if rows.shape[0] == 0:
        return x
    products = [rows[0]]
    for row in list(rows)[1:]:
        products.append(products[-1] * row)
    return np.moveaxis(np.stack(products), 0, axis)


def cumulative(function: Any, accumulate: Any, start: float) -> None:
    """Enter the Array API's form of a cumulative function, which can begin with the empty sum or product."""

    def rule(
        x: Array, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
    ) -> Array:
        if axis is None and x.ndim != 1:
            raise ValueError(f"np.{function.__name__} needs axis= for an array with {x.ndim} axes")
        axis = -1 if axis is None else from_back(axis, x.ndim)
        answer = accumulate(x, axis=axis, dtype=dtype, out=out)
        if not include_initial:
            return answer
        first = np.full(tuple(1 if i - x.ndim == axis else n for i, n in enumerate(x.shape)), start, answer.dtype)
        return np.concatenate([first, answer], axis)

    enter(function, rule, "composed")


cumulative(np.cumulative_sum, np.cumsum, 0)
cumulative(np.cumulative_prod, np.cumprod, 1)
