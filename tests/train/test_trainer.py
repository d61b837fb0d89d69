import dataclasses
import json
import math
import re
import shutil

import numpy as np
import pytest

from fwdad import data, kernels, nn, optim, tree
from fwdad.files import LOCK
from fwdad.train import (
    CheckpointError,
    ConfigError,
    RunError,
    TrainConfig,
    Trainer,
    TrainingDiverged,
    evaluate,
)
from fwdad.train import trainer as module

FILES = ["best.safetensors", "checkpoint.safetensors", "config.json", "metrics.csv", "result.json"]


def chosen(config):
    return dataclasses.replace(config, directions="random").resolved()


# ---- one run


def test_the_files_of_a_run(whole, small):
    assert sorted(path.name for path in whole.iterdir() if path.name != LOCK) == FILES
    assert TrainConfig.from_json(json.loads((whole / "config.json").read_text())) == chosen(small)
    header, *rows = (whole / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows] == [["1", "5"], ["2", "10"], ["3", "15"]]
    assert "second" not in header


def test_the_result_is_that_of_the_saved_model(whole):
    result = json.loads((whole / "result.json").read_text())
    trainer = Trainer.resume(whole)
    assert evaluate(trainer.model, trainer.data.test) == (result["test_loss"], result["test_accuracy"])
    assert (result["steps"], result["epochs"]) == (15, 3)
    assert result["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert result["best_validation_accuracy"] == max(row.validation_accuracy for row in trainer.progress.rows)
    assert 0 < result["seconds_per_step"] * 15 <= result["seconds"]
    assert result["threads"] >= 1
    assert result["isa"] == kernels.info()["isa"]
    assert set(result["versions"]) == {"fwdad", "numpy", "python"}


def test_metrics_are_means_over_the_epoch(small, tmp_path, watch):
    """The first epoch, done by hand: every batch measured before its own step."""
    trainer = Trainer.new(dataclasses.replace(small, epochs=1), tmp_path / "run", observers=[watch])
    trainer.run()
    models = watch.models
    images, labels = trainer.data.train
    losses, hits = [], []
    for step, model in enumerate(models[:-1]):
        rows = trainer.batches.indices(step)
        losses.append(nn.cross_entropy(model(images[rows]), labels[rows]))
        hits.append(model(images[rows]).argmax(-1) == labels[rows])
    (row,) = trainer.progress.rows
    assert row.train_loss == pytest.approx(np.mean(np.concatenate(losses)), rel=1e-6)
    assert row.train_accuracy == np.mean(np.concatenate(hits))
    assert (row.validation_loss, row.validation_accuracy) == evaluate(models[-1], trainer.data.validation)
    assert row.learning_rate == trainer.schedule(4)


@pytest.mark.parametrize("perturb", ["weight", "activity"])
@pytest.mark.parametrize("optimizer", optim.OPTIMIZERS)
def test_every_method_learns(tmp_path, perturb, optimizer):
    config = TrainConfig(hidden=(8,), epochs=2, tangents=8, perturb=perturb, optimizer=optimizer, schedule="constant")
    trainer = Trainer.new(config, tmp_path / "run")
    before, _ = evaluate(trainer.model, trainer.data.validation)
    trainer.run()
    assert trainer.progress.rows[-1].validation_loss < 0.97 * before


def test_nothing_is_printed(small, tmp_path, capfd):
    Trainer.new(small, tmp_path / "run").run()
    assert capfd.readouterr() == ("", "")


def test_the_seed_changes_the_run_and_nothing_else_does(small, whole, tmp_path, outcome):
    Trainer.new(small, tmp_path / "same").run()
    assert outcome(tmp_path / "same") == outcome(whole)
    Trainer.new(dataclasses.replace(small, seed=6), tmp_path / "other").run()
    assert outcome(tmp_path / "other")[0] != outcome(whole)[0]


@pytest.mark.parametrize("perturb", ["weight", "activity"])
def test_one_thread_and_two_give_the_same_metrics(tmp_path, outcome, perturb):
    config = TrainConfig(hidden=(70, 33), tangents=5, epochs=1, batch_size=100, perturb=perturb)
    outcomes = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        result = Trainer.new(dataclasses.replace(config, threads=threads), folder).run()
        assert result["threads"] == (threads if kernels.info()["isa"] else 1)
        outcomes.append(outcome(folder))
    assert outcomes[0] == outcomes[1]


def test_the_target_accuracy_ends_the_run_after_its_epoch(small, whole, tmp_path):
    accuracies = [row.validation_accuracy for row in Trainer.resume(whole).progress.rows]
    target = accuracies[1]
    first = next(epoch for epoch, accuracy in enumerate(accuracies, 1) if accuracy >= target)
    trainer = Trainer.new(dataclasses.replace(small, target_accuracy=target), tmp_path / "run")
    assert trainer.run()["epochs"] == first < 3
    assert Trainer.resume(tmp_path / "run").finished
    # With the target out of reach the same run goes on, as if it had never stopped.
    resumed = Trainer.resume(tmp_path / "run", {"target_accuracy": 1.0})
    assert not resumed.finished
    resumed.run()
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


# ---- stop and resume


@pytest.mark.parametrize("step", range(1, 15))
def test_stopped_after_any_step_it_resumes_bit_for_bit(small, whole, tmp_path, outcome, stop_at, step):
    folder = tmp_path / "run"
    assert Trainer.new(small, folder, observers=[stop_at(step)]).run() is None
    assert not (folder / "result.json").exists()
    resumed = Trainer.resume(folder)
    assert (resumed.progress.step, resumed.finished) == (step, False)
    assert resumed.run() is not None
    assert outcome(folder) == outcome(whole)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "schedule": "step", "warmup": 4},
        {"optimizer": "adamw", "weight_decay": 0.1, "sampler": "rademacher", "combiner": "mean"},
        {"perturb": "weight", "combiner": "projection", "activation": "tanh"},
        {"augment": "crop-flip", "label_smoothing": 0.1, "clip": 0.5},
        {"optimizer": "rmsprop", "momentum": 0.5, "average": 0.9, "schedule": "exponential"},
        {"model": "convnet", "hidden": TrainConfig.hidden},
    ],
)
def test_other_methods_resume_bit_for_bit_too(small, tmp_path, outcome, stop_at, settings):
    config = dataclasses.replace(small, **settings)
    Trainer.new(config, tmp_path / "whole").run()
    Trainer.new(config, tmp_path / "parts", observers=[stop_at(3)]).run()
    Trainer.resume(tmp_path / "parts", observers=[stop_at(9)]).run()
    Trainer.resume(tmp_path / "parts").run()
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_a_stop_at_the_last_step_just_ends_the_run(small, tmp_path, stop_at):
    assert Trainer.new(small, tmp_path / "run", observers=[stop_at(15)]).run() is not None


def test_seconds_add_up_over_resumes(small, tmp_path, stop_at):
    Trainer.new(small, tmp_path / "run", observers=[stop_at(7)]).run()
    before = Trainer.resume(tmp_path / "run").progress
    result = Trainer.resume(tmp_path / "run").run()
    assert result["seconds"] > before.seconds > 0
    assert result["seconds_per_step"] * 15 > before.step_seconds > 0


def test_a_finished_run_says_so(whole):
    assert Trainer.resume(whole).finished


def test_a_run_without_its_result_gets_it(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "result.json").unlink()
    (folder / "metrics.csv").unlink()
    resumed = Trainer.resume(folder)
    assert not resumed.finished
    result, expected = resumed.run(), json.loads((whole / "result.json").read_text())
    assert all(result[name] == expected[name] for name in ("test_accuracy", "test_loss", "steps"))
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_more_epochs_at_a_constant_rate_are_the_longer_run(small, tmp_path, outcome):
    longer = dataclasses.replace(small, schedule="constant")
    Trainer.new(longer, tmp_path / "longer").run()
    Trainer.new(dataclasses.replace(longer, epochs=1), tmp_path / "extended").run()
    resumed = Trainer.resume(tmp_path / "extended", {"epochs": 3})
    assert not resumed.finished
    assert resumed.run()["epochs"] == 3
    assert outcome(tmp_path / "extended") == outcome(tmp_path / "longer")
    with pytest.raises(ConfigError, match=r"^epochs cannot be 2: the run has already gone further"):
        Trainer.resume(tmp_path / "extended", {"epochs": 2})


def test_checkpoints_within_an_epoch_follow_the_clock(small, tmp_path, monkeypatch):
    saves = []
    save = Trainer._save
    monkeypatch.setattr(Trainer, "_save", lambda self: (saves.append(self.progress.step), save(self)))
    Trainer.new(small, tmp_path / "rare").run()
    assert saves == [0, 5, 10, 15]
    saves.clear()
    Trainer.new(small, tmp_path / "often", checkpoint_seconds=0).run()
    assert saves == list(range(16))


# ---- what cannot be


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": (17,)}, r"^hidden is \(16,\) in the run to resume, not \(17,\)"),
        ({"seed": 0}, "^seed is 5 in the run to resume, not 0"),
        ({"learning_rate": 0.5}, "^learning_rate is 0.005 in the run to resume, not 0.5"),
        ({"epochs": 4}, "^epochs cannot change on resume: the cosine schedule was laid out for 3"),
        ({"threads": 0}, "^threads must be from 1 to 1024"),
    ],
)
def test_a_resume_with_other_settings_is_refused(whole, changes, says):
    before = contents(whole)
    with pytest.raises(ConfigError, match=says):
        Trainer.resume(whole, changes)
    assert contents(whole) == before


def test_a_resume_with_the_runs_own_settings_is_not(whole, small):
    assert Trainer.resume(whole, dataclasses.asdict(small.resolved())).finished  # with directions="auto"


def test_a_resume_on_other_data_is_refused(whole, monkeypatch):
    load = data.load

    def altered(*arguments):
        dataset = load(*arguments)
        dataset.train.targets[3] = (dataset.train.targets[3] + 1) % 10
        return dataset

    monkeypatch.setattr(data, "load", altered)
    with pytest.raises(RunError, match="other digits data"):
        Trainer.resume(whole)


@pytest.mark.parametrize("resume", [False, True])
def test_an_unusable_folder_is_named(small, tmp_path, resume):
    (tmp_path / "file").write_text("precious")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=re.escape(str(folder))):
            Trainer.resume(folder) if resume else Trainer.new(small, folder)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(small, tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(RunError, match="not empty: choose another --out"):
        Trainer.new(small, tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"precious"}
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Trainer.resume(tmp_path)


def test_without_out_every_run_has_its_own_folder(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(Trainer.new(small).folder) for _ in range(3)]
    assert names == ["runs/digits", "runs/digits-2", "runs/digits-3"]


def test_an_error_before_the_run_leaves_no_folder(tmp_path):
    with pytest.raises(data.DataError):
        Trainer.new(TrainConfig(data="mnist", data_dir=str(tmp_path / "none")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_damaged_config_is_named(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    for content in ('{"hidden": [16', "[]", '{"hidden": "wide"}', '{"widths": 3}'):
        (folder / "config.json").write_text(content)
        with pytest.raises(RunError, match=r"config\.json"):
            Trainer.resume(folder)


def test_the_checkpoint_of_another_run_is_refused(whole, small, tmp_path):
    Trainer.new(dataclasses.replace(small, hidden=(8,), epochs=1), tmp_path / "other").run()
    shutil.copy(whole / "checkpoint.safetensors", tmp_path / "other")
    before = contents(tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"is of another run: its hidden is \(16,\), but \(8,\) in config\.json"):
        Trainer.resume(tmp_path / "other")
    assert contents(tmp_path / "other") == before


# ---- divergence


def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_checkpoint(small, tmp_path):
    config = dataclasses.replace(small, optimizer="sgd", learning_rate=1e30, schedule="constant")
    trainer = Trainer.new(config, tmp_path / "run", checkpoint_seconds=0)
    with pytest.raises(
        TrainingDiverged, match=r"(nan|inf|not finite) at step \d+: .* lower --learning-rate \(it was 1e\+30\)"
    ):
        trainer.run()
    assert not (tmp_path / "run" / "result.json").exists()
    saved = Trainer.resume(tmp_path / "run")
    assert all(np.isfinite(array).all() for array in tree.leaves(saved.model))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_every_kind_of_no_number_is_caught_at_its_step(small, tmp_path, monkeypatch, value):
    losses = module.losses

    def broken(*arguments):
        return losses(*arguments) + np.float32(value if trainer.progress.step == 7 else 0)

    trainer = Trainer.new(small, tmp_path / "run")
    monkeypatch.setattr(module, "losses", broken)
    with pytest.raises(TrainingDiverged, match=r"^loss is .* at step 7"):
        trainer.run()
    assert Trainer.resume(tmp_path / "run").progress.step == 5


def test_a_parameter_that_is_no_number_is_named(small, tmp_path):
    trainer = Trainer.new(small, tmp_path / "run")
    optimizer = trainer.learner.optimizer

    def broken(*arguments):
        updates, state = optimizer.update(*arguments)
        updates.layers[1].bias[2] = np.nan
        return updates, state

    trainer.learner.optimizer = optim.Optimizer(optimizer.init, broken)
    with pytest.raises(TrainingDiverged, match=r"^parameter layers\.1\.bias is not finite at step 0"):
        trainer.run()
