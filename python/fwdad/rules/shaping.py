"""Functions that move, regroup, join or pick entries, all linear: reshape, transpose, concatenate, where, pad, x[i], ..."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fwdad.dual import Array, Dual, highest_level, memory, plain, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.creation import holds_duals, joined
from fwdad.rules.forms import (
    REQUIRED,
    align,
    broadcast_tangent,
    composed,
    constant,
    enter,
    flat,
    from_back,
    linear,
    moves,
    of_dtype,
    reject_duals,
    reshaping,
    rule_for,
    zeros,
)
from fwdad.rules.replacing import Wide, put

# fmt: off
#      function        position of the axis, its default        what the axes are called
linear(np.flip,        axis=1)
linear(np.moveaxis,    axis=1, default=REQUIRED,                names=("source", "destination"))
linear(np.swapaxes,    axis=1, default=REQUIRED,                names=("axis1", "axis2"))
linear(np.copy)
linear(np.tril)
linear(np.triu)

for _function in (np.expand_dims, np.squeeze):
    reshaping(_function)

constant(np.shape, np.ndim, np.size, np.result_type)
constant(
    np.iscomplexobj, np.isrealobj, np.common_type, np.min_scalar_type, np.can_cast, np.may_share_memory, np.shares_memory,
    np.array_repr, np.array_str, np.array2string, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
)
# fmt: on


@rule_for(np.reshape, kind="linear")
def _reshape(a: Array, /, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Array:
    """Regroup the entries, in C order; in Fortran's that is the transposed array's in C order, transposed."""
    if order == "F" or (order == "A" and memory(a).flags.fnc):
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        return np.transpose(np.reshape(np.transpose(a), sizes[::-1], copy=copy))
    primal = np.reshape(a.primal, shape, copy=copy)
    return Dual(primal, a.tangent.reshape(a.tangent.shape[:1] + primal.shape), a.level)


@rule_for(np.ravel, kind="linear")
def _ravel(a: Array, order: Any = "C") -> Array:
    """Flatten; order="K" is that of memory."""
    if order != "K":
        return np.reshape(a, -1, order=order)
    held = memory(a)
    return np.reshape(np.transpose(a, np.argsort([-abs(step) for step in held.strides], kind="stable")), -1)


@rule_for(np.roll, kind="linear")
def _roll(x: Dual, shift: Any, axis: Any = None) -> Dual:
    answer = np.roll(x.primal, shift, axis)
    if axis is None:
        return Dual(answer, np.roll(flat(x.tangent), shift, -1).reshape(x.tangent.shape), x.level)
    return Dual(answer, np.roll(x.tangent, shift, from_back(axis, x.ndim)), x.level)


@rule_for(np.transpose, kind="linear")
def _transpose(x: Dual, axes: Sequence[int] | None = None) -> Dual:
    ndim = x.ndim
    if axes is None:
        return Dual(x.primal.transpose(), x.tangent.transpose(0, *range(ndim, 0, -1)), x.level)
    order = (0, *(a % ndim + 1 for a in axes))
    return Dual(np.transpose(x.primal, axes), np.transpose(x.tangent, order), x.level)


@rule_for(np.matrix_transpose, kind="linear")
def _matrix_transpose(x: Dual) -> Dual:
    return Dual(np.matrix_transpose(x.primal), np.matrix_transpose(x.tangent), x.level)


@rule_for(np.broadcast_to, kind="linear")
def _broadcast_to(x: Dual, shape: int | tuple[int, ...], subok: bool = False) -> Dual:
    answer = np.broadcast_to(x.primal, shape)
    return Dual(answer, broadcast_tangent(x.tangent, answer.shape), x.level)


def joining(function: Any) -> None:
    """Enter concatenate or stack: an array that does not move has a tangent of zeros."""

    def rule(arrays: Sequence[Array], axis: int | None = 0, **options: Any) -> Array:
        if options:
            reject_duals(function, (), options)
        level = highest_level(arrays)
        pairs = [split(array, level) for array in arrays]
        answer = function([primal for primal, _ in pairs], axis, **options)
        if not moves(answer):  # dtype=int
            return answer
        like = next(tangent for _, tangent in pairs if tangent is not None)
        tangents = [
            tangent if tangent is not None else zeros(like, np.shape(primal), answer.dtype) for primal, tangent in pairs
        ]
        if axis is None:
            tangents, axis = [flat(t) for t in tangents], -1
        return Dual(answer, function(tangents, from_back(axis, answer.ndim), **options), level)

    enter(function, rule, "linear")


joining(np.concatenate)
joining(np.stack)


@rule_for(np.where, kind="linear")
def _where(condition: Array, x: Array = None, y: Array = None) -> Array:
    """Select tangents as values are selected: a NaN in the branch not taken stays there."""
    condition = plain(condition)
    if x is None and y is None:
        return np.nonzero(condition)
    level = highest_level((x, y))
    if level == 0:  # only the condition was a Dual
        return np.where(condition, x, y)
    (px, tx), (py, ty) = split(x, level), split(y, level)
    answer = np.where(condition, px, py)
    zero = np.zeros((), answer.dtype)
    tx = zero if tx is None else align(tx, answer.ndim)
    ty = zero if ty is None else align(ty, answer.ndim)
    return Dual(answer, broadcast_tangent(np.where(condition, tx, ty), answer.shape), level)


@composed(np.clip, singular="ties with a bound split evenly")
def _clip(
    a: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None, **options: Any
) -> Array:
    """Clip by maximum and minimum, whose ties split evenly; JAX does so too."""
    if options:
        raise LostDerivativeError(f"np.clip on a Dual takes no {', '.join(options)}=; use np.minimum and np.maximum")
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is not None:
        a = np.maximum(a, low)
    if high is not None:
        return np.minimum(a, high)
    return np.positive(a) if low is None else a


EVERY = slice(None)
BASIC = {int, slice, type(None), type(Ellipsis), *(np.dtype(code).type for code in np.typecodes["AllInteger"])}


@rule_for(operator.getitem, kind="linear")
def _getitem(x: Dual, index: Any) -> Dual:
    """``x[index]``, for basic, advanced and boolean indices alike.

    The tangents are indexed with the k axis moved to the back: no index reaches it there, and the axes of advanced
    indices go where NumPy's rule says. Basic indices need no move.
    """
    if type(index) is int or type(index) is slice:  # to save time
        return Dual(x.primal[index], x.tangent[EVERY, index], x.level)
    items = index if isinstance(index, tuple) else (index,)
    if BASIC.issuperset(map(type, items)):
        return Dual(x.primal[index], x.tangent[(EVERY, *items)], x.level)
    if any(isinstance(item, Dual) for item in items):
        raise LostDerivativeError(
            "an index cannot be a Dual; a comparison of Duals gives a plain boolean array, which can"
        )
    answer = x.primal[index]
    if not any(item is Ellipsis for item in items):
        items = (*items, Ellipsis)
    at_back = np.moveaxis(x.tangent, 0, -1)[(*items, slice(None))]
    return Dual(answer, np.moveaxis(at_back, -1, 0), x.level)


@rule_for(np.take_along_axis, kind="linear")
def _take_along_axis(x: Dual, indices: Array, axis: int | None = -1) -> Dual:
    reject_duals(np.take_along_axis, (indices,), {})
    answer = np.take_along_axis(x.primal, indices, axis)
    tangent = flat(x.tangent) if axis is None else x.tangent
    axis = -1 if axis is None else from_back(axis, x.ndim)
    return Dual(answer, np.take_along_axis(tangent, indices[np.newaxis], axis), x.level)


@rule_for(np.take, kind="linear")
def _take(x: Dual, indices: Array, axis: int | None = None, **options: Any) -> Dual:
    reject_duals(np.take, (indices,), options)
    answer = np.take(x.primal, indices, axis, **options)
    tangent = flat(x.tangent) if axis is None else x.tangent
    return Dual(answer, np.take(tangent, indices, -1 if axis is None else from_back(axis, x.ndim), **options), x.level)


linear(sliding_window_view, axis=2)


@rule_for(np.astype, kind="linear")
def _astype(x: Dual, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    if not copy and x.dtype == dtype:
        return x
    answer = np.astype(x.primal, dtype, copy=copy, device=device)
    return Dual(answer, np.astype(x.tangent, dtype), x.level) if moves(answer) else plain(answer)


@composed(np.trim_zeros)
def _trim_zeros(filt: Array, trim: str = "fb", axis: Any = None) -> Array:
    """Trim the zeros of the primal."""
    values = plain(filt)
    nonzero = np.argwhere(values)
    trimmed = range(values.ndim) if axis is None else [a % values.ndim for a in np.atleast_1d(axis)]
    box = []
    for a in range(values.ndim):
        start, stop = (nonzero[:, a].min(), nonzero[:, a].max() + 1) if len(nonzero) else (0, 0)
        keep = slice(start if "f" in trim.lower() else None, stop if "b" in trim.lower() else None)
        box.append(keep if a in trimmed else slice(None))
    return filt[tuple(box)]


put(np, "pad", Wide(np.pad))  # which also takes values that move, about an array that does not


@rule_for(np.pad, kind="linear", singular="ties as np.max and np.min have it")
def _pad(array: Array, pad_width: Any, mode: Any = "constant", **options: Any) -> Array:
    if callable(mode) or mode == "empty":
        raise LostDerivativeError(
            f"np.pad on a Dual cannot have mode={mode!r}: the derivative of its padding is not known"
        )
    array = joined(array)
    width = widths(pad_width, array.ndim)
    if mode == "constant" and holds_duals(options.get("constant_values")):
        return _pad_with_values(array, width, options["constant_values"], lambda edge, value, part: value)
    if mode == "linear_ramp" and holds_duals(options.get("end_values")):
        return _pad_with_values(
            array, width, options["end_values"], lambda edge, value, part: edge + (value - edge) * part
        )
    if mode in STATISTICS:
        return _pad_with_statistic(array, width, STATISTICS[mode], options.get("stat_length"))
    return _pad_linearly(array, width, mode, **options)


def _pad_with_values(
    x: Array, width: list[tuple[int, int]], values: Any, of: Callable[[Array, Array, Array], Array]
) -> Array:
    """Pad axis by axis with values that move: one, a pair, or a pair for each axis.

    An entry is `of` x at the edge, the value, and its part of the way from the edge to the end, from 0 to 1.
    """
    nested = isinstance(values, (list, tuple)) and any(isinstance(v, (list, tuple)) for v in values)
    pairs = list(values) if nested and len(values) == x.ndim else [values[0] if nested else values] * x.ndim
    for axis, ((before, after), pair) in enumerate(zip(width, pairs, strict=True)):
        several = pair if isinstance(pair, (list, tuple)) else (pair,)
        rows = np.moveaxis(x, axis, 0)
        ends = []
        for count, value, edge in ((before, several[0], rows[:1]), (after, several[-1], rows[-1:])):
            part = np.reshape(np.arange(1, count + 1) / max(count, 1), (-1, *(1,) * (x.ndim - 1)))
            end = of(edge, value if isinstance(value, Dual) else np.asarray(value), part)
            ends.append(np.broadcast_to(of_dtype(end, x.dtype), (count, *rows.shape[1:])))
        x = np.moveaxis(np.concatenate([np.flip(ends[0], 0), rows, ends[1]]), 0, axis)
    return x


def _pad_linearly(x: Dual, width: list[tuple[int, int]], mode: str, **options: Any) -> Dual:
    """Pad the tangent by the same mode, and with zeros where the primal gets constants."""
    reject_duals(np.pad, (), options)
    answer = np.pad(x.primal, width, mode, **options)  # type: ignore[call-overload]
    kept = {name: value for name, value in options.items() if name == "reflect_type"}
    return Dual(answer, np.pad(x.tangent, [(0, 0), *width], mode, **kept), x.level)  # type: ignore[call-overload]


STATISTICS = {"mean": np.mean, "maximum": np.max, "minimum": np.min, "median": np.median}


def _pad_with_statistic(x: Array, width: list[tuple[int, int]], statistic: Any, length: Any) -> Array:
    """Pad axis by axis, with a statistic of the entries near the edge."""
    lengths = [(None, None)] * x.ndim if length is None else widths(length, x.ndim)
    for axis, ((before, after), (near, far)) in enumerate(zip(width, lengths, strict=True)):
        rows = np.moveaxis(x, axis, 0)
        n = rows.shape[0]
        first = statistic(rows[: n if near is None else near], axis=0, keepdims=True)
        last = statistic(rows[n - (n if far is None else min(far, n)) :], axis=0, keepdims=True)
        x = np.moveaxis(np.concatenate([first] * before + [rows] + [last] * after), 0, axis)
    return x


def widths(given: Any, ndim: int) -> list[tuple[int, int]]:
    """Turn np.pad's notations for widths into a pair of integers for each axis."""
    if isinstance(given, dict):
        pairs: list[Any] = [(0, 0)] * ndim
        for axis, pair in given.items():
            pairs[axis] = pair if isinstance(pair, tuple) else (pair, pair)
        return pairs
    return [(int(before), int(after)) for before, after in np.broadcast_to(np.asarray(given, np.intp), (ndim, 2))]
