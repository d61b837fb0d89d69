"""The input of every network: images, as they are or flattened."""

from __future__ import annotations

import math

import numpy as np

from fwdad.dual import Array

Shape = tuple[int, int, int]
"""(channels, height, width)."""


def as_images(x: Array, shape: Shape) -> Array:
    """Return x (B, channels, height, width) or (B, channels * height * width) as images of this shape.

    Raises
    ------
    ValueError
        For an x of another shape.
    """
    if x.ndim not in (2, 4) or x.shape[1:] not in (shape, (math.prod(shape),)):
        raise ValueError(f"expected images (B, {', '.join(map(str, shape))}), or flattened; got shape {x.shape}")
    return np.reshape(x, (x.shape[0], *shape))
