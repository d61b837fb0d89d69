"""conv_jvp: every body, every shape, window, layout and activation, against float64."""

import itertools

import numpy as np
import pytest
from layers import draw

from fwdad.kernels import ACTIVATIONS, KERNELS, Window, generate
from fwdad.kernels import conv_jvp as public_conv_jvp

reference = KERNELS["conv_jvp"].bodies["reference"]
DTYPES = [np.float32, np.float64]
PADDED = Window((3, 3), (1, 1), (1, 1), (1, 1))


def problem(images, height, width, channels, n, k, dtype, *, window=PADDED, **options):
    x, w = (images, height, width, channels), (*window.kernel, channels, n)
    return *draw(x, w, (images, *window.output(height, width), n), k, dtype, **options), window


def examples(dtype):
    for sizes in [(0, 3, 3, 2, 3, 1), (1, 1, 1, 1, 1, 1), (9, 4, 5, 6, 7, 2), (8, 2, 3, 9, 4, 100)]:
        yield *problem(*sizes, dtype), "gelu"
    for dw in ("normal", "rademacher", None):
        yield *problem(9, 4, 3, 9, 17, 2, dtype, bias=2, dw=dw, db=2), "tanh"
    yield *problem(40, 6, 6, 70, 60, 5, dtype, window=Window((3, 3)), bias=None, dw="normal", db=None), "identity"


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
def test_shapes(conv_jvp, check_layer, shape, dtype):
    check_layer(conv_jvp, reference, problem(**shape, dtype=dtype), "identity")
    check_layer(conv_jvp, reference, problem(**shape, dtype=dtype, dw="normal"), "tanh")


WINDOWS = [
    Window(kernel, stride, padding, dilation)
    for kernel, stride, padding, dilation in itertools.product(
        [(1, 1), (3, 3), (2, 5)], [(1, 1), (2, 3)], [(0, 0), (1, 2), (4, 5)], [(1, 1), (2, 1), (1, 2)]
    )
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows(conv_jvp, check_layer, window):
    """Also with padding so wide that some windows see nothing of the image."""
    shape = SMALL | {"height": 6, "width": 9}
    check_layer(conv_jvp, reference, problem(**shape, dtype=np.float32, window=window, db=2), "relu")


@pytest.mark.parametrize("dtype", DTYPES)
def test_structural_zeros(conv_jvp, check_layer, dtype):
    choices = itertools.product((None, 1, 2), (False, True), (None, "dense", "normal", "rademacher"), (None, 1, 2))
    for bias, dx, dw, db in choices:
        arguments = problem(9, 2, 3, 4, 20, 2, dtype, bias=bias, dx=dx, dw=dw, db=db)
        check_layer(conv_jvp, reference, arguments, "sigmoid")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(conv_jvp, check_layer, activation):
    check_layer(conv_jvp, reference, problem(10, 3, 4, 5, 50, 2, np.float32, bias=2, db=2), activation)


def test_nan_is_never_hidden(conv_jvp):
    x = np.ones((9, 4, 4, 8), np.float32)
    x[2, 1, 1, 3] = np.nan
    y, _ = conv_jvp(x, np.ones((3, 3, 8, 5), np.float32), None, None, None, None, PADDED, "relu")
    assert np.isnan(y[2, :3, :3]).all()
    assert np.isfinite(np.delete(y, 2, axis=0)).all()
    assert np.isfinite(y[2, 3]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(conv_jvp, layouts, dtype):
    arguments = problem(9, 4, 3, 9, 17, 2, dtype, bias=2, db=2)
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
