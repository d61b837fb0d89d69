"""Section 4.2: functions, exact gradients by few directions, and many descents as one pass."""

import numpy as np
import pytest

import fwdad
from fwdad.experiments import Settings
from fwdad.experiments.closed_form import ClosedForm, Draws
from fwdad.experiments.landscapes import LANDSCAPES, by_estimates, derivatives, descend, exact_gradient
from fwdad.testing import expect_close

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("name", LANDSCAPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_derivatives(name, n):
    landscape = LANDSCAPES[name]
    x, v = RNG.standard_normal((4, n)), RNG.standard_normal((3, 4, n))
    truth = np.array([fwdad.jacfwd(lambda x: np.sum(landscape.terms(x)))(row) for row in x])
    values, g = exact_gradient(landscape, x)
    expect_close(values, [np.sum(landscape.terms(row)) for row in x], 1e-14, "value")
    expect_close(g, truth, 1e-13, "gradient")
    expect_close(derivatives(landscape, x, v)[1], np.einsum("rn,krn->rk", truth, v), 1e-12, "d")


def test_values_and_minima():
    """By the formulas of the paper, and where the minima are known to be."""
    x = np.array([[0.5, -1.0, 2.0]])
    values = {name: np.sum(landscape.terms(x)) for name, landscape in LANDSCAPES.items()}
    assert values["sphere"] == 0.25 + 1 + 4
    assert values["rosenbrock"] == 100 * (-1 - 0.25) ** 2 + 0.25 + 100 * (2 - 1) ** 2 + 4
    assert values["styblinski-tang"] == ((0.0625 - 4 + 2.5) + (1 - 16 - 5) + (16 - 64 + 10)) / 2
    for name, at in (("sphere", 0.0), ("rosenbrock", 1.0), ("styblinski-tang", -2.903534027771177)):
        landscape = LANDSCAPES[name]
        value, g = exact_gradient(landscape, np.full((1, 5), at))
        assert value[0] == pytest.approx(5 * landscape.minimum, abs=1e-12)
        expect_close(g, np.zeros((1, 5)), 1e-12, "gradient at the minimum")
    assert LANDSCAPES["rosenbrock"].begin(3).tolist() == [-1, 0, 0]


def test_a_row_does_not_depend_on_the_others():
    landscape = LANDSCAPES["rosenbrock"]
    rates = {"mean": 1e-4, "projection": 1e-3}
    together = by_estimates(landscape, 8, rates, 3, Draws([0, 1, 2], 4, 8), 200, lambda part: None)
    alone = by_estimates(landscape, 8, {"projection": 1e-3}, 1, Draws([1], 4, 8), 200, lambda part: None)
    for a, b in zip(together, alone, strict=True):
        assert a[4] == b[0]
    assert len(set(together.best.tolist())) == 6


def test_draws_are_a_function_of_seed_and_step():
    many, one = Draws([4, 7], 3, 1000), Draws([7], 3, 1000)
    for step in (0, 1, 50, 200, 3):
        assert np.array_equal(many(step)[:, 1], one(step)[:, 0])
    assert not np.any(one(0).copy() == one(1))
    values = np.concatenate([one(step).ravel() for step in range(20)])
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / values.size)


def test_descents_stop_by_themselves():
    """One diverges, one stands still, one goes on."""
    x = np.ones((3, 1))

    def gradient(x, rows, step):
        return np.sum(x * x, axis=-1), 2 * x

    result = descend(
        x, np.array([1e200, 1.0, 0.25]), gradient, lambda x: np.sum(x * x, axis=-1), 100, lambda part: None
    )
    assert result.best.tolist() == [1, 1, 0.25**100]
    assert not np.isfinite(result.last[0])
    assert result.last[1:].tolist() == [1, 0.25**100]
    assert result.steps.tolist() == [1, 50, 100]


def test_the_paper_s_table_is_complete():
    cells = ClosedForm().cells(Settings())
    assert len(cells) == 3 * 11 * 5
    for cell in cells:
        k, rates = cell.parameters["k"], cell.parameters["rates"]
        assert list(rates) == {None: ["gradient"], 1: ["mean"]}.get(k, ["mean", "projection"])


def test_rows_and_summary():
    experiment = ClosedForm()
    cells = [
        c for c in experiment.cells(Settings(quick=True)) if c.parameters["n"] == 4 and c.parameters["k"] in (None, 4)
    ]
    table = experiment.table([row for c in cells for row in experiment.run(c.parameters, lambda part: None)])
    assert {(row["function"], row["method"], row["seed"]) for row in table} == {
        (function, method, seed)
        for function in LANDSCAPES
        for method, seed in [("gradient", None), *((m, s) for m in ("mean", "projection") for s in (0, 1))]
    }
    for row in table:
        assert row["best"] <= row["last"]
        assert row["best"] >= LANDSCAPES[row["function"]].minimum * 4 - 1e-9
    sphere = [row["best"] for row in table if row["function"] == "sphere"]
    assert max(sphere) < 1e-20
    summaries = experiment.summary(table)
    assert [summary.columns for summary in summaries] == [["n", "gradient", "mean 4", "projection 4"]] * 3
