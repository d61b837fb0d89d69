"""What single kinds of direction do cleverly."""

import numpy as np
import pytest

import fwdad
from fwdad import Dual, functions
from fwdad.dual import new_level
from fwdad.tangents import BasisTangent, ColumnTangent, kind_of
from fwdad.testing import expect_close

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("n", [0, 1, 1024, 2048, 3000, 2039, 4 * 2039])
def test_inner_products_with_a_vector(n):
    """Sizes that 1024 divides, sizes that it does not, and primes."""
    v, g = RNG.standard_normal((3, n)).astype(np.float32), RNG.standard_normal(n).astype(np.float32)
    exact = v.astype(np.float64) @ g.astype(np.float64)
    found = kind_of(v).inner(g)
    assert found.dtype == np.float64
    lengths = np.linalg.norm(v, axis=1) * np.linalg.norm(g)
    assert np.all(np.abs(found - exact) <= 1e-7 * lengths)
    expect_close(kind_of(v.astype(np.float64)).inner(g.astype(np.float64)), exact, 1e-13, "in float64")


def test_unit_vectors_stay_columns_behind_an_activation():
    level = new_level()
    b = Dual(np.zeros(6), BasisTangent(np.arange(6), (6,), np.float64), level)
    y = functions.affine(RNG.standard_normal((5, 3)), RNG.standard_normal((3, 6)), b, "tanh")
    assert type(y.tangent) is ColumnTangent


def test_columns_under_an_elementwise_function():
    """The rule asks for what the kind does not know: it becomes an ndarray."""
    t = ColumnTangent(np.array([2, 0, 5, 2]), RNG.standard_normal((4, 5)), 6)
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
