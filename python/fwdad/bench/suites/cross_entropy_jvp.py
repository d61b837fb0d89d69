"""cross_entropy_jvp: the loss of m examples with n classes."""

from __future__ import annotations

import numpy as np

from fwdad.bench.benchmark import Work, kernel_task, normals, register
from fwdad.bench.task import Task


def ours(m: int, n: int, k: int) -> Task:
    """Call the kernel."""
    return kernel_task("cross_entropy_jvp", normals(0, m, n), np.arange(m) % n, normals(1, k, m, n))


register(
    "cross-entropy JVP",
    sizes=[{"m": 1024, "n": 1000, "k": 16}],
    small={"m": 5, "n": 20, "k": 2},
    work=lambda m, n, k: Work(bytes=4.0 * m * (n + 1) * (1 + k)),
    tasks={"fwdad": ours},
)
