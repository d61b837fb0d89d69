"""Training of networks whose layers have objectives of their own: runs, resumes, and settings that cannot be."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from fwdad.data import Split, load_known
from fwdad.data.events import STEPS, series
from fwdad.train import ConfigError, TrainConfig, Trainer, load_run
from fwdad.train.evaluation import evaluate

MODELS = ["ff-mlp", "ff-snn"]


def config_of(model, **changes):
    settings = {"hidden": (30, 20), "epochs": 2, "batch_size": 128, "learning_rate": 1e-2, "threads": 1}
    return TrainConfig(model=model, **settings | changes)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_learns_and_its_model_is_loaded(model, tmp_path):
    trainer = Trainer.new(config_of(model, epochs=4), tmp_path / "run")
    result = trainer.run()
    assert result["test_accuracy"] > 0.25  # a tenth by chance
    saved = load_run(tmp_path / "run").model
    assert evaluate(saved, trainer.data.test)[1] == result["test_accuracy"]
    assert saved.span.value > 1  # the digits are standardised


def counts(n, seed):
    """Series of 3 classes: events come at another time for each, and at another input."""
    rng, labels = np.random.default_rng(seed), np.arange(n) % 3
    rates = 0.1 + 2 * np.eye(3).repeat(10, 1)[:, np.newaxis] * np.eye(3).repeat(4, 1)[:, :STEPS, np.newaxis]
    return Split(rng.poisson(rates[labels]).astype(np.float32).reshape(n, -1), labels)


@pytest.mark.parametrize("model", ["ff-snn", "mlp"])
def test_a_run_of_series(model, tmp_path):
    dataset = series("counts", (counts(120, 0), counts(30, 1), counts(30, 2)), 3)
    trainer = Trainer.new(config_of(model, epochs=8, batch_size=30), tmp_path / "run", data=dataset)
    assert trainer.run()["test_accuracy"] > 0.9
    saved = load_run(tmp_path / "run")
    assert saved.facts == dataset.facts
    x = dataset.test.inputs
    assert np.array_equal(saved.model(x), trainer.model(x))
    np.savez(tmp_path / "more.npz", x=x.reshape(-1, STEPS, 30), y=dataset.test.targets)
    known = load_known(tmp_path / "more.npz", saved.facts)
    assert np.array_equal(known.inputs, x)
    with pytest.raises(ConfigError, match=r"convnet is for images; the inputs are \(10, 30\); use mlp, ff-mlp, ff-snn"):
        Trainer.new(TrainConfig(model="convnet"), tmp_path / "other", data=dataset)


KILLED = """
import json, os, signal, sys
from fwdad.train import Observer, TrainConfig, Trainer

class Kill(Observer):
    def stepped(self, run):
        if run.progress.step == 13:
            os.kill(os.getpid(), signal.SIGKILL)

Trainer.new(TrainConfig.from_json(json.loads(sys.argv[1])), sys.argv[2], observers=[Kill()], checkpoint_seconds=0).run()
"""


@pytest.mark.parametrize("model", MODELS)
def test_a_killed_run_goes_on_bit_for_bit(model, tmp_path):
    config = config_of(model)
    whole = Trainer.new(config, tmp_path / "whole")
    result = whole.run()
    arguments = [sys.executable, "-c", KILLED, json.dumps(config.to_json()), str(tmp_path / "killed")]
    assert subprocess.run(arguments, timeout=120, check=False).returncode == -signal.SIGKILL
    again = Trainer.resume(tmp_path / "killed")
    assert 0 < again.progress.step < whole.progress.step
    assert again.run()["test_loss"] == result["test_loss"]
    for ours, theirs in zip(again.model.layers, whole.model.layers, strict=True):
        assert np.array_equal(ours.weight, theirs.weight)


BAD = [
    ("beta must be from 0 to 1, got 1.5", {"beta": 1.5}),
    ("theta must be above 0, got 0", {"theta": 0.0}),
    ("theta must be at least 0, got -1", {"theta": -1.0}),
    ("task cannot be regression: ff-snn shows its layers a class", {"task": "regression"}),
    ("tangents is of no use to ff-snn", {"tangents": 4}),
    ("label_smoothing is of no use to ff-snn", {"label_smoothing": 0.1}),
    ("directions is of no use to ff-snn", {"directions": "random"}),
    ("activation is a setting of mlp, not of ff-snn", {"activation": "tanh"}),
]


@pytest.mark.parametrize(("message", "settings"), BAD)
def test_bad_settings(message, settings):
    with pytest.raises(ConfigError, match=message):
        config_of("ff-snn", **settings)


def test_spiking_settings_are_those_of_spiking_networks():
    with pytest.raises(ConfigError, match="beta is a setting of ff-snn, not of mlp"):
        TrainConfig(beta=0.5)
