"""gram: inner products of k directions with n entries, as many as the network of width 256 has parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error


def ours(k: int, n: int, exact: bool) -> Task:
    """Call the kernel."""
    v = normals(0, k, n)
    there = send(v)

    def check(answer: Any) -> float:
        v64 = v.astype(np.float64)
        return relative_error(answer, v64 @ v64.T)

    return Task(lambda: kernels.gram(there, exact=exact), check, 1e-13 if exact else 1e-6)


register(
    "Gram matrix",
    sizes=[
        *({"k": k, "n": 270_000, "exact": False} for k in (16, 64, 128, 256)),
        {"k": 64, "n": 270_000, "exact": True},
    ],
    small={"k": 4, "n": 50, "exact": True},
    work=lambda k, n, exact: Work(1.0 * k * (k + 1) * n, 4.0 * k * n),
    tasks={"fwdad": ours},
)
