"""Samplers: the distribution, the geometry, and that a draw is a function of seed and step."""

import numpy as np
import pytest

from fwdad.estimators import (
    SAMPLERS,
    FixedAngle,
    Haar,
    Normal,
    Normalised,
    Orthogonal,
    Rademacher,
    StandardBasis,
    theory,
)
from fwdad.tangents import BasisTangent, StreamTangent
from fwdad.testing import expect_close

MODEL = [np.zeros((2, 3)), np.zeros(2), np.zeros(())]  # 9 entries in three arrays
ROWS = [np.zeros((4, 3)), np.zeros((4, 2))]  # four rows of 5 entries in two arrays
OF_EXAMPLES = [name for name in SAMPLERS if name != "low-rank"]  # those that give each example directions of its own
SPREAD = [name for name in SAMPLERS if name != "blocks"]  # whose directions can move every entry
UNIT = {"normalised", "basis", "haar", "fixed-angle"}  # of length 1; the others' entries have variance 1


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_draw_is_a_function_of_seed_and_step(name, dtype):
    templates = [t.astype(dtype) for t in MODEL]

    def draw(seed, step, k=4):
        return SAMPLERS[name](k, seed=seed).directions(templates, step)

    v = draw(1, 5)
    assert (v.k, v.n, v.dense().dtype) == (4, 9, dtype)
    assert [part.shape for part in v.realised()] == [(4, 2, 3), (4, 2), (4,)]
    assert np.array_equal(v.dense(), draw(1, 5).dense())
    for other in (draw(1, 6), draw(2, 5)):
        assert not np.array_equal(v.dense(), other.dense())


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_rows_have_directions_of_their_own(name):
    v = SAMPLERS[name](40, seed=2).directions(ROWS, step=3, per_row=True)
    dense = v.dense()
    assert dense.shape == (4, 40, 5)
    assert len({row.tobytes() for row in dense}) == 4
    lengths = np.linalg.norm(dense, axis=-1)
    expect_close(v.lengths(), lengths, 1e-6, "lengths")
    if name in UNIT:
        expect_close(lengths, np.ones((4, 40)), 1e-6, "unit length")


@pytest.mark.parametrize(
    ("name", "per_row"),
    [*((name, False) for name in SPREAD), *((name, True) for name in SPREAD if name in OF_EXAMPLES)],
)
def test_no_direction_is_preferred(name, per_row):
    """E v v^T = I, or I/n for unit length; E v = 0 but for unit vectors, which have no sign. 4 standard errors."""
    n, draws = 4, 600
    template = [np.zeros((25, n))] if per_row else [np.zeros(n)]
    v = np.concatenate(
        [
            SAMPLERS[name](2, seed=7).directions(template, step, per_row).dense()
            for step in range(draws // (24 * per_row + 1))
        ]
    ).reshape(-1, 2, n)
    for direction in (v[:, 0], v[:, 1]):
        outer = direction[:, :, None] * direction[:, None, :]
        expected = np.eye(n) / (n if name in UNIT else 1)
        assert np.all(np.abs(outer.mean(0) - expected) <= 4 * outer.std(0) / np.sqrt(len(v)) + 1e-6)
        if name != "basis":
            assert np.all(np.abs(direction.mean(0)) <= 4 * direction.std(0) / np.sqrt(len(v)))


@pytest.mark.parametrize("per_row", [False, True])
def test_frames_are_at_right_angles(per_row):
    template = ROWS if per_row else MODEL
    n = 5 if per_row else 9
    for k in (1, 3, n, 2 * n + 1):
        for sampler in (Haar, Orthogonal):
            v = sampler(k, seed=3).directions(template, 0, per_row).dense()
            for start in range(0, k, n):
                frame = v[..., start : start + n, :]
                gram = frame @ np.swapaxes(frame, -1, -2)
                lengths = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
                expect_close(
                    gram, lengths[..., None] * np.eye(frame.shape[-2]) * lengths[..., None, :], 1e-12, "angles"
                )
                if sampler is Haar:
                    expect_close(lengths, np.ones(lengths.shape), 1e-12, "lengths")


def test_orthogonal_directions_are_as_long_as_normal_ones():
    lengths = np.linalg.norm(Orthogonal(6, seed=1).directions([np.zeros((300, 6))], 0, per_row=True).dense(), axis=-1)
    for j in range(6):  # the last of a frame too
        error = lengths[:, j].std() / np.sqrt(300)
        assert abs(lengths[:, j].mean() - theory.chi_mean(6)) < 4 * error


@pytest.mark.parametrize("angle", [0, 15, 45, 90, 165, 180])
def test_angles(angle):
    for per_row, template in ((False, MODEL), (True, ROWS)):
        v = FixedAngle(6, seed=1, angle=angle).directions(template, 0, per_row).dense()
        cosines = np.einsum("...kn,...n->...k", v[..., 1:, :], v[..., 0, :])
        expect_close(cosines, np.full(cosines.shape, np.cos(np.deg2rad(angle))), 1e-12, "cosine")
        expect_close(np.linalg.norm(v, axis=-1), np.ones(v.shape[:-1]), 1e-12, "length")


def test_the_base_of_angles():
    base = {"w": np.arange(6.0).reshape(2, 3), "b": np.array([1.0, 2.0]), "c": 3.0}
    v = FixedAngle(3, seed=1, angle=30, base=base).directions(MODEL, 0).dense()
    flat = np.concatenate([np.ravel(b) for b in base.values()])
    expect_close(v[0], flat / np.linalg.norm(flat), 1e-12, "the first direction")
    shared = FixedAngle(2, seed=1, base=[np.ones(3), np.ones(2)]).directions(ROWS, 0, per_row=True).dense()
    expect_close(shared[:, 0], np.full((4, 5), 1 / np.sqrt(5)), 1e-12, "a base for all rows")


@pytest.mark.parametrize(
    ("words", "make"),
    [
        ("from 0 to 180 degrees; got 200", lambda: FixedAngle(2, angle=200)),
        ("from 0 to 180 degrees; got nan", lambda: FixedAngle(2, angle=np.nan)),
        ("two dimensions or more", lambda: FixedAngle(2).directions([np.zeros(1)], 0)),
        ("base has 1 arrays, but 3 move", lambda: FixedAngle(2, base=np.ones(3)).directions(MODEL, 0)),
        ("base does not fit", lambda: FixedAngle(2, base=np.ones(4)).directions([np.zeros(3)], 0)),
        ("base is zero", lambda: FixedAngle(2, base=np.zeros(3)).directions([np.zeros(3)], 0)),
    ],
)
def test_mistakes_are_named(words, make):
    with pytest.raises(ValueError, match=words):
        make()


def test_unit_vectors_are_distinct():
    for k in (1, 5, 9, 9 + 4):
        v = StandardBasis(k, seed=2).directions(MODEL, 0).dense()
        assert np.array_equal(np.sort(v, axis=1)[:, -2:], np.tile([0, 1], (k, 1)))
        for start in range(0, k, 9):
            coordinates = v[start : start + 9].argmax(axis=1)
            assert len(set(coordinates)) == len(coordinates)


@pytest.mark.parametrize(
    "sampler", [Normal(5, seed=1), Rademacher(5, seed=1), Normalised(5, seed=1), Normalised(5, Rademacher, seed=1)]
)
def test_independent_entries_stay_streams(sampler):
    """And all that is asked of them is what the same arrays would answer."""
    v = sampler.directions([np.zeros((30, 20)), np.zeros(7)], step=4)
    assert all(type(part) is StreamTangent for part in v.parts)
    dense, c = v.dense().astype(np.float64), np.arange(5.0)
    expect_close(v.gram(), dense @ dense.T, 1e-6, "gram")
    expect_close(v.lengths(), np.linalg.norm(dense, axis=1), 1e-6, "lengths")
    expect_close(np.concatenate([g.ravel() for g in v.combine(c)]), c @ dense, 1e-6, "combine")
    if sampler.unit:
        expect_close(v.lengths(), np.ones(5), 1e-12, "unit length")


def test_unit_vectors_are_not_stored():
    assert all(type(part) is BasisTangent for part in StandardBasis(3).directions(MODEL, 0).parts)


def test_low_rank_directions_are_for_weights():
    with pytest.raises(TypeError, match="perturb='weight'"):
        SAMPLERS["low-rank"](3).directions(ROWS, 0, per_row=True)
    with pytest.raises(ValueError, match="rank must be an integer of at least 1; got 0"):
        SAMPLERS["low-rank"](3, 0)
    v = SAMPLERS["low-rank"](3, 2, seed=1).directions([np.zeros((6, 5))], 0)
    assert [int(np.linalg.matrix_rank(matrix)) for matrix in v.realised()[0]] == [2, 2, 2]
