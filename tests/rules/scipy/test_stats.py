"""scipy.stats under every transform, against differences of SciPy's own functions."""

import inspect

import numpy as np
import pytest

import fwdad
from fwdad.testing import check_jvp

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
from fwdad.rules.scipy.stats import CONTINUOUS, DISCRETE  # noqa: E402

SHAPES = {
    "beta": (2.3, 1.7), "chi2": (3.4,), "f": (3.1, 5.2), "gamma": (2.3,), "invgamma": (2.4,), "invgauss": (0.8,),
    "lognorm": (0.6,), "pareto": (1.6,), "powerlaw": (1.8,), "skewnorm": (1.3,), "t": (4.2,), "truncnorm": (-0.7, 1.4),
    "vonmises": (1.4,), "weibull_min": (1.7,),
}  # fmt: skip
UNKNOWN = {
    "beta": ("a", "b"), "chi2": ("df",), "f": ("dfn", "dfd"), "gamma": ("a",), "invgamma": ("a",), "t": ("df",),
    "nbinom": ("n",),
}  # fmt: skip
"""Shapes by which the distribution function has no derivative in scipy.special."""
LOC, SCALE, Q = 0.3, 1.4, np.array([0.2, 0.55, 0.8])
METHODS = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")


def has(name, method):
    family = CONTINUOUS[name]
    return method in ("pdf", "logpdf") or (family.ppf if method in ("ppf", "isf") else family.cdf) is not None


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name):
    shapes, distribution = SHAPES.get(name, ()), getattr(stats, name)
    x = distribution.ppf(Q, *shapes, LOC, SCALE)
    for method in METHODS:
        point = Q if method in ("ppf", "isf") else x
        f = getattr(distribution, method)
        if not has(name, method):
            with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.stats"):
                fwdad.jvp(lambda x, f=f: f(x, *shapes), (point,), (point,))
            continue
        check_jvp(lambda x, loc, scale, f=f: f(x, *shapes, loc=loc, scale=scale), [point, LOC, SCALE], tolerance=1e-6)
        if shapes and (method in ("pdf", "logpdf") or name not in UNKNOWN):
            check_jvp(lambda *shapes, f=f, point=point: f(point, *shapes, LOC, SCALE), shapes, tolerance=1e-6)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_ends_of_the_support(name):
    """Values are SciPy's own; derivatives outside are zero, but for a log-density, which is -inf there."""
    shapes, distribution = SHAPES.get(name, ()), getattr(stats, name)
    x = np.array([-30.0, 0.4, 25.0]) if name not in ("skewnorm", "vonmises") else np.array([0.4])
    for method in METHODS[:6]:
        if has(name, method):
            y, dy = fwdad.jvp(lambda x, m=method: getattr(distribution, m)(x, *shapes), (x,), (np.ones_like(x),))
            assert np.allclose(y, getattr(distribution, method)(x, *shapes), rtol=1e-12, atol=1e-14, equal_nan=True)
            assert np.all(np.isfinite(dy))
    y = fwdad.jvp(lambda scale: distribution.logpdf(0.4, *shapes, scale=scale), (-1.0,), (1.0,))[0]
    assert np.isnan(y)


POINTS = {"bernoulli": (0.3,), "binom": (5, 0.3), "geom": (0.3,), "nbinom": (3.5, 0.3), "poisson": (1.7,)}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    k, distribution, shapes = np.array([-1, 0, 1, 2, 4]), getattr(stats, name), POINTS[name]
    for method in ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"):
        f = getattr(distribution, method)
        value, change = fwdad.jvp(lambda p, f=f: f(k, *shapes[:-1], p), (shapes[-1],), (1.0,))
        assert np.allclose(value, f(k, *shapes), rtol=1e-12, atol=1e-15)
        low, high = f(k, *shapes[:-1], shapes[-1] - 1e-5), f(k, *shapes[:-1], shapes[-1] + 1e-5)
        finite = np.isfinite(value)
        assert np.allclose(change[finite], (high[finite] - low[finite]) / 2e-5, rtol=1e-7, atol=1e-8)
        assert np.all(np.isfinite(change))


LINE = np.array([1.0, 2.0])
A = np.array([[1.0, 0.2], [-0.3, 0.8]])
CASES = {
    "norm": (lambda x, m, s: stats.norm.logpdf(x, m, s), Q, 0.1, 1.3),
    "norm, frozen": (lambda x, m, s: stats.norm(m, s).logcdf(x), Q, 0.1, 1.3),
    "gamma": (lambda x, a: stats.gamma.logpdf(x, a), Q, 2.3),
    "gamma, frozen": (lambda x, a: stats.gamma(a, scale=2.0).logpdf(x), Q, 2.3),
    "truncnorm": (lambda x, a, b: stats.truncnorm.cdf(x, a, b), Q, -0.7, 1.4),
    "poisson": (lambda mu: stats.poisson.logpmf([0, 2, 5], mu), 1.7),
    "multivariate_normal": (
        lambda x, m, a: stats.multivariate_normal.logpdf(x, m, a @ a.T + np.eye(2)),
        A - 1,
        A[0],
        A,
    ),
    "multivariate_normal, entropy": (lambda a: stats.multivariate_normal.entropy(A[0], a @ a.T + np.eye(2)), A),
    "multivariate_normal, singular": (
        lambda x, c: stats.multivariate_normal.logpdf(
            x * LINE, [0.0, 0.0], c * np.outer(LINE, LINE), allow_singular=True
        ),
        0.5,
        1.3,
    ),
    "multivariate_normal, pdf": (lambda x: stats.multivariate_normal.pdf(x, mean=[0.1, 0.2], cov=2.0), A),
    "dirichlet": (lambda a: stats.dirichlet.logpdf([0.2, 0.5, 0.3], a), Q + 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case, tolerance=1e-6)


def test_other_distributions_are_named():
    with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.stats.levy_stable.logpdf has no JVP rule"):
        fwdad.jvp(lambda x: stats.levy_stable.logpdf(x, 1.5, 0.5), (Q,), (Q,))
    with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.special.gammainc has no JVP rule for a moving a"):
        fwdad.jvp(lambda a: stats.gamma.cdf(1.0, a), (2.0,), (1.0,))


def test_methods_keep_their_signatures():
    assert list(inspect.signature(stats.norm.logpdf).parameters) == ["x", "args", "kwds"]
    assert stats.norm.logpdf(0.3) == type(stats.norm).logpdf.__wrapped__(stats.norm, 0.3)
