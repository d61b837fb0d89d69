"""Section 4.5, with the small networks of a quick run: on the digits, and on a CIFAR-10 of a few records."""

import numpy as np
import pytest

from fwdad import data, nn, optim
from fwdad.data import DataError, cifar
from fwdad.experiments import EXPERIMENTS, Settings
from fwdad.experiments.networks import estimator, loss, train
from fwdad.train import Learner

NAMES = ("resnet18-mnist", "resnet18-cifar10", "vit-mnist", "vit-cifar10")
RECORDS = 20  # a file here, instead of 10,000


def cells(name, **settings):
    return {cell.name: cell.parameters for cell in EXPERIMENTS[name].cells(Settings(**settings))}


def run(name, parameters):
    """The rows without times."""
    rows = EXPERIMENTS[name].run(parameters, lambda part: None)
    return [{column: value for column, value in row.items() if column != "seconds_per_step"} for row in rows]


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """The folder of the archive, whose files have a few records of noise."""
    layout = cifar.LAYOUTS["cifar10"]._replace(train_records=RECORDS, test_records=RECORDS)
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", layout)
    home = tmp_path / layout.folder
    home.mkdir()
    rng = np.random.default_rng(0)
    for file in (*layout.train, layout.test):
        records = rng.integers(0, 256, (RECORDS, 1 + cifar.PIXELS), dtype=np.uint8)
        records[:, 0] %= 10
        (home / file).write_bytes(records.tobytes())
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_cells(name):
    quick, full = cells(name, quick=True), cells(name)
    assert len(quick) == 4
    assert len(full) == 7 * 3  # no gradient
    network, dataset = name.split("-")
    for parameters in full.values():
        assert (parameters["network"], parameters["data"], parameters["epochs"]) == (network, dataset, 200)
        assert parameters["batch"] == {"mnist": 64, "cifar10": 128}[dataset]
    assert all(full[cell] == parameters | {"epochs": 200, "small": False} for cell, parameters in quick.items())


def test_rates_are_those_of_the_data_set():
    rates = {name: cells(name)[f"{name.split('-')[0]}-projection-k2-seed1"]["learning_rate"] for name in NAMES}
    assert rates == dict(zip(NAMES, (0.508263, 0.486368, 0.486368, 1.0), strict=True))
    assert cells("vit-mnist", data="digits")["vit-projection-k2-seed1"]["learning_rate"] == 0.486368


@pytest.mark.parametrize(("name", "parameters"), [("resnet18-cifar10", 11_181_642), ("vit-mnist", 3_183_114)])
def test_the_full_run_has_the_whole_network(name, parameters):
    shape = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28)}[name.split("-")[1]]
    nothing = data.Split(np.empty((0, 1), np.float32), np.empty(0, np.int64))
    dataset = data.Dataset("images", nothing, nothing, nothing, 10, shape)
    model, small = (
        EXPERIMENTS[name].model(next(iter(cells(name, quick=quick).values())), dataset) for quick in (False, True)
    )
    assert model.parameters == parameters
    assert small.parameters < parameters / 10


@pytest.mark.parametrize("name", ["resnet18-cifar10", "vit-cifar10"])
def test_a_run_on_cifar(name, small_cifar):
    parameters = cells(name, quick=True, data_dir=str(small_cifar))[f"{name.split('-')[0]}-projection-k2-seed0"]
    rows = run(name, parameters)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["steps"] for row in rows] == [1, 2]  # 80 examples are one batch
    assert all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
    assert rows == run(name, parameters)
    assert rows[0]["train_loss"] != run(name, parameters | {"seed": 1})[0]["train_loss"]
    (summary,) = EXPERIMENTS[name].summary([row | {"seconds_per_step": 0.1} for row in rows])
    (line,) = summary.lines
    assert line[:2] == [f"{name.split('-')[0]}  projection  k = 2", str(parameters["learning_rate"])]


def test_running_statistics_are_kept():
    """They come from the batches, so that evaluation sees what training saw."""
    dataset = data.load("digits")
    model, kept = nn.models.ResNet(dataset.shape, 10, widths=(4, 4, 4, 4)), []
    estimate = estimator({"method": "mean", "k": 1, "seed": 0, "perturb": "activity", "noise": "batch"})

    def watched(loss, model, *batch):
        kept.append(model.bn1)
        return estimate(loss, model, *batch)

    batches = data.Batches(len(dataset.train.targets), 400, seed=0)
    train(Learner(model, loss, watched, optim.sgd(0.0)), dataset, batches, 1, lambda part: None)
    assert [int(norm.num_batches_tracked.value) for norm in kept] == [0, 1, 2]
    x = model.conv1(dataset.train.inputs[batches.indices(0)].reshape(-1, *dataset.shape))
    np.testing.assert_allclose(kept[1].running_mean.value, 0.1 * x.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert np.array_equal(kept[0].weight, kept[2].weight)


@pytest.mark.parametrize("folder", [None, "somewhere"])
def test_missing_data_is_named_and_how_to_get_it(folder, tmp_path, monkeypatch):
    monkeypatch.delenv(data.VARIABLE, raising=False)
    (tmp_path / "somewhere").mkdir()
    place = folder and str(tmp_path / folder)
    parameters = next(iter(cells("resnet18-cifar10", quick=True, data_dir=place).values()))
    with pytest.raises(DataError, match="fwdad download cifar10 gets"):
        run("resnet18-cifar10", parameters)
