"""matmul: every body, batches of every form, against float64."""

import itertools

import numpy as np
import pytest

import fwdad
from fwdad.kernels import dispatch, policy
from fwdad.kernels import matmul as public_matmul

DTYPES = [np.float32, np.float64]
BATCHES = [
    ((), ()), ((1,), ()), ((3,), ()), ((), (3,)), ((3,), (3,)), ((1,), (3,)), ((2, 3), (3,)), ((3,), (2, 3)),
    ((2, 1), (3,)), ((2, 3), (2, 1)), ((2, 1, 3), (4, 1)), ((0,), (1,)), ((2, 0), ()), ((1, 1, 2), (1, 2)),
]  # fmt: skip


def pair(rng, batches, m, depth, n, dtype):
    return [rng.standard_normal((*b, *s)).astype(dtype) for b, s in zip(batches, ((m, depth), (depth, n)), strict=True)]


def examples(dtype):
    rng = np.random.default_rng(0)
    for batches in BATCHES:
        yield pair(rng, batches, 3, 5, 7, dtype)
    for m, depth, n in [(0, 3, 4), (3, 0, 4), (1, 1, 1), (9, 130, 50)]:
        yield pair(rng, ((2,), (2,)), m, depth, n, dtype)
    yield pair(rng, ((300,), ()), 3, 4, 5, dtype)
    for batches in (((), (5,)), ((5,), ()), ((5,), (5,))):
        yield pair(rng, batches, 70, 300, 130, dtype)


def check(body, x, y, assert_within):
    """A sum of n products is off by at most n u times the sum of their sizes; in float64 the truth rounds as well."""
    out = body(x, y)
    assert out.dtype == x.dtype
    assert out.flags.c_contiguous
    exact = [a.astype(np.float64) for a in (x, y)]
    unit = np.finfo(x.dtype).eps * (1 if x.dtype == np.float64 else 0.5)
    assert_within(out, np.matmul(*exact), x.shape[-1] * unit * np.matmul(*map(np.abs, exact)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches(matmul, assert_within, dtype):
    rng = np.random.default_rng(0)
    for batches in BATCHES:
        check(matmul, *pair(rng, batches, 9, 11, 50, dtype), assert_within)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes_across_the_edges_of_tiles(matmul, assert_within, dtype):
    rng = np.random.default_rng(1)
    sizes = itertools.chain(
        ((m, 5, 20) for m in (0, 1, 3, 4, 5, 8, 9, 17)),
        ((5, depth, 20) for depth in (0, 1, 127, 128, 129, 1025)),
        ((5, 6, n) for n in (0, 1, 4, 8, 15, 16, 17, 24, 25, 33, 48, 49, 97)),
    )
    for size in sizes:
        for batches in (((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())):
            check(matmul, *pair(rng, batches, *size, dtype), assert_within)


def test_layouts(layouts):
    x, y = pair(np.random.default_rng(2), ((4, 3), (3,)), 9, 11, 50, np.float32)
    expected = public_matmul(x, y)
    for name, view in layouts(x):
        assert np.array_equal(public_matmul(view, y), expected), name
    for name, view in layouts(y):
        assert np.array_equal(public_matmul(x, view), expected), name
    swapped = np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)  # batch axes whose strides do not join
    assert np.array_equal(public_matmul(swapped, y), expected)
    same = np.broadcast_to(y[0], (4, 3, 11, 50))
    assert np.array_equal(public_matmul(x, same), public_matmul(x, y[0]))


def test_nan_stays_in_its_row(matmul):
    x, y = pair(np.random.default_rng(3), ((2,), ()), 9, 11, 50, np.float32)
    x[1, 4, 5] = np.nan
    lost = np.isnan(matmul(x, y))
    assert lost[1, 4].all()
    assert lost.sum() == 50


def test_errors():
    one = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="x: expected a NumPy array, given list"):
        public_matmul([[1.0]], one)
    with pytest.raises(TypeError, match="y: expected dtype float32 as the other arguments, given float64"):
        public_matmul(one, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"y: expected shape \(..., 3, N\) \(x is \(2, 3\)\), given \(2, 3\)"):
        public_matmul(one, one)
    with pytest.raises(ValueError, match=r"x: expected shape \(..., rows, columns\), given \(3,\)"):
        public_matmul(one[0], one)
    with pytest.raises(ValueError, match="expected batches that fit together"):
        public_matmul(np.ones((2, 3, 3)), np.ones((3, 3, 3)))


@pytest.mark.skipif(dispatch.native is None, reason="fwdad._native was not built")
@pytest.mark.parametrize("moves", [(True, True), (True, False), (False, True)])
def test_matmul_of_duals_takes_it_where_it_is_faster(monkeypatch, moves):
    rng = np.random.default_rng(4)
    x, y = pair(rng, ((6,), (6,)), 65, 64, 66, np.float64)
    tangents = [rng.standard_normal((3, *a.shape)) if m else None for a, m in zip((x, y), moves, strict=True)]
    assert policy.use_matmul(x, y)
    assert not policy.use_matmul(x[:, :4], y)
    assert not policy.use_matmul(x.astype(np.float32), y)

    def run():
        return fwdad.jvp(np.matmul, (x, y), tuple(tangents))[1]

    taken = run()
    monkeypatch.setattr(dispatch, "native", None)
    assert not policy.use_matmul(x, y)
    by_numpy = run()
    assert taken.shape == by_numpy.shape == (3, 6, 65, 66)
    np.testing.assert_allclose(taken, by_numpy, rtol=0, atol=1e-12)
