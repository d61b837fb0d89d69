"""projection_coefficients: every body; with gram and combine, against least squares and Gram-Schmidt."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fwdad.kernels import Stream, project_gram_schmidt
from fwdad.kernels import combine as public_combine
from fwdad.kernels import gram as public_gram
from fwdad.kernels import projection_coefficients as public_coefficients
from fwdad.kernels.generate import generate_reference

DTYPES = [np.float32, np.float64]


def examples(dtype):
    rng = np.random.default_rng(0)
    for shape in [(0,), (1,), (7,), (3, 0), (0, 4), (2, 3, 5), (100,), (30, 20)]:
        v = rng.standard_normal((*shape, 2 * shape[-1] + 50))
        yield v @ v.swapaxes(-1, -2), rng.standard_normal(shape).astype(dtype)


def cone(k, p, degrees, rng):
    """k directions at `degrees` from one another, in p dimensions."""
    cosine = math.cos(math.radians(degrees))
    basis = np.linalg.qr(rng.standard_normal((p, k)))[0].T
    return np.linalg.cholesky(np.full((k, k), cosine) + np.eye(k) * (1 - cosine)) @ basis


def families():
    rng = np.random.default_rng(8)
    v = rng.standard_normal((6, 40))
    yield "random", v, 6
    yield "one", v[:1], 1
    yield "15-degree cone", cone(16, 200, 15, rng), 16
    yield "1-degree cone", cone(8, 100, 1, rng), 8
    yield "repeated", v[[0, 1, 0, 2, 2, 2]], 3
    yield "times three", np.concatenate([v, 3 * v, -v]), 6
    yield "times three in float32", np.concatenate([v, (3 * v.astype(np.float32)).astype(np.float64)]), 6
    yield "nearly repeated", np.concatenate([v, v + 1e-3 * rng.standard_normal(v.shape)]), 12
    yield "dependent", np.concatenate([v, rng.standard_normal((5, 6)) @ v]), 6
    yield "more than P", rng.standard_normal((50, 12)), 12
    yield "as many as P", rng.standard_normal((12, 12)), 12
    yield "a zero direction", np.concatenate([v[:2], 0 * v[:1], v[2:]]), 6
    yield "all zero", 0 * v, 0
    yield "of very different lengths", v * np.logspace(-12, 12, 6)[:, None], 6
    yield "tiny", v * 1e-150, 6
    yield "axes", np.eye(7)[:4], 4


FAMILIES = list(families())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "v", "rank"), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_projection(gram, projection_coefficients, combine, assert_within, name, v, rank, dtype):
    if dtype == np.float32 and name == "tiny":
        v = v * 1e140
    v = v.astype(dtype)
    gradient = np.random.default_rng(9).standard_normal(v.shape[1])
    d = v.astype(np.float64) @ gradient
    # Truth: least squares on directions of length one, by singular values.
    lengths = np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True)
    unit_length = v.astype(np.float64) / np.where(lengths > 0, lengths, 1)
    values, right = np.linalg.svd(unit_length)[1:]
    kept = values > 1e-6
    basis = right[: kept.sum()]
    truth = basis.T @ (basis @ gradient)
    # In float64, forming G squares the condition number; the result is rounded to the dtype of v.
    condition = (values[0] / values[kept][-1]) ** 2 if kept.any() else 1
    size = np.linalg.norm(gradient)
    bound = (100 * 2.0**-53 * condition + 4 * np.finfo(dtype).eps + 1e-7 * (name == "times three in float32")) * size

    coefficients, found, margin = projection_coefficients(gram(v, False, True), d)
    assert found == rank == kept.sum()
    assert (margin == 0) == (rank < len(v))
    assert 0 <= margin <= 1
    assert_within(combine(coefficients, v), truth, bound)
    g, found = project_gram_schmidt(v, d)
    assert found == rank
    assert_within(g, truth, bound)
    if rank == v.shape[1]:
        assert_within(g, gradient, bound)


def test_float32_cone_to_a_millionth(gram, projection_coefficients, combine):
    """At 15 degrees, with float32 directions and float32 directional derivatives, the error is that of d alone."""
    v = cone(32, 2000, 15, np.random.default_rng(1)).astype(np.float32)
    gradient = np.random.default_rng(2).standard_normal(2000)
    exact = v.astype(np.float64).T @ np.linalg.lstsq(v.astype(np.float64).T, gradient, rcond=None)[0]
    d = v.astype(np.float64) @ gradient
    c, rank, _ = projection_coefficients(gram(v, False, True), d)
    assert rank == 32
    assert np.linalg.norm(combine(c, v) - exact) <= 1e-7 * np.linalg.norm(exact)


def test_margin_is_what_a_direction_leaves_over(projection_coefficients):
    for degrees in (90, 60, 15, 1):
        cosine = math.cos(math.radians(degrees))
        *_, margin = projection_coefficients(np.array([[4.0, 2 * cosine], [2 * cosine, 1.0]]), np.ones(2))
        assert margin == pytest.approx(1 - cosine**2, abs=1e-15)


def test_stack_of_projections(projection_coefficients):
    rng = np.random.default_rng(5)
    v = rng.standard_normal((2, 3, 5, 8))
    v[0, 1, 4] = v[0, 1, 2]
    v[1, 2] = 0
    d = rng.standard_normal((2, 3, 5))
    d[0, 1, 4] = d[0, 1, 2]
    g = v @ v.swapaxes(-1, -2)
    c, rank, _ = projection_coefficients(g, d)
    assert rank.tolist() == [[5, 4, 5], [5, 5, 0]]
    assert rank.dtype == np.int64
    for index in np.ndindex(2, 3):
        alone, alone_rank, _ = projection_coefficients(g[index], d[index])
        assert alone_rank == rank[index]
        assert np.array_equal(alone, c[index])


def test_empty_stacks(projection_coefficients):
    for shape in [(0,), (0, 4), (3, 0)]:
        c, rank, _ = projection_coefficients(np.zeros((*shape, shape[-1])), np.zeros(shape))
        assert c.shape == shape
        assert rank.shape == shape[:-1]
        assert not rank.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_is_never_hidden(projection_coefficients, bad):
    g, d = np.stack([np.eye(3)] * 3), np.ones((3, 3))
    g[0, 2, 1] = bad
    d[2, 1] = bad
    c, rank, _ = projection_coefficients(g, d)
    assert np.isnan(c[[0, 2]]).all()
    assert c[1].tolist() == [1, 1, 1]
    assert rank.tolist() == [0, 3, 0]
    g, d40 = np.eye(40), np.ones(40)
    g[39, 38] = bad
    c, rank, margin = projection_coefficients(g, d40)
    assert np.isnan(c).all()
    assert np.isnan(margin)
    assert rank == 0
    result, rank = project_gram_schmidt(np.eye(3), d[2])
    assert np.isnan(result).all()
    assert rank == 0


def test_any_finite_matrix_gives_finite_coefficients(projection_coefficients):
    rng = np.random.default_rng(6)
    for k in (1, 2, 5, 20):
        for power in (-100, -10, 0, 10, 100):
            a = rng.standard_normal((k, k))
            symmetric = (a + a.T) * 10.0**power  # not even a Gram matrix
            c, rank, _ = projection_coefficients(symmetric, rng.standard_normal(k))
            assert np.isfinite(c).all()
            assert 0 <= rank <= k


def test_bad_arguments():
    v = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"projection_coefficients: gram: expected dtype float64 .*, given float32"):
        public_coefficients(v[:, :2], v[0, :2])
    with pytest.raises(ValueError, match=r"gram: expected shape \(2, 2\) \(d is \(2,\)\), given \(3, 3\)"):
        public_coefficients(np.eye(3), np.ones(2))
    with pytest.raises(ValueError, match=r"project_gram_schmidt: d: expected shape \(2,\)"):
        project_gram_schmidt(v, np.ones(3))


def test_streams_agree_with_their_dense_form():
    stream = Stream(1, 2, 3, "normal", 4, (50, 60))
    v = generate_reference(replace(stream, dtype=np.dtype(np.float64)))
    d = v.reshape(4, -1) @ np.ones(3000)
    c, rank, _ = public_coefficients(public_gram(stream), d)
    g, _ = project_gram_schmidt(v.reshape(4, -1), d)
    assert rank == 4
    assert np.linalg.norm(public_combine(c, stream).ravel() - g) <= 1e-6 * np.linalg.norm(g)
