"""cross_entropy_jvp: every body against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, MANY, assert_tangents_are_alone, normal, unit_of, with_a_nan

from fwdad.kernels import cross_entropy_jvp as public_cross_entropy_jvp


def examples(dtype):
    for rows, n, k in [(0, 3, 1), (1, 1, 1), (5, 7, 2), (3, 4, 300), (70, 301, 5)]:
        labels = np.arange(rows, dtype=np.uint8 if k == 2 else np.int64) * 7 % n
        yield normal(0, (rows, n), dtype), labels, normal(1, (k, rows, n), dtype)


def exact_cross_entropy(z, labels, dz):
    z, dz = z.astype(np.float64), dz.astype(np.float64)
    rows = np.arange(len(labels))
    top = z.max(axis=1, keepdims=True)
    p = np.exp(z - top)
    loss = np.log(p.sum(axis=1)) + (top[:, 0] - z[rows, labels])
    p /= p.sum(axis=1, keepdims=True)
    p[rows, labels] = -np.where(np.arange(z.shape[1]) == labels[:, None], 0, p).sum(axis=1)
    return loss, np.sum(p * dz, axis=-1), np.sum(np.abs(dz), axis=-1), np.abs(z).max(axis=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1, 30, 1000])
@pytest.mark.parametrize(("rows", "n"), [(0, 3), (1, 1), (5, 2), (64, 10), (7, 16), (9, 17), (3, 1000)])
def test_cross_entropy_jvp(cross_entropy_jvp, assert_within, rows, n, scale, dtype):
    z = (scale * normal(0, (rows, n), dtype)).astype(dtype)
    labels = np.arange(rows) * 7 % n
    for k in (0, 1, 4):
        dz = normal(1, (k, rows, n), dtype)
        loss, dloss = cross_entropy_jvp(z, labels, dz)
        true_loss, true_dloss, size_dz, size_z = exact_cross_entropy(z, labels, dz)
        unit = unit_of(dtype)
        assert_within(loss, true_loss, 8 * unit * (1 + true_loss) + 2 * unit * size_z)
        assert_within(dloss, true_dloss, (n / 4 + 16) * unit * (1 + size_z) * size_dz)
        assert dloss.shape == (k, rows)


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_tangents_of_the_cross_entropy(cross_entropy_jvp, k, dtype):
    z, dz, labels = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype), np.array([0, 12, 5])
    assert_tangents_are_alone(lambda i: cross_entropy_jvp(z, labels, dz[i])[1], k)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_not_hidden_by_the_cross_entropy(cross_entropy_jvp):
    z, ones = with_a_nan()
    loss, dloss = cross_entropy_jvp(z, np.array([0, 0, 0]), ones)
    assert np.isnan(loss).tolist() == [False, True, False]
    assert np.isnan(dloss).tolist() == [[False, True, False]] * 2


X, D = np.ones((2, 3), np.float32), np.ones((4, 2, 3), np.float32)
BAD = [
    (ValueError, r"z: expected shape \(B, classes\), given \(3,\)", (X[0], np.zeros(3, int), D)),
    (TypeError, "labels: expected an array of integers, given float64", (X, np.zeros(2), D)),
    (ValueError, "labels: expected 0 to 2, given 0 to 3", (X, np.array([0, 3]), D)),
    (ValueError, r"labels: expected shape \(2,\)", (X, np.array([0]), D)),
    (ValueError, "z: expected at least one class", (X[:, :0], np.zeros(2, int), D[..., :0])),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="cross_entropy_jvp: " + message):
        public_cross_entropy_jvp(*arguments)
