"""sparse_product: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, normal, unit_of


def sparse(rows, p, dtype, share=0.1):
    x = normal(0, (rows, p), dtype)
    return np.where(np.random.default_rng(1).random(x.shape) < share, x, 0).astype(dtype)


def examples(dtype):
    for rows, p, n in [(0, 3, 2), (3, 0, 2), (2, 3, 0), (1, 1, 1), (7, 5, 3), (300, 40, 101)]:
        yield sparse(rows, p, dtype), normal(2, (p, n), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130, 255, 256, 257, 500, 530])
def test_columns_across_the_edges_of_panels(sparse_product, assert_within, n, dtype):
    x, w = sparse(5, 60, dtype, 0.3), normal(2, (60, n), dtype)
    exact = [a.astype(np.float64) for a in (x, w)]
    unit = unit_of(dtype) * (1 if dtype == np.float32 else 2)  # in float64 the truth rounds as well
    assert_within(sparse_product(x, w), exact[0] @ exact[1], 60 * unit * (np.abs(exact[0]) @ np.abs(exact[1])))


@pytest.mark.parametrize("rows", [1, 255, 257])
def test_rows_do_not_know_of_each_other(sparse_product, rows):
    x, w = sparse(rows, 30, np.float32), normal(2, (30, 21), np.float32)
    together = sparse_product(x, w)
    for r in {0, rows // 2, rows - 1}:
        assert np.array_equal(together[r : r + 1], sparse_product(x[r : r + 1], w))


def test_zeros_hide_what_they_meet_and_nothing_else_does(sparse_product):
    x, w = np.ones((2, 20), np.float32), np.ones((20, 30), np.float32)
    x[0, 3], w[3] = 0, np.nan
    answer = sparse_product(x, w)
    assert np.isfinite(answer[0]).all()
    assert np.isnan(answer[1]).all()
