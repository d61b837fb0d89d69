"""Arrays made like a Dual: zeros_like, ..., and NumPy's ``like=``. Duals can be written into them.

    c = np.zeros_like(x)
    c[0] = x[0] ** 2

Such an array belongs to x's transform, and does not move until something that moves is written into it. Its tangents
are one zero each, broadcast. Integers and booleans carry no tangent: they are plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import LIKE, Array, Dual, plain
from fwdad.rules.forms import composed, moves, reject_duals, rule_for


def at_rest(like: Dual, value: Any) -> Any:
    """Return a floating array as one that Duals can be written into; anything else as it is."""
    return like.at_rest(value) if isinstance(value, np.ndarray) and moves(value) else value


def filled(like: Dual, array: np.ndarray, value: Any) -> Array:
    """Write a value into a new array, which belongs to the highest transform of the two; integers lose no tangent."""
    top = value if isinstance(value, Dual) and value.level > like.level else like
    target = at_rest(top, array)
    target[...] = value if target is not array else plain(value)
    return target


def of_shape(function: Callable[..., Any], make: Callable[..., Any]) -> None:
    """Enter zeros_like, ones_like or empty_like, whose entries `make` makes."""

    def rule(a: Dual, *args: Any, **kwargs: Any) -> Array:
        reject_duals(function, args, kwargs)
        return at_rest(a, make(plain(a), *args, **kwargs))

    rule_for(function, kind="constant")(rule)


of_shape(np.zeros_like, np.zeros_like)
of_shape(np.ones_like, np.ones_like)
of_shape(np.empty_like, np.zeros_like)  # what lies in memory may be a NaN, which nobody has made


@composed(np.full_like)
def _full_like(a: Dual, fill_value: Array, *args: Any, **kwargs: Any) -> Array:
    return filled(a, np.empty_like(plain(a), *args, **kwargs), fill_value)


def _full(like: Dual, shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Array:
    return filled(
        like, np.empty(shape, np.result_type(plain(fill_value)) if dtype is None else dtype, **options), fill_value
    )


def holds_duals(value: Any) -> bool:
    """Whether there is a Dual in nested lists and tuples."""
    return any(map(holds_duals, value)) if isinstance(value, (list, tuple)) else isinstance(value, Dual)


def joined(value: Any) -> Array:
    """Make one array of nested lists and tuples of numbers, arrays and Duals."""
    if isinstance(value, (list, tuple)) and holds_duals(value):
        return np.stack([joined(item) for item in value])
    return value if isinstance(value, Dual) else np.asarray(value)


def from_values(function: Callable[..., Any]) -> None:
    """Let array, asarray, ... take Duals with ``like=``; a plain array is copied, as a Dual shares memory with none."""

    def make(like: Dual, a: Any, dtype: Any = None, *args: Any, ndmin: int = 0, **kwargs: Any) -> Array:
        if not holds_duals(a):
            return at_rest(like, np.array(function(a, dtype, *args, **kwargs), ndmin=ndmin))
        value = joined(a)
        value = np.reshape(value, (1,) * (ndmin - value.ndim) + value.shape) if value.ndim < ndmin else value
        value = value if dtype is None or value.dtype == dtype else value.astype(dtype)
        if value is a and function is not np.array and value.level >= like.level:
            return value
        return filled(like, np.empty(value.shape, value.dtype), value)

    LIKE[function] = make


def from_numbers(function: Callable[..., Any], make: Callable[..., Any]) -> None:
    """Let a function that makes an array of plain numbers take ``like=``."""
    LIKE[function] = lambda like, *args, **kwargs: at_rest(like, make(*args, **kwargs))


_function: Any
for _function in (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require):
    from_values(_function)
for _function in (
    np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri, np.arange, np.fromfunction, np.fromiter, np.frombuffer,
    np.fromfile, np.fromstring, np.loadtxt, np.genfromtxt,
):  # fmt: skip
    from_numbers(_function, np.zeros if _function is np.empty else _function)
LIKE[np.full] = _full
