"""combine: a linear combination of k directions with n entries."""

from __future__ import annotations

import numpy as np

from fwdad.bench.benchmark import Work, kernel_task, normals, register

register(
    "combination",
    sizes=[{"k": 64, "n": 270_000}],
    small={"k": 4, "n": 50},
    work=lambda k, n: Work(bytes=4.0 * (k + 1) * n),
    tasks={"fwdad": lambda k, n: kernel_task("combine", np.linspace(-1, 1, k), normals(0, k, n))},
)
