"""gram: every body, arrays and streams, against float64."""

import math

import numpy as np
import pytest
from directions import COUNTS, DTYPES, PER_ROW, SHAPES, UNIT, directions

from fwdad.kernels import gram as public_gram


def examples(dtype):
    for kind in ("dense", "normal", "rademacher"):
        for exact in (False, True):
            for k, shape in [(1, (1,)), (3, (0,)), (5, (6, 7)), (300, (4, 5)), (5, (300, 130)), (3, (40000,))]:
                yield directions(k, shape, dtype, kind), False, exact
        for k, shape in PER_ROW:
            yield directions(k, shape, dtype, kind), True, True
        yield directions(5, (300, 130), dtype, kind), True, True
    yield directions(2, (), dtype), False, True


@pytest.mark.parametrize("kind", ["dense", "normal", "rademacher"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gram(gram, dense64, assert_within, dtype, kind):
    for k, shape in [*((3, s) for s in SHAPES), *((k, (130, 7)) for k in COUNTS), (300, (20, 30))]:
        v = directions(k, shape, dtype, kind)
        rows = dense64(v).reshape(k, math.prod(shape))
        g = gram(v, False, True)
        assert g.dtype == np.float64
        assert g.shape == (k, k)
        assert np.array_equal(g, g.T)
        # float32 products are exact in float64; the sums, ours and NumPy's, are off by n units of the sum of sizes
        assert_within(g, rows @ rows.T, 2 * rows.shape[1] * UNIT * (np.abs(rows) @ np.abs(rows.T)))


@pytest.mark.parametrize("kind", ["dense", "normal", "rademacher"])
def test_gram_that_is_not_exact(gram, dense64, assert_within, kind):
    """In float32 over at most 1024 entries, by four or more lanes: 256 roundings a lane, and a few to add the lanes."""
    for k, shape in [*((3, s) for s in SHAPES), *((k, (130, 7)) for k in [*COUNTS, 70]), (300, (20, 30))]:
        v = directions(k, shape, np.float32, kind)
        rows = dense64(v).reshape(k, math.prod(shape))
        g = gram(v, False, False)
        assert g.dtype == np.float64
        assert np.array_equal(g, g.T)
        assert_within(g, rows @ rows.T, 260 * 2.0**-24 * (np.abs(rows) @ np.abs(rows.T)))
        if kind == "dense":
            assert np.array_equal(gram(v.astype(np.float64), False, False), gram(v.astype(np.float64), False, True))


def test_gram_that_is_not_exact_is_off_by_a_hundred_millionth(gram):
    v = directions(20, (200, 1000), np.float32)
    exact, rough = gram(v, False, True), gram(v, False, False)
    lengths = np.sqrt(np.diagonal(exact))
    assert np.max(np.abs(rough - exact) / (lengths[:, None] * lengths)) <= 5e-8


@pytest.mark.parametrize("kind", ["dense", "normal", "rademacher"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gram_per_row(gram, dense64, assert_within, dtype, kind):
    for k, shape in PER_ROW:
        v = directions(k, shape, dtype, kind)
        rows = dense64(v).transpose(1, 0, 2)
        g = gram(v, True, True)
        assert g.shape == (shape[0], k, k)
        bound = 2 * shape[1] * UNIT * (np.abs(rows) @ np.abs(rows.transpose(0, 2, 1)))
        assert_within(g, rows @ rows.transpose(0, 2, 1), bound)


def test_bad_arguments():
    with pytest.raises(TypeError, match="gram: v: expected a NumPy array, given list"):
        public_gram([[1.0]])
    with pytest.raises(ValueError, match=r"gram: v: expected shape \(k, B, n\), given \(2, 3\)"):
        public_gram(np.ones((2, 3), np.float32), per_row=True)
