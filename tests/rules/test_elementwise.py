"""Every row of the elementwise tables, against the mathematics."""

import numpy as np
import pytest

import fwdad
from fwdad import functions
from fwdad.rules.elementwise import BINARY, STRONG, UNARY
from fwdad.testing import check_jvp

ACTIVATIONS = [pytest.param(row.value, id=name) for name, row in functions.ACTIVATIONS.items()]
UNARY_ROWS = [pytest.param(row, id=row.function.__name__) for row in UNARY]
BINARY_ROWS = [pytest.param(row, id=row.function.__name__) for row in BINARY]


def points(domain, *shape, seed=7):
    return np.random.default_rng(seed).uniform(*domain, shape)


@pytest.mark.parametrize("row", UNARY_ROWS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 0), (3, 4)])
def test_unary_jvp(row, shape):
    check_jvp(row.function, [points(row.domain, *shape)], tolerance=1e-6)


@pytest.mark.parametrize("row", UNARY_ROWS)
def test_unary_second_derivative(row):
    """The rule is itself a differentiable program."""
    check_jvp(lambda x: fwdad.jvp(row.function, (x,), (np.ones(4),))[1], [points(row.domain, 4)], tolerance=1e-6)


@pytest.mark.parametrize("row", UNARY_ROWS)
def test_unary_keeps_float32(row):
    x = points(row.domain, 6).astype(np.float32)
    y, dy = fwdad.jvp(row.function, (x,), (np.ones((2, 6), np.float32),))
    assert y.dtype == dy.dtype == np.float32
    truth = fwdad.jvp(row.function, (x.astype(np.float64),), (np.ones((2, 6)),))[1]
    assert np.all(np.abs(dy - truth) <= 1e-5 * (1 + np.abs(truth)))


@pytest.mark.parametrize("row", BINARY_ROWS)
@pytest.mark.parametrize(
    "shapes",
    [((), ()), ((4,), (4,)), ((3, 1), (4,)), ((4,), (2, 3, 4)), ((2, 3, 4), ()), ((1, 4), (3, 1)), ((0, 3), (3,))],
)
def test_binary_jvp_broadcasts(row, shapes):
    x, y = points(row.domain, *shapes[0]), points(row.domain, *shapes[1], seed=8)
    check_jvp(row.function, [x, y], tolerance=1e-6)
    check_jvp(lambda x: row.function(x, y), [x], tolerance=1e-6)
    check_jvp(lambda y: row.function(x, y), [y], tolerance=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_k_axis_never_meets_a_data_axis(k):
    """k tangents of a vector against a matrix whose leading axis also has length k."""
    x, y = np.arange(1.0, 4.0), np.arange(12.0).reshape(4, 3)[:k] + 1
    for f in (np.add, np.multiply, np.divide, np.arctan2):
        check_jvp(f, [x, y], k=k)
        check_jvp(lambda x, f=f: f(x, y), [x], k=k)


@pytest.mark.parametrize("row", BINARY_ROWS)
def test_binary_keeps_dtype_with_python_numbers_and_follows_the_answer(row):
    x = points(row.domain, 5).astype(np.float32)
    seed = np.ones((2, 5), np.float32)
    for other in (2, 2.0, np.float32(2)):
        y, dy = fwdad.jvp(lambda x, o=other: row.function(x, o), (x,), (seed,))
        assert y.dtype == dy.dtype == np.float32
    y, dy = fwdad.jvp(lambda x: row.function(x, np.full(5, 1.5)), (x,), (seed,))
    assert y.dtype == dy.dtype == np.float64


@pytest.mark.parametrize("f", ACTIVATIONS)
def test_activations(f):
    x = np.array([-30.0, -3.0, -0.4, 0.3, 2.0, 30.0])
    check_jvp(f, [x])
    check_jvp(lambda x: fwdad.jvp(f, (x,), (np.ones(6),))[1], [x])
    y, dy = fwdad.jvp(f, (x.astype(np.float32),), (np.ones((2, 6), np.float32),))
    assert y.dtype == dy.dtype == np.float32


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 2.5, np.array([0.0, 1.0, 2.0])])
def test_power_with_constant_exponent(exponent):
    check_jvp(lambda x: x**exponent, [np.array([0.5, 1.0, 2.0])], tolerance=1e-6)


def test_power_at_the_edges():
    one = np.ones(3)
    base = np.array([-2.0, 0.0, 3.0])
    assert fwdad.jvp(lambda x: x**2, (base,), (one,))[1].tolist() == [-4, 0, 6]
    assert fwdad.jvp(lambda x: x**0.0, (base,), (one,))[1].tolist() == [0, 0, 0]
    assert fwdad.jvp(lambda x: x**3, (base,), (one,))[1].tolist() == [12, 0, 27]
    assert fwdad.jvp(lambda y: 0.0**y, (np.array([1.0, 2.0, 3.0]),), (one,))[1].tolist() == [0, 0, 0]
    assert fwdad.derivative(lambda x: x**x)(2.0) == pytest.approx(4 * (1 + np.log(2)))
    check_jvp(np.power, [np.array([0.5, 2.0]), np.array([1.5, -0.5])])


@pytest.mark.parametrize(
    "row", [row for row in UNARY if row.singular.startswith(STRONG)], ids=lambda row: row.function.__name__
)
def test_strong_zero(row):
    """A direction that does not move stays zero at a singular point; the other ones keep their infinity."""
    for point in (float(p) for p in row.singular.removeprefix(f"{STRONG} at ").split(",")):
        with np.errstate(all="ignore"):
            dy = fwdad.jvp(row.function, (np.array([point]),), (np.array([[0.0], [1.0]]),))[1]
        assert dy[0, 0] == 0
        assert np.isinf(dy[1, 0])


def test_kinks():
    ones = np.ones(1)
    assert fwdad.jvp(np.abs, (0 * ones,), (ones,))[1] == 0
    assert fwdad.jvp(functions.relu, (0 * ones,), (ones,))[1] == 0
    assert fwdad.jvp(lambda x: np.maximum(x, 0.0), (0 * ones,), (ones,))[1] == 0.5
    assert fwdad.jvp(lambda x: np.clip(x, 0.0, 1.0), (0.5 * ones,), (ones,))[1] == 1


def test_remainder_and_divmod():
    x = np.array([5.3, -2.2])
    check_jvp(lambda x, y: x % y, [x, np.array([2.0, 1.5])])
    check_jvp(lambda x: divmod(x, 2.0)[1], [x])
    check_jvp(np.fmod, [x, np.array([2.0, 1.5])])
