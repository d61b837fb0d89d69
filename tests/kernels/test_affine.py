"""affine_jvp: every body, every shape, layout and activation, against float64."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwdad import jvp
from fwdad.kernels import ACTIVATIONS, Stream, generate
from fwdad.kernels import affine_jvp as public_affine_jvp
from fwdad.kernels import affine_jvp_gram as public_affine_jvp_gram
from fwdad.kernels import gram as public_gram
from fwdad.kernels import stream_product as public_stream_product
from fwdad.kernels.affine import affine_jvp_reference as reference
from fwdad.tangents import StreamTangent

DTYPES = [np.float32, np.float64]


def problem(m, depth, n, k, dtype, *, bias=1, dx=True, dw="dense", db=1, seed=0):
    """Random arguments: bias and db may be None, 1 (a row for all examples) or 2 (one for each)."""
    rng = np.random.default_rng([seed, m, depth, n, k])
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    stream = Stream(7, 2, 3, dw, k, (depth, n), np.dtype(dtype)) if dw not in ("dense", None) else None
    return (
        draw(m, depth),
        draw(depth, n) / np.sqrt(max(depth, 1), dtype=dtype),
        None if bias is None else draw(n) if bias == 1 else draw(m, n),
        draw(k, m, depth) if dx else None,
        draw(k, depth, n) if dw == "dense" else stream,
        None if db is None else draw(k, n) if db == 1 else draw(k, m, n),
    )


def check(body, arguments, activation, dense64, assert_within):
    """Compare with the reference in float64, within the rounding errors that sums of this length may make.

    A sum of n products, in any order, is off by at most n u times the sum of their sizes (N. J. Higham, "Accuracy and
    Stability of Numerical Algorithms", 2002, section 3.1), u being half the dtype's epsilon. From there the errors go
    through act (slope <= 1.2) and act' (slope <= 1), which add a few u of their own.
    """
    x, _, _, dx, dw, db = arguments
    y, dy = body(*arguments, activation)
    exact = [None if a is None else dense64(a) for a in arguments]
    y_true, dy_true = reference(*exact, activation)
    assert y.dtype == x.dtype
    assert y.flags.c_contiguous

    unit = np.finfo(x.dtype).eps / 2
    if x.dtype == np.float64:
        unit *= 2  # the truth rounds as well
    sizes = [None if a is None else np.abs(a) for a in exact]
    length = x.shape[1] + 2
    z_true, _ = reference(*exact[:3], None, None, None, "identity")
    size_z, size_dz = reference(*sizes, "identity")
    error_z = length * unit * size_z
    assert_within(y, y_true, 1.2 * error_z + 8 * unit * (np.abs(y_true) + np.abs(z_true)))

    if dx is dw is db is None:
        assert dy is None
        return
    assert dy.dtype == x.dtype
    assert dy.flags.c_contiguous
    _, dz_true = reference(*exact, "identity")
    error_dz = 2 * length * unit * size_dz
    error_slope = np.where(np.abs(z_true) <= error_z, 1, 0) if activation == "relu" else error_z + 8 * unit
    if activation == "identity":
        error_slope = 0 * error_z
    assert_within(dy, dy_true, 1.2 * error_dz + error_slope * np.abs(dz_true) + 2 * unit * np.abs(dy_true))


EDGES = {
    "m": [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 65],
    "depth": [0, 1, 2, 3, 5, 8, 127, 128, 129, 1023, 1024, 1025, 2100],
    "n": [0, 1, 3, 4, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 95, 96, 97, 150],
    "k": [1, 2, 3, 4, 5, 16, 17, 300],
}
SHAPES = [
    *({"m": 5, "depth": 6, "n": 7, "k": 2} | {axis: size} for axis, sizes in EDGES.items() for size in sizes),
    {"m": 9, "depth": 1100, "n": 150, "k": 3},  # several panels of columns, in several stretches of depth
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(str(n) for n in s.values()))
def test_shapes(affine_jvp, dense64, assert_within, shape, dtype):
    check(affine_jvp, problem(**shape, dtype=dtype), "identity", dense64, assert_within)
    check(affine_jvp, problem(**shape, dtype=dtype, dw="normal"), "tanh", dense64, assert_within)


@pytest.mark.parametrize("dtype", DTYPES)
def test_structural_zeros(affine_jvp, dense64, assert_within, dtype):
    choices = itertools.product((None, 1, 2), (False, True), (None, "dense", "normal", "rademacher"), (None, 1, 2))
    for bias, dx, dw, db in choices:
        arguments = problem(9, 130, 50, 3, dtype, bias=bias, dx=dx, dw=dw, db=db)
        check(affine_jvp, arguments, "sigmoid", dense64, assert_within)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(affine_jvp, dense64, assert_within, activation, dtype):
    check(affine_jvp, problem(33, 20, 61, 3, dtype, bias=2, db=2), activation, dense64, assert_within)
    check(affine_jvp, problem(3, 1200, 61, 3, dtype), activation, dense64, assert_within)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_accuracy(affine_jvp, assert_within, activation):
    """Value and derivative to 4 units in the last place, of themselves or of what rounding z changes in them."""
    z = np.concatenate([np.linspace(-20, 20, 4001), np.linspace(-120, 120, 241), np.logspace(-30, 0, 301)])
    z = np.concatenate([z, -z]).astype(np.float32)[:, None]
    one = np.ones((1, 1), np.float32)
    y, dy = affine_jvp(z, one, None, None, np.ones((1, 1, 1), np.float32), None, activation)
    value, slope = (f(z.astype(np.float64)) for f in ACTIVATIONS[activation])
    unit, underflow = 2.0**-24, float(np.finfo(np.float32).tiny) * (1 + np.abs(z))
    assert_within(y, value, 8 * unit * (np.abs(value) + np.abs(z * slope)) + underflow)
    dy_true = slope * z
    # The slope's own condition: |z act''| by central differences.
    near = [ACTIVATIONS[activation][1](z.astype(np.float64) * (1 + h)) for h in (1e-6, -1e-6)]
    curvature = 0 if activation == "relu" else np.abs(near[0] - near[1]) / 2e-6
    assert_within(dy[0], dy_true, 8 * unit * np.abs(z) * (np.abs(slope) + curvature) + np.abs(z) * underflow)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_never_hidden(affine_jvp, activation):
    x = np.ones((3, 4), np.float32)
    x[1, 2] = np.nan
    y, dy = affine_jvp(x, np.ones((4, 50), np.float32), None, None, np.ones((2, 4, 50), np.float32), None, activation)
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()
    assert np.isnan(dy[:, 1]).all()
    assert np.isfinite(dy[:, [0, 2]]).all()


def test_relu_at_zero_has_slope_zero(affine_jvp):
    x, w = np.array([[0.0, -1.0, 1.0]], np.float32), np.eye(3, dtype=np.float32)
    _, dy = affine_jvp(x, w, None, np.ones((1, 1, 3), np.float32), None, None, "relu")
    assert dy.tolist() == [[[0, 0, 1]]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(affine_jvp, dense64, assert_within, layouts, dtype):
    arguments = problem(17, 70, 53, 3, dtype, bias=2, db=2)
    expected = affine_jvp(*arguments, "relu")
    for position, argument in enumerate(arguments):
        for name, view in layouts(argument):
            assert np.array_equal(view, argument)
            changed = [*arguments[:position], view, *arguments[position + 1 :]]
            check(affine_jvp, changed, "relu", dense64, assert_within)
            if affine_jvp is not reference:  # there, NumPy chooses another product for another layout
                for given, wanted in zip(affine_jvp(*changed, "relu"), expected, strict=True):
                    assert np.array_equal(given, wanted), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_strides_and_transposes(affine_jvp, dense64, assert_within, dtype):
    x, w, b, dx, dw, db = problem(12, 40, 60, 4, dtype, bias=2, db=2)
    stretched = [np.broadcast_to(a[:1], a.shape) for a in (x, w, b, dx, dw, db)]
    check(affine_jvp, stretched, "silu", dense64, assert_within)
    check(
        affine_jvp,
        [np.broadcast_to(a[..., :1], a.shape) for a in (x, w, b, dx, dw, db)],
        "silu",
        dense64,
        assert_within,
    )
    check(affine_jvp, (x.T, b, None, None, None, None), "identity", dense64, assert_within)
    mixed = (x, dw[0], None, dx[::-1], dw.transpose(0, 2, 1).copy().transpose(0, 2, 1), None)
    check(affine_jvp, mixed, "identity", dense64, assert_within)


def check_with_gram(body, arguments, activation, dense64, assert_within):
    """As `check`; and the Gram matrix within what sums of 1024 float32 products, then of float64 ones, may be off."""
    kept = []

    def products(*given):
        y, dy, gram = body(*given)
        kept.append(gram)
        return y, dy

    check(products, arguments, activation, dense64, assert_within)
    (gram,) = kept
    v = dense64(arguments[4]).reshape(arguments[4].k, -1)
    assert gram.dtype == np.float64
    assert np.array_equal(gram, gram.T)
    sizes = np.abs(v) @ np.abs(v).T
    assert_within(gram, v @ v.T, 1026 * np.finfo(arguments[0].dtype).eps / 2 * sizes)


GRAM_EDGES = {
    "m": [0, 1, 7, 8, 9, 65],
    "depth": [0, 1, 3, 4, 5, 20, 21, 22, 85, 171, 910],
    "n": [0, 1, 16, 95, 96, 97, 143, 144, 145, 160, 192, 193],
    "k": [1, 2, 5, 16, 31, 32, 33],
}
GRAM_SHAPES = [
    {"m": 9, "depth": 25, "n": 150, "k": 3} | {axis: size} for axis, sizes in GRAM_EDGES.items() for size in sizes
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", GRAM_SHAPES, ids=lambda s: "x".join(str(n) for n in s.values()))
def test_gram_on_the_way(affine_jvp_gram, dense64, assert_within, shape, dtype):
    arguments = problem(**shape, dtype=dtype, dw="normal")
    check_with_gram(affine_jvp_gram, arguments, "silu", dense64, assert_within)


@pytest.mark.parametrize("dw", ["normal", "rademacher"])
def test_gram_on_the_way_with_structural_zeros(affine_jvp_gram, dense64, assert_within, dw):
    for bias, dx, db in itertools.product((None, 2), (False, True), (None, 2)):
        arguments = problem(9, 25, 150, 3, np.float32, bias=bias, dx=dx, dw=dw, db=db)
        check_with_gram(affine_jvp_gram, arguments, "identity", dense64, assert_within)


def test_gram_on_the_way_is_off_by_a_hundred_millionth(affine_jvp_gram, dense64):
    arguments = problem(3, 100, 200, 16, np.float32, dw="normal")
    _, _, gram = affine_jvp_gram(*arguments, "relu")
    v = dense64(arguments[4]).reshape(16, -1)
    lengths = np.linalg.norm(v, axis=1)
    assert np.max(np.abs(gram - v @ v.T) / np.outer(lengths, lengths)) < 5e-8


def test_a_known_gram_matrix_is_not_formed_again():
    arguments = problem(3, 200, 200, 4, np.float32, dw="normal")
    v = arguments[4]
    _, _, formed = public_affine_jvp_gram(*arguments)
    v.keep_gram(formed)
    assert public_gram(v, exact=False) is formed
    assert public_gram(v) is not formed
    with pytest.raises(TypeError, match="affine_jvp_gram: dw: expected a Stream, given ndarray"):
        public_affine_jvp_gram(*arguments[:4], generate(v), None)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(0, 40), depth=st.integers(0, 300), n=st.integers(0, 120), k=st.integers(1, 6),
    bias=st.sampled_from([None, 1, 2]), dx=st.booleans(), dw=st.sampled_from([None, "dense", "normal", "rademacher"]),
    db=st.sampled_from([None, 1, 2]), activation=st.sampled_from(list(ACTIVATIONS)), dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_anything(affine_jvp, dense64, assert_within, m, depth, n, k, bias, dx, dw, db, activation, dtype):
    arguments = problem(m, depth, n, k, dtype, bias=bias, dx=dx, dw=dw, db=db)
    check(affine_jvp, arguments, activation, dense64, assert_within)


def test_no_directions(affine_jvp):
    x, w = np.ones((2, 3)), np.ones((3, 4))
    y, dy = affine_jvp(x, w, None, np.ones((0, 2, 3)), None, None, "tanh")
    assert y.shape == (2, 4)
    assert dy.shape == (0, 2, 4)


def test_misaligned_arguments_are_read_right():
    arguments = problem(5, 6, 7, 2, np.float64)
    expected = public_affine_jvp(*arguments)
    misaligned = []
    for argument in arguments:
        raw = np.zeros(argument.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(argument.shape)
        raw[...] = argument
        assert not raw.flags.aligned
        misaligned.append(raw)
    for given_, wanted in zip(public_affine_jvp(*misaligned), expected, strict=True):
        assert np.array_equal(given_, wanted)


def test_a_dtype_that_is_equal_but_another_object():
    """As arrays from a memory map or a pickle have it."""
    other = np.dtype(np.float32).newbyteorder("S").newbyteorder("S")
    assert other is not np.dtype(np.float32)
    x, w = np.arange(6, dtype=other).reshape(2, 3), np.ones((3, 4), other)
    np.testing.assert_array_equal(public_affine_jvp(x, w, None, None, None, None)[0], x @ w)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "rademacher"])
def test_stream_product(stream_product, dense64, assert_within, layouts, kind, dtype):
    for m, depth, n, k in [(5, 6, 7, 2), (1, 1, 1, 1), (0, 3, 4, 2), (3, 0, 4, 2), (17, 1100, 50, 3), (9, 130, 97, 2)]:
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


def test_streamed_bias_is_made_dense():
    x, w, b, _, _, _ = problem(5, 6, 7, 3, np.float32)
    stream = Stream(1, 2, 3, "normal", 3, (7,))
    _, dy = public_affine_jvp(x, w, b, None, None, stream)
    assert np.array_equal(dy, np.broadcast_to(generate(stream)[:, None], (3, 5, 7)))


X, W = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
STREAM = Stream(1, 0, 0, "normal", 2, (3, 4))
BAD = [
    (TypeError, "x: expected a NumPy array, given list", ([[1.0]], W, None, None, None, None)),
    (TypeError, "x: expected dtype float32 or float64, given int64", (X.astype(int), W, None, None, None, None)),
    (TypeError, "w: expected dtype float32 .*, given float64", (X, W.astype(float), None, None, None, None)),
    (TypeError, "w: expected dtype float32 .*, given >f4", (X, W.astype(">f4"), None, None, None, None)),
    (ValueError, r"x: expected shape \(M, K\), given \(3,\)", (X[0], W, None, None, None, None)),
    (ValueError, r"w: expected shape \(3, 4\) \(x is \(2, 3\)\), given \(2, 4\)", (X, W[:2], None, None, None, None)),
    (ValueError, r"b: expected shape \(4,\) or \(2, 4\), given \(3,\)", (X, W, X[0], None, None, None)),
    (ValueError, r"dx: expected shape \(2, 2, 3\), given \(2, 3\)", (X, W, None, X, None, None)),
    (ValueError, r"dw: expected shape \(1, 3, 4\), given \(2, 3, 4\)", (X, W, None, X[None], STREAM, None)),
    (ValueError, r"db: expected shape \(2, 4\) or \(2, 2, 4\), given \(2, 3\)", (X, W, None, None, None, X)),
    (TypeError, "dx: expected a NumPy array, given Stream", (X, W, None, STREAM, None, None)),
    (TypeError, "dw: expected dtype float64", (X.astype(float), W.astype(float), None, None, STREAM, None)),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="affine_jvp: " + message):
        public_affine_jvp(*arguments)


def test_unknown_activation():
    with pytest.raises(ValueError, match=r"activation: expected one of identity, relu, .*, given 'softmax'"):
        public_affine_jvp(X, W, None, None, None, None, "softmax")
