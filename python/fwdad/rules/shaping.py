"""Functions that move, regroup, join or pick entries: all linear, most of them in one word."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import RULES, Array, Dual, highest_level, plain, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import REQUIRED, align, constant, from_back, linear, reject_duals, reshaping, rule_for, spread

# fmt: off
#      function        position of the axis, its default        what the axes are called
linear(np.flip,        axis=1)
linear(np.moveaxis,    axis=1, default=REQUIRED,                names=("source", "destination"))
linear(np.swapaxes,    axis=1, default=REQUIRED,                names=("axis1", "axis2"))
linear(np.tril)
linear(np.triu)

for _function in (np.reshape, np.ravel, np.expand_dims, np.squeeze, np.atleast_1d):
    reshaping(_function)

constant(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.result_type)
# fmt: on


@rule_for(np.full_like)
def _full_like(a: Array, fill_value: Array, dtype: Any = None, **options: Any) -> Array:
    """A shape does not move; the value may."""
    shape, dtype = options.pop("shape", None) or np.shape(plain(a)), plain(a).dtype if dtype is None else dtype
    if type(fill_value) is not Dual:
        return np.full_like(plain(a), fill_value, dtype=dtype, shape=shape, **options)
    filled = np.multiply(fill_value, np.ones(shape, dtype))
    return filled if filled.dtype == dtype else filled.astype(dtype)


@rule_for(np.roll)
def _roll(x: Dual, shift: Any, axis: Any = None) -> Dual:
    answer = np.roll(x.primal, shift, axis)
    if axis is None:
        k = x.tangent.shape[0]
        return Dual(answer, np.roll(x.tangent.reshape(k, -1), shift, -1).reshape(x.tangent.shape), x.level)
    return Dual(answer, np.roll(x.tangent, shift, from_back(axis, x.ndim)), x.level)


@rule_for(np.transpose, np.permute_dims)
def _transpose(x: Dual, axes: Sequence[int] | None = None) -> Dual:
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(a % x.ndim for a in axes)
    return Dual(np.transpose(x.primal, axes), np.transpose(x.tangent, (0, *(a + 1 for a in order))), x.level)


@rule_for(np.matrix_transpose)
def _matrix_transpose(x: Dual) -> Dual:
    return Dual(np.matrix_transpose(x.primal), np.matrix_transpose(x.tangent), x.level)


@rule_for(np.broadcast_to)
def _broadcast_to(x: Dual, shape: int | tuple[int, ...], subok: bool = False) -> Dual:
    answer = np.broadcast_to(x.primal, shape)
    return Dual(answer, spread(x.tangent, answer.shape), x.level)


def joining(function: Any) -> None:
    """Enter concatenate or stack: what does not move joins with a tangent of zeros."""

    def rule(arrays: Sequence[Array], axis: int | None = 0, **options: Any) -> Dual:
        reject_duals(function, (), options)
        level = highest_level(arrays)
        parts = [split(array, level) for array in arrays]
        answer = function([primal for primal, _ in parts], axis, **options)
        k = next(tangent.shape[0] for _, tangent in parts if tangent is not None)
        tangents = [
            tangent if tangent is not None else np.zeros((k, *np.shape(primal)), answer.dtype)
            for primal, tangent in parts
        ]
        if axis is None:
            tangents, axis = [t.reshape(k, -1) for t in tangents], -1
        return Dual(answer, function(tangents, from_back(axis, answer.ndim), **options), level)

    RULES[function] = rule


joining(np.concatenate)
joining(np.stack)


@rule_for(np.where)
def _where(condition: Array, x: Array, y: Array) -> Array:
    """Selects tangents as it selects values: a NaN in the branch not taken stays there."""
    condition = plain(condition)
    level = highest_level((x, y))
    if level == 0:  # only the condition was a Dual
        return np.where(condition, x, y)
    (px, tx), (py, ty) = split(x, level), split(y, level)
    answer = np.where(condition, px, py)
    zero = np.zeros((), answer.dtype)
    tx = zero if tx is None else align(tx, answer.ndim)
    ty = zero if ty is None else align(ty, answer.ndim)
    return Dual(answer, spread(np.where(condition, tx, ty), answer.shape), level)


@rule_for(np.clip)
def _clip(x: Array, low: Array = None, high: Array = None, **options: Any) -> Array:
    """Composed of maximum and minimum, whose ties split evenly; JAX does so too."""
    if options:
        raise LostDerivativeError(f"np.clip on a Dual takes no {', '.join(options)}=; use np.minimum and np.maximum")
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@rule_for(operator.getitem)
def _getitem(x: Dual, index: Any) -> Dual:
    """x[index], for basic, advanced and boolean indices alike.

    Index the tangents with the k axis moved to the back: no index reaches it there, and NumPy's rule
    for where the axes of advanced indices go holds unchanged. Basic indices need no move.
    """
    items = index if isinstance(index, tuple) else (index,)
    if any(type(item) is Dual for item in items):
        raise LostDerivativeError(
            "an index cannot be a Dual; a comparison of Duals gives a plain boolean array, which can"
        )
    answer = x.primal[index]
    if all(item is None or item is Ellipsis or isinstance(item, (int, np.integer, slice)) for item in items):
        return Dual(answer, x.tangent[(slice(None), *items)], x.level)
    if not any(item is Ellipsis for item in items):
        items = (*items, Ellipsis)
    at_back = np.moveaxis(x.tangent, 0, -1)[(*items, slice(None))]
    return Dual(answer, np.moveaxis(at_back, -1, 0), x.level)


@rule_for(np.take_along_axis)
def _take_along_axis(x: Dual, indices: Array, axis: int | None = -1) -> Dual:
    reject_duals(np.take_along_axis, (indices,), {})
    answer = np.take_along_axis(x.primal, indices, axis)
    tangent = x.tangent.reshape(x.tangent.shape[0], -1) if axis is None else x.tangent
    axis = -1 if axis is None else from_back(axis, x.ndim)
    return Dual(answer, np.take_along_axis(tangent, indices[np.newaxis], axis), x.level)


@rule_for(np.take)
def _take(x: Dual, indices: Array, axis: int | None = None, **options: Any) -> Dual:
    reject_duals(np.take, (indices,), options)
    answer = np.take(x.primal, indices, axis, **options)
    tangent = x.tangent.reshape(x.tangent.shape[0], -1) if axis is None else x.tangent
    return Dual(answer, np.take(tangent, indices, -1 if axis is None else from_back(axis, x.ndim), **options), x.level)
