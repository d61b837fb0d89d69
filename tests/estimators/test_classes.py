"""Class directions: the mean Jacobian's columns for early layers, every unit for the last three."""

import numpy as np
import pytest

import fwdad
from fwdad import data as datasets
from fwdad import nn, optim, tree
from fwdad.dual import new_level, split
from fwdad.estimators import ByError, ClassDirections, ForwardGradient, Projection, exact_gradient
from fwdad.estimators.classes import jacobians
from fwdad.perturbation import Activities
from fwdad.testing import expect_close

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((6, 5)), RNG.integers(0, 3, 6)


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def mlp(*hidden, activation="tanh"):
    return nn.MLP((5, *hidden, 3), activation=activation, seed=1, dtype=np.float64)


def surveys(model):
    return Activities().templates(loss, model, (X, Y))


def behind(model, layer, y):
    """The outputs, from the output of a layer on."""
    for later in list(model.layers)[layer + 1 :]:
        y = later(y)
    return y


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_jacobians_are_those_of_the_outputs(activation):
    model = mlp(9, 8, 7, 6, activation=activation)
    found = jacobians(surveys(model)[-1], 2, 4, [9, 8], examples=4)
    for layer, mean in enumerate(found):
        y = X[:4]
        for before in list(model.layers)[: layer + 1]:
            y = before(y)
        each = [fwdad.jacfwd(lambda row, layer=layer: behind(model, layer, row[None])[0])(row) for row in y]
        expect_close(mean, np.mean(each, axis=0).T, 1e-12, f"layer {layer}")


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_estimate_is_the_projection_on_the_slopes_times_the_mean(activation):
    model = mlp(9, 8, 7, 6, activation=activation)
    sampler = ClassDirections()
    fg = ForwardGradient(sampler)
    estimate = fg.estimate(loss, model, X, Y)
    sites = surveys(model)
    # dL/dz of each example, by moving z alone
    for number, site in enumerate(sites):
        level = new_level()
        units = np.eye(site.z_shape[1])[:, np.newaxis] * np.ones(site.z_shape)
        noise = fwdad.Dual(np.zeros(site.z_shape), units, level)
        y = X
        for before in list(model.layers)[:number]:
            y = before(y)
        layer = list(model.layers)[number]
        at = np.matmul(y, layer.weight) + layer.bias + noise
        y = fwdad.functions.ACTIVATIONS[layer.activation].value(at)
        losses = nn.cross_entropy(behind(model, number, y), Y)
        exact = split(losses, level)[1].T
        found = estimate.parts[number]
        if number >= 2:
            expect_close(found, exact, 1e-12, f"layer {number}")
            continue
        for b in range(len(X)):
            v = site.slope[b][:, None] * sampler.means[number]
            expect_close(found[b], v @ np.linalg.lstsq(v, exact[b], rcond=None)[0], 1e-9, f"layer {number}")


def test_any_other_combiner_sees_the_same_directions():
    model = mlp(9, 8, 7, 6)
    _, by_layer = ForwardGradient(ClassDirections())(loss, model, X, Y)
    _, together = ForwardGradient(ClassDirections(), Projection())(loss, model, X, Y)
    for a, b in zip(tree.leaves(by_layer), tree.leaves(together), strict=True):
        expect_close(a, b, 1e-9, "gradient")


def test_three_layers_are_exact():
    model = mlp(8, 7)
    _, found = ForwardGradient(ClassDirections())(loss, model, X, Y)
    _, expected = exact_gradient(loss, model, X, Y, perturb="weight")
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        expect_close(a, b, 1e-12, "gradient")


@pytest.mark.parametrize("rows", [None, ByError(0.5)])
def test_it_sees_most_of_the_gradient_on_its_own_way(rows):
    data = datasets.load("digits").train
    x, y = data.inputs[:512].astype(np.float32), data.targets[:512]
    model = nn.MLP((x.shape[1], 32, 32, 32, 10), seed=0)
    fg = ForwardGradient(ClassDirections(), rows=rows)
    optimizer = optim.sgd(0.05, momentum=0.9)
    state = optimizer.init(model)
    for step in range(80):
        batch = np.arange(64) + 64 * (step % 8)
        _, gradient = fg(loss, model, x[batch], y[batch])
        model, state = optimizer.step(gradient, state, model)
    _, found = ForwardGradient(fg.sampler)(loss, model, x[:64], y[:64])
    _, exact = exact_gradient(loss, model, x[:64], y[:64])
    first, true = found.layers[0].weight, exact.layers[0].weight
    cosine_squared = np.sum(first * true) ** 2 / (np.sum(first**2) * np.sum(true**2))
    assert cosine_squared > 0.5  # ten random directions in 32 dimensions see a third of it
    assert nn.accuracy(model(x), y) > 0.9


def test_it_resumes():
    model, other = mlp(9, 8, 7, 6), mlp(9, 8, 7, 6, activation="relu")
    first = ForwardGradient(ClassDirections(every=1))
    first(loss, model, X, Y)
    second = ForwardGradient(ClassDirections(every=1))
    second.sampler.restore(first.sampler.state())
    second.step = first.step
    for a, b in zip(*(tree.leaves(fg(loss, other, X, Y)[1]) for fg in (first, second)), strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="expected a state of arrays"):
        first.sampler.restore({"other": np.zeros(2)})


@pytest.mark.parametrize("arguments", [{"examples": 0}, {"every": 0}, {"decay": 1.0}, {"decay": float("nan")}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="examples and every must be at least 1"):
        ClassDirections(**arguments)


def test_what_it_is_not_for():
    with pytest.raises(TypeError, match="perturb='activity'"):
        ForwardGradient(ClassDirections(), perturb="weight")(loss, mlp(4), X, Y)
    with pytest.raises(TypeError, match="of each example"):
        ForwardGradient(ClassDirections(), perturb=Activities("batch"))(loss, mlp(4), X, Y)
    sampler = ClassDirections()
    ForwardGradient(sampler)(loss, mlp(9, 8, 7, 6), X, Y)
    with pytest.raises(ValueError, match="the layers had Jacobians of shapes"):
        ForwardGradient(sampler)(loss, mlp(4, 8, 7, 6), X, Y)
