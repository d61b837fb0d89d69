"""stream_product: every body, every shape and layout, against float64."""

import numpy as np
import pytest

from fwdad import jvp
from fwdad.kernels import Stream, generate
from fwdad.kernels import stream_product as public_stream_product
from fwdad.tangents import StreamTangent

DTYPES = [np.float32, np.float64]
SIZES = [(5, 6, 7, 2), (1, 1, 1, 1), (0, 3, 4, 2), (3, 0, 4, 2), (17, 1100, 50, 3), (9, 130, 97, 2)]


def examples(dtype):
    rng = np.random.default_rng(0)
    for kind in ("normal", "rademacher"):
        for m, depth, n, k in [*SIZES, (2, 5, 3, 300), (70, 300, 130, 5)]:
            yield rng.standard_normal((m, depth)).astype(dtype), Stream(7, 2, 3, kind, k, (depth, n), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "rademacher"])
def test_stream_product(stream_product, dense64, assert_within, layouts, kind, dtype):
    for m, depth, n, k in SIZES:
        stream = Stream(7, 2, 3, kind, k, (depth, n), np.dtype(dtype))
        x = np.random.default_rng(m).standard_normal((m, depth)).astype(dtype)
        exact, size = x.astype(np.float64) @ dense64(stream), np.abs(x.astype(np.float64)) @ np.abs(dense64(stream))
        for _, view in layouts(x):
            product = stream_product(view, stream)
            assert product.dtype == dtype
            assert product.flags.c_contiguous
            assert_within(product, exact, (depth + 2) * np.finfo(dtype).eps * size)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_sign_changes_no_bit(stream_product):
    """x times one sign is x or -x, of any size; infinity and NaN stay in their row."""
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.integers(2**23, 2**24, 90), rng.integers(-123, 105, 90)).astype(np.float32)
    x[:6] = [0, np.inf, np.nan, np.finfo(np.float32).max, -1, 2.0**-102]
    for depth in (1, 200):
        stream = Stream(7, 2, 3, "rademacher", 3, (depth, 70))
        matrix = np.zeros((len(x), depth), np.float32)
        matrix[:, depth // 2] = x
        expected = x[:, None] * generate(stream)[:, None, depth // 2]
        np.testing.assert_array_equal(stream_product(matrix, stream), expected)


def test_matmul_of_a_streamed_tangent_runs_the_kernel():
    t = StreamTangent(7, 2, 3, "normal", 3, (6, 8), np.dtype(np.float32))
    x, w = np.random.default_rng(0).standard_normal((2, 6, 8)).astype(np.float32)
    assert np.array_equal(x[:, :6] @ t, public_stream_product(x[:, :6], t))
    _, dy = jvp(lambda w: x[:, :6] @ w, (w,), (t,))
    assert np.array_equal(dy, public_stream_product(x[:, :6], t))
    assert np.allclose(x[None, :, :6] @ t, x[:, :6] @ t.dense(), atol=1e-5)  # three axes: dense


def test_bad_stream_products():
    x = np.ones((2, 3), np.float32)
    stream = Stream(1, 0, 0, "normal", 2, (3, 4))
    with pytest.raises(TypeError, match="stream_product: v: expected a Stream, given ndarray"):
        public_stream_product(x, x)
    with pytest.raises(TypeError, match="stream_product: v: expected dtype float64"):
        public_stream_product(x.astype(np.float64), stream)
    with pytest.raises(ValueError, match=r"stream_product: v: expected shape \(2, 2, 4\) .*, given \(2, 3, 4\)"):
        public_stream_product(x[:, :2], stream)
    with pytest.raises(ValueError, match=r"stream_product: v: expected shape \(2, 3\) .*, given \(2, 7\)"):
        public_stream_product(x, Stream(1, 0, 0, "normal", 2, (7,)))
