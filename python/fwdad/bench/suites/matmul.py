"""matmul: one matrix times k distinct ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error


class Problem(NamedTuple):
    """x (m, depth) and dw (k, depth, n)."""

    x: np.ndarray
    dw: np.ndarray

    def error(self, answer: Any) -> float:
        """Return the error of x dw_i."""
        x = self.x.astype(np.float64)
        return relative_error(answer, np.stack([x @ v for v in self.dw]))


def problem(m: int, depth: int, n: int, k: int) -> Problem:
    """Return the factors."""
    return Problem(normals(0, m, depth), normals(2, k, depth, n))


def ours(**sizes: int) -> Task:
    """Call the kernel."""
    p = problem(**sizes)
    x, dw = map(send, p)
    return Task(lambda: kernels.matmul(x, dw), p.error, 1e-6)


def by_numpy(**sizes: int) -> Task:
    """Call np.matmul."""
    p = problem(**sizes)
    x, dw = map(send, p)
    return Task(lambda: x @ dw, p.error, 1e-6)


def by_torch(**sizes: int) -> Task:
    """Call torch.matmul."""
    torch, p = peers.torch(), problem(**sizes)
    x, dw = map(torch.tensor, p)
    return Task(lambda: torch.matmul(x, dw), p.error, 1e-6)


register(
    "product",
    sizes=[
        {"m": 64, "depth": 784, "n": 1024, "k": 16},
        {"m": 64, "depth": 1024, "n": 1024, "k": 64},
        {"m": 64, "depth": 256, "n": 256, "k": 64},
    ],
    small={"m": 3, "depth": 20, "n": 10, "k": 2},
    work=lambda m, depth, n, k: Work(2.0 * m * depth * n * k, 4.0 * k * (depth + m) * n),
    tasks={"fwdad": ours, "torch": by_torch, "numpy": by_numpy},
)
