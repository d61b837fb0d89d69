"""tanh: the JVP of an activation, as a user calls it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import fwdad
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error

Arrays = tuple[np.ndarray, np.ndarray]


def problem(n: int, k: int) -> Arrays:
    """Return x (n,) and dx (k, n)."""
    return normals(0, n), normals(1, k, n)


def error(arrays: Arrays, answer: Any) -> float:
    """Return the larger error of y = tanh x and dy_i = (1 - y^2) dx_i."""
    y = np.tanh(arrays[0].astype(np.float64))
    return max(relative_error(answer[0], y), relative_error(answer[1], (1 - y * y) * arrays[1]))


def ours(n: int, k: int) -> Task:
    """Call fwdad.jvp of np.tanh."""
    arrays = problem(n, k)
    x, dx = ((send(a),) for a in arrays)
    return Task(lambda: fwdad.jvp(np.tanh, x, dx), partial(error, arrays), 1e-6)


def by_numpy(n: int, k: int) -> Task:
    """Compute the two equations as they stand."""
    arrays = problem(n, k)
    x, dx = map(send, arrays)

    def call() -> Any:
        y = np.tanh(x)
        return y, (1 - y * y) * dx

    return Task(call, partial(error, arrays), 1e-6)


def by_torch(n: int, k: int) -> Task:
    """Call vmap of the JVP of torch.tanh."""
    torch, arrays = peers.torch(), problem(n, k)
    jvp, vmap = torch.func.jvp, torch.func.vmap
    x, dx = map(torch.tensor, arrays)

    def call() -> Any:
        return vmap(lambda v: jvp(torch.tanh, (x,), (v,)), out_dims=(None, 0))(dx)

    return Task(call, partial(error, arrays), 1e-6)


register(
    "tanh JVP",
    sizes=[{"n": 2**20, "k": 16}],
    small={"n": 100, "k": 2},
    work=lambda n, k: Work(bytes=8.0 * (k + 1) * n),
    tasks={"fwdad": ours, "torch": by_torch, "numpy": by_numpy},
)
