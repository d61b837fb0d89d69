"""conv_unit_jvp_thin: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, normal, unit_of

from fwdad.kernels import Window
from fwdad.kernels import conv_unit_jvp_thin as public_conv_unit_jvp_thin


def draw(rows, image, channels, n, c, window, dtype):
    """w, r, s, v, e, window: half of the slopes are zero, as behind a relu."""
    place = window.output(*image)
    shapes = (rows, *image, channels), (rows, *place, n)
    r, s = (np.maximum(normal(seed, shape, dtype), 0) for seed, shape in enumerate(shapes, 1))
    v, e = normal(3, (*place, n, c), dtype), normal(4, (rows, c), dtype)
    return normal(0, (*window.kernel, channels, n), dtype), r, s, v, e, window


WINDOWS = {
    "3 x 3": Window((3, 3)),
    "padded": Window((3, 3), padding=(1, 1)),
    "by two": Window((3, 3), stride=(2, 2), padding=(1, 1)),
    "gaps between windows": Window((1, 2), stride=(2, 3)),
    "dilated": Window((2, 3), padding=(0, 2), dilation=(2, 2)),
    "a point": Window((1, 1)),
    "much padding": Window((2, 3), padding=(3, 4)),
}
SIZES = [(0, 2, 3, 2), (2, 0, 3, 2), (2, 2, 0, 2), (2, 2, 3, 0), (1, 1, 1, 1), (3, 5, 7, 13), (9, 16, 33, 10)]


def examples(dtype):
    for rows, *rest in SIZES:
        yield draw(rows, (5, 6), *rest, Window((3, 3), stride=(2, 2), padding=(1, 1)), dtype)
    for window in WINDOWS.values():
        yield draw(2, (4, 7), 3, 4, 5, window, dtype)
    yield draw(101, (2, 3), 2, 3, 2, Window((2, 2)), dtype)


def padded(window, image):
    """Where each tap of each place lies in an image with padding, (places, taps)."""
    (top, left), _ = window.padding, window.stride
    numbers = np.arange((image[0] + 2 * top) * (image[1] + 2 * left)).reshape(image[0] + 2 * top, -1)
    place = window.output(*image)
    rows = np.arange(place[0])[:, None] * window.stride[0] + np.arange(window.kernel[0]) * window.dilation[0]
    columns = np.arange(place[1])[:, None] * window.stride[1] + np.arange(window.kernel[1]) * window.dilation[1]
    return numbers[rows[:, None, :, None], columns[None, :, None, :]].reshape(place[0] * place[1], -1)


def by_matrix(w, r, s, v, e, window):
    """The same by the convolution as one large matrix, float64."""
    image, channels, n = r.shape[1:3], w.shape[2], w.shape[3]
    seen = padded(window, image)
    size = image[0] + 2 * window.padding[0], image[1] + 2 * window.padding[1]
    matrix = np.zeros((size[0] * size[1], channels, len(seen), n))
    taps = w.reshape(-1, channels, n)
    for q, where in enumerate(seen):
        matrix[where, :, q] += taps
    (top, left) = window.padding
    matrix = matrix.reshape(*size, channels, -1)[top : top + image[0], left : left + image[1]].reshape(r[0].size, -1)
    tangents = (matrix * s.reshape(len(s), 1, -1)) @ v.reshape(s[0].size, -1)
    return r * (tangents @ e[:, :, None]).reshape(r.shape)


@pytest.fixture
def check(conv_unit_jvp_thin, assert_within):
    """A check of answers within what sums of this length may be off: n u times the sum of the sizes."""

    def run(rows, image, channels, n, c, window, dtype):
        given = draw(rows, image, channels, n, c, window, dtype)
        *wide, _ = (a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in given)
        answer = conv_unit_jvp_thin(*given)
        assert (answer.shape, answer.dtype) == (given[1].shape, dtype)
        unit = unit_of(dtype) * (1 if dtype == np.float32 else 2)  # in float64 the truth rounds as well
        length = n * c + window.kernel[0] * window.kernel[1] + 4
        assert_within(answer, by_matrix(*wide, window), length * unit * by_matrix(*map(np.abs, wide), window))

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_windows(check, window, dtype):
    check(2, (5, 7), 3, 4, 3, window, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 5, 8, 11, 16, 17])
def test_units_across_the_edges_of_panels(check, channels, dtype):
    check(2, (4, 5), channels, 3, 2, Window((3, 3), stride=(2, 2), padding=(1, 1)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", [0, 1, 2, 5, 6, 7, 12, 13, 25])
def test_outputs_of_all_groups(check, c, dtype):
    check(2, (3, 3), 2, 9, c, Window((2, 2)), dtype)


@pytest.mark.parametrize("rows", [1, 2, 31])
def test_examples_do_not_know_of_each_other(conv_unit_jvp_thin, rows):
    w, r, s, v, e, window = draw(rows, (4, 5), 3, 4, 3, WINDOWS["padded"], np.float32)
    together = conv_unit_jvp_thin(w, r, s, v, e, window)
    for b in {0, rows // 2, rows - 1}:
        one = slice(b, b + 1)
        assert np.array_equal(together[one], conv_unit_jvp_thin(w, r[one], s[one], v, e[one], window))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_does_not_move_hides_what_it_meets(conv_unit_jvp_thin, dtype):
    w, r, s, v, e, window = draw(2, (4, 5), 3, 4, 3, WINDOWS["padded"], dtype)
    r[0], s[0] = 1, 1
    s[..., 2] = 0
    w[..., 2], v[:, :, 2] = np.nan, np.inf
    assert np.all(np.isfinite(conv_unit_jvp_thin(w, r, s, v, e, window)))
    s[0, 3, 4, 2] = 1
    answer = conv_unit_jvp_thin(w, r, s, v, e, window)
    seen = np.zeros((2, 4, 5), bool)
    seen[0, 2:, 3:] = True
    assert np.array_equal(~np.isfinite(answer).all(axis=-1), seen)
    r[0, 3, 4] = 0
    assert not conv_unit_jvp_thin(w, r, s, v, e, window)[0, 3, 4].any()


W, R, S = np.ones((1, 2, 3, 4), np.float32), np.ones((2, 5, 6, 3), np.float32), np.ones((2, 5, 5, 4), np.float32)
V, E = np.ones((5, 5, 4, 3), np.float32), np.ones((2, 3), np.float32)
BAD = [
    (TypeError, "w: expected a NumPy array, given list", ([[1.0]], R, S, V, E)),
    (TypeError, "v: expected dtype float32 as the other arguments, given float64", (W, R, S, V.astype(float), E)),
    (ValueError, r"w: expected shape \(KH, KW, C, N\), given \(2, 3, 4\)", (W[0], R, S, V, E)),
    (ValueError, r"w: expected shape \(1, 2, 3, 4\) \(the kernel is \(1, 2\)\)", (W[:, :1], R, S, V, E)),
    (ValueError, r"r: expected shape \(2, 5, 6, 3\) \(w is \(1, 2, 3, 4\)\)", (W, R[..., :2], S, V, E)),
    (ValueError, r"s: expected shape \(2, 5, 5, 4\)", (W, R, R, V, E)),
    (ValueError, r"e: expected shape \(2, 3\) \(r is \(2, 5, 6, 3\)\)", (W, R, S, V, E[:1])),
    (ValueError, r"v: expected shape \(5, 5, 4, 3\)", (W, R, S, V[:, 1:], E)),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="conv_unit_jvp_thin: " + message):
        public_conv_unit_jvp_thin(*arguments, Window((1, 2)))
