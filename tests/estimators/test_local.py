"""Local objectives, and the Forward-Forward networks that they train."""

import numpy as np
import pytest

import fwdad
from fwdad import data, estimators, functions, nn, optim, tree
from fwdad.estimators.local import OBJECTIVES, hard_negatives
from fwdad.testing import check_jvp, expect_close
from fwdad.train import Learner

RNG = np.random.default_rng(3)
X, LABELS = RNG.random((6, 12)), np.array([0, 1, 2, 0, 2, 1])
COUNTS = RNG.poisson(0.7, (6, 5, 12)).astype(float)
NETWORKS = {"ff-mlp": nn.models.FFMLP, "ff-snn": nn.models.FFSNN}
LEARNT = {"learn": (True, True)}
NORMALISED = {"normalised": True, "theta": 0.7}
INPUTS = {"ff-mlp": X, "ff-snn": X, "ff-snn of series": COUNTS}


def network(name, **options):
    x = INPUTS[name]
    make = NETWORKS[name.removesuffix(" of series")]
    model = make(x.shape[1:], 3, hidden=(7, 5), seed=2, dtype=np.float64, **options)
    if x is COUNTS:
        model = model.fitted(x)
    for layer in model.layers:
        layer.weight = 3 * layer.weight
    return model


def loss(model, x, labels):
    return nn.cross_entropy(model(x), labels)


def wrong_labels(model, x, seed=0):
    return hard_negatives(model(x), LABELS, np.random.default_rng((seed, 0)).random(6))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_ask_for_a_gap(name):
    objective, goodness = OBJECTIVES[name](), RNG.random((2, 4))
    check_jvp(objective, tuple(goodness))
    _, slope = fwdad.jvp(objective, (goodness[0], goodness[0]), (np.ones(4), np.zeros(4)))
    assert np.all(slope < 0)


def of_draws(model, x, chosen):
    """The exact gradients of each layer for wrong labels (6,), by moving its parameters, its inputs at rest."""

    def own(layer, *inputs):
        return chosen(*(functions.mean_square(layer(x)) for x in inputs))

    def run(wrong):
        inputs, found = [model.labelled(x, LABELS), model.labelled(x, wrong)], {}
        for number, layer in enumerate(model.layers):
            gradient = estimators.exact_gradient(own, layer, *inputs, perturb="weight")[1]
            found |= {f"{number}.{key}": g for key, g in tree.named_leaves(tree.learned(gradient)).items()}
            inputs = [model.onward(layer, x) for x in inputs]
        return found

    return run


def assert_gradients(gradient, expected):
    found = {
        f"{i}.{key}": g
        for i, layer in enumerate(gradient.layers)
        for key, g in tree.named_leaves(tree.learned(layer)).items()
    }
    assert found.keys() == expected.keys()
    for key, g in found.items():
        assert np.abs(g).max() > 1e-6
        expect_close(g, expected[key], 1e-12, key)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, options)
        for name in INPUTS
        for options in ({}, LEARNT, LEARNT | NORMALISED)[: 1 if name == "ff-mlp" else 3]
    ],
    ids=str,
)
def test_all_wrong_labels_give_the_mean_over_draws(name, options, objective):
    """Each layer has the gradient of its own objective, and a wrong label counts as often as it would be drawn."""
    model, goal, x = network(name, **options), OBJECTIVES[objective](), INPUTS[name]
    value, gradient = estimators.Local(goal)(loss, model, x, LABELS)
    assert value == pytest.approx(np.mean(loss(model, x, LABELS)), abs=1e-12)
    weights = np.sqrt(model(x))
    weights[np.arange(6), LABELS] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    expected = {}
    for label in range(3):  # a loss with a weight for each example, where this label is wrong

        def weighted(positive, negative, label=label):
            return weights[:, label] * goal(positive, negative)

        for key, g in of_draws(model, x, weighted)(np.full(6, label)).items():
            expected[key] = expected.get(key, 0) + g
    assert_gradients(gradient, expected)


@pytest.mark.parametrize("by_units", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", INPUTS)
def test_a_drawn_label_gives_the_gradient_of_its_own(name, objective, by_units):
    model, goal, x = network(name), OBJECTIVES[objective](), INPUTS[name]
    make = (lambda number: fwdad.ForwardGradient(estimators.Units())) if by_units else None
    value, gradient = estimators.Local(goal, make, negatives="drawn")(loss, model, x, LABELS)
    assert value == pytest.approx(np.mean(loss(model, x, LABELS)), abs=1e-12)
    assert_gradients(gradient, of_draws(model, x, goal)(wrong_labels(model, x)))


@pytest.mark.parametrize("name", ["ff-snn", "ff-snn of series"])
def test_examples_count_one_by_one(name):
    """However many are tried at a time."""
    model, own = network(name), INPUTS[name]
    few, all_of_them = (
        estimators.Local(estimators.SymBa())(loss, model, x, labels)[1].layers
        for x, labels in ((own, LABELS), (np.concatenate([own] * 9), np.tile(LABELS, 9)))
    )
    for a, b in zip(few, all_of_them, strict=True):
        expect_close(a.weight, b.weight, 1e-12, "weight")


def test_what_it_cannot_do():
    with pytest.raises(ValueError, match=r'negatives must be "all" or "drawn"; got .some.'):
        estimators.Local(estimators.SymBa(), negatives="some")
    with pytest.raises(ValueError, match='negatives="drawn"'):
        estimators.Local(estimators.SymBa(), lambda n: fwdad.ForwardGradient(estimators.Normal(4)))


def test_some_layers_stay_as_they_are():
    gradient = estimators.Local(estimators.SymBa(), layers=1)(loss, network("ff-snn"), X, LABELS)[1]
    assert np.any(gradient.layers[0].weight)
    assert not np.any(gradient.layers[1].weight)


def test_estimates_are_those_of_the_step():
    """A run that goes on draws what the whole run would have drawn."""
    local = estimators.Local(
        estimators.SymBa(), lambda n: fwdad.ForwardGradient(estimators.Normal(4, seed=n)), negatives="drawn", seed=5
    )
    gradients = [local(loss, network("ff-mlp"), X, LABELS)[1].layers[1].weight for _ in range(2)]
    assert not np.array_equal(*gradients)
    local.step = 0
    assert np.array_equal(local(loss, network("ff-mlp"), X, LABELS)[1].layers[1].weight, gradients[0])


def test_negatives_are_drawn_by_the_root_of_their_goodness():
    outputs = np.array([[4.0, 9.0, 100.0, 25.0, 0.0]])
    n = 20_000
    drawn = hard_negatives(np.repeat(outputs, n, axis=0), np.full(n, 2), RNG.random(n))
    shares = np.bincount(drawn, minlength=5) / n
    expected = np.array([0.2, 0.3, 0, 0.5, 0])
    assert np.all(np.abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / n))
    silent = hard_negatives(np.zeros((n, 3)), np.zeros(n, int), RNG.random(n))
    assert np.abs(np.mean(silent == 1) - 0.5) < 5 * 0.5 / np.sqrt(n)
    assert set(silent.tolist()) == {1, 2}


@pytest.mark.parametrize("name", INPUTS)
def test_an_output_is_the_goodness_of_a_label(name):
    model, own = network(name), INPUTS[name]
    for label in range(3):
        x, total = model.labelled(own, np.full(6, label)), 0.0
        for layer in model.layers:
            total = total + functions.mean_square(layer(x))
            x = model.onward(layer, x)
        expect_close(model(own)[:, label], total, 1e-12, f"label {label}")
    many = np.concatenate([own] * 9)
    expect_close(model(many)[-6:], model(own), 1e-12, "examples know of each other")


def test_inputs_are_brought_to_the_range_from_0_to_1():
    model = network("ff-mlp")
    far = 4 * X - 2
    fitted = model.fitted(np.array([[-2.0, 2.0]]))
    expect_close(fitted(far), model(X), 1e-12, "scaled")
    assert np.array_equal(fitted(100 * far), fitted(np.where(far > 0, 2.0, -2.0)))  # what is beyond counts as the end
    with pytest.raises(ValueError, match=r"inputs must lie in \[0, 1\], and are -1\.9.* to 1\.8.*: scale them"):
        model(far)


def test_a_series_is_taken_as_it_is_and_its_label_is_as_large_as_an_input():
    model = network("ff-snn of series")
    shown = model.labelled(COUNTS, LABELS)
    assert np.array_equal(shown[:, :, 3:], COUNTS[:, :, 3:])
    for example, label in zip(shown, LABELS, strict=True):
        assert np.array_equal(example[:, :3], np.tile(COUNTS.max() * np.eye(3)[label], (5, 1)))
    assert np.array_equal(model(COUNTS.reshape(6, -1)), model(COUNTS))
    with pytest.raises(ValueError, match="inputs must be finite"):
        model(np.where(COUNTS > 2, np.nan, COUNTS))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns(name):
    digits = data.load("digits")
    model = NETWORKS[name](digits.shape, 10, hidden=(50, 50), seed=0).fitted(digits.train.inputs)
    learner = Learner(model, loss, estimators.Local(estimators.SiluGap(6.0)), optim.adam(1e-2))
    batches = data.Batches(len(digits.train.targets), 128)
    for step in range(60):
        rows = batches.indices(step)
        learner.step(step, digits.train.inputs[rows], digits.train.targets[rows])
    assert np.mean(np.argmax(learner.model(digits.test.inputs), axis=1) == digits.test.targets) > 0.6


@pytest.mark.parametrize("classes", [1, 12])
def test_a_label_needs_room(classes):
    with pytest.raises(ValueError, match="a label takes the place"):
        nn.models.FFSNN((12,), classes)


MLP = nn.MLP([12, 7, 5, 3], seed=2, dtype=np.float64, activation="tanh")


def test_every_layer_learns_for_a_classifier_of_its_own():
    """By moving the parameters of each layer, its inputs and its classifier at rest; the last one is its own."""
    local = estimators.LocalLosses(3, seed=4)
    local(loss, MLP, X, LABELS)  # the classifiers have taken a step
    weights = [w.copy() for w in local.classifiers.weights]
    value, gradient = local(loss, MLP, X, LABELS)
    assert value == pytest.approx(np.mean(loss(MLP, X, LABELS)), abs=1e-12)
    x = X
    for layer, mine, a in zip(MLP.layers, gradient.layers, weights, strict=True):

        def own(layer, x, a=a):
            return nn.cross_entropy(layer(x) @ a[:-1] + a[-1], LABELS)

        expected = estimators.exact_gradient(own, layer, x, perturb="weight")[1]
        expect_close(mine.weight, expected.weight, 1e-12, "weight")
        expect_close(mine.bias, expected.bias, 1e-12, "bias")
        x = layer(x)
    assert np.array_equal(weights[-1], np.eye(4, 3))


def test_a_loss_without_a_layer_cannot_be_trained_for():
    with pytest.raises(ValueError, match="the loss calls no layer of the model"):
        estimators.LocalLosses(3)(lambda m, x, labels: np.sum(x, axis=1), MLP, X, LABELS)


def test_layers_with_classifiers_of_their_own_learn_and_resume():
    digits = data.load("digits")
    model = nn.models.ConvNet(digits.shape, 10, channels=(8, 16), seed=0)
    local = estimators.LocalLosses(10)
    learner = Learner(model, loss, local, optim.adam(3e-3))
    batches = data.Batches(len(digits.train.targets), 64)
    for step in range(80):
        rows = batches.indices(step)
        learner.step(step, digits.train.inputs[rows], digits.train.targets[rows])
    assert np.mean(np.argmax(learner.model(digits.test.inputs), axis=1) == digits.test.targets) > 0.8
    other = estimators.LocalLosses(10, seed=1)
    other.restore(local.state())
    batch = learner.model, digits.train.inputs[:8], digits.train.targets[:8]
    assert np.array_equal(*(tree.leaves(e(loss, *batch)[1])[0] for e in (local, other)))
