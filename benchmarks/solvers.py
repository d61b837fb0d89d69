"""Derivatives inside solvers: implicit Euler, Newton, loops of small operations; beside JAX, asdex and PyTorch.

Run: python benchmarks/solvers.py [--json FILE]. One thread each; answers are compared first, then all take turns.
"""

import argparse
import functools
import json
import os
import platform
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import asdex
import jax
import jax.numpy as jnp
import numpy as np
import torch
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import splu

import fwdad

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def brusselator(xp, y, n=32):
    """The right side in two dimensions, periodic; y holds u, then v."""
    u, v = xp.reshape(y[: n * n], (n, n)), xp.reshape(y[n * n :], (n, n))

    def diffusion(a):
        around = xp.roll(a, 1, 0) + xp.roll(a, -1, 0) + xp.roll(a, 1, 1) + xp.roll(a, -1, 1)
        return 0.02 * n * n * (around - 4 * a)

    reaction = u * u * v
    du = 1 + reaction - 4.4 * u + diffusion(u)
    dv = 3.4 * u - reaction + diffusion(v)
    return xp.concatenate([xp.reshape(du, -1), xp.reshape(dv, -1)])


def robertson(xp, y):
    slow, fast = 0.04 * y[0] - 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return xp.stack([-slow, slow - fast, fast])


def implicit_euler(f, jacobian, y, steps, h, solve):
    """Newton's method at each step, with a Jacobian at each iteration."""
    for _ in range(steps):
        new = y
        for _ in range(8):
            change = solve(jacobian(new), h, new - y - h * f(new))
            new = new - change
            if np.max(np.abs(change) / (1 + np.abs(new))) < 1e-12:
                break
        y = new
    return y


def sparse_solve(j, h, residual):
    return splu((eye_array(len(residual)) - h * csr_array(j)).tocsc()).solve(residual)


def dense_solve(j, h, residual):
    return np.linalg.solve(np.eye(len(residual)) - h * j, residual)


def kalman(xp, p, z):
    """Minus the log likelihood of a cart's measured places, by logarithms of time step, damping, noises, spread."""
    dt, damping, q, q2, r, spread = xp.exp(p)
    f = xp.stack([xp.stack([1 + 0 * dt, dt]), xp.stack([0 * dt, damping])])
    noise = xp.diag(xp.stack([q, q2]))
    x, cov, total = xp.zeros(2), spread * xp.eye(2), 0.0
    for y in z:
        x, cov = f @ x, f @ cov @ f.T + noise
        s, v, gain = cov[0, 0] + r, y - x[0], cov[:, 0] / (cov[0, 0] + r)
        x, cov = x + gain * v, cov - xp.outer(gain, cov[0])
        total = total + xp.log(s) + v * v / s
    return total


def lorenz(xp, y, p):
    return xp.stack([p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]])


def rk4(xp, p, steps=200, h=0.01):
    y = xp.ones(3)
    for _ in range(steps):
        a = lorenz(xp, y, p)
        b = lorenz(xp, y + h / 2 * a, p)
        c = lorenz(xp, y + h / 2 * b, p)
        y = y + h / 6 * (a + 2 * b + 2 * c + lorenz(xp, y + h * c, p))
    return y


def chain(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def forward_of_torch(f, x):
    """All directions of PyTorch's forward mode at once."""
    x = torch.tensor(x)
    return lambda: torch.func.jacfwd(f)(x).numpy()


def brusselators():
    y = np.random.default_rng(0).uniform(0.5, 3, 2 * 32 * 32)
    f = functools.partial(brusselator, np)
    kept, unchecked = fwdad.colouring(f, y), fwdad.colouring(f, y, check_every=None)
    in_jax = jax.jit(asdex.jacobian(functools.partial(brusselator, jnp), y))
    yield (
        "Brusselator 32 x 32: Jacobian",
        {
            "fwdad": lambda: unchecked.csr(y).data,
            "fwdad, checked": lambda: kept.csr(y).data,
            "fwdad, pattern found": lambda: fwdad.sparse_jacfwd(f)(y).csr().data,
            "asdex": lambda: as_csr(in_jax(y)).data,
        },
    )
    yield (
        "Brusselator 32 x 32: 5 steps of implicit Euler",
        {
            "fwdad": lambda: implicit_euler(f, unchecked.csr, y, 5, 0.01, sparse_solve),
            "asdex": lambda: implicit_euler(f, lambda y: as_csr(in_jax(y)), y, 5, 0.01, sparse_solve),
        },
    )


def robertsons():
    y = np.array([1.0, 0.0, 0.0])
    f = functools.partial(robertson, np)
    in_jax = jax.jit(jax.jacfwd(functools.partial(robertson, jnp)))
    yield (
        "Robertson: 100 steps of implicit Euler",
        {
            "fwdad": lambda: implicit_euler(f, fwdad.jacfwd(f), y, 100, 1.0, dense_solve),
            "jax": lambda: implicit_euler(f, lambda y: np.asarray(in_jax(y)), y, 100, 1.0, dense_solve),
        },
    )


def loops():
    z, p = np.random.default_rng(0).standard_normal(1000), np.log([0.1, 0.95, 0.01, 0.01, 0.09, 1.0])
    yield (
        "Kalman filter, 1,000 steps, 6 parameters",
        {
            "fwdad": lambda: fwdad.jacfwd(lambda p: kalman(np, p, z))(p),
            "torch": forward_of_torch(lambda p: kalman(torch, p, torch.tensor(z)), p),
        },
    )
    rates = np.array([10.0, 28.0, 8 / 3])
    yield (
        "RK4 of Lorenz, 200 steps, 3 parameters",
        {
            "fwdad": lambda: fwdad.jacfwd(lambda p: rk4(np, p))(rates),
            "torch": forward_of_torch(lambda p: rk4(torch, p), rates),
        },
    )


def hessians(n):
    x = np.random.default_rng(0).standard_normal(n)
    f = functools.partial(chain, np)
    kept = fwdad.colouring(f, x, check_every=None)
    in_jax = jax.jit(jax.hessian(functools.partial(chain, jnp)))
    yield (
        f"Rosenbrock, n = {n}: Hessian",
        {
            "fwdad": lambda: fwdad.hessian(f)(x),
            "fwdad, pattern kept": lambda: kept.hessian(x).dense(),
            "jax": lambda: np.asarray(in_jax(x)),
        },
    )


def cases():
    """Yield name, and who computes it: functions of no argument."""
    yield from brusselators()
    yield from robertsons()
    yield from loops()
    yield from hessians(100)
    yield from hessians(1000)


def as_csr(matrix):
    """Return a matrix of asdex, which is JAX's BCOO, with its entries in order."""
    rows, columns = np.asarray(matrix.indices).T
    found = csr_array((np.asarray(matrix.data), (rows, columns)), matrix.shape)
    found.sort_indices()
    return found


ROUNDS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    print(f"{platform.machine()}, one thread; Python {platform.python_version()}, NumPy {np.__version__}, ", end="")
    print(f"JAX {jax.__version__}, PyTorch {torch.__version__}, fwdad {fwdad.__version__}")
    rows = []
    for name, whos in cases():
        answers = {who: run() for who, run in whos.items()}
        for who, answer in answers.items():
            wrong = np.max(np.abs(answer - answers["fwdad"]) / (1 + np.abs(answers["fwdad"])))
            if not wrong < 1e-8:
                raise AssertionError(f"{name}: {who} and fwdad differ by {wrong:.1e}")
        times = {who: [] for who in whos}
        for _ in range(ROUNDS):  # interleaved, so that all meet the same machine
            for who, run in whos.items():
                begin = time.perf_counter()
                run()
                times[who].append(time.perf_counter() - begin)
        print(name)
        for who, seconds in times.items():
            ratio = statistics.median(a / b for a, b in zip(seconds, times["fwdad"], strict=True))
            print(f"  {who:24} {1e3 * statistics.median(seconds):10.3f} ms {ratio:8.2f} x fwdad")
            rows.append({"case": name, "who": who, "ms": 1e3 * statistics.median(seconds)})
    if options.json:
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
