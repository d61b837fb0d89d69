"""unit_jvp_thin: what w units of a layer do to the loss of m examples, through a relu layer as wide and n outputs.

Peers multiply by the units that do not move as well: their one large product cannot leave them out. The yardstick is
the product with transposed weights by which backpropagation computes the same: n times fewer operations, and no JVP.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error


class Problem(NamedTuple):
    """Weights w (n1, n2) and v (n2, c), slopes r (m, n1) and s (m, n2), and the gradient e (m, c) of the outputs."""

    w: np.ndarray
    r: np.ndarray
    s: np.ndarray
    v: np.ndarray
    e: np.ndarray

    def error(self, answer: Any) -> float:
        """Return the error of d (m, n1)."""
        return relative_error(answer, by_transposes(*(a.astype(np.float64) for a in self)))


def problem(m: int, w: int, n: int) -> Problem:
    """Return random arrays; in every example half of the units of either layer move."""
    z = normals(1, m, 2, w)
    slopes = (z > np.median(z, axis=-1, keepdims=True)).astype(np.float32)
    return Problem(normals(0, w, w), slopes[:, 0].copy(), slopes[:, 1].copy(), normals(2, w, n), normals(3, m, n))


def ours(**sizes: int) -> Task:
    """Call the kernel."""
    p = problem(**sizes)
    there = tuple(map(send, p))
    return Task(lambda: kernels.unit_jvp_thin(*there), p.error, 1e-6)


def forwards(w: Any, r: Any, s: Any, v: Any, e: Any) -> Any:
    """Push all tangents of all examples forward by one product, and contract them with e."""
    scaled = (s.T[:, :, None] * v[:, None, :]).reshape(len(v), -1)
    tangents = (w @ scaled).reshape(len(w), *e.shape)
    return r * (tangents * e).sum(-1).T


def by_transposes(w: Any, r: Any, s: Any, v: Any, e: Any) -> Any:
    """Pull the gradient back."""
    return r * (((e @ v.T) * s) @ w.T)


def by_numpy(function: Any, **sizes: int) -> Task:
    """Compute it by NumPy."""
    p = problem(**sizes)
    there = tuple(map(send, p))
    return Task(lambda: function(*there), p.error, 1e-6)


def by_torch(function: Any, **sizes: int) -> Task:
    """Compute it by PyTorch."""
    torch, p = peers.torch(), problem(**sizes)
    there = tuple(map(torch.tensor, p))
    return Task(lambda: function(*there), p.error, 1e-6)


register(
    "unit JVP",
    sizes=[{"m": 64, "w": 256, "n": 10}, {"m": 16, "w": 256, "n": 10}, {"m": 64, "w": 1024, "n": 10}],
    small={"m": 3, "w": 20, "n": 4},
    work=lambda m, w, n: Work(2.0 * m * w * (w // 2) * n),
    tasks={
        "fwdad": ours,
        "torch": partial(by_torch, forwards),
        "numpy": partial(by_numpy, forwards),
        "torch-backprop": partial(by_torch, by_transposes),
        "numpy-backprop": partial(by_numpy, by_transposes),
    },
)
