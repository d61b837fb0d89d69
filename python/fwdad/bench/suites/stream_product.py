"""stream_product: one matrix times k random ones, drawn anew in each call."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.bench import peers, target
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import on_host, send
from fwdad.bench.task import Task, relative_error

SIZES = {"m": 64, "depth": 784, "n": 1024, "k": 16}
SMALL = {"m": 3, "depth": 20, "n": 10, "k": 2}


def work(m: int, depth: int, n: int, k: int) -> Work:
    """Return the products, and the memory of the results."""
    return Work(2.0 * m * depth * n * k, 4.0 * k * m * n)


def error(x: np.ndarray, answer: Any) -> float:
    """Return the error of an answer (dw, x dw_i)."""
    return relative_error(answer[1], x.astype(np.float64) @ on_host(answer[0]))


def ours(distribution: str, m: int, depth: int, n: int, k: int) -> Task:
    """Call the kernel, which draws inside."""
    x = normals(0, m, depth)
    there = send(x)
    steps = {"step": 0}

    def stream() -> kernels.Stream:
        return kernels.Stream(0, steps["step"], 0, distribution, k, (depth, n), device=target.name())

    def call() -> Any:
        steps["step"] += 1
        return kernels.stream_product(there, stream())

    def check(answer: Any) -> float:
        return error(x, (kernels.KERNELS["generate"].bodies["reference"](stream()), answer))

    return Task(call, check, 1e-6)


def by_numpy(m: int, depth: int, n: int, k: int) -> Task:
    """Call standard_normal, then np.matmul."""
    x, random = normals(0, m, depth), target.generator()
    there = send(x)

    def call() -> Any:
        dw = random.standard_normal((k, depth, n), np.float32)
        return dw, there @ dw

    return Task(call, partial(error, x), 1e-6)


def by_torch(m: int, depth: int, n: int, k: int) -> Task:
    """Call randn, then matmul."""
    torch, x = peers.torch(), normals(0, m, depth)
    there = torch.tensor(x)

    def call() -> Any:
        dw = torch.randn(k, depth, n)
        return dw, torch.matmul(there, dw)

    return Task(call, partial(error, x), 1e-6)


def by_jax(m: int, depth: int, n: int, k: int) -> Task:
    """Call random.normal and matmul, compiled as one."""
    jax, x = peers.jax(), normals(0, m, depth)
    there = jax.numpy.asarray(x)
    state = {"key": jax.random.key(0)}

    def one(key: Any) -> Any:
        draw, key = jax.random.split(key)
        return key, draw, jax.numpy.matmul(there, jax.random.normal(draw, (k, depth, n)))

    compiled = jax.jit(one)

    def call() -> Any:
        state["key"], draw, product = jax.block_until_ready(compiled(state["key"]))
        return draw, product

    def check(answer: Any) -> float:
        return error(x, (np.asarray(jax.random.normal(answer[0], (k, depth, n))), answer[1]))

    return Task(call, check, 1e-6)


register(
    "normals + product",
    sizes=[SIZES],
    small=SMALL,
    work=work,
    tasks={"fwdad": partial(ours, "normal"), "torch": by_torch, "jax": by_jax, "numpy": by_numpy},
)
register("signs + product", sizes=[SIZES], small=SMALL, work=work, tasks={"fwdad": partial(ours, "rademacher")})
