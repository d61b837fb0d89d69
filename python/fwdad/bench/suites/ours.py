"""fwdad's own part: kernels as the library calls them, and the step as a user writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fwdad
from fwdad import estimators, kernels, nn, optim, perturbation, tangents, tree
from fwdad.bench import place
from fwdad.bench.machine import aligned
from fwdad.bench.place import send
from fwdad.bench.suites import problems
from fwdad.bench.task import Task, relative_error
from fwdad.kernels import Stream


def step(w: int, k: int) -> Task:
    """ForwardGradient with normal directions and the global projection, then SGD."""
    net = problems.network(w)
    sampler = estimators.Normal(k=k, seed=0)
    state: dict[str, Any] = {}

    def restart() -> None:
        model = nn.MLP((784, w, w, 10))
        state["structure"] = tree.flatten(model)[1]
        state["model"] = tree.unflatten(state["structure"], [p.copy() for p in net.params])
        state["fg"] = fwdad.ForwardGradient(sampler, estimators.Projection(), perturb="weight")
        state["optimizer"] = optim.sgd(problems.RATE).init(state["model"])

    def loss(model: Any, x: Any, labels: Any) -> Any:
        return nn.cross_entropy(model(x), labels)

    def advance(rate: float) -> None:
        _, grads = state["fg"](loss, state["model"], net.x, net.labels)
        state["model"], state["optimizer"] = optim.sgd(rate).step(grads, state["optimizer"], state["model"])

    def directions() -> list[np.ndarray]:
        drawn = sampler.directions(net.params, step=0)
        return [tangents.as_dense(part) for part in drawn.parts]

    def check(_: Any) -> float:
        restart()
        error = problems.step_error(advance, lambda: tree.leaves(state["model"]), directions, w)
        restart()
        return error

    restart()
    return Task(lambda: advance(problems.RATE), check, 1e-4)


def affine(m: int, depth: int, n: int, k: int, dx: bool) -> Task:
    """The affine kernel with dense tangents."""
    a = problems.affine(m, depth, n, k, dx)
    there = problems.Affine(*map(send, a))
    return Task(lambda: kernels.affine_jvp(*there, "relu"), lambda answer: problems.affine_error(a, answer), 1e-6)


def product(m: int, depth: int, n: int, k: int) -> Task:
    """x @ dw_i for k matrices dw_i."""
    x, dw = problems.normals(0, m, depth), problems.normals(2, k, depth, n)
    left, right = send(x), send(dw)

    def check(answer: Any) -> float:
        return relative_error(answer, np.stack([x.astype(np.float64) @ v for v in dw]))

    return Task(lambda: kernels.matmul(left, right), check, 1e-6)


def drawn_product(m: int, depth: int, n: int, k: int, distribution: str) -> Task:
    """As `product`, with fresh random dw_i, generated inside the kernel."""
    x = problems.normals(0, m, depth)
    left = send(x)
    steps = {"step": 0}

    def stream() -> Stream:
        return Stream(0, steps["step"], 0, distribution, k, (depth, n), device=place.name())

    def call() -> Any:
        steps["step"] += 1
        return kernels.stream_product(left, stream())

    def check(answer: Any) -> float:
        dw = kernels.KERNELS["generate"].bodies["reference"](stream())
        return relative_error(answer, x.astype(np.float64) @ dw)

    return Task(call, check, 1e-6)


def generate(n: int, distribution: str) -> Task:
    """The generator, into memory that is there; on a device, in CuPy's pool."""
    stream = Stream(0, 0, 0, distribution, 16, (n // 16384, 1024), device=place.name())
    out = np.empty(stream.shape, np.float32)

    def call() -> np.ndarray:
        if stream.device != "cpu":
            return kernels.generate(stream)
        native = kernels.dispatch.native
        assert native is not None
        native.generate(stream.descriptor, out)
        return out

    def check(answer: Any) -> float:
        return relative_error(answer, kernels.KERNELS["generate"].bodies["reference"](stream))

    return Task(call, check, 1e-6)


def tanh(n: int, k: int) -> Task:
    """The JVP of np.tanh, as a user calls it."""
    x, dx = problems.normals(0, n), problems.normals(1, k, n)
    primal, tangent = (send(x),), (send(dx),)
    return Task(lambda: fwdad.jvp(np.tanh, primal, tangent), lambda answer: problems.tanh_error(x, dx, answer), 1e-6)


def scaled(n: int, k: int) -> Task:
    """The kernel beneath all elementwise rules, into memory that is there; on a device, in CuPy's pool."""
    a, dx, out = problems.normals(0, n), problems.normals(1, k, n), np.empty((k, n), np.float32)
    there = send(a), send(dx)

    def call() -> np.ndarray:
        if place.name() != "cpu":
            return kernels.scaled_tangents(*there)
        native = kernels.dispatch.native
        assert native is not None
        native.scaled_tangents(a, dx, None, None, out)
        return out

    return Task(call, lambda answer: relative_error(answer, a * dx.astype(np.float64)), 1e-6)


def axpby(n: int) -> Task:
    """The kernel beneath a step of SGD."""
    p = problems.updated(n)
    x, g = send(p.x), send(p.g)
    return Task(lambda: kernels.axpby(1, x, -problems.RATE, g), lambda answer: relative_error(answer, p.truth), 1e-6)


def copy(moved: float) -> Task:
    """The probe that the machine's peak is measured with, which reads half of `moved` bytes and writes the other half:
    in every call the next ones of 256 MB, so that they come from memory.
    """
    native = kernels.dispatch.native
    assert native is not None
    n = int(moved) // 8 // 16 * 16  # whole registers
    everything = max(n, 2**26)
    a, b = aligned(everything), aligned(everything)
    a[:n] = problems.normals(0, n)
    state = {"next": 0}

    def call() -> np.ndarray:
        start = state["next"]
        part = slice(start, start + n)
        native.probe_copy(a[part], b[part])
        state["next"] = start + n if start + 2 * n <= everything else 0
        return b[part]

    return Task(call, lambda answer: relative_error(answer, a[:n]), 0.0)


def kernel(name: str, arguments: Sequence[Any]) -> Task:
    """A kernel by its name; the truth is its reference's, in float64."""
    there = [send(a) if isinstance(a, np.ndarray) else a for a in arguments]
    exact = [a.astype(np.float64) if getattr(a, "dtype", None) == np.float32 else a for a in arguments]

    def check(answer: Any) -> float:
        truth = kernels.KERNELS[name].bodies["reference"](*exact)
        both = ((answer, truth),) if isinstance(truth, np.ndarray) else zip(answer, truth, strict=True)
        return max(relative_error(given, expected) for given, expected in both)

    return Task(lambda: getattr(kernels, name)(*there), check, 1e-6)


def conv(m: int, depth: int, n: int, k: int) -> Task:
    """The convolution kernel with dense tangents of input and weights: m images of 16 x 16, windows of 3 x 3."""
    x, w = problems.normals(0, m, 16, 16, depth), problems.normals(1, 3, 3, depth, n)
    dx, dw = problems.normals(2, k, m, 16, 16, depth), problems.normals(3, k, 3, 3, depth, n)
    return kernel("conv_jvp", (x, w, None, dx, dw, None, kernels.Window((3, 3), padding=(1, 1)), "identity"))


def weighted_rows(m: int, n: int, k: int) -> Task:
    """The kernel beneath sums along the last axis."""
    return kernel("weighted_rows", (problems.normals(0, m, n), problems.normals(1, k, m, n)))


def cross_entropy(m: int, n: int, k: int) -> Task:
    """The loss of m examples with n classes."""
    labels = np.arange(m) % n
    return kernel("cross_entropy_jvp", (problems.normals(0, m, n), labels, problems.normals(1, k, m, n)))


def gram(k: int, n: int, exact: bool) -> Task:
    """The Gram kernel."""
    v = problems.normals(0, k, n)
    there = send(v)

    def check(answer: Any) -> float:
        v64 = v.astype(np.float64)
        return relative_error(answer, v64 @ v64.T)

    return Task(lambda: kernels.gram(there, exact=exact), check, 1e-13 if exact else 1e-6)


def combination(k: int, n: int) -> Task:
    """The combine kernel."""
    c, v = np.linspace(-1, 1, k), problems.normals(0, k, n)
    there = send(c), send(v)
    return Task(lambda: kernels.combine(*there), lambda answer: relative_error(answer, c @ v.astype(np.float64)), 1e-6)


def projection(k: int, n: int, degrees: float) -> Task:
    """The combiner: Gram matrix, coefficients, combination."""
    p = problems.projected(k, n, degrees)
    d, v = send(p.d), send(p.v)

    def call() -> np.ndarray:
        (g,) = estimators.Projection().gradient(d, perturbation.Directions([v]))
        return g

    return Task(call, lambda answer: relative_error(answer, p.truth), 1e-6)


TASKS = {
    ("fwdad", "step"): step,
    ("fwdad", "affine JVP"): affine,
    ("fwdad", "product"): product,
    ("fwdad", "normals + product"): lambda **sizes: drawn_product(**sizes, distribution="normal"),
    ("fwdad", "signs + product"): lambda **sizes: drawn_product(**sizes, distribution="rademacher"),
    ("fwdad", "normals"): lambda n: generate(n, "normal"),
    ("fwdad", "signs"): lambda n: generate(n, "rademacher"),
    ("fwdad", "tanh JVP"): tanh,
    ("fwdad", "scaled tangents"): scaled,
    ("fwdad", "axpby"): axpby,
    ("fwdad", "conv JVP"): conv,
    ("fwdad", "weighted rows"): weighted_rows,
    ("fwdad", "cross-entropy JVP"): cross_entropy,
    ("fwdad", "Gram matrix"): gram,
    ("fwdad", "combination"): combination,
    ("fwdad", "projection"): projection,
}
