"""The exact gradient, computed forward: both modes against one JVP an entry."""

import numpy as np
import pytest

import fwdad
from fwdad import nn, tree
from fwdad.estimators import exact_gradient
from fwdad.testing import expect_close

RNG = np.random.default_rng(2)
X, Y = RNG.standard_normal((5, 3)), RNG.integers(0, 2, 5)


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def truth(of, x):
    """d of(x) / dx, one entry at a time, by finite differences of JVPs' primals: fourth order, float64."""
    g = np.zeros(x.size)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = 1e-3
        step = step.reshape(x.shape)
        g[i] = (8 * (of(x + step) - of(x - step)) - of(x + 2 * step) + of(x - 2 * step)) / 12e-3
    return g.reshape(x.shape)


@pytest.mark.parametrize("perturb", ["weight", "activity"])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "identity"])
def test_every_entry(perturb, chunk, activation):
    model = nn.MLP((3, 4, 4, 2), activation=activation, seed=1, dtype=np.float64)
    value, grads = exact_gradient(loss, model, X, Y, perturb=perturb, chunk_size=chunk)
    leaves, structure = tree.flatten(model)
    assert value == pytest.approx(np.mean(loss(model, X, Y)), rel=1e-14)
    for i, (leaf, g) in enumerate(zip(leaves, tree.leaves(grads), strict=True)):

        def of(x, i=i):
            return np.mean(loss(tree.unflatten(structure, [*leaves[:i], x, *leaves[i + 1 :]]), X, Y))

        expect_close(g, truth(of, leaf), 1e-9, f"leaf {i}")


@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_both_modes_agree_at_kinks(activation):
    """Units are off for some examples: a whole layer of zeros too."""
    model = nn.MLP((3, 8, 8, 2), activation=activation, seed=4)
    model.layers[1].bias[:4] = -100
    x = X.astype(np.float32)
    by_weights, by_activities = (exact_gradient(loss, model, x, Y, perturb=p)[1] for p in ("weight", "activity"))
    for a, b in zip(tree.leaves(by_weights), tree.leaves(by_activities), strict=True):
        assert a.dtype == np.float32
        expect_close(b, a, 1e-6, "gradient")
    assert np.any(tree.leaves(by_weights)[0])


def test_sequences_and_layers_called_twice():
    layer = nn.Linear(3, 3, activation="tanh", seed=0, dtype=np.float64)
    x = RNG.standard_normal((4, 2, 3))

    def of(layer):
        return np.sum(layer(layer(x)) ** 2, axis=(1, 2))

    by_weights, by_activities = (exact_gradient(of, layer, perturb=p, chunk_size=2)[1] for p in ("weight", "activity"))
    expect_close(by_activities.weight, by_weights.weight, 1e-12, "weight")
    expect_close(by_activities.bias, by_weights.bias, 1e-12, "bias")


def test_what_is_no_parameter_has_no_gradient():
    model = {"x": np.array([1.0, -2.0]), "n": np.array([3, 4])}
    _, g = exact_gradient(lambda m: np.sum(m["x"] ** 2 * m["n"]), model, perturb="weight")
    assert g["x"].tolist() == [6, -16]
    assert g["n"].tolist() == [0, 0]


def test_nan_is_not_hidden():
    for perturb in ("weight", "activity"):
        model = nn.MLP((3, 2), dtype=np.float64)
        value, g = exact_gradient(loss, model, X * np.nan, Y, perturb=perturb)
        assert np.isnan(value)
        assert np.all(np.isnan(g.layers[0].weight))


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "weight, activity; got 'all'", lambda: exact_gradient(np.sum, np.ones(2), perturb="all")),
        (ValueError, "at least 1; got 0", lambda: exact_gradient(np.sum, np.ones(2), chunk_size=0)),
        (
            ValueError,
            "one number or one per example",
            lambda: exact_gradient(lambda m: m, np.eye(2), perturb="weight"),
        ),
        (ValueError, "one loss per example", lambda: exact_gradient(np.sum, np.ones(2), perturb="activity")),
        (TypeError, "belongs to no layer", lambda: exact_gradient(lambda m: m, np.ones(2), perturb="activity")),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_it_is_the_gradient_of_jacfwd():
    x = RNG.standard_normal(6)

    def of(x):
        return np.sum(np.sin(x) * np.cumsum(x))

    expect_close(exact_gradient(of, x, perturb="weight", chunk_size=4)[1], fwdad.jacfwd(of)(x), 1e-14, "gradient")
