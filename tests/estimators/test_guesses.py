"""Directions that are not random: given, from earlier estimates, from local classifiers; mixed with random ones."""

import numpy as np
import pytest

import fwdad
from fwdad import functions, nn, tree
from fwdad.estimators import (
    ForwardGradient,
    Given,
    LocalClassifier,
    Mixed,
    Normal,
    Previous,
    Projection,
    exact_gradient,
)
from fwdad.perturbation import Activities
from fwdad.testing import expect_close

RNG = np.random.default_rng(8)
X, Y = RNG.standard_normal((6, 3)), np.array([0, 1, 2, 0, 1, 2])


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def model(activation="tanh"):
    return nn.MLP((3, 5, 4, 3), activation=activation, seed=1, dtype=np.float64)


def flat(grads):
    return np.concatenate([g.ravel() for g in tree.leaves(grads)])


def test_given_directions_are_those_used():
    v = {"a": RNG.standard_normal((2, 3)), "b": RNG.standard_normal((2, 4))}
    primals = {"a": np.zeros(3), "b": np.zeros(4)}
    gradient = {"a": RNG.standard_normal(3), "b": RNG.standard_normal(4)}
    fg = ForwardGradient(Given(v), Projection(), "weight")
    _, g = fg(lambda p: sum(np.sum(p[name] * gradient[name]) for name in p), primals)
    stacked, truth = np.concatenate([v["a"], v["b"]], axis=1), np.concatenate(list(gradient.values()))
    expect_close(flat(g), np.linalg.pinv(stacked) @ stacked @ truth, 1e-12, "projection on the given plane")


@pytest.mark.parametrize("perturb", ["weight", "activity", Activities("batch")], ids=["weight", "activity", "batch"])
def test_the_gradient_as_a_guess_is_found_exactly(perturb):
    """`Previous` without momentum, fed once with an exact estimate at the same place."""
    previous = Previous(momentum=0)
    fg = ForwardGradient(Mixed(previous, Normal(80, seed=2)), Projection(), perturb)
    _, exact = fg(loss, model(), X, Y)
    fg.sampler = previous
    _, again = fg(loss, model(), X, Y)
    if perturb == "weight":  # where the mean over examples is not all there is, a common guess cannot be exact
        expect_close(flat(again), flat(exact), 1e-6, "guess")
    cosine = flat(again) @ flat(exact) / np.linalg.norm(flat(again)) / np.linalg.norm(flat(exact))
    assert cosine > 0.15


def test_previous_is_a_running_mean():
    previous = Previous(momentum=0.75)
    templates = [np.zeros(2), np.zeros(())]
    assert not np.any(previous.directions(templates, 0).dense())
    for g in ([1.0, 2.0, 3.0], [5.0, 6.0, 7.0]):
        previous.directions(templates, 0)
        previous.observe([np.array(g[:2]), np.array(g[2])])
    expect_close(previous.directions(templates, 0).dense()[0], [2, 3, 4], 1e-12, "0.75 m + 0.25 g")
    with pytest.raises(ValueError, match="had shapes"):
        previous.directions([np.zeros(3)], 0)
    with pytest.raises(ValueError, match="below 1; got 1"):
        Previous(1)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_local_classifier_guesses_its_own_gradient(activation):
    """Each layer's direction is the gradient of the layer's classifier's cross-entropy in z, and zero elsewhere."""
    sampler = LocalClassifier(classes=3, seed=4)
    m = model(activation)
    fg = ForwardGradient(sampler, Projection(), "activity")
    fg(loss, m, X, Y)
    weights = [w.copy() for w in sampler.weights]
    fg(loss, m, X, Y)
    # The second call's directions came from these weights: take them again.
    sampler.weights = [w.copy() for w in weights]  # they learn in place
    estimate = fg.estimate(loss, m, X, Y)
    x = X
    for s, layer in enumerate(m.layers):
        z = x @ layer.weight + layer.bias
        act = functions.ACTIVATIONS[layer.activation].value

        def local(z, s=s, act=act):
            return np.sum(nn.cross_entropy(act(z) @ weights[s][:-1] + weights[s][-1], Y))

        truth = fwdad.jacfwd(local)(z)
        v = np.asarray(estimate.outcome.directions.parts[s])
        expect_close(v[s], truth, 1e-10, f"layer {s}")
        assert not np.any(np.delete(v, s, axis=0))
        x = act(z)


def test_the_output_layer_guesses_the_gradient():
    layer = nn.Linear(3, 3, seed=0, dtype=np.float64)
    _, g = ForwardGradient(LocalClassifier(3), perturb="activity")(loss, layer, X, Y)
    _, exact = exact_gradient(loss, layer, X, Y, perturb="weight")
    expect_close(flat(g), flat(exact), 1e-12, "gradient")


def test_local_classifiers_learn():
    """Each one's loss falls, on the layer's own output."""
    random = np.random.default_rng(0)
    centres = 3 * random.standard_normal((3, 3))
    y = random.integers(0, 3, 200)
    x = centres[y] + random.standard_normal((200, 3))
    m, sampler = model(), LocalClassifier(3)
    fg = ForwardGradient(sampler, Projection(), "activity")
    fg(loss, m, x, y)
    first = sampler.state()
    for _ in range(200):
        fg(loss, m, x, y)
    inputs = x
    for s, layer in enumerate(m.layers):
        inputs = layer(inputs)
        before, after = (
            np.mean(nn.cross_entropy(inputs @ w[:-1] + w[-1], y)) for w in (first[f"weights.{s}"], sampler.weights[s])
        )
        # The output layer is its own classifier, and has nothing to learn here.
        assert after == before if s == 2 else after < 0.8 * before


@pytest.mark.parametrize("noise", ["example", "batch"])
def test_mixed_directions_are_all_of_them(noise):
    sampler = Mixed(LocalClassifier(3), Normal(4, seed=1), Previous())
    fg = ForwardGradient(sampler, Projection(), Activities(noise))
    for _ in range(2):
        assert fg.estimate(loss, model(), X, Y).outcome.directions.k == 3 + 4 + 1


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "one k >= 1", lambda: Given([np.ones((2, 3)), np.ones((1, 3))])),
        (ValueError, "one k >= 1", lambda: Given([])),
        (
            ValueError,
            "given for arrays of shapes",
            lambda: ForwardGradient(Given(np.eye(2)), perturb="weight")(np.sum, np.ones(3)),
        ),
        (ValueError, "at least one sampler", lambda: Mixed()),
        (
            TypeError,
            "perturb='activity'",
            lambda: ForwardGradient(LocalClassifier(3), perturb="weight")(loss, model(), X, Y),
        ),
        (
            ValueError,
            "must lie in 0..1; got 0..2",
            lambda: ForwardGradient(LocalClassifier(2), perturb="activity")(loss, model(), X, Y),
        ),
        (
            ValueError,
            "must be 6 integers, one an example; got float64",
            lambda: ForwardGradient(LocalClassifier(3, labels=lambda x, y: x), perturb="activity")(loss, model(), X, Y),
        ),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Previous(0.5),
        lambda: LocalClassifier(3, seed=2),
        lambda: Mixed(LocalClassifier(3), Previous(), Normal(2)),
    ],
)
def test_a_state_that_is_saved_and_restored_goes_on_alike(make):
    def run(fg, calls):
        return [flat(fg(loss, model(), X, Y)[1]) for _ in range(calls)]

    whole = ForwardGradient(make(), Projection(), "activity")
    run(whole, 3)
    state, step = whole.sampler.state(), whole.step
    expected = run(whole, 2)
    other = ForwardGradient(make(), Projection(), "activity")
    other.sampler.restore(state)
    other.step = step
    for a, b in zip(run(other, 2), expected, strict=True):
        assert np.array_equal(a, b)
    assert all(isinstance(array, np.ndarray) for array in state.values())
    assert Normal(3).state() == {}
    with pytest.raises(ValueError, match="has no state"):
        Normal(3).restore(state)
