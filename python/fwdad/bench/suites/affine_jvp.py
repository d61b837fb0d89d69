"""affine_jvp: relu(x w + b) and its tangents, with dense directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import on_host, send
from fwdad.bench.task import Task, relative_error


class Problem(NamedTuple):
    """A layer and its tangents; dx is None where the input does not move."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    dx: np.ndarray | None
    dw: np.ndarray
    db: np.ndarray


def problem(m: int, depth: int, n: int, k: int, dx: bool) -> Problem:
    """Return x (m, depth), w (depth, n), and k tangents that move w, b and, if wanted, x."""
    w = normals(1, depth, n) / np.float32(np.sqrt(depth))
    return Problem(
        normals(0, m, depth), w, normals(2, n), normals(3, k, m, depth) if dx else None,
        normals(4, k, depth, n), normals(5, k, n),
    )  # fmt: skip


def error(p: Problem, answer: tuple[Any, Any]) -> float:
    """Return the larger error of y and dy, leaving out entries so near relu's kink that rounding decides."""
    x, w = p.x.astype(np.float64), p.w.astype(np.float64)
    z = x @ w + p.b
    dz = np.stack([x @ dw.astype(np.float64) for dw in p.dw]) + p.db[:, None]
    if p.dx is not None:
        dz += p.dx.astype(np.float64) @ w
    y, dy = map(on_host, answer)
    sure = np.abs(z) > 1e-4
    return max(relative_error(y, np.maximum(z, 0)), relative_error(dy * sure, dz * ((z > 0) & sure)))


def ours(**sizes: Any) -> Task:
    """Call the kernel."""
    p = problem(**sizes)
    there = Problem(*map(send, p))
    return Task(lambda: kernels.affine_jvp(*there, "relu"), lambda answer: error(p, answer), 1e-6)


def by_numpy(**sizes: Any) -> Task:
    """Compute the two equations as they stand."""
    p = problem(**sizes)
    there = Problem(*map(send, p))

    def call() -> Any:
        z = there.x @ there.w + there.b
        dz = there.x @ there.dw + there.db[:, None]
        if there.dx is not None:
            dz += there.dx @ there.w
        return np.maximum(z, 0), (z > 0) * dz

    return Task(call, lambda answer: error(p, answer), 1e-6)


def by_torch(**sizes: Any) -> Task:
    """Compute the two equations, by matmul's own batching."""
    torch, p = peers.torch(), problem(**sizes)
    x, w, b, dw, db = (torch.tensor(part) for part in (p.x, p.w, p.b, p.dw, p.db))
    dx = None if p.dx is None else torch.tensor(p.dx)

    def call() -> Any:
        z = torch.addmm(b, x, w)
        dz = torch.matmul(x, dw).add_(db[:, None])
        if dx is not None:
            dz += dx @ w
        return torch.relu(z), dz.mul_(z > 0)

    return Task(call, lambda answer: error(p, answer), 1e-6)


def work(m: int, depth: int, n: int, k: int, dx: bool) -> Work:
    """Return two products a tangent that moves x and w, and all arrays once."""
    arrays = (1 + k) * depth * n + (1 + k * dx) * m * depth + (1 + k) * (m + 1) * n
    return Work(2.0 * m * depth * n * (1 + k * (1 + dx)), 4.0 * arrays)


register(
    "affine JVP",
    sizes=[
        {"m": 64, "depth": 784, "n": 1024, "k": 1, "dx": False},
        {"m": 64, "depth": 784, "n": 1024, "k": 16, "dx": False},
        {"m": 64, "depth": 1024, "n": 1024, "k": 16, "dx": True},
    ],
    small={"m": 3, "depth": 20, "n": 10, "k": 2, "dx": True},
    work=work,
    tasks={"fwdad": ours, "torch": by_torch, "numpy": by_numpy},
)
