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


SECOND = np.random.default_rng(3).standard_normal((2, 3, 3))


def joined(y):
    return np.concatenate([np.ravel(leaf) for leaf in fwdad.tree.leaves(y)])


def curvature(f, a, v, w):
    """The second derivative along v and w, by central differences of distinct values."""
    h, (v, w) = 3e-4, (v[:, : a.shape[1]], w[:, : a.shape[1]])
    signs = [(s, t) for s in (1, -1) for t in (1, -1)]
    return sum(s * t * joined(f(a + h * (s * v + t * w))) for s, t in signs) / (4 * h * h)


@pytest.mark.parametrize("name", EXIST)
def test_second_derivatives_exist(name):
    f, a = EXIST[name]
    v, w = (t[:, : a.shape[1]] for t in SECOND)
    found = jvp(lambda a: jvp(f, (a,), (v,))[1], (a,), (w,))[1]
    expect_close(joined(found), curvature(f, a, v, w), 1e-5, "the second derivative")


@pytest.mark.parametrize("name", ["sqrtm at I", "full svd"])
def test_other_transforms_find_the_same(name):
    f, a = EXIST[name]
    v, w = (t[:, : a.shape[1]] for t in SECOND)
    first, both = jvp(f, (a,), (v,))[1], jvp(lambda a: jvp(f, (a,), (v,))[1], (a,), (v,))[1]

    def total(a):
        return np.sum(np.sin(joined(f(a))))

    hessian = fwdad.hessian(total)(a)
    y, linear = fwdad.linearize(f, a)
    _, (one, two) = fwdad.jet(f, (a,), ([v, 0 * v],))
    _, jacobian = fwdad.value_and_jacfwd(lambda a: joined(f(a)))(a)
    sparse = fwdad.sparse_jacfwd(lambda a: joined(f(a)))(a)
    expect_close(joined(y), joined(f(a)), 1e-14, "the value")
    for transform, (got, expected) in {
        "linearize": (joined(linear(v)), joined(first)),
        "jet, first": (joined(one), joined(first)),
        "jet, second": (joined(two), joined(both)),
        "hvp": (fwdad.hvp(total, (a,), (w,))[0], np.tensordot(hessian, w)),
        "laplacian": (fwdad.laplacian(total)(a), np.einsum("ijij", hessian)),
        "laplacian_estimate": (fwdad.laplacian_estimate(total, a.size, seed=0)(a), np.einsum("ijij", hessian)),
        "sparse_jacfwd": (sparse.dense(), jacobian.reshape(sparse.shape)),
        "sparse_hessian": (fwdad.sparse_hessian(total)(a).dense(), hessian.reshape(a.size, a.size)),
    }.items():
        expect_close(got, expected, 1e-10, transform)


def test_third_derivatives_exist():
    """Those of expm by its power series."""

    def series(a):
        terms, power = [ONE], ONE
        for n in range(1, 30):
            power = power @ a / n
            terms.append(power)
        return sum(terms)

    v = symmetric(SECOND[0])
    found, expected = (
        fwdad.jet(f, (ONE,), ([v, 0 * v, 0 * v],))[1][2] for f in (of_matrix(np.exp), lambda a: series(symmetric(a)))
    )
    expect_close(found, expected, 1e-10, "the third derivative")


@pytest.mark.parametrize("of", [lambda a: np.linalg.norm(a, "fro"), lambda a: np.sum(np.linalg.svdvals(a) ** 3)])
def test_what_depends_on_all_values_together_has_a_hessian(of):
    by_values = fwdad.hessian(lambda a: np.sum(np.linalg.eigvalsh(symmetric(a) @ symmetric(a))))(TWO)
    expect_close(by_values, fwdad.hessian(lambda a: np.sum(symmetric(a) ** 2))(TWO), 1e-12, "values")
    v, w = SECOND
    expect_close(np.tensordot(np.tensordot(fwdad.hessian(of)(TWO), v), w), curvature(of, TWO, v, w)[0], 1e-5, "of")


def test_a_polar_factor_moves_with_a_rotation():
    turn = SECOND[0] - SECOND[0].T
    expect_close(jvp(polar, (ONE,), (turn,))[1], turn, 1e-14, "along an antisymmetric direction")


def test_values_of_one_call_go_with_vectors_of_another():
    def f(a):
        return (np.linalg.eigh(symmetric(a))[1] * np.exp(np.linalg.eigvalsh(symmetric(a)))) @ eigh(a)[1].T

    v = SECOND[0]
    expect_close(jvp(f, (ONE,), (v,))[1], np.e * symmetric(v), 1e-13, "expm")


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: fwdad.hessian(f)(TWO),
        lambda f: fwdad.jet(f, (TWO,), ([SECOND[0], SECOND[1]],)),
        lambda f: fwdad.linearize(f, TWO)[1](SECOND[0]),
        lambda f: fwdad.laplacian(f)(TWO),
        lambda f: fwdad.sparse_jacfwd(f)(TWO),
    ],
)
@pytest.mark.parametrize("f", [lambda a: eigh(a)[1][:, 0], lambda a: np.linalg.svd(a)[0][:, 2]])
def test_every_transform_refuses_what_depends_on_single_vectors(transform, f):
    with pytest.raises(np.linalg.LinAlgError, match="single vectors"):
        transform(f)


def first_and_second(f, a, v, w):
    return [joined(t) for t in (jvp(f, (a,), (v,))[1], jvp(lambda a: jvp(f, (a,), (v,))[1], (a,), (w,))[1])]


@pytest.mark.parametrize("name", ["sqrtm at I", "polar", "projector", "full svd"])
def test_float32(name):
    """Judged by float64, to what is left of seven digits."""
    f, a = EXIST[name]
    exact = a, *(t[:, : a.shape[1]] for t in SECOND)
    pairs = zip(first_and_second(f, *(t.astype(np.float32) for t in exact)), first_and_second(f, *exact), strict=True)
    for got, expected in pairs:
        assert got.dtype == np.float32
        expect_close(got, expected, 2e-5, name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_share_of_a_single_vector_is_refused(dtype):
    share, a, v = (1e-3 if dtype == np.float32 else 1e-8), TWO.astype(dtype), SECOND[0].astype(dtype)
    with pytest.raises(np.linalg.LinAlgError, match="single vectors"):
        jvp(lambda a: projector(eigh(a)[1][:, :2]) + dtype(share) * eigh(a)[1][:, :1], (a,), (v,))


def test_a_single_one_of_equal_values_has_no_second_derivative():
    with pytest.raises(np.linalg.LinAlgError, match="single vectors"):
        fwdad.hessian(lambda a: np.linalg.eigvalsh(symmetric(a))[0])(TWO)


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
    assert "Laurent([1. 1. 4.])" in said[0]
