"""sparse_jacfwd and jacobian_pattern. Every rule goes through them in tests/rules/test_rules.py."""

import numpy as np
import pytest

import fwdad
from fwdad import jacfwd, sparse_jacfwd
from fwdad.testing import expect_close

RNG = np.random.default_rng(9)


def rosenbrock_gradient(x):
    inner = x[1:] - x[:-1] ** 2
    g = 0 * x
    g[:-1] = -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    g[1:] += 200 * inner
    return g


@pytest.mark.parametrize("n", [2, 3, 64, 65, 200])
def test_tridiagonal_takes_three_directions(n):
    x = RNG.standard_normal(n)
    j = sparse_jacfwd(rosenbrock_gradient)(x)
    assert j.directions == min(n, 3)
    assert len(j.values) == 3 * n - 2
    expect_close(j.dense(), jacfwd(rosenbrock_gradient)(x), 1e-14, "sparse")


def test_given_patterns_are_checked():
    x = RNG.standard_normal(20)
    matrix = np.abs(np.subtract.outer(np.arange(20), np.arange(20))) <= 1
    dense = jacfwd(rosenbrock_gradient)(x)
    expect_close(sparse_jacfwd(rosenbrock_gradient, pattern=matrix)(x).dense(), dense, 1e-12, "matrix")
    pattern = fwdad.jacobian_pattern(rosenbrock_gradient)(x)
    expect_close(sparse_jacfwd(rosenbrock_gradient, pattern=pattern)(x).dense(), dense, 1e-12, "Pattern")
    matrix[3, 4] = False
    with pytest.raises(ValueError, match=r"rows \[3\]"):
        sparse_jacfwd(rosenbrock_gradient, pattern=matrix)(x)
    with pytest.raises(ValueError, match="columns"):
        sparse_jacfwd(rosenbrock_gradient, pattern=matrix[:, :5])(x)
    with pytest.raises(ValueError, match="rows"):
        sparse_jacfwd(rosenbrock_gradient, pattern=matrix[:5])(x)


def test_rows_and_columns_of_trees():
    def f(a, b):
        return {"x": a["u"] * b, "n": 3, "y": (np.sum(b), 1.0)}

    a, b = {"u": np.array([2.0, 3.0])}, np.array([5.0, 7.0])
    j = sparse_jacfwd(f, argnums=(0, 1))(a, b)
    assert j.dense().tolist() == [[5, 0, 2, 0], [0, 7, 0, 3], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert j.directions == 2


def chain(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_zeros_of_constants_stay_zeros():
    pattern = fwdad.jacobian_pattern(jacfwd(chain))(np.zeros(50))
    assert len(pattern.rows) == 3 * 50 - 2
    mask = np.array([1.0, 0.0, 2.0])
    pattern = fwdad.jacobian_pattern(lambda x: (mask * x, mask / x, x * (x > 5)))(np.ones(3))
    assert pattern.rows.tolist() == [0, 2, 3, 5, 6, 7, 8]


def test_zeros_of_moving_matrices_keep_their_places():
    pattern = fwdad.jacobian_pattern(lambda x: np.reshape(x[:4], (2, 2)) @ x[4:])(np.zeros(6))
    assert pattern.columns.tolist() == [0, 1, 4, 5, 2, 3, 4, 5]
    pattern = fwdad.jacobian_pattern(lambda x: np.diag([1.0, 2.0]) @ x)(np.zeros(2))
    assert pattern.columns.tolist() == [0, 1]


def test_a_zero_factor_keeps_its_place_in_the_pattern():
    pattern = fwdad.jacobian_pattern(lambda x: x[0] * x[1:])(np.zeros(3))
    assert list(zip(pattern.rows, pattern.columns, strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 2)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_patterns_at_singular_points():
    pattern = fwdad.jacobian_pattern(lambda x: np.sqrt(x) + np.cbrt(x[::-1]))(np.array([0.0, 4.0, 0.0]))
    assert list(zip(pattern.rows, pattern.columns, strict=True)) == [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)]


SUMS = {
    "chain": (chain, 2),
    "of sums": (lambda x: np.sum(np.sin(x)) - np.mean(x[1:] * x[:-1]) / 2 + 3 * (2.0 - x[0] ** 2), 2),
    "dot products": (lambda x: x @ x - np.dot(x[1:], np.exp(x[:-1])), 2),
    "partial sums": (lambda x: np.sum(np.sum(np.reshape(x, (10, 4)), 1) ** 3), 4),
    "in place": (lambda x: np.sum(written_twice(x)), 2),
    "one number": (lambda x: x[3] * x[5], 2),
    "linear": (lambda x: np.sum(2 * x), 1),
    "a sum within a function": (lambda x: np.log(np.sum(x * x)), 40),
    "a product of sums": (lambda x: np.sum(x) * np.sum(np.sin(x)), 40),
    "zeros that move": (lambda x: np.sum((np.reshape(x, (10, 4)) * 0.0 + np.reshape(x - x, (10, 4))) @ x[:4] ** 2), 40),
}


def written_twice(x):
    y = x * x
    y[1:] += x[:-1] * x[1:]
    y[0] = 1.0
    return y


@pytest.mark.parametrize("name", SUMS)
def test_sparse_hessian(name):
    f, directions = SUMS[name]
    x = RNG.standard_normal(40)
    h = fwdad.sparse_hessian(f)(x)
    dense = fwdad.hessian(f, chunk_size=40)(x)
    assert h.directions <= directions
    expect_close(h.dense(), dense, 1e-13, "sparse_hessian")
    expect_close(fwdad.hessian(f)(x), dense, 1e-13, "hessian finds it by itself")


def test_hessians_of_trees_and_of_outer_transforms():
    def f(a, b):
        return np.sum(a["u"] ** 2 * b) + np.sum(a["v"] * a["v"])

    a, b = {"u": RNG.standard_normal((4, 5)), "v": RNG.standard_normal(30)}, RNG.standard_normal(5)
    found, dense = (fwdad.hessian(f, (0, 1), chunk_size=size)(a, b) for size in (None, 55))
    for one, other in zip(fwdad.tree.leaves(found), fwdad.tree.leaves(dense), strict=True):
        expect_close(one, other, 1e-13, "a block")
    x, v = RNG.standard_normal(40), RNG.standard_normal(40)
    _, change = fwdad.jvp(lambda x: fwdad.sparse_hessian(chain)(x).values, (x,), (v,))
    _, dense = fwdad.jvp(fwdad.hessian(chain), (x,), (v,))
    h = fwdad.sparse_hessian(chain)(x)
    expect_close(change, dense[h.rows, h.columns], 1e-12, "third derivatives")
    expect_close(fwdad.sparse_hessian(chain)(x.astype(np.float32)).dense(), h.dense(), 1e-5, "float32")


WIDE = RNG.standard_normal((400, 40)) / 6


@pytest.mark.parametrize("f", [lambda x: np.sum(x**3), lambda x: np.sum(np.tanh(WIDE @ x))])
def test_hessians_of_functions_that_use_what_moves_outside(f):
    x = RNG.standard_normal(40)

    def derivative_by_c(chunk_size):
        return fwdad.derivative(lambda c: fwdad.hessian(lambda x: f(c * x), chunk_size=chunk_size)(x))(1.5)

    expect_close(derivative_by_c(None), derivative_by_c(40), 1e-11, "derivative by c")


def test_sparse_hessian_refuses_what_is_not_a_number():
    with pytest.raises(ValueError, match=r"one real number; got shape \(3,\)"):
        fwdad.sparse_hessian(np.sin)(np.ones(3))


def branching(x):
    return x * x[::-1] if x[0] > 0 else x * np.roll(x, 1)


def test_a_kept_pattern_is_checked_and_found_again():
    x = np.arange(1.0, 8.0)
    kept = fwdad.colouring(branching, x)
    for point in (x, 2 * x, -x, -2 * x):
        expect_close(kept.jacobian(point).dense(), jacfwd(branching)(point), 1e-13, "checked")
    assert kept.detections == 2
    kept = fwdad.colouring(branching, x, check_every=2)
    kept.jacobian(-x)
    expect_close(kept.jacobian(-x).dense(), jacfwd(branching)(-x), 1e-13, "the second is checked")
    never = fwdad.colouring(branching, x, check_every=None)
    never.jacobian(-x)
    assert never.detections == 1
    assert len(never.pattern.rows) == 13
    with pytest.raises(ValueError, match="at least 1"):
        fwdad.colouring(branching, x, check_every=0)
    bending = fwdad.colouring(lambda x: np.sum(branching(x)), x)
    for point in (x, -x):
        expect_close(bending.hessian(point).dense(), fwdad.hessian(bending.f)(point), 1e-13, "Hessian")
    assert bending.detections == 2
    assert bending.pattern is None


def test_what_scipys_solvers_take():
    optimize, integrate = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.integrate")

    def f(x):
        inner = x[1:-1] ** 3 + 2 * x[1:-1] - x[:-2] - x[2:] - 1
        return np.concatenate([x[:1] - 1, inner, x[-1:]])

    x = np.full(12, 0.5)
    kept = fwdad.colouring(f, x)
    solution = optimize.root(f, x, jac=kept.dense, tol=1e-12).x
    assert np.max(np.abs(f(solution))) < 1e-10
    assert kept.csr(x).nnz == 32
    expect_close(optimize.least_squares(f, x, jac=kept.csr).x, solution, 1e-7, "least_squares")
    rhs = lambda t, y: -f(y)  # noqa: E731
    moving = fwdad.colouring(rhs, 0.0, x, argnums=1)
    end = integrate.solve_ivp(rhs, (0, 50), x, method="BDF", jac=moving.csr, rtol=1e-8, atol=1e-10).y[:, -1]
    expect_close(end, solution, 1e-6, "solve_ivp")
    energy = lambda x: np.sum(f(x) ** 2)  # noqa: E731
    bends = fwdad.colouring(energy, x)
    found = optimize.minimize(energy, x, method="trust-constr", jac=jacfwd(energy), hess=bends.hessian_csr)
    expect_close(found.x, solution, 1e-3, "minimize")
    assert (kept.detections, moving.detections, bends.detections) == (1, 1, 1)


def test_arguments_without_entries():
    j = sparse_jacfwd(lambda x: (2 * x, np.ones(2)))(np.ones((0, 3)))
    assert j.dense().shape == (2, 0)
    j = sparse_jacfwd(lambda x, y: (x * 1, y * 2), (0, 1))(np.ones((0, 3)), np.ones(2))
    assert j.dense().tolist() == [[2, 0], [0, 2]]
