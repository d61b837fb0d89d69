"""scipy.stats: log-densities, distribution functions and their inverses of the common families.

A row is the mathematics of the standard distribution, ``z = (x - loc) / scale``; what is not in a row follows from it. All
are NumPy programs, so the shapes move as well, wherever scipy.special knows the derivative by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np
import scipy.special as sp
import scipy.stats as stats

from fwdad.dual import Array, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.replacing import replaces

HALF_LOG_2PI = math.log(2 * math.pi) / 2
INF = math.inf


class Family(NamedTuple):
    """A standard distribution: functions of z (or q) and the shapes, by the names of SciPy's methods.

    `low` and `high` are the ends of the support, numbers or functions of the shapes. Without `cdf` the distribution
    function has no rule; `sf` is ``1 - cdf`` if it is not given.
    """

    logpdf: Callable[..., Array]
    cdf: Callable[..., Array] | None = None
    sf: Callable[..., Array] | None = None
    ppf: Callable[..., Array] | None = None
    logcdf: Callable[..., Array] | None = None
    logsf: Callable[..., Array] | None = None
    low: Any = -INF
    high: Any = INF


def _normal(z: Array) -> Array:
    return -z * z / 2 - HALF_LOG_2PI


def _t(z: Array, v: Array) -> Array:
    constant = sp.gammaln((v + 1) / 2) - sp.gammaln(v / 2) - np.log(v * math.pi) / 2
    return constant - (v + 1) / 2 * np.log1p(z * z / v)


def _f(z: Array, m: Array, n: Array) -> Array:
    constant = sp.xlogy(m / 2, m) + sp.xlogy(n / 2, n) - sp.betaln(m / 2, n / 2)
    return constant + sp.xlogy(m / 2 - 1, z) - (m + n) / 2 * np.log(n + m * z)


def _between(a: Array, b: Array) -> Array:
    """Return the normal probability of an interval, without cancellation in the tails."""
    right = np.greater(plain(a), 0)
    return sp.ndtr(np.where(right, -a, b)) - sp.ndtr(np.where(right, -b, a))


def _laplace_tail(z: Array) -> Array:
    """Return the probability right of z."""
    left = np.less(plain(z), 0)
    tail = np.exp(np.where(left, z, -z)) / 2
    return np.where(left, 1 - tail, tail)


# fmt: off
CONTINUOUS = {
    "beta": Family(
        lambda z, a, b: sp.xlogy(a - 1, z) + sp.xlog1py(b - 1, -z) - sp.betaln(a, b),
        lambda z, a, b: sp.betainc(a, b, z), lambda z, a, b: sp.betaincc(a, b, z), lambda q, a, b: sp.betaincinv(a, b, q), low=0, high=1),
    "cauchy": Family(
        lambda z: -math.log(math.pi) - np.log1p(z * z),
        lambda z: np.arctan2(1, -z) / math.pi, lambda z: np.arctan2(1, z) / math.pi, lambda q: np.tan(math.pi * (q - 0.5))),
    "chi2": Family(
        lambda z, v: sp.xlogy(v / 2 - 1, z) - z / 2 - sp.gammaln(v / 2) - math.log(2) * v / 2,
        lambda z, v: sp.chdtr(v, z), lambda z, v: sp.chdtrc(v, z), lambda q, v: 2 * sp.gammaincinv(v / 2, q), low=0),
    "expon": Family(
        lambda z: -z,
        lambda z: -np.expm1(-z), lambda z: np.exp(-z), lambda q: -np.log1p(-q), logsf=lambda z: -z, low=0),
    "f": Family(
        _f,
        lambda z, m, n: sp.fdtr(m, n, z), lambda z, m, n: sp.fdtrc(m, n, z), lambda q, m, n: sp.fdtri(m, n, q), low=0),
    "gamma": Family(
        lambda z, a: sp.xlogy(a - 1, z) - z - sp.gammaln(a),
        lambda z, a: sp.gammainc(a, z), lambda z, a: sp.gammaincc(a, z), lambda q, a: sp.gammaincinv(a, q), low=0),
    "gumbel_l": Family(
        lambda z: z - np.exp(z),
        lambda z: -np.expm1(-np.exp(z)), lambda z: np.exp(-np.exp(z)), lambda q: np.log(-np.log1p(-q)), logsf=lambda z: -np.exp(z)),
    "gumbel_r": Family(
        lambda z: -z - np.exp(-z),
        lambda z: np.exp(-np.exp(-z)), lambda z: -np.expm1(-np.exp(-z)), lambda q: -np.log(-np.log(q)), logcdf=lambda z: -np.exp(-z)),
    "halfcauchy": Family(
        lambda z: math.log(2 / math.pi) - np.log1p(z * z),
        lambda z: 2 / math.pi * np.arctan(z), lambda z: 2 / math.pi * np.arctan2(1, z), lambda q: np.tan(math.pi / 2 * q), low=0),
    "halfnorm": Family(
        lambda z: math.log(2 / math.pi) / 2 - z * z / 2,
        lambda z: sp.erf(z / math.sqrt(2)), lambda z: sp.erfc(z / math.sqrt(2)), lambda q: sp.ndtri((1 + q) / 2), low=0),
    "invgamma": Family(
        lambda z, a: -(a + 1) * np.log(z) - sp.gammaln(a) - 1 / z,
        lambda z, a: sp.gammaincc(a, 1 / z), lambda z, a: sp.gammainc(a, 1 / z), lambda q, a: 1 / sp.gammainccinv(a, q), low=0),
    "invgauss": Family(
        lambda z, mu: -HALF_LOG_2PI - 1.5 * np.log(z) - np.square(z / mu - 1) / (2 * z), low=0),
    "laplace": Family(
        lambda z: -np.abs(z) - math.log(2),
        lambda z: _laplace_tail(-z), _laplace_tail, lambda q: np.where(np.less(plain(q), 0.5), np.log(2 * q), -np.log(2 * (1 - q)))),
    "logistic": Family(
        lambda z: sp.log_expit(z) + sp.log_expit(-z),
        sp.expit, lambda z: sp.expit(-z), sp.logit, sp.log_expit, lambda z: sp.log_expit(-z)),
    "lognorm": Family(
        lambda z, s: _normal(np.log(z) / s) - np.log(s * z),
        lambda z, s: sp.ndtr(np.log(z) / s), lambda z, s: sp.ndtr(-np.log(z) / s), lambda q, s: np.exp(s * sp.ndtri(q)),
        lambda z, s: sp.log_ndtr(np.log(z) / s), lambda z, s: sp.log_ndtr(-np.log(z) / s), low=0),
    "maxwell": Family(
        lambda z: math.log(2 / math.pi) / 2 + 2 * np.log(z) - z * z / 2,
        lambda z: sp.gammainc(1.5, z * z / 2), lambda z: sp.gammaincc(1.5, z * z / 2), lambda q: np.sqrt(2 * sp.gammaincinv(1.5, q)), low=0),
    "norm": Family(
        _normal,
        sp.ndtr, lambda z: sp.ndtr(-z), sp.ndtri, sp.log_ndtr, lambda z: sp.log_ndtr(-z)),
    "pareto": Family(
        lambda z, b: np.log(b) - (b + 1) * np.log(z),
        lambda z, b: -np.expm1(-b * np.log(z)), lambda z, b: np.power(z, -b), lambda q, b: np.power(1 - q, -1 / b), low=1),
    "powerlaw": Family(
        lambda z, a: np.log(a) + sp.xlogy(a - 1, z),
        lambda z, a: np.power(z, a), None, lambda q, a: np.power(q, 1 / a), low=0, high=1),
    "rayleigh": Family(
        lambda z: np.log(z) - z * z / 2,
        lambda z: -np.expm1(-z * z / 2), lambda z: np.exp(-z * z / 2), lambda q: np.sqrt(-2 * np.log1p(-q)), logsf=lambda z: -z * z / 2, low=0),
    "skewnorm": Family(
        lambda z, a: math.log(2) + _normal(z) + sp.log_ndtr(a * z),
        lambda z, a: sp.ndtr(z) - 2 * sp.owens_t(z, a), lambda z, a: sp.ndtr(-z) + 2 * sp.owens_t(z, a)),
    "t": Family(
        _t,
        lambda z, v: sp.stdtr(v, z), lambda z, v: sp.stdtr(v, -z), lambda q, v: sp.stdtrit(v, q)),
    "truncnorm": Family(
        lambda z, a, b: _normal(z) - np.log(_between(a, b)),
        lambda z, a, b: _between(a, z) / _between(a, b), lambda z, a, b: _between(z, b) / _between(a, b), low=lambda a, b: a, high=lambda a, b: b),
    "uniform": Family(
        lambda z: 0 * z,
        lambda z: z, lambda z: 1 - z, lambda q: q, low=0, high=1),
    "vonmises": Family(
        lambda z, kappa: kappa * (np.cos(z) - 1) - 2 * HALF_LOG_2PI - np.log(sp.i0e(kappa))),
    "weibull_min": Family(
        lambda z, c: np.log(c) + sp.xlogy(c - 1, z) - np.power(z, c),
        lambda z, c: -np.expm1(-np.power(z, c)), lambda z, c: np.exp(-np.power(z, c)), lambda q, c: np.power(-np.log1p(-q), 1 / c), logsf=lambda z, c: -np.power(z, c), low=0),
}

DISCRETE = {
    "bernoulli": Family(
        lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1 - k, -p),
        lambda k, p: np.where(np.less(k, 1), 1 - p, 1), lambda k, p: np.where(np.less(k, 1), p, 0), low=0, high=1),
    "binom": Family(
        lambda k, n, p: sp.gammaln(n + 1) - sp.gammaln(k + 1) - sp.gammaln(n - k + 1) + sp.xlogy(k, p) + sp.xlog1py(n - k, -p),
        lambda k, n, p: sp.bdtr(k, n, p), lambda k, n, p: sp.bdtrc(k, n, p), low=0, high=lambda n, p: n),
    "geom": Family(
        lambda k, p: sp.xlog1py(k - 1, -p) + np.log(p),
        lambda k, p: -np.expm1(k * np.log1p(-p)), lambda k, p: np.exp(k * np.log1p(-p)), logsf=lambda k, p: k * np.log1p(-p), low=1),
    "nbinom": Family(
        lambda k, n, p: sp.gammaln(n + k) - sp.gammaln(k + 1) - sp.gammaln(n) + sp.xlogy(n, p) + sp.xlog1py(k, -p),
        lambda k, n, p: sp.betainc(n, k + 1, p), lambda k, n, p: sp.betaincc(n, k + 1, p), low=0),
    "poisson": Family(
        lambda k, mu: sp.xlogy(k, mu) - mu - sp.gammaln(k + 1),
        lambda k, mu: sp.pdtr(k, mu), lambda k, mu: sp.pdtrc(k, mu), low=0),
}
# fmt: on


def as_numbers(value: Any) -> Array:
    """Make an array of a list or a tuple."""
    return np.asarray(value, float) if isinstance(value, (list, tuple)) else value


class Call:
    """A method's arguments: the family, its shapes, and x (or q) with loc and scale."""

    def __init__(self, families: dict[str, Family], distribution: Any, method: str, args: Any, kwds: Any) -> None:
        if distribution.name not in families:
            refuse(f"{distribution.name}.{method}")
        self.family = families[distribution.name]
        names = distribution.shapes.replace(" ", "").split(",") if distribution.shapes else []
        given = {"loc": 0, "scale": 1, **dict(zip([*names, "loc", "scale"], args, strict=False)), **kwds}
        given = {name: as_numbers(v) for name, v in given.items()}
        self.shapes, self.loc, self.scale = [given[name] for name in names], given["loc"], given["scale"]
        ends = (self.family.low, self.family.high)
        self.low, self.high = (plain(end(*self.shapes)) if callable(end) else end for end in ends)

    def standard(self, x: Array) -> Array:
        """Return ``z = (x - loc) / scale``."""
        return (x - self.loc) / self.scale

    def at(self, function: Callable[..., Array], z: Array, inside: Any) -> Array:
        """Evaluate a function of z and the shapes where z is inside of the support, and at a point of it elsewhere."""
        low = np.where(np.isfinite(self.low), self.low, np.where(np.isfinite(self.high), self.high - 2.0, -1.0))
        high = np.where(np.isfinite(self.high), self.high, low + 2.0)
        return function(np.where(inside, z, (low + high) / 2), *self.shapes)

    def tail(self, z: Array, side: str, is_low: Callable[..., Any], is_high: Callable[..., Any]) -> Array:
        """Return the probability on one side of z, "cdf" or "sf", or its logarithm, "logcdf" or "logsf"."""
        f = self.family
        cdf = f.cdf or refuse(side)
        sf = f.sf or (lambda z, *shapes: 1 - cdf(z, *shapes))
        at_low, at_high, formula = {
            "cdf": (0.0, 1.0, cdf),
            "sf": (1.0, 0.0, sf),
            "logcdf": (-INF, 0.0, f.logcdf or (lambda z, *shapes: np.log(cdf(z, *shapes)))),
            "logsf": (0.0, -INF, f.logsf or (lambda z, *shapes: np.log(sf(z, *shapes)))),
        }[side]
        low, high = is_low(plain(z), self.low), is_high(plain(z), self.high)
        return np.where(low, at_low, np.where(high, at_high, self.at(formula, z, ~(low | high))))


def refuse(name: str) -> NoReturn:
    """Raise LostDerivativeError for a distribution, or a method of it, that is in no row."""
    raise LostDerivativeError(
        f"scipy.stats.{name} has no JVP rule: write it with NumPy and scipy.special, or call it on fwdad.stop_gradient(x)"
    )


def continuous(method: str) -> Callable[..., Array]:
    """Make the rule of a method of continuous distributions."""

    def rule(self: Any, x: Array, *args: Any, **kwds: Any) -> Array:
        call = Call(CONTINUOUS, self, method, args, kwds)
        positive = np.greater(plain(call.scale), 0)
        call.scale = np.where(positive, call.scale, 1)
        if method in ("ppf", "isf"):
            ppf = call.family.ppf or refuse(f"{self.name}.{method}")
            answer = ppf(1 - x if method == "isf" else x, *call.shapes) * call.scale + call.loc
        elif method in ("pdf", "logpdf"):
            z = call.standard(as_numbers(x))
            inside = np.greater_equal(plain(z), call.low) & np.less_equal(plain(z), call.high)
            answer = np.where(inside, call.at(call.family.logpdf, z, inside) - np.log(call.scale), -INF)
            answer = np.exp(answer) if method == "pdf" else answer
        else:
            answer = call.tail(call.standard(as_numbers(x)), method, np.less_equal, np.greater_equal)
        return np.where(positive, answer, np.nan)[()]

    return rule


def discrete(method: str) -> Callable[..., Array]:
    """Make the rule of a method of discrete distributions, whose k does not move."""

    def rule(self: Any, k: Array, *args: Any, **kwds: Any) -> Array:
        call = Call(DISCRETE, self, method, args, kwds)
        z = np.asarray(as_numbers(plain(k)) - plain(call.loc), float)
        if method not in ("pmf", "logpmf"):
            return call.tail(np.floor(z), method, np.less, np.greater_equal)[()]
        inside = np.greater_equal(z, call.low) & np.less_equal(z, call.high) & np.equal(z, np.floor(z))
        answer = np.where(inside, call.at(call.family.logpdf, z, inside), -INF)[()]
        return np.exp(answer) if method == "pmf" else answer

    return rule


for _method in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf"):
    replaces(stats.rv_continuous, _method, singular="constant outside of the support")(continuous(_method))
for _method in ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"):
    replaces(stats.rv_discrete, _method, singular="constant outside of the support")(discrete(_method))


# Distributions of vectors.
_Normal: Any = type(stats.multivariate_normal)
_Dirichlet: Any = type(stats.dirichlet)


def _whitening(cov: Array, allow_singular: bool) -> tuple[Array, Array, int]:
    """Return W with ``W^T W = C^+``, log det C and the rank: by Cholesky's factor, of a singular C by its eigenvectors."""
    if not allow_singular:
        factor = np.linalg.cholesky(cov)
        return np.linalg.inv(factor), 2 * np.sum(np.log(np.diagonal(factor))), cov.shape[-1]
    w, v = np.linalg.eigh(cov)
    kept = plain(w) > 1e6 * np.finfo(plain(w).dtype).eps * np.max(np.abs(plain(w)))  # as SciPy does
    w, v = w[kept], v[:, kept]
    return np.matrix_transpose(v / np.sqrt(w)), np.sum(np.log(w)), len(w)


def _covariance(mean: Array, cov: Array) -> Array:
    """Return cov as a matrix; a number stands for a multiple of the identity, a vector for a diagonal."""
    if np.ndim(cov) == 2:
        return cov
    return cov * np.eye(np.size(plain(mean)) if mean is not None else np.size(plain(cov)))


@replaces(_Normal, "logpdf", singular="LinAlgError unless cov is positive definite, or allow_singular")
def _normal_logpdf(self: Any, x: Array, mean: Array = None, cov: Array = 1, allow_singular: bool = False) -> Array:
    """``-|W (x - m)|^2 / 2 - log det(2 pi C) / 2``."""
    x, mean, cov = as_numbers(x), as_numbers(mean), as_numbers(cov)
    cov = _covariance(mean, cov)
    white, log_det, rank = _whitening(cov, allow_singular)
    difference = np.atleast_1d(x if mean is None else x - mean)
    n = cov.shape[-1]
    difference = difference if difference.shape[-1] == n else difference[..., np.newaxis]
    scaled = np.matmul(difference, np.matrix_transpose(white))
    return (-np.sum(scaled * scaled, -1) / 2 - log_det / 2 - rank * HALF_LOG_2PI)[()]


@replaces(_Normal, "entropy", singular="LinAlgError unless cov is positive definite")
def _normal_entropy(self: Any, mean: Array = None, cov: Array = 1) -> Array:
    """``log det(2 pi e C) / 2``."""
    _, log_det, rank = _whitening(_covariance(as_numbers(mean), as_numbers(cov)), False)
    return log_det / 2 + rank * (HALF_LOG_2PI + 0.5)


@replaces(_Normal, "pdf", singular="LinAlgError unless cov is positive definite")
def _normal_pdf(self: Any, *args: Any, **kwds: Any) -> Array:
    return np.exp(self.logpdf(*args, **kwds))


@replaces(_Dirichlet, "logpdf")
def _dirichlet_logpdf(self: Any, x: Array, alpha: Array) -> Array:
    x, alpha = as_numbers(x), as_numbers(alpha)
    if np.shape(x)[0] == np.shape(alpha)[0] - 1:
        x = np.concatenate([x, 1 - np.sum(x, 0, keepdims=True)])
    constant = sp.gammaln(np.sum(alpha)) - np.sum(sp.gammaln(alpha))
    return constant + np.sum(np.moveaxis(sp.xlogy(alpha - 1, np.moveaxis(x, 0, -1)), -1, 0), 0)


@replaces(_Dirichlet, "pdf")
def _dirichlet_pdf(self: Any, x: Array, alpha: Array) -> Array:
    return np.exp(self.logpdf(x, alpha))
