"""Order statistics, averages, covariances, and the nan-functions: composed."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array, plain
from fwdad.rules.forms import composed, of_dtype, reject_duals
from fwdad.rules.reductions import every_axis
from fwdad.rules.sorting import STABLE


# Sums that skip NaN: np.where puts the neutral element in place of a NaN and drops its tangent.
@composed(np.nansum)
def _nansum(a: Array, *args: Any, **options: Any) -> Array:
    return np.sum(np.where(np.isnan(a), 0, a), *args, **options)


@composed(np.nanprod)
def _nanprod(a: Array, *args: Any, **options: Any) -> Array:
    return np.prod(np.where(np.isnan(a), 1, a), *args, **options)


@composed(np.nancumsum)
def _nancumsum(a: Array, *args: Any, **options: Any) -> Array:
    return np.cumsum(np.where(np.isnan(a), 0, a), *args, **options)


@composed(np.nancumprod)
def _nancumprod(a: Array, *args: Any, **options: Any) -> Array:
    return np.cumprod(np.where(np.isnan(a), 1, a), *args, **options)


def nan_version(function: Any, of: Any, singular: str = "") -> None:
    """Enter nanmean, nanvar or nanstd: the plain function of the entries that are not NaN."""

    def rule(a: Array, axis: Any = None, *args: Any, where: Any = True, **options: Any) -> Array:
        valid = ~np.isnan(plain(a))
        if not np.all(np.any(valid & where, axis=axis)):
            raise ValueError(f"np.{function.__name__} on a Dual: a slice holds nothing but NaN and has no derivative")
        return of(np.where(valid, a, 0), axis, *args, where=valid & where, **options)

    composed(function, singular=singular)(rule)


nan_version(np.nanmean, np.mean)
nan_version(np.nanvar, np.var)
nan_version(np.nanstd, np.std, "0 where all entries are equal")


PICKING = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""Methods of np.quantile whose answer is an entry of the array, and no mean of two."""


def quantile(function: Any, scale: float, skip_nan: bool) -> None:
    """Enter a quantile: a weighted mean of two neighbours in the sorted entries.

    NumPy says which two, for every method: the same quantile of the ranks 0, 1, ..., n-1 is the place between them.
    """

    def rule(
        a: Array,
        q: Any,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Array:
        reject_duals(function, (axis,), {"out": out, "q": q})
        axes = every_axis(axis, a.ndim)
        rest = tuple(i for i in range(-a.ndim, 0) if i not in axes)
        kept = tuple(a.shape[i] for i in rest)
        size = int(np.prod([a.shape[i] for i in axes], dtype=np.int64))
        order = tuple(i % a.ndim for i in (*rest, *axes))
        rows = np.sort(np.reshape(np.transpose(a, order), (*kept, size)), -1)
        shape = tuple(1 if i in axes else a.shape[i] for i in range(-a.ndim, 0)) if keepdims else kept
        if weights is not None:  # the answer is an entry, which the weights select
            values = function(plain(a), q, axis, method=method, weights=plain(weights))
            place = np.argmax(plain(rows) == values[..., np.newaxis], -1)
            picked = [np.take_along_axis(rows, place[i][..., np.newaxis], -1)[..., 0] for i in np.ndindex(np.shape(q))]
            answer = np.where(np.isnan(values), np.nan, np.reshape(np.stack(picked), values.shape))
            return np.reshape(answer, (*np.shape(q), *shape))[()]
        nan = np.isnan(plain(rows))
        counts = np.sum(~nan, -1) if skip_nan else np.full(kept, size)
        fractions = np.asarray(q, np.float64) / scale
        place = np.zeros((*fractions.shape, *kept))
        for count in np.unique(counts[counts > 0]):
            ranks = np.quantile(np.arange(count, dtype=np.float64), fractions, method=method)  # type: ignore[call-overload]
            place = np.where(counts == count, np.reshape(ranks, (*fractions.shape, *[1] * len(kept))), place)
        lower = np.floor(place).astype(np.intp)
        # a number q is of a's dtype, an array q has its own; a method that picks an entry keeps a's
        weak = method in PICKING or isinstance(q, (int, float))
        share = (place - lower).astype(a.dtype if weak else np.result_type(a.dtype, np.asarray(q)))
        answers = []
        for i in np.ndindex(fractions.shape):
            low = np.take_along_axis(rows, lower[i][..., np.newaxis], -1)[..., 0]
            high = np.take_along_axis(rows, np.minimum(lower[i] + 1, size - 1)[..., np.newaxis], -1)[..., 0]
            mixed = np.where(share[i] == 0, low, low * (1 - share[i]) + high * share[i])
            answers.append(mixed if skip_nan else np.where(np.any(nan, -1), np.nan, mixed))
        return np.reshape(np.stack(answers), (*fractions.shape, *shape))[()]

    composed(function, singular=STABLE)(rule)


quantile(np.quantile, 1, skip_nan=False)
quantile(np.percentile, 100, skip_nan=False)
quantile(np.nanquantile, 1, skip_nan=True)
quantile(np.nanpercentile, 100, skip_nan=True)


def median(function: Any, of: Any) -> None:
    """Enter a median: the quantile 1/2."""

    def rule(
        a: Array, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
    ) -> Array:
        return of(a, 0.5, axis, out, keepdims=keepdims)

    composed(function, singular=STABLE)(rule)


median(np.median, np.quantile)
median(np.nanmedian, np.nanquantile)


@composed(np.average)
def _average(
    a: Array, axis: Any = None, weights: Array = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """``sum w x / sum w``."""
    if weights is None:
        mean = np.mean(a, axis, keepdims=keepdims)
        count = np.size(a) / max(np.size(mean), 1)
        return (mean, np.full(np.shape(mean), count, mean.dtype)[()]) if returned else mean
    if np.shape(weights) != np.shape(a):  # weights along the given axes
        axes = every_axis(axis, np.ndim(a))
        order = np.argsort(np.argsort(axes))
        weights = np.transpose(weights, np.argsort(axes)) if len(order) > 1 else weights
        weights = np.reshape(weights, [np.shape(a)[i] if i in axes else 1 for i in range(-np.ndim(a), 0)])
        weights = np.broadcast_to(weights, np.shape(a))
    total = np.sum(weights, axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis, keepdims=keepdims) / total
    return (mean, np.broadcast_to(total, mean.shape)) if returned else mean


@composed(np.cov)
def _cov(
    m: Array,
    y: Array = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: float | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    """``sum_j w_j (x_j - mean) (x_j - mean)^H / f``; a row is a variable."""
    reject_duals(np.cov, (), {"fweights": fweights, "aweights": aweights})
    dtype = np.result_type(plain(m), *([] if y is None else [plain(y)]), np.float64) if dtype is None else dtype
    x = of_dtype(_variables(m, rowvar), dtype)
    if y is not None:
        x = np.concatenate([x, of_dtype(_variables(y, rowvar), dtype)])
    ddof = (0 if bias else 1) if ddof is None else ddof
    frequency = np.ones(x.shape[1]) if fweights is None else np.asarray(fweights)
    w = frequency if aweights is None else frequency * np.asarray(aweights)
    total = np.sum(w)
    correction = ddof if aweights is None else ddof * np.sum(w * np.asarray(aweights)) / total
    w = w.astype(np.real(plain(x)).dtype)
    deviation = x - np.sum(x * w, 1, keepdims=True) / w.dtype.type(total)
    covariance = np.matmul(deviation, np.conjugate(deviation * w).T) / w.dtype.type(max(total - correction, 0))
    return np.squeeze(covariance)


def _variables(m: Array, rowvar: bool) -> Array:
    x = np.atleast_2d(m)
    return x.T if not rowvar and np.ndim(m) != 1 else x


@composed(np.corrcoef)
def _corrcoef(x: Array, y: Array = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    c = np.cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    return c / deviation[:, np.newaxis] / deviation
