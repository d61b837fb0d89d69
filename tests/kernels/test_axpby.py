"""axpby: NumPy's bits from every body."""

import numpy as np
import pytest
from elementwise import DTYPES, SIZES, normal, with_a_nan

from fwdad.kernels import axpby as public_axpby


def examples(dtype):
    for shape in [(0,), (1,), (), (7, 5), (3, 4, 5), (300, 401)]:
        yield 0.9, normal(0, shape, dtype), -0.1, normal(1, shape, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [*SIZES, 40_000])
def test_axpby_has_numpys_bits(axpby, n, dtype):
    x, y = normal(0, n, dtype), normal(1, n, dtype)
    for a, b in ((1.0, -1e-3), (0.9, 1.0), (0.999, 0.001), (0.0, 2.0)):
        out = axpby(a, x, b, y)
        assert (out.dtype, out.shape) == (dtype, (n,))
        np.testing.assert_array_equal(out, dtype(a) * x + dtype(b) * y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_sums_go_past_the_caches_with_the_same_bits(axpby, dtype):
    n, repeats = 70_001, 257
    x, y = normal(0, n, dtype), normal(1, n, dtype)
    out = axpby(0.9, np.tile(x, repeats), 0.1, np.tile(y, repeats))
    assert (out.reshape(repeats, n) == dtype(0.9) * x + dtype(0.1) * y).all()


def test_nan_is_not_hidden_by_a_sum_of_two(axpby):
    z, ones = with_a_nan()
    assert np.isnan(axpby(0.0, z, 1.0, ones[0])).sum() == 1
    assert np.isnan(axpby(1.0, ones[0], 0.0, z)).sum() == 1


X = np.ones((2, 3), np.float32)
BAD = [
    (TypeError, "y: expected dtype float32 .*, given float64", (1.0, X, 1.0, X.astype(float))),
    (ValueError, r"y: expected shape \(2, 3\) \(x is \(2, 3\)\), given \(3,\)", (1.0, X, 1.0, X[0])),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="axpby: " + message):
        public_axpby(*arguments)
