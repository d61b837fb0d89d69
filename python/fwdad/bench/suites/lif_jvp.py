"""lif_jvp: counts of n neurons on m examples over t steps, and their derivatives by one tangent of ones.

Peers run the same neurons step by step. The yardstick is backpropagation through time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import on_host, send
from fwdad.bench.task import Task, relative_error
from fwdad.kernels.lif_jvp import KERNEL

BETA, THETA = 0.9, 1.0


def problem(m: int, n: int, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Return constant currents (m, n), and dh/dI."""
    current = np.abs(normals(0, m, n)) * np.float32(0.4)
    one = np.ones(n)
    exact = KERNEL.bodies["reference"](
        current[:, None].astype(np.float64), BETA * one, THETA * one, None, t, 25.0, False, ("by_current",)
    )[1]
    return current, exact


def error_of(exact: np.ndarray) -> Any:
    """Return the error of most derivatives: a spike that rounding moves by a step is another trajectory."""

    def error(answer: Any) -> float:
        found = on_host(answer)
        close = np.abs(found - exact) < 1e-2 * (1 + np.abs(exact))
        counted = close if close.mean() > 0.999 else np.ones_like(close)
        return relative_error(*(np.where(counted, a, 0) for a in (found, exact)))

    return error


def ours(m: int, n: int, t: int) -> Task:
    """Call the kernel."""
    current, exact = problem(m, n, t)
    flow, beta, theta = (send(a) for a in (current, np.full(n, BETA, np.float32), np.full(n, THETA, np.float32)))
    return Task(lambda: kernels.lif_jvp(flow, beta, theta, t).by_current, error_of(exact), 1e-4)


def by_torch(backwards: bool, m: int, n: int, t: int) -> Task:
    """Run the steps in PyTorch, with traces carried forward or by backpropagation through time."""
    torch = peers.torch()
    current, exact = problem(m, n, t)
    flow = torch.tensor(current)

    def forward() -> Any:
        u, fired, e, slope = (torch.zeros_like(flow) for _ in range(4))
        for _ in range(t):
            e = BETA * e + 1
            u = BETA * u + flow - THETA * fired
            fired = (u > THETA).float()
            slope = slope + e / (1 + 25 * (u - THETA).abs()) ** 2
        return slope

    def backward() -> Any:
        moving = flow.clone().requires_grad_()
        u, fired, count = torch.zeros_like(flow), torch.zeros_like(flow), torch.zeros_like(flow)
        for _ in range(t):
            u = BETA * u + moving - THETA * fired
            above = u - THETA
            smooth = above / (1 + 25 * above.abs())
            fired = (above > 0).float()
            count = count + fired + smooth - smooth.detach()
        return torch.autograd.grad(count.sum(), moving)[0]

    return Task(backward if backwards else forward, error_of(exact), 1e-4)


register(
    "LIF JVP",
    sizes=[{"m": 512, "n": 500, "t": t} for t in (10, 100)],
    small={"m": 3, "n": 20, "t": 5},
    work=lambda m, n, t: Work(20.0 * m * n * t),
    tasks={"fwdad": ours, "torch": partial(by_torch, False), "torch-bptt": partial(by_torch, True)},
)
