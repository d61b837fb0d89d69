"""What the tests of elementwise kernels and reductions share."""

import numpy as np
import pytest

DTYPES = [np.float32, np.float64]
SIZES = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 2047, 2048, 2049, 5000]
MANY = pytest.mark.parametrize("k", [1, 2, 5, 31, 64, 129, 255, 300])


def normal(seed, shape, dtype):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def unit_of(dtype):
    return float(np.finfo(dtype).eps) / 2


def with_a_nan():
    """z (3, 20) with one NaN, in row 1, and tangents (2, 3, 20) of ones."""
    z = normal(0, (3, 20), np.float32)
    z[1, 4] = np.nan
    return z, np.ones((2, 3, 20), np.float32)


def assert_tangents_are_alone(kernel, k):
    """Tangents (k, ...) by kernel(i), of the tangents i, do not know of each other: to the bit."""
    together = kernel(slice(None))
    assert len(together) == k
    for i in {0, k // 2, k - 1}:
        assert np.array_equal(together[i], kernel(slice(i, i + 1))[0])
