"""What every image model begins with."""

from __future__ import annotations

import math

import numpy as np

from fwdad.dual import Array

Shape = tuple[int, int, int]
"""(channels, height, width)."""


def as_images(x: Array, shape: Shape) -> Array:
    """x (B, channels, height, width), or (B, n) as flattened data sets come, as images.

    Raises ValueError for anything else.
    """
    if x.ndim not in (2, 4) or x.shape[1:] not in (shape, (math.prod(shape),)):
        raise ValueError(f"expected images (B, {', '.join(map(str, shape))}), or flattened; got shape {x.shape}")
    return np.reshape(x, (x.shape[0], *shape))
