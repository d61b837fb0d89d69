"""laplacian: the trace of the Hessian, trees, nesting. Every rule goes through it in tests/rules/test_rules.py."""

import numpy as np
import pytest

import fwdad
from fwdad import functions, jacfwd, laplacian, laplacian_estimate
from fwdad.testing import expect_close

RNG = np.random.default_rng(9)
W = RNG.standard_normal((4, 6))


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


def cubes(x):
    y = x * 1
    np.copyto(y, y**3)
    return np.sum(y)


def center(a):
    a -= np.mean(a)


def variance(x):
    y = x * 1
    center(y)
    return np.mean(y * y)


def squares_before(x):
    y = x * 1
    t = y[1:]
    t += x[:-1] ** 2
    return np.sum(y)


@pytest.mark.parametrize(
    ("f", "x", "value", "expected"),
    [(cubes, [1.0, 2.0], 9, 18), (variance, [1.0, 2.0, 4.0], 14 / 9, 4 / 3), (squares_before, [1.0, 2.0, 4.0], 12, 4)],
)
def test_laplacian_of_programs_that_write(f, x, value, expected):
    assert fwdad.value_and_laplacian(f)(np.array(x)) == pytest.approx((value, expected), rel=1e-14)
    unit = np.zeros(len(x))
    unit[0] = 1
    second = fwdad.jet(f, (np.array(x),), ([unit, 0 * unit],))[1][1]
    assert second == pytest.approx(fwdad.hessian(f)(np.array(x))[0, 0], rel=1e-14)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "real numbers", lambda: laplacian(np.sum)(np.ones(2, complex))),
        (ValueError, "chunk_size", lambda: laplacian(np.sum, chunk_size=0)),
    ],
)  # fmt: skip
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def two_layers(w, v):
    return lambda x: np.tanh(np.tanh(x["a"] @ w) @ v + x["b"] ** 2)


def test_estimates_are_unbiased():
    """The mean over all sets of coordinates, each by its own seed, is the Laplacian."""
    rng = np.random.default_rng(24)
    f = two_layers(rng.standard_normal((5, 3)), rng.standard_normal((3, 2)))
    x = {"a": rng.standard_normal(5), "b": rng.standard_normal(2)}
    expected = laplacian(f)(x)
    expect_close(laplacian_estimate(f, 7, seed=0)(x), expected, 1e-13, "all coordinates")
    found = {}
    for seed in range(200):
        coordinate = int(np.random.default_rng(seed).choice(7, 1, replace=False)[0])
        found[coordinate] = laplacian_estimate(f, 1, seed=seed)(x)
    assert len(found) == 7
    expect_close(np.mean(list(found.values()), axis=0), expected, 1e-13, "the mean")


def test_what_estimates_refuse():
    for k in (0, 4):
        with pytest.raises(ValueError, match="from 1 to the 3 of the argument"):
            laplacian_estimate(np.sum, k, seed=0)(np.ones(3))
    with pytest.raises(TypeError, match="real numbers"):
        laplacian_estimate(np.sum, 1, seed=0)(np.ones(3, complex))
    assert laplacian_estimate(lambda x: (x.shape[0], np.ones(2)), 1, seed=0)(np.ones(3))[0] is None
