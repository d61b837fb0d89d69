"""weighted_rows: the kernel of sums along the last axis."""

from __future__ import annotations

from fwdad.bench.benchmark import Work, kernel_task, normals, register

register(
    "weighted rows",
    sizes=[{"m": 1024, "n": 1024, "k": 16}],
    small={"m": 5, "n": 20, "k": 2},
    work=lambda m, n, k: Work(bytes=4.0 * m * (n * (1 + k) + k)),
    tasks={"fwdad": lambda m, n, k: kernel_task("weighted_rows", normals(0, m, n), normals(1, k, m, n))},
)
