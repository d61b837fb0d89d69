"""Repeated eigenvalues and singular values: what does not depend on single vectors has a derivative, at every scale."""

import numpy as np
import pytest

import fwdad
from fwdad import jvp
from fwdad.testing import expect_close

ONE, TWO = np.eye(3), np.diag([4.0, 1.0, 1.0])
TALL = np.random.default_rng(1).standard_normal((3, 2))


def symmetric(a):
    return (a + a.T) / 2


def eigh(a):
    return np.linalg.eigh(symmetric(a))


def of_matrix(f, decompose=eigh):
    def g(a):
        w, v = decompose(a)
        return np.real((v * f(w)) @ np.linalg.inv(v))

    return g


def projector(v):
    return v @ v.T


def first_positive(v):
    return v * np.sign(v[0])


def polar(a):
    u, _, vh = np.linalg.svd(a)
    return u @ vh


def root_by_svd(a):
    u, s, _ = np.linalg.svd(a)
    return (u * np.sqrt(s)) @ u.T


EXIST = {
    "sqrtm at I": (of_matrix(np.sqrt), ONE),
    "sqrtm": (of_matrix(np.sqrt), TWO),
    "expm": (of_matrix(np.exp), TWO),
    "inverse": (of_matrix(lambda w: 1 / w), TWO),
    "logm by eig": (of_matrix(lambda w: np.log(w + 0j), np.linalg.eig), TWO),
    "log det": (lambda a: np.sum(np.log(eigh(a)[0])), TWO),
    "largest value": (lambda a: eigh(a).eigenvalues[2], TWO),
    "simple vector": (lambda a: first_positive(eigh(a)[1][:, 2]), TWO),
    "projector": (lambda a: projector(eigh(a)[1][:, :2]), TWO),
    "projector of the other": (lambda a: projector(eigh(a)[1][:, 2:]), TWO),
    "projector by einsum": (lambda a: np.einsum("ij,kj->ik", *[eigh(a)[1][:, :2]] * 2), TWO),
    "written into": (lambda a: np.copyto(p := np.zeros_like(a), projector(eigh(a)[1][:, :2])) or p, TWO),
    "concatenated": (lambda a: np.concatenate([a, projector(eigh(a)[1][:, :2]), ONE]), TWO),
    "where": (lambda a: np.where(ONE > 0, projector(eigh(a)[1][:, :2]), a), TWO),
    "polar at I": (polar, ONE),
    "polar": (polar, TWO),
    "root by svd": (root_by_svd, TWO),
    "product of svd": (lambda a: (lambda u, s, vh: (u * s) @ vh)(*np.linalg.svd(a)), TWO),
    "simple vector of svd": (lambda a: first_positive(np.linalg.svd(a)[0][:, 0]), TWO),
    "nuclear norm": (lambda a: np.linalg.norm(a, "nuc"), TWO),
    "full svd": (lambda a: tuple(np.linalg.svd(a)), TALL),
    "full svd of a wide matrix": (lambda a: tuple(np.linalg.svd(a.T)), TALL),
    "others of a full svd": (lambda a: projector(np.linalg.svd(a[:, :1])[0][:, 1:]), TALL),
    "values of a full svd": (lambda a: np.linalg.svd(a[:, :1])[1], TALL),
}


def moves(f, a, scale=1.0):
    v = np.random.default_rng(0).standard_normal((4, *a.shape))
    y, dy = jvp(lambda a: f(a * scale), (a,), (v,))
    return y, dy, v


@pytest.mark.parametrize("name", EXIST)
def test_it_exists(name):
    f, a = EXIST[name]
    y, dy, v = moves(f, a)
    step = 1e-6
    for value, t, plain in zip(*(fwdad.tree.leaves(tree) for tree in (y, dy, f(a))), strict=True):
        assert type(value) in (np.ndarray, np.float64)
        assert type(t) is np.ndarray
        expect_close(value, plain, 1e-14, "the primal")
    differences = [
        [
            (after - before) / (2 * step)
            for after, before in zip(*(fwdad.tree.leaves(f(a + s * step * d)) for s in (1, -1)), strict=True)
        ]
        for d in v
    ]
    for t, *numeric in zip(fwdad.tree.leaves(dy), *differences, strict=True):
        expect_close(t, np.stack(numeric), 1e-7, "the derivative")


@pytest.mark.filterwarnings("ignore:overflow encountered in dot")  # the question whether all numbers are finite
@pytest.mark.parametrize("scale", [1e-170, 1e170])
@pytest.mark.parametrize(
    ("f", "degree", "a"),
    [
        (of_matrix(np.sqrt), 0.5, ONE),
        (polar, 0, TWO),
        (lambda a: np.linalg.svd(a)[1], 1, TWO + TALL @ TALL.T),
        (lambda a: np.linalg.svd(a)[0], 0, TWO + TALL @ TALL.T),
        (lambda a: eigh(a)[1], 0, TWO + TALL @ TALL.T),
        (lambda a: np.real(np.linalg.eig(a)[1]), 0, TWO + TALL @ TALL.T),
        (lambda a: np.linalg.qr(a)[0], 0, TWO + TALL @ TALL.T),
        (lambda a: np.linalg.cholesky(a), 0.5, TWO + TALL @ TALL.T),
    ],
)  # fmt: skip
def test_scales(f, degree, a, scale):
    dy, expected = moves(f, a, scale)[1], moves(f, a)[1]
    expect_close(dy / scale**degree, expected, 1e-12, "scaled")


@pytest.mark.parametrize(
    "f",
    [
        lambda a: eigh(a)[1][:, 0],
        lambda a: eigh(a),
        lambda a: np.sum(eigh(a)[1][:, 0]) * 1e-170,
        lambda a: np.linalg.eig(a)[1][:, 1],
        lambda a: np.linalg.svd(a)[2][1],
        lambda a: np.linalg.svd(a[:, :1])[0],
        lambda a: np.sin(eigh(a)[1][:, :2]) @ np.ones(2),
    ],
)
def test_what_depends_on_single_vectors_is_refused(f):
    with pytest.raises(np.linalg.LinAlgError, match="single vectors"):
        moves(f, TWO)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: fwdad.hessian(f)(ONE),
        lambda f: fwdad.laplacian(f)(ONE),
        lambda f: fwdad.jet(f, (ONE,), ([TWO + 1, TWO],)),
        lambda f: fwdad.linearize(f, ONE),
        lambda f: fwdad.sparse_jacfwd(f)(ONE),
    ],
)
def test_elsewhere_it_is_refused(transform):
    with pytest.raises((np.linalg.LinAlgError, TypeError), match=r"jvp|give the pattern"):
        transform(of_matrix(np.sqrt))


def test_an_inner_derivative_is_right_or_refused_where_the_outer_one_moves_the_factor():
    def f(x):
        return fwdad.derivative(lambda t: np.sum(of_matrix(np.sqrt)(ONE + t * (TWO + 1)) * x))(0.0)

    expect_close(fwdad.jacfwd(f)(ONE), (TWO + 1) / 2, 1e-12, "the factor")

    def g(x):
        return fwdad.derivative(lambda t: np.sum(eigh(ONE + t * (TWO + 1))[1][:, 0]) * (x - 1))(0.0)

    with pytest.raises(np.linalg.LinAlgError, match="single vectors"):
        fwdad.derivative(g)(1.0)


def test_it_can_be_printed():
    said = []
    moves(lambda a: (said.append(f"{eigh(a)} {eigh(a)[0][0]:.1f}"), a)[1], TWO)
    assert "Split(divided=" in said[0]
