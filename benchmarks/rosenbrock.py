"""Descent on Rosenbrock's function by projected forward gradients, and the same loop in JAX and PyTorch, in one run.

    f(x) = sum_i 100 (x_(i+1) - x_i^2)^2 + (1 - x_i)^2,   n = 64
    V normal (k x n), d = V grad f by forward mode, g = V^T (V V^T)^-1 d, x <- x - lr g

Each step draws k = 16 new dense directions. First all get the same directions and must take the same steps; then each
runs with the generator of its own library. Run: python benchmarks/rosenbrock.py [--steps 25000] [--json FILE]
"""

import argparse
import functools
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np
import torch

import fwdad
from fwdad import kernels

N, K, RATE = 64, 16, 0.00184236  # the paper's learning rate for this case
jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()


def start():
    x = np.zeros(N)
    x[0] = -1
    return x


def step_fwdad(x, v):
    y, d = fwdad.jvp(rosenbrock, (x,), (v,))
    c, _, _ = kernels.projection_coefficients(kernels.gram(v), d)
    return y, x - RATE * kernels.combine(c, v)


def walk_fwdad():
    """Yield f at each step, without end."""
    rng, x = np.random.default_rng(0), start()
    while True:
        y, x = step_fwdad(x, rng.standard_normal((K, N)))
        yield y


@jax.jit
def step_jax(x, v):
    y, push = jax.linearize(rosenbrock, x)
    d = jax.vmap(push)(v)
    return y, x - RATE * (v.T @ jax.scipy.linalg.solve(v @ v.T, d, assume_a="pos"))


@jax.jit
def drawn_step_jax(x, key):
    key, mine = jax.random.split(key)
    y, x = step_jax(x, jax.random.normal(mine, (K, N)))
    return y, x, key


def walk_jax():
    """Yield f at each jitted step, called from a Python loop as the others are."""
    x, key = jnp.asarray(start()), jax.random.key(0)
    while True:
        y, x, key = drawn_step_jax(x, key)
        yield y


@functools.partial(jax.jit, static_argnums=2)
def _steps_jax(x, key, steps):
    def body(_, state):
        x, key, _ = state
        y, x, key = drawn_step_jax(x, key)
        return x, key, y

    return jax.lax.fori_loop(0, steps, body, (x, key, jnp.zeros(())))


def walk_whole_jax(steps):
    """Yield f after each run of `steps` steps, which are one jitted program."""
    x, key = jnp.asarray(start()), jax.random.key(0)
    while True:
        x, key, y = _steps_jax(x, key, steps)
        yield jax.block_until_ready(y)


def step_torch(x, v):
    d = torch.func.vmap(lambda t: torch.func.jvp(rosenbrock, (x,), (t,))[1])(v)
    return rosenbrock(x), x - RATE * (v.T @ torch.linalg.solve(v @ v.T, d))


def walk_torch():
    generator, x = torch.Generator().manual_seed(0), torch.tensor(start())
    while True:
        y, x = step_torch(x, torch.randn(K, N, generator=generator))
        yield y


def verify():
    """Raise AssertionError unless all take the same 20 steps along the same directions."""
    rng = np.random.default_rng(1)
    ours, theirs, torchs = start(), jnp.asarray(start()), torch.tensor(start())
    for _ in range(20):
        v = rng.standard_normal((K, N))
        ours, theirs, torchs = step_fwdad(ours, v)[1], step_jax(theirs, v)[1], step_torch(torchs, torch.tensor(v))[1]
    for name, x in (("JAX", theirs), ("torch.func", torchs)):
        error = float(np.max(np.abs(ours - np.asarray(x))))
        if not error < 1e-11:
            raise AssertionError(f"{name} takes other steps: {error:.1e}")
        print(f"same 20 steps as {name}: largest difference {error:.1e}")


ROUNDS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=25_000)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    steps = options.steps // ROUNDS
    print(f"{platform.machine()}, one thread; Python {platform.python_version()}, NumPy {np.__version__}, ", end="")
    print(f"JAX {jax.__version__}, PyTorch {torch.__version__}, fwdad {fwdad.__version__}")
    print(f"Rosenbrock n = {N}, k = {K} dense normal directions, projection, {steps * ROUNDS} steps, float64")
    verify()
    walks = {
        "fwdad": (walk_fwdad(), steps),
        "JAX, jitted step in a Python loop": (walk_jax(), steps),
        "JAX, whole loop jitted": (walk_whole_jax(steps), 1),
        "torch.func": (walk_torch(), steps),
    }
    for walk, _ in walks.values():
        next(walk)  # warm-up, and compilation
    times = {name: [] for name in walks}
    for _ in range(ROUNDS):  # interleaved, so that all meet the same machine
        for name, (walk, calls) in walks.items():
            begin = time.perf_counter()
            for _ in range(calls):
                y = next(walk)
            value = float(y)
            times[name].append((time.perf_counter() - begin) / steps)
            print(f"  {name:34} {1e3 * times[name][-1]:8.4f} ms/step   f = {value:.5g}")
    ours = sum(times["fwdad"])
    print(f"{'mean over all steps':36} {'ms/step':>8}   time against fwdad's")
    for name, seconds in times.items():
        print(f"{name:36} {1e3 * sum(seconds) / ROUNDS:8.4f} {sum(seconds) / ours:12.2f} x")
    if options.json:
        rows = [{"case": "ms a step", "who": name, "ms": 1e3 * sum(s) / ROUNDS} for name, s in times.items()]
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
