"""NumPy's part, and CuPy's: the equations as one writes them without a library for derivatives.

On a device the same lines are CuPy's, whose products are those of cuBLAS.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.bench.place import generator, on_host, send
from fwdad.bench.suites import problems
from fwdad.bench.task import Task, relative_error


def step(w: int, k: int) -> Task:
    """The tangents of the network by hand: NumPy differentiates nothing."""
    net = problems.network(w)
    state: dict[str, Any] = {"params": [p.copy() for p in net.params], "random": np.random.default_rng(0)}

    def advance(rate: float) -> None:
        params = state["params"]
        v = [state["random"].standard_normal((k, *p.shape), np.float32) for p in params]
        w1, b1, w2, b2, w3, b3 = params
        z1 = net.x @ w1 + b1
        h1, dh1 = np.maximum(z1, 0), (z1 > 0) * (net.x @ v[0] + v[1][:, None])
        z2 = h1 @ w2 + b2
        h2, dh2 = np.maximum(z2, 0), (z2 > 0) * (dh1 @ w2 + h1 @ v[2] + v[3][:, None])
        z3, dz3 = h2 @ w3 + b3, dh2 @ w3 + h2 @ v[4] + v[5][:, None]
        p = np.exp(z3 - z3.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(problems.BATCH), net.labels] -= 1
        d = np.sum(p * dz3, axis=(1, 2)) / problems.BATCH
        flat = [part.reshape(k, -1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = np.linalg.solve(gram, d)
        state["params"] = [p - rate * (c @ part).reshape(p.shape) for p, part in zip(params, flat, strict=True)]
        state["directions"] = v

    def check(_: Any) -> float:
        state["params"] = net.params
        return problems.step_error(advance, lambda: state["params"], lambda: state["directions"], w)

    return Task(lambda: advance(problems.RATE), check, 1e-4)


def affine(m: int, depth: int, n: int, k: int, dx: bool) -> Task:
    """The two equations as they stand."""
    a = problems.affine(m, depth, n, k, dx)
    there = problems.Affine(*map(send, a))

    def call() -> Any:
        z = there.x @ there.w + there.b
        dz = there.x @ there.dw + there.db[:, None]
        if there.dx is not None:
            dz += there.dx @ there.w
        return np.maximum(z, 0), (z > 0) * dz

    return Task(call, lambda answer: problems.affine_error(a, answer), 1e-6)


def product(m: int, depth: int, n: int, k: int) -> Task:
    """np.matmul of one matrix with k."""
    x, dw = problems.normals(0, m, depth), problems.normals(2, k, depth, n)
    left, right = send(x), send(dw)
    return Task(lambda: left @ right, lambda answer: relative_error(answer, x.astype(np.float64) @ dw), 1e-6)


def drawn_product(m: int, depth: int, n: int, k: int) -> Task:
    """standard_normal, then np.matmul."""
    x, random = problems.normals(0, m, depth), generator()
    there = send(x)

    def call() -> Any:
        dw = random.standard_normal((k, depth, n), np.float32)
        return dw, there @ dw

    def check(answer: Any) -> float:
        return relative_error(answer[1], x.astype(np.float64) @ on_host(answer[0]))

    return Task(call, check, 1e-6)


def generate(n: int) -> Task:
    """standard_normal, into memory that is there."""
    out, random = send(np.empty(n, np.float32)), generator()
    return Task(lambda: random.standard_normal(out=out, dtype=np.float32), problems.moments_error, 3e-3)


def tanh(n: int, k: int) -> Task:
    """The two equations as they stand."""
    x, dx = problems.normals(0, n), problems.normals(1, k, n)
    primal, tangent = send(x), send(dx)

    def call() -> Any:
        y = np.tanh(primal)
        return y, (1 - y * y) * tangent

    return Task(call, lambda answer: problems.tanh_error(x, dx, answer), 1e-6)


def axpby(n: int) -> Task:
    """A product, then a difference."""
    p = problems.updated(n)
    x, g = send(p.x), send(p.g)
    return Task(lambda: x - problems.RATE * g, lambda answer: relative_error(answer, p.truth), 1e-6)


def projection(k: int, n: int, degrees: float) -> Task:
    """Gram matrix in float32, solved in float64."""
    p = problems.projected(k, n, degrees)
    v, d = send(p.v), send(p.d)

    def call() -> Any:
        c = np.linalg.solve((v @ v.T).astype(np.float64), d)
        return c.astype(np.float32) @ v

    return Task(call, lambda answer: relative_error(answer, p.truth), 1e-2)


def projection_by_qr(k: int, n: int, degrees: float) -> Task:
    """Orthonormal directions from QR."""
    p = problems.projected(k, n, degrees)
    v, d = send(p.v), send(p.d)

    def call() -> Any:
        q, r = np.linalg.qr(v.T)
        return q @ np.linalg.solve(r.T, d.astype(np.float32))

    return Task(call, lambda answer: relative_error(answer, p.truth), 1e-2)


TASKS = {
    ("numpy", "step"): step,
    ("numpy", "affine JVP"): affine,
    ("numpy", "product"): product,
    ("numpy", "normals + product"): drawn_product,
    ("numpy", "normals"): generate,
    ("numpy", "tanh JVP"): tanh,
    ("numpy", "axpby"): axpby,
    ("numpy", "projection"): projection,
    ("numpy-qr", "projection"): projection_by_qr,
}
