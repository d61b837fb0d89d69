"""Whole networks: the common call, and that each trains by both perturbations."""

import numpy as np
import pytest

import fwdad
from fwdad import nn, optim

SMALL = {
    "mlp": ((1, 4, 4), {"hidden": (8,)}),
    "convnet": ((2, 8, 8), {"channels": (4, 8)}),
    "lenet5": ((1, 16, 16), {}),
    "resnet18": ((3, 16, 16), {"widths": (4, 6, 8, 10)}),
    "vit": ((1, 8, 8), {"depth": 2, "width": 8, "heads": 2, "hidden": 12}),
    "mlp-mixer": ((1, 8, 8), {"depth": 2, "width": 8, "hidden": (4, 12)}),
}


NETWORKS = [name for name, row in nn.MODELS.items() if not row.local]  # the others: tests/estimators/test_local.py


@pytest.mark.parametrize("name", NETWORKS)
def test_models_share_one_call(name):
    shape, sizes = SMALL[name]
    model = nn.MODELS[name](shape, 10, seed=3, **sizes)
    x = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)
    flat = x.reshape(5, -1)
    assert model(flat).shape == (5, 10)
    assert model(flat).dtype == np.float32
    assert np.array_equal(model(flat), nn.MODELS[name](shape, 10, seed=3, **sizes)(flat))
    assert not np.array_equal(model(flat), nn.MODELS[name](shape, 10, seed=4, **sizes)(flat))
    assert np.array_equal(model(x), model(flat))
    with pytest.raises(ValueError, match="expected images"):
        model(x[:, :, :, 1:])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("perturb", ["weight", "activity"])
def test_models_learn(name, perturb):
    shape, sizes = SMALL[name]
    rng = np.random.default_rng(1)
    labels = np.arange(32) % 2
    x = rng.standard_normal((32, *shape)) + np.where(labels, 1.0, -1.0)[:, None, None, None]
    x = x.astype(np.float32).reshape(32, -1)
    model, optimizer = nn.MODELS[name](shape, 2, seed=0, **sizes), optim.adam(3e-3)
    state = optimizer.init(model)
    fg = fwdad.ForwardGradient(fwdad.estimators.Rademacher(8, seed=1), fwdad.estimators.Mean(), perturb)
    values = []
    for step in range(30):
        with nn.training(step) as run:
            value, grads = fg(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, labels)
        updates, state = optimizer.update(grads, state, model)
        model = run.updated(optim.apply_updates(model, updates))
        values.append(value)
    assert np.mean(values[-5:]) < 0.9 * np.mean(values[:5])
