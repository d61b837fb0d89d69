# ruff: noqa: E501  a mistake is a row
"""Parts of one's own: given to the trainer as objects, or registered, or added by an installed package."""

import os
import re
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

from fwdad import data, estimators, nn, optim
from fwdad.registry import PluginError, Registry
from fwdad.train import ConfigError, RunError, TrainConfig, Trainer, load_model

MINE = """
import numpy as np

from fwdad import estimators, nn, perturbation


class Scale(nn.Module):
    weight: np.ndarray

    def __init__(self, n):
        self.weight = np.ones(n, np.float32)

    def __call__(self, x):
        here = perturbation.site(self, x, x.shape, self.weight.dtype)
        b, z = here.moved(None), x * self.weight
        return here.settled(z if b is None else z + b)

    def local_gradient(self, x, g):
        gradient = object.__new__(Scale)
        gradient.weight = np.sum(g * x, axis=0)
        return gradient


class Net(nn.Sequential):
    def __init__(self, shape, classes, *, seed=0):
        self.layers = [Scale(shape[-1]), nn.Linear(shape[-1], classes, seed=seed)]


class Signs(estimators.Random):
    def draw(self, parameter, shape, dtype, step):
        random = np.random.default_rng((self.seed, step, parameter))
        return random.choice([-1.0, 1.0], (self.k, *shape)).astype(dtype)


class Half(estimators.Combiner):
    def coefficients(self, d, directions):
        return d / 2
"""
RUN = """
import os, signal, sys
import numpy as np
import mine
from fwdad import optim
from fwdad.train import Observer, TrainConfig, Trainer

class Kill(Observer):
    def stepped(self, run):
        if run.progress.step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

x = np.random.default_rng(0).standard_normal((200, 3))
parts = dict(
    data=(x, (x[:, 0] > x[:, 1]).astype(int)), model=mine.Net((3,), 2), sampler=mine.Signs(4), combiner=mine.Half(),
    optimizer=optim.averaged(optim.sgd(0.1, momentum=0.5)), observers=[Kill()], checkpoint_seconds=0,
)
if sys.argv[3:]:
    trainer = Trainer.resume(sys.argv[1], **parts)
else:
    trainer = Trainer.new(TrainConfig(epochs=4, batch_size=20), sys.argv[1], **parts)
print(trainer.run()["best"]["test_accuracy"])
"""
POINTS = """
[fwdad.models]
net = mine:Net
[fwdad.samplers]
signs = mine:Signs
[fwdad.combiners]
half = mine:Half
[fwdad.schedules]
gone = mine:nothing
"""


@pytest.fixture
def package(tmp_path):
    """The environment of a process in which the package `mine` is installed."""
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    about = tmp_path / "mine-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "COLUMNS": "200"}


def python(package, *arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, env=package)


def test_a_killed_run_with_everything_of_ones_own_resumes_bit_for_bit(package, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    whole = python(package, script, tmp_path / "whole", "0")
    assert float(whole.stdout) > 0.8, whole.stderr
    assert python(package, script, tmp_path / "run", "13").returncode == -signal.SIGKILL
    again = python(package, script, tmp_path / "run", "0", "resume")
    assert again.stdout == whole.stdout, again.stderr
    for name in ("metrics.csv", "best.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    alone = python(package, "-m", "fwdad.cli", "train", "--resume", "--out", tmp_path / "run")
    assert "is an object of <" in alone.stderr
    assert "Trainer.resume(..., data=...)" in alone.stderr
    evaluated = python(package, "-m", "fwdad.cli", "eval", tmp_path / "run")
    assert re.search(r"the model of .* is an object of <mine.Net>", evaluated.stderr)


def test_the_parts_of_an_installed_package_are_names(package, tmp_path):
    shown = "".join(python(package, "-m", "fwdad.cli", "train", "--help").stdout.split())
    assert all(f"|{name}]" in shown for name in ("net", "signs", "half", "gone")), shown
    options = ["--model", "net", "--sampler", "signs", "--combiner", "half", "--epochs", "2", "--batch-size", "400"]
    run = python(package, "-m", "fwdad.cli", "train", *options, "--out", tmp_path / "run")
    assert "directions: 16 signs, combined by half" in run.stdout, run.stderr
    fit = "import fwdad.sklearn as s; s.ForwardGradientClassifier(sampler='signs', epochs=1).fit([[0.], [1]], [0, 1])"
    assert python(package, "-c", fit).returncode == 0
    gone = python(package, "-m", "fwdad.cli", "train", "--schedule", "gone").stderr
    assert gone.startswith("fwdad: error: mine adds 'gone' to fwdad.schedules, but mine:nothing cannot be imported")


# ---- registries


def test_a_registry_takes_new_names_alone():
    registry = Registry("fwdad.nothing", {"a": 1}, as_row=float)
    registry.register("b", 2)
    assert dict(registry) == {"a": 1, "b": 2.0}
    registry["a"] = 3
    assert (registry["a"], len(registry), "c" in registry) == (3.0, 2, False)
    with pytest.raises(ValueError, match=r"^fwdad\.nothing has 'b' already; choose another name"):
        registry.register("b", 4)


def test_register_decorates_and_makes_rows(monkeypatch):
    for registry in (nn.MODELS, optim.OPTIMIZERS, optim.SCHEDULES):
        monkeypatch.setattr(registry, "_rows", dict(registry._rows))
    nn.MODELS.register("bare")(lambda shape, classes, *, seed: nn.MLP((shape[0], classes), seed=seed))
    optim.OPTIMIZERS.register("bare", optim.sgd)
    optim.SCHEDULES.register("bare", lambda rate, steps, warmup: lambda step: rate)
    names = {"model": "bare", "optimizer": "bare", "schedule": "bare"}
    with pytest.raises(ConfigError, match="learning_rate has no default for bare"):
        TrainConfig(**names).resolved()
    assert nn.MODELS["bare"].tables
    assert TrainConfig(**names, learning_rate=0.1).resolved().schedule == "bare"


def test_a_package_that_cannot_be_imported_is_named(monkeypatch):
    point = types.SimpleNamespace(value="x:y", dist=None, load=lambda: 1 / 0)
    registry = Registry("fwdad.nothing", {})
    monkeypatch.setitem(vars(registry), "_points", {"broken": point})
    with pytest.raises(PluginError, match=r"an unknown package adds 'broken' .* \(ZeroDivisionError: .*; mend or unin"):
        registry["broken"]


# ---- objects

X = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
DATA = data.from_arrays(X, np.arange(100) % 2)


def net():
    return nn.MLP((3, 4, 2))


def test_a_sampler_keeps_its_state(tmp_path, stop_at):
    """The previous estimate is a direction; a run without it would go on otherwise."""

    def parts():
        sampler = estimators.Mixed(estimators.Previous(), estimators.Normal(2))
        return {"data": DATA, "model": net(), "sampler": sampler}

    config = TrainConfig(epochs=3, batch_size=20, perturb="weight")
    Trainer.new(config, tmp_path / "whole", **parts()).run()
    assert Trainer.new(config, tmp_path / "run", observers=[stop_at(5)], **parts()).run() is None
    Trainer.resume(tmp_path / "run", **parts()).run()
    assert (tmp_path / "run/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    model = load_model(tmp_path / "run", model=net())
    assert model(X).shape == (100, 2)


@pytest.mark.parametrize(
    ("error", "words", "settings", "parts"),
    [
        (ConfigError, r"^sampler is normal, and an object of <.*Normal> was given", {"sampler": "normal"}, {"sampler": estimators.Normal(2)}),
        (ConfigError, r"^tangents is a setting of named samplers", {"tangents": 3}, {"sampler": estimators.Normal(2)}),
        (ConfigError, r"^learning_rate is a setting of named optimisers", {"learning_rate": 0.1}, {"optimizer": optim.sgd(0.1)}),
        (ConfigError, r"^hidden is a setting of mlp.*, not of <fwdad.nn.sequential.MLP>", {"hidden": (3,)}, {"model": net()}),
        (ConfigError, r"^directions|^sampler is a setting of random directions", {"directions": "units"}, {"sampler": estimators.Normal(2)}),
        (ConfigError, r"^model gives outputs \(2, 5\) for inputs \(2, 3\); needed are \(2, 2\)", {}, {"model": nn.MLP((3, 5))}),
        (ConfigError, r"^model cannot take inputs float32 \(2, 3\): ", {}, {"model": nn.MLP((7, 2))}),
        (ConfigError, r"^model is an object of <mine.Net>, which no file holds: give one", {"model": "<mine.Net>"}, {}),
        (data.DataError, r"arrays: x holds 2 examples but y 3 targets", {}, {"data": (np.ones((2, 3)), [0, 1, 1])}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(error, words, settings, parts, tmp_path):
    with pytest.raises(error, match=words):
        Trainer.new(TrainConfig(epochs=1, **settings), tmp_path / "run", **({"data": DATA} | parts))
    assert not (tmp_path / "run").exists()


def test_another_object_does_not_resume_a_run(tmp_path):
    config = TrainConfig(epochs=1, batch_size=40)
    parts = {"data": DATA, "sampler": estimators.Normal(2), "optimizer": optim.adam(1e-2)}
    trainer = Trainer.new(config, tmp_path / "run", **parts)
    assert trainer.run()["steps"] == 2
    assert trainer.progress.rows[0].learning_rate is None
    with pytest.raises(ConfigError, match=r"^sampler is <.*Normal> in the run to resume, not <.*Rademacher>"):
        Trainer.resume(tmp_path / "run", **(parts | {"sampler": estimators.Rademacher(2)}))
    with pytest.raises(RunError, match="was trained on other data"):
        Trainer.resume(tmp_path / "run", **(parts | {"data": data.from_arrays(X + 1, np.arange(100) % 2 == 0)}))
    with pytest.raises(ConfigError, match=r"^optimizer is an object of <.*Optimizer>"):
        Trainer.resume(tmp_path / "run", data=DATA, sampler=estimators.Normal(2))
    assert Trainer.resume(tmp_path / "run", **parts).finished
