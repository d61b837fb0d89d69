"""generate: random values, into memory that is there; on a device, in its library's pool."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.bench import peers, target
from fwdad.bench.benchmark import Work, register
from fwdad.bench.target import on_host, send
from fwdad.bench.task import Task, relative_error


def moments_error(values: Any) -> float:
    """Return how far mean and variance of values are from 0 and 1."""
    values = on_host(values).astype(np.float64)
    return max(abs(float(values.mean())), abs(float(values.var()) - 1))


def ours(distribution: str, n: int) -> Task:
    """Call the native body."""
    stream = kernels.Stream(0, 0, 0, distribution, 16, (n // 16384, 1024), device=target.name())
    out = np.empty(stream.shape, np.float32)

    def call() -> np.ndarray:
        if stream.device != "cpu":
            return kernels.generate(stream)
        kernels.dispatch.native.generate(stream.descriptor, out)
        return out

    def check(answer: Any) -> float:
        return relative_error(answer, kernels.KERNELS["generate"].bodies["reference"](stream))

    return Task(call, check, 1e-6)


def by_numpy(n: int) -> Task:
    """Call standard_normal."""
    out, random = send(np.empty(n, np.float32)), target.generator()
    return Task(lambda: random.standard_normal(out=out, dtype=np.float32), moments_error, 3e-3)


def by_torch(n: int) -> Task:
    """Call normal_."""
    out = peers.torch().empty(n)
    return Task(lambda: out.normal_(), moments_error, 3e-3)


def by_jax(n: int) -> Task:
    """Call random.normal, compiled."""
    jax = peers.jax()
    draw = jax.jit(lambda key: jax.random.normal(key, (n,)))
    key = jax.random.key(0)
    return Task(lambda: draw(key).block_until_ready(), moments_error, 3e-3)


def work(n: int) -> Work:
    """Return the number of values."""
    return Work(values=n)


register(
    "normals",
    sizes=[{"n": 2**24}],
    small={"n": 2**21},
    work=work,
    tasks={"fwdad": partial(ours, "normal"), "torch": by_torch, "jax": by_jax, "numpy": by_numpy},
)
register("signs", sizes=[{"n": 2**24}], small={"n": 2**14}, work=work, tasks={"fwdad": partial(ours, "rademacher")})
