"""The methods of ufuncs: np.subtract.outer, np.maximum.accumulate, np.logaddexp.reduce, np.add.reduceat, ...

Those with a function of their own (np.add.reduce is np.sum) are in `UFUNC_METHODS`; the others call the ufunc for one
row after another, as their definition says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import ANY_UFUNC_METHODS, Array
from fwdad.rules.forms import reject_duals
from fwdad.rules.reductions import every_axis


def outer(ufunc: np.ufunc, x: Array, y: Array, **options: Any) -> Array:
    """``z[i, j] = f(x[i], y[j])``."""
    return ufunc(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y, **options)


def reduce(
    ufunc: np.ufunc,
    array: Array,
    axis: Any = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Array = None,
    where: Any = True,
) -> Array:
    """``f(f(x[0], x[1]), x[2]), ...`` along one axis or several."""
    reject_duals(ufunc, (), {"out": out, "where": where})
    axes = every_axis(axis, array.ndim)
    rows = _rows(array, axes, dtype)
    used = _rows(np.broadcast_to(where, array.shape), axes, None)
    start = ufunc.identity if initial is None and (where is not True or not len(rows)) else initial
    if start is None and (where is not True or not len(rows)):
        raise ValueError(f"np.{ufunc.__name__}.reduce has no identity: give initial=")
    steps = list(zip(rows, used, strict=True))
    if start is None:
        total, steps = rows[0], steps[1:]
    else:
        total = np.full_like(rows, start, shape=rows.shape[1:])
    for row, use in steps:
        total = ufunc(total, row) if where is True else np.where(use, ufunc(total, row), total)
    return np.expand_dims(total, axes) if keepdims else total[()]


def _rows(array: Array, axes: tuple[int, ...], dtype: Any) -> Array:
    """Bring the axes to the front, as one."""
    front = np.moveaxis(array if dtype is None else np.astype(array, dtype), axes, range(len(axes)))
    return np.reshape(front, (-1, *front.shape[len(axes) :])) if len(axes) != 1 else front


def accumulate(ufunc: np.ufunc, array: Array, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
    """``y[j] = f(y[j - 1], x[j])``."""
    reject_duals(ufunc, (), {"out": out})
    rows = _rows(array, every_axis(axis, array.ndim), dtype)
    if not len(rows):
        return array
    made = [rows[0]]
    for row in list(rows)[1:]:
        made.append(ufunc(made[-1], row))
    return np.moveaxis(np.stack(made), 0, axis)


def reduceat(ufunc: np.ufunc, array: Array, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
    """Reduce each piece ``x[i_j : i_(j+1)]``; where it is empty, the answer is ``x[i_j]``."""
    reject_duals(ufunc, (indices,), {"out": out})
    rows = _rows(array, every_axis(axis, array.ndim), dtype)
    starts = np.asarray(indices)
    stops = [*starts[1:], len(rows)]
    pieces = [ufunc.reduce(rows[i:j]) if i < j else rows[i] for i, j in zip(starts, stops, strict=True)]
    return np.moveaxis(np.stack(pieces), 0, axis)


for _method in (outer, reduce, accumulate, reduceat):
    ANY_UFUNC_METHODS[_method.__name__] = _method
