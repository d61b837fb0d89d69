# ruff: noqa: E501  a case is a row
"""The rules of NumPy's functions: every entry of the tables has a case, and every case is checked in every way.

A case is one way to call a function. It is compared with the mathematics, differentiated twice, computed in float32 and
in other memory layouts, and sent through every transform.
"""

import operator
import re

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import fwdad
from fwdad import functions
from fwdad.dual import Dual, name_of, plain
from fwdad.kernels import Window
from fwdad.rules import kinks
from fwdad.rules.assignment import Put
from fwdad.rules.assignment import added as added_copy
from fwdad.rules.assignment import written as written_copy
from fwdad.rules.elementwise import BINARY, CONSTANT, UNARY
from fwdad.rules.forms import ENTRIES
from fwdad.rules.operators import apply_operator
from fwdad.rules.sorting import sums_by_bin
from fwdad.testing import check_jvp, expect_close

RNG = np.random.default_rng(11)
X = (RNG.permutation(24).reshape(2, 3, 4) - 11.7) / 9  # no two near each other, also not in size
M = RNG.standard_normal((3, 4))
S = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
SS = RNG.standard_normal((2, 3, 3)) + 3 * np.eye(3)
V = np.array([0.31, -1.27, 0.83, 1.94, -0.46])
W = RNG.standard_normal(3)
POSITIVE = np.array([0.7, 1.3, 2.1, 0.4])
MASK = np.abs(X) > 0.5
NAN = np.where(np.abs(X) > 1.2, np.nan, X)


def real_and_imaginary(z):
    """A complex answer as two real ones."""
    return np.real(z), np.imag(z)


def complex_of(f):
    """A function of a complex array, as one of two real ones."""

    def g(a, b):
        z = f(a + 1j * b)
        return [real_and_imaginary(w) if np.iscomplexobj(w) else w for w in (z if isinstance(z, tuple) else (z,))]

    return g


def spd(x):
    return x @ np.matrix_transpose(x) + np.eye(x.shape[-1])


def gauge_free(q):
    """What does not depend on the signs of a decomposition's columns."""
    return q * q


def between(low, high, seed=0):
    """Five values that are not near each other, nor near the ends or the middle."""
    rng = np.random.default_rng(seed)
    return low + (high - low) * (rng.permutation(5) + rng.uniform(0.2, 0.4, 5)) / 5


CASES = {
    # elementwise
    **{f"row {row.function.__name__}": (row.function, between(*row.domain)) for row in UNARY},
    **{f"row {row.function.__name__}": (row.function, between(*row.domain), between(*row.domain, 1)) for row in BINARY},
    "power": (np.power, POSITIVE, POSITIVE[::-1] - 1),
    "float_power": (lambda x: np.float_power(x, 1.7), POSITIVE),
    "square of negative": (lambda x: x**2, V),
    "remainder": (np.remainder, V * 3, np.full(5, 0.7)),
    "fmod": (np.fmod, V * 3, np.full(5, 0.7)),
    "divmod": (lambda x, y: np.divmod(x, y)[1], V * 3, np.full(5, 0.7)),
    "conjugate": (np.conjugate, V),
    "imag": (lambda x: np.imag(x * (2 + 1j)), V),
    "sinc": (np.sinc, V),
    "kink": (kinks.kink, V),
    "i0": (np.i0, V),
    "heaviside": (lambda x: np.heaviside(x, 0.5), V),
    "ldexp": (lambda x: np.ldexp(x, [1, -2, 0, 3, 1]), V),
    "ldexp broadcast": (lambda x: np.ldexp(x, np.array([[1], [2]])), V),
    "frexp": (lambda x: np.frexp(x)[0], V),
    "modf": (lambda x: np.modf(x)[0], V),
    "nan_to_num": (lambda x: np.nan_to_num(x * np.where(V > 0, 1, np.nan), nan=2.0), V),
    "angle": (np.angle, V + 3),
    "real_if_close": (lambda x: np.real_if_close(x + 0j), V),
    "abs complex": (complex_of(np.abs), V, V[::-1].copy()),
    "sign complex": (complex_of(np.sign), V, V[::-1].copy()),
    "arccos beyond 1": (lambda x: real_and_imaginary(np.arccos(x + 0j)), V * 3),
    "arcsin beyond 1": (lambda x: real_and_imaginary(np.arcsin(x + 0j)), V * 3),
    **{
        f"emath.{f.__name__}": (lambda x, f=f: real_and_imaginary(f(x)), V)
        for f in (np.emath.sqrt, np.emath.log, np.emath.log2, np.emath.log10, np.emath.arccos, np.emath.arcsin, np.emath.arctanh)
    },
    "emath.sqrt of positive": (np.emath.sqrt, POSITIVE),
    "emath.power": (lambda x: real_and_imaginary(np.emath.power(x, 1.5)), V),
    "emath.logn": (lambda x: real_and_imaginary(np.emath.logn(2, x)), V),
    "angle complex": (complex_of(lambda z: np.angle(z, deg=True)), V, V[::-1].copy()),
    "conj complex": (complex_of(lambda z: np.conj(z) * np.real(z) + z.copy() * np.imag(z)), V, V[::-1].copy()),
    # reductions
    "sum": (np.sum, X),
    "sum axis": (lambda x: x.sum(0), X),
    "sum axes keepdims": (lambda x: np.sum(x, axis=(0, -1), keepdims=True), X),
    "sum initial": (lambda x: np.sum(x, initial=3.0), X),
    "sum where": (lambda x: np.sum(x, where=X > 0, axis=1), X),
    "add.reduce": (np.add.reduce, X),
    "mean": (lambda x: x.mean(axis=(1, 2)), X),
    "cumsum": (np.cumsum, X),
    "cumsum axis": (lambda x: np.cumsum(x, axis=0), X),
    "max": (lambda x: np.max(x, axis=1), X),
    "max all": (lambda x: x.max(), X),
    "min keepdims": (lambda x: np.min(x, axis=(0, 2), keepdims=True), X),
    "prod": (np.prod, X),
    "prod axis": (lambda x: np.prod(x, axis=1, keepdims=True), X),
    "prod axes": (lambda x: np.prod(x, axis=(0, 2)), X),
    "cumprod": (lambda x: np.cumprod(x, axis=1), X),
    "cumprod flat": (np.cumprod, X),
    "var": (lambda x: np.var(x, axis=1, ddof=1), X),
    "std": (lambda x: x.std(keepdims=True), X),
    "norm by hand": (lambda x: np.sqrt(np.sum(x * x, axis=-1)), X),
    "mean where": (lambda x: np.mean(x, axis=0, where=MASK | (X > -9)), X),
    "sum dtype": (lambda x: real_and_imaginary(np.sum(x, 1, dtype=np.complex128)), X),
    "max where initial": (lambda x: np.max(x, axis=1, where=MASK, initial=-0.7), X),
    "min axes": (lambda x: np.min(x, (0, 2)), X),
    "amax": (np.amax, X),
    "amin": (lambda x: np.amin(x, 0, keepdims=True), X),
    "ptp": (lambda x: np.ptp(x, axis=-1), X),
    "prod where": (lambda x: np.prod(x, axis=(0, 1), where=MASK, initial=2.0), X),
    "prod 0-d": (np.prod, np.array(2.0)),
    "cumsum 0-d": (np.cumsum, np.array(2.0)),
    "var where": (lambda x: np.var(x, axis=(0, 2), where=MASK, ddof=1), X),
    "var correction": (lambda x: np.var(x, correction=1, keepdims=True), X),
    "std mean": (lambda x: np.std(x, 1, mean=np.mean(x, 1, keepdims=True)), X),
    "var complex": (complex_of(lambda z: np.var(z, axis=1)), X, X[::-1].copy()),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=1, include_initial=True), X),
    "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=-1), X),
    # the methods of ufuncs
    "subtract.outer": (np.subtract.outer, V, W),
    "multiply.outer": (lambda x: np.multiply.outer(M, x), V),
    "add.reduceat": (lambda x: np.add.reduceat(x, [0, 3, 1, 4]), V),
    "maximum.reduceat": (lambda x: np.maximum.reduceat(x, [0, 2], axis=1), X),
    "maximum.accumulate": (np.maximum.accumulate, V),
    "fmin.accumulate": (lambda x: np.fmin.accumulate(x, axis=1), X),
    "logaddexp.reduce": (np.logaddexp.reduce, X),
    "logaddexp.reduce axes": (lambda x: np.logaddexp.reduce(x, axis=(0, 2), keepdims=True), X),
    "logaddexp.reduce where": (lambda x: np.logaddexp.reduce(x, axis=None, where=X > 0), X),
    "subtract.reduce": (np.subtract.reduce, V),
    "hypot.reduce initial": (lambda x: np.hypot.reduce(x, axis=1, initial=2.0), X),
    # out=
    "divide where out": (lambda x: np.divide(1, x, out=np.zeros_like(x), where=V > 0), V),
    "sqrt where out": (lambda x: np.sqrt(x, out=x * 1, where=V > 0), V),
    "dot out": (lambda x: np.dot(M.T, x, out=np.zeros(4, like=x)), W),
    "sum out": (lambda x: np.sum(x, 0, out=np.ones((3, 4), like=x)), X),
    "clip out": (lambda x: np.clip(x, -0.5, 0.6, out=np.zeros_like(x)), X),
    "nansum": (lambda x: np.nansum(x * (NAN / X), axis=1), X),
    "nanprod": (lambda x: np.nanprod(x * (NAN / X), axis=0), X),
    "nancumsum": (lambda x: np.nancumsum(x * (NAN / X), axis=2), X),
    "nancumprod": (lambda x: np.nancumprod(x * (NAN / X), axis=1), X),
    "nanmean": (lambda x: np.nanmean(x * (NAN / X), axis=(0, 1)), X),
    "nanvar": (lambda x: np.nanvar(x * (NAN / X), ddof=1), X),
    "nanstd": (lambda x: np.nanstd(x * (NAN / X), axis=1, keepdims=True), X),
    "nanmax": (lambda x: np.nanmax(x * (NAN / X), axis=1), X),
    "nanmin": (lambda x: np.nanmin(x * (NAN / X)), X),
    # order statistics
    "median odd": (np.median, V),
    "median even": (lambda x: np.median(x, axis=(0, -1), keepdims=True), X),
    "quantile": (lambda x: np.quantile(x, [0.1, 0.5, 0.9], axis=1), X),
    "quantile nearest": (lambda x: np.quantile(x, 0.3, method="nearest"), X),
    "quantile weibull": (lambda x: np.quantile(x, [[0.3, 0.0], [1.0, 0.8]], axis=-1, method="weibull"), X),
    "percentile": (lambda x: np.percentile(x, 30, axis=0, keepdims=True), X),
    "nanmedian": (lambda x: np.nanmedian(x * (NAN / X), axis=1), X),
    "nanquantile": (lambda x: np.nanquantile(x * (NAN / X), [0.2, 0.7], axis=(0, 2)), X),
    "nanpercentile": (lambda x: np.nanpercentile(x * (NAN / X), 35.0), X),
    "quantile weights": (lambda x: np.quantile(x, [0.2, 0.6], weights=POSITIVE, axis=2, method="inverted_cdf"), X),
    "percentile weights": (lambda x: np.percentile(x, 40, weights=X * X, method="inverted_cdf", keepdims=True), X),
    "average": (lambda x, w: np.average(x, axis=1, weights=w), X, X * X + 1),
    "average returned": (lambda x: np.average(x, returned=True), X),
    "average 1-d weights": (lambda x, w: np.average(x, axis=2, weights=w), X, POSITIVE),
    "average axes": (lambda x: np.average(x, axis=(2, 0), weights=np.arange(1.0, 9).reshape(4, 2)), X),
    "cov": (np.cov, M),
    "cov two": (lambda x, y: np.cov(x, y, rowvar=False, bias=True), M, M[::-1] * 2),
    "cov weights": (lambda x: np.cov(x, fweights=[1, 2, 1, 3], aweights=POSITIVE), M),
    "cov 1-d": (np.cov, V),
    "corrcoef": (np.corrcoef, M),
    # sorting
    "sort": (lambda x: np.sort(x, axis=1), X),
    "sort flat": (lambda x: np.sort(x, axis=None), X),
    "sort_complex": (lambda x: real_and_imaginary(np.sort_complex(x)), V),
    "partition": (lambda x: np.sort(np.partition(x, 2, axis=-1)[..., :3]), X),
    "unique": (np.unique, X),
    "unique index": (lambda x: np.unique(x, return_inverse=True)[0], X),
    "unique_values": (lambda x: np.sort(np.unique_values(x)), X),
    "union1d": (np.union1d, V, W),
    "setdiff1d": (lambda x: np.setdiff1d(x, [9.0]), V),
    "unique_all": (lambda x: np.sort(np.unique_all(x).values), X),
    "unique_counts": (lambda x: np.sort(np.unique_counts(x).values), X),
    "unique_inverse": (lambda x: np.sort(np.unique_inverse(x).values), X),
    "setxor1d": (lambda x: np.setxor1d(x, [9.0]), V),
    "full_like": (lambda x: np.full_like(np.stack([x, x]), x[1]), V),
    "ones_like": (lambda x: np.ones_like(x) * x, V),
    "bincount": (lambda w: np.bincount([0, 3, 3, 1, 0], w, 6), V),
    "sums_by_bin": (lambda w: sums_by_bin([0, 3, 1], w, 4), X[..., :3]),
    "argsort and take": (lambda x: np.take(x, np.argsort(x)), V),
    # moving
    "flip": (np.flip, X),
    "flip axis": (lambda x: np.flip(x, axis=(0, 1)), X),
    "roll": (lambda x: np.roll(x, 5), X),
    "roll axis": (lambda x: np.roll(x, (1, 2), axis=(0, 2)), X),
    "moveaxis": (lambda x: np.moveaxis(x, 0, 2), X),
    "moveaxis two": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), X),
    "swapaxes": (lambda x: x.swapaxes(0, 2), X),
    "tril": (lambda x: np.tril(x, 1), X),
    "triu": (np.triu, X),
    "reshape": (lambda x: x.reshape(4, -1), X),
    "reshape tuple": (lambda x: np.reshape(x, (6, 4)), X),
    "ravel": (lambda x: x.ravel(), X),
    "flatten": (lambda x: x.flatten(), X),
    **{f"reshape {order}": (lambda x, order=order: np.reshape(x, (4, -1), order), X) for order in "FA"},
    **{f"ravel {order}": (lambda x, order=order: x.swapaxes(0, 1).ravel(order), X) for order in "CFAK"},
    "flatten F": (lambda x: x.T.flatten("F"), X),
    "expand_dims": (lambda x: np.expand_dims(x, (0, 2)), X),
    "squeeze": (lambda x: np.squeeze(x[:1], 0), X),
    "transpose": (np.transpose, X),
    "transpose axes": (lambda x: x.transpose(1, 0, 2), X),
    "T": (lambda x: x.T, X),
    "mT": (lambda x: x.mT, X),
    "broadcast_to": (lambda x: np.broadcast_to(x[0], (5, 3, 4)), X),
    "concatenate": (lambda x: np.concatenate([x, M[np.newaxis], x * x]), X),
    "concatenate flat": (lambda x: np.concatenate([x, M], axis=None), X),
    "stack": (lambda x: np.stack([M, x[0], x[1]], axis=1), X),
    "where": (lambda x: np.where(M > 0, x, 2.0), X),
    "where other": (lambda x: np.where(M > 0, M, x * x), X),
    "clip": (lambda x: np.clip(x, -0.5, 0.6), X),
    "basic index": (lambda x: x[1, ..., ::-2], X),
    "newaxis": (lambda x: x[:, np.newaxis, 1], X),
    "integer array": (lambda x: x[:, [2, 0, 2]], X),
    "two arrays": (lambda x: x[[0, 1], [2, 0]], X),
    "arrays apart": (lambda x: x[[0, 1], :, [2, 0]], X),
    "array and integer apart": (lambda x: x[0, :, [2, 0]], X),
    "array at the back": (lambda x: x[..., [[3, 0], [1, 1]]], X),
    "boolean": (lambda x: x[X > 0], X),
    "boolean axis": (lambda x: x[:, np.array([True, False, True])], X),
    "take": (lambda x: np.take(x, [3, 1], axis=2), X),
    "take flat": (lambda x: np.take(x, [[3, 1]]), X),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.argsort(X, axis=1), axis=1), X),
    "iteration": (lambda x: sum(row * i for i, row in enumerate(x)), X),
    "astype": (lambda x: x.astype(np.float64), X),
    "copy method": (lambda x: x.copy(), X),
    "rot90": (lambda x: np.rot90(x, 3, axes=(0, 2)), X),
    "fliplr": (np.fliplr, X),
    "flipud": (np.flipud, X),
    "rollaxis": (lambda x: np.rollaxis(x, 2), X),
    "roll axes": (lambda x: np.roll(x, (1, 2), axis=(0, -1)), X),
    "tile": (lambda x: np.tile(x, (2, 1, 1, 3)), X),
    "repeat": (lambda x: np.repeat(x, [1, 0, 2], axis=1), X),
    "repeat flat": (lambda x: np.repeat(x, 2), X),
    "resize": (lambda x: np.resize(x, (5, 7)), X),
    "delete": (lambda x: np.delete(x, [0, 2], axis=-1), X),
    "diag": (np.diag, V),
    "diag of a list": (lambda v: np.diag([v[0], 2.0, v[1]], -1), V),
    "diag of a matrix": (lambda x: np.diag(x, 1), M),
    "diagflat": (lambda x: np.diagflat(x, -1), M),
    "diagonal": (lambda x: np.diagonal(x, 1, 2, 0), X),
    "linalg.diagonal": (lambda x: np.linalg.diagonal(x, offset=-1), X),
    "trace": (lambda x: np.trace(x, 1, 0, 2), X),
    "linalg.trace": (lambda x: np.linalg.trace(x, offset=1), X),
    "split": (lambda x: np.split(x, [1, 3], axis=2), X),
    "array_split": (lambda x: np.array_split(x, 3, axis=2), X),
    "hsplit": (lambda x: np.hsplit(x, 3), X),
    "vsplit": (lambda x: np.vsplit(x, 2), X),
    "dsplit": (lambda x: np.dsplit(x, 2), X),
    "unstack": (lambda x: np.unstack(x, axis=1), X),
    "copy": (np.copy, X),
    "vstack": (lambda x, y: np.vstack([x, M, y[0]]), M, X[0]),
    "hstack": (lambda x, y: np.hstack((x, y)), M, M * 2),
    "dstack": (lambda x: np.dstack([x, M]), M),
    "column_stack": (lambda x, y: np.column_stack([x, y, [1.0, 2.0, 3.0]]), M, W),
    "block": (lambda x, y: np.block([[x, np.zeros((3, 1))], [y, 2.0 * np.ones((1, 2))]]), S, W[:2]),
    "append": (lambda x, y: np.append(x, y, axis=0), M, M * 3),
    "append flat": (lambda x: np.append(M, values=x), V),
    "insert": (lambda x, y: np.insert(x, 1, y, axis=0), M, M[0]),
    "insert constant": (lambda x: np.insert(x, [1, 3], [7.0, 8.0]), V),
    "compress": (lambda x: np.compress([True, False, True], x, axis=1), X),
    "extract": (lambda x: np.extract(x > 0, x), X),
    "choose": (lambda x, y: np.choose([0, 1, 2], [x, y, 5.0]), W, W * 2),
    "select": (lambda x, y: np.select([x > 1, x < 0], [x * x, y], default=x), V, V * 2),
    "atleast": (lambda x: (np.atleast_2d(x), np.atleast_3d(x), np.atleast_1d(x)), V),
    "atleast of two": (lambda x, y: np.atleast_1d(x, y), V, np.array(2.0)),
    "meshgrid": (lambda x, y: np.meshgrid(x, y, indexing="ij"), V, W),
    "meshgrid views": (lambda x, y: np.meshgrid(x, y, copy=False), V, W),
    "meshgrid sparse": (lambda x, y: np.meshgrid(x, y, V, sparse=True), V, W),
    "broadcast_arrays of one shape": (lambda x: np.broadcast_arrays(x, 1.0), V),
    "nan_to_num in place": (lambda x: np.nan_to_num(x.copy(), copy=False), V),
    "broadcast_arrays": (lambda x: np.broadcast_arrays(x, np.ones((2, 5))), V),
    "trim_zeros": (lambda x: np.trim_zeros(np.concatenate([[0.0], x, [0.0, 0.0]])), V),
    "sliding_window_view": (lambda x: sliding_window_view(x, 2, axis=1), X),
    "sliding_window_view all": (lambda x: sliding_window_view(x, (2, 2)), M),
    "stack out of order": (lambda x, y: np.stack([y, x, y], -1), V, V * 2),
    "np.astype": (lambda x: np.astype(x, np.float64), X),
    "clip by keyword": (lambda x: np.clip(x, min=-0.5, max=0.6), X),
    "clip by old keyword": (lambda x, low: np.clip(x, a_min=low, a_max=None), X, M[:1] / 4),
    **{
        f"pad {mode}": (lambda x, mode=mode: np.pad(x, ((1, 2), (0, 3)), mode), M)
        for mode in ("constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect", "symmetric", "wrap")
    },
    "pad odd": (lambda x: np.pad(x, 2, "reflect", reflect_type="odd"), M),
    "pad value": (lambda x: np.pad(x, ((1, 0), (0, 1)), constant_values=3.0), M),
    "pad moving value": (lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=x[0, 0]), M),
    "pad moving pair": (lambda x: np.pad(x, 1, constant_values=(x[0, 0], 2.0)), M),
    "pad moving pairs": (lambda x: np.pad(x, 1, constant_values=((x[0, 0], 1.0), (2.0, x[2, 1]))), M),
    "pad, values alone": (lambda v: np.pad([[1.0, 2.0]], ((1, 0), (2, 1)), constant_values=((v[0], v[1]), (v[2], 3.0))), V),
    "pad, moving ramps": (
        lambda x: np.pad(x, ((1, 3), (2, 0)), "linear_ramp", end_values=((x[0, 1], 2.0), (x[1, 1], x[2, 0]))), M),
    "pad dict": (lambda x: np.pad(x, {-1: (1, 2)}, "linear_ramp", end_values=2.0), M),
    "pad stat_length": (lambda x: np.pad(x, 1, "mean", stat_length=2), M),
    # products
    "outer": (lambda x: np.outer(x[0], x[1, 0]), X),
    "vdot": (lambda x: np.vdot(x, x * x), X),
    "inner": (lambda x: np.inner(x, M), X),
    "dot scalar": (lambda x: np.dot(x, 2.0), X),
    "dot": (lambda x: np.dot(x, M.T), X),
    "tensordot": (lambda x: np.tensordot(x, M, axes=([1, 2], [0, 1])), X),
    "tensordot one": (lambda x: np.tensordot(M, x, axes=(0, 1)), X),
    "einsum": (lambda x, y: np.einsum("aij,ij->ja", x, y), X, M),
    "einsum implicit": (lambda x, y: np.einsum("ba,b", x, y), M, W),
    "einsum trace": (lambda x: np.einsum("ii", x), S),
    "einsum diagonal": (lambda x: np.einsum("ii->i", x), S),
    "einsum ellipsis": (lambda x, y: np.einsum("...ij,j...->i...", x, y), SS, np.moveaxis(SS, 0, -1).copy()),
    "einsum implicit ellipsis": (lambda x, y: np.einsum("...ij,...jk", x, y), SS, S),
    "einsum three": (lambda x, y: np.einsum("ij,jk,kl->il", x, y, x, optimize=True), S, S * 2),
    "einsum lists": (lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), S, S * 2),
    "einsum lists implicit": (lambda x, y: np.einsum(x, [30, 2], y, [2, 27]), S, S * 2),
    "einsum k label": (lambda x: np.einsum("AB,BC->AC", x, S), S),
    "einsum sum": (lambda x: np.einsum("i->", x), V),
    "kron": (np.kron, M, W),
    "kron 3-d": (np.kron, X, M[:2, :2]),
    "cross": (np.cross, S, W),
    "cross axis": (lambda x, y: np.cross(x, y, axis=0), S, S.T * 2),
    "linalg.cross": (np.linalg.cross, S, S * S),
    "vecdot": (np.vecdot, X, M),
    "linalg.vecdot": (lambda x, y: np.linalg.vecdot(x, y, axis=0), M, M * M),
    "vecdot complex": (complex_of(lambda z: np.vecdot(z, z * z)), V, V[::-1].copy()),
    "matvec": (np.matvec, X, POSITIVE),
    "vecmat": (np.vecmat, W, X),
    "linalg.matmul": (np.linalg.matmul, M, M.T * 2),
    "linalg.outer": (np.linalg.outer, V, W),
    "linalg.tensordot": (lambda x, y: np.linalg.tensordot(x, y, axes=1), M, M.T * 2),
    "linalg.matrix_transpose": (np.linalg.matrix_transpose, X),
    **{
        f"{name} {mode} {m}": (lambda x, y, f=f, mode=mode: f(x, y, mode), V, RNG.standard_normal(m))
        for name, f in (("convolve", np.convolve), ("correlate", np.correlate))
        for mode in ("full", "same", "valid")
        for m in (2, 3, 7, 8)
    },
    "correlate complex": (complex_of(lambda z: np.correlate(z, z[:2] * z[:2], "full")), V, V[::-1].copy()),
    **{
        f"matmul {m} {n}": (np.matmul, RNG.standard_normal(m), RNG.standard_normal(n))
        for m, n in (
            ((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (4,)), ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2)),
            ((5, 1, 3, 4), (2, 4, 2)), ((4,), (5, 4, 2)), ((5, 3, 4), (4,)),
        )
    },
    # linalg
    "inv": (np.linalg.inv, SS),
    "solve": (np.linalg.solve, S, RNG.standard_normal((3, 2))),
    "solve vector": (np.linalg.solve, SS, W),
    "solve broadcast": (np.linalg.solve, S, SS),
    "solve complex": (complex_of(lambda z: np.linalg.solve(z, z @ z)), S, SS[0] / 3),
    "det": (np.linalg.det, SS),
    "det singular": (np.linalg.det, np.outer(W, W)),
    "det rank one of four": (np.linalg.det, np.outer(POSITIVE, POSITIVE)),
    "det complex": (complex_of(np.linalg.det), S, SS[0]),
    "slogdet": (lambda x: np.linalg.slogdet(x).logabsdet, SS),
    "slogdet complex": (complex_of(lambda z: tuple(np.linalg.slogdet(z))), S, SS[0]),
    "pinv tall": (np.linalg.pinv, M.T),
    "pinv wide": (np.linalg.pinv, X),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b)[0], M.T, POSITIVE),
    "lstsq residuals": (lambda a, b: np.linalg.lstsq(a, b)[1], M.T, RNG.standard_normal((4, 2))),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, 5), SS),
    "matrix_power 0": (lambda x: np.linalg.matrix_power(x, 0) * x, SS),
    "matrix_power 1": (lambda x: np.linalg.matrix_power(x, 1), S),
    "matrix_power negative": (lambda x: np.linalg.matrix_power(x, -2), S),
    "multi_dot": (lambda x, y: np.linalg.multi_dot([x, y, M, POSITIVE]), W, S),
    "tensorinv": (lambda x: np.linalg.tensorinv(x.reshape(2, 2, 4) + np.eye(4).reshape(2, 2, 4)), RNG.standard_normal((4, 4))),
    "tensorsolve": (lambda x, b: np.linalg.tensorsolve((x + 3 * np.eye(4)).reshape(2, 2, 2, 2), b), RNG.standard_normal((4, 4)), S[:2, :2]),
    "norm": (np.linalg.norm, X),
    "norm axis": (lambda x: np.linalg.norm(x, axis=-2, keepdims=True), X),
    "norm complex": (complex_of(np.linalg.norm), V, V[::-1].copy()),
    **{f"vector norm {p}": (lambda x, p=p: np.linalg.norm(x, p, axis=1), X) for p in (1, 2, 3, 2.5, -1, np.inf, -np.inf)},
    **{
        f"matrix norm {p}": (lambda x, p=p: np.linalg.norm(x, p, axis=(2, 0), keepdims=True), X)
        for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    },
    "vector_norm": (lambda x: np.linalg.vector_norm(x, axis=(0, 2), ord=3), X),
    "vector_norm all": (np.linalg.vector_norm, X),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x, ord="nuc"), X),
    **{f"cond {p}": (lambda x, p=p: np.linalg.cond(x, p), SS) for p in (None, -2, 1, np.inf, "fro")},
    # decompositions
    "cholesky": (lambda x: np.linalg.cholesky(spd(x)), SS),
    "cholesky upper": (lambda x: np.linalg.cholesky(spd(x), upper=True), S),
    "cholesky one triangle": (np.linalg.cholesky, np.tril(S @ S.T + np.eye(3)) + np.triu(S, 1)),
    "cholesky complex": (complex_of(lambda z: np.linalg.cholesky(z @ np.conj(z).T + np.eye(3))), S, SS[0]),
    "qr": (lambda x: tuple(np.linalg.qr(x)), M.T),
    "qr wide": (lambda x: tuple(np.linalg.qr(x)), np.concatenate([SS, X], -1)),
    "qr complete": (lambda x: tuple(np.linalg.qr(x, mode="complete")), np.stack([M, M**2 - 1]).mT),
    "qr complete, one column": (lambda x: tuple(np.linalg.qr(x, mode="complete")), V[:, np.newaxis]),
    "qr complete, complex": (complex_of(lambda z: tuple(np.linalg.qr(z, "complete"))), M.T, X[0].T),
    "qr square r": (lambda x: np.linalg.qr(x, "r"), SS),
    "qr complex": (complex_of(lambda z: tuple(np.linalg.qr(z))), M.T, X[0].T),
    "eigh": (lambda x: tuple(np.linalg.eigh(x)), S + S.T),
    "eigh upper": (lambda x: tuple(np.linalg.eigh(x, "U")), SS),
    "eigh complex": (complex_of(lambda z: np.linalg.eigh(z)[0]), S, SS[0]),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(x), SS),
    "eigvals": (lambda x: np.linalg.eigvals(x), np.diag([1.0, 2.0, 4.0]) + S / 20),
    "eig": (lambda x: tuple(np.linalg.eig(x)), np.diag([1.0, 2.0, 4.0]) + S / 20),
    "eig rotation": (lambda x: [real_and_imaginary(y) for y in np.linalg.eig(x)], np.array([[0.1, 1.0], [-2.0, 0.3]])),
    "eig complex": (complex_of(lambda z: tuple(np.linalg.eig(z))), S, SS[0]),
    "svd tall": (lambda x: tuple(np.linalg.svd(x, full_matrices=False)), M.T),
    "svd wide": (lambda x: tuple(np.linalg.svd(x, full_matrices=False)), X),
    "svd square": (lambda x: tuple(np.linalg.svd(x)), S),
    "svd values": (lambda x: np.linalg.svd(x, compute_uv=False), M),
    "svd hermitian": (lambda x: np.linalg.svd(x, hermitian=True)[1], S),
    "svd complex": (complex_of(lambda z: np.linalg.svd(z, full_matrices=False)[1]), M, X[0]),
    "svdvals": (np.linalg.svdvals, X),
    # fft
    **{
        f"{f.__name__} {options}": (lambda x, f=f, options=options: real_and_imaginary(f(x, **options)), X)
        for f in (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.ihfft, np.fft.irfft, np.fft.hfft)
        for options in ({}, {"n": 5, "axis": 0, "norm": "ortho"})
    },
    **{
        f"{f.__name__} {options}": (lambda x, f=f, options=options: real_and_imaginary(f(x, **options)), X)
        for f in (np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2, np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn)
        for options in ({}, {"s": (3, 5), "axes": (0, -1)})
    },
    "fft of complex": (complex_of(lambda z: np.fft.irfft(np.fft.fft(z))), V, V[::-1].copy()),
    "fftshift": (lambda x: np.fft.fftshift(x), X),
    "ifftshift": (lambda x: np.fft.ifftshift(x, axes=(0, 2)), X),
    # sampling
    "diff": (lambda x: np.diff(x, 2, axis=0, prepend=1.0), M),
    "diff 0": (lambda x: np.diff(x, 0), M),
    "diff append": (lambda x, y: np.diff(x, append=y), M, M[:, :2]),
    "ediff1d": (lambda x: np.ediff1d(x, to_end=[1.0, 2.0], to_begin=0.0), M),
    "gradient": (np.gradient, M),
    "gradient one axis": (lambda x: np.gradient(x, [0.0, 1.0, 3.0, 3.5], axis=-1, edge_order=2), M),
    "gradient 1-d": (lambda x: np.gradient(x, 0.1), V),
    "trapezoid": (lambda y: np.trapezoid(y, dx=0.3, axis=0), M),
    "trapezoid x": (np.trapezoid, X, POSITIVE),
    "trapezoid x axis": (lambda y, x: np.trapezoid(y, x, axis=1), X, W),
    "trapezoid x full": (lambda y, x: np.trapezoid(y, x, axis=0), M, M * 2),
    "interp": (np.interp, V, np.array([-1.0, -0.2, 0.5, 1.1]), POSITIVE),
    "interp outside": (lambda x, y: np.interp(x, [-0.3, 0.4], y, left=5.0), V, W[:2]),
    "interp period": (lambda x, y: np.interp(x, [0.3, 0.1, 0.7], y, period=1.0), V, W),
    "unwrap": (lambda x: np.unwrap(x * 5, axis=0), M),
    "linspace": (lambda a, b: np.linspace(a, b, 4, axis=-1), W, W * W),
    "linspace step": (lambda a: np.linspace(a, 3.0, 4, endpoint=False, retstep=True), np.array(1.0)),
    "logspace": (lambda a, b: np.logspace(a, b, 4), np.array(0.5), np.array(2.0)),
    "geomspace": (lambda a, b: np.geomspace(a, b, 4), POSITIVE, POSITIVE[::-1] + 1),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x > 1], [np.sin, 3.0, lambda x: x * x]), X),
    "piecewise empty": (lambda x: np.piecewise(x, [x > 99, x < 99], [np.sin, np.cos]), V),
    "apply_along_axis": (lambda x: np.apply_along_axis(lambda r: np.sum(r * r), 1, x), X),
    "apply_along_axis matrix": (lambda x: np.apply_along_axis(lambda r: np.outer(r, r), 1, x), X),
    "apply_over_axes": (lambda x: np.apply_over_axes(np.sum, x, [0, 2]), X),
    # polynomials
    "polyval": (np.polyval, V, M),
    "polyadd": (np.polyadd, V, W),
    "polysub": (np.polysub, W, V),
    "polymul": (np.polymul, V, W),
    "polydiv": (np.polydiv, V, W),
    "polyder": (lambda p: np.polyder(p, 2), V),
    "polyint": (lambda p: np.polyint(p, 2, k=[1.0, 2.0]), V),
    "vander": (lambda x: np.vander(x, 4, increasing=True), V),
    "vander square": (np.vander, W),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), np.arange(5.0), V),
    "polyfit weights": (lambda y: np.polyfit(np.arange(5.0), y, 1, w=[1.0, 2, 1, 1, 3]), V),
    "poly": (np.poly, V),
    "poly of a matrix": (np.poly, S),
    "polyfit moving weights": (lambda x, y, w: np.polyfit(x, y, 2, w=w), V, V[::-1] * 2, np.arange(1.0, 6)),
    "polyfit full": (lambda x, y: np.polyfit(x, y, 2, full=True)[:2], V, V[::-1] * 2),
    **{f"polyfit cov {c}": (lambda x, y, c=c: np.polyfit(x, y, 2, cov=c), V, V[::-1] * 2) for c in (True, "unscaled")},
    "roots": (np.roots, np.array([1.0, -6.5, 11.0, -5.0])),
    "roots complex": (lambda p: real_and_imaginary(np.roots(p)), np.array([1.0, 1.0, 3.0])),
    # fwdad.functions
    "relu": (functions.relu, V),
    "sigmoid": (functions.sigmoid, V),
    "apply_operator": (lambda x: apply_operator(lambda t: 2 * t[..., ::-1], x), V),
    "softplus": (functions.softplus, V),
    "mean square": (functions.mean_square, M),
    "erf": (functions.erf, V),
    "logsumexp": (lambda x: functions.logsumexp(x, axis=1), X),
    "logsumexp axes": (lambda x: functions.logsumexp(x, (0, 2), keepdims=True), X),
    "softmax": (functions.softmax, X),
    "log_softmax": (lambda x: functions.log_softmax(x, axis=0), X),
    "softmax_cross_entropy": (lambda z: functions.softmax_cross_entropy(z, np.array([1, 0, 3])), M),
    **{
        f"affine {name}": (lambda x, w, b, name=name: functions.affine(x, w, b, name), X, M.T[:, :2], W[:2])
        for name in functions.ACTIVATIONS
    },
    "affine of a vector": (functions.affine, POSITIVE, M.T),
    "standardise": (lambda x: functions.standardise(x, (-2, -1), 1e-3), X),
    "attention": (functions.attention, X, X[::-1] * 2, X * X),
    "conv2d": (lambda x, w, b: functions.conv2d(x, w, b, Window((2, 1)), "tanh"), X[..., None], S[:2, None, None, :1], W[:1]),
    "conv2d strided": (lambda x, w: functions.conv2d(x, w, None, Window((2, 2), (1, 2), (1, 1))), X[..., None], S[:2, :2, None, None]),
    "affine bias per row": (lambda x, w, b: functions.affine(x, w, b, "tanh"), M, M.T, S),
}  # fmt: skip
if np.lib.NumpyVersion(np.__version__) < "2.3.0":
    del CASES["pad dict"]


def written(write):
    """A function of (x, v) that writes into a copy of x; the copy moves if one of the two does."""

    def f(x, v):
        y = x + 0 * np.sum(v)
        write(y, v)
        return y

    return f


WRITES = {
    "setitem": (written(lambda y, v: y.__setitem__((slice(None), [0, 2]), v[:2])), M, POSITIVE),
    "copyto": (written(lambda y, v: np.copyto(y, v)), M, POSITIVE),
    "put": (written(lambda y, v: np.put(y, [0, 5, -1], v[:3])), M, POSITIVE),
    "place": (written(lambda y, v: np.place(y, M > 0, v)), M, POSITIVE),
    "putmask": (written(lambda y, v: np.putmask(y, M > 0, v)), M, POSITIVE),
    "put_along_axis": (written(lambda y, v: np.put_along_axis(y, np.argsort(M)[:, :1], v[:3, None], 1)), M, POSITIVE),
    "fill_diagonal": (written(lambda y, v: np.fill_diagonal(y, v[0])), M, POSITIVE),
    "add.at": (written(lambda y, v: np.add.at(y, ([0, 0, 2], [1, 1, 3]), v[:3])), M, POSITIVE),
    "in place": (written(lambda y, v: y.T.__imul__(v[:3] * np.sin(y.T))), M, POSITIVE),
    "out=": (written(lambda y, v: np.multiply(y, v, out=y[::-1])), M, POSITIVE),
    "sort": (written(lambda y, v: y[1:].sort()), M, POSITIVE),
    "view of the base": (written(lambda y, v: (y[1:], y.__imul__(v))[0].__iadd__(v)), M, POSITIVE),
    "function of a write": (lambda x, v: written_copy(x, v, (), Put(operator.setitem, (0,))), M, POSITIVE),
    "function of adding": (lambda x, v: added_copy(x, v, (), Put(np.add.at, ([0, 0],))), M, POSITIVE),
}  # fmt: skip
"""Functions that write into their first argument, and the two functions by which they do so."""

CONSTANTS = {
    **{f.__name__: (lambda x, f=f: f(x, 0.5) if getattr(f, "nin", 1) == 2 else f(x)) for f in CONSTANT},
    **{f.__name__: f for f in (
        np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.all, np.any, np.count_nonzero, np.shape, np.ndim, np.size,
        np.isrealobj, np.iscomplexobj, np.common_type, np.min_scalar_type, np.result_type,
        np.array_repr, np.array_str, np.array2string, np.argsort, np.nonzero, np.flatnonzero, np.argwhere,
        np.histogram_bin_edges, np.spacing,
    )},
    "zeros_like of integers": lambda x: np.zeros_like(x, int),
    "empty_like of booleans": lambda x: np.empty_like(x, bool).shape,
    "array_equal": lambda x: np.array_equal(x, [x[0], 1.0]),
    "array_equiv": lambda x: np.array_equiv(x, x),
    "allclose": lambda x: np.allclose(x, x + 1e-12),
    "isclose": lambda x: np.isclose(x, x[0]),
    "can_cast": lambda x: np.can_cast(x.dtype, np.float32) or np.can_cast(x, np.float64),
    "may_share_memory": lambda x: np.may_share_memory(x, x[1:]),
    "shares_memory": lambda x: np.shares_memory(x, np.ones(2)),
    "matrix_rank": lambda x: np.linalg.matrix_rank(np.outer(x, x)),
    "einsum_path": lambda x: np.einsum_path("i,i->", x, x)[0],
    "diag_indices_from": lambda x: np.diag_indices_from(np.outer(x, x)),
    "tril_indices_from": lambda x: np.tril_indices_from(np.outer(x, x)),
    "triu_indices_from": lambda x: np.triu_indices_from(np.outer(x, x)),
    "argpartition": lambda x: np.argpartition(x, 2),
    "lexsort": lambda x: np.lexsort((x, [0, 1, 0, 1, 0])),
    "searchsorted": lambda x: np.searchsorted(np.sort(x), x),
    "digitize": lambda x: np.digitize(x, [-1.0, 0.0, 1.0]),
    "isin": lambda x: np.isin(x, x[:2]),
    "histogram": lambda x: np.histogram(x, [-1.0, 0.0, 1.0]),
    "histogram_bin_edges": lambda x: np.histogram_bin_edges(x, 4, (-1, 1)),
    "where of a condition": lambda x: np.where(x > 0),
    "sum dtype=int": lambda x: np.sum(x, dtype=int),
    "mean dtype=int": lambda x: np.mean(x, dtype=int),
    "cumsum dtype=int": lambda x: np.cumsum(x, dtype=int),
    "astype bool": lambda x: np.astype(x, bool),
    "copy as int": lambda x: np.copy(x).astype(int),
    "einsum dtype=int": lambda x: np.einsum("i->", x, dtype=int, casting="unsafe"),
    "concatenate dtype=int": lambda x: np.concatenate([x, x], dtype=int, casting="unsafe"),
}  # fmt: skip
"""Functions of V whose derivative is zero, and answers of dtypes that carry no tangent."""


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
def test_every_entry_has_a_case(called_rules):
    """A call counts if a case makes it, not if another rule does. SciPy's functions and numpy.polynomial's have their own tests."""

    def case(f, arrays):
        fwdad.jvp(f, tuple(arrays), tuple(np.ones_like(x) for x in arrays))

    for f, *arrays in (*CASES.values(), *WRITES.values()):
        case(f, arrays)
    for f in CONSTANTS.values():
        case(lambda x, f=f: (f(x), x)[1], [V])
    places = {f: entry.place for f, entry in ENTRIES.items()}
    ours = [f for f, place in places.items() if place.startswith(("fwdad.rules.", "fwdad.functions."))]
    elsewhere = ("fwdad.rules.scipy", "fwdad.rules.series")
    missing = {name_of(f) for f in ours if f not in called_rules and not places[f].startswith(elsewhere)}
    assert missing == set(), "give each a row in CASES, WRITES or CONSTANTS"


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("name", CONSTANTS)
def test_constant(name):
    f = CONSTANTS[name]
    answers = []
    fwdad.jvp(lambda x: (answers.append(f(x)), x)[1], (V,), (np.ones(5),))
    for answer, expected in zip(fwdad.tree.leaves(answers[0]), fwdad.tree.leaves(f(V)), strict=True):
        assert not isinstance(answer, Dual)
        assert np.array_equal(answer, expected)


@pytest.mark.parametrize("name", {**CASES, **WRITES})
def test_a_trace_is_of_the_same_numbers(name):
    """Each rule runs once more on values that write down what is done with them, and takes them as it takes arrays."""
    f, *arrays = {**CASES, **WRITES}[name]
    tangents = directions(arrays, 2)
    table = fwdad.trace(f, *arrays, tangents=tangents)
    y, dy = fwdad.jvp(f, tuple(arrays), tangents)
    for mine, theirs in ((table.y, y), (table.dy, dy)):
        for a, b in zip(fwdad.tree.leaves(mine), fwdad.tree.leaves(theirs), strict=True):
            assert np.array_equal(a, b, equal_nan=True)
    assert all(re.match(r"d.* = |dv\d+: (composed, )?see fwdad|np\.\w+\(d|d\S+ \+= ", row.rule) for row in table.rows)


@pytest.mark.parametrize("name", CASES)
def test_a_number_of_numpys_is_a_number_here(name):
    """An answer of shape () is a number, which in-place operators replace, or an array, into which they write."""
    f, *arrays = CASES[name]
    answers = []
    fwdad.jvp(lambda *x: (answers.append(f(*x)), x)[1], tuple(arrays), directions(arrays, 2))
    for answer, expected in zip(fwdad.tree.leaves(answers), fwdad.tree.leaves(f(*arrays)), strict=True):
        assert isinstance(plain(answer), np.ndarray) == isinstance(expected, np.ndarray)


@pytest.mark.parametrize("name", CASES)
def test_a_view_of_numpys_is_a_view_here(name):
    """What is written into the answer reaches the argument, and the other way round, where NumPy's arrays share memory."""
    f, *arrays = CASES[name]

    def program(x, *rest, write_answer):
        x = x.copy()
        y = f(x, *rest)
        target, other = (y, x) if write_answer else (x, y)
        for leaf in fwdad.tree.leaves(target):
            if np.ndim(leaf):
                leaf[...] = np.sin(leaf)
        return other

    for write_answer in (False, True):
        try:
            expected = program(*arrays, write_answer=write_answer)
        except (ValueError, DeprecationWarning):  # a view that is read-only, or that NumPy warns not to write into
            continue
        found = fwdad.jvp(lambda *x, w=write_answer: program(*x, write_answer=w), tuple(arrays), directions(arrays, 1))[
            0
        ]
        expect_trees_close(found, expected, 1e-14, "value")
        check_jvp(lambda *x, w=write_answer: program(*x, write_answer=w), arrays, tolerance=1e-6)


@pytest.mark.parametrize("name", CASES | WRITES)
def test_jvp(name):
    f, *arrays = (CASES | WRITES)[name]
    check_jvp(f, arrays, tolerance=1e-6)
    if len(arrays) > 1 and "complex" not in name:  # duals and constants mixed
        for i in range(len(arrays)):
            check_jvp(lambda x, i=i: f(*arrays[:i], x, *arrays[i + 1 :]), [arrays[i]], tolerance=1e-6)


@pytest.mark.parametrize("shapes", [((0, 4), (4, 2)), ((3, 0), (0, 2))])
def test_matmul_of_empty_matrices(shapes):
    check_jvp(np.matmul, [np.ones(shape) for shape in shapes])


FOLLOWS_MEMORY = {"reshape A", "ravel K"}  # the order of their answers is that of the memory


@pytest.mark.parametrize("name", [name for name in CASES if name not in FOLLOWS_MEMORY])
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: x[::-1].copy()[::-1]], ids=["F", "reversed"])
def test_memory_layout(name, layout):
    f, *arrays = CASES[name]
    v = directions(arrays, 2)
    expected = fwdad.jvp(f, tuple(arrays), v)
    moved = [(layout(x), layout(t)) if x.ndim else (x, t) for x, t in zip(arrays, v, strict=True)]
    found = fwdad.jvp(f, *zip(*moved, strict=True))
    for a, b in zip(found, expected, strict=True):
        expect_trees_close(a, b, 1e-9, "another layout")


@pytest.mark.parametrize("name", CASES | WRITES)
def test_second_derivative(name):
    f, *arrays = (CASES | WRITES)[name]
    directions = tuple(np.cos(np.arange(x.size) + 1.0).reshape(x.shape) for x in arrays)
    check_jvp(lambda *x: fwdad.jvp(f, x, directions)[1], arrays, tolerance=1e-5, k=2)


@pytest.mark.parametrize("name", CASES | WRITES)
def test_float32(name):
    f, *arrays = (CASES | WRITES)[name]
    directions = tuple(np.cos(np.arange(2 * x.size) + 1.0).reshape(2, *x.shape) for x in arrays)
    small = tuple(x.astype(np.float32) for x in arrays)
    y, dy = fwdad.jvp(f, small, tuple(v.astype(np.float32) for v in directions))
    truth = fwdad.jvp(f, tuple(x.astype(np.float64) for x in small), directions)[1]
    for numpys, value, t, expected in zip(
        *(fwdad.tree.leaves(tree) for tree in (f(*small), y, dy, truth)), strict=True
    ):
        assert value.dtype == t.dtype == np.asarray(numpys).dtype
        assert np.all(np.abs(t - expected) <= 1e-3 * (1 + np.max(np.abs(expected), initial=0)))


NARROW = (np.uint8, np.int8, np.bool_, np.int64, np.float16)

KEEP_THEIR_DTYPE = ("atleast of two", "meshgrid", "insert")
"""Cases with a result of the constant's own dtype."""

OF_FLOATS_ALONE = ("affine", "conv2d", "attention")
"""Functions of this library, whose kernels take one floating dtype and refuse others."""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at the whole numbers
@pytest.mark.parametrize(
    ("name", "moving"),
    [
        (name, i)
        for name, (_, *arrays) in CASES.items()
        if not name.startswith((*KEEP_THEIR_DTYPE, *OF_FLOATS_ALONE)) and len(arrays) > 1
        for i in range(len(arrays))
    ],
)
def test_constants_of_narrow_dtypes(name, moving):
    """A rule computes with a constant in the answer's dtype: whole numbers give what the same float64 numbers give."""
    f, *arrays = CASES[name]
    x, v = arrays[moving], np.cos(np.arange(arrays[moving].size) + 1.0).reshape(arrays[moving].shape)

    def along(constants):
        return fwdad.jvp(lambda x: f(*constants[:moving], x, *constants[moving + 1 :]), (x,), (v,))

    for dtype in NARROW:
        if dtype == np.float16 and "solve" in name:  # np.linalg does not know it
            continue
        constants = [np.round(np.abs(3 * a) % 120 + 1).astype(dtype) for a in arrays]
        try:
            expected = along([c.astype(np.float64) for c in constants])
        except np.linalg.LinAlgError:  # a matrix of ones
            continue
        for a, b in zip(fwdad.tree.leaves(along(constants)), fwdad.tree.leaves(expected), strict=True):
            assert np.allclose(a, b, rtol=1e-12, atol=1e-13, equal_nan=True), dtype


U = np.array([200, 100, 0], np.uint8)
IN_OTHER_WORDS = {
    "interp": (lambda x, c: np.interp(x, np.arange(3), c), 0.5, 150, -100),
    "power": (lambda x, c: (c[:1] - c[:1] + np.int8(3)) ** x, 0.5, 3**0.5, 3**0.5 * np.log(3)),
    "list": (lambda x, c: np.interp(x, [0, 1, 2], c.tolist()), 0.5, 150, -100),
    "trapezoid": (lambda x, c: np.trapezoid(x * np.ones(3), c), 1.0, -200, -200),
    "gradient": (lambda x, c: np.gradient(x * np.array([0, 1, 4]), c[::-1])[0], 1.0, 0.01, 0.01),
    "lstsq": (lambda x, c: np.linalg.lstsq(np.array([[1, 2], [3, 5], [1, 1]]), x * np.array([1, 3, 1]))[0][0], 2.0, 2, 1),
    "multi_dot": (lambda x, c: np.linalg.multi_dot([c, c[:, None], x * np.ones(1)]), 0.5, 25000, 50000),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_OTHER_WORDS)
def test_a_constant_is_widened_before_it_is_used(name):
    f, x, value, slope = IN_OTHER_WORDS[name]
    y, dy = fwdad.jvp(lambda x: f(x, U), (x,), (1.0,))
    assert y == pytest.approx(value, rel=1e-12)
    assert dy == pytest.approx(slope, rel=1e-12)


def test_linspace_ends_at_its_end():
    start, stop = np.array([0.1, 1 / 3]), np.array([0.7, 1e3])
    y, dy = fwdad.jvp(lambda a, b: np.linspace(a, b, 7), (start, stop), (np.zeros(2), np.array([1 / 3, 0.1])))
    assert np.array_equal(y, np.linspace(start, stop, 7))
    assert dy[-1].tolist() == [1 / 3, 0.1]


def directions(arrays, k):
    rng = np.random.default_rng(3)
    return tuple(rng.standard_normal((k, *x.shape)) for x in arrays)


def expect_trees_close(value, expected, tolerance, message):
    for a, b in zip(fwdad.tree.leaves(value), fwdad.tree.leaves(expected), strict=True):
        expect_close(a, b, tolerance, message)


@pytest.mark.parametrize("name", CASES | WRITES)
def test_linearize(name):
    f, *arrays = (CASES | WRITES)[name]
    v = directions(arrays, 3)
    y, linear = fwdad.linearize(f, *arrays)
    expected = fwdad.jvp(f, tuple(arrays), v)
    expect_trees_close(y, expected[0], 1e-14, "value")
    expect_trees_close(linear(*v), expected[1], 1e-12, "3 directions")
    expect_trees_close(linear(*(t[1] for t in v)), fwdad.tree.map(lambda t: t[1], expected[1]), 1e-12, "one direction")


@pytest.mark.parametrize("name", CASES | WRITES)
def test_jet(name):
    """The third derivative along a curve is that of three nested transforms."""
    f, *arrays = (CASES | WRITES)[name]
    v = directions(arrays, 3)

    def along(t):
        return f(*(x + t * (d[0] + t * (d[1] / 2 + t * d[2] / 6)) for x, d in zip(arrays, v, strict=True)))

    y, found = fwdad.jet(f, tuple(arrays), tuple([d[0], d[1], d[2]] for d in v))
    expect_trees_close(y, f(*arrays), 1e-14, "value")
    expected = along
    for order, derivative in enumerate(found, start=1):
        expected = fwdad.derivative(expected)
        expect_trees_close(derivative, expected(0.0), 1e-6, f"order {order}")


@pytest.mark.parametrize("name", CASES | WRITES)
def test_laplacian(name):
    """It is the sum over entries of the second derivatives along them."""
    f, *arrays = (CASES | WRITES)[name]
    n = sum(x.size for x in arrays)
    units = np.split(np.eye(n), np.cumsum([x.size for x in arrays])[:-1], axis=1)
    units = tuple(u.reshape(n, *x.shape) for u, x in zip(units, arrays, strict=True))

    def slopes(*x):
        return fwdad.jvp(f, x, units)[1]

    second = fwdad.jvp(slopes, tuple(arrays), units)[1]
    expected = fwdad.tree.map(lambda t: np.einsum("ii...->...", t), second)
    found = fwdad.laplacian(f, tuple(range(len(arrays))))(*arrays)
    expect_trees_close(found, expected, 1e-6, "laplacian")


@pytest.mark.parametrize("name", CASES | WRITES)
def test_sparse_jacobian(name):
    f, *arrays = (CASES | WRITES)[name]
    argnums = tuple(range(len(arrays)))
    n = sum(x.size for x in arrays)
    units = np.split(np.eye(n), np.cumsum([x.size for x in arrays])[:-1], axis=1)
    dy = fwdad.jvp(f, tuple(arrays), tuple(u.reshape(n, *x.shape) for u, x in zip(units, arrays, strict=True)))[1]
    dense = np.concatenate([t.reshape(n, -1) for t in fwdad.tree.leaves(dy)], axis=1).T
    expect_close(fwdad.sparse_jacfwd(f, argnums)(*arrays).dense(), dense, 1e-9, "sparse")
