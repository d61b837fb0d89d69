import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwdad.data import Batches
from fwdad.data.batches import permutation


@given(n=st.integers(1, 60), batch_size=st.integers(1, 70), seed=st.integers(0, 2**64), epoch=st.integers(0, 5))
def test_every_epoch_visits_every_example_once(n, batch_size, seed, epoch):
    batches = Batches(n, batch_size, seed=seed)
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    visited = [batches.indices(step) for step in steps]
    assert sorted(np.concatenate(visited)) == list(range(n))
    assert all(len(rows) == batch_size for rows in visited[:-1])
    assert 1 <= len(visited[-1]) <= batch_size
    assert [batches.position(step) for step in steps] == [(epoch, i) for i in range(batches.steps_per_epoch)]


def test_the_order_is_a_function_of_seed_and_step_alone():
    forward, backward = Batches(50, 7, seed=3), Batches(50, 7, seed=3)
    expected = {step: forward.indices(step) for step in range(30)}
    for step in reversed(range(30)):
        np.testing.assert_array_equal(backward.indices(step), expected[step])


def test_epochs_and_seeds_differ():
    orders = [tuple(Batches(50, 50, seed=seed).indices(epoch)) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4


def test_the_order_never_changes_with_a_version():
    # A resumed run relies on these very orders; a change here breaks every checkpoint in the world.
    assert permutation(10, 0, 0).tolist() == [0, 8, 9, 3, 7, 5, 1, 2, 6, 4]
    assert permutation(10, 7, 3).tolist() == [7, 1, 9, 6, 0, 4, 2, 8, 3, 5]


@pytest.mark.parametrize(
    ("n", "batch_size", "seed", "name"), [(0, 4, 0, "n"), (4, 0, 0, "batch_size"), (4, 4, -1, "seed"), (-1, 4, 0, "n")]
)
def test_bad_sizes_are_named(n, batch_size, seed, name):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        Batches(n, batch_size, seed=seed)


def test_a_negative_step_is_refused():
    with pytest.raises(ValueError, match="step"):
        Batches(4, 2).indices(-1)
