"""Conv2d: the convolutional layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import functions, kernels
from fwdad.dual import Array
from fwdad.functions import conv2d
from fwdad.kernels import Window, patches
from fwdad.nn.dtypes import check_input
from fwdad.nn.linear import initial
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed
from fwdad.nn.windows import Pair, window
from fwdad.perturbation import site
from fwdad.tree import static


class Conv2d(Module):
    """Convolution of images: ``y = act(conv(x, w) + b)``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y: ``weight`` is (KH, KW, in_channels / groups, out_channels), ``bias`` is (out_channels,).
    kernel_size, stride, padding, dilation : int or (int, int)
        The window and how it moves, alike in both directions or (vertical, horizontal); `fwdad.kernels.Window` says
        how large the result is.
    groups : int
        Into how many groups the channels are divided; the outputs of a group see the inputs of this group alone.
    activation, bias, seed, dtype
        As in `Linear`. Initial weights too, with KH KW in_channels / groups features.

    Raises
    ------
    ValueError
        For an unknown activation, a size out of range, or channels that are no multiple of groups.

    Notes
    -----
    Arrays have PyTorch's axes. In memory, results have their channels last, which the next layer reads fastest.

    Examples
    --------
    >>> layer = Conv2d(3, 8, 3, stride=2, padding=1, activation="relu")
    >>> layer(np.ones((5, 3, 9, 9), np.float32)).shape, layer.parameters
    ((5, 8, 5, 5), 224)
    """

    weight: Array
    bias: Array | None
    window: Window = static()
    groups: int = static(1)
    activation: functions.ActivationName = static("identity")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        activation: functions.ActivationName = "identity",
        bias: bool = True,
        seed: Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        functions.activation_row(activation)
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                "in_channels and out_channels must be multiples of groups, and all at least 1; "
                f"got {in_channels}, {out_channels}, {groups}"
            )
        self.window = window(kernel_size, stride, padding, dilation)
        self.weight = initial((*self.window.kernel, in_channels // groups, out_channels), activation, seed, dtype)
        self.bias = np.zeros(out_channels, dtype) if bias else None
        self.groups = groups
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        """Return y (B, out_channels, OH, OW) for x (B, in_channels, H, W)."""
        check_input(self, x, self.weight.dtype)
        if x.ndim != 4 or x.shape[1] != self.weight.shape[2] * self.groups:
            raise ValueError(
                f"Conv2d takes (B, {self.weight.shape[2] * self.groups}, H, W); got an input of shape {x.shape}"
            )
        x = np.transpose(x, (0, 2, 3, 1))
        shape = (x.shape[0], *self.window.output(*x.shape[1:3]), self.weight.shape[3])
        here = site(self, x, shape, self.weight.dtype)
        b = here.moved(self.bias)
        if self.groups == 1:
            y = conv2d(x, self.weight, b, self.window, self.activation)
        else:
            parts = [
                conv2d(x[..., i], self.weight[..., o], None if b is None else b[..., o], self.window, self.activation)
                for i, o in self._groups()
            ]
            y = np.concatenate(parts, axis=-1)
        return np.transpose(here.settled(y), (0, 3, 1, 2))

    def _groups(self) -> list[tuple[slice, slice]]:
        """Return which input channels each group sees, and which output channels it makes."""
        sizes = self.weight.shape[2], self.weight.shape[3] // self.groups
        return [
            (slice(g * sizes[0], (g + 1) * sizes[0]), slice(g * sizes[1], (g + 1) * sizes[1]))
            for g in range(self.groups)
        ]

    def local_gradient(self, x: Array, g: Array) -> Conv2d:
        """Return ``dL/dw = patches(x)^T g`` and ``dL/db = sum g``: x (B, H, W, C), g = dL/dz (B, OH, OW, O)."""
        gradient = object.__new__(type(self))
        gradient.window, gradient.groups, gradient.activation = self.window, self.groups, self.activation
        parts = []
        for i, o in self._groups():
            seen = patches(x[..., i], self.window)
            rows, of_rows = seen.reshape(-1, seen.shape[-1]), g[..., o].reshape(-1, self.weight.shape[3] // self.groups)
            parts.append(_outer_product(rows, of_rows).reshape(*self.weight.shape[:3], -1))
        gradient.weight = parts[0] if self.groups == 1 else np.concatenate(parts, axis=-1)
        gradient.bias = None if self.bias is None else np.sum(np.sum(g, axis=(0, 1)), axis=0)  # long runs first
        return gradient


def _outer_product(x: Array, g: Array) -> Array:
    """Return ``x^T g`` for x (M, K) and g (M, N), with the larger of K and N along the kernel's wide tiles."""
    left, right = (g, x) if x.shape[1] > g.shape[1] else (x, g)
    product = kernels.affine_jvp(left.T, right, None, None, None, None)[0]
    return product if left is x else product.T
