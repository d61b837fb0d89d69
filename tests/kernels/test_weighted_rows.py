"""weighted_rows: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, MANY, assert_tangents_are_alone, normal, unit_of, with_a_nan

from fwdad.kernels import weighted_rows as public_weighted_rows


def examples(dtype):
    for shape, k in [((0,), 1), ((1,), 2), ((3, 0), 2), ((0, 3), 2), ((7, 5), 2), ((3, 4, 5), 300), ((70, 301), 5)]:
        yield normal(0, shape, dtype), normal(1, (k, *shape), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 3, 8, 10, 16, 17, 63, 64, 65, 1000])
@pytest.mark.parametrize("rows", [0, 1, 5, 64])
def test_weighted_rows(weighted_rows, assert_within, rows, n, dtype):
    for k in (0, 1, 4):
        w, dx = normal(0, (rows, n), dtype), normal(1, (k, rows, n), dtype)
        terms = w.astype(np.float64) * dx
        bound = (n / 8 + 8) * unit_of(dtype) * np.sum(np.abs(terms), axis=-1)
        out = weighted_rows(w, dx)
        assert out.dtype == dtype
        assert_within(out, np.sum(terms, axis=-1), bound)


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_weighted_rows(weighted_rows, k, dtype):
    w, dx = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: weighted_rows(w, dx[i]), k)


def test_nan_is_not_hidden_by_a_sum(weighted_rows):
    assert np.isnan(weighted_rows(*with_a_nan())).tolist() == [[False, True, False]] * 2


X, D = np.ones((2, 3), np.float32), np.ones((4, 2, 3), np.float32)
BAD = [
    (ValueError, r"w: expected shape \(..., n\), given \(\)", (np.ones((), np.float32), D)),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="weighted_rows: " + message):
        public_weighted_rows(*arguments)
