"""scipy.linalg's functions under every transform."""

import inspect

import numpy as np
import pytest

import fwdad

linalg = pytest.importorskip("scipy.linalg", reason="SciPy is not installed")

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
B = RNG.standard_normal((3, 2))
b = B[:, 0]
BANDS = np.array([[0, 0.3, 0.2], [4, 5, 6.0], [0.4, 0.1, 0]])


def definite(a):
    return a @ a.T + np.eye(len(a))


CASES = {
    "solve": (linalg.solve, A, B),
    "solve of a vector": (linalg.solve, A, b),
    "solve, transposed": (lambda a, b: linalg.solve(a, b, transposed=True), A, b),
    "solve, positive definite": (lambda a, b: linalg.solve(a, b, assume_a="pos"), definite(A), b),
    "solve, symmetric, lower": (lambda a, b: linalg.solve(a, b, assume_a="sym", lower=True), definite(A), b),
    "solve, tridiagonal": (lambda a, b: linalg.solve(a, b, assume_a="tridiagonal"), A, b),
    "solve_triangular": (lambda a, b: linalg.solve_triangular(a, b, trans=1, lower=True), A, b),
    "solve_triangular, unit": (lambda a, b: linalg.solve_triangular(a, b, unit_diagonal=True), A, B),
    "cho_solve": (lambda a, b: linalg.cho_solve(linalg.cho_factor(definite(a)), b), A, B),
    "cho_solve, lower": (lambda a, b: linalg.cho_solve(linalg.cho_factor(definite(a), lower=True), b), A, b),
    "lu_solve": (lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b), A[::-1], b),
    "lu_solve, transposed": (lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, trans=1), A[::-1], B),
    "solve_banded": (lambda a, b: linalg.solve_banded((1, 1), a, b), BANDS, B),
    "solveh_banded": (lambda a, b: linalg.solveh_banded(a, b), BANDS[:2], b),
    "solveh_banded, lower": (lambda a, b: linalg.solveh_banded(a, b, lower=True), BANDS[1:], b),
    "solve_toeplitz": (lambda c, r, b: linalg.solve_toeplitz((c, r), b), BANDS[1], BANDS[0] + [4, 0, 0], b),
    "solve_sylvester": (linalg.solve_sylvester, A, A.T + np.eye(3), B @ B.T),
    "solve_continuous_lyapunov": (linalg.solve_continuous_lyapunov, A, B @ B.T),
    "solve_discrete_lyapunov": (linalg.solve_discrete_lyapunov, A / 9, B @ B.T),
    "expm": (linalg.expm, A / 3),
    "logm": (lambda a: linalg.logm(definite(a)), A[:2, :2]),
    "sqrtm": (lambda a: linalg.sqrtm(definite(a)), A),
    "fractional_matrix_power": (lambda a: linalg.fractional_matrix_power(definite(a), 0.3), A[:2, :2]),
    **{name: (getattr(linalg, name), A / 3) for name in ("cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm")},
    "lu": (linalg.lu, A[::-1]),
    "lu, wide": (lambda a: linalg.lu(a, permute_l=True), A[:2]),
    "lu, high": (lambda a: linalg.lu(a, p_indices=True)[1:], A[:, :2]),
    "lu_factor, wide": (lambda a: linalg.lu_factor(a)[0], A[1:]),
    "cholesky": (lambda a: linalg.cholesky(definite(a)), A),
    "eigh": (lambda a: [linalg.eigh(a + a.T)[0], linalg.eigh(a + a.T)[1] ** 2], A),
    "eigh, generalised": (lambda a, b: [v**2 for v in linalg.eigh(a + a.T, definite(b))], A, A[::-1]),
    "eigvalsh": (lambda a: linalg.eigvalsh(a + a.T, subset_by_index=[1, 2]), A),
    "eig": (lambda a: np.real(linalg.eig(a)[0]), A),
    "eigvals, generalised": (lambda a: np.real(linalg.eigvals(a, definite(A))), A),
    "svd": (linalg.svd, A),
    "svd, values only": (lambda a: linalg.svd(a, compute_uv=False), A),
    "qr": (linalg.qr, A),
    "qr, pivoting": (lambda a: linalg.qr(a, mode="economic", pivoting=True)[:2], A),
    "inv": (linalg.inv, A),
    "det": (linalg.det, A),
    **(
        {"inv, positive definite": (lambda a: linalg.inv(a, assume_a="pos"), definite(A))}
        if "assume_a" in inspect.signature(linalg.inv).parameters
        else {}
    ),
    "pinv": (linalg.pinv, A),
    "lstsq": (lambda a, b: linalg.lstsq(a, b)[0], A[:, :2], b),
    "norm": (linalg.norm, A),
    "block_diag": (lambda a, b: linalg.block_diag(a, b, 3.0), A[:1], B),
    "toeplitz": (linalg.toeplitz, b),
    "toeplitz, with a row": (linalg.toeplitz, b, B[:, 1]),
    "hankel": (linalg.hankel, b),
    "circulant": (linalg.circulant, b),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case)


def test_options_with_another_meaning_are_refused():
    for call in (lambda a: linalg.eig(a, left=True), lambda a: linalg.eigh(a, subset_by_value=[0, 1])):
        with pytest.raises(TypeError, match=r"scipy.linalg.eigh? on a Dual takes no (left|subset_by_value)="):
            fwdad.jvp(call, (A,), (A,))


def test_overwriting_is_off_on_duals():
    a, v = A.copy(), np.eye(3)
    fwdad.jvp(lambda a: linalg.solve(a, b, overwrite_a=True), (a,), (v,))
    assert np.array_equal(a, A)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_function_of_a_matrix_along_directions_of_any_size(scale):
    exact = linalg.expm(A) @ A  # A and its exponential commute
    assert np.allclose(fwdad.jvp(linalg.expm, (A,), (scale * A,))[1], scale * exact, rtol=1e-12, atol=0)


def test_complex_matrices():
    c = A + 1j * A[::-1]
    for f, scale in ((linalg.inv, 1), (linalg.expm, 0.1), (linalg.sqrtm, 1), (lambda a: linalg.solve(a, b), 1)):
        x, v, h = scale * c, scale * c.T, 1e-5
        numeric = (f(x + h * v) - f(x - h * v)) / (2 * h)
        assert np.allclose(fwdad.jvp(f, (x,), (v,))[1], numeric, rtol=1e-7, atol=1e-8)
