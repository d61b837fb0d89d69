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


def test_a_zero_factor_keeps_its_place_in_the_pattern():
    pattern = fwdad.jacobian_pattern(lambda x: x[0] * x[1:])(np.zeros(3))
    assert list(zip(pattern.rows, pattern.columns, strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 2)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_patterns_at_singular_points():
    pattern = fwdad.jacobian_pattern(lambda x: np.sqrt(x) + np.cbrt(x[::-1]))(np.array([0.0, 4.0, 0.0]))
    assert list(zip(pattern.rows, pattern.columns, strict=True)) == [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)]


def test_arguments_without_entries():
    j = sparse_jacfwd(lambda x: (2 * x, np.ones(2)))(np.ones((0, 3)))
    assert j.dense().shape == (2, 0)
    j = sparse_jacfwd(lambda x, y: (x * 1, y * 2), (0, 1))(np.ones((0, 3)), np.ones(2))
    assert j.dense().tolist() == [[2, 0], [0, 2]]
