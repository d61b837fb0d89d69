"""scaled_tangents: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, MANY, SIZES, assert_tangents_are_alone, normal, unit_of, with_a_nan

from fwdad.kernels import scaled_tangents as public_scaled_tangents

KS = [0, 1, 2, 3, 16]


def examples(dtype):
    for shape, k in [((0,), 1), ((1,), 2), ((), 3), ((7, 5), 2), ((3, 4, 5), 300), ((70, 301), 5)]:
        yield normal(0, shape, dtype), normal(1, (k, *shape), dtype)
        yield (
            normal(0, shape, dtype),
            normal(1, (k, *shape), dtype),
            normal(2, shape, dtype),
            normal(3, (k, *shape), dtype),
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_scaled_tangents(scaled_tangents, assert_within, n, dtype):
    for k in KS:
        a, b = normal(0, n, dtype), normal(1, n, dtype)
        dx, dy = normal(2, (k, n), dtype), normal(3, (k, n), dtype)
        first, second = a.astype(np.float64) * dx, b.astype(np.float64) * dy
        out = scaled_tangents(a, dx, None, None)
        assert (out.dtype, out.shape) == (dtype, (k, n))
        assert_within(out, first, unit_of(dtype) * np.abs(first))
        bound = 3 * unit_of(dtype) * (np.abs(first) + np.abs(second))
        assert_within(scaled_tangents(a, dx, b, dy), first + second, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [1, 3])
def test_large_results_go_past_the_caches_with_the_same_bits(scaled_tangents, shift, dtype):
    """Results larger than the caches, that begin in the middle of a line: as the small ones, part by part."""
    n, k = 70_001, 129 if dtype is np.float64 else 257
    a, dx = normal(0, n, dtype), np.broadcast_to(normal(1, n, dtype), (k, n)).copy()
    b = normal(2, n, dtype)
    for second in ((None, None), (b, dx)):
        out = scaled_tangents(a, dx, *second)
        some = scaled_tangents(a, dx[:shift], *(None if s is None else s if s is b else dx[:shift] for s in second))
        assert all(np.array_equal(out[i], some[0]) for i in range(k))


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_scaled_tangents(scaled_tangents, k, dtype):
    a, b = normal(0, (3, 13), dtype), normal(1, (3, 13), dtype)
    dx, dy = normal(2, (k, 3, 13), dtype), normal(3, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: scaled_tangents(a, dx[i], None, None), k)
    assert_tangents_are_alone(lambda i: scaled_tangents(a, dx[i], b, dy[i]), k)


def test_nan_is_not_hidden_by_a_product(scaled_tangents):
    z, ones = with_a_nan()
    assert np.isnan(scaled_tangents(z, ones, None, None)).sum() == 2
    assert np.isnan(scaled_tangents(z, ones, z, ones)).sum() == 2


X, D = np.ones((2, 3), np.float32), np.ones((4, 2, 3), np.float32)
BAD = [
    (TypeError, "dx: expected dtype float32 .*, given float64", (X, D.astype(float))),
    (ValueError, "expected both b and dy or neither, given b alone", (X, D, X)),
    (ValueError, r"b: expected shape \(2, 3\), given \(3,\)", (X, D, X[0], D)),
    (ValueError, r"dy: expected shape \(4, 2, 3\), given \(1, 2, 3\)", (X, D, X, D[:1])),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="scaled_tangents: " + message):
        public_scaled_tangents(*arguments)
