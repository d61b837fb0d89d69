"""Conv2d: convolution as a matrix product over patches, a chunk of images at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fwdad import functions, kernels
from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.estimators.activity import outer_gradient, perturbed_bias, settled
from fwdad.nn.linear import initial
from fwdad.nn.module import Module
from fwdad.nn.windows import Pair, Window, patches, window
from fwdad.rules.forms import rule_for
from fwdad.tree import static

CHUNK_BYTES = 1 << 24
"""Patches of so many images at a time are made that they and those of their tangents take about this much memory."""


@primitive
def conv2d(x: Array, w: Array, b: Array | None, at: Window, activation: str = "identity") -> Array:
    """``act(conv(x, w) + b)`` and its k tangents: x (B, H, W, C), w (KH, KW, C, O), b (O,) or (B, OH, OW, O).

    ``y[., r, s, o] = act(sum_ijc x[., r i', s j', c] w[i, j, c, o] + b)``, of shape (B, OH, OW, O): one matrix product
    of patches and w, so ``dy_i = act'(z) (patches(dx_i) w + patches(x) dw_i + db_i)``. Patches are made for a
    chunk of images at a time and those of dx only where x moves: noise on z and directions of w cost no patches.

    Raises ValueError for shapes that do not fit, TypeError for mixed dtypes.

    >>> conv2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 3)), None, window(2)).tolist()
    [[[[4.0, 4.0, 4.0]]]]
    """
    functions.check_activation(activation)
    if activation not in kernels.ACTIVATIONS:
        return functions.ACTIVATIONS[activation](conv2d(x, w, b, at))
    return _chunked(x, w.reshape(-1, w.shape[-1]), b, None, None, None, at, activation)[0]


@rule_for(conv2d)
def _conv2d(x: Array, w: Array, b: Array | None, at: Window, activation: str = "identity") -> Array:
    functions.check_activation(activation)
    if activation not in kernels.ACTIVATIONS:
        return functions.ACTIVATIONS[activation](conv2d(x, w, b, at))
    level = highest_level((x, w, b))
    (px, dx), (pw, dw), (pb, db) = (split(a, level) for a in (x, w, b))
    if any(type(a) is Dual for a in (px, dx, pw, dw, pb, db)):
        z = np.matmul(patches(x, at), np.reshape(w, (-1, w.shape[-1])))
        return functions.ACTIVATIONS[activation](z if b is None else z + b)
    matrix = pw.reshape(-1, pw.shape[-1])
    if dw is not None:
        dw = _as_matrix(dw)
    if db is not None and not isinstance(db, np.ndarray):
        db = np.asarray(db)
    y, dy = _chunked(px, matrix, pb, dx, dw, db, at, activation)
    return Dual(y, dy, level)


def _as_matrix(dw: Array) -> Array:
    """Directions of w, (k, KH, KW, C, O), as directions of a matrix; a stream stays one."""
    if isinstance(dw, kernels.Stream):
        return replace(dw, primal_shape=dw.matrix_shape)
    return np.asarray(dw).reshape(dw.shape[0], -1, dw.shape[-1])


def _chunked(
    x: Array, w: Array, b: Array, dx: Array, dw: Array, db: Array, at: Window, activation: str
) -> tuple[Array, Array]:
    """`conv2d` on arrays, w and dw as matrices: y and dy, or None."""
    images = x.shape[0]
    shape = (images, *at.output(*x.shape[1:3]), w.shape[1])
    rows = shape[1] * shape[2]
    moving = next((t for t in (dx, dw, db) if t is not None), None)
    k = 0 if moving is None else moving.shape[0]
    whole = rows * w.shape[0] * x.itemsize * (1 if dx is None else 1 + k)
    step = max(1, images if at.is_point else CHUNK_BYTES // max(1, whole))

    def run(part: slice) -> tuple[Array, Array]:
        def flat(a: Array, *lead: int) -> Array:
            return None if a is None else a.reshape(*lead, -1, a.shape[-1])

        def some(a: Array, axis: int) -> Array:  # of a bias: one for all, or one an output
            if a is None or a.ndim == axis + 1:
                return a
            return flat(a[part] if axis == 0 else a[:, part], *a.shape[:axis])

        moving_patches = None if dx is None else flat(patches(dx[:, part], at), k)
        return kernels.affine_jvp(
            flat(patches(x[part], at)), w, some(b, 0), moving_patches, dw, some(db, 1), activation
        )

    if step >= images:
        y, dy = run(slice(None))
    else:
        y = np.empty((images * rows, shape[-1]), x.dtype)
        dy = np.empty((k, *y.shape), x.dtype) if k else None
        for start in range(0, images, step):
            place = slice(start * rows, (start + step) * rows)
            y[place], tangent = run(slice(start, start + step))
            if dy is not None:
                dy[:, place] = tangent
    return y.reshape(shape), None if dy is None else dy.reshape(k, *shape)


class Conv2d(Module):
    """``y = act(conv(x, w) + b)``: x (B, C, H, W) to (B, O, OH, OW), weight (KH, KW, C / groups, O), bias (O,).

    Sizes are integers or (vertical, horizontal) pairs; output size as in `Window`. With groups, output channels
    of group g see the input channels of group g alone. Arrays have PyTorch's axes; in memory, results have their
    channels last, which the next layer reads fastest. Initial values as `Linear`'s, of KH * KW * C / groups inputs.

    Raises ValueError for an unknown activation, sizes out of range, or channels that are no multiple of groups.

    >>> layer = Conv2d(3, 8, 3, stride=2, padding=1, activation="relu")
    >>> layer(np.ones((5, 3, 9, 9), np.float32)).shape, layer.parameters
    ((5, 8, 5, 5), 224)
    """

    weight: Array
    bias: Array | None
    at: Window = static()
    groups: int = static(1)
    activation: str = static("identity")

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        activation: str = "identity",
        bias: bool = True,
        seed: int | np.random.SeedSequence = 0,
        dtype: Any = np.float32,
    ) -> None:
        functions.check_activation(activation)
        if min(inputs, outputs, groups) < 1 or inputs % groups or outputs % groups:
            raise ValueError(
                f"inputs and outputs must be multiples of groups, and all at least 1; got {inputs}, {outputs}, {groups}"
            )
        self.at = window(kernel, stride, padding, dilation)
        self.weight = initial((*self.at.kernel, inputs // groups, outputs), activation, seed, dtype)
        self.bias = np.zeros(outputs, dtype) if bias else None
        self.groups = groups
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        if x.ndim != 4 or x.shape[1] != self.weight.shape[2] * self.groups:
            raise ValueError(
                f"Conv2d takes (B, {self.weight.shape[2] * self.groups}, H, W); got an input of shape {x.shape}"
            )
        x = np.transpose(x, (0, 2, 3, 1))
        shape = (x.shape[0], *self.at.output(*x.shape[1:3]), self.weight.shape[3])
        b = perturbed_bias(self, x, self.bias, shape, self.weight.dtype)
        if self.groups == 1:
            y = conv2d(x, self.weight, b, self.at, self.activation)
        else:
            parts = [
                conv2d(x[..., i], self.weight[..., o], None if b is None else b[..., o], self.at, self.activation)
                for i, o in self._groups()
            ]
            y = np.concatenate(parts, axis=-1)
        return np.transpose(settled(y), (0, 3, 1, 2))

    def _groups(self) -> list[tuple[slice, slice]]:
        """Which input channels each group sees, and which output channels it makes."""
        sizes = self.weight.shape[2], self.weight.shape[3] // self.groups
        return [
            (slice(g * sizes[0], (g + 1) * sizes[0]), slice(g * sizes[1], (g + 1) * sizes[1]))
            for g in range(self.groups)
        ]

    def local_gradient(self, x: Array, g: Array) -> Conv2d:
        """``dL/dw = patches(x)^T g`` and ``dL/db = sum g``: x (B, H, W, C), g = dL/dz (B, OH, OW, O)."""
        gradient = object.__new__(type(self))
        gradient.at, gradient.groups, gradient.activation = self.at, self.groups, self.activation
        parts = []
        for i, o in self._groups():
            seen = patches(x[..., i], self.at)
            part, _ = outer_gradient(seen.reshape(-1, seen.shape[-1]), g[..., o].reshape(-1, g[..., o].shape[-1]))
            parts.append(part.reshape(*self.weight.shape[:3], -1))
        gradient.weight = np.concatenate(parts, axis=-1)
        gradient.bias = None if self.bias is None else np.sum(g, axis=(0, 1, 2))
        return gradient
