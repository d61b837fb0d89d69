"""unit_jvp_thin: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, normal, unit_of

from fwdad.kernels import unit_jvp_thin as public_unit_jvp_thin


def draw(rows, n1, n2, c, dtype, contracted=True):
    """w, r, s, v, e: half of the slopes are zero, as behind a relu."""
    r, s = (np.maximum(normal(seed, (rows, n), dtype), 0) for seed, n in ((1, n1), (2, n2)))
    e = normal(4, (rows, c), dtype) if contracted else None
    return normal(0, (n1, n2), dtype), r, s, normal(3, (n2, c), dtype), e


SIZES = [
    (0, 3, 4, 2), (2, 0, 4, 2), (2, 3, 0, 2), (2, 3, 4, 0), (1, 1, 1, 1), (3, 7, 5, 3), (131, 2, 3, 1), (5, 21, 70, 13),
    (20, 70, 1100, 25),
]  # fmt: skip


def examples(dtype):
    for sizes in SIZES:
        yield draw(*sizes, dtype)
        yield draw(*sizes, dtype, contracted=False)


@pytest.fixture
def check(unit_jvp_thin, assert_within):
    """A check of answers, both forms, within what sums of this length may be off: n u times the sum of the sizes."""

    def run(rows, n1, n2, c, dtype):
        w, r, s, v, e = given = draw(rows, n1, n2, c, dtype)
        unit = unit_of(dtype) * (1 if dtype == np.float32 else 2)  # in float64 the truth rounds as well
        tangents, sizes = (
            np.einsum("bi,im,bm,mc->bic", *(f(a.astype(np.float64)) for a in (r, w, s, v)), optimize=True)
            for f in (np.asarray, np.abs)
        )
        answer = unit_jvp_thin(*given)
        assert (answer.shape, answer.dtype) == ((rows, n1), dtype)
        exact_e = e.astype(np.float64)[:, None, :]
        bound = (n2 + c + 4) * unit * (sizes * np.abs(exact_e)).sum(axis=-1)
        assert_within(answer, (tangents * exact_e).sum(axis=-1), bound)
        answer = unit_jvp_thin(w, r, s, v, None)
        assert (answer.shape, answer.dtype) == ((rows, n1, c), dtype)
        assert_within(answer, tangents, (n2 + 4) * unit * sizes)

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", [*range(14), 16, 25])
def test_outputs_of_all_groups(check, c, dtype):
    check(3, 11, 20, c, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n1", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65])
def test_units_across_the_edges_of_panels(check, n1, dtype):
    for n2 in (0, 1, 15, 16, 17):
        check(2, n1, n2, 3, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n2", [255, 257, 513, 1025, 2049])
def test_second_layers_across_the_edges_of_stretches(check, n2, dtype):
    check(3, 5, n2, 2, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_more_examples_than_have_lists_at_a_time(check, dtype):
    check(12, 3, 1500, 64, dtype)


@pytest.mark.parametrize("rows", [1, 2, 31, 129, 300])
def test_examples_do_not_know_of_each_other(unit_jvp_thin, rows):
    w, r, s, v, e = draw(rows, 13, 21, 4, np.float32)
    together = unit_jvp_thin(w, r, s, v, e)
    for b in {0, rows // 2, rows - 1}:
        one = slice(b, b + 1)
        assert np.array_equal(together[one], unit_jvp_thin(w, r[one], s[one], v, e[one]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_unit_that_does_not_move_hides_what_it_meets(unit_jvp_thin, dtype):
    w, r, s, v, e = draw(3, 40, 30, 4, dtype)
    r[0], r[1:, 5], s[1, :], s[:, 7] = 1, 0, 0, 0
    w[:, 7], w[5, 8], v[7] = np.inf, np.nan, -np.inf
    s[0, 8] = s[2, 8] = 1
    for answer in (unit_jvp_thin(w, r, s, v, e), unit_jvp_thin(w, r, s, v, None)):
        lost = ~np.isfinite(answer)
        lost = lost.any(axis=-1) if lost.ndim == 3 else lost
        assert np.argwhere(lost).tolist() == [[0, 5]]
        assert not answer[1].any()
        assert not answer[2, 5].any()


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_not_hidden_elsewhere(unit_jvp_thin, position, value):
    given = [np.ones_like(a) for a in draw(3, 40, 30, 4, np.float32)]
    given[position][1, 2] = value
    seen = [[[0, 1, 2], [1]], [[1], [2]], [[1], range(40)], [range(3), range(40)], [[1], range(40)]][position]
    expected = np.zeros((3, 40), bool)
    expected[np.ix_(*seen)] = True
    assert np.array_equal(~np.isfinite(unit_jvp_thin(*given)), expected)


W, R, S = np.ones((2, 3), np.float32), np.ones((4, 2), np.float32), np.ones((4, 3), np.float32)
V, E = np.ones((3, 5), np.float32), np.ones((4, 5), np.float32)
BAD = [
    (TypeError, "w: expected a NumPy array, given list", ([[1.0]], R, S, V, E)),
    (TypeError, "v: expected dtype float32 as the other arguments, given float64", (W, R, S, V.astype(float), E)),
    (ValueError, r"w: expected shape \(n1, n2\), given \(3,\)", (W[0], R, S, V, E)),
    (ValueError, r"r: expected shape \(4, 2\) \(w is \(2, 3\)\), given \(4, 3\)", (W, S, S, V, E)),
    (ValueError, r"s: expected shape \(4, 3\) \(w is \(2, 3\), r is \(4, 2\)\), given \(4, 2\)", (W, R, R, V, E)),
    (ValueError, r"v: expected shape \(3, 3\) \(w is \(2, 3\)\), given \(2, 3\)", (W, R, S, W, E)),
    (ValueError, r"e: expected shape \(4, 5\) \(r is \(4, 2\), v is \(3, 5\)\), given \(4, 3\)", (W, R, S, V, S)),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="unit_jvp_thin: " + message):
        public_unit_jvp_thin(*arguments)
