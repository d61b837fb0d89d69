"""Diagonal recurrent layers: the gradient carried forward is that of the whole sequence, in constant memory."""

import re
import runpy
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fwdad import estimators, nn, tree
from fwdad.testing import check_jvp, expect_close

SEQUENCES = Path(__file__).parents[2] / "benchmarks" / "sequences.py"
RNG = np.random.default_rng(7)
X, FACTORS = RNG.standard_normal((3, 12, 4)), RNG.standard_normal((3, 12, 2))


def layer_of(dtype=np.float64, **options):
    return nn.LRU(4, 5, 2, seed=1, dtype=dtype, **options)


def online(layer, x, factors):
    """The gradient of sum sin(y + 0.3) factors."""
    passing = layer.online(len(x))
    for t in range(x.shape[1]):
        y = passing.step(np.ascontiguousarray(x[:, t]))
        passing.credit(np.cos(y + 0.3) * factors[:, t])
    return tree.named_leaves(passing.gradient)


def test_jvps():
    leaves, structure = tree.flatten(layer_of())
    check_jvp(lambda x, *p: tree.unflatten(structure, list(p))(x), [X, *leaves])


def test_the_gradient_carried_forward_is_the_gradient():
    layer = layer_of()
    _, exact = estimators.exact_gradient(lambda m: np.sum(np.sin(m(X) + 0.3) * FACTORS), layer, perturb="weight")
    for name, g in online(layer, X, FACTORS).items():
        assert np.abs(g).max() > 1e-3
        expect_close(g, tree.named_leaves(exact)[name], 1e-11, name)


def test_steps_give_what_the_call_gives():
    layer = layer_of()
    passing = layer.online(3)
    expect_close(np.stack([passing.step(X[:, t]) for t in range(12)], axis=1), layer(X), 1e-13, "outputs")


@pytest.mark.oracle
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("steps", [1, 100, 1000])
def test_it_is_what_backpropagation_through_time_gives(steps, dtype, tolerance):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(steps)
    layer = layer_of(dtype, radii=(0.98, 0.999))
    x, factors = (rng.standard_normal((3, steps, n)).astype(dtype) for n in (4, 2))
    p = {name: torch.tensor(leaf, requires_grad=True) for name, leaf in tree.named_leaves(layer).items()}
    radius = torch.exp(-torch.exp(p["nu"]))
    eigenvalue, gamma = torch.polar(radius, p["phase"]), torch.sqrt(1 - radius**2)
    into, out = (torch.complex(p[name][0], p[name][1]) for name in ("weight_in", "weight_out"))
    u, total, inputs = 0, 0, torch.tensor(x)
    for t in range(steps):
        u = eigenvalue * u + inputs[:, t].to(into.dtype) @ into
        y = ((gamma * u) @ out).real + inputs[:, t] @ p["skip"] + p["bias"]
        total = total + (torch.sin(y + 0.3) * torch.tensor(factors[:, t])).sum()
    total.backward()
    for name, g in online(layer, x, factors).items():
        expected = p[name].grad.numpy()
        assert np.linalg.norm(g - expected) <= tolerance * np.linalg.norm(expected), name


def test_memory_does_not_grow_with_the_steps():
    peaks = []
    for steps in (20, 2000):
        passing, x = layer_of().online(3), RNG.standard_normal((3, 4))
        tracemalloc.start()
        for _ in range(steps):
            passing.credit(passing.step(x))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("task", ["copying", "adding"])
def test_short_tasks_are_solved(task, monkeypatch, capsys):
    """By benchmarks/sequences.py, forward only."""
    monkeypatch.setattr(sys, "argv", ["sequences.py", task, "--steps", "4", "--most", "500"])
    runpy.run_path(str(SEQUENCES), run_name="__main__")
    last = capsys.readouterr().out.splitlines()[-1]
    iteration, score = re.match(r"iteration (\d+): ([\d.]+) ", last).groups()
    assert int(iteration) < 500
    assert float(score) == 1 if task == "copying" else float(score) < 2e-3


def test_bad_settings():
    with pytest.raises(ValueError, match="sizes must be at least 1; got 4, 0 and 2"):
        nn.LRU(4, 0, 2)
    with pytest.raises(ValueError, match=r"radii must be 0 < low <= high < 1; got 0\.5 and 1\.0"):
        nn.LRU(4, 5, 2, radii=(0.5, 1.0))
