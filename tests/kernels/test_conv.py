"""conv_jvp: every body, every shape, window, layout and activation, against float64."""

import itertools

import numpy as np
import pytest

from fwdad.kernels import ACTIVATIONS, Stream, Window, generate
from fwdad.kernels import conv_jvp as public_conv_jvp
from fwdad.kernels.conv import conv_jvp_reference as reference

DTYPES = [np.float32, np.float64]
PADDED = Window((3, 3), (1, 1), (1, 1), (1, 1))


def problem(images, height, width, channels, n, k, dtype, *, at=PADDED, bias=1, dx=True, dw="dense", db=1, seed=0):
    """Random arguments: bias and db may be None, 1 (a row for all positions) or 4 (one for each)."""
    rng = np.random.default_rng([seed, images, height, width, channels, n, k])
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    x, w = (images, height, width, channels), (*at.kernel, channels, n)
    y = (images, *at.output(height, width), n)
    return (
        draw(*x),
        draw(*w),
        None if bias is None else draw(n) if bias == 1 else draw(*y),
        draw(k, *x) if dx else None,
        draw(k, *w) if dw == "dense" else None if dw is None else Stream(7, 2, 3, dw, k, w, np.dtype(dtype)),
        None if db is None else draw(k, n) if db == 1 else draw(k, *y),
        at,
    )


def check(body, arguments, activation, dense64, assert_within):
    """Compare with the reference in float64, within the rounding errors of sums of this length: see test_affine.py."""
    *arrays, at = arguments
    y, dy = body(*arguments, activation)
    exact = [None if a is None else dense64(a) for a in arrays]
    y_true, dy_true = reference(*exact, at, activation)
    x, w = arrays[:2]
    assert y.dtype == x.dtype
    assert y.flags.c_contiguous
    unit = np.finfo(x.dtype).eps / (2 if x.dtype == np.float32 else 1)  # in float64 the truth rounds as well
    length = int(np.prod(w.shape[:3])) + 2
    sizes = [None if a is None else np.abs(a) for a in exact]
    size_z, size_dz = reference(*sizes, at, "identity")
    error_z = length * unit * size_z
    assert_within(y, y_true, 1.2 * error_z + 8 * unit * (np.abs(y_true) + size_z))
    if dy_true is None:
        assert dy is None
        return
    assert dy.dtype == x.dtype
    assert dy.flags.c_contiguous
    _, dz_true = reference(*exact, at, "identity")
    z_true, _ = reference(*exact[:3], None, None, None, at, "identity")
    slope = np.where(np.abs(z_true) <= error_z, 1, 0) if activation == "relu" else error_z + 8 * unit
    slope = 0 if activation == "identity" else slope
    assert_within(dy, dy_true, 2.4 * length * unit * size_dz + slope * np.abs(dz_true) + 2 * unit * np.abs(dy_true))


SMALL = {"images": 9, "height": 4, "width": 5, "channels": 6, "n": 7, "k": 2}
EDGES = {
    "images": [0, 1, 3, 4, 7, 8, 15, 16, 17],
    "height": [1, 2, 3],
    "channels": [1, 2, 3, 5, 33],
    "n": [1, 3, 4, 8, 11, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 97],
    "k": [1, 3, 17],
}
SHAPES = [SMALL | {axis: size} for axis, sizes in EDGES.items() for size in sizes]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(str(n) for n in s.values()))
def test_shapes(conv_jvp, dense64, assert_within, shape, dtype):
    check(conv_jvp, problem(**shape, dtype=dtype), "identity", dense64, assert_within)
    check(conv_jvp, problem(**shape, dtype=dtype, dw="normal"), "tanh", dense64, assert_within)


WINDOWS = [
    Window(kernel, stride, padding, dilation)
    for kernel, stride, padding, dilation in itertools.product(
        [(1, 1), (3, 3), (2, 5)], [(1, 1), (2, 3)], [(0, 0), (1, 2), (4, 5)], [(1, 1), (2, 1), (1, 2)]
    )
]


@pytest.mark.parametrize("at", WINDOWS, ids=str)
def test_windows(conv_jvp, dense64, assert_within, at):
    """Also with padding so wide that some windows see nothing of the image."""
    shape = SMALL | {"height": 6, "width": 9}
    check(conv_jvp, problem(**shape, dtype=np.float32, at=at, db=4), "relu", dense64, assert_within)


@pytest.mark.parametrize("dtype", DTYPES)
def test_structural_zeros(conv_jvp, dense64, assert_within, dtype):
    choices = itertools.product((None, 1, 4), (False, True), (None, "dense", "normal", "rademacher"), (None, 1, 4))
    for bias, dx, dw, db in choices:
        arguments = problem(9, 2, 3, 4, 20, 2, dtype, bias=bias, dx=dx, dw=dw, db=db)
        check(conv_jvp, arguments, "sigmoid", dense64, assert_within)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(conv_jvp, dense64, assert_within, activation):
    check(conv_jvp, problem(10, 3, 4, 5, 50, 2, np.float32, bias=4, db=4), activation, dense64, assert_within)


def test_nan_is_never_hidden(conv_jvp):
    x = np.ones((9, 4, 4, 8), np.float32)
    x[2, 1, 1, 3] = np.nan
    y, _ = conv_jvp(x, np.ones((3, 3, 8, 5), np.float32), None, None, None, None, PADDED, "relu")
    assert np.isnan(y[2, :3, :3]).all()
    assert np.isfinite(np.delete(y, 2, axis=0)).all()
    assert np.isfinite(y[2, 3]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(conv_jvp, layouts, dtype):
    arguments = problem(9, 4, 3, 9, 17, 2, dtype, bias=4, db=4)
    expected = conv_jvp(*arguments, "relu")
    for position in range(6):
        for name, other in layouts(arguments[position]):
            changed = list(arguments)
            changed[position] = other
            for given, wanted in zip(conv_jvp(*changed, "relu"), expected, strict=True):
                assert np.allclose(given, wanted, rtol=1e-5, atol=1e-5), (position, name)


def test_streams_are_their_entries(conv_jvp):
    arguments = list(problem(9, 4, 4, 16, 20, 3, np.float32, dw="normal", dx=False, db=None))
    _, streamed = conv_jvp(*arguments, "identity")
    arguments[4] = generate(arguments[4])
    assert np.allclose(streamed, conv_jvp(*arguments, "identity")[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (TypeError, "x: expected", lambda a: a.__setitem__(0, a[0].astype(int))),
        (TypeError, "w: expected", lambda a: a.__setitem__(1, a[1].astype(np.float64))),
        (ValueError, "w: expected shape", lambda a: a.__setitem__(1, a[1][:, :, 1:])),
        (ValueError, "w: expected shape", lambda a: a.__setitem__(6, Window((2, 3)))),
        (ValueError, "x: expected", lambda a: a.__setitem__(0, a[0][0])),
        (ValueError, "b: expected shape", lambda a: a.__setitem__(2, a[2][1:])),
        (ValueError, "dx: expected shape", lambda a: a.__setitem__(3, a[3][:, 1:])),
        (ValueError, "dw: expected shape", lambda a: a.__setitem__(4, a[4][:1])),
        (ValueError, "db: expected shape", lambda a: a.__setitem__(5, a[5][:, 1:])),
        (ValueError, "smaller than a window", lambda a: a.__setitem__(6, Window((3, 3), dilation=(9, 9)))),
    ],
)
def test_bad_arguments(error, words, change):
    arguments = list(problem(**SMALL, dtype=np.float32))
    change(arguments)
    with pytest.raises(error, match=words):
        public_conv_jvp(*arguments)
    with pytest.raises(ValueError, match="activation: expected one of"):
        public_conv_jvp(*problem(**SMALL, dtype=np.float32), "rleu")
