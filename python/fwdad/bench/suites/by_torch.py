"""PyTorch's part: torch.func, a plain loop over its forward mode, and its backpropagation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad
from torch.func import jvp, vmap
from torch.nn.functional import cross_entropy

from fwdad.bench import place
from fwdad.bench.suites import problems
from fwdad.bench.task import Task, relative_error

Tensors = list[torch.Tensor]

torch.set_default_device(place.name())  # work there goes to the stream that events of CuPy's are recorded on


def forward(params: Any, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss."""
    w1, b1, w2, b2, w3, b3 = params
    h = torch.relu(torch.addmm(b1, x, w1))
    h = torch.relu(torch.addmm(b2, h, w2))
    return cross_entropy(torch.addmm(b3, h, w3), labels)


class Trainer:
    """Parameters, and steps along the projection; `derivatives` gives d (k,) for the directions."""

    def __init__(self, w: int, k: int, derivatives: Callable[[Any, Tensors, Tensors], torch.Tensor]) -> None:
        net = problems.network(w)
        self.x, self.labels = torch.tensor(net.x), torch.tensor(net.labels)
        self.w, self.k, self.derivatives = w, k, derivatives
        self.params = [torch.tensor(p) for p in net.params]

    def advance(self, rate: float) -> None:
        v = [torch.randn((self.k, *p.shape)) for p in self.params]
        d = self.derivatives(lambda *p: forward(p, self.x, self.labels), self.params, v)
        flat = [part.flatten(1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = torch.linalg.solve(gram, d)
        for p, part in zip(self.params, flat, strict=True):
            p.sub_((c @ part).view_as(p), alpha=rate)
        self.directions = v

    def check(self, _: Any) -> float:
        fresh = Trainer(self.w, self.k, self.derivatives)
        return problems.step_error(
            fresh.advance,
            lambda: [p.numpy() for p in fresh.params],
            lambda: [v.numpy() for v in fresh.directions],
            self.w,
        )


def by_vmap(loss: Any, params: Tensors, v: Tensors) -> torch.Tensor:
    """vmap of jvp; for one direction jvp alone, which is faster."""
    if len(v[0]) == 1:
        return jvp(loss, tuple(params), tuple(part[0] for part in v))[1].reshape(1)
    return vmap(lambda *parts: jvp(loss, tuple(params), parts)[1])(*v)


def by_loop(loss: Any, params: Tensors, v: Tensors) -> torch.Tensor:
    """One pass a direction."""
    found = []
    for i in range(len(v[0])):
        with forward_ad.dual_level():
            duals = [forward_ad.make_dual(p, part[i]) for p, part in zip(params, v, strict=True)]
            found.append(forward_ad.unpack_dual(loss(*duals)).tangent)
    return torch.stack(found)


def step(w: int, k: int, derivatives: Any) -> Task:
    """Sample, differentiate, project, update in place."""
    trainer = Trainer(w, k, derivatives)
    return Task(lambda: trainer.advance(problems.RATE), trainer.check, 1e-4)


def backprop(w: int, k: int) -> Task:
    """The gradient by autograd, update in place; there is no k."""
    net = problems.network(w)
    x, labels = torch.tensor(net.x), torch.tensor(net.labels)

    def fresh() -> tuple[Tensors, Callable[[float], None]]:
        params = [torch.tensor(p, requires_grad=True) for p in net.params]

        def advance(rate: float) -> None:
            grads = torch.autograd.grad(forward(params, x, labels), params)
            with torch.no_grad():
                for p, g in zip(params, grads, strict=True):
                    p.sub_(g, alpha=rate)

        return params, advance

    def check(_: Any) -> float:
        params, once = fresh()
        return problems.step_error(once, lambda: [p.detach().numpy() for p in params], None, w)

    _, advance = fresh()
    return Task(lambda: advance(problems.RATE), check, 1e-4)


def affine(m: int, depth: int, n: int, k: int, dx: bool) -> Task:
    """The two equations, by matmul's own batching."""
    a = problems.affine(m, depth, n, k, dx)
    x, w, b, dw, db = (torch.tensor(part) for part in (a.x, a.w, a.b, a.dw, a.db))
    moved = None if a.dx is None else torch.tensor(a.dx)

    def call() -> Any:
        z = torch.addmm(b, x, w)
        dz = torch.matmul(x, dw).add_(db[:, None])
        if moved is not None:
            dz += moved @ w
        return torch.relu(z), dz.mul_(z > 0)

    return Task(call, lambda answer: problems.affine_error(a, answer), 1e-6)


def product(m: int, depth: int, n: int, k: int) -> Task:
    """torch.matmul of one matrix with k."""
    x, dw = problems.normals(0, m, depth), problems.normals(2, k, depth, n)
    tx, tdw = torch.tensor(x), torch.tensor(dw)
    return Task(lambda: torch.matmul(tx, tdw), lambda answer: relative_error(answer, x.astype(np.float64) @ dw), 1e-6)


def drawn_product(m: int, depth: int, n: int, k: int) -> Task:
    """randn, then matmul."""
    x = problems.normals(0, m, depth)
    tx = torch.tensor(x)

    def call() -> Any:
        dw = torch.randn(k, depth, n)
        return dw, torch.matmul(tx, dw)

    def check(answer: Any) -> float:
        return relative_error(answer[1], x.astype(np.float64) @ place.on_host(answer[0]))

    return Task(call, check, 1e-6)


def generate(n: int) -> Task:
    """normal_, into memory that is there."""
    out = torch.empty(n)
    return Task(lambda: out.normal_(), problems.moments_error, 3e-3)


def tanh(n: int, k: int) -> Task:
    """vmap of the JVP of torch.tanh."""
    x, dx = problems.normals(0, n), problems.normals(1, k, n)
    tx, tdx = torch.tensor(x), torch.tensor(dx)

    def call() -> Any:
        y, dy = vmap(lambda v: jvp(torch.tanh, (tx,), (v,)), out_dims=(None, 0))(tdx)
        return y, dy

    return Task(call, lambda answer: problems.tanh_error(x, dx, answer), 1e-6)


def axpby(n: int) -> Task:
    """torch.add, which takes a factor."""
    p = problems.updated(n)
    x, g = torch.tensor(p.x), torch.tensor(p.g)
    return Task(lambda: torch.add(x, g, alpha=-problems.RATE), lambda answer: relative_error(answer, p.truth), 1e-6)


def projection(k: int, n: int, degrees: float) -> Task:
    """Gram matrix in float32, solved in float64."""
    p = problems.projected(k, n, degrees)
    v, d = torch.tensor(p.v), torch.tensor(p.d)

    def call() -> Any:
        c = torch.linalg.solve((v @ v.T).double(), d)
        return c.float() @ v

    return Task(call, lambda answer: relative_error(answer, p.truth), 1e-2)


def projection_by_qr(k: int, n: int, degrees: float) -> Task:
    """Orthonormal directions from QR."""
    p = problems.projected(k, n, degrees)
    v, d = torch.tensor(p.v), torch.tensor(p.d, dtype=torch.float32)

    def call() -> Any:
        q, r = torch.linalg.qr(v.T)
        return q @ torch.linalg.solve(r.T, d)

    return Task(call, lambda answer: relative_error(answer, p.truth), 1e-2)


TASKS = {
    ("torch", "step"): lambda w, k: step(w, k, by_vmap),
    ("torch-loop", "step"): lambda w, k: step(w, k, by_loop),
    ("torch-backprop", "step"): backprop,
    ("torch", "affine JVP"): affine,
    ("torch", "product"): product,
    ("torch", "normals + product"): drawn_product,
    ("torch", "normals"): generate,
    ("torch", "tanh JVP"): tanh,
    ("torch", "axpby"): axpby,
    ("torch", "projection"): projection,
    ("torch-qr", "projection"): projection_by_qr,
}
