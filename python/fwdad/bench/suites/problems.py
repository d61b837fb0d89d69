"""What is computed: inputs, the same for everyone, the truth in float64, and how much work each answer is.

Nothing here is fast, and nothing here is shared with the kernels: NumPy in float64 is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fwdad.bench.place import on_host
from fwdad.bench.task import relative_error

Arrays = list[np.ndarray]


def normals(seed: int, *shape: int) -> np.ndarray:
    """Independent normals in float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# ---------------------------------------------------------------------------------------------------------- the step

BATCH, RATE = 64, 1e-3


class Network(NamedTuple):
    """A classifier of 784 inputs, two hidden layers of w units with relu, 10 classes, and a batch of 64."""

    params: Arrays  # weight, bias, weight, bias, ...
    x: np.ndarray
    labels: np.ndarray


def network(w: int) -> Network:
    """Initial parameters by He, and random examples that move no unit so near to relu's kink that rounding decides."""
    sizes = (784, w, w, 10)
    params: Arrays = []
    for i in range(3):
        weight = normals(i, *sizes[i : i + 2]) * np.float32(np.sqrt(2 / sizes[i]))
        params += [weight, np.zeros(sizes[i + 1], np.float32)]
    x = normals(3, 2 * BATCH, 784)
    nearest = np.minimum(*(np.abs(z).min(axis=1) for z in hidden(params, x)))
    return Network(params, x[nearest > 1e-5][:BATCH], np.arange(BATCH) % 10)


def hidden(params: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the units of both hidden layers hold before relu, in float64."""
    w1, b1, w2, b2 = (p.astype(np.float64) for p in params[:4])
    z1 = x @ w1 + b1
    return z1, np.maximum(z1, 0) @ w2 + b2


def gradient(net: Network) -> Arrays:
    """The gradient of the mean cross-entropy, by backpropagation in float64."""
    w2, w3, b3 = (p.astype(np.float64) for p in (net.params[2], *net.params[4:]))
    x = net.x.astype(np.float64)
    h1, h2 = (np.maximum(z, 0) for z in hidden(net.params, x))
    z = h2 @ w3 + b3
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(BATCH), net.labels] -= 1
    g3 = p / BATCH
    g2 = (g3 @ w3.T) * (h2 > 0)
    g1 = (g2 @ w2.T) * (h1 > 0)
    return [x.T @ g1, g1.sum(axis=0), h1.T @ g2, g2.sum(axis=0), h2.T @ g3, g3.sum(axis=0)]


def projection(directions: Sequence[np.ndarray], g: Arrays) -> Arrays:
    """The orthogonal projection of g on the span of directions, one array (k, *shape) a parameter, in float64."""
    k = directions[0].shape[0]
    gram, d = np.zeros((k, k)), np.zeros(k)
    for v, part in zip(directions, g, strict=True):
        flat = v.reshape(k, -1).astype(np.float64)
        gram += flat @ flat.T
        d += flat @ part.ravel()
    c = np.linalg.solve(gram, d)
    return [np.tensordot(c, v.astype(np.float64), 1) for v in directions]


def step_error(
    advance: Callable[[float], Any], params: Callable[[], Arrays], directions: Callable[[], Arrays] | None, w: int
) -> float:
    """How far the change of one step, at a rate where rounding of the parameters does not count, is from the truth.

    advance(rate) : do one step. params() : the parameters now. directions() : those of the step that was done; None for
        a step along the gradient itself.
    """
    net, rate = network(w), 1e4
    advance(rate)
    moved = [(new - old.astype(np.float64)) / -rate for new, old in zip(params(), net.params, strict=True)]
    truth = gradient(net) if directions is None else projection(directions(), gradient(net))
    return relative_error(join(moved), join(truth))


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """All entries as one vector."""
    return np.concatenate([part.ravel() for part in parts])


# ------------------------------------------------------------------------------------------------------- the kernels


class Affine(NamedTuple):
    """A layer and its tangents; dx is None where the input does not move."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    dx: np.ndarray | None
    dw: np.ndarray
    db: np.ndarray


def affine(m: int, depth: int, n: int, k: int, dx: bool) -> Affine:
    """relu(x w + b) of x (m, depth) and w (depth, n), with k tangents that move w, b and, if wanted, x."""
    w = normals(1, depth, n) / np.float32(np.sqrt(depth))
    return Affine(
        normals(0, m, depth), w, normals(2, n), normals(3, k, m, depth) if dx else None,
        normals(4, k, depth, n), normals(5, k, n),
    )  # fmt: skip


def affine_error(a: Affine, answer: tuple[Any, Any]) -> float:
    """The larger error of y and dy, where relu's kink decides nothing: as a product with the slope that was used."""
    x, w = a.x.astype(np.float64), a.w.astype(np.float64)
    z = x @ w + a.b
    dz = np.stack([x @ dw.astype(np.float64) for dw in a.dw]) + a.db[:, None]
    if a.dx is not None:
        dz += a.dx.astype(np.float64) @ w
    y, dy = map(on_host, answer)
    sure = np.abs(z) > 1e-4
    return max(relative_error(y, np.maximum(z, 0)), relative_error(dy * sure, dz * ((z > 0) & sure)))


def moments_error(values: Any) -> float:
    """How far mean and variance of values are from 0 and 1."""
    values = on_host(values).astype(np.float64)
    return max(abs(float(values.mean())), abs(float(values.var()) - 1))


def tanh_error(x: np.ndarray, dx: np.ndarray, answer: tuple[Any, Any]) -> float:
    """The larger error of y = tanh x and dy = (1 - y^2) dx."""
    y = np.tanh(x.astype(np.float64))
    return max(relative_error(answer[0], y), relative_error(answer[1], (1 - y * y) * dx))


class Updated(NamedTuple):
    """Parameters, a gradient, and the parameters after a step of SGD at `RATE`: x - RATE g, in float64."""

    x: np.ndarray
    g: np.ndarray
    truth: np.ndarray


def updated(n: int) -> Updated:
    """A step of SGD on n parameters."""
    x, g = normals(0, n), normals(1, n)
    return Updated(x, g, x - RATE * g.astype(np.float64))


def cone(k: int, n: int, degrees: float) -> np.ndarray:
    """k directions at an angle from one axis: the smaller, the worse the condition; 90 for independent normals."""
    v = normals(0, k, n)
    if degrees < 90:
        axis = normals(1, n)
        axis /= np.linalg.norm(axis)
        v -= np.outer(v @ axis, axis)
        v *= np.float32(np.tan(np.radians(degrees))) / np.linalg.norm(v, axis=1, keepdims=True)
        v += axis
    return v


class Projected(NamedTuple):
    """Directions (k, n), the derivatives along them, and the projection that is wanted."""

    v: np.ndarray
    d: np.ndarray
    truth: np.ndarray


def projected(k: int, n: int, degrees: float = 90.0) -> Projected:
    """The derivatives of a vector g along k directions in n dimensions; the truth from QR or, for 90 degrees, Gram."""
    v = cone(k, n, degrees)
    v64, g = v.astype(np.float64), normals(2, n).astype(np.float64)
    d = v64 @ g
    if degrees < 90:
        q, _ = np.linalg.qr(v64.T)
        return Projected(v, d, q @ (q.T @ g))
    return Projected(v, d, np.linalg.solve(v64 @ v64.T, d) @ v64)


# ------------------------------------------------------------------------------------------------------------ the work


class Work(NamedTuple):
    """Operations, bytes moved at least, and random values made by one call; 0 where they are not what bounds it."""

    flops: float = 0
    bytes: float = 0
    values: float = 0


def _affine_work(m: int, depth: int, n: int, k: int, dx: bool) -> Work:
    arrays = (1 + k) * depth * n + (1 + k * dx) * m * depth + (1 + k) * (m + 1) * n
    return Work(2.0 * m * depth * n * (1 + k * (1 + dx)), 4.0 * arrays)


WORK: dict[str, Callable[..., Work]] = {
    # benchmark          what one answer costs
    "step":              lambda w, k: Work(2.0 * BATCH * (784 * w * (1 + k) + (w + 10) * w * (1 + 2 * k))),
    "affine JVP":        _affine_work,
    "product":           lambda m, depth, n, k: Work(2.0 * m * depth * n * k, 4.0 * k * (depth + m) * n),
    "normals + product": lambda m, depth, n, k: Work(2.0 * m * depth * n * k, 4.0 * k * m * n),
    "signs + product":   lambda m, depth, n, k: Work(2.0 * m * depth * n * k, 4.0 * k * m * n),
    "normals":           lambda n: Work(values=n),
    "signs":             lambda n: Work(values=n),
    "tanh JVP":          lambda n, k: Work(0, 8.0 * (k + 1) * n),
    "scaled tangents":   lambda n, k: Work(0, 4.0 * (2 * k + 1) * n),
    "axpby":             lambda n: Work(0, 12.0 * n),
    "conv JVP":          lambda m, depth, n, k: Work(2.0 * m * 16**2 * 9 * depth * n * (1 + 2 * k)),
    "weighted rows":     lambda m, n, k: Work(0, 4.0 * m * (n * (1 + k) + k)),
    "cross-entropy JVP": lambda m, n, k: Work(0, 4.0 * m * (n + 1) * (1 + k)),
    "Gram matrix":       lambda k, n, exact: Work(1.0 * k * (k + 1) * n, 4.0 * k * n),
    "combination":       lambda k, n: Work(0, 4.0 * (k + 1) * n),
    "projection":        lambda k, n, degrees: Work(1.0 * k * (k + 1) * n + 2.0 * k * n, 8.0 * k * n),
}  # fmt: skip
"""Operations are those of the mathematics, whoever does more; symmetric results count once. Of a step, those of the
network and its tangents alone: sampling, projecting and updating are what a fast step hides behind them."""
