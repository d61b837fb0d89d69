"""Spiking neurons: surrogates, the smoothed neuron, one tangent for all units, and PyTorch's BPTT."""

import numpy as np
import pytest

import fwdad
from fwdad import estimators, functions, nn, perturbation, tree
from fwdad.functions.spiking import SURROGATES
from fwdad.kernels.lif_jvp import SURROGATES as NATIVE
from fwdad.testing import check_jvp, expect_close

RNG = np.random.default_rng(4)
CONSTANT = RNG.random((4, 6))
SERIES = (RNG.random((4, 7, 6)) < 0.4).astype(float)
FACTORS = RNG.standard_normal(5)


def layer_for(x, learn=True, make=nn.LIF, **options):
    options = {"steps": 8, "beta": 0.9, "theta": 0.6, "seed": 1, "dtype": np.float64} | options
    layer = make(x.shape[-1], 5, learn=learn, **options)
    layer.weight = 3 * layer.weight
    return layer


def loss(model, x):
    return np.sum(np.sin(model(x) + 0.3) * FACTORS, axis=1)


@pytest.mark.parametrize("name", SURROGATES)
def test_a_spike_moves_as_its_smooth_step_does(name):
    u = np.array([-1.7, -0.3, -0.01, 0.02, 0.4, 1.2])
    check_jvp(SURROGATES[name], [u], step=1e-4)
    y, dy = fwdad.jvp(lambda u: functions.spike(u, name), (u,), (np.ones(6),))
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(dy, fwdad.jvp(SURROGATES[name], (u,), (np.ones(6),))[1])
    if name in NATIVE:
        sharpness, squared = NATIVE[name]
        v = sharpness * u
        expect_close(dy, 1 / (1 + v * v) if squared else 1 / (1 + np.abs(v)) ** 2, 1e-14, "the kernel's surrogate")


@pytest.mark.parametrize("x", [CONSTANT, SERIES], ids=["constant", "series"])
@pytest.mark.parametrize("name", NATIVE)
def test_the_smoothed_neuron_has_this_derivative(name, x):
    """With the resets as they were, and smooth steps for spikes: by finite differences."""
    layer = layer_for(x, surrogate=name)
    fired = np.concatenate([np.zeros((4, 1, 5)), layer.train(x)], axis=1)

    def smoothed(weight, bias, beta, theta):
        u = count = 0.0
        for t in range(fired.shape[1] - 1):
            u = beta * u + (x if x.ndim == 2 else x[:, t]) @ weight + bias - theta * fired[:, t]
            count = count + SURROGATES[name](u - theta)
        return count

    at = [layer.weight, layer.bias, layer.beta, layer.theta]
    check_jvp(smoothed, at, tolerance=1e-5, step=2e-5)
    tangents = tuple(RNG.standard_normal((3, *p.shape)) for p in at)
    mine = fwdad.jvp(
        lambda *p: functions.lif(
            functions.affine(x, p[0]), p[2], p[3], 8 if x.ndim == 2 else None, p[1], surrogate=name
        ),
        tuple(at), tangents,
    )[1]  # fmt: skip
    expect_close(mine, fwdad.jvp(smoothed, tuple(at), tangents)[1], 1e-12, "the layer differs from the smoothed neuron")


@pytest.mark.parametrize("make", [nn.LIF, nn.NormalisedLIF])
@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("x", [CONSTANT, SERIES], ids=["constant", "series"])
def test_the_local_gradient_is_the_gradient(x, learn, make):
    layer = layer_for(x, learn, make)
    by_weight, by_unit = (
        tree.named_leaves(tree.learned(estimators.exact_gradient(loss, layer, x, perturb=kind)[1]))
        for kind in ("weight", "activity")
    )
    assert set(by_unit) == {"weight", "bias"} | ({"beta", "theta"} if learn else set())
    for name, g in by_unit.items():
        assert np.abs(g).max() > 1e-3
        expect_close(g, by_weight[name], 1e-12, name)


@pytest.mark.parametrize("x", [CONSTANT, SERIES], ids=["constant", "series"])
def test_kernel_and_program_agree(x):
    """A membrane that moves, or a nested transform, runs as a NumPy program."""
    layer = layer_for(x)
    flow, steps = functions.affine(x, layer.weight), 8 if x.ndim == 2 else None
    arguments = (flow, layer.beta, layer.theta, steps, layer.bias)
    train, membrane = (functions.lif(*arguments, output=output) for output in ("train", "membrane"))
    assert np.array_equal(train, membrane > layer.theta)
    assert np.array_equal(train.sum(axis=1), functions.lif(*arguments))

    def by(output):
        return lambda beta: functions.lif(flow, beta, layer.theta, steps, layer.bias, output=output)

    _, counts = fwdad.jvp(by("counts"), (layer.beta,), (np.ones(()),))
    _, trains = fwdad.jvp(by("train"), (layer.beta,), (np.ones(()),))
    expect_close(trains.sum(axis=1), counts, 1e-12, "the train's derivative")
    nested = fwdad.jvp(lambda b: fwdad.jvp(by("counts"), (b,), (np.ones(()),))[1], (layer.beta,), (np.ones(()),))[0]
    expect_close(nested, counts, 1e-12, "nested")


def test_forward_gradients_estimate_it():
    layer = layer_for(CONSTANT)
    exact = estimators.exact_gradient(loss, layer, CONSTANT, perturb="activity")[1]
    full = fwdad.ForwardGradient(estimators.Normal(5, seed=0))(loss, layer, CONSTANT)[1]  # as many as units
    expect_close(full.weight, exact.weight, 1e-9, "the projection on as many directions as units")


def bptt(layer, x, dtype):
    """The loss's gradient by PyTorch's backpropagation through time, with the same surrogate."""
    torch = pytest.importorskip("torch")

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u > 0).to(u.dtype)

        @staticmethod
        def backward(ctx, g):
            (u,) = ctx.saved_tensors
            return g / (1 + 25 * u.abs()) ** 2

    w, b, beta, theta = (
        torch.tensor(np.asarray(value_of(p)).astype(dtype), requires_grad=True)
        for p in (layer.weight, layer.bias, layer.beta, layer.theta)
    )
    inputs, factors = torch.tensor(x), torch.tensor(FACTORS.astype(dtype))
    u = fired = count = torch.zeros(len(x), 5, dtype=w.dtype)
    for t in range(layer.steps if x.ndim == 2 else x.shape[1]):
        u = beta * u + (inputs if x.ndim == 2 else inputs[:, t]) @ w + b - theta * fired.detach()
        fired = Spike.apply(u - theta)
        count = count + fired
    (torch.sin(count + 0.3) * factors).sum(dim=1).mean().backward()
    return {name: p.grad.numpy() for name, p in {"weight": w, "bias": b, "beta": beta, "theta": theta}.items()}


def value_of(setting):
    return setting.value if tree.is_buffer(setting) else setting


@pytest.mark.oracle
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("steps", [1, 10, 100])
@pytest.mark.parametrize("series", [False, True])
def test_one_tangent_gives_what_backpropagation_through_time_gives(series, steps, learn, dtype, tolerance):
    """Errors are measured by the whole gradient: that of beta is a sum of terms of both signs."""
    random = np.random.default_rng(steps)
    x = (random.random((8, steps, 6)) < 0.3 if series else random.random((8, 6))).astype(dtype)
    layer = layer_for(x, learn, steps=steps, dtype=dtype)
    gradient = tree.named_leaves(tree.learned(fwdad.ForwardGradient(estimators.Units())(loss, layer, x)[1]))
    expected = bptt(layer, x, dtype)
    size = np.sqrt(sum(np.sum(expected[name] ** 2) for name in gradient))
    for name, g in gradient.items():
        assert np.linalg.norm(g - expected[name]) <= tolerance * size, name


def recurrent_layer(x, factor, **options):
    layer = nn.RLIF(x.shape[-1], 5, steps=8, beta=0.9, theta=0.6, seed=1, dtype=np.float64, **options)
    layer.weight, layer.recurrent = 3 * layer.weight, factor * layer.recurrent
    return layer


@pytest.mark.parametrize("x", [CONSTANT, SERIES], ids=["constant", "series"])
def test_without_recurrent_weights_eprop_is_exact_and_the_layer_is_lif(x):
    layer, plain = recurrent_layer(x, 0), layer_for(x)
    plain.weight, plain.bias = layer.weight, layer.bias
    assert np.array_equal(layer(x), plain(x))
    exact = tree.named_leaves(tree.learned(estimators.exact_gradient(loss, layer, x, perturb="weight")[1]))
    by_count = np.cos(layer(x) + 0.3) * FACTORS / len(x)
    found = tree.named_leaves(tree.learned(layer.eprop(x, by_count)))
    assert set(found) == {"weight", "recurrent", "bias"}
    for name, g in found.items():
        assert np.abs(g).max() > 1e-3
        expect_close(g, exact[name], 1e-12, name)


def test_a_recurrent_layer_moves_as_its_smoothed_neurons_do():
    """What is smooth: a spike's effect on the counts and on other units; what is fixed: the resets."""
    layer, x = recurrent_layer(SERIES, 1, surrogate="arctan"), SERIES
    fired = [np.zeros((4, 5)), *(s for _, s in layer._run(x))]
    step = SURROGATES["arctan"]
    offset = [np.zeros((4, 5)), *(s - step(above) for above, s in layer._run(x))]

    def smoothed(weight, recurrent, bias):
        u, last, count = 0.0, fired[0], 0.0
        for t in range(x.shape[1]):
            u = 0.9 * u + x[:, t] @ weight + last @ recurrent + bias - 0.6 * fired[t]
            last = step(u - 0.6) + offset[t + 1]
            count = count + last
        return count

    at = (layer.weight, layer.recurrent, layer.bias)
    expect_close(smoothed(*at), layer(x), 1e-12, "the smoothed layer")
    check_jvp(smoothed, at, step=1e-4)
    tangents = tuple(RNG.standard_normal((3, *p.shape)) for p in at)

    def called(weight, recurrent, bias):
        moved = recurrent_layer(x, 1, surrogate="arctan")
        moved.weight, moved.recurrent, moved.bias = weight, recurrent, bias
        return moved(x)

    found = fwdad.jvp(called, at, tangents)[1]
    expect_close(found, fwdad.jvp(smoothed, at, tangents)[1], 1e-11, "the layer's JVP")


BAD = {
    "beta, the leak, must be from 0 to 1; got 1.5": {"beta": 1.5},
    "beta, the leak, must be from 0 to 1; got nan": {"beta": np.nan},
    "theta, the threshold, must be above 0; got 0": {"theta": 0},
    "steps must be at least 1; got 3, 2 and 0": {"steps": 0},
    "surrogate must be one of fast-sigmoid, arctan; got 'step'": {"surrogate": "step"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_settings(message):
    with pytest.raises(ValueError, match=message):
        nn.LIF(3, 2, **BAD[message])


def test_bad_arguments():
    with pytest.raises(ValueError, match="surrogate must be one of"):
        functions.spike(np.ones(2), "step")
    with pytest.raises(ValueError, match="output must be one of counts, train, membrane; got 'sum'"):
        functions.lif(np.ones((1, 2)), np.ones(()), np.ones(()), 3, output="sum")
    with pytest.raises(ValueError, match="at least one step; got 0"):
        functions.lif(np.ones((1, 2)), np.ones(()), np.ones(()), 0)


def test_a_train_as_output_is_refused_by_activity_perturbation():
    """It asks for no site: what its weights do would be lost."""
    with pytest.raises(TypeError, match=r"never asks for its fwdad\.perturbation\.site"):
        perturbation.Activities().check(lambda m, x: m.train(x).sum(axis=(1, 2)), layer_for(CONSTANT), (CONSTANT,), 4)
