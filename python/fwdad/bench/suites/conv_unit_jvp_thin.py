"""conv_unit_jvp_thin: what w x w x n units do to the loss of m examples, through a relu convolution of 2 n channels.

The convolution is 3 x 3 with stride 2, the outputs are ten. The peer pulls the gradient back, as backpropagation does:
ten times fewer operations, and no JVP. Forwards, as one product, the tangents of all units would be arrays of
gigabytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.bench import peers
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.target import send
from fwdad.bench.task import Task, relative_error
from fwdad.kernels import Window

OUTPUTS, WINDOW = 10, Window((3, 3), stride=(2, 2), padding=(1, 1))


class Problem(NamedTuple):
    """Weights (3, 3, n, 2 n) and v (w/2, w/2, 2 n, 10), slopes r and s of both layers, and the outputs' gradient e."""

    weight: np.ndarray
    r: np.ndarray
    s: np.ndarray
    v: np.ndarray
    e: np.ndarray

    def error(self, answer: Any) -> float:
        """Return the error of d (m, w, w, n)."""
        weight, r, s, v, e = (a.astype(np.float64) for a in self)
        pulled = s * np.einsum("bc,ijmc->bijm", e, v)
        (height, width), size = s.shape[1:3], r.shape[1]
        padded = np.zeros((len(r), size + 2, size + 2, r.shape[3]))
        for i, j in np.ndindex(3, 3):
            seen = padded[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2]
            seen += pulled @ weight[i, j].T
        return relative_error(answer, r * padded[:, 1:-1, 1:-1])


def problem(m: int, w: int, n: int) -> Problem:
    """Return random arrays; about half of the units of either layer move."""
    place = WINDOW.output(w, w)
    r, s = ((normals(i, *shape) > 0).astype(np.float32) for i, shape in enumerate([(m, w, w, n), (m, *place, 2 * n)]))
    return Problem(normals(2, 3, 3, n, 2 * n), r, s, normals(3, *place, 2 * n, OUTPUTS), normals(4, m, OUTPUTS))


def ours(**sizes: int) -> Task:
    """Call the kernel."""
    p = problem(**sizes)
    weight, r, s, v, e = map(send, p)
    return Task(lambda: kernels.conv_unit_jvp_thin(weight, r, s, v, e, WINDOW), p.error, 1e-6)


def torch_backprop(**sizes: int) -> Task:
    """Pull the gradient back by PyTorch."""
    torch, p = peers.torch(), problem(**sizes)
    weight, r, s, v, e = map(torch.tensor, p)
    weight, r, s = (
        a.permute(order).contiguous() for a, order in ((weight, (3, 2, 0, 1)), (r, (0, 3, 1, 2)), (s, (0, 3, 1, 2)))
    )
    v = v.permute(2, 0, 1, 3).reshape(-1, OUTPUTS).contiguous()
    extra = 1 - r.shape[2] % 2  # rows that no window reaches

    def pull() -> Any:
        pulled = s * (e @ v.T).reshape(s.shape)
        return torch.nn.functional.conv_transpose2d(pulled, weight, stride=2, padding=1, output_padding=extra) * r

    return Task(pull, lambda d: p.error(np.transpose(d, (0, 2, 3, 1))), 1e-6)


def operations(m: int, w: int, n: int) -> float:
    """Count those of entries that move and taps that do not see padding."""
    taps = sum(0 <= 2 * place - 1 + tap < w for place in range(WINDOW.output(w, w)[0]) for tap in range(3)) ** 2
    return 2.0 * m * taps * n * n * OUTPUTS  # n of the 2 n channels move


register(
    "unit JVP of a convolution",
    sizes=[{"m": 64, "w": 14, "n": 16}, {"m": 24, "w": 14, "n": 16}, {"m": 16, "w": 16, "n": 64}],
    small={"m": 3, "w": 5, "n": 4},
    work=lambda m, w, n: Work(operations(m, w, n)),
    tasks={"fwdad": ours, "torch-backprop": torch_backprop},
    on_cuda=False,
)
