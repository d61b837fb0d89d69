"""Section 4.1: the shortcuts of the experiment are exact, and what it measures is what theory says."""

import numpy as np
import pytest

from fwdad.estimators import Mean, Normal, Projection
from fwdad.experiments.approximation_quality import (
    ESTIMATES,
    ApproximationQuality,
    agrees,
    backward_substitution,
    check,
    sample,
)
from fwdad.perturbation import Directions
from fwdad.testing import expect_close


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_backward_substitution(size):
    random = np.random.default_rng(size)
    lower = np.tril(random.standard_normal((size, size))) / size + np.eye(size)
    b = random.standard_normal((size, 3))
    expect_close(backward_substitution(lower, b), np.linalg.solve(lower.T, b), 1e-12, "L^T x = b")


@pytest.mark.parametrize("n", [1, 3, 8, 40, 100])
def test_one_draw_serves_every_k(n):
    """Against each estimate by itself, by the combiners."""
    ks = [1, 2, 4, 8, 16]
    v = Normal(16, seed=1).draw(0, (n,), np.float32, step=0)
    cosine, ratio = sample(v.dense(), ks)
    gradient = np.ones(n)
    dense = v.dense().astype(np.float64)
    for j, k in enumerate(ks):
        directions = Directions([dense[:k]])
        unit = dense[:k] / np.linalg.norm(dense[:k], axis=1, keepdims=True)
        estimates = {
            ("projection", "as drawn"): Projection().gradient(dense[:k] @ gradient, directions)[0],
            ("mean", "as drawn"): Mean().gradient(dense[:k] @ gradient, directions)[0],
            ("mean", "normalised"): Mean().gradient(unit @ gradient, Directions([unit]))[0],
        }
        for m, (method, tangents) in enumerate(ESTIMATES):
            g = k * estimates["mean", tangents] if method == "sum" else estimates[method, tangents]
            length = np.linalg.norm(g)
            expect_close(cosine[m, j], g @ gradient / length / np.sqrt(n), 1e-5, f"cosine of {method}, k = {k}")
            expect_close(ratio[m, j] / (length / np.sqrt(n)), 1.0, 1e-5, f"norm of {method}, k = {k}")


def test_the_check_rejects_a_wrong_cosine():
    stream = Normal(4, seed=0).draw(2, (9,), np.float32, step=0)
    cosine, _ = sample(stream.dense(), [1, 2, 4])
    check(stream, [1, 2, 4], cosine[0])
    for wrong in (1.01 * cosine[0], np.full(3, np.nan)):
        with pytest.raises(ArithmeticError, match="the combiner's"):
            check(stream, [1, 2, 4], wrong)


def test_cells_put_together_are_one_sample():
    experiment = ApproximationQuality()

    def rows(first, samples):
        parameters = {"n": 16, "k": 8, "seed": 0, "first": first, "samples": samples}
        return experiment.run(parameters, lambda part: None)

    whole, parts = experiment.table(rows(0, 60)), experiment.table(rows(0, 20) + rows(20, 40))
    for one, two in zip(whole, parts, strict=True):
        assert one == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in two.items()}


def test_theory_is_met_and_a_wrong_theory_is_not():
    parameters = {"n": 32, "k": 16, "seed": 0, "first": 0, "samples": 400}
    experiment = ApproximationQuality()
    table = experiment.table(experiment.run(parameters, lambda part: None))
    rows = [row for row in table if row["tangents"] == "as drawn"]
    assert len(rows) == 15
    for row in rows:
        assert agrees(row), row
        assert abs(row["norm_ratio"] - row["norm_ratio_theory"]) <= 4 * row["norm_ratio_error"] + 1e-6
        assert not agrees(row | {"cosine_theory": row["cosine"] + 4 * row["cosine_error"] + 0.02})
    assert "30 of 30" not in str(experiment.summary(table))
    assert [summary.remarks[0].split(" within")[0] for summary in experiment.summary(table)] == ["5 of 5", "5 of 5"]
