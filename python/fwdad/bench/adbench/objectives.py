"""The four functions as array programs that NumPy, JAX, autograd and PyTorch run alike: `xp` is the library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Array = Any


def reprojection(xp: Any, data: Mapping[str, Any], x: Array) -> Array:
    """Return ``w (projection - feature)`` of p observations, ``(2, p)``, of their parameters x (15, p).

    These are a camera's (rotation 3, centre 3, focal length, principal point 2, radial distortion 2), a point's 3 and a
    weight. The rotation is Rodrigues' formula; none of ADBench's files has a camera that is not rotated.
    """
    r, c, focal, radial, point = x[:3], x[3:6], x[6], x[9:11], x[11:14]
    square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    angle = xp.sqrt(square)
    cosine, sine = xp.cos(angle), xp.sin(angle) / angle
    d = [point[i] - c[i] for i in range(3)]
    along = (r[0] * d[0] + r[1] * d[1] + r[2] * d[2]) * ((1 - cosine) / square)
    y = [cosine * d[i] + sine * (r[i - 2] * d[i - 1] - r[i - 1] * d[i - 2]) + along * r[i] for i in range(3)]
    u, v = y[0] / y[2], y[1] / y[2]
    size = u * u + v * v
    scale = focal * (1 + size * (radial[0] + size * radial[1]))
    feature = data["feature"]
    return xp.stack([x[14] * (u * scale + x[7] - feature[0]), x[14] * (v * scale + x[8] - feature[1])])


def hand(xp: Any, data: Mapping[str, Any], theta: Array) -> Array:
    """Return points minus the vertices of the posed hand that they belong to, ``(N, 3)``, of 26 parameters.

    These are a rotation 3, a translation 3, and of each finger 4 angles. A vertex is a weighted mean of what the
    transforms T_b of bones make of it, so all are one product, ``blended @ T``.
    """
    return data["points"] - _posed(xp, data, theta, data["blended"])


def hand_with_places(xp: Any, data: Mapping[str, Any], theta: Array, u: Array) -> Array:
    """Do as `hand`, for points that lie within triangles at places u (2, N)."""
    first, second, third = (_posed(xp, data, theta, corner) for corner in data["corners"])
    u0, u1 = u[0][:, None], u[1][:, None]
    return data["points"] - (u0 * first + u1 * second + (1 - u0 - u1) * third)


def _posed(xp: Any, data: Mapping[str, Any], theta: Array, blended: Array) -> Array:
    """Place vertices, whose weights and positions are in `blended` (N, 4 bones)."""
    bones = _bones(xp, data, theta)
    vertices = blended @ xp.reshape(bones, (-1, 3))
    return vertices @ _rotation(xp, theta[:3]) + theta[3:6]


def _bones(xp: Any, data: Mapping[str, Any], theta: Array) -> Array:
    """Return what bones do to vertices at rest, transposed: (bones, 4, 3). Each level of the tree is one product."""
    a, b = data["flexion"] @ theta, data["abduction"] @ theta  # about x, then about z
    ca, sa, cb, sb = xp.cos(a), xp.sin(a), xp.cos(b), xp.sin(b)
    zero, one = data["zero"], data["one"]
    entries = [cb, -sb * ca, sb * sa, zero, sb, cb * ca, -cb * sa, zero, zero, sa, ca, zero, zero, zero, zero, one]
    relative = data["relative"] @ xp.reshape(xp.stack(entries, -1), (-1, 4, 4))
    levels = [relative[data["levels"][0]]]
    for level, parents in zip(data["levels"][1:], data["parents"], strict=True):
        levels.append(levels[-1][parents] @ relative[level])
    absolute = xp.concatenate(levels)[data["order"]]
    return xp.swapaxes((absolute @ data["inverse"])[:, :3, :], 1, 2)


def _rotation(xp: Any, r: Array) -> Array:
    """Return the transposed matrix of the rotation about r by its length."""
    square = xp.sum(r * r)
    angle = xp.sqrt(square)
    c, s, k = xp.cos(angle), xp.sin(angle) / angle, (1 - xp.cos(angle)) / square
    x, y, z = r[0], r[1], r[2]
    rows = [
        xp.stack([c + k * x * x, k * x * y + s * z, k * x * z - s * y]),
        xp.stack([k * x * y - s * z, c + k * y * y, k * y * z + s * x]),
        xp.stack([k * x * z + s * y, k * y * z - s * x, c + k * z * z]),
    ]
    return xp.stack(rows)


def mixture(xp: Any, data: Mapping[str, Any], alphas: Array, means: Array, factors: Array) -> Array:
    """Return the log posterior of K Gaussians in d dimensions, given points (N, d), with a Wishart prior.

    `factors` (K, d (d + 1) / 2) are the logarithms of the diagonals of the inverse covariances' factors, and what is
    below them, column by column.
    """
    points, gamma, m = data["points"], data["gamma"], data["m"]
    n, d = points.shape
    diagonal, k = xp.exp(factors[:, :d]), alphas.shape[0]
    lower = xp.reshape(factors[:, d:] @ data["below"], (k, d, d)) if d > 1 else 0
    centered = points[:, None, :] - means  # (N, K, d)
    scaled = diagonal * centered + xp.swapaxes(xp.swapaxes(centered, 0, 1) @ xp.swapaxes(lower, 1, 2), 0, 1)
    total = xp.sum(factors[:, :d], 1)
    terms = alphas + total - 0.5 * xp.sum(scaled * scaled, 2)
    prior = 0.5 * gamma * gamma * (xp.sum(diagonal * diagonal) + xp.sum(factors[:, d:] * factors[:, d:]))
    constant = -n * d * 0.5 * math.log(2 * math.pi) - k * data["wishart"]
    return (
        constant + xp.sum(_logsumexp(xp, terms)) - n * xp.sum(_logsumexp(xp, alphas[None])) + prior - m * xp.sum(total)
    )


def _logsumexp(xp: Any, x: Array) -> Array:
    """Return log sum exp of rows. No entry is moved out of the exponential's way: ADBench's files are tame."""
    return xp.log(xp.sum(xp.exp(x), 1))


def lstm(xp: Any, data: Mapping[str, Any], main: Array, extra: Array) -> Array:
    """Return minus the mean log likelihood of a text (T, b), read by layers whose gates are elementwise.

    main (2 layers, 4 b) holds weights and biases by turns, extra (3, b) what scales the input, and scales and moves the
    output.
    """
    text, total = data["text"], 0.0
    layers, b = main.shape[0] // 2, text.shape[1]
    hidden = [data["state"][2 * layer] for layer in range(layers)]
    cell = [data["state"][2 * layer + 1] for layer in range(layers)]
    for t in range(text.shape[0] - 1):
        x = text[t] * extra[0]
        for layer in range(layers):
            gates = xp.concatenate([x, hidden[layer], x, hidden[layer]]) * main[2 * layer] + main[2 * layer + 1]
            open_ = 1 / (1 + xp.exp(-gates[: 3 * b]))
            cell[layer] = cell[layer] * open_[:b] + open_[b : 2 * b] * xp.tanh(gates[3 * b :])
            hidden[layer] = x = open_[2 * b :] * xp.tanh(cell[layer])
        y = x * extra[1] + extra[2]
        total = total + xp.sum(text[t + 1] * (y - xp.log(xp.sum(xp.exp(y)) + 2)))
    return -total / ((text.shape[0] - 1) * b)
