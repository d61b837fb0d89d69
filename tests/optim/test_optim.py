"""Optimisers against their equations, written out step by step."""

import numpy as np
import pytest

from fwdad import optim, tree
from fwdad.testing import expect_close

GRADS = np.random.default_rng(0).standard_normal((6, 3))


def run(optimizer, p):
    params = {"p": p.copy()}
    state = optimizer.init(params)
    for g in GRADS:
        params, state = optimizer.step({"p": g.astype(p.dtype)}, state, params)
    assert int(state["step"]) == len(GRADS)
    return params["p"]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_sgd(momentum, nesterov, decay):
    if nesterov and not momentum:
        with pytest.raises(ValueError, match="nesterov"):
            optim.sgd(0.1, nesterov=True)
        return
    p, b = np.ones(3), np.zeros(3)
    for g in GRADS:
        g = g + decay * p
        b = momentum * b + g
        p = p - 0.1 * (g + momentum * b if nesterov else b)
    expect_close(run(optim.sgd(0.1, momentum, nesterov, decay), np.ones(3)), p, 1e-14, "sgd")


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw(decay):
    p, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    for t, g in enumerate(GRADS, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        p = p - 0.1 * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8) + decay * p)
    expect_close(run(optim.adamw(0.1, beta2=0.99, weight_decay=decay), np.ones(3)), p, 1e-13, "adamw")
    if not decay:
        expect_close(run(optim.adam(0.1, beta2=0.99), np.ones(3)), p, 1e-13, "adam")


OPTIMISERS = {
    "sgd": optim.sgd(0.1),
    "a NumPy rate": optim.sgd(lambda step: np.float64(0.1) / (step + 1), momentum=0.5),
    "nesterov": optim.sgd(0.1, 0.9, True, 0.01),
    "rmsprop": optim.rmsprop(0.01, momentum=0.5),
    "adamw": optim.adamw(0.01),
    "clipped": optim.clipped(optim.sgd(0.1), 1.0),
    "averaged": optim.averaged(optim.sgd(0.1)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_is_the_parameters_and_the_updates(name, dtype):
    """With the same bits, of large arrays, which go through a kernel, and of their small pieces, which do not."""
    optimizer, rng = OPTIMISERS[name], np.random.default_rng(1)
    params = {"w": rng.standard_normal((300, 400)).astype(dtype), "seen": tree.Buffer(np.ones(3, dtype))}
    state = optimizer.init(params)
    pieces = [({"w": row.copy()}, optimizer.init({"w": row.copy()})) for row in params["w"]]
    for _ in range(3):
        grads = {"w": rng.standard_normal((300, 400)).astype(dtype), "seen": tree.Buffer(np.zeros(3, dtype))}
        updates, _ = optimizer.update(grads, state, params)
        by_updates = optim.apply_updates(params, updates)
        params, state = optimizer.step(grads, state, params)
        np.testing.assert_array_equal(params["w"], by_updates["w"])
        np.testing.assert_array_equal(params["seen"].value, 1)
        if name != "clipped":  # by the norm of all rows together
            pieces = [optimizer.step({"w": g}, s, p) for g, (p, s) in zip(grads["w"], pieces, strict=True)]
            np.testing.assert_array_equal(params["w"], np.stack([p["w"] for p, _ in pieces]))


def test_wrappers_keep_the_one_pass_of_what_they_wrap():
    params = {"w": np.ones(3), "b": np.ones(2)}
    for wrapped in (
        optim.clipped(optim.sgd(0.5), 100.0),
        optim.grouped({"all": optim.sgd(0.5)}, lambda path: "all"),
        optim.averaged(optim.clipped(optim.rmsprop(0.5), 100.0)),
    ):
        updates, _ = wrapped.update(params, wrapped.init(params), params)
        assert all(isinstance(update, optim.Scaled) and update.factor == -0.5 for update in tree.leaves(updates))


def test_a_scaled_update_is_an_array_to_whatever_else_is_done_with_it():
    updates, _ = optim.sgd(0.5).update({"w": np.ones(3)}, {"step": np.array(0)}, {"w": np.ones(3)})
    doubled = tree.map(lambda update: 2 * update, updates)
    np.testing.assert_array_equal(optim.apply_updates({"w": np.ones(3)}, doubled)["w"], 0)
    assert np.linalg.norm(updates["w"]) == pytest.approx(np.sqrt(0.75))


def test_float32_parameters_stay_float32():
    for optimizer in (optim.sgd(0.1, 0.9, True, 0.1), optim.adamw(optim.cosine(0.1, 10))):
        assert run(optimizer, np.ones(3, np.float32)).dtype == np.float32


def test_schedules_reach_the_optimiser():
    p = run(optim.sgd(optim.step_decay(1.0, every=2, factor=0.5)), np.zeros(3))
    expect_close(p, -(np.array([1, 1, 0.5, 0.5, 0.25, 0.25]) @ GRADS), 1e-14, "schedule")


def test_warm_up_and_cosine():
    schedule = optim.cosine(1.0, steps=12, warmup=4, final=0.2)
    assert [schedule(t) for t in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule(4) == 1.0
    assert schedule(8) == pytest.approx(0.6)
    assert schedule(12) == schedule(100) == pytest.approx(0.2)


def test_warm_up_and_a_straight_line():
    schedule = optim.linear(1.0, steps=12, warmup=4)
    assert [schedule(t) for t in (0, 3, 4, 6, 12, 100)] == [0.25, 1.0, 1.0, 0.75, 0.0, 0.0]
    with pytest.raises(ValueError, match="steps must be at least 5"):
        optim.linear(1.0, steps=4, warmup=4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop(momentum):
    p, v, b = np.ones(3), np.zeros(3), np.zeros(3)
    for g in GRADS:
        v = 0.9 * v + 0.1 * g * g
        b = momentum * b + g / (np.sqrt(v) + 1e-8)
        p = p - 0.1 * b
    expect_close(run(optim.rmsprop(0.1, 0.9, momentum=momentum), np.ones(3)), p, 1e-13, "rmsprop")


def test_clipping_is_over_all_parameters_and_leaves_short_gradients_alone():
    params = {"a": np.zeros(2, np.float32), "b": np.zeros((2, 1))}
    optimizer = optim.clipped(optim.sgd(1.0), 2.0)
    for length in (0.5, 2.0, 8.0):
        grads = {"a": np.array([length / 2, length / 2], np.float32), "b": np.full((2, 1), length / 2)}
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        assert np.asarray(updates["a"]).dtype == np.float32
        for name in params:
            expect_close(-updates[name], grads[name] * min(1.0, 2 / length), 1e-7, "clipped")


def test_groups_have_states_and_rates_of_their_own():
    group_of = {"w": "adam", "b": "sgd"}.__getitem__
    optimizer = optim.grouped({"sgd": optim.sgd(0.1, 0.9), "adam": optim.adam(0.1)}, group_of)
    params, state = {"w": np.ones(3), "b": np.ones(3)}, optimizer.init({"w": np.ones(3), "b": np.ones(3)})
    for g in GRADS:
        updates, state = optimizer.update({"w": g, "b": g}, state, params)
        params = optim.apply_updates(params, updates)
    assert [*state] == ["sgd", "adam"]
    expect_close(params["w"], run(optim.adam(0.1), np.ones(3)), 0.0, "adam's group")
    expect_close(params["b"], run(optim.sgd(0.1, 0.9), np.ones(3)), 0.0, "sgd's group")
    with pytest.raises(KeyError, match="parameter c is of group 'none', which has no optimiser"):
        optim.grouped({"sgd": optim.sgd(0.1)}, lambda path: "none").init({"c": np.ones(1)})


def test_the_average_follows_the_parameters_and_does_not_disturb_them():
    optimizer = optim.averaged(optim.sgd(0.1), decay=0.5)
    p = a = np.ones(3)
    state = optimizer.init(p)
    for t, g in enumerate(GRADS):
        updates, state = optimizer.update(g, state, p)
        p = p + updates
        d = min(0.5, (1 + t) / (10 + t))
        a = d * a + (1 - d) * p
    expect_close(p, run(optim.sgd(0.1), np.ones(3)), 1e-15, "parameters")
    expect_close(state["average"], a, 1e-15, "average")


def test_a_plateau_counts_from_the_last_improvement():
    schedule = optim.Plateau(1.0, patience=2, factor=0.5, warmup=2)
    assert (schedule(0), schedule(1), schedule(2)) == (0.5, 1.0, 1.0)
    rates = []
    for loss in (3.0, 3.0, 2.0, 2.0, float("nan"), 2.0, 2.0, 1.0):
        schedule.observe(loss)
        rates.append(schedule(9))
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("learning_rate", lambda: optim.sgd(-1.0)),
        ("learning_rate", lambda: optim.sgd(float("nan"))),
        ("momentum", lambda: optim.sgd(0.1, momentum=1.0)),
        ("weight_decay", lambda: optim.adamw(0.1, weight_decay=-1.0)),
        ("beta2", lambda: optim.adam(0.1, beta2=1.0)),
        ("steps", lambda: optim.cosine(0.1, steps=3, warmup=3)),
        ("every", lambda: optim.step_decay(0.1, every=0)),
        ("factor", lambda: optim.exponential(0.1, factor=0.0)),
        ("factor", lambda: optim.Plateau(0.1, factor=1.0)),
        ("patience", lambda: optim.Plateau(0.1, patience=0)),
        ("decay", lambda: optim.rmsprop(0.1, decay=1.0)),
        ("max_norm", lambda: optim.clipped(optim.sgd(0.1), 0.0)),
        ("decay", lambda: optim.averaged(optim.sgd(0.1), decay=float("nan"))),
    ],
)
def test_mistakes_are_named(words, call):
    with pytest.raises(ValueError, match=words):
        call()
