"""Arrays made like a Dual: which transform they belong to, what they hold, and that they share memory with nothing.

What programs write into them is in tests/transforms/kinds.py, under every transform.
"""

import numpy as np
import pytest

import fwdad
from fwdad import Dual, LostDerivativeError, jvp
from fwdad.dual import new_level, plain
from fwdad.tangents import StreamTangent

X = np.array([0.7, -1.2, 2.1])

MADE = {
    "zeros_like": lambda x: np.zeros_like(x),
    "ones_like": lambda x: np.ones_like(x, shape=(2, 4)),
    "full_like": lambda x: np.full_like(x, [1.0, 2.0, 3.0], np.float32),
    "zeros": lambda x: np.zeros(4, like=x),
    "ones": lambda x: np.ones((2, 1), np.float32, like=x),
    "full": lambda x: np.full((2, 3), 7.0, like=x),
    "full of integers": lambda x: np.full(2, 7, like=x),
    "eye": lambda x: np.eye(3, k=1, like=x),
    "identity": lambda x: np.identity(2, like=x),
    "tri": lambda x: np.tri(3, like=x),
    "arange": lambda x: np.arange(0.0, 1.0, 0.25, like=x),
    "arange of integers": lambda x: np.arange(4, like=x),
    "array": lambda x: np.array([[1, 2.5]], like=x),
    "array of dtype": lambda x: np.array([1, 2], np.float32, ndmin=2, like=x),
    "asarray of integers": lambda x: np.asarray([1, 2], like=x),
    "asanyarray": lambda x: np.asanyarray(X, like=x),
    "ascontiguousarray": lambda x: np.ascontiguousarray(X[::-1], like=x),
    "asfortranarray": lambda x: np.asfortranarray(np.outer(X, X), like=x),
    "require": lambda x: np.require(X, np.float32, "F", like=x),
    "fromfunction": lambda x: np.fromfunction(lambda i, j: i - j, (2, 2), like=x),
    "fromiter": lambda x: np.fromiter(iter(X), float, like=x),
    "frombuffer": lambda x: np.frombuffer(X, like=x),
    "zeros_like of integers": lambda x: np.zeros_like(x, int),
}


@pytest.mark.parametrize("name", MADE)
def test_they_hold_what_numpys_hold_and_do_not_move(name):
    make, expected = MADE[name], MADE[name](X)
    made = []
    y, dy = jvp(lambda x: (made.append(make(x)), make(x))[1], (X,), (np.ones((2, 3)),))
    assert isinstance(made[0], Dual) == (expected.dtype.kind == "f")
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(y, expected)
    assert dy is None or (not np.any(dy) and dy.shape == (2, *y.shape))


def test_empty_ones_hold_no_nan():
    assert jvp(lambda x: (np.empty_like(x), np.empty((2, 2), like=x)), (X,), (X,))[0][0].tolist() == [0, 0, 0]


VALUES = {
    "full": lambda x: np.full(3, x[1], like=x),
    "full_like": lambda x: np.full_like(x, x[1], shape=(2, 3)),
    "array": lambda x: np.array([[x[0], 1, x[1] * x[2]], [4, 5, 6]], like=x),
    "array of a Dual": lambda x: np.array(x, like=x),
    "asarray of dtype": lambda x: np.asarray((x[0], x[1]), np.float32, like=x),
}


@pytest.mark.parametrize("name", VALUES)
def test_they_take_values_that_move(name):
    f = VALUES[name]
    y, dy = jvp(f, (X,), (np.eye(3),))
    assert np.array_equal(y, f(X))
    for v, t in zip(np.eye(3), dy, strict=True):
        numeric = (f(X + 1e-3 * v).astype(float) - f(X - 1e-3 * v)) / 2e-3
        assert np.allclose(t, numeric, atol=1e-4)


def test_asarray_of_a_dual_is_itself_and_array_copies():
    def f(x):
        same, other = np.asarray(x, like=x), np.array(x, like=x)
        assert same is x
        other[0] = 5.0
        return x * 1, other

    assert [a[0] for a in jvp(f, (X,), (X,))[0]] == [X[0], 5.0]


def test_a_plain_array_is_copied():
    ours = X.copy()

    def f(x):
        c = np.asarray(ours, like=x)
        c[0] = x[1]
        ours[1] = 100.0
        return c

    assert jvp(f, (X,), (X,))[0].tolist() == [X[1], X[1], X[2]]
    assert ours[0] == X[0]


def test_it_belongs_to_the_highest_transform():
    low, high = (Dual(X, np.ones((1, 3)), new_level()) for _ in range(2))
    both = Dual(low, np.ones((1, 3)), high.level)
    assert np.zeros_like(both).level == high.level
    assert not isinstance(np.zeros_like(both).primal, Dual)
    made = [np.full(3, high, like=low), np.full_like(high, low), np.full_like(low, high), np.array([low[0]], like=high)]
    assert {array.level for array in made} == {high.level}
    assert plain(np.full_like(low, high, int)).tolist() == [0, -1, 2]


def test_a_buffer_of_an_outer_transform_refuses_values_of_an_inner_one():
    def outer(x):
        c = np.zeros_like(x)
        return fwdad.jvp(lambda t: c.__setitem__(0, t), (1.0,), (1.0,))

    with pytest.raises(LostDerivativeError, match="like=value"):
        jvp(outer, (X,), (X,))


def test_a_buffer_inside_an_inner_transform_takes_values_of_an_outer_one():
    def outer(x):
        def inner(t):
            c = np.zeros(2, like=t)
            c[0] = x[0] * t**2
            c[1] = c[0] * x[1]
            return c

        return fwdad.derivative(inner)(1.5)

    assert np.allclose(fwdad.jacfwd(outer)(X), [[3, 0, 0], [3 * X[1], 3 * X[0], 0]])


def test_directions_are_not_made_for_the_zeros(monkeypatch):
    monkeypatch.delattr(StreamTangent, "dense")
    w = Dual(np.ones(5), StreamTangent.example(4, (5,), np.float64, 0), new_level())
    assert np.zeros_like(w).tangent.shape == np.ones((5,), like=w).tangent.shape == (4, 5)
