"""Conv2d: the convolutional layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import functions
from fwdad.dual import Array
from fwdad.functions import conv2d
from fwdad.kernels import Window, patches
from fwdad.nn.linear import initial, outer_gradient
from fwdad.nn.module import Module
from fwdad.nn.windows import Pair, window
from fwdad.perturbation import site
from fwdad.tree import static


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
        functions.activation_row(activation)
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
        here = site(self, x, shape, self.weight.dtype)
        b = here.moved(self.bias)
        if self.groups == 1:
            y = conv2d(x, self.weight, b, self.at, self.activation)
        else:
            parts = [
                conv2d(x[..., i], self.weight[..., o], None if b is None else b[..., o], self.at, self.activation)
                for i, o in self._groups()
            ]
            y = np.concatenate(parts, axis=-1)
        return np.transpose(here.settled(y), (0, 3, 1, 2))

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
