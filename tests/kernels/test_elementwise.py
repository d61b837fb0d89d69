"""Elementwise JVPs, weighted rows and the cross-entropy: every body against float64."""

import numpy as np
import pytest

from fwdad import kernels
from fwdad.kernels import ACTIVATIONS

DTYPES = [np.float32, np.float64]
KERNEL_ACTIVATIONS = list(ACTIVATIONS)
SIZES = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 2047, 2048, 2049, 5000]
KS = [0, 1, 2, 3, 16]


def normal(seed, shape, dtype):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def unit_of(dtype):
    return float(np.finfo(dtype).eps) / 2


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", KERNEL_ACTIVATIONS)
def test_activation_jvp(activation_jvp, assert_within, activation, dtype):
    value, slope = ACTIVATIONS[activation]
    for n in (1, 17, 2049, 5000):
        x, dx = normal(0, n, dtype), normal(1, (3, n), dtype)
        y, dy = activation_jvp(x, dx, activation)
        assert (y.dtype, dy.dtype, y.shape, dy.shape) == (dtype, dtype, (n,), (3, n))
        x64 = x.astype(np.float64)
        bound = 16 * unit_of(dtype)
        assert_within(y, value(x64), bound * (np.abs(value(x64)) + np.abs(x64 * slope(x64))))
        true = slope(x64) * dx
        assert_within(dy, true, bound * (np.abs(true) + np.abs(dx)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 3, 8, 10, 16, 17, 63, 64, 65, 1000])
@pytest.mark.parametrize("rows", [0, 1, 5, 64])
def test_weighted_rows(weighted_rows, assert_within, rows, n, dtype):
    for k in (0, 1, 4):
        w, dx = normal(0, (rows, n), dtype), normal(1, (k, rows, n), dtype)
        terms = w.astype(np.float64) * dx
        bound = (n / 8 + 8) * unit_of(dtype) * np.sum(np.abs(terms), axis=-1)
        out = weighted_rows(w, dx)
        assert out.dtype == dtype
        assert_within(out, np.sum(terms, axis=-1), bound)


def exact_cross_entropy(z, labels, dz):
    z, dz = z.astype(np.float64), dz.astype(np.float64)
    rows = np.arange(len(labels))
    top = z.max(axis=1, keepdims=True)
    p = np.exp(z - top)
    loss = np.log(p.sum(axis=1)) + (top[:, 0] - z[rows, labels])
    p /= p.sum(axis=1, keepdims=True)
    p[rows, labels] = -np.where(np.arange(z.shape[1]) == labels[:, None], 0, p).sum(axis=1)
    return loss, np.sum(p * dz, axis=-1), np.sum(np.abs(dz), axis=-1), np.abs(z).max(axis=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1, 30, 1000])
@pytest.mark.parametrize(("rows", "n"), [(0, 3), (1, 1), (5, 2), (64, 10), (7, 16), (9, 17), (3, 1000)])
def test_cross_entropy_jvp(cross_entropy_jvp, assert_within, rows, n, scale, dtype):
    z = (scale * normal(0, (rows, n), dtype)).astype(dtype)
    labels = np.arange(rows) * 7 % n
    for k in (0, 1, 4):
        dz = normal(1, (k, rows, n), dtype)
        loss, dloss = cross_entropy_jvp(z, labels, dz)
        true_loss, true_dloss, size_dz, size_z = exact_cross_entropy(z, labels, dz)
        unit = unit_of(dtype)
        assert_within(loss, true_loss, 8 * unit * (1 + true_loss) + 2 * unit * size_z)
        assert_within(dloss, true_dloss, (n / 4 + 16) * unit * (1 + size_z) * size_dz)
        assert dloss.shape == (k, rows)


MANY = pytest.mark.parametrize("k", [1, 2, 5, 31, 64, 129, 255, 300])


def assert_tangents_are_alone(kernel, k):
    """Tangents (k, ...) by kernel(i), of the tangents i, do not know of each other: to the bit."""
    together = kernel(slice(None))
    assert len(together) == k
    for i in {0, k // 2, k - 1}:
        assert np.array_equal(together[i], kernel(slice(i, i + 1))[0])


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_tangents_of_an_activation(activation_jvp, k, dtype):
    z, dz = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: activation_jvp(z, dz[i], "tanh")[1], k)


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_scaled_tangents(scaled_tangents, k, dtype):
    a, b = normal(0, (3, 13), dtype), normal(1, (3, 13), dtype)
    dx, dy = normal(2, (k, 3, 13), dtype), normal(3, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: scaled_tangents(a, dx[i], None, None), k)
    assert_tangents_are_alone(lambda i: scaled_tangents(a, dx[i], b, dy[i]), k)


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_weighted_rows(weighted_rows, k, dtype):
    w, dx = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: weighted_rows(w, dx[i]), k)


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_tangents_of_the_cross_entropy(cross_entropy_jvp, k, dtype):
    z, dz, labels = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype), np.array([0, 12, 5])
    assert_tangents_are_alone(lambda i: cross_entropy_jvp(z, labels, dz[i])[1], k)


def with_a_nan():
    """z (3, 20) with one NaN, in row 1, and tangents (2, 3, 20) of ones."""
    z = normal(0, (3, 20), np.float32)
    z[1, 4] = np.nan
    return z, np.ones((2, 3, 20), np.float32)


def test_nan_is_not_hidden_by_a_product(scaled_tangents):
    z, ones = with_a_nan()
    assert np.isnan(scaled_tangents(z, ones, None, None)).sum() == 2
    assert np.isnan(scaled_tangents(z, ones, z, ones)).sum() == 2


def test_nan_is_not_hidden_by_a_sum_of_two(axpby):
    z, ones = with_a_nan()
    assert np.isnan(axpby(0.0, z, 1.0, ones[0])).sum() == 1
    assert np.isnan(axpby(1.0, ones[0], 0.0, z)).sum() == 1


def test_nan_is_not_hidden_by_a_sum(weighted_rows):
    assert np.isnan(weighted_rows(*with_a_nan())).tolist() == [[False, True, False]] * 2


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_not_hidden_by_an_activation(activation_jvp):
    for part in activation_jvp(*with_a_nan(), "tanh"):
        assert np.isnan(part[..., 1, 4]).all()
        assert np.isnan(part).sum() == part.size // 60


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_not_hidden_by_the_cross_entropy(cross_entropy_jvp):
    z, ones = with_a_nan()
    loss, dloss = cross_entropy_jvp(z, np.array([0, 0, 0]), ones)
    assert np.isnan(loss).tolist() == [False, True, False]
    assert np.isnan(dloss).tolist() == [[False, True, False]] * 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(layouts, dtype):
    """The public functions take any strides, also misaligned memory."""
    z, w = normal(0, (9, 20), dtype), normal(1, (9, 20), dtype)
    dz, labels = normal(2, (3, 9, 20), dtype), np.arange(9)
    expected = [
        *kernels.activation_jvp(z, dz, "silu"),
        kernels.scaled_tangents(z, dz, w, dz),
        kernels.axpby(2, z, 3, w),
        kernels.weighted_rows(z, dz),
        *kernels.cross_entropy_jvp(z, labels, dz),
    ]
    for (name, a), (_, da) in zip(layouts(z), layouts(dz), strict=True):
        given = [
            *kernels.activation_jvp(a, da, "silu"),
            kernels.scaled_tangents(a, da, w, da),
            kernels.axpby(2, a, 3, w),
            kernels.weighted_rows(a, da),
            *kernels.cross_entropy_jvp(a, labels.astype(np.uint8), da),
        ]
        assert all(np.array_equal(x, y) for x, y in zip(given, expected, strict=True)), name
    raw = np.zeros(z.nbytes + 1, np.uint8)[1:].view(dtype).reshape(z.shape)
    raw[...] = z
    assert np.array_equal(kernels.scaled_tangents(raw, dz), kernels.scaled_tangents(z, dz))


X, D = np.ones((2, 3), np.float32), np.ones((4, 2, 3), np.float32)
BAD = [
    ("activation_jvp", TypeError, "x: expected a NumPy array, given list", ([1.0], D, "relu")),
    ("activation_jvp", ValueError, r"dx: expected shape \(k, 2, 3\) \(x is \(2, 3\)\), given \(2, 3\)", (X, X, "relu")),
    ("activation_jvp", ValueError, "activation: expected one of identity, .*, given 'softmax'", (X, D, "softmax")),
    ("scaled_tangents", TypeError, "dx: expected dtype float32 .*, given float64", (X, D.astype(float))),
    ("scaled_tangents", ValueError, "expected both b and dy or neither, given b alone", (X, D, X)),
    ("scaled_tangents", ValueError, r"b: expected shape \(2, 3\), given \(3,\)", (X, D, X[0], D)),
    ("scaled_tangents", ValueError, r"dy: expected shape \(4, 2, 3\), given \(1, 2, 3\)", (X, D, X, D[:1])),
    ("axpby", TypeError, "y: expected dtype float32 .*, given float64", (1.0, X, 1.0, X.astype(float))),
    ("axpby", ValueError, r"y: expected shape \(2, 3\) \(x is \(2, 3\)\), given \(3,\)", (1.0, X, 1.0, X[0])),
    ("weighted_rows", ValueError, r"w: expected shape \(..., n\), given \(\)", (np.ones((), np.float32), D)),
    ("cross_entropy_jvp", ValueError, r"z: expected shape \(B, classes\), given \(3,\)", (X[0], np.zeros(3, int), D)),
    ("cross_entropy_jvp", TypeError, "labels: expected an array of integers, given float64", (X, np.zeros(2), D)),
    ("cross_entropy_jvp", ValueError, "labels: expected 0 to 2, given 0 to 3", (X, np.array([0, 3]), D)),
    ("cross_entropy_jvp", ValueError, r"labels: expected shape \(2,\)", (X, np.array([0]), D)),
    ("cross_entropy_jvp", ValueError, "z: expected at least one class", (X[:, :0], np.zeros(2, int), D[..., :0])),
]


@pytest.mark.parametrize(("name", "error", "message", "arguments"), BAD, ids=[f"{b[0]}: {b[2]}" for b in BAD])
def test_bad_arguments(name, error, message, arguments):
    with pytest.raises(error, match=f"{name}: {message}"):
        getattr(kernels, name)(*arguments)
