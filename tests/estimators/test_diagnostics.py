"""Reports against NumPy's own linear algebra; and directions as one space."""

import numpy as np
import pytest

from fwdad import nn
from fwdad.estimators import (
    FixedAngle,
    ForwardGradient,
    Given,
    Haar,
    Max,
    Mean,
    Normal,
    Projection,
    exact_gradient,
    theory,
)
from fwdad.perturbation import Directions, join, separate
from fwdad.testing import expect_close

RNG = np.random.default_rng(1)


def report_on(v, combiner=None, reference=None):
    gradient = np.arange(1.0, 1.0 + v.shape[1])
    fg = ForwardGradient(Given(v), combiner or Projection(), "weight")
    return fg.diagnose(lambda x: np.sum(x * gradient), np.zeros(v.shape[1]), reference=reference)[2], gradient


def test_a_report_is_what_numpy_says():
    v = RNG.standard_normal((4, 9))
    report, gradient = report_on(v, reference=np.arange(1.0, 10.0))
    s, d = np.linalg.svd(v)[1], v @ gradient
    share = s**2 / np.sum(s**2)
    expected = Projection().gradient(d, Directions([v]))[0]
    assert (report.k, report.n, report.rank) == (4, 9, 4)
    assert report.condition == pytest.approx(s[0] / s[-1], rel=1e-9)
    assert report.effective_rank == pytest.approx(np.exp(-np.sum(share * np.log(share))), rel=1e-9)
    assert (report.d_mean, report.d_variance) == (pytest.approx(d.mean()), pytest.approx(d.var()))
    cosine = expected @ gradient / np.linalg.norm(expected) / np.linalg.norm(gradient)
    assert report.cosine == pytest.approx(cosine, rel=1e-9)
    assert report.norm_ratio == pytest.approx(cosine, rel=1e-9)  # of an orthogonal projection
    assert report.expected == theory.projection(9.0, 4)


def test_dependent_directions_are_counted_once():
    v = np.repeat(np.eye(5)[:2], 3, axis=0)
    report, _ = report_on(v)
    assert (report.rank, report.condition, report.effective_rank) == (2, 1, pytest.approx(2))
    assert report.cosine is None
    report, _ = report_on(np.zeros((3, 4)))
    assert (report.rank, report.effective_rank) == (0, 0)


def test_orthonormal_directions_are_the_best():
    report, _ = report_on(Haar(6, seed=1).directions([np.zeros(8)], 0).dense())
    assert report.condition == pytest.approx(1)
    assert report.effective_rank == pytest.approx(6)
    narrow, _ = report_on(FixedAngle(6, seed=1, angle=10).directions([np.zeros(8)], 0).dense())
    assert narrow.effective_rank < 2
    assert narrow.condition > 10


def test_nothing_is_expected_where_nothing_is_derived():
    assert report_on(np.eye(3), Max())[0].expected is None
    assert report_on(np.eye(3), Projection(scope="tensor"))[0].expected is None


def test_nan_shows():
    v = np.eye(3)
    v[0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        report, _ = report_on(v, Mean(), reference=np.ones(3))
    for value in (report.rank, report.condition, report.effective_rank, report.d_mean, report.cosine):
        assert np.isnan(value)


def test_a_network_by_activities():
    model = nn.MLP((3, 8, 2), activation="tanh", seed=1, dtype=np.float64)
    x, y = RNG.standard_normal((5, 3)), RNG.integers(0, 2, 5)

    def loss(model, x, y):
        return nn.cross_entropy(model(x), y)

    _, exact = exact_gradient(loss, model, x, y, perturb="weight")
    _, _, full = ForwardGradient(Normal(30), perturb="activity").diagnose(loss, model, x, y, reference=exact)
    assert full.n == 10
    assert full.rank == 10
    assert full.cosine == pytest.approx(1, abs=1e-9)
    assert full.norm_ratio == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="tree like the model"):
        ForwardGradient(Normal(2), perturb="weight").diagnose(loss, model, x, y, reference=np.ones(3))


def test_join_and_separate_are_inverse():
    templates = [np.zeros((2, 3)), np.zeros(()), np.zeros(4, np.float32)]
    v = RNG.standard_normal((5, 11)).astype(np.float32).astype(np.float64)
    parts = separate(v, templates)
    assert [part.shape for part in parts] == [(5, 2, 3), (5,), (5, 4)]
    assert [part.dtype for part in parts] == [np.float64, np.float64, np.float32]
    assert np.array_equal(join(parts), v)
    rows = RNG.standard_normal((6, 5, 7))
    assert np.array_equal(join(separate(rows, [np.zeros((6, 3)), np.zeros((6, 4))], True), True), rows)


@pytest.mark.parametrize("per_row", [False, True])
def test_scaled_directions(per_row):
    """Parts times a scale, or by their length over all parts: as if the entries had been scaled."""
    shape = (3, 4) if per_row else (3,)
    parts = [RNG.standard_normal((*shape, n)) for n in (2, 5)]
    scale = RNG.standard_normal(shape[::-1])
    lengths = np.sqrt(sum(np.sum(v**2, axis=-1) for v in parts))
    for kwargs, factor in (({"scale": scale}, scale.T), ({"unit": True}, 1 / lengths)):
        directions = Directions(parts, per_row, **kwargs)
        scaled = Directions([v * factor[..., None] for v in parts], per_row)
        c = RNG.standard_normal(shape[::-1])
        expect_close(directions.gram(), scaled.gram(), 1e-12, "gram")
        expect_close(directions.dense(), scaled.dense(), 1e-12, "dense")
        for a, b in zip(directions.combine(c), scaled.combine(c), strict=True):
            expect_close(a, b, 1e-12, "combine")
        for a, b in zip(directions.alone(), scaled.alone(), strict=True):
            expect_close(a.gram(), b.gram(), 1e-12, "alone")
