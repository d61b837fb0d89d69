"""outer_update: a step of SGD with momentum by the local gradient of a layer: m examples, depth inputs, n outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers, target
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.task import Task, relative_error

RATE, MOMENTUM = 0.1, 0.9


class Problem(NamedTuple):
    """x (m, depth), g (m, n), weights w and the buffer v (depth, n)."""

    x: np.ndarray
    g: np.ndarray
    w: np.ndarray
    v: np.ndarray

    def error(self, answer: Any) -> float:
        """Return the error of the new w and v."""
        truth = by_operators(*(a.astype(np.float64) for a in self))
        return max(relative_error(given, exact) for given, exact in zip(answer, truth, strict=True))


def problem(m: int, depth: int, n: int) -> Problem:
    """Return random arrays."""
    return Problem(normals(0, m, depth), normals(1, m, n), normals(2, depth, n), normals(3, depth, n))


def by_operators(x: Any, g: Any, w: Any, v: Any) -> tuple[Any, Any]:
    """Compute the equations as they stand."""
    v = MOMENTUM * v + x.T @ g
    return w - RATE * v, v


def ours(**sizes: int) -> Task:
    """Call the kernel."""
    p = problem(**sizes)
    x, g, w, v = map(target.send, p)
    return Task(lambda: kernels.outer_update(x, g, w, v, RATE, MOMENTUM), p.error, 1e-6)


def by_numpy(**sizes: int) -> Task:
    """Compute a product, and then sums."""
    p = problem(**sizes)
    there = tuple(map(target.send, p))
    return Task(lambda: by_operators(*there), p.error, 1e-6)


def by_torch(**sizes: int) -> Task:
    """Call torch.addmm, which adds a product, and torch.add, which takes a factor."""
    torch, p = peers.torch(), problem(**sizes)
    x, g, w, v = map(torch.tensor, p)

    def call() -> tuple[Any, Any]:
        new = torch.addmm(v, x.T, g, beta=MOMENTUM)
        return torch.add(w, new, alpha=-RATE), new

    return Task(call, p.error, 1e-6)


register(
    "outer update",
    sizes=[{"m": m, "depth": depth, "n": n} for m in (64, 16) for depth, n in ((784, 256), (1024, 1024))],
    small={"m": 3, "depth": 20, "n": 10},
    work=lambda m, depth, n: Work(2.0 * m * depth * n, 16.0 * depth * n),
    tasks={"fwdad": ours, "torch": by_torch, "numpy": by_numpy},
)
