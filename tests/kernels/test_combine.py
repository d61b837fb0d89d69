"""combine: every body, arrays and streams, against float64."""

import numpy as np
import pytest
from directions import COUNTS, DTYPES, PER_ROW, SHAPES, UNIT, directions

from fwdad.kernels import combine as public_combine


def examples(dtype):
    rng = np.random.default_rng(0)
    for kind in ("dense", "normal", "rademacher"):
        for k, shape in [(1, (1,)), (3, (0,)), (5, (6, 7)), (300, (4, 5)), (5, (300, 130)), (3, (40000,)), (3, ())]:
            yield rng.standard_normal(k), directions(k, shape, dtype, kind)
        for k, shape in [*PER_ROW, (5, (300, 130))]:
            yield rng.standard_normal((shape[0], k)).astype(dtype), directions(k, shape, dtype, kind)


@pytest.mark.parametrize("kind", ["dense", "normal", "rademacher"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_combine(combine, dense64, assert_within, dtype, kind):
    rng = np.random.default_rng(3)
    for k, shape in [*((3, s) for s in (*SHAPES, ())), *((k, (130, 7)) for k in COUNTS), (300, (20, 30))]:
        v, c = directions(k, shape, dtype, kind), rng.standard_normal(k)
        result = combine(c, v)
        assert result.dtype == dtype
        assert result.shape == shape
        exact, size = (np.tensordot(f(c), f(dense64(v)), 1) for f in (np.asarray, np.abs))
        assert_within(result, exact, 2 * k * UNIT * size + np.finfo(dtype).eps / 2 * np.abs(exact))


@pytest.mark.parametrize("kind", ["dense", "normal", "rademacher"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_combine_per_row(combine, dense64, assert_within, dtype, kind):
    rng = np.random.default_rng(4)
    for k, shape in PER_ROW:
        v, c = directions(k, shape, dtype, kind), rng.standard_normal((shape[0], k))
        result = combine(c, v)
        exact, size = (np.einsum("bk,kbn->bn", f(c), f(dense64(v))) for f in (np.asarray, np.abs))
        assert_within(result, exact, 2 * k * UNIT * size + np.finfo(dtype).eps / 2 * np.abs(exact))


def test_bad_arguments():
    v = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(2,\) \(v is \(2, 3\)\), given \(3,\)"):
        public_combine(np.ones(3), v)
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(4, 2\)"):
        public_combine(np.ones((3, 2)), np.ones((2, 4, 5)))
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(k,\) or \(B, k\), given \(\)"):
        public_combine(np.array(1.0), v)
