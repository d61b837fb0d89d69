"""gram, projection_coefficients and combine: each alone, and together against Gram-Schmidt."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fwdad.kernels import Stream, orthonormalise, project_gram_schmidt
from fwdad.kernels import combine as public_combine
from fwdad.kernels import gram as public_gram
from fwdad.kernels import projection_coefficients as public_coefficients
from fwdad.kernels.stream import generate_reference

DTYPES = [np.float32, np.float64]
UNIT = 2.0**-53


def directions(k, shape, dtype, kind="dense"):
    if kind == "dense":
        return np.random.default_rng([k, *shape]).standard_normal((k, *shape)).astype(dtype)
    return Stream(5, 6, 7, kind, k, shape, np.dtype(dtype))


SHAPES = [(0,), (1,), (7,), (8,), (9,), (1000,), (5000,), (3, 50), (130, 60), (5, 4, 6), (40, 300), (3, 9000), (0, 4)]
PER_ROW = [
    (1, (1, 1)), (3, (5, 7)), (4, (1, 300)), (5, (130, 17)), (17, (9, 64)), (2, (3, 9000)), (2, (0, 3)), (2, (3, 0)),
]  # fmt: skip
COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 17]


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


def test_layouts_of_directions(layouts):
    v = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    c, rows = np.arange(5.0), np.ones((6, 5))
    for name, view in layouts(v):
        assert np.array_equal(public_gram(view), public_gram(v)), name
        assert np.array_equal(public_gram(view, per_row=True), public_gram(v, per_row=True)), name
        assert np.array_equal(public_combine(c, view), public_combine(c, v)), name
        assert np.array_equal(public_combine(rows, view), public_combine(rows, v)), name


# ---------------------------------------------------------------------------------------------------- the projection


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


@pytest.mark.parametrize("block", [1, 2, 5, 32])
@pytest.mark.parametrize(("name", "v", "rank"), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_orthonormalise(name, v, rank, block):
    q, kept = orthonormalise(v, block)
    assert q.shape == (rank, v.shape[1])
    assert len(kept) == rank
    assert np.max(np.abs(q @ q.T - np.eye(rank)), initial=0) <= 1e-14
    outside = v - (v @ q.T) @ q
    drop = 2.0**-20 if "times three" in name else 1e-14  # what was dropped may have had a little of its own
    assert (np.linalg.norm(outside, axis=1) <= drop * np.linalg.norm(v, axis=1)).all()
    below = np.tril(q @ v[kept].T, -1)  # row j of Q is at right angles to what was kept before it
    assert np.max(np.abs(below), initial=0) <= 1e-13 * np.max(np.linalg.norm(v, axis=1))


def test_orthonormalise_nearly_dependent_directions():
    """Directions a thousandth, a millionth apart: Q is orthonormal all the same."""
    rng = np.random.default_rng(10)
    v = rng.standard_normal((1, 300)) + np.logspace(-1, -5, 60)[:, None] * rng.standard_normal((60, 300))
    q, kept = orthonormalise(v, 7)
    assert len(kept) == 60
    assert np.max(np.abs(q @ q.T - np.eye(60))) <= 1e-13
    with pytest.raises(ValueError, match="orthonormalise: v: expected finite entries"):
        orthonormalise(np.array([[1.0, np.nan]]))


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
    with pytest.raises(TypeError, match="gram: v: expected a NumPy array, given list"):
        public_gram([[1.0]])
    with pytest.raises(ValueError, match=r"gram: v: expected shape \(k, B, n\), given \(2, 3\)"):
        public_gram(v, per_row=True)
    with pytest.raises(TypeError, match=r"projection_coefficients: gram: expected dtype float64 .*, given float32"):
        public_coefficients(v[:, :2], v[0, :2])
    with pytest.raises(ValueError, match=r"gram: expected shape \(2, 2\) \(d is \(2,\)\), given \(3, 3\)"):
        public_coefficients(np.eye(3), np.ones(2))
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(2,\) \(v is \(2, 3\)\), given \(3,\)"):
        public_combine(np.ones(3), v)
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(4, 2\)"):
        public_combine(np.ones((3, 2)), np.ones((2, 4, 5)))
    with pytest.raises(ValueError, match=r"combine: c: expected shape \(k,\) or \(B, k\), given \(\)"):
        public_combine(np.array(1.0), v)
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
