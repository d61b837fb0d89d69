"""The best model of a run, when training ends early, and what else a run's settings change."""

import dataclasses
import itertools
import json
import math
import shutil

import numpy as np
import pytest

from fwdad import functions, nn, optim, tree
from fwdad.train import CheckpointError, ConfigError, TrainConfig, Trainer, evaluate, load_model

# Far too large a rate: the loss soon rises again.
OVERSHOOTING = TrainConfig(
    hidden=(8,), tangents=2, epochs=12, batch_size=256, learning_rate=0.5, schedule="constant", seed=1
)


def losses(folder):
    return [row.validation_loss for row in Trainer.resume(folder).progress.rows]


@pytest.fixture(scope="module")
def overshot(tmp_path_factory):
    """The folder of a run whose best epoch is not its last; not to be changed."""
    folder = tmp_path_factory.mktemp("overshot") / "run"
    Trainer.new(OVERSHOOTING, folder).run()
    return folder


def test_the_best_model_is_that_of_the_lowest_validation_loss(overshot):
    result, trainer = json.loads((overshot / "result.json").read_text()), Trainer.resume(overshot)
    row = trainer.progress.best
    assert row.epoch == 1 + int(np.argmin([row.validation_loss for row in trainer.progress.rows])) < 12
    best = load_model(overshot, "best")
    assert evaluate(best, trainer.data.validation) == (row.validation_loss, row.validation_accuracy)
    loss, accuracy = evaluate(best, trainer.data.test)
    assert result["best"] == {
        "epoch": row.epoch, "validation_loss": row.validation_loss, "test_accuracy": accuracy, "test_loss": loss,
    }  # fmt: skip
    final = load_model(overshot)
    assert evaluate(final, trainer.data.test) == (result["test_loss"], result["test_accuracy"])
    with pytest.raises(ValueError, match="weights must be final or best; got 'first'"):
        load_model(overshot, "first")


def test_a_missing_or_damaged_best_model_is_named(overshot, tmp_path):
    folder = shutil.copytree(overshot, tmp_path / "run")
    content = (folder / "best.safetensors").read_bytes()
    for broken in (content[:-1], None):
        (folder / "best.safetensors").unlink()
        if broken:
            (folder / "best.safetensors").write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"best\.safetensors"):
            load_model(folder, "best")


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_ends_the_run_and_changes_nothing_else(overshot, tmp_path, patience):
    found = losses(overshot)
    expected = next(n for n in range(1, 13) if n - 1 - int(np.argmin(found[:n])) >= patience)
    assert expected < 12
    folder = tmp_path / "run"
    result = Trainer.new(dataclasses.replace(OVERSHOOTING, patience=patience), folder).run()
    assert result["epochs"] == expected
    assert losses(folder) == found[:expected]
    assert Trainer.resume(folder).finished
    more_patient = Trainer.resume(folder, {"patience": 12})
    assert not more_patient.finished
    more_patient.run()
    for name in ("metrics.csv", "best.safetensors"):
        if name == "metrics.csv":
            assert (folder / name).read_bytes() == (overshot / name).read_bytes()
        else:
            mine, whole = (tree.leaves(load_model(f, "best")) for f in (folder, overshot))
            assert all(np.array_equal(a, b) for a, b in zip(mine, whole, strict=True))


def test_a_plateau_lowers_the_rate_and_resumes_bit_for_bit(tmp_path, outcome, stop_at):
    config = dataclasses.replace(OVERSHOOTING, schedule="plateau", epochs=14)
    Trainer.new(config, tmp_path / "whole").run()
    rows = Trainer.resume(tmp_path / "whole").progress.rows
    by_hand = optim.Plateau(0.5, patience=5, factor=0.1)
    for row in rows:
        assert row.learning_rate == by_hand(row.step)
        by_hand.observe(row.validation_loss)
    assert rows[-1].learning_rate < rows[0].learning_rate
    Trainer.new(config, tmp_path / "parts", observers=[stop_at(48)]).run()
    Trainer.resume(tmp_path / "parts").run()
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_the_average_is_what_is_validated_tested_and_loaded(small, whole, tmp_path):
    trainer = Trainer.new(dataclasses.replace(small, average=0.5), tmp_path / "run")
    result = trainer.run()
    assert evaluate(trainer.evaluated, trainer.data.test) == (result["test_loss"], result["test_accuracy"])
    assert evaluate(trainer.model, trainer.data.test)[0] != result["test_loss"]
    loaded = load_model(tmp_path / "run")
    for mine, theirs in zip(tree.leaves(loaded), tree.leaves(trainer.evaluated), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    steps = [tree.leaves(t.model) for t in (trainer, Trainer.resume(whole))]  # the steps themselves do not use it
    assert all(np.array_equal(a, b) for a, b in zip(*steps, strict=True))


def test_clipping_bounds_the_step(small, tmp_path, watch):
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "schedule": "constant", "clip": 0.01}
    Trainer.new(dataclasses.replace(small, **settings), tmp_path / "run", observers=[watch]).run()
    for before, after in itertools.pairwise(watch.models):
        step = tree.map(lambda a, b: np.asarray(a, float) - b, before, after)
        assert np.sqrt(sum(np.sum(s**2) for s in tree.leaves(step))) == pytest.approx(0.01, rel=1e-3)


def test_smoothing_is_of_the_training_loss_alone(small, tmp_path, stop_at):
    trainer = Trainer.new(dataclasses.replace(small, label_smoothing=0.5), tmp_path / "run", observers=[stop_at(1)])
    inputs, targets = (a[trainer.batches.indices(0)] for a in trainer.data.train)
    expected = np.mean(nn.cross_entropy(trainer.model(inputs), targets, 0.5))
    trainer.run()
    assert trainer.batch_loss == pytest.approx(expected, rel=1e-6)
    trainer = Trainer.resume(tmp_path / "run")
    trainer.run()
    assert evaluate(trainer.model, trainer.data.validation)[0] == trainer.progress.rows[-1].validation_loss


@pytest.mark.parametrize("model", ["convnet", "lenet5"])
def test_networks_for_images_train_on_images(tmp_path, model):
    x = np.random.default_rng(0).standard_normal((60, 1, 16, 16)).astype(np.float32)
    y = np.arange(60) % 2
    x[y == 1, :, :8] += 1
    np.savez(tmp_path / "images.npz", x=x, y=y)
    config = TrainConfig(data=str(tmp_path / "images.npz"), model=model, tangents=8, epochs=6, batch_size=16)
    trainer = Trainer.new(config, tmp_path / "run")
    before = evaluate(trainer.model, trainer.data.validation)[0]
    result = trainer.run()
    assert result["best"]["validation_loss"] < 0.9 * before
    assert trainer.data.name == "images"


class Restless(nn.Module):
    """A network with all that changes from step to step: running statistics, and units dropped at random."""

    first: nn.Linear
    norm: nn.BatchNorm
    drop: nn.Dropout
    last: nn.Linear

    def __init__(self, shape, classes, *, seed=0, dtype=np.float32):
        self.first = nn.Linear(math.prod(shape), 12, seed=seed, dtype=dtype)
        self.norm, self.drop = nn.BatchNorm(12, dtype=dtype), nn.Dropout(0.3, seed=seed)
        self.last = nn.Linear(12, classes, seed=seed + 1, dtype=dtype)

    def __call__(self, x):
        return self.last(self.drop(functions.relu(self.norm(self.first(x)))))


@pytest.mark.parametrize(
    "settings", [{}, {"average": 0.5}, {"perturb": "weight", "optimizer": "sgd", "weight_decay": 0.01}]
)
def test_buffers_and_dropout_resume_bit_for_bit(small, tmp_path, outcome, stop_at, monkeypatch, settings):
    monkeypatch.setitem(nn.MODELS, "convnet", nn.ModelRow(Restless))
    config = dataclasses.replace(small, model="convnet", hidden=TrainConfig.hidden, **settings)
    trainer = Trainer.new(config, tmp_path / "whole")
    trainer.run()
    assert int(trainer.model.norm.num_batches_tracked.value) == 15
    assert np.abs(trainer.model.norm.running_mean.value).max() > 0.01
    Trainer.new(config, tmp_path / "parts", observers=[stop_at(3)]).run()
    Trainer.resume(tmp_path / "parts", observers=[stop_at(9)]).run()
    Trainer.resume(tmp_path / "parts").run()
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    for weights, model in (("final", trainer.evaluated), ("best", load_model(tmp_path / "parts", "best"))):
        loaded = load_model(tmp_path / "whole", weights)
        assert all(np.array_equal(a, b) for a, b in zip(tree.leaves(loaded), tree.leaves(model), strict=True))


def test_a_model_and_an_augmentation_that_the_data_has_no_use_for(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((40, 5)), np.arange(40) % 2
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    data = str(tmp_path / "rows.npz")
    with pytest.raises(ConfigError, match=r"^model lenet5 is for images; the inputs are \(5,\); use mlp"):
        Trainer.new(TrainConfig(data=data, model="lenet5"), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"^augment cannot be flip: .* these examples are \(5,\)"):
        Trainer.new(TrainConfig(data=data, augment="flip"), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"^model lenet5 cannot take inputs of shape \(1, 8, 8\)"):
        Trainer.new(TrainConfig(model="lenet5"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_regression(tmp_path, outcome, stop_at):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6))
    np.savez(tmp_path / "values.npz", x=x, y=np.stack([x @ rng.standard_normal(6), np.sin(x[:, 0])], 1))
    config = TrainConfig(
        data=str(tmp_path / "values.npz"), task="regression", hidden=(16,), epochs=30, batch_size=32, seed=2
    )
    result = Trainer.new(config, tmp_path / "whole").run()
    assert result["test_loss"] < 0.3  # 1 is the loss of predicting the mean
    assert (result["test_accuracy"], result["best_validation_accuracy"]) == (None, None)
    header, first, *_ = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    assert [cell == "" for cell in first.split(",")] == ["accuracy" in name for name in header.split(",")]
    Trainer.new(config, tmp_path / "parts", observers=[stop_at(17)]).run()
    Trainer.resume(tmp_path / "parts").run()
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
