"""conv_jvp: m images of 16 x 16, windows of 3 x 3, dense tangents of input and weights."""

from __future__ import annotations

from fwdad.bench.benchmark import Work, kernel_task, normals, register
from fwdad.bench.task import Task
from fwdad.kernels import Window


def ours(m: int, depth: int, n: int, k: int) -> Task:
    """Call the kernel."""
    x, w = normals(0, m, 16, 16, depth), normals(1, 3, 3, depth, n)
    dx, dw = normals(2, k, *x.shape), normals(3, k, *w.shape)
    return kernel_task("conv_jvp", x, w, None, dx, dw, None, Window((3, 3), padding=(1, 1)), "identity")


register(
    "conv JVP",
    sizes=[{"m": 64, "depth": 32, "n": 64, "k": 8}],
    small={"m": 1, "depth": 2, "n": 3, "k": 2},
    work=lambda m, depth, n, k: Work(2.0 * m * 16**2 * 9 * depth * n * (1 + 2 * k)),
    tasks={"fwdad": ours},
)
