"""scaled_tangents: the kernel of all elementwise rules, into memory that is there; on a device, in CuPy's pool."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.bench import target
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.task import Task, relative_error


def ours(n: int, k: int) -> Task:
    """Call the native body."""
    a, dx, out = normals(0, n), normals(1, k, n), np.empty((k, n), np.float32)
    there = target.send(a), target.send(dx)

    def call() -> np.ndarray:
        if target.name() != "cpu":
            return kernels.scaled_tangents(*there)
        kernels.dispatch.native.scaled_tangents(a, dx, None, None, out)
        return out

    return Task(call, lambda answer: relative_error(answer, a * dx.astype(np.float64)), 1e-6)


register(
    "scaled tangents",
    sizes=[{"n": 2**20, "k": 16}],
    small={"n": 100, "k": 2},
    work=lambda n, k: Work(bytes=4.0 * (2 * k + 1) * n),
    tasks={"fwdad": ours},
)
