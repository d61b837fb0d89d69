"""outer_update: every body against float64."""

import itertools

import numpy as np
import pytest
from elementwise import DTYPES, normal, unit_of

from fwdad.kernels import memory
from fwdad.kernels import outer_update as public_outer_update

SIZES = [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (3, 7, 5), (131, 3, 2), (5, 30, 50), (64, 300, 130)]


def draw(m, p, n, dtype, with_v=True):
    """Return x, g, w, v."""
    shapes = [(m, p), (m, n), (p, n), (p, n)]
    x, g, w, v = (normal(seed, shape, dtype) for seed, shape in enumerate(shapes))
    return x, g, w, v if with_v else None


def examples(dtype):
    for sizes in SIZES:
        yield *draw(*sizes, dtype), 0.1, 0.9
        yield *draw(*sizes, dtype, with_v=False), 0.1, 0.0


def check(body, given, rates, assert_within):
    """A sum of n products is off by at most n u times the sum of their sizes; in float64 the truth rounds as well."""
    x, g, w, v = given
    rate, momentum = (float(x.dtype.type(value)) for value in rates)
    w_new, v_new = body(x, g, w, v, *rates)
    exact = [np.zeros_like(w, np.float64) if a is None else a.astype(np.float64) for a in given]
    unit = unit_of(x.dtype) * (1 if x.dtype == np.float32 else 2)
    step = momentum * exact[3] + exact[0].T @ exact[1]
    x, g, w, v = map(np.abs, exact)
    error = (len(x) + 2) * unit * (momentum * v + x.T @ g)
    assert_within(w_new, exact[2] - rate * step, rate * error + 2 * unit * (w + rate * np.abs(step)))
    if given[3] is None:
        assert v_new is None
    else:
        assert_within(v_new, step, error)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes_across_the_edges_of_tiles(outer_update, assert_within, dtype):
    sizes = itertools.chain(
        ((m, 5, 20) for m in (0, 1, 2, 17, 200)),
        ((5, p, 20) for p in (0, 1, 3, 4, 5, 8, 9, 17)),
        ((5, 9, n) for n in (0, 1, 4, 8, 15, 16, 17, 24, 25, 33, 48, 49, 97)),
    )
    for size in sizes:
        check(outer_update, draw(*size, dtype), (0.1, 0.9), assert_within)
        check(outer_update, draw(*size, dtype, with_v=False), (0.1, 0.0), assert_within)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_results_go_past_the_caches(outer_update, assert_within, monkeypatch, dtype):
    monkeypatch.setattr(memory, "LARGE", 2**23)  # as always but in these tests: results begin at cache lines
    check(outer_update, draw(2, 3001, 1440, dtype), (0.1, 0.9), assert_within)


def test_nan_stays_where_it_meets(outer_update):
    for position, seen in ((0, 50), (1, 30), (2, 1), (3, 1)):
        given = draw(5, 30, 50, np.float32)
        given[position][2, 7] = np.nan
        assert np.isnan(outer_update(*given, 0.1, 0.9)[0]).sum() == seen


X, G, W = np.ones((2, 3), np.float32), np.ones((2, 5), np.float32), np.ones((3, 5), np.float32)
BAD = [
    (TypeError, "g: expected dtype float32 .*, given float64", (X, G.astype(float), W, None, 0.1)),
    (ValueError, r"x: expected shape \(M, K\), given \(3,\)", (X[0], G, W, None, 0.1)),
    (ValueError, r"g: expected shape \(2, 5\) \(x is \(2, 3\)\), given \(3, 5\)", (X, W, W, None, 0.1)),
    (ValueError, r"w: expected shape \(3, 5\) \(x is \(2, 3\), g is \(2, 5\)\), given \(2, 5\)", (X, G, G, None, 0.1)),
    (ValueError, r"v: expected shape \(3, 5\) \(w is \(3, 5\)\), given \(2, 5\)", (X, G, W, G, 0.1)),
    (ValueError, "v: expected an array for momentum=0.9, given None", (X, G, W, None, 0.1, 0.9)),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="outer_update: " + message):
        public_outer_update(*arguments)
