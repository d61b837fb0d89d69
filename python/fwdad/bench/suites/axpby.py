"""axpby: a step of SGD on n parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error

RATE = 1e-3


class Problem(NamedTuple):
    """Parameters, a gradient, and x - RATE g in float64."""

    x: np.ndarray
    g: np.ndarray
    truth: np.ndarray


def problem(n: int) -> Problem:
    """Return n parameters before and after the step."""
    x, g = normals(0, n), normals(1, n)
    return Problem(x, g, x - RATE * g.astype(np.float64))


def ours(n: int) -> Task:
    """Call the kernel."""
    p = problem(n)
    x, g = send(p.x), send(p.g)
    return Task(lambda: kernels.axpby(1, x, -RATE, g), lambda answer: relative_error(answer, p.truth), 1e-6)


def by_numpy(n: int) -> Task:
    """Compute a product, then a difference."""
    p = problem(n)
    x, g = send(p.x), send(p.g)
    return Task(lambda: x - RATE * g, lambda answer: relative_error(answer, p.truth), 1e-6)


def by_torch(n: int) -> Task:
    """Call torch.add, which takes a factor."""
    torch, p = peers.torch(), problem(n)
    x, g = torch.tensor(p.x), torch.tensor(p.g)
    return Task(lambda: torch.add(x, g, alpha=-RATE), lambda answer: relative_error(answer, p.truth), 1e-6)


register(
    "axpby",
    sizes=[{"n": 2**23}],
    small={"n": 100},
    work=lambda n: Work(bytes=12.0 * n),
    tasks={"fwdad": ours, "torch": by_torch, "numpy": by_numpy},
)
