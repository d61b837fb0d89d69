"""sparse_product: m rows, in twenty of which one entry is not zero, by a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.task import Task, relative_error

SHARE = 20


def problem(m: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, w and x w."""
    x, w = np.where(np.abs(normals(0, m, n)) > 1.96, np.float32(1), np.float32(0)), normals(1, n, n)
    return x, w, x.astype(np.float64) @ w


def task(multiply: Any, m: int, n: int) -> Task:
    """Multiply."""
    x, w, exact = problem(m, n)
    return Task(lambda: multiply(x, w), lambda answer: relative_error(answer, exact), 1e-5)


def by_torch(m: int, n: int) -> Task:
    """Multiply a sparse matrix in PyTorch."""
    torch = peers.torch()
    x, w, exact = problem(m, n)
    left, right = torch.tensor(x).to_sparse_csr(), torch.tensor(w)
    return Task(lambda: left @ right, lambda answer: relative_error(answer, exact), 1e-5)


register(
    "sparse product",
    sizes=[{"m": 4096, "n": 500}],
    small={"m": 5, "n": 20},
    work=lambda m, n: Work(2.0 * m * n * n / SHARE),
    tasks={
        "fwdad": lambda m, n: task(kernels.sparse_product, m, n),
        "numpy": lambda m, n: task(np.matmul, m, n),
        "torch": by_torch,
    },
    on_cuda=False,
)
