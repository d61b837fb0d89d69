"""Known traps of automatic differentiation, one test each, most at singular points. NaN and warnings fail here."""

import numpy as np
import pytest

import fwdad
from fwdad import derivative, functions, jacfwd, jvp
from fwdad.testing import check_jvp, expect_close


def slopes(f, x, v):
    """dy at x along v."""
    return jvp(f, (np.asarray(x, float),), (np.asarray(v, float),))[1]


# Singular points: (function, x, directions, expected tangents); rows of 0 are strong zeros
INF = np.inf
AT_SINGULAR_POINTS = {
    "abs": (np.abs, [0.0], [[1.0], [0.0]], [[0], [0]]),
    "sign": (np.sign, [0.0], [[1.0]], [[0]]),
    "sqrt": (np.sqrt, [0.0, 4.0], [[0.0, 1.0], [1.0, 0.0]], [[0, 0.25], [INF, 0]]),
    "norm": (np.linalg.norm, [0.0, 0.0], [[0.0, 0.0]], [0]),
    "norm of rows": (lambda x: np.linalg.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]], [[[0.0, 0], [1, 0]]], [[0, 0.6]]),
    "hypot": (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [[0.0, 0.0]], [0]),
    "arctan2": (lambda x: np.arctan2(x[0], x[1]), [0.0, 0.0], [[0.0, 0.0]], [0]),
    "log": (np.log, [0.0], [[0.0], [1.0]], [[0], [INF]]),
    "divide": (lambda x: 1 / x, [0.0], [[0.0]], [[0]]),
    "divide by a Python 0": (lambda x: x[0] / 0.0, [0.0, 1.0], [[0.0, 1.0], [1.0, 0.0]], [0, INF]),
    "arcsin": (np.arcsin, [1.0, 0.0], [[0.0, 1.0]], [[0, 1]]),
    "sinc": (np.sinc, [0.0], [[1.0]], [[0]]),
    "norm of small numbers": (np.linalg.norm, [3e-200, 4e-200], [[1.0, 0.0], [0.0, 1.0]], [0.6, 0.8]),
    "norm of large numbers": (np.linalg.norm, [3e200, 4e200], [[1.0, 0.0], [0.0, 1.0]], [0.6, 0.8]),
    "relu": (functions.relu, [0.0, -0.0], [[1.0, 1.0]], [[0, 0]]),
    "max tie": (np.max, [2.0, 1.0, 2.0], [[1.0, 5.0, 3.0]], [2]),
    "min tie": (np.min, [2.0, 2.0, 2.0], [[1.0, 5.0, 3.0]], [3]),
    "maximum tie": (lambda x: np.maximum(x, 1.0), [1.0], [[2.0]], [[1]]),
    "median tie": (np.median, [2.0, 1.0, 2.0, 3.0], [[1.0, 0.0, 3.0, 0.0]], [2]),
    "sort tie": (np.sort, [[2.0, 1.0, 2.0]], [[[1.0, 2.0, 3.0]]], [[[2, 1, 3]]]),
    "std of a constant": (np.std, [2.0, 2.0, 2.0], [[1.0, 2.0, 3.0]], [0]),
    "x ** 0.": (lambda x: x**0.0, [0.0, -1.0], [[1.0, 1.0]], [[0, 0]]),
    "x ** x": (lambda x: x**x, [0.0, 1.0], [[1.0, 1.0]], [[0, 1]]),
    "0 ** y": (lambda y: 0.0**y, [1.0, 2.0], [[1.0, 1.0]], [[0, 0]]),
    "negative base": (lambda x: x**3 + x**2.0, [-2.0], [[1.0]], [[8]]),
    "prod with one zero": (np.prod, [0.0, 2.0, 3.0], [[1.0, 1.0, 1.0]], [6]),
    "prod with two zeros": (np.prod, [0.0, 0.0, 3.0], [[1.0, 1.0, 1.0]], [0]),
    "cumprod with zeros": (np.cumprod, [2.0, 0.0, 3.0], [[1.0, 1.0, 1.0]], [[1, 2, 6]]),
    "det of rank n-1": (np.linalg.det, [[1.0, 2.0], [2.0, 4.0]], [[[1.0, 0.0], [0.0, 0.0]]], [4]),
    "det of rank n-2": (np.linalg.det, np.diag([1.0, 0.0, 0.0]), [np.eye(3)], [0]),
    "logsumexp of -inf": (functions.logsumexp, [-INF, 1.0], [[1.0, 1.0]], [1]),
    "logsumexp of inf": (functions.logsumexp, [INF, 1.0], [[1.0, 1.0]], [1]),
    "logsumexp of -inf only": (functions.logsumexp, [-INF, -INF], [[1.0, 3.0]], [2]),
    "logaddexp of -inf": (lambda x: np.logaddexp(x[0], x[1]), [-INF, -INF], [[1.0, 3.0]], [2]),
    "tanh far out": (np.tanh, [1e4, -1e4, 400.0], [[1e300, 1e300, 1.0]], [[0, 0, 0]]),
    "sigmoid far out": (functions.sigmoid, [1e4, -1e4], [[1e300, 1e300]], [[0, 0]]),
    "softplus far out": (functions.softplus, [1e4, -1e4], [[1.0, 1.0]], [[1, 0]]),
    "arctan far out": (np.arctan, [1e200], [[1.0]], [[0]]),
    "where": (lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0), [-1.0, 0.0, 4.0], [[1.0, 0.0, 1.0]], [[0, 0, 0.25]]),
    "nan in the branch not taken": (lambda x: np.where(x > 0, np.log(x), x), [-1.0, 1.0], [[1.0, 1.0]], [[1, 1]]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, about the primal
@pytest.mark.parametrize("name", AT_SINGULAR_POINTS)
def test_at_a_singular_point(name):
    f, x, v, expected = AT_SINGULAR_POINTS[name]
    found = slopes(f, x, v)
    assert np.shape(found) == np.shape(expected)
    assert np.allclose(found, expected, rtol=1e-14, atol=1e-15), found


def test_a_strong_zero_is_one_at_every_level_or_none():
    """Along v = 0 the tangent of sqrt at 0 is 0, but it moves with v, infinitely fast: that is not lost."""
    with np.errstate(all="ignore"):
        assert derivative(lambda v: jvp(np.sqrt, (0.0,), (v,))[1])(0.0) == np.inf
        assert derivative(lambda v: jvp(np.sqrt, (0.0,), (0 * v,))[1])(0.0) in (0.0, np.inf)
        assert derivative(lambda c: jvp(lambda x: np.sqrt(x) * c, (0.0,), (0.0,))[1])(1.0) == 0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_k_axis_is_no_data_axis(k):
    """k tangents of a (1, n) or (n,) primal against (k, n), (k, 1, n) and scalars."""
    rng = np.random.default_rng(k)
    for small, large in (((1, 3), (k, 3)), ((3,), (k, 3)), ((1, 3), (k, 1, 3)), ((), (k,)), ((k, 1), (k, k))):
        for f in (np.add, np.multiply, np.maximum, np.hypot, np.power, lambda x, y: np.where(x > 1, x, y)):
            check_jvp(f, [rng.uniform(0.5, 2, small), rng.uniform(0.5, 2, large)], k=k, tolerance=1e-6)


@pytest.mark.parametrize("f", [np.sum, np.max, np.prod, np.var, functions.logsumexp])
def test_negative_axes_and_tuples(f):
    x = np.random.default_rng(1).uniform(0.5, 2, (2, 3, 4))
    for axis, same in ((-1, 2), ((-1, 0), (0, 2)), (-3, 0), ((0, -2), (0, 1)), (None, (0, 1, 2))):
        expect_close(
            jacfwd(lambda x, a=axis: f(x, axis=a))(x), jacfwd(lambda x, a=same: f(x, axis=a))(x), 1e-15, str(axis)
        )


def test_scalars_and_zero_dimensional_arrays():
    for x in (2.0, np.float64(2), np.array(2.0)):
        assert derivative(lambda x: 3 * x**2 + x * np.float64(2) - np.array(1.0) / x)(x) == 12 + 2 + 0.25
        assert np.shape(jvp(lambda x: x + 1, (x,), (np.ones(4),))[1]) == (4,)


def test_integers_and_booleans_do_not_move():
    y, dy = jvp(lambda x, n, mask: x * n + np.where(mask, x, 0), (2.0, 3, True), (1.0, None, None))
    assert (y, dy) == (8, 4)
    assert jvp(lambda x: (x > 1, np.argmax(x), x.astype(int)), (np.ones(2),), (np.ones(2),))[1] == (None, None, None)


def test_mixed_dtypes_follow_numpy():
    x = np.ones(3, np.float32)
    for other, dtype in (
        (2.0, np.float32),
        (np.ones(3), np.float64),
        (np.ones(3, int), np.float64),
        (1j, np.complex64),
    ):
        y, dy = jvp(lambda x, o=other: x * o, (x,), (np.ones((2, 3), np.float32),))
        assert y.dtype == dy.dtype == dtype


def test_dtypes_that_go_separate_ways():
    """What broadcast_arrays and meshgrid return keeps its own dtype beside Duals of others."""
    mask, single, z = np.array([True, False]), np.ones(2, np.float32), np.ones(2, np.complex128)
    v = (None, np.ones((3, 2), np.float32), 1j * np.ones((3, 2)))
    answers, tangents = jvp(lambda *x: tuple(np.broadcast_arrays(*x)), (mask, single, z), v)
    assert [y.dtype for y in answers] == [bool, np.float32, np.complex128]
    assert tangents[0] is None
    assert (tangents[1].dtype, tangents[2].dtype) == (np.float32, np.complex128)
    assert np.all(tangents[1] == 1)
    assert np.all(tangents[2] == 1j)


def test_duals_and_constants_mixed():
    c = np.arange(3.0)
    check_jvp(lambda x: np.concatenate([c, x, c * x]), [c + 1])
    check_jvp(lambda x: np.stack([x, c, np.zeros(3)], axis=-1), [c + 1])
    check_jvp(lambda x: np.einsum("i,j,j->i", c, x, c), [c + 1])
    check_jvp(lambda x: np.where([True, False, True], c, x), [c + 1])
    check_jvp(lambda x: np.select([c > 1, c > 0], [x, c], 2 * x), [c + 1])


def test_einsum_keeps_its_own_label_from_the_users():
    x = np.random.default_rng(2).standard_normal((2, 3))
    for labels in ("ij", "ab", "AB", "kK", "zZ", "Ak"):
        check_jvp(lambda x, y, s=labels: np.einsum(f"{s},{s[::-1]}->{s[0]}", x, y), [x, x.T.copy()])
    many, ones = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.ones((1,) * 26)
    with pytest.raises(ValueError, match="52"):
        jvp(lambda x: np.einsum(f"{many},{many.lower()}->", x, x), (ones,), (ones,))


def test_repeated_values_of_a_matrix():
    direction = np.array([[1.0, 2.0], [2.0, 5.0]])
    assert np.sum(slopes(np.linalg.eigvalsh, np.eye(2), direction)) == 6
    assert np.sum(slopes(np.linalg.svdvals, np.eye(2), direction)) == pytest.approx(6)
    for f in (np.linalg.eigh, np.linalg.eig, np.linalg.svd):
        with pytest.raises(np.linalg.LinAlgError, match="single vectors"):  # tests/rules/test_repeated.py
            jvp(lambda a, f=f: tuple(f(a)), (np.eye(2),), (direction,))
    # a direction that does not mix the vectors has derivatives
    assert slopes(lambda a: np.linalg.eigh(a)[1], np.eye(2), np.diag([1.0, 3.0])).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("f", [np.linalg.cholesky, np.linalg.eigvalsh])
def test_one_triangle_is_read(f):
    a = np.array([[4.0, 99.0], [1.0, 3.0]])
    assert np.all(slopes(f, a, [[0.0, 1.0], [0.0, 0.0]]) == 0)
    assert np.any(slopes(f, a, [[0.0, 0.0], [1.0, 0.0]]) != 0)


def test_repeated_indices_in_writes():
    """x[i] += v counts a repeated index once, np.add.at each time."""

    def once(x):
        y = 0 * x
        y[[0, 0, 1]] += x
        return y

    def each(x):
        y = 0 * x
        np.add.at(y, [0, 0, 1], x)
        return y

    x = np.array([1.0, 2.0, 3.0])
    assert jacfwd(once)(x).tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert jacfwd(each)(x).tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_writes_through_a_view():
    def f(x):
        y = x * 1
        y[::2][1:] *= x[0]
        return y

    assert jacfwd(f)(np.array([2.0, 3.0, 5.0])).tolist() == [[1, 0, 0], [0, 1, 0], [5, 0, 2]]


def test_stable_sorting_carries_tangents_along_either_axis():
    x = np.array([[2.0, 1.0, 1.0], [2.0, 0.0, 1.0]])
    v = np.arange(6.0).reshape(2, 3)
    assert slopes(lambda x: np.sort(x, axis=1), x, v).tolist() == [[1, 2, 0], [4, 5, 3]]
    assert slopes(lambda x: np.sort(x, axis=0, kind="stable"), x, v).tolist() == [[0, 4, 2], [3, 1, 5]]
    order = np.argsort(x, axis=1, kind="stable")
    assert slopes(lambda x: np.take_along_axis(x, order, 1), x, v).tolist() == [[1, 2, 0], [4, 5, 3]]


def test_median_and_quantile_of_even_counts():
    x = np.array([3.0, 1.0, 2.0, 5.0])
    assert slopes(np.median, x, [1.0, 10.0, 100.0, 1000.0]) == 50.5
    assert slopes(lambda x: np.quantile(x, 0.25), x, [1.0, 10.0, 100.0, 1000.0]) == pytest.approx(
        10 * 0.25 + 100 * 0.75
    )


def test_the_same_variable_at_two_levels():
    def f(x):
        inner = derivative(lambda y: x * y * y + x)(x)  # 2 x x
        return x * inner

    assert derivative(f)(3.0) == 6 * 9.0
    assert derivative(lambda x: x * derivative(lambda y: x + y)(2.0))(3.0) == 1.0


def test_an_exception_leaves_no_level_open():
    for transform in (derivative, jacfwd, fwdad.laplacian, lambda f: lambda x: fwdad.linearize(f, x)):
        with pytest.raises(ZeroDivisionError):
            transform(lambda x: 1 // 0)(1.0)
        assert derivative(lambda x: x * derivative(lambda y: x + y)(1.0))(3.0) == 1.0
