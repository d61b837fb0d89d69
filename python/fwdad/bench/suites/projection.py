"""The projection of a gradient on k directions: Gram matrix, coefficients, combination, or QR."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fwdad import estimators, perturbation
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error


class Problem(NamedTuple):
    """Directions (k, n), the derivatives along them, and the projection that is wanted."""

    v: np.ndarray
    d: np.ndarray
    truth: np.ndarray

    def error(self, answer: Any) -> float:
        """Return the error of a projection."""
        return relative_error(answer, self.truth)


def cone(k: int, n: int, degrees: float) -> np.ndarray:
    """Return k directions at an angle from one axis (90: independent normals): the smaller, the worse the condition."""
    v = normals(0, k, n)
    if degrees < 90:
        axis = normals(1, n)
        axis /= np.linalg.norm(axis)
        v -= np.outer(v @ axis, axis)
        v *= np.float32(np.tan(np.radians(degrees))) / np.linalg.norm(v, axis=1, keepdims=True)
        v += axis
    return v


def problem(k: int, n: int, degrees: float) -> Problem:
    """Return the derivatives of a vector g along a cone; the truth is from QR or, for 90 degrees, the Gram matrix."""
    v = cone(k, n, degrees)
    v64, g = v.astype(np.float64), normals(2, n).astype(np.float64)
    d = v64 @ g
    if degrees < 90:
        q, _ = np.linalg.qr(v64.T)
        return Problem(v, d, q @ (q.T @ g))
    return Problem(v, d, np.linalg.solve(v64 @ v64.T, d) @ v64)


def ours(**sizes: Any) -> Task:
    """Call the combiner."""
    p = problem(**sizes)
    d, v = send(p.d), send(p.v)

    def call() -> np.ndarray:
        (g,) = estimators.Projection().gradient(d, perturbation.Directions([v]))
        return g

    return Task(call, p.error, 1e-6)


def by_numpy(**sizes: Any) -> Task:
    """Compute the Gram matrix in float32, and solve in float64."""
    p = problem(**sizes)
    v, d = send(p.v), send(p.d)

    def call() -> Any:
        c = np.linalg.solve((v @ v.T).astype(np.float64), d)
        return c.astype(np.float32) @ v

    return Task(call, p.error, 1e-2)


def by_numpys_qr(**sizes: Any) -> Task:
    """Make the directions orthonormal by QR."""
    p = problem(**sizes)
    v, d = send(p.v), send(p.d)

    def call() -> Any:
        q, r = np.linalg.qr(v.T)
        return q @ np.linalg.solve(r.T, d.astype(np.float32))

    return Task(call, p.error, 1e-2)


def by_torch(**sizes: Any) -> Task:
    """Compute the Gram matrix in float32, and solve in float64."""
    torch, p = peers.torch(), problem(**sizes)
    v, d = torch.tensor(p.v), torch.tensor(p.d)

    def call() -> Any:
        c = torch.linalg.solve((v @ v.T).double(), d)
        return c.float() @ v

    return Task(call, p.error, 1e-2)


def by_torchs_qr(**sizes: Any) -> Task:
    """Make the directions orthonormal by QR."""
    torch, p = peers.torch(), problem(**sizes)
    v, d = torch.tensor(p.v), torch.tensor(p.d, dtype=torch.float32)

    def call() -> Any:
        q, r = torch.linalg.qr(v.T)
        return q @ torch.linalg.solve(r.T, d)

    return Task(call, p.error, 1e-2)


def few(k: int, n: int, degrees: float) -> bool:
    """Whether QR takes seconds, not minutes."""
    return k * n < 2**21


register(
    "projection",
    sizes=[
        *({"k": k, "n": 270_000, "degrees": 90.0} for k in (16, 64, 128, 256)),
        *({"k": 64, "n": 20_000, "degrees": degrees} for degrees in (90.0, 15.0)),
    ],
    small={"k": 4, "n": 50, "degrees": 15.0},
    work=lambda k, n, degrees: Work(1.0 * k * (k + 1) * n + 2.0 * k * n, 8.0 * k * n),
    tasks={
        "fwdad": ours, "torch": by_torch, "numpy": by_numpy, "torch-qr": by_torchs_qr, "numpy-qr": by_numpys_qr,
    },
    only={"torch-qr": few, "numpy-qr": few},
)  # fmt: skip
