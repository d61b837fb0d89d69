"""Layers, models and losses, against plain NumPy."""

import inspect
import itertools

import numpy as np
import pytest

from fwdad import nn, tree
from fwdad.nn import seeds
from fwdad.testing import check_jvp, expect_close


def test_linear_is_affine():
    layer = nn.Linear(3, 2, activation="tanh", seed=4, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((7, 3))
    expect_close(layer(x), np.tanh(x @ layer.weight + layer.bias), 1e-14, "linear")
    assert nn.Linear(3, 2, bias=False).bias is None


def test_initial_values_are_uniform_and_seeded():
    a, b, c = nn.Linear(400, 300, seed=1), nn.Linear(400, 300, seed=1), nn.Linear(400, 300, seed=2)
    assert np.array_equal(a.weight, b.weight)
    assert not np.any(a.weight == c.weight)
    gain = {"identity": 3.0, "relu": 6.0}
    for activation, variance in gain.items():
        w = nn.Linear(400, 300, activation=activation, seed=0).weight
        assert w.dtype == np.float32
        assert np.abs(w).max() <= np.sqrt(variance / 400)
        assert w.std() == pytest.approx(np.sqrt(variance / 400 / 3), rel=0.01)


SEEDED = {
    "linear": lambda **o: nn.Linear(4, 4, **o),
    "conv": lambda **o: nn.Conv2d(2, 2, 3, **o),
    "embedding": lambda **o: nn.Embedding(3, 2, **o),
    "attention": lambda **o: nn.MultiHeadAttention(4, 2, **o),
    "patches": lambda **o: nn.PatchEmbedding(2, 3, 2, **o),
    "class token": lambda **o: nn.ClassToken(3, 2, **o),
}


@pytest.mark.parametrize("name", SEEDED)
def test_layers_of_one_shape_differ_and_a_process_repeats_itself(name, monkeypatch):
    def weights(**seed):
        return np.concatenate([leaf.ravel() for leaf in tree.leaves(SEEDED[name](**seed)) if np.any(leaf)])

    monkeypatch.setattr(seeds, "_seeds", itertools.count(2**32))
    first, second = weights(), weights()
    assert not np.any(first == second)
    assert not np.any(first == weights(seed=0))
    assert np.array_equal(weights(seed=1), weights(seed=1))
    monkeypatch.setattr(seeds, "_seeds", itertools.count(2**32))
    assert np.array_equal(weights(), first)
    assert np.array_equal(weights(), second)


def test_two_dropouts_have_two_masks():
    x = np.ones(100)
    with nn.training(0):
        assert not np.array_equal(nn.Dropout(0.5)(x), nn.Dropout(0.5)(x))


def test_seeds_are_named_where_they_are_given():
    for make in (*vars(nn).values(), *nn.MODELS.values()):
        if callable(make) and "seed" in (parameters := inspect.signature(make).parameters):
            assert parameters["seed"].kind is inspect.Parameter.KEYWORD_ONLY, make


def test_mlp_is_a_tree_with_named_parameters():
    m = nn.MLP((4, 5, 6, 3), activation="relu", seed=0)
    assert list(tree.named_leaves(m)) == [f"layers.{i}.{name}" for i in range(3) for name in ("weight", "bias")]
    assert m.parameters == 4 * 5 + 5 + 5 * 6 + 6 + 6 * 3 + 3
    assert [layer.activation for layer in m.layers] == ["relu", "relu", "identity"]
    doubled = tree.map(lambda p: 2 * p, m)
    assert type(doubled) is nn.MLP
    assert np.array_equal(doubled.layers[1].weight, 2 * m.layers[1].weight)
    with pytest.raises(ValueError, match="another structure"):
        tree.map(np.add, m, nn.MLP((4, 5, 6, 3), activation="tanh"))


def test_sequential_of_layers_and_functions():
    m = nn.Sequential([nn.Linear(3, 4, seed=0, dtype=np.float64), nn.Activation("gelu"), np.tanh])
    x = np.random.default_rng(1).standard_normal((5, 3))
    check_jvp(m, [x])


def test_losses():
    rng = np.random.default_rng(2)
    logits, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expect_close(nn.cross_entropy(logits, labels), -np.log(p[np.arange(6), labels]), 1e-13, "cross entropy")
    check_jvp(lambda z: nn.cross_entropy(z, labels), [logits])
    check_jvp(lambda z: nn.squared_error(z, logits**2), [logits])
    assert np.isfinite(nn.cross_entropy(1e4 * logits.astype(np.float32), labels)).all()
    assert nn.accuracy(np.eye(4), np.array([0, 1, 2, 0])) == 0.75
    targets = 0.1 / 4 + 0.9 * np.eye(4)[labels]
    expect_close(nn.cross_entropy(logits, labels, 0.1), -(targets * np.log(p)).sum(1), 1e-13, "smoothed")
    sigmoid = 1 / (1 + np.exp(-logits))
    binary = -(targets * np.log(sigmoid) + (1 - targets) * np.log(1 - sigmoid)).mean(1)
    expect_close(nn.binary_cross_entropy(logits, targets), binary, 1e-13, "binary cross entropy")
    check_jvp(lambda z: nn.cross_entropy(z, labels, 0.1), [logits])
    check_jvp(lambda z: nn.binary_cross_entropy(z, targets), [logits])
    assert nn.top_accuracy(logits, labels, 1) == nn.accuracy(logits, labels)
    assert nn.top_accuracy(logits, np.argsort(logits, axis=1)[:, -2], 2) == 1.0
    assert nn.top_accuracy(logits, np.argsort(logits, axis=1)[:, -3], 2) == 0.0


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "one of identity, relu", lambda: nn.Linear(2, 2, activation="rleu")),
        (ValueError, "at least 1", lambda: nn.Linear(0, 2)),
        (ValueError, "input and an output size", lambda: nn.MLP((3,))),
        (ValueError, "one of identity", lambda: nn.Activation("")),
        (TypeError, "integer class numbers", lambda: nn.cross_entropy(np.ones((2, 3)), np.ones(2))),
        (ValueError, r"0..2; got 0..3", lambda: nn.cross_entropy(np.ones((2, 3)), np.array([0, 3]))),
        (ValueError, r"\(2, 3\) and \(3,\)", lambda: nn.cross_entropy(np.ones((2, 3)), np.array([0, 1, 2]))),
        (ValueError, "label_smoothing", lambda: nn.cross_entropy(np.ones((1, 3)), np.array([0]), 1.5)),
        (ValueError, "probabilities", lambda: nn.binary_cross_entropy(np.ones((2, 3)), np.full((2, 3), np.nan))),
        (ValueError, "one shape", lambda: nn.squared_error(np.ones((2, 3)), np.ones((2, 1)))),
        (ValueError, "x", lambda: nn.Linear(3, 2)(np.ones((5, 4), np.float32))),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()
