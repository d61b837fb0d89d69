"""affine_jvp: every body, every shape, layout and activation, against float64."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers import affine as problem

from fwdad.kernels import ACTIVATIONS, Stream, generate
from fwdad.kernels import affine_jvp as public_affine_jvp
from fwdad.kernels.affine_jvp import affine_jvp_reference as reference

DTYPES = [np.float32, np.float64]


def examples(dtype):
    for m, depth, n, k in [(0, 3, 4, 1), (1, 1, 1, 1), (3, 0, 5, 2), (5, 7, 0, 2), (9, 130, 50, 3), (2, 3, 5, 300)]:
        yield *problem(m, depth, n, k, dtype), "gelu"
    for dw in ("normal", "rademacher", None):
        yield *problem(9, 25, 50, 3, dtype, bias=2, dw=dw, db=2), "tanh"
    for dw in ("dense", "normal"):
        yield *problem(70, 300, 130, 5, dtype, dw=dw, db=None), "relu"


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
def test_shapes(affine_jvp, check_layer, shape, dtype):
    check_layer(affine_jvp, reference, problem(**shape, dtype=dtype), "identity")
    check_layer(affine_jvp, reference, problem(**shape, dtype=dtype, dw="normal"), "tanh")


@pytest.mark.parametrize("dtype", DTYPES)
def test_structural_zeros(affine_jvp, check_layer, dtype):
    choices = itertools.product((None, 1, 2), (False, True), (None, "dense", "normal", "rademacher"), (None, 1, 2))
    for bias, dx, dw, db in choices:
        arguments = problem(9, 130, 50, 3, dtype, bias=bias, dx=dx, dw=dw, db=db)
        check_layer(affine_jvp, reference, arguments, "sigmoid")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(affine_jvp, check_layer, activation, dtype):
    check_layer(affine_jvp, reference, problem(33, 20, 61, 3, dtype, bias=2, db=2), activation)
    check_layer(affine_jvp, reference, problem(3, 1200, 61, 3, dtype), activation)


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
def test_layouts(affine_jvp, check_layer, dtype, layouts):
    arguments = problem(17, 70, 53, 3, dtype, bias=2, db=2)
    expected = affine_jvp(*arguments, "relu")
    for position, argument in enumerate(arguments):
        for name, view in layouts(argument):
            assert np.array_equal(view, argument)
            changed = [*arguments[:position], view, *arguments[position + 1 :]]
            check_layer(affine_jvp, reference, changed, "relu")
            if affine_jvp is not reference:  # there, NumPy chooses another product for another layout
                for given, wanted in zip(affine_jvp(*changed, "relu"), expected, strict=True):
                    assert np.array_equal(given, wanted), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_strides_and_transposes(affine_jvp, check_layer, dtype):
    x, w, b, dx, dw, db = problem(12, 40, 60, 4, dtype, bias=2, db=2)
    stretched = [np.broadcast_to(a[:1], a.shape) for a in (x, w, b, dx, dw, db)]
    check_layer(affine_jvp, reference, stretched, "silu")
    stretched = [np.broadcast_to(a[..., :1], a.shape) for a in (x, w, b, dx, dw, db)]
    check_layer(affine_jvp, reference, stretched, "silu")
    check_layer(affine_jvp, reference, (x.T, b, None, None, None, None), "identity")
    mixed = (x, dw[0], None, dx[::-1], dw.transpose(0, 2, 1).copy().transpose(0, 2, 1), None)
    check_layer(affine_jvp, reference, mixed, "identity")


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=st.integers(0, 40), depth=st.integers(0, 300), n=st.integers(0, 120), k=st.integers(1, 6),
    bias=st.sampled_from([None, 1, 2]), dx=st.booleans(), dw=st.sampled_from([None, "dense", "normal", "rademacher"]),
    db=st.sampled_from([None, 1, 2]), activation=st.sampled_from(list(ACTIVATIONS)), dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_anything(affine_jvp, check_layer, m, depth, n, k, bias, dx, dw, db, activation, dtype):
    arguments = problem(m, depth, n, k, dtype, bias=bias, dx=dx, dw=dw, db=db)
    check_layer(affine_jvp, reference, arguments, activation)


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
