"""All units as directions: the gradient itself; and rows that are drawn by their error."""

import numpy as np
import pytest

import fwdad
from fwdad import nn, tree
from fwdad.estimators import ByError, ForwardGradient, Normal, Units, cost_of_units, exact_gradient
from fwdad.estimators.rows import probabilities, systematic
from fwdad.nn import models
from fwdad.tangents import ConvolvedTangent, RenamedTangent, SelectedTangent, ThinImageTangent, images
from fwdad.testing import expect_close

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((6, 5)), RNG.integers(0, 3, 6)


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def squared(model, x, y):
    return nn.squared_error(model(x), np.eye(3)[y])


def flat(gradient):
    return np.concatenate([np.ravel(g) for g in tree.leaves(gradient)])


def mlp(*hidden, activation="tanh", dtype=np.float64):
    return nn.MLP((5, *hidden, 3), activation=activation, seed=1, dtype=dtype)


def linear(inputs, outputs, activation="identity"):
    return nn.Linear(inputs, outputs, activation=activation, seed=inputs, dtype=np.float64)


MODELS = {
    "linear": lambda: mlp(),
    "one hidden layer": lambda: mlp(4),
    "two, relu": lambda: mlp(7, 6, activation="relu"),
    "two, gelu": lambda: mlp(7, 6, activation="gelu"),
    "two, elu": lambda: mlp(7, 6, activation="elu"),
    "three": lambda: mlp(7, 6, 5),
    "normalised": lambda: nn.Sequential([linear(5, 4, "identity"), nn.LayerNorm(4, dtype=np.float64), linear(4, 3)]),
    "residual": lambda: nn.Sequential([nn.Residual(linear(5, 5, "tanh")), linear(5, 3)]),
}


PICTURES = RNG.standard_normal((6, 2, 7, 6))


def conv(inputs, outputs, *size, activation="relu", **options):
    return nn.Conv2d(inputs, outputs, *size, activation=activation, seed=inputs, dtype=np.float64, **options)


def head(inputs):
    return nn.Flatten(), linear(inputs, 3)


IMAGE_MODELS = {
    "one convolution": lambda: [conv(2, 3, 3), *head(60)],
    "two": lambda: [conv(2, 3, 3, stride=2, padding=1), conv(3, 4, 3, stride=2, padding=1), *head(16)],
    "two, tanh": lambda: [conv(2, 3, 3, activation="tanh"), conv(3, 2, (2, 3), activation="tanh"), *head(16)],
    "two, elu": lambda: [conv(2, 3, 3, activation="elu"), conv(3, 2, (2, 3), activation="elu"), *head(16)],
    "dilated": lambda: [conv(2, 3, 3, padding=1), conv(3, 2, 2, dilation=2), *head(40)],
    "max pooling": lambda: [conv(2, 3, 2, padding=1), nn.MaxPool2d(2), conv(3, 2, 2), nn.MaxPool2d((3, 2)), *head(2)],
    "padded pooling": lambda: [conv(2, 3, 2), nn.MaxPool2d(3, stride=2, padding=1), conv(3, 2, 2), *head(8)],
    "overlapping pooling": lambda: [conv(2, 3, 2), conv(3, 2, 2), nn.MaxPool2d(3, stride=1), *head(12)],
    "mean pooling": lambda: [conv(2, 3, 2), nn.AvgPool2d(2), conv(3, 2, 2), nn.AdaptiveAvgPool2d(1), *head(2)],
    "groups": lambda: [conv(2, 4, 3), conv(4, 2, 2, groups=2), *head(24)],
    "normalised": lambda: [conv(2, 2, 3), nn.BatchNorm(2, dtype=np.float64), conv(2, 2, 2), *head(24)],
    "three": lambda: [conv(2, 2, 3), conv(2, 2, 2), conv(2, 2, 2), *head(12)],
    "a hidden layer": lambda: [conv(2, 2, 3), conv(2, 2, 2), nn.Flatten(), linear(24, 5, "relu"), linear(5, 3)],
    "residual": lambda: [nn.Residual(conv(2, 2, 3, padding=1)), conv(2, 2, 3), *head(40)],
    "the channels' means": lambda: [conv(2, 2, 3), conv(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
}
NETWORKS = {name: (make, X) for name, make in MODELS.items()} | {
    name: (lambda make=make: nn.Sequential(make()), PICTURES) for name, make in IMAGE_MODELS.items()
}


@pytest.mark.parametrize("of", [loss, squared])
@pytest.mark.parametrize("name", NETWORKS)
def test_units_give_the_gradient(name, of):
    make, x = NETWORKS[name]
    model = make()
    value, gradient = ForwardGradient(Units())(of, model, x, Y)
    expected_value, expected = exact_gradient(of, model, x, Y, perturb="weight")
    assert value == pytest.approx(expected_value, rel=1e-13)
    expect_close(flat(gradient), flat(expected), 1e-12, "gradient")
    expect_close(flat(exact_gradient(of, model, x, Y)[1]), flat(expected), 1e-12, "exact_gradient")


@pytest.mark.parametrize("name", ["two", "two, tanh", "dilated", "max pooling"])
@pytest.mark.parametrize("rows", [None, ByError(0.5)])
def test_directions_of_images_are_not_stored(name, rows, monkeypatch):
    for kind in (SelectedTangent, ConvolvedTangent, ThinImageTangent, RenamedTangent):
        monkeypatch.delattr(kind, "dense")
    ForwardGradient(Units(), rows=rows)(loss, nn.Sequential(IMAGE_MODELS[name]()), PICTURES, Y)


def test_directions_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", 1000)
    with pytest.raises(MemoryError, match=r"GiB: more than one large layer .* Take random directions"):
        ForwardGradient(Units())(loss, nn.Sequential(IMAGE_MODELS["three"]()), PICTURES, Y)


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda: models.ConvNet((1, 28, 28), 10), 8, 9),
        (lambda: models.ConvNet((1, 28, 28), 10, channels=(8, 16, 32)), 100, 10_000),
        (lambda: models.LeNet5((1, 28, 28), 10), np.inf, np.inf),
        (lambda: nn.Sequential([nn.Conv2d(1, 4, 5, stride=4), nn.Flatten(), nn.Linear(144, 10)]), 0, 0),
    ],
    ids=["two convolutions", "three", "LeNet", "one"],
)
def test_cost_of_convolutional_networks(make, low, high):
    x = np.ones((2, 1, 28, 28), np.float32)
    assert low <= cost_of_units(loss, make(), x, np.zeros(2, int)) <= high


def test_units_in_float32():
    model = mlp(40, 30, activation="relu", dtype=np.float32)
    x = RNG.standard_normal((64, 5)).astype(np.float32)
    y = RNG.integers(0, 3, 64)
    _, gradient = ForwardGradient(Units())(loss, model, x, y)
    double = tree.map(lambda a: a.astype(np.float64), model)
    _, expected = exact_gradient(loss, double, x.astype(np.float64), y, perturb="weight")
    found, expected = flat(gradient), flat(expected)
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_batches_of_other_sizes_and_other_models():
    fg = ForwardGradient(Units())
    for model, rows in ((mlp(4), 6), (mlp(4), 3), (mlp(7, 6), 5), (mlp(), 6)):
        _, gradient = fg(loss, model, X[:rows], Y[:rows])
        _, expected = exact_gradient(loss, model, X[:rows], Y[:rows], perturb="weight")
        expect_close(flat(gradient), flat(expected), 1e-12, "gradient")


def test_units_are_for_activities():
    with pytest.raises(TypeError, match="perturb='activity'"):
        ForwardGradient(Units(), perturb="weight")(loss, mlp(4), X, Y)


@pytest.mark.parametrize(
    ("sampler", "perturb", "name"),
    [
        (Units(), "activity", "one hidden layer"),
        (Normal(40, seed=1), "activity", "one hidden layer"),
        (Normal(200, seed=1), "weight", "one hidden layer"),
        (Units(), "activity", "two"),
        (Units(), "activity", "max pooling"),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_rows_by_error_are_unbiased(sampler, perturb, name, share):
    """The mean of many draws is the gradient: random directions span their spaces, so that the projection is exact."""
    make, x = NETWORKS[name]
    model = make()
    fg = ForwardGradient(sampler, perturb=perturb, rows=ByError(share, seed=3))
    draws = np.array([flat(fg(loss, model, x, Y)[1]) for _ in range(400)])
    _, expected = exact_gradient(loss, model, x, Y, perturb="weight")
    error = np.abs(draws.mean(0) - flat(expected))
    assert np.all(error <= 5 * draws.std(0) / np.sqrt(len(draws)) + 1e-10)
    assert np.any(draws.std(0) > 0)


def test_the_value_is_that_of_all_rows():
    model = mlp(4)
    value, _ = ForwardGradient(Units(), rows=ByError(0.2))(loss, model, X, Y)
    assert value == pytest.approx(np.mean(loss(model, X, Y)), rel=1e-13)


def test_a_share_of_one_draws_every_row():
    model = mlp(4)
    _, gradient = ForwardGradient(Units(), rows=ByError(1.0))(loss, model, X, Y)
    expect_close(flat(gradient), flat(exact_gradient(loss, model, X, Y)[1]), 1e-13, "gradient")


def test_a_draw_depends_on_seed_and_step_alone():
    model = mlp(4)

    def draw(seed, step):
        fg = ForwardGradient(Units(), rows=ByError(0.5, seed=seed))
        fg.step = step
        return flat(fg(loss, model, X, Y)[1])

    assert np.array_equal(draw(1, 4), draw(1, 4))
    assert len({draw(seed, step).tobytes() for seed in range(3) for step in range(3)}) > 1


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "size", [np.zeros(8), np.ones(8), np.arange(8.0), np.array([0, 0, 0, 5.0, 0, 0, 0, 0]), 10.0 ** np.arange(8)]
)
def test_probabilities(share, size):
    p = probabilities(size, share)
    assert np.all((p >= 0) & (p <= 1))
    assert p.sum() == pytest.approx(round(p.sum()))
    assert np.all(p[size > 0] > 0)
    free = (p < 1) & (size > 0)
    if np.any(size > 0) and share < 1:
        ratios = p[free] / size[free]
        assert np.all(np.abs(ratios - ratios[:1]) <= 1e-12 * ratios)
    counts = np.zeros(8)
    for u in (np.arange(1000) + 0.5) / 1000:
        drawn = systematic(p, u)
        assert len(drawn) == round(p.sum())
        counts[drawn] += 1
    expect_close(counts / 1000, p, 2e-3, "frequencies")


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_shares_out_of_range(share):
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\]"):
        ByError(share)


def test_rows_and_statistics_of_a_batch():
    net = nn.Sequential([linear(5, 4), nn.BatchNorm(4, dtype=np.float64), linear(4, 3)])
    fg = ForwardGradient(Normal(3), rows=ByError(0.5))
    fg(loss, net, X, Y)  # in evaluation its statistics are fixed
    with nn.training(step=0), pytest.raises(ValueError, match="train BatchNorm without rows="):
        fg(loss, net, X, Y)
    with nn.training(step=0):  # one pass sees the whole batch
        _, expected = ForwardGradient(Units())(loss, net, X, Y)
        draws = [flat(ForwardGradient(Units(), rows=ByError(0.5, seed=s))(loss, net, X, Y)[1]) for s in range(400)]
    error = np.abs(np.mean(draws, axis=0) - flat(expected))
    assert np.all(error <= 5 * np.std(draws, axis=0) / np.sqrt(len(draws)) + 1e-10)


@pytest.mark.parametrize("of", [loss, squared])
def test_rows_of_units_are_their_own_gradients(of):
    """What one pass gives for the drawn rows is what a pass of these rows alone gives."""
    model = mlp(7, 6, activation="relu")
    fg = ForwardGradient(Units(), rows=ByError(0.5, seed=1))
    rows, _ = fg.rows.draw(of, model, (X, Y), fg.step)
    _, gradient = fg(of, model, X, Y)
    _, expected = exact_gradient(
        lambda m, x, y: of(m, x, y) * rows.weights, model, X[rows.numbers], Y[rows.numbers], perturb="weight"
    )
    expect_close(flat(gradient), flat(expected), 1e-12, "gradient")


def test_rows_need_losses_of_rows():
    with pytest.raises(ValueError, match="depends on another example"):
        ForwardGradient(Units(), rows=ByError(0.5))(lambda m, x, y: loss(m, x - np.mean(m(x)), y), mlp(4), X, Y)
    with pytest.raises(ValueError, match="needs a layer"):
        ForwardGradient(Normal(2), perturb="weight", rows=ByError(0.5))(lambda m, x: np.sum(m * x, 1), np.ones(5), X)


def test_it_trains():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 5)).astype(np.float32)
    y = np.argmax(x @ rng.standard_normal((5, 3)), axis=1)
    model = mlp(16, 16, activation="relu", dtype=np.float32)
    fg = ForwardGradient(Units(), rows=ByError(0.25))
    optimizer = fwdad.optim.sgd(0.2, momentum=0.9)
    state = optimizer.init(model)
    for step in range(100):
        rows = np.arange(64) + 64 * (step % 4)
        _, gradient = fg(loss, model, x[rows], y[rows])
        model, state = optimizer.step(gradient, state, model)
    assert nn.accuracy(model(x), y) > 0.97
