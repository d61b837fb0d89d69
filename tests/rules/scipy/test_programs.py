"""Programs as people write them with SciPy, against closed forms."""

import numpy as np
import pytest

import fwdad
from fwdad.testing import check_jvp

pytest.importorskip("scipy", reason="SciPy is not installed")
from scipy import integrate, interpolate, linalg, sparse, stats
from scipy.sparse.linalg import spsolve

RNG = np.random.default_rng(0)


def test_the_likelihood_of_a_kalman_filter_is_that_of_all_observations_together():
    """An autoregression observed with noise; the filter is linear in time, the joint density is not."""
    observed = RNG.standard_normal(12)
    design = np.array([[1.0, 0.5]])

    def by_filter(p):
        a, q, r = p[0], np.exp(p[1]), np.exp(p[2])
        transition = linalg.block_diag(a, -0.5 * a)
        noise = linalg.block_diag(q, q)
        mean, covariance = np.zeros(2), linalg.solve_discrete_lyapunov(transition, noise)
        total = 0.0
        for y in observed:
            factor = linalg.cho_factor(design @ covariance @ design.T + r * np.eye(1), lower=True)
            surprise = y - design @ mean
            gain = linalg.cho_solve(factor, design @ covariance).T
            total = total - surprise @ linalg.cho_solve(factor, surprise) / 2 - np.log(factor[0][0, 0])
            mean = transition @ (mean + gain @ surprise)
            covariance = transition @ (covariance - gain @ design @ covariance) @ transition.T + noise
        return total - len(observed) / 2 * np.log(2 * np.pi)

    def together(p):
        a, q, r = p[0], np.exp(p[1]), np.exp(p[2])
        lags = np.arange(len(observed))
        first = q / (1 - a * a) * np.power(a, lags)
        second = q / (1 - a * a / 4) * np.power(-a / 2, lags)
        covariance = linalg.toeplitz(first + second / 4) + r * np.eye(len(observed))
        return stats.multivariate_normal.logpdf(observed, np.zeros(len(observed)), covariance)

    p = np.array([0.6, -0.3, 0.2])
    assert np.allclose(by_filter(p), together(p), rtol=1e-12)
    assert np.allclose(fwdad.jacfwd(by_filter)(p), fwdad.jacfwd(together)(p), rtol=1e-10)
    assert np.allclose(fwdad.hessian(by_filter)(p), fwdad.hessian(together)(p), rtol=1e-9)
    check_jvp(by_filter, [p])


def test_the_gradient_of_a_gaussian_process_is_that_of_the_books():
    """``d log p = tr((alpha alpha^T - K^-1) dK) / 2`` (Rasmussen and Williams 2006, eq. 5.9)."""
    x, y = np.linspace(0, 1, 8), RNG.standard_normal(8)
    distance = (x[:, np.newaxis] - x) ** 2

    def kernel(p):
        return np.exp(p[0] - distance / 2 * np.exp(-2 * p[1])) + np.exp(p[2]) * np.eye(8)

    def log_evidence(p):
        factor = linalg.cho_factor(kernel(p))
        log_det = 2 * np.sum(np.log(np.diag(factor[0])))
        return -(y @ linalg.cho_solve(factor, y) + log_det + 8 * np.log(2 * np.pi)) / 2

    p = np.array([0.1, -1.2, -2.0])
    inverse = np.linalg.inv(kernel(p))
    inner = np.outer(inverse @ y, inverse @ y) - inverse
    smooth = kernel(p) - np.exp(p[2]) * np.eye(8)
    changes = [smooth, smooth * distance * np.exp(-2 * p[1]), np.exp(p[2]) * np.eye(8)]
    expected = [np.sum(inner * change) / 2 for change in changes]
    assert np.allclose(fwdad.jacfwd(log_evidence)(p), expected, rtol=1e-10)
    check_jvp(fwdad.jacfwd(log_evidence), [p], tolerance=1e-6)


def test_a_fit_of_a_differential_equation_has_the_gradient_of_its_solution():
    """Logistic growth: ``y = 1 / (1 + (1/y0 - 1) exp(-r t))``."""
    times = np.linspace(0, 3, 7)[1:]
    data = 0.5 + 0.05 * RNG.standard_normal(6)

    def exact(p):
        return 1 / (1 + (1 / p[1] - 1) * np.exp(-p[0] * times))

    def solved(p):
        return integrate.solve_ivp(
            lambda t, y: p[0] * y * (1 - y), (0, 3), [p[1]], t_eval=times, rtol=1e-9, atol=1e-11
        ).y[0]

    def loss(solution):
        return lambda p: np.sum((solution(p) - data) ** 2)

    p = np.array([1.3, 0.2])
    assert np.allclose(fwdad.jacfwd(loss(solved))(p), fwdad.jacfwd(loss(exact))(p), rtol=1e-7)
    assert np.allclose(fwdad.hessian(loss(solved))(p), fwdad.hessian(loss(exact))(p), rtol=1e-6)


def test_a_spline_moves_with_its_data():
    """The area under a spline is linear in the data: ``sum_i w_i y_i``, w_i that under the spline of a unit vector."""
    x = np.array([0.0, 0.5, 1.1, 1.4, 2.2, 3.0])

    def area(a):
        return interpolate.CubicSpline(x, np.sin(a * x), bc_type="natural").integrate(0.2, 2.5)

    weights = [interpolate.CubicSpline(x, unit, bc_type="natural").integrate(0.2, 2.5) for unit in np.eye(6)]
    assert np.allclose(fwdad.derivative(area)(1.2), np.dot(weights, x * np.cos(1.2 * x)), rtol=1e-12)
    assert np.allclose(
        fwdad.jet(area, (1.2,), ([1.0, 0.0],))[1][1], -np.dot(weights, x * x * np.sin(1.2 * x)), rtol=1e-12
    )


def test_sparse_finite_elements():
    """``-(c u')' = 1``, u = 0 at both ends: for a constant c the solution is that of c = 1, divided by c."""
    n = 20
    slope = sparse.diags_array([np.ones(n), -np.ones(n - 1)], offsets=[0, -1], shape=(n, n - 1)).tocsr() * n
    load = np.full(n - 1, 1 / n)

    def residual(u, c):
        return slope.T @ (c * (slope @ u)) / n - load

    def solver(c):
        return spsolve((slope.T @ sparse.diags_array(c) @ slope / n).tocsc(), load)

    displacement = fwdad.custom_root(residual, solver)
    u = displacement(np.ones(n))
    nodes = np.arange(1, n) / n
    assert np.allclose(u, nodes * (1 - nodes) / 2, rtol=1e-12)  # linear elements are exact at the nodes
    for order, found in enumerate(fwdad.jet(lambda c: displacement(c * np.ones(n)), (2.0,), ([1.0, 0.0],))[1], 1):
        assert np.allclose(found, u * (-1.0) ** order * order / 2.0 ** (order + 1), rtol=1e-10)
    check_jvp(displacement, [1 + RNG.uniform(size=n)])
