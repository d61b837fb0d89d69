"""Activity perturbation: a layer of one's own, and what is refused because its derivative would be lost."""

import functools

import numpy as np
import pytest

import fwdad
from fwdad import nn, perturbation, testing, tree
from fwdad.estimators import Haar, Normal, Projection, exact_gradient
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


class Unsettled(Shift):
    """It asks, but its output goes another way."""

    def __call__(self, x):
        return np.tanh(x + perturbation.site(self, x, x.shape, x.dtype).moved(self.bias))


def flat(gradient):
    return np.concatenate([np.ravel(g) for g in tree.leaves(gradient)])


@pytest.mark.parametrize("noise", NOISES)
def test_a_layer_of_ones_own(noise):
    net = nn.Sequential([Shift(np.array([0.1, -0.2, 0.3])), nn.Linear(3, 2, seed=1, dtype=np.float64)])
    testing.check_layer(net.layers[0], X)
    _, g = fwdad.ForwardGradient(Normal(40), Projection(), Activities(noise))(loss, net, X, Y)
    _, truth = exact_gradient(loss, net, X, Y, perturb="weight")
    expect_close(flat(g), flat(truth), 1e-6, "gradient")


def penalised(m, x, y):
    return loss(m, x, y) + 1e-3 * np.sum(m.layers[0].weight ** 2)


def used_by_hand(m, x, y):
    return nn.cross_entropy(m(x) + 0.1 * (np.tanh(x @ m.layers[0].weight) @ m.layers[1].weight), y)


def weighted(m, x, y, *, strength):
    return loss(m, x, y) + strength * np.sum(m.layers[1].bias)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("of", "net"),
    [
        (penalised, model),
        (used_by_hand, model),
        (functools.partial(weighted, strength=0.5), model),
        (loss, lambda: nn.Sequential([Silent(np.zeros(3)), nn.Linear(3, 2, seed=1, dtype=np.float64)])),
        (loss, lambda: nn.Sequential([nn.Linear(3, 2, seed=1, dtype=np.float64), Unsettled(np.zeros(2))])),
    ],
    ids=["penalty", "by hand", "partial", "silent layer", "unsettled layer"],
)
def test_what_moves_the_loss_beside_a_layers_output_is_refused(noise, of, net):
    """And the other perturbation, which the message names, computes it."""
    fg = fwdad.ForwardGradient(Normal(4), Projection(), Activities(noise))
    with pytest.raises(TypeError, match="use perturb='weight'"):
        fg(of, net(), X, Y)
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


def test_a_loss_is_checked_once():
    calls = []

    def steps():
        def counted(m, x, y):  # made anew each time, as in a training loop
            calls.append(1)
            return loss(m, x, y)

        return counted

    fg = fwdad.ForwardGradient(Normal(4))
    for _ in range(3):
        fg(steps(), model(), X, Y)
    assert len(calls) == 3 + 2
    fg(steps(), nn.Sequential([nn.Linear(3, 2, dtype=np.float64), Shift(np.zeros(2))]), X, Y)
    assert len(calls) == 3 + 2 + 3


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
