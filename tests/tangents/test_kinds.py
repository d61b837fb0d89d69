"""Every kind of tangent is the ndarray that it stands for, whatever is done with it."""

import numpy as np
import pytest

import fwdad
from fwdad import Dual, functions, tangents
from fwdad.dual import new_level
from fwdad.tangents import BasisTangent, StreamTangent
from fwdad.tangents.columns import ColumnTangent
from fwdad.testing import expect_close

RNG = np.random.default_rng(3)
KINDS = {
    "stream": StreamTangent(1, 2, 3, "normal", k=4, primal_shape=(5, 6), dtype=np.float64),
    "basis": BasisTangent(np.array([0, 29, -1, 7]), (5, 6), np.float64),
    "columns": ColumnTangent(np.array([2, 0, 5, 2]), RNG.standard_normal((4, 5)), 6),
}
OPERATIONS = {
    "t + 1": lambda t: t + 1,
    "t * row": lambda t: t * np.arange(6.0),
    "matrix * t": lambda t: np.arange(30.0).reshape(5, 6) * t,
    "x @ t": lambda t: np.arange(10.0).reshape(2, 5) @ t,
    "t @ w": lambda t: t @ np.arange(18.0).reshape(6, 3),
    "t @ vector": lambda t: t @ np.arange(6.0),
    "t[1]": lambda t: t[1],
    "reshape": lambda t: np.asarray(t.reshape(4, 30)),
    "reshape by a tuple": lambda t: np.asarray(t.reshape((4, 1, 30))),
    "other k": lambda t: np.asarray(t.reshape(2, 60)),
    "any": lambda t: np.any(t, axis=0),
    "any of all": lambda t: np.any(t),
    "sum": lambda t: np.sum(t, axis=(1, 2)),
    "concatenate": lambda t: np.concatenate([t, t], axis=1),
    "astype": lambda t: t.astype(np.float32),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_operations(kind, operation):
    t, apply = KINDS[kind], OPERATIONS[operation]
    found, expected = np.asarray(apply(t)), apply(t.dense())
    assert found.dtype == expected.dtype
    expect_close(found.astype(float), expected.astype(float), 1e-12, operation)


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_estimator_asks(kind):
    t, c = KINDS[kind], RNG.standard_normal(4)
    v = t.dense().reshape(4, -1)
    if kind != "columns":  # no sampler hands it out
        expect_close(tangents.gram(t), v @ v.T, 1e-6, "gram")
        expect_close(tangents.combine(c, t).ravel(), c @ v, 1e-6, "combine")
    assert tangents.dense(t).shape == t.shape == (4, 5, 6)
    assert (t.ndim, t.size, len(t)) == (3, 120, 4)
    with pytest.raises(ValueError, match="no memory to share"):
        np.asarray(t, copy=False)


@pytest.mark.parametrize("n", [0, 1, 1024, 2048, 3000, 2039, 4 * 2039])
def test_inner_products_with_a_vector(n):
    """Sizes that 1024 divides, sizes that it does not, and primes."""
    v, g = RNG.standard_normal((3, n)).astype(np.float32), RNG.standard_normal(n).astype(np.float32)
    exact = v.astype(np.float64) @ g.astype(np.float64)
    found = tangents.inner(v, g)
    assert found.dtype == np.float64
    lengths = np.linalg.norm(v, axis=1) * np.linalg.norm(g)
    assert np.all(np.abs(found - exact) <= 1e-7 * lengths)
    expect_close(tangents.inner(v.astype(np.float64), g.astype(np.float64)), exact, 1e-13, "in float64")


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
@pytest.mark.parametrize("moving", ["x", "w", "b", "x and b", "x and w"])
@pytest.mark.parametrize("kind", ["basis", "columns", "stream"])
def test_affine_layers(kind, moving, activation):
    """x (5, 6), w (6, 6), b (6,): each may move by any kind."""
    level = new_level()
    values = {"x": RNG.standard_normal((5, 6)), "w": RNG.standard_normal((6, 6)), "b": RNG.standard_normal(6)}
    kinds = {
        "x": KINDS[kind],
        "w": BasisTangent(np.array([3, -1, 35, 8]), (6, 6), np.float64),
        "b": BasisTangent(np.array([3, 1, 5, 1]), (6,), np.float64),
    }
    moved = moving.split(" and ")
    clever = {n: Dual(x, kinds[n], level) if n in moved else x for n, x in values.items()}
    plain = {n: Dual(x, kinds[n].dense(), level) if n in moved else x for n, x in values.items()}

    def two_layers(x, w, b):
        return functions.affine(functions.affine(x, w, b, activation), values["w"], None, activation)

    found, expected = two_layers(**clever), two_layers(**plain)
    expect_close(found.primal, expected.primal, 1e-14, "y")
    expect_close(np.asarray(found.tangent), expected.tangent, 1e-12, "dy")


def test_unit_vectors_stay_columns_behind_an_activation():
    level = new_level()
    b = Dual(np.zeros(6), BasisTangent(np.arange(6), (6,), np.float64), level)
    y = functions.affine(RNG.standard_normal((5, 3)), RNG.standard_normal((3, 6)), b, "tanh")
    assert type(y.tangent) is ColumnTangent


def test_columns_under_an_elementwise_function():
    """The rule asks for what the kind does not know: it becomes an ndarray."""
    t = KINDS["columns"]
    x = RNG.standard_normal((5, 6))
    level = new_level()
    found = np.tanh(Dual(x, t, level)).tangent
    expect_close(found, fwdad.jvp(np.tanh, (x,), (t.dense(),))[1], 1e-14, "tanh")


@pytest.mark.parametrize(
    ("words", "make"),
    [
        ("columns from 0 to 2", lambda: ColumnTangent(np.array([3]), np.ones((1, 2)), 3)),
        ("index .k,. and values", lambda: ColumnTangent(np.array([0, 1]), np.ones((1, 2)), 3)),
        ("from -1 to 5", lambda: BasisTangent(np.array([6]), (2, 3), np.float32)),
    ],
)
def test_mistakes_are_named(words, make):
    with pytest.raises(ValueError, match=words):
        make()
