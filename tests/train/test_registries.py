"""What a user adds to a registry can be chosen by name, everywhere."""

import dataclasses

import numpy as np
import pytest

from fwdad import estimators, nn, optim
from fwdad.cli import main
from fwdad.train import ConfigError, TrainConfig, Trainer


class Halves(nn.MLP):
    """A model of one's own with a setting of its own."""

    def __init__(self, shape, classes, *, seed=0, activation="tanh"):
        super().__init__((int(np.prod(shape)), 4, classes), activation=activation, seed=seed)


@pytest.fixture
def mine(monkeypatch):
    row = optim.OptimizerRow(optim.sgd, {"momentum": 0.5}, lambda perturb, combiner: 0.02)
    monkeypatch.setitem(nn.MODELS, "mine", nn.ModelRow(Halves, ("activation",), tables=True))
    monkeypatch.setitem(
        optim.OPTIMIZERS, "mine", row._replace(settings={"momentum": 0.5}, learning_rate=lambda *_: 0.02)
    )
    monkeypatch.setitem(optim.SCHEDULES, "mine", optim.ScheduleRow(lambda rate, steps, warmup: lambda step: rate / 2))
    monkeypatch.setitem(estimators.SAMPLERS, "mine", estimators.Rademacher)
    monkeypatch.setitem(estimators.COMBINERS, "mine", estimators.Mean)
    return dict.fromkeys(("model", "optimizer", "schedule", "sampler", "combiner"), "mine")


def test_a_run_with_everything_of_ones_own(mine, tmp_path):
    config = TrainConfig(**mine, activation="sigmoid", epochs=1, batch_size=600)
    assert (config.resolved().learning_rate, config.resolved().momentum) == (0.02, 0.5)
    trainer = Trainer.new(config, tmp_path / "run")
    trainer.run()
    assert isinstance(trainer.model, Halves)
    assert trainer.model.layers[0].activation == "sigmoid"
    assert isinstance(trainer.estimator.combiner, estimators.Mean)
    assert trainer.progress.rows[0].learning_rate == 0.01
    assert np.any(trainer.learner.state["momentum"].layers[0].weight)  # made with momentum 0.5
    assert Trainer.resume(tmp_path / "run").finished
    with pytest.raises(ConfigError, match="cannot change on resume: the mine schedule"):
        Trainer.resume(tmp_path / "run", {"epochs": 2})


def test_settings_that_its_row_does_not_take_are_refused(mine):
    with pytest.raises(
        ConfigError, match=r"^hidden is a setting of mlp and ff-mlp and ff-snn, not of mine; leave it out"
    ):
        TrainConfig(model="mine", hidden=(3,))
    with pytest.raises(ConfigError, match=r"^weight_decay is a setting of adamw and sgd, not of mine"):
        TrainConfig(optimizer="mine", weight_decay=0.1)


def test_without_a_known_learning_rate_one_is_asked_for(mine):
    config = TrainConfig(optimizer="sgd", combiner="mine")
    with pytest.raises(ConfigError, match=r"^learning_rate has no default for sgd with .* combiner mine"):
        config.resolved()
    assert dataclasses.replace(config, learning_rate=0.5).resolved().learning_rate == 0.5


def test_the_command_line_shows_it(mine, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = "".join(capsys.readouterr().out.split())
    assert text.count("|mine]") == 5
    assert "[model:mlp,mine]" in text
    assert "[optimizer:rmsprop,sgd,mine]" in text


def test_scikit_learn_takes_it(mine):
    sklearn = pytest.importorskip("fwdad.sklearn", reason="scikit-learn is not installed")
    X = np.random.default_rng(0).standard_normal((60, 3))
    settings = {"optimizer": "mine", "combiner": "mine", "sampler": "mine", "epochs": 2}
    assert len(sklearn.ForwardGradientClassifier(**settings).fit(X, X[:, 0] > 0).loss_curve_) == 2
