"""Normalisation, dropout, embedding, attention, tokens: derivatives, both perturbations, and training mode."""

import numpy as np
import pytest

import fwdad
from fwdad import estimators, functions, nn, optim, testing, tree
from fwdad.testing import check_jvp, expect_close

DOUBLE = {"dtype": np.float64}


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def randomised(layer):
    """With all parameters and running statistics drawn anew, so that no bias is 0 and no scale is 1."""
    rng = np.random.default_rng(9)
    return tree.map(lambda p: rng.uniform(0.3, 1.5, p.shape) if p.dtype.kind == "f" else p, layer)


LAYERS = {
    "layer norm": (nn.LayerNorm(5, **DOUBLE), drawn((3, 4, 5))),
    "layer norm of images": (nn.LayerNorm((2, 3), **DOUBLE), drawn((4, 2, 3))),
    "group norm": (nn.GroupNorm(2, 4, **DOUBLE), drawn((3, 4, 2, 3))),
    "group norm of rows": (nn.GroupNorm(2, 6, **DOUBLE), drawn((3, 6))),
    "batch norm": (nn.BatchNorm(3, **DOUBLE), drawn((4, 3, 2, 2))),
    "batch norm of rows": (nn.BatchNorm(3, **DOUBLE), drawn((5, 3))),
    "embedding": (nn.Embedding(6, 3, **DOUBLE), np.array([[1, 5, 1], [0, 2, 2]])),
    "attention": (nn.MultiHeadAttention(6, 2, **DOUBLE), drawn((2, 4, 6))),
    "patches": (nn.PatchEmbedding(2, 5, 2, **DOUBLE), drawn((2, 2, 4, 6))),
    "class token": (nn.ClassToken(3, 4, **DOUBLE), drawn((2, 3, 4))),
    "elu": (nn.Linear(4, 3, activation="elu", **DOUBLE), drawn((5, 4))),
    "leaky relu": (nn.Conv2d(2, 3, 2, activation="leaky-relu", **DOUBLE), drawn((2, 2, 3, 3))),
    "residual": (
        nn.Residual(
            nn.Sequential([nn.LayerNorm(4, **DOUBLE), nn.Linear(4, 4, activation="gelu", **DOUBLE)]),
            nn.Linear(4, 4, seed=1, **DOUBLE),
        ),
        drawn((3, 4)),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_and_both_perturbations(name):
    layer, x = LAYERS[name]
    testing.check_layer(randomised(layer), x)


def test_a_wrong_local_gradient_is_found():
    class Wrong(nn.Linear):
        def local_gradient(self, x, g):
            return tree.map(lambda p: 1.001 * p, super().local_gradient(x, g))

    with pytest.raises(AssertionError, match="weight: the local gradient differs"):
        testing.check_layer(Wrong(3, 2, seed=0, **DOUBLE), drawn((4, 3)))


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 2)])
def test_batch_norm_trains_on_the_statistics_of_the_batch(shape):
    layer, x = randomised(nn.BatchNorm(3, **DOUBLE)), drawn(shape, 4)
    axes = (0, *range(2, len(shape)))

    def column(v):
        return v.reshape(-1, *(1,) * (len(shape) - 2))

    mean, var = x.mean(axes), x.var(axes)
    with nn.training(step=0) as run:
        y = layer(x)
    with nn.training(step=0):
        check_jvp(layer, [x])
        check_jvp(
            lambda w, b, x: tree.unflatten(tree.flatten(layer)[1], [w, b, *tree.leaves(layer)[2:]])(x),
            [layer.weight, layer.bias, x],
        )
    expected = (x - column(mean)) / np.sqrt(column(var) + 1e-5) * column(layer.weight) + column(layer.bias)
    expect_close(y, expected, 1e-12, "batch norm")
    new, n = run.updated(layer), x.size // 3
    expect_close(new.running_mean.value, 0.9 * layer.running_mean.value + 0.1 * mean, 1e-14, "mean")
    expect_close(new.running_var.value, 0.9 * layer.running_var.value + 0.1 * var * n / (n - 1), 1e-14, "variance")
    assert new.num_batches_tracked.value == layer.num_batches_tracked.value + 1
    assert np.array_equal(new.weight, layer.weight)


def batch_norm_net(dtype=np.float64):
    return randomised(
        nn.Sequential(
            [
                nn.Conv2d(2, 3, 2, dtype=dtype),
                nn.BatchNorm(3, dtype=dtype),
                nn.Activation("tanh"),
                nn.Flatten(),
                nn.Linear(12, 2, dtype=dtype),
            ]
        )
    )


def test_activity_perturbation_holds_the_statistics_of_the_batch():
    """Its exact gradient is that of a network whose statistics are given numbers: those of this batch."""
    net, x, labels = batch_norm_net(), drawn((5, 2, 3, 3), 2), np.array([0, 1, 1, 0, 1])

    def loss(net, x, labels):
        return nn.cross_entropy(net(x), labels)

    with nn.training(0):
        _, by_activity = estimators.exact_gradient(loss, net, x, labels, perturb="activity")
        _, full = estimators.exact_gradient(loss, net, x, labels, perturb="weight")
    z = net.layers[0](x)
    layers = list(net.layers)
    layers[1] = tree.map(np.copy, layers[1])
    layers[1].running_mean, layers[1].running_var = tree.Buffer(z.mean((0, 2, 3))), tree.Buffer(z.var((0, 2, 3)))
    _, held = estimators.exact_gradient(loss, nn.Sequential(layers), x, labels, perturb="weight")
    for (name, g), expected in zip(tree.named_leaves(by_activity).items(), tree.leaves(held), strict=True):
        expect_close(g, expected, 1e-9, name)
    for i in (1, 4):  # what comes after the statistics has its full gradient
        for g, expected in zip(tree.leaves(by_activity.layers[i]), tree.leaves(full.layers[i]), strict=True):
            expect_close(g, expected, 1e-9, "behind the statistics")
    assert not np.allclose(by_activity.layers[0].weight, full.layers[0].weight)


@pytest.mark.parametrize("perturb", ["weight", "activity"])
@pytest.mark.parametrize("sampler", ["normal", "orthogonal"])  # one pass a step, and two
def test_running_statistics_move_once_a_step_and_are_not_learnt(perturb, sampler):
    net, x, labels = batch_norm_net(), drawn((5, 2, 3, 3), 2), np.array([0, 1, 1, 0, 1])
    fg = fwdad.ForwardGradient(estimators.SAMPLERS[sampler](4, seed=0), perturb=perturb)
    with nn.training(0) as run:
        _, grads = fg(lambda net, x, labels: nn.cross_entropy(net(x), labels), net, x, labels)
    before, g = net.layers[1], grads.layers[1]
    assert not np.any(g.running_mean.value)
    assert not np.any(g.running_var.value)
    assert np.any(g.weight)
    optimizer = optim.sgd(0.1, weight_decay=0.5)
    stepped = optim.apply_updates(net, optimizer.update(grads, optimizer.init(net), net)[0])
    assert np.array_equal(stepped.layers[1].running_var.value, before.running_var.value)  # no decay
    after = run.updated(stepped).layers[1]
    with nn.training(0) as again:
        net(x)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        expected = getattr(again.updated(net).layers[1], name).value
        expect_close(getattr(after, name).value, expected, 1e-14, name)
    assert after.num_batches_tracked.value == before.num_batches_tracked.value + 1
    assert np.array_equal(after.weight, stepped.layers[1].weight)
    assert net.parameters == stepped.parameters == 3 * 8 + 3 + 6 + 26
    with pytest.raises(ValueError, match="does not have"):
        run.updated(tree.map(np.copy, net))


def test_dropout_has_one_mask_a_step():
    layer, x = nn.Dropout(0.3, seed=2), drawn((40, 50))
    v = drawn((3, 40, 50), 1)
    with nn.training(step=5, seed=1):
        y, dy = fwdad.jvp(layer, (x,), (v,))
        again = layer(x)
        other = nn.Dropout(0.3, seed=3)(x)
    mask = y / x
    assert set(np.unique(mask.round(12))) == {0.0, np.round(1 / 0.7, 12)}
    expect_close(dy, v * mask, 1e-12, "tangents under the primal's mask")
    assert abs((mask == 0).mean() - 0.3) < 0.04
    assert np.array_equal(y, again)
    assert not np.array_equal(y, other)
    for step, seed in ((6, 1), (5, 2)):
        with nn.training(step=step, seed=seed):
            assert not np.array_equal(layer(x), y)
    assert layer(x) is x
    assert layer(x.astype(np.float32)).dtype == np.float32


def test_attention_is_its_formula_in_every_argument():
    q, k, v = drawn((2, 3, 4)), drawn((2, 3, 4), 1), drawn((2, 3, 4), 2)
    scores = np.einsum("bid,bjd->bij", q, k) / 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    expect_close(functions.attention(q, k, v), np.einsum("bij,bjd->bid", weights, v), 1e-13, "attention")
    check_jvp(functions.attention, [q, k, v])
    for i in range(3):
        arguments = [q, k, v]

        def one(x, i=i, arguments=arguments):
            return functions.attention(*arguments[:i], x, *arguments[i + 1 :])

        check_jvp(one, [arguments[i]])
    check_jvp(lambda q: fwdad.jvp(lambda q: functions.attention(q, k, v), (q,), (v,))[1], [q])


def test_second_derivatives_of_normalisation():
    layer, v = nn.LayerNorm(5, **DOUBLE), drawn((3, 5), 1)
    check_jvp(lambda x: fwdad.jvp(lambda x: layer(x), (x,), (v,))[1], [drawn((3, 5))])


def test_buffers_are_part_of_the_tree():
    layer = nn.BatchNorm(2)
    assert [*tree.named_leaves(layer)] == [
        "weight", "bias", "running_mean.value", "running_var.value", "num_batches_tracked.value"
    ]  # fmt: skip
    assert layer.parameters == 4


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "multiple of num_groups", lambda: nn.GroupNorm(2, 3)),
        (ValueError, "at least 1", lambda: nn.LayerNorm(0)),
        (ValueError, "eps positive", lambda: nn.BatchNorm(2, eps=0)),
        (ValueError, "momentum", lambda: nn.BatchNorm(2, momentum=0)),
        (ValueError, r"\(B, 2, ...\)", lambda: nn.BatchNorm(2)(np.ones((4, 3), np.float32))),
        (ValueError, r"\(B, ..., 3\)", lambda: nn.LayerNorm(3)(np.ones(3, np.float32))),
        (ValueError, "p must lie", lambda: nn.Dropout(1.0)),
        (ValueError, "multiple of num_heads", lambda: nn.MultiHeadAttention(6, 4)),
        (ValueError, "0 to 2; got 0 to 3", lambda: nn.Embedding(3, 2)(np.array([0, 3]))),
        (ValueError, "0 to 2; got -1", lambda: nn.Embedding(3, 2)(np.array([-1, 0]))),
        (TypeError, "integers", lambda: nn.Embedding(3, 2)(np.ones(2))),
    ],
)
def test_mistakes_in_layers_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_batch_norm_needs_a_batch_to_train():
    with nn.training(0), pytest.raises(ValueError, match="more than one value per channel"):
        nn.BatchNorm(2)(np.ones((1, 2), np.float32))


# ---- dtypes


MAKERS = {
    "Linear": lambda **o: nn.Linear(4, 3, **o),
    "Conv2d": lambda **o: nn.Conv2d(4, 3, 1, **o),
    "BatchNorm": lambda **o: nn.BatchNorm(4, **o),
    "LayerNorm": lambda **o: nn.LayerNorm(4, **o),
    "GroupNorm": lambda **o: nn.GroupNorm(2, 4, **o),
    "Embedding": lambda **o: nn.Embedding(4, 3, **o),
    "PatchEmbedding": lambda **o: nn.PatchEmbedding(4, 3, 1, **o),
    "ClassToken": lambda **o: nn.ClassToken(4, 4, **o),
    "MultiHeadAttention": lambda **o: nn.MultiHeadAttention(4, 2, **o),
    "LIF": lambda **o: nn.LIF(4, 3, **o),
    "NormalisedLIF": lambda **o: nn.NormalisedLIF(4, 3, **o),
    "RLIF": lambda **o: nn.RLIF(4, 3, **o),
    "LRU": lambda **o: nn.LRU(4, 2, 3, **o),
    "MLP": lambda **o: nn.MLP((4, 3), **o),
    "resnet18": lambda **o: nn.MODELS["resnet18"]((3, 32, 32), 10, seed=0, widths=(2, 2, 2, 2), **o),
}
WHOLE = {"MLP": "Linear", "MultiHeadAttention": "Linear", "resnet18": "Conv2d"}
SHAPES = {"Conv2d": (2, 4, 4, 4), "PatchEmbedding": (2, 4, 4, 4), "resnet18": (2, 3, 32, 32)}
OTHER_CALLS = {
    "LIF train": ("LIF", lambda layer, x: layer.train(x)),
    "LIF membrane": ("LIF", lambda layer, x: layer.membrane(x)),
    "RLIF eprop": ("RLIF", lambda layer, x: layer.eprop(x, np.zeros((2, 3), x.dtype))),
    "LRU online": ("LRU", lambda layer, x: layer.online(2).step(x[:, 0])),
}


WITHOUT_PARAMETERS = {"Activation", "AdaptiveAvgPool2d", "AvgPool2d", "Dropout", "Flatten", "MaxPool2d"}
CONTAINERS = {"Module", "Residual", "Sequential"}


def test_every_layer_with_parameters_is_here():
    public = (getattr(nn, name) for name in nn.__all__)
    layers = {value.__name__ for value in public if isinstance(value, type) and issubclass(value, nn.Module)}
    assert layers - WITHOUT_PARAMETERS - CONTAINERS == MAKERS.keys() - {"resnet18"}


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16", np.int32, complex, object])
@pytest.mark.parametrize("name", MAKERS)
def test_a_dtype_that_layers_do_not_compute_in_is_refused_when_they_are_made(name, dtype):
    with pytest.raises(
        TypeError, match=r"a layer's dtype must be float32 or float64, got (float16|bfloat16|int32|c|o)"
    ):
        MAKERS[name](dtype=dtype)


def test_a_list_as_input_is_named():
    with pytest.raises(TypeError, match=r"^Linear: the input x is a list; pass np.asarray\(x, np.float32\)"):
        MAKERS["Linear"](dtype="float32")([[1.0, 2.0]])


@pytest.mark.parametrize("given", ["float64", "float32", "uint8", "float16", "int64", "bool"])
@pytest.mark.parametrize("name", [*(name for name in MAKERS if name != "Embedding"), *OTHER_CALLS])
def test_an_input_of_another_dtype_is_refused_by_name_with_the_cure(name, given):
    maker, call = OTHER_CALLS.get(name, (name, lambda layer, x: layer(x)))
    own = "float64" if given == "float32" else "float32"
    cure = rf"pass x.astype\(np.{own}\)"
    if given in ("float32", "float64"):
        cure += f", or make the layer with dtype=np.{given}$"
    layer = MAKERS[maker](dtype=own)
    says = WHOLE.get(maker, maker)
    with pytest.raises(
        TypeError, match=rf"^{says}: the input x is {given} \(.*\), but the parameters are {own}; {cure}"
    ):
        call(layer, np.ones(SHAPES.get(maker, (2, 4, 4)), given))
