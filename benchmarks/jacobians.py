"""A sparse Jacobian in three directions, a large dense one in chunks, and what linearize and laplacian save.

Run: python benchmarks/jacobians.py
"""

import platform
import resource
import statistics
import time

import numpy as np

import fwdad
from fwdad import functions


def rosenbrock_gradient(x):
    """The gradient map of sum_i 100 (x_(i+1) - x_i^2)^2 + (1 - x_i)^2, whose Jacobian is tridiagonal."""
    inner = x[1:] - x[:-1] ** 2
    zero = np.zeros(1)
    left = np.concatenate([-400 * x[:-1] * inner - 2 * (1 - x[:-1]), zero])
    return left + np.concatenate([zero, 200 * inner])


def seconds(f, repetitions=5):
    f()
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        f()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def chunked():
    """J of an R^4096 -> R^4096 map: 134 MB of result; the process, Python and NumPy included, stays below 200 MB."""

    def f(x):
        return np.tanh(x + np.roll(x, 1) * np.roll(x, -1))

    x = np.random.default_rng(0).standard_normal(4096)
    before = megabytes()
    begin = time.perf_counter()
    j = fwdad.jacfwd(f, chunk_size=64)(x)
    took, after = time.perf_counter() - begin, megabytes()
    slope = 1 - f(x) ** 2
    expected = slope * np.roll(x, -1)
    error = np.max(np.abs(j[np.arange(1, 4096), np.arange(4095)] - expected[1:]))
    if not error < 1e-12:
        raise AssertionError(f"chunked jacfwd: error {error}")
    print(f"jacfwd of an R^4096 map, chunk_size=64: {took:.2f} s, J {j.nbytes / 1e6:.0f} MB; ", end="")
    print(f"the process's peak {before:.0f} MB before, {after:.0f} MB after")


def sparse():
    x = np.random.default_rng(0).standard_normal(1000)
    j = fwdad.sparse_jacfwd(rosenbrock_gradient)(x)
    dense = fwdad.jacfwd(rosenbrock_gradient)(x)
    error = np.max(np.abs(j.dense() - dense))
    if not error < 1e-12:
        raise AssertionError(f"sparse_jacfwd: error {error}")
    pattern = fwdad.jacobian_pattern(rosenbrock_gradient)(x)
    print(f"sparse_jacfwd, Rosenbrock gradient of 1000 points: {j.directions} directions, {len(j.values)} entries")
    given = fwdad.sparse_jacfwd(rosenbrock_gradient, pattern=pattern)
    for name, f in {
        "pattern alone": fwdad.jacobian_pattern(rosenbrock_gradient),
        "pattern, colours, sparse_jacfwd": fwdad.sparse_jacfwd(rosenbrock_gradient),
        "the same with a given pattern, checked": given,
        "dense jacfwd": fwdad.jacfwd(rosenbrock_gradient),
    }.items():
        print(f"  {name:40} {1e3 * seconds(lambda f=f: f(x)):8.2f} ms")


def network(n):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((n, n)) / np.sqrt(n) for _ in range(3)]

    def f(x):
        for w in weights:
            x = np.tanh(x @ w)
        return functions.logsumexp(x)

    return f, rng.standard_normal(n)


def linear():
    f, x = network(512)
    v = np.random.default_rng(1).standard_normal((1, 512))
    _, push = fwdad.linearize(f, x)
    error = np.max(np.abs(push(v) - fwdad.jvp(f, (x,), (v,))[1]))
    if not error < 1e-12:
        raise AssertionError(f"linearize: error {error}")
    print("one direction through a network 512-512-512-512")
    print(f"  f                  {1e3 * seconds(lambda: f(x), 50):8.3f} ms")
    print(f"  jvp                {1e3 * seconds(lambda: fwdad.jvp(f, (x,), (v,)), 50):8.3f} ms")
    print(f"  linearized map     {1e3 * seconds(lambda: push(v), 50):8.3f} ms")
    print(f"  linearize itself   {1e3 * seconds(lambda: fwdad.linearize(f, x), 50):8.3f} ms")


def laplacians():
    f, x = network(128)
    found, expected = fwdad.laplacian(f)(x), np.trace(fwdad.hessian(f)(x))
    if not abs(found - expected) < 1e-10:
        raise AssertionError(f"laplacian: {found}, expected {expected}")
    print("the Laplacian of a network 128-128-128-128")
    print(f"  laplacian          {1e3 * seconds(lambda: fwdad.laplacian(f)(x)):8.2f} ms")
    print(f"  trace of hessian   {1e3 * seconds(lambda: fwdad.hessian(f)(x)):8.2f} ms")
    print(f"  jacfwd             {1e3 * seconds(lambda: fwdad.jacfwd(f)(x)):8.2f} ms")


if __name__ == "__main__":
    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, fwdad {fwdad.__version__}"
    )
    chunked()  # first: the peak counts from the start of the process
    sparse()
    linear()
    laplacians()
