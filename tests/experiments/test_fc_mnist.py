"""Section 4.4, on the digits in place of MNIST."""

import numpy as np
import pytest

from fwdad import data, optim, tree
from fwdad.data import DataError
from fwdad.experiments import Settings
from fwdad.experiments.fc_mnist import FcMnist, initial
from fwdad.experiments.networks import estimator, loss, train
from fwdad.testing import expect_close
from fwdad.train import Learner


def cells(**settings):
    return {cell.name: cell.parameters for cell in FcMnist().cells(Settings(**settings))}


def test_cells():
    quick, full = cells(quick=True), cells()
    assert len(quick) == 8
    assert len(full) == 3 * 8 * 3
    assert full["fc-1024-projection-k4-seed2"]["learning_rate"] == 0.200223
    assert full["fc-4096-gradient-k0-seed0"]["k"] is None
    assert quick["fc-256-mean-k1-seed0"] | {"epochs": 200} == full["fc-256-mean-k1-seed0"]


def test_initial_values_are_uniform_in_one_over_the_root_of_the_inputs():
    model = initial((400, 300, 10), seed=3)
    for leaf, inputs in zip(tree.leaves(model), (400, 400, 300, 300), strict=True):
        bound = 1 / np.sqrt(inputs)
        assert np.max(np.abs(leaf)) <= bound
        assert np.std(leaf) == pytest.approx(bound / np.sqrt(3), rel=0.2)
        assert leaf.dtype == np.float32


def test_a_cell_learns_and_is_a_function_of_its_parameters():
    parameters = cells(quick=True, data="digits")["fc-256-gradient-k0-seed0"]
    small = parameters | {"network": "fc-16", "epochs": 3, "learning_rate": 0.3}
    rows, again = (FcMnist().run(small, lambda part: None) for _ in range(2))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["steps"] == 3 * 19
    assert rows[-1]["test_accuracy"] > 0.5
    for row in (*rows, *again):
        del row["seconds_per_step"]
    assert rows == again


@pytest.mark.parametrize(("perturb", "noise"), [("activity", "batch"), ("activity", "example"), ("weight", "batch")])
def test_with_as_many_directions_as_dimensions_all_methods_are_one(perturb, noise):
    dataset = data.load("digits")
    model = initial((64, 3, 10), seed=0)
    batch = dataset.train.inputs[:5], dataset.train.targets[:5]
    about = {"seed": 0, "perturb": perturb, "noise": noise}
    _, exact = estimator(about | {"method": "gradient", "k": None})(loss, model, *batch)
    _, estimate = estimator(about | {"method": "projection", "k": 300})(loss, model, *batch)
    for g, truth in zip(tree.leaves(estimate), tree.leaves(exact), strict=True):
        expect_close(g, truth, 1e-3, "gradient")


def test_runs_end_early():
    dataset = data.load("digits")

    def end(rate):
        learner = Learner(initial((64, 4, 10), 0), loss, estimator({"method": "gradient"}), optim.sgd(rate))
        return train(learner, dataset, data.Batches(len(dataset.train.targets), 64, seed=0), 20, lambda part: None)

    diverged = end(1e6)
    assert len(diverged) == 1
    assert diverged[0]["steps"] < 19
    standing = end(0.0)
    assert len(standing) == 1 + 10  # the first is the best, and ten are no better


def test_missing_data_is_named():
    with pytest.raises(DataError, match="nowhere"):
        FcMnist().run(cells(quick=True, data_dir="/nowhere")["fc-256-mean-k1-seed0"], lambda part: None)


def test_summary_and_figure():
    experiment = FcMnist()
    rows = []
    for method, k in (("gradient", None), ("mean", 2), ("projection", 2)):
        for seed in (0, 1):
            about = {"network": "fc-256", "method": method, "k": k, "seed": seed, "learning_rate": 0.1}
            losses = [2.0, 1.0 + seed, np.nan]
            rows += [
                about
                | {"epoch": i + 1, "steps": 5, "train_loss": 1.0, "validation_loss": value, "validation_accuracy": 0.5}
                | {"test_loss": 1.0, "test_accuracy": 0.1 * i + 0.2 * seed, "seconds_per_step": 0.001}
                for i, value in enumerate(losses)
            ]
    (summary,) = experiment.summary(experiment.table(rows))
    assert [line[0] for line in summary.lines] == [
        "fc-256  gradient",
        "fc-256  mean  k = 2",
        "fc-256  projection  k = 2",
    ]
    assert summary.lines[0][2] == "0.1500  (0.1000 to 0.2000)"  # epoch 2 of seed 0, epoch 1 of seed 1
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib draws the figures").Figure()
    experiment.draw(rows, figure)
    assert len(figure.axes) == 2
