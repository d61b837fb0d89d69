"""Functions of sampled curves (differences, integrals, interpolation, grids), and functions that take functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.rules.forms import composed, from_back, of_dtype, of_one_dtype, reject_duals, rule_for


def _slice(x: Array, axis: int, *bounds: int | None) -> Array:
    """Slice x along an axis counted from the back."""
    return x[(Ellipsis, slice(*bounds), *[slice(None)] * (-axis - 1))]


@composed(np.diff)
def _diff(a: Array, n: int = 1, axis: int = -1, prepend: Array = np._NoValue, append: Array = np._NoValue) -> Array:
    if n < 0:
        raise ValueError(f"np.diff: the order must be non-negative, got {n}")
    axis = from_back(axis, np.ndim(a))
    joined = []
    for piece in (prepend, a, append):
        if piece is np._NoValue:
            continue
        one = tuple(1 if i - np.ndim(a) == axis else size for i, size in enumerate(np.shape(a)))
        joined.append(np.broadcast_to(piece, one) if np.ndim(piece) == 0 else piece)
    x = np.concatenate(joined, axis) if len(joined) > 1 and n > 0 else a
    for _ in range(n):
        x = _slice(x, axis, 1, None) - _slice(x, axis, None, -1)
    return x


@composed(np.ediff1d)
def _ediff1d(ary: Array, to_end: Array = None, to_begin: Array = None) -> Array:
    difference = np.diff(np.reshape(ary, -1))
    pieces = [np.astype(np.atleast_1d(p), difference.dtype) for p in (to_begin, difference, to_end) if p is not None]
    return np.concatenate(pieces, axis=None) if len(pieces) > 1 else difference


@rule_for(np.gradient, kind="linear")
def _gradient(f: Dual, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    reject_duals(np.gradient, varargs, {})
    axes = tuple(range(-f.ndim, 0)) if axis is None else from_back(axis, f.ndim)
    varargs = tuple(of_dtype(spacing, f.dtype) for spacing in varargs)
    gradient: Any = np.gradient
    answers = gradient(f.primal, *varargs, axis=axis, edge_order=edge_order)
    tangents = gradient(f.tangent, *varargs, axis=axes, edge_order=edge_order)
    if not isinstance(answers, (tuple, list)):
        single = tangents[0] if isinstance(tangents, (tuple, list)) else tangents
        return Dual(answers, single, f.level)
    return type(answers)(Dual(y, t, f.level) for y, t in zip(answers, tangents, strict=True))


@composed(np.trapezoid)
def _trapezoid(y: Array, x: Array = None, dx: Array = 1.0, axis: int = -1) -> Array:
    axis = from_back(axis, np.ndim(y))
    y, x, dx = of_one_dtype(y, x, dx)
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.diff(x, axis=axis)
        if np.ndim(x) == 1:
            dx = np.reshape(dx, (-1,) + (1,) * (-axis - 1))
    return np.sum(dx * (_slice(y, axis, 1, None) + _slice(y, axis, None, -1)) / 2, axis)


@composed(np.interp, singular="at a node the slope on its right")
def _interp(x: Array, xp: Array, fp: Array, left: Array = None, right: Array = None, period: Any = None) -> Array:
    if type(x) is Dual and period is None and not any(isinstance(v, Dual) for v in (xp, fp, left, right)):
        return _interp_of_x(x, xp, fp, left, right)
    x, xp = of_one_dtype(x, xp, least=np.float64)
    fp, left, right = of_one_dtype(fp, left, right, least=np.float64)
    if period is not None:
        x, xp = np.remainder(x, abs(period)), np.remainder(xp, abs(period))
        order = np.argsort(plain(xp))
        xp, fp = np.take(xp, order), np.take(fp, order)
        xp = np.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    n = np.shape(xp)[0]
    below, above = np.less(x, xp[0]), np.greater(x, xp[-1])
    start = np.clip(np.searchsorted(plain(xp), plain(x), "right") - 1, 0, max(n - 2, 0))
    stop = np.minimum(start + 1, n - 1)
    x0, y0 = np.take(xp, start), np.take(fp, start)
    width = np.take(xp, stop) - x0
    flat = np.equal(width, 0)
    slope = np.where(flat, 0, (np.take(fp, stop) - y0) / np.where(flat, 1, width))
    inside = y0 + slope * (x - x0)
    return np.where(below, fp[0] if left is None else left, np.where(above, fp[-1] if right is None else right, inside))


def _interp_of_x(x: Dual, xp: Array, fp: Array, left: Any, right: Any) -> Dual:
    """Only x moves: its tangent times the slope of its interval, which is 0 outside and in intervals of no width."""
    xp, fp = np.asarray(xp, np.float64), np.asarray(fp)
    fp = of_dtype(fp, complex if fp.dtype.kind == "c" else np.float64)
    slopes, width, at = np.zeros(len(xp) + 1, fp.dtype), xp[1:] - xp[:-1], plain(x)
    np.divide(fp[1:] - fp[:-1], width, out=slopes[1:-1], where=width != 0)
    interval = xp.searchsorted(at, "right") - (at == xp[-1])
    return Dual(np.interp(x.primal, xp, fp, left, right), x.tangent * slopes[interval], x.level)


@rule_for(np.unwrap, kind="linear", singular="jumps count as constant")
def _unwrap(p: Dual, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Dual:
    """Multiples of the period are added; the tangent stays."""
    return Dual(np.unwrap(p.primal, discont, axis, period=period), p.tangent, p.level)


@composed(np.linspace)
def _linspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    intervals = num - 1 if endpoint else num
    start, stop = of_one_dtype(start, stop)
    span = np.subtract(stop, start)
    ramp = np.arange(num, dtype=np.real(plain(span)).dtype).reshape((-1,) + (1,) * np.ndim(span))
    points = ramp * (span / max(intervals, 1)) + start
    if endpoint and num > 1:  # rounding does not move the end
        points = np.concatenate([points[:-1], np.broadcast_to(stop, points.shape[1:])[np.newaxis]])
    points = np.moveaxis(points, 0, axis)
    points = points if dtype is None else np.astype(points, dtype)
    return (points, span / intervals if intervals > 0 else np.nan * span) if retstep else points


@composed(np.logspace)
def _logspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    powers = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else np.astype(powers, dtype)


@composed(np.geomspace)
def _geomspace(
    start: Array, stop: Array, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """``start (stop / start)^t``."""
    start, stop = of_one_dtype(start, stop, least=np.float64)
    ratio = np.true_divide(stop, start)
    steps = np.linspace(np.zeros_like(plain(ratio)), 1, num, endpoint, axis=axis).astype(plain(ratio).dtype)
    points = (
        np.expand_dims(start, axis) * np.power(np.expand_dims(ratio, axis), steps)
        if np.ndim(ratio)
        else start * np.power(ratio, steps)
    )
    return points if dtype is None else np.astype(points, dtype)


# Functions that take functions.
@composed(np.piecewise, singular="each point belongs to one piece")
def _piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **options: Any) -> Array:
    conditions = (
        [condlist]
        if np.ndim(plain(condlist)) == np.ndim(x) and not isinstance(condlist, (list, tuple))
        else list(condlist)
    )
    if isinstance(condlist, (list, tuple)) and condlist and np.ndim(plain(condlist[0])) < np.ndim(x):
        conditions = [condlist]
    conditions = [np.asarray(plain(c), dtype=bool) for c in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    if len(funclist) != len(conditions):
        raise ValueError(
            f"np.piecewise: {len(conditions)} conditions need as many functions or one more, got {len(funclist)}"
        )
    answer: Array = np.zeros_like(plain(x))
    for condition, function in zip(conditions, funclist, strict=True):
        piece = function(x[condition], *args, **options) if callable(function) else function
        if np.ndim(piece) and np.size(piece):
            place = np.reshape(np.cumsum(condition) - 1, condition.shape)
            piece = np.take(piece, np.where(condition, place, 0))
        elif np.ndim(piece):
            continue  # no point lies here
        answer = np.where(condition, piece, answer)
    return np.astype(answer, plain(x).dtype)


@composed(np.apply_along_axis)
def _apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """Loop over the slices, as NumPy does; each answer's axes go where the axis was."""
    axis = from_back(axis, np.ndim(arr))
    rows = np.moveaxis(arr, axis, -1)
    rest = rows.shape[:-1]
    answers = [func1d(rows[i], *args, **kwargs) for i in np.ndindex(rest)]
    shape = np.shape(answers[0])
    stacked = np.reshape(np.stack(answers), (*rest, *shape))
    place = len(rest) + 1 + axis
    return np.moveaxis(stacked, range(len(rest), stacked.ndim), range(place, place + len(shape)))


@composed(np.apply_over_axes)
def _apply_over_axes(func: Callable[..., Any], a: Array, axes: Any) -> Array:
    for axis in np.atleast_1d(axes):
        answer = func(a, from_back(axis, np.ndim(a)))
        a = answer if np.ndim(answer) == np.ndim(a) else np.expand_dims(answer, from_back(axis, np.ndim(a)))
    return a
