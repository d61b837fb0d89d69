"""The multilayer perceptron under the models' common call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.sequential import MLP
from fwdad.tree import static


class ImageMLP(MLP):
    """An `MLP` on flattened images; `hidden` are the widths between input and logits.

    >>> ImageMLP((1, 8, 8), 10).parameters
    26122
    """

    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        seed: int = 0,
        dtype: Any = np.float32,
        *,
        hidden: Sequence[int] = (128, 128),
        activation: str = "relu",
    ) -> None:
        super().__init__((math.prod(shape), *hidden, classes), activation, seed, dtype)
        self.shape = shape

    def __call__(self, x: Array) -> Array:
        return super().__call__(np.reshape(as_images(x, self.shape), (x.shape[0], -1)))
