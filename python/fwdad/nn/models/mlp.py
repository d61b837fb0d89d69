"""The multilayer perceptron as one of `MODELS`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.functions import ActivationName
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.seeds import Seed
from fwdad.nn.sequential import MLP
from fwdad.tree import static


class ImageMLP(MLP):
    """An `MLP` on flattened images.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    hidden : sequence of int
        Sizes of the hidden layers.
    activation : str
        As in `MLP`.

    Examples
    --------
    >>> ImageMLP((1, 8, 8), 10).parameters
    26122
    """

    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        hidden: Sequence[int] = (128, 128),
        activation: ActivationName = "relu",
    ) -> None:
        super().__init__((math.prod(shape), *hidden, classes), activation=activation, seed=seed, dtype=dtype)
        self.shape = shape

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        return super().__call__(np.reshape(as_images(x, self.shape), (x.shape[0], -1)))
