"""Products of sparse matrices with moving arrays, and solving with them, under every transform."""

import numpy as np
import pytest

import fwdad

sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
from scipy.sparse import linalg  # noqa: E402

RNG = np.random.default_rng(0)
M = sparse.random_array((3, 4), density=0.6, rng=0)
X, Y = RNG.standard_normal((4, 2)), RNG.standard_normal((2, 3))
SQUARE = sparse.csc_array([[3.0, 0, 1], [1, 2, 0], [0, 0, 4]])


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.parametrize("matrix", [M, sparse.coo_matrix(M)], ids=["array", "matrix"])
def test_products_are_those_of_the_dense_matrix(matrix, kind):
    m, dense = matrix.asformat(kind), matrix.toarray()
    tangents = np.stack([X, 2 * X, 1 + X])

    def left(f):
        y, dy = fwdad.jvp(f, (X,), (tangents,))
        assert np.allclose(y, dense @ X, rtol=1e-14)
        assert np.allclose(dy, dense @ tangents, rtol=1e-14)

    left(lambda x: m @ x)
    left(lambda x: m.dot(x))
    left(lambda x: np.stack([m @ x[:, 0], m @ x[:, 1]], 1))
    left(lambda x: (x.T @ m.T).T)
    left(lambda x: np.stack([x[:, 0] @ m.T, x[:, 1] @ m.T], 1))
    if isinstance(m, sparse.spmatrix):
        left(lambda x: m * x)
        left(lambda x: (x.T * m.T).T)


CASES = {
    "on the left": (lambda x: np.sin(M @ x), X),
    "on the left of a vector": (lambda x: np.sin(M @ x), X[:, 0]),
    "on the right": (lambda y: np.sin(y @ M), Y),
    "on the right of a vector": (lambda y: np.sin(y @ M), Y[0]),
    "spsolve": (lambda b: np.sin(linalg.spsolve(SQUARE, b)), Y[0]),
    "spsolve, columns": (lambda b: np.sin(linalg.spsolve(SQUARE, b)), Y.T),
    "expm_multiply": (lambda b: np.sin(linalg.expm_multiply(SQUARE / 4, b)), Y.T),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case)


def test_a_jacobian_of_a_sparse_product_is_found_in_few_directions():
    n = 40
    difference = sparse.diags_array([np.ones(n - 1), -np.ones(n)], offsets=[1, 0])
    found = fwdad.sparse_jacfwd(lambda x: difference @ x)(np.ones(n))
    assert found.directions == 2
    assert np.array_equal(found.dense(), difference.toarray())


@pytest.mark.parametrize(
    "operation", [lambda x: x[0] * M, lambda x: M * x[0], lambda x: M.multiply(x), lambda x: M / x[0]]
)
def test_a_sparse_matrix_with_moving_entries_is_refused(operation):
    with pytest.raises(TypeError, match=r"scipy.sparse.coo_array\.\w+ has no JVP rule|'coo_array' and 'Dual'"):
        fwdad.jvp(operation, (X[:, 0],), (X[:, 0],))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"sparse matrix of shape \(3, 4\) does not fit.*\(2, 4\)"):
        fwdad.jvp(lambda x: M @ x, (X.T,), (X.T,))
