"""jet, laplacian, sparse_jacfwd, custom_jvp, debug_nans: what test_rules does not cover."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fwdad
from fwdad import custom_jvp, derivative, functions, jacfwd, jet, jvp, laplacian, sparse_jacfwd
from fwdad.testing import check_jvp, expect_close

RNG = np.random.default_rng(9)
W = RNG.standard_normal((4, 6))


# jet
@pytest.mark.parametrize(
    ("f", "x", "derivatives"),
    [
        (np.exp, 0.3, [math.exp(0.3)] * 10),
        (np.sin, 0.0, [1, 0, -1, 0, 1, 0, -1, 0, 1, 0]),
        (np.log, 2.0, [(-1) ** (j - 1) * math.factorial(j - 1) / 2.0**j for j in range(1, 11)]),
        (lambda x: 1 / (1 - x), 0.0, [math.factorial(j) for j in range(1, 11)]),
        (lambda x: x**5, 2.0, [80, 160, 240, 240, 120, 0, 0, 0, 0, 0]),
        (np.sqrt, 1.0, [math.prod(0.5 - i for i in range(j)) for j in range(1, 11)]),
        (np.tanh, 0.0, [1, 0, -2, 0, 16, 0, -272, 0, 7936, 0]),
        (functions.sigmoid, 0.0, [0.25, 0, -0.125, 0, 0.25, 0, -1.0625, 0, 7.75, 0]),
    ],
)  # fmt: skip
def test_known_series(f, x, derivatives):
    y, found = jet(f, (x,), ([1.0] + [0.0] * 9,))
    assert y == pytest.approx(f(x), rel=1e-15)
    assert [float(d) for d in found] == pytest.approx(derivatives, rel=1e-12, abs=1e-9)


def test_cost_of_a_high_order_is_no_power_of_two():
    """Order 40 through a chain of functions: 40 nested transforms would never end."""
    _, found = jet(lambda t: np.sin(np.exp(t) * np.cos(t)) / (1 + t * t), (0.0,), ([1.0] + [0.0] * 39,))
    inverse = jet(lambda t: np.exp(-np.log(1 - t)), (0.0,), ([1.0] + [0.0] * 39,))[1]
    assert len(found) == 40
    assert float(inverse[-1]) == pytest.approx(float(math.factorial(40)), rel=1e-12)


def test_jet_of_trees():
    x = {"a": np.array([1.0, 2.0]), "b": np.float32(3.0)}
    v = {"a": np.array([1.0, 0.0]), "b": np.float32(0.5)}
    y, (first, second) = jet(lambda x, n: (np.sum(x["a"] ** n) * x["b"], n, 1.0), (x, 3), ([v, v], []))
    assert y == (27.0, 3, 1.0)
    assert (float(first[0]), first[1], float(first[2])) == (3 * 3 + 9 * 0.5, None, 0)
    # second along a' = a'' = v: (6 a0 + 3 a0^2) b + 2 (3 a0^2) b' + s b''
    assert float(second[0]) == pytest.approx(9 * 3 + 2 * 3 * 0.5 + 9 * 0.5)


def test_jet_nests():
    def third(x):
        return jet(lambda t: t * np.sin(x * t), (x,), ([1.0, 0.0, 0.0],))[1][2]

    def expected(x):
        return derivative(derivative(derivative(lambda t: t * np.sin(x * t))))(x)

    assert derivative(third)(0.7) == pytest.approx(derivative(expected)(0.7), rel=1e-13)

    def slope(t):
        return derivative(lambda y: np.exp(y * t))(t)

    assert jet(slope, (0.5,), ([1.0, 0.0],))[1][1] == pytest.approx(derivative(derivative(slope))(0.5), rel=1e-13)


def test_series_in_branches_and_tables():
    y, found = jet(lambda x: np.where(x > 0, x**2, np.nan * x) if x > 0 else x, (2.0,), ([1.0, 0.0],))
    assert [float(d) for d in (y, *found)] == [4, 4, 2]


def writes(x):
    x[0] = 1.0


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "no derivative", lambda: jet(np.sin, (1.0,), ([],))),
        (ValueError, "one length", lambda: jet(np.sin, (1.0,), ())),
        (ValueError, "derivative 2", lambda: jet(np.sin, (1.0,), ([1.0, np.ones(2)],))),
        (TypeError, "floating|float", lambda: jet(np.sin, (1,), ([1.0],))),
        (fwdad.LostDerivativeError, "in place", lambda: jet(writes, (np.ones(2),), ([np.ones(2)],))),
        (fwdad.LostDerivativeError, "float", lambda: jet(math.sin, (1.0,), ([1.0],))),
        (fwdad.NoRuleError, "np.gcd", lambda: jet(lambda x: np.gcd(x, 2), (1.0,), ([1.0],))),
        (fwdad.LostDerivativeError, "in place", lambda: laplacian(writes)(np.ones(2))),
        (TypeError, "real numbers", lambda: laplacian(np.sum)(np.ones(2, complex))),
        (ValueError, "chunk_size", lambda: laplacian(np.sum, chunk_size=0)),
    ],
)  # fmt: skip
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


# laplacian
def wave(x):
    """A network with a product of everything at the end."""
    h = np.tanh(x @ W)
    return functions.logsumexp(functions.softplus(h @ W.T) * x) * np.prod(np.cos(x)) + np.sqrt(np.sum(x * x))


@pytest.mark.parametrize("chunk_size", [None, 1, 3])
def test_laplacian_is_the_trace_of_the_hessian(chunk_size):
    x = RNG.standard_normal(4)
    y, found = fwdad.value_and_laplacian(wave, chunk_size=chunk_size)(x)
    expect_close(y, wave(x), 1e-14, "value")
    expect_close(found, np.trace(fwdad.hessian(wave)(x)), 1e-12, "laplacian")


def test_laplacian_of_trees_and_aux():
    def f(p, c):
        return {"s": c * np.sum(p["a"] ** 3) * p["b"] ** 2, "n": 3, "one": 1.0}, "aux"

    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    found, aux = laplacian(f, has_aux=True)(p, 2.0)
    assert float(found["s"]) == 2 * (18 * 9 + 9 * 2)
    assert (found["n"], found["one"], aux) == (None, 0, "aux")
    assert laplacian(lambda x: np.sum(x))(np.zeros((0, 3))) == 0


def test_laplacian_nests():
    x = RNG.standard_normal(4)

    def f(x):
        return np.sum(np.sin(x)) ** 2

    expected = jacfwd(lambda x: np.trace(fwdad.hessian(f)(x)))(x)
    expect_close(jacfwd(laplacian(f))(x), expected, 1e-12, "gradient of a laplacian")
    biharmonic = laplacian(laplacian(lambda x: np.sum(x**4) + np.prod(x**2)))(x[:2])
    assert float(biharmonic) == pytest.approx(2 * 24 + 8, rel=1e-12)


# sparse_jacfwd
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


# custom_jvp
@custom_jvp
def scaled_sum(p, c):
    return {"y": math.fsum(np.ravel(p["x"]).tolist()) * c, "n": 2}


@scaled_sum.defjvp
def _scaled_sum(primals, tangents):
    (p, c), (dp, dc) = primals, tangents
    terms = [] if dp["x"] is None else [np.sum(dp["x"], axis=tuple(range(1, dp["x"].ndim))) * c]
    terms += [] if dc is None else [dc * np.sum(p["x"])]
    return {"y": np.sum(p["x"]) * c, "n": 2}, {"y": sum(terms), "n": None}


def test_custom_rule_of_trees():
    x = RNG.standard_normal((2, 3))
    check_jvp(lambda x, c: scaled_sum({"x": x}, c)["y"], [x, np.array(2.0)])
    check_jvp(lambda c: scaled_sum({"x": x}, c)["y"], [np.array(2.0)])
    check_jvp(lambda x: jvp(lambda x, c: scaled_sum({"x": x}, c)["y"], (x, 2.0), (x, 1.0))[1], [x])
    assert scaled_sum({"x": np.ones(3)}, 2)["y"] == 6
    found = jet(lambda t: scaled_sum({"x": t * np.ones(2)}, t)["y"], (3.0,), ([1.0, 0.0],))
    assert [float(d) for d in (found[0], *found[1])] == [18, 12, 4]
    assert float(laplacian(lambda x, c: scaled_sum({"x": x}, c)["y"], (0, 1))(x, 2.0)) == 0


@pytest.mark.parametrize(
    ("error", "words", "rule"),
    [
        (TypeError, "no rule yet", None),
        (ValueError, r"shape \(2,\)", lambda p, t: (p[0], np.ones(2))),
        (ValueError, "2 values and 1 tangents", lambda p, t: ((p[0], p[0]), t[0])),
        (ValueError, "int64", lambda p, t: (np.ones(2, np.int64), t[0])),
    ],
)
def test_custom_rules_are_checked(error, words, rule):
    f = custom_jvp(np.sin)
    if rule is not None:
        f.defjvp(rule)
    with pytest.raises(error, match=words):
        jvp(f, (np.ones(2),), (np.ones((3, 2)),))


# debug_nans
def test_the_operation_that_made_the_first_nan_is_named():
    def f(x):
        return np.sum(np.exp(np.log(x) * 0))

    with np.errstate(all="ignore"), fwdad.debug_nans():
        with pytest.raises(fwdad.NaNError, match=r"np\.multiply .* 1 of 6 entries"):
            jvp(f, (np.array([0.0, 1.0, 2.0]),), (np.array([[1.0, 1, 1], [0, 1, 1]]),))
        jvp(f, (np.array([0.5]),), (np.ones((2, 1)),))
        with pytest.raises(fwdad.NaNError, match=r"np\.multiply"):
            jvp(lambda x: derivative(lambda y: f(x[0] * y))(1.0), (np.zeros(1),), (np.ones(1),))
        # a NaN that was there before is nobody's fault
        jvp(lambda x: x * np.array([np.nan, 1.0]), (np.ones(2),), (np.ones(2),))


def test_watching_ends_and_other_threads_do_not_notice():
    from fwdad.dual import RULES

    before = dict(RULES)

    def nan(_):
        with np.errstate(all="ignore"):
            return jvp(lambda x: np.log(x) * 0, (0.0,), (1.0,))[1]

    with ThreadPoolExecutor(1) as pool:
        with fwdad.debug_nans(), fwdad.debug_nans():
            assert np.isnan(next(iter(pool.map(nan, [0]))))
            with pytest.raises(fwdad.NaNError):
                nan(0)
        assert before == RULES
    assert np.isnan(nan(0))
