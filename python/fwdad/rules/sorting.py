"""Sorting and what depends on the order of values: the order is constant, and entries are picked by it.

Equal entries keep the order of NumPy's stable sort, so that each tangent follows one entry and none is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain, primitive
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import composed, constant, rule_for

STABLE = "ties in stable order"

constant(
    np.argsort, np.argpartition, np.lexsort, np.searchsorted, np.digitize, np.nonzero, np.flatnonzero, np.argwhere,
    np.isin,
)  # fmt: skip


@composed(np.sort, singular=STABLE)
def _sort(a: Array, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> Array:
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return np.take_along_axis(a, np.argsort(plain(a), axis, kind="stable"), axis)


@composed(np.sort_complex, singular=STABLE)
def _sort_complex(a: Array) -> Array:
    return np.sort(a if a.dtype.kind == "c" else np.astype(a, np.result_type(a.dtype, np.complex128)))


@composed(np.partition, singular=STABLE)
def _partition(a: Array, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: Any = None) -> Array:
    if axis is None:
        a, axis = np.reshape(a, -1), -1
    return np.take_along_axis(a, np.argpartition(plain(a), kth, axis, kind), axis)


FIRST = "of equal entries the first"


@composed(np.unique, singular=FIRST)
def _unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    **options: Any,
) -> Any:
    unique: Any = np.unique
    _, index, *rest = unique(plain(ar), True, return_inverse, return_counts, axis, **options)
    values = np.take(ar, index, axis)
    answers = ([index] if return_index else []) + rest
    return (values, *answers) if answers else values


@composed(np.unique_values, singular=FIRST)
def _unique_values(x: Array) -> Array:
    return np.unique(x, equal_nan=False)


def unique_with_more(function: Any) -> None:
    """Enter one of the Array API's functions whose answer is a named tuple of values and more."""

    def rule(x: Array) -> Any:
        answer = function(plain(x))
        return type(answer)(np.unique(x, equal_nan=False), *answer[1:])

    composed(function, singular=FIRST)(rule)


for _function in (np.unique_all, np.unique_counts, np.unique_inverse):
    unique_with_more(_function)


@composed(np.setxor1d, singular=FIRST)
def _setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    both = [np.setdiff1d(ar1, ar2, assume_unique), np.setdiff1d(ar2, ar1, assume_unique)]
    return np.sort(np.concatenate(both))


@composed(np.union1d, singular=FIRST)
def _union1d(ar1: Array, ar2: Array) -> Array:
    return np.unique(np.concatenate([ar1, ar2], axis=None))


@composed(np.setdiff1d, singular=FIRST)
def _setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    first = np.reshape(ar1, -1) if assume_unique else np.unique(ar1)
    return first[np.isin(plain(first), plain(ar2), invert=True)]


@primitive
def sums_by_bin(x: Array, weights: Array, bins: int) -> Array:
    """``y[..., b] = sum of weights[..., i] where x[i] is b``: one np.bincount, with bins of its own for each row."""
    rows = weights.reshape(-1, weights.shape[-1])
    places = np.asarray(x) + bins * np.arange(len(rows))[:, np.newaxis]
    return np.bincount(places.reshape(-1), rows.reshape(-1), len(rows) * bins).reshape(*weights.shape[:-1], bins)


@rule_for(sums_by_bin, kind="linear")
def _sums_by_bin(x: Array, weights: Dual, bins: int) -> Dual:
    return Dual(sums_by_bin(x, weights.primal, bins), sums_by_bin(x, weights.tangent, bins), weights.level)


@composed(np.bincount)
def _bincount(x: Array, /, weights: Array = None, minlength: int = 0) -> Array:
    if isinstance(x, Dual):
        raise LostDerivativeError("np.bincount: only weights= can be a Dual; what is counted are integers")
    return sums_by_bin(x, weights, max(int(np.max(x, initial=-1)) + 1, minlength))


def histogram(function: Any) -> None:
    """Enter a histogram: counts are constant, but bins between the smallest and the largest entry would move."""

    def rule(a: Array, bins: Any = 10, range: Any = None, density: Any = None, weights: Array = None) -> Any:
        if isinstance(weights, Dual) or isinstance(bins, Dual) or (np.ndim(bins) == 0 and range is None):
            raise LostDerivativeError(
                f"np.{function.__name__} on a Dual needs plain weights= and bins that do not move: "
                "pass their edges, or range=; for a sum of weights per bin use np.bincount"
            )
        options = {"density": density} if function is np.histogram else {}
        return function(plain(a), bins, range, weights=weights, **options)

    rule_for(function, kind="constant")(rule)


histogram(np.histogram)
histogram(np.histogram_bin_edges)
