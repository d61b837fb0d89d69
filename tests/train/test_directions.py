"""Which directions a run takes, and what it says when they cannot be."""

import numpy as np
import pytest

from fwdad.train import ConfigError, TrainConfig, Trainer

SMALL = {"data": "digits", "hidden": (16, 16), "epochs": 1, "batch_size": 250, "schedule": "constant"}


@pytest.mark.parametrize(
    ("given", "directions"),
    [
        ({}, "units"),
        ({"tangents": 16}, "random"),
        ({"perturb": "weight"}, "random"),
        ({"combiner": "mean"}, "random"),
        ({"model": "convnet"}, "units"),
        ({"directions": "random"}, "random"),
        ({"hidden": (300, 300, 300)}, "classes"),
    ],
)
def test_auto_chooses_by_cost(tmp_path, given, directions):
    settings = SMALL | given
    if "model" in given:
        del settings["hidden"]
    assert Trainer.new(TrainConfig(**settings), tmp_path / "run").config.directions == directions


def test_units_train_further_than_random_directions(tmp_path):
    end = {}
    for directions in ("units", "random"):
        trainer = Trainer.new(TrainConfig(**SMALL | {"directions": directions, "epochs": 8}), tmp_path / directions)
        trainer.run()
        end[directions] = trainer.progress.rows[-1].train_loss
    assert end["units"] < end["random"]


@pytest.mark.parametrize("directions", [{"directions": "units"}, {"directions": "classes", "hidden": (16, 16, 16)}])
def test_a_run_on_rows_counts_all_examples_and_resumes_bit_for_bit(tmp_path, directions):
    config = TrainConfig(**SMALL | directions | {"rows": 0.25, "epochs": 20})
    whole = Trainer.new(config, tmp_path / "whole")
    whole.run()
    assert 0.5 < whole.progress.rows[-1].train_accuracy <= 1
    stopped = Trainer.new(config, tmp_path / "stopped")
    stopped.stop()
    assert stopped.run() is None
    resumed = Trainer.resume(tmp_path / "stopped")
    resumed.run()
    np.testing.assert_array_equal(resumed.model.layers[0].weight, whole.model.layers[0].weight)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"directions": "units", "tangents": 3}, "tangents is a setting of random directions"),
        ({"directions": "units", "perturb": "weight"}, "perturb is a setting of random directions"),
        ({"rows": 0.0}, "rows must be above 0"),
        ({"rows": 1.5}, "rows must be from 0 to 1"),
        ({"directions": "all"}, "directions must be one of auto, units, classes, random"),
    ],
)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**given)
