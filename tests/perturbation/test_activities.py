"""Activity perturbation: a layer of one's own, and what is refused because its derivative would be lost."""

import copy
import functools
import threading

import numpy as np
import pytest

import fwdad
from fwdad import nn, perturbation, testing, tree
from fwdad.estimators import Haar, Normal, Normalised, Projection, exact_gradient
from fwdad.perturbation import Activities, Perturbation, Weights
from fwdad.testing import expect_close

RNG = np.random.default_rng(7)
X, Y = RNG.standard_normal((5, 3)), RNG.integers(0, 2, 5)
NOISES = ["example", "batch"]


def model():
    return nn.MLP((3, 4, 2), activation="tanh", seed=1, dtype=np.float64)


def loss(m, x, y):
    return nn.cross_entropy(m(x), y)


class Shift(nn.Module):
    """``tanh(x + b)``: a layer as a user writes it."""

    bias: np.ndarray

    def __call__(self, x):
        here = perturbation.site(self, x, x.shape, x.dtype)
        return here.settled(np.tanh(x + here.moved(self.bias)))

    def local_gradient(self, x, g):
        return type(self)(np.sum(g, axis=0))


class Silent(Shift):
    """The same, but it never asks for its site."""

    def __call__(self, x):
        return np.tanh(x + self.bias)


class Row(Shift):
    """The same, with a bias (1, n)."""

    def local_gradient(self, x, g):
        return type(self)(np.sum(g, axis=0, keepdims=True))


class Unsettled(Shift):
    """It asks, but its output goes another way."""

    def __call__(self, x):
        return np.tanh(x + perturbation.site(self, x, x.shape, x.dtype).moved(self.bias))


class Reversed(Shift):
    """It settles after its units have changed places."""

    def __call__(self, x):
        here = perturbation.site(self, x, x.shape, x.dtype)
        return here.settled(np.maximum(x + here.moved(self.bias), 0)[:, ::-1])


class Gated(Shift):
    """It settles what is no longer as large as z."""

    def __call__(self, x):
        here = perturbation.site(self, x, x.shape, x.dtype)
        z = x + here.moved(self.bias)
        return here.settled(z[:, :1] * z[:, 1:])


def linear(seed=1):
    return nn.Linear(3, 2, seed=seed, dtype=np.float64)


def flat(gradient):
    return np.concatenate([np.ravel(g) for g in tree.leaves(gradient) if tree.is_parameter(g)])


def expect_gradient(noise, of, net, *batch):
    """As many directions as units give the gradient."""
    _, truth = exact_gradient(of, net, *batch, perturb="weight")
    for sampler in (Normal(40), Haar(40), Normalised(40)):
        _, g = fwdad.ForwardGradient(sampler, Projection(), Activities(noise))(of, net, *batch)
        expect_close(flat(g), flat(truth), 1e-6, type(sampler).__name__)
    _, g = exact_gradient(of, net, *batch, perturb=Activities(noise))
    expect_close(flat(g), flat(truth), 1e-12, "exact")


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("layer", [Shift(np.array([0.1, -0.2, 0.3])), Row(np.array([[0.1, -0.2, 0.3]]))])
def test_a_layer_of_ones_own(noise, layer):
    testing.check_layer(layer, X)
    expect_gradient(noise, loss, nn.Sequential([layer, linear()]), X, Y)


def called_twice(m, x, y):
    return nn.cross_entropy(m["last"](m["first"][0](m["first"][0](x))), y)


def of_the_reversed_batch(m, x, y):
    return nn.cross_entropy(m(x[::-1]), y)


def with_another_network(m, x, y):
    """A layer that is no part of the model stays as it is."""
    return nn.cross_entropy(m(nn.MLP((3, 3), seed=4, dtype=np.float64)(x)), y)


def with_an_inner_estimate(m, x, y):
    value, _ = fwdad.ForwardGradient(Normal(2))(loss, model(), x, y)
    return loss(m, x, y) * (1 + value)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("of", "net", "rows"),
    [
        (called_twice, {"first": [nn.Linear(3, 3, activation="tanh", seed=2, dtype=np.float64)], "last": linear()}, 5),
        (of_the_reversed_batch, model(), 5),
        (with_another_network, model(), 5),
        (with_an_inner_estimate, model(), 5),
        (loss, nn.Sequential([lambda x: 2 * x, linear()]), 5),
        (loss, nn.Linear(3, 2, bias=False, seed=1, dtype=np.float64), 1),
        (lambda m, x, y: np.squeeze(m(x), 1) ** 2, nn.MLP((3, 1, 1), activation="relu", dtype=np.float64), 5),
        (lambda m, x, y: np.sum(np.sin(m(x[:, None])), (1, 2)), model(), 5),
        (lambda m, x, y: np.sum(np.sign(m(x)), axis=1), model(), 5),
    ],
    ids=["twice", "reversed", "foreign", "nested", "lambda", "one row", "one unit", "3-d", "flat"],
)
def test_programs(noise, of, net, rows):
    expect_gradient(noise, of, net, X[:rows], Y[:rows])


def penalised(m, x, y):
    return loss(m, x, y) + 1e-3 * np.sum(m.layers[0].weight ** 2)


def used_by_hand(m, x, y):
    return nn.cross_entropy(m(x) + 0.1 * (np.tanh(x @ m.layers[0].weight) @ m.layers[1].weight), y)


def weighted(m, x, y, *, strength):
    return loss(m, x, y) + strength * np.sum(m.layers[1].bias)


def scaled(m, x, y):
    return loss(tree.map(lambda w: 0.5 * w, m), x, y)


def copied(m, x, y):
    return nn.cross_entropy(m.layers[1](copy.copy(m.layers[0])(x)), y)


def in_a_thread(m, x, y):
    losses = []
    thread = threading.Thread(target=lambda: losses.append(loss(m, x, y)))
    thread.start()
    thread.join()
    return losses[0]


def with_slopes(m, x, y):
    """What moves the slope in x moves the loss beside z."""
    return np.sum(fwdad.jvp(m, (x,), (np.ones_like(x),))[1] ** 2, axis=1)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("of", "net"),
    [
        (penalised, model),
        (used_by_hand, model),
        (functools.partial(weighted, strength=0.5), model),
        (functools.partial(weighted, strength=0.0), model),
        (scaled, model),
        (copied, model),
        (in_a_thread, model),
        (with_slopes, model),
        (loss, lambda: nn.Sequential([Silent(np.zeros(3)), nn.Linear(3, 2, seed=1, dtype=np.float64)])),
        (loss, lambda: nn.Sequential([nn.Linear(3, 2, seed=1, dtype=np.float64), Unsettled(np.zeros(2))])),
    ],
    ids=[
        "penalty",
        "by hand",
        "partial",
        "weight 0",
        "scaled",
        "copied",
        "thread",
        "slopes",
        "silent layer",
        "unsettled layer",
    ],
)
def test_what_moves_the_loss_beside_a_layers_output_is_refused(noise, of, net):
    """And the other perturbation, which the message names, computes it."""
    fg = fwdad.ForwardGradient(Normal(4), Projection(), Activities(noise))
    with pytest.raises(TypeError, match="use perturb='weight'"):
        fg(of, net(), X, Y)
    with pytest.raises(TypeError, match="use perturb='weight'"):
        fwdad.ForwardGradient(Haar(4), perturb=Activities(noise))(of, net(), X, Y)
    with pytest.raises(TypeError, match="use perturb='weight'"):
        exact_gradient(of, net(), X, Y, perturb=Activities(noise))
    assert fg.step == 0
    m = net()
    value, _ = exact_gradient(of, m, X, Y, perturb="weight")
    assert value == pytest.approx(np.mean(of(m, X, Y)))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    "of",
    [
        lambda m, x, y: loss(m, x, y) * np.std(m(x)),
        lambda m, x, y: loss(m, x - np.mean(m(x)), y),
        lambda m, x, y: np.flip(np.cumsum(np.flip(loss(m, x, y)))) / 5,
        lambda m, x, y: np.mean(m(x)) + 0 * y,
    ],
    ids=["spread", "centred", "cumulative", "mean"],
)
def test_losses_that_couple_examples_are_refused(noise, of):
    fg = fwdad.ForwardGradient(Normal(4), Projection(), Activities(noise))
    with pytest.raises(ValueError, match="depends on another example"):
        fg(of, model(), X, Y)


@pytest.mark.parametrize("sampler", [Normal(4), Haar(4)])
@pytest.mark.parametrize(
    ("words", "of", "net", "rows"),
    [
        ("Linear saw 2 rows but the loss has 5", lambda m, x, y: m(x[:2])[0, 0] + 0.0 * y, model, 5),
        ("Linear saw 4 rows but the loss has 1", lambda m, x, y: np.sum(m(x[0]))[None], model, 5),
        ("one example at least", loss, model, 0),
        ("must be real", lambda m, x, y: loss(m, x, y) * 1j, model, 5),
        ("stands at two places", loss, lambda: nn.Sequential([nn.Linear(3, 3, dtype=np.float64)] * 2), 5),
        ("no elementwise function of its z", loss, lambda: nn.Sequential([Reversed(np.zeros(3)), linear()]), 5),
        (r"shape \(5, 2\), but its z has \(5, 3\)", loss, lambda: nn.Sequential([Gated(np.zeros(3))]), 5),
    ],
    ids=["part", "vector", "empty", "complex", "shared layer", "permuted", "gated"],
)
def test_mistakes_are_named(sampler, words, of, net, rows):
    with pytest.raises(ValueError, match=words):
        fwdad.ForwardGradient(sampler)(of, net(), X[:rows], Y[:rows])


def test_nothing_to_perturb():
    value, g = fwdad.ForwardGradient(Normalised(3))(lambda m, x: np.sum(x, axis=1), nn.Sequential([]), X)
    assert value == pytest.approx(np.sum(X) / 5)
    assert tree.leaves(g) == []


def holding(f):
    return lambda m, x, y: f(m, x, y)


def switched(f, more):
    """Without a switch set, the parameter is no part of the program."""
    return lambda m, x, y: f(m, x, y) + (np.sum(m.layers[0].bias) if more else 0)


def test_a_program_is_checked_once():
    calls = []

    def counted(m, x, y):
        calls.append(1)
        return loss(m, x, y)

    def calls_of(of, net, *batch):
        del calls[:]
        fg(of, net, *batch)
        return len(calls)

    fg = fwdad.ForwardGradient(Normal(4))
    assert [calls_of(holding(counted), model(), X, Y) for _ in range(3)] == [3, 1, 1]  # made anew each time
    assert calls_of(lambda m, x, y, factor=2.0: factor * counted(m, x, y), model(), X, Y) == 3
    assert calls_of(holding(counted), nn.Sequential([linear(), Shift(np.zeros(2))]), X, Y) == 3
    for f in (holding(penalised), switched(counted, more=True), functools.partial(penalised)):
        with pytest.raises(TypeError, match="use perturb='weight'"):
            fg(f, model(), X, Y)
    assert calls_of(switched(counted, more=False), model(), X, Y) == 3

    def recursive(m, x, y, depth=1):
        return recursive(m, x, y, depth - 1) if depth else counted(m, x, y)

    assert [calls_of(recursive, model(), X, Y) for _ in range(2)] == [3, 1]


def test_batch_norm_couples_examples_by_statistics_that_do_not_move():
    net = nn.Sequential([nn.Linear(3, 4, seed=1, dtype=np.float64), nn.BatchNorm(4, dtype=np.float64)])
    with nn.training(step=0):
        fwdad.ForwardGradient(Normal(4))(lambda m, x: np.sum(np.sin(m(x)), axis=1), net, X)


@pytest.mark.parametrize("noise", NOISES)
def test_a_joint_sampler_keeps_silent_units_in_its_space(noise):
    net = nn.MLP((3, 8, 2), activation="relu", seed=1, dtype=np.float64)
    estimate = fwdad.ForwardGradient(Haar(4), perturb=Activities(noise)).estimate(loss, net, X, Y)
    assert np.all(estimate.outcome.directions.n == 10)
    alone = fwdad.ForwardGradient(Normal(4), perturb=Activities(noise)).estimate(loss, net, X, Y)
    assert np.all(alone.outcome.directions.n == 10) == (noise == "batch")


def test_spellings_and_objects():
    assert isinstance(perturbation.perturbation_of("weight"), Weights)
    given = Activities("batch")
    assert perturbation.perturbation_of(given) is given
    assert given.shared() is given
    assert not perturbation.perturbation_of("activity").shared().per_row
    with pytest.raises(ValueError, match="weight, activity; got 'weights'"):
        perturbation.perturbation_of("weights")
    with pytest.raises(ValueError, match="example, batch; got 'row'"):
        Activities("row")


def test_a_perturbation_of_ones_own():
    """The input moves: its gradient comes back in the model's place."""

    class Input(Perturbation):
        def templates(self, loss, model, batch):
            return [batch[0]]

        def run(self, loss, model, batch, draw, gram=False):
            v = draw.part(0, batch[0])
            directions = perturbation.Directions([v], unit=draw.unit, scale=draw.scale)
            y, dy = fwdad.jvp(lambda x: np.mean(loss(model, x, *batch[1:])), (batch[0],), (np.asarray(v),))
            return perturbation.Outcome(float(y), directions.along(dy), directions, [batch[0]])

        def gradient(self, model, outcome, parts):
            return parts[0]

    _, g = fwdad.ForwardGradient(Normal(15), Projection(), Input())(loss, model(), X, Y)
    m = model()
    expect_close(g, fwdad.jacfwd(lambda x: np.mean(loss(m, x, Y)))(X), 1e-6, "gradient by the input")
