"""Blocks of units: unbiased for any number of groups, and exact for as many as there are units."""

import numpy as np
import pytest

from fwdad import nn, tree
from fwdad.estimators import Blocks, ByError, ForwardGradient, exact_gradient
from fwdad.estimators.blocks import shares
from fwdad.perturbation import Activities
from fwdad.tangents import BlocksTangent, StackedTangent
from fwdad.testing import expect_close

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((6, 5)), RNG.integers(0, 3, 6)


def loss(model, x, y):
    return nn.cross_entropy(model(x), y)


def flat(gradient):
    return np.concatenate([np.ravel(g) for g in tree.leaves(gradient)])


def mlp(activation):
    return nn.MLP((5, 7, 6, 3), activation=activation, seed=1, dtype=np.float64)


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("perturb", ["activity", Activities("batch"), "weight"], ids=["example", "batch", "weight"])
@pytest.mark.parametrize("rows", [None, ByError(0.5, seed=3)], ids=["all rows", "rows by error"])
def test_the_mean_of_many_draws_is_the_gradient(perturb, rows, k):
    model = mlp("relu")
    fg = ForwardGradient(Blocks(k, seed=1), perturb=perturb, rows=rows)
    draws = np.array([flat(fg(loss, model, X, Y)[1]) for _ in range(400)])
    error = np.abs(draws.mean(0) - flat(exact_gradient(loss, model, X, Y)[1]))
    assert np.all(error <= 5 * draws.std(0) / np.sqrt(len(draws)) + 1e-10)
    assert np.any(draws.std(0) > 0)


@pytest.mark.parametrize("perturb", ["activity", Activities("batch")], ids=["example", "batch"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("k", [16, 20])
def test_a_group_for_each_unit_gives_the_gradient(perturb, activation, k):
    model = mlp(activation)
    _, gradient = ForwardGradient(Blocks(k), perturb=perturb)(loss, model, X, Y)
    expect_close(flat(gradient), flat(exact_gradient(loss, model, X, Y)[1]), 1e-12, "gradient")


@pytest.mark.parametrize("per_row", [False, True])
def test_groups_share_no_unit_and_cover_all(per_row):
    v = Blocks(5, seed=2).directions([np.zeros((4, 6)), np.zeros((4, 2))], step=3, per_row=per_row)
    assert all(isinstance(part, StackedTangent) for part in v.parts)
    assert all(isinstance(group.part, BlocksTangent) for part in v.parts for group in part.groups)
    dense = np.abs(v.dense())
    assert np.array_equal(dense.sum(axis=-2), np.ones_like(dense.sum(axis=-2)))


@pytest.mark.parametrize(
    ("sizes", "k", "expected"),
    [
        ((4, 2), 2, [1, 1]),
        ((4, 2), 3, [2, 1]),
        ((4, 2), 99, [4, 2]),
        ((256, 256, 10), 16, [8, 7, 1]),
        ((4, 2), 1, [1, 1]),
    ],
)
def test_shares(sizes, k, expected):
    assert [count for _, count in shares(sizes, k)] == expected
