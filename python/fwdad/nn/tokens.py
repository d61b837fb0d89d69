"""Tokens: how an image becomes a sequence of vectors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array
from fwdad.nn.conv import Conv2d
from fwdad.nn.dtypes import check_input, floating
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, generator
from fwdad.perturbation import site


class PatchEmbedding(Conv2d):
    """An image cut into squares, each of which one linear map makes a token.

    It is a convolution whose stride is the size of its kernel.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    embed_dim : int
        The size of a token.
    patch_size : int
        The side of a square.
    seed, dtype
        As in `Linear`.

    Raises
    ------
    ValueError
        For a size below 1.

    References
    ----------
    arXiv 2010.11929, eq. 1.

    Examples
    --------
    >>> PatchEmbedding(3, 16, 4)(np.ones((2, 3, 32, 32), np.float32)).shape
    (2, 64, 16)
    """

    def __init__(
        self,
        in_channels: int,
        embed_dim: int,
        patch_size: int,
        *,
        seed: Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(in_channels, embed_dim, patch_size, stride=patch_size, seed=seed, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return the tokens (B, H W / patch_size^2, embed_dim) of x (B, in_channels, H, W), in reading order."""
        y = super().__call__(x)
        return np.reshape(np.transpose(y, (0, 2, 3, 1)), (y.shape[0], -1, y.shape[1]))


class ClassToken(Module):
    """A learnt token in front of a sequence, and a learnt vector added to each position.

    ``y = [class_token; x] + position``, with ``class_token`` (1, 1, embed_dim), which starts at 0, and ``position``
    (1, num_positions + 1, embed_dim), drawn from N(0, 0.02^2).

    Parameters
    ----------
    num_positions : int
        The length T of the sequence x.
    embed_dim : int
        The size of a token.
    seed, dtype
        As in `Linear`.

    Raises
    ------
    TypeError
        For a dtype that is neither float32 nor float64, and for an input of another dtype.
    ValueError
        For a size below 1.

    References
    ----------
    arXiv 2010.11929, eq. 1.

    Examples
    --------
    >>> ClassToken(64, 16)(np.ones((2, 64, 16), np.float32)).shape
    (2, 65, 16)
    """

    torch_names: ClassVar[dict[str, str]] = {"position": "encoder.pos_embedding"}

    class_token: Array
    position: Array

    def __init__(self, num_positions: int, embed_dim: int, *, seed: Seed = None, dtype: Any = np.float32) -> None:
        if min(num_positions, embed_dim) < 1:
            raise ValueError(f"num_positions and embed_dim must be at least 1; got {num_positions} and {embed_dim}")
        dtype = floating(dtype)
        self.class_token = np.zeros((1, 1, embed_dim), dtype)
        self.position = 0.02 * generator(seed).standard_normal((1, num_positions + 1, embed_dim)).astype(dtype)

    def __call__(self, x: Array) -> Array:
        """Return y (B, T + 1, embed_dim) for x (B, T, embed_dim)."""
        check_input(self, x, self.position.dtype)
        first = np.broadcast_to(self.class_token, (x.shape[0], 1, x.shape[2]))
        y = np.concatenate([first, x], axis=1) + self.position
        here = site(self, x, y.shape, self.position.dtype)
        b = here.moved(None)
        return here.settled(y if b is None else y + b)

    def local_gradient(self, x: Array, g: Array) -> ClassToken:
        """Return ``dL/dposition = sum_b g`` and ``dL/dclass_token = sum_b g[:, 0]`` for g = dL/dy."""
        gradient = object.__new__(ClassToken)
        gradient.position = np.sum(g, axis=0, keepdims=True)
        gradient.class_token = gradient.position[:, :1]
        return gradient
