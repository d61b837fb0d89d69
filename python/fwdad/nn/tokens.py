"""Tokens: how an image becomes a sequence."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array
from fwdad.nn.conv import Conv2d
from fwdad.nn.module import Module
from fwdad.perturbation import site


class PatchEmbedding(Conv2d):
    """An image cut into squares, each made a vector by one linear map: x (B, C, H, W) to (B, H W / patch^2, width).

    A convolution whose stride is its size; tokens in reading order. Source: arXiv 2010.11929, eq. 1.

    Raises ValueError for sizes below 1.

    >>> PatchEmbedding(3, 16, 4)(np.ones((2, 3, 32, 32), np.float32)).shape
    (2, 64, 16)
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        patch: int,
        *,
        seed: int | np.random.SeedSequence = 0,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(inputs, width, patch, stride=patch, seed=seed, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        y = super().__call__(x)
        return np.reshape(np.transpose(y, (0, 2, 3, 1)), (y.shape[0], -1, y.shape[1]))


class ClassToken(Module):
    """A learnt token in front of a sequence, and a learnt vector added to each position.

    ``y = [class_token; x] + position``: x (B, T, width) to (B, T + 1, width). Source: arXiv 2010.11929, eq. 1.

    >>> ClassToken(64, 16)(np.ones((2, 64, 16), np.float32)).shape
    (2, 65, 16)
    """

    torch_names: ClassVar[dict[str, str]] = {"position": "encoder.pos_embedding"}

    class_token: Array  # (1, 1, width)
    position: Array  # (1, T + 1, width)

    def __init__(
        self, positions: int, width: int, *, seed: int | np.random.SeedSequence = 0, dtype: Any = np.float32
    ) -> None:
        if min(positions, width) < 1:
            raise ValueError(f"positions and width must be at least 1; got {positions} and {width}")
        self.class_token = np.zeros((1, 1, width), dtype)
        self.position = 0.02 * np.random.default_rng(seed).standard_normal((1, positions + 1, width)).astype(dtype)

    def __call__(self, x: Array) -> Array:
        first = np.broadcast_to(self.class_token, (x.shape[0], 1, x.shape[2]))
        y = np.concatenate([first, x], axis=1) + self.position
        here = site(self, x, y.shape, self.position.dtype)
        b = here.moved(None)
        return here.settled(y if b is None else y + b)

    def local_gradient(self, x: Array, g: Array) -> ClassToken:
        """``dL/dposition = sum_b g`` and ``dL/dclass_token = sum_b g[:, 0]`` for g = dL/dy."""
        gradient = object.__new__(ClassToken)
        gradient.position = np.sum(g, axis=0, keepdims=True)
        gradient.class_token = gradient.position[:, :1]
        return gradient
