"""Forward gradients against the true gradient, which is exact once the directions span the space."""

import numpy as np
import pytest

import fwdad
from fwdad import estimators, functions, nn, tree
from fwdad.estimators import (
    COMBINERS,
    SAMPLERS,
    Blocks,
    ForwardGradient,
    Haar,
    LowRank,
    Mean,
    MeanTimesDimension,
    Normal,
    Normalised,
    Orthogonal,
    Projection,
    Rademacher,
    StandardBasis,
    Sum,
)
from fwdad.perturbation import Activities, Directions
from fwdad.perturbation.directions import EXACT_BELOW
from fwdad.testing import expect_close

RNG = np.random.default_rng(11)
X, Y = RNG.standard_normal((5, 3)), RNG.integers(0, 2, 5)
MODES = ["weight", "activity", Activities("batch")]


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def model(activation="tanh", dtype=np.float64):
    return nn.MLP((3, 4, 2), activation=activation, seed=1, dtype=dtype)


def true_gradient(m, x=X, y=Y):
    """One parameter after the other, by jacfwd."""
    leaves, structure = tree.flatten(m)
    grads = []
    for i in range(len(leaves)):

        def of_leaf(leaf, i=i):
            return np.mean(loss(tree.unflatten(structure, [*leaves[:i], leaf, *leaves[i + 1 :]]), x, y))

        grads.append(fwdad.jacfwd(of_leaf)(leaves[i]))
    return np.concatenate([g.ravel() for g in grads])


def flat(grads):
    return np.concatenate([g.ravel() for g in tree.leaves(grads)])


@pytest.mark.parametrize(
    ("sampler", "mode", "k"),
    [
        (sampler, mode, k)
        for sampler in SAMPLERS.values()
        for mode, k in [("weight", 26), ("weight", 40), ("activity", 6), ("activity", 9), (Activities("batch"), 9)]
        if sampler is not LowRank or mode != "activity"
        if sampler is not Blocks or mode != "weight"  # a column of weights is never more than one direction
    ],
)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_projection_is_exact_when_directions_span_the_space(sampler, mode, k, activation):
    """26 parameters, 6 activities an example. k > n has dependent directions; signs may need k > n to span."""
    m = model(activation)
    k = k + 20 if sampler is Rademacher else k
    value, grads = ForwardGradient(sampler(k, seed=3), Projection(), mode)(loss, m, X, Y)
    assert value == pytest.approx(np.mean(loss(m, X, Y)), rel=1e-14)
    # Directions are float32 values and as many as dimensions: their condition number may reach 1e4.
    expect_close(flat(grads), true_gradient(m), 1e-7, "exact gradient")


@pytest.mark.parametrize(
    ("sampler", "combiner"),
    [
        (Normal, Mean), (Rademacher, Mean), (Orthogonal, Mean),
        (Normalised, MeanTimesDimension), (StandardBasis, MeanTimesDimension), (Haar, MeanTimesDimension),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_mean_is_unbiased(sampler, combiner, mode, activation):
    m = model(activation)
    fg = ForwardGradient(sampler(8, seed=5), combiner(), mode)
    draws = np.array([flat(fg(loss, m, X, Y)[1]) for _ in range(400)])
    error = draws.mean(0) - true_gradient(m)
    assert np.all(np.abs(error) <= 5 * draws.std(0) / np.sqrt(len(draws)) + 1e-12)
    assert fg.step == 400


def test_cosine_of_the_projection_follows_theory():
    """E cos^2 = k / P (arXiv 2410.17764, section 3.3)."""
    n, k, gradient = 40, 10, RNG.standard_normal(40)
    fg = ForwardGradient(Normal(k, seed=2), Projection(), "weight")
    squares = []
    for _ in range(500):
        _, g = fg(lambda x: np.sum(x * gradient), np.zeros(n))
        squares.append((g @ gradient) ** 2 / (g @ g) / (gradient @ gradient))
    assert abs(np.mean(squares) - k / n) < 4 * np.std(squares) / np.sqrt(len(squares))


def test_sum_is_k_times_mean():
    m = model()
    mean, total = (flat(ForwardGradient(Normal(6), c, "weight")(loss, m, X, Y)[1]) for c in (Mean(), Sum()))
    expect_close(total, 6 * mean, 1e-13, "sum")


@pytest.mark.parametrize("perturb", ["weight", "activity"])
@pytest.mark.parametrize("combiner", COMBINERS.values())
def test_float32_follows_float64(perturb, combiner):
    """The same directions in both precisions, by the random contract."""
    single, double = (
        flat(ForwardGradient(Normal(4), combiner(), perturb)(loss, model("relu", dtype), X.astype(dtype), Y)[1])
        for dtype in (np.float32, np.float64)
    )
    assert single.dtype == np.float32
    expect_close(single, double, 2e-5, "float32")


@pytest.mark.parametrize("perturb", ["weight", "activity"])
def test_a_draw_depends_on_seed_and_step_alone(perturb):
    m = model()

    def draw(seed, step):
        fg = ForwardGradient(Normal(3, seed=seed), Mean(), perturb)
        fg.step = step
        return flat(fg(loss, m, X, Y)[1])

    assert np.array_equal(draw(1, 7), draw(1, 7))
    assert not np.any(draw(1, 7) == draw(1, 8))
    assert not np.any(draw(1, 7) == draw(2, 7))


class Twice(nn.Module):
    """One layer called twice, and one that is never called."""

    inner: nn.Linear
    unused: nn.Linear

    def __call__(self, x):
        return self.inner(np.tanh(self.inner(x)))


@pytest.mark.parametrize("perturb", ["weight", "activity"])
def test_shared_and_unused_layers(perturb):
    m = Twice(nn.Linear(3, 3, seed=0, dtype=np.float64), nn.Linear(2, 2, seed=1, dtype=np.float64))
    _, grads = ForwardGradient(Normal(30), Projection(), perturb)(loss, m, X, Y)
    expect_close(flat(grads), true_gradient(m), 1e-6, "shared layer")
    assert not np.any(flat(grads.unused)) or perturb == "weight"


def test_sequences_are_perturbed_in_every_position():
    """x (B, T, features): an example's row holds all its positions."""
    layer = nn.Linear(3, 2, seed=0, dtype=np.float64)
    x = RNG.standard_normal((4, 5, 3))

    def sequence_loss(m, x):
        return np.sum(np.tanh(m(x)) ** 2, axis=(1, 2))

    _, grads = ForwardGradient(Normal(14), Projection(), "activity")(sequence_loss, layer, x)
    truth = fwdad.jacfwd(lambda w: np.mean(sequence_loss(lambda x: x @ w + layer.bias, x)))(layer.weight)
    expect_close(grads.weight, truth, 1e-7, "sequence")


def test_a_loss_that_does_not_move_has_gradient_zero():
    for perturb in ("weight", "activity"):
        value, grads = ForwardGradient(Normal(3), perturb=perturb)(lambda m, x: np.ones(5), model(), X)
        assert value == 1
        assert not np.any(flat(grads))


def test_nan_is_not_hidden():
    for perturb in ("weight", "activity"):
        for combiner in COMBINERS.values():
            with np.errstate(invalid="ignore"):
                value, grads = ForwardGradient(Normal(3), combiner(), perturb)(loss, model(), X * np.nan, Y)
            assert np.isnan(value)
            assert np.any(np.isnan(flat(grads)))


def test_two_threads_have_their_own_passes():
    from concurrent.futures import ThreadPoolExecutor

    def work(seed):
        fg = ForwardGradient(Normal(9, seed=seed), Projection(), "activity")
        return [flat(fg(loss, model(), X, Y)[1]) for _ in range(20)]

    with ThreadPoolExecutor(2) as pool:
        for grads in pool.map(work, [1, 2]):
            for g in grads:
                expect_close(g, true_gradient(model()), 1e-6, "thread")


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "from 1 to 65,536; got 0", lambda: Normal(0)),
        (ValueError, "from 1 to 65,536; got 2.5", lambda: Normal(2.5)),
        (ValueError, "seed", lambda: Normal(1, seed=-1)),
        (ValueError, "weight, activity; got 'weights'", lambda: ForwardGradient(Normal(1), perturb="weights")),
        (
            ValueError,
            "one number or one per example",
            lambda: ForwardGradient(Normal(1), perturb="weight")(lambda m: m, np.eye(2)),
        ),
        (
            ValueError,
            "one loss per example",
            lambda: ForwardGradient(Normal(1), perturb="activity")(lambda m: np.mean(m(X)), model()),
        ),
        (
            ValueError,
            "no parameters",
            lambda: ForwardGradient(Normal(1), perturb="weight")(lambda m: 1.0, 3),
        ),
        (
            TypeError,
            "belongs to no layer",
            lambda: ForwardGradient(Normal(1), perturb="activity")(lambda p: p, np.ones(3)),
        ),
        (
            ValueError,
            "saw 5 rows but the loss has 1 examples",
            lambda: ForwardGradient(Normal(1), perturb="activity")(lambda m: np.mean(m(X)).reshape(1), model()),
        ),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_failed_call_takes_no_step():
    fg = ForwardGradient(Normal(1))
    with pytest.raises(ZeroDivisionError):
        fg(lambda m: 1 // 0, np.ones(2))
    assert fg.step == 0


def test_names_on_the_command_line():
    assert set(estimators.SAMPLERS) == {
        "normal", "rademacher", "normalised", "basis", "haar", "orthogonal", "fixed-angle", "low-rank", "blocks"
    }  # fmt: skip
    assert set(estimators.COMBINERS) == {
        "mean", "sum", "mean-times-dimension", "max", "max-normalised", "mean-of-near-best", "projection"
    }  # fmt: skip
    assert "identity" in functions.ACTIVATIONS


def test_projection_of_large_dependent_directions_multiplies_exactly():
    """Directions in float32 that are multiples of others, up to rounding, add nothing: the rank is seen through it."""
    v = np.random.default_rng(3).standard_normal((4, EXACT_BELOW)).astype(np.float32)
    gradient = np.random.default_rng(4).standard_normal(v.shape[1])
    for repeated in (np.concatenate([v, 3 * v]), np.concatenate([v, v + np.float32(1e-3) * v[::-1]])):
        d = repeated.astype(np.float64) @ gradient
        (estimate,) = Projection().gradient(d, Directions([repeated]))
        basis = np.linalg.qr(v.astype(np.float64).T)[0]
        expected = basis @ (basis.T @ gradient)
        assert np.linalg.norm(estimate - expected) <= 1e-6 * np.linalg.norm(expected)


def test_gram_matrices_of_large_layers_are_formed_in_the_pass():
    layer = nn.Linear(200, 200, seed=1)
    x = np.random.default_rng(5).standard_normal((3, 200)).astype(np.float32)
    estimates = {}
    for combiner in (Projection(), Projection(method="gram-schmidt"), Mean()):
        estimate = ForwardGradient(Normal(4, seed=2), combiner, "weight").estimate(
            lambda m, x: np.sum(m(x) ** 2), layer, x
        )
        weight, bias = estimate.outcome.directions.parts
        assert (weight.slot is not None and weight.slot.gram is not None) == (combiner == Projection())
        assert bias.slot is None
        estimates[combiner] = estimate.gradient.weight
    on_the_way, by_gram_schmidt = estimates[Projection()], estimates[Projection(method="gram-schmidt")]
    assert np.linalg.norm(on_the_way - by_gram_schmidt) <= 1e-6 * np.linalg.norm(by_gram_schmidt)
